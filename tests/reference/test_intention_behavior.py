"""The joint model of intention and behavior and every estimand read off it agree with R."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from analysis.dependent.crossed import fit_crossed
from analysis.distributions import critical_value
from analysis.effect_sizes import fisher_z
from analysis.gap.correlation_matrices import (
    CorrelationStudies,
    correlation_covariance,
    pool_correlation_matrices,
    regression_from_matrix,
)
from analysis.gap.fieller import fieller_set
from analysis.gap.joint import (
    BEHAVIOR,
    UPSTREAM,
    JointModel,
    difference,
    fit_joint,
    log_transmission_ratio,
    transmission_ratio,
)
from analysis.gap.many_gaps import ManyGaps, PairedEffects, fit_many_gaps, paired_effects
from analysis.gap.resampling import trial_level_r2, trial_level_slope
from analysis.gap.surrogacy import predict_behavior, trial_level_surrogacy
from analysis.univariate.pooling import fit_random_effects

from .multivariate_results import cluster_robust
from .oracle_cases import (
    CLOSED_FORM,
    ITERATIVE,
    Case,
    cases,
    check_extra_grid,
    check_grid,
    compare,
    data,
)

CASES_NOT_OFFERED: dict[str, str] = {}
EXTRA_NOT_OFFERED: dict[str, str] = {}
JOINT_NOT_OFFERED = {
    "ratio_ci_delta": "symmetric interval of a ratio: refused, Fieller's set is offered",
}
CORRELATION_NOT_OFFERED = {
    "hs_var_r": "variance of correlations after Hunter and Schmidt: not offered",
}
ALL_NOT_OFFERED = JOINT_NOT_OFFERED | CORRELATION_NOT_OFFERED
NORMAL = critical_value(0.95, math.inf)
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
    ratio, log_ratio = transmission_ratio(model, "model"), log_transmission_ratio(model, "model")
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
        "log_ratio": log_ratio.estimate,
        "log_ratio_se": log_ratio.se,
    }


def _line(case: Case, model: JointModel) -> dict[str, Any]:
    line = trial_level_surrogacy(model)
    expected = trial_level_surrogacy(model, information="expected")
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
        "rho_se_observed": line.rho_se,
        "slope_se_expected": expected.slope_se,
        "R2_se_expected": expected.r2_se,
        "predict_at_intention": case["expect"]["predict_at_intention"],
        "predict_behaviour_mean": [mean for mean, _ in predicted],
        "predict_behaviour_sd": [math.sqrt(variance) for _, variance in predicted],
        "predict_behaviour_lb": [mean - NORMAL * math.sqrt(v) for mean, v in predicted],
        "predict_behaviour_ub": [mean + NORMAL * math.sqrt(v) for mean, v in predicted],
    }


def _heterogeneity(case: Case, model: JointModel) -> dict[str, Any]:
    """What the sampling covariances leave."""
    labels = {"trial": data(case)["study"].tolist()}
    rest = fit_crossed(data(case)["yi"], _covariances(case), labels, model.fit.blocks.design)
    return {"QE": rest.q, "QE_p": rest.q_pvalue}


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
        "rho_between": fit.tau[0, 1] / math.sqrt(fit.tau[0, 0] * fit.tau[1, 1]),
        "psi_se_observed": np.sqrt(np.diag(fit.psi_vcov))[order],
        "psi_se_expected": np.sqrt(np.diag(fit.psi_vcov_expected))[order],
        "ll": fit.loglik,
        "score_residual_ok": fit.gradient < 1e-8,
    }
    found |= _gap(model) | _line(case, model) | cluster_robust(fit) | _heterogeneity(case, model)
    found = {name: value for name, value in found.items() if name in case["expect"]}
    assert fit.status == "ok"
    compare(case, found, JOINT_NOT_OFFERED, rtol=ITERATIVE)
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


def _paired(case: Case) -> PairedEffects:
    """The trials of a case as one problem: a column per outcome, nan where it is missing."""
    wide = data(case).pivot(index="study", columns="outcome")
    (y1, v1), (y2, v2) = (
        (wide["yi"][name].to_numpy(), wide["vi"][name].to_numpy()) for name in _NAMES.values()
    )
    rho = case["args"].get("rho")
    known = wide["cov_ib"]["intention"].to_numpy()
    return paired_effects(y1, v1, y2, v2, known if rho is None else rho * np.sqrt(v1 * v2))


def _one(fits: ManyGaps, *names: str) -> Any:
    found = [float(getattr(fits, name)[0]) for name in names]
    return found if len(found) > 1 else found[0]


@pytest.mark.parametrize("case", cases("intention_behaviour", "sim_ib/bivariate_UN/*"))
def test_joint_model_among_many(case: Case) -> None:
    fits = fit_many_gaps(_paired(case), method=case["args"]["method"])
    assert fits.status.tolist() == ["ok"]
    variances = [_one(fits, f"{kind}{i}{i}") for kind in ("model", "robust") for i in (1, 2)]
    found = {
        "mu": _one(fits, "mu1", "mu2"),
        "vb": _one(fits, "model11", "model12", "model12", "model22"),
        "se": np.sqrt(variances[:2]),
        "psi11_intention": _one(fits, "tau11"),
        "psi22_behaviour": _one(fits, "tau22"),
        "psi12": _one(fits, "tau12"),
        "ll": _one(fits, "loglik"),
        "diff_int_minus_beh": _one(fits, "difference"),
        "diff_se": math.sqrt(variances[0] + variances[1] - 2.0 * _one(fits, "model12")),
        "ratio_beh_over_int": _one(fits, "ratio"),
        "slope": trial_level_slope(fits),
        "R2_trial": trial_level_r2(fits),
        "CR2_vcov": _one(fits, "robust11", "robust12", "robust12", "robust22"),
        "CR2_se": np.sqrt(variances[2:]),
        "CR2_diff_se": _one(fits, "se"),
        "CR2_diff_df": _one(fits, "df"),
    }
    found = {name: value for name, value in found.items() if name in case["expect"]}
    # The other quantities of these cases are compared in `test_joint_model`.
    rest = dict.fromkeys(set(case["expect"]) - set(found), "of the single fit")
    compare(case, found, rest, rtol=ITERATIVE)
    assert _one(fits, "loglik") >= case["expect"]["ll"] - 1e-9


def test_grid_of_assumed_correlations_in_one_call() -> None:
    grid = [one.values[0] for one in cases("intention_behaviour", "sim_ib/rho_grid/*")]
    columns = zip(*(_paired(case).arrays() for case in grid), strict=True)
    fits = fit_many_gaps(paired_effects(*(np.vstack(column) for column in columns)))
    variance = fits.model11 + fits.model22 - 2.0 * fits.model12
    for i, case in enumerate(grid):
        offered = {
            "mu": [fits.mu1[i], fits.mu2[i]],
            "se": np.sqrt([fits.model11[i], fits.model22[i]]),
            "psi": [fits.tau11[i], fits.tau22[i], fits.tau12[i]],
            "ll": fits.loglik[i],
            "diff": fits.difference[i],
            "diff_se": math.sqrt(variance[i]),
            "ratio": fits.ratio[i],
            "slope": trial_level_slope(fits)[i],
        }
        compare(case, offered, {}, rtol=ITERATIVE)


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


@pytest.mark.parametrize("case", cases("intention_behaviour", "tpb_cooke16/*/ZCOR/*"))
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
        "se_tau2": fit.se_tau2,
        "I2": fit.heterogeneity.i2,
        "H2": fit.heterogeneity.h2,
        "vt": fit.heterogeneity.typical_v,
        "QE": fit.heterogeneity.q,
        "QE_df": fit.heterogeneity.q_df,
        "QE_p": fit.heterogeneity.q_pvalue,
        "n_weighted_mean_r": np.average(rows["r"], weights=rows["n"]),
    }
    compare(case, offered, CORRELATION_NOT_OFFERED, rtol=ITERATIVE)


def _studies(case: Case) -> CorrelationStudies:
    """The studies that a case names, in its order, with their matrices of its variables."""
    variables, table = case["args"]["vars"], data(case)
    matrices = np.tile(np.eye(len(variables)), (len(case["args"]["studies"]), 1, 1))
    sizes = []
    for matrix, study in zip(matrices, case["args"]["studies"], strict=True):
        rows = table[table["study"] == study]
        sizes.append(float(rows["n"].iloc[0]))
        for a, b, r in zip(rows["var1"], rows["var2"], rows["r"], strict=True):
            if a in variables and b in variables:
                i, j = variables.index(a), variables.index(b)
                matrix[i, j] = matrix[j, i] = r
    return CorrelationStudies(tuple(variables), matrices, np.array(sizes))


@pytest.mark.parametrize("case", cases("intention_behaviour", "tpb_cooke16/masem/*"))
def test_pooled_correlation_matrices(case: Case) -> None:
    studies = _studies(case)
    first = correlation_covariance(studies.matrices[0], float(studies.n[0]))
    offered: dict[str, Any] = {"k_studies": studies.n.size, "V_first_study": first}
    for prefix, method in (("fixed", None), ("random_diag", "REML")):
        pooled = pool_correlation_matrices(studies, method=method)
        paths = regression_from_matrix(pooled, case["args"]["outcome"], case["args"]["predictors"])
        assert (pooled.status, pooled.left_out) == ("ok", ())
        found = {
            "r": pooled.r, "se": pooled.se, "vb": pooled.vcov, "QE": pooled.q, "tau2": pooled.tau2,
            "path": paths.path, "path_se": paths.se, "R2": paths.r2,
        }  # fmt: skip
        named = {f"{prefix}.{name}": value for name, value in found.items()}
        offered |= {name: value for name, value in named.items() if name in case["expect"]}
    compare(case, offered, {}, rtol=ITERATIVE)


def test_no_case_is_skipped_in_silence() -> None:
    check_grid("intention_behaviour", CASES_NOT_OFFERED, ALL_NOT_OFFERED)
    check_extra_grid("intention_behaviour", EXTRA_NOT_OFFERED)
