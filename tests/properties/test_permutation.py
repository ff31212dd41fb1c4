"""Permutation tests against plain loops over every sign or order, and what chance allows."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.arrays import Floats
from analysis.errors import EstimationError
from analysis.univariate.meta_regression import MetaRegression, fit_meta_regression
from analysis.univariate.permutation import PermutationTest, permutation_test

from .generated import studies

Studies = tuple[np.ndarray, np.ndarray]
methods = st.sampled_from(["REML", "DL", "PM", "EE"])
statistics = st.sampled_from(["wald", "t", "knapp_hartung", "knapp_hartung_floor"])
TIE = 1e-7


def _every_refit(yi: Floats, vi: Floats, x: Floats, **how: str) -> list[MetaRegression]:
    """The observed fit first, then one for every sign of the effects or order of the rows."""
    if x.shape[1] == 1 and np.ptp(x) == 0.0:
        flips = itertools.product((1.0, -1.0), repeat=yi.size)
        return [fit_meta_regression(np.array(signs) * yi, vi, x, **how) for signs in flips]
    orders = itertools.permutations(range(yi.size))
    return [fit_meta_regression(yi, vi, x[list(order)], **how) for order in orders]


def _shares(refits: list[MetaRegression]) -> tuple[Floats, float]:
    """P-values of the coefficients and of all moderators, by counting."""
    observed = refits[0]
    wald = np.array([one.coefficients.estimate / one.coefficients.se for one in refits])
    least = np.abs(observed.coefficients.estimate / observed.coefficients.se) - TIE
    qm = np.array([one.qm for one in refits])
    return (np.abs(wald) >= least).mean(axis=0), float((qm >= observed.qm - TIE).mean())


def _five(sample: Studies) -> Studies:
    return sample[0][:5], sample[1][:5]


@given(sample=studies(smallest=5), method=methods, ci_method=statistics)
def test_every_sign_of_the_effects(sample: Studies, method: str, ci_method: str) -> None:
    yi, vi = _five(sample)
    if np.ptp(np.abs(yi)) == 0.0:  # residuals of nothing but rounding
        yi = yi + np.linspace(0.0, 0.1, 5)
    found = permutation_test(yi, vi, method=method, ci_method=ci_method)
    expected, _ = _shares(_every_refit(yi, vi, np.ones((5, 1)), method=method, ci_method=ci_method))
    np.testing.assert_allclose(found.pvalue, expected, rtol=1e-12)
    assert math.isnan(found.qm)
    assert math.isnan(found.qm_pvalue)
    assert (found.permutations, found.exact) == (32, True)


@pytest.mark.parametrize("moderators", [1, 2])
@given(
    sample=studies(smallest=5), method=methods, ci_method=statistics, seed=st.integers(0, 10_000)
)
def test_every_order_of_the_moderators(
    moderators: int, sample: Studies, method: str, ci_method: str, seed: int
) -> None:
    yi, vi = _five(sample)
    yi = yi + np.array([0.0, 0.03, 0.11, 0.17, 0.05])  # no set of effects exactly on a line
    own = np.random.default_rng(seed).normal(size=(5, moderators))
    x = np.column_stack([np.ones(5), own])
    found = permutation_test(yi, vi, x, method=method, ci_method=ci_method)
    refits = _every_refit(yi, vi, x, method=method, ci_method=ci_method)
    pvalue, qm_pvalue = _shares(refits)
    np.testing.assert_allclose(found.pvalue, pvalue, rtol=1e-12)
    assert found.qm_pvalue == pytest.approx(qm_pvalue, rel=1e-12)
    observed = refits[0]
    np.testing.assert_allclose(
        found.statistic, observed.coefficients.estimate / observed.coefficients.se, rtol=1e-7
    )
    assert found.qm == pytest.approx(observed.qm, rel=1e-7)
    assert (found.permutations, found.exact) == (120, True)


def test_orders_that_change_nothing_count_as_ties() -> None:
    """Two values of a moderator, two studies each: 2! 2! of the 24 orders give the observed table
    and as many the mirrored one, with the same |statistic|."""
    vi = np.full(4, 0.1)
    yi = np.array([1.0, 1.2, 0.1, 0.2])
    x = np.column_stack([np.ones(4), [1.0, 1.0, 0.0, 0.0]])
    found = permutation_test(yi, vi, x, method="EE")
    # The observed split is the most extreme of the three; each occurs in 8 of 24 orders.
    assert found.pvalue[1] == pytest.approx(8.0 / 24.0)
    assert found.qm_pvalue == pytest.approx(8.0 / 24.0)


def test_equal_effects_are_all_ties() -> None:
    yi, vi = np.full(4, 0.5), np.array([0.1, 0.2, 0.15, 0.3])
    x = np.column_stack([np.ones(4), np.arange(4.0)])
    found = permutation_test(yi, vi, x)
    assert found.pvalue[1] == 1.0
    assert found.qm_pvalue == 1.0


def test_the_smallest_exact_value_of_the_mean_is_two_of_all_signs() -> None:
    found = permutation_test(np.linspace(1.0, 1.4, 6), np.full(6, 0.1))
    assert found.pvalue[0] == 2.0 / 64.0


@given(sample=studies(smallest=3), method=methods)
def test_signs_and_order_of_studies_do_not_matter(sample: Studies, method: str) -> None:
    yi, vi = sample[0][:6], sample[1][:6]
    plain = permutation_test(yi, vi, method=method)
    for other in (
        permutation_test(-yi, vi, method=method),
        permutation_test(yi[::-1], vi[::-1], method=method),
        permutation_test(1e3 * yi, 1e6 * vi, method=method),
    ):
        assert other.pvalue[0] == pytest.approx(plain.pvalue[0], rel=1e-12)


def _sampled(seed: int, permutations: int = 400) -> PermutationTest:
    rng = np.random.default_rng(2)
    k = 14
    x = np.column_stack([np.ones(k), rng.normal(size=k)])
    vi = rng.uniform(0.05, 0.2, k)
    yi = 0.2 * x[:, 1] + rng.normal(0.0, np.sqrt(vi + 0.05))
    return permutation_test(yi, vi, x, permutations=permutations, seed=seed, method="DL")


def test_a_seed_gives_the_same_numbers() -> None:
    one, again, other = _sampled(1), _sampled(1), _sampled(2)
    assert one.pvalue.tolist() == again.pvalue.tolist()
    assert one.pvalue.tolist() != other.pvalue.tolist()
    assert (one.permutations, one.exact) == (400, False)
    assert one.statistic.tolist() == other.statistic.tolist()


@pytest.mark.parametrize("permutations", [10, 200])
def test_a_sampled_value_is_never_zero(permutations: int) -> None:
    """The observed data are one of the permutations."""
    k = 30
    vi = np.full(k, 0.01)
    yi = 1.0 + 0.1 * np.linspace(-1.0, 1.0, k)
    found = permutation_test(yi, vi, permutations=permutations)
    assert found.pvalue[0] == pytest.approx(1.0 / permutations)
    x = np.column_stack([np.ones(k), np.linspace(-1.0, 1.0, k)])
    found = permutation_test(5.0 * yi, vi, x, permutations=permutations)
    assert found.pvalue[1] == pytest.approx(1.0 / permutations)
    assert found.qm_pvalue == pytest.approx(1.0 / permutations)


@pytest.mark.parametrize("moderator", [False, True])
def test_sampled_values_are_near_the_exact_ones(moderator: bool) -> None:
    rng = np.random.default_rng(9)
    k = 7 if moderator else 11
    vi = rng.uniform(0.05, 0.2, k)
    yi = rng.normal(0.25, np.sqrt(vi + 0.05))
    x = np.column_stack([np.ones(k), rng.normal(size=k)]) if moderator else np.ones((k, 1))
    exact = permutation_test(yi, vi, x, method="DL", most_exact=10_000)
    draws = 4000
    sampled = permutation_test(yi, vi, x, method="DL", most_exact=0, permutations=draws)
    assert exact.exact
    assert not sampled.exact
    error = np.sqrt(exact.pvalue * (1.0 - exact.pvalue) / draws)
    assert (np.abs(sampled.pvalue - exact.pvalue) < 4.0 * error + 2.0 / draws).all()


def test_under_no_effect_a_small_value_is_as_rare_as_it_says() -> None:
    """1,000 sets of six studies: values up to 4/64 in 4/64 of them, the test being exact."""
    rng = np.random.default_rng(77)
    vi = np.array([0.05, 0.1, 0.1, 0.2, 0.3, 0.4])
    count, level = 1000, 4.0 / 64.0
    small = 0
    for _ in range(count):
        yi = rng.normal(0.0, np.sqrt(vi + 0.1))
        small += int(permutation_test(yi, vi, method="DL").pvalue[0] <= level + 1e-12)
    error = math.sqrt(level * (1.0 - level) / count)
    assert abs(small / count - level) < 3.5 * error


def test_what_cannot_be_permuted_is_refused() -> None:
    with pytest.raises(EstimationError, match="2 coefficients need more effects than 2"):
        permutation_test([0.1, 0.2], [0.1, 0.1], [[1.0, 0.0], [1.0, 1.0]])
    with pytest.raises(EstimationError, match=r"unknown .*; known: "):
        permutation_test([0.1, 0.2, 0.3], [0.1, 0.1, 0.1], ci_method="exact")
    with pytest.raises(EstimationError, match=r"unknown .*; known: "):
        permutation_test([0.1, 0.2, 0.3], [0.1, 0.1, 0.1], method="reml")
