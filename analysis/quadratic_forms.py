"""Distribution of weighted sums of chi-squared variables, as quadratic forms in normals have."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from analysis.arrays import Floats

_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(40)
_FEW_NODES, _FEW_WEIGHTS = np.polynomial.legendre.leggauss(12)
_SIMILAR, _FEW, _REACH = 50.0, 3, 8.5
_MANY = 30


def weighted_chi2_cdf(x: float, weights: Floats) -> float:
    """P(sum of weights_j chi2_1 <= x) for positive weights, to about 1e-10.

    Ruben's series of chi-squared distribution functions with positive coefficients (1962, Ann
    Math Stat 33:542; Farebrother 1984, Appl Stat 33:332), the scale at nearly the smallest weight,
    while weights are similar and few. Where they differ so much that the series is slow: up to 3
    weights by integrating one variable after the other, more by Imhof's inversion (1961, Biometrika
    48:419), as where there are so many that the series' first terms vanish.
    """
    lam = np.asarray(weights, dtype=np.float64)
    lam = lam[lam > 1e-14 * lam.max()]
    if x <= 0.0:
        return 0.0
    if lam.size <= _MANY and float(lam.max() / lam.min()) < _SIMILAR:
        return _ruben(x, lam)
    if lam.size <= _FEW:
        return float(_one_by_one(np.array([x]), np.sort(lam))[0])
    return _imhof(x, lam)


def _one_by_one(x: Floats, lam: Floats) -> Floats:
    """The same for an array of x: over the variable with the largest weight, z = sqrt(x/lam) sin t,
    the rest has cos(t)^2 of x left. Panels shrink toward t = pi/2, where little is left, or cover
    only what a normal variable reaches."""
    largest, rest = float(lam[-1]), lam[:-1]
    if rest.size == 0:
        return np.asarray(special.chdtr(1.0, x / largest))
    scale = np.sqrt(x / largest)[:, None]
    shrinking = np.concatenate([[0.0], 1.0 - 0.35 ** np.arange(0.5, 9.0), [1.0]])
    even = np.linspace(0.0, 1.0, shrinking.size)
    reach = np.arcsin(np.minimum(1.0, _REACH / np.maximum(scale, 1e-300)))
    ends = reach * np.where(scale > _REACH, even[None, :], shrinking[None, :])
    half = np.diff(ends, axis=1)[:, :, None] / 2.0
    t = (ends[:, :-1, None] + half * (_FEW_NODES + 1.0)).reshape(x.size, -1)
    weight = (half * _FEW_WEIGHTS).reshape(x.size, -1)
    left = (x[:, None] * np.cos(t) ** 2).ravel()
    inner = _one_by_one(np.maximum(left, 1e-300), rest).reshape(t.shape)
    density = 2.0 * np.exp(-0.5 * (scale * np.sin(t)) ** 2) / math.sqrt(2.0 * math.pi)
    return np.asarray((weight * density * inner * scale * np.cos(t)).sum(axis=1))


def _ruben(x: float, lam: Floats) -> float:
    n = lam.size
    beta = float(lam.min()) * 0.90625
    gamma = 1.0 - beta / lam
    most = 20_000
    a = [math.exp(0.5 * float(np.log(beta / lam).sum()))]
    powers, g = np.ones(n), []
    total, covered = a[0] * float(special.gammainc(n / 2.0, x / beta / 2.0)), a[0]
    for m in range(1, most):
        powers = powers * gamma
        g.append(0.5 * float(powers.sum()))
        a.append(float(np.dot(g, a[::-1])) / m)
        covered += a[m]
        probability = float(special.gammainc(n / 2.0 + m, x / beta / 2.0))
        total += a[m] * probability
        if (1.0 - covered) * probability < 1e-13:
            break
    return min(1.0, max(0.0, total))


def _imhof(x: float, lam: Floats) -> float:
    """Inversion of the characteristic function, by Gauss-Legendre on panels of the half line."""
    scale = float(lam.max())
    lam, x = lam / scale, x / scale
    total, start, width = 0.0, 0.0, 1.0 / (1.0 + x)
    for _ in range(4000):
        u = start + width * (_NODES + 1.0) / 2.0
        angle = 0.5 * (np.arctan(np.outer(u, lam)).sum(axis=1) - x * u)
        size = np.exp(0.25 * np.log1p(np.outer(u * u, lam * lam)).sum(axis=1))
        total += width / 2.0 * float((_NODE_WEIGHTS * np.sin(angle) / (u * size)).sum())
        start += width
        last = float(np.exp(0.25 * np.log1p((start * lam) ** 2).sum()))
        if 1.0 / (start * last) < 1e-11:
            break
        width = min(width * 1.5, 16.0 / (1.0 + x))
    return min(1.0, max(0.0, 0.5 - total / math.pi))
