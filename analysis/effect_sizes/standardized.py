"""Mean differences and standardized mean differences of two independent groups.

Group 1 is the intervention, group 2 the comparator, as in metafor.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.arrays import Floats, as_vectors, named, require
from analysis.effect_sizes.base import EffectSizes


def hedges_j(df: ArrayLike, *, exact: bool = True) -> Floats:
    """Small-sample correction factor of Cohen's d.

    df: degrees of freedom of the standardizer, one value per row; nan below 2.
    exact: J = gamma(df/2) / (sqrt(df/2) gamma((df-1)/2)), Hedges (1981, J Educ Stat 6:107,
        eq. 6e); otherwise the usual approximation 1 - 3/(4 df - 1).
    """
    freedom = np.atleast_1d(np.asarray(df, dtype=np.float64))
    freedom = np.where(freedom > 1.0, freedom, np.nan)
    if not exact:
        return 1.0 - 3.0 / (4.0 * freedom - 1.0)
    half = freedom / 2.0
    return np.exp(special.gammaln(half) - 0.5 * np.log(half) - special.gammaln(half - 0.5))


def _variance_ls(g: Floats, j: Floats, n1: Floats, n2: Floats) -> Floats:
    return 1.0 / n1 + 1.0 / n2 + g**2 / (2.0 * (n1 + n2))


def _variance_ls2(g: Floats, j: Floats, n1: Floats, n2: Floats) -> Floats:
    d = g / j
    return j**2 * (1.0 / n1 + 1.0 / n2 + d**2 / (2.0 * (n1 + n2)))


def _variance_ub(g: Floats, j: Floats, n1: Floats, n2: Floats) -> Floats:
    df = n1 + n2 - 2.0
    return 1.0 / n1 + 1.0 / n2 + (1.0 - (df - 2.0) / (df * j**2)) * g**2


def _variance_av(g: Floats, j: Floats, n1: Floats, n2: Floats) -> Floats:
    weights = n1 + n2
    mean_g = float((weights * g).sum() / weights.sum())
    return 1.0 / n1 + 1.0 / n2 + mean_g**2 / (2.0 * weights)


SMD_VARIANCES: dict[str, Callable[[Floats, Floats, Floats, Floats], Floats]] = {
    "LS": _variance_ls,
    "LS2": _variance_ls2,
    "UB": _variance_ub,
    "AV": _variance_av,
}
"""Variance formulas of g by metafor's names: large-sample with g, large-sample with d times
J squared, unbiased, and large-sample with the average g."""


def standardized_mean_difference(
    m1i: ArrayLike,
    sd1i: ArrayLike,
    n1i: ArrayLike,
    m2i: ArrayLike,
    sd2i: ArrayLike,
    n2i: ArrayLike,
    *,
    variance: str = "LS",
    exact: bool = True,
) -> EffectSizes:
    """Hedges' g = J (m1 - m2) / s_pooled, positive when group 1 is higher.

    m1i, sd1i, n1i, m2i, sd2i, n2i: means, standard deviations and analyzed numbers, one value
        per row; numbers may be fractional (effective sample sizes).
    variance: `LS` 1/n1 + 1/n2 + g^2/(2(n1+n2)) (Hedges and Olkin 1985, p. 86), `LS2`, `UB`
        (Hedges 1983) or `AV`.
    exact: exact or approximate J.
    Raises `EstimationError` for a standard deviation of 0 or less or a group below 2.
    """
    m1, sd1, n1, m2, sd2, n2 = as_vectors(m1i=m1i, sd1i=sd1i, n1i=n1i, m2i=m2i, sd2i=sd2i, n2i=n2i)
    require(~(sd1 <= 0) & ~(sd2 <= 0), "standard deviations must be greater than 0")
    require(~(n1 < 2) & ~(n2 < 2), "each group needs at least 2 participants")
    formula = named(variance, SMD_VARIANCES, "variance formula")
    df = n1 + n2 - 2.0
    pooled = np.sqrt(((n1 - 1.0) * sd1**2 + (n2 - 1.0) * sd2**2) / df)
    j = hedges_j(df, exact=exact)
    g = j * (m1 - m2) / pooled
    label = f"hedges_g/{'exact' if exact else 'approximate'}_j/{variance}"
    return EffectSizes("SMD", g, formula(g, j, n1, n2), label)


def mean_difference(
    m1i: ArrayLike,
    sd1i: ArrayLike,
    n1i: ArrayLike,
    m2i: ArrayLike,
    sd2i: ArrayLike,
    n2i: ArrayLike,
) -> EffectSizes:
    """Raw mean difference m1 - m2 in units of the instrument; variance sd1^2/n1 + sd2^2/n2."""
    m1, sd1, n1, m2, sd2, n2 = as_vectors(m1i=m1i, sd1i=sd1i, n1i=n1i, m2i=m2i, sd2i=sd2i, n2i=n2i)
    require(~(sd1 < 0) & ~(sd2 < 0), "standard deviations must not be negative")
    return EffectSizes("MD", m1 - m2, sd1**2 / n1 + sd2**2 / n2, "mean_difference/unequal_sd")
