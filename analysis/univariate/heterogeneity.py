"""How much effects differ beyond sampling error: Q, I2, H2 and fit statistics."""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.arrays import Floats
from analysis.distributions import chi2_sf
from analysis.results import Result
from analysis.univariate.least_squares import generalized_q, trace_p


@dataclass(frozen=True)
class Heterogeneity(Result):
    """Q with its df and p-value, I2 in percent, H2 and the typical sampling variance."""

    q: float
    q_df: int
    q_pvalue: float
    i2: float
    h2: float
    typical_v: float


def typical_variance(vi: Floats, design: Floats) -> float:
    """Typical sampling variance (k - p) / trace(P) of Higgins and Thompson (2002, eq. 9)."""
    return float((vi.size - design.shape[1]) / trace_p(1.0 / vi, design))


def describe_heterogeneity(
    yi: Floats, vi: Floats, design: Floats, tau2: float, method: str
) -> Heterogeneity:
    """Q, I2 and H2; I2 = 100 tau2 / (tau2 + typical variance), from Q for equal effects."""
    degrees = yi.size - design.shape[1]
    if degrees < 1:
        return Heterogeneity(0.0, degrees, math.nan, math.nan, math.nan, math.nan)
    q = generalized_q(0.0, yi, vi, design)
    typical = typical_variance(vi, design)
    if method == "EE":
        i2, h2 = max(0.0, 100.0 * (q - degrees) / q) if q > 0 else 0.0, q / degrees
    else:
        i2, h2 = 100.0 * tau2 / (tau2 + typical), tau2 / typical + 1.0
    return Heterogeneity(q, degrees, chi2_sf(q, degrees), i2, h2, typical)


@dataclass(frozen=True)
class FitStatistics(Result):
    """Deviance (against the saturated model for ML, -2 log-likelihood for REML) and information
    criteria; smaller is better, comparable between models of the same effects fitted by the same
    method (REML: the same coefficients too)."""

    loglik: float
    deviance: float
    aic: float
    bic: float
    aicc: float


def fit_statistics(
    loglik: float, parameters: int, k: int, p: int, *, restricted: bool, saturated: float = 0.0
) -> FitStatistics:
    """AIC, BIC and AICc of a fit with a number of parameters (coefficients and variances).

    k, p: effects and coefficients; the effective number of observations is k - p under REML.
    saturated: log-likelihood of the saturated model, for the deviance under ML.
    """
    n = k - p if restricted else k
    aic = 2.0 * parameters - 2.0 * loglik
    # As metafor: at least parameters + 2 observations, so that the factor stays positive.
    few = max(n, parameters + 2)
    aicc = -2.0 * loglik + 2.0 * parameters * few / (few - parameters - 1.0)
    return FitStatistics(
        loglik,
        -2.0 * loglik if restricted else 2.0 * (saturated - loglik),
        aic,
        parameters * math.log(n) - 2.0 * loglik,
        aicc,
    )
