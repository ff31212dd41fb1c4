"""Which row is the header, what speaks for it, and what may be said about columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assets.staging.account import Account
from assets.staging.columns import column_of_texts
from assets.staging.header_evidence import (
    Declared,
    evidence,
    holds_names,
    is_number,
    is_value,
    likelier_row,
    nameable,
)
from assets.staging.headers import Grid, missing_columns, with_header
from assets.staging.reading import declared_columns
from assets.staging.unreadable import UnreadableError
from tests.builders import PROVENANCE, participant_trial
from validations.manifest import load_manifest
from validations.manifest.model import FileFormat

PEOPLE = Declared(("id", "arm", "score", "acted"), participants=True)
TABLE = Declared(("arm", "n", "mean", "sd"))
NAMES = ["id", "arm", "score", "acted"]
ROWS = [["P1", "web", "3", "yes"], ["P2", "control", "4", "no"], ["P3", "web", "5", "yes"]]


def cells(rows: list[list[str]], *, first: int = 1, delimiter: str = ",") -> Grid:
    """The grid of rows that may differ in width, as a reader of text gives it."""
    widths = np.array([len(row) for row in rows])
    padded = [row + [""] * (int(widths.max()) - len(row)) for row in rows]
    columns = [column_of_texts(column) for column in zip(*padded, strict=True)]
    numbers = np.arange(first, first + len(rows))
    account = Account("csv", delimiter=delimiter)
    return Grid(columns, numbers, int(numbers[-1]), account, widths)


def refused(found: Grid, declared: Declared, **given: int | str) -> UnreadableError:
    with pytest.raises(UnreadableError) as caught:
        with_header(found, FileFormat(**given), declared)
    return caught.value


@pytest.mark.parametrize("text", ["3", "-4.5", "1,234.5", "٣٤", "５", "12%", "<0.05", "1e-5", "3*"])
def test_numbers_of_any_script(text: str) -> None:
    assert is_number(text) and is_value(text)


@pytest.mark.parametrize(
    "text",
    ["1960-03-01", "1/3/1960", "1 March 1960", "Mar 3, 1960", "2024-05-01 10:00", "10:30",
     "a@b.example", "https://x.example", "Yes", "FALSE", "male"],
)  # fmt: skip
def test_values_that_are_no_numbers(text: str) -> None:
    assert is_value(text) and not is_number(text)


@pytest.mark.parametrize(
    "text", ["id", "q1", "score_2", "Age (years)", "T2 intention", "arm", "no."]
)
def test_names_are_no_values(text: str) -> None:
    assert not is_value(text)


def test_evidence_counts_declared_names_and_cells_that_look_like_values() -> None:
    assert evidence(NAMES, ROWS, PEOPLE).found == 4
    assert evidence(NAMES, ROWS, PEOPLE).values == 0
    first = evidence(ROWS[0], ROWS[1:], PEOPLE)
    # "web" stands in its own column below, 3 and yes are values, P1 is none.
    assert (first.of, first.found, first.cells, first.values) == (4, 0, 4, 3)


def test_one_cell_of_its_own_column_gives_a_person_away() -> None:
    rows = [["Anna", "web", "often"], ["Ben", "control", "rarely"], ["Cleo", "web", "never"]]
    one_found = Declared(("Anna", "x", "y", "z"), participants=True)
    assert not holds_names(rows[0], rows[1:], one_found)
    assert holds_names(["Anna", "arm", "how"], rows, one_found)


def test_a_row_of_persons_without_any_declared_name_is_never_named() -> None:
    assert not holds_names(["Anna", "Berg", "often"], [["Ben", "Tal", "rarely"]], PEOPLE)
    assert holds_names(["group", "size", "m", "s"], [["web", "9", "3", "1"]], TABLE)
    assert not holds_names(["web", "9", "3", "1"], [["control", "9", "3", "1"]], TABLE)


def test_numbers_are_names_where_the_manifest_says_so() -> None:
    items = Declared(("id", "arm", "1", "2", "3"), participants=True)
    assert holds_names(["id", "arm", "1", "2", "3"], [["P1", "web", "3", "1", "2"]], items)
    # A person who answers 1, 2 and 3 is no header, and no better one than the first row.
    rows = [["P1", "web", "3", "1", "2"], ["P2", "web", "1", "2", "3"]]
    assert not holds_names(rows[1], rows[:1], items)
    assert likelier_row(rows, 0, items) is None


def test_frames_without_names_may_be_declared_by_position() -> None:
    assert holds_names(["0", "1", "2"], [["P1", "web", "1"]], Declared(("0", "1"), True))


def test_the_likelier_row_holds_more_of_the_declared_names() -> None:
    rows = [["Trial of letters"], ["2024"], ["ID", "Arm", "score", "acted"], *ROWS]
    assert likelier_row(rows, 0, PEOPLE) == 2
    assert likelier_row(rows, 2, PEOPLE) is None
    assert likelier_row([*[["x"]] * 20, NAMES], 0, PEOPLE) is None


def test_only_plausible_names_may_be_listed() -> None:
    names = [
        "id",
        "3",
        "web",
        "a@b",
        "\x1b[31mred",
        "n" * 65,
        "",
        "web.1",
        "P000123",
        "born 1960-3-1",
        "note",
    ]
    body = [["P1", "2", "web", "", "", "", "", "web", "", "", ""]]
    assert nameable(names, body) == ("id", "note")


def test_the_first_row_that_is_not_blank_is_the_header_and_rows_keep_their_numbers() -> None:
    read = with_header(cells([NAMES, *ROWS], first=4), FileFormat(), PEOPLE)
    assert [name for name, _ in read.columns] == NAMES
    assert [column.rows() for _, column in read.columns] == list(map(list, zip(*ROWS, strict=True)))
    assert read.rows.tolist() == [5, 6, 7]
    assert read.account.header_row == 4


def test_a_named_header_row_must_not_be_blank() -> None:
    found = cells([NAMES, *ROWS], first=3)
    error = refused(found, PEOPLE, header_row=1)
    assert (error.rule, error.row) == ("header_row_wrong", 1)
    assert "row 1, which format.header_row names, is blank" in error.message
    assert error.fix == "set format.header_row: 3"
    beyond = refused(found, PEOPLE, header_row=9)
    assert "no header in row 9" in beyond.message and "6 rows" in beyond.message


@pytest.mark.parametrize(("asked", "right"), [(1, 3), (2, 3), (4, 3), (6, 3)])
def test_another_header_row_is_found(asked: int, right: int) -> None:
    found = cells([["Letters"], ["printed 1 May"], NAMES, *ROWS])
    error = refused(found, PEOPLE, header_row=asked)
    assert error.rule == "header_row_wrong"
    assert error.fix == f"set format.header_row: {right}"
    assert f"row {right} looks like the header, not row {asked}" in error.message


def test_a_missing_header_is_told_with_declared_names_and_counts() -> None:
    error = refused(cells(ROWS), PEOPLE)
    assert (error.rule, error.row) == ("header_missing", 1)
    assert "none of the 4 columns that the manifest names" in error.message
    assert "3 of its 4 cells look like values" in error.message
    assert "id, arm, score, acted" in error.fix and "format.header_row: N" in error.fix
    assert "P1" not in error.message + error.fix


def test_a_row_of_units_is_a_row_like_any_other() -> None:
    units = ["", "", "points", "yes/no"]
    read = with_header(cells([NAMES, units, *ROWS]), FileFormat(), PEOPLE)
    assert read.rows.tolist() == [2, 3, 4, 5]


def test_a_delimiter_is_judged_by_the_names_it_splits_off() -> None:
    header, row = ["id;arm", "group;score;acted"], ["P1;web", "a;3;1"]
    error = refused(cells([header, row]), PEOPLE)
    assert error.rule == "delimiter_wrong"
    assert "separated by semicolons, not by commas" in error.message


def test_names_that_stand_twice_are_named_when_they_may_be() -> None:
    declared = refused(cells([[*NAMES, "acted"], [*ROWS[0], "x"]]), PEOPLE)
    assert declared.message == "the column 'acted' stands twice"
    # "web" is a value of its own column.
    hidden = refused(cells([[*NAMES, "web", "web"], [*ROWS[0], "web", "b"]]), PEOPLE)
    assert hidden.rule == "column_duplicated"
    assert "columns 5 and 6" in hidden.message and "web" not in hidden.message


def test_missing_columns_count_what_they_may_not_name() -> None:
    wanted = {"arm": ["grp"]}
    (some,) = missing_columns(wanted, ["id", "group", "3"], ["id", "group"], "a.csv")
    assert some.fix == "did you mean 'group'? columns: id, group and 1 more"
    (none,) = missing_columns(wanted, ["Anna", "grp1", "3"], [], "a.csv")
    assert none.fix == "the file has 3 columns"
    assert missing_columns({"arm": ["id"]}, ["id"], [], "a.csv") == []


def test_a_row_that_holds_as_many_names_is_no_likelier_one() -> None:
    half = ["id", "arm", "x", "y"]
    assert likelier_row([half, *ROWS, half], 4, PEOPLE) is None


def test_a_numbered_name_among_its_own_values_is_not_listed() -> None:
    assert nameable(["site_2", "wave_2"], [["site_2", "first"]]) == ("wave_2",)


def test_everything_a_manifest_names_for_a_file_is_declared(tmp_path: Path) -> None:
    recipe = participant_trial().but(
        "    column: intend\n",
        "    column: intend\n    baseline_column: before\n    item_columns: [i1, i2]\n",
    )
    recipe = recipe.but(
        "    columns:\n",
        "    recode: {ward: {a: b}}\n    where: {wave: ['2']}\n    columns:\n",
    )
    recipe = recipe.but(PROVENANCE, PROVENANCE + "moderators: [{name: age, column: years}]\n")
    manifest = load_manifest(recipe.write(tmp_path))
    declared = declared_columns(manifest, manifest.sources[0])
    assert declared.participants
    assert set(declared.columns) == {
        "person", "group", "intend", "before", "i1", "i2", "visited", "ward", "wave", "years",
    }  # fmt: skip
