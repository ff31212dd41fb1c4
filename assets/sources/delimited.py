"""Delimited text (csv, tsv, txt) as a grid of columns, read in batches of rows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.sources.account import Account
from assets.sources.columns import column_of_texts
from assets.sources.encodings import Encoding, encoding_of, refuse_undecodable
from assets.sources.headers import DELIMITERS, Grid, wrong_delimiter
from assets.sources.limits import Watch
from assets.sources.unreadable import UnreadableError
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
    b"<stata_dta>": "a Stata file",
}
_BATCH = 50_000
_LOOKED_AT = 1000
"""Rows at the top of a file whose widest one says how many columns are read."""
_SEP_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
"""First line by which spreadsheet programs are told the delimiter."""
_HEAD = 1_000_000
"""Characters at the top of a file that are looked at at once."""


@dataclass(frozen=True)
class _Dialect:
    """How the cells of a text are told apart; backslash: whether quotes within quotes have one
    in front (else they are doubled)."""

    delimiter: str
    backslash: bool = False


def read_delimited(path: Path, data: bytes, file_format: FileFormat, watch: Watch) -> Grid:
    """The rows that are not blank, as columns by position.

    Raises `UnreadableError` without text of the file: another format, wrongly encoded, binary,
    truncated, or beyond the limits of watch.
    """
    for signature, what in _SIGNATURES.items():
        if data.startswith(signature):
            raise UnreadableError(
                "file_not_text",
                f"the file is {what}, not text",
                "give it its own extension or export it as CSV",
            )
    watch.look(megabytes=len(data) / 1e6)
    encoding = encoding_of(data, file_format)
    text = _Text(_without_end(data, encoding), encoding)
    try:
        if text.has_nul():
            raise UnreadableError(
                "file_not_text",
                "the file holds binary data (NUL characters), not text",
                "give it its own extension or export it as CSV",
            )
        first = next(iter(text.lines()), "")
        delimiter, stated = _delimiter(path, file_format, first.rstrip("\r\n"))
        found, dialect = _rows(text, delimiter, watch)
    except UnicodeDecodeError:
        refuse_undecodable(text.data, encoding)
        raise
    return _grid(path, found, dialect, encoding, stated)


@dataclass(frozen=True)
class _Text:
    """The text of a file, decoded as it is asked for."""

    data: bytes
    encoding: Encoding

    def lines(self) -> Iterable[str]:
        stream = self._stream()
        first = stream.readline().lstrip("\ufeff")
        return chain([first], stream) if first else stream

    def head(self) -> str:
        return self._stream(errors="ignore").read(_HEAD).lstrip("\ufeff")

    def has_nul(self) -> bool:
        if self.encoding.unit == 1:
            return b"\x00" in self.data
        stream = self._stream()
        return any("\x00" in piece for piece in iter(lambda: stream.read(_HEAD), ""))

    def has_backslash_quotes(self) -> bool:
        return self.encoding.bytes_of('\\"') in self.data

    def _stream(self, errors: str = "strict") -> io.TextIOWrapper:
        data = io.BytesIO(self.data)
        return io.TextIOWrapper(data, encoding=self.encoding.name, errors=errors, newline="")


class _NotSplitError(Exception):
    """The text cannot be split into cells; refusal: what to say of that."""

    def __init__(self, refusal: UnreadableError) -> None:
        super().__init__(refusal.rule)
        self.refusal = refusal


def _rows(text: _Text, delimiter: str, watch: Watch) -> tuple[_Found, _Dialect]:
    """Every row that is not blank, and how its cells were told apart."""
    dialect = _Dialect(delimiter)
    try:
        return _parsed(text, dialect, watch), dialect
    except _NotSplitError as problem:
        if text.has_backslash_quotes():
            other = _Dialect(delimiter, backslash=True)
            found = _parsed_alike(text, other, watch)
            if found is not None:
                return found, other
        raise problem.refusal from None


@dataclass
class _Found:
    """Batches of rows: cells by column, cells of each row, number of each row."""

    cells: list[list[pa.Array]]
    widths: list[np.ndarray]
    numbers: list[np.ndarray]
    last: int = 0


def _parsed(text: _Text, dialect: _Dialect, watch: Watch) -> _Found:
    """Every row that is not blank; raises `_NotSplitError` with the words of the parser."""
    before = csv.field_size_limit(watch.limits.cell_length)
    try:
        return _batches(_reader(text.lines(), dialect), watch)
    except csv.Error as error:
        raise _not_split(str(error), text, dialect, watch) from None
    except (TypeError, ValueError) as error:
        if isinstance(error, UnicodeError):
            raise
        raise UnreadableError(
            "delimiter_wrong",
            f"format.delimiter is {dialect.delimiter!r}, which cannot separate cells",
            "name the character between the columns, such as , or ;",
        ) from None
    finally:
        csv.field_size_limit(before)


def _reader(lines: Iterable[str], dialect: _Dialect) -> Iterator[list[str]]:
    if dialect.backslash:
        return csv.reader(
            lines, delimiter=dialect.delimiter, strict=True, doublequote=False, escapechar="\\"
        )
    return csv.reader(lines, delimiter=dialect.delimiter, strict=True)


def _batches(rows: Iterator[list[str]], watch: Watch) -> _Found:
    found = _Found([], [], [])
    width = 0
    while batch := list(islice(rows, _BATCH)):
        widths = np.fromiter(map(len, batch), np.int32, len(batch))
        if not found.cells:
            width = int(widths[:_LOOKED_AT].max())
        numbers = np.arange(found.last + 1, found.last + len(batch) + 1, dtype=np.int64)
        found.last += len(batch)
        watch.look(rows=found.last, columns=width)
        if not width:
            continue
        if (widths != width).any():
            batch = [row if len(row) == width else _fitted(row, width) for row in batch]
        columns = [pa.array(cells, pa.string()) for cells in zip(*batch, strict=True)]
        blank = _blank_rows(columns, batch)
        if blank.any():
            kept = pa.array(~blank)
            columns = [column.filter(kept) for column in columns]
            widths, numbers = widths[~blank], numbers[~blank]
        found.cells.append(columns)
        found.widths.append(widths)
        found.numbers.append(numbers)
    return found


def _fitted(row: list[str], width: int) -> list[str]:
    return row[:width] + [""] * (width - len(row))


def _blank_rows(columns: list[pa.Array], batch: list[list[str]]) -> np.ndarray:
    """Rows without a character that can be seen; most are known by their first cell alone."""
    first = pc.utf8_trim_whitespace(columns[0])
    blank = np.array(pc.equal(first, "").to_numpy(zero_copy_only=False), dtype=bool)
    for i in np.flatnonzero(blank):
        blank[i] = not any(cell.strip() for cell in batch[i])
    return blank


def _parsed_alike(text: _Text, dialect: _Dialect, watch: Watch) -> _Found | None:
    """The rows, where all have as many cells, several; else None."""
    try:
        found = _parsed(text, dialect, watch)
    except _NotSplitError:
        return None
    widths = {int(width) for part in found.widths for width in np.unique(part)}
    return found if len(widths) == 1 and widths != {1} else None


def _not_split(said: str, text: _Text, dialect: _Dialect, watch: Watch) -> Exception:
    """The error to raise for what the parser said."""
    if "expected after" in said and (better := _better_delimiter(text, dialect.delimiter)):
        return wrong_delimiter(
            "the header and the columns below it do not split", dialect.delimiter, better
        )
    what = (
        "it ends inside a quoted cell; it looks truncated"
        if "unexpected end" in said
        else f"a cell is longer than {watch.limits.cell_length:,} characters"
        if "field limit" in said
        else "its quotes do not match"
    )
    return _NotSplitError(
        UnreadableError(
            "file_truncated",
            f"the file cannot be split into cells: {what}",
            "export it again and compare its size",
        )
    )


def _better_delimiter(text: _Text, delimiter: str) -> str:
    """Another delimiter that splits every row at the top into as many columns, several."""
    top = text.head()
    for other in DELIMITERS:
        if other == delimiter:
            continue
        widths = set()
        try:
            for row in islice(_reader(io.StringIO(top, newline=""), _Dialect(other)), _LOOKED_AT):
                widths.add(len(row))
        except csv.Error as error:
            if "unexpected end" not in str(error):
                continue
        if len(widths - {0}) == 1 and widths - {0} != {1}:
            return other
    return ""


def _delimiter(path: Path, file_format: FileFormat, first: str) -> tuple[str, bool]:
    """The delimiter, and whether the first line is one that states it."""
    stated = _SEP_LINE.fullmatch(first)
    if "delimiter" in file_format.model_fields_set:
        return file_format.delimiter, stated is not None
    if stated is not None:
        return stated[1], True
    return ("\t" if path.suffix.lower() == ".tsv" else file_format.delimiter), False


def _without_end(data: bytes, encoding: Encoding) -> bytes:
    """The bytes without the mark that old programs write behind the last row."""
    mark = encoding.bytes_of("\x1a")
    body = data.rstrip(b"\r\n") if encoding.unit == 1 else data
    return body.removesuffix(mark) if body.endswith(mark) else data


def _grid(path: Path, found: _Found, dialect: _Dialect, encoding: Encoding, stated: bool) -> Grid:
    parts = found.cells
    columns = [
        column_of_texts(pa.chunked_array([part[i] for part in parts], pa.string()))
        for i in range(len(parts[0]) if parts else 0)
    ]
    numbers = np.concatenate(found.numbers) if parts else np.empty(0, np.int64)
    widths = np.concatenate(found.widths) if parts else np.empty(0, np.int32)
    if stated and len(numbers) and numbers[0] == 1:  # the line that states the delimiter
        columns = [column.take(slice(1, None)) for column in columns]
        numbers, widths = numbers[1:], widths[1:]
    account = Account(
        path.suffix.lower().lstrip("."),
        encoding=encoding.name,
        encoding_reason=encoding.reason,
        delimiter=dialect.delimiter,
        quoting="backslash" if dialect.backslash else "doubled",
        blank_rows=found.last - len(numbers) - stated,
    )
    return Grid(columns, numbers, found.last, account, widths, list(encoding.notes))
