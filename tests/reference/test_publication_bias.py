"""Regression and rank tests, trim and fill, PET and PEESE, excess significance, fail-safe numbers
and the interval of Henmi and Copas agree with metafor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from analysis.bias.excess_significance import (
    ExcessSignificance,
    excess_significance,
    fail_safe_number,
)
from analysis.bias.henmi_copas import henmi_copas
from analysis.bias.rank_test import rank_test
from analysis.bias.regression_tests import (
    PREDICTORS,
    AsymmetryTest,
    harbord_test,
    multilevel_regression_test,
    peters_test,
    regression_test,
    unrestricted_mean,
)
from analysis.bias.small_study import egger_test, pet_peese
from analysis.bias.trim_and_fill import ESTIMATORS, SIDES, TrimAndFill, trim_and_fill
from analysis.dependent.blocks import make_blocks
from analysis.dependent.multivariate import fit_multivariate
from analysis.distributions import normal_cdf, normal_pdf, normal_quantile, two_sided_p
from analysis.errors import EstimationError
from analysis.univariate.pooling import fit_random_effects
from analysis.univariate.tau2 import log_likelihood

from .multivariate_results import cluster_robust, model_based
from .oracle_cases import (
    CLOSED_FORM,
    ITERATIVE,
    Case,
    cases,
    check_extra_grid,
    check_grid,
    compare,
    data,
    effects,
    known,
)

CASES_NOT_OFFERED: dict[str, str] = {}
EXTRA_NOT_OFFERED: dict[str, str] = {}
TRIMFILL_NOT_OFFERED = {
    "side": "a word, compared in test_automatic_side",
}
PET_NOT_OFFERED = {
    "pet_one_sided_p": "a step of the choice, compared in test_the_choice",
    "petpeese_uses": "a word, compared in test_the_choice",
}
NO_WAAP = dict.fromkeys(
    ("n_adequate", "waap*"), "of fewer than two studies: test_a_mean_of_no_powerful_studies"
)
TES_NOT_OFFERED = {
    "*.theta_lim": "the effect at which the excess would no longer be significant",
}
EXACT_NOT_OFFERED = {"*.X2": "null where the reference takes the exact test"}

STOPPED_EARLY = 1e-3
"""Relative tolerance of trim and fill by REML. Inside its `trimfill` the reference refits with
its default stopping rule, which leaves tau2 off by about 1e-4 of itself and p-values by more:
`test_restricted_likelihood_is_not_higher_in_the_reference` tells which program is off."""
ROOT_SEARCH = 1e-6
"""Relative tolerance of the limits of Henmi and Copas: a root of an integral in both programs."""
LEFT_OUT = 6e-7
"""Largest probability outside mu +- 5 tau, where the reference stops averaging the power: twice
2.87e-7, rounded up. Here the average is a closed form."""
INTEGRATED = 1e-7
"""Absolute tolerance of a power without that probability: the numerical integral of the
reference."""


def _method_rtol(case: Case) -> float:
    return ITERATIVE if case["args"]["method"] == "REML" else CLOSED_FORM


def _trim(case: Case) -> TrimAndFill:
    args = case["args"]
    return trim_and_fill(
        *effects(case), side=args["side"], estimator=args["estimator"], method=args["method"],
        ci_method="wald",
    )  # fmt: skip


def _regression(case: Case) -> AsymmetryTest:
    args, table = case["args"], data(case)
    return regression_test(
        *effects(case), args["predictor"], ni=table.get("ni"),
        model={"rma": "mixed", "lm": "multiplicative"}[args["model"]],
        method=args.get("method", "REML"),
    )  # fmt: skip


def _line(found: AsymmetryTest) -> dict[str, float]:
    return {
        "stat": found.statistic,
        "pval": found.pvalue,
        "df": found.df,
        "slope": found.slope,
        "slope_se": found.slope_se,
        "tau2": found.tau2,
        "sigma": found.scale,
        "limit_est": found.limit,
        "limit_se": found.limit_se,
        "limit_ci_lb": found.limit_ci_lb,
        "limit_ci_ub": found.limit_ci_ub,
    }


@pytest.mark.parametrize("case", cases("publication_bias", "*/regtest/*"))
def test_regression_test(case: Case) -> None:
    mixed = case["args"]["model"] == "rma"
    rtol = _method_rtol(case) if mixed else CLOSED_FORM
    compare(case, known(case, _line(_regression(case))), {}, rtol=rtol)


@pytest.mark.parametrize("case", cases("publication_bias", "*/regtest/rma/*/sei"))
def test_the_short_form_is_the_regression_on_the_standard_error(case: Case) -> None:
    found = egger_test(*effects(case), method=case["args"]["method"], ci_method="wald")
    offered = {
        "stat": found.statistic,
        "pval": found.pvalue,
        "slope": found.slope,
        "slope_se": found.slope_se,
        "limit_est": found.limit,
        "limit_ci_lb": found.limit_ci_lb,
        "limit_ci_ub": found.limit_ci_ub,
    }
    compare(case, offered, {"tau2": "compared in test_regression_test"}, rtol=_method_rtol(case))


@pytest.mark.parametrize("case", cases("publication_bias", "*/egger_modified_smd"))
def test_a_predictor_that_does_not_depend_on_the_effect(case: Case) -> None:
    table, args = data(case), case["args"]
    x = np.sqrt(1.0 / table[args["n1"]] + 1.0 / table[args["n2"]])
    mixed = regression_test(*effects(case), x)
    factor = regression_test(*effects(case), x, model="multiplicative", weights=1.0 / x**2)
    offered = {
        "rma_slope": mixed.slope, "rma_se": mixed.slope_se, "rma_p": mixed.pvalue,
        "lm_slope": factor.slope, "lm_se": factor.slope_se, "lm_p": factor.pvalue,
    }  # fmt: skip
    compare(case, offered, {}, rtol=ITERATIVE)


@pytest.mark.parametrize("case", cases("publication_bias", "*/harbord_peters"))
def test_tables_of_events(case: Case) -> None:
    table = data(case)
    tables = table["ai"], table["ai"] + table["bi"], table["ci"], table["ci"] + table["di"]
    harbord, peters = harbord_test(*tables), peters_test(*tables)
    offered = {
        "harbord_intercept": harbord.slope, "harbord_se": harbord.slope_se,
        "harbord_t": harbord.statistic, "harbord_p": harbord.pvalue,
        "peters_slope": peters.slope, "peters_se": peters.slope_se,
        "peters_t": peters.statistic, "peters_p": peters.pvalue,
    }  # fmt: skip
    compare(case, offered, {}, rtol=CLOSED_FORM)


@pytest.mark.parametrize("case", cases("publication_bias", "*/ranktest"))
def test_rank_correlation(case: Case) -> None:
    found = rank_test(*effects(case))
    compare(case, {"tau": found.tau, "pval": found.pvalue}, {}, rtol=CLOSED_FORM)


@pytest.mark.parametrize("case", cases("publication_bias", "*/trimfill/*"))
def test_trim_and_fill(case: Case) -> None:
    found = _trim(case)
    pooled = found.pooled
    offered = {
        "k0": found.k0,
        "se_k0": found.k0_se,
        "p_k0": found.k0_pvalue,
        "beta": pooled.mu,
        "se": pooled.se,
        "stat": pooled.statistic,
        "pval": pooled.pvalue,
        "ci_lb": pooled.ci_lb,
        "ci_ub": pooled.ci_ub,
        "tau2": pooled.tau2,
        "I2": pooled.heterogeneity.i2,
        "QE": pooled.heterogeneity.q,
        "filled_yi": np.sort(found.filled),
    }
    offered = {name: value for name, value in offered.items() if name in case["expect"]}
    rtol = STOPPED_EARLY if case["args"]["method"] == "REML" else CLOSED_FORM
    exact = dict.fromkeys(("k0", "se_k0", "p_k0"), (CLOSED_FORM, 0.0))
    compare(case, offered, TRIMFILL_NOT_OFFERED, rtol=rtol, tolerances=exact)
    assert found.filled.size == found.filled_vi.size == found.k0


@pytest.mark.parametrize("case", cases("publication_bias", "*/trimfill/*/auto/*"))
def test_automatic_side(case: Case) -> None:
    assert _trim(case).side == case["expect"]["side"]


@pytest.mark.parametrize(
    "case",
    [p for p in cases("publication_bias", "*/trimfill/REML/*") if "tau2" in p.values[0]["expect"]],
)
def test_restricted_likelihood_is_not_higher_in_the_reference(case: Case) -> None:
    yi, vi = effects(case)
    found = _trim(case)
    yi, vi = np.concatenate([yi, found.filled]), np.concatenate([vi, found.filled_vi])
    ours, theirs = (
        log_likelihood(tau2, yi, vi, np.ones((yi.size, 1)), restricted=True)
        for tau2 in (found.pooled.tau2, case["expect"]["tau2"])
    )
    assert ours >= theirs - 1e-12 * abs(theirs)


@pytest.mark.parametrize("case", cases("publication_bias", "*/PET_PEESE_random"))
def test_random_effects_limits(case: Case) -> None:
    chosen = pet_peese(*effects(case), method=case["args"]["method"], ci_method="wald")
    offered = {}
    for name, predictor in (("pet", "sei"), ("peese", "vi")):
        found = regression_test(*effects(case), predictor, method=case["args"]["method"])
        assert getattr(chosen, name) == pytest.approx(found.limit, rel=CLOSED_FORM)
        offered |= {
            name: found.limit,
            f"{name}_se": found.limit_se,
            f"{name}_p": two_sided_p(found.limit / found.limit_se),
            f"{name}_tau2": found.tau2,
        }
    assert chosen.pet_pvalue == pytest.approx(offered["pet_p"], rel=ITERATIVE)
    compare(case, offered, {}, rtol=ITERATIVE)


def _toward_positive(case: Case) -> tuple[np.ndarray, np.ndarray, float]:
    """The reference asks its one-sided question in the direction of the weighted mean, this
    package of positive effects: turn the data of a negative mean around."""
    yi, vi = effects(case)
    sign = float(np.sign((yi / vi).sum()))
    return sign * yi, vi, sign


def _powerful(case: Case) -> dict[str, float]:
    """Weighted average of the adequately powered; nothing where fewer than two are."""
    if case["expect"]["waap"] is None:
        return {}
    found = unrestricted_mean(*effects(case), adequately_powered=True)
    return {"n_adequate": found.k, "waap": found.mu, "waap_se": found.se}


@pytest.mark.parametrize("case", cases("publication_bias", "*/PET_PEESE_UWLS_WAAP"))
def test_limits_with_a_free_scale(case: Case) -> None:
    """Weighted least squares with a multiplicative error is `EE` with Knapp and Hartung."""
    yi, vi, sign = _toward_positive(case)
    found = pet_peese(yi, vi, method="EE", ci_method="knapp_hartung")
    line = egger_test(yi, vi, method="EE", ci_method="knapp_hartung")
    mean = unrestricted_mean(*effects(case))
    pet, peese = (regression_test(yi, vi, name, model="multiplicative") for name in ("sei", "vi"))
    t = pet.limit / pet.limit_se, peese.limit / peese.limit_se
    offered = {
        "pet": sign * found.pet,
        "pet_se": pet.limit_se,
        "pet_t": sign * t[0],
        "pet_p": found.pet_pvalue,
        "fat_t": sign * line.statistic,
        "fat_p": line.pvalue,
        "peese": sign * found.peese,
        "peese_se": peese.limit_se,
        "peese_t": sign * t[1],
        "peese_p": two_sided_p(t[1], peese.df),
        "petpeese": sign * found.estimate,
        "uwls": mean.mu,
        "uwls_se": mean.se,
    } | _powerful(case)
    listed = PET_NOT_OFFERED | ({} if "waap" in offered else NO_WAAP)
    compare(case, offered, listed, rtol=CLOSED_FORM)


@pytest.mark.parametrize(
    "case",
    [
        one
        for one in cases("publication_bias", "*/PET_PEESE_UWLS_WAAP")
        if one.values[0]["expect"]["waap"] is None
    ],
)
def test_a_mean_of_no_powerful_studies(case: Case) -> None:
    number = case["expect"]["n_adequate"]
    assert number < 2
    with pytest.raises(EstimationError, match=f"waap needs 2 studies, found {number}"):
        unrestricted_mean(*effects(case), adequately_powered=True)


@pytest.mark.parametrize("case", cases("publication_bias", "*/PET_PEESE_UWLS_WAAP"))
def test_the_choice(case: Case) -> None:
    yi, vi, _ = _toward_positive(case)
    found = pet_peese(yi, vi, method="EE", ci_method="knapp_hartung")
    assert found.chosen == case["expect"]["petpeese_uses"]
    one_sided = found.pet_pvalue / 2.0 if found.pet > 0 else 1.0 - found.pet_pvalue / 2.0
    assert one_sided == pytest.approx(case["expect"]["pet_one_sided_p"], rel=CLOSED_FORM)


@pytest.mark.parametrize("case", cases("publication_bias", "*/multilevel_egger_CR2"))
def test_egger_with_several_effects_per_trial(case: Case) -> None:
    yi, vi = effects(case)
    design = np.column_stack([np.ones_like(vi), np.sqrt(vi)])
    blocks = make_blocks(yi, vi, data(case)["study"].tolist(), design=design)
    fit = fit_multivariate(blocks, structure="ID", within="common")
    found = model_based(fit) | cluster_robust(fit) | {"sigma2": [fit.tau[0, 0], fit.omega[0]]}
    compare(case, known(case, found), {}, rtol=ITERATIVE)


@pytest.mark.parametrize("case", cases("publication_bias", "*/multilevel_egger_CR2"))
def test_the_multilevel_test_is_that_of_its_slope(case: Case) -> None:
    found = multilevel_regression_test(
        *effects(case), data(case)["study"].tolist(), np.sqrt(data(case)["vi"])
    )
    expect = case["expect"]
    pairs = {
        "z.beta": (found.limit, found.slope),
        "CR2_se": (found.limit_se, found.slope_se),
        "CR2_t": (found.limit / found.limit_se, found.statistic),
        "CR2_df": (expect["CR2_df"][0], found.df),
        "CR2_p": (expect["CR2_p"][0], found.pvalue),
        "CR2_ci_lb": (found.limit_ci_lb, expect["CR2_ci_lb"][1]),
        "CR2_ci_ub": (found.limit_ci_ub, expect["CR2_ci_ub"][1]),
    }
    for name, ours in pairs.items():
        np.testing.assert_allclose(ours, expect[name], rtol=ITERATIVE, err_msg=name)
    assert found.tau2 == pytest.approx(expect["sigma2"][0], rel=ITERATIVE)


# Excess significance, fail-safe numbers, Henmi and Copas ----------------------------------------


def _excess(case: Case, method: str) -> ExcessSignificance:
    args = case["args"]
    return excess_significance(
        *effects(case), method=method, alternative=args["alternative"], alpha=args["alpha"]
    )


def _is_exact(case: Case) -> bool:
    return case["expect"]["equal.X2"] is None


def _left_out(case: Case, found: ExcessSignificance) -> np.ndarray:
    """Power of every study from true effects more than 5 tau away from the mean."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    far = 7.5 + 2.5 * nodes
    far, weight = np.concatenate([far, -far]), 2.5 * np.tile(weights, 2)
    z = (found.mu + math.sqrt(found.tau2) * far) / np.sqrt(effects(case)[1])[:, None]
    alpha, alternative = case["args"]["alpha"], case["args"]["alternative"]
    if alternative == "two.sided":
        cut = -normal_quantile(alpha / 2.0)
        power = normal_cdf(z - cut) + normal_cdf(-z - cut)
    else:
        sign = 1.0 if alternative == "greater" else -1.0
        power = normal_cdf(sign * z + normal_quantile(alpha))
    return np.asarray(power @ (weight * normal_pdf(far)))


def _tes(case: Case, found: ExcessSignificance, prefix: str) -> dict[str, Any]:
    offered = {
        "O": found.observed, "E": found.expected, "OE": found.ratio, "power": found.power,
        "theta": found.mu, "pval": found.pvalue if _is_exact(case) else found.chi2_pvalue,
    }  # fmt: skip
    if not _is_exact(case):
        offered["X2"] = found.chi2
    return {f"{prefix}.{name}": value for name, value in offered.items()}


@pytest.mark.parametrize("case", cases("publication_bias", "*/tes/*"))
def test_excess_significance(case: Case) -> None:
    """Without heterogeneity to rounding; with it up to what `LEFT_OUT` does to the numbers."""
    equal, random = _excess(case, "EE"), _excess(case, "REML")
    offered = _tes(case, equal, "equal") | _tes(case, random, "random")
    off = LEFT_OUT * random.k
    slope = 2.0 * abs(random.observed - random.expected) + 1.0
    slope *= random.k / (random.expected * (random.k - random.expected))
    tolerances = {
        "random.E": (0.0, off),
        "random.OE": (0.0, off * random.ratio / random.expected * (1.0 + off)),
        "random.X2": (0.0, off * slope),
        "random.pval": (0.0, off),
        "random.power": (0.0, LEFT_OUT),
        "random.theta": (ITERATIVE, 0.0),
    }
    listed = TES_NOT_OFFERED | (EXACT_NOT_OFFERED if _is_exact(case) else {})
    compare(case, offered, listed, rtol=CLOSED_FORM, tolerances=tolerances)


@pytest.mark.parametrize("case", cases("publication_bias", "*/tes/*"))
def test_the_power_differs_by_what_is_left_out(case: Case) -> None:
    found = _excess(case, "REML")
    left_out = _left_out(case, found)
    assert left_out.min() >= 0.0 and left_out.max() < LEFT_OUT
    expect = case["expect"]
    np.testing.assert_allclose(
        found.power - left_out, expect["random.power"], rtol=0.0, atol=INTEGRATED
    )
    expected = found.expected - left_out.sum()
    assert expected == pytest.approx(expect["random.E"], abs=INTEGRATED)
    if not _is_exact(case):
        excess, k = found.observed - expected, found.k
        chi2 = excess**2 * (1.0 / expected + 1.0 / (k - expected))
        assert chi2 == pytest.approx(expect["random.X2"], abs=1e-8)


def test_both_kinds_of_test_and_every_side_are_compared() -> None:
    found = [case.values[0] for case in cases("publication_bias", "*/tes/*")]
    assert {_is_exact(case) for case in found} == {True, False}
    assert {case["args"]["alternative"] for case in found} == {"two.sided", "greater", "less"}


@pytest.mark.parametrize("case", cases("publication_bias", "*/fsn"))
def test_fail_safe_numbers(case: Case) -> None:
    yi, vi = effects(case)
    target = case["expect"]["Orwin_target"]
    offered: dict[str, Any] = {"Orwin_target": target}
    for name in ("Rosenthal", "Rosenberg"):
        found = fail_safe_number(yi, vi, method=name.lower(), alpha=case["args"]["alpha"])
        offered |= {f"{name}_fsnum": found.number, f"{name}_pval": found.pvalue}
    for name in ("orwin", "orwin_unweighted"):
        weighted = "unweighted" if "un" in name else "weighted"
        found = fail_safe_number(yi, vi, method=name, target=target)
        offered[f"Orwin_{weighted}_fsnum"] = found.number
    offered["Rosenberg_meanes"] = fit_random_effects(yi, vi, method="EE").mu
    exact = {name: (0.0, 0.0) for name in offered if name.endswith("_fsnum")}
    compare(case, known(case, offered), {}, rtol=CLOSED_FORM, tolerances=exact)


@pytest.mark.parametrize("case", cases("publication_bias", "*/henmi_copas"))
def test_henmi_copas(case: Case) -> None:
    found = henmi_copas(*effects(case))
    offered = {
        "beta": found.mu, "se": found.se, "tau2": found.tau2,
        "ci_lb": found.ci_lb, "ci_ub": found.ci_ub,
    }  # fmt: skip
    limits = dict.fromkeys(("ci_lb", "ci_ub"), (ROOT_SEARCH, 0.0))
    compare(case, offered, {}, rtol=CLOSED_FORM, tolerances=limits)


# What is covered --------------------------------------------------------------------------------


def test_both_choices_and_every_option_are_compared() -> None:
    chosen = cases("publication_bias", "*/PET_PEESE_UWLS_WAAP")
    assert {case.values[0]["expect"]["petpeese_uses"] for case in chosen} == {"PET", "PEESE"}
    assert {case.values[0]["expect"]["waap"] is None for case in chosen} == {True, False}
    trimmed = [case.values[0]["args"] for case in cases("publication_bias", "*/trimfill/*")]
    assert {args["side"] for args in trimmed} == set(SIDES)
    assert {args["estimator"] for args in trimmed} == set(ESTIMATORS)
    lines = [case.values[0]["args"] for case in cases("publication_bias", "*/regtest/*")]
    assert {args["predictor"] for args in lines} == set(PREDICTORS)


def test_no_case_is_skipped_in_silence() -> None:
    quantities = (
        TRIMFILL_NOT_OFFERED | PET_NOT_OFFERED | NO_WAAP | TES_NOT_OFFERED | EXACT_NOT_OFFERED
    )
    check_grid("publication_bias", CASES_NOT_OFFERED, quantities)
    check_extra_grid("publication_bias", EXTRA_NOT_OFFERED)
