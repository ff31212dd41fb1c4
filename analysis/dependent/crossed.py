"""Crossed random effects: effects that share a trial and, across trials, an instrument or a
team."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import (
    Floats,
    Integers,
    as_labels,
    as_names,
    as_vector,
    check_design,
    coefficient_names,
)
from analysis.dependent.blocks import check_positive_definite
from analysis.distributions import chi2_sf
from analysis.errors import EstimationError
from analysis.results import Result
from analysis.univariate.meta_regression import Coefficients, describe_coefficients

MOST_EFFECTS = 4000
"""The covariance matrix is dense; cost grows with the cube of the number of effects."""
_STARTS = (0.5, 0.05, 2.0)
_MOST_STEPS = 100


@dataclass(frozen=True)
class CrossedFit(Result):
    """y ~ N(X beta, V + sum over factors of sigma2_f Z_f Z_f').

    coefficients: model-based, normal; vb their covariance. sigma2: variance of every factor, by
    name, with `levels`. q, q_df, q_pvalue: residual heterogeneity. loglik by `method`; gradient:
    largest relative slope left; notes name variances at zero; status `ok`, `boundary` or
    `not_converged`.
    """

    k: int
    coefficients: Coefficients
    vb: Floats
    sigma2: dict[str, float]
    levels: dict[str, int]
    q: float
    q_df: int
    q_pvalue: float
    loglik: float
    gradient: float
    method: str
    status: str
    notes: tuple[str, ...]


def fit_crossed(
    yi: ArrayLike,
    v: ArrayLike,
    factors: Mapping[str, Iterable[Any]],
    design: ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
    method: str = "REML",
    level: float = 0.95,
) -> CrossedFit:
    """Fit random effects of any number of crossed or nested factors.

    yi: k effects. v: k sampling variances or a k x k covariance matrix. factors: k labels per
    factor; a factor with a label of its own for every effect is the variance between effects.
    Nested factors need labels that differ between their parents. Fisher scoring from several starts
    with variances kept at 0 while the likelihood falls from there, then Newton steps.
    Cluster-robust inference needs nested data: use `fit_multivariate` for those.
    Raises `EstimationError` for a covariance that is not positive definite, more than 4000 effects,
    factors whose variance cannot be told (one label for all effects, or the same groups twice), and
    missing labels, with the rows.
    """
    y = as_vector(yi, "yi")
    k = y.size
    if k > MOST_EFFECTS:
        raise EstimationError(f"crossed effects are fitted for up to {MOST_EFFECTS}, found {k}")
    if method not in ("REML", "ML"):
        raise EstimationError(f"crossed effects need REML or ML, not {method}")
    x = check_design(design, k)
    labels = coefficient_names(names, x.shape[1])
    if k <= x.shape[1]:
        raise EstimationError(f"{x.shape[1]} coefficients need more effects, found {k}")
    sampling = np.asarray(v, dtype=np.float64)
    sampling = np.diag(sampling) if sampling.ndim == 1 else sampling
    if sampling.shape != (k, k):
        raise EstimationError(f"v must be {k} variances or a {k} x {k} matrix")
    if not np.isfinite(y).all():
        raise EstimationError("yi must be finite")
    check_positive_definite(sampling[None], [""])
    codes = _codes(factors, k)
    parts = [(c[:, None] == c[None, :]).astype(np.float64) for c in codes.values()]
    unit = float(np.median(np.diag(sampling)) + np.var(y))
    problem = _Problem(y / math.sqrt(unit), sampling / unit, x, parts, method == "REML")
    best: tuple[float, Floats, float] | None = None
    for start in _starts(len(parts)):
        found = _climb(problem, start)
        if best is None or found[0] > best[0] + 1e-10:
            best = found
    assert best is not None
    sigma2 = np.where(best[1] < 1e-12, 0.0, best[1])
    state = problem.at(sigma2)
    p = x.shape[1]
    scale = k - p if problem.restricted else k
    w = np.linalg.inv(sampling)
    e = y - x @ np.linalg.solve(x.T @ w @ x, x.T @ w @ y)
    q = float(e @ w @ e)
    vb = state.m * unit
    zero = [name for name, one in zip(codes, sigma2, strict=True) if one == 0.0]
    status = "boundary" if zero else "ok"
    return CrossedFit(
        k,
        describe_coefficients(
            labels,
            state.beta * math.sqrt(unit), np.sqrt(np.diag(vb)), math.inf, level,
        ),
        vb,
        {name: float(one) * unit for name, one in zip(codes, sigma2, strict=True)},
        {name: int(c.max()) + 1 for name, c in codes.items()},
        q, k - p, chi2_sf(q, k - p),
        state.loglik - 0.5 * scale * math.log(2.0 * math.pi * unit), best[2], method,
        status if best[2] < 1e-6 else "not_converged", tuple(f"{name}_at_zero" for name in zero),
    )  # fmt: skip


def _codes(factors: Mapping[str, Iterable[Any]], k: int) -> dict[str, Integers]:
    codes: dict[str, Integers] = {}
    names = as_names(list(factors.keys()), "factors", "factor")
    for name, (_, labels) in zip(names, factors.items(), strict=True):
        if name in codes:
            raise EstimationError(f"two factors are named {name}")
        own = as_labels(labels, k, name)
        if own.max() == 0:
            raise EstimationError(f"{name} has one label for all effects: no variance to estimate")
        # Labels are numbered as they appear, so the same groups have the same numbers.
        for other, seen in codes.items():
            if np.array_equal(own, seen):
                raise EstimationError(f"{name} and {other} group the effects alike")
        codes[name] = own
    return codes


def _starts(factors: int) -> list[Floats]:
    """All variances alike, of several sizes, and every subset of the factors alone."""
    out = [np.full(factors, share / max(1, factors)) for share in _STARTS]
    for size in (0.3, 0.01):
        for subset in itertools.product((0.0, 1.0), repeat=min(factors, 6)):
            if not all(subset):
                out.append(size * np.resize(np.array(subset), factors))
    return out


@dataclass(frozen=True)
class _State:
    loglik: float
    beta: Floats
    m: Floats
    score: Floats
    observed: Floats
    expected: Floats


@dataclass(frozen=True)
class _Problem:
    y: Floats
    v: Floats
    x: Floats
    parts: list[Floats]
    restricted: bool

    def at(self, sigma2: Floats) -> _State:
        """Log-likelihood without its constant, solution, slope and information."""
        total = self.v + sum(s * a for s, a in zip(sigma2, self.parts, strict=True))
        try:
            factor = np.linalg.cholesky(total)
        except np.linalg.LinAlgError:
            raise EstimationError("the sampling covariance is not positive definite") from None
        w = np.linalg.inv(total)
        wx = w @ self.x
        information = self.x.T @ wx
        m: Floats = np.asarray(np.linalg.inv(information), dtype=np.float64)
        beta = m @ (wx.T @ self.y)
        projection = w - wx @ m @ wx.T
        r = projection @ self.y
        value = -float(np.log(np.diag(factor)).sum()) - 0.5 * float(self.y @ r)
        inner = projection if self.restricted else w
        if self.restricted:
            value -= 0.5 * float(np.linalg.slogdet(information)[1])
            value += 0.5 * float(np.linalg.slogdet(self.x.T @ self.x)[1])
        products = [inner @ a for a in self.parts]
        working = [a @ r for a in self.parts]
        score = np.array([
            0.5 * (float(r @ f) - float(np.trace(b)))
            for f, b in zip(working, products, strict=True)
        ])  # fmt: skip
        expected = np.array([
            [0.5 * float(np.einsum("ij,ji->", a, b)) for b in products] for a in products
        ])  # fmt: skip
        quadratic = np.array([[float(f @ projection @ g) for g in working] for f in working])
        return _State(value, beta, m, score, quadratic - expected, expected)


def _climb(problem: _Problem, at: Floats) -> tuple[float, Floats, float]:
    now = problem.at(at)
    for _ in range(_MOST_STEPS):
        free = (at > 0.0) | (now.score > 0.0)
        if not free.any() or float((np.abs(now.score) * np.maximum(at, 1e-3))[free].max()) < 1e-10:
            break
        chosen = np.ix_(free, free)
        curvature = now.observed[chosen]
        if float(np.linalg.eigvalsh(curvature)[0]) <= 0.0:
            curvature = now.expected[chosen]
        move = np.zeros_like(at)
        move[free] = np.linalg.lstsq(curvature, now.score[free], rcond=None)[0]
        step = 1.0
        for _ in range(30):
            candidate = np.maximum(at + step * move, 0.0)
            after = problem.at(candidate)
            if after.loglik >= now.loglik - 1e-13 * max(1.0, abs(now.loglik)):
                break
            step /= 2.0
        else:
            break
        if np.array_equal(candidate, at):
            break
        at, now = candidate, after
    free = at > 0.0
    left = float((np.abs(now.score) * np.maximum(at, 1e-3))[free].max()) if free.any() else 0.0
    return now.loglik, at, left
