"""How a file was read, in words: for the check of a folder, the trace of an effect, and pages.

Rows are those of the table `files_read`; numbers that are withheld or that nothing states are
missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ibgap.figures.text import as_float
from ibgap.releases.view import counted, plural

_PARTICIPANTS = "participant_rows"
_SHEETS = ("xlsx",)
_STATED = {"byte order mark": "by its first bytes", "declared": "as declared"}
_MOST_NAMED = 60
"""Characters of the list of columns that nothing uses, in a table."""


def account_lines(file: Mapping[str, Any], files: Sequence[Mapping[str, Any]]) -> list[str]:
    """One or two lines on a file. files: all of its trial, itself included.

    >>> table = {"source_id": "a", "source_kind": "arm_summaries", "file": "a.csv",
    ...          "rows_read": 4, "rows_kept": 3, "columns_read": 5, "columns_used": 4,
    ...          "columns_unused": "age", "encoding": "utf-8", "delimiter": "comma",
    ...          "header_row": 1}
    >>> account_lines(table, [table])[0]
    'a.csv: 4 rows of 5 columns read (utf-8, comma, header in row 1); 4 columns used, not used: \
age; 1 row left out by where:'
    """
    rows = _count(file, "rows_read", "row") or "rows"
    columns = plural(file["columns_read"], "column")
    parts = [
        f"{file['file']}: {rows} of {columns} read ({', '.join(reading_words(file))})",
        _columns(file),
        _left_out(file),
        _persons(file, files),
        _reasons(file),
    ]
    extent = extent_words(file)
    # A name may hold an end of line, which would begin a line of its own.
    first = " ".join("; ".join(part for part in parts if part).split())
    return [first, *([f"  {extent}"] if extent else [])]


def reading_words(file: Mapping[str, Any]) -> list[str]:
    """Sheet, encoding, delimiter and header of a file, as far as it has them.

    >>> reading_words({"encoding": "utf-8", "delimiter": "comma", "header_row": 2})
    ['utf-8', 'comma', 'header in row 2']
    """
    words = []
    state, held = _text(file, "table_state"), counted(file.get("tables_held"))
    if state or held > 1:
        name = _text(file, "table_read")
        sheet = "sheet" if file.get("container") in _SHEETS else "data set"
        words.append(
            f"{'hidden ' if _is_hidden(file) else ''}{sheet}{f' {name!r}' if name else ''}"
            + (f", 1 of {held}" if held > 1 else "")
        )
    words += [word for word in (_text(file, "encoding"), _text(file, "delimiter")) if word]
    if _text(file, "decimal") == "comma":
        words.append("decimal comma")
    row = counted(file.get("header_row"))
    return [*words, f"header in row {row}" if row else "columns named by the file"]


def extent_words(file: Mapping[str, Any]) -> str:
    """What to say where a file states other rows than it holds; empty where it does not."""
    if file.get("extent_as_stated") is not False:
        return ""
    is_sheet = file.get("container") in _SHEETS
    what = "the sheet" if is_sheet else "the file"
    stated, read = counted(file.get("stated_rows")), counted(file.get("rows_read"))
    if not stated or not read:
        return f"{what} states another number of rows than it holds"
    if is_sheet:
        return f"{what} states {plural(stated, 'row')} and holds {read + 1:,}"
    return f"{what} states {plural(stated, 'row')}; {plural(read, 'row')} were read"


def unusual(file: Mapping[str, Any], doubted: bool = False) -> list[str]:
    """What a person should look at before trusting how a file was read.

    doubted: whether a finding doubts its encoding.

    >>> unusual({"table_state": "hidden"})
    ['the sheet is hidden']
    """
    found = []
    if _is_hidden(file):
        found.append("the sheet is hidden")
    reason = _text(file, "encoding_reason")
    if doubted:
        found.append(f"{file.get('encoding')} is doubtful")
    elif reason in _STATED and _text(file, "encoding") not in ("utf-8", "utf-8-sig"):
        found.append(f"{file.get('encoding')}, {_STATED[reason]}")
    if extent_words(file):
        found.append(extent_words(file))
    return found


def unused_columns(file: Mapping[str, Any]) -> str:
    """Columns that the manifest does not name: how many, and those whose names may be shown.

    >>> unused_columns({"columns_read": 3, "columns_used": 2, "columns_unused": "age"})
    '1: age'
    """
    unused = counted(file.get("columns_read")) - counted(file.get("columns_used"))
    if unused <= 0:
        return "none"
    names = _text(file, "columns_unused")
    shown = f"{names[:_MOST_NAMED]}..." if len(names) > _MOST_NAMED else names
    return f"{unused:,}" + (f": {shown}" if shown else "")


def _columns(file: Mapping[str, Any]) -> str:
    unused = _text(file, "columns_unused")
    return f"{plural(file['columns_used'], 'column')} used" + (
        f", not used: {unused}" if unused else ""
    )


def _left_out(file: Mapping[str, Any]) -> str:
    """How many rows were left out, or how many are left where the number read is withheld."""
    read = as_float(file.get("rows_read"))
    if math.isnan(read):
        kept = _count(file, "rows_kept", "row")
        return f"{kept} kept" if kept else ""
    left = read - as_float(file.get("rows_kept"))
    return f"{plural(left, 'row')} left out by where:" if left > 0 else ""


def _persons(file: Mapping[str, Any], files: Sequence[Mapping[str, Any]]) -> str:
    if file["source_kind"] != _PARTICIPANTS:
        return ""
    persons = _count(file, "persons", "person")
    shared = as_float(file.get("shared_persons"))
    others = [
        str(one["source_id"]) for one in files
        if one["source_kind"] == _PARTICIPANTS and one["source_id"] != file["source_id"]
    ]  # fmt: skip
    if not persons or not others or not shared >= 0:
        return persons
    where = others[0] if len(others) == 1 else "another source"
    return f"{persons}, {counted(shared) or 'none'} also in {where}"


def _reasons(file: Mapping[str, Any]) -> str:
    """What stands in cells that are missing for a reason, with counts where they are known."""
    reasons = _text(file, "missing_reasons")
    return f"missing for a reason: {reasons.replace('; ', ', ')}" if reasons else ""


def _count(file: Mapping[str, Any], name: str, one: str) -> str:
    """`40 rows`; empty where the number is missing."""
    value = as_float(file.get(name))
    return plural(value, one) if value >= 0 else ""


def _is_hidden(file: Mapping[str, Any]) -> bool:
    return _text(file, "table_state") not in ("", "visible")


def _text(file: Mapping[str, Any], name: str) -> str:
    value = file.get(name)
    return value if isinstance(value, str) else ""
