"""Random-effects meta-regression; pooling is the special case of an intercept alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, check_design, check_estimates, named
from analysis.distributions import critical_value, f_sf, two_sided_p
from analysis.errors import EstimationError
from analysis.univariate.heterogeneity import (
    TAU2_METHODS,
    Heterogeneity,
    Tau2Interval,
    describe_heterogeneity,
    log_likelihood,
    q_profile_interval,
    weighted_fit,
)

CI_METHODS = {
    "wald": "normal quantiles with the model-based standard error",
    "t": "t quantiles with k - p df and the model-based standard error",
    "knapp_hartung": "Knapp and Hartung (2003): scaled standard error, t with k - p df",
    "knapp_hartung_floor": "Knapp-Hartung whose scale is never below 1 (never narrower than t)",
}


@dataclass(frozen=True)
class Coefficients:
    """Estimates of p coefficients: estimate, standard error, test statistic, df (infinite for
    normal), two-sided p-value and confidence limits, all of length p, unrounded."""

    names: tuple[str, ...]
    estimate: Floats
    se: Floats
    statistic: Floats
    df: Floats
    pvalue: Floats
    ci_lb: Floats
    ci_ub: Floats


def describe_coefficients(
    names: Sequence[str], estimate: Floats, se: Floats, df: ArrayLike, level: float
) -> Coefficients:
    """Tests and intervals of coefficients with standard errors and reference df (p each)."""
    freedom = np.broadcast_to(np.asarray(df, dtype=float), estimate.shape).copy()
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(se > 0, estimate / se, np.nan)
    half = np.array([critical_value(level, one) for one in freedom]) * se
    pvalue = np.array([two_sided_p(s, one) for s, one in zip(statistic, freedom, strict=True)])
    return Coefficients(
        tuple(names), estimate, se, statistic, freedom, pvalue, estimate - half, estimate + half
    )


@dataclass(frozen=True)
class MetaRegression:
    """A fitted random-effects meta-regression.

    coefficients: tests and intervals by `ci_method`. vb: their covariance (p x p).
    tau2: residual between-study variance by `method`, with `tau2_interval` (Q-profile).
    heterogeneity: residual Q, I2, H2. r2: share of tau2 explained against the model without
    moderators, in percent (nan without moderators). qm, qm_df, qm_pvalue: omnibus test of the
    moderators (F for t-based methods, chi-squared otherwise, divided by its df).
    notes: states a reader should know, such as `tau2_at_zero`.
    """

    k: int
    p: int
    coefficients: Coefficients
    vb: Floats
    tau2: float
    tau2_interval: Tau2Interval
    heterogeneity: Heterogeneity
    r2: float
    qm: float
    qm_df: int
    qm_pvalue: float
    loglik: float
    method: str
    ci_method: str
    level: float
    notes: tuple[str, ...] = field(default=())


def _variance_scale(ci_method: str, rss: float, degrees: int) -> float:
    if not ci_method.startswith("knapp_hartung"):
        return 1.0
    scale = rss / degrees
    return max(1.0, scale) if ci_method == "knapp_hartung_floor" else scale


def _omnibus(beta: Floats, vb: Floats, tested: list[int], df: float) -> tuple[float, float]:
    # A scale of 0 (effects exactly on the line, but for rounding) leaves nothing to test against.
    if not tested or float(np.diag(vb).max()) <= 1e-24 * max(1.0, float(np.abs(beta).max()) ** 2):
        return math.nan, math.nan
    some = beta[tested]
    statistic = float(some @ np.linalg.solve(vb[np.ix_(tested, tested)], some)) / len(tested)
    return statistic, f_sf(statistic, len(tested), df)


def fit_meta_regression(
    yi: ArrayLike,
    vi: ArrayLike,
    design: ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
    method: str = "REML",
    ci_method: str = "knapp_hartung",
    level: float = 0.95,
) -> MetaRegression:
    """Fit yi = X beta + u + e with u ~ N(0, tau2) and e ~ N(0, vi).

    yi, vi: k effects and sampling variances. design: k x p matrix, by default an intercept.
    names: p coefficient names. method: one of `TAU2_METHODS`. ci_method: one of `CI_METHODS`.
    Knapp and Hartung (2003, Stat Med 22:2693) for the scaled inference; REML takes the global
    maximum of the restricted likelihood.
    Raises `EstimationError` for k <= p, non-finite effects, variances of 0 or less, or a
    design without full rank.
    """
    effects, variances = check_estimates(yi, vi)
    matrix = check_design(design, effects.size)
    k, p = matrix.shape
    estimator = named(method, TAU2_METHODS, "estimator of tau2")
    named(ci_method, CI_METHODS, "interval method")
    if k <= p:
        raise EstimationError(f"{p} coefficients need more than {p} effects, found {k}")
    labels = list(names) if names is not None else [f"x{i}" for i in range(p)]
    tau2 = estimator(effects, variances, matrix)
    fit = weighted_fit(effects, 1.0 / (variances + tau2), matrix)
    scale = _variance_scale(ci_method, fit.rss, k - p)
    vb = fit.vb * scale
    df = math.inf if ci_method == "wald" else float(k - p)
    tested = [i for i in range(p) if not _is_constant(matrix[:, i])]
    qm, qm_pvalue = _omnibus(fit.beta, vb, tested, df)
    return MetaRegression(
        k=k,
        p=p,
        coefficients=describe_coefficients(labels, fit.beta, np.sqrt(np.diag(vb)), df, level),
        vb=vb,
        tau2=tau2,
        tau2_interval=q_profile_interval(effects, variances, matrix, level),
        heterogeneity=describe_heterogeneity(effects, variances, matrix, tau2, method),
        r2=_explained(effects, variances, tau2, estimator) if tested else math.nan,
        qm=qm,
        qm_df=len(tested),
        qm_pvalue=qm_pvalue,
        loglik=log_likelihood(
            tau2, effects, variances, matrix, restricted=method not in ("ML", "EE")
        ),
        method=method,
        ci_method=ci_method,
        level=level,
        notes=_notes(tau2, scale, method, ci_method),
    )


def _is_constant(column: Floats) -> bool:
    return bool(np.ptp(column) == 0.0)


def _explained(yi: Floats, vi: Floats, tau2: float, estimator: object) -> float:
    total = estimator(yi, vi, np.ones((yi.size, 1)))  # type: ignore[operator]
    return max(0.0, 100.0 * (total - tau2) / total) if total > 0 else math.nan


def _notes(tau2: float, scale: float, method: str, ci_method: str) -> tuple[str, ...]:
    notes = []
    if tau2 == 0.0 and method != "EE":
        notes.append("tau2_at_zero")
    # With two effects the scale is 1 but for rounding, which is no narrowing.
    if ci_method == "knapp_hartung" and scale < 1.0 - 1e-9:
        notes.append("knapp_hartung_narrower_than_t")
    return tuple(notes)
