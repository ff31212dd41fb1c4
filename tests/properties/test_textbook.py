"""The arrays equal a slow engine that loops over rows and inverts full k x k matrices."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from scipy import stats

from analysis.dependent.blocks import make_blocks
from analysis.dependent.composites import make_composites
from analysis.dependent.multivariate import MultivariateFit, fit_multivariate
from analysis.dependent.robust import robust_covariance
from analysis.effect_sizes import log_odds_ratio, standardized_mean_difference
from analysis.univariate.meta_regression import fit_meta_regression
from analysis.univariate.pooling import fit_random_effects

from . import textbook
from .generated import OUTCOMES, Trials, slow, studies, trials, two_by_two, two_groups

Studies = tuple[np.ndarray, np.ndarray]


@given(groups=two_groups())
def test_hedges_g(groups: dict[str, np.ndarray]) -> None:
    made = standardized_mean_difference(**groups)
    rows = zip(
        *(groups[name] for name in ("m1i", "sd1i", "n1i", "m2i", "sd2i", "n2i")), strict=True
    )
    for i, row in enumerate(rows):
        expected = textbook.hedges_g(*(float(value) for value in row))
        np.testing.assert_allclose([made.yi[i], made.vi[i]], expected, rtol=1e-10, atol=1e-14)


@given(counts=two_by_two())
def test_log_odds_ratio(counts: tuple[np.ndarray, ...]) -> None:
    made = log_odds_ratio(*counts)
    for i, row in enumerate(zip(*counts, strict=True)):
        expected = textbook.log_odds_ratio(*(float(value) for value in row))
        np.testing.assert_allclose([made.yi[i], made.vi[i]], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("method", textbook.MOMENT_ESTIMATORS)
@given(sample=studies(smallest=2))
def test_moment_estimators(method: str, sample: Studies) -> None:
    yi, vi = sample
    ours = fit_random_effects(yi, vi, method=method)
    expected = textbook.MOMENT_ESTIMATORS[method](yi.tolist(), vi.tolist())
    assert ours.tau2 == pytest.approx(expected, rel=1e-9, abs=1e-11 * float(vi.max() + yi.var()))
    mean = textbook.weighted_mean(yi.tolist(), (1.0 / (vi + ours.tau2)).tolist())
    assert ours.mu == pytest.approx(mean, rel=1e-10, abs=1e-12)


@given(sample=studies(smallest=2))
def test_knapp_hartung_interval(sample: Studies) -> None:
    yi, vi = sample
    fit = fit_random_effects(yi, vi, method="DL")
    se = textbook.knapp_hartung(yi.tolist(), vi.tolist(), fit.tau2)
    half = float(stats.t.ppf(0.975, yi.size - 1)) * se
    np.testing.assert_allclose(
        [fit.se, fit.ci_lb, fit.ci_ub], [se, fit.mu - half, fit.mu + half], rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("method", ["REML", "ML"])
@given(sample=studies(smallest=4))
def test_meta_regression(method: str, sample: Studies) -> None:
    yi, vi = sample
    x = np.column_stack([np.ones(yi.size), np.arange(yi.size) % 3])
    fit = fit_meta_regression(yi, vi, x, method=method, ci_method="wald")
    sigma = np.diag(vi + fit.tau2)
    beta, vb = textbook.generalized_least_squares(yi, x, sigma)
    np.testing.assert_allclose(fit.coefficients.estimate, beta, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(fit.vb, vb, rtol=1e-9)
    expected = textbook.log_likelihood(yi, x, sigma, restricted=method == "REML")
    assert fit.loglik == pytest.approx(expected, rel=1e-10, abs=1e-10)


def _fit(sample: Trials, structure: str, within: str, method: str) -> MultivariateFit:
    blocks = make_blocks(sample.yi, sample.v, sample.trial, sample.outcome, outcome_names=OUTCOMES)
    return fit_multivariate(blocks, structure=structure, within=within, method=method)


def _codes(sample: Trials) -> list[int]:
    return [OUTCOMES.index(name) for name in sample.outcome]


def _design(sample: Trials) -> np.ndarray:
    return np.eye(2)[_codes(sample)]


def _sigma(sample: Trials, tau: np.ndarray, omega: np.ndarray) -> np.ndarray:
    return textbook.marginal_covariance(sample.v, sample.trial, _codes(sample), tau, omega)


MODELS = [("UN", "none"), ("UN", "replicated"), ("DIAG", "none"), ("CS", "none"), ("ID", "common")]


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize(("structure", "within"), MODELS)
@slow
@given(sample=trials(replicated=True))
def test_multivariate_fit(structure: str, within: str, method: str, sample: Trials) -> None:
    fit = _fit(sample, structure, within, method)
    x, sigma = _design(sample), _sigma(sample, fit.tau, fit.omega)
    beta, vb = textbook.generalized_least_squares(sample.yi, x, sigma)
    np.testing.assert_allclose(fit.beta, beta, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(fit.vb, vb, rtol=1e-8, atol=1e-12)
    expected = textbook.log_likelihood(sample.yi, x, sigma, restricted=method == "REML")
    assert fit.loglik == pytest.approx(expected, rel=1e-9, abs=1e-9)


@slow
@given(sample=trials())
def test_no_covariance_of_true_effects_is_more_likely(sample: Trials) -> None:
    """Random and neighboring covariances of the true effects never beat the fitted one."""
    fit = _fit(sample, "UN", "none", "REML")
    x, omega = _design(sample), np.zeros(2)
    rng = np.random.default_rng(5)
    tried = []
    for _ in range(60):
        a = rng.normal(size=(2, 2)) * 10.0 ** rng.uniform(-2.0, 0.5)
        b = a @ a.T
        tried += [b, 0.99 * fit.tau + 0.01 * b, 0.9 * fit.tau + 0.1 * b, 0.98 * fit.tau]
    best = max(
        textbook.log_likelihood(sample.yi, x, _sigma(sample, tau, omega), restricted=True)
        for tau in tried
    )
    assert fit.loglik >= best - 1e-7


@slow
@given(sample=trials(replicated=True))
def test_cluster_robust_covariance_and_df(sample: Trials) -> None:
    fit = _fit(sample, "DIAG", "none", "REML")
    x, sigma = _design(sample), _sigma(sample, fit.tau, fit.omega)
    vcov, df = textbook.cluster_robust(sample.yi, x, sigma, sample.trial)
    robust = robust_covariance(fit, "CR2")
    np.testing.assert_allclose(robust.vcov, vcov, rtol=1e-7, atol=1e-12)
    for contrast in ([1.0, 0.0], [0.0, 1.0], [1.0, -1.0], [-0.4, 1.0]):
        c = np.array(contrast)
        assert robust.df(c) == pytest.approx(df(c), rel=1e-6)


@slow
@given(sample=trials(replicated=True))
def test_composites(sample: Trials) -> None:
    blocks = make_blocks(sample.yi, sample.v, sample.trial, sample.outcome, outcome_names=OUTCOMES)
    made = make_composites(blocks)
    for row in range(made.yi.size):
        own = [i for i, trial in enumerate(sample.trial) if trial == made.cluster[row]]
        kinds = sorted({_codes(sample)[i] for i in own})
        x = np.array([[float(_codes(sample)[i] == kind) for kind in kinds] for i in own])
        mean, covariance = textbook.generalized_least_squares(
            sample.yi[own], x, sample.v[np.ix_(own, own)]
        )
        at = kinds.index(int(made.outcome[row]))
        assert made.yi[row] == pytest.approx(mean[at], rel=1e-9, abs=1e-11)
        assert made.vi[row] == pytest.approx(covariance[at, at], rel=1e-9)
    assert math.isclose(made.k_effects.sum(), len(sample.yi))
