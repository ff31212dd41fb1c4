"""The joint model where one side is poor: variances are kept, intervals are wide enough, and trials
without both outcomes give no gap."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.dependent.blocks import make_blocks
from analysis.dependent.multivariate import fit_multivariate
from analysis.dependent.profile_intervals import profile_interval
from analysis.errors import EstimationError
from analysis.gap.joint import (
    PRIMARY,
    JointModel,
    difference,
    fit_joint,
    gap_estimates,
    indirect_difference,
    mediation_shortfall,
    predictive_gap,
    transmission_ratio,
)
from analysis.synthesis import AnalysisSettings, Stack
from analysis.synthesis.moderator_effects import compare_gap
from analysis.synthesis.moderators import Moderator
from analysis.synthesis.pooled_effects import pool_construct, pooled_effects
from analysis.synthesis.robustness import robustness_rows
from analysis.synthesis.sensitivity import sensitivity
from analysis.synthesis.specifications import specifications
from analysis.univariate.pooling import fit_random_effects
from tests.spec.stacks import gap_and_surrogacy, group_of, trial_of

SETTINGS = AnalysisSettings()
values = st.floats(-1.5, 1.5)
variances = st.floats(0.005, 0.3)


def stack_of(trials: Sequence[Sequence[Any]]) -> Callable[[float], Stack]:
    """The stack for an assumed correlation between the effects of a trial."""

    def at(rho: float) -> Stack:
        more = {"weeks": math.nan, "formula": "x"}
        return Stack(tuple(
            trial_of(
                f"t{i}", [(*effect, more) for effect in effects], rho=rho, measured_by="record",
                randomized=True, topic="t", collection_id="c",
            )
            for i, effects in enumerate(trials)
        ))  # fmt: skip

    return at


def two_sides(first: Any, second: Any, v1: Any, v2: Any) -> JointModel:
    """Different trials on both sides."""
    kinds = ["intention"] * len(first) + ["behavior"] * len(second)
    return fit_joint([*first, *second], [*v1, *v2], list(range(len(kinds))), kinds)


@pytest.mark.parametrize("poor", ["intention", "behavior"])
@given(data=st.data())
def test_the_rich_side_keeps_its_own_pool(poor: str, data: st.DataObject) -> None:
    k = data.draw(st.integers(2, 9))
    yi = np.array(data.draw(st.lists(values, min_size=k, max_size=k)))
    vi = np.array(data.draw(st.lists(variances, min_size=k, max_size=k)))
    rich = "behavior" if poor == "intention" else "intention"
    model = fit_joint([*yi, 0.9], [*vi, 0.02], list(range(k + 1)), [rich] * k + [poor])
    alone = fit_random_effects(yi, vi, method="REML")
    side = int(rich == "behavior")
    assert model.means[side] == pytest.approx(alone.mu, abs=1e-6)
    assert model.fit.tau[side, side] == pytest.approx(alone.tau2, abs=1e-6)
    assert model.means[1 - side] == 0.9 and model.fit.tau[1 - side, 1 - side] == 0.0
    assert model.notes[0] == f"tau2[{1 - side}]_not_estimable_from_one_trial"
    assert f"tau2[{1 - side}]_at_zero" not in model.notes


def test_one_trial_of_behavior_against_six() -> None:
    """Equal variances v: tau2 = s2 - v = .643 - .01, so Var = .643 / 6 + .01, with Welch's df
    5 ((.643 / 6 + .01) / (.643 / 6))^2."""
    yi = [-0.6, -0.1, 0.2, 0.5, 1.1, 1.6]
    model = two_sides(yi, [0.9], [0.01] * 6, [0.01])
    assert model.fit.tau[0, 0] == pytest.approx(0.633, abs=1e-9)
    pool = 0.643 / 6.0
    found = indirect_difference(model)
    assert found.status == "indirect" and math.isnan(found.pvalue)
    assert found.estimate == pytest.approx(-0.45, abs=1e-12)
    assert found.se == pytest.approx(math.sqrt(pool + 0.01), rel=1e-7)
    assert found.df == pytest.approx(5.0 * ((pool + 0.01) / pool) ** 2, rel=1e-7)


def test_a_variance_can_be_held_only_beside_an_estimated_one() -> None:
    blocks = make_blocks([0.1, 0.5, 0.3], [0.02] * 3, [0, 1, 2], ["a", "a", "b"])
    fit = fit_multivariate(blocks, structure="DIAG", held=(1,))
    assert fit.psi_names == ("tau2[0]",) and fit.psi_vcov.shape == (1, 1)
    assert fit.status == "ok"
    with pytest.raises(EstimationError, match="held at 0"):
        profile_interval(fit, "tau2[0]")
    for structure, held in (("UN", (1,)), ("DIAG", (0, 1)), ("DIAG", (2,)), ("NONE", (0,))):
        with pytest.raises(EstimationError, match="held at 0"):
            fit_multivariate(blocks, structure=structure, held=held)


def test_three_and_three_other_trials() -> None:
    """Sampling alone gives sqrt(.03 / 3 + .03 / 3) = .141 where CR2 says .041."""
    model = two_sides([0.3, 0.35, 0.4], [0.1, 0.15, 0.2], [0.03] * 3, [0.03] * 3)
    assert difference(model, "CR2").se == pytest.approx(math.sqrt(2 * 0.0025 / 3), rel=1e-6)
    assert difference(model, PRIMARY).se == pytest.approx(math.sqrt(0.02), rel=1e-9)
    found = {one.estimand: one for one in gap_estimates(model, slope=0.5)}
    assert len(found) == 5
    gap = found.pop("difference")
    assert (gap.status, gap.df) == ("indirect", pytest.approx(4.0))
    assert math.isnan(gap.pvalue) and math.isnan(gap.statistic) and math.isfinite(gap.ci_lb)
    assert "3 with an effect on intention" in gap.reason
    assert {one.status for one in found.values()} == {"not_estimable"}
    assert all(math.isnan(one.estimate) and one.reason == gap.reason for one in found.values())


@given(data=st.data())
def test_the_primary_interval_is_never_below_the_model(data: st.DataObject) -> None:
    k = data.draw(st.integers(3, 7))
    pairs = data.draw(st.lists(st.tuples(values, values), min_size=k, max_size=k))
    spread = 0.01 * np.sin(np.arange(2 * k) ** 2)  # no two effects alike
    v = [np.array([[0.04, 0.02], [0.02, 0.05]])] * k
    model = fit_joint(
        np.array(pairs).ravel() + spread, v, [i for i in range(k) for _ in "ab"],
        ["intention", "behavior"] * k,
    )  # fmt: skip
    for make in (difference, transmission_ratio, predictive_gap):
        primary, by_model, by_cr2 = (make(model, m) for m in (PRIMARY, "model", "CR2"))
        if primary.status != "ok":
            continue
        assert primary.se >= max(by_model.se, by_cr2.se) * (1.0 - 1e-8)
        assert min(abs(primary.se - one.se) for one in (by_model, by_cr2)) <= 1e-8 * primary.se
        if make is not predictive_gap:
            assert primary.df == by_cr2.df
    shortfalls = [mediation_shortfall(model, 0.4, 0.01, m) for m in (PRIMARY, "model", "CR2")]
    assert shortfalls[0].se == pytest.approx(max(one.se for one in shortfalls[1:]), rel=1e-8)


def test_plain_rows_stay_where_they_differ() -> None:
    """Eight alike trials: CR2 is far below the model."""
    pairs = [[("intention", 0.5, 0.02), ("behavior", 0.2 + 0.01 * i, 0.03)] for i in range(8)]
    rows = gap_and_surrogacy(stack_of(pairs)(0.5), [], SETTINGS)[0]
    own = [r for r in rows if r["estimand"] == "difference" and r["subset"] == "all"]
    by_method = {r["method"]: r for r in own}
    assert list(by_method) == ["CR2/model_floor", "CR2", "model"]
    first, cr2, model = own
    assert [r["is_primary"] for r in own] == [True, False, False]
    assert first["se"] == model["se"] > cr2["se"] and first["df"] == cr2["df"]
    assert "narrower_than_model_based" in cr2["notes"] and cr2["verdict"] == "none"
    assert "narrower" not in first["notes"] and "narrower" not in model["notes"]
    assert first["verdict"] == "above"


UNPAIRED = [[("intention", v, 0.03)] for v in (0.3, 0.35, 0.4)] + [
    [("behavior", v, 0.03)] for v in (0.1, 0.15, 0.2)
]
ONE = [[("intention", v, 0.01)] for v in (-0.6, -0.1, 0.2, 0.5, 1.1, 1.6)] + [
    [("behavior", 0.9, 0.01)]
]


@pytest.mark.parametrize("trials", [UNPAIRED, ONE, UNPAIRED[2:4], UNPAIRED[:4]])
def test_no_table_knows_a_gap_without_pairs(trials: Any) -> None:
    stack_at = stack_of(trials)
    rows, lines = gap_and_surrogacy(stack_at(0.5), [], SETTINGS)
    rows += sensitivity(group_of(stack_at, SETTINGS)) + specifications(group_of(stack_at, SETTINGS))
    assert robustness_rows(group_of(stack_at(0.5), SETTINGS)) == []
    assert {r["estimand"] for r in rows} >= {"difference", "transmission_ratio"}
    for row in rows:
        assert row["status"] != "ok" and row["verdict"] == "none" and row["verdict_reason"]
        if row["status"] == "indirect":
            assert row["estimand"] == "difference" and math.isfinite(row["ci_lb"])
            assert row["method"].startswith("two_pools/")
    assert {r["method"].split("/", 1)[1] for r in rows if r["status"] == "indirect"} >= {"model"}
    assert all(line["status"] != "ok" and line["verdict"] == "none" for line in lines)


def test_leaving_out_the_only_pair_leaves_no_gap() -> None:
    trials = [*UNPAIRED, [("intention", 0.4, 0.02), ("behavior", 0.1, 0.02)]]
    rows = sensitivity(group_of(stack_of(trials), SETTINGS))
    left = {
        r["value"]: r["status"] for r in rows
        if r["analysis"] == "leave_one_trial_out" and r["estimand"] == "difference"
    }  # fmt: skip
    assert left.pop("t6") == "indirect"
    assert set(left.values()) == {"ok"}


def test_one_pair_that_is_the_only_trial_of_behavior_allows_no_verdict() -> None:
    trials = [[("intention", v, 0.01)] for v in (0.9, 1.0, 1.1, 1.2, 1.3)]
    trials.append([("intention", 1.1, 0.01), ("behavior", 0.0, 0.01)])
    rows = gap_and_surrogacy(stack_of(trials)(0.5), [], SETTINGS)[0]
    (row,) = [r for r in rows if r["subset"] == "all" and r["estimand"] == "difference"]
    assert row["ci_lb"] > 0.0 and row["status"] == "ok"
    assert row["verdict"] == "none" and "single trial" in row["verdict_reason"]
    stack_at = stack_of(trials)
    more = sensitivity(group_of(stack_at, SETTINGS)) + specifications(group_of(stack_at, SETTINGS))
    assert {r["estimand"] for r in more} >= {"difference"}
    assert {r["verdict"] for r in more} == {"none"}


def test_two_pairs_have_too_few_degrees_of_freedom() -> None:
    trials = [[("intention", 2.0 + i / 10, 0.001), ("behavior", i / 7, 0.001)] for i in range(2)]
    rows = gap_and_surrogacy(stack_of(trials)(0.5), [], SETTINGS)[0]
    own = [r for r in rows if r["estimand"] == "difference"]
    assert {r["method"] for r in own} >= {"model"}
    assert any(r["ci_lb"] > 0.0 for r in own)
    assert {r["verdict"] for r in own} == {"none"}


def test_two_equal_effects_are_narrow() -> None:
    stack = stack_of([[("intention", 0.2, 0.03)], [("intention", 0.2, 0.03)]])(0.5)
    (row,) = pooled_effects(group_of(stack, SETTINGS))
    assert row["ci_ub"] - row["ci_lb"] == pytest.approx(0.0, abs=1e-12)
    assert row["notes"].endswith("narrower_than_common_effect")
    assert row["verdict"] == "none" and "narrower" in row["verdict_reason"]


@pytest.mark.parametrize("ci_method", ["wald", "t", "knapp_hartung_floor"])
def test_intervals_with_the_sampling_error_in_them_are_not_narrow(ci_method: str) -> None:
    stack = stack_of([[("intention", 0.2, 0.03)], [("intention", 0.2, 0.05)]])(0.5)
    (row,) = pool_construct(stack, "intention", AnalysisSettings(ci_method=ci_method), {})
    assert "narrower" not in row["notes"]


def test_several_effects_of_a_trial_are_as_narrow_as_their_composites() -> None:
    """Three trials of two equal effects each (correlation .6: composite variance .8 v): both models
    are narrower than the common-effect interval 1.96 sqrt(.8 v / 3)."""
    trials = [
        trial_of(f"t{i}", [("intention", 0.2 + i / 1000, 0.03)] * 2, rho=0.6) for i in range(3)
    ]
    first, second = pool_construct(Stack(tuple(trials)), "intention", SETTINGS, {})
    for row in (first, second):
        assert row["ci_ub"] - row["ci_lb"] < 2 * 1.96 * math.sqrt(0.8 * 0.03 / 3)
        assert "narrower_than_common_effect" in row["notes"] and row["verdict"] == "none"


def test_a_level_without_pairs_has_no_gap_of_its_own() -> None:
    trials = [
        trial_of(f"p{i}", [("intention", 0.5 + i / 9, 0.02), ("behavior", 0.1 + i / 5, 0.03)])
        for i in range(4)
    ]
    trials += [trial_of(f"i{i}", [("intention", 0.4 + i / 8, 0.02)]) for i in range(3)]
    trials += [trial_of(f"b{i}", [("behavior", 0.2 + i / 8, 0.02)]) for i in range(3)]
    one = Moderator("setting", "category", {
        str(t["trial_id"]): "clinic" if str(t["trial_id"]).startswith("p") else "school"
        for t in trials
    })  # fmt: skip
    rows = {r["level_value"]: r for r in compare_gap(group_of(Stack(tuple(trials)), SETTINGS), one)}
    assert rows["clinic"]["status"] == "ok" and rows["school"]["status"] == "indirect"
    assert rows["school"]["verdict"] == "none"
    assert all(math.isnan(r["f"]) and math.isnan(r["pvalue"]) for r in rows.values())
