"""The rules that the numbers of one row decide, each on both sides of where it turns."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from validations.records import EFFECTIVE_SIZES, ROW_CHECKS, largest_possible_sd
from validations.typed_frames import cells_of

NONE = math.nan


def verdict(rule: str, **cells: Any) -> bool:
    """What the rule says of one row."""
    (found,) = ROW_CHECKS[rule](cells_of(pd.DataFrame([cells])))
    return bool(found)


@pytest.mark.parametrize(
    ("events", "n", "good"), [(10, 10, True), (11, 10, False), (NONE, 10, True), (9, NONE, True)]
)
def test_events_are_at_most_the_persons(events: float, n: float, good: bool) -> None:
    assert verdict("events_within_n", events=events, n=n) is good


@pytest.mark.parametrize(
    ("percent", "decimals", "n", "events", "good"),
    [
        (33.3, 1, 60, NONE, True), (45.5, 1, 100, NONE, False), (50.0, 0, 1, NONE, False),
        (100.0, 0, 60, NONE, True), (0.0, 0, 60, NONE, True), (45.5, 1, 100, 45.0, True),
        (NONE, NONE, 60, NONE, True), (45.5, 1, NONE, NONE, True), (-0.5, 1, 60, NONE, True),
        (100.5, 1, 60, NONE, True), (50.0, 0, 0.5, NONE, True), (45.5, 1, 100.5, NONE, True),
    ],
)  # fmt: skip
def test_a_percent_is_a_count_of_the_persons(
    percent: float, decimals: float, n: float, events: float, good: bool
) -> None:
    cells = {"percent": percent, "percent_decimals": decimals, "n": n, "events": events}
    assert verdict("percent_is_a_count", **cells) is good
    assert verdict("percent_is_a_count", **cells | {EFFECTIVE_SIZES: False}) is good
    assert verdict("percent_is_a_count", **cells | {EFFECTIVE_SIZES: True})


_KINDS = ("mean", "sd", "se", "median", "q1", "q3", "minimum", "maximum", "events", "percent")


@pytest.mark.parametrize(
    ("given", "good"),
    [
        ("mean sd", True), ("mean se", True), ("mean", False), ("sd", False), ("se", False),
        ("median q1 q3", True), ("median minimum maximum", True), ("median", False),
        ("median q1", False), ("median q3", False), ("median minimum", False),
        ("median maximum", False), ("q1 q3", False), ("median q1 maximum", False),
        ("events", True), ("percent", True), ("events percent", True), ("", False),
        ("mean sd events", False), ("median q1 q3 percent", False), ("mean events", True),
        ("mean sd median q1 q3", True), ("mean sd percent", False),
    ],
)  # fmt: skip
def test_a_row_has_one_kind_of_numbers(given: str, good: bool) -> None:
    cells = {name: 1.0 if name in given.split() else NONE for name in _KINDS}
    assert verdict("one_kind_of_numbers", **cells) is good


@pytest.mark.parametrize(
    ("numbers", "good"),
    [
        ((1, 2, 3, 4, 5), True), ((3, 3, 3, 3, 3), True), ((2.1, 2, 3, 4, 5), False),
        ((1, 3.1, 3, 4, 5), False), ((1, 2, 4.1, 4, 5), False), ((1, 2, 3, 5.1, 5), False),
        ((3.1, NONE, 3, NONE, NONE), False), ((NONE, 4, NONE, NONE, 3), False),
        ((4, NONE, NONE, NONE, 3), False), ((NONE, NONE, 3, NONE, NONE), True),
        ((NONE, 5, NONE, 4, NONE), False), ((1, NONE, 3, NONE, 5), True),
        ((4, 5, NONE, 4.5, NONE), False),
    ],
)  # fmt: skip
def test_quantiles_do_not_fall(numbers: tuple[float, ...], good: bool) -> None:
    names = ("minimum", "q1", "median", "q3", "maximum")
    assert verdict("quantiles_in_order", **dict(zip(names, numbers, strict=True))) is good


@pytest.mark.parametrize(
    ("mean", "median", "good"),
    [
        (1, NONE, True), (7, NONE, True), (0.99, NONE, False), (7.01, NONE, False),
        (NONE, 7, True), (NONE, 7.01, False), (NONE, 0.99, False), (NONE, NONE, True),
        (4, 8, True),
    ],
)  # fmt: skip
def test_the_middle_lies_on_the_scale(mean: float, median: float, good: bool) -> None:
    cells = {"mean": mean, "median": median}
    assert verdict("mean_within_scale", **cells, scale_min=1, scale_max=7) is good
    assert verdict("mean_within_scale", **cells, scale_min=NONE, scale_max=NONE)


def test_the_largest_sd_of_a_sample() -> None:
    """Two values at 1 and 7: mean 4, SD 6 / sqrt(2); of four with mean 2.5, 1 1 1 7: SD 3."""
    mean, n = np.array([4.0, 2.5, 7.0, 9.0]), np.array([2.0, 4.0, 9.0, 9.0])
    found = largest_possible_sd(mean, n, np.full(4, 1.0), np.full(4, 7.0))
    assert list(found) == pytest.approx([6 / math.sqrt(2), 3.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("mean", "sd", "se", "n", "good"),
    [
        (4, 4.29, NONE, 2, True),  # 4.2426 * 1.01 + 0.005 = 4.2901
        (4, 4.2902, NONE, 2, False), (4, 3.198, NONE, 10, True), (4, 3.2, NONE, 10, False),
        (4, NONE, 1.75, 4, True),  # 3.4641 * 1.01 + 0.005 = 3.5037
        (4, NONE, 1.76, 4, False), (4, 1.0, 9.0, 4, True), (7, 2.0, NONE, 9, True),
        (9, 2.0, NONE, 9, True), (NONE, 99.0, NONE, 9, True), (4, NONE, NONE, 9, True),
    ],
)  # fmt: skip
def test_an_sd_fits_on_its_scale(mean: float, sd: float, se: float, n: int, good: bool) -> None:
    cells = {"mean": mean, "sd": sd, "se": se, "n": n}
    assert verdict("sd_possible_on_scale", **cells, scale_min=1, scale_max=7) is good
    assert verdict("sd_possible_on_scale", **cells, scale_min=NONE, scale_max=7)


@pytest.mark.parametrize(
    ("value", "good"), [(1, True), (7, True), (0.9, False), (7.1, False), (NONE, True)]
)
def test_a_value_lies_on_the_scale(value: float, good: bool) -> None:
    assert verdict("value_within_scale", value=value, scale_min=1, scale_max=7) is good
    assert verdict("value_within_scale", value=value, scale_min=NONE, scale_max=NONE)


@pytest.mark.parametrize(("value", "good"), [(0, True), (1, True), (2, False), (0.5, False)])
def test_a_binary_value_is_yes_or_no(value: float, good: bool) -> None:
    assert verdict("value_yes_or_no", value=float(value), scale_type="binary") is good
    assert verdict("value_yes_or_no", value=float(value), scale_type="ordinal")


@pytest.mark.parametrize(
    ("lower", "upper", "good"),
    [(0.1, 0.2, True), (0.2, 0.2, False), (0.3, 0.2, False), (NONE, 0.2, True), (0.1, NONE, True)],
)
def test_limits_stand_in_order(lower: float, upper: float, good: bool) -> None:
    assert verdict("limits_in_order", ci_lb=lower, ci_ub=upper) is good


@pytest.mark.parametrize(
    ("value", "good"), [(0.1, True), (0.2, True), (0.09, False), (0.21, False), (NONE, True)]
)
def test_the_value_lies_between_its_limits(value: float, good: bool) -> None:
    assert verdict("value_within_limits", value=value, ci_lb=0.1, ci_ub=0.2) is good
    assert verdict("value_within_limits", value=value, ci_lb=NONE, ci_ub=NONE)


@pytest.mark.parametrize("statistic", ["OR", "RR"])
@pytest.mark.parametrize(
    ("value", "lower", "good"),
    [(0.1, 0.01, True), (0, NONE, False), (1, 0, False), (NONE, NONE, True), (-1, 0.5, False)],
)
def test_ratios_are_above_zero(statistic: str, value: float, lower: float, good: bool) -> None:
    assert verdict("ratio_above_zero", statistic=statistic, value=value, ci_lb=lower) is good
    for other in ("d", "RD"):
        assert verdict("ratio_above_zero", statistic=other, value=value, ci_lb=lower)


@pytest.mark.parametrize("place", range(4))
def test_four_counts_are_two_persons_at_least(place: int) -> None:
    names = ("inclined_actors", "inclined_abstainers", "disinclined_actors",
             "disinclined_abstainers")  # fmt: skip
    for count, good in ((2.0, True), (1.0, False), (NONE, False)):
        cells = {name: count if i == place else 0.0 for i, name in enumerate(names)}
        assert verdict("counts_not_all_zero", **cells) is good
