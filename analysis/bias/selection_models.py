"""Step-function selection models: are less significant results less likely to be published?

Effects are normal around a common mean with between-study variance tau2; a study with one-sided
p-value in interval j is observed with a probability proportional to delta_j, delta_1 = 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.arrays import Floats, Integers, check_estimates
from analysis.derivatives import difference_hessian, relative_steps
from analysis.distributions import chi2_sf, critical_value, normal_pdf, two_sided_p
from analysis.errors import EstimationError
from analysis.results import Result
from analysis.univariate.meta_regression import fit_meta_regression
from analysis.univariate.tau2 import log_likelihood

ALTERNATIVES = {"greater": 1.0, "less": -1.0}
_FURTHEST = 12.0
"""Largest |log delta|: beyond it the data say `none` or `all`, and the model has no maximum."""


@dataclass(frozen=True)
class SelectionModel(Result):
    """A fitted step-function selection model, by maximum likelihood, unrounded.

    mu, se, pvalue, ci_lb, ci_ub: mean before selection (normal inference). tau2 with its
    standard error (nan at 0). steps: upper ends of the p-value intervals but the last, which
    ends at 1. delta: relative probability of being observed per interval, the first fixed at 1;
    delta_se. counts: studies per interval. loglik; lrt, lrt_df, lrt_pvalue: likelihood-ratio
    test against no selection. notes: states such as `tau2_at_zero`.
    """

    k: int
    mu: float
    se: float
    pvalue: float
    ci_lb: float
    ci_ub: float
    tau2: float
    tau2_se: float
    steps: tuple[float, ...]
    delta: Floats
    delta_se: Floats
    counts: Integers
    loglik: float
    lrt: float
    lrt_df: int
    lrt_pvalue: float
    method: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Problem:
    """Effects turned so that larger is more significant. cut: steps x k, the effect at which the
    p-value of a study equals a step; interval: 0-based interval of each study."""

    y: Floats
    v: Floats
    cut: Floats
    interval: Integers
    counts: Integers


def step_selection(
    yi: ArrayLike,
    vi: ArrayLike,
    steps: Sequence[float] = (0.025,),
    *,
    alternative: str = "greater",
    level: float = 0.95,
) -> SelectionModel:
    """Vevea and Hedges (1995, Psychometrika 60:419) with estimated weights; one step at .025 is
    the three-parameter selection model.

    steps: rising one-sided p-values between 0 and 1. alternative: direction in which
    significance is rewarded (`greater`: large effects). The likelihood is maximized from several
    starts, at tau2 = 0 as well.
    Raises `EstimationError` when an interval holds no study, fewer than 3 studies are given, or
    the likelihood keeps rising as a delta runs to 0 or infinity.
    """
    effects, variances = check_estimates(yi, vi)
    # In units of the sampling error the search takes the same steps whatever the measure is.
    unit = math.sqrt(float(variances.mean())) if variances.size else 1.0
    problem = _problem(
        effects / unit, variances / unit**2, tuple(float(s) for s in steps), alternative
    )
    fits = [_maximize(problem, start, free) for start, free in _starts(problem)]
    theta, _ = max(fits, key=lambda fit: fit[1])
    theta = _polish(problem, theta, np.isfinite(theta))
    loglik = _value_and_slope(problem, theta)[0]
    if np.abs(theta[2:]).max() >= _FURTHEST - 1e-6:
        raise EstimationError(
            "the likelihood keeps rising as the probability of an interval of p-values runs to "
            "0 or infinity; its studies do not determine it"
        )
    return _describe(problem, theta, loglik, tuple(steps), alternative, level, unit)


def check_steps(steps: tuple[float, ...]) -> None:
    """Refuse steps that do not rise between 0 and 1."""
    rising = all(a < b for a, b in pairwise(steps))
    if not steps or not rising or not (steps[0] > 0.0 and steps[-1] < 1.0):
        raise EstimationError(f"steps must rise between 0 and 1, found {steps}")


def _problem(yi: Floats, vi: Floats, steps: tuple[float, ...], alternative: str) -> _Problem:
    if alternative not in ALTERNATIVES:
        raise EstimationError(
            f"unknown alternative {alternative!r}; known: {', '.join(ALTERNATIVES)}"
        )
    check_steps(steps)
    if yi.size < 3:
        raise EstimationError(f"a selection model needs at least 3 studies, found {yi.size}")
    y = ALTERNATIVES[alternative] * yi
    cut = special.ndtri(1.0 - np.array(steps))[:, None] * np.sqrt(vi)[None, :]
    interval = (y[None, :] < cut).sum(axis=0)
    counts = np.bincount(interval, minlength=len(steps) + 1)
    for j in np.flatnonzero(counts == 0):
        lower, upper = (0.0, *steps)[j], (*steps, 1.0)[j]
        raise EstimationError(f"no study has a one-sided p-value between {lower:g} and {upper:g}")
    return _Problem(y, vi, cut, interval, counts)


def _starts(problem: _Problem) -> list[tuple[Floats, bool]]:
    """Parameters (mu, log tau2, log delta) to start from; false fixes tau2 at 0."""
    plain = fit_meta_regression(problem.y, problem.v, method="ML", ci_method="wald")
    mu, small = float(plain.coefficients.estimate[0]), 0.05 * float(problem.v.mean())
    tau2 = max(plain.tau2, small)
    free = problem.counts.size - 1
    out = []
    wide = max(float(problem.y.var()), small)
    for log_delta in (-3.0, 1.5):
        out.append((np.concatenate([[mu, math.log(wide)], np.full(free, log_delta)]), True))
    for log_delta in (0.0, -2.0):
        for factor, shift in ((1.0, 1.0), (0.3, 0.4)):
            theta = np.concatenate(
                [[mu * shift, math.log(tau2 * factor)], np.full(free, log_delta)]
            )
            out.append((theta, True))
        out.append((np.concatenate([[mu, -np.inf], np.full(free, log_delta)]), False))
    return out


def _value_and_slope(p: _Problem, theta: Floats) -> tuple[float, Floats]:
    """Log-likelihood at (mu, log tau2, log delta) and its gradient."""
    mu, tau2 = float(theta[0]), math.exp(theta[1]) if np.isfinite(theta[1]) else 0.0
    delta = np.concatenate([[1.0], np.exp(theta[2:])])
    variance = p.v + tau2
    sd = np.sqrt(variance)
    b = (p.cut - mu) / sd
    upper = special.ndtr(-b)
    edges = np.vstack([np.zeros_like(p.y), upper, np.ones_like(p.y)])
    regions = np.diff(edges, axis=0)
    observed = delta @ regions
    fall = delta[:-1] - delta[1:]
    density = normal_pdf(b) / sd
    residual = p.y - mu
    value = float(
        np.log(delta)[p.interval].sum()
        - 0.5 * np.log(2.0 * math.pi * variance).sum()
        - 0.5 * (residual**2 / variance).sum()
        - np.log(observed).sum()
    )
    d_mu = (residual / variance - (fall @ density) / observed).sum()
    d_tau2 = (
        -0.5 / variance + 0.5 * residual**2 / variance**2
        - (fall @ (density * b / (2.0 * sd))) / observed
    ).sum()  # fmt: skip
    d_delta = p.counts[1:] - delta[1:] * (regions[1:] / observed).sum(axis=1)
    return value, np.concatenate([[d_mu, d_tau2 * tau2], d_delta])


def _maximize(p: _Problem, start: Floats, free_tau2: bool) -> tuple[Floats, float]:
    from scipy.optimize import minimize

    keep = np.ones(start.size, dtype=bool)
    keep[1] = free_tau2

    def whole(part: Floats) -> Floats:
        theta = start.copy()
        theta[keep] = part
        return theta

    def objective(part: Floats) -> tuple[float, Floats]:
        value, slope = _value_and_slope(p, whole(part))
        return -value, -slope[keep]

    scale = math.log(float(p.v.min()))
    limits = [(None, None), (scale - 16.0, math.log(1e4 * float(p.v.max()) + np.ptp(p.y) ** 2))]
    limits += [(-_FURTHEST, _FURTHEST)] * (start.size - 2)
    bounds = [limits[i] for i in np.flatnonzero(keep)]
    done = minimize(objective, start[keep], jac=True, method="L-BFGS-B", bounds=bounds,
                    options={"maxiter": 200, "ftol": 1e-12, "gtol": 1e-6})  # fmt: skip
    return whole(done.x), -float(done.fun)


def _hessian(p: _Problem, theta: Floats, keep: np.ndarray) -> Floats:
    """Second derivatives along the parameters that are kept, from their gradient."""

    def slope(free: Floats) -> Floats:
        whole = theta.copy()
        whole[keep] = free
        return np.asarray(_value_and_slope(p, whole)[1][keep])

    return difference_hessian(slope, theta[keep], relative_steps(theta[keep]))


def _polish(p: _Problem, theta: Floats, keep: np.ndarray) -> Floats:
    """Newton steps to the maximum, as long as they raise the likelihood."""
    value, slope = _value_and_slope(p, theta)
    for _ in range(8):
        try:
            step = np.linalg.solve(_hessian(p, theta, keep), -slope[keep])
        except np.linalg.LinAlgError:
            break
        after = theta.copy()
        after[keep] += step
        if not np.isfinite(after[keep]).all() or np.abs(step).max() > 1.0:
            break
        new, new_slope = _value_and_slope(p, after)
        if new < value or np.abs(new_slope[keep]).max() >= np.abs(slope[keep]).max():
            break
        theta, value, slope = after, new, new_slope
    return theta


def _describe(
    p: _Problem, theta: Floats, loglik: float, steps: tuple[float, ...], alternative: str,
    level: float, unit: float,
) -> SelectionModel:  # fmt: skip
    sign = ALTERNATIVES[alternative] * unit
    tau2 = math.exp(theta[1]) if np.isfinite(theta[1]) else 0.0
    # A tau2 that is a rounding of 0 next to every sampling variance is 0.
    at_zero = tau2 < 1e-6 * float(p.v.min())
    if at_zero:
        theta, tau2 = theta.copy(), 0.0
        theta[1] = -np.inf
    keep = np.ones(theta.size, dtype=bool)
    keep[1] = not at_zero
    information = -_hessian(p, np.where(keep, theta, -np.inf), keep)
    with np.errstate(invalid="ignore"):
        spread = np.full(theta.size, np.nan)
        spread[keep] = np.sqrt(np.diag(np.linalg.inv(information)))
    mu, se = sign * float(theta[0]), unit * float(spread[0])
    half = critical_value(level, math.inf) * se
    delta = np.concatenate([[1.0], np.exp(theta[2:])])
    plain = fit_meta_regression(p.y, p.v, method="ML", ci_method="wald")
    ones = np.ones((p.y.size, 1))
    without = log_likelihood(plain.tau2, p.y, p.v, ones, restricted=False)
    lrt = max(0.0, 2.0 * (loglik - without))
    free = delta.size - 1
    return SelectionModel(
        k=p.y.size, mu=mu, se=se, pvalue=two_sided_p(mu / se) if se > 0 else math.nan,
        ci_lb=mu - half, ci_ub=mu + half, tau2=tau2 * unit**2,
        tau2_se=math.nan if at_zero else float(tau2 * spread[1]) * unit**2,
        steps=steps, delta=delta,
        delta_se=np.concatenate([[math.nan], delta[1:] * spread[2:]]),
        counts=p.counts, loglik=loglik - p.y.size * math.log(unit), lrt=lrt, lrt_df=free,
        lrt_pvalue=chi2_sf(lrt, free),
        method=f"step_selection/ML/{alternative}",
        notes=("tau2_at_zero",) if at_zero else (),
    )  # fmt: skip
