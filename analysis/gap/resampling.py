"""Parametric bootstrap of the joint model: intervals of what has no simple standard error."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.bias.cluster_bootstrap import too_few_draws
from analysis.errors import EstimationError
from analysis.gap.joint import probability_of_a_gap
from analysis.gap.many_gaps import (
    SMALLEST_NUMBER_OF_PAIRS,
    ManyGaps,
    PairedEffects,
    fit_many_gaps,
)
from analysis.results import Result

FEWEST_DRAWS = 100


@dataclass(frozen=True)
class BootstrapEstimate(Result):
    """An estimate with percentile limits; `draws` that could be fitted. Limits are nan with a
    `reason` when more than a fifth of the draws could not."""

    estimate: float
    lower: float
    upper: float
    level: float
    draws: int
    reason: str = ""


@dataclass(frozen=True)
class BootstrappedModel:
    """The fit of paired effects and the fits of samples drawn from it."""

    fit: ManyGaps
    draws: ManyGaps

    def interval(
        self, functional: Callable[[ManyGaps], Floats], *, level: float = 0.95
    ) -> BootstrapEstimate:
        """Percentile interval of a functional of the fit (one value per fit, nan where it has
        none)."""
        estimate = float(functional(self.fit)[0])
        values = functional(self.draws)
        known = values[np.isfinite(values)]
        if reason := too_few_draws(known.size, values.size, FEWEST_DRAWS):
            return BootstrapEstimate(estimate, math.nan, math.nan, level, known.size, reason)
        tail = (1.0 - level) / 2.0
        lower, upper = np.quantile(known, [tail, 1.0 - tail])
        return BootstrapEstimate(estimate, float(lower), float(upper), level, known.size)


def bootstrap_joint_model(
    effects: PairedEffects, *, draws: int = 1000, seed: int = 1
) -> BootstrappedModel:
    """Fit one set of paired effects and `draws` sets simulated from the fit, trials as they are:
    N(mu, Tau + S_i) with the same missing outcomes (Efron and Tibshirani 1993, ch. 6).

    effects: arrays of m trials. Carries the uncertainty of Tau, also at its boundary, where the
    delta method has nothing to say. Raises `EstimationError` when the model cannot be fitted.
    """
    y1, v1, y2, v2, c = effects.one_row()
    fit = fit_many_gaps(effects)
    if not np.isfinite(fit.mu1[0]):
        raise EstimationError("the joint model needs at least 2 trials with each outcome")
    rng = np.random.default_rng(seed)
    has1, has2 = np.isfinite(y1), np.isfinite(y2)
    s11 = np.where(has1, v1, 1.0) + fit.tau11[0]
    s22 = np.where(has2, v2, 1.0) + fit.tau22[0]
    s12 = np.where(has1 & has2, c, 0.0) + fit.tau12[0]
    z1, z2 = rng.standard_normal((2, draws, y1.size))
    first = np.sqrt(s11) * z1
    slope = s12 / s11
    second = slope * first + np.sqrt(np.maximum(s22 - slope * s12, 0.0)) * z2
    simulated = PairedEffects(
        np.where(has1, fit.mu1[0] + first, np.nan), v1,
        np.where(has2, fit.mu2[0] + second, np.nan), v2, c,
    )  # fmt: skip
    return BootstrappedModel(fit, fit_many_gaps(simulated, near=fit))


def probability_without_behavior(smallest_worthwhile: float = 0.0) -> Callable[[ManyGaps], Floats]:
    """P(theta_upstream > 0, theta_behavior <= smallest worthwhile effect) in a new setting, from
    Tau and the CR2 covariance of the means, as a functional of fits."""

    def functional(fits: ManyGaps) -> Floats:
        s11, s22 = fits.tau11 + fits.robust11, fits.tau22 + fits.robust22
        s12 = fits.tau12 + fits.robust12
        out = np.full(fits.mu1.size, np.nan)
        for i in np.flatnonzero((s11 > 0) & (s22 > 0) & _correlated(fits)):
            covariance = np.array([[s11[i], s12[i]], [s12[i], s22[i]]])
            means = np.array([fits.mu1[i], fits.mu2[i]])
            out[i] = probability_of_a_gap(means, covariance, smallest_worthwhile)
        return out

    return functional


def _correlated(fits: ManyGaps) -> np.ndarray:
    """Fits whose between-trial covariance was estimated, not held at 0."""
    return np.asarray(fits.pairs >= SMALLEST_NUMBER_OF_PAIRS)


def trial_level_r2(fits: ManyGaps) -> Floats:
    """Share of the between-trial variance of behavior that upstream effects explain; nan where
    one of them does not vary."""
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = fits.tau12**2 / (fits.tau11 * fits.tau22)
    return np.where(np.isfinite(r2) & _correlated(fits), np.minimum(r2, 1.0), np.nan)


def trial_level_slope(fits: ManyGaps) -> Floats:
    """Slope of behavior on upstream effects between trials; nan where the latter do not vary."""
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = fits.tau12 / fits.tau11
    return np.where(np.isfinite(slope) & _correlated(fits), slope, np.nan)
