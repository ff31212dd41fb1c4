"""More significant results than the power of the studies allows, and how many null results would
change the answer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.arrays import Floats, check_estimates, named
from analysis.distributions import chi2_sf, normal_quantile
from analysis.errors import EstimationError
from analysis.results import Result
from analysis.univariate.meta_regression import fit_meta_regression

SIDES = {"greater": 1.0, "less": -1.0, "two.sided": 0.0}


@dataclass(frozen=True)
class ExcessSignificance(Result):
    """Observed and expected numbers of significant findings among k studies.

    ratio: observed over expected. pvalue: one-sided for more than expected, exact (a sum of
    different Bernoulli trials); chi2 with its one-sided chi2_pvalue. power: of every study under
    the pooled model.
    """

    k: int
    observed: int
    expected: float
    ratio: float
    chi2: float
    chi2_pvalue: float
    pvalue: float
    mu: float
    tau2: float
    power: Floats
    method: str


def excess_significance(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    method: str = "REML",
    alternative: str = "two.sided",
    alpha: float = 0.05,
) -> ExcessSignificance:
    """Ioannidis and Trikalinos (2007, Clin Trials 4:245).

    method: `EE`, or an estimator of tau2: then the power of a study is averaged over N(mu, tau2).
    alternative: the direction that counts as significant. Heterogeneity alone makes an excess
    likely under `EE`.
    """
    effects, variances = check_estimates(yi, vi)
    named(alternative, SIDES, "alternative")
    fit = fit_meta_regression(effects, variances, method=method, ci_method="wald")
    mu, se = float(fit.coefficients.estimate[0]), np.sqrt(variances)
    spread = np.sqrt(variances + fit.tau2)
    if alternative == "two.sided":
        cut = -normal_quantile(alpha / 2.0) * se
        power = special.ndtr((mu - cut) / spread) + special.ndtr((-mu - cut) / spread)
        found = np.abs(effects) >= cut
    else:
        sign = SIDES[alternative]
        cut = -normal_quantile(alpha) * se
        power = special.ndtr((sign * mu - cut) / spread)
        found = sign * effects >= cut
    observed, expected, k = int(found.sum()), float(power.sum()), effects.size
    possible = 0.0 < expected < k
    chi2 = (
        (observed - expected) ** 2 * (1.0 / expected + 1.0 / (k - expected))
        if possible
        else math.nan
    )
    ratio = observed / expected if expected > 0.0 else math.nan
    tail = chi2_sf(chi2, 1) / 2.0
    approximate = tail if observed > expected or not possible else 1.0 - tail
    pvalue = min(1.0, float(_poisson_binomial(power)[observed:].sum()))
    return ExcessSignificance(
        k, observed, expected, ratio, chi2, approximate, pvalue, mu, fit.tau2, power,
        f"excess_significance/{method}/{alternative}/exact",
    )  # fmt: skip


def _poisson_binomial(p: Floats) -> Floats:
    """Distribution of the number of successes of independent trials with probabilities p."""
    out = np.ones(1)
    for one in p:
        out = np.convolve(out, [1.0 - one, one])
    return out


@dataclass(frozen=True)
class FailSafeNumber(Result):
    """Number of unpublished null results that would bring a result below a criterion.

    number: 0 when the result does not meet it now. pvalue: of the result now (nan for Orwin).
    """

    number: int
    pvalue: float
    method: str


def fail_safe_number(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    method: str = "rosenberg",
    alpha: float = 0.05,
    target: float | None = None,
) -> FailSafeNumber:
    """`rosenthal` (1979): combined z of Stouffer; `rosenberg` (2005): fixed-effect mean; `orwin`
    (1983): mean reduced to `target`, weighted by 1/v (`orwin_unweighted`: not).

    alpha: one-sided for `rosenthal`, two-sided for `rosenberg`. Not a measure of bias: it assumes
    null results of average size and ignores heterogeneity (Becker 2005). Prefer a selection model.
    Raises `EstimationError` for Orwin without a target of the mean's sign.
    """
    effects, variances = check_estimates(yi, vi)
    k, w = effects.size, 1.0 / variances
    named(method, ("rosenthal", "rosenberg", "orwin", "orwin_unweighted"), "fail-safe number")
    if not k:
        raise EstimationError("a fail-safe number needs a study")
    if method.startswith("orwin"):
        mean = float(effects.mean()) if "un" in method else float(w @ effects) / float(w.sum())
        if target is None or target == 0.0 or target * mean < 0.0:
            raise EstimationError("a fail-safe number to a target needs one of the mean's sign")
        # A hair off, so that an exact multiple is not rounded up.
        return FailSafeNumber(
            max(0, math.ceil(k * (mean - target) / target - 1e-12)), math.nan, method
        )
    quantile = -normal_quantile(alpha)
    if method == "rosenthal":
        total = abs(float((effects / np.sqrt(variances)).sum()))
        pvalue = float(special.ndtr(-total / math.sqrt(k)))
        number = (total / quantile) ** 2 - k
    else:
        quantile = -normal_quantile(alpha / 2.0)
        total = float(w @ effects)
        pvalue = 2.0 * float(special.ndtr(-abs(total) / math.sqrt(float(w.sum()))))
        number = k / float(w.sum()) * ((total / quantile) ** 2 - float(w.sum()))
    return FailSafeNumber(max(0, math.ceil(number)), pvalue, method)
