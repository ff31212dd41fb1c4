"""Between-study variance: estimators, Q, I2, H2 and the Q-profile interval.

All estimators take effects yi (k), sampling variances vi (k) and a design matrix (k x p) of
full rank, and return tau2 >= 0. Costs are linear in k. Nothing here depends on the units: yi
times c and vi times c squared multiplies tau2 by c squared.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.distributions import chi2_quantile, chi2_sf
from analysis.rootfinding import find_root

_GRID_POINTS, _COARSE_POINTS = 120, 48
_MANY = 500
"""From this many effects on the likelihood is scanned on the coarser grid."""


@dataclass(frozen=True)
class WeightedFit:
    """Generalized least squares with weights w: beta (p), its covariance (p x p), weighted
    residual sum of squares and log determinant of X'WX."""

    beta: Floats
    vb: Floats
    rss: float
    logdet: float


def weighted_fit(yi: Floats, wi: Floats, design: Floats) -> WeightedFit:
    """Weighted least squares of yi on the design with weights wi (k).

    By QR of the design scaled with sqrt(wi): normal equations would lose digits with moderators
    such as years that are far from 0.
    """
    if design.shape[1] == 1:
        return _one_column_fit(yi, wi, design[:, 0])
    root = np.sqrt(wi)
    q, r = np.linalg.qr(design * root[:, None])
    inverse = np.linalg.inv(r)
    beta = inverse @ (q.T @ (root * yi))
    residuals = yi - design @ beta
    logdet = 2.0 * float(np.log(np.abs(np.diag(r))).sum())
    vb: Floats = np.asarray(inverse @ inverse.T, dtype=np.float64)
    return WeightedFit(beta, vb, float((wi * residuals**2).sum()), logdet)


def _one_column_fit(yi: Floats, wi: Floats, x: Floats) -> WeightedFit:
    """`weighted_fit` for a single coefficient, where the normal equation is one division."""
    wx = wi * x
    information = float(wx @ x)
    beta = float(wx @ yi) / information
    residuals = yi - x * beta
    rss = float((wi * residuals) @ residuals)
    vb = np.array([[1.0 / information]])
    return WeightedFit(np.array([beta]), vb, rss, math.log(information))


def _trace_p(wi: Floats, design: Floats) -> float:
    """Trace of P = W - WX(X'WX)^-1 X'W."""
    vb = weighted_fit(np.zeros_like(wi), wi, design).vb
    leverage = np.einsum("kp,pq,kq->k", design, vb, design)
    return float((wi - wi**2 * leverage).sum())


def cochran_q(yi: Floats, vi: Floats, design: Floats) -> float:
    """Residual heterogeneity statistic, chi-squared with k - p df when tau2 = 0."""
    return weighted_fit(yi, 1.0 / vi, design).rss


def generalized_q(tau2: float, yi: Floats, vi: Floats, design: Floats) -> float:
    """Q with weights 1/(vi + tau2); falls monotonically in tau2."""
    wi = 1.0 / (vi + tau2)
    if design.shape[1] == 1:
        x = design[:, 0]
        wx = wi * x
        residuals = yi - x * (float(wx @ yi) / float(wx @ x))
        return float((wi * residuals) @ residuals)
    return weighted_fit(yi, wi, design).rss


def typical_variance(vi: Floats, design: Floats) -> float:
    """Typical sampling variance (k - p) / trace(P) of Higgins and Thompson (2002, eq. 9)."""
    return float((vi.size - design.shape[1]) / _trace_p(1.0 / vi, design))


def _largest_plausible(yi: Floats, vi: Floats, design: Floats) -> float:
    """A value above every estimator that solves a moment or likelihood equation."""
    ordinary = weighted_fit(yi, np.ones_like(yi), design)
    return 10.0 * (ordinary.rss + float(vi.max()))


def _tau2_dl(yi: Floats, vi: Floats, design: Floats) -> float:
    """DerSimonian and Laird (1986); with moderators as in Raudenbush (2009)."""
    degrees = yi.size - design.shape[1]
    return float(max(0.0, (cochran_q(yi, vi, design) - degrees) / _trace_p(1.0 / vi, design)))


def _tau2_he(yi: Floats, vi: Floats, design: Floats) -> float:
    """Hedges and Olkin (1985): unweighted moments."""
    ones = np.ones_like(yi)
    fit = weighted_fit(yi, ones, design)
    leverage = np.einsum("kp,pq,kq->k", design, fit.vb, design)
    degrees = yi.size - design.shape[1]
    return float(max(0.0, (fit.rss - float((vi * (1.0 - leverage)).sum())) / degrees))


def _tau2_hs(yi: Floats, vi: Floats, design: Floats) -> float:
    """Hunter and Schmidt (1990)."""
    return float(max(0.0, (cochran_q(yi, vi, design) - yi.size) / float((1.0 / vi).sum())))


def _tau2_sj(yi: Floats, vi: Floats, design: Floats) -> float:
    """Sidik and Jonkman (2005), started at the unweighted variance of yi (divisor k)."""
    start = float(((yi - yi.mean()) ** 2).sum()) / yi.size
    if start == 0.0:
        return 0.0
    fit = weighted_fit(yi, 1.0 / (vi + start), design)
    return float(start * fit.rss / (yi.size - design.shape[1]))


def _tau2_pm(yi: Floats, vi: Floats, design: Floats) -> float:
    """Paule and Mandel (1982): the tau2 at which generalized Q equals k - p; also EB."""
    degrees = yi.size - design.shape[1]

    def excess(tau2: float) -> float:
        return float(generalized_q(tau2, yi, vi, design) - degrees)

    if excess(0.0) <= 0.0:
        return 0.0
    return find_root(excess, 0.0, _largest_plausible(yi, vi, design))


def log_likelihood(
    tau2: float, yi: Floats, vi: Floats, design: Floats, *, restricted: bool
) -> float:
    """Normal log-likelihood at tau2 with the coefficients at their GLS values.

    restricted: REML, with the term log|X'X| / 2 that makes it comparable over designs.
    """
    k, p = design.shape
    wi = 1.0 / (vi + tau2)
    fit = weighted_fit(yi, wi, design)
    value = 0.5 * float(np.log(wi).sum()) - 0.5 * fit.rss
    if restricted:
        value += 0.5 * float(np.linalg.slogdet(design.T @ design)[1]) - 0.5 * fit.logdet
        k -= p
    return float(value - 0.5 * k * math.log(2.0 * math.pi))


def _scores(tau2: Floats, yi: Floats, vi: Floats, design: Floats, restricted: bool) -> Floats:
    """Twice the derivative of the log-likelihood at each of g values of tau2."""
    wi = 1.0 / (vi[None, :] + tau2[:, None])
    if design.shape[1] == 1:
        return _one_column_scores(wi, yi, design[:, 0], restricted)
    information = np.einsum("gk,kp,kq->gpq", wi, design, design)
    xwy = np.einsum("gk,kp,k->gp", wi, design, yi)
    beta = np.linalg.solve(information, xwy[:, :, None])[:, :, 0]
    weighted = wi * (yi[None, :] - beta @ design.T)
    trace = wi.sum(axis=1)
    if restricted:
        squares = np.einsum("gk,kp,kq->gpq", wi**2, design, design)
        trace = trace - np.einsum("gpq,gqp->g", np.linalg.inv(information), squares)
    return np.asarray((weighted**2).sum(axis=1) - trace)


def _one_column_scores(wi: Floats, yi: Floats, x: Floats, restricted: bool) -> Floats:
    """`_scores` for a single coefficient. wi: weights (g x k)."""
    information = wi @ (x * x)
    beta = (wi @ (x * yi)) / information
    squares = wi * wi
    residuals = yi[None, :] - beta[:, None] * x[None, :]
    out = np.einsum("gk,gk,gk->g", squares, residuals, residuals) - wi.sum(axis=1)
    if restricted:
        out = out + (squares @ (x * x)) / information
    return np.asarray(out)


def _tau2_likelihood(yi: Floats, vi: Floats, design: Floats, restricted: bool) -> float:
    """Global maximum: every fall of the score through 0 on a grid is refined and compared."""
    top = _largest_plausible(yi, vi, design)
    bottom = min(1e-4 * float(vi.min()), top / 10.0)
    points = _GRID_POINTS if yi.size < _MANY else _COARSE_POINTS
    grid = np.concatenate([[0.0], np.geomspace(bottom, top, points)])
    scores = _scores(grid, yi, vi, design, restricted)

    def score(tau2: float) -> float:
        return float(_scores(np.array([tau2]), yi, vi, design, restricted)[0])

    falls = np.flatnonzero((scores[:-1] > 0.0) & (scores[1:] <= 0.0))
    candidates = [find_root(score, float(grid[i]), float(grid[i + 1])) for i in falls]
    if scores[0] <= 0.0 or not candidates:
        candidates.append(0.0)
    if len(candidates) == 1:
        return candidates[0]
    return max(candidates, key=lambda t: log_likelihood(t, yi, vi, design, restricted=restricted))


def _tau2_ml(yi: Floats, vi: Floats, design: Floats) -> float:
    return _tau2_likelihood(yi, vi, design, restricted=False)


def _tau2_reml(yi: Floats, vi: Floats, design: Floats) -> float:
    return _tau2_likelihood(yi, vi, design, restricted=True)


def _tau2_none(yi: Floats, vi: Floats, design: Floats) -> float:
    return 0.0


TAU2_METHODS: dict[str, Callable[[Floats, Floats, Floats], float]] = {
    "REML": _tau2_reml,
    "ML": _tau2_ml,
    "DL": _tau2_dl,
    "PM": _tau2_pm,
    "EB": _tau2_pm,
    "HE": _tau2_he,
    "HS": _tau2_hs,
    "SJ": _tau2_sj,
    "EE": _tau2_none,
}
"""Estimators of tau2 by metafor's names; `EE` is the equal-effects model with tau2 = 0."""


@dataclass(frozen=True)
class Tau2Interval:
    """Confidence interval of tau2; `lower` = `upper` = 0 when even tau2 = 0 leaves Q too small
    for the level (then `empty` is true: the data are more alike than sampling error allows)."""

    lower: float
    upper: float
    level: float
    empty: bool
    method: str = "q_profile"


def q_profile_interval(yi: Floats, vi: Floats, design: Floats, level: float = 0.95) -> Tau2Interval:
    """Q-profile interval of tau2 (Viechtbauer 2007, Stat Med 26:37).

    The limits are the tau2 at which generalized Q equals the upper and lower chi-squared
    quantiles with k - p df; a limit below 0 is reported as 0.
    """
    degrees = yi.size - design.shape[1]
    if degrees < 1:
        return Tau2Interval(math.nan, math.nan, level, False)
    tail = (1.0 - level) / 2.0

    def limit(quantile: float) -> float:
        def excess(tau2: float) -> float:
            return generalized_q(tau2, yi, vi, design) - quantile

        if excess(0.0) <= 0.0:
            return 0.0
        high = _largest_plausible(yi, vi, design)
        while excess(high) > 0.0:
            high *= 10.0
        return find_root(excess, 0.0, high)

    upper = limit(chi2_quantile(tail, degrees))
    lower = limit(chi2_quantile(1.0 - tail, degrees))
    return Tau2Interval(lower, upper, level, upper == 0.0)


@dataclass(frozen=True)
class Heterogeneity:
    """Q with its df and p-value, I2 in percent, H2 and the typical sampling variance."""

    q: float
    q_df: int
    q_pvalue: float
    i2: float
    h2: float
    typical_v: float


def describe_heterogeneity(
    yi: Floats, vi: Floats, design: Floats, tau2: float, method: str
) -> Heterogeneity:
    """Q, I2 and H2; I2 = 100 tau2 / (tau2 + typical variance), from Q for equal effects."""
    degrees = yi.size - design.shape[1]
    if degrees < 1:
        return Heterogeneity(0.0, degrees, math.nan, math.nan, math.nan, math.nan)
    q = cochran_q(yi, vi, design)
    typical = typical_variance(vi, design)
    if method == "EE":
        i2, h2 = max(0.0, 100.0 * (q - degrees) / q) if q > 0 else 0.0, q / degrees
    else:
        i2, h2 = 100.0 * tau2 / (tau2 + typical), tau2 / typical + 1.0
    return Heterogeneity(q, degrees, chi2_sf(q, degrees), i2, h2, typical)
