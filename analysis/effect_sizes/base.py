"""What every effect-size function returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.errors import EstimationError
from analysis.results import Result


@dataclass(frozen=True)
class EffectSizes(Result):
    """Effects of one kind for k rows.

    measure: metafor's code of the scale (`SMD`, `OR` for the log odds ratio, ...).
    yi: k effects; nan where the inputs do not determine one with its variance.
    vi: k sampling variances, nan in the same rows.
    formula: name of the formulas of yi and vi, stored beside every number.
    """

    measure: str
    yi: Floats
    vi: Floats
    formula: str

    def __post_init__(self) -> None:
        usable = np.isfinite(self.yi) & np.isfinite(self.vi)
        for name in ("yi", "vi"):
            object.__setattr__(self, name, np.where(usable, getattr(self, name), np.nan))

    @property
    def sei(self) -> Floats:
        """Standard errors, the square roots of vi."""
        return np.sqrt(self.vi)


def of_measure(effects: EffectSizes, *measures: str) -> EffectSizes:
    """The effects, refused when they are on another scale than one of these measures."""
    if effects.measure not in measures:
        raise EstimationError(
            f"this conversion takes {' or '.join(measures)}, found {effects.measure}"
        )
    return effects


def mean_over_rows(values: Floats, weights: Floats) -> float:
    """Weighted mean over the rows that have both."""
    known = np.isfinite(values) & np.isfinite(weights)
    total = float(weights[known].sum())
    return float((weights[known] * values[known]).sum()) / total if total > 0 else np.nan
