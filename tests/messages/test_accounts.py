"""How files were read, as the check of a folder and the trace of an effect say it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dashboard.file_accounts import (
    account_lines,
    extent_words,
    reading_words,
    unused_columns,
    unusual,
)
from ibgap.cli import exits
from tests.builders import arm_trial, effects_trial, participant_trial

from .conftest import Answer

Command = Callable[..., Answer]

PEOPLE = {
    "collection_id": "t", "source_id": "base", "source_kind": "participant_rows",
    "file": "rows.csv", "container": "csv", "rows_read": 42, "rows_kept": 40, "columns_read": 5,
    "columns_used": 4, "columns_unused": "age", "encoding": "utf-8", "encoding_reason": "default",
    "delimiter": "comma", "decimal": "point", "header_row": 1, "tables_held": 1, "table_read": "",
    "table_state": "", "stated_rows": None, "extent_as_stated": None, "persons": 40,
    "shared_persons": 38, "withheld": "",
}  # fmt: skip
LATER = PEOPLE | {"source_id": "follow_up", "file": "later.csv"}
SHEET = PEOPLE | {
    "source_kind": "arm_summaries", "file": "a.xlsx", "container": "xlsx", "rows_read": 40,
    "encoding": "", "delimiter": "", "columns_used": 5, "columns_unused": "", "persons": None,
    "table_read": "Data", "table_state": "hidden", "tables_held": 3, "stated_rows": 21,
    "extent_as_stated": False,
}  # fmt: skip


def test_a_file_of_participants() -> None:
    assert account_lines(PEOPLE, [PEOPLE, LATER]) == [
        "rows.csv: 42 rows of 5 columns read (utf-8, comma, header in row 1); 4 columns used, "
        "not used: age; 2 rows left out by where:; 40 persons, 38 also in follow_up"
    ]
    third = LATER | {"source_id": "third"}
    assert account_lines(PEOPLE, [PEOPLE, LATER, third])[0].endswith("38 also in another source")
    none = PEOPLE | {"shared_persons": 0}
    assert account_lines(none, [none, LATER])[0].endswith("40 persons, none also in follow_up")
    assert account_lines(PEOPLE | {"shared_persons": None}, [PEOPLE])[0].endswith("; 40 persons")


def test_a_sheet_that_states_another_extent() -> None:
    assert account_lines(SHEET, [SHEET]) == [
        "a.xlsx: 40 rows of 5 columns read (hidden sheet 'Data', 1 of 3, header in row 1); "
        "5 columns used",
        "  the sheet states 21 rows and holds 41",
    ]


@pytest.mark.parametrize("missing", [None, math.nan])
def test_what_is_withheld_is_not_told(missing: Any) -> None:
    hidden = PEOPLE | {"rows_read": missing, "stated_rows": missing, "extent_as_stated": False,
                       "persons": missing, "shared_persons": missing}  # fmt: skip
    first, second = account_lines(hidden, [hidden, LATER])
    assert first == (
        "rows.csv: rows of 5 columns read (utf-8, comma, header in row 1); 4 columns used, "
        "not used: age; 40 rows kept"
    )
    assert second == "  the file states another number of rows than it holds"


def test_a_name_does_not_begin_a_line_of_its_own() -> None:
    (line,) = account_lines(PEOPLE | {"columns_unused": "a\nERROR t: b"}, [PEOPLE])
    assert "not used: a ERROR t: b" in line


def test_how_files_are_read() -> None:
    tab = PEOPLE | {"delimiter": "tab", "decimal": "comma", "header_row": 3}
    assert reading_words(tab) == ["utf-8", "tab", "decimal comma", "header in row 3"]
    sav = PEOPLE | {"container": "sav", "delimiter": "", "header_row": None}
    assert reading_words(sav) == ["utf-8", "columns named by the file"]
    xpt = sav | {"container": "xpt", "table_read": "ADSL", "tables_held": 2}
    assert reading_words(xpt)[0] == "data set 'ADSL', 1 of 2"
    assert reading_words(SHEET | {"table_state": "visible", "tables_held": 1})[0] == "sheet 'Data'"


def test_what_is_unusual() -> None:
    usual = PEOPLE | {"columns_used": 5, "columns_unused": ""}
    assert unusual(usual) == [] and extent_words(usual) == ""
    assert unusual(PEOPLE) == []  # a column that nobody named is nothing to look into
    assert unusual(SHEET) == ["the sheet is hidden", "the sheet states 21 rows and holds 41"]
    assert unusual(SHEET | {"table_state": "veryHidden", "extent_as_stated": True}) == [
        "the sheet is hidden"
    ]
    marked = usual | {"encoding": "utf-16-le", "encoding_reason": "byte order mark"}
    assert unusual(marked) == ["utf-16-le, by its first bytes"]
    declared = usual | {"encoding": "cp1252", "encoding_reason": "declared"}
    assert unusual(declared) == ["cp1252, as declared"]
    assert unusual(declared, doubted=True) == ["cp1252 is doubtful"]
    assert unusual(usual | {"encoding_reason": "declared"}) == []
    stated = usual | {"container": "sav", "stated_rows": 50, "extent_as_stated": False}
    assert unusual(stated) == ["the file states 50 rows; 42 rows were read"]


def test_columns_that_nobody_named() -> None:
    assert unused_columns(PEOPLE) == "1: age"
    assert unused_columns(PEOPLE | {"columns_used": 5, "columns_unused": ""}) == "none"
    long = PEOPLE | {"columns_read": 90, "columns_used": 5, "columns_unused": "x" * 70}
    assert unused_columns(long) == f"85: {'x' * 60}..."


def test_a_check_says_how_each_file_was_read(command: Command, tmp_path: Path) -> None:
    folder = arm_trial().but("sd: sd, ", "se: sd, ").write(tmp_path)
    where = "    file: table.csv\n    where: {outcome: [visit]}\n"
    text = (folder / "trial.yaml").read_text().replace("    file: table.csv\n", where)
    (folder / "trial.yaml").write_text(text)
    answer = command("trial", "check", folder)
    answer.says(
        "table.csv: 4 rows of 6 columns read (utf-8, comma, header in row 1); 6 columns used; "
        "2 rows left out by where:\n"
    )


def test_a_check_as_json_has_the_same_rows(command: Command, tmp_path: Path) -> None:
    folder = participant_trial(persons=24).write(tmp_path)
    answer = command("trial", "check", folder, "--json")
    assert answer.exit_code == exits.OK
    (file,) = json.loads(answer.text)["files"]
    assert (file["file"], file["rows_read"], file["persons"]) == ("people.csv", 24, 24)
    assert file["columns_unused"] == "site" and file["stated_rows"] is None


def test_the_trace_of_an_effect_names_its_file(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IBGAP_HOME", str(tmp_path))
    arm_trial().write(tmp_path / "trials")
    effects_trial().write(tmp_path / "trials")
    command("refresh")
    answer = command("explain", "arms_trial:letter_vs_control:intention@0w:SMD")
    answer.says(
        "  file        table.csv: 4 rows of 6 columns read (utf-8, comma, header in row 1); "
        "6 columns used\n"
    )
    answer.does_not_say("printed.csv")
    record = tmp_path / "releases" / "current" / "release.json"
    old = json.loads(record.read_text())
    del old["counts"]["files_read"]  # a release made before the table was
    record.write_text(json.dumps(old))
    again = command("explain", "arms_trial:letter_vs_control:intention@0w:SMD")
    again.says("From table.csv, rows")
    again.does_not_say("columns read")


def test_reasons_of_missing_cells_are_told_with_their_counts() -> None:
    told = account_lines(PEOPLE | {"missing_reasons": ".a 3; .z 1"}, [PEOPLE])[0]
    assert told.endswith("; missing for a reason: .a 3, .z 1")
    assert "reason" not in account_lines(PEOPLE, [PEOPLE])[0]
