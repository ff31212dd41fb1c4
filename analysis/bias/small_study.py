"""Small-study effects: do less precise studies show larger effects?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import check_estimates
from analysis.errors import EstimationError
from analysis.results import Result
from analysis.univariate.meta_regression import MetaRegression, fit_meta_regression

SMALLEST_NUMBER_OF_STUDIES = 10


@dataclass(frozen=True)
class EggerTest(Result):
    """Slope of the effect on its standard error in a random-effects meta-regression.

    slope, slope_se, statistic, df, pvalue: test of funnel asymmetry. limit: effect predicted at
    standard error 0 (the PET estimate) with its interval and two-sided p-value.
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
    limit_pvalue: float
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
        limit_pvalue=float(c.pvalue[0]),
        method=f"egger_mixed/{method}/{ci_method}",
    )


@dataclass(frozen=True)
class PetPeese(Result):
    """Effect predicted at standard error 0 from a line in the standard error (PET) or in the
    variance (PEESE).

    chosen: `PEESE` when PET's one-sided test finds an effect above 0 at 5%, else `PET`.
    estimate, ci_lb, ci_ub: the chosen one. pet, peese: both limits. Unrounded.
    """

    k: int
    chosen: str
    estimate: float
    ci_lb: float
    ci_ub: float
    pet: float
    pet_pvalue: float
    peese: float
    method: str


def pet_peese(
    yi: ArrayLike, vi: ArrayLike, *, method: str = "REML", ci_method: str = "t", level: float = 0.95
) -> PetPeese:
    """Stanley and Doucouliagos (2014, Research Synthesis Methods 5:60), as random-effects
    meta-regressions; positive effects are the ones selection would favor.

    Raises `EstimationError` as `egger_test` does.
    """
    effects, variances = check_estimates(yi, vi)
    pet = egger_test(effects, variances, method=method, ci_method=ci_method, level=level)
    design = np.column_stack([np.ones_like(variances), variances])
    fit = fit_meta_regression(
        effects, variances, design, method=method, ci_method=ci_method, level=level
    )
    two_sided = pet.limit_pvalue
    one_sided = two_sided / 2.0 if pet.limit > 0 else 1.0 - two_sided / 2.0
    c = fit.coefficients
    peese = float(c.estimate[0]), float(c.ci_lb[0]), float(c.ci_ub[0])
    line = (pet.limit, pet.limit_ci_lb, pet.limit_ci_ub)
    chosen, shown = ("PEESE", peese) if one_sided < 0.05 else ("PET", line)
    return PetPeese(
        effects.size, chosen, *shown, pet.limit, two_sided, peese[0],
        f"{chosen.lower()}/{method}/{ci_method}",
    )  # fmt: skip
