"""Multivariate models agree with metafor's `rma.mv` for every structure of Tau."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis.dependent.blocks import EffectBlocks, make_blocks
from analysis.dependent.multivariate import STRUCTURES, MultivariateFit, fit_multivariate

from .multivariate_results import (
    NOT_OFFERED,
    cluster_robust,
    contrast_of_two,
    hotelling,
    model_based,
)
from .oracle_cases import (
    ITERATIVE,
    Case,
    cases,
    check_grid,
    compare,
    data,
    design,
    matrix,
    numbers,
)

CASES_NOT_OFFERED = {
    "*/profile_ci": "profile likelihood intervals of variance components: not offered yet",
}

BOUNDARY = (1e-5, 1e-8)
"""(rtol, atol) at a variance of 0 or a correlation of +-1. The likelihood is flat there and the
reference stops a little short of the edge (2e-6 relative in the variances); the likelihood is
also compared one-sided: ours is at least as high."""


def _blocks(case: Case) -> EffectBlocks:
    cluster = "trial" if "trial" in data(case) else "study"
    return make_blocks(
        data(case)["yi"],
        matrix(case["args"]["V_file"]),
        data(case)[cluster].tolist(),
        data(case)["outcome"].tolist(),
        design=design(case),
        outcome_names=case["args"]["outcome_levels"],
    )


def _fit(case: Case) -> MultivariateFit:
    args = case["args"]
    return fit_multivariate(_blocks(case), structure=args["struct"], method=args["method"])


def _components(fit: MultivariateFit) -> dict[str, Any]:
    variances = np.diag(fit.tau)
    one_variance = fit.structure in ("CS", "ID")
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = fit.tau[0, 1] / np.sqrt(variances.prod())
    return {"tau2": variances[:1] if one_variance else variances, "rho": rho}


def _offered(case: Case, fit: MultivariateFit) -> dict[str, Any]:
    found = model_based(fit) | cluster_robust(fit) | _components(fit)
    if fit.blocks.p == 2:
        found |= contrast_of_two(fit) | hotelling(fit, [[-1.0, 1.0]])
    return {name: value for name, value in found.items() if name in case["expect"]}


def _at_boundary(case: Case) -> bool:
    return "EDGE" in case.get("note", "")


def _cases(*, boundary: bool) -> list[Any]:
    return [one for one in cases("multivariate") if _at_boundary(one.values[0]) is boundary]


@pytest.mark.parametrize("case", _cases(boundary=False))
def test_rma_mv(case: Case) -> None:
    fit = _fit(case)
    assert (fit.status, fit.gradient < 1e-7) == ("ok", True)
    compare(case, _offered(case, fit), NOT_OFFERED, rtol=ITERATIVE)


@pytest.mark.parametrize("case", _cases(boundary=True))
def test_rma_mv_at_the_boundary(case: Case) -> None:
    fit = _fit(case)
    assert fit.status == "boundary"
    compare(case, _offered(case, fit), NOT_OFFERED, rtol=BOUNDARY[0], atol=BOUNDARY[1])


@pytest.mark.parametrize("case", cases("multivariate"))
def test_no_likelihood_is_higher_in_the_reference(case: Case) -> None:
    assert _fit(case).loglik >= float(numbers(case["expect"]["ll"])) - 1e-9


def test_every_structure_is_compared() -> None:
    compared = {case.values[0]["args"]["struct"] for case in cases("multivariate")}
    assert compared == set(STRUCTURES) - {"NONE"}


def test_no_core_case_is_skipped_in_silence() -> None:
    check_grid("multivariate", CASES_NOT_OFFERED, NOT_OFFERED)
