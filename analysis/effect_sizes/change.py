"""Change from before to after: within one group, and between two groups.

Effects are positive when the second measurement is higher. Two changes are only comparable with
an effect of final scores when both are divided by the standard deviation of persons, not by that
of the change (`standardized_change` with `by="before"`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, named, require
from analysis.effect_sizes.base import EffectSizes, quiet, vectors
from analysis.effect_sizes.standardized import hedges_j

CHANGE_STANDARDIZERS = {
    "change": "standard deviation of the change (SMCC)",
    "before": "standard deviation before, equal variances (SMCR)",
    "before_unequal": "standard deviation before, unequal variances (SMCRH)",
}
"""What a mean change is divided by."""


def _change_variance(sd1: Floats, sd2: Floats, r: Floats) -> Floats:
    require(~(np.abs(r) > 1), "a correlation lies between -1 and 1")
    return sd1**2 + sd2**2 - 2.0 * r * sd1 * sd2


@quiet
def mean_change(
    m_after: ArrayLike,
    m_before: ArrayLike,
    sd_after: ArrayLike,
    sd_before: ArrayLike,
    ni: ArrayLike,
    ri: ArrayLike,
) -> EffectSizes:
    """Mean change in units of the instrument, variance (sd1^2 + sd2^2 - 2 r sd1 sd2) / n.

    ri: correlation of the two measurements of the same persons.
    """
    after, before, sd1, sd2, n, r = vectors(
        m_after=m_after, m_before=m_before, sd_after=sd_after, sd_before=sd_before, ni=ni, ri=ri
    )
    require(~(sd1 < 0) & ~(sd2 < 0), "standard deviations must not be negative")
    require(~(n < 1), "a change needs at least 1 participant")
    return EffectSizes("MC", after - before, _change_variance(sd1, sd2, r) / n, "mean_change")


@quiet
def log_ratio_of_change(
    m_after: ArrayLike,
    m_before: ArrayLike,
    sd_after: ArrayLike,
    sd_before: ArrayLike,
    ni: ArrayLike,
    ri: ArrayLike,
) -> EffectSizes:
    """log(mean after / mean before) of one group (Lajeunesse 2011, Ecology 92:2049)."""
    after, before, sd1, sd2, n, r = vectors(
        m_after=m_after, m_before=m_before, sd_after=sd_after, sd_before=sd_before, ni=ni, ri=ri
    )
    require(~(sd1 < 0) & ~(sd2 < 0), "standard deviations must not be negative")
    require(~(n < 1), "a change needs at least 1 participant")
    require(~(after * before <= 0), "a ratio needs means of the same sign, other than 0")
    vi = _change_variance(sd1 / after, sd2 / before, r) / n
    return EffectSizes("ROMC", np.log(after / before), vi, "log_ratio_of_change")


@quiet
def standardized_change(
    m_after: ArrayLike,
    m_before: ArrayLike,
    sd_after: ArrayLike,
    sd_before: ArrayLike,
    ni: ArrayLike,
    ri: ArrayLike,
    *,
    by: str = "before",
    variance: str = "LS",
) -> EffectSizes:
    """Standardized mean change of one group, J with n - 1 df.

    by: one of `CHANGE_STANDARDIZERS`. variance: `LS`, a/n + g^2/(2n) with a = 1 for `change` and
    2 (1 - r) for `before` (Becker 1988, Br J Math Stat Psychol 41:257), or `LS2`, J^2 times the
    same with d. `before_unequal` has the variance of Bonett (2008, Psychol Methods 13:99).
    `sd_after` is not used by `before`.
    """
    named(by, CHANGE_STANDARDIZERS, "standardizer of a change")
    formulas = ("LS",) if by == "before_unequal" else ("LS", "LS2")
    named(variance, formulas, f"variance formula of a change by {by}")
    after, before, sd1, sd2, n, r = vectors(
        m_after=m_after, m_before=m_before, sd_after=sd_after, sd_before=sd_before, ni=ni, ri=ri
    )
    require(~(sd1 < 0) & ~(sd2 < 0), "standard deviations must not be negative")
    require(~(n < 2), "a standardized change needs at least 2 participants")
    changes = _change_variance(sd1, sd2, r)
    scale = np.sqrt(changes) if by == "change" else sd2
    require(~(scale <= 0), "the standardizer must be greater than 0")
    j = hedges_j(n - 1.0)
    d = (after - before) / scale
    g = j * d
    if by == "before_unequal":
        vi = changes / (sd2**2 * (n - 1.0)) + g**2 / (2.0 * (n - 1.0))
        return EffectSizes("SMCRH", g, vi, "standardized_change/before_unequal")
    lead = np.ones_like(n) if by == "change" else 2.0 * (1.0 - r)
    vi = lead / n + g**2 / (2.0 * n)
    if variance == "LS2":
        vi = j**2 * (lead / n + d**2 / (2.0 * n))
    measure = "SMCC" if by == "change" else "SMCR"
    return EffectSizes(measure, g, vi, f"standardized_change/{by}/{variance}")


@quiet
def pre_post_control(
    m_after1: ArrayLike,
    m_before1: ArrayLike,
    sd_before1: ArrayLike,
    n1i: ArrayLike,
    r1i: ArrayLike,
    m_after2: ArrayLike,
    m_before2: ArrayLike,
    sd_before2: ArrayLike,
    n2i: ArrayLike,
    r2i: ArrayLike,
    *,
    exact: bool = True,
) -> EffectSizes:
    """Difference of two groups' changes over the standard deviation before, pooled over groups:
    Morris (2008, Organ Res Methods 11:364), d_ppc2 with the variance of his eq. 25.

    r1i, r2i: correlation of before and after within each group; the common one is the mean of
    Fisher's z with weights n - 3. exact: J exact or 1 - 3/(4 df - 1).
    Raises `EstimationError` for groups of 3 persons or fewer.
    """
    a1, b1, sd1, n1, r1, a2, b2, sd2, n2, r2 = vectors(
        m_after1=m_after1, m_before1=m_before1, sd_before1=sd_before1, n1i=n1i, r1i=r1i,
        m_after2=m_after2, m_before2=m_before2, sd_before2=sd_before2, n2i=n2i, r2i=r2i,
    )  # fmt: skip
    require(~(n1 <= 3) & ~(n2 <= 3), "each group needs more than 3 participants")
    require(~(sd1 <= 0) & ~(sd2 <= 0), "standard deviations must be greater than 0")
    require(~(np.abs(r1) >= 1) & ~(np.abs(r2) >= 1), "correlations lie between -1 and 1")
    df = n1 + n2 - 2.0
    pooled = np.sqrt(((n1 - 1.0) * sd1**2 + (n2 - 1.0) * sd2**2) / df)
    delta = ((a1 - b1) - (a2 - b2)) / pooled
    weights = n1 + n2 - 6.0
    r = np.tanh(((n1 - 3.0) * np.arctanh(r1) + (n2 - 3.0) * np.arctanh(r2)) / weights)
    j = hedges_j(df, exact=exact)
    g = j * delta
    size = (n1 + n2) / (n1 * n2)
    spread = 2.0 * (1.0 - r) * size
    vi = j**2 * spread * (df / (df - 2.0)) * (1.0 + g**2 / spread) - g**2
    label = f"pre_post_control/pooled_before/{'exact' if exact else 'approximate'}_j"
    return EffectSizes("PPC", g, vi, label)
