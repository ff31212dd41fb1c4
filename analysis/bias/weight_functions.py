"""Selection models whose weight is a smooth function of the p-value, or a step function of the
two-sided p-value."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from analysis.arrays import Floats, check_estimates, named
from analysis.bias.excess_significance import SIDES
from analysis.bias.selection_models import check_steps
from analysis.distributions import chi2_sf, critical_value, two_sided_p
from analysis.errors import EstimationError
from analysis.results import Result
from analysis.univariate.meta_regression import MetaRegression, fit_meta_regression

WEIGHT_FUNCTIONS = {
    "beta": "p^(d1 - 1) (1 - p)^(d2 - 1) (Citkowicz and Vevea 2017)",
    "halfnorm": "exp(-d p^2) (Preston, Ashby and Smyth 2004)",
    "negexp": "exp(-d p) (Preston, Ashby and Smyth 2004)",
    "steps": "a constant per interval of p, the first 1 (Vevea and Hedges 1995)",
}
_SMALLEST_P = 1e-5
"""p-values are held between this and one minus it, where the beta weight would be infinite."""
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(20)


@dataclass(frozen=True)
class WeightedSelection(Result):
    """A fitted selection model by maximum likelihood.

    mu with normal test and interval, tau2: before selection. delta: parameters of the weight
    function (for `steps` the first is fixed at 1); delta_se. loglik; lrt, lrt_df, lrt_pvalue: test
    of no selection. gradient: largest slope left. status: `ok`, `boundary` (tau2 at 0, or a
    parameter at the edge of what is searched: standard errors are then of the others
    alone) or `not_converged`.
    """

    k: int
    mu: float
    se: float
    pvalue: float
    ci_lb: float
    ci_ub: float
    tau2: float
    delta: Floats
    delta_se: Floats
    loglik: float
    lrt: float
    lrt_df: int
    lrt_pvalue: float
    gradient: float
    method: str
    status: str


@dataclass(frozen=True)
class _Selection:
    """Studies with their p-values, and points z = effect / standard error, the same for all of
    them, between the ends beyond which the weight is constant."""

    y: Floats
    v: Floats
    p_own: Floats
    z: Floats
    z_weight: Floats
    p_z: Floats
    two_sided: bool
    log_weight: Callable[[Floats, Floats], Floats]

    def loglik(self, theta: Floats) -> float:
        """At (mu, log tau2, parameters of the weight); log tau2 may be minus infinity."""
        tau2 = math.exp(theta[1]) if theta[1] > -700.0 else 0.0
        variance = self.v + tau2
        center = theta[0] / np.sqrt(self.v)
        spread = np.sqrt(1.0 + tau2 / self.v)
        value = self.log_weight(self.p_own, theta[2:]) - 0.5 * np.log(2.0 * math.pi * variance)
        value = value - 0.5 * (self.y - theta[0]) ** 2 / variance
        # Weights that single out a p-value nobody observes leave a probability of 0.
        with np.errstate(divide="ignore"):
            return float((value - np.log(self._observed(center, spread, theta[2:]))).sum())

    def _observed(self, center: Floats, spread: Floats, delta: Floats) -> Floats:
        """Probability of being observed, up to the constant of the weight function."""
        away = (self.z[None, :] - center[:, None]) / spread[:, None]
        density = np.exp(-0.5 * away * away) / (math.sqrt(2.0 * math.pi) * spread[:, None])
        inside = density @ (self.z_weight * np.exp(self.log_weight(self.p_z, delta)))
        ends = np.exp(self.log_weight(np.array([_SMALLEST_P, 1.0 - _SMALLEST_P]), delta))
        far = special.ndtri(1.0 - _SMALLEST_P / (2.0 if self.two_sided else 1.0))
        above = special.ndtr((center - far) / spread)
        below = special.ndtr((-far - center) / spread)
        if not self.two_sided:
            return np.asarray(inside + ends[0] * above + ends[1] * below)
        middle = _middle(center, spread)
        return np.asarray(inside + ends[0] * (above + below) + ends[1] * middle)


def _middle(center: Floats, spread: Floats) -> Floats:
    """Probability of the z whose two-sided p-value is above one minus the smallest."""
    near = float(special.ndtri(0.5 + _SMALLEST_P / 2.0))
    return np.asarray(
        special.ndtr((near - center) / spread) - special.ndtr((-near - center) / spread)
    )


def weighted_selection(
    yi: ArrayLike,
    vi: ArrayLike,
    kind: str = "beta",
    *,
    steps: Sequence[float] = (0.025,),
    alternative: str = "greater",
    level: float = 0.95,
) -> WeightedSelection:
    """Fit a selection model with one of `WEIGHT_FUNCTIONS`.

    alternative: `greater` or `less` for one-sided, `two.sided` for two-sided p-values. steps: upper
    ends of the intervals of `steps` but the last. One-sided steps are fitted by `step_selection`,
    which has closed forms. Weights of p-values of an effect and its sampling error alone.
    Raises `EstimationError` for fewer than 5 studies, an interval of p-values without one, and a
    likelihood without a maximum (all p-values alike).
    """
    effects, variances = check_estimates(yi, vi)
    named(kind, WEIGHT_FUNCTIONS, "weight function")
    named(alternative, SIDES, "alternative")
    if effects.size < 5:
        raise EstimationError(f"a selection model needs at least 5 studies, found {effects.size}")
    unit = math.sqrt(float(variances.mean()))
    sign = SIDES[alternative] or 1.0
    problem = _selection(
        sign * effects / unit, variances / unit**2, kind, tuple(steps), alternative
    )
    free = {"beta": 2, "halfnorm": 1, "negexp": 1, "steps": len(steps)}[kind]
    plain = fit_meta_regression(problem.y, problem.v, method="ML", ci_method="wald")
    fits = [_maximize(problem, start) for start in _starts(plain.tau2, plain, kind, free)]
    theta, value = max(fits, key=lambda one: one[1])
    if not math.isfinite(value):
        raise EstimationError("the likelihood has no maximum: weights could single out one p-value")
    return _describe(problem, theta, value, plain.loglik, kind, alternative, level, unit * sign)


def _selection(
    y: Floats, v: Floats, kind: str, steps: tuple[float, ...], alternative: str
) -> _Selection:
    two_sided = alternative == "two.sided"

    def p_of(z: Floats) -> Floats:
        p = 2.0 * special.ndtr(-np.abs(z)) if two_sided else special.ndtr(-z)
        return np.asarray(np.clip(p, _SMALLEST_P, 1.0 - _SMALLEST_P))

    own = p_of(y / np.sqrt(v))
    if kind == "steps":
        check_steps(steps)
        counts = np.bincount(np.searchsorted(steps, own, side="left"), minlength=len(steps) + 1)
        if (counts == 0).any():
            raise EstimationError("no study has a p-value in one of the intervals of the steps")
    z, weight = _points(steps if kind == "steps" else (), two_sided)
    return _Selection(y, v, own, z, weight, p_of(z), two_sided, _log_weight(kind, steps))


def _points(steps: tuple[float, ...], two_sided: bool) -> tuple[Floats, Floats]:
    """Gauss-Legendre points in z on panels no wider than 1, that break at the steps; toward 0 they
    shrink for two-sided p-values, where the beta weight can have a pole."""
    if two_sided:
        near, far = (float(special.ndtri(1.0 - p / 2.0)) for p in (1.0 - _SMALLEST_P, _SMALLEST_P))
        ends = [near * 4.0**i for i in range(12) if near * 4.0**i < 0.5]
        ends += [*np.arange(0.5, far, 0.5), far, *special.ndtri(1.0 - np.array(steps) / 2.0)]
        positive = np.unique(np.clip(ends, near, far))
        breaks = [-positive[::-1], positive]
    else:
        far = float(special.ndtri(1.0 - _SMALLEST_P))
        cuts = special.ndtri(1.0 - np.array(steps)) if steps else np.zeros(0)
        breaks = [np.unique(np.clip([*np.arange(-far, far, 0.75), far, *cuts], -far, far))]
    points, weights = [], []
    for own in breaks:
        half = np.diff(own)[:, None] / 2.0
        points.append((own[:-1, None] + half * (_NODES + 1.0)).ravel())
        weights.append((half * _NODE_WEIGHTS).ravel())
    return np.concatenate(points), np.concatenate(weights)


def _log_weight(kind: str, steps: tuple[float, ...]) -> Callable[[Floats, Floats], Floats]:
    if kind == "beta":
        return lambda p, d: np.asarray(np.expm1(d[0]) * np.log(p) + np.expm1(d[1]) * np.log1p(-p))
    if kind == "halfnorm":
        return lambda p, d: np.asarray(-np.exp(d[0]) * p * p)
    if kind == "negexp":
        return lambda p, d: np.asarray(-np.exp(d[0]) * p)
    edges = np.array(steps)

    def stepped(p: Floats, d: Floats) -> Floats:
        return np.append(0.0, d)[np.searchsorted(edges, p, side="left")]

    return stepped


def _starts(tau2: float, plain: MetaRegression, kind: str, free: int) -> list[Floats]:
    """Without selection, and with selection of several strengths; tau2 as without it, and small."""
    mu = float(plain.coefficients.estimate[0])
    none = {"beta": 0.0, "steps": 0.0}.get(kind, -8.0)
    strengths = {"beta": (0.0, -0.7), "steps": (0.0, -1.5)}.get(kind, (0.0, 1.5))
    out = [np.concatenate([[mu, math.log(max(tau2, 1e-6))], np.full(free, none)])]
    for strength in strengths:
        for factor in (1.0, 0.2):
            delta = np.full(free, strength)
            if kind == "beta":
                delta[1] = 0.0
            out.append(np.concatenate([[mu, math.log(max(tau2, 0.05) * factor)], delta]))
    return out


_LOWEST, _HIGHEST = -10.0, 6.0
"""Logarithms of the parameters of the weight between which they are searched."""


def _maximize(problem: _Selection, start: Floats) -> tuple[Floats, float]:
    smallest = math.log(float(problem.v.min()))
    bounds = [(None, None), (smallest - 16.0, 12.0)] + [(_LOWEST, _HIGHEST)] * (start.size - 2)

    def negative(theta: Floats) -> float:
        value = problem.loglik(theta)
        return -value if math.isfinite(value) else 1e10

    done = optimize.minimize(negative, start, method="L-BFGS-B", bounds=bounds,
                             options={"ftol": 1e-13, "gtol": 1e-7, "maxiter": 500})  # fmt: skip
    return _newton(problem, np.asarray(done.x), bounds)


def _slope(function: Callable[[Floats], Any], theta: Floats, i: int) -> Any:
    """Derivative along one parameter by central differences of fourth order."""
    step = np.zeros_like(theta)
    step[i] = 2e-3 * max(1.0, abs(float(theta[i])))
    near = function(theta + step) - function(theta - step)
    far = function(theta + 2.0 * step) - function(theta - 2.0 * step)
    return (8.0 * near - far) / (12.0 * step[i])


def _gradient(problem: _Selection, theta: Floats) -> Floats:
    out = np.zeros_like(theta)
    for i in np.flatnonzero(np.isfinite(theta)).tolist():
        out[i] = _slope(problem.loglik, theta, i)
    return out


def _hessian(problem: _Selection, theta: Floats) -> Floats:
    out = np.zeros((theta.size, theta.size))
    for i in np.flatnonzero(np.isfinite(theta)).tolist():
        out[:, i] = _slope(lambda at: _gradient(problem, at), theta, i)
    return (out + out.T) / 2.0


def _is_positive(matrix: Floats) -> bool:
    return bool(np.isfinite(matrix).all()) and float(np.linalg.eigvalsh(matrix)[0]) > 0.0


def _newton(
    problem: _Selection, theta: Floats, bounds: list[tuple[float | None, float | None]]
) -> tuple[Floats, float]:
    """Newton steps inside the bounds, as long as they raise the likelihood."""
    value = problem.loglik(theta)
    for _ in range(6):
        inside = np.array([
            low is None or (high is not None and low + 1e-3 < t < high - 1e-3)
            for t, (low, high) in zip(theta, bounds, strict=True)
        ])  # fmt: skip
        slope = _gradient(problem, theta)
        if float(np.abs(slope[inside]).max(initial=0.0)) < 1e-8:
            break
        curvature = -_hessian(problem, theta)[np.ix_(inside, inside)]
        if not _is_positive(curvature):
            break
        candidate = theta.copy()
        candidate[inside] += np.linalg.solve(curvature, slope[inside])
        new = problem.loglik(candidate)
        if not new >= value:
            break
        theta, value = candidate, new
    return theta, value


def _describe(
    problem: _Selection, theta: Floats, value: float, plain: float, kind: str, alternative: str,
    level: float, scale: float,
) -> WeightedSelection:  # fmt: skip
    tau2 = math.exp(float(theta[1]))
    at_zero = tau2 < 1e-6 * float(problem.v.min())
    if at_zero:
        theta = theta.copy()
        theta[1] = -np.inf
        value = problem.loglik(theta)
    edge = at_zero or bool(((theta[2:] < _LOWEST + 0.01) | (theta[2:] > _HIGHEST - 0.01)).any())
    free = np.arange(theta.size) != 1 if at_zero else np.ones(theta.size, dtype=bool)
    slope = _gradient(problem, theta)
    spread = np.full(theta.size, math.nan)
    information = -_hessian(problem, theta)[np.ix_(free, free)]
    if _is_positive(information):
        spread[free] = np.sqrt(np.diag(np.linalg.inv(information)))
    log_parameters = theta[2:]
    delta, delta_se = np.exp(log_parameters), np.exp(log_parameters) * spread[2:]
    if kind == "steps":
        delta, delta_se = np.append(1.0, delta), np.append(math.nan, delta_se)
    left = float(np.abs(slope[free]).max())
    status = "boundary" if edge else "ok" if left < 1e-4 else "not_converged"
    mu, se = scale * float(theta[0]), abs(scale) * float(spread[0])
    half = critical_value(level, math.inf) * se
    lrt = max(0.0, 2.0 * (value - plain))
    df = log_parameters.size
    k = problem.y.size
    return WeightedSelection(
        k, mu, se, two_sided_p(mu / se) if se > 0 else math.nan, mu - half, mu + half,
        0.0 if at_zero else tau2 * scale**2, delta, delta_se,
        value - k * math.log(abs(scale)), lrt, df, chi2_sf(lrt, df), left,
        f"selection/{kind}/ML/{alternative}", status,
    )  # fmt: skip
