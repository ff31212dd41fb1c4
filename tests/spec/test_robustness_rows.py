"""The gap under other assumptions: which rows there are, and that they hold the estimators'
numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.bias.missing_behavior import SHIFTS, missing_behavior
from analysis.dependent.wild_bootstrap import wild_bootstrap_interval
from analysis.gap.composites import paired_composites
from analysis.gap.many_gaps import PairedEffects, fit_many_gaps, primary_difference
from analysis.gap.resampling import (
    bootstrap_joint_model,
    probability_without_behavior,
    trial_level_r2,
    trial_level_slope,
)
from analysis.gap.surrogacy_checks import daniels_hughes, predict_left_out_trials
from analysis.synthesis import AnalysisSettings, Stack, TrialEffects, robustness
from analysis.synthesis.gap_estimates import joint_model
from analysis.synthesis.robustness import FEW_TRIALS, robustness_rows
from analysis.synthesis.sensitivity import sensitivity
from validations.tables import TABLES, conform

from .stacks import Effect, group_of, groups_of, trial_of

SETTINGS = AnalysisSettings()
LINE = "trial_level_line"
FUNCTIONALS = (
    "probability_upstream_rises_behavior_does_not", "trial_level_r2", "trial_level_slope"
)  # fmt: skip


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robustness, "BOOTSTRAP_DRAWS", 120)


def trial(number: int, effects: list[Effect], **properties: Any) -> TrialEffects:
    return trial_of(f"t{number:02}", effects, **properties)


def pairs(k: int, seed: int = 1) -> list[list[Effect]]:
    rng = np.random.default_rng([7, seed])
    out: list[list[Effect]] = []
    for _ in range(k):
        va, vb = (float(v) for v in rng.uniform(0.01, 0.05, 2))
        truth = rng.multivariate_normal([0.6, 0.3], [[0.06, 0.04], [0.04, 0.05]])
        a, b = (float(x) for x in truth + rng.normal(0.0, np.sqrt([va, vb])))
        out.append([("intention", a, va), ("behavior", b, vb)])
    return out


def stack(k: int = 8, without: int = 3, **properties: Any) -> Stack:
    """k trials with both outcomes, then some with intention only."""
    rows = pairs(k + without)
    return Stack(tuple(
        trial(i, one if i < k else one[:1], **properties) for i, one in enumerate(rows)
    ))  # fmt: skip


def composites(group: Stack, upstream: str = "intention") -> PairedEffects:
    return paired_composites(group.blocks([upstream, "behavior"]))


def table(group: Stack, settings: AnalysisSettings = SETTINGS) -> pd.DataFrame:
    return pd.DataFrame(robustness_rows(group_of(group, settings)))


def test_rows_of_a_synthesis_in_which_some_trials_lack_behavior() -> None:
    rows = table(stack())
    counts = rows["analysis"].value_counts().to_dict()
    assert counts == {
        "missing_behavior": len(SHIFTS), "parametric_bootstrap": 3, LINE: 6, "few_trials": 1
    }  # fmt: skip
    assert set(rows["synthesis"]) == {"main"}
    assert set(rows["upstream_construct"]) == {"intention"}
    assert set(rows["k_paired"]) == {8}
    assert not rows.duplicated(["analysis", "value", "estimand"]).any()
    estimands = rows.groupby("analysis")["estimand"].apply(lambda s: sorted(set(s)))
    assert estimands["missing_behavior"] == estimands["few_trials"] == ["difference"]
    assert estimands["parametric_bootstrap"] == sorted(FUNCTIONALS)
    assert estimands[LINE] == ["prediction_error", "share", "trial_level_slope"]
    assert set(rows["status"]) == {"ok"}
    assert rows["estimate"].notna().all()


def test_rows_are_rows_of_the_published_table() -> None:
    rows = table(stack())
    names = [column.name for column in TABLES["sensitivity"].columns]
    assert set(rows.columns) <= set(names), "nothing is lost when columns are declared"
    made = conform(rows, "sensitivity")
    assert list(made.columns) == names
    np.testing.assert_array_equal(made["estimate"], rows["estimate"])
    np.testing.assert_array_equal(made["ci_lb"], rows["ci_lb"].astype(float))
    for name in ("analysis", "value", "estimand", "interval_kind", "status"):
        assert (made[name] != "").all(), name
        assert made[name].tolist() == rows[name].tolist(), name


def test_sensitivity_lists_them_per_synthesis() -> None:
    other = stack(6, 0, synthesis="school", upstream_construct="knowledge")
    renamed = Stack(tuple(
        TrialEffects(
            tuple(
                r | {"construct": r["construct"].replace("intention", "knowledge"),
                     "trial_id": f"s{r['trial_id']}"}
                for r in one.records
            ), one.covariance, one.origins,
        )
        for one in other.trials
    ))  # fmt: skip
    both = Stack((*stack().trials, *renamed.trials))
    settings = AnalysisSettings(correlation_grid=(0.5,))
    groups = groups_of(both, settings)
    rows = pd.DataFrame([row for group in groups for row in sensitivity(group)])
    own = rows[rows["analysis"].isin(["missing_behavior", LINE, "few_trials"])]
    assert set(own["synthesis"]) == {"main", "school"}
    school = own[own["synthesis"] == "school"]
    assert set(school["upstream_construct"]) == {"knowledge"}
    assert "missing_behavior" not in set(school["analysis"]), "all of its trials report behavior"
    pd.testing.assert_frame_equal(
        own[own["synthesis"] == "main"].reset_index(drop=True)[["analysis", "estimate"]],
        table(stack())
        .query("analysis != 'parametric_bootstrap'")
        .reset_index(drop=True)[["analysis", "estimate"]],
    )


def test_shift_zero_is_the_joint_model_of_the_composites() -> None:
    group = stack()
    rows = table(group).query("analysis == 'missing_behavior'").set_index("value")
    fit = fit_many_gaps(composites(group))
    assert list(rows.index) == ["0", "-0.05", "-0.1", "-0.2", "-0.3", "-0.5"]
    zero = rows.loc["0"]
    assert zero["estimate"] == pytest.approx(float(fit.difference[0]), rel=1e-12)
    by_model = math.sqrt(float(fit.model11[0] + fit.model22[0] - 2.0 * fit.model12[0]))
    assert zero["se"] == pytest.approx(max(float(fit.se[0]), by_model), rel=1e-12)
    assert zero["df"] == pytest.approx(float(fit.df[0]), rel=1e-12)
    model = joint_model(group, "intention", SETTINGS)
    assert zero["estimate"] == pytest.approx(float(model.means[0] - model.means[1]), abs=1e-6)
    # A shift moves the behavior effect by the share of trials without it: 3 of 11.
    for value, row in rows.iterrows():
        moved = zero["estimate"] - float(value) * 3 / 11
        assert row["estimate"] == pytest.approx(moved, rel=1e-10)
        assert row["se"] == zero["se"]
        assert (row["ci_ub"] - row["ci_lb"]) == pytest.approx(zero["ci_ub"] - zero["ci_lb"])
    assert set(rows["reason"]) == {"3 of 11 trials report no behavior result"}
    assert set(rows["interval_kind"]) == {"confidence"}


def test_several_effects_per_outcome_count_as_their_composite() -> None:
    rows = pairs(9)
    rows[0].append(("behavior", rows[0][1][1] + 0.2, rows[0][1][2]))
    rows[1].append(("intention", 0.1, 0.03))
    rows[8] = rows[8][:1]
    group = Stack(tuple(trial(i, one) for i, one in enumerate(rows)))
    found = table(group).query("analysis == 'missing_behavior'")
    expected = missing_behavior(composites(group))
    np.testing.assert_allclose(found["estimate"], expected.difference, rtol=1e-12)
    # The interval is the primary one, which is never narrower than the one by CR2.
    assert (found["ci_lb"].to_numpy() <= expected.ci_lb + 1e-12).all()


def test_without_missing_behavior_that_row_is_absent_and_the_others_stay() -> None:
    rows = table(stack(8, 0))
    assert set(rows["analysis"]) == {"parametric_bootstrap", LINE, "few_trials"}


def test_other_constructs_do_not_enter() -> None:
    group = stack()
    more = Stack((
        *group.trials, trial(50, [("knowledge", 9.0, 0.01)]), trial(51, [("knowledge", 7.0, 0.01)])
    ))  # fmt: skip
    left, right = table(group), table(more)
    pd.testing.assert_frame_equal(left, right)


@pytest.mark.parametrize("construct", ["intention", "behavior"])
def test_one_outcome_alone_has_no_rows(construct: str) -> None:
    group = stack(6, 0).select(lambda r: r["construct"] == construct)
    assert robustness_rows(group_of(group, SETTINGS)) == []


def test_neither_outcome_has_no_rows() -> None:
    group = Stack(tuple(trial(i, [("knowledge", 0.1 * i, 0.02)]) for i in range(5)))
    assert robustness_rows(group_of(group, SETTINGS)) == []


def test_four_pairs_have_the_naive_line_only() -> None:
    """The line by other means needs 5 trials with both outcomes."""
    rows = table(stack(4, 2)).query(f"analysis == '{LINE}'")
    assert list(rows["value"]) == ["naive regression", "naive regression without any link"]


def test_two_pairs_have_no_line() -> None:
    rows = table(stack(2, 3))
    assert LINE not in set(rows["analysis"])
    assert "missing_behavior" in set(rows["analysis"])


def test_one_trial_has_no_rows() -> None:
    assert robustness_rows(group_of(stack(1, 0), SETTINGS)) == []


@pytest.mark.parametrize(("k", "expected"), [(FEW_TRIALS - 1, 1), (FEW_TRIALS, 0)])
def test_the_wild_bootstrap_is_for_fewer_than_20_trials(k: int, expected: int) -> None:
    assert FEW_TRIALS == 20
    rows = table(stack(k - 2, 2))
    assert len(rows.query("analysis == 'few_trials'")) == expected


def test_the_row_of_few_trials_is_the_wild_bootstrap_of_the_joint_model() -> None:
    group = stack(6, 0)
    row = table(group).query("analysis == 'few_trials'").iloc[0]
    fit = joint_model(group, "intention", SETTINGS).fit
    found = wild_bootstrap_interval(fit, [1.0, -1.0], seed=SETTINGS.seed)
    assert (row["estimate"], row["ci_lb"], row["ci_ub"]) == pytest.approx(
        (found.estimate, found.lower, found.upper), rel=1e-12
    )
    assert row["method"] == "wild_bootstrap/webb/1999"
    assert row["estimate"] == pytest.approx(float(fit.beta[0] - fit.beta[1]), rel=1e-12)


def test_the_naive_slope_carries_its_warning() -> None:
    group = stack()
    rows = table(group).query(f"analysis == '{LINE}'").set_index("value")
    naive = rows.loc["naive regression"]
    assert naive["reason"] == "regressing observed on observed effects is no estimate of the line"
    assert "creates by itself" in rows.loc["naive regression without any link", "reason"]
    observed = composites(group)
    both = np.isfinite(observed.y2)
    slope = np.polyfit(observed.y1[both], observed.y2[both], 1)[0]
    assert naive["estimate"] == pytest.approx(slope, rel=1e-10)
    for value in ("naive regression", "naive regression without any link"):
        assert rows.loc[value, "interval_kind"] == "none"
        assert not {"ci_lb", "ci_ub"} & set(rows.loc[value].dropna().index)


def test_the_line_by_other_means() -> None:
    group = stack()
    rows = table(group).query(f"analysis == '{LINE}'").set_index("value")
    line = daniels_hughes(composites(group))
    found = rows.loc["flat prior on upstream effects"]
    assert (found["estimate"], found["ci_lb"], found["ci_ub"]) == pytest.approx(
        (line.slope, line.slope_lb, line.slope_ub), rel=1e-12
    )
    left = predict_left_out_trials(composites(group))
    assert rows.loc["left-out trials within their prediction interval", "estimate"] == left.coverage
    assert rows.loc["root mean squared error by the line", "estimate"] == pytest.approx(left.rmse)
    assert rows.loc["root mean squared error by the mean", "estimate"] == pytest.approx(
        left.rmse_mean
    )


def test_the_line_has_limits_and_says_so() -> None:
    found = table(stack()).query("value == 'flat prior on upstream effects'").iloc[0]
    assert math.isfinite(found["ci_lb"]) and math.isfinite(found["ci_ub"])
    assert found["interval_kind"] != "none"


def test_bootstrap_rows_follow_the_seed_and_the_smallest_worthwhile_effect() -> None:
    group = stack()
    chosen = "analysis == 'parametric_bootstrap'"
    first = table(group).query(chosen)
    again = table(group).query(chosen)
    other = table(group, AnalysisSettings(seed=3)).query(chosen)
    higher = table(group, AnalysisSettings(smallest_worthwhile=0.2)).query(chosen)
    pd.testing.assert_frame_equal(first, again)
    assert first["estimate"].tolist() == other["estimate"].tolist()
    assert first["ci_lb"].tolist() != other["ci_lb"].tolist()
    probability = FUNCTIONALS[0]
    a, b = (
        t.set_index("estimand").loc[probability, "estimate"] for t in (first, higher)
    )  # fmt: skip
    assert 0.0 <= a < b <= 1.0
    assert set(first["value"]) == {"120 samples"}


def test_every_row_names_its_method_and_holds_its_limits() -> None:
    group = stack()
    rows = robustness_rows(group_of(group, SETTINGS))
    drawn = bootstrap_joint_model(composites(group), draws=120, seed=SETTINGS.seed)
    made = (probability_without_behavior(0.0), trial_level_r2, trial_level_slope)
    limits = [drawn.interval(one) for one in made]
    found = [r for r in rows if r["analysis"] == "parametric_bootstrap"]
    assert [(r["estimand"], r["estimate"], r["ci_lb"], r["ci_ub"]) for r in found] == [
        (name, one.estimate, one.lower, one.upper)
        for name, one in zip(FUNCTIONALS, limits, strict=True)
    ]
    about = {
        "synthesis": "main", "upstream_construct": "intention", "k_paired": 8, "status": "ok",
    }  # fmt: skip
    assert all(about.items() <= row.items() for row in rows)
    first, *_ = [r for r in rows if r["analysis"] == "missing_behavior"]
    line = daniels_hughes(composites(group))
    methods = {
        (r["analysis"], r["value"] if r["analysis"] == LINE else ""): (
            r["method"], r["interval_kind"], r["reason"]
        )
        for r in rows
    }  # fmt: skip
    by_mean, by_line = "root mean squared error by the mean", "root mean squared error by the line"
    used = primary_difference(fit_many_gaps(composites(group)), 0)[0]
    assert first["method"] == f"{used}/pattern_mixture"
    assert methods.pop(("missing_behavior", "")) == (
        first["method"], "confidence", "3 of 11 trials report no behavior result"
    )  # fmt: skip
    assert methods == {
        ("parametric_bootstrap", ""): ("percentile", "confidence", ""),
        ("few_trials", ""): ("wild_bootstrap/webb/1999", "confidence", ""),
        (LINE, "naive regression"): (
            "", "none", "regressing observed on observed effects is no estimate of the line"
        ),
        (LINE, "naive regression without any link"): (
            "", "none", "slope that measuring both outcomes on the same people creates by itself"
        ),
        (LINE, "flat prior on upstream effects"): (
            line.method, "confidence",
            "keeps most of the artefact where upstream effects vary little beyond error",
        ),
        (LINE, "left-out trials within their prediction interval"): ("", "none", ""),
        (LINE, by_line): ("", "none", ""), (LINE, by_mean): ("", "none", ""),
    }  # fmt: skip
    estimands = [r["estimand"] for r in rows if r["analysis"] == LINE]
    assert estimands == ["trial_level_slope"] * 3 + ["share"] + ["prediction_error"] * 2
    assert all(set(r) >= {"verdict", "verdict_reason"} for r in rows)


def test_too_few_samples_with_a_value_give_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intention hardly varies between trials: several samples have no slope, fewer than the 100
    that limits need are left."""
    monkeypatch.setattr(robustness, "BOOTSTRAP_DRAWS", 110)
    rng = np.random.default_rng(0)
    group = Stack(tuple(
        trial(i, [("intention", 0.5 + 0.12 * float(rng.normal()), 0.03),
                  ("behavior", 0.2 + 0.3 * float(rng.normal()), 0.03)])
        for i in range(8)
    ))  # fmt: skip
    rows = table(group).query("analysis == 'parametric_bootstrap'").set_index("estimand")
    assert rows["status"].to_dict() == dict(
        zip(FUNCTIONALS, ("ok", "not_estimable", "not_estimable"), strict=True)
    )
    assert rows["estimate"].notna().all()
    for name in FUNCTIONALS[1:]:
        row = rows.loc[name]
        known = int(row["value"].removesuffix(" samples"))
        assert row["reason"] == (
            f"limits need 100 bootstrap samples with an estimate, found {known} of 110"
        )
        assert math.isnan(row["ci_lb"]) and math.isnan(row["ci_ub"])
    assert rows.loc[FUNCTIONALS[0], "reason"] == ""


def test_effects_without_any_spread_have_no_slope_rows() -> None:
    group = Stack(tuple(
        trial(i, [("intention", 0.5, 0.03), ("behavior", 0.2 + 0.2 * (i % 3), 0.03)])
        for i in range(8)
    ))  # fmt: skip
    rows = table(group).query("analysis == 'parametric_bootstrap'")
    assert list(rows["estimand"]) == [FUNCTIONALS[0]]


def test_the_level_moves_limits_and_nothing_else() -> None:
    group = stack()
    wide, narrow = table(group), table(group, AnalysisSettings(level=0.8))
    same = wide["value"] != "left-out trials within their prediction interval"
    np.testing.assert_array_equal(wide.loc[same, "estimate"], narrow.loc[same, "estimate"])
    known = wide["ci_lb"].notna()
    assert (narrow.loc[known, "ci_lb"] >= wide.loc[known, "ci_lb"]).all()
    assert (narrow.loc[known, "ci_ub"] <= wide.loc[known, "ci_ub"]).all()


def test_order_of_trials_does_not_matter() -> None:
    group = stack()
    first = table(group)
    second = table(Stack(tuple(reversed(group.trials))))
    fixed = first["analysis"].isin(["missing_behavior", LINE])
    np.testing.assert_allclose(
        second.loc[fixed, "estimate"], first.loc[fixed, "estimate"], rtol=1e-7, atol=1e-9
    )
