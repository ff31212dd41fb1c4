"""Distribution of weighted sums of chi-squared variables, as quadratic forms in normals have."""

from __future__ import annotations

import math

import numpy as np

from analysis.arrays import Floats


def weighted_chi2_cdf(x: float, weights: Floats) -> float:
    """P(sum of weights_j chi2_1 <= x) for positive weights, to about 1e-10.

    Ruben's series of chi-squared distribution functions with positive coefficients (1962, Ann
    Math Stat 33:542; Farebrother 1984, Appl Stat 33:332), the scale at nearly the smallest weight;
    Imhof's inversion (1961, Biometrika 48:419) where weights differ so much that the series is
    slow.
    """
    lam = np.asarray(weights, dtype=np.float64)
    lam = lam[lam > 1e-14 * lam.max()]
    if x <= 0.0:
        return 0.0
    if float(lam.max() / lam.min()) < 50.0:
        return _ruben(x, lam)
    return _imhof(x, lam)


def _ruben(x: float, lam: Floats) -> float:
    from scipy import special

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
    nodes, panel_weights = np.polynomial.legendre.leggauss(40)
    scale = float(lam.max())
    lam, x = lam / scale, x / scale
    total, start, width = 0.0, 0.0, 1.0 / (1.0 + x)
    for _ in range(4000):
        u = start + width * (nodes + 1.0) / 2.0
        angle = 0.5 * (np.arctan(np.outer(u, lam)).sum(axis=1) - x * u)
        size = np.exp(0.25 * np.log1p(np.outer(u * u, lam * lam)).sum(axis=1))
        total += width / 2.0 * float((panel_weights * np.sin(angle) / (u * size)).sum())
        start += width
        last = float(np.exp(0.25 * np.log1p((start * lam) ** 2).sum()))
        if 1.0 / (start * last) < 1e-13:
            break
        width = min(width * 1.25, 2.0 * math.pi / (1.0 + x))
    return min(1.0, max(0.0, 0.5 - total / math.pi))
