"""Confidence intervals of tau2: Q-profile, generalized Q and profile likelihood."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, as_vector, check_design, check_estimates, require
from analysis.distributions import chi2_quantile
from analysis.errors import EstimationError
from analysis.quadratic_forms import weighted_chi2_cdf
from analysis.results import Result
from analysis.rootfinding import find_root
from analysis.univariate.least_squares import weighted_fit
from analysis.univariate.tau2 import (
    estimate_tau2,
    highest_root,
    log_likelihood,
    tau2_where_q_equals,
)

_SCANNED = 120
"""Values of tau2 at which a profile likelihood is looked at before its crossings are refined."""


@dataclass(frozen=True)
class Tau2Interval(Result):
    """Confidence interval of tau2; `lower` = `upper` = 0 when even tau2 = 0 leaves Q too small
    for the level (then `empty` is true: the data are more alike than sampling error allows)."""

    lower: float
    upper: float
    level: float
    empty: bool
    method: str = "q_profile"

    def i2(self, typical_v: float) -> tuple[float, float]:
        """Limits of I2 in percent, 100 tau2 / (tau2 + typical variance)."""
        low, high = (100.0 * t / (t + typical_v) for t in (self.lower, self.upper))
        return low, high

    def h2(self, typical_v: float) -> tuple[float, float]:
        """Limits of H2, 1 + tau2 / typical variance."""
        return 1.0 + self.lower / typical_v, 1.0 + self.upper / typical_v


def q_profile_interval(yi: Floats, vi: Floats, design: Floats, level: float = 0.95) -> Tau2Interval:
    """Q-profile interval of tau2 (Viechtbauer 2007, Stat Med 26:37).

    The limits are the tau2 at which generalized Q equals the upper and lower chi-squared
    quantiles with k - p df; a limit below 0 is reported as 0.
    """
    degrees = yi.size - design.shape[1]
    if degrees < 1:
        return Tau2Interval(math.nan, math.nan, level, False)
    tail = (1.0 - level) / 2.0
    lower, upper = (
        tau2_where_q_equals(chi2_quantile(probability, degrees), yi, vi, design)
        for probability in (1.0 - tail, tail)
    )
    return Tau2Interval(lower, upper, level, upper == 0.0)


def _first_root(falling: Callable[[float], float], at_zero: float, high: float) -> float:
    """Root of a falling function on [0, inf); 0 when it starts at or below 0."""
    if at_zero <= 0.0:
        return 0.0
    while falling(high) > 0.0:
        high *= 10.0
    return find_root(falling, 0.0, high)


def _checked(
    yi: ArrayLike, vi: ArrayLike, design: ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    effects, variances = check_estimates(yi, vi)
    return effects, variances, check_design(design, effects.size)


def generalized_q_interval(
    yi: ArrayLike,
    vi: ArrayLike,
    design: ArrayLike | None,
    weights: ArrayLike,
    level: float = 0.95,
) -> Tau2Interval:
    """Interval of tau2 from a generalized Q statistic with fixed weights (Jackson 2013, Res Synth
    Methods 4:220).

    yi, vi, design: as in `fit_meta_regression` (None: a mean). weights: k, such as 1/vi (the
    interval of Biggerstaff and Jackson 2008) or its root, which Jackson recommends. Q = y'Ay has
    the distribution of a weighted sum of chi-squared variables with 1 df, the weights being the
    eigenvalues of S^{1/2} A S^{1/2}, S = V + tau2 I; the limits are the tau2 at which its tail
    probabilities are (1 - level)/2. Cost cubic in k.
    Raises `EstimationError` for effects, variances or weights that cannot be used.
    """
    effects, variances, x = _checked(yi, vi, design)
    w = as_vector(weights, "weights")
    if w.size != effects.size:
        raise EstimationError(f"{w.size} weights for {effects.size} effects")
    require(np.isfinite(w) & (w > 0), "weights must be finite and greater than 0")
    keep = effects.size - x.shape[1]
    if keep < 1:
        return Tau2Interval(math.nan, math.nan, level, False, "generalized_q")
    fit = weighted_fit(effects, w, x)
    wx = x * w[:, None]
    a = np.diag(w) - wx @ fit.vb @ wx.T
    tail = (1.0 - level) / 2.0

    def above(tau2: float) -> float:
        root = np.sqrt(variances + tau2)
        values = np.linalg.eigvalsh(root[:, None] * a * root[None, :])[-keep:]
        return 1.0 - weighted_chi2_cdf(fit.rss, np.asarray(values, dtype=np.float64))

    high = float(variances.max()) + fit.rss / float(w.sum())
    lower = _first_root(lambda t: tail - above(t), tail - above(0.0), high)
    upper = _first_root(lambda t: 1.0 - tail - above(t), 1.0 - tail - above(0.0), high)
    return Tau2Interval(lower, upper, level, upper == 0.0, "generalized_q")


def profile_likelihood_interval(
    yi: ArrayLike,
    vi: ArrayLike,
    design: ArrayLike | None = None,
    *,
    method: str = "REML",
    level: float = 0.95,
) -> Tau2Interval:
    """Interval of tau2 from the profile (restricted) likelihood (Hardy and Thompson 1996, Stat Med
    15:619): the tau2 whose log-likelihood is within half a chi-squared quantile of the maximum.

    yi, vi, design: as in `fit_meta_regression`. With several maxima it is the outermost crossing
    on either side. Raises `EstimationError` for methods other than `REML` and `ML`, and when there
    are no more effects than coefficients.
    """
    if method not in ("REML", "ML"):
        raise EstimationError(f"a profile likelihood interval needs REML or ML, not {method}")
    restricted = method == "REML"
    effects, variances, x = _checked(yi, vi, design)
    best = estimate_tau2(effects, variances, x, method)

    def value(tau2: float) -> float:
        return log_likelihood(tau2, effects, variances, x, restricted=restricted)

    floor = value(best) - 0.5 * chi2_quantile(level, 1.0)

    def below(tau2: float) -> float:
        return floor - value(tau2)

    # The likelihood can come back within the fall: look everywhere it may.
    low = 0.01 * float(variances.min())
    top = highest_root(effects, variances, x, restricted=restricted)
    high = max(top, 2.0 * best, 2.0 * low)
    grid = np.unique(np.append(np.geomspace(low, high, _SCANNED), [0.0, best]))
    inside = np.flatnonzero(np.array([below(float(t)) for t in grid]) <= 0.0)
    first, last = int(inside[0]), int(inside[-1])
    lower = 0.0 if first == 0 else find_root(below, float(grid[first - 1]), float(grid[first]))
    end = float(grid[last + 1]) if last + 1 < grid.size else 2.0 * float(grid[-1])
    while below(end) < 0.0:
        end *= 2.0
    upper = find_root(below, float(grid[last]), end)
    return Tau2Interval(lower, upper, level, False, f"profile/{method}")
