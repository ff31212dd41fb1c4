"""Many random-effects fits in one call: B problems of up to k effects and p coefficients each.

Every problem is fitted as `fit_meta_regression` fits it; the arithmetic is shared, so that a fit
costs microseconds. Leaving studies out, permutations, bootstraps and specifications use it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, named
from analysis.errors import EstimationError
from analysis.results import Result
from analysis.rootfinding import find_roots
from analysis.univariate.tau2 import TAU2_METHODS

_LOWEST, _GRID_STEP = 0.01, 1.6
"""The likelihood is scanned from this share of the smallest variance, by this factor a step."""
_BLOCK = 40_000
"""Numbers of one working array, so that it stays in the processor's cache."""


@dataclass(frozen=True)
class Fits(Result):
    """B fits: beta (B x p) with its model-based covariance vb (B x p x p), tau2, the weighted
    residual sum of squares at tau2 (for Knapp and Hartung), Cochran's Q and df = effects - p.
    nan where a problem has no more effects than coefficients or columns that depend on each
    other."""

    beta: Floats
    vb: Floats
    tau2: Floats
    rss: Floats
    q: Floats
    df: Floats


@dataclass(frozen=True)
class _Problems:
    """Effects y and variances v (B x k or shared, k), columns (each B x k or shared), and the
    mask m (B x k) of the effects that a problem has."""

    y: Floats
    v: Floats
    columns: tuple[Floats, ...]
    m: Floats

    def rows(self, keep: np.ndarray | slice) -> _Problems:
        def part(a: Floats) -> Floats:
            return a[keep] if a.ndim == 2 else a

        return _Problems(
            part(self.y), part(self.v), tuple(part(c) for c in self.columns), self.m[keep]
        )

    def one(self, i: int) -> tuple[Floats, Floats, Floats]:
        """Effects, variances and design of problem i."""
        keep = self.m[i] > 0
        own = self.rows(np.array([i]))
        y, v, *x = (np.broadcast_to(a, own.m.shape)[0, keep] for a in (own.y, own.v, *own.columns))
        return y, v, np.column_stack(x)


def fit_many(
    yi: ArrayLike,
    vi: ArrayLike,
    design: ArrayLike | None = None,
    *,
    member: ArrayLike | None = None,
    method: str = "REML",
) -> Fits:
    """Fit B problems.

    yi, vi: effects and sampling variances, B x k, or k when shared by all problems. design: p
    columns of an intercept and moderators, k x p when shared or B x k x p; an intercept by
    default. member: B x k, true where the problem has the effect (all by default). method: one of
    `TAU2_METHODS`; the likelihood methods take the global maximum.
    Raises `EstimationError` for values that are not finite or variances of 0 or less where a
    problem has the effect, and when nothing says how many problems there are.
    """
    named(method, TAU2_METHODS, "estimator of tau2")
    y, v = (np.atleast_1d(np.asarray(a, dtype=np.float64)) for a in (yi, vi))
    x = np.ones((y.shape[-1], 1)) if design is None else np.asarray(design, dtype=np.float64)
    x = x[:, None] if x.ndim == 1 else x
    if v.shape[-1] != y.shape[-1] or x.shape[-2] != y.shape[-1]:
        raise EstimationError(
            f"yi, vi and design must agree in effects: {y.shape[-1]}, {v.shape[-1]}, {x.shape[-2]}"
        )
    shapes = [a.shape[0] for a, shared in ((y, 1), (v, 1), (x, 2)) if a.ndim > shared]
    if member is not None:
        shapes.append(np.shape(member)[0])
    if not shapes or len(set(shapes)) > 1:
        raise EstimationError(f"the problems must agree in number, found {shapes or 'none'}")
    m = np.ones((shapes[0], y.shape[-1])) if member is None else np.asarray(member, dtype=float)
    known = np.asarray(np.isfinite(x).all(axis=-1))
    bad = (m > 0) & ~(np.isfinite(y) & np.isfinite(v) & (v > 0) & known)
    if bool(bad.any()):
        i, j = (int(a[0]) for a in np.nonzero(bad))
        raise EstimationError(
            f"yi and design must be finite and vi above 0 (problem {i}, effect {j})"
        )
    if member is not None:
        y, v = (np.where(np.isfinite(a), a, fill) for a, fill in ((y, 0.0), (v, 1.0)))
        x = np.where(known[..., None], x, 0.0)
    columns = tuple(np.ascontiguousarray(x[..., i]) for i in range(x.shape[-1]))
    problems = _Problems(y, v, columns, m)
    step = max(1, _BLOCK // max(1, m.shape[1]))
    parts = [
        _fit(problems.rows(slice(i, i + step)), method) for i in range(0, max(1, m.shape[0]), step)
    ]
    return Fits(*(np.concatenate(one) for one in zip(*parts, strict=True)))


def _fit(problems: _Problems, method: str) -> Iterator[Floats]:
    count, p = problems.m.shape[0], len(problems.columns)
    df = problems.m.sum(axis=1) - p
    enough = (df > 0) & _full_rank(problems)
    kept = problems if bool(enough.all()) else problems.rows(enough)
    out = [np.full((count, *shape), np.nan) for shape in ((p,), (p, p), (), (), ())]
    if bool(enough.any()):
        tau2 = _tau2(kept, method)
        beta, vb, rss = _solution(kept, tau2)
        q = _solution(kept, np.zeros_like(tau2))[2]
        for target, values in zip(out, (beta, vb, tau2, rss, q), strict=True):
            target[enough] = values
    return iter((*out, np.where(enough, df, np.nan)))


def _full_rank(problems: _Problems) -> np.ndarray:
    """Whether the columns of every problem are independent over its own effects."""
    m, p = problems.m, len(problems.columns)
    if _is_mean(problems):
        return np.ones(m.shape[0], dtype=bool)
    if all(c.ndim == 1 for c in problems.columns) and bool((m > 0).all()):
        whole = np.column_stack(problems.columns)
        size = np.sqrt((whole**2).sum(axis=0))
        full = bool((size > 0.0).all()) and np.linalg.matrix_rank(whole / size) == p
        return np.full(m.shape[0], full)
    gram = np.empty((m.shape[0], p, p))
    for i, first in enumerate(problems.columns):
        for j, second in enumerate(problems.columns[: i + 1]):
            gram[:, i, j] = gram[:, j, i] = _dot(m, first * second)
    size = np.sqrt(np.maximum(np.einsum("bpp->bp", gram), 1e-300))
    smallest = np.linalg.eigvalsh(gram / (size[:, :, None] * size[:, None, :]))[:, 0]
    return np.asarray((smallest > 1e-13) & (np.einsum("bpp->bp", gram) > 0.0).all(axis=1))


def _dot(w: Floats, a: Floats) -> Floats:
    """Sums over effects of w times a, for every problem."""
    return np.asarray(w @ a if a.ndim == 1 else np.einsum("bk,bk->b", w, a))


def _inverse(information: Floats) -> Floats:
    """Inverses of B symmetric p x p matrices."""
    p = information.shape[1]
    if p == 1:
        return 1.0 / information
    if p == 2:
        a, b, c = information[:, 0, 0], information[:, 0, 1], information[:, 1, 1]
        determinant = a * c - b * b
        out = np.empty_like(information)
        out[:, 0, 0], out[:, 1, 1] = c / determinant, a / determinant
        out[:, 0, 1] = out[:, 1, 0] = -b / determinant
        return out
    return np.asarray(np.linalg.inv(information))


def _solution(problems: _Problems, tau2: Floats) -> tuple[Floats, Floats, Floats]:
    """Coefficients, their covariance and the weighted residual sum of squares at tau2."""
    return _weighted(problems, problems.m / (problems.v + tau2[:, None]))


def _weighted(problems: _Problems, w: Floats) -> tuple[Floats, Floats, Floats]:
    """Weighted least squares of every problem with weights w (B x k)."""
    if _is_mean(problems):
        total = w.sum(axis=1)
        mean = _dot(w, problems.y) / total
        residuals = problems.y - mean[:, None]
        rss = np.einsum("bk,bk->b", w * residuals, residuals)
        return mean[:, None], (1.0 / total)[:, None, None], np.asarray(rss)
    # Orthonormal columns under the weights, by Gram and Schmidt done twice, so that moderators far
    # from 0 or close to each other lose no digits.
    count, p = w.shape[0], len(problems.columns)
    upper = np.zeros((count, p, p))
    done: list[Floats] = []
    weighted: list[Floats] = []
    for i, column in enumerate(problems.columns):
        rest = np.broadcast_to(column, w.shape)
        for _ in range(2 if i else 0):
            for j, one in enumerate(done):
                along = np.einsum("bk,bk->b", weighted[j], rest)
                upper[:, j, i] += along
                rest = rest - along[:, None] * one
        size = np.sqrt(np.einsum("bk,bk->b", w * rest, rest))
        upper[:, i, i] = size
        done.append(rest / size[:, None])
        weighted.append(w * done[-1])
    gamma = np.stack([_dot(one, problems.y) for one in weighted], axis=1)
    residuals = problems.y - sum(gamma[:, i, None] * one for i, one in enumerate(done))
    rss = np.einsum("bk,bk->b", w * residuals, residuals)
    back: Floats = np.asarray(np.linalg.inv(upper), dtype=np.float64)
    beta = np.einsum("bpq,bq->bp", back, gamma)
    return np.asarray(beta), np.asarray(back @ np.swapaxes(back, 1, 2)), np.asarray(rss)


def _is_mean(problems: _Problems) -> bool:
    return len(problems.columns) == 1 and bool((problems.columns[0] == 1.0).all())


def _tau2(problems: _Problems, method: str) -> Floats:
    if method == "EE":
        return np.zeros(problems.m.shape[0])
    if method in ("REML", "ML"):
        return _tau2_likelihood(problems, method)
    if method in ("PM", "EB"):
        return _tau2_paule_mandel(problems)
    return np.array([_one(problems, i, method) for i in range(problems.m.shape[0])])


@dataclass(frozen=True)
class _Scores:
    """Products of residualized effects and orthonormal columns, whose weighted sums give the
    score of the likelihood at any tau2 of every problem."""

    v: Floats
    m: Floats
    pairs: tuple[tuple[int, int], ...]
    products: tuple[Floats, ...]
    p: int

    def __call__(self, tau2: Floats, restricted: bool) -> Floats:
        """Twice the derivative of the log-likelihood of every problem at its own tau2."""
        w = self.m / (self.v + tau2[:, None])
        first, second = self._sums(w, self.products[:-1]), self._sums(w * w, self.products)
        return self._score(w.sum(axis=1), first, second, restricted)

    def on_grid(self, tau2: Floats, restricted: bool) -> Floats:
        """The same at values of tau2 that all problems share (B x values), by matrix products;
        for variances that the problems share."""
        w = 1.0 / (self.v + tau2[:, None])
        first, second = (
            self._grid_sums(w, self.products[:-1]),
            self._grid_sums(w * w, self.products),
        )
        out = self._score((self.m @ w.T).ravel(), first, second, restricted)
        return out.reshape(-1, tau2.size)

    def _sums(self, w: Floats, columns: tuple[Floats, ...]) -> Floats:
        """Weighted sums of several columns (columns x B)."""
        return np.stack([_dot(w, a) for a in columns])

    def _grid_sums(self, w: Floats, columns: tuple[Floats, ...]) -> Floats:
        """Sums over the effects of every problem, for every row of weights (columns x B * rows)."""
        return np.stack([
            ((self.m @ (w * a).T) if a.ndim == 1 else (self.m * a) @ w.T).ravel() for a in columns
        ])  # fmt: skip

    def _score(self, total: Floats, first: Floats, second: Floats, restricted: bool) -> Floats:
        """The derivative from the sums of the weights, of the products with the weights and of
        the products with their squares."""
        pairs = len(self.pairs)
        out = second[-1] - total
        if self.p == 1:
            beta = first[1] / first[0]
            out += beta * (beta * second[0] - 2.0 * second[1])
            return np.asarray(out + second[0] / first[0] if restricted else out)
        m, squares = _inverse(self._matrix(first[:pairs])), self._matrix(second[:pairs])
        betas = np.einsum("bpq,qb->bp", m, first[pairs:])
        out -= 2.0 * np.einsum("bp,pb->b", betas, second[pairs:-1])
        out += np.einsum("bp,bpq,bq->b", betas, squares, betas)
        return np.asarray(out + np.einsum("bpq,bpq->b", m, squares) if restricted else out)

    def _matrix(self, sums: Floats) -> Floats:
        out = np.empty((sums.shape[1], self.p, self.p))
        for (i, j), values in zip(self.pairs, sums, strict=True):
            out[:, i, j] = out[:, j, i] = values
        return out


def _scores(problems: _Problems) -> _Scores:
    """Effects less their ordinary fit, columns orthonormal: the score does not change and its sums
    keep their digits."""
    p = len(problems.columns)
    y, columns = problems.y, list(problems.columns)
    shared = all(c.ndim == 1 for c in columns)
    if _is_mean(problems):
        # An intercept: subtracting the mean is enough.
        mean = _dot(problems.m, y) / problems.m.sum(axis=1)
        y = y - (y.mean() if y.ndim == 1 else mean[:, None])
    elif shared and bool((problems.m > 0).all()):
        q = np.linalg.qr(np.column_stack(columns))[0]
        y = y - (y @ q) @ q.T
        columns = list(q.T)
    else:
        y, columns = _orthonormal(problems)
    pairs = tuple((i, j) for i in range(p) for j in range(i + 1))
    products = (*(columns[i] * columns[j] for i, j in pairs), *(c * y for c in columns), y * y)
    return _Scores(problems.v, problems.m, pairs, products, p)


def _orthonormal(problems: _Problems) -> tuple[Floats, list[Floats]]:
    """Gram and Schmidt, twice, within each problem's own effects."""
    m = problems.m
    done: list[Floats] = []
    for column in (*problems.columns, problems.y):
        rest = m * column
        for _ in range(2):
            for one in done:
                rest = rest - np.einsum("bk,bk->b", rest, one)[:, None] * one
        if len(done) < len(problems.columns):
            rest = rest / np.sqrt(np.einsum("bk,bk->b", rest, rest))[:, None]
            done.append(rest)
    return rest, done


def _bounds(problems: _Problems, restricted: bool) -> tuple[Floats, Floats]:
    """Smallest variance, and a value that no root of the score lies above, per problem (the bound
    of a single fit)."""
    smallest = np.where(problems.m > 0, problems.v, np.inf).min(axis=1)
    largest = (problems.m * problems.v).max(axis=1)
    a = problems.m.sum(axis=1) - (len(problems.columns) if restricted else 0)
    rss = _weighted(problems, problems.m)[2] / a
    half = 0.5 * rss - smallest
    top = half + np.sqrt(np.maximum(half**2 - smallest**2 + rss * largest, 0.0))
    return smallest, np.maximum(1.01 * top, smallest)


def _scan(problems: _Problems, score: _Scores, restricted: bool) -> tuple[Floats, Floats]:
    """Values of tau2 from 0 to above every root, and the score there (both B x values)."""
    smallest, top = _bounds(problems, restricted)
    lowest = _LOWEST * smallest
    if shared := problems.v.ndim == 1:
        lowest, top = lowest.min(keepdims=True), top.max(keepdims=True)
    steps = int(np.ceil(np.log(top / lowest).max() / np.log(_GRID_STEP)))
    ratio = (top / lowest) ** (1.0 / steps)
    at = np.zeros((top.size, steps + 2))
    at[:, 1:] = np.cumprod([lowest, *[ratio] * steps], axis=0).T
    if shared:
        values = score.on_grid(at[0], restricted)
        return np.broadcast_to(at, values.shape), values
    return at, np.stack([score(one, restricted) for one in at.T], axis=1)


def _tau2_likelihood(problems: _Problems, method: str) -> Floats:
    """Global maximum per problem: the fall of the score through 0 on a grid, refined. A problem
    whose likelihood has several maxima is left to the fit of one problem."""
    restricted, score = method == "REML", _scores(problems)
    at, values = _scan(problems, score, restricted)
    rises = values[:, 0] > 0.0
    falls = (values[:, :-1] > 0.0) & (values[:, 1:] <= 0.0)
    maxima = falls.sum(axis=1) + ~rises
    out = np.zeros(maxima.size)
    one = (maxima == 1) & rises
    if bool(one.any()):
        own = score if bool(one.all()) else _scores(problems.rows(one))
        low = (np.flatnonzero(one), falls[one].argmax(axis=1))
        high = (low[0], low[1] + 1)
        ends = (values[low], values[high])
        out[one] = find_roots(lambda x: own(x, restricted), at[low], at[high], ends)
    for i in np.flatnonzero((maxima > 1) | ((maxima == 0) & rises)):
        out[i] = _one(problems, int(i), method)
    return out


def _one(problems: _Problems, i: int, method: str) -> float:
    return TAU2_METHODS[method](*problems.one(i))


def _tau2_paule_mandel(problems: _Problems) -> Floats:
    df: Floats = problems.m.sum(axis=1) - len(problems.columns)
    excess = _solution(problems, np.zeros_like(df))[2] - df
    out = np.zeros_like(df)
    some = excess > 0.0
    if bool(some.any()):
        kept, degrees = problems.rows(some), df[some]
        top = _weighted(kept, kept.m)[2] / degrees * (1.0 + 1e-9)
        out[some] = find_roots(lambda t: _solution(kept, t)[2] - degrees, np.zeros_like(top), top)
    return out
