"""Three-level and correlated-and-hierarchical models agree with metafor and clubSandwich."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis.dependent.blocks import EffectBlocks, make_blocks
from analysis.dependent.composites import make_composites
from analysis.dependent.diagnostics import multilevel_diagnostics
from analysis.dependent.multilevel import i2_by_level, omnibus_test, predict_outcomes
from analysis.dependent.multivariate import MultivariateFit, fit_multivariate
from analysis.dependent.profile_intervals import profile_interval
from analysis.dependent.robust import robust_covariance
from analysis.distributions import chi2_sf
from analysis.univariate.least_squares import generalized_q
from analysis.univariate.pooling import fit_random_effects

from .multivariate_results import (
    cluster_robust,
    criteria,
    hotelling,
    model_based,
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
    design,
    known,
    numbers,
)

CASES_NOT_OFFERED: dict[str, str] = {}
QUANTITIES_NOT_OFFERED: dict[str, str] = {}
ONE_TRIAL_DECIDES = "assink2016/three_level/deltype_year/REML"
NO_JACKKNIFE = {
    "CR3_se": "one trial alone decides two coefficients: "
    "test_the_jackknife_of_a_trial_that_decides_alone",
}


def _cluster(case: Case) -> list[Any]:
    random = case["args"].get("random", "~ 1 | study/")
    return data(case)[random.split("|")[1].split("/")[0].strip()].tolist()


def _constant_correlation(case: Case) -> np.ndarray:
    labels, sei = np.array(_cluster(case)), np.sqrt(data(case)["vi"].to_numpy())
    v = np.outer(sei, sei) * case["args"]["rho"] * (labels[:, None] == labels[None, :])
    np.fill_diagonal(v, sei**2)
    return v


def _blocks(case: Case) -> EffectBlocks:
    independent = case["args"].get("V") == "diag(vi)"
    v = data(case)["vi"].to_numpy() if independent else _constant_correlation(case)
    return make_blocks(data(case)["yi"], v, _cluster(case), design=design(case))


def _fit(case: Case) -> MultivariateFit:
    method = case["args"].get("method", "REML")
    return fit_multivariate(_blocks(case), structure="ID", within="common", method=method)


def _variances(fit: MultivariateFit) -> dict[str, float]:
    return {"sigma2_between": fit.tau[0, 0], "sigma2_within": fit.omega[0]}


def _between_and_within(fit: MultivariateFit) -> dict[str, float]:
    i2 = i2_by_level(fit)
    return {
        "I2_between": i2.between, "I2_within": i2.within, "I2_total": i2.total,
        "typical_v": i2.typical_v,
    }  # fmt: skip


def _omnibus(fit: MultivariateFit) -> dict[str, float]:
    test = omnibus_test(fit)
    return {"QM": test.statistic, "QM_p": test.pvalue}


def _predicted(fit: MultivariateFit) -> dict[str, Any]:
    """Limits of a single effect in a new trial."""
    if not np.array_equal(fit.blocks.design, np.ones((fit.blocks.k, 1))):
        return {}
    ahead = predict_outcomes(fit)
    return {"pi_lb": ahead.pi_lb, "pi_ub": ahead.pi_ub}


TESTED = {
    "konstantopoulos2011/three_level/year": [[0, 1]],
    "assink2016/three_level/deltype_year": [[0, 1, 0, 0], [0, 0, 1, 0]],
    "assink2016/three_level/deltype_noint": [[1, -1, 0], [0, 1, -1]],
}
"""Hypotheses of the reference's robust tests."""


@pytest.mark.parametrize("case", cases("multilevel", "*/three_level/*ML"))
def test_three_level(case: Case) -> None:
    fit = _fit(case)
    blocks = fit.blocks
    q = generalized_q(0.0, data(case)["yi"].to_numpy(), data(case)["vi"].to_numpy(), blocks.design)
    found = model_based(fit) | cluster_robust(fit) | _variances(fit) | criteria(fit, 2)
    found |= _between_and_within(fit) | _omnibus(fit) | _predicted(fit)
    tested = next((c for name, c in TESTED.items() if name in case["id"]), None)
    if tested is not None:
        found |= hotelling(fit, tested)
    found |= {
        "k": blocks.k,
        "n_cluster": blocks.clusters,
        "QE": q,
        "QE_p": chi2_sf(q, blocks.k - blocks.p),
    }
    assert (fit.status, fit.gradient < 1e-7) == ("ok", True)
    listed = QUANTITIES_NOT_OFFERED
    if case["id"] == ONE_TRIAL_DECIDES:
        listed = listed | NO_JACKKNIFE
        del found["CR3_se"]
    compare(case, known(case, found), listed, rtol=ITERATIVE)


def test_the_jackknife_of_a_trial_that_decides_alone() -> None:
    """All effects on covert delinquency are of one trial. Without it the levels have no contrast
    with covert: the reference divides by a rounding error (another run of it gives other numbers)
    and agrees in the coefficient that stays, to the size of that error."""
    case = case_named("multilevel", ONE_TRIAL_DECIDES)
    fit = _fit(case)
    rest = data(case)["study"].to_numpy() != 16
    assert np.linalg.matrix_rank(fit.blocks.design[rest]) == fit.blocks.p - 1
    ours, theirs = robust_covariance(fit, "CR3").se, numbers(case["expect"]["CR3_se"])
    year = case["args"]["coefficients"].index("year")
    assert ours[year] == pytest.approx(theirs[year], rel=1e-4)
    assert (np.abs(ours[:year] - theirs[:year]) > 0.05).all()


@pytest.mark.parametrize("case", cases("multilevel", "*/three_level/*/profile_ci"))
def test_profile_intervals(case: Case) -> None:
    fit, found = _fit(case), {}
    for name, parameter in (("between", "tau2[0]"), ("within", "omega2[0]")):
        interval = profile_interval(fit, parameter)
        assert interval.edge == ""
        found |= {f"sigma2_{name}_lb": interval.lower, f"sigma2_{name}_ub": interval.upper}
    compare(case, found, {}, rtol=ITERATIVE)


@pytest.mark.parametrize("case", cases("multilevel", "*/CHE/*"))
def test_correlated_and_hierarchical(case: Case) -> None:
    fit = _fit(case)
    found = model_based(fit) | cluster_robust(fit) | _variances(fit)
    compare(case, known(case, found), {}, rtol=ITERATIVE)


@pytest.mark.parametrize("case", cases("multilevel", "*/diagnostics"))
def test_diagnostics(case: Case) -> None:
    """Trials of the reference are in sorted order."""
    found = multilevel_diagnostics(_fit(case))
    order = np.argsort(list(dict.fromkeys(_cluster(case))))
    effects, trials = found.effects, found.trials
    offered = {
        "hat": effects.leverage, "rstandard_z": effects.standardized,
        "rstudent_obs_z": effects.studentized, "rstudent_cluster_X2": trials.chi2[order],
        "cooks_cluster": trials.cook[order], "dfbetas_cluster": trials.dfbetas[order, 0],
        "ranef_between": trials.random[order, 0],
    }  # fmt: skip
    compare(case, offered, {}, rtol=ITERATIVE)


@pytest.mark.parametrize("case", cases("multilevel", "*/aggregate/*"))
def test_composites(case: Case) -> None:
    composites = make_composites(_blocks(case), weighted=case["args"]["weighted"])
    assert composites.cluster.tolist() == list(range(len(case["expect"]["yi"])))
    offered = {"yi": composites.yi, "vi": composites.vi}
    pooled = fit_random_effects(composites.yi, composites.vi, ci_method="wald")
    offered |= {"reml_beta": pooled.mu, "reml_se": pooled.se, "reml_tau2": pooled.tau2}
    tolerances = dict.fromkeys(("yi", "vi"), (CLOSED_FORM, 0.0))
    compare(case, offered, {}, rtol=ITERATIVE, tolerances=tolerances)


def test_no_case_is_skipped_in_silence() -> None:
    check_grid("multilevel", CASES_NOT_OFFERED, QUANTITIES_NOT_OFFERED)
    check_extra_grid("multilevel", CASES_NOT_OFFERED)
