"""Judges a typed frame by its declaration with plain arrays, row by row.

The split into accepted and rejected rows rests on this module; in a refresh Great Expectations
judges the same frame by the same declaration (`validations.expectations`), and the two have to
name the same rows before anything is stored.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from validations.numbers import Reading
from validations.schema import Column, TableSchema
from validations.typed_frames import Cells, cells_of

CELL_FLAGS = ("number_plausible", "count_whole")
"""Rules for single cells that the screening decides, as boolean columns `RULE:COLUMN`."""
UNREADABLE = (Reading.COMMA, Reading.WORD)
"""What is no number."""


@dataclass(frozen=True, eq=False)
class Failure:
    """Rows that break one rule in one column: their positions in the frame, int64 ascending."""

    rule_id: str
    column: str
    positions: np.ndarray


@dataclass(frozen=True)
class CheckOutcome:
    """What one expectation said about a table, in counts only."""

    rule_id: str
    column: str
    success: bool
    evaluated: int
    unexpected: int
    raised: str = ""


@dataclass(frozen=True, eq=False)
class Judged:
    """Rows as the arrays judged them: the columns that rules need, and what was found."""

    frame: pd.DataFrame
    failures: tuple[Failure, ...]


def with_keys(frame: pd.DataFrame, schema: TableSchema) -> pd.DataFrame:
    """The frame with the columns of `keys_of`."""
    return frame.assign(**keys_of(cells_of(frame), schema))


def keys_of(cells: Cells, schema: TableSchema) -> Cells:
    """`key:` columns of whole numbers that are equal where a part of the key is: equal numbers
    however they are written, and -1 for what is missing.

    cells: numbers cast, with `text:` copies where there are any (what is no number is told apart
    by its text). A missing whole number (`read:` is empty) is no one's: it equals no other.
    """
    return {f"key:{name}": _key_codes(cells, name) for name in schema.key if name in cells}


def _key_codes(cells: Cells, name: str) -> np.ndarray:
    values = cells[name]
    if isinstance(values.dtype, pd.CategoricalDtype):
        return np.asarray(values.codes)
    if pd.api.types.is_integer_dtype(values.dtype) and f"read:{name}" in cells:
        missing = cells[f"read:{name}"] == Reading.EMPTY
        return np.where(missing, -1 - np.arange(len(values)), values.astype(np.int64))
    if not pd.api.types.is_float_dtype(values.dtype):
        codes, texts = np.full(len(values), -1), values
    else:
        codes = pd.factorize(values)[0]
        texts = cells.get(f"text:{name}")
        if texts is None or not pd.isna(values).any():
            return codes.astype(np.int64, copy=False)
        texts = np.where(pd.isna(values), texts, None)
    numbers: dict[str, int] = {"": -1}
    named = [
        numbers.setdefault("" if pd.isna(one) else str(one), len(numbers) - 1) for one in texts
    ]
    of_texts = np.array(named, dtype=np.int64)
    return np.where(of_texts < 0, codes, len(values) + of_texts)


def judge(frame: pd.DataFrame, schema: TableSchema) -> tuple[list[Failure], list[CheckOutcome]]:
    """Failures of every declared rule, and what each rule counted.

    frame: the declared columns (numbers already cast), `read:` columns that say what the text of
    a number was, boolean `ok:` flags of row rules and those of `CELL_FLAGS`, `key:` columns of
    `with_keys`. Missing values break `required` alone.
    """
    failures, outcomes = [], []
    for rule_id, column, bad in _verdicts(frame, schema):
        positions = np.flatnonzero(bad)
        if len(positions):
            failures.append(Failure(rule_id, column, positions))
        count = len(positions)
        outcomes.append(CheckOutcome(rule_id, column, not count, len(frame), count))
    return failures, outcomes


def judge_table(frame: pd.DataFrame, schema: TableSchema) -> list[CheckOutcome]:
    """What each declared rule counted in a table as it was written."""
    keyed = with_keys(frame, schema)
    for column in schema.columns:
        if not column.is_number and column.name in keyed:
            keyed[column.name] = keyed[column.name].replace("", None)
    return judge(keyed, schema)[1]


def has_range(column: Column) -> bool:
    """Whether numbers of the column have a limit on any side."""
    return (column.minimum, column.maximum, column.above, column.below) != (None,) * 4


def judged_columns(frame: Container[str], schema: TableSchema) -> list[str]:
    """Columns of a frame, or of cells, that the declared rules look at."""
    wanted: list[str] = []
    for column in schema.columns:
        wanted += [f"{rule}:{column.name}" for rule in ("read", *CELL_FLAGS)]
        asked = column.required and f"read:{column.name}" not in frame
        if asked or column.allowed or has_range(column):
            wanted.append(column.name)
    wanted += [rule.flag for rule in schema.rules]
    wanted += [f"key:{name}" for name in schema.key]
    return [name for name in wanted if name in frame]


def _verdicts(frame: pd.DataFrame, schema: TableSchema) -> Iterator[tuple[str, str, np.ndarray]]:
    """(rule, column, which rows break it) of every rule that the frame can be asked."""
    for column in schema.columns:
        name = column.name
        readings = frame[f"read:{name}"].to_numpy() if f"read:{name}" in frame else None
        if readings is not None:
            yield "number_readable", name, np.isin(readings, UNREADABLE)
        for rule_id in CELL_FLAGS:
            if f"{rule_id}:{name}" in frame:
                yield rule_id, name, _broken(frame[f"{rule_id}:{name}"])
        if column.required and readings is not None:
            yield "value_required", name, readings == Reading.EMPTY
        if name not in frame:
            continue
        if column.required and readings is None:
            yield "value_required", name, frame[name].isna().to_numpy()
        if column.allowed:
            known = frame[name].isna() | frame[name].isin(list(column.allowed))
            yield "value_allowed", name, ~known.to_numpy()
        if has_range(column):
            yield "value_in_range", name, _out_of_range(frame[name], column)
    for rule in schema.rules:
        if rule.flag in frame:
            yield rule.id, ", ".join(rule.columns), _broken(frame[rule.flag])
    keys = [f"key:{name}" for name in schema.key if f"key:{name}" in frame]
    if keys:
        yield "row_unique", ", ".join(schema.key), _repeated(frame, keys)


def _broken(flags: pd.Series) -> np.ndarray:
    return ~flags.to_numpy(dtype=bool)


def _repeated(frame: pd.DataFrame, keys: list[str]) -> np.ndarray:
    """Rows whose key stands more than once."""
    groups, many = np.zeros(len(frame), dtype=np.int64), 1
    for key in keys if len(frame) else ():
        codes = frame[key].to_numpy(dtype=np.int64)
        low, high = int(codes.min()), int(codes.max())
        if low == high:
            continue
        if many * (high - low + 1) > _MOST_GROUPS:
            groups = pd.factorize(groups)[0]
            many = int(groups.max()) + 1
        groups = groups * (high - low + 1) + (codes - low)
        many *= high - low + 1
    numbers = pd.factorize(groups)[0]
    return np.asarray(np.bincount(numbers)[numbers] > 1)


_MOST_GROUPS = 2**62


def _out_of_range(values: pd.Series, column: Column) -> np.ndarray:
    """Numbers outside the declared range; what is missing is in no range and breaks none."""
    x = values.to_numpy(dtype=float)
    bad = np.zeros(x.size, dtype=bool)
    for limit, breaks in (
        (column.minimum, np.less), (column.above, np.less_equal),
        (column.maximum, np.greater), (column.below, np.greater_equal),
    ):  # fmt: skip
        if limit is not None:
            bad |= breaks(x, limit)
    return bad
