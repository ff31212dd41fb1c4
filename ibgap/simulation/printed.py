"""What reports print of the persons of one or two arms, with the decimals that they print."""

from __future__ import annotations

import math

import numpy as np

from ibgap.simulation.design import Random
from ibgap.simulation.draft import Cell
from ibgap.simulation.people import Floats

FIELDS = (
    "statistic", "value", "se", "ci_lb", "ci_ub", "n1", "n2", "sd", "p", "risk2", "favors",
)  # fmt: skip
_QUANTILES = {"quartiles": (0.25, 0.5, 0.75), "range": (0.0, 0.5, 1.0)}
_Z = 1.959963984540054
_DIFFERENCES = ("d", "g", "smd", "t", "F", "p", "r", "md", "adjusted_md")
_RATIOS = ("OR", "OR", "RR", "RD")


def form_for(arms: list[Floats], form: str) -> str:
    """The form in which scores are printed: quantiles only where all arms look symmetric, as
    authors choose them; else means with SDs."""
    if form not in ("quartiles", "range"):
        return form
    for values in arms:
        low, middle, high = np.quantile(values, _QUANTILES[form])
        n = len(values)
        most = 2 / math.sqrt(n) if form == "quartiles" else 1 / math.log(n + 9)
        if abs(low + high - 2 * middle) > most * (high - low):
            return "sd"
    return form


def arm_numbers(values: Floats, form: str) -> dict[str, Cell]:
    """Numbers of one arm. form: sd, se, quartiles or range (scores); events or percent (acts)."""
    n = len(values)
    if form == "events":
        return {"n": n, "events": int(values.sum())}
    if form == "percent":
        return {"n": n, "percent": round(100 * float(values.mean()), 1)}
    mean, sd = round(float(values.mean()), 2), float(values.std(ddof=1))
    if form == "sd":
        return {"n": n, "mean": mean, "sd": round(sd, 2)}
    if form == "se":
        return {"n": n, "mean": mean, "se": round(sd / math.sqrt(n), 4)}
    quantiles = [round(float(q), 2) for q in np.quantile(values, (0, 0.25, 0.5, 0.75, 1))]
    lowest, q1, median, q3, highest = quantiles
    if form == "quartiles":
        return {"n": n, "median": median, "q1": q1, "q3": q3}
    return {"n": n, "median": median, "minimum": lowest, "maximum": highest}


def difference(random: Random, one: Floats, two: Floats) -> dict[str, Cell]:
    """A printed statistic of two groups of scores, intervention first."""
    n1, n2 = len(one), len(two)
    raw = float(one.mean() - two.mean())
    within = ((n1 - 1) * one.var(ddof=1) + (n2 - 1) * two.var(ddof=1)) / (n1 + n2 - 2)
    sd, root = math.sqrt(float(within)), math.sqrt(1 / n1 + 1 / n2)
    d, df = raw / sd, n1 + n2 - 2
    t = d / root
    error = math.sqrt(1 / n1 + 1 / n2 + d * d / (2 * (n1 + n2)))
    name = _DIFFERENCES[int(random.integers(len(_DIFFERENCES)))]
    row: dict[str, Cell] = {"statistic": name, "n1": n1, "n2": n2}
    if name in ("F", "p") or random.random() < 0.5:
        row["favors"] = "intervention" if d > 0 else "comparator"
    if name == "d":
        return row | {"value": round(d, 3)}
    if name == "g":
        g = d * (1 - 3 / (4 * df - 1))
        limits = {"ci_lb": round(g - _Z * error, 3), "ci_ub": round(g + _Z * error, 3)}
        return row | {"value": round(g, 3), **limits}
    if name == "smd":
        return row | {"value": round(d, 3), "se": round(error, 4)}
    if name == "t":
        return row | {"value": round(t, 3)}
    if name == "F":
        return row | {"value": round(t * t, 3)}
    if name == "p":
        return row | {"value": None, "p": _p_value(t, df)}
    if name == "r":
        return row | {"value": round(t / math.sqrt(t * t + df), 4)}
    if name == "md":
        return row | {"value": round(raw, 3), "sd": round(sd, 3)}
    return row | {"value": round(raw, 3), "sd": round(sd, 3), "se": round(sd * root, 4)}


def _p_value(t: float, df: int) -> float:
    from scipy.special import stdtr

    return float(f"{2 * float(stdtr(df, -abs(t))):.4g}")


def ratio(random: Random, one: Floats, two: Floats) -> dict[str, Cell]:
    """A printed statistic of two groups of which some act, intervention first."""
    n1, n2 = len(one), len(two)
    a, c = float(one.sum()), float(two.sum())
    b, d = n1 - a, n2 - c
    name = _RATIOS[int(random.integers(len(_RATIOS)))]
    row: dict[str, Cell] = {"statistic": name, "n1": n1, "n2": n2}
    if random.random() < 0.5:
        row["favors"] = "intervention" if a * n2 > c * n1 else "comparator"
    if name == "OR":
        return row | _on_log_scale(math.log(a * d / (b * c)), 1 / a + 1 / b + 1 / c + 1 / d)
    risk2 = {"risk2": round(c / n2, 4)}
    if name == "RR":
        size = math.log(a / n1) - math.log(c / n2)
        return row | risk2 | _on_log_scale(size, 1 / a - 1 / n1 + 1 / c - 1 / n2)
    size, error = a / n1 - c / n2, math.sqrt(a * b / n1**3 + c * d / n2**3)
    limits = {"ci_lb": round(size - _Z * error, 4), "ci_ub": round(size + _Z * error, 4)}
    return row | risk2 | {"value": round(size, 4), **limits}


def _on_log_scale(size: float, variance: float) -> dict[str, Cell]:
    half = _Z * math.sqrt(variance)
    low, value, high = (round(math.exp(x), 3) for x in (size - half, size, size + half))
    return {"value": value, "ci_lb": low, "ci_ub": high}
