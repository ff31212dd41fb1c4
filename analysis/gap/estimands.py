"""Estimands of the gap from two means and their covariance, and what an estimate carries."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.distributions import (
    bivariate_normal_cdf,
    critical_value,
    normal_cdf,
    two_sided_p,
)
from analysis.gap.fieller import fieller_set
from analysis.results import Result

UPSTREAM, BEHAVIOR = 0, 1
DIFFERENCE = np.array([1.0, -1.0])
PRIMARY = "primary"
"""Name of the method whose covariance `wider_method` picks for each contrast."""
MODEL_FLOOR = "CR2/model_floor"
"""The model-based variance with the df of CR2, where CR2 itself falls below it."""
FIELLER = "fieller"
INDIRECT = "indirect"
"""Status of a difference between trials of one outcome and other trials of the other."""
_ROUNDING = 1e-9

ESTIMANDS = {
    "difference": "pooled upstream effect minus pooled behavior effect, SD units; 0 = no gap",
    "transmission_ratio": "pooled behavior effect over pooled upstream effect; 1 = no gap",
    "mediation_shortfall": "behavior effect minus what the upstream effect would carry at the "
    "within-arm correlation; 0 = no gap beyond the ordinary correlation",
    "predictive_gap": "difference in a new setting, with its prediction interval",
    "probability_upstream_rises_behavior_does_not": "share of settings in which the upstream "
    "effect is above 0 and the behavior effect at or below the smallest worthwhile one",
}


@dataclass(frozen=True)
class GapEstimate(Result):
    """One estimate of one estimand, unrounded.

    se, statistic, df, pvalue: nan where the estimand has none. interval_kind: `confidence`,
    `prediction`, or a Fieller kind (`interval`, `two_rays`, `everything`). method: how the
    uncertainty was made. status: `ok` or why there is no number, with `reason` in words.
    """

    estimand: str
    estimate: float
    se: float
    statistic: float
    df: float
    pvalue: float
    ci_lb: float
    ci_ub: float
    interval_kind: str
    method: str
    status: str = "ok"
    reason: str = ""


def standard_error(covariance: Floats, contrast: Floats) -> float:
    """Standard error of a contrast of the means; rounding below 0 counts as 0."""
    return math.sqrt(max(0.0, float(contrast @ covariance @ contrast)))


def estimate_of(
    estimand: str, value: float, se: float, df: float, level: float, method: str
) -> GapEstimate:
    statistic = value / se if se > 0 else math.nan
    half = critical_value(level, df) * se
    return GapEstimate(
        estimand,
        value,
        se,
        statistic,
        df,
        two_sided_p(statistic, df),
        value - half,
        value + half,
        "confidence",
        method,
    )


def missing_estimate(estimand: str, method: str, status: str, reason: str) -> GapEstimate:
    """An estimand without a number, with the reason."""
    nan = math.nan
    return GapEstimate(estimand, nan, nan, nan, nan, nan, nan, nan, "none", method, status, reason)


def unpaired_reason(upstream: str, behavior: str, k_upstream: int, k_behavior: int) -> str:
    """Why trials that have one outcome each give no estimate of the gap."""
    return (
        f"no trial has effects on both {upstream} and {behavior}: the {k_upstream} with an effect "
        f"on {upstream} and the {k_behavior} with one on {behavior} are different trials"
    )


def wider_method(model_based: Floats, robust: Floats, df: float, contrast: Floats) -> str:
    """Which covariance of the two means a primary interval rests on: `CR2` unless the model-based
    one has the larger variance at the contrast, then `CR2/model_floor`.

    A robust variance is an average of a few squared residuals. Where these happen to be small it
    falls below what sampling error and the fitted variances alone make of the contrast, which no
    data can. The t quantile stays the one with Satterthwaite df (df) in both cases; without such df
    the normal one of `model` is left.
    """
    if not df > 0.0:
        return "model"
    by_model, by_cr2 = (standard_error(v, contrast) for v in (model_based, robust))
    return MODEL_FLOOR if by_model > by_cr2 * (1.0 + _ROUNDING) else "CR2"


def difference_of(
    means: Floats, covariance: Floats, df: float, level: float, method: str
) -> GapEstimate:
    """`difference` from the two means (upstream, behavior) and their covariance."""
    value, se = float(DIFFERENCE @ means), standard_error(covariance, DIFFERENCE)
    return estimate_of("difference", value, se, df, level, method)


def ratio_of(means: Floats, v: Floats, df: float, level: float, method: str) -> GapEstimate:
    """`transmission_ratio` from the two means (upstream, behavior), their covariance v and the df
    of the linear form at the estimate."""
    intention, behavior = (float(one) for one in means)
    if intention == 0.0:
        return missing_estimate(
            "transmission_ratio", method, "undefined", "the pooled upstream effect is exactly 0"
        )
    ratio = behavior / intention
    se = standard_error(v, np.array([-ratio, 1.0])) / abs(intention)
    if math.isnan(df):
        return missing_estimate(
            "transmission_ratio", method, "degenerate", "the df of the ratio are not determined"
        )
    limits = fieller_set(
        behavior,
        intention,
        float(v[1, 1]),
        float(v[0, 0]),
        float(v[0, 1]),
        critical_value(level, df),
    )
    return GapEstimate(
        "transmission_ratio",
        ratio,
        se,
        math.nan,
        df,
        math.nan,
        limits.lower,
        limits.upper,
        limits.kind,
        f"{method}/{FIELLER}",
    )


def probability_of_a_gap(means: Floats, covariance: Floats, threshold: float) -> float:
    """P(upstream > 0, behavior <= threshold) of a bivariate normal with positive variances."""
    sd = np.sqrt(np.diag(covariance))
    rho = float(np.clip(covariance[0, 1] / (sd[0] * sd[1]), -1.0, 1.0))
    h = (threshold - float(means[1])) / float(sd[1])
    return float(normal_cdf(h)) - bivariate_normal_cdf(-float(means[0]) / float(sd[0]), h, rho)
