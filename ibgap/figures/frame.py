"""Axes, grid and axis names that the plots with two axes share."""

from __future__ import annotations

from ibgap.figures.axis import Axis, tick_label
from ibgap.figures.svg import coordinate, label, line


def frame(x_axis: Axis, y_axis: Axis, x_label: str, y_label: str, *, x_ticks: bool = True) -> str:
    """Grid lines at the ticks, both axes, their numbers and names; zero lines stand out.

    y_axis: upward (start is the lower end) or downward; its start lies at the bottom either way.
    """
    bottom, top = max(y_axis.start, y_axis.stop), min(y_axis.start, y_axis.stop)
    left, right = x_axis.start, x_axis.stop
    out = []
    for tick in y_axis.ticks:
        y = y_axis.at(tick)
        out.append(line(left, y, right, y, cls=_rule(tick)))
        out.append(label(left - 8.0, y + 4.5, tick_label(tick, y_axis.ticks), anchor="end"))
    for tick in x_axis.ticks if x_ticks else []:
        x = x_axis.at(tick)
        out.append(line(x, top, x, bottom, cls=_rule(tick)))
        out.append(label(x, bottom + 18.0, tick_label(tick, x_axis.ticks), anchor="middle"))
    out += [
        line(left, bottom, right, bottom, cls="axis"),
        line(left, top, left, bottom, cls="axis"),
    ]
    middle = (top + bottom) / 2.0
    out.append(label(20.0, middle, y_label, anchor="middle",
                     transform=f"rotate(-90 20 {coordinate(middle)})"))  # fmt: skip
    if x_label:
        out.append(label((left + right) / 2.0, bottom + 38.0, x_label, anchor="middle"))
    return "".join(out)


def _rule(tick: float) -> str:
    return "zero" if abs(tick) < 1e-9 else "rule"
