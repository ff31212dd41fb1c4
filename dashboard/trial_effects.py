"""One effect per trial and outcome, and the joint model, recomputed from published tables.

The composites are those that the pipeline pools: within each trial the precision-weighted mean
of the effects on one outcome. Effects that the disclosure rules rounded give them to the
published decimals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from analysis.dependent.composites import make_composites
from analysis.distributions import critical_value
from analysis.gap.joint import JointModel
from analysis.synthesis.stack import Stack, having
from ibgap.releases.view import ReleaseView, Row


@dataclass(frozen=True)
class TrialEffect:
    """Composite effect of one trial on one outcome; nan when all its effects are withheld."""

    estimate: float
    variance: float
    ci_lb: float
    ci_ub: float


@dataclass(frozen=True)
class TrialPair:
    """A trial with what it has on the upstream outcome and on behavior.

    difference: upstream minus behavior with its confidence limits, nan unless both are there.
    """

    trial_id: str
    label: str
    upstream: TrialEffect | None
    behavior: TrialEffect | None
    difference: tuple[float, float, float]

    @property
    def is_paired(self) -> bool:
        both = (self.upstream, self.behavior)
        return all(e is not None and math.isfinite(e.estimate) for e in both)


class SynthesisEffects:
    """The effects in the pools of one synthesis, on the upstream construct and behavior."""

    def __init__(self, view: ReleaseView, synthesis: str) -> None:
        self.view, self.synthesis = view, synthesis
        self.upstream = view.upstream(synthesis)

    @cached_property
    def stack(self) -> Stack:
        whole = self.view.stack(self.synthesis)
        return whole.select(having("construct", self.upstream, "behavior"))

    @cached_property
    def trials(self) -> tuple[TrialPair, ...]:
        """Trials in the order of the upstream effect, the ones without it by behavior."""
        found: dict[str, dict[str, TrialEffect]] = {}
        for row in self._withheld:
            found.setdefault(str(row["trial_id"]), {})[str(row["construct"])] = _NOTHING
        covariance: dict[str, float] = {}
        if self.stack.trials:
            names = [self.upstream, "behavior"]
            made = make_composites(self.stack.blocks(names))
            z = critical_value(self.view.level, math.inf)
            ids = [str(t["trial_id"]) for t in self.stack.trials]
            for yi, vi, trial, kind in zip(
                made.yi, made.vi, made.cluster, made.outcome, strict=True
            ):
                half = z * math.sqrt(vi)
                effect = TrialEffect(float(yi), float(vi), float(yi - half), float(yi + half))
                found.setdefault(ids[trial], {})[names[kind]] = effect
            covariance = {
                trial: float(v[0, 1])
                for trial, v in zip(ids, made.v, strict=True) if v.shape[0] == 2
            }  # fmt: skip
        pairs = [self._pair(t, effects, covariance.get(t)) for t, effects in found.items()]
        return tuple(sorted(pairs, key=_order))

    def absent(self, trial_id: str) -> tuple[str, str]:
        """What is said of an outcome that a trial does not show here: that nothing is reported, or
        that the selection leaves it out."""
        left = (
            self.view.left_out(self.synthesis, trial_id, c) for c in (self.upstream, "behavior")
        )
        first, second = (LEFT_OUT if out else "not reported" for out in left)
        return first, second

    @property
    def _withheld(self) -> list[Row]:
        """Effects in the pools whose numbers are not published."""
        return [
            row for row in self.view.withheld_effects(self.synthesis)
            if row["construct"] in (self.upstream, "behavior")
        ]  # fmt: skip

    def _pair(
        self, trial: str, effects: dict[str, TrialEffect], covariance: float | None
    ) -> TrialPair:
        up, behavior = effects.get(self.upstream), effects.get("behavior")
        difference = (math.nan, math.nan, math.nan)
        if up is not None and behavior is not None and covariance is not None:
            z = critical_value(self.view.level, math.inf)
            value = up.estimate - behavior.estimate
            half = z * math.sqrt(max(0.0, up.variance + behavior.variance - 2.0 * covariance))
            difference = (value, value - half, value + half)
        return TrialPair(trial, self.view.trial_label(trial), up, behavior, difference)

    @cached_property
    def joint(self) -> JointModel | None:
        """The joint model of both outcomes; None when it cannot be fitted."""
        if not self.stack.trials:
            return None
        model = self.view.joint(self.synthesis)
        return model if isinstance(model, JointModel) else None


LEFT_OUT = "left out by the selection"
_NOTHING = TrialEffect(*(math.nan,) * 4)


def _order(pair: TrialPair) -> tuple[int, float, str]:
    for rank, effect in enumerate((pair.upstream, pair.behavior)):
        if effect is not None and math.isfinite(effect.estimate):
            return rank, -effect.estimate, pair.label
    return 2, 0.0, pair.label
