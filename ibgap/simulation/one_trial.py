"""Trials in folders of their own, as their data are found: rows of persons, numbers of arms,
printed effects, counts of intended by acted. All are views of the same simulated persons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ibgap.simulation import manifests as part
from ibgap.simulation import printed
from ibgap.simulation.design import AMOUNT, Design, Random
from ibgap.simulation.draft import Cell, Draft, Table
from ibgap.simulation.people import Floats, People, acted, draw_people, shifts, written
from ibgap.simulation.plan import Plan

MISSING_CODE = -99
_INCLINED = 0.55


class Seen:
    """What was measured of the persons of a trial, by outcome id; missing where it was not."""

    def __init__(
        self, people: People, design: Design, upstream: float, behavior: float,
        *, binary_upstream: bool = False,
    ) -> None:  # fmt: skip
        raised, acts = shifts(design, upstream), shifts(design, behavior)
        arm, scale = people.arm, design.scale
        self.people, self.binary = people, set[str]()
        self.values: dict[str, Floats] = {}
        if binary_upstream:
            self.values[part.UPSTREAM] = acted(people.upstream, arm, raised, _INCLINED)
            self.binary.add(part.UPSTREAM)
        else:
            self.values[part.UPSTREAM] = written(people.upstream, raised[arm], scale)
        if design.extra:
            sign = -1.0 if design.extra == "stigma" else 1.0
            self.values[part.EXTRA] = written(sign * people.extra, sign * raised[arm], scale)
        for weeks, latent in zip(design.weeks, people.behavior, strict=True):
            name = part.behavior_id(weeks)
            if design.binary:
                self.values[name] = acted(latent, arm, acts, design.risk)
                self.binary.add(name)
            else:
                self.values[name] = written(latent, acts[arm], AMOUNT)

    def in_arm(self, outcome: str, place: int) -> Floats:
        """The values of one arm that were measured."""
        values = self.values[outcome][self.people.arm == place]
        return values[~np.isnan(values)]

    def correlation(self, outcome: str) -> tuple[float, int]:
        """Within arms, of the upstream outcome with another one; and the persons it rests on."""
        one, other = self.values[part.UPSTREAM], self.values[outcome]
        both = ~np.isnan(one) & ~np.isnan(other)
        arm, x, y = self.people.arm[both], one[both].copy(), other[both].copy()
        for place in np.unique(arm):
            x[arm == place] -= x[arm == place].mean()
            y[arm == place] -= y[arm == place].mean()
        return float((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum())), int(both.sum())


def participant_rows(random: Random, design: Design, plan: Plan, effects: Effects) -> Draft:
    """One row per person."""
    people = draw_people(random, design, plan)
    seen = Seen(people, design, *effects)
    n = design.persons
    ids = [f"P{i + 1:05d}" for i in random.permutation(n)]
    columns: dict[str, list[Cell]] = {
        "person": list(ids),
        "arm": [part.arm_text(design, place) for place in people.arm],
        "age": [int(a) for a in random.integers(18, 80, n)],
        "gender": [("f", "m", "d")[i] for i in random.choice(3, n, p=(0.53, 0.45, 0.02))],
    }
    if design.cluster_size:
        columns["site"] = [f"site {c + 1}" for c in people.cluster]
    code = MISSING_CODE if design.spelling == 2 and design.format in ("csv", "tsv") else None
    declared = part.outcomes(design)
    if design.baseline:
        nobody = np.zeros(n)
        columns["upstream_before"] = _scores(written(people.baseline, nobody, design.scale), None)
        declared[0]["baseline_column"] = "upstream_before"
    yes, no = part.answers(design)
    for outcome in declared:
        name, values = outcome["id"], seen.values[outcome["id"]]
        if name in seen.binary:
            columns[name] = [code if np.isnan(v) else yes if v else no for v in values]
        else:
            columns[name] = _scores(values, code)
        outcome["column"] = name
    source: dict[str, Any] = {
        "id": "rows", "kind": "participant_rows", "file": f"participants.{design.format}",
        **({"missing_codes": [str(code)]} if code else {}), **part.arm_recode(design, "arm"),
        "columns": {"participant": "person", "arm": "arm"},
    }  # fmt: skip
    if design.cluster_size:
        source["columns"]["cluster"] = "site"
    randomized = [int(c) for c in np.bincount(people.arm, minlength=len(design.arms))]
    kind = {"design_type": "cluster", "unit_of_randomization": "cluster"}
    manifest = {
        **(part.head(design, plan, **kind) if design.cluster_size else part.head(design, plan)),
        **part.arms(design, randomized if design.says_randomized else None),
        "sources": [source], "outcomes": declared, **part.tail(design, plan),
    }  # fmt: skip
    return Draft(manifest, {source["file"]: _table(columns, design.format)})


def arm_summaries(random: Random, design: Design, plan: Plan, effects: Effects) -> Draft:
    """One row per arm and outcome, or one per arm with a block for every outcome."""
    people = draw_people(random, design, plan)
    seen = Seen(people, design, *effects)
    of_scores = ("sd", "sd", "sd", "se", "quartiles", "range")[int(random.integers(6))]
    of_acts = ("events", "events", "percent")[int(random.integers(3))]
    wide = bool(random.random() < 0.4)
    declared = part.outcomes(design)
    for outcome in declared:
        if outcome["scale"]["type"] == "binary":
            outcome["scale"] = {"type": "binary"}
    numbers: Numbers = {}
    for name in (o["id"] for o in declared):
        arms = [seen.in_arm(name, place) for place in range(len(design.arms))]
        form = of_acts if name in seen.binary else printed.form_for(arms, of_scores)
        numbers |= {(name, p): printed.arm_numbers(v, form) for p, v in enumerate(arms)}
    columns, blocks = (_wide if wide else _long)(design, [o["id"] for o in declared], numbers)
    source: dict[str, Any] = {
        "id": "arms", "kind": "arm_summaries", "file": f"arms.{design.format}",
        **part.arm_recode(design, "arm"), "blocks": blocks,
    }  # fmt: skip
    randomized = [int(c) for c in np.bincount(people.arm, minlength=len(design.arms))]
    kind: dict[str, Any] = {
        "design_type": "cluster", "unit_of_randomization": "cluster", "icc": plan.icc,
        "mean_cluster_size": design.cluster_size,
    }  # fmt: skip
    manifest = {
        **(part.head(design, plan, **kind) if design.cluster_size else part.head(design, plan)),
        **part.arms(design, randomized if design.says_randomized else None),
        "sources": [source], "outcomes": declared, **_pairs(design, seen),
        **part.tail(design, plan),
    }  # fmt: skip
    return Draft(manifest, {source["file"]: _table(columns, design.format)})


def reported_effects(random: Random, design: Design, plan: Plan, effects: Effects) -> Draft:
    """One row per outcome and intervention, each with a statistic that reports print."""
    people = draw_people(random, design, plan)
    seen = Seen(people, design, *effects)
    declared = part.outcomes(design)
    rows: list[dict[str, Cell]] = []
    comparator = design.comparators[0]
    control = design.arms.index(comparator)
    for outcome in declared:
        name = outcome["id"]
        if name in seen.binary:
            outcome["scale"] = {"type": "binary"}
        for arm in design.interventions:
            one = seen.in_arm(name, design.arms.index(arm))
            two = seen.in_arm(name, control)
            draw = printed.ratio if name in seen.binary else printed.difference
            rows.append({
                "intervention": arm.id, "comparator": comparator.id, "outcome": name,
                **draw(random, one, two),
            })  # fmt: skip
    fields = ("intervention", "comparator", "outcome", *printed.FIELDS)
    columns: dict[str, list[Cell]] = {f: [row.get(f) for row in rows] for f in fields}
    kept = {f: cells for f, cells in columns.items() if any(c is not None for c in cells)}
    source = {
        "id": "effects", "kind": "reported_effects", "file": f"effects.{design.format}",
        "blocks": [{f: f for f in kept}],
    }  # fmt: skip
    used = [arm for arm in part.arms(design)["arms"] if arm["id"] in
            {comparator.id, *(a.id for a in design.interventions)}]  # fmt: skip
    manifest = {
        **part.head(design, plan), "arms": used, "sources": [source], "outcomes": declared,
        **_pairs(design, seen), **part.tail(design, plan),
    }  # fmt: skip
    return Draft(manifest, {source["file"]: _table(kept, design.format)})


def intention_by_action(random: Random, design: Design, plan: Plan, effects: Effects) -> Draft:
    """Four counts per arm, at the first follow-up."""
    people = draw_people(random, design, plan)
    seen = Seen(people, design, *effects, binary_upstream=True)
    declared = part.outcomes(design, binary_upstream=True)[:2]
    behavior = declared[1]["id"]
    declared[1]["scale"] = {"type": "binary"}
    names = ("inclined_actors", "inclined_abstainers", "disinclined_actors",
             "disinclined_abstainers")  # fmt: skip
    columns: dict[str, list[Cell]] = {"arm": [], **{name: [] for name in names}}
    for place in range(len(design.arms)):
        inside = people.arm == place
        intends, acts = seen.values[part.UPSTREAM][inside], seen.values[behavior][inside]
        columns["arm"].append(part.arm_text(design, place))
        for name, (i, a) in zip(names, ((1, 1), (1, 0), (0, 1), (0, 0)), strict=True):
            columns[name].append(int(((intends == i) & (acts == a)).sum()))
    source = {
        "id": "counts", "kind": "intention_by_action", "file": f"counts.{design.format}",
        **part.arm_recode(design, "arm"),
        "columns": {
            "arm": "arm", **{name: name for name in names},
            "values": {"intention": part.UPSTREAM, "behavior": behavior},
        },
    }  # fmt: skip
    manifest = {
        **part.head(design, plan), **part.arms(design), "sources": [source],
        "outcomes": declared, **part.tail(design, plan),
    }  # fmt: skip
    return Draft(manifest, {source["file"]: _table(columns, design.format)})


Effects = tuple[float, float]
MAKERS: dict[str, Callable[[Random, Design, Plan, Effects], Draft]] = {
    "participant_rows": participant_rows,
    "arm_summaries": arm_summaries,
    "reported_effects": reported_effects,
    "intention_by_action": intention_by_action,
}


def _scores(values: Floats, code: int | None) -> list[Cell]:
    whole = not np.mod(values[~np.isnan(values)], 1).any()
    return [code if np.isnan(v) else int(v) if whole else float(v) for v in values]


def _table(columns: dict[str, list[Cell]], ending: str) -> Table:
    return Table(columns, "\t" if ending == "tsv" else ",")


def _pairs(design: Design, seen: Seen) -> dict[str, Any]:
    """The correlation within arms, where the report prints it."""
    if not design.says_correlation:
        return {}
    out = []
    for weeks in design.weeks:
        r, n = seen.correlation(part.behavior_id(weeks))
        known = {"value": round(r, 2), "n": n, "origin": "reported_within_arm"}
        out.append({"upstream": part.UPSTREAM, "behavior": part.behavior_id(weeks),
                    "correlation": known})  # fmt: skip
    return {"pairs": out}


Numbers = dict[tuple[str, int], dict[str, Cell]]


def _long(
    design: Design, names: list[str], numbers: Numbers
) -> tuple[dict[str, list[Cell]], list[dict[str, Any]]]:
    keys = [(name, place) for name in names for place in range(len(design.arms))]
    columns: dict[str, list[Cell]] = {
        "arm": [part.arm_text(design, place) for _, place in keys],
        "outcome": [name for name, _ in keys],
    }
    for field in dict.fromkeys(f for key in keys for f in numbers[key]):
        columns[field] = [numbers[key].get(field) for key in keys]
    return columns, [{field: field for field in columns}]


def _wide(
    design: Design, names: list[str], numbers: Numbers
) -> tuple[dict[str, list[Cell]], list[dict[str, Any]]]:
    places = range(len(design.arms))
    columns: dict[str, list[Cell]] = {"arm": [part.arm_text(design, p) for p in places]}
    blocks = []
    for name in names:
        fields = list(numbers[name, 0])
        blocks.append({"arm": "arm", **{f: f"{name}_{f}" for f in fields},
                       "values": {"outcome": name}})  # fmt: skip
        for field in fields:
            columns[f"{name}_{field}"] = [numbers[name, place][field] for place in places]
    return columns, blocks
