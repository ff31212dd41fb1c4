"""Effects of two independent proportions, with named policies for zero cells."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, named, require
from analysis.effect_sizes.base import EffectSizes, mean_over_rows, of_measure, quiet, vectors

LOGISTIC_TO_SMD = math.sqrt(3.0) / math.pi
COX_TO_SMD = 1.0 / 1.65
ODDS_TO_SMD = {"logistic": LOGISTIC_TO_SMD, "cox": COX_TO_SMD}
"""Factors from a log odds ratio to a standardized mean difference: a logistic latent variable
(Hasselblad and Hedges 1995; Chinn 2000) or Cox and Snell's 1/1.65."""

ZERO_CELL_POLICIES = {
    "only0": "add 0.5 to the four cells of rows with a zero cell",
    "all": "add 0.5 to the four cells of every row",
    "if0all": "add 0.5 to the four cells of every row as soon as one row has a zero cell",
    "none": "add nothing; rows with a zero cell have no finite effect and are nan",
}
"""When 0.5 (or another `add`) enters the cells, by metafor's names; `drop00` leaves rows in
which nobody or everybody had the event in both groups without an effect."""

RISK_DIFFERENCE_VARIANCES = {
    "LS": "each row's own shares",
    "UB": "unbiased, with n - 1",
    "AV": "the mean share of each group over the rows",
}


@quiet
def rows_to_correct(zero: np.ndarray, policy: str) -> np.ndarray:
    """Whether something is added to each row, from whether it has a zero cell."""
    named(policy, ZERO_CELL_POLICIES, "zero-cell policy")
    return {
        "only0": zero,
        "all": np.ones_like(zero),
        "if0all": np.full_like(zero, zero.any()),
        "none": np.zeros_like(zero),
    }[policy]


@quiet
def cells_after_policy(
    events1: ArrayLike,
    n1: ArrayLike,
    events2: ArrayLike,
    n2: ArrayLike,
    zero_cells: str,
    add: float,
    drop00: bool = False,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Events and non-events of both groups after the zero-cell policy (`ZERO_CELL_POLICIES`)."""
    e1, t1, e2, t2 = vectors(events1i=events1, n1i=n1, events2i=events2, n2i=n2)
    require(~(e1 < 0) & ~(e2 < 0), "events must not be negative")
    require(~(e1 > t1) & ~(e2 > t2), "events must not exceed the group size")
    require(~(t1 <= 0) & ~(t2 <= 0), "group sizes must be greater than 0")
    cells = np.stack([e1, t1 - e1, e2, t2 - e2])
    added = rows_to_correct((cells == 0).any(axis=0), zero_cells)
    if drop00:
        uninformative = ((e1 == 0) & (e2 == 0)) | ((e1 == t1) & (e2 == t2))
        cells = np.where(uninformative, np.nan, cells)
    cells = cells + add * added
    return cells[0], cells[1], cells[2], cells[3]


@quiet
def complete_cells(
    events1: ArrayLike, n1: ArrayLike, events2: ArrayLike, n2: ArrayLike
) -> tuple[Floats, Floats, Floats, Floats]:
    """Events and non-events of both groups as they are, for methods that combine the tables: a
    missing cell is refused with its row."""
    cells = cells_after_policy(events1, n1, events2, n2, "none", 0.0)
    require(np.asarray(np.isfinite(cells).all(axis=0)), "events and group sizes must be finite")
    return cells


@quiet
def log_odds_ratio(
    events1i: ArrayLike,
    n1i: ArrayLike,
    events2i: ArrayLike,
    n2i: ArrayLike,
    *,
    zero_cells: str = "only0",
    add: float = 0.5,
    drop00: bool = False,
) -> EffectSizes:
    """Log odds ratio with variance 1/a + 1/b + 1/c + 1/d (Woolf 1955).

    events1i, n1i, events2i, n2i: persons with the event and analyzed persons per group.
    zero_cells: one of `ZERO_CELL_POLICIES`. Raises for events outside 0..n.
    """
    a, b, c, d = cells_after_policy(events1i, n1i, events2i, n2i, zero_cells, add, drop00)
    with np.errstate(divide="ignore", invalid="ignore"):
        yi = np.log(a) - np.log(b) - np.log(c) + np.log(d)
        vi = 1.0 / a + 1.0 / b + 1.0 / c + 1.0 / d
    return EffectSizes("OR", yi, vi, f"log_odds_ratio/woolf/zero_cells_{zero_cells}")


@quiet
def log_risk_ratio(
    events1i: ArrayLike,
    n1i: ArrayLike,
    events2i: ArrayLike,
    n2i: ArrayLike,
    *,
    zero_cells: str = "only0",
    add: float = 0.5,
    drop00: bool = False,
) -> EffectSizes:
    """Log risk ratio with variance 1/a - 1/(a+b) + 1/c - 1/(c+d) (Katz et al. 1978)."""
    a, b, c, d = cells_after_policy(events1i, n1i, events2i, n2i, zero_cells, add, drop00)
    with np.errstate(divide="ignore", invalid="ignore"):
        yi = np.log(a / (a + b)) - np.log(c / (c + d))
        vi = 1.0 / a - 1.0 / (a + b) + 1.0 / c - 1.0 / (c + d)
    return EffectSizes("RR", yi, vi, f"log_risk_ratio/katz/zero_cells_{zero_cells}")


@quiet
def risk_difference(
    events1i: ArrayLike,
    n1i: ArrayLike,
    events2i: ArrayLike,
    n2i: ArrayLike,
    *,
    variance: str = "LS",
    zero_cells: str = "only0",
    add: float = 0.5,
    drop00: bool = False,
) -> EffectSizes:
    """Risk difference p1 - p2.

    variance: `LS`, p1 q1 / n1 + p2 q2 / n2; `UB`, the same with n - 1; `AV`, with the mean share
    of each group over the rows. With `only0`, rows with a zero cell take 0.5 in every cell for
    both p and n, as metafor does.
    """
    named(variance, RISK_DIFFERENCE_VARIANCES, "variance formula")
    a, b, c, d = cells_after_policy(events1i, n1i, events2i, n2i, zero_cells, add, drop00)
    n1, n2 = a + b, c + d
    with np.errstate(divide="ignore", invalid="ignore"):
        p1, p2 = a / n1, c / n2
        yi = p1 - p2
        if variance == "AV":
            p1, p2 = (mean_over_rows(p, n) + 0.0 * p for p, n in ((p1, n1), (p2, n2)))
        less = 1.0 if variance == "UB" else 0.0
        vi = p1 * (1.0 - p1) / (n1 - less) + p2 * (1.0 - p2) / (n2 - less)
    label = "" if variance == "LS" else f"/{variance}"
    return EffectSizes("RD", yi, vi, f"risk_difference{label}/zero_cells_{zero_cells}")


@quiet
def arcsine_difference(
    events1i: ArrayLike, n1i: ArrayLike, events2i: ArrayLike, n2i: ArrayLike
) -> EffectSizes:
    """asin(sqrt(p1)) - asin(sqrt(p2)) with variance 1/(4 n1) + 1/(4 n2) (Ruecker et al. 2009,
    Stat Med 28:721). Defined for zero cells as they are; nothing is added."""
    a, b, c, d = cells_after_policy(events1i, n1i, events2i, n2i, "none", 0.0)
    n1, n2 = a + b, c + d
    yi = np.arcsin(np.sqrt(a / n1)) - np.arcsin(np.sqrt(c / n2))
    return EffectSizes("AS", yi, 1.0 / (4.0 * n1) + 1.0 / (4.0 * n2), "arcsine_difference")


@quiet
def peto_log_odds_ratio(
    events1i: ArrayLike,
    n1i: ArrayLike,
    events2i: ArrayLike,
    n2i: ArrayLike,
    *,
    zero_cells: str = "none",
    add: float = 0.5,
    drop00: bool = False,
) -> EffectSizes:
    """Peto's one-step log odds ratio (O - E)/V with variance 1/V, V the hypergeometric variance
    (Yusuf et al. 1985, Prog Cardiovasc Dis 27:335).

    Needs nothing added to zero cells, which is the default here; rows in which nobody or
    everybody had the event then have none (nan). Biased when groups differ
    much in size or the effect is large; meant for rare events and small effects.
    """
    a, b, c, d = cells_after_policy(events1i, n1i, events2i, n2i, zero_cells, add, drop00)
    observed_less_expected, v = hypergeometric_moments(a, b, c, d)
    with np.errstate(divide="ignore", invalid="ignore"):
        return EffectSizes("PETO", observed_less_expected / v, 1.0 / v, "peto_log_odds_ratio")


@quiet
def hypergeometric_moments(a: Floats, b: Floats, c: Floats, d: Floats) -> tuple[Floats, Floats]:
    """Events of group 1 less their expectation given all margins, and the variance."""
    n1, n2, events, others = a + b, c + d, a + c, b + d
    n = n1 + n2
    with np.errstate(divide="ignore", invalid="ignore"):
        return a - events * n1 / n, events * others * (n1 / n) * (n2 / n) / (n - 1.0)


@quiet
def odds_ratio_to_smd(effects: EffectSizes, *, method: str = "logistic") -> EffectSizes:
    """Express log odds ratios as standardized mean differences: yi times c, vi times c squared.

    method: `logistic`, c = sqrt(3)/pi, or `cox`, c = 1/1.65. The choice moves the result by
    about 10% and is stored in the formula.
    """
    factor = named(method, ODDS_TO_SMD, "conversion of odds ratios")
    of_measure(effects, "OR", "PETO")
    return EffectSizes(
        "SMD", effects.yi * factor, effects.vi * factor**2, f"{effects.formula}/to_smd_{method}"
    )
