"""`ibgap trial new`: drafts a manifest from a data file.

The draft guesses roles of columns from their names and few values, never prints a value of a
participant, and marks every guess with CHECK.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from assets.staging.extraction import slug
from assets.staging.limits import Limits
from assets.staging.reading import RawTable, read_table
from ibgap.cli.draft_columns import guess_columns, quote
from ibgap.cli.draft_sheets import (
    LOOKED_AT,
    header_of,
    looks_like_data,
    names_table,
    upper_rows,
)
from validations.errors import TrialFileError
from validations.manifest.load import MANIFEST_NAME
from validations.manifest.model import IDENTIFIER, FileFormat

_TEXT_FILES = (".csv", ".tsv", ".txt")
_SPREADSHEETS = (".xlsx",)
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

    A file in a trial folder that lacks a manifest stays there; any other is copied into a new
    folder. limits: what the file may hold and cost. Raises `DraftError` when the folder exists or
    has a name that no trial can have, or when the file cannot be read (with the reason).
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
    text = _manifest(name, inside, *_read(_File(file, limits or Limits()), sheet, header_row))
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


@dataclass(frozen=True)
class _File:
    """A data file, and what it may hold and cost."""

    path: Path
    limits: Limits

    @property
    def name(self) -> str:
        return self.path.name


def _read(file: _File, sheet: str | None, header_row: int | None) -> tuple[FileFormat, RawTable]:
    kind = file.path.suffix.lower()
    if sheet is not None and kind not in _SPREADSHEETS:
        raise DraftError(f"{file.name}: only a spreadsheet (.xlsx) has sheets; leave out --sheet")
    if header_row is not None and kind not in _SPREADSHEETS + _TEXT_FILES:
        raise DraftError(f"{file.name}: this kind of file names its columns; no --header-row")
    if kind in _SPREADSHEETS:
        found, raw = _read_spreadsheet(file, sheet, header_row)
    else:
        found, raw = _read_text(file, header_row)
    if kind in _SPREADSHEETS + _TEXT_FILES:
        body = raw.frame.head(LOOKED_AT).to_numpy().tolist()
        # Values of persons must not come into the draft as if they were names of columns.
        if looks_like_data(list(raw.frame.columns), body):
            raise DraftError(
                f"{file.name}: row {found.header_row} looks like data, not like names of "
                "columns; add a row of names, or say which row they are in with --header-row"
            )
        found = found.model_copy(update={"decimal": _decimal(found, raw, kind in _TEXT_FILES)})
    return found, raw


def _read_as(file: _File, file_format: FileFormat) -> RawTable:
    folder = file.path.parent
    try:
        return read_table(folder.name, folder, file.name, file_format, limits=file.limits)
    except (TrialFileError, MemoryError):
        raise
    except Exception as error:  # whatever a library raises over a file it does not understand
        raise DraftError(f"{file.name} cannot be read ({type(error).__name__})") from None


def _reason(file: _File, error: TrialFileError, advice: str = "") -> DraftError:
    finding = error.findings[0]
    return DraftError(f"{file.name}: {finding.message}; {finding.fix}{advice}")


def _read_text(file: _File, header_row: int | None) -> tuple[FileFormat, RawTable]:
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
    if "delimiter_wrong" in tried and b"\t" in file.path.read_bytes():
        raise DraftError(f"{file.name}: the file is separated by tabs; let its name end in .tsv")
    raise tried.get("file_ragged") or next(iter(tried.values()))


def _given(header_row: int | None) -> dict[str, int]:
    """The row of the header, where one is named; else the first row that is not blank is it."""
    return {} if header_row is None else {"header_row": header_row}


def _read_spreadsheet(
    file: _File, sheet: str | None, header_row: int | None
) -> tuple[FileFormat, RawTable]:
    """The first (or named) sheet with its names in row 1, else the first table of the sheets."""
    chosen = FileFormat(sheet=sheet, **_given(header_row))
    sheets = {
        n: rows
        for n, rows in upper_rows(file.path.read_bytes(), file.limits).items()
        if sheet in (None, n)
    }
    first = next(iter(sheets.values()), [])
    if sheets and header_row is None and not (first and names_table(first[0], first[1:])):
        default = next(iter(sheets))
        for name, rows in sheets.items():
            row = header_of(rows)
            if row:
                update = {"sheet": sheet if name == default else name, "header_row": row}
                chosen = chosen.model_copy(update=update)
                break
    try:
        return chosen, _read_as(file, chosen)
    except TrialFileError as error:
        advice = ", or name the table: --sheet and --header-row" if sheets else ""
        raise _reason(file, error, advice) from None


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
