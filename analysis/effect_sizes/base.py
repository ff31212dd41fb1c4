"""What every effect-size function returns."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, as_vectors, require
from analysis.errors import EstimationError
from analysis.results import Result

LARGEST = 1e60
SMALLEST_SPREAD = 1e-60
LARGEST_GROUP = 1e12
"""Fourth powers of what lies between stay within doubles; no measurement is beyond."""

_GROUP_SIZE = re.compile(r"n\d?i?")
_SPREAD = re.compile(r"(sd|time)\w*")

quiet = np.errstate(over="ignore", divide="ignore", invalid="ignore")
"""Around a formula whose undefined rows `EffectSizes` makes nan."""


def vectors(**columns: ArrayLike) -> list[Floats]:
    """The named inputs of an effect as vectors of one length; nan where something is missing.

    Raises `RowError` for numbers that are infinite or beyond 1e60 in size, standard deviations and
    times nearer to 0 than 1e-60 (0 itself is judged by the formulas), and group sizes above 1e12.
    """
    made = as_vectors(**columns)
    for name, values in zip(columns, made, strict=True):
        limit = LARGEST_GROUP if _GROUP_SIZE.fullmatch(name) else LARGEST
        require(~(np.abs(values) > limit), f"{name} must be finite and at most {limit:g} in size")
        if _SPREAD.fullmatch(name):
            size = np.abs(values)
            require(
                ~((size > 0) & (size < SMALLEST_SPREAD)),
                f"{name} must not be nearer to 0 than {SMALLEST_SPREAD:g}",
            )
    return made


@dataclass(frozen=True)
class EffectSizes(Result):
    """Effects of one kind for k rows.

    measure: metafor's code of the scale (`SMD`, `OR` for the log odds ratio, ...).
    yi: k effects; nan where the inputs do not determine one with its variance, which is never
        negative (it is 0 where all or none have an event and nothing was added, as in metafor;
        no pool takes such an effect).
    vi: k sampling variances, nan in the same rows.
    formula: name of the formulas of yi and vi, stored beside every number.
    """

    measure: str
    yi: Floats
    vi: Floats
    formula: str

    def __post_init__(self) -> None:
        usable = np.isfinite(self.yi) & np.isfinite(self.vi) & (np.asarray(self.vi) >= 0)
        for name in ("yi", "vi"):
            object.__setattr__(self, name, np.where(usable, getattr(self, name), np.nan))

    @property
    def sei(self) -> Floats:
        """Standard errors, the square roots of vi."""
        return np.sqrt(self.vi)


def told_from_one(r: Floats) -> Floats:
    """Coefficients between -1 and 1, nan where a finite effect is too large to be told from +-1
    (its variance would be 0)."""
    return np.where(np.abs(r) < 1.0, r, np.nan)


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
