"""Files of participants full of texts that must never be said, written wrongly in every way."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import openpyxl
import pandas as pd
import pyreadstat

from tests.builders import Recipe, participant_trial

CANARY = "CANARY"
NAMES = ["person", "group", "site", "intend", "visited", "remarks"]
TITLES = [["CANARY study of letters"], ["exported by CANARY, 1 March"]]
Rows = Sequence[Sequence[str]]


def people(persons: int = 12) -> list[list[str]]:
    """Rows of people: ids, arms, names, answers and remarks, most with a canary in them."""
    return [
        [
            f"CANARYID{i}",
            ("letter", "control")[i % 2],
            ("CANARY@mail.example", "1960-03-01 CANARY", "CANARY Müller")[i % 3],
            str(i % 7 + 1),
            str(i % 2),
            f"CANARY said {i}",
        ]
        for i in range(persons)
    ]


@dataclass(frozen=True)
class Written:
    """A file as it is dropped: its name, its bytes, and the `format:` of the manifest."""

    name: str
    data: bytes
    format: str = ""

    def recipe(self, trial: str = "canary_trial") -> Recipe:
        """A trial that takes the file as its participant rows."""
        given = f"\n    format: {self.format}" if self.format else ""
        recipe = participant_trial(trial).but("file: people.csv", f"file: {self.name}{given}")
        return recipe.without("people.csv").having(self.name, self.data)


def as_text(rows: Rows, delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return written.getvalue().encode(encoding)


def as_sheets(rows: Rows, *sheets: str) -> bytes:
    book = openpyxl.Workbook()
    for sheet in sheets or ("CANARY sheet",):
        page = book.create_sheet(sheet)
        for row in rows:
            page.append([int(cell) if cell.isdigit() else cell for cell in row])
    del book["Sheet"]
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def as_parquet(rows: Rows) -> bytes:
    written = io.BytesIO()
    pd.DataFrame(list(rows[1:]), columns=list(rows[0])).to_parquet(written)
    return written.getvalue()


def as_statistics_file(kind: str, rows: Rows) -> bytes:
    """SPSS, Stata or SAS; names of columns as programs make them of the first row's cells."""
    plain = ["".join(c if c.isascii() and c.isalnum() else "_" for c in n) for n in rows[0]]
    names = [f"v{name}"[: 7 if kind == "xpt" else 30] + str(i) for i, name in enumerate(plain)]
    frame = pd.DataFrame(list(rows[1:]), columns=names)
    write: Callable[..., None] = getattr(
        pyreadstat, {"sav": "write_sav", "dta": "write_dta", "xpt": "write_xport"}[kind]
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{kind}"
        write(frame, path)
        return path.read_bytes()


def _titled(made: Callable[[Rows], bytes], kind: str, given: str = "") -> Callable[[Rows], Written]:
    return lambda rows: Written(f"people.{kind}", made([*TITLES, NAMES, *rows]), given)


def _bare(kind: str) -> Callable[[Rows], Written]:
    return lambda rows: Written(f"people.{kind}", as_statistics_file(kind, rows))


def _text(change: Callable[[Rows], Rows], given: str = "", **how: str) -> Callable[[Rows], Written]:
    return lambda rows: Written("people.csv", as_text(change(rows), **how), given)


def _named(rows: Rows) -> Rows:
    return [NAMES, *rows]


WRONG: dict[str, Callable[[Rows], Written]] = {
    "csv without header": _text(list),
    "tsv without header": lambda rows: Written("people.tsv", as_text(rows, "\t")),
    "txt without header": lambda rows: Written(
        "people.txt", as_text(rows, ";"), '{delimiter: ";"}'
    ),
    "xlsx without header": lambda rows: Written("people.xlsx", as_sheets(rows)),
    "parquet without header": lambda rows: Written("people.parquet", as_parquet(rows)),
    "sav without header": _bare("sav"),
    "dta without header": _bare("dta"),
    "xpt without header": _bare("xpt"),
    "a cell twice, no header": _text(lambda rows: [[*row, row[0]] for row in rows]),
    "rows of their own lengths, no header": _text(
        lambda rows: [[*row, *row[:i]] for i, row in enumerate(rows)]
    ),
    "wrong delimiter": _text(_named, delimiter=";"),
    "wrong delimiter, no header": _text(list, delimiter="|"),
    "wrong encoding": _text(_named, encoding="utf-16-le"),  # without the mark that says so
    "wrong encoding, no header": _text(list, "{encoding: ascii}"),
    "wrong sheet": lambda rows: Written(
        "people.xlsx", as_sheets(_named(rows), f"{CANARY} 1"), "{sheet: Data}"
    ),
    "columns renamed": _text(lambda rows: [[f"{name} {CANARY}" for name in NAMES], *rows]),
    "one column": _text(lambda rows: [row[:1] for row in rows]),
    "one person": _text(lambda rows: rows[:1]),
    **{
        f"{kind} {what}": _titled(made, kind, given)
        for kind, made in (("csv", as_text), ("xlsx", as_sheets))
        for what, given in (
            ("titles above", ""),
            ("header row -1", "{header_row: 2}"),
            ("header row +1", "{header_row: 4}"),
            ("header row +5", "{header_row: 8}"),
            ("header row beyond", "{header_row: 99}"),
        )
    },
}
"""Files that cannot be read as their manifest says, by what is wrong with them."""
