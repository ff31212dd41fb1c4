"""Selection models by step functions and by smooth weights agree with metafor's `selmodel`."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy import special

from analysis.arrays import Floats
from analysis.bias.selection_models import ALTERNATIVES, SelectionModel, step_selection
from analysis.bias.weight_functions import WEIGHT_FUNCTIONS, WeightedSelection, weighted_selection
from analysis.distributions import normal_cdf
from analysis.errors import EstimationError

from .oracle_cases import (
    Case,
    case_named,
    cases,
    check_extra_grid,
    check_grid,
    compare,
    data,
    known,
    numbers,
)

CASES_NOT_OFFERED: dict[str, str] = {}
EXTRA_NOT_OFFERED: dict[str, str] = {}
WEIGHTED_NOT_OFFERED = {
    "se_tau2": "standard error of tau2: offered for one-sided steps only",
}

AGREED, AGREED_ABSOLUTE = 1e-4, 1e-6
"""Tolerances stated with the cases: the reference is the best of several optimizers with
numerical derivatives. Where a parameter is near a bound (`EDGE` in the note) only its
likelihood is good to more than 1e-3 and 1e-4."""
LIKELIHOOD = 1e-7
"""Relative tolerance of the log-likelihood, flat at its maximum."""
TWO_SIDED = {
    "beta": (2e-6, 0.0), "tau2": (2e-6, 0.0), "delta": (2e-6, 0.0), "ll": (1e-12, 0.0),
    "LRT": (1e-9, 0.0), "LRT_p": (1e-9, 0.0), "se": (1e-5, 0.0), "se_delta": (1e-5, 0.0),
}  # fmt: skip
"""Two-sided steps: both likelihoods are exact, the search of the reference ends 1e-6 away."""
INTEGRATED = 5e-4
"""Absolute tolerance of a likelihood of smooth weights: the reference integrates the probability
of being observed to a relative 1e-4 per study, here to rounding
(`test_the_likelihood_is_the_integral`, `test_the_reference_is_off_by_its_integration`)."""
SMOOTH = {"ll": (0.0, INTEGRATED), "LRT": (0.0, 2.0 * INTEGRATED), "LRT_p": (0.0, INTEGRATED),
          "pval": (1e-3, 0.0)}  # fmt: skip

REFUSED = "hackshaw1998/step4/two.sided"
AT_A_BOUND = {
    "raudenbush1985/beta/greater": "the likelihood rises as the first parameter runs to 0",
    "bangertdrowns2004/beta/greater": "the higher of two maxima is at tau2 = 0",
}
"""Cases whose parameters are not compared: `test_the_search_ends_before_the_bound_of_the_reference`
and `test_the_higher_maximum_is_found`."""
NOISY = {
    "hackshaw1998/halfnorm/greater": "second derivatives of a likelihood with integration error",
    "hackshaw1998/beta/two.sided": "second derivatives of a likelihood with integration error",
}
"""Cases whose standard errors are 1% to 8% off in the reference:
`test_standard_errors_are_those_of_the_integral`."""


def _is_weighted(case: Case) -> bool:
    return case["args"]["type"] != "stepfun" or case["args"]["alternative"] == "two.sided"


def _one_sided() -> list[Any]:
    return [one for one in cases("selection_models") if not _is_weighted(one.values[0])]


def _two_sided_steps() -> list[Any]:
    return [
        one
        for one in cases("selection_models", "*/two.sided")
        if one.values[0]["args"]["type"] == "stepfun" and one.id != REFUSED
    ]


def _smooth() -> list[Any]:
    return [
        pytest.param(one.values[0], id=one.id)
        for one in cases("selection_models")
        if one.values[0]["args"]["type"] != "stepfun"
    ]


@cache
def _fit_named(name: str) -> SelectionModel:
    case = case_named("selection_models", name)
    return step_selection(
        data(case)["yi"], data(case)["vi"], case["args"]["steps"],
        alternative=case["args"]["alternative"],
    )  # fmt: skip


@cache
def _weighted_named(name: str) -> WeightedSelection:
    case = case_named("selection_models", name)
    args = case["args"]
    steps = {"steps": args["steps"]} if args["type"] == "stepfun" else {}
    return weighted_selection(
        data(case)["yi"], data(case)["vi"], "steps" if steps else args["type"],
        alternative=args["alternative"], **steps,
    )  # fmt: skip


def _is_edge(case: Case) -> bool:
    return "EDGE" in case["note"]


# One-sided steps --------------------------------------------------------------------------------


@pytest.mark.parametrize("case", _one_sided())
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
    rtol, atol = (1e-3, 1e-4) if _is_edge(case) else (AGREED, AGREED_ABSOLUTE)
    compare(
        case, known(case, offered), {}, rtol=rtol, atol=atol, tolerances={"ll": (LIKELIHOOD, 0.0)}
    )


@pytest.mark.parametrize("case", _one_sided())
def test_no_likelihood_is_higher_in_the_reference(case: Case) -> None:
    assert _fit_named(case["id"]).loglik >= case["expect"]["ll"] - 1e-10


@pytest.mark.parametrize("case", _one_sided())
def test_counts_and_the_fixed_weight(case: Case) -> None:
    fit = _fit_named(case["id"])
    assert fit.delta[0] == 1.0
    assert fit.counts.sum() == fit.k == len(data(case))
    assert fit.counts.min() > 0
    assert ("tau2_at_zero" in fit.notes) is (fit.tau2 == 0.0)


# Two-sided steps and smooth weights -------------------------------------------------------------


def _weighted(case: Case) -> dict[str, Any]:
    fit = _weighted_named(case["id"])
    offered = {
        "beta": fit.mu,
        "tau2": fit.tau2,
        "delta": fit.delta,
        "ll": fit.loglik,
        "LRT": fit.lrt,
        "LRT_df": fit.lrt_df,
        "LRT_p": fit.lrt_pvalue,
        "se": fit.se,
        "se_delta": fit.delta_se,
        "pval": fit.pvalue,
    }
    return known(case, offered)


@pytest.mark.parametrize("case", _two_sided_steps())
def test_steps_of_two_sided_p_values(case: Case) -> None:
    compare(case, _weighted(case), WEIGHTED_NOT_OFFERED, rtol=AGREED, tolerances=TWO_SIDED)
    fit = _weighted_named(case["id"])
    assert fit.loglik >= case["expect"]["ll"] - 1e-10
    assert (fit.status, fit.delta[0]) == ("ok", 1.0)


def test_an_interval_without_a_study_is_refused() -> None:
    """The reference goes to its bound of 100 for the weights relative to the empty interval."""
    case = case_named("selection_models", REFUSED)
    z = np.abs(data(case)["yi"] / np.sqrt(data(case)["vi"])).to_numpy()
    counts = np.bincount(np.searchsorted(case["args"]["steps"], 2.0 * normal_cdf(-z)), minlength=5)
    assert (counts[0], counts[1:].min() > 0) == (0, True)
    assert max(case["expect"]["delta"]) == pytest.approx(100.0)
    with pytest.raises(EstimationError, match="no study has a p-value in one of the intervals"):
        _weighted_named(REFUSED)


@pytest.mark.parametrize("case", [one for one in _smooth() if one.id not in AT_A_BOUND])
def test_smooth_weights(case: Case) -> None:
    noisy = NOISY.get(case["id"])
    listed = dict.fromkeys(("se", "se_delta", "pval"), noisy) if noisy else {}
    offered = {name: value for name, value in _weighted(case).items() if name not in listed}
    rtol = 2e-3 if _is_edge(case) else AGREED
    compare(case, offered, WEIGHTED_NOT_OFFERED | listed, rtol=rtol, tolerances=SMOOTH)
    assert _weighted_named(case["id"]).status == "ok"


def _panels(edges: Floats) -> tuple[Floats, Floats]:
    """Nodes and weights of Gauss and Legendre, 20 between every two edges."""
    node, weight = np.polynomial.legendre.leggauss(20)
    half = np.diff(edges) / 2.0
    return (
        (edges[:-1, None] + half[:, None] * (1.0 + node)).ravel(),
        (half[:, None] * weight).ravel(),
    )


def _log_weight(kind: str, p: Floats, delta: Floats) -> Floats:
    p = np.clip(p, 1e-5, 1.0 - 1e-5)
    if kind == "beta":
        return np.asarray((delta[0] - 1.0) * np.log(p) + (delta[1] - 1.0) * np.log1p(-p))
    return np.asarray(-delta[0] * (p * p if kind == "halfnorm" else p))


def _integral(case: Case, mu: float, tau2: float, delta: Floats) -> float:
    """Log-likelihood with the probability of being observed integrated over the z-value of a
    study, whose density is at least 1 wide there; beyond p = 1e-5 and 1 - 1e-5 weights are
    constant. Two-sided weights are steep at z = 0: panels shrink toward it."""
    kind, alternative = case["args"]["type"], case["args"]["alternative"]
    sign = -1.0 if alternative == "less" else 1.0
    y, v = sign * data(case)["yi"].to_numpy(), data(case)["vi"].to_numpy()
    mean, sei, sd = sign * mu, np.sqrt(v)[:, None], np.sqrt(v + tau2)[:, None]
    two_sided = alternative == "two.sided"

    def log_weight(z: Floats) -> Floats:
        p = 2.0 * normal_cdf(-np.abs(z)) if two_sided else normal_cdf(-z)
        return _log_weight(kind, p, delta)

    if two_sided:
        flat, far = special.ndtri(0.5 + 0.5e-5), -special.ndtri(0.5e-5)
        z, g = _panels(np.concatenate([np.geomspace(flat, 0.1, 40), np.linspace(0.1, far, 40)[1:]]))
        z, g = np.concatenate([z, -z]), np.concatenate([g, g])
        ends = np.array([-np.inf, -far, -flat, flat, far, np.inf])
        constant = log_weight(np.array([-9.0, 0.0, 9.0])), [0, 2, 4]
    else:
        far = -special.ndtri(1e-5)
        z, g = _panels(np.linspace(-far, far, 60))
        ends = np.array([-np.inf, -far, far, np.inf])
        constant = log_weight(np.array([-9.0, 9.0])), [0, 2]
    density = np.exp(-0.5 * ((z * sei - mean) / sd) ** 2) * sei / (sd * math.sqrt(2.0 * math.pi))
    observed = density @ (g * np.exp(log_weight(z)))
    regions = np.diff(normal_cdf((ends * sei - mean) / sd), axis=1)
    observed += regions[:, constant[1]] @ np.exp(constant[0])
    own = log_weight(y / sei[:, 0]) - 0.5 * ((y - mean) / sd[:, 0]) ** 2
    return float((own - np.log(sd[:, 0] * math.sqrt(2.0 * math.pi)) - np.log(observed)).sum())


def _at_ours(case: Case) -> float:
    fit = _weighted_named(case["id"])
    return _integral(case, fit.mu, fit.tau2, fit.delta)


def _at_theirs(case: Case) -> float:
    expect = case["expect"]
    return _integral(case, expect["beta"][0], expect["tau2"], numbers(expect["delta"]))


@pytest.mark.parametrize("case", _smooth())
def test_the_likelihood_is_the_integral(case: Case) -> None:
    """tau2 of 0 stands for a millionth of the mean sampling variance."""
    fit = _weighted_named(case["id"])
    atol = 2e-5 if fit.tau2 == 0.0 else 1e-8
    assert fit.loglik == pytest.approx(_at_ours(case), abs=atol)


@pytest.mark.parametrize("case", [one for one in _smooth() if one.id not in AT_A_BOUND])
def test_no_integral_is_higher_in_the_reference(case: Case) -> None:
    assert _at_ours(case) >= _at_theirs(case) - 1e-8


@pytest.mark.parametrize("case", [pytest.param(one.values[0], id=one.id) for one in _smooth()])
def test_the_reference_is_off_by_its_integration(case: Case) -> None:
    assert case["expect"]["ll"] == pytest.approx(_at_theirs(case), abs=INTEGRATED)


def test_the_higher_maximum_is_found() -> None:
    """At tau2 = 0, where the reference does not look: its own lies .93 lower."""
    case = case_named("selection_models", "bangertdrowns2004/beta/greater")
    fit = _weighted_named(case["id"])
    assert (fit.tau2, fit.status) == (0.0, "boundary")
    assert case["expect"]["tau2"] > 0.3
    assert _at_ours(case) - _at_theirs(case) == pytest.approx(0.927, abs=1e-3)


def test_the_search_ends_before_the_bound_of_the_reference() -> None:
    """The parameter runs to 0: to exp(-10) here, to 1e-4 in the reference, whose likelihood is
    therefore lower by what is left to gain. The state says so."""
    case = case_named("selection_models", "raudenbush1985/beta/greater")
    fit = _weighted_named(case["id"])
    assert fit.status == "boundary"
    assert fit.delta[0] == pytest.approx(math.exp(-10.0), rel=1e-6)
    assert case["expect"]["delta"][0] < 2e-4
    gains = [
        _integral(case, fit.mu, fit.tau2, np.array([first, fit.delta[1]]))
        for first in (1e-3, 1e-4, fit.delta[0], 1e-6)
    ]
    assert np.diff(gains).min() > 0.0
    assert 0.0 > _at_theirs(case) - _at_ours(case) > -2e-3
    assert fit.mu == pytest.approx(case["expect"]["beta"][0], abs=0.003)
    assert fit.tau2 == pytest.approx(case["expect"]["tau2"], abs=1e-4)


def _second_derivatives(case: Case, at: Floats) -> Floats:
    """Of the integral in mean, tau2 and parameters of the weight, by central differences."""
    step = 1e-3 * np.abs(at)
    out = np.empty((at.size, at.size))
    signs = ((1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0))
    for i in range(at.size):
        for j in range(i + 1):
            total = 0.0
            for a, b in signs:
                moved = at.copy()
                moved[i] += a * step[i]
                moved[j] += b * step[j]
                total += a * b * _integral(case, moved[0], moved[1], moved[2:])
            out[i, j] = out[j, i] = total / (4.0 * step[i] * step[j])
    return out


@pytest.mark.parametrize("case", [one for one in _smooth() if one.id not in AT_A_BOUND])
def test_standard_errors_are_those_of_the_integral(case: Case) -> None:
    fit = _weighted_named(case["id"])
    at = np.array([fit.mu, fit.tau2, *fit.delta])
    spread = np.sqrt(np.diag(np.linalg.inv(-_second_derivatives(case, at))))
    np.testing.assert_allclose([fit.se, *fit.delta_se], spread[[0, *range(2, at.size)]], rtol=1e-4)


# What is covered --------------------------------------------------------------------------------


def test_every_kind_direction_and_state_is_compared() -> None:
    copied = [case.values[0] for case in cases("selection_models")]
    stepped = [one.values[0]["args"] for one in _one_sided()]
    assert {args["alternative"] for args in stepped} == set(ALTERNATIVES)
    assert {_is_edge(case) for case in copied} == {True, False}
    assert {len(args["steps"]) for args in stepped} == {1, 2, 4}
    kinds = {case["args"]["type"] for case in copied}
    assert {"steps" if kind == "stepfun" else kind for kind in kinds} == set(WEIGHT_FUNCTIONS)
    names = {case["id"] for case in copied}
    assert names >= {REFUSED, *AT_A_BOUND, *NOISY}
    parts = [*_one_sided(), *_two_sided_steps(), *_smooth()]
    assert sorted([one.id for one in parts] + [REFUSED]) == sorted(names)


def test_no_case_is_skipped_in_silence() -> None:
    check_grid("selection_models", CASES_NOT_OFFERED, WEIGHTED_NOT_OFFERED)
    check_extra_grid("selection_models", EXTRA_NOT_OFFERED)
