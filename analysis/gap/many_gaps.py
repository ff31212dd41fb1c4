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
from analysis.errors import EstimationError
from analysis.gap.symmetric import Symmetric, congruence, inverse, product_trace, root_inverse
from analysis.results import Result

_BLOCK = 30_000
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


@dataclass(frozen=True)
class _Data:
    """Effects with zeros where they are missing; `has1`, `has2` are 0 or 1 (all B x m)."""

    y1: Floats
    y2: Floats
    v: Symmetric
    has1: Floats
    has2: Floats
    both: Floats

    def rows(self, keep: np.ndarray) -> _Data:
        v = Symmetric(self.v.a[keep], self.v.b[keep], self.v.c[keep])
        return _Data(
            self.y1[keep], self.y2[keep], v, self.has1[keep], self.has2[keep], self.both[keep]
        )


def fit_many_gaps(effects: PairedEffects, *, method: str = "REML") -> ManyGaps:
    """Fit B joint models by REML or ML.

    Newton steps with the exact second derivatives on the Cholesky factor of Tau, damped where the
    likelihood would fall, from the four best of several starting points; the highest end is kept.
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
        data = _Data(
            np.where(has1[s], y1[s], 0.0), np.where(has2[s], y2[s], 0.0),
            Symmetric(
                np.where(has1[s], v1[s], 1.0), np.where(both > 0, c[s], 0.0),
                np.where(has2[s], v2[s], 1.0),
            ),
            one, two, both,
        )  # fmt: skip
        return _fit(data, method == "REML")

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


@dataclass(frozen=True)
class _State:
    """At one Tau per problem: log-likelihood without constants, solution, slope and observed
    information in (tau11, tau12, tau22)."""

    value: Floats
    mu: Floats
    m: Symmetric
    score: Floats
    observed: Floats


def _weights(data: _Data, tau: Symmetric) -> tuple[Symmetric, Floats]:
    """Inverses of the marginal covariances (0 where an outcome is missing) and the sum of their
    log determinants."""
    s11, s22 = data.v.a + tau.a[:, None], data.v.c + tau.c[:, None]
    s12 = (data.v.b + tau.b[:, None]) * data.both
    determinant = s11 * s22 - s12 * s12
    w = Symmetric(
        data.has1 * np.where(data.both > 0, s22 / determinant, 1.0 / s11),
        -s12 / determinant,
        data.has2 * np.where(data.both > 0, s11 / determinant, 1.0 / s22),
    )
    single = np.where(data.has1 > 0, s11, np.where(data.has2 > 0, s22, 1.0))
    return w, np.log(np.where(data.both > 0, determinant, single)).sum(axis=1)


def _evaluate(data: _Data, tau: Symmetric, restricted: bool, *, derivatives: bool = True) -> _State:
    w, logdet = _weights(data, tau)
    information = Symmetric(w.a.sum(axis=1), w.b.sum(axis=1), w.c.sum(axis=1))
    m = inverse(information)
    p1 = (w.a * data.y1 + w.b * data.y2).sum(axis=1)
    p2 = (w.b * data.y1 + w.c * data.y2).sum(axis=1)
    mu = np.stack([m.a * p1 + m.b * p2, m.b * p1 + m.c * p2])
    e1, e2 = data.y1 - mu[0][:, None], data.y2 - mu[1][:, None]
    r1, r2 = w.a * e1 + w.b * e2, w.b * e1 + w.c * e2
    value = -0.5 * (logdet + (e1 * r1 + e2 * r2).sum(axis=1))
    if restricted:
        value = value - 0.5 * np.log(information.a * information.c - information.b**2)
    if not derivatives:
        nothing = np.zeros(0)
        return _State(value, mu, m, nothing, nothing)
    return _State(value, mu, m, *_derivatives(w, r1, r2, m, restricted))


def _derivatives(
    w: Symmetric, r1: Floats, r2: Floats, m: Symmetric, restricted: bool
) -> tuple[Floats, Floats]:
    """Score (3 x B) and observed information (3 x 3 x B) in tau11, tau12, tau22.

    With E the unit matrices of the three elements: W E W, tr(W E W E') and W E W E' W, all of
    which are products of the elements of W.
    """
    aa, bb, cc, ab, bc, ac = w.a * w.a, w.b * w.b, w.c * w.c, w.a * w.b, w.b * w.c, w.a * w.c
    cross = ac + bb
    wew = (
        Symmetric(aa.sum(1), ab.sum(1), bb.sum(1)),
        Symmetric(2.0 * ab.sum(1), cross.sum(1), 2.0 * bc.sum(1)),
        Symmetric(bb.sum(1), bc.sum(1), cc.sum(1)),
    )
    traces = (wew[0].a, wew[1].a, wew[0].c, 2.0 * wew[1].b, wew[1].c, wew[2].c)
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    u = ((r1, 0.0 * r1), (r2, r1), (0.0 * r2, r2))
    wu = [(w.a * x + w.b * y, w.b * x + w.c * y) for x, y in u]
    sums = [(x.sum(1), y.sum(1)) for x, y in wu]
    score = 0.5 * np.stack([
        (r1 * r1).sum(1) - w.a.sum(1),
        2.0 * ((r1 * r2).sum(1) - w.b.sum(1)),
        (r2 * r2).sum(1) - w.c.sum(1),
    ])  # fmt: skip
    if restricted:
        score = score + 0.5 * np.stack([product_trace(m, one) for one in wew])
    observed = np.empty((3, 3, r1.shape[0]))
    deep = _deep(w, aa, bb, cc, ab, bc, ac, cross) if restricted else None
    for n, (i, j) in enumerate(pairs):
        quadratic = (u[i][0] * wu[j][0] + u[i][1] * wu[j][1]).sum(1)
        (x1, x2), (z1, z2) = sums[i], sums[j]
        quadratic = quadratic - (x1 * (m.a * z1 + m.b * z2) + x2 * (m.b * z1 + m.c * z2))
        trace = traces[n]
        if deep is not None:
            trace = trace - 2.0 * product_trace(m, deep[n])
            trace = trace + product_trace(congruence(m, wew[i]), wew[j])
        observed[i, j] = observed[j, i] = quadratic - 0.5 * trace
    return score, observed


def _deep(
    w: Symmetric, aa: Floats, bb: Floats, cc: Floats, ab: Floats, bc: Floats, ac: Floats,
    cross: Floats,
) -> list[Symmetric]:  # fmt: skip
    """Sums of the symmetric parts of W E_i W E_j W for the six pairs."""
    a, b, c = w.a, w.b, w.c
    return [
        Symmetric((aa * a).sum(1), (aa * b).sum(1), (bb * a).sum(1)),
        Symmetric(
            (2.0 * aa * b).sum(1), (a * (ac + 3.0 * bb) / 2.0).sum(1), (b * cross).sum(1)
        ),
        Symmetric((a * bb).sum(1), (b * cross / 2.0).sum(1), (c * bb).sum(1)),
        Symmetric(
            (a * (ac + 3.0 * bb)).sum(1), (b * (3.0 * ac + bb)).sum(1),
            (c * (ac + 3.0 * bb)).sum(1),
        ),
        Symmetric(
            (b * cross).sum(1), (c * (ac + 3.0 * bb) / 2.0).sum(1), (2.0 * cc * b).sum(1)
        ),
        Symmetric((bb * c).sum(1), (cc * b).sum(1), (cc * c).sum(1)),
    ]  # fmt: skip


def _tau(theta: Floats) -> Symmetric:
    """Tau of the Cholesky factor [[t0, 0], [t1, t2]] (3 x B)."""
    return Symmetric(theta[0] ** 2, theta[0] * theta[1], theta[1] ** 2 + theta[2] ** 2)


def _newton(state: _State, theta: Floats, free: Floats) -> tuple[Floats, Floats]:
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
    data: _Data, theta: Floats, free: Floats, restricted: bool
) -> tuple[Floats, Floats, Floats]:
    """Theta, log-likelihood and largest slope left of every problem."""
    count = theta.shape[1]
    best, value, left = theta.copy(), np.full(count, -np.inf), np.full(count, np.inf)
    rows = np.arange(count)
    state = _evaluate(data, _tau(theta), restricted)
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
            state = _State(
                state.value[active], state.mu[:, active], state.m.at(active),
                state.score[:, active], state.observed[..., active],
            )  # fmt: skip
        move = free * _step(slope, hessian, damping)
        candidate = theta + move
        after = _evaluate(data, _tau(candidate), restricted)
        better = after.value >= state.value - 1e-13 * np.maximum(1.0, np.abs(state.value))
        damping = np.where(better, np.maximum(damping * 0.1, 1e-12), damping * 10.0)
        stuck = damping > 1e8
        theta = np.where(better, candidate, theta)
        state = _State(
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


def _fit(data: _Data, restricted: bool) -> ManyGaps:
    k1, k2, pairs = (a.sum(axis=1).astype(int) for a in (data.has1, data.has2, data.both))
    count = k1.size
    enough = (k1 > 1) & (k2 > 1)
    out = _nothing(count, k1, k2, pairs)
    if not bool(enough.any()):
        return out
    kept = data if bool(enough.all()) else data.rows(enough)
    found = _estimate(kept, pairs[enough], restricted)
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


def _spread(data: _Data) -> Floats:
    """A variance of the order of the effects' spread, per problem."""
    total = data.has1.sum(1) + data.has2.sum(1)
    mean = (data.y1.sum(1) + data.y2.sum(1)) / total
    squares = (
        data.has1 * (data.y1 - mean[:, None]) ** 2 + data.has2 * (data.y2 - mean[:, None]) ** 2
    )
    sampling = (data.has1 * data.v.a + data.has2 * data.v.c).sum(1) / total
    return np.asarray(squares.sum(1) / total + sampling)


def _estimate(data: _Data, pairs: np.ndarray, restricted: bool) -> ManyGaps:
    unit = np.sqrt(_spread(data))
    scaled = replace(
        data, y1=data.y1 / unit[:, None], y2=data.y2 / unit[:, None],
        v=Symmetric(*(one / unit[:, None] ** 2 for one in (data.v.a, data.v.b, data.v.c))),
    )  # fmt: skip
    free = np.ones((3, unit.size))
    free[1] = pairs >= SMALLEST_NUMBER_OF_PAIRS
    starts, values = [], []
    for first, second, rho in _STARTS:
        spread = math.sqrt(second)
        start = np.stack([
            np.full(unit.size, math.sqrt(first)), free[1] * spread * rho,
            np.full(unit.size, spread * math.sqrt(1.0 - rho**2)),
        ])  # fmt: skip
        starts.append(start)
        values.append(_evaluate(scaled, _tau(start), restricted, derivatives=False).value)
    order = np.argsort(-np.array(values), axis=0)
    stacked, index = np.array(starts), np.arange(unit.size)
    theta, value, left = _climb(scaled, stacked[order[0], :, index].T, free, restricted)
    for place in order[1:_FOLLOWED]:
        other = _climb(scaled, stacked[place, :, index].T, free, restricted)
        higher = other[1] > value + 1e-10
        theta, value = np.where(higher, other[0], theta), np.where(higher, other[1], value)
        left = np.where(higher, other[2], left)
    again = np.flatnonzero(left > _LEFT)
    if again.size:
        moved = theta[:, again] + 0.05 * free[:, again]
        found, better, rest = _climb(scaled.rows(again), moved, free[:, again], restricted)
        closer = better >= value[again] - 1e-10
        theta[:, again] = np.where(closer, found, theta[:, again])
        left[again] = np.where(closer, rest, left[again])
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
    data: _Data, tau: Symmetric, restricted: bool, pairs: np.ndarray, status: np.ndarray
) -> ManyGaps:
    state = _evaluate(data, tau, restricted, derivatives=False)
    k = data.has1.sum(1) + data.has2.sum(1)
    loglik = state.value - 0.5 * (k - (2 if restricted else 0)) * math.log(2.0 * math.pi)
    if restricted:
        loglik = loglik + 0.5 * np.log(data.has1.sum(1) * data.has2.sum(1))
    robust, df = _robust(data, tau, state)
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


class _SatterthwaiteDf:
    """Satterthwaite df of contrasts (Pustejovsky and Tipton 2018, eq. 12), as in `robust`."""

    def __init__(
        self, g: tuple[Floats, Floats, Floats, Floats], sigma: Symmetric, m: Symmetric
    ) -> None:
        self.g, self.sigma, self.m = g, sigma, m

    def __call__(self, c1: Floats, c2: Floats) -> Floats:
        g11, g12, g21, g22 = self.g
        x, y = (g11 * c1[:, None] + g12 * c2[:, None]), (g21 * c1[:, None] + g22 * c2[:, None])
        own = self.sigma.a * x * x + 2.0 * self.sigma.b * x * y + self.sigma.c * y * y
        m = self.m
        mx, my = m.a[:, None] * x + m.b[:, None] * y, m.b[:, None] * x + m.c[:, None] * y
        shared = x * mx + y * my
        gram = Symmetric((x * x).sum(1), (x * y).sum(1), (y * y).sum(1))
        squared = (own**2).sum(1) - 2.0 * (own * shared).sum(1)
        squared = squared + product_trace(congruence(m, gram), gram)
        total = (own - shared).sum(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(squared > 0.0, total**2 / squared, np.nan))


def _robust(data: _Data, tau: Symmetric, state: _State) -> tuple[Symmetric, _SatterthwaiteDf]:
    """CR2 of the two means and the df of their contrasts."""
    has1, has2 = data.has1, data.has2
    sigma = Symmetric(
        has1 * (data.v.a + tau.a[:, None]), data.both * (data.v.b + tau.b[:, None]),
        has2 * (data.v.c + tau.c[:, None]),
    )  # fmt: skip
    m = state.m.column()
    # Missing outcomes become independent unit rows, so that every block is 2 x 2.
    full = Symmetric(sigma.a + (1.0 - has1), sigma.b, sigma.c + (1.0 - has2))
    rest = Symmetric(full.a - has1 * m.a, sigma.b - data.both * m.b, full.c - has2 * m.c)
    # A = U' (U rest U')^{-1/2} U with U the upper Cholesky factor of the marginal covariance.
    u11 = np.sqrt(full.a)
    u12 = full.b / u11
    u22 = np.sqrt(np.maximum(full.c - u12**2, 0.0))
    inner = Symmetric(
        u11**2 * rest.a + 2.0 * u11 * u12 * rest.b + u12**2 * rest.c,
        u22 * (u11 * rest.b + u12 * rest.c), u22**2 * rest.c,
    )  # fmt: skip
    root = root_inverse(inner)
    a = Symmetric(
        u11**2 * root.a, u11 * (u12 * root.a + u22 * root.b),
        u12**2 * root.a + 2.0 * u12 * u22 * root.b + u22**2 * root.c,
    )  # fmt: skip
    w, _ = _weights(data, tau)
    # G = A W M, rows of missing outcomes 0.
    b11, b12 = w.a * m.a + w.b * m.b, w.a * m.b + w.b * m.c
    b21, b22 = w.b * m.a + w.c * m.b, w.b * m.b + w.c * m.c
    g = (
        has1 * (a.a * b11 + a.b * b21), has1 * (a.a * b12 + a.b * b22),
        has2 * (a.b * b11 + a.c * b21), has2 * (a.b * b12 + a.c * b22),
    )  # fmt: skip
    e1 = has1 * (data.y1 - state.mu[0][:, None])
    e2 = has2 * (data.y2 - state.mu[1][:, None])
    i1, i2 = g[0] * e1 + g[2] * e2, g[1] * e1 + g[3] * e2
    robust = Symmetric((i1 * i1).sum(1), (i1 * i2).sum(1), (i2 * i2).sum(1))
    return robust, _SatterthwaiteDf(g, sigma, state.m)


def paired_effects(
    y1: ArrayLike, v1: ArrayLike, y2: ArrayLike, v2: ArrayLike, covariance: ArrayLike
) -> PairedEffects:
    """`PairedEffects` of anything that becomes float arrays."""
    return PairedEffects(*(np.asarray(a, dtype=np.float64) for a in (y1, v1, y2, v2, covariance)))
