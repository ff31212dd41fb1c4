"""The joint model of intention and behavior and every estimand read off it agree with R."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from analysis.distributions import critical_value
from analysis.effect_sizes import fisher_z
from analysis.gap.fieller import fieller_set
from analysis.gap.joint import (
    BEHAVIOR,
    UPSTREAM,
    JointModel,
    difference,
    fit_joint,
    transmission_ratio,
)
from analysis.gap.surrogacy import predict_behavior, trial_level_surrogacy
from analysis.univariate.pooling import fit_random_effects

from .multivariate_results import NOT_OFFERED, cluster_robust
from .oracle_cases import (
    CLOSED_FORM,
    ITERATIVE,
    Case,
    cases,
    check_grid,
    compare,
    data,
)

CASES_NOT_OFFERED: dict[str, str] = {}
JOINT_NOT_OFFERED = {
    name: why for name, why in NOT_OFFERED.items() if name in ("QE", "QE_p", "CR1S_se", "CR3_se")
} | {
    "ratio_ci_delta": "symmetric interval of a ratio: refused, Fieller's set is offered",
    "log_ratio*": "log of the ratio: not offered, the means can have either sign",
    "rho_between": "the covariance is offered and compared",
    "rho_se_observed": "standard error of the between-trial correlation: not offered",
    "*_se_expected": "standard errors from the expected information: only those of psi",
    "predict_behaviour_?b": "normal limits with Tau known: the threshold effect uses t instead",
}
CORRELATION_NOT_OFFERED = {
    "se_tau2": "standard error of tau2: the Q-profile interval is offered instead",
    "hs_var_r": "variance of correlations after Hunter and Schmidt: not offered",
}
ALL_NOT_OFFERED = JOINT_NOT_OFFERED | CORRELATION_NOT_OFFERED
_NAMES = {"upstream": "intention", "behavior": "behaviour"}


def _covariances(case: Case) -> np.ndarray:
    table = data(case)
    sei = np.sqrt(table["vi"].to_numpy())
    v = np.diag(sei**2)
    for _, rows in table.groupby("study").indices.items():
        if len(rows) == 2:
            i, j = rows
            rho = case["args"].get("rho")
            known = table["cov_ib"].iloc[i] if rho is None else rho * sei[i] * sei[j]
            v[i, j] = v[j, i] = known
    return v


def _joint(case: Case) -> JointModel:
    table = data(case)
    return fit_joint(
        table["yi"], _covariances(case), table["study"].tolist(), table["outcome"].tolist(),
        method=case["args"]["method"], **_NAMES,
    )  # fmt: skip


def _gap(model: JointModel) -> dict[str, Any]:
    gap, robust = difference(model, "model"), difference(model, "CR2")
    ratio = transmission_ratio(model, "model")
    assert ratio.interval_kind == "interval"
    v = model.fit.vb
    fieller = fieller_set(
        model.means[1], model.means[0], v[1, 1], v[0, 0], v[0, 1], critical_value(0.95, math.inf)
    )
    return {
        "diff_int_minus_beh": gap.estimate,
        "diff_se": gap.se,
        "diff_z": gap.statistic,
        "diff_p": gap.pvalue,
        "diff_ci_lb": gap.ci_lb,
        "diff_ci_ub": gap.ci_ub,
        "CR2_diff_se": robust.se,
        "CR2_diff_df": robust.df,
        "CR2_diff_ci_lb": robust.ci_lb,
        "CR2_diff_ci_ub": robust.ci_ub,
        "ratio_beh_over_int": ratio.estimate,
        "ratio_se_delta": ratio.se,
        "ratio_ci_fieller": [ratio.ci_lb, ratio.ci_ub],
        "fieller_g": fieller.g,
    }


def _line(case: Case, model: JointModel) -> dict[str, Any]:
    line = trial_level_surrogacy(model)
    predicted = [
        predict_behavior(model, line.slope, line.residual_variance, x)
        for x in case["expect"]["predict_at_intention"]
    ]
    return {
        "slope": line.slope,
        "intercept": line.intercept,
        "resid_var": line.residual_variance,
        "R2_trial": line.r2,
        "slope_se_observed": line.slope_se,
        "R2_se_observed": line.r2_se,
        "predict_at_intention": case["expect"]["predict_at_intention"],
        "predict_behaviour_mean": [mean for mean, _ in predicted],
        "predict_behaviour_sd": [math.sqrt(variance) for _, variance in predicted],
    }


@pytest.mark.parametrize("case", cases("intention_behaviour", "*/bivariate_UN/*"))
def test_joint_model(case: Case) -> None:
    model = _joint(case)
    fit = model.fit
    order = [fit.psi_names.index(name) for name in ("tau2[0]", "tau2[1]", "tau_cov[0,1]")]
    found = {
        "mu": model.means,
        "vb": fit.vb,
        "se": fit.se,
        "psi11_intention": fit.tau[UPSTREAM, UPSTREAM],
        "psi22_behaviour": fit.tau[BEHAVIOR, BEHAVIOR],
        "psi12": fit.tau[UPSTREAM, BEHAVIOR],
        "psi_se_observed": np.sqrt(np.diag(fit.psi_vcov))[order],
        "psi_se_expected": np.sqrt(np.diag(fit.psi_vcov_expected))[order],
        "ll": fit.loglik,
        "score_residual_ok": fit.gradient < 1e-8,
    }
    found |= _gap(model) | _line(case, model) | cluster_robust(fit)
    found = {name: value for name, value in found.items() if name in case["expect"]}
    assert fit.status == "ok"
    listed = {name: why for name, why in JOINT_NOT_OFFERED.items() if name != "*_se_expected"}
    listed |= {f"{name}_se_expected": "only those of psi" for name in ("slope", "R2")}
    compare(case, found, listed, rtol=ITERATIVE)
    assert fit.loglik >= case["expect"]["ll"] - 1e-9


@pytest.mark.parametrize("case", cases("intention_behaviour", "*/rho_grid/*"))
def test_grid_of_assumed_correlations(case: Case) -> None:
    model = _joint(case)
    tau, gap = model.fit.tau, difference(model, "model")
    offered = {
        "mu": model.means,
        "se": model.fit.se,
        "psi": [tau[0, 0], tau[1, 1], tau[0, 1]],
        "ll": model.fit.loglik,
        "diff": gap.estimate,
        "diff_se": gap.se,
        "ratio": transmission_ratio(model, "model").estimate,
        "slope": trial_level_surrogacy(model).slope,
    }
    compare(case, offered, {}, rtol=ITERATIVE)
    assert model.fit.loglik >= case["expect"]["ll"] - 1e-9


@pytest.mark.parametrize("case", cases("intention_behaviour", "*/paired_difference_complete"))
def test_differences_of_pairs(case: Case) -> None:
    pairs = data(case).pivot(index="study", columns="outcome").dropna()
    assert pairs.index.tolist() == case["args"]["studies"]
    yi = pairs["yi"]["intention"] - pairs["yi"]["behaviour"]
    vi = pairs["vi"].sum(axis=1) - 2.0 * pairs["cov_ib"]["intention"]
    wald, scaled = (fit_random_effects(yi, vi, ci_method=ci) for ci in ("wald", "knapp_hartung"))
    offered = {
        "yi": yi, "vi": vi, "beta": wald.mu, "se": wald.se, "tau2": wald.tau2,
        "I2": wald.heterogeneity.i2, "knha_se": scaled.se, "knha_p": scaled.pvalue,
    }  # fmt: skip
    tolerances = dict.fromkeys(("yi", "vi"), (CLOSED_FORM, 1e-12))
    compare(case, offered, {}, rtol=ITERATIVE, tolerances=tolerances)


@pytest.mark.parametrize("case", cases("intention_behaviour", "tpb_cooke16/*"))
def test_pooled_correlations(case: Case) -> None:
    args, table = case["args"], data(case)
    pair = set(args["pair"])
    rows = table[[{a, b} == pair for a, b in zip(table["var1"], table["var2"], strict=True)]]
    z = fisher_z(rows["r"], rows["n"])
    fit = fit_random_effects(
        z.yi, z.vi, method=args["method"], ci_method="wald", pi_method="normal"
    )
    scaled = fit_random_effects(z.yi, z.vi, method=args["method"])
    back = math.tanh
    offered = {
        "k": fit.k,
        "n_total": rows["n"].sum(),
        "beta_z": fit.mu,
        "se_z": fit.se,
        "r": back(fit.mu),
        "r_ci_lb": back(fit.ci_lb),
        "r_ci_ub": back(fit.ci_ub),
        "r_pi_lb": back(fit.pi_lb),
        "r_pi_ub": back(fit.pi_ub),
        "knha_se": scaled.se,
        "knha_r_ci_lb": back(scaled.ci_lb),
        "knha_r_ci_ub": back(scaled.ci_ub),
        "knha_r_pi_lb": back(scaled.pi_lb),
        "knha_r_pi_ub": back(scaled.pi_ub),
        "tau2": fit.tau2,
        "I2": fit.heterogeneity.i2,
        "H2": fit.heterogeneity.h2,
        "vt": fit.heterogeneity.typical_v,
        "QE": fit.heterogeneity.q,
        "QE_df": fit.heterogeneity.q_df,
        "QE_p": fit.heterogeneity.q_pvalue,
        "n_weighted_mean_r": np.average(rows["r"], weights=rows["n"]),
    }
    compare(case, offered, CORRELATION_NOT_OFFERED, rtol=ITERATIVE)


def test_no_core_case_is_skipped_in_silence() -> None:
    check_grid("intention_behaviour", CASES_NOT_OFFERED, ALL_NOT_OFFERED)
