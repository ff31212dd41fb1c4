"""Mixed models of counts: the exact distribution of the events with normal effects of studies.

Two models with a random effect on the log odds: binomial counts of one group, and the events of
two groups given their sum (noncentral hypergeometric), which needs no parameter per study. Both
are fitted by maximum likelihood with adaptive Gauss-Hermite quadrature.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from analysis.arrays import Floats, as_vectors, require
from analysis.distributions import chi2_sf, critical_value, two_sided_p
from analysis.effect_sizes.binary import cells_after_policy
from analysis.errors import EstimationError
from analysis.results import Result

NODES = 41
_STARTS = (0.1, 0.5, 1.5)

_Terms = Callable[[Floats], tuple[Floats, Floats, Floats]]
"""From log odds (k x m) the log-probability of each study's count and two derivatives."""


@dataclass(frozen=True)
class MixedModel(Result):
    """A mean log odds (or log odds ratio) mu over k studies with between-study variance tau2.

    se: from the observed information of mu and log tau. lrt, lrt_pvalue: likelihood-ratio test
    of tau2 = 0; half its mass is at 0 (Self and Liang 1987). status: `ok`, `boundary` when tau2 = 0
    has the highest likelihood, or `not_converged`. loglik with all constants.
    """

    k: int
    mu: float
    se: float
    statistic: float
    pvalue: float
    ci_lb: float
    ci_ub: float
    tau2: float
    loglik: float
    lrt: float
    lrt_pvalue: float
    level: float
    method: str
    status: str


def binomial_normal(events: ArrayLike, ni: ArrayLike, *, level: float = 0.95) -> MixedModel:
    """Proportions of k studies: events ~ binomial(n, p), logit p ~ N(mu, tau2) (Hamza, van
    Houwelingen and Stijnen 2008, J Clin Epidemiol 61:41). mu is the logit of the median study's
    proportion.

    Raises `EstimationError` when nobody or everybody has the event in all studies.
    """
    x, n = as_vectors(events=events, ni=ni)
    require(~(x < 0) & ~(x > n), "events must lie between 0 and n")
    total = float(x.sum())
    if not 0.0 < total < float(n.sum()):
        raise EstimationError("nobody or everybody has the event: the logit has no estimate")
    constant = special.gammaln(n + 1) - special.gammaln(x + 1) - special.gammaln(n - x + 1)

    def terms(theta: Floats) -> tuple[Floats, Floats, Floats]:
        p = special.expit(theta)
        value = constant[:, None] + x[:, None] * theta - n[:, None] * np.logaddexp(0.0, theta)
        return value, x[:, None] - n[:, None] * p, -n[:, None] * p * (1.0 - p)

    start = math.log(total / (float(n.sum()) - total))
    return _fit(terms, x.size, start, level, "binomial_normal/agh41")


def hypergeometric_normal(
    events1i: ArrayLike,
    n1i: ArrayLike,
    events2i: ArrayLike,
    n2i: ArrayLike,
    *,
    level: float = 0.95,
) -> MixedModel:
    """Log odds ratios of k studies: events of group 1 given the events of both groups follow the
    noncentral hypergeometric distribution, the log odds ratio ~ N(mu, tau2) (Stijnen, Hamza and
    Ozdemir 2010, Stat Med 29:3046; metafor's `CM.EL`).

    Studies without events, or without anybody else, in both groups say nothing and drop out.
    """
    a, b, c, d = cells_after_policy(events1i, n1i, events2i, n2i, "none", 0.0)
    n1, n2, events = a + b, c + d, a + c
    informative = (events > 0) & (b + d > 0)
    if not informative.any():
        raise EstimationError("no study has events in a way that says something about the effect")
    a, n1, n2, events = a[informative], n1[informative], n2[informative], events[informative]
    low, high = np.maximum(0.0, events - n2), np.minimum(n1, events)
    s: Floats = low[:, None] + np.arange(float((high - low).max()) + 1.0)[None, :]
    inside = s <= high[:, None]
    s = np.where(inside, s, low[:, None])
    weight = _log_choose(n1[:, None], s) + _log_choose(n2[:, None], events[:, None] - s)
    own = _log_choose(n1, a) + _log_choose(n2, events - a)
    weight = np.where(inside, weight, -np.inf)

    def terms(theta: Floats) -> tuple[Floats, Floats, Floats]:
        z = weight[:, None, :] + s[:, None, :] * theta[:, :, None]
        top = special.logsumexp(z, axis=2)
        p = np.exp(z - top[:, :, None])
        mean = (p * s[:, None, :]).sum(axis=2)
        spread = (p * (s[:, None, :] - mean[:, :, None]) ** 2).sum(axis=2)
        return own[:, None] + a[:, None] * theta - top, a[:, None] - mean, -spread

    total1, total2 = float(a.sum()) + 0.5, float((events - a).sum()) + 0.5
    others1, others2 = float((n1 - a).sum()) + 0.5, float((n2 - events + a).sum()) + 0.5
    start = math.log(total1 * others2 / (total2 * others1))
    return _fit(terms, a.size, start, level, "hypergeometric_normal/agh41")


def _log_choose(n: Floats, x: Floats) -> Floats:
    return np.asarray(special.gammaln(n + 1) - special.gammaln(x + 1) - special.gammaln(n - x + 1))


def _fit(terms: _Terms, k: int, start: float, level: float, method: str) -> MixedModel:
    common, common_loglik, common_se = _common_effect(terms, k, start)

    def objective(parameters: Floats) -> tuple[float, Floats]:
        value, gradient = _marginal(terms, k, *parameters)
        return -value, -gradient

    found = [
        optimize.minimize(
            objective, np.array([common, math.log(t)]), jac=True, method="BFGS",
            options={"gtol": 1e-9},
        )
        for t in _STARTS
    ]  # fmt: skip
    best = min(found, key=lambda one: float(one.fun))
    loglik = -float(best.fun)
    if k < 2 or loglik <= common_loglik + 1e-9 or best.x[1] < -7.0:
        mu, se, tau2, loglik, status = common, common_se, 0.0, common_loglik, "boundary"
    else:
        hessian = _hessian(objective, best.x)
        mu, tau2 = float(best.x[0]), math.exp(2.0 * float(best.x[1]))
        se = math.sqrt(float(np.linalg.inv(hessian)[0, 0]))
        left = float(np.abs(objective(best.x)[1]).max())
        status = "ok" if left < 1e-4 * max(1.0, abs(loglik)) else "not_converged"
    if not math.isfinite(se):
        raise EstimationError("the events of one group are all or none: no finite estimate")
    half = critical_value(level, math.inf) * se
    lrt = max(0.0, 2.0 * (loglik - common_loglik))
    return MixedModel(
        k, mu, se, mu / se, two_sided_p(mu / se), mu - half, mu + half, tau2, loglik, lrt,
        0.5 * chi2_sf(lrt, 1) if lrt > 0 else 1.0, level, method, status,
    )  # fmt: skip


def _common_effect(terms: _Terms, k: int, start: float) -> tuple[float, float, float]:
    """Maximum, log-likelihood and standard error with tau2 = 0, by Newton steps."""
    mu = start
    for _ in range(100):
        _, slope, curvature = (float(one.sum()) for one in terms(np.full((k, 1), mu)))
        step = slope / -curvature if curvature < 0 else 0.0
        mu += max(-2.0, min(2.0, step))
        if abs(step) < 1e-13 * max(1.0, abs(mu)):
            break
    value, _, curvature = (float(one.sum()) for one in terms(np.full((k, 1), mu)))
    if abs(mu) > 25.0 or curvature > -1e-8:
        raise EstimationError("the events of one group are all or none: no finite estimate")
    return mu, value, math.sqrt(-1.0 / curvature)


def _marginal(terms: _Terms, k: int, mu: float, log_tau: float) -> tuple[float, Floats]:
    """Marginal log-likelihood and its gradient in (mu, log tau)."""
    nodes, weights = np.polynomial.hermite.hermgauss(NODES)
    tau2 = math.exp(2.0 * max(log_tau, -12.0))
    mode = np.full((k, 1), mu)
    for _ in range(60):
        _, slope, curvature = terms(mode)
        step = (slope - (mode - mu) / tau2) / (1.0 / tau2 - curvature)
        mode = mode + np.clip(step, -3.0, 3.0)
        if float(np.abs(step).max()) < 1e-10:
            break
    spread = 1.0 / np.sqrt(1.0 / tau2 - terms(mode)[2])
    theta = mode + math.sqrt(2.0) * spread * nodes[None, :]
    away = theta - mu
    value = terms(theta)[0] - 0.5 * away**2 / tau2 - 0.5 * math.log(2.0 * math.pi * tau2)
    joint = value + nodes[None, :] ** 2 + np.log(weights)[None, :]
    own = special.logsumexp(joint, axis=1)
    posterior = np.exp(joint - own[:, None])
    loglik = float((own + np.log(math.sqrt(2.0) * spread[:, 0])).sum())
    gradient = np.array([
        float((posterior * away).sum()) / tau2,
        float((posterior * (away**2 / tau2 - 1.0)).sum()),
    ])  # fmt: skip
    return loglik, gradient


def _hessian(objective: Callable[[Floats], tuple[float, Floats]], at: Floats) -> Floats:
    """Second derivatives by central differences of the gradient."""
    out = np.empty((at.size, at.size))
    for i in range(at.size):
        shift = np.zeros_like(at)
        shift[i] = 1e-5
        out[:, i] = (objective(at + shift)[1] - objective(at - shift)[1]) / 2e-5
    return (out + out.T) / 2.0
