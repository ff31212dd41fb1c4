"""Confidence set of a ratio of two correlated estimates."""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.errors import EstimationError
from analysis.results import Result

FIELLER_KINDS = {
    "interval": "a bounded interval from lower to upper",
    "two_rays": "everything below lower and everything above upper (unbounded)",
    "half_line": "everything on one side of a limit; the other limit is infinite",
    "everything": "every value: the denominator says nothing at this level",
}


@dataclass(frozen=True)
class FiellerSet(Result):
    """Fieller's confidence set of numerator / denominator.

    kind: one of `FIELLER_KINDS`; lower and upper are infinite for `everything`. g: squared
    relative critical uncertainty of the denominator; the set is bounded only when g < 1.
    """

    kind: str
    lower: float
    upper: float
    g: float


def fieller_set(
    numerator: float,
    denominator: float,
    var_num: float,
    var_den: float,
    cov: float,
    critical: float,
) -> FiellerSet:
    """All ratios r with (numerator - r denominator)^2 <= critical^2 Var(numerator - r denominator).

    Fieller (1954, J R Stat Soc B 16:175). Solves the quadratic a r^2 - 2 b r + c <= 0.
    Raises `EstimationError` for inputs that are not finite.
    """
    if not all(math.isfinite(x) for x in (numerator, denominator, var_num, var_den, cov, critical)):
        raise EstimationError("the ratio has no confidence set: an input is not finite")
    q = critical**2
    a = denominator**2 - q * var_den
    b = numerator * denominator - q * cov
    c = numerator**2 - q * var_num
    g = q * var_den / denominator**2 if denominator != 0 else math.inf
    if a == 0.0 and b != 0.0:
        edge = c / (2.0 * b)
        return FiellerSet("half_line", *((edge, math.inf) if b > 0 else (-math.inf, edge)), g)
    discriminant = b * b - a * c
    if a > 0:
        root = math.sqrt(max(0.0, discriminant))
        return FiellerSet("interval", (b - root) / a, (b + root) / a, g)
    if discriminant > 0 and a < 0:
        root = math.sqrt(discriminant)
        ends = sorted(((b - root) / a, (b + root) / a))
        return FiellerSet("two_rays", ends[0], ends[1], g)
    return FiellerSet("everything", -math.inf, math.inf, g)
