"""The upper rows of the sheets of a spreadsheet, and which of them names the columns."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from assets.staging.columns import Kind
from assets.staging.limits import Limits, Watch
from assets.staging.spreadsheets import read_spreadsheet
from assets.staging.unreadable import UnreadableError, opening
from assets.staging.workbook import open_workbook
from validations.manifest.model import FileFormat

LOOKED_AT = 200
_TITLE_ROWS = 10
_BEYOND_LIMITS = ("file_too_large", "file_too_slow")
_NUMBER = re.compile(r"^[+-]?\d+([.,]\d+)*$")


class Cell(NamedTuple):
    """A cell of a sheet: its text, and whether it is one (and no number, date or truth value)."""

    text: str
    is_text: bool


Rows = list[list[Cell]]


def upper_rows(data: bytes, limits: Limits) -> dict[str, Rows]:
    """The upper rows of every sheet, by its name.

    Nothing when the file is no readable spreadsheet, or its sheets together pass the limits of
    one file: what reads it then says why.
    """
    watch = Watch(limits)
    try:
        with opening("the spreadsheet", "save it again"):
            book = open_workbook(data, watch)
        return {sheet.name: _upper_rows(data, sheet.name, watch) for sheet in book.sheets}
    except UnreadableError:  # reading the file tells the reason
        return {}


def _upper_rows(data: bytes, sheet: str, watch: Watch) -> Rows:
    """The upper rows of a sheet, blank ones among them; none when nothing stands in it."""
    try:
        grid = read_spreadsheet(data, FileFormat(sheet=sheet), False, watch)
    except UnreadableError as problem:
        if problem.rule in _BEYOND_LIMITS:
            raise
        return []
    upper = grid.numbers <= LOOKED_AT
    columns = [column.take(upper) for column in grid.columns]
    kinds = [np.append(column.kinds == Kind.TEXT, False)[column.codes] for column in columns]
    cells = [
        [Cell(text, bool(is_text)) for text, is_text in zip(column.rows(), kind, strict=True)]
        for column, kind in zip(columns, kinds, strict=True)
    ]
    blank = [Cell("", False)] * len(columns)
    rows = dict(zip(grid.numbers[upper].tolist(), zip(*cells, strict=True), strict=True))
    return [list(rows.get(number, blank)) for number in range(1, max(rows, default=0) + 1)]


def header_of(rows: Rows) -> int:
    """Number of the first of the upper rows that names the columns of a table, else 0."""
    for i, row in enumerate(rows[:_TITLE_ROWS]):
        if names_table(row, rows[i + 1 :]):
            names = [cell.text for cell in row if cell.text]
            below = [[cell.text for cell in one] for one in rows[i + 1 :]]
            # Below names that cannot be used, and within data, no names are to be found.
            usable = len(set(names)) == len(names) and not looks_like_data(
                [cell.text for cell in row], below
            )
            return i + 1 if usable else 0
    return 0


def names_table(row: list[Cell], below: Rows) -> bool:
    """Whether the row has names (two or more) for most of the columns that hold data below."""
    filled = {i for one in below for i, cell in enumerate(one) if cell.text}
    names = {i for i, cell in enumerate(row) if cell.is_text and cell.text}
    return len(names) >= 2 and len(names & filled) >= 2 and 2 * len(names) >= len(names | filled)


def looks_like_data(names: list[str], below: list[list[str]]) -> bool:
    """Whether half of the names are numbers or stand in their own column again."""
    named = {i: name.strip() for i, name in enumerate(names) if name.strip()}
    data = {i for row in below for i, cell in enumerate(row) if named.get(i) == cell.strip()}
    data |= {i for i, name in named.items() if _NUMBER.match(name)}
    return 2 * len(data) >= max(2, len(named))
