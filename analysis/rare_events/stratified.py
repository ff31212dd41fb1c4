"""Mantel-Haenszel and Peto estimates: one effect common to all studies, from their tables."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, as_vectors, named, require
from analysis.distributions import chi2_sf, critical_value, two_sided_p
from analysis.effect_sizes.base import EffectSizes
from analysis.effect_sizes.binary import (
    complete_cells,
    hypergeometric_moments,
    log_odds_ratio,
    log_risk_ratio,
    peto_log_odds_ratio,
    risk_difference,
)
from analysis.effect_sizes.proportions import incidence_rate_contrast
from analysis.errors import EstimationError
from analysis.results import Result

TABLE_MEASURES = {
    "OR": "log odds ratio, variance of Robins, Breslow and Greenland (1986)",
    "RR": "log risk ratio, variance of Greenland and Robins (1985)",
    "RD": "risk difference, variance of Sato, Greenland and Robins (1989)",
}
RATE_MEASURES = {
    "IRR": "log ratio of incidence rates",
    "IRD": "difference of incidence rates",
}


@dataclass(frozen=True)
class CommonEffect(Result):
    """One effect common to k studies, with its normal test and interval.

    q, q_df, q_pvalue, i2, h2: heterogeneity of the studies' own effects about it (1/2 added to
    tables with a zero there, never in the estimate); k_effects: studies with an effect of their
    own. method: `mantel_haenszel/OR` and the like, or `peto`.
    """

    k: int
    k_effects: int
    mu: float
    se: float
    statistic: float
    pvalue: float
    ci_lb: float
    ci_ub: float
    q: float
    q_df: int
    q_pvalue: float
    i2: float
    h2: float
    level: float
    method: str


def _common(
    mu: float, variance: float, own: EffectSizes, k: int, level: float, method: str
) -> CommonEffect:
    if not (math.isfinite(mu) and variance > 0.0):
        raise EstimationError(
            f"{method}: no study has events in a way that says something about the effect"
        )
    se = math.sqrt(variance)
    half = critical_value(level, math.inf) * se
    known = np.isfinite(own.yi) & np.isfinite(own.vi) & (own.vi > 0)
    q = float(((own.yi[known] - mu) ** 2 / own.vi[known]).sum())
    df = int(known.sum()) - 1
    some = df > 0 and q > 0.0
    return CommonEffect(
        k, int(known.sum()), mu, se, mu / se, two_sided_p(mu / se), mu - half, mu + half, q, df,
        chi2_sf(q, df), max(0.0, 100.0 * (q - df) / q) if some else 0.0,
        q / df if df > 0 else math.nan, level, method,
    )  # fmt: skip


def mantel_haenszel(
    events1i: ArrayLike,
    n1i: ArrayLike,
    events2i: ArrayLike,
    n2i: ArrayLike,
    *,
    measure: str = "OR",
    drop00: bool = False,
    level: float = 0.95,
) -> CommonEffect:
    """Mantel and Haenszel (1959) for k 2 x 2 tables; nothing is added to zeros.

    measure: one of `TABLE_MEASURES`. drop00: leave studies without an event in both groups (or
    without anybody else) out of the test of heterogeneity. Weights favor large studies and need
    no variance per study, so it stays usable with few events; it has no between-study variance.
    """
    named(measure, TABLE_MEASURES, "measure")
    a, b, c, d = complete_cells(events1i, n1i, events2i, n2i)
    n1, n2 = a + b, c + d
    n = n1 + n2
    tables = (a, n1, c, n2)
    with np.errstate(divide="ignore", invalid="ignore"):
        if measure == "OR":
            mu, variance = _odds(a, b, c, d)
            own = log_odds_ratio(*tables, drop00=drop00)
        elif measure == "RR":
            r, s = float((a * n2 / n).sum()), float((c * n1 / n).sum())
            mu = float(np.log(r / np.float64(s)))
            variance = float((n1 * n2 * (a + c) / n**2 - a * c / n).sum()) / (r * s or math.nan)
            own = log_risk_ratio(*tables, drop00=drop00)
        else:
            mu, variance = _difference(a, c, n1, n2)
            own = risk_difference(*tables, drop00=drop00)
    return _common(mu, variance, own, a.size, level, f"mantel_haenszel/{measure}")


def _odds(a: Floats, b: Floats, c: Floats, d: Floats) -> tuple[float, float]:
    n = a + b + c + d
    p, q = (a + d) / n, (b + c) / n
    r, s = a * d / n, b * c / n
    rs, ss = r.sum(), s.sum()
    variance = 0.5 * (
        (p * r).sum() / rs**2 + (p * s + q * r).sum() / (rs * ss) + (q * s).sum() / ss**2
    )
    return float(np.log(rs / ss)), float(variance)


def _difference(a: Floats, c: Floats, n1: Floats, n2: Floats) -> tuple[float, float]:
    n = n1 + n2
    total = (n1 * n2 / n).sum()
    mu = (a * n2 / n - c * n1 / n).sum() / total
    u, w = n1 / n, n2 / n
    slope = (c * u**2 - a * w**2 + u * w * (n2 - n1) / 2.0).sum()
    rest = (a * (n2 - c) / n + c * (n1 - a) / n).sum() / 2.0
    return float(mu), float((mu * slope + rest) / total**2)


def mantel_haenszel_rates(
    events1i: ArrayLike,
    time1i: ArrayLike,
    events2i: ArrayLike,
    time2i: ArrayLike,
    *,
    measure: str = "IRR",
    level: float = 0.95,
) -> CommonEffect:
    """Mantel-Haenszel estimate of a ratio (`IRR`, logarithm) or difference (`IRD`) of incidence
    rates over k studies (Rothman, Greenland and Lash 2008, ch. 15)."""
    named(measure, RATE_MEASURES, "measure")
    x1, t1, x2, t2 = as_vectors(events1i=events1i, time1i=time1i, events2i=events2i, time2i=time2i)
    require((x1 >= 0) & (x2 >= 0), "events must not be negative or missing")
    require((t1 > 0) & (t2 > 0), "times must be greater than 0")
    own = incidence_rate_contrast(x1, t1, x2, t2, scale=measure)
    time = t1 + t2
    if measure == "IRR":
        r, s = float((x1 * t2 / time).sum()), float((x2 * t1 / time).sum())
        mu = math.log(r / s) if r > 0 and s > 0 else math.nan
        variance = float(((x1 + x2) * t1 * t2 / time**2).sum()) / (r * s or math.nan)
    else:
        total = float((t1 * t2 / time).sum())
        mu = float(((x1 * t2 - x2 * t1) / time).sum()) / total
        variance = float(((x1 * t2**2 + x2 * t1**2) / time**2).sum()) / total**2
    return _common(mu, variance, own, x1.size, level, f"mantel_haenszel/{measure}")


def peto(
    events1i: ArrayLike,
    n1i: ArrayLike,
    events2i: ArrayLike,
    n2i: ArrayLike,
    *,
    level: float = 0.95,
) -> CommonEffect:
    """Peto's common log odds ratio, sum(O - E) / sum(V) with variance 1 / sum(V) (Yusuf et al.
    1985, Prog Cardiovasc Dis 27:335). Nothing is added to zeros; biased for large effects or
    groups of very different size."""
    own = peto_log_odds_ratio(events1i, n1i, events2i, n2i)
    cells = complete_cells(events1i, n1i, events2i, n2i)
    excess, v = hypergeometric_moments(*cells)
    total = float(np.nansum(v))
    mu = float(np.nansum(excess)) / total if total > 0 else math.nan
    return _common(mu, 1.0 / total if total > 0 else math.nan, own, v.size, level, "peto")


@dataclass(frozen=True)
class TableTests(Result):
    """Tests on k 2 x 2 tables: no association (Cochran with binomial, Mantel-Haenszel with
    hypergeometric variances, 1 df) and a common odds ratio (Breslow-Day, Tarone, k - 1 df; nan
    where the common odds ratio is not finite)."""

    cochran: float
    cochran_pvalue: float
    mantel_haenszel: float
    mantel_haenszel_pvalue: float
    breslow_day: float
    breslow_day_pvalue: float
    tarone: float
    tarone_pvalue: float


def table_tests(
    events1i: ArrayLike,
    n1i: ArrayLike,
    events2i: ArrayLike,
    n2i: ArrayLike,
    *,
    continuity: bool = True,
) -> TableTests:
    """Cochran (1954), Mantel and Haenszel (1959), Breslow and Day (1980) and Tarone (1985).

    continuity: subtract 1/2 from the total excess of events in the first two.
    Raises `EstimationError` when no study has both people with and without the event.
    """
    a, b, c, d = complete_cells(events1i, n1i, events2i, n2i)
    n1, n2, events = a + b, c + d, a + c
    excess, v = hypergeometric_moments(a, b, c, d)
    total = float(np.nansum(excess))
    corrected = max(0.0, abs(total) - (0.5 if continuity else 0.0)) ** 2
    some = (events > 0) & (b + d > 0)
    if not float(np.nansum(v)) > 0.0:
        raise EstimationError("table_tests: no study has events in a way that says something")
    n = n1 + n2
    cochran = corrected / float((events * (b + d) * n1 * n2 / n**3).sum())
    associated = corrected / float(np.nansum(v))
    with np.errstate(divide="ignore", invalid="ignore"):
        mu = _odds(a, b, c, d)[0] if (a * d).any() or (b * c).any() else math.nan
    if not math.isfinite(mu):
        return TableTests(
            cochran, chi2_sf(cochran, 1), associated, chi2_sf(associated, 1), *(math.nan,) * 4
        )
    expected, spread = _given_odds_ratio(math.exp(mu), n1[some], n2[some], events[some])
    breslow_day = float(((a[some] - expected) ** 2 / spread).sum())
    tarone = breslow_day - float((a[some] - expected).sum()) ** 2 / float(spread.sum())
    df = int(some.sum()) - 1
    return TableTests(
        cochran, chi2_sf(cochran, 1), associated, chi2_sf(associated, 1),
        breslow_day, chi2_sf(breslow_day, df), tarone, chi2_sf(tarone, df),
    )  # fmt: skip


def _given_odds_ratio(
    ratio: float, n1: Floats, n2: Floats, events: Floats
) -> tuple[Floats, Floats]:
    """First cell and its variance when the margins are fixed and the odds ratio is `ratio`."""
    # The root of q x^2 - b x + c that stays finite as q goes to 0; b is positive, since the events
    # are at most n1 + n2, unless the ratio is far below 1, where the other form has no cancelling.
    q, c = ratio - 1.0, ratio * n1 * events
    b = n2 - events + ratio * (n1 + events)
    root = np.sqrt(b**2 - 4.0 * q * c)
    with np.errstate(divide="ignore", invalid="ignore"):
        cell = np.where(b > 0.0, 2.0 * c / (b + root), (b - root) / (2.0 * q))
    spread = 1.0 / (1.0 / cell + 1.0 / (n1 - cell) + 1.0 / (events - cell)
                    + 1.0 / (n2 - events + cell))  # fmt: skip
    return cell, spread
