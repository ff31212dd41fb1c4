"""What programs write into xlsx files that others do not."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from assets.staging.reading import RawTable, read_table
from tests.files.sheets import in_sheet, with_parts
from validations.manifest.model import FileFormat


def _book(*rows: list[Any]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def _read(room: Path, data: bytes) -> RawTable:
    (room / "a.xlsx").write_bytes(data)
    return read_table("t", room, "a.xlsx", FileFormat())


@pytest.mark.parametrize("extension", [False, True])
@pytest.mark.parametrize(("flag", "day"), [("1", "1904-01-02"), ("true", "1904-01-02"),
                                           ("0", "1900-01-01")])  # fmt: skip
def test_dates_from_1904_beside_an_extension_of_the_same_name(
    flag: str, day: str, extension: bool, tmp_path: Path
) -> None:
    """New versions of Excel add a second element with the name of the one that says it."""
    data = _book(["day"], [dt.date(1900, 1, 1)])
    more = '<x15:workbookPr xmlns:x15="urn:x" chartTrackingRefBase="1"/>' if extension else ""

    def changed(name: str, text: str) -> str:
        if name != "xl/workbook.xml":
            return text
        text = text.replace("<workbookPr ", f'<workbookPr date1904="{flag}" ')
        return text.replace("</workbook>", f"<extLst><ext>{more}</ext></extLst></workbook>")

    assert _read(tmp_path, with_parts(data, changed)).columns["day"].rows() == [day]


@pytest.mark.parametrize("blank", [" ", "\t", " \n "])
def test_a_column_of_blanks_is_an_empty_one(blank: str, tmp_path: Path) -> None:
    data = _book(["a", "b", None], [1, blank, blank], [2, None, blank])
    raw = _read(tmp_path, data)
    assert (raw.columns["a"].rows(), raw.columns["b"].rows()) == (["1", "2"], ["", ""])


def test_an_error_in_the_header_is_none_of_a_cell(tmp_path: Path) -> None:
    data = _book(["a", "x"], [1, 2])
    data = with_parts(data, in_sheet('<c r="B1".*?</c>', '<c r="B1" t="e"><v>#N/A</v></c>'))
    raw = _read(tmp_path, data)
    assert (raw.columns["a"].rows(), raw.account.missing_reasons) == (["1"], ())
    assert raw.findings == ()


def test_xml_with_lines_of_its_own(tmp_path: Path) -> None:
    """Blanks between elements are no values, and a text stands above what is stored beside it."""
    data = _book(["a", "b"], ["x", 1], ["y", 2])
    data = with_parts(data, in_sheet('<c r="A2".*?</c>', '<c r="A2" t="s"><v/></c>'))
    inline = '<c r="A3" t="inlineStr"><v>1.0</v><is><r><t>1.</t></r></is></c>'
    data = with_parts(data, in_sheet('<c r="A3".*?</c>', inline))
    data = with_parts(
        data, in_sheet("(</?(?:row|c|v|is|r|t|sheetData)(?: [^>]*)?>)", r"\1\n      ")
    )
    raw = _read(tmp_path, data)
    assert (raw.columns["a"].rows(), raw.columns["b"].rows()) == (["", "1."], ["1", "2"])
