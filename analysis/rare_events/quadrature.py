"""Integrals of k likelihoods over normal effects by adaptive Gauss-Hermite quadrature.

The nodes are laid around the mode of every integrand with its curvature there (Liu and Pierce
1994, Biometrika 81:624); a single node is Laplace's approximation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import special

from analysis.arrays import Floats
from analysis.rare_events.counts import Terms

NODES = 41
"""In one dimension."""
_MOST_STEPS = 60


@dataclass(frozen=True)
class Integrals:
    """k integrals: their logarithms (k), the nodes (k x m), the share of the integral at each (k x
    m), the posterior distribution of the effect, and the slopes of the log-probability there."""

    log: Floats
    nodes: Floats
    posterior: Floats
    slopes: Floats

    def likelihood(self, mu: float, tau2: float) -> tuple[float, Floats]:
        """Sum of the logarithms, and its gradient in (mu, log tau)."""
        slope = float((self.posterior * self.slopes).sum())
        away = float((self.posterior * (self.nodes - mu) ** 2).sum())
        spread = away / tau2 - self.log.size if tau2 > 0.0 else 0.0
        return float(self.log.sum()), np.array([slope, spread])

    def mean(self, values: Floats) -> Floats:
        """Posterior means (k) of values at the nodes (k x m)."""
        return np.asarray((self.posterior * values).sum(axis=1))


def integrate(terms: Terms, k: int, mu: float, tau2: float, nodes: int = NODES) -> Integrals:
    """Integrals of exp(terms) over N(mu, tau2); with tau2 = 0 the values at mu."""
    mode = np.full((k, 1), mu)
    if tau2 == 0.0:
        value, slope, _ = terms(mode)
        return Integrals(value[:, 0], mode, np.ones((k, 1)), slope)
    for _ in range(_MOST_STEPS):
        _, slope, curvature = terms(mode)
        step = (slope - (mode - mu) / tau2) / (1.0 / tau2 - curvature)
        mode = mode + np.clip(step, -3.0, 3.0)
        if float(np.abs(step).max()) < 1e-10:
            break
    z, log_weights = _rule(nodes)
    spread = 1.0 / np.sqrt(1.0 / tau2 - terms(mode)[2])
    at = mode + math.sqrt(2.0) * spread * z
    value, slopes, _ = terms(at)
    joint = value - 0.5 * (at - mu) ** 2 / tau2 + log_weights
    log = special.logsumexp(joint, axis=1)
    constant = np.log(spread[:, 0]) - 0.5 * math.log(math.pi * tau2)
    return Integrals(log + constant, at, np.exp(joint - log[:, None]), slopes)


Pairs = Callable[[Floats, Floats], tuple[Floats, ...]]
"""From two parameters (k x m each) the log-probability, its two slopes and three curvatures."""


def integrate_pairs(pairs: Pairs, k: int, mu: Floats, cov: Floats, nodes: int) -> Floats:
    """Logarithms of the k integrals of exp(pairs) over N(mu, cov) of two effects, `nodes` squared
    points each."""
    inverse: Floats = np.asarray(np.linalg.inv(cov), dtype=np.float64)
    mode = np.tile(mu, (k, 1))
    for _ in range(_MOST_STEPS):
        slope, information = _newton(pairs, mode, mu, inverse)
        step = np.linalg.solve(information, slope[:, :, None])[:, :, 0]
        mode = mode + np.clip(step, -3.0, 3.0)
        if float(np.abs(step).max()) < 1e-10:
            break
    z, log_weights = _rule(nodes)
    grid = np.stack(np.meshgrid(z, z, indexing="ij"), axis=-1).reshape(-1, 2)
    both = (log_weights[:, None] + log_weights[None, :]).ravel()
    spread = np.linalg.cholesky(np.linalg.inv(_newton(pairs, mode, mu, inverse)[1]))
    at = mode[:, None, :] + math.sqrt(2.0) * np.einsum("kij,mj->kmi", spread, grid)
    away = at - mu
    joint = pairs(at[..., 0], at[..., 1])[0] + both
    joint = joint - 0.5 * np.einsum("kmi,ij,kmj->km", away, inverse, away)
    log_size = np.log(np.einsum("kii->ki", spread)).sum(axis=1)
    constant = -math.log(math.pi) - 0.5 * float(np.linalg.slogdet(cov)[1])
    return np.asarray(special.logsumexp(joint, axis=1) + log_size + constant)


def _newton(pairs: Pairs, at: Floats, mu: Floats, inverse: Floats) -> tuple[Floats, Floats]:
    """Slopes (k x 2) and information (k x 2 x 2) of the integrands' logarithms."""
    _, s1, s2, c11, c12, c22 = (a[:, 0] for a in pairs(at[:, :1], at[:, 1:]))
    information = -np.stack([c11, c12, c12, c22], axis=1).reshape(-1, 2, 2) + inverse
    return np.stack([s1, s2], axis=1) - (at - mu) @ inverse, information


@cache
def _rule(nodes: int) -> tuple[Floats, Floats]:
    """Nodes of Gauss and Hermite, and the logarithms of their weights times exp(z^2)."""
    z, weights = np.polynomial.hermite.hermgauss(nodes)
    return z, z**2 + np.log(weights)
