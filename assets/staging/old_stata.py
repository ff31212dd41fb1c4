"""Stata files of releases 113 to 115 (Stata 8 to 12): whether their parts fill them exactly.

What follows the rows of these files has no mark of its own: where the number of rows is wrong,
labels are looked for among rows, and a library may ask for any amount of memory to hold them.
"""

from __future__ import annotations

import struct

_WIDTHS = {251: 1, 252: 2, 253: 4, 254: 4, 255: 8}
_LENGTH_OF_FORMATS = {113: 12, 114: 49, 115: 49}
_HEAD, _NAME, _LABEL = 109, 33, 81


def fills_its_file(data: bytes) -> bool:
    """Whether rows and value labels end where the file does; True for files of other releases.

    >>> fills_its_file(b"<stata_dta>"), fills_its_file(b"r" + bytes(20))
    (True, False)
    """
    length = _LENGTH_OF_FORMATS.get(data[0]) if data else None
    if length is None:
        return True
    order = ">" if data[1:2] == b"\x01" else "<"
    try:
        columns, rows = struct.unpack_from(f"{order}Hi", data, 4)
        types = data[_HEAD : _HEAD + columns]
        width = sum(_WIDTHS.get(kind, kind) for kind in types)
        at = _HEAD + columns * (1 + _NAME + 2 + length + _NAME + _LABEL) + 2
        at = _behind_notes(data, at, order) + rows * width
        while 0 < at < len(data):
            (size,) = struct.unpack_from(f"{order}i", data, at)
            at += 4 + _NAME + 3 + size if size >= 8 else len(data)
    except struct.error:
        return False
    return bool(at == len(data))


def _behind_notes(data: bytes, at: int, order: str) -> int:
    """Where the rows begin: behind notes and characteristics."""
    while True:
        kind, size = struct.unpack_from(f"{order}Bi", data, at)
        at += 5 + max(size, 0)
        if not kind and not size:
            return at
