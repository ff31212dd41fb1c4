"""Specification curve: every estimate in order, above the choices that made it."""

from __future__ import annotations

import math

from ibgap.figures.axis import Axis, covering_range
from ibgap.figures.frame import frame
from ibgap.figures.model import SpecCurve, SpecPoint
from ibgap.figures.svg import box, document, element, group, label, line, polygon
from ibgap.figures.text import interval_words, number, text_width

_TOP, _HIGH, _ROW = 14.0, 220.0, 17.0
_NARROWEST, _WIDEST = 420.0, 760.0


def draw_spec_curve(
    curve: SpecCurve, figure_id: str = "specifications", *, standalone: bool = False
) -> str:
    """SVG of the curve: estimates in rising order with their confidence limits, the primary
    one as a diamond, and below them a dot for every choice."""
    points = sorted(
        (p for p in curve.points if math.isfinite(p.estimate)), key=lambda p: p.estimate
    )
    names = [value for _, values in curve.choices for value in values]
    left = max([90.0, *(text_width(name) + 24.0 for name in names)])
    wide = min(_WIDEST, max(_NARROWEST, 7.0 * len(points)))
    x_axis = Axis(-0.5, max(len(points), 1) - 0.5, left, left + wide)
    y_axis = Axis(*covering_range(
        [p.estimate for p in points], [v for p in points for v in (p.ci_lb, p.ci_ub)], stretch=8.0
    ), _TOP + _HIGH, _TOP)  # fmt: skip
    body = [frame(x_axis, y_axis, "", curve.y_label, x_ticks=False)]
    body += [_point(p, i, x_axis, y_axis) for i, p in enumerate(points)]
    body.append(_mark(curve, x_axis, y_axis))
    matrix, bottom = _matrix(curve, points, x_axis)
    body.append(matrix)
    if not points:
        body.append(label(left + 12.0, _TOP + 24.0, curve.empty, cls="muted"))
    return document(
        figure_id, curve.title, curve.description, left + wide + 20.0, bottom + 10.0, *body,
        standalone=standalone,
    )  # fmt: skip


def _point(point: SpecPoint, i: int, x_axis: Axis, y_axis: Axis) -> str:
    x, y = x_axis.at(i), y_axis.at(point.estimate)
    limits = ""
    if math.isfinite(point.ci_lb) and math.isfinite(point.ci_ub):
        limits = line(x, y_axis.at(point.ci_lb), x, y_axis.at(point.ci_ub), cls="thin")
    shape = element("circle", cls="fill", cx=x, cy=y, r=2.4)
    if point.primary:
        shape = polygon([(x - 7, y), (x, y - 7), (x + 7, y), (x, y + 7)], cls="fill")
    words = (f"{', '.join(point.choices)}: {number(point.estimate)}, CI "
             f"{interval_words(point.ci_lb, point.ci_ub)}")  # fmt: skip
    return group(limits, shape, cls="tone-ink", name=words)


def _mark(curve: SpecCurve, x_axis: Axis, y_axis: Axis) -> str:
    if curve.mark is None or y_axis.beyond(curve.mark[0]):
        return ""
    y = y_axis.at(curve.mark[0])
    text = label(x_axis.start + 6.0, y - 5.0, curve.mark[1], cls="small halo tone")
    drawn = line(x_axis.start, y, x_axis.stop, y, cls="mean")
    return group(drawn, text, cls="tone-behavior")


def _matrix(curve: SpecCurve, points: list[SpecPoint], x_axis: Axis) -> tuple[str, float]:
    """Dots of the chosen values; returns the lower end."""
    y = _TOP + _HIGH + 18.0
    out = []
    for which, (name, values) in enumerate(curve.choices):
        out.append(label(0.0, y + 12.0, name, cls="bold"))
        y += _ROW + 2.0
        for row, value in enumerate(values):
            if row % 2 == 0:
                out.append(box(0.0, y - 1.0, x_axis.stop, _ROW, cls="stripe"))
            out.append(label(12.0, y + 12.0, value))
            out += [
                element("circle", cls="fill", cx=x_axis.at(i), cy=y + 7.5, r=2.4)
                for i, point in enumerate(points)
                if point.choices[which] == value
            ]
            y += _ROW
        y += 6.0
    return group(*out, cls="tone-ink"), y
