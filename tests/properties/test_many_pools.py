"""Many pools in one call are the pools one by one, and many roots the roots one by one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.errors import EstimationError
from analysis.rootfinding import find_root, find_roots
from analysis.univariate import batch
from analysis.univariate.influence import influence
from analysis.univariate.many import Pools, cumulative, leave_one_out, pool_subsets
from analysis.univariate.meta_regression import CI_METHODS
from analysis.univariate.pooling import fit_random_effects
from analysis.univariate.tau2 import TAU2_METHODS

from .generated import studies

Studies = tuple[np.ndarray, np.ndarray]
Subsets = tuple[np.ndarray, np.ndarray, np.ndarray]
every_estimator = pytest.mark.parametrize("method", TAU2_METHODS)
intervals = st.sampled_from(sorted(CI_METHODS))
levels = st.sampled_from([0.8, 0.95, 0.99])
CLOSE = 1e-9


@st.composite
def subsets(draw: st.DrawFn, most: int = 5) -> Subsets:
    """Effects, variances and subsets of one effect or more; some hold one, some all."""
    yi, vi = draw(studies(smallest=1, largest=9))
    rows = []
    for _ in range(draw(st.integers(1, most))):
        row = draw(st.lists(st.booleans(), min_size=yi.size, max_size=yi.size))
        row[draw(st.integers(0, yi.size - 1))] = True
        rows.append(row)
    return yi, vi, np.array(rows)


def _assert_one_by_one(
    sample: Subsets, pools: Pools, *, method: str, ci_method: str, level: float = 0.95
) -> None:
    yi, vi, member = sample
    assert len(pools.k) == len(member)
    for i, row in enumerate(member):
        fit = fit_random_effects(yi[row], vi[row], method=method, ci_method=ci_method, level=level)
        spread = float(vi[row].min() + yi[row].var())
        found = [pools.mu[i], pools.se[i], pools.ci_lb[i], pools.ci_ub[i]]
        np.testing.assert_allclose(
            found, [fit.mu, fit.se, fit.ci_lb, fit.ci_ub], rtol=CLOSE, atol=CLOSE * spread**0.5
        )
        np.testing.assert_allclose(pools.tau2[i], fit.tau2, rtol=CLOSE, atol=CLOSE * spread)
        np.testing.assert_allclose(pools.q[i], fit.heterogeneity.q, rtol=CLOSE, atol=CLOSE)
        np.testing.assert_allclose(pools.i2[i], fit.heterogeneity.i2, rtol=CLOSE, atol=100 * CLOSE)
        assert pools.k[i] == fit.k
        np.testing.assert_allclose(pools.df[i], fit.df, rtol=1e-6)


@every_estimator
@given(sample=subsets(), ci_method=intervals, level=levels)
def test_subsets_are_pooled_as_one_by_one(
    method: str, sample: Subsets, ci_method: str, level: float
) -> None:
    pools = pool_subsets(*sample, method=method, ci_method=ci_method, level=level)
    _assert_one_by_one(sample, pools, method=method, ci_method=ci_method, level=level)


@every_estimator
@given(sample=subsets(), ci_method=intervals)
def test_subsets_without_heterogeneity(method: str, sample: Subsets, ci_method: str) -> None:
    yi, vi, member = sample
    yi = yi.mean() + 1e-3 * (yi - yi.mean())  # far more alike than sampling error allows
    pools = pool_subsets(yi, vi, member, method=method, ci_method=ci_method)
    _assert_one_by_one((yi, vi, member), pools, method=method, ci_method=ci_method)
    if method != "SJ":  # never 0 by construction
        assert (pools.tau2[pools.k > 1] == 0.0).all()


@every_estimator
@pytest.mark.parametrize("c", [1e-3, 1e3])
@given(sample=subsets(), ci_method=intervals)
def test_units_scale_the_means_and_tau2(
    method: str, c: float, sample: Subsets, ci_method: str
) -> None:
    yi, vi, member = sample
    plain = pool_subsets(yi, vi, member, method=method, ci_method=ci_method)
    scaled = pool_subsets(c * yi, c**2 * vi, member, method=method, ci_method=ci_method)
    spread = float(vi.min() + yi.var())
    for name in ("mu", "se", "ci_lb", "ci_ub"):
        np.testing.assert_allclose(
            getattr(scaled, name), c * getattr(plain, name), rtol=1e-8, atol=1e-8 * c * spread**0.5
        )
    np.testing.assert_allclose(scaled.tau2, c**2 * plain.tau2, rtol=1e-8, atol=1e-8 * c**2 * spread)
    np.testing.assert_allclose(scaled.q, plain.q, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(scaled.i2, plain.i2, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_likelihoods_with_several_maxima(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few studies with variances over five decades, each left out in turn: the global maximum
    of every subset, where a subset with several maxima goes the way of a single fit."""
    left_to_one_fit = []
    one_fit = batch._one
    monkeypatch.setattr(batch, "_one", lambda *a: (left_to_one_fit.append(1), one_fit(*a))[1])
    for number in range(40):
        rng = np.random.default_rng([11, number])
        k = int(rng.integers(3, 9))
        vi = 10.0 ** rng.uniform(-4.0, 1.0, k)
        yi = rng.normal(0.0, np.sqrt(vi)) + rng.choice([0.0, 3.0], k, p=[0.7, 0.3])
        member = leave_one_out(k)
        pools = pool_subsets(yi, vi, member, method=method)
        _assert_one_by_one((yi, vi, member), pools, method=method, ci_method="knapp_hartung")
    assert len(left_to_one_fit) >= 3, "the sets are meant to be awkward"


@given(sample=subsets())
def test_the_order_and_company_of_subsets_do_not_matter(sample: Subsets) -> None:
    yi, vi, member = sample
    together = pool_subsets(yi, vi, member)
    for i, row in enumerate(member):
        alone = pool_subsets(yi, vi, row[None, :])
        np.testing.assert_allclose(alone.mu[0], together.mu[i], rtol=CLOSE, atol=CLOSE)
        np.testing.assert_allclose(alone.tau2[0], together.tau2[i], rtol=CLOSE, atol=CLOSE)


def test_more_subsets_than_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    yi, vi = rng.normal(size=6), rng.uniform(0.05, 0.5, 6)
    member = np.vstack([leave_one_out(6), cumulative(np.arange(6))])
    whole = pool_subsets(yi, vi, member)
    monkeypatch.setattr(batch, "_BLOCK", 30)
    parts = pool_subsets(yi, vi, member)
    np.testing.assert_allclose(parts.mu, whole.mu, rtol=1e-12)
    assert parts.k.tolist() == whole.k.tolist()


def test_an_empty_subset_has_no_mean() -> None:
    pools = pool_subsets([0.1, 0.4], [0.1, 0.2], [[False, False], [True, True]])
    nothing = [pools.mu[0], pools.ci_lb[0], pools.ci_ub[0], pools.tau2[0], pools.q[0], pools.i2[0]]
    assert np.isnan(nothing).all()
    assert pools.k.tolist() == [0, 2]
    assert np.isfinite(pools.mu[1])


def test_the_subsets_of_leaving_out_and_accumulating() -> None:
    assert leave_one_out(3).tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    assert cumulative([2, 0, 1]).tolist() == [[0, 0, 1], [1, 0, 1], [1, 1, 1]]


@given(sample=studies())
def test_influence_without_a_study_is_the_pool_of_the_others(sample: Studies) -> None:
    yi, vi = sample
    found, everyone = influence(yi, vi), fit_random_effects(yi, vi)
    without = found.without
    _assert_one_by_one(
        (yi, vi, leave_one_out(yi.size)), without, method="REML", ci_method="knapp_hartung"
    )
    np.testing.assert_allclose(found.shift, without.mu - everyone.mu, atol=1e-12)
    assert found.weight.sum() == pytest.approx(100.0, rel=1e-12)
    assert (found.cook >= 0.0).all()
    np.testing.assert_allclose(np.sign(found.dffits), -np.sign(found.shift))


@given(sample=studies())
def test_the_opposite_direction_has_the_same_influence(sample: Studies) -> None:
    yi, vi = sample
    found, mirror = influence(yi, vi), influence(-yi, vi)
    np.testing.assert_allclose(mirror.rstudent, -found.rstudent, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(mirror.cook, found.cook, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(mirror.baujat_x, found.baujat_x, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ([[1, 1]], r"subsets x 3 effects, found shape \(1, 2\)"),
        ([1, 1, 1], r"subsets x 3 effects, found shape \(3,\)"),
    ],
)
def test_subsets_of_other_effects(member: list, message: str) -> None:
    with pytest.raises(EstimationError, match=message):
        pool_subsets([0.1, 0.2, 0.3], [0.1, 0.1, 0.1], member)


@pytest.mark.parametrize("choice", [{"method": "reml"}, {"ci_method": "hksj"}])
def test_unknown_choices_name_the_known_ones(choice: dict[str, str]) -> None:
    with pytest.raises(EstimationError, match=r"unknown .*; known: "):
        pool_subsets([0.1, 0.2], [0.1, 0.1], [[1, 1]], **choice)


@pytest.mark.parametrize("value", [0.0, -0.1])
def test_variances_of_zero_or_less(value: float) -> None:
    with pytest.raises(EstimationError, match=r"vi must be greater than 0 \(row 1\)"):
        pool_subsets([0.1, 0.2], [0.1, value], [[1, 0]])


def test_influence_needs_three_studies() -> None:
    with pytest.raises(EstimationError, match="at least 3 studies, found 2"):
        influence([0.1, 0.2], [0.1, 0.1])


Shape = Callable[[np.ndarray], np.ndarray]
SHAPES: dict[str, Shape] = {
    "line": lambda u: u,
    "cubic": lambda u: u**3 + 0.1 * u,
    "flat": np.arctan,
    "steep": lambda u: np.expm1(5.0 * u),
    "triple": lambda u: u**3,
    "jump": lambda u: np.where(u <= 0.0, -1.0, 2.0),
}


@pytest.mark.parametrize("shape", SHAPES)
@given(
    roots=st.lists(st.floats(-3.0, 3.0).map(lambda x: round(x, 3)), min_size=1, max_size=6),
    reach=st.tuples(st.floats(0.0, 2.0), st.floats(0.001, 5.0)),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_many_roots_are_the_roots_one_by_one(
    shape: str, roots: list[float], reach: tuple[float, float], scale: float
) -> None:
    at = np.array(roots)
    low, high = at - reach[0], at + reach[1]

    def function(x: np.ndarray) -> np.ndarray:
        return scale * SHAPES[shape](x - at)

    found = find_roots(function, low, high)
    for i, root in enumerate(at):
        one = find_root(
            lambda x, i=i: float(function(np.full(at.size, x))[i]), float(low[i]), float(high[i])
        )
        # u**3 is 0 to rounding in a neighborhood of its root.
        near = 1e-4 if shape == "triple" else 1e-12
        assert found[i] == pytest.approx(one, rel=near, abs=near)
        assert found[i] == pytest.approx(root, abs=near)
    assert ((found >= low) & (found <= high)).all()


def test_roots_at_the_ends_and_missing_roots() -> None:
    low, high = np.array([0.0, 0.0]), np.array([1.0, 1.0])
    target = np.array([0.0, 1.0])
    assert find_roots(lambda x: x - target, low, high).tolist() == [0.0, 1.0]
    target = np.array([0.5, 2.0])
    with pytest.raises(EstimationError, match="no sign change for 1 equations"):
        find_roots(lambda x: x - target, low, high)
    with pytest.raises(EstimationError, match="no sign change between 0 and 1"):
        find_root(lambda x: x - 2.0, 0.0, 1.0)
