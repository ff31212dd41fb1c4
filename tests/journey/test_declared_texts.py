"""Texts that manifests declare, and cells with types of their own."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from assets.sources.cell_texts import as_text
from assets.sources.declared_texts import translated
from assets.sources.statistics_files import read_parquet


def told(*cells: str, decimal: str = ".", **mapping: str) -> list[str]:
    own = {k.removeprefix("_").replace("m", "-"): v for k, v in mapping.items()}
    made = translated(pd.Series(cells, index=range(5, 5 + len(cells))), own, decimal)
    assert list(made.index) == list(range(5, 5 + len(cells))) and made.dtype == object
    return list(made)


def test_whole_numbers_with_empty_decimals() -> None:
    cells = ("1", "1.0", "1.00", "-9.0", "+1.0", "1.5", "10", "1.", "x1.0", "1,0")
    assert told(*cells, _1="a", _m9="b") == [
        "a", "a", "a", "b", "+1.0", "1.5", "10", "1.", "x1.0", "1,0"
    ]  # fmt: skip
    assert told("1,0", "1.0", "1,5", decimal=",", _1="a") == ["a", "1.0", "1,5"]


def test_declared_texts_with_empty_decimals() -> None:
    mapping = {"2.0": "two", "3": "three", "3.0": "other", "0.50": "half"}
    made = translated(pd.Series(["2", "2.0", "2.00", "3", "3.0", "0.5", "0.50"]), mapping)
    assert list(made) == ["two", "two", "two", "three", "other", "0.5", "half"]


def test_nothing_declared_changes_nothing() -> None:
    cells = pd.Series(["1.0", ""])
    assert translated(cells, {}) is cells


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), (float("nan"), ""), (pd.NaT, ""), (pd.NA, ""), (np.float32("nan"), ""),
        (np.bool_(True), "1"), (np.float32(3.0), "3"), (np.int64(4), "4"),
        (True, "1"), (False, "0"), (3.0, "3"),
        (-2.0, "-2"), (2.5, "2.5"), (1e15, "1000000000000000.0"), (-1e15, "-1000000000000000.0"),
        (999999999999999.0, "999999999999999"), (7, "7"), ("  a b ", "a b"),
    ],
)  # fmt: skip
def test_cells_as_people_type_them(value: object, text: str) -> None:
    assert as_text(value) == text


def test_missing_cells_of_parquet_files_are_empty() -> None:
    """Also of the columns of pandas that know a missing value of their own."""
    frame = pd.DataFrame({
        "n": pd.array([1, None, 2], dtype="Int64"), "label": pd.array(["x", None, "y"], "string"),
        "yes": pd.array([True, None, False], dtype="boolean"), "mean": [1.5, 7.0, 2.0],
    })  # fmt: skip
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    found = read_parquet(buffer.getvalue()).frame
    assert found.to_numpy().tolist() == [
        ["1", "x", "1", "1.5"], ["", "", "", "7"], ["2", "y", "0", "2"]
    ]  # fmt: skip
