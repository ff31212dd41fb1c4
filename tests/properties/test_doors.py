"""What functions refuse, and what they make of input at the edge: nothing passes in silence."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import analysis as lib
from analysis.bias.cluster_bootstrap import cluster_bootstrap
from analysis.dependent.blocks import make_blocks
from analysis.dependent.covariances import latent_from_phi
from analysis.dependent.multivariate import fit_multivariate
from analysis.dependent.robust import robust_covariance, wald_test
from analysis.dependent.wild_bootstrap import wild_bootstrap_interval, wild_bootstrap_test
from analysis.effect_sizes import mean_difference
from analysis.effect_sizes.association import tetrachoric
from analysis.errors import EstimationError
from analysis.gap.action_control import describe_action_control, pool_composition, pool_proportion
from analysis.gap.incomplete_participants import ParticipantTrial, participant_gap
from analysis.gap.many_gaps import PairedEffects, fit_many_gaps
from analysis.gap.surrogacy_checks import daniels_hughes, same_sample_artefact
from analysis.quadratic_forms import _imhof, weighted_chi2_cdf
from analysis.rootfinding import find_root, find_roots

NAN, INF = math.nan, math.inf
TWO = np.array([[0.1, 0.02], [0.02, 0.1]])
PAIR = [np.array([0.1, 0.4, 0.3, 0.6]), [TWO, TWO], ["a", "a", "b", "b"]]


def six(seed: int = 1) -> tuple[np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    return rng.normal(0.3, 0.3, 12), np.full(12, 0.05), [f"t{i // 2}" for i in range(12)]


def fitted() -> Any:
    y, v, cluster = six()
    x = np.column_stack([np.ones(12), np.arange(12) % 5])
    return fit_multivariate(make_blocks(y, v, cluster, design=x), structure="ID")


def one_trial_alone() -> Any:
    """A coefficient that rests on the two effects of one trial."""
    y, v, cluster = six()
    alone = np.array([1.0] * 2 + [0.0] * 10)
    x = np.column_stack([1.0 - alone, alone])
    return fit_multivariate(make_blocks(y, v, cluster, design=x), structure="NONE")


def pairs(m: int = 8, **changed: Any) -> PairedEffects:
    rng = np.random.default_rng(m)
    columns = {
        "y1": rng.normal(0.4, 0.2, m), "v1": np.full(m, 0.02),
        "y2": rng.normal(0.2, 0.2, m), "v2": np.full(m, 0.03), "c12": np.full(m, 0.01),
    }  # fmt: skip
    for name, (i, value) in changed.items():
        columns[name][i] = value
    return PairedEffects(*columns.values())


def a_trial(name: str = "Miller", **changed: Any) -> ParticipantTrial:
    rng = np.random.default_rng(5)
    columns: dict[str, Any] = {
        "treated": np.arange(40) % 2.0, "intention": rng.normal(size=40),
        "behavior": rng.normal(size=40),
    }  # fmt: skip
    for column, (i, value) in changed.items():
        columns[column][i] = value
    return ParticipantTrial(name, **columns)


SMD = {"m1i": [1.0], "sd1i": [1.0], "n1i": [9], "m2i": [0.0], "sd2i": [1.0], "n2i": [9]}
CHANGE = {"m_after": [1.0], "m_before": [0.5], "sd_after": [1.0], "sd_before": [1.0], "ni": [9],
          "ri": [0.5]}  # fmt: skip

REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "confidence in percent": (
        lambda: lib.fit_random_effects([0, 1], [1, 1], level=95), "between 0 and 1, found 95"),
    "a method of a single effect": (
        lambda: lib.fit_random_effects([0.1], [0.1], method="XX"), "unknown estimator"),
    "an interval of a single effect": (
        lambda: lib.fit_random_effects([0.1], [0.1], ci_method="XX"), "unknown interval"),
    "a mean of one effect": (lambda: lib.weighted_mean([1], [1]), "need more than 1"),
    "weights for others": (lambda: lib.weighted_mean([1, 2], [1, 1], [1, 1, 1]), "3 weights for 2"),
    "an infinite weight": (lambda: lib.weighted_mean([1, 2], [1, 1], [1, INF]), "must be finite"),
    "residuals of one effect": (lambda: lib.regression_residuals([1], [1]), "need more than 1"),
    "one shrunken effect": (lambda: lib.shrunken_effects([1], [1]), "need more than 1"),
    "no study to fail": (lambda: lib.fail_safe_number([], []), "needs a study"),
    "problems without a number": (lambda: lib.fit_many(0.1, 0.1), "problems must agree"),
    "labels of other effects": (
        lambda: lib.fit_subgroups([0.1, 0.2, 0.3], [0.1] * 3, ["a", "b"]), "levels has 2 values"),
    "an estimator to trim with": (
        lambda: lib.trim_and_fill([0.1, 0.2, 0.9], [0.1, 0.2, 0.1], side="left", method="XX"),
        "unknown estimator"),
    "no permutation": (
        lambda: lib.permutation_test([0.1] * 20, [0.1] * 20, permutations=0), "at least 1"),
    "negative variances of a size": (lambda: lib.size_predictor("sei", [-1, 2]), "greater than 0"),
    "a likelihood without end": (
        lambda: lib.weighted_selection([0.2] * 6, [0.1] * 6, "beta"), "no maximum"),
    "names of other coefficients": (
        lambda: lib.fit_random_effects([0, 1], [1, 1]) and lib.fit_meta_regression(
            [0, 1, 3], [1, 1, 1], np.column_stack([np.ones(3), [1, 2, 4]]), names=["only"]),
        "1 names for 2"),
    "a design of three dimensions": (
        lambda: lib.fit_meta_regression([0, 1], [1, 1], np.ones((2, 1, 1))), "is a matrix"),
    "a reference of no term": (
        lambda: lib.make_design({"a": ["x", "y"]}, ["a"], reference={"A": "x"}), "is no term"),
    "numbers with blanks": (
        lambda: lib.make_design({"a": np.array([1, 2.5, None], dtype=object)}, ["a"]),
        r"a must be known for every effect \(row 2\)"),
    "a table without the columns": (
        lambda: lib.compute_effect_sizes({"foo": [1, 2]}, "SMD"), "not there: m1i"),
    "an option that is another measure": (
        lambda: lib.compute_effect_sizes(CHANGE, "SMCC", options={"SMCC": {"by": "before"}}),
        "no option 'by'"),
    "z taken for r": (
        lambda: lib.correlations_to_smd_effects(lib.fisher_z(0.5, 50)), "found ZCOR"),
    "a risk ratio taken for odds": (
        lambda: lib.odds_ratio_to_smd(lib.log_risk_ratio(3, 9, 2, 9)), "found RR"),
    "a correlation of more than 1": (
        lambda: lib.log_ratio_of_change(5, 4, 1, 1, 30, 1.7), "between -1 and 1"),
    "a group of nobody": (lambda: mean_difference(1, 1, 0, 0, 1, 9), "at least 1 participant"),
    "a negative deviation": (lambda: lib.log_mean(1, -1, 9), "not be negative"),
    "a double arcsine without persons": (
        lambda: lib.proportion_from_scale(0.5, "PFT"), "numbers of persons"),
    "effects that are not there": (lambda: make_blocks([], [], []), "no effects"),
    "an outcome nobody knows": (
        lambda: make_blocks(*PAIR, ["i", "b", "i", "k"], outcome_names=["i", "b"]), "outcome 'k'"),
    "an outcome without effects": (
        lambda: fit_multivariate(make_blocks(*PAIR, ["i"] * 4, outcome_names=["i", "b"])),
        "column 1 of the design is 0"),
    "outcomes of other effects": (lambda: make_blocks(*PAIR, ["i"]), "outcome has 1 values"),
    "an asymmetric covariance": (
        lambda: make_blocks(PAIR[0], [np.array([[0.1, 0.03], [0.0, 0.1]]), TWO], PAIR[2]),
        "trial a: .* not symmetric"),
    "a covariance of another size": (
        lambda: make_blocks(PAIR[0], [TWO, np.eye(3)], PAIR[2]), "trial b: .* 3 x 3 for 2 effects"),
    "trials that share sampling error": (
        lambda: make_blocks(PAIR[0], np.full((4, 4), 0.01) + np.eye(4), PAIR[2]),
        "effects of different trials"),
    "variance between one trial": (
        lambda: fit_multivariate(make_blocks([0.1, 0.4], TWO, ["a", "a"]), structure="ID"),
        "at least 2 trials"),
    "a factor of one level": (
        lambda: lib.fit_crossed([0.1, 0.2, 0.5], [0.1] * 3, {"team": "aaa"}), "one label"),
    "a factor twice": (
        lambda: lib.fit_crossed([0.1, 0.2, 0.5], [0.1] * 3, {"a": "xxy", "b": "ppq"}),
        "b and a group the effects alike"),
    "no more effects than coefficients": (
        lambda: lib.fit_crossed([0.1], [0.1], {"a": "x"}), "need more effects"),
    "a hypothesis that rests on one trial": (
        lambda: wald_test(robust_covariance(one_trial_alone()), [[0, 1]]), "a single trial"),
    "a bootstrap of one trial": (
        lambda: wild_bootstrap_test(one_trial_alone(), [[0, 1]]), "a single trial"),
    "a hypothesis of nan": (lambda: wild_bootstrap_test(fitted(), [[0, NAN]]), "must be finite"),
    "a value of nan": (lambda: wild_bootstrap_test(fitted(), [[0, 1]], NAN), "a finite number"),
    "values of another number": (
        lambda: wild_bootstrap_test(fitted(), [[0, 1]], [0, 0]), "per constraint"),
    "an interval of two contrasts": (
        lambda: wild_bootstrap_interval(fitted(), np.eye(2)), "one contrast, found 2"),
    "positions twice": (lambda: lib.omnibus_test(fitted(), [0, 0]), "once each"),
    "positions that are not there": (lambda: lib.omnibus_test(fitted(), [5]), "from 0 to 1"),
    "I2 of as many coefficients as effects": (
        lambda: lib.i2_by_level(fit_multivariate(
            make_blocks([0.1, 0.2], [0.1, 0.1], [1, 2], design=np.eye(2)), structure="NONE")),
        "more effects"),
    "a correlation of 5": (
        lambda: lib.robust_regression(*six()[:2], six()[2], rho=5.0), "between 0 and 1"),
    "one study": (
        lambda: lib.robust_regression([0.1, 0.2], [0.1, 0.1], [1, 1]), "more studies, found 1"),
    "infinite effects": (lambda: fit_many_gaps(pairs(y1=(3, INF))), "problem 0, trial 3"),
    "infinite variances": (lambda: fit_many_gaps(pairs(v2=(5, INF))), "problem 0, trial 5"),
    "an arm that is neither": (lambda: a_trial(treated=(0, NAN)), "Miller: treated must be 0 or 1"),
    "no trials": (lambda: participant_gap([]), "no trials"),
    "counts of nan": (lambda: describe_action_control([1, 2, NAN, 4]), "must be finite"),
    "samples of three": (lambda: pool_composition(np.ones((4, 3))), "four counts per sample"),
    "events of nan": (lambda: pool_proportion([3, NAN], [5, 5]), r"events .*\(row 1\)"),
    "a function that is nan": (lambda: find_root(lambda x: NAN, 0.0, 1.0), "no sign change"),
    "functions that are nan": (
        lambda: find_roots(lambda x: np.full_like(x, NAN), np.zeros(2), np.ones(2)),
        "no sign change for 2"),
    "a share of everybody": (
        lambda: lib.binary_arms("o", "a", "b", measure="OR", p1=0.0, p2=0.2, n1=9, n2=9),
        "strictly between 0 and 1"),
    "a measure without arms": (
        lambda: lib.binary_arms("o", "a", "b", measure="XX", p1=0.1, p2=0.2, n1=9, n2=9),
        "measure of a binary outcome 'XX'"),
    "a negative number of persons": (
        lambda: lib.paths_from_correlations([0.1], [0.1], [0.3], [-10]), "more than 3 persons"),
    "a correlation that is nan": (lambda: latent_from_phi(NAN, 0.4, 0.4), "no sign change"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str) -> None:
    make, message = REFUSED[what]
    with pytest.raises(EstimationError, match=message):
        make()


def test_a_coefficient_of_one_trial_has_no_robust_error() -> None:
    for correction in ("CR1", "CR2", "CR3"):
        robust = robust_covariance(one_trial_alone(), correction)
        assert math.isnan(robust.se[1]) and robust.se[0] > 0.0
        assert math.isnan(robust.variance(np.array([0.0, 1.0])))


def test_as_many_effects_as_coefficients_leave_the_corrections_that_need_none() -> None:
    fit = fit_multivariate(make_blocks([0.1, 0.2], [0.1, 0.1], [1, 2], design=np.eye(2)),
                           structure="NONE")  # fmt: skip
    assert np.isnan(robust_covariance(fit, "CR1S").vcov).all()
    assert np.isfinite(robust_covariance(fit, "CR2").vcov).all()


def test_one_effect_per_study_makes_the_hierarchical_model_the_ordinary_one() -> None:
    y, v, _ = six()
    fit = lib.robust_regression(y, v, list(range(12)), working_model="hierarchical")
    assert fit.omega2 == 0.0
    assert fit.tau2 == pytest.approx(lib.fit_random_effects(y, v, method="DL").tau2, rel=1e-9)


@pytest.mark.parametrize("m", [6, 7, 8, 13])
def test_alike_upstream_effects_have_no_slope(m: int) -> None:
    """Whatever rounding leaves of a spread of 0."""
    effects = pairs(m)
    alike = PairedEffects(np.full(m, 0.4), *effects.arrays()[1:])
    assert math.isnan(same_sample_artefact(alike).naive_slope)
    line = daniels_hughes(alike)
    assert abs(line.slope) < 10.0 and line.slope_ub - line.slope_lb < 100.0


def test_a_share_far_out_is_a_number() -> None:
    pooled = pool_proportion([1, 1999], [2000, 2000], level=0.9999)
    assert 0.0 <= pooled.ci_lb <= pooled.ci_ub <= 1.0


@pytest.mark.parametrize("n", [31, 50, 400])
def test_sums_of_many_chi_squares(n: int) -> None:
    """Beyond a few weights the series' first term underflows; the inversion goes on."""
    weights = np.geomspace(1.0, 10.0, n)
    found = weighted_chi2_cdf(float(weights.sum()), weights)
    assert found == pytest.approx(_imhof(float(weights.sum()), weights), abs=1e-9)
    assert 0.45 < found < 0.6
    rng = np.random.default_rng(n)
    drawn = (rng.chisquare(1.0, size=(20_000, n)) @ weights <= weights.sum()).mean()
    assert found == pytest.approx(float(drawn), abs=4.0 * math.sqrt(0.25 / 20_000))


def test_effects_on_the_model_have_a_permutation_p() -> None:
    """All alike: only the signs that keep or turn them all are as extreme."""
    alike = lib.permutation_test([0.5] * 6, [0.1] * 6, ci_method="knapp_hartung")
    assert alike.pvalue[0] == pytest.approx(2.0 / 2.0**6)
    nothing = lib.permutation_test([0.0] * 6, [0.1] * 6, ci_method="knapp_hartung")
    assert math.isnan(nothing.pvalue[0])


@pytest.mark.parametrize("precise", [1e-7, 1e-9, 1e-12])
def test_a_study_that_outweighs_all_others_is_pooled(precise: float) -> None:
    """The standard error of tau2 loses its digits before anything else does, and is missing."""
    fit = lib.fit_random_effects([0.0, 0.1, 0.4, 0.2], [precise, 1.0, 2.0, 1.5])
    assert fit.tau2 >= 0.0 and math.isfinite(fit.mu)
    # 1 / sqrt(sum of squared weights / 2) of the three others, whose contrasts are all that is left
    assert math.isnan(fit.se_tau2) or fit.se_tau2 == pytest.approx(0.45227, rel=2e-4)


def test_contrasts_and_predictions_have_their_own_df() -> None:
    rng = np.random.default_rng(3)
    y, v, x = rng.normal(0.2, 0.4, 12), rng.uniform(0.02, 0.3, 12), rng.uniform(0, 9, 12)
    design = np.column_stack([np.ones(12), x])
    fit = lib.fit_meta_regression(y, v, design, ci_method="kenward_roger")
    own = lib.contrast_estimates(fit, np.eye(2))
    for name in ("df", "pvalue", "ci_lb", "ci_ub"):
        np.testing.assert_allclose(getattr(own, name), getattr(fit.coefficients, name), rtol=1e-12)
    at_zero = lib.predict(fit, [[1.0, 0.0]])
    assert at_zero.ci_lb[0] == pytest.approx(float(fit.coefficients.ci_lb[0]), rel=1e-12)


@pytest.mark.parametrize("seed", range(12))
def test_a_new_setting_is_no_better_known_than_the_mean(seed: int) -> None:
    """Kenward and Roger's df of the mean can be far below the k - 1 of the prediction interval."""
    rng = np.random.default_rng(seed)
    y, v = rng.normal(0.2, 0.25, 6), rng.uniform(0.02, 0.6, 6)
    fit = lib.fit_random_effects(y, v, ci_method="kenward_roger")
    assert fit.pi_lb <= fit.ci_lb and fit.pi_ub >= fit.ci_ub


@pytest.mark.parametrize("ci_method", ["wald", "t", "knapp_hartung", "kenward_roger"])
def test_the_f_of_subgroups_has_the_df_of_its_p(ci_method: str) -> None:
    from analysis.distributions import f_sf

    rng = np.random.default_rng(4)
    y, v = rng.normal(0.2, 0.4, 10), rng.uniform(0.02, 0.3, 10)
    test = lib.fit_subgroups(y, v, ["a", "b"] * 5, ci_method=ci_method)
    assert test.pvalue == pytest.approx(f_sf(test.f, test.df_num, test.df_denom), rel=1e-12)


def test_notes_stay_together_whatever_the_number_of_coefficients() -> None:
    """Two notes beside two coefficients are not about one each."""
    x = np.column_stack([np.ones(6), np.arange(6.0)])
    fit = lib.fit_meta_regression([0.1, 0.1, 0.1, 0.11, 0.1, 0.1], [0.1] * 6, x)
    assert len(fit.notes) == 2
    assert set(fit.frame()["notes"]) == {fit.notes}


def test_an_incomplete_row_leaves_the_average_variances_of_others_alone() -> None:
    table = {name: [value[0], NAN if name == "m1i" else value[0]] for name, value in SMD.items()}
    for measure in ("SMD", "MD"):
        options = {"SMD": {"variance": "AV"}} if measure == "SMD" else None
        made = lib.compute_effect_sizes(table, measure, options=options)
        assert np.isfinite(made.vi[0]) and math.isnan(made.yi[1]) and math.isnan(made.vi[1])
    logits = lib.proportion([3, NAN], [9, 9], scale="PLO", variance="AV")
    assert np.isfinite(logits.vi[0])


def test_an_effect_without_a_variance_is_missing_with_it() -> None:
    made = mean_difference([1.0, 1.0], [1.0, NAN], 9, 0.0, 1.0, 9)
    assert np.isnan([made.yi[1], made.vi[1]]).all() and np.isfinite(made.yi[0])


def test_nothing_is_added_to_a_tetrachoric_table() -> None:
    assert math.isnan(tetrachoric(0, 20, 5, 20).yi[0])


def test_draws_without_a_value_count_as_failed() -> None:
    y, v, cluster = six()
    calls = iter(range(10_000))

    def half(*_: Any) -> float:
        return NAN if next(calls) % 2 else 1.0

    result = cluster_bootstrap(half, y, v, cluster, draws=100)
    assert result.failed == 50 and "50 of 100" in result.reason


def test_blanks_of_a_table_are_no_category() -> None:
    agreement = lib.rater_agreement([["a", "a"], ["b", "b"], ["a", NAN], ["b", None], ["a", "b"]])
    assert agreement.categories == ("a", "b") and agreement.units == 3


def test_a_scale_design_of_groups_has_its_constant() -> None:
    """Two indicators span the constant; their coefficients are the logs of the groups' tau2."""
    rng = np.random.default_rng(8)
    y, v = rng.normal(0.2, 0.8, 60), np.full(60, 0.05)
    group = np.arange(60) % 2.0
    both = lib.fit_location_scale(y, v, None, np.column_stack([1.0 - group, group]))
    one = lib.fit_location_scale(y, v, None, np.column_stack([np.ones(60), group]))
    np.testing.assert_allclose(both.tau2, one.tau2, rtol=1e-6)
    np.testing.assert_allclose(np.exp(both.scale.estimate), both.tau2[:2], rtol=1e-6)
