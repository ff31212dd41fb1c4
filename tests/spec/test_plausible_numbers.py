"""What a number from a file may be: its size, its decimals, and the count behind a percent."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from assets.outcomes.arms import arms_from_summaries, lopsided_quantiles
from validations.numbers import decimals_of, is_plausible, whole_events
from validations.records import RECORD_SCHEMAS
from validations.screening import screen


@pytest.mark.parametrize(
    ("text", "plausible"),
    [
        ("1e30", True), ("-1e30", True), ("1.1e30", False), ("-1e31", False), ("1e400", False),
        ("1e-30", True), ("9e-31", False), ("-1e-200", False), ("1e-400", False), ("0", True),
        ("-0.000", True), ("0e99", True), ("." + 40 * "0" + "1", False),
    ],
)  # fmt: skip
def test_size_of_a_measurement(text: str, plausible: bool) -> None:
    assert is_plausible(text) is plausible


def test_counts_and_p_values_have_limits_of_their_own() -> None:
    assert is_plausible("1e10", count=True) and not is_plausible("1.1e10", count=True)
    assert is_plausible("1e-200", tiny=True) and not is_plausible("1e400", tiny=True)


def test_decimals_are_those_of_the_text() -> None:
    assert [decimals_of(t) for t in ("33.3", "33.30", "5", "5.", "1.25e1", "1.25e-1")] == [
        1, 2, 0, 0, 1, 3,
    ]  # fmt: skip


def candidates(printed: float, decimals: int, n: int) -> list[int]:
    """Counts whose percent of n prints so, by trying all of them."""
    unit = 10**decimals
    return [
        e
        for e in range(n + 1)
        if abs(100 * e / n - printed) <= 0.5 / unit + 1e-9
        or math.floor(100 * e / n * unit + 1e-9) == round(printed * unit)
    ]


@pytest.mark.parametrize("decimals", [0, 1, 2])
@pytest.mark.parametrize("n", [1, 7, 48, 60, 333, 1000])
def test_every_printed_percent_gives_back_its_count(n: int, decimals: int) -> None:
    """By trying every count: the one found prints as the percent, rounded or cut off."""
    unit = 10**decimals
    for events in range(n + 1):
        exact = 100 * events / n
        for printed in (round(exact * unit) / unit, math.floor(exact * unit + 1e-9) / unit):
            found = whole_events(printed, decimals, n)
            assert found in candidates(printed, decimals, n)
            if n <= 100 and printed == round(exact * unit) / unit:
                assert found == events


def test_a_percent_of_no_count_has_no_events() -> None:
    assert math.isnan(whole_events(45.5, 1, 100))
    assert math.isnan(whole_events(0.45, 2, 100))
    assert math.isnan(whole_events(45, 0, 9))  # 4 of 9 are 44.44 percent
    assert math.isnan(whole_events(100.5, 1, 100))
    assert math.isnan(whole_events(50, 0, 0))
    assert math.isnan(whole_events(math.nan, 0, 10))


def test_percents_become_whole_events() -> None:
    columns = RECORD_SCHEMAS["arm_summaries"].names
    rows = [{"arm": "a", "outcome": "visit", "n": "60", "percent": p} for p in ("33.3", "66.6")]
    records = pd.DataFrame(rows, columns=columns).fillna("")
    identity = {"trial_id": "t", "collection_id": "t", "study_label": "T", "source_id": "s"}
    records = records.assign(**identity, file="f.csv", row=["2", "3"], comparison=["x", "y"])
    records = records.assign(scale_min="", scale_max="")
    made = screen(records, RECORD_SCHEMAS["arm_summaries"]).accepted
    manifests = {"t": _Plain()}
    assert list(arms_from_summaries(made, manifests)["events"]) == [20.0, 40.0]
    without = made.drop(columns="percent_decimals")
    assert list(arms_from_summaries(without, manifests)["events"]) == [20.0, 40.0]
    adjusted = {"t": _Plain(adjusted=True)}
    assert list(arms_from_summaries(made, adjusted)["events"]) == pytest.approx([19.98, 39.96])


class _Plain:
    """What the function asks of a manifest."""

    def __init__(self, adjusted: bool = False) -> None:
        self.design = type("Design", (), {"clustering_already_adjusted": adjusted})()

    def outcome(self, _: str) -> None:
        return None


def test_quantiles_that_are_no_numbers_are_not_judged() -> None:
    rows = [
        {"n": "40", "median": "4", "q1": "1e400", "q3": "6"},
        {"n": "1e400", "median": "4", "q1": "3", "q3": "6"},
        {"n": "2", "median": "4", "q1": "3", "q3": "6"},
        {"n": "40", "median": "3.1", "q1": "3", "q3": "6"},
    ]
    assert list(lopsided_quantiles(pd.DataFrame(rows))) == [False, False, False, True]
