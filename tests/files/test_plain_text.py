"""Text that Arrow splits into cells is split as the parser of the csv module splits it."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from assets.staging import delimited, plain_text
from assets.staging.encodings import Encoding
from assets.staging.limits import Watch
from assets.staging.reading import RawTable, read_table
from validations.errors import TrialFileError
from validations.manifest.model import FileFormat

_SIGNS = ',;|\t"\\\n\r \x0b\x0c\x1c\x1d\x1e\x85\u2028\ufeff\xa0\x1a'
_CELL = st.one_of(
    st.sampled_from(["", "a", "1", '"', '""', "a b", "é", "中", "x,y", "NA", "007", "1.50", " "]),
    st.text(f"ab1{_SIGNS}", max_size=5),
    st.text(max_size=4),
)
_ENDS = ["\n", "\r\n", "\r", "\n\n", "\r\r\n", "\n\r"]


_TAME = st.text("ab1é中 .-\\\x0b\x0c\x1c\x85\u2028\ufeff\xa0\x1a'", max_size=3)
_HELD = st.text("a1\r\n ,;|\t", max_size=4)


@st.composite
def tame(draw: st.DrawFn) -> tuple[str, str]:
    """As `wild`, of the kind that is most often plain: rows of one width, quotes around cells."""
    width = draw(st.integers(2, 4))
    delimiter = draw(st.sampled_from(list(",;|\t")))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    cell = st.one_of(_TAME, st.one_of(_TAME, _HELD).map(lambda c: f'"{c}"'))
    if draw(st.booleans()):
        cell = _TAME
    rows = draw(st.lists(st.lists(cell, min_size=width, max_size=width), min_size=1, max_size=5))
    text = end.join(delimiter.join(row) for row in rows)
    return text + draw(st.sampled_from(["", end, end * 2])), delimiter


@st.composite
def wild(draw: st.DrawFn) -> tuple[str, str]:
    """Rows of cells, quoted rightly, wrongly or not at all, with line ends of any kind, and a
    delimiter."""
    width = draw(st.integers(1, 4))
    delimiter = draw(st.sampled_from(list(",;|\t")))
    ends = draw(st.sampled_from([["\n"], ["\r\n"], _ENDS]))
    quotes = draw(st.sampled_from([["right"], ["needed"], ["right", "none", "wrong", "needed"]]))
    out = ""
    for _ in range(draw(st.integers(0, 5))):
        cells = draw(st.lists(_CELL, min_size=width, max_size=width))
        if draw(st.integers(0, 9)) == 0:
            cells = cells[:-1]
        out += delimiter.join(_quoted(c, draw(st.sampled_from(quotes)), delimiter) for c in cells)
        out += draw(st.sampled_from(ends))
    read_by = draw(st.sampled_from([*[delimiter] * 9, ",", ";", "|", "\t"]))
    return out if draw(st.booleans()) else out.rstrip("\r\n"), read_by


def _quoted(cell: str, how: str, delimiter: str) -> str:
    if how == "needed":
        how = "right" if set(cell) & {delimiter, '"', "\r", "\n"} else "none"
    doubled = cell.replace('"', '""') if how == "right" else cell
    return cell if how == "none" else f'"{doubled}"'


def _by_csv(text: str, delimiter: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))


@settings(max_examples=2000)
@given(st.one_of(tame(), wild()), st.booleans())
@example(('a,b\n"1","2"\n', ","), False)
@example(('"a","b"\n"x\ny","2"\n', ","), False)
@example(('a,b\n"1,""2"\n', ","), False)
@example(('a,b\n"",\n', ","), False)
@example(('a,b\n"","\n"\n', ","), False)
@example(('a,"b\n",c\n","d\n', ","), False)
@example(('a,b\n,\n",",","\n', ","), False)
def test_cells_are_those_of_the_csv_module(case: tuple[str, str], marked: bool) -> None:
    text, delimiter = case
    data = (("\ufeff" if marked else "") + text).encode()
    found = plain_text.plain_columns(data, Encoding("utf-8", "default"), delimiter, Watch())
    event(f"plain: {found is not None}")
    if found is None:
        return
    rows = _by_csv(data.decode().lstrip("\ufeff"), delimiter)
    while rows and not rows[-1]:
        rows.pop()  # ends of lines behind the last row
    rows = [row or [""] * len(found) for row in rows]
    assert [list(row) for row in zip(*(c.to_pylist() for c in found), strict=True)] == rows


def _table(data: bytes, delimiter: str, fast: bool) -> RawTable | str:
    whole = plain_text.plain_columns
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(delimited, "plain_columns", whole if fast else lambda *_: None)
        (Path(folder) / "a.csv").write_bytes(data)
        try:
            return read_table("t", Path(folder), "a.csv", FileFormat(delimiter=delimiter))
        except TrialFileError as error:
            return "\n".join(finding.text() for finding in error.findings)


@settings(max_examples=600)
@given(
    st.one_of(tame(), wild()), st.sampled_from([0, 0, 0, 1]),
    st.sampled_from(["", "", "sep=;\n", "\ufeff"]),
    st.sampled_from(["\n", "\r\n"]),
)  # fmt: skip
@example(('"1","2"\n"3","4"', ","), 0, "\ufeff", "\n")
@example(("1,2\n\n3,4\n,\n\n", ","), 0, "", "\n")
def test_tables_are_the_same_by_either_way(
    case: tuple[str, str], more: int, first: str, end: str
) -> None:
    text, delimiter = case
    width = text.split("\n")[0].count(delimiter) + 1 + more
    head = delimiter.join(f"name_{i}" for i in range(width)) + end
    data = (first + head + text).encode()
    fast, slow = _table(data, delimiter, True), _table(data, delimiter, False)
    event(f"read: {not isinstance(fast, str)}")
    if isinstance(fast, str) or isinstance(slow, str):
        assert fast == slow
        return
    assert fast.rows.tolist() == slow.rows.tolist()
    assert (fast.account, fast.findings) == (slow.account, slow.findings)
    assert list(fast.columns) == list(slow.columns)
    for name, column in fast.columns.items():
        assert column.rows() == slow.columns[name].rows()


def test_plain_files_are_split_by_arrow() -> None:
    """So that the comparison above is one."""
    plain = ["a,b\n1,2\n", '"a","b"\r\n"1","x\ny"\r\n', "a;b;c\n;;\n"]
    for text in plain:
        sign = ";" if ";" in text else ","
        found = plain_text.plain_columns(text.encode(), Encoding("utf-8", "default"), sign, Watch())
        assert found is not None and isinstance(found[0], pa.ChunkedArray)


@pytest.mark.parametrize("block", [64, 100, 257])
def test_cells_at_the_borders_of_blocks(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrow reads in blocks: what stands across their borders is split as elsewhere."""
    monkeypatch.setattr(plain_text, "_BLOCK", block)
    random = np.random.default_rng(block)
    for inner, end, is_plain in (
        ("a\nb", "\n", True),
        ("c,d", "\r\n", True),
        ("\r\n", "\r\n", False),
    ):
        rows = [["id", "accents", "lines"]]
        rows += [[f"{i:03d}", "é" * int(random.integers(0, 9)), inner] for i in range(200)]
        written = io.StringIO()
        csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator=end).writerows(rows)
        data = written.getvalue().encode()
        found = plain_text.plain_columns(data, Encoding("utf-8", "default"), ",", Watch())
        # Arrow loses the second half of an end of line that a border parts.
        assert (found is not None) == is_plain
        if found is not None:
            assert [list(row) for row in zip(*(c.to_pylist() for c in found), strict=True)] == rows
