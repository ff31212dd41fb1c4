"""Joint sampling correlation of a trial's effects from participant rows.

Each effect is written as a sum of one contribution per participant (its influence function);
the covariance of two effects is the sum over participants in both of the products. This is
the stacked estimating-equation (sandwich) result with participants as clusters, exact about
overlap, dropout, shared control groups and mixed kinds of outcome (Riley et al. 2015, Res
Synth Methods 6:157, discuss the alternatives).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.arrays import Floats, Integers, as_levels
from analysis.gap.contributions import (
    LogOdds,
    MeanDifference,
    adjusted_difference_of,
    arm_sums,
)
from analysis.results import Result


@dataclass(frozen=True)
class Influence:
    """Contributions of participants to one effect: positions in the trial's list of
    participants and values (both length n)."""

    person: Integers
    value: Floats


def smd_influence(
    values: Floats,
    treated: NDArray[np.bool_],
    person: Integers,
    persons: Floats | None = None,
) -> Influence:
    """Contributions to d = (m1 - m2) / s_pooled of n participants with outcome `values`.

    persons: how many participants each value stands for, 1 where nothing is said.
    """
    return _influence(MeanDifference, values, treated, person, persons)


def log_odds_influence(
    values: Floats,
    treated: NDArray[np.bool_],
    person: Integers,
    persons: Floats | None = None,
) -> Influence:
    """Contributions to the log odds ratio of n participants with a 0/1 outcome.

    Shares of 0 or 1 are replaced by (events + 0.5) / (n + 1) so that contributions stay finite.
    persons: how many participants each value stands for, 1 where nothing is said.
    """
    return _influence(LogOdds, values, treated, person, persons)


def adjusted_difference_influence(
    values: Floats, treated: NDArray[np.bool_], covariate: Floats, person: Integers
) -> Influence:
    """Contributions to the ANCOVA difference in units of the outcome's within-arm SD."""
    one, two = ((values[arm], covariate[arm]) for arm in (treated, ~treated))
    effect = adjusted_difference_of(one, two)
    out = np.empty_like(values)
    out[treated] = effect.contributions(one[0], True, one[1])
    out[~treated] = effect.contributions(two[0], False, two[1])
    return Influence(person, out)


def _influence(
    kind: type[MeanDifference] | type[LogOdds],
    values: Floats,
    treated: NDArray[np.bool_],
    person: Integers,
    persons: Floats | None,
) -> Influence:
    arms = (treated, ~treated)
    effect = kind(*(arm_sums(values[a], None if persons is None else persons[a]) for a in arms))
    out = np.empty_like(values)
    for arm, is_treated in zip(arms, (True, False), strict=True):
        out[arm] = effect.contributions(values[arm], is_treated)
    return Influence(person, out)


def influence_correlations(
    influences: list[Influence], participants: int, persons: Floats | None = None
) -> NDArray[np.float64]:
    """Correlation matrix of the effects (e x e) from their contributions.

    participants: length of the trial's list of participants. persons: how many each of the list
    stands for, 1 where nothing is said. Positive semi-definite by construction.
    """
    matrix = np.zeros((len(influences), participants))
    for row, influence in enumerate(influences):
        np.add.at(matrix[row], influence.person, influence.value)
    if persons is not None:
        matrix *= np.sqrt(persons)
    norms = np.linalg.norm(matrix, axis=1)
    norms[norms == 0.0] = 1.0
    correlations = (matrix @ matrix.T) / np.outer(norms, norms)
    np.fill_diagonal(correlations, 1.0)
    return correlations


NEAR_PERFECT = 0.95
"""From this size on a (latent) correlation of two outcomes within arms says that they are one
measurement, or that something is wrong with the data; it is told and decides nothing."""


def _pearson(x: Floats, y: Floats, persons: Floats | None) -> float:
    """Correlation of two columns that vary; persons: weights of the rows."""
    one = x - np.average(x, weights=persons)
    two = y - np.average(y, weights=persons)
    first, second = (one, two) if persons is None else (persons * one, persons * two)
    return float(first @ two) / math.sqrt(float(first @ one)) / math.sqrt(float(second @ two))


@dataclass(frozen=True)
class WithinArmCorrelation(Result):
    """Correlation of two outcomes within arms: pooled over arms by Fisher's z, n in both, and
    the variance 1/sum(n - 3) of the pooled z carried to r."""

    r: float
    n: int
    variance: float


def pooled_within_arm_correlation(
    first: Floats, second: Floats, arm: Iterable[Any], persons: Floats | None = None
) -> WithinArmCorrelation | None:
    """Pool the within-arm Pearson correlations of two outcomes (persons with both only).

    persons: how many participants each row stands for, 1 where nothing is said. Returns None when
    no arm has more than 3 persons with both outcomes varying. Raises `RowError` for persons
    without an arm.
    """
    levels = as_levels(arm, first.size, "arm", "participant")
    members = [
        (levels.codes == code) & np.isfinite(first) & np.isfinite(second)
        for code in range(len(levels.names))
    ]
    return pool_within_arms(
        (first[rows], second[rows], None if persons is None else persons[rows]) for rows in members
    )


def pool_within_arms(
    arms: Iterable[tuple[Floats, Floats, Floats | None]],
) -> WithinArmCorrelation | None:
    """As `pooled_within_arm_correlation`, from the arms one by one: both outcomes of the n persons
    of an arm who have both, and how many participants each row stands for (None for 1)."""
    z_sum, weight, n = 0.0, 0.0, 0
    for x, y, many in arms:
        size = x.size if many is None else round(float(many.sum()))
        if size <= 3 or np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
            continue
        r = float(np.clip(_pearson(x, y, many), -0.999999, 0.999999))
        z_sum += (size - 3.0) * math.atanh(r)
        weight += size - 3.0
        n += size
    if weight == 0.0:
        return None
    r = math.tanh(z_sum / weight)
    return WithinArmCorrelation(r, n, (1.0 - r**2) ** 2 / weight)
