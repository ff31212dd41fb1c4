"""Robust variance estimation with the weights of Hedges, Tipton and Johnson (2010)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import (
    Floats,
    Integers,
    as_labels,
    check_design,
    check_estimates,
    coefficient_names,
    named,
)
from analysis.dependent.blocks import make_blocks
from analysis.dependent.multivariate import fit_multivariate
from analysis.dependent.robust import robust_covariance
from analysis.errors import EstimationError
from analysis.results import Result
from analysis.univariate.meta_regression import Coefficients, describe_coefficients

WORKING_MODELS = {
    "correlated": "effects of a study share a sampling correlation; weights 1/(k_j (v_j + tau2))",
    "hierarchical": "effects of a study share a true effect; weights 1/(v_ij + tau2 + omega2)",
}


@dataclass(frozen=True)
class RobustRegression(Result):
    """Weighted regression with cluster-robust inference.

    coefficients: with Satterthwaite df of CR2 (`small`), or m - p df of CR1p. tau2, omega2: moment
    estimates that only make the weights (omega2 nan for `correlated`). i2: share of Q beyond its
    df, percent (`correlated` only). k: effects, m: clusters.
    """

    k: int
    m: int
    coefficients: Coefficients
    tau2: float
    omega2: float
    i2: float
    working_model: str
    correction: str
    level: float


def robust_regression(
    yi: ArrayLike,
    vi: ArrayLike,
    cluster: Iterable[Any],
    design: ArrayLike | None = None,
    *,
    working_model: str = "correlated",
    rho: float = 0.8,
    small: bool = True,
    names: Sequence[str] | None = None,
    level: float = 0.95,
) -> RobustRegression:
    """Meta-regression of dependent effects (Hedges, Tipton and Johnson 2010, Res Synth Methods
    1:39; small-sample form of Tipton 2015, Psychol Methods 20:375).

    cluster: k study labels. working_model: one of `WORKING_MODELS`; `rho` is the sampling
    correlation assumed by `correlated`, which moves tau2 a little. Results hold when the working
    model is wrong; a likelihood fit (`fit_multivariate`) with CR2 is more efficient and gives the
    variances themselves.
    Raises `EstimationError` when there are no more studies than coefficients, and for missing
    labels, with the rows.
    """
    effects, variances = check_estimates(yi, vi)
    x = check_design(design, effects.size)
    named(working_model, WORKING_MODELS, "working model")
    labels = coefficient_names(names, x.shape[1])
    if not 0.0 <= rho <= 1.0:
        raise EstimationError(f"rho must lie between 0 and 1, found {rho}")
    codes = as_labels(cluster, effects.size, "cluster")
    parts = _Parts(effects, x, codes)
    if parts.m <= x.shape[1]:
        raise EstimationError(f"{x.shape[1]} coefficients need more studies, found {parts.m}")
    if working_model == "correlated":
        tau2, i2, weights = _correlated(parts, variances, rho)
        omega2 = math.nan
    else:
        tau2, omega2 = _hierarchical(parts, variances)
        weights, i2 = 1.0 / (variances + tau2 + omega2), math.nan
    fit = fit_multivariate(
        make_blocks(effects, 1.0 / weights, codes.tolist(), design=x), structure="NONE"
    )
    correction = "CR2" if small else "CR1p"
    robust = robust_covariance(fit, correction)
    df = np.array([robust.df(one) for one in np.eye(x.shape[1])])
    return RobustRegression(
        effects.size, parts.m, describe_coefficients(labels, fit.beta, robust.se, df, level), tau2,
        omega2, i2, working_model, correction, level,
    )  # fmt: skip


@dataclass(frozen=True)
class _Parts:
    y: Floats
    x: Floats
    codes: Integers

    @property
    def m(self) -> int:
        return int(self.codes.max()) + 1

    @property
    def sizes(self) -> Floats:
        return np.bincount(self.codes).astype(float)

    def sums(self, values: Floats) -> Floats:
        """Sums over clusters of k values or k x p columns."""
        if values.ndim == 1:
            return np.asarray(np.bincount(self.codes, weights=values), dtype=np.float64)
        return np.stack([np.bincount(self.codes, weights=c) for c in values.T], axis=1)


def _residuals(parts: _Parts, w: Floats) -> tuple[Floats, Floats]:
    m: Floats = np.asarray(np.linalg.inv(parts.x.T @ (w[:, None] * parts.x)), dtype=np.float64)
    beta = m @ (parts.x.T @ (w * parts.y))
    return parts.y - parts.x @ beta, m


def _correlated(parts: _Parts, vi: Floats, rho: float) -> tuple[float, float, Floats]:
    mean_v = parts.sums(vi) / parts.sizes
    wj = 1.0 / (parts.sizes * mean_v)
    w = wj[parts.codes]
    e, m = _residuals(parts, w)
    q = float((w * e**2).sum())
    own = np.einsum("kp,kq,k->pq", parts.x, parts.x, w / parts.sizes[parts.codes])
    sx = parts.sums(parts.x)
    joint = np.einsum("jp,jq,j->pq", sx, sx, wj / parts.sizes)
    squares = np.einsum("jp,jq,j->pq", sx, sx, wj**2)
    expected = parts.m - (1.0 - rho) * float(np.trace(m @ own)) - rho * float(np.trace(m @ joint))
    slope = float((parts.sizes * wj).sum()) - float(np.trace(m @ squares))
    tau2 = max(0.0, (q - expected) / slope)
    i2 = max(0.0, 100.0 * (q - expected) / q) if q > 0 else 0.0
    weights = 1.0 / (parts.sizes * (mean_v + tau2))
    return tau2, i2, weights[parts.codes]


def _hierarchical(parts: _Parts, vi: Floats) -> tuple[float, float]:
    """Two moments of the residuals with weights 1/v: e'We and e'Je (J within clusters), solved
    for tau2 and omega2, each truncated at 0 in turn."""
    x, w, p = parts.x, 1.0 / vi, parts.x.shape[1]
    e, m = _residuals(parts, w)
    q1, q2 = float((w * e**2).sum()), float((parts.sums(e) ** 2).sum())
    wx = w[:, None] * x
    sx, swx = parts.sums(x), parts.sums(wx)
    xjwx, xjx, xwx2 = sx.T @ swx, sx.T @ sx, wx.T @ wx
    xwjwx = swx.T @ swx
    crossed = m @ xjx
    a1 = float(w.sum()) - float(np.trace(m @ xwjwx))
    b1 = float(w.sum()) - float(np.trace(m @ xwx2))
    c1 = parts.y.size - p
    a2 = float((parts.sizes**2).sum())
    a2 -= 2.0 * float(np.trace(m @ (sx.T @ (parts.sizes[:, None] * swx))))
    a2 += float(np.trace(crossed @ m @ xwjwx))
    b2 = parts.y.size - 2.0 * float(np.trace(m @ xjwx)) + float(np.trace(crossed @ m @ xwx2))
    c2 = float(vi.sum()) - float(np.trace(crossed))
    # With one effect per study both moments are one, and all variance is between studies.
    several = parts.m < parts.y.size
    omega2 = max(0.0, ((q2 - c2) * a1 - (q1 - c1) * a2) / (b2 * a1 - b1 * a2)) if several else 0.0
    tau2 = max(0.0, (q1 - c1 - omega2 * b1) / a1)
    return tau2, omega2
