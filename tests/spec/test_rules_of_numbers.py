"""Rules across a trial's numbers, each threshold on both sides, from rows as literals."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import pandas as pd
import pytest
import yaml

from tests.builders import Recipe, arm_trial
from validations.findings import Finding, Severity
from validations.manifest.model import TrialManifest
from validations.trial_rules import trial_findings, unused_declarations

ID = "t:letter-control:visit"
ROW: dict[str, Any] = {
    "outcome_row_id": ID, "trial_id": "t", "collection_id": "c", "outcome_id": "visit",
    "outcome_label": "Visit", "comparison_id": "letter-control", "file": "a.csv", "rows": "4-5; 7",
    "sd1": 1.0, "sd2": 1.0, "reported_value": math.nan, "reported_ci_lb": math.nan,
    "reported_ci_ub": math.nan, "reported_statistic": "", "favors": "", "higher_is_better": True,
    "basis": "arm_summaries", "design_effect": math.nan, "intervention_arm": "letter",
    "comparator_arm": "control", "n1": 50.0, "n2": 50.0,
}  # fmt: skip


def manifest(recipe: Recipe | None = None) -> TrialManifest:
    text = (recipe or arm_trial()).manifest
    return TrialManifest.model_validate(yaml.safe_load(text))


def found(
    recipe: Recipe | None = None, yi: float = 0.3, faults: Any = None, reason: str = "", **row: Any
) -> list[Finding]:
    effects = pd.DataFrame([{"outcome_row_id": ID, "yi": yi, "vi": 0.04, "reason": reason}] * 2)
    return trial_findings(pd.DataFrame([ROW | row]), effects, {"c": manifest(recipe)}, faults)


def told(*args: Any, **more: Any) -> list[tuple[str, str]]:
    return [(one.rule_id, str(one.severity)) for one in found(*args, **more)]


def test_ordinary_numbers_are_not_told() -> None:
    assert found() == []


def test_a_row_without_an_effect_is_passed_over_and_the_next_is_judged() -> None:
    rows = pd.DataFrame([ROW | {"outcome_row_id": "other"}, ROW])
    effects = pd.DataFrame([{"outcome_row_id": ID, "yi": 4.0, "vi": 0.04, "reason": ""}])
    assert len(trial_findings(rows, effects, {"c": manifest()})) == 1


@pytest.mark.parametrize(
    ("yi", "expected"),
    [(2.0, ""), (-2.0, ""), (2.01, "warning"), (-3.0, "warning"), (3.01, "hold"), (-3.5, "hold")],
)
def test_large_effects(yi: float, expected: str) -> None:
    rules = [("effect_implausibly_large", expected)] if expected else []
    assert told(yi=yi) == rules
    for one in found(yi=yi):
        assert one.message.startswith(f"g = {yi:.2f} on Visit ")
        assert one.fix.startswith("check the SDs and units")
        assert ("waiver" in one.fix) is (expected == "hold")


@pytest.mark.parametrize(
    ("rows", "row"), [("4-5; 7", 4), ("7;9", 7), (" 12 ", 12), ("", None), ("a-3", None)]
)
def test_a_finding_says_where(rows: str, row: int | None) -> None:
    (one,) = found(yi=4.0, rows=rows)
    assert (one.trial_id, one.file, one.row, one.subject) == ("t", "a.csv", row, ID)


def test_an_effect_that_cannot_be_computed_gives_its_reason() -> None:
    (one,) = found(yi=math.nan, reason="no n")
    assert (one.rule_id, one.severity) == ("effect_not_computable", Severity.WARNING)
    assert one.message == "no effect on Visit (letter-control): no n"


@pytest.mark.parametrize(
    ("sd1", "sd2", "is_told"),
    [(1.0, 1000.0, False), (1.0, 1000.1, True), (1000.1, 1.0, True), (0.0, 5.0, False),
     (math.nan, 5.0, False), (0.002, 1.99, False)],
)  # fmt: skip
def test_spreads(sd1: float, sd2: float, is_told: bool) -> None:
    assert told(sd1=sd1, sd2=sd2) == [("spreads_far_apart", "warning")] * is_told


def printed(statistic: str, value: float, low: float, high: float) -> list[tuple[str, str]]:
    return told(reported_statistic=statistic, reported_value=value, reported_ci_lb=low,
                reported_ci_ub=high)  # fmt: skip


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (50.0, ""), (52.0, ""), (48.0, ""), (52.01, "warning"), (47.99, "warning"),
        (60.0, "warning"), (60.01, "hold"), (39.9, "hold"), (math.nan, ""),
    ],
)  # fmt: skip
def test_a_value_in_the_middle_of_its_interval(value: float, expected: str) -> None:
    """Interval from 0 to 100: doubted from 2 off its middle, held from 10 on."""
    rules = [("interval_not_symmetric", expected)] if expected else []
    assert printed("md", value, 0.0, 100.0) == rules
    assert printed("p", value, 0.0, 100.0) == []


def test_limits_that_are_missing_are_not_judged() -> None:
    assert printed("md", 9.0, math.nan, 10.0) == printed("md", 9.0, 0.0, math.nan) == []


@pytest.mark.parametrize(("value", "is_told"), [(0.109, False), (0.112, True)])
def test_two_decimals_explain_a_hundredth(value: float, is_told: bool) -> None:
    """0.05 to 0.15: half a unit of the value and of the middle are 0.01."""
    assert bool(printed("d", value, 0.05, 0.15)) is is_told


@pytest.mark.parametrize("statistic", ["OR", "RR"])
@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [
        (2.0, 1.0, 4.0, ""), (2.5, 1.0, 4.0, "hold"), (2.2, 1.0, 4.0, "warning"),
        # log 1.05 is 0.0488 off the middle 0; 0.005/1.05 + (0.005/0.1 + 0.005/10)/2 is 0.0300,
        # a fiftieth of the width 4.605 is 0.0921
        (1.05, 0.1, 10.0, ""), (1.1, 0.1, 10.0, "warning"),
        # log(0.0225/0.02) = 0.118; 0.005/0.0225 + (0.005/0.01 + 0.005/0.04)/2 = 0.535
        (0.0225, 0.01, 0.04, ""), (0.0, 1.0, 4.0, ""), (2.5, 0.0, 4.0, ""), (0.5, -1.0, 4.0, ""),
    ],
)  # fmt: skip
def test_ratios_are_judged_on_the_log_scale(
    statistic: str, value: float, low: float, high: float, expected: str
) -> None:
    rules = [("interval_not_symmetric", expected)] if expected else []
    assert printed(statistic, value, low, high) == rules


def test_rounding_of_value_and_limits_counts() -> None:
    """ln(0.6/0.5) = 0.182 off; 0.005/0.6 + (0.005/0.05 + 0.005/5)/2 = 0.0588: told; with limits of
    0.01 and 25 it is 0.2584: explained."""
    assert printed("OR", 0.6, 0.05, 5.0) == [("interval_not_symmetric", "warning")]
    assert printed("OR", 0.6, 0.01, 25.0) == []


@pytest.mark.parametrize(
    ("statistic", "words"), [("md", "lies 15% of"), ("OR", "on the log scale")]
)
def test_how_far_off_in_words(statistic: str, words: str) -> None:
    value, low, high = (6.5, 0.0, 10.0) if statistic == "md" else (2.5, 1.0, 4.0)
    (one,) = found(reported_statistic=statistic, reported_value=value, reported_ci_lb=low,
                   reported_ci_ub=high)  # fmt: skip
    assert words in one.message and one.message.startswith("the value of Visit (letter-control)")
    assert ("log scale" in one.message) is (statistic == "OR")


@pytest.mark.parametrize(
    ("favors", "statistic", "yi", "is_told"),
    [
        ("intervention", "d", 0.3, False), ("intervention", "d", -0.3, True),
        ("comparator", "d", 0.3, True), ("comparator", "d", -0.3, False),
        ("intervention", "d", 0.0, False), ("comparator", "d", 0.0, False),
        ("reversed", "d", -0.3, False), ("", "d", -0.3, False), ("intervention", "F", -0.3, False),
        ("intervention", "p", -0.3, False), ("intervention", "", -0.3, False),
    ],
)  # fmt: skip
def test_direction(favors: str, statistic: str, yi: float, is_told: bool) -> None:
    expected = [("direction_contradicted", "hold")] * is_told
    assert told(yi=yi, favors=favors, reported_statistic=statistic) == expected


@pytest.mark.parametrize("higher", [True, False])
def test_a_contradicted_direction_names_the_declaration(higher: bool) -> None:
    (one,) = found(yi=-1.0, favors="intervention", reported_statistic="d", higher_is_better=higher)
    assert f"`higher_is_better: {str(higher).lower()}`" in one.message
    assert "favors the intervention" in one.message
    without = told(yi=math.nan, favors="intervention", reported_statistic="d")
    assert without == [("effect_not_computable", "warning")]


def cluster(more: str = "") -> Recipe:
    return arm_trial().but("type: parallel", f"type: cluster{more}")


HELD = [("clustering_unaccounted", "hold")]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", HELD), ("\n  icc: 0.05\n  mean_cluster_size: 20", []), ("\n  icc: 0.05", HELD),
        ("\n  mean_cluster_size: 20", HELD), ("\n  clustering_already_adjusted: true", []),
        ("\n  icc: 0\n  mean_cluster_size: 20", []),
    ],
)  # fmt: skip
def test_clusters_are_allowed_for(more: str, expected: list[tuple[str, str]]) -> None:
    assert told(cluster(more)) == expected


def test_clusters_of_participants() -> None:
    rows = {"basis": "participant_rows"}
    assert told(cluster(), **rows) == HELD
    assert told(cluster(), **rows, design_effect=1.4) == []
    assert told(cluster(), design_effect=1.4) == HELD, "the rows of a table have no clusters"
    faults = {("t", "visit"): "one per arm", ("t", "other"): "no ids", ("u", "visit"): "blank"}
    (one,) = found(cluster(), faults=faults, **rows)
    assert "whose clusters are not usable (one per arm); its variance" in one.message
    for case in ({"faults": faults}, {"faults": {("t", "other"): "no ids"}, **rows}):
        (one,) = found(cluster(), **case)
        assert "without cluster ids, ICC or adjusted numbers; its" in one.message


def randomized(letter: int | None, control: int | None) -> Recipe:
    made = arm_trial()
    for role, n in (("experimental", letter), ("usual_care", control)):
        if n is not None:
            made = made.but(f"role: {role}", f"role: {role}, n_randomized: {n}")
    return made


@pytest.mark.parametrize(
    ("letter", "control", "n1", "n2", "expected"),
    [
        (100, 100, 80.0, 80.0, ""), (100, 100, 79.0, 80.0, "attrition"),
        (100, 100, 80.0, 79.0, "attrition"), (100, 100, 90.0, 99.0, ""),
        (100, 100, 85.0, 96.0, "attrition"), (100, 100, 96.0, 85.0, "attrition"),
        (100, 100, 100.0, 100.0, ""), (100, 100, 101.0, 100.0, "analyzed_more_than_randomized"),
        (100, 100, 50.0, 101.0, "analyzed_more_than_randomized"), (100, None, 50.0, 99.0, ""),
        (None, 100, 99.0, 50.0, ""), (100, 100, math.nan, 50.0, ""), (None, None, 9.0, 9.0, ""),
        (100, 100, 50.0, math.nan, ""),
    ],
)  # fmt: skip
def test_analyzed_and_randomized(
    letter: int | None, control: int | None, n1: float, n2: float, expected: str
) -> None:
    rules = [one for one, _ in told(randomized(letter, control), n1=n1, n2=n2)]
    assert rules == ([expected] if expected else [])


def test_loss_in_words() -> None:
    (one,) = found(randomized(100, 200), n1=70.0, n2=180.0)
    assert one.message == (
        "Visit (letter-control): 30% and 10% of those randomized are not analyzed (20 points apart)"
    )
    assert one.severity is Severity.WARNING
    (one,) = found(randomized(100, 200), n1=70.0, n2=201.0)
    assert one.message.endswith("than randomized in arm control")
    assert one.severity is Severity.HOLD


def unused(
    arm_outcomes: set[tuple[str, str]],
    with_effect: Collection[str] = (),
    mentioned: Collection[str] = (),
) -> list[tuple[str, str]]:
    rows = unused_declarations(manifest(), arm_outcomes, set(with_effect), set(mentioned))
    assert {(r.file, r.trial_id) for r in rows} <= {("trial.yaml", "arms_trial")}
    errors = {r.rule_id for r in rows if r.severity is Severity.ERROR}
    assert errors == {r.rule_id for r in rows} & {"arm_without_rows"}
    assert {r.severity for r in rows} <= {Severity.ERROR, Severity.WARNING}
    return [(r.rule_id, f"{r.message}; {r.fix}") for r in rows]


ALL = {(arm, outcome) for arm in ("control", "letter") for outcome in ("intention", "visit")}


def test_what_a_manifest_declares_and_no_row_mentions() -> None:
    both = {"intention", "visit"}
    assert unused(ALL, both) == []
    assert unused(set()) == [], "nothing could be read"
    assert [one for one, _ in unused(set(), mentioned={"visit"})] == ["outcome_without_rows"]
    assert unused(set(), mentioned=both) == [], "effects in print have no rows of arms"
    (one,) = unused({("control", "intention"), ("letter", "intention")}, {"intention"})
    assert one[0] == "outcome_without_rows" and one[1].startswith("no accepted row has the outcome "
                                                                  "'visit'")  # fmt: skip
    assert (
        unused({("control", "intention"), ("letter", "intention")}, {"intention"}, {"visit"}) == []
    )


def test_an_arm_without_rows_leaves_outcomes_without_a_comparison() -> None:
    rows = unused({("control", "intention"), ("control", "visit")}, {"visit"})
    assert [one for one, _ in rows] == ["arm_without_rows", "outcome_of_one_side"]
    assert rows[0][1].startswith("no accepted row has the arm 'letter'")
    assert rows[1][1].startswith(
        "'intention' has rows of control only, so there is no comparison; add the rows of letter, "
    )
    mentioned = unused({("control", "intention"), ("control", "visit")}, {"intention", "visit"},
                       {"letter"})  # fmt: skip
    assert mentioned == []


def test_outcomes_of_one_side_are_told_in_order() -> None:
    rows = unused({("letter", "visit"), ("letter", "intention"), ("control", "other")})
    assert [text.split("'")[1] for rule, text in rows if rule == "outcome_of_one_side"] == [
        "intention", "other", "visit",
    ]  # fmt: skip
