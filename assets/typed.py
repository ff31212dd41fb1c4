"""Tables between the stations: each has declared columns, each column one kind, in memory and in
every file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from assets.outcomes.arms import ARM_STATISTICS
from assets.staging.extraction import IDENTITY
from validations.findings import FINDING_COLUMNS
from validations.records import RECORD_SCHEMAS
from validations.schema import Kind
from validations.screening import REJECTED_COLUMNS
from validations.tables import TABLES, made_columns

Kinds = dict[str, Kind]
"""Column -> kind of its values."""

_ARROW = {
    "text": pa.large_string(),
    "number": pa.float64(),
    "integer": pa.float64(),
    "boolean": pa.bool_(),
}
"""Whole numbers are kept as numbers, so that one that is missing needs no kind of its own."""


def _texts(names: Sequence[str], numbers: Sequence[str] = (), flags: Sequence[str] = ()) -> Kinds:
    kinds: Kinds = dict.fromkeys(names, "text")
    return kinds | dict.fromkeys(numbers, "number") | dict.fromkeys(flags, "boolean")


_OF_JOURNEYS: dict[str, Kinds] = {
    "journeys": _texts(
        ["collection_id", "fingerprint", "topic", "profile"],
        ["rows"],
        ["usable", "by_machine", "is_review", "has_participants", "names_participants"],
    ),
    "identities": _texts(["collection_id", "word", "trial_id", "value", "reason"]),
    "screened_counts": _texts(["collection_id", "kind"], ["accepted", "rejected"]),
    "checks": _texts(
        ["collection_id", "kind", "rule_id", "column"], ["evaluated", "unexpected"], ["success"]
    ),
    "arm_statistics": _texts(ARM_STATISTICS, ["weeks", "n", "mean", "sd", "events"]),
    "findings": _texts(FINDING_COLUMNS, ["row", "count"]),
    "synthesis_findings": _texts(FINDING_COLUMNS, ["row", "count"]),
    "rejected_rows": _texts([*REJECTED_COLUMNS, "fix", "outcome"], ["row"]),
    "action_counts": _texts(
        ["trial_id", "collection_id", "basis", "arm", "arm_group", "intention", "behavior",
         "intender_rule"],
        ["inclined_actors", "inclined_abstainers", "disinclined_actors", "disinclined_abstainers"],
    ),
}  # fmt: skip
"""Tables that only the stations know."""
_OF_PUBLISHED = {"outcome_rows": "intention_outcomes"}
"""Table -> the published one whose columns it has, where the names differ."""
_OF_RECORDS = {"accepted_correlations": "correlations", "accepted_codings": "barrier_codings"}
"""Table -> the kind of record whose accepted rows it holds."""


@cache
def kinds_of(table: str) -> Kinds:
    """Columns of a table with their kinds, in order.

    table: one of the tables of a journey (`assets.journey.contents.TABLES`) or a published one.
    Raises `KeyError` for a table that is not declared.
    """
    if table in _OF_JOURNEYS:
        return _OF_JOURNEYS[table]
    if table in _OF_RECORDS:
        schema = RECORD_SCHEMAS[_OF_RECORDS[table]]
        own = _texts([*IDENTITY, "synthesis"], ["row", "block"])
        return own | {column.name: column.kind for column in schema.columns}
    published = _OF_PUBLISHED.get(table, table)
    by_name = {column.name: column.kind for column in TABLES[published].columns}
    return {name: by_name[name] for name in made_columns(published)}


@cache
def schema_of(table: str) -> pa.Schema:
    """The same as Arrow declares it."""
    return pa.schema([(name, _ARROW[kind]) for name, kind in kinds_of(table).items()])


def to_arrow(frame: pd.DataFrame, table: str) -> pa.Table:
    """The frame as the declared table: its columns in order, what it lacks is missing.

    Columns that are not declared are left out; a number that is none is missing, other values that
    are not of their column's kind raise `pa.ArrowInvalid` or `pa.ArrowTypeError`.
    """
    schema = schema_of(table)
    given = {str(name): values.to_numpy() for name, values in frame.items()}
    columns = [
        _column(given[field.name], field.type) if field.name in given
        else pa.nulls(len(frame), field.type)
        for field in schema
    ]  # fmt: skip
    return pa.Table.from_arrays(columns, schema=schema)


def _column(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    """What pandas calls missing is missing."""
    try:
        column = pa.array(values, kind, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        if kind != pa.float64():
            raise
        numbers = pd.to_numeric(pd.Series(values, dtype=object), errors="coerce")
        return pa.array(numbers.to_numpy(dtype=float), kind, from_pandas=True)
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def to_frame(table: pa.Table) -> pd.DataFrame:
    """The table for pandas: numbers with NaN where one is missing, texts with None."""
    return table.to_pandas()


def stacked(table: str, parts: Sequence[pa.Table]) -> pa.Table:
    """The parts below each other, in their order; a table without rows where there is none."""
    return pa.concat_tables([schema_of(table).empty_table(), *parts])


def from_rows(rows: Sequence[Mapping[str, Any]], table: str) -> pa.Table:
    """Rows as the declared table; a column that a row lacks is missing there.

    >>> from_rows([{"collection_id": "t", "kind": "correlations", "accepted": 3}],
    ...           "screened_counts")["rejected"].to_pylist()
    [None]
    """
    columns = []
    for field in schema_of(table):
        values = [row.get(field.name) for row in rows]
        if field.type == pa.large_string():
            values = [None if one is None or one != one else str(one) for one in values]
        elif field.type == pa.float64():
            values = [None if one is None else float(one) for one in values]
        columns.append(pa.array(values, field.type, from_pandas=True))
    return pa.Table.from_arrays(columns, schema=schema_of(table))
