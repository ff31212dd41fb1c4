"""Accepted and rejected records of all trials."""

from __future__ import annotations

from typing import Any

from assets.journey.kept import Journeys
from assets.store import TableStore


def screen_records(store: TableStore, trials: list[str], kind: str) -> dict[str, Any]:
    """Put the records of one kind together as the journeys split them; returns the counts.

    Accepted rows of participants stay with their trial: here they are counted, one row per trial.
    """
    journeys = Journeys(store, trials)
    rejected = journeys.stack(f"rejected_{kind}")
    if kind == "participant_rows":
        accepted = journeys.participants
        number = int(accepted["rows"].sum())
    else:
        accepted = journeys.stack(f"accepted_{kind}")
        number = len(accepted)
    store.write(f"screened/{kind}", accepted)
    store.write(f"screened/{kind}_rejected", rejected)
    report = {
        "accepted": number,
        "rejected": len(rejected[["trial_id", "file", "row", "outcome"]].drop_duplicates()),
        "checks": journeys.checks(kind),
    }
    store.write_json(f"screened/{kind}_report", report)
    return report
