"""Which encoding the text of a file has: stated by its first bytes, declared, or the default.

What bytes look like is told and suggested, and never decides: a short Western text passes for
Chinese as easily as the other way round.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass

from assets.staging.unreadable import UnreadableError
from ibgap.base.printable import printable
from validations.manifest.model import FileFormat

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LATIN_1 = ("iso8859-1", "iso8859-15")
_PIECE = 1 << 20
_LOOKED_AT = 200_000


@dataclass(frozen=True)
class Encoding:
    """name: of the codec. reason: how it is known. notes: rule, message and fix of doubts."""

    name: str
    reason: str
    notes: tuple[tuple[str, str, str], ...] = ()

    @property
    def unit(self) -> int:
        """Bytes of the shortest character."""
        return 4 if self.name.startswith("utf-32") else 2 if self.name.startswith("utf-16") else 1

    def bytes_of(self, text: str) -> bytes:
        """A text as it stands within the file."""
        bare = {"utf-16": "utf-16-le", "utf-32": "utf-32-le", "utf-8-sig": "utf-8"}
        return text.encode(bare.get(self.name, self.name), errors="ignore")


def encoding_of(data: bytes, file_format: FileFormat) -> Encoding:
    """The encoding of a file. Raises `UnreadableError` when the declared one does not exist, or
    does not say in which order the bytes stand.

    >>> encoding_of("\\ufeffa".encode("utf-16-le"), FileFormat()).name
    'utf-16-le'
    """
    declared = _codec(file_format.encoding)
    for mark, name in _MARKS:
        if data.startswith(mark):
            asked = "encoding" in file_format.model_fields_set
            plain = name == "utf-8" and data[len(mark) :].isascii()
            notes = _mark_against(declared, name) if asked and not plain else ()
            return Encoding(name, "byte order mark", notes)
    if declared in ("utf-16", "utf-32"):
        _refuse_without_mark(data, declared)
    reason = "declared" if "encoding" in file_format.model_fields_set else "default"
    return Encoding(declared, reason, _doubts(data, declared))


def _refuse_without_mark(data: bytes, declared: str) -> None:
    """These names mean that the first bytes tell the order of the others, which they do not."""
    likely = likely_wide(data) if declared == "utf-16" else ""
    raise UnreadableError(
        "encoding_wrong",
        f"format.encoding says {declared}, and the file has no byte order mark, which would tell "
        "the order of its bytes",
        f"set format.encoding: {likely}, which the bytes look like"
        if likely
        else f"set format.encoding: {declared}-le or {declared}-be",
    )


def refuse_undecodable(data: bytes, encoding: Encoding) -> None:
    """Raise `encoding_wrong`, with the row, where the bytes are no text of this encoding."""
    try:
        data.decode(encoding.name)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(encoding.bytes_of("\n")) + 1
        likely = " or ".join(_likely(data))
        raise UnreadableError(
            "encoding_wrong",
            f"the file is not {encoding.name} text (row {line})",
            f"set format.encoding to the one it was saved in; it may be {likely}: compare the "
            "letters with accents"
            if likely
            else "set format.encoding to the one it was saved in",
        ) from None


def _codec(name: str) -> str:
    try:
        found = codecs.lookup(name)
        "".encode(name)
    except (LookupError, TypeError, ValueError):
        raise UnreadableError(
            "encoding_unknown",
            f"there is no encoding called {printable(name[:40])!r} that reads this file",
            "name it as utf-8, latin-1 or cp1252",
        ) from None
    return found.name


def _mark_against(declared: str, marked: str) -> tuple[tuple[str, str, str], ...]:
    if declared.removesuffix("-sig").split("-")[:2] == marked.split("-")[:2]:
        return ()
    return (
        (
            "encoding_doubtful",
            f"the first bytes say that the file is {marked}, and so it is read; format.encoding "
            f"says {declared}",
            f"set format.encoding: {marked}, or leave it out",
        ),
    )


def _doubts(data: bytes, declared: str) -> tuple[tuple[str, str, str], ...]:
    """What speaks against a declared encoding of one byte per character, which fits any bytes."""
    if data.isascii() or declared.startswith(("utf", "gb", "big5", "shift", "euc", "iso2022")):
        return ()
    better = ""
    if _is_utf_8(data):
        better = "utf-8"
    elif declared in _LATIN_1 and re.search(rb"[\x80-\x9f]", data):
        better = "cp1252"
    if not better:
        return ()
    return (
        (
            "encoding_doubtful",
            f"the file is read as {declared}, as declared; its bytes look like {better}, and "
            "letters with accents would then be misread",
            f"compare such letters; set format.encoding: {better} if they are wrong",
        ),
    )


def doubts_of_texts(texts: Iterable[str], encoding: str) -> tuple[tuple[str, str, str], ...]:
    r"""What speaks against the encoding in which texts were read, of a file that states none.

    >>> len(doubts_of_texts(["M\u00c3\u00bcller", "a"], "windows-1252"))
    1
    >>> len(doubts_of_texts(["M\u00fcller"], "windows-1252"))
    0
    """
    accented = [text for text in texts if not text.isascii()]
    try:
        if not accented or not all(text.encode(encoding).decode("utf-8") for text in accented):
            return ()
    except UnicodeError:
        return ()
    return (
        (
            "encoding_doubtful",
            f"the file does not state its encoding and is read as {encoding}; its texts look like "
            "utf-8, and letters with accents are then misread",
            f"set format.encoding: utf-8 if such letters are wrong, else {encoding}",
        ),
    )


def _is_utf_8(data: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    stream = io.BytesIO(data)
    try:
        while piece := stream.read(_PIECE):
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def likely_wide(data: bytes) -> str:
    """Which UTF-16 bytes without a mark may be, since most of their characters are Western; empty
    for none.

    >>> likely_wide("person,group".encode("utf-16-le")), likely_wide(b"person,group")
    ('utf-16-le', '')
    """
    start = data[:_LOOKED_AT]
    half = max(len(start) // 2, 1)
    for offset, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if start[offset::2].count(0) > 0.5 * half > start[1 - offset :: 2].count(0):
            return name
    return ""


def _likely(data: bytes) -> list[str]:
    """Encodings that the bytes may have, as suggestions."""
    start = data[:_LOOKED_AT]
    if wide := likely_wide(data):
        return [wide]
    out = []
    try:
        data.decode("cp1252")
        out.append("cp1252")
    except UnicodeDecodeError:
        pass
    from charset_normalizer import from_bytes

    best = from_bytes(start).best()
    guessed = codecs.lookup(best.encoding).name if best else ""
    if guessed == "gb2312" or guessed == "gbk":
        guessed = "gb18030"
    if guessed and guessed != "ascii" and guessed not in out:
        out.append(guessed)
    return out
