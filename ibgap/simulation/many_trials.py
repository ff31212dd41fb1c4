"""Tables of many trials or samples in one file: reviews, correlations, codings of barriers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from ibgap.simulation import manifests as part
from ibgap.simulation.design import Arm, Design, Random
from ibgap.simulation.draft import Cell, Draft, Table
from ibgap.simulation.effects import draw_effects
from ibgap.simulation.one_trial import Seen
from ibgap.simulation.people import draw_people
from ibgap.simulation.plan import Plan
from ibgap.simulation.truth import StudyTruth

_TWO_ARMS = (Arm("control", "control", "Control", False), Arm("tested", "experimental", "", True))
_SD_OF_CORRELATIONS = 0.15
_CODES = {
    "individual_psychological": ("input", 134), "cognitive": ("input", 82),
    "structural": ("moderating", 68), "digital_environment": ("moderating", 71),
    "socio_cultural": ("attitude_intention", 33),
}  # fmt: skip
"""Layer of a dimension, and how often passages are coded into it."""


def review(random: Random, design: Design, plan: Plan) -> tuple[Draft, list[StudyTruth]]:
    """Standardized differences of many trials, two outcomes side by side."""
    design = replace(design, arms=_TWO_ARMS, binary=False, weeks=design.weeks[:1], baseline=False,
                     extra="", cluster_size=0)  # fmt: skip
    behavior = part.behavior_id(design.weeks[0])
    names = ("author", "year", "d_upstream", "d_behavior", "n_tested", "n_control",
             "n_tested_later", "n_control_later", "r", "planning")  # fmt: skip
    columns: dict[str, list[Cell]] = {name: [] for name in names}
    truths = []
    for place in range(int(random.integers(5, 13))):
        persons = int(random.integers(plan.persons[0], plan.persons[1] + 1))
        one = replace(design, persons=persons, planning=bool(random.random() < 0.5))
        true = draw_effects(random, plan, one.planning)
        seen = Seen(draw_people(random, one, plan), one, true.upstream, true.behavior)
        author, year = f"{design.label.split()[0]} {chr(65 + place)}", 1995 + place * 2
        truths.append(StudyTruth(f"{author} {year}", true.upstream, true.behavior))
        values: list[Cell] = [author, year]
        sizes: list[Cell] = []
        for outcome in (part.UPSTREAM, behavior):
            d, n1, n2 = _difference(seen, outcome)
            values.append(d)
            sizes += [n1, n2]
        known = round(seen.correlation(behavior)[0], 2) if place % 4 else None
        values += [*sizes, known, "yes" if one.planning else "no"]
        for name, value in zip(names, values, strict=True):
            columns[name].append(value)
    manifest = {
        **part.head(design, plan, "review"),
        "sources": [{
            "id": "studies", "kind": "reported_effects", "file": f"studies.{design.format}",
            "blocks": [
                _block("d_upstream", "n_tested", "n_control", part.UPSTREAM),
                _block("d_behavior", "n_tested_later", "n_control_later", behavior),
            ],
        }],
        "outcomes": part.outcomes(design),
        "pairs": [{
            "upstream": part.UPSTREAM, "behavior": behavior,
            "correlation": {"column": "r", "source": "studies", "origin": "reported_within_arm"},
        }],
        "moderators": [{"name": "planning", "column": "planning", "source": "studies"}],
        **part.origin(design, plan),
    }  # fmt: skip
    return Draft(manifest, {f"studies.{design.format}": _table(columns, design)}), truths


def _block(value: str, n1: str, n2: str, outcome: str) -> dict[str, Any]:
    return {"study": ["author", "year"], "value": value, "n1": n1, "n2": n2,
            "values": {"outcome": outcome, "statistic": "d"}}  # fmt: skip


def _difference(seen: Seen, outcome: str) -> tuple[float, int, int]:
    two, one = seen.in_arm(outcome, 0), seen.in_arm(outcome, 1)
    n1, n2 = len(one), len(two)
    within = ((n1 - 1) * one.var(ddof=1) + (n2 - 1) * two.var(ddof=1)) / (n1 + n2 - 2)
    return round(float((one.mean() - two.mean()) / math.sqrt(float(within))), 3), n1, n2


def correlations(random: Random, design: Design, plan: Plan) -> tuple[Draft, list[StudyTruth]]:
    """Correlations of intention and behavior in samples without arms.

    Fisher's z of the true correlations has the mean of the plan's within-arm correlation.
    """
    columns: dict[str, list[Cell]] = {"sample": [], "one": [], "other": [], "r": [], "n": []}
    truths = []
    for place in range(int(random.integers(6, 16))):
        n = int(random.integers(plan.persons[0], plan.persons[1] + 1))
        z = math.atanh(plan.within_arm_correlation) + _SD_OF_CORRELATIONS * random.standard_normal()
        true = math.tanh(z)
        x = random.standard_normal(n)
        y = true * x + math.sqrt(1 - true * true) * random.standard_normal(n)
        label = f"{design.label.split()[0]} {chr(65 + place)} {1995 + place}"
        truths.append(StudyTruth(label, correlation=true))
        r = round(float(np.corrcoef(x, y)[0, 1]), 3)
        for name, value in zip(columns, (label, "intention", "behavior", r, n), strict=True):
            columns[name].append(value)
    declared = [
        {"id": name, "construct": name, "scale": {"type": "continuous"}, "higher_is_better": True}
        for name in ("intention", "behavior")
    ]
    manifest = {
        **part.head(design, plan, "correlational", randomized=False),
        "sources": [{
            "id": "samples", "kind": "correlations", "file": f"correlations.{design.format}",
            "columns": {"study": "sample", "variable_1": "one", "variable_2": "other", "r": "r",
                        "n": "n"},
        }],
        "outcomes": declared, **part.origin(design, plan),
    }  # fmt: skip
    return Draft(manifest, {f"correlations.{design.format}": _table(columns, design)}), truths


def barrier_codings(random: Random, design: Design, plan: Plan) -> tuple[Draft, list[StudyTruth]]:
    """How many passages two coders found of every dimension in every publication."""
    names = ("publication", "dimension", "layer", "coder", "passages")
    columns: dict[str, list[Cell]] = {name: [] for name in names}
    for publication in range(int(random.integers(8, 20))):
        for dimension, (layer, often) in _CODES.items():
            found = int(random.poisson(often / 34))
            for coder in ("first", "second"):
                seen = found if coder == "first" else max(0, found + int(random.integers(-1, 2)))
                if seen:
                    row = (f"publication {publication + 1}", dimension, layer, coder, seen)
                    for name, value in zip(names, row, strict=True):
                        columns[name].append(value)
    manifest = {
        **part.head(design, plan, "coding", randomized=False),
        "sources": [{
            "id": "codings", "kind": "barrier_codings", "file": f"codings.{design.format}",
            "columns": {"dimension": "dimension", "layer": "layer", "source": "publication",
                        "coder": "coder", "n_reference_points": "passages"},
        }],
        **part.origin(design, plan),
    }  # fmt: skip
    return Draft(manifest, {f"codings.{design.format}": _table(columns, design)}), []


def _table(columns: dict[str, list[Cell]], design: Design) -> Table:
    return Table(columns, "\t" if design.format == "tsv" else ",")
