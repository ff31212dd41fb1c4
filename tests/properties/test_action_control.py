"""Action control: identities of shares and of the split by arm."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.gap.action_control import (
    describe_action_control,
    pool_composition,
    pool_proportion,
    split_behavior_effect,
    wilson_interval,
)

from .generated import slow

cells = st.lists(st.integers(1, 60), min_size=4, max_size=4)
any_cells = st.lists(st.integers(0, 30), min_size=4, max_size=4).filter(any)


@given(counts=any_cells)
def test_shares_describe_one_group(counts: list[int]) -> None:
    found = describe_action_control(counts)
    inclined, spontaneous = found.p_act_given_intend, found.p_act_given_no_intend
    assert sum(found.shares) == pytest.approx(1.0, abs=1e-14)
    acts = sum(
        0.0 if math.isnan(share) else share * weight
        for share, weight in ((inclined, found.p_intend), (spontaneous, 1.0 - found.p_intend))
    )
    assert acts == pytest.approx(found.p_act, abs=1e-14)
    if counts[0] + counts[1]:
        assert found.action_control_gap == pytest.approx(1.0 - inclined)
        assert found.p_act_given_intend_ci_lb <= inclined + 1e-12
        assert found.p_act_given_intend_ci_ub >= inclined - 1e-12
    else:
        assert math.isnan(inclined)


@given(intervention=cells, comparator=cells)
def test_the_split_of_a_behavior_effect_is_exact(
    intervention: list[int], comparator: list[int]
) -> None:
    one, two = (describe_action_control(counts) for counts in (intervention, comparator))
    split = split_behavior_effect(intervention, comparator)
    parts = split.more_intend + split.intenders_act + split.others_act
    assert parts == pytest.approx(one.p_act - two.p_act, abs=1e-14)
    assert split.risk_difference == pytest.approx(one.p_act - two.p_act, abs=1e-14)
    back = split_behavior_effect(comparator, intervention)
    assert back.more_intend == pytest.approx(-split.more_intend, abs=1e-14)
    assert back.intenders_act == pytest.approx(-split.intenders_act, abs=1e-14)


@slow
@given(counts=st.lists(cells, min_size=3, max_size=6))
def test_a_pooled_composition_adds_up_to_one(counts: list[list[int]]) -> None:
    pooled = pool_composition(counts)
    assert pooled.shares.sum() == pytest.approx(1.0, abs=1e-14)
    assert ((pooled.shares > 0.0) & (pooled.shares < 1.0)).all()
    share = pooled.shares[0] / (pooled.shares[0] + pooled.shares[1])
    assert pooled.p_act_given_intend == pytest.approx(share)


@slow
@given(counts=cells, copies=st.integers(2, 5))
def test_identical_samples_keep_their_composition(counts: list[int], copies: int) -> None:
    pooled = pool_composition([counts] * copies)
    np.testing.assert_allclose(pooled.shares, np.array(counts) / sum(counts), rtol=1e-6)


@given(counts=st.lists(cells, min_size=2, max_size=6))
def test_a_proportion_and_its_complement(counts: list[list[int]]) -> None:
    table = np.array(counts)
    n = table[:, 0] + table[:, 1]
    one, other = (pool_proportion(table[:, i], n) for i in (0, 1))
    assert one.share + other.share == pytest.approx(1.0, abs=1e-8)
    assert one.ci_lb + other.ci_ub == pytest.approx(1.0, abs=1e-8)


@given(n=st.integers(1, 200), events=st.integers(0, 200))
def test_wilson_interval_solves_the_score_equation(n: int, events: int) -> None:
    events = min(events, n)
    low, high = wilson_interval(events, n)
    rounding = 1e-15
    assert 0.0 <= low <= events / n + rounding
    assert events / n - rounding <= high <= 1.0
    for limit in (low, high):
        if 1e-9 < limit < 1.0 - 1e-9:
            score = (events / n - limit) ** 2 * n / (limit * (1.0 - limit))
            assert score == pytest.approx(1.959963984540054**2, rel=1e-8)
