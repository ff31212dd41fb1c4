"""Sampling covariances of effects from the same participants or the same control group.

Every effect is, to first order, a weighted difference of two standardized arm means. Two
effects share sampling error through each arm they have in common, so one formula covers two
outcomes of one comparison, two comparisons with one control group, and both at once:

    c = sum over common arms a of  s_ea s_fa k_ea k_fa r_a n_efa / (n_ea n_fa)  (+ an SD term)

s is +1 in the intervention and -1 in the comparator arm, k the loading of the arm's
standardized mean (J sd_a / s_pooled for g, 1/sqrt(pq) for a log odds ratio, sqrt(q/p) for a
log risk ratio, sqrt(pq) for a risk difference), r_a the correlation of the two outcomes
within arm a (1 for an outcome with itself) and n_efa the participants in both. These are the
large-sample results of Wei and Higgins (2013, Stat Med 32:1191) and, for shared controls,
Gleser and Olkin (2009).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.arrays import Floats, as_label, named
from analysis.distributions import bivariate_normal_cdf, normal_pdf, normal_quantile
from analysis.errors import EstimationError
from analysis.results import Result
from analysis.rootfinding import find_root

LOADINGS: dict[str, Callable[[float], float]] = {
    "OR": lambda p: 1.0 / math.sqrt(p * (1.0 - p)),
    "RR": lambda p: math.sqrt((1.0 - p) / p),
    "RD": lambda p: math.sqrt(p * (1.0 - p)),
}
"""Loading of a binary outcome's arm on each scale, as a function of the share with the event."""


@dataclass(frozen=True)
class EffectArms(Result):
    """How one effect rests on its arms.

    outcome: label of the measure (same label = same measurements). intervention, comparator:
    arm labels; effects share arms by their labels, so a missing one raises `EstimationError`.
    n1, n2: analyzed persons. k1, k2: loadings. g, df: the standardized difference and the df of
    its SD (0 and infinity for effects without a standardizer).
    """

    outcome: str
    intervention: str
    comparator: str
    n1: float
    n2: float
    k1: float
    k2: float
    g: float = 0.0
    df: float = math.inf

    def __post_init__(self) -> None:
        for field in ("outcome", "intervention", "comparator"):
            object.__setattr__(self, field, as_label(getattr(self, field), field))

    @property
    def arms(self) -> tuple[tuple[str, float, float, float], tuple[str, float, float, float]]:
        """(arm, sign, n, loading) of both arms."""
        return (
            (self.intervention, 1.0, self.n1, self.k1),
            (self.comparator, -1.0, self.n2, self.k2),
        )


def smd_arms(
    outcome: str,
    intervention: str,
    comparator: str,
    *,
    g: float,
    j: float,
    n1: float,
    n2: float,
    sd1: float | None = None,
    sd2: float | None = None,
) -> EffectArms:
    """Arms of a standardized mean difference; equal SDs are taken where none are given."""
    k1 = k2 = j
    if sd1 is not None and sd2 is not None:
        pooled = math.sqrt(((n1 - 1.0) * sd1**2 + (n2 - 1.0) * sd2**2) / (n1 + n2 - 2.0))
        k1, k2 = j * sd1 / pooled, j * sd2 / pooled
    return EffectArms(outcome, intervention, comparator, n1, n2, k1, k2, g, n1 + n2 - 2.0)


def binary_arms(
    outcome: str,
    intervention: str,
    comparator: str,
    *,
    measure: str,
    p1: float,
    p2: float,
    n1: float,
    n2: float,
    scale: float = 1.0,
) -> EffectArms:
    """Arms of a log OR, log RR or RD; `scale` is the factor to d for converted odds ratios."""
    load = named(measure, LOADINGS, "measure of a binary outcome")
    if not (0.0 < p1 < 1.0 and 0.0 < p2 < 1.0):
        raise EstimationError("the shares with the event must lie strictly between 0 and 1")
    return EffectArms(outcome, intervention, comparator, n1, n2, scale * load(p1), scale * load(p2))


def effect_covariance(
    first: EffectArms,
    second: EffectArms,
    correlation: float,
    overlap: Callable[[str], float] | None = None,
) -> float:
    """Sampling covariance of two effects of one trial by the closed forms of the module.

    correlation: of the two outcomes within arms (1 for the same outcome; point-biserial or phi
    when binary outcomes are involved). overlap: persons of an arm in both effects; by default
    the smaller of the two numbers (one measurement nested in the other).
    """
    total, shared_df = 0.0, 0.0
    other = {arm: (sign, n, k) for arm, sign, n, k in second.arms}
    for arm, sign, n, k in first.arms:
        if arm not in other:
            continue
        other_sign, other_n, other_k = other[arm]
        both = overlap(arm) if overlap is not None else min(n, other_n)
        total += sign * other_sign * k * other_k * correlation * both / (n * other_n)
        shared_df += max(0.0, both - 1.0)
    if math.isfinite(first.df) and math.isfinite(second.df):
        sd_part = correlation**2 * first.g * second.g * shared_df
        total += sd_part / (2.0 * first.df * second.df)
    return total


def point_biserial_from_latent(correlation: ArrayLike, share: ArrayLike) -> Floats:
    """Point-biserial correlation when the binary outcome cuts a latent normal at `share`.

    r_pb = r_latent phi(z_p) / sqrt(p (1 - p)); putting the latent correlation in directly
    would overstate the covariance by a third or more.
    """
    r, p = np.asarray(correlation, dtype=float), np.asarray(share, dtype=float)
    if np.any((p <= 0) | (p >= 1)):
        raise EstimationError("the share with the event must lie strictly between 0 and 1")
    z = np.array([normal_quantile(float(one)) for one in np.atleast_1d(p)]).reshape(p.shape)
    return np.asarray(r * normal_pdf(z) / np.sqrt(p * (1.0 - p)))


def phi_from_latent(correlation: float, p1: float, p2: float) -> float:
    """Phi of two binary outcomes that cut a bivariate normal with `correlation` at p1 and p2."""
    if not (0 < p1 < 1 and 0 < p2 < 1):
        raise EstimationError("the shares with the event must lie strictly between 0 and 1")
    both = bivariate_normal_cdf(normal_quantile(p1), normal_quantile(p2), correlation)
    return (both - p1 * p2) / math.sqrt(p1 * (1 - p1) * p2 * (1 - p2))


LARGEST_LATENT = 0.99


def latent_from_point_biserial(correlation: float, share: float) -> float:
    """The inverse of `point_biserial_from_latent` (the biserial correlation), at most .99."""
    if not 0.0 < share < 1.0:
        raise EstimationError("the share with the event must lie strictly between 0 and 1")
    z = normal_quantile(share)
    factor = math.sqrt(share * (1.0 - share)) / float(normal_pdf(z))
    return float(np.clip(correlation * factor, -LARGEST_LATENT, LARGEST_LATENT))


def latent_from_phi(phi: float, p1: float, p2: float) -> float:
    """The inverse of `phi_from_latent` (the tetrachoric correlation), within -.99 to .99."""

    def excess(latent: float) -> float:
        return phi_from_latent(latent, p1, p2) - phi

    low, high = -LARGEST_LATENT, LARGEST_LATENT
    if excess(low) >= 0.0:
        return low
    return high if excess(high) <= 0.0 else find_root(excess, low, high)


def pooled_sd_covariance(g: ArrayLike, n_control: float, n_total: float) -> NDArray[np.float64]:
    """Covariance of g's of several arms against one control, SD pooled over all arms.

    Off-diagonal 1/n_c + g_i g_j / (2 N) (Gleser and Olkin 2009, eq. 19.19); the diagonal is
    left at 0 for the caller's own variances.
    """
    effects = np.asarray(g, dtype=float)
    matrix = 1.0 / n_control + np.outer(effects, effects) / (2.0 * n_total)
    np.fill_diagonal(matrix, 0.0)
    return matrix


def covariance_from_correlations(
    correlations: NDArray[np.float64], vi: ArrayLike
) -> tuple[NDArray[np.float64], bool]:
    """Covariance matrix of a trial's effects from their correlations and variances.

    Returns the matrix and whether the correlations had to be moved to the nearest consistent
    ones (negative eigenvalues raised to 1e-6, diagonal back to 1): assumed correlations of
    several measures can contradict each other.
    """
    values, vectors = np.linalg.eigh(correlations)
    moved = bool(values[0] < 1e-8)
    if moved:
        rebuilt = (vectors * np.maximum(values, 1e-6)) @ vectors.T
        scale = np.sqrt(np.diag(rebuilt))
        correlations = rebuilt / np.outer(scale, scale)
    sei = np.sqrt(np.asarray(vi, dtype=float))
    return correlations * np.outer(sei, sei), moved
