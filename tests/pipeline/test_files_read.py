"""From folders to a release: the published account of every file that was read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import duckdb
import pandas as pd

from tests.builders import arm_trial, participant_trial
from validations.tables import TABLES

from .conftest import Home


def rows(home: Home) -> dict[str, dict[str, object]]:
    table = home.release().table("files_read").astype(object)
    assert list(table) == TABLES["files_read"].names
    return table.where(table.notna(), None).set_index("collection_id").to_dict("index")


def digest(home: Home, file: str) -> tuple[str, int]:
    data = (home.trials / file).read_bytes()
    return hashlib.sha256(data).hexdigest(), len(data)


def test_a_table_of_a_publication_is_told_exactly(small: Home) -> None:
    sha256, size = digest(small, "arms_trial/table.csv")
    assert rows(small)["arms_trial"] == {
        "source_id": "table", "source_kind": "arm_summaries", "file": "table.csv",
        "container": "csv", "bytes": size, "sha256": sha256, "tables_held": 1, "table_read": "",
        "table_state": "", "stated_rows": None, "stated_columns": None, "extent_as_stated": None,
        "header_row": 1, "rows_read": 4, "blank_rows": 0, "rows_kept": 4, "columns_read": 6,
        "columns_used": 6, "columns_unused": "", "encoding": "utf-8",
        "encoding_reason": "default", "delimiter": "comma", "quoting": "doubled",
        "decimal": "point", "missing_reasons": "", "persons": None, "shared_persons": None,
        "withheld": "",
    }  # fmt: skip


def test_a_file_of_participants_passes_the_disclosure_rules(small: Home) -> None:
    found = rows(small)["small_trial"]
    persons = len((small.trials / "small_trial" / "people.csv").read_text().splitlines()) - 1
    shown = 5 * round(persons / 5)
    assert [found[n] for n in ("rows_read", "rows_kept", "persons")] == [shown] * 3
    assert found["bytes"] is None and found["withheld"]
    assert (
        found["columns_unused"] == "site"
        and found["sha256"] == digest(small, "small_trial/people.csv")[0]
    )


def test_a_file_of_which_no_row_is_used_is_protected_too(make_home: Callable[..., Home]) -> None:
    """No row of it is a record, and its rows are persons all the same."""
    where = "file: people.csv\n    where: {group: [nobody]}"
    home = make_home(participant_trial(persons=41).but("file: people.csv", where), arm_trial())
    home.refresh()
    found = rows(home)
    assert found["small_trial"]["columns_read"] == 5 and found["small_trial"]["withheld"]
    for name in ("rows_read", "rows_kept", "persons", "bytes"):
        assert found["small_trial"][name] is None
    assert found["arms_trial"]["withheld"] == ""


def test_other_profiles(make_home: Callable[..., Home]) -> None:
    home = make_home(participant_trial(persons=41))
    home.refresh(disclosure="none")
    found = rows(home)["small_trial"]
    assert (found["rows_read"], found["persons"], found["withheld"]) == (41, 41, "")


def test_it_is_in_the_database_and_the_codebook(small: Home) -> None:
    path = str(small.releases / "current" / "ibgap.duckdb")
    query = "SELECT count(*) FROM files_read WHERE columns_read >= columns_used"
    with duckdb.connect(path, read_only=True) as db:
        ((count,),) = db.execute(query).fetchall()
    assert count == 4
    book = small.release().table("codebook")
    assert isinstance(book, pd.DataFrame)
    listed = book[book["table_name"] == "files_read"]["column_name"]
    assert list(listed) == TABLES["files_read"].names


def test_its_contract_is_checked_before_it_is_published() -> None:
    from assets.journey.as_they_are import tables_of_journeys

    checked = {(key.asset_key.path[-1], key.name) for key in tables_of_journeys.check_keys}
    assert ("files_read", "keeps_its_contract") in checked
