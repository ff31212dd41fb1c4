"""Bracketing root finders, used wherever an estimator solves an equation in one unknown."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analysis.arrays import Floats
from analysis.errors import EstimationError

_MOST_STEPS = 200


def find_root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return x in [low, high] with function(x) = 0, to about 1e-15 relative.

    Chandrupatla's method (1997, Advances in Engineering Software 28:145): inverse quadratic
    steps when they are safe, bisection otherwise. Raises `EstimationError` when the ends do
    not bracket a root.
    """
    a, b = low, high
    fa, fb = function(a), function(b)
    if fa == 0.0:
        return a
    if fb == 0.0:
        return b
    if not fa * fb < 0.0:
        raise EstimationError(f"no sign change between {low:g} and {high:g}")
    c, fc, t = a, fa, 0.5
    for _ in range(_MOST_STEPS):
        x = a + t * (b - a)
        fx = function(x)
        if fx * fa > 0.0:
            c, fc, a, fa = a, fa, x, fx
        else:
            c, fc, b, fb, a, fa = b, fb, a, fa, x, fx
        best, f_best = (a, fa) if abs(fa) < abs(fb) else (b, fb)
        tolerance = 4e-16 * abs(best) + 5e-324
        if f_best == 0.0 or abs(b - a) <= 2.0 * tolerance:
            return best
        shortest = min(0.5, tolerance / abs(b - a))
        t = min(max(_next_step(a, b, c, fa, fb, fc), shortest), 1.0 - shortest)
    return best


def _next_step(a: float, b: float, c: float, fa: float, fb: float, fc: float) -> float:
    """Inverse quadratic step as a share of [a, b], or one half where it is not safe."""
    if c == b or fc in (fa, fb) or fb == fa:
        return 0.5
    xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
    if not (phi**2 < xi and (1.0 - phi) ** 2 < 1.0 - xi):
        return 0.5
    alpha = (c - a) / (b - a)
    return fa / (fb - fa) * fc / (fb - fc) + alpha * fa / (fc - fa) * fb / (fc - fb)


def find_roots(
    function: Callable[[Floats], Floats],
    low: Floats,
    high: Floats,
    at_ends: tuple[Floats, Floats] | None = None,
) -> Floats:
    """`find_root` for many equations at once: element i solves function(x)[i] = 0 in
    [low[i], high[i]].

    function: takes and returns an array of the shape of `low`; every element is evaluated in
    every step, the ones that are solved with their solution. at_ends: its values at low and high,
    where they are known already. Raises `EstimationError` when the
    ends of some element do not bracket a root.
    """
    a, b = low.astype(float), high.astype(float)
    fa, fb = at_ends if at_ends is not None else (function(a), function(b))
    without = ~(fa * fb <= 0.0)
    if bool(without.any()):
        raise EstimationError(f"no sign change for {int(without.sum())} equations")
    a, fa = np.where(fb == 0.0, b, a), np.where(fb == 0.0, fb, fa)
    best = a.copy()
    done = fa == 0.0
    c, fc, t = a.copy(), fa.copy(), np.full(a.shape, 0.5)
    for _ in range(_MOST_STEPS):
        x = np.where(done, best, a + t * (b - a))
        fx = function(x)
        same = fx * fa > 0.0
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        b, fb = np.where(same, b, a), np.where(same, fb, fa)
        a, fa = x, fx
        nearer = np.abs(fa) < np.abs(fb)
        now = np.where(nearer, a, b)
        tolerance = 4e-16 * np.abs(now) + 5e-324
        width = np.abs(b - a)
        t = _next_steps(a, b, c, fa, fb, fc)
        # A trusted step below the tolerance ends the search as well as a closed bracket does.
        still = (np.abs(t) * width <= tolerance) & nearer
        solved = (np.where(nearer, fa, fb) == 0.0) | (width <= 2.0 * tolerance) | still
        best = np.where(done, best, now)
        done = done | solved
        if bool(done.all()):
            break
        shortest = np.minimum(0.5, tolerance / np.where(width > 0.0, width, 1.0))
        t = np.clip(t, shortest, 1.0 - shortest)
    return best


def _next_steps(a: Floats, b: Floats, c: Floats, fa: Floats, fb: Floats, fc: Floats) -> Floats:
    """`_next_step` for arrays."""
    with np.errstate(all="ignore"):
        xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
        alpha = (c - a) / (b - a)
        step = fa / (fb - fa) * fc / (fb - fc) + alpha * fa / (fc - fa) * fb / (fc - fb)
        safe = (phi**2 < xi) & ((1.0 - phi) ** 2 < 1.0 - xi) & np.isfinite(step)
    return np.where(safe, step, 0.5)
