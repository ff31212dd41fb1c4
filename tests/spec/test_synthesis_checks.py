"""Rows of `influence` and `bias_checks`: which trials count, and that they hold the estimators'
numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.bias.selection_models import step_selection
from analysis.bias.small_study import egger_test, pet_peese
from analysis.bias.trim_and_fill import trim_and_fill
from analysis.synthesis import AnalysisSettings, Stack, TrialEffects
from analysis.synthesis.bias_checks import bias_checks
from analysis.synthesis.influence import influence_rows
from analysis.univariate.influence import influence
from analysis.univariate.pooling import fit_random_effects

from .stacks import Effect, group_of, groups_of, trial_of

SETTINGS = AnalysisSettings()
CHECKS = [
    "egger", "pet_peese", "trim_and_fill", "selection", "henmi_copas", "rank",
    "excess_significance",
]  # fmt: skip
YI = np.array([0.9, 0.6, 0.75, 0.35, 0.5, 0.2, 0.28, 0.1, 0.31, 0.15, 0.02, 0.22])
VI = np.array([0.16, 0.14, 0.12, 0.09, 0.08, 0.07, 0.05, 0.04, 0.03, 0.02, 0.015, 0.01])


def trial(number: int, effects: list[Effect], **properties: Any) -> TrialEffects:
    return trial_of(f"t{number:02}", effects, **properties)


def behavior_stack(k: int = YI.size) -> Stack:
    pairs = zip(YI[:k], VI[:k], strict=True)
    return Stack(tuple(trial(i, [("behavior", y, v)]) for i, (y, v) in enumerate(pairs)))


def test_influence_has_a_row_per_trial_with_the_pool_of_the_others() -> None:
    table = pd.DataFrame(influence_rows(group_of(behavior_stack(), SETTINGS)))
    assert list(table["trial_id"]) == [f"t{i:02}" for i in range(12)]
    assert set(table["construct"]) == {"behavior"}
    found = influence(YI, VI)
    for name in ("cook", "shift", "rstudent", "dffits", "weight", "baujat_x", "baujat_y"):
        np.testing.assert_allclose(table[name], getattr(found, name), rtol=1e-9, err_msg=name)
    np.testing.assert_array_equal(table["is_influential"], found.is_influential)
    assert table["weight"].sum() == pytest.approx(100.0)
    for i, row in table.iterrows():
        rest = np.arange(12) != i
        without = fit_random_effects(YI[rest], VI[rest])
        assert (row["mu_without"], row["ci_lb"], row["tau2_without"]) == pytest.approx(
            (without.mu, without.ci_lb, without.tau2), rel=1e-8
        )


def test_influence_follows_the_settings() -> None:
    chosen = AnalysisSettings(tau2_method="DL", ci_method="wald", level=0.9)
    row = influence_rows(group_of(behavior_stack(), chosen))[0]
    without = fit_random_effects(YI[1:], VI[1:], method="DL", ci_method="wald", level=0.9)
    assert (row["ci_lb"], row["ci_ub"]) == pytest.approx((without.ci_lb, without.ci_ub), rel=1e-9)


def test_influence_of_a_trial_is_that_of_its_composite() -> None:
    """Two effects of equal variance and correlation 0.5 count as their mean, 3/4 as variable."""
    trials = (
        trial(0, [("behavior", 0.2, 0.04), ("behavior", 0.6, 0.04), ("intention", 0.9, 0.05)]),
        trial(1, [("behavior", 0.1, 0.05)]),
        trial(2, [("behavior", 0.5, 0.02)]),
        trial(3, [("intention", 0.4, 0.02)]),
    )
    table = pd.DataFrame(influence_rows(group_of(Stack(trials), SETTINGS)))
    assert list(table["trial_id"]) == ["t00", "t01", "t02"]
    expected = influence([0.4, 0.1, 0.5], [0.03, 0.05, 0.02])
    np.testing.assert_allclose(table["mu_without"], expected.without.mu, rtol=1e-12)
    np.testing.assert_allclose(table["baujat_y"], expected.baujat_y, rtol=1e-9)
    assert set(table["construct"]) == {"behavior"}, "two trials of intention are too few"


def test_influence_keeps_syntheses_apart() -> None:
    other = tuple(
        trial(i, [("behavior", y, 0.04), ("knowledge", y + 0.1, 0.04)], synthesis="school",
              upstream_construct="knowledge")
        for i, y in enumerate([0.1, 0.5, 0.2], start=20)
    )  # fmt: skip
    whole = Stack((*other, *behavior_stack(4).trials))
    table = pd.DataFrame([
        row for group in groups_of(whole, SETTINGS) for row in influence_rows(group)
    ])  # fmt: skip
    groups = table.groupby(["synthesis", "construct"], sort=False).size()
    assert list(groups.items()) == [
        (("main", "behavior"), 4), (("school", "knowledge"), 3), (("school", "behavior"), 3)
    ]  # fmt: skip


def test_below_ten_trials_every_check_says_so() -> None:
    rows = bias_checks(group_of(behavior_stack(9), SETTINGS))
    assert [row["check"] for row in rows] == CHECKS
    assert {(row["status"], row["reason"], row["k_trials"]) for row in rows} == {
        ("too_few_studies", "9 of at least 10 trials", 9)
    }
    assert not any("adjusted" in row or "slope" in row for row in rows)
    enough = bias_checks(group_of(behavior_stack(10), SETTINGS))
    assert {(row["status"], row["k_trials"]) for row in enough} == {("ok", 10)}


def test_checks_hold_the_numbers_of_the_estimators() -> None:
    rows = {row["check"]: row for row in bias_checks(group_of(behavior_stack(), SETTINGS))}
    assert list(rows) == CHECKS
    assert {row["status"] for row in rows.values()} == {"ok"}
    egger = egger_test(YI, VI, ci_method="t")
    assert (rows["egger"]["slope"], rows["egger"]["pvalue"], rows["egger"]["df"]) == pytest.approx(
        (egger.slope, egger.pvalue, 10.0)
    )
    pet = pet_peese(YI, VI)
    assert _adjusted(rows["pet_peese"]) == pytest.approx((pet.estimate, pet.ci_lb, pet.ci_ub))
    assert rows["pet_peese"]["method"] == "pet/REML/t"
    filled = trim_and_fill(YI, VI, side="left")
    assert _adjusted(rows["trim_and_fill"]) == pytest.approx(
        (filled.pooled.mu, filled.pooled.ci_lb, filled.pooled.ci_ub)
    )
    assert rows["trim_and_fill"]["k_imputed"] == filled.k0 > 0
    assert rows["trim_and_fill"]["adjusted"] < fit_random_effects(YI, VI).mu
    selected = step_selection(YI, VI)
    assert _adjusted(rows["selection"]) == pytest.approx(
        (selected.mu, selected.ci_lb, selected.ci_ub), rel=1e-5
    )
    assert rows["selection"]["selection_weight"] == pytest.approx(selected.delta[1], rel=1e-5)


def _adjusted(row: dict[str, Any]) -> tuple[float, float, float]:
    return row["adjusted"], row["adjusted_ci_lb"], row["adjusted_ci_ub"]


def test_a_check_without_an_answer_gives_the_reason_and_the_others_stay() -> None:
    """No result is significant, so that nothing is known of the weight of the others."""
    quiet = Stack(
        tuple(trial(i, [("behavior", 0.1 * (-1) ** i * v, v)]) for i, v in enumerate(np.sqrt(VI)))
    )
    rows = {row["check"]: row for row in bias_checks(group_of(quiet, SETTINGS))}
    assert (rows["selection"]["status"], rows["selection"]["reason"]) == (
        "not_estimable", "no study has a one-sided p-value between 0 and 0.025",
    )  # fmt: skip
    assert {rows[name]["status"] for name in CHECKS[:3]} == {"ok"}
    equal = Stack(tuple(trial(i, [("behavior", y, 0.04)]) for i, y in enumerate(YI)))
    rows = {row["check"]: row for row in bias_checks(group_of(equal, SETTINGS))}
    assert rows["egger"]["reason"] == rows["pet_peese"]["reason"]
    assert "equally precise" in rows["egger"]["reason"]
    assert rows["trim_and_fill"]["status"] == "ok", "its side is named, not found"


def test_without_trials_there_are_no_rows() -> None:
    assert (
        influence_rows(group_of(Stack(()), SETTINGS))
        == bias_checks(group_of(Stack(()), SETTINGS))
        == []
    )
