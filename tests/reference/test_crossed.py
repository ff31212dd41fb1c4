"""Crossed random effects agree with metafor's `rma.mv`."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from analysis.arrays import Floats
from analysis.dependent.crossed import MOST_EFFECTS, CrossedFit, fit_crossed
from analysis.errors import EstimationError

from .oracle_cases import CLOSED_FORM, ITERATIVE, Case, case_named, cases, compare, data

TOPIC = "more/crossed"

AS_RMA_STOPS = (1e-4, 1e-6)
"""`rma.mv` itself searches with numerical derivatives."""
ZERO_VARIANCE = {"konstantopoulos2011/district_year": "year"}
"""Factor whose variance is 0, of the ids that begin so."""


def _factors(case: Case) -> dict[str, list[Any]]:
    table = data(case)
    own = list(range(len(table)))
    return {
        name: own if name == "effect" else table[name].tolist() for name in case["args"]["factors"]
    }


def _sampling(case: Case) -> Floats:
    """Variances, with one correlation between effects that share the first factor."""
    vi, rho = data(case)["vi"].to_numpy(), case["args"]["rho"]
    if rho == 0.0:
        return vi
    first = np.array(next(iter(_factors(case).values())))
    v = rho * np.sqrt(np.outer(vi, vi)) * (first[:, None] == first[None, :])
    np.fill_diagonal(v, vi)
    return v


@cache
def _named_fit(name: str) -> CrossedFit:
    case = case_named(TOPIC, name)
    table, moderator = data(case), case["args"]["mods"].removeprefix("~")
    columns = [np.ones(len(table))]
    columns += [] if moderator == "1" else [table[moderator].to_numpy(dtype=float)]
    return fit_crossed(
        table["yi"], _sampling(case), _factors(case), np.column_stack(columns),
        method=case["args"]["method"],
    )  # fmt: skip


def _fit(case: Case) -> CrossedFit:
    return _named_fit(case["id"])


@pytest.mark.parametrize("case", cases(TOPIC))
def test_crossed_effects(case: Case) -> None:
    fit = _fit(case)
    mean, sigma2 = fit.coefficients, list(fit.sigma2.values())
    assert list(fit.sigma2) == list(fit.levels) == case["args"]["factors"]
    offered = {
        "k": fit.k, "levels": list(fit.levels.values()), "sigma2": sigma2, "beta": mean.estimate,
        "se": mean.se, "zval": mean.statistic, "pval": mean.pvalue, "ci_lb": mean.ci_lb,
        "ci_ub": mean.ci_ub, "vb": fit.vb, "QE": fit.q, "QEp": fit.q_pvalue, "ll": fit.loglik,
        "rma_sigma2": sigma2, "rma_beta": mean.estimate, "rma_se": mean.se, "rma_ll": fit.loglik,
    }  # fmt: skip
    tolerances = {name: AS_RMA_STOPS for name in offered if name.startswith("rma_")}
    tolerances |= {"ll": (CLOSED_FORM, 0.0), "QE": (CLOSED_FORM, 0.0)}
    compare(case, offered, {}, rtol=ITERATIVE, tolerances=tolerances)


@pytest.mark.parametrize("case", cases(TOPIC))
def test_a_variance_at_zero_is_named(case: Case) -> None:
    fit = _fit(case)
    zero = [name for start, name in ZERO_VARIANCE.items() if case["id"].startswith(start)]
    assert [name for name, one in fit.sigma2.items() if one == 0.0] == zero
    assert fit.notes == tuple(f"{name}_at_zero" for name in zero)
    assert (fit.status, fit.gradient < 1e-7) == ("boundary" if zero else "ok", True)


@pytest.mark.parametrize("case", cases(TOPIC))
def test_no_likelihood_is_higher_in_the_reference(case: Case) -> None:
    assert _fit(case).loglik >= max(case["expect"]["ll"], case["expect"]["rma_ll"]) - 1e-10


def test_what_cannot_be_fitted_is_refused() -> None:
    case = case_named(TOPIC, "assink2016/study_type/REML")
    yi, factors = data(case)["yi"].to_numpy(), _factors(case)
    with pytest.raises(EstimationError, match="need REML or ML, not DL"):
        fit_crossed(yi, _sampling(case), factors, method="DL")
    with pytest.raises(EstimationError, match="100 variances or a 100 x 100 matrix"):
        fit_crossed(yi, np.ones(99), factors)
    indefinite = np.diag(_sampling(case)) - 1.0
    with pytest.raises(EstimationError, match="not positive definite"):
        fit_crossed(yi, indefinite + 2.0 * np.eye(100), factors)
    with pytest.raises(EstimationError, match="study"):
        fit_crossed(yi, _sampling(case), factors | {"study": factors["study"][:99]})
    many = MOST_EFFECTS + 1
    with pytest.raises(EstimationError, match=f"up to {MOST_EFFECTS}, found {many}"):
        fit_crossed(np.zeros(many), np.ones(many), {"effect": range(many)})
