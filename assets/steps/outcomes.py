"""Summaries of participants and outcome tables of all trials; no step sees a participant here."""

from __future__ import annotations

from typing import Any

import pandas as pd

from assets.journey.kept import Journeys
from assets.outcomes import outcome_rows as outcome_tables
from assets.store import TableStore


def summarize_participants(store: TableStore, trials: list[str]) -> dict[str, Any]:
    """Put the numbers per arm together; returns counts."""
    journeys = Journeys(store, trials)
    statistics = journeys.stack("arm_statistics")
    store.write("outcomes/arm_statistics", statistics)
    by_person = statistics["basis"] == "participant_rows"
    return {"trials": len(journeys.facts), "arm_statistics": int(by_person.sum())}


def check_participants(store: TableStore, trials: list[str]) -> pd.DataFrame:
    """Put the independent checks on participant rows together."""
    table = Journeys(store, trials).stack("participant_checks")
    store.write("participants/participant_checks", table)
    return table


def assemble_outcomes(store: TableStore, trials: list[str]) -> pd.DataFrame:
    """All outcome rows, from which the three outcome tables are cut."""
    rows = Journeys(store, trials).stack("outcome_rows")
    store.write("outcomes/outcome_rows", rows)
    return rows


OUTCOME_TABLES = ("intention", "behavior", "upstream")


def write_outcome_table(store: TableStore, construct: str) -> pd.DataFrame:
    """Cut one of the three outcome tables (`OUTCOME_TABLES`)."""
    rows = store.read("outcomes/outcome_rows")
    table: pd.DataFrame = getattr(outcome_tables.split_outcomes(rows), construct)
    store.write(f"outcomes/{construct}_outcomes", table)
    return table
