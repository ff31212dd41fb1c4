"""Mantel-Haenszel, Peto, table tests and mixed models of counts agree with metafor."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pytest
from scipy import optimize, special

from analysis.arrays import Floats
from analysis.effect_sizes import log_odds_ratio, log_risk_ratio, risk_difference
from analysis.errors import EstimationError
from analysis.rare_events.mixed_models import (
    MixedModel,
    binomial_normal,
    conditional_binomial,
    hypergeometric_normal,
    poisson_normal,
)
from analysis.rare_events.stratified import (
    CommonEffect,
    mantel_haenszel,
    mantel_haenszel_rates,
    peto,
    table_tests,
)
from analysis.rare_events.two_groups import two_group_counts

from .oracle_cases import (
    CLOSED_FORM,
    Case,
    case_named,
    cases,
    check_extra_grid,
    check_grid,
    compare,
    data,
    listed_for,
)

Tables = tuple[Floats, Floats, Floats, Floats]

CASES_NOT_OFFERED: dict[str, str] = {}
EMPTY_GROUP = {"sim_zero_cells": 5}
"""Row with a group of nobody: refused here (asserted below), half a person in the reference."""
OF_THE_EMPTY_GROUP = dict.fromkeys(
    ("QE", "QE_p", "I2", "H2", "k_yi"),
    "the group of nobody counts there: test_the_empty_group_is_the_whole_difference",
)
OF_THE_MODES = {"ll": "of the counts given the studies' modes: asserted below for PLO"}
NOT_OFFERED_FOR_CASE = {
    "sim_zero_cells/MH/*/default": OF_THE_EMPTY_GROUP,
    "*/PLO/ML": OF_THE_MODES,
    "*/UM.FS/ML": OF_THE_MODES,
    "*/CM.AL/ML": OF_THE_MODES,
    "*/UM.RS/*": dict.fromkeys(
        ("QE_Wld*", "QE_LRT*"),
        "of a model with random levels and an effect per study, which is not fitted",
    ),
    "*/EE": dict.fromkeys(
        ("pval", "ci_?b"), "returned for the fit with tau2 alone; they follow from beta and se"
    ),
}

EXACT = {"beta": (1e-6, 0.0), "tau2": (1e-6, 0.0), "se_beta": (1e-6, 0.0), "ll": (1e-12, 0.0)}
"""Both programs integrate with 41 nodes; the search of the scripts ends 1e-8 to 1e-7 away from the
maximum, where the log-likelihood has no digit left to tell."""
_SATURATED = {
    "QE_Wld": (1e-3, 0.0), "QE_Wld_p": (2e-3, 0.0),
    "QE_LRT": (1e-6, 0.0), "QE_LRT_p": (1e-6, 0.0),
}  # fmt: skip
"""Effects of single studies may be infinite; the reference stops on the way there, and for `CM.EL`
takes a numerical Hessian."""
OF_SEVEN_NODES = 1e-3
"""`rma.glmm` integrates with 7 nodes; more/mixed_counts.json has the same fits with 61."""
STOPPED_EARLY = 1e-4
"""Relative tolerance of `rma.glmm`, whose search ends short of the maximum by up to 4e-5 (tau2) and
8e-5 (standard error): test_the_likelihood_is_not_higher_in_the_reference."""


def _tables(case: Case) -> Tables:
    """Events and persons of both groups, without the group of nobody."""
    row = EMPTY_GROUP.get(case["id"].split("/")[0])
    table = data(case) if row is None else data(case).drop(index=row)
    a, b, c, d = (table[name].to_numpy(dtype=float) for name in ("ai", "bi", "ci", "di"))
    return a, a + b, c, c + d


def _rates(case: Case) -> Tables:
    """Events and person-times of both groups."""
    x1, t1, x2, t2 = (
        data(case)[name].to_numpy(dtype=float) for name in ("x1i", "t1i", "x2i", "t2i")
    )
    return x1, t1, x2, t2


def _compare(case: Case, found: dict[str, Any], **tolerances: Any) -> None:
    listed = listed_for(case, NOT_OFFERED_FOR_CASE)
    offered = {
        name: value
        for name, value in found.items()
        if name in case["expect"] and not any(fnmatchcase(name, key) for key in listed)
    }
    compare(case, offered, listed, **tolerances)


def _effect(found: CommonEffect) -> dict[str, float]:
    return {
        "beta": found.mu, "se": found.se, "stat": found.statistic, "pval": found.pvalue,
        "ci_lb": found.ci_lb, "ci_ub": found.ci_ub, "QE": found.q, "QE_p": found.q_pvalue,
        "I2": found.i2, "H2": found.h2, "k_yi": found.k_effects,
    }  # fmt: skip


def _of_tables(*names: str) -> list[Any]:
    return [one for name in names for one in cases("fixed_methods", f"*/MH/*/{name}")]


@pytest.mark.parametrize("case", _of_tables("default", "drop00"))
def test_mantel_haenszel(case: Case) -> None:
    args = case["args"]
    tables = _tables(case)
    found = _effect(mantel_haenszel(*tables, measure=args["measure"], drop00=args["drop00"]))
    tests = table_tests(*tables)
    found |= {
        "CO": tests.cochran, "CO_p": tests.cochran_pvalue,
        "MH": tests.mantel_haenszel, "MH_p": tests.mantel_haenszel_pvalue,
        "BD": tests.breslow_day, "BD_p": tests.breslow_day_pvalue,
        "TA": tests.tarone, "TA_p": tests.tarone_pvalue,
    }  # fmt: skip
    _compare(case, found, rtol=CLOSED_FORM)


@pytest.mark.parametrize("case", _of_tables("uncorrected"))
def test_no_continuity_correction(case: Case) -> None:
    tests = table_tests(*_tables(case), continuity=False)
    found = {"MH": tests.mantel_haenszel, "MH_p": tests.mantel_haenszel_pvalue}
    _compare(case, found, rtol=CLOSED_FORM)


@pytest.mark.parametrize("case", cases("fixed_methods", "*/Peto"))
def test_peto(case: Case) -> None:
    _compare(case, _effect(peto(*_tables(case))), rtol=CLOSED_FORM)


@pytest.mark.parametrize("case", cases("fixed_methods", "*/MH/IR?"))
def test_rates(case: Case) -> None:
    found = mantel_haenszel_rates(*_rates(case), measure=case["args"]["measure"])
    _compare(case, _effect(found), rtol=CLOSED_FORM)


def test_empty_groups_are_refused() -> None:
    table = data(case_named("fixed_methods", "sim_zero_cells/Peto"))
    a, b, c, d = (table[name] for name in ("ai", "bi", "ci", "di"))
    for estimate in (mantel_haenszel, peto, table_tests, hypergeometric_normal):
        with pytest.raises(EstimationError, match=r"group sizes must be .*\(row 5\)"):
            estimate(a, a + b, c, c + d)


EFFECTS = {"OR": log_odds_ratio, "RR": log_risk_ratio, "RD": risk_difference}


@pytest.mark.parametrize("case", cases("fixed_methods", "sim_zero_cells/MH/*/default"))
def test_the_empty_group_is_the_whole_difference(case: Case) -> None:
    """With half a person in each of its cells the row has an effect that adds to Q."""
    measure = case["args"]["measure"]
    found = mantel_haenszel(*_tables(case), measure=measure)
    row = data(case).iloc[EMPTY_GROUP["sim_zero_cells"]]
    a, b, c, d = (row[name] + 0.5 for name in ("ai", "bi", "ci", "di"))
    half = EFFECTS[measure]([a], [a + b], [c], [c + d])
    more = float((half.yi[0] - found.mu) ** 2 / half.vi[0])
    assert found.q + more == pytest.approx(case["expect"]["QE"], rel=CLOSED_FORM)
    assert found.k_effects + 1 == case["expect"]["k_yi"]


def _mixed(case: Case) -> MixedModel:
    args = case["args"]
    model, measure = args.get("model", ""), args.get("measure", "")
    if model == "CM.AL":
        return conditional_binomial(*_tables(case))
    if "CM" in case["id"]:
        return hypergeometric_normal(*_tables(case))
    if model.startswith("UM"):
        rates = measure == "IRR"
        return two_group_counts(
            *(_rates(case) if rates else _tables(case)),
            counts="poisson" if rates else "binomial",
            levels="fixed" if model == "UM.FS" else "random",
            nodes=args.get("nAGQ", 15),
        )
    return binomial_normal(data(case)["xi"], data(case)["ni"])


def _homogeneity(fit: MixedModel) -> dict[str, float]:
    tests = fit.homogeneity
    return {
        "QE_Wld": tests.wald, "QE_Wld_p": tests.wald_pvalue, "QE_LRT": tests.lrt,
        "QE_LRT_p": tests.lrt_pvalue, "QE_df": tests.df,
    }  # fmt: skip


@pytest.mark.parametrize("case", cases("glmm", "*/exact_ML"))
def test_mixed_models_at_the_exact_maximum(case: Case) -> None:
    fit = _mixed(case)
    assert fit.status == "ok"
    found = {"beta": fit.mu, "tau2": fit.tau2, "ll": fit.loglik, "se_beta": fit.se}
    _compare(case, found, rtol=1e-6, tolerances=EXACT)


@pytest.mark.parametrize("case", cases("glmm", "*/ML"))
def test_rma_glmm(case: Case) -> None:
    fit = _mixed(case)
    found = {
        "beta": fit.mu, "se": fit.se, "pval": fit.pvalue, "ci_lb": fit.ci_lb,
        "ci_ub": fit.ci_ub, "tau2": fit.tau2, "ll": fit.loglik, **_homogeneity(fit),
    }  # fmt: skip
    # A p-value falls by about z^2 times the relative change of z, which is 8e-5.
    tolerances = {"ll": (1e-6, 0.0), "pval": (2e-3, 0.0), **_SATURATED}
    if "UM.FS" in case["id"]:
        _compare(case, found, rtol=OF_SEVEN_NODES, atol=1e-4, tolerances=tolerances)
    else:
        _compare(case, found, rtol=STOPPED_EARLY, tolerances=tolerances)


@pytest.mark.parametrize("case", cases("glmm", "*/EE"))
def test_the_likelihood_without_heterogeneity(case: Case) -> None:
    fit = _mixed(case)
    found = {
        "beta": fit.common, "se": fit.common_se, "tau2": 0.0, "ll": fit.loglik - fit.lrt / 2.0,
        **_homogeneity(fit),
    }  # fmt: skip
    tolerances = {"beta": (1e-7, 0.0), "se": (1e-4, 0.0), **_SATURATED}
    _compare(case, found, rtol=CLOSED_FORM, tolerances=tolerances)


def _log_choose(n: Floats, x: Floats) -> Floats:
    return special.gammaln(n + 1) - special.gammaln(x + 1) - special.gammaln(n - x + 1)


def _log_probabilities(case: Case, theta: Floats) -> Floats:
    """Log-probability of every study's count at log odds (ratios) theta, studies x theta."""
    if case["args"].get("model") == "CM.AL":
        a, n1, c, n2 = (column[:, None] for column in _tables(case))
        eta = np.log(n1 / n2) + theta
        return _log_choose(a + c, a) + a * eta - (a + c) * np.logaddexp(0.0, eta)
    if "CM" not in case["id"]:
        x, n = (data(case)[name].to_numpy(dtype=float)[:, None] for name in ("xi", "ni"))
        return _log_choose(n, x) + x * theta - n * np.logaddexp(0.0, theta)
    rows = []
    for a, n1, c, n2 in zip(*_tables(case), strict=True):
        s = np.arange(max(0.0, a + c - n2), min(n1, a + c) + 1.0)
        weights = _log_choose(n1, s) + _log_choose(n2, a + c - s)
        every = weights[:, None] + s[:, None] * theta
        rows.append(every[s == a][0] - special.logsumexp(every, axis=0))
    return np.array(rows)


def _marginal(case: Case, mu: float, tau2: float) -> float:
    """Marginal log-likelihood by the trapezoidal rule over 12 standard deviations."""
    away = np.linspace(-12.0, 12.0, 4001)
    value = np.exp(_log_probabilities(case, mu + np.sqrt(tau2) * away) - 0.5 * away**2)
    step = away[1] - away[0]
    return float(np.log(value.sum(axis=1) * step / np.sqrt(2.0 * np.pi)).sum())


@pytest.mark.parametrize("case", [one for one in cases("glmm", "*/ML") if "UM" not in str(one.id)])
def test_the_likelihood_is_not_higher_in_the_reference(case: Case) -> None:
    fit = _mixed(case)
    ours = _marginal(case, fit.mu, fit.tau2)
    assert fit.loglik == pytest.approx(ours, rel=1e-10)
    theirs = _marginal(case, case["expect"]["beta"][0], case["expect"]["tau2"])
    assert theirs < ours
    assert theirs == pytest.approx(ours, abs=1e-5)


@pytest.mark.parametrize("case", cases("glmm", "*/PLO/ML"))
def test_the_reference_gives_the_likelihood_at_the_modes(case: Case) -> None:
    """lme4's deviance is conditional on the random effects, and so is this log-likelihood."""
    mu, tau2 = case["expect"]["beta"][0], case["expect"]["tau2"]

    def negative(theta: Floats) -> float:
        own = np.diag(_log_probabilities(case, theta))
        return float((0.5 * (theta - mu) ** 2 / tau2 - own).sum())

    start = np.full(len(data(case)), mu)
    modes = optimize.minimize(negative, start, method="BFGS", options={"gtol": 1e-7}).x
    conditional = np.diag(_log_probabilities(case, modes)).sum()
    assert conditional == pytest.approx(case["expect"]["ll"], rel=1e-8)


def test_no_case_is_skipped_in_silence() -> None:
    check_grid("fixed_methods", CASES_NOT_OFFERED, OF_THE_EMPTY_GROUP)
    check_grid("glmm", CASES_NOT_OFFERED, {})
    check_extra_grid("fixed_methods", CASES_NOT_OFFERED)
    check_extra_grid("glmm", CASES_NOT_OFFERED)


COUNTS = "more/mixed_counts"
"""lme4 with 61 nodes (one in two dimensions) and tight stopping rules."""


def _of_lme4(case: Case) -> MixedModel:
    args = dict(case["args"])
    model = args.pop("model")
    table = data(case)
    if model == "poisson_normal":
        return poisson_normal(table[f"x{args['group']}i"], table[f"t{args['group']}i"])
    counts = _rates(case) if "x1i" in table else _tables(case)
    if model == "conditional_binomial":
        return conditional_binomial(*counts)
    return two_group_counts(*counts, **args)


@pytest.mark.parametrize("case", cases(COUNTS))
def test_lme4_with_many_nodes(case: Case) -> None:
    """Two searches end within 1e-6 of each other, standard errors from numerical Hessians within
    5e-6; a correlation next to 0 moves most."""
    fit = _of_lme4(case)
    found = {"beta": fit.mu, "se": fit.se, "tau2": fit.tau2}
    found |= {"sigma2": fit.study_variance} if "sigma2" in case["expect"] else {}
    found |= {"rho": fit.study_correlation} if "rho" in case["expect"] else {}
    assert fit.status == ("boundary" if case["expect"]["tau2"] < 1e-12 else "ok")
    tolerances = {"tau2": (1e-6, 1e-12), "se": (5e-6, 0.0), "rho": (0.0, 1e-6)}
    compare(case, found, {}, rtol=1e-6, tolerances=tolerances)
