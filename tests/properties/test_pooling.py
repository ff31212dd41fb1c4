"""Pooling and meta-regression: what must hold whatever the studies are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.univariate.meta_regression import CI_METHODS, fit_meta_regression
from analysis.univariate.pooling import PooledEffect, fit_random_effects, weights_percent
from analysis.univariate.subgroups import fit_subgroups
from analysis.univariate.tau2 import TAU2_METHODS

from . import textbook
from .generated import effects, studies

Studies = tuple[np.ndarray, np.ndarray]
every_estimator = pytest.mark.parametrize("method", TAU2_METHODS)
CLOSE = 1e-8


def _spread(sample: Studies) -> float:
    """Size against which an error of tau2 is judged: it can be 0."""
    yi, vi = sample
    return float(vi.min() + yi.var())


def _same(
    first: PooledEffect, second: PooledEffect, spread: float, *, shift: float = 0.0, c: float = 1.0
) -> None:
    """`second` is `first` with effects times c plus a shift."""
    mean = np.array([first.mu, first.ci_lb, first.ci_ub, first.pi_lb, first.pi_ub])
    other = np.array([second.mu, second.ci_lb, second.ci_ub, second.pi_lb, second.pi_ub])
    np.testing.assert_allclose(other, c * mean + shift, rtol=1e-7, atol=CLOSE * c * spread**0.5)
    np.testing.assert_allclose(second.tau2, c**2 * first.tau2, atol=CLOSE * c**2 * spread)
    ours, theirs = first.heterogeneity, second.heterogeneity
    np.testing.assert_allclose(theirs.q, ours.q, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(theirs.i2, ours.i2, rtol=1e-6, atol=1e-5)
    limits, scaled = first.tau2_interval, second.tau2_interval
    np.testing.assert_allclose(
        [scaled.lower, scaled.upper],
        [c**2 * limits.lower, c**2 * limits.upper],
        rtol=1e-7,
        atol=CLOSE * c**2 * spread,
    )


@every_estimator
@given(sample=studies(), order=st.randoms(use_true_random=False))
def test_order_of_studies_does_not_matter(method: str, sample: Studies, order: object) -> None:
    yi, vi = sample
    rows = list(range(yi.size))
    order.shuffle(rows)  # type: ignore[attr-defined]
    first = fit_random_effects(yi, vi, method=method)
    _same(first, fit_random_effects(yi[rows], vi[rows], method=method), _spread(sample))


@every_estimator
@given(sample=studies(), shift=effects)
def test_a_constant_moves_the_mean_alone(method: str, sample: Studies, shift: float) -> None:
    yi, vi = sample
    first = fit_random_effects(yi, vi, method=method)
    _same(first, fit_random_effects(yi + shift, vi, method=method), _spread(sample), shift=shift)


@every_estimator
@pytest.mark.parametrize("c", [1e-3, 1e3])
@given(sample=studies())
def test_units_scale_the_mean_and_tau2(method: str, c: float, sample: Studies) -> None:
    yi, vi = sample
    first = fit_random_effects(yi, vi, method=method)
    _same(first, fit_random_effects(c * yi, c**2 * vi, method=method), _spread(sample), c=c)


@every_estimator
@given(sample=studies())
def test_the_opposite_direction_is_the_mirror_image(method: str, sample: Studies) -> None:
    yi, vi = sample
    first, second = (fit_random_effects(s * yi, vi, method=method) for s in (1.0, -1.0))
    np.testing.assert_allclose(
        [first.mu, first.ci_lb, first.ci_ub], [-second.mu, -second.ci_ub, -second.ci_lb], atol=1e-8
    )


@every_estimator
@given(sample=studies(), effect=effects)
def test_identical_studies_have_no_heterogeneity(
    method: str, sample: Studies, effect: float
) -> None:
    yi, vi = np.full_like(sample[0], effect), sample[1]
    fit = fit_random_effects(yi, vi, method=method)
    assert fit.tau2 == pytest.approx(0.0, abs=1e-15)
    assert fit.mu == pytest.approx(effect, abs=1e-12)
    assert fit.heterogeneity.i2 == pytest.approx(0.0, abs=1e-10)


@every_estimator
@given(sample=studies())
def test_tau2_of_zero_is_the_equal_effects_model(method: str, sample: Studies) -> None:
    yi, vi = sample
    yi = yi.mean() + 1e-3 * (yi - yi.mean())  # far more alike than sampling error allows
    fit = fit_random_effects(yi, vi, method=method, ci_method="wald")
    if method == "SJ":  # never 0 by construction
        assert fit.tau2 > 0.0 or np.ptp(yi) == 0.0
        return
    equal = fit_random_effects(yi, vi, method="EE", ci_method="wald")
    assert fit.tau2 == 0.0
    assert (fit.mu, fit.se, fit.pvalue) == (equal.mu, equal.se, equal.pvalue)
    assert ("tau2_at_zero" in fit.notes) is (method != "EE")


@given(sample=studies())
def test_paule_mandel_solves_its_equation(sample: Studies) -> None:
    yi, vi = sample
    tau2 = fit_random_effects(yi, vi, method="PM").tau2
    q = textbook.cochran_q(yi, vi, tau2)
    if tau2 > 0.0:
        assert q == pytest.approx(yi.size - 1.0, rel=1e-10)
    else:
        assert q <= yi.size - 1.0


@given(sample=studies())
def test_restricted_score_is_zero_off_the_boundary(sample: Studies) -> None:
    yi, vi = sample
    tau2 = fit_random_effects(yi, vi, method="REML").tau2
    squares, trace = textbook.restricted_score(yi, np.ones((yi.size, 1)), np.diag(vi + tau2))
    if tau2 > 0.0:
        assert squares == pytest.approx(trace, rel=1e-9)
    else:
        assert squares <= trace * (1.0 + 1e-12)


@every_estimator
@pytest.mark.parametrize(("ci_method", "pi_method"), [
    ("wald", "normal"), ("t", "t_k_minus_1"), ("knapp_hartung", "t_k_minus_1"),
    ("knapp_hartung_floor", "t_k_minus_1"),
])  # fmt: skip
@given(sample=studies())
def test_a_prediction_is_never_surer_than_the_mean(
    method: str, ci_method: str, pi_method: str, sample: Studies
) -> None:
    fit = fit_random_effects(*sample, method=method, ci_method=ci_method, pi_method=pi_method)
    tiny = 1e-12 * (1.0 + abs(fit.mu))
    assert fit.pi_lb <= fit.ci_lb + tiny
    assert fit.pi_ub >= fit.ci_ub - tiny


@given(sample=studies())
def test_the_floor_never_narrows(sample: Studies) -> None:
    fits = {name: fit_random_effects(*sample, method="DL", ci_method=name) for name in CI_METHODS}
    floor = fits["knapp_hartung_floor"].se
    assert floor == pytest.approx(max(fits["t"].se, fits["knapp_hartung"].se), rel=1e-12)
    ratio = fits["knapp_hartung"].se / fits["t"].se
    if abs(ratio - 1.0) > 1e-9:
        noted = "knapp_hartung_narrower_than_t" in fits["knapp_hartung"].notes
        assert noted is bool(ratio < 1.0)


@given(sample=studies())
def test_the_interval_of_tau2_inverts_the_test_of_q(sample: Studies) -> None:
    fit = fit_random_effects(*sample, method="PM")
    limits = fit.tau2_interval
    assert 0.0 <= limits.lower <= limits.upper
    assert limits.empty or limits.lower <= fit.tau2 <= limits.upper


@given(sample=studies(), tau2=st.floats(0.0, 2.0))
def test_weights_add_up(sample: Studies, tau2: float) -> None:
    weights = weights_percent(sample[1], tau2)
    assert weights.sum() == pytest.approx(100.0, rel=1e-12)
    assert weights[sample[1].argmin()] == weights.max()


@given(sample=studies(smallest=1, largest=1))
def test_a_single_study_is_returned_as_it_is(sample: Studies) -> None:
    fit = fit_random_effects(*sample)
    assert (fit.mu, fit.se, fit.status) == (sample[0][0], np.sqrt(sample[1][0]), "single_study")
    assert np.isnan([fit.tau2, fit.pi_lb, fit.pi_ub]).all()


@given(sample=studies(smallest=5), shift=effects, slope=effects)
def test_coding_of_a_moderator_does_not_change_the_line(
    sample: Studies, shift: float, slope: float
) -> None:
    yi, vi = sample
    x = np.linspace(0.0, 1.0, yi.size)
    yi = yi + 0.1 * x**2  # never exactly on a line: see test_refusals for that
    first = fit_meta_regression(yi, vi, np.column_stack([np.ones_like(x), x]))
    moved = fit_meta_regression(
        yi + slope * x, vi, np.column_stack([np.ones_like(x), 10.0 * (x - shift)])
    )
    a, b = first.coefficients.estimate
    np.testing.assert_allclose(
        moved.coefficients.estimate, [a + shift * (b + slope), (b + slope) / 10.0], atol=1e-7
    )
    assert moved.tau2 == pytest.approx(first.tau2, rel=1e-7, abs=1e-8)
    # The term log|X'X| / 2 makes the restricted likelihood comparable over codings.
    assert moved.loglik == pytest.approx(first.loglik, abs=1e-7)


@given(sample=studies(smallest=6))
def test_indicators_of_groups_are_the_group_means(sample: Studies) -> None:
    """Equal effects: the coefficients of a design of indicators are the pools of the groups."""
    yi, vi = sample
    labels = ["even" if i % 2 == 0 else "odd" for i in range(yi.size)]
    design = np.array([[label == "even", label == "odd"] for label in labels], dtype=float)
    fit = fit_meta_regression(yi, vi, design, method="EE", ci_method="wald")
    test = fit_subgroups(yi, vi, labels, method="EE", ci_method="wald")
    pools = [(pool.mu, pool.se) for pool in test.pooled]
    found = list(zip(fit.coefficients.estimate, fit.coefficients.se, strict=True))
    np.testing.assert_allclose(found, pools, rtol=1e-10, atol=1e-12)
    gap, se = pools[1][0] - pools[0][0], np.hypot(pools[0][1], pools[1][1])
    assert test.f == pytest.approx((gap / se) ** 2, rel=1e-8, abs=1e-12)
