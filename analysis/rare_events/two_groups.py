"""Mixed models of the counts of both groups of every study (unconditional models).

The log odds (or log rates) of the two groups of study i are s_i + c d_i and s_i - (1 - c) d_i: d_i
~ N(mu, tau2) is the study's log odds (rate) ratio and s_i its level, c its coding. Levels are
parameters of their own, or random (Turner et al. 2000, Stat Med 19:3417; Jackson et al. 2018,
Stat Med 37:1059).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, named
from analysis.derivatives import difference_gradient
from analysis.errors import EstimationError
from analysis.rare_events.counts import Terms, binomial, poisson
from analysis.rare_events.mixed_models import (
    DIFFERENCE,
    Homogeneity,
    MixedModel,
    fit_model,
    homogeneity,
    informative_rates,
    informative_tables,
    own_estimates,
)
from analysis.rare_events.quadrature import NODES, Integrals, integrate, integrate_pairs

COUNTS = {
    "binomial": "events among persons: the effect is a log odds ratio",
    "poisson": "events in person-time: the effect is a log rate ratio",
}
NODES_OF_PAIRS = 15
"""In each of two dimensions."""
_BOUND = 12.0


@dataclass(frozen=True)
class _Groups:
    """Counts of two groups of k studies, and the coding c."""

    first: Terms
    second: Terms
    coding: float
    k: int

    def at(self, level: Floats, effect: Floats) -> tuple[Floats, ...]:
        """Log-probability, slopes and curvatures in (level, effect), of arrays k x m."""
        c, d = self.coding, self.coding - 1.0
        v1, s1, c1 = self.first(level + c * effect)
        v2, s2, c2 = self.second(level + d * effect)
        return (
            v1 + v2, s1 + s2, c * s1 + d * s2,
            c1 + c2, c * c1 + d * c2, c * c * c1 + d * d * c2,
        )  # fmt: skip

    def given_level(self, level: Floats) -> Terms:
        """As a function of the effects, at these levels (k x 1)."""

        def terms(effect: Floats) -> tuple[Floats, Floats, Floats]:
            value, _, slope, _, _, curvature = self.at(level, effect)
            return value, slope, curvature

        return terms

    def given_effect(self, effect: Floats) -> Terms:
        """As a function of the levels, at these effects (k x 1)."""

        def terms(level: Floats) -> tuple[Floats, Floats, Floats]:
            value, slope, _, curvature, _, _ = self.at(level, effect)
            return value, slope, curvature

        return terms


def two_group_counts(
    events1i: ArrayLike,
    size1i: ArrayLike,
    events2i: ArrayLike,
    size2i: ArrayLike,
    *,
    counts: str = "binomial",
    levels: str = "fixed",
    coding: float = 0.5,
    correlated: bool = False,
    nodes: int = NODES_OF_PAIRS,
    level: float = 0.95,
) -> MixedModel:
    """Log odds ratios or log rate ratios of k studies, from the counts of both groups.

    size1i, size2i: persons, or person-time for `poisson` counts (`COUNTS`). levels: `fixed`, a
    parameter per study (metafor's `UM.FS`), or `random`, normal (`UM.RS`). coding: share c of the
    effect's deviation that group 1 carries; 1/2 treats the groups alike, 1 leaves the variance of
    group 2 to the levels alone. correlated: let random levels correlate with the effects, which
    then do not depend on the coding. nodes: of each integral over two effects; 1 is Laplace's
    approximation, as lme4's. homogeneity is given for fixed levels.

    Studies without events, or without anybody else, in both groups drop out.
    Raises `EstimationError` for events or sizes out of range, and without a finite estimate.
    """
    named(counts, COUNTS, "distribution of the counts")
    if not 0.0 <= coding <= 1.0:
        raise EstimationError(f"coding must lie between 0 and 1, found {coding}")
    if levels not in ("fixed", "random"):
        raise EstimationError(f"unknown levels {levels!r}; known: fixed, random")
    if nodes < 1:
        raise EstimationError(f"an integral needs 1 node or more, found {nodes}")
    if counts == "binomial":
        tables = informative_tables(events1i, size1i, events2i, size2i)
        of_group: Callable[[Floats, Floats], Terms] = binomial
        logs = [np.log((x + 0.5) / (n - x + 0.5)) for x, n in (tables[:2], tables[2:])]
    else:
        tables = informative_rates(events1i, size1i, events2i, size2i)
        of_group = poisson
        logs = [np.log((x + 0.5) / t) for x, t in (tables[:2], tables[2:])]
    groups = _Groups(of_group(*tables[:2]), of_group(*tables[2:]), coding, tables[0].size)
    start = float((logs[0] - logs[1]).mean())
    name = f"{counts}/{levels}_levels/coding_{coding:g}"
    if levels == "fixed":
        return _fit_fixed(groups, logs, start, level, f"{name}/agh{NODES}")
    spread = max(0.1, float(np.std(logs[1])))
    begin = np.array([start, float(logs[1].mean()) + (1.0 - coding) * start, math.log(spread)])
    name += ("/correlated" if correlated else "") + (f"/agh{nodes}" if nodes > 1 else "/laplace")
    return _fit_random(groups, begin, correlated, nodes, level, name)


def _fit_fixed(
    groups: _Groups, logs: list[Floats], start: float, level: float, method: str
) -> MixedModel:
    """The levels at their best for every (mu, log tau): each is a Newton search of its own, since
    the integral over a study's effect is log-concave in its level."""
    last = [(logs[0] + logs[1])[:, None] / 2.0]

    def objective(parameters: Floats) -> tuple[float, Floats]:
        mu, tau2 = float(parameters[0]), math.exp(2.0 * float(parameters[1]))
        return _at_best_levels(groups, last, mu, tau2).likelihood(mu, tau2)

    def test(_: float, loglik: float) -> Homogeneity:
        log1, value1, info1 = own_estimates(groups.first, logs[0])
        log2, value2, info2 = own_estimates(groups.second, logs[1])
        with np.errstate(divide="ignore", invalid="ignore"):
            weights = np.where((info1 > 0.0) & (info2 > 0.0), 1.0 / (1.0 / info1 + 1.0 / info2), 0)
        return homogeneity(log1 - log2, weights, 2.0 * (float((value1 + value2).sum()) - loglik))

    return fit_model(objective, np.array([start]), groups.k, level, method, test)


def _at_best_levels(groups: _Groups, last: list[Floats], mu: float, tau2: float) -> Integrals:
    """The integrals over the effects at the levels that maximize them, which `last` carries from
    one call to the next."""
    for _ in range(100):
        found = integrate(groups.given_level(last[0]), groups.k, mu, tau2)
        _, slope, _, curvature, _, _ = groups.at(last[0], found.nodes)
        mean = found.mean(slope)
        second = found.mean(curvature + slope**2) - mean**2
        step = np.clip(mean / np.maximum(-second, 1e-10), -2.0, 2.0)
        if float(np.abs(step).max()) < 1e-11:
            break
        last[0] = last[0] + step[:, None]
    return found


def _fit_random(
    groups: _Groups, start: Floats, correlated: bool, nodes: int, level: float, method: str
) -> MixedModel:
    """Parameters: mu, mean level, log of the levels' sd, Fisher's z of the correlation (where there
    is one), log tau."""

    def value(parameters: Floats) -> float:
        mu, mean, sd, tau = *parameters[:2], math.exp(parameters[2]), math.exp(parameters[-1])
        if tau == 0.0:
            terms = groups.given_effect(np.full((groups.k, 1), mu))
            few = NODES if nodes > 1 else 1
            return float(integrate(terms, groups.k, mean, sd * sd, few).log.sum())
        shared = (math.tanh(parameters[3]) if correlated else 0.0) * sd * tau
        cov = np.array([[sd * sd, shared], [shared, tau * tau]])
        return float(integrate_pairs(groups.at, groups.k, np.array([mean, mu]), cov, nodes).sum())

    def objective(parameters: Floats) -> tuple[float, Floats]:
        # Beyond these bounds a search has left every finite estimate behind.
        bounded = np.append(np.clip(parameters[:-1], -_BOUND, _BOUND), parameters[-1])
        # Differences also hold for Laplace's approximation.
        return value(bounded), difference_gradient(value, bounded, DIFFERENCE)

    def described(parameters: Floats) -> tuple[float, float]:
        has = correlated and parameters.size == 5
        return math.exp(2.0 * parameters[2]), math.tanh(parameters[3]) if has else math.nan

    def untested(common: float, loglik: float) -> Homogeneity:
        return Homogeneity(math.nan, math.nan, math.nan, math.nan, groups.k - 1)

    more = (0.0,) if correlated else ()
    return fit_model(objective, start, groups.k, level, method, untested, described, more)
