"""Kenward and Roger's small-sample inference for random-effects meta-regression."""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.arrays import Floats
from analysis.results import Result
from analysis.univariate.least_squares import weighted_fit
from analysis.univariate.tau2 import tau2_standard_error


@dataclass(frozen=True)
class KenwardRoger(Result):
    """Adjusted covariance (p x p) of the coefficients and what df of contrasts need."""

    vcov: Floats
    _phi: Floats
    _change: Floats
    _tau2_variance: float

    def df(self, contrast: Floats) -> float:
        """Denominator df of one contrast, 2 (c'Phi c)^2 / (Var(tau2) (c'Phi P Phi c)^2): the
        general formula of Kenward and Roger for a single contrast. Infinite when the variance of
        the contrast does not depend on tau2."""
        first = float(contrast @ self._phi @ contrast)
        slope = float(contrast @ self._change @ contrast)
        if slope == 0.0:
            return math.inf
        return 2.0 * first**2 / (self._tau2_variance * slope**2)


def kenward_roger(yi: Floats, vi: Floats, design: Floats, tau2: float) -> KenwardRoger:
    """Kenward and Roger (1997, Biometrics 53:983) with tau2 as the only variance parameter.

    With Phi = (X'WX)^-1, P = -X'W^2X, Q = X'W^3X: Phi + 2 Var(tau2) Phi (Q - P Phi P) Phi, the
    variance of tau2 from its expected REML information. Meant for REML; recommended for few
    studies by Partlett and Riley (2017, Stat Med 36:301), and wide then.
    """
    wi = 1.0 / (vi + tau2)
    phi = weighted_fit(yi, wi, design).vb
    x = design
    p = -(x.T * wi**2) @ x
    q = (x.T * wi**3) @ x
    variance = tau2_standard_error(tau2, yi, vi, design, "REML") ** 2
    adjusted = phi + 2.0 * variance * phi @ (q - p @ phi @ p) @ phi
    return KenwardRoger((adjusted + adjusted.T) / 2.0, phi, -phi @ p @ phi, variance)
