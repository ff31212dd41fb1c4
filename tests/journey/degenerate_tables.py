"""Cells of degenerate data files: columns that are constant, empty, enormous, alike or nonsense."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, TypeVar

import numpy as np

CANARY = "CANARY"
"""Begins every text of a participant file that must never be told."""

One = TypeVar("One")

LABELS = (
    "Alpha 2001", "alpha 2001", "ALPHA-2001", "Älpha 2001", "A\u0308lpha 2001", "Beta\u200b 2002",
    "Beta 2002", " Beta\u00a02002 ", "", " ", "\u200b", "nan", "NA", "None", "0", "1", "01", "中文",
    "\u202egnirts", "<b>x</b>", "a,b;c", '"', "=1+1", "x/y", "x:y#z@w", "_", "long " * 60,
    "line\nbreak", "tab\there", "Ω" * 9,
)  # fmt: skip
NUMBERS = (
    "0", "1", "-1", "0.5", "2", "3", "10", "50", "100", "1e-200", "1e200", "1e-29", "1e29", "1e308",
    "inf", "nan", "-0", "1e-8", "0.05", "0.001", "1,5", "text", "", "NA", "-99", "3.5", "12.25",
    "1e10", "1e9", "7", "5%", "<.001",
)  # fmt: skip
SIZES = ("50", "48", "2", "1", "0", "3", "2.5", "-4", "1e9", "1e10", "1e6", "", "text", "60")


class Chooser:
    """Choices of a random source; the first ones, and `False`, are the simplest."""

    def __init__(self, random: Random, faults: float = 0.15) -> None:
        self.random, self.faults = random, faults

    def pick(self, of: Sequence[One]) -> One:
        return of[self.random.randrange(len(of))]

    def often(self, usual: One, of: Sequence[One], p: float | None = None) -> One:
        """The usual value, and by a chance one of the others."""
        return self.pick(of) if self.chance(self.faults if p is None else p) else usual

    def chance(self, p: float) -> bool:
        return self.random.random() > 1.0 - p

    def numbers(self) -> np.random.Generator:
        """A source of the cells of a column, of which single choices would be too many."""
        return np.random.default_rng(self.random.randrange(2**20))


def scores(choose: Chooser, arm: np.ndarray, known: Sequence[list[str]]) -> list[str]:
    """A column of scores. arm: position of the arm of each person. known: columns so far."""
    rng, n = choose.numbers(), len(arm)
    plain = np.clip(np.rint(rng.normal(4.0 + 0.5 * arm, 1.4)), 1, 7)
    made: dict[str, Any] = {
        "plain": plain,
        "fine": rng.normal(4.0 + 0.5 * arm, 1.4),
        "constant": np.full(n, 4.0),
        "almost constant": 4.0 + 1e-12 * rng.random(n),
        "arm": arm + 1.0,
        "one person": np.where(np.arange(n) == 0, 7.0, 4.0),
        "one arm varies": np.where(arm == 0, 4.0, plain),
        "huge": plain * 1e29,
        "enormous": plain * 1e200,
        "tiny": plain * 1e-29,
        "minute": plain * 1e-200,
        "far from zero": 1e15 + plain,
        "negative": -plain,
        "two values": np.where(rng.random(n) < 0.5, 1.0, 7.0),
        "yes or no": (rng.random(n) < 0.4) * 1.0,
        "missing": np.full(n, np.nan),
        "mostly missing": np.where(rng.random(n) < 0.8, np.nan, plain),
        "one-armed": np.where(arm == 0, np.nan, plain),
    }
    kind = choose.often("plain", ["copied", "turned", "sum", *made], 0.55)
    if kind in made:
        cells = ["" if np.isnan(x) else f"{x:.12g}" for x in np.asarray(made[kind], dtype=float)]
    else:
        cells = _of_others(kind, known, plain)
    return _spoiled(choose, cells)


def _of_others(kind: str, known: Sequence[list[str]], plain: np.ndarray) -> list[str]:
    """A column that other columns determine."""
    if not known:
        return [f"{x:g}" for x in plain]
    if kind == "copied":
        return list(known[-1])
    first, last = ([_number(x) for x in column] for column in (known[0], known[-1]))
    both = zip(first, last, strict=True)
    found = [10.0 - x for x in last] if kind == "turned" else [x + y for x, y in both]
    return ["" if np.isnan(x) else f"{x:.12g}" for x in found]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def answers(choose: Chooser, arm: np.ndarray, known: Sequence[list[str]]) -> list[str]:
    """A column of yes (1) and no (0)."""
    rng, n = choose.numbers(), len(arm)
    other = [_number(x) > 4 for x in known[-1]] if known else [False] * n
    made: dict[str, Any] = {
        "plain": rng.random(n) < 0.3 + 0.2 * (arm > 0),
        "all": np.ones(n),
        "none": np.zeros(n),
        "arm": arm > 0,
        "other arm": arm == 0,
        "as intended": other,
        "one person": np.arange(n) == 0,
        "one arm only": (arm > 0) & (rng.random(n) < 0.5),
    }
    kind = choose.often("plain", list(made), 0.5)
    return _spoiled(choose, [str(int(x)) for x in made[kind]])


def _spoiled(choose: Chooser, cells: list[str]) -> list[str]:
    """The cells with some that are missing, coded or text."""
    out = list(cells)
    if out and choose.chance(choose.faults):
        rng = choose.numbers()
        for at in rng.integers(0, len(out), size=1 + len(out) // 5):
            spoils = ("", "-99", "NA", f"{CANARY}CELL{at}", "77.31640625", " ")
            out[at] = spoils[int(rng.integers(len(spoils)))]
    return out


def persons(choose: Chooser, n: int, source: int) -> list[str]:
    """Ids of persons: unique, repeated, blank, or written otherwise in every source."""
    kind = choose.often(
        "plain", ["zeros", "own", "repeated", "blank", "suffix", "shifted", "number"], 0.4
    )
    ids = [f"{CANARY}ID{i}" for i in range(n)]
    return {
        "plain": ids,
        "zeros": [f"{i:0{3 + source}d}" for i in range(n)],
        "own": [f"{CANARY}{source}X{i}" for i in range(n)],
        "repeated": [ids[i // 2] for i in range(n)],
        "blank": [one if i % 3 else "" for i, one in enumerate(ids)],
        "suffix": [f"{one}_t{source}" for one in ids],
        "shifted": [f"{CANARY}ID{i + n // 2 * source}" for i in range(n)],
        "number": [f"{i}.0" if source else str(i) for i in range(n)],
    }[kind]


def clusters(choose: Chooser, arm: np.ndarray) -> list[str]:
    """Clusters: some per arm, one per arm or person, blank, alike."""
    n = len(arm)
    kind = choose.often("plain", ["arm", "person", "blank", "some blank", "one", "alike"], 0.6)
    plain = [f"{CANARY}CL{a}{i % 4}" for i, a in enumerate(arm)]
    return {
        "plain": plain,
        "arm": [f"{CANARY}CL{a}" for a in arm],
        "person": [f"{CANARY}CL{i}" for i in range(n)],
        "blank": [""] * n,
        "some blank": ["\u200b" if i % 5 == 0 else one for i, one in enumerate(plain)],
        "one": [f"{CANARY}CL"] * n,
        "alike": [f"{CANARY} cl" if i % 2 else f"{CANARY}-CL" for i in range(n)],
    }[kind]


_SUMMARIES = ("n", "mean", "sd", "se", "median", "q1", "q3", "minimum", "maximum", "events",
              "percent")  # fmt: skip


def summary(choose: Chooser, binary: bool, arm: int) -> dict[str, str]:
    """The numbers of one arm on one outcome."""
    rng = choose.numbers()
    n = choose.often("50", SIZES, 0.25)
    mean = f"{4 + 0.3 * arm + rng.normal(0, 0.4):.3f}"
    usual = "events" if binary else "mean"
    kind = choose.often(
        usual, ["mean", "events", "percent", "se", "quartiles", "range", "all", "none"], 0.2
    )
    low, high = ("2", "6") if choose.chance(0.9) else ("1e-29", "1e29")
    made = {
        "mean": {"mean": mean, "sd": "1.3"},
        "se": {"mean": mean, "se": "0.2"},
        "events": {"events": choose.pick(["14", "0", "2", "50", "1", "48", "1.5"])},
        "percent": {"percent": choose.pick(["24", "0", "100", "33.3", "0.45", "101"])},
        "quartiles": {"median": "4", "q1": "3", "q3": "5"},
        "range": {"median": "4", "minimum": low, "maximum": high, "mean": ""},
        "all": dict.fromkeys(_SUMMARIES, mean),
        "none": {},
    }[kind]
    for name in list(made):
        made[name] = choose.often(made[name], NUMBERS, choose.faults / 2)
    return {"n": n} | made


STATISTICS = ("d", "OR", "g", "smd", "t", "F", "p", "r", "md", "adjusted_md", "RR", "RD", "beta")


def printed(choose: Chooser, binary: bool) -> dict[str, str]:
    """One printed effect."""
    statistic = choose.often("OR" if binary else "d", STATISTICS, 0.6)
    ratio = statistic in ("OR", "RR")
    value = choose.pick(["0.4", "-0.2", "0.1", "0.7"]) if not ratio else choose.pick(["1.8", "0.7"])
    out = {"statistic": statistic, "value": value}
    limits = choose.pick(["sizes", "limits", "se", "variance", "p", "none"])
    limits = choose.often(limits, ["swapped", "equal"], 0.1)
    if limits == "limits":
        low, high = ("0.9", "3.6") if ratio else ("-0.3", "1.1")
        out |= {"ci_lb": low, "ci_ub": high, "ci_level": choose.often("", ["0.9", "0.5", "1"])}
    if limits == "swapped":
        out |= {"ci_lb": "3.1", "ci_ub": "0.05"}
    if limits == "equal":
        out |= {"ci_lb": value, "ci_ub": value}
    if limits == "se":
        out["se"] = choose.often("0.2", NUMBERS, 0.3)
    if limits == "variance":
        out["variance"] = choose.often("0.04", NUMBERS, 0.3)
    if limits in ("p", "none") or statistic in ("p", "F"):
        out["p"] = choose.pick(["0.03", "0", "1", "1e-300", "0.5", ""])
    sizes = choose.often(
        ("50", "51"),
        [("50", ""), ("", "48"), ("", ""), ("2", "2"), ("3", "1e9"), ("9", "8.5")],
        0.4,
    )
    out |= dict(zip(("n1", "n2"), sizes, strict=True))
    out["sd"] = choose.often("1.3", ["", "1e-200", "0"], 0.2)
    out["risk2"] = choose.pick(["0.3", "", "0", "1"])
    out["favors"] = choose.often("", ["intervention", "comparator", "reversed", "both"], 0.2)
    for name in list(out):
        if name not in ("statistic", "favors"):
            out[name] = choose.often(out[name], NUMBERS, choose.faults / 2)
    if choose.chance(0.1):
        out["value"] = choose.pick(["0", "1", "-1", "1e-29", "1e29", "40", "0.9999999"])
    return out
