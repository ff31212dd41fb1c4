"""Intervals of tau2 are what they say: tail probabilities of quadratic forms by simulation, falls
of the likelihood by its formula; sums of weighted chi-squared variables by their exact laws."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from analysis.arrays import Floats
from analysis.distributions import chi2_quantile
from analysis.errors import EstimationError
from analysis.quadratic_forms import _imhof, _ruben, weighted_chi2_cdf
from analysis.univariate.tau2 import TAU2_METHODS, log_likelihood
from analysis.univariate.tau2_intervals import (
    Tau2Interval,
    generalized_q_interval,
    profile_likelihood_interval,
    q_profile_interval,
)

from .generated import studies
from .test_global_maximum import _awkward, _on_grid

Studies = tuple[np.ndarray, np.ndarray]
levels = st.sampled_from([0.8, 0.95, 0.99])
likelihoods = pytest.mark.parametrize("method", ["REML", "ML"])

DRAWS = 200_000
ERRORS = 4.5
"""Monte Carlo standard errors that a simulated probability may lie away."""


def _near(simulated: float, probability: float) -> bool:
    error = math.sqrt(probability * (1.0 - probability) / DRAWS)
    return abs(simulated - probability) <= ERRORS * error


NODES = np.polynomial.legendre.leggauss(200)


# ---- sums of weighted chi-squared variables ----


def _sum_of_pairs(x: float, weights: Floats) -> float:
    """P(sum <= x) when every weight occurs twice: a sum of exponential variables of means twice
    the weights, by partial fractions with 80 digits."""
    with localcontext() as context:
        context.prec = 80
        exact = [Decimal(float(w)) for w in weights]
        total = Decimal(0)
        for i, one in enumerate(exact):
            share = Decimal(1)
            for j, other in enumerate(exact):
                if j != i:
                    share *= one / (one - other)
            total += share * (1 - (-Decimal(float(x)) / (2 * one)).exp())
        return float(total)


def _weights(number: int, decades: float) -> tuple[Floats, float]:
    """Two to seven weights over so many decades in any units, and a point to ask about."""
    rng = np.random.default_rng([31, number])
    weights = 10.0 ** (rng.uniform(0.0, decades, int(rng.integers(2, 8))) + rng.uniform(-3.0, 3.0))
    return weights, float(2.0 * weights.sum() * 10.0 ** rng.uniform(-2.0, 0.8))


@pytest.mark.parametrize("decades", [1.5, 4.0])
def test_pairs_of_weights_have_an_exact_distribution(decades: float) -> None:
    for number in range(60):
        weights, x = _weights(number, decades)
        ours = weighted_chi2_cdf(x, np.repeat(weights, 2))
        assert ours == pytest.approx(_sum_of_pairs(x, weights), abs=1e-9), f"set {number}"


@pytest.mark.parametrize("df", [1, 2, 3, 5, 30])
@pytest.mark.parametrize("x", [1e-6, 0.01, 0.5, 3.0, 50.0, 200.0])
def test_equal_weights_are_one_chi_squared_variable(x: float, df: int) -> None:
    exact, weights = float(special.chdtr(df, x)), np.full(df, 3.0)
    assert weighted_chi2_cdf(3.0 * x, weights) == pytest.approx(exact, abs=1e-12)
    assert _ruben(3.0 * x, weights) == pytest.approx(exact, abs=1e-12)
    if df >= 4:  # with few weights Imhof's integral converges slowly
        assert _imhof(3.0 * x, weights) == pytest.approx(exact, abs=1e-9)


def test_both_methods_agree() -> None:
    for number in range(40):
        weights, x = _weights(number, 2.0)
        pairs = np.repeat(weights, 2)
        assert _ruben(x, pairs) == pytest.approx(_imhof(x, pairs), abs=1e-9), f"set {number}"


@pytest.mark.parametrize("ratio", [3.0, 45.0, 60.0, 1000.0])
@pytest.mark.parametrize("share", [0.003, 0.1, 1.0, 4.0])
def test_two_weights_against_quadrature(ratio: float, share: float) -> None:
    """Integrated over the second variable, by the angle that takes the root out of the end."""
    x = share * (ratio + 1.0)
    nodes, at = NODES
    end = math.pi / 2.0 if x < 144.0 else math.asin(12.0 / math.sqrt(x))
    angle = end * (nodes + 1.0) / 2.0
    normal = math.sqrt(x) * np.sin(angle)
    inner = special.erf(np.sqrt(np.maximum(x - normal**2, 0.0) / (2.0 * ratio)))
    density = 2.0 * np.exp(-0.5 * normal**2) / math.sqrt(2.0 * math.pi)
    exact = float((at * density * inner * math.sqrt(x) * np.cos(angle)).sum() * end / 2.0)
    # Two weights that differ by more than 50 are the slowest for Imhof's integral.
    close = 1e-11 if ratio < 50.0 else 1e-4
    assert weighted_chi2_cdf(x, np.array([ratio, 1.0])) == pytest.approx(exact, abs=close)


@pytest.mark.parametrize("decades", [1.0, 2.5, 4.0])
def test_weights_of_any_kind_by_simulation(decades: float) -> None:
    rng = np.random.default_rng(5)
    for number in range(4):
        weights, _ = _weights(number, decades)
        draws = rng.chisquare(1.0, size=(DRAWS, weights.size)) @ weights
        for x in np.quantile(draws, [0.025, 0.5, 0.975]):
            probability = weighted_chi2_cdf(float(x), weights)
            assert _near(float((draws <= x).mean()), probability), f"set {number}"


@given(
    weights=st.lists(st.floats(0.01, 10.0), min_size=1, max_size=6),
    x=st.floats(0.001, 100.0),
    scale=st.sampled_from([1e-6, 1e6]),
)
def test_units_and_order_of_weights(weights: list[float], x: float, scale: float) -> None:
    lam = np.array(weights)
    plain = weighted_chi2_cdf(x, lam)
    assert weighted_chi2_cdf(scale * x, scale * lam) == pytest.approx(plain, abs=1e-12)
    assert weighted_chi2_cdf(x, lam[::-1]) == pytest.approx(plain, abs=1e-12)
    assert weighted_chi2_cdf(x, np.append(lam, 0.0)) == pytest.approx(plain, abs=1e-12)
    assert 0.0 <= plain <= 1.0
    assert weighted_chi2_cdf(1.5 * x, lam) >= plain - 1e-4


def test_below_zero_nothing_happens() -> None:
    assert weighted_chi2_cdf(0.0, np.array([1.0, 2.0])) == 0.0
    assert weighted_chi2_cdf(-1.0, np.array([1.0, 2.0])) == 0.0


# ---- intervals ----


def _matrix(weights: Floats, x: Floats) -> Floats:
    """A of the generalized Q statistic y'Ay, with explicit k x k matrices."""
    w = np.diag(weights)
    return w - w @ x @ np.linalg.inv(x.T @ w @ x) @ x.T @ w


WEIGHTS = {
    "inverse": lambda vi: 1.0 / vi,
    "root": lambda vi: 1.0 / np.sqrt(vi),
    "equal": np.ones_like,
}


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize("p", [1, 2])
def test_the_limits_of_generalized_q_leave_their_tails(kind: str, p: int) -> None:
    rng = np.random.default_rng([17, p])
    k = 9
    vi = 10.0 ** rng.uniform(-2.0, 0.0, k)
    x = np.column_stack([np.ones(k), rng.normal(size=k)])[:, :p]
    yi = 0.3 + rng.normal(0.0, np.sqrt(vi + 0.3))
    weights = WEIGHTS[kind](vi)
    a = _matrix(weights, x)
    observed = float(yi @ a @ yi)
    found = generalized_q_interval(yi, vi, x, weights)
    assert 0.0 < found.lower < found.upper
    for tau2, above in ((found.lower, 0.025), (found.upper, 0.975)):
        draws = rng.normal(size=(DRAWS, k)) * np.sqrt(vi + tau2)
        larger = np.einsum("bi,ij,bj->b", draws, a, draws) >= observed
        assert _near(float(larger.mean()), above)


@given(sample=studies(smallest=3), level=levels)
def test_equal_variances_make_generalized_q_the_q_profile(sample: Studies, level: float) -> None:
    yi, vi = sample[0], np.full_like(sample[1], 0.2)
    ones = np.ones((yi.size, 1))
    general = generalized_q_interval(yi, vi, ones, 1.0 / vi, level)
    profile = q_profile_interval(yi, vi, ones, level)
    found, expected = [general.lower, general.upper], [profile.lower, profile.upper]
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
    assert general.empty == profile.empty


Interval = dict[str, Tau2Interval]


def _all(yi: Floats, vi: Floats, level: float = 0.95) -> Interval:
    ones = np.ones((yi.size, 1))
    return {
        "q_profile": q_profile_interval(yi, vi, ones, level),
        "generalized_q": generalized_q_interval(yi, vi, ones, 1.0 / np.sqrt(vi), level),
        "profile/REML": profile_likelihood_interval(yi, vi, ones, level=level),
        "profile/ML": profile_likelihood_interval(yi, vi, ones, method="ML", level=level),
    }


@pytest.mark.parametrize("c", [1e-3, 1e3])
@given(sample=studies())
def test_units_signs_and_order(c: float, sample: Studies) -> None:
    yi, vi = sample
    others = (_all(c * yi, c**2 * vi), _all(-yi, vi), _all(yi[::-1], vi[::-1]), _all(yi + 5.0, vi))
    spread = 1e-8 * float(vi.min() + yi.var())
    for name, one in _all(yi, vi).items():
        assert one.method == name
        for other, scale in zip(others, (c**2, 1.0, 1.0, 1.0), strict=True):
            found = np.array([other[name].lower, other[name].upper]) / scale
            np.testing.assert_allclose(found, [one.lower, one.upper], rtol=1e-6, atol=spread)


@given(sample=studies())
def test_a_higher_level_is_wider(sample: Studies) -> None:
    narrow, wide = _all(*sample, level=0.8), _all(*sample, level=0.95)
    for name, one in narrow.items():
        slack = 1e-9 * (1.0 + one.upper)
        assert wide[name].lower <= one.lower + slack
        assert wide[name].upper >= one.upper - slack


@likelihoods
@given(sample=studies(), level=levels)
def test_the_likelihood_falls_by_half_a_quantile(
    method: str, sample: Studies, level: float
) -> None:
    yi, vi = sample
    for x in (np.ones((yi.size, 1)), np.column_stack([np.ones(yi.size), np.arange(yi.size)])):
        if yi.size <= x.shape[1]:
            continue

        def value(tau2: float, x: Floats = x) -> float:
            return log_likelihood(tau2, yi, vi, x, restricted=method == "REML")

        best = TAU2_METHODS[method](yi, vi, x)
        found = profile_likelihood_interval(yi, vi, x, method=method, level=level)
        fall = 0.5 * chi2_quantile(level, 1.0)
        assert found.lower <= best <= found.upper
        assert value(best) - value(found.upper) == pytest.approx(fall, rel=1e-9)
        if found.lower > 0.0:
            assert value(best) - value(found.lower) == pytest.approx(fall, rel=1e-9)
        else:
            assert value(best) - value(0.0) <= fall * (1.0 + 1e-9)
        assert not found.empty


@likelihoods
def test_the_outermost_crossings_on_awkward_sets(method: str) -> None:
    """Against every value on a dense grid that is within the fall."""
    for number in range(200):
        yi, vi = _awkward(number)
        ones = np.ones((yi.size, 1))
        restricted = method == "REML"
        found = profile_likelihood_interval(yi, vi, ones, method=method)
        grid = np.append(0.0, np.geomspace(1e-9, 1e6, 3000)) * np.median(vi)
        values = _on_grid(grid, yi, vi, restricted=restricted)
        best = TAU2_METHODS[method](yi, vi, ones)
        top = _on_grid(np.array([best]), yi, vi, restricted=restricted)[0]
        inside = np.flatnonzero(values >= top - 0.5 * chi2_quantile(0.95, 1.0))
        first, last = int(inside[0]), int(inside[-1])
        slack = 1e-9 * np.median(vi)
        assert grid[max(first - 1, 0)] - slack <= found.lower <= grid[first] + slack, number
        assert grid[last] - slack <= found.upper <= grid[last + 1] + slack, number


def test_limits_of_i2_and_h2() -> None:
    found = Tau2Interval(0.1, 0.3, 0.95, False)
    assert found.i2(0.1) == pytest.approx((50.0, 75.0))
    assert found.h2(0.1) == pytest.approx((2.0, 4.0))


def test_what_has_no_interval() -> None:
    yi, vi, one = np.array([0.1]), np.array([0.2]), np.ones((1, 1))
    for found in (q_profile_interval(yi, vi, one), generalized_q_interval(yi, vi, one, vi)):
        assert math.isnan(found.lower)
        assert math.isnan(found.upper)
    with pytest.raises(EstimationError, match="needs REML or ML, not DL"):
        profile_likelihood_interval(yi, vi, one, method="DL")


def test_effects_too_much_alike_leave_an_empty_interval() -> None:
    yi, vi = np.array([0.1, 0.1001, 0.1002, 0.0999, 0.1]), np.full(5, 0.4)
    found = generalized_q_interval(yi, vi, np.ones((5, 1)), 1.0 / vi)
    assert (found.lower, found.upper, found.empty) == (0.0, 0.0, True)
