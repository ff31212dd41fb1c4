"""How often barriers were coded, by dimension, and how far coders agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, as_vectors, require
from analysis.errors import EstimationError
from analysis.results import Result


@dataclass(frozen=True)
class BarrierShares(Result):
    """Percent of all reference points per dimension and reference points per source (nan
    where no source was coded into it)."""

    percent: Floats
    points_per_source: Floats


def barrier_shares(n_reference_points: ArrayLike, n_sources: ArrayLike) -> BarrierShares:
    """Shares over the dimensions of one coding table (one entry per dimension)."""
    points, sources = as_vectors(n_reference_points=n_reference_points, n_sources=n_sources)
    require(~(points < 0) & ~(sources < 0), "counts must not be negative")
    total = float(points.sum())
    if total <= 0:
        raise EstimationError("no reference points were coded")
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(sources > 0, points / sources, np.nan)
    return BarrierShares(100.0 * points / total, mean)


@dataclass(frozen=True)
class Agreement(Result):
    """Agreement of two coders: observed share, Cohen's kappa and Gwet's AC1 (nan where chance
    agreement is complete)."""

    n: int
    observed: float
    cohen_kappa: float
    gwet_ac1: float


def coder_agreement(first: Sequence[str], second: Sequence[str]) -> Agreement:
    """Cohen (1960) and Gwet (2008, Br J Math Stat Psychol 61:29) for n doubly coded units."""
    if len(first) != len(second) or not first:
        raise EstimationError("both coders must have coded the same units, at least one")
    categories = sorted(set(first) | set(second))
    a = np.array([[x == c for c in categories] for x in first], dtype=float)
    b = np.array([[x == c for c in categories] for x in second], dtype=float)
    observed = float((a * b).sum()) / len(first)
    by_chance = float((a.mean(axis=0) * b.mean(axis=0)).sum())
    share = (a.mean(axis=0) + b.mean(axis=0)) / 2.0
    q = len(categories)
    gwet_chance = float((share * (1.0 - share)).sum()) / (q - 1) if q > 1 else 0.0
    kappa = (observed - by_chance) / (1.0 - by_chance) if by_chance < 1.0 else float("nan")
    return Agreement(len(first), observed, kappa, (observed - gwet_chance) / (1.0 - gwet_chance))
