"""How often barriers were coded, by dimension, and how far coders agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, as_vectors, require
from analysis.results import Result


@dataclass(frozen=True)
class BarrierShares(Result):
    """Percent of all reference points per dimension and reference points per source (nan
    where no source was coded into it)."""

    percent: Floats
    points_per_source: Floats


def barrier_shares(n_reference_points: ArrayLike, n_sources: ArrayLike) -> BarrierShares:
    """Shares over the dimensions of one coding table (one entry per dimension); nan where no
    reference point was coded at all."""
    points, sources = as_vectors(n_reference_points=n_reference_points, n_sources=n_sources)
    require(~(points < 0) & ~(sources < 0), "counts must not be negative")
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(sources > 0, points / sources, np.nan)
        return BarrierShares(100.0 * points / points.sum(), mean)
