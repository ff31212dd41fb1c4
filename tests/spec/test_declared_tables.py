"""What the declarations of tables promise, and frames made to conform to them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from validations.schema import Column, RowRule, TableSchema
from validations.tables import TABLES, codebook, conform, made_columns


@pytest.mark.parametrize(
    ("column", "given", "expected", "dtype"),
    [
        ("trial_id", ["a", None, math.nan, pd.NA], ["a", "", "", ""], "string"),
        ("trial_id", [1, True, "", "x"], ["1", "True", "", "x"], "string"),
        ("year", [2020, None, "2021", "soon"], [2020, pd.NA, 2021, pd.NA], "Int64"),
        ("year", [2.4, 2.6, math.nan, 3], [2, 3, pd.NA, 3], "Int64"),
        ("randomized", [1, 0, None, "yes"], [True, False, pd.NA, True], "boolean"),
        ("n_analyzed", ["4", None, "x", 2.5], [4.0, math.nan, math.nan, 2.5], "float64"),
    ],
)  # fmt: skip
def test_each_kind(column: str, given: list[Any], expected: list[Any], dtype: str) -> None:
    frame = pd.DataFrame({column: pd.Series(given, dtype=object)})
    found = conform(frame.set_index(pd.Index([5, 5, 1, 0])), "trials")
    assert list(found) == TABLES["trials"].names and list(found.index) == [0, 1, 2, 3]
    pd.testing.assert_series_equal(found[column], pd.Series(expected, dtype=dtype, name=column))


def test_missing_columns_are_empty_and_others_left_out() -> None:
    found = conform(pd.DataFrame({"surplus": [1], "citation": ["x"]}), "trials")
    assert "surplus" not in found
    row = found.iloc[0]
    assert row["citation"] == "x" and row["doi"] == ""
    assert row["year"] is pd.NA and row["randomized"] is pd.NA and np.isnan(row["n_analyzed"])


@pytest.mark.parametrize("name", list(TABLES))
def test_a_table_without_rows_has_its_columns_and_kinds(name: str) -> None:
    kinds = {"text": "string", "integer": "Int64", "boolean": "boolean", "number": "float64"}
    typed = pd.DataFrame({c: pd.Series([], dtype="datetime64[ns]") for c in TABLES[name].names})
    for empty in (pd.DataFrame(), typed):
        found = conform(empty, name)
        assert [str(d) for d in found.dtypes] == [kinds[c.kind] for c in TABLES[name].columns]
        assert len(found) == 0


def test_withheld_is_added_when_a_table_is_published() -> None:
    assert "withheld" in TABLES["arms"].names
    assert made_columns("arms") == [c for c in TABLES["arms"].names if c != "withheld"]
    assert made_columns("moderators") == TABLES["moderators"].names


@pytest.mark.parametrize("name", list(TABLES))
def test_columns_of_the_key_are_required_and_no_others(name: str) -> None:
    table = TABLES[name]
    assert table.name == name and len(set(table.names)) == len(table.names)
    assert {c.name for c in table.columns if c.required} == set(table.key)
    assert set(table.key) <= set(table.names)


def test_the_codebook_lists_every_column_once() -> None:
    book = codebook()
    assert list(book) == ["table_name", "column_name", "column_kind", "unit", "meaning"]
    assert len(book) == sum(len(table.columns) for table in TABLES.values())
    (row,) = book[(book["table_name"] == "trials") & (book["column_name"] == "year")].to_numpy()
    assert list(row) == ["trials", "year", "integer", "year", "year of publication"]


def test_parts_of_a_declaration() -> None:
    kinds = {"text": False, "number": True, "integer": True, "boolean": False}
    columns = tuple(Column(k, k, k) for k in kinds)  # type: ignore[arg-type]
    assert {c.name: c.is_number for c in columns} == kinds
    table = TableSchema("t", "", columns)
    assert table.names == list(kinds) and table.column("integer") is columns[2]
    assert (table.key, table.rules, table.duplicate) == ((), (), "the row stands more than once")
    plain = columns[0]
    assert (plain.unit, plain.required, plain.allowed, plain.whole, plain.tiny, plain.fix) == (
        "", False, (), False, False, ""
    )  # fmt: skip
    assert RowRule("adds_up", "", "").flag == "ok:adds_up"
