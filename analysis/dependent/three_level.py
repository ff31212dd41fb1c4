"""Maximum of the likelihood of one outcome with variances between and within trials.

Sigma_i = V_i + omega2 I + tau2 1 1'. In the eigenvectors of V_i the first two terms are diagonal
and the last has rank one, so that a step of the search is a few sums over the rotated effects:
cost linear in effects, whatever the sampling covariances.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.dependent.blocks import BlockGroup, EffectBlocks
from analysis.errors import EstimationError

_SHARES = np.array([0.0, 0.02, 0.1, 0.3, 0.8, 2.0])
_FINE_SHARES = np.concatenate([[0.0], np.geomspace(1e-6, 4.0, 24)])
"""Variances, as shares of the effects' spread, at which the likelihood is scanned; finely when
sampling variances differ by more than `_SIMILAR`, since the likelihood can then have several
maxima."""
_SIMILAR = 50.0
_MOST_STEPS = 60


@dataclass(frozen=True)
class _Rotated:
    """Effects in the eigenvectors of their trials' sampling covariances, trial after trial.

    y, lam, u: k rotated effects, eigenvalues and ones; x: k x p; first: positions at which the
    trials begin; trial: k, the trial of each row.
    """

    y: Floats
    x: Floats
    lam: Floats
    u: Floats
    first: np.ndarray
    trial: np.ndarray

    def sums(self, values: Floats) -> Floats:
        """Sums over each trial's rows (first axis)."""
        return np.asarray(np.add.reduceat(values, self.first, axis=0))


def _rotate(blocks: EffectBlocks, unit: float) -> _Rotated:
    y, x, lam, u, sizes = [], [], [], [], []
    for group in blocks.groups:
        own_y, own_x, values, ones = _rotate_group(group)
        y.append(own_y.ravel())
        x.append(own_x.reshape(-1, blocks.p))
        lam.append(values.ravel())
        u.append(ones.ravel())
        sizes.append(np.full(group.y.shape[0], group.y.shape[1]))
    counts = np.concatenate(sizes)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return _Rotated(
        np.concatenate(y) / math.sqrt(unit), np.concatenate(x), np.concatenate(lam) / unit,
        np.concatenate(u), first, np.repeat(np.arange(counts.size), counts),
    )  # fmt: skip


def _rotate_group(group: BlockGroup) -> tuple[Floats, Floats, Floats, Floats]:
    d = group.y.shape[1]
    values = np.diagonal(group.v, axis1=1, axis2=2)
    off = group.v.copy()
    off[:, np.arange(d), np.arange(d)] = 0.0
    if not off.any():
        return group.y, group.x, values, np.ones_like(values)
    values, vectors = np.linalg.eigh(group.v)
    turned = np.swapaxes(vectors, 1, 2)
    return (
        (turned @ group.y[:, :, None])[:, :, 0], turned @ group.x, np.asarray(values),
        np.asarray(turned.sum(axis=2)),
    )  # fmt: skip


@dataclass(frozen=True)
class _State:
    """Log-likelihood (without constants), its slope and observed and expected information in
    (tau2, omega2)."""

    value: float
    score: Floats
    observed: Floats
    expected: Floats


def _evaluate(data: _Rotated, tau2: float, omega2: float, restricted: bool) -> _State:
    w = 1.0 / (data.lam + omega2)
    wu = w * data.u
    a = data.sums(wu * data.u)
    shrink = 1.0 / (1.0 + tau2 * a)
    g = (tau2 * shrink)[data.trial] * wu
    ux = data.sums(wu[:, None] * data.x)
    rx = w[:, None] * data.x - g[:, None] * ux[data.trial]
    information = data.x.T @ rx
    m = np.linalg.inv(information)
    beta = m @ (rx.T @ data.y)
    e = data.y - data.x @ beta
    ue = data.sums(wu * e)
    r = w * e - g * ue[data.trial]
    t = wu * shrink[data.trial]
    # u' Sigma^-1 of every trial with u, residuals and columns.
    own, se, sx = a * shrink, ue * shrink, ux * shrink[:, None]
    w2u2 = data.sums(wu * wu)
    gi = tau2 * shrink
    trace_ii = float(w @ w + (gi * w2u2) @ (gi * w2u2) - 2.0 * gi @ data.sums(w * wu * wu))
    trace_i = float(w.sum() - gi @ w2u2)
    logdet = -float(np.log(w).sum()) - float(np.log(shrink).sum())
    value = -0.5 * (logdet + float(e @ r))
    shared = float(w2u2 @ (shrink * shrink))
    traces = np.array([[float(own @ own), shared], [shared, trace_ii]])
    score = 0.5 * np.array([float(se @ se - own.sum()), float(r @ r) - trace_i])
    # Sigma^-1 of the working vectors D_a Sigma^-1 e, D_tau = u u', D_omega = I.
    se_each = se[data.trial]
    working = np.stack([se_each * data.u, r])
    solved = np.stack([se_each * t, w * r - g * data.sums(wu * r)[data.trial]])
    cross = working @ rx
    quadratic = solved @ working.T - cross @ m @ cross.T
    if restricted:
        value -= 0.5 * float(np.linalg.slogdet(information)[1])
        hs = (m @ (sx.T @ sx), m @ (rx.T @ rx))
        score += 0.5 * np.array([h.trace() for h in hs])
        inner = w[:, None] * rx - g[:, None] * data.sums(wu[:, None] * rx)[data.trial]
        deep = {
            (0, 0): (sx * own[:, None]).T @ sx,
            (0, 1): sx.T @ data.sums(t[:, None] * rx),
            (1, 1): rx.T @ inner,
        }
        for (i, j), middle in deep.items():
            change = float(np.vdot(hs[i].T, hs[j]) - 2.0 * np.vdot(m, middle))
            traces[i, j] += change
            traces[j, i] = traces[i, j]
    return _State(value, score, quadratic - 0.5 * traces, 0.5 * traces)


def _scan(data: _Rotated, spread: float, within: bool, restricted: bool) -> list[Floats]:
    """Local maxima of the likelihood on a coarse grid of both variances, highest first."""
    alike = float(data.lam.max() / data.lam.min()) < _SIMILAR
    shares = _SHARES if alike else _FINE_SHARES
    taus, omegas = shares * spread, (shares if within else shares[:1]) * spread
    columns = np.column_stack([data.x, data.y])
    q = columns.shape[1]
    first, second = np.tril_indices(q)
    products = columns[:, first] * columns[:, second]
    values = np.empty((taus.size, omegas.size))
    full = np.empty((taus.size, omegas.size, q, q))
    for n, omega2 in enumerate(omegas):
        w = 1.0 / (data.lam + omega2)
        wu = w * data.u
        bu = data.sums(wu[:, None] * columns)
        shrink = 1.0 / (1.0 + taus[:, None] * data.sums(wu * data.u)[None, :])
        gram = (w @ products)[None, :] - (taus[:, None] * shrink) @ (bu[:, first] * bu[:, second])
        full[:, n, first, second] = full[:, n, second, first] = gram
        values[:, n] = 0.5 * (np.log(w).sum() + np.log(shrink).sum(axis=1))
    information, xy = full[..., :-1, :-1], full[..., :-1, -1:]
    try:
        explained = np.swapaxes(xy, -2, -1) @ np.linalg.solve(information, xy)
    except np.linalg.LinAlgError:
        raise EstimationError("effects or variances are too far apart for this model") from None
    values -= 0.5 * (full[..., -1, -1] - explained[..., 0, 0])
    if restricted:
        values -= 0.5 * np.linalg.slogdet(information)[1]
    padded = np.pad(values, 1, constant_values=-np.inf)
    around = np.stack([
        padded[1 + i : 1 + i + taus.size, 1 + j : 1 + j + omegas.size]
        for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)
    ])  # fmt: skip
    peaks = np.argwhere(values >= around.max(axis=0))
    ordered = sorted(peaks.tolist(), key=lambda ij: -values[ij[0], ij[1]])
    return [np.array([taus[i], omegas[j]]) for i, j in ordered]


def maximize_three_level(
    blocks: EffectBlocks, unit: float, *, within: bool, restricted: bool
) -> tuple[float, float, float]:
    """tau2 and omega2 (0 when not `within`) with the highest likelihood, in units of `unit`, and
    the largest slope left there.

    Newton steps with the observed information from every local maximum of a coarse grid, variances
    kept at 0 while the likelihood falls from there.
    """
    data = _rotate(blocks, unit)
    spread = float(np.var(data.y)) + 1e-3
    best: tuple[float, Floats, float] | None = None
    for start in _scan(data, spread, within, restricted):
        value, at, left = _climb(data, start, within, restricted)
        if best is None or value > best[0] + 1e-10:
            best = value, at, left
    assert best is not None
    return float(best[1][0]), float(best[1][1]), best[2]


def _climb(
    data: _Rotated, at: Floats, within: bool, restricted: bool
) -> tuple[float, Floats, float]:
    allowed = np.array([True, within])
    now = _evaluate(data, float(at[0]), float(at[1]), restricted)
    for _ in range(_MOST_STEPS):
        free = allowed & ((at > 0.0) | (now.score > 0.0))
        scaled = np.abs(now.score) * np.maximum(at, 1e-3)
        if not free.any() or float(scaled[free].max()) < 1e-11:
            break
        move = np.zeros(2)
        chosen = np.ix_(free, free)
        values, vectors = np.linalg.eigh(now.observed[chosen])
        if values[0] <= 0.0:
            values, vectors = np.linalg.eigh(now.expected[chosen])
        # Effects in trials of their own do not tell the two variances apart: the shortest step.
        known = np.abs(values) > 1e-12 * np.abs(values).max()
        move[free] = vectors[:, known] @ (vectors[:, known].T @ now.score[free] / values[known])
        step, after = 1.0, now
        for _ in range(30):
            candidate = np.maximum(at + step * move, 0.0)
            after = _evaluate(data, float(candidate[0]), float(candidate[1]), restricted)
            if after.value >= now.value - 1e-13 * max(1.0, abs(now.value)):
                break
            step /= 2.0
        else:
            break
        if np.array_equal(candidate, at):
            break
        at, now = candidate, after
    free = allowed & (at > 0.0)
    left = float((np.abs(now.score) * np.maximum(at, 1e-3))[free].max()) if free.any() else 0.0
    return now.value, at, left
