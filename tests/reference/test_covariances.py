"""Sampling covariances agree with the closed forms of the R scripts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from analysis.dependent.covariances import (
    EffectArms,
    binary_arms,
    covariance_from_correlations,
    effect_covariance,
    pooled_sd_covariance,
    smd_arms,
)
from analysis.effect_sizes import (
    SMD_VARIANCES,
    log_odds_ratio,
    log_risk_ratio,
    mean_difference,
    risk_difference,
)

from .oracle_cases import (
    CLOSED_FORM,
    Case,
    case_named,
    cases,
    check_grid,
    compare,
    data,
    matrix,
    numbers,
)

CASES_NOT_OFFERED: dict[str, str] = {}
QUANTITIES_NOT_OFFERED = {
    "sd_pooled_all_arms": "the caller standardizes; only the covariances are built here",
    "g": "the caller standardizes; taken from the reference",
}


def _same_participants(row: dict[str, float]) -> dict[str, float]:
    n1, n2 = row["n1"], row["n2"]
    total, df = n1 + n2, n1 + n2 - 2.0

    def smd(outcome: str, g: float) -> EffectArms:
        return smd_arms(outcome, "t", "c", g=g, j=1.0, n1=n1, n2=n2)

    def binary(outcome: str, measure: str) -> EffectArms:
        p1, p2 = row[f"a1_{outcome}"] / n1, row[f"a2_{outcome}"] / n2
        return binary_arms(outcome, "t", "c", measure=measure, p1=p1, p2=p2, n1=n1, n2=n2)

    def phi(measure: str) -> float:
        return effect_covariance(binary("o1", measure), binary("o2", measure), row["phi"])

    mean_part = effect_covariance(smd("o1", 0.0), smd("o2", 0.0), row["r"])
    sd_part = effect_covariance(smd("o1", row["g1"]), smd("o2", row["g2"]), row["r"]) - mean_part
    # The term of the two SDs is divided by their df here, by N in the reference.
    both = mean_part + sd_part * df / total
    j, sizes = np.ones(1), (np.array([n1]), np.array([n2]))
    v1, v2 = (float(SMD_VARIANCES["LS"](np.array([row[g]]), j, *sizes)[0]) for g in ("g1", "g2"))
    return {
        "v_g1": v1,
        "v_g2": v2,
        "cov_g1_g2": both,
        "v_diff": v1 + v2 - 2.0 * both,
        "cov_lnor1_lnor2": phi("OR"),
        "cov_lnrr1_lnrr2": phi("RR"),
        "cov_rd1_rd2": phi("RD"),
        "cov_g1_lnor2": effect_covariance(smd("o1", 0.0), binary("o2", "OR"), row["r_pb"]),
    }


def test_two_outcomes_of_the_same_participants() -> None:
    case = case_named("covariances", "sim_two_outcomes/same_participants")
    rows = [_same_participants(row) for row in data(case).to_dict("records")]
    offered = {name: [row[name] for row in rows] for name in rows[0]}
    compare(case, offered, QUANTITIES_NOT_OFFERED, rtol=CLOSED_FORM)


def _arms(case: Case) -> tuple[dict[str, float], list[dict[str, float]]]:
    rows = data(case).query("study == @study", local_dict={"study": case["args"]["study"]})
    control, *others = rows.to_dict("records")
    assert [row["arm"] for row in others] == case["args"]["arms"]
    return control, others


def _with_variances(effects: Sequence[EffectArms], vi: Sequence[float]) -> np.ndarray:
    v = np.diag(np.asarray(vi, dtype=float))
    for i, j in itertools.permutations(range(len(effects)), 2):
        v[i, j] = effect_covariance(effects[i], effects[j], 1.0)
    return v


@pytest.mark.parametrize("case", cases("covariances", "*/shared_control_counts/*"))
def test_counts_with_a_shared_control(case: Case) -> None:
    control, others = _arms(case)
    functions = {"lnor": log_odds_ratio, "lnrr": log_risk_ratio, "rd": risk_difference}
    offered = {}
    for name, function in functions.items():
        made = function(
            [arm["x"] for arm in others], [arm["n"] for arm in others], control["x"], control["n"]
        )
        effects = [
            binary_arms(
                "behavior", arm["arm"], "control", measure=made.measure, p1=arm["x"] / arm["n"],
                p2=control["x"] / control["n"], n1=arm["n"], n2=control["n"],
            )
            for arm in others
        ]  # fmt: skip
        offered[name] = made.yi
        offered[f"V_{name}"] = _with_variances(effects, made.vi)
    compare(case, offered, QUANTITIES_NOT_OFFERED, rtol=CLOSED_FORM)


@pytest.mark.parametrize("case", cases("covariances", "*/shared_control_means/*"))
def test_means_with_a_shared_control(case: Case) -> None:
    control, others = _arms(case)
    sizes = [arm["n"] for arm in others]
    g = numbers(case["expect"]["g"])
    total = control["n"] + sum(sizes)
    own = 1.0 / np.array(sizes) + 1.0 / control["n"] + g**2 / (2.0 * total)
    made = mean_difference(
        [arm["m"] for arm in others], [arm["sd"] for arm in others], sizes,
        control["m"], control["sd"], control["n"],
    )  # fmt: skip
    effects = [
        EffectArms("scale", arm["arm"], "control", arm["n"], control["n"], arm["sd"], control["sd"])
        for arm in others
    ]
    offered = {
        "md": made.yi,
        "V_md": _with_variances(effects, made.vi),
        "V_g": pooled_sd_covariance(g, control["n"], total) + np.diag(own),
    }
    compare(case, offered, QUANTITIES_NOT_OFFERED, rtol=CLOSED_FORM)


def _correlation(a: dict[str, object], b: dict[str, object], rho: list[float] | float) -> float:
    """Correlation of two effects as `vcalc` sets it: by type, else by measure within a type."""
    if a["study"] != b["study"]:
        return 0.0
    if a is b:
        return 1.0
    if not isinstance(rho, list):
        return rho
    return rho[1] if a["type"] != b["type"] else rho[0]


def _shared_groups(a: dict[str, float], b: dict[str, float]) -> float:
    """Correlation from groups in common: 1 for both, the control's share for one."""
    if a["g1"] == b["g1"]:
        return 1.0
    share_a, share_b = (row["n1"] / (row["n1"] + row["n2"]) for row in (a, b))
    return float(np.sqrt(share_a * share_b))


@pytest.mark.parametrize("case", cases("covariances", "*/vcalc/*"))
def test_covariances_from_correlations(case: Case) -> None:
    rows = data(case).to_dict("records")
    correlations = np.array([[_correlation(a, b, case["args"]["rho"]) for b in rows] for a in rows])
    if "grp1" in case["args"]:
        correlations *= [[_shared_groups(a, b) for b in rows] for a in rows]
    v, moved = covariance_from_correlations(correlations, data(case)["vi"])
    assert not moved
    expected = matrix(case["expect"]["V_file"])
    np.testing.assert_allclose(v, expected, rtol=CLOSED_FORM, atol=1e-16)
    digest = {
        "sum": v.sum(), "trace": np.trace(v), "logdet": np.linalg.slogdet(v)[1], "first_row": v[0]
    }  # fmt: skip
    compare(case, digest, {"V_file": "compared above"}, rtol=CLOSED_FORM)


def test_no_core_case_is_skipped_in_silence() -> None:
    check_grid("covariances", CASES_NOT_OFFERED, QUANTITIES_NOT_OFFERED)
