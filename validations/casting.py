"""Records as typed frames: numbers with what their texts turned out to be, and flags per cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
from validations.typed_frames import Cells, cells_of


def cast(records: pd.DataFrame, schema: TableSchema, effective: np.ndarray) -> Cells:
    """The cells of records with numbers as floats, beside each what its text was (`read:NAME`, of
    `Reading`).

    records: text, or columns that are typed already: categories, floats with their `read:NAME`,
    whole numbers below 0 for missing ones. Empty text is missing, and so is a number that no
    measurement can be (a flag beside it says so). `text:NAME` keeps the text of a number.
    """
    cells = cells_of(records)
    cells[EFFECTIVE_SIZES] = effective
    declared = [column for column in schema.columns if column.name in cells]
    read = _numbers_read(cells, [column.name for column in declared if column.is_number])
    for column in declared:
        if isinstance(cells[column.name].dtype, pd.CategoricalDtype):
            continue  # texts, or one number in all rows
        if column.is_number:
            _cast_numbers(cells, column, read.get(column.name))
        else:
            cells[column.name] = _texts(cells[column.name])
    for name in ("scale_min", "scale_max"):
        if name in cells and cells[name].dtype == object:
            cells[name] = np.asarray(pd.to_numeric(cells[name], errors="coerce"), float)
    return cells


@dataclass(frozen=True)
class _Read:
    """A column of numbers as text, and what its texts turned out to be."""

    texts: np.ndarray
    numbers: np.ndarray
    readings: np.ndarray


def _numbers_read(cells: Cells, names: list[str]) -> dict[str, _Read]:
    """Those of the columns of numbers that are text, all of them read at once."""
    texts = {
        name: _texts(cells[name])
        for name in names
        if cells[name].dtype == object and f"read:{name}" not in cells
    }
    if not texts:
        return {}
    numbers, readings = read_numbers(np.concatenate(list(texts.values())).tolist())
    parts = zip(np.split(numbers, len(texts)), np.split(readings, len(texts)), strict=True)
    return {name: _Read(own, *part) for (name, own), part in zip(texts.items(), parts, strict=True)}


def _texts(found: Any) -> np.ndarray:
    """Texts, the empty ones missing."""
    return np.array([str(cell) or None for cell in found], dtype=object)


def _cast_numbers(cells: Cells, column: Column, found: _Read | None) -> None:
    """The numbers of a column with their readings and the flags of `CELL_FLAGS`."""
    name, read = column.name, f"read:{column.name}"
    if np.issubdtype(cells[name].dtype, np.integer):
        missing = cells[name] < 0
        cells[read] = np.where(missing, Reading.EMPTY, Reading.NUMBER).astype(np.uint8)
        return
    if found is not None:
        numbers, readings = found.numbers, found.readings
        cells[f"text:{name}"], cells[read] = found.texts, readings
        if name == "percent":
            cells["percent_decimals"] = np.array(
                [
                    decimals_of(one) if reading == Reading.NUMBER else np.nan
                    for one, reading in zip(found.texts, readings, strict=True)
                ],
                dtype=float,
            )
    elif read in cells:
        numbers, readings = cells[name].astype(float, copy=False), cells[read]
    else:
        return
    good = _plausible(numbers, readings, column, _may_be_tiny(cells, column))
    if not good.all():
        numbers = np.where(good, numbers, np.nan)
        cells[f"number_plausible:{name}"] = good
    cells[name] = numbers
    if column.whole:
        excused = cells[EFFECTIVE_SIZES] | _has_error_of_its_own(cells)
        cells[f"count_whole:{name}"] = np.isnan(numbers) | (numbers % 1 == 0) | excused


def _plausible(
    numbers: np.ndarray, readings: np.ndarray, column: Column, tiny: np.ndarray | bool
) -> np.ndarray:
    """Cells whose number can be something measured or counted; what is no number may be."""
    size = np.abs(numbers)
    too_large = size > (LARGEST_COUNT if column.whole else LARGEST_MEASUREMENT)
    too_small = (size > 0.0) & (size < SMALLEST_MEASUREMENT) & np.logical_not(tiny)
    return np.asarray(~(too_large | too_small | (readings == Reading.BEYOND)))


def _has_error_of_its_own(cells: Cells) -> np.ndarray:
    """Printed effects with their standard error, variance or interval: their group sizes do not
    make the variance (reviews give means of comparisons there)."""
    given = np.zeros(len(cells[EFFECTIVE_SIZES]), dtype=bool)
    if "statistic" in cells:
        for names in (("se",), ("variance",), ("ci_lb", "ci_ub")):
            if all(name in cells for name in names):
                given |= np.logical_and.reduce([_filled(cells[name]) for name in names])
    return given


def _filled(cells: np.ndarray) -> np.ndarray:
    """Cells that are not missing, and no empty text."""
    return np.array([not (pd.isna(cell) or str(cell) == "") for cell in cells], dtype=bool)


def _may_be_tiny(cells: Cells, column: Column) -> np.ndarray | bool:
    """Cells of p-values; a printed p stands in the column `value` too."""
    if column.name == "value" and "statistic" in cells:
        return np.array([str(one) == "p" for one in cells["statistic"]], dtype=bool)
    return column.tiny
