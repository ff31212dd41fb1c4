"""The parts of an xlsx file: an archive of XML that may be damaged, disguised or hostile.

Parts are read in pieces, each within the limits of the file and never beyond the size that the
archive states for it. Both namespaces of the standard (transitional and strict), any prefix and
absolute or relative paths of parts are understood.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote
from xml.parsers import expat

from assets.staging.limits import Watch, too_large
from assets.staging.sheet_numbers import Look, look_of
from assets.staging.unreadable import UnreadableError

_PIECE = 1 << 16
_LONGEST_TAG = 1 << 22
_GRACE, _MOST_PACKED = 200_000_000, 500
"""An archive may be packed this tightly (bytes unpacked per byte) once it is larger than this."""
_OLE, _ZIP = b"\xd0\xcf\x11\xe0", b"PK"
_HOW = "open it in a spreadsheet program and save it as xlsx or CSV"
_BUILT_IN_DATES = frozenset({*range(27, 37), *range(50, 59)})
"""Formats of East Asian dates, which no file spells out."""


@dataclass(frozen=True)
class Sheet:
    """A worksheet: its name, `visible`, `hidden` or `veryHidden`, and the part that holds it."""

    name: str
    state: str
    part: str


class Parts:
    """The parts of an archive by their names, whatever their case and slashes."""

    def __init__(self, data: bytes, watch: Watch) -> None:
        self._archive = zipfile.ZipFile(io.BytesIO(data))
        self._watch = watch
        listed = self._archive.infolist()
        self._by_name = {_plain(part.filename): part for part in listed}
        unpacked = sum(part.file_size for part in listed)
        watch.look(megabytes=unpacked / 1e6)
        if unpacked > max(_GRACE, _MOST_PACKED * len(data)):
            raise too_large(
                f"{unpacked / 1e6:,.0f} MB unpacked, {unpacked // len(data):,} times its size",
                f"{_MOST_PACKED} times its size",
            )

    def __contains__(self, name: str) -> bool:
        return _plain(name) in self._by_name

    def read(self, name: str) -> bytes:
        """A small part as it is, as far as the first piece goes; empty where there is none."""
        return next(self._pieces(name), b"") if name in self else b""

    def parse(
        self,
        name: str,
        attach: Callable[[expat.XMLParserType], object],
    ) -> Iterator[None]:
        """Parse a part with the handlers that `attach` sets; pauses after every piece.

        Names are `namespace}name`. Raises `UnreadableError` for a document type (whose entities
        may grow without end), an endless tag and what is beyond a limit.
        """
        parser = expat.ParserCreate(namespace_separator="}")
        parser.buffer_text, parser.buffer_size = True, _PIECE
        parser.StartDoctypeDeclHandler = _refuse_doctype
        attach(parser)
        fed = 0
        for piece in self._pieces(name):
            parser.Parse(piece, False)
            fed += len(piece)
            if fed - max(parser.CurrentByteIndex, 0) > _LONGEST_TAG:
                raise too_large("a tag without end", "4 MB of one tag")
            self._watch.look()
            yield
        parser.Parse(b"", True)
        yield

    def elements(self, name: str) -> Iterator[tuple[str, dict[str, str]]]:
        """Names (without namespace) and attributes of what stands in a part; none without it."""
        found: list[tuple[str, dict[str, str]]] = []

        def attach(parser: expat.XMLParserType) -> None:
            parser.StartElementHandler = lambda tag, given: found.append((local(tag), given))

        if name in self:
            for _ in self.parse(name, attach):
                yield from found
                found.clear()

    def related(self, name: str) -> list[tuple[str, str, str]]:
        """Id, kind (`worksheet`, `styles`, ...) and part of what a part refers to."""
        folder, file = posixpath.split(name)
        found = []
        for tag, given in self.elements(posixpath.join(folder, "_rels", f"{file}.rels")):
            if tag == "Relationship" and given.get("TargetMode") != "External":
                target = posixpath.join("/", folder, given.get("Target", "").replace("\\", "/"))
                part = posixpath.normpath(target).lstrip("/")
                part = part if part in self else unquote(part)
                found.append((given.get("Id", ""), given.get("Type", "").rpartition("/")[2], part))
        return found

    def _pieces(self, name: str) -> Iterator[bytes]:
        part = self._by_name.get(_plain(name))
        if part is None:
            raise _damaged("a part of it is missing")
        if part.flag_bits & 1:
            raise _damaged("it is protected with a password", "remove the password and save it")
        if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _damaged("its parts are packed in a way that spreadsheet programs do not use")
        with self._archive.open(part) as opened:
            while piece := opened.read(_PIECE):
                yield piece


@dataclass(frozen=True)
class Workbook:
    """What a spreadsheet says of itself besides its cells.

    sheets: its worksheets in order (no charts, dialogs or macros). others: names of the sheets
    that are none. strings, styles: parts, or empty. from_1904: whether dates count from 1904.
    """

    parts: Parts
    sheets: tuple[Sheet, ...]
    others: tuple[str, ...]
    strings: str
    styles: str
    from_1904: bool


def open_workbook(data: bytes, watch: Watch) -> Workbook:
    """The workbook in a file.

    Raises `UnreadableError`: another kind of file (named), protected, too large unpacked.
    """
    if not data.startswith(_ZIP):
        raise _damaged(f"it is {_not_zipped(data)}", _HOW)
    parts = Parts(data, watch)
    place = next((part for _, kind, part in parts.related("") if kind == "officeDocument"), "")
    place = place if place in parts else "xl/workbook.xml"
    if place not in parts or place.endswith(".bin"):
        raise _damaged(f"it is {_zipped(parts)}", _HOW)
    related = parts.related(place)
    by_id = {key: (kind, part) for key, kind, part in related}
    sheets, others, from_1904 = [], [], False
    for tag, given in parts.elements(place):
        if tag == "workbookPr":  # an extension of the same name says nothing of dates
            from_1904 = from_1904 or given.get("date1904", "") in ("1", "true", "on")
        elif tag == "sheet":
            key = next((given[a] for a in given if a.endswith("/relationships}id")), "")
            kind, part = by_id.get(key, ("", ""))
            if kind == "worksheet":
                sheets.append(Sheet(given.get("name", ""), given.get("state", "visible"), part))
            else:
                others.append(given.get("name", ""))
    by_kind = {kind: part for _, kind, part in reversed(related) if part in parts}
    return Workbook(
        parts,
        tuple(sheets),
        tuple(others),
        by_kind.get("sharedStrings", ""),
        by_kind.get("styles", ""),
        from_1904,
    )


def looks_of(book: Workbook) -> list[Look]:
    """How numbers are shown in each style of cells, by the number of the style."""
    codes: dict[str, str] = {}
    looks: list[Look] = []
    known: dict[str, Look] = {}
    within = ""
    for tag, given in book.parts.elements(book.styles) if book.styles else ():
        if tag in ("numFmts", "cellStyleXfs", "cellXfs", "cellStyles", "dxfs"):
            within = tag
        elif tag == "numFmt" and within == "numFmts":
            codes[given.get("numFmtId", "")] = given.get("formatCode", "")
        elif tag == "xf" and within == "cellXfs":
            number = given.get("numFmtId", "0")
            if number not in known:
                known[number] = look_of(codes.get(number) or _built_in(number))
            looks.append(known[number])
    return looks


def has_table_filter(parts: Parts, sheet: str) -> bool:
    """Whether a table on the worksheet in a part hides rows by a filter."""
    tables = [part for _, kind, part in parts.related(sheet) if kind == "table"]
    return any(tag == "filterColumn" for part in tables for tag, _ in parts.elements(part))


def local(name: str) -> str:
    """The name of an element or attribute without its namespace."""
    return name.rpartition("}")[2]


def _built_in(number: str) -> str:
    from openpyxl.styles.numbers import BUILTIN_FORMATS

    if not number.isdecimal():
        return ""
    return "yyyy-mm-dd" if int(number) in _BUILT_IN_DATES else BUILTIN_FORMATS.get(int(number), "")


def _plain(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()


def _refuse_doctype(*_: object) -> None:
    raise _damaged("it declares a document type, which no spreadsheet has")


def _damaged(found: str, fix: str = "") -> UnreadableError:
    return UnreadableError(
        "file_truncated",
        f"the spreadsheet cannot be opened: {found}",
        fix or "save it again as xlsx or CSV",
    )


def _not_zipped(data: bytes) -> str:
    """What a file is that is no archive."""
    if data.startswith(_OLE):
        if "EncryptedPackage".encode("utf-16-le") in data:
            return "encrypted with a password"
        old = any(name.encode("utf-16-le") in data for name in ("Workbook", "Book"))
        return f"an older {'spreadsheet (xls)' if old else 'Office file'}, not xlsx"
    begin = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if begin.startswith((b"<!doctype html", b"<html", b"<table")):
        return "a web page (HTML), not xlsx"
    if begin.startswith(b"<"):
        return "XML, not xlsx"
    return "damaged, truncated or another kind of file, not xlsx"


def _zipped(parts: Parts) -> str:
    """What an archive is that holds no workbook."""
    if "xl/workbook.bin" in parts:
        return "a binary spreadsheet (xlsb), not xlsx"
    if b"opendocument" in parts.read("mimetype"):
        return "an OpenDocument file (ods), not xlsx"
    if "word/document.xml" in parts:
        return "a text document (docx), not xlsx"
    return "an archive without a workbook, not xlsx"
