"""Standardized mean differences from whatever a report printed.

Each statistic has one function of scalars; `smd_from_reported` finds it by name. A statistic
that does not determine an effect raises `ConversionError` with what is missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from scipy import special

from analysis.arrays import named
from analysis.distributions import normal_quantile
from analysis.effect_sizes.base import LARGEST, LARGEST_GROUP, SMALLEST_SPREAD
from analysis.effect_sizes.binary import ODDS_TO_SMD
from analysis.effect_sizes.correlation import correlation_to_smd
from analysis.effect_sizes.standardized import hedges_j
from analysis.errors import ConversionError
from analysis.results import Result


@dataclass(frozen=True)
class Reported:
    """One printed effect, intervention minus comparator; None where nothing was printed.

    value: the statistic on its natural scale (an odds ratio, not its log). se: its standard
    error (of the log for ratios). variance: the square of se. ci_lb, ci_ub: limits on the
    natural scale at ci_level. n1, n2: analyzed persons. sd: standard deviation that
    standardizes a mean difference. p: two-sided p-value. risk2: share with the event in the
    comparator group. positive: direction of an effect known only by F, p or a chi-square.
    """

    statistic: str
    value: float | None = None
    se: float | None = None
    variance: float | None = None
    ci_lb: float | None = None
    ci_ub: float | None = None
    ci_level: float = 0.95
    n1: float | None = None
    n2: float | None = None
    sd: float | None = None
    p: float | None = None
    risk2: float | None = None
    positive: bool | None = None


@dataclass(frozen=True)
class Converted(Result):
    """An effect on the scale of `measure` with its variance and the way it was made."""

    measure: str
    yi: float
    vi: float
    formula: str


_NUMBERS = (
    "value", "se", "variance", "ci_lb", "ci_ub", "ci_level", "n1", "n2", "sd", "p", "risk2"
)  # fmt: skip
_POSITIVE = {"se": "a standard error", "variance": "a variance", "sd": "a standard deviation"}
_ROUNDING_OF_P = 1e-6
_LEAST_SHARE = 1e-9
"""A share nearer to 0 or 1 is the rounding of one that does not exist."""


def _checked(report: Reported) -> Reported:
    """The report with nan read as not printed; refused for numbers that nothing measured has."""
    given = {name: getattr(report, name) for name in _NUMBERS}
    kept: dict[str, Any] = {
        n: None if x is None or math.isnan(x) else float(x) for n, x in given.items()
    }
    for name, x in kept.items():
        if x is not None and abs(x) > (LARGEST_GROUP if name in ("n1", "n2") else LARGEST):
            raise ConversionError(f"{name} must be finite and of the size of a measurement")
    for name, what in _POSITIVE.items():
        x = kept[name]
        if x is not None and not x > 0:
            raise ConversionError(f"{what} must be greater than 0")
        if x is not None and x < SMALLEST_SPREAD:
            raise ConversionError(f"{what} must not be nearer to 0 than {SMALLEST_SPREAD:g}")
    if any(n is not None and n < 2 for n in (kept["n1"], kept["n2"])):
        raise ConversionError(f"{report.statistic} needs at least 2 participants per group")
    level = kept.pop("ci_level")
    if level is None or not 0.5 <= level < 1.0:
        raise ConversionError("a confidence level lies between 0.5 and 1")
    return replace(report, **kept)


def _need(value: float | None, what: str, statistic: str) -> float:
    if value is None:
        raise ConversionError(f"{statistic} needs {what}")
    return value


def _sizes(report: Reported) -> tuple[float, float]:
    n1 = _need(report.n1, "n of the intervention group", report.statistic)
    n2 = _need(report.n2, "n of the comparator group", report.statistic)
    return n1, n2


def _has_sizes(report: Reported) -> bool:
    return report.n1 is not None and report.n2 is not None


def _standard_error(report: Reported, *, log: bool = False) -> tuple[float, str] | None:
    """Standard error on the analysis scale from SE, variance or CI, in this order."""
    if report.se is not None:
        return report.se, "se"
    if report.variance is not None:
        return math.sqrt(report.variance), "variance"
    if report.ci_lb is None or report.ci_ub is None:
        return None
    lower, upper = report.ci_lb, report.ci_ub
    if log:
        if lower <= 0:
            raise ConversionError("the limits of a ratio must be greater than 0")
        lower, upper = math.log(lower), math.log(upper)
    if upper <= lower:
        raise ConversionError("the upper confidence limit must be above the lower one")
    error = (upper - lower) / (2.0 * normal_quantile((1.0 + report.ci_level) / 2.0))
    if error < SMALLEST_SPREAD:
        raise ConversionError("the confidence limits are too near to each other")
    return error, "ci"


def _large_sample(g: float, n1: float, n2: float) -> float:
    return 1.0 / n1 + 1.0 / n2 + g * g / (2.0 * (n1 + n2))


def _from_cohens_d(report: Reported, d: float, how: str) -> Converted:
    """Correct d by exact J where n is known; its variance from SE, CI or the n."""
    error = _standard_error(report) if how == "d" else None
    if not _has_sizes(report):
        if error is None:
            raise ConversionError("d needs n of both groups, a standard error or an interval")
        return Converted("SMD", d, error[0] ** 2, f"{how}_as_reported/no_j/{error[1]}")
    n1, n2 = _sizes(report)
    j = float(hedges_j(n1 + n2 - 2.0)[0])
    g = j * d
    if error is not None:
        return Converted("SMD", g, (j * error[0]) ** 2, f"{how}_to_g/exact_j/{error[1]}")
    return Converted("SMD", g, _large_sample(g, n1, n2), f"{how}_to_g/exact_j/LS")


def _d(report: Reported) -> Converted:
    return _from_cohens_d(report, _need(report.value, "a value", "d"), "d")


def _unchanged(report: Reported) -> Converted:
    """g, or a difference whose correction is unknown: used as printed."""
    value = _need(report.value, "a value", report.statistic)
    error = _standard_error(report)
    if error is not None:
        return Converted("SMD", value, error[0] ** 2, f"{report.statistic}_as_reported/{error[1]}")
    n1, n2 = _sizes(report)
    return Converted(
        "SMD", value, _large_sample(value, n1, n2), f"{report.statistic}_as_reported/LS"
    )


def _t(report: Reported) -> Converted:
    n1, n2 = _sizes(report)
    d = _need(report.value, "a value", "t") * math.sqrt(1.0 / n1 + 1.0 / n2)
    return _from_cohens_d(report, d, "t")


def _directed(report: Reported, size: float) -> float:
    """The size with its declared direction; none is needed where there is no effect."""
    if size == 0.0:
        return 0.0
    if report.positive is None:
        raise ConversionError(
            f"{report.statistic} has no sign; declare whether the effect is positive or negative"
        )
    return size if report.positive else -size


def _f(report: Reported) -> Converted:
    n1, n2 = _sizes(report)
    value = _need(report.value, "a value", "F")
    if value < 0:
        raise ConversionError("F must not be negative")
    d = _directed(report, math.sqrt(value * (1.0 / n1 + 1.0 / n2)))
    return _from_cohens_d(report, d, "f")


def _p(report: Reported) -> Converted:
    n1, n2 = _sizes(report)
    p = _need(report.value if report.p is None else report.p, "a p-value", "p")
    if not 0.0 < p <= 1.0:
        raise ConversionError("an exact p-value above 0 and at most 1 is needed")
    t = 0.0 if p == 1.0 else _t_of_p(p, n1 + n2 - 2.0)
    d = _directed(report, t * math.sqrt(1.0 / n1 + 1.0 / n2))
    return _from_cohens_d(report, d, "p")


def _t_of_p(p: float, df: float) -> float:
    """Size of t with this two-sided p; refused where the quantile cannot be had."""
    t = -float(special.stdtrit(df, p / 2.0))
    back = 2.0 * float(special.stdtr(df, -t)) if math.isfinite(t) else math.nan
    if not abs(back / p - 1.0) < _ROUNDING_OF_P:
        raise ConversionError("the p-value is too small to tell the effect")
    return t


def _r(report: Reported) -> Converted:
    n1, n2 = _sizes(report)
    r = _need(report.value, "a value", "r")
    if not -1.0 < r < 1.0:
        raise ConversionError("a correlation must lie strictly between -1 and 1")
    return _from_cohens_d(report, float(correlation_to_smd(r, n1, n2)[0]), "r")


def _mean_difference(report: Reported) -> Converted:
    value = _need(report.value, "a value", "a mean difference")
    sd = _need(report.sd, "the standard deviation of the outcome", "a mean difference")
    n1, n2 = _sizes(report)
    j = float(hedges_j(n1 + n2 - 2.0)[0])
    g = j * value / sd
    error = _standard_error(report)
    if error is None:
        if report.statistic == "adjusted_md":
            raise ConversionError("an adjusted mean difference needs its SE or interval")
        return Converted("SMD", g, _large_sample(g, n1, n2), "md_to_g/exact_j/LS")
    vi = (error[0] / sd) ** 2 + g * g / (2.0 * (n1 + n2))
    return Converted("SMD", g, vi, f"{report.statistic}_to_g/exact_j/{error[1]}_plus_sd_term")


def _log_odds(report: Reported) -> Converted:
    value = _need(report.value, "a value", "OR")
    if value <= 0:
        raise ConversionError("an odds ratio must be greater than 0")
    error = _standard_error(report, log=True)
    if error is None:
        raise ConversionError("OR needs its confidence interval or the standard error of its log")
    return Converted("OR", math.log(value), error[0] ** 2, f"log_or_reported/{error[1]}")


def _log_risk(report: Reported) -> Converted:
    value = _need(report.value, "a value", "RR")
    if value <= 0:
        raise ConversionError("a risk ratio must be greater than 0")
    error = _standard_error(report, log=True)
    if error is None:
        raise ConversionError("RR needs its confidence interval or the standard error of its log")
    return Converted("RR", math.log(value), error[0] ** 2, f"log_rr_reported/{error[1]}")


def _risk(report: Reported) -> Converted:
    value = _need(report.value, "a value", "RD")
    error = _standard_error(report)
    if error is None:
        raise ConversionError("RD needs its standard error or confidence interval")
    return Converted("RD", value, error[0] ** 2, f"rd_reported/{error[1]}")


def _risk_to_log_odds(natural: Converted, risk2: float | None) -> Converted:
    """Log odds ratio from RR or RD at the comparator's risk (delta method, risk taken as fixed)."""
    p2 = _need(risk2, "the share with the event in the comparator group", natural.measure)
    ratio = natural.measure == "RR"
    p1 = p2 * math.exp(natural.yi) if ratio else p2 + natural.yi
    if not all(_LEAST_SHARE < share < 1.0 - _LEAST_SHARE for share in (p1, p2)):
        raise ConversionError(
            f"the comparator's share {p2:g} and the {natural.measure} do not give a share "
            "between 0 and 1 in the intervention group"
        )
    log_odds = math.log(p1 / (1.0 - p1)) - math.log(p2 / (1.0 - p2))
    slope = 1.0 / (1.0 - p1) if ratio else 1.0 / (p1 * (1.0 - p1))
    return Converted("OR", log_odds, natural.vi * slope**2, f"{natural.formula}/to_or_at_risk2")


_TO_SMD: dict[str, Callable[[Reported], Converted]] = {
    "d": _d,
    "g": _unchanged,
    "smd": _unchanged,
    "t": _t,
    "F": _f,
    "p": _p,
    "r": _r,
    "md": _mean_difference,
    "adjusted_md": _mean_difference,
}
_NATURAL: dict[str, Callable[[Reported], Converted]] = {
    "OR": _log_odds,
    "RR": _log_risk,
    "RD": _risk,
}

REPORTED_STATISTICS = {
    "d": "Cohen's d, uncorrected (corrected by J when n is known)",
    "g": "Hedges' g, already corrected",
    "smd": "standardized difference used as printed (correction unknown, or another standardizer)",
    "t": "t of two independent groups",
    "F": "F with one numerator degree of freedom",
    "p": "exact two-sided p of a comparison of two means",
    "r": "correlation of arm with outcome",
    "md": "difference of means, with the SD",
    "adjusted_md": "covariate-adjusted difference of means, with SE or CI and the SD",
    "OR": "odds ratio",
    "RR": "risk ratio",
    "RD": "risk difference",
}


def natural_from_reported(report: Reported) -> Converted | None:
    """The effect on its own scale (log OR, log RR, RD, MD), or None for an SMD statistic."""
    report = _checked(report)
    if report.statistic in _NATURAL:
        return _determined(_NATURAL[report.statistic](report), report)
    if report.statistic in ("md", "adjusted_md") and report.value is not None:
        error = _standard_error(report)
        if error is not None:
            made = Converted("MD", report.value, error[0] ** 2, f"md_reported/{error[1]}")
            return _determined(made, report)
    return None


def _determined(made: Converted, report: Reported) -> Converted:
    if not (math.isfinite(made.yi) and math.isfinite(made.vi) and made.vi > 0):
        raise ConversionError(f"{report.statistic} gives no finite effect with a variance above 0")
    return made


def smd_from_reported(report: Reported, *, odds_to_smd: str = "logistic") -> Converted:
    """Convert one printed statistic to a standardized mean difference with its variance.

    report: what was printed, intervention minus comparator.
    odds_to_smd: factor for odds ratios, `logistic` sqrt(3)/pi or `cox` 1/1.65.
    Formulas: t, F, p and r as in Borenstein et al. (2009, ch. 7) with exact J; intervals by
    normal quantiles (SE = width / 2z) on the log scale for ratios.
    Raises `ConversionError` saying what is missing or impossible.
    """
    report = _checked(report)
    if report.statistic in _TO_SMD:
        converted = _TO_SMD[report.statistic](report)
    elif report.statistic in _NATURAL:
        natural = _NATURAL[report.statistic](report)
        odds = natural if natural.measure == "OR" else _risk_to_log_odds(natural, report.risk2)
        factor = named(odds_to_smd, ODDS_TO_SMD, "conversion of odds ratios")
        converted = Converted(
            "SMD", odds.yi * factor, odds.vi * factor**2, f"{odds.formula}/to_smd_{odds_to_smd}"
        )
    else:
        raise ConversionError(
            f"unknown statistic {report.statistic!r}; known: {', '.join(REPORTED_STATISTICS)}"
        )
    return _determined(converted, report)
