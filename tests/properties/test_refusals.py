"""What has no answer is refused with the row or trial named, never answered with a number."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from analysis.bias.small_study import egger_test
from analysis.dependent.blocks import make_blocks
from analysis.dependent.multivariate import fit_multivariate
from analysis.dependent.robust import robust_covariance
from analysis.effect_sizes import (
    fisher_z,
    log_odds_ratio,
    smd_from_reported,
    standardized_mean_difference,
)
from analysis.effect_sizes.reported import Reported
from analysis.errors import ConversionError, EstimationError
from analysis.gap.action_control import describe_action_control, split_behavior_effect
from analysis.gap.joint import fit_joint
from analysis.univariate.meta_regression import fit_meta_regression
from analysis.univariate.pooling import fit_random_effects
from analysis.univariate.subgroups import fit_subgroups

YI, VI = [0.1, 0.5, 0.3, 0.9], [0.04, 0.09, 0.02, 0.05]


@pytest.mark.parametrize("value", [0.0, -0.01])
@pytest.mark.parametrize("fit", [fit_random_effects, fit_meta_regression, egger_test])
def test_variances_of_zero_or_less(fit: Callable[..., Any], value: float) -> None:
    with pytest.raises(EstimationError, match=r"vi must be greater than 0 \(row 2\)"):
        fit(YI, [0.04, 0.09, value, 0.05])


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("fit", [fit_random_effects, fit_meta_regression, egger_test])
def test_missing_or_infinite_values(fit: Callable[..., Any], value: float) -> None:
    with pytest.raises(EstimationError, match=r"yi must be finite \(row 1\)"):
        fit([0.1, value, 0.3, 0.9], VI)
    with pytest.raises(EstimationError, match=r"vi must be finite \(row 3\)"):
        fit(YI, [0.04, 0.09, 0.02, value])


def test_many_bad_rows_are_counted() -> None:
    with pytest.raises(EstimationError, match=r"\(row 0, 1, 2, 3, 4 and 3 more\)"):
        fit_random_effects(np.zeros(8), np.zeros(8))


def test_columns_of_different_length() -> None:
    with pytest.raises(EstimationError, match="vi has 3 values where others have 4"):
        fit_random_effects(YI, VI[:3])


@pytest.mark.parametrize("extra", [[1.0] * 4, [0.0] * 4, [2.0, 4.0, 6.0, 8.0]])
def test_dependent_columns(extra: list[float]) -> None:
    design = np.column_stack([np.ones(4), [1.0, 2.0, 3.0, 4.0], extra])
    with pytest.raises(EstimationError, match="3 columns of the design are not independent"):
        fit_meta_regression(YI, VI, design)
    with pytest.raises(EstimationError, match="not independent"):
        make_blocks(YI, VI, [1, 1, 2, 2], design=design)


def test_a_missing_moderator() -> None:
    design = np.column_stack([np.ones(4), [1.0, 2.0, math.nan, 4.0]])
    with pytest.raises(EstimationError, match=r"the design matrix must be finite \(row 2\)"):
        fit_meta_regression(YI, VI, design)


def test_more_coefficients_than_effects() -> None:
    with pytest.raises(EstimationError, match="2 coefficients need more than 2 effects, found 2"):
        fit_meta_regression(YI[:2], VI[:2], [[1.0, 0.0], [1.0, 1.0]])
    with pytest.raises(EstimationError, match="2 coefficients need more effects than 2"):
        fit_multivariate(make_blocks(YI[:2], VI[:2], [1, 2], ["intention", "behavior"]))


@pytest.mark.parametrize(
    "choice", [{"method": "reml"}, {"ci_method": "hksj"}, {"pi_method": "bootstrap"}]
)
def test_unknown_choices_name_the_known_ones(choice: dict[str, str]) -> None:
    with pytest.raises(EstimationError, match=r"unknown .*; known: "):
        fit_random_effects(YI, VI, **choice)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ([[0.04, 0.06], [0.06, 0.09]], "trial B: the sampling covariance matrix is not positive"),
        ([[0.04, 0.07], [0.07, 0.09]], "trial B: the sampling covariance matrix is not positive"),
        ([[0.04, 0.0], [0.0, 0.0]], "trial B: sampling variances must be finite and above 0"),
        ([[0.04, math.nan], [0.0, 0.09]], "trial B: sampling covariances must be finite"),
    ],
)
def test_impossible_covariances_name_the_trial(block: list[list[float]], message: str) -> None:
    good = np.array([[0.04, 0.01], [0.01, 0.09]])
    with pytest.raises(EstimationError, match=message):
        make_blocks(YI, [good, np.array(block)], ["A", "A", "B", "B"])


def test_a_gap_needs_both_outcomes() -> None:
    with pytest.raises(EstimationError, match="no trial has a usable effect on behavior"):
        fit_joint(YI, VI, [1, 2, 3, 4], ["intention"] * 4)


def test_robust_variance_needs_two_trials() -> None:
    fit = fit_multivariate(make_blocks(YI, VI, [1, 1, 1, 1]), structure="NONE")
    with pytest.raises(EstimationError, match="at least 2 trials"):
        robust_covariance(fit)


def test_one_group_is_no_comparison() -> None:
    with pytest.raises(EstimationError, match="at least two groups"):
        fit_subgroups(YI, VI, ["a"] * 4)


def test_equal_precision_says_nothing_about_small_studies() -> None:
    with pytest.raises(EstimationError, match="equally precise"):
        egger_test(YI, [0.04] * 4)


@pytest.mark.parametrize("yi", [[0.5, 0.5, 0.5, 0.5], [0.0, 0.0, 0.0, 0.0]])
def test_effects_exactly_on_a_line_have_no_knapp_hartung_test(yi: list[float]) -> None:
    """The scale of Knapp and Hartung is 0: the omnibus test does not exist, the fit does."""
    design = np.column_stack([np.ones(4), [0.0, 1.0, 2.0, 4.0]])
    assert math.isnan(fit_meta_regression(yi, [0.5] * 4, design).qm)
    assert math.isnan(fit_subgroups(yi, [0.5] * 4, ["a", "a", "b", "b"]).f)


def test_effect_sizes_name_the_row() -> None:
    with pytest.raises(EstimationError, match=r"standard deviations .* \(row 1\)"):
        standardized_mean_difference([1, 2], [1, 0], [9, 9], [0, 0], [1, 1], [9, 9])
    with pytest.raises(EstimationError, match=r"at least 2 participants \(row 0\)"):
        standardized_mean_difference([1, 2], [1, 1], [1, 9], [0, 0], [1, 1], [9, 9])
    with pytest.raises(EstimationError, match=r"events must not exceed .* \(row 1\)"):
        log_odds_ratio([1, 10], [9, 9], [1, 1], [9, 9])
    with pytest.raises(EstimationError, match=r"events must not be negative \(row 0\)"):
        log_odds_ratio([-1, 1], [9, 9], [1, 1], [9, 9])
    with pytest.raises(EstimationError, match=r"strictly between -1 and 1 \(row 1\)"):
        fisher_z([0.2, 1.0], [30, 30])
    with pytest.raises(EstimationError, match=r"more than 3 participants \(row 0\)"):
        fisher_z([0.2, 0.1], [3, 30])


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (Reported("t", 2.0, n1=20), "n of the comparator group"),
        (Reported("F", 4.0, n1=20, n2=20), "no sign"),
        (Reported("p", 0.03, n1=20, n2=20), "no sign"),
        (Reported("p", 0.0, n1=20, n2=20, positive=True), "exact p-value above 0 and at most 1"),
        (Reported("r", 1.0, n1=20, n2=20), "strictly between -1 and 1"),
        (Reported("OR", 2.0), "confidence interval or the standard error"),
        (Reported("OR", -2.0, se=0.1), "must be greater than 0"),
        (Reported("OR", 2.0, ci_lb=0.0, ci_ub=3.0), "limits of a ratio"),
        (Reported("OR", 2.0, ci_lb=3.0, ci_ub=1.0), "above the lower"),
        (Reported("RR", 2.0, se=0.1), "share with the event in the comparator"),
        (Reported("RR", 2.0, se=0.1, risk2=0.6), "between 0 and 1 in the intervention group"),
        (Reported("md", 2.0, n1=20, n2=20), "standard deviation of the outcome"),
        (Reported("adjusted_md", 2.0, n1=20, n2=20, sd=3.0), "needs its SE or interval"),
        (Reported("d", 0.4), "n of both groups"),
        (Reported("g", 0.4, se=0.0), "standard error must be greater than 0"),
        (Reported("d", 0.4, variance=-1.0), "variance must be greater than 0"),
        (Reported("beta", 0.4), "unknown statistic 'beta'; known: d, g"),
    ],
)
def test_reports_that_do_not_determine_an_effect(report: Reported, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        smd_from_reported(report)


@pytest.mark.parametrize("counts", [[1, 2, 3], [0, 0, 0, 0], [1, -1, 2, 3]])
def test_counts_of_nobody(counts: list[int]) -> None:
    with pytest.raises(EstimationError):
        describe_action_control(counts)


def test_a_split_needs_both_kinds_of_people() -> None:
    with pytest.raises(EstimationError, match="intenders and non-intenders in both arms"):
        split_behavior_effect([3, 4, 0, 0], [3, 4, 5, 6])
