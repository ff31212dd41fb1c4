"""Does the gap differ between trials? Moderators of both outcomes and of their difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, as_vector
from analysis.dependent.blocks import make_blocks
from analysis.dependent.multivariate import MultivariateFit, fit_multivariate
from analysis.dependent.robust import RobustCovariance, WaldTest, robust_covariance, wald_test
from analysis.distributions import critical_value, two_sided_p
from analysis.errors import EstimationError
from analysis.results import Result
from analysis.univariate.designs import Design

_NOTHING = 1e-10
"""Share of the model-based variance below which a robust one is an empty residual."""


@dataclass(frozen=True)
class ModeratedEffect(Result):
    """One coefficient, for the upstream construct, for behavior and for their difference: estimate,
    CR2 standard error, Satterthwaite df, p-value and limits of each (arrays of length 3)."""

    name: str
    outcomes: tuple[str, str, str]
    estimate: Floats
    se: Floats
    df: Floats
    pvalue: Floats
    ci_lb: Floats
    ci_ub: Floats


@dataclass(frozen=True)
class ModeratedGap(Result):
    """Joint meta-regression of both outcomes.

    effects: one per column of the design. gap_test: HTZ test that no moderator changes the
    difference; upstream_test, behavior_test: that none changes that outcome. `None` where there is
    nothing to test or too little to test it with.
    """

    effects: tuple[ModeratedEffect, ...]
    upstream_test: WaldTest | None
    behavior_test: WaldTest | None
    gap_test: WaldTest | None
    fit: MultivariateFit
    k_upstream: int
    k_behavior: int
    k_paired: int
    level: float


def fit_moderated_gap(
    yi: ArrayLike,
    v: Any,
    trial: Sequence[Any],
    outcome: Sequence[str],
    design: Design,
    *,
    upstream: str = "intention",
    behavior: str = "behavior",
    method: str = "REML",
    level: float = 0.95,
) -> ModeratedGap:
    """Regress both outcomes on the same moderators, with construct x moderator interactions.

    yi, v, trial, outcome: as in `fit_joint`. design: a row per effect (`make_design`), its first
    column an intercept; moderators may differ between effects of a trial (the weeks of follow-up)
    or between trials (content). Every coefficient is estimated for each outcome; the contrast of
    the two is the moderator's effect on the gap. CR2 by trial.
    Raises `EstimationError` when an outcome is missing or there are too few trials.
    """
    effects = as_vector(yi, "yi")
    kinds = np.array([str(one) for one in outcome])
    if design.matrix.shape[0] != effects.size or kinds.size != effects.size:
        raise EstimationError(
            f"design and outcome need a row per effect: {design.matrix.shape[0]} and {kinds.size} "
            f"rows for {effects.size} effects"
        )
    for name in (upstream, behavior):
        if name not in kinds:
            raise EstimationError(f"no effect on {name}")
    x = np.hstack([design.matrix * (kinds == name)[:, None] for name in (upstream, behavior)])
    p = design.matrix.shape[1]
    if np.linalg.matrix_rank(x) < 2 * p:
        raise EstimationError(
            "a moderator does not vary over the trials of one outcome, so its interaction with the "
            "outcome cannot be estimated"
        )
    names = [upstream, behavior]
    blocks = make_blocks(effects, v, trial, kinds.tolist(), design=x, outcome_names=names)
    if blocks.clusters <= 2 * p:
        raise EstimationError(
            f"{2 * p} coefficients need more than {2 * p} trials, found {blocks.clusters}"
        )
    structure = "UN" if blocks.trials_with_both >= 3 else "DIAG"
    fit = fit_multivariate(blocks, structure=structure, within="replicated", method=method)
    robust = robust_covariance(fit, "CR2")
    eye = np.eye(p)
    shown = tuple(
        _effect(robust, name, row, (upstream, behavior, "difference"), level)
        for name, row in zip(design.names, eye, strict=True)
    )
    moderators = eye[np.ptp(design.matrix, axis=0) > 0.0]
    zero = np.zeros_like(moderators)
    k_upstream, k_behavior = (int(n) for n in blocks.trials_per_outcome)
    return ModeratedGap(
        shown,
        _test(robust, np.hstack([moderators, zero])),
        _test(robust, np.hstack([zero, moderators])),
        _test(robust, np.hstack([moderators, -moderators])),
        fit, k_upstream, k_behavior, blocks.trials_with_both, level,
    )  # fmt: skip


def _effect(
    robust: RobustCovariance, name: str, row: Floats, outcomes: tuple[str, str, str], level: float
) -> ModeratedEffect:
    zero = np.zeros_like(row)
    contrasts = [np.concatenate(c) for c in ((row, zero), (zero, row), (row, -row))]
    estimate = np.array([float(c @ robust.beta) for c in contrasts])
    se = np.array([_standard_error(robust, c) for c in contrasts])
    df = np.array([robust.df(c) for c in contrasts])
    half = np.array([critical_value(level, one) if one > 0 else np.nan for one in df]) * se
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(se > 0, estimate / se, np.nan)
    pvalue = np.array([two_sided_p(s, d) for s, d in zip(statistic, df, strict=True)])
    return ModeratedEffect(
        name, outcomes, estimate, se, df, pvalue, estimate - half, estimate + half
    )


def _standard_error(robust: RobustCovariance, contrast: Floats) -> float:
    """CR2 standard error; nan where the estimate rests on a single trial, whose residual is 0
    whatever its error."""
    variance = robust.variance(contrast)
    return (
        math.sqrt(variance) if variance > _NOTHING * _model_variance(robust, contrast) else math.nan
    )


def _model_variance(robust: RobustCovariance, contrast: Floats) -> float:
    return float(contrast @ robust._m @ contrast)


def _test(robust: RobustCovariance, constraints: Floats) -> WaldTest | None:
    if not constraints.shape[0]:
        return None
    if any(math.isnan(_standard_error(robust, row)) for row in constraints):
        return None
    try:
        return wald_test(robust, constraints)
    except (EstimationError, np.linalg.LinAlgError):
        return None
