"""Marks that tell outcomes apart by shape: circle, square, triangle, diamond, clip arrow."""

from __future__ import annotations

import math

from ibgap.figures.axis import Axis
from ibgap.figures.model import Tone
from ibgap.figures.svg import element, line, polygon


def mark(tone: Tone, x: float, y: float, size: float) -> str:
    """Point estimate centered on (x, y): circle for intention, square for behavior, triangle
    for any other construct. size: side or diameter in px."""
    half = size / 2.0
    if tone == "intention":
        return element("circle", cls="fill", cx=float(x), cy=float(y), r=float(half * 1.08))
    if tone == "behavior":
        return element("rect", cls="fill", x=x - half, y=y - half, width=float(size),
                       height=float(size))  # fmt: skip
    return polygon(
        [
            (x, y - half * 1.15),
            (x + half * 1.1, y + half * 0.85),
            (x - half * 1.1, y + half * 0.85),
        ],
        cls="fill",
    )


def diamond(
    left: float, middle: float, right: float, y: float, half: float = 7.0, cls: str = "fill"
) -> str:
    """Pooled mean: as wide as its confidence interval."""
    left, right = min(left, middle - 1.5), max(right, middle + 1.5)
    return polygon([(left, y), (middle, y - half), (right, y), (middle, y + half)], cls=cls)


def arrow(x: float, y: float, direction: tuple[int, int], size: float = 6.0) -> str:
    """Tip at (x, y): the interval goes on beyond the axis. direction: unit step (dx, dy)."""
    dx, dy = direction
    back_x, back_y = x - dx * size, y - dy * size
    wing = size * 0.62
    return polygon(
        [
            (x, y),
            (back_x - dy * wing, back_y + dx * wing),
            (back_x + dy * wing, back_y - dx * wing),
        ],
        cls="fill clip",
    )


def span(axis: Axis, lower: float, upper: float, y: float, *, cls: str = "line") -> str:
    """Horizontal interval with an arrow at every end that the axis cuts."""
    if math.isnan(lower) or math.isnan(upper):
        return ""
    x1, x2 = axis.at(lower), axis.at(upper)
    out = line(x1, y, x2, y, cls=cls)
    if axis.beyond(lower) < 0 or axis.beyond(upper) < 0:
        out += arrow(axis.start, y, (-1, 0))
    if axis.beyond(upper) > 0 or axis.beyond(lower) > 0:
        out += arrow(axis.stop, y, (1, 0))
    return out


def upright(axis: Axis, lower: float, upper: float, x: float, *, cls: str = "line") -> str:
    """Vertical interval with an arrow at every end that the axis cuts."""
    if math.isnan(lower) or math.isnan(upper):
        return ""
    out = line(x, axis.at(lower), x, axis.at(upper), cls=cls)
    if axis.beyond(lower) < 0 or axis.beyond(upper) < 0:
        out += arrow(x, axis.start, (0, 1))
    if axis.beyond(upper) > 0 or axis.beyond(lower) > 0:
        out += arrow(x, axis.stop, (0, -1))
    return out
