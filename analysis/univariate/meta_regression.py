"""Random-effects meta-regression; pooling is the special case of an intercept alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, check_design, check_estimates, coefficient_names, named
from analysis.distributions import critical_value, f_sf, two_sided_p
from analysis.errors import EstimationError
from analysis.results import Result
from analysis.univariate.heterogeneity import (
    FitStatistics,
    Heterogeneity,
    describe_heterogeneity,
    fit_statistics,
)
from analysis.univariate.kenward_roger import KenwardRoger, kenward_roger
from analysis.univariate.least_squares import weighted_fit
from analysis.univariate.tau2 import estimate_tau2, log_likelihood, tau2_standard_error
from analysis.univariate.tau2_intervals import Tau2Interval, q_profile_interval

CI_METHODS = {
    "wald": "normal quantiles with the model-based standard error",
    "t": "t quantiles with k - p df and the model-based standard error",
    "knapp_hartung": "Knapp and Hartung (2003): scaled standard error, t with k - p df",
    "knapp_hartung_floor": "Knapp-Hartung whose scale is never below 1 (never narrower than t)",
    "kenward_roger": "Kenward and Roger (1997): adjusted covariance, t with their df (for REML)",
}


@dataclass(frozen=True)
class Coefficients(Result):
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
    if len(names) != estimate.size:
        raise EstimationError(f"{len(names)} names for {estimate.size} coefficients")
    freedom = np.broadcast_to(np.asarray(df, dtype=float), estimate.shape).copy()
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(se > 0, estimate / se, np.nan)
    half = np.array([critical_value(level, one) for one in freedom]) * se
    pvalue = np.array([two_sided_p(s, one) for s, one in zip(statistic, freedom, strict=True)])
    return Coefficients(
        tuple(names), estimate, se, statistic, freedom, pvalue, estimate - half, estimate + half
    )


@dataclass(frozen=True)
class MetaRegression(Result):
    """A fitted random-effects meta-regression.

    coefficients: tests and intervals by `ci_method`. vb: their covariance (p x p).
    tau2: residual between-study variance by `method`, with `tau2_interval` (Q-profile).
    heterogeneity: residual Q, I2, H2. r2: share of tau2 explained against the model without
    moderators, in percent (nan without moderators). qm, qm_df, qm_pvalue: omnibus test of the
    moderators (F on qm_df and qm_df_denom, which are infinite for `wald`).
    se_tau2: large-sample standard error of tau2. fit_statistics: log-likelihood at the fit
    (restricted unless ML or EE), deviance and information criteria.
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
    tested: tuple[int, ...]
    qm: float
    qm_df: int
    qm_df_denom: float
    qm_pvalue: float
    se_tau2: float
    fit_statistics: FitStatistics
    method: str
    ci_method: str
    level: float
    notes: tuple[str, ...] = field(default=())
    _adjusted: KenwardRoger | None = field(default=None, repr=False)

    def df(self, contrast: Floats) -> float:
        """Denominator df of c'beta: k - p, infinite for `wald`, Kenward and Roger's for theirs."""
        if self._adjusted is not None:
            return self._adjusted.df(contrast)
        return float(self.coefficients.df[0])

    @property
    def loglik(self) -> float:
        """Log-likelihood at the fit, restricted unless ML or EE."""
        return self.fit_statistics.loglik


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
    The omnibus test of `kenward_roger` takes the smallest of the coefficients' df.
    Knapp and Hartung (2003, Stat Med 22:2693) for the scaled inference; REML takes the global
    maximum of the restricted likelihood.
    Raises `EstimationError` for k <= p, non-finite effects, variances of 0 or less, or a
    design without full rank.
    """
    effects, variances = check_estimates(yi, vi)
    matrix = check_design(design, effects.size)
    k, p = matrix.shape
    named(ci_method, CI_METHODS, "interval method")
    labels = coefficient_names(names, p)
    tau2 = estimate_tau2(effects, variances, matrix, method)
    fit = weighted_fit(effects, 1.0 / (variances + tau2), matrix)
    scale = _variance_scale(ci_method, fit.rss, k - p)
    vb, df = fit.vb * scale, np.full(p, math.inf if ci_method == "wald" else float(k - p))
    adjusted = None
    if ci_method == "kenward_roger":
        adjusted = kenward_roger(effects, variances, matrix, tau2)
        vb, df = adjusted.vcov, np.array([adjusted.df(one) for one in np.eye(p)])
    tested = [i for i in range(p) if np.ptp(matrix[:, i]) != 0.0]
    qm, qm_pvalue = _omnibus(fit.beta, vb, tested, float(df.min()))
    return MetaRegression(
        k=k,
        p=p,
        coefficients=describe_coefficients(labels, fit.beta, np.sqrt(np.diag(vb)), df, level),
        vb=vb,
        tau2=tau2,
        tau2_interval=q_profile_interval(effects, variances, matrix, level),
        heterogeneity=describe_heterogeneity(effects, variances, matrix, tau2, method),
        r2=_explained(effects, variances, tau2, method) if tested else math.nan,
        tested=tuple(tested),
        qm=qm,
        qm_df=len(tested),
        qm_df_denom=float(df.min()),
        qm_pvalue=qm_pvalue,
        se_tau2=tau2_standard_error(tau2, effects, variances, matrix, method),
        fit_statistics=_fit_statistics(effects, variances, matrix, tau2, method),
        method=method,
        ci_method=ci_method,
        level=level,
        notes=_notes(tau2, scale, method, ci_method),
        _adjusted=adjusted,
    )


def _fit_statistics(
    yi: Floats, vi: Floats, design: Floats, tau2: float, method: str
) -> FitStatistics:
    k, p = design.shape
    restricted = method not in ("ML", "EE")
    value = log_likelihood(tau2, yi, vi, design, restricted=restricted)
    saturated = -0.5 * (k * math.log(2.0 * math.pi) + float(np.log(vi).sum()))
    variances = 0 if method == "EE" else 1
    return fit_statistics(value, p + variances, k, p, restricted=restricted, saturated=saturated)


def _explained(yi: Floats, vi: Floats, tau2: float, method: str) -> float:
    total = estimate_tau2(yi, vi, np.ones((yi.size, 1)), method)
    return max(0.0, 100.0 * (total - tau2) / total) if total > 0 else math.nan


def _notes(tau2: float, scale: float, method: str, ci_method: str) -> tuple[str, ...]:
    notes = []
    if tau2 == 0.0 and method != "EE":
        notes.append("tau2_at_zero")
    # With two effects the scale is 1 but for rounding, which is no narrowing.
    if ci_method == "knapp_hartung" and scale < 1.0 - 1e-9:
        notes.append("knapp_hartung_narrower_than_t")
    return tuple(notes)


@dataclass(frozen=True)
class Predictions(Result):
    """Mean effects at m rows of moderators: estimate, standard error, confidence limits of the
    mean and prediction limits of the true effect in a new study."""

    estimate: Floats
    se: Floats
    ci_lb: Floats
    ci_ub: Floats
    pi_lb: Floats
    pi_ub: Floats


def predict(fit: MetaRegression, rows: ArrayLike) -> Predictions:
    """Effects predicted at `rows` (m x p, in the order of the coefficients).

    Prediction limits add tau2 to the squared standard error and use the quantile of the interval
    method (Riley, Higgins and Deeks 2011, BMJ 342:d549), with the df of that mean.
    Raises `EstimationError` for rows of another width.
    """
    x = np.atleast_2d(np.asarray(rows, dtype=np.float64))
    if x.shape[1] != fit.p:
        raise EstimationError(f"predictions need {fit.p} columns, found {x.shape[1]}")
    mean = x @ fit.coefficients.estimate
    se = np.sqrt(np.einsum("mp,pq,mq->m", x, fit.vb, x))
    quantile = np.array([critical_value(fit.level, fit.df(row)) for row in x])
    reach = quantile * np.sqrt(se**2 + fit.tau2)
    half = quantile * se
    return Predictions(mean, se, mean - half, mean + half, mean - reach, mean + reach)


def contrast_estimates(fit: MetaRegression, contrasts: ArrayLike) -> Coefficients:
    """Linear combinations C beta of the coefficients, each with its test and interval.

    contrasts: C, q x p.
    """
    c = np.atleast_2d(np.asarray(contrasts, dtype=np.float64))
    if c.shape[1] != fit.p:
        raise EstimationError(f"contrasts need {fit.p} columns, found {c.shape[1]}")
    se = np.sqrt(np.einsum("qp,pr,qr->q", c, fit.vb, c))
    names = [f"contrast {i}" for i in range(c.shape[0])]
    df = np.array([fit.df(one) for one in c])
    return describe_coefficients(names, c @ fit.coefficients.estimate, se, df, fit.level)


def variance_inflation(fit: MetaRegression) -> Floats:
    """Variance inflation factors of the coefficients that are not constant columns (nan for an
    intercept): how many times a coefficient's variance is what it would be if the moderators did
    not go together. The diagonal of the inverse of their correlation matrix in vb."""
    moderators = list(fit.tested)
    out = np.full(fit.p, np.nan)
    if moderators:
        part = fit.vb[np.ix_(moderators, moderators)]
        scale = np.sqrt(np.diag(part))
        out[moderators] = np.diag(np.linalg.inv(part / np.outer(scale, scale)))
    return out
