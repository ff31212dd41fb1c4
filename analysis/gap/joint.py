"""The intention-behavior gap: estimands from the joint model of both outcomes.

Trial effects on the upstream outcome (intention unless another construct is named) and on
behavior are modeled together, with their within-study covariance and with missing outcomes
allowed. Each estimand is a different question; see the handbook page on the gap.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, as_label, as_names
from analysis.dependent.blocks import EffectBlocks, make_blocks
from analysis.dependent.multivariate import MultivariateFit, fit_multivariate
from analysis.dependent.robust import RobustCovariance, robust_covariance
from analysis.distributions import (
    bivariate_normal_cdf,
    critical_value,
    normal_cdf,
    two_sided_p,
)
from analysis.errors import EstimationError
from analysis.gap.fieller import fieller_set
from analysis.results import Result

UPSTREAM, BEHAVIOR = 0, 1
_DIFFERENCE = np.array([1.0, -1.0])

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


@dataclass(frozen=True)
class JointModel(Result):
    """The fitted joint model with its robust covariance.

    fit: beta = (upstream mean, behavior mean). robust: CR2 (None with fewer than 2 trials).
    k_upstream, k_behavior: trials with each outcome; k_paired: trials with both.
    """

    fit: MultivariateFit = field(repr=False)
    robust: RobustCovariance | None = field(repr=False)
    level: float
    k_upstream: int
    k_behavior: int
    k_paired: int
    notes: tuple[str, ...] = ()

    @property
    def means(self) -> Floats:
        return self.fit.beta

    @property
    def between(self) -> Floats:
        """Covariance (2 x 2) of the true effects of a new setting: Tau plus omega."""
        return self.fit.tau + np.diag(self.fit.omega)

    def covariance(self, method: str) -> Floats:
        """Covariance of the two means: `model` or `CR2`."""
        if method == "CR2":
            if self.robust is None:
                raise EstimationError("CR2 needs at least 2 trials with each outcome")
            return self.robust.vcov
        return self.fit.vb

    def df(self, method: str, contrast: Floats) -> float:
        if method == "CR2" and self.robust is not None:
            return self.robust.df(contrast)
        return math.inf


def fit_joint(
    yi: ArrayLike,
    v: Any,
    trial: Iterable[Any],
    outcome: Iterable[Any],
    *,
    upstream: str = "intention",
    behavior: str = "behavior",
    method: str = "REML",
    level: float = 0.95,
    near: JointModel | None = None,
) -> JointModel:
    """Fit the joint random-effects model of upstream and behavior effects.

    yi, v, trial: as in `make_blocks`. outcome: `upstream` or `behavior` for each effect. near: a
    model of almost the same data to start from.
    Tau is unstructured when at least 3 trials report both outcomes, else diagonal (noted).
    A variance between effects of one outcome within a trial is added for outcomes of which
    some trial has several effects (correlated-and-hierarchical effects model).
    Raises `EstimationError` when one of the outcomes has no effect at all.
    """
    kinds = as_names(outcome, "outcome", "effect")
    upstream, behavior = as_label(upstream, "upstream"), as_label(behavior, "behavior")
    for name in (upstream, behavior):
        if name not in kinds:
            raise EstimationError(
                f"no trial has a usable effect on {name}; there is no gap to estimate"
            )
    blocks = make_blocks(yi, v, trial, kinds, outcome_names=[upstream, behavior])
    structure, notes = _structure(blocks)
    fit = fit_multivariate(
        blocks,
        structure=structure,
        within="replicated",
        method=method,
        near=near.fit if near is not None else None,
    )
    # CR2 of a mean that rests on one trial is 0, which is no evidence of precision.
    enough = int(blocks.trials_per_outcome.min()) > 1
    robust = robust_covariance(fit, "CR2") if enough else None
    k_upstream, k_behavior = (int(n) for n in blocks.trials_per_outcome)
    return JointModel(
        fit,
        robust,
        level,
        k_upstream,
        k_behavior,
        blocks.trials_with_both,
        (*notes, *fit.notes),
    )


def _structure(blocks: EffectBlocks) -> tuple[str, tuple[str, ...]]:
    if int(blocks.trials_per_outcome.min()) < 2:
        return "NONE", ("too_few_trials_for_between_trial_variance",)
    if blocks.trials_with_both < 3:
        return "DIAG", ("fewer_than_3_paired_trials_no_between_trial_covariance",)
    return "UN", ()


def _standard_error(covariance: Floats, contrast: Floats) -> float:
    """Standard error of a contrast of the means; rounding below 0 counts as 0."""
    return math.sqrt(max(0.0, float(contrast @ covariance @ contrast)))


def _estimate(
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


def difference(model: JointModel, method: str = "CR2") -> GapEstimate:
    """Delta = mu_upstream - mu_behavior with Var = VI + VB - 2 VIB; CR2 with Satterthwaite df
    or the model-based normal interval."""
    df = model.df(method, _DIFFERENCE)
    return difference_of(model.means, model.covariance(method), df, model.level, method)


def difference_of(
    means: Floats, covariance: Floats, df: float, level: float, method: str
) -> GapEstimate:
    """`difference` from the two means (upstream, behavior) and their covariance."""
    value, se = float(_DIFFERENCE @ means), _standard_error(covariance, _DIFFERENCE)
    return _estimate("difference", value, se, df, level, method)


def transmission_ratio(model: JointModel, method: str = "CR2") -> GapEstimate:
    """Lambda = mu_behavior / mu_upstream with Fieller's set and the delta-method se.

    The set is unbounded when the upstream mean is not clearly different from 0; then the kind
    says so and the limits are the ends of the two rays or infinite. The t df of the set are
    those of the linear form at the estimate (Satterthwaite for CR2).
    """
    intention, behavior = (float(one) for one in model.means)
    at = behavior / intention if intention else math.nan
    df = model.df(method, np.array([-at, 1.0])) if intention else math.nan
    return ratio_of(model.means, model.covariance(method), df, model.level, method)


def ratio_of(means: Floats, v: Floats, df: float, level: float, method: str) -> GapEstimate:
    """`transmission_ratio` from the two means (upstream, behavior), their covariance v and the df
    of the linear form at the estimate."""
    intention, behavior = (float(one) for one in means)
    if intention == 0.0:
        return missing_estimate(
            "transmission_ratio", method, "undefined", "the pooled upstream effect is exactly 0"
        )
    ratio = behavior / intention
    se = _standard_error(v, np.array([-ratio, 1.0])) / abs(intention)
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
        f"{method}/fieller",
    )


def log_transmission_ratio(model: JointModel, method: str = "CR2") -> GapEstimate:
    """log(mu_behavior / mu_upstream) with its delta-method standard error and symmetric limits; for
    comparisons on the log scale only, where both means are well away from 0. Fieller's set of
    `transmission_ratio` holds always. Undefined where the means differ in sign."""
    upstream, behavior = (float(one) for one in model.means)
    if not upstream * behavior > 0.0:
        return missing_estimate(
            "log_transmission_ratio", method, "undefined", "the two means differ in sign"
        )
    contrast = np.array([-1.0 / upstream, 1.0 / behavior])
    se = _standard_error(model.covariance(method), contrast)
    df = model.df(method, contrast)
    value = math.log(behavior / upstream)
    return _estimate("log_transmission_ratio", value, se, df, model.level, method)


def mediation_shortfall(
    model: JointModel, slope: float, slope_variance: float, method: str = "CR2"
) -> GapEstimate:
    """S = mu_behavior - b mu_upstream, b the within-arm standardized slope of behavior on
    intention (the within-arm correlation) with its variance.

    Delta method with b independent of the means: Var = VB + b^2 VI - 2 b VIB + muI^2 Var(b).
    Raises `EstimationError` for a slope that is not finite or a negative variance.
    """
    if not (math.isfinite(slope) and 0.0 <= slope_variance < math.inf):
        raise EstimationError("the within-arm slope must be finite, its variance 0 or more")
    contrast = np.array([-slope, 1.0])
    v = model.covariance(method)
    value = float(contrast @ model.means)
    variance = float(contrast @ v @ contrast) + float(model.means[0]) ** 2 * slope_variance
    return _estimate(
        "mediation_shortfall",
        value,
        math.sqrt(variance),
        model.df(method, contrast),
        model.level,
        method,
    )


def predictive_gap(model: JointModel, method: str = "CR2") -> GapEstimate:
    """Difference in a new setting: variance tauI^2 + tauB^2 - 2 tauIB (+ omega) + Var(Delta),
    t with (paired trials - 2) df."""
    df = model.k_paired - 2.0
    if df < 1 or model.fit.structure == "NONE":
        return missing_estimate(
            "predictive_gap",
            method,
            "too_few_studies",
            f"a prediction needs at least 3 trials with both outcomes, found {model.k_paired}",
        )
    now = difference(model, method)
    spread = float(_DIFFERENCE @ model.between @ _DIFFERENCE)
    half = critical_value(model.level, df) * math.sqrt(max(0.0, spread) + now.se**2)
    return GapEstimate(
        "predictive_gap",
        now.estimate,
        math.sqrt(max(0.0, spread) + now.se**2),
        math.nan,
        df,
        math.nan,
        now.estimate - half,
        now.estimate + half,
        "prediction",
        method,
    )


def probability_rises_without_behavior(
    model: JointModel, smallest_worthwhile: float = 0.0, method: str = "CR2"
) -> GapEstimate:
    """P(theta_upstream > 0 and theta_behavior <= smallest worthwhile effect) in a new setting.

    From the predictive bivariate normal with covariance Tau (+ omega) plus the covariance of
    the means. No interval: the uncertainty of Tau is not propagated (said in `reason`).
    """
    estimand = "probability_upstream_rises_behavior_does_not"
    if model.fit.structure != "UN":
        return missing_estimate(
            estimand,
            method,
            "too_few_studies",
            "needs a between-trial covariance, that is at least 3 trials with both outcomes",
        )
    covariance = model.between + model.covariance(method)
    sd = np.sqrt(np.diag(covariance))
    if not (sd > 0).all():
        return missing_estimate(
            estimand, method, "degenerate", "the effects do not vary and have no error"
        )
    value = probability_of_a_gap(model.means, covariance, smallest_worthwhile)
    nan = math.nan
    return GapEstimate(
        estimand,
        value,
        nan,
        nan,
        nan,
        nan,
        nan,
        nan,
        "none",
        f"predictive_normal/{method}",
        "ok",
        "no interval: the uncertainty of the between-trial covariance is not propagated",
    )


def probability_of_a_gap(means: Floats, covariance: Floats, threshold: float) -> float:
    """P(upstream > 0, behavior <= threshold) of a bivariate normal with positive variances."""
    sd = np.sqrt(np.diag(covariance))
    rho = float(np.clip(covariance[0, 1] / (sd[0] * sd[1]), -1.0, 1.0))
    h = (threshold - float(means[1])) / float(sd[1])
    return float(normal_cdf(h)) - bivariate_normal_cdf(-float(means[0]) / float(sd[0]), h, rho)


def gap_estimates(
    model: JointModel,
    *,
    slope: float | None = None,
    slope_variance: float = 0.0,
    smallest_worthwhile: float = 0.0,
) -> list[GapEstimate]:
    """Every estimand of the joint model; robust and model-based for the difference and ratio."""
    method = "CR2" if model.robust is not None else "model"
    out = [difference(model, method), transmission_ratio(model, method)]
    if method == "CR2":
        out += [difference(model, "model"), transmission_ratio(model, "model")]
    if slope is None:
        out.append(
            missing_estimate(
                "mediation_shortfall",
                method,
                "no_correlation",
                "no trial of this group gives a within-arm correlation with behavior",
            )
        )
    else:
        out.append(mediation_shortfall(model, slope, slope_variance, method))
    out.append(predictive_gap(model, method))
    out.append(probability_rises_without_behavior(model, smallest_worthwhile, method))
    return out
