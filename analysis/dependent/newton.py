"""Newton steps for many small maximizations at once, each damped where its function would fall."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats

Rows = np.ndarray
Objective = Callable[[Floats, Rows], tuple[Floats, Floats, Floats]]
"""Points (B x n) and which of the problems they belong to (B) -> the functions to maximize (B),
minus their slopes (B x n) and minus their second derivatives (B x n x n)."""

CONVERGED = 1e-10
"""Slope at which a search ends."""
_MOST_STEPS = 200
_STUCK = 1e8


@dataclass(frozen=True)
class Climbed:
    """Where B searches ended: points (B x n), values (B) and the largest slope left at each (B)."""

    theta: Floats
    value: Floats
    left: Floats


def climb(objective: Objective, theta: Floats) -> Climbed:
    """Search B maxima from the points theta (B x n).

    A step is taken where the value does not fall; else it is shortened by damping the second
    derivatives, whose eigenvalues count as positive, so that no search ends at a saddle that it
    does not start from.
    """
    count = theta.shape[0]
    best, value, left = theta.copy(), np.full(count, -np.inf), np.full(count, np.inf)
    rows, damping = np.arange(count), np.full(count, 1e-3)
    state = objective(theta, rows)
    for _ in range(_MOST_STEPS):
        steep = np.abs(state[1]).max(axis=1)
        best[rows], value[rows], left[rows] = theta, state[0], steep
        active = (steep > CONVERGED) & (damping <= _STUCK)
        if not active.any():
            break
        if not active.all():
            rows, damping, theta = rows[active], damping[active], theta[active]
            state = (state[0][active], state[1][active], state[2][active])
        candidate = theta + _step(state[1], state[2], damping)
        after = objective(candidate, rows)
        slack = 1e-13 * np.maximum(1.0, np.abs(state[0]))
        better = after[0] >= state[0] - slack
        damping = np.where(better, np.maximum(damping * 0.1, 1e-12), damping * 10.0)
        theta = np.where(better[:, None], candidate, theta)
        state = (
            np.where(better, after[0], state[0]), np.where(better[:, None], after[1], state[1]),
            np.where(better[:, None, None], after[2], state[2]),
        )  # fmt: skip
    return Climbed(best, value, left)


def _step(slope: Floats, hessian: Floats, damping: Floats) -> Floats:
    """Newton step of every problem, with eigenvalues made positive and damped."""
    values, vectors = np.linalg.eigh(hessian)
    size = np.abs(values)
    largest = np.maximum(size.max(axis=1, keepdims=True), 1e-12)
    size = np.maximum(size, 1e-10 * largest) + damping[:, None] * largest
    inner = (vectors.swapaxes(1, 2) @ slope[:, :, None])[:, :, 0] / size
    return np.asarray(-(vectors @ inner[:, :, None])[:, :, 0], dtype=np.float64)
