"""The difference over the assumed within-arm correlation."""

from __future__ import annotations

import math
from itertools import pairwise

from ibgap.figures.axis import Axis, covering_range, tick_label
from ibgap.figures.marks import upright
from ibgap.figures.model import GridPoint, GridRibbon
from ibgap.figures.svg import coordinate, document, element, group, label, line, polygon
from ibgap.figures.text import interval_words, number

_LEFT, _TOP, _WIDE, _HIGH = 74.0, 14.0, 440.0, 200.0
_WIDTH, _HEIGHT = _LEFT + _WIDE + 26.0, _TOP + _HIGH + 74.0


def draw_grid_ribbon(
    ribbon: GridRibbon, figure_id: str = "grid", *, standalone: bool = False
) -> str:
    """SVG of the estimates as a line, their confidence limits as a ribbon and as upright
    intervals, the primary value as a filled diamond."""
    points = sorted(
        (p for p in ribbon.points if math.isfinite(p.estimate)), key=lambda p: p.correlation
    )
    x_axis, y_axis = _axes(points)
    body = [_frame(ribbon, points, x_axis, y_axis)]
    if len(points) > 1:
        body.append(group(_ribbon(points, x_axis, y_axis), cls="tone-ink"))
    body += [_point(p, x_axis, y_axis) for p in points]
    if not points:
        body.append(label(_LEFT + 12.0, _TOP + 24.0, ribbon.empty, cls="muted"))
    return document(
        figure_id, ribbon.title, ribbon.description, _WIDTH, _HEIGHT, *body, standalone=standalone
    )


def _axes(points: list[GridPoint]) -> tuple[Axis, Axis]:
    lower, upper = covering_range(
        [p.estimate for p in points], [v for p in points for v in (p.ci_lb, p.ci_ub)], stretch=12.0
    )
    lowest = min((p.correlation for p in points), default=0.0)
    highest = max((p.correlation for p in points), default=1.0)
    return (Axis(min(lowest, 0.0) - 0.05, max(highest, 0.9) + 0.05, _LEFT, _LEFT + _WIDE),
            Axis(lower, upper, _TOP + _HIGH, _TOP))  # fmt: skip


def _frame(ribbon: GridRibbon, points: list[GridPoint], x_axis: Axis, y_axis: Axis) -> str:
    bottom = _TOP + _HIGH
    out = []
    for tick in y_axis.ticks:
        y = y_axis.at(tick)
        out.append(line(_LEFT, y, _LEFT + _WIDE, y, cls="zero" if abs(tick) < 1e-9 else "rule"))
        out.append(label(_LEFT - 8.0, y + 4.5, tick_label(tick, y_axis.ticks), anchor="end"))
    out += [line(_LEFT, bottom, _LEFT + _WIDE, bottom, cls="axis"),
            line(_LEFT, _TOP, _LEFT, bottom, cls="axis")]  # fmt: skip
    for point in points:
        x = x_axis.at(point.correlation)
        out.append(line(x, bottom, x, bottom + 5.0, cls="axis"))
        out.append(label(x, bottom + 18.0, number(point.correlation, 1), anchor="middle",
                         cls="bold" if point.primary else ""))  # fmt: skip
    middle = _TOP + _HIGH / 2.0
    out.append(label(20.0, middle, ribbon.y_label, anchor="middle",
                     transform=f"rotate(-90 20 {coordinate(middle)})"))  # fmt: skip
    out.append(label(_LEFT + _WIDE / 2.0, bottom + 38.0, ribbon.x_label, anchor="middle"))
    if any(p.primary for p in points):
        shape = polygon([(-7, 0), (0, -7), (7, 0), (0, 7)], cls="fill")
        place = f"translate({coordinate(_LEFT + 8)} {coordinate(bottom + 60)})"
        text = label(14.0, 4.5, ribbon.primary_label)
        out.append(group(shape, text, cls="tone-ink", transform=place))
    return "".join(out)


def _ribbon(points: list[GridPoint], x_axis: Axis, y_axis: Axis) -> str:
    bounded = [p for p in points if math.isfinite(p.ci_lb) and math.isfinite(p.ci_ub)]
    out = ""
    if len(bounded) > 1:
        upper = [(x_axis.at(p.correlation), y_axis.at(p.ci_ub)) for p in bounded]
        lower = [(x_axis.at(p.correlation), y_axis.at(p.ci_lb)) for p in reversed(bounded)]
        out += polygon(upper + lower, cls="ribbon")
    return out + "".join(
        line(x_axis.at(a.correlation), y_axis.at(a.estimate),
             x_axis.at(b.correlation), y_axis.at(b.estimate))
        for a, b in pairwise(points)
    )  # fmt: skip


def _point(point: GridPoint, x_axis: Axis, y_axis: Axis) -> str:
    x, y = x_axis.at(point.correlation), y_axis.at(point.estimate)
    if point.primary:
        shape = polygon([(x - 7, y), (x, y - 7), (x + 7, y), (x, y + 7)], cls="fill")
    else:
        shape = element("circle", cls="open", cx=x, cy=y, r=4.0)
    words = (f"correlation {number(point.correlation, 1)}: difference {number(point.estimate)}, CI "
             f"{interval_words(point.ci_lb, point.ci_ub)}")  # fmt: skip
    return group(upright(y_axis, point.ci_lb, point.ci_ub, x), shape, cls="tone-ink", name=words)
