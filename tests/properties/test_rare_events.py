"""Rare events: groups and outcomes are interchangeable, studies without information change nothing,
and mixed models stand at the maximum of a likelihood that is integrated by brute force."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import special

from analysis.arrays import Floats
from analysis.distributions import chi2_sf
from analysis.effect_sizes import log_odds_ratio, log_risk_ratio
from analysis.effect_sizes.binary import peto_log_odds_ratio
from analysis.effect_sizes.proportions import incidence_rate_contrast
from analysis.errors import EstimationError
from analysis.rare_events.mixed_models import MixedModel, binomial_normal, hypergeometric_normal
from analysis.rare_events.stratified import (
    CommonEffect,
    mantel_haenszel,
    mantel_haenszel_rates,
    peto,
    table_tests,
)

from .generated import two_by_two

Tables = tuple[np.ndarray, ...]
Estimator = Callable[..., CommonEffect]

ESTIMATORS: dict[str, Estimator] = {
    "OR": lambda *t: mantel_haenszel(*t, measure="OR"),
    "RR": lambda *t: mantel_haenszel(*t, measure="RR"),
    "RD": lambda *t: mantel_haenszel(*t, measure="RD"),
    "Peto": peto,
}
every_estimator = pytest.mark.parametrize("name", ESTIMATORS)


def _estimate(estimate: Callable[..., object], *tables: np.ndarray) -> object:
    """The estimate; tables that have none are not what a property is about."""
    try:
        return estimate(*tables)
    except EstimationError:
        assume(False)
        raise


def _assert_opposite(one: CommonEffect, other: CommonEffect) -> None:
    assert other.mu == pytest.approx(-one.mu, abs=1e-12)
    assert other.se == pytest.approx(one.se, rel=1e-10)
    assert other.ci_lb == pytest.approx(-one.ci_ub, rel=1e-9, abs=1e-12)
    assert other.pvalue == pytest.approx(one.pvalue, rel=1e-8, abs=1e-14)
    assert other.q == pytest.approx(one.q, rel=1e-8, abs=1e-10)
    assert other.k_effects == one.k_effects


# ---- common effects ----


@every_estimator
@given(tables=two_by_two())
def test_swapping_the_groups_turns_the_sign(name: str, tables: Tables) -> None:
    one = _estimate(ESTIMATORS[name], *tables)
    _assert_opposite(one, ESTIMATORS[name](*tables[2:], *tables[:2]))


@pytest.mark.parametrize("name", ["OR", "RD", "Peto"])
@given(tables=two_by_two())
def test_swapping_event_and_no_event_turns_the_sign(name: str, tables: Tables) -> None:
    a, n1, c, n2 = tables
    one = _estimate(ESTIMATORS[name], *tables)
    _assert_opposite(one, ESTIMATORS[name](n1 - a, n1, n2 - c, n2))


@every_estimator
@given(tables=two_by_two())
def test_the_order_of_studies_does_not_matter(name: str, tables: Tables) -> None:
    one = _estimate(ESTIMATORS[name], *tables)
    other = ESTIMATORS[name](*(column[::-1] for column in tables))
    assert other.mu == pytest.approx(one.mu, rel=1e-10, abs=1e-12)
    assert other.se == pytest.approx(one.se, rel=1e-10)


def _with(tables: Tables, *study: float) -> Tables:
    return tuple(np.append(column, value) for column, value in zip(tables, study, strict=True))


@pytest.mark.parametrize("study", [(0.0, 30.0, 0.0, 12.0), (30.0, 30.0, 12.0, 12.0)])
@pytest.mark.parametrize("name", ["OR", "Peto"])
@given(tables=two_by_two())
def test_a_study_where_nobody_or_everybody_has_the_event_says_nothing(
    name: str, study: tuple[float, ...], tables: Tables
) -> None:
    one = _estimate(ESTIMATORS[name], *tables)
    more = ESTIMATORS[name](*_with(tables, *study))
    np.testing.assert_allclose(
        [more.mu, more.se, more.ci_lb, more.ci_ub], [one.mu, one.se, one.ci_lb, one.ci_ub],
        rtol=1e-12, atol=1e-14,
    )  # fmt: skip
    assert more.k == one.k + 1


@given(tables=two_by_two())
def test_it_says_that_risks_hardly_differ(tables: Tables) -> None:
    """A difference of 0 among the risk differences draws their mean toward 0."""
    one = _estimate(ESTIMATORS["RD"], *tables)
    more = ESTIMATORS["RD"](*_with(tables, 0.0, 500.0, 0.0, 500.0))
    assert abs(more.mu) <= abs(one.mu)


@given(
    cells=st.tuples(*[st.integers(1, 30)] * 4),
)
def test_one_study_is_its_own_effect(cells: tuple[int, ...]) -> None:
    a, b, c, d = cells
    tables = ([a], [a + b], [c], [c + d])
    for name, effect in (("OR", log_odds_ratio), ("RR", log_risk_ratio)):
        found, own = ESTIMATORS[name](*tables), effect(*tables)
        assert found.mu == pytest.approx(own.yi[0], rel=1e-12, abs=1e-14)
        assert found.se == pytest.approx(math.sqrt(own.vi[0]), rel=1e-10)
        assert found.q == pytest.approx(0.0, abs=1e-20)
        assert found.k_effects == 1
    found, own = peto(*tables), peto_log_odds_ratio(*tables)
    assert found.mu == pytest.approx(own.yi[0], rel=1e-12, abs=1e-14)
    assert found.se == pytest.approx(math.sqrt(own.vi[0]), rel=1e-12)


@given(tables=two_by_two())
def test_tables_many_times_as_large(tables: Tables) -> None:
    """A hundred times the persons: the same effect, a tenth of its standard error."""
    for name in ("OR", "RR", "RD"):
        try:
            one = ESTIMATORS[name](*tables)
        except EstimationError:
            continue
        more = ESTIMATORS[name](*(100.0 * column for column in tables))
        assert more.mu == pytest.approx(one.mu, rel=1e-10, abs=1e-12)
        assert more.se == pytest.approx(one.se / 10.0, rel=1e-10)


@given(tables=two_by_two())
def test_tests_of_tables(tables: Tables) -> None:
    """The Mantel-Haenszel test is Peto's; swapping groups or outcomes changes none."""
    a, n1, c, n2 = tables
    odds = _estimate(ESTIMATORS["OR"], *tables)
    assert math.isfinite(odds.mu)
    plain, corrected = table_tests(*tables, continuity=False), table_tests(*tables)
    common = peto(*tables)
    assert plain.mantel_haenszel == pytest.approx(common.statistic**2, rel=1e-9, abs=1e-12)
    assert plain.mantel_haenszel_pvalue == pytest.approx(common.pvalue, rel=1e-7)
    assert corrected.mantel_haenszel <= plain.mantel_haenszel
    assert corrected.cochran <= plain.cochran
    # With binomial variances, which are smaller by (n - 1) / n.
    assert plain.cochran >= plain.mantel_haenszel - 1e-9
    for other in (table_tests(c, n2, a, n1), table_tests(n1 - a, n1, n2 - c, n2)):
        for name in ("cochran", "mantel_haenszel", "breslow_day", "tarone"):
            expected = getattr(corrected, name)
            assert getattr(other, name) == pytest.approx(expected, rel=1e-6, abs=1e-9), name
    assert corrected.tarone <= corrected.breslow_day + 1e-12


@given(tables=two_by_two(), odds_ratio=st.floats(0.2, 5.0))
def test_breslow_and_day_of_tables_with_one_odds_ratio(tables: Tables, odds_ratio: float) -> None:
    """Expected cells of a common odds ratio leave nothing to either test."""
    n1, n2 = tables[1] + 2.0, tables[3] + 2.0
    p2 = np.linspace(0.2, 0.6, n1.size)
    p1 = odds_ratio * p2 / (1.0 - p2 + odds_ratio * p2)
    exact = n1 * p1, n1, n2 * p2, n2
    found = table_tests(*exact)
    assert found.breslow_day == pytest.approx(0.0, abs=1e-9)
    assert found.tarone == pytest.approx(0.0, abs=1e-9)
    assert mantel_haenszel(*exact).mu == pytest.approx(math.log(odds_ratio), abs=1e-10)


counts = st.lists(st.integers(0, 25), min_size=4, max_size=4)
times = st.lists(st.floats(0.5, 50.0), min_size=4, max_size=4)


@pytest.mark.parametrize("measure", ["IRR", "IRD"])
@given(x1=counts, t1=times, x2=counts, t2=times)
def test_rates(
    measure: str, x1: list[int], t1: list[float], x2: list[int], t2: list[float]
) -> None:
    assume(sum(x1) > 0 and sum(x2) > 0)
    one = mantel_haenszel_rates(x1, t1, x2, t2, measure=measure)
    _assert_opposite(one, mantel_haenszel_rates(x2, t2, x1, t1, measure=measure))
    days = mantel_haenszel_rates(
        x1, 365.0 * np.array(t1), x2, 365.0 * np.array(t2), measure=measure
    )
    unit = 1.0 if measure == "IRR" else 365.0
    assert days.mu * unit == pytest.approx(one.mu, rel=1e-9, abs=1e-12)
    assert days.se * unit == pytest.approx(one.se, rel=1e-9)
    alone = [x1[0] + 1], [t1[0]], [x2[0] + 1], [t2[0]]
    own = incidence_rate_contrast(*alone, scale=measure)
    single = mantel_haenszel_rates(*alone, measure=measure)
    assert single.mu == pytest.approx(own.yi[0], rel=1e-9, abs=1e-12)
    assert single.se == pytest.approx(math.sqrt(own.vi[0]), rel=1e-9)


@every_estimator
def test_no_events_have_no_effect(name: str) -> None:
    tables = [0.0, 0.0], [10.0, 20.0], [0.0, 0.0], [10.0, 30.0]
    with pytest.raises(EstimationError, match="no study has events"):
        ESTIMATORS[name](*tables)
    with pytest.raises(EstimationError, match="no study has events"):
        hypergeometric_normal(*tables)


def test_rates_that_make_no_sense_are_refused() -> None:
    with pytest.raises(EstimationError, match="events must not be negative"):
        mantel_haenszel_rates([-1], [1.0], [1], [1.0])
    with pytest.raises(EstimationError, match="times must be greater than 0"):
        mantel_haenszel_rates([1], [0.0], [1], [1.0])
    with pytest.raises(EstimationError, match="unknown measure"):
        mantel_haenszel([1], [10], [2], [10], measure="PETO")


# ---- mixed models ----


def _log_choose(n: Floats, x: Floats) -> Floats:
    return special.gammaln(n + 1) - special.gammaln(x + 1) - special.gammaln(n - x + 1)


@dataclass(frozen=True)
class Sample:
    """A simulated data set of a mixed model with its likelihood, straight from its formula."""

    tables: Tables
    model: str

    def fit(self) -> MixedModel:
        return (binomial_normal if self.model == "binomial" else hypergeometric_normal)(
            *self.tables
        )

    def log_probabilities(self, theta: Floats) -> Floats:
        """Of every study's count at log odds (ratios) theta, studies x theta."""
        if self.model == "binomial":
            x, n = (column[:, None] for column in self.tables)
            return _log_choose(n, x) + x * theta - n * np.logaddexp(0.0, theta)
        rows = []
        for a, n1, c, n2 in zip(*self.tables, strict=True):
            s = np.arange(max(0.0, a + c - n2), min(n1, a + c) + 1.0)
            every = (_log_choose(n1, s) + _log_choose(n2, a + c - s))[:, None] + s[:, None] * theta
            rows.append(every[s == a][0] - special.logsumexp(every, axis=0))
        return np.array(rows)

    def loglik(self, mu: float, tau2: float, points: int = 2001) -> float:
        """Marginal log-likelihood by the trapezoidal rule over 12 standard deviations."""
        if tau2 == 0.0:
            return float(self.log_probabilities(np.array([mu])).sum())
        away = np.linspace(-12.0, 12.0, points)
        value = self.log_probabilities(mu + math.sqrt(tau2) * away) - 0.5 * away**2
        step = math.log((away[1] - away[0]) / math.sqrt(2.0 * math.pi))
        return float((special.logsumexp(value, axis=1) + step).sum())


@cache
def _sample(model: str, number: int) -> Sample:
    """Two to eight studies with few events; no, some or much heterogeneity."""
    rng = np.random.default_rng([83, number])
    k = int(rng.integers(2, 9))
    tau = float(rng.choice([0.0, 0.5, 1.2]))
    if model == "binomial":
        n = rng.integers(5, 60, k)
        x = rng.binomial(n, special.expit(rng.normal(rng.choice([-2.0, 0.0]), tau, k)))
        return Sample((x.astype(float), n.astype(float)), model)
    n1, n2 = rng.integers(5, 60, k), rng.integers(5, 60, k)
    base = rng.normal(-1.5, 0.7, k)
    a = rng.binomial(n1, special.expit(base + rng.normal(0.5, tau, k)))
    c = rng.binomial(n2, special.expit(base))
    return Sample(tuple(column.astype(float) for column in (a, n1, c, n2)), model)


@cache
def _fitted(model: str, number: int) -> MixedModel:
    return _sample(model, number).fit()


models = pytest.mark.parametrize("model", ["binomial", "hypergeometric"])
SETS = 16


@models
def test_adaptive_quadrature_is_the_integral_on_a_fine_grid(model: str) -> None:
    states = set()
    for number in range(SETS):
        sample, fit = _sample(model, number), _fitted(model, number)
        states.add(fit.status)
        # 41 nodes lose digits where a study without events meets a wide distribution.
        close = 1e-8 if fit.tau2 < 2.0 else 1e-4
        assert fit.loglik == pytest.approx(sample.loglik(fit.mu, fit.tau2), abs=close), number
        common = fit.loglik - fit.lrt / 2.0
        if fit.status == "boundary":
            assert (fit.tau2, fit.lrt, fit.lrt_pvalue) == (0.0, 0.0, 1.0)
        else:
            assert fit.lrt_pvalue == pytest.approx(0.5 * chi2_sf(fit.lrt, 1))
            assert common < fit.loglik
    assert states == {"ok", "boundary"}


@models
def test_no_value_on_a_grid_is_better(model: str) -> None:
    for number in range(SETS):
        sample, fit = _sample(model, number), _fitted(model, number)
        best = max(
            sample.loglik(mu, tau2, 201)
            for mu in fit.mu + np.linspace(-1.5, 1.5, 7)
            for tau2 in (0.0, *np.geomspace(1e-2, 30.0, 8))
        )
        assert fit.loglik >= best - 1e-6, number


@models
def test_standard_errors_are_the_curvature_of_the_likelihood(model: str) -> None:
    """Of mu and log tau together, by differences of the brute-force likelihood."""
    compared = 0
    for number in range(12):
        sample, fit = _sample(model, number), _fitted(model, number)
        if fit.status != "ok" or not 0.05 < fit.tau2 < 2.0:
            continue
        at, h = np.array([fit.mu, 0.5 * math.log(fit.tau2)]), 1e-3

        def value(shift: Floats, at: Floats = at, sample: Sample = sample) -> float:
            mu, log_tau = at + shift
            return sample.loglik(mu, math.exp(2.0 * log_tau))

        steps = h * np.eye(2)
        hessian = np.array([
            [
                value(a + b) - value(a - b) - value(b - a) + value(-a - b) for b in steps
            ] for a in steps
        ]) / (4.0 * h * h)  # fmt: skip
        expected = math.sqrt(np.linalg.inv(-hessian)[0, 0])
        assert fit.se == pytest.approx(expected, rel=1e-4), number
        compared += 1
    assert compared >= 3


def _same(one: MixedModel, other: MixedModel, sign: float = 1.0, *, room: float = 1.0) -> None:
    """room: times the tolerances."""
    assert other.mu == pytest.approx(sign * one.mu, abs=1e-5 * room)
    assert other.se == pytest.approx(one.se, rel=1e-4 * room)
    assert other.tau2 == pytest.approx(one.tau2, rel=1e-4 * room, abs=1e-6)
    assert other.loglik == pytest.approx(one.loglik, rel=1e-9 * room)
    assert other.status == one.status


def test_mixed_models_of_swapped_groups_and_outcomes() -> None:
    for number in range(4):
        one, (a, n1, c, n2) = (
            _fitted("hypergeometric", number),
            _sample("hypergeometric", number).tables,
        )
        _same(one, hypergeometric_normal(c, n2, a, n1), -1.0)
        _same(one, hypergeometric_normal(n1 - a, n1, n2 - c, n2), -1.0)
        x, n = _sample("binomial", number).tables
        _same(_fitted("binomial", number), binomial_normal(n - x, n), -1.0)


def test_studies_without_information_leave_the_hypergeometric_model_alone() -> None:
    for number in range(4):
        one, tables = _fitted("hypergeometric", number), _sample("hypergeometric", number).tables
        more = hypergeometric_normal(*_with(_with(tables, 0, 30, 0, 9), 30, 30, 9, 9))
        _same(one, more)
        assert more.k == one.k


def test_proportions_that_are_all_alike_are_pooled() -> None:
    """At the boundary the model is one binomial count."""
    x, n = np.array([3.0, 6.0, 9.0, 3.0]), np.array([10.0, 20.0, 30.0, 10.0])
    fit = binomial_normal(x, n)
    assert (fit.status, fit.tau2, fit.lrt, fit.lrt_pvalue) == ("boundary", 0.0, 0.0, 1.0)
    assert fit.mu == pytest.approx(math.log(0.3 / 0.7), rel=1e-10)
    assert fit.se == pytest.approx(math.sqrt(1.0 / (70.0 * 0.3 * 0.7)), rel=1e-8)


def test_odds_ratios_that_are_all_alike_are_one() -> None:
    """At the boundary the log odds ratio solves the conditional score equation."""
    a, n1 = np.array([4.0, 8.0, 12.0]), np.array([20.0, 40.0, 60.0])
    c, n2 = np.array([2.0, 4.0, 6.0]), np.array([20.0, 40.0, 60.0])
    fit = hypergeometric_normal(a, n1, c, n2)
    assert (fit.status, fit.tau2) == ("boundary", 0.0)
    sample, h = Sample((a, n1, c, n2), "hypergeometric"), 1e-4
    low, peak, high = (sample.loglik(fit.mu + s, 0.0) for s in (-h, 0.0, h))
    assert (high - low) / (2.0 * h) == pytest.approx(0.0, abs=1e-6)
    assert fit.se == pytest.approx((-(low - 2.0 * peak + high) / h**2) ** -0.5, rel=1e-5)


@models
def test_one_study_has_no_heterogeneity(model: str) -> None:
    tables = [[3.0], [20.0]] if model == "binomial" else [[3.0], [20.0], [6.0], [25.0]]
    fit = Sample(tuple(np.array(column) for column in tables), model).fit()
    assert (fit.k, fit.status, fit.tau2) == (1, "boundary", 0.0)


def test_what_has_no_finite_estimate_is_refused() -> None:
    with pytest.raises(EstimationError, match="nobody or everybody has the event"):
        binomial_normal([0, 0], [10, 12])
    with pytest.raises(EstimationError, match="nobody or everybody has the event"):
        binomial_normal([10, 12], [10, 12])
    with pytest.raises(EstimationError, match=r"between 0 and n \(row 1\)"):
        binomial_normal([1, 13], [10, 12])
    with pytest.raises(EstimationError, match="no finite estimate"):
        hypergeometric_normal([3, 2, 4], [20, 20, 20], [0, 0, 0], [20, 20, 20])


def test_many_studies_find_what_they_were_made_of() -> None:
    """400 simulated studies: the mean within 4 standard errors and tau2 within a third."""
    rng = np.random.default_rng(7)
    n = rng.integers(15, 60, 400)
    fit = binomial_normal(rng.binomial(n, special.expit(rng.normal(-1.0, 0.7, 400))), n)
    assert abs(fit.mu + 1.0) < 4.0 * fit.se
    assert fit.tau2 == pytest.approx(0.49, rel=1.0 / 3.0)
    n1, n2 = rng.integers(15, 40, 400), rng.integers(15, 40, 400)
    base = rng.normal(-1.5, 0.8, 400)
    a = rng.binomial(n1, special.expit(base + rng.normal(0.6, 0.7, 400)))
    fit = hypergeometric_normal(a, n1, rng.binomial(n2, special.expit(base)), n2)
    assert abs(fit.mu - 0.6) < 4.0 * fit.se
    assert fit.tau2 == pytest.approx(0.49, rel=1.0 / 3.0)
