"""Delimited text (csv, tsv, txt) as cells."""

from __future__ import annotations

import codecs
import csv
import io
import re
from pathlib import Path

from assets.sources.headers import DELIMITERS, Cells, wrong_delimiter
from assets.sources.unreadable import UnreadableError
from ibgap.base.printable import printable
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


def read_delimited(path: Path, data: bytes, file_format: FileFormat) -> Cells:
    """The rows that are not blank. Raises `UnreadableError` without text of the file."""
    for signature, what in _SIGNATURES.items():
        if data.startswith(signature):
            raise UnreadableError(
                "file_not_text",
                f"the file is {what}, not text",
                "give it its own extension or export it as CSV",
            )
    text = _decode(data, file_format.encoding)
    delimiter = file_format.delimiter
    if path.suffix.lower() == ".tsv" and "delimiter" not in file_format.model_fields_set:
        delimiter = "\t"
    rows, numbers, last = [], [], 0
    for last, row in enumerate(_parsed(text, delimiter), start=1):
        cells = [cell.strip() for cell in row]
        if any(cells):
            rows.append(cells)
            numbers.append(last)
    return Cells(rows, numbers, last, delimiter)


def _parsed(text: str, delimiter: str) -> list[list[str]]:
    try:
        return _split(text, delimiter)
    except csv.Error as error:
        said = str(error)
        if "expected after" in said and (better := _better_delimiter(text, delimiter)):
            raise wrong_delimiter(
                "the header and the columns below it do not split", delimiter, better
            ) from None
        what = (
            "it ends inside a quoted cell; it looks truncated"
            if "unexpected end" in said
            else f"a cell is longer than {csv.field_size_limit():,} characters"
            if "field limit" in said
            else "its quotes do not match"
        )
        raise UnreadableError(
            "file_truncated",
            f"the file cannot be split into cells: {what}",
            "export it again and compare its size",
        ) from None
    except (TypeError, ValueError):
        raise UnreadableError(
            "delimiter_wrong",
            f"format.delimiter is {delimiter!r}, which cannot separate cells",
            "name the character between the columns, such as , or ;",
        ) from None


def _split(text: str, delimiter: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))


def _better_delimiter(text: str, delimiter: str) -> str:
    """Another delimiter that splits every row into as many columns, several."""
    for other in DELIMITERS:
        try:
            widths = {len(row) for row in _split(text, other) if row}
        except csv.Error:
            continue
        if other != delimiter and len(widths) == 1 and widths != {1}:
            return other
    return ""


def _decode(data: bytes, encoding: str) -> str:
    if data.startswith(codecs.BOM_UTF8):
        # The mark says what the bytes are, whatever single-byte encoding is declared.
        data = data if encoding.lower().startswith("utf") else data[len(codecs.BOM_UTF8) :]
    try:
        text = data.decode(encoding)
    except (LookupError, TypeError):
        raise _unknown(encoding) from None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        guess = _guess_encoding(data)
        raise UnreadableError(
            "encoding_wrong",
            f"the file is not {_shown(encoding)} text (row {line})",
            f"set format.encoding; it looks like {guess}" if guess else "set format.encoding",
        ) from None
    except ValueError:  # codecs that are none, or read other things than text
        raise _unknown(encoding) from None
    if "\x00" in text:
        raise UnreadableError(
            "file_not_text",
            "the file holds binary data (NUL characters), not text",
            "give it its own extension or export it as CSV",
        )
    return text.lstrip("\ufeff")


def _unknown(encoding: str) -> UnreadableError:
    return UnreadableError(
        "encoding_unknown",
        f"there is no encoding called {_shown(encoding)!r} that reads this file",
        "name it as utf-8, latin-1 or cp1252",
    )


def _shown(encoding: str) -> str:
    return printable(encoding[:40])


def _guess_encoding(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
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
