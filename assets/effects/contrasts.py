"""Which contrasts of a trial stand in the pools: against control, with one comparator.

A pool sets interventions against comparators. A contrast of two interventions answers another
question; contrasts with different comparators, or a contrast that two others determine, would
weigh the same persons against each other. All of them stay in the table of effects.
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from validations.findings import Finding, Severity
from validations.manifest.crosscheck import COMPARATORS
from validations.manifest.model import TrialManifest
from validations.manifest.vocabulary import ArmRole

PREFERRED = (
    ArmRole.USUAL_CARE,
    ArmRole.CONTROL,
    ArmRole.ATTENTION_CONTROL,
    ArmRole.NO_INTERVENTION,
    ArmRole.WAITLIST,
)
"""Comparators from the one that says most about practice to the one that flatters most."""
Contrast = tuple[str, str]
"""(intervention arm, comparator arm)."""


def choose_contrasts(
    effects: pd.DataFrame, manifest: TrialManifest
) -> tuple[pd.DataFrame, list[Finding]]:
    """The effects with `in_pool` and `reason` set for the contrasts that do not stand in the pools,
    and what is to be told of them.

    effects: of one manifest, with `in_pool` as the outcomes ask. The order of rows, arms and
    comparisons does not matter.
    """
    trials: dict[str, list[_Pooled]] = {}
    pooled = effects[effects["in_pool"].astype(bool)]
    cells = (pooled[name] for name in ("trial_id", *_Pooled._fields[1:]))
    for place, (trial, *row) in zip(pooled.index.tolist(), zip(*cells, strict=True), strict=True):
        trials.setdefault(trial, []).append(_Pooled(place, *row))
    reasons: _Reasons = {}
    findings: list[Finding] = []
    for trial, own in trials.items():
        found = _of_other_questions(own, manifest)
        found |= _of_other_comparators([one for one in own if one.place not in found], manifest)
        findings += _told(str(trial), own, found)
        reasons |= found
    out = effects.copy()
    if reasons:
        gone = list(reasons)
        out.loc[gone, "in_pool"] = False
        out.loc[gone, "reason"] = list(reasons.values())
    return out, findings


class _Pooled(NamedTuple):
    """An effect in the pools: its place in the table, and what it is about."""

    place: int
    intervention_arm: str
    comparator_arm: str
    construct: str
    outcome_id: str


_Reasons = dict[int, str]
"""Place of an effect -> why it does not stand in the pools."""


def _of_other_questions(own: list[_Pooled], manifest: TrialManifest) -> _Reasons:
    """Why contrasts of one trial are none with a control, of those that are none."""
    roles = {arm.id: arm.role for arm in manifest.arms}
    secondary = {(c.intervention, c.comparator) for c in manifest.comparisons if not c.primary}
    tested = {one.intervention_arm for one in own}

    def reason(intervention: str, comparator: str) -> str:
        if (intervention, comparator) in secondary:
            return _SECONDARY
        if roles.get(intervention) in COMPARATORS:
            return f"it tests none of the interventions ({intervention} is a comparator)"
        is_tested = roles[comparator] not in COMPARATORS if comparator in roles else (
            comparator in tested
        )  # fmt: skip
        return f"it compares two interventions ({comparator} is tested too)" if is_tested else ""

    found = {one.place: reason(one.intervention_arm, one.comparator_arm) for one in own}
    return {place: why for place, why in found.items() if why}


_SECONDARY = "the comparison is declared as not primary"


def _of_other_comparators(own: list[_Pooled], manifest: TrialManifest) -> _Reasons:
    """That the pools of its construct take another comparator, of the contrasts of one trial of
    which that is so."""
    roles = {arm.id: arm.role for arm in manifest.arms}
    outcomes: dict[str, set[str]] = {}
    comparators: dict[str, set[str]] = {}
    for one in own:
        if one.comparator_arm in roles:
            outcomes.setdefault(one.comparator_arm, set()).add(one.outcome_id)
            comparators.setdefault(one.construct, set()).add(one.comparator_arm)

    def rank(arm: str) -> tuple[int, int, str]:
        return -len(outcomes[arm]), PREFERRED.index(roles[arm]), arm

    chosen = {construct: min(arms, key=rank) for construct, arms in comparators.items()}
    return {
        one.place: f"the pools set the trial against another comparator ({chosen[one.construct]})"
        for one in own
        if one.comparator_arm in roles and one.comparator_arm != chosen[one.construct]
    }


def _told(trial: str, own: list[_Pooled], reasons: _Reasons) -> list[Finding]:
    """One finding per contrast and reason that nobody asked for; a warning where a construct is
    lost."""
    stay = {one.construct for one in own if one.place not in reasons}
    left: dict[tuple[str, str, str], set[str]] = {}
    for one in own:
        why = reasons.get(one.place, _SECONDARY)
        if why != _SECONDARY:
            key = (one.intervention_arm, one.comparator_arm, why)
            left.setdefault(key, set()).add(one.construct)
    out = []
    for (intervention, comparator, why), constructs in sorted(left.items()):
        lost = sorted(constructs - stay)
        tail = f"; the trial has no other effect on {' and '.join(lost)}" if lost else ""
        out.append(
            Finding(
                trial,
                "contrast_not_in_pools",
                Severity.WARNING if lost else Severity.INFO,
                f"{intervention} against {comparator} stays out of the pools: {why}{tail}",
                "correct the roles of the arms, or say under `comparisons:` which are `primary:`",
                "trial.yaml",
            )
        )
    return out
