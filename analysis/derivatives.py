"""Derivatives by central differences, where the analytic ones are not worth their length."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analysis.arrays import Floats


def difference_gradient(value: Callable[[Floats], float], at: Floats, step: float) -> Floats:
    """Slopes of a function of p numbers at `at` (p); 0 along those that are not finite."""
    out = np.zeros_like(at)
    for i in np.flatnonzero(np.isfinite(at)):
        shift = np.zeros_like(at)
        shift[i] = step
        out[i] = (value(at + shift) - value(at - shift)) / (2.0 * step)
    return out


def difference_hessian(slope: Callable[[Floats], Floats], at: Floats, step: Floats) -> Floats:
    """Second derivatives (p x p, symmetric) from a gradient; step: p steps."""
    out = np.empty((at.size, at.size))
    for i in range(at.size):
        shift = np.zeros_like(at)
        shift[i] = step[i]
        out[:, i] = (slope(at + shift) - slope(at - shift)) / (2.0 * step[i])
    return (out + out.T) / 2.0


def relative_steps(at: Floats) -> Floats:
    """Steps for a gradient that is exact: 1e-5, or that share of larger numbers."""
    return np.asarray(1e-5 * np.maximum(1.0, np.abs(at)))
