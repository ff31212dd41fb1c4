"""Does the gap differ between trials? Moderators of both outcomes and of their difference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, as_label, as_names, as_vector
from analysis.dependent.blocks import make_blocks
from analysis.dependent.multivariate import MultivariateFit, fit_multivariate
from analysis.dependent.robust import RobustCovariance, WaldTest, robust_covariance, wald_test
from analysis.errors import EstimationError
from analysis.results import Result
from analysis.univariate.designs import Design
from analysis.univariate.meta_regression import describe_coefficients


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

    effects: one per column of the design, or per row asked for. gap_test: HTZ test that no
    moderator changes the difference; upstream_test, behavior_test: that none changes that outcome.
    `None` where there is nothing to test or too little to test it with.
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
    trial: Iterable[Any],
    outcome: Iterable[Any],
    design: Design,
    *,
    upstream: str = "intention",
    behavior: str = "behavior",
    at: Mapping[str, ArrayLike] | None = None,
    method: str = "REML",
    level: float = 0.95,
) -> ModeratedGap:
    """Regress both outcomes on the same moderators, with construct x moderator interactions.

    yi, v, trial, outcome: as in `fit_joint`. design: a row per effect (`make_design`), its first
    column an intercept; moderators may differ between effects of a trial (the weeks of follow-up)
    or between trials (content). Every coefficient is estimated for each outcome; the contrast of
    the two is the moderator's effect on the gap. CR2 by trial. at: rows of the design by name; the
    mean effects there are described instead of the coefficients.
    Raises `EstimationError` when an outcome is missing or there are too few trials.
    """
    effects = as_vector(yi, "yi")
    kinds = np.array(as_names(outcome, "outcome", "effect"))
    upstream, behavior = as_label(upstream, "upstream"), as_label(behavior, "behavior")
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
    rows = dict(zip(design.names, eye, strict=True)) if at is None else at
    shown = tuple(
        _effect(robust, name, np.asarray(row, float), (upstream, behavior, "difference"), level)
        for name, row in rows.items()
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
    found = describe_coefficients(
        outcomes,
        np.array([float(c @ robust.beta) for c in contrasts]),
        np.sqrt([robust.variance(c) for c in contrasts]),
        np.array([robust.df(c) for c in contrasts]),
        level,
    )
    return ModeratedEffect(
        name, outcomes, found.estimate, found.se, found.df, found.pvalue, found.ci_lb, found.ci_ub
    )


def _test(robust: RobustCovariance, constraints: Floats) -> WaldTest | None:
    if not constraints.shape[0]:
        return None
    try:
        return wald_test(robust, constraints)
    except EstimationError:
        return None
