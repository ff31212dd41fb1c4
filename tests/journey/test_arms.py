"""Numbers per arm: from arm summaries, intended-by-acted counts and participant rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.effect_sizes.quantiles import moments_from_quantiles
from assets.outcomes import participant_arms
from assets.outcomes.arms import (
    ARM_STATISTICS,
    arms_from_counts,
    arms_from_summaries,
    lopsided_quantiles,
    weeks_of,
)
from assets.outcomes.participant_arms import arms_from_participants
from tests.journey.frames import IDENTITY, NAN, assert_row, persons, same, summaries
from tests.journey.manifests import manifest, outcome

COLUMNS = [
    "trial_id", "collection_id", "study_label", "source_id", "file", "rows", "basis", "comparison",
    "instrument", "arm", "outcome", "weeks", "timepoint", "n", "mean", "sd", "events",
]  # fmt: skip
OUTCOMES = [
    outcome("i", "intention", timepoint={"weeks": 3}),
    outcome("b", "behavior", scale="binary"),
]


def known(**more: Any) -> dict[str, Any]:
    return {"t": manifest({"a": "experimental", "c": "control"}, outcomes=OUTCOMES, **more)}


def from_summaries(*rows: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    return arms_from_summaries(summaries(*rows), known(**more)).to_dict("records")


def test_every_column_of_a_summary_is_carried() -> None:
    (row,) = from_summaries(
        {"trial_id": "t/x", "study_label": "X", "source_id": "src", "file": "b.csv", "row": 7,
         "comparison": "low", "instrument": "scale", "arm": "a", "outcome": "i", "weeks": 4.0,
         "timepoint": "end", "n": 20.0, "mean": 3.5, "sd": 1.25, "events": 6.0}
    )  # fmt: skip
    assert row == {
        "trial_id": "t/x", "collection_id": "t", "study_label": "X", "source_id": "src",
        "file": "b.csv", "rows": "7", "basis": "arm_summaries", "comparison": "low",
        "instrument": "scale", "arm": "a", "outcome": "i", "weeks": 4.0, "timepoint": "end",
        "n": 20.0, "mean": 3.5, "sd": 1.25, "events": 6.0,
    }  # fmt: skip
    assert list(row) == ARM_STATISTICS == COLUMNS


def test_texts_that_are_missing_are_empty() -> None:
    (row,) = from_summaries({"arm": "a", "outcome": "i", "n": 9.0, "mean": 1.0, "sd": 1.0})
    assert_row(row, comparison="", instrument="", timepoint="", weeks=3.0, events=NAN)


@pytest.mark.parametrize("make", [arms_from_summaries, arms_from_counts, arms_from_participants])
def test_no_records_give_no_rows_with_all_columns(make: Any) -> None:
    made = make(pd.DataFrame(), known())
    assert list(made.columns) == COLUMNS and made.empty


def test_an_sd_from_its_standard_error() -> None:
    (row,) = from_summaries({"arm": "a", "outcome": "i", "n": 25.0, "mean": 2.0, "se": 0.3})
    assert_row(row, sd=1.5)  # .3 times the root of 25
    (row,) = from_summaries(
        {"arm": "a", "outcome": "i", "n": 25.0, "mean": 2.0, "se": 0.3, "sd": 1.4}
    )
    assert_row(row, sd=1.4)


@pytest.mark.parametrize(
    ("row", "weeks"),
    [({"outcome": "i", "weeks": 2.0, "days": 70.0}, 2.0),
     ({"outcome": "i", "weeks": NAN, "days": 21.0}, 3.0),
     ({"outcome": "i", "weeks": None, "days": 35.0}, 5.0),
     ({"outcome": "i", "weeks": NAN, "days": NAN}, 3.0), ({"outcome": "i"}, 3.0),
     ({"outcome": "b", "weeks": NAN}, NAN), ({"outcome": "none"}, NAN)],
)  # fmt: skip
def test_weeks_of_the_row_then_its_days_then_those_declared(
    row: dict[str, Any], weeks: float
) -> None:
    assert same(weeks_of(row, known()["t"]), weeks)


def test_a_median_with_quartiles_stands_for_mean_and_sd_in_both_arms() -> None:
    rows = [
        {"arm": "a", "outcome": "i", "n": 40.0, "median": 5.0, "q1": 4.0, "q3": 6.0},
        {"arm": "c", "outcome": "i", "n": 40.0, "mean": 4.5, "sd": 1.5},
        {"arm": "a", "outcome": "i", "weeks": 9.0, "n": 40.0, "mean": 4.5, "sd": 1.5},
    ]
    moments = moments_from_quantiles(
        np.array([5.0]), np.array([40.0]), q1=np.array([4.0]), q3=np.array([6.0]),
        minimum=np.array([NAN]), maximum=np.array([NAN]),
    )  # fmt: skip
    first, second, third = from_summaries(*rows)
    assert_row(first, mean=moments.mean[0], sd=moments.sd[0], basis="arm_quantiles")
    assert first["mean"] == pytest.approx(5.0) and 1.4 < first["sd"] < 1.6  # range / 1.35
    assert_row(second, mean=4.5, sd=1.5, basis="arm_quantiles")
    assert_row(third, basis="arm_summaries")


@pytest.mark.parametrize("key", ["trial_id", "comparison", "instrument", "outcome", "timepoint"])
def test_other_comparisons_do_not_rest_on_the_quantiles(key: str) -> None:
    rows = [
        {"arm": "a", "outcome": "i", "n": 40.0, "median": 5.0, "q1": 4.0, "q3": 6.0},
        {"arm": "c", "outcome": "i", "n": 40.0, "mean": 4.5, "sd": 1.5, key: "b"},
    ]
    made = from_summaries(*rows)
    assert [row["basis"] for row in made] == ["arm_quantiles", "arm_summaries"]


@pytest.mark.parametrize(
    ("numbers", "rests"),
    [
        ({"mean": 4.0, "sd": 1.0}, False), ({"mean": 4.0, "se": 0.2}, False),
        ({"mean": 4.0}, True), ({"sd": 1.0}, True), ({}, True), ({"n": 2.0}, False),
        ({"n": 3.0}, True), ({"median": NAN}, False),
    ],
)  # fmt: skip
def test_a_median_counts_where_no_mean_has_its_sd(numbers: dict[str, float], rests: bool) -> None:
    row = {"arm": "a", "outcome": "i", "n": 40.0, "median": 5.0, "q1": 4.0, "q3": 6.0} | numbers
    (made,) = from_summaries(row)
    assert (made["basis"] == "arm_quantiles") is rests
    if rests:
        assert made["mean"] == pytest.approx(5.0) and made["sd"] > 0
    else:
        assert_row(made, mean=numbers.get("mean", NAN))


def test_lopsided_quantiles_are_found_row_by_row() -> None:
    even = {"median": "5", "n": "60", "q1": "4", "q3": "6", "minimum": "", "maximum": ""}
    lopsided = even | {"q1": "4.9", "q3": "30"}
    rows = [
        even, lopsided, lopsided | {"mean": "5", "sd": "2"}, lopsided | {"n": "2"},
        lopsided | {"q1": "31"}, lopsided | {"median": "1e200", "q3": "1e201"}, lopsided,
        lopsided | {"mean": "5", "se": "1"}, lopsided | {"mean": "5"}, lopsided | {"n": "x"},
    ]  # fmt: skip
    frame = pd.DataFrame(rows, index=range(10, 20))
    found = lopsided_quantiles(frame)
    assert list(found.index) == list(range(10, 20))
    assert list(found) == [False, True, False, False, False, False, True, False, True, False]
    assert list(lopsided_quantiles(frame.iloc[:1])) == [False]
    assert not lopsided_quantiles(frame[["mean", "sd"]]).any()


def test_columns_that_a_kind_of_records_lacks_are_empty() -> None:
    frame = summaries({"arm": "a", "outcome": "i", "n": 9.0, "mean": 1.0, "sd": 1.0})
    made = arms_from_summaries(frame.drop(columns="comparison"), known())
    assert list(made["comparison"]) == [""]


def test_a_median_with_its_range() -> None:
    (row,) = from_summaries(
        {"arm": "a", "outcome": "i", "n": 40.0, "median": 5.0, "minimum": 1.0, "maximum": 9.0}
    )
    one = np.array([1.0])
    moments = moments_from_quantiles(5 * one, 40 * one, q1=NAN * one, q3=NAN * one, minimum=one,
                                     maximum=9 * one)  # fmt: skip
    assert_row(row, mean=moments.mean[0], sd=moments.sd[0], basis="arm_quantiles")
    assert 1.5 < row["sd"] < 2.5


def test_percents_stand_for_whole_events() -> None:
    # 33.3 % of 30 is 10 persons; 12 % of 25 is 3; printed events come first.
    made = from_summaries(
        {"arm": "a", "outcome": "b", "n": 30.0, "percent": 33.3},
        {"arm": "c", "outcome": "b", "n": 25.0, "percent": 12.0},
        {"arm": "c", "outcome": "b", "n": 25.0, "percent": 12.0, "events": 4.0},
        {"arm": "c", "outcome": "b", "n": 25.0},
    )
    assert [row["events"] for row in made[:3]] == [10.0, 3.0, 4.0] and np.isnan(made[3]["events"])


def test_percents_keep_the_decimals_they_were_printed_with() -> None:
    """10 of 29 are 34 % and 34.5 %, but not 34.0 %."""
    frame = summaries({"arm": "a", "outcome": "b", "n": 29.0, "percent": 34.0})
    made = arms_from_summaries(frame.assign(percent_decimals=0.0), known())
    assert made["events"][0] == 10.0
    assert np.isnan(arms_from_summaries(frame, known())["events"][0])


def test_percents_of_effective_sample_sizes_are_shares() -> None:
    design = {"type": "cluster", "clustering_already_adjusted": True}
    (row,) = from_summaries(
        {"arm": "a", "outcome": "b", "n": 30.4, "percent": 33.3}, design=design
    )  # fmt: skip
    assert_row(row, events=0.333 * 30.4)


COUNTS = {
    "arm": "a", "intention": "i", "behavior": "b", "inclined_actors": 7.0,
    "inclined_abstainers": 5.0, "disinclined_actors": 2.0, "disinclined_abstainers": 11.0,
}  # fmt: skip


def test_counts_give_two_binary_outcomes() -> None:
    frame = pd.DataFrame([IDENTITY | COUNTS, IDENTITY | COUNTS | {"arm": "c", "row": 3}])
    made = arms_from_counts(frame, known()).to_dict("records")
    about = {
        "trial_id": "t", "collection_id": "t", "study_label": "T 2020", "source_id": "s",
        "file": "a.csv", "basis": "intention_by_action", "comparison": "", "instrument": "",
        "timepoint": "", "n": 25.0, "mean": NAN, "sd": NAN,
    }  # fmt: skip
    found = [(r["arm"], r["rows"], r["outcome"], r["events"]) for r in made]
    assert found == [("a", "2", "i", 12.0), ("c", "3", "i", 12.0), ("a", "2", "b", 9.0),
                     ("c", "3", "b", 9.0)]  # fmt: skip
    for row in made:
        assert list(row) == COLUMNS
        assert_row(row, **about)
    assert [row["weeks"] for row in made[:2]] == [3.0, 3.0] and np.isnan(made[2]["weeks"])


def test_participants_are_counted_averaged_and_summed() -> None:
    rows = pd.concat(
        [
            persons("i", {"a": [1, 2, 6], "c": [4, 4, 1, 3]}),
            persons("b", {"c": [1, 0], "a": [1, 1, 0]}),
        ]
    )
    made = arms_from_participants(rows, known()).to_dict("records")
    about = {
        "trial_id": "t", "collection_id": "t", "study_label": "T 2020", "source_id": "s",
        "file": "a.csv", "basis": "participant_rows", "comparison": "", "instrument": "",
        "timepoint": "",
    }  # fmt: skip
    for row in made:
        assert list(row) == COLUMNS
        assert_row(row, **about)
    # Sums of squares: (4 + 1 + 9) / 2 = 7 and (1 + 1 + 4 + 0) / 3 = 2.
    first, second, third, fourth = made
    assert_row(first, outcome="i", arm="a", n=3.0, mean=3.0, sd=7.0**0.5, events=NAN, rows="2-4",
               weeks=3.0)  # fmt: skip
    assert_row(second, outcome="i", arm="c", n=4.0, mean=3.0, sd=2.0**0.5, events=NAN, rows="5-8")
    assert_row(third, outcome="b", arm="c", n=2.0, mean=NAN, sd=NAN, events=1.0, rows="2-3",
               weeks=NAN)  # fmt: skip
    assert_row(fourth, outcome="b", arm="a", n=3.0, mean=NAN, sd=NAN, events=2.0, rows="4-6")
    assert all(isinstance(row["n"], float) for row in made)


def test_sums_of_blocks_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Far from 0, with groups that begin, end and are missing in some blocks."""
    rng = np.random.default_rng(8)
    many = {arm: list(1e6 + rng.normal(0.0, 2.0, n)) for arm, n in (("a", 40), ("c", 31), ("d", 1))}
    rows = pd.concat([persons("i", many), persons("b", {"c": [1.0, 0.0, 1.0]})], ignore_index=True)
    rows = rows.sample(frac=1.0, random_state=3)
    expected = rows.groupby(["outcome", "arm"], sort=False)["value"].agg(["size", "mean", "std"])
    for block in (1, 7, 1000):
        monkeypatch.setattr(participant_arms, "_BLOCK", block)
        made = arms_from_participants(rows, known()).set_index(["outcome", "arm"])
        assert list(made.index) == list(expected.index)
        assert made["n"].tolist() == expected["size"].tolist()
        own, whole = made.loc["i"], expected.loc["i"]
        assert own["mean"].to_numpy() == pytest.approx(whole["mean"].to_numpy(), rel=1e-14)
        assert own["sd"].to_numpy() == pytest.approx(whole["std"].to_numpy(), rel=1e-9, nan_ok=True)
        assert made.loc[("b", "c"), "events"] == 2.0
        spans = rows.groupby(["outcome", "arm"])["row"].agg(["min", "max"])
        assert dict(made["rows"]) == {k: f"{a}-{b}" for k, a, b in spans.itertuples()}
