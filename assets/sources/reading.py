"""Reads one data file as text, exactly as found, or says why it cannot be read."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from validations.errors import TrialFileError
from validations.findings import Finding, Severity, name_rows
from validations.manifest.crosscheck import path_is_inside
from validations.manifest.model import FileFormat

_SIGNATURES = {
    b"PK\x03\x04": "a spreadsheet or zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"$FL2": "an SPSS file",
    b"$FL3": "a compressed SPSS file",
    b"%PDF": "a PDF",
    b"\x89PNG": "an image",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a gzip archive",
    b"HEADER RECORD": "a SAS transport file",
}
_DELIMITERS = {";": "semicolon", ",": "comma", "\t": "tab", "|": "vertical bar"}


@dataclass(frozen=True)
class RawTable:
    """A file as found.

    frame: text columns, empty cells as "". rows: row number of the file for each row (the
    header has its own). labels: column -> code -> label, where the file carries value labels.
    """

    file: str
    frame: pd.DataFrame
    rows: list[int]
    sha256: str
    size: int
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


class _UnreadableError(Exception):
    """Why one file cannot be read: rule, message and fix."""

    def __init__(self, rule: str, message: str, fix: str) -> None:
        super().__init__(message)
        self.rule, self.message, self.fix = rule, message, fix


def read_table(trial: str, folder: Path, file: str, file_format: FileFormat) -> RawTable:
    """Read `file` below `folder` as text.

    Knows csv, tsv, txt, xlsx, sav, zsav, dta, sas7bdat, xpt and parquet by the extension.
    Raises `TrialFileError` with one finding: missing, empty, truncated, wrongly encoded, not
    what its name says, read with the wrong delimiter, or duplicated column names.
    """
    try:
        path = _safe_path(folder, file)
        data = path.read_bytes()
        if not data.strip():
            raise _UnreadableError(
                "file_empty", "the file is empty", "export it again from its source"
            )
        reader = _READERS.get(path.suffix.lower())
        if reader is None:
            raise _UnreadableError(
                "file_kind_unknown",
                f"files ending in {path.suffix or 'nothing'} are not known",
                f"use one of {', '.join(sorted(_READERS))}",
            )
        frame, first_row, labels, notes = reader(path, data, file_format)
        _check_columns(frame)
        if frame.empty:
            raise _UnreadableError(
                "file_without_rows",
                "the file has a header but no rows",
                "export it again with its data",
            )
    except _UnreadableError as problem:
        raise TrialFileError(
            [Finding(trial, problem.rule, Severity.ERROR, problem.message, problem.fix, file)]
        ) from None
    rows = list(range(first_row, first_row + len(frame)))
    blank = (frame == "").all(axis=1).to_numpy()
    frame = frame.loc[~blank].reset_index(drop=True)
    findings = tuple(
        Finding(trial, rule, Severity.WARNING, message, fix, file) for rule, message, fix in notes
    )
    return RawTable(
        file,
        frame,
        [row for row, empty in zip(rows, blank, strict=True) if not empty],
        hashlib.sha256(data).hexdigest(),
        len(data),
        labels,
        findings,
    )


def _safe_path(folder: Path, file: str) -> Path:
    path = folder / file
    if not path_is_inside(file) or not path.resolve().is_relative_to(folder.resolve()):
        raise _UnreadableError(
            "manifest_path_outside",
            f"the path {file!r} leads outside the trial folder",
            "copy the file into the folder",
        )
    if not path.is_file():
        there = sorted(p.name for p in folder.iterdir() if p.is_file() and p.name != "trial.yaml")
        raise _UnreadableError(
            "file_missing",
            f"the file {file!r} is not in the trial folder",
            f"files in the folder: {', '.join(there) or 'none'}",
        )
    return path


def _check_columns(frame: pd.DataFrame) -> None:
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1 and name})
    if twice:
        raise _UnreadableError(
            "column_duplicated",
            f"the column {', '.join(map(repr, twice))} stands twice",
            "rename one of them in the file",
        )


_Read = tuple[pd.DataFrame, int, dict[str, dict[str, str]], list[tuple[str, str, str]]]


def _read_delimited(path: Path, data: bytes, file_format: FileFormat) -> _Read:
    for signature, what in _SIGNATURES.items():
        if data.startswith(signature):
            raise _UnreadableError(
                "file_not_text",
                f"the file is {what}, not text",
                "give it its own extension or export it as CSV",
            )
    text = _decode(data, file_format.encoding)
    delimiter = file_format.delimiter
    if path.suffix.lower() == ".tsv" and delimiter == ",":
        delimiter = "\t"
    try:
        parsed = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        what = (
            "it ends inside a quoted cell; it looks truncated"
            if "unexpected end" in str(error)
            else "its quotes do not match"
        )
        raise _UnreadableError(
            "file_truncated",
            f"the file cannot be split into cells: {what}",
            "export it again and compare its size",
        ) from None
    header_at = file_format.header_row - 1
    if len(parsed) <= header_at:
        raise _UnreadableError(
            "file_without_rows",
            f"there is no header in row {file_format.header_row}",
            "correct format.header_row",
        )
    header = [name.strip() for name in parsed[header_at]]
    _check_delimiter(header, delimiter)
    body = [row if row else [""] for row in parsed[header_at + 1 :]]
    ragged = [
        header_at + 2 + i for i, row in enumerate(body) if len(row) != len(header) and row != [""]
    ]
    if ragged:
        last = (
            " (the last one: the file may be truncated)"
            if ragged == [header_at + 1 + len(body)]
            else ""
        )
        raise _UnreadableError(
            "file_ragged",
            f"{name_rows(ragged)} of the file {'does' if len(ragged) == 1 else 'do'} not have "
            f"{len(header)} cells{last}",
            "quote cells that hold the delimiter, or export the file again",
        )
    cells = [[cell.strip() for cell in row] if row != [""] else [""] * len(header) for row in body]
    return pd.DataFrame(cells, columns=header, dtype=object), header_at + 2, {}, []


def _decode(data: bytes, encoding: str) -> str:
    try:
        text = data.decode("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)
    except LookupError:
        raise _UnreadableError(
            "encoding_unknown",
            f"there is no encoding called {encoding!r}",
            "name it as utf-8, latin-1 or cp1252",
        ) from None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        guess = _guess_encoding(data)
        raise _UnreadableError(
            "encoding_wrong",
            f"the file is not {encoding} text (row {line})",
            f"set format.encoding; it looks like {guess}" if guess else "set format.encoding",
        ) from None
    if "\x00" in text:
        raise _UnreadableError(
            "file_not_text",
            "the file holds binary data (NUL characters), not text",
            "give it its own extension or export it as CSV",
        )
    return text


def _guess_encoding(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if not re.search(rb"[\x80-\x9f]", data):
        return "latin-1"
    try:
        data.decode("cp1252")
        return "cp1252"
    except UnicodeDecodeError:
        pass
    from charset_normalizer import from_bytes

    best = from_bytes(data[:200_000]).best()
    return best.encoding.replace("_", "-") if best else ""


def _check_delimiter(header: list[str], delimiter: str) -> None:
    if len(header) > 1:
        return
    for other, name in _DELIMITERS.items():
        if other != delimiter and other in header[0]:
            raise _UnreadableError(
                "delimiter_wrong",
                f"the header has one column with {header[0].count(other)} {name}s in it: the file "
                f"is separated by {name}s, not by {_DELIMITERS.get(delimiter, repr(delimiter))}s",
                'set format.delimiter: "'
                + other.replace("\t", "\\t")
                + '"'
                + (' (and format.decimal: "," if numbers use it)' if other == ";" else ""),
            )


def _as_text(value: object) -> str:
    """A cell as a person would type it: no trailing .0, no nan, ISO dates."""
    if value is None or value is pd.NaT or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value).strip()


def _read_spreadsheet(path: Path, data: bytes, file_format: FileFormat) -> _Read:
    import zipfile

    import openpyxl

    try:
        values = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        formulas = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=False)
    except (zipfile.BadZipFile, KeyError, EOFError, ValueError, OSError, AttributeError):
        raise _UnreadableError(
            "file_truncated",
            "the spreadsheet cannot be opened; it is damaged, truncated or not an xlsx file",
            "save it again as xlsx or CSV",
        ) from None
    sheet = file_format.sheet or values.sheetnames[0]
    if sheet not in values.sheetnames:
        raise _UnreadableError(
            "sheet_missing",
            f"there is no sheet called {sheet!r}",
            f"sheets: {', '.join(values.sheetnames)}",
        )
    shown = list(values[sheet].iter_rows(values_only=True))
    written = list(formulas[sheet].iter_rows(values_only=True))
    values.close()
    formulas.close()
    header_at = file_format.header_row - 1
    if len(shown) <= header_at:
        raise _UnreadableError(
            "file_without_rows",
            f"there is no header in row {file_format.header_row}",
            "correct format.header_row",
        )
    header = [_as_text(cell) for cell in shown[header_at]]
    width = max((i + 1 for i, name in enumerate(header) if name), default=0)
    body = [[_as_text(cell) for cell in row[:width]] for row in shown[header_at + 1 :]]
    notes = _uncomputed_formulas(shown, written, header_at)
    return pd.DataFrame(body, columns=header[:width], dtype=object), header_at + 2, {}, notes


def _uncomputed_formulas(
    shown: list[tuple[object, ...]], written: list[tuple[object, ...]], header_at: int
) -> list[tuple[str, str, str]]:
    rows = [
        i + 1
        for i, (values, formulas) in enumerate(zip(shown, written, strict=True))
        if i > header_at
        and any(
            v is None and isinstance(f, str) and f.startswith("=")
            for v, f in zip(values, formulas, strict=True)
        )
    ]
    if not rows:
        return []
    return [
        (
            "formula_without_value",
            f"{name_rows(rows)} hold formulas without a stored result; they read as empty",
            "open and save the file in a spreadsheet program",
        )
    ]


def _read_statistics_file(path: Path, data: bytes, file_format: FileFormat) -> _Read:
    """SPSS, Stata and SAS files: codes as text, value labels beside them, user-missing dropped."""
    import pyreadstat

    readers: dict[str, Callable[..., tuple[pd.DataFrame, object]]] = {
        ".sav": pyreadstat.read_sav,
        ".zsav": pyreadstat.read_sav,
        ".dta": pyreadstat.read_dta,
        ".sas7bdat": pyreadstat.read_sas7bdat,
        ".xpt": pyreadstat.read_xport,
    }
    suffix = path.suffix.lower()
    options = {"user_missing": True} if suffix in (".sav", ".zsav", ".dta") else {}
    try:
        frame, meta = readers[suffix](str(path), **options)
    except Exception as error:  # pyreadstat raises its own and the C library's errors
        raise _UnreadableError(
            "file_truncated",
            "the file cannot be opened; it is damaged, truncated or not "
            f"what its extension says ({type(error).__name__})",
            "export it again from its source",
        ) from None
    ranges = getattr(meta, "missing_ranges", {}) or {}
    for column, spans in ranges.items():
        numbers = pd.to_numeric(frame[column], errors="coerce")
        for span in spans:
            low, high = span["lo"], span["hi"]
            if isinstance(low, str):
                frame[column] = frame[column].where(frame[column] != low)
            else:
                frame[column] = frame[column].where(~numbers.between(low, high))
    text = pd.DataFrame({c: [_as_text(v) for v in frame[c]] for c in frame.columns}, dtype=object)
    labels = {
        column: {_as_text(code): str(label) for code, label in values.items()}
        for column, values in (getattr(meta, "variable_value_labels", {}) or {}).items()
    }
    return text, 1, labels, []


def _read_parquet(path: Path, data: bytes, file_format: FileFormat) -> _Read:
    try:
        frame = pd.read_parquet(io.BytesIO(data))
    except Exception as error:  # pyarrow's own errors
        raise _UnreadableError(
            "file_truncated",
            "the Parquet file cannot be opened; it is damaged or "
            f"truncated ({type(error).__name__})",
            "write it again",
        ) from None
    text = pd.DataFrame(
        {str(c): [_as_text(v) for v in frame[c]] for c in frame.columns}, dtype=object
    )
    return text, 1, {}, []


_READERS: dict[str, Callable[[Path, bytes, FileFormat], _Read]] = {
    ".csv": _read_delimited,
    ".tsv": _read_delimited,
    ".txt": _read_delimited,
    ".xlsx": _read_spreadsheet,
    ".parquet": _read_parquet,
    ".sav": _read_statistics_file,
    ".zsav": _read_statistics_file,
    ".dta": _read_statistics_file,
    ".sas7bdat": _read_statistics_file,
    ".xpt": _read_statistics_file,
}
