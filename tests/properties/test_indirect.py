"""Indirect effects: paths from correlations, and pooling with the covariance of a and b."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.dependent.blocks import make_blocks
from analysis.dependent.multivariate import fit_multivariate
from analysis.errors import EstimationError
from analysis.gap.correlation_matrices import correlation_covariance
from analysis.gap.indirect import (
    PATHS,
    MediationPaths,
    PooledIndirect,
    paths_from_correlations,
    pool_indirect,
)

from .generated import slow

Three = tuple[float, float, float]


def _from_correlations(r: np.ndarray) -> np.ndarray:
    """a, b and direct by regression: the arm's two regressions solved as equations."""
    ram, rab, rmb = r
    b, direct = np.linalg.solve([[1.0, ram], [ram, 1.0]], [rmb, rab])
    return np.array([ram, b, direct])


def _to_correlations(a: np.ndarray, b: np.ndarray, direct: np.ndarray) -> tuple[np.ndarray, ...]:
    """Correlations (arm-intention, arm-behavior, intention-behavior) that the paths make."""
    return a, direct + a * b, b + a * direct


def _matrix(r: np.ndarray) -> np.ndarray:
    ram, rab, rmb = r
    return np.array([[1.0, ram, rab], [ram, 1.0, rmb], [rab, rmb, 1.0]])


@st.composite
def correlations(draw: st.DrawFn) -> np.ndarray:
    """Three correlations of a positive definite matrix."""
    a, b, direct = (draw(st.floats(-0.6, 0.6)) for _ in range(3))
    r = np.array(_to_correlations(a, 0.8 * b, 0.6 * direct))
    return r if np.linalg.eigvalsh(_matrix(r))[0] > 0.02 else 0.5 * r


@given(r=correlations(), n=st.integers(30, 500))
def test_paths_and_covariances(r: np.ndarray, n: int) -> None:
    """Delta method with numerical derivatives of the solved equations."""
    found = paths_from_correlations(*([one] for one in r), [float(n)])
    paths = _from_correlations(r)
    np.testing.assert_allclose([found.a[0], found.b[0], found.direct[0]], paths, atol=1e-12)
    steps = 1e-6 * np.eye(3)
    jacobian = np.array(
        [(_from_correlations(r + h) - _from_correlations(r - h)) / 2e-6 for h in steps]
    ).T
    expected = jacobian @ correlation_covariance(_matrix(r), float(n)) @ jacobian.T
    np.testing.assert_allclose(found.covariance[0], expected, rtol=1e-6, atol=1e-9)
    assert found.indirect[0] == pytest.approx(paths[0] * paths[1], abs=1e-14)
    assert found.indirect[0] + found.direct[0] == pytest.approx(r[1], abs=1e-12)
    gradient = np.array([paths[1], paths[0], 0.0])
    assert found.indirect_variance[0] == pytest.approx(gradient @ expected @ gradient, rel=1e-5)
    assert found.indirect_direct_covariance[0] == pytest.approx(
        gradient @ expected[:, 2], rel=1e-5, abs=1e-9
    )


def test_trials_are_rows() -> None:
    r = np.array([[0.3, 0.2, 0.4], [0.1, 0.05, 0.6], [-0.2, 0.1, 0.3]])
    n = np.array([100.0, 200.0, 300.0])
    found = paths_from_correlations(*r.T, n)
    for i in range(3):
        one = paths_from_correlations(*r[i], n[i])
        np.testing.assert_allclose(found.covariance[i], one.covariance[0], rtol=1e-13)
        assert found.indirect[i] == pytest.approx(one.indirect[0], rel=1e-13)
    mirrored = paths_from_correlations(-r[:, 0], -r[:, 1], r[:, 2], n)
    np.testing.assert_allclose(mirrored.indirect, -found.indirect, rtol=1e-12)
    np.testing.assert_allclose(mirrored.indirect_variance, found.indirect_variance, rtol=1e-12)


def test_covariances_by_simulation() -> None:
    """20,000 samples of 250 persons: the Monte Carlo error of a variance is 1 %."""
    r, n, sets = np.array([0.3, 0.35, 0.5]), 250, 20_000
    rng = np.random.default_rng(59)
    root = np.linalg.cholesky(_matrix(r))
    # Wishart matrices by Bartlett's decomposition.
    lower = np.zeros((sets, 3, 3))
    for i in range(3):
        lower[:, i, i] = np.sqrt(rng.chisquare(n - 1 - i, sets))
        lower[:, i, :i] = rng.standard_normal((sets, i))
    s = root @ lower @ np.swapaxes(root @ lower, 1, 2)
    sd = np.sqrt(np.diagonal(s, axis1=1, axis2=2))
    sample = s / sd[:, :, None] / sd[:, None, :]
    drawn = paths_from_correlations(
        sample[:, 0, 1], sample[:, 0, 2], sample[:, 1, 2], np.full(sets, float(n))
    )
    known = paths_from_correlations(*r, float(n))
    empirical = np.cov(np.array([drawn.a, drawn.b, drawn.direct]))
    size = np.sqrt(np.outer(*[np.diag(known.covariance[0])] * 2))
    # Large-sample formulas: an error of the order of 1/n remains.
    np.testing.assert_allclose(empirical / size, known.covariance[0] / size, atol=0.03)
    assert drawn.indirect.var() == pytest.approx(known.indirect_variance[0], rel=0.04)
    crossed = np.cov(drawn.indirect, drawn.direct)[0, 1]
    assert crossed / math.sqrt(known.indirect_variance[0] * known.covariance[0, 2, 2]) == (
        pytest.approx(
            known.indirect_direct_covariance[0]
            / math.sqrt(known.indirect_variance[0] * known.covariance[0, 2, 2]),
            abs=0.03,
        )
    )


def _trials(
    seed: int,
    k: int,
    *,
    correlation: float = 0.8,
    spread: float = 0.12,
    mean: Three = (0.3, 0.4, 0.1),
) -> MediationPaths:
    """Trials of 150 to 400 persons whose a and b go together."""
    rng = np.random.default_rng([61, seed])
    tau = np.diag([spread**2, spread**2, 0.05**2])
    tau[0, 1] = tau[1, 0] = correlation * spread**2
    a, b, direct = rng.multivariate_normal(mean, tau, k).T
    true = np.array(_to_correlations(a, b, direct)).T
    n = rng.integers(150, 400, k).astype(float)
    noisy = [
        rng.multivariate_normal(r, correlation_covariance(_matrix(r), size))
        for r, size in zip(true, n, strict=True)
    ]
    return paths_from_correlations(*np.array(noisy).T, n)


@pytest.fixture(scope="module")
def twenty() -> MediationPaths:
    return _trials(1, 20)


@pytest.fixture(scope="module")
def pooled(twenty: MediationPaths) -> PooledIndirect:
    return pool_indirect(twenty)


def test_the_covariance_of_a_and_b_enters(twenty: MediationPaths, pooled: PooledIndirect) -> None:
    y = np.stack([twenty.a, twenty.b, twenty.direct], axis=1).ravel()
    labels = [i for i in range(20) for _ in PATHS]
    blocks = make_blocks(y, list(twenty.covariance), labels, list(PATHS) * 20, outcome_names=PATHS)
    fit = fit_multivariate(blocks)
    assert (pooled.mu_a, pooled.mu_b, pooled.direct) == pytest.approx(tuple(fit.beta), rel=1e-9)
    assert pooled.product == pytest.approx(fit.beta[0] * fit.beta[1], rel=1e-9)
    assert pooled.tau_ab == pytest.approx(fit.tau[0, 1], rel=1e-6)
    assert pooled.tau_ab > 0.003
    assert pooled.indirect == pooled.product + pooled.tau_ab
    assert pooled.total == pooled.indirect + pooled.direct
    assert pooled.proportion == pytest.approx(pooled.indirect / pooled.total)
    assert (pooled.k, pooled.status, pooled.reason) == (20, fit.status, "")


@pytest.mark.parametrize("name", ["indirect", "direct", "total", "proportion"])
def test_limits_surround_their_estimate(pooled: PooledIndirect, name: str) -> None:
    lower, value, upper = (getattr(pooled, f"{name}{end}") for end in ("_lb", "", "_ub"))
    assert lower < value < upper


def test_limits_of_the_direct_effect_are_normal(
    twenty: MediationPaths, pooled: PooledIndirect
) -> None:
    """The quantiles of 20,000 draws are within 3 % of a standard error of the exact ones."""
    half = (pooled.direct_ub - pooled.direct_lb) / 2.0
    exact = pool_indirect(twenty, draws=200_000, seed=2)
    assert half == pytest.approx((exact.direct_ub - exact.direct_lb) / 2.0, rel=0.03)
    middle = (pooled.direct_lb + pooled.direct_ub) / 2.0
    assert middle == pytest.approx(pooled.direct, abs=0.05 * half)
    narrow = pool_indirect(twenty, level=0.8)
    assert narrow.indirect_ub - narrow.indirect_lb < pooled.indirect_ub - pooled.indirect_lb
    assert narrow.level == 0.8


@slow
@given(seed=st.integers(0, 1000))
def test_limits_are_reproducible(seed: int) -> None:
    trials = _trials(seed, 8)
    first, again, other = (
        pool_indirect(trials, draws=2000, seed=one) for one in (seed, seed, seed + 1)
    )
    assert str(first) == str(again)
    assert (first.indirect, first.tau_ab) == (other.indirect, other.tau_ab)
    assert first.indirect_lb != other.indirect_lb


@pytest.mark.parametrize("correlation", [-0.8, 0.0, 0.8])
def test_the_mean_indirect_effect_is_recovered(correlation: float) -> None:
    """30 sets of 40 trials: E[a b] = .3 x .4 + tau_ab, and tau_ab is not in the product of means.

    Monte Carlo errors are about .002 (indirect) and .0005 (tau_ab). Correlations have smaller
    variances the larger they are, so weights by trials' own ones push the means up by 1.5 % and
    the indirect effect by .003.
    """
    tau_ab = correlation * 0.12**2
    made = [pool_indirect(_trials(i, 40, correlation=correlation), draws=2000) for i in range(30)]
    for name, truth, pushed in (("indirect", 0.12 + tau_ab, 0.004), ("tau_ab", tau_ab, 0.0)):
        values = np.array([getattr(one, name) for one in made])
        error = values.std() / math.sqrt(values.size)
        assert error < 0.003
        assert values.mean() == pytest.approx(truth, abs=pushed + 3.0 * error), name
    covered = [one.indirect_lb <= 0.12 + tau_ab <= one.indirect_ub for one in made]
    assert np.mean(covered) >= 0.85, "Monte Carlo error .04"


def test_few_trials_have_no_covariance_of_a_and_b() -> None:
    found = pool_indirect(_trials(2, 4))
    assert (found.status, found.tau_ab) == ("no_tau_ab", 0.0)
    assert found.indirect == found.product
    assert found.indirect_lb < found.indirect < found.indirect_ub


def test_an_unclear_total_has_no_proportion() -> None:
    found = pool_indirect(_trials(3, 10, mean=(0.1, 0.1, -0.01)))
    assert found.total_lb < 0.0 < found.total_ub
    assert all(math.isnan(one) for one in (found.proportion, found.proportion_lb))
    assert "not clearly different from 0" in found.reason


def test_identical_trials_are_at_the_boundary() -> None:
    """Nothing varies between trials, and the mean path is that of every trial."""
    paths = paths_from_correlations(np.full(8, 0.3), np.full(8, 0.2), np.full(8, 0.4), 300.0)
    found = pool_indirect(paths)
    assert found.status == "boundary"
    assert found.indirect == pytest.approx(0.3 * paths.b[0], abs=1e-6)
    assert found.tau_ab == pytest.approx(0.0, abs=1e-7)
    # Then the variance is that of the delta method over 8 (a and b are far from 0).
    half = (found.indirect_ub - found.indirect_lb) / 2.0
    assert half == pytest.approx(1.96 * math.sqrt(paths.indirect_variance[0] / 8.0), rel=0.05)


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_both_methods_agree_with_many_trials(method: str) -> None:
    trials = _trials(4, 60)
    found, other = pool_indirect(trials, method=method), pool_indirect(trials)
    assert found.indirect == pytest.approx(other.indirect, abs=0.002)


def test_refusals() -> None:
    with pytest.raises(EstimationError, match="at least 2 trials"):
        pool_indirect(_trials(5, 1))
    for r in ((0.9, -0.9, 0.9), (1.0, 0.2, 0.2)):
        columns = [np.array([0.3, one]) for one in r]
        with pytest.raises(EstimationError, match=r"contradict each other \(row 1\)"):
            paths_from_correlations(*columns, 100.0)
    with pytest.raises(EstimationError, match="r_arm_behavior has 2 values where others have 3"):
        paths_from_correlations([0.1] * 3, [0.1] * 2, [0.1] * 3, 100.0)
    with pytest.raises(EstimationError, match="unknown model"):
        pool_indirect(_trials(5, 6), method="DL")
