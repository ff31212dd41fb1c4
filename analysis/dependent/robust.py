"""Cluster-robust covariance of the coefficients: CR0, CR1, CR2 with Satterthwaite df and HTZ tests.

Works on any fit of the form beta = (X'WX)^-1 X'Wy with W block diagonal by trial. CR2 is the
bias-reduced linearization of Bell and McCaffrey in the form of Pustejovsky and Tipton (2018,
J Bus Econ Stat 36:672), as clubSandwich computes it for inverse-variance weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, named
from analysis.dependent.likelihood import marginal_covariances
from analysis.dependent.multivariate import MultivariateFit
from analysis.distributions import f_sf
from analysis.errors import EstimationError
from analysis.results import Result

CORRECTIONS = {
    "CR0": "no small-sample correction",
    "CR1": "m / (m - 1)",
    "CR1p": "m / (m - p)",
    "CR1S": "m (k - 1) / ((m - 1)(k - p)), as Stata",
    "CR2": "bias-reduced linearization, Satterthwaite df",
    "CR3": "leaves each trial out, approximately (jackknife)",
}


_NOTHING = 1e-10
"""Share of the model-based variance below which a robust one is an empty residual."""


@dataclass(frozen=True)
class RobustCovariance(Result):
    """Cluster-robust covariance (p x p) and what Satterthwaite df of contrasts need.

    beta: the p coefficients. influence: p x m, the contribution of each trial to each coefficient
    (adjusted residuals); the covariance is influence @ influence.T.
    """

    correction: str
    vcov: Floats
    influence: Floats
    clusters: int
    beta: Floats
    _adjusted: tuple[Floats, ...]
    _sigmas: tuple[Floats, ...]
    _xs: tuple[Floats, ...]
    _m: Floats

    @property
    def se(self) -> Floats:
        """Standard errors of the coefficients, nan as in `variance`."""
        return np.sqrt([self.variance(one) for one in np.eye(self.beta.size)])

    def variance(self, contrast: Floats) -> float:
        """Variance of c'beta; nan where the estimate rests on a single trial, whose residual is 0
        whatever its error."""
        value = float(contrast @ self.vcov @ contrast)
        return value if value > _NOTHING * float(contrast @ self._m @ contrast) else math.nan

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
    named(correction, CORRECTIONS, "correction")
    blocks = fit.blocks
    if blocks.clusters < 2:
        raise EstimationError("a cluster-robust variance needs at least 2 trials")
    sigmas = marginal_covariances(blocks, fit.tau, fit.omega)
    m = fit.vb
    adjusted, columns, order = [], [], []
    for group, sigma in zip(blocks.groups, sigmas, strict=True):
        inverse: Floats = np.asarray(np.linalg.inv(sigma), dtype=np.float64)
        bread = inverse @ group.x @ m
        if correction == "CR2":
            bread = np.swapaxes(_cr2(sigma, group.x, m), 1, 2) @ bread
        elif correction == "CR3":
            bread = np.swapaxes(_cr3(inverse, group.x, m), 1, 2) @ bread
        residuals = group.y - group.x @ fit.beta
        adjusted.append(bread)
        columns.append(np.einsum("mdp,md->pm", bread, residuals))
        order.append(blocks.cluster[group.rows[:, 0]])
    influence = np.empty((blocks.p, blocks.clusters))
    influence[:, np.concatenate(order)] = np.concatenate(columns, axis=1)
    influence = influence * math.sqrt(_factor(correction, blocks.k, blocks.p, blocks.clusters))
    return RobustCovariance(
        correction,
        influence @ influence.T,
        influence,
        blocks.clusters,
        fit.beta,
        tuple(adjusted),
        tuple(sigmas),
        tuple(group.x for group in blocks.groups),
        m,
    )


def _factor(correction: str, k: int, p: int, m: int) -> float:
    """Factor of a variance of m trials with k effects and p coefficients; nan where it divides by
    nothing."""
    if correction == "CR1":
        return m / (m - 1.0)
    if correction == "CR1S":
        return m * (k - 1.0) / ((m - 1.0) * (k - p)) if k > p else math.nan
    if correction == "CR1p":
        return m / (m - p) if m > p else math.nan
    return 1.0


@dataclass(frozen=True)
class WaldTest(Result):
    """Test of q linear hypotheses at once: F with df_num = q and df_denom, and its p-value (nan
    where the denominator df are not positive). method: `HTZ` for CR2, else the correction."""

    statistic: float
    df_num: int
    df_denom: float
    pvalue: float
    method: str


def check_constraints(constraints: ArrayLike, p: int) -> Floats:
    """Linear hypotheses on p coefficients as a q x p matrix, refused when they are not finite, of
    the wrong width or depend on each other."""
    c = np.atleast_2d(np.asarray(constraints, dtype=np.float64))
    if c.shape[1] != p:
        raise EstimationError(f"constraints need {p} columns, one per coefficient, found {c.shape}")
    if not np.isfinite(c).all():
        raise EstimationError("constraints must be finite")
    if np.linalg.matrix_rank(c) < c.shape[0]:
        raise EstimationError(f"the {c.shape[0]} constraints depend on each other")
    return c


REFERENCES = {
    "HTZ": "approximate Hotelling's T-squared, for CR2",
    "F": "F with m - p df",
    "naive_F": "F with m - 1 df",
    "chi_squared": "as if there were endless trials",
}
"""Distributions that the robust Wald statistic is compared with."""


def wald_test(
    robust: RobustCovariance, constraints: ArrayLike, *, reference: str | None = None
) -> WaldTest:
    """Test C beta = 0 with a cluster-robust covariance.

    constraints: C, q x p of full row rank. reference: one of `REFERENCES`; `HTZ` for CR2 and `F`
    for other corrections unless given, the last two for comparison with published analyses.
    HTZ is the approximate Hotelling's T-squared test of Pustejovsky and Tipton (2018, section 4):
    with eta from the variance of the standardized covariance under the working model,
    F = (eta - q + 1) / (eta q) Q on q and eta - q + 1 df. The others take F = Q / q.
    Raises `EstimationError` for constraints of the wrong size or that depend on each other, and
    when one of them rests on a single trial.
    """
    p = robust.vcov.shape[0]
    c = check_constraints(constraints, p)
    q = c.shape[0]
    estimate, covariance = c @ robust.beta, c @ robust.vcov @ c.T
    root = np.linalg.inv(np.linalg.cholesky(c @ robust._m @ c.T))
    if not np.linalg.eigvalsh(root @ covariance @ root.T)[0] > _NOTHING:
        raise EstimationError("a hypothesis rests on a single trial: its robust variance is 0")
    statistic = float(estimate @ np.linalg.solve(covariance, estimate))
    chosen = reference or ("HTZ" if robust.correction == "CR2" else "F")
    named(chosen, REFERENCES, "reference distribution")
    if chosen == "HTZ" and robust.correction != "CR2":
        raise EstimationError(f"HTZ is a test for CR2, not for {robust.correction}")
    if chosen != "HTZ":
        df = {"F": robust.clusters - p, "naive_F": robust.clusters - 1.0}.get(chosen, math.inf)
        method = robust.correction if reference is None else f"{robust.correction}/{chosen}"
        return WaldTest(statistic / q, q, df, _f_p(statistic / q, q, df), method)
    eta = _hotelling_df(robust, c)
    df = eta - q + 1.0
    f = df / (eta * q) * statistic
    return WaldTest(f, q, df, _f_p(f, q, df), "HTZ")


def _f_p(f: float, df_num: int, df_denom: float) -> float:
    return f_sf(f, df_num, df_denom) if df_denom > 0 else math.nan


def _hotelling_df(robust: RobustCovariance, c: Floats) -> float:
    """eta = q (q + 1) over the summed variances of the elements of the standardized covariance.

    Trial j contributes z_j with Cov(z_j, z_k) = [j = k] D_j - U_j M U_k'; sums over pairs of
    trials are products of p x p pieces, so the cost is linear in trials.
    """
    own, cross = [], []
    for adjusted, sigma, x in zip(robust._adjusted, robust._sigmas, robust._xs, strict=True):
        e = np.einsum("mdp,qp->mqd", adjusted, c)
        own.append(e @ sigma @ np.swapaxes(e, 1, 2))
        cross.append(e @ x)
    d, u = np.concatenate(own), np.concatenate(cross)
    m = robust._m
    expected = (d - u @ m @ np.swapaxes(u, 1, 2)).sum(axis=0)
    values, vectors = np.linalg.eigh(expected)
    root = vectors @ np.diag(1.0 / np.sqrt(values)) @ vectors.T
    d, u = root @ d @ root, root @ u
    a = u @ m @ np.swapaxes(u, 1, 2)
    g = np.einsum("jsa,jtc->stac", u, u)
    mgm = np.einsum("ab,stbd,dc->stac", m, g, m)
    total = float(np.einsum("stac,stac->", g, mgm) + np.einsum("stac,tsac->", g, mgm))
    for matrix, sign in ((d - a, 1.0), (a, -1.0)):
        traces = np.einsum("jss->j", matrix)
        total += sign * float((traces**2).sum() + np.einsum("jst,jts->", matrix, matrix))
    q = c.shape[0]
    return float(q * (q + 1.0) / total)


def _cr2(sigma: Floats, x: Floats, m: Floats) -> Floats:
    """A_i = D_i' B_i^{+1/2} D_i with D_i the upper Cholesky factor of Sigma_i and
    B_i = D_i (Sigma_i - X_i M X_i') D_i', pseudo-inverted (m x d x d)."""
    return adjustments(sigma, sigma - x @ m @ np.swapaxes(x, 1, 2))


def adjustments(sigma: Floats, rest: Floats) -> Floats:
    """D' (D rest D')^{+1/2} D with D the upper Cholesky factor of sigma (... x d x d)."""
    upper = np.swapaxes(np.linalg.cholesky(sigma), -1, -2)
    b = upper @ rest @ np.swapaxes(upper, -1, -2)
    values, vectors = np.linalg.eigh((b + np.swapaxes(b, -1, -2)) / 2.0)
    tolerance = values.max(axis=-1, keepdims=True) * 1e-12
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.where(values > tolerance, 1.0 / np.sqrt(values), 0.0)
    middle = (vectors * root[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    return np.asarray(np.swapaxes(upper, -1, -2) @ middle @ upper)


def _cr3(inverse: Floats, x: Floats, m: Floats) -> Floats:
    """A_i = (I - X_i M X_i' W_i)^-1 (m x d x d); pseudo-inverted where a trial alone determines a
    coefficient."""
    d = x.shape[1]
    leverage = x @ m @ np.swapaxes(x, 1, 2) @ inverse
    return np.asarray(np.linalg.pinv(np.eye(d)[None] - leverage, rcond=1e-10))
