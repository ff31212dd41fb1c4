"""The likelihood of a multivariate random-effects model at many values of its variances at once,
with exact first and second derivatives.

Formulas as in `likelihood`; here every array has a first axis of B parameter values, which may
belong to B problems that differ in the trials they count. Trials with at most one effect per
outcome are 2 x 2 blocks written out; the others are padded to blocks of few sizes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats, Integers
from analysis.dependent.blocks import EffectBlocks
from analysis.dependent.likelihood import variance_basis
from analysis.dependent.newton import Objective
from analysis.dependent.pair_likelihood import (
    ELEMENT_PAIRS,
    PairData,
    pair_sums,
    pair_weights,
)
from analysis.dependent.symmetric import Symmetric, product_trace

_WIDTHS, _MANY, _FEW = (2, 4, 8, 16, 32), 50, 4096
"""Widths that blocks are padded to, unless so many trials (times points) have a size of their own;
all to one width where they make so few numbers."""


@dataclass(frozen=True)
class Padded:
    """m trials as blocks of one width d: y (m x d), x (m x d x p), v (m x d x d), e (elements x m x
    d x d), the derivatives of the marginal covariance; trials: their codes. Padding has effect and
    design 0 and variance 1, which adds nothing."""

    trials: Integers
    y: Floats
    x: Floats
    v: Floats
    e: Floats


@dataclass(frozen=True)
class Paired:
    """m trials with one effect per outcome at most, and how the elements of the model add up to the
    three of a 2 x 2 block: lift (elements x 3)."""

    trials: Integers
    data: PairData
    lift: Floats


@dataclass(frozen=True)
class Arranged:
    """Blocks arranged for `evaluate`. elements: how many the covariance has; trials: how many."""

    padded: tuple[Padded, ...]
    paired: Paired | None
    p: int
    elements: int
    trials: int


@dataclass(frozen=True)
class Evaluation:
    """At B points: log-likelihood without constants, solution (B x p) with its covariance (B x p x
    p), slope (B x elements) and observed information (B x elements x elements)."""

    value: Floats
    beta: Floats
    m: Floats
    score: Floats
    observed: Floats


def arrange(
    blocks: EffectBlocks, taus: list[Floats], omegas: list[Floats], *, points: int = 1
) -> Arranged:
    """The trials of the blocks as pairs, where they are, and as padded blocks.

    taus, omegas: the elements of the covariance, from `directions`. points: about how many are
    evaluated at a time; with many, blocks are padded less.
    """
    basis = variance_basis(blocks, taus, omegas)
    q = len(blocks.outcome_names)
    codes = np.arange(q)
    wide: list[Padded] = []
    single: list[tuple[Integers, Floats, Floats, Integers]] = []
    for group, flat in zip(blocks.groups, basis, strict=True):
        m, d = group.y.shape
        trials = blocks.cluster[group.rows[:, 0]]
        once = (group.outcome[:, :, None] == codes).sum(axis=1).max(axis=1) < 2
        indicator = (group.x.shape[2] == q == 2) and np.array_equal(
            group.x, group.outcome[:, :, None] == codes
        )
        pairs = once if indicator else np.zeros(m, dtype=bool)
        if pairs.any():
            single.append((trials[pairs], group.y[pairs], group.v[pairs], group.outcome[pairs]))
        if not pairs.all():
            e, keep = flat.reshape(len(taus), m, d, d), ~pairs
            wide.append(
                Padded(trials[keep], group.y[keep], group.x[keep], group.v[keep], e[:, keep])
            )
    paired = _paired(single, taus, omegas) if single else None
    return Arranged(_of_few_widths(wide, points), paired, blocks.p, len(taus), blocks.clusters)


def _of_few_widths(wide: list[Padded], points: int) -> tuple[Padded, ...]:
    """Blocks padded to a common width where that costs little, since every width costs calls."""
    classes: dict[int, list[Padded]] = {}
    largest = max((one.y.shape[1] for one in wide), default=0)
    together = sum(one.trials.size for one in wide) * largest**2 * points <= _FEW
    for one in wide:
        d = one.y.shape[1]
        width = d if one.trials.size * points >= _MANY else next((w for w in _WIDTHS if w >= d), d)
        classes.setdefault(largest if together else width, []).append(one)
    return tuple(
        _joined([_widened(one, width) for one in parts]) for width, parts in sorted(classes.items())
    )


def _widened(one: Padded, width: int) -> Padded:
    m, d = one.y.shape
    add = width - d
    if not add:
        return one
    v = np.zeros((m, width, width))
    v[:, :d, :d] = one.v
    v[:, np.arange(d, width), np.arange(d, width)] = 1.0
    return Padded(
        one.trials, np.pad(one.y, ((0, 0), (0, add))), np.pad(one.x, ((0, 0), (0, add), (0, 0))),
        v, np.pad(one.e, ((0, 0), (0, 0), (0, add), (0, add))),
    )  # fmt: skip


def _joined(parts: list[Padded]) -> Padded:
    trials, y, x, v = (
        np.concatenate([getattr(p, name) for p in parts]) for name in ("trials", "y", "x", "v")
    )
    return Padded(trials, y, x, v, np.concatenate([p.e for p in parts], axis=1))


def _paired(
    single: list[tuple[Integers, Floats, Floats, Integers]], taus: list[Floats],
    omegas: list[Floats],
) -> Paired:  # fmt: skip
    trials = np.concatenate([one[0] for one in single])
    y, v, has = np.zeros((2, trials.size)), np.ones((2, trials.size)), np.zeros((2, trials.size))
    covariance, start = np.zeros(trials.size), 0
    for codes, effects, matrices, outcome in single:
        at = np.arange(start, start + codes.size)
        for place in range(effects.shape[1]):
            y[outcome[:, place], at] = effects[:, place]
            v[outcome[:, place], at] = matrices[:, place, place]
            has[outcome[:, place], at] = 1.0
        if effects.shape[1] == 2:
            covariance[at] = matrices[:, 0, 1]
        start += codes.size
    data = PairData(
        y[0][None], y[1][None], Symmetric(v[0][None], covariance[None], v[1][None]),
        has[0][None], has[1][None], (has[0] * has[1])[None],
    )  # fmt: skip
    lift = np.array([
        [tau[0, 0] + omega[0], tau[0, 1], tau[1, 1] + omega[1]]
        for tau, omega in zip(taus, omegas, strict=True)
    ])  # fmt: skip
    return Paired(trials, data, lift)


class _Sums:
    """Sums over trials at B points: of the likelihood and of its derivatives."""

    def __init__(self, count: int, p: int, elements: int) -> None:
        self.logdet, self.rss = np.zeros(count), np.zeros(count)
        self.information, self.xwy = np.zeros((count, p, p)), np.zeros((count, p))
        self.pull = np.zeros((count, elements))
        self.traces, self.uwu = (np.zeros((count, elements, elements)) for _ in range(2))
        self.first = np.zeros((count, elements, p, p))
        self.xwu = np.zeros((count, elements, p))
        self.deep = np.zeros((count, elements, elements))


def evaluate(
    arranged: Arranged,
    elements: Floats,
    restricted: bool,
    *,
    counted: Floats | None = None,
    derivatives: bool = True,
) -> Evaluation:
    """Value, solution and derivatives at B points.

    elements: B x elements of Tau and omega. counted: B x trials, 1 for the trials that a problem
    counts and 0 for the others; all of them by default.
    """
    count = elements.shape[0]
    sums = _Sums(count, arranged.p, arranged.elements)
    inverses = [_weigh(one, elements, counted, sums) for one in arranged.padded]
    pair = _weigh_pairs(arranged.paired, elements, counted, sums) if arranged.paired else None
    m = np.asarray(np.linalg.inv(sums.information), dtype=np.float64)
    beta = (m @ sums.xwy[:, :, None])[:, :, 0]
    for one, inverse in zip(arranged.padded, inverses, strict=True):
        _differentiate(one, inverse, beta, m if restricted else None, derivatives, sums)
    if arranged.paired and pair:
        shared = m if restricted else None
        _differentiate_pairs(arranged.paired, pair, beta, shared, derivatives, sums)
    value = -0.5 * (sums.logdet + sums.rss)
    if restricted:
        value = value - 0.5 * np.linalg.slogdet(sums.information)[1]
    if not derivatives:
        nothing = np.zeros(0)
        return Evaluation(value, beta, m, nothing, nothing)
    return Evaluation(value, beta, m, *_contracted(sums, m, restricted))


def elements_at(curvature: Floats, theta: Floats) -> Floats:
    """Elements of the covariance (B x elements) of B points of a quadratic parametrization."""
    return np.asarray(
        0.5 * ((curvature @ theta[:, None, :, None])[..., 0] @ theta[:, :, None])[..., 0]
    )


def cholesky_objective(
    arranged: Arranged, curvature: Floats, restricted: bool, counted: Floats | None = None
) -> Objective:
    """The log-likelihood for `climb`, as a function of Cholesky factors and square roots.

    curvature: of the parametrization. counted: as in `evaluate`, per problem.
    """

    def objective(theta: Floats, rows: Integers) -> tuple[Floats, Floats, Floats]:
        jacobian = (curvature @ theta[:, None, :, None])[..., 0]
        elements = 0.5 * (jacobian @ theta[:, :, None])[..., 0]
        own = None if counted is None else counted[rows]
        found = evaluate(arranged, elements, restricted, counted=own)
        slope = -(found.score[:, None] @ jacobian)[:, 0]
        bend = (found.score @ curvature.reshape(curvature.shape[0], -1)).reshape(
            -1, *curvature.shape[1:]
        )
        return found.value, slope, jacobian.swapaxes(1, 2) @ found.observed @ jacobian - bend

    return objective


def _contracted(sums: _Sums, m: Floats, restricted: bool) -> tuple[Floats, Floats]:
    score, expected = 0.5 * sums.pull, 0.5 * sums.traces
    if restricted:
        mf = m[:, None] @ sums.first
        score = score + 0.5 * np.einsum("bapp->ba", mf)
        expected = expected - sums.deep
        count, elements, p, _ = mf.shape
        flat = mf.reshape(count, elements, p * p)
        turned = mf.swapaxes(2, 3).reshape(count, elements, p * p)
        expected = expected + 0.5 * flat @ turned.swapaxes(1, 2)
    observed = sums.uwu - sums.xwu @ m @ sums.xwu.swapaxes(1, 2) - expected
    return score, (observed + observed.swapaxes(1, 2)) / 2.0


def _weigh(one: Padded, elements: Floats, counted: Floats | None, sums: _Sums) -> Floats:
    """Inverses of the marginal covariances (B x m x d x d), 0 for trials that do not count; their
    part of the normal equations is added to the sums."""
    count, (m, d, p) = elements.shape[0], one.x.shape
    sigma = one.v + (elements @ one.e.reshape(elements.shape[1], -1)).reshape(count, m, d, d)
    inverse = np.asarray(np.linalg.inv(sigma), dtype=np.float64)
    logdet = np.linalg.slogdet(sigma)[1]
    if counted is not None:
        own = counted[:, one.trials]
        inverse, logdet = inverse * own[:, :, None, None], logdet * own
    wx = (inverse @ one.x).reshape(count, m * d, p)
    sums.logdet += logdet.sum(axis=1)
    sums.information += one.x.reshape(m * d, p).T @ wx
    sums.xwy += (one.y.ravel() @ wx).reshape(count, p)
    return inverse


def _differentiate(
    one: Padded, inverse: Floats, beta: Floats, shared: Floats | None, derivatives: bool,
    sums: _Sums,
) -> None:  # fmt: skip
    """Add to the sums what value, slope and information need. shared: covariance of the
    coefficients where the likelihood is restricted."""
    count, (m, d, p), a = inverse.shape[0], one.x.shape, one.e.shape[0]
    e = one.y - (one.x @ beta[:, None, :, None])[..., 0]
    r = (inverse @ e[..., None])[..., 0]
    sums.rss += (e * r).sum(axis=(1, 2))
    if not derivatives:
        return
    u = (one.e @ r[:, None, :, :, None])[..., 0]
    we = inverse[:, None] @ one.e
    sums.pull += (u * r[:, None]).sum(axis=(2, 3)) - np.einsum("bamdd->ba", we)
    flat, turned = we.reshape(count, a, -1), we.swapaxes(3, 4).reshape(count, a, -1)
    sums.traces += flat @ turned.swapaxes(1, 2)
    wu = (inverse[:, None] @ u[..., None])[..., 0].reshape(count, a, m * d)
    sums.uwu += u.reshape(count, a, m * d) @ wu.swapaxes(1, 2)
    wx = (inverse @ one.x).reshape(count, m * d, p)
    sums.xwu += u.reshape(count, a, m * d) @ wx
    if shared is not None:
        ewx = one.e @ wx.reshape(count, 1, m, d, p)
        wewx = (inverse[:, None] @ ewx).reshape(count, a, m * d * p)
        ewx = ewx.reshape(count, a, m * d, p)
        sums.first += wx.swapaxes(1, 2)[:, None] @ ewx
        sums.deep += (ewx @ shared[:, None]).reshape(count, a, m * d * p) @ wewx.swapaxes(1, 2)


@dataclass(frozen=True)
class _Pair:
    data: PairData
    w: Symmetric


def _weigh_pairs(one: Paired, elements: Floats, counted: Floats | None, sums: _Sums) -> _Pair:
    data = one.data
    if counted is not None:
        own = counted[:, one.trials]
        data = PairData(
            data.y1, data.y2, data.v, data.has1 * own, data.has2 * own, data.both * own
        )  # fmt: skip
    tau = Symmetric(*(elements @ one.lift).T)
    w, logdet = pair_weights(data, tau)
    sums.logdet += logdet
    for (i, j), part in (((0, 0), w.a), ((0, 1), w.b), ((1, 0), w.b), ((1, 1), w.c)):
        sums.information[:, i, j] += part.sum(axis=1)
    sums.xwy[:, 0] += (w.a * data.y1 + w.b * data.y2).sum(axis=1)
    sums.xwy[:, 1] += (w.b * data.y1 + w.c * data.y2).sum(axis=1)
    return _Pair(data, w)


def _differentiate_pairs(
    one: Paired, pair: _Pair, beta: Floats, shared: Floats | None, derivatives: bool,
    sums: _Sums,
) -> None:  # fmt: skip
    """As `_differentiate`."""
    w = pair.w
    e1, e2 = pair.data.y1 - beta[:, :1], pair.data.y2 - beta[:, 1:]
    r1, r2 = w.a * e1 + w.b * e2, w.b * e1 + w.c * e2
    sums.rss += (e1 * r1 + e2 * r2).sum(axis=1)
    if not derivatives:
        return
    found, lift = pair_sums(w, r1, r2, shared is not None), one.lift
    sums.pull += found.pull.T @ lift.T
    sums.traces += lift @ found.traces.transpose(2, 0, 1) @ lift.T
    sums.uwu += lift @ found.quadratic.transpose(2, 0, 1) @ lift.T
    sums.xwu += lift @ found.wer.transpose(2, 0, 1)
    if shared is not None:
        m = Symmetric(shared[:, 0, 0], shared[:, 0, 1], shared[:, 1, 1])
        deep = np.empty((shared.shape[0], 3, 3))
        for (i, j), own in zip(ELEMENT_PAIRS, found.deep or (), strict=True):
            deep[:, i, j] = deep[:, j, i] = product_trace(m, own)
        sums.deep += lift @ deep @ lift.T
        first = np.array([[wew.a, wew.b, wew.b, wew.c] for wew in found.wew]).transpose(2, 0, 1)
        sums.first += (lift @ first).reshape(sums.first.shape)


def constants(k: int, p: int, design_logdet: float, restricted: bool) -> float:
    """What the log-likelihood of k effects and p coefficients adds to the value of `evaluate`."""
    if not restricted:
        return -0.5 * k * math.log(2.0 * math.pi)
    return 0.5 * design_logdet - 0.5 * (k - p) * math.log(2.0 * math.pi)
