"""What a spreadsheet costs depends on its content and not on its extent."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable
from typing import Any

import openpyxl
import pytest

from assets.staging.headers import Grid
from assets.staging.limits import Limits, Watch
from assets.staging.spreadsheets import read_spreadsheet
from assets.staging.unreadable import UnreadableError
from validations.manifest.model import FileFormat

NAMES = ["arm", "n", "mean"]
LAST_ROW, LAST_COLUMN = 1_048_576, 16_384
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def book(change: Callable[[Any], None], rows: int = 30) -> bytes:
    made = openpyxl.Workbook()
    made.active.append(NAMES)
    for i in range(rows):
        made.active.append(["web", i + 2, 0.5])
    change(made.active)
    written = io.BytesIO()
    made.save(written)
    return written.getvalue()


def with_sheet(xml: str) -> bytes:
    """A workbook whose sheet is this text."""
    written = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(book(lambda sheet: None))) as old,
        zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, xml if name.endswith("sheet1.xml") else old.read(name))
    return written.getvalue()


def read(data: bytes, limits: Limits | None = None, **given: Any) -> Grid:
    return read_spreadsheet(data, FileFormat(**given), False, Watch(limits or Limits()))


def refused(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(UnreadableError) as caught:
        read(data, limits)
    return f"{caught.value.rule}: {caught.value.message}; {caught.value.fix}"


STRAY = {
    "last row": [(LAST_ROW, 9)],
    "last column": [(7, LAST_COLUMN)],
    "corner": [(LAST_ROW, LAST_COLUMN)],
    "last column of every row": [(i, LAST_COLUMN) for i in range(25, 32)],
    "last column of the header": [(1, LAST_COLUMN)],
}


@pytest.mark.parametrize("where", STRAY)
def test_a_stray_cell_costs_nothing(where: str) -> None:
    def put(sheet: Any) -> None:
        for row, column in STRAY[where]:
            sheet.cell(row, column, "stray")

    data = book(put)
    began = time.process_time()
    grid = read(data)
    assert time.process_time() - began < 1
    assert [column.rows()[0] for column in grid.columns] == NAMES
    assert grid.numbers.tolist() == list(range(1, 32))
    assert (grid.last, grid.account.blank_rows) == (31, 0)


def test_a_stray_row_below_the_names_is_a_row() -> None:
    grid = read(book(lambda sheet: sheet.cell(LAST_ROW, 2, 7)))
    assert grid.numbers.tolist() == [*range(1, 32), LAST_ROW]
    assert (grid.last, grid.account.blank_rows) == (LAST_ROW, LAST_ROW - 32)


def test_a_name_beyond_a_wide_gap_is_none_even_where_the_rows_below_are_wide() -> None:
    def put(sheet: Any) -> None:
        for column in range(1, 201):
            sheet.cell(5, column, column)
        sheet.cell(1, 180, "stray")

    grid = read(book(put))
    assert len(grid.columns) == 200
    assert [column.rows()[0] for column in grid.columns] == NAMES + [""] * 197
    assert grid.columns[179].rows()[4] == "180"


def test_formulas_are_looked_for_below_the_header_only() -> None:
    def put(sheet: Any) -> None:
        sheet["C6"] = "=1+1"
        sheet["J9"] = "=2+2"
        sheet.cell(LAST_ROW, LAST_COLUMN, "=3")

    ((rule, message, _),) = read(book(put)).notes
    assert rule == "formula_without_value"
    assert message.startswith("row 6 hold")


def test_formulas_above_the_header_do_not_matter() -> None:
    def put(sheet: Any) -> None:
        sheet.insert_rows(1)
        sheet["B1"] = "=1+1"

    assert read(book(put), header_row=2).notes == []


@pytest.mark.parametrize("stated", ["A1:A21", "A1", "A1:XFD1048576", "", "nonsense"])
def test_the_extent_that_a_sheet_declares_changes_nothing(stated: str) -> None:
    rows = "".join(
        f'<row r="{i}"><c r="A{i}"><v>{i}</v></c><c r="B{i}"><v>2</v></c></row>'
        for i in range(2, 42)
    )
    head = '<c r="A1" t="str"><v>id</v></c><c r="B1" t="str"><v>x</v></c>'
    declared = f'<dimension ref="{stated}"/>' if stated else ""
    xml = (
        f'<worksheet xmlns="{MAIN}">{declared}<sheetData><row r="1">{head}</row>'
        f"{rows}</sheetData></worksheet>"
    )
    grid = read(with_sheet(xml))
    assert grid.columns[0].rows() == ["id", *map(str, range(2, 42))]
    assert grid.columns[1].rows() == ["x", *["2"] * 40]
    extent = {"A1:A21": (21, 1), "A1": (1, 1), "A1:XFD1048576": (LAST_ROW, LAST_COLUMN)}
    account = grid.account
    assert (account.stated_rows, account.stated_columns) == extent.get(stated, (None, None))


def test_too_much_unpacked_is_refused() -> None:
    xml = f'<worksheet xmlns="{MAIN}"><sheetData>{" " * 2_000_000}</sheetData></worksheet>'
    said = refused(with_sheet(xml), Limits(unpacked_megabytes=1))
    assert said.startswith("file_too_large: the file has 2 MB unpacked; at most 1 are read")


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        (Limits(rows=30), "31 rows"),
        (Limits(columns=2), "3 columns"),
        (Limits(cells=92), "93 cells"),
        (Limits(cell_length=2), "a cell of more characters"),
    ],
)
def test_more_than_the_limits_is_refused(limits: Limits, found: str) -> None:
    said = refused(book(lambda sheet: None), limits)
    assert said.startswith(f"file_too_large: the file has {found}; at most")


def test_reading_takes_no_longer_than_its_time() -> None:
    with pytest.raises(UnreadableError, match="more than 0 seconds"):
        read_spreadsheet(book(lambda sheet: None), FileFormat(), False, Watch(Limits(seconds=0)))


def test_cells_that_hold_nothing_count_as_none() -> None:
    cells = '<c s="0"/>' * 1001
    head = '<row r="1"><c r="A1" t="str"><v>id</v></c></row>'
    rows = f"<row>{cells}</row><row><c><v>5</v></c></row>"
    xml = f'<worksheet xmlns="{MAIN}"><sheetData>{head}{rows}</sheetData></worksheet>'
    grid = read(with_sheet(xml), Limits(cells=2))
    assert grid.columns[0].rows() == ["id", "5"]
    assert grid.numbers.tolist() == [1, 3]
    assert grid.account.blank_rows == 1


def test_a_row_or_column_beyond_all_is_refused() -> None:
    head = '<row r="1"><c r="A1" t="str"><v>id</v></c></row>'
    for far, said in (
        ('<row r="99999999999"><c><v>1</v></c></row>', "rows beyond 1,048,576"),
        ('<row><c r="A1048577"><v>1</v></c></row>', "rows beyond 1,048,576"),
        ('<row r="2"><c r="XFE2"><v>1</v></c></row>', "columns beyond 16,384"),
        (f'<row r="2">{"<c><v>1</v></c>" * 16_385}</row>', "columns beyond 16,384"),
        ('<row r="0"><c><v>1</v></c></row>', "a row without a number"),
        ('<row r="2"><c r="2B"><v>1</v></c></row>', "a cell without a place"),
    ):
        xml = f'<worksheet xmlns="{MAIN}"><sheetData>{head}{far}</sheetData></worksheet>'
        assert said in refused(with_sheet(xml)), far
