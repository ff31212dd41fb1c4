"""Association of arm and outcome as a correlation: observed (point-biserial, phi), latent
(biserial, tetrachoric) and Yule's coefficients; probit differences; reliability.

A 2 x 2 table is given by events and persons per group, like everywhere here.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.arrays import Floats, named, require
from analysis.distributions import bivariate_normal_cdf, normal_pdf, normal_quantile
from analysis.effect_sizes.base import EffectSizes, quiet, told_from_one, vectors
from analysis.effect_sizes.binary import cells_after_policy
from analysis.effect_sizes.standardized import pooled_variance, two_groups
from analysis.rootfinding import find_root

POINT_BISERIAL_VARIANCES = {
    "ST": "group sizes fixed by design (stratified)",
    "CS": "group sizes as they came (cross-sectional)",
}


def _cohen_d(*columns: ArrayLike) -> tuple[Floats, Floats, Floats]:
    m1, sd1, n1, m2, sd2, n2 = two_groups(*columns)
    return (m1 - m2) / np.sqrt(pooled_variance(sd1, n1, sd2, n2)), n1, n2


@quiet
def point_biserial(
    m1i: ArrayLike,
    sd1i: ArrayLike,
    n1i: ArrayLike,
    m2i: ArrayLike,
    sd2i: ArrayLike,
    n2i: ArrayLike,
    *,
    variance: str = "ST",
) -> EffectSizes:
    """Correlation of arm with a continuous outcome, r = d / sqrt(d^2 + h), h = m/n1 + m/n2,
    m = n1 + n2 - 2.

    variance: one of `POINT_BISERIAL_VARIANCES`: `ST` by the delta method on d (Jacobs and
    Viechtbauer 2017, Res Synth Methods 8:161), `CS` after Tate (1954, Ann Math Stat 25:603).
    """
    named(variance, POINT_BISERIAL_VARIANCES, "variance formula")
    d, n1, n2 = _cohen_d(m1i, sd1i, n1i, m2i, sd2i, n2i)
    n = n1 + n2
    h = (n - 2.0) / n1 + (n - 2.0) / n2
    r = told_from_one(d / np.sqrt(d**2 + h))
    if variance == "ST":
        vi = h**2 / (h + d**2) ** 3 * (1.0 / n1 + 1.0 / n2 + d**2 / (2.0 * n))
    else:
        p = n1 / n
        vi = (1.0 - r**2) ** 2 * (1.0 - 1.5 * r**2 + r**2 / (4.0 * p * (1.0 - p))) / n
    return EffectSizes("RPB", r, vi, f"point_biserial/{variance}")


@quiet
def biserial(
    m1i: ArrayLike, sd1i: ArrayLike, n1i: ArrayLike, m2i: ArrayLike, sd2i: ArrayLike, n2i: ArrayLike
) -> EffectSizes:
    """Biserial correlation: group membership cuts a latent normal variable.

    r_pb sqrt(pq) / phi(z_p), with the variance of Soper (1914, Biometrika 10:384), p = n1/n.
    Meant for groups made by a cut (a median split), not for randomized arms. An estimate beyond
    +-1 is kept, its variance is the one at +-1.
    """
    d, n1, n2 = _cohen_d(m1i, sd1i, n1i, m2i, sd2i, n2i)
    n = n1 + n2
    h = (n - 2.0) / n1 + (n - 2.0) / n2
    p = n1 / n
    q = 1.0 - p
    z = special.ndtri(q)
    density = normal_pdf(z)
    r = np.sqrt(p * q) / density * d / np.sqrt(d**2 + h)
    middle = 1.5 + (1.0 - p * z / density) * (1.0 + q * z / density)
    inside = np.clip(r, -1.0, 1.0)
    vi = (p * q / density**2 - middle * inside**2 + inside**4) / (n - 1.0)
    return EffectSizes("RBIS", r, vi, "biserial/soper")


@quiet
def phi_coefficient(
    events1i: ArrayLike,
    n1i: ArrayLike,
    events2i: ArrayLike,
    n2i: ArrayLike,
    *,
    variance: str = "ST",
) -> EffectSizes:
    """Phi coefficient of a 2 x 2 table; nothing is added to zero cells.

    variance: `ST`, group sizes fixed (delta method on two binomials), or `CS`, all four cells
    multinomial (Yule 1912, J R Stat Soc 75:579).
    """
    named(variance, POINT_BISERIAL_VARIANCES, "variance formula")
    a, b, c, d = cells_after_policy(events1i, n1i, events2i, n2i, "none", 0.0)
    n = a + b + c + d
    with np.errstate(divide="ignore", invalid="ignore"):
        phi = (a * d - b * c) / np.sqrt((a + b) * (c + d) * (a + c) * (b + d))
        p1, p2 = (a + b) / n, (c + d) / n
        q1, q2 = (a + c) / n, (b + d) / n
        if variance == "CS":
            lean = (p1 - p2) * (q1 - q2) / np.sqrt(p1 * p2 * q1 * q2)
            tails = (p1 - p2) ** 2 / (p1 * p2) + (q1 - q2) ** 2 / (q1 * q2)
            vi = (1.0 - phi**2 + phi * (1.0 + phi**2 / 2.0) * lean - 0.75 * phi**2 * tails) / n
        else:
            vi = _phi_variance_stratified(a, b, c, d)
    return EffectSizes("PHI", phi, vi, f"phi/{variance}")


def _phi_variance_stratified(a: Floats, b: Floats, c: Floats, d: Floats) -> Floats:
    """Delta method with the group sizes fixed: phi as a function of the two shares."""
    n1, n2 = a + b, c + d
    n = n1 + n2
    s1, s2 = a / n1, c / n2
    events = (a + c) / n
    scale = np.sqrt(n1 * n2) / n / np.sqrt(events * (1.0 - events))
    bend = (s1 - s2) * (1.0 - 2.0 * events) / (2.0 * events * (1.0 - events))
    g1 = scale * (1.0 - bend * n1 / n)
    g2 = scale * (-1.0 - bend * n2 / n)
    return np.asarray(g1**2 * s1 * (1.0 - s1) / n1 + g2**2 * s2 * (1.0 - s2) / n2)


@quiet
def yule(
    events1i: ArrayLike,
    n1i: ArrayLike,
    events2i: ArrayLike,
    n2i: ArrayLike,
    *,
    kind: str = "Q",
    zero_cells: str = "only0",
    add: float = 0.5,
) -> EffectSizes:
    """Yule's Q = (OR - 1)/(OR + 1), or Y with the square root of the odds ratio in its place;
    variances (1 - Q^2)^2/4 and (1 - Y^2)^2/16 times 1/a + 1/b + 1/c + 1/d (Yule 1912)."""
    named(kind, ("Q", "Y"), "coefficient of Yule")
    a, b, c, d = cells_after_policy(events1i, n1i, events2i, n2i, zero_cells, add)
    power, divisor = (1.0, 4.0) if kind == "Q" else (0.5, 16.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (a * d / (b * c)) ** power
        yi = told_from_one((ratio - 1.0) / (ratio + 1.0))
        vi = (1.0 - yi**2) ** 2 / divisor * (1.0 / a + 1.0 / b + 1.0 / c + 1.0 / d)
    return EffectSizes(f"YU{kind}", yi, vi, f"yule_{kind.lower()}/zero_cells_{zero_cells}")


@quiet
def probit_difference(
    events1i: ArrayLike,
    n1i: ArrayLike,
    events2i: ArrayLike,
    n2i: ArrayLike,
    *,
    zero_cells: str = "only0",
    add: float = 0.5,
) -> EffectSizes:
    """Difference of the probits of two shares: d of a latent normal outcome that was cut.

    Variance sum of p q / (n phi(z)^2) (Sanchez-Meca et al. 2003, Psychol Methods 8:448).
    """
    a, b, c, d = cells_after_policy(events1i, n1i, events2i, n2i, zero_cells, add)
    yi, vi = np.zeros_like(a), np.zeros_like(a)
    with np.errstate(divide="ignore", invalid="ignore"):
        for x, other, sign in ((a, b, 1.0), (c, d, -1.0)):
            n = x + other
            z = special.ndtri(x / n)
            yi = yi + sign * z
            vi = vi + x * other / n**3 / normal_pdf(z) ** 2
    return EffectSizes("PBIT", yi, vi, f"probit_difference/zero_cells_{zero_cells}")


@quiet
def tetrachoric(
    events1i: ArrayLike,
    n1i: ArrayLike,
    events2i: ArrayLike,
    n2i: ArrayLike,
    *,
    zero_cells: str = "none",
    add: float = 0.5,
) -> EffectSizes:
    """Tetrachoric correlation: the 2 x 2 table cuts a bivariate normal at its margins.

    The correlation that gives the first cell (with both margins as thresholds this is the
    maximum-likelihood estimate), variance by the delta method on the multinomial cells (Brown
    1977, Appl Stat 26:343). A table with a zero cell has none (nan), and by default nothing is
    added.
    """
    cells = np.array(cells_after_policy(events1i, n1i, events2i, n2i, zero_cells, add))
    made = [_tetrachoric(*(float(x) for x in column)) for column in cells.T]
    yi, vi = np.array(made).T if made else (np.zeros(0), np.zeros(0))
    return EffectSizes("RTET", yi, vi, f"tetrachoric/brown/zero_cells_{zero_cells}")


def _tetrachoric(a: float, b: float, c: float, d: float) -> tuple[float, float]:
    n = a + b + c + d
    if not n > 0 or min(a, b, c, d) <= 0:
        return math.nan, math.nan
    z1, z2 = normal_quantile((a + b) / n), normal_quantile((a + c) / n)
    limit = 1.0 - 1e-9

    def excess(r: float) -> float:
        return bivariate_normal_cdf(z1, z2, r) - a / n

    if not (excess(-limit) <= 0.0 <= excess(limit)):
        return math.nan, math.nan
    r = find_root(excess, -limit, limit)
    rest = math.sqrt(1.0 - r * r)
    density = math.exp(-(z1**2 + z2**2 - 2 * r * z1 * z2) / (2 * rest**2)) / (2 * math.pi * rest)
    if not density > 0.0:
        return math.nan, math.nan
    given1 = float(special.ndtr((z2 - r * z1) / rest)) - 0.5
    given2 = float(special.ndtr((z1 - r * z2) / rest)) - 0.5
    variance = (
        (a + d) * (b + c) / 4.0
        + (a + c) * (b + d) * given2**2
        + (a + b) * (c + d) * given1**2
        + 2.0 * (a * d - b * c) * given1 * given2
        - (a * b - c * d) * given2
        - (a * c - b * d) * given1
    ) / (n**3 * density**2)
    return r, variance


RELIABILITY_SCALES = {
    "ARAW": "Cronbach's alpha itself",
    "AHW": "1 - (1 - alpha)^(1/3) (Hakstian and Whalen 1976)",
    "ABT": "-log(1 - alpha) (Bonett 2002)",
}


@quiet
def reliability(
    alpha: ArrayLike, items: ArrayLike, ni: ArrayLike, *, scale: str = "ABT"
) -> EffectSizes:
    """Cronbach's alpha of an instrument with a number of items, on one of `RELIABILITY_SCALES`.

    Variances: 2m(1-alpha)^2/((m-1)(n-2)), 18m(n-1)(1-alpha)^(2/3)/((m-1)(9n-11)^2),
    2m/((m-1)(n-2)).
    """
    named(scale, RELIABILITY_SCALES, "scale of a reliability")
    a, m, n = vectors(alpha=alpha, items=items, ni=ni)
    require(~(a >= 1), "alpha must be below 1")
    require(~(m < 2), "alpha needs at least 2 items")
    require(~(n <= 2), "alpha needs more than 2 persons")
    factor = 2.0 * m / ((m - 1.0) * (n - 2.0))
    if scale == "ARAW":
        return EffectSizes(scale, a, factor * (1.0 - a) ** 2, "reliability/ARAW")
    if scale == "ABT":
        return EffectSizes(scale, -np.log(1.0 - a), factor, "reliability/ABT")
    root = np.cbrt(1.0 - a)
    vi = 18.0 * m * (n - 1.0) * root**2 / ((m - 1.0) * (9.0 * n - 11.0) ** 2)
    return EffectSizes(scale, 1.0 - root, vi, "reliability/AHW")
