"""Burger, Mayer and Steimanis (2022, PLOS ONE): vaccination messages in Germany. Numbers of the
authors' log file, recomputed from the participant rows."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from analysis.distributions import chi2_sf, critical_value, two_sided_p
from analysis.effect_sizes import (
    hedges_j,
    log_odds_ratio,
    mean_difference,
    risk_difference,
    smd_from_reported,
    standardized_mean_difference,
)
from analysis.effect_sizes.reported import Reported

from .trial_tables import printed, trial_table


@pytest.fixture(scope="module")
def participants() -> pd.DataFrame:
    return trial_table("burger2022_vaccination", "participants.csv")


@pytest.mark.parametrize(
    ("arm", "n", "mean", "sd"),
    [
        ("control", 671, 5.119225, 2.364685),
        ("debunk", 326, 5.147239, 2.387746),
        ("benefits", 327, 5.281346, 2.247095),
    ],
)
def test_intention(participants: pd.DataFrame, arm: str, n: int, mean: float, sd: float) -> None:
    intention = participants.loc[participants["arm_w1"] == arm, "intent_mrna_w1"]
    assert intention.count() == n
    assert (intention.mean(), intention.std(ddof=1)) == (printed(mean, 6), printed(sd, 6))


@pytest.mark.parametrize(
    ("arm", "vaccinated", "n"),
    [
        ("control", 141, 220),
        ("benefits", 152, 207),
        ("debunk", 139, 205),
        ("facilitation", 125, 189),
    ],
)
def test_vaccinated(participants: pd.DataFrame, arm: str, vaccinated: int, n: int) -> None:
    behavior = participants.loc[participants["arm"] == arm, "vaccinated_w2"]
    assert (behavior.sum(), behavior.count()) == (vaccinated, n)


def _vaccinated(participants: pd.DataFrame, arm: str) -> np.ndarray:
    return participants.loc[participants["arm"] == arm, "vaccinated_w2"].dropna().to_numpy()


def test_difference_in_shares(participants: pd.DataFrame) -> None:
    """The log has the pooled-variance t test of the 0/1 behavior, benefits against control."""
    one, two = (_vaccinated(participants, arm) for arm in ("benefits", "control"))
    summary = [f(x) for x in (one, two) for f in (np.mean, lambda v: np.std(v, ddof=1), np.size)]
    difference = float(mean_difference(*summary).yi[0])
    df = one.size + two.size - 2.0
    d = float((standardized_mean_difference(*summary).yi / hedges_j(df))[0])
    t = d / math.sqrt(1.0 / one.size + 1.0 / two.size)
    half = critical_value(0.95, df) * difference / t
    assert (difference, df, t) == (printed(0.0933904, 7), 425, printed(2.0841, 4))
    assert two_sided_p(t, df) == printed(0.0377, 4)
    assert [difference - half, difference + half] == [printed(0.0053111, 7), printed(0.1814697, 7)]
    assert float(risk_difference(152, 207, 141, 220).yi[0]) == pytest.approx(difference)


def test_chi_squared(participants: pd.DataFrame) -> None:
    one, two = (_vaccinated(participants, arm) for arm in ("benefits", "control"))
    counts = np.array([[x.sum(), x.size - x.sum()] for x in (one, two)])
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    chi2 = float(((counts - expected) ** 2 / expected).sum())
    assert (chi2, chi2_sf(chi2, 1)) == (printed(4.3197, 4), printed(0.0377, 4))
    # t and chi-squared of one 2x2 table: t^2 = chi2 (N - 2) / (N - chi2).
    n = counts.sum()
    assert math.sqrt(chi2 * (n - 2) / (n - chi2)) == printed(2.0841, 4)


def test_behavior_rises_without_intention(participants: pd.DataFrame) -> None:
    """The gap can run the other way: no effect on intention, an effect on behavior."""
    groups = [participants.loc[participants["arm_w1"] == arm, "intent_mrna_w1"]
              for arm in ("benefits", "control")]  # fmt: skip
    intention = standardized_mean_difference(
        *(f(x) for x in groups for f in (np.mean, lambda v: v.std(ddof=1), np.size))
    )
    behavior = log_odds_ratio(152, 207, 141, 220)
    assert abs(intention.yi[0]) < 1.96 * intention.sei[0]
    assert behavior.yi[0] > 1.96 * behavior.sei[0]


def test_the_printed_t_gives_the_same_effect_as_the_rows(participants: pd.DataFrame) -> None:
    one, two = (_vaccinated(participants, arm) for arm in ("benefits", "control"))
    summary = [f(x) for x in (one, two) for f in (np.mean, lambda v: np.std(v, ddof=1), np.size)]
    rows = standardized_mean_difference(*summary)
    printed_t = smd_from_reported(Reported("t", 2.0841, n1=207, n2=220))
    assert printed_t.yi == pytest.approx(rows.yi[0], abs=1e-5)
    assert printed_t.vi == pytest.approx(rows.vi[0], rel=1e-5)
