"""Effect sizes with their sampling variances, one vectorized function per design and scale."""

from analysis.effect_sizes.adjusted import (
    ancova_standardized_mean_difference,
    design_effect,
    inflate_for_clustering,
)
from analysis.effect_sizes.base import EffectSizes
from analysis.effect_sizes.binary import (
    ZERO_CELL_POLICIES,
    log_odds_ratio,
    log_risk_ratio,
    odds_ratio_to_smd,
    risk_difference,
)
from analysis.effect_sizes.correlation import (
    correlation_to_smd,
    fisher_z,
    smd_to_correlation,
    within_arm_correlation,
)
from analysis.effect_sizes.reported import REPORTED_STATISTICS, smd_from_reported
from analysis.effect_sizes.standardized import (
    SMD_VARIANCES,
    hedges_j,
    mean_difference,
    standardized_mean_difference,
)

__all__ = [
    "REPORTED_STATISTICS",
    "SMD_VARIANCES",
    "ZERO_CELL_POLICIES",
    "EffectSizes",
    "ancova_standardized_mean_difference",
    "correlation_to_smd",
    "design_effect",
    "fisher_z",
    "hedges_j",
    "inflate_for_clustering",
    "log_odds_ratio",
    "log_risk_ratio",
    "mean_difference",
    "odds_ratio_to_smd",
    "risk_difference",
    "smd_from_reported",
    "smd_to_correlation",
    "standardized_mean_difference",
    "within_arm_correlation",
]
