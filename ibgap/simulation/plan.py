"""What is simulated: one frozen value with the true parameters and the make-up of the trials."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

KINDS = (
    "participant_rows", "arm_summaries", "reported_effects", "intention_by_action", "review",
    "correlations", "barrier_codings",
)  # fmt: skip
"""Kinds of trial folders: the kinds of sources, and a table of many trials."""

LOAD_SHARES: Mapping[str, float] = MappingProxyType(
    {"participant_rows": 0.60, "arm_summaries": 0.25, "reported_effects": 0.15}
)
"""Shares of kinds in load tests."""

EVERY_KIND: Mapping[str, float] = MappingProxyType(
    {kind: 0.9 * share for kind, share in LOAD_SHARES.items()}
    | {"intention_by_action": 0.04, "review": 0.02, "correlations": 0.02, "barrier_codings": 0.02}
)
"""The same, with a tenth of the folders for the kinds that are rarer."""

SYNTHESES: Mapping[str, float] = MappingProxyType(
    {"main": 0.85, "students": 0.08, "attitudes": 0.05, "pilot_trials": 0.02}
)
"""Shares of the groups that are pooled together; in `attitudes` attitude stands upstream."""

TOPICS = (
    "help_seeking", "vaccination", "exercise", "diet", "blood_donation", "screening", "alcohol",
)  # fmt: skip


class PlanError(Exception):
    """A plan that cannot be simulated."""


@dataclass(frozen=True)
class Plan:
    """A database of trials to be simulated.

    trials: number of folders. seed: of all random numbers; folder i depends on the plan and on i
    alone, never on `trials`. mean_intention, mean_behavior: mean true effects over trials, in
    standard deviations within arms. tau_intention, tau_behavior, tau_correlation: their standard
    deviations over trials and correlation (Tau). within_arm_correlation, baseline_correlation: of
    the latent scores of intention with behavior and with intention before. followup_correlation:
    of what behavior now and behavior later have beyond intention. planning_effect: difference of
    mean behavior effects between trials with the moderator planning `yes` and `no` (half of the
    trials each); it is part of Tau. icc: intracluster correlation of cluster trials. persons:
    fewest and most of a trial. missing: range over trials of the share of upstream values that
    are missing. dropout: range of the share of persons lost before the follow-up. public: share
    of trials with participants that are published as they are; the others have the project's
    default. cluster: share of trials with clusters, where their kind can have them. defects:
    share of folders with one planted defect. shares: of kinds, by weight (`KINDS`). syntheses: of
    groups, by weight. topics: domains of behavior.

    Raises `PlanError` where a setting is impossible.
    """

    trials: int = 100
    seed: int = 1
    mean_intention: float = 0.40
    mean_behavior: float = 0.22
    tau_intention: float = 0.20
    tau_behavior: float = 0.15
    tau_correlation: float = 0.60
    within_arm_correlation: float = 0.40
    baseline_correlation: float = 0.60
    followup_correlation: float = 0.70
    planning_effect: float = 0.10
    icc: float = 0.02
    persons: tuple[int, int] = (200, 500)
    missing: tuple[float, float] = (0.05, 0.12)
    dropout: tuple[float, float] = (0.05, 0.12)
    public: float = 0.25
    cluster: float = 0.10
    defects: float = 0.03
    shares: Mapping[str, float] = field(default_factory=lambda: EVERY_KIND)
    syntheses: Mapping[str, float] = field(default_factory=lambda: SYNTHESES)
    topics: tuple[str, ...] = TOPICS

    def __post_init__(self) -> None:
        _check(self)

    @property
    def tau(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Covariance matrix over trials of the true effects on (intention, behavior)."""
        a, b = self.tau_intention, self.tau_behavior
        c = self.tau_correlation * a * b
        return ((a * a, c), (c, b * b))

    def as_record(self) -> dict[str, Any]:
        """The plan as JSON can hold it."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def _check(plan: Plan) -> None:
    """Raises `PlanError` with the setting, what was found and what is possible."""

    def need(ok: bool, name: str, possible: str) -> None:
        if not ok:
            value = _plain(getattr(plan, name))
            raise PlanError(f"{name} is {value}; {possible}")

    need(1 <= plan.trials <= 1_000_000, "trials", "give a number from 1 to 1,000,000")
    need(plan.seed >= 0, "seed", "give a whole number from 0 on")
    for name in ("mean_intention", "mean_behavior"):
        need(abs(getattr(plan, name)) <= 1.0, name, "give an effect between -1 and 1 SD")
    for name in ("tau_intention", "tau_behavior"):
        need(0 <= getattr(plan, name) <= 0.5, name, "give an SD over trials between 0 and 0.5")
    for name in ("tau_correlation", "within_arm_correlation", "baseline_correlation",
                 "followup_correlation"):  # fmt: skip
        need(abs(getattr(plan, name)) < 1, name, "give a correlation between -1 and 1")
    for name in ("public", "cluster", "defects"):
        need(0 <= getattr(plan, name) <= 1, name, "give a share between 0 and 1")
    need(0 <= plan.icc < 0.5, "icc", "give a correlation from 0 to below 0.5")
    for name in ("missing", "dropout"):
        low, high = getattr(plan, name)
        need(0 <= low <= high <= 0.5, name, "give two shares from 0 to 0.5, the smaller one first")
    fewest, most = plan.persons
    need(60 <= fewest <= most <= 1_000_000, "persons",
         "give two numbers from 60 to 1,000,000, the smaller one first")  # fmt: skip
    need(bool(plan.topics), "topics", "name at least one")
    for name, known in (("shares", KINDS), ("syntheses", tuple(SYNTHESES))):
        weights = getattr(plan, name)
        need(set(weights) <= set(known), name, f"known are {', '.join(known)}")
        fine = bool(weights) and min(weights.values()) >= 0 and 0 < sum(weights.values()) < math.inf
        need(fine, name, "give weights from 0 on, one of them above 0")
    left = 1 - plan.tau_correlation**2
    need(plan.planning_effect**2 / 4 <= left * plan.tau_behavior**2, "planning_effect",
         "it may not make more variance of the effects on behavior than Tau leaves: at most "
         f"{2 * math.sqrt(left) * plan.tau_behavior:.3f} in size here")  # fmt: skip
