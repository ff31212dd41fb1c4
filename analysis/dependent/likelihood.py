"""The likelihood of a multivariate random-effects model: its value, solution and derivatives at one
value of the variances, over stacked trials of equal size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.dependent.blocks import EffectBlocks


@dataclass(frozen=True)
class Pieces:
    """Marginal inverses per group, GLS solution and log-likelihood at one parameter value."""

    inverses: list[Floats]
    weighted_x: list[Floats]
    residuals: list[Floats]
    m: Floats
    beta: Floats
    loglik: float


def marginal_covariances(blocks: EffectBlocks, tau: Floats, omega: Floats) -> list[Floats]:
    """V_i + Tau + omega for each group of trials (m x d x d)."""
    out = []
    for group in blocks.groups:
        o = group.outcome
        sigma = group.v + tau[o[:, :, None], o[:, None, :]]
        d = o.shape[1]
        sigma[:, np.arange(d), np.arange(d)] += omega[o]
        out.append(sigma)
    return out


def solve(blocks: EffectBlocks, tau: Floats, omega: Floats, restricted: bool) -> Pieces:
    """Generalized least squares and the log-likelihood at these variances."""
    p = blocks.p
    information, xwy = np.zeros((p, p)), np.zeros(p)
    logdet = 0.0
    inverses, weighted_x = [], []
    for group, sigma in zip(blocks.groups, marginal_covariances(blocks, tau, omega), strict=True):
        inverse, own = _inverse_and_logdet(sigma)
        logdet += own
        wx = inverse @ group.x
        flat = wx.reshape(-1, p)
        information += group.x.reshape(-1, p).T @ flat
        xwy += flat.T @ group.y.ravel()
        inverses.append(inverse)
        weighted_x.append(wx)
    m = np.asarray(np.linalg.inv(information), dtype=np.float64)
    beta = m @ xwy
    residuals, rss = [], 0.0
    for group, inverse in zip(blocks.groups, inverses, strict=True):
        e = group.y - group.x @ beta
        r = (inverse @ e[:, :, None])[:, :, 0]
        rss += float(e.ravel() @ r.ravel())
        residuals.append(r)
    value = -0.5 * (logdet + rss)
    k = blocks.k
    if restricted:
        value += 0.5 * blocks.design_logdet
        value -= 0.5 * float(np.linalg.slogdet(information)[1])
        k -= p
    value -= 0.5 * k * math.log(2.0 * math.pi)
    return Pieces(inverses, weighted_x, residuals, m, beta, value)


def log_likelihood_at(blocks: EffectBlocks, tau: Floats, omega: Floats, restricted: bool) -> float:
    """Log-likelihood at given variances, the coefficients at their GLS values."""
    return solve(blocks, tau, omega, restricted).loglik


def _inverse_and_logdet(sigma: Floats) -> tuple[Floats, float]:
    """Inverses of m covariance matrices (m x d x d) and the sum of their log determinants."""
    d = sigma.shape[1]
    if d == 1:
        return 1.0 / sigma, float(np.log(sigma).sum())
    if d == 2:
        a, b, c = sigma[:, 0, 0], sigma[:, 0, 1], sigma[:, 1, 1]
        # As a (c - b^2 / a), which keeps its digits when the correlation is high.
        rest = c - b * b / a
        inverse = np.empty_like(sigma)
        inverse[:, 0, 1] = inverse[:, 1, 0] = -b / (a * rest)
        inverse[:, 1, 1] = 1.0 / rest
        inverse[:, 0, 0] = (1.0 + b * b / (a * rest)) / a
        return inverse, float(np.log(a * rest).sum())
    inverse = np.asarray(np.linalg.inv(sigma), dtype=np.float64)
    return inverse, float(np.linalg.slogdet(sigma)[1].sum())


def variance_basis(blocks: EffectBlocks, taus: list[Floats], omegas: list[Floats]) -> list[Floats]:
    """Per group the derivatives of the marginal covariances with respect to every element of Tau
    and omega, flattened (elements x m d d). They do not depend on the parameters."""
    out = []
    for group in blocks.groups:
        o = group.outcome
        d = o.shape[1]
        e = np.array([tau[o[:, :, None], o[:, None, :]] for tau in taus])
        e[:, :, np.arange(d), np.arange(d)] += np.array([omega[o] for omega in omegas])
        out.append(e.reshape(len(taus), -1))
    return out


def variance_score(pieces: Pieces, basis: list[Floats], restricted: bool) -> Floats:
    """Derivative of the log-likelihood for the elements of Tau and omega.

    Every element acts through the covariances alone, so it is half the inner product of its
    derivative with r r' - Sigma^-1, to which REML adds W X (X'WX)^-1 X'W.
    """
    score = np.zeros(basis[0].shape[0])
    for flat, inverse, wx, r in zip(
        basis, pieces.inverses, pieces.weighted_x, pieces.residuals, strict=True
    ):
        pull = r[:, :, None] * r[:, None, :] - inverse
        if restricted:
            pull = pull + (wx @ pieces.m) @ wx.transpose(0, 2, 1)
        score += 0.5 * (flat @ pull.ravel())
    return score


def element_derivatives(
    blocks: EffectBlocks,
    pieces: Pieces,
    taus: list[Floats],
    omegas: list[Floats],
    restricted: bool,
) -> tuple[Floats, Floats]:
    """Observed and expected information for the elements of Tau and omega."""
    count, p = len(taus), blocks.p
    basis = variance_basis(blocks, taus, omegas)
    first = np.zeros((count, p, p))
    wewe, xwu, uwu = np.zeros((count, count)), np.zeros((count, p)), np.zeros((count, count))
    xwewex = np.zeros((count, count, p, p))
    for g, group in enumerate(blocks.groups):
        inverse, wx, r = pieces.inverses[g], pieces.weighted_x[g], pieces.residuals[g]
        e = basis[g].reshape(count, *group.v.shape)
        u = np.einsum("amde,me->amd", e, r)
        ewx = e @ wx
        first += np.einsum("mdp,amdq->apq", wx, ewx)
        we = inverse @ e
        wewe += np.einsum("amde,bmed->ab", we, we)
        xwu += np.einsum("mdp,amd->ap", wx, u)
        uwu += np.einsum("amd,bmd->ab", u, np.einsum("mde,bme->bmd", inverse, u))
        xwewex += np.einsum("amdp,bmdq->abpq", ewx, inverse @ ewx)
    quadratic = uwu - xwu @ pieces.m @ xwu.T
    trace = wewe.copy()
    if restricted:
        trace -= 2.0 * np.einsum("pq,abqp->ab", pieces.m, xwewex)
        ma = np.einsum("pq,aqr->apr", pieces.m, first)
        trace += np.einsum("apq,bqp->ab", ma, ma)
    expected = 0.5 * trace
    observed = quadratic - expected
    return (observed + observed.T) / 2.0, (expected + expected.T) / 2.0
