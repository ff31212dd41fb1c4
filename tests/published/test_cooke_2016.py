"""Cooke et al. (2016, Health Psychol Rev 10:148): planned behavior and alcohol. Intention-behavior
correlations of 20 studies, pooled as Fisher's z (metafor 3.8-1 on the same matrices), and the path
model of 33 matrices in two stages (metaSEM 1.5.5: ML, diagonal Tau, weighted sampling covariances).
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from analysis.dependent.covariances import covariance_from_correlations
from analysis.effect_sizes import fisher_z
from analysis.gap.correlation_matrices import (
    CorrelationStudies,
    PooledMatrix,
    pool_correlation_matrices,
)
from analysis.gap.indirect import paths_from_correlations
from analysis.gap.path_models import FittedPaths, PathModel, fit_paths, fit_paths_one_stage
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


VARIABLES = ("subjective_norm", "attitude", "perceived_control", "intention", "behaviour")
MODEL = PathModel(
    VARIABLES,
    (
        ("attitude", "intention"),
        ("subjective_norm", "intention"),
        ("perceived_control", "intention"),
        ("intention", "behaviour"),
        ("perceived_control", "behaviour"),
    ),
)
SE = 7e-4
"""metaSEM's standard errors are of the observed information: of the means together with the
variances between studies in the first stage, and with the curvature of the model in the second.
Here they are those of the means at the variances found, and Gauss and Newton's."""


def _studies(correlations: pd.DataFrame) -> CorrelationStudies:
    groups = [rows for _, rows in correlations.groupby("study_id")]
    matrices = np.full((len(groups), 5, 5), np.nan)
    matrices[:, range(5), range(5)] = 1.0
    for matrix, rows in zip(matrices, groups, strict=True):
        for a, b, r in zip(rows["var1"], rows["var2"], rows["r"], strict=True):
            i, j = VARIABLES.index(a), VARIABLES.index(b)
            matrix[i, j] = matrix[j, i] = r
    return CorrelationStudies(VARIABLES, matrices, np.array([rows["n"].iloc[0] for rows in groups]))


@pytest.fixture(scope="module")
def first_stage(correlations: pd.DataFrame) -> PooledMatrix:
    """Without study 3, as in metaSEM."""
    definite = correlations[correlations["study_id"] != 3]
    return pool_correlation_matrices(_studies(definite), method="ML", acov="mean")


@pytest.fixture(scope="module")
def second_stage(first_stage: PooledMatrix) -> FittedPaths:
    return fit_paths(first_stage, MODEL)


def test_study_3_is_left_out_of_the_matrices(
    correlations: pd.DataFrame, first_stage: PooledMatrix
) -> None:
    every = pool_correlation_matrices(_studies(correlations), method="ML", acov="mean")
    assert (every.left_out, every.n_total) == ((2,), 7973.0)
    assert (first_stage.left_out, first_stage.n_total) == ((), 7973.0)
    assert every.k.tolist() == first_stage.k.tolist() == [33, 33, 29, 19, 33, 29, 19, 29, 19, 19]
    np.testing.assert_allclose(every.r, first_stage.r, atol=5e-4)
    np.testing.assert_allclose(every.se, first_stage.se, atol=5e-4)


@pytest.mark.parametrize(
    ("pair", "r", "se"),
    [
        (("intention", "behaviour"), 0.4312, 0.0734),
        (("attitude", "intention"), 0.5621, 0.0324),
        (("subjective_norm", "intention"), 0.4101, 0.0290),
        (("perceived_control", "behaviour"), 0.0368, 0.0765),
        # Recorded under control and intention, which the paths below contradict.
        (("attitude", "behaviour"), 0.2792, 0.0533),
    ],
)
def test_first_stage(first_stage: PooledMatrix, pair: tuple[str, str], r: float, se: float) -> None:
    place = first_stage.pairs.index(pair)
    assert first_stage.r[place] == printed(r, 4)
    assert first_stage.se[place] == pytest.approx(se, abs=SE)
    assert first_stage.status == "ok"
    if pair == ("intention", "behaviour"):
        assert first_stage.tau2[place] == printed(0.0973, 4)


def test_control_and_intention_by_the_paths(
    first_stage: PooledMatrix, second_stage: FittedPaths
) -> None:
    """The three paths into intention imply .2980 for control and intention, with .2496 for attitude
    and control and .1829 for norm and control: .4501 x .2496 + .1924 x .1829 + .1504. The pooled
    correlation is .2977; .2792 is that of attitude and behavior."""
    value = dict(zip(second_stage.names, second_stage.estimate, strict=True))
    implied = (
        value["attitude -> intention"] * value["attitude with perceived_control"]
        + value["subjective_norm -> intention"] * value["subjective_norm with perceived_control"]
        + value["perceived_control -> intention"]
    )
    place = first_stage.pairs.index(("perceived_control", "intention"))
    assert second_stage.implied[place] == pytest.approx(implied, rel=1e-12)
    assert implied == printed(0.2980, 4)
    assert first_stage.r[place] == printed(0.2977, 4)


PATHS = {
    "intention -> behaviour": (0.4792, 0.0690),
    "perceived_control -> behaviour": (-0.1031, 0.0927),
    "attitude -> intention": (0.4501, 0.0432),
    "subjective_norm -> intention": (0.1924, 0.0395),
    "perceived_control -> intention": (0.1504, 0.0665),
}


@pytest.mark.parametrize("path", PATHS)
def test_paths(second_stage: FittedPaths, path: str) -> None:
    place = second_stage.names.index(path)
    estimate, se = PATHS[path]
    assert second_stage.estimate[place] == printed(estimate, 4)
    assert second_stage.se[place] == pytest.approx(se, abs=SE)


def test_indirect_paths_and_fit(first_stage: PooledMatrix, second_stage: FittedPaths) -> None:
    attitude = second_stage.indirect["attitude -> intention -> behaviour"]
    control = second_stage.indirect["perceived_control -> intention -> behaviour"]
    assert (attitude[0], control[0]) == (printed(0.2157, 4), printed(0.0721, 4))
    assert (second_stage.chi2, second_stage.df) == (pytest.approx(0.645, abs=1e-3), 2)
    assert (second_stage.pvalue, second_stage.rmsea) == (printed(0.724, 3), 0.0)
    assert (second_stage.method, second_stage.status) == ("two_stage", "ok")
    # Over the 10 correlations, as metaSEM; a covariance matrix would count its diagonal too.
    assert second_stage.srmr == printed(0.013, 3)


def test_one_stage_agrees_with_two(correlations: pd.DataFrame, second_stage: FittedPaths) -> None:
    definite = _studies(correlations[correlations["study_id"] != 3])
    found = fit_paths_one_stage(definite, MODEL, acov="mean")
    assert (found.status, found.names) == ("ok", second_stage.names)
    np.testing.assert_allclose(found.estimate, second_stage.estimate, atol=1e-3)
    np.testing.assert_allclose(found.se, second_stage.se, atol=1e-3)
    assert found.chi2 == pytest.approx(second_stage.chi2, abs=0.01)
    assert found.df == 2


def test_mediation_of_one_matrix() -> None:
    """Correlations of .3 (arm, mediator), .2 (arm, outcome) and .4 (both), 300 persons."""
    found = paths_from_correlations([0.3], [0.2], [0.4], [300.0])
    assert found.a[0] == pytest.approx(0.3, abs=1e-15)
    assert (found.b[0], found.indirect[0]) == (printed(0.3736, 4), printed(0.1121, 4))
    assert found.direct[0] == printed(0.0879, 4)
    assert found.indirect[0] + found.direct[0] == pytest.approx(0.2, abs=1e-15)


def _without_the_cross_term(paths: np.ndarray) -> np.ndarray:
    """Indirect and direct effect in units of a standard deviation of the outcome whose variance
    lacks the term 2 a b direct."""
    a, b, direct = paths
    return np.array([a * b, direct]) / math.sqrt(1.0 - 2.0 * a * b * direct)


def test_mediation_as_meta_sem_standardizes_it() -> None:
    """`indirectEffect` prints .1132 and .0888 for the same matrix: the outcome's variance in its
    model lacks twice the indirect times the direct effect. With that unit everything agrees."""
    found = paths_from_correlations([0.3], [0.2], [0.4], [300.0])
    paths = np.array([found.a[0], found.b[0], found.direct[0]])
    steps = 1e-6 * np.eye(3)
    jacobian = np.array(
        [(_without_the_cross_term(paths + h) - _without_the_cross_term(paths - h)) / 2e-6
         for h in steps]
    ).T  # fmt: skip
    v = jacobian @ found.covariance[0] @ jacobian.T
    indirect, direct = _without_the_cross_term(paths)
    assert (indirect, direct) == (printed(0.1132, 4), printed(0.0888, 4))
    assert (v[0, 0], v[1, 1], v[0, 1]) == (
        printed(0.000668, 6), printed(0.003152, 6), printed(-0.000272, 6)
    )  # fmt: skip
