"""The page on data quality shows how every file was read, the unusual ones first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dashboard.blocks import Cell, Paragraph, Table
from dashboard.pages.quality import _files
from ibgap.releases.view import ReleaseView
from tests.dashboard.made import Client, Made, main_trials, make_release

PLAIN: dict[str, Any] = {
    "collection_id": "trial_00", "source_id": "a", "source_kind": "arm_summaries",
    "file": "plain.csv", "container": "csv", "rows_read": 1234, "rows_kept": 1200,
    "columns_read": 6, "columns_used": 6, "encoding": "utf-8", "encoding_reason": "default",
    "delimiter": "tab", "header_row": 2, "tables_held": 1,
}  # fmt: skip
FILES = [
    PLAIN,
    PLAIN | {"source_id": "b", "file": "odd.csv", "encoding": "latin-1", "columns_used": 5,
             "columns_unused": "age", "encoding_reason": "declared"},
    PLAIN | {"source_id": "c", "file": "doubt.csv", "encoding": "cp1252",
             "encoding_reason": "declared"},
    PLAIN | {"collection_id": "trial_01", "file": "book.xlsx", "container": "xlsx",
             "table_read": "Data", "table_state": "hidden", "tables_held": 2, "encoding": "",
             "delimiter": "", "stated_rows": 10, "extent_as_stated": False},
    PLAIN | {"collection_id": "trial_02", "source_kind": "participant_rows", "file": "rows.csv",
             "rows_read": None, "rows_kept": 45, "withheld": "counts rounded"},
]  # fmt: skip
DOUBT = {"trial_id": "trial_00", "rule_id": "encoding_doubtful", "severity": "warning",
         "message": "m", "file": "doubt.csv", "status": "open"}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("files")
    return make_release(folder, main_trials(4), findings=[DOUBT], files=FILES, whole=False)


def cells(made: Made) -> list[list[tuple[str, str]]]:
    _, table = _files(ReleaseView(made.folder))
    assert isinstance(table, Table)
    return [
        [(c.text, c.note) if isinstance(c, Cell) else (c, "") for c in row] for row in table.rows
    ]


def test_every_file_is_a_row_and_the_unusual_come_first(made: Made) -> None:
    rows = cells(made)
    assert [row[0][0] for row in rows] == [
        "odd.csv", "doubt.csv", "book.xlsx", "plain.csv", "rows.csv"
    ]  # fmt: skip
    assert [row[1][0] for row in rows] == [
        "latin-1, as declared", "cp1252 is doubtful",
        "the sheet is hidden; the sheet states 10 rows and holds 1,235", "nothing unusual",
        "nothing unusual",
    ]  # fmt: skip


def test_what_a_row_says(made: Made) -> None:
    label = next(t.label or t.id for t in main_trials(4) if t.id == "trial_00")
    plain, confidential = cells(made)[3:]
    assert plain == [
        ("plain.csv", label), ("nothing unusual", ""), ("1,234", ""), ("1,200", ""), ("6", ""),
        ("none", ""), ("utf-8, tab, header in row 2", ""),
    ]  # fmt: skip
    assert [c[0] for c in confidential[2:4]] == ["\u2013", "45"]
    assert confidential[6][1] == "counts rounded"


def test_the_page_has_the_section(made: Made) -> None:
    text = Client(made.folder.parent).follow("/quality").text
    assert "Files read" in text and "5 files read; 3 with something to look at" in text
    assert "the sheet is hidden" in text


def test_a_release_without_the_table(made: Made, tmp_path: Path) -> None:
    old = make_release(tmp_path, main_trials(3), whole=False)
    record = json.loads((old.folder / "release.json").read_text(encoding="utf-8"))
    del record["counts"]["files_read"]
    (old.folder / "release.json").write_text(json.dumps(record), encoding="utf-8")
    (old.folder / "tables" / "files_read.parquet").unlink()
    (said,) = _files(ReleaseView(old.folder))
    assert isinstance(said, Paragraph) and "does not say how its files were read" in said.text
    assert Client(tmp_path).follow("/quality").status_code == 200
