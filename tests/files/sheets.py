"""The sixty persons of the trial that is written in every format, and its sheets."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from collections.abc import Callable
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import openpyxl

NAMES = ("id", "grp", "score", "visited", "day", "remark")
Person = tuple[str, str, float | None, int | None, dt.date, str]


@cache
def people() -> tuple[Person, ...]:
    """Ids as text with leading zeros, labels with accents and a comma, a score with decimals that
    no double holds exactly, a few missing, a date, remarks with quotes and delimiters."""
    random = np.random.default_rng(20240501)
    out: list[Person] = []
    for i in range(60):
        arm = "Brief é" if i % 2 else "Überweisung, übliche"
        score = float(np.clip(np.round(random.normal(4.0 + 0.6 * (i % 2), 1.3), 2), 1, 7))
        acted = int(random.random() < 0.1 + 0.1 * score)
        day = dt.date(2023, 11, 20) + dt.timedelta(days=int(random.integers(0, 200)))
        said = ("", 'said "no"', "a;b|c\td", "plain", "naïve, œuvre")[i % 5]
        missing = i in (7, 22, 41)
        out.append((f"{i:03d}", arm, None if missing else score, None if i in (3, 30) else acted,
                    day, said))  # fmt: skip
    return tuple(out)


def sheet() -> bytes:
    """As openpyxl writes it."""
    book = openpyxl.Workbook()
    book.active.append(list(NAMES))
    for person in people():
        book.active.append([cell if cell != "" else None for cell in person])
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def with_parts(book: bytes, change: Callable[[str, str], str]) -> bytes:
    """A workbook with some of its parts changed: by name and text."""
    written = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(book)) as old,
        zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name).decode()))
    return written.getvalue()


def in_sheet(old: str, new: str) -> Callable[[str, str], str]:
    """A change of the worksheet's text by a regular expression."""

    def changed(name: str, text: str) -> str:
        if not name.endswith("sheet1.xml"):
            return text
        out, count = re.subn(old, new, text)
        assert count, f"{old} does not stand in the sheet"
        return out

    return changed


def strict(_: str, text: str) -> str:
    """The namespaces of the strict variant of the standard."""
    for kind in ("spreadsheetml/main", "officeDocument/relationships"):
        old = "http://schemas.openxmlformats.org/" + kind.replace("/", "/2006/")
        text = text.replace(old, f"http://purl.oclc.org/ooxml/{kind}")
    return text


def _cells(row: int, texts: tuple[Any, ...], inline: bool, more: str = "") -> str:
    out = []
    for column, value in zip("ABCDEF", texts, strict=True):
        place = f'r="{column}{row}"{more}'
        if value is None or value == "":
            out.append(f"<c {place}/>")
        elif isinstance(value, str) and inline:
            text = f'<is><t xml:space="preserve">{escape(value)}</t></is>'
            out.append(f'<c {place} t="inlineStr">{text}</c>')
        elif isinstance(value, str):
            out.append(f'<c {place} t="str"><v>{escape(value)}</v></c>')
        elif isinstance(value, dt.date):
            out.append(f"<c {place}><v>{(value - dt.date(1899, 12, 30)).days}</v></c>")
        else:
            out.append(f"<c {place}><v>{value!r}</v></c>")
    return "".join(out)


def rewritten(head: str, row_given: str, tail: str, inline: bool, more: str = "") -> bytes:
    """The sheet with its rows as another program writes them."""
    rows = "".join(
        f'<row r="{i}"{row_given}>{_cells(i, values, inline, more)}</row>'
        for i, values in enumerate([NAMES, *people()], start=1)
    )
    body = f"{head}<sheetData>{rows}{tail}</sheetData>".replace("\\", r"\\")
    return with_parts(sheet(), in_sheet(r"(?s)<dimension.*</sheetData>", body))


def as_office_writes() -> bytes:
    """As LibreOffice does: views, columns, attributes on every row, and a last row far below."""
    head = (
        '<sheetPr filterMode="false"><pageSetUpPr fitToPage="false"/></sheetPr>'
        '<dimension ref="A1:F61"/><sheetViews><sheetView showFormulas="false" workbookViewId="0">'
        '<selection activeCell="A1" sqref="A1"/></sheetView></sheetViews>'
        '<cols><col collapsed="false" customWidth="false" hidden="false" max="16384" min="1" '
        'outlineLevel="0" width="11.53"/></cols>'
    )
    given = ' customFormat="false" ht="12.8" hidden="false" outlineLevel="0" collapsed="false"'
    last = f'<row r="1048576"{given}><c r="A1048576" s="0"/></row>'
    return rewritten(head, given, last, inline=False, more=' s="0"')
