"""Pooling correlation matrices of several studies: attitude, norm, control, intention, behavior."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, as_label, as_names, named, require
from analysis.dependent.blocks import EffectBlocks, make_blocks
from analysis.dependent.multivariate import MultivariateFit, fit_multivariate
from analysis.distributions import chi2_sf
from analysis.errors import EstimationError
from analysis.results import Result


def variable_names(variables: Iterable[Any]) -> tuple[str, ...]:
    """The names of variables. Raises `RowError` for those that are missing or named twice."""
    names = as_names(variables, "variables", "variable")
    require(np.array([names.count(one) == 1 for one in names]), "variables share a name")
    return tuple(names)


def pairs_of(variables: Iterable[Any]) -> list[tuple[str, str]]:
    """Pairs of variables in the order of pooled correlations."""
    return list(itertools.combinations(variable_names(variables), 2))


def correlation_covariance(correlations: ArrayLike, n: float) -> Floats:
    """Large-sample covariance of the q(q-1)/2 correlations of one q x q matrix from n persons
    (Olkin and Siotani 1976), in the order of `pairs_of`."""
    r = np.asarray(correlations, dtype=np.float64)
    first, second = np.triu_indices(r.shape[0], 1)
    s, t = first[:, None], second[:, None]
    u, v = first[None, :], second[None, :]
    rst, ruv = r[s, t], r[u, v]
    rsu, rsv, rtu, rtv = r[s, u], r[s, v], r[t, u], r[t, v]
    inner = 0.5 * rst * ruv * (rsu**2 + rsv**2 + rtu**2 + rtv**2) + rsu * rtv + rsv * rtu
    inner = inner - (rst * rsu * rsv + rst * rtu * rtv + rsu * rtu * ruv + rsv * rtv * ruv)
    return np.asarray(inner / n)


@dataclass(frozen=True)
class CorrelationStudies:
    """k studies' correlation matrices (k x q x q, nan where not reported) of named variables and
    numbers of persons (k). Raises `EstimationError` for another shape, and for variables without a
    name or of the same name."""

    variables: tuple[str, ...]
    matrices: Floats
    n: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "variables", variable_names(self.variables))
        q = len(self.variables)
        if self.matrices.shape != (self.n.size, q, q):
            raise EstimationError(
                f"matrices must be {self.n.size} x {q} x {q}, found {self.matrices.shape}"
            )


@dataclass(frozen=True)
class PooledMatrix(Result):
    """Pooled correlations r (in the order of `pairs`) with covariance vcov, tau2 of each (0 for
    the common-effect model), the number of studies of each, and the studies left out because their
    matrix is not positive definite. model: `common` or `random/REML` or `random/ML`."""

    variables: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    r: Floats
    se: Floats
    vcov: Floats
    tau2: Floats
    k: np.ndarray
    n_total: float
    left_out: tuple[int, ...]
    q: float
    q_df: int
    q_pvalue: float
    model: str
    status: str

    @property
    def matrix(self) -> Floats:
        """The pooled q x q matrix."""
        out = np.eye(len(self.variables))
        out[np.triu_indices(len(self.variables), 1)] = self.r
        return out + np.triu(out, 1).T


def pool_correlation_matrices(
    studies: CorrelationStudies, *, method: str | None = "REML", acov: str = "own"
) -> PooledMatrix:
    """First stage of two-stage structural equation modeling (Cheung and Chan 2005, Psychol Methods
    10:40; Cheung 2014 for random effects).

    method: `REML` or `ML` for random effects, each correlation with its own variance between
    studies (a full covariance matrix needs more studies than there usually are); None for a common
    matrix. acov: sampling covariances from each study's `own` correlations, or from their `mean`
    weighted by n, which small studies make more stable. Studies whose reported correlations are
    not positive definite are left out and named.
    Raises `EstimationError` when a pair of variables is in fewer than 2 studies.
    """
    made = stack_correlations(studies, acov)
    blocks = made.blocks
    common = fit_multivariate(blocks, structure="NONE")
    q, df = _residual_q(common), blocks.k - blocks.p
    fit = common if method is None else fit_multivariate(blocks, structure="DIAG", method=method)
    return PooledMatrix(
        studies.variables, tuple(pairs_of(studies.variables)), fit.beta, fit.se, fit.vb,
        np.diag(fit.tau) if method is not None else np.zeros(blocks.p), blocks.effects_per_outcome,
        float(studies.n[list(made.used)].sum()), made.left_out, q, df, chi2_sf(q, df),
        "common" if method is None else f"random/{method}", fit.status,
    )  # fmt: skip


@dataclass(frozen=True)
class _Stack:
    blocks: EffectBlocks
    y: Floats
    covariances: list[Floats]
    labels: list[int]
    kinds: list[str]
    names: list[str]
    used: tuple[int, ...]
    left_out: tuple[int, ...]


def stack_correlations(studies: CorrelationStudies, acov: str) -> _Stack:
    if acov not in ("own", "mean"):
        raise EstimationError(f"unknown sampling covariances {acov!r}; known: own, mean")
    first, second = np.triu_indices(len(studies.variables), 1)
    names = [f"{a}~{b}" for a, b in pairs_of(studies.variables)]
    rows = studies.matrices[:, first, second]
    good = [i for i in range(rows.shape[0]) if _is_definite(studies.matrices[i])]
    kept = np.isin(np.arange(rows.shape[0]), good)
    weights = (studies.n * kept)[:, None] * np.isfinite(rows)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(weights * np.nan_to_num(rows), axis=0) / weights.sum(axis=0)
    y: list[float] = []
    covariances: list[Floats] = []
    labels: list[int] = []
    kinds: list[str] = []
    for i in good:
        known = np.flatnonzero(np.isfinite(rows[i]))
        if not known.size:
            continue
        filled = np.where(np.isfinite(rows[i]), rows[i], mean) if acov == "own" else mean
        matrix = np.eye(len(studies.variables))
        matrix[first, second] = filled
        matrix = matrix + np.triu(matrix, 1).T
        full = correlation_covariance(np.nan_to_num(matrix), float(studies.n[i]))
        y += rows[i, known].tolist()
        covariances.append(full[np.ix_(known, known)])
        labels += [i] * known.size
        kinds += [names[j] for j in known]
    for name in names:
        if kinds.count(name) < 2:
            raise EstimationError(
                f"the correlation of {' and '.join(name.split('~'))} is in "
                f"{kinds.count(name)} studies; pooling needs 2"
            )
    blocks = make_blocks(y, covariances, labels, kinds, outcome_names=names)
    used = tuple(dict.fromkeys(labels))
    left = tuple(i for i in range(rows.shape[0]) if i not in good)
    return _Stack(blocks, np.array(y), covariances, labels, kinds, names, used, left)


def _is_definite(matrix: Floats) -> bool:
    """Whether the variables that a study reports fully have a positive definite matrix."""
    known = [i for i in range(matrix.shape[0]) if np.isfinite(np.delete(matrix[i], i)).any()]
    part = matrix[np.ix_(known, known)]
    part = np.where(np.eye(len(known), dtype=bool), 1.0, part)
    if not np.isfinite(part).all():
        return bool((np.abs(part[np.isfinite(part)]) <= 1.0).all())
    return len(known) < 2 or float(np.linalg.eigvalsh(part)[0]) > 1e-8


def _residual_q(fit: MultivariateFit) -> float:
    total = 0.0
    for group in fit.blocks.groups:
        e = group.y - group.x @ fit.beta
        total += float(np.einsum("md,md->", e, np.linalg.solve(group.v, e[:, :, None])[:, :, 0]))
    return total


@dataclass(frozen=True)
class Regression(Result):
    """Standardized regression of one variable on others, from a pooled matrix: paths with
    delta-method standard errors, and the share of variance explained."""

    outcome: str
    predictors: tuple[str, ...]
    path: Floats
    se: Floats
    r2: float


def regression_from_matrix(
    pooled: PooledMatrix, outcome: str, predictors: Iterable[str]
) -> Regression:
    """Paths solve R_xx b = r_xy; their variance by the delta method with analytic derivatives.

    Raises `EstimationError` for an unknown variable or one that is named twice.
    """
    outcome, predictors = as_label(outcome, "outcome"), as_names(predictors, "predictors", "path")
    place = {name: i for i, name in enumerate(pooled.variables)}
    for name in (outcome, *predictors):
        named(name, place, "variable")
    if len({outcome, *predictors}) <= len(predictors) or not predictors:
        raise EstimationError("a regression needs predictors that differ, and not the outcome")
    x, y = [place[name] for name in predictors], place[outcome]
    r = pooled.matrix
    inverse = np.linalg.inv(r[np.ix_(x, x)])
    path = inverse @ r[x, y]
    gradient = np.zeros((len(x), len(pooled.pairs)))
    for column, (a, b) in enumerate(pooled.pairs):
        change_xx = np.zeros((len(x), len(x)))
        change_xy = np.zeros(len(x))
        i, j = place[a], place[b]
        for one, other in ((i, j), (j, i)):
            if one in x and other in x:
                change_xx[x.index(one), x.index(other)] = 1.0
            if one in x and other == y:
                change_xy[x.index(one)] = 1.0
        gradient[:, column] = inverse @ (change_xy - change_xx @ path)
    vcov = gradient @ pooled.vcov @ gradient.T
    return Regression(
        outcome, tuple(predictors), path, np.sqrt(np.diag(vcov)), float(path @ r[x, y])
    )


def root_mean_square_error(chi2: float, df: int, n: float) -> float:
    """RMSEA of a path model; nan without df."""
    if df <= 0:
        return math.nan
    return math.sqrt(max(0.0, (chi2 - df) / (df * (n - 1.0))))
