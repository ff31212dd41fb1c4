"""Weighted least squares in exact rational arithmetic, for designs that cost digits."""

from __future__ import annotations

from fractions import Fraction

import numpy as np


def exact_weighted_fit(
    yi: np.ndarray, vi: np.ndarray, design: np.ndarray
) -> tuple[np.ndarray, float]:
    """Coefficients and weighted residual sum of squares, rounded once at the end."""
    y = [Fraction(float(value)) for value in yi]
    w = [1 / Fraction(float(value)) for value in vi]
    x = [[Fraction(float(value)) for value in row] for row in design]
    p = len(x[0])
    rows = [
        [sum(wi * xi[a] * xi[b] for wi, xi in zip(w, x, strict=True)) for b in range(p)]
        + [sum(wi * xi[a] * yi_ for wi, xi, yi_ in zip(w, x, y, strict=True))]
        for a in range(p)
    ]
    for i in range(p):  # Gauss-Jordan; the information matrix is positive definite
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for j in range(p):
            if j != i:
                rows[j] = [a - rows[j][i] * b for a, b in zip(rows[j], rows[i], strict=True)]
    beta = [row[-1] for row in rows]
    rss = sum(
        wi * (yi_ - sum(b * c for b, c in zip(xi, beta, strict=True))) ** 2
        for wi, xi, yi_ in zip(w, x, y, strict=True)
    )
    return np.array([float(b) for b in beta]), float(rss)
