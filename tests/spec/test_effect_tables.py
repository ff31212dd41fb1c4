"""Effects of a whole table in one call: a measure per row, columns by name, errors that help."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.effect_sizes.measures import MEASURES, compute_effect_sizes, inputs_of
from analysis.errors import EstimationError

ROWS = ["SMD", "OR", "ROM", "OR", "ZCOR", "PETO", "PLO", "SMD", "IRR", "MD", "RD", "PR"]
NEEDED = sorted({name for code in ROWS for name in inputs_of(code)})


def table() -> pd.DataFrame:
    """Twelve studies of several designs; a column is empty where a row's measure has no use."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({name: np.full(len(ROWS), np.nan) for name in NEEDED})
    frame.insert(0, "study", [f"study {i}" for i in range(len(ROWS))])
    for i, code in enumerate(ROWS):
        for name in inputs_of(code):
            n = name.startswith("n")
            frame.loc[i, name] = (
                rng.integers(30, 90) if n else
                rng.integers(0, 9) if name.startswith("events") else
                rng.uniform(0.1, 0.7)
            )  # fmt: skip
    frame.loc[1, "events1i"] = frame.loc[10, "events2i"] = 0.0
    return frame


def rows_of(frame: pd.DataFrame, code: str) -> dict[str, np.ndarray]:
    own = frame[[one == code for one in ROWS]]
    return {name: own[name].to_numpy() for name in inputs_of(code)}


@pytest.mark.parametrize(
    "options", [{}, {"SMD": {"variance": "UB"}, "OR": {"zero_cells": "if0all", "add": 0.25}}]
)
def test_mixed_measures_equal_the_single_calls(options: dict[str, dict[str, Any]]) -> None:
    frame = table()
    made = compute_effect_sizes(frame, ROWS, options=options)
    assert made.measure == tuple(ROWS)
    assert np.isfinite(made.yi).all() and (made.vi > 0).all()
    for code in dict.fromkeys(ROWS):
        own = np.array([one == code for one in ROWS])
        single = MEASURES[code](**rows_of(frame, code), **options.get(code, {}))
        np.testing.assert_array_equal(made.yi[own], single.yi)
        np.testing.assert_array_equal(made.vi[own], single.vi)
        assert {name for name, mine in zip(made.formula, own, strict=True) if mine} == {
            single.formula
        }


def test_a_formula_names_what_made_its_number() -> None:
    made = compute_effect_sizes(table(), ROWS, options={"OR": {"zero_cells": "all"}})
    assert all(made.formula)
    assert made.formula[0] == "hedges_g/exact_j/LS"
    assert made.formula[1] == made.formula[3] == "log_odds_ratio/woolf/zero_cells_all"


def test_the_order_of_rows_and_columns_does_not_matter() -> None:
    frame = table()
    made = compute_effect_sizes(frame, ROWS)
    turned = compute_effect_sizes(frame.iloc[::-1, ::-1], ROWS[::-1])
    np.testing.assert_array_equal(turned.yi[::-1], made.yi)
    np.testing.assert_array_equal(turned.vi[::-1], made.vi)


def test_a_mapping_of_lists_and_numbers_is_a_table() -> None:
    columns = {"m1i": [1.0, 2.0], "sd1i": 1.0, "n1i": [20, 30], "m2i": 0.5, "sd2i": 2.0, "n2i": 25}
    made = compute_effect_sizes(columns, "SMD")
    single = MEASURES["SMD"](**columns)
    np.testing.assert_array_equal([made.yi, made.vi], [single.yi, single.vi])
    measures = pd.Series(["SMD", "MD"])
    both = compute_effect_sizes(columns, measures)
    assert both.measure == ("SMD", "MD") and both.yi[0] == made.yi[0] and both.yi[1] == 1.5


def test_a_table_without_rows() -> None:
    made = compute_effect_sizes({name: [] for name in NEEDED}, "SMD")
    assert (made.yi.size, made.vi.size, made.measure, made.formula) == (0, 0, (), ())


@pytest.mark.parametrize("code", MEASURES)
def test_every_measure_is_called_by_its_columns_in_order(code: str) -> None:
    """The table call passes columns by name; the order of `inputs_of` is that of the function."""
    rng = np.random.default_rng(7)
    names = inputs_of(code)
    columns = {
        name: np.full(3, 40.0) if name.startswith("n") else
        np.array([3.0, 5.0, 4.0]) if name.startswith(("events", "items", "predictors")) else
        rng.uniform(0.2, 0.6, 3)
        for name in names
    }  # fmt: skip
    made = compute_effect_sizes(columns, code)
    single = MEASURES[code](*columns.values())
    np.testing.assert_array_equal([made.yi, made.vi], [single.yi, single.vi])
    assert set(made.formula) == {single.formula}
    assert np.isfinite(made.yi).all() and (made.vi > 0).all()


@pytest.mark.parametrize("measures", ["SDM", [*ROWS[:-1], "SDM"]])
def test_an_unknown_measure_is_answered_with_the_known_ones(measures: str | list[str]) -> None:
    with pytest.raises(EstimationError, match=r"unknown measure 'SDM'; known: SMD, SMDH, .* ABT$"):
        compute_effect_sizes(table(), measures)
    with pytest.raises(EstimationError, match="unknown measure 'SDM'"):
        inputs_of("SDM")


def test_missing_columns_are_named_beside_the_needed_ones() -> None:
    frame = table().drop(columns=["sd2i", "m1i"])
    needed = "SMD needs the columns m1i, sd1i, n1i, m2i, sd2i, n2i; not there: m1i, sd2i"
    with pytest.raises(EstimationError, match=f"^{needed}$"):
        compute_effect_sizes(frame, ROWS)
    assert np.isfinite(compute_effect_sizes(frame, "OR").yi[[1, 3]]).all(), (
        "not needed by odds ratios"
    )


@pytest.mark.parametrize("count", [1, 11, 13])
def test_as_many_measures_as_rows(count: int) -> None:
    with pytest.raises(EstimationError, match=f"^{count} measures for a table of 12 rows$"):
        compute_effect_sizes(table(), (ROWS + ROWS)[:count])


def test_columns_of_different_length_are_named() -> None:
    columns = {"m1i": [1.0, 2.0, 3.0], "sd1i": [1.0, 1.0], "n1i": 9, "m2i": 0, "sd2i": 1, "n2i": 9}
    with pytest.raises(EstimationError, match="sd1i has 2 values"):
        compute_effect_sizes(columns, "SMD")


def test_a_refused_row_is_named_by_its_place_in_the_table() -> None:
    frame = table()
    frame.loc[7, "sd1i"] = 0.0
    with pytest.raises(EstimationError, match=r"standard deviations .* \(row 7\)$"):
        compute_effect_sizes(frame, ROWS)


def test_an_unknown_option_of_a_measure_is_refused() -> None:
    with pytest.raises(EstimationError, match="unknown variance formula 'XX'; known: LS, LS2, UB"):
        compute_effect_sizes(table().iloc[[0]], "SMD", options={"SMD": {"variance": "XX"}})
