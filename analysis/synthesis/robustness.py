"""The gap and the trial-level line under other assumptions, as rows of `sensitivity`."""

from __future__ import annotations

import math
from collections.abc import Callable

from analysis.bias.missing_behavior import missing_behavior
from analysis.dependent.wild_bootstrap import wild_bootstrap_interval
from analysis.distributions import critical_value
from analysis.errors import EstimationError
from analysis.gap.composites import paired_composites
from analysis.gap.many_gaps import PairedEffects, fit_many_gaps, primary_difference
from analysis.gap.resampling import (
    bootstrap_joint_model,
    probability_without_behavior,
    trial_level_r2,
    trial_level_slope,
)
from analysis.gap.surrogacy_checks import (
    daniels_hughes,
    predict_left_out_trials,
    same_sample_artefact,
)
from analysis.synthesis.group import Group
from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import Record, having, with_both
from analysis.synthesis.verdicts import gap_verdict

FEW_TRIALS = 20
"""Below it a cluster wild bootstrap is shown beside Satterthwaite's approximation."""
BOOTSTRAP_DRAWS = 400


def robustness_rows(group: Group) -> list[Record]:
    """What moves when an assumption does, for the trials of one synthesis: missing behavior
    results, few trials, the uncertainty of Tau, and the trial-level line. An analysis that these
    trials do not allow has no rows; without a trial that has both outcomes none is allowed."""
    settings = group.settings
    paired = len(with_both(group.stack, group.upstream).trials)
    if not paired:
        return []
    part = group.stack.select(having("construct", *group.pair))
    pairs = paired_composites(part.blocks(group.pair))
    about: Record = group.identity | {
        "k_paired": paired,
        "status": "ok",
        "reason": "",
        "interval_kind": "confidence",
    }
    rows: list[Record] = []
    for compute in (_missing_behavior, _bootstrap, _line):
        try:
            rows += [about | row for row in compute(pairs, settings)]
        except EstimationError:
            continue
    rows += [about | row for row in _few_trials(group)]
    return [row | gap_verdict({"df": math.nan} | row).columns() for row in rows]


def _missing_behavior(pairs: PairedEffects, settings: AnalysisSettings) -> list[Record]:
    found = missing_behavior(pairs, level=settings.level)
    method, se, df = primary_difference(fit_many_gaps(pairs), 0)
    half = critical_value(settings.level, df) * se
    return [
        {
            "analysis": "missing_behavior", "value": f"{shift:g}", "estimand": "difference",
            "estimate": float(found.difference[i]), "se": se, "df": df,
            "ci_lb": float(found.difference[i]) - half, "ci_ub": float(found.difference[i]) + half,
            "method": f"{method}/pattern_mixture",
            "reason": f"{found.missing} of {found.trials} trials report no behavior result",
        }
        for i, shift in enumerate(found.shift)
    ]  # fmt: skip


def _few_trials(group: Group) -> list[Record]:
    if len(group.stack.trials) >= FEW_TRIALS:
        return []
    model, settings = group.joint, group.settings
    if isinstance(model, EstimationError):
        return []
    try:
        found = wild_bootstrap_interval(
            model.fit, [1.0, -1.0], level=settings.level, seed=settings.seed
        )
    except EstimationError:
        return []
    return [{
        "analysis": "few_trials", "value": "cluster wild bootstrap", "estimand": "difference",
        "estimate": found.estimate, "ci_lb": found.lower, "ci_ub": found.upper,
        "method": f"wild_bootstrap/{found.weights}/{found.draws}",
    }]  # fmt: skip


_FUNCTIONALS: dict[str, Callable[[AnalysisSettings], Callable]] = {  # type: ignore[type-arg]
    "probability_upstream_rises_behavior_does_not": (
        lambda settings: probability_without_behavior(settings.smallest_worthwhile)
    ),
    "trial_level_r2": lambda settings: trial_level_r2,
    "trial_level_slope": lambda settings: trial_level_slope,
}


def _bootstrap(pairs: PairedEffects, settings: AnalysisSettings) -> list[Record]:
    """Limits of what depends on Tau, by parametric bootstrap."""
    drawn = bootstrap_joint_model(pairs, draws=BOOTSTRAP_DRAWS, seed=settings.seed)
    rows: list[Record] = []
    for estimand, make in _FUNCTIONALS.items():
        found = drawn.interval(make(settings), level=settings.level)
        if math.isnan(found.estimate):
            continue
        rows.append({
            "analysis": "parametric_bootstrap", "value": f"{found.draws} samples",
            "estimand": estimand, "estimate": found.estimate, "ci_lb": found.lower,
            "ci_ub": found.upper, "method": "percentile",
            "interval_kind": "none" if found.reason else "confidence",
            "status": "not_estimable" if found.reason else "ok", "reason": found.reason,
        })  # fmt: skip
    return rows


def _line(pairs: PairedEffects, settings: AnalysisSettings) -> list[Record]:
    """The trial-level line by other means, and how far it predicts left-out trials."""
    artefact = same_sample_artefact(pairs)
    naive = "regressing observed on observed effects is no estimate of the line"
    rows: list[Record] = [
        _line_row("naive regression", "trial_level_slope", artefact.naive_slope, reason=naive),
        _line_row(
            "naive regression without any link", "trial_level_slope", artefact.without_link,
            reason="slope that measuring both outcomes on the same people creates by itself",
        ),
    ]  # fmt: skip
    try:
        line = daniels_hughes(pairs, level=settings.level)
        left = predict_left_out_trials(pairs, level=settings.level)
    except EstimationError:
        return rows
    fixed = _line_row(
        "flat prior on upstream effects", "trial_level_slope", line.slope,
        reason="keeps most of the artefact where upstream effects vary little beyond error",
    )  # fmt: skip
    fixed |= {
        "ci_lb": line.slope_lb, "ci_ub": line.slope_ub, "method": line.method,
        "interval_kind": "confidence",
    }  # fmt: skip
    return [
        *rows, fixed,
        _line_row("left-out trials within their prediction interval", "share", left.coverage),
        _line_row("root mean squared error by the line", "prediction_error", left.rmse),
        _line_row("root mean squared error by the mean", "prediction_error", left.rmse_mean),
    ]  # fmt: skip


def _line_row(value: str, estimand: str, estimate: float, reason: str = "") -> Record:
    row: Record = {
        "analysis": "trial_level_line", "value": value, "estimand": estimand,
        "estimate": estimate, "interval_kind": "none", "method": "", "reason": reason,
    }  # fmt: skip
    if math.isnan(estimate):
        row |= {"status": "not_estimable", "reason": "the upstream effects do not vary"}
    return row
