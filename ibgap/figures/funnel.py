"""Contour-enhanced funnel: effects against standard errors, with contours of significance."""

from __future__ import annotations

import math

from analysis.distributions import critical_value
from ibgap.figures.axis import Axis
from ibgap.figures.frame import frame
from ibgap.figures.marks import mark
from ibgap.figures.model import Funnel, FunnelPoint
from ibgap.figures.svg import coordinate, document, element, group, label, line, marked, polygon
from ibgap.figures.text import number

_LEFT, _TOP, _WIDE, _HIGH = 74.0, 14.0, 480.0, 330.0
_LEVELS = ((0.90, "p < .10"), (0.95, "p < .05"), (0.99, "p < .01"))


def draw_funnel(funnel: Funnel, figure_id: str = "funnel", *, standalone: bool = False) -> str:
    """SVG of the funnel.

    The shaded bands around `center` are where an effect is not significant at .10, .05 and .01
    (two-sided), after Peters et al. (2008, J Clin Epidemiol 61:991). The dashed lines are the
    region that 95% of the trials would fill if they differed from the mean by sampling only.
    """
    x_axis, y_axis = _axes(funnel)
    clip = f"{figure_id}-area"
    area = element("clipPath", element("rect", x=_LEFT, y=_TOP, width=_WIDE, height=_HIGH), id=clip)
    inside = [_contours(funnel, x_axis, y_axis), _mean(funnel, x_axis, y_axis)]
    body = [
        element("defs", area), group(*inside, clip_path=f"url(#{clip})"),
        frame(x_axis, y_axis, funnel.x_label, "Standard error"),
        *(_point(funnel, p, x_axis, y_axis) for p in funnel.points), _legend(funnel),
    ]  # fmt: skip
    if not funnel.points:
        body.append(label(_LEFT + 12.0, _TOP + 24.0, funnel.empty, cls="muted halo"))
    interactive = any(p.href for p in funnel.points) and not standalone
    return document(
        figure_id, funnel.title, funnel.description, _LEFT + _WIDE + 26.0, _TOP + _HIGH + 92.0,
        *body, standalone=standalone, interactive=interactive,
    )  # fmt: skip


def _axes(funnel: Funnel) -> tuple[Axis, Axis]:
    se = max((p.se for p in funnel.points), default=0.3) * 1.06
    values = [p.estimate for p in funnel.points] + [funnel.center]
    if funnel.pooled is not None:
        values.append(funnel.pooled)
    pad = 0.06 * max(max(values) - min(values), 1.2 * se)
    x_axis = Axis(min(values) - pad, max(values) + pad, _LEFT, _LEFT + _WIDE)
    return x_axis, Axis(0.0, se, _TOP, _TOP + _HIGH)


def _wedge(center: float, z: float, x_axis: Axis, y_axis: Axis) -> list[tuple[float, float]]:
    """Triangle center -/+ z se, without cutting at the axis (the clip path does that)."""
    scale = (x_axis.stop - x_axis.start) / (x_axis.upper - x_axis.lower)
    x = x_axis.start + (center - x_axis.lower) * scale
    half = z * y_axis.upper * scale
    return [(x, _TOP), (x + half, y_axis.stop), (x - half, y_axis.stop)]


def _contours(funnel: Funnel, x_axis: Axis, y_axis: Axis) -> str:
    out = ""
    for level, _ in reversed(_LEVELS):
        z = critical_value(level, math.inf)
        out += polygon(_wedge(funnel.center, z, x_axis, y_axis), cls="contour")
    return out


def _mean(funnel: Funnel, x_axis: Axis, y_axis: Axis) -> str:
    if funnel.pooled is None:
        return ""
    x = x_axis.at(funnel.pooled)
    z = critical_value(0.95, math.inf)
    wedge = polygon(_wedge(funnel.pooled, z, x_axis, y_axis), cls="outline")
    return group(line(x, _TOP, x, _TOP + _HIGH, cls="mean"), wedge, cls=f"tone-{funnel.tone}")


def _point(funnel: Funnel, point: FunnelPoint, x_axis: Axis, y_axis: Axis) -> str:
    x, y = x_axis.at(point.estimate), y_axis.at(point.se)
    name = f"{point.label}: effect {number(point.estimate)}, standard error {number(point.se, 3)}"
    if point.imputed:
        shape = element("circle", cls="open", cx=x, cy=y, r=4.0)
        return group(shape, cls=f"tone-{funnel.tone}", name=f"{name}, imputed")
    return marked(point.href, mark(funnel.tone, x, y, 8.0), name=name,
                  cls=f"tone-{funnel.tone}")  # fmt: skip


def _legend(funnel: Funnel) -> str:
    y = _TOP + _HIGH + 60.0
    text = "Bands from the middle: p > .10, p > .05, p > .01; outside p < .01"
    out = label(_LEFT, y, text, cls="muted")
    if funnel.pooled is not None:
        place = f"translate({coordinate(_LEFT)} {coordinate(y + 20.0)})"
        sample = group(line(0.0, -4.0, 22.0, -4.0, cls="outline"), cls=f"tone-{funnel.tone}")
        out += group(sample, label(30.0, 0.0, f"95% region around the pooled mean "
                     f"{number(funnel.pooled)}", cls="muted"), transform=place)  # fmt: skip
    return out
