"""What every effect-size function returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.results import Result


@dataclass(frozen=True)
class EffectSizes(Result):
    """Effects of one kind for k rows.

    measure: metafor's code of the scale (`SMD`, `OR` for the log odds ratio, ...).
    yi: k effects; nan where the inputs do not determine one.
    vi: k sampling variances, nan in the same rows.
    formula: name of the formulas of yi and vi, stored beside every number.
    """

    measure: str
    yi: Floats
    vi: Floats
    formula: str

    @property
    def sei(self) -> Floats:
        """Standard errors, the square roots of vi."""
        return np.sqrt(self.vi)


def finite(measure: str, yi: Floats, vi: Floats, formula: str) -> EffectSizes:
    """Effects that are nan wherever the effect or its variance is not finite."""
    usable = np.isfinite(yi) & np.isfinite(vi)
    return EffectSizes(measure, np.where(usable, yi, np.nan), np.where(usable, vi, np.nan), formula)
