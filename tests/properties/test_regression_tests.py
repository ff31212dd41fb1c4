"""Tests of funnel asymmetry: what must hold whatever the studies are."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from analysis.bias.rank_test import kendall, rank_test
from analysis.bias.regression_tests import (
    ERROR_MODELS,
    PREDICTORS,
    harbord_test,
    multilevel_regression_test,
    peters_test,
    regression_test,
    size_predictor,
    unrestricted_mean,
)
from analysis.dependent.blocks import make_blocks
from analysis.dependent.multivariate import fit_multivariate
from analysis.dependent.robust import robust_covariance
from analysis.errors import EstimationError
from analysis.univariate.pooling import fit_random_effects

from .generated import slow, studies, two_by_two

Studies = tuple[np.ndarray, np.ndarray]
every_model = pytest.mark.parametrize("model", ERROR_MODELS)
every_predictor = pytest.mark.parametrize("predictor", ["sei", "vi"])
some_methods = st.sampled_from(["EE", "DL", "REML"])
units = st.sampled_from([-1.0, 1e-2, 1e2, -3.0])


@st.composite
def scattered(draw: st.DrawFn, smallest: int = 5, largest: int = 12) -> Studies:
    """Studies of different precision that no line runs through."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    sei = rng.uniform(0.08, 0.6, draw(st.integers(smallest, largest)))
    slope = draw(st.sampled_from([0.0, 1.0, -1.5]))
    return 0.2 + slope * sei + rng.normal(0.0, np.hypot(sei, 0.1)), sei**2


def _by_least_squares(y: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intercept and slope with their standard errors, residual scale free."""
    design, root = np.column_stack([np.ones_like(x), x]), np.sqrt(w)
    beta, *_ = np.linalg.lstsq(root[:, None] * design, root * y, rcond=None)
    rss = float((w * (y - design @ beta) ** 2).sum())
    inverse = np.linalg.inv(design.T @ (w[:, None] * design))
    return beta, np.sqrt(np.diag(inverse) * rss / (y.size - 2))


@every_predictor
@every_model
@given(sample=scattered(), method=some_methods, c=units)
def test_units_and_signs(
    model: str, predictor: str, sample: Studies, method: str, c: float
) -> None:
    yi, vi = sample
    first = regression_test(yi, vi, predictor, model=model, method=method)
    second = regression_test(c * yi, c**2 * vi, predictor, model=model, method=method)
    size, sign = abs(c), math.copysign(1.0, c)
    per_unit = 1.0 if predictor == "sei" else 1.0 / size
    np.testing.assert_allclose(second.slope, sign * per_unit * first.slope, rtol=1e-6)
    np.testing.assert_allclose(second.slope_se, per_unit * first.slope_se, rtol=1e-6)
    np.testing.assert_allclose(second.statistic, sign * first.statistic, rtol=1e-6)
    np.testing.assert_allclose(second.pvalue, first.pvalue, rtol=1e-5)
    limits = [first.limit_ci_lb, first.limit_ci_ub]
    np.testing.assert_allclose(
        [second.limit_ci_lb, second.limit_ci_ub],
        c * np.array(limits if c > 0 else limits[::-1]),
        rtol=1e-6,
        atol=1e-8 * size,
    )
    np.testing.assert_allclose(second.limit, c * first.limit, rtol=1e-6, atol=1e-8 * size)
    np.testing.assert_allclose(second.tau2, c**2 * first.tau2, rtol=1e-5, atol=1e-9 * c**2)
    np.testing.assert_allclose(second.scale, first.scale, rtol=1e-9)


@every_model
@pytest.mark.parametrize("name", PREDICTORS)
@given(sample=scattered())
def test_a_named_predictor_is_its_values(name: str, model: str, sample: Studies) -> None:
    yi, vi = sample
    ni = np.round(4.0 / vi)
    values = {
        "sei": np.sqrt(vi), "vi": vi, "ni": ni, "ninv": 1.0 / ni, "sqrtni": np.sqrt(ni),
        "sqrtninv": 1.0 / np.sqrt(ni),
    }[name]  # fmt: skip
    np.testing.assert_array_equal(size_predictor(name, vi, ni), values)
    named = regression_test(yi, vi, name, ni=ni, model=model, method="DL")
    given_values = regression_test(yi, vi, values, model=model, method="DL")
    for field in ("k", "slope", "slope_se", "statistic", "df", "pvalue", "tau2", "scale"):
        np.testing.assert_equal(getattr(named, field), getattr(given_values, field))
    if name in ("ni", "sqrtni"):
        assert math.isnan(named.limit) and math.isnan(named.limit_ci_lb)
    else:
        assert (named.limit, named.limit_se) == (given_values.limit, given_values.limit_se)
    assert named.method.split("/")[1:3] == [name, model]


@given(sample=scattered())
def test_the_multiplicative_model_is_weighted_least_squares(sample: Studies) -> None:
    yi, vi = sample
    found = regression_test(yi, vi, model="multiplicative")
    beta, se = _by_least_squares(yi, np.sqrt(vi), 1.0 / vi)
    np.testing.assert_allclose([found.limit, found.slope], beta, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose([found.limit_se, found.slope_se], se, rtol=1e-9)
    t = beta[1] / se[1]
    assert found.pvalue == pytest.approx(2.0 * stats.t.sf(abs(t), yi.size - 2), rel=1e-8)
    half = stats.t.ppf(0.975, yi.size - 2) * se[0]
    np.testing.assert_allclose(
        [found.limit_ci_lb, found.limit_ci_ub], [beta[0] - half, beta[0] + half], rtol=1e-8
    )
    # Egger's own form: standardized effects on precisions, tested at the intercept.
    egger, egger_se = _by_least_squares(yi / np.sqrt(vi), 1.0 / np.sqrt(vi), np.ones_like(vi))
    assert (found.slope, found.slope_se) == pytest.approx((egger[0], egger_se[0]), rel=1e-8)


@every_predictor
@given(sample=scattered(), weight=st.sampled_from([0.5, 2.0]))
def test_the_free_factor_is_all_that_tells_the_models_apart(
    predictor: str, sample: Studies, weight: float
) -> None:
    """Without tau2 the slopes are the same, and a common factor of the weights changes nothing."""
    yi, vi = sample
    fixed = regression_test(yi, vi, predictor, method="EE")
    free = regression_test(yi, vi, predictor, model="multiplicative")
    scaled = regression_test(yi, vi, predictor, model="multiplicative", weights=weight / vi)
    assert free.slope == pytest.approx(fixed.slope, rel=1e-9)
    assert free.slope_se == pytest.approx(free.scale * fixed.slope_se, rel=1e-9)
    assert (fixed.tau2, math.isnan(fixed.scale), math.isnan(free.tau2)) == (0.0, True, True)
    assert (fixed.df, free.df) == (math.inf, yi.size - 2.0)
    assert scaled.slope_se == pytest.approx(free.slope_se, rel=1e-9)


@every_model
@given(sample=scattered())
def test_a_wider_level_moves_limits_only(model: str, sample: Studies) -> None:
    narrow, wide = (regression_test(*sample, model=model, level=level) for level in (0.9, 0.99))
    assert wide.limit_ci_lb < narrow.limit_ci_lb < narrow.limit
    assert narrow.limit < narrow.limit_ci_ub < wide.limit_ci_ub
    assert wide.pvalue == narrow.pvalue


def test_one_in_twenty_of_unbiased_literatures_is_rejected() -> None:
    """Exact with a free factor: 5% within 4 standard errors of 2000 draws (.0049 each)."""
    rng = np.random.default_rng(17)
    sei = np.linspace(0.1, 0.5, 10)
    draws = 2000
    rejected = sum(
        regression_test(rng.normal(0.3, 1.4 * sei), sei**2, model="multiplicative").pvalue < 0.05
        for _ in range(draws)
    )
    assert abs(rejected / draws - 0.05) < 4.0 * math.sqrt(0.05 * 0.95 / draws)


def test_a_bias_is_found() -> None:
    rng = np.random.default_rng(3)
    sei = rng.uniform(0.05, 0.5, 200)
    yi = rng.normal(0.1 + 1.5 * sei, np.hypot(sei, 0.1))
    for model in ERROR_MODELS:
        found = regression_test(yi, sei**2, model=model)
        assert abs(found.slope - 1.5) < 4.0 * found.slope_se
        assert abs(found.limit - 0.1) < 4.0 * found.limit_se
        assert found.pvalue < 1e-6


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"predictor": "n"}, "unknown predictor 'n'; known: sei, vi, ni, ninv, sqrtni, sqrtninv"),
        ({"predictor": "ni"}, "the predictor ni needs numbers of persons"),
        ({"predictor": "ninv", "ni": [9, 8, 0, 9]}, r"must be greater than 0 \(row 2\)"),
        ({"model": "additive"}, "unknown error model 'additive'; known: mixed, multiplicative"),
        ({"predictor": [0.5] * 4}, "equally precise"),
        ({"predictor": [0.5, 0.2, 0.1]}, "the predictor has 3 values for 4 effects"),
        ({"predictor": [0.5, 0.2, 0.1, math.nan]}, r"must be finite \(row 3\)"),
    ],
)
def test_what_is_refused(choice: dict[str, Any], message: str) -> None:
    with pytest.raises(EstimationError, match=message):
        regression_test([0.1, 0.5, 0.4, 0.2], [0.04, 0.02, 0.09, 0.03], **choice)


@every_model
def test_two_studies_have_no_slope(model: str) -> None:
    with pytest.raises(EstimationError, match="needs at least 3 studies"):
        regression_test([0.1, 0.5], [0.04, 0.02], model=model)


def test_variances_are_needed_for_their_predictors() -> None:
    for name in ("sei", "vi"):
        with pytest.raises(EstimationError, match=f"the predictor {name} needs sampling variances"):
            size_predictor(name)


@pytest.mark.parametrize(
    "choice",
    [
        {"predictor": [0.5, 0.2, 0.1]},
        {"predictor": [0.5, 0.2, 0.1, math.nan]},
        {"weights": [1.0, 2.0, 3.0]},
        {"weights": [1.0, 2.0, -3.0, 4.0]},
    ],
)
def test_impossible_predictors_and_weights_are_refused(choice: dict[str, Any]) -> None:
    with pytest.raises(EstimationError):
        regression_test(
            [0.1, 0.5, 0.4, 0.2], [0.04, 0.02, 0.09, 0.03], model="multiplicative", **choice
        )


# Several effects per trial ----------------------------------------------------------------------


@st.composite
def nested(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, list[int], np.ndarray]:
    """Effects, variances, trials and a predictor that does not depend on effects."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    sizes = rng.integers(1, 4, draw(st.integers(6, 9)))
    trial = np.repeat(np.arange(sizes.size), sizes)
    x = rng.uniform(0.1, 0.6, sizes.size)[trial]
    vi = x**2 * rng.uniform(0.8, 1.3, trial.size)
    yi = 0.2 + rng.normal(0.0, 0.2, sizes.size)[trial] + rng.normal(0.0, np.sqrt(vi))
    return yi, vi, trial.tolist(), x


@slow
@given(sample=nested())
def test_the_multilevel_test_is_the_three_level_fit(
    sample: tuple[np.ndarray, np.ndarray, list[int], np.ndarray],
) -> None:
    yi, vi, trial, x = sample
    found = multilevel_regression_test(yi, vi, trial, x, level=0.9)
    blocks = make_blocks(yi, vi, trial, design=np.column_stack([np.ones_like(x), x]))
    fit = fit_multivariate(blocks, structure="ID", within="common")
    robust = robust_covariance(fit, "CR2")
    df = [robust.df(one) for one in np.eye(2)]
    assert (found.limit, found.slope) == tuple(fit.beta)
    assert (found.limit_se, found.slope_se) == tuple(robust.se)
    assert (found.k, found.df, found.tau2) == (yi.size, df[1], fit.tau[0, 0])
    statistic = fit.beta[1] / robust.se[1]
    assert found.statistic == pytest.approx(statistic)
    assert found.pvalue == pytest.approx(2.0 * stats.t.sf(abs(statistic), df[1]), rel=1e-8)
    half = stats.t.ppf(0.95, df[0]) * robust.se[0]
    assert (found.limit_ci_lb, found.limit_ci_ub) == pytest.approx(
        (fit.beta[0] - half, fit.beta[0] + half)
    )


@slow
@given(sample=nested(), c=units)
def test_units_and_signs_of_the_multilevel_test(
    sample: tuple[np.ndarray, np.ndarray, list[int], np.ndarray], c: float
) -> None:
    yi, vi, trial, x = sample
    first = multilevel_regression_test(yi, vi, trial, x)
    second = multilevel_regression_test(c * yi, c**2 * vi, trial, abs(c) * x)
    sign = math.copysign(1.0, c)
    np.testing.assert_allclose(second.slope, sign * first.slope, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(second.slope_se, first.slope_se, rtol=1e-4)
    np.testing.assert_allclose(second.limit, c * first.limit, rtol=1e-4, atol=1e-6 * abs(c))
    np.testing.assert_allclose(second.df, first.df, rtol=1e-3)


def test_three_trials_are_too_few() -> None:
    with pytest.raises(EstimationError, match="the test needs at least 4 trials, found 3"):
        multilevel_regression_test(
            [0.1, 0.5, 0.4, 0.2], [0.04] * 4, list("aabc"), [0.1, 0.2, 0.3, 0.4]
        )


# Tables of events -------------------------------------------------------------------------------

Tables = tuple[np.ndarray, ...]


def _varied(tables: Tables, *, smallest: int = 5) -> bool:
    """Enough tables with information, and of different size, for a line with an error."""
    e1, n1, e2, n2 = tables
    events, persons = e1 + e2, n1 + n2
    some = (events > 0) & (events < persons) & (n1 > 0) & (n2 > 0)
    return bool(some.sum() >= smallest and np.ptp(persons[some]) > 5)


@given(tables=two_by_two(rows=8))
def test_harbord_regresses_scores_on_information(tables: Tables) -> None:
    assume(_varied(tables))
    e1, n1, e2, n2 = tables
    events, persons = e1 + e2, n1 + n2
    score = e1 - events * n1 / persons
    v = n1 * n2 * events * (persons - events) / (persons**2 * (persons - 1.0))
    some = v > 0
    assume(np.ptp(v[some]) > 0.1)
    z, root = score[some] / np.sqrt(v[some]), np.sqrt(v[some])
    beta, se = _by_least_squares(z, root, np.ones_like(z))
    found = harbord_test(*tables)
    np.testing.assert_allclose([found.slope, found.limit], beta, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose([found.slope_se, found.limit_se], se, rtol=1e-8)
    assert (found.k, found.df) == (some.sum(), some.sum() - 2.0)
    half = stats.t.ppf(0.975, found.df) * se[1]
    np.testing.assert_allclose(
        [found.limit_ci_lb, found.limit_ci_ub], [beta[1] - half, beta[1] + half], rtol=1e-8
    )


@pytest.mark.parametrize("test", [harbord_test, peters_test])
@given(tables=two_by_two(rows=8))
def test_the_other_group_and_the_other_outcome_turn_the_sign(test: Any, tables: Tables) -> None:
    assume(_varied(tables))
    e1, n1, e2, n2 = tables
    first = test(e1, n1, e2, n2)
    for turned in (test(e2, n2, e1, n1), test(n1 - e1, n1, n2 - e2, n2)):
        np.testing.assert_allclose(
            [turned.slope, turned.statistic, turned.limit],
            [-first.slope, -first.statistic, -first.limit],
            rtol=1e-6, atol=1e-8,
        )  # fmt: skip
        np.testing.assert_allclose(turned.pvalue, first.pvalue, rtol=1e-6)


@given(tables=two_by_two(rows=8))
def test_peters_weights_by_events_in_all(tables: Tables) -> None:
    assume(_varied(tables))
    e1, n1, e2, n2 = tables
    cells = np.array([e1, n1 - e1, e2, n2 - e2])
    events, others = e1 + e2, n1 + n2 - e1 - e2
    some = (events > 0) & (others > 0)
    a, b, c, d = cells + 0.5 * (cells == 0).any(axis=0)
    y = np.log(a * d / (b * c))[some]
    w = 1.0 / (1.0 / events[some] + 1.0 / others[some])
    beta, se = _by_least_squares(y, 1.0 / (n1 + n2)[some], w)
    found = peters_test(*tables)
    np.testing.assert_allclose([found.limit, found.slope], beta, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose([found.limit_se, found.slope_se], se, rtol=1e-7)


@pytest.mark.parametrize("test", [harbord_test, peters_test])
def test_tables_without_information_drop_out(test: Any) -> None:
    tables = np.array([[3, 20, 1, 22], [8, 40, 4, 41], [9, 60, 7, 58], [2, 15, 5, 30]]).T
    empty = np.array([[0, 30, 0, 28], [12, 12, 9, 9]]).T
    first, second = test(*tables), test(*np.concatenate([tables, empty], axis=1))
    assert (second.k, second.slope, second.pvalue) == (first.k, first.slope, first.pvalue)
    with pytest.raises(EstimationError, match="needs at least 3 studies"):
        test(*np.concatenate([tables[:, :2], empty], axis=1))


# Rank correlation -------------------------------------------------------------------------------


@given(sample=studies(), c=units, order=st.randoms(use_true_random=False))
def test_ranks_do_not_depend_on_units_or_order(sample: Studies, c: float, order: Any) -> None:
    yi, vi = sample
    assume(np.unique(vi).size == np.unique(yi).size == yi.size)
    rows = list(range(yi.size))
    order.shuffle(rows)
    first, second = rank_test(yi, vi), rank_test(c * yi[rows], c**2 * vi[rows])
    assert second.tau == pytest.approx(math.copysign(1.0, c) * first.tau, abs=1e-12)
    assert second.pvalue == pytest.approx(first.pvalue, rel=1e-9)


@pytest.mark.parametrize("n", range(3, 8))
def test_exact_p_values_count_permutations(n: int) -> None:
    """Two-sided: twice the smaller tail of the scores of all orders, at most 1."""
    x = np.arange(n, dtype=float)
    pairs = np.array([(i, j) for i in range(n) for j in range(i + 1, n)])
    orders = np.array(list(permutations(range(n))), dtype=float)
    scores = np.sign(orders[:, pairs[:, 1]] - orders[:, pairs[:, 0]]).sum(axis=1)
    for score in np.unique(scores):
        order = orders[np.argmax(scores == score)]
        found = kendall(x, order)
        tails = (scores <= score).mean(), (scores >= score).mean()
        assert found.exact
        assert found.tau == pytest.approx(score / len(pairs), abs=1e-14)
        assert found.pvalue == pytest.approx(min(1.0, 2.0 * min(tails)), rel=1e-12)


@given(n=st.integers(3, 49), seed=st.integers(0, 10_000))
def test_exact_p_values_are_those_of_scipy(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.permutation(n).astype(float), rng.permutation(n) + 0.0
    found, theirs = kendall(x, y), stats.kendalltau(x, y, method="exact")
    assert found.exact
    assert (found.tau, found.pvalue) == pytest.approx(tuple(theirs), rel=1e-9, abs=1e-12)


@given(n=st.integers(4, 70), values=st.sampled_from([3, 8, 1000]), seed=st.integers(0, 10_000))
def test_ties_and_many_studies_take_the_normal_approximation(
    n: int, values: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, values, n) + 0.0, rng.integers(0, values, n) + 0.0
    assume(np.ptp(x) > 0 and np.ptp(y) > 0)
    found = kendall(x, y)
    exact = n < 50 and np.unique(x).size == np.unique(y).size == n
    theirs = stats.kendalltau(x, y, method="exact" if exact else "asymptotic")
    assert found.exact is exact
    assert (found.tau, found.pvalue) == pytest.approx(tuple(theirs), rel=1e-9, abs=1e-12)


def test_fifty_studies_are_not_exact() -> None:
    order = np.random.default_rng(1).permutation(50) + 0.0
    assert not kendall(np.arange(50.0), order).exact
    assert kendall(np.arange(49.0), order[:49]).exact


def test_too_few_or_equally_precise_studies_have_no_rank_correlation() -> None:
    with pytest.raises(EstimationError, match="a rank correlation needs at least 3 studies"):
        rank_test([0.1, 0.5], [0.04, 0.02])
    with pytest.raises(EstimationError, match="equally precise"):
        rank_test([0.1, 0.5, 0.3], [0.04] * 3)


def test_effects_that_are_all_the_same_are_not_asymmetric() -> None:
    with pytest.raises(EstimationError, match="all effects are equal"):
        rank_test([0.0] * 4, [0.04, 0.02, 0.09, 0.03])


# Means with a free scale ------------------------------------------------------------------------


@given(sample=studies(), level=st.sampled_from([0.9, 0.95]))
def test_a_free_scale_is_the_common_effect_of_knapp_and_hartung(
    sample: Studies, level: float
) -> None:
    yi, vi = sample
    assume(np.ptp(yi) > 0.01)
    found = unrestricted_mean(yi, vi, level=level)
    pooled = fit_random_effects(yi, vi, method="EE", ci_method="knapp_hartung", level=level)
    np.testing.assert_allclose(
        [found.mu, found.se, found.ci_lb, found.ci_ub, found.pvalue],
        [pooled.mu, pooled.se, pooled.ci_lb, pooled.ci_ub, pooled.pvalue],
        rtol=1e-9, atol=1e-12,
    )  # fmt: skip


@given(sample=studies(smallest=6), c=units)
def test_the_adequately_powered_are_a_subset(sample: Studies, c: float) -> None:
    yi, vi = sample
    mean = float((yi / vi).sum() / (1.0 / vi).sum())
    margin = np.sqrt(vi) - abs(mean) / 2.8
    assume(np.abs(margin).min() > 1e-9)
    strong = margin < 0.0
    if strong.sum() < 2:
        with pytest.raises(EstimationError, match=f"waap needs 2 studies, found {strong.sum()}"):
            unrestricted_mean(yi, vi, adequately_powered=True)
        return
    assume(np.ptp(yi[strong]) > 0.01)
    found = unrestricted_mean(c * yi, c**2 * vi, adequately_powered=True)
    subset = unrestricted_mean(yi[strong], vi[strong])
    assert (found.k, found.method, subset.method) == (strong.sum(), "waap", "uwls")
    assert (found.mu, found.se) == pytest.approx((c * subset.mu, abs(c) * subset.se), rel=1e-9)


def test_effects_without_any_scatter() -> None:
    found = unrestricted_mean([1.0, 1.0, 1.0], [0.1, 0.2, 0.3])
    assert (found.mu, found.se) == (1.0, 0.0)
