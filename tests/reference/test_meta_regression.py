"""Meta-regression, predictions, contrasts, residuals, permutation tests and subgroups agree with
metafor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis.distributions import chi2_sf
from analysis.univariate.designs import make_design
from analysis.univariate.meta_regression import (
    Coefficients,
    MetaRegression,
    contrast_estimates,
    fit_meta_regression,
    predict,
    variance_inflation,
)
from analysis.univariate.permutation import PermutationTest, permutation_test
from analysis.univariate.residuals import regression_residuals
from analysis.univariate.subgroups import fit_subgroups

from .exact import exact_weighted_fit
from .oracle_cases import (
    CLOSED_FORM,
    ITERATIVE,
    Case,
    case_named,
    cases,
    check_grid,
    compare,
    data,
    design,
    known,
    listed_for,
)

ILL_CONDITIONED = {"bcg_rr/full": 1e-7}
"""Relative tolerance for a design with raw calendar years (condition number 5e5): the reference
keeps 9 to 10 digits of it. The exact values are in test_raw_years_against_exact_arithmetic."""
ITERATED = {"REML", "ML", "PM", "EB"}
INFERENCE = {"z": "wald", "knha": "knapp_hartung", "adhoc": "knapp_hartung_floor"}

PERCENT = {"I2": (ITERATIVE, 1e-9)}
"""I2 is in percent: 1e-9 of it is nothing, where the reference stops a hair above tau2 = 0."""

CASES_NOT_OFFERED: dict[str, str] = {}
CENTERED_FIRST = (
    "rma.uni centers the effects first, which is not neutral without a constant; its own "
    "knha.s2w = QE / 12 agrees with the value here"
)
NOT_OFFERED_FOR_CASE = {
    "*/EE": {"R2": "share of tau2 explained, which equal effects do not have"},
    "bcg_rr/slope_only/EE": dict.fromkeys(("I2", "H2", "QE", "QE_p"), CENTERED_FIRST),
    "permute7/*": {"iterations": "distinct orders, 2520; all 5040 are refitted here"},
}
QUANTITIES_NOT_OFFERED: dict[str, str] = {}


def _columns(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Effects, variances and design; rows without moderators leave as they do in R."""
    x = design(case)
    if x is None:
        assert case["args"]["formula"] == "~ablat - 1"
        x = data(case)[["ablat"]].to_numpy(dtype=float)
    table = data(case)
    if len(table) > len(x):
        table = table.dropna(subset=["grade", "length", "imag", "meta"])
    return table["yi"].to_numpy(), table["vi"].to_numpy(), x


def _fit(case: Case, inference: str) -> MetaRegression:
    yi, vi, x = _columns(case)
    return fit_meta_regression(
        yi, vi, x, method=case["args"]["method"], ci_method=INFERENCE[inference]
    )


def _table(prefix: str, c: Coefficients) -> dict[str, Any]:
    return {
        f"{prefix}.se": c.se, f"{prefix}.stat": c.statistic, f"{prefix}.pval": c.pvalue,
        f"{prefix}.ci_lb": c.ci_lb, f"{prefix}.ci_ub": c.ci_ub,
    }  # fmt: skip


def _rtol(case: Case) -> float:
    for start, tolerance in ILL_CONDITIONED.items():
        if case["id"].startswith(start):
            return tolerance
    return ITERATIVE if case["args"]["method"] in ITERATED else CLOSED_FORM


def _of_function(*functions: str) -> list[Any]:
    return [one for one in cases("meta_regression") if one.values[0]["function"] in functions]


@pytest.mark.parametrize("case", _of_function("rma.uni"))
def test_rma_uni(case: Case) -> None:
    fits = {name: _fit(case, name) for name in INFERENCE}
    z = fits["z"]
    found: dict[str, Any] = {
        "tau2": z.tau2,
        "se_tau2": z.se_tau2,
        "I2": z.heterogeneity.i2,
        "H2": z.heterogeneity.h2,
        "vt": z.heterogeneity.typical_v,
        "QE": z.heterogeneity.q,
        "QE_df": z.heterogeneity.q_df,
        "QE_p": z.heterogeneity.q_pvalue,
        "R2": z.r2,
        "vb": z.vb,
        "z.beta": z.coefficients.estimate,
        "z.QM": z.qm * z.qm_df,
        "z.QM_p": z.qm_pvalue,
        "QM_df": z.qm_df,
        "knha.QM": fits["knha"].qm,
        "knha.QM_p": fits["knha"].qm_pvalue,
        "knha.s2w": (fits["knha"].coefficients.se[0] / z.coefficients.se[0]) ** 2,
        "adhoc.QM_p": fits["adhoc"].qm_pvalue,
    }
    statistics = z.fit_statistics
    found |= {
        "ll": statistics.loglik, "dev": statistics.deviance, "AIC": statistics.aic,
        "BIC": statistics.bic, "AICc": statistics.aicc,
    }  # fmt: skip
    for name, fit in fits.items():
        found |= _table(name, fit.coefficients)
    listed = QUANTITIES_NOT_OFFERED | listed_for(case, NOT_OFFERED_FOR_CASE)
    offered = {name: value for name, value in known(case, found).items() if name not in listed}
    compare(case, offered, listed, rtol=_rtol(case), tolerances=PERCENT)


def test_raw_years_against_exact_arithmetic() -> None:
    case = case_named("meta_regression", "bcg_rr/full/EE")
    yi, vi, x = _columns(case)
    beta, rss = exact_weighted_fit(yi, vi, x)
    ours = fit_meta_regression(yi, vi, x, method="EE")
    np.testing.assert_allclose(ours.heterogeneity.q, rss, rtol=1e-12)
    np.testing.assert_allclose(ours.coefficients.estimate, beta, rtol=1e-9)


@pytest.mark.parametrize("case", _of_function("rma.mv"))
def test_line_through_the_origin(case: Case) -> None:
    fit = _fit(case, "z")
    offered = {
        "tau2": fit.tau2, "beta": fit.coefficients.estimate, "se": fit.coefficients.se,
        "ll": fit.loglik,
    }  # fmt: skip
    compare(case, offered, QUANTITIES_NOT_OFFERED, rtol=ITERATIVE)


@pytest.mark.parametrize("case", _of_function("predict.rma"))
def test_predictions(case: Case) -> None:
    found: dict[str, Any] = {}
    for name in ("z", "knha"):
        rows = predict(_fit(case, name), case["args"]["newX"])
        found |= {
            f"{name}.pred": rows.estimate, f"{name}.se": rows.se,
            f"{name}.ci_lb": rows.ci_lb, f"{name}.ci_ub": rows.ci_ub,
            f"{name}.pi_lb": rows.pi_lb, f"{name}.pi_ub": rows.pi_ub,
        }  # fmt: skip
    compare(case, found, QUANTITIES_NOT_OFFERED, rtol=_rtol(case))


@pytest.mark.parametrize("case", cases("meta_regression", "*/contrast"))
def test_contrasts(case: Case) -> None:
    found: dict[str, Any] = {}
    for name in ("z", "knha"):
        rows = contrast_estimates(_fit(case, name), case["args"]["L"])
        found |= _table(name, rows) | {f"{name}.est": rows.estimate}
    compare(case, known(case, found), QUANTITIES_NOT_OFFERED, rtol=_rtol(case))


@pytest.mark.parametrize("case", cases("meta_regression", "*/vif"))
def test_variance_inflation(case: Case) -> None:
    """The reference has a row per moderator, which names its coefficient."""
    rows = case["expect"]["vif"]
    names = case["args"]["coefficients"]
    assert [row["coefname"] for row in rows] == [[name] for name in names[1:]]
    vif = variance_inflation(_fit(case, "z"))
    assert np.isnan(vif[0])
    expect = {name: [row[name][0] for row in rows] for name in ("vif", "sif")}
    offered = {"vif": vif[1:], "sif": np.sqrt(vif[1:])}
    compare(case | {"expect": expect}, offered, QUANTITIES_NOT_OFFERED, rtol=_rtol(case))


@pytest.mark.parametrize("case", _of_function("rstandard/rstudent"))
def test_residuals(case: Case) -> None:
    found = regression_residuals(*_columns(case), method=case["args"]["method"])
    standardized = found.standardized.copy()
    # A study that alone determines a coefficient has no residual to standardize; 0 in R.
    alone = found.leverage > 1.0 - 1e-9
    assert alone.sum() == int(case["id"] == "raudenbush1985/interaction/residuals")
    assert np.isnan(standardized[alone]).all()
    standardized[alone] = 0.0
    offered = {
        "fitted": found.fitted, "resid": found.residual, "rstandard_se": found.se,
        "rstandard_z": standardized, "hat": found.leverage, "rstudent_resid": found.deleted,
        "rstudent_se": found.deleted_se, "rstudent_z": found.studentized,
    }  # fmt: skip
    compare(case, offered, QUANTITIES_NOT_OFFERED, rtol=_rtol(case))


def _permuted(case: Case) -> PermutationTest:
    table, formula = data(case), case["args"]["formula"]
    moderators = [] if formula == "~ 1" else [table[formula.removeprefix("~")].to_numpy(float)]
    x = np.column_stack([np.ones(len(table)), *moderators])
    return permutation_test(
        table["yi"], table["vi"], x, method=case["args"]["method"], most_exact=5040
    )


@pytest.mark.parametrize("case", _of_function("permutest.rma.uni"))
def test_permutations(case: Case) -> None:
    found = _permuted(case)
    assert found.exact
    listed = QUANTITIES_NOT_OFFERED | listed_for(case, NOT_OFFERED_FOR_CASE)
    offered = {"pval": found.pvalue, "QM_p": found.qm_pvalue, "iterations": found.permutations}
    offered = {name: value for name, value in known(case, offered).items() if name not in listed}
    compare(case, offered, listed, rtol=CLOSED_FORM)


def test_tied_rows_are_permuted_twice_and_count_twice() -> None:
    for method in ("REML", "DL"):
        case = case_named("meta_regression", f"permute7/x/permutest_exact/{method}")
        assert _permuted(case).permutations == 2 * case["expect"]["iterations"]


@pytest.mark.parametrize("case", cases("meta_regression", "*/LRT"))
def test_likelihood_ratio(case: Case) -> None:
    yi, vi, x = _columns(case)
    full = fit_meta_regression(yi, vi, x, method="ML")
    reduced = fit_meta_regression(yi, vi, method="ML")
    ratio, df = 2.0 * (full.loglik - reduced.loglik), full.p - reduced.p
    offered = {
        "LRT": ratio, "df": df, "pval": chi2_sf(ratio, df), "tau2_full": full.tau2,
        "tau2_reduced": reduced.tau2,
    }  # fmt: skip
    # The ratio is a difference of two log-likelihoods: digits are lost in it, not in them.
    compare(case, offered, QUANTITIES_NOT_OFFERED, rtol=ITERATIVE, atol=1e-9)


@pytest.mark.parametrize("case", _of_function("hand"))
def test_subgroups_with_separate_tau2(case: Case) -> None:
    args = case["args"]
    test = fit_subgroups(
        data(case)["yi"], data(case)["vi"], data(case)[args["by"]].tolist(),
        method=args["method"], ci_method="wald",
    )  # fmt: skip
    assert list(test.levels) == args["levels"]
    offered = {
        "k": [pool.k for pool in test.pooled],
        "beta": [pool.mu for pool in test.pooled],
        "se": [pool.se for pool in test.pooled],
        "tau2": [pool.tau2 for pool in test.pooled],
        "I2": [pool.heterogeneity.i2 for pool in test.pooled],
        "df": test.df_num,
        "Q_between": test.q_separate,
        "p": test.q_separate_pvalue,
    }
    compare(case, offered, QUANTITIES_NOT_OFFERED, rtol=_rtol(case))


DESIGNS = {
    "bcg_rr/ablat": ["ablat"],
    "bcg_rr/full": ["ablat", "year", "alloc"],
    "bcg_rr/alloc_noint": ["alloc"],
    "raudenbush1985/weeks": ["weeks"],
    "raudenbush1985/interaction": ["weeks", "setting", "tester", "weeks:setting"],
    "bangertdrowns2004/mods": ["length", "imag", "meta", "grade"],
    "molloy2014_z/age_design": ["meanage", "design"],
}


@pytest.mark.parametrize("name", DESIGNS)
def test_designs_are_those_of_r(name: str) -> None:
    case = case_named("meta_regression", f"{name}/REML")
    table = data(case)
    if "grade" in DESIGNS[name]:
        table = table.dropna(subset=["grade", "length", "imag", "meta"])
        table = table.assign(grade=table["grade"].astype(int).astype(str))
    made = make_design(table, DESIGNS[name], intercept=case["args"]["intercept"])
    np.testing.assert_array_equal(made.matrix, design(case))
    # R joins a factor and its level, and writes the intercept in parentheses.
    names = [one.replace("=", "") for one in made.names]
    theirs = [one.replace("factor(grade)", "grade") for one in case["args"]["coefficients"]]
    assert names == [one.replace("(Intercept)", "intercept") for one in theirs]


def test_no_case_is_skipped_in_silence() -> None:
    check_grid("meta_regression", CASES_NOT_OFFERED, QUANTITIES_NOT_OFFERED)
