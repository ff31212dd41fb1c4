"""Arm summaries that give medians: read off, marked, and refused where they are lopsided."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.effect_sizes import standardized_mean_difference
from analysis.effect_sizes.quantiles import moments_from_quantiles
from ibgap.cli.check import check_folder
from tests.builders import Recipe, arm_trial
from tests.pipeline.conftest import Home

NAMES = "median: med, q1: low, q3: high, minimum: least, maximum: most"
HEAD = "arm,outcome,n,mean,sd,events,med,low,high,least,most\n"
VISITS = "control,visit,48,,,12,,,,,\nletter,visit,49,,,18,,,,,\n"


def recipe(control: str, letter: str) -> Recipe:
    """The arm trial with these cells from the mean on for its two rows of intention."""
    rows = f"control,intention,50,{control}\nletter,intention,52,{letter}\n"
    made = arm_trial("medians").but("events: events}", f"events: events, {NAMES}}}")
    return made.having("table.csv", HEAD + rows + VISITS)


MEAN = "3.9,1.4,,,,,,"
QUARTILES = ",,,4.4,3.5,5.3,,"
RANGE = ",,,4.4,,,1.2,7"
BOTH = ",,,4.4,3.5,5.3,1.2,7"


def effect(home: Home, made: Recipe) -> pd.Series:
    home.add(made)
    home.refresh()
    table = home.release().table("effects")
    (row,) = (r for _, r in table.iterrows() if r["outcome_id"] == "intention"
              and r["measure"] == "SMD")  # fmt: skip
    return row


@pytest.mark.parametrize(
    ("cells", "quantiles"),
    [
        (QUARTILES, (3.5, 5.3, np.nan, np.nan)),
        (RANGE, (np.nan, np.nan, 1.2, 7.0)),
        (BOTH, (3.5, 5.3, 1.2, 7.0)),
    ],
    ids=["quartiles", "range", "both"],
)
def test_a_median_becomes_an_effect(
    tmp_path: Path, cells: str, quantiles: tuple[float, ...]
) -> None:
    """One arm has a mean, the other a median: the effect of the two is marked."""
    row = effect(Home(tmp_path), recipe(MEAN, cells))
    names = ("q1", "q3", "minimum", "maximum")
    made = moments_from_quantiles(4.4, 52, **dict(zip(names, quantiles, strict=True)))
    expected = standardized_mean_difference(made.mean, made.sd, 52, 3.9, 1.4, 50)
    assert row["yi"] == pytest.approx(float(expected.yi[0]), rel=1e-9)
    assert row["vi"] == pytest.approx(float(expected.vi[0]), rel=1e-9)
    assert row["basis"] == "arm_quantiles"
    assert row["formula"].endswith("/from_quantiles")


def test_a_mean_stands_before_a_median(tmp_path: Path) -> None:
    both = effect(Home(tmp_path), recipe(MEAN, "4.4,1.3,,4.0,3.5,5.3,,"))
    expected = standardized_mean_difference(4.4, 1.3, 52, 3.9, 1.4, 50)
    assert both["yi"] == pytest.approx(float(expected.yi[0]), rel=1e-9)
    assert both["basis"] == "arm_summaries"
    assert "quantiles" not in both["formula"]


@pytest.mark.parametrize(
    ("cells", "rule", "said"),
    [
        (",,,6.9,1.2,7,,", "quantiles_not_lopsided", "no mean and SD can be read off"),
        ("5.1,,,6.9,1.2,7,,", "quantiles_not_lopsided", "no mean and SD can be read off"),
        (",,,4.4,5.3,3.5,,", "quantiles_in_order", "not in order"),
        (",,,4.4,3.5,,,", "one_kind_of_numbers", "a median with quartiles"),
        (",,,4.4,,,,", "one_kind_of_numbers", "a median with quartiles"),
        (",,,9.4,8.5,10.3,,", "mean_within_scale", "mean or median lies outside"),
    ],
    ids=[
        "lopsided",
        "lopsided beside a mean without SD",
        "out of order",
        "one quartile",
        "alone",
        "off the scale",
    ],
)
def test_medians_that_cannot_be_used(tmp_path: Path, cells: str, rule: str, said: str) -> None:
    """The row is named with the rule; the others go on."""
    findings = check_folder(recipe(MEAN, cells).write(tmp_path)).findings
    (finding,) = (f for f in findings if f.rule_id == rule)
    assert (finding.file, finding.row) == ("table.csv", 3)
    assert said in finding.message


def test_usable_medians_have_no_findings(tmp_path: Path) -> None:
    assert check_folder(recipe(QUARTILES, BOTH).write(tmp_path)).findings == []
