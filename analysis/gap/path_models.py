"""Path models of pooled correlations, in two stages or in one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.arrays import Floats, as_names
from analysis.dependent.blocks import EffectBlocks
from analysis.dependent.multivariate import fit_multivariate
from analysis.distributions import chi2_sf, critical_value
from analysis.errors import EstimationError
from analysis.gap.correlation_matrices import (
    CorrelationStudies,
    PooledMatrix,
    root_mean_square_error,
    stack_correlations,
    variable_names,
)
from analysis.results import Result

_MOST_STEPS = 200


@dataclass(frozen=True)
class PathModel:
    """A recursive path model: `paths` from one variable to another, every pair of variables without
    an incoming path freely correlated. Standardized, residuals uncorrelated. Raises
    `EstimationError` for variables without a name or of the same name, and for paths that are named
    twice, run backward or name another variable."""

    variables: tuple[str, ...]
    paths: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "variables", variable_names(self.variables))
        ends = [as_names(ends, f"ends of path {i}", "end") for i, ends in enumerate(self.paths)]
        object.__setattr__(self, "paths", tuple((start, end) for start, end in ends))
        place = {name: i for i, name in enumerate(self.variables)}
        if len(set(self.paths)) < len(self.paths):
            raise EstimationError("a path is named twice")
        for start, end in self.paths:
            if start not in place or end not in place:
                raise EstimationError(f"the path {start} -> {end} names an unknown variable")
            if place[start] >= place[end]:
                raise EstimationError(
                    f"the path {start} -> {end} runs backward; list variables in causal order"
                )

    @property
    def exogenous(self) -> list[int]:
        ends = {end for _, end in self.paths}
        return [i for i, name in enumerate(self.variables) if name not in ends]

    @property
    def parameters(self) -> list[str]:
        """Names of the paths, then of the free correlations."""
        outside = self.exogenous
        correlations = [
            f"{self.variables[a]} with {self.variables[b]}"
            for n, a in enumerate(outside) for b in outside[n + 1 :]
        ]  # fmt: skip
        return [f"{a} -> {b}" for a, b in self.paths] + correlations

    def implied(self, parameters: Floats) -> Floats:
        """Correlations (upper triangle by rows) that the parameters imply."""
        q = len(self.variables)
        place = {name: i for i, name in enumerate(self.variables)}
        r = np.eye(q)
        outside = self.exogenous
        free = iter(parameters[len(self.paths) :])
        for n, a in enumerate(outside):
            for b in outside[n + 1 :]:
                r[a, b] = r[b, a] = next(free)
        for end in range(q):
            if end in outside:
                continue
            into = [(place[s], value) for (s, e), value in zip(self.paths, parameters, strict=False)
                    if place[e] == end]  # fmt: skip
            for other in range(end):
                r[end, other] = r[other, end] = sum(value * r[s, other] for s, value in into)
            # A later exogenous variable is correlated with this one through its causes.
            for later in range(end + 1, q):
                if later in outside:
                    r[end, later] = r[later, end] = sum(value * r[s, later] for s, value in into)
        return r[np.triu_indices(q, 1)]

    def jacobian(self, parameters: Floats) -> Floats:
        """Derivatives of `implied`, by central differences (it is a polynomial of low degree)."""
        out = np.empty((self.implied(parameters).size, parameters.size))
        for i in range(parameters.size):
            step = np.zeros_like(parameters)
            step[i] = 1e-5
            out[:, i] = (self.implied(parameters + step) - self.implied(parameters - step)) / 2e-5
        return out


@dataclass(frozen=True)
class FittedPaths(Result):
    """Parameters of a path model with standard errors and normal limits, and its fit.

    indirect: of every chain of two paths, `x -> m -> y`. chi2, df, pvalue: test that the model's
    correlations are the pooled ones (no test with df 0: saturated); rmsea; srmr, over the
    correlations. tau2: of the one-stage model. method: `two_stage` or `one_stage`. status: `ok` or
    `not_converged`.
    """

    names: tuple[str, ...]
    estimate: Floats
    se: Floats
    ci_lb: Floats
    ci_ub: Floats
    vcov: Floats
    indirect: dict[str, tuple[float, float]]
    implied: Floats
    chi2: float
    df: int
    pvalue: float
    rmsea: float
    srmr: float
    tau2: Floats
    level: float
    method: str
    status: str


def fit_paths(pooled: PooledMatrix, model: PathModel, *, level: float = 0.95) -> FittedPaths:
    """Second stage: weighted least squares of the pooled correlations on the model, weights the
    inverse of their covariance (Cheung and Chan 2005).

    Raises `EstimationError` when the variables differ.
    """
    _check(pooled.variables, model)
    weight = _inverse(pooled.vcov)
    estimate, converged = _gauss_newton(pooled.r, weight, model)
    jacobian = model.jacobian(estimate)
    vcov = _inverse(jacobian.T @ weight @ jacobian)
    rest = pooled.r - model.implied(estimate)
    return _describe(
        model, estimate, vcov, pooled.r, float(rest @ weight @ rest), pooled.n_total, pooled.tau2,
        level, "two_stage", converged,
    )  # fmt: skip


def fit_paths_one_stage(
    studies: CorrelationStudies, model: PathModel, *, acov: str = "own", level: float = 0.95
) -> FittedPaths:
    """Paths and between-study variances by maximum likelihood in one step (Jak and Cheung 2020,
    Psychol Methods 25:430): study correlations ~ N(implied(paths), V_i + diag(tau2)).

    The model is linearized at the current paths and fitted as a multivariate meta-regression until
    the paths stay. chi2 is the likelihood ratio against free means.
    """
    _check(studies.variables, model)
    stack = stack_correlations(studies, acov)
    free = fit_multivariate(stack.blocks, structure="DIAG", method="ML")
    estimate, _ = _gauss_newton(free.beta, _inverse(free.vb), model)
    column = np.array([stack.names.index(kind) for kind in stack.kinds])
    converged, fit = False, free
    for _ in range(50):
        jacobian = model.jacobian(estimate)
        offset = (model.implied(estimate) - jacobian @ estimate)[column]
        blocks = _with_design(stack.blocks, stack.y - offset, jacobian[column])
        fit = fit_multivariate(blocks, structure="DIAG", method="ML", near=fit)
        change = float(np.abs(fit.beta - estimate).max())
        estimate = fit.beta
        if change < 1e-10:
            converged = True
            break
    ratio = max(0.0, 2.0 * (free.loglik - fit.loglik))
    n = float(studies.n[list(stack.used)].sum())
    return _describe(
        model, estimate, fit.vb, free.beta, ratio, n, np.diag(fit.tau), level, "one_stage",
        converged,
    )  # fmt: skip


def _inverse(matrix: Floats) -> Floats:
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def _with_design(blocks: EffectBlocks, y: Floats, design: Floats) -> EffectBlocks:
    groups = tuple(replace(group, y=y[group.rows], x=design[group.rows]) for group in blocks.groups)
    return replace(blocks, p=design.shape[1], design=design, groups=groups)


def _check(variables: Sequence[str], model: PathModel) -> None:
    if tuple(variables) != model.variables:
        raise EstimationError(
            f"the model has the variables {', '.join(model.variables)}, the correlations "
            f"{', '.join(variables)}; they must agree, in the same order"
        )


def _gauss_newton(target: Floats, weight: Floats, model: PathModel) -> tuple[Floats, bool]:
    """Least squares of the target on the implied correlations, step halved where it would not
    fall."""
    parameters = np.zeros(len(model.parameters))
    rest = target - model.implied(parameters)
    value = float(rest @ weight @ rest)
    for _ in range(_MOST_STEPS):
        jacobian = model.jacobian(parameters)
        move = np.linalg.solve(jacobian.T @ weight @ jacobian, jacobian.T @ weight @ rest)
        step = 1.0
        while step > 1e-8:
            candidate = parameters + step * move
            after = target - model.implied(candidate)
            new = float(after @ weight @ after)
            if new <= value:
                break
            step /= 2.0
        parameters, rest = candidate, after
        if float(np.abs(step * move).max()) < 1e-12 or abs(value - new) < 1e-16 * max(1.0, value):
            return parameters, True
        value = new
    return parameters, False


def _describe(
    model: PathModel, estimate: Floats, vcov: Floats, observed: Floats, chi2: float, n: float,
    tau2: Floats, level: float, method: str, converged: bool,
) -> FittedPaths:  # fmt: skip
    df = observed.size - estimate.size
    se = np.sqrt(np.diag(vcov))
    half = critical_value(level, math.inf) * se
    implied = model.implied(estimate)
    srmr = math.sqrt(float(((observed - implied) ** 2).mean()))
    return FittedPaths(
        tuple(model.parameters), estimate, se, estimate - half, estimate + half, vcov,
        _indirect(model, estimate, vcov), implied, chi2, df,
        chi2_sf(chi2, df) if df > 0 else math.nan, root_mean_square_error(chi2, df, n),
        srmr, tau2, level, method, "ok" if converged else "not_converged",
    )  # fmt: skip


def _indirect(model: PathModel, estimate: Floats, vcov: Floats) -> dict[str, tuple[float, float]]:
    """Product of every chain of two paths and its delta-method standard error."""
    out = {}
    for i, (start, middle) in enumerate(model.paths):
        for j, (again, end) in enumerate(model.paths):
            if again != middle:
                continue
            a, b = float(estimate[i]), float(estimate[j])
            variance = b * b * vcov[i, i] + a * a * vcov[j, j] + 2.0 * a * b * vcov[i, j]
            out[f"{start} -> {middle} -> {end}"] = (a * b, math.sqrt(max(0.0, float(variance))))
    return out
