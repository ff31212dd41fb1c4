"""What is kept of a journey: its tables, each as it is declared; no row of a participant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from assets.effects.moderators import moderator_values
from assets.effects.same_trial import identity_rows
from assets.journey.trial_journey import Journey, Screened
from assets.outcomes.arm_counts import arm_counts
from assets.release import trial_rows as rows_of
from assets.typed import from_rows, to_arrow
from validations.findings import findings_frame
from validations.manifest.model import ParticipantSource, TrialManifest

TABLES = (
    "journeys", "identities", "trials", "arms", "instruments", "risk_of_bias", "moderators",
    "files_read", "screened_counts", "checks", "rejected_rows", "findings", "arm_statistics",
    "participant_checks", "action_counts", "accepted_correlations", "accepted_codings",
    "outcome_rows", "effects", "paired_effects", "effect_covariances", "assumed_covariances",
)  # fmt: skip
"""Tables of a journey, in the order of the road."""


def journey_tables(journey: Journey, finger: str) -> dict[str, pa.Table]:
    """The tables of a journey (`TABLES`) that have rows.

    finger: the fingerprint of its folder, empty where that cannot be told.
    """
    rows: dict[str, list[dict[str, Any]]] = {"journeys": [_about(journey, finger)]}
    rows["files_read"] = journey.files
    frames = {"findings": findings_frame(journey.findings), **journey.tables}
    if journey.manifest is None:
        rows["trials"] = [rows_of.unusable_row(journey.collection_id)]
    else:
        rows |= _declared(journey, journey.manifest)
        frames |= _of_records(journey, journey.manifest)
    out = {name: from_rows(own, name) for name, own in rows.items() if own}
    out |= {name: to_arrow(frame, name) for name, frame in frames.items() if len(frame)}
    return {name: out[name] for name in TABLES if name in out}


def _about(journey: Journey, finger: str) -> dict[str, Any]:
    """What later stations ask of a trial folder as a whole."""
    about: dict[str, Any] = {
        "collection_id": journey.collection_id,
        "fingerprint": finger,
        "by_machine": journey.by_machine,
        "usable": journey.manifest is not None,
        "rows": sum(len(s.accepted) + len(s.rejected) for s in journey.screened.values()),
        "has_participants": "participant_rows" in journey.screened,
    }
    if journey.manifest is None:
        return about
    manifest = journey.manifest
    return about | {
        "topic": manifest.topic,
        "profile": manifest.disclosure.profile.value if manifest.disclosure else "",
        "is_review": manifest.is_review,
        "names_participants": any(isinstance(s, ParticipantSource) for s in manifest.sources),
    }


def _declared(journey: Journey, manifest: TrialManifest) -> dict[str, list[dict[str, Any]]]:
    """Rows that rest on the manifest, and what was counted of its records."""
    labels = rows_of.labels_of(one.accepted for one in journey.screened.values())
    counts = [
        {"kind": kind, "accepted": len(one.accepted), "rejected": _different_rows(one.rejected)}
        for kind, one in journey.screened.items()
    ]
    checks = [
        {"kind": kind} | check for kind, one in journey.screened.items() for check in one.checks
    ]
    of_folder = {"collection_id": journey.collection_id}
    tabled = _accepted(journey.screened, "intention_by_action")
    return {
        "identities": identity_rows(manifest, _participant_files(journey, manifest)),
        "trials": rows_of.trial_rows(manifest, labels),
        "arms": rows_of.arm_rows(manifest, journey.tables.get("arm_statistics")),
        "instruments": rows_of.instrument_rows(manifest),
        "risk_of_bias": rows_of.risk_of_bias_rows(manifest),
        "moderators": moderator_values(manifest, journey.study_values),
        "screened_counts": [of_folder | count for count in counts],
        "checks": [of_folder | check for check in checks],
        "action_counts": arm_counts(manifest, journey.facts, tabled),
    }


def _of_records(journey: Journey, manifest: TrialManifest) -> dict[str, pd.DataFrame]:
    rejected = [one.rejected for one in journey.screened.values() if len(one.rejected)]
    correlations = _accepted(journey.screened, "correlations")
    return {
        "rejected_rows": pd.concat(rejected, ignore_index=True) if rejected else pd.DataFrame(),
        "accepted_correlations": correlations.assign(synthesis=manifest.synthesis),
        "accepted_codings": _accepted(journey.screened, "barrier_codings"),
    }


def _accepted(screened: Mapping[str, Screened], kind: str) -> pd.DataFrame:
    return screened[kind].accepted if kind in screened else pd.DataFrame()


def _different_rows(rejected: pd.DataFrame) -> int:
    """Rows that were set aside, however many rules each of them breaks."""
    if rejected.empty:
        return 0
    return len(rejected[["trial_id", "file", "row", "outcome"]].drop_duplicates())


def _participant_files(journey: Journey, manifest: TrialManifest) -> Iterator[str]:
    """Hashes of the files of participants that were read."""
    named = {s.file for s in manifest.sources if isinstance(s, ParticipantSource)}
    return (str(file["sha256"]) for file in journey.files if file["file"] in named)
