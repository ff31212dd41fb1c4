"""Pooling agrees with metafor's `rma.uni`: nine estimators, four kinds of inference."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.gap.action_control import pool_proportion
from analysis.univariate.meta_regression import fit_meta_regression
from analysis.univariate.pooling import PooledEffect, fit_random_effects
from analysis.univariate.tau2 import TAU2_METHODS, log_likelihood
from analysis.univariate.tau2_intervals import q_profile_interval

from .oracle_cases import (
    CLOSED_FORM,
    ITERATIVE,
    Case,
    case_named,
    cases,
    check_grid,
    compare,
    data,
    matrix,
    numbers,
)

ITERATED = {"REML", "ML", "PM", "EB"}
INFERENCE = {
    "z": "wald", "t": "t", "knha": "knapp_hartung", "adhoc": "knapp_hartung_floor"
}  # fmt: skip

CASES_NOT_OFFERED: dict[str, str] = {}
QUANTITIES_NOT_OFFERED = {
    "se_tau2": "standard error of tau2: the Q-profile interval is offered instead",
    "dev": "deviance: not offered yet",
    "AIC": "information criteria: not offered yet",
    "BIC": "information criteria: not offered yet",
    "AICc": "information criteria: not offered yet",
}
EQUAL_EFFECTS_NOT_OFFERED = QUANTITIES_NOT_OFFERED | {
    "ll": "reported as restricted for EE, as ML in the reference: test_equal_effects_likelihood",
}
INTERVAL_NOT_OFFERED = {
    "tau_*": "the square root of the limits of tau2",
    "I2_*": "a function of the limits of tau2 and the typical variance",
    "H2_*": "a function of the limits of tau2 and the typical variance",
}


def _fit(case: Case, inference: str, pi_method: str | None = None) -> PooledEffect:
    """metafor takes normal quantiles for the prediction interval of `z`, else t with k - 1."""
    usual = "normal" if inference == "z" else "t_k_minus_1"
    return fit_random_effects(
        data(case)["yi"],
        data(case)["vi"],
        method=case["args"]["method"],
        ci_method=INFERENCE[inference],
        pi_method=pi_method or usual,
    )


def _offered(case: Case) -> dict[str, float]:
    fits = {name: _fit(case, name) for name in INFERENCE}
    z = fits["z"]
    found = {
        "k": z.k,
        "beta": z.mu,
        "tau2": z.tau2,
        "I2": z.heterogeneity.i2,
        "H2": z.heterogeneity.h2,
        "vt": z.heterogeneity.typical_v,
        "QE": z.heterogeneity.q,
        "QE_df": z.heterogeneity.q_df,
        "QE_p": z.heterogeneity.q_pvalue,
        "knha.s2w": (fits["knha"].se / z.se) ** 2,
    }
    for name, fit in fits.items():
        found |= {
            f"{name}.se": fit.se, f"{name}.stat": fit.statistic, f"{name}.pval": fit.pvalue,
            f"{name}.ci_lb": fit.ci_lb, f"{name}.ci_ub": fit.ci_ub,
            f"{name}.pi_lb": fit.pi_lb, f"{name}.pi_ub": fit.pi_ub,
        }  # fmt: skip
        fewer = _fit(case, name, "t_k_minus_2")
        found |= {f"{name}.pi_t_km2_lb": fewer.pi_lb, f"{name}.pi_t_km2_ub": fewer.pi_ub}
    method = case["args"]["method"]
    if method in ("REML", "ML"):
        found["ll"] = fit_meta_regression(data(case)["yi"], data(case)["vi"], method=method).loglik
    return {name: value for name, value in found.items() if name in case["expect"]}


@pytest.mark.parametrize("case", cases("rma_uni"))
def test_rma_uni(case: Case) -> None:
    method = case["args"]["method"]
    listed = EQUAL_EFFECTS_NOT_OFFERED if method == "EE" else QUANTITIES_NOT_OFFERED
    rtol = ITERATIVE if method in ITERATED else CLOSED_FORM
    # I2 is in percent: 1e-9 of it is nothing, where the reference stops a hair above tau2 = 0.
    tolerances = {"I2": (rtol, 1e-9)}
    compare(case, _offered(case), listed, rtol=rtol, tolerances=tolerances)


@pytest.mark.parametrize("case", cases("rma_uni", "*/EE"))
def test_equal_effects_likelihood(case: Case) -> None:
    yi, vi = data(case)["yi"].to_numpy(), data(case)["vi"].to_numpy()
    ours = log_likelihood(0.0, yi, vi, np.ones((yi.size, 1)), restricted=False)
    np.testing.assert_allclose(ours, numbers(case["expect"]["ll"]), rtol=CLOSED_FORM)


@pytest.mark.parametrize("case", cases("rma_uni", "*/REML") + cases("rma_uni", "*/ML"))
def test_no_likelihood_is_higher_in_the_reference(case: Case) -> None:
    yi, vi = data(case)["yi"].to_numpy(), data(case)["vi"].to_numpy()
    restricted = case["args"]["method"] == "REML"
    fit = fit_meta_regression(yi, vi, method=case["args"]["method"])
    theirs = log_likelihood(
        case["expect"]["tau2"], yi, vi, np.ones((yi.size, 1)), restricted=restricted
    )
    assert fit.loglik >= theirs - 1e-12 * abs(theirs)


@pytest.mark.parametrize("case", cases("confint_tau2"))
def test_q_profile(case: Case) -> None:
    yi, vi = data(case)["yi"].to_numpy(), data(case)["vi"].to_numpy()
    interval = q_profile_interval(yi, vi, np.ones((yi.size, 1)))
    offered = {"tau2_lb": interval.lower, "tau2_ub": interval.upper}
    compare(case, offered, INTERVAL_NOT_OFFERED, rtol=ITERATIVE)
    assert fit_random_effects(yi, vi).tau2_interval == interval


def test_pooled_proportions_are_pooled_logits() -> None:
    case = case_named("rma_uni", "pritz1997_plo/REML")
    events, n = matrix("data/pritz1997_prop.csv")[:, 1:].T
    inside = (events > 0) & (events < n)
    assert inside.sum() == 12, "the reference adds 1/2 to the two others; nothing is added here"
    pooled = pool_proportion(events, n)
    plo = data(case)[inside]
    fit = fit_random_effects(plo["yi"], plo["vi"])
    logits = np.array([fit.mu, fit.ci_lb, fit.ci_ub])
    expected = 1.0 / (1.0 + np.exp(-logits))
    np.testing.assert_allclose([pooled.share, pooled.ci_lb, pooled.ci_ub], expected, rtol=ITERATIVE)
    assert (pooled.k, pooled.k_used) == (14, 12)


def test_every_estimator_is_compared() -> None:
    compared = {case.values[0]["args"]["method"] for case in cases("rma_uni")}
    assert compared == set(TAU2_METHODS)


def test_no_core_case_is_skipped_in_silence() -> None:
    check_grid("rma_uni", CASES_NOT_OFFERED, EQUAL_EFFECTS_NOT_OFFERED)
    check_grid("confint_tau2", {}, INTERVAL_NOT_OFFERED)
