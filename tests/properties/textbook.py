"""A slow reference engine: plain loops, full k x k matrices, the formulas as textbooks print them.

Nothing is shared with `analysis/`; speed and rounding are no concern here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np


def hedges_g(
    m1: float, sd1: float, n1: float, m2: float, sd2: float, n2: float
) -> tuple[float, float]:
    """Hedges (1981) with the gamma functions; variance by Hedges and Olkin (1985, p. 86)."""
    df = n1 + n2 - 2.0
    pooled = math.sqrt(((n1 - 1.0) * sd1**2 + (n2 - 1.0) * sd2**2) / df)
    log_j = math.lgamma(df / 2.0) - math.lgamma((df - 1.0) / 2.0) - 0.5 * math.log(df / 2.0)
    g = math.exp(log_j) * (m1 - m2) / pooled
    return g, 1.0 / n1 + 1.0 / n2 + g * g / (2.0 * (n1 + n2))


def log_odds_ratio(events1: float, n1: float, events2: float, n2: float) -> tuple[float, float]:
    """Woolf (1955); one half in every cell of a table with a zero."""
    cells = [events1, n1 - events1, events2, n2 - events2]
    if 0.0 in cells:
        cells = [cell + 0.5 for cell in cells]
    a, b, c, d = cells
    return math.log(a * d / (b * c)), sum(1.0 / cell for cell in cells)


def _weights(vi: Sequence[float], tau2: float) -> list[float]:
    return [1.0 / (v + tau2) for v in vi]


def weighted_mean(yi: Sequence[float], weights: Sequence[float]) -> float:
    return sum(w * y for w, y in zip(weights, yi, strict=True)) / sum(weights)


def cochran_q(yi: Sequence[float], vi: Sequence[float], tau2: float = 0.0) -> float:
    weights = _weights(vi, tau2)
    mean = weighted_mean(yi, weights)
    return sum(w * (y - mean) ** 2 for w, y in zip(weights, yi, strict=True))


def dersimonian_laird(yi: Sequence[float], vi: Sequence[float]) -> float:
    """DerSimonian and Laird (1986, eq. 8)."""
    w = _weights(vi, 0.0)
    c = sum(w) - sum(one**2 for one in w) / sum(w)
    return max(0.0, (cochran_q(yi, vi) - (len(w) - 1)) / c)


def hedges_olkin(yi: Sequence[float], vi: Sequence[float]) -> float:
    """Sample variance of the effects minus the mean sampling variance."""
    k, mean = len(yi), sum(yi) / len(yi)
    return max(0.0, sum((y - mean) ** 2 for y in yi) / (k - 1) - sum(vi) / k)


def hunter_schmidt(yi: Sequence[float], vi: Sequence[float]) -> float:
    w = _weights(vi, 0.0)
    return max(0.0, (cochran_q(yi, vi) - len(w)) / sum(w))


def sidik_jonkman(yi: Sequence[float], vi: Sequence[float]) -> float:
    """Sidik and Jonkman (2005, eq. 5 and 6)."""
    k, mean = len(yi), sum(yi) / len(yi)
    start = sum((y - mean) ** 2 for y in yi) / k
    if start == 0.0:
        return 0.0
    w = [1.0 / (v / start + 1.0) for v in vi]
    center = weighted_mean(yi, w)
    return sum(one * (y - center) ** 2 for one, y in zip(w, yi, strict=True)) / (k - 1)


def paule_mandel(yi: Sequence[float], vi: Sequence[float]) -> float:
    """Halving of an interval in which the generalized Q falls through k - 1."""
    target = len(yi) - 1
    if cochran_q(yi, vi) <= target:
        return 0.0
    low, high = 0.0, 1.0
    while cochran_q(yi, vi, high) > target:
        high *= 2.0
    for _ in range(200):
        middle = (low + high) / 2.0
        if cochran_q(yi, vi, middle) > target:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


MOMENT_ESTIMATORS: dict[str, Callable[[Sequence[float], Sequence[float]], float]] = {
    "DL": dersimonian_laird, "HE": hedges_olkin, "HS": hunter_schmidt, "SJ": sidik_jonkman,
    "PM": paule_mandel, "EB": paule_mandel,
}  # fmt: skip


def knapp_hartung(yi: Sequence[float], vi: Sequence[float], tau2: float) -> float:
    """Standard error of Knapp and Hartung (2003)."""
    w = _weights(vi, tau2)
    return math.sqrt(cochran_q(yi, vi, tau2) / ((len(w) - 1) * sum(w)))


def marginal_covariance(
    v: np.ndarray, trial: Sequence[int], outcome: Sequence[int], tau: np.ndarray, omega: np.ndarray
) -> np.ndarray:
    """The full k x k covariance matrix of all effects, element by element."""
    sigma = np.array(v, dtype=float)
    for i in range(len(trial)):
        for j in range(len(trial)):
            if trial[i] == trial[j]:
                sigma[i, j] += tau[outcome[i], outcome[j]]
        sigma[i, i] += omega[outcome[i]]
    return sigma


def generalized_least_squares(
    y: np.ndarray, x: np.ndarray, sigma: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    inverse = np.linalg.inv(sigma)
    vb = np.linalg.inv(x.T @ inverse @ x)
    return vb @ x.T @ inverse @ y, vb


def log_likelihood(y: np.ndarray, x: np.ndarray, sigma: np.ndarray, *, restricted: bool) -> float:
    """Normal log-likelihood; restricted: Harville (1977), with log|X'X| / 2 as metafor has it."""
    (k, p), (beta, vb) = x.shape, generalized_least_squares(y, x, sigma)
    e = y - x @ beta
    value = -np.linalg.slogdet(sigma)[1] - e @ np.linalg.inv(sigma) @ e
    if restricted:
        value += np.linalg.slogdet(vb)[1] + np.linalg.slogdet(x.T @ x)[1]
        k -= p
    return float(0.5 * value - 0.5 * k * math.log(2.0 * math.pi))


def restricted_score(y: np.ndarray, x: np.ndarray, sigma: np.ndarray) -> tuple[float, float]:
    """Both sides of the REML equation for tau2: y'PPy and tr(P)."""
    inverse = np.linalg.inv(sigma)
    _, vb = generalized_least_squares(y, x, sigma)
    p = inverse - inverse @ x @ vb @ x.T @ inverse
    return float(y @ p @ p @ y), float(np.trace(p))


def _inverse_root(matrix: np.ndarray) -> np.ndarray:
    """Symmetric inverse square root, 0 in directions without variance."""
    values, vectors = np.linalg.eigh(matrix)
    keep = values > 1e-12 * values.max()
    return (vectors[:, keep] / np.sqrt(values[keep])) @ vectors[:, keep].T


def cluster_robust(
    y: np.ndarray, x: np.ndarray, sigma: np.ndarray, trial: Sequence[int]
) -> tuple[np.ndarray, Callable[[np.ndarray], float]]:
    """CR2 covariance and its Satterthwaite df (Pustejovsky and Tipton 2018, eqs 5 and 12).

    The df come from the k x k matrix of the quadratic form in y, written out in full.
    """
    _, m = generalized_least_squares(y, x, sigma)
    w = np.linalg.inv(sigma)
    residual_maker = np.eye(len(y)) - x @ m @ x.T @ w
    bread, pieces = [], []
    for label in sorted(set(trial)):
        rows = np.array([i for i, one in enumerate(trial) if one == label])
        own = sigma[np.ix_(rows, rows)]
        d = np.linalg.cholesky(own).T
        b = d @ (own - x[rows] @ m @ x[rows].T) @ d.T
        a = d.T @ _inverse_root(b) @ d
        bread.append(m @ x[rows].T @ w[np.ix_(rows, rows)] @ a)
        pieces.append(residual_maker[rows])
    parts = [one @ (piece @ y) for one, piece in zip(bread, pieces, strict=True)]
    vcov = np.sum([np.outer(part, part) for part in parts], axis=0)

    def df(contrast: np.ndarray) -> float:
        total = np.zeros((len(y), len(y)))
        for one, piece in zip(bread, pieces, strict=True):
            g = contrast @ one @ piece
            total += np.outer(g, g)
        spread = total @ sigma
        return float(np.trace(spread) ** 2 / np.trace(spread @ spread))

    return vcov, df
