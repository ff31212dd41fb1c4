"""Cluster-robust corrections against their definitions, with full k x k matrices."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import stats

from analysis.dependent.blocks import make_blocks
from analysis.dependent.multivariate import MultivariateFit, fit_multivariate
from analysis.dependent.robust import CORRECTIONS, robust_covariance, wald_test
from analysis.errors import EstimationError

from . import textbook
from .mixed_rows import mixed_rows

FACTORS = {
    "CR0": lambda m, k, p: 1.0,
    "CR1": lambda m, k, p: m / (m - 1.0),
    "CR1p": lambda m, k, p: m / (m - p),
    "CR1S": lambda m, k, p: m / (m - 1.0) * (k - 1.0) / (k - p),
}


@cache
def _data(number: int, p: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """y, V, X and trials: 6 to 19 trials of 1 to 4 effects, rows mixed."""
    rng = np.random.default_rng([81, number])
    return mixed_rows(rng, int(rng.integers(6, 20)), p, 0.3)


def _fitted(y: np.ndarray, v: np.ndarray, x: np.ndarray, trial: np.ndarray) -> MultivariateFit:
    blocks = make_blocks(y, v, trial.tolist(), design=x)
    return fit_multivariate(blocks, structure="ID", within="common")


def _fit(number: int, p: int) -> MultivariateFit:
    return _fitted(*_data(number, p))


def _sigma(fit: MultivariateFit, v: np.ndarray, trial: np.ndarray) -> np.ndarray:
    same = trial[:, None] == trial[None, :]
    return np.asarray(v + fit.tau[0, 0] * same + fit.omega[0] * np.eye(trial.size))


def _left_out(
    fit: MultivariateFit, y: np.ndarray, v: np.ndarray, x: np.ndarray, trial: np.ndarray
) -> np.ndarray:
    """Change of the coefficients (p x trials) when each trial is left out and the variances stay;
    the shortest solution where a coefficient is not determined any more."""
    sigma, changes = _sigma(fit, v, trial), []
    for one in range(fit.blocks.clusters):
        rest = trial != one
        root = np.linalg.inv(np.linalg.cholesky(sigma[np.ix_(rest, rest)]))
        beta = np.linalg.lstsq(root @ x[rest], root @ y[rest], rcond=1e-10)[0]
        changes.append(fit.beta - beta)
    return np.array(changes).T


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("number", range(6))
def test_cr3_is_the_jackknife(number: int, p: int) -> None:
    y, v, x, trial = _data(number, p)
    fit = _fit(number, p)
    robust = robust_covariance(fit, "CR3")
    changes = _left_out(fit, y, v, x, trial)
    np.testing.assert_allclose(robust.vcov, changes @ changes.T, rtol=1e-8, atol=1e-13)
    first = list(dict.fromkeys(trial.tolist()))
    np.testing.assert_allclose(robust.influence, changes[:, first], rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("number", range(6))
def test_cr3_where_one_trial_alone_decides_a_coefficient(number: int) -> None:
    """The other coefficients change as if it were left out."""
    y, v, x, trial = _data(number, 2)
    wider = np.column_stack([x, np.eye(trial.size)[0]])
    fit = _fitted(y, v, wider, trial)
    robust = robust_covariance(fit, "CR3")
    changes = _left_out(fit, y, v, wider, trial)
    np.testing.assert_allclose(
        robust.vcov[:2, :2], changes[:2] @ changes[:2].T, rtol=1e-7, atol=1e-12
    )
    assert np.isfinite(robust.vcov).all()


@pytest.mark.parametrize("correction", FACTORS)
def test_factors_of_the_plain_sandwich(correction: str) -> None:
    for number in range(6):
        y, v, x, trial = _data(number, 3)
        fit = _fit(number, 3)
        w, m = np.linalg.inv(_sigma(fit, v, trial)), fit.blocks.clusters
        _, bread = textbook.generalized_least_squares(y, x, np.linalg.inv(w))
        residuals, meat = y - x @ fit.beta, np.zeros((3, 3))
        for one in range(m):
            own = trial == one
            part = x[own].T @ w[np.ix_(own, own)] @ residuals[own]
            meat += np.outer(part, part)
        expected = FACTORS[correction](m, y.size, 3) * bread @ meat @ bread
        robust = robust_covariance(fit, correction)
        np.testing.assert_allclose(robust.vcov, expected, rtol=1e-8, atol=1e-13)
        np.testing.assert_allclose(robust.se, np.sqrt(np.diag(expected)), rtol=1e-8)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_cr2_and_its_df_are_the_textbook_s(p: int) -> None:
    for number in range(4):
        y, v, x, trial = _data(number, p)
        fit = _fit(number, p)
        robust = robust_covariance(fit)
        vcov, df = textbook.cluster_robust(y, x, _sigma(fit, v, trial), trial.tolist())
        assert robust.correction == "CR2"
        np.testing.assert_allclose(robust.vcov, vcov, rtol=1e-8, atol=1e-13)
        for contrast in [*np.eye(p), np.ones(p)]:
            assert robust.df(contrast) == pytest.approx(df(contrast), rel=1e-7)


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_the_design_s_coordinates_do_not_matter(correction: str) -> None:
    turn = np.array([[1.0, 0.5], [0.0, -2.0]])
    for number in range(4):
        y, v, x, trial = _data(number, 2)
        first = robust_covariance(_fit(number, 2), correction)
        second = robust_covariance(_fitted(y, v, x @ turn, trial), correction)
        np.testing.assert_allclose(turn @ second.vcov @ turn.T, first.vcov, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_covariance_is_the_sum_over_trials(correction: str) -> None:
    fit = _fit(1, 3)
    robust = robust_covariance(fit, correction)
    assert robust.influence.shape == (3, fit.blocks.clusters)
    np.testing.assert_allclose(robust.vcov, robust.influence @ robust.influence.T, rtol=1e-12)
    contrast = np.array([1.0, -1.0, 0.5])
    assert robust.variance(contrast) == pytest.approx(contrast @ robust.vcov @ contrast, rel=1e-12)


def test_corrections_are_ordered() -> None:
    """With few trials each of CR0, CR2 and CR3 is larger than the one before, for the mean."""
    for number in range(6):
        fit = _fit(number, 1)
        plain, reduced, jackknife = (
            float(robust_covariance(fit, name).vcov[0, 0]) for name in ("CR0", "CR2", "CR3")
        )
        assert plain < reduced < jackknife


@pytest.mark.parametrize("correction", [name for name in CORRECTIONS if name != "CR2"])
@pytest.mark.parametrize("q", [1, 2])
def test_other_corrections_test_by_f(correction: str, q: int) -> None:
    fit = _fit(2, 3)
    robust = robust_covariance(fit, correction)
    c = np.array([[0.0, 1.0, 0.2], [0.0, 0.0, 1.0]])[:q]
    estimate, df = c @ fit.beta, fit.blocks.clusters - 3
    f = float(estimate @ np.linalg.solve(c @ robust.vcov @ c.T, estimate)) / q
    found = wald_test(robust, c)
    assert (found.df_num, found.df_denom, found.method) == (q, df, correction)
    assert found.statistic == pytest.approx(f, rel=1e-10)
    assert found.pvalue == pytest.approx(stats.f.sf(f, q, df), rel=1e-9)
    assert robust.df(c[0]) == df


def test_one_contrast_by_cr2_is_its_t_squared() -> None:
    for number in range(6):
        robust = robust_covariance(_fit(number, 3))
        for contrast in (np.array([0.0, 1.0, 0.0]), np.array([1.0, -0.5, 2.0])):
            t = float(contrast @ robust.beta) / np.sqrt(robust.variance(contrast))
            found, df = wald_test(robust, contrast), robust.df(contrast)
            assert (found.df_num, found.method) == (1, "HTZ")
            assert found.statistic == pytest.approx(t**2, rel=1e-10)
            assert found.df_denom == pytest.approx(df, rel=1e-8)
            assert found.pvalue == pytest.approx(2.0 * stats.t.sf(abs(t), df), rel=1e-8)


def _hotelling_df(fit: MultivariateFit, v: np.ndarray, trial: np.ndarray, c: np.ndarray) -> float:
    """eta of Pustejovsky and Tipton (2018, section 4): q (q + 1) over the variances of the elements
    of the standardized covariance, pair of trials by pair of trials."""
    sigma, x = _sigma(fit, v, trial), fit.blocks.design
    w = np.linalg.inv(sigma)
    residual_maker = np.eye(trial.size) - x @ fit.vb @ x.T @ w
    pieces = []
    for one in range(fit.blocks.clusters):
        own = trial == one
        d = np.linalg.cholesky(sigma[np.ix_(own, own)]).T
        inner = d @ (sigma[np.ix_(own, own)] - x[own] @ fit.vb @ x[own].T) @ d.T
        a = d.T @ textbook._inverse_root(inner) @ d
        pieces.append(c @ fit.vb @ x[own].T @ w[np.ix_(own, own)] @ a @ residual_maker[own])
    expected = np.sum([piece @ sigma @ piece.T for piece in pieces], axis=0)
    root, total = textbook._inverse_root(expected), 0.0
    for first in pieces:
        for second in pieces:
            between = root @ first @ sigma @ second.T @ root
            total += float(np.trace(between) ** 2 + np.sum(between * between.T))
    q = c.shape[0]
    return q * (q + 1.0) / total


@pytest.mark.parametrize("number", range(4))
def test_several_contrasts_by_cr2_are_hotelling_s_test(number: int) -> None:
    _, v, _, trial = _data(number, 3)
    fit, c = _fit(number, 3), np.array([[0.0, 1.0, 0.3], [0.0, 0.0, 1.0]])
    robust = robust_covariance(fit)
    eta = _hotelling_df(fit, v, trial, c)
    estimate = c @ fit.beta
    q = float(estimate @ np.linalg.solve(c @ robust.vcov @ c.T, estimate))
    found = wald_test(robust, c)
    assert found.statistic == pytest.approx((eta - 1.0) / (eta * 2.0) * q, rel=1e-8)
    assert (found.df_num, found.df_denom) == (2, pytest.approx(eta - 1.0, rel=1e-8))
    assert found.pvalue == pytest.approx(stats.f.sf(found.statistic, 2, eta - 1.0), rel=1e-7)


def test_unknown_corrections_and_hypotheses_are_refused() -> None:
    fit = _fit(1, 2)
    with pytest.raises(EstimationError, match="unknown correction 'CR4'"):
        robust_covariance(fit, "CR4")
    one = fit_multivariate(make_blocks([0.1, 0.3], [0.1, 0.1], [0, 0]), structure="NONE")
    with pytest.raises(EstimationError, match="at least 2 trials"):
        robust_covariance(one, "CR3")
    with pytest.raises(EstimationError, match="depend on each other"):
        wald_test(robust_covariance(fit), [[1.0, 2.0], [2.0, 4.0]])
