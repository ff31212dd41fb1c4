"""Pooled results along a sequence of releases or years, one panel per outcome."""

from __future__ import annotations

import math
from itertools import pairwise

from ibgap.figures.axis import Axis, covering_range
from ibgap.figures.frame import frame
from ibgap.figures.marks import mark, upright
from ibgap.figures.model import Trend, TrendSeries
from ibgap.figures.svg import (
    coordinate,
    document,
    group,
    label,
    line,
    marked,
    polygon,
)
from ibgap.figures.text import interval_words, number

_LEFT, _TOP, _HIGH, _GAP = 74.0, 30.0, 120.0, 34.0
_STEP, _NARROWEST, _WIDEST = 46.0, 240.0, 560.0


def draw_trend(trend: Trend, figure_id: str = "trend", *, standalone: bool = False) -> str:
    """SVG: every series over the same places, with confidence limits and a common axis."""
    labels = list(dict.fromkeys(p.label for s in trend.series for p in s.points))
    wide = min(_WIDEST, max(_NARROWEST, _STEP * len(labels)))
    x_axis = Axis(-0.5, max(len(labels), 1) - 0.5, _LEFT, _LEFT + wide)
    points = [p for s in trend.series for p in s.points if math.isfinite(p.estimate)]
    lower, upper = covering_range(
        [p.estimate for p in points], [v for p in points for v in (p.ci_lb, p.ci_ub)], stretch=4.0
    )
    body = []
    for i, one in enumerate(trend.series):
        top = _TOP + i * (_HIGH + _GAP)
        y_axis = Axis(lower, upper, top + _HIGH, top)
        body.append(frame(x_axis, y_axis, "", trend.y_label, x_ticks=False))
        body.append(label(_LEFT, top - 9.0, one.name, cls="bold"))
        body.append(_series(one, labels, x_axis, y_axis))
    bottom = _TOP + len(trend.series) * (_HIGH + _GAP) - _GAP
    every = max(1, math.ceil(len(labels) * 44.0 / wide))
    for i, text in enumerate(labels):
        if (len(labels) - 1 - i) % every == 0:
            x = x_axis.at(i)
            body.append(
                label(
                    x,
                    bottom + 16.0,
                    text,
                    anchor="end",
                    transform=f"rotate(-35 {coordinate(x)} {coordinate(bottom + 16)})",
                )
            )
    if not points:
        body.append(label(_LEFT + 12.0, _TOP + 24.0, trend.empty, cls="muted"))
    interactive = any(p.href for p in points) and not standalone
    return document(
        figure_id, trend.title, trend.description, _LEFT + wide + 26.0, bottom + 78.0, *body,
        standalone=standalone, interactive=interactive,
    )  # fmt: skip


def _series(one: TrendSeries, labels: list[str], x_axis: Axis, y_axis: Axis) -> str:
    place = {text: x_axis.at(i) for i, text in enumerate(labels)}
    found = [p for p in one.points if math.isfinite(p.estimate)]
    joined = "".join(
        line(place[a.label], y_axis.at(a.estimate), place[b.label], y_axis.at(b.estimate),
             cls="thin")
        for a, b in pairwise(found)
    )  # fmt: skip
    out = [joined]
    for point in found:
        x, y = place[point.label], y_axis.at(point.estimate)
        if one.tone == "ink":
            shape = polygon([(x - 6, y), (x, y - 6), (x + 6, y), (x, y + 6)], cls="fill")
        else:
            shape = mark(one.tone, x, y, 8.0)
        limits = upright(y_axis, point.ci_lb, point.ci_ub, x)
        words = (f"{one.name}, {point.label}: {number(point.estimate)}, CI "
                 f"{interval_words(point.ci_lb, point.ci_ub)}")  # fmt: skip
        words += f"; {point.note}" if point.note else ""
        out.append(marked(point.href, limits, shape, name=words))
    return group(*out, cls=f"tone-{one.tone}")
