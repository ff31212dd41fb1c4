"""What a new setting may bring: the bootstrap prediction interval covers, its draws of tau2 have
the distribution they should, and shares beyond a threshold are what their definition says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from analysis.arrays import Floats
from analysis.distributions import chi2_sf, critical_value, normal_cdf
from analysis.errors import EstimationError
from analysis.univariate.least_squares import generalized_q
from analysis.univariate.new_settings import (
    _draw_tau2,
    bootstrap_prediction_interval,
    calibrated_share_above,
    share_above,
)
from analysis.univariate.pooling import fit_random_effects
from analysis.univariate.tau2_intervals import generalized_q_interval

from .generated import studies

Studies = tuple[np.ndarray, np.ndarray]
uneven = np.geomspace(0.02, 0.4, 5)
"""Variances of five studies that differ by a factor of 20."""

INTERPOLATION = 0.02
"""Relative error of tau2 read from a table of its confidence distribution."""


# ---- bootstrap prediction interval ----


@pytest.mark.parametrize("tau2", [0.05, 0.4])
def test_the_bootstrap_interval_covers_a_new_effect_of_five_studies(tau2: float) -> None:
    """300 simulated sets; a set counts with the probability that its interval leaves a new effect.
    Quantiles of 1,000 draws lie a little too far inside."""
    rng = np.random.default_rng(61)
    count = 300
    covered = np.empty(count)
    for i in range(count):
        yi = 0.3 + rng.normal(0.0, np.sqrt(uneven + tau2))
        found = bootstrap_prediction_interval(yi, uneven, draws=1000, seed=i)
        upper, lower = (
            float(normal_cdf((limit - 0.3) / math.sqrt(tau2)))
            for limit in (found.upper, found.lower)
        )
        covered[i] = upper - lower
    error = float(covered.std()) / math.sqrt(count)
    assert error < 0.012
    assert covered.mean() == pytest.approx(0.95, abs=3.0 * error + 0.005)


def _sample(seed: int, k: int = 6) -> Studies:
    rng = np.random.default_rng([71, seed])
    vi = rng.uniform(0.05, 0.4, k)
    return rng.normal(0.2, np.sqrt(vi + 0.4)), vi


@pytest.mark.parametrize("seed", range(8))
def test_draws_of_tau2_have_the_tail_probability_of_q_as_distribution(seed: int) -> None:
    """P(drawn tau2 <= t) is the probability that Q is larger than observed, were t true: its
    quantiles are limits of the generalized Q interval, and 0 is as likely as the test of Q says."""
    yi, vi = _sample(seed)
    ones = np.ones((yi.size, 1))
    for level in (0.5, 0.8, 0.95):
        tail = (1.0 - level) / 2.0
        lower, upper = _draw_tau2(yi, vi, np.array([1.0 - tail, tail]))
        found = generalized_q_interval(yi, vi, ones, 1.0 / vi, level)
        near = INTERPOLATION * found.upper
        assert lower == pytest.approx(found.lower, rel=INTERPOLATION, abs=near * 0.05)
        assert upper == pytest.approx(found.upper, rel=INTERPOLATION)
    none = 1.0 - chi2_sf(generalized_q(0.0, yi, vi, ones), yi.size - 1)
    just_below, just_above = _draw_tau2(yi, vi, np.array([none - 1e-3, none + 1e-3]))
    assert just_above == 0.0
    assert just_below > 0.0


def test_draws_of_tau2_by_simulation() -> None:
    """Data simulated with a drawn tau2 have a Q beyond the observed one as often as they should."""
    yi, vi = _sample(3)
    ones = np.ones((yi.size, 1))
    observed = generalized_q(0.0, yi, vi, ones)
    rng = np.random.default_rng(5)
    count = 20_000
    for uniform in (0.1, 0.5, 0.9):
        tau2 = float(_draw_tau2(yi, vi, np.array([uniform]))[0])
        draws = rng.normal(size=(count, yi.size)) * np.sqrt(vi + tau2)
        w = 1.0 / vi
        mean = draws @ w / w.sum()
        q = ((draws - mean[:, None]) ** 2) @ w
        error = math.sqrt(uniform * (1.0 - uniform) / count)
        assert float((q <= observed).mean()) == pytest.approx(uniform, abs=4.0 * error + 2e-3)


@pytest.mark.parametrize(("shift", "c"), [(0.0, 1e-3), (0.0, 1e3), (2.0, 1.0)])
@given(sample=studies(smallest=3, largest=7))
def test_units_and_origin(shift: float, c: float, sample: Studies) -> None:
    yi, vi = sample[0], np.maximum(sample[1], 0.05)  # variances that differ by 100 take seconds
    plain = bootstrap_prediction_interval(yi, vi, draws=200)
    other = bootstrap_prediction_interval(c * yi + shift, c**2 * vi, draws=200)
    found = (np.array([other.lower, other.upper]) - shift) / c
    near = 1e-6 * float(vi.min() + yi.var()) ** 0.5
    np.testing.assert_allclose(found, [plain.lower, plain.upper], rtol=1e-6, atol=near)


def test_the_opposite_direction_but_for_chance() -> None:
    yi, vi = _sample(1)
    plain, mirror = (bootstrap_prediction_interval(s * yi, vi, draws=40_000) for s in (1.0, -1.0))
    width = plain.upper - plain.lower
    assert mirror.upper == pytest.approx(-plain.lower, abs=0.05 * width)
    assert mirror.lower == pytest.approx(-plain.upper, abs=0.05 * width)


def test_a_seed_gives_the_same_interval_and_levels_nest() -> None:
    yi, vi = _sample(2)
    again = [bootstrap_prediction_interval(yi, vi, seed=4) for _ in range(2)]
    assert again[0] == again[1]
    assert again[0] != bootstrap_prediction_interval(yi, vi, seed=5)
    assert again[0].method == "bootstrap_nnf/20000"
    wide = bootstrap_prediction_interval(yi, vi, seed=4, level=0.99)
    assert wide.lower < again[0].lower < again[0].upper < wide.upper


def test_it_is_wider_than_the_plug_in_interval_with_few_uneven_studies() -> None:
    yi, vi = np.array([0.1, 0.9, -0.2, 0.5]), np.array([0.3, 0.02, 0.2, 0.25])
    found = bootstrap_prediction_interval(yi, vi)
    plug_in = fit_random_effects(yi, vi)
    assert found.upper - found.lower > plug_in.pi_ub - plug_in.pi_lb


def test_effects_much_alike_leave_the_interval_of_the_mean() -> None:
    """tau2 is 0 in nearly every draw, and the interval that of Hartung and Knapp."""
    yi, vi = 0.3 + 0.01 * np.array([0.1, -0.3, 0.2, 0.0, -0.1, 0.15]), np.full(6, 0.2)
    found = bootstrap_prediction_interval(yi, vi, draws=40_000)
    mean = fit_random_effects(yi, vi)
    assert found.lower == pytest.approx(mean.ci_lb, abs=0.05 * (mean.ci_ub - mean.ci_lb))
    assert found.upper == pytest.approx(mean.ci_ub, abs=0.05 * (mean.ci_ub - mean.ci_lb))


# ---- share of settings beyond a threshold ----

means = st.floats(-1.0, 1.0).map(lambda x: round(x, 3))
spreads = st.floats(0.01, 1.0).map(lambda x: round(x, 3))


@given(mu=means, se=spreads, tau2=spreads, se_tau2=spreads, threshold=means)
def test_the_share_of_a_normal_distribution(
    mu: float, se: float, tau2: float, se_tau2: float, threshold: float
) -> None:
    found = share_above(mu, se, tau2, se_tau2, threshold)
    z = (mu - threshold) / math.sqrt(tau2)
    assert found.share == pytest.approx(float(normal_cdf(z)), rel=1e-12)
    if found.reason:
        assert not 1e-12 < found.share < 1.0 - 1e-12
        assert math.isnan(found.ci_lb)
        return
    assert 0.0 <= found.ci_lb <= found.share <= found.ci_ub <= 1.0
    mirror = share_above(-mu, se, tau2, se_tau2, -threshold)
    assert mirror.share == pytest.approx(1.0 - found.share, abs=1e-12)
    assert mirror.ci_lb == pytest.approx(1.0 - found.ci_ub, abs=1e-9)


@given(
    mu=means, se=spreads, tau2=st.floats(0.1, 1.0), se_tau2=spreads, threshold=st.floats(-0.5, 0.5)
)
def test_its_interval_is_the_delta_method_on_logits(
    mu: float, se: float, tau2: float, se_tau2: float, threshold: float
) -> None:
    def logit(mean: float, variance: float) -> float:
        return float(special.logit(normal_cdf((mean - threshold) / math.sqrt(variance))))

    h = 1e-5
    by_mu = (logit(mu + h, tau2) - logit(mu - h, tau2)) / (2.0 * h)
    by_tau2 = (logit(mu, tau2 + h) - logit(mu, tau2 - h)) / (2.0 * h)
    half = critical_value(0.9, math.inf) * math.hypot(by_mu * se, by_tau2 * se_tau2)
    found = share_above(mu, se, tau2, se_tau2, threshold, level=0.9)
    expected = special.expit(logit(mu, tau2) + np.array([-half, half]))
    np.testing.assert_allclose([found.ci_lb, found.ci_ub], expected, rtol=1e-5, atol=1e-9)


def test_half_the_settings_are_above_the_mean() -> None:
    found = share_above(0.3, 0.1, 0.04, 0.02, 0.3)
    assert found.share == 0.5
    # At the mean tau2 does not matter: the logit has the standard error 4 phi(0) se / tau.
    half = 1.959963984540054 * 4.0 / math.sqrt(2.0 * math.pi) * 0.1 / 0.2
    assert found.ci_ub == pytest.approx(float(special.expit(half)), rel=1e-12)
    assert found.ci_lb + found.ci_ub == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(("threshold", "share"), [(0.1, 1.0), (0.3, 0.0), (0.5, 0.0)])
def test_without_heterogeneity_it_is_all_or_nothing(threshold: float, share: float) -> None:
    found = share_above(0.3, 0.1, 0.0, 0.02, threshold)
    assert found.share == share
    assert math.isnan(found.ci_lb)
    assert math.isnan(found.ci_ub)
    assert "all or nothing" in found.reason


def test_a_share_of_one_to_rounding_has_no_interval() -> None:
    found = share_above(5.0, 0.1, 0.01, 0.01, 0.0)
    assert found.share == 1.0
    assert math.isnan(found.ci_lb)
    assert "to rounding" in found.reason


def _calibrated(yi: Floats, vi: Floats) -> Floats:
    """Effects drawn toward the mean until their weighted spread is tau2."""
    fit = fit_random_effects(yi, vi)
    return np.array(
        [
            fit.mu + math.sqrt(fit.tau2 / (fit.tau2 + v)) * (y - fit.mu)
            for y, v in zip(yi, vi, strict=True)
        ]
    )


@given(sample=studies(), threshold=means)
def test_the_calibrated_share_counts_calibrated_effects(sample: Studies, threshold: float) -> None:
    yi, vi = sample
    effects = _calibrated(yi, vi)
    if np.abs(effects - threshold).min() < 1e-7:
        return
    found = calibrated_share_above(yi, vi, threshold, draws=50)
    assert found.share == pytest.approx(float((effects > threshold).mean()), abs=1e-12)
    assert 0.0 <= found.ci_lb <= found.ci_ub <= 1.0
    mirror = calibrated_share_above(-yi, vi, -threshold, draws=50)
    assert mirror.share == pytest.approx(1.0 - found.share, abs=1e-12)


@given(sample=studies(smallest=5))
def test_the_calibrated_share_falls_with_the_threshold(sample: Studies) -> None:
    found = [calibrated_share_above(*sample, t, draws=40) for t in np.linspace(-2.5, 2.5, 7)]
    for name in ("share", "ci_lb", "ci_ub"):
        values = [getattr(one, name) for one in found]
        assert values == sorted(values, reverse=True)
    assert found[0].share == 1.0
    assert found[-1].share == 0.0


def test_precise_studies_are_counted_as_they_are() -> None:
    yi, vi = np.array([-1.0, -0.5, 0.2, 0.4, 0.9, 1.5]), np.full(6, 1e-6)
    found = calibrated_share_above(yi, vi, 0.3)
    assert found.share == 0.5
    # The bootstrap of precise studies is that of their share: binomial with 6 trials.
    assert (found.ci_lb, found.ci_ub) == pytest.approx((1.0 / 6.0, 5.0 / 6.0))


def test_the_calibrated_spread_is_tau2() -> None:
    """With variances all alike the calibrated effects have the variance tau2, but for the mean."""
    rng = np.random.default_rng(6)
    yi, vi = rng.normal(0.0, 1.0, 40), np.full(40, 0.3)
    tau2 = fit_random_effects(yi, vi).tau2
    assert _calibrated(yi, vi).var(ddof=1) == pytest.approx(tau2, rel=1e-7)


def test_a_seed_gives_the_same_share() -> None:
    yi, vi = _sample(4, k=12)
    again = [calibrated_share_above(yi, vi, 0.1, seed=3) for _ in range(2)]
    assert again[0] == again[1]
    assert again[0].method == "calibrated/bootstrap_2000"


def test_two_studies_are_too_few() -> None:
    with pytest.raises(EstimationError, match="needs 3 studies, found 2"):
        bootstrap_prediction_interval([0.1, 0.2], [0.1, 0.1])
    with pytest.raises(EstimationError, match="needs 3 studies, found 2"):
        calibrated_share_above([0.1, 0.2], [0.1, 0.1], 0.0)
