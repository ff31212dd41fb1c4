"""Which within-arm correlations set the pooled slope, and what is said of those that do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis.gap.participants import NEAR_PERFECT
from analysis.synthesis import AnalysisSettings
from analysis.synthesis.gap_estimates import Slope, within_arm_slope

Row = dict[str, Any]


def pair(trial: str, rho: float, latent: float | None = None, **changed: Any) -> Row:
    return {
        "trial_id": trial, "upstream_label": "Intention", "behavior_label": "Visit",
        "synthesis": "main", "rho_origin": "participant_data", "rho_n": 80,
        "rho_within_arm": rho, "rho_latent": rho if latent is None else latent,
        "rho_variance": (1.0 - rho**2) ** 2 / 77.0,
    } | changed  # fmt: skip


def slope(*rows: Row) -> Slope:
    return within_arm_slope(rows, "main", AnalysisSettings())


ORDINARY = (pair("a", 0.3), pair("b", 0.45))


def test_two_trials_of_equal_size_meet_in_the_middle_of_z() -> None:
    """Equal variances of z: tanh of the mean of atanh(.3) and atanh(.45)."""
    found = slope(*ORDINARY)
    assert found.value == pytest.approx(np.tanh((np.arctanh(0.3) + np.arctanh(0.45)) / 2))
    assert found.origin == "2 trials (participant_data)"


@pytest.mark.parametrize(
    "perfect",
    [
        pair("c", 0.999), pair("c", -0.97), pair("c", 0.7, 0.99), pair("c", 0.6, -0.99),
        pair("c", NEAR_PERFECT), pair("c", 0.96, 0.9),
    ],
)  # fmt: skip
def test_a_near_perfect_correlation_is_told_and_decides_nothing(perfect: Row) -> None:
    found, without = slope(*ORDINARY, perfect), slope(*ORDINARY)
    assert (found.value, found.variance) == (without.value, without.variance)
    assert found.origin == "2 trials (participant_data); 1 near-perfect left out"


def test_just_below_counts() -> None:
    assert slope(*ORDINARY, pair("c", 0.949)).origin == "3 trials (participant_data)"


def test_one_pair_of_a_trial_may_be_near_perfect() -> None:
    other = pair("a", 0.98, upstream_label="Plan")
    found = slope(*ORDINARY, other)
    assert found.value == slope(*ORDINARY).value
    assert found.origin == "2 trials (participant_data); 1 near-perfect left out"


def test_near_perfect_ones_alone_give_no_slope() -> None:
    assert slope(pair("c", 0.98), pair("d", 0.99)) == Slope(None, 0.0, "2 near-perfect left out")
    assert slope() == Slope(None, 0.0, "")
