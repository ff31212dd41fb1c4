"""How much single studies carry: each one left out, outliers, sources of heterogeneity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, check_estimates
from analysis.distributions import chi2_quantile
from analysis.errors import EstimationError
from analysis.results import Result
from analysis.univariate.many import Pools, leave_one_out, pool_subsets
from analysis.univariate.meta_regression import fit_meta_regression


@dataclass(frozen=True)
class Influence(Result):
    """Diagnostics of k studies, arrays of length k in the order of the studies, unrounded.

    without: the pool with the study left out. shift: that mean minus the mean of all.
    rstudent: effect minus the mean of the others, in its standard deviations. dffits: change of
    the fitted value, cook: squared change of the mean over its variance, covariance_ratio:
    variance of the mean without over with the study, hat: leverage, weight: percent.
    baujat_x: contribution to residual heterogeneity; baujat_y: squared change of the fitted
    value over the variance of the mean without the study.
    """

    without: Pools
    shift: Floats
    rstudent: Floats
    dffits: Floats
    cook: Floats
    covariance_ratio: Floats
    hat: Floats
    weight: Floats
    dfbetas: Floats
    baujat_x: Floats
    baujat_y: Floats

    @property
    def is_influential(self) -> np.ndarray:
        """Any rule of thumb of metafor's `influence`: |DFFITS| above 3 / sqrt(k - 1), Cook's
        distance above the median of chi-squared with 1 df, leverage above 3 / k, or |DFBETAS|
        above 1. A prompt to look, not a reason to leave a study out."""
        k = self.hat.size
        return np.asarray(
            (np.abs(self.dffits) > 3.0 / np.sqrt(k - 1.0))
            | (self.cook > chi2_quantile(0.5, 1.0))
            | (self.hat > 3.0 / k)
            | (np.abs(self.dfbetas) > 1.0)
        )


def influence(
    yi: ArrayLike, vi: ArrayLike, *, method: str = "REML", ci_method: str = "knapp_hartung",
    level: float = 0.95,
) -> Influence:  # fmt: skip
    """Diagnostics of a pool of k independent effects.

    Viechtbauer and Cheung (2010, Research Synthesis Methods 1:112) for the deletion
    diagnostics, with model-based variances; Baujat et al. (2002, Stat Med 21:2641) for the two
    coordinates of their plot. `without` has intervals by `ci_method`.
    Raises `EstimationError` with fewer than 3 effects.
    """
    effects, variances = check_estimates(yi, vi)
    k = effects.size
    if k < 3:
        raise EstimationError(f"leaving one study out needs at least 3 studies, found {k}")
    whole = fit_meta_regression(effects, variances, method=method, ci_method="wald", level=level)
    mean, vb = float(whole.coefficients.estimate[0]), float(whole.vb[0, 0])
    without = pool_subsets(
        effects, variances, leave_one_out(k), method=method, ci_method=ci_method, level=level
    )
    # A pool of the one study that is left has no tau2 of its own.
    tau2 = np.nan_to_num(without.tau2)
    total = 1.0 / (variances[None, :] + tau2[:, None])
    vb_without = 1.0 / (total * leave_one_out(k)).sum(axis=1)
    change = mean - without.mu
    weights = 1.0 / (variances + whole.tau2)
    hat = weights / weights.sum()
    return Influence(
        without=without,
        shift=-change,
        rstudent=(effects - without.mu) / np.sqrt(variances + tau2 + vb_without),
        dffits=change / np.sqrt(hat * (tau2 + variances)),
        cook=change**2 / vb,
        covariance_ratio=vb_without / vb,
        hat=hat,
        weight=100.0 * hat,
        dfbetas=change * np.sqrt(total.sum(axis=1)),
        baujat_x=weights * (effects - mean) ** 2,
        baujat_y=change**2 / vb_without,
    )
