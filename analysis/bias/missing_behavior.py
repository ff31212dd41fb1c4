"""Trials that report intention but not behavior: what the gap would be if the missing results were
worse than the observed ones foretell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.distributions import critical_value, two_sided_p
from analysis.errors import EstimationError
from analysis.gap.many_gaps import ManyGaps, PairedEffects, fit_many_gaps
from analysis.results import Result

SHIFTS = (0.0, -0.05, -0.1, -0.2, -0.3, -0.5)


@dataclass(frozen=True)
class MissingBehavior(Result):
    """The gap under a pattern-mixture model of missing behavior results.

    missing: trials with upstream effects only; share: of all trials.
    complete: difference from trials with both outcomes. shift: how far the mean true behavior
    effect of trials without a result is assumed to lie from what the joint model predicts for
    them, SD units; behavior, difference with its se, df, ci_lb, ci_ub: at each shift (0: missing at
    random, the joint model). upstream_contrast: mean upstream effect of trials without less that
    of trials with behavior, with its p-value: a sign that reporting depends on results. tipping:
    the shift at which a limit of the difference is first 0 (nan: none within 1 SD).
    """

    trials: int
    missing: int
    share: float
    complete: float
    shift: Floats
    behavior: Floats
    difference: Floats
    se: float
    df: float
    ci_lb: Floats
    ci_ub: Floats
    upstream_contrast: float
    upstream_pvalue: float
    tipping: float
    level: float


def missing_behavior(
    effects: PairedEffects, *, shifts: Sequence[float] = SHIFTS, level: float = 0.95
) -> MissingBehavior:
    """Sensitivity of the gap to behavior results that are missing where intention is reported.

    The joint model uses trials without behavior through their upstream effects, which is right when
    results are missing at random given those. If the true behavior effects of these trials lie
    `shift` away from that prediction on average, the pooled behavior effect moves by the share of
    such trials times the shift (a pattern-mixture model after Little 1993 and White et al. 2008,
    Clin Trials 5:225, for trials instead of persons). Standard errors stay those of the model.
    Raises `EstimationError` when no trial lacks behavior or the joint model cannot be fitted.
    """
    y1, _, y2, _, _ = effects.one_row()
    upstream, both = np.isfinite(y1), np.isfinite(y1) & np.isfinite(y2)
    missing = int(upstream.sum() - both.sum())
    if missing == 0:
        raise EstimationError("every trial with an upstream effect reports behavior too")
    fit = fit_many_gaps(effects)
    if not np.isfinite(fit.difference[0]):
        raise EstimationError("the joint model needs at least 2 trials with each outcome")
    paired = _only(effects, both)
    share = missing / float((upstream | np.isfinite(y2)).sum())
    shift = np.asarray(shifts, dtype=np.float64)
    behavior = float(fit.mu2[0]) + share * shift
    difference = float(fit.mu1[0]) - behavior
    se, df = float(fit.se[0]), float(fit.df[0])
    half = critical_value(level, df) * se
    contrast, pvalue = _upstream_contrast(effects, both)
    return MissingBehavior(
        int((upstream | np.isfinite(y2)).sum()), missing, share,
        float(paired.difference[0]) if paired is not None else math.nan, shift, behavior,
        difference, se, df, difference - half, difference + half, contrast, pvalue,
        _tipping(float(fit.difference[0]), half, share), level,
    )  # fmt: skip


def _only(effects: PairedEffects, keep: np.ndarray) -> ManyGaps | None:
    y1, v1, y2, v2, c = effects.one_row()
    fit = fit_many_gaps(
        PairedEffects(np.where(keep, y1, np.nan), v1, np.where(keep, y2, np.nan), v2, c)
    )
    return fit if np.isfinite(fit.difference[0]) else None


def _upstream_contrast(effects: PairedEffects, both: np.ndarray) -> tuple[float, float]:
    """Mean upstream effect of trials without less that with behavior (meta-regression)."""
    from analysis.univariate.meta_regression import fit_meta_regression

    y1, v1, _, _, _ = effects.one_row()
    known = np.isfinite(y1)
    without = (~both)[known].astype(float)
    if not 1 < without.sum() < without.size - 1:
        return math.nan, math.nan
    fit = fit_meta_regression(
        y1[known], v1[known], np.column_stack([np.ones_like(without), without])
    )
    estimate = fit.coefficients
    pvalue = two_sided_p(float(estimate.statistic[1]), float(estimate.df[1]))
    return float(estimate.estimate[1]), pvalue


def _tipping(difference: float, half: float, share: float) -> float:
    """The shift nearest to 0 at which 0 crosses a limit of the interval; nan beyond one SD."""
    limits = (difference - half, difference + half)
    crossings = [limit / share for limit in limits]
    inside = [one for one in crossings if abs(one) <= 1.0]
    return min(inside, key=abs) if inside else math.nan
