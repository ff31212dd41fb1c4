"""Which studies a meta-regression does not fit: residuals, leverages and shrunken effects."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, check_design, check_estimates
from analysis.distributions import critical_value
from analysis.results import Result
from analysis.univariate.batch import fit_many
from analysis.univariate.least_squares import weighted_fit
from analysis.univariate.many import leave_one_out
from analysis.univariate.tau2 import estimate_tau2


@dataclass(frozen=True)
class Residuals(Result):
    """Of k studies: fitted means, raw residuals with their standard errors and standardized
    values, leverages, and residuals from the model refitted without the study (nan where that
    model cannot be fitted)."""

    fitted: Floats
    residual: Floats
    se: Floats
    standardized: Floats
    leverage: Floats
    deleted: Floats
    deleted_se: Floats
    studentized: Floats


def regression_residuals(
    yi: ArrayLike, vi: ArrayLike, design: ArrayLike | None = None, *, method: str = "REML"
) -> Residuals:
    """Residuals of a random-effects meta-regression (Viechtbauer and Cheung 2010, Res Synth
    Methods 1:112).

    yi, vi, design: as in `fit_meta_regression`. Internally standardized residuals divide by the
    root of the diagonal of (I - H) M (I - H)', M = V + tau2 I; the studentized ones take tau2 and
    coefficients from the other studies.
    """
    effects, variances = check_estimates(yi, vi)
    x = check_design(design, effects.size)
    tau2 = estimate_tau2(effects, variances, x, method)
    marginal = variances + tau2
    fit = weighted_fit(effects, 1.0 / marginal, x)
    fitted = x @ fit.beta
    spread = np.einsum("kp,pq,kq->k", x, fit.vb, x)
    leverage = spread / marginal
    # (I - H) M (I - H)' has the diagonal m - x'(X'WX)^-1 x, which rounding can take below 0.
    se = np.sqrt(np.maximum(marginal - spread, 0.0))
    without = fit_many(effects, variances, x, member=leave_one_out(effects.size), method=method)
    deleted = effects - np.einsum("kp,kp->k", x, without.beta)
    other = np.einsum("kp,kpq,kq->k", x, without.vb, x)
    deleted_se = np.sqrt(variances + without.tau2 + other)
    with np.errstate(divide="ignore", invalid="ignore"):
        return Residuals(
            fitted, effects - fitted, se, np.where(se > 0, (effects - fitted) / se, np.nan),
            leverage, deleted, deleted_se, deleted / deleted_se,
        )  # fmt: skip


@dataclass(frozen=True)
class ShrunkenEffects(Result):
    """Best predictions of the true effects of k studies, their standard errors and prediction
    limits."""

    estimate: Floats
    se: Floats
    pi_lb: Floats
    pi_ub: Floats


def shrunken_effects(
    yi: ArrayLike,
    vi: ArrayLike,
    design: ArrayLike | None = None,
    *,
    method: str = "REML",
    level: float = 0.95,
) -> ShrunkenEffects:
    """Empirical Bayes estimates of the studies' true effects: each effect drawn toward its fitted
    mean by v / (v + tau2) (Raudenbush and Bryk 1985, J Educ Stat 10:75), normal limits."""
    effects, variances = check_estimates(yi, vi)
    x = check_design(design, effects.size)
    tau2 = estimate_tau2(effects, variances, x, method)
    fit = weighted_fit(effects, 1.0 / (variances + tau2), x)
    own = tau2 / (tau2 + variances)
    mean_variance = np.einsum("kp,pq,kq->k", x, fit.vb, x)
    estimate = own * effects + (1.0 - own) * (x @ fit.beta)
    se = np.sqrt(own * variances + (1.0 - own) ** 2 * mean_variance)
    half = critical_value(level, math.inf) * se
    return ShrunkenEffects(estimate, se, estimate - half, estimate + half)


def radial_coordinates(
    yi: ArrayLike, vi: ArrayLike, *, method: str = "REML"
) -> tuple[Floats, Floats]:
    """Precision 1/sqrt(v + tau2) and standardized effect y/sqrt(v + tau2) of k studies: the radial
    (Galbraith) plot, whose line through the origin has the pooled effect as its slope."""
    effects, variances = check_estimates(yi, vi)
    ones = np.ones((effects.size, 1))
    tau2 = estimate_tau2(effects, variances, ones, method)
    precision = 1.0 / np.sqrt(variances + tau2)
    return precision, effects * precision
