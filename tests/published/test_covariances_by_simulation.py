"""The closed forms of the sampling covariance against simulated trials.

Each row of the table simulates trials person by person and compares the covariance of the two
estimates over trials with the closed form. The Monte Carlo error of a covariance of n pairs is
sqrt((v1 v2 + c^2) / n), about 0.0002 to 0.0003 here; four of them are allowed. The printed values
of an earlier simulation of 40,000 trials a row have an error of 0.0002 of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from analysis.dependent.covariances import (
    LOADINGS,
    EffectArms,
    effect_covariance,
    point_biserial_from_latent,
    smd_arms,
)
from analysis.distributions import normal_cdf, normal_quantile
from analysis.effect_sizes import (
    EffectSizes,
    hedges_j,
    log_odds_ratio,
    standardized_mean_difference,
)

from .trial_tables import printed

TRIALS = 20_000
ALLOWED_ERRORS = 4.0
EARLIER_ERROR = 0.0002
_BATCH = 2_000


@dataclass(frozen=True)
class Design:
    """Two arms; d of intention, latent d of behavior, latent correlation, share followed up;
    control_share: share of the control arm that acts, nan for a continuous behavior."""

    name: str
    n1: int
    n2: int
    d_intention: float
    d_behavior: float
    rho: float
    kept: float
    control_share: float
    closed_form: float
    simulated: float

    @property
    def binary(self) -> bool:
        return not math.isnan(self.control_share)

    @property
    def shares(self) -> tuple[float, float]:
        """Shares acting in the intervention and the control arm."""
        z = normal_quantile(self.control_share)
        return float(normal_cdf(z + self.d_behavior)), self.control_share


CONTINUOUS = math.nan
DESIGNS = [
    Design("SMD-SMD", 60, 60, 0.5, 0.3, 0.5, 1.0, CONTINUOUS, 0.01661, 0.01681),
    Design("SMD-SMD, behavior on 70%", 60, 60, 0.5, 0.3, 0.5, 0.7, CONTINUOUS, 0.01657, 0.01686),
    Design("SMD-SMD, unequal arms", 120, 80, 0.8, 0.5, 0.6, 0.8, CONTINUOUS, 0.01275, 0.01274),
    Design("SMD-log OR", 150, 150, 0.5, 0.3, 0.5, 1.0, 0.3, 0.01085, 0.01074),
    Design("SMD-log OR, behavior on 70%", 150, 150, 0.5, 0.3, 0.5, 0.7, 0.3, 0.01085, 0.01086),
    Design("SMD-log OR, rare", 200, 150, 0.5, 0.4, 0.6, 0.8, 0.1, 0.01307, 0.01333),
]


def _summaries(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return x.mean(axis=1), x.std(axis=1, ddof=1), np.full(len(x), float(x.shape[1]))


def _behavior(design: Design, arms: list[np.ndarray]) -> EffectSizes:
    if not design.binary:
        return standardized_mean_difference(*_summaries(arms[0]), *_summaries(arms[1]))
    cut = -normal_quantile(design.control_share)
    counts = [f for arm in arms for f in ((arm > cut).sum(axis=1), np.full(len(arm), arm.shape[1]))]
    return log_odds_ratio(*counts)


def _batch(design: Design, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    intention, behavior = [], []
    for n, shift in ((design.n1, 1.0), (design.n2, 0.0)):
        one = rng.standard_normal((_BATCH, n))
        kept = round(design.kept * n)
        noise = rng.standard_normal((_BATCH, kept))
        other = design.rho * one[:, :kept] + math.sqrt(1.0 - design.rho**2) * noise
        intention.append(one + shift * design.d_intention)
        behavior.append(other + shift * design.d_behavior)
    g = standardized_mean_difference(*_summaries(intention[0]), *_summaries(intention[1]))
    return g.yi, _behavior(design, behavior).yi


def _closed_form(design: Design) -> float:
    n1, n2 = float(design.n1), float(design.n2)
    k1, k2 = float(round(design.kept * design.n1)), float(round(design.kept * design.n2))

    def smd(outcome: str, d: float, a: float, b: float) -> EffectArms:
        j = float(hedges_j(a + b - 2.0)[0])
        return smd_arms(outcome, "t", "c", g=j * d, j=j, n1=a, n2=b)

    intention = smd("intention", design.d_intention, n1, n2)
    if not design.binary:
        behavior = smd("behavior", design.d_behavior, k1, k2)
        return effect_covariance(intention, behavior, design.rho)
    # The point-biserial correlation differs between the arms: it goes into the loadings.
    loadings = [
        float(point_biserial_from_latent(design.rho, p)) * LOADINGS["OR"](p) for p in design.shares
    ]
    behavior = EffectArms("behavior", "t", "c", k1, k2, *loadings)
    return effect_covariance(intention, behavior, 1.0)


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_closed_form(design: Design) -> None:
    # One unit of the last digit: the df of the overlap can be counted in two ways.
    assert _closed_form(design) == pytest.approx(design.closed_form, abs=1e-5)


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_simulated_trials(design: Design) -> None:
    rng = np.random.default_rng(20_240_517)
    batches = [_batch(design, rng) for _ in range(TRIALS // _BATCH)]
    first, second = (np.concatenate(part) for part in zip(*batches, strict=True))
    v = np.cov(first, second)
    error = math.sqrt((v[0, 0] * v[1, 1] + v[0, 1] ** 2) / TRIALS)
    assert error < 0.00035
    assert abs(v[0, 1] - _closed_form(design)) < ALLOWED_ERRORS * error
    both = math.hypot(error, EARLIER_ERROR)
    assert abs(v[0, 1] - design.simulated) < ALLOWED_ERRORS * both


def test_the_latent_correlation_itself_would_overstate() -> None:
    """Put in for the point-biserial one it inflates the covariance by 29% and 60%."""
    for design, naive in ((DESIGNS[3], 0.01401), (DESIGNS[5], 0.02095)):
        n1, n2 = float(design.n1), float(design.n2)
        j = float(hedges_j(n1 + n2 - 2.0)[0])
        intention = smd_arms("intention", "t", "c", g=0.0, j=j, n1=n1, n2=n2)
        loadings = [LOADINGS["OR"](p) for p in design.shares]
        behavior = EffectArms("behavior", "t", "c", design.kept * n1, design.kept * n2, *loadings)
        assert effect_covariance(intention, behavior, design.rho) == printed(naive, 5)
