"""Proportions and incidence rates of one group, and rates of two groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.arrays import Floats, named, require
from analysis.effect_sizes.base import EffectSizes, mean_over_rows, quiet, vectors
from analysis.effect_sizes.binary import rows_to_correct
from analysis.errors import EstimationError

PROPORTION_SCALES = {
    "PR": "the proportion itself",
    "PLN": "its logarithm",
    "PLO": "its logit",
    "PAS": "arcsine of its square root",
    "PFT": "double arcsine of Freeman and Tukey (1950)",
}
RATE_SCALES = {
    "IR": "events per unit of time",
    "IRLN": "its logarithm",
    "IRS": "its square root",
    "IRFT": "the mean of two square roots of Freeman and Tukey (1950)",
}
RATE_CONTRASTS = {
    "IRR": "log of the ratio of rates",
    "IRD": "difference of rates",
    "IRSD": "difference of the square roots of rates",
}
_OTHER_VARIANCES = {"PR": ("UB", "AV"), "PLO": ("AV",)}
"""Besides `LS`, from the row's own proportion: `UB` unbiased, with n - 1; `AV` from the mean
proportion over the rows."""


@quiet
def proportion(
    events: ArrayLike,
    ni: ArrayLike,
    *,
    scale: str = "PLO",
    variance: str = "LS",
    zero_cells: str = "only0",
    add: float = 0.5,
) -> EffectSizes:
    """A proportion on one of `PROPORTION_SCALES` with its sampling variance.

    events, ni: persons with the event and persons observed. Where the policy says so `add` enters
    events and non-events (not on the two arcsine scales, which need nothing).
    Variances: p q/n; 1/x - 1/n; 1/x + 1/(n - x); 1/(4n); 1/(4n + 2).
    Raises `EstimationError` for events outside 0..n.
    """
    named(scale, PROPORTION_SCALES, "scale of a proportion")
    offered = ("LS", *_OTHER_VARIANCES.get(scale, ()))
    named(variance, dict.fromkeys(offered), f"variance formula of {scale}")
    x, n = vectors(events=events, ni=ni)
    require(~(x < 0) & ~(x > n), "events must lie between 0 and n")
    require(~(n <= 0), "the number of persons must be greater than 0")
    if scale == "PFT":
        yi = 0.5 * (np.arcsin(np.sqrt(x / (n + 1.0))) + np.arcsin(np.sqrt((x + 1.0) / (n + 1.0))))
        return EffectSizes("PFT", yi, 1.0 / (4.0 * n + 2.0), "proportion/PFT")
    if scale == "PAS":
        return EffectSizes("PAS", np.arcsin(np.sqrt(x / n)), 1.0 / (4.0 * n), "proportion/PAS")
    extra = add * rows_to_correct((x == 0) | (x == n), zero_cells)
    x, n = x + extra, n + 2.0 * extra
    p = x / n
    mean = mean_over_rows(p, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        if scale == "PR":
            yi, vi = p, p * (1.0 - p) / (n - 1.0 if variance == "UB" else n)
            if variance == "AV":
                vi = mean * (1.0 - mean) / n
        elif scale == "PLN":
            yi, vi = np.log(p), 1.0 / x - 1.0 / n
        else:
            yi, vi = np.log(p / (1.0 - p)), 1.0 / x + 1.0 / (n - x)
            if variance == "AV":
                vi = 1.0 / (n * mean * (1.0 - mean))
    return EffectSizes(scale, yi, vi, f"proportion/{scale}/{variance}/zero_cells_{zero_cells}")


@quiet
def proportion_from_scale(value: ArrayLike, scale: str, ni: ArrayLike | None = None) -> Floats:
    """The proportion that has this value on one of `PROPORTION_SCALES`; for values beyond the
    scale's range (limits of an interval, say) the end of it, 0 or 1.

    ni: persons, needed for `PFT` (Miller 1978, Am Stat 32:138); for a pooled value the harmonic
    mean of the studies' numbers. That inverse can leave the range of the data when the numbers
    differ much (Schwarzer et al. 2019, Res Synth Methods 10:476): prefer the logit or the
    binomial-normal model.
    """
    named(scale, PROPORTION_SCALES, "scale of a proportion")
    y = np.asarray(value, dtype=np.float64)
    if scale == "PFT":
        if ni is None:
            raise EstimationError("the inverse of PFT needs numbers of persons (ni)")
        n = np.asarray(ni, dtype=np.float64)
        require(np.atleast_1d(~(n <= 0)), "the number of persons must be greater than 0")
        low = 0.5 * np.arcsin(np.sqrt(1.0 / (n + 1.0)))
        high = 0.5 * (np.arcsin(np.sqrt(n / (n + 1.0))) + np.pi / 2.0)
        sine = np.sin(2.0 * y)
        safe = np.where(sine == 0.0, 1.0, sine)
        inner = np.maximum(0.0, 1.0 - (sine + (sine - 1.0 / safe) / n) ** 2)
        p = 0.5 * (1.0 - np.sign(np.cos(2.0 * y)) * np.sqrt(inner))
        return np.asarray(np.where(y <= low, 0.0, np.where(y >= high, 1.0, p)))
    if scale == "PLN":
        return np.exp(np.minimum(y, 0.0))
    if scale == "PLO":
        return np.asarray(special.expit(y))
    if scale == "PR":
        return np.clip(y, 0.0, 1.0)
    return np.asarray(np.sin(np.clip(y, 0.0, np.pi / 2.0)) ** 2)


@quiet
def incidence_rate(
    events: ArrayLike,
    time: ArrayLike,
    *,
    scale: str = "IRLN",
    zero_cells: str = "only0",
    add: float = 0.5,
) -> EffectSizes:
    """Events per unit of time on one of `RATE_SCALES`.

    Variances: x/t^2; 1/x; 1/(4t); 1/(4t). `add` enters the events of rows without any by the
    zero-cell policy on the first two scales; the square roots need nothing.
    """
    named(scale, RATE_SCALES, "scale of a rate")
    x, t = vectors(events=events, time=time)
    require(~(x < 0), "events must not be negative")
    require(~(t <= 0), "times must be greater than 0")
    if scale in ("IR", "IRLN"):
        x = x + add * rows_to_correct(x == 0, zero_cells)
    with np.errstate(divide="ignore", invalid="ignore"):
        if scale == "IR":
            yi, vi = x / t, x / t**2
        elif scale == "IRLN":
            yi, vi = np.log(x / t), 1.0 / x
        else:
            vi = 1.0 / (4.0 * t)
            yi = np.sqrt(x / t)
            if scale == "IRFT":
                yi = 0.5 * (yi + np.sqrt((x + 1.0) / t))
    label = f"/zero_cells_{zero_cells}" if scale in ("IR", "IRLN") else ""
    return EffectSizes(scale, yi, vi, f"incidence_rate/{scale}{label}")


@quiet
def incidence_rate_contrast(
    events1i: ArrayLike,
    time1i: ArrayLike,
    events2i: ArrayLike,
    time2i: ArrayLike,
    *,
    scale: str = "IRR",
    zero_cells: str = "only0",
    add: float = 0.5,
) -> EffectSizes:
    """Rates of two groups compared on one of `RATE_CONTRASTS`.

    `add` enters the events of both groups by the zero-cell policy: of rows in which one group has
    none (`only0`, for IRR), of every row (`all`).
    """
    named(scale, RATE_CONTRASTS, "contrast of rates")
    x1, t1, x2, t2 = vectors(events1i=events1i, time1i=time1i, events2i=events2i, time2i=time2i)
    require(~(x1 < 0) & ~(x2 < 0), "events must not be negative")
    require(~(t1 <= 0) & ~(t2 <= 0), "times must be greater than 0")
    extra = add * rows_to_correct((x1 == 0) | (x2 == 0), zero_cells)
    if scale == "IRSD":
        yi = np.sqrt(x1 / t1) - np.sqrt(x2 / t2)
        vi = 1.0 / (4.0 * t1) + 1.0 / (4.0 * t2)
        return EffectSizes("IRSD", yi, vi, "incidence_rate_contrast/IRSD")
    x1, x2 = x1 + extra, x2 + extra
    with np.errstate(divide="ignore", invalid="ignore"):
        if scale == "IRR":
            yi, vi = np.log(x1 / t1) - np.log(x2 / t2), 1.0 / x1 + 1.0 / x2
        else:
            yi, vi = x1 / t1 - x2 / t2, x1 / t1**2 + x2 / t2**2
    return EffectSizes(scale, yi, vi, f"incidence_rate_contrast/{scale}/zero_cells_{zero_cells}")
