"""Multivariate models agree with metafor's `rma.mv` for every structure of Tau."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from analysis.dependent.blocks import EffectBlocks, make_blocks
from analysis.dependent.crossed import fit_crossed
from analysis.dependent.likelihood import log_likelihood_at
from analysis.dependent.multilevel import predict_outcomes
from analysis.dependent.multivariate import STRUCTURES, MultivariateFit, fit_multivariate
from analysis.dependent.profile_intervals import profile_interval
from analysis.distributions import chi2_quantile

from .multivariate_results import (
    cluster_robust,
    contrast_of_two,
    criteria,
    hotelling,
    model_based,
)
from .oracle_cases import (
    ITERATIVE,
    Case,
    case_named,
    cases,
    check_extra_grid,
    check_grid,
    compare,
    data,
    design,
    matrix,
    numbers,
)

CASES_NOT_OFFERED: dict[str, str] = {}
QUANTITIES_NOT_OFFERED: dict[str, str] = {}
VARIANCE_PARAMETERS = {"UN": 3, "HCS": 3, "CS": 2, "DIAG": 2, "ID": 1}
"""Of two outcomes."""

MODELS = "*ML"
"""Ids end in the method; those of the intervals do not."""

BOUNDARY = (1e-5, 1e-8)
"""(rtol, atol) at a variance of 0 or a correlation of +-1. The likelihood is flat there and the
reference stops a little short of the edge (2e-6 relative in the variances); the likelihood is
also compared one-sided: ours is at least as high."""
AS_CONFINT_STOPS = 1e-5
"""Relative tolerance of profile limits; the reference finds them by a search within a search."""
SPREADS = np.linspace(0.2, 1.6, 15)
"""Standard deviations between trials, in units of the first outcome's, tried at one correlation."""


def _trials(case: Case) -> list[Any]:
    return data(case)["trial" if "trial" in data(case) else "study"].tolist()


def _blocks(case: Case) -> EffectBlocks:
    return make_blocks(
        data(case)["yi"],
        matrix(case["args"]["V_file"]),
        _trials(case),
        data(case)["outcome"].tolist(),
        design=design(case),
        outcome_names=case["args"].get("outcome_levels"),
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


def _residual_heterogeneity(case: Case, fit: MultivariateFit) -> dict[str, float]:
    """Of the sampling covariances alone, whatever the random effects."""
    v = matrix(case["args"]["V_file"])
    found = fit_crossed(data(case)["yi"], v, {"trial": _trials(case)}, fit.blocks.design)
    return {"QE": found.q, "QE_p": found.q_pvalue}


def _offered(case: Case, fit: MultivariateFit) -> dict[str, Any]:
    found = model_based(fit) | cluster_robust(fit) | _components(fit)
    found |= criteria(fit, VARIANCE_PARAMETERS[fit.structure])
    found |= _residual_heterogeneity(case, fit)
    if fit.blocks.p == 2:
        found |= contrast_of_two(fit) | hotelling(fit, [[-1.0, 1.0]])
        ahead = predict_outcomes(fit)
        found |= {"pi_lb": ahead.pi_lb, "pi_ub": ahead.pi_ub}
    return {name: value for name, value in found.items() if name in case["expect"]}


def _at_boundary(case: Case) -> bool:
    return "EDGE" in case.get("note", "")


def _cases(*, boundary: bool) -> list[Any]:
    return [one for one in cases("multivariate", MODELS) if _at_boundary(one.values[0]) is boundary]


@pytest.mark.parametrize("case", _cases(boundary=False))
def test_rma_mv(case: Case) -> None:
    fit = _fit(case)
    assert (fit.status, fit.gradient < 1e-7) == ("ok", True)
    compare(case, _offered(case, fit), QUANTITIES_NOT_OFFERED, rtol=ITERATIVE)


@pytest.mark.parametrize("case", _cases(boundary=True))
def test_rma_mv_at_the_boundary(case: Case) -> None:
    fit = _fit(case)
    assert fit.status == "boundary"
    limits = dict.fromkeys(("pi_lb", "pi_ub"), (BOUNDARY[0], 1e-7))  # one lies near 0
    compare(
        case, _offered(case, fit), QUANTITIES_NOT_OFFERED,
        rtol=BOUNDARY[0], atol=BOUNDARY[1], tolerances=limits,
    )  # fmt: skip


@pytest.mark.parametrize("case", cases("multivariate", MODELS))
def test_no_likelihood_is_higher_in_the_reference(case: Case) -> None:
    assert _fit(case).loglik >= float(numbers(case["expect"]["ll"])) - 1e-9


def test_every_structure_is_compared() -> None:
    compared = {case.values[0]["args"]["struct"] for case in cases("multivariate", MODELS)}
    assert compared == set(STRUCTURES) - {"NONE"}


def test_profile_intervals() -> None:
    case = case_named("multivariate", "kalaian1996/CS/profile_ci")
    fit = _fit(case)
    variance, correlation = profile_interval(fit, "tau2[0]"), profile_interval(fit, "rho")
    assert (variance.edge, correlation.edge) == ("", "lower")
    found = {
        "tau2_1_lb": variance.lower, "tau2_1_ub": variance.upper,
        "rho_lb": correlation.lower, "rho_ub": correlation.upper,
    }  # fmt: skip
    compare(case, found, {}, rtol=AS_CONFINT_STOPS)


def test_no_limit_of_a_correlation_where_its_likelihood_is_high() -> None:
    """Five trials leave the correlation of berkey1998 open up to 1. The reference has only one
    limit, .9609, where its search fails: other variances make that correlation, and 1 itself,
    more likely than a limit may be."""
    case = case_named("multivariate", "berkey1998/UN/profile_ci")
    limits = {name: numbers(value) for name, value in case["expect"].items()}
    fit, stopped = _fit(case), float(limits.pop("rho_ub"))
    assert np.isnan(list(limits.values())).all()
    floor = fit.loglik - 0.5 * chi2_quantile(0.95, 1.0)
    for rho in (stopped, 1.0):
        grid = [
            np.outer(sd, sd) * np.array([[1.0, rho], [rho, 1.0]])
            for sd in itertools.product(np.sqrt(np.diag(fit.tau)[0]) * SPREADS, repeat=2)
        ]
        highest = max(log_likelihood_at(fit.blocks, tau, np.zeros(2), True) for tau in grid)
        assert floor + 1.0 < highest < fit.loglik
    interval = profile_interval(fit, "rho")
    assert (interval.upper, "upper" in interval.edge) == (1.0, True)


@pytest.mark.parametrize("case", cases("more/profile_three"))
def test_profile_intervals_of_three_outcomes(case: Case) -> None:
    """`confint` finds limits to 1e-8; its point estimates stop 1e-5 short."""
    table = data(case)
    blocks = []
    for _, rows in table.groupby("trial", sort=False):
        sei = np.sqrt(rows["vi"].to_numpy())
        block = case["args"]["rho"] * np.outer(sei, sei)
        np.fill_diagonal(block, sei**2)
        blocks.append(block)
    fit = fit_multivariate(
        make_blocks(table["yi"], blocks, table["trial"].tolist(), table["outcome"].tolist()),
        structure="UN",
    )
    interval = profile_interval(fit, case["id"])
    assert interval.edge == ""
    found = {"lower": interval.lower, "upper": interval.upper, "estimate": interval.estimate}
    compare(case, found, {}, rtol=1e-6, tolerances={"estimate": (2e-5, 0.0)})


def test_no_case_is_skipped_in_silence() -> None:
    check_grid("multivariate", CASES_NOT_OFFERED, QUANTITIES_NOT_OFFERED)
    check_extra_grid("multivariate", CASES_NOT_OFFERED)
