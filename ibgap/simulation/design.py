"""How a simulated trial was run: drawn before any person is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ibgap.simulation.plan import Plan

Random = np.random.Generator


@dataclass(frozen=True)
class Arm:
    """One group. treated: whether its members have the trial's true effects."""

    id: str
    role: str
    label: str
    treated: bool


@dataclass(frozen=True)
class Instrument:
    """How a score is written: its bounds, mean and SD in an untreated arm, and decimals."""

    name: str
    low: float
    high: float
    mean: float
    sd: float
    decimals: int


def _scale(name: str, low: float, high: float, decimals: int) -> Instrument:
    """A scale whose ends are so far off that cutting scores off there changes nothing."""
    width = high - low
    return Instrument(name, low, high, low + 0.45 * width, 0.15 * width, decimals)


SCALES = (
    _scale("Mean of three items, 1 to 7", 1, 7, 2),
    _scale("Mean of four items, 1 to 5", 1, 5, 2),
    _scale("Sum of seven items, 7 to 49", 7, 49, 0),
    _scale("Visual analogue scale, 0 to 100", 0, 100, 0),
)
AMOUNT = Instrument("Minutes per week", 0, 400, 160, 35, 0)
"""Of behavior that is an amount."""

_INTERVENTIONS = (
    ("website", "Website"), ("text_messages", "Text messages"), ("phone_call", "Phone call"),
    ("group_session", "Group session"), ("letter", "Letter"), ("video", "Video"),
)  # fmt: skip
_COMPARATORS = (
    ("usual_care", "usual_care", "Usual care"), ("waitlist", "waitlist", "Waiting list"),
    ("leaflet", "attention_control", "Leaflet"), ("no_message", "no_intervention", "No message"),
    ("control", "control", "Control group"),
)  # fmt: skip
_NAMES = (
    "Abara", "Bauer", "Castillo", "Dubois", "Eriksen", "Fischer", "Garcia", "Hansen", "Ito",
    "Jansen", "Kowalski", "Lindqvist", "Moreau", "Novak", "Okafor", "Petrov", "Quinn", "Rossi",
    "Silva", "Tanaka", "Umar", "Varga", "Weber", "Xu", "Yilmaz", "Zhang",
)  # fmt: skip
_COUNTRIES = ("AUS", "BRA", "CAN", "CHN", "DEU", "ESP", "GBR", "JPN", "NGA", "NLD", "SWE", "USA")
_FORMATS = {"csv": 0.75, "tsv": 0.06, "xlsx": 0.06, "sav": 0.07, "parquet": 0.06}
_TABLE_FORMATS = {"csv": 0.80, "xlsx": 0.14, "tsv": 0.06}
_JUDGMENTS = {"low": 0.4, "some_concerns": 0.4, "high": 0.2}


@dataclass(frozen=True)
class Design:
    """Everything of a trial folder but its numbers.

    upstream: `intention`, or `attitude`. binary: whether behavior is yes or no; risk: then the
    share who act in an untreated arm. weeks: of the measurements of behavior. extra: another
    upstream outcome, or "". spelling: how a file writes arms and answers (0, 1 or 2).
    """

    name: str
    kind: str
    synthesis: str
    upstream: str
    topic: str
    label: str
    year: int
    country: str
    persons: int
    arms: tuple[Arm, ...]
    cluster_size: int
    scale: Instrument
    binary: bool
    risk: float
    weeks: tuple[int, ...]
    baseline: bool
    extra: str
    missing: float
    dropout: float
    planning: bool
    moderators: Mapping[str, str]
    risk_of_bias: Mapping[str, str]
    public: bool
    format: str
    spelling: int
    says_randomized: bool
    says_correlation: bool

    @property
    def interventions(self) -> list[Arm]:
        return [arm for arm in self.arms if arm.treated]

    @property
    def comparators(self) -> list[Arm]:
        return [arm for arm in self.arms if not arm.treated]


def chosen(random: Random, weights: Mapping[str, float]) -> str:
    """One of the names, with probabilities in proportion to their weights."""
    total = sum(weights.values())
    at = random.random() * total
    for name, weight in weights.items():
        at -= weight
        if at < 0:
            return name
    return next(name for name, weight in reversed(weights.items()) if weight)


def one_of(random: Random, items: Sequence[Any]) -> Any:
    return items[int(random.integers(len(items)))]


def draw_design(random: Random, plan: Plan, number: int) -> Design:
    """The design of folder `number`, counted from 1."""
    kind = chosen(random, plan.shares)
    synthesis = chosen(random, plan.syntheses)
    apart = {"correlations": "correlations", "barrier_codings": "codings", "review": "main"}
    rows = kind == "participant_rows"
    synthesis = apart.get(kind, synthesis)
    if kind == "intention_by_action" and synthesis == "attitudes":
        synthesis = "main"
    year = int(random.integers(1998, 2026))
    followed_again = random.random() < 0.25
    later = one_of(random, (4, 8, 12, 26))
    clustered = random.random() < plan.cluster and kind in ("participant_rows", "arm_summaries")
    planning = bool(random.random() < 0.5)
    extra = one_of(random, ("", "", "", "attitude" if synthesis != "attitudes" else "", "stigma"))
    return Design(
        name=f"sim_{number:06d}",
        kind=kind,
        synthesis=synthesis,
        upstream="attitude" if synthesis == "attitudes" else "intention",
        topic=one_of(random, plan.topics),
        label=f"{one_of(random, _NAMES)} et al. {year}",
        year=year,
        country=one_of(random, _COUNTRIES),
        persons=int(random.integers(plan.persons[0], plan.persons[1] + 1)),
        arms=_arms(random),
        cluster_size=int(random.integers(8, 16)) if clustered else 0,
        scale=one_of(random, SCALES),
        binary=kind == "intention_by_action" or bool(random.random() < 0.7),
        risk=float(random.uniform(0.2, 0.5)),
        weeks=(later, 52) if followed_again else (later,),
        baseline=rows and bool(random.random() < 0.5),
        extra=extra if kind in ("participant_rows", "arm_summaries") else "",
        missing=float(random.uniform(*plan.missing)),
        dropout=float(random.uniform(*plan.dropout)),
        planning=planning,
        moderators={
            "planning": "yes" if planning else "no",
            "setting": one_of(random, ("clinic", "community", "online", "school", "work")),
            "mean_age": f"{random.uniform(18, 70):.1f}",
        },
        risk_of_bias=_risk_of_bias(random),
        public=bool(random.random() < plan.public) and rows,
        format=chosen(random, _FORMATS if rows else _TABLE_FORMATS),
        spelling=int(random.integers(3)),
        says_randomized=bool(random.random() < 0.5),
        says_correlation=bool(random.random() < 0.5),
    )


def _arms(random: Random) -> tuple[Arm, ...]:
    """Two to four arms; of four, two are interventions and two comparators."""
    number = int(chosen(random, {"2": 0.78, "3": 0.16, "4": 0.06}))
    first = int(random.integers(len(_COMPARATORS)))
    places = random.permutation(len(_INTERVENTIONS))
    comparators = [_COMPARATORS[first]]
    if number == 4:
        comparators.append(_COMPARATORS[(first + 1) % len(_COMPARATORS)])
    treated = [_INTERVENTIONS[i] for i in places[: number - len(comparators)]]
    return (
        *(Arm(name, role, label, False) for name, role, label in comparators),
        *(Arm(name, "experimental", label, True) for name, label in treated),
    )


def _risk_of_bias(random: Random) -> dict[str, str]:
    """Judgments by domain; the overall one is the worst of them. One trial in five has none."""
    order = tuple(_JUDGMENTS)
    domains = {
        name: chosen(random, _JUDGMENTS)
        for name in ("randomization", "missing outcome data", "measurement of the outcome")
    }
    if random.random() < 0.2:
        return {}
    return {"overall": max(domains.values(), key=order.index)} | domains
