"""One trial of sixty persons, written as every format and dialect that is accepted."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat

from tests.builders import PROVENANCE

NAMES = ("id", "grp", "score", "visited", "day", "remark")
Person = tuple[str, str, float | None, int | None, dt.date, str]

_MANIFEST = """\
ibgap: 1
id: one_trial
label: Café 2024
topic: help_seeking
design: {type: parallel}
arms:
  - {id: care, role: usual_care}
  - {id: letter, role: experimental}
sources:
  - id: people
    kind: participant_rows
    file: FILE
    FORMAT
    recode: {grp: {"Überweisung, übliche": care, "Brief é": letter}}
    columns: {participant: id, arm: grp}
outcomes:
  - id: intention
    construct: intention
    scale: {type: continuous, min: 1, max: 7}
    higher_is_better: true
    timepoint: {weeks: 0}
    column: score
  - id: visit
    construct: behavior
    scale: {type: binary}
    higher_is_better: true
    timepoint: {weeks: 12}
    column: visited
"""


@dataclass(frozen=True)
class Written:
    """A file of the trial: its name, its bytes, and what its manifest says of its format."""

    name: str
    data: bytes
    given: str = ""

    def manifest(self) -> str:
        given = f"format: {self.given}" if self.given else ""
        return _MANIFEST.replace("FILE", self.name).replace("FORMAT", given) + PROVENANCE

    def write(self, room: Path) -> Path:
        """The trial folder with this file."""
        folder = room / "one_trial"
        folder.mkdir(parents=True)
        (folder / "trial.yaml").write_text(self.manifest(), encoding="utf-8")
        (folder / self.name).write_bytes(self.data)
        return folder


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


def _texts(missing: str = "", comma: bool = False) -> list[list[str]]:
    """The rows as texts, the header first."""
    rows = [list(NAMES)]
    for person, arm, score, acted, day, said in people():
        number = missing if score is None else repr(score)
        rows.append([person, arm, number.replace(".", ",") if comma else number,
                     missing if acted is None else str(acted), day.isoformat(), said])  # fmt: skip
    return rows


def delimited(
    delimiter: str = ",", encoding: str = "utf-8", *, missing: str = "", comma: bool = False,
    end: str = "\n", first: str = "", last: str = "", **how: Any,
) -> bytes:  # fmt: skip
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter, lineterminator=end, **how)
    writer.writerows(_texts(missing, comma))
    return (first + written.getvalue() + last).encode(encoding)


def _as_r_writes(delimiter: str, comma: bool, row_names: bool) -> bytes:
    """As `write.csv` and `write.csv2`: all texts in quotes, doubled within, NA without any."""
    lines = []
    for i, row in enumerate(_texts("NA", comma)):
        cells = [
            cell if i and (at in (2, 3) or cell == "NA") else '"' + cell.replace('"', '""') + '"'
            for at, cell in enumerate(row)
        ]
        lines.append(delimiter.join([f'"{i or ""}"', *cells] if row_names else cells))
    return ("\n".join(lines) + "\n").encode()


def frame(**kinds: Any) -> pd.DataFrame:
    """The persons as a data frame with other types for some columns."""
    made = pd.DataFrame(list(people()), columns=list(NAMES))
    made["score"] = made["score"].astype(float)
    made["visited"] = made["visited"].astype(float)
    return made.astype(kinds)


def _by(write: Callable[..., Any], kind: str, made: pd.DataFrame, **options: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{kind}"
        write(made, path, **options)
        return path.read_bytes()


def _stata(made: pd.DataFrame, **options: Any) -> bytes:
    written = io.BytesIO()
    made = made.assign(day=pd.to_datetime(made["day"]))
    made.to_stata(written, write_index=False, convert_dates={"day": "td"}, **options)
    return written.getvalue()


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


def _strict(_: str, text: str) -> str:
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


def _rewritten(head: str, row_given: str, tail: str, inline: bool, more: str = "") -> bytes:
    """The sheet with its rows as another program writes them."""
    rows = "".join(
        f'<row r="{i}"{row_given}>{_cells(i, values, inline, more)}</row>'
        for i, values in enumerate([NAMES, *people()], start=1)
    )
    body = f"{head}<sheetData>{rows}{tail}</sheetData>".replace("\\", r"\\")
    return with_parts(sheet(), in_sheet(r"(?s)<dimension.*</sheetData>", body))


def _as_office_writes() -> bytes:
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
    return _rewritten(head, given, last, inline=False, more=' s="0"')


def _parquet(**kinds: pa.DataType) -> bytes:
    columns = [pa.array(values) for values in zip(*people(), strict=True)]
    table = pa.table(dict(zip(NAMES, columns, strict=True)))
    for name, kind in kinds.items():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table.column(name).cast(kind, safe=False))
    written = io.BytesIO()
    pq.write_table(table, written)
    return written.getvalue()


_SEMICOLON = '{delimiter: ";", decimal: ","}'
_DATE = {"variable_format": {"day": "DATE11"}}
_OF_SAS = {"variable_format": {"day": "DATE9"}}


def _text(name: str, given: str = "", **how: Any) -> Callable[[], Written]:
    return lambda: Written(name, delimited(**how), given)


def _file(name: str, made: Callable[[], bytes], given: str = "") -> Callable[[], Written]:
    return lambda: Written(name, made(), given)


def _encoded(encoding: str, declared: str = "", **how: Any) -> Callable[[], Written]:
    given = f"{{encoding: {declared or encoding}}}" if declared != "-" else ""
    return _text("a.csv", given, encoding=encoding, **how)


def _statistics(kind: str, write: Callable[..., Any], **options: Any) -> Callable[[], Written]:
    return _file(f"a.{kind}", lambda: _by(write, kind, frame(), **options))


ALL: dict[str, Callable[[], Written]] = {
    "csv": _text("a.csv"),
    "csv, carriage returns": _text("a.csv", end="\r\n"),
    "csv, carriage returns alone": _text("a.csv", end="\r"),
    "csv, all in quotes": _text("a.csv", quoting=csv.QUOTE_ALL),
    "csv of R": _file("a.csv", lambda: _as_r_writes(",", False, False)),
    "csv of R, names of rows": _file("a.csv", lambda: _as_r_writes(",", False, True)),
    "csv2 of R": _file("a.csv", lambda: _as_r_writes(";", True, False), _SEMICOLON),
    "csv2 of R, names of rows": _file("a.csv", lambda: _as_r_writes(";", True, True), _SEMICOLON),
    "csv of pandas": _file("a.csv", lambda: frame().to_csv(index=False).encode()),
    "csv of pandas, an index": _file("a.csv", lambda: frame().to_csv().encode()),
    "semicolons": _text("a.txt", _SEMICOLON, delimiter=";", comma=True),
    "tsv": _text("a.tsv", delimiter="\t"),
    "txt of tabs": _text("a.txt", '{delimiter: "\\t"}', delimiter="\t", end="\r\n"),
    "bars and backslashes": _text(
        "a.txt", '{delimiter: "|"}', delimiter="|", doublequote=False, escapechar="\\",
        quoting=csv.QUOTE_ALL,
    ),
    "a line that states the delimiter, and an end mark": _text(
        "a.csv", '{decimal: ","}', delimiter=";", comma=True, first="sep=;\r\n", last="\x1a",
        end="\r\n",
    ),
    "blank lines": _text("a.csv", last="\n\n  \n,,,,,\n"),
    "utf-8 with a mark": _encoded("utf-8-sig", "-"),
    "utf-16 with a mark": _encoded("utf-16", "-"),
    "utf-16 with a mark, tabs": _text("a.txt", '{delimiter: "\\t"}', delimiter="\t",
                                      encoding="utf-16", end="\r\n"),
    "utf-16-be with a mark": _encoded("utf-16-be", "-", first="\ufeff"),
    "utf-32 with a mark": _encoded("utf-32", "-"),
    "utf-16-le without a mark": _encoded("utf-16-le"),
    "cp1252": _encoded("cp1252"),
    "latin-1 but for the ligature": _encoded("iso8859-15"),
    "mac-roman": _encoded("mac-roman"),
    "gb18030": _encoded("gb18030"),
    "xlsx": _file("a.xlsx", sheet),
    "xlsx of pandas": lambda: Written(
        "a.xlsx", _by(lambda made, path: made.to_excel(path, index=False), "xlsx", frame())
    ),
    "xlsx with a stale extent": _file(
        "a.xlsx", lambda: with_parts(sheet(), in_sheet('ref="A1:F61"', 'ref="A1:B9"'))
    ),
    "xlsx without an extent": _file(
        "a.xlsx", lambda: with_parts(sheet(), in_sheet("<dimension[^>]*>", ""))
    ),
    "xlsx of the strict standard": _file("a.xlsx", lambda: with_parts(sheet(), _strict)),
    "xlsx without places of cells": _file(
        "a.xlsx", lambda: _rewritten("", "", "", inline=True)
    ),
    "xlsx as LibreOffice writes it": _file("a.xlsx", _as_office_writes),
    "xlsx with texts in the cells": _file(
        "a.xlsx", lambda: _rewritten('<dimension ref="A1"/>', "", "", inline=True)
    ),
    "sav": _statistics("sav", pyreadstat.write_sav, **_DATE),
    "sav, packed": _statistics("sav", pyreadstat.write_sav, row_compress=True, **_DATE),
    "zsav": _statistics("zsav", pyreadstat.write_sav, compress=True, **_DATE),
    "dta": _statistics("dta", pyreadstat.write_dta),
    **{f"dta, version {v}": _statistics("dta", pyreadstat.write_dta, version=v)
       for v in (14, 15)},
    # The library writes UTF-8 into old versions, too, which do not state their encoding.
    **{f"dta, version {v}": _file("a.dta", partial(_by, pyreadstat.write_dta, "dta", frame(),
                                                   version=v), "{encoding: utf-8}")
       for v in (10, 11, 12, 13)},
    "dta of doubles": _file("a.dta", lambda: _stata(frame(), version=118)),
    "dta of single precision": _file(
        "a.dta", lambda: _stata(frame(score="float32", visited="float32"), version=118)
    ),
    "dta of small integers, long texts": _file(
        "a.dta", lambda: _stata(frame(visited="Int8"), version=119, convert_strl=["remark", "grp"])
    ),
    "dta of 2007": _file("a.dta", lambda: _stata(frame(remark="str").replace(
        {"remark": {"naïve, œuvre": "naïve"}}), version=114)),
    "xpt, version 5": _statistics("xpt", pyreadstat.write_xport, file_format_version=5, **_OF_SAS),
    "xpt, version 8": _statistics("xpt", pyreadstat.write_xport, file_format_version=8, **_OF_SAS),
    "parquet": _file("a.parquet", _parquet),
    "parquet of pandas": lambda: Written(
        "a.parquet", _by(lambda made, path: made.to_parquet(path), "parquet", frame())
    ),
    "parquet of categories and single precision": _file(
        "a.parquet", lambda: _parquet(grp=pa.dictionary(pa.int8(), pa.string()),
                                      score=pa.float32(), visited=pa.bool_())
    ),
    "parquet of decimals": _file(
        "a.parquet", lambda: _parquet(score=pa.decimal128(5, 2), visited=pa.int8(),
                                      id=pa.large_string())
    ),
}  # fmt: skip
"""How to write the trial, by what kind of file that is."""
