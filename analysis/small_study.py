"""Small-study effects: do less precise studies show larger effects?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import check_estimates
from analysis.errors import EstimationError
from analysis.meta_regression import MetaRegression, fit_meta_regression

SMALLEST_NUMBER_OF_STUDIES = 10


@dataclass(frozen=True)
class EggerTest:
    """Slope of the effect on its standard error in a random-effects meta-regression.

    slope, slope_se, statistic, df, pvalue: test of funnel asymmetry. limit: effect predicted at
    standard error 0 (the PET estimate) with its interval.
    """

    k: int
    slope: float
    slope_se: float
    statistic: float
    df: float
    pvalue: float
    limit: float
    limit_ci_lb: float
    limit_ci_ub: float
    method: str


def egger_test(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    method: str = "REML",
    ci_method: str = "wald",
    level: float = 0.95,
) -> EggerTest:
    """Egger's regression in its mixed-model form (Sterne and Egger 2005; metafor `regtest`).

    Raises `EstimationError` with fewer than 3 studies or when all standard errors are equal.
    """
    effects, variances = check_estimates(yi, vi)
    sei = np.sqrt(variances)
    if effects.size < 3:
        raise EstimationError("a test of small-study effects needs at least 3 studies")
    if np.ptp(sei) <= 1e-12 * sei.max():
        raise EstimationError("all studies are equally precise; the test has no meaning")
    fit: MetaRegression = fit_meta_regression(
        effects,
        variances,
        np.column_stack([np.ones_like(sei), sei]),
        method=method,
        ci_method=ci_method,
        level=level,
        names=["limit", "sei"],
    )
    c = fit.coefficients
    limit, slope = (
        {name: float(getattr(c, name)[i]) for name in ("estimate", "se", "ci_lb", "ci_ub")}
        for i in (0, 1)
    )
    return EggerTest(
        k=effects.size,
        slope=slope["estimate"],
        slope_se=slope["se"],
        statistic=float(c.statistic[1]),
        df=float(c.df[1]),
        pvalue=float(c.pvalue[1]),
        limit=limit["estimate"],
        limit_ci_lb=limit["ci_lb"],
        limit_ci_ub=limit["ci_ub"],
        method=f"egger_mixed/{method}/{ci_method}",
    )
