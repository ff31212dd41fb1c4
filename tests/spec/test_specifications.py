"""Specifications: which combinations are listed, and that each is the gap of its selection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.gap.joint import PRIMARY, difference, transmission_ratio
from analysis.synthesis import AnalysisSettings, Stack
from analysis.synthesis import group as module
from analysis.synthesis.choices import EFFECTS
from analysis.synthesis.gap_estimates import joint_model
from analysis.synthesis.specifications import specifications

from .stacks import Row, group_of, stack_of

SETTINGS = AnalysisSettings()


def intention(yi: float, vi: float) -> Row:
    return "intention", yi, vi, {"weeks": 0.0, "measured_by": "self_report"}


def behavior(yi: float, vi: float, weeks: float = 4.0, measured_by: str = "record") -> Row:
    return "behavior", yi, vi, {"weeks": weeks, "measured_by": measured_by}


PAIRS = [(0.5, 0.02, 0.2, 0.03), (0.7, 0.03, 0.5, 0.02), (0.3, 0.02, 0.1, 0.02),
         (0.9, 0.04, 0.4, 0.05), (0.6, 0.03, 0.35, 0.03)]  # fmt: skip


def plain() -> list[list[Row]]:
    return [[intention(a, va), behavior(b, vb)] for a, va, b, vb in PAIRS]


def table_of(
    stack_at: Callable[[float], Stack], settings: AnalysisSettings = SETTINGS
) -> pd.DataFrame:
    rows = pd.DataFrame(specifications(group_of(stack_at, settings)))
    return rows[rows["effects"] == EFFECTS[0]].reset_index(drop=True)


def choices(table: pd.DataFrame) -> set[tuple[str, str, str]]:
    return set(table[["trials", "follow_up", "measures"]].itertuples(index=False, name=None))


ALL = ("all trials", "all follow-ups", "all measures")


def test_the_primary_rows_are_the_gap_of_the_joint_model() -> None:
    stack_at = stack_of(plain())
    table = table_of(stack_at)
    primary = table[table["is_primary"]].set_index("estimand")
    model = joint_model(stack_at(SETTINGS.assumed_correlation), "intention", SETTINGS)
    assert sorted(primary.index) == ["difference", "transmission_ratio"]
    for one in (difference(model, PRIMARY), transmission_ratio(model, PRIMARY)):
        row = primary.loc[one.estimand]
        found = [row["estimate"], row["se"], row["df"], row["ci_lb"], row["ci_ub"]]
        expected = [one.estimate, one.se, one.df, one.ci_lb, one.ci_ub]
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        assert (row["status"], row["k_paired"], row["inference"]) == ("ok", 5, "CR2")
    assert set(primary["specification"]) == {
        "; ".join(ALL) + "; r 0.5; all effects; logistic; REML; CR2"
    }


def test_every_row_is_the_gap_of_its_own_correlation_and_inference() -> None:
    stack_at = stack_of(plain())
    table = table_of(stack_at)
    own = table[table["estimand"] == "difference"]
    assert sorted(set(own["assumed_correlation"])) == [0.0, 0.3, 0.5, 0.7, 0.9]
    for _, row in own.iterrows():
        model = joint_model(stack_at(row["assumed_correlation"]), "intention", SETTINGS)
        one = difference(model, PRIMARY if row["inference"] == "CR2" else "model")
        assert row["method"] == one.method
        assert row["estimate"] == pytest.approx(one.estimate, rel=1e-6)
        assert row["se"] == pytest.approx(one.se, rel=1e-6)
    assert np.isinf(own.loc[own["inference"] == "model", "df"]).all()


def test_selections_equal_to_all_are_not_listed_again() -> None:
    """One follow-up, randomized, both outcomes, no self-report: only the correlation differs."""
    table = table_of(stack_of(plain()))
    assert choices(table) == {ALL}
    assert not table.duplicated(["specification", "estimand"]).any()
    assert len(table) == 5 * 2 * 2


def test_each_choice_selects_its_effects() -> None:
    trials = plain()
    trials[0].append(behavior(0.05, 0.03, weeks=26.0))
    trials[1][1] = behavior(0.5, 0.02, measured_by="self_report")
    trials.append([behavior(0.3, 0.02)])
    settings = AnalysisSettings(correlation_grid=(0.5,))
    stack_at = stack_of(trials, [True, True, False, True, True, True])
    table = table_of(stack_at, settings)
    rows = table[(table["estimand"] == "difference") & (table["inference"] == "CR2")]
    rows = rows.set_index(["trials", "follow_up", "measures"])
    assert rows.index.is_unique
    # 3 choices of trials x 3 of follow-up x 2 of measures, all of them different here.
    assert len(rows) == 18

    def expected(keep: Callable[[dict[str, Any]], bool]) -> float:
        part = stack_at(0.5).select(keep)
        return difference(joint_model(part, "intention", settings)).estimate

    def estimate(trials: str = ALL[0], follow_up: str = ALL[1], measures: str = ALL[2]) -> float:
        return float(rows.loc[(trials, follow_up, measures), "estimate"])

    one_by_one = [
        (estimate(trials="both outcomes"), expected(lambda r: r["trial_id"] != "t5")),
        (estimate(trials="randomized only"), expected(lambda r: r["randomized"])),
        (estimate(follow_up="first follow-up"), expected(lambda r: r["weeks"] < 26.0)),
        (
            estimate(follow_up="last follow-up"),
            expected(lambda r: (r["trial_id"], r["construct"], r["weeks"]) != (
                "t0", "behavior", 4.0)),
        ),
        (
            estimate(measures="not self-reported"),
            expected(lambda r: r["construct"] != "behavior" or r["measured_by"] == "record"),
        ),
    ]  # fmt: skip
    for found, wanted in one_by_one:
        assert found == pytest.approx(wanted, rel=1e-6)
    assert len({round(found, 9) for found, _ in one_by_one}) == len(one_by_one)
    paired = rows["k_paired"]
    assert paired[ALL] == 5
    assert paired["all trials", "all follow-ups", "not self-reported"] == 4
    assert paired["randomized only", "all follow-ups", "all measures"] == 4


def test_behavior_without_a_number_of_weeks_stays_at_every_follow_up() -> None:
    trials = plain()
    trials[0] = [intention(0.5, 0.02), behavior(0.2, 0.03, 4.0), behavior(0.1, 0.03, 12.0)]
    trials[1][1] = behavior(0.5, 0.02, weeks=float("nan"))
    table = table_of(stack_of(trials), AnalysisSettings(correlation_grid=(0.5,)))
    assert {follow_up for _, follow_up, _ in choices(table)} == {
        "all follow-ups", "first follow-up", "last follow-up"
    }  # fmt: skip
    assert set(table["k_paired"]) == {5}


def test_equal_selections_are_fitted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """`both outcomes` and `randomized only` leave out the same trial: one fit, two names."""
    fitted = []
    fit = module.try_joint_model
    monkeypatch.setattr(
        module, "try_joint_model", lambda part, *a: (fitted.append(part), fit(part, *a))[1]
    )
    trials = [*plain(), [behavior(0.3, 0.02)]]
    stack_at = stack_of(trials, [True] * 5 + [False])
    table = table_of(stack_at, AnalysisSettings(correlation_grid=(0.5,)))
    names = {name for name, _, _ in choices(table)}
    assert names == {"all trials", "both outcomes", "randomized only"}
    assert len(fitted) == 2
    estimates = table[table["inference"] == "CR2"].pivot(
        index="trials", columns="estimand", values="estimate"
    )
    same = estimates.loc[["both outcomes", "randomized only"]]
    assert same.nunique().eq(1).all()
    assert estimates["difference"].nunique() == 2


def test_correlations_that_are_known_do_not_vary() -> None:
    """The grid moves assumed correlations only; without one every correlation is one fit."""
    known = stack_of(plain())(0.4)
    table = table_of(lambda rho: known)
    estimates = table[(table["estimand"] == "difference") & (table["inference"] == "CR2")]
    assert len(estimates) == 5
    assert estimates["estimate"].nunique() == 1


def test_the_primary_correlation_is_added_to_a_grid_without_it() -> None:
    settings = AnalysisSettings(correlation_grid=(0.2,), assumed_correlation=0.6)
    table = table_of(stack_of(plain()), settings)
    assert sorted(set(table["assumed_correlation"])) == [0.2, 0.6]
    assert set(table.loc[table["is_primary"], "assumed_correlation"]) == {0.6}


def test_more_than_100_trials_have_the_whole_grid() -> None:
    table = table_of(stack_of(plain() * 21))
    assert sorted(set(table["assumed_correlation"])) == sorted(SETTINGS.correlation_grid)
    assert choices(table) == {ALL}


def test_a_selection_without_a_gap_gives_the_reason() -> None:
    trials = [[a, behavior(b[1], b[2], measured_by="self_report")] for a, b in plain()]
    table = table_of(stack_of(trials), AnalysisSettings(correlation_grid=(0.5,)))
    rows = table[table["measures"] == "not self-reported"]
    assert set(rows["estimand"]) == {"difference"}
    assert set(rows["status"]) == {"not_estimable"}
    assert set(rows["k_paired"]) == {0}
    assert rows["reason"].str.contains("behavior").all()
    assert rows["estimate"].isna().all()
    assert not rows["is_primary"].any()
    assert table.loc[table["is_primary"], "status"].eq("ok").all()


def test_one_trial_has_no_robust_interval() -> None:
    table = table_of(stack_of(plain()[:1]), AnalysisSettings(correlation_grid=(0.5,)))
    robust = table[table["inference"] == "CR2"]
    assert list(robust["status"]) == ["too_few_studies"]
    assert list(robust["reason"]) == ["CR2 needs at least 2 trials with each outcome"]
    model = table[(table["inference"] == "model") & (table["estimand"] == "difference")]
    assert model["estimate"].item() == pytest.approx(0.3)


def test_without_trials_there_are_no_rows() -> None:
    assert specifications(group_of(Stack(()), SETTINGS)) == []
