"""Whole trial folders that are degenerate in many ways at once, from one source of chance.

A `random.Random` of Hypothesis shrinks them; one with a seed makes the same ones everywhere.
"""

from __future__ import annotations

from random import Random

from tests.journey.degenerate_files import Folder, Manifest, Row, columns_of
from tests.journey.degenerate_rows import OF_REVIEWS, OF_TRIALS, ROWS
from tests.journey.degenerate_tables import CANARY, LABELS, Chooser

__all__ = ["Folder", "degenerate_folder"]

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
        kinds = OF_REVIEWS if review else OF_TRIALS
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
    rows = ROWS[kind](choose, manifest, source)
    files[source["file"]] = rows or [{"empty": ""}]
    names = columns_of(rows) or ["empty"]
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
