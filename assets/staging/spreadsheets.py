"""Sheets of an xlsx file as cells, at a cost that its content sets and not its extent.

One stray cell in the last column or row of a sheet makes every row, or a million rows, as wide
or as many as a sheet can hold. Read is what stands below names, up to the last row with a cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from assets.staging.account import Account
from assets.staging.columns import NOTHING, Column, Kind
from assets.staging.header_evidence import SEARCHED_ROWS
from assets.staging.headers import Grid, Notes
from assets.staging.limits import Watch
from assets.staging.named_columns import missing_reasons
from assets.staging.shared_strings import shared_strings
from assets.staging.sheet_cells import Content, has_cells, read_cells
from assets.staging.unreadable import UnreadableError, opening
from assets.staging.workbook import (
    Sheet,
    Workbook,
    has_table_filter,
    looks_of,
    open_workbook,
)
from ibgap.base.printable import printable
from validations.findings import name_rows
from validations.manifest.model import FileFormat

_WIDEST_GAP = 100
_WHAT, _FIX = "the spreadsheet", "save it again as xlsx or CSV"
_NAME_SHEET = "name the sheet with the data in format.sheet"


def read_spreadsheet(
    data: bytes, file_format: FileFormat, participants: bool, watch: Watch
) -> Grid:
    """The cells of one sheet of an xlsx file, what the file says of them and what is doubtful.

    The sheet is the one that the manifest names, hidden or not, else the first visible one with
    cells. participants: whether the names of its sheets may not be listed. Raises
    `UnreadableError`: it does not open, passes a limit, or has no such sheet.
    """
    with opening(_WHAT, _FIX):
        book = open_workbook(data, watch)
        sheet, content = _sheet(book, file_format.sheet, participants, watch)
        asked = file_format.header_row if "header_row" in file_format.model_fields_set else 0
        grid = _grid(content, asked, watch)
        several = (
            [] if file_format.sheet is not None else _several(book, sheet, participants, watch)
        )
    account = replace(
        grid.account, tables=len(book.sheets), table=sheet.name, table_state=sheet.state
    )
    return replace(grid, account=account, notes=[*grid.notes, *several])


def _sheet(
    book: Workbook, wanted: str | None, participants: bool, watch: Watch
) -> tuple[Sheet, Content]:
    """The sheet to read, and what stands in it."""
    if wanted is None:
        sheets = [sheet for sheet in book.sheets if sheet.state == "visible"]
    else:
        sheets = [sheet for sheet in book.sheets if sheet.name == wanted]
    if not sheets:
        raise _sheet_missing(book, wanted, participants)
    strings, looks = shared_strings(book, watch), looks_of(book)
    for sheet in sheets:
        content = read_cells(book.parts, sheet.part, strings, looks, book.from_1904, watch)
        if content.columns:
            filtered = content.filtered or (
                len(content.hidden) > 0 and has_table_filter(book.parts, sheet.part)
            )
            return sheet, replace(content, filtered=filtered)
    raise UnreadableError(
        "file_empty",
        "the sheet is empty" if len(sheets) == 1 else "the visible sheets are empty",
        _NAME_SHEET,
    )


def _sheet_missing(book: Workbook, wanted: str | None, participants: bool) -> UnreadableError:
    count = len(book.sheets)
    counted = f"{count} sheet{'s' if count > 1 else ''}"
    if not count:
        return UnreadableError("sheet_missing", "the spreadsheet has no sheet with cells", _FIX)
    listed = ", ".join(printable(sheet.name) for sheet in book.sheets)
    known = (
        f"the spreadsheet has {counted}; set format.sheet to the one whose header names the columns"
        if participants
        else f"sheets: {listed}"
    )
    if wanted is None:
        known = f"show the sheet with the data, or name it in format.sheet ({known})"
        return UnreadableError("sheet_missing", "every sheet of the spreadsheet is hidden", known)
    is_other = wanted in book.others
    found = f"the sheet {wanted!r} is a chart, a dialog or macros and has no cells"
    return UnreadableError(
        "sheet_missing", found if is_other else f"there is no sheet called {wanted!r}", known
    )


def _several(book: Workbook, read: Sheet, participants: bool, watch: Watch) -> Notes:
    """A note when other visible sheets hold something, too."""
    others = [
        sheet.name
        for sheet in book.sheets
        if sheet is not read
        and sheet.state == "visible"
        and has_cells(book.parts, sheet.part, watch)
    ]
    if not others:
        return []
    count = "1 other sheet holds" if len(others) == 1 else f"{len(others)} other sheets hold"
    named = "" if participants else f" ({', '.join(printable(name) for name in others[:20])})"
    return [
        (
            "sheets_several",
            f"{count} cells, too{named}; the first visible sheet with cells was read",
            f"{_NAME_SHEET}, also when it is the first",
        )
    ]


def _grid(content: Content, asked: int, watch: Watch) -> Grid:
    """The rows of a sheet, as wide as the widest of its first rows up to a wide gap.

    asked: row that is named as the header, or 0.
    """
    filled = _filled(content, asked)
    width = max(map(_width, filled.values()))
    filled = {row: places for row, places in filled.items() if places[0] < width}
    header = asked if asked in filled else min(filled)
    header_width = _width(filled[header])
    cells = {at: cell for at, cell in content.columns.items() if at < width}
    for at in [at for at in cells if at >= header_width]:
        rows, column = cells[at]
        cells[at] = rows[rows != header], column.take(rows != header)
    numbers = np.unique(np.concatenate([rows for rows, _ in cells.values()]))
    watch.look(rows=len(numbers), columns=width)
    nothing = np.full(len(numbers), NOTHING, np.int32)
    empty = Column(nothing, pa.array([], pa.string()), np.empty(0, np.uint8))
    columns = [_placed(cells[at], numbers) if at in cells else empty for at in range(width)]
    last = int(numbers[-1])
    stated_rows, stated_columns = content.stated or (None, None)
    below = numbers > header
    account = Account(
        "xlsx",
        stated_rows,
        stated_columns,
        header_row=header,
        blank_rows=last - len(numbers),
        missing_reasons=missing_reasons([one.take(below) for one in columns[:header_width]]),
    )
    notes = [
        *_uncomputed(content, header, header_width),
        *_errors(columns[:header_width], numbers, below, account.missing_reasons),
        *_hidden(content, numbers[below]),
    ]
    return Grid(columns, numbers, last, account, notes=notes)


def _filled(content: Content, asked: int) -> dict[int, list[int]]:
    """Positions of the columns with something in them, of the rows among which the header is
    looked for: the first, those at the top, and the one that is named."""
    first = min(int(rows.min()) for rows, _ in content.columns.values())
    filled: dict[int, list[int]] = {}
    for at, (rows, _) in content.columns.items():
        for row in rows[(rows <= max(first, SEARCHED_ROWS)) | (rows == asked)].tolist():
            filled.setdefault(row, []).append(at)
    return filled


def _width(filled: Sequence[int]) -> int:
    """Columns to the last that is filled; what follows a wide gap does not belong to them."""
    width = 1
    for at in filled:
        if at + 1 - width > _WIDEST_GAP:
            break
        width = at + 1
    return width


def _placed(cells: tuple[np.ndarray, Column], numbers: np.ndarray) -> Column:
    """A column with an entry for each of the numbered rows."""
    rows, column = cells
    codes = np.full(len(numbers), NOTHING, np.int32)
    codes[np.searchsorted(numbers, rows)] = column.codes
    return column.with_codes(codes)


def _uncomputed(content: Content, header: int, width: int) -> Notes:
    """Rows whose formulas have no stored result, in the columns of the header."""
    rows, columns = content.uncomputed.T
    found = np.unique(rows[(rows > header) & (columns < width)]).tolist()
    if not found:
        return []
    return [
        (
            "formula_without_value",
            f"{name_rows(found)} hold formulas without a stored result; they read as empty",
            "open and save the file in a spreadsheet program",
        )
    ]


def _errors(
    columns: Sequence[Column],
    numbers: np.ndarray,
    below: np.ndarray,
    reasons: Sequence[tuple[str, int]],
) -> Notes:
    """Rows with cells that hold an error, in the columns of the header."""
    if not reasons:
        return []
    holds = np.zeros(len(numbers), dtype=bool)
    for column in columns:
        holds |= column.by_row(column.kinds == Kind.MISSING, False)
    rows = numbers[holds & below].tolist()
    counted = ", ".join(f"{shown}: {count:,}" for shown, count in reasons)
    return [
        (
            "error_values",
            f"{name_rows(rows)} {'holds' if len(rows) == 1 else 'hold'} errors instead of values "
            f"({counted}); they read as missing",
            "correct them in a spreadsheet program, or empty the cells whose values are not known",
        )
    ]


def _hidden(content: Content, rows: np.ndarray) -> Notes:
    """Rows with data that a filter hides."""
    found = rows[np.isin(rows, content.hidden)].tolist() if content.filtered else []
    if not found:
        return []
    return [
        (
            "rows_hidden",
            f"a filter of the sheet hides {name_rows(found)}; "
            f"{'it is' if len(found) == 1 else 'they are'} read, too",
            "remove the filter to see what is read; to leave rows out, keep others with `where` "
            "in the manifest",
        )
    ]
