"""Ids of persons in two files: whether they tell the same persons, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.staging.columns import column_of_texts
from assets.staging.labels import Persons, compare_persons, labels_alike
from assets.staging.people import People


@dataclass(frozen=True)
class Source:
    """Ids as they stand in the rows of a file, and the arm of each row (None: unknown)."""

    ids: list[str]
    arms: list[str] | None


def persons(ids: list[str], arms: list[str] | None = None) -> Source:
    return Source(ids, arms or ["a"] * len(ids))


def compared(one: Source, two: Source) -> tuple[bool, str]:
    """Whether the sources are unlinked, and what is told."""
    people = People()
    known = [
        Persons(
            people.numbers(column_of_texts(source.ids)),
            None if source.arms is None else column_of_texts(source.arms),
        )
        for source in (one, two)
    ]
    unlinked, findings = compare_persons("t", dict(zip("xy", known, strict=True)), people.ids)
    assert unlinked in (frozenset(), frozenset({frozenset({"x", "y"})}))
    assert len(findings) <= 1
    return bool(unlinked), findings[0].message if findings else ""


NUMBERS = [str(i) for i in range(1, 41)]
PADDED = [f"{i:03d}" for i in range(1, 41)]


@pytest.mark.parametrize(
    ("one", "two", "counts"),
    [
        pytest.param(PADDED, NUMBERS, "0 of 40 meet, and 40 when zeros", id="zeros"),
        pytest.param([f"{i:03d}" for i in range(1, 121)], [str(i) for i in range(1, 121)],
                     "21 of 120 meet, and 120 when zeros", id="zeros of some"),
        pytest.param(NUMBERS, [f"{i}.0" for i in NUMBERS], "40 when zeros", id="decimals"),
        pytest.param([f"P{i}" for i in NUMBERS], [f"p{i}" for i in NUMBERS], "upper and lower",
                     id="case"),
        pytest.param([f"{i}_T1" for i in NUMBERS], [f"{i}_T2" for i in NUMBERS], "name a visit",
                     id="suffix"),
        pytest.param([f"{i}-1" for i in NUMBERS], [f"{i}-2" for i in NUMBERS], "name a visit",
                     id="number as suffix"),
        pytest.param([f"{i}_T1" for i in PADDED], [f"{i} t2" for i in NUMBERS], "zeros, case",
                     id="all of it"),
        pytest.param(NUMBERS, [f"x{i}" for i in NUMBERS], "only 0 of 40 meet", id="never"),
        pytest.param(NUMBERS, [str(i) for i in range(31, 71)], "only 10 of 40 meet", id="few"),
    ],
)  # fmt: skip
def test_ids_that_do_not_meet_are_told_with_counts(
    one: list[str], two: list[str], counts: str
) -> None:
    unlinked, said = compared(persons(one), persons(two))
    assert unlinked and counts in said and "assumed" in said


def test_equal_ids_are_not_spoken_of() -> None:
    assert compared(persons(PADDED), persons(PADDED)) == (False, "")


def test_a_small_file_within_a_large_one_meets() -> None:
    assert compared(persons(NUMBERS), persons([str(i) for i in range(1, 6)])) == (False, "")


def test_half_of_the_smaller_file_is_enough_and_less_is_not() -> None:
    half = NUMBERS[:20] + [f"x{i}" for i in range(20)]
    assert compared(persons(NUMBERS), persons(half)) == (False, "")
    unlinked, _ = compared(persons(NUMBERS), persons(half[1:20] + half[20:] + ["x99"]))
    assert unlinked


def test_a_few_ids_written_otherwise_are_told_and_the_others_count() -> None:
    other = [*NUMBERS[:39], "040"]
    unlinked, said = compared(persons(NUMBERS), persons(other))
    assert not unlinked and "39 of 40 meet, and 40" in said and "those that meet count" in said


def test_changes_that_make_two_persons_one_tell_nothing() -> None:
    """S-1, S-2 ... are no visits of one person S."""
    one = [f"S-{i}" for i in range(40)]
    unlinked, said = compared(persons(one), persons([f"R-{i}" for i in range(40)]))
    assert unlinked and "only 0 of 40 meet" in said


def test_persons_in_another_arm_are_others() -> None:
    arms = ["a", "b"] * 20
    unlinked, said = compared(persons(NUMBERS, arms), persons(NUMBERS, arms[::-1]))
    assert unlinked and "40 of these are in another arm" in said
    unlinked, said = compared(persons(NUMBERS, arms), persons(NUMBERS, ["b", *arms[1:]]))
    assert not unlinked and "1 of these are in another arm" in said


def test_arms_that_are_empty_or_unknown_say_nothing() -> None:
    arms = ["a", "b"] * 20
    assert compared(persons(NUMBERS, arms), persons(NUMBERS, [""] * 40)) == (False, "")
    assert compared(persons(NUMBERS, arms), Source(NUMBERS, None)) == (False, "")


def test_empty_ids_are_no_persons() -> None:
    assert compared(persons([""] * 9), persons(NUMBERS)) == (False, "")
    assert compared(persons(["", *NUMBERS]), persons(["", *NUMBERS])) == (False, "")


@given(
    st.lists(st.text("abc019_- ", min_size=1, max_size=4), unique=True, min_size=1, max_size=9),
    st.lists(st.text("abc019_- ", min_size=1, max_size=4), unique=True, min_size=1, max_size=9),
)
def test_the_order_of_sources_and_of_persons_decides_nothing(
    one: list[str], two: list[str]
) -> None:
    first = compared(persons(one), persons(two))
    assert compared(persons(two), persons(one)) == first
    assert compared(persons(one[::-1]), persons(two[::-1])) == first


def records(**columns: list[str]) -> dict[str, pd.DataFrame]:
    return {"arm_summaries": pd.DataFrame(columns)}


@pytest.mark.parametrize(
    ("column", "words"),
    [("study_label", "studies"), ("comparison", "comparisons"), ("instrument", "instruments"),
     ("timepoint", "times"), ("control_group", "control groups"), ("source", "publications"),
     ("coder", "coders")],
)  # fmt: skip
def test_labels_that_are_alike_are_told(column: str, words: str) -> None:
    (finding,) = labels_alike("t", records(**{column: ["Low", "LOW+", "high", ""]}))
    assert finding.message.startswith(f"{words} are called 'LOW+' and 'Low'")
    assert labels_alike("t", records(**{column: ["Low", "Low", "high"]})) == []


def test_many_alike_labels_are_counted() -> None:
    labels = [w for i in range(5) for w in (f"Study {i}", f"study {i}")]
    (finding,) = labels_alike("t", records(study_label=labels))
    assert "and 2 more" in finding.message and "Study 4" not in finding.message


def test_clusters_of_participants_are_counted_and_never_named() -> None:
    rows = pd.DataFrame({"cluster": ["Praxis Dr. X", "praxis dr x", "B"], "study_label": "t"})
    (finding,) = labels_alike("t", {}, [rows.astype("category")])
    assert "1 clusters have names" in finding.message and "Praxis" not in finding.text()
