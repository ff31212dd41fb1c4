"""Records as typed frames: numbers with what their texts turned out to be, and flags per cell."""

from __future__ import annotations

import numpy as np
import pandas as pd

from validations.numbers import (
    LARGEST_COUNT,
    LARGEST_MEASUREMENT,
    SMALLEST_MEASUREMENT,
    Reading,
    decimals_of,
    read_numbers,
)
from validations.records import EFFECTIVE_SIZES
from validations.schema import Column, TableSchema


def cast(records: pd.DataFrame, schema: TableSchema, effective: np.ndarray) -> pd.DataFrame:
    """Records with numbers as floats, beside each what its text was (`read:NAME`, of `Reading`).

    records: text, or columns that are typed already: categories, floats with their `read:NAME`,
    whole numbers below 0 for missing ones. Empty text is missing, and so is a number that no
    measurement can be (a flag beside it says so). `text:NAME` keeps the text of a number.
    """
    frame = records.copy(deep=False)
    frame[EFFECTIVE_SIZES] = effective
    for column in schema.columns:
        if column.name not in frame or _is_constant(frame[column.name], column):
            continue
        if column.is_number:
            _cast_numbers(frame, column)
        elif not isinstance(frame[column.name].dtype, pd.CategoricalDtype):
            frame[column.name] = _texts(frame[column.name])
    for name in ("scale_min", "scale_max"):
        if name in frame and frame[name].dtype == object:
            frame[name] = pd.to_numeric(frame[name], errors="coerce").astype(float)
    return frame


def _is_constant(values: pd.Series, column: Column) -> bool:
    """Whether a column of numbers is one number in all rows, held as a category."""
    return column.is_number and isinstance(values.dtype, pd.CategoricalDtype)


def _texts(found: pd.Series) -> pd.Series:
    """Texts, the empty ones missing."""
    texts = [cell or None for cell in found.astype(str)]
    return pd.Series(texts, index=found.index, dtype=object)


def _cast_numbers(frame: pd.DataFrame, column: Column) -> None:
    """The numbers of a column with their readings and the flags of `CELL_FLAGS`."""
    name, read = column.name, f"read:{column.name}"
    if pd.api.types.is_integer_dtype(frame[name].dtype):
        missing = frame[name].to_numpy() < 0
        frame[read] = np.where(missing, Reading.EMPTY, Reading.NUMBER).astype(np.uint8)
        return
    if read in frame:
        numbers, readings = frame[name].to_numpy(dtype=float), frame[read].to_numpy()
    elif pd.api.types.is_float_dtype(frame[name].dtype):
        return
    else:
        frame[f"text:{name}"] = text = _texts(frame[name])
        numbers, readings = read_numbers(list(text))
        frame[read] = readings
        if name == "percent":
            frame["percent_decimals"] = [
                float(decimals_of(one)) if reading == Reading.NUMBER else np.nan
                for one, reading in zip(text, readings, strict=True)
            ]
    good = _plausible(numbers, readings, column, _may_be_tiny(frame, column))
    if not good.all():
        numbers = np.where(good, numbers, np.nan)
        frame[f"number_plausible:{name}"] = good
    frame[name] = numbers
    if column.whole:
        excused = frame[EFFECTIVE_SIZES].to_numpy() | _has_error_of_its_own(frame)
        frame[f"count_whole:{name}"] = np.isnan(numbers) | (numbers % 1 == 0) | excused


def _plausible(
    numbers: np.ndarray, readings: np.ndarray, column: Column, tiny: np.ndarray | bool
) -> np.ndarray:
    """Cells whose number can be something measured or counted; what is no number may be."""
    size = np.abs(numbers)
    too_large = size > (LARGEST_COUNT if column.whole else LARGEST_MEASUREMENT)
    too_small = (size > 0.0) & (size < SMALLEST_MEASUREMENT) & np.logical_not(tiny)
    return np.asarray(~(too_large | too_small | (readings == Reading.BEYOND)))


def _has_error_of_its_own(frame: pd.DataFrame) -> np.ndarray:
    """Printed effects with their standard error, variance or interval: their group sizes do not
    make the variance (reviews give means of comparisons there)."""
    given = np.zeros(len(frame), dtype=bool)
    if "statistic" in frame:
        for names in (("se",), ("variance",), ("ci_lb", "ci_ub")):
            if all(name in frame for name in names):
                filled = [frame[name].notna() & (frame[name].astype(str) != "") for name in names]
                given |= np.logical_and.reduce(filled)
    return given


def _may_be_tiny(frame: pd.DataFrame, column: Column) -> np.ndarray | bool:
    """Cells of p-values; a printed p stands in the column `value` too."""
    if column.name == "value" and "statistic" in frame:
        return np.asarray(frame["statistic"].astype(str) == "p")
    return column.tiny
