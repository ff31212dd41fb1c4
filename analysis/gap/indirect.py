"""Indirect effects of an intervention on behavior through intention, in one trial and pooled."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, as_vectors, require
from analysis.dependent.blocks import make_blocks
from analysis.dependent.multivariate import MultivariateFit, fit_multivariate
from analysis.errors import EstimationError
from analysis.gap.correlation_matrices import correlation_covariance
from analysis.results import Result

PATHS = ("a", "b", "direct")


@dataclass(frozen=True)
class MediationPaths(Result):
    """Standardized paths of k trials: a (arm to intention), b (intention to behavior given arm),
    direct (arm to behavior given intention), their covariances (k x 3 x 3) and the indirect effect
    a b with its delta-method variance and covariance with the direct one."""

    a: Floats
    b: Floats
    direct: Floats
    covariance: Floats
    indirect: Floats
    indirect_variance: Floats
    indirect_direct_covariance: Floats


def paths_from_correlations(
    r_arm_intention: ArrayLike,
    r_arm_behavior: ArrayLike,
    r_intention_behavior: ArrayLike,
    ni: ArrayLike,
) -> MediationPaths:
    """Paths of trials that report the 3 x 3 correlation matrix of arm, intention and behavior.

    a = r_am, b = (r_mb - r_ab r_am)/(1 - r_am^2), direct = (r_ab - r_mb r_am)/(1 - r_am^2), with
    covariances carried from those of the correlations (Olkin and Siotani 1976) by the delta method.
    Everything is in units of the total standard deviations; from d, r = d/sqrt(d^2 + N^2/(n1 n2)).
    Raises `EstimationError` for matrices that are not positive definite, with the row.
    """
    ram, rab, rmb, n = as_vectors(
        r_arm_intention=r_arm_intention, r_arm_behavior=r_arm_behavior,
        r_intention_behavior=r_intention_behavior, ni=ni,
    )  # fmt: skip
    require(n > 3, "a trial needs more than 3 persons")
    determinant = 1.0 + 2.0 * ram * rab * rmb - ram**2 - rab**2 - rmb**2
    require((np.abs(ram) < 1) & (determinant > 0), "the three correlations contradict each other")
    rest = 1.0 - ram**2
    b, direct = (rmb - rab * ram) / rest, (rab - rmb * ram) / rest
    zero, one = np.zeros_like(ram), np.ones_like(ram)
    # Rows: a, b, direct; columns: r_am, r_ab, r_mb.
    jacobian = np.array([
        [one, zero, zero],
        [(2.0 * ram * b - rab) / rest, -ram / rest, one / rest],
        [(2.0 * ram * direct - rmb) / rest, one / rest, -ram / rest],
    ])  # fmt: skip
    jacobian = np.moveaxis(jacobian, 2, 0)
    correlations = np.array([
        correlation_covariance(np.array([[1.0, x, y], [x, 1.0, z], [y, z, 1.0]]), size)
        for x, y, z, size in zip(ram, rab, rmb, n, strict=True)
    ]).reshape(-1, 3, 3)  # fmt: skip
    covariance = jacobian @ correlations @ np.swapaxes(jacobian, 1, 2)
    gradient = np.stack([b, ram, zero], axis=1)
    variance = np.einsum("kp,kpq,kq->k", gradient, covariance, gradient)
    crossed = np.einsum("kp,kp->k", gradient, covariance[:, :, 2])
    return MediationPaths(ram, b, direct, covariance, ram * b, variance, crossed)


@dataclass(frozen=True)
class PooledIndirect(Result):
    """Mean paths over k trials and the mean indirect effect mu_a mu_b + tau_ab.

    product: mu_a mu_b alone; tau_ab: the between-trial covariance of a and b, which the product
    leaves out; indirect, direct and total with Monte Carlo limits; proportion: indirect over
    total, nan with a `reason` when the total is not clearly different from 0. status `ok`,
    `boundary`, or `no_tau_ab` where fewer than 5 trials leave tau_ab at 0.
    """

    k: int
    mu_a: float
    mu_b: float
    product: float
    tau_ab: float
    indirect: float
    indirect_lb: float
    indirect_ub: float
    direct: float
    direct_lb: float
    direct_ub: float
    total: float
    total_lb: float
    total_ub: float
    proportion: float
    proportion_lb: float
    proportion_ub: float
    level: float
    status: str
    reason: str


def pool_indirect(
    paths: MediationPaths,
    *,
    method: str = "REML",
    level: float = 0.95,
    draws: int = 20_000,
    seed: int = 1,
) -> PooledIndirect:
    """Pool (a, b, direct) jointly and form the mean indirect effect.

    E[a b] = mu_a mu_b + tau_ab over trials. Limits by Monte Carlo from the normal distributions of
    the means and of tau_ab (MacKinnon, Lockwood and Williams 2004), never from a normal
    approximation of the product. Intention is not randomized: an indirect effect is causal only if
    nothing else moves intention and behavior together.
    Raises `EstimationError` with fewer than 2 trials.
    """
    k = paths.a.size
    if k < 2:
        raise EstimationError("pooled paths need at least 2 trials")
    y = np.stack([paths.a, paths.b, paths.direct], axis=1).ravel()
    labels = [i for i in range(k) for _ in PATHS]
    blocks = make_blocks(y, list(paths.covariance), labels, list(PATHS) * k, outcome_names=PATHS)
    structure = "UN" if k >= 5 else "DIAG"
    fit = fit_multivariate(blocks, structure=structure, method=method)
    rng = np.random.default_rng(seed)
    means = rng.multivariate_normal(fit.beta, fit.vb, size=draws)
    tau_ab, extra = _tau_ab(fit, rng, draws)
    indirect = means[:, 0] * means[:, 1] + extra
    total = indirect + means[:, 2]
    point = float(fit.beta[0] * fit.beta[1]) + tau_ab
    tail = (1.0 - level) / 2.0

    def limits(values: Floats) -> tuple[float, float]:
        low, high = np.quantile(values, [tail, 1.0 - tail])
        return float(low), float(high)

    whole = point + float(fit.beta[2])
    total_lb, total_ub = limits(total)
    reason, proportion = "", (math.nan, math.nan, math.nan)
    if total_lb > 0.0 or total_ub < 0.0:
        proportion = (point / whole, *limits(indirect / total))
    else:
        reason = "the total effect is not clearly different from 0, so it has no proportion"
    status = fit.status if structure == "UN" else "no_tau_ab"
    return PooledIndirect(
        k, float(fit.beta[0]), float(fit.beta[1]), float(fit.beta[0] * fit.beta[1]), tau_ab, point,
        *limits(indirect), float(fit.beta[2]), *limits(means[:, 2]), whole, total_lb, total_ub,
        *proportion, level, status, reason,
    )  # fmt: skip


def _tau_ab(fit: MultivariateFit, rng: np.random.Generator, draws: int) -> tuple[float, Floats]:
    if fit.structure != "UN":
        return 0.0, np.zeros(draws)
    value = float(fit.tau[0, 1])
    i = fit.psi_names.index("tau_cov[0,1]")
    variance = float(fit.psi_vcov[i, i])
    if not (math.isfinite(variance) and variance > 0.0):
        return value, np.full(draws, value)
    bound = math.sqrt(float(fit.tau[0, 0] * fit.tau[1, 1]))
    drawn = rng.normal(value, math.sqrt(variance), draws)
    return value, np.clip(drawn, -2.0 * bound, 2.0 * bound) if bound > 0 else drawn
