"""Step-function selection models agree with metafor's `selmodel`."""

from __future__ import annotations

from functools import cache

import pytest

from analysis.bias.selection_models import ALTERNATIVES, SelectionModel, step_selection

from .oracle_cases import Case, case_named, cases, check_grid, compare, data

CASES_NOT_OFFERED = {
    "*/two.sided": "selection by two-sided p-values: a favored direction is what is modeled",
}

AGREED, AGREED_ABSOLUTE = 1e-4, 1e-6
"""Tolerances stated with the cases: the reference is the best of several optimizers with
numerical derivatives. Where a parameter is near a bound (`EDGE` in the note) only its
likelihood is good to more than 1e-3 and 1e-4."""
LIKELIHOOD = 1e-7
"""Relative tolerance of the log-likelihood, flat at its maximum."""


@cache
def _fit_named(name: str) -> SelectionModel:
    case = case_named("selection_models", name)
    return step_selection(
        data(case)["yi"], data(case)["vi"], case["args"]["steps"],
        alternative=case["args"]["alternative"],
    )  # fmt: skip


def _is_edge(case: Case) -> bool:
    return "EDGE" in case["note"]


@pytest.mark.parametrize("case", cases("selection_models"))
def test_step_function(case: Case) -> None:
    fit = _fit_named(case["id"])
    offered = {
        "beta": fit.mu,
        "tau2": fit.tau2,
        "delta": fit.delta,
        "ll": fit.loglik,
        "LRT": fit.lrt,
        "LRT_df": fit.lrt_df,
        "LRT_p": fit.lrt_pvalue,
        "se": fit.se,
        "se_tau2": fit.tau2_se,
        "se_delta": fit.delta_se,
        "pval": fit.pvalue,
    }
    offered = {name: value for name, value in offered.items() if name in case["expect"]}
    rtol, atol = (1e-3, 1e-4) if _is_edge(case) else (AGREED, AGREED_ABSOLUTE)
    compare(case, offered, {}, rtol=rtol, atol=atol, tolerances={"ll": (LIKELIHOOD, 0.0)})


@pytest.mark.parametrize("case", cases("selection_models"))
def test_no_likelihood_is_higher_in_the_reference(case: Case) -> None:
    assert _fit_named(case["id"]).loglik >= case["expect"]["ll"] - 1e-10


@pytest.mark.parametrize("case", cases("selection_models"))
def test_counts_and_the_fixed_weight(case: Case) -> None:
    fit = _fit_named(case["id"])
    assert fit.delta[0] == 1.0
    assert fit.counts.sum() == fit.k == len(data(case))
    assert fit.counts.min() > 0
    assert ("tau2_at_zero" in fit.notes) is (fit.tau2 == 0.0)


def test_both_directions_and_states_are_compared() -> None:
    copied = [case.values[0] for case in cases("selection_models")]
    assert {case["args"]["alternative"] for case in copied} == set(ALTERNATIVES)
    assert {_is_edge(case) for case in copied} == {True, False}
    assert {len(case["args"]["steps"]) for case in copied} == {1, 2, 4}


def test_no_core_case_is_skipped_in_silence() -> None:
    check_grid("selection_models", CASES_NOT_OFFERED, {})
