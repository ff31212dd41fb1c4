"""Profile likelihood intervals of variances and correlations of a multilevel or multivariate
model."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from analysis.arrays import Floats
from analysis.dependent.blocks import EffectBlocks
from analysis.dependent.likelihood import log_likelihood_at
from analysis.dependent.multivariate import MultivariateFit
from analysis.distributions import chi2_quantile
from analysis.errors import EstimationError
from analysis.results import Result
from analysis.rootfinding import find_root

_FOLLOWED = 4
_UNBOUNDED = 1e4
"""Standard deviations, in units of the typical sampling one, beyond which a limit is infinite."""


@dataclass(frozen=True)
class ProfileInterval(Result):
    """Values of one parameter whose profile log-likelihood is within half a chi-squared quantile of
    the maximum. A limit at the edge of the parameter space (variance 0 or infinite, correlation
    +-1) is that edge, and `edge` says which."""

    parameter: str
    estimate: float
    lower: float
    upper: float
    level: float
    edge: str = ""


@dataclass(frozen=True)
class _Model:
    """Everything but the parameters: variances as squares, correlations as sines of angles.

    order: of the outcomes, the first two of which share the first angle, so that it is their
    correlation; the angles of an unstructured matrix are those of the rows of its Cholesky factor.
    """

    blocks: EffectBlocks
    q: int
    structure: str
    within: tuple[int, ...]
    restricted: bool
    unit: float
    order: tuple[int, ...]

    def covariances(
        self, tau_sd: Floats, angles: Floats, omega_sd: Floats
    ) -> tuple[Floats, Floats]:
        if not tau_sd.size:
            tau_sd = np.zeros(1)
        tau_sd = np.abs(np.broadcast_to(tau_sd, (self.q,))) * math.sqrt(self.unit)
        correlation = np.eye(self.q)
        if self.structure == "UN" and angles.size:
            factor = _factor(angles, self.q)
            correlation[np.ix_(self.order, self.order)] = factor @ factor.T
        elif angles.size:
            correlation = correlation + np.sin(angles[0]) * (1.0 - np.eye(self.q))
        omega = np.append(omega_sd**2 * self.unit, 0.0)[list(self.within)]
        return correlation * np.outer(tau_sd, tau_sd), omega


def profile_interval(
    fit: MultivariateFit, parameter: str, *, level: float = 0.95
) -> ProfileInterval:
    """Interval of one parameter of a fit (Hardy and Thompson 1996; metafor `confint.rma.mv`).

    parameter: `tau2[i]`, `rho` (of two outcomes, or the common one of `CS` and `HCS`),
    `rho[i,j]` (of more outcomes without structure) or `omega2[i]`, i the number of the outcome.
    The other parameters are maximized at every value, which takes seconds with three outcomes.
    Raises `EstimationError` for a parameter that the model does not have, and for a fit in which a
    variance was held at 0.
    """
    if fit.held:
        raise EstimationError(
            "profile intervals need a fit whose variances are all estimated; here those of "
            f"outcomes {', '.join(map(str, fit.held))} are held at 0"
        )
    pair = re.fullmatch(r"rho\[(\d+),(\d+)\]", parameter)
    model, start = _model(fit, tuple(int(one) for one in pair.groups()) if pair else ())
    names = _names(model)
    if parameter not in (own := [name for name in names if "angle" not in name]):
        raise EstimationError(f"no parameter {parameter!r}; there are {', '.join(own)}")
    place = names.index(parameter)
    top = fit.loglik
    floor = top - 0.5 * chi2_quantile(level, 1.0)
    is_angle = parameter.startswith("rho")
    estimate = math.sin(start[place]) if is_angle else float(start[place]) ** 2 * model.unit
    profile = _profile(model, start, place)

    def below(coordinate: float) -> float:
        return floor - profile(coordinate)

    at = float(start[place])
    if is_angle:
        low, high = -_largest_angle(model), math.pi / 2.0
        edge_low, edge_high = below(low + 1e-9) <= 0.0, below(high - 1e-9) <= 0.0
        lower = math.sin(low) if edge_low else math.sin(find_root(below, low + 1e-9, at))
        upper = 1.0 if edge_high else math.sin(find_root(below, at, high - 1e-9))
    else:
        edge_low, edge_high = below(0.0) <= 0.0, False
        lower = 0.0 if edge_low else find_root(below, 0.0, at) ** 2 * model.unit
        far = 2.0 * at + 0.5
        while below(far) < 0.0 and far < _UNBOUNDED:
            far *= 2.0
        edge_high = far >= _UNBOUNDED
        upper = math.inf if edge_high else find_root(below, at, far) ** 2 * model.unit
    edge = " and ".join(
        name for name, there in (("lower", edge_low), ("upper", edge_high)) if there
    )
    return ProfileInterval(parameter, estimate, lower, upper, level, edge)


def _factor(angles: Floats, q: int) -> Floats:
    """Cholesky factor of a correlation matrix: in every row the sines of its angles, each times the
    cosines of those before, and what these leave."""
    factor = np.zeros((q, q))
    rest = np.ones(q)
    for (row, column), angle in zip(zip(*np.tril_indices(q, -1), strict=True), angles, strict=True):
        factor[row, column] = rest[row] * math.sin(angle)
        rest[row] *= math.cos(angle)
    factor[np.arange(q), np.arange(q)] = rest
    return factor


def _angles(correlation: Floats) -> Floats:
    """The angles whose `_factor` has this correlation matrix, which may be singular."""
    q = correlation.shape[0]
    factor = np.linalg.cholesky((correlation + 1e-10 * np.eye(q)) / (1.0 + 1e-10))
    out = []
    for row in range(1, q):
        rest = 1.0
        for column in range(row):
            sine = factor[row, column] / rest if rest > 1e-12 else 0.0
            out.append(math.asin(min(1.0, max(-1.0, sine))))
            rest *= math.cos(out[-1])
    return np.array(out)


def _largest_angle(model: _Model) -> float:
    """The smallest correlation that q outcomes can all share is -1/(q - 1)."""
    if model.structure == "UN" or model.q < 2:
        return math.pi / 2.0
    return math.asin(1.0 / (model.q - 1.0))


def _model(fit: MultivariateFit, pair: tuple[int, ...] = ()) -> tuple[_Model, Floats]:
    q = len(fit.blocks.outcome_names)
    if len(set(pair)) < len(pair) or not set(pair) <= set(range(q)):
        raise EstimationError(f"no pair of outcomes {pair}; there are 0 to {q - 1}")
    order = (*pair, *(i for i in range(q) if i not in pair))
    within = tuple(fit.within_index)
    unit = float(np.mean([np.diagonal(g.v, axis1=1, axis2=2).mean() for g in fit.blocks.groups]))
    model = _Model(fit.blocks, q, fit.structure, within, fit.method == "REML", unit, order)
    sd = np.sqrt(np.diag(fit.tau) / unit)
    tau_sd = {"NONE": sd[:0], "ID": sd[:1], "CS": sd[:1]}.get(fit.structure, sd)
    angles = np.zeros(0)
    if fit.structure in ("UN", "CS", "HCS") and q > 1:
        with np.errstate(invalid="ignore", divide="ignore"):
            rho = fit.tau[1, 0] / math.sqrt(float(fit.tau[0, 0] * fit.tau[1, 1]))
        angles = np.array([math.asin(min(1.0, max(-1.0, rho))) if math.isfinite(rho) else 0.0])
    if fit.structure == "UN" and q > 2:
        scale = np.where(sd > 0.0, sd, 1.0) * math.sqrt(unit)
        correlation = fit.tau / np.outer(scale, scale)
        np.fill_diagonal(correlation, 1.0)
        angles = _angles(correlation[np.ix_(order, order)])
    firsts = [within.index(n) for n in range(max(within) + 1)]
    return model, np.concatenate([tau_sd, angles, np.sqrt(fit.omega[firsts] / unit)])


def _names(model: _Model) -> list[str]:
    count = {"NONE": 0, "ID": 1, "CS": 1}.get(model.structure, model.q)
    names = [f"tau2[{i}]" for i in range(count)]
    if model.structure == "UN" and model.q > 2:
        names.append(f"rho[{model.order[0]},{model.order[1]}]")
        # The other angles, which are no correlations of their own.
        names += [f"rho angle {i}" for i in range(2, model.q * (model.q - 1) // 2 + 1)]
    elif model.structure in ("UN", "CS", "HCS") and model.q > 1:
        names.append("rho")
    return names + [f"omega2[{model.within.index(n)}]" for n in range(max(model.within) + 1)]


def _elsewhere(at: Floats, is_angle: list[bool]) -> list[Floats]:
    """Other places to start: a little off, smaller and larger deviations, each of them near 0, and
    other correlations."""
    angle = np.array(is_angle, dtype=bool)
    out = [at + 0.05]
    out += [np.where(angle, at, factor * np.maximum(np.abs(at), 0.3)) for factor in (0.3, 2.0)]
    for i in range(at.size):
        for value in (-1.2, 1.2) if angle[i] else (1e-3,):
            moved = at + 0.05
            moved[i] = value
            out.append(moved)
    return out


def _profile(model: _Model, start: Floats, place: int) -> Callable[[float], float]:
    """Log-likelihood at a value of one coordinate, the others at their best; every search starts
    where the last one ended."""
    names = _names(model)
    is_angle = [name.startswith("rho") for name in names]
    others = [i for i in range(len(names)) if i != place]
    last = np.array(start)
    first = sum(name.startswith("tau2") for name in names)
    after = first + sum(is_angle)

    def loglik(parameters: Floats) -> float:
        tau, omega = model.covariances(
            parameters[:first], parameters[first:after], parameters[after:]
        )
        return log_likelihood_at(model.blocks, tau, omega, model.restricted)

    def value(coordinate: float) -> float:
        nonlocal last
        if not others:
            return loglik(np.array([coordinate]))

        def negative(free: Floats) -> float:
            whole = np.empty(len(names))
            whole[place], whole[others] = coordinate, free
            return -loglik(whole)

        best = math.inf
        begins = [last[others], *_elsewhere(start[others], [is_angle[i] for i in others])]
        begins.sort(key=negative)
        for begin in begins[:_FOLLOWED]:
            found = optimize.minimize(negative, begin, method="BFGS", options={"gtol": 1e-7})
            if found.fun < best - 1e-12:
                best, last[others] = float(found.fun), found.x
        return -best

    return value
