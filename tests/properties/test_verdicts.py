"""What may be said of a row of results: every rule has a row that fails without it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.synthesis.verdicts import (
    ABOVE,
    BELOW,
    FEWEST_DF,
    NARROW,
    NARROW_GAP,
    NO_GAP,
    NONE,
    UNSETTLED,
    VERDICTS,
    Verdict,
    gap_verdict,
    narrow_note,
    paired_alone,
    pooled_verdict,
    slope_verdict,
    with_note,
)

GAP: dict[str, Any] = {
    "estimand": "difference", "status": "ok", "reason": "", "df": 9.0, "ci_lb": 0.1, "ci_ub": 0.4,
    "interval_kind": "confidence", "k_paired": 6, "notes": "",
}  # fmt: skip
POOL: dict[str, Any] = {
    "status": "ok", "df": 5.0, "ci_method": "knapp_hartung", "ci_lb": 0.1, "ci_ub": 0.4,
    "notes": "",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "verdict", "why"),
    [
        ({}, ABOVE, ""),
        ({"ci_lb": -0.4, "ci_ub": -0.1}, BELOW, ""),
        ({"ci_lb": -0.1}, UNSETTLED, ""),
        ({"ci_lb": 0.0}, UNSETTLED, ""),
        ({"ci_lb": -0.4, "ci_ub": 0.0}, UNSETTLED, ""),
        ({"estimand": "transmission_ratio"}, BELOW, ""),
        ({"estimand": "transmission_ratio", "ci_ub": 1.2}, UNSETTLED, ""),
        ({"estimand": "mediation_shortfall"}, ABOVE, ""),
        ({"estimand": "predictive_gap", "interval_kind": "prediction"}, NONE, "this quantity"),
        ({"estimand": "trial_level_slope"}, NONE, "this quantity"),
        ({"status": "indirect", "reason": "other trials"}, NONE, "other trials"),
        ({"status": "too_few_studies"}, NONE, "too few studies"),
        ({"k_paired": 0}, NONE, "no trial has both"),
        ({"k_paired": math.nan}, NONE, "no trial has both"),
        ({"df": 3.9}, NONE, "3.9 degrees of freedom"),
        ({"df": 4.0}, ABOVE, ""),
        ({"df": math.inf}, ABOVE, ""),
        ({"df": math.nan}, NONE, "not known"),
        ({"notes": f"tau2[0]_at_zero; {NARROW}"}, NONE, "narrower than the common-effect"),
        ({"notes": NARROW_GAP}, NONE, "narrower than the model-based"),
        ({"notes": "tau2[0]_at_zero"}, ABOVE, ""),
        ({"interval_kind": "two_rays"}, NONE, "no two ends"),
        ({"interval_kind": "everything"}, NONE, "no two ends"),
        ({"ci_ub": math.nan}, NONE, "no interval"),
        ({"ci_ub": math.inf}, NONE, "no interval"),
    ],
)
def test_the_gap(change: dict[str, Any], verdict: str, why: str) -> None:
    found = gap_verdict(GAP | change)
    assert found.verdict == verdict
    assert why in found.reason and bool(found.reason) == (verdict == NONE)


@pytest.mark.parametrize(
    ("df", "verdict"), [(None, ABOVE), (8.0, ABOVE), (3.0, NONE), (math.nan, NONE)]
)
def test_normal_limits_do_not_hide_few_degrees_of_freedom(df: float | None, verdict: str) -> None:
    found = gap_verdict(GAP | {"df": math.inf}, df)
    assert found.verdict == verdict
    if df is not None and math.isnan(df):
        assert "single trial" in found.reason


@pytest.mark.parametrize(
    ("change", "verdict", "why"),
    [
        ({}, ABOVE, ""),
        ({"ci_lb": -0.4, "ci_ub": -0.1}, BELOW, ""),
        ({"ci_lb": -0.1}, UNSETTLED, ""),
        ({"df": 1.0}, ABOVE, ""),
        ({"df": 3.0, "ci_method": "CR2"}, NONE, "degrees of freedom"),
        ({"df": 3.0, "ci_method": "kenward_roger"}, NONE, "degrees of freedom"),
        ({"status": "single_study"}, NONE, "one trial is not pooled"),
        ({"status": "withheld"}, NONE, "withheld"),
        ({"notes": NARROW}, NONE, "narrower"),
        ({"ci_lb": math.nan}, NONE, "no interval"),
    ],
)
def test_a_pooled_effect(change: dict[str, Any], verdict: str, why: str) -> None:
    found = pooled_verdict(POOL | change)
    assert found.verdict == verdict
    assert why in found.reason and bool(found.reason) == (verdict == NONE)


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (("ok", 0.1, 0.9), ABOVE), (("ok", -0.9, -0.1), BELOW), (("ok", -0.1, 0.9), UNSETTLED),
        (("few_pairs", 0.1, 0.9), NONE), (("ok", math.nan, math.nan), NONE),
    ],
)  # fmt: skip
def test_a_trial_level_line(row: tuple[str, float, float], verdict: str) -> None:
    status, lower, upper = row
    found = slope_verdict(
        {"status": status, "reason": "", "slope_ci_lb": lower, "slope_ci_ub": upper}
    )
    assert found.verdict == verdict


limit = st.floats(-3.0, 3.0)


@st.composite
def gap_rows(draw: st.DrawFn) -> dict[str, Any]:
    low, high = sorted((draw(limit), draw(limit)))
    return {
        "estimand": draw(st.sampled_from([*NO_GAP, "predictive_gap", "share"])),
        "status": draw(st.sampled_from(["ok", "indirect", "not_estimable", "degenerate"])),
        "reason": draw(st.sampled_from(["", "because"])),
        "df": draw(st.one_of(st.just(math.inf), st.just(math.nan), st.floats(0.5, 40.0))),
        "ci_lb": low, "ci_ub": high,
        "interval_kind": draw(st.sampled_from(["confidence", "interval", "two_rays", "none"])),
        "k_paired": draw(st.integers(0, 12)),
        "notes": draw(st.sampled_from(["", NARROW, f"x; {NARROW_GAP}", "tau2[1]_at_zero"])),
    }  # fmt: skip


@given(row=gap_rows(), satterthwaite=st.one_of(st.none(), st.just(math.nan), st.floats(0.5, 40.0)))
def test_no_verdict_from_nothing(row: dict[str, Any], satterthwaite: float | None) -> None:
    found = gap_verdict(row, satterthwaite)
    assert found.verdict in VERDICTS and bool(found.reason) == (found.verdict == NONE)
    forbidden = (
        row["status"] != "ok" or row["k_paired"] == 0 or not row["df"] >= FEWEST_DF
        or (satterthwaite is not None and not satterthwaite >= FEWEST_DF)
        or NARROW in row["notes"] or NARROW_GAP in row["notes"]
        or row["interval_kind"] not in ("confidence", "interval") or row["estimand"] not in NO_GAP
    )  # fmt: skip
    if forbidden:
        assert found.verdict == NONE
    else:
        inside = row["ci_lb"] <= NO_GAP[row["estimand"]] <= row["ci_ub"]
        assert (found.verdict == UNSETTLED) == inside


@given(row=gap_rows())
def test_turning_the_sign_turns_the_verdict(row: dict[str, Any]) -> None:
    row |= {"estimand": "difference"}
    turned = gap_verdict(row | {"ci_lb": -row["ci_ub"], "ci_ub": -row["ci_lb"]})
    opposite = {ABOVE: BELOW, BELOW: ABOVE}
    found = gap_verdict(row)
    assert turned == Verdict(opposite.get(found.verdict, found.verdict), found.reason)


@pytest.mark.parametrize(
    ("half", "narrow"), [(0.0, True), (0.138, True), (0.1386, False), (0.5, False)]
)
def test_two_effects_of_variance_one_hundredth(half: float, narrow: bool) -> None:
    """1.959964 sqrt(.01 / 2) = .13859."""
    found = narrow_note(0.2 - half, 0.2 + half, [0.01, 0.01], 0.95)
    assert (found == (NARROW,)) == narrow


def test_the_common_effect_interval_itself_is_not_narrow() -> None:
    vi = np.array([0.013, 0.4, 0.07])
    half = 1.2815515655446004 / math.sqrt((1.0 / vi).sum())
    assert narrow_note(0.3 - half, 0.3 + half, vi, 0.8) == ()
    assert narrow_note(0.3 - half, 0.3 + half, vi, 0.95) == (NARROW,)


def test_notes_are_added_once_after_the_others() -> None:
    assert with_note("", NARROW) == NARROW
    assert with_note("a; b", NARROW) == f"a; b; {NARROW}"
    assert with_note("a") == "a"


def test_paired_trials_that_point_the_other_way() -> None:
    whole, paired = {"estimate": -0.11}, {"estimate": 0.03, "status": "ok", "k_paired": 12}
    found = paired_alone(whole, paired)
    assert found is not None
    assert (found.everything, found.paired, found.k_paired) == (-0.11, 0.03, 12)
    for other in (
        None, paired | {"estimate": -0.03}, paired | {"estimate": math.nan},
        paired | {"status": "not_estimable"}, paired | {"estimate": 0.0},
    ):  # fmt: skip
        assert paired_alone(whole, other) is None
    assert paired_alone(None, paired) is None
