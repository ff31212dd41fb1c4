"""Effect sizes agree with metafor's `escalc` and with the hand formulas of the R scripts."""

from __future__ import annotations

import math
from collections.abc import Callable
from fnmatch import fnmatchcase
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
    smd_to_correlation,
    standardized_mean_difference,
)
from analysis.effect_sizes.adjusted import cluster_standardized_mean_difference
from analysis.effect_sizes.change import pre_post_control, standardized_change
from analysis.effect_sizes.conversions import (
    correlations_to_smd_effects,
    probability_of_superiority,
    share_above_comparator_mean,
    smd_effects_to_correlations,
    smd_to_odds_ratio,
)
from analysis.effect_sizes.correlation import (
    partial_correlation,
    raw_correlation,
    semipartial_correlation,
)
from analysis.effect_sizes.measures import EffectTable, compute_effect_sizes
from analysis.effect_sizes.proportions import proportion, proportion_from_scale
from analysis.effect_sizes.reported import Converted, Reported, natural_from_reported
from analysis.errors import EstimationError
from analysis.univariate.pooling import fit_random_effects

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
    numbers,
)

Columns = dict[str, np.ndarray]

CASES_NOT_OFFERED: dict[str, str] = {}
EXTRA_CASES_NOT_OFFERED: dict[str, str] = {}
NOT_OFFERED_FOR_CASE = {
    "*/SMDH;vtype=LS2": {
        "vi": "metafor 3.8 divides variances by squared variances here, so that its number "
        "changes with the units of the instrument: asserted below"
    },
    "sim_zero_cells/RD;vtype=AV": {
        "vi": "the group of nobody enters the reference's mean shares: asserted below"
    },
}
QUANTITIES_NOT_OFFERED = {
    "r_common": "used, not returned",
    "h_df": "used, not returned",
    "t_from_r": "the inverse is offered: test_partial_correlation_inverts_t",
    "*_p_one_sided": "one-sided p-values: refused, reports must give two-sided ones",
    "r_from_d_borenstein": "h = N^2 / (n1 n2): the exact h = m/n1 + m/n2 is offered",
}

J_SQUARED_MORE: dict[str, Callable[[Columns], np.ndarray]] = {
    "*/SMDH;vtype=LS": lambda t: t["n1i"] + t["n2i"] - 2.0,
    "*/SMCRH": lambda t: t["ni"] - 1.0,
}
"""Bonett's variance has g in it, and metafor 3.8 multiplies it by J squared once more: df of J."""

EMPTY_GROUP = {"sim_zero_cells": 5}
"""Row with a group of nobody: refused here (asserted below), half a person in the reference."""

BINARY = ("ai", "bi", "ci", "di")
GROUPS = ("m1i", "sd1i", "n1i", "m2i", "sd2i", "n2i")
OUR_NAMES = {
    "counts": {"xi": "events", "ti": "time"},
    "contrasts": {"x1i": "events1i", "t1i": "time1i", "x2i": "events2i", "t2i": "time2i"},
    "reliability": {"ai": "alpha", "mi": "items"},
    "change": {"m1i": "m_after", "m2i": "m_before", "sd1i": "sd_after", "sd2i": "sd_before"},
    "SMCR": {"m1i": "m_after", "m2i": "m_before", "sd1i": "sd_before"},
    "SMCRH": {"m1i": "m_after", "m2i": "m_before", "sd1i": "sd_before", "sd2i": "sd_after"},
}
"""Names of our inputs by those of the reference. SMCRH: the standardizer is the reference's first
standard deviation, which these cases fill with the one after."""
FAMILIES = {
    **dict.fromkeys(("PR", "PLN", "PLO", "PAS", "PFT", "IR", "IRLN", "IRS", "IRFT"), "counts"),
    **dict.fromkeys(("IRR", "IRD", "IRSD"), "contrasts"),
    **dict.fromkeys(("ARAW", "AHW", "ABT"), "reliability"),
    **dict.fromkeys(("MC", "SMCC", "ROMC"), "change"),
    "SMCR": "SMCR",
    "SMCRH": "SMCRH",
}
OPTIONS = {"vtype": "variance", "to": "zero_cells", "add": "add", "drop00": "drop00"}


def _columns(case: Case, *names: str) -> list[np.ndarray]:
    return [data(case)[name].to_numpy(dtype=float) for name in names]


def _without_empty_group(case: Case, values: Any) -> np.ndarray:
    row = EMPTY_GROUP.get(case["id"].split("/")[0])
    return numbers(values) if row is None else np.delete(numbers(values), row)


def _counts(case: Case) -> Columns:
    """The 2 x 2 tables of a case as events and persons, without the group of nobody."""
    a, b, c, d = (_without_empty_group(case, x.tolist()) for x in _columns(case, *BINARY))
    return {"events1i": a, "n1i": a + b, "events2i": c, "n2i": c + d}


def _inputs(case: Case) -> Columns:
    """The columns of a case under the names of our inputs."""
    measure, theirs = case["args"]["measure"], case["args"]["columns"]
    if set(BINARY) <= set(theirs):
        return _counts(case)
    ours = OUR_NAMES.get(FAMILIES.get(measure, ""), {})
    names = [ours.get(name, name) for name in theirs]
    found = dict(zip(names, _columns(case, *theirs.values()), strict=True))
    if measure == "SMCR":  # an input that this standardizer does not use
        found["sd_after"] = np.full_like(found["sd_before"], np.nan)
    return found


def _options(case: Case) -> dict[str, Any]:
    args = case["args"]
    options = {ours: args[theirs] for theirs, ours in OPTIONS.items() if theirs in args}
    if args["measure"] == "PETO":
        options["zero_cells"] = "only0"
    if args["measure"] == "PHI":  # the reference's LS, its default, is its CS
        assert options.pop("variance", "LS") in ("LS", "CS")
        options["variance"] = "CS"
    return options


def _cohen_d(columns: Columns) -> EffectSizes:
    """The uncorrected d with variance 1/n1 + 1/n2 + d^2 / (2 (n1 + n2))."""
    j = hedges_j(columns["n1i"] + columns["n2i"] - 2.0)
    g = standardized_mean_difference(**columns, variance="LS2")
    return EffectSizes("SMD", g.yi / j, g.vi / j**2, "cohen_d")


def _escalc(case: Case, columns: Columns) -> EffectSizes | EffectTable:
    measure = case["args"]["measure"]
    method = {"L": "logistic", "N": "cox"}.get(measure[-1], "")
    if measure.startswith("OR2D"):
        return odds_ratio_to_smd(log_odds_ratio(**columns), method=method)
    if measure.startswith("D2OR"):
        return smd_to_odds_ratio(_cohen_d(columns), method=method)
    return compute_effect_sizes(columns, measure, options={measure: _options(case)})


@pytest.mark.parametrize(
    "case", [one for one in cases("effect_sizes") if one.values[0]["function"] == "escalc"]
)
def test_escalc(case: Case) -> None:
    columns = _inputs(case)
    made = _escalc(case, columns)
    offered = {"yi": made.yi, "vi": made.vi}
    for pattern, df in J_SQUARED_MORE.items():
        if fnmatchcase(case["id"], pattern):
            offered["vi"] = made.vi * hedges_j(df(columns)) ** 2
    listed = QUANTITIES_NOT_OFFERED
    for pattern, reasons in NOT_OFFERED_FOR_CASE.items():
        if fnmatchcase(case["id"], pattern):
            listed = listed | reasons
            offered = {name: value for name, value in offered.items() if name not in reasons}
    expect = {
        name: _without_empty_group(case, case["expect"][name]).tolist() for name in ("yi", "vi")
    }
    compare(case | {"expect": expect}, offered, listed, rtol=CLOSED_FORM)


def test_empty_groups_are_refused() -> None:
    a, b, c, d = _columns(case_named("effect_sizes", "sim_zero_cells/OR"), *BINARY)
    with pytest.raises(EstimationError, match=r"group sizes must be greater than 0 \(row 5\)"):
        log_odds_ratio(a, a + b, c, c + d)


def test_mean_shares_of_the_reference_count_a_group_of_nobody() -> None:
    """Half a person of one enters its mean shares; without that row the variances are ours."""
    case = case_named("effect_sizes", "sim_zero_cells/RD;vtype=AV")
    a, b, c, d = _columns(case, *BINARY)
    half = 0.5 * (np.min([a, b, c, d], axis=0) == 0)
    cells = [x + half for x in (a, b, c, d)]

    def variances(rows: np.ndarray) -> np.ndarray:
        total = 0.0
        for events, others in (cells[:2], cells[2:]):
            p = events[rows].sum() / (events + others)[rows].sum()
            total = total + p * (1.0 - p) / (events + others)
        return np.asarray(total)

    everyone = np.ones_like(a, dtype=bool)
    theirs = numbers(case["expect"]["vi"])
    np.testing.assert_allclose(theirs, variances(everyone), rtol=CLOSED_FORM)
    somebody = (a + b > 0) & (c + d > 0)
    ours = risk_difference(**_counts(case), variance="AV")
    np.testing.assert_allclose(ours.vi, variances(somebody)[somebody], rtol=CLOSED_FORM)


@pytest.mark.parametrize("case", cases("effect_sizes", "*/SMDH;vtype=LS2"))
def test_a_variance_of_the_reference_changes_with_the_units(case: Case) -> None:
    """What it has for y^2 (sd1^4/(n1-1) + sd2^4/(n2-1)) / (8 s^4), s^2 the mean variance."""
    y, v = numbers(case["expect"]["yi"]), numbers(case["expect"]["vi"])
    columns = _inputs(case)
    sd1, n1, sd2, n2 = (columns[name] for name in ("sd1i", "n1i", "sd2i", "n2i"))

    def theirs(unit: float) -> np.ndarray:
        v1, v2 = (unit * sd1) ** 2, (unit * sd2) ** 2
        of_sd = (v1 / n1 + v2 / n2) / (2.0 * (v1 + v2) ** 2)
        return np.asarray(y**2 * of_sd + 2.0 * (v1 / n1 + v2 / n2) / (v1 + v2))

    np.testing.assert_allclose(v, theirs(1.0), rtol=CLOSED_FORM)
    moved = y != 0
    assert (theirs(0.1)[moved] > 1.01 * theirs(1.0)[moved]).any()
    metric = {name: x if name[0] == "n" else 0.1 * x for name, x in columns.items()}
    ours = [
        compute_effect_sizes(x, "SMDH", options={"SMDH": {"variance": "LS2"}})
        for x in (columns, metric)
    ]
    np.testing.assert_allclose(ours[0].vi, ours[1].vi, rtol=CLOSED_FORM)


def _smd_by_hand(case: Case) -> dict[str, Any]:
    columns = dict(zip(GROUPS, _columns(case, *GROUPS), strict=True))
    n1, n2 = columns["n1i"], columns["n2i"]
    df = n1 + n2 - 2.0

    def g(variance: str, exact: bool) -> EffectSizes:
        return standardized_mean_difference(**columns, variance=variance, exact=exact)

    pooled = mean_difference(**columns, variance="HO").vi / (1.0 / n1 + 1.0 / n2)
    return {
        "sd_pooled": np.sqrt(pooled),
        "d": g("LS", True).yi / hedges_j(df),
        "J_exact": hedges_j(df),
        "J_approx": hedges_j(df, exact=False),
        "g_exact": g("LS", True).yi,
        "g_approx": g("LS", False).yi,
        "v_d": g("LS2", True).vi / hedges_j(df) ** 2,
        "v_g_exact_LS": g("LS", True).vi,
        "v_g_exact_J2": g("LS2", True).vi,
        "v_g_approx_LS": g("LS", False).vi,
        "v_g_approx_J2": g("LS2", False).vi,
        "U3": share_above_comparator_mean(g("LS", True).yi),
        "CLES": probability_of_superiority(g("LS", True).yi),
    }


def _r_conversions(case: Case) -> dict[str, Any]:
    r, n = _columns(case, "ri", "ni")
    z = fisher_z(r, n)
    half = normal_quantile(0.975) * z.sei
    t = r * np.sqrt((n - 2.0) / (1.0 - r**2))
    d = correlations_to_smd_effects(raw_correlation(r, n))
    return {
        "r_from_z": np.tanh(z.yi),
        "r_ci_lb": np.tanh(z.yi - half),
        "r_ci_ub": np.tanh(z.yi + half),
        "d_from_r": d.yi,
        "v_d_from_r": d.vi,
        "p_from_r": [two_sided_p(one, df) for one, df in zip(t, n - 2.0, strict=True)],
    }


def _partial_correlations(case: Case) -> dict[str, Any]:
    t, n, predictors, r2 = _columns(case, "t", "n", "npred", "R2")
    r = partial_correlation(t, n, predictors, fisher=False)
    z = partial_correlation(t, n, predictors)
    semi = semipartial_correlation(t, n, predictors, r2)
    return {
        "r_partial": r.yi, "v_r_partial": r.vi,
        "z_partial": z.yi, "v_z_partial": z.vi,
        "r_semi": semi.yi, "v_r_semi": semi.vi,
    }  # fmt: skip


def _pre_post_control(case: Case) -> dict[str, Any]:
    control = case | {"data": case["data"].replace("treat", "control")}
    names = ("m_post", "m_pre", "sd_post", "sd_pre", "ni", "ri")
    groups = [_columns(one, *names) for one in (case, control)]
    one, two = (standardized_change(*group, by="before") for group in groups)
    used = [column for group in groups for column in (*group[:2], *group[3:])]
    exact, approximate = (pre_post_control(*used, exact=exact) for exact in (True, False))
    return {
        "yi_dSMCR": one.yi - two.yi, "vi_dSMCR": one.vi + two.vi,
        "dppc2_exactJ": exact.yi, "v_dppc2_exactJ": exact.vi,
        "dppc2_approxJ": approximate.yi, "v_dppc2_approxJ": approximate.vi,
    }  # fmt: skip


def _double_arcsine_back(case: Case) -> dict[str, Any]:
    x, n = _columns(case, "xi", "ni")
    made = proportion(x, n, scale="PFT")
    pooled = fit_random_effects(made.yi, made.vi, method="REML", ci_method="wald")
    harmonic = float(1.0 / np.mean(1.0 / n))
    mean, low, high = proportion_from_scale(
        [pooled.mu, pooled.ci_lb, pooled.ci_ub], "PFT", harmonic
    )
    return {
        "transf_ipft_each": proportion_from_scale(made.yi, "PFT", n),
        "pooled_yi": pooled.mu,
        "n_harmonic": harmonic,
        "pooled_ipft_hm": mean,
        "lb_ipft_hm": low,
        "ub_ipft_hm": high,
    }


def _reported(row: dict[str, float], statistic: str, value: str, **more: Any) -> Converted:
    sizes = {"n1": row["n1"], "n2": row["n2"]}
    return smd_from_reported(Reported(statistic, row[value], **(sizes | more)))


def _conversions_of(row: dict[str, float]) -> dict[str, float]:
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
    d = np.array([t.yi / j])
    v_d = 1.0 / n1 + 1.0 / n2 + d**2 / (2.0 * (n1 + n2))
    uncorrected = EffectSizes("SMD", d, v_d, "cohen_d")
    back = smd_to_odds_ratio(uncorrected)
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
        "lnor_from_d_logistic": back.yi[0],
        "v_lnor_from_d_logistic": back.vi[0],
        "r_pb_from_t": smd_effects_to_correlations(uncorrected, n1, n2).yi[0],
        "r_from_d_equal_n": smd_to_correlation(d, math.nan, math.nan)[0],
        "g_from_md_se": _reported(row, "md", "md", sd=sd).yi,
        "v_from_d_ci": smd_from_reported(Reported("d", 0.5, **limits)).vi,
        "p_two_sided_from_t": two_sided_p(row["t"], n1 + n2 - 2.0),
    }


def _conversions(case: Case) -> dict[str, Any]:
    rows = [_conversions_of(row) for row in data(case).to_dict("records")]
    return {name: [row[name] for row in rows] for name in rows[0]}


def _cluster_trials(case: Case) -> dict[str, Any]:
    t = {name: data(case)[name].to_numpy(dtype=float) for name in data(case)}
    deff = design_effect(t["msize"], t["icc"])
    groups = (t["m1"], t["sd1"], t["n1"], t["m2"], t["sd2"], t["n2"])
    g = standardized_mean_difference(*groups)
    d = _cohen_d(dict(zip(GROUPS, groups, strict=True))).yi
    total = cluster_standardized_mean_difference(d, t["n1"], t["n2"], t["msize"], t["icc"])
    j = hedges_j(numbers(case["expect"]["h_df"]))
    counts = (t["a1"], t["n1"], t["a2"], t["n2"])
    odds, ratio, difference = (
        f(*counts) for f in (log_odds_ratio, log_risk_ratio, risk_difference)
    )
    return {
        "deff": deff,
        "n1_eff": t["n1"] / deff,
        "n2_eff": t["n2"] / deff,
        "g": g.yi,
        "v_g_LS": g.vi,
        "v_g_times_deff": inflate_for_clustering(g, deff).vi,
        "v_g_effective_n": inflate_for_clustering(g, deff).vi,
        "d_T_hedges2007": total.yi / j,
        "v_d_T_hedges2007": total.vi / j**2,
        "g_T_hedges2007": total.yi,
        "v_g_T_hedges2007": total.vi,
        "lnor": odds.yi,
        "v_lnor_times_deff": inflate_for_clustering(odds, deff).vi,
        "lnrr": ratio.yi,
        "v_lnrr_effective_n": inflate_for_clustering(ratio, deff).vi,
        "v_rd_effective_n": inflate_for_clustering(difference, deff).vi,
    }


BY_HAND: dict[str, Callable[[Case], dict[str, Any]]] = {
    "SMD_by_hand": _smd_by_hand,
    "PPC": _pre_post_control,
    "r_conversions": _r_conversions,
    "PFT_backtransform": _double_arcsine_back,
    "partial_cor": _partial_correlations,
    "conversions": _conversions,
    "cluster_adjusted": _cluster_trials,
}
ITERATED = ("pooled_yi", "pooled_ipft_hm", "lb_ipft_hm", "ub_ipft_hm")
"""Quantities of an effect pooled by REML."""


@pytest.mark.parametrize(
    "case", [one for one in cases("effect_sizes") if one.values[0]["function"] == "hand"]
)
def test_by_hand(case: Case) -> None:
    offered = BY_HAND[case["id"].split("/")[1]](case)
    compare(
        case, offered, QUANTITIES_NOT_OFFERED, rtol=CLOSED_FORM,
        tolerances=dict.fromkeys(ITERATED, (ITERATIVE, 1e-12)),
    )  # fmt: skip


def test_correlation_to_smd_inverts_the_point_biserial() -> None:
    case = case_named("effect_sizes", "sim_conversions/conversions")
    r, d = (numbers(case["expect"][name]) for name in ("r_pb_from_t", "d_from_t"))
    ours = correlation_to_smd(r, data(case)["n1"], data(case)["n2"])
    np.testing.assert_allclose(ours, d, rtol=CLOSED_FORM)


@pytest.mark.parametrize("case", cases("effect_sizes", "*/r_conversions"))
def test_correlation_to_smd_of_equal_groups(case: Case) -> None:
    """The reference takes 4 for h = m/n1 + m/n2 = 4 (n - 2)/n of two equal groups."""
    r, n = _columns(case, "ri", "ni")
    ours = correlation_to_smd(r, n / 2.0, n / 2.0) * np.sqrt(n / (n - 2.0))
    np.testing.assert_allclose(ours, numbers(case["expect"]["d_from_r"]), rtol=CLOSED_FORM)


@pytest.mark.parametrize("case", cases("effect_sizes", "*/r_conversions"))
def test_partial_correlation_inverts_t(case: Case) -> None:
    """With one predictor the partial correlation is the correlation."""
    r, n = _columns(case, "ri", "ni")
    ours = partial_correlation(numbers(case["expect"]["t_from_r"]), n, 1.0, fisher=False)
    np.testing.assert_allclose(ours.yi, r, rtol=CLOSED_FORM)


def test_no_core_case_is_skipped_in_silence() -> None:
    check_grid("effect_sizes", CASES_NOT_OFFERED, QUANTITIES_NOT_OFFERED)


def test_no_case_beyond_the_core_is_skipped_in_silence() -> None:
    check_extra_grid("effect_sizes", EXTRA_CASES_NOT_OFFERED)


@pytest.mark.parametrize("pattern", [*NOT_OFFERED_FOR_CASE, *J_SQUARED_MORE])
def test_every_listed_difference_is_about_a_case(pattern: str) -> None:
    assert cases("effect_sizes", pattern)
