"""Ratios of means, of variation and of variability: for instruments with a true zero.

Group 1 is the intervention, group 2 the comparator. Effects are logarithms of ratios.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import named, require
from analysis.effect_sizes.base import EffectSizes, mean_over_rows, quiet, vectors
from analysis.effect_sizes.standardized import pooled_variance

ROM_VARIANCES = {
    "LS": "each group its own coefficient of variation",
    "HO": "one standard deviation for both groups of a row",
    "AV": "the mean coefficient of variation of each group over the rows",
    "AVHO": "the mean coefficient of variation over groups and rows",
}
"""Variance formulas of the log ratio of means, by metafor's names."""


@quiet
def log_ratio_of_means(
    m1i: ArrayLike,
    sd1i: ArrayLike,
    n1i: ArrayLike,
    m2i: ArrayLike,
    sd2i: ArrayLike,
    n2i: ArrayLike,
    *,
    variance: str = "LS",
) -> EffectSizes:
    """log(m1 / m2) with variance cv1^2/n1 + cv2^2/n2, cv = sd/m (Hedges, Gurevitch and Curtis
    1999, Ecology 80:1150), or another of `ROM_VARIANCES`. No correction for bias is applied.

    Raises `EstimationError` when means do not have the same sign in a row.
    """
    m1, sd1, n1, m2, sd2, n2 = vectors(m1i=m1i, sd1i=sd1i, n1i=n1i, m2i=m2i, sd2i=sd2i, n2i=n2i)
    named(variance, ROM_VARIANCES, "variance formula")
    require(~(sd1 < 0) & ~(sd2 < 0), "standard deviations must not be negative")
    require(~(n1 < 2) & ~(n2 < 2), "each group needs at least 2 participants")
    require(~(m1 * m2 <= 0), "a ratio needs means of the same sign, other than 0")
    cv1, cv2 = sd1 / m1, sd2 / m2
    if variance == "HO":
        pooled = pooled_variance(sd1, n1, sd2, n2)
        vi = pooled / (n1 * m1**2) + pooled / (n2 * m2**2)
    elif variance == "AV":
        vi = mean_over_rows(cv1, n1) ** 2 / n1 + mean_over_rows(cv2, n2) ** 2 / n2
    elif variance == "AVHO":
        both = mean_over_rows(np.concatenate([cv1, cv2]), np.concatenate([n1, n2]))
        vi = both**2 * (1.0 / n1 + 1.0 / n2)
    else:
        vi = cv1**2 / n1 + cv2**2 / n2
    return EffectSizes("ROM", np.log(m1 / m2), vi, f"log_ratio_of_means/{variance}")


@quiet
def log_coefficient_of_variation_ratio(
    m1i: ArrayLike,
    sd1i: ArrayLike,
    n1i: ArrayLike,
    m2i: ArrayLike,
    sd2i: ArrayLike,
    n2i: ArrayLike,
) -> EffectSizes:
    """log(cv1 / cv2), each with 1 / (2 (n - 1)) added (Nakagawa et al. 2015, Methods Ecol Evol
    6:143), mean and standard deviation taken as uncorrelated."""
    one = log_coefficient_of_variation(m1i, sd1i, n1i)
    two = log_coefficient_of_variation(m2i, sd2i, n2i)
    return EffectSizes("CVR", one.yi - two.yi, one.vi + two.vi, "log_cv_ratio")


@quiet
def log_variability_ratio(
    sd1i: ArrayLike, n1i: ArrayLike, sd2i: ArrayLike, n2i: ArrayLike
) -> EffectSizes:
    """log(sd1 / sd2), each with 1 / (2 (n - 1)) added; variance 1/(2(n1-1)) + 1/(2(n2-1))
    (Nakagawa et al. 2015)."""
    one, two = log_standard_deviation(sd1i, n1i), log_standard_deviation(sd2i, n2i)
    return EffectSizes("VR", one.yi - two.yi, one.vi + two.vi, "log_variability_ratio")


@quiet
def single_mean(mi: ArrayLike, sdi: ArrayLike, ni: ArrayLike) -> EffectSizes:
    """Mean of one group with variance sd^2 / n."""
    m, sd, n = vectors(mi=mi, sdi=sdi, ni=ni)
    require(~(sd < 0), "standard deviations must not be negative")
    require(~(n < 1), "a mean needs at least 1 participant")
    return EffectSizes("MN", m, sd**2 / n, "mean")


@quiet
def log_mean(mi: ArrayLike, sdi: ArrayLike, ni: ArrayLike) -> EffectSizes:
    """Logarithm of a positive mean with variance sd^2 / (n m^2)."""
    m, sd, n = vectors(mi=mi, sdi=sdi, ni=ni)
    require(~(m <= 0), "the logarithm needs means above 0")
    require(~(sd < 0), "standard deviations must not be negative")
    require(~(n < 1), "a mean needs at least 1 participant")
    return EffectSizes("MNLN", np.log(m), sd**2 / (n * m**2), "log_mean")


@quiet
def log_standard_deviation(sdi: ArrayLike, ni: ArrayLike) -> EffectSizes:
    """log(sd) + 1 / (2 (n - 1)) with variance 1 / (2 (n - 1)) (Raudenbush and Bryk 1987)."""
    sd, n = vectors(sdi=sdi, ni=ni)
    require(~(sd <= 0), "standard deviations must be greater than 0")
    require(~(n < 2), "a standard deviation needs at least 2 participants")
    half = 1.0 / (2.0 * (n - 1.0))
    return EffectSizes("SDLN", np.log(sd) + half, half, "log_standard_deviation")


@quiet
def log_coefficient_of_variation(mi: ArrayLike, sdi: ArrayLike, ni: ArrayLike) -> EffectSizes:
    """log(sd / m) + 1 / (2 (n - 1)), variance 1/(2(n-1)) + sd^2/(n m^2)."""
    mean, spread = log_mean(mi, sdi, ni), log_standard_deviation(sdi, ni)
    return EffectSizes("CVLN", spread.yi - mean.yi, spread.vi + mean.vi, "log_cv")
