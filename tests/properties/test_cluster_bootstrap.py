"""The bootstrap of whole trials: what must hold whatever is estimated."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from analysis.bias.cluster_bootstrap import LARGEST_SHARE_FAILED, cluster_bootstrap
from analysis.bias.regression_tests import regression_test
from analysis.errors import EstimationError
from analysis.univariate.pooling import fit_random_effects

Floats = np.ndarray
Estimator = Callable[[Floats, Floats], ArrayLike]


def _mean(y: Floats, v: Floats) -> float:
    return float((y / v).sum() / (1.0 / v).sum())


def _mean_and_spread(y: Floats, v: Floats) -> list[float]:
    return [_mean(y, v), float(y.std())]


def _mean_and_slope(y: Floats, v: Floats) -> list[float]:
    found = regression_test(y, v, model="multiplicative")
    return [found.limit, found.slope]


@st.composite
def clustered(draw: st.DrawFn) -> tuple[Floats, Floats, list[str]]:
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    sizes = rng.integers(1, 4, draw(st.integers(5, 9)))
    trial = np.repeat(np.arange(sizes.size), sizes)
    order = rng.permutation(trial.size)
    vi = rng.uniform(0.01, 0.2, trial.size)
    yi = 0.3 + rng.normal(0.0, 0.2, sizes.size)[trial] + rng.normal(0.0, np.sqrt(vi))
    return yi[order], vi[order], [f"trial {one}" for one in trial[order]]


Sample = tuple[Floats, Floats, list[str]]


@pytest.mark.parametrize("estimator", [_mean, _mean_and_spread])
@given(sample=clustered(), seed=st.integers(0, 100))
def test_the_same_seed_gives_the_same_numbers(
    estimator: Estimator, sample: Sample, seed: int
) -> None:
    yi, vi, trial = sample
    first, second, other = (
        cluster_bootstrap(estimator, yi, vi, trial, draws=60, seed=one)
        for one in (seed, seed, seed + 1)
    )
    for name in ("estimate", "se", "ci_lb", "ci_ub"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    np.testing.assert_array_equal(first.estimate, np.atleast_1d(estimator(yi, vi)))
    assert (other.se != first.se).all()
    assert (first.clusters, first.draws, first.failed) == (len(set(trial)), 60, 0)


@given(sample=clustered(), level=st.sampled_from([0.8, 0.95]))
def test_single_effects_are_an_ordinary_bootstrap(sample: Sample, level: float) -> None:
    yi, vi, _ = sample
    k, draws = yi.size, 80
    found = cluster_bootstrap(_mean, yi, vi, range(k), draws=draws, seed=3, level=level)
    rng = np.random.default_rng(3)
    rows = [rng.integers(0, k, k) for _ in range(draws)]
    values = np.array([_mean(yi[one], vi[one]) for one in rows])
    assert found.se[0] == pytest.approx(values.std(ddof=1), rel=1e-12)
    limits = np.quantile(values, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    np.testing.assert_allclose([found.ci_lb[0], found.ci_ub[0]], limits, rtol=1e-12)


@given(sample=clustered())
def test_trials_stay_together(sample: Sample) -> None:
    """A sample has as many trials as the data, each with all its effects."""
    yi, vi, trial = sample
    members: dict[str, set[float]] = {}
    for y, one in zip(yi, trial, strict=True):
        members.setdefault(one, set()).add(y)
    of_effect = {y: frozenset(group) for group in members.values() for y in group}
    seen: list[int] = []

    def watch(y: Floats, v: Floats) -> float:
        values, counts = np.unique(y, return_counts=True)
        times = dict(zip(values, counts, strict=True))
        for value in values:
            assert {times[other] for other in of_effect[value]} == {times[value]}
        seen.append(sum(int(times[min(group)]) for group in {of_effect[y] for y in values}))
        assert all(vi[yi == one][0] == two for one, two in zip(y, v, strict=True))
        return float(y.mean())

    cluster_bootstrap(watch, yi, vi, trial, draws=50)
    assert seen == [len(members)] * 51


@given(sample=clustered(), c=st.sampled_from([-1.0, 0.5, -4.0]))
def test_units_and_signs_of_the_limits(sample: Sample, c: float) -> None:
    yi, vi, trial = sample
    first = cluster_bootstrap(_mean, yi, vi, trial, draws=60)
    second = cluster_bootstrap(_mean, c * yi, c**2 * vi, trial, draws=60)
    limits = np.sort([c * first.ci_lb[0], c * first.ci_ub[0]])
    np.testing.assert_allclose([second.ci_lb[0], second.ci_ub[0]], limits, rtol=1e-9)
    np.testing.assert_allclose(second.se, abs(c) * first.se, rtol=1e-9)


def _failing(every: int) -> Estimator:
    """An estimator that gives nothing at every so many calls after the first."""
    calls = -1

    def estimator(y: Floats, v: Floats) -> float:
        nonlocal calls
        calls += 1
        if calls and calls % every == 0:
            raise EstimationError("nothing")
        return _mean(y, v)

    return estimator


def _data() -> tuple[Floats, Floats, list[int]]:
    rng = np.random.default_rng(12)
    vi = rng.uniform(0.01, 0.2, 20)
    return rng.normal(0.3, np.sqrt(vi + 0.03)), vi, np.repeat(np.arange(10), 2).tolist()


def test_failures_are_counted() -> None:
    found = cluster_bootstrap(_failing(8), *_data(), draws=100)
    assert (found.failed, found.draws, found.reason) == (12, 100, "")
    assert np.isfinite([found.se[0], found.ci_lb[0], found.ci_ub[0]]).all()


def test_too_many_failures_leave_no_limits() -> None:
    found = cluster_bootstrap(_failing(4), *_data(), draws=100)
    assert found.failed == 25 > LARGEST_SHARE_FAILED * 100
    assert found.reason == "25 of 100 bootstrap samples could not be estimated"
    assert found.estimate[0] == pytest.approx(_mean(*_data()[:2]))
    assert np.isnan([found.se[0], found.ci_lb[0], found.ci_ub[0]]).all()
    just = cluster_bootstrap(_failing(5), *_data(), draws=100)
    assert (just.failed, just.reason) == (20, "")


def test_fewer_than_fifty_samples_have_no_limits() -> None:
    assert math.isnan(cluster_bootstrap(_mean, *_data(), draws=49).ci_lb[0])
    assert math.isfinite(cluster_bootstrap(_mean, *_data(), draws=50).ci_lb[0])


def test_samples_that_cannot_be_estimated_are_failures() -> None:
    """Two trials are less precise than the other two: a sample of either kind has no slope."""
    rng = np.random.default_rng(12)
    imprecise = np.array([False, False, True, True])
    vi = np.where(imprecise, 0.09, 0.02).repeat(3)
    yi = rng.normal(0.3, np.sqrt(vi))
    found = cluster_bootstrap(_mean_and_slope, yi, vi, np.repeat(range(4), 3), draws=200)
    rng = np.random.default_rng(1)
    kinds = [imprecise[rng.integers(0, 4, 4)] for _ in range(200)]
    assert found.failed == sum(bool(one.all() or not one.any()) for one in kinds) > 0
    assert (found.se.shape, found.reason) == ((2,), "")
    assert (found.ci_lb < found.ci_ub).all()


def test_an_estimator_that_fails_for_the_data_is_not_hidden() -> None:
    def estimator(y: Floats, v: Floats) -> float:
        raise EstimationError("nothing to estimate")

    with pytest.raises(EstimationError, match="nothing to estimate"):
        cluster_bootstrap(estimator, *_data())


def test_other_errors_of_an_estimator_are_not_failures() -> None:
    def estimator(y: Floats, v: Floats) -> float:
        return 1.0 if np.unique(y).size == 20 else math.sqrt(-1.0)

    with pytest.raises(ValueError, match=r"math domain|nonnegative"):
        cluster_bootstrap(estimator, *_data(), draws=50)


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        ([1, 1, 2, 2], "needs at least 3 trials, found 2"),
        ([1, 2, 3], "cluster has 3 values, the effects have 4"),
    ],
)
def test_impossible_clusters(cluster: list[int], message: str) -> None:
    with pytest.raises(EstimationError, match=message):
        cluster_bootstrap(_mean, [0.1, 0.5, 0.4, 0.2], [0.04, 0.02, 0.09, 0.03], cluster)


def test_dependent_effects_have_a_larger_error_than_single_ones() -> None:
    """Within a fifth of the standard deviation of trial means in 40 equal trials of 4 effects; an
    ordinary bootstrap takes the effects of a trial for independent ones."""
    rng = np.random.default_rng(21)
    trial = np.repeat(np.arange(40), 4)
    yi = 0.2 + rng.normal(0.0, 0.3, 40)[trial] + rng.normal(0.0, 0.1, 160)
    vi = np.full(160, 0.01)
    whole = cluster_bootstrap(_mean, yi, vi, trial)
    single = cluster_bootstrap(_mean, yi, vi, np.arange(160))
    expected = yi.reshape(40, 4).mean(axis=1).std(ddof=1) / math.sqrt(40)
    assert whole.se[0] == pytest.approx(expected, rel=0.2)
    assert single.se[0] < 0.7 * whole.se[0]
    assert whole.ci_lb[0] < fit_random_effects(yi, vi).mu < whole.ci_ub[0]
