"""The intention-behavior gap: estimands from the joint model of both outcomes.

Trial effects on the upstream outcome (intention unless another construct is named) and on
behavior are modeled together, with their within-study covariance and with missing outcomes
allowed. Each estimand is a different question; see the handbook page on the gap.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, as_label, as_names
from analysis.dependent.blocks import EffectBlocks, make_blocks
from analysis.dependent.multivariate import MultivariateFit, fit_multivariate
from analysis.dependent.robust import RobustCovariance, robust_covariance
from analysis.distributions import critical_value
from analysis.errors import EstimationError
from analysis.gap.estimands import (
    BEHAVIOR,
    DIFFERENCE,
    ESTIMANDS,
    INDIRECT,
    MODEL_FLOOR,
    PRIMARY,
    UPSTREAM,
    GapEstimate,
    difference_of,
    estimate_of,
    missing_estimate,
    probability_of_a_gap,
    ratio_of,
    standard_error,
    unpaired_reason,
    wider_method,
)
from analysis.results import Result

__all__ = [
    "BEHAVIOR", "ESTIMANDS", "PRIMARY", "UPSTREAM", "GapEstimate", "JointModel", "difference",
    "difference_of", "fit_joint", "gap_estimates", "indirect_difference", "log_transmission_ratio",
    "mediation_shortfall", "missing_estimate", "predictive_gap", "probability_of_a_gap",
    "probability_rises_without_behavior", "ratio_of", "transmission_ratio",
]  # fmt: skip


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

    def chosen(self, method: str, contrast: Floats) -> str:
        """The method itself; for `primary` the one of `wider_method` at this contrast (`model`
        where there is no CR2)."""
        if method != PRIMARY:
            return method
        if self.robust is None:
            return "model"
        df = self.robust.df(contrast)
        return wider_method(self.fit.vb, self.robust.vcov, df, contrast)

    def covariance(self, method: str) -> Floats:
        """Covariance of the two means: `model`, `CR2/model_floor` (the same) or `CR2`."""
        if method == "CR2":
            if self.robust is None:
                raise EstimationError("CR2 needs at least 2 trials with each outcome")
            return self.robust.vcov
        return self.fit.vb

    def df(self, method: str, contrast: Floats) -> float:
        """Satterthwaite df of CR2 at a contrast, infinite for plain `model`."""
        if method in ("CR2", MODEL_FLOOR) and self.robust is not None:
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
) -> JointModel:
    """Fit the joint random-effects model of upstream and behavior effects.

    yi, v, trial: as in `make_blocks`. outcome: `upstream` or `behavior` for each effect.
    Tau is unstructured when at least 3 trials report both outcomes, else diagonal (noted). The
    between-trial variance of an outcome of a single trial cannot be estimated and is held at 0
    (noted), while the other outcome keeps its own.
    A variance between effects of one outcome within a trial is added for outcomes of which
    some trial has several effects (correlated-and-hierarchical effects model).
    Raises `EstimationError` when one of the outcomes has no effect at all.
    """
    kinds = as_names(outcome, "outcome", "effect")
    upstream, behavior = as_label(upstream, "upstream"), as_label(behavior, "behavior")
    _check_both((upstream, behavior), [name in kinds for name in (upstream, behavior)])
    blocks = make_blocks(yi, v, trial, kinds, outcome_names=[upstream, behavior])
    return fit_joint_blocks(blocks, method=method, level=level)


def _check_both(names: Sequence[str], there: Iterable[bool]) -> None:
    for name, known in zip(names, there, strict=True):
        if not known:
            raise EstimationError(
                f"no trial has a usable effect on {name}; there is no gap to estimate"
            )


def fit_joint_blocks(
    blocks: EffectBlocks, *, method: str = "REML", level: float = 0.95
) -> JointModel:
    """As `fit_joint`, of effects on two outcomes that are arranged already: the upstream outcome
    and behavior, in this order."""
    _check_both(blocks.outcome_names, blocks.effects_per_outcome > 0)
    structure, held, notes = _structure(blocks)
    fit = fit_multivariate(
        blocks,
        structure=structure,
        within="replicated",
        method=method,
        held=held,
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


def _structure(blocks: EffectBlocks) -> tuple[str, tuple[int, ...], tuple[str, ...]]:
    """Structure of Tau, the outcomes whose variance is held at 0, and what is to be noted."""
    alone = tuple(int(i) for i in np.flatnonzero(blocks.trials_per_outcome < 2))
    if len(alone) == 2:
        return "NONE", (), ("too_few_trials_for_between_trial_variance",)
    if alone:
        return "DIAG", alone, (f"tau2[{alone[0]}]_not_estimable_from_one_trial",)
    if blocks.trials_with_both < 3:
        return "DIAG", (), ("fewer_than_3_paired_trials_no_between_trial_covariance",)
    return "UN", (), ()


def difference(model: JointModel, method: str = "CR2") -> GapEstimate:
    """Delta = mu_upstream - mu_behavior with Var = VI + VB - 2 VIB; CR2 with Satterthwaite df
    or the model-based normal interval; or `primary`, the wider of both (`wider_method`)."""
    method = model.chosen(method, DIFFERENCE)
    df = model.df(method, DIFFERENCE)
    return difference_of(model.means, model.covariance(method), df, model.level, method)


def transmission_ratio(model: JointModel, method: str = "CR2") -> GapEstimate:
    """Lambda = mu_behavior / mu_upstream with Fieller's set and the delta-method se.

    The set is unbounded when the upstream mean is not clearly different from 0; then the kind
    says so and the limits are the ends of the two rays or infinite. The t df of the set are
    those of the linear form at the estimate (Satterthwaite for CR2).
    """
    intention, behavior = (float(one) for one in model.means)
    form = np.array([-behavior / intention if intention else math.nan, 1.0])
    method = model.chosen(method, form if intention else DIFFERENCE)
    df = model.df(method, form) if intention else math.nan
    return ratio_of(model.means, model.covariance(method), df, model.level, method)


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
    method = model.chosen(method, contrast)
    se = standard_error(model.covariance(method), contrast)
    df = model.df(method, contrast)
    value = math.log(behavior / upstream)
    return estimate_of("log_transmission_ratio", value, se, df, model.level, method)


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
    method = model.chosen(method, contrast)
    v = model.covariance(method)
    value = float(contrast @ model.means)
    variance = float(contrast @ v @ contrast) + float(model.means[0]) ** 2 * slope_variance
    return estimate_of(
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
    method = model.chosen(method, DIFFERENCE)
    df = model.k_paired - 2.0
    if df < 1 or model.fit.structure == "NONE":
        return missing_estimate(
            "predictive_gap",
            method,
            "too_few_studies",
            f"a prediction needs at least 3 trials with both outcomes, found {model.k_paired}",
        )
    now = difference(model, method)
    spread = float(DIFFERENCE @ model.between @ DIFFERENCE)
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
    method = model.chosen(method, DIFFERENCE)
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


def indirect_difference(model: JointModel, method: str = PRIMARY) -> GapEstimate:
    """The plain contrast of two independent pools, for models without a trial that has both
    outcomes: status `indirect`, an interval, no test. Differences between the trials are in it."""
    found = difference(model, method)
    if model.robust is None and method == PRIMARY:
        found = _against_one_trial(model)
    return replace(
        found, statistic=math.nan, pvalue=math.nan, method=f"two_pools/{found.method}",
        status=INDIRECT, reason=_unpaired(model),
    )  # fmt: skip


def _unpaired(model: JointModel) -> str:
    upstream, behavior = model.fit.blocks.outcome_names
    return unpaired_reason(upstream, behavior, model.k_upstream, model.k_behavior)


def _against_one_trial(model: JointModel) -> GapEstimate:
    """A pool against the only trial of the other outcome: the pool has its wider variance with
    Satterthwaite df, the trial its sampling variance; Welch's df for their sum."""
    if model.k_upstream == model.k_behavior:
        return difference(model, "model")
    pool = np.eye(2)[int(model.k_behavior > model.k_upstream)]
    robust, vb = robust_covariance(model.fit, "CR2"), model.fit.vb
    df = robust.df(pool)
    method = wider_method(vb, robust.vcov, df, pool)
    if method == "model":
        return difference(model, "model")
    own = standard_error(robust.vcov if method == "CR2" else vb, pool) ** 2
    total = own + standard_error(vb, 1.0 - pool) ** 2
    covariance = np.diag(own * pool + (total - own) * (1.0 - pool))
    welch = df * (total / own) ** 2
    return difference_of(model.means, covariance, welch, model.level, method)


def gap_estimates(
    model: JointModel,
    *,
    slope: float | None = None,
    slope_variance: float = 0.0,
    smallest_worthwhile: float = 0.0,
) -> list[GapEstimate]:
    """Every estimand of the joint model: first one of each by the method `primary`, then difference
    and ratio by CR2 and by the model alone where they differ from the primary ones.

    A model without a trial that has both outcomes gives the indirect difference only; the other
    estimands are `not_estimable`.
    """
    if model.k_paired == 0:
        reason = _unpaired(model)
        rest = [
            missing_estimate(one, "none", "not_estimable", reason)
            for one in ESTIMANDS if one != "difference"
        ]  # fmt: skip
        return [indirect_difference(model), *rest]
    if slope is None:
        shortfall = missing_estimate(
            "mediation_shortfall",
            "none",
            "no_correlation",
            "no trial of this group gives a within-arm correlation with behavior",
        )
    else:
        shortfall = mediation_shortfall(model, slope, slope_variance, PRIMARY)
    out = [
        difference(model, PRIMARY),
        transmission_ratio(model, PRIMARY),
        shortfall,
        predictive_gap(model, PRIMARY),
        probability_rises_without_behavior(model, smallest_worthwhile, PRIMARY),
    ]
    return out + _by_other_methods(model, {one.estimand: one.method for one in out})


def _by_other_methods(model: JointModel, primary: dict[str, str]) -> list[GapEstimate]:
    """Difference and ratio by plain CR2 and by the model where the primary rows are not these."""
    methods = ("CR2", "model") if model.robust is not None else ("model",)
    made = [make(model, m) for m in methods for make in (difference, transmission_ratio)]
    return [one for one in made if one.method != primary[one.estimand]]
