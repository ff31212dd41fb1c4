"""Pooled correlation matrices and path models: dense formulas, saturated models, both stages."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.distributions import chi2_sf
from analysis.errors import EstimationError
from analysis.gap.correlation_matrices import (
    CorrelationStudies,
    correlation_covariance,
    pairs_of,
    pool_correlation_matrices,
    regression_from_matrix,
    root_mean_square_error,
)
from analysis.gap.path_models import PathModel, fit_paths, fit_paths_one_stage

from .generated import slow

VARIABLES = ("norm", "attitude", "control", "intention", "behavior")
PLANNED = PathModel(
    VARIABLES,
    (
        ("norm", "intention"), ("attitude", "intention"), ("control", "intention"),
        ("control", "behavior"), ("intention", "behavior"),
    ),
)  # fmt: skip
TRUE = np.array([0.2, 0.4, 0.15, -0.1, 0.5, 0.4, 0.2, 0.25])
"""The paths of the model, then its correlations of norm, attitude and control."""


def _dense(model: PathModel, values: np.ndarray) -> np.ndarray:
    """R = (I - B)^-1 Psi (I - B)^-T, residual variances such that every variance is 1: they are
    found variable by variable in causal order."""
    q = len(model.variables)
    place = {name: i for i, name in enumerate(model.variables)}
    b, psi = np.zeros((q, q)), np.zeros((q, q))
    named = dict(zip(model.parameters, values, strict=True))
    for start, end in model.paths:
        b[place[end], place[start]] = named[f"{start} -> {end}"]
    ends = {end for _, end in model.paths}
    outside = [i for i, name in enumerate(model.variables) if name not in ends]
    psi[outside, outside] = 1.0
    for i, j in itertools.combinations(outside, 2):
        psi[i, j] = psi[j, i] = named[f"{model.variables[i]} with {model.variables[j]}"]
    total = np.linalg.inv(np.eye(q) - b)
    for i in range(q):
        if i not in outside:
            psi[i, i] = 1.0 - (total @ psi @ total.T)[i, i]
    return total @ psi @ total.T


@st.composite
def models(draw: st.DrawFn) -> tuple[PathModel, np.ndarray]:
    """Recursive models of 3 to 6 variables; exogenous ones may come late in the list."""
    names = tuple("uvwxyz"[: draw(st.integers(3, 6))])
    every = pairs_of(names)
    kept = draw(st.lists(st.sampled_from(every), min_size=1, max_size=len(every), unique=True))
    model = PathModel(names, tuple(kept))
    values = [draw(st.floats(-0.5, 0.5)) for _ in model.parameters]
    return model, np.array(values)


@given(drawn=models())
def test_implied_correlations_of_a_dense_formula(drawn: tuple[PathModel, np.ndarray]) -> None:
    model, values = drawn
    q = len(model.variables)
    expected = _dense(model, values)
    np.testing.assert_allclose(np.diag(expected), 1.0, atol=1e-12)
    found = model.implied(values)
    np.testing.assert_allclose(found, expected[np.triu_indices(q, 1)], atol=1e-12)


@given(drawn=models())
def test_derivatives(drawn: tuple[PathModel, np.ndarray]) -> None:
    """By differences of the dense formula."""
    model, values = drawn
    upper = np.triu_indices(len(model.variables), 1)
    found = model.jacobian(values)
    for i in range(values.size):
        moved = [_dense(model, values + sign * 1e-4 * np.eye(values.size)[i]) for sign in (1, -1)]
        slope = (moved[0] - moved[1])[upper] / 2e-4
        np.testing.assert_allclose(found[:, i], slope, atol=1e-6)


def test_implied_correlations_by_simulation() -> None:
    """400,000 persons: the Monte Carlo error of a correlation is at most .0016."""
    rng, n = np.random.default_rng(67), 400_000
    outside = np.array([[1.0, 0.4, 0.2], [0.4, 1.0, 0.25], [0.2, 0.25, 1.0]])
    norm, attitude, control = rng.multivariate_normal(np.zeros(3), outside, n).T
    b = TRUE[:5]
    signal = b[0] * norm + b[1] * attitude + b[2] * control
    intention = signal + math.sqrt(1.0 - signal.var()) * rng.standard_normal(n)
    signal = b[3] * control + b[4] * intention
    behavior = signal + math.sqrt(1.0 - signal.var()) * rng.standard_normal(n)
    r = np.corrcoef([norm, attitude, control, intention, behavior])
    np.testing.assert_allclose(PLANNED.implied(TRUE), r[np.triu_indices(5, 1)], atol=0.007)


def _matrix(upper: np.ndarray) -> np.ndarray:
    q = int((1 + math.isqrt(1 + 8 * upper.size)) // 2)
    out = np.eye(q)
    out[np.triu_indices(q, 1)] = upper
    return out + np.triu(out, 1).T


def _studies(
    seed: int, k: int, *, tau: float = 0.1, missing: bool = False, variables: int = 5
) -> CorrelationStudies:
    """Studies of 100 to 400 persons whose true correlations vary around those of the model."""
    rng = np.random.default_rng([71, seed])
    center = _matrix(PLANNED.implied(TRUE))[-variables:, -variables:]
    upper = center[np.triu_indices(variables, 1)]
    matrices, sizes = [], rng.integers(100, 400, k).astype(float)
    for n in sizes:
        while True:
            true = upper + rng.normal(0.0, tau, upper.size)
            noise = rng.multivariate_normal(np.zeros(upper.size), correlation_covariance(center, n))
            made = _matrix(true + noise)
            if np.linalg.eigvalsh(made)[0] > 0.05:
                break
        if missing and rng.uniform() < 0.4:
            made[-1, :-1] = made[:-1, -1] = np.nan
        matrices.append(made)
    return CorrelationStudies(VARIABLES[-variables:], np.array(matrices), sizes)


def _same(k: int, matrix: np.ndarray, n: float = 200.0) -> CorrelationStudies:
    names = VARIABLES[-len(matrix) :]
    return CorrelationStudies(names, np.tile(matrix, (k, 1, 1)), np.full(k, n))


@slow
@pytest.mark.parametrize("method", [None, "REML", "ML"])
@given(seed=st.integers(0, 1000))
def test_a_saturated_model_is_the_regression(method: str | None, seed: int) -> None:
    """Same paths and standard errors as the equations of the pooled matrix, and chi2 of 0."""
    pooled = pool_correlation_matrices(_studies(seed, 8, variables=4), method=method)
    names = pooled.variables
    paths = tuple((start, end) for start, end in pairs_of(names) if end in names[2:])
    model = PathModel(names, paths)
    fit = fit_paths(pooled, model)
    assert (fit.df, math.isnan(fit.pvalue), math.isnan(fit.rmsea)) == (0, True, True)
    assert fit.chi2 == pytest.approx(0.0, abs=1e-12)
    assert fit.srmr == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(fit.implied, pooled.r, atol=1e-9)
    for end in names[2:]:
        starts = [start for start, other in paths if other == end]
        alone = regression_from_matrix(pooled, end, starts)
        places = [fit.names.index(f"{start} -> {end}") for start in starts]
        np.testing.assert_allclose(fit.estimate[places], alone.path, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(fit.se[places], alone.se, rtol=1e-6)


@slow
@given(seed=st.integers(0, 1000))
def test_regressions_of_a_matrix(seed: int) -> None:
    """Standard errors by numerical derivatives, and the share explained by the residual."""
    pooled = pool_correlation_matrices(_studies(seed, 8, variables=4))
    predictors = pooled.variables[:-1]
    outcome = pooled.variables[-1]

    def paths(upper: np.ndarray) -> np.ndarray:
        r = _matrix(upper)
        return np.linalg.solve(r[:-1, :-1], r[:-1, -1])

    found = regression_from_matrix(pooled, outcome, predictors)
    np.testing.assert_allclose(found.path, paths(pooled.r), rtol=1e-10)
    steps = 1e-6 * np.eye(pooled.r.size)
    gradient = np.array([(paths(pooled.r + h) - paths(pooled.r - h)) / 2e-6 for h in steps]).T
    expected = np.sqrt(np.diag(gradient @ pooled.vcov @ gradient.T))
    np.testing.assert_allclose(found.se, expected, rtol=1e-6)
    residual = 1.0 / np.linalg.inv(pooled.matrix)[-1, -1]
    assert found.r2 == pytest.approx(1.0 - residual, rel=1e-9)
    turned = regression_from_matrix(pooled, outcome, predictors[::-1])
    np.testing.assert_allclose(turned.path[::-1], found.path, rtol=1e-10)
    np.testing.assert_allclose(turned.se[::-1], found.se, rtol=1e-10)


@slow
@given(seed=st.integers(0, 1000), n=st.floats(20.0, 500.0))
def test_covariance_of_correlations(seed: int, n: float) -> None:
    """Variances are (1 - r^2)^2 / n; those of one variable with two others are the textbook's."""
    r = _studies(seed, 1).matrices[0]
    upper = r[np.triu_indices(5, 1)]
    v = correlation_covariance(r, n)
    np.testing.assert_allclose(np.diag(v), (1.0 - upper**2) ** 2 / n, rtol=1e-10)
    np.testing.assert_allclose(v, v.T, rtol=1e-10, atol=1e-14)
    assert np.linalg.eigvalsh(v)[0] > 0.0
    a, b, c = r[0, 1], r[0, 2], r[1, 2]
    shared = c * (1.0 - a**2 - b**2) - 0.5 * a * b * (1.0 - a**2 - b**2 - c**2)
    names = pairs_of("12345")
    assert v[names.index(("1", "2")), names.index(("1", "3"))] == pytest.approx(shared / n)


@slow
@pytest.mark.parametrize("method", [None, "REML", "ML"])
@given(seed=st.integers(0, 1000), order=st.randoms(use_true_random=False))
def test_order_of_studies_and_variables_does_not_matter(
    method: str | None, seed: int, order: object
) -> None:
    studies = _studies(seed, 9, missing=True, variables=4)
    rows, columns = list(range(9)), list(range(4))
    order.shuffle(rows)  # type: ignore[attr-defined]
    order.shuffle(columns)  # type: ignore[attr-defined]
    turned = CorrelationStudies(
        tuple(studies.variables[i] for i in columns),
        studies.matrices[rows][:, columns][:, :, columns],
        studies.n[rows],
    )
    first, second = (pool_correlation_matrices(one, method=method) for one in (studies, turned))
    np.testing.assert_allclose(
        second.matrix, first.matrix[np.ix_(columns, columns)], rtol=1e-5, atol=1e-7
    )
    assert second.q == pytest.approx(first.q, rel=1e-9)
    assert (second.q_df, second.n_total) == (first.q_df, first.n_total)
    values = {frozenset(pair): one for pair, *one in zip(first.pairs, first.se, first.tau2, first.k,
                                                         strict=True)}  # fmt: skip
    for pair, *one in zip(second.pairs, second.se, second.tau2, second.k, strict=True):
        assert one == pytest.approx(values[frozenset(pair)], rel=1e-4, abs=1e-7)


def test_the_common_matrix_is_weighted_least_squares() -> None:
    """By one block-diagonal matrix of all studies, some of which lack behavior."""
    studies = _studies(3, 7, missing=True)
    pooled = pool_correlation_matrices(studies, method=None)
    rows, blocks, effects = [], [], []
    upper = np.triu_indices(5, 1)
    for matrix, n in zip(studies.matrices, studies.n, strict=True):
        known = np.flatnonzero(np.isfinite(matrix[upper]))
        size = 5 if known.size == 10 else 4
        inside = correlation_covariance(matrix[:size, :size], n)
        blocks.append(inside)
        rows += known.tolist()
        effects += matrix[upper][known].tolist()
    x, y = np.eye(10)[rows], np.array(effects)
    v = np.zeros((y.size, y.size))
    place = 0
    for block in blocks:
        v[place : place + len(block), place : place + len(block)] = block
        place += len(block)
    w = np.linalg.inv(v)
    vcov = np.linalg.inv(x.T @ w @ x)
    r = vcov @ x.T @ w @ y
    np.testing.assert_allclose(pooled.r, r, rtol=1e-9)
    np.testing.assert_allclose(pooled.vcov, vcov, rtol=1e-8)
    q = float((y - x @ r) @ w @ (y - x @ r))
    assert (pooled.q, pooled.q_df) == (pytest.approx(q, rel=1e-9), y.size - 10)
    assert pooled.q_pvalue == pytest.approx(chi2_sf(q, y.size - 10), rel=1e-6)
    assert (pooled.model, pooled.tau2.tolist()) == ("common", [0.0] * 10)


@pytest.mark.parametrize("acov", ["own", "mean"])
@pytest.mark.parametrize("method", [None, "REML", "ML"])
def test_identical_studies_pool_to_their_matrix(method: str | None, acov: str) -> None:
    matrix = _studies(4, 1).matrices[0]
    pooled = pool_correlation_matrices(_same(6, matrix), method=method, acov=acov)
    np.testing.assert_allclose(pooled.matrix, matrix, atol=1e-9)
    np.testing.assert_allclose(pooled.tau2, 0.0, atol=1e-9)
    np.testing.assert_allclose(pooled.vcov, correlation_covariance(matrix, 1200.0), rtol=1e-6)
    assert (pooled.n_total, pooled.q) == (1200.0, pytest.approx(0.0, abs=1e-9))


def test_a_matrix_that_is_not_positive_definite_is_left_out() -> None:
    studies = _studies(5, 8)
    wrong = studies.matrices.copy()
    wrong[2] = _matrix(np.array([0.9, -0.9, 0.1, 0.1, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1]))
    assert np.linalg.eigvalsh(wrong[2])[0] < 0.0
    found = pool_correlation_matrices(CorrelationStudies(VARIABLES, wrong, studies.n))
    keep = np.arange(8) != 2
    rest = pool_correlation_matrices(
        CorrelationStudies(VARIABLES, studies.matrices[keep], studies.n[keep])
    )
    assert (found.left_out, rest.left_out) == ((2,), ())
    assert (found.n_total, found.k.tolist()) == (rest.n_total, [7] * 10)
    np.testing.assert_allclose(found.r, rest.r, rtol=1e-9)


def test_what_is_left_out_has_no_part_in_the_mean_either() -> None:
    studies = _studies(5, 8)
    wrong = studies.matrices.copy()
    wrong[2] = _matrix(np.array([0.9, -0.9, 0.1, 0.1, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1]))
    keep = np.arange(8) != 2
    found, rest = (
        pool_correlation_matrices(CorrelationStudies(VARIABLES, *one), acov="mean")
        for one in ((wrong, studies.n), (wrong[keep], studies.n[keep]))
    )
    np.testing.assert_allclose(found.r, rest.r, rtol=1e-9)


def _near_the_model(seed: int, k: int = 10) -> CorrelationStudies:
    """Studies that differ by less than sampling error, a little off the model."""
    rng = np.random.default_rng([73, seed])
    upper = PLANNED.implied(TRUE) + rng.normal(0.0, 0.015, 10)
    matrices = [_matrix(upper + rng.normal(0.0, 0.01, 10)) for _ in range(k)]
    return CorrelationStudies(VARIABLES, np.array(matrices), rng.integers(100, 300, k) * 1.0)


@slow
@pytest.mark.parametrize("acov", ["own", "mean"])
@given(seed=st.integers(0, 1000))
def test_one_stage_is_two_stages_without_heterogeneity(acov: str, seed: int) -> None:
    """Every tau2 is 0, and both minimize the same sum of squares."""
    studies = _near_the_model(seed)
    pooled = pool_correlation_matrices(studies, method="ML", acov=acov)
    np.testing.assert_allclose(pooled.tau2, 0.0, atol=1e-9)
    two, one = fit_paths(pooled, PLANNED), fit_paths_one_stage(studies, PLANNED, acov=acov)
    assert (one.status, two.status) == ("ok", "ok")
    np.testing.assert_allclose(one.tau2, 0.0, atol=1e-9)
    np.testing.assert_allclose(one.estimate, two.estimate, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(one.se, two.se, rtol=1e-5)
    assert (one.chi2, one.df) == (pytest.approx(two.chi2, rel=1e-4, abs=1e-6), two.df)
    for chain, (value, se) in two.indirect.items():
        assert one.indirect[chain] == pytest.approx((value, se), rel=1e-4, abs=1e-7)


def test_the_second_stage_is_a_minimum() -> None:
    pooled = pool_correlation_matrices(_studies(6, 15, missing=True))
    fit = fit_paths(pooled, PLANNED)
    weight = np.linalg.inv(pooled.vcov)

    def distance(values: np.ndarray) -> float:
        rest = pooled.r - PLANNED.implied(values)
        return float(rest @ weight @ rest)

    assert fit.chi2 == pytest.approx(distance(fit.estimate), rel=1e-10)
    rng = np.random.default_rng(79)
    for _ in range(200):
        assert distance(fit.estimate + rng.normal(0.0, 0.01, 8)) >= fit.chi2
    assert (fit.df, fit.method) == (2, "two_stage")
    assert fit.pvalue == pytest.approx(chi2_sf(fit.chi2, 2), rel=1e-12)
    np.testing.assert_allclose(fit.ci_ub - fit.estimate, 1.959964 * fit.se, rtol=1e-6)


def test_indirect_effects_are_products() -> None:
    pooled = pool_correlation_matrices(_studies(6, 15))
    fit = fit_paths(pooled, PLANNED)
    place = {name: i for i, name in enumerate(fit.names)}
    first, second = place["attitude -> intention"], place["intention -> behavior"]
    a, b = fit.estimate[[first, second]]
    gradient = np.zeros(fit.estimate.size)
    gradient[[first, second]] = b, a
    value, se = fit.indirect["attitude -> intention -> behavior"]
    assert value == pytest.approx(a * b, rel=1e-12)
    assert se == pytest.approx(math.sqrt(gradient @ fit.vcov @ gradient), rel=1e-9)
    assert set(fit.indirect) == {
        f"{name} -> intention -> behavior" for name in ("norm", "attitude", "control")
    }


def test_known_paths_are_recovered() -> None:
    """20 sets of 25 studies that vary by .1: Monte Carlo errors of mean paths are about .01, and a
    fifth of the sets at most contradicts the model at the 5 % level."""
    sets = [_studies(100 + seed, 25, missing=True) for seed in range(20)]
    fits = [fit_paths(pool_correlation_matrices(one), PLANNED) for one in sets]
    estimates = np.array([one.estimate for one in fits])
    errors = estimates.std(axis=0) / math.sqrt(20)
    assert errors.max() < 0.012
    # Weights by each study's own correlations push their means up by 1 or 2 %.
    np.testing.assert_array_less(np.abs(estimates.mean(axis=0) - TRUE), 3.5 * errors + 0.01)
    inside = np.mean([(one.ci_lb <= TRUE) & (one.ci_ub >= TRUE) for one in fits])
    assert inside > 0.88
    assert sum(one.pvalue < 0.05 for one in fits) <= 4
    assert {one.status for one in fits} == {"ok"}


@pytest.mark.parametrize("seed", range(4))
def test_one_stage_is_close_to_two_with_heterogeneity(seed: int) -> None:
    """Apart by no more than a fifth of a standard error."""
    studies = _studies(100 + seed, 25, missing=True)
    one = fit_paths_one_stage(studies, PLANNED)
    two = fit_paths(pool_correlation_matrices(studies, method="ML"), PLANNED)
    assert (one.status, one.method, one.df) == ("ok", "one_stage", 2)
    np.testing.assert_array_less(np.abs(one.estimate - two.estimate), 0.2 * two.se)
    np.testing.assert_allclose(one.se, two.se, rtol=0.1)
    # A likelihood ratio and a Wald statistic.
    assert one.chi2 == pytest.approx(two.chi2, rel=0.3, abs=0.1)
    assert one.tau2.mean() > 0.004


def test_a_missing_path_is_noticed() -> None:
    """Without the path from attitude the model cannot make the correlations."""
    pooled = pool_correlation_matrices(_studies(7, 30, tau=0.05))
    paths = tuple(path for path in PLANNED.paths if path != ("attitude", "intention"))
    poor, good = (fit_paths(pooled, PathModel(VARIABLES, one)) for one in (paths, PLANNED.paths))
    assert (poor.df, good.df) == (3, 2)
    assert poor.chi2 > good.chi2 + 50.0
    assert poor.pvalue < 1e-10
    assert poor.rmsea > good.rmsea
    assert poor.srmr > 3.0 * good.srmr


def test_root_mean_square_error() -> None:
    assert root_mean_square_error(12.0, 2, 501.0) == pytest.approx(math.sqrt(10.0 / 1000.0))
    assert root_mean_square_error(1.0, 2, 501.0) == 0.0
    assert math.isnan(root_mean_square_error(0.0, 0, 501.0))


def test_refusals_of_models() -> None:
    with pytest.raises(EstimationError, match="behavior -> intention runs backward"):
        PathModel(VARIABLES, (("behavior", "intention"),))
    with pytest.raises(EstimationError, match="intention -> intention runs backward"):
        PathModel(VARIABLES, (("intention", "intention"),))
    with pytest.raises(EstimationError, match="habit -> behavior names an unknown variable"):
        PathModel(VARIABLES, (("habit", "behavior"),))
    pooled = pool_correlation_matrices(_studies(8, 6))
    turned = PathModel(VARIABLES[::-1], (("behavior", "intention"),))
    with pytest.raises(EstimationError, match="must agree, in the same order"):
        fit_paths(pooled, turned)
    with pytest.raises(EstimationError, match="must agree, in the same order"):
        fit_paths_one_stage(_studies(8, 6), turned)


def test_a_path_named_twice() -> None:
    names = VARIABLES[-3:]
    with pytest.raises(EstimationError, match="a path is named twice"):
        PathModel(names, (*pairs_of(names), ("control", "intention")))


def test_refusals_of_studies() -> None:
    studies = _studies(9, 4, missing=False)
    lonely = studies.matrices.copy()
    lonely[1:, 0, 4] = lonely[1:, 4, 0] = np.nan
    for first, count in ((0, 1), (1, 0)):
        made = CorrelationStudies(VARIABLES, lonely[first:], studies.n[first:])
        with pytest.raises(EstimationError, match=f"norm and behavior is in {count} studies"):
            pool_correlation_matrices(made)
    with pytest.raises(EstimationError, match="norm and behavior is in 1 studies"):
        fit_paths_one_stage(CorrelationStudies(VARIABLES, lonely, studies.n), PLANNED)
    with pytest.raises(EstimationError, match="unknown sampling covariances 'pooled'"):
        pool_correlation_matrices(studies, acov="pooled")
    with pytest.raises(EstimationError, match=r"4 x 3 x 3, found \(4, 5, 5\)"):
        CorrelationStudies(VARIABLES[:3], studies.matrices, studies.n)
