"""The outcome rows of all trials, cut by what they measure: no row is in two tables."""

from __future__ import annotations

import pyarrow as pa

from assets.queries import PLACE, Question, ask

_OTHERS = "construct NOT IN ('intention', 'behavior')"
_WHICH = {
    "intention_outcomes": "construct = 'intention'",
    "behavior_outcomes": "construct = 'behavior'",
    "upstream_outcomes": _OTHERS,
}
OUTCOME_TABLES = tuple(_WHICH)


def outcomes_of_all(table: str, outcome_rows: pa.Table) -> pa.Table:
    """One of `OUTCOME_TABLES`, from the outcome rows of all journeys."""
    sql = f"SELECT * FROM outcome_rows WHERE {_WHICH[table]} ORDER BY {PLACE}"
    return ask(Question(table, sql), {"outcome_rows": outcome_rows})
