"""Reads one data file as typed columns, or says why it cannot be read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from assets.staging.account import Account
from assets.staging.columns import Column
from assets.staging.delimited import read_delimited
from assets.staging.header_evidence import COMPARED_ROWS, Declared, as_declared, nameable
from assets.staging.headers import (
    Grid,
    Table,
    judge_names,
    missing_columns,
    with_header,
    without_blank_rows,
)
from assets.staging.limits import Limits, Watch
from assets.staging.parquet_files import read_parquet
from assets.staging.spreadsheets import read_spreadsheet
from assets.staging.statistics_files import read_statistics_file
from assets.staging.unreadable import UnreadableError
from ibgap.base.files import UnusableFileError, read_inside
from ibgap.base.printable import printable
from validations.errors import TrialFileError
from validations.findings import Finding, Severity
from validations.manifest.model import (
    FileFormat,
    ParticipantSource,
    Source,
    TrialManifest,
    blocks_of,
)
from validations.manifest.vocabulary import ScaleType

_TEXT = (".csv", ".tsv", ".txt")
_SPREADSHEET, _PARQUET = ".xlsx", ".parquet"
_STATISTICS = (".sav", ".zsav", ".dta", ".sas7bdat", ".xpt")
_KNOWN = sorted((*_TEXT, _SPREADSHEET, _PARQUET, *_STATISTICS))
_MOST_LISTED = 20


@dataclass(frozen=True)
class RawTable:
    """A file as read.

    columns: its named columns, typed. rows: row number of the file for each row (the header has
    its own). named: the columns that messages may name.
    """

    file: str
    columns: dict[str, Column]
    rows: np.ndarray
    sha256: str
    size: int
    account: Account
    findings: tuple[Finding, ...] = ()
    named: tuple[str, ...] = ()

    def keep(self, rows: np.ndarray) -> RawTable:
        """Some of the rows (a mask)."""
        columns = {name: column.take(rows) for name, column in self.columns.items()}
        return replace(self, columns=columns, rows=self.rows[rows])

    def only(self, names: Iterable[str]) -> RawTable:
        """The file without its other columns."""
        wanted = set(names)
        return replace(self, columns={n: c for n, c in self.columns.items() if n in wanted})

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Texts of all cells, for what looks at small files as a whole."""
        texts = {name: column.rows() for name, column in self.columns.items()}
        return pd.DataFrame(texts, dtype=object, index=range(len(self.rows)))


def read_table(
    trial: str,
    folder: Path,
    file: str,
    file_format: FileFormat,
    declared: Declared | None = None,
    limits: Limits | None = None,
) -> RawTable:
    """Read `file` below `folder`.

    Knows csv, tsv, txt, xlsx, sav, zsav, dta, sas7bdat, xpt and parquet by the extension.
    declared: the columns that the manifest names for the file; its header is judged by them
    before anything else is said of its columns. Rows are those that are not blank.
    Raises `TrialFileError` with one finding: missing, empty, truncated, beyond the limits,
    wrongly encoded, not what its name says, without its header, or read with the wrong header
    row, delimiter or sheet. Faults of the machine leave as they are.
    """
    declared = declared or Declared()
    try:
        data = _bytes(folder, file)
        sha256, size = hashlib.sha256(data).hexdigest(), len(data)
        watch = Watch(limits or Limits())
        watch.look(megabytes=size / 1e6)
        rest = _read(folder / file, data, file_format, declared, watch)
        del data
        found = without_blank_rows(rest())
        if not len(found.rows):
            raise UnreadableError(
                "file_without_rows",
                "the file has a header but no rows",
                "export it again with its data",
            )
    except UnreadableError as problem:
        raise TrialFileError([_finding(trial, file, problem)]) from None
    notes = tuple(
        Finding(trial, rule, Severity.WARNING, message, fix, file)
        for rule, message, fix in found.notes
    )
    return RawTable(
        file,
        dict(found.columns),
        found.rows,
        sha256,
        size,
        found.account,
        notes,
        nameable([name for name, _ in found.columns], _head(found)),
    )


def _head(table: Table) -> list[list[str]]:
    """Texts of the first rows, by row."""
    most = min(COMPARED_ROWS, max(20, 1_000_000 // max(len(table.columns), 1)))
    parts = [column.take(slice(0, most)).rows() for _, column in table.columns]
    return [list(row) for row in zip(*parts, strict=True)]


def used_columns(manifest: TrialManifest, source: Source) -> list[tuple[str, str]]:
    """(field, column) of everything that is read from a source."""
    out = [
        (field, name)
        for block in blocks_of(source)
        for field, names in block.mapping().items()
        for name in names
    ]
    if isinstance(source, ParticipantSource):
        for outcome in manifest.outcomes_in(source.id):
            value = "truth" if outcome.scale.type is ScaleType.BINARY else "value"
            named = [(value, outcome.column), ("arm", outcome.arm_column)]
            named += [("baseline", outcome.baseline_column)]
            named += [("value", name) for name in outcome.item_columns]
            out += [(field, name) for field, name in named if name]
    return list(dict.fromkeys(out))


def declared_columns(manifest: TrialManifest, source: Source) -> Declared:
    """The columns that a manifest names for the file of a source, whatever for."""
    names = [name for _, name in used_columns(manifest, source)]
    only = len(manifest.sources) == 1
    of_studies = [(m.column, m.source) for m in manifest.moderators]
    of_studies += [
        (p.correlation.column, p.correlation.source) for p in manifest.pairs if p.correlation
    ]
    names += [column for column, where in of_studies if only or where == source.id]
    names += [*source.recode, *source.where, *source.fill_down, *source.may_be_empty]
    participants = isinstance(source, ParticipantSource)
    return Declared(tuple(dict.fromkeys(name for name in names if name)), participants)


def require_columns(raw: RawTable, wanted: Mapping[str, Iterable[str]]) -> None:
    """Raise one finding per column that the manifest names (by purpose) and the file lacks."""
    missing = missing_columns(wanted, list(raw.columns), raw.named, raw.file)
    if missing:
        raise TrialFileError(missing)


def _finding(trial: str, file: str, problem: UnreadableError) -> Finding:
    return Finding(
        trial, problem.rule, Severity.ERROR, problem.message, problem.fix, file, problem.row
    )


def _bytes(folder: Path, file: str) -> bytes:
    try:
        data = read_inside(folder, file)
    except UnusableFileError as problem:
        raise _unusable(folder, file, problem) from None
    if not data or data.isspace():
        raise UnreadableError("file_empty", "the file is empty", "export it again from its source")
    return data


def _unusable(folder: Path, file: str, problem: UnusableFileError) -> UnreadableError:
    rule = {"outside": "manifest_path_outside", "missing": "file_missing"}.get(
        problem.reason, "file_unreadable"
    )
    what = "path" if problem.reason == "outside" else "file"
    fix = problem.fix
    if problem.reason == "missing":
        there = sorted(
            printable(p.name) for p in folder.iterdir() if p.is_file() and p.name != "trial.yaml"
        )
        more = f" and {len(there) - _MOST_LISTED} more" if len(there) > _MOST_LISTED else ""
        fix = f"files in the folder: {', '.join(there[:_MOST_LISTED]) or 'none'}{more}"
    return UnreadableError(rule, f"the {what} {file[:200]!r} {problem.message}", fix)


def _read(
    path: Path, data: bytes, file_format: FileFormat, declared: Declared, watch: Watch
) -> Callable[[], Table]:
    """What is left to do to make the table of a file, without its bytes."""
    kind = path.suffix.lower()
    if kind in _TEXT:
        grid_of_text = read_delimited(path, data, file_format, watch)
        return lambda: with_header(grid_of_text(), file_format, declared)
    if kind == _SPREADSHEET:
        grid = read_spreadsheet(data, file_format, declared.participants, watch)
        return lambda: _of_sheet(grid, file_format, declared)
    if kind not in _KNOWN:
        raise UnreadableError(
            "file_kind_unknown",
            f"files ending in {printable(path.suffix) or 'nothing'} are not known",
            f"use one of {', '.join(_KNOWN)}",
        )
    table = (
        read_parquet(data, watch)
        if kind == _PARQUET
        else read_statistics_file(path, data, file_format, watch)
    )
    names = as_declared([name for name, _ in table.columns], declared)
    judge_names(names, _head(table), declared)
    columns = [(name, column) for name, (_, column) in zip(names, table.columns, strict=True)]
    return lambda: replace(table, columns=columns)


def _of_sheet(grid: Grid, file_format: FileFormat, declared: Declared) -> Table:
    """The table of a sheet; where it has no header, another sheet may be the one with the data."""
    try:
        return with_header(grid, file_format, declared)
    except UnreadableError as problem:
        if problem.rule in ("header_missing", "header_row_wrong") and grid.account.tables > 1:
            problem.fix += (
                f"; the spreadsheet has {grid.account.tables} sheets: set format.sheet to the one "
                "with the data"
            )
        raise
