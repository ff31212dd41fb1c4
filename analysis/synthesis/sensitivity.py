"""How much the gap rests on the assumed correlation and on single trials, as rows of
`sensitivity`."""

from __future__ import annotations

from collections.abc import Callable

from analysis.errors import EstimationError
from analysis.gap.joint import JointModel
from analysis.synthesis.gap_estimates import difference_and_ratio, estimate_row, joint_model
from analysis.synthesis.robustness import robustness_rows
from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import Record, Stack, of_synthesis, syntheses, upstream_of
from analysis.synthesis.verdicts import NONE

MOST_TRIALS_LEFT_OUT = 100


def sensitivity(stack_at: Callable[[float], Stack], settings: AnalysisSettings) -> list[Record]:
    """The gap over the assumed correlation, with each trial left out in turn, and under other
    assumptions (`robustness_rows`).

    stack_at: makes the stack of all trials for an assumed correlation; correlations that are
    known stay as they are. Syntheses of more than `MOST_TRIALS_LEFT_OUT` trials get one row that
    says why no trial was left out.
    """
    rows: list[Record] = []
    stack = stack_at(settings.assumed_correlation)
    for name in syntheses(stack) if stack.trials else []:
        rows += grid_rows(stack_at, name, settings)
    for name in syntheses(stack) if stack.trials else []:
        group = of_synthesis(stack, name)
        rows += _left_out(group, settings) + robustness_rows(group, settings)
    return rows


def grid_rows(
    stack_at: Callable[[float], Stack],
    synthesis: str,
    settings: AnalysisSettings,
    near: JointModel | None = None,
) -> list[Record]:
    """The gap of one synthesis at every correlation of the grid. near: a model of almost the
    same effects to start from."""
    rows: list[Record] = []
    for rho in settings.correlation_grid:
        group = of_synthesis(stack_at(rho), synthesis)
        about = _about(group, "assumed_correlation", f"{rho:g}")
        rows += _sensitivity_rows(group, about, settings, near)[0]
    return rows


def _about(stack: Stack, analysis: str, value: str) -> Record:
    return {
        "synthesis": stack.trials[0]["synthesis"],
        "upstream_construct": upstream_of(stack),
        "analysis": analysis,
        "value": value,
    }


def _left_out(group: Stack, settings: AnalysisSettings) -> list[Record]:
    trials = group.trials
    if len(trials) < 3:
        return []
    if len(trials) > MOST_TRIALS_LEFT_OUT:
        return [
            _about(group, "leave_one_trial_out", "")
            | {
                "estimand": "difference",
                "status": "not_computed",
                "reason": f"{len(trials)} trials; done for up to {MOST_TRIALS_LEFT_OUT}",
                "interval_kind": "none",
                "method": "none",
                "verdict": NONE,
                "verdict_reason": "not computed",
            }
        ]
    _, whole = _sensitivity_rows(group, {}, settings)
    rows: list[Record] = []
    for i, left in enumerate(trials):
        about = _about(group, "leave_one_trial_out", str(left["trial_id"]))
        rest = Stack(trials[:i] + trials[i + 1 :])
        rows += _sensitivity_rows(rest, about, settings, whole)[0]
    return rows


def _sensitivity_rows(
    stack: Stack,
    about: Record,
    settings: AnalysisSettings,
    near: JointModel | None = None,
) -> tuple[list[Record], JointModel | None]:
    """Difference and ratio of one stack, and the model they come from (None without one)."""
    try:
        model = joint_model(stack, upstream_of(stack), settings, near)
    except EstimationError as error:
        missing = {
            "estimand": "difference",
            "status": "not_estimable",
            "reason": str(error),
            "interval_kind": "none",
            "method": "none",
            "verdict": NONE,
            "verdict_reason": str(error),
        }
        return [about | missing], None
    return [about | estimate_row(one, model) for one in difference_and_ratio(model)], model
