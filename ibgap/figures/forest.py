"""Side-by-side forest: trials share rows, every outcome has a panel on one common axis."""

from __future__ import annotations

from ibgap.figures.axis import tick_label
from ibgap.figures.forest_layout import (
    HEAD,
    ROW,
    Layout,
    column_name,
    is_interactive,
    make_layout,
    numbers,
)
from ibgap.figures.forest_rows import forest_line, pooled_diamond
from ibgap.figures.marks import mark, span
from ibgap.figures.model import Forest, ForestPanel, ForestPooled
from ibgap.figures.svg import box, document, group, label, line
from ibgap.figures.text import interval, truncate


def draw_forest(forest: Forest, figure_id: str = "forest", *, standalone: bool = False) -> str:
    """SVG of the forest.

    Per trial and panel a mark sized by its weight on its confidence interval, with the numbers
    beside it; below, the pooled mean as a diamond and the prediction interval as a bar. An
    interval that leaves the axis ends in an arrow and keeps its numbers.
    """
    layout = make_layout(forest)
    body = [_header(forest, layout), _stripes(forest, layout)]
    body += [_panel_lines(panel, layout, i) for i, panel in enumerate(forest.panels)]
    body += [forest_line(forest, row, layout, i) for i, row in enumerate(forest.rows)]
    if not forest.rows:
        body.append(label(0, layout.middle(0), forest.empty, cls="muted"))
    body.append(_pooled_rows(forest, layout))
    body += [_axis(forest, layout, i) for i in range(len(forest.panels))]
    return document(
        figure_id, forest.title, forest.description, layout.width, layout.height, *body,
        standalone=standalone, interactive=is_interactive(forest) and not standalone,
    )  # fmt: skip


def _header(forest: Forest, layout: Layout) -> str:
    baseline = HEAD - 8.0
    out = [label(layout.label_x, baseline, forest.row_header, cls="bold")]
    for i, panel in enumerate(forest.panels):
        x = layout.panel_x[i]
        out.append(group(
            mark(panel.tone, x + 6.0, 11.5, 11.0), label(x + 18.0, 16, panel.name, cls="bold tone"),
            cls=f"tone-{panel.tone}",
        ))  # fmt: skip
        out.append(label(layout.text_x(i), baseline, column_name(forest), anchor="end",
                         cls="bold"))  # fmt: skip
        if forest.weights:
            out.append(label(layout.weight_x(i), baseline, "Weight", anchor="end", cls="bold"))
    if forest.extra_header:
        out.append(label(layout.extra_x, baseline, forest.extra_header, anchor="end", cls="bold"))
    if forest.judgments:
        out.append(label(layout.judgment_x, baseline, "RoB", anchor="end", cls="bold"))
    return "".join(out) + line(0, HEAD - 1.0, layout.width, HEAD - 1.0, cls="rule")


def _stripes(forest: Forest, layout: Layout) -> str:
    return "".join(
        box(0, HEAD + i * layout.row, layout.width, layout.row, cls="stripe")
        for i in range(1, len(forest.rows), 2)
    )


def _panel_lines(panel: ForestPanel, layout: Layout, i: int) -> str:
    """Line of no effect, and a dashed line at the pooled mean."""
    axis = layout.axes[i]
    out = line(axis.at(0.0), HEAD, axis.at(0.0), layout.axis_y, cls="zero")
    if isinstance(panel.pooled, ForestPooled) and not axis.beyond(panel.pooled.estimate):
        x = axis.at(panel.pooled.estimate)
        mean = line(x, HEAD, x, layout.bottom, cls="mean")
        out += group(mean, cls=f"tone-{panel.tone}")
    return out


def _pooled_rows(forest: Forest, layout: Layout) -> str:
    if not layout.tail:
        return ""
    top = layout.bottom + 3.0
    mean, spread = top + 14.5, top + ROW + 14.5
    last = top + (layout.tail - 1) * ROW + 14.5
    x = layout.label_x
    out = [line(0, top, layout.width, top, cls="rule"),
           label(x, mean, forest.pooled_label, cls="bold")]  # fmt: skip
    if forest.prediction:
        out.append(label(x, spread, f"{forest.level:.0%} prediction interval"))
    for i, panel in enumerate(forest.panels):
        pooled = panel.pooled
        if panel.ghost is not None:
            out.append(_ghost(panel, panel.ghost, layout, i, last))
        if isinstance(pooled, str):
            out.append(label(layout.text_x(i), mean, "not pooled", anchor="end", cls="muted",
                             name=pooled))  # fmt: skip
            continue
        axis = layout.axes[i]
        out.append(pooled_diamond(panel, pooled, axis, mean - 4.5))
        out.append(label(layout.text_x(i), mean,
                         numbers(pooled.estimate, pooled.ci_lb, pooled.ci_ub), anchor="end",
                         cls="bold"))  # fmt: skip
        if forest.prediction:
            bar = span(axis, pooled.pi_lb, pooled.pi_ub, spread - 4.5, cls="bar")
            out.append(group(bar, cls=f"tone-{panel.tone}"))
            out.append(label(layout.text_x(i), spread, interval(pooled.pi_lb, pooled.pi_ub),
                             anchor="end"))  # fmt: skip
    if any(panel.ghost is not None for panel in forest.panels):
        out.append(label(x, last, forest.ghost_label, cls="muted"))
    if forest.extra_pooled:
        out.append(label(layout.extra_x, mean, forest.extra_pooled, anchor="end", cls="bold"))
    return group(*out, cls="pooled")


def _ghost(panel: ForestPanel, ghost: ForestPooled, layout: Layout, i: int, baseline: float) -> str:
    drawn = pooled_diamond(panel, ghost, layout.axes[i], baseline - 4.5, cls="open")
    text = numbers(ghost.estimate, ghost.ci_lb, ghost.ci_ub)
    return drawn + label(layout.text_x(i), baseline, text, anchor="end", cls="muted")


def _axis(forest: Forest, layout: Layout, i: int) -> str:
    axis, y = layout.axes[i], layout.axis_y
    out = [line(axis.start, y, axis.stop, y, cls="axis")]
    for tick in axis.ticks:
        x = axis.at(tick)
        out.append(line(x, y, x, y + 5.0, cls="axis"))
        out.append(label(x, y + 18.0, tick_label(tick, axis.ticks), anchor="middle"))
    left, right = ("", "") if forest.compact else forest.ends
    zero = min(max(axis.at(0.0), axis.start + 70.0), axis.stop - 70.0)
    if left:
        out.append(label(zero - 8.0, y + 35.0, f"\u2190 {left}", anchor="end", cls="muted small"))
    if right:
        out.append(label(zero + 8.0, y + 35.0, f"{right} \u2192", cls="muted small"))
    name = forest.measure if forest.compact else forest.axis_label
    lower = 36.0 if forest.compact else 53.0
    out.append(label((axis.start + axis.stop) / 2.0, y + lower, name, anchor="middle"))
    pooled = forest.panels[i].pooled
    below = pooled if isinstance(pooled, str) else pooled.heterogeneity
    start, size = (0.0, 12.0) if forest.compact else (axis.start, 13.0)
    room = layout.weight_x(i) - start
    cls = "muted small" if forest.compact else "muted"
    out.append(label(start, y + 76.0, truncate(below, room, size), cls=cls, name=below))
    return "".join(out)
