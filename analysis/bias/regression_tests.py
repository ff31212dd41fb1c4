"""Regression tests of funnel asymmetry: what goes with smaller studies, by whichever measure of
size and error model."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, as_vector, check_estimates, named, require
from analysis.dependent.blocks import make_blocks
from analysis.dependent.multivariate import fit_multivariate
from analysis.dependent.robust import robust_covariance
from analysis.distributions import critical_value, two_sided_p
from analysis.effect_sizes.binary import (
    complete_cells,
    hypergeometric_moments,
    log_odds_ratio,
)
from analysis.errors import EstimationError
from analysis.results import Result
from analysis.univariate.least_squares import weighted_fit
from analysis.univariate.meta_regression import fit_meta_regression

PREDICTORS = {
    "sei": "standard error",
    "vi": "sampling variance",
    "ni": "number of persons",
    "ninv": "1 / number of persons",
    "sqrtni": "root of the number of persons",
    "sqrtninv": "1 / root of the number of persons",
}
ERROR_MODELS = {
    "mixed": "known variances plus tau2 (meta-regression, normal)",
    "multiplicative": "known variances times a free factor (weighted least squares, t)",
}


@dataclass(frozen=True)
class AsymmetryTest(Result):
    """Slope of the effect on a measure of size, with its test; limit: the effect where the
    predictor is 0 (nan for predictors that grow with size). tau2 of the mixed model; scale: the
    root of the free factor of the multiplicative one."""

    k: int
    slope: float
    slope_se: float
    statistic: float
    df: float
    pvalue: float
    limit: float
    limit_se: float
    limit_ci_lb: float
    limit_ci_ub: float
    tau2: float
    scale: float
    method: str


def size_predictor(name: str, vi: ArrayLike | None = None, ni: ArrayLike | None = None) -> Floats:
    """One of `PREDICTORS` from sampling variances or numbers of persons.

    For standardized mean differences the standard error depends on the effect itself, which makes
    asymmetry of its own: give `regression_test` sqrt(1/n1 + 1/n2) instead (Pustejovsky and Rodgers
    2019, Res Synth Methods 10:57).
    """
    named(name, PREDICTORS, "predictor")
    if name in ("sei", "vi"):
        if vi is None:
            raise EstimationError(f"the predictor {name} needs sampling variances")
        values = as_vector(vi, "vi")
        require(values > 0, "vi must be greater than 0")
        return np.sqrt(values) if name == "sei" else values
    if ni is None:
        raise EstimationError(f"the predictor {name} needs numbers of persons")
    n = as_vector(ni, "ni")
    require(n > 0, "numbers of persons must be greater than 0")
    return {"ni": n, "ninv": 1.0 / n, "sqrtni": np.sqrt(n), "sqrtninv": 1.0 / np.sqrt(n)}[name]


def regression_test(
    yi: ArrayLike,
    vi: ArrayLike,
    predictor: str | ArrayLike = "sei",
    *,
    ni: ArrayLike | None = None,
    model: str = "mixed",
    method: str = "REML",
    weights: ArrayLike | None = None,
    level: float = 0.95,
) -> AsymmetryTest:
    """Test of funnel asymmetry (Egger et al. 1997, BMJ 315:629, as a regression of effects).

    predictor: one of `PREDICTORS` or k values. model: one of `ERROR_MODELS`; `multiplicative` with
    `sei` is Egger's original. method: estimator of tau2 of the mixed model. weights: of the
    multiplicative model, 1/vi by default.
    Raises `EstimationError` with fewer than 3 studies or when the predictor does not vary.
    """
    effects, variances = check_estimates(yi, vi)
    label = predictor if isinstance(predictor, str) else "given"
    x = (
        size_predictor(predictor, variances, ni)
        if isinstance(predictor, str)
        else as_vector(predictor, "predictor")
    )
    named(model, ERROR_MODELS, "error model")
    if x.size != effects.size:
        raise EstimationError(f"the predictor has {x.size} values for {effects.size} effects")
    require(np.isfinite(x), "the predictor must be finite")
    if weights is not None and model == "mixed":
        raise EstimationError(
            "weights belong to the multiplicative model; the mixed one makes its own"
        )
    if effects.size < 3:
        raise EstimationError("a test of small-study effects needs at least 3 studies")
    if np.ptp(x) <= 1e-12 * float(np.abs(x).max()):
        raise EstimationError("all studies are equally precise; the test has no meaning")
    design = np.column_stack([np.ones_like(x), x])
    has_limit = label not in ("ni", "sqrtni")
    if model == "mixed":
        fit = fit_meta_regression(effects, variances, design, method=method, ci_method="wald",
                                  level=level)  # fmt: skip
        beta, vb, df = fit.coefficients.estimate, fit.vb, math.inf
        tau2, scale, how = fit.tau2, math.nan, f"regression/{label}/mixed/{method}"
    else:
        w = 1.0 / variances if weights is None else as_vector(weights, "weights")
        if w.size != effects.size:
            raise EstimationError(f"{w.size} weights for {effects.size} effects")
        require(np.isfinite(w) & (w > 0), "weights must be finite and above 0")
        made = weighted_fit(effects, w, design)
        df = effects.size - 2.0
        factor = made.rss / df
        beta, vb = made.beta, factor * made.vb
        tau2, scale, how = math.nan, math.sqrt(factor), f"regression/{label}/multiplicative"
    se = np.sqrt(np.diag(vb))
    half = critical_value(level, df) * float(se[0])
    statistic = float(beta[1] / se[1]) if se[1] > 0 else math.nan
    limit = (float(beta[0]), float(se[0]), float(beta[0]) - half, float(beta[0]) + half)
    return AsymmetryTest(
        effects.size, float(beta[1]), float(se[1]), statistic, df, two_sided_p(statistic, df),
        *(limit if has_limit else (math.nan,) * 4), tau2, scale, how,
    )  # fmt: skip


def multilevel_regression_test(
    yi: ArrayLike,
    v: Any,
    cluster: Iterable[Any],
    predictor: ArrayLike,
    *,
    level: float = 0.95,
) -> AsymmetryTest:
    """The same for several effects per trial: three-level meta-regression with CR2 by trial
    (Rodgers and Pustejovsky 2021, Psychol Methods 26:141).

    yi, v, cluster: as in `make_blocks`. predictor: k values that do not depend on the effect.
    """
    x = as_vector(predictor, "predictor")
    design = np.column_stack([np.ones_like(x), x])
    blocks = make_blocks(yi, v, cluster, design=design)
    if blocks.clusters < 4:
        raise EstimationError(f"the test needs at least 4 trials, found {blocks.clusters}")
    fit = fit_multivariate(blocks, structure="ID", within="common")
    robust = robust_covariance(fit, "CR2")
    df = [robust.df(one) for one in np.eye(2)]
    half = critical_value(level, df[0]) * float(robust.se[0])
    statistic = float(fit.beta[1] / robust.se[1])
    return AsymmetryTest(
        blocks.k, float(fit.beta[1]), float(robust.se[1]), statistic, df[1],
        two_sided_p(statistic, df[1]), float(fit.beta[0]), float(robust.se[0]),
        float(fit.beta[0]) - half, float(fit.beta[0]) + half, float(fit.tau[0, 0]), math.nan,
        "regression/multilevel/CR2",
    )  # fmt: skip


def harbord_test(
    events1i: ArrayLike, n1i: ArrayLike, events2i: ArrayLike, n2i: ArrayLike
) -> AsymmetryTest:
    """Harbord, Egger and Sterne (2006, Stat Med 25:3443): for odds ratios, the score over its root
    information regressed on that root; `slope` is the intercept of that line, which is Egger's
    bias coefficient. Studies without information drop out."""
    score, v = hypergeometric_moments(*complete_cells(events1i, n1i, events2i, n2i))
    some = v > 0
    test = regression_test(score[some] / v[some], 1.0 / v[some], model="multiplicative")
    return replace(test, method="harbord")


def peters_test(
    events1i: ArrayLike, n1i: ArrayLike, events2i: ArrayLike, n2i: ArrayLike
) -> AsymmetryTest:
    """Peters et al. (2006, JAMA 295:676): log odds ratios on 1/n, weights 1/(1/events + 1/others),
    which do not depend on the effect."""
    a, b, c, d = complete_cells(events1i, n1i, events2i, n2i)
    own = log_odds_ratio(events1i, n1i, events2i, n2i)
    events, others = a + c, b + d
    some = (events > 0) & (others > 0)
    weights = 1.0 / (1.0 / events[some] + 1.0 / others[some])
    test = regression_test(
        own.yi[some], own.vi[some], 1.0 / (events + others)[some], model="multiplicative",
        weights=weights,
    )  # fmt: skip
    return replace(test, method="peters")


@dataclass(frozen=True)
class UnrestrictedMean(Result):
    """Weighted least squares mean with a free scale factor: t with k - 1 df. k: studies used."""

    k: int
    mu: float
    se: float
    df: float
    pvalue: float
    ci_lb: float
    ci_ub: float
    method: str


def unrestricted_mean(
    yi: ArrayLike, vi: ArrayLike, *, adequately_powered: bool = False, level: float = 0.95
) -> UnrestrictedMean:
    """Mean with weights 1/v whose error is scaled by the data (UWLS; Stanley and Doucouliagos 2015,
    Stat Med 34:2116).

    adequately_powered: only studies whose standard error is at most the fixed-effect mean over 2.8,
    that is with 80% power to find it (WAAP). Raises `EstimationError` when fewer than 2 are left.
    """
    effects, variances = check_estimates(yi, vi)
    method = "uwls"
    if adequately_powered:
        w = 1.0 / variances
        strong = np.sqrt(variances) <= abs(float(w @ effects) / float(w.sum())) / 2.8
        effects, variances, method = effects[strong], variances[strong], "waap"
    if effects.size < 2:
        raise EstimationError(f"{method} needs 2 studies, found {effects.size}")
    fit = weighted_fit(effects, 1.0 / variances, np.ones((effects.size, 1)))
    df = effects.size - 1.0
    se = math.sqrt(float(fit.vb[0, 0]) * fit.rss / df)
    mu = float(fit.beta[0])
    half = critical_value(level, df) * se
    return UnrestrictedMean(
        effects.size,
        mu,
        se,
        df,
        two_sided_p(mu / se if se > 0 else math.nan, df),
        mu - half,
        mu + half,
        method,
    )
