"""Estimators of the between-study variance tau2.

All take effects yi (k), sampling variances vi (k) and a design matrix (k x p) of full rank, and
return tau2 >= 0. Costs are linear in k. Nothing here depends on the units: yi times c and vi
times c squared multiplies tau2 by c squared.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from analysis.arrays import Floats, named
from analysis.distributions import chi2_quantile
from analysis.errors import EstimationError
from analysis.rootfinding import find_root
from analysis.univariate.least_squares import generalized_q, trace_p, weighted_fit

_MOST_NUMBERS = 1_000_000
"""Of one working array, so that memory stays bounded with many effects."""
_DIGITS_LOST = 1e-9
"""A difference this small a share of its terms has fewer than 7 digits left."""
_LOWEST, _GRID_STEP = 0.01, 0.2
"""The likelihood is scanned from this share of the smallest variance, in steps of log tau2."""


def _degrees(yi: Floats, design: Floats) -> int:
    return int(yi.size - design.shape[1])


def _require_degrees(design: Floats) -> None:
    k, p = design.shape
    if k <= p:
        raise EstimationError(f"{p} coefficients need more than {p} effects, found {k}")


def generalized_moments(yi: Floats, vi: Floats, design: Floats, weights: Floats) -> float:
    """Method of moments with fixed weights (DerSimonian and Kacker 2007; Jackson 2013): the tau2
    at which the weighted residual sum of squares has its expectation, truncated at 0. Raises
    `EstimationError` when there are no more effects than coefficients."""
    _require_degrees(design)
    fit = weighted_fit(yi, weights, design)
    leverage = np.einsum("kp,pq,kq->k", design, fit.vb, design)
    inside = weights - weights**2 * leverage
    return float(max(0.0, (fit.rss - float((inside * vi).sum())) / float(inside.sum())))


def _tau2_dl(yi: Floats, vi: Floats, design: Floats) -> float:
    """DerSimonian and Laird (1986); with moderators as in Raudenbush (2009)."""
    excess = generalized_q(0.0, yi, vi, design) - _degrees(yi, design)
    return float(max(0.0, excess / trace_p(1.0 / vi, design)))


def _tau2_he(yi: Floats, vi: Floats, design: Floats) -> float:
    """Hedges and Olkin (1985): unweighted moments."""
    return generalized_moments(yi, vi, design, np.ones_like(yi))


def _tau2_hs(yi: Floats, vi: Floats, design: Floats) -> float:
    """Hunter and Schmidt (1990)."""
    excess = generalized_q(0.0, yi, vi, design) - yi.size
    return float(max(0.0, excess / float((1.0 / vi).sum())))


def _tau2_hsk(yi: Floats, vi: Floats, design: Floats) -> float:
    """Hunter and Schmidt with the small-sample factor k / (k - p) (Brannick et al. 2019)."""
    q = generalized_q(0.0, yi, vi, design) * yi.size / _degrees(yi, design)
    return float(max(0.0, (q - yi.size) / float((1.0 / vi).sum())))


def _tau2_sj(yi: Floats, vi: Floats, design: Floats) -> float:
    """Sidik and Jonkman (2005), started at the unweighted variance of yi (divisor k)."""
    start = float(((yi - yi.mean()) ** 2).sum()) / yi.size
    if start == 0.0:
        return 0.0
    fit = weighted_fit(yi, 1.0 / (vi + start), design)
    return float(start * fit.rss / _degrees(yi, design))


def tau2_where_q_equals(target: float, yi: Floats, vi: Floats, design: Floats) -> float:
    """The tau2 at which generalized Q has this value; 0 when Q is smaller already at tau2 = 0.

    Q is at most the ordinary residual sum of squares over v_min + tau2, which bounds the root.
    """

    def excess(tau2: float) -> float:
        return generalized_q(tau2, yi, vi, design) - target

    if excess(0.0) <= 0.0:
        return 0.0
    high = generalized_q(0.0, yi, np.ones_like(vi), design) / target - float(vi.min())
    return find_root(excess, 0.0, (1.0 + 1e-9) * high + 1e-9 * float(vi.min()))


def _tau2_pm(yi: Floats, vi: Floats, design: Floats) -> float:
    """Paule and Mandel (1982): the tau2 at which generalized Q equals k - p; also EB, and what
    iterating DL or SJ ends at."""
    return tau2_where_q_equals(float(_degrees(yi, design)), yi, vi, design)


def _tau2_pmm(yi: Floats, vi: Floats, design: Floats) -> float:
    """Generalized Q at the median of its chi-squared distribution (Viechtbauer 2021)."""
    return tau2_where_q_equals(chi2_quantile(0.5, _degrees(yi, design)), yi, vi, design)


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
    if tau2.size > 1 and tau2.size * vi.size > _MOST_NUMBERS:
        each = max(1, _MOST_NUMBERS // vi.size)
        parts = [tau2[i : i + each] for i in range(0, tau2.size, each)]
        return np.concatenate([_scores(part, yi, vi, design, restricted) for part in parts])
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


def _orthonormal(design: Floats) -> Floats:
    """The same column space, orthonormal so that sums over it keep their digits; a single column
    is left as it is."""
    if design.shape[1] == 1:
        return design
    return np.asarray(np.linalg.qr(design)[0], dtype=np.float64)


def highest_root(yi: Floats, vi: Floats, design: Floats, *, restricted: bool) -> float:
    """A value that no root of the score lies above.

    At a root sum(w^2 r^2) = tr(P), where the left is at most rss / (v_min + t)^2 and the right at
    least (k - p) / (v_max + t), k for ML: a quadratic inequality in t.
    """
    a = yi.size - (design.shape[1] if restricted else 0)
    rss = generalized_q(0.0, yi, np.ones_like(vi), design) / a
    smallest, largest = float(vi.min()), float(vi.max())
    half = 0.5 * rss - smallest
    return max(half + math.sqrt(max(0.0, half**2 - smallest**2 + rss * largest)), smallest)


def _tau2_likelihood(yi: Floats, vi: Floats, design: Floats, restricted: bool) -> float:
    """Global maximum: every fall of the score through 0 on a grid is refined and compared."""
    design = _orthonormal(design)
    bottom = _LOWEST * float(vi.min())
    top = highest_root(yi, vi, design, restricted=restricted)
    points = math.ceil(math.log(top / bottom) / _GRID_STEP) + 2
    grid = np.append(0.0, bottom * np.exp(_GRID_STEP * np.arange(points)))
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
    "PMM": _tau2_pmm,
    "HE": _tau2_he,
    "HS": _tau2_hs,
    "HSk": _tau2_hsk,
    "SJ": _tau2_sj,
    "EE": _tau2_none,
}
"""Estimators of tau2 by metafor's names; `EE` is the equal-effects model with tau2 = 0."""


def generalized_moments_error(tau2: float, vi: Floats, design: Floats, weights: Floats) -> float:
    """Large-sample standard error of `generalized_moments`, from the variance of its quadratic
    form: sqrt(2 tr(P S P S)) / tr(P) with S = V + tau2 I."""
    return math.sqrt(2.0 * _trace_psps(weights, vi + tau2, design)) / trace_p(weights, design)


def estimate_tau2(yi: Floats, vi: Floats, design: Floats, method: str) -> float:
    """tau2 by one of `TAU2_METHODS`. Raises `EstimationError` for an unknown one, and when there
    are no more effects than coefficients."""
    estimator = named(method, TAU2_METHODS, "estimator of tau2")
    _require_degrees(design)
    return float(estimator(yi, vi, design))


def tau2_standard_error(tau2: float, yi: Floats, vi: Floats, design: Floats, method: str) -> float:
    """Large-sample standard error of tau2; nan for `EE` and where rounding leaves none of it (a
    study a billion times as precise as the others).

    From the expected information for likelihood methods (Viechtbauer 2005, J Educ Behav Stat
    30:261), else from the variance of the quadratic form that defines the estimator, with P =
    W - WX(X'WX)^-1 X'W: 2 tr(P S P S) with S = V + tau2 I, carried to tau2. A poor basis for an
    interval of tau2 (use `q_profile_interval`); it is needed where tau2 enters other quantities.
    """
    if method == "EE":
        return math.nan
    k, p = design.shape
    design = _orthonormal(design)
    if method in ("ML", "REML"):
        wi = 1.0 / (vi + tau2)
        if method == "ML":
            return math.sqrt(2.0 / float((wi**2).sum()))
        return math.sqrt(2.0 / _trace_psps(wi, np.ones_like(vi), design))
    if method in ("DL", "HS", "HSk"):
        weights, slope = 1.0 / vi, trace_p(1.0 / vi, design)
        if method != "DL":
            slope = float(weights.sum()) * (1.0 if method == "HS" else (k - p) / k)
    elif method == "HE":
        weights, slope = np.ones_like(vi), float(k - p)
    elif method == "SJ":
        start = float(((yi - yi.mean()) ** 2).sum()) / k
        weights, slope = 1.0 / (vi + start), (k - p) / start if start > 0.0 else math.nan
    else:
        weights = 1.0 / (vi + tau2)
        slope = float(weights.sum()) * (k - p) / k
    return math.sqrt(2.0 * _trace_psps(weights, vi + tau2, design)) / slope


def _trace_psps(wi: Floats, spread: Floats, design: Floats) -> float:
    """tr(P S P S) for diagonal S, with P from weights wi; linear in k."""
    vb = weighted_fit(np.zeros_like(wi), wi, design).vb
    first = float(((wi * spread) ** 2).sum())
    wx = design * wi[:, None]
    crossed = float(np.einsum("kp,pq,kq,k->", wx, vb, wx, wi * spread**2))
    middle = vb @ (wx.T @ (wx * spread[:, None]))
    value = first - 2.0 * crossed + float(np.trace(middle @ middle))
    return value if value > _DIGITS_LOST * first else math.nan
