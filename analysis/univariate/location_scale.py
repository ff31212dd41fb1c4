"""Location-scale models: moderators of the mean and of how much effects differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from analysis.arrays import Floats, check_design, check_estimates, coefficient_names
from analysis.derivatives import difference_hessian, relative_steps
from analysis.errors import EstimationError
from analysis.results import Result
from analysis.univariate.least_squares import weighted_fit
from analysis.univariate.meta_regression import Coefficients, describe_coefficients
from analysis.univariate.tau2 import estimate_tau2

_NEARLY_ZERO = -20.0
"""Logarithm of tau2 over the typical variance below which tau2 counts as 0."""


@dataclass(frozen=True)
class LocationScale(Result):
    """y_i ~ N(x_i' beta, v_i + tau2_i), log tau2_i = z_i' alpha.

    location, scale: tests and intervals of beta (p) and alpha (q), normal. tau2: of every study.
    loglik by `method`; gradient: the largest slope left. status: `ok`, `boundary` (tau2 of some
    study at 0, where alpha has no finite estimate) or `not_converged`.
    """

    location: Coefficients
    scale: Coefficients
    tau2: Floats
    loglik: float
    gradient: float
    method: str
    status: str


def fit_location_scale(
    yi: ArrayLike,
    vi: ArrayLike,
    design: ArrayLike | None = None,
    scale_design: ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
    scale_names: Sequence[str] | None = None,
    method: str = "REML",
    level: float = 0.95,
) -> LocationScale:
    """Fit by REML or ML (Viechtbauer and Lopez-Lopez 2022, Res Synth Methods 13:697).

    design: k x p for the mean; scale_design: k x q for the logarithm of tau2 (an intercept by
    default, which is the ordinary model). Use a few scale moderators with 20 studies or more: the
    likelihood says little about how variances differ.
    Raises `EstimationError` for k <= p + q.
    """
    effects, variances = check_estimates(yi, vi)
    x = check_design(design, effects.size)
    z = check_design(scale_design, effects.size)
    of_location = coefficient_names(names, x.shape[1])
    of_scale = coefficient_names(scale_names, z.shape[1], "scale_names", "z")
    if method not in ("REML", "ML"):
        raise EstimationError(f"a location-scale model needs REML or ML, not {method}")
    if effects.size <= x.shape[1] + z.shape[1]:
        raise EstimationError(
            f"{x.shape[1] + z.shape[1]} parameters need more effects than {effects.size}"
        )
    _check_constant(z)
    # Orthonormal scale columns and effects of unit size keep the search well scaled.
    unit = float(np.median(variances))
    q_matrix, r_matrix = np.linalg.qr(z)
    restricted = method == "REML"

    def objective(a: Floats) -> tuple[float, Floats]:
        value, gradient = _loglik(a, effects / math.sqrt(unit), variances / unit, x, q_matrix,
                                  restricted)  # fmt: skip
        return -value, -gradient

    common = estimate_tau2(effects, variances, x, method) / unit
    best = None
    for a in _starts(common, q_matrix):
        found = optimize.minimize(
            objective, a, jac=True, method="BFGS", options={"gtol": 1e-10, "maxiter": 500}
        )
        if best is None or found.fun < best.fun - 1e-10:
            best = found
    assert best is not None
    hessian = difference_hessian(lambda a: objective(a)[1], best.x, relative_steps(best.x))
    alpha = np.linalg.solve(r_matrix, best.x)
    # Back to the units of tau2: a constant is among what the columns span.
    alpha += np.linalg.solve(r_matrix, q_matrix.sum(axis=0) * math.log(unit))
    log_tau2 = q_matrix @ best.x
    tau2 = np.exp(np.maximum(log_tau2, -700.0)) * unit
    boundary = bool((log_tau2 < _NEARLY_ZERO).any())
    status = "boundary" if boundary else "ok"
    covariance = np.full_like(hessian, np.nan)
    if not boundary:
        inverse = np.linalg.inv(r_matrix)
        covariance = inverse @ np.linalg.inv(hessian) @ inverse.T
    fit = weighted_fit(effects, 1.0 / (variances + tau2), x)
    left = float(np.abs(objective(best.x)[1]).max())
    if left > 1e-4:
        status = "not_converged"
    k, p = x.shape
    loglik = -float(best.fun) - 0.5 * (k - p if restricted else k) * math.log(unit)
    with np.errstate(invalid="ignore"):
        scale_se = np.sqrt(np.diag(covariance))
    return LocationScale(
        describe_coefficients(
            of_location, fit.beta, np.sqrt(np.diag(fit.vb)), math.inf,
            level,
        ),
        describe_coefficients(of_scale, alpha, scale_se, math.inf, level),
        tau2, loglik, left, method, status,
    )  # fmt: skip


def _starts(common: float, z: Floats) -> list[Floats]:
    """Equal variances of several sizes, and variances that rise or fall along each column."""
    k = z.shape[0]
    base = [z.T @ np.full(k, math.log(max(size, 1e-3))) for size in (common, 0.1 * common, 1.0)]
    out = list(base)
    for column in np.eye(z.shape[1]):
        for reach in (-6.0, -4.0, -1.5, 1.5, 4.0, 6.0):
            for lowered in (0.0, 5.0) if abs(reach) > 2.0 else (0.0,):
                out.append(base[0] - z.T @ np.full(k, lowered) + reach * math.sqrt(k) * column)
    return out


def _check_constant(z: Floats) -> None:
    """Refuse a scale design in which tau2 could not be the same for all."""
    ones = np.ones(z.shape[0])
    rest = ones - z @ np.linalg.lstsq(z, ones, rcond=None)[0]
    if float(np.abs(rest).max()) > 1e-8:
        raise EstimationError("the scale design needs an intercept (a constant column)")


def _loglik(
    a: Floats, yi: Floats, vi: Floats, x: Floats, z: Floats, restricted: bool
) -> tuple[float, Floats]:
    """Log-likelihood and its gradient in the coefficients of log tau2."""
    k, p = x.shape
    tau2 = np.exp(np.clip(z @ a, -60.0, 60.0))
    w = 1.0 / (vi + tau2)
    fit = weighted_fit(yi, w, x)
    r = yi - x @ fit.beta
    value = 0.5 * float(np.log(w).sum()) - 0.5 * fit.rss
    pull = (w * r) ** 2 - w
    if restricted:
        value += 0.5 * float(np.linalg.slogdet(x.T @ x)[1]) - 0.5 * fit.logdet
        pull = pull + w**2 * np.einsum("kp,pq,kq->k", x, fit.vb, x)
        k -= p
    value -= 0.5 * k * math.log(2.0 * math.pi)
    return value, 0.5 * (z.T @ (pull * tau2))
