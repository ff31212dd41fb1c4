"""What is read off a multilevel or multivariate fit: I2 by level, omnibus test, predictions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats
from analysis.dependent.multivariate import MultivariateFit
from analysis.dependent.robust import RobustCovariance, WaldTest
from analysis.distributions import chi2_sf, critical_value
from analysis.errors import EstimationError
from analysis.results import Result


@dataclass(frozen=True)
class I2ByLevel(Result):
    """Shares, in percent, of the variance of effects of one outcome that lie between trials,
    within trials and in both; `typical_v` is the typical sampling variance."""

    between: float
    within: float
    total: float
    typical_v: float


def i2_by_level(fit: MultivariateFit) -> I2ByLevel:
    """I2 of a three-level model (Higgins and Thompson 2002 with P = W - WX(X'WX)^-1X'W of the
    sampling covariances; Nakagawa and Santos 2012, Evol Ecol 26:1253).

    Raises `EstimationError` for a model of several outcomes, and when there are no more effects
    than coefficients.
    """
    blocks = fit.blocks
    if blocks.k <= blocks.p:
        raise EstimationError(f"I2 needs more effects than the {blocks.p} coefficients")
    if len(blocks.outcome_names) != 1:
        raise EstimationError("I2 by level is defined for one outcome")
    trace, information, crossed = 0.0, np.zeros((blocks.p,) * 2), np.zeros((blocks.p,) * 2)
    for group in blocks.groups:
        inverse = np.linalg.inv(group.v)
        wx = inverse @ group.x
        trace += float(np.einsum("mdd->", inverse))
        information += np.einsum("mdp,mdq->pq", group.x, wx)
        crossed += np.einsum("mdp,mdq->pq", wx, wx)
    trace -= float(np.trace(np.linalg.solve(information, crossed)))
    typical = (blocks.k - blocks.p) / trace
    between, within = float(fit.tau[0, 0]), float(fit.omega[0])
    whole = between + within + typical
    return I2ByLevel(
        100.0 * between / whole, 100.0 * within / whole, 100.0 * (between + within) / whole, typical
    )


def omnibus_test(fit: MultivariateFit, coefficients: ArrayLike | None = None) -> WaldTest:
    """Model-based chi-squared test that coefficients (positions; all that are not a constant
    column by default) are 0. Prefer `wald_test` of a cluster-robust covariance. Raises
    `EstimationError` for positions that are not there or stand twice."""
    x = fit.blocks.design
    if coefficients is None:
        tested = np.flatnonzero(np.ptp(x, axis=0) > 0.0)
        tested = tested if tested.size else np.arange(x.shape[1])
    else:
        tested = np.atleast_1d(np.asarray(coefficients, dtype=int))
        if not np.isin(tested, np.arange(x.shape[1])).all() or np.unique(tested).size < tested.size:
            raise EstimationError(
                f"coefficients are positions from 0 to {x.shape[1] - 1}, once each"
            )
    beta, part = fit.beta[tested], fit.vb[np.ix_(tested, tested)]
    statistic = float(beta @ np.linalg.solve(part, beta))
    return WaldTest(
        statistic, tested.size, math.inf, chi2_sf(statistic, tested.size), "model/chi_squared"
    )


@dataclass(frozen=True)
class OutcomePredictions(Result):
    """Per outcome: mean, its standard error and df, confidence limits, and prediction limits of the
    true effect in a new trial (with `effects`, of a single effect in it)."""

    outcomes: tuple[str, ...]
    mean: Floats
    se: Floats
    df: Floats
    ci_lb: Floats
    ci_ub: Floats
    pi_lb: Floats
    pi_ub: Floats


def predict_outcomes(
    fit: MultivariateFit,
    robust: RobustCovariance | None = None,
    *,
    effects: bool = True,
    level: float = 0.95,
) -> OutcomePredictions:
    """Means and prediction intervals of every outcome of a model with one mean per outcome.

    robust: CR2 for the standard errors and df; model-based and normal without it. The prediction
    variance is Tau[o, o] + se^2, plus omega[o] for a single effect (`effects`), Tau taken as
    known. Leaving the variances out would give the confidence interval again.
    Raises `EstimationError` for a model with moderators.
    """
    q = len(fit.blocks.outcome_names)
    indicator = fit.blocks.outcome[:, None] == np.arange(q)[None, :]
    if fit.blocks.p != q or not np.array_equal(fit.blocks.design, indicator.astype(float)):
        raise EstimationError("predictions per outcome need one mean per outcome and no moderators")
    eye = np.eye(q)
    df = np.array([math.inf if robust is None else robust.df(one) for one in eye])
    se = fit.se if robust is None else robust.se
    quantile = np.array([critical_value(level, one) for one in df])
    spread = np.diag(fit.tau) + (fit.omega if effects else 0.0)
    reach = quantile * np.sqrt(spread + se**2)
    half = quantile * se
    return OutcomePredictions(
        fit.blocks.outcome_names, fit.beta, se, df, fit.beta - half, fit.beta + half,
        fit.beta - reach, fit.beta + reach,
    )  # fmt: skip
