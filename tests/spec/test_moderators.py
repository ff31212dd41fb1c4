"""Moderators: levels of a category, the slope on a number, and the codebook's tags."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.synthesis import AnalysisSettings, Stack, TrialEffects
from analysis.synthesis.moderator_effects import (
    SLOPE,
    Moderator,
    declared_moderators,
    moderator_effects,
)
from analysis.univariate.meta_regression import fit_meta_regression

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
    table = pd.DataFrame(moderator_effects(stack(), declared(), AnalysisSettings()))
    own = table[table["moderator"] == "measured_by"].set_index("level_value")
    assert list(own["k_trials"]) == [2, 3]
    assert own["f"].nunique() == 1 and own["df_denom"].eq(3).all()
    assert own.loc["record", "mu"] == pytest.approx(
        np.average(YI[:2], weights=1 / np.array(VI[:2]))
    )
    assert "topic" not in set(table["moderator"]), "one level is no comparison"


def test_a_number_gives_the_slope_of_a_meta_regression() -> None:
    table = pd.DataFrame(moderator_effects(stack(), declared(), AnalysisSettings()))
    row = table[table["moderator"] == "lag"].iloc[0]
    fit = fit_meta_regression(YI, VI, np.column_stack([np.ones(5), WEEKS]))
    assert row["level_value"] == SLOPE
    assert row["mu"] == fit.coefficients.estimate[1]
    assert (row["ci_lb"], row["ci_ub"]) == (fit.coefficients.ci_lb[1], fit.coefficients.ci_ub[1])
    assert (row["barrier_dimension"], row["framework_layer"]) == ("structural", "moderating")
