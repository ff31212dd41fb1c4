"""The likelihood at many points at once is the likelihood at each, with its derivatives; Newton's
steps end where a quasi-Newton search from the same starts ends, or higher."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.dependent import multivariate
from analysis.dependent.blocks import EffectBlocks, make_blocks
from analysis.dependent.likelihood import (
    element_derivatives,
    log_likelihood_at,
    solve,
    variance_basis,
    variance_score,
)
from analysis.dependent.multivariate import fit_multivariate, rescaled, typical_size
from analysis.dependent.newton import climb
from analysis.dependent.parametrization import Parametrization, directions, within_index
from analysis.dependent.robust import robust_covariance
from analysis.dependent.robust_many import robust_many
from analysis.dependent.scoring import (
    arrange,
    cholesky_objective,
    constants,
    elements_at,
    evaluate,
)

KINDS = (("a",), ("b",), ("a", "b"), ("b", "a"))


def made(
    m: int, seed: int, *, most: int = 3, share: float = 0.4, design: bool = False,
    only: np.ndarray | None = None, spread: float = 0.3,
) -> EffectBlocks:  # fmt: skip
    """m trials with one or both outcomes, some with more effects on b (and a few on a)."""
    rng = np.random.default_rng(seed)
    y: list[float] = []
    v, trial, outcome = [], [], []
    for i in range(m):
        kinds = list(KINDS[rng.integers(4)] if i > 3 else KINDS[2])
        if rng.random() < share:
            kinds += ["b"] * int(rng.integers(1, most + 1)) + ["a"] * int(rng.random() < 0.2)
        s = rng.uniform(0.1, 0.3, len(kinds))
        matrix = np.full((s.size, s.size), 0.5) + 0.5 * np.eye(s.size)
        effects = rng.normal(0.2, spread) + rng.normal(0.0, 0.2, s.size)
        if only is not None and not only[i]:
            continue
        y += effects.tolist()
        v.append(matrix * np.outer(s, s))
        trial += [i] * s.size
        outcome += kinds
    x = None
    if design:
        z = rng.normal(size=m)[np.array(trial)]
        indicators = (np.array(outcome)[:, None] == np.array(["a", "b"])).astype(float)
        x = np.column_stack([indicators, indicators * z[:, None]])
    return make_blocks(y, v, trial, outcome, outcome_names=["a", "b"], design=x)


def elements(count: int) -> np.ndarray:
    points = [[0.1, 0.03, 0.08, 0.02, 0.01], [0.3, -0.1, 0.05, 0.001, 0.2], [0.01, 0.0, 0.0, 0, 0]]
    return np.array(points)[:, :count]


@pytest.mark.parametrize("design", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.5])
@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("most", [3, 9])
def test_values_and_derivatives_are_those_of_one_point(
    design: bool, share: float, restricted: bool, most: int
) -> None:
    blocks = made(24, 1, share=share, design=design, most=most)
    index = within_index(blocks, "replicated")
    taus, omegas, _ = directions(2, "UN", index)
    points = elements(len(taus))
    found = evaluate(arrange(blocks, taus, omegas), points, restricted)
    add = constants(blocks.k, blocks.p, blocks.design_logdet, restricted)
    basis = variance_basis(blocks, taus, omegas)
    for i, point in enumerate(points):
        tau = sum(e * one for e, one in zip(taus, point, strict=True))
        omega = sum(e * one for e, one in zip(omegas, point, strict=True))
        one = solve(blocks, tau, omega, restricted)
        assert found.value[i] + add == pytest.approx(one.loglik, rel=1e-12)
        np.testing.assert_allclose(found.beta[i], one.beta, rtol=1e-10)
        np.testing.assert_allclose(found.m[i], one.m, rtol=1e-10)
        np.testing.assert_allclose(
            found.score[i], variance_score(one, basis, restricted), rtol=1e-8, atol=1e-8
        )
        observed, _ = element_derivatives(blocks, one, taus, omegas, restricted)
        np.testing.assert_allclose(found.observed[i], observed, rtol=1e-8, atol=1e-7)


def test_trials_that_do_not_count_are_as_if_absent() -> None:
    whole, m = made(60, 2), 60
    counted = np.ones((3, m))
    counted[0, 7] = counted[1, [4, 30, 31]] = counted[2, 50:] = 0.0
    taus, omegas, _ = directions(2, "UN", within_index(whole, "replicated"))
    points = elements(len(taus))
    arranged = arrange(whole, taus, omegas)
    found = evaluate(arranged, points, True, counted=counted)
    robust = robust_many(arranged, points, found, counted)
    contrast = np.array([[1.0, -1.0], [0.3, 1.0], [1.0, 0.0]])
    df = robust.df(contrast)
    for i in range(3):
        part = made(m, 2, only=counted[i] > 0)
        one = evaluate(arrange(part, taus, omegas), points[i : i + 1], True)
        assert found.value[i] == pytest.approx(one.value[0], rel=1e-12)
        np.testing.assert_allclose(found.beta[i], one.beta[0], rtol=1e-10)
        np.testing.assert_allclose(found.score[i], one.score[0], rtol=1e-8)
        np.testing.assert_allclose(found.observed[i], one.observed[0], rtol=1e-8, atol=1e-6)
        tau = sum(e * p for e, p in zip(taus, points[i], strict=True))
        omega = sum(e * p for e, p in zip(omegas, points[i], strict=True))
        pieces = solve(part, tau, omega, True)
        fit = replace(
            fit_multivariate(part, within="replicated"), tau=tau, omega=omega, vb=pieces.m,
            beta=pieces.beta,
        )  # fmt: skip
        expected = robust_covariance(fit, "CR2")
        np.testing.assert_allclose(robust.vcov[i], expected.vcov, rtol=1e-9)
        assert df[i] == pytest.approx(expected.df(contrast[i]), rel=1e-9)


def by_quasi_newton(blocks: EffectBlocks, structure: str, restricted: bool) -> float:
    """The highest likelihood of quasi-Newton searches from every start."""
    index, unit = within_index(blocks, "replicated"), typical_size(blocks)
    taus, omegas, _ = directions(2, structure, index)
    parametrization = Parametrization(2, structure, index)
    scaled = rescaled(blocks, unit)
    basis = variance_basis(scaled, taus, omegas)

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        pieces = solve(scaled, *parametrization.expand(theta), restricted)
        score = variance_score(pieces, basis, restricted)
        return -pieces.loglik, -(parametrization.jacobian(theta).T @ score)

    theta = multivariate._maximize(objective, parametrization.starts(1.0))
    tau, omega = parametrization.expand(theta)
    return log_likelihood_at(blocks, tau * unit, omega * unit, restricted)


@given(
    m=st.integers(5, 30), seed=st.integers(0, 10**6), share=st.sampled_from([0.0, 0.4]),
    structure=st.sampled_from(["UN", "DIAG", "ID"]), restricted=st.booleans(),
    spread=st.sampled_from([0.0, 0.02, 0.3]),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_no_likelihood_is_lower_than_that_of_quasi_newton_searches(
    m: int, seed: int, share: float, structure: str, restricted: bool, spread: float
) -> None:
    blocks = made(m, seed, share=share, spread=spread)
    method = "REML" if restricted else "ML"
    fit = fit_multivariate(blocks, structure=structure, within="replicated", method=method)
    assert fit.loglik >= by_quasi_newton(blocks, structure, restricted) - 1e-9
    assert fit.gradient <= 1e-6


def test_elements_and_slopes_of_a_quadratic_parametrization() -> None:
    parametrization = Parametrization(2, "UN", [-1, 0])
    theta = np.array([0.4, -0.2, 0.3, 0.7])
    tau, omega = parametrization.expand(theta)
    found = elements_at(parametrization.curvature, theta[None])[0]
    np.testing.assert_allclose(found, [tau[0, 0], tau[1, 0], tau[1, 1], omega[1]], rtol=1e-12)
    np.testing.assert_allclose(
        parametrization.curvature @ theta, parametrization.jacobian(theta), rtol=1e-12
    )


def test_climbs_leave_saddles_that_they_do_not_start_from() -> None:
    """-(x^2 - 1)^2 / 4 - y^2 from both sides of its saddle at 0, and from far away."""

    def objective(points: np.ndarray, rows: np.ndarray) -> tuple[Any, Any, Any]:
        x, y = points.T
        hessian = np.zeros((x.size, 2, 2))
        hessian[:, 0, 0], hessian[:, 1, 1] = 3.0 * x**2 - 1.0, 2.0
        return -((x**2 - 1) ** 2) / 4 - y**2, np.stack([x**3 - x, 2 * y], axis=1), hessian

    found = climb(objective, np.array([[1e-3, 0.5], [-1e-3, 0.5], [9.0, -4.0]]))
    np.testing.assert_allclose(found.theta, [[1, 0], [-1, 0], [1, 0]], atol=1e-9)
    assert (found.left < 1e-9).all() and (np.abs(found.value) < 1e-15).all()


def test_objective_is_that_of_the_problems_it_is_asked_for() -> None:
    blocks = made(12, 4)
    index = within_index(blocks, "replicated")
    taus, omegas, _ = directions(2, "UN", index)
    counted = np.ones((2, 12))
    counted[1, 5] = 0.0
    curvature = Parametrization(2, "UN", index).curvature
    arranged = arrange(blocks, taus, omegas)
    both = cholesky_objective(arranged, curvature, True, counted)
    theta = np.full((2, curvature.shape[1]), 0.3)
    value, slope, hessian = both(theta, np.array([0, 1]))
    (last,), _, _ = both(theta[:1], np.array([1]))
    assert value[0] != value[1] and last == pytest.approx(value[1], rel=1e-12)
    step = 1e-6
    for n in range(curvature.shape[1]):
        moved = np.zeros_like(theta)
        moved[:, n] = step
        (up, slope_up, _), (down, slope_down, _) = (
            both(theta + one, np.array([0, 1])) for one in (moved, -moved)
        )
        np.testing.assert_allclose(-(up - down) / (2 * step), slope[:, n], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(
            (slope_up - slope_down) / (2 * step), hessian[:, n], rtol=1e-5, atol=1e-5
        )
