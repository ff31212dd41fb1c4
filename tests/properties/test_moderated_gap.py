"""Moderators of the gap: the joint meta-regression against full matrices and separate fits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.dependent.blocks import make_blocks
from analysis.dependent.multivariate import fit_multivariate
from analysis.dependent.robust import robust_covariance
from analysis.errors import EstimationError
from analysis.gap.joint import difference, fit_joint
from analysis.gap.moderation import ModeratedGap, fit_moderated_gap
from analysis.univariate.designs import Design, make_design
from analysis.univariate.meta_regression import fit_meta_regression

from . import textbook
from .generated import OUTCOMES, Trials, make_trials, slow

SLOPES = {"intention": (0.4, 0.05), "behavior": (0.2, -0.15)}
"""Intercept and change per unit of the moderator."""


def _trials(
    seed: int, count: int, *, rho: float = 0.5, kinds: str = "both", heterogeneous: bool = True
) -> tuple[Trials, np.ndarray]:
    """Trials and a moderator of every effect. `kinds`: both outcomes in every trial, some of them
    missing, or never both."""
    rng = np.random.default_rng([53, seed])
    rows, moderator = [], []
    tau = np.array([[0.04, 0.02], [0.02, 0.04]]) * heterogeneous
    for trial in range(count):
        weeks = float(rng.uniform(-1.0, 1.0))
        true = rng.multivariate_normal([0.0, 0.0], tau)
        noise = rng.standard_normal(2)
        for code, name in enumerate(OUTCOMES):
            if kinds == "never" and trial % 2 != code:
                continue
            if kinds == "some" and trial > 7 and trial % 4 == code:
                continue
            vi = float(rng.uniform(0.01, 0.05))
            # Behavior is measured a little later than intention.
            at = weeks + 0.2 * code
            intercept, slope = SLOPES[name]
            error = noise[0] if code == 0 else rho * noise[0] + math.sqrt(1 - rho**2) * noise[1]
            effect = intercept + slope * at + true[code] + math.sqrt(vi) * error
            rows.append((trial, name, effect, vi))
            moderator.append(at)
    return make_trials(rows, rho), np.array(moderator)


def _fit(sample: Trials, design: Design, method: str = "REML") -> ModeratedGap:
    return fit_moderated_gap(
        sample.yi, sample.v, sample.trial, sample.outcome, design, method=method
    )


def _weeks(moderator: np.ndarray) -> Design:
    return make_design({"weeks": moderator}, ["weeks"])


some_trials = st.tuples(
    st.integers(0, 1000), st.integers(8, 14), st.sampled_from(["both", "some", "never"])
)


@slow
@pytest.mark.parametrize("method", ["REML", "ML"])
@given(drawn=some_trials)
def test_full_matrices_at_the_fitted_variances(method: str, drawn: tuple[int, int, str]) -> None:
    """Coefficients, robust standard errors, df and the likelihood from k x k matrices."""
    sample, moderator = _trials(drawn[0], drawn[1], kinds=drawn[2])
    found = _fit(sample, _weeks(moderator), method)
    codes = [OUTCOMES.index(name) for name in sample.outcome]
    indicator = np.eye(2)[codes]
    x = np.hstack([indicator[:, [0]], (indicator.T * moderator).T[:, [0]],
                   indicator[:, [1]], (indicator.T * moderator).T[:, [1]]])  # fmt: skip
    sigma = textbook.marginal_covariance(
        sample.v, sample.trial, codes, found.fit.tau, found.fit.omega
    )
    beta, vb = textbook.generalized_least_squares(sample.yi, x, sigma)
    np.testing.assert_allclose(found.fit.beta, beta, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.fit.vb, vb, rtol=1e-8, atol=1e-12)
    expected = textbook.log_likelihood(sample.yi, x, sigma, restricted=method == "REML")
    assert found.fit.loglik == pytest.approx(expected, abs=1e-8)
    vcov, df = textbook.cluster_robust(sample.yi, x, sigma, sample.trial)
    for row, effect in enumerate(found.effects):
        contrasts = np.zeros((3, 4))
        contrasts[[0, 2], row] = 1.0
        contrasts[1, 2 + row] = 1.0
        contrasts[2, 2 + row] = -1.0
        np.testing.assert_allclose(effect.estimate, contrasts @ beta, rtol=1e-7, atol=1e-10)
        variance = np.einsum("ci,ij,cj->c", contrasts, vcov, contrasts)
        np.testing.assert_allclose(effect.se, np.sqrt(variance), rtol=1e-6)
        np.testing.assert_allclose(effect.df, [df(one) for one in contrasts], rtol=1e-5)
        assert (effect.ci_lb < effect.estimate).all()
        middle = (effect.ci_lb + effect.ci_ub) / 2.0
        np.testing.assert_allclose(middle, effect.estimate, atol=1e-10)
    assert [one.name for one in found.effects] == ["intercept", "weeks"]
    assert found.effects[0].outcomes == ("intention", "behavior", "difference")


@slow
@given(drawn=some_trials)
def test_the_contrast_is_the_difference_of_the_coefficients(drawn: tuple[int, int, str]) -> None:
    sample, moderator = _trials(drawn[0], drawn[1], kinds=drawn[2])
    found = _fit(sample, _weeks(moderator))
    for effect in found.effects:
        assert effect.estimate[2] == pytest.approx(effect.estimate[0] - effect.estimate[1])
    # One moderator: its tests are the squares of its t.
    weeks = found.effects[1]
    tests = (found.upstream_test, found.behavior_test, found.gap_test)
    for place, test in enumerate(tests):
        assert test is not None
        t = weeks.estimate[place] / weeks.se[place]
        assert test.statistic == pytest.approx(t**2, rel=1e-8)
        assert test.df_denom == pytest.approx(weeks.df[place], rel=1e-6)
        assert test.pvalue == pytest.approx(weeks.pvalue[place], rel=1e-5)


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("seed", range(4))
def test_trials_that_never_report_both_are_two_regressions(method: str, seed: int) -> None:
    """Nothing ties the outcomes: each has the coefficients, tau2 and log-likelihood of its own
    regression, and the variance of the contrast is the sum of the two."""
    sample, moderator = _trials(seed, 24, kinds="never")
    found = _fit(sample, _weeks(moderator), method)
    assert (found.fit.structure, found.k_paired) == ("DIAG", 0)
    assert (found.k_upstream, found.k_behavior) == (12, 12)
    variances, total = [], 0.0
    for code, name in enumerate(OUTCOMES):
        own = np.array(sample.outcome) == name
        yi, vi, x = sample.yi[own], np.diag(sample.v)[own], _weeks(moderator[own]).matrix
        alone = fit_meta_regression(yi, vi, x, method=method)
        assert found.fit.tau[code, code] == pytest.approx(alone.tau2, rel=1e-5, abs=1e-7)
        np.testing.assert_allclose(
            [effect.estimate[code] for effect in found.effects], alone.coefficients.estimate,
            rtol=1e-5, atol=1e-7,
        )  # fmt: skip
        labels = np.array(sample.trial)[own].tolist()
        robust = robust_covariance(
            fit_multivariate(make_blocks(yi, vi, labels, design=x), structure="ID", method=method)
        )
        np.testing.assert_allclose(
            [effect.se[code] for effect in found.effects], robust.se, rtol=1e-4
        )
        variances.append(robust.se**2)
        total += alone.fit_statistics.loglik
    np.testing.assert_allclose(
        [effect.se[2] for effect in found.effects], np.sqrt(sum(variances)), rtol=1e-4
    )
    assert found.fit.loglik == pytest.approx(total, abs=1e-6)


def test_no_heterogeneity_and_independent_errors_are_two_weighted_regressions() -> None:
    """Effects on their lines but for a whisker: every variance between trials is 0."""
    sample, moderator = _trials(1, 15, rho=0.0, heterogeneous=False)
    line = np.array([SLOPES[name] for name in sample.outcome])
    close = line[:, 0] + line[:, 1] * moderator + 0.1 * (sample.yi - line[:, 0])
    found = _fit(Trials(close, sample.v, sample.trial, sample.outcome), _weeks(moderator))
    np.testing.assert_allclose(found.fit.tau, 0.0, atol=1e-9)
    for code, name in enumerate(OUTCOMES):
        own = np.array(sample.outcome) == name
        weights = 1.0 / np.diag(sample.v)[own]
        slope, intercept = np.polyfit(moderator[own], close[own], 1, w=np.sqrt(weights))
        estimates = [effect.estimate[code] for effect in found.effects]
        np.testing.assert_allclose(estimates, [intercept, slope], rtol=1e-6)


@slow
@pytest.mark.parametrize("method", ["REML", "ML"])
@given(drawn=some_trials)
def test_without_moderators_it_is_the_joint_model(method: str, drawn: tuple[int, int, str]) -> None:
    sample, moderator = _trials(drawn[0], drawn[1], kinds=drawn[2])
    found = _fit(sample, make_design({"weeks": moderator}, []), method)
    model = fit_joint(sample.yi, sample.v, sample.trial, sample.outcome, method=method)
    gap, effect = difference(model), found.effects[0]
    assert found.fit.loglik == pytest.approx(model.fit.loglik, abs=1e-9)
    assert (effect.estimate[2], effect.se[2], effect.df[2]) == pytest.approx(
        (gap.estimate, gap.se, gap.df), rel=1e-7
    )
    assert (effect.ci_lb[2], effect.pvalue[2]) == pytest.approx((gap.ci_lb, gap.pvalue), rel=1e-6)
    assert (found.upstream_test, found.behavior_test, found.gap_test) == (None, None, None)
    counts = (found.k_upstream, found.k_behavior, found.k_paired)
    assert counts == (model.k_upstream, model.k_behavior, model.k_paired)


@slow
@given(drawn=some_trials, shift=st.floats(-2.0, 2.0), unit=st.sampled_from([0.1, 10.0]))
def test_the_moderators_origin_and_unit(
    drawn: tuple[int, int, str], shift: float, unit: float
) -> None:
    sample, moderator = _trials(drawn[0], drawn[1], kinds=drawn[2])
    first, second = (
        _fit(sample, _weeks(moderator)),
        _fit(sample, _weeks(unit * (moderator + shift))),
    )
    np.testing.assert_allclose(
        unit * second.effects[1].estimate, first.effects[1].estimate, rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(second.effects[1].df, first.effects[1].df, rtol=1e-3)
    moved = second.effects[0].estimate + unit * shift * second.effects[1].estimate
    np.testing.assert_allclose(moved, first.effects[0].estimate, rtol=1e-4, atol=1e-6)


def test_a_factor_is_tested_as_a_whole() -> None:
    sample, _ = _trials(5, 24)
    content = np.array(["plan", "prompt", "talk"])[np.array(sample.trial) % 3]
    design = make_design({"content": content}, ["content"])
    found = _fit(sample, design)
    assert found.gap_test is not None
    assert found.gap_test.df_num == 2
    other = make_design({"content": content}, ["content"], reference={"content": "talk"})
    turned = _fit(sample, other).gap_test
    assert turned is not None
    assert (turned.statistic, turned.df_denom) == pytest.approx(
        (found.gap_test.statistic, found.gap_test.df_denom), rel=1e-6
    )


def test_a_moderator_of_the_gap_is_found() -> None:
    """150 sets of 20 trials: the mean contrast has a Monte Carlo error of about .01."""
    contrasts, covered = [], []
    for seed in range(100, 250):
        sample, moderator = _trials(seed, 20, kinds="some")
        weeks = _fit(sample, _weeks(moderator)).effects[1]
        contrasts.append(weeks.estimate[2])
        covered.append(weeks.ci_lb[2] <= 0.2 <= weeks.ci_ub[2])
    error = np.std(contrasts) / math.sqrt(len(contrasts))
    assert error < 0.012
    assert np.mean(contrasts) == pytest.approx(0.2, abs=3.0 * error)
    # Monte Carlo error .018.
    assert 0.90 <= np.mean(covered) <= 0.99


def test_other_names_of_the_outcomes() -> None:
    sample, moderator = _trials(2, 10)
    renamed = [{"intention": "attitude", "behavior": "act"}[name] for name in sample.outcome]
    found = fit_moderated_gap(
        sample.yi, sample.v, sample.trial, renamed, _weeks(moderator),
        upstream="attitude", behavior="act", level=0.9,
    )  # fmt: skip
    first = _fit(sample, _weeks(moderator))
    np.testing.assert_allclose(found.effects[1].estimate, first.effects[1].estimate, rtol=1e-9)
    assert found.effects[1].outcomes == ("attitude", "act", "difference")
    assert (found.effects[1].ci_ub < first.effects[1].ci_ub).all()


def test_refusals() -> None:
    sample, moderator = _trials(3, 10)
    design = _weeks(moderator)
    arguments = (sample.yi, sample.v, sample.trial, sample.outcome)
    with pytest.raises(EstimationError, match="19 and 20 rows for 20 effects"):
        fit_moderated_gap(*arguments, _weeks(moderator[1:]))
    with pytest.raises(EstimationError, match="20 and 19 rows for 20 effects"):
        fit_moderated_gap(*arguments[:3], sample.outcome[1:], design)
    with pytest.raises(EstimationError, match="no effect on use"):
        fit_moderated_gap(*arguments, design, behavior="use")
    with pytest.raises(EstimationError, match="no effect on attitude"):
        fit_moderated_gap(*arguments, design, upstream="attitude")
    constant = np.where(np.array(sample.outcome) == "behavior", 1.0, moderator)
    with pytest.raises(EstimationError, match="does not vary over the trials of one outcome"):
        fit_moderated_gap(*arguments, _weeks(constant))
    few, weeks = _trials(3, 4)
    with pytest.raises(EstimationError, match="4 coefficients need more than 4 trials, found 4"):
        _fit(few, _weeks(weeks))
