"""Can a trial's behavior effect be predicted from its upstream effect, and how much of a naive
regression is an artefact of measuring both on the same people?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from analysis.arrays import Floats, is_constant
from analysis.distributions import critical_value
from analysis.errors import EstimationError
from analysis.gap.many_gaps import MANY_TRIALS, ManyGaps, PairedEffects, fit_many_gaps
from analysis.results import Result
from analysis.univariate.many import leave_one_out


@dataclass(frozen=True)
class LeftOutPredictions(Result):
    """Each trial with both outcomes predicted from the other trials (arrays over those trials).

    trial: their positions. observed, predicted: behavior effect; se: of the prediction of the
    observed effect, its sampling error included; ci_lb, ci_ub; standardized: error over se;
    covered. coverage: share covered; rmse: root mean squared error, and rmse_mean that of
    predicting the other trials' mean whatever the upstream effect. nan where the rest cannot be
    fitted.
    """

    trial: np.ndarray
    observed: Floats
    predicted: Floats
    se: Floats
    ci_lb: Floats
    ci_ub: Floats
    standardized: Floats
    covered: np.ndarray
    coverage: float
    rmse: float
    rmse_mean: float
    level: float


def predict_left_out_trials(effects: PairedEffects, *, level: float = 0.95) -> LeftOutPredictions:
    """Leave-one-trial-out prediction of behavior from the upstream effect (Daniels and Hughes 1997;
    Burzykowski and Buyse 2006).

    The prediction is the conditional mean of the observed behavior effect given the observed
    upstream effect, from Tau and means of the other trials with the left-out trial's own sampling
    covariance; t with (other pairs - 2) df.
    Raises `EstimationError` with fewer than 5 trials with both outcomes.
    """
    y1, v1, y2, v2, c = effects.one_row()
    pairs = np.flatnonzero(np.isfinite(y1) & np.isfinite(y2))
    if pairs.size < 5:
        raise EstimationError(
            f"leave-one-trial-out prediction needs 5 trials with both outcomes, found {pairs.size}"
        )
    keep = leave_one_out(y1.size)[pairs]
    fits = fit_many_gaps(
        PairedEffects(np.where(keep, y1, np.nan), v1, np.where(keep, y2, np.nan), v2, c),
        near=fit_many_gaps(effects) if y1.size >= MANY_TRIALS else None,
    )
    s11 = fits.tau11 + fits.model11 + v1[pairs]
    s12 = fits.tau12 + fits.model12 + c[pairs]
    s22 = fits.tau22 + fits.model22 + v2[pairs]
    slope = s12 / s11
    predicted = fits.mu2 + slope * (y1[pairs] - fits.mu1)
    se = np.sqrt(np.maximum(s22 - slope * s12, 0.0))
    half = critical_value(level, pairs.size - 3.0) * se
    error = y2[pairs] - predicted
    covered = np.abs(error) <= half
    return LeftOutPredictions(
        pairs, y2[pairs], predicted, se, predicted - half, predicted + half, error / se, covered,
        float(covered.mean()), math.sqrt(float(np.nanmean(error**2))),
        math.sqrt(float(np.nanmean((y2[pairs] - fits.mu2) ** 2))), level,
    )  # fmt: skip


@dataclass(frozen=True)
class SameSampleArtefact(Result):
    """What regressing observed on observed effects would find in these trials.

    naive_slope: ordinary least squares of behavior on upstream effects. without_link: what that
    slope is expected to be if true effects were unrelated. with_fitted_link: what it is expected to
    be under the fitted Tau. fitted_slope: the trial-level slope of Tau. pairs: trials with both.
    """

    pairs: int
    naive_slope: float
    without_link: float
    with_fitted_link: float
    fitted_slope: float


def same_sample_artefact(effects: PairedEffects) -> SameSampleArtefact:
    """The slope that sampling error alone creates between outcomes of the same people.

    With sampling covariances c_i and variances v_i of the upstream effects the slope of observed on
    observed effects tends to (tau12 + mean c) / (tau11 + mean v); without a link tau12 = 0. The
    naive regression is reported for this comparison only: it is no estimate of surrogacy.
    Raises `EstimationError` with fewer than 3 trials with both outcomes.
    """
    y1, v1, y2, _, c = effects.one_row()
    both = np.isfinite(y1) & np.isfinite(y2)
    if both.sum() < 3:
        raise EstimationError(f"a slope needs 3 trials with both outcomes, found {both.sum()}")
    fit: ManyGaps = fit_many_gaps(effects)
    centered = y1[both] - y1[both].mean()
    alike = is_constant(y1[both])
    naive = math.nan if alike else float(centered @ y2[both]) / float(centered @ centered)
    tau11, tau12 = float(fit.tau11[0]), float(fit.tau12[0])
    mean_c, total = float(c[both].mean()), tau11 + float(v1[both].mean())
    return SameSampleArtefact(
        int(both.sum()), naive, mean_c / total, (tau12 + mean_c) / total,
        tau12 / tau11 if tau11 > 0 else math.nan,
    )  # fmt: skip


@dataclass(frozen=True)
class DanielsHughes(Result):
    """Posterior of the line theta_behavior = alpha + beta theta_upstream + N(0, tau_c^2) with
    nothing assumed of how upstream effects are distributed: means and central limits."""

    pairs: int
    slope: float
    slope_lb: float
    slope_ub: float
    intercept: float
    intercept_lb: float
    intercept_ub: float
    residual_sd: float
    residual_sd_lb: float
    residual_sd_ub: float
    level: float
    method: str


def daniels_hughes(
    effects: PairedEffects, *, level: float = 0.95, points: int = 181
) -> DanielsHughes:
    """The model of Daniels and Hughes (1997, Stat Med 16:1965) by integration on a grid.

    Flat priors on alpha, beta, the trials' upstream effects and tau_c >= 0. Integrated over the
    upstream effects, y2 - alpha - beta y1 ~ N(0, v2 + tau_c^2 - 2 beta c + beta^2 v1); alpha is
    integrated exactly, beta and tau_c on a grid that is dense about the middle and reaches into
    the tails. With flat priors tau_c can take up the sampling error of the upstream effects, so
    this line keeps most of the same-sample artefact unless those effects vary far beyond sampling
    error: compare it with the line of the joint model, never take it for a correction.
    Raises `EstimationError` with fewer than 5 trials with both outcomes.
    """
    y1, v1, y2, v2, c = effects.one_row()
    both = np.isfinite(y1) & np.isfinite(y2)
    if both.sum() < 5:
        raise EstimationError(f"the line needs 5 trials with both outcomes, found {both.sum()}")
    y1, v1, y2, v2, c = (a[both] for a in (y1, v1, y2, v2, c))
    sd1, sd2 = (
        math.sqrt(float(v.mean())) if is_constant(y) else float(np.std(y))
        for y, v in ((y1, v1), (y2, v2))
    )
    center, scale, top = float(np.cov(y1, y2)[0, 1]) / sd1**2, 0.3 * sd2 / sd1, sd2
    for _ in range(6):
        beta, beta_step = _spread(center, scale, points)
        tau, tau_step = _from_zero(top, points)
        logp, mean, variance = _line_posterior(beta, tau, y1, v1, y2, v2, c)
        p = np.exp(logp - logp.max()) * beta_step[:, None] * tau_step[None, :]
        p /= p.sum()
        by_beta, by_tau = p.sum(axis=1), p.sum(axis=0)
        middle = [_quantile(beta, by_beta, q) for q in (0.25, 0.5, 0.75)]
        high = _quantile(tau, by_tau, 0.75)
        now = (
            middle[1],
            max((middle[2] - middle[0]) / 1.35, 1e-6 * sd2 / sd1),
            max(high, 1e-6 * sd2),
        )
        settled = abs(now[1] / scale - 1.0) < 0.2 and abs(now[2] / top - 1.0) < 0.2
        center, scale, top = now
        if settled:
            break
    tail = (1.0 - level) / 2.0
    limits = [_quantile(beta, by_beta, q) for q in (tail, 1.0 - tail)]
    residual = [_quantile(tau, by_tau, q) for q in (tail, 1.0 - tail)]
    alpha, alpha_lb, alpha_ub = _mixture(p, mean, variance, tail)
    return DanielsHughes(
        int(both.sum()), float(by_beta @ beta), limits[0], limits[1], alpha, alpha_lb, alpha_ub,
        float(by_tau @ tau), residual[0], residual[1], level, "daniels_hughes/flat_priors/grid",
    )  # fmt: skip


_MOST_NUMBERS = 1_000_000
"""Of one working array, so that memory stays bounded with many trials."""
_FAR = 5.5
"""How far the grids reach, in the argument of sinh: about 120 times their scale."""


def _spread(center: float, scale: float, points: int) -> tuple[Floats, Floats]:
    """A grid dense about its center, with the width that each point stands for."""
    u = np.linspace(-_FAR, _FAR, points)
    return center + scale * np.sinh(u), _trapezoid(scale * np.cosh(u) * (u[1] - u[0]))


def _from_zero(scale: float, points: int) -> tuple[Floats, Floats]:
    """The same from 0 upward."""
    u = np.linspace(0.0, _FAR, points)
    return scale * np.sinh(u), _trapezoid(scale * np.cosh(u) * (u[1] - u[0]))


def _trapezoid(step: Floats) -> Floats:
    step[[0, -1]] *= 0.5
    return step


def _line_posterior(
    beta: Floats, tau: Floats, y1: Floats, v1: Floats, y2: Floats, v2: Floats, c: Floats
) -> tuple[Floats, Floats, Floats]:
    """Log posterior on the grid (beta x tau), and the mean and variance of alpha at each point."""
    step = max(1, _MOST_NUMBERS // (tau.size * y1.size))
    if step < beta.size:
        parts = [
            _line_posterior(beta[i : i + step], tau, y1, v1, y2, v2, c)
            for i in range(0, beta.size, step)
        ]
        logp, mean, variance = (np.concatenate(one) for one in zip(*parts, strict=True))
        return logp, mean, variance
    b = beta[:, None, None]
    s = v2 + tau[None, :, None] ** 2 - 2.0 * b * c + b**2 * v1
    d = y2 - b * y1
    w = 1.0 / s
    total = w.sum(axis=2)
    mean = (w * d).sum(axis=2) / total
    rest = (w * (d - mean[:, :, None]) ** 2).sum(axis=2)
    logp = -0.5 * (np.log(s).sum(axis=2) + rest + np.log(total))
    return logp, mean, 1.0 / total


def _quantile(grid: Floats, p: Floats, q: float) -> float:
    """Quantile of probabilities at grid points, half of each on either side of its point."""
    return float(np.interp(q, np.cumsum(p) - 0.5 * p, grid))


def _mixture(p: Floats, mean: Floats, variance: Floats, tail: float) -> tuple[float, float, float]:
    """Mean and limits of a mixture of normals with weights p."""
    kept = p > 1e-6 * p.max()
    # Each normal as equally likely points; the mixture's quantiles are those of all points.
    z = special.ndtri((np.arange(25) + 0.5) / 25.0)
    values = (mean[kept][:, None] + np.sqrt(variance[kept])[:, None] * z).ravel()
    weights = np.repeat(p[kept], z.size)
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order])
    lower, upper = np.interp([tail, 1.0 - tail], cumulative / cumulative[-1], values[order])
    return float((p * mean).sum()), float(lower), float(upper)
