"""Leaving out, accumulating, influence, all subsets and radial coordinates agree with metafor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis.distributions import chi2_sf, two_sided_p
from analysis.univariate.influence import Influence, influence
from analysis.univariate.many import Pools, cumulative, gosh, leave_one_out, pool_subsets
from analysis.univariate.residuals import radial_coordinates

from .oracle_cases import (
    CLOSED_FORM,
    ITERATIVE,
    Case,
    cases,
    check_extra_grid,
    check_grid,
    compare,
    data,
    effects,
    numbers,
)

CASES_NOT_OFFERED: dict[str, str] = {}
EXTRA_NOT_OFFERED: dict[str, str] = {}
FIRST_OF_CUMUL = {"tau2": 0.0, "I2": 0.0, "H2": 1.0, "Qp": 1.0}
"""What the reference says of a pool of one study. Here heterogeneity of one study is unknown
(nan): see `test_the_first_of_a_cumulation_is_one_study`."""


def _rtol(case: Case) -> float:
    return ITERATIVE if case["args"]["method"] == "REML" else CLOSED_FORM


def _influence(case: Case) -> Influence:
    return influence(*effects(case), method=case["args"]["method"], ci_method="wald")


def _pools(case: Case) -> Pools:
    yi, vi = effects(case)
    order = case["args"].get("order_zero_based")
    member = leave_one_out(yi.size) if order is None else cumulative(order)
    ci_method = "knapp_hartung" if case["args"].get("test") == "knha" else "wald"
    return pool_subsets(yi, vi, member, method=case["args"]["method"], ci_method=ci_method)


def _h2(pools: Pools, method: str) -> np.ndarray:
    """H2 without tau2 is Q over its df and may be below 1, where I2 stops at 0."""
    with np.errstate(invalid="ignore"):
        return pools.q / (pools.k - 1.0) if method == "EE" else 100.0 / (100.0 - pools.i2)


def _offered(case: Case, pools: Pools) -> dict[str, Any]:
    statistic = pools.mu / pools.se
    found = {
        "estimate": pools.mu,
        "se": pools.se,
        "zval": statistic,
        "pval": [two_sided_p(t, df) for t, df in zip(statistic, pools.df, strict=True)],
        "ci_lb": pools.ci_lb,
        "ci_ub": pools.ci_ub,
        "Q": pools.q,
        "Qp": [chi2_sf(q, k - 1) for q, k in zip(pools.q, pools.k, strict=True)],
        "tau2": pools.tau2,
        "I2": pools.i2,
        "H2": _h2(pools, case["args"]["method"]),
    }
    return {name: np.asarray(v) for name, v in found.items() if name in case["expect"]}


# I2 is in percent: 1e-9 of it is nothing, where the reference stops a hair above tau2 = 0.
PERCENT = 1e-9


@pytest.mark.parametrize(
    "case", cases("diagnostics", "*/leave1out") + cases("diagnostics", "*/leave1out_knha")
)
def test_leave_one_out(case: Case) -> None:
    tolerances = {"I2": (_rtol(case), PERCENT)}
    compare(case, _offered(case, _pools(case)), {}, rtol=_rtol(case), tolerances=tolerances)


@pytest.mark.parametrize("case", cases("diagnostics", "*/cumul"))
def test_cumulative(case: Case) -> None:
    offered = _offered(case, _pools(case))
    for name in FIRST_OF_CUMUL.keys() & offered.keys():
        offered[name][0] = FIRST_OF_CUMUL[name]
    tolerances = {"I2": (_rtol(case), PERCENT)}
    compare(case, offered, {}, rtol=_rtol(case), tolerances=tolerances)


@pytest.mark.parametrize("case", cases("diagnostics", "*/cumul"))
def test_the_first_of_a_cumulation_is_one_study(case: Case) -> None:
    """The reference gives a single study tau2 = 0 and no heterogeneity. One study says nothing
    about either, so both are missing here; its own effect and interval are the same."""
    pools, first = _pools(case), case["args"]["order_zero_based"][0]
    assert pools.k.tolist() == list(range(1, pools.k.size + 1))
    assert np.isnan([pools.tau2[0], pools.i2[0]]).all()
    assert not np.isnan([pools.tau2[1:], pools.i2[1:]]).any()
    assert pools.mu[0] == pytest.approx(data(case)["yi"][first], rel=1e-15)
    for name in FIRST_OF_CUMUL.keys() & case["expect"].keys():
        assert case["expect"][name][0] == FIRST_OF_CUMUL[name]


@pytest.mark.parametrize("case", cases("diagnostics", "*/influence"))
def test_influence(case: Case) -> None:
    found = _influence(case)
    offered = {
        "rstudent": found.rstudent,
        "dffits": found.dffits,
        "cook_d": found.cook,
        "cov_r": found.covariance_ratio,
        "tau2_del": found.without.tau2,
        "QE_del": found.without.q,
        "hat": found.hat,
        "weight": found.weight,
        "dfbetas": found.dfbetas,
        "is_influential": found.is_influential,
    }
    compare(case, offered, {}, rtol=_rtol(case))


@pytest.mark.parametrize("case", cases("diagnostics", "*/baujat"))
def test_baujat(case: Case) -> None:
    found = _influence(case)
    compare(case, {"x": found.baujat_x, "y": found.baujat_y}, {}, rtol=_rtol(case))


@pytest.mark.parametrize("case", cases("diagnostics", "*/REML/leave1out"))
def test_the_shift_is_the_mean_without_minus_the_mean_of_all(case: Case) -> None:
    yi, vi = effects(case)
    everyone = pool_subsets(yi, vi, np.ones((1, yi.size)), ci_method="wald")
    shift = numbers(case["expect"]["estimate"]) - everyone.mu[0]
    np.testing.assert_allclose(_influence(case).shift, shift, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("case", cases("diagnostics", "*/radial"))
def test_radial(case: Case) -> None:
    x, y = radial_coordinates(*effects(case), method=case["args"]["method"])
    compare(case, {"x": x, "y": y}, {}, rtol=_rtol(case))


SUMMARY = "min_q1_median_q3_max_mean"


def _summary(values: np.ndarray) -> np.ndarray:
    return np.array([*np.quantile(values, [0.0, 0.25, 0.5, 0.75, 1.0]), values.mean()])


@pytest.mark.parametrize("case", cases("diagnostics", "*/gosh"))
def test_all_subsets(case: Case) -> None:
    """Subsets of one study have no heterogeneity in the reference; here it is unknown (nan)."""
    yi, vi = effects(case)
    method, subsets = case["args"]["method"], case["args"]["subsets"]
    member, pools = gosh(yi, vi, method=method, most=subsets)
    assert len(np.unique(member, axis=0)) == len(member) == 2**yi.size - 1
    single = pools.k == 1
    assert single.sum() == yi.size
    for values in (pools.tau2, pools.i2):
        np.testing.assert_array_equal(np.isnan(values), single)
    h2 = _h2(pools, method)
    found = {
        "QE": pools.q,
        "I2": np.where(single, 0.0, pools.i2),
        "H2": np.where(single, 1.0, h2),
        "tau2": np.where(single, 0.0, pools.tau2),
        "estimate": pools.mu,
    }
    offered = {f"{name}_{SUMMARY}": _summary(values) for name, values in found.items()}
    tolerances = {f"I2_{SUMMARY}": (_rtol(case), PERCENT)}
    compare(case, offered | {"n_subsets": len(member)}, {}, rtol=_rtol(case), tolerances=tolerances)


def test_some_studies_are_influential_and_most_are_not() -> None:
    flags = [flag for case in cases("diagnostics", "*/influence")
             for flag in case.values[0]["expect"]["is_influential"]]  # fmt: skip
    assert 0 < sum(flags) < len(flags) / 2


def test_no_case_is_skipped_in_silence() -> None:
    check_grid("diagnostics", CASES_NOT_OFFERED, {})
    check_extra_grid("diagnostics", EXTRA_NOT_OFFERED)
