"""One synthesis while its tables are made: what several tables rest on is computed once."""

from __future__ import annotations

from functools import cached_property

from analysis.errors import EstimationError
from analysis.gap.joint import JointModel
from analysis.synthesis.gap_estimates import (
    Slope,
    share_assumed,
    try_joint_model,
    within_arm_slope,
)
from analysis.synthesis.inputs import GroupInputs
from analysis.synthesis.outcome import Outcome, outcome_of
from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import Record, Stack, having, subsets


class Group:
    """The inputs of one synthesis with the fits that its tables share, each made when first asked
    for.

    selection: what a page shows of a selection of trials, which is the subset of all of them
    without what takes long (each trial left out, every specification, the hierarchical model).
    """

    def __init__(self, inputs: GroupInputs, *, selection: bool = False) -> None:
        self.inputs, self.selection = inputs, selection
        self._joints: dict[bytes, JointModel | EstimationError] = {}
        self._outcomes: dict[str, Outcome | None] = {}

    @property
    def synthesis(self) -> str:
        return self.inputs.synthesis

    @property
    def upstream(self) -> str:
        return self.inputs.upstream

    @property
    def settings(self) -> AnalysisSettings:
        return self.inputs.settings

    @property
    def stack(self) -> Stack:
        return self.inputs.stack

    @property
    def pair(self) -> tuple[str, str]:
        """The two constructs of the gap."""
        return self.upstream, "behavior"

    @cached_property
    def constructs(self) -> set[str]:
        return self.stack.constructs

    @property
    def identity(self) -> Record:
        """What rows about the gap of this synthesis begin with."""
        return {"synthesis": self.synthesis, "upstream_construct": self.upstream}

    @cached_property
    def subsets(self) -> list[tuple[str, Stack]]:
        """All trials first, then every subset that is pooled on its own."""
        if self.selection or not self.stack.trials:
            return [("all", self.stack)]
        return list(subsets(self.stack, self.upstream))

    @property
    def joint(self) -> JointModel | EstimationError:
        """The joint model of all trials at the primary correlation, or why there is none."""
        return self.joint_of(self.stack)

    def joint_of(self, part: Stack) -> JointModel | EstimationError:
        """The joint model of these effects; equal effects are fitted once."""
        pair = part.select(having("construct", *self.pair))
        key = pair.key
        if key not in self._joints:
            self._joints[key] = try_joint_model(pair, self.upstream, self.settings)
        return self._joints[key]

    def outcome(self, construct: str) -> Outcome | None:
        """All effects on one construct; None without any."""
        if construct not in self._outcomes:
            self._outcomes[construct] = outcome_of(self.stack, construct)
        return self._outcomes[construct]

    @cached_property
    def slope(self) -> Slope:
        """Within-arm slope of behavior on the upstream construct."""
        return within_arm_slope(self.inputs.pairs, self.synthesis, self.settings)

    @cached_property
    def share_assumed(self) -> float:
        """Share of the pairs whose correlation is assumed."""
        return share_assumed(self.inputs.pairs, self.synthesis)
