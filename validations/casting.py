"""Texts of records as numbers, with what their digits say beside them."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from validations.judge import NUMBER_PATTERN
from validations.numbers import decimals_of, is_plausible
from validations.records import EFFECTIVE_SIZES
from validations.schema import Column, TableSchema

_NUMBER = re.compile(NUMBER_PATTERN)


def cast(records: pd.DataFrame, schema: TableSchema, effective: np.ndarray) -> pd.DataFrame:
    """Numbers as floats beside their text; empty text as missing, and so is what no measurement
    can be (a flag beside it says so)."""
    frame = records.copy()
    frame[EFFECTIVE_SIZES] = effective
    for column in schema.columns:
        if column.name not in frame:
            continue
        found = frame[column.name].astype(str)
        text = pd.Series([cell or None for cell in found], index=frame.index, dtype=object)
        if column.is_number:
            frame[f"text:{column.name}"] = text
            _cast_numbers(frame, column, text)
        else:
            frame[column.name] = text
    for name in ("scale_min", "scale_max"):
        if name in frame:
            frame[name] = pd.to_numeric(frame[name], errors="coerce").astype(float)
    return frame


def _cast_numbers(frame: pd.DataFrame, column: Column, text: pd.Series) -> None:
    """The numbers of a column with the flags of `CELL_FLAGS` (missing where no number stands)."""
    name = column.name
    readable = text.map(lambda one: one is not None and bool(_NUMBER.match(one)))
    tiny = _may_be_tiny(frame, column)
    good = pd.Series(
        [
            not ok or is_plausible(one, count=column.whole, tiny=small)
            for one, ok, small in zip(text, readable, tiny, strict=True)
        ],
        index=frame.index,
    )
    numbers = pd.to_numeric(text, errors="coerce").astype(float).where(good & readable)
    frame[name] = numbers
    if not good.all():
        frame[f"number_plausible:{name}"] = ["yes" if ok else "no" for ok in good]
    if column.whole:
        excused = frame[EFFECTIVE_SIZES] | _has_error_of_its_own(frame)
        whole = numbers.isna() | (numbers % 1 == 0) | excused
        frame[f"count_whole:{name}"] = ["yes" if ok else "no" for ok in whole]
    if name == "percent":
        frame["percent_decimals"] = [
            float(decimals_of(one)) if ok else np.nan
            for one, ok in zip(text, readable, strict=True)
        ]


def _has_error_of_its_own(frame: pd.DataFrame) -> pd.Series:
    """Printed effects with their standard error, variance or interval: their group sizes do not
    make the variance (reviews give means of comparisons there)."""
    given = pd.Series(False, index=frame.index)
    if "statistic" in frame:
        for names in (("se",), ("variance",), ("ci_lb", "ci_ub")):
            if all(name in frame for name in names):
                filled = [frame[name].notna() & (frame[name].astype(str) != "") for name in names]
                given |= np.logical_and.reduce(filled)
    return given


def _may_be_tiny(frame: pd.DataFrame, column: Column) -> pd.Series:
    """Cells of p-values; a printed p stands in the column `value` too."""
    if column.name == "value" and "statistic" in frame:
        return frame["statistic"].astype(str) == "p"
    return pd.Series(column.tiny, index=frame.index)
