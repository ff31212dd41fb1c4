"""Kenward and Roger's inference against the article's formulas with explicit k x k matrices."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.arrays import Floats
from analysis.distributions import critical_value, two_sided_p
from analysis.univariate.kenward_roger import kenward_roger
from analysis.univariate.many import pool_subsets
from analysis.univariate.meta_regression import fit_meta_regression
from analysis.univariate.pooling import fit_random_effects

from .generated import studies

Studies = tuple[np.ndarray, np.ndarray]
between = st.sampled_from([0.0, 1e-4, 0.05, 2.0])


@dataclass(frozen=True)
class _Article:
    """Kenward and Roger (1997), sections 2 and 3, for Sigma = V + tau2 I."""

    adjusted: Floats
    df: Floats
    scale: Floats
    """Of the F statistic of each coefficient (lambda in the article)."""


def _article(vi: Floats, x: Floats, tau2: float) -> _Article:
    sigma, change = np.diag(vi + tau2), np.eye(vi.size)
    inverse = np.linalg.inv(sigma)
    of_inverse = -inverse @ change @ inverse
    phi = np.linalg.inv(x.T @ inverse @ x)
    p = x.T @ of_inverse @ x
    q = x.T @ of_inverse @ sigma @ of_inverse @ x
    information = np.trace(of_inverse @ sigma @ of_inverse @ sigma)
    information -= np.trace(2.0 * phi @ q - phi @ p @ phi @ p)
    w = 1.0 / (information / 2.0)
    adjusted = phi + 2.0 * phi @ (w * (q - p @ phi @ p)) @ phi  # Sigma is linear in tau2: R is 0
    df, scale = [], []
    for one in np.eye(x.shape[1]):
        contrast = one[:, None]
        theta = contrast @ np.linalg.inv(contrast.T @ phi @ contrast) @ contrast.T
        part = theta @ phi @ p @ phi
        a1, a2 = w * np.trace(part) ** 2, w * np.trace(part @ part)
        rows = 1.0
        b = (a1 + 6.0 * a2) / (2.0 * rows)
        g = ((rows + 1.0) * a1 - (rows + 4.0) * a2) / ((rows + 2.0) * a2)
        bottom = 3.0 * rows + 2.0 * (1.0 - g)
        c1, c2, c3 = g / bottom, (rows - g) / bottom, (rows + 2.0 - g) / bottom
        if abs(a2 / rows - 1.0) < 1e-6:  # no mean, hence 2 df
            df.append(2.0)
            scale.append(1.0)
            continue
        mean = 1.0 / (1.0 - a2 / rows)
        with np.errstate(divide="ignore"):  # no variance with 4 df
            variance = 2.0 / rows * (1.0 + c1 * b) / ((1.0 - c2 * b) ** 2 * (1.0 - c3 * b))
        rho = variance / (2.0 * mean**2)
        m = 4.0 + (rows + 2.0) / (rows * rho - 1.0)
        df.append(m)
        scale.append(m / (mean * (m - 2.0)))
    return _Article(adjusted, np.array(df), np.array(scale))


def _designs(k: int) -> list[Floats]:
    ones, line = np.ones(k), np.linspace(-1.0, 2.0, k)
    designs = [np.column_stack([ones]), np.column_stack([ones, line])]
    if k > 4:
        designs.append(np.column_stack([ones, line, np.sin(3.0 * line)]))
    return [x for x in designs if k > x.shape[1]]


@given(sample=studies(), tau2=between)
def test_covariance_and_df_are_those_of_the_article(sample: Studies, tau2: float) -> None:
    yi, vi = sample
    for x in _designs(yi.size):
        found, article = kenward_roger(yi, vi, x, tau2), _article(vi, x, tau2)
        size = np.abs(article.adjusted).max()
        np.testing.assert_allclose(found.vcov, article.adjusted, rtol=1e-9, atol=1e-11 * size)
        df = [found.df(one) for one in np.eye(x.shape[1])]
        # The general formula is a difference that loses digits where the df are large or near 2.
        np.testing.assert_allclose(df, article.df, rtol=1e-6)
        np.testing.assert_allclose(article.scale, 1.0, rtol=1e-6)


@given(sample=studies())
def test_the_fit_uses_them(sample: Studies) -> None:
    yi, vi = sample
    for x in _designs(yi.size):
        fit = fit_meta_regression(yi, vi, x, ci_method="kenward_roger")
        article = _article(vi, x, fit.tau2)
        beta, se = fit.coefficients.estimate, np.sqrt(np.diag(article.adjusted))
        np.testing.assert_allclose(fit.coefficients.se, se, rtol=1e-8)
        np.testing.assert_allclose(fit.coefficients.df, article.df, rtol=1e-6)
        half = np.array([critical_value(0.95, df) for df in article.df]) * se
        np.testing.assert_allclose(fit.coefficients.ci_lb, beta - half, rtol=1e-5, atol=1e-8)
        pvalue = [two_sided_p(b / s, df) for b, s, df in zip(beta, se, article.df, strict=True)]
        np.testing.assert_allclose(fit.coefficients.pvalue, pvalue, rtol=1e-4, atol=1e-12)


@given(sample=studies())
def test_equal_variances_need_no_adjustment(sample: Studies) -> None:
    """The mean then has k - 1 df and its usual standard error, whatever tau2 is."""
    yi, vi = sample[0], np.full_like(sample[1], 0.3)
    adjusted = fit_random_effects(yi, vi, ci_method="kenward_roger")
    usual = fit_random_effects(yi, vi, ci_method="t")
    assert adjusted.df == pytest.approx(yi.size - 1.0, rel=1e-9)
    np.testing.assert_allclose(
        [adjusted.se, adjusted.ci_lb, adjusted.ci_ub], [usual.se, usual.ci_lb, usual.ci_ub],
        rtol=1e-9, atol=1e-12,
    )  # fmt: skip


@given(sample=studies())
def test_the_standard_error_never_shrinks(sample: Studies) -> None:
    yi, vi = sample
    for x in _designs(yi.size):
        plain = fit_meta_regression(yi, vi, x, ci_method="t").coefficients.se
        adjusted = fit_meta_regression(yi, vi, x, ci_method="kenward_roger").coefficients.se
        assert (adjusted >= plain * (1.0 - 1e-12)).all()


@pytest.mark.parametrize("c", [1e-3, 1e3])
@given(sample=studies(), tau2=between)
def test_units(c: float, sample: Studies, tau2: float) -> None:
    yi, vi = sample
    for x in _designs(yi.size):
        plain, scaled = (
            kenward_roger(yi, vi, x, tau2),
            kenward_roger(c * yi, c**2 * vi, x, c**2 * tau2),
        )
        size = c**2 * np.abs(plain.vcov).max()
        np.testing.assert_allclose(scaled.vcov, c**2 * plain.vcov, rtol=1e-9, atol=1e-12 * size)
        for one in np.eye(x.shape[1]):
            assert scaled.df(one) == pytest.approx(plain.df(one), rel=1e-8)


@st.composite
def subsets(draw: st.DrawFn) -> tuple[Floats, Floats, np.ndarray]:
    """Studies and two subsets of at least two of them."""
    yi, vi = draw(studies(smallest=3, largest=8))
    rows = []
    for _ in range(2):
        row = draw(st.lists(st.booleans(), min_size=yi.size, max_size=yi.size))
        row[0] = row[-1] = True
        rows.append(row)
    return yi, vi, np.array(rows)


@pytest.mark.parametrize("method", ["REML", "DL", "PM"])
@given(sample=subsets())
def test_pools_of_subsets_are_the_single_fits(
    method: str, sample: tuple[Floats, Floats, np.ndarray]
) -> None:
    yi, vi, member = sample
    pools = pool_subsets(yi, vi, member, method=method, ci_method="kenward_roger")
    for i, row in enumerate(member):
        fit = fit_random_effects(yi[row], vi[row], method=method, ci_method="kenward_roger")
        np.testing.assert_allclose(
            [pools.mu[i], pools.se[i], pools.df[i], pools.ci_lb[i], pools.ci_ub[i]],
            [fit.mu, fit.se, fit.df, fit.ci_lb, fit.ci_ub],
            rtol=1e-7, atol=1e-9,
        )  # fmt: skip


def test_a_contrast_that_does_not_depend_on_tau2_has_infinite_df() -> None:
    """As the difference of two coefficients whose variances change alike would have."""
    found = kenward_roger(np.array([0.1, 0.4, 0.2]), np.full(3, 0.2), np.ones((3, 1)), 0.1)
    assert math.isinf(found.df(np.zeros(1)))


def test_intervals_with_few_studies_reach_their_level() -> None:
    """2,000 simulated sets of five studies: at least 95% but for Monte Carlo error."""
    rng = np.random.default_rng(41)
    vi = np.array([0.02, 0.05, 0.1, 0.2, 0.4])
    count = 2000
    covered = 0
    for _ in range(count):
        yi = rng.normal(0.0, np.sqrt(vi + 0.1))
        fit = fit_random_effects(yi, vi, ci_method="kenward_roger")
        covered += int(fit.ci_lb <= 0.0 <= fit.ci_ub)
    assert covered / count >= 0.95 - 3.0 * math.sqrt(0.95 * 0.05 / count)
