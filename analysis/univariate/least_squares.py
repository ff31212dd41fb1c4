"""Weighted least squares with a few coefficients, and quantities read off it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats


@dataclass(frozen=True)
class WeightedFit:
    """Generalized least squares with weights w: beta (p), its covariance (p x p), weighted
    residual sum of squares and log determinant of X'WX."""

    beta: Floats
    vb: Floats
    rss: float
    logdet: float


def weighted_fit(yi: Floats, wi: Floats, design: Floats) -> WeightedFit:
    """Weighted least squares of yi on the design with weights wi (k).

    By QR of the design scaled with sqrt(wi): normal equations would lose digits with moderators
    such as years that are far from 0.
    """
    if design.shape[1] == 1:
        return _one_column_fit(yi, wi, design[:, 0])
    root = np.sqrt(wi)
    q, r = np.linalg.qr(design * root[:, None])
    inverse = np.linalg.inv(r)
    beta = inverse @ (q.T @ (root * yi))
    residuals = yi - design @ beta
    logdet = 2.0 * float(np.log(np.abs(np.diag(r))).sum())
    vb: Floats = np.asarray(inverse @ inverse.T, dtype=np.float64)
    return WeightedFit(beta, vb, float((wi * residuals**2).sum()), logdet)


def _one_column_fit(yi: Floats, wi: Floats, x: Floats) -> WeightedFit:
    """`weighted_fit` for a single coefficient, where the normal equation is one division."""
    wx = wi * x
    information = float(wx @ x)
    beta = float(wx @ yi) / information
    residuals = yi - x * beta
    rss = float((wi * residuals) @ residuals)
    vb = np.array([[1.0 / information]])
    return WeightedFit(np.array([beta]), vb, rss, math.log(information))


def trace_p(wi: Floats, design: Floats) -> float:
    """Trace of P = W - WX(X'WX)^-1 X'W."""
    vb = weighted_fit(np.zeros_like(wi), wi, design).vb
    leverage = np.einsum("kp,pq,kq->k", design, vb, design)
    return float((wi - wi**2 * leverage).sum())


def generalized_q(tau2: float, yi: Floats, vi: Floats, design: Floats) -> float:
    """Weighted residual sum of squares with weights 1/(vi + tau2); falls monotonically in tau2,
    and is Cochran's residual Q at tau2 = 0."""
    wi = 1.0 / (vi + tau2)
    if design.shape[1] == 1:
        x = design[:, 0]
        wx = wi * x
        residuals = yi - x * (float(wx @ yi) / float(wx @ x))
        return float((wi * residuals) @ residuals)
    return weighted_fit(yi, wi, design).rss
