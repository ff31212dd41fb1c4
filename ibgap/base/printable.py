"""Text from files, folders and manifests as it may reach terminals, pages and spreadsheets."""

from __future__ import annotations

import unicodedata

_KEPT = "\t\n"
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def printable(text: str) -> str:
    """The text with every control, bidirectional and unassigned character made visible.

    Tabs and line ends stay. What is replaced is written as its code point, so that nothing is
    lost and nothing is carried out by a terminal or refused by a spreadsheet.

    >>> printable("ok\\x1b[31m")
    'ok\\\\x1b[31m'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if c in _KEPT or unicodedata.category(c) not in _HIDDEN else _code(c) for c in text
    )


def _code(character: str) -> str:
    point = ord(character)
    return (
        f"\\x{point:02x}"
        if point < 256
        else f"\\u{point:04x}"
        if point < 65536
        else f"\\U{point:08x}"
    )
