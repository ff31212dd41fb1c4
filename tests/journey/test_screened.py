"""Screening of records with what the manifest declares: names, scales, labels that are empty."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from assets.screening.screened import screen_kind
from assets.staging.extraction import IDENTITY
from tests.journey.manifests import manifest, outcome
from tests.typed_rows import typed_rows
from validations.records import RECORD_SCHEMAS

ARMS = {"a": "experimental", "b": "experimental", "c": "control"}
OUTCOMES = [
    outcome("i", "intention") | {"scale": {"type": "continuous", "min": 1, "max": 7}},
    outcome("b", "behavior", scale="binary"),
]
BASE = {"trial_id": "t", "collection_id": "t", "study_label": "T", "source_id": "s",
        "file": "a.csv", "block": 0}  # fmt: skip


def screened(
    kind: str, *rows: dict[str, str], found_in: dict[str, str] | None = None,
    arms: dict[str, str] | None = None, **more: Any,
) -> tuple[list[int], dict[int, str]]:  # fmt: skip
    """Positions of the accepted rows, and of the rejected ones with their rules."""
    columns = found_in if found_in is not None else {k: k for row in rows for k in row}
    names = (*RECORD_SCHEMAS[kind].names, "scale_min", "scale_max", "scale_type")
    common = BASE | dict.fromkeys(names, "") | {"found_in": json.dumps(columns)}
    made_rows = [common | {"row": i} | row for i, row in enumerate(rows)]
    frame = pd.DataFrame(made_rows).fillna("").astype(object)
    own = manifest(ARMS if arms is None else arms, **{"outcomes": OUTCOMES} | more)
    typed = typed_rows(frame) if kind == "participant_rows" else frame
    made = screen_kind(kind, typed, {"t": own})
    rejected: dict[int, str] = {}
    for row in made.rejected.to_dict("records"):
        rejected[int(row["row"])] = f"{row['rule_id']} {row['column']}"
    return [int(r) for r in made.accepted.get("row", [])], rejected


def summary(**more: str) -> dict[str, str]:
    return {"arm": "a", "outcome": "i", "n": "20", "mean": "4", "sd": "1"} | more


def test_nothing_to_screen() -> None:
    made = screen_kind("correlations", pd.DataFrame(), {"t": manifest(ARMS)})
    assert list(made.accepted.columns) == [*IDENTITY, "variable_1", "variable_2", "r", "n"]
    assert made.accepted.empty and made.rejected.empty and made.findings == [] == made.outcomes


def test_arms_and_outcomes_must_be_declared() -> None:
    rows = summary(), summary(arm="c"), summary(arm="x"), summary(outcome="x")
    accepted, rejected = screened("arm_summaries", *rows)
    assert accepted == [0, 1]
    assert rejected == {2: "arm_declared arm", 3: "outcome_declared outcome"}
    accepted, rejected = screened("arm_summaries", summary(arm="intervention"), summary(),
                                  summary(arm="comparator"), arms={})  # fmt: skip
    assert accepted == [0, 2] and list(rejected) == [1]


def test_scores_stay_on_the_scale_of_their_outcome() -> None:
    rows = [summary(arm=arm, mean=mean) for arm, mean in (("a", "7.5"), ("c", "0.9"), ("b", "7"))]
    other = {"outcome": "b", "mean": "99"}
    accepted, rejected = screened("arm_summaries", *rows, summary(**other))
    assert accepted == [2, 3]
    assert {text.split()[0] for text in rejected.values()} == {"mean_within_scale"}
    open_ended = [outcome("i", "intention") | {"scale": {"type": "continuous", "min": 1}}]
    accepted, _ = screened("arm_summaries", summary(mean="0.5"), summary(arm="c", mean="99"),
                           outcomes=open_ended)  # fmt: skip
    assert accepted == [1]
    open_ended = [outcome("i", "intention") | {"scale": {"type": "continuous", "max": 7}}]
    accepted, _ = screened("arm_summaries", summary(mean="0.5"), summary(arm="c", mean="99"),
                           outcomes=open_ended)  # fmt: skip
    assert accepted == [0]


def test_quantiles_that_are_no_normal_samples() -> None:
    even = {"arm": "a", "outcome": "b", "n": "60", "median": "5", "q1": "4", "q3": "6"}
    accepted, rejected = screened(
        "arm_summaries", even, even | {"arm": "c", "q1": "4.9", "q3": "30"}
    )
    assert accepted == [0] and list(rejected[1].split()[:1]) == ["quantiles_not_lopsided"]


def printed(**more: str) -> dict[str, str]:
    return {"outcome": "i", "statistic": "d", "value": "0.3", "n1": "20", "n2": "30",
            "intervention": "a", "comparator": "c"} | more  # fmt: skip


def test_arms_of_printed_effects() -> None:
    rows = printed(), printed(intervention="x"), printed(comparator="x"), printed(outcome="x")
    accepted, rejected = screened("reported_effects", *rows)
    assert accepted == [0]
    assert rejected[1].startswith("arms_declared") and rejected[2].startswith("arms_declared")
    assert rejected[3].startswith("outcome_declared")


def test_arms_that_are_not_named() -> None:
    found_in = {"outcome": "outcome", "statistic": "statistic", "value": "value"}
    rows = (printed(intervention="b", comparator=""), printed(intervention="", comparator=""),
            printed(intervention="", comparator="c"))  # fmt: skip
    accepted, rejected = screened("reported_effects", *rows, found_in=found_in)
    assert accepted == [0]
    assert {text.split()[0] for text in rejected.values()} == {"arms_told_apart"}
    accepted, rejected = screened(
        "reported_effects", rows[1], found_in=found_in, arms={"a": "experimental", "c": "control"}
    )
    assert accepted == [0]


def test_arms_of_reviews_are_free() -> None:
    rows = printed(intervention="anything", comparator="at all"), printed(intervention="")
    accepted, _ = screened("reported_effects", *rows, arms={}, found_in={})
    assert accepted == [0, 1]


def test_variables_must_be_outcomes() -> None:
    row = {"variable_1": "i", "variable_2": "b", "r": "0.3", "n": "50"}
    accepted, rejected = screened(
        "correlations", row, row | {"variable_1": "x"}, row | {"variable_2": "x"}
    )
    assert accepted == [0]
    assert {text.split()[0] for text in rejected.values()} == {"variables_declared"}


def test_effective_sizes_need_not_be_whole() -> None:
    rows = summary(n="20.4"), summary(arm="c", n="20")
    assert screened("arm_summaries", *rows)[0] == [1]
    design = {"type": "cluster", "clustering_already_adjusted": True}
    assert screened("arm_summaries", *rows, design=design)[0] == [0, 1]


def test_labels_of_a_named_column_are_required() -> None:
    rows = (
        summary(comparison="low"),
        summary(comparison="", arm="c"),
        summary(comparison="low", arm="b"),
    )
    accepted, rejected = screened("arm_summaries", *rows)
    assert accepted == [0, 2] and rejected == {1: "value_required comparison"}
    accepted, _ = screened("arm_summaries", *rows, found_in={"arm": "arm"})
    assert accepted == [0, 1, 2]
    accepted, rejected = screened("arm_summaries", summary(study="x"), summary(study="", arm="c"))
    assert accepted == [0] and rejected == {1: "value_required study"}


def sources(*may: str) -> list[dict[str, Any]]:
    return [{"id": "s", "kind": "reported_effects", "file": "a.csv", "may_be_empty": list(may),
             "blocks": [{"outcome": "outcome", "value": "value"}]}]  # fmt: skip


def test_labels_that_a_study_may_leave_out_in_all_of_its_rows() -> None:
    rows = (
        summary(comparison="", trial_id="t/x"), summary(comparison="", arm="c", trial_id="t/x"),
        summary(comparison="low", trial_id="t/y"), summary(comparison="", arm="c", trial_id="t/y"),
    )  # fmt: skip
    accepted, rejected = screened("arm_summaries", *rows, sources=sources("comparison"))
    assert accepted == [0, 1, 2] and rejected == {3: "value_required comparison"}
    accepted, rejected = screened("arm_summaries", *rows, sources=sources("other"))
    assert accepted == [2] and set(rejected) == {0, 1, 3}


@pytest.mark.parametrize("name", ["favors", "control_group"])
def test_texts_that_may_be_missing(name: str) -> None:
    assert screened("reported_effects", printed(**{name: ""}))[0] == [0]


@pytest.mark.parametrize("name", ["layer", "coder", "source"])
def test_what_codings_may_leave_out(name: str) -> None:
    row = {"dimension": "cognitive", "layer": "input", "source": "A", "coder": "x",
           "n_sources": "1", "n_reference_points": "2"}  # fmt: skip
    assert screened("barrier_codings", row | {name: ""})[0] == [0]


@pytest.mark.parametrize("cluster", ["", "p"])
def test_clusters_are_judged_with_the_design(cluster: str) -> None:
    row = {"participant": "p", "arm": "a", "cluster": cluster, "outcome": "i", "value": "3"}
    assert screened("participant_rows", row)[0] == [0]


def test_frames_of_a_kind_are_screened_one_by_one_and_joined() -> None:
    row = BASE | {"found_in": "{}", "baseline": "", "cluster": "", "scale_type": "continuous",
                  "arm": "a", "outcome": "i", "value": "3"}  # fmt: skip
    rows = [row | {"row": i} | change for i, change in enumerate((
        {"participant": "p"}, {"participant": "q", "arm": "x"}, {"participant": "r", "arm": ""},
        {"participant": "p", "outcome": "b", "value": "1"},
        {"participant": "q", "outcome": "b", "value": "0", "arm": "x"},
        {"participant": "p", "source_id": "u", "arm": "c"},
    ))]  # fmt: skip
    frames = typed_rows(pd.DataFrame(rows))
    assert len(frames) == 3
    made = screen_kind("participant_rows", frames, {"t": manifest(ARMS, outcomes=OUTCOMES)})
    assert list(made.accepted["row"]) == [0, 3, 5]
    told = made.rejected[["row", "rule_id", "column"]].to_numpy().tolist()
    assert told == [[1, "arm_declared", "arm"], [2, "value_required", "arm"],
                    [4, "arm_declared", "arm"]]  # fmt: skip
    assert [(f.rule_id, f.count) for f in made.findings] == [
        ("arm_declared", 2), ("value_required", 1)
    ]  # fmt: skip
    assert [len(one.frame) for one in made.judged] == [3, 2, 1]
    one = screen_kind("participant_rows", frames[0], {"t": manifest(ARMS, outcomes=OUTCOMES)})
    assert list(one.accepted["row"]) == [0] and len(one.judged) == 1
    nothing = screen_kind("participant_rows", [frames[0][:0]], {"t": manifest(ARMS)})
    assert nothing.accepted.empty and nothing.judged == ()
