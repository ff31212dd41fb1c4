"""Selection by smooth weights and by steps of either p-value: what must hold whatever the studies
are. Fits take a second, so that they are shared."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from analysis.bias.selection_models import step_selection
from analysis.bias.weight_functions import WeightedSelection, weighted_selection
from analysis.errors import EstimationError
from analysis.univariate.meta_regression import fit_meta_regression

from .generated import studies

Studies = tuple[np.ndarray, np.ndarray]
STEPS = (0.1,)
ONE_SIDED = ("steps", "halfnorm", "negexp", "beta")
MODELS = [(kind, "greater") for kind in ONE_SIDED] + [
    (kind, "two.sided") for kind in ("steps", "halfnorm", "negexp")
]
every_model = pytest.mark.parametrize(("kind", "alternative"), MODELS)
WITHOUT_SELECTION = {"steps": [1.0, 1.0], "halfnorm": [0.0], "negexp": [0.0], "beta": [1.0, 1.0]}
SMALLEST_P = 1e-5
"""p-values are held between this and one minus it."""


@cache
def _sample() -> Studies:
    """12 studies of 40, less likely the larger their p-value; every model has an inner maximum."""
    rng = np.random.default_rng(10)
    sei = rng.uniform(0.1, 0.5, 40)
    yi = rng.normal(0.2, np.hypot(sei, 0.25))
    seen = np.flatnonzero(rng.uniform(size=40) < np.exp(-3.0 * stats.norm.sf(yi / sei)))[:12]
    return yi[seen], sei[seen] ** 2


@cache
def _fit(kind: str, alternative: str) -> WeightedSelection:
    return weighted_selection(*_sample(), kind, steps=STEPS, alternative=alternative)


def _weight(kind: str, p: float, delta: np.ndarray) -> float:
    p = min(max(p, SMALLEST_P), 1.0 - SMALLEST_P)
    if kind == "beta":
        return float(p ** (delta[0] - 1.0) * (1.0 - p) ** (delta[1] - 1.0))
    if kind == "steps":
        return float(delta[int(p > STEPS[0])])
    return math.exp(-delta[0] * (p * p if kind == "halfnorm" else p))


def _observed(
    kind: str, alternative: str, sei: float, mu: float, sd: float, delta: np.ndarray
) -> float:
    """Mean weight of a study: regions of effects between the steps, or an integral over z."""
    two_sided = alternative == "two.sided"
    normal = stats.norm(mu, sd)
    if kind == "steps":
        cut = sei * stats.norm.isf(STEPS[0] / (2.0 if two_sided else 1.0))
        low = normal.cdf(-cut) if two_sided else 0.0
        found = normal.sf(cut) + low
        return float(delta[0] * found + delta[1] * (1.0 - found))

    def p_value(z: float) -> float:
        # math.erfc because quad calls this thousands of times.
        return math.erfc((abs(z) if two_sided else z) / math.sqrt(2.0)) * (1 if two_sided else 0.5)

    def integrand(z: float) -> float:
        density = math.exp(-0.5 * ((z * sei - mu) / sd) ** 2) * sei / (sd * math.sqrt(2 * math.pi))
        return _weight(kind, p_value(z), delta) * density

    far = stats.norm.isf(SMALLEST_P / (2.0 if two_sided else 1.0))
    total = sum(
        integrate.quad(integrand, a, b, epsabs=1e-13, epsrel=1e-12, limit=200)[0]
        for a, b in ((-far, 0.0), (0.0, far))
    )
    total += _weight(kind, 0.0, delta) * normal.sf(far * sei)
    return float(total + _weight(kind, p_value(-10.0), delta) * normal.cdf(-far * sei))


def _log_likelihood(
    kind: str, alternative: str, sample: Studies, mu: float, tau2: float, delta: np.ndarray
) -> float:
    """Study by study: the density of its effect, times its weight, over the mean weight."""
    total = 0.0
    for y, v in zip(*sample, strict=True):
        sei, sd = math.sqrt(v), math.sqrt(v + tau2)
        z = abs(y / sei) if alternative == "two.sided" else y / sei
        p = stats.norm.sf(z) * (2.0 if alternative == "two.sided" else 1.0)
        total += math.log(_weight(kind, p, delta)) + stats.norm.logpdf(y, mu, sd)
        total -= math.log(_observed(kind, alternative, sei, mu, sd, delta))
    return total


@every_model
def test_the_likelihood_is_the_integral_and_nowhere_near_higher(
    kind: str, alternative: str
) -> None:
    fit = _fit(kind, alternative)
    assert (fit.status, fit.k) == ("ok", 12)
    there = _log_likelihood(kind, alternative, _sample(), fit.mu, fit.tau2, fit.delta)
    assert fit.loglik == pytest.approx(there, abs=1e-8)
    rng = np.random.default_rng(5)
    for size in (1e-2, 1e-2, 0.1, 0.1):
        delta = fit.delta * np.exp(rng.normal(0.0, size, fit.delta.size))
        if kind == "steps":
            delta[0] = 1.0
        mu, tau2 = fit.mu + rng.normal(0.0, size), fit.tau2 * math.exp(rng.normal(0.0, size))
        near = _log_likelihood(kind, alternative, _sample(), mu, tau2, delta)
        assert near < fit.loglik


@pytest.mark.parametrize("kind", ONE_SIDED)
@pytest.mark.parametrize("alternative", ["greater", "two.sided"])
@given(sample=studies(smallest=5, largest=6), tau2=st.sampled_from([0.0, 0.05]))
def test_equal_weights_are_no_selection(
    kind: str, alternative: str, sample: Studies, tau2: float
) -> None:
    """Then the mean weight is 1: the likelihood here is that of the model without selection."""
    for v in sample[1]:
        observed = _observed(
            kind, alternative, math.sqrt(v), 0.2, math.sqrt(v + tau2),
            np.array(WITHOUT_SELECTION[kind]),
        )  # fmt: skip
        assert observed == pytest.approx(1.0, rel=1e-11)


@every_model
def test_selection_never_explains_less_than_none(kind: str, alternative: str) -> None:
    """The model without selection is among the others; its test takes the difference."""
    fit, plain = _fit(kind, alternative), fit_meta_regression(*_sample(), method="ML")
    nothing = np.array(WITHOUT_SELECTION[kind])
    at_none = _log_likelihood(
        kind, alternative, _sample(), plain.coefficients.estimate[0], plain.tau2, nothing
    )
    assert at_none == pytest.approx(plain.loglik, abs=1e-9)
    assert fit.loglik >= plain.loglik
    assert fit.lrt == pytest.approx(2.0 * (fit.loglik - plain.loglik), abs=1e-9)
    assert fit.lrt_df == (2 if kind == "beta" else 1)
    assert fit.lrt_pvalue == pytest.approx(stats.chi2.sf(fit.lrt, fit.lrt_df), rel=1e-9)


def test_one_sided_steps_are_those_in_closed_form() -> None:
    fit, closed = _fit("steps", "greater"), step_selection(*_sample(), STEPS)
    assert fit.loglik == pytest.approx(closed.loglik, abs=1e-9)
    np.testing.assert_allclose([fit.mu, fit.se, fit.tau2], [closed.mu, closed.se, closed.tau2],
                               rtol=1e-4)  # fmt: skip
    np.testing.assert_allclose(fit.delta, closed.delta, rtol=1e-4)
    np.testing.assert_allclose(fit.delta_se, closed.delta_se, rtol=1e-3)
    assert fit.lrt_pvalue == pytest.approx(closed.lrt_pvalue, rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "alternative", "other"),
    [(kind, "greater", "less") for kind in ONE_SIDED] + [("steps", "two.sided", "two.sided")],
)
def test_units_and_the_other_side(kind: str, alternative: str, other: str) -> None:
    """Effects turned around and in thirds of the unit, with limits of another level."""
    c = -3.0
    yi, vi = _sample()
    first = _fit(kind, alternative)
    second = weighted_selection(c * yi, c**2 * vi, kind, steps=STEPS, alternative=other, level=0.9)
    np.testing.assert_allclose(
        [second.mu, second.se, second.tau2, second.pvalue],
        [c * first.mu, -c * first.se, c**2 * first.tau2, first.pvalue],
        rtol=1e-5,
    )
    np.testing.assert_allclose(second.delta, first.delta, rtol=1e-5)
    np.testing.assert_allclose(second.delta_se, first.delta_se, rtol=1e-4)
    assert second.loglik == pytest.approx(first.loglik - yi.size * math.log(-c), abs=1e-8)
    assert second.lrt == pytest.approx(first.lrt, abs=1e-8)
    for fit, level in ((first, 0.95), (second, 0.9)):
        half = stats.norm.isf((1.0 - level) / 2.0) * fit.se
        assert (fit.ci_lb, fit.ci_ub) == pytest.approx((fit.mu - half, fit.mu + half))
    assert (second.method, second.status) == (f"selection/{kind}/ML/{other}", "ok")


@every_model
def test_a_maximum_has_no_slope(kind: str, alternative: str) -> None:
    fit = _fit(kind, alternative)
    assert fit.gradient < 1e-4
    assert np.isnan(fit.delta_se[0]) == (kind == "steps")
    assert (fit.delta_se[1:] > 0.0).all()


@pytest.mark.parametrize(
    ("kind", "alternative", "delta"),
    [("halfnorm", "greater", (2.0,)), ("steps", "two.sided", (1.0, 0.3))],
)
def test_the_mean_before_selection_is_recovered(
    kind: str, alternative: str, delta: tuple[float, ...]
) -> None:
    """Within 3 standard errors in one sample of 250; without a model the mean is too large."""
    rng = np.random.default_rng(6)
    sei = rng.uniform(0.1, 0.4, 2000)
    yi = rng.normal(0.1, np.hypot(sei, 0.15))
    z = np.abs(yi / sei) if alternative == "two.sided" else yi / sei
    p = stats.norm.sf(z) * (2.0 if alternative == "two.sided" else 1.0)
    weight = [_weight(kind, one, np.array(delta)) for one in p]
    seen = np.flatnonzero(rng.uniform(size=2000) < weight)[:250]
    fit = weighted_selection(yi[seen], sei[seen] ** 2, kind, steps=STEPS, alternative=alternative)
    plain = fit_meta_regression(yi[seen], sei[seen] ** 2, method="ML", ci_method="wald")
    assert abs(fit.mu - 0.1) < 3.0 * fit.se
    assert abs(fit.delta[-1] - delta[-1]) < 3.0 * fit.delta_se[-1]
    assert plain.coefficients.ci_lb[0] > 0.1
    assert fit.lrt_pvalue < 0.05


# What is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"kind": "logistic"}, "'logistic'; known: beta, halfnorm, negexp, steps"),
        ({"alternative": "up"}, r"'up'; known: greater, less, two\.sided"),
        ({"kind": "steps", "steps": (1e-4,)}, "no study has a p-value in one of the intervals"),
    ],
)
def test_unknown_choices_and_empty_intervals(choice: dict[str, Any], message: str) -> None:
    with pytest.raises(EstimationError, match=message):
        weighted_selection([0.1, 0.5, 0.4, 0.2, 0.0], [0.04, 0.02, 0.09, 0.03, 0.05], **choice)


def test_four_studies_are_too_few() -> None:
    with pytest.raises(EstimationError, match="needs at least 5 studies, found 4"):
        weighted_selection([0.1, 0.5, 0.4, 0.2], [0.04, 0.02, 0.09, 0.03])


@pytest.mark.parametrize("steps", [(), (0.5, 0.025), (0.05, 1.5)])
def test_steps_that_do_not_rise_between_0_and_1(steps: tuple[float, ...]) -> None:
    with pytest.raises(EstimationError, match="steps must rise between 0 and 1"):
        weighted_selection(*_sample(), "steps", steps=steps)


# Some studies far more precise than others ------------------------------------------------------


@cache
def _uneven() -> Studies:
    """Six studies a hundred times as precise as the others, in one place."""
    yi = [0.0139, 0.0253, -0.0028, 0.0317, 0.0307, 0.007, -1.195, -0.1057, 0.0906, 0.4656, 4.627,
          -0.2223, 0.9436, 0.4454, 2.2016, 0.845, 1.5381, -1.5903, -0.0512, -1.3517]  # fmt: skip
    sei = [0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 1.2416, 0.1568, 1.6305, 0.6952, 2.2496, 1.2272,
           1.2034, 2.7374, 1.2396, 1.1117, 1.1093, 1.4942, 0.3705, 1.6856]  # fmt: skip
    return np.array(yi), np.square(sei)


def test_the_maximum_is_not_below_that_without_selection() -> None:
    plain = fit_meta_regression(*_uneven(), method="ML", ci_method="wald")
    assert weighted_selection(*_uneven(), "beta").loglik >= plain.loglik - 1e-6


def test_the_likelihood_of_precise_studies_is_the_integral() -> None:
    yi = np.array([0.02, 0.03, 0.01, 0.025, 0.015, 0.02, 1.2, 0.6, 1.5, -0.2, 2.1, 0.9])
    sample = yi, np.repeat([1e-4, 1.0], 6)
    fit = weighted_selection(*sample, "halfnorm")
    there = _log_likelihood("halfnorm", "greater", sample, fit.mu, fit.tau2, fit.delta)
    assert fit.loglik == pytest.approx(there, abs=1e-6)
