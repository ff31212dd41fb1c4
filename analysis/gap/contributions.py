"""What single participants contribute to an effect, from few sums over its two arms.

An effect is kept as these sums. The contributions of any part of its participants follow from
them, so that the correlations of many effects of millions of participants are added up block by
block, without a matrix of effects by participants.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from analysis.arrays import Floats

_BLOCK = 1 << 16
"""Participants whose contributions are added up at once."""


@dataclass(frozen=True)
class ArmSums:
    """Of the values of one arm: how many participants, mean, sum of squares about the mean,
    smallest and largest value.

    >>> arm_sums(np.array([1.0, 3.0]))
    ArmSums(n=2.0, mean=2.0, squares=2.0, smallest=1.0, largest=3.0)
    """

    n: float
    mean: float
    squares: float
    smallest: float
    largest: float

    @property
    def is_constant(self) -> bool:
        """Whether the values differ by rounding alone (as `analysis.arrays.is_constant`)."""
        largest = max(abs(self.smallest), abs(self.largest))
        return self.largest - self.smallest <= 1e-12 * max(1e-300, largest)


def arm_sums(values: Floats, persons: Floats | None = None) -> ArmSums:
    """Sums of one arm's n values; persons: how many participants each value stands for, 1 where
    nothing is said. An arm without values has nan."""
    if not values.size:
        return ArmSums(0.0, math.nan, math.nan, math.nan, math.nan)
    if persons is None:
        n, mean = float(values.size), float(values.mean())
        centered = values - mean
        squares = float(centered @ centered)
    else:
        n = float(persons.sum())
        mean = float(persons @ values) / n
        squares = float(persons @ (values - mean) ** 2)
    return ArmSums(n, mean, squares, float(values.min()), float(values.max()))


class Effect(Protocol):
    """An effect of which every participant's contribution is known."""

    def contributions(
        self, values: Floats, treated: bool, covariate: Floats | None = None
    ) -> Floats:
        """Contributions of participants of one arm (the treated one or the other one)."""


@dataclass(frozen=True)
class MeanDifference:
    """d = (m1 - m2) / s_pooled of two arms of sums `one` (treated) and `two`."""

    one: ArmSums
    two: ArmSums

    def contributions(
        self, values: Floats, treated: bool, covariate: Floats | None = None
    ) -> Floats:
        arm, sign = (self.one, 1.0) if treated else (self.two, -1.0)
        freedom = self.one.n + self.two.n - 2.0
        sd = math.sqrt((self.one.squares + self.two.squares) / freedom)
        d = (self.one.mean - self.two.mean) / sd
        z = (values - arm.mean) / sd
        return sign * z / arm.n - 0.5 * d * (z**2 - 1.0) / freedom


@dataclass(frozen=True)
class LogOdds:
    """The log odds ratio of a 0/1 outcome. Shares of 0 or 1 are replaced by
    (events + 0.5) / (n + 1) so that contributions stay finite."""

    one: ArmSums
    two: ArmSums

    def contributions(
        self, values: Floats, treated: bool, covariate: Floats | None = None
    ) -> Floats:
        arm, sign = (self.one, 1.0) if treated else (self.two, -1.0)
        events = arm.mean * arm.n
        p = arm.mean if 0.0 < arm.mean < 1.0 else (events + 0.5) / (arm.n + 1.0)
        return sign * (values - p) / (arm.n * p * (1.0 - p))


@dataclass(frozen=True)
class AdjustedDifference:
    """ANCOVA: the difference of two arms' means given a covariate with one slope within arms.

    one, two: sums of the outcome of the treated and of the other arm, covariate_one and
    covariate_two those of their covariate; products: sum of the products of outcome and covariate
    about the means of their arm, over both arms.
    """

    one: ArmSums
    two: ArmSums
    covariate_one: ArmSums
    covariate_two: ArmSums
    products: float

    @property
    def slope(self) -> float:
        """Of the outcome on the covariate within arms."""
        return self.products / self._covariate_squares

    @property
    def difference(self) -> float:
        """Adjusted difference of the means, in units of the outcome."""
        return self.one.mean - self.two.mean - self.slope * self._covariate_difference

    @property
    def sd(self) -> float:
        """The outcome's SD within arms, not adjusted."""
        return math.sqrt((self.one.squares + self.two.squares) / (self.one.n + self.two.n - 2.0))

    @property
    def r(self) -> float:
        """Correlation of outcome and covariate within arms."""
        squares = self.one.squares + self.two.squares
        return self.products / math.sqrt(squares) / math.sqrt(self._covariate_squares)

    @property
    def _covariate_squares(self) -> float:
        return self.covariate_one.squares + self.covariate_two.squares

    @property
    def _covariate_difference(self) -> float:
        return self.covariate_one.mean - self.covariate_two.mean

    def contributions(
        self, values: Floats, treated: bool, covariate: Floats | None = None
    ) -> Floats:
        """To the difference in units of the outcome's SD within arms."""
        assert covariate is not None, "an adjusted difference needs the covariate"
        arm, of_covariate, sign = (
            (self.one, self.covariate_one, 1.0) if treated else (self.two, self.covariate_two, -1.0)
        )
        x = covariate - of_covariate.mean
        residuals = values - arm.mean - self.slope * x
        leverage = sign / arm.n - x * (self._covariate_difference / self._covariate_squares)
        return leverage * residuals / self.sd


def adjusted_difference_of(
    one: tuple[Floats, Floats], two: tuple[Floats, Floats]
) -> AdjustedDifference:
    """Sums of two arms, each given by n values of the outcome and of the covariate."""
    sums = [arm_sums(part) for arm in (one, two) for part in arm]
    products = sum(
        float((y - of_y.mean) @ (x - of_x.mean))
        for (y, x), of_y, of_x in zip((one, two), sums[::2], sums[1::2], strict=True)
    )
    return AdjustedDifference(sums[0], sums[2], sums[1], sums[3], products)


@dataclass(frozen=True)
class Members:
    """Participants of one arm: positions in the trial's list (ascending), values and, where the
    effect is adjusted, covariate, all of length n."""

    person: NDArray[np.integer]
    values: Floats
    covariate: Floats | None = None


def effect_correlations(
    effects: Sequence[tuple[Effect, Members, Members]],
    participants: int,
    persons: Floats | None = None,
    block: int = _BLOCK,
) -> NDArray[np.float64]:
    """Correlation matrix of e effects (e x e) of one trial from the contributions of its
    participants, of whom `block` are looked at together.

    effects: each with the participants of its treated and of its other arm. participants: length
    of the trial's list of participants. persons: how many each of the list stands for, 1 where
    nothing is said. Positive semi-definite by construction.
    """
    products = np.zeros((len(effects), len(effects)))
    for start in range(0, participants, block):
        stop = min(start + block, participants)
        matrix = np.zeros((len(effects), stop - start))
        for row, (effect, *arms) in zip(matrix, effects, strict=True):
            for treated, arm in zip((True, False), arms, strict=True):
                part = slice(*np.searchsorted(arm.person, (start, stop)))
                covariate = None if arm.covariate is None else arm.covariate[part]
                row[arm.person[part] - start] += effect.contributions(
                    arm.values[part], treated, covariate
                )
        if persons is not None:
            matrix *= np.sqrt(persons[start:stop])
        products += matrix @ matrix.T
    norms = np.sqrt(np.diag(products))
    norms[norms == 0.0] = 1.0
    correlations: NDArray[np.float64] = products / np.outer(norms, norms)
    np.fill_diagonal(correlations, 1.0)
    return correlations
