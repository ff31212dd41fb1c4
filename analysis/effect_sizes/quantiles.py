"""Mean and standard deviation from a printed median with quartiles, range or both."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.arrays import Floats, require
from analysis.effect_sizes.base import quiet, vectors
from analysis.results import Result


@dataclass(frozen=True)
class EstimatedMoments(Result):
    """Means and standard deviations read off quantiles, k of each.

    skewed: true where the quantiles are too lopsided for a normal sample of that size (tests of
    Shi et al. 2023, Stat Interface 16:551, at 5%): then the two numbers are poor. nan where a row
    has too few quantiles. method: the formulas used for each row (`range`, `quartiles`,
    `quartiles_and_range` or empty).
    """

    mean: Floats
    sd: Floats
    skewed: np.ndarray
    method: tuple[str, ...]


@quiet
def moments_from_quantiles(
    median: ArrayLike,
    ni: ArrayLike,
    *,
    q1: ArrayLike = math.nan,
    q3: ArrayLike = math.nan,
    minimum: ArrayLike = math.nan,
    maximum: ArrayLike = math.nan,
) -> EstimatedMoments:
    """Estimate means and standard deviations of normal outcomes.

    median, q1, q3, minimum, maximum: quantiles of k groups (nan where not printed); ni: persons.
    Means by Luo et al. (2018, Stat Methods Med Res 27:1785), standard deviations from range or
    quartiles by Wan et al. (2014, BMC Med Res Methodol 14:135) and from both by Shi et al. (2020,
    Res Synth Methods 11:641).
    Raises `EstimationError` for quantiles out of order or groups of 2 persons or fewer.
    """
    m, n, a, b, low, high = vectors(
        median=median, ni=ni, q1=q1, q3=q3, minimum=minimum, maximum=maximum
    )
    require(~(n <= 2), "quantiles of a group need more than 2 persons")
    require(
        ~(a > m) & ~(m > b) & ~(low > m) & ~(m > high) & ~(low > a) & ~(b > high),
        "quantiles must be in order: minimum, q1, median, q3, maximum",
    )
    quartiles, extremes = np.isfinite(a + b + m), np.isfinite(low + high + m)
    both = quartiles & extremes
    z_range = special.ndtri((n - 0.375) / (n + 0.25))
    z_quartile = special.ndtri((0.75 * n - 0.125) / (n + 0.25))
    hinge, middle, width, iqr = (a + b) / 2.0, (low + high) / 2.0, high - low, b - a
    w = 4.0 / (4.0 + n**0.75)
    by_range = (w * middle + (1.0 - w) * m, width / (2.0 * z_range))
    w = 0.7 + 0.39 / n
    by_quartiles = (w * hinge + (1.0 - w) * m, iqr / (2.0 * z_quartile))
    w1, w2 = 2.2 / (2.2 + n**0.75), 0.7 - 0.72 / n**0.55
    theta1 = (2.0 + 0.14 * n**0.6) * z_range
    theta2 = (2.0 + 2.0 / (0.07 * n**0.6)) * z_quartile
    by_both = (
        w1 * middle + w2 * hinge + (1.0 - w1 - w2) * m,
        width / theta1 + iqr / theta2,
    )
    known = [both, quartiles, extremes]
    mean, sd = (
        np.select(known, [x, y, z], np.nan)
        for x, y, z in zip(by_both, by_quartiles, by_range, strict=True)
    )
    names = np.select(known, ["quartiles_and_range", "quartiles", "range"], "")
    skewed = _skewed(known, n, _lopsided(low + high - 2 * m, width), _lopsided(a + b - 2 * m, iqr))
    return EstimatedMoments(mean, sd, skewed, tuple(str(name) for name in names))


def _lopsided(shift: Floats, width: Floats) -> Floats:
    """Distance of the middle from the median in units of the width; 0 where all are equal."""
    return np.asarray(np.abs(shift) / np.where(width == 0.0, 1.0, width))


def _skewed(known: list[np.ndarray], n: Floats, by_range: Floats, by_quartiles: Floats) -> Floats:
    """Statistic above its critical value, for each set of quantiles."""
    with np.errstate(invalid="ignore"):
        both = np.fmax(2.65 * np.log(0.6 * n) / np.sqrt(n) * by_range, by_quartiles)
        return np.asarray(
            np.select(
                known,
                [
                    both > 2.97 / np.sqrt(n) - 39.1 / n**3,
                    by_quartiles > 2.65 / np.sqrt(n) - 6.0 / n**2,
                    by_range > 1.01 / np.log(n + 9.0) + 2.43 / (n + 1.0),
                ],
                False,
            )
        )
