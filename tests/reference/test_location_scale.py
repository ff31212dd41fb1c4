"""Location-scale models agree with metafor's `rma(..., scale = ~ z)`."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.arrays import Floats
from analysis.errors import EstimationError
from analysis.univariate.location_scale import LocationScale, fit_location_scale
from analysis.univariate.meta_regression import fit_meta_regression
from analysis.univariate.tau2 import log_likelihood

from .oracle_cases import ITERATIVE, Case, case_named, cases, compare, data

TOPIC = "more/location_scale"

AT_THE_MAXIMUM = 1e-6
"""Relative tolerance: standard errors of alpha are second derivatives by differences, in both
programs. `BESIDE_ZERO` for a slope of alpha that is 0.003 of its standard error."""
BESIDE_ZERO = 1e-8
AS_RMA_STOPS = (1e-4, 1e-6)
"""`rma` itself searches with numerical derivatives in the units of the moderator."""


def _design(case: Case, part: str) -> Floats:
    name = case["args"][part].removeprefix("~")
    table = data(case)
    moderators = [] if name == "1" else [table[name].to_numpy(dtype=float)]
    return np.column_stack([np.ones(len(table)), *moderators])


def _fit(case: Case) -> LocationScale:
    return fit_location_scale(
        data(case)["yi"],
        data(case)["vi"],
        _design(case, "mods"),
        _design(case, "scale"),
        method=case["args"]["method"],
    )


@pytest.mark.parametrize("case", cases(TOPIC))
def test_location_scale(case: Case) -> None:
    fit = _fit(case)
    assert fit.status == "ok"
    mean, scale = fit.location, fit.scale
    offered = {
        "beta": mean.estimate, "se": mean.se, "zval": mean.statistic, "pval": mean.pvalue,
        "ci_lb": mean.ci_lb, "ci_ub": mean.ci_ub,
        "alpha": scale.estimate, "alpha_se": scale.se, "alpha_zval": scale.statistic,
        "alpha_pval": scale.pvalue, "alpha_ci_lb": scale.ci_lb, "alpha_ci_ub": scale.ci_ub,
        "tau2": fit.tau2, "ll": fit.loglik,
        "rma_beta": mean.estimate, "rma_se": mean.se, "rma_alpha": scale.estimate,
        "rma_alpha_se": scale.se, "rma_ll": fit.loglik,
    }  # fmt: skip
    tolerances = {name: AS_RMA_STOPS for name in offered if name.startswith("rma_")}
    tolerances |= {"ll": (1e-10, 0.0), "alpha_zval": (AT_THE_MAXIMUM, 1e-7)}
    compare(case, offered, {}, rtol=AT_THE_MAXIMUM, atol=BESIDE_ZERO, tolerances=tolerances)


@pytest.mark.parametrize("case", cases(TOPIC))
def test_no_likelihood_is_higher_in_the_reference(case: Case) -> None:
    assert _fit(case).loglik >= max(case["expect"]["ll"], case["expect"]["rma_ll"]) - 1e-11


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("name", ["bcg_rr", "raudenbush1985", "normand1999_md"])
def test_without_moderators_of_the_scale_it_is_ordinary_pooling(name: str, method: str) -> None:
    case = case_named("rma_uni", f"{name}/{method}")
    yi, vi = data(case)["yi"], data(case)["vi"]
    fit, ordinary = fit_location_scale(yi, vi, method=method), case["expect"]
    np.testing.assert_allclose(fit.tau2, ordinary["tau2"], rtol=ITERATIVE)
    np.testing.assert_allclose(fit.location.estimate, ordinary["beta"], rtol=ITERATIVE)
    np.testing.assert_allclose(fit.location.se, ordinary["z.se"], rtol=ITERATIVE)
    assert fit.loglik == pytest.approx(ordinary["ll"], rel=1e-10)
    at = np.exp(np.log(ordinary["tau2"]) + 1e-3 * np.array([-1.0, 0.0, 1.0]))
    x = np.ones((len(yi), 1))
    low, peak, high = (
        log_likelihood(t, yi.to_numpy(), vi.to_numpy(), x, restricted=method == "REML") for t in at
    )
    observed = -(low - 2.0 * peak + high) / 1e-6
    assert fit.scale.se[0] == pytest.approx(observed**-0.5, rel=1e-5)


def test_no_heterogeneity_has_no_finite_alpha() -> None:
    table = data(case_named("rma_uni", "edge_homogeneous/REML"))
    fit = fit_location_scale(table["yi"], table["vi"])
    assert fit.status == "boundary"
    assert np.isnan(fit.scale.se).all()
    np.testing.assert_allclose(fit.tau2, 0.0, atol=1e-8)
    ordinary = fit_meta_regression(table["yi"], table["vi"])
    assert fit.loglik == pytest.approx(ordinary.loglik, abs=1e-7)


def test_what_cannot_be_fitted_is_refused() -> None:
    yi, vi = [0.1, 0.4, 0.2], [0.1, 0.1, 0.2]
    with pytest.raises(EstimationError, match="needs REML or ML, not DL"):
        fit_location_scale(yi, vi, method="DL")
    with pytest.raises(EstimationError, match="3 parameters need more effects than 3"):
        fit_location_scale(yi, vi, None, [[1.0, 1.0], [1.0, 2.0], [1.0, 4.0]])
    with pytest.raises(EstimationError, match="needs an intercept"):
        fit_location_scale(yi, vi, None, [[1.0], [2.0], [4.0]])
