"""Parquet files: every type of Arrow whose values are cells."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.staging.columns import Kind
from assets.staging.limits import Limits, Watch
from tests.spec.stored import as_parquet, column, read, refused


def cells(values: list[Any], kind: pa.DataType, **options: Any) -> Any:
    """The column of values of a type, beside one that keeps its rows."""
    array = pa.array(values, kind)
    table = pa.table({"x": array, "row": pa.array(range(len(array)), pa.int64())})
    return column(read("parquet", as_parquet(table, **options)), "x")


DAY, NOON = dt.date(2020, 2, 29), dt.datetime(2020, 2, 29, 12, 30)


@pytest.mark.parametrize(
    ("kind", "values", "texts", "sort"),
    [
        (pa.int8(), [1, None, -7], ["1", "", "-7"], Kind.NUMBER),
        (pa.uint64(), [2**64 - 1, 2**53 + 1], [str(2**64 - 1), str(2**53 + 1)], Kind.NUMBER),
        (pa.float32(), [-9.9, None, float("nan"), 3], ["-9.9", "", "", "3"], Kind.NUMBER),
        (pa.float16(), [np.float16(0.1), np.float16(2049)], ["0.1", "2048"], Kind.NUMBER),
        (pa.float64(), [0.1 + 0.2, 1e20, -0.0], ["0.30000000000000004", "1e+20", "0"], 1),
        (pa.decimal128(6, 2), [decimal.Decimal("1.50"), None], ["1.50", ""], Kind.NUMBER),
        (pa.duration("ms"), [1500, None], ["1.5", ""], Kind.NUMBER),
        (pa.bool_(), [True, None, False], ["1", "", "0"], Kind.BOOLEAN),
        (pa.string(), [" a", "", None, "1.50"], ["a", "", "", "1.50"], Kind.TEXT),
        (pa.large_string(), ["a", None, "a"], ["a", "", "a"], Kind.TEXT),
        (pa.binary(), [b"M\xc3\xbc", None], ["Mü", ""], Kind.TEXT),
        (pa.dictionary(pa.int8(), pa.string()), ["b ", None, "b"], ["b", "", "b"], Kind.TEXT),
        (pa.dictionary(pa.int8(), pa.int64()), [7, None, 7], ["7", "", "7"], Kind.NUMBER),
        (pa.date32(), [DAY, None], ["2020-02-29", ""], Kind.DATE),
        (pa.date64(), [DAY], ["2020-02-29"], Kind.DATE),
        (pa.timestamp("us"), [NOON, None], ["2020-02-29T12:30:00", ""], Kind.DATE),
        (pa.timestamp("ns"), [dt.datetime(2020, 1, 1)], ["2020-01-01"], Kind.DATE),
        (pa.time64("us"), [dt.time(1, 2, 3, 500_000)], ["01:02:03.5"], Kind.DATE),
        (pa.null(), [None, None], ["", ""], None),
        (pa.uuid(), [b"0123456789abcdef"], ["30313233-3435-3637-3839-616263646566"], 0),
    ],
    ids=str,
)
def test_types_of_cells(kind: Any, values: list[Any], texts: list[str], sort: int | None) -> None:
    found = cells(values, kind)
    assert found.rows() == texts
    assert set(found.kinds.tolist()) == (set() if sort is None else {int(sort)})


def test_truth_values_are_labelled() -> None:
    assert cells([True], pa.bool_()).labels == {"1": "true", "0": "false"}


def test_time_zones_are_in_the_text() -> None:
    winter = dt.datetime(2020, 1, 1, 12, tzinfo=ZoneInfo("UTC"))
    summer = dt.datetime(2020, 7, 1, 12, 0, 0, 250_000, tzinfo=ZoneInfo("UTC"))
    for zone in ("Europe/Berlin", "America/St_Johns", "UTC", "Asia/Kolkata"):
        found = cells([winter, None, summer], pa.timestamp("us", zone)).rows()
        there = [one.astimezone(ZoneInfo(zone)) for one in (winter, summer)]
        assert [dt.datetime.fromisoformat(found[i]) for i in (0, 2)] == there
        assert found[0] == there[0].isoformat()


def test_dates_beyond_the_calendar_stay_numbers() -> None:
    found = cells([10**7, 0, None], pa.int32()).rows(), None
    table = pa.table({"x": pa.array([10**7, 0, None], pa.int32()).cast(pa.date32())})
    dates = column(read("parquet", as_parquet(table)), "x")
    assert (dates.rows(), dates.kinds.tolist()) == (["10000000", "1970-01-01"], [1, 2])
    assert found[0][0] == "10000000"
    far = pa.table({"x": pa.array([2**62, 0], pa.int64()).cast(pa.timestamp("us", "UTC"))})
    moments = column(read("parquet", as_parquet(far)), "x")
    assert moments.rows() == [str(2**62), "1970-01-01T00:00:00+00:00"]


def test_what_is_no_cell_gives_a_note_and_no_column() -> None:
    table = pa.table(
        {
            "id": ["a", "b"],
            "scores": pa.array([[1], [2, 3]]),
            "id.more": ["c", "d"],
            "raw": pa.array([b"\xff", b"\xfe"]),
            "scores.x": [1, 2],
            "pair": pa.array([{"id": 1}, {"id": 2}]),
        }
    )
    found = read("parquet", as_parquet(table))
    assert [name for name, _ in found.columns] == ["id", "id.more", "scores.x"]
    assert column(found, "id.more").rows() == ["c", "d"]
    assert column(found, "scores.x").rows() == ["1", "2"]
    ((rule, message, fix),) = found.notes
    assert rule == "columns_without_cells"
    assert "columns 2, 4 and 6" in message and fix


def test_periods_are_not_read_as_numbers() -> None:
    frame = pd.DataFrame({"when": pd.period_range("2020-01", periods=2, freq="M"), "x": [1, 2]})
    found = read("parquet", as_parquet(pa.Table.from_pandas(frame)))
    assert [name for name, _ in found.columns] == ["x"]
    assert len(found.notes) == 1


def test_frames_of_pandas_keep_their_index() -> None:
    frame = pd.DataFrame(
        {"c": pd.Categorical(["a", None, "b"]), "n": pd.array([1, None, 3], "Int64")},
        index=[5, 6, 7],
    )
    found = read("parquet", as_parquet(pa.Table.from_pandas(frame)))
    assert [name for name, _ in found.columns] == ["c", "n", "__index_level_0__"]
    assert column(found, "c").rows() == ["a", "", "b"]
    assert column(found, "n").rows() == ["1", "", "3"]
    assert column(found, "__index_level_0__").rows() == ["5", "6", "7"]
    assert found.account.stated_rows == 3


def test_names_may_repeat_and_be_missing() -> None:
    twice = pa.Table.from_arrays([pa.array(["a"]), pa.array([1])], names=["x", "x"])
    found = read("parquet", as_parquet(twice))
    assert [(name, one.rows()) for name, one in found.columns] == [("x", ["a"]), ("x", ["1"])]
    nothing = read("parquet", as_parquet(pa.table({"x": pa.array([], pa.string())})))
    assert (len(nothing.rows), len(nothing.columns)) == (0, 1)
    assert len(read("parquet", as_parquet(pa.table({}))).columns) == 0


def test_rows_of_nulls_are_counted_and_left_out() -> None:
    table = pa.table({"x": [1.0, float("nan"), None, 4.0], "y": ["", " ", "", "b"]})
    found = read("parquet", as_parquet(table))
    assert (found.rows.tolist(), found.account.blank_rows) == ([1, 4], 2)


@pytest.mark.parametrize("options", [{}, {"row_group_size": 7}, {"use_dictionary": False}])
@pytest.mark.parametrize("encoding", [None, "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
def test_texts_are_the_same_however_they_are_encoded(
    options: dict[str, Any], encoding: str | None
) -> None:
    if encoding:
        options = {**options, "use_dictionary": False, "column_encoding": {"x": encoding}}
    texts = [None if i % 11 == 3 else f"text {i % 17}" for i in range(200)]
    table = pa.table({"x": pa.array(texts), "i": list(range(200))})
    found = column(read("parquet", as_parquet(table, **options)), "x")
    assert found.rows() == ["" if text is None else text for text in texts]
    assert len(found.levels()) == len(set(texts) - {None})


def test_a_long_text_in_many_rows_is_held_once() -> None:
    text = "x" * 900_000
    table = pa.table({"x": pa.array([text]).dictionary_encode().take(pa.array([0] * 50_000))})
    data = as_parquet(table.cast(pa.schema({"x": pa.dictionary(pa.int32(), pa.string())})))
    before = pa.total_allocated_bytes()
    found = read("parquet", data)
    assert (len(found.rows), found.columns[0][1].levels()) == (50_000, [text])
    assert pa.total_allocated_bytes() - before < 100e6


def test_limits_are_kept() -> None:
    data = as_parquet(pa.table({"a": ["xyz"] * 60, "b": list(range(60))}))
    for limits in (
        Limits(rows=59), Limits(columns=1), Limits(cells=119), Limits(cell_length=2),
        Limits(unpacked_megabytes=0.0001),
    ):  # fmt: skip
        assert refused("parquet", data, watch=Watch(limits)).rule == "file_too_large"
    late = Watch(Limits(seconds=0), started=-1.0)
    assert refused("parquet", data, watch=late).rule == "file_too_slow"


def test_cut_files_are_refused() -> None:
    data = as_parquet(pa.table({"a": ["xyz"] * 60, "b": list(range(60))}))
    for size in range(1, len(data), 13):
        assert refused("parquet", data[:size]).rule == "file_truncated", size


_VALUES = st.one_of(
    st.tuples(st.just(pa.int64()), st.lists(st.none() | st.integers(-(2**63), 2**63 - 1))),
    st.tuples(st.just(pa.float64()), st.lists(st.none() | st.floats(allow_infinity=False))),
    st.tuples(
        st.just(pa.float32()), st.lists(st.none() | st.floats(width=32, allow_infinity=False))
    ),
    st.tuples(st.just(pa.string()), st.lists(st.none() | st.text(max_size=5))),
    st.tuples(st.just(pa.bool_()), st.lists(st.none() | st.booleans())),
    st.tuples(st.just(pa.date32()), st.lists(st.none() | st.dates())),
    st.tuples(st.just(pa.timestamp("us")), st.lists(st.none() | st.datetimes())),
    st.tuples(st.just(pa.time64("us")), st.lists(st.none() | st.times())),
    st.tuples(
        st.just(pa.decimal128(20, 4)),
        st.lists(st.none() | st.decimals(-(10**12), 10**12, places=4)),
    ),
)


def _back(kind: pa.DataType, text: str) -> Any:
    if kind == pa.string():
        return text
    if text == "":
        return None
    if pa.types.is_floating(kind):
        return np.float32(text) if kind == pa.float32() else float(text)
    if pa.types.is_decimal(kind):
        return decimal.Decimal(text)
    if pa.types.is_date(kind):
        return dt.date.fromisoformat(text)
    if pa.types.is_timestamp(kind):
        return dt.datetime.fromisoformat(text)
    return dt.time.fromisoformat(text) if pa.types.is_time(kind) else int(text)


@settings(max_examples=150, deadline=None)
@given(_VALUES, st.booleans(), st.integers(1, 5))
def test_values_come_back_as_they_were(
    made: tuple[pa.DataType, list[Any]], dictionary: bool, size: int
) -> None:
    kind, values = made
    array = pa.array(values, kind)
    table = pa.table({"x": array.dictionary_encode() if dictionary else array})
    table = table.append_column("row", pa.array(range(len(values)), pa.int64()))
    found = column(read("parquet", as_parquet(table, row_group_size=size)), "x")
    for text, value in zip(found.rows(), array.to_pylist(), strict=True):
        if isinstance(value, str) or value is None:
            assert text == pa.compute.utf8_trim_whitespace(value or "").as_py()
        elif value != value:
            assert text == ""
        else:
            assert _back(kind, text) == value
