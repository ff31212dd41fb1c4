"""Judges a frame by its declaration with plain arrays, row by row.

The split into accepted and rejected rows rests on this module alone; Great Expectations looks at
what was accepted a second time (`validations.expectations`), so that two implementations of one
declaration have to agree before anything is stored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from validations.schema import Column, TableSchema

NUMBER_PATTERN = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_NUMBER = re.compile(NUMBER_PATTERN)
CELL_FLAGS = ("number_plausible", "count_whole")
"""Rules for single cells that the screening decides, as columns `RULE:COLUMN` (`yes`/`no`)."""


@dataclass(frozen=True)
class Failure:
    """Rows (positions in the frame) that break one rule in one column."""

    rule_id: str
    column: str
    positions: tuple[int, ...]


@dataclass(frozen=True)
class CheckOutcome:
    """What one expectation said about a table, in counts only."""

    rule_id: str
    column: str
    success: bool
    evaluated: int
    unexpected: int
    raised: str = ""


def with_keys(frame: pd.DataFrame, schema: TableSchema) -> pd.DataFrame:
    """The frame with `key:` copies of the key: equal numbers are equal however they are written,
    text that is no number stands as found, and what is missing is the empty text.

    frame: numbers cast, with `text:` copies where there are any.
    """
    keys = {}
    for name in schema.key:
        if name not in frame:
            continue
        found = frame[f"text:{name}"] if f"text:{name}" in frame else frame[name]
        values = frame[name].where(frame[name].notna(), found).astype(object)
        keys[f"key:{name}"] = values.where(values.notna(), "").astype(str)
    return frame.assign(**keys)


def judge(frame: pd.DataFrame, schema: TableSchema) -> tuple[list[Failure], list[CheckOutcome]]:
    """Failures of every declared rule, and what each rule counted.

    frame: the declared columns (numbers already cast), `text:` copies of numbers, `ok:` flags
    (`yes`/`no`) of row rules, those of `CELL_FLAGS` and `key:` copies of the key. Missing values
    break `required` alone.
    """
    failures, outcomes = [], []
    for rule_id, column, bad in _verdicts(frame, schema):
        positions = tuple(int(i) for i in np.flatnonzero(bad))
        if positions:
            failures.append(Failure(rule_id, column, positions))
        outcomes.append(CheckOutcome(rule_id, column, not positions, len(frame), len(positions)))
    return failures, outcomes


def _verdicts(frame: pd.DataFrame, schema: TableSchema) -> Iterator[tuple[str, str, np.ndarray]]:
    """(rule, column, which rows break it) of every rule that the frame can be asked."""
    for column in schema.columns:
        name, text = column.name, f"text:{column.name}"
        if text in frame:
            yield "number_readable", name, _no_number(frame[text])
        for rule_id in CELL_FLAGS:
            if f"{rule_id}:{name}" in frame:
                yield rule_id, name, (frame[f"{rule_id}:{name}"] != "yes").to_numpy()
        if name not in frame:
            continue
        if column.required:
            yield "value_required", name, frame[text if text in frame else name].isna().to_numpy()
        if column.allowed:
            known = frame[name].isna() | frame[name].isin(list(column.allowed))
            yield "value_allowed", name, ~known.to_numpy()
        if (column.minimum, column.maximum, column.above, column.below) != (None,) * 4:
            yield "value_in_range", name, _out_of_range(frame[name], column)
    for rule in schema.rules:
        if rule.flag in frame:
            yield rule.id, ", ".join(rule.columns), (frame[rule.flag] != "yes").to_numpy()
    keys = [f"key:{name}" for name in schema.key if f"key:{name}" in frame]
    if keys:
        yield "row_unique", ", ".join(schema.key), frame.duplicated(keys, keep=False).to_numpy()


def _no_number(texts: pd.Series) -> np.ndarray:
    return np.array([one is not None and one == one and not _NUMBER.match(one) for one in texts],
                    dtype=bool)  # fmt: skip


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
