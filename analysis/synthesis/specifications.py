"""The gap under every combination of the analyst's choices, as rows of `specifications`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

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
from analysis.synthesis.gap_estimates import difference_and_ratio, estimate_row, try_joint_model
from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import (
    Record,
    Stack,
    of_synthesis,
    syntheses,
    upstream_of,
    with_both,
)
from analysis.synthesis.verdicts import NONE

MOST_TRIALS_FOR_ALL = 100
"""Above it the assumed correlation stays at its primary value, which moves large sets little."""


def specifications(stack_at: Callable[[float], Stack], settings: AnalysisSettings) -> list[Record]:
    """Rows of every synthesis. stack_at: the stack of all trials for an assumed correlation."""
    rows: list[Record] = []
    primary = stack_at(settings.assumed_correlation)
    for name in syntheses(primary) if primary.trials else []:
        rows += specify(lambda rho, n=name: of_synthesis(stack_at(rho), n), settings)  # type: ignore[misc]
    return rows


def specify(group_at: Callable[[float], Stack], settings: AnalysisSettings) -> list[Record]:
    """Difference and ratio of one synthesis under every combination of choices.

    group_at: the trials of the synthesis for an assumed correlation. Combinations that select
    the same effects with the same covariances are analyzed once and listed under each name. With
    one effect per trial and outcome, both conversions of odds ratios and both estimators are taken;
    all of these are fitted in one call.
    """
    primary = group_at(settings.assumed_correlation)
    upstream = upstream_of(primary)
    identity: Record = {"synthesis": primary.trials[0]["synthesis"], "upstream_construct": upstream}
    grid = list(settings.correlation_grid)
    if len(primary.trials) > MOST_TRIALS_FOR_ALL:
        grid = [settings.assumed_correlation]
    known: dict[bytes, JointModel | EstimationError] = {}
    near: JointModel | None = None
    rows: list[Record] = []
    composites: dict[Choice, PairedEffects] = {}
    for rho in sorted(set(grid) | {settings.assumed_correlation}):
        group = group_at(rho)
        for trials, follow_up, measures, part in _selections(group, upstream):
            key = _fingerprint(part)
            if key not in known:
                known[key] = try_joint_model(part, upstream, settings, near)
            model = known[key]
            near = model if isinstance(model, JointModel) else near
            choice = Choice(
                trials, follow_up, measures, rho, EFFECTS[0], settings.odds_to_smd, "REML"
            )
            rows += _rows(identity, choice, model, settings)
            if isinstance(model, JointModel):
                composites |= composites_of(choice, part, upstream, settings)
    return rows + composite_rows(identity, composites, settings)


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


def _fingerprint(part: Stack) -> bytes:
    ids = "|".join(str(i) for i in part.values("effect_id")).encode()
    return ids + b"".join(trial.covariance.tobytes() for trial in part.trials)


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
