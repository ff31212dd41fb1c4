"""Cooke et al. (2016, Health Psychol Rev 10:148): planned behavior and alcohol. Intention-behavior
correlations of 20 studies, pooled as Fisher's z (metafor 3.8-1 on the same matrices)."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from analysis.dependent.covariances import covariance_from_correlations
from analysis.effect_sizes import fisher_z
from analysis.univariate.pooling import fit_random_effects

from .trial_tables import printed, trial_table


@pytest.fixture(scope="module")
def correlations() -> pd.DataFrame:
    return trial_table("cooke2016_tpb_alcohol", "correlations.csv")


def _intention_behavior(table: pd.DataFrame) -> pd.DataFrame:
    pairs = [{a, b} for a, b in zip(table["var1"], table["var2"], strict=True)]
    return table[[pair == {"intention", "behaviour"} for pair in pairs]]


def test_size_of_the_table(correlations: pd.DataFrame) -> None:
    assert (len(correlations), correlations["study_id"].nunique()) == (272, 34)
    assert correlations.drop_duplicates("study_id")["n"].sum() == 8151
    rows = _intention_behavior(correlations)
    assert (len(rows), rows["n"].sum()) == (20, 3806)


@pytest.mark.parametrize(
    ("method", "z", "lower", "upper", "tau2", "i2", "r"),
    [
        ("DL", 0.529, 0.30527, 0.75274, 0.25398, 97.91, (0.485, 0.296, 0.637)),
        ("REML", 0.52863, 0.33358, 0.72368, 0.19145, 97.25, (0.484, 0.322, 0.619)),
    ],
)
def test_pooled_correlation(
    correlations: pd.DataFrame, method: str, z: float, lower: float, upper: float, tau2: float,
    i2: float, r: tuple[float, float, float],
) -> None:  # fmt: skip
    rows = _intention_behavior(correlations)
    effects = fisher_z(rows["r"], rows["n"])
    fit = fit_random_effects(effects.yi, effects.vi, method=method, ci_method="wald")
    limits = (fit.mu, fit.ci_lb, fit.ci_ub)
    assert limits == tuple(printed(x, 5) for x in (z, lower, upper))
    assert tuple(map(math.tanh, limits)) == tuple(printed(x, 3) for x in r)
    assert fit.tau2 == printed(tau2, 5)
    assert fit.heterogeneity.i2 == printed(i2, 2)
    assert fit.heterogeneity.q == printed(908.894, 3)


def test_weighting_matters(correlations: pd.DataFrame) -> None:
    """Weighted by n, as under equal effects, the same correlations average .357, not .48."""
    rows = _intention_behavior(correlations)
    assert np.average(rows["r"], weights=rows["n"]) == printed(0.357, 3)


def _matrix(rows: pd.DataFrame) -> np.ndarray:
    names = sorted(set(rows["var1"]) | set(rows["var2"]))
    matrix = np.eye(len(names))
    for a, b, r in zip(rows["var1"], rows["var2"], rows["r"], strict=True):
        i, j = names.index(a), names.index(b)
        matrix[i, j] = matrix[j, i] = r
    return matrix


def test_only_the_matrix_of_study_3_contradicts_itself(correlations: pd.DataFrame) -> None:
    moved = {}
    for study, rows in correlations.groupby("study_id"):
        matrix = _matrix(rows)
        if len(rows) == len(matrix) * (len(matrix) - 1) // 2:
            moved[study] = covariance_from_correlations(matrix, np.ones(len(matrix)))[1]
    assert [study for study, was_moved in moved.items() if was_moved] == [3]
