"""Accepted and rejected records of all trials."""

from __future__ import annotations

from typing import Any

from assets.steps.journeys import Journeys
from assets.store import TableStore


def screen_records(store: TableStore, trials: list[str], kind: str) -> dict[str, Any]:
    """Put the records of one kind together as the journeys split them; returns the counts."""
    journeys = Journeys(store, trials)
    accepted, rejected = (journeys.stack(f"{side}_{kind}") for side in ("accepted", "rejected"))
    store.write(f"screened/{kind}", accepted)
    store.write(f"screened/{kind}_rejected", rejected)
    report = {
        "accepted": len(accepted),
        "rejected": len(rejected[["trial_id", "file", "row", "outcome"]].drop_duplicates()),
        "checks": journeys.checks(kind),
    }
    store.write_json(f"screened/{kind}_report", report)
    return report
