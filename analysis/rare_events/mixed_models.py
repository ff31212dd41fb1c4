"""Mixed models of counts: the exact distribution of the events with normal effects of studies.

Counts of one group, and the events of two groups given their sum, which needs no parameter per
study. All are fitted by maximum likelihood with adaptive Gauss-Hermite quadrature; models of both
groups' counts are in `two_groups`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from analysis.arrays import Floats, as_vectors, require
from analysis.derivatives import difference_hessian
from analysis.distributions import chi2_sf, critical_value, two_sided_p
from analysis.effect_sizes.binary import complete_cells
from analysis.errors import EstimationError
from analysis.rare_events.counts import Terms, binomial, hypergeometric, poisson
from analysis.rare_events.quadrature import NODES, integrate
from analysis.results import Result

_STARTS = (0.1, 0.5, 1.5)
_SMALLEST = 1e-3
"""A standard deviation of the effects below this is the boundary."""
_LARGEST = 50.0
"""Above this the likelihood rises without end: groups of nobody and of everybody."""
_FARTHEST, _LARGEST_ERROR = 25.0, 100.0
"""A log odds ratio or log rate that is further away, or known this badly, is infinite."""
DIFFERENCE = 1e-4
"""Step of central differences, wide enough for gradients that are differences themselves."""
_NO_ESTIMATE = "the events of one group are all or none: no finite estimate"

Objective = Callable[[Floats], tuple[float, Floats]]
"""Log-likelihood and its gradient in (mu, others ..., log tau)."""


@dataclass(frozen=True)
class Homogeneity(Result):
    """Tests that all studies have one effect, against an effect per study: Wald's, in which a
    study without a finite estimate has no weight, and the likelihood ratio."""

    wald: float
    wald_pvalue: float
    lrt: float
    lrt_pvalue: float
    df: int


@dataclass(frozen=True)
class MixedModel(Result):
    """A mean log odds, log rate, log odds ratio or log rate ratio mu over k studies with
    between-study variance tau2.

    se: from the observed information of all parameters. common, common_se: the effect with
    tau2 = 0. lrt, lrt_pvalue: likelihood-ratio test of tau2 = 0; half its mass is at 0 (Self and
    Liang 1987). homogeneity: the effects against an effect per study. study_variance and
    study_correlation: of random study levels, nan in models without them. status: `ok`, `boundary`
    when tau2 = 0 has the highest likelihood, or `not_converged`, also where tau2 grows without end
    or the information is not positive (then se is nan). loglik with all constants.
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
    common: float
    common_se: float
    lrt: float
    lrt_pvalue: float
    homogeneity: Homogeneity
    study_variance: float
    study_correlation: float
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
    require((x >= 0) & (x <= n), "events must lie between 0 and n")
    total = float(x.sum())
    if not 0.0 < total < float(n.sum()):
        raise EstimationError("nobody or everybody has the event: the logit has no estimate")
    start = math.log(total / (float(n.sum()) - total))
    return _fit_terms(binomial(x, n), x.size, start, level, "binomial_normal")


def poisson_normal(events: ArrayLike, ti: ArrayLike, *, level: float = 0.95) -> MixedModel:
    """Rates of k studies: events ~ Poisson(rate t), log rate ~ N(mu, tau2), t the person-time
    (Stijnen, Hamza and Ozdemir 2010, Stat Med 29:3046).

    Raises `EstimationError` when no study has an event.
    """
    x, time = as_vectors(events=events, ti=ti)
    require(x >= 0, "events must be 0 or more")
    require(time > 0, "person-time must be greater than 0")
    if not x.any():
        raise EstimationError("no study has an event: the log rate has no estimate")
    start = math.log(float(x.sum()) / float(time.sum()))
    return _fit_terms(poisson(x, time), x.size, start, level, "poisson_normal")


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
    a, n1, c, n2 = informative_tables(events1i, n1i, events2i, n2i)
    start = math.log((a.sum() + 0.5) * ((n2 - c).sum() + 0.5))
    start -= math.log((c.sum() + 0.5) * ((n1 - a).sum() + 0.5))
    terms = hypergeometric(a, n1, n2, a + c)
    return _fit_terms(terms, a.size, start, level, "hypergeometric_normal")


def conditional_binomial(
    events1i: ArrayLike,
    size1i: ArrayLike,
    events2i: ArrayLike,
    size2i: ArrayLike,
    *,
    level: float = 0.95,
) -> MixedModel:
    """Log rate ratios of k studies: events of group 1 given the events of both groups are binomial
    with log odds log(size1 / size2) + log rate ratio, the latter ~ N(mu, tau2) (Stijnen, Hamza and
    Ozdemir 2010, Stat Med 29:3046).

    Exact where the sizes are person-times (metafor's `CM.EL` of rates). With numbers of persons
    it approximates `hypergeometric_normal` when events are rare (`CM.AL`).
    Studies without events in both groups say nothing and drop out.
    """
    x1, t1, x2, t2 = informative_rates(events1i, size1i, events2i, size2i)
    terms = binomial(x1, x1 + x2, np.log(t1 / t2))
    start = math.log((x1.sum() + 0.5) / t1.sum()) - math.log((x2.sum() + 0.5) / t2.sum())
    return _fit_terms(terms, x1.size, start, level, "conditional_binomial")


def informative_tables(
    events1i: ArrayLike, n1i: ArrayLike, events2i: ArrayLike, n2i: ArrayLike
) -> tuple[Floats, Floats, Floats, Floats]:
    """Events and persons of both groups, of the studies with somebody with and somebody without
    the event. Raises `EstimationError` when there are none."""
    a, b, c, d = complete_cells(events1i, n1i, events2i, n2i)
    some = (a + c > 0) & (b + d > 0)
    if not some.any():
        raise EstimationError("no study has events in a way that says something about the effect")
    return a[some], (a + b)[some], c[some], (c + d)[some]


def informative_rates(
    events1i: ArrayLike, time1i: ArrayLike, events2i: ArrayLike, time2i: ArrayLike
) -> tuple[Floats, Floats, Floats, Floats]:
    """Events and person-times of both groups, of the studies with events. Raises
    `EstimationError` when there are none."""
    x1, t1, x2, t2 = as_vectors(events1i=events1i, time1i=time1i, events2i=events2i, time2i=time2i)
    require((x1 >= 0) & (x2 >= 0), "events must be 0 or more")
    require((t1 > 0) & (t2 > 0), "person-time must be greater than 0")
    some = x1 + x2 > 0
    if not some.any():
        raise EstimationError("no study has an event: the ratio has no estimate")
    return x1[some], t1[some], x2[some], t2[some]


def _fit_terms(terms: Terms, k: int, start: float, level: float, method: str) -> MixedModel:
    def objective(parameters: Floats) -> tuple[float, Floats]:
        mu, tau2 = float(parameters[0]), math.exp(2.0 * float(parameters[1]))
        return integrate(terms, k, mu, tau2).likelihood(mu, tau2)

    def test(common: float, loglik: float) -> Homogeneity:
        own, value, information = own_estimates(terms, np.full(k, common))
        return homogeneity(own, information, 2.0 * (float(value.sum()) - loglik))

    return fit_model(objective, np.array([start]), k, level, f"{method}/agh{NODES}", test)


def own_estimates(terms: Terms, start: Floats) -> tuple[Floats, Floats, Floats]:
    """Parameters of every study by itself, by Newton's steps, with their log-likelihoods and
    information. One that runs away has its highest likelihood at infinity and no information."""
    own = first = start[:, None]
    for _ in range(200):
        _, slope, curvature = terms(own)
        step = np.clip(slope / np.maximum(-curvature, 1e-12), -1.0, 1.0)
        own = np.clip(own + step, first - 40.0, first + 40.0)
        if float(np.abs(step).max()) < 1e-12:
            break
    value, _, curvature = (one[:, 0] for one in terms(own))
    return own[:, 0], value, np.where(np.abs(own - first)[:, 0] < _FARTHEST, -curvature, 0.0)


def homogeneity(effects: Floats, weights: Floats, lrt: float) -> Homogeneity:
    """Tests from the studies' own effects with their information, and the likelihood ratio."""
    df = effects.size - 1
    if df == 0:
        return Homogeneity(0.0, 1.0, 0.0, 1.0, 0)
    mean = float(weights @ effects) / float(weights.sum()) if weights.any() else math.nan
    wald, lrt = float(weights @ (effects - mean) ** 2), max(0.0, lrt)
    return Homogeneity(wald, chi2_sf(wald, df), lrt, chi2_sf(lrt, df), df)


def fit_model(
    objective: Objective, start: Floats, k: int, level: float, method: str,
    test: Callable[[float, float], Homogeneity],
    described: Callable[[Floats], tuple[float, float]] = lambda _: (math.nan, math.nan),
    more: tuple[float, ...] = (),
) -> MixedModel:  # fmt: skip
    """Maximize a log-likelihood of k studies whose first parameter is the mean effect and whose
    last is log tau (-inf is allowed). start: the ones before log tau; more: those between them
    that have no meaning with tau = 0, and are left out then. test: the tests of homogeneity, from
    the common effect and its log-likelihood. described: variance and correlation of study levels
    from the parameters. Raises `EstimationError` where the common effect has no finite estimate.
    """

    def without(parameters: Floats) -> tuple[float, Floats]:
        value, gradient = objective(np.append(parameters, -math.inf))
        return value, gradient[:-1]

    common = _maximum(without, start)
    common_loglik, common_se = without(common)[0], _standard_error(without, common)
    if abs(float(common[0])) > _FARTHEST or not common_se < _LARGEST_ERROR:
        raise EstimationError(_NO_ESTIMATE)
    found = [_maximum(objective, np.array([*common, *more, math.log(t)])) for t in _STARTS]
    best = max(found, key=lambda one: objective(one)[0])
    loglik, gradient = objective(best)
    if k < 2 or loglik <= common_loglik + 1e-9 or best[-1] < math.log(_SMALLEST):
        best, loglik, se, tau2, status = common, common_loglik, common_se, 0.0, "boundary"
        study = described(np.append(common, -math.inf))
    else:
        se, tau2, study = (
            _standard_error(objective, best),
            math.exp(2.0 * best[-1]),
            described(best),
        )
        small = float(np.abs(gradient).max()) < 1e-4 * max(1.0, abs(loglik))
        known = math.isfinite(se) and best[-1] < math.log(_LARGEST)
        status = "ok" if small and known else "not_converged"
    mu, half, lrt = float(best[0]), critical_value(level, math.inf) * se, loglik - common_loglik
    lrt = max(0.0, 2.0 * lrt)
    return MixedModel(
        k, mu, se, mu / se, two_sided_p(mu / se), mu - half, mu + half, tau2, loglik,
        float(common[0]), common_se, lrt, 0.5 * chi2_sf(lrt, 1) if lrt > 0 else 1.0,
        test(float(common[0]), common_loglik), *study, level, method, status,
    )  # fmt: skip


def _maximum(objective: Objective, start: Floats) -> Floats:
    def negative(parameters: Floats) -> tuple[float, Floats]:
        value, gradient = objective(parameters)
        return -value, -gradient

    at: Floats = optimize.minimize(
        negative, start, jac=True, method="BFGS", options={"gtol": 1e-7}
    ).x
    return at


def _standard_error(objective: Objective, at: Floats) -> float:
    """Of the first parameter, from central differences of the gradient; nan where the information
    is not positive."""
    steps = np.full(at.size, DIFFERENCE)
    information = -difference_hessian(lambda where: objective(where)[1], at, steps)
    if not np.isfinite(information).all() or np.linalg.eigvalsh(information)[0] <= 1e-8:
        return math.nan
    return math.sqrt(float(np.linalg.inv(information)[0, 0]))
