"""Trials, files, findings and disclosure profiles of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from assets.effects.moderators import moderator_values
from assets.journey.kept import Journeys
from assets.release import trial_tables
from assets.store import TableStore
from validations.findings import (
    findings_frame,
    findings_from_frame,
)
from validations.manifest.vocabulary import DisclosureProfile, SourceKind
from validations.records import RECORD_SCHEMAS
from validations.tables import TABLES, made_columns

DEFAULT_PROFILE = DisclosureProfile.ROUNDED


def disclosure_profiles(store: TableStore, trials: list[str]) -> dict[str, DisclosureProfile]:
    """Profile of every trial that has participant rows."""
    summaries = Journeys(store, trials).summaries
    having = {t: one for t, one in summaries.items() if "participant_rows" in one["checks"]}
    return _profiles(store, having)


def file_profiles(store: TableStore, trials: list[str]) -> dict[str, DisclosureProfile]:
    """Profile of every trial that names a file of participants, whether or not its rows could
    be used."""
    summaries = Journeys(store, trials).summaries
    kinds = {
        trial: {source["kind"] for source in (one["manifest"] or {"sources": []})["sources"]}
        for trial, one in summaries.items()
    }
    naming = {t: one for t, one in summaries.items() if SourceKind.PARTICIPANT_ROWS in kinds[t]}
    return _profiles(store, naming)


def _profiles(
    store: TableStore, summaries: Mapping[str, Mapping[str, Any]]
) -> dict[str, DisclosureProfile]:
    """The profiles of trials by their summaries: their own, else that of the settings."""
    default = (
        DisclosureProfile(store.read_json("settings")["disclosure"])
        if store.has("settings")
        else DEFAULT_PROFILE
    )
    own = {trial: (one["manifest"] or {}).get("disclosure") for trial, one in summaries.items()}
    return {
        trial: DisclosureProfile(chosen["profile"]) if chosen else default
        for trial, chosen in own.items()
    }


def list_files(store: TableStore, trials: list[str]) -> pd.DataFrame:
    """The account of every file that was read, one row per source."""
    summaries = Journeys(store, trials).summaries
    rows = [file for _, summary in sorted(summaries.items()) for file in summary["files"]]
    table = pd.DataFrame(rows, columns=made_columns("files_read"))
    counts = [c.name for c in TABLES["files_read"].columns if c.kind == "integer"]
    table = table.astype(dict.fromkeys(counts, "Int64") | {"extent_as_stated": "boolean"})
    store.write("context/files_read", table)
    return table


def describe_trials(store: TableStore, trials: list[str]) -> pd.DataFrame:
    """Trials, arms and instruments."""
    journeys = Journeys(store, trials)
    manifests = journeys.manifests
    labels: dict[str, tuple[str, str]] = {}
    for kind in RECORD_SCHEMAS:
        records = store.read(f"screened/{kind}")
        if len(records):
            unique = records[["trial_id", "collection_id", "study_label"]].drop_duplicates(
                "trial_id"
            )
            labels |= {r.trial_id: (r.collection_id, r.study_label) for r in unique.itertuples()}
    for trial, manifest in manifests.items():
        if not any(collection == trial for collection, _ in labels.values()):
            labels[trial] = (trial, manifest.label)
    unreadable = {t: "manifest not usable" for t in trials if t not in manifests}
    table = trial_tables.trials_table(manifests, store.read("effects/effects"), unreadable, labels)
    store.write("context/trials", table)
    store.write(
        "context/arms", trial_tables.arms_table(manifests, store.read("outcomes/arm_statistics"))
    )
    store.write("context/instruments", trial_tables.instruments_table(manifests))
    store.write("context/risk_of_bias", trial_tables.risk_of_bias_table(manifests))
    store.write("context/moderators", moderator_values(manifests, journeys.stack("study_values")))
    return table


def collect_findings(
    store: TableStore, trials: list[str], syntheses: Sequence[str] = ()
) -> pd.DataFrame:
    """All findings of the run, and all rejected rows.

    syntheses: tables of the synthesis layer, which were made before.
    """
    findings = Journeys(store, trials).findings
    made = ["effects/findings"]
    made += [f"synthesis/{name}_findings" for name in syntheses]
    for name in made:
        findings += findings_from_frame(store.read(name))
    frame = findings_frame(findings)
    store.write("context/findings", frame)
    rejected = [store.read(f"screened/{kind}_rejected") for kind in RECORD_SCHEMAS]
    rejected = [part for part in rejected if len(part)]
    store.write(
        "context/rejected_rows",
        pd.concat(rejected, ignore_index=True) if rejected else pd.DataFrame({"trial_id": []}),
    )
    return frame
