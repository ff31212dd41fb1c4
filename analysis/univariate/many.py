"""Many pools of subsets of the same effects in one call: each one left out, cumulative, groups.

Every subset is pooled exactly as `fit_random_effects` pools it; only the arithmetic is shared,
so that k subsets of k effects cost a few array operations instead of k fits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.arrays import Floats, check_estimates, named
from analysis.distributions import normal_quantile
from analysis.errors import EstimationError
from analysis.rootfinding import find_roots
from analysis.univariate.heterogeneity import TAU2_METHODS
from analysis.univariate.meta_regression import CI_METHODS

_GRID_POINTS = 60
_BLOCK = 2_000_000
"""Most numbers of one working array; larger calls go through in blocks of subsets."""


@dataclass(frozen=True)
class Pools:
    """Pooled means of P subsets (arrays of length P, unrounded).

    k: effects in the subset. mu, se, df, ci_lb, ci_ub: as in `PooledEffect`. tau2, q, i2 (in
    percent). A subset of one effect is that effect with its normal interval and tau2 nan; an
    empty one is nan throughout.
    """

    k: np.ndarray
    mu: Floats
    se: Floats
    df: Floats
    ci_lb: Floats
    ci_ub: Floats
    tau2: Floats
    q: Floats
    i2: Floats


def pool_subsets(
    yi: ArrayLike,
    vi: ArrayLike,
    member: ArrayLike,
    *,
    method: str = "REML",
    ci_method: str = "knapp_hartung",
    level: float = 0.95,
) -> Pools:
    """Pool P subsets of k effects.

    yi, vi: k effects and sampling variances. member: P x k, true where the subset has the
    effect. method, ci_method, level: as in `fit_random_effects`.
    Raises `EstimationError` for missing effects, variances of 0 or less, unknown methods.
    """
    effects, variances = check_estimates(yi, vi)
    named(method, TAU2_METHODS, "estimator of tau2")
    named(ci_method, CI_METHODS, "interval method")
    inside = np.asarray(member, dtype=bool)
    if inside.ndim != 2 or inside.shape[1] != effects.size:
        raise EstimationError(
            f"member must be subsets x {effects.size} effects, found shape {inside.shape}"
        )
    step = max(1, _BLOCK // max(1, effects.size))
    parts = [
        _pool(effects, variances, inside[i : i + step].astype(float), method, ci_method, level)
        for i in range(0, max(1, inside.shape[0]), step)
    ]
    return Pools(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def leave_one_out(k: int) -> np.ndarray:
    """The k subsets that leave one effect out (k x k)."""
    return ~np.eye(k, dtype=bool)


def cumulative(order: ArrayLike) -> np.ndarray:
    """The k subsets that grow by one effect at a time in this order (0-based positions)."""
    positions = np.asarray(order, dtype=int)
    if not np.array_equal(np.sort(positions), np.arange(positions.size)):
        raise EstimationError("an order names every position from 0 once")
    rank = np.empty(positions.size, dtype=int)
    rank[positions] = np.arange(positions.size)
    return np.asarray(rank[None, :] <= np.arange(positions.size)[:, None])


def _pool(
    yi: Floats, vi: Floats, m: Floats, method: str, ci_method: str, level: float
) -> tuple[Floats, ...]:
    k = m.sum(axis=1)
    tau2 = np.full(k.size, np.nan)
    several = k > 1
    if several.any():
        tau2[several] = _tau2(yi, vi, m[several], method)
    wi = m / (vi[None, :] + np.where(several, tau2, 0.0)[:, None])
    total = wi.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mu = (wi @ yi) / total
        rss = (wi * (yi[None, :] - mu[:, None]) ** 2).sum(axis=1)
        scale = np.ones(k.size)
        if ci_method.startswith("knapp_hartung"):
            scale = np.where(several, rss / (k - 1.0), 1.0)
            if ci_method == "knapp_hartung_floor":
                scale = np.maximum(scale, 1.0)
        se = np.sqrt(scale / total)
        df = np.where(several & (ci_method != "wald"), k - 1.0, np.inf)
        half = _critical(level, df) * se
        fixed = m / vi[None, :]
        q_mean = (fixed @ yi) / fixed.sum(axis=1)
        q = (fixed * (yi[None, :] - q_mean[:, None]) ** 2).sum(axis=1)
        typical = (k - 1.0) / (fixed.sum(axis=1) - (fixed**2).sum(axis=1) / fixed.sum(axis=1))
        i2 = 100.0 * tau2 / (tau2 + typical)
        if method == "EE":
            i2 = np.where(q > 0.0, np.maximum(0.0, 100.0 * (q - (k - 1.0)) / q), 0.0)
    i2 = np.where(several, i2, np.nan)
    empty = k == 0
    for values in (mu, se, df, half, q):
        values[empty] = np.nan
    return k.astype(int), mu, se, df, mu - half, mu + half, tau2, q, i2


def _critical(level: float, df: Floats) -> Floats:
    tail = (1.0 - level) / 2.0
    finite = np.isfinite(df)
    out = np.full(df.shape, -normal_quantile(tail))
    out[finite] = -special.stdtrit(df[finite], tail)
    return out


def _tau2(yi: Floats, vi: Floats, m: Floats, method: str) -> Floats:
    if method == "EE":
        return np.zeros(m.shape[0])
    if method in ("REML", "ML"):
        return _tau2_likelihood(yi, vi, m, method)
    if method in ("PM", "EB"):
        return _tau2_paule_mandel(yi, vi, m)
    return np.array([_one(yi, vi, row, method) for row in m])


def _one(yi: Floats, vi: Floats, row: Floats, method: str) -> float:
    keep = row > 0
    return TAU2_METHODS[method](yi[keep], vi[keep], np.ones((int(keep.sum()), 1)))


def _largest_plausible(yi: Floats, vi: Floats, m: Floats) -> Floats:
    """Per subset a value above every estimate (as for one fit)."""
    k = m.sum(axis=1)
    mean = (m @ yi) / k
    rss = (m * (yi[None, :] - mean[:, None]) ** 2).sum(axis=1)
    return np.asarray(10.0 * (rss + (m * vi[None, :]).max(axis=1)))


def _score(yi: Floats, vi: Floats, m: Floats, tau2: Floats, restricted: bool) -> Floats:
    """Twice the derivative of the log-likelihood of every subset at its own tau2."""
    wi = m / (vi[None, :] + tau2[:, None])
    total = wi.sum(axis=1)
    mean = (wi @ yi) / total
    squares = wi**2
    out = (squares * (yi[None, :] - mean[:, None]) ** 2).sum(axis=1) - total
    if restricted:
        out = out + squares.sum(axis=1) / total
    return np.asarray(out)


def _tau2_likelihood(yi: Floats, vi: Floats, m: Floats, method: str) -> Floats:
    """Global maximum per subset: falls of the score through 0 on a common grid, refined.

    On the grid all subsets share their weights, so the sums are products of matrices. A subset
    whose likelihood has several maxima is left to the fit of one subset.
    """
    restricted = method == "REML"
    top = float(_largest_plausible(yi, vi, m).max())
    bottom = min(1e-4 * float(vi.min()), top / 10.0)
    grid = np.concatenate([[0.0], np.geomspace(bottom, top, _GRID_POINTS)])
    scores = _scores_on_grid(yi, vi, m, grid, restricted)
    falls = (scores[:-1] > 0.0) & (scores[1:] <= 0.0)
    count = falls.sum(axis=0) + (scores[0] <= 0.0)
    out = np.zeros(m.shape[0])
    one = (count == 1) & (scores[0] > 0.0)
    if one.any():
        at = falls[:, one].argmax(axis=0)
        own = m[one]
        low, high = _widened(yi, vi, own, grid[at], grid[at + 1], restricted)
        out[one] = find_roots(lambda t: _score(yi, vi, own, t, restricted), low, high)
    for i in np.flatnonzero(count != 1):
        out[i] = _one(yi, vi, m[i], method)
    return out


def _widened(
    yi: Floats, vi: Floats, m: Floats, low: Floats, high: Floats, restricted: bool
) -> tuple[Floats, Floats]:
    """Brackets whose ends keep their signs when the score is summed subset by subset."""
    low = np.where(_score(yi, vi, m, low, restricted) > 0.0, low, low * 0.5)
    high = np.where(_score(yi, vi, m, high, restricted) <= 0.0, high, high * 2.0)
    return low, high


def _scores_on_grid(yi: Floats, vi: Floats, m: Floats, grid: Floats, restricted: bool) -> Floats:
    """Scores (grid points x subsets) from sums over shared weights; effects are centered first
    so that squares lose no digits."""
    y = yi - yi.mean()
    w = 1.0 / (vi[None, :] + grid[:, None])
    w2 = w**2
    s, sy = w @ m.T, (w * y) @ m.T
    s2, s2y, s2yy = w2 @ m.T, (w2 * y) @ m.T, (w2 * y**2) @ m.T
    mean = sy / s
    out = s2yy - 2.0 * mean * s2y + mean**2 * s2 - s
    return np.asarray(out + s2 / s if restricted else out)


def _tau2_paule_mandel(yi: Floats, vi: Floats, m: Floats) -> Floats:
    degrees = m.sum(axis=1) - 1.0

    def excess(tau2: Floats) -> Floats:
        wi = m / (vi[None, :] + tau2[:, None])
        mean = (wi @ yi) / wi.sum(axis=1)
        return np.asarray((wi * (yi[None, :] - mean[:, None]) ** 2).sum(axis=1) - degrees)

    low = np.zeros(m.shape[0])
    high = np.where(excess(low) > 0.0, _largest_plausible(yi, vi, m), 0.0)
    solve = high > 0.0
    out = low
    if solve.any():
        m, degrees = m[solve], degrees[solve]
        out = np.zeros(solve.size)
        out[solve] = find_roots(excess, low[solve], high[solve])
    return out
