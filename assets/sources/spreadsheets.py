"""Sheets of an xlsx file as cells, at a cost that its content sets and not its extent.

One stray cell in the last column or row of a sheet makes every row, or a million rows, as wide
or as many as a sheet can hold. Read is what stands below names, up to the last row with a cell.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assets.sources.cell_texts import as_text
from assets.sources.header_evidence import SEARCHED_ROWS
from assets.sources.headers import Cells, Notes
from assets.sources.unreadable import UnreadableError, opening
from ibgap.base.printable import printable
from validations.findings import name_rows
from validations.manifest.model import FileFormat

MOST_UNPACKED = 100_000_000
"""Bytes that the parts of a spreadsheet may have together, unpacked."""
MOST_CELLS = 3_000_000
_MOST_ROWS = 1_048_576
_MOST_BLANK = 10_000
_WIDEST_GAP = 100
_WHAT, _FIX = "the spreadsheet", "save it again as xlsx or CSV"
_FORMULA = re.compile(rb"[<:]f[\s/>]")
_CELL = re.compile(rb"[<:]c[\s/>]")


def read_spreadsheet(
    path: Path, data: bytes, file_format: FileFormat, participants: bool
) -> tuple[Cells, Notes]:
    """The rows of the sheet that are not blank, and what is doubtful about them.

    participants: whether the names of its sheets may not be listed. Raises `UnreadableError`: it
    does not open, is too large unpacked, or has no such sheet.
    """
    import openpyxl

    with opening(_WHAT, _FIX):
        has_formulas = _checked_archive(data)
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheet = _sheet(book, file_format.sheet, participants)
        asked = file_format.header_row if "header_row" in file_format.model_fields_set else 0
        cells, header, width = _cells(sheet, asked)
        notes: Notes = []
        if has_formulas:
            written = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=False)
            formulas = _sheet(written, sheet.title, participants)
            notes = _uncomputed_formulas(sheet, formulas, header, width)
            written.close()
        book.close()
    return cells, notes


def _checked_archive(data: bytes) -> bool:
    """Whether some sheet holds a formula; raises when the parts are too large unpacked.

    A part cannot be larger than the archive says: what lies beyond is not unpacked.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        unpacked = sum(part.file_size for part in archive.infolist())
        if unpacked > MOST_UNPACKED:
            raise _too_large(f"{unpacked / 1e6:,.0f} MB unpacked", f"{MOST_UNPACKED / 1e6:,.0f} MB")
        sheets = [part for part in archive.infolist() if "worksheets/" in part.filename]
        cells, has_formulas = 0, False
        for chunk in (chunk for part in sheets for chunk in _chunks(archive, part)):
            cells += len(_CELL.findall(chunk))
            has_formulas = has_formulas or _FORMULA.search(chunk) is not None
            if cells > MOST_CELLS:
                raise _too_large(f"more than {MOST_CELLS:,} cells", "as many")
    return has_formulas


def _too_large(found: str, most: str) -> UnreadableError:
    return UnreadableError(
        "file_too_large",
        f"the spreadsheet has {found}; at most {most} are read",
        "delete formatted cells that are empty and sheets that are not needed, or save the sheet "
        "as CSV",
    )


def _chunks(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> Iterator[bytes]:
    """A part of an archive in pieces that end where a tag ends."""
    with archive.open(part) as opened:
        rest = b""
        while chunk := opened.read(1 << 20):
            whole, end, begun = (rest + chunk).rpartition(b">")
            yield whole + end
            rest = begun
        yield rest


def _sheet(book: Any, wanted: str | None, participants: bool) -> Any:
    sheets = {sheet.title: sheet for sheet in book.worksheets}
    if not sheets:
        raise UnreadableError("sheet_missing", "the spreadsheet has no sheet with cells", _FIX)
    if wanted is not None and wanted not in sheets:
        listed = ", ".join(printable(name) for name in sheets)
        raise UnreadableError(
            "sheet_missing",
            f"there is no sheet called {wanted!r}",
            f"the spreadsheet has {len(sheets)} sheet{'s' if len(sheets) > 1 else ''}; set "
            "format.sheet to the one whose header names the columns"
            if participants
            else f"sheets: {listed}",
        )
    sheet = sheets[wanted] if wanted is not None else next(iter(sheets.values()))
    # The extent that a sheet declares may be too small (rows are lost) or too large.
    sheet.reset_dimensions()
    return sheet


def _rows(
    sheet: Any, width: int | None = None, last: int | None = None
) -> Iterator[tuple[int, list[str]]]:
    """Number and texts of the rows, to the last, that hold something in `width` cells."""
    every = sheet.iter_rows(values_only=True, max_col=width, max_row=last)
    for number, row in enumerate(every, start=1):
        if number > _MOST_ROWS:
            raise UnreadableError(
                "file_too_large", f"the sheet has rows beyond {_MOST_ROWS:,}", "save it as CSV"
            )
        if len(row) == row.count(None):
            continue
        texts = [as_text(cell) for cell in row]
        if any(texts):
            yield number, texts


def _cells(sheet: Any, asked: int) -> tuple[Cells, int, int]:
    """The rows of a sheet, the row of its header and how many columns that has.

    asked: row that is named as the header, or 0. The top of the sheet, where the header is looked
    for, is read as wide as it is; the rows below as wide as the header.
    """
    top: dict[int, list[str]] = {}
    for number, texts in _rows(sheet, last=max(asked, _MOST_BLANK)):
        if number <= SEARCHED_ROWS or number == asked or not top:
            top[number] = texts
        if number >= max(asked, SEARCHED_ROWS):
            break
    if not top:
        raise UnreadableError(
            "file_empty", "the sheet is empty", "name the sheet with the data in format.sheet"
        )
    header = asked if asked in top else next(iter(top))
    width = _width(top[header])
    top[header] = top[header][:width]
    every = dict(_rows(sheet, width)) | top
    numbers = sorted(every)
    return Cells([every[n] for n in numbers], numbers, numbers[-1]), header, width


def _width(header: list[str]) -> int:
    """Columns of a header, to its last name; what follows a wide gap does not belong to it."""
    width = 1
    for i, text in enumerate(header, start=1):
        if i - width > _WIDEST_GAP:
            break
        if text:
            width = i
    return width


def _uncomputed_formulas(sheet: Any, formulas: Any, header: int, width: int) -> Notes:
    """Rows whose formulas have no stored result, in the columns of the header."""
    shown = sheet.iter_rows(values_only=True, max_col=width)
    written = formulas.iter_rows(values_only=True, max_col=width)
    rows = [
        number
        for number, (values, texts) in enumerate(zip(shown, written, strict=False), start=1)
        if number > header
        and len(texts) > texts.count(None)
        and any(
            value is None and isinstance(text, str) and text.startswith("=")
            for value, text in zip(values, texts, strict=True)
        )
    ]
    if not rows:
        return []
    return [
        (
            "formula_without_value",
            f"{name_rows(rows)} hold formulas without a stored result; they read as empty",
            "open and save the file in a spreadsheet program",
        )
    ]
