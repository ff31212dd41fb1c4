"""Do effects differ between groups of trials?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, as_levels, check_estimates
from analysis.distributions import chi2_sf
from analysis.errors import EstimationError
from analysis.results import Result
from analysis.univariate.meta_regression import fit_meta_regression
from analysis.univariate.pooling import PooledEffect, fit_random_effects


@dataclass(frozen=True)
class SubgroupTest(Result):
    """Pooled effect per level (own tau2 each) and the test of no difference between levels.

    f, df_num, df_denom, pvalue: from the meta-regression with one common tau2 by the interval
    method; nan with the reason when it cannot be done. q_separate, q_separate_pvalue: chi-squared
    of the pooled effects with their own tau2 each, df_num df; it takes these as known, which few
    trials per level do not allow.
    """

    levels: tuple[str, ...]
    pooled: tuple[PooledEffect, ...]
    f: float
    df_num: int
    df_denom: float
    pvalue: float
    tau2_common: float
    q_separate: float
    q_separate_pvalue: float
    reason: str


def fit_subgroups(
    yi: ArrayLike,
    vi: ArrayLike,
    levels: Iterable[Any],
    *,
    method: str = "REML",
    ci_method: str = "knapp_hartung",
    level: float = 0.95,
) -> SubgroupTest:
    """Compare k independent effects between the groups named in `levels`: k labels, in any
    container; groups are ordered by size where the labels are numbers, else by text.

    Raises `EstimationError` when fewer than two groups are present, and for missing labels, with
    the rows.
    """
    effects, variances = check_estimates(yi, vi)
    groups = as_levels(levels, effects.size, "levels")
    names = groups.names
    if len(names) < 2:
        raise EstimationError("a comparison of groups needs at least two groups")
    member = groups.codes[:, None] == np.arange(len(names))
    pooled = tuple(
        fit_random_effects(
            effects[rows], variances[rows], method=method, ci_method=ci_method, level=level
        )
        for rows in member.T
    )
    k, p = member.shape
    q = _between(pooled, variances, member)
    separate = (q, chi2_sf(q, p - 1))
    if k - p < 1:
        return SubgroupTest(
            names,
            pooled,
            math.nan,
            p - 1,
            k - p,
            math.nan,
            math.nan,
            *separate,
            f"{k} effects are too few to compare {p} groups",
        )
    design = np.column_stack([np.ones(k), member[:, 1:].astype(float)])
    fit = fit_meta_regression(
        effects, variances, design, method=method, ci_method=ci_method, level=level
    )
    return SubgroupTest(
        names, pooled, fit.qm, fit.qm_df, fit.qm_df_denom, fit.qm_pvalue, fit.tau2, *separate, ""
    )  # fmt: skip


def _between(pooled: Sequence[PooledEffect], vi: Floats, member: np.ndarray) -> float:
    """Weighted squares of the levels' means about their mean, weights from their own tau2."""
    mu = np.array([one.mu for one in pooled])
    tau2 = np.nan_to_num([one.tau2 for one in pooled])
    w = np.array([
        float((1.0 / (vi[rows] + t)).sum()) for rows, t in zip(member.T, tau2, strict=True)
    ])  # fmt: skip
    return float(w @ (mu - float(w @ mu) / float(w.sum())) ** 2)
