"""The parts of manifests that simulated trials of all kinds share."""

from __future__ import annotations

from typing import Any

from ibgap.simulation.design import AMOUNT, Design
from ibgap.simulation.plan import Plan

Part = dict[str, Any]

ACTS = {
    "help_seeking": "make an appointment with a professional", "vaccination": "get vaccinated",
    "exercise": "exercise", "diet": "eat five portions of fruit and vegetables",
    "blood_donation": "donate blood", "screening": "attend screening",
    "alcohol": "drink less than the advised limit",
}  # fmt: skip
UPSTREAM, EXTRA = "upstream", "extra"
_ANSWERS = ((["1"], ["0"]), (["yes"], ["no"]), (["2"], ["1"]))


def behavior_id(weeks: int) -> str:
    return f"behavior_{weeks}w"


def answers(design: Design) -> tuple[str, str]:
    """Texts for acted and not acted."""
    yes, no = _ANSWERS[design.spelling]
    return yes[0], no[0]


def arm_text(design: Design, place: int) -> str:
    """How the file of the trial writes an arm: its id, its label, or its number."""
    arm = design.arms[place]
    return (arm.id, arm.label, str(place))[design.spelling]


def arm_recode(design: Design, column: str) -> Part:
    """`recode:` of a source whose file does not write the ids of arms."""
    if design.spelling == 0:
        return {}
    ids = {arm_text(design, place): arm.id for place, arm in enumerate(design.arms)}
    return {"recode": {column: ids}}


def head(design: Design, plan: Plan, design_type: str = "parallel", **more: Any) -> Part:
    """The beginning of a manifest: what the trial is and how it was run."""
    return {
        "ibgap": 1, "id": design.name, "label": design.label, "year": design.year,
        "country": design.country, "topic": design.topic, "synthesis": design.synthesis,
        **({"upstream_construct": design.upstream} if design.upstream != "intention" else {}),
        "design": {"type": design_type, **more},
    }  # fmt: skip


def arms(design: Design, randomized: list[int] | None = None) -> Part:
    """randomized: persons by arm, where the report says them."""
    out = []
    for place, arm in enumerate(design.arms):
        part: Part = {"id": arm.id, "role": arm.role, "label": arm.label}
        out.append(part | ({"n_randomized": randomized[place]} if randomized else {}))
    return {"arms": out}


def outcomes(design: Design, *, binary_upstream: bool = False) -> list[Part]:
    """Upstream outcome, another one where there is one, and behavior at every follow-up."""
    act = {"target": "oneself", "action": ACTS.get(design.topic, design.topic)}
    score = {"min": _number(design.scale.low), "max": _number(design.scale.high)}
    scale: Part = {"type": "continuous", **score}
    out: list[Part] = [{
        "id": UPSTREAM, "construct": design.upstream, "label": design.upstream.capitalize(),
        "instrument": "Single question" if binary_upstream else design.scale.name,
        "scale": {"type": "binary"} if binary_upstream else scale, "higher_is_better": True, **act,
        "timepoint": {"label": "after the intervention", "weeks": 0}, "measured_by": "self_report",
    }]  # fmt: skip
    if design.extra:
        construct = "self_stigma" if design.extra == "stigma" else "attitude"
        out.append({
            "id": EXTRA, "construct": construct, "instrument": design.scale.name, "scale": scale,
            "higher_is_better": design.extra != "stigma",
            "timepoint": {"label": "after the intervention", "weeks": 0},
            "measured_by": "self_report",
        })  # fmt: skip
    yes, no = answers(design)
    spelled = {"acted_values": [yes], "not_acted_values": [no]} if design.spelling else {}
    for weeks in design.weeks:
        kind = {"type": "binary", **spelled} if design.binary else {"type": "continuous", "min": 0}
        out.append({
            "id": behavior_id(weeks), "construct": "behavior",
            "label": f"Behavior at {weeks} weeks",
            "instrument": "Record" if design.binary else AMOUNT.name, "scale": kind,
            "higher_is_better": True, **act, "timepoint": {"label": f"{weeks} weeks",
            "weeks": weeks}, "measured_by": "record" if design.binary else "self_report",
        })  # fmt: skip
    return out


def _number(value: float) -> int | float:
    return int(value) if value == int(value) else value


def tail(design: Design, plan: Plan) -> Part:
    """The end of a manifest: moderators, risk of bias, origin, disclosure."""
    kinds = {"mean_age": "number"}
    out: Part = {
        "moderators": [
            {"name": name, "value": value, **({"kind": kinds[name]} if name in kinds else {})}
            for name, value in design.moderators.items()
        ]
    }
    if design.risk_of_bias:
        domains = {n: j for n, j in design.risk_of_bias.items() if n != "overall"}
        overall = design.risk_of_bias["overall"]
        out["risk_of_bias"] = {"tool": "RoB 2", "overall": overall, "domains": domains}
    return out | origin(design, plan) | disclosure(design)


def origin(design: Design, plan: Plan) -> Part:
    return {
        "provenance": {
            "citation": f"{design.label} Simulated data.",
            "source": f"ibgap simulate, seed {plan.seed}", "license": "CC0",
        }
    }  # fmt: skip


def disclosure(design: Design) -> Part:
    if not design.public:
        return {}
    reason = "the rows are simulated and stand for a public file"
    return {"disclosure": {"profile": "published", "reason": reason}}
