"""Models of the counts of both groups: likelihoods by brute force, and what must not matter."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy import optimize, special, stats

from analysis.arrays import Floats
from analysis.bias.regression_tests import harbord_test, peters_test
from analysis.effect_sizes import log_odds_ratio
from analysis.errors import EstimationError
from analysis.rare_events.mixed_models import (
    conditional_binomial,
    hypergeometric_normal,
    poisson_normal,
)
from analysis.rare_events.stratified import mantel_haenszel, peto, table_tests
from analysis.rare_events.two_groups import two_group_counts

from .test_rare_events import _same

Tables = tuple[Floats, Floats, Floats, Floats]

AWAY = np.linspace(-9.0, 9.0, 361)
"""Standard deviations of a brute-force integral."""


def _tables(number: int, counts: str, k: int = 6) -> Tables:
    rng = np.random.default_rng([19, number])
    n1, n2 = rng.integers(15, 80, k).astype(float), rng.integers(15, 80, k).astype(float)
    level, effect = rng.normal(-1.2, 0.6, k), rng.normal(0.5, 0.7, k)
    one, other = level + effect / 2.0, level - effect / 2.0
    if counts == "poisson":
        return rng.poisson(n1 * np.exp(one)), n1, rng.poisson(n2 * np.exp(other)), n2
    people1, people2 = n1.astype(int), n2.astype(int)
    x1 = rng.binomial(people1, special.expit(one)).astype(float)
    return x1, n1, rng.binomial(people2, special.expit(other)).astype(float), n2


def _log_probability(counts: str, x: Floats, size: Floats, eta: Floats) -> Floats:
    """Of each study's count at parameters eta, whose first axis is the studies."""
    shape = (-1, *(1,) * (eta.ndim - 1))
    x, size = np.reshape(x, shape), np.reshape(size, shape)
    if counts == "poisson":
        return stats.poisson.logpmf(x, size * np.exp(eta))
    return stats.binom.logpmf(x, size, special.expit(eta))


def _both(counts: str, tables: Tables, coding: float, level: Floats, effect: Floats) -> Floats:
    x1, n1, x2, n2 = tables
    return _log_probability(counts, x1, n1, level + coding * effect) + _log_probability(
        counts, x2, n2, level - (1.0 - coding) * effect
    )


def _integrated(log: Floats, axes: int) -> Floats:
    """Integrals over standard normal deviations `AWAY` on the last axes."""
    weight = -0.5 * AWAY**2 + math.log(AWAY[1] - AWAY[0]) - 0.5 * math.log(2.0 * math.pi)
    for _ in range(axes):
        log = special.logsumexp(log + weight, axis=-1)
    return log


def _fixed(counts: str, tables: Tables, coding: float, mu: float, tau2: float) -> float:
    """Every study's level at its best, one search after another."""
    effect = (mu + math.sqrt(tau2) * AWAY)[None, :]
    total = 0.0
    for i in range(tables[0].size):
        own: Any = tuple(column[i : i + 1] for column in tables)

        def negative(level: float, own: Any = own) -> float:
            log = _both(counts, own, coding, np.full((1, AWAY.size), level), effect)
            return -float(_integrated(log, 1)[0])

        total -= optimize.minimize_scalar(negative, (-4.0, 1.0), tol=1e-10).fun
    return total


def _random(
    counts: str, tables: Tables, coding: float, parameters: tuple[float, float, float, float, float]
) -> float:
    mu, mean, sigma, tau, rho = parameters
    level = (mean + sigma * AWAY)[None, :, None]
    effect = mu + tau * (rho * AWAY[:, None] + math.sqrt(1.0 - rho**2) * AWAY[None, :])[None]
    return float(_integrated(_both(counts, tables, coding, level, effect), 2).sum())


@pytest.mark.parametrize("counts", ["binomial", "poisson"])
@pytest.mark.parametrize("coding", [0.0, 0.5, 1.0])
def test_levels_of_their_own(counts: str, coding: float) -> None:
    """The likelihood is the brute-force profile, and none around the estimate is higher."""
    tables = _tables(3, counts)
    fit = two_group_counts(*tables, counts=counts, coding=coding)
    assert fit.status == "ok"
    assert fit.loglik == pytest.approx(_fixed(counts, tables, coding, fit.mu, fit.tau2), abs=1e-7)
    for mu, tau2 in ((0.1, 1.0), (-0.1, 1.0), (0.0, 1.2), (0.0, 0.8)):
        beside = _fixed(counts, tables, coding, fit.mu + mu, fit.tau2 * tau2)
        assert beside < fit.loglik


@pytest.mark.parametrize("correlated", [False, True])
def test_random_levels(correlated: bool) -> None:
    """The likelihood at the estimate, up to the mean level, which is not returned: the brute-force
    likelihood at its best mean level is the fit's."""
    tables = _tables(3, "binomial", k=12)
    fit = two_group_counts(*tables, levels="random", correlated=correlated, nodes=25)
    sigma, tau = math.sqrt(fit.study_variance), math.sqrt(fit.tau2)
    rho = fit.study_correlation if correlated else 0.0

    def negative(mean: float) -> float:
        return -_random("binomial", tables, 0.5, (fit.mu, mean, sigma, tau, rho))

    best = optimize.minimize_scalar(negative, (-2.0, 0.0), tol=1e-8)
    assert fit.status == "ok"
    assert -best.fun == pytest.approx(fit.loglik, abs=1e-6)
    for step in (0.1, -0.1):
        moved = _random("binomial", tables, 0.5, (fit.mu + step, best.x, sigma, tau, rho))
        wider = _random("binomial", tables, 0.5, (fit.mu, best.x, sigma, tau * (1 + step), rho))
        assert max(moved, wider) < fit.loglik


_agree = partial(_same, room=2.0)


@pytest.mark.parametrize("levels", ["fixed", "random"])
@pytest.mark.parametrize("coding", [0.5, 0.8])
def test_swapped_groups_swap_the_sign_and_the_coding(levels: str, coding: float) -> None:
    x1, n1, x2, n2 = _tables(6, "binomial")
    one = two_group_counts(x1, n1, x2, n2, levels=levels, coding=coding)
    other = two_group_counts(x2, n2, x1, n1, levels=levels, coding=1.0 - coding)
    _agree(one, other, -1.0)


def test_correlated_levels_make_the_coding_immaterial() -> None:
    tables = _tables(5, "poisson", k=14)
    one, other = (
        two_group_counts(*tables, counts="poisson", levels="random", correlated=True, coding=c)
        for c in (0.0, 1.0)
    )
    _agree(one, other)


def test_units_of_time_do_not_matter() -> None:
    x1, t1, x2, t2 = _tables(6, "poisson")
    for fit in (
        lambda unit: two_group_counts(x1, t1 * unit, x2, t2 * unit, counts="poisson"),
        lambda unit: conditional_binomial(x1, t1 * unit, x2, t2 * unit),
    ):
        _agree(fit(1.0), fit(365.25))
    one, other = poisson_normal(x1, t1), poisson_normal(x1, 365.25 * t1)
    assert other.mu + math.log(365.25) == pytest.approx(one.mu, abs=1e-6)
    assert other.tau2 == pytest.approx(one.tau2, rel=1e-5)


def test_tables_that_say_nothing_drop_out() -> None:
    tables = _tables(11, "binomial")
    more = tuple(np.append(a, b) for a, b in zip(tables, (0, 30, 0, 20), strict=True))
    _agree(two_group_counts(*tables), two_group_counts(*more))


def test_homogeneity_is_the_deviance_and_cochrans_q() -> None:
    """With a parameter per study both tests have closed forms."""
    tables = _tables(8, "binomial")
    x1, n1, x2, n2 = tables
    tests = two_group_counts(*tables).homogeneity
    own = log_odds_ratio(*tables, zero_cells="none")
    w = 1.0 / own.vi
    mean = float(w @ own.yi / w.sum())
    assert tests.wald == pytest.approx(float(w @ (own.yi - mean) ** 2), rel=1e-8)
    saturated = float(stats.binom.logpmf(x1, n1, x1 / n1).sum())
    saturated += float(stats.binom.logpmf(x2, n2, x2 / n2).sum())
    common = two_group_counts(*tables)
    expected = 2.0 * (saturated - (common.loglik - common.lrt / 2.0))
    assert tests.lrt == pytest.approx(expected, rel=1e-8)
    assert tests.df == x1.size - 1
    assert tests.lrt_pvalue == pytest.approx(stats.chi2.sf(expected, tests.df))


def test_rates_given_their_sum_are_binomial() -> None:
    """Without heterogeneity the conditional estimate is the logit of the pooled share."""
    x1, x2, t = np.array([4.0, 8.0]), np.array([2.0, 4.0]), np.array([10.0, 20.0])
    fit = conditional_binomial(x1, t, x2, t)
    assert (fit.status, fit.tau2) == ("boundary", 0.0)
    assert fit.mu == pytest.approx(math.log(2.0), rel=1e-8)
    assert fit.se == pytest.approx(math.sqrt(1 / 12 + 1 / 6), rel=1e-6)


def test_an_approximation_for_rare_events() -> None:
    """The binomial of the sum approaches the hypergeometric one as events become rare."""
    x1, x2 = np.array([3.0, 5.0, 1.0, 9.0]), np.array([4.0, 9.0, 6.0, 10.0])
    apart = []
    for n in (1e3, 1e5):
        size = np.full(4, n)
        apart.append(
            abs(
                conditional_binomial(x1, size, x2, size).mu
                - hypergeometric_normal(x1, size, x2, size).mu
            )
        )
    assert apart[1] < 0.02 * apart[0] < 1e-3


@pytest.mark.parametrize("levels", ["fixed", "random"])
def test_events_of_one_group_alone_have_no_estimate(levels: str) -> None:
    with pytest.raises(EstimationError, match="no finite estimate"):
        two_group_counts([3, 4, 5], [30, 30, 30], [0, 0, 0], [30, 30, 30], levels=levels)


def test_what_makes_no_sense_is_refused() -> None:
    tables = _tables(9, "binomial")
    for wrong, message in (
        ({"levels": "some"}, "known: fixed, random"),
        ({"counts": "normal"}, "known: binomial, poisson"),
        ({"coding": 2.0}, "between 0 and 1"),
        ({"levels": "random", "nodes": 0}, "1 node or more"),
    ):
        with pytest.raises(EstimationError, match=message):
            two_group_counts(*tables, **wrong)  # type: ignore[arg-type]
    with pytest.raises(EstimationError, match="no study has an event"):
        conditional_binomial([0, 0], [1.0, 2.0], [0, 0], [1.0, 2.0])
    with pytest.raises(EstimationError, match=r"must be greater than 0 \(row 0\)"):
        poisson_normal([1], [0.0])


def test_a_missing_cell_is_refused_by_whatever_combines_tables() -> None:
    tables = ([3, math.nan, 2, 4], [10] * 4, [3, 2, 1, 4], [10] * 4)
    for combine in (
        mantel_haenszel, peto, table_tests, hypergeometric_normal, two_group_counts,
        harbord_test, peters_test,
    ):  # fmt: skip
        with pytest.raises(EstimationError, match=r"must be finite \(row 1\)"):
            combine(*tables)


def test_groups_of_nobody_and_everybody_have_no_end() -> None:
    """The likelihood rises with tau2 for ever, which is said."""
    fit = hypergeometric_normal([10, 0], 10, [0, 10], 10)
    assert fit.status == "not_converged"
