"""The likelihood of many bivariate models at once, and its exact derivatives: the 2 x 2 blocks of
trials written out, over B problems x m trials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.dependent.symmetric import Symmetric, congruence, inverse, product_trace


@dataclass(frozen=True)
class PairData:
    """Effects with zeros where they are missing; `has1`, `has2` are 0 or 1 (all B x m)."""

    y1: Floats
    y2: Floats
    v: Symmetric
    has1: Floats
    has2: Floats
    both: Floats

    def rows(self, keep: np.ndarray) -> PairData:
        v = Symmetric(self.v.a[keep], self.v.b[keep], self.v.c[keep])
        return PairData(
            self.y1[keep], self.y2[keep], v, self.has1[keep], self.has2[keep], self.both[keep]
        )


@dataclass(frozen=True)
class PairState:
    """At one Tau per problem: log-likelihood without constants, solution, slope and observed
    information in (tau11, tau12, tau22)."""

    value: Floats
    mu: Floats
    m: Symmetric
    score: Floats
    observed: Floats


def pair_weights(data: PairData, tau: Symmetric) -> tuple[Symmetric, Floats]:
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


def evaluate_pairs(
    data: PairData, tau: Symmetric, restricted: bool, *, derivatives: bool = True
) -> PairState:
    """Value, solution and, unless not asked for, derivatives at one Tau per problem."""
    w, logdet = pair_weights(data, tau)
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
        return PairState(value, mu, m, nothing, nothing)
    return PairState(value, mu, m, *_derivatives(w, r1, r2, m, restricted))


@dataclass(frozen=True)
class PairSums:
    """Sums over trials that score and observed information are made of, for tau11, tau12, tau22.

    With E the unit matrices of the three elements and r = W (y - mu): pull, r'Er - tr(W E) (3 x B);
    traces, tr(W E W E') (3 x 3 x B); wew, W E W; wer, W E r (3 x 2 x B); quadratic, r'E W E' r
    (3 x 3 x B); deep, the symmetric part of W E W E' W of the six pairs of elements (None unless
    restricted).
    """

    pull: Floats
    traces: Floats
    wew: tuple[Symmetric, Symmetric, Symmetric]
    wer: Floats
    quadratic: Floats
    deep: list[Symmetric] | None


ELEMENT_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


def pair_sums(w: Symmetric, r1: Floats, r2: Floats, restricted: bool) -> PairSums:
    """The sums at weights w and weighted residuals r1, r2 (B x m)."""
    aa, bb, cc, ab, bc, ac = w.a * w.a, w.b * w.b, w.c * w.c, w.a * w.b, w.b * w.c, w.a * w.c
    cross = ac + bb
    wew = (
        Symmetric(aa.sum(1), ab.sum(1), bb.sum(1)),
        Symmetric(2.0 * ab.sum(1), cross.sum(1), 2.0 * bc.sum(1)),
        Symmetric(bb.sum(1), bc.sum(1), cc.sum(1)),
    )
    own = (wew[0].a, wew[1].a, wew[0].c, 2.0 * wew[1].b, wew[1].c, wew[2].c)
    u = ((r1, 0.0 * r1), (r2, r1), (0.0 * r2, r2))
    wu = [(w.a * x + w.b * y, w.b * x + w.c * y) for x, y in u]
    traces, quadratic = (np.empty((3, 3, r1.shape[0])) for _ in range(2))
    for n, (i, j) in enumerate(ELEMENT_PAIRS):
        traces[i, j] = traces[j, i] = own[n]
        quadratic[i, j] = (u[i][0] * wu[j][0] + u[i][1] * wu[j][1]).sum(1)
        quadratic[j, i] = quadratic[i, j]
    pull = np.stack([
        (r1 * r1).sum(1) - w.a.sum(1),
        2.0 * ((r1 * r2).sum(1) - w.b.sum(1)),
        (r2 * r2).sum(1) - w.c.sum(1),
    ])  # fmt: skip
    wer = np.array([[x.sum(1), y.sum(1)] for x, y in wu])
    deep = _deep(w, aa, bb, cc, ab, bc, ac, cross) if restricted else None
    return PairSums(pull, traces, wew, wer, quadratic, deep)


def _derivatives(
    w: Symmetric, r1: Floats, r2: Floats, m: Symmetric, restricted: bool
) -> tuple[Floats, Floats]:
    """Score (3 x B) and observed information (3 x 3 x B) in tau11, tau12, tau22."""
    sums = pair_sums(w, r1, r2, restricted)
    score = 0.5 * sums.pull
    if restricted:
        score = score + 0.5 * np.stack([product_trace(m, one) for one in sums.wew])
    observed = np.empty((3, 3, r1.shape[0]))
    for n, (i, j) in enumerate(ELEMENT_PAIRS):
        (x1, x2), (z1, z2) = sums.wer[i], sums.wer[j]
        quadratic = sums.quadratic[i, j]
        quadratic = quadratic - (x1 * (m.a * z1 + m.b * z2) + x2 * (m.b * z1 + m.c * z2))
        trace = sums.traces[i, j]
        if sums.deep is not None:
            trace = trace - 2.0 * product_trace(m, sums.deep[n])
            trace = trace + product_trace(congruence(m, sums.wew[i]), sums.wew[j])
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
