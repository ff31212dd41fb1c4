"""From one scale to another: d, log odds ratio, correlation, overlap. Variances come along by the
delta method; the way is appended to the formula."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, named, require
from analysis.distributions import normal_cdf
from analysis.effect_sizes.base import EffectSizes, of_measure, quiet, told_from_one, vectors
from analysis.effect_sizes.binary import ODDS_TO_SMD

_DIFFERENCES = ("SMD", "SMDH", "SMD1", "SMD1H", "PBIT")


@quiet
def smd_to_odds_ratio(effects: EffectSizes, *, method: str = "logistic") -> EffectSizes:
    """Log odds ratios from standardized mean differences, the inverse of `odds_ratio_to_smd`."""
    of_measure(effects, *_DIFFERENCES)
    factor = 1.0 / named(method, ODDS_TO_SMD, "conversion of odds ratios")
    return EffectSizes(
        "OR", effects.yi * factor, effects.vi * factor**2, f"{effects.formula}/to_or_{method}"
    )


@quiet
def smd_effects_to_correlations(
    effects: EffectSizes, n1i: ArrayLike, n2i: ArrayLike
) -> EffectSizes:
    """Point-biserial correlations from standardized mean differences, r = d / sqrt(d^2 + h) with
    h = m/n1 + m/n2, m = n1 + n2 - 2; variance h^2 v / (d^2 + h)^3."""
    of_measure(effects, *_DIFFERENCES)
    d, v, n1, n2 = vectors(yi=effects.yi, vi=effects.vi, n1i=n1i, n2i=n2i)
    require(~(n1 + n2 <= 2), "the groups need more than 2 participants together")
    m = n1 + n2 - 2.0
    h = m / n1 + m / n2
    return EffectSizes(
        "RPB",
        told_from_one(d / np.sqrt(d**2 + h)),
        h**2 * v / (d**2 + h) ** 3,
        f"{effects.formula}/to_r",
    )


@quiet
def correlations_to_smd_effects(effects: EffectSizes) -> EffectSizes:
    """Standardized mean differences from correlations of two measured variables, cut at the
    median of one of them: d = 2 r / sqrt(1 - r^2), variance 4 v / (1 - r^2)^3 (Borenstein et al.
    2009, Introduction to Meta-Analysis, eq. 7.5 and 7.6)."""
    of_measure(effects, "COR", "UCOR", "PCOR", "RBIS", "RTET")
    r, v = effects.yi, effects.vi
    rest = 1.0 - r**2
    return EffectSizes("SMD", 2.0 * r / np.sqrt(rest), 4.0 * v / rest**3, f"{effects.formula}/to_d")


@quiet
def share_above_comparator_mean(d: ArrayLike) -> Floats:
    """Cohen's U3: the share of the intervention group above the comparator's mean, for normal
    outcomes of equal spread."""
    return np.asarray(normal_cdf(np.asarray(d, dtype=np.float64)))


@quiet
def probability_of_superiority(d: ArrayLike) -> Floats:
    """Probability that someone of the intervention group is above someone of the comparator
    (McGraw and Wong 1992, Psychol Bull 111:361)."""
    return np.asarray(normal_cdf(np.asarray(d, dtype=np.float64) / np.sqrt(2.0)))
