"""Degenerate trials of every kind of data: a journey ends in numbers or reasons, never in an error
that nobody foresaw."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.journey.trial_journey import Journey, trial_journey
from assets.screening.second_look import second_look
from tests.journey.degenerate import Folder, degenerate_folder
from tests.journey.degenerate_checks import SETTINGS, faults, same_numbers


def journey_of(folder: Folder) -> Journey:
    with tempfile.TemporaryDirectory() as room:
        return trial_journey(folder.write(Path(room)), SETTINGS)


@settings(
    max_examples=40, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(random=st.randoms(use_true_random=False))
def test_a_journey_ends_in_numbers_or_reasons(random: Random) -> None:
    assert faults(journey_of(degenerate_folder(random))) == []


@pytest.mark.slow
@pytest.mark.parametrize("block", range(25))
def test_many_journeys_end_in_numbers_or_reasons(block: int) -> None:
    journeys = []
    for seed in range(1000 + 20 * block, 1020 + 20 * block):
        folder = degenerate_folder(Random(seed), f"odd_{seed}")
        journey = journey_of(folder)
        assert faults(journey) == [], seed
        journeys.append(journey)
    told = [f for one in second_look(journeys) for f in one.findings]
    assert not [f for f in told if f.rule_id in ("judges_disagree", "unforeseen_error")]


def test_the_second_judge_agrees_over_many_trials() -> None:
    """Stacked, as a refresh looks at them."""
    made = [journey_of(degenerate_folder(Random(seed), f"odd_{seed}")) for seed in range(20)]
    told = [f for one in second_look(made) for f in one.findings]
    assert not [f.message for f in told if f.rule_id in ("judges_disagree", "unforeseen_error")]


@pytest.mark.parametrize("seed", [*range(12), *(pytest.param(s, marks=pytest.mark.slow)
                                                for s in range(12, 80))])  # fmt: skip
def test_the_order_of_rows_and_of_declarations_changes_no_number(seed: int) -> None:
    folder = degenerate_folder(Random(seed))
    other = folder.reordered(Random(seed + 1))
    assert same_numbers(journey_of(folder), journey_of(other)) == []
