"""One trial of sixty persons, written as every format and dialect that is accepted."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat

from tests.builders import PROVENANCE
from tests.files.sheets import (
    NAMES,
    as_office_writes,
    in_sheet,
    people,
    rewritten,
    sheet,
    strict,
    with_parts,
)

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
    "xlsx of the strict standard": _file("a.xlsx", lambda: with_parts(sheet(), strict)),
    "xlsx without places of cells": _file(
        "a.xlsx", lambda: rewritten("", "", "", inline=True)
    ),
    "xlsx as LibreOffice writes it": _file("a.xlsx", as_office_writes),
    "xlsx with texts in the cells": _file(
        "a.xlsx", lambda: rewritten('<dimension ref="A1"/>', "", "", inline=True)
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
