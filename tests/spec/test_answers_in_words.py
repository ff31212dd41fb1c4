"""The answer of a release as a table and sentences, from small tables in memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pytest

from dashboard.wording import unforeseen_words
from ibgap.cli.answer import (
    answer,
    ci_of,
    others,
    primary_rows,
    release_level,
    sentence,
    side_note,
)
from ibgap.releases.lost_trials import lost_to_the_machine, why_nothing_is_published
from ibgap.releases.reader import ReleaseFiles

NARROW = "narrower_than_common_effect"
POOLED = {
    "synthesis": "main", "subset": "all", "measure": "SMD", "is_primary": True, "mu": 0.5,
    "ci_lb": 0.3, "ci_ub": 0.7, "pi_lb": 0.11, "pi_ub": 0.89, "pvalue": 0.012, "tau2": 0.0214,
    "i2": 41.4, "k_trials": 5, "notes": "", "construct": "intention",
}  # fmt: skip
GAP = {
    "synthesis": "main", "subset": "all", "is_primary": True, "upstream_construct": "intention",
    "estimand": "difference", "estimate": 0.25, "ci_lb": 0.05, "ci_ub": 0.45, "pvalue": 0.02,
    "interval_kind": "confidence", "status": "ok", "reason": "", "verdict": "above",
    "verdict_reason": "", "k_upstream": 5, "k_behavior": 4, "k_paired": 3, "notes": "",
}  # fmt: skip
TRIAL = {"synthesis": "main", "k_in_pool": 2, "design": "parallel", "label": "A"}
FINDING = {"status": "open", "severity": "warning", "rule_id": "attrition"}


@dataclass
class Release:
    """A release without files."""

    tables: dict[str, pd.DataFrame]
    record: dict[str, Any]
    folder: Path = Path()

    def table(self, name: str) -> pd.DataFrame:
        return self.tables[name]


def release(
    pooled: list[dict[str, Any]], gap: list[dict[str, Any]], trials: list[dict[str, Any]],
    findings: list[dict[str, Any]] | None = None, settings: dict[str, Any] | None = None,
) -> ReleaseFiles:  # fmt: skip
    tables = {
        "pooled_effects": pd.DataFrame(pooled, columns=list(POOLED)),
        "gap_estimates": pd.DataFrame(gap, columns=list(GAP)),
        "trials": pd.DataFrame(trials, columns=list(TRIAL)),
        "findings": pd.DataFrame(findings or [], columns=list(FINDING)),
        "pooled_correlations": pd.DataFrame({"synthesis": ["survey", "main"]}),
    }
    for name in ("pooled_effects", "gap_estimates"):
        tables[name]["is_primary"] = tables[name]["is_primary"].astype("boolean")
    return cast(ReleaseFiles, Release(tables, {"settings": settings}))


BEHAVIOR = POOLED | {
    "construct": "behavior", "mu": 0.25, "ci_lb": 0.1, "ci_ub": 0.4, "pi_lb": -0.05,
    "pi_ub": 0.55, "pvalue": 0.0004, "tau2": 0.0, "i2": math.nan, "k_trials": 4, "notes": NARROW,
}  # fmt: skip
ROWS = [
    GAP,
    GAP | {"estimand": "transmission_ratio", "estimate": 0.5, "ci_lb": 0.2, "ci_ub": 0.8,
           "interval_kind": "two_rays", "pvalue": 0.5, "k_paired": 2},
    GAP | {"estimand": "predictive_gap", "estimate": 0.3, "ci_lb": -0.1, "ci_ub": 0.6,
           "interval_kind": "prediction", "pvalue": math.nan},
    GAP | {"estimand": "probability_upstream_rises_behavior_does_not", "estimate": 0.15,
           "ci_lb": math.nan, "ci_ub": math.nan, "interval_kind": "none", "pvalue": math.nan},
    GAP | {"estimate": 9.0, "is_primary": False}, GAP | {"estimate": 9.0, "subset": "topic: x"},
    GAP | {"estimate": 9.0, "synthesis": "school"},
    GAP | {"subset": "paired trials", "estimate": -0.03, "k_paired": 3},
]  # fmt: skip


def test_the_answer_of_a_synthesis() -> None:
    pooled = [
        POOLED, BEHAVIOR, POOLED | {"construct": "attitude"}, POOLED | {"measure": "OR", "mu": 9.0},
        POOLED | {"subset": "topic: x", "mu": 9.0}, POOLED | {"is_primary": None, "mu": 9.0},
        POOLED | {"synthesis": "school", "mu": 9.0},
    ]  # fmt: skip
    trials = [TRIAL, TRIAL, TRIAL | {"k_in_pool": 0}, TRIAL | {"synthesis": "school"}]
    lines = answer(release(pooled, ROWS, trials)).splitlines()
    assert lines[:2] == [
        "main: 2 trials with usable effects, standardized mean differences (g)", ""
    ]  # fmt: skip
    assert [line.split("  ")[0] for line in lines[4:10]] == [
        "intention", "behavior", "intention - behavior", "behavior / intention",
        "difference in a new setting", "P(intention rises, behavior does not)",
    ]  # fmt: skip
    assert lines[2].split() == [
        "estimate", "95%", "CI", "95%", "prediction", "p", "tau2", "I2", "trials"
    ]  # fmt: skip
    cells = [[c.strip() for c in line.split("  ") if c.strip()][1:] for line in lines[4:10]]
    assert cells == [
        ["0.50", "[0.30, 0.70]", "[0.11, 0.89]", ".012", "0.021", "41%", "5"],
        ["0.25", "[0.10, 0.40] (narrow)", "[-0.05, 0.55] (narrow)", "<.001", "0.000", "-", "4"],
        ["0.25", "[0.05, 0.45]", "-", ".020", "-", "-", "3"],
        ["0.50", "below 0.20 or above 0.80", "-", ".500", "-", "-", "2"],
        ["0.30", "-", "[-0.10, 0.60]", "-", "-", "-", "3"],
        ["0.15", "-", "-", "-", "-", "-", "3"],
    ]  # fmt: skip
    assert lines[11].startswith("The interventions raised intention more than behavior: difference")
    assert lines[12].startswith("behavior: The interval is narrow")
    assert lines[13].startswith("The 3 trials with both outcomes alone point the other way")
    assert "-0.03 SD, against +0.25 SD" in lines[13]
    assert len(lines) == 14


def test_one_trial_and_another_upstream_construct() -> None:
    gap = [GAP | {"synthesis": "school", "upstream_construct": "self_efficacy",
                  "status": "indirect", "reason": "no trial has both",
                  "k_paired": 0}]  # fmt: skip
    pooled = [POOLED | {"synthesis": "school", "construct": "self_efficacy"},
              POOLED | {"synthesis": "school"}]  # fmt: skip
    trials = [TRIAL | {"synthesis": "school"}]
    text = answer(release(pooled, gap, trials, settings={"level": 0.9}), "school")
    assert text.startswith("school: 1 trial with usable effects")
    assert "90% CI" in text and "90% prediction" in text
    lines = text.splitlines()
    assert lines[4].startswith("self efficacy  ")
    assert lines[5].startswith("self_efficacy - behavior (indirect)  ")
    assert len(lines) == 8, "intention is another construct here"


def test_a_release_without_estimates() -> None:
    text = answer(release([], [], []))
    assert text.startswith("main: 0 trials with usable effects")
    assert text.endswith("There is no gap estimate: no trial has usable effects.")
    assert release_level(release([], [], [], settings={"level": 0.995})) == "99.5%"
    assert release_level(release([], [], [])) == "95%"


def test_limits_of_a_narrow_interval() -> None:
    assert ci_of(BEHAVIOR) == "[0.10, 0.40] (narrow)"
    assert ci_of(BEHAVIOR | {"ci_lb": math.nan}) == "-"
    assert ci_of(POOLED, "pi_lb", "pi_ub") == "[0.11, 0.89]"


def test_primary_rows() -> None:
    frame = pd.DataFrame({"is_primary": [True, None, False, True], "a": list("xxxy")})
    frame["is_primary"] = frame["is_primary"].astype("boolean")
    assert list(primary_rows(frame).index) == [0, 3]
    assert list(primary_rows(frame, a="x").index) == [0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "The interventions raised intention more than behavior: difference 0.25 SD "
             "[0.05, 0.45] (5 trials measured intention, 4 behavior, 3 both)."),
        ({"verdict": "none", "verdict_reason": "too few"},
         "No verdict (too few): difference 0.25 SD [0.05, 0.45] (5 trials measured intention, "
         "4 behavior, 3 both)."),
        ({"status": "not_estimable", "reason": "one trial"},
         "There is no gap estimate: one trial."),
        ({"status": "indirect", "reason": "no pair"},
         "There is no gap estimate: no pair. Set against each other they differ by 0.25 SD "
         "[0.05, 0.45], and all that differs between those trials is in it."),
        ({"estimand": "transmission_ratio"},
         "There is no gap estimate: no trial has usable effects."),
    ],
)  # fmt: skip
def test_the_sentence(change: dict[str, Any], words: str) -> None:
    assert sentence(pd.DataFrame([GAP | change]), "intention") == words


def test_what_is_missing_from_the_answer() -> None:
    idle = [TRIAL | {"k_in_pool": k, "label": n, "design": d} for k, n, d in (
        (0, "B", "parallel"), (None, "C", "review"), (0, "D", "correlational"), (0, "E", "coding"),
    )]  # fmt: skip
    findings = [
        FINDING, FINDING | {"severity": "hold"}, FINDING | {"severity": "hold"},
        FINDING | {"severity": "info"}, FINDING | {"severity": "error", "status": "waived"},
    ]  # fmt: skip
    assert side_note(release([], [], [TRIAL, *idle], findings)) == (
        "2 trials give no usable effect (B, C); findings: 2 holds, 1 warning"
    )
    many = [TRIAL | {"k_in_pool": 0, "label": n} for n in "BCDEFG"]
    assert side_note(release([], [], many)) == (
        "6 trials give no usable effect (B, C, D, E and 2 more)"
    )
    assert side_note(release([], [], many[:4])).endswith("(B, C, D, E)")
    assert side_note(release([], [], [TRIAL])) == ""
    unforeseen = [FINDING | {"rule_id": "unforeseen_error", "severity": "error"}]
    assert side_note(release([], [], [TRIAL], unforeseen)) == (
        "1 trial left out for an error that nobody foresaw; findings: 1 error"
    )


def test_how_much_is_missing_for_an_error() -> None:
    rules = ["unforeseen_error"] * 2 + ["synthesis_failed", "machine_fault", "attrition"]
    assert unforeseen_words(rules) == (
        "2 trials left out for an error that nobody foresaw; 1 trial not read because memory, disk "
        "or files gave out; 1 table of a synthesis missing for an error that nobody foresaw"
    )
    assert unforeseen_words(["attrition"]) == ""


def test_what_is_analyzed_apart() -> None:
    pooled = [POOLED, BEHAVIOR, POOLED | {"construct": "norms"}, POOLED | {"construct": "attitude"},
              POOLED | {"synthesis": "school", "construct": "habit"}]  # fmt: skip
    found = others(release(pooled, [], []))
    assert found == ["main", "school", "survey", "attitude", "norms"]


# trials that the machine lost ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "before", "lost"),
    [
        ({"by_machine": True, "fingerprint": "1"}, {"fingerprint": "1"}, True),
        ({"by_machine": True, "fingerprint": ""}, {"fingerprint": "1"}, True),
        ({"by_machine": True, "fingerprint": "2"}, {"fingerprint": "1"}, False),
        ({"by_machine": False, "fingerprint": "1"}, {"fingerprint": "1"}, False),
        ({"fingerprint": "1"}, {"fingerprint": "1"}, False),
        ({"by_machine": True, "fingerprint": "1"}, {"fingerprint": "1", "by_machine": True}, False),
        ({"by_machine": True, "fingerprint": "1"}, {"fingerprint": "1", "trial": "u"}, False),
    ],
)  # fmt: skip
def test_which_trials_are_lost(now: dict[str, Any], before: dict[str, Any], lost: bool) -> None:
    found = lost_to_the_machine([{"trial": "t"} | now], [{"trial": "t"} | before])
    assert found == ["t"] * lost


@pytest.mark.parametrize(
    ("trials", "names"),
    [(["a"], "a"), (["a", "b", "c"], "a, b, c"), (list("abcde"), "a, b, c and 2 more")],
)
def test_why_nothing_is_published(trials: list[str], names: str) -> None:
    assert why_nothing_is_published(trials, "the disk is full") == (
        f"nothing was published: the last release holds {names} with the same bytes, and now the "
        "disk is full; make room and run `ibgap refresh` again"
    )
