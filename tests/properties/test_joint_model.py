"""The joint model, the gap and the ratio: what must hold whatever the trials are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.dependent.blocks import make_blocks
from analysis.dependent.composites import make_composites
from analysis.dependent.multivariate import fit_multivariate
from analysis.errors import EstimationError
from analysis.gap.fieller import fieller_set
from analysis.gap.joint import (
    JointModel,
    difference,
    fit_joint,
    gap_estimates,
    mediation_shortfall,
    predictive_gap,
    probability_rises_without_behavior,
    transmission_ratio,
)
from analysis.univariate.pooling import fit_random_effects

from .generated import OUTCOMES, Trials, correlations, effects, make_trials, slow, studies, trials


def _joint(sample: Trials) -> JointModel:
    return fit_joint(sample.yi, sample.v, sample.trial, sample.outcome)


def _pairs(intention: np.ndarray, behavior: np.ndarray, vi: np.ndarray, rho: float) -> Trials:
    rows = []
    for trial, (a, b, v) in enumerate(zip(intention, behavior, vi, strict=True)):
        rows += [(trial, "intention", a, v), (trial, "behavior", b, v)]
    return make_trials(rows, rho)


def _reordered(sample: Trials, rows: list[int]) -> Trials:
    return Trials(
        sample.yi[rows],
        sample.v[np.ix_(rows, rows)],
        [sample.trial[i] for i in rows],
        [sample.outcome[i] for i in rows],
    )


@slow
@given(sample=trials(replicated=True), order=st.randoms(use_true_random=False))
def test_order_of_effects_does_not_matter(sample: Trials, order: object) -> None:
    rows = list(range(len(sample.yi)))
    order.shuffle(rows)  # type: ignore[attr-defined]
    first, second = _joint(sample), _joint(_reordered(sample, rows))
    assert second.fit.loglik == pytest.approx(first.fit.loglik, abs=1e-7)
    np.testing.assert_allclose(second.means, first.means, atol=1e-5)
    np.testing.assert_allclose(second.fit.tau, first.fit.tau, atol=1e-4)


@slow
@pytest.mark.parametrize("c", [1e-3, 1e3])
@given(sample=trials())
def test_units_scale_the_gap_and_leave_the_ratio(c: float, sample: Trials) -> None:
    first = _joint(sample)
    second = _joint(Trials(c * sample.yi, c**2 * sample.v, sample.trial, sample.outcome))
    np.testing.assert_allclose(second.means / c, first.means, atol=1e-5)
    np.testing.assert_allclose(second.fit.tau / c**2, first.fit.tau, atol=1e-4)
    assert difference(second).se / c == pytest.approx(difference(first).se, rel=1e-4)
    assert transmission_ratio(second).interval_kind == transmission_ratio(first).interval_kind


@slow
@given(sample=trials(), shift=effects)
def test_a_constant_on_one_outcome_moves_the_gap_by_it(sample: Trials, shift: float) -> None:
    moved = sample.yi + shift * np.array([name == "intention" for name in sample.outcome])
    first, second = (
        difference(fit_joint(yi, sample.v, sample.trial, sample.outcome))
        for yi in (sample.yi, moved)
    )
    assert second.estimate == pytest.approx(first.estimate + shift, abs=1e-5)
    assert second.se == pytest.approx(first.se, rel=1e-4)


@slow
@given(sample=studies(smallest=4), rho=correlations)
def test_identical_intention_and_behavior_have_no_gap(
    sample: tuple[np.ndarray, np.ndarray], rho: float
) -> None:
    yi, vi = sample
    model = _joint(_pairs(yi, yi, vi, rho))
    assert difference(model, "model").estimate == pytest.approx(0.0, abs=1e-6)
    if abs(model.means[0]) > 1e-3:
        assert transmission_ratio(model, "model").estimate == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    "vi", [[0.125, 0.5, 0.125, 0.125], [0.0312, 0.5, 0.5, 0.5]], ids=["ratio", "difference"]
)
def test_identical_outcomes_have_no_robust_gap_either(vi: list[float]) -> None:
    yi = np.array([0.0, 0.0, 0.0, 0.5 if vi[0] == 0.125 else 1.0])
    model = _joint(_pairs(yi, yi, np.array(vi), 0.0))
    for found in (difference(model, "CR2"), transmission_ratio(model, "CR2")):
        assert found.se == pytest.approx(0.0, abs=1e-6)  # the root of a rounding error


def test_effects_without_any_spread_have_no_probability() -> None:
    yi, vi = np.zeros(4), np.full(4, 0.5)
    model = _joint(_pairs(yi, np.array([0.0, 0.0, 0.0, 1.0]), vi, 0.0))
    found = probability_rises_without_behavior(model, method="CR2")
    assert (found.status, math.isnan(found.estimate)) == ("degenerate", True)


def test_one_trial_with_behavior_is_not_certain_of_it() -> None:
    """Five trials on intention, one of them on behavior: its residual is 0 by construction, which
    is no evidence of precision."""
    model = fit_joint(
        [0.5, 0.6, 0.4, 0.55, 0.45, 0.1], [0.02] * 5 + [0.05], [0, 1, 2, 3, 4, 0],
        ["intention"] * 5 + ["behavior"],
    )  # fmt: skip
    assert difference(model, "model").se > 0.2
    with pytest.raises(EstimationError, match="CR2 needs at least 2 trials"):
        difference(model, "CR2")
    assert {one.method.split("/")[0] for one in gap_estimates(model) if one.status == "ok"} == {
        "model"
    }


def _two_pools(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Effects and variances (2 x k) of two outcomes of independent trials."""
    rng = np.random.default_rng([3, seed])
    vi = 4.0 / rng.uniform(40.0, 400.0, (2, int(rng.integers(4, 15))))
    tau2 = np.array([[0.03], [0.01 * (seed % 3)]])
    return rng.normal([[0.4], [0.2]], np.sqrt(vi + tau2)), vi


@pytest.mark.parametrize("seed", range(8))
def test_independent_outcomes_pool_separately(seed: int) -> None:
    """Diagonal Tau and independent sampling: the joint model is two separate pools."""
    yi, vi = _two_pools(seed)
    rows = [
        (trial, name, yi[code, trial], vi[code, trial])
        for trial in range(yi.shape[1])
        for code, name in enumerate(OUTCOMES)
    ]
    pairs = make_trials(rows, 0.0)
    blocks = make_blocks(pairs.yi, pairs.v, pairs.trial, pairs.outcome, outcome_names=OUTCOMES)
    fit = fit_multivariate(blocks, structure="DIAG")
    for code in range(2):
        alone = fit_random_effects(yi[code], vi[code], ci_method="wald")
        assert fit.tau[code, code] == pytest.approx(alone.tau2, rel=1e-6, abs=1e-8)
        assert fit.beta[code] == pytest.approx(alone.mu, rel=1e-7)
        assert fit.se[code] == pytest.approx(alone.se, rel=1e-7)


@slow
@given(sample=trials())
def test_structures_are_nested(sample: Trials) -> None:
    blocks = make_blocks(sample.yi, sample.v, sample.trial, sample.outcome, outcome_names=OUTCOMES)
    ll = {name: fit_multivariate(blocks, structure=name).loglik
          for name in ("NONE", "ID", "DIAG", "CS", "HCS", "UN")}  # fmt: skip
    tiny = 1e-6
    for smaller, larger in (
        ("NONE", "ID"), ("ID", "DIAG"), ("ID", "CS"), ("DIAG", "HCS"), ("CS", "HCS"), ("HCS", "UN"),
    ):  # fmt: skip
        assert ll[larger] >= ll[smaller] - tiny, (smaller, larger)
    assert ll["HCS"] == pytest.approx(ll["UN"], abs=1e-6), "the same model with two outcomes"


@slow
@pytest.mark.parametrize("method", ["REML", "ML"])
@given(sample=trials(replicated=True))
def test_pooling_composites_is_pooling_all_effects(method: str, sample: Trials) -> None:
    """Without variance within trials the composites keep all information: same means and Tau,
    and log-likelihoods that differ by a constant whatever the structure."""
    every = make_blocks(sample.yi, sample.v, sample.trial, sample.outcome, outcome_names=OUTCOMES)
    made = make_composites(every)
    one = make_blocks(
        made.yi, list(made.v), made.cluster.tolist(), [OUTCOMES[o] for o in made.outcome],
        outcome_names=OUTCOMES,
    )  # fmt: skip
    offsets = []
    for structure in ("UN", "DIAG", "NONE"):
        first, second = (
            fit_multivariate(blocks, structure=structure, method=method) for blocks in (every, one)
        )
        np.testing.assert_allclose(second.beta, first.beta, atol=1e-5)
        np.testing.assert_allclose(second.vb, first.vb, rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(second.tau, first.tau, atol=1e-4)
        offsets.append(second.loglik - first.loglik)
    np.testing.assert_allclose(offsets, offsets[-1], atol=1e-6)


@slow
@given(sample=trials())
def test_estimands_agree_with_each_other(sample: Trials) -> None:
    untied = sample.yi + 0.05 * np.sin(np.arange(len(sample.yi)) ** 2)
    model = _joint(Trials(untied, sample.v, sample.trial, sample.outcome))
    gap, ahead = difference(model), predictive_gap(model)
    assert ahead.estimate == gap.estimate
    assert ahead.ci_ub - ahead.ci_lb > 0.0
    assert ahead.se >= gap.se * (1.0 - 1e-12)
    shortfall = mediation_shortfall(model, 1.0, 0.0)
    assert shortfall.estimate == pytest.approx(-gap.estimate, abs=1e-14)
    assert shortfall.se == pytest.approx(gap.se, rel=1e-12)
    if model.fit.structure == "UN":
        shares = [probability_rises_without_behavior(model, m).estimate for m in (-9.0, 0.0, 9.0)]
        assert shares == sorted(shares)
        assert shares[0] >= -1e-12
        assert shares[2] <= 1.0 + 1e-12
    assert all(one.status == "ok" for one in gap_estimates(model, slope=0.4, slope_variance=0.01))


@given(
    num=effects, den=effects, a=st.floats(0.001, 1.0), b=st.floats(0.001, 1.0),
    rho=st.floats(-0.95, 0.95), critical=st.sampled_from([1.0, 1.96, 2.6, 12.7]),
)  # fmt: skip
def test_fieller_set_agrees_with_a_scan(
    num: float, den: float, a: float, b: float, rho: float, critical: float
) -> None:
    cov = rho * math.sqrt(a * b)
    found = fieller_set(num, den, a, b, cov, critical)
    ratio = np.concatenate([np.linspace(-20.0, 20.0, 4001), [-1e6, 1e6]])
    slack = critical**2 * (a - 2.0 * ratio * cov + ratio**2 * b) - (num - ratio * den) ** 2
    inside = {
        "interval": (ratio >= found.lower) & (ratio <= found.upper),
        "two_rays": (ratio <= found.lower) | (ratio >= found.upper),
        "everything": np.ones_like(ratio, dtype=bool),
    }[found.kind]
    clear = np.abs(slack) > 1e-9 * (1.0 + ratio**2)
    np.testing.assert_array_equal(inside[clear], slack[clear] > 0.0)
    assert (found.kind == "interval") is (found.g < 1.0)


@given(num=effects, den=effects.filter(bool), a=st.floats(0.001, 1.0), b=st.floats(0.001, 1.0))
def test_fieller_set_of_the_inverse_ratio(num: float, den: float, a: float, b: float) -> None:
    """Bounded away from 0, the set of den / num is the inverse of the set of num / den."""
    found = fieller_set(num, den, a, b, 0.0, 1.0)
    if found.kind == "interval" and found.lower * found.upper > 1e-6:
        other = fieller_set(den, num, b, a, 0.0, 1.0)
        np.testing.assert_allclose(
            [other.lower, other.upper], [1.0 / found.upper, 1.0 / found.lower], rtol=1e-6
        )


def test_the_robust_test_of_one_contrast_is_its_t_squared() -> None:
    from analysis.dependent.robust import wald_test
    from analysis.gap.joint import fit_joint

    random = np.random.default_rng(3)
    yi, vi = random.normal(0.3, 0.3, 24), random.uniform(0.02, 0.1, 24)
    trial = np.repeat(np.arange(12), 2).tolist()
    model = fit_joint(yi, vi, trial, ["intention", "behavior"] * 12)
    robust, contrast = model.robust, np.array([1.0, -1.0])
    assert robust is not None
    test = wald_test(robust, [contrast])
    t = float(contrast @ robust.beta) / np.sqrt(robust.variance(contrast))
    assert test.statistic == pytest.approx(t**2, rel=1e-12)
    assert test.df_denom == pytest.approx(robust.df(contrast), rel=1e-10)
    turned = wald_test(robust, [[2.0, 1.0], [1.0, 3.0]])
    both = wald_test(robust, np.eye(2))
    assert turned.statistic == pytest.approx(both.statistic, rel=1e-9), "the same hypothesis"
    with pytest.raises(EstimationError, match="depend on each other"):
        wald_test(robust, [[1.0, 1.0], [2.0, 2.0]])
    with pytest.raises(EstimationError, match="2 columns"):
        wald_test(robust, [[1.0, 0.0, 0.0]])
