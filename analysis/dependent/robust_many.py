"""CR2 of many fits that differ in their variances and in the trials they count, with Satterthwaite
df: the formulas of `robust` with a first axis of B fits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.dependent.robust import adjustments
from analysis.dependent.scoring import Arranged, Evaluation, Padded, Paired
from analysis.dependent.symmetric import Symmetric, root_inverse


@dataclass(frozen=True)
class _Part:
    """Of some trials: lifted (B x m x d x p), the weights of their residuals in each coefficient;
    sigma (B x m x d x d) and the design x (m x d x p)."""

    lifted: Floats
    sigma: Floats
    x: Floats


@dataclass(frozen=True)
class ManyRobust:
    """CR2 covariances of B fits (B x p x p), and what Satterthwaite df of contrasts need."""

    vcov: Floats
    _m: Floats
    _parts: tuple[_Part, ...]

    def df(self, contrast: Floats) -> Floats:
        """Satterthwaite df of one contrast per fit (B x p), nan where they are not defined."""
        count, p = contrast.shape
        squared, total, gram = np.zeros(count), np.zeros(count), np.zeros((count, p, p))
        for part in self._parts:
            g = (part.lifted @ contrast[:, None, :, None])[..., 0]
            own = (g * (part.sigma @ g[..., None])[..., 0]).sum(axis=2)
            cross = (g[:, :, None, :] @ part.x)[:, :, 0]
            shared = ((cross @ self._m) * cross).sum(axis=2)
            squared += (own**2 - 2.0 * own * shared).sum(axis=1)
            total += (own - shared).sum(axis=1)
            gram += cross.swapaxes(1, 2) @ cross
        both = self._m @ gram
        squared += np.einsum("bpq,bqp->b", both, both)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(squared > 0.0, total**2 / squared, np.nan))


def robust_many(
    arranged: Arranged, elements: Floats, at: Evaluation, counted: Floats
) -> ManyRobust:
    """CR2 of the coefficients of B fits.

    elements: B x elements of Tau and omega. at: solutions there. counted: B x trials, 1 for the
    trials of each fit.
    """
    parts, influences = [], []
    for one in arranged.padded:
        part, own = _of_padded(one, elements, at, counted)
        parts.append(part)
        influences.append(own)
    if arranged.paired is not None:
        part, own = _of_pairs(arranged.paired, elements, at, counted)
        parts.append(part)
        influences.append(own)
    vcov = sum(own.swapaxes(1, 2) @ own for own in influences)
    return ManyRobust(np.asarray(vcov), at.m, tuple(parts))


def _of_padded(
    one: Padded, elements: Floats, at: Evaluation, counted: Floats
) -> tuple[_Part, Floats]:
    count, (m, d, _) = elements.shape[0], one.x.shape
    sigma = one.v + (elements @ one.e.reshape(elements.shape[1], -1)).reshape(count, m, d, d)
    rest = sigma - one.x @ at.m[:, None] @ one.x.swapaxes(1, 2)
    lifted = adjustments(sigma, rest) @ np.linalg.solve(sigma, one.x @ at.m[:, None])
    lifted = lifted * counted[:, one.trials][:, :, None, None]
    residuals = one.y - (one.x @ at.beta[:, None, :, None])[..., 0]
    influence = (lifted.swapaxes(2, 3) @ residuals[..., None])[..., 0]
    return _Part(lifted, sigma, one.x), influence


def _of_pairs(
    one: Paired, elements: Floats, at: Evaluation, counted: Floats
) -> tuple[_Part, Floats]:
    """As `_of_padded`, with the arithmetic of 2 x 2 blocks written out; a missing outcome is a unit
    row with design 0."""
    data, tau = one.data, Symmetric(*(elements @ one.lift).T).column()
    has1, has2, both = data.has1, data.has2, data.both
    sigma = Symmetric(
        np.where(has1 > 0, data.v.a + tau.a, 1.0), both * (data.v.b + tau.b),
        np.where(has2 > 0, data.v.c + tau.c, 1.0),
    )  # fmt: skip
    m = Symmetric(at.m[:, 0, 0], at.m[:, 0, 1], at.m[:, 1, 1]).column()
    rest = Symmetric(sigma.a - has1 * m.a, sigma.b - both * m.b, sigma.c - has2 * m.c)
    a = pair_adjustments(sigma, rest)
    determinant = sigma.a * sigma.c - sigma.b**2
    w = Symmetric(sigma.c / determinant, -sigma.b / determinant, sigma.a / determinant)
    own = counted[:, one.trials]
    # W X M, where a missing outcome has no row in X.
    wx = ((has1 * w.a, has2 * w.b), (has1 * w.b, has2 * w.c))
    wxm = [[x * m.a + y * m.b, x * m.b + y * m.c] for x, y in wx]
    lifted = np.empty((*own.shape, 2, 2))
    for p in (0, 1):
        lifted[:, :, 0, p] = own * (a.a * wxm[0][p] + a.b * wxm[1][p])
        lifted[:, :, 1, p] = own * (a.b * wxm[0][p] + a.c * wxm[1][p])
    e1, e2 = has1 * (data.y1 - at.beta[:, :1]), has2 * (data.y2 - at.beta[:, 1:])
    influence = lifted[:, :, 0] * e1[..., None] + lifted[:, :, 1] * e2[..., None]
    blocks = np.empty((*own.shape, 2, 2))
    blocks[:, :, 0, 0], blocks[:, :, 1, 1] = sigma.a, sigma.c
    blocks[:, :, 0, 1] = blocks[:, :, 1, 0] = sigma.b
    x = np.zeros((one.trials.size, 2, 2))
    x[:, 0, 0], x[:, 1, 1] = has1[0], has2[0]
    return _Part(lifted, blocks, x), influence


def pair_adjustments(sigma: Symmetric, rest: Symmetric) -> Symmetric:
    """A = U' (U rest U')^{-1/2} U of 2 x 2 blocks, U the upper Cholesky factor of sigma."""
    u11 = np.sqrt(sigma.a)
    u12 = sigma.b / u11
    u22 = np.sqrt(np.maximum(sigma.c - u12**2, 0.0))
    root = root_inverse(Symmetric(
        u11**2 * rest.a + 2.0 * u11 * u12 * rest.b + u12**2 * rest.c,
        u22 * (u11 * rest.b + u12 * rest.c), u22**2 * rest.c,
    ))  # fmt: skip
    return Symmetric(
        u11**2 * root.a, u11 * (u12 * root.a + u22 * root.b),
        u12**2 * root.a + 2.0 * u12 * u22 * root.b + u22**2 * root.c,
    )  # fmt: skip
