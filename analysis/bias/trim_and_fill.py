"""Trim and fill: how many studies would make the funnel symmetric, and the mean with them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, check_estimates, named
from analysis.errors import EstimationError
from analysis.results import Result
from analysis.univariate.least_squares import weighted_fit
from analysis.univariate.meta_regression import fit_meta_regression
from analysis.univariate.pooling import PooledEffect, fit_random_effects
from analysis.univariate.tau2 import estimate_tau2

SIDES = {"left": "missing left of the mean", "right": "missing right of it", "auto": "by Egger"}
ESTIMATORS = {"L0": "linear in the ranks", "R0": "from the longest run", "Q0": "quadratic"}
_MOST_STEPS = 100


@dataclass(frozen=True)
class TrimAndFill(Result):
    """Studies that symmetry asks for, and the pool with them.

    k0: number of imputed studies, k0_se its standard error (nan where it is not defined), k0_pvalue
    of the test that none is missing (for R0, else nan). side:
    where they lie. filled: their effects, each with the variance of the study it mirrors
    (filled_vi). pooled: the mean of all, imputed ones included. It is a sensitivity analysis: it
    assumes that only asymmetry from selection exists, and corrects too little or too much when
    effects differ between studies for other reasons.
    """

    k0: int
    k0_se: float
    k0_pvalue: float
    side: str
    filled: Floats
    filled_vi: Floats
    pooled: PooledEffect


def trim_and_fill(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    side: str = "auto",
    estimator: str = "L0",
    method: str = "REML",
    ci_method: str = "knapp_hartung",
    level: float = 0.95,
) -> TrimAndFill:
    """Duval and Tweedie (2000, Biometrics 56:455) with the estimators L0, R0 and Q0.

    side: where studies are missing; `auto` takes the side that Egger's slope points away from
    (a falling slope means missing on the right). The mean that is trimmed is the one of `method`.
    Raises `EstimationError` with fewer than 3 studies or when the trimming does not settle.
    """
    effects, variances = check_estimates(yi, vi)
    named(side, SIDES, "side")
    named(estimator, ESTIMATORS, "estimator of the number of missing studies")
    if effects.size < 3:
        raise EstimationError(f"trim and fill needs at least 3 studies, found {effects.size}")
    where = _side(effects, variances, method) if side == "auto" else side
    sign = -1.0 if where == "right" else 1.0
    order = np.argsort(sign * effects, kind="stable")
    y, v = sign * effects[order], variances[order]
    k0, k0_se, mean = _missing(y, v, estimator, method)
    cut = y.size - k0
    filled, filled_vi = sign * (2.0 * mean - y[cut:]), v[cut:]
    pooled = fit_random_effects(
        np.concatenate([effects, filled]), np.concatenate([variances, filled_vi]),
        method=method, ci_method=ci_method, level=level,
    )  # fmt: skip
    # Without missing studies R0 exceeds k0 - 1 with the probability of k0 + 1 heads in a row.
    pvalue = 0.5 ** (k0 + 1) if estimator == "R0" else math.nan
    return TrimAndFill(k0, k0_se, pvalue, where, filled, filled_vi, pooled)


def _side(yi: Floats, vi: Floats, method: str) -> str:
    sei = np.sqrt(vi)
    if np.ptp(sei) <= 1e-12 * sei.max():
        raise EstimationError("all studies are equally precise; name the side")
    design = np.column_stack([np.ones_like(sei), sei])
    fit = fit_meta_regression(yi, vi, design, method=method, ci_method="wald")
    return "right" if fit.coefficients.estimate[1] < 0 else "left"


def _missing(y: Floats, v: Floats, estimator: str, method: str) -> tuple[int, float, float]:
    """Number missing on the left of sorted effects, its standard error, and the trimmed mean."""
    k, k0, k0_se, before, mean = y.size, 0, math.nan, -1, 0.0
    for _ in range(_MOST_STEPS):
        if k0 == before:
            return k0, k0_se, mean
        before = k0
        kept = slice(0, k - k0)
        if k - k0 < 2:
            raise EstimationError(f"trimming leaves {k - k0} of {k} studies; no mean is left")
        tau2 = estimate_tau2(y[kept], v[kept], np.ones((k - k0, 1)), method)
        mean = float(weighted_fit(y[kept], 1.0 / (v[kept] + tau2), np.ones((k - k0, 1))).beta[0])
        k0, k0_se = _count(y - mean, estimator)
    raise EstimationError("the trimming does not settle on a number of missing studies")


def _count(centered: Floats, estimator: str) -> tuple[int, float]:
    k = centered.size
    rank = np.empty(k)
    rank[np.argsort(np.abs(centered), kind="stable")] = np.arange(1, k + 1)
    signed = np.sign(centered) * rank
    if estimator == "R0":
        below = signed[signed < 0]
        found = (k - float(np.max(-below, initial=0.0))) - 1.0
        return int(max(0.0, found)), math.sqrt(2.0 * max(0.0, found) + 2.0)
    positive = float(signed[signed > 0].sum())
    if estimator == "L0":
        found = (4.0 * positive - k * (k + 1)) / (2.0 * k - 1.0)
        variance = _rank_variance(k, found)
        spread = 4.0 * math.sqrt(variance) / (2.0 * k - 1.0) if variance >= 0 else math.nan
    else:
        inside = 2.0 * k**2 - 4.0 * positive + 0.25
        if inside < 0.0:
            raise EstimationError("Q0 has no solution: too many ranks lie on one side; use L0")
        found = k - 0.5 - math.sqrt(inside)
        variance, base = _rank_variance(k, found), (k - 0.5) ** 2 - found * (2 * k - found - 1)
        good = variance >= 0 and base > 0
        spread = 2.0 * math.sqrt(variance) / math.sqrt(base) if good else math.nan
    return round(max(0.0, found)), spread


def _rank_variance(k: int, k0: float) -> float:
    """Variance of the rank sum when k0 studies are missing (Duval and Tweedie 2000)."""
    return (
        k * (k + 1) * (2 * k + 1) + 10 * k0**3 + 27 * k0**2 + 17 * k0
        - 18 * k * k0**2 - 18 * k * k0 + 6 * k**2 * k0
    ) / 24.0  # fmt: skip
