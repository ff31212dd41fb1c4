"""What a new setting may bring: bootstrap prediction interval, share of settings beyond a
threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.arrays import Floats, check_estimates
from analysis.distributions import critical_value
from analysis.errors import EstimationError
from analysis.quadratic_forms import weighted_chi2_cdf
from analysis.results import Result
from analysis.univariate.batch import fit_many
from analysis.univariate.least_squares import generalized_q
from analysis.univariate.tau2 import estimate_tau2, generalized_moments

_TABLE = 120
"""Values of tau2 at which its confidence distribution is tabulated."""


@dataclass(frozen=True)
class PredictionInterval(Result):
    """Limits of the true effect in a new setting, and how they were made."""

    lower: float
    upper: float
    level: float
    method: str


def bootstrap_prediction_interval(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    level: float = 0.95,
    draws: int = 20_000,
    seed: int = 1,
) -> PredictionInterval:
    """Prediction interval that carries the uncertainty of tau2 (Nagashima, Noma and Furukawa 2019,
    Stat Methods Med Res 28:1689).

    tau2 is drawn from its confidence distribution, the exact tail probability of Cochran's Q as a
    function of tau2; the mean given tau2 from t with k - 1 df and the Hartung-Knapp standard
    error; the new effect around it. Reaches its level with few studies, where the plug-in
    intervals are too short. Cost cubic in k.
    Raises `EstimationError` with fewer than 3 studies.
    """
    effects, variances = check_estimates(yi, vi)
    k = effects.size
    if k < 3:
        raise EstimationError(f"a bootstrap prediction interval needs 3 studies, found {k}")
    rng = np.random.default_rng(seed)
    tau2 = _draw_tau2(effects, variances, rng.uniform(size=draws))
    w = 1.0 / (variances[None, :] + tau2[:, None])
    total = w.sum(axis=1)
    mean = (w @ effects) / total
    scale = np.einsum("bk,bk->b", w, (effects[None, :] - mean[:, None]) ** 2) / (k - 1.0)
    shift = rng.standard_t(k - 1.0, size=draws) * np.sqrt(scale / total)
    new = mean - shift + rng.standard_normal(draws) * np.sqrt(tau2)
    tail = (1.0 - level) / 2.0
    lower, upper = np.quantile(new, [tail, 1.0 - tail])
    return PredictionInterval(float(lower), float(upper), level, f"bootstrap_nnf/{draws}")


def _draw_tau2(yi: Floats, vi: Floats, uniform: Floats) -> Floats:
    """Values of tau2 at which P(Q <= observed Q) equals the uniform numbers; 0 above tau2 = 0."""
    ones = np.ones((yi.size, 1))
    q = generalized_q(0.0, yi, vi, ones)
    w = 1.0 / vi
    a = np.diag(w) - np.outer(w, w) / w.sum()

    def below(tau2: float) -> float:
        root = np.sqrt(vi + tau2)
        values = np.linalg.eigvalsh(root[:, None] * a * root[None, :])[1:]
        return weighted_chi2_cdf(q, np.asarray(values, dtype=np.float64))

    center = max(generalized_moments(yi, vi, ones, w), float(np.median(vi)))
    high = center
    while below(high) > 1e-7 and high < 1e6 * center:
        high *= 4.0
    grid = np.append(0.0, np.geomspace(1e-4 * center, high, _TABLE))
    probability = np.array([below(float(t)) for t in grid])
    # np.interp wants rising abscissae; above the value at 0 it gives tau2 = 0.
    return np.asarray(np.interp(uniform, probability[::-1], grid[::-1]))


@dataclass(frozen=True)
class ShareBeyond(Result):
    """Share of settings whose true effect is above a threshold, with limits; nan without an
    interval, for the `reason`."""

    share: float
    ci_lb: float
    ci_ub: float
    threshold: float
    method: str
    reason: str = ""


def share_above(
    mu: float,
    se: float,
    tau2: float,
    se_tau2: float,
    threshold: float,
    *,
    level: float = 0.95,
) -> ShareBeyond:
    """P(theta > threshold) for theta ~ N(mu, tau2), delta-method interval on the logit scale
    (Mathur and VanderWeele 2019, Stat Med 38:1336).

    Poor with few studies or a share near 0 or 1; `calibrated_share_above` needs no normal shape.
    """
    method = "normal/delta_logit"
    if tau2 <= 0.0:
        share = float(mu > threshold)
        reason = "effects do not vary beyond sampling error, so the share is all or nothing"
        return ShareBeyond(share, math.nan, math.nan, threshold, method, reason)
    z = (mu - threshold) / math.sqrt(tau2)
    share = float(special.ndtr(z))
    density = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    variance = density**2 * (se**2 / tau2 + (z * se_tau2) ** 2 / (4.0 * tau2**2))
    if not 1e-12 < share < 1.0 - 1e-12:
        return ShareBeyond(
            share, math.nan, math.nan, threshold, method, "the share is 0 or 1 to rounding"
        )
    half = critical_value(level, math.inf) * math.sqrt(variance) / (share * (1.0 - share))
    logit = math.log(share / (1.0 - share))
    lower, upper = (float(special.expit(logit + sign * half)) for sign in (-1.0, 1.0))
    return ShareBeyond(share, lower, upper, threshold, method)


def calibrated_share_above(
    yi: ArrayLike,
    vi: ArrayLike,
    threshold: float,
    *,
    method: str = "REML",
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 1,
) -> ShareBeyond:
    """Share of calibrated effects above a threshold, percentile bootstrap of studies.

    Effects are drawn toward the mean so that their variance is tau2, mu + sqrt(tau2 / (tau2 + v))
    (y - mu) (Wang and Lee 2019; Mathur and VanderWeele 2020, Res Synth Methods 11:510). Needs no
    normal distribution; meant for 10 studies or more.
    """
    effects, variances = check_estimates(yi, vi)
    k = effects.size
    if k < 3:
        raise EstimationError(f"a share of settings needs 3 studies, found {k}")
    ones = np.ones((k, 1))
    tau2 = estimate_tau2(effects, variances, ones, method)
    w = 1.0 / (variances + tau2)
    mu = np.array([float(w @ effects) / float(w.sum())])
    share = _calibrated(effects[None, :], variances[None, :], mu, np.array([tau2]), threshold)
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, k, size=(draws, k))
    fits = fit_many(effects[rows], variances[rows], method=method)
    again = _calibrated(effects[rows], variances[rows], fits.beta[:, 0], fits.tau2, threshold)
    tail = (1.0 - level) / 2.0
    lower, upper = np.quantile(again, [tail, 1.0 - tail])
    return ShareBeyond(
        float(share[0]), float(lower), float(upper), threshold, f"calibrated/bootstrap_{draws}"
    )


def _calibrated(yi: Floats, vi: Floats, mu: Floats, tau2: Floats, threshold: float) -> Floats:
    pull = np.sqrt(tau2[:, None] / (tau2[:, None] + vi))
    calibrated = mu[:, None] + pull * (yi - mu[:, None])
    return np.asarray((calibrated > threshold).mean(axis=1))
