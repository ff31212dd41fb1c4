"""Moderators: levels of a category, the slope on a number, and the codebook's tags."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.synthesis import Stack, TrialEffects
from analysis.synthesis.moderator_effects import SLOPE, moderator_effects
from analysis.synthesis.moderators import Moderator, declared_moderators
from analysis.univariate.meta_regression import fit_meta_regression

from .stacks import group_of

YI = [0.1, 0.3, 0.2, 0.6, 0.5]
VI = [0.02, 0.03, 0.02, 0.04, 0.03]
WEEKS = [1.0, 2.0, 3.0, 6.0, 8.0]


def stack() -> Stack:
    trials = []
    for i, (yi, vi) in enumerate(zip(YI, VI, strict=True)):
        record = {
            "trial_id": f"t{i}",
            "synthesis": "main",
            "upstream_construct": "intention",
            "construct": "behavior",
            "topic": "help_seeking",
            "measured_by": "record" if i < 2 else "self_report",
            "yi": yi,
            "vi": vi,
        }
        trials.append(TrialEffects((record,), np.array([[vi]]), np.array([[""]]), False))
    return Stack(tuple(trials))


def declared() -> list[Moderator]:
    rows = [
        {"trial_id": f"t{i}", "value": str(w), "moderator": "lag", "kind": "number",
         "barrier_dimension": "structural", "framework_layer": "moderating"}
        for i, w in enumerate(WEEKS)
    ]  # fmt: skip
    return declared_moderators(rows)


def test_levels_are_pooled_apart_and_compared() -> None:
    table = pd.DataFrame(moderator_effects(group_of(stack(), moderators=declared())))
    own = table[table["moderator"] == "measured_by"].set_index("level_value")
    assert list(own["k_trials"]) == [2, 3]
    assert own["f"].nunique() == 1 and own["df_denom"].eq(3).all()
    assert own.loc["record", "mu"] == pytest.approx(
        np.average(YI[:2], weights=1 / np.array(VI[:2]))
    )
    assert "topic" not in set(table["moderator"]), "one level is no comparison"


def test_a_number_gives_the_slope_of_a_meta_regression() -> None:
    table = pd.DataFrame(moderator_effects(group_of(stack(), moderators=declared())))
    row = table[table["moderator"] == "lag"].iloc[0]
    fit = fit_meta_regression(YI, VI, np.column_stack([np.ones(5), WEEKS]))
    assert row["level_value"] == SLOPE
    assert row["mu"] == fit.coefficients.estimate[1]
    assert (row["ci_lb"], row["ci_ub"]) == (fit.coefficients.ci_lb[1], fit.coefficients.ci_ub[1])
    assert (row["barrier_dimension"], row["framework_layer"]) == ("structural", "moderating")


def lags(**changed: object) -> list[Moderator]:
    values = {f"t{i}": str(w) for i, w in enumerate(WEEKS)} | changed
    return declared_moderators(
        {"trial_id": trial, "value": value, "moderator": "lag", "kind": "number",
         "barrier_dimension": "", "framework_layer": ""}
        for trial, value in values.items() if str(value) != "absent"
    )  # fmt: skip


def slope_row(**changed: object) -> pd.Series:
    table = pd.DataFrame(moderator_effects(group_of(stack(), moderators=lags(**changed))))
    (row,) = [r for _, r in table[table["moderator"] == "lag"].iterrows()]
    return row


def test_trials_with_text_for_a_number_or_without_a_value_are_counted_and_told() -> None:
    row = slope_row(t1="two weeks", t3="absent")
    kept = [0, 2, 4]
    fit = fit_meta_regression(
        np.array(YI)[kept], np.array(VI)[kept], np.column_stack([np.ones(3), np.array(WEEKS)[kept]])
    )
    assert row["mu"] == pytest.approx(fit.coefficients.estimate[1], rel=1e-12)
    assert (row["k_trials"], row["k_left_out"]) == (3, 2)
    assert row["left_out"] == ("1 trial with text in place of a number; 1 trial without a value")
    assert slope_row()["k_left_out"] == 0 and slope_row()["left_out"] == ""


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, "", " "])
def test_a_missing_value_is_no_value(missing: object) -> None:
    assert slope_row(t3=missing)["left_out"] == "1 trial without a value"


def test_texts_that_leave_too_few_numbers_are_told_in_a_row_without_a_slope() -> None:
    row = slope_row(t0="short", t1="short", t2="3 weeks")
    assert np.isnan(row["mu"]) and row["status"] == "not_estimable"
    assert (row["k_trials"], row["k_left_out"]) == (2, 3)
    assert row["left_out"] == "3 trials with text in place of a number"
    assert "fewer than 3 trials" in row["reason"]


def test_levels_count_the_trials_without_a_value() -> None:
    one = Moderator("dose", "category", {"t0": "1", "t1": "1", "t2": "2", "t3": "10"})
    table = pd.DataFrame(moderator_effects(group_of(stack(), moderators=[one])))
    own = table[table["moderator"] == "dose"].set_index("level_value")
    assert sorted(own.index) == ["1", "10", "2"]
    assert own.loc["1", "mu"] == pytest.approx(np.average(YI[:2], weights=1 / np.array(VI[:2])))
    assert set(own["k_left_out"]) == {1}
    assert set(own["left_out"]) == {"1 trial without a value"}


@pytest.mark.parametrize("far", ["1e30", "1e200", "-1e300"])
def test_a_number_too_far_from_the_others_gives_a_reason_and_no_slope(far: str) -> None:
    values = {f"t{i}": text for i, text in enumerate(["1", "2", "3", far, far])}
    odd = Moderator("dose", "number", values)
    rows = moderator_effects(group_of(stack(), moderators=[odd]))
    own = [row for row in rows if row["moderator"] == "dose"]
    assert [row["status"] for row in own] == ["not_estimable"]
    assert "not independent" in own[0]["reason"] and np.isnan(own[0]["mu"])
