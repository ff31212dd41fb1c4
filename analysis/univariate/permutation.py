"""Permutation tests of pooled means and moderators: no reference distribution is assumed."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, check_design, check_estimates, named
from analysis.errors import EstimationError
from analysis.results import Result
from analysis.univariate.batch import Fits, fit_many
from analysis.univariate.meta_regression import CI_METHODS

MOST_EXACT = 5000
"""Up to so many distinct permutations all of them are used."""
_TIE = 1e-8
"""Relative difference up to which a permuted statistic counts as equal to the observed one."""


@dataclass(frozen=True)
class PermutationTest(Result):
    """Two-sided p-values of p coefficients and of all moderators together (nan for an intercept
    alone), from `permutations` refits; exact when they are all there are."""

    statistic: Floats
    pvalue: Floats
    qm: float
    qm_pvalue: float
    permutations: int
    exact: bool


def permutation_test(
    yi: ArrayLike,
    vi: ArrayLike,
    design: ArrayLike | None = None,
    *,
    method: str = "REML",
    ci_method: str = "wald",
    permutations: int = 1000,
    seed: int = 1,
    most_exact: int = MOST_EXACT,
) -> PermutationTest:
    """Permute signs (an intercept alone) or rows of the moderators, refit, compare |statistic|.

    yi, vi, design: as in `fit_meta_regression`. ci_method: `wald`, `t` or a Knapp-Hartung one,
    for the statistic that is compared. All 2^k signs or k! orders are taken when they are at most
    `most_exact`, else `permutations` random ones of which the observed data are the first, so that
    no p-value is 0. Higgins and Thompson (2004, Stat Med 23:1663); Follmann and Proschan (1999,
    Biometrics 55:732).
    """
    effects, variances = check_estimates(yi, vi)
    x = check_design(design, effects.size)
    compared = {name: text for name, text in CI_METHODS.items() if name != "kenward_roger"}
    named(ci_method, compared, "statistic of a permutation test")
    if x.shape[0] <= x.shape[1]:
        raise EstimationError(f"{x.shape[1]} coefficients need more effects than {x.shape[0]}")
    if permutations < 1:
        raise EstimationError(f"a permutation test needs at least 1 permutation: {permutations}")
    k, rng = effects.size, np.random.default_rng(seed)
    if x.shape[1] == 1 and float(np.ptp(x)) == 0.0:
        every = 2**k if k < 60 else math.inf
        if every <= most_exact:
            signs = np.array(list(itertools.product((1.0, -1.0), repeat=k)))
        else:
            signs = rng.choice((1.0, -1.0), size=(permutations, k))
            signs[0] = 1.0
        fits = fit_many(signs * effects, variances, x, method=method)
    else:
        every = math.factorial(k) if k < 20 else math.inf
        if every <= most_exact:
            order = np.array(list(itertools.permutations(range(k))))
        else:
            order = rng.permuted(np.tile(np.arange(k), (permutations, 1)), axis=1)
            order[0] = np.arange(k)
        # Moving effects with their variances past fixed moderators is the same as the reverse.
        fits = fit_many(effects[order], variances[order], x, method=method)
    statistic, qm = _statistics(fits, x, ci_method)
    pvalue = np.array([_share_as_large(np.abs(s)) for s in statistic.T])
    qm_pvalue = _share_as_large(qm) if np.isfinite(qm[0]) else math.nan
    count = statistic.shape[0]
    return PermutationTest(
        statistic[0], pvalue, float(qm[0]), qm_pvalue, count, every <= most_exact
    )


def _share_as_large(values: Floats) -> float:
    """Share of the permutations at least as large as the first, which is what was observed; nan
    where that is not determined."""
    if not math.isfinite(values[0]):
        return math.nan if math.isnan(values[0]) else float(np.mean(values == values[0]))
    return float(np.mean(values >= values[0] - _TIE * max(1.0, abs(values[0]))))


def _statistics(fits: Fits, x: Floats, ci_method: str) -> tuple[Floats, Floats]:
    scale = np.ones_like(fits.tau2)
    if ci_method.startswith("knapp_hartung"):
        scale = fits.rss / fits.df
        if ci_method == "knapp_hartung_floor":
            scale = np.maximum(scale, 1.0)
    # Effects exactly on the model have scale 0: their statistics are infinite.
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = fits.beta / np.sqrt(np.einsum("bpp->bp", fits.vb) * scale[:, None])
    tested = np.flatnonzero(np.ptp(x, axis=0) > 0.0)
    if tested.size == 0:
        return statistic, np.full(scale.size, np.nan)
    beta, part = fits.beta[:, tested], fits.vb[:, tested[:, None], tested[None, :]]
    solved = np.linalg.solve(part, beta[:, :, None])[:, :, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        return statistic, np.einsum("bp,bp->b", beta, solved) / (tested.size * scale)
