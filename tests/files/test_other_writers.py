"""Files of every type that libraries can write, read as a second reader reads them.

The second reader is never the one that is used inside: what was written, pandas' own readers of
Stata and SAS, DuckDB.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import openpyxl
import pandas as pd
import pyreadstat
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from assets.staging.reading import RawTable, read_table
from validations.manifest.model import FileFormat

SLOW = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
_WORD = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8
).map(lambda text: f"a{text}")
_DOUBLE = st.floats(-1e30, 1e30, allow_nan=False).filter(lambda x: x == 0 or abs(x) > 1e-30)
_DIGITS_16 = _DOUBLE.map(lambda number: float(f"{number:.16g}"))
"""Numbers that openpyxl writes whole."""
_SINGLE = st.floats(-1e6, 1e6, width=32, allow_nan=False, allow_subnormal=False)
_DAY = st.dates(dt.date(1901, 1, 1), dt.date(2200, 1, 1))
_MOMENT = st.datetimes(dt.datetime(1901, 1, 1), dt.datetime(2200, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0)
)


def read(data: bytes, kind: str, **given_format: Any) -> RawTable:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{kind}"
        path.write_bytes(data)
        return read_table("t", path.parent, path.name, FileFormat(**given_format))


def cell(value: Any) -> str:
    """What a person would type for a value."""
    if value is None or value is pd.NaT or value is pd.NA or value != value:
        return ""
    if isinstance(value, bool | np.bool_):
        return "1" if value else "0"
    if isinstance(value, dt.datetime):
        return value.isoformat() if value.time() != dt.time() else value.date().isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, float | np.floating) and float(value).is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value).strip()


def agree(text: str, value: Any) -> bool:
    """A cell as read and a value: numbers to the last bit of the value's own precision."""
    if isinstance(value, bool | np.bool_):
        return text == cell(value)
    if isinstance(value, np.float32) and value == value:
        return bool(text) and np.float32(text) == value
    if isinstance(value, int | float | np.integer | np.floating) and value == value:
        return bool(text) and float(text) == float(value)
    return text == cell(value)


def compare(raw: RawTable, columns: dict[str, list[Any]]) -> None:
    """Every cell of every row; rows in which nothing stands are left out."""
    rows = list(zip(*columns.values(), strict=True))
    kept = [row for row in rows if any(cell(value) for value in row)]
    assert list(raw.columns) == list(columns)
    assert len(raw.rows) == len(kept)
    for at, name in enumerate(columns):
        for text, row in zip(raw.columns[name].rows(), kept, strict=True):
            assert agree(text, row[at]), (name, text, row[at])


def rows_of(**columns: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, list[Any]]]:
    """Columns of one length; in each a cell may be missing."""
    kinds = [st.one_of(kind, st.none()) for kind in columns.values()]
    rows = st.lists(st.tuples(*kinds), min_size=1, max_size=6)
    return rows.map(
        lambda rows: dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True))
    )


@SLOW
@given(
    rows_of(word=_WORD, whole=st.integers(-(10**14), 10**14), number=_DIGITS_16,
            truth=st.booleans(), day=_DAY, moment=_MOMENT)
)  # fmt: skip
def test_sheets_of_openpyxl(columns: dict[str, list[Any]]) -> None:
    assume(any(cell(v) for values in columns.values() for v in values))
    book = openpyxl.Workbook()
    book.active.append(list(columns))
    for row in zip(*columns.values(), strict=True):
        book.active.append(row)
    written = io.BytesIO()
    book.save(written)
    raw = read(written.getvalue(), "xlsx")
    for name in columns:
        for text, value in zip(raw.columns[name].rows(), _kept(columns, name), strict=True):
            # A fraction of a day does not hold every second exactly.
            near = name == "moment" and value is not None and _near(text, value)
            assert near or agree(text, value), (name, text, value)


def _kept(columns: dict[str, list[Any]], name: str) -> list[Any]:
    """The cells of a column in the rows in which anything stands."""
    rows = zip(*columns.values(), strict=True)
    return [value for value, row in zip(columns[name], rows, strict=True) if any(map(cell, row))]


def _near(text: str, moment: dt.datetime) -> bool:
    return bool(text) and abs(dt.datetime.fromisoformat(text) - moment) < dt.timedelta(
        seconds=0.002
    )


_STATA = {
    "byte_": (st.integers(-127, 100), "Int8"),
    "int_": (st.integers(-32767, 32740), "Int16"),
    "long_": (st.integers(-(2**31) + 1, 2147483620), "Int32"),
    "single_": (_SINGLE, "float32"),
    "double_": (_DOUBLE, "float64"),
    "word_": (_WORD, "object"),
    "long_text": (_WORD.map(lambda word: word * 300), "object"),
}


@SLOW
@given(rows_of(**{name: kind for name, (kind, _) in _STATA.items()}), st.sampled_from([118, 119]))
def test_files_of_stata_as_pandas_writes_and_reads_them(
    columns: dict[str, list[Any]], version: int
) -> None:
    frame = pd.DataFrame(columns).astype({name: kind for name, (_, kind) in _STATA.items()})
    frame = frame.fillna({"word_": "", "long_text": ""})
    assume(frame.map(cell).ne("").any(axis=None))
    written = io.BytesIO()
    frame.to_stata(written, write_index=False, version=version, convert_strl=["long_text"])
    raw = read(written.getvalue(), "dta")
    back = pd.read_stata(io.BytesIO(written.getvalue()), convert_categoricals=False)
    compare(raw, {name: list(back[name].array) for name in back})


@pytest.mark.parametrize("kind", ["tc", "td", "tw", "tm", "tq", "th", "ty"])
def test_dates_of_stata_as_pandas_reads_them(kind: str) -> None:
    days = pd.date_range("1960-01-01", "2024-12-31", periods=40).floor("D")
    frame = pd.DataFrame({"day": days, "n": range(40)})
    written = io.BytesIO()
    frame.to_stata(written, write_index=False, convert_dates={"day": kind})
    back = pd.read_stata(io.BytesIO(written.getvalue()))["day"]
    texts = read(written.getvalue(), "dta").columns["day"].rows()
    if kind == "ty":  # years are numbers that say what they are
        assert texts == [str(day.year) for day in back]
    else:
        assert [pd.Timestamp(text) for text in texts] == list(back)


@SLOW
@given(rows_of(word=_WORD, number=_DOUBLE, whole=st.integers(-(10**9), 10**9)))
def test_transport_files_hold_what_was_written(columns: dict[str, list[Any]]) -> None:
    frame = pd.DataFrame(columns).astype({"number": float, "whole": float}).fillna({"word": ""})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.xpt"
        pyreadstat.write_xport(frame, path, file_format_version=5)
        data = path.read_bytes()
        back = pd.read_sas(path, format="xport", encoding="utf-8")
    assume(any(cell(value) for values in columns.values() for value in values))
    raw = read(data, "xpt")
    compare(raw, {name: list(frame[name].array) for name in frame})
    # pandas takes blanks within the last rows for padding, and reads 16 ** -65 for a stored 0.
    if len(back) == len(frame):
        back = back.replace({sign * 16.0**-65: 0.0 for sign in (-1, 1)})
        compare(raw, {name: list(back[name].array) for name in back})


@SLOW
@given(
    rows_of(word=_WORD, number=_DOUBLE, day=_DAY, moment=_MOMENT,
            long_text=_WORD.map(lambda word: word * 100)),
    st.booleans(),
)  # fmt: skip
def test_files_of_spss_hold_what_was_written(columns: dict[str, list[Any]], packed: bool) -> None:
    assume(any(cell(v) for values in columns.values() for v in values))
    frame = pd.DataFrame(columns).fillna({"word": "", "long_text": ""})
    frame["number"] = frame["number"].astype(float)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.sav"
        pyreadstat.write_sav(frame, path, compress=packed)
        data = path.read_bytes()
    raw = read(data, "zsav" if packed else "sav")
    if any(columns["moment"]):
        midnights = all(m is None or m.time() == dt.time() for m in columns["moment"])
        columns = columns | {
            "moment": [m if m is None or midnights else _Clock(m) for m in columns["moment"]]
        }
    compare(raw, columns)


class _Clock:
    """A moment that is shown with its time, midnight or not."""

    def __init__(self, moment: dt.datetime) -> None:
        self.moment = moment

    def __str__(self) -> str:
        return self.moment.isoformat()


_DUCK = {
    "TINYINT": "(i % 200 - 100)::TINYINT",
    "SMALLINT": "(i * 37 - 900)::SMALLINT",
    "INTEGER": "(i * 100003)::INTEGER",
    "BIGINT": "(i * 9007199254740993)::BIGINT",
    "UTINYINT": "(i * 5 % 256)::UTINYINT",
    "UINTEGER": "(i * 85899345)::UINTEGER",
    "UBIGINT": "(i * 368934881474191032::HUGEINT)::UBIGINT",
    "FLOAT": "(i / 7)::FLOAT",
    "DOUBLE": "(i / 7)::DOUBLE",
    "DECIMAL(4, 2)": "(i / 8)::DECIMAL(4, 2)",
    "DECIMAL(38, 10)": "(i / 3)::DECIMAL(38, 10)",
    "DECIMAL(18, 12)": "(i / 1e10)::DECIMAL(18, 12)",
    "BOOLEAN": "i % 2 = 0",
    "VARCHAR": "'é' || i",
    "ENUM": "(['low', 'high'][i % 2 + 1])::ENUM('high', 'low')",
    "DATE": "DATE '1900-01-01' + i::INTEGER * 997",
    "TIMESTAMP": "TIMESTAMP '1999-12-31 23:59:58' + i * INTERVAL 1 SECOND",
    "TIMESTAMP_MS": "(TIMESTAMP '2001-02-03 04:05:06' + i * INTERVAL 1 HOUR)::TIMESTAMP_MS",
    "TIME": "TIME '00:00:01' + i * INTERVAL 1 MINUTE",
    "UUID": "('00000000-0000-0000-0000-0000000000' || (i + 10))::UUID",
}


@pytest.mark.parametrize("kind", _DUCK)
def test_parquet_of_duckdb(kind: str, tmp_path: Path) -> None:
    """Another writer of Parquet than the reader's own, and its own words for its values."""
    path = tmp_path / "a.parquet"
    made = f"SELECT i AS n, CASE WHEN i % 7 <> 3 THEN {_DUCK[kind]} END AS x FROM range(50) t(i)"
    duckdb.execute(f"COPY ({made}) TO '{path}' (FORMAT parquet)")
    values = [value for (value,) in duckdb.execute(f"SELECT x FROM ({made})").fetchall()]
    texts = read(path.read_bytes(), "parquet").columns["x"].rows()
    assert texts == [_of_duck(value, kind, text) for value, text in zip(values, texts, strict=True)]


def _of_duck(value: Any, kind: str, text: str) -> str:
    if value is None:
        return ""
    if kind == "FLOAT":
        return text if np.float32(text) == np.float32(value) else f"not {value!r}"
    if kind.startswith("DECIMAL"):
        return f"{value:f}" if value % 1 else str(int(value))
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return cell(value)


@SLOW
@given(
    st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6),
                 min_size=3, max_size=3),
        min_size=1, max_size=5,
    ),
    st.sampled_from(list(",;|\t")),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-16", "utf-8-sig", "gb18030"]),
)  # fmt: skip
def test_text_of_pandas(
    rows: list[list[str]], delimiter: str, quoting: int, end: str, encoding: str
) -> None:
    """Whatever cells hold, and however they are quoted."""
    rows = [["a", *row] for row in rows]
    frame = pd.DataFrame(rows, columns=["id", "one", "two", "three"])
    data = frame.to_csv(index=False, sep=delimiter, quoting=quoting, lineterminator=end)
    raw = read(data.encode(encoding), "csv", delimiter=delimiter, encoding=encoding)
    for at, name in enumerate(frame):
        assert raw.columns[name].rows() == [row[at].strip() for row in rows]
