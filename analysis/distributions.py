"""Probabilities and quantiles, tail-safe, from scipy.special (which imports fast).

Two-sided p-values are computed in the tail, never as one minus a probability near one.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from scipy import special

from analysis.errors import EstimationError


def normal_quantile(probability: float) -> float:
    return float(special.ndtri(probability))


def t_quantile(probability: float, df: float) -> float:
    """Quantile of Student's t; `df` = infinity gives the normal one, `df` <= 0 gives nan."""
    if math.isinf(df):
        return normal_quantile(probability)
    return float(special.stdtrit(df, probability)) if df > 0 else math.nan


def critical_value(level: float, df: float) -> float:
    """Two-sided critical value for a confidence `level` such as 0.95. Raises `EstimationError` for
    a level outside 0 to 1."""
    if not 0.0 < level < 1.0:
        raise EstimationError(f"a confidence level lies between 0 and 1, found {level:g}")
    return -t_quantile((1.0 - level) / 2.0, df)


def two_sided_p(statistic: float, df: float = math.inf) -> float:
    """Two-sided p-value of a z (df infinite) or t statistic; nan for an undefined statistic."""
    if math.isnan(statistic) or df <= 0:
        return math.nan
    tail = special.ndtr(-abs(statistic)) if math.isinf(df) else special.stdtr(df, -abs(statistic))
    return float(2.0 * tail)


def normal_cdf(x: Any) -> Any:
    return special.ndtr(x)


def normal_pdf(x: Any) -> Any:
    return np.exp(-0.5 * np.square(x)) / math.sqrt(2.0 * math.pi)


def chi2_sf(x: float, df: float) -> float:
    return float(special.chdtrc(df, x)) if df > 0 else math.nan


def chi2_quantile(probability: float, df: float) -> float:
    """Quantile with `probability` to the left."""
    return float(2.0 * special.gammaincinv(df / 2.0, probability))


def f_sf(x: float, df_num: float, df_denom: float) -> float:
    if math.isinf(df_denom):
        return chi2_sf(x * df_num, df_num)
    return float(special.fdtrc(df_num, df_denom, x))


@cache
def legendre(points: int) -> tuple[Any, Any]:
    """Nodes and weights of Gauss and Legendre on (-1, 1)."""
    return np.polynomial.legendre.leggauss(points)


def bivariate_normal_cdf(h: float, k: float, rho: float) -> float:
    """P(X <= h, Y <= k) for standard normals with correlation `rho`.

    Uses Plackett's identity dP/d(rho) = density at (h, k), integrated over the angle
    asin(rho) by Gauss-Legendre quadrature (Genz 2004, Statistics and Computing 14:251,
    eq. 3). The integrand is smooth in the angle; near |rho| = 1 the interval is split.
    """
    if not -1.0 <= rho <= 1.0:
        raise ValueError(f"a correlation lies between -1 and 1, found {rho}")
    independent = float(special.ndtr(h) * special.ndtr(k))
    if rho == 0.0:
        return independent
    if abs(rho) == 1.0:
        if rho > 0:
            return float(special.ndtr(min(h, k)))
        return float(max(0.0, special.ndtr(h) - special.ndtr(-k)))
    nodes, weights = legendre(64)
    upper = math.asin(rho)
    # Splitting geometrically toward the end keeps the peak at |rho| ~ 1 resolved.
    edges = upper * (1.0 - np.concatenate([[1.0], 0.5 ** np.arange(1, 30), [0.0]]))
    half = np.diff(edges)[:, None] / 2.0
    angle = edges[:-1, None] + half * (nodes + 1.0)
    exponent = -(h * h + k * k - 2.0 * h * k * np.sin(angle)) / (2.0 * np.cos(angle) ** 2)
    integral = float((half * weights * np.exp(exponent)).sum())
    return min(1.0, max(0.0, independent + integral / (2.0 * math.pi)))
