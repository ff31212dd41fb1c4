"""Pooled means of many subsets of the same effects: each one left out, cumulative, any groups."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.arrays import Floats, check_estimates, named
from analysis.distributions import normal_quantile
from analysis.errors import EstimationError
from analysis.results import Result
from analysis.univariate.batch import fit_many
from analysis.univariate.meta_regression import CI_METHODS

_BLOCK = 2_000_000
"""Most numbers of one working array; larger calls go through in blocks of subsets."""


@dataclass(frozen=True)
class Pools(Result):
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
    named(ci_method, CI_METHODS, "interval method")
    inside = np.asarray(member, dtype=bool)
    if inside.ndim != 2 or inside.shape[1] != effects.size:
        raise EstimationError(
            f"member must be subsets x {effects.size} effects, found shape {inside.shape}"
        )
    step = max(1, _BLOCK // max(1, effects.size))
    parts = [
        _pool(effects, variances, inside[i : i + step], method, ci_method, level)
        for i in range(0, max(1, inside.shape[0]), step)
    ]
    return Pools(*(
        np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Pools)
    ))  # fmt: skip


def _pool(
    effects: Floats, variances: Floats, inside: np.ndarray, method: str, ci_method: str,
    level: float,
) -> Pools:  # fmt: skip
    fits = fit_many(effects, variances, member=inside, method=method)
    m = inside.astype(float)
    k = m.sum(axis=1)
    single = k == 1
    mu = np.where(single, m @ effects, fits.beta[:, 0])
    scale = np.ones(k.size)
    if ci_method.startswith("knapp_hartung"):
        scale = np.where(single, 1.0, fits.rss / fits.df)
        if ci_method == "knapp_hartung_floor":
            scale = np.maximum(scale, 1.0)
    variance, df = scale * fits.vb[:, 0, 0], k - 1.0
    if ci_method == "kenward_roger":
        variance, df = _kenward_roger(m, variances, fits.tau2)
    variance = np.where(single, m @ variances, variance)
    df = np.where(single | (ci_method == "wald"), np.inf, df)
    with np.errstate(invalid="ignore"):
        se = np.sqrt(variance)
        half = _critical(level, df) * se
        i2 = _i2(m, variances, fits.tau2, fits.q, k, method)
    empty = k == 0
    q = np.where(single, 0.0, fits.q)
    for values in (mu, se, df, half, q, i2):
        values[empty] = np.nan
    return Pools(k.astype(int), mu, se, df, mu - half, mu + half, fits.tau2, q, i2)


def _kenward_roger(m: Floats, vi: Floats, tau2: Floats) -> tuple[Floats, Floats]:
    """`kenward_roger` for the mean of every subset: variance and df."""
    with np.errstate(divide="ignore", invalid="ignore"):
        w = m / (vi + tau2[:, None])
        w2 = w * w
        phi, p, q = 1.0 / w.sum(axis=1), w2.sum(axis=1), (w2 * w).sum(axis=1)
        variance = 2.0 / (p - 2.0 * phi * q + (phi * p) ** 2)
        adjusted = phi + 2.0 * variance * phi**2 * (q - phi * p**2)
        return adjusted, 2.0 / (variance * (phi * p) ** 2)


def _i2(m: Floats, vi: Floats, tau2: Floats, q: Floats, k: Floats, method: str) -> Floats:
    if method == "EE":
        with np.errstate(divide="ignore"):
            share = np.maximum(0.0, 100.0 * (q - (k - 1.0)) / q)
        return np.where(k > 1, np.where(q > 0.0, share, 0.0), np.nan)
    with np.errstate(divide="ignore"):
        w = m / vi[None, :]
        total = w.sum(axis=1)
        typical = (k - 1.0) / (total - (w**2).sum(axis=1) / total)
    return np.where(k > 1, 100.0 * tau2 / (tau2 + typical), np.nan)


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


def _critical(level: float, df: Floats) -> Floats:
    tail = (1.0 - level) / 2.0
    finite = np.isfinite(df)
    out = np.full(df.shape, -normal_quantile(tail))
    out[finite] = -special.stdtrit(df[finite], tail)
    return out


def gosh(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    method: str = "REML",
    most: int = 5000,
    seed: int = 1,
) -> tuple[np.ndarray, Pools]:
    """Pools of all subsets of k effects, or of `most` random ones when there are more: the members
    (P x k) and their pools (Olkin, Dahabreh and Trikalinos 2012, Res Synth Methods 3:214).

    Random subsets are of size 2 or more, drawn uniformly over sizes by fair coins per study.
    """
    effects, _ = check_estimates(yi, vi)
    k = effects.size
    if k < 60 and 2**k - 1 <= most:
        numbers = np.arange(1, 2**k)
        member = (numbers[:, None] >> np.arange(k)[None, :]) & 1 == 1
    else:
        rng = np.random.default_rng(seed)
        member = rng.random((2 * most + 50, k)) < 0.5
        member = member[member.sum(axis=1) > 1][:most]
    return member, pool_subsets(yi, vi, member, method=method)
