"""Correlations: Fisher's z, conversion to d, and removal of the treatment part."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.arrays import Floats, named, require
from analysis.effect_sizes.base import EffectSizes, mean_over_rows, quiet, told_from_one, vectors


@quiet
def fisher_z(ri: ArrayLike, ni: ArrayLike) -> EffectSizes:
    """Fisher's z = atanh(r) with variance 1/(n - 3).

    Raises `EstimationError` for |r| >= 1 or n <= 3.
    """
    r, n = vectors(ri=ri, ni=ni)
    require(~(np.abs(r) >= 1), "a correlation must lie strictly between -1 and 1")
    require(~(n <= 3), "Fisher's z needs more than 3 participants")
    return EffectSizes("ZCOR", np.arctanh(r), 1.0 / (n - 3.0), "fisher_z")


@quiet
def raw_correlation(ri: ArrayLike, ni: ArrayLike, *, variance: str = "LS") -> EffectSizes:
    """Pearson's r with variance (1 - r^2)^2 / (n - 1) (`LS`), or with the mean r weighted by n in
    its place (`AV`). Pool Fisher's z unless the scale of r itself is wanted."""
    named(variance, ("LS", "AV"), "variance formula")
    r, n = _correlations(ri, ni)
    center = r if variance == "LS" else np.full_like(r, mean_over_rows(r, n))
    return EffectSizes("COR", r, (1.0 - center**2) ** 2 / (n - 1.0), f"correlation/{variance}")


@quiet
def unbiased_correlation(ri: ArrayLike, ni: ArrayLike, *, variance: str = "LS") -> EffectSizes:
    """Correlation corrected for its bias, r 2F1(1/2, 1/2; (n - 2)/2; 1 - r^2) (Olkin and Pratt
    1958, Ann Math Stat 29:201), with the variance of `raw_correlation` at it (`LS`) or the
    unbiased one (`UB`)."""
    named(variance, ("LS", "UB"), "variance formula")
    r, n = _correlations(ri, ni)
    require(~(n <= 4), "the corrected correlation needs more than 4 participants")
    rest = 1.0 - r**2
    yi = r * _hypergeometric(0.5, (n - 2.0) / 2.0, rest)
    vi = (1.0 - yi**2) ** 2 / (n - 1.0)
    if variance == "UB":
        again = _hypergeometric(1.0, n / 2.0, rest)
        vi = yi**2 - 1.0 + (n - 3.0) / (n - 2.0) * rest * again
    return EffectSizes("UCOR", yi, vi, f"correlation_unbiased/{variance}")


def _hypergeometric(a: float, c: Floats, z: Floats) -> Floats:
    """2F1(a, a; c; z) for 0 <= z <= 1; by its series where c is large, which library routines
    do not always survive."""
    total, term = np.ones_like(z), np.ones_like(z)
    for i in range(200):
        term = term * (a + i) ** 2 / ((c + i) * (i + 1.0)) * z
        total = total + term
    return np.asarray(np.where(c > 20.0, total, special.hyp2f1(a, a, np.minimum(c, 20.0), z)))


def _correlations(ri: ArrayLike, ni: ArrayLike) -> list[Floats]:
    r, n = vectors(ri=ri, ni=ni)
    require(~(np.abs(r) > 1), "a correlation lies between -1 and 1")
    require(~(n < 2), "a correlation needs at least 2 participants")
    return [r, n]


@quiet
def partial_correlation(
    ti: ArrayLike, ni: ArrayLike, predictors: ArrayLike, *, fisher: bool = True
) -> EffectSizes:
    """Partial correlation from the t of a regression coefficient, r = t / sqrt(t^2 + df).

    predictors: number of predictors, the one of interest included; df = n - predictors - 1.
    fisher: as Fisher's z with variance 1/(df - 1) (`ZPCOR`), else r with (1 - r^2)^2/df (`PCOR`).
    """
    t, n, m = vectors(ti=ti, ni=ni, predictors=predictors)
    df = n - m - 1.0
    require(~(df <= 1), "a partial correlation needs more than 1 degree of freedom")
    r = told_from_one(t / np.sqrt(t**2 + df))
    if fisher:
        return EffectSizes("ZPCOR", np.arctanh(r), 1.0 / (df - 1.0), "partial_correlation/z")
    return EffectSizes("PCOR", r, (1.0 - r**2) ** 2 / df, "partial_correlation/r")


_ROUNDING_OF_R2 = 0.005
"""Half a unit of the second decimal that R2 is printed with."""


@quiet
def semipartial_correlation(
    ti: ArrayLike, ni: ArrayLike, predictors: ArrayLike, r_squared: ArrayLike
) -> EffectSizes:
    """Semi-partial correlation from t and the R2 of the whole regression, t sqrt((1 - R2)/df),
    with the variance of Aloe and Becker (2012, J Educ Behav Stat 37:278)."""
    t, n, m, r2 = vectors(ti=ti, ni=ni, predictors=predictors, r_squared=r_squared)
    df = n - m - 1.0
    require(~(df <= 0), "a semi-partial correlation needs a positive number of df")
    require(~(r2 < 0) & ~(r2 >= 1), "R2 lies between 0 and 1")
    r = t * np.sqrt((1.0 - r2) / df)
    require(~(r**2 > r2 + _ROUNDING_OF_R2), "t is larger than R2 allows")
    without = r2 - r**2
    vi = (r2**2 - 2.0 * r2 + without + 1.0 - without**2) / n
    return EffectSizes("SPCOR", r, vi, "semipartial_correlation/aloe_becker")


@quiet
def correlation_to_smd(ri: ArrayLike, n1i: ArrayLike, n2i: ArrayLike) -> Floats:
    """Cohen's d from the point-biserial correlation of arm with outcome.

    d = r sqrt(h / (1 - r^2)) with h = m/n1 + m/n2 and m = n1 + n2 - 2, the exact inverse of
    r = d / sqrt(d^2 + h) (Jacobs and Viechtbauer 2017, Res Synth Methods 8:161).
    """
    r, n1, n2 = vectors(ri=ri, n1i=n1i, n2i=n2i)
    require(~(np.abs(r) >= 1), "a correlation must lie strictly between -1 and 1")
    require(~(n1 < 1) & ~(n2 < 1), "each group needs at least 1 participant")
    m = n1 + n2 - 2.0
    require(~(m <= 0), "the groups need more than 2 participants together")
    return r * np.sqrt((m / n1 + m / n2) / (1.0 - r**2))


@quiet
def smd_to_correlation(d: ArrayLike, n1i: ArrayLike, n2i: ArrayLike) -> Floats:
    """Point-biserial correlation of arm with outcome from Cohen's d: r = d / sqrt(d^2 + h) with
    h as in `correlation_to_smd` (h = 4 where a group size is not known)."""
    effect, n1, n2 = vectors(d=d, n1i=n1i, n2i=n2i)
    require(~(n1 < 1) & ~(n2 < 1), "each group needs at least 1 participant")
    m = n1 + n2 - 2.0
    require(~(m <= 0), "the groups need more than 2 participants together")
    h = np.where(np.isfinite(m), m / n1 + m / n2, 4.0)
    return effect / np.sqrt(effect**2 + h)


@quiet
def within_arm_correlation(
    r_total: ArrayLike, r_arm_intention: ArrayLike, r_arm_behavior: ArrayLike
) -> Floats:
    """Within-arm correlation from the total-sample one, as a partial correlation given arm.

    r_total: intention with behavior over all arms; r_arm_intention, r_arm_behavior:
    point-biserial correlations of arm with each outcome. A result beyond -1 or 1 says that the
    three contradict each other: it is no correlation, and the caller must refuse it.
    """
    r, ri, rb = vectors(
        r_total=r_total, r_arm_intention=r_arm_intention, r_arm_behavior=r_arm_behavior
    )
    require(~(np.abs(r) > 1), "a correlation lies between -1 and 1")
    require(~(np.abs(ri) >= 1) & ~(np.abs(rb) >= 1), "correlations with arm must be below 1")
    return (r - ri * rb) / np.sqrt((1.0 - ri**2) * (1.0 - rb**2))
