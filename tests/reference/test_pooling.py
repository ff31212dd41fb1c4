"""Pooling agrees with metafor's `rma.uni`: eleven estimators, four kinds of inference, intervals
of tau2, weights that the data do not choose, and shrunken effects."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from analysis.gap.action_control import pool_proportion
from analysis.univariate.fixed_weights import WeightedMean, weighted_mean
from analysis.univariate.heterogeneity import describe_heterogeneity
from analysis.univariate.least_squares import generalized_q, trace_p
from analysis.univariate.meta_regression import fit_meta_regression
from analysis.univariate.pooling import PooledEffect, fit_random_effects
from analysis.univariate.residuals import shrunken_effects
from analysis.univariate.tau2 import TAU2_METHODS, generalized_moments, log_likelihood
from analysis.univariate.tau2_intervals import (
    Tau2Interval,
    profile_likelihood_interval,
    q_profile_interval,
)

from .oracle_cases import (
    CLOSED_FORM,
    ITERATIVE,
    Case,
    case_named,
    cases,
    check_extra_grid,
    check_grid,
    compare,
    data,
    effects,
    matrix,
)

ITERATED = {"REML", "ML", "PM", "EB", "PMM"}
INFERENCE = {
    "z": "wald", "t": "t", "knha": "knapp_hartung", "adhoc": "knapp_hartung_floor"
}  # fmt: skip

STOP = 1e-5
"""Where the reference ends an iteration: a step of tau2 below this, in the units of the data."""

CASES_NOT_OFFERED: dict[str, str] = {}
EXTRA_CASES_NOT_OFFERED: dict[str, str] = {}
QUANTITIES_NOT_OFFERED: dict[str, str] = {}
NO_ITERATED_DL = (
    "the reference iterates (Q - df) / tr(P), an equation that holds at tau2 = 0 alone; the "
    "iterated moment estimator is Paule-Mandel: test_iterated_dl_is_paule_mandel"
)
DEPEND_ON_TAU2 = ("beta", "tau2", "se_tau2", "I2", "H2", "z.*", "t.*", "knha.*", "adhoc.*")
ITERATED_DL_NOT_OFFERED = dict.fromkeys(DEPEND_ON_TAU2, NO_ITERATED_DL)
WEIGHTED_NOT_OFFERED = {
    "weights_used": "the weights as text; they are an argument here",
}


def _plain(*methods: str) -> list[Any]:
    """Cases of ordinary pooling with these estimators."""
    found = []
    for one in cases("rma_uni"):
        case = one.values[0]
        weighted = case["args"].get("weighted", True)
        if case["function"] == "rma.uni" and weighted and case["args"]["method"] in methods:
            found.append(one)
    assert found
    return found


def _fit(case: Case, method: str, inference: str, pi_method: str | None = None) -> PooledEffect:
    """metafor takes normal quantiles for the prediction interval of `z`, else t with k - 1."""
    usual = "normal" if inference == "z" else "t_k_minus_1"
    return fit_random_effects(
        *effects(case),
        method=method,
        ci_method=INFERENCE[inference],
        pi_method=pi_method or usual,
    )


def _offered(case: Case, method: str) -> dict[str, float]:
    fits = {name: _fit(case, method, name) for name in INFERENCE}
    z = fits["z"]
    found = {
        "k": z.k,
        "beta": z.mu,
        "tau2": z.tau2,
        "se_tau2": z.se_tau2,
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
        fewer = _fit(case, method, name, "t_k_minus_2")
        found |= {f"{name}.pi_t_km2_lb": fewer.pi_lb, f"{name}.pi_t_km2_ub": fewer.pi_ub}
    statistics = fit_meta_regression(*effects(case), method=method).fit_statistics
    found |= {
        "ll": statistics.loglik, "dev": statistics.deviance, "AIC": statistics.aic,
        "BIC": statistics.bic, "AICc": statistics.aicc,
    }  # fmt: skip
    return {name: value for name, value in found.items() if name in case["expect"]}


@pytest.mark.parametrize("case", _plain(*TAU2_METHODS))
def test_rma_uni(case: Case) -> None:
    method = case["args"]["method"]
    rtol = ITERATIVE if method in ITERATED else CLOSED_FORM
    # I2 is in percent: 1e-9 of it is nothing, where the reference stops a hair above tau2 = 0.
    tolerances = {"I2": (rtol, 1e-9)}
    compare(case, _offered(case, method), QUANTITIES_NOT_OFFERED, rtol=rtol, tolerances=tolerances)


@pytest.mark.parametrize("case", _plain("SJIT"))
def test_iterated_sj_is_paule_mandel(case: Case) -> None:
    """The reference multiplies tau2 by Q / df until a step is short, where Q is df in the end."""
    found = _offered(case, "PM")
    compare(case, found, QUANTITIES_NOT_OFFERED, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("case", _plain("DLIT"))
def test_iterated_dl_is_paule_mandel(case: Case) -> None:
    yi, vi = effects(case)
    ones = np.ones((yi.size, 1))
    theirs = case["expect"]["tau2"]
    w = 1.0 / (vi + theirs)
    excess = generalized_q(theirs, yi, vi, ones) - (yi.size - 1)
    scale = max(1.0, theirs)
    assert max(0.0, excess / trace_p(w, ones)) == pytest.approx(theirs, abs=3 * STOP * scale)
    ours = fit_random_effects(yi, vi, method="PM")
    again = generalized_moments(yi, vi, ones, 1.0 / (vi + ours.tau2))
    assert again == pytest.approx(ours.tau2, rel=1e-9, abs=1e-12)
    if ours.tau2 == 0.0:  # where all three are one
        compare(case, _offered(case, "DL"), QUANTITIES_NOT_OFFERED, rtol=CLOSED_FORM)
        return
    assert theirs < 0.6 * ours.tau2
    found = _offered(case, "PM")
    fixed = {name: found[name] for name in ("k", "vt", "QE", "QE_df", "QE_p")}
    compare(case, fixed, ITERATED_DL_NOT_OFFERED, rtol=CLOSED_FORM)


@pytest.mark.parametrize("case", cases("rma_uni", "*/unweighted"))
def test_equal_weights(case: Case) -> None:
    method = case["args"]["method"]
    rtol = ITERATIVE if method in ITERATED else CLOSED_FORM
    mean = weighted_mean(*effects(case), method=method)
    compare(case, _mean(mean), QUANTITIES_NOT_OFFERED, rtol=rtol)


def _mean(mean: WeightedMean) -> dict[str, float]:
    return {
        "beta": mean.mu, "tau2": mean.tau2, "z.se": mean.se, "z.stat": mean.statistic,
        "z.pval": mean.pvalue, "z.ci_lb": mean.ci_lb, "z.ci_ub": mean.ci_ub,
    }  # fmt: skip


@pytest.mark.parametrize("case", _plain("GENQ"))
def test_given_weights(case: Case) -> None:
    yi, vi = effects(case)
    mean = weighted_mean(yi, vi, 1.0 / (vi + vi.mean()), method="GENQ")
    between = describe_heterogeneity(yi, vi, np.ones((yi.size, 1)), mean.tau2, "GENQ")
    offered = _mean(mean) | {
        "se_tau2": mean.se_tau2,
        "k": mean.k, "I2": between.i2, "H2": between.h2, "vt": between.typical_v,
        "QE": between.q, "QE_df": between.q_df, "QE_p": between.q_pvalue,
    }  # fmt: skip
    compare(case, offered, WEIGHTED_NOT_OFFERED, rtol=CLOSED_FORM)


@pytest.mark.parametrize("case", cases("rma_uni", "*/blup"))
def test_shrunken_effects(case: Case) -> None:
    found = shrunken_effects(*effects(case))
    offered = {
        "pred": found.estimate, "se": found.se, "pi_lb": found.pi_lb, "pi_ub": found.pi_ub,
    }  # fmt: skip
    compare(case, offered, QUANTITIES_NOT_OFFERED, rtol=ITERATIVE)


@pytest.mark.parametrize("case", _plain("REML", "ML"))
def test_no_likelihood_is_higher_in_the_reference(case: Case) -> None:
    yi, vi = effects(case)
    restricted = case["args"]["method"] == "REML"
    fit = fit_meta_regression(yi, vi, method=case["args"]["method"])
    theirs = log_likelihood(
        case["expect"]["tau2"], yi, vi, np.ones((yi.size, 1)), restricted=restricted
    )
    assert fit.loglik >= theirs - 1e-12 * abs(theirs)


def _limits(case: Case, interval: Tau2Interval) -> dict[str, float]:
    typical = fit_random_effects(*effects(case)).heterogeneity.typical_v
    i2, h2 = interval.i2(typical), interval.h2(typical)
    found = {
        "tau2_lb": interval.lower, "tau2_ub": interval.upper,
        "tau_lb": math.sqrt(interval.lower), "tau_ub": math.sqrt(interval.upper),
        "I2_lb": i2[0], "I2_ub": i2[1], "H2_lb": h2[0], "H2_ub": h2[1],
    }  # fmt: skip
    return {name: value for name, value in found.items() if name in case["expect"]}


@pytest.mark.parametrize("case", cases("confint_tau2", "*/QP"))
def test_q_profile(case: Case) -> None:
    yi, vi = effects(case)
    interval = q_profile_interval(yi, vi, np.ones((yi.size, 1)))
    compare(case, _limits(case, interval), QUANTITIES_NOT_OFFERED, rtol=ITERATIVE)
    assert fit_random_effects(yi, vi).tau2_interval == interval


@pytest.mark.parametrize("case", cases("confint_tau2", "*/PL/*"))
def test_profile_likelihood(case: Case) -> None:
    yi, vi = effects(case)
    method = case["args"]["method"]
    interval = profile_likelihood_interval(yi, vi, np.ones((yi.size, 1)), method=method)
    compare(case, _limits(case, interval), QUANTITIES_NOT_OFFERED, rtol=ITERATIVE)


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
    compared = {case.values[0]["args"]["method"] for case in _plain(*TAU2_METHODS)}
    assert compared == set(TAU2_METHODS)


def test_no_case_is_skipped_in_silence() -> None:
    check_grid("rma_uni", CASES_NOT_OFFERED, QUANTITIES_NOT_OFFERED | WEIGHTED_NOT_OFFERED)
    check_grid("confint_tau2", CASES_NOT_OFFERED, QUANTITIES_NOT_OFFERED)
    for topic in ("rma_uni", "confint_tau2"):
        check_extra_grid(topic, EXTRA_CASES_NOT_OFFERED)
