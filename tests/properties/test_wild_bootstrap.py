"""The cluster wild bootstrap against explicit k x k matrices, draw by draw, and its level."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from analysis.dependent import wild_bootstrap
from analysis.dependent.blocks import make_blocks
from analysis.dependent.multivariate import MultivariateFit, fit_multivariate
from analysis.dependent.robust import robust_covariance, wald_test
from analysis.dependent.wild_bootstrap import (
    FEW_CLUSTERS,
    wild_bootstrap_interval,
    wild_bootstrap_test,
)
from analysis.errors import EstimationError

from .mixed_rows import mixed_rows


@cache
def _fit(number: int, p: int, trials: int = 0) -> MultivariateFit:
    """A three-level fit with p coefficients of 5 to 19 trials of 1 to 4 effects, rows mixed."""
    rng = np.random.default_rng([61, number])
    m = trials or int(rng.integers(5, 20))
    y, v, x, trial = mixed_rows(rng, m, p, 0.2)
    blocks = make_blocks(y, v, trial.tolist(), design=x)
    return fit_multivariate(blocks, structure="ID", within="common")


def _constraints(p: int, q: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(number)
    return np.eye(p)[-q:] + 0.3 * rng.normal(size=(q, p)), 0.2 * rng.normal(size=q)


def _dense(fit: MultivariateFit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y, X and the marginal covariance of all effects in the order of the input."""
    blocks, k = fit.blocks, fit.blocks.k
    y, sigma = np.empty(k), np.zeros((k, k))
    for group in blocks.groups:
        for rows, own_y, own_v in zip(group.rows, group.y, group.v, strict=True):
            y[rows] = own_y
            sigma[np.ix_(rows, rows)] = own_v + fit.tau[0, 0] + fit.omega[0] * np.eye(rows.size)
    return y, blocks.design, sigma


def _brute_force(
    fit: MultivariateFit, c: np.ndarray, values: np.ndarray
) -> tuple[Callable[[np.ndarray], float], Callable[[np.ndarray], np.ndarray]]:
    """The Wald statistic with CR1 of given effects, and the effects of given weights of trials."""
    y, x, sigma = _dense(fit)
    trial, m = fit.blocks.cluster, fit.blocks.clusters
    w = np.linalg.inv(sigma)
    bread = np.linalg.inv(x.T @ w @ x)

    def statistic(effects: np.ndarray) -> float:
        beta = bread @ x.T @ w @ effects
        residuals, meat = effects - x @ beta, np.zeros((c.shape[0],) * 2)
        for one in range(m):
            own = trial == one
            part = c @ bread @ x[own].T @ w[np.ix_(own, own)] @ residuals[own]
            meat += m / (m - 1.0) * np.outer(part, part)
        gap = c @ beta - values
        return float(gap @ np.linalg.solve(meat, gap)) / c.shape[0]

    beta = bread @ x.T @ w @ y
    pull = bread @ c.T @ np.linalg.inv(c @ bread @ c.T)
    restricted = beta - pull @ (c @ beta - values)
    np.testing.assert_allclose(c @ restricted, values, atol=1e-12)

    def drawn(weights: np.ndarray) -> np.ndarray:
        return np.asarray(x @ restricted + weights[trial] * (y - x @ restricted))

    return statistic, drawn


def _prepared(
    fit: MultivariateFit, c: np.ndarray, draws: int, seed: int
) -> tuple[wild_bootstrap._Test, np.ndarray]:
    """What the test prepares, and its draws' weights in the order of the trials' codes."""
    test = wild_bootstrap._prepare(fit, c, draws, seed)
    order = np.concatenate([fit.blocks.cluster[group.rows[:, 0]] for group in fit.blocks.groups])
    weights = np.empty_like(test.signs)
    weights[:, order] = test.signs
    return test, weights


@pytest.mark.parametrize(("p", "q"), [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2)])
@pytest.mark.parametrize("number", range(8))
def test_single_draws(number: int, p: int, q: int) -> None:
    fit = _fit(number, p)
    c, values = _constraints(p, q, number)
    test, weights = _prepared(fit, c, 8, number)
    statistic, drawn = _brute_force(fit, c, values)
    observed, repeated = test.statistics(values)
    assert observed == pytest.approx(statistic(_dense(fit)[0]), rel=1e-9)
    expected = [statistic(drawn(one)) for one in weights]
    np.testing.assert_allclose(repeated, expected, rtol=1e-7)


@pytest.mark.parametrize(("p", "q"), [(1, 1), (2, 1), (3, 2)])
def test_the_p_value_counts_draws(p: int, q: int) -> None:
    fit = _fit(9, p)
    c, values = _constraints(p, q, 3)
    found = wild_bootstrap_test(fit, c, values, draws=199, seed=5)
    statistic, drawn = _brute_force(fit, c, values)
    _, weights = _prepared(fit, c, 199, 5)
    observed = statistic(_dense(fit)[0])
    as_large = sum(statistic(drawn(one)) >= observed * (1.0 - 1e-9) for one in weights)
    assert found.statistic == pytest.approx(observed, rel=1e-9)
    assert found.pvalue == pytest.approx((1 + as_large) / 200.0, abs=1e-12)
    assert (found.draws, found.clusters) == (199, fit.blocks.clusters)


def test_the_observed_statistic_is_that_of_the_robust_test() -> None:
    for number in range(6):
        fit = _fit(number, 3)
        c, _ = _constraints(3, 2, number)
        test = wald_test(robust_covariance(fit, "CR1"), c)
        assert wild_bootstrap_test(fit, c, draws=9).statistic == pytest.approx(
            test.statistic, rel=1e-9
        )


@pytest.mark.parametrize("trials", [FEW_CLUSTERS - 1, FEW_CLUSTERS])
def test_weights_by_the_number_of_trials(trials: int) -> None:
    """Mean 0, variance 1; six values with few trials, two otherwise."""
    fit = _fit(4, 2, trials)
    test = wild_bootstrap._prepare(fit, np.eye(2)[:1], 4000, 1)
    values = np.unique(np.round(test.signs, 12))
    few = trials < FEW_CLUSTERS
    expected = np.sqrt([0.5, 1.0, 1.5]) if few else np.ones(1)
    np.testing.assert_allclose(values, np.concatenate([-expected[::-1], expected]), atol=1e-12)
    assert wild_bootstrap_test(fit, [[1.0, 0.0]], draws=9).weights == (
        "webb" if few else "rademacher"
    )
    size = math.sqrt(test.signs.size)
    assert abs(test.signs.mean()) < 4.0 / size
    assert abs((test.signs**2).mean() - 1.0) < 4.0 / size


def test_a_seed_gives_the_same_and_another_seed_nearly_the_same() -> None:
    fit = _fit(2, 2)
    first, again = (wild_bootstrap_test(fit, [[0.0, 1.0]], 0.1, seed=7) for _ in "ab")
    assert first == again
    others = [wild_bootstrap_test(fit, [[0.0, 1.0]], 0.1, seed=seed).pvalue for seed in range(8)]
    assert len(set(others)) > 1
    error = math.sqrt(first.pvalue * (1.0 - first.pvalue) / first.draws)
    assert np.abs(np.array(others) - first.pvalue).max() < 6.0 * error


def test_the_tested_value_moves_with_the_effects() -> None:
    """beta = value in y is the hypothesis beta = 0 in y - x value."""
    fit = _fit(3, 2)
    y, x, _ = _dense(fit)
    v = [own for group in fit.blocks.groups for own in group.v]
    order = np.concatenate([group.rows.ravel() for group in fit.blocks.groups])
    trial = fit.blocks.cluster[order].tolist()
    shifts = [
        fit_multivariate(
            make_blocks((y - shift * x[:, 1])[order], v, trial, design=x[order]),
            structure="ID", within="common",
        )
        for shift in (0.0, 0.15)
    ]  # fmt: skip
    first = wild_bootstrap_test(shifts[0], [[0.0, 1.0]], 0.15)
    second = wild_bootstrap_test(shifts[1], [[0.0, 1.0]], 0.0)
    assert first.pvalue == second.pvalue
    assert first.statistic == pytest.approx(second.statistic, rel=1e-7)


def test_scale_of_a_hypothesis_does_not_matter() -> None:
    fit = _fit(5, 3)
    c, values = _constraints(3, 2, 1)
    turn = np.array([[2.0, 1.0], [-1.0, 3.0]])
    first = wild_bootstrap_test(fit, c, values, draws=499)
    second = wild_bootstrap_test(fit, turn @ c, turn @ values, draws=499)
    assert second.statistic == pytest.approx(first.statistic, rel=1e-8)
    assert second.pvalue == first.pvalue


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize(("number", "contrast"), [(1, [1.0]), (2, [0.0, 1.0]), (3, [0.5, -1.0])])
def test_an_interval_ends_where_the_p_value_crosses(
    number: int, contrast: list[float], level: float
) -> None:
    fit = _fit(number, len(contrast), 14)
    interval = wild_bootstrap_interval(fit, contrast, level=level, draws=799, seed=3)
    assert interval.estimate == pytest.approx(np.array(contrast) @ fit.beta, rel=1e-12)
    assert interval.lower < interval.estimate < interval.upper
    assert (interval.level, interval.draws, interval.weights) == (level, 799, "rademacher")
    tiny = 1e-7 * (interval.upper - interval.lower)
    for end, outwards in ((interval.lower, -tiny), (interval.upper, tiny)):
        inside, outside = (
            wild_bootstrap_test(fit, [contrast], end + step, draws=799, seed=3).pvalue
            for step in (-outwards, outwards)
        )
        assert outside <= 1.0 - level < inside


@pytest.mark.parametrize(("trials", "weights"), [(8, "webb"), (16, "rademacher")])
def test_size(trials: int, weights: str) -> None:
    """1000 null data sets with a moderator of trials, 199 draws each (seed 71): the rate of
    rejections at .05 is within three Monte Carlo errors (.007) of .05."""
    rejected, sets = 0, 1000
    for number in range(sets):
        rng = np.random.default_rng([71, number])
        trial = np.repeat(np.arange(trials), rng.integers(1, 5, trials))
        vi = rng.uniform(0.02, 0.1, trial.size)
        x = np.column_stack([np.ones(trial.size), rng.normal(size=trials)[trial]])
        y = rng.normal(0.0, np.sqrt(vi)) + 0.2 * rng.normal(size=trials)[trial]
        fit = fit_multivariate(make_blocks(y, vi, trial.tolist(), design=x), structure="ID")
        test = wild_bootstrap_test(fit, [[0.0, 1.0]], draws=199, seed=number)
        assert test.weights == weights
        rejected += test.pvalue <= 0.05
    assert abs(rejected / sets - 0.05) < 3.0 * math.sqrt(0.05 * 0.95 / sets)


def test_what_cannot_be_tested_is_refused() -> None:
    with pytest.raises(EstimationError, match="2 columns"):
        wild_bootstrap_test(_fit(1, 2), [[1.0, 0.0, 0.0]])
    two = fit_multivariate(make_blocks([0.1, 0.2, 0.4], [0.1] * 3, [0, 0, 1]), structure="ID")
    with pytest.raises(EstimationError, match="at least 3 trials, found 2"):
        wild_bootstrap_test(two, [[1.0]])
    with pytest.raises(EstimationError, match="at least 3 trials, found 2"):
        wild_bootstrap_interval(two, [1.0])
