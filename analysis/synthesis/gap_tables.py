"""Rows of `gap_estimates` and `surrogacy`: every estimand and the trial-level line of each subset,
from one fit of the joint model."""

from __future__ import annotations

from analysis.gap.joint import JointModel
from analysis.synthesis.gap_estimates import gap_subset, surrogacy_row
from analysis.synthesis.group import Group
from analysis.synthesis.stack import Record


def gap_rows(group: Group) -> list[Record]:
    """Every estimand of every subset, or why it has none."""
    rows: list[Record] = []
    for subset, part in group.subsets:
        identity = group.identity | {"subset": subset}
        model = group.joint_of(part)
        rows += gap_subset(model, identity, group.slope, group.share_assumed, group.settings)
    return rows


def surrogacy_rows(group: Group) -> list[Record]:
    """The trial-level line of every subset that has a joint model."""
    rows: list[Record] = []
    for subset, part in group.subsets:
        model = group.joint_of(part)
        if isinstance(model, JointModel):
            rows.append(surrogacy_row(model, group.identity | {"subset": subset}, group.settings))
    return rows
