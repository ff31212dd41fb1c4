"""Sweeney and Moyer (2015, Health Psychology 34:149): self-affirmation, ten studies with both
outcomes. The article prints a slope of behavior on intention of .03 [-.30, .36]; the pools are
those of metafor 3.8-1 on the same table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.gap.joint import difference, fit_joint
from analysis.univariate.meta_regression import fit_meta_regression
from analysis.univariate.pooling import fit_random_effects

from .trial_tables import printed, tabulated, trial_table

POOLS = [
    ("inten", "DL", 0.2373, -0.05316, 0.52776, 0.15444, 73.00, 33.329),
    ("inten", "REML", 0.24111, -0.09838, 0.5806, 0.23358, 80.35, 33.329),
    ("beh", "DL", 0.1841, 0.02845, 0.33976, 0.0, 0.0, 8.13),
    ("beh", "REML", 0.1841, 0.02845, 0.33976, 0.0, 0.0, 8.13),
]
DIFFERENCES = [
    (0.0, "DL", 0.05737, -0.26919, 0.38392, 0.14542, 54.39, 19.732),
    (0.0, "REML", 0.05639, -0.26066, 0.37343, 0.13018, 51.63, 19.732),
    (0.5, "DL", 0.06668, -0.25878, 0.39215, 0.20635, 77.13, 39.353),
    (0.5, "REML", 0.07057, -0.32396, 0.4651, 0.33468, 84.54, 39.353),
]


@pytest.fixture(scope="module")
def studies() -> pd.DataFrame:
    return trial_table("sweeney2015_self_affirmation", "studies.csv")


def test_ten_studies_have_both_outcomes(studies: pd.DataFrame) -> None:
    assert len(studies) == 10
    assert studies[["inten_d", "inten_se", "beh_d", "beh_se"]].notna().all(axis=None)


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: f"{pool[0]}-{pool[1]}")
def test_pooled_effects(studies: pd.DataFrame, pool: tuple) -> None:
    outcome, method, mu, lower, upper, tau2, i2, q = pool
    fit = fit_random_effects(
        studies[f"{outcome}_d"], studies[f"{outcome}_se"] ** 2, method=method, ci_method="wald"
    )
    assert [fit.mu, fit.ci_lb, fit.ci_ub] == [tabulated(x, 5, method) for x in (mu, lower, upper)]
    assert fit.tau2 == tabulated(tau2, 5, method)
    assert fit.heterogeneity.i2 == tabulated(i2, 2, method)
    assert fit.heterogeneity.q == printed(q, 3)


@pytest.mark.parametrize(
    ("method", "slope", "lower", "upper", "tau2", "i2", "q"),
    [
        ("DL", 0.03004, -0.30348, 0.36356, 0.00075, 1.19, 8.097),
        ("REML", 0.0294, -0.30502, 0.36383, 0.00129, 2.04, 8.097),
    ],
)
def test_slope_of_behavior_on_intention(
    studies: pd.DataFrame, method: str, slope: float, lower: float, upper: float, tau2: float,
    i2: float, q: float,
) -> None:  # fmt: skip
    """The published slope: a plain meta-regression, which ignores error in the intention."""
    design = np.column_stack([np.ones(10), studies["inten_d"]])
    fit = fit_meta_regression(
        studies["beh_d"], studies["beh_se"] ** 2, design, method=method, ci_method="wald"
    )
    c = fit.coefficients
    assert [c.estimate[1], c.ci_lb[1], c.ci_ub[1]] == [
        tabulated(x, 5, method) for x in (slope, lower, upper)
    ]
    assert fit.tau2 == tabulated(tau2, 5, method)
    assert fit.heterogeneity.i2 == tabulated(i2, 2, method)
    assert fit.heterogeneity.q == printed(q, 3)
    if method == "DL":  # as the article prints it
        assert [c.estimate[1], c.ci_lb[1], c.ci_ub[1]] == [
            printed(x, 2) for x in (0.03, -0.30, 0.36)
        ]


@pytest.mark.parametrize("row", DIFFERENCES, ids=lambda row: f"rho={row[0]}-{row[1]}")
def test_difference_per_study(studies: pd.DataFrame, row: tuple) -> None:
    rho, method, mu, lower, upper, tau2, i2, q = row
    yi = studies["inten_d"] - studies["beh_d"]
    covariance = rho * studies["inten_se"] * studies["beh_se"]
    vi = studies["inten_se"] ** 2 + studies["beh_se"] ** 2 - 2.0 * covariance
    fit = fit_random_effects(yi, vi, method=method, ci_method="wald")
    assert [fit.mu, fit.ci_lb, fit.ci_ub] == [tabulated(x, 5, method) for x in (mu, lower, upper)]
    assert fit.tau2 == tabulated(tau2, 5, method)
    assert fit.heterogeneity.i2 == tabulated(i2, 2, method)
    assert fit.heterogeneity.q == printed(q, 3)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.5, 0.7, 0.9])
def test_the_gap_is_not_different_from_zero_at_any_correlation(
    studies: pd.DataFrame, rho: float
) -> None:
    blocks = []
    for intention, behavior in zip(studies["inten_se"], studies["beh_se"], strict=True):
        c = rho * intention * behavior
        blocks.append(np.array([[intention**2, c], [c, behavior**2]]))
    model = fit_joint(
        studies[["inten_d", "beh_d"]].to_numpy().ravel(), blocks,
        np.repeat(np.arange(10), 2).tolist(), ["intention", "behavior"] * 10,
    )  # fmt: skip
    gap = difference(model)
    assert gap.ci_lb < 0.0 < gap.ci_ub
    assert model.k_paired == 10
