"""Points over two axes with an optional fitted line: bubble plots and Baujat plots."""

from __future__ import annotations

import math
from itertools import pairwise

from ibgap.figures.axis import Axis, covering_range
from ibgap.figures.frame import frame
from ibgap.figures.marks import mark
from ibgap.figures.model import Scatter, ScatterPoint
from ibgap.figures.svg import document, group, label, line, marked, polygon
from ibgap.figures.text import number, text_width, truncate

_LEFT, _TOP, _WIDE, _HIGH = 74.0, 14.0, 480.0, 320.0


def draw_scatter(plot: Scatter, figure_id: str = "scatter", *, standalone: bool = False) -> str:
    """SVG of the points, areas by their share, with the line and its confidence band."""
    x_axis, y_axis = _axes(plot)
    tone = f"tone-{plot.tone}"
    body = [
        frame(x_axis, y_axis, plot.x_label, plot.y_label),
        group(_band(plot, x_axis, y_axis), cls=tone),
        *(_point(plot, p, x_axis, y_axis) for p in plot.points),
        _names(plot, x_axis, y_axis),
    ]
    if not plot.points:
        body.append(label(_LEFT + 12.0, _TOP + 24.0, plot.empty, cls="muted halo"))
    interactive = any(p.href for p in plot.points) and not standalone
    return document(
        figure_id, plot.title, plot.description, _LEFT + _WIDE + 26.0, _TOP + _HIGH + 52.0, *body,
        standalone=standalone, interactive=interactive,
    )  # fmt: skip


def _axes(plot: Scatter) -> tuple[Axis, Axis]:
    ys = [p.y for p in plot.points]
    limits = [v for _, fit, lower, upper in plot.line for v in (fit, lower, upper)]
    xs = [p.x for p in plot.points]
    if plot.from_zero:
        x_range, y_range = ((0.0, 1.06 * max((v for v in own if math.isfinite(v)), default=1.0)
                             or 1.0) for own in (xs, ys))  # fmt: skip
    else:
        low, high = min(xs, default=0.0), max(xs, default=1.0)
        pad = 0.05 * (high - low) or 0.5
        x_range, y_range = (low - pad, high + pad), covering_range(ys, limits)
    return (Axis(*x_range, _LEFT, _LEFT + _WIDE), Axis(*y_range, _TOP + _HIGH, _TOP))


def _band(plot: Scatter, x_axis: Axis, y_axis: Axis) -> str:
    found = [(x_axis.at(x), y_axis.at(fit), y_axis.at(lower), y_axis.at(upper))
             for x, fit, lower, upper in plot.line]  # fmt: skip
    if len(found) < 2:
        return ""
    upper = [(x, y) for x, _, _, y in found]
    lower = [(x, y) for x, _, y, _ in reversed(found)]
    drawn = "".join(line(a[0], a[1], b[0], b[1]) for a, b in pairwise(found))
    return polygon(upper + lower, cls="ribbon") + drawn


def _point(plot: Scatter, point: ScatterPoint, x_axis: Axis, y_axis: Axis) -> str:
    size = 4.0 + 13.0 * math.sqrt(max(0.0, min(1.0, point.share)))
    shape = mark(plot.tone, x_axis.at(point.x), y_axis.at(point.y), size)
    name = f"{point.label}: {plot.x_label} {number(point.x)}, {plot.y_label} {number(point.y)}"
    return marked(point.href, shape, name=name, cls=f"tone-{plot.tone} light")


def _names(plot: Scatter, x_axis: Axis, y_axis: Axis) -> str:
    """Names beside their points, each moved up past the ones already there."""
    out = ""
    taken: list[tuple[float, float, float]] = []
    named = sorted((p for p in plot.points if p.named), key=lambda p: p.y)
    for point in named:
        text = truncate(point.label, 150.0, 12.0)
        width = text_width(text, 12.0)
        x, y = x_axis.at(point.x) + 10.0, min(y_axis.at(point.y) + 4.0, y_axis.start - 6.0)
        anchor = "start"
        if x + width > x_axis.stop:
            x, anchor = x - 20.0, "end"
        left = x if anchor == "start" else x - width
        while any(abs(y - b) < 13.0 and left < r and left + width > a for a, r, b in taken):
            y -= 13.0
        taken.append((left, left + width, y))
        out += label(x, y, text, anchor=anchor, cls="small halo", name=point.label)
    return out
