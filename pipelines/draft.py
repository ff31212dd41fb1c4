"""`ibgap trial new`: drafts a manifest from a data file.

The draft guesses roles of columns from their names and few values, never prints a value of a
participant, and marks every guess with CHECK.
"""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path

import pandas as pd

from assets.sources.extraction import slug
from assets.sources.reading import RawTable, read_table
from pipelines.draft_columns import guess_columns, quote
from validations.errors import TrialFileError
from validations.manifest.load import MANIFEST_NAME
from validations.manifest.model import IDENTIFIER, FileFormat

_TEXT_FILES = (".csv", ".tsv", ".txt")
_SPREADSHEETS = (".xlsx",)
_TITLE_ROWS = 10
_LOOKED_AT = 200
_NUMBER = re.compile(r"^[+-]?\d+([.,]\d+)*$")
# `1.040` may be a grouped thousand or a decimal, so it speaks for neither sign.
_COMMA = re.compile(r"^(?![+-]?[1-9]\d{0,2}(,\d{3})+$)[+-]?\d+(\.\d{3})*,\d+$")
_POINT = re.compile(r"^(?![+-]?[1-9]\d{0,2}(\.\d{3})+$)[+-]?\d+(,\d{3})*\.\d+$")
_ANY_POINT = re.compile(r"^[+-]?\d+\.\d+$")


class DraftError(Exception):
    """No draft could be made."""


def find_file(file: Path, trials_dir: Path) -> Path:
    """The file as named from here or, as messages about a trial name it, from the trials folder.

    Raises `DraftError` when neither is there.
    """
    for path in (file, trials_dir / file):
        if path.is_file():
            return path
    if file.is_dir():
        raise DraftError(f"{str(file)!r} is a folder; name the data file in it")
    raise DraftError(f"there is no file {str(file)!r}")


def draft_trial(
    file: Path,
    trials_dir: Path,
    sheet: str | None = None,
    header_row: int | None = None,
    limits: Limits | None = None,
) -> Path:
    """Draft a trial.yaml for the file; returns its trial folder.

    limits: what the file may hold and cost. A file in a trial folder that lacks a manifest stays there; any other is copied into a new
    folder. Raises `DraftError` when the folder exists or has a name that no trial can have, or
    when the file cannot be read (with the reason).
    """
    folder = _folder_without_manifest(file, trials_dir)
    if folder is not None:
        name, inside = folder.name, file.resolve().relative_to(folder.resolve()).as_posix()
    else:
        name, inside = _trial_id(file.stem), file.name
        folder = trials_dir / name
        if folder.exists():
            raise DraftError(
                f"the folder {str(folder)!r} exists already; rename the file or the folder"
            )
    text = _manifest(name, inside, *_Draft(file, limits or Limits()).read(sheet, header_row))
    if not folder.exists():
        folder.mkdir(parents=True)
        shutil.copyfile(file, folder / inside)
    (folder / MANIFEST_NAME).write_text(text, "utf-8")
    return folder


def _trial_id(text: str) -> str:
    name = slug(text)
    return name if name[0].isalpha() else f"trial_{name}"


def _folder_without_manifest(file: Path, trials_dir: Path) -> Path | None:
    """The trial folder that the file lies in, when it has no manifest yet."""
    root, path = trials_dir.resolve(), file.resolve()
    if not path.is_relative_to(root):
        return None
    first, *rest = path.relative_to(root).parts
    folder = trials_dir / first
    # Folders that begin with _ or . are not trials.
    if not rest or first.startswith(("_", ".")) or (folder / MANIFEST_NAME).exists():
        return None
    if not IDENTIFIER.match(first):
        better = _trial_id(first)
        raise DraftError(
            f"the folder {first!r} cannot be the id of a trial (lower-case letters, digits and "
            f"_, beginning with a letter); rename it, for example to {better!r}, and run "
            f"`ibgap trial new {'/'.join((better, *rest))}`"
        )
    return folder


def _read(file: Path, sheet: str | None, header_row: int | None) -> tuple[FileFormat, RawTable]:
    kind = file.suffix.lower()
    if sheet is not None and kind not in _SPREADSHEETS:
        raise DraftError(f"{file.name}: only a spreadsheet (.xlsx) has sheets; leave out --sheet")
    if header_row is not None and kind not in _SPREADSHEETS + _TEXT_FILES:
        raise DraftError(f"{file.name}: this kind of file names its columns; no --header-row")
    if kind in _SPREADSHEETS:
        found, raw = _read_spreadsheet(file, sheet, header_row)
    else:
        found, raw = _read_text(file, header_row)
    if kind in _SPREADSHEETS + _TEXT_FILES:
        body = raw.frame.head(_LOOKED_AT).to_numpy().tolist()
        # Values of persons must not come into the draft as if they were names of columns.
        if _looks_like_data(list(raw.frame.columns), body):
            raise DraftError(
                f"{file.name}: row {found.header_row} looks like data, not like names of "
                "columns; add a row of names, or say which row they are in with --header-row"
            )
        found = found.model_copy(update={"decimal": _decimal(found, raw, kind in _TEXT_FILES)})
    return found, raw


def _read_as(file: Path, file_format: FileFormat) -> RawTable:
    try:
        return read_table(file.parent.name, file.parent, file.name, file_format)
    except (TrialFileError, MemoryError):
        raise
    except Exception as error:  # whatever a library raises over a file it does not understand
        raise DraftError(f"{file.name} cannot be read ({type(error).__name__})") from None


def _reason(file: Path, error: TrialFileError, advice: str = "") -> DraftError:
    finding = error.findings[0]
    return DraftError(f"{file.name}: {finding.message}; {finding.fix}{advice}")


def _read_text(file: Path, header_row: int | None) -> tuple[FileFormat, RawTable]:
    """The file with the first delimiter and encoding that fit."""
    tried: dict[str, DraftError] = {}
    for delimiter in (",", ";", "|"):
        for encoding in ("utf-8", "cp1252"):
            chosen = FileFormat(delimiter=delimiter, encoding=encoding, **_given(header_row))
            try:
                raw = _read_as(file, chosen)
                if raw.frame.shape[1] > 1 or "file_ragged" not in tried:
                    return chosen, raw
            except TrialFileError as error:
                rule = error.findings[0].rule_id
                ragged = rule == "file_ragged"
                advice = ", or name the row of the column names: --header-row" if ragged else ""
                tried.setdefault(rule, _reason(file, error, advice))
                if rule not in ("delimiter_wrong", "encoding_wrong", "file_ragged"):
                    raise tried[rule] from None
    if "delimiter_wrong" in tried and b"\t" in file.read_bytes():
        raise DraftError(f"{file.name}: the file is separated by tabs; let its name end in .tsv")
    raise tried.get("file_ragged") or next(iter(tried.values()))


def _given(header_row: int | None) -> dict[str, int]:
    """The row of the header, where one is named; else the first row that is not blank is it."""
    return {} if header_row is None else {"header_row": header_row}


_Rows = list[list[object]]


def _read_spreadsheet(
    file: Path, sheet: str | None, header_row: int | None
) -> tuple[FileFormat, RawTable]:
    """The first (or named) sheet with its names in row 1, else the first table of the sheets."""
    chosen = FileFormat(sheet=sheet, **_given(header_row))
    sheets = {n: rows for n, rows in _sheets(file).items() if sheet in (None, n)}
    first = next(iter(sheets.values()), [])
    if sheets and header_row is None and not (first and _names_table(first[0], first[1:])):
        default = next(iter(sheets))
        for name, rows in sheets.items():
            row = _header_row(rows)
            if row:
                update = {"sheet": sheet if name == default else name, "header_row": row}
                chosen = chosen.model_copy(update=update)
                break
    try:
        return chosen, _read_as(file, chosen)
    except TrialFileError as error:
        advice = ", or name the table: --sheet and --header-row" if sheets else ""
        raise _reason(file, error, advice) from None


def _sheets(file: Path) -> dict[str, _Rows]:
    """The upper rows of every sheet; nothing when the file is not a readable spreadsheet."""
    import openpyxl

    try:
        book = openpyxl.load_workbook(io.BytesIO(file.read_bytes()), True, data_only=True)
        rows: dict[str, _Rows] = {name: [] for name in book.sheetnames}  # charts have no rows
        for one in book.worksheets:
            cells = one.iter_rows(max_row=_LOOKED_AT, values_only=True)
            rows[one.title] = [list(row) for row in cells]
        book.close()
    except Exception:  # whatever the library raises; reading the file tells the reason
        return {}
    return rows


def _header_row(rows: _Rows) -> int:
    """Number of the first of the upper rows that names the columns of a table, else 0."""
    for i, row in enumerate(rows[:_TITLE_ROWS]):
        if _names_table(row, rows[i + 1 :]):
            names = [_text(cell) for cell in row if _text(cell)]
            # Below names that cannot be used, and within data, no names are to be found.
            usable = len(set(names)) == len(names) and not _looks_like_data(row, rows[i + 1 :])
            return i + 1 if usable else 0
    return 0


def _names_table(row: list[object], below: _Rows) -> bool:
    """Whether the row has names (two or more) for most of the columns that hold data below."""
    filled = {i for one in below for i, cell in enumerate(one) if _text(cell)}
    names = {i for i, cell in enumerate(row) if isinstance(cell, str) and _text(cell)}
    return len(names) >= 2 and len(names & filled) >= 2 and 2 * len(names) >= len(names | filled)


def _looks_like_data(names: list[object], below: _Rows) -> bool:
    """Whether half of the names are numbers or stand in their own column again."""
    named = {i: _text(name) for i, name in enumerate(names) if _text(name)}
    data = {i for row in below for i, cell in enumerate(row) if named.get(i) == _text(cell)}
    data |= {i for i, name in named.items() if _NUMBER.match(name)}
    return 2 * len(data) >= max(2, len(named))


def _text(cell: object) -> str:
    return "" if cell is None else str(cell).strip()


def _decimal(file_format: FileFormat, raw: RawTable, is_text: bool) -> str:
    """The decimal sign; where the numbers do not tell, the one that goes with the delimiter."""
    cells = pd.Series(pd.unique(raw.frame.to_numpy().ravel())).astype(str)
    commas = cells.str.match(_COMMA).any()
    # Real numbers of a spreadsheet have points, also those that look like grouped thousands.
    points = cells.str.match(_POINT if is_text else _ANY_POINT).any()
    if commas != points:
        return "," if commas else "."
    return "," if file_format.delimiter == ";" else "."


def _manifest(name: str, file: str, file_format: FileFormat, raw: RawTable) -> str:
    guess = guess_columns(raw)
    columns = [" ".join(str(c).split()) for c in raw.frame.columns]
    lines = [
        "ibgap: 1",
        f"id: {name}",
        f"label: {name.replace('_', ' ')}  # CHECK: Author et al. year",
        "topic: help_seeking  # CHECK: domain of the behavior",
        "design:",
        "  type: parallel  # CHECK: parallel, cluster, review, nonrandomized, ...",
        "  randomized: true  # CHECK",
        *guess.arms,
        "sources:",
        "  - id: data",
        f"    kind: {guess.kind}  # CHECK",
        f"    file: {quote(file)}",
        *_format_lines(file_format),
        *guess.source,
        "outcomes:",
        *guess.outcomes,
        "provenance:",
        '  citation: "CHECK: full reference"',
        '  source: "CHECK: where the file was taken from"',
        '  license: "CHECK: license of the data"',
        "# Columns of the file: " + ", ".join(c for c in columns if c and c.isprintable()),
    ]
    return "\n".join(lines) + "\n"


def _format_lines(file_format: FileFormat) -> list[str]:
    default = FileFormat()
    lines = []
    for key in type(file_format).model_fields:
        value = getattr(file_format, key)
        if value != getattr(default, key):
            lines.append(f"      {key}: {quote(value) if isinstance(value, str) else value}")
    return ["    format:", *lines] if lines else []
