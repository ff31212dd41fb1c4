"""Handlers for the XML of one worksheet: what is stored in which cell."""

from __future__ import annotations

import re
from array import array
from xml.parsers import expat

from assets.staging.limits import Watch, too_large
from assets.staging.shared_strings import too_long
from assets.staging.unreadable import UnreadableError

MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
_MAIN = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main}",
    "http://purl.oclc.org/ooxml/spreadsheetml/main}",
    "",
)
_TAGS = ("c", "v", "f", "is", "t", "rPh", "row", "dimension", "sheetPr", "filterColumn")
_KNOWN = {space + tag: tag for space in _MAIN for tag in _TAGS}
_REFERENCE = re.compile(r"\$?([A-Za-z]{1,3})\$?([0-9]{1,9})")

Group = tuple[int, str, str]
"""Position of the column, type and style of cells."""


class SheetHandlers:
    """Handlers for the XML of one worksheet, which note its cells as they come.

    A cell is noted when the next one begins: ends of elements are looked at within rich texts
    only, which takes a third less time. noted: cells by column, type and style: their row numbers
    and what is stored.
    """

    def __init__(self, watch: Watch) -> None:
        self.longest = watch.limits.cell_length
        self.places = {_letters(i): i for i in range(702)}
        self.noted: dict[Group, tuple[array[int], list[str]]] = {}
        self.cells = 0
        self.hidden: array[int] = array("q")
        self.uncomputed: list[tuple[int, int]] = []
        self.filtered = False
        self.stated: tuple[int, int] | None = None
        self.row, self.column, self.suffix, self.cut = 0, -1, "0", -1
        self.given: dict[str, str] | None = None
        self.value: str | None = None
        self.reading = self.has_formula = self.is_spoken = False

    def attach(self, parser: expat.XMLParserType) -> None:
        self.parser = parser
        parser.StartElementHandler = self.start
        parser.CharacterDataHandler = self.text

    def start(self, name: str, given: dict[str, str]) -> None:
        tag = _KNOWN.get(name)
        if tag == "v":
            self.value = ""
            self.reading = True
        elif tag == "c":
            if self.given is not None:
                self.note()
            self.given = given
            self.value = None
            self.reading = False
        elif tag == "row":
            self._start_row(given)
        else:
            self.reading = False
            if tag is not None:
                self._start_other(tag, given)

    def text(self, data: str) -> None:
        if self.reading:
            self.value = self.value + data if self.value else data
            if len(self.value) > self.longest:
                raise too_long(self.longest)

    def end(self, name: str) -> None:
        """Of elements within a rich text, and of that."""
        self.reading, tag = False, _KNOWN.get(name)
        if tag == "rPh":
            self.is_spoken = False
        elif tag == "is":
            self.parser.EndElementHandler = None

    def note(self) -> None:
        """The cell that began last, if any."""
        given, value = self.given, self.value
        if given is None:
            return
        place = given.get("r")
        if place is None:
            self._step()
        else:
            column = self.places.get(place[: self.cut])
            if column is None or not place.endswith(self.suffix):
                self._move(place)
            else:
                self.column = column
        if value and not value.isspace():
            group = (self.column, given.get("t", "n"), given.get("s", "0"))
            noted = self.noted.get(group)
            if noted is None:
                noted = self.noted[group] = (array("i"), [])
            noted[0].append(self.row)
            noted[1].append(value)
            self.cells += 1
        elif self.has_formula and not (value is not None and given.get("t") == "str"):
            self.uncomputed.append((self.row, self.column))
        self.has_formula, self.given = False, None

    def _start_row(self, given: dict[str, str]) -> None:
        self.note()
        self.reading = False
        stated = given.get("r", "")
        self._go(_row_number(stated) if stated else self.row + 1, -1)
        if given.get("hidden") in ("1", "true"):
            self.hidden.append(self.row)

    def _start_other(self, tag: str, given: dict[str, str]) -> None:
        if tag == "f":
            self.has_formula = True
        elif tag == "is":
            self.value = None
            self.parser.EndElementHandler = self.end
        elif tag == "t":
            self.reading = not self.is_spoken
        elif tag == "rPh":
            self.is_spoken = True
        elif tag == "dimension":
            self.stated = _extent(given.get("ref", ""))
        elif tag == "filterColumn" or given.get("filterMode") in ("1", "true"):
            self.filtered = True

    def _go(self, row: int, column: int) -> None:
        self.row, self.column, self.suffix = row, column, str(row)
        self.cut = -len(self.suffix)

    def _step(self) -> None:
        """To the next cell, of a cell that does not say where it is."""
        self.column += 1
        if self.column >= MOST_COLUMNS:
            raise too_large(f"columns beyond {MOST_COLUMNS:,}", "as many")

    def _move(self, place: str) -> None:
        """To a cell that is not in the row it stands under, or beyond the usual columns."""
        match = _REFERENCE.fullmatch(place)
        if match is None:
            raise misplaced()
        column = column_number(match[1]) - 1
        if column >= MOST_COLUMNS:
            raise too_large(f"columns beyond {MOST_COLUMNS:,}", "as many")
        self._go(_row_number(match[2]), column)
        self.places[match[1]] = column


def _letters(column: int) -> str:
    """Letters of a column by its position from 0, of the first 702."""
    first = chr(64 + column // 26) if column >= 26 else ""
    return first + chr(65 + column % 26)


def _row_number(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise misplaced("has a row without a number")
    if len(text) > 9 or int(text) > MOST_ROWS:
        raise UnreadableError(
            "file_too_large", f"the sheet has rows beyond {MOST_ROWS:,}", "save it as CSV"
        )
    return int(text)


def _extent(reference: str) -> tuple[int, int] | None:
    """Rows and columns of a range of cells (`A1:C31`), None for what is none."""
    corners = [_REFERENCE.fullmatch(corner) for corner in reference.split(":")]
    if not 1 <= len(corners) <= 2 or None in corners:
        return None
    rows = [int(match[2]) for match in corners if match]
    columns = [column_number(match[1]) for match in corners if match]
    return rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1


def column_number(letters: str) -> int:
    """Number of a column, from 1.

    >>> column_number("A"), column_number("XFD")
    (1, 16384)
    """
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number


def misplaced(found: str = "has a cell without a place") -> UnreadableError:
    return UnreadableError(
        "file_truncated",
        f"the spreadsheet cannot be read: its sheet {found}",
        "open it in a spreadsheet program and save it as xlsx or CSV",
    )
