"""Bootstrap of the joint model, and whether intervals of the gap cover what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from analysis.errors import EstimationError
from analysis.gap.joint import (
    JointModel,
    fit_joint,
    predictive_gap,
    probability_rises_without_behavior,
)
from analysis.gap.many_gaps import ManyGaps, PairedEffects, fit_many_gaps, paired_effects
from analysis.gap.resampling import (
    BootstrappedModel,
    bootstrap_joint_model,
    probability_without_behavior,
    trial_level_r2,
    trial_level_slope,
)

from .generated import OUTCOMES, slow

MEANS = (0.5, 0.2)
TAU = np.array([[0.04, 0.02], [0.02, 0.03]])
WITHIN = 0.5
DRAWS = 1000


def _simulated(
    seed: int, sets: int, trials: int, tau: np.ndarray = TAU, missing: float = 0.0
) -> PairedEffects:
    """Sets of trials of 40 to 300 persons whose outcomes correlate .5 within arms."""
    rng = np.random.default_rng([41, seed])
    persons = rng.uniform(40.0, 300.0, trials)
    v1, v2 = 4.0 / persons, 4.5 / persons
    c = WITHIN * np.sqrt(v1 * v2)
    s11, s12, s22 = v1 + tau[0, 0], c + tau[0, 1], v2 + tau[1, 1]
    z1, z2 = rng.standard_normal((2, sets, trials))
    y1 = MEANS[0] + np.sqrt(s11) * z1
    y2 = MEANS[1] + s12 / np.sqrt(s11) * z1 + np.sqrt(s22 - s12**2 / s11) * z2
    y2[:, : int(missing * trials)] = np.nan
    return paired_effects(y1, v1, y2, v2, c)


def _alone(effects: PairedEffects) -> JointModel:
    y1, v1, y2, v2, c = effects.one_row()
    y = np.stack([y1, y2], axis=1)
    v = np.moveaxis(np.array([[v1, c], [c, v2]]), 2, 0)
    known = [np.flatnonzero(np.isfinite(one)) for one in y]
    return fit_joint(
        np.concatenate([one[k] for one, k in zip(y, known, strict=True)]),
        [one[np.ix_(k, k)] for one, k in zip(v, known, strict=True)],
        [i for i, k in enumerate(known) for _ in k],
        [OUTCOMES[j] for k in known for j in k],
    )


@pytest.fixture(scope="module")
def bootstrapped() -> BootstrappedModel:
    return bootstrap_joint_model(_simulated(1, 1, 20, missing=0.2), draws=DRAWS)


def _difference(fits: ManyGaps) -> np.ndarray:
    return fits.difference


def _nothing(fits: ManyGaps) -> np.ndarray:
    return np.full(fits.mu1.size, np.nan)


FUNCTIONALS = {
    "difference": _difference,
    "slope": trial_level_slope,
    "r2": trial_level_r2,
    "probability": probability_without_behavior(),
}


@pytest.mark.parametrize("name", FUNCTIONALS)
def test_intervals_contain_their_estimate(bootstrapped: BootstrappedModel, name: str) -> None:
    found = bootstrapped.interval(FUNCTIONALS[name])
    assert found.lower < found.estimate < found.upper
    assert (found.estimate, found.reason) == (FUNCTIONALS[name](bootstrapped.fit)[0], "")
    assert 0.95 * DRAWS < found.draws <= DRAWS
    narrower = bootstrapped.interval(FUNCTIONALS[name], level=0.8)
    assert found.lower <= narrower.lower <= narrower.upper <= found.upper
    assert narrower.upper - narrower.lower < found.upper - found.lower


def test_shares_and_probabilities_are_between_0_and_1(bootstrapped: BootstrappedModel) -> None:
    for name in ("r2", "probability"):
        values = FUNCTIONALS[name](bootstrapped.draws)
        known = values[np.isfinite(values)]
        assert known.min() >= 0.0
        assert known.max() <= 1.0


def test_draws_are_samples_of_the_fit(bootstrapped: BootstrappedModel) -> None:
    """Means of the draws are those of the fit and their covariance the model's: the Monte Carlo
    error of a mean of 1000 draws is 3.2 % of a standard error, of a variance 4.5 %."""
    fit, draws = bootstrapped.fit, bootstrapped.draws
    for name, variance in (("mu1", fit.model11[0]), ("mu2", fit.model22[0])):
        values = getattr(draws, name)
        assert values.mean() == pytest.approx(getattr(fit, name)[0], abs=0.1 * variance**0.5)
        assert values.var() == pytest.approx(variance, rel=0.15)
    np.testing.assert_array_equal(draws.k2, np.full(DRAWS, fit.k2[0]))
    assert (fit.k1[0], fit.k2[0], fit.pairs[0]) == (20, 16, 16)


@slow
@given(seed=st.integers(0, 1000))
def test_the_same_seed_gives_the_same_draws(seed: int) -> None:
    effects = _simulated(seed, 1, 10)
    first, again = (bootstrap_joint_model(effects, draws=120, seed=seed) for _ in range(2))
    other = bootstrap_joint_model(effects, draws=120, seed=seed + 1)
    intervals = [one.interval(_difference) for one in (first, again, other)]
    assert intervals[0] == intervals[1] != intervals[2]
    assert intervals[0].estimate == intervals[2].estimate
    np.testing.assert_array_equal(first.draws.mu1, again.draws.mu1)
    assert (first.draws.mu1 != other.draws.mu1).all()


def test_the_boundary_has_intervals_too() -> None:
    """No variance between trials: the delta method has nothing to say of the share explained."""
    found = bootstrap_joint_model(_simulated(2, 1, 12, 0.0 * TAU), draws=400)
    assert found.fit.status[0] == "boundary"
    gap = found.interval(_difference)
    assert gap.lower < gap.estimate < gap.upper
    probability = found.interval(probability_without_behavior())
    assert 0.0 <= probability.lower <= probability.upper <= 1.0


def test_limits_need_values_in_most_draws(bootstrapped: BootstrappedModel) -> None:
    def seldom(fits: ManyGaps) -> np.ndarray:
        return np.where(np.arange(fits.mu1.size) % 3 == 1, np.nan, fits.mu1)

    for functional, missing in ((seldom, 333), (_nothing, DRAWS)):
        found = bootstrapped.interval(functional)
        assert math.isnan(found.lower) and math.isnan(found.upper)
        assert found.reason == f"{missing} of {DRAWS} bootstrap samples could not be estimated"
        assert found.draws == DRAWS - missing
    few = bootstrap_joint_model(_simulated(1, 1, 20), draws=60).interval(_difference)
    assert math.isnan(few.lower), "60 draws have no tails"


def test_refusals() -> None:
    y1, v1, y2, v2, c = _simulated(3, 1, 6).one_row()
    with pytest.raises(EstimationError, match="at least 2 trials with each outcome"):
        bootstrap_joint_model(paired_effects(y1, v1, np.where(np.arange(6) < 1, y2, np.nan), v2, c))
    with pytest.raises(EstimationError, match="one problem is needed, found 2"):
        bootstrap_joint_model(_simulated(3, 2, 6))


@slow
@given(seed=st.integers(0, 1000), worthwhile=st.sampled_from([-0.2, 0.0, 0.1, 0.4]))
def test_functionals_are_those_of_the_single_model(seed: int, worthwhile: float) -> None:
    effects = _simulated(seed, 1, 12, missing=0.2)
    fits, model = fit_many_gaps(effects), _alone(effects)
    found = probability_without_behavior(worthwhile)(fits)[0]
    expected = probability_rises_without_behavior(model, worthwhile)
    assert found == pytest.approx(expected.estimate, abs=1e-5)
    tau = model.fit.tau
    if min(tau[0, 0], tau[1, 1]) > 1e-4:
        assert trial_level_slope(fits)[0] == pytest.approx(tau[0, 1] / tau[0, 0], abs=1e-3)
        r2 = tau[0, 1] ** 2 / (tau[0, 0] * tau[1, 1])
        assert trial_level_r2(fits)[0] == pytest.approx(r2, abs=1e-3)
    larger = probability_without_behavior(worthwhile + 0.2)(fits)[0]
    assert found <= larger + 1e-12


def test_no_variance_upstream_leaves_no_line() -> None:
    fits = fit_many_gaps(_simulated(5, 300, 6, np.diag([0.0, 0.05])))
    flat = fits.tau11 == 0.0
    assert flat.any() and not flat.all()
    assert np.isnan(trial_level_slope(fits)[flat]).all()
    assert np.isnan(trial_level_r2(fits)[flat]).all()
    assert np.isfinite(trial_level_slope(fits)[~flat]).all()


def test_two_pairs_have_no_line_and_no_probability() -> None:
    """As in the single model, which calls both not estimable."""
    y1, v1, y2, v2, c = _simulated(6, 1, 8).one_row()
    trial = np.arange(8)
    fits = fit_many_gaps(
        paired_effects(np.where(trial < 5, y1, np.nan), v1, np.where(trial > 2, y2, np.nan), v2, c)
    )
    assert (fits.pairs[0], fits.tau12[0]) == (2, 0.0)
    for functional in (trial_level_slope, trial_level_r2, probability_without_behavior()):
        assert np.isnan(functional(fits)[0])


SETS, TRIALS = 4000, 15
MONTE_CARLO = math.sqrt(0.95 * 0.05 / SETS)
"""Standard error of a coverage of .95: .0034."""


@pytest.fixture(scope="module")
def sets() -> ManyGaps:
    return fit_many_gaps(_simulated(7, SETS, TRIALS))


def test_coverage_of_the_gap(sets: ManyGaps) -> None:
    """CR2 with Satterthwaite df, 15 trials."""
    half = special.stdtrit(sets.df, 0.975) * sets.se
    covered = np.abs(sets.difference - (MEANS[0] - MEANS[1])) <= half
    assert covered.mean() == pytest.approx(0.95, abs=3.0 * MONTE_CARLO)
    assert sets.difference.mean() == pytest.approx(
        MEANS[0] - MEANS[1], abs=4.0 * sets.difference.std() / math.sqrt(SETS)
    )
    assert (sets.se**2).mean() == pytest.approx(sets.difference.var(), rel=0.08)
    assert (sets.status != "not_converged").all()


def _spread(fits: ManyGaps) -> np.ndarray:
    return np.maximum(0.0, fits.tau11 + fits.tau22 - 2.0 * fits.tau12)


@pytest.mark.parametrize(
    ("trials", "times", "lowest", "highest"),
    [(15, 4.0, 0.93, 0.95), (60, 4.0, 0.945, 0.952), (60, 1.0, 0.93, 0.95), (15, 1.0, 0.89, 0.92)],
)
def test_calibration_of_the_predictive_gap(
    trials: int, times: float, lowest: float, highest: float
) -> None:
    """How often the true difference of a new setting lies within the limits, in every set exactly
    by the normal distribution of new settings; Tau is `times` the usual one.

    Nominal where settings differ by more than trials err. Where the two are alike (`times` 1) the
    error of Tau is not carried in full by t with k - 2 df: 15 trials give .90.
    """
    fits = fit_many_gaps(_simulated(11, 1000, trials, times * TAU))
    half = special.stdtrit(fits.pairs - 2.0, 0.975) * np.sqrt(_spread(fits) + fits.se**2)
    sd = math.sqrt(times * (TAU[0, 0] + TAU[1, 1] - 2.0 * TAU[0, 1]))
    away = fits.difference - (MEANS[0] - MEANS[1])
    inside = special.ndtr((away + half) / sd) - special.ndtr((away - half) / sd)
    error = inside.std() / math.sqrt(inside.size)
    assert error < 0.005
    assert lowest - 2.0 * error < inside.mean() < highest + 2.0 * error


def test_the_predictive_gap_is_that_formula() -> None:
    effects = _simulated(9, 1, TRIALS, missing=0.2)
    fits, model = fit_many_gaps(effects), _alone(effects)
    found = predictive_gap(model)
    se = math.sqrt(_spread(fits)[0] + fits.se[0] ** 2)
    assert (found.df, found.interval_kind) == (fits.pairs[0] - 2.0, "prediction")
    assert found.se == pytest.approx(se, rel=1e-5)
    half = special.stdtrit(found.df, 0.975) * se
    assert (found.ci_lb, found.ci_ub) == pytest.approx(
        (fits.difference[0] - half, fits.difference[0] + half), rel=1e-5
    )
