"""Trials without a behavior result: what must hold whatever is assumed of them."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.bias.missing_behavior import SHIFTS, missing_behavior
from analysis.errors import EstimationError
from analysis.gap.joint import difference, fit_joint
from analysis.gap.many_gaps import PairedEffects, fit_many_gaps
from analysis.univariate.meta_regression import fit_meta_regression

from .generated import slow

levels = st.sampled_from([0.9, 0.95, 0.99])


def _reported(rng: np.random.Generator, both: int, upstream: int, behavior: int) -> PairedEffects:
    """Trials with both outcomes, with the upstream one only, and with behavior only."""
    m = both + upstream + behavior
    v1, v2 = rng.uniform(0.01, 0.08, (2, m))
    covariance = 0.4 * np.sqrt(v1 * v2)
    common = rng.normal(0.0, 0.25, m)
    y1 = 0.5 + common + rng.normal(0.0, np.sqrt(v1))
    y2 = 0.3 + 0.6 * common + rng.normal(0.0, np.sqrt(v2 + 0.02))
    y1[both + upstream :] = np.nan
    y2[both : both + upstream] = np.nan
    return PairedEffects(y1, v1, y2, v2, covariance)


@st.composite
def incomplete(draw: st.DrawFn, behavior_only: int = 2) -> PairedEffects:
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    return _reported(
        rng, draw(st.integers(5, 10)), draw(st.integers(1, 6)),
        draw(st.integers(0, behavior_only)),
    )  # fmt: skip


def _times(effects: PairedEffects, c: float) -> PairedEffects:
    return PairedEffects(
        c * effects.y1, c**2 * effects.v1, c * effects.y2, c**2 * effects.v2,
        c**2 * effects.covariance,
    )  # fmt: skip


@given(effects=incomplete(), level=levels)
def test_no_shift_is_the_joint_model(effects: PairedEffects, level: float) -> None:
    found = missing_behavior(effects, shifts=[0.0], level=level)
    fit = fit_many_gaps(effects)
    assert found.difference[0] == pytest.approx(fit.difference[0], abs=1e-12)
    assert found.behavior[0] == fit.mu2[0]
    assert (found.se, found.df, found.level) == (fit.se[0], fit.df[0], level)
    half = stats.t.ppf(0.5 + level / 2.0, fit.df[0]) * fit.se[0]
    assert found.ci_lb[0] == pytest.approx(fit.difference[0] - half, abs=1e-8)
    assert found.ci_ub[0] == pytest.approx(fit.difference[0] + half, abs=1e-8)


@slow
@given(effects=incomplete())
def test_no_shift_is_the_model_of_both_outcomes_in_one_list(effects: PairedEffects) -> None:
    """The same by the other program for joint models: effect by effect."""
    has1, has2 = np.isfinite(effects.y1), np.isfinite(effects.y2)
    trial = np.concatenate([np.flatnonzero(has1), np.flatnonzero(has2)])
    outcome = ["intention"] * int(has1.sum()) + ["behavior"] * int(has2.sum())
    yi = np.concatenate([effects.y1[has1], effects.y2[has2]])
    v = np.zeros((yi.size, yi.size))
    np.fill_diagonal(v, np.concatenate([effects.v1[has1], effects.v2[has2]]))
    first = {one: row for row, one in enumerate(np.flatnonzero(has1))}
    for row, one in enumerate(np.flatnonzero(has2), start=int(has1.sum())):
        if one in first:
            v[row, first[one]] = v[first[one], row] = effects.covariance[one]
    gap = difference(fit_joint(yi, v, trial.tolist(), outcome))
    found = missing_behavior(effects, shifts=[0.0])
    assert found.difference[0] == pytest.approx(gap.estimate, abs=1e-5)
    assert found.se == pytest.approx(gap.se, rel=1e-3)


@given(effects=incomplete(), level=levels)
def test_the_gap_is_linear_in_the_shift(effects: PairedEffects, level: float) -> None:
    """By the share of trials without behavior; errors and the width of the interval stay."""
    shifts = [-0.4, 0.0, 0.1, 0.3]
    found = missing_behavior(effects, shifts=shifts, level=level)
    has1, has2 = np.isfinite(effects.y1), np.isfinite(effects.y2)
    assert found.trials == (has1 | has2).sum() == has1.size
    assert found.missing == (has1 & ~has2).sum()
    assert found.share == pytest.approx(found.missing / found.trials, rel=1e-15)
    np.testing.assert_allclose(found.shift, shifts)
    moved = found.share * np.array(shifts)
    np.testing.assert_allclose(found.behavior, found.behavior[1] + moved, atol=1e-12)
    np.testing.assert_allclose(found.difference, found.difference[1] - moved, atol=1e-12)
    np.testing.assert_allclose(found.ci_lb, found.ci_lb[1] - moved, atol=1e-12)
    np.testing.assert_allclose(found.ci_ub - found.ci_lb, found.ci_ub[1] - found.ci_lb[1])


@given(effects=incomplete(), level=levels)
def test_the_tipping_point_puts_a_limit_at_zero(effects: PairedEffects, level: float) -> None:
    found = missing_behavior(effects, level=level)
    width = found.ci_ub[0] - found.ci_lb[0]
    # The shifts at which the limits are 0.
    crossings = np.array([found.ci_lb[0], found.ci_ub[0]]) / found.share
    if math.isnan(found.tipping):
        assert np.abs(crossings).min() > 1.0
        return
    assert abs(found.tipping) <= 1.0
    assert found.tipping == pytest.approx(crossings[np.argmin(np.abs(crossings))], rel=1e-9)
    there = missing_behavior(effects, shifts=[found.tipping], level=level)
    nearest = min(abs(there.ci_lb[0]), abs(there.ci_ub[0]))
    assert nearest < 1e-10 * max(1.0, width)
    nearer = missing_behavior(
        effects, shifts=0.999 * found.tipping * np.linspace(0.0, 1.0, 50), level=level
    )
    for limit in (nearer.ci_lb, nearer.ci_ub):
        assert (np.sign(limit) == np.sign(limit[0])).all()


def test_a_tipping_point_beyond_one_standard_deviation_is_missing() -> None:
    rng = np.random.default_rng(2)
    effects = _reported(rng, 12, 1, 0)
    far = PairedEffects(effects.y1 + 3.0, effects.v1, effects.y2, effects.v2, effects.covariance)
    assert math.isnan(missing_behavior(far).tipping)


@given(effects=incomplete(), c=st.sampled_from([-1.0, 0.25, -4.0]))
def test_units_and_signs_of_the_gap(effects: PairedEffects, c: float) -> None:
    first = missing_behavior(effects, shifts=[0.0, 0.2])
    second = missing_behavior(_times(effects, c), shifts=[0.0, 0.2 * c])
    low, high = (second.ci_lb, second.ci_ub) if c > 0 else (second.ci_ub, second.ci_lb)
    tolerance = {"rtol": 1e-4, "atol": 1e-5 * abs(c)}
    np.testing.assert_allclose(second.difference, c * first.difference, **tolerance)
    np.testing.assert_allclose(second.behavior, c * first.behavior, **tolerance)
    np.testing.assert_allclose(low, c * first.ci_lb, **tolerance)
    np.testing.assert_allclose(high, c * first.ci_ub, **tolerance)
    np.testing.assert_allclose(second.complete, c * first.complete, **tolerance)
    np.testing.assert_allclose(second.upstream_contrast, c * first.upstream_contrast, **tolerance)
    np.testing.assert_allclose(second.upstream_pvalue, first.upstream_pvalue, rtol=1e-3)


@given(effects=incomplete(), order=st.randoms(use_true_random=False))
def test_order_of_trials_does_not_matter(effects: PairedEffects, order: object) -> None:
    rows = list(range(effects.y1.size))
    order.shuffle(rows)  # type: ignore[attr-defined]
    turned = PairedEffects(*(getattr(effects, field.name)[rows] for field in fields(effects)))
    first, second = missing_behavior(effects), missing_behavior(turned)
    np.testing.assert_allclose(second.difference, first.difference, atol=1e-6)
    assert second.se == pytest.approx(first.se, rel=1e-4)


@given(effects=incomplete())
def test_complete_trials_alone(effects: PairedEffects) -> None:
    both = np.isfinite(effects.y1) & np.isfinite(effects.y2)
    alone = PairedEffects(*(getattr(effects, field.name)[both] for field in fields(effects)))
    expected = fit_many_gaps(alone).difference[0]
    assert missing_behavior(effects).complete == pytest.approx(expected, abs=1e-6)


@given(effects=incomplete())
def test_the_upstream_contrast_is_a_regression(effects: PairedEffects) -> None:
    known = np.isfinite(effects.y1)
    without = np.isnan(effects.y2)[known].astype(float)
    found = missing_behavior(effects)
    if without.sum() < 2:
        assert math.isnan(found.upstream_contrast) and math.isnan(found.upstream_pvalue)
        return
    fit = fit_meta_regression(
        effects.y1[known], effects.v1[known], np.column_stack([np.ones_like(without), without])
    )
    assert found.upstream_contrast == pytest.approx(fit.coefficients.estimate[1], rel=1e-9)
    assert found.upstream_pvalue == pytest.approx(fit.coefficients.pvalue[1], rel=1e-9)


def test_reporting_that_depends_on_results_shows_upstream() -> None:
    rng = np.random.default_rng(4)
    effects = _reported(rng, 60, 0, 0)
    hidden = replace(effects, y2=np.where(effects.y1 < 0.35, np.nan, effects.y2))
    found = missing_behavior(hidden)
    assert found.upstream_contrast < 0.0
    assert found.upstream_pvalue < 1e-4
    # The joint model makes up for what the upstream effects tell, the complete trials do not.
    everyone = fit_many_gaps(effects)
    assert abs(found.behavior[0] - everyone.mu2[0]) < 2.0 * math.sqrt(everyone.robust22[0])


def test_the_usual_shifts_start_at_missing_at_random_and_get_worse() -> None:
    assert SHIFTS[0] == 0.0
    assert np.diff(SHIFTS).max() < 0.0
    effects = _reported(np.random.default_rng(7), 8, 4, 1)
    found = missing_behavior(effects)
    np.testing.assert_array_equal(found.shift, SHIFTS)
    assert (np.diff(found.difference) > 0.0).all()


def test_every_trial_reports_behavior() -> None:
    effects = _reported(np.random.default_rng(1), 6, 0, 2)
    with pytest.raises(EstimationError, match="every trial with an upstream effect reports"):
        missing_behavior(effects)


def test_too_few_trials_with_behavior() -> None:
    effects = _reported(np.random.default_rng(1), 1, 5, 0)
    with pytest.raises(EstimationError, match="needs at least 2 trials with each outcome"):
        missing_behavior(effects)


def test_more_than_one_problem() -> None:
    effects = _reported(np.random.default_rng(1), 5, 2, 0)
    two = PairedEffects(*(np.tile(getattr(effects, f.name), (2, 1)) for f in fields(effects)))
    with pytest.raises(EstimationError, match="one problem is needed, found 2"):
        missing_behavior(two)
