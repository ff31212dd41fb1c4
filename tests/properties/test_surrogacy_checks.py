"""Checks of trial-level surrogacy: predictions of left-out trials, the same-sample artefact, and
the line of Daniels and Hughes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from analysis.errors import EstimationError
from analysis.gap.joint import fit_joint
from analysis.gap.many_gaps import PairedEffects, fit_many_gaps, paired_effects
from analysis.gap.resampling import trial_level_slope
from analysis.gap.surrogacy_checks import (
    DanielsHughes,
    LeftOutPredictions,
    daniels_hughes,
    predict_left_out_trials,
    same_sample_artefact,
)

from .generated import OUTCOMES, slow

SE = 0.15


def _line(
    seed: int,
    sets: int,
    trials: int,
    *,
    slope: float,
    within: float,
    spread: float = 0.2,
    residual: float = 0.1,
    se: Any = SE,
) -> PairedEffects:
    """Sets of trials whose true behavior effects lie on a line, with errors that correlate."""
    rng = np.random.default_rng([43, seed])
    upstream = rng.normal(0.4, spread, (sets, trials))
    behavior = 0.1 + slope * upstream + rng.normal(0.0, residual, (sets, trials))
    z1, z2 = rng.standard_normal((2, sets, trials))
    v = np.broadcast_to(np.asarray(se, dtype=float) ** 2, (trials,))
    errors = z1, within * z1 + math.sqrt(1.0 - within**2) * z2
    y1, y2 = (
        true + np.sqrt(v) * one for true, one in zip((upstream, behavior), errors, strict=True)
    )
    return paired_effects(y1, v, y2, v, within * v)


def _sets(effects: PairedEffects) -> list[PairedEffects]:
    columns = effects.arrays()
    return [paired_effects(*(one[i] for one in columns)) for i in range(columns[0].shape[0])]


TABLE = [
    # slope, correlation within arms, expected slope of a regression of effects on effects
    (0.0, 0.0, 0.00),
    (0.0, 0.5, 0.18),
    (0.0, 0.8, 0.288),
    (0.5, 0.0, 0.32),
    (0.5, 0.5, 0.50),
    (0.5, 0.8, 0.608),
]
"""(slope spread^2 + within se^2) / (spread^2 + se^2) at spread .2 and se .15."""


@pytest.mark.parametrize(("slope", "within", "expected"), TABLE)
def test_what_a_naive_regression_finds(slope: float, within: float, expected: float) -> None:
    """100 sets of 30 trials: the Monte Carlo error of a mean slope is about .017."""
    assert expected == pytest.approx((slope * 0.04 + within * SE**2) / (0.04 + SE**2), abs=1e-9)
    made = [
        same_sample_artefact(one) for one in _sets(_line(1, 100, 30, slope=slope, within=within))
    ]
    naive = np.array([one.naive_slope for one in made])
    error = naive.std() / 10.0
    assert error < 0.02
    assert naive.mean() == pytest.approx(expected, abs=3.0 * error)
    fitted = np.array([one.with_fitted_link for one in made])
    assert fitted.mean() == pytest.approx(expected, abs=3.0 * error)
    assert {one.pairs for one in made} == {30}


@pytest.mark.parametrize(("slope", "within", "expected"), TABLE)
def test_many_trials_leave_no_doubt_about_it(slope: float, within: float, expected: float) -> None:
    """One set of 20,000 trials; the slopes have a Monte Carlo error of about .007."""
    found = same_sample_artefact(_line(2, 1, 20_000, slope=slope, within=within))
    assert found.naive_slope == pytest.approx(expected, abs=0.025)
    assert found.with_fitted_link == pytest.approx(expected, abs=0.025)
    assert found.without_link == pytest.approx(within * SE**2 / (0.04 + SE**2), abs=0.015)
    assert found.fitted_slope == pytest.approx(slope, abs=0.04), "the joint model has no artefact"


def _random(number: int, trials: int) -> PairedEffects:
    """Trials of different sizes; some miss an outcome."""
    rng = np.random.default_rng([47, number])
    made = _line(number, 1, trials, slope=0.5, within=0.5, se=rng.uniform(0.05, 0.3, trials))
    y1, v1, y2, v2, c = made.one_row()
    lost = rng.permutation(trials)
    y1[lost[: trials // 8]] = np.nan
    y2[lost[trials // 8 : trials // 3]] = np.nan
    return paired_effects(y1, v1, y2, v2, c)


def test_the_artefact_by_hand() -> None:
    for number in range(10):
        effects = _random(number, 18)
        y1, v1, y2, _, c = effects.one_row()
        both = np.isfinite(y1 + y2)
        found, fit = same_sample_artefact(effects), fit_many_gaps(effects)
        assert found.naive_slope == pytest.approx(np.polyfit(y1[both], y2[both], 1)[0], rel=1e-9)
        total = fit.tau11[0] + v1[both].mean()
        assert found.without_link == pytest.approx(c[both].mean() / total)
        assert found.with_fitted_link == pytest.approx((fit.tau12[0] + c[both].mean()) / total)


def _refit(columns: list[np.ndarray], left: int) -> Any:
    """The joint model of every trial but one, from a list of effects."""
    y1, v1, y2, v2, c = columns
    effects, v, trial, outcome = [], [], [], []
    for i in range(y1.size):
        known = np.flatnonzero(np.isfinite([y1[i], y2[i]]))
        if i != left and known.size:
            effects += [[y1[i], y2[i]][j] for j in known]
            v.append(np.array([[v1[i], c[i]], [c[i], v2[i]]])[np.ix_(known, known)])
            trial += [i] * known.size
            outcome += [OUTCOMES[j] for j in known]
    return fit_joint(effects, v, trial, outcome)


@pytest.mark.parametrize("number", range(3))
def test_predictions_are_those_of_refits(number: int) -> None:
    effects = _random(number, 12)
    columns = effects.one_row()
    found = predict_left_out_trials(effects, level=0.9)
    y1, v1, y2, v2, c = columns
    assert found.trial.tolist() == np.flatnonzero(np.isfinite(y1 + y2)).tolist()
    pairs = len(found.trial)
    away_from_mean = []
    for row, i in enumerate(found.trial):
        model = _refit(columns, int(i))
        whole = model.fit.tau + model.fit.vb + np.array([[v1[i], c[i]], [c[i], v2[i]]])
        predicted = model.means[1] + whole[0, 1] / whole[0, 0] * (y1[i] - model.means[0])
        variance = whole[1, 1] - whole[0, 1] ** 2 / whole[0, 0]
        half = -special.stdtrit(pairs - 3.0, 0.05) * math.sqrt(variance)
        assert found.predicted[row] == pytest.approx(predicted, abs=1e-5)
        assert found.se[row] == pytest.approx(math.sqrt(variance), rel=1e-4)
        assert found.ci_lb[row] == pytest.approx(predicted - half, abs=1e-4)
        assert found.ci_ub[row] == pytest.approx(predicted + half, abs=1e-4)
        assert found.standardized[row] == pytest.approx(
            (y2[i] - predicted) / math.sqrt(variance), abs=1e-3
        )
        away_from_mean.append(y2[i] - model.means[1])
    np.testing.assert_array_equal(found.observed, y2[found.trial])
    _assert_summaries(found)
    assert found.rmse_mean == pytest.approx(np.sqrt(np.mean(np.square(away_from_mean))), rel=1e-4)


def _assert_summaries(found: LeftOutPredictions) -> None:
    inside = (found.observed >= found.ci_lb) & (found.observed <= found.ci_ub)
    np.testing.assert_array_equal(found.covered, inside)
    assert found.coverage == inside.mean()
    error = found.observed - found.predicted
    assert found.rmse == pytest.approx(math.sqrt(float((error**2).mean())), rel=1e-12)


def test_coverage_of_left_out_trials() -> None:
    """120 sets of 20 trials. Predictions of one set share its trials, so the Monte Carlo error is
    that of a mean over sets: about .004."""
    made = [predict_left_out_trials(one) for one in _sets(_line(3, 120, 20, slope=0.7, within=0.5))]
    coverage = np.array([one.coverage for one in made])
    error = coverage.std() / math.sqrt(coverage.size)
    assert error < 0.006
    assert coverage.mean() == pytest.approx(0.95, abs=0.01 + 2.0 * error)
    spread = np.concatenate([one.standardized for one in made]).std()
    assert spread == pytest.approx(1.0, abs=0.1)
    better = np.mean([one.rmse for one in made]) / np.mean([one.rmse_mean for one in made])
    assert better < 0.8, "the upstream effect predicts here"


def test_no_link_leaves_nothing_to_predict_with() -> None:
    """Outcomes of independent errors and effects: predictions are no better than the mean."""
    made = [predict_left_out_trials(one) for one in _sets(_line(4, 60, 20, slope=0.0, within=0.0))]
    ratio = np.mean([one.rmse for one in made]) / np.mean([one.rmse_mean for one in made])
    assert 0.98 < ratio < 1.12


@slow
@given(number=st.integers(0, 1000), shift=st.floats(-1.0, 1.0), unit=st.sampled_from([0.1, 10.0]))
def test_units_and_shifts(number: int, shift: float, unit: float) -> None:
    effects = _random(number, 14)
    y1, v1, y2, v2, c = effects.one_row()
    moved = paired_effects(
        unit * (y1 + shift), unit**2 * v1, unit * (y2 - shift), unit**2 * v2, unit**2 * c
    )
    first, second = predict_left_out_trials(effects), predict_left_out_trials(moved)
    np.testing.assert_allclose(second.predicted / unit + shift, first.predicted, atol=1e-4)
    np.testing.assert_allclose(second.standardized, first.standardized, atol=1e-3)
    one, other = same_sample_artefact(effects), same_sample_artefact(moved)
    assert other.naive_slope == pytest.approx(one.naive_slope, rel=1e-6)
    assert other.without_link == pytest.approx(one.without_link, rel=1e-3)
    line, same = daniels_hughes(effects), daniels_hughes(moved)
    assert same.slope == pytest.approx(line.slope, abs=1e-3)
    assert same.residual_sd / unit == pytest.approx(line.residual_sd, rel=1e-3)
    intercept = same.intercept / unit + shift + same.slope * shift
    assert intercept == pytest.approx(line.intercept, abs=2e-3)


def _dense(effects: PairedEffects) -> dict[str, tuple[float, float, float]]:
    """Mean and central limits by brute force: a grid over intercept, slope and residual standard
    deviation, the upstream effect of every trial summed over 41 values of its own."""
    y1, v1, y2, v2, c = effects.one_row()
    alpha, beta = np.linspace(-0.7, 0.7, 45), np.linspace(-0.6, 1.6, 51)
    tau = np.linspace(0.0, 0.5, 51)
    logp = np.zeros((alpha.size, beta.size, tau.size))
    for i in range(y1.size):
        theta = y1[i] + math.sqrt(v1[i]) * np.linspace(-7.0, 7.0, 41)
        first = y1[i] - theta
        second = y2[i] - alpha[:, None, None] - beta[:, None] * theta
        s22 = v2[i] + tau**2
        determinant = v1[i] * s22 - c[i] ** 2
        constant = -0.5 * s22 / determinant
        crossed, squared = first * second * c[i], second**2 * (-0.5 * v1[i])
        rest = crossed + squared
        likelihood = [
            np.exp(constant[t] * first**2 + rest / determinant[t]).sum(axis=2)
            / math.sqrt(determinant[t])
            for t in range(tau.size)
        ]
        logp += np.log(np.moveaxis(likelihood, 0, 2))
    p = np.exp(logp - logp.max())
    p[:, :, 0] /= 2.0  # the grid ends there: trapezoids
    p /= p.sum()
    out = {}
    for name, grid, axes in (
        ("intercept", alpha, (1, 2)), ("slope", beta, (0, 2)), ("residual_sd", tau, (0, 1)),
    ):  # fmt: skip
        mass = p.sum(axis=axes)
        below = np.cumsum(mass) - mass / 2.0
        low, high = np.interp([0.025, 0.975], below, grid)
        out[name] = (float(mass @ grid), float(low), float(high))
    return out


def _estimates(found: DanielsHughes) -> dict[str, tuple[float, float, float]]:
    return {
        name: tuple(getattr(found, f"{name}{end}") for end in ("", "_lb", "_ub"))
        for name in ("intercept", "slope", "residual_sd")
    }  # type: ignore[misc]


def test_the_posterior_by_brute_force() -> None:
    """12 trials of different sizes; both grids have errors of the third digit."""
    rng = np.random.default_rng(5)
    effects = _line(6, 1, 12, slope=0.5, within=0.5, spread=0.35, se=rng.uniform(0.08, 0.2, 12))
    expected, found = _dense(effects), _estimates(daniels_hughes(effects))
    for name in ("intercept", "slope"):
        assert found[name] == pytest.approx(expected[name], abs=0.01), name
    assert found["residual_sd"] == pytest.approx(expected["residual_sd"], abs=0.006)


@pytest.mark.parametrize("pairs", [10, 20])
def test_the_grid_is_fine_enough(pairs: int) -> None:
    _assert_fine(pairs)


@pytest.mark.parametrize("pairs", [5, 6])
def test_the_grid_is_fine_enough_for_few_pairs(pairs: int) -> None:
    _assert_fine(pairs)


def _assert_fine(pairs: int) -> None:
    """Three times as many points move no limit by more than 1/25 of the interval's length."""
    for seed in range(2):
        effects = _line(
            seed, 1, pairs, slope=0.5, within=0.5, spread=0.25, se=np.linspace(0.1, 0.2, pairs)
        )
        usual, fine = (_estimates(daniels_hughes(effects, points=n)) for n in (161, 481))
        for name, (mean, low, high) in fine.items():
            assert usual[name] == pytest.approx((mean, low, high), abs=0.04 * (high - low)), name


def _mean_slopes(effects: PairedEffects) -> tuple[np.ndarray, np.ndarray]:
    """Slopes of the naive regression and of Daniels and Hughes in every set."""
    sets = _sets(effects)
    naive = np.array([np.polyfit(one.y1, one.y2, 1)[0] for one in sets])
    return naive, np.array([daniels_hughes(one).slope for one in sets])


def test_the_line_is_nearly_recovered_where_upstream_effects_are_spread() -> None:
    """60 sets of 20 trials, upstream effects with four times the spread of their errors: what is
    lost is 1/17 of the slope. Monte Carlo error of the mean slope .008, coverage .03."""
    effects = _line(8, 60, 20, slope=0.5, within=0.0, spread=0.6)
    found = [daniels_hughes(one) for one in _sets(effects)]
    slope = np.array([one.slope for one in found])
    error = slope.std() / math.sqrt(slope.size)
    assert error < 0.012
    assert slope.mean() == pytest.approx(0.5 * 0.36 / (0.36 + SE**2), abs=3.0 * error)
    assert np.mean([one.slope_lb <= 0.5 <= one.slope_ub for one in found]) >= 0.85
    assert np.mean([one.residual_sd for one in found]) == pytest.approx(0.1, abs=0.05)


def test_precise_trials_decide_the_line() -> None:
    """No link, half the trials large: least squares takes the small trials' shared error for a
    line, weights by precision take most of it away. Monte Carlo error about .02."""
    se = np.repeat([0.03, 0.3], 12)
    effects = _line(9, 50, 24, slope=0.0, within=0.8, residual=0.04, se=se)
    naive, weighted = _mean_slopes(effects)
    assert naive.mean() > 0.3
    assert abs(weighted.mean()) < 0.4 * naive.mean()


def test_flat_priors_do_not_take_the_artefact_away() -> None:
    """With trials of one size and upstream effects spread hardly beyond their errors, a flat prior
    on every upstream effect leaves the line where the naive regression has it: integrated over
    them, y2 given y1 has the mean intercept + slope y1, without a correction for the error of y1.
    The slope of the joint model is free of it. 40 sets: Monte Carlo error about .02."""
    effects = _line(10, 40, 30, slope=0.0, within=0.8)
    naive, flat = _mean_slopes(effects)
    assert naive.mean() == pytest.approx(0.288, abs=0.06)
    np.testing.assert_allclose(flat, naive, atol=0.08)
    joint = trial_level_slope(fit_many_gaps(_line(10, 1000, 30, slope=0.0, within=0.8)))
    assert np.nanmedian(joint) == pytest.approx(0.0, abs=0.04)


def test_refusals() -> None:
    y1, v1, y2, v2, c = _line(11, 1, 9, slope=0.5, within=0.5).one_row()
    few = paired_effects(y1, v1, np.where(np.arange(9) < 4, y2, np.nan), v2, c)
    with pytest.raises(EstimationError, match="needs 5 trials with both outcomes, found 4"):
        predict_left_out_trials(few)
    with pytest.raises(
        EstimationError, match="the line needs 5 trials with both outcomes, found 4"
    ):
        daniels_hughes(few)
    two = paired_effects(y1, v1, np.where(np.arange(9) < 2, y2, np.nan), v2, c)
    with pytest.raises(EstimationError, match="a slope needs 3 trials with both outcomes, found 2"):
        same_sample_artefact(two)
    several = _line(11, 2, 9, slope=0.5, within=0.5)
    for function in (predict_left_out_trials, daniels_hughes, same_sample_artefact):
        with pytest.raises(EstimationError, match="one problem is needed, found 2"):
            function(several)


def test_five_pairs_among_more_trials_are_enough() -> None:
    y1, v1, y2, v2, c = _line(12, 1, 9, slope=0.5, within=0.5).one_row()
    found = predict_left_out_trials(
        paired_effects(y1, v1, np.where(np.arange(9) < 5, y2, np.nan), v2, c)
    )
    assert found.trial.tolist() == [0, 1, 2, 3, 4]
    assert np.isfinite(found.predicted).all()
    assert np.isfinite(found.ci_lb).all()


def test_identical_upstream_effects_have_no_slope() -> None:
    _, v1, y2, v2, c = _line(13, 1, 8, slope=0.5, within=0.5).one_row()
    found = same_sample_artefact(paired_effects(np.full(8, 0.4), v1, y2, v2, c))
    assert math.isnan(found.naive_slope)
    assert math.isnan(found.fitted_slope)
    assert found.without_link == pytest.approx(0.5)
