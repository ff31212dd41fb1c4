"""CR2 covariance of the two means of many bivariate models at once, with Satterthwaite df."""

from __future__ import annotations

import numpy as np

from analysis.arrays import Floats
from analysis.dependent.pair_likelihood import PairData, PairState, pair_weights
from analysis.dependent.robust_many import pair_adjustments
from analysis.dependent.symmetric import Symmetric, congruence, product_trace


class SatterthwaiteDf:
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


def robust_means(
    data: PairData, tau: Symmetric, state: PairState
) -> tuple[Symmetric, SatterthwaiteDf]:
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
    a = pair_adjustments(full, rest)
    w, _ = pair_weights(data, tau)
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
    return robust, SatterthwaiteDf(g, sigma, state.m)
