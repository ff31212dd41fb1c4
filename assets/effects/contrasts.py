"""Which contrasts of a trial stand in the pools: against control, with one comparator.

A pool sets interventions against comparators. A contrast of two interventions answers another
question; contrasts with different comparators, or a contrast that two others determine, would
weigh the same persons against each other. All of them stay in the table of effects.
"""

from __future__ import annotations

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
    out, findings = effects.copy(), []
    for trial, own in effects[effects["in_pool"].astype(bool)].groupby("trial_id", sort=False):
        reasons = _of_other_questions(own, manifest)
        reasons = reasons.where(reasons != "", _of_other_comparators(own[reasons == ""], manifest))
        gone = reasons.index[reasons.fillna("") != ""]
        out.loc[gone, "in_pool"] = False
        out.loc[gone, "reason"] = reasons[gone]
        findings += _told(str(trial), own, reasons.fillna(""))
    return out, findings


def _of_other_questions(own: pd.DataFrame, manifest: TrialManifest) -> pd.Series:
    """Per effect of one trial, why its contrast is none with a control; empty where it is one."""
    roles = {arm.id: arm.role for arm in manifest.arms}
    secondary = {(c.intervention, c.comparator) for c in manifest.comparisons if not c.primary}
    tested = set(own["intervention_arm"])

    def reason(contrast: Contrast) -> str:
        intervention, comparator = contrast
        if contrast in secondary:
            return _SECONDARY
        if roles.get(intervention) in COMPARATORS:
            return f"it tests none of the interventions ({intervention} is a comparator)"
        is_tested = roles[comparator] not in COMPARATORS if comparator in roles else (
            comparator in tested
        )  # fmt: skip
        return f"it compares two interventions ({comparator} is tested too)" if is_tested else ""

    pairs = zip(own["intervention_arm"], own["comparator_arm"], strict=True)
    return pd.Series([reason(pair) for pair in pairs], index=own.index, dtype=object)


_SECONDARY = "the comparison is declared as not primary"


def _of_other_comparators(own: pd.DataFrame, manifest: TrialManifest) -> pd.Series:
    """Per effect of one trial, that the pools of its construct take another comparator."""
    roles = {arm.id: arm.role for arm in manifest.arms}
    declared = own[own["comparator_arm"].isin(list(roles))]
    outcomes = declared.groupby("comparator_arm")["outcome_id"].nunique()
    ranked = sorted(outcomes.index, key=lambda a: (-outcomes[a], PREFERRED.index(roles[a]), a))
    reasons = pd.Series("", index=own.index, dtype=object)
    for _, part in declared.groupby("construct"):
        chosen = next(a for a in ranked if (part["comparator_arm"] == a).any())
        others = part.index[part["comparator_arm"] != chosen]
        reasons[others] = f"the pools set the trial against another comparator ({chosen})"
    return reasons


def _told(trial: str, own: pd.DataFrame, reasons: pd.Series) -> list[Finding]:
    """One finding per contrast and reason that nobody asked for; a warning where a construct is
    lost."""
    stay = set(own.loc[reasons == "", "construct"])
    left = own.assign(why=reasons)[(reasons != "") & (reasons != _SECONDARY)]
    out = []
    for (one, two, why), part in left.groupby(["intervention_arm", "comparator_arm", "why"]):
        lost = sorted(set(part["construct"]) - stay)
        tail = f"; the trial has no other effect on {' and '.join(lost)}" if lost else ""
        out.append(
            Finding(
                trial,
                "contrast_not_in_pools",
                Severity.WARNING if lost else Severity.INFO,
                f"{one} against {two} stays out of the pools: {why}{tail}",
                "correct the roles of the arms, or say under `comparisons:` which are `primary:`",
                "trial.yaml",
            )
        )
    return out
