"""The account of every file: what it holds, how it was read, what was used of it."""

from __future__ import annotations

import hashlib
import io
import re
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pyreadstat
import pytest

from assets.staging.account import Account
from assets.staging.files_read import compare_extent, file_read, shared_persons
from assets.staging.header_evidence import Declared
from assets.staging.limits import Limits
from assets.staging.reading import RawTable
from assets.staging.stage import stage_trial
from tests.builders import Recipe, arm_trial, participant_trial
from validations.errors import TrialFileError
from validations.findings import Severity
from validations.manifest.load import load_manifest
from validations.tables import made_columns

TABLE = str(arm_trial().files["table.csv"])


def accounts(folder: Path) -> list[dict[str, Any]]:
    return stage_trial(folder).files


def test_a_table_of_text(tmp_path: Path) -> None:
    text = "A table\n" + TABLE.replace("\n", ",x\n").replace("events,x", "events,age") + "\n\n"
    text = text.replace("\nletter,intention", "\n\n\nletter,intention")  # blank within, and behind
    how = (
        "    file: table.csv\n    where: {outcome: [visit]}\n"
        '    format: {delimiter: ";", encoding: cp1252, header_row: 2}\n'
    )
    recipe = arm_trial().having("table.csv", text.replace(",", ";"))
    recipe = recipe.but("    file: table.csv\n", how)
    data = str(recipe.files["table.csv"]).encode()
    assert accounts(recipe.write(tmp_path)) == [{
        "collection_id": "arms_trial", "source_id": "table", "source_kind": "arm_summaries",
        "file": "table.csv", "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data),
        "container": "csv", "stated_rows": None, "stated_columns": None, "extent_as_stated": None,
        "rows_read": 4, "blank_rows": 2, "rows_kept": 2, "columns_read": 7, "columns_used": 6,
        "columns_unused": "age", "tables_held": 1, "table_read": "", "table_state": "",
        "header_row": 2, "encoding": "cp1252", "encoding_reason": "declared",
        "delimiter": "semicolon", "quoting": "doubled", "decimal": "point", "missing_reasons": "",
        "persons": None, "shared_persons": None,
    }]  # fmt: skip


def test_the_rows_have_the_columns_of_the_published_table(tmp_path: Path) -> None:
    (row,) = accounts(arm_trial().write(tmp_path))
    assert sorted(row) == sorted(made_columns("files_read"))


def sheet(state: str = "visible", stated: str = "A1:F5") -> bytes:
    """A workbook with two sheets; the second holds the table, with an error in a cell."""
    book = openpyxl.Workbook()
    book.active["A1"] = "About this file"
    made = book.create_sheet("Data")
    for line in TABLE.splitlines():
        cells = [float(c) if re.fullmatch(r"[\d.]+", c) else c or None for c in line.split(",")]
        made.append(cells)
    made["F2"] = "#N/A"
    made.sheet_state = state
    written, out = io.BytesIO(), io.BytesIO()
    book.save(written)
    with zipfile.ZipFile(written) as old, zipfile.ZipFile(out, "w") as new:
        for part in old.namelist():
            text = old.read(part)
            if part.endswith("sheet2.xml"):
                extent = f'<dimension ref="{stated}"'.encode()
                text = re.sub(rb'<dimension ref="[^"]*"', extent, text)
            new.writestr(part, text)
    return out.getvalue()


def sheet_trial(data: bytes) -> Recipe:
    recipe = arm_trial().without("table.csv").having("table.xlsx", data)
    return recipe.but("file: table.csv", "file: table.xlsx\n    format: {sheet: Data}")


@pytest.mark.parametrize(
    ("state", "stated", "shown"),
    [("visible", "A1:F5", True), ("hidden", "A1:H900", True), ("veryHidden", "A1:B4", False)],
)
def test_a_sheet(tmp_path: Path, state: str, stated: str, shown: bool) -> None:
    (row,) = accounts(sheet_trial(sheet(state, stated)).write(tmp_path))
    rows, columns = (5, 6) if stated == "A1:F5" else (900, 8) if shown else (4, 2)
    expected = {
        "container": "xlsx", "stated_rows": rows, "stated_columns": columns,
        "extent_as_stated": shown, "rows_read": 4, "columns_read": 6, "tables_held": 2,
        "table_read": "Data", "table_state": state, "header_row": 1, "encoding": "",
        "delimiter": "", "quoting": "", "missing_reasons": "#N/A 1",
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected


def test_a_state_of_a_sheet_that_no_program_knows(tmp_path: Path) -> None:
    data = sheet("hidden")
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    parts["xl/workbook.xml"] = parts["xl/workbook.xml"].replace(b'"hidden"', b'"=cmd()"')
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as new:
        for name, text in parts.items():
            new.writestr(name, text)
    (row,) = accounts(sheet_trial(out.getvalue()).write(tmp_path))
    assert row["table_state"] == "unknown"


def _sav(path: Path, frame: pd.DataFrame) -> None:
    pyreadstat.write_sav(frame, str(path))


def _parquet(path: Path, frame: pd.DataFrame) -> None:
    frame.to_parquet(path, index=False)


@pytest.mark.parametrize(("kind", "write"), [("sav", _sav), ("parquet", _parquet)])
def test_files_that_name_their_columns(
    tmp_path: Path, kind: str, write: Callable[[Path, pd.DataFrame], None]
) -> None:
    frame = pd.read_csv(io.StringIO(TABLE)).reindex(range(5))  # the last row is blank
    folder = arm_trial().without("table.csv").but("table.csv", f"table.{kind}").write(tmp_path)
    write(folder / f"table.{kind}", frame)
    (row,) = accounts(folder)
    expected = {
        "container": kind, "stated_rows": 5, "stated_columns": 6, "extent_as_stated": True,
        "rows_read": 4, "blank_rows": 1, "rows_kept": 4, "header_row": None, "encoding": "utf-8",
        "encoding_reason": "stated in the file",
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected


def test_persons_in_several_files(tmp_path: Path) -> None:
    recipe = participant_trial(persons=12)
    lines = str(recipe.files["people.csv"]).splitlines()
    recipe = recipe.having("later.csv", "\n".join([*lines[:8], lines[8].replace("P0", "Q0")]))
    later = ("  - id: later\n    kind: participant_rows\n    file: later.csv\n"
             "    columns: {participant: person, arm: group}\noutcomes:\n")  # fmt: skip
    recipe = recipe.but("outcomes:\n", later)
    recipe = recipe.but("column: visited", "column: visited\n    source: later")
    recipe = recipe.but("column: intend", "column: intend\n    source: people")
    found = {row["source_id"]: row for row in accounts(recipe.write(tmp_path))}
    assert (found["people"]["persons"], found["people"]["shared_persons"]) == (12, 7)
    assert (found["later"]["persons"], found["later"]["shared_persons"]) == (8, 7)
    (alone,) = accounts(participant_trial(persons=12).called("alone").write(tmp_path))
    assert (alone["persons"], alone["shared_persons"]) == (12, None)


def test_persons_of_three_sources() -> None:
    sources = {"a": [0, 1, 2], "b": [2, 2, -1], "c": [5]}
    numbers = {name: np.array(found) for name, found in sources.items()}
    assert shared_persons(numbers) == {"a": 1, "b": 1, "c": 0}
    assert shared_persons({"a": np.array([0])}) == {}


def raw_of(account: Account, names: int, **more: Any) -> RawTable:
    columns = {f"c{i}": None for i in range(names)}
    given = {"named": tuple(columns)} | more
    return RawTable("f", columns, np.arange(3), "0" * 64, 9, account, **given)  # type: ignore[arg-type]


def test_names_of_columns_are_listed_within_bounds(tmp_path: Path) -> None:
    manifest = load_manifest(arm_trial().write(tmp_path))
    source, declared = manifest.sources[0], Declared(("c0", "c1", "gone", "c0"))
    many = file_read(manifest, source, raw_of(Account("csv"), 30), declared, 3)
    assert many["columns_used"] == 2 and many["columns_read"] == 30
    assert str(many["columns_unused"]).startswith("c2, c3, ")
    assert str(many["columns_unused"]).endswith(", c21 and 8 more")
    some = file_read(manifest, source, raw_of(Account("csv"), 5, named=("c0", "c4")), declared, 3)
    assert some["columns_unused"] == "c4 and 2 more"
    none = file_read(manifest, source, raw_of(Account("csv"), 5, named=()), declared, 3)
    assert none["columns_unused"] == "3 without a plausible name"


def test_sheets_of_participants_are_not_named(tmp_path: Path) -> None:
    manifest = load_manifest(arm_trial().write(tmp_path))
    raw = raw_of(Account("xlsx", table="Anna Muster", table_state="visible"), 2)
    for participants, name in ((True, ""), (False, "Anna Muster")):
        row = file_read(manifest, manifest.sources[0], raw, Declared((), participants), 3)
        assert row["table_read"] == name


STALE = {"collection_id": "t", "file": "a.xlsx", "source_kind": "arm_summaries",
         "container": "xlsx", "stated_rows": 21, "rows_read": 40, "blank_rows": 3,
         "extent_as_stated": False}  # fmt: skip


def test_a_stale_extent_of_a_sheet_is_a_note() -> None:
    (found,) = compare_extent(STALE)
    assert (found.rule_id, found.severity, found.file) == ("extent_stale", Severity.INFO, "a.xlsx")
    assert found.trial_id == "t" and "21 rows and holds 41" in found.message
    assert compare_extent(STALE | {"extent_as_stated": True}) == []
    assert compare_extent(STALE | {"extent_as_stated": None}) == []


def test_rows_that_do_not_add_up_are_an_error() -> None:
    with pytest.raises(TrialFileError) as caught:
        compare_extent(STALE | {"container": "sav", "file": "a.sav"})
    (found,) = caught.value.findings
    assert (found.rule_id, found.severity) == ("rows_do_not_add_up", Severity.ERROR)
    assert "states 21 rows; 40 rows and 3 blank ones" in found.message and found.fix


def test_findings_do_not_count_participants_out() -> None:
    """Findings are published, and the rows of such a file are persons."""
    people = STALE | {"source_kind": "participant_rows"}
    (found,) = compare_extent(people)
    with pytest.raises(TrialFileError) as caught:
        compare_extent(people | {"container": "parquet"})
    for message in (found.message, caught.value.findings[0].message):
        assert not re.search(r"\d", message)


TIGHT = {
    "unpacked_megabytes": 0.001, "rows": 3, "columns": 5, "cells": 20, "cell_length": 8,
    "seconds": 1e-9,
}  # fmt: skip
"""A limit of each kind that the sheet passes."""


@pytest.mark.parametrize("name", [field.name for field in fields(Limits)])
def test_each_limit_is_held(tmp_path: Path, name: str) -> None:
    folder = sheet_trial(sheet()).write(tmp_path)
    assert stage_trial(folder, Limits()).findings[0].rule_id == "error_values"
    staged = stage_trial(folder, Limits(**{name: TIGHT[name]}))
    (found,) = staged.findings
    assert found.rule_id == ("file_too_slow" if name == "seconds" else "file_too_large")
    assert "[reading]" in found.fix and staged.files == [] and staged.records == {}


def as_csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def as_parquet(frame: pd.DataFrame) -> bytes:
    return frame.to_parquet(index=False)


def as_sav(frame: pd.DataFrame) -> bytes:
    with tempfile.TemporaryDirectory() as room:
        pyreadstat.write_sav(frame, f"{room}/a.sav")
        return Path(room, "a.sav").read_bytes()


_KINDS = {"csv": as_csv, "parquet": as_parquet, "sav": as_sav}
_HELD = [(kind, name) for kind in _KINDS for name in TIGHT]


@pytest.mark.parametrize(("kind", "name"), _HELD)
def test_each_limit_is_held_in_every_kind_of_file(tmp_path: Path, kind: str, name: str) -> None:
    frame = pd.concat([pd.read_csv(io.StringIO(TABLE))] * 40, ignore_index=True)
    recipe = arm_trial().without("table.csv").but("table.csv", f"table.{kind}")
    folder = recipe.having(f"table.{kind}", _KINDS[kind](frame)).write(tmp_path)
    assert [row["rows_read"] for row in stage_trial(folder, Limits()).files] == [160]
    staged = stage_trial(folder, Limits(**{name: TIGHT[name]}))
    (found,) = staged.findings
    slow = "file_too_slow" if name == "seconds" else "file_too_large"
    assert found.rule_id == slow
    assert staged.files == [] and staged.records == {}
