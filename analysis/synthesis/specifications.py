"""The gap under every combination of the analyst's choices, as rows of `specifications`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from analysis.errors import EstimationError
from analysis.gap.joint import PRIMARY, GapEstimate, JointModel, missing_estimate
from analysis.gap.many_gaps import PairedEffects
from analysis.synthesis.choices import (
    EFFECTS,
    FOLLOW_UPS,
    INFERENCES,
    MEASURES,
    TRIAL_CHOICES,
    Choice,
    about_choice,
)
from analysis.synthesis.composite_specifications import composite_rows, composites_of
from analysis.synthesis.gap_estimates import difference_and_ratio, estimate_row
from analysis.synthesis.group import Group
from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import Record, Stack, with_both
from analysis.synthesis.verdicts import NONE


def specifications(group: Group) -> list[Record]:
    """Difference and ratio of one synthesis under every combination of choices.

    Combinations that select the same effects with the same covariances are analyzed once and listed
    under each name. With
    one effect per trial and outcome, both conversions of odds ratios and both estimators are taken;
    all of these are fitted in one call.
    """
    settings = group.settings
    rows: list[Record] = []
    composites: dict[Choice, PairedEffects] = {}
    for assumed_correlation in sorted({*settings.correlation_grid, settings.assumed_correlation}):
        whole = group.inputs.stack_at(assumed_correlation)
        for trials, follow_up, measures, part in _selections(whole, group.upstream):
            model = group.joint_of(part)
            choice = Choice(
                trials, follow_up, measures, assumed_correlation, EFFECTS[0],
                settings.odds_to_smd, "REML",
            )  # fmt: skip
            rows += _rows(group.identity, choice, model, settings)
            if isinstance(model, JointModel):
                composites |= composites_of(choice, part, model, settings)
    return rows + composite_rows(group.identity, composites, settings)


def _selections(group: Stack, upstream: str) -> Iterator[tuple[str, str, str, Stack]]:
    """Every combination that leaves effects and differs from `all` of its own choice."""
    for measures in MEASURES:
        measured = _measured(group, measures)
        if measures != MEASURES[0] and _same(measured, group):
            continue
        for follow_up in FOLLOW_UPS:
            timed = _at_follow_up(measured, follow_up)
            if follow_up != FOLLOW_UPS[0] and _same(timed, measured):
                continue
            for trials in TRIAL_CHOICES:
                part = _trials(timed, trials, upstream)
                fresh = trials == TRIAL_CHOICES[0] or not _same(part, timed)
                if fresh and part.trials:
                    yield trials, follow_up, measures, part


def _same(first: Stack, second: Stack) -> bool:
    return len(first.values("effect_id")) == len(second.values("effect_id"))


def _measured(group: Stack, measures: str) -> Stack:
    if measures == MEASURES[0]:
        return group
    return group.select(lambda r: r["construct"] != "behavior" or r["measured_by"] != "self_report")


def _at_follow_up(group: Stack, follow_up: str) -> Stack:
    """Behavior effects of the first or the last follow-up of each trial; effects without a
    number of weeks stay."""
    if follow_up == FOLLOW_UPS[0]:
        return group
    pick = min if follow_up == FOLLOW_UPS[1] else max
    chosen: dict[str, float] = {}
    for trial in group.trials:
        weeks = [float(r["weeks"]) for r in trial.records if r["construct"] == "behavior"]
        known = [w for w in weeks if np.isfinite(w)]
        if known:
            chosen[str(trial["trial_id"])] = pick(known)

    def keep(record: Record) -> bool:
        weeks = float(record["weeks"])
        other = record["construct"] != "behavior" or not np.isfinite(weeks)
        return other or weeks == chosen[str(record["trial_id"])]

    return group.select(keep)


def _trials(group: Stack, trials: str, upstream: str) -> Stack:
    if trials == "both outcomes":
        return with_both(group, upstream)
    if trials == "randomized only":
        return group.select(lambda record: bool(record["randomized"]))
    return group


def _rows(
    identity: Record, choice: Choice, model: JointModel | EstimationError,
    settings: AnalysisSettings,
) -> list[Record]:  # fmt: skip
    rows: list[Record] = []
    for inference in INFERENCES:
        about = about_choice(identity, choice, inference, settings)
        if isinstance(model, EstimationError):
            why = str(model)
            row = _without_a_model(why) | {"verdict": NONE, "verdict_reason": why}
            rows.append(about | row)
            continue
        rows += [about | estimate_row(one, model) for one in _estimates(model, inference)]
    return rows


def _without_a_model(reason: str) -> Record:
    return {
        "estimand": "difference", "interval_kind": "none", "method": "none", "k_paired": 0,
        "status": "not_estimable", "reason": reason,
    }  # fmt: skip


def _estimates(model: JointModel, inference: str) -> Sequence[GapEstimate]:
    """Difference and ratio; the inference CR2 is the primary one, never narrower than the model."""
    if inference == "CR2" and model.robust is None and model.k_paired > 0:
        reason = "CR2 needs at least 2 trials with each outcome"
        return [missing_estimate("difference", inference, "too_few_studies", reason)]
    return difference_and_ratio(model, PRIMARY if inference == "CR2" else inference)
