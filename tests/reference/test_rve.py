"""Regressions with the weights of Hedges, Tipton and Johnson agree with robumeta's `robu`."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.arrays import Floats
from analysis.dependent.rve import RobustRegression, robust_regression
from analysis.errors import EstimationError
from analysis.univariate.designs import make_design

from .oracle_cases import (
    ITERATIVE,
    Case,
    case_named,
    cases,
    check_extra_grid,
    check_grid,
    compare,
    data,
)

CASES_NOT_OFFERED: dict[str, str] = {}
WORKING_MODEL = {"CORR": "correlated", "HIER": "hierarchical"}


def _design(case: Case) -> Floats | None:
    terms = case["args"]["formula"].split("~")[1].strip()
    return None if terms == "1" else make_design(data(case), terms.split(" + ")).matrix


def _fit(case: Case) -> RobustRegression:
    args, table = case["args"], data(case)
    options = {"rho": args["rho"]} if "rho" in args else {}
    return robust_regression(
        table["yi"], table[args["var"]], table[args["studynum"]].tolist(), _design(case),
        working_model=WORKING_MODEL[args["modelweights"]], small=args["small"], **options,
    )  # fmt: skip


@pytest.mark.parametrize("case", cases("rve"))
def test_robu(case: Case) -> None:
    fit = _fit(case)
    found = fit.coefficients
    offered = {
        "beta": found.estimate, "se": found.se, "t": found.statistic, "df": found.df,
        "p": found.pvalue, "ci_lb": found.ci_lb, "ci_ub": found.ci_ub, "tau.sq": fit.tau2,
    }  # fmt: skip
    offered |= {"I.2": fit.i2} if fit.working_model == "correlated" else {"omega.sq": fit.omega2}
    compare(case, offered, {}, rtol=ITERATIVE)


def test_what_a_working_model_does_not_have_is_unknown() -> None:
    correlated = _fit(case_named("rve", "assink2016/null/CORR/rho0.8/small"))
    hierarchical = _fit(case_named("rve", "assink2016/null/HIER/small"))
    assert np.isnan([correlated.omega2, hierarchical.i2]).all()
    assert (correlated.k, correlated.m) == (hierarchical.k, hierarchical.m) == (100, 17)


def test_an_unknown_working_model_is_refused() -> None:
    with pytest.raises(EstimationError, match="working model"):
        robust_regression([0.1, 0.2, 0.4], [0.1, 0.1, 0.1], [1, 1, 2], working_model="CORR")


def test_no_case_is_skipped_in_silence() -> None:
    check_grid("rve", CASES_NOT_OFFERED, {})
    check_extra_grid("rve", CASES_NOT_OFFERED)
