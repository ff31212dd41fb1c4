"""The gap from participants, some of whom dropped out: Rubin's rules, imputation, one stage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from scipy import optimize, special, stats

from analysis.effect_sizes.binary import log_odds_ratio
from analysis.effect_sizes.standardized import standardized_mean_difference
from analysis.errors import EstimationError
from analysis.gap.incomplete_participants import (
    ParticipantTrial,
    combine_imputations,
    impute_behavior,
    participant_gap,
)
from analysis.gap.joint import difference, fit_joint
from analysis.gap.one_stage import fit_one_stage

MEANS = (0.5, 0.0)
SPREAD = [[0.02, 0.01], [0.01, 0.02]]


def people(
    rng: np.random.Generator, n: int, name: str = "t", *, means: Sequence[float] = MEANS,
    dropout: float = 0.0, correlation: float = 0.6, spread: bool = True,
) -> ParticipantTrial:  # fmt: skip
    """A trial with effects `means` in within-arm standard deviations.

    dropout: how strongly behavior goes missing with low intention in the intervention arm and with
    high intention in the other one, so that who is left looks better treated.
    """
    treated = np.arange(n) % 2 == 0
    effect = rng.multivariate_normal(means, SPREAD) if spread else np.array(means)
    error = rng.multivariate_normal([0.0, 0.0], [[1.0, correlation], [correlation, 1.0]], n)
    intention, behavior = (error[:, j] + effect[j] * treated for j in range(2))
    if dropout:
        direction = np.where(treated, 1.0, -1.0)
        stays = special.expit(0.3 + dropout * direction * (intention - effect[0] * treated))
        behavior = np.where(rng.random(n) < stays, behavior, np.nan)
    return ParticipantTrial(name, treated, intention, behavior)


def several(seed: int, k: int, n: int, **more: float) -> list[ParticipantTrial]:
    rng = np.random.default_rng([19, seed])
    return [people(rng, n, f"t{i}", **more) for i in range(k)]  # type: ignore[arg-type]


def acted(trial: ParticipantTrial, threshold: float = 0.0) -> ParticipantTrial:
    """The trial with behavior done or not done."""
    known = np.isfinite(trial.behavior)
    binary = np.where(known, (trial.behavior > threshold).astype(float), np.nan)
    return ParticipantTrial(trial.name, trial.treated, trial.intention, binary)


def test_rubins_rules_by_hand() -> None:
    """Three imputations of two effects: B with denominator 2, times 4/3."""
    estimates = [[1.0, 2.0], [2.0, 2.0], [3.0, 5.0]]
    within = [np.diag([1.0, 2.0]), np.diag([2.0, 2.0]), [[3.0, 1.5], [1.5, 2.0]]]
    mean, total, share = combine_imputations(estimates, within)
    np.testing.assert_allclose(mean, [2.0, 3.0])
    # Deviations (-1, -1), (0, -1), (1, 2): B = [[1, 1.5], [1.5, 3]]; W = [[2, .5], [.5, 2]].
    np.testing.assert_allclose(total, [[2 + 4 / 3, 0.5 + 2.0], [0.5 + 2.0, 2 + 4.0]])
    np.testing.assert_allclose(share, [(4 / 3) / (10 / 3), 4.0 / 6.0])


def test_rubins_rules_by_loops() -> None:
    rng = np.random.default_rng(3)
    m, q = 7, 3
    estimates = rng.normal(size=(m, q))
    factors = rng.normal(size=(m, q, q))
    within = factors @ factors.transpose(0, 2, 1) + np.eye(q)
    mean, total, share = combine_imputations(estimates, within)
    for a in range(q):
        assert mean[a] == pytest.approx(sum(estimates[:, a]) / m)
        for b in range(q):
            own = sum(within[:, a, b]) / m
            between = sum(
                (estimates[i, a] - mean[a]) * (estimates[i, b] - mean[b]) for i in range(m)
            ) / (m - 1)  # fmt: skip
            assert total[a, b] == pytest.approx(own + (1 + 1 / m) * between)
            if a == b:
                assert share[a] == pytest.approx((1 + 1 / m) * between / total[a, a])


def test_rubins_rules_of_one_number_and_of_equal_imputations() -> None:
    mean, total, share = combine_imputations([[1.0], [3.0]], [[[0.5]], [[1.5]]])
    assert (mean[0], total[0, 0], share[0]) == pytest.approx((2.0, 1.0 + 1.5 * 2.0, 0.75))
    mean, total, share = combine_imputations([[0.2, 0.1]] * 4, [np.diag([0.1, 0.3])] * 4)
    np.testing.assert_allclose(total, np.diag([0.1, 0.3]))
    np.testing.assert_array_equal(share, [0.0, 0.0])


@pytest.mark.parametrize("m", [0, 1])
def test_one_imputation_is_refused(m: int) -> None:
    with pytest.raises(EstimationError, match=f"found {m}"):
        combine_imputations(np.zeros((m, 2)), np.zeros((m, 2, 2)))


def test_available_cases_are_the_effects_of_who_was_measured() -> None:
    trials = several(1, 5, 80, dropout=1.0)
    model, pairs = participant_gap(trials)
    for trial, pair in zip(trials, pairs, strict=True):
        assert pair.trial == trial.name
        for j, values in enumerate((trial.intention, trial.behavior)):
            one, two = (
                values[(trial.treated == arm) & np.isfinite(values)] for arm in (True, False)
            )  # fmt: skip
            g = standardized_mean_difference(
                one.mean(), one.std(ddof=1), one.size, two.mean(), two.std(ddof=1), two.size
            )
            assert pair.estimate[j] == pytest.approx(float(g.yi[0]), rel=1e-12)
            assert pair.covariance[j, j] == pytest.approx(float(g.vi[0]), rel=1e-12)
        np.testing.assert_array_equal(pair.missing_share, [0.0, 0.0])
        assert np.linalg.eigvalsh(pair.covariance)[0] > 0.0
    direct = fit_joint(
        [y for pair in pairs for y in pair.estimate], [pair.covariance for pair in pairs],
        [name for pair in pairs for name in (pair.trial,) * 2], ["intention", "behavior"] * 5,
    )  # fmt: skip
    np.testing.assert_allclose(model.means, direct.means, rtol=1e-10)
    assert difference(model).se == pytest.approx(difference(direct).se, rel=1e-10)


def test_with_nothing_missing_imputed_is_available() -> None:
    trials = several(2, 5, 60)
    first, pairs = participant_gap(trials)
    second, imputed = participant_gap(trials, missing="imputed", imputations=3)
    np.testing.assert_allclose(second.means, first.means, rtol=1e-12)
    np.testing.assert_allclose(second.fit.vb, first.fit.vb, rtol=1e-10)
    for one, other in zip(pairs, imputed, strict=True):
        np.testing.assert_allclose(other.estimate, one.estimate, rtol=1e-14)
        np.testing.assert_allclose(other.covariance, one.covariance, rtol=1e-12)
        np.testing.assert_allclose(other.missing_share, 0.0, atol=1e-14)


def test_imputation_fills_what_is_missing_and_nothing_else() -> None:
    rng = np.random.default_rng(4)
    trial = people(rng, 200, dropout=1.0)
    trial.intention[:20] = np.nan
    before = trial.intention.copy(), trial.behavior.copy()
    copies = impute_behavior(trial, 4, np.random.default_rng(1))
    assert len(copies) == 4
    np.testing.assert_array_equal(trial.intention, before[0])
    np.testing.assert_array_equal(trial.behavior, before[1])
    for one in copies:
        assert np.isfinite(one.intention).all() and np.isfinite(one.behavior).all()
        for own, old in ((one.intention, before[0]), (one.behavior, before[1])):
            known = np.isfinite(old)
            np.testing.assert_array_equal(own[known], old[known])
    lost = ~np.isfinite(before[1])
    assert not np.array_equal(copies[0].behavior[lost], copies[1].behavior[lost])


def test_imputed_values_follow_the_regression_within_arms() -> None:
    """Behavior known only for low intention in one arm: the line is carried on, with its spread."""
    rng = np.random.default_rng(6)
    n = 4000
    treated = np.arange(n) % 2 == 0
    intention = rng.normal(size=n)
    behavior = np.where(treated, 1.0 + 0.8 * intention, -0.5 * intention) + rng.normal(0, 0.3, n)
    kept = np.where((intention > 0.3) & treated, np.nan, behavior)
    made = impute_behavior(ParticipantTrial("t", treated, intention, kept), 1, rng)[0]
    lost = ~np.isfinite(kept)
    fit = stats.linregress(intention[lost], made.behavior[lost])
    assert fit.slope == pytest.approx(0.8, abs=0.08)
    assert fit.intercept == pytest.approx(1.0, abs=0.08)
    residual = made.behavior[lost] - fit.intercept - fit.slope * intention[lost]
    assert residual.std() == pytest.approx(0.3, abs=0.03)


@cache
def simulated(runs: int = 8) -> np.ndarray:
    """Differences by available cases, imputation and one stage in trials with dropout; the true
    one is .5 - 0. The behavior effect is 0, so that its scale does not matter."""
    rng = np.random.default_rng(29)
    out = []
    for run in range(runs):
        trials = [people(rng, 400, f"t{i}", dropout=1.2) for i in range(5)]
        available, _ = participant_gap(trials)
        imputed, _ = participant_gap(trials, missing="imputed", imputations=8, seed=run)
        out.append([
            difference(available).estimate, difference(imputed).estimate,
            fit_one_stage(trials).difference,
        ])  # fmt: skip
    return np.array(out)


def test_imputation_and_one_stage_remove_the_bias_of_available_cases() -> None:
    """8 runs of 5 trials of 400; the Monte Carlo standard error of each mean is about .04, the
    bias of available cases about -.5."""
    found = simulated()
    error = found.std(axis=0, ddof=1) / math.sqrt(found.shape[0])
    assert (error < 0.06).all()
    bias = found.mean(axis=0) - (MEANS[0] - MEANS[1])
    assert bias[0] < -8.0 * error[0]
    assert abs(bias[1]) < 3.0 * error[1]
    assert abs(bias[2]) < 3.0 * error[2]


def test_imputation_and_one_stage_agree_run_by_run() -> None:
    """The same assumption with other means: they differ by the noise of 8 imputations only."""
    found = simulated()
    assert np.abs(found[:, 1] - found[:, 2]).max() < 0.06
    assert abs((found[:, 1] - found[:, 2]).mean()) < 0.02


@pytest.mark.parametrize("seed", range(3))
def test_one_stage_is_two_stage_when_nothing_is_missing(seed: int) -> None:
    """Large complete trials: Hedges' correction and the error of the standard deviation vanish."""
    trials = several(seed, 6, 2000)
    found = fit_one_stage(trials)
    _, pairs = participant_gap(trials)
    model = fit_joint(
        [y for pair in pairs for y in pair.estimate], [pair.covariance for pair in pairs],
        [name for pair in pairs for name in (pair.trial,) * 2], ["intention", "behavior"] * 6,
        method="ML",
    )  # fmt: skip
    gap = difference(model, "model")
    assert found.difference == pytest.approx(gap.estimate, abs=2e-3)
    assert found.se == pytest.approx(gap.se, rel=0.02)
    np.testing.assert_allclose([found.mu_intention, found.mu_behavior], model.means, atol=3e-3)
    between = [found.tau2_intention, found.tau_covariance, found.tau2_behavior]
    wanted = [model.fit.tau[0, 0], model.fit.tau[0, 1], model.fit.tau[1, 1]]
    np.testing.assert_allclose(between, wanted, atol=1e-3)
    assert (found.trials, found.participants) == (6, 12_000)


def dense_maximum(trials: Sequence[ParticipantTrial]) -> tuple[float, float]:
    """Difference and its standard error by maximizing the likelihood of all stacked outcomes.

    Per trial two intercepts and a residual covariance, shared means and their covariance in units
    of the residual standard deviations; matrices of all outcomes of a trial are written out.
    """
    data = []
    for trial in trials:
        y = np.column_stack([trial.intention, trial.behavior])
        z = trial.treated.astype(float)
        for j in range(2):
            seen = np.isfinite(y[:, j])
            parts = [y[seen & (z == arm), j] for arm in (0.0, 1.0)]
            rest = sum(((part - part.mean()) ** 2).sum() for part in parts)
            y[:, j] /= math.sqrt(rest / (seen.sum() - 2))
        seen = np.isfinite(y).ravel()
        person, kind = np.divmod(np.arange(y.size)[seen], 2)
        data.append((y.ravel()[seen], z[person], kind, person[:, None] == person[None, :]))

    def factor(theta: np.ndarray) -> np.ndarray:
        lower = np.array([[theta[0], 0.0], [theta[1], theta[2]]])
        return lower @ lower.T

    def pieces(theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Log-likelihood with intercepts and means at their GLS values."""
        tau, k = factor(theta[:3]), len(data)
        information, right = np.zeros((2 * k + 2,) * 2), np.zeros(2 * k + 2)
        value = 0.0
        for i, (y, z, kind, same) in enumerate(data):
            pair = np.ix_(kind, kind)
            residual = factor(theta[3 + 3 * i : 6 + 3 * i])
            unit = np.sqrt(np.diag(residual))[kind] * z
            omega = residual[pair] * same + tau[pair] * np.outer(unit, unit)
            x = np.zeros((y.size, 2 * k + 2))
            x[np.arange(y.size), 2 * i + kind] = 1.0
            x[np.arange(y.size), 2 * k + kind] = unit
            solved = np.linalg.solve(omega, np.column_stack([x, y]))
            information += x.T @ solved[:, :-1]
            right += x.T @ solved[:, -1]
            value -= 0.5 * (float(np.linalg.slogdet(omega)[1]) + float(y @ solved[:, -1]))
        vcov = np.linalg.inv(information)
        return value + 0.5 * float(right @ vcov @ right), vcov @ right, vcov

    start = np.tile([1.0, 0.4, 0.9], len(data) + 1)
    start[:3] = [0.3, 0.1, 0.3]
    best = optimize.minimize(lambda t: -pieces(t)[0], start, method="BFGS", tol=1e-8)
    _, beta, vcov = pieces(best.x)
    contrast = np.zeros(beta.size)
    contrast[-2:] = [1.0, -1.0]
    return float(contrast @ beta), math.sqrt(float(contrast @ vcov @ contrast))


@pytest.mark.parametrize("dropout", [0.0, 1.0])
def test_one_stage_is_about_the_maximum_of_the_stacked_likelihood(dropout: float) -> None:
    """Intercepts are integrated out where variances are found, and a trial's standard deviations
    learn from its residuals alone, so that the two differ a little in small trials."""
    rng = np.random.default_rng(31)
    trials = [
        people(rng, 30, f"t{i}", dropout=dropout, means=means, spread=False)
        for i, means in enumerate([(0.2, 0.9), (1.6, 0.4), (0.4, -0.9)])
    ]
    found = fit_one_stage(trials)
    wanted, se = dense_maximum(trials)
    assert found.status == "ok"
    assert found.difference == pytest.approx(wanted, abs=0.05 * se)
    assert found.se == pytest.approx(se, rel=0.04)


def test_the_limits_of_one_stage_are_normal() -> None:
    trials = several(5, 4, 100, dropout=1.0)
    found, wide = fit_one_stage(trials), fit_one_stage(trials, level=0.99)
    z = stats.norm.ppf(0.975)
    assert (found.ci_lb, found.ci_ub) == pytest.approx(
        (found.difference - z * found.se, found.difference + z * found.se)
    )
    assert found.statistic == pytest.approx(found.difference / found.se)
    assert found.pvalue == pytest.approx(2 * stats.norm.sf(abs(found.statistic)))
    assert wide.ci_lb < found.ci_lb < found.ci_ub < wide.ci_ub
    assert wide.difference == found.difference
    assert found.difference == pytest.approx(found.mu_intention - found.mu_behavior)


def moved(trial: ParticipantTrial, rows: np.ndarray) -> ParticipantTrial:
    """Participants in another order, both outcomes in other units."""
    return ParticipantTrial(
        trial.name, trial.treated[rows], 10.0 + 7.0 * trial.intention[rows],
        -3.0 + 0.1 * trial.behavior[rows],
    )  # fmt: skip


def test_units_and_the_order_of_participants_and_trials_do_not_matter() -> None:
    trials = several(6, 4, 60, dropout=1.0)
    rng = np.random.default_rng(1)
    other = [moved(one, rng.permutation(60)) for one in trials][::-1]
    first, second = fit_one_stage(trials), fit_one_stage(other)
    assert second.difference == pytest.approx(first.difference, abs=1e-6)
    assert second.se == pytest.approx(first.se, abs=1e-6)
    one, two = participant_gap(trials)[0], participant_gap(other)[0]
    np.testing.assert_allclose(two.means, one.means, atol=1e-6)


def test_participants_without_any_outcome_do_not_count() -> None:
    trials = several(7, 3, 60, dropout=1.0)
    more = [
        ParticipantTrial(
            one.name, np.append(one.treated, [True, False]),
            np.append(one.intention, [np.nan] * 2), np.append(one.behavior, [np.nan] * 2),
        )
        for one in trials
    ]  # fmt: skip
    assert fit_one_stage(more) == fit_one_stage(trials)
    np.testing.assert_allclose(
        participant_gap(more)[0].means, participant_gap(trials)[0].means, rtol=1e-10
    )


def test_behavior_done_or_not_done_is_a_log_odds_ratio() -> None:
    trials = [acted(one) for one in several(8, 4, 120, dropout=1.0)]
    assert all(one.is_binary for one in trials)
    for trial, pair in zip(trials, participant_gap(trials)[1], strict=True):
        known = np.isfinite(trial.behavior)
        one, two = (trial.behavior[known & (trial.treated == arm)] for arm in (True, False))
        made = log_odds_ratio(one.sum(), one.size, two.sum(), two.size)
        scale = math.sqrt(3.0) / math.pi
        assert pair.estimate[1] == pytest.approx(float(made.yi[0]) * scale, rel=1e-12)
        assert pair.covariance[1, 1] == pytest.approx(float(made.vi[0]) * scale**2, rel=1e-12)
        assert pair.covariance[0, 1] > 0.0, "who intends more acts more often"


def test_behavior_done_or_not_done_is_imputed_as_such() -> None:
    trials = [acted(one) for one in several(9, 4, 150, dropout=1.0)]
    for one in impute_behavior(trials[0], 3, np.random.default_rng(1)):
        assert set(one.behavior) == {0.0, 1.0}
    model, pairs = participant_gap(trials, missing="imputed", imputations=5)
    assert math.isfinite(difference(model).estimate)
    for pair in pairs:
        assert pair.missing_share[0] == pytest.approx(0.0, abs=1e-20)
        assert 0.0 < pair.missing_share[1] < 1.0


def test_imputation_removes_the_bias_of_binary_behavior() -> None:
    """One large trial without an effect on behavior: the standard error of the log odds ratio as d
    is about .02, the bias of available cases about .4."""
    trial = acted(people(np.random.default_rng(41), 20_000, dropout=1.2, spread=False))
    other = ParticipantTrial("other", trial.treated, trial.intention, trial.behavior)
    trials = [trial, other]
    available = participant_gap(trials)[1][0].estimate[1]
    imputed = participant_gap(trials, missing="imputed", imputations=5)[1][0].estimate[1]
    assert available > 0.3
    assert abs(imputed) < 0.08


def test_an_arm_in_which_everybody_acts_can_be_imputed() -> None:
    trial = acted(people(np.random.default_rng(2), 80, dropout=1.0))
    trial.behavior[trial.treated & np.isfinite(trial.behavior)] = 1.0
    for one in impute_behavior(trial, 3, np.random.default_rng(1)):
        assert np.isin(one.behavior, (0.0, 1.0)).all()
        assert one.behavior[trial.treated].mean() > 0.8


def test_one_stage_takes_behavior_done_or_not_done_as_a_number() -> None:
    trials = [acted(one) for one in several(10, 4, 400)]
    found = fit_one_stage(trials)
    assert math.isfinite(found.difference)
    _, pairs = participant_gap(trials)
    as_odds = np.mean([pair.estimate[1] for pair in pairs])
    assert found.mu_behavior == pytest.approx(float(as_odds), abs=0.15)


def test_the_seed_reproduces_imputation() -> None:
    trials = several(11, 4, 60, dropout=1.0)

    def run(seed: int) -> tuple[np.ndarray, np.ndarray]:
        model, pairs = participant_gap(trials, missing="imputed", imputations=3, seed=seed)
        return model.means, np.array([pair.covariance for pair in pairs])

    first, again, other = run(5), run(5), run(6)
    np.testing.assert_array_equal(again[0], first[0])
    np.testing.assert_array_equal(again[1], first[1])
    assert (other[0] != first[0]).any()


def test_missing_shares_grow_with_dropout() -> None:
    few, many = (
        participant_gap(
            [thinned(one, share) for one in several(12, 4, 200)], missing="imputed", imputations=15
        )[1]
        for share in (0.1, 0.5)
    )
    for one, other in zip(few, many, strict=True):
        assert 0.0 < one.missing_share[1] < other.missing_share[1] < 1.0
        assert max(one.missing_share[0], other.missing_share[0]) < 1e-20


def thinned(trial: ParticipantTrial, share: float) -> ParticipantTrial:
    """Behavior of the last participants removed."""
    behavior = trial.behavior.copy()
    behavior[int((1.0 - share) * behavior.size) :] = np.nan
    return ParticipantTrial(trial.name, trial.treated, trial.intention, behavior)


def spoiled(kind: str) -> list[ParticipantTrial]:
    """Trials the second of which cannot be analyzed."""
    good, bad, last = several(13, 3, 40)
    intention, behavior = bad.intention.copy(), bad.behavior.copy()
    rows = np.flatnonzero(bad.treated)
    if kind == "behavior":
        behavior[rows[2:]] = np.nan
    elif kind == "intention":
        intention[np.flatnonzero(~bad.treated)] = np.nan
    elif kind == "constant":
        behavior[:] = 4.0
    elif kind == "no behavior":
        behavior[:] = np.nan
    return [good, ParticipantTrial("Miller", bad.treated, intention, behavior), last]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("behavior", "Miller: each arm needs 3 participants with behavior measured"),
        ("intention", "Miller: each arm needs 3 participants with intention measured"),
        ("no behavior", "Miller: each arm needs 3 participants with behavior measured"),
        ("constant", "Miller: behavior does not vary"),
    ],
)
def test_refusals_name_the_trial(kind: str, message: str) -> None:
    with pytest.raises(EstimationError, match=message):
        participant_gap(spoiled(kind))
    with pytest.raises(EstimationError, match=message):
        fit_one_stage(spoiled(kind))


@pytest.mark.parametrize("kind", ["behavior", "intention", "no behavior"])
def test_refusals_of_imputation_name_the_trial(kind: str) -> None:
    with pytest.raises(EstimationError, match="Miller: too few measured participants"):
        participant_gap(spoiled(kind), missing="imputed", imputations=2)


@pytest.mark.parametrize("value", [4.2, 0.1])
def test_any_constant_is_refused(value: float) -> None:
    good, bad, last = several(13, 3, 40)
    constant = ParticipantTrial("Miller", bad.treated, bad.intention, np.full(40, value))
    for fit in (participant_gap, fit_one_stage):
        with pytest.raises(EstimationError, match="Miller: behavior does not vary"):
            fit([good, constant, last])


def test_one_stage_has_the_unit_of_all_participants() -> None:
    """Those who are left differ less in behavior; two trials of 8000, the true effect is .8."""
    rng = np.random.default_rng(3)
    trials = [
        people(rng, 8000, f"t{i}", means=(0.5, 0.8), dropout=1.2, correlation=0.9, spread=False)
        for i in range(2)
    ]
    imputed, _ = participant_gap(trials, missing="imputed", imputations=5)
    assert imputed.means[1] == pytest.approx(0.8, abs=0.04)
    assert fit_one_stage(trials).mu_behavior == pytest.approx(0.8, abs=0.04)


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(EstimationError, match="Miller: the three columns differ in length"):
        ParticipantTrial("Miller", np.array([True, False]), np.zeros(2), np.zeros(3))


def test_unknown_handling_and_too_few_trials_are_refused() -> None:
    trials = several(14, 2, 40)
    with pytest.raises(EstimationError, match="unknown handling 'ignored'; known: available"):
        participant_gap(trials, missing="ignored")
    with pytest.raises(EstimationError, match="at least 2 trials, found 1"):
        fit_one_stage(trials[:1])
    with pytest.raises(EstimationError, match="at least 2 trials, found 0"):
        fit_one_stage([])
