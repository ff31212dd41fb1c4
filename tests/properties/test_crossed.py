"""Crossed random effects against full k x k matrices, and the three-level model where they nest."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from scipy import optimize

from analysis.dependent.blocks import make_blocks
from analysis.dependent.crossed import CrossedFit, fit_crossed
from analysis.dependent.multivariate import fit_multivariate
from analysis.univariate.meta_regression import fit_meta_regression

from . import textbook

METHODS = ("REML", "ML")
SETS = 100


@dataclass(frozen=True)
class Effects:
    """k effects with their sampling covariance, design and labels of every factor."""

    y: np.ndarray
    v: np.ndarray
    x: np.ndarray
    factors: Mapping[str, Sequence[int | str]]

    @property
    def parts(self) -> np.ndarray:
        """For every factor whether two effects share a level (factors x k x k)."""
        labels = [np.asarray(one) for one in self.factors.values()]
        return np.array([one[:, None] == one[None, :] for one in labels], dtype=float)

    def with_factors(self, names: Sequence[str]) -> Effects:
        return replace(self, factors={name: self.factors[name] for name in names})


def _fit(sample: Effects, method: str = "REML") -> CrossedFit:
    return fit_crossed(sample.y, sample.v, sample.factors, sample.x, method=method)


def _sigma2(fit: CrossedFit) -> np.ndarray:
    return np.array(list(fit.sigma2.values()))


@cache
def _sample(number: int) -> Effects:
    """5 to 8 teams of 1 to 4 effects by 4 instruments; variances of 0, .15 or .3 squared, a
    sampling correlation within teams and a moderator in some."""
    rng = np.random.default_rng([31, number])
    teams = int(rng.integers(5, 9))
    team = np.repeat(np.arange(teams), rng.integers(1, 5, teams))
    k = team.size
    instrument = rng.integers(0, 4, k)
    vi = 4.0 / rng.uniform(30.0, 400.0, k)
    y = rng.normal(0.0, np.sqrt(vi))
    for size, labels in ((teams, team), (4, instrument), (k, np.arange(k))):
        y += rng.choice([0.0, 0.15, 0.3]) * rng.normal(size=size)[labels]
    rho = (0.0, 0.5)[number % 5 == 0]
    v = rho * np.sqrt(np.outer(vi, vi)) * (team[:, None] == team[None, :])
    np.fill_diagonal(v, vi)
    columns = [np.ones(k)] + [rng.normal(size=k)] * (number % 3 == 0)
    factors = {"team": team.tolist(), "instrument": instrument.tolist()}
    factors |= {"effect": list(range(k))} if number % 2 == 0 else {}
    return Effects(y, v, np.column_stack(columns), factors)


def _likelihoods(sample: Effects, sigma2: np.ndarray, method: str) -> np.ndarray:
    """Log-likelihood of every row of variances, from full covariance matrices."""
    (k, p), total = sample.x.shape, sample.v + np.tensordot(sigma2, sample.parts, axes=1)
    factor = np.linalg.cholesky(total)
    columns = np.broadcast_to(np.column_stack([sample.x, sample.y]), (len(sigma2), k, p + 1))
    white = np.linalg.solve(factor, columns)
    x, y = white[:, :, :p], white[:, :, p:]
    gram = np.swapaxes(x, 1, 2) @ x
    e = y - x @ np.linalg.solve(gram, np.swapaxes(x, 1, 2) @ y)
    value = -np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1) - 0.5 * (e**2).sum((1, 2))
    if method == "REML":
        value += (
            0.5 * np.linalg.slogdet(sample.x.T @ sample.x)[1] - 0.5 * np.linalg.slogdet(gram)[1]
        )
        k -= p
    return np.asarray(value - 0.5 * k * math.log(2.0 * math.pi))


def _grid(axes: Sequence[np.ndarray]) -> np.ndarray:
    return np.array(list(itertools.product(*axes)))


def _scan(sample: Effects, method: str) -> float:
    """Highest log-likelihood on a grid of all variances (zero and six decades), refined around its
    three highest points."""
    axis = np.concatenate([[0.0], np.geomspace(1e-3, 1e3, 9)]) * np.median(np.diag(sample.v))
    grid = _grid([axis] * len(sample.factors))
    values = _likelihoods(sample, grid, method)
    best = float(values.max())
    for start in np.argsort(-values)[:3]:
        at, reach = grid[start], math.log(axis[2] / axis[1])
        for _ in range(22):
            steps = np.exp(np.linspace(-reach, reach, 5))
            near = _grid([one * (steps if one > 0.0 else steps[:1]) for one in at])
            found = _likelihoods(sample, near, method)
            at, best, reach = near[found.argmax()], max(best, found.max()), 0.62 * reach
    return best


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("number", range(8))
def test_brute_force_finds_the_same(number: int, method: str) -> None:
    sample = _sample(number)
    fit = _fit(sample, method)
    grid = _grid([np.array([0.0, 0.01, 0.1])] * len(sample.factors))
    start = grid[_likelihoods(sample, grid, method).argmax()]
    found = optimize.minimize(
        lambda sds: -_likelihoods(sample, sds[None] ** 2, method)[0], np.sqrt(start) + 0.01,
        method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13, "maxiter": 3000},
    )  # fmt: skip
    assert fit.loglik == pytest.approx(-found.fun, abs=1e-8)
    np.testing.assert_allclose(_sigma2(fit), found.x**2, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("number", range(8))
def test_the_textbook_at_the_fitted_variances(number: int, method: str) -> None:
    sample = _sample(number)
    fit, x = _fit(sample, method), sample.x
    sigma = sample.v + np.tensordot(_sigma2(fit), sample.parts, axes=1)
    beta, vb = textbook.generalized_least_squares(sample.y, x, sigma)
    np.testing.assert_allclose(fit.coefficients.estimate, beta, rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(fit.vb, vb, rtol=1e-8, atol=1e-13)
    value = textbook.log_likelihood(sample.y, x, sigma, restricted=method == "REML")
    assert fit.loglik == pytest.approx(value, abs=1e-9)
    fixed, _ = textbook.generalized_least_squares(sample.y, x, sample.v)
    e = sample.y - x @ fixed
    assert fit.q == pytest.approx(e @ np.linalg.solve(sample.v, e), rel=1e-9)
    assert fit.levels == {name: len(set(one)) for name, one in sample.factors.items()}
    zero = [name for name, one in fit.sigma2.items() if one == 0.0]
    assert fit.notes == tuple(f"{name}_at_zero" for name in zero)
    assert (fit.status, fit.gradient < 1e-7) == ("boundary" if zero else "ok", True)


@pytest.mark.parametrize("method", METHODS)
def test_no_variances_on_a_dense_scan_are_more_likely(method: str) -> None:
    missed = {}
    for number in range(SETS):
        sample = _sample(number)
        highest = _scan(sample, method)
        short = highest - _fit(sample, method).loglik
        if short > 1e-8 * max(1.0, abs(highest)):
            missed[number] = short
    assert not missed, "sets with a higher likelihood elsewhere, and by how much"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("number", range(0, 16, 2))
def test_nested_factors_are_the_three_level_model(number: int, method: str) -> None:
    sample = _sample(number).with_factors(["team", "effect"])
    fit = _fit(sample, method)
    blocks = make_blocks(sample.y, sample.v, sample.factors["team"], design=sample.x)
    nested = fit_multivariate(blocks, structure="ID", within="common", method=method)
    assert fit.loglik == pytest.approx(nested.loglik, abs=1e-9)
    np.testing.assert_allclose(
        _sigma2(fit), [nested.tau[0, 0], nested.omega[0]], rtol=1e-6, atol=1e-10
    )
    np.testing.assert_allclose(fit.coefficients.estimate, nested.beta, rtol=1e-7, atol=1e-11)
    np.testing.assert_allclose(fit.vb, nested.vb, rtol=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_one_factor_without_repeats_is_ordinary_pooling(method: str) -> None:
    for number in range(0, 12, 2):
        sample = _sample(number)
        vi = np.diag(sample.v)
        alone = replace(sample, v=np.diag(vi)).with_factors(["effect"])
        fit, ordinary = (
            _fit(alone, method),
            fit_meta_regression(sample.y, vi, sample.x, method=method),
        )
        assert fit.sigma2["effect"] == pytest.approx(ordinary.tau2, rel=1e-7, abs=1e-10)
        assert fit.loglik == pytest.approx(ordinary.loglik, abs=1e-9)


@pytest.mark.parametrize("number", range(8))
def test_order_of_factors_does_not_matter(number: int) -> None:
    sample = _sample(number)
    first = _fit(sample)
    for names in itertools.permutations(sample.factors):
        other = _fit(sample.with_factors(names))
        assert list(other.sigma2) == list(other.levels) == list(names)
        for name, one in first.sigma2.items():
            assert other.sigma2[name] == pytest.approx(one, rel=1e-6, abs=1e-10)
        assert other.loglik == pytest.approx(first.loglik, abs=1e-9)


@pytest.mark.parametrize("number", range(8))
def test_order_of_effects_and_names_of_levels_do_not_matter(number: int) -> None:
    sample = _sample(number)
    rows = np.random.default_rng(number).permutation(sample.y.size)
    moved = Effects(
        sample.y[rows], sample.v[np.ix_(rows, rows)], sample.x[rows],
        {name: [f"level {one[row]}" for row in rows] for name, one in sample.factors.items()},
    )  # fmt: skip
    first, second = _fit(sample), _fit(moved)
    np.testing.assert_allclose(_sigma2(second), _sigma2(first), rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(second.vb, first.vb, rtol=1e-7)


@pytest.mark.parametrize("c", [1e-3, 1e3])
def test_units_do_not_matter(c: float) -> None:
    for number in range(8):
        sample = _sample(number)
        first = _fit(sample)
        second = _fit(replace(sample, y=c * sample.y, v=c**2 * sample.v))
        np.testing.assert_allclose(_sigma2(second), c**2 * _sigma2(first), rtol=1e-7)
        np.testing.assert_allclose(second.vb, c**2 * first.vb, rtol=1e-8)
        k, p = sample.x.shape
        assert second.loglik == pytest.approx(first.loglik - (k - p) * math.log(c), abs=1e-8)
        assert second.notes == first.notes


def test_variances_and_their_diagonal_matrix_are_the_same() -> None:
    sample = _sample(1)
    vi = np.diag(sample.v)
    given, whole = (replace(sample, v=v) for v in (vi, np.diag(vi)))
    np.testing.assert_array_equal(_sigma2(_fit(given)), _sigma2(_fit(whole)))
