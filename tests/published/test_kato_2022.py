"""Kato, Sasaki and Ohtake (2022, RIETI 22-J-010): rubella messages in Japan, seven arms. Counts per
arm; the article prints no more than words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.effect_sizes import risk_difference
from analysis.gap.action_control import describe_action_control, split_behavior_effect

from .trial_tables import trial_table

INTEND = {
    "A": (83, 335), "B": (87, 335), "C": (109, 318), "D": (95, 312), "E": (80, 317),
    "F": (98, 341), "G": (95, 314),
}  # fmt: skip
TESTED = {"A": 5, "B": 10, "C": 18, "D": 13, "E": 15, "F": 8, "G": 10}


@pytest.fixture(scope="module")
def participants() -> pd.DataFrame:
    return trial_table("kato2022_rubella", "participants.csv")


def test_counts_per_arm(participants: pd.DataFrame) -> None:
    arms = participants.groupby("arm")
    sums, sizes = arms[["intend_test", "took_test"]].sum(), arms.size()
    assert {a: (sums["intend_test"][a], sizes[a]) for a in INTEND} == INTEND
    assert sums["took_test"].to_dict() == TESTED


def test_totals(participants: pd.DataFrame) -> None:
    assert len(participants) == 2272
    assert participants[["took_test", "took_vaccination"]].sum().tolist() == [79, 25]
    assert participants.query("arm == 'A'")["took_vaccination"].sum() == 1


def _counts(participants: pd.DataFrame, arm: str) -> list[int]:
    """Inclined actors, inclined abstainers, disinclined actors, disinclined abstainers."""
    rows = participants[participants["arm"] == arm]
    intends, acts = rows["intend_test"] == 1, rows["took_test"] == 1
    return [int((i & a).sum()) for i in (intends, ~intends) for a in (acts, ~acts)]


@pytest.mark.parametrize("arm", "BCDEFG")
def test_effect_on_testing_splits_by_intention(participants: pd.DataFrame, arm: str) -> None:
    counts, control = _counts(participants, arm), _counts(participants, "A")
    split = split_behavior_effect(counts, control)
    effect = risk_difference(TESTED[arm], INTEND[arm][1], TESTED["A"], 335, zero_cells="none")
    parts = split.more_intend + split.intenders_act + split.others_act
    np.testing.assert_allclose([split.risk_difference, parts], effect.yi[0], rtol=1e-12)


def test_most_who_intend_do_not_act(participants: pd.DataFrame) -> None:
    gaps = [
        describe_action_control(_counts(participants, arm)).action_control_gap for arm in INTEND
    ]
    assert min(gaps) > 0.8
