"""Delimited text whose cells are told apart without doubt, split by Arrow: large files are plain.

Whatever is not plain (a quote within a cell, rows of other widths, blank lines, another
encoding) is left to the parser of `assets.staging.delimited`, which tells what is wrong.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from assets.staging.encodings import Encoding
from assets.staging.limits import Watch

_BLOCK = 1 << 24
_MARK = "\ufeff".encode()
_LIKE_ASCII = ("ascii", "iso8859", "cp125", "gb", "big5", "shift_jis", "euc", "mac")
"""Encodings in which a text of ASCII bytes is that ASCII text."""


def plain_columns(
    data: bytes, encoding: Encoding, delimiter: str, watch: Watch
) -> list[pa.ChunkedArray] | None:
    r"""The cells of every line by column, or None where the text is not plain.

    Plain is UTF-8 text in which all lines have as many cells, several, and every quote stands at
    the begin or the end of a cell. A blank line is one of empty cells.

    >>> plain_columns(b"a,b\n1,2\n", Encoding("utf-8", "default"), ",", Watch())[1].to_pylist()
    ['b', '2']
    >>> plain_columns(b"a,b\n1\n", Encoding("utf-8", "default"), ",", Watch()) is None
    True
    """
    end = len(data)
    while end and data[end - 1] in b"\r\n":
        end -= 1
    if not end or not _is_plain(data, encoding, delimiter):
        return None
    start = 0
    while data.startswith(_MARK, start):
        start += len(_MARK)
    columns = data[start : _end_of_line(data)].count(delimiter.encode()) + 1
    if columns < 2:
        return None
    names = [str(i) for i in range(columns)]
    watch.look(columns=columns)
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(pa.py_buffer(memoryview(data)[start:end])),
            read_options=arrow_csv.ReadOptions(
                use_threads=False, block_size=_BLOCK, column_names=names
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter,
                quote_char='"' if b'"' in data else False,
                newlines_in_values=b'"' in data,
                ignore_empty_lines=False,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    watch.look(rows=table.num_rows, columns=columns)
    if end - start > _BLOCK and _splits_line_ends(data, start, end, table.num_rows):
        return None
    cells = list(table.columns)
    longest = max((pc.max(pc.binary_length(c)).as_py() or 0 for c in cells), default=0)
    return cells if longest <= watch.limits.cell_length else None


def _is_plain(data: bytes, encoding: Encoding, delimiter: str) -> bool:
    sign = delimiter.encode()
    if encoding.name != "utf-8" and not (encoding.name.startswith(_LIKE_ASCII) and data.isascii()):
        return False
    if len(sign) != 1 or delimiter in '"\r\n' or b"\x00" in data:
        return False
    if data.count(b"\r") != data.count(b"\r\n"):
        return False
    quotes = data.count(b'"')
    if not quotes:
        return True
    opening = data.count(sign + b'"') + data.count(b'\n"') + data.startswith(b'"')
    closing = data.count(b'"' + sign) + data.count(b'"\n') + data.count(b'"\r\n')
    closing += data.endswith(b'"')
    return quotes % 2 == 0 and opening == closing and opening + closing == quotes


def _splits_line_ends(data: bytes, start: int, end: int, rows: int) -> bool:
    """Whether a cell may hold an end of line of two characters: where a block of Arrow's ends
    between them, the second is lost."""
    return b"\r\n" in data and data.count(b"\n", start, end) + 1 != rows


def _end_of_line(data: bytes) -> int:
    found = data.find(b"\n")
    return len(data) if found < 0 else found
