"""Cluster-robust covariance of the coefficients: CR0, CR1, CR2 with Satterthwaite df.

Works on any fit of the form beta = (X'WX)^-1 X'Wy with W block diagonal by trial. CR2 is the
bias-reduced linearization of Bell and McCaffrey in the form of Pustejovsky and Tipton (2018,
J Bus Econ Stat 36:672), as clubSandwich computes it for inverse-variance weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.blocks import make_blocks
from analysis.errors import EstimationError
from analysis.multivariate import MultivariateFit, marginal_covariances

CORRECTIONS = {
    "CR0": "no small-sample correction",
    "CR1": "m / (m - 1)",
    "CR1p": "m / (m - p)",
    "CR2": "bias-reduced linearization, Satterthwaite df",
}


@dataclass(frozen=True)
class RobustCovariance:
    """Cluster-robust covariance (p x p) and what Satterthwaite df of contrasts need.

    influence: p x m, the contribution of each trial to each coefficient (adjusted residuals);
    the covariance is influence @ influence.T.
    """

    correction: str
    vcov: Floats
    influence: Floats
    clusters: int
    _adjusted: tuple[Floats, ...]
    _sigmas: tuple[Floats, ...]
    _xs: tuple[Floats, ...]
    _m: Floats

    @property
    def se(self) -> Floats:
        return np.sqrt(np.diag(self.vcov))

    def variance(self, contrast: Floats) -> float:
        return float(contrast @ self.vcov @ contrast)

    def df(self, contrast: Floats) -> float:
        """Satterthwaite df of c'beta (Pustejovsky and Tipton 2018, eq. 12), m - p for CR1."""
        if self.correction != "CR2":
            return float(self.clusters - self._m.shape[0])
        # g_i = A_i' W_i X_i M c; the quadratic form is sum (g_i' e_i)^2 with
        # Cov(e_i, e_j) = [i = j] Sigma_i - X_i M X_j'.
        own, cross = [], []
        for adjusted, sigma, x in zip(self._adjusted, self._sigmas, self._xs, strict=True):
            g = np.einsum("mdp,p->md", adjusted, contrast)
            own.append(np.einsum("md,mde,me->m", g, sigma, g))
            cross.append(np.einsum("md,mdp->mp", g, x))
        diagonal, b = np.concatenate(own), np.concatenate(cross)
        # With A = b M b' the matrix of products is diag(own) - A; its squared Frobenius norm
        # needs only p x p pieces, so the cost stays linear in trials.
        bm = b @ self._m
        a_diagonal = np.einsum("mp,mp->m", bm, b)
        gram = self._m @ (b.T @ b)
        squared = float((diagonal**2).sum() - 2.0 * (diagonal * a_diagonal).sum())
        squared += float(np.trace(gram @ gram))
        total = float((diagonal - a_diagonal).sum())
        return total**2 / squared if squared > 0 else math.nan


def robust_covariance(fit: MultivariateFit, correction: str = "CR2") -> RobustCovariance:
    """Cluster-robust covariance of a multivariate fit, clustered by its trials.

    The working model is the fitted marginal covariance, the weights its inverse.
    Raises `EstimationError` with fewer than 2 trials.
    """
    if correction not in CORRECTIONS:
        raise EstimationError(f"unknown correction {correction!r}; known: {', '.join(CORRECTIONS)}")
    blocks = fit.blocks
    if blocks.clusters < 2:
        raise EstimationError("a cluster-robust variance needs at least 2 trials")
    sigmas = marginal_covariances(blocks, fit.tau, fit.omega)
    m = fit.vb
    adjusted, columns, order = [], [], []
    for group, sigma in zip(blocks.groups, sigmas, strict=True):
        inverse = np.linalg.inv(sigma)
        bread = inverse @ group.x @ m
        if correction == "CR2":
            bread = np.swapaxes(_cr2(sigma, group.x, m), 1, 2) @ bread
        residuals = group.y - group.x @ fit.beta
        adjusted.append(bread)
        columns.append(np.einsum("mdp,md->pm", bread, residuals))
        order.append(blocks.cluster[group.rows[:, 0]])
    influence = np.empty((blocks.p, blocks.clusters))
    influence[:, np.concatenate(order)] = np.concatenate(columns, axis=1)
    trials = blocks.clusters
    factor = {
        "CR0": 1.0,
        "CR1": trials / (trials - 1.0),
        "CR2": 1.0,
        "CR1p": trials / (trials - blocks.p) if trials > blocks.p else math.nan,
    }[correction]
    influence = influence * math.sqrt(factor)
    return RobustCovariance(
        correction,
        influence @ influence.T,
        influence,
        trials,
        tuple(adjusted),
        tuple(sigmas),
        tuple(group.x for group in blocks.groups),
        m,
    )


def _cr2(sigma: Floats, x: Floats, m: Floats) -> Floats:
    """A_i = D_i' B_i^{+1/2} D_i with D_i the upper Cholesky factor of Sigma_i and
    B_i = D_i (Sigma_i - X_i M X_i') D_i', pseudo-inverted (m x d x d)."""
    upper = np.swapaxes(np.linalg.cholesky(sigma), 1, 2)
    inner = sigma - x @ m @ np.swapaxes(x, 1, 2)
    b = upper @ inner @ np.swapaxes(upper, 1, 2)
    values, vectors = np.linalg.eigh((b + np.swapaxes(b, 1, 2)) / 2.0)
    tolerance = values.max(axis=1, keepdims=True) * 1e-12
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.where(values > tolerance, 1.0 / np.sqrt(values), 0.0)
    middle = np.einsum("mde,me,mfe->mdf", vectors, root, vectors)
    return np.asarray(np.swapaxes(upper, 1, 2) @ middle @ upper)


def cluster_robust_mean(
    yi: Floats, vi: Floats, tau2: float, cluster: list[str], correction: str = "CR1p"
) -> tuple[float, float, float]:
    """Mean with weights 1/(vi + tau2), robust standard error by cluster, and its df.

    With `CR1p` this is what metafor's `robust()` reports after `rma()`.
    """
    sampling = np.asarray(vi, dtype=float) + tau2
    blocks = make_blocks(yi, sampling, cluster)
    from analysis.multivariate import fit_multivariate

    fit = fit_multivariate(blocks, structure="NONE")
    robust = robust_covariance(fit, correction)
    return float(fit.beta[0]), float(robust.se[0]), robust.df(np.ones(1))
