"""Pooled effects of one outcome over independent studies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, check_estimates, named
from analysis.distributions import critical_value, two_sided_p
from analysis.results import Result
from analysis.univariate.heterogeneity import Heterogeneity
from analysis.univariate.meta_regression import CI_METHODS, fit_meta_regression
from analysis.univariate.tau2 import TAU2_METHODS
from analysis.univariate.tau2_intervals import Tau2Interval

PREDICTION_METHODS = {
    "t_k_minus_1": "t with k - 1 df and the standard error of the interval method",
    "t_k_minus_2": "t with k - 2 df (Higgins, Thompson and Spiegelhalter 2009)",
    "normal": "normal quantiles",
}

NARROW = "narrower_than_common_effect"
"""Note of a pooled effect whose interval says less than sampling error does."""
_ROUNDING = 1e-9


@dataclass(frozen=True)
class PooledEffect(Result):
    """The pooled mean of k effects with everything that is reported about it.

    mu, se, ci_lb, ci_ub, statistic, df, pvalue: the mean by `ci_method` at `level`.
    pi_lb, pi_ub: prediction interval of the true effect in a new study by `pi_method`.
    tau2 with its large-sample standard error and Q-profile interval, heterogeneity (Q, I2 in
    percent, H2).
    status: `ok`, or `single_study` when k = 1 (the study's own effect, normal interval).
    notes: states such as `tau2_at_zero`. Unrounded.
    """

    k: int
    mu: float
    se: float
    statistic: float
    df: float
    pvalue: float
    ci_lb: float
    ci_ub: float
    pi_lb: float
    pi_ub: float
    tau2: float
    se_tau2: float
    tau2_interval: Tau2Interval
    heterogeneity: Heterogeneity
    method: str
    ci_method: str
    pi_method: str
    level: float
    status: str
    notes: tuple[str, ...]


def prediction_limits(
    mu: float, se: float, tau2: float, k: int, pi_method: str, level: float,
    most_df: float = math.inf,
) -> tuple[float, float]:  # fmt: skip
    """Limits mu -/+ quantile sqrt(tau2 + se^2) with the df of the method, or most_df where these
    are fewer; nan where the df are not positive."""
    named(pi_method, PREDICTION_METHODS, "prediction interval")
    df = {"t_k_minus_1": k - 1.0, "t_k_minus_2": k - 2.0, "normal": math.inf}[pi_method]
    if df <= 0:
        return math.nan, math.nan
    half = critical_value(level, min(df, most_df)) * math.sqrt(tau2 + se**2)
    return mu - half, mu + half


def _single_study(y: float, v: float, level: float, pi_method: str) -> PooledEffect:
    se = math.sqrt(v)
    half = critical_value(level, math.inf) * se
    nothing = Heterogeneity(0.0, 0, math.nan, math.nan, math.nan, math.nan)
    unknown = Tau2Interval(math.nan, math.nan, level, False)
    return PooledEffect(
        1,
        y,
        se,
        y / se,
        math.inf,
        two_sided_p(y / se),
        y - half,
        y + half,
        math.nan,
        math.nan,
        math.nan,
        math.nan,
        unknown,
        nothing,
        "single_study",
        "wald",
        pi_method,
        level,
        "single_study",
        (),
    )


def fit_random_effects(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    method: str = "REML",
    ci_method: str = "knapp_hartung",
    pi_method: str = "t_k_minus_1",
    level: float = 0.95,
) -> PooledEffect:
    """Pool k independent effects.

    yi, vi: effects and sampling variances on one scale. method: estimator of tau2
    (`TAU2_METHODS`; `EE` for the equal-effects model). ci_method: `CI_METHODS`. pi_method:
    `PREDICTION_METHODS`. A single effect is returned as it is with status `single_study`.
    Raises `EstimationError` for missing effects or variances of 0 or less.
    """
    effects, variances = check_estimates(yi, vi)
    named(pi_method, PREDICTION_METHODS, "prediction interval")
    if effects.size == 1:
        named(method, TAU2_METHODS, "estimator of tau2")
        named(ci_method, CI_METHODS, "interval method")
        return _single_study(float(effects[0]), float(variances[0]), level, pi_method)
    fit = fit_meta_regression(
        effects, variances, method=method, ci_method=ci_method, level=level, names=["mu"]
    )
    mean = fit.coefficients
    mu, se = float(mean.estimate[0]), float(mean.se[0])
    # Kenward and Roger's df of the mean can be far below k - 1; a new setting is no better known.
    most = float(mean.df[0]) if ci_method == "kenward_roger" else math.inf
    pi_lb, pi_ub = prediction_limits(mu, se, fit.tau2, fit.k, pi_method, level, most)
    return PooledEffect(
        k=fit.k,
        mu=mu,
        se=se,
        statistic=float(mean.statistic[0]),
        df=float(mean.df[0]),
        pvalue=float(mean.pvalue[0]),
        ci_lb=float(mean.ci_lb[0]),
        ci_ub=float(mean.ci_ub[0]),
        pi_lb=pi_lb,
        pi_ub=pi_ub,
        tau2=fit.tau2,
        se_tau2=fit.se_tau2,
        tau2_interval=fit.tau2_interval,
        heterogeneity=fit.heterogeneity,
        method=method,
        ci_method=ci_method,
        pi_method=pi_method,
        level=level,
        status="ok",
        notes=fit.notes,
    )


def narrow_note(ci_lb: float, ci_ub: float, vi: ArrayLike, level: float) -> tuple[str, ...]:
    """`narrower_than_common_effect` as notes, where the interval of a pooled effect is narrower
    than the one of the common-effect model: normal, with variance 1 / sum(1 / vi).

    Sampling error alone makes that one, so a narrower interval says only that the effects happened
    to lie close together: two equal effects have a Knapp-Hartung interval of width 0.
    """
    common = critical_value(level, math.inf) / math.sqrt(float(np.sum(1.0 / np.asarray(vi))))
    return (NARROW,) if (ci_ub - ci_lb) / 2.0 < common * (1.0 - _ROUNDING) else ()


def weights_percent(vi: ArrayLike, tau2: float) -> Floats:
    """Weights of the studies in the pooled mean, in percent."""
    wi = 1.0 / (np.asarray(vi, dtype=float) + (0.0 if math.isnan(tau2) else tau2))
    return np.asarray(100.0 * wi / wi.sum())
