"""Sheeran et al. (2020, J Consult Clin Psychol 88:726): self-determination interventions, 65
comparisons. The article prints d+ = .23 for behavior; the rest is metafor 3.8-1 on its table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.effect_sizes import SMD_VARIANCES
from analysis.univariate.meta_regression import fit_meta_regression
from analysis.univariate.pooling import fit_random_effects

from .trial_tables import printed, tabulated, trial_table

POOLS = [
    ("behaviour", False, "DL", 65, 0.22571, 0.1642, 0.28723, 0.02889, 56.92, 148.576),
    ("behaviour", False, "REML", 65, 0.22851, 0.16476, 0.29226, 0.03286, 60.05, 148.576),
    ("autonomous_motivation", True, "DL", 45, 0.23278, 0.1236, 0.34196, 0.08992, 78.5, 204.652),
    ("autonomous_motivation", True, "REML", 45, 0.24187, 0.10893, 0.37482, 0.15384, 86.2, 204.652),
    ("behaviour", True, "DL", 45, 0.27558, 0.18899, 0.36217, 0.04336, 63.89, 121.841),
    ("behaviour", True, "REML", 45, 0.28569, 0.18699, 0.3844, 0.06661, 73.1, 121.841),
]


@pytest.fixture(scope="module")
def studies() -> pd.DataFrame:
    return trial_table("sheeran2020_sdt", "studies.csv")


def _effects(studies: pd.DataFrame, outcome: str) -> tuple[np.ndarray, np.ndarray]:
    d = studies[f"d_{outcome}"].to_numpy()
    n1, n2 = studies["n_treatment"].to_numpy(), studies["n_control"].to_numpy()
    return d, SMD_VARIANCES["LS"](d, np.ones_like(d), n1, n2)


@pytest.mark.parametrize("pool", POOLS, ids=lambda p: f"{p[0]}-{p[3]}-{p[2]}")
def test_pooled_effects(studies: pd.DataFrame, pool: tuple) -> None:
    outcome, with_motivation, method, k, mu, lower, upper, tau2, i2, q = pool
    rows = studies.dropna(subset="d_autonomous_motivation") if with_motivation else studies
    fit = fit_random_effects(*_effects(rows, outcome), method=method, ci_method="wald")
    assert fit.k == k
    assert [fit.mu, fit.ci_lb, fit.ci_ub] == [tabulated(x, 5, method) for x in (mu, lower, upper)]
    assert fit.tau2 == tabulated(tau2, 5, method)
    assert fit.heterogeneity.i2 == tabulated(i2, 2, method)
    assert fit.heterogeneity.q == printed(q, 3)


def test_as_printed(studies: pd.DataFrame) -> None:
    fit = fit_random_effects(*_effects(studies, "behaviour"), method="DL", ci_method="wald")
    assert fit.mu == printed(0.23, 2)
    assert [fit.mu, fit.ci_lb, fit.ci_ub] == [printed(x, 4) for x in (0.2257, 0.1642, 0.2872)]
    assert (fit.tau2, fit.heterogeneity.i2) == (printed(0.0289, 4), printed(56.9, 1))


@pytest.mark.parametrize(
    ("method", "slope", "lower", "upper", "tau2", "i2", "q"),
    [
        ("DL", 0.46567, 0.31405, 0.6173, 0.01722, 41.34, 73.301),
        ("REML", 0.4647, 0.31465, 0.61474, 0.01596, 39.51, 73.301),
    ],
)
def test_slope_of_behavior_on_motivation(
    studies: pd.DataFrame, method: str, slope: float, lower: float, upper: float, tau2: float,
    i2: float, q: float,
) -> None:  # fmt: skip
    rows = studies.dropna(subset="d_autonomous_motivation")
    design = np.column_stack([np.ones(len(rows)), rows["d_autonomous_motivation"]])
    fit = fit_meta_regression(*_effects(rows, "behaviour"), design, method=method, ci_method="wald")
    c = fit.coefficients
    assert [c.estimate[1], c.ci_lb[1], c.ci_ub[1]] == [
        tabulated(x, 5, method) for x in (slope, lower, upper)
    ]
    assert fit.tau2 == tabulated(tau2, 5, method)
    assert fit.heterogeneity.i2 == tabulated(i2, 2, method)
    assert fit.heterogeneity.q == printed(q, 3)
