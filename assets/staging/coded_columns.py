"""Columns of SPSS, Stata and SAS: numbers and texts with value labels, declared missing values
and formats that make dates of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from assets.staging.columns import (
    Column,
    Kind,
    column_of_numbers,
    column_of_texts,
    number_texts,
)
from assets.staging.stored_dates import Calendar, dated


@dataclass(frozen=True)
class Variable:
    """What a file says of one column.

    storage: `string`, `float` (single precision), `double`, `int8`, `int16`, `int32`. ranges:
    lowest and highest values that are declared missing. labels: value -> label; a text is the
    tag of a missing number (`a` of `.a`). percent_decimals: of fractions that the file shows as
    percents, None for other columns.
    """

    storage: str
    calendar: Calendar | None = None
    ranges: Sequence[tuple[float | str, float | str]] = ()
    labels: Mapping[float | str, str] = field(default_factory=dict)
    percent_decimals: int | None = None


@dataclass(frozen=True)
class Part:
    """Some rows of a column: their values, nulls where nothing stands, and the tag of each
    missing number (its character's code, 0 for none; None when there is no tag in these rows)."""

    values: pa.Array
    tags: np.ndarray | None = None


def part_of(values: Sequence[object], variable: Variable) -> Part:
    """Rows as a library gives them: texts, or numbers among which tags are texts.

    >>> part = part_of([1, None, "b"], Variable("int8"))
    >>> part.values.to_pylist(), part.tags.tolist()
    ([1.0, None, None], [0, 0, 98])
    """
    if variable.storage == "string":
        return Part(pa.array(values, pa.string()))
    tags = None
    try:
        numbers = np.array(values, dtype=np.float64)
    except ValueError:
        cells = np.array(values, dtype=object)
        numbers = pd.to_numeric(pd.Series(cells), errors="coerce").to_numpy(dtype=np.float64)
        tagged = np.isnan(numbers) & pd.notna(cells)
        tags = np.zeros(len(cells), dtype=np.uint8)
        tags[tagged] = cells[tagged].astype("U1").view(np.uint32)
    if variable.storage == "float":
        with np.errstate(over="ignore"):
            numbers = numbers.astype(np.float32)
    return Part(pa.array(numbers, from_pandas=True), tags)


def column_of_parts(parts: Sequence[Part], variable: Variable) -> Column:
    """The column of all rows.

    >>> variable = Variable("float", ranges=[(-99, -99)], labels={1.0: "yes", "a": "refused"})
    >>> column = column_of_parts([part_of([1, -9.9, -99, "a"], variable)], variable)
    >>> column.rows(), column.shown, column.labels
    (['1', '-9.9', '', ''], {2: '-99', 3: '.a'}, {'1': 'yes', '.a': 'refused'})
    """
    if variable.storage == "string":
        column = column_of_texts(pa.chunked_array([part.values for part in parts], pa.string()))
        column = _declared_missing(column, _in_words(column, variable))
    else:
        kind = pa.float32() if variable.storage == "float" else pa.float64()
        column = column_of_numbers(pa.chunked_array([part.values for part in parts], kind))
        numbers = column.texts.cast(kind).to_numpy().astype(np.float64)
        column = _declared_missing(column, _in_numbers(numbers, variable))
        if variable.calendar:
            column = dated(column, variable.calendar, numbers)
        elif variable.percent_decimals is not None:
            column = _in_percents(column, numbers, variable.percent_decimals)
        column = _tagged(column, parts)
    return replace(column, labels=_labels(variable))


def _in_words(column: Column, variable: Variable) -> np.ndarray:
    """Which different texts are declared missing."""
    declared = pa.array([str(low).strip() for low, _ in variable.ranges], pa.string())
    return np.asarray(pc.is_in(column.texts, declared).to_numpy(zero_copy_only=False), dtype=bool)


def _in_numbers(numbers: np.ndarray, variable: Variable) -> np.ndarray:
    """Which different numbers are declared missing."""
    found = np.zeros(len(numbers), dtype=bool)
    for low, high in variable.ranges:
        found |= (numbers >= float(low)) & (numbers <= float(high))
    return found


def _declared_missing(column: Column, missing: np.ndarray) -> Column:
    """The column with some different cells missing: they show what is stored."""
    if not missing.any():
        return column
    shown = {int(i): column.texts[int(i)].as_py() for i in np.flatnonzero(missing)}
    return replace(
        column,
        texts=pc.if_else(pa.array(missing), "", column.texts),
        kinds=np.where(missing, np.uint8(Kind.MISSING), column.kinds),
        shown=shown,
    )


def _in_percents(column: Column, numbers: np.ndarray, decimals: int) -> Column:
    fractions = np.flatnonzero(column.kinds == Kind.NUMBER).tolist()
    shown = {i: f"{100.0 * numbers[i]:.{decimals}f}%" for i in fractions}
    return replace(column, shown={**column.shown, **shown}, percents=frozenset(fractions))


def _tagged(column: Column, parts: Sequence[Part]) -> Column:
    """The column with cells that are missing for a tagged reason (`.a`)."""
    if all(part.tags is None for part in parts):
        return column
    rows = [np.zeros(len(p.values), np.uint8) if p.tags is None else p.tags for p in parts]
    tags = np.concatenate(rows)
    reasons = [int(tag) for tag in np.unique(tags) if tag]
    codes, count = column.codes.copy(), len(column.texts)
    for i, tag in enumerate(reasons):
        codes[tags == tag] = count + i
    more = pa.array([""] * len(reasons), pa.string())
    return replace(
        column,
        codes=codes,
        texts=pa.concat_arrays([column.texts, more]),
        kinds=np.append(column.kinds, np.full(len(reasons), Kind.MISSING)).astype(np.uint8),
        shown={**column.shown, **{count + i: f".{chr(tag)}" for i, tag in enumerate(reasons)}},
    )


def _labels(variable: Variable) -> dict[str, str]:
    """Labels by the text of their value, or by what the file shows of a missing one."""
    if variable.storage == "string":
        return {str(value).strip(): label for value, label in variable.labels.items()}
    numbers = {n: label for n, label in variable.labels.items() if not isinstance(n, str)}
    kind = pa.float32() if variable.storage == "float" else pa.float64()
    codes = number_texts(pa.array([float(n) for n in numbers], pa.float64()).cast(kind))
    labels = dict(zip(codes.to_pylist(), numbers.values(), strict=True))
    tags = {f".{tag}": label for tag, label in variable.labels.items() if isinstance(tag, str)}
    return labels | tags
