"""What is published of the files of confidential trials: their rows are persons."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from assets.disclosure.files import protect_files
from validations.files_read import VOCABULARIES
from validations.manifest.vocabulary import DisclosureProfile as Profile
from validations.tables import TABLES, conform


def file(**more: Any) -> dict[str, Any]:
    """A file of 43 persons; `missing_reasons` has words of the file in it."""
    return {
        "collection_id": "t", "source_id": "a", "source_kind": "participant_rows",
        "file": "a.sav", "sha256": "1" * 64, "bytes": 4321, "stated_rows": 52, "rows_read": 43,
        "blank_rows": 9, "rows_kept": 43, "columns_read": 5, "persons": 42, "shared_persons": 38,
        "missing_reasons": ".a 12; code 99 3", "extent_as_stated": True,
    } | more  # fmt: skip


def published(*files: dict[str, Any], profile: Profile = Profile.ROUNDED) -> list[dict[str, Any]]:
    frame = protect_files(pd.DataFrame(list(files)), {"t": profile})
    rows = conform(frame, "files_read").astype(object)
    return rows.where(rows.notna(), None).to_dict("records")


def test_counts_are_rounded_and_sizes_withheld() -> None:
    (row,) = published(file())
    expected = {
        "rows_read": 45, "rows_kept": 45, "persons": 40, "shared_persons": 40, "blank_rows": 10,
        "bytes": None, "stated_rows": None, "missing_reasons": ".a; code 99", "columns_read": 5,
        "sha256": "1" * 64, "extent_as_stated": True,
        "withheld": "counts rounded, sizes withheld for disclosure",
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected


def test_few_persons_are_not_counted() -> None:
    (row,) = published(file(rows_read=7, rows_kept=7, persons=7, shared_persons=0, blank_rows=3))
    hidden = ("rows_read", "rows_kept", "persons", "shared_persons", "blank_rows")
    assert [row[name] for name in hidden] == [None] * 5


def test_rows_read_and_rows_kept_never_stand_together() -> None:
    """Findings say how many rows were left out: with both rounded, it would give both away."""
    for left in range(1, 12):
        (row,) = published(file(rows_kept=43 - left))
        assert row["rows_read"] is None and row["rows_kept"] is not None


def test_profiles() -> None:
    (row,) = published(file(), profile=Profile.BASIC)
    assert (row["rows_read"], row["persons"], row["bytes"]) == (43, 42, None)
    assert row["withheld"] == "counts basic, sizes withheld for disclosure"
    for profile in (Profile.NONE, Profile.PUBLISHED):
        (row,) = published(file(), profile=profile)
        assert (row["rows_read"], row["bytes"], row["withheld"]) == (43, 4321, "")
        assert row["missing_reasons"] == ".a 12; code 99 3"


def test_other_files_and_trials_stay_as_they_are() -> None:
    table = file(source_id="b", source_kind="arm_summaries", sha256="2" * 64, persons=None)
    other = file(collection_id="u")
    _, mine, theirs = published(file(), table, other)
    assert (mine["rows_read"], mine["bytes"], mine["withheld"]) == (43, 4321, "")
    assert (theirs["rows_read"], theirs["persons"], theirs["withheld"]) == (43, 42, "")


def test_the_same_bytes_read_as_another_kind_are_protected_too() -> None:
    same = file(source_id="b", source_kind="reported_effects", file="copy.sav")
    for row in published(file(), same):
        assert (row["rows_read"], row["bytes"]) == (45, None)


def test_no_file() -> None:
    assert published() == []


@pytest.mark.parametrize("column", list(VOCABULARIES))
def test_a_word_that_is_not_declared_breaks_the_contract(column: str) -> None:
    from validations.expectations import validate
    from validations.judge import with_keys

    def broken(word: str) -> set[tuple[str, str]]:
        frame = conform(pd.DataFrame([file(source_kind="correlations") | {column: word}]),
                        "files_read")  # fmt: skip
        keyed = with_keys(frame, TABLES["files_read"])
        plain = keyed.astype(object).where(keyed.notna(), None).replace({"": None})
        _, outcomes = validate(plain, TABLES["files_read"])
        return {(one.rule_id, one.column) for one in outcomes if not one.success}

    assert broken("nonsense") == {("value_allowed", column)}
    assert not any(broken(word) for word in VOCABULARIES[column])
