"""SPSS, Stata and SAS files: numbers, dates, labels and reasons for missing values as stored."""

from __future__ import annotations

import datetime as dt
import io
import struct
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.io.stata import StataMissingValue

from assets.staging import statistics_files
from assets.staging.columns import Kind
from assets.staging.limits import Limits, Watch
from assets.staging.unreadable import UnreadableError
from tests.spec.stored import column, read, refused, written

KINDS = ["sav", "zsav", "dta", "xpt"]


def stata(frame: pd.DataFrame, **options: Any) -> bytes:
    buffer = io.BytesIO()
    frame.to_stata(buffer, write_index=False, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_and_texts_are_read_as_stored(kind: str) -> None:
    frame = pd.DataFrame(
        {"id": ["007", " b ", "", "d"], "x": [1.0, -9.9, np.nan, 0.1], "n": [3, 4, 5, 6]}
    )
    table = read(kind, written(kind, frame))
    assert column(table, "id").rows() == ["007", "b", "", "d"]
    assert column(table, "x").rows() == ["1", "-9.9", "", "0.1"]
    assert column(table, "n").rows() == ["3", "4", "5", "6"]
    assert set(column(table, "id").kinds) == {Kind.TEXT}
    assert set(column(table, "x").kinds) == {Kind.NUMBER}
    assert table.rows.tolist() == [1, 2, 3, 4]
    assert (table.account.container, table.account.stated_columns) == (kind, 3)
    assert table.account.stated_rows == (None if kind == "xpt" else 4)


def test_single_precision_has_the_digits_of_single_precision() -> None:
    frame = pd.DataFrame(
        {
            "s": np.array([-9.9, 0.1, 16777216, np.nan], np.float32),
            "d": [-9.9, 0.1, 16777217, 2.5],
            "b": np.array([1, 2, 3, 100], np.int8),
        }
    )
    table = read("dta", stata(frame))
    assert column(table, "s").rows() == ["-9.9", "0.1", "16777216", ""]
    assert column(table, "d").rows() == ["-9.9", "0.1", "16777217", "2.5"]
    assert column(table, "b").rows() == ["1", "2", "3", "100"]


def test_reasons_of_stata_stand_beside_values() -> None:
    missing = {"int8": (101, 102, 127), "float64": (8.98846567431158e307,) * 3}
    assert StataMissingValue(missing["int8"][1]).string == ".a"
    # Whole numbers of which the first that is missing has a reason and a later one has none.
    data = stata(pd.DataFrame({"n": np.array([1, 2, 3, 4, 5], np.int8)}), version=118)
    at = data.index(b"<data>") + len(b"<data>")
    assert data[at : at + 5] == bytes([1, 2, 3, 4, 5])
    data = data[:at] + bytes([1, 102, 101, 127, 5]) + data[at + 5 :]
    found = column(table := read("dta", data), "n")
    assert found.rows() == ["1", "", "", "5"]
    assert sorted(found.shown.values()) == [".a", ".z"]
    assert [int(found.kinds[i]) for i in found.shown] == [Kind.MISSING] * 2
    assert table.account.missing_reasons == ((".a", 1), (".z", 1))
    # The third row holds nothing at all.
    assert (table.rows.tolist(), table.account.blank_rows) == ([1, 2, 4, 5], 1)


def test_labels_of_reasons_and_of_codes() -> None:
    frame = pd.DataFrame({"x": [1.0, "a", 2.0], "y": [1.0, 2.0, 3.0]})
    data = written(
        "dta",
        frame,
        missing_user_values={"x": ["a"]},
        variable_value_labels={"x": {1.0: "yes", "a": "refused"}},
    )
    found = column(read("dta", data), "x")
    assert found.labels == {"1": "yes", ".a": "refused"}
    assert (found.rows(), list(found.shown.values())) == (["1", "", "2"], [".a"])


def test_declared_missing_values_of_spss() -> None:
    frame = pd.DataFrame(
        {
            "few": [1.0, -99.0, -98.0, 4.0],
            "span": [1.0, 97.0, 99.5, 4.0],
            "word": ["a", "NK", "b ", "NK"],
        }
    )
    data = written(
        "sav",
        frame,
        missing_ranges={"few": [-99, -98], "span": [{"lo": 97, "hi": 99.5}], "word": ["NK"]},
        variable_value_labels={"few": {-99.0: "refused", 1.0: "yes"}, "word": {"a": "Letter"}},
    )
    table = read("sav", data)
    assert column(table, "few").rows() == ["1", "", "", "4"]
    assert set(column(table, "few").shown.values()) == {"-99", "-98"}
    assert column(table, "few").labels == {"-99": "refused", "1": "yes"}
    assert column(table, "span").rows() == ["1", "", "", "4"]
    assert set(column(table, "span").shown.values()) == {"97", "99.5"}
    assert column(table, "word").rows() == ["a", "", "b", ""]
    assert column(table, "word").labels == {"a": "Letter"}
    assert table.account.missing_reasons[0] == ("NK", 2)
    assert dict(table.account.missing_reasons) == {
        "NK": 2, "-99": 1, "-98": 1, "97": 1, "99.5": 1,
    }  # fmt: skip


def test_one_impossible_date_leaves_the_others() -> None:
    days = (dt.date(2014, 11, 19) - dt.date(1582, 10, 14)).days
    seconds = [days * 86400.0, -5.0, 1e15, 86400.0 + 1]
    frame = pd.DataFrame({"day": seconds, "at": seconds, "time": [1.5, 60.0, 0.0, 86399.0]})
    formats = {"day": "DATE11", "at": "DATETIME20", "time": "TIME8"}
    table = read("sav", written("sav", frame, variable_format=formats))
    assert column(table, "day").rows() == ["2014-11-19", "-5", "1e+15", "1582-10-15"]
    assert column(table, "day").kinds.tolist() == [2, 1, 1, 2]
    assert column(table, "at").rows() == [
        "2014-11-19T00:00:00", "-5", "1e+15", "1582-10-15T00:00:01",
    ]  # fmt: skip
    assert column(table, "time").rows() == ["00:00:01.5", "00:01:00", "00:00:00", "23:59:59"]


def test_times_beyond_a_day_are_durations_all_of_them() -> None:
    frame = pd.DataFrame({"t": [60.0, 90000.0], "d": [60.0, 90000.0]})
    data = written("sav", frame, variable_format={"t": "TIME8", "d": "DTIME10"})
    table = read("sav", data)
    assert column(table, "t").rows() == column(table, "d").rows() == ["60", "90000"]
    assert column(table, "t").kinds.tolist() == [Kind.NUMBER] * 2


def test_dates_of_stata() -> None:
    frame = pd.DataFrame({name: [0.0, 630.0] for name in ("td", "tm", "tq", "tw", "th", "ty")})
    frame["ty"] = [1960.0, 2012.0]
    frame["tc"] = [0.0, 1577836800000.0 + 315619200000.0]
    frame["clock"] = [1000.0, 3600_000.0]
    frame["shown"] = frame["tc"]
    formats = {name: f"%{name}" for name in frame} | {"clock": "%tcHH:MM", "shown": "%tcHH:MM"}
    table = read("dta", written("dta", frame, variable_format=formats))
    assert column(table, "td").rows() == ["1960-01-01", "1961-09-22"]
    assert column(table, "tm").rows() == ["1960-01-01", "2012-07-01"]
    assert column(table, "tm").shown == {0: "1960m1", 1: "2012m7"}
    assert column(table, "tq").rows() == ["1960-01-01", "2117-07-01"]
    assert column(table, "tw").rows() == ["1960-01-01", "1972-02-12"]
    assert column(table, "th").rows() == ["1960-01-01", "2275-01-01"]
    assert column(table, "ty").rows() == ["1960", "2012"]
    assert column(table, "tc").rows() == ["1960-01-01", "2020-01-01"]
    assert column(table, "clock").rows() == ["00:00:01", "01:00:00"]
    assert column(table, "shown").rows() == ["1960-01-01", "2020-01-01"]


def test_periods_of_stata_agree_with_pandas() -> None:
    periods = pd.date_range("1975-01-01", "2031-12-01", freq="MS")
    frame = pd.DataFrame({"m": periods, "q": periods, "w": periods})
    data = stata(frame, convert_dates={"m": "tm", "q": "tm", "w": "tw"})
    there = pd.read_stata(io.BytesIO(data))
    table = read("dta", data)
    for name in frame:
        assert column(table, name).rows() == [str(day)[:10] for day in there[name]]


def test_leap_seconds_are_counted_where_stata_counts_them() -> None:
    count = float((pd.Timestamp("2020-01-01") - pd.Timestamp("1960-01-01")).total_seconds() + 27)
    frame = pd.DataFrame({"C": [count * 1000, 0.0], "c": [count * 1000, 0.0]})
    data = written("dta", frame, variable_format={"C": "%tC", "c": "%tc"})
    table = read("dta", data)
    assert column(table, "C").rows() == ["2020-01-01", "1960-01-01"]
    assert column(table, "c").rows()[0] == "2020-01-01T00:00:27"


def test_dates_and_percents_of_sas() -> None:
    frame = pd.DataFrame(
        {
            "d": [21915.0, -140000.0],
            "dt": [1893456000.5, 0.0],
            "m": [21946.0, 0.0],
            "dd": [1893456000.0, 86400.0],
            "p": [0.45, 0.125],
        }
    )
    formats = {"d": "DATE9", "dt": "E8601DT", "m": "MONYY7", "dd": "DTDATE9", "p": "PERCENT8.1"}
    table = read("xpt", written("xpt", frame, variable_format=formats))
    assert column(table, "d").rows() == ["2020-01-01", "-140000"]
    assert column(table, "dt").rows() == ["2020-01-01T00:00:00.5", "1960-01-01T00:00:00"]
    assert column(table, "m").rows() == ["2020-02-01", "1960-01-01"]
    assert column(table, "dd").rows() == ["2020-01-01", "1960-01-02"]
    percents = column(table, "p")
    assert (percents.rows(), percents.shown) == (["0.45", "0.125"], {0: "45.0%", 1: "12.5%"})
    assert percents.percents == {0, 1}


@pytest.mark.parametrize("kind", KINDS)
def test_cut_files_are_refused_or_whole(kind: str) -> None:
    frame = pd.DataFrame({"id": [f"P{i:03d}" for i in range(60)], "x": np.arange(60) + 0.5})
    data = written(kind, frame)
    whole, refusals = read(kind, data), 0
    for size in range(1, len(data), max(len(data) // 97, 1)):
        try:
            found = read(kind, data[:size])
        except UnreadableError as problem:
            refusals += 1
            assert problem.rule == "file_truncated", size
            continue
        for name in frame:
            assert column(found, name).rows() == column(whole, name).rows(), size
    assert refusals > 85


def test_more_rows_than_bytes_are_refused() -> None:
    data = written("sav", pd.DataFrame({"x": [1.0, 2.0]}))
    head = struct.pack("<iiiiq", 7, 16, 8, 2, 1)
    at = data.index(head) + len(head)
    assert struct.unpack_from("<q", data, at) == (2,)
    for rows in (3, 2_000_000_000):
        changed = data[:80] + struct.pack("<i", rows) + data[84:at]
        changed += struct.pack("<q", rows) + data[at + 8 :]
        problem = refused("sav", changed)
        assert problem.rule == "file_truncated"
    assert "2,000,000,000 rows" in problem.message


@pytest.mark.parametrize("kind", KINDS)
def test_limits_are_kept(kind: str) -> None:
    data = written(kind, pd.DataFrame({"a": np.arange(60.0), "b": ["xyz"] * 60}))
    for limits in (Limits(rows=59), Limits(columns=1), Limits(cells=119), Limits(cell_length=2)):
        assert refused(kind, data, watch=Watch(limits)).rule == "file_too_large"
    late = Watch(Limits(seconds=0), started=-1.0)
    assert refused(kind, data, watch=late).rule == "file_too_slow"
    assert len(read(kind, data, watch=Watch(Limits(rows=60, columns=2, cells=120))).rows) == 60


def test_what_blocks_of_zsav_unpack_to_is_bounded() -> None:
    data = written("zsav", pd.DataFrame({"a": np.random.default_rng(1).normal(size=60_000)}))
    problem = refused("zsav", data, watch=Watch(Limits(unpacked_megabytes=0.9)))
    assert (problem.rule, "MB unpacked" in problem.message) == ("file_too_large", True)
    assert len(read("zsav", data, watch=Watch(Limits(unpacked_megabytes=1.0))).rows) == 60_000


@pytest.mark.parametrize("kind", KINDS)
def test_several_passes_read_what_one_does(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame(
        {
            "id": [f"P{i % 7}" if i % 5 else "" for i in range(101)],
            "x": [np.nan if i % 3 else i / 10 for i in range(101)],
        }
    )
    data = written(kind, frame)
    whole = read(kind, data)
    monkeypatch.setattr(statistics_files, "_CELLS_AT_ONCE", 20)
    again = read(kind, data)
    for name in frame:
        assert column(again, name).rows() == column(whole, name).rows()
    assert again.rows.tolist() == whole.rows.tolist()
    assert whole.account == again.account


def test_declared_encodings_stand_above_those_of_the_file() -> None:
    frame = pd.DataFrame({"x": ["Müller", "a"]})
    data = written("xpt", frame).replace("Müller".encode(), "Müller ".encode("latin-1"))
    problem = refused("xpt", data)
    assert problem.rule == "encoding_wrong"
    assert "Müller" not in problem.message + problem.fix
    table = read("xpt", data, encoding="latin-1")
    assert column(table, "x").rows() == ["Müller", "a"]
    assert (table.account.encoding, table.account.encoding_reason) == ("latin-1", "declared")
    assert refused("xpt", data, encoding="latin-99").rule == "encoding_unknown"
    assert refused("xpt", data, encoding="cp1258").rule == "encoding_unknown"
    table = read("sav", written("sav", frame))
    assert column(table, "x").rows() == ["Müller", "a"]
    assert table.account.encoding_reason == "stated in the file"
    assert read("dta", stata(frame, version=118)).account.encoding == "utf-8"
    old = read("dta", stata(frame, version=114))
    assert column(old, "x").rows() == ["Müller", "a"]
    assert (old.account.encoding, old.account.encoding_reason) == ("windows-1252", "default")


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=True, allow_infinity=False, width=32),
            st.one_of(st.none(), st.floats(-1e300, 1e300)),
            st.integers(-2_147_483_647, 2_147_483_620),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_numbers_of_stata_come_back_as_they_were(rows: list[tuple[Any, ...]]) -> None:
    single, double, whole = zip(*rows, strict=True)
    frame = pd.DataFrame(
        {
            "s": np.clip(np.array(single, np.float32), -1e38, 1e38),
            "d": np.array([np.nan if x is None else x for x in double]),
            "w": np.array(whole, np.int32),
        }
    )
    table = read("dta", stata(frame))
    assert len(table.rows) == len(frame)
    for name, kind in (("s", np.float32), ("d", np.float64), ("w", np.int64)):
        there = pd.read_stata(io.BytesIO(stata(frame)))[name].to_numpy().astype(kind)
        here = [kind(text) if text else np.nan for text in column(table, name).rows()]
        np.testing.assert_array_equal(np.array(here, kind if name != "w" else float), there)
