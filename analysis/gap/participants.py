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
    many = np.ones_like(values) if persons is None else persons
    n1, n2 = float(many[treated].sum()), float(many[~treated].sum())
    m1, m2 = ((many * values)[arm].sum() / many[arm].sum() for arm in (treated, ~treated))
    centered = np.where(treated, values - m1, values - m2)
    variance = float((many * centered**2).sum()) / (n1 + n2 - 2)
    mean_part = np.where(treated, centered / n1, -centered / n2) / math.sqrt(variance)
    d = (m1 - m2) / math.sqrt(variance)
    sd_part = -0.5 * d * (centered**2 / variance - 1.0) / (n1 + n2 - 2)
    return Influence(person, mean_part + sd_part)


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
    many = np.ones_like(values) if persons is None else persons
    out = np.empty_like(values)
    for arm, sign in ((treated, 1.0), (~treated, -1.0)):
        n, events = float(many[arm].sum()), float((many * values)[arm].sum())
        p = events / n if 0 < events < n else (events + 0.5) / (n + 1.0)
        out[arm] = sign * (values[arm] - p) / (n * p * (1.0 - p))
    return Influence(person, out)


def adjusted_difference_influence(
    values: Floats, treated: NDArray[np.bool_], covariate: Floats, person: Integers
) -> Influence:
    """Contributions to the ANCOVA difference in units of the outcome's within-arm SD."""
    x = np.column_stack([np.ones_like(values), treated.astype(float), covariate])
    bread = np.linalg.inv(x.T @ x)
    residuals = values - x @ (bread @ (x.T @ values))
    means = np.where(treated, values[treated].mean(), values[~treated].mean())
    sd = math.sqrt(float(((values - means) ** 2).sum()) / (values.size - 2))
    return Influence(person, (x @ bread[1]) * residuals / sd)


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
    if persons is None:
        return float(np.corrcoef(x, y)[0, 1])
    c = np.cov(x, y, aweights=persons)
    return float(c[0, 1] / np.sqrt(c[0, 0] * c[1, 1]))


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
    z_sum, weight, n = 0.0, 0.0, 0
    for code in range(len(levels.names)):
        rows = (levels.codes == code) & np.isfinite(first) & np.isfinite(second)
        x, y = first[rows], second[rows]
        many = None if persons is None else persons[rows]
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
