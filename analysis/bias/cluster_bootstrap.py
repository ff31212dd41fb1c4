"""Bootstrap of whole trials, for estimators that take every effect as its own study."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, as_labels, check_estimates
from analysis.errors import EstimationError
from analysis.results import Result

LARGEST_SHARE_FAILED, FEWEST_DRAWS = 0.2, 50


@dataclass(frozen=True)
class ClusterBootstrap(Result):
    """Estimates (any number of them) with bootstrap standard errors and percentile limits; `failed`
    of `draws` samples gave none. Limits are nan, with a `reason`, when more than a fifth failed."""

    estimate: Floats
    se: Floats
    ci_lb: Floats
    ci_ub: Floats
    draws: int
    failed: int
    clusters: int
    level: float
    reason: str = ""


def too_few_draws(made: int, draws: int, fewest: int = FEWEST_DRAWS) -> str:
    """Why so many estimates from so many bootstrap samples give no limits; empty when they do."""
    if made < (1.0 - LARGEST_SHARE_FAILED) * draws:
        return f"{draws - made} of {draws} bootstrap samples could not be estimated"
    if made < fewest:
        return f"limits need {fewest} bootstrap samples with an estimate, found {made} of {draws}"
    return ""


def cluster_bootstrap(
    estimator: Callable[[Floats, Floats], ArrayLike],
    yi: ArrayLike,
    vi: ArrayLike,
    cluster: Iterable[Any],
    *,
    draws: int = 399,
    seed: int = 1,
    level: float = 0.95,
) -> ClusterBootstrap:
    """Resample trials with all their effects (Pustejovsky, Citkowicz and Joshi 2025, for selection
    models of dependent effects).

    estimator: takes effects and variances, returns one or more numbers or raises
    `EstimationError`; for example `lambda y, v: step_selection(y, v).mu`. cluster: k trial labels.
    Raises `EstimationError` with fewer than 3 trials, and for missing labels, with the rows.
    """
    effects, variances = check_estimates(yi, vi)
    codes = as_labels(cluster, effects.size, "cluster")
    m = int(codes.max()) + 1
    if m < 3:
        raise EstimationError(f"a cluster bootstrap needs at least 3 trials, found {m}")
    rows = [np.flatnonzero(codes == i) for i in range(m)]
    estimate = np.atleast_1d(np.asarray(estimator(effects, variances), dtype=np.float64))
    rng = np.random.default_rng(seed)
    made, failed = [], 0
    for _ in range(draws):
        picked = np.concatenate([rows[i] for i in rng.integers(0, m, m)])
        try:
            one = np.atleast_1d(np.asarray(estimator(effects[picked], variances[picked])))
        except EstimationError:
            one = np.full(estimate.shape, math.nan)
        if np.isfinite(one).all():
            made.append(one)
        else:
            failed += 1
    nothing = np.full(estimate.shape, math.nan)
    reason = too_few_draws(len(made), draws)
    if reason:
        return ClusterBootstrap(
            estimate, nothing, nothing, nothing, draws, failed, m, level, reason
        )
    values = np.array(made, dtype=np.float64)
    tail = (1.0 - level) / 2.0
    lower, upper = np.quantile(values, [tail, 1.0 - tail], axis=0)
    return ClusterBootstrap(
        estimate, values.std(axis=0, ddof=1), lower, upper, draws, failed, m, level
    )
