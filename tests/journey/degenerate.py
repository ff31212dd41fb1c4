"""Whole trial folders that are degenerate in many ways at once, from one source of chance.

A `random.Random` of Hypothesis shrinks them; one with a seed makes the same ones everywhere.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import openpyxl
import yaml

from tests.journey import degenerate_tables as tables
from tests.journey.degenerate_tables import CANARY, LABELS, NUMBERS, Chooser

Manifest = dict[str, Any]
Row = dict[str, str]


@dataclass(frozen=True)
class Folder:
    """A trial before it is written: its manifest, and the rows of each file by column."""

    manifest: Manifest
    files: dict[str, list[Row]]

    @property
    def name(self) -> str:
        return str(self.manifest["id"])

    def write(self, trials: Path) -> Path:
        folder = trials / self.name
        folder.mkdir(parents=True)
        text = yaml.safe_dump(self.manifest, allow_unicode=True, sort_keys=False)
        (folder / "trial.yaml").write_text(text, encoding="utf-8")
        for source in self.manifest["sources"]:
            rows, path = self.files[source["file"]], folder / source["file"]
            if path.suffix == ".xlsx":
                _write_book(path, rows)
            else:
                path.write_bytes(_csv(rows, source.get("format", {})))
        return folder

    def reordered(self, random: Random) -> Folder:
        """The same trial with rows, arms, outcomes and comparisons in another order."""

        def shuffled(of: list[Any]) -> list[Any]:
            return random.sample(of, len(of))

        lists = {
            name: shuffled(self.manifest[name])
            for name in ("arms", "outcomes", "comparisons", "pairs")
            if name in self.manifest
        }
        filled = {s["file"] for s in self.manifest["sources"] if s.get("fill_down")}
        files = {
            name: rows if name in filled else shuffled(rows) for name, rows in self.files.items()
        }
        return replace(self, manifest=self.manifest | lists, files=files)


def _columns(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _csv(rows: list[Row], form: Manifest) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=form.get("delimiter", ","))
    comma = form.get("decimal") == ","
    for row in [dict(zip(_columns(rows), _columns(rows), strict=True)), *rows]:
        cells = [row.get(name, "") for name in _columns(rows)]
        writer.writerow([_with_comma(cell) if comma else cell for cell in cells])
    return out.getvalue().encode(form.get("encoding", "utf-8"), "replace")


def _with_comma(cell: str) -> str:
    try:
        float(cell)
    except ValueError:
        return cell
    return cell.replace(".", ",")


def _write_book(path: Path, rows: list[Row]) -> None:
    book = openpyxl.Workbook()
    names = _columns(rows)
    book.active.append(names)
    for row in rows:
        book.active.append([_typed(row.get(name, "")) for name in names])
    book.save(path)


def _typed(cell: str) -> object:
    try:
        number = float(cell)
    except ValueError:
        clean = "".join(c for c in cell if c >= " " or c in "\n\t")
        return f"'{clean}" if clean.startswith("=") else clean or None
    return number if np.isfinite(number) else cell


ROLES = ("usual_care", "experimental", "experimental", "active_comparator", "waitlist", "control")
ARMS = ("care", "letter", "video", "app", "wait", "none_at_all")


def degenerate_folder(
    random: Random, name: str = "odd", syntheses: tuple[str, ...] = ("main",)
) -> Folder:
    """A trial folder of any source kinds with many faults; most manifests are accepted."""
    choose = Chooser(random, random.choice([0.03, 0.1, 0.25]))
    review = choose.chance(0.25)
    arms = _arms(choose, review)
    outcomes = _outcomes(choose)
    manifest: Manifest = {
        "ibgap": 1,
        "id": name,
        "label": _label(choose, f"{name.title()} 2020"),
        "year": choose.pick([2020, 1999, 1900]),
        "country": choose.often("DEU", ["", "USA", "中国"]),
        "topic": choose.pick(["help_seeking", "vaccination", ""]),
        "synthesis": choose.pick(syntheses),
        "design": _design(choose, review),
        "arms": arms,
        "sources": [],
        "outcomes": outcomes,
    }
    if manifest["synthesis"] != "main":
        manifest["upstream_construct"] = choose.pick(["intention", "attitude", "knowledge"])
    files: dict[str, list[Row]] = {}
    for at in range(choose.pick([1, 1, 2, 3])):
        kinds = _OF_REVIEWS if review else _OF_TRIALS
        _add_source(choose, manifest, files, choose.pick(kinds), at)
    _add_declarations(choose, manifest, review)
    return Folder({key: value for key, value in manifest.items() if value != []}, files)


def _label(choose: Chooser, usual: str) -> str:
    return choose.often(usual, LABELS, choose.faults / 2) or usual


def _design(choose: Chooser, review: bool) -> Manifest:
    if review:
        return {"type": choose.often("review", ["correlational"], 0.1)}
    kinds = ["cluster", "nonrandomized", "crossover", "factorial", "stepped_wedge", "coding"]
    out: Manifest = {"type": choose.often("parallel", kinds, 0.35)}
    if out["type"] == "cluster":
        if choose.chance(0.3):
            out |= {"icc": choose.pick([0.05, 0.0, 1.0]), "mean_cluster_size": 1e9}
        out["clustering_already_adjusted"] = choose.chance(0.2)
    if choose.chance(0.1):
        out["randomized"] = False
    return out


def _arms(choose: Chooser, review: bool) -> list[Manifest]:
    if review and choose.chance(0.5):
        return []
    made = []
    for arm, role in list(zip(ARMS, ROLES, strict=True))[: choose.pick([2, 2, 3, 4, 6])]:
        one = {"id": arm, "role": choose.often(role, ROLES, 0.1), "label": _label(choose, arm)}
        if choose.chance(0.2):
            one["n_randomized"] = choose.pick([0, 3, 60, 10**9])
        made.append(one)
    return made


_UPSTREAM = ("intention", "intention", "attitude", "knowledge")
TACT = {"target": "doctor", "action": "visit", "context": "town", "time": "year"}


def _outcomes(choose: Chooser) -> list[Manifest]:
    constructs = ["intention", "behavior"]
    for _ in range(choose.pick([0, 0, 1, 3])):
        constructs.append(choose.pick(["behavior", *_UPSTREAM]))
    if choose.chance(0.15):
        constructs = constructs[:1] if choose.chance(0.5) else constructs[1:]
    return [_outcome(choose, construct, at) for at, construct in enumerate(constructs)]


def _outcome(choose: Chooser, construct: str, at: int) -> Manifest:
    binary = choose.chance(0.7 if construct == "behavior" else 0.15)
    scale: Manifest = {"type": "binary" if binary else choose.pick(["continuous", "ordinal"])}
    if not binary and choose.chance(0.5):
        scale |= {"min": choose.pick([1, 1, -1e29]), "max": choose.pick([7, 7, 1.5, 1e29])}
    if not binary and choose.chance(choose.faults):
        scale["items"] = choose.pick([1, 2, 1000])
    weeks = 12.0 if construct == "behavior" else 0.0
    out: Manifest = {
        "id": f"{construct}_{at}",
        "construct": construct,
        "label": _label(choose, f"{construct} {at}"),
        "scale": scale,
        "higher_is_better": not choose.chance(0.2),
        "timepoint": {
            "weeks": choose.often(weeks, [None, 0.0, 99999.0, 3.3, -1.0], choose.faults / 3)
        },
        "primary": not choose.chance(0.1),
        "measured_by": choose.pick(["self_report", "record", "not_reported"]),
        "standardizer": choose.often("pooled_sd", ["control_sd", "not_reported"]),
        "analysis_set": choose.often("observed", ["all_randomized", "completers"]),
    }
    if choose.chance(0.3):
        out["instrument"] = _label(choose, "scale")
    for part, text in TACT.items():
        if choose.chance(0.2):
            out[part] = choose.often(text, ["nurse", "阅"], 0.3)
    return out


Adder = Callable[[Chooser, Manifest, Manifest], list[Row]]


def _add_source(
    choose: Chooser, manifest: Manifest, files: dict[str, list[Row]], kind: str, at: int
) -> None:
    source: Manifest = {"id": f"s{at}", "kind": kind, "file": f"{kind}_{at}.csv"}
    if choose.chance(0.2):
        source["file"] = f"{kind}_{at}.xlsx"
    elif choose.chance(0.15):
        source["format"] = {"delimiter": ";", "decimal": ","}
    if choose.chance(0.4):
        source["missing_codes"] = choose.pick([["NA", "-99"], ["1"], ["4"], ["", "text"]])
    rows = _ROWS[kind](choose, manifest, source)
    files[source["file"]] = rows or [{"empty": ""}]
    names = _columns(rows) or ["empty"]
    for part in ("fill_down", "may_be_empty"):
        if choose.chance(choose.faults):
            source[part] = [choose.often(choose.pick(names), ["no_such_column"], 0.1)]
    if choose.chance(choose.faults):
        column = choose.pick(names)
        found = sorted({r.get(column, "") for r in rows if CANARY not in r.get(column, "")})
        texts = found[: choose.pick([1, 3, 20])] or ["x"]
        if choose.chance(0.5):
            source["where"] = {column: texts}
        else:
            source["recode"] = {
                column: {t: choose.pick(["letter", "1", "", *texts]) for t in texts}
            }
    manifest["sources"].append(source)


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
    block = {name: name for name in _columns(rows) if name not in ("study", "when", "rho", "mod")}
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


_ROWS: dict[str, Adder] = {
    "participant_rows": _participant_rows,
    "arm_summaries": _arm_summaries,
    "reported_effects": _reported_effects,
    "correlations": _correlations,
    "intention_by_action": _counts,
    "barrier_codings": _codings,
}
_OF_TRIALS = ("participant_rows", "participant_rows", "participant_rows", *_ROWS)
_OF_REVIEWS = ("arm_summaries", "reported_effects", "reported_effects", "correlations",
               "intention_by_action")  # fmt: skip


def _add_declarations(choose: Chooser, manifest: Manifest, review: bool) -> None:
    """Comparisons, pairs, moderators, waivers, provenance and what else a manifest may say."""
    arms = [arm["id"] for arm in manifest["arms"]]
    if len(arms) > 1 and choose.chance(0.35):
        loops = [(one, two) for one in arms for two in arms if one != two]
        chosen = choose.random.sample(loops, min(len(loops), choose.pick([1, 3, 30])))
        manifest["comparisons"] = [
            {"intervention": one, "comparator": two, "primary": not choose.chance(0.1)}
            for one, two in chosen
        ]
    ups = [o["id"] for o in manifest["outcomes"] if o["construct"] != "behavior"]
    acts = [o["id"] for o in manifest["outcomes"] if o["construct"] == "behavior"]
    where = manifest["sources"][-1]["id"]
    if ups and acts and choose.chance(0.4):
        manifest["pairs"] = [
            {"upstream": up, "behavior": act} | _correlation(choose, where)
            for up in ups for act in acts if not choose.chance(0.2)
        ]  # fmt: skip
    if choose.chance(0.5):
        kinds: list[Manifest] = [
            {"name": "dose", "value": choose.pick(["3", "text", "1e200"]), "kind": "number"},
            {"name": "place", "value": _label(choose, "town")},
        ]
        if review:
            kinds += [{"name": "mod", "column": "mod", "source": where, "kind": k}
                      for k in ("number", "category")]  # fmt: skip
        manifest["moderators"] = [choose.pick(kinds)]
    if choose.chance(0.3):
        rules = ["implausibly_large", "effect_implausibly_large", "spreads_far_apart", "nothing"]
        manifest["waivers"] = [
            {"rule": rule, "by": "A", "reason": "r", "subject": choose.pick(["", *ups, "x"])}
            for rule in rules
        ]
    if choose.chance(0.3):
        judged = choose.pick(["low", "some_concerns", "high", "no_information"])
        manifest["risk_of_bias"] = {"overall": judged}
    if choose.chance(0.2):
        other = {"trial": choose.pick(["odd_1", "odd_2", "nowhere", "good"]), "reason": "r"}
        manifest[choose.pick(["same_as", "distinct_from"])] = [other]
    if choose.chance(0.3):
        profile = choose.pick(["rounded", "basic", "none", "published"])
        manifest["disclosure"] = {"profile": profile, "reason": "r"}
    manifest["provenance"] = {
        "citation": _label(choose, "c"), "source": "s", "license": "CC0",
        "doi": choose.often("", ["10.1/a", "https://doi.org/10.1/A"], 0.1),
    }  # fmt: skip


def _correlation(choose: Chooser, source: str) -> Manifest:
    if not choose.chance(0.7):
        return {}
    origins = ("reported_within_arm", "reported_total", "borrowed", "assumed", "participant_data")
    found: Manifest = {"origin": choose.pick(origins)}
    if choose.chance(0.4):
        found |= {"column": "rho", "source": source}
    else:
        found["value"] = choose.pick([0.4, 0.9, -0.9, 0.999999, -0.999999, 0.0])
    if choose.chance(0.3):
        found["n"] = choose.pick([4, 80, 3.5, 1e9])
    return {"correlation": found}
