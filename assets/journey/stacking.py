"""Tables of single trials as one table, each column of its declared kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from assets.outcomes.arms import ARM_STATISTICS
from assets.staging.extraction import IDENTITY
from validations.findings import FINDING_COLUMNS
from validations.records import RECORD_SCHEMAS
from validations.schema import Kind
from validations.screening import REJECTED_COLUMNS
from validations.tables import TABLES, made_columns

_OF_PUBLISHED = {"outcome_rows": "intention_outcomes"}
"""Stored table -> the published one whose columns it has, where the names differ."""
_NUMBERS = {
    "arm_statistics": ("weeks", "n", "mean", "sd", "events"),
    "findings": ("row", "count"),
    "study_values": (),
}
_COLUMNS = {
    "arm_statistics": ARM_STATISTICS,
    "findings": FINDING_COLUMNS,
    "study_values": [
        "trial_id", "collection_id", "study_label", "comparison", "column", "value"
    ],
}  # fmt: skip


def stacked(table: str, parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The parts as one table with the columns of its name, also without any part.

    table: `accepted_KIND`, `rejected_KIND`, `study_values`, `findings`, or one of
    `assets.journey.trial_numbers.TABLES`. Text that is missing stays missing.
    """
    kinds = _kinds(table)
    filled = [part.reset_index(drop=True) for part in parts if len(part)]
    more = dict.fromkeys(str(name) for part in filled for name in part.columns)
    columns = {name: _column(filled, name, kinds.get(name)) for name in kinds | more}
    return pd.DataFrame(columns, index=pd.RangeIndex(sum(map(len, filled))), copy=False)


def _column(parts: Sequence[pd.DataFrame], name: str, kind: Kind | None) -> pd.Series:
    """One column of all parts, of its declared kind (None for one that is not declared)."""
    is_number = kind in ("number", "integer")
    dtype = "float64" if is_number else object
    own = []
    for part in parts:
        if name not in part:
            missing = np.nan if is_number or kind is None else None
            own.append(pd.Series([missing] * len(part), dtype=dtype))
        elif is_number and pd.api.types.is_numeric_dtype(part[name].dtype):
            own.append(part[name].astype("float64"))
        elif is_number:
            numbers = pd.to_numeric(part[name].astype(object), errors="coerce")
            own.append(numbers.astype("float64"))
        else:
            own.append(part[name].astype(object))
    whole = pd.concat(own, ignore_index=True) if own else pd.Series(dtype=dtype)
    if kind == "boolean" and len(whole) and whole.notna().all():
        return whole.astype(bool)
    return whole


def _kinds(table: str) -> dict[str, Kind]:
    """Column -> kind of a stored table."""
    start, _, kind = table.partition("_")
    if start == "accepted":
        schema = RECORD_SCHEMAS[kind]
        own: dict[str, Kind] = dict.fromkeys(IDENTITY, "text")
        own |= {"row": "number", "block": "number"}
        own |= {column.name: column.kind for column in schema.columns}
        return own
    if start == "rejected":
        return {
            name: "number" if name == "row" else "text"
            for name in (*REJECTED_COLUMNS, "fix", "outcome")
        }
    if table in _COLUMNS:
        return {n: "number" if n in _NUMBERS[table] else "text" for n in _COLUMNS[table]}
    published = _OF_PUBLISHED.get(table, table)
    by_name = {column.name: column.kind for column in TABLES[published].columns}
    return {name: by_name[name] for name in made_columns(published)}
