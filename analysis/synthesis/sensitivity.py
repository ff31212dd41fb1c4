"""How much the gap rests on the assumed correlation and on single trials, as rows of
`sensitivity`."""

from __future__ import annotations

from analysis.errors import EstimationError
from analysis.gap.joint import JointModel
from analysis.gap.left_out import ANOTHER_MODEL, fit_without_each
from analysis.synthesis.composite_specifications import primary_rows
from analysis.synthesis.gap_estimates import difference_and_ratio, estimate_row
from analysis.synthesis.group import Group
from analysis.synthesis.robustness import robustness_rows
from analysis.synthesis.stack import Record, Stack
from analysis.synthesis.verdicts import NONE


def sensitivity(group: Group) -> list[Record]:
    """The gap over the assumed correlation, with each trial left out in turn, and under other
    assumptions (`robustness_rows`); of a selection the first of these alone.

    Correlations that are known stay as they are.
    """
    if not group.stack.trials:
        return []
    if group.selection:
        return _grid_rows(group)
    return _grid_rows(group) + _left_out(group) + robustness_rows(group)


def _grid_rows(group: Group) -> list[Record]:
    """The gap at every correlation of the grid."""
    rows: list[Record] = []
    for assumed_correlation in group.settings.correlation_grid:
        about = {"analysis": "assumed_correlation", "value": f"{assumed_correlation:g}"}
        model = group.joint_of(group.inputs.stack_at(assumed_correlation))
        rows += [group.identity | about | row for row in _rows_of(model)]
    return rows


def _left_out(group: Group) -> list[Record]:
    trials, whole = group.stack.trials, group.joint
    if len(trials) < 3:
        return []
    fits = fit_without_each(whole) if isinstance(whole, JointModel) else None
    pair = set(group.pair)
    rows: list[Record] = []
    place = -1
    for i, left in enumerate(trials):
        about = {"analysis": "leave_one_trial_out", "value": str(left["trial_id"])}
        inside = bool(pair & set(left.values("construct")))
        place += inside
        if not inside:
            found = _rows_of(whole)
        elif fits is not None and fits.status[place] != ANOTHER_MODEL:
            found = primary_rows(fits, place, group.settings.level)
        else:
            found = _rows_of(group.joint_of(Stack(trials[:i] + trials[i + 1 :])))
        rows += [group.identity | about | row for row in found]
    return rows


def _rows_of(model: JointModel | EstimationError) -> list[Record]:
    """Difference and ratio of one model, or why there is none."""
    if isinstance(model, EstimationError):
        return [{
            "estimand": "difference", "status": "not_estimable", "reason": str(model),
            "interval_kind": "none", "method": "none", "verdict": NONE,
            "verdict_reason": str(model),
        }]  # fmt: skip
    return [estimate_row(one, model) for one in difference_and_ratio(model)]
