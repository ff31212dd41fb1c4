"""Rows of degenerate data files of every kind, with what the manifest says of their columns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.journey import degenerate_tables as tables
from tests.journey.degenerate_files import Manifest, Row, columns_of
from tests.journey.degenerate_tables import CANARY, LABELS, NUMBERS, Chooser

Adder = Callable[[Chooser, Manifest, Manifest], list[Row]]


def _participant_rows(choose: Chooser, manifest: Manifest, source: Manifest) -> list[Row]:
    at = len(manifest["sources"])
    names = [arm["id"] for arm in manifest["arms"]] or ["letter"]
    sizes = [choose.often(20, [0, 1, 2, 3, 5, 40], 0.35) for _ in names]
    arm = np.repeat(np.arange(len(names)), sizes)
    columns = {
        "person": tables.persons(choose, len(arm), at),
        "group": [f"{CANARY}ARM" if choose.faults > 0.2 and i == 7 else names[a]
                  for i, a in enumerate(arm)],
    }  # fmt: skip
    source["columns"] = {"participant": "person", "arm": "group"}
    if choose.chance(0.7 if manifest["design"]["type"] == "cluster" else 0.1):
        columns["site"] = tables.clusters(choose, arm)
        source["columns"]["cluster"] = "site"
    known: list[list[str]] = []
    for outcome in manifest["outcomes"]:
        if "column" in outcome or choose.chance(0.2):
            continue
        shared = choose.chance(0.1) and known
        column = f"v{len(known) - 1}" if shared else f"v{len(known)}"
        if not shared:
            make = tables.answers if outcome["scale"]["type"] == "binary" else tables.scores
            known.append(make(choose, arm, known))
            columns[column] = known[-1]
        outcome |= {"column": column, "source": source["id"]}
        if choose.chance(0.4):
            outcome["baseline_column"] = f"b{len(known)}"
            columns[f"b{len(known)}"] = tables.scores(choose, arm, known)
        if choose.chance(0.1):
            outcome["item_columns"] = choose.pick([[column], [column, "v0"], ["person", column]])
        if choose.chance(0.1):
            outcome["arm_column"] = "group"
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def _studies(choose: Chooser, manifest: Manifest, source: Manifest) -> list[Row]:
    """What names the rows of each study; one without names in a trial."""
    if manifest["design"]["type"] not in ("review", "correlational") or choose.chance(0.1):
        return [{}]
    usual = [f"Study{i} 20{i:02d}" for i in range(choose.pick([2, 4, 9, 1]))]
    names = [choose.often(one, LABELS, choose.faults) for one in usual]
    block = source.setdefault("named", {})
    block["study"] = choose.often("study", [["study", "when"]], 0.2)
    return [{"study": one, "when": "2001"} for one in names]


def _labeled(choose: Chooser, source: Manifest, row: Row) -> Row:
    """The row with labels in the columns that tell comparisons, measures and times apart."""
    named = source.setdefault("named", {})
    for name in ("comparison", "instrument", "timepoint"):
        if name in named or choose.chance(choose.faults / 3):
            named[name] = name
            row[name] = choose.pick(["one", "two", choose.often("one", LABELS, 0.3)])
    for name in ("weeks", "days"):
        if name in named or choose.chance(choose.faults / 5):
            named[name] = name
            row[name] = choose.often("12", ["0", "-3", "", "1e9", "2.5", "text"], 0.3)
    return row


def _blocked(source: Manifest, rows: list[Row]) -> list[Row]:
    block = {name: name for name in columns_of(rows) if name not in ("study", "when", "rho", "mod")}
    source["blocks"] = [block | source.pop("named", {})]
    return rows


def _with_study_values(choose: Chooser, rows: list[Row]) -> list[Row]:
    """A column of correlations and one of a moderator, with text among the numbers."""
    for row in rows:
        row["rho"] = choose.often("0.4", ["1", "-1", "0.99999", "text", "", "1e200", "-0.9"], 0.3)
        row["mod"] = choose.often("3", ["text", "", "1e200", "5", "nan", "inf", "-1"], 0.4)
    return rows


def _arm_summaries(choose: Chooser, manifest: Manifest, source: Manifest) -> list[Row]:
    arms = [arm["id"] for arm in manifest["arms"]] or ["intervention", "comparator"]
    rows = []
    for study in _studies(choose, manifest, source):
        for outcome in manifest["outcomes"]:
            for at, arm in enumerate(arms):
                if choose.chance(choose.faults / 2):
                    continue
                own = {"arm": choose.often(arm, ["nobody", "", "care"], choose.faults / 4)}
                own["outcome"] = choose.often(outcome["id"], ["nothing", ""], choose.faults / 4)
                binary = outcome["scale"]["type"] == "binary"
                own |= tables.summary(choose, binary, at)
                rows.append(_labeled(choose, source, study | own))
    return _blocked(
        source, _with_study_values(choose, rows) or [{"arm": "", "outcome": "", "n": ""}]
    )


def _reported_effects(choose: Chooser, manifest: Manifest, source: Manifest) -> list[Row]:
    arms = [arm["id"] for arm in manifest["arms"]]
    rows = []
    for study in _studies(choose, manifest, source):
        for outcome in manifest["outcomes"]:
            for _ in range(choose.pick([1, 1, 2, 0])):
                own = {"outcome": choose.often(outcome["id"], ["nothing", ""], choose.faults / 4)}
                if arms and choose.chance(0.6):
                    own |= {"intervention": choose.pick(arms), "comparator": choose.pick(arms)}
                elif arms:
                    own |= {"intervention": arms[-1], "comparator": arms[0]}
                own |= tables.printed(choose, outcome["scale"]["type"] == "binary")
                if choose.chance(choose.faults):
                    own["control_group"] = choose.pick(["a", "A", "", "\u200b"])
                rows.append(_labeled(choose, source, study | own))
    return _blocked(source, _with_study_values(choose, rows) or [{"outcome": "", "value": ""}])


def _correlations(choose: Chooser, manifest: Manifest, source: Manifest) -> list[Row]:
    ids = [outcome["id"] for outcome in manifest["outcomes"]] + ["nothing"] * choose.chance(0.2)
    rows = [
        study | {
            "variable_1": choose.pick(ids), "variable_2": choose.pick(ids),
            "r": choose.often("0.4", ["1", "-1", "0", "0.999999999", *NUMBERS], 0.4),
            "n": choose.often("80", tables.SIZES, 0.4),
        }
        for study in _studies(choose, manifest, source)
        for _ in range(choose.pick([1, 3]))
    ]  # fmt: skip
    own = {name: name for name in ("variable_1", "variable_2", "r", "n")}
    source["columns"] = own | source.pop("named", {})
    return rows


CELLS = ("inclined_actors", "inclined_abstainers", "disinclined_actors", "disinclined_abstainers")


def _counts(choose: Chooser, manifest: Manifest, source: Manifest) -> list[Row]:
    ids = [outcome["id"] for outcome in manifest["outcomes"]]
    rows = []
    for study in _studies(choose, manifest, source):
        for arm in [arm["id"] for arm in manifest["arms"]] or ["intervention", "comparator"]:
            cells = {c: choose.often(choose.pick(["9", "0", "25"]), tables.SIZES, 0.1)
                     for c in CELLS}  # fmt: skip
            named = {"arm": arm, "intention": ids[0], "behavior": choose.often(ids[-1], ids, 0.1)}
            rows.append(study | named | cells)
    names = ("arm", "intention", "behavior", *CELLS)
    source["columns"] = {name: name for name in names} | source.pop("named", {})
    return rows


def _codings(choose: Chooser, manifest: Manifest, source: Manifest) -> list[Row]:
    rows = [
        {
            "dimension": choose.often("structural", ["cognitive", "digital_environment", "", "x"]),
            "layer": choose.pick(["input", "output", "", "y"]), "source": choose.pick(LABELS),
            "coder": choose.pick(["a", "b", "A", "", "c"]),
            "n_sources": choose.pick(["1", "0", "", "2.5"]),
            "n_reference_points": choose.pick(["3", "0", "", "1e10", "-1"]),
        }
        for _ in range(choose.pick([1, 4, 12]))
    ]  # fmt: skip
    source["columns"] = {name: name for name in rows[0]}
    return rows


ROWS: dict[str, Adder] = {
    "participant_rows": _participant_rows,
    "arm_summaries": _arm_summaries,
    "reported_effects": _reported_effects,
    "correlations": _correlations,
    "intention_by_action": _counts,
    "barrier_codings": _codings,
}
OF_TRIALS = ("participant_rows", "participant_rows", "participant_rows", *ROWS)
OF_REVIEWS = ("arm_summaries", "reported_effects", "reported_effects", "correlations",
               "intention_by_action")  # fmt: skip
