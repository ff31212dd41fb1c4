"""Tables of single trials as one table, each column of its declared kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from assets.sources.extraction import IDENTITY
from assets.tables.arms import ARM_STATISTICS
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
    `assets.tables.trial_numbers.TABLES`. Text that is missing stays missing.
    """
    kinds = _kinds(table)
    filled = [part.astype(object) for part in parts if len(part)]
    whole = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()
    columns = {name: _typed(whole, name, kind) for name, kind in kinds.items()}
    more = {str(name): whole[name] for name in whole.columns if name not in kinds}
    return pd.DataFrame(columns | more, index=whole.index)


def _typed(frame: pd.DataFrame, name: str, kind: Kind) -> pd.Series:
    if name not in frame:
        dtype = "float64" if kind in ("number", "integer") else object
        missing = np.nan if dtype == "float64" else None
        return pd.Series([missing] * len(frame), index=frame.index, dtype=dtype)
    if kind in ("number", "integer"):
        return pd.to_numeric(frame[name], errors="coerce").astype("float64")
    if kind == "boolean" and len(frame) and frame[name].notna().all():
        return frame[name].astype(bool)
    return frame[name]


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
