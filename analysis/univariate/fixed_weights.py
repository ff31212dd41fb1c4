"""Pooling with weights that the data do not choose: equal ones, sample sizes, quality scores."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import as_vector, check_estimates, require
from analysis.distributions import critical_value, two_sided_p
from analysis.errors import EstimationError
from analysis.results import Result
from analysis.univariate.tau2 import (
    estimate_tau2,
    generalized_moments,
    generalized_moments_error,
    tau2_standard_error,
)

TAU2_BY_WEIGHTS = "GENQ"


@dataclass(frozen=True)
class WeightedMean(Result):
    """Mean of k effects with given weights: normal test and interval, tau2 by `method` with its
    large-sample standard error."""

    k: int
    mu: float
    se: float
    statistic: float
    pvalue: float
    ci_lb: float
    ci_ub: float
    tau2: float
    se_tau2: float
    method: str


def weighted_mean(
    yi: ArrayLike,
    vi: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    method: str = "REML",
    level: float = 0.95,
) -> WeightedMean:
    """Mean with weights a_i (equal when none are given), se^2 = sum a_i^2 (v_i + tau2) /
    (sum a_i)^2.

    method: an estimator of tau2 from `TAU2_METHODS`, or `GENQ` for the moment estimator with the
    same weights (Jackson 2013). Fixed weights lose precision, but small studies gain no weight
    from heterogeneity, as they do under random effects (Henmi and Copas 2010).
    Raises `EstimationError` for weights that are not positive and for fewer than 2 effects.
    """
    effects, variances = check_estimates(yi, vi)
    a = np.ones_like(effects) if weights is None else as_vector(weights, "weights")
    if a.size != effects.size:
        raise EstimationError(f"{a.size} weights for {effects.size} effects")
    require(np.isfinite(a) & (a > 0), "weights must be finite and greater than 0")
    ones = np.ones((effects.size, 1))
    if method == TAU2_BY_WEIGHTS:
        tau2 = generalized_moments(effects, variances, ones, a)
        error = generalized_moments_error(tau2, variances, ones, a)
    else:
        tau2 = estimate_tau2(effects, variances, ones, method)
        error = tau2_standard_error(tau2, effects, variances, ones, method)
    total = float(a.sum())
    mu = float(a @ effects) / total
    se = math.sqrt(float(a**2 @ (variances + tau2))) / total
    half = critical_value(level, math.inf) * se
    return WeightedMean(
        effects.size,
        mu,
        se,
        mu / se,
        two_sided_p(mu / se),
        mu - half,
        mu + half,
        tau2,
        error,
        method,
    )
