"""From accepted records to outcome tables; participants end here."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.synthesis.settings import AnalysisSettings
from assets.steps.staging import Staged
from assets.store import TableStore
from assets.tables import arms as arm_tables
from assets.tables import outcomes as outcome_tables
from assets.tables.participants import (
    ParticipantFacts,
    facts_from_counts,
    participant_facts,
)
from validations.findings import (
    Finding,
    findings_frame,
)
from validations.manifest.model import TrialManifest
from validations.trial_rules import unused_declarations


def summarize_participants(
    store: TableStore, trials: list[str], settings: AnalysisSettings
) -> dict[str, Any]:
    """Aggregates of participant rows; the last step that sees a participant."""
    manifests = Staged(store, trials).manifests
    rows = store.read("screened/participant_rows")
    statistics = arm_tables.arms_from_participants(rows, manifests)
    facts = {
        str(trial): participant_facts(manifests[str(trial)], part, settings.intender_rule)
        for trial, part in rows.groupby("trial_id")
    }
    counts = store.read("screened/intention_by_action")
    for trial, part in counts.groupby("trial_id"):
        manifest = manifests[str(part["collection_id"].iloc[0])]
        facts.setdefault(str(trial), facts_from_counts(manifest, part, settings.intender_rule))
    store.write("participants/arm_statistics", statistics)
    store.write_json("participants/facts", {t: f.to_dict() for t, f in facts.items()})
    return {"trials": len(facts), "arm_statistics": len(statistics)}


def check_participants(store: TableStore, trials: list[str]) -> pd.DataFrame:
    """Independent checks on participant rows: cross-check of g, assumptions, reliability."""
    from assets.tables.quality import CHECK_COLUMNS, findings_of_checks, participant_checks

    staged = Staged(store, trials)
    manifests, items = staged.manifests, staged.records("participant_items")
    checks: list[dict[str, object]] = []
    for trial, part in store.read("screened/participant_rows").groupby("trial_id"):
        own = items[items["collection_id"] == trial] if len(items) else items
        checks += participant_checks(manifests[str(trial)], part, own)
    table = pd.DataFrame(checks, columns=CHECK_COLUMNS)
    store.write("participants/participant_checks", table)
    store.write("participants/findings", findings_frame(findings_of_checks(table)))
    return table


def read_facts(store: TableStore) -> dict[str, ParticipantFacts]:
    """Aggregates of participant rows by trial."""
    data = store.read_json("participants/facts")
    return {trial: ParticipantFacts.from_dict(one) for trial, one in data.items()}


def assemble_outcomes(store: TableStore, trials: list[str]) -> pd.DataFrame:
    """All outcome rows, from which the three outcome tables are cut."""
    manifests = Staged(store, trials).manifests
    statistics = pd.concat(
        [
            part
            for part in (
                arm_tables.arms_from_summaries(store.read("screened/arm_summaries"), manifests),
                arm_tables.arms_from_counts(store.read("screened/intention_by_action"), manifests),
                store.read("participants/arm_statistics"),
            )
            if len(part)
        ]
        or [pd.DataFrame(columns=arm_tables.ARM_STATISTICS)],
        ignore_index=True,
    )
    for name in ("comparison", "instrument", "timepoint"):
        statistics[name] = statistics[name].fillna("")
    reported = store.read("screened/reported_effects")
    rows = outcome_tables.outcome_rows(statistics, reported, manifests, read_facts(store))
    store.write("outcomes/arm_statistics", statistics)
    store.write("outcomes/outcome_rows", rows)
    findings = _unused(store, manifests, statistics, rows)
    store.write("outcomes/findings", findings_frame(findings))
    return rows


def _unused(
    store: TableStore,
    manifests: dict[str, TrialManifest],
    statistics: pd.DataFrame,
    rows: pd.DataFrame,
) -> list[Finding]:
    """What manifests declare and no accepted row mentions."""
    correlations = store.read("screened/correlations")
    findings: list[Finding] = []
    for trial, manifest in manifests.items():
        own = statistics[statistics["collection_id"] == trial]
        made = rows[rows["collection_id"] == trial]
        printed = made[made["basis"] == "reported_effects"]
        mentioned = {
            str(name)
            for column in ("outcome_id", "intervention_arm", "comparator_arm")
            for name in printed[column]
        }
        if len(correlations):
            pairs = correlations[correlations["collection_id"] == trial]
            mentioned |= set(pairs["variable_1"]) | set(pairs["variable_2"])
        findings += unused_declarations(
            manifest,
            set(zip(own["arm"].astype(str), own["outcome"].astype(str), strict=True)),
            set(made["outcome_id"]),
            mentioned,
        )
    return findings


OUTCOME_TABLES = ("intention", "behavior", "upstream")


def write_outcome_table(store: TableStore, construct: str) -> pd.DataFrame:
    """Cut one of the three outcome tables (`OUTCOME_TABLES`)."""
    rows = store.read("outcomes/outcome_rows")
    table: pd.DataFrame = getattr(outcome_tables.split_outcomes(rows), construct)
    store.write(f"outcomes/{construct}_outcomes", table)
    return table


def read_outcomes(store: TableStore) -> pd.DataFrame:
    """The three outcome tables as one frame."""
    parts = [store.read(f"outcomes/{c}_outcomes") for c in OUTCOME_TABLES]
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else parts[0]
