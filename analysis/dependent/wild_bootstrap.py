"""Cluster wild bootstrap: tests of coefficients that keep their level with few trials."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats
from analysis.dependent.multivariate import MultivariateFit
from analysis.dependent.robust import check_constraints, robust_covariance
from analysis.errors import EstimationError
from analysis.results import Result

FEW_CLUSTERS = 12
"""Below this number two signs give too few distinct draws and six-point weights are used."""
_FARTHEST = 50.0
"""Limits are looked for this many standard errors away."""
_WEBB = np.sqrt(np.array([1.5, 1.0, 0.5]))


@dataclass(frozen=True)
class WildBootstrap(Result):
    """Test of q linear hypotheses: the observed F-like statistic, its bootstrap p-value, draws and
    the distribution of the draws' weights (`rademacher` or `webb`)."""

    statistic: float
    pvalue: float
    draws: int
    weights: str
    clusters: int


def wild_bootstrap_test(
    fit: MultivariateFit,
    constraints: ArrayLike,
    values: ArrayLike = 0.0,
    *,
    draws: int = 1999,
    seed: int = 1,
) -> WildBootstrap:
    """Test C beta = values.

    constraints: C, q x p of full row rank. The fit's weights are kept; residuals of the model with
    the hypothesis imposed are multiplied by one random weight per trial, and the Wald statistic
    with CR1 is recomputed (Cameron, Gelbach and Miller 2008, Rev Econ Stat 90:414; Joshi,
    Pustejovsky and Beretvas 2022, Res Synth Methods 13:457). Rademacher weights, or the six-point
    ones of Webb with fewer than 12 trials.
    Raises `EstimationError` for constraints of the wrong width or fewer than 3 trials.
    """
    test = _prepare(fit, constraints, draws, seed)
    target = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if target.shape not in ((1,), test.c.shape[:1]) or not np.isfinite(target).all():
        raise EstimationError(
            f"values need a finite number per constraint ({test.c.shape[0]}), or one"
        )
    target = np.broadcast_to(target, (test.c.shape[0],))
    observed, repeated = test.statistics(target)
    pvalue = float((1 + np.count_nonzero(repeated >= observed * (1.0 - 1e-10))) / (draws + 1.0))
    return WildBootstrap(observed, pvalue, draws, test.kind, test.clusters)


@dataclass(frozen=True)
class BootstrapInterval(Result):
    """Values of one linear combination that the bootstrap test does not reject."""

    estimate: float
    lower: float
    upper: float
    level: float
    draws: int
    weights: str


def wild_bootstrap_interval(
    fit: MultivariateFit,
    contrast: ArrayLike,
    *,
    level: float = 0.95,
    draws: int = 1999,
    seed: int = 1,
) -> BootstrapInterval:
    """Confidence interval of c'beta by inverting `wild_bootstrap_test` (the same draws at every
    value). A limit that is not found within 50 CR1 standard errors is infinite."""
    test = _prepare(fit, contrast, draws, seed)
    if test.c.shape[0] != 1:
        raise EstimationError(f"an interval is of one contrast, found {test.c.shape[0]}")
    estimate = float(test.c[0] @ fit.beta)
    scale = math.sqrt(robust_covariance(fit, "CR1").variance(test.c[0]))

    def rejected(value: float) -> bool:
        observed, repeated = test.statistics(np.array([value]))
        share = (1 + np.count_nonzero(repeated >= observed * (1.0 - 1e-10))) / (draws + 1.0)
        return bool(share <= 1.0 - level)

    ends = [_limit(rejected, estimate, sign * scale) for sign in (-1.0, 1.0)]
    return BootstrapInterval(estimate, ends[0], ends[1], level, draws, test.kind)


def _limit(rejected: Callable[[float], bool], estimate: float, step: float) -> float:
    """Where rejection begins in one direction, by doubling and bisection."""
    inside, outside = 0.0, 2.0
    while not rejected(estimate + outside * step):
        if outside == _FARTHEST:
            return math.copysign(math.inf, step)
        inside, outside = outside, min(2.0 * outside, _FARTHEST)
    for _ in range(40):
        middle = (inside + outside) / 2.0
        rejects = rejected(estimate + middle * step)
        inside, outside = (inside, middle) if rejects else (middle, outside)
    return estimate + step * (inside + outside) / 2.0


@dataclass(frozen=True)
class _Test:
    """What every draw needs. carried: residuals of each of m trials, carried to the coefficients
    (m x p); carried_x: its columns likewise (m x p x p); lift: how the coefficients move (p x q)
    when C beta does; signs: draws x m."""

    c: Floats
    beta: Floats
    carried: Floats
    carried_x: Floats
    lift: Floats
    signs: Floats
    factor: float
    kind: str
    clusters: int

    def statistics(self, values: Floats) -> tuple[float, Floats]:
        """Observed statistic for C beta = values, and that of every draw."""
        gap = self.c @ self.beta - values
        observed = _wald(gap, self.carried @ self.c.T, self.factor)
        # Residuals with the hypothesis imposed are e + X lift gap.
        imposed = self.carried + self.carried_x @ (self.lift @ gap)
        change = self.signs @ imposed
        moved = change @ self.c.T
        own = imposed @ self.c.T
        pulled = np.einsum("qr,mrp,bp->bmq", self.c, self.carried_x, change, optimize=True)
        contributions = self.signs[:, :, None] * own[None, :, :] - pulled
        meat = self.factor * np.einsum("bmq,bmr->bqr", contributions, contributions)
        inverse = np.linalg.pinv(meat, hermitian=True)
        return observed, np.einsum("bq,bqr,br->b", moved, inverse, moved) / gap.size


def _wald(gap: Floats, contributions: Floats, factor: float) -> float:
    meat = factor * contributions.T @ contributions
    return float(gap @ np.linalg.pinv(meat, hermitian=True) @ gap) / gap.size


def _prepare(fit: MultivariateFit, constraints: ArrayLike, draws: int, seed: int) -> _Test:
    c, m = check_constraints(constraints, fit.blocks.p), fit.blocks.clusters
    if m < 3:
        raise EstimationError(f"a cluster wild bootstrap needs at least 3 trials, found {m}")
    if draws < 1:
        raise EstimationError(f"a bootstrap needs at least 1 draw, found {draws}")
    robust = robust_covariance(fit, "CR0")
    if np.isnan([robust.variance(one) for one in c]).any():
        raise EstimationError("a hypothesis rests on a single trial: there is nothing to resample")
    carried, columns = [], []
    for adjusted, x, group in zip(robust._adjusted, robust._xs, fit.blocks.groups, strict=True):
        residuals = group.y - group.x @ fit.beta
        carried.append(np.einsum("mdp,md->mp", adjusted, residuals))
        columns.append(np.einsum("mdp,mdq->mpq", adjusted, x))
    rng = np.random.default_rng(seed)
    kind = "webb" if m < FEW_CLUSTERS else "rademacher"
    choices = np.concatenate([-_WEBB, _WEBB]) if kind == "webb" else np.array([-1.0, 1.0])
    # Restricted GLS moves beta by -lift (C beta - values).
    lift = fit.vb @ c.T @ np.linalg.inv(c @ fit.vb @ c.T)
    return _Test(
        c, fit.beta, np.concatenate(carried), np.concatenate(columns), lift,
        rng.choice(choices, size=(draws, m)), m / (m - 1.0), kind, m,
    )  # fmt: skip
