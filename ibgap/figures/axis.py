"""A linear axis: data units to px, ticks at round numbers, ranges that keep outliers visible."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ibgap.figures.text import MINUS


@dataclass(frozen=True)
class Axis:
    """Maps [lower, upper] in data units to [start, stop] in px (start > stop for upward axes)."""

    lower: float
    upper: float
    start: float
    stop: float

    def at(self, value: float) -> float:
        """Position in px; values beyond the axis stay at its end."""
        share = (min(max(value, self.lower), self.upper) - self.lower) / (self.upper - self.lower)
        return self.start + share * (self.stop - self.start)

    def beyond(self, value: float) -> int:
        """-1 or 1 when the value lies off the lower or upper end, else 0."""
        slack = 1e-9 * (self.upper - self.lower)
        return -1 if value < self.lower - slack else int(value > self.upper + slack)

    @property
    def ticks(self) -> list[float]:
        """Ticks at least about 35 px apart."""
        room = max(2, int(abs(self.stop - self.start) // 34))
        return round_ticks(self.lower, self.upper, room)


def round_step(span: float, count: int) -> float:
    """A step of 1, 2 or 5 times a power of ten that cuts `span` into at most about `count`."""
    raw = span / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    factor = next(f for f in (1.0, 2.0, 5.0, 10.0) if f * power >= raw * 0.999)
    return float(factor * power)


def round_ticks(lower: float, upper: float, count: int, span: float = 0.0) -> list[float]:
    """Round numbers inside [lower, upper]. span: the one that `count` ticks are for, by default
    the range itself; axes that share it share the step."""
    step = round_step(span or upper - lower, count)
    first, last = math.ceil(lower / step - 1e-9), math.floor(upper / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def tick_label(value: float, ticks: Sequence[float]) -> str:
    """Just enough decimals for the distance of the ticks."""
    step = abs(ticks[1] - ticks[0]) if len(ticks) > 1 else (abs(value) or 1.0)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text.replace("-", MINUS)


def covering_range(
    core: Iterable[float], limits: Iterable[float], *, stretch: float = 1.5, include: float = 0.0
) -> tuple[float, float]:
    """A range for an axis: all of the bulk, and as much of the limits as keeps it readable.

    core: estimates that should be visible. limits: interval limits, which may be cut (and then
    get an arrow). One estimate far from all others does not squeeze them: beyond eight times
    the spread of the middle half it is cut too. stretch: how far limits may widen the range,
    in spans of the core. include: always inside.
    """
    inner = np.array([v for v in core if math.isfinite(v)])
    outer = np.array([v for v in limits if math.isfinite(v)])
    lower, upper = _bulk(inner, include)
    span = max(upper - lower, 0.2 if inner.size < 2 else 1e-6, 0.05 * max(abs(lower), abs(upper)))
    room = stretch * span
    if outer.size:
        lower = min(lower, max(float(outer.min()), lower - room))
        upper = max(upper, min(float(outer.max()), upper + room))
    pad = 0.04 * max(upper - lower, span)
    return lower - pad, upper + pad


def _bulk(values: np.ndarray, include: float) -> tuple[float, float]:
    if values.size == 0:
        return include - 1.0, include + 1.0
    low, high = float(values.min()), float(values.max())
    if values.size >= 8:
        q1, middle, q3 = (float(q) for q in np.quantile(values, (0.25, 0.5, 0.75)))
        reach = 8.0 * max(q3 - q1, 1e-6)
        low, high = max(low, middle - reach), min(high, middle + reach)
    return min(low, include), max(high, include)
