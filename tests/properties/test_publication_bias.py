"""Trim and fill, selection models and PET-PEESE: what must hold whatever the studies are."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from analysis.bias.selection_models import SelectionModel, step_selection
from analysis.bias.small_study import egger_test, pet_peese
from analysis.bias.trim_and_fill import ESTIMATORS, TrimAndFill, trim_and_fill
from analysis.errors import EstimationError
from analysis.univariate.meta_regression import fit_meta_regression

from . import textbook
from .generated import effects, slow, studies

Studies = tuple[np.ndarray, np.ndarray]
every_rank_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)
some_methods = st.sampled_from(["EE", "DL", "REML", "PM"])


@st.composite
def untied_studies(draw: st.DrawFn, smallest: int = 4, largest: int = 15) -> Studies:
    """Effects none of which are tied, not even around a mean: ranks are the same everywhere."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    k = draw(st.integers(smallest, largest))
    sei = rng.uniform(0.08, 0.6, k)
    slope = draw(st.sampled_from([0.0, 1.0, 2.0, -1.5]))
    return 0.2 + slope * sei + rng.normal(0.0, np.hypot(sei, 0.1)), sei**2


def _trim(yi: np.ndarray, vi: np.ndarray, **choice: str) -> TrimAndFill | None:
    """None where the trimming goes to and fro, or Q0 has no solution: seldom."""
    try:
        return trim_and_fill(yi, vi, **choice)
    except (EstimationError, ValueError):
        return None


def _both(first: TrimAndFill | None, second: TrimAndFill | None) -> tuple[TrimAndFill, TrimAndFill]:
    assert (first is None) is (second is None)
    assume(first is not None)
    assert first is not None and second is not None
    return first, second


@every_rank_estimator
@given(sample=untied_studies(), method=some_methods)
def test_left_of_the_mirror_image_is_right(estimator: str, sample: Studies, method: str) -> None:
    yi, vi = sample
    right, left = _both(
        _trim(yi, vi, side="right", estimator=estimator, method=method),
        _trim(-yi, vi, side="left", estimator=estimator, method=method),
    )
    assert (right.k0, right.side, left.k0, left.side) == (left.k0, "right", right.k0, "left")
    np.testing.assert_allclose(left.filled, -right.filled, atol=1e-12)
    np.testing.assert_array_equal(left.filled_vi, right.filled_vi)
    a, b = left.pooled, right.pooled
    np.testing.assert_allclose(
        [a.mu, a.ci_lb, a.ci_ub, a.tau2], [-b.mu, -b.ci_ub, -b.ci_lb, b.tau2], atol=1e-9
    )
    np.testing.assert_equal(left.k0_se, right.k0_se)


@every_rank_estimator
@given(sample=untied_studies(), shift=effects)
def test_a_constant_moves_filled_studies_along(
    estimator: str, sample: Studies, shift: float
) -> None:
    yi, vi = sample
    here, there = _both(
        _trim(yi, vi, side="left", estimator=estimator, method="DL"),
        _trim(yi + shift, vi, side="left", estimator=estimator, method="DL"),
    )
    assert there.k0 == here.k0
    np.testing.assert_allclose(there.filled, here.filled + shift, atol=1e-9)
    np.testing.assert_allclose(there.pooled.mu, here.pooled.mu + shift, atol=1e-9)
    np.testing.assert_allclose(there.pooled.tau2, here.pooled.tau2, atol=1e-9)


@every_rank_estimator
@given(sample=untied_studies(), order=st.randoms(use_true_random=False))
def test_order_of_studies_does_not_matter(estimator: str, sample: Studies, order: Any) -> None:
    yi, vi = sample
    rows = list(range(yi.size))
    order.shuffle(rows)
    here, there = _both(
        _trim(yi, vi, side="left", estimator=estimator, method="DL"),
        _trim(yi[rows], vi[rows], side="left", estimator=estimator, method="DL"),
    )
    assert there.k0 == here.k0
    np.testing.assert_allclose(np.sort(there.filled), np.sort(here.filled), atol=1e-12)
    assert there.pooled.mu == pytest.approx(here.pooled.mu, abs=1e-12)


@given(sample=untied_studies())
def test_filled_studies_mirror_the_most_extreme_ones(sample: Studies) -> None:
    yi, vi = sample
    found = _trim(yi, vi, side="left", estimator="L0", method="DL")
    assume(found is not None)
    assert found is not None
    assert found.pooled.k == yi.size + found.k0
    if found.k0:
        most = np.argsort(yi)[-found.k0 :]
        kept = np.delete(np.arange(yi.size), most)
        mean = textbook.weighted_mean(
            yi[kept],
            (1.0 / (vi[kept] + textbook.dersimonian_laird(yi[kept], vi[kept]))).tolist(),
        )
        np.testing.assert_allclose(np.sort(found.filled), np.sort(2.0 * mean - yi[most]))
        np.testing.assert_array_equal(np.sort(found.filled_vi), np.sort(vi[most]))


@given(sample=untied_studies(smallest=5))
def test_the_automatic_side_is_where_the_slope_points_away_from(sample: Studies) -> None:
    yi, vi = sample
    slope = egger_test(yi, vi, method="DL").slope
    found = _trim(yi, vi, method="DL")
    assume(found is not None)
    assert found is not None
    assert found.side == ("right" if slope < 0.0 else "left")


@every_rank_estimator
def test_a_symmetric_funnel_is_complete(estimator: str) -> None:
    # Not to the last digit: tied distances from the mean have no ranks of their own.
    yi = np.array([-0.31, -0.123, -0.05, 0.001, 0.052, 0.12, 0.315]) + 0.4
    vi = np.array([0.09, 0.04, 0.01, 0.005, 0.01, 0.04, 0.09])
    for side in ("left", "right"):
        found = trim_and_fill(yi, vi, side=side, estimator=estimator, method="DL")
        assert found.k0 == 0
        assert found.pooled.mu == pytest.approx(0.4, abs=0.002)


def test_q0_without_a_solution_is_refused() -> None:
    """All studies but the most precise on one side: every rank is positive and Q0 has no root."""
    yi = [-0.6038, 0.3587, 0.4316, 0.5172, -0.8790, -0.0122, -0.2016, 0.9000]
    vi = [0.19120, 0.08516, 0.19050, 0.13501, 0.17642, 0.17320, 0.09200, 0.00010]
    with pytest.raises(EstimationError):
        trim_and_fill(yi, vi, side="right", estimator="Q0", method="EE")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"side": "both"}, "unknown side 'both'; known: left, right, auto"),
        ({"estimator": "M0"}, "unknown estimator .* 'M0'; known: L0, R0, Q0"),
    ],
)
def test_unknown_choices_of_trim_and_fill(choice: dict[str, str], message: str) -> None:
    with pytest.raises(EstimationError, match=message):
        trim_and_fill([0.1, 0.2, 0.3], [0.1, 0.2, 0.3], **choice)


def test_equally_precise_studies_have_no_automatic_side() -> None:
    with pytest.raises(EstimationError, match="equally precise; name the side"):
        trim_and_fill([0.1, 0.5, 0.9], [0.04] * 3)
    assert trim_and_fill([0.1, 0.5, 0.9], [0.04] * 3, side="left").side == "left"


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (trim_and_fill, "trim and fill needs at least 3 studies, found 2"),
        (step_selection, "a selection model needs at least 3 studies, found 2"),
        (pet_peese, "needs at least 3 studies"),
    ],
)
def test_two_studies_are_too_few(fit: Callable[..., Any], message: str) -> None:
    with pytest.raises(EstimationError, match=message):
        fit([0.1, 0.9], [0.04, 0.02])


@pytest.mark.parametrize("fit", [trim_and_fill, step_selection, pet_peese])
def test_impossible_numbers_name_their_row(fit: Callable[..., Any]) -> None:
    yi, vi = [0.1, 0.9, 0.4, 0.3], [0.04, 0.02, 0.09, 0.05]
    for value in (0.0, -0.1):
        with pytest.raises(EstimationError, match=r"vi must be greater than 0 \(row 2\)"):
            fit(yi, [0.04, 0.02, value, 0.05])
    for value in (math.nan, math.inf):
        with pytest.raises(EstimationError, match=r"yi must be finite \(row 0\)"):
            fit([value, 0.9, 0.4, 0.3], vi)
        with pytest.raises(EstimationError, match=r"vi must be finite \(row 3\)"):
            fit(yi, [0.04, 0.02, 0.09, value])


# Selection models -------------------------------------------------------------------------------

STEPS = ((0.025,), (0.05,), (0.025, 0.5))
steps_ = st.sampled_from(STEPS)


def _p_values(sample: Studies) -> np.ndarray:
    """One-sided p-values of effects above 0."""
    z = sample[0] / np.sqrt(sample[1])
    return np.array([0.5 * math.erfc(one / math.sqrt(2.0)) for one in z])


def _interval(sample: Studies, steps: tuple[float, ...]) -> np.ndarray:
    return (_p_values(sample)[:, None] > np.array(steps)[None, :]).sum(axis=1)


@st.composite
def selected_studies(draw: st.DrawFn) -> tuple[Studies, tuple[float, ...]]:
    """8 to 25 studies with some in every interval of the steps."""
    steps = draw(steps_)
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    k = draw(st.integers(8, 25))
    sei = rng.uniform(0.08, 0.5, k)
    yi = rng.normal(draw(st.sampled_from([0.1, 0.3])), np.hypot(sei, 0.2))
    sample = yi, sei**2
    assume(np.bincount(_interval(sample, steps), minlength=len(steps) + 1).min() > 1)
    return sample, steps


def _log_likelihood(
    sample: Studies, steps: tuple[float, ...], mu: float, tau2: float, delta: np.ndarray
) -> float:
    """Study by study: the density of its effect, times its weight, over the mean weight."""
    total = 0.0
    for y, v, j in zip(*sample, _interval(sample, steps), strict=True):
        sd = math.sqrt(v + tau2)
        mean_weight, above = 0.0, 0.0
        for step, weight in zip((*steps, 1.0), delta, strict=True):
            # Probability of an effect whose p-value is below the step.
            cut = _upper_quantile(step) * math.sqrt(v) if step < 1.0 else -math.inf
            below = 0.5 * math.erfc((cut - mu) / sd / math.sqrt(2.0))
            mean_weight += weight * (below - above)
            above = below
        density = math.exp(-0.5 * ((y - mu) / sd) ** 2) / (sd * math.sqrt(2.0 * math.pi))
        total += math.log(delta[j] * density / mean_weight)
    return total


def _upper_quantile(p: float) -> float:
    """z with P(Z > z) = p, by bisection."""
    low, high = -10.0, 10.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        low, high = (
            (middle, high) if 0.5 * math.erfc(middle / math.sqrt(2.0)) > p else (low, middle)
        )
    return 0.5 * (low + high)


@given(drawn=selected_studies())
def test_the_likelihood_is_the_textbook_one(drawn: tuple[Studies, tuple[float, ...]]) -> None:
    sample, steps = drawn
    fit = step_selection(*sample, steps)
    there = _log_likelihood(sample, steps, fit.mu, fit.tau2, fit.delta)
    assert fit.loglik == pytest.approx(there, abs=1e-7)
    assert fit.counts.tolist() == np.bincount(_interval(sample, steps)).tolist()
    rng = np.random.default_rng(5)
    for size in (1e-3, 0.1):
        for _ in range(5):
            delta = fit.delta * np.exp(rng.normal(0.0, size, fit.delta.size))
            delta[0] = 1.0
            tau2 = fit.tau2 * math.exp(rng.normal(0.0, size)) + 1e-4 * rng.integers(0, 2)
            near = _log_likelihood(sample, steps, fit.mu + rng.normal(0.0, size), tau2, delta)
            assert near <= fit.loglik + 1e-8


@given(drawn=selected_studies())
def test_selection_never_explains_less_than_none(drawn: tuple[Studies, tuple[float, ...]]) -> None:
    """All weights at 1 is the model without selection."""
    sample, steps = drawn
    fit, plain = step_selection(*sample, steps), fit_meta_regression(*sample, method="ML")
    ones = np.ones(len(steps) + 1)
    at_one = _log_likelihood(sample, steps, plain.coefficients.estimate[0], plain.tau2, ones)
    assert at_one == pytest.approx(plain.loglik, abs=1e-9)
    assert fit.loglik >= plain.loglik - 1e-10
    assert fit.lrt == pytest.approx(2.0 * (fit.loglik - plain.loglik), abs=1e-9)
    assert (fit.lrt_df, 0.0 <= fit.lrt_pvalue <= 1.0) == (len(steps), True)


def _same_fit(first: SelectionModel, second: SelectionModel, sign: float, c: float) -> None:
    """`second` is `first` with effects times sign * c."""
    low, high = (second.ci_lb, second.ci_ub) if sign > 0 else (second.ci_ub, second.ci_lb)
    np.testing.assert_allclose(
        [sign * second.mu, second.se, sign * low, sign * high],
        [c * first.mu, c * first.se, c * first.ci_lb, c * first.ci_ub],
        rtol=1e-4,
        atol=1e-5 * c,
    )
    assert second.tau2 == pytest.approx(c**2 * first.tau2, rel=1e-4, abs=1e-6 * c**2)
    np.testing.assert_allclose(second.delta, first.delta, rtol=1e-4)
    assert second.lrt == pytest.approx(first.lrt, abs=1e-7)


@slow
@given(drawn=selected_studies())
def test_the_other_alternative_is_the_mirror_image(
    drawn: tuple[Studies, tuple[float, ...]],
) -> None:
    (yi, vi), steps = drawn
    first = step_selection(yi, vi, steps, alternative="greater")
    second = step_selection(-yi, vi, steps, alternative="less")
    _same_fit(first, second, -1.0, 1.0)
    assert second.counts.tolist() == first.counts.tolist()


@pytest.mark.parametrize("c", [1e-2, 1e2])
@slow
@given(drawn=selected_studies())
def test_units_scale_the_selected_mean(c: float, drawn: tuple[Studies, tuple[float, ...]]) -> None:
    (yi, vi), steps = drawn
    first, second = (step_selection(a * yi, a**2 * vi, steps) for a in (1.0, c))
    _same_fit(first, second, 1.0, c)
    assert second.loglik == pytest.approx(first.loglik - yi.size * math.log(c), abs=1e-7)


def test_selection_is_found_where_it_is_and_not_where_it_is_not() -> None:
    rng = np.random.default_rng(9)
    sei = rng.uniform(0.1, 0.4, 4000)
    yi = rng.normal(0.2, np.hypot(sei, 0.15))
    p = _p_values((yi, sei**2))
    everyone = step_selection(yi, sei**2)
    assert abs(everyone.delta[1] - 1.0) < 3.0 * everyone.delta_se[1]
    assert everyone.lrt < 9.0
    seen = (p < 0.025) | (rng.uniform(size=p.size) < 0.3)
    fit = step_selection(yi[seen], sei[seen] ** 2)
    plain = fit_meta_regression(yi[seen], sei[seen] ** 2, method="ML", ci_method="wald")
    assert abs(fit.delta[1] - 0.3) < 3.0 * fit.delta_se[1]
    assert abs(fit.mu - 0.2) < 3.0 * fit.se
    assert fit.lrt > 100.0
    assert plain.coefficients.ci_lb[0] > 0.2, "without a model of selection the mean is too large"


TWO_MAXIMA = {
    "6 studies": (
        [-0.3373, 0.5003, 0.707, 0.6722, 0.5504, 1.4284],
        [0.1089, 0.0244, 0.1085, 0.0188, 0.0143, 0.1152],
        (0.025,),
        (0.024342, 0.219506, [1.0, 0.048709]),
        -2.134577,
    ),
    "23 studies": (
        [0.1803, 0.1475, -0.8581, 0.2986, 0.5235, 0.0611, 0.2738, -0.2229, 0.0984, 0.0535,
         0.2962, 0.4567, 0.1417, 0.6578, 0.4168, -0.1873, 0.2164, 0.0752, 1.6375, 0.2007,
         -0.1697, -0.3105, 0.8469],
        [0.2434, 0.0406, 0.2167, 0.0236, 0.2473, 0.0367, 0.0333, 0.0714, 0.0616, 0.019, 0.0977,
         0.1167, 0.0445, 0.197, 0.0725, 0.0942, 0.0755, 0.0346, 0.1896, 0.0419, 0.1798, 0.0992,
         0.3408],
        (0.025, 0.5),
        (0.382132, 0.176738, [1.0, 17.7159, 8.6979]),
        -6.486495,
    ),
}  # fmt: skip
"""Studies, steps, the higher maximum (mean, tau2, weights) and its log-likelihood. The lower one
is at tau2 = 0."""


@pytest.mark.parametrize("name", TWO_MAXIMA)
def test_the_higher_of_two_maxima(name: str) -> None:
    yi, vi, steps, (mu, tau2, delta), value = TWO_MAXIMA[name]
    sample = np.array(yi), np.array(vi)
    higher = _log_likelihood(sample, steps, mu, tau2, np.array(delta))
    assert higher == pytest.approx(value, abs=1e-6)
    assert step_selection(*sample, steps).loglik >= higher - 1e-8


def test_a_thousandth_of_the_unit_is_the_same_model() -> None:
    yi = np.array([0.1368, 0.0991, 0.6508, 0.4189, 0.2068, 0.5608, 0.0901, 0.1434, 0.185, -0.0311,
                   0.0559])  # fmt: skip
    vi = np.array([0.0175, 0.0105, 0.0472, 0.0576, 0.0654, 0.2223, 0.0508, 0.0311, 0.1102, 0.1772,
                   0.2903])  # fmt: skip
    _same_fit(step_selection(yi, vi), step_selection(1e3 * yi, 1e6 * vi), 1.0, 1e3)


@pytest.mark.parametrize("steps", [(), (0.5, 0.025), (0.05, 0.05), (0.0,), (1.0,), (math.nan,)])
def test_steps_that_do_not_rise_between_0_and_1(steps: tuple[float, ...]) -> None:
    with pytest.raises(EstimationError, match="steps must rise between 0 and 1"):
        step_selection([0.1, 0.9, 0.4], [0.04, 0.02, 0.09], steps)


def test_an_interval_without_a_study() -> None:
    yi, vi = np.array([0.1, 0.05, 0.2, 0.15]), np.full(4, 0.04)
    with pytest.raises(EstimationError, match=r"p-value between 0 and 0\.025$"):
        step_selection(yi, vi)
    with pytest.raises(EstimationError, match=r"p-value between 0\.5 and 1$"):
        step_selection(yi, vi, (0.2, 0.5))
    with pytest.raises(EstimationError, match=r"p-value between 0\.025 and 1$"):
        step_selection(yi + 2.0, vi)


def test_an_unknown_alternative() -> None:
    with pytest.raises(EstimationError, match="'two_sided'; known: greater, less"):
        step_selection([0.1, 0.9, 0.4], [0.04, 0.02, 0.09], alternative="two_sided")


# PET and PEESE ----------------------------------------------------------------------------------


@given(sample=studies(smallest=4), method=some_methods, level=st.sampled_from([0.9, 0.95]))
def test_the_limits_are_those_of_two_lines_and_the_rule_chooses(
    sample: Studies, method: str, level: float
) -> None:
    yi, vi = sample
    assume(np.ptp(vi) > 0.01)
    found = pet_peese(yi, vi, method=method, ci_method="t", level=level)
    lines = {
        name: fit_meta_regression(
            yi, vi, np.column_stack([np.ones_like(vi), x]), method=method, ci_method="t",
            level=level,
        ).coefficients
        for name, x in (("PET", np.sqrt(vi)), ("PEESE", vi))
    }  # fmt: skip
    pet, peese = lines["PET"], lines["PEESE"]
    assert (found.pet, found.pet_pvalue) == (pet.estimate[0], pet.pvalue[0])
    assert found.peese == peese.estimate[0]
    # One-sided at 5%: an effect above 0 with a two-sided p-value below 10%.
    expected = "PEESE" if pet.estimate[0] > 0.0 and pet.pvalue[0] < 0.1 else "PET"
    shown = lines[expected]
    assert found.chosen == expected
    assert (found.estimate, found.ci_lb, found.ci_ub) == (
        shown.estimate[0], shown.ci_lb[0], shown.ci_ub[0],
    )  # fmt: skip
    assert found.method == f"{expected.lower()}/{method}/t"


@pytest.mark.parametrize(("effect", "chosen"), [(0.6, "PEESE"), (0.0, "PET"), (-0.6, "PET")])
def test_a_clear_effect_above_zero_takes_peese(effect: float, chosen: str) -> None:
    sei = np.linspace(0.05, 0.4, 12)
    yi = effect + 0.02 * np.cos(np.arange(12.0)) * sei
    assert pet_peese(yi, sei**2).chosen == chosen


@given(a=st.sampled_from([-0.4, 0.0, 0.3]), b=st.sampled_from([-1.0, 0.5, 2.0]))
def test_exact_lines_are_recovered(a: float, b: float) -> None:
    sei = np.linspace(0.05, 0.5, 9)
    assert pet_peese(a + b * sei, sei**2).pet == pytest.approx(a, abs=1e-10)
    assert pet_peese(a + b * sei**2, sei**2).peese == pytest.approx(a, abs=1e-10)


def test_equally_precise_studies_have_no_limit() -> None:
    with pytest.raises(EstimationError, match="equally precise"):
        pet_peese([0.1, 0.4, 0.2], [0.04] * 3)
