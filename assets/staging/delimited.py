"""Delimited text (csv, tsv, txt) as a grid of columns, read in batches of rows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from assets.staging.account import Account
from assets.staging.columns import column_of_texts, standing_rows
from assets.staging.encodings import Encoding, encoding_of, likely_wide, refuse_undecodable
from assets.staging.headers import DELIMITERS, Grid, wrong_delimiter
from assets.staging.limits import Watch, too_large
from assets.staging.plain_text import plain_columns
from assets.staging.unreadable import UnreadableError
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


def read_delimited(
    path: Path, data: bytes, file_format: FileFormat, watch: Watch
) -> Callable[[], Grid]:
    """What makes the rows that are not blank, as columns by position, once the bytes are gone:
    text of a large file and its typed columns need not stand side by side with them.

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
    encoding = encoding_of(data, file_format)
    text = _Text(_without_end(data, encoding), encoding)
    try:
        if text.has_nul():
            wide = likely_wide(data) if encoding.unit == 1 else ""
            raise UnreadableError(
                "file_not_text",
                "the file holds binary data (NUL characters), not text",
                f"if it is text, set format.encoding: {wide}; else export it as CSV"
                if wide
                else "give it its own extension or export it as CSV",
            )
        first = next(iter(text.lines()), "")
        delimiter, stated = _delimiter(path, file_format, first.rstrip("\r\n"))
        found, dialect = _rows(text, delimiter, watch)
    except UnicodeDecodeError:
        refuse_undecodable(text.data, encoding)
        raise
    return lambda: _grid(path, found, dialect, encoding, stated)


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
    """Every row, and how its cells were told apart; empty lines behind the last are no rows."""
    dialect = _Dialect(delimiter)
    plain = plain_columns(text.data, text.encoding, delimiter, watch)
    if plain is not None:
        return _Found(plain, np.full(len(plain[0]), len(plain), np.int32)), dialect
    try:
        return _parsed(text, dialect, watch), dialect
    except _NotSplitError as problem:
        if text.has_backslash_quotes():
            other = _Dialect(delimiter, backslash=True)
            found = _parsed_alike(text, other, watch)
            if found is not None:
                return found, other
        raise problem.refusal from None


@dataclass(frozen=True)
class _Found:
    """Every row of a text, blank ones too: cells by column, and how many cells each row has."""

    columns: list[pa.ChunkedArray]
    widths: np.ndarray


def _parsed(text: _Text, dialect: _Dialect, watch: Watch) -> _Found:
    """Every row; raises `_NotSplitError` with what to say of it."""
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
    parts: list[list[pa.Array]] = []
    widths: list[np.ndarray] = []
    width = count = 0
    while batch := list(islice(rows, _BATCH)):
        widths.append(np.fromiter(map(len, batch), np.int32, len(batch)))
        count += len(batch)
        if not parts:
            width = int(widths[0][:_LOOKED_AT].max())
        watch.look(rows=count, columns=width)
        if (widths[-1] != width).any():
            batch = [row if len(row) == width else _fitted(row, width) for row in batch]
        parts.append([pa.array(cells, pa.string()) for cells in zip(*batch, strict=True)])
    columns = [pa.chunked_array([part[i] for part in parts], pa.string()) for i in range(width)]
    found = np.concatenate(widths) if widths else np.empty(0, np.int32)
    rows_up_to = int(np.flatnonzero(found)[-1]) + 1 if found.any() else 0
    return _Found([column.slice(0, rows_up_to) for column in columns], found[:rows_up_to])


def _fitted(row: list[str], width: int) -> list[str]:
    return row[:width] + [""] * (width - len(row))


def _parsed_alike(text: _Text, dialect: _Dialect, watch: Watch) -> _Found | None:
    """The rows, where all have as many cells, several; else None."""
    try:
        found = _parsed(text, dialect, watch)
    except _NotSplitError:
        return None
    return found if len(np.unique(found.widths)) == 1 and found.widths[0] > 1 else None


def _not_split(said: str, text: _Text, dialect: _Dialect, watch: Watch) -> Exception:
    """The error to raise for what the parser said."""
    if "expected after" in said and (better := _better_delimiter(text, dialect.delimiter)):
        return wrong_delimiter(
            "the header and the columns below it do not split", dialect.delimiter, better
        )
    if "field limit" in said:
        most = f"{watch.limits.cell_length:,}"
        return too_large(f"a cell of more than {most} characters", most)
    what = (
        "it ends inside a quoted cell; it looks truncated"
        if "unexpected end" in said
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
    columns = []
    while found.columns:  # each column of text goes once it is typed
        columns.append(column_of_texts(found.columns.pop(0)))
    filled = standing_rows(columns, len(found.widths))
    filled[:1] &= not stated  # the line that states the delimiter
    if not filled.all():
        columns = [column.take(filled) for column in columns]
    account = Account(
        path.suffix.lower().lstrip("."),
        encoding=encoding.name,
        encoding_reason=encoding.reason,
        delimiter=dialect.delimiter,
        quoting="backslash" if dialect.backslash else "doubled",
        blank_rows=int((~filled).sum()) - stated,
    )
    numbers = (np.flatnonzero(filled) + 1).astype(np.int32)
    last = len(found.widths)
    return Grid(columns, numbers, last, account, found.widths[filled], list(encoding.notes))
