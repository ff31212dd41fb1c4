"""Correlations: Fisher's z, conversion to d, and removal of the treatment part."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, as_vectors, require
from analysis.effect_sizes.base import EffectSizes


def fisher_z(ri: ArrayLike, ni: ArrayLike) -> EffectSizes:
    """Fisher's z = atanh(r) with variance 1/(n - 3).

    Raises `EstimationError` for |r| >= 1 or n <= 3.
    """
    r, n = as_vectors(ri=ri, ni=ni)
    require(~(np.abs(r) >= 1), "a correlation must lie strictly between -1 and 1")
    require(~(n <= 3), "Fisher's z needs more than 3 participants")
    return EffectSizes("ZCOR", np.arctanh(r), 1.0 / (n - 3.0), "fisher_z")


def correlation_to_smd(ri: ArrayLike, n1i: ArrayLike, n2i: ArrayLike) -> Floats:
    """Cohen's d from the point-biserial correlation of arm with outcome.

    d = r sqrt(h / (1 - r^2)) with h = m/n1 + m/n2 and m = n1 + n2 - 2, the exact inverse of
    r = d / sqrt(d^2 + h) (Jacobs and Viechtbauer 2017, Res Synth Methods 8:161).
    """
    r, n1, n2 = as_vectors(ri=ri, n1i=n1i, n2i=n2i)
    require(~(np.abs(r) >= 1), "a correlation must lie strictly between -1 and 1")
    m = n1 + n2 - 2.0
    return r * np.sqrt((m / n1 + m / n2) / (1.0 - r**2))


def smd_to_correlation(d: ArrayLike, n1i: ArrayLike, n2i: ArrayLike) -> Floats:
    """Point-biserial correlation of arm with outcome from Cohen's d: r = d / sqrt(d^2 + h) with
    h as in `correlation_to_smd` (h = 4 where the group sizes are not known)."""
    effect, n1, n2 = as_vectors(d=d, n1i=n1i, n2i=n2i)
    m = n1 + n2 - 2.0
    h = np.where(np.isfinite(m), m / n1 + m / n2, 4.0)
    return effect / np.sqrt(effect**2 + h)


def within_arm_correlation(
    r_total: ArrayLike, r_arm_intention: ArrayLike, r_arm_behavior: ArrayLike
) -> Floats:
    """Within-arm correlation from the total-sample one, as a partial correlation given arm.

    r_total: intention with behavior over all arms; r_arm_intention, r_arm_behavior:
    point-biserial correlations of arm with each outcome.
    """
    r, ri, rb = as_vectors(
        r_total=r_total, r_arm_intention=r_arm_intention, r_arm_behavior=r_arm_behavior
    )
    require(~(np.abs(ri) >= 1) & ~(np.abs(rb) >= 1), "correlations with arm must be below 1")
    return (r - ri * rb) / np.sqrt((1.0 - ri**2) * (1.0 - rb**2))
