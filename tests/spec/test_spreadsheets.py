"""What a spreadsheet costs depends on its content and not on its extent."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from assets.sources import spreadsheets
from assets.sources.reading import RawTable, read_table
from validations.errors import TrialFileError
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


def read(folder: Path, data: bytes, **given: Any) -> RawTable:
    (folder / "a.xlsx").write_bytes(data)
    return read_table("t", folder, "a.xlsx", FileFormat(**given))


def refused(folder: Path, data: bytes) -> str:
    with pytest.raises(TrialFileError) as caught:
        read(folder, data)
    (finding,) = caught.value.findings
    return f"{finding.rule_id}: {finding.message}; {finding.fix}"


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every cell that was made a text."""
    made: list[object] = []
    whole = spreadsheets.as_text
    monkeypatch.setattr(spreadsheets, "as_text", lambda v: (made.append(v), whole(v))[1])
    return made


STRAY = {
    "last row": [(LAST_ROW, 9)],
    "last column": [(7, LAST_COLUMN)],
    "corner": [(LAST_ROW, LAST_COLUMN)],
    "last column of every row": [(i, LAST_COLUMN) for i in range(25, 32)],
    "last column of the header": [(1, LAST_COLUMN)],
}


@pytest.mark.parametrize("where", STRAY)
def test_a_stray_cell_costs_nothing(tmp_path: Path, texts: list[object], where: str) -> None:
    def put(sheet: Any) -> None:
        for row, column in STRAY[where]:
            sheet.cell(row, column, "stray")

    raw = read(tmp_path, book(put))
    assert raw.frame.shape == (30, 3)
    assert raw.rows == list(range(2, 32))
    assert len(texts) < 2 * LAST_COLUMN


def test_formulas_are_looked_for_below_the_header_only(tmp_path: Path) -> None:
    def put(sheet: Any) -> None:
        sheet["C6"] = "=1+1"
        sheet["J9"] = "=2+2"
        sheet.cell(LAST_ROW, LAST_COLUMN, "=3")

    (finding,) = read(tmp_path, book(put)).findings
    assert finding.rule_id == "formula_without_value"
    assert finding.message.startswith("row 6 hold")


def test_formulas_above_the_header_do_not_matter(tmp_path: Path) -> None:
    def put(sheet: Any) -> None:
        sheet.insert_rows(1)
        sheet["B1"] = "=1+1"

    assert read(tmp_path, book(put), header_row=2).findings == ()


def test_rows_outside_the_extent_that_a_sheet_declares_are_read(tmp_path: Path) -> None:
    rows = "".join(
        f'<row r="{i}"><c r="A{i}"><v>{i}</v></c><c r="B{i}"><v>2</v></c></row>'
        for i in range(2, 42)
    )
    head = '<c r="A1" t="str"><v>id</v></c><c r="B1" t="str"><v>x</v></c>'
    xml = (
        f'<worksheet xmlns="{MAIN}"><dimension ref="A1:A21"/><sheetData><row r="1">{head}</row>'
        f"{rows}</sheetData></worksheet>"
    )
    assert read(tmp_path, with_sheet(xml)).frame.shape == (40, 2)


def test_too_much_unpacked_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    xml = f'<worksheet xmlns="{MAIN}"><sheetData>{" " * 2_000_000}</sheetData></worksheet>'
    monkeypatch.setattr(spreadsheets, "MOST_UNPACKED", 1_000_000)
    said = refused(tmp_path, with_sheet(xml))
    assert said.startswith("file_too_large: the spreadsheet has 2 MB unpacked; at most 1 MB")
    assert "save the sheet as CSV" in said


@pytest.mark.parametrize("tag", ["<c/>", '<c r="A1"/>', "<c></c>", "<x:c/>"])
def test_too_many_cells_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tag: str
) -> None:
    monkeypatch.setattr(spreadsheets, "MOST_CELLS", 1000)
    xml = f'<worksheet xmlns="{MAIN}" xmlns:x="{MAIN}"><sheetData><row>{tag * 1001}</row>'
    said = refused(tmp_path, with_sheet(f"{xml}</sheetData></worksheet>"))
    assert said.startswith("file_too_large: the spreadsheet has more than 1,000 cells")


def test_a_row_beyond_all_rows_is_refused(tmp_path: Path) -> None:
    head = '<row r="1"><c r="A1" t="str"><v>id</v></c></row>'
    far = '<row r="99999999999"><c><v>1</v></c></row>'
    xml = f'<worksheet xmlns="{MAIN}"><sheetData>{head}{far}</sheetData></worksheet>'
    assert "rows beyond 1,048,576" in refused(tmp_path, with_sheet(xml))
