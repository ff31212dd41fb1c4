"""A confidence interval about the fixed-effect mean that allows for heterogeneity."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.arrays import check_estimates
from analysis.distributions import legendre, normal_pdf
from analysis.errors import EstimationError
from analysis.results import Result
from analysis.rootfinding import find_root
from analysis.univariate.tau2 import estimate_tau2

_POINTS = 200


@dataclass(frozen=True)
class HenmiCopas(Result):
    """Fixed-effect mean of k studies with the standard error under DL heterogeneity and limits."""

    k: int
    mu: float
    se: float
    ci_lb: float
    ci_ub: float
    tau2: float
    level: float
    method: str = "henmi_copas"


def henmi_copas(yi: ArrayLike, vi: ArrayLike, *, level: float = 0.95) -> HenmiCopas:
    """Henmi and Copas (2010, Stat Med 29:2969): weights 1/v, so that small studies, where selection
    is strongest, count less than under random effects; the interval from the joint distribution
    of the mean and Q under DL heterogeneity, Q given the mean approximated by a gamma.

    Raises `EstimationError` with fewer than 2 studies.
    """
    effects, variances = check_estimates(yi, vi)
    k = effects.size
    if k < 2:
        raise EstimationError("the interval needs at least 2 studies")
    w = 1.0 / variances
    w1 = float(w.sum())
    w2, w3, w4 = (float((w**power).sum()) / w1 for power in (2, 3, 4))
    mu = float(w @ effects) / w1
    tau2 = estimate_tau2(effects, variances, np.ones((k, 1)), "DL")
    vr = 1.0 + tau2 * w2
    sdr = math.sqrt(vr)

    nodes, weights = legendre(_POINTS)

    def excess(x: float) -> float:
        """P(mean sqrt(w1) > x f(Q)) less (1 - level)/2, f(Q) the root of 1 + w2 times the DL
        estimate from Q; over the standardized mean r."""
        low = x / sdr
        r = low + (nodes + 1.0) * (9.0 + low) / 2.0
        change = r**2 / vr - 1.0 / vr
        spread = (w3 - w2**2) * change
        eq = (k - 1.0) + tau2 * (w1 - w2) + tau2**2 * spread
        vq = (
            2.0 * (k - 1.0) + 4.0 * tau2 * (w1 - w2)
            + 2.0 * tau2**2 * (w1 * w2 - 2.0 * w3 + w2**2) + 4.0 * tau2**2 * spread
            + 4.0 * tau2**3 * change * (w4 - 2.0 * w2 * w3 + w2**3)
            + 2.0 * tau2**4 * (1.0 - 2.0 * r**2) / vr**2 * (w3 - w2**2) ** 2
        )  # fmt: skip
        vq = np.maximum(vq, 1e-12)
        largest = (w1 / w2 - 1.0) * ((r * sdr / x) ** 2 - 1.0) + (k - 1.0)
        below = special.gammainc(eq**2 / vq, np.maximum(largest, 0.0) * eq / vq)
        integral = float((weights * below * normal_pdf(r)).sum()) * (9.0 + low) / 2.0
        return integral - (1.0 - level) / 2.0

    t = find_root(excess, 1e-2, 100.0)
    half = sdr * t / math.sqrt(w1)
    return HenmiCopas(k, mu, sdr / math.sqrt(w1), mu - half, mu + half, tau2, level)
