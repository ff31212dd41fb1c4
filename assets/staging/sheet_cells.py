"""The cells of one worksheet, read piece by piece, at a cost that its content sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.staging.columns import NOTHING, Column, Kind, joined, number_texts
from assets.staging.limits import Watch, too_large
from assets.staging.shared_strings import unescaped
from assets.staging.sheet_numbers import PLAIN, Cell, Look, iso_date, number_cell
from assets.staging.sheet_parser import SheetHandlers, misplaced
from assets.staging.workbook import Parts
from validations.numbers import NUMBER_PATTERN

_BATCH = 200_000
_ERRORS = frozenset({
    "#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!", "#GETTING_DATA", "#SPILL!",
    "#CALC!", "#FIELD!", "#BLOCKED!", "#UNKNOWN!", "#CONNECT!", "#BUSY!", "#PYTHON!",
})  # fmt: skip
"""What cells show that hold an error; nothing else may reach a message."""
_TRUE = {"1": "1", "true": "1", "TRUE": "1", "0": "0", "false": "0", "FALSE": "0"}


@dataclass(frozen=True)
class Content:
    """What cells hold something, wherever they stand.

    columns: position of a column (from 0) -> the row numbers of its cells, in the order of the
    file, and the cells. uncomputed: rows and columns of formulas without a stored result.
    hidden: numbers of rows that are hidden. filtered: whether the sheet has a filter.
    stated: rows and columns that the sheet says it has.
    """

    columns: dict[int, tuple[np.ndarray, Column]]
    uncomputed: np.ndarray
    hidden: np.ndarray
    filtered: bool
    stated: tuple[int, int] | None


def read_cells(
    parts: Parts,
    name: str,
    strings: Sequence[str],
    looks: Sequence[Look],
    from_1904: bool,
    watch: Watch,
) -> Content:
    """The cells of the worksheet in a part that hold something.

    Raises `UnreadableError`: a limit is passed, a cell has no place in a sheet, a shared text
    does not exist.
    """
    sheet = SheetHandlers(watch)
    taken = _Taken(strings, looks, from_1904)
    cells = 0
    for _ in parts.parse(name, sheet.attach):
        if sheet.cells >= _BATCH:
            cells += sheet.cells
            if cells > watch.limits.cells:
                raise too_large(f"more than {watch.limits.cells:,} cells", "as many")
            taken.take(sheet)
    sheet.note()
    taken.take(sheet)
    columns = {at: taken.column(at) for at in sorted(taken.rows)}
    return Content(
        {at: cells for at, cells in columns.items() if len(cells[0])},
        np.array(sheet.uncomputed, np.int64).reshape(-1, 2),
        np.array(sheet.hidden, np.int64),
        sheet.filtered,
        sheet.stated,
    )


def has_cells(parts: Parts, name: str, watch: Watch) -> bool:
    """Whether some cell of the worksheet in a part holds something; reads no further than that."""
    sheet = SheetHandlers(watch)
    found = any(sheet.cells > 0 for _ in parts.parse(name, sheet.attach))
    sheet.note()
    return found or sheet.cells > 0


class _Taken:
    """Cells as they were taken, column by column."""

    def __init__(self, strings: Sequence[str], looks: Sequence[Look], from_1904: bool) -> None:
        self.strings, self.from_1904 = strings, from_1904
        self.looks = {str(i): look for i, look in enumerate(looks)}
        self.rows: dict[int, list[np.ndarray]] = {}
        self.columns: dict[int, list[Column]] = {}

    def take(self, sheet: SheetHandlers) -> None:
        for (at, kind, style), (rows, values) in sheet.noted.items():
            stored = pa.array(values, pa.string()).dictionary_encode()
            levels = self._levels(kind, style, stored.dictionary)
            codes = stored.indices.to_numpy().astype(np.int32)
            self.rows.setdefault(at, []).append(np.array(rows, np.int64))
            self.columns.setdefault(at, []).append(replace(levels, codes=codes))
        sheet.noted.clear()
        sheet.cells = 0

    def _levels(self, kind: str, style: str, stored: pa.StringArray) -> Column:
        if kind == "n":
            return _numbers(stored, self.looks.get(style, PLAIN), self.from_1904)
        return _of_levels([_cell(kind, t.strip(), self.strings) for t in stored.to_pylist()])

    def column(self, at: int) -> tuple[np.ndarray, Column]:
        rows, column = np.concatenate(self.rows.pop(at)), joined(self.columns.pop(at))
        stands = column.codes != NOTHING
        return (rows, column) if stands.all() else (rows[stands], column.take(stands))


def _numbers(stored: pa.StringArray, look: Look, from_1904: bool) -> Column:
    """Different stored numbers as cells, in order; their codes are to be set.

    Integers keep all digits that are stored, other numbers those that a double holds.
    """
    stored = pc.utf8_trim_whitespace(stored)
    is_number = pc.match_substring_regex(stored, NUMBER_PATTERN)
    numbers = pc.cast(pc.if_else(is_number, stored, None), pa.float64())
    kept = pc.or_(
        pc.match_substring_regex(stored, "^(0|-?[1-9][0-9]*)$"), pc.is_inf(numbers).fill_null(True)
    )
    texts = pc.if_else(kept, stored, number_texts(numbers))
    texts = pc.if_else(pc.match_substring_regex(stored, "^[Nn][Aa][Nn]$"), "", texts)
    kinds = pc.if_else(is_number, int(Kind.NUMBER), int(Kind.TEXT)).to_numpy(zero_copy_only=False)
    column = Column(np.empty(0, np.int32), texts, kinds.astype(np.uint8))
    if look == PLAIN:
        return column
    return _of_levels(
        [
            (text, Kind.TEXT, "", False)
            if number is None
            else number_cell(number, text, look, from_1904)
            for text, number in zip(texts.to_pylist(), numbers.to_pylist(), strict=True)
        ]
    )


def _of_levels(cells: Sequence[Cell]) -> Column:
    """Different cells in order; their codes are to be set."""
    return Column(
        np.empty(0, np.int32),
        pa.array([cell[0] for cell in cells], pa.string()),
        np.array([cell[1] for cell in cells], dtype=np.uint8),
        {i: cell[2] for i, cell in enumerate(cells) if cell[2]},
        frozenset(i for i, cell in enumerate(cells) if cell[3]),
    )


def _cell(kind: str, text: str, strings: Sequence[str]) -> Cell:
    """A stored cell that is no number."""
    if kind == "s":
        if not text.isdecimal() or int(text) >= len(strings):
            raise misplaced("refers to a text that the file does not hold")
        return strings[int(text)].strip(), Kind.TEXT, "", False
    if kind == "e":
        return "", Kind.MISSING, text if text in _ERRORS else "#ERROR", False
    if kind == "b" and text in _TRUE:
        return _TRUE[text], Kind.BOOLEAN, "", False
    if kind == "d" and (day := iso_date(text)):
        return day, Kind.DATE, "", False
    return unescaped(text).strip(), Kind.TEXT, "", False
