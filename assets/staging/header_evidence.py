"""Is a row of a file its header? Evidence for and against, cell by cell.

A file without its header turns the first person's cells into names of columns. Nothing of a row
may be said, therefore, before it is known to be one of names.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from ibgap.base.labels import clean_label, folded
from ibgap.base.printable import printable

SEARCHED_ROWS = 20
"""Rows at the top of a file among which the header is looked for."""
COMPARED_ROWS = 1000
_LONGEST_NAME = 64
_NUMBER = re.compile(r"[<>=~]?\s*[-+−]?[\d.,' ]*\d[\d.,' ]*(?:[eE][-+]?\d+)?\s*[%*]*")
_DATE = re.compile(
    r"\d{1,4}[-/.]\s?\d{1,2}[-/.]\s?\d{1,4}\b.*|\d{1,2}:\d{2}.*|\d{4}-?W\d{2}.*"
    r"|\d{1,2}\.?[ -]?[^\W\d_]{3,9}\.?,?[ -]?\d{2,4}|[^\W\d_]{3,9}\.? \d{1,2},? \d{2,4}"
)
_DIGITS_OF_A_PERSON = re.compile(r"\d{5}|\d[-/.:]\d+[-/.:]\d")
_WORDS_OF_ANSWERS = frozenset(
    ("yes", "no", "true", "false", "male", "female", "na", "nan", "none", "null", "missing")
)
_NUMBERED = re.compile(r"[._]\d+$")
"""What libraries add to the second of two equal names."""


@dataclass(frozen=True)
class Declared:
    """What the manifest says of one file: the columns it names and whether rows are persons."""

    columns: tuple[str, ...] = ()
    participants: bool = False

    @property
    def telling(self) -> tuple[str, ...]:
        """The columns whose names are words; numbers stand among the cells of any file."""
        words = tuple(name for name in self.columns if not is_number(name))
        return words or self.columns


@dataclass(frozen=True)
class Evidence:
    """Of one row: how many columns it should hold (of), hold (found), its cells that are not
    empty (cells), and those that look like values (values)."""

    of: int
    found: int
    cells: int
    values: int


def is_number(cell: str) -> bool:
    """Whether a cell is a number in any script, with any decimal sign, percent or stars."""
    plain = unicodedata.normalize("NFKC", cell[: _LONGEST_NAME + 1]).strip()
    return len(cell) <= _LONGEST_NAME and _NUMBER.fullmatch(plain) is not None


def is_value(cell: str) -> bool:
    """Whether a cell, seen alone, is a number, a date, an address or the word of an answer."""
    plain = unicodedata.normalize("NFKC", cell[: 4 * _LONGEST_NAME]).strip()
    return (
        is_number(cell)
        or _DATE.fullmatch(plain) is not None
        or "@" in plain
        or "://" in plain
        or plain.casefold() in _WORDS_OF_ANSWERS
    )


def as_declared(names: Sequence[str], declared: Declared) -> list[str]:
    """Names of columns, written as in the manifest where a person sees no difference.

    >>> as_declared(["Cafe\\u0301", "\\u200bid", "Id"], Declared(("Caf\\xe9", "id")))
    ['Café', 'id', 'Id']
    """
    wanted = {clean_label(name): name for name in declared.columns}
    there = set(declared.columns)
    return [name if name in there else wanted.get(clean_label(name), name) for name in names]


def columns_below(width: int, body: Sequence[Sequence[str]]) -> list[set[str]]:
    """The folded texts of each column in the first rows below a header."""
    below: list[set[str]] = [set() for _ in range(width)]
    for row in body[:COMPARED_ROWS]:
        for texts, cell in zip(below, row, strict=False):
            texts.add(cell)
    return [{folded(text) for text in texts} - {""} for texts in below]


def value_like(names: Sequence[str], body: Sequence[Sequence[str]]) -> list[bool]:
    """For each cell of a row of names: does it look like a value or stand in its own column?"""
    return [
        bool(name)
        and (is_value(name) or folded(name) in own or folded(_NUMBERED.sub("", name)) in own)
        for name, own in zip(names, columns_below(len(names), body), strict=True)
    ]


def evidence(names: Sequence[str], body: Sequence[Sequence[str]], declared: Declared) -> Evidence:
    """What speaks for and against a row being the header; case and accents of names do not."""
    telling, there = declared.telling, set(names) | ({folded(name) for name in names} - {""})
    expected = set(telling)
    values = [
        is_like and name not in expected
        for name, is_like in zip(names, value_like(names, body), strict=True)
    ]
    filled = [name for name in names if name]
    repeated = len(filled) - len(set(filled))
    return Evidence(
        of=len(telling),
        found=sum(name in there or folded(name) in there for name in telling),
        cells=len(filled),
        values=min(sum(values) + repeated, len(filled)),
    )


def holds_names(names: Sequence[str], body: Sequence[Sequence[str]], declared: Declared) -> bool:
    """Whether a row is plausible as the header of the file.

    It is when it holds all columns that the manifest names, or half of the ones whose names are
    words. With fewer, one cell that looks like a value tells a person's row from a header; in
    tables of numbers it takes half of the cells. A row that holds none is no header of persons.
    """
    if not declared.columns or set(declared.columns) <= set(names):
        return True
    seen = evidence(names, body, declared)
    if seen.found * 2 >= seen.of:
        return True
    if declared.participants:
        return seen.found > 0 and seen.values == 0
    return seen.values * 2 < max(seen.cells, 1)


def likelier_row(rows: Sequence[Sequence[str]], at: int, declared: Declared) -> int | None:
    """Index of the row, among the first, that holds more of the declared columns than row `at`.

    It must hold at least half of them (all, if their names are numbers); case and accents do not
    matter. None if there is no such row.
    """
    expected = {folded(name) for name in declared.telling} - {""}
    if not expected:
        return None
    held = [len(expected & {folded(cell) for cell in row if cell}) for row in rows[:SEARCHED_ROWS]]
    here = held[at] if 0 <= at < len(held) else 0
    best = max(range(len(held)), key=lambda i: (held[i], -i), default=None)
    least = len(expected) if all(map(is_number, declared.telling)) else (len(expected) + 1) // 2
    if best is None or best == at or held[best] <= here or held[best] < least:
        return None
    return best


def is_nameable(name: str, own_values: set[str]) -> bool:
    """Whether a column of a file may be named in a message.

    It is a word of at most 64 visible characters: no number, date or address, holds no date and no
    long run of digits, and no text that stands among the values of its own column.
    """
    return (
        0 < len(name) <= _LONGEST_NAME
        and any(c.isalpha() for c in name)
        and printable(name) == name
        and "\n" not in name
        and "\t" not in name
        and not is_value(name)
        and _DIGITS_OF_A_PERSON.search(name) is None
        and folded(name) not in own_values
        and folded(_NUMBERED.sub("", name)) not in own_values
    )


def nameable(names: Sequence[str], body: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The names of columns that messages may list, in the order of the file."""
    values: dict[str, set[str]] = {}
    for name, own in zip(names, columns_below(len(names), body), strict=True):
        values.setdefault(name, set()).update(own)
    return tuple(name for name in names if is_nameable(name, values[name]))
