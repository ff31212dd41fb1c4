"""Effect sizes agree with metafor's `escalc` and with the hand formulas of the R scripts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from analysis.distributions import normal_quantile, two_sided_p
from analysis.effect_sizes import (
    EffectSizes,
    correlation_to_smd,
    design_effect,
    fisher_z,
    hedges_j,
    inflate_for_clustering,
    log_odds_ratio,
    log_risk_ratio,
    mean_difference,
    odds_ratio_to_smd,
    risk_difference,
    smd_from_reported,
    standardized_mean_difference,
)
from analysis.effect_sizes.reported import Converted, Reported, natural_from_reported
from analysis.errors import EstimationError

from .oracle_cases import (
    CLOSED_FORM,
    Case,
    case_named,
    cases,
    check_grid,
    compare,
    data,
    numbers,
)

CASES_NOT_OFFERED = {
    "*/AS": "arcsine risk difference: not offered yet",
    "*/PETO": "Peto odds ratio: not offered yet",
    "*/MD;vtype=HO": "mean difference with a pooled variance: not offered yet",
    "*/SMDH*": "standardizer of unequal variances: not offered yet",
    "*/SMD1": "Glass's delta: not offered yet",
    "*/ROM*": "ratio of means: not offered yet",
    "*/RPB*": "point-biserial correlation as an effect size: not offered yet",
    "*/RBIS": "biserial correlation: not offered yet",
    "*/D2OR*": "mean difference to odds ratio: not offered yet",
    "*/MC": "change scores: not offered yet",
    "*/SMC*": "standardized change scores: not offered yet",
    "*/PPC": "pre-post-control designs: not offered yet",
    "*/COR*": "raw correlations: Fisher's z is offered",
    "*/PR*": "single proportions as effect sizes: pooled by logit in action_control only",
    "*/PL*": "single proportions as effect sizes: pooled by logit in action_control only",
    "*/PAS": "arcsine proportion: not offered yet",
    "*/PFT*": "Freeman-Tukey proportion: not offered yet",
    "*/IR*": "incidence rates: not offered yet",
    "*/MN": "single means: not offered yet",
    "*/SDLN": "log standard deviations: not offered yet",
    "*/partial_cor": "partial correlations from t: not offered yet",
}
QUANTITIES_NOT_OFFERED = {
    "sd_pooled": "used, not returned",
    "v_d": "variance of the uncorrected d: g is what is stored",
    "U3": "overlap measures: not offered yet",
    "CLES": "overlap measures: not offered yet",
    "t_from_r": "only its p-value is offered",
    "v_d_from_r": "variance of d from r alone, without the group sizes: not offered",
    "*_p_one_sided": "one-sided p-values: refused, reports must give two-sided ones",
    "lnor_from_d_logistic": "from d to odds ratio: not offered yet",
    "v_lnor_from_d_logistic": "from d to odds ratio: not offered yet",
    "r_pb_from_t": "the inverse is offered: test_correlation_to_smd_inverts_the_point_biserial",
    "r_from_d_*": "other approximations of the point-biserial correlation: not offered",
    "*_T_hedges2007": "cluster-level d of Hedges (2007): not offered, design effect instead",
    "h_df": "df of Hedges (2007): not offered, design effect instead",
}

EMPTY_GROUP = {"sim_zero_cells": 5}
"""Row with a group of nobody: refused here (asserted below), half a person in the reference."""


def _two_by_two(case: Case) -> tuple[np.ndarray, ...]:
    a, b, c, d = (data(case)[name].to_numpy(dtype=float) for name in ("ai", "bi", "ci", "di"))
    return a, a + b, c, c + d


def _without_empty_group(case: Case, values: Any) -> np.ndarray:
    row = EMPTY_GROUP.get(case["id"].split("/")[0])
    return numbers(values) if row is None else np.delete(numbers(values), row)


def _binary(case: Case) -> EffectSizes:
    args = case["args"]
    functions = {
        "OR": log_odds_ratio, "RR": log_risk_ratio, "RD": risk_difference,
        "OR2DL": log_odds_ratio, "OR2DN": log_odds_ratio,
    }  # fmt: skip
    made = functions[args["measure"]](
        *(_without_empty_group(case, column.tolist()) for column in _two_by_two(case)),
        zero_cells=args.get("to", "only0"),
        add=args.get("add", 0.5),
        drop00=args.get("drop00", False),
    )
    if args["measure"].startswith("OR2D"):
        made = odds_ratio_to_smd(made, method={"L": "logistic", "N": "cox"}[args["measure"][-1]])
    return made


def _escalc(case: Case) -> EffectSizes:
    args = case["args"]
    columns = {key: data(case)[name] for key, name in args["columns"].items()}
    if args["measure"] == "SMD":
        return standardized_mean_difference(**columns, variance=args["vtype"])
    if args["measure"] == "MD":
        return mean_difference(**columns)
    if args["measure"] == "ZCOR":
        return fisher_z(columns["ri"], columns["ni"])
    return _binary(case)


@pytest.mark.parametrize(
    "case", [one for one in cases("effect_sizes") if one.values[0]["function"] == "escalc"]
)
def test_escalc(case: Case) -> None:
    made = _escalc(case)
    expect = {
        name: _without_empty_group(case, case["expect"][name]).tolist() for name in ("yi", "vi")
    }
    offered = {"yi": made.yi, "vi": made.vi}
    compare(case | {"expect": expect}, offered, QUANTITIES_NOT_OFFERED, rtol=CLOSED_FORM)


def test_empty_groups_are_refused() -> None:
    columns = _two_by_two(case_named("effect_sizes", "sim_zero_cells/OR"))
    with pytest.raises(EstimationError, match=r"group sizes must be greater than 0 \(row 5\)"):
        log_odds_ratio(*columns)


@pytest.mark.parametrize("case", cases("effect_sizes", "*/SMD_by_hand"))
def test_smd_by_hand(case: Case) -> None:
    columns = [data(case)[name] for name in ("m1i", "sd1i", "n1i", "m2i", "sd2i", "n2i")]
    df = data(case)["n1i"] + data(case)["n2i"] - 2

    def g(variance: str, exact: bool) -> EffectSizes:
        return standardized_mean_difference(*columns, variance=variance, exact=exact)

    offered = {
        "d": g("LS", True).yi / hedges_j(df),
        "J_exact": hedges_j(df),
        "J_approx": hedges_j(df, exact=False),
        "g_exact": g("LS", True).yi,
        "g_approx": g("LS", False).yi,
        "v_g_exact_LS": g("LS", True).vi,
        "v_g_exact_J2": g("LS2", True).vi,
        "v_g_approx_LS": g("LS", False).vi,
        "v_g_approx_J2": g("LS2", False).vi,
    }
    compare(case, offered, QUANTITIES_NOT_OFFERED, rtol=CLOSED_FORM)


@pytest.mark.parametrize("case", cases("effect_sizes", "*/r_conversions"))
def test_r_conversions(case: Case) -> None:
    r, n = (data(case)[name].to_numpy(dtype=float) for name in ("ri", "ni"))
    z = fisher_z(r, n)
    half = normal_quantile(0.975) * z.sei
    t = r * np.sqrt((n - 2.0) / (1.0 - r**2))
    offered = {
        "r_from_z": np.tanh(z.yi),
        "r_ci_lb": np.tanh(z.yi - half),
        "r_ci_ub": np.tanh(z.yi + half),
        # The reference takes 4 for h = m/n1 + m/n2 = 4 (n - 2)/n of two equal groups.
        "d_from_r": correlation_to_smd(r, n / 2, n / 2) * np.sqrt(n / (n - 2.0)),
        "p_from_r": [two_sided_p(one, df) for one, df in zip(t, n - 2.0, strict=True)],
    }
    compare(case, offered, QUANTITIES_NOT_OFFERED, rtol=CLOSED_FORM)


def _reported(row: dict[str, float], statistic: str, value: str, **more: Any) -> Converted:
    sizes = {"n1": row["n1"], "n2": row["n2"]}
    return smd_from_reported(Reported(statistic, row[value], **(sizes | more)))


def _conversions(row: dict[str, float]) -> dict[str, float]:
    """Every conversion of one row of `sim_conversions`."""
    n1, n2, positive = row["n1"], row["n2"], row["sign"] > 0
    j = float(hedges_j(n1 + n2 - 2.0)[0])
    t = _reported(row, "t", "t")
    f = _reported(row, "F", "F", positive=positive)
    p = _reported(row, "p", "p_two", positive=positive)
    sd = row["se_md"] / math.sqrt(1.0 / n1 + 1.0 / n2)
    ratio = Reported("OR", row["or"], ci_lb=row["or_lb"], ci_ub=row["or_ub"])
    odds = natural_from_reported(ratio)
    assert odds is not None
    logistic, cox = (smd_from_reported(ratio, odds_to_smd=how) for how in ("logistic", "cox"))
    limits = {"ci_lb": row["d_lb"], "ci_ub": row["d_ub"]}
    return {
        "d_from_t": t.yi / j,
        "g_from_t": t.yi,
        "v_g_from_t_LS": t.vi,
        "d_from_F": f.yi / j,
        "g_from_F": f.yi,
        "d_from_p_two_sided": p.yi / j,
        "g_from_p_two_sided": p.yi,
        "lnor": odds.yi,
        "v_lnor_from_ci": odds.vi,
        "d_from_or_logistic": logistic.yi,
        "v_d_from_or_logistic": logistic.vi,
        "d_from_or_normal": cox.yi,
        "v_d_from_or_normal": cox.vi,
        "g_from_md_se": _reported(row, "md", "md", sd=sd).yi,
        "v_from_d_ci": smd_from_reported(Reported("d", 0.5, **limits)).vi,
        "p_two_sided_from_t": two_sided_p(row["t"], n1 + n2 - 2.0),
    }


def test_conversions_of_reported_statistics() -> None:
    case = case_named("effect_sizes", "sim_conversions/conversions")
    rows = [_conversions(row) for row in data(case).to_dict("records")]
    offered = {name: [row[name] for row in rows] for name in rows[0]}
    compare(case, offered, QUANTITIES_NOT_OFFERED, rtol=CLOSED_FORM)


def test_correlation_to_smd_inverts_the_point_biserial() -> None:
    case = case_named("effect_sizes", "sim_conversions/conversions")
    r, d = (numbers(case["expect"][name]) for name in ("r_pb_from_t", "d_from_t"))
    ours = correlation_to_smd(r, data(case)["n1"], data(case)["n2"])
    np.testing.assert_allclose(ours, d, rtol=CLOSED_FORM)


def test_cluster_trials() -> None:
    case = case_named("effect_sizes", "sim_cluster/cluster_adjusted")
    t = {name: data(case)[name].to_numpy(dtype=float) for name in data(case)}
    deff = design_effect(t["msize"], t["icc"])
    g = standardized_mean_difference(t["m1"], t["sd1"], t["n1"], t["m2"], t["sd2"], t["n2"])
    counts = (t["a1"], t["n1"], t["a2"], t["n2"])
    odds, ratio, difference = (
        f(*counts) for f in (log_odds_ratio, log_risk_ratio, risk_difference)
    )
    offered = {
        "deff": deff,
        "n1_eff": t["n1"] / deff,
        "n2_eff": t["n2"] / deff,
        "g": g.yi,
        "v_g_LS": g.vi,
        "v_g_times_deff": inflate_for_clustering(g, deff).vi,
        "v_g_effective_n": inflate_for_clustering(g, deff).vi,
        "lnor": odds.yi,
        "v_lnor_times_deff": inflate_for_clustering(odds, deff).vi,
        "lnrr": ratio.yi,
        "v_lnrr_effective_n": inflate_for_clustering(ratio, deff).vi,
        "v_rd_effective_n": inflate_for_clustering(difference, deff).vi,
    }
    compare(case, offered, QUANTITIES_NOT_OFFERED, rtol=CLOSED_FORM)


def test_no_core_case_is_skipped_in_silence() -> None:
    check_grid("effect_sizes", CASES_NOT_OFFERED, QUANTITIES_NOT_OFFERED)
