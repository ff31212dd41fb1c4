"""Pairs and covariances of the effects of all trials that stand in the pools."""

from __future__ import annotations

import pyarrow as pa

from assets.queries import PLACE, Question, ask

_ENDS = {
    "paired_effects": ("upstream_effect_id", "behavior_effect_id"),
    "effect_covariances": ("effect_id_1", "effect_id_2"),
    "assumed_covariances": ("effect_id_1", "effect_id_2"),
}
PAIR_TABLES = tuple(_ENDS)


def pairs_of_all(table: str, made: pa.Table, effects: pa.Table) -> pa.Table:
    """The rows of one of `PAIR_TABLES` both of whose effects stand in the pools.

    made: the table of all journeys. effects: of all trials, as settled.
    """
    one, two = _ENDS[table]
    sql = f"""
        SELECT * FROM made
        WHERE {one} IN (SELECT effect_id FROM effects WHERE in_pool)
          AND {two} IN (SELECT effect_id FROM effects WHERE in_pool)
        ORDER BY {PLACE}
    """
    return ask(Question(table, sql), {"made": made, "effects": effects})
