"""Outcome rows: which arms they set against each other, and everything that stands in them."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd
import pytest

from assets.outcomes.arms import arms_from_summaries
from assets.outcomes.outcome_rows import OUTCOME_COLUMNS, outcome_rows
from assets.outcomes.over_trials import OUTCOME_TABLES, outcomes_of_all
from assets.outcomes.participants import ParticipantFacts
from assets.typed import from_rows, to_frame
from tests.journey.frames import NAN, assert_row, printed, summaries
from tests.journey.manifests import manifest, outcome

OUTCOMES = [
    outcome("i", "intention", timepoint={"weeks": 2}, label="Wants to", measured_by="self_report",
            instrument="items", target="clinic", action="visit", context="city", time="month",
            standardizer="control_sd", primary=False, analysis_set="completers") |
    {"scale": {"type": "ordinal", "min": 1, "max": 7}, "higher_is_better": False},
    outcome("went_there", "behavior", scale="binary"),
    outcome("att", "attitude"),
]  # fmt: skip
ARMS = {"a": "experimental", "b": "experimental", "c": "control"}
NOTHING = pd.DataFrame()


def known(arms: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    return {"t": manifest(ARMS if arms is None else arms, **{"outcomes": OUTCOMES} | more)}


def from_arms(
    *rows: dict[str, Any], facts: dict[str, ParticipantFacts] | None = None,
    basis: str = "", **more: Any,
) -> list[dict[str, Any]]:  # fmt: skip
    manifests = known(**more)
    arms = arms_from_summaries(summaries(*rows), manifests)
    if basis:
        arms["basis"] = basis
    made = outcome_rows(arms, NOTHING, manifests, facts or {})
    assert list(made.columns) == OUTCOME_COLUMNS
    return made.to_dict("records")


def from_printed(*rows: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    made = outcome_rows(NOTHING, printed(*rows), known(**more), {})
    assert list(made.columns) == OUTCOME_COLUMNS
    return made.to_dict("records")


def arm(name: str, **more: Any) -> dict[str, Any]:
    return {"arm": name, "outcome": "i", "n": 20.0, "mean": 3.0, "sd": 1.0} | more


def test_what_two_arms_give() -> None:
    (row,) = from_arms(
        arm("a", n=21.0, mean=3.5, sd=1.2, events=4.0, row=5, comparison="low dose",
            instrument="Scale B", timepoint="end", file="x.csv", study_label="S"),
        arm("c", n=22.0, mean=3.1, sd=1.3, events=6.0, row=8, comparison="low dose",
            instrument="Scale B", timepoint="end", file="x.csv", study_label="S"),
        synthesis="second", topic="vaccination", upstream_construct="attitude",
        design={"type": "parallel", "randomized": False},
    )  # fmt: skip
    expected = {
        "outcome_row_id": "t:a_vs_c:i.scale_b@2w", "trial_id": "t", "collection_id": "t",
        "study_label": "S", "synthesis": "second", "upstream_construct": "attitude",
        "topic": "vaccination", "comparison_id": "a_vs_c", "comparison": "low dose",
        "intervention_arm": "a", "comparator_arm": "c", "construct": "intention",
        "outcome_id": "i", "outcome_label": "Wants to", "instrument": "Scale B", "weeks": 2.0,
        "timepoint": "end", "analysis_set": "completers", "measured_by": "self_report",
        "target": "clinic", "action": "visit", "context": "city", "time": "month",
        "higher_is_better": False, "primary": False, "randomized": False, "scale_type": "ordinal",
        "scale_min": 1.0, "scale_max": 7.0, "standardizer": "control_sd", "basis": "arm_summaries",
        "n1": 21.0, "m1": 3.5, "sd1": 1.2, "events1": 4.0, "n2": 22.0, "m2": 3.1, "sd2": 1.3,
        "events2": 6.0, "adjusted_difference": NAN, "sd_pooled": NAN, "covariate_r": NAN,
        "reported_statistic": "", "reported_value": NAN, "reported_se": NAN,
        "reported_variance": NAN, "reported_ci_lb": NAN, "reported_ci_ub": NAN,
        "reported_ci_level": NAN, "reported_sd": NAN, "reported_p": NAN, "reported_risk2": NAN,
        "favors": "", "design_effect": 1.0, "file": "x.csv", "rows": "5; 8",
    }  # fmt: skip
    assert set(expected) == set(row)
    assert_row(row, **expected)


def test_what_a_printed_effect_gives() -> None:
    numbers = dict(zip(
        ("value", "se", "variance", "ci_lb", "ci_ub", "ci_level", "sd", "p", "risk2"),
        (0.1, 0.2, 0.3, 0.4, 0.5, 0.9, 0.7, 0.8, 0.6), strict=True,
    ))  # fmt: skip
    (row,) = from_printed(
        numbers
        | {"outcome": "went_there", "statistic": "d", "intervention": "b", "comparator": "c",
           "favors": "comparator", "comparison": "x", "instrument": "log", "timepoint": "later",
           "days": 14.0, "n1": 30.0, "n2": 31.0, "row": 9, "file": "p.csv", "study_label": "P"}
    )  # fmt: skip
    expected = {
        "outcome_row_id": "t:b_vs_c:went_there.log@2w", "trial_id": "t", "collection_id": "t",
        "study_label": "P", "synthesis": "main", "upstream_construct": "intention", "topic": "",
        "comparison_id": "b_vs_c", "comparison": "x", "intervention_arm": "b",
        "comparator_arm": "c", "construct": "behavior", "outcome_id": "went_there",
        "outcome_label": "went there", "instrument": "log", "weeks": 2.0, "timepoint": "later",
        "scale_type": "binary", "scale_min": NAN, "scale_max": NAN, "basis": "reported_effects",
        "n1": 30.0, "n2": 31.0, "m1": NAN, "sd1": NAN, "events1": NAN, "m2": NAN, "sd2": NAN,
        "events2": NAN, "reported_statistic": "d", "favors": "comparator", "design_effect": 1.0,
        "file": "p.csv", "rows": "9", "primary": True, "higher_is_better": True,
        "adjusted_difference": NAN,
    } | {f"reported_{name}": value for name, value in numbers.items()}  # fmt: skip
    assert_row(row, **expected)


def test_arm_numbers_and_printed_effects_stand_together() -> None:
    manifests = known()
    arms = arms_from_summaries(summaries(arm("a"), arm("c")), manifests)
    effects = printed({"outcome": "went_there", "intervention": "a", "comparator": "c"})
    both = outcome_rows(arms, effects, manifests, {})
    assert list(both["basis"]) == ["arm_summaries", "reported_effects"]
    assert list(both.index) == [0, 1]
    none = outcome_rows(NOTHING, NOTHING, manifests, {})
    assert none.empty and list(none.columns) == OUTCOME_COLUMNS


def test_comparisons_are_made_within_everything_that_names_them() -> None:
    """Arms of another time, instrument, comparison or outcome are not set against each other."""
    for other in ({"weeks": 5.0}, {"instrument": "x"}, {"comparison": "x"}, {"timepoint": "x"},
                  {"outcome": "att"}, {"trial_id": "t/x"}):  # fmt: skip
        assert from_arms(arm("a"), arm("c", **other)) == []


def test_arms_without_their_comparator_are_passed_over() -> None:
    made = from_arms(arm("b"), arm("c"), arm("a", weeks=9.0), arm("b", weeks=9.0))
    assert [row["comparison_id"] for row in made] == ["b_vs_c"]
    made = from_arms(arm("a"), arm("b"), arm("c"))
    assert [row["comparison_id"] for row in made] == ["a_vs_c", "b_vs_c"]


def test_groups_of_comparisons_in_reviews_are_apart() -> None:
    rows = [
        arm(name, trial_id=trial, comparison=comparison)
        for trial in ("t/x", "t/y")
        for comparison in ("LOW", "low+", "High dose", "")
        for name in ("intervention", "comparator")
        if trial == "t/x" or comparison in ("LOW", "")
    ]
    made = from_arms(*rows, arms={}, design={"type": "review"})
    low, plus = (hashlib.sha256(s.encode()).hexdigest()[:4] for s in ("LOW", "low+"))
    found = {(r["trial_id"], r["comparison"]): (r["intervention_arm"], r["comparator_arm"])
             for r in made}  # fmt: skip
    assert found == {
        ("t/x", "LOW"): (f"intervention_low_{low}", f"comparator_low_{low}"),
        ("t/x", "low+"): (f"intervention_low_{plus}", f"comparator_low_{plus}"),
        ("t/x", "High dose"): ("intervention_high_dose", "comparator_high_dose"),
        ("t/x", ""): ("intervention", "comparator"),
        ("t/y", "LOW"): ("intervention_low", "comparator_low"),
        ("t/y", ""): ("intervention", "comparator"),
    }


def test_declared_arms_are_the_same_in_every_comparison() -> None:
    made = from_arms(arm("a", comparison="x"), arm("c", comparison="x"))
    assert (made[0]["intervention_arm"], made[0]["comparator_arm"]) == ("a", "c")


@pytest.mark.parametrize(
    ("named", "arms"),
    [
        ({"intervention": "b", "comparator": "c"}, ("b", "c")),
        ({"intervention": "b"}, ("b", "c")),
        ({"intervention": "a"}, ("a", "c")),
        ({"comparator": "c"}, ("intervention", "comparator")),
    ],
)
def test_arms_of_printed_effects(named: dict[str, str], arms: tuple[str, str]) -> None:
    (row,) = from_printed({"outcome": "i", "statistic": "d", "value": 0.1} | named)
    assert (row["intervention_arm"], row["comparator_arm"]) == arms


def test_arms_of_printed_effects_in_reviews() -> None:
    rows = [
        {"comparison": "x", "control_group": "shared"}, {"comparison": "y"}, {},
        {"intervention": "own", "comparison": "x"}, {"comparator": "own", "comparison": "x"},
    ]  # fmt: skip
    made = from_printed(
        *({"outcome": "i", "statistic": "d", "value": 0.1} | row for row in rows),
        arms={}, design={"type": "review"},
    )  # fmt: skip
    assert [(r["intervention_arm"], r["comparator_arm"]) for r in made] == [
        ("intervention_x", "comparator_shared"), ("intervention_y", "comparator_y"),
        ("intervention", "comparator"), ("own", "comparator_x"), ("intervention_x", "own"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("design", "effect"),
    [
        ({"type": "cluster", "icc": 0.05, "mean_cluster_size": 21}, 2.0),
        ({"type": "cluster", "icc": 0.05}, NAN),
        ({"type": "cluster", "mean_cluster_size": 21}, NAN),
        ({"type": "cluster"}, NAN),
        ({"type": "cluster", "icc": 0.05, "mean_cluster_size": 21,
          "clustering_already_adjusted": True}, 1.0),
        ({"type": "parallel", "icc": 0.05, "mean_cluster_size": 21}, 1.0),
    ],
)  # fmt: skip
def test_declared_design_effects(design: dict[str, Any], effect: float) -> None:
    (row,) = from_arms(arm("a"), arm("c"), design=design)
    assert_row(row, design_effect=effect)  # 1 + 20 * .05
    (row,) = from_printed({"outcome": "i", "intervention": "a"}, design=design)
    assert_row(row, design_effect=effect)


FACTS = ParticipantFacts(
    adjusted={("a", "c", "i"): (0.5, 1.1, 0.3, 17, 18)},
    design_effects={"i": 1.7, "went_there": 1.2},
)


def test_facts_of_participants_go_into_their_rows() -> None:
    rows = [arm(x) for x in "abc"] + [arm(x, outcome="att") for x in "ac"]
    made = from_arms(*rows, facts={"t": FACTS}, basis="participant_rows")
    first, second, third = made
    assert_row(first, comparison_id="a_vs_c", adjusted_difference=0.5, sd_pooled=1.1,
               covariate_r=0.3, n1=17.0, n2=18.0, design_effect=1.7)  # fmt: skip
    assert_row(second, comparison_id="b_vs_c", adjusted_difference=NAN, n1=20.0, n2=20.0,
               design_effect=1.7)  # fmt: skip
    assert_row(third, outcome_id="att", adjusted_difference=NAN, design_effect=1.0)


def test_facts_of_participants_are_for_no_other_rows() -> None:
    (row,) = from_arms(arm("a"), arm("c"), facts={"t": FACTS})
    assert_row(row, adjusted_difference=NAN, n1=20.0, design_effect=1.0)
    (row,) = from_arms(arm("a"), arm("c"), facts={"other": FACTS}, basis="participant_rows")
    assert_row(row, adjusted_difference=NAN, n1=20.0, design_effect=1.0)


def test_an_estimated_design_effect_goes_before_the_declared_one() -> None:
    design = {"type": "cluster", "icc": 0.05, "mean_cluster_size": 21}
    (row,) = from_arms(arm("a"), arm("c"), facts={"t": FACTS}, basis="participant_rows",
                       design=design)  # fmt: skip
    assert_row(row, design_effect=1.7)


@pytest.mark.parametrize(
    ("about", "end"),
    [
        ({}, "att"), ({"weeks": 2.0}, "att@2w"), ({"weeks": 1 / 3}, "att@0.3333w"),
        ({"timepoint": "After 1 Year"}, "att@after_1_year"),
        ({"timepoint": "end", "weeks": 4.0}, "att@4w"),
        ({"instrument": "Big Five"}, "att.big_five"),
    ],
)  # fmt: skip
def test_ids_of_rows(about: dict[str, Any], end: str) -> None:
    (row,) = from_arms(arm("a", outcome="att", **about), arm("c", outcome="att", **about))
    assert row["outcome_row_id"] == f"t:a_vs_c:{end}"


def test_ids_that_come_again_are_counted() -> None:
    row = {"outcome": "att", "statistic": "d", "value": 0.1, "intervention": "a"}
    made = from_printed(*[row] * 3, row | {"intervention": "b"})
    assert [r["outcome_row_id"] for r in made] == [
        "t:a_vs_c:att", "t:a_vs_c:att#2", "t:a_vs_c:att#3", "t:b_vs_c:att"
    ]  # fmt: skip


def test_outcomes_that_are_not_declared_stay_without_description() -> None:
    (row,) = from_printed({"outcome": "elsewhere", "statistic": "d", "intervention": "a"})
    assert pd.isna(row["construct"]) and row["outcome_id"] == "elsewhere"


def test_labels_of_outcomes_and_open_scales() -> None:
    (row,) = from_arms(arm("a", outcome="went_there"), arm("c", outcome="went_there"))
    assert_row(row, outcome_label="went there", scale_min=NAN, scale_max=NAN)


def test_numbers_are_numbers() -> None:
    frame = outcome_rows(NOTHING, printed({"outcome": "i", "intervention": "a"}), known(), {})
    numbers = ["weeks", "n1", "events2", "covariate_r", "design_effect", "reported_risk2"]
    assert (frame[numbers].dtypes == np.float64).all()


def test_no_row_is_in_two_tables() -> None:
    constructs = ["attitude", "behavior", "intention", "behavior"]
    rows = from_rows([{"construct": c, "n1": k} for k, c in enumerate(constructs)], "outcome_rows")
    found = {name: to_frame(outcomes_of_all(name, rows)) for name in OUTCOME_TABLES}
    intention, behavior, upstream = (
        found[f"{c}_outcomes"] for c in ("intention", "behavior", "upstream")
    )
    assert list(intention["n1"]) == [2] and list(intention.index) == [0]
    assert list(behavior["n1"]) == [1, 3] and list(behavior.index) == [0, 1]
    assert list(upstream["n1"]) == [0] and list(upstream.index) == [0]
