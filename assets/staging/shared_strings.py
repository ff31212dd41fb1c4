"""Texts of spreadsheets, which cells refer to by number."""

from __future__ import annotations

import re
from xml.parsers import expat

from assets.staging.limits import Watch, too_large
from assets.staging.unreadable import UnreadableError
from assets.staging.workbook import Workbook, local

_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")


def shared_strings(book: Workbook, watch: Watch) -> list[str]:
    """The texts that cells refer to by number, without formats and pronunciations."""
    strings: list[str] = []
    if not book.strings:
        return strings
    texts = _Texts(strings, watch.limits.cell_length)
    for _ in book.parts.parse(book.strings, texts.attach):
        if len(strings) > watch.limits.cells:
            raise too_large("more texts than cells", f"{watch.limits.cells:,}")
    return strings


class _Texts:
    """Handlers for the shared texts of a workbook."""

    def __init__(self, strings: list[str], longest: int) -> None:
        self.strings, self.longest = strings, longest
        self.value, self.reading, self.is_spoken = "", False, False

    def attach(self, parser: expat.XMLParserType) -> None:
        parser.StartElementHandler, parser.EndElementHandler = self.start, self.end
        parser.CharacterDataHandler = self.text

    def start(self, name: str, _: dict[str, str]) -> None:
        tag = local(name)
        self.reading = tag == "t" and not self.is_spoken
        self.is_spoken = self.is_spoken or tag == "rPh"

    def text(self, data: str) -> None:
        if self.reading:
            self.value = self.value + data if self.value else data
            if len(self.value) > self.longest:
                raise too_long(self.longest)

    def end(self, name: str) -> None:
        self.reading, tag = False, local(name)
        if tag == "rPh":
            self.is_spoken = False
        elif tag == "si":
            self.strings.append(unescaped(self.value))
            self.value = ""


def too_long(longest: int) -> UnreadableError:
    """What to say of a cell that holds more text than is read."""
    return too_large("a cell of more characters", f"{longest:,} characters of a cell")


def unescaped(text: str) -> str:
    """Text with the characters that XML cannot hold, which spreadsheets write as `_x000D_`.

    >>> unescaped("a_x0041__x005F_x0041_")
    'aA_x0041_'
    """
    if "_x" not in text:
        return text
    found = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
    return found.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
