"""Choices of the analyst that move numbers; every release carries them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AnalysisSettings:
    """Defaults are the primary analysis.

    assumed_correlation: within-arm correlation of intention with behavior where no trial data
    give one; correlation_grid: values it is varied over. within_construct_correlation: of two
    measures of one construct. smallest_worthwhile: smallest behavior effect (SD units) that
    counts as acting. intender_rule: how a score becomes `intends`.
    """

    tau2_method: str = "REML"
    ci_method: str = "knapp_hartung"
    pi_method: str = "t_k_minus_1"
    level: float = 0.95
    smd_variance: str = "LS"
    odds_to_smd: str = "logistic"
    zero_cells: str = "only0"
    assumed_correlation: float = 0.5
    within_construct_correlation: float = 0.6
    correlation_grid: tuple[float, ...] = (0.0, 0.3, 0.5, 0.7, 0.9)
    smallest_worthwhile: float = 0.0
    intender_rule: str = "R2"
    seed: int = 20240501
