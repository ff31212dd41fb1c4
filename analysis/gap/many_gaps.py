"""The joint model of both outcomes for many problems in one call.

Each problem has one upstream and one behavior effect per trial, either of which may be missing.
Every problem is fitted as `fit_joint` fits it, with CR2 for the means; the arithmetic of the 2 x 2
blocks is written out and shared, so that thousands of specifications, left-out trials or bootstrap
samples cost a fraction of a millisecond each.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats
from analysis.dependent.pair_likelihood import PairData, PairState, evaluate_pairs
from analysis.dependent.symmetric import Symmetric
from analysis.errors import EstimationError
from analysis.gap.estimands import DIFFERENCE, standard_error, wider_method
from analysis.gap.pair_robust import robust_means
from analysis.results import Result

_BLOCK = 12_000
_MOST_STEPS = 200
_CONVERGED, _LEFT = 1e-9, 1e-5
"""Slope at which a search ends, and the one up to which its end counts as a maximum."""
_STARTS = (
    (0.5, 0.5, 0.0), (0.5, 0.5, 0.8), (1.5, 1.5, 0.5), (0.1, 0.1, 0.0), (0.5, 0.5, -0.8),
    (0.01, 0.01, 0.0), (2.0, 2.0, 0.9), (1.0, 0.01, 0.0), (0.01, 1.0, 0.0), (1.0, 0.05, 0.9),
    (0.05, 1.0, 0.9), (1.0, 0.05, -0.9), (0.05, 1.0, -0.9), (0.001, 0.001, 0.0),
)  # fmt: skip
"""Variances of both outcomes and their correlation, in units of the effects' spread."""
_FOLLOWED = 4
MANY_TRIALS, _OFF = 200, 1e-3
_COUNTS = ("k1", "k2", "pairs", "status")
SMALLEST_NUMBER_OF_PAIRS = 3
"""Fewer trials with both outcomes leave the between-trial covariance at 0, as in `fit_joint`."""


@dataclass(frozen=True)
class PairedEffects:
    """Effects of B problems with up to m trials: arrays that broadcast to B x m.

    y1, v1: upstream effects and variances; y2, v2: behavior; covariance: of the two. nan in y
    where a trial does not report the outcome (or is not part of the problem).
    """

    y1: Floats
    v1: Floats
    y2: Floats
    v2: Floats
    covariance: Floats

    def arrays(self) -> list[Floats]:
        """The five arrays as B x m."""
        columns = (self.y1, self.v1, self.y2, self.v2, self.covariance)
        return list(np.broadcast_arrays(*(np.atleast_2d(np.asarray(a, float)) for a in columns)))

    def one_row(self) -> list[Floats]:
        """The five arrays of a single problem, each of length m.

        Raises `EstimationError` for more than one problem.
        """
        made = self.arrays()
        if made[0].shape[0] != 1:
            raise EstimationError(f"one problem is needed, found {made[0].shape[0]}")
        return [np.array(a[0]) for a in made]


@dataclass(frozen=True)
class ManyGaps(Result):
    """B fits (arrays of length B, unrounded).

    mu1, mu2: pooled upstream and behavior effects. tau11, tau12, tau22: between trials. model_*
    and robust_*: elements of the covariance of the two means, model-based and CR2. difference,
    se, df: mu1 - mu2 with CR2 and Satterthwaite df; ratio: mu2 / mu1 with its CR2 delta-method
    ratio_se and the df of its linear form. loglik as in `fit_joint`; k1, k2, pairs: trials.
    status: `ok`, `boundary`, `too_few_studies` (everything nan) or `not_converged`.
    """

    mu1: Floats
    mu2: Floats
    tau11: Floats
    tau12: Floats
    tau22: Floats
    model11: Floats
    model12: Floats
    model22: Floats
    robust11: Floats
    robust12: Floats
    robust22: Floats
    difference: Floats
    se: Floats
    df: Floats
    ratio: Floats
    ratio_se: Floats
    ratio_df: Floats
    loglik: Floats
    k1: np.ndarray
    k2: np.ndarray
    pairs: np.ndarray
    status: np.ndarray


def fit_many_gaps(
    effects: PairedEffects, *, method: str = "REML", near: ManyGaps | None = None
) -> ManyGaps:
    """Fit B joint models by REML or ML.

    Newton steps with the exact second derivatives on the Cholesky factor of Tau, damped where the
    likelihood would fall, from the four best of several starting points; the highest end is kept.
    near: the fit of one problem that all of these resemble (samples drawn from it, or some of its
    trials); with many trials, whose likelihood has one maximum near, they start there alone.
    Raises `EstimationError` for variances that are not positive or covariances that are too large,
    with the problem and trial.
    """
    if method not in ("REML", "ML"):
        raise EstimationError(f"the joint model is fitted by REML or ML, not {method}")
    y1, v1, y2, v2, c = effects.arrays()
    has1, has2 = ~np.isnan(y1), ~np.isnan(y2)
    _check((y1, v1, y2, v2, c), has1, has2)
    step = max(1, _BLOCK // max(1, y1.shape[1]))

    def part(start: int) -> ManyGaps:
        s = slice(start, start + step)
        one, two = has1[s].astype(float), has2[s].astype(float)
        both = one * two
        data = PairData(
            np.where(has1[s], y1[s], 0.0), np.where(has2[s], y2[s], 0.0),
            Symmetric(
                np.where(has1[s], v1[s], 1.0), np.where(both > 0, c[s], 0.0),
                np.where(has2[s], v2[s], 1.0),
            ),
            one, two, both,
        )  # fmt: skip
        return _fit(data, method == "REML", near if y1.shape[1] >= MANY_TRIALS else None)

    starts = range(0, max(1, y1.shape[0]), step)
    # NumPy works outside the interpreter's lock, so blocks of problems can share the processors.
    with ThreadPoolExecutor(max_workers=min(len(starts), os.cpu_count() or 1)) as pool:
        parts = list(pool.map(part, starts))
    return ManyGaps(
        *(np.concatenate([getattr(p, one.name) for p in parts]) for one in fields(ManyGaps))
    )


def _check(arrays: tuple[Floats, ...], has1: np.ndarray, has2: np.ndarray) -> None:
    y1, v1, y2, v2, c = arrays
    both = has1 & has2
    bad = (both & ~(c**2 < v1 * v2)) | np.isinf(y1) | np.isinf(y2)
    for has, v in ((has1, v1), (has2, v2)):
        bad |= has & ~((v > 0) & np.isfinite(v))
    if bool(bad.any()):
        i, j = (int(a[0]) for a in np.nonzero(bad))
        raise EstimationError(
            f"problem {i}, trial {j}: variances must be above 0 and finite, the covariance smaller "
            "than their geometric mean, and effects finite or missing"
        )


def _tau(theta: Floats) -> Symmetric:
    """Tau of the Cholesky factor [[t0, 0], [t1, t2]] (3 x B)."""
    return Symmetric(theta[0] ** 2, theta[0] * theta[1], theta[1] ** 2 + theta[2] ** 2)


def _newton(state: PairState, theta: Floats, free: Floats) -> tuple[Floats, Floats]:
    """Slope and second derivatives of minus the log-likelihood in the Cholesky factor; held
    coordinates have slope 0."""
    t0, t1, t2 = theta
    zero = np.zeros_like(t0)
    jacobian = np.array([[2.0 * t0, zero, zero], [t1, t0, zero], [zero, 2.0 * t1, 2.0 * t2]])
    slope = -np.einsum("eib,eb->ib", jacobian, state.score) * free
    hessian = np.einsum("eib,efb,fjb->ijb", jacobian, state.observed, jacobian, optimize=True)
    s1, s2, s3 = state.score
    hessian[0, 0] -= 2.0 * s1
    hessian[0, 1] -= s2
    hessian[1, 0] -= s2
    hessian[1, 1] -= 2.0 * s3
    hessian[2, 2] -= 2.0 * s3
    hessian *= free[:, None] * free[None, :]
    for i in range(3):
        hessian[i, i] += 1.0 - free[i]
    return slope, hessian


def _climb(
    data: PairData, theta: Floats, free: Floats, restricted: bool
) -> tuple[Floats, Floats, Floats]:
    """Theta, log-likelihood and largest slope left of every problem."""
    count = theta.shape[1]
    best, value, left = theta.copy(), np.full(count, -np.inf), np.full(count, np.inf)
    rows = np.arange(count)
    state = evaluate_pairs(data, _tau(theta), restricted)
    damping = np.full(count, 1e-3)
    for _ in range(_MOST_STEPS):
        slope, hessian = _newton(state, theta, free)
        steep = np.abs(slope).max(axis=0)
        best[:, rows], value[rows], left[rows] = theta, state.value, steep
        active = steep > _CONVERGED
        if not bool(active.any()):
            break
        if not bool(active.all()):
            rows, damping = rows[active], damping[active]
            theta, free = theta[:, active], free[:, active]
            data, slope, hessian = data.rows(active), slope[..., active], hessian[..., active]
            state = PairState(
                state.value[active], state.mu[:, active], state.m.at(active),
                state.score[:, active], state.observed[..., active],
            )  # fmt: skip
        move = free * _step(slope, hessian, damping)
        candidate = theta + move
        after = evaluate_pairs(data, _tau(candidate), restricted)
        better = after.value >= state.value - 1e-13 * np.maximum(1.0, np.abs(state.value))
        damping = np.where(better, np.maximum(damping * 0.1, 1e-12), damping * 10.0)
        stuck = damping > 1e8
        theta = np.where(better, candidate, theta)
        state = PairState(
            np.where(better, after.value, state.value), np.where(better, after.mu, state.mu),
            state.m.where(better, after.m), np.where(better, after.score, state.score),
            np.where(better, after.observed, state.observed),
        )  # fmt: skip
        if bool(stuck.all()):
            break
    return best, value, left


def _step(slope: Floats, hessian: Floats, damping: Floats) -> Floats:
    """Newton step of every problem, with eigenvalues made positive and damped."""
    h = np.moveaxis(hessian, 2, 0)
    values, vectors = np.linalg.eigh(h)
    size = np.abs(values)
    largest = np.maximum(size.max(axis=1, keepdims=True), 1e-12)
    size = np.maximum(size, 1e-10 * largest) + damping[:, None] * largest
    inner = np.einsum("bij,ib->bj", vectors, slope) / size
    return np.asarray(-np.einsum("bij,bj->ib", vectors, inner), dtype=np.float64)


def _fit(data: PairData, restricted: bool, near: ManyGaps | None) -> ManyGaps:
    k1, k2, pairs = (a.sum(axis=1).astype(int) for a in (data.has1, data.has2, data.both))
    count = k1.size
    enough = (k1 > 1) & (k2 > 1)
    out = _nothing(count, k1, k2, pairs)
    if not bool(enough.any()):
        return out
    kept = data if bool(enough.all()) else data.rows(enough)
    found = _estimate(kept, pairs[enough], restricted, near)
    for one in fields(ManyGaps):
        if one.name not in _COUNTS or one.name == "status":
            getattr(out, one.name)[enough] = getattr(found, one.name)
    return out


def _nothing(count: int, k1: np.ndarray, k2: np.ndarray, pairs: np.ndarray) -> ManyGaps:
    numbers = [one.name for one in fields(ManyGaps) if one.name not in _COUNTS]
    return ManyGaps(
        **{name: np.full(count, np.nan) for name in numbers},
        k1=k1,
        k2=k2,
        pairs=pairs,
        status=np.full(count, "too_few_studies", dtype="<U15"),
    )


def _spread(data: PairData) -> Floats:
    """A variance of the order of the effects' spread, per problem."""
    total = data.has1.sum(1) + data.has2.sum(1)
    mean = (data.y1.sum(1) + data.y2.sum(1)) / total
    squares = (
        data.has1 * (data.y1 - mean[:, None]) ** 2 + data.has2 * (data.y2 - mean[:, None]) ** 2
    )
    sampling = (data.has1 * data.v.a + data.has2 * data.v.c).sum(1) / total
    return np.asarray(squares.sum(1) / total + sampling)


def _estimate(
    data: PairData, pairs: np.ndarray, restricted: bool, near: ManyGaps | None
) -> ManyGaps:
    unit = np.sqrt(_spread(data))
    scaled = replace(
        data, y1=data.y1 / unit[:, None], y2=data.y2 / unit[:, None],
        v=Symmetric(*(one / unit[:, None] ** 2 for one in (data.v.a, data.v.b, data.v.c))),
    )  # fmt: skip
    free = np.ones((3, unit.size))
    free[1] = pairs >= SMALLEST_NUMBER_OF_PAIRS
    if near is None:
        theta, left = _from_starts(scaled, free, restricted)
    else:
        theta, _, left = _climb(scaled, _factor(near, unit) * free + _OFF * free, free, restricted)
        again = np.flatnonzero(left > _LEFT)
        if again.size:
            found = _from_starts(scaled.rows(again), free[:, again], restricted)
            theta[:, again], left[again] = found
    return _at(data, theta, left, unit, free, pairs, restricted)


def _factor(near: ManyGaps, unit: Floats) -> Floats:
    """Cholesky factor of the Tau of a fit, in the units of every problem (3 x B)."""
    tau11, tau12, tau22 = (float(a[0]) for a in (near.tau11, near.tau12, near.tau22))
    first = math.sqrt(tau11)
    second = tau12 / first if first > 0 else 0.0
    rest = math.sqrt(max(0.0, tau22 - second**2))
    return np.array([[first], [second], [rest]]) / unit


def _from_starts(scaled: PairData, free: Floats, restricted: bool) -> tuple[Floats, Floats]:
    """Parameters (3 x B) of the highest maximum from several starts, and the slope left there."""
    count = free.shape[1]
    starts, heights = [], []
    for first, second, rho in _STARTS:
        spread = math.sqrt(second)
        start = np.stack([
            np.full(count, math.sqrt(first)), free[1] * spread * rho,
            np.full(count, spread * math.sqrt(1.0 - rho**2)),
        ])  # fmt: skip
        starts.append(start)
        heights.append(evaluate_pairs(scaled, _tau(start), restricted, derivatives=False).value)
    order = np.argsort(-np.array(heights), axis=0)
    index = np.tile(np.arange(count), _FOLLOWED)
    points = np.array(starts)[order[:_FOLLOWED].ravel(), :, index].T
    ends = _climb(scaled.rows(index), points, free[:, index], restricted)
    thetas, values, lefts = (one.reshape(*one.shape[:-1], _FOLLOWED, count) for one in ends)
    theta, value, left = thetas[:, 0], values[0], lefts[0]
    for n in range(1, _FOLLOWED):
        higher = values[n] > value + 1e-10
        theta, value = np.where(higher, thetas[:, n], theta), np.where(higher, values[n], value)
        left = np.where(higher, lefts[n], left)
    again = np.flatnonzero(left > _LEFT)
    if again.size:
        moved = theta[:, again] + 0.05 * free[:, again]
        found, better, rest = _climb(scaled.rows(again), moved, free[:, again], restricted)
        closer = better >= value[again] - 1e-10
        theta[:, again] = np.where(closer, found, theta[:, again])
        left[again] = np.where(closer, rest, left[again])
    return theta, left


def _at(
    data: PairData, theta: Floats, left: Floats, unit: Floats, free: Floats, pairs: np.ndarray,
    restricted: bool,
) -> ManyGaps:  # fmt: skip
    """The fits at these parameters."""
    tau = _tau(theta)
    clear1, clear2 = tau.a < 1e-12, tau.c < 1e-12
    tau = Symmetric(
        np.where(clear1, 0.0, tau.a), np.where(clear1 | clear2, 0.0, tau.b),
        np.where(clear2, 0.0, tau.c),
    )  # fmt: skip
    edge = _at_edge(tau, free[1] > 0)
    whole = Symmetric(*(one * unit**2 for one in (tau.a, tau.b, tau.c)))
    status = np.where(left > _LEFT, "not_converged", np.where(edge, "boundary", "ok"))
    return _describe(data, whole, restricted, pairs, status)


def _at_edge(tau: Symmetric, correlated: np.ndarray) -> np.ndarray:
    small = (tau.a < 1e-6) | (tau.c < 1e-6)
    with np.errstate(divide="ignore", invalid="ignore"):
        rho2 = tau.b**2 / (tau.a * tau.c)
    return np.asarray(small | (correlated & ~small & (1.0 - np.sqrt(rho2) < 1e-6)))


def _describe(
    data: PairData, tau: Symmetric, restricted: bool, pairs: np.ndarray, status: np.ndarray
) -> ManyGaps:
    state = evaluate_pairs(data, tau, restricted, derivatives=False)
    k = data.has1.sum(1) + data.has2.sum(1)
    loglik = state.value - 0.5 * (k - (2 if restricted else 0)) * math.log(2.0 * math.pi)
    if restricted:
        loglik = loglik + 0.5 * np.log(data.has1.sum(1) * data.has2.sum(1))
    robust, df = robust_means(data, tau, state)
    mu1, mu2 = state.mu
    one = np.ones_like(mu1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = mu2 / mu1
        ratio_se = np.sqrt(robust.quadratic(-ratio, one)) / np.abs(mu1)
    return ManyGaps(
        mu1, mu2, tau.a, tau.b, tau.c, state.m.a, state.m.b, state.m.c, robust.a, robust.b,
        robust.c, mu1 - mu2, np.sqrt(robust.quadratic(one, -one)), df(one, -one), ratio, ratio_se,
        df(-ratio, one), loglik, data.has1.sum(1).astype(int), data.has2.sum(1).astype(int), pairs,
        status,
    )  # fmt: skip


def means_of(fits: ManyGaps, i: int) -> Floats:
    """The two means of one problem."""
    return np.array([fits.mu1[i], fits.mu2[i]])


def covariance_of(fits: ManyGaps, i: int, kind: str) -> Floats:
    """Covariance (2 x 2) of the two means of one problem; kind: `robust` or `model`."""
    a, b, c = (float(getattr(fits, f"{kind}{element}")[i]) for element in ("11", "12", "22"))
    return np.array([[a, b], [b, c]])


def primary_difference(fits: ManyGaps, i: int) -> tuple[str, float, float]:
    """Method, standard error and df of the difference of one problem, by `wider_method`."""
    df = float(fits.df[i])
    robust, model = (covariance_of(fits, i, kind) for kind in ("robust", "model"))
    method = wider_method(model, robust, df, DIFFERENCE)
    se = standard_error(robust if method == "CR2" else model, DIFFERENCE)
    return method, se, math.inf if method == "model" else df


def paired_effects(
    y1: ArrayLike, v1: ArrayLike, y2: ArrayLike, v2: ArrayLike, covariance: ArrayLike
) -> PairedEffects:
    """`PairedEffects` of anything that becomes float arrays."""
    return PairedEffects(*(np.asarray(a, dtype=np.float64) for a in (y1, v1, y2, v2, covariance)))
