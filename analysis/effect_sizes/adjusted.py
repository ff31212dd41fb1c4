"""Effects adjusted for a baseline covariate or for clustering."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, require
from analysis.effect_sizes.base import EffectSizes, quiet, vectors
from analysis.effect_sizes.standardized import hedges_j


@quiet
def ancova_standardized_mean_difference(
    adjusted_difference: ArrayLike,
    sd_pooled: ArrayLike,
    correlation: ArrayLike,
    n1i: ArrayLike,
    n2i: ArrayLike,
    *,
    covariates: int = 1,
) -> EffectSizes:
    """Hedges' g of a covariate-adjusted mean difference, standardized by the raw pooled SD.

    adjusted_difference: intervention minus comparator from the ANCOVA, instrument units.
    sd_pooled: pooled SD of the unadjusted outcome. correlation: multiple correlation of the
    outcome with the covariates within arms.
    v = (1/n1 + 1/n2)(1 - R^2) + g^2 / (2 (n1 + n2)) (Borenstein et al., in Cooper, Hedges and
    Valentine, Handbook of Research Synthesis, ch. 12, eq. 12.24 with g for d).
    """
    difference, sd, r, n1, n2 = vectors(
        adjusted_difference=adjusted_difference,
        sd_pooled=sd_pooled,
        correlation=correlation,
        n1i=n1i,
        n2i=n2i,
    )
    require(~(sd <= 0), "the pooled SD must be greater than 0")
    require(~(n1 < 2) & ~(n2 < 2), "each group needs at least 2 participants")
    require(~(np.abs(r) >= 1), "the correlation must lie strictly between -1 and 1")
    g = hedges_j(n1 + n2 - 2.0 - covariates) * difference / sd
    vi = (1.0 / n1 + 1.0 / n2) * (1.0 - r**2) + g**2 / (2.0 * (n1 + n2))
    return EffectSizes("SMD", g, vi, "hedges_g_ancova/exact_j/LS")


@quiet
def design_effect(cluster_size: ArrayLike, icc: ArrayLike) -> Floats:
    """Design effect 1 + (m - 1) ICC of a cluster trial with mean cluster size m (Kish 1965)."""
    size, correlation = vectors(cluster_size=cluster_size, icc=icc)
    require(~(size < 1), "the mean cluster size must be at least 1")
    require(~(correlation < 0) & ~(correlation > 1), "the ICC must lie between 0 and 1")
    return 1.0 + (size - 1.0) * correlation


@quiet
def inflate_for_clustering(effects: EffectSizes, effect_of_design: ArrayLike) -> EffectSizes:
    """Multiply the sampling variances by the design effect (effects stay as they are)."""
    vi, inflation = vectors(vi=effects.vi, design_effect=effect_of_design)
    require(~(inflation < 1), "a design effect is at least 1")
    return EffectSizes(
        effects.measure, effects.yi, vi * inflation, f"{effects.formula}/design_effect"
    )


@quiet
def cluster_standardized_mean_difference(
    d: ArrayLike, n1i: ArrayLike, n2i: ArrayLike, cluster_size: ArrayLike, icc: ArrayLike
) -> EffectSizes:
    """Hedges' g of a cluster trial, standardized by the total standard deviation.

    d: Cohen's d with the pooled standard deviation of persons, clustering ignored; n1i, n2i:
    persons; cluster_size: persons per cluster (equal sizes); icc: intracluster correlation.
    Hedges (2007, J Educ Behav Stat 32:341), eqs 15 and 16, with J at the effective df of its
    eq. 17.
    """
    effect, n1, n2, size, rho = vectors(d=d, n1i=n1i, n2i=n2i, cluster_size=cluster_size, icc=icc)
    total = n1 + n2
    require(~(size > n1) & ~(size > n2), "a cluster cannot be larger than its arm")
    inflation = design_effect(size, rho)
    shrunk = (total - 2.0) - 2.0 * (size - 1.0) * rho
    require(~(shrunk <= 0), "too few clusters for clusters of this size")
    spread = (
        (total - 2.0) * (1.0 - rho) ** 2
        + size * (total - 2.0 * size) * rho**2
        + 2.0 * (total - 2.0 * size) * rho * (1.0 - rho)
    )
    corrected = effect * np.sqrt(shrunk / (total - 2.0))
    vi = total / (n1 * n2) * inflation + corrected**2 * spread / (2.0 * (total - 2.0) * shrunk)
    j = hedges_j(shrunk**2 / spread)
    return EffectSizes("SMD", j * corrected, j**2 * vi, "hedges_g_cluster/hedges_2007")
