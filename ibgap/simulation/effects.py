"""The true effects of one trial."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ibgap.simulation.design import Random
from ibgap.simulation.plan import Plan


@dataclass(frozen=True)
class TrueEffects:
    """Of the intervention arms against the others, in standard deviations within arms."""

    upstream: float
    behavior: float


def draw_effects(random: Random, plan: Plan, planning: bool) -> TrueEffects:
    """Two normal effects with the means and covariances of the plan.

    The moderator planning moves the effect on behavior by half of `planning_effect` up or down.
    What it adds to the variance is taken from the part that does not go with intention, so that
    mean and covariance over all trials are those of the plan.
    """
    one, other = random.standard_normal(2)
    moved = plan.planning_effect / 2
    rest = (1 - plan.tau_correlation**2) * plan.tau_behavior**2 - moved**2
    upstream = plan.mean_intention + plan.tau_intention * float(one)
    behavior = (
        plan.mean_behavior
        + plan.tau_correlation * plan.tau_behavior * float(one)
        + math.sqrt(max(rest, 0.0)) * float(other)
        + (moved if planning else -moved)
    )
    return TrueEffects(upstream, behavior)
