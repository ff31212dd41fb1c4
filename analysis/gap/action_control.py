"""Action control: who of those who intend acts, and who acts without intending.

Counts cross intention (yes, no) with action (yes, no): inclined actors, inclined abstainers,
disinclined actors, disinclined abstainers (Rhodes and de Bruijn 2013, Br J Health Psychol
18:296).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.arrays import Floats, as_vectors, require
from analysis.dependent.blocks import make_blocks
from analysis.dependent.multivariate import fit_multivariate
from analysis.distributions import normal_quantile
from analysis.errors import EstimationError
from analysis.results import Result
from analysis.univariate.pooling import PooledEffect, fit_random_effects, narrow_note

CELLS = (
    "inclined_actors",
    "inclined_abstainers",
    "disinclined_actors",
    "disinclined_abstainers",
)

INTENDER_RULES = {
    "R1": "a yes to a yes/no intention",
    "R2": "above the midpoint of the scale",
    "R3": "at or above the midpoint of the scale",
    "R4": "within a sixth of the scale from its top (6 and 7 on 1 to 7)",
    "R5": "as the study itself classified",
}
"""How a score becomes intends / does not intend. A median split is refused: it depends on the
sample and cannot be compared between arms or trials."""


def intender_threshold(rule: str, scale_min: float, scale_max: float) -> tuple[float, bool]:
    """Cut-off of a rule on a scale and whether the cut-off itself counts as intending."""
    width = scale_max - scale_min
    if rule not in INTENDER_RULES:
        raise EstimationError(
            f"unknown intender rule {rule!r}; known: {', '.join(INTENDER_RULES)} "
            "(a median split is refused)"
        )
    if rule == "R1":
        return scale_max, True
    if rule == "R4":
        return scale_max - width / 6.0, True
    return scale_min + width / 2.0, rule != "R2"


@dataclass(frozen=True)
class ActionControl(Result):
    """Shares of one group of people.

    p_act_given_intend, p_act_given_no_intend with Wilson limits; action_control_gap =
    1 - P(act | intend); shares of the four cells. nan where nobody is in the condition.
    """

    n: float
    p_intend: float
    p_act: float
    p_act_given_intend: float
    p_act_given_intend_ci_lb: float
    p_act_given_intend_ci_ub: float
    p_act_given_no_intend: float
    p_act_given_no_intend_ci_lb: float
    p_act_given_no_intend_ci_ub: float
    action_control_gap: float
    shares: tuple[float, float, float, float]


def wilson_interval(events: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion (1927, JASA 22:209); nan for n = 0."""
    if n <= 0:
        return math.nan, math.nan
    z = normal_quantile((1.0 + level) / 2.0)
    p = events / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    lower = 0.0 if events == 0 else max(0.0, middle - half)
    return lower, 1.0 if events == n else min(1.0, middle + half)


def describe_action_control(counts: ArrayLike, level: float = 0.95) -> ActionControl:
    """Shares from the four counts in the order of `CELLS`.

    Raises `EstimationError` for negative counts or an empty group. Nothing is added to zeros.
    """
    cells = np.asarray(counts, dtype=float)
    if cells.shape != (4,):
        raise EstimationError("four counts are needed, in the order " + ", ".join(CELLS))
    require(np.isfinite(cells) & (cells >= 0), "counts must be finite and not negative")
    n = float(cells.sum())
    if n <= 0:
        raise EstimationError("the four counts are all 0")
    ia, iab, da, dab = (float(one) for one in cells)
    intend, no_intend = ia + iab, da + dab
    given = ia / intend if intend else math.nan
    other = da / no_intend if no_intend else math.nan
    low, high = wilson_interval(ia, intend, level)
    other_low, other_high = wilson_interval(da, no_intend, level)
    return ActionControl(
        n,
        intend / n,
        (ia + da) / n,
        given,
        low,
        high,
        other,
        other_low,
        other_high,
        1.0 - given,
        (ia / n, iab / n, da / n, dab / n),
    )


@dataclass(frozen=True)
class ArmSplit(Result):
    """Exact split of a behavior effect (risk difference) into three parts that add up.

    more_intend: (pi1 - pi0)(a - d) at arm means; intenders_act: pi (a1 - a0);
    others_act: (1 - pi)(d1 - d0). Conditioning on intention after randomization makes the
    last two descriptive, not randomized contrasts.
    """

    risk_difference: float
    more_intend: float
    intenders_act: float
    others_act: float


def split_behavior_effect(intervention: ArrayLike, comparator: ArrayLike) -> ArmSplit:
    """Split P1(act) - P0(act) by the four counts of each arm, in the order of `CELLS`.

    P1 - P0 = (pi1 - pi0)(abar - dbar) + pibar (a1 - a0) + (1 - pibar)(d1 - d0), where pi is
    the share intending, a = P(act | intend), d = P(act | not), bars are means of both arms.
    Raises `EstimationError` when an arm has nobody who intends or nobody who does not.
    """
    parts = []
    for counts in (intervention, comparator):
        shares = describe_action_control(counts)
        if math.isnan(shares.p_act_given_intend) or math.isnan(shares.p_act_given_no_intend):
            raise EstimationError("the split needs intenders and non-intenders in both arms")
        parts.append((shares.p_intend, shares.p_act_given_intend, shares.p_act_given_no_intend))
    (pi1, a1, d1), (pi0, a0, d0) = parts
    pi, a, d = (pi1 + pi0) / 2, (a1 + a0) / 2, (d1 + d0) / 2
    more, intenders, others = (pi1 - pi0) * (a - d), pi * (a1 - a0), (1 - pi) * (d1 - d0)
    return ArmSplit(more + intenders + others, more, intenders, others)


@dataclass(frozen=True)
class PooledShare(Result):
    """A proportion pooled on the logit scale and carried back; k_used of k samples had both
    outcomes (samples without variation are set aside, nothing is added to zeros). narrow: the
    interval is narrower than the common-effect one."""

    k: int
    k_used: int
    share: float
    ci_lb: float
    ci_ub: float
    fit: PooledEffect | None
    narrow: bool = False


def pool_proportion(
    events: ArrayLike, n: ArrayLike, *, method: str = "REML", level: float = 0.95
) -> PooledShare:
    """Pool proportions by logit, variance 1/events + 1/(n - events), REML with Knapp-Hartung."""
    x, total = as_vectors(events=events, n=n)
    require((x >= 0) & (x <= total), "events must lie between 0 and n")
    usable = (x > 0) & (x < total)
    if not usable.any():
        return PooledShare(x.size, 0, math.nan, math.nan, math.nan, None)
    a, b = x[usable], total[usable] - x[usable]
    vi = 1.0 / a + 1.0 / b
    fit = fit_random_effects(np.log(a / b), vi, method=method, level=level)
    back = [float(special.expit(z)) for z in (fit.mu, fit.ci_lb, fit.ci_ub)]
    narrow = bool(narrow_note(fit.ci_lb, fit.ci_ub, vi, level))
    return PooledShare(x.size, int(usable.sum()), back[0], back[1], back[2], fit, narrow)


@dataclass(frozen=True)
class PooledComposition(Result):
    """Four shares pooled together, so that they add up to 1, with P(act | intend) from them."""

    k: int
    k_used: int
    shares: Floats
    p_act_given_intend: float
    status: str
    reason: str


def pool_composition(counts: ArrayLike, *, structure: str = "CS") -> PooledComposition:
    """Pool samples of four counts (k x 4) by additive log-ratios against the last cell.

    Within-sample covariance diag(1/n_j) + 1/n_ref is exact for multinomial counts; the log
    ratios get random effects of the given structure. Samples with an empty cell are set aside.
    """
    cells = np.asarray(counts, dtype=float)
    if cells.ndim != 2 or cells.shape[1] != 4:
        raise EstimationError("a row of four counts per sample is needed: " + ", ".join(CELLS))
    good = (np.isfinite(cells) & (cells >= 0)).all(axis=1)
    require(np.asarray(good), "counts must be finite and not negative")
    used = cells[(cells > 0).all(axis=1)]
    nowhere = np.full(4, math.nan)
    if used.shape[0] < 2:
        return PooledComposition(
            cells.shape[0],
            used.shape[0],
            nowhere,
            math.nan,
            "too_few_studies",
            "at least 2 samples without an empty cell are needed",
        )
    ratios = np.log(used[:, :3] / used[:, 3:])
    v = [np.diag(1.0 / row[:3]) + 1.0 / row[3] for row in used]
    labels = [i for i in range(used.shape[0]) for _ in range(3)]
    blocks = make_blocks(
        ratios.ravel(), v, labels, list(CELLS[:3]) * used.shape[0], outcome_names=list(CELLS[:3])
    )
    fit = fit_multivariate(blocks, structure=structure)
    odds = np.append(np.exp(fit.beta), 1.0)
    shares = odds / odds.sum()
    return PooledComposition(
        cells.shape[0],
        used.shape[0],
        shares,
        float(shares[0] / (shares[0] + shares[1])),
        fit.status,
        "; ".join(fit.notes),
    )
