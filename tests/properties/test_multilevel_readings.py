"""I2 by level, the omnibus test and predictions against dense formulas of the stacked model."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from scipy import stats

from analysis.dependent.blocks import make_blocks
from analysis.dependent.multilevel import i2_by_level, omnibus_test, predict_outcomes
from analysis.dependent.multivariate import MultivariateFit, fit_multivariate
from analysis.dependent.robust import robust_covariance
from analysis.errors import EstimationError
from analysis.univariate.pooling import fit_random_effects

from .generated import OUTCOMES, Trials, make_trials, slow, trials


def sample(seed: int, *, trials: int = 7, rho: float = 0.4, outcomes: int = 1) -> Trials:
    """Trials of one to three effects."""
    rng = np.random.default_rng([17, seed])
    rows = []
    for trial in range(trials):
        own = rng.normal(0.0, 0.3)
        for n in range(int(rng.integers(1, 4)) if outcomes == 1 else outcomes):
            v = float(rng.uniform(0.02, 0.1))
            rows.append((trial, OUTCOMES[n % outcomes], 0.4 + own + rng.normal(0.0, 0.3), v))
    return make_trials(rows, rho)


def column(data: Trials, seed: int) -> np.ndarray:
    """An intercept and two moderators."""
    k = data.yi.size
    rng = np.random.default_rng([18, seed])
    return np.column_stack([np.ones(k), rng.normal(size=k), np.arange(k) % 2])


def three_level(data: Trials, design: np.ndarray | None = None) -> MultivariateFit:
    blocks = make_blocks(data.yi, data.v, data.trial, design=design)
    return fit_multivariate(blocks, structure="ID", within="common")


def dense(data: Trials, fit: MultivariateFit, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and their covariance by generalized least squares with k x k matrices."""
    trial, kind = np.array(data.trial), fit.blocks.outcome
    same = trial[:, None] == trial[None, :]
    sigma = data.v + same * fit.tau[np.ix_(kind, kind)] + np.diag(fit.omega[kind])
    w = np.linalg.inv(sigma)
    vb = np.linalg.inv(x.T @ w @ x)
    return vb @ x.T @ w @ data.yi, vb


def dense_i2(data: Trials, fit: MultivariateFit, x: np.ndarray) -> tuple[float, ...]:
    w = np.linalg.inv(data.v)
    p = w - w @ x @ np.linalg.inv(x.T @ w @ x) @ x.T @ w
    typical = (len(data.yi) - x.shape[1]) / float(np.trace(p))
    between, within = float(fit.tau[0, 0]), float(fit.omega[0])
    total = between + within + typical
    return (
        100 * between / total, 100 * within / total, 100 * (between + within) / total, typical
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("moderated", [False, True])
def test_i2_by_level_is_the_dense_formula(seed: int, moderated: bool) -> None:
    data = sample(seed)
    x = column(data, seed) if moderated else np.ones((data.yi.size, 1))
    fit = three_level(data, x)
    found = i2_by_level(fit)
    np.testing.assert_allclose(
        [found.between, found.within, found.total, found.typical_v], dense_i2(data, fit, x),
        rtol=1e-9, atol=1e-9,
    )  # fmt: skip
    assert found.total == pytest.approx(found.between + found.within, rel=1e-12)
    assert 0.0 <= found.total <= 100.0


@slow
@given(data=trials(replicated=True))
def test_i2_by_level_of_any_trials(data: Trials) -> None:
    fit = three_level(data)
    found = i2_by_level(fit)
    wanted = dense_i2(data, fit, np.ones((data.yi.size, 1)))
    np.testing.assert_allclose(
        [found.between, found.within, found.total, found.typical_v], wanted, rtol=1e-7, atol=1e-7
    )


def test_with_one_effect_per_trial_i2_is_that_of_a_pool() -> None:
    rng = np.random.default_rng(5)
    yi, vi = rng.normal(0.3, 0.4, 10), rng.uniform(0.01, 0.08, 10)
    fit = fit_multivariate(make_blocks(yi, vi, list(range(10))), structure="ID")
    pool = fit_random_effects(yi, vi)
    found = i2_by_level(fit)
    assert found.between == pytest.approx(pool.heterogeneity.i2, rel=1e-6)
    assert found.typical_v == pytest.approx(pool.heterogeneity.typical_v, rel=1e-10)
    assert found.within == 0.0


def test_i2_has_no_units() -> None:
    data = sample(2)
    large = Trials(100.0 * data.yi, 1e4 * data.v, data.trial, data.outcome)
    first, second = i2_by_level(three_level(data)), i2_by_level(three_level(large))
    for name in ("between", "within", "total"):
        assert getattr(second, name) == pytest.approx(getattr(first, name), rel=1e-5, abs=1e-6)
    assert second.typical_v == pytest.approx(1e4 * first.typical_v, rel=1e-9)


def test_i2_of_several_outcomes_is_refused() -> None:
    data = sample(1, outcomes=2)
    blocks = make_blocks(data.yi, data.v, data.trial, data.outcome)
    with pytest.raises(EstimationError, match="one outcome"):
        i2_by_level(fit_multivariate(blocks))


@pytest.mark.parametrize("seed", range(6))
def test_the_omnibus_test_is_the_dense_one(seed: int) -> None:
    data = sample(seed, trials=10)
    x = column(data, seed)
    fit = three_level(data, x)
    beta, vb = dense(data, fit, x)
    np.testing.assert_allclose(fit.beta, beta, rtol=1e-8)
    for tested, found in (
        ([1, 2], omnibus_test(fit)),
        ([1], omnibus_test(fit, 1)),
        ([0, 2], omnibus_test(fit, [0, 2])),
        ([0, 1, 2], omnibus_test(fit, [0, 1, 2])),
    ):
        statistic = beta[tested] @ np.linalg.inv(vb[np.ix_(tested, tested)]) @ beta[tested]
        assert found.statistic == pytest.approx(float(statistic), rel=1e-8)
        assert (found.df_num, found.df_denom) == (len(tested), math.inf)
        assert found.pvalue == pytest.approx(stats.chi2.sf(statistic, len(tested)), rel=1e-7)
        assert found.method == "model/chi_squared"


def test_without_moderators_the_omnibus_test_is_of_the_means() -> None:
    data = sample(3)
    fit = three_level(data)
    found = omnibus_test(fit)
    assert found.statistic == pytest.approx(float((fit.beta[0] / fit.se[0]) ** 2), rel=1e-10)
    assert found.pvalue == pytest.approx(2 * stats.norm.sf(abs(fit.beta[0] / fit.se[0])), rel=1e-9)
    two = sample(3, outcomes=2)
    fit = fit_multivariate(
        make_blocks(two.yi, two.v, two.trial, two.outcome, outcome_names=OUTCOMES)
    )
    both = omnibus_test(fit)
    beta, vb = dense(two, fit, fit.blocks.design)
    assert both.df_num == 2
    assert both.statistic == pytest.approx(float(beta @ np.linalg.inv(vb) @ beta), rel=1e-8)


def test_the_omnibus_test_does_not_depend_on_the_units_of_moderators() -> None:
    data = sample(4, trials=10)
    x = column(data, 4)
    turned = x @ np.array([[1.0, 5.0, 0.0], [0.0, 100.0, 0.0], [0.0, 3.0, 0.5]])
    first, second = (omnibus_test(three_level(data, one), [1, 2]) for one in (x, turned))
    assert second.statistic == pytest.approx(first.statistic, rel=1e-6)


@pytest.fixture
def made() -> MultivariateFit:
    """Two outcomes, two effects of each in every trial."""
    rng = np.random.default_rng(23)
    rows = []
    for trial in range(9):
        truth = rng.multivariate_normal([0.6, 0.2], [[0.08, 0.05], [0.05, 0.1]])
        for n in range(4):
            y = float(truth[n % 2] + rng.normal(0.0, 0.25))
            rows.append((trial, OUTCOMES[n % 2], y, float(rng.uniform(0.01, 0.04))))
    data = make_trials(rows, 0.5)
    blocks = make_blocks(data.yi, data.v, data.trial, data.outcome, outcome_names=OUTCOMES)
    return fit_multivariate(blocks, within="per_outcome")


@pytest.mark.parametrize("level", [0.9, 0.95])
@pytest.mark.parametrize("effects", [True, False])
@pytest.mark.parametrize("is_robust", [True, False])
def test_prediction_limits_contain_the_variances(
    made: MultivariateFit, level: float, effects: bool, is_robust: bool
) -> None:
    robust = robust_covariance(made) if is_robust else None
    found = predict_outcomes(made, robust, effects=effects, level=level)
    assert found.outcomes == OUTCOMES
    for o in range(2):
        contrast = np.eye(2)[o]
        variance = float((made.vb if robust is None else robust.vcov)[o, o])
        df = math.inf if robust is None else robust.df(contrast)
        t = float(stats.t.ppf(0.5 + level / 2, df) if robust else stats.norm.ppf(0.5 + level / 2))
        spread = float(made.tau[o, o]) + (float(made.omega[o]) if effects else 0.0)
        assert spread > 0.0
        assert found.mean[o] == made.beta[o]
        assert found.se[o] == pytest.approx(math.sqrt(variance), rel=1e-12)
        assert found.df[o] == pytest.approx(df)
        assert found.ci_lb[o] == pytest.approx(made.beta[o] - t * math.sqrt(variance), rel=1e-9)
        assert found.ci_ub[o] == pytest.approx(made.beta[o] + t * math.sqrt(variance), rel=1e-9)
        reach = t * math.sqrt(spread + variance)
        assert found.pi_lb[o] == pytest.approx(made.beta[o] - reach, rel=1e-9)
        assert found.pi_ub[o] == pytest.approx(made.beta[o] + reach, rel=1e-9)


def test_predictions_are_wider_than_means_and_of_effects_wider_than_of_trials(
    made: MultivariateFit,
) -> None:
    single, mean = predict_outcomes(made), predict_outcomes(made, effects=False)
    assert (single.pi_lb < mean.pi_lb).all() and (mean.pi_lb < mean.ci_lb).all()
    assert (single.pi_ub > mean.pi_ub).all() and (mean.pi_ub > mean.ci_ub).all()
    np.testing.assert_array_equal(single.ci_lb, mean.ci_lb)


def test_without_any_variance_the_prediction_is_the_confidence_interval() -> None:
    data = make_trials([(i, "effect", 0.3, 0.05) for i in range(6)], 0.0)
    fit = fit_multivariate(make_blocks(data.yi, data.v, data.trial), structure="ID")
    assert fit.tau[0, 0] == pytest.approx(0.0, abs=1e-10)
    found = predict_outcomes(fit)
    np.testing.assert_allclose([found.pi_lb, found.pi_ub], [found.ci_lb, found.ci_ub], atol=1e-7)


def test_predictions_of_one_outcome_are_those_of_a_pool() -> None:
    rng = np.random.default_rng(5)
    yi, vi = rng.normal(0.3, 0.4, 10), rng.uniform(0.01, 0.08, 10)
    fit = fit_multivariate(make_blocks(yi, vi, list(range(10))), structure="ID")
    pool = fit_random_effects(yi, vi, ci_method="wald")
    found = predict_outcomes(fit)
    half = stats.norm.ppf(0.975) * math.sqrt(pool.tau2 + pool.se**2)
    np.testing.assert_allclose(
        [found.mean[0], found.ci_lb[0], found.pi_lb[0]], [pool.mu, pool.ci_lb, pool.mu - half],
        rtol=1e-6,
    )  # fmt: skip


def test_moderators_are_refused() -> None:
    data = sample(1)
    for design in (column(data, 1), 2.0 * np.ones((data.yi.size, 1))):
        with pytest.raises(EstimationError, match="no moderators"):
            predict_outcomes(three_level(data, design))
    two = sample(1, outcomes=2)
    kind = (np.array(two.outcome) == "intention").astype(float)
    contrast = np.column_stack([np.ones_like(kind), kind])
    blocks = make_blocks(
        two.yi, two.v, two.trial, two.outcome, design=contrast, outcome_names=OUTCOMES
    )
    with pytest.raises(EstimationError, match="one mean per outcome"):
        predict_outcomes(fit_multivariate(blocks))


def test_a_column_of_ones_is_no_moderator() -> None:
    data = sample(1)
    spelled = predict_outcomes(three_level(data, np.ones((data.yi.size, 1))))
    plain = predict_outcomes(three_level(data))
    np.testing.assert_allclose(spelled.pi_lb, plain.pi_lb, rtol=1e-10)


def test_the_order_of_outcomes_moves_rows_only(made: MultivariateFit) -> None:
    group = made.blocks
    labels = [OUTCOMES[o] for o in group.outcome]
    yi, v = np.empty(group.k), np.zeros((group.k, group.k))
    for part in group.groups:
        for rows, y, own in zip(part.rows, part.y, part.v, strict=True):
            yi[rows], v[np.ix_(rows, rows)] = y, own
    turned = fit_multivariate(
        make_blocks(yi, v, group.cluster.tolist(), labels, outcome_names=OUTCOMES[::-1]),
        within="per_outcome",
    )
    first, second = predict_outcomes(made), predict_outcomes(turned)
    assert second.outcomes == OUTCOMES[::-1]
    np.testing.assert_allclose(second.pi_lb[::-1], first.pi_lb, rtol=1e-5)
