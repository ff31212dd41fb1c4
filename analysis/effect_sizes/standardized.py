"""Mean differences and standardized mean differences of two independent groups.

Group 1 is the intervention, group 2 the comparator, as in metafor.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.arrays import Floats, named, require
from analysis.effect_sizes.base import EffectSizes, mean_over_rows, quiet, vectors


@quiet
def hedges_j(df: ArrayLike, *, exact: bool = True) -> Floats:
    """Small-sample correction factor of Cohen's d.

    df: degrees of freedom of the standardizer, one value per row; nan up to 1.
    exact: J = gamma(df/2) / (sqrt(df/2) gamma((df-1)/2)), Hedges (1981, J Educ Stat 6:107,
        eq. 6e), above a million df by its series (the logarithms of the gammas lose their
        difference); otherwise the usual approximation 1 - 3/(4 df - 1).
    """
    freedom = np.atleast_1d(np.asarray(df, dtype=np.float64))
    freedom = np.where(freedom > 1.0, freedom, np.nan)
    if not exact:
        return 1.0 - 3.0 / (4.0 * freedom - 1.0)
    half = np.minimum(freedom, _MANY_DF) / 2.0
    exactly = np.exp(special.gammaln(half) - 0.5 * np.log(half) - special.gammaln(half - 0.5))
    series = 1.0 - 3.0 / (4.0 * freedom) - 7.0 / (32.0 * freedom**2)
    return np.where(freedom > _MANY_DF, series, exactly)


_MANY_DF = 1e6


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
    mean_g = mean_over_rows(g, weights)
    return 1.0 / n1 + 1.0 / n2 + mean_g**2 / (2.0 * weights)


SMD_VARIANCES: dict[str, Callable[[Floats, Floats, Floats, Floats], Floats]] = {
    "LS": _variance_ls,
    "LS2": _variance_ls2,
    "UB": _variance_ub,
    "AV": _variance_av,
}
"""Variance formulas of g by metafor's names: large-sample with g, large-sample with d times
J squared, unbiased, and large-sample with the average g."""


@quiet
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
    m1, sd1, n1, m2, sd2, n2 = two_groups(m1i, sd1i, n1i, m2i, sd2i, n2i)
    formula = named(variance, SMD_VARIANCES, "variance formula")
    j = hedges_j(n1 + n2 - 2.0, exact=exact)
    g = j * (m1 - m2) / np.sqrt(pooled_variance(sd1, n1, sd2, n2))
    label = f"hedges_g/{'exact' if exact else 'approximate'}_j/{variance}"
    return EffectSizes("SMD", g, formula(g, j, n1, n2), label)


@quiet
def standardized_mean_difference_unequal(
    m1i: ArrayLike,
    sd1i: ArrayLike,
    n1i: ArrayLike,
    m2i: ArrayLike,
    sd2i: ArrayLike,
    n2i: ArrayLike,
    *,
    variance: str = "LS",
) -> EffectSizes:
    """Standardized mean difference with the root of the mean variance as the standardizer, for
    groups whose standard deviations differ.

    g = J (m1 - m2)/s, s^2 = (sd1^2 + sd2^2)/2, J with n1 + n2 - 2 df. variance: Bonett (2008,
    Psychol Methods 13:99) with g (`LS`), or J^2 times the same with d (`LS2`).
    """
    named(variance, ("LS", "LS2"), "variance formula")
    m1, sd1, n1, m2, sd2, n2 = two_groups(m1i, sd1i, n1i, m2i, sd2i, n2i)
    v1, v2 = sd1**2, sd2**2
    mean = (v1 + v2) / 2.0
    j = hedges_j(n1 + n2 - 2.0)
    d = (m1 - m2) / np.sqrt(mean)
    of_sd = (v1**2 / (n1 - 1.0) + v2**2 / (n2 - 1.0)) / (8.0 * mean**2)
    of_means = (v1 / (n1 - 1.0) + v2 / (n2 - 1.0)) / mean
    vi = (j * d) ** 2 * of_sd + of_means
    if variance == "LS2":
        vi = j**2 * (d**2 * of_sd + of_means)
    return EffectSizes("SMDH", j * d, vi, f"standardized_unequal_sd/bonett/{variance}")


@quiet
def glass_delta(
    m1i: ArrayLike,
    sd1i: ArrayLike,
    n1i: ArrayLike,
    m2i: ArrayLike,
    sd2i: ArrayLike,
    n2i: ArrayLike,
    *,
    equal_sd: bool = True,
) -> EffectSizes:
    """Glass's delta, J (m1 - m2) / sd2: standardized by the comparator's standard deviation, J
    with n2 - 1 df.

    equal_sd: variance 1/n1 + 1/n2 + g^2/(2 n2); without it the one of Bonett (2008, eq. 11),
    (sd1^2/sd2^2)/(n1 - 1) + 1/(n2 - 1) + g^2/(2 (n2 - 1)).
    """
    m1, sd1, n1, m2, sd2, n2 = two_groups(m1i, sd1i, n1i, m2i, sd2i, n2i)
    g = hedges_j(n2 - 1.0) * (m1 - m2) / sd2
    if equal_sd:
        vi = 1.0 / n1 + 1.0 / n2 + g**2 / (2.0 * n2)
        return EffectSizes("SMD1", g, vi, "glass_delta/equal_sd")
    vi = (sd1 / sd2) ** 2 / (n1 - 1.0) + 1.0 / (n2 - 1.0) + g**2 / (2.0 * (n2 - 1.0))
    return EffectSizes("SMD1H", g, vi, "glass_delta/unequal_sd")


@quiet
def pooled_variance(sd1: Floats, n1: Floats, sd2: Floats, n2: Floats) -> Floats:
    """Variance within two groups, with n1 + n2 - 2 df."""
    return ((n1 - 1.0) * sd1**2 + (n2 - 1.0) * sd2**2) / (n1 + n2 - 2.0)


@quiet
def two_groups(*columns: ArrayLike) -> list[Floats]:
    """Means, standard deviations and sizes of two groups as vectors, checked."""
    names = ("m1i", "sd1i", "n1i", "m2i", "sd2i", "n2i")
    m1, sd1, n1, m2, sd2, n2 = vectors(**dict(zip(names, columns, strict=True)))
    require(~(sd1 <= 0) & ~(sd2 <= 0), "standard deviations must be greater than 0")
    require(~(n1 < 2) & ~(n2 < 2), "each group needs at least 2 participants")
    return [m1, sd1, n1, m2, sd2, n2]


MD_VARIANCES = {
    "LS": "each group its own standard deviation",
    "HO": "one standard deviation, pooled over the two groups",
}


@quiet
def mean_difference(
    m1i: ArrayLike,
    sd1i: ArrayLike,
    n1i: ArrayLike,
    m2i: ArrayLike,
    sd2i: ArrayLike,
    n2i: ArrayLike,
    *,
    variance: str = "LS",
) -> EffectSizes:
    """Raw mean difference m1 - m2 in units of the instrument; variance sd1^2/n1 + sd2^2/n2, or
    s_pooled^2 (1/n1 + 1/n2) with `HO` (`MD_VARIANCES`)."""
    named(variance, MD_VARIANCES, "variance formula")
    m1, sd1, n1, m2, sd2, n2 = vectors(m1i=m1i, sd1i=sd1i, n1i=n1i, m2i=m2i, sd2i=sd2i, n2i=n2i)
    require(~(sd1 < 0) & ~(sd2 < 0), "standard deviations must not be negative")
    require(~(n1 < 1) & ~(n2 < 1), "each group needs at least 1 participant")
    if variance == "HO":
        require(~(n1 + n2 <= 2), "a pooled standard deviation needs 3 participants")
        vi = pooled_variance(sd1, n1, sd2, n2) * (1.0 / n1 + 1.0 / n2)
        return EffectSizes("MD", m1 - m2, vi, "mean_difference/equal_sd")
    return EffectSizes("MD", m1 - m2, sd1**2 / n1 + sd2**2 / n2, "mean_difference/unequal_sd")
