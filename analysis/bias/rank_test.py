"""Rank correlation of effects with their variances."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, check_estimates
from analysis.distributions import two_sided_p
from analysis.errors import EstimationError
from analysis.results import Result

_MOST_EXACT = 50


@dataclass(frozen=True)
class RankTest(Result):
    """Kendall's tau of standardized effects with their variances and its two-sided p-value, exact
    for fewer than 50 studies without ties."""

    k: int
    tau: float
    pvalue: float
    exact: bool


def rank_test(yi: ArrayLike, vi: ArrayLike) -> RankTest:
    """Begg and Mazumdar (1994, Biometrics 50:1088): deviations from the fixed-effect mean over
    their standard errors against the variances. Little power; Egger's regression is preferred.

    Raises `EstimationError` with fewer than 3 studies or when all variances or all effects
    are equal.
    """
    effects, variances = check_estimates(yi, vi)
    if effects.size < 3:
        raise EstimationError("a rank correlation needs at least 3 studies")
    if float(np.ptp(variances)) == 0.0:
        raise EstimationError("all studies are equally precise; the test has no meaning")
    if float(np.ptp(effects)) == 0.0:
        raise EstimationError("all effects are equal; there is nothing to rank")
    w = 1.0 / variances
    mean = float(w @ effects) / float(w.sum())
    spread = np.sqrt(np.maximum(variances - 1.0 / w.sum(), 0.0))
    # A study that outweighs all others is the mean.
    deviates = np.divide(effects - mean, spread, out=np.zeros_like(spread), where=spread > 0.0)
    return kendall(deviates, variances)


def kendall(x: Floats, y: Floats) -> RankTest:
    """Kendall's tau-b; the exact null distribution counts permutations by their inversions."""
    n = x.size
    sx, sy = np.sign(x[:, None] - x[None, :]), np.sign(y[:, None] - y[None, :])
    score = float((sx * sy).sum()) / 2.0
    pairs = n * (n - 1) / 2.0
    ties_x, ties_y = _tie_counts(x), _tie_counts(y)
    free_x = pairs - float((ties_x * (ties_x - 1.0)).sum()) / 2.0
    free_y = pairs - float((ties_y * (ties_y - 1.0)).sum()) / 2.0
    tau = score / math.sqrt(free_x * free_y) if free_x > 0 and free_y > 0 else math.nan
    if free_x == pairs and free_y == pairs and n < _MOST_EXACT:
        return RankTest(n, tau, _exact_p(n, (pairs + score) / 2.0), True)
    variance = (_kernel(np.array([n])) - _kernel(ties_x) - _kernel(ties_y)) / 18.0
    variance += _third(ties_x) * _third(ties_y) / (9.0 * n * (n - 1.0) * (n - 2.0))
    variance += _second(ties_x) * _second(ties_y) / (2.0 * n * (n - 1.0))
    return RankTest(n, tau, two_sided_p(score / math.sqrt(variance)), False)


def _tie_counts(values: Floats) -> Floats:
    return np.asarray(np.unique(values, return_counts=True)[1], dtype=np.float64)


def _kernel(t: Floats) -> float:
    return float((t * (t - 1.0) * (2.0 * t + 5.0)).sum())


def _third(t: Floats) -> float:
    return float((t * (t - 1.0) * (t - 2.0)).sum())


def _second(t: Floats) -> float:
    return float((t * (t - 1.0)).sum())


def _exact_p(n: int, concordant: float) -> float:
    """Two-sided p from the number of permutations of n by concordant pairs."""
    counts = np.ones(1)
    for size in range(2, n + 1):
        counts = np.convolve(counts, np.full(size, 1.0 / size))
    total = counts.size - 1
    lower = counts[: round(min(concordant, total - concordant)) + 1].sum()
    return float(min(1.0, 2.0 * lower))
