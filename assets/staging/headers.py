"""The header of a file: found, judged, and the one place that words messages about columns.

A message names columns that the manifest declares. Columns of the file it names only when their
row is plausible as a header and only those that are plausible as names; all others are counted.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from assets.staging.account import Account
from assets.staging.columns import Column, standing_rows
from assets.staging.header_evidence import (
    COMPARED_ROWS,
    SEARCHED_ROWS,
    Declared,
    as_declared,
    evidence,
    holds_names,
    likelier_row,
    nameable,
)
from assets.staging.unreadable import UnreadableError
from ibgap.base.labels import folded
from ibgap.base.printable import printable
from validations.findings import Finding, Severity, name_rows
from validations.manifest.model import FileFormat

_MOST_NAMED = 20
_MOST_CELLS = 1_000_000
"""Cells at the top of a file that are compared with its names."""
DELIMITERS = {";": "semicolon", ",": "comma", "\t": "tab", "|": "vertical bar"}

Notes = list[tuple[str, str, str]]
"""Rule, message and fix of what is doubtful about a file."""


@dataclass(frozen=True)
class Grid:
    """The rows of a file before one of them is its header.

    columns: cells by position, as many as the widest of the first rows has. widths: cells of each
    row as found (of a spreadsheet, which has no ragged rows: None). numbers: of each row, as a
    person counts in the file; blank rows may be left out. last: number of the last row.
    """

    columns: Sequence[Column]
    numbers: np.ndarray
    last: int
    account: Account
    widths: np.ndarray | None = None
    notes: Notes = field(default_factory=list)


@dataclass(frozen=True)
class Table:
    """A file with its columns.

    columns: (name, column) in the order of the file; names may repeat. rows: number of each row,
    as a person counts in the file.
    """

    columns: Sequence[tuple[str, Column]]
    rows: np.ndarray
    account: Account
    notes: Notes = field(default_factory=list)


def with_header(grid: Grid, file_format: FileFormat, declared: Declared) -> Table:
    """The rows below the header, under its names; columns without a name are left out.

    The header is the row that `header_row` names, else the first row that is not blank.
    Raises `UnreadableError`: no such row, another row looks like the header, the row holds no
    names, a wrong delimiter, a name twice, rows of another width.
    """
    if not len(grid.numbers):
        raise UnreadableError(
            "file_empty", "the file is empty but for blank cells", "export it again from its source"
        )
    top = _top(grid, SEARCHED_ROWS + COMPARED_ROWS)
    at = _header_at(grid, top, file_format, declared)
    names = top[at] if at < len(top) else _texts(grid, at, at + 1)[0]
    body = top[at + 1 :] or _texts(grid, at + 1, at + 1 + COMPARED_ROWS)
    if grid.widths is not None:
        names = names[: int(grid.widths[at])]
    names = as_declared(names, declared)
    if not declared.columns or not set(declared.columns) <= set(names):
        _refuse_other_header(grid, top, at, declared)
        if grid.account.delimiter:
            _refuse_delimiter(names, body, grid.account.delimiter, declared)
    judge_names(names, body, declared, int(grid.numbers[at]))
    width = len(names)
    if grid.widths is not None:
        _refuse_ragged(grid.widths[at + 1 :], grid.numbers[at + 1 :], width)
    below = slice(at + 1, None)
    columns = [
        (name, column.take(below))
        for name, column in zip(names, grid.columns, strict=False)
        if name
    ]
    account = replace(grid.account, header_row=int(grid.numbers[at]))
    return Table(columns, grid.numbers[below], account, grid.notes)


def without_blank_rows(table: Table) -> Table:
    """The rows that hold something in a named column; the others are counted."""
    filled = standing_rows((column for _, column in table.columns), len(table.rows))
    if filled.all():
        return table
    blank = int((~filled).sum()) + table.account.blank_rows
    return Table(
        [(name, column.take(filled)) for name, column in table.columns],
        table.rows[filled],
        replace(table.account, blank_rows=blank),
        table.notes,
    )


def _top(grid: Grid, rows: int) -> list[list[str]]:
    """Texts of the first rows; of very wide files fewer, but always those that are searched."""
    most = max(SEARCHED_ROWS + 1, _MOST_CELLS // max(len(grid.columns), 1))
    return _texts(grid, 0, min(rows, most))


def _texts(grid: Grid, start: int, stop: int) -> list[list[str]]:
    parts = [column.take(slice(start, stop)).rows() for column in grid.columns]
    return [list(row) for row in zip(*parts, strict=True)]


def _header_at(
    grid: Grid, top: Sequence[list[str]], file_format: FileFormat, declared: Declared
) -> int:
    asked = file_format.header_row
    if "header_row" not in file_format.model_fields_set:
        return 0
    at = int(np.searchsorted(grid.numbers, asked))
    if at < len(grid.numbers) and grid.numbers[at] == asked:
        return at
    better = likelier_row(top, -1, declared)
    known = f"set format.header_row: {grid.numbers[better]}" if better is not None else ""
    found = (
        f"row {asked}, which format.header_row names, is blank"
        if asked <= grid.last
        else f"there is no header in row {asked}, which format.header_row names: the file has "
        f"{_counted(grid.last, 'row')}"
    )
    raise UnreadableError(
        "header_row_wrong",
        found,
        known or "correct format.header_row: the row with the names of the columns",
        asked,
    )


def _refuse_other_header(grid: Grid, top: Sequence[list[str]], at: int, declared: Declared) -> None:
    better = likelier_row(top, at, declared)
    if better is None:
        return
    here, there = int(grid.numbers[at]), int(grid.numbers[better])
    found = evidence(top[at] if at < len(top) else _texts(grid, at, at + 1)[0], [], declared).found
    raise UnreadableError(
        "header_row_wrong",
        f"row {there} looks like the header, not row {here}: {_of_declared(found, declared)} "
        f"in row {here}, more in row {there}",
        f"set format.header_row: {there}",
        here,
    )


def judge_names(
    names: Sequence[str],
    body: Sequence[Sequence[str]],
    declared: Declared,
    row: int | None = None,
) -> None:
    """Raise `header_missing` when a row of names (row: its number, where the file has one) is
    not plausible as the header, and `column_duplicated` when a name stands twice in it."""
    if not holds_names(names, body, declared):
        seen = evidence(names, body, declared)
        raise UnreadableError(
            "header_missing",
            f"{f'row {row} is' if row else 'the names of the columns are'} not plausible as the "
            f"header of the file: {_of_declared(seen.found, declared)} in it, and {seen.values} "
            f"of its {_counted(seen.cells, 'cell')} look like values",
            f"add a header row with the names of the columns ({_listed(declared.columns)})"
            ", set format.header_row: N where row N holds them, or correct the names in the "
            "manifest"
            if row
            else "write the file again with the names of its columns "
            f"({_listed(declared.columns)}), or correct the names in the manifest",
            row,
        )
    twice = {name for name in names if name and list(names).count(name) > 1}
    if twice:
        known = set(declared.columns) | set(nameable(names, body))
        places = [i + 1 for i, name in enumerate(names) if name in twice]
        named = sorted(printable(name) for name in twice & known)
        raise UnreadableError(
            "column_duplicated",
            f"the column {', '.join(map(repr, named))} stands twice"
            if len(named) == len(twice)
            else f"{_counted(len(twice), 'name')} of columns stand twice in the header "
            f"({name_rows(places).replace('row', 'column')} of the file)",
            "rename one of them in the file",
            row,
        )


def missing_columns(
    wanted: Mapping[str, Iterable[str]],
    available: Sequence[str],
    named: Sequence[str],
    file: str,
) -> list[Finding]:
    """One finding per column that the manifest names and the file does not have.

    wanted: purpose -> columns. available: columns of the file. named: those of them that
    messages may name.
    """
    have = set(available)
    findings = []
    for purpose, columns in wanted.items():
        for column in columns:
            if column in have:
                continue
            near = [name for name in named if folded(name) == folded(column)]
            near = near or difflib.get_close_matches(column, named, n=1)
            fix = f"did you mean {near[0]!r}? " if near else ""
            findings.append(
                Finding(
                    "",
                    "column_missing",
                    Severity.ERROR,
                    f"the column {column!r} (for {purpose}) is not in the file",
                    fix + _columns_of_file(available, named),
                    file,
                    column=column,
                )
            )
    return findings


def _columns_of_file(available: Sequence[str], named: Sequence[str]) -> str:
    if not named:
        return f"the file has {_counted(len(available), 'column')}"
    more = len(available) - min(len(named), _MOST_NAMED)
    return f"columns: {', '.join(named[:_MOST_NAMED])}" + (f" and {more} more" if more else "")


def _refuse_delimiter(
    header: Sequence[str], body: Sequence[Sequence[str]], delimiter: str, declared: Declared
) -> None:
    """Raise `delimiter_wrong` when another delimiter splits the header into declared columns, or
    one cell into several in the header and in the rows below it."""
    line = delimiter.join(header)
    expected = set(declared.telling)
    for other, name in DELIMITERS.items():
        if other == delimiter or other not in line:
            continue
        split = [cell.strip(" \"'") for cell in line.split(other)]
        fits = len(expected & set(split)) > len(expected & set(header))
        if fits or (len(header) == 1 and all(other in delimiter.join(row) for row in body[:5])):
            columns = _counted(len(header), "column")
            found = f"the header has {columns} with {line.count(other)} {name}s in it"
            raise wrong_delimiter(found, delimiter, other)


def wrong_delimiter(found: str, delimiter: str, better: str) -> UnreadableError:
    """What to say when another delimiter than the declared one separates the columns."""
    return UnreadableError(
        "delimiter_wrong",
        f"{found}: the file is separated by {DELIMITERS[better]}s, not by "
        f"{DELIMITERS.get(delimiter, repr(delimiter))}s",
        'set format.delimiter: "'
        + better.replace("\t", "\\t")
        + '"'
        + (' (and format.decimal: "," if numbers use it)' if better == ";" else ""),
    )


def _refuse_ragged(widths: np.ndarray, numbers: np.ndarray, width: int) -> None:
    ragged = numbers[widths != width].tolist()
    if not ragged:
        return
    cut = " (the last one: the file may be truncated)" if ragged == [numbers[-1]] else ""
    raise UnreadableError(
        "file_ragged",
        f"{name_rows(ragged)} of the file {'does' if len(ragged) == 1 else 'do'} not have "
        f"{width} cells{cut}",
        "quote cells that hold the delimiter, or export the file again",
    )


def _of_declared(found: int, declared: Declared) -> str:
    of = len(declared.telling)
    stand = "stands" if found == 1 or of == 1 else "stand"
    return f"{found or 'none'} of the {_counted(of, 'column')} that the manifest names {stand}"


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(columns[:_MOST_NAMED])
    more = len(columns) - _MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count:,} {word}s"
