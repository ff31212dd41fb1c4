"""Texts that manifests declare, and cells with types of their own."""

from __future__ import annotations

import pandas as pd
import pytest

from assets.sources.cell_texts import as_text
from assets.sources.declared_texts import translated


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
        (None, ""), (float("nan"), ""), (pd.NaT, ""), (True, "1"), (False, "0"), (3.0, "3"),
        (-2.0, "-2"), (2.5, "2.5"), (1e15, "1000000000000000.0"), (-1e15, "-1000000000000000.0"),
        (999999999999999.0, "999999999999999"), (7, "7"), ("  a b ", "a b"),
    ],
)  # fmt: skip
def test_cells_as_people_type_them(value: object, text: str) -> None:
    assert as_text(value) == text
