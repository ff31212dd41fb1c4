"""Gap plot: the effect of each trial on behavior against its effect on the upstream outcome."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ibgap.figures.axis import Axis, covering_range, round_ticks, tick_label
from ibgap.figures.marks import span, upright
from ibgap.figures.model import GapPlot, GapPoint, Region
from ibgap.figures.svg import (
    box,
    coordinate,
    document,
    element,
    group,
    label,
    line,
    marked,
    polygon,
    safe_id,
)
from ibgap.figures.text import interval_words, number, text_width, truncate

_LONGEST, _SHORTEST = 460.0, 300.0
_LEFT, _TOP = 74.0, 16.0
_LEGEND = 22.0
_LABEL = 150.0


def draw_gap_plot(plot: GapPlot, figure_id: str = "gap", *, standalone: bool = False) -> str:
    """SVG of the gap plot on equal scales.

    Points below the dashed line of equal effects moved the upstream outcome more than behavior.
    Crosses are confidence intervals (arrows where the axis cuts them); the filled ellipse is the
    confidence region of the two pooled means, the dashed one the region of a new setting. The
    trial-level line is drawn only when the model has one.
    """
    x_axis, y_axis = _axes(plot)
    clip = f"{safe_id(figure_id)}-area"
    bottom, right = y_axis.start, x_axis.stop
    area = element("clipPath", box(_LEFT, _TOP, right - _LEFT, bottom - _TOP), id=clip)
    inside = [
        _regions(plot, x_axis, y_axis),
        _identity(x_axis, y_axis),
        _line(plot, x_axis, y_axis),
    ]
    body = [
        element("defs", area), _grid(plot, x_axis, y_axis),
        group(*inside, clip_path=f"url(#{clip})"), _hints(plot, right, bottom),
        *(_point(plot, point, x_axis, y_axis) for point in plot.points),
        _pooled(plot, x_axis, y_axis), _names(plot, x_axis, y_axis),
    ]  # fmt: skip
    if not plot.points:
        body.append(label((_LEFT + right) / 2, _TOP + 60.0, plot.empty, anchor="middle",
                          cls="halo"))  # fmt: skip
    legend = _legend(plot)
    height = bottom + 62.0 + _LEGEND * len(legend)
    body += [
        group(item, transform=f"translate({coordinate(_LEFT)} "
              f"{coordinate(bottom + 66.0 + i * _LEGEND)})")
        for i, item in enumerate(legend)
    ]  # fmt: skip
    width = max(right + 26.0, _LEFT + 330.0)
    interactive = any(p.href for p in plot.points) and not standalone
    return document(
        figure_id, plot.title, plot.description, width, height, *body, standalone=standalone,
        interactive=interactive,
    )  # fmt: skip


def ellipse(region: Region, steps: int = 96) -> list[tuple[float, float]]:
    """Points on the boundary of the region, in data units.

    The region of a bivariate normal holds `level` where the squared distance is below
    -2 ln(1 - level), the chi-squared quantile with 2 df.
    """
    radius = math.sqrt(-2.0 * math.log(1.0 - region.level))
    values, vectors = np.linalg.eigh(np.array([[region.xx, region.xy], [region.xy, region.yy]]))
    half = vectors * (radius * np.sqrt(np.clip(values, 0.0, None)))
    angle = np.linspace(0.0, 2.0 * math.pi, steps, endpoint=False)
    around = half @ np.vstack([np.cos(angle), np.sin(angle)])
    return [(region.x + float(x), region.y + float(y)) for x, y in around.T]


def _axes(plot: GapPlot) -> tuple[Axis, Axis]:
    """Axes of the same scale, so that equal effects lie on a line of 45 degrees."""
    (x1, x2), (y1, y2) = (_range(plot, side) for side in (0, 1))
    scale = _LONGEST / max(x2 - x1, y2 - y1)
    x1, x2 = _at_least(x1, x2, _SHORTEST / scale)
    y1, y2 = _at_least(y1, y2, _SHORTEST / scale)
    width, height = (x2 - x1) * scale, (y2 - y1) * scale
    return Axis(x1, x2, _LEFT, _LEFT + width), Axis(y1, y2, _TOP + height, _TOP)


def _range(plot: GapPlot, side: int) -> tuple[float, float]:
    """Range of one axis. side: 0 for x, 1 for y."""
    core = [(p.x, p.y)[side] for p in plot.points]
    core += [plot.pooled[side]] if plot.pooled is not None else []
    if plot.confidence is not None:
        core += [xy[side] for xy in ellipse(plot.confidence)]
    limits = [v for p in plot.points for v in ((p.x_lb, p.x_ub), (p.y_lb, p.y_ub))[side]]
    if plot.prediction is not None:
        limits += [xy[side] for xy in ellipse(plot.prediction)]
    return covering_range(core, limits, stretch=0.5)


def _at_least(lower: float, upper: float, span: float) -> tuple[float, float]:
    """The range widened on both sides to `span`."""
    more = max(0.0, span - (upper - lower)) / 2.0
    return lower - more, upper + more


def _grid(plot: GapPlot, x_axis: Axis, y_axis: Axis) -> str:
    bottom, right = y_axis.start, x_axis.stop
    span = max(x_axis.upper - x_axis.lower, y_axis.upper - y_axis.lower)
    out = ""
    ticks = round_ticks(x_axis.lower, x_axis.upper, 9, span)
    for tick in ticks:
        x = x_axis.at(tick)
        out += line(x, _TOP, x, bottom, cls=_rule(tick))
        out += label(x, bottom + 18.0, tick_label(tick, ticks), anchor="middle")
    ticks = round_ticks(y_axis.lower, y_axis.upper, 9, span)
    for tick in ticks:
        y = y_axis.at(tick)
        out += line(_LEFT, y, right, y, cls=_rule(tick))
        out += label(_LEFT - 8.0, y + 4.5, tick_label(tick, ticks), anchor="end")
    out += line(_LEFT, bottom, right, bottom, cls="axis")
    out += line(_LEFT, _TOP, _LEFT, bottom, cls="axis")
    return out + _axis_names(plot, right, bottom)


def _rule(tick: float) -> str:
    return "zero" if abs(tick) < 1e-9 else "rule"


def _axis_names(plot: GapPlot, right: float, bottom: float) -> str:
    middle = (_TOP + bottom) / 2.0
    turn = f"rotate(-90 20 {coordinate(middle)})"
    side = label(20.0, middle, plot.y_label, anchor="middle", cls="bold tone", transform=turn)
    center = (_LEFT + right) / 2.0
    below = label(center, bottom + 40.0, plot.x_label, anchor="middle", cls="bold tone")
    return group(side, cls="tone-behavior") + group(below, cls=f"tone-{plot.x_tone}")


def _hints(plot: GapPlot, right: float, bottom: float) -> str:
    """What it means to lie above or below the line of equal effects."""
    above, below = f"\u2196 {plot.above}", f"{plot.below} \u2198"
    return label(_LEFT + 10.0, _TOP + 20.0, above, cls="muted halo") + label(
        right - 10.0, bottom - 12.0, below, anchor="end", cls="muted halo"
    )


def _path(
    points: Iterable[tuple[float, float]], x_axis: Axis, y_axis: Axis
) -> list[tuple[float, float]]:
    """Data to px without stopping at the ends: the clip path cuts."""

    def px(axis: Axis, value: float) -> float:
        share = (value - axis.lower) / (axis.upper - axis.lower)
        return axis.start + share * (axis.stop - axis.start)

    return [(px(x_axis, x), px(y_axis, y)) for x, y in points]


def _drawn_regions(plot: GapPlot) -> list[tuple[Region, str, str]]:
    """Regions there are, the larger one first, with style and meaning."""
    known = (
        (plot.prediction, "outline", "region of a new setting"),
        (plot.confidence, "area", "confidence region of the means"),
    )
    return [(region, style, words) for region, style, words in known if region is not None]


def _regions(plot: GapPlot, x_axis: Axis, y_axis: Axis) -> str:
    out = ""
    for region, style, words in _drawn_regions(plot):
        shape = polygon(_path(ellipse(region), x_axis, y_axis), cls=style)
        out += group(shape, cls="tone-ink", name=f"{region.level:.0%} {words}")
    return out


def _identity(x_axis: Axis, y_axis: Axis) -> str:
    low, high = min(x_axis.lower, y_axis.lower), max(x_axis.upper, y_axis.upper)
    (x1, y1), (x2, y2) = _path([(low, low), (high, high)], x_axis, y_axis)
    return line(x1, y1, x2, y2, cls="identity")


def _line(plot: GapPlot, x_axis: Axis, y_axis: Axis) -> str:
    if plot.line is None:
        return ""
    ends = [
        (x, plot.line.intercept + plot.line.slope * x) for x in (plot.line.start, plot.line.stop)
    ]
    (x1, y1), (x2, y2) = _path(ends, x_axis, y_axis)
    return group(line(x1, y1, x2, y2, cls="line trial-line"), cls="tone-ink",
                 name=f"trial-level line, slope {number(plot.line.slope)}")  # fmt: skip


def _point(plot: GapPlot, point: GapPoint, x_axis: Axis, y_axis: Axis) -> str:
    x, y = x_axis.at(point.x), y_axis.at(point.y)
    across = group(span(x_axis, point.x_lb, point.x_ub, y, cls="thin"), cls=f"tone-{plot.x_tone}")
    up = group(upright(y_axis, point.y_lb, point.y_ub, x, cls="thin"), cls="tone-behavior")
    dot = group(element("circle", cls="open", cx=x, cy=y, r=4.0), cls="tone-ink")
    words = (f"{point.label}; {plot.x_label} {number(point.x)}, CI "
             f"{interval_words(point.x_lb, point.x_ub)}; {plot.y_label} {number(point.y)}, CI "
             f"{interval_words(point.y_lb, point.y_ub)}")  # fmt: skip
    return marked(point.href, across, up, dot, cls="trial", name=words)


def _pooled(plot: GapPlot, x_axis: Axis, y_axis: Axis) -> str:
    if plot.pooled is None:
        return ""
    x, y = x_axis.at(plot.pooled[0]), y_axis.at(plot.pooled[1])
    shape = polygon([(x - 8, y), (x, y - 8), (x + 8, y), (x, y + 8)], cls="fill")
    words = f"pooled means {number(plot.pooled[0])} and {number(plot.pooled[1])}"
    return group(shape, cls="tone-ink", name=words)


def _names(plot: GapPlot, x_axis: Axis, y_axis: Axis) -> str:
    """Labels of the named points, each on the first side where it fits and meets no other."""
    taken: list[tuple[float, float, float, float]] = [
        (x_axis.at(p.x) - 5, y_axis.at(p.y) - 5, x_axis.at(p.x) + 5, y_axis.at(p.y) + 5)
        for p in plot.points
    ]
    out = ""
    for point in (p for p in plot.points if p.named):
        text = truncate(point.label, _LABEL, 12.0)
        x, y, width = x_axis.at(point.x), y_axis.at(point.y), text_width(text, 12.0)
        for left, baseline in ((x + 8, y - 5), (x - 8 - width, y - 5), (x + 8, y + 14),
                               (x - 8 - width, y + 14)):  # fmt: skip
            spot = (left, baseline - 11, left + width, baseline + 3)
            fits = spot[0] > _LEFT + 2 and spot[2] < x_axis.stop - 2
            if fits and not any(_meet(spot, other) for other in taken):
                taken.append(spot)
                out += label(left, baseline, text, cls="small halo", name=point.label)
                break
    return out


def _meet(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _legend(plot: GapPlot) -> list[str]:
    """One entry per kind of mark that is drawn, at the origin of its own line."""
    items = [line(0, -4, 26, -4, cls="identity") + label(36, 0, "equal effects (no gap)")]
    if plot.points:
        dot = element("circle", cls="open", cx=13.0, cy=-4.0, r=4.0)
        items.append(group(dot, cls="tone-ink") + label(36, 0, "trial with confidence intervals"))
    if plot.pooled is not None:
        shape = polygon([(5, -4), (13, -12), (21, -4), (13, 4)], cls="fill")
        items.append(group(shape, cls="tone-ink") + label(36, 0, "pooled means of the joint model"))
    for region, style, words in reversed(_drawn_regions(plot)):
        shape = element("ellipse", cls=style, cx=13.0, cy=-4.0, rx=12.0, ry=6.0)
        text = label(36, 0, f"{region.level:.0%} {words}")
        items.append(group(shape, cls="tone-ink") + text)
    if plot.line is not None:
        stroke = group(line(0, -4, 26, -4), cls="tone-ink")
        items.append(stroke + label(36, 0, f"trial-level line, slope {number(plot.line.slope)}"))
    return items
