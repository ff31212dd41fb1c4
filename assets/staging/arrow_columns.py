"""Columns of Arrow, of every type whose values are cells."""

from __future__ import annotations

import uuid
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.staging.columns import (
    NOTHING,
    Column,
    Kind,
    column_of_numbers,
    column_of_texts,
    encoded,
)
from assets.staging.stored_dates import clock_texts, datable, moment_texts, time_texts

_TRUTH = {"1": "true", "0": "false"}
_UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


def column_of_arrow(cells: pa.ChunkedArray) -> Column | None:
    """The column of Arrow's values; None when they are no cells (lists, structs, bytes that are
    no UTF-8 text, periods).

    Truth values are `1` and `0`, labelled `true` and `false`. Dates, times and timestamps are ISO
    8601 text, those with a time zone with the offset in it; what lies outside of the years 1 to
    9999 stays the number that is stored. Durations are numbers of seconds.

    >>> column = column_of_arrow(pa.chunked_array([[True, None, False]]))
    >>> column.rows(), column.labels
    (['1', '', '0'], {'1': 'true', '0': 'false'})
    """
    kind = cells.type
    if isinstance(kind, pa.BaseExtensionType):
        return _of_extension(cells)
    if pa.types.is_dictionary(kind):
        codes, levels = encoded(cells)
        inner = column_of_arrow(pa.chunked_array([levels]))
        return None if inner is None else _spread(inner, codes)
    if pa.types.is_boolean(kind):
        texts = column_of_texts(pc.if_else(cells, "1", "0"))
        return replace(texts, kinds=np.full_like(texts.kinds, Kind.BOOLEAN), labels=_TRUTH)
    if pa.types.is_float16(kind):
        return _of_half_floats(cells)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return column_of_numbers(cells)
    if pa.types.is_string(kind) or pa.types.is_null(kind):
        return column_of_texts(cells)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        codes, levels = encoded(cells.cast(pa.large_string()))
        return _spread(column_of_texts(levels), codes)
    if pa.types.is_temporal(kind):
        return _of_times(cells)
    return _of_bytes(cells) if _are_bytes(kind) else None


def _are_bytes(kind: pa.DataType) -> bool:
    return any(
        one(kind)
        for one in (
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_fixed_size_binary,
            pa.types.is_binary_view,
        )
    )


def _spread(levels: Column, codes: np.ndarray) -> Column:
    """A column whose rows are the given ones of another, which has a row per level."""
    return levels.with_codes(np.append(levels.codes, np.int32(NOTHING))[codes])


def _of_extension(cells: pa.ChunkedArray) -> Column | None:
    name = cells.type.extension_name
    if name == "arrow.uuid":
        codes, levels = encoded(_stored(cells))
        texts = [str(uuid.UUID(bytes=one)) for one in levels.to_pylist()]
        return _spread(column_of_texts(texts), codes)
    return column_of_arrow(_stored(cells)) if name in ("arrow.json", "arrow.bool8") else None


def _stored(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([chunk.storage for chunk in cells.chunks], type=cells.type.storage_type)


def _of_half_floats(cells: pa.ChunkedArray) -> Column:
    codes, levels = encoded(cells)
    halves = levels.to_numpy(zero_copy_only=False)
    shortest = halves.astype(str).astype(np.float64)
    shortest = np.where(halves == np.trunc(halves), halves.astype(np.float64), shortest)
    return _spread(column_of_numbers(pa.array(shortest, from_pandas=True)), codes)


def _of_bytes(cells: pa.ChunkedArray) -> Column | None:
    """Bytes that are text; None for others, which hold signs that no text has."""
    codes, levels = encoded(cells.cast(pa.large_binary()))
    try:
        texts = levels.cast(pa.large_string())
    except pa.ArrowInvalid:
        return None
    if pc.any(pc.match_substring_regex(texts, r"[\x00-\x08\x0e-\x1f\x7f]")).as_py():
        return None
    return _spread(column_of_texts(texts), codes)


def _of_times(cells: pa.ChunkedArray) -> Column | None:
    kind = cells.type
    codes, levels = encoded(cells)
    if pa.types.is_duration(kind):
        seconds = pc.divide(levels.cast(pa.int64()).cast(pa.float64()), _UNITS[kind.unit])
        return _spread(column_of_numbers(seconds), codes)
    if pa.types.is_time(kind):
        unit = kind.unit
        counts = levels.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
        moments = counts.to_numpy().astype(np.int64).astype(f"datetime64[{unit}]")
        return _spread(_of_dates(levels, time_texts(moments), np.ones(len(moments), bool)), codes)
    if not (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        return None
    zone = kind.tz if pa.types.is_timestamp(kind) else None
    if zone is None:
        moments = _moments(levels)
        good = datable(moments)
        return _spread(_of_dates(levels, moment_texts(moments[good]), good), codes)
    instants = _moments(levels.cast(pa.timestamp(kind.unit)))
    good = datable(instants) & datable(instants - np.timedelta64(1, "D"))
    good &= datable(instants + np.timedelta64(1, "D"))
    here = _moments(pc.local_timestamp(levels.filter(pa.array(good))))
    return _spread(_of_dates(levels, _with_offsets(here, here - instants[good]), good), codes)


def _moments(levels: pa.Array) -> np.ndarray:
    """As datetime64 of the type's own unit."""
    unit = "D" if pa.types.is_date32(levels.type) else getattr(levels.type, "unit", "ms")
    counts = levels.cast(pa.int32() if unit == "D" else pa.int64()).to_numpy()
    return np.asarray(counts.astype(np.int64).astype(f"datetime64[{unit}]"))


def _with_offsets(here: np.ndarray, offsets: np.ndarray) -> pa.StringArray:
    minutes = offsets.astype("timedelta64[m]").astype(np.int64)
    ends = {
        m: f"{'-' if m < 0 else '+'}{abs(m) // 60:02d}:{abs(m) % 60:02d}"
        for m in np.unique(minutes).tolist()
    }
    zones = pa.array([ends[m] for m in minutes.tolist()], pa.string())
    return pc.binary_join_element_wise(clock_texts(here), zones, "")


def _of_dates(levels: pa.Array, texts: pa.StringArray, good: np.ndarray) -> Column:
    """One row per level: its date where it has one, else the number that is stored."""
    stored = levels.cast(pa.int32() if levels.type.bit_width == 32 else pa.int64())
    column = column_of_numbers(stored)
    kinds = np.where(good, np.uint8(Kind.DATE), np.uint8(Kind.NUMBER))
    changed = pc.replace_with_mask(column.texts, pa.array(good), texts)
    return replace(column, kinds=kinds).retexted(changed)
