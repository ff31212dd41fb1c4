"""Composites and the range of their effects; covariance matrices that are refused by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.dependent.blocks import make_blocks
from analysis.dependent.composites import OUTSIDE_ITS_EFFECTS, make_composites
from analysis.errors import EstimationError
from analysis.synthesis import AnalysisSettings, Stack
from analysis.synthesis.moderator_effects import moderator_effects
from analysis.synthesis.moderators import Moderator
from analysis.synthesis.pooled_effects import pooled_effects
from dashboard.wording import notes_in_words
from tests.spec.stacks import group_of, trial_of


def matrix(sei: list[float], rho: float) -> np.ndarray:
    out = rho * np.outer(sei, sei)
    np.fill_diagonal(out, np.square(sei))
    return out


def test_a_negative_weight_is_told_where_it_carries_the_composite_outside() -> None:
    """Two effects with SEs .1 and .3 that correlate at .9.

    w1 = (v2 - c)/(v1 + v2 - 2c) with v1 = .01, v2 = .09, c = .027: .063/.046, w2 = -.017/.046.
    """
    blocks = make_blocks([0.2, 0.8], [matrix([0.1, 0.3], 0.9)], ["a", "a"])
    made = make_composites(blocks)
    assert made.yi[0] == pytest.approx((0.063 * 0.2 - 0.017 * 0.8) / 0.046, rel=1e-10)
    assert made.yi[0] < 0.2 and made.outside.tolist() == [True]
    simple = make_composites(blocks, weighted=False)
    assert simple.yi[0] == pytest.approx(0.5) and simple.outside.tolist() == [False]


@given(
    y=st.lists(st.floats(-2, 2), min_size=2, max_size=5),
    se=st.lists(st.floats(0.05, 0.5), min_size=5, max_size=5),
    rho=st.floats(0.0, 0.95),
)
def test_outside_means_outside(y: list[float], se: list[float], rho: float) -> None:
    """Also with a trial of one effect and a second outcome beside it."""
    d = len(y)
    v = [matrix(se[:d], rho), np.array([[0.04]]), matrix(se[:2], 0.3)]
    kinds = ["one"] * (d + 1) + ["one", "two"]
    trials = ["a"] * d + ["b", "c", "c"]
    made = make_composites(make_blocks([*y, 0.3, 0.1, 0.2], v, trials, kinds))
    beyond = max(min(y) - made.yi[0], made.yi[0] - max(y))
    if abs(beyond) > 1e-5:
        assert bool(made.outside[0]) is bool(beyond > 0)
    assert made.outside[1:].tolist() == [False] * 3


@given(y=st.floats(-3, 3), rho=st.sampled_from([0.0, 0.5, 0.99, 0.999999]))
def test_equal_effects_are_their_composite(y: float, rho: float) -> None:
    made = make_composites(make_blocks([y] * 3, [matrix([0.1, 0.2, 0.3], rho)], ["a"] * 3))
    assert made.yi[0] == pytest.approx(y, rel=1e-6, abs=1e-12)
    assert not made.outside.any()


def test_nearly_dependent_effects_never_extrapolate_in_silence() -> None:
    """Log odds ratios a-c, b-c and a-b of three arms, rounded: almost one determines the others."""
    a, b, c = 0.1, 0.12, 0.09
    v = np.array([[a + c, c, a], [c, b + c, -b], [a, -b, a + b]])
    v += np.diag([2e-8, 1e-8, 3e-8])
    made = make_composites(make_blocks([0.742, 0.464, 0.279], [v], ["t"] * 3))
    assert made.outside.tolist() == [True]


def stack(rho: float) -> Stack:
    trials = [
        trial_of(f"t{i}", [("intention", 0.2 + i / 10, 0.01), ("intention", 0.9, 0.09)], rho=rho,
                 randomized=True, topic="a", collection_id="", measured_by="xxyy"[i])
        for i in range(4)
    ]  # fmt: skip
    return Stack(tuple(trials))


@pytest.mark.parametrize(("rho", "told"), [(0.9, True), (0.1, False)])
def test_a_pool_carries_the_note(rho: float, told: bool) -> None:
    rows = pooled_effects(group_of(stack(rho), AnalysisSettings()))
    primary = next(row for row in rows if row["is_primary"])
    assert (OUTSIDE_ITS_EFFECTS in primary["notes"].split("; ")) is told
    assert ("outside the range of the effects" in notes_in_words(primary["notes"])) is told
    other = next(row for row in rows if not row["is_primary"])
    assert OUTSIDE_ITS_EFFECTS not in other["notes"]


@pytest.mark.parametrize(("rho", "told"), [(0.9, True), (0.1, False)])
def test_levels_and_slopes_of_moderators_carry_it_too(rho: float, told: bool) -> None:
    lag = Moderator("lag", "number", {f"t{i}": str(i) for i in range(4)})
    table = pd.DataFrame(moderator_effects(group_of(stack(rho), moderators=[lag])))
    assert set(table["moderator"]) == {"measured_by", "lag"}
    assert (table["notes"].str.contains(OUTSIDE_ITS_EFFECTS) == told).all()


GOOD = np.array([[0.04, 0.01], [0.01, 0.05]])
REFUSED = [
    (np.array([[0.04, np.inf], [np.inf, 0.05]]), "covariances must be finite"),
    (np.array([[0.04, np.nan], [np.nan, 0.05]]), "covariances must be finite"),
    (np.array([[np.inf, 0.01], [0.01, 0.05]]), "variances must be finite and above 0"),
    (np.array([[0.0, 0.0], [0.0, 0.05]]), "variances must be finite and above 0"),
    (np.array([[-0.04, 0.01], [0.01, 0.05]]), "variances must be finite and above 0"),
    (np.array([[0.04, 0.01], [0.02, 0.05]]), "not symmetric"),
    (np.array([[0.04, 0.06], [0.06, 0.05]]), "not positive definite"),
    (np.array([[0.04, 0.04], [0.04, 0.04]]), "not positive definite"),
    (np.array([[4e-200, 4e-200], [4e-200, 4e-200]]), "not positive definite"),
    (np.array([[0.04]]), "1 x 1 for 2 effects"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "reason"), REFUSED)
@pytest.mark.parametrize("first", [True, False])
def test_impossible_matrices_are_refused_with_their_trial(
    wrong: np.ndarray, reason: str, first: bool
) -> None:
    v = [wrong, GOOD] if first else [GOOD, wrong]
    names = ["Bad", "Bad", "Good", "Good"] if first else ["Good", "Good", "Bad", "Bad"]
    with pytest.raises(EstimationError, match=f"trial Bad: .*{reason}"):
        make_blocks([0.1, 0.2, 0.3, 0.4], v, names)


def test_a_loop_of_three_contrasts_has_no_rank_for_three_effects() -> None:
    a, b, c = 0.1, 0.12, 0.09
    v = np.array([[a + c, c, a], [c, b + c, -b], [a, -b, a + b]])
    with pytest.raises(EstimationError, match=r"trial Miller: .*not positive definite"):
        make_blocks([0.742, 0.464, 0.278], [v], ["Miller"] * 3)
