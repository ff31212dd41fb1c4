"""Trial-level surrogacy: does a larger upstream effect go with a larger behavior effect?

The line of the true behavior effect on the true upstream effect is read off the between-trial
covariance of the joint model, never from a regression of observed on observed effects: both
outcomes are measured on the same people, which alone creates a slope.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.arrays import named
from analysis.distributions import critical_value
from analysis.errors import EstimationError
from analysis.gap.joint import JointModel
from analysis.results import Result
from analysis.rootfinding import find_root

SMALLEST_NUMBER_OF_PAIRS = 10


@dataclass(frozen=True)
class Surrogacy(Result):
    """The trial-level line and how well it predicts, unrounded.

    slope, intercept, residual_variance: theta_behavior = intercept + slope theta_upstream +
    N(0, residual_variance). slope_se, r2_se, rho_se: delta method from the information of the
    between-trial covariance; nan on its boundary. rho: correlation of true effects; r2, its square:
    share of the between-trial variance of behavior effects explained. threshold_effect: smallest
    upstream effect whose prediction interval for behavior lies above `target`; nan when there is
    none in range.
    status: `ok`, `boundary`, `few_pairs` or `not_estimable`, with the reason.
    """

    k_paired: int
    slope: float
    slope_se: float
    slope_ci_lb: float
    slope_ci_ub: float
    intercept: float
    residual_variance: float
    r2: float
    r2_se: float
    rho: float
    rho_se: float
    threshold_effect: float
    threshold_target: float
    status: str
    reason: str


def _none(k: int, target: float, status: str, reason: str) -> Surrogacy:
    nan = math.nan
    return Surrogacy(k, *(nan,) * 11, target, status, reason)


def _delta_se(gradient: list[float], covariance: np.ndarray) -> float:
    g = np.array(gradient)
    variance = float(g @ covariance @ g)
    return math.sqrt(variance) if variance > 0 else math.nan


def trial_level_surrogacy(
    model: JointModel,
    *,
    target: float = 0.0,
    largest_effect: float = 5.0,
    information: str = "observed",
) -> Surrogacy:
    """Slope, intercept, R2 and surrogate threshold effect from the joint model's Tau.

    beta = tauIB / tauI^2, alpha = muB - beta muI, residual tauB^2 - tauIB^2 / tauI^2,
    R2 = tauIB^2 / (tauI^2 tauB^2) (product-normal form; van Houwelingen et al. 2002, Stat Med
    21:589). Threshold effect after Burzykowski and Buyse (2006), searched up to
    `largest_effect`, with t (pairs - 2 df) and Var(alpha + beta x) treating Tau as known.
    information: `observed` or `expected`, for the standard errors.
    """
    fit, k = model.fit, model.k_paired
    if fit.structure != "UN":
        reason = f"needs at least 3 trials with both outcomes, found {k}"
        return _none(k, target, "not_estimable", reason)
    tau_i, tau_b, cov = float(fit.tau[0, 0]), float(fit.tau[1, 1]), float(fit.tau[0, 1])
    if any(note.startswith("tau2[0]") for note in fit.notes):
        return _none(
            k,
            target,
            "boundary",
            "upstream effects do not vary between trials beyond sampling error, "
            "so no line can be read off them",
        )
    slope = cov / tau_i
    residual = max(0.0, tau_b - cov**2 / tau_i)
    boundary = fit.status == "boundary"
    # psi is ordered tau2[0], tau_cov[0,1], tau2[1] (then omegas).
    order = [fit.psi_names.index(n) for n in ("tau2[0]", "tau_cov[0,1]", "tau2[1]")]
    vcov = {"observed": fit.psi_vcov, "expected": fit.psi_vcov_expected}
    v = named(information, vcov, "information")[np.ix_(order, order)]
    slope_se = math.nan if boundary else _delta_se([-cov / tau_i**2, 1.0 / tau_i, 0.0], v)
    r2 = cov**2 / (tau_i * tau_b) if tau_b > 0 else math.nan
    r2_se = (
        math.nan
        if boundary or not tau_b > 0
        else _delta_se([-r2 / tau_i, 2.0 * cov / (tau_i * tau_b), -r2 / tau_b], v)
    )
    scale = math.sqrt(tau_i * tau_b)
    rho = cov / scale if tau_b > 0 else math.nan
    rho_se = (
        math.nan
        if boundary or not tau_b > 0
        else _delta_se([-rho / (2.0 * tau_i), 1.0 / scale, -rho / (2.0 * tau_b)], v)
    )
    half = critical_value(model.level, math.inf) * slope_se
    threshold = _threshold(model, slope, residual, target, largest_effect)
    status, reason = _status(model, boundary)
    return Surrogacy(
        k,
        slope,
        slope_se,
        slope - half,
        slope + half,
        float(model.means[1]) - slope * float(model.means[0]),
        residual,
        r2,
        r2_se,
        rho,
        rho_se,
        threshold,
        target,
        status,
        reason,
    )


def _status(model: JointModel, boundary: bool) -> tuple[str, str]:
    if boundary:
        return "boundary", (
            "a between-trial variance is 0 or the correlation is at +-1; the line is not "
            "determined by these trials and has no standard error"
        )
    if model.k_paired < SMALLEST_NUMBER_OF_PAIRS:
        return "few_pairs", (
            f"{model.k_paired} trials with both outcomes; at least "
            f"{SMALLEST_NUMBER_OF_PAIRS} are needed before the line means much"
        )
    return "ok", ""


def predict_behavior(
    model: JointModel, slope: float, residual: float, x: float
) -> tuple[float, float]:
    """Predicted behavior effect at upstream effect x, and its prediction variance
    residual + (-slope, 1) V (-slope, 1)', Tau treated as known."""
    contrast = np.array([-slope, 1.0])
    mean = float(model.means[1]) + slope * (x - float(model.means[0]))
    return mean, residual + float(contrast @ model.fit.vb @ contrast)


def _threshold(
    model: JointModel, slope: float, residual: float, target: float, largest: float
) -> float:
    df = model.k_paired - 2.0
    if df < 1 or slope == 0.0:
        return math.nan
    critical = critical_value(model.level, df)

    def lower_limit(x: float) -> float:
        mean, variance = predict_behavior(model, slope, residual, x)
        return mean - critical * math.sqrt(variance) - target

    try:
        return find_root(lower_limit, 0.0, largest) if lower_limit(0.0) < 0 else 0.0
    except EstimationError:
        return math.nan
