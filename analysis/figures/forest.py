"""Side-by-side forest: trials share rows, every outcome has a panel on one common axis."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.figures.axis import Axis, covering_range, tick_label
from analysis.figures.marks import arrow, diamond, mark, span
from analysis.figures.model import Forest, ForestEffect, ForestPanel, ForestPooled, ForestRow
from analysis.figures.svg import box, document, group, label, line
from analysis.figures.text import (
    interval,
    interval_words,
    number,
    text_width,
    truncate,
)

ROW = 20.0
_HEAD = 46.0
_PLOT = 172.0
_GUTTER = 14.0
_BETWEEN = 22.0
_WEIGHT = 62.0
_LABEL_LIMIT = 232.0


@dataclass(frozen=True)
class _Layout:
    """Columns and rows in px. panel_x: left end of every plot; text_x, weight_x: right ends of
    its text columns."""

    label_width: float
    panel_x: tuple[float, ...]
    text_width: float
    extra_x: float
    width: float
    rows: int
    axes: tuple[Axis, ...]
    largest: tuple[float, ...]

    @property
    def bottom(self) -> float:
        """Lower end of the trial rows."""
        return _HEAD + max(self.rows, 1) * ROW

    @property
    def axis_y(self) -> float:
        return self.bottom + 2 * ROW + 10.0

    @property
    def height(self) -> float:
        return self.axis_y + 88.0

    def text_x(self, panel: int) -> float:
        return self.panel_x[panel] + _PLOT + _GUTTER + self.text_width

    def weight_x(self, panel: int) -> float:
        return self.text_x(panel) + _WEIGHT


def draw_forest(forest: Forest, figure_id: str = "forest", *, standalone: bool = False) -> str:
    """SVG of the forest.

    Per trial and panel a mark sized by its weight on its confidence interval, with the numbers
    beside it; below, the pooled mean as a diamond and the prediction interval as a bar. An
    interval that leaves the axis ends in an arrow and keeps its numbers.
    """
    layout = _make_layout(forest)
    body = [_header(forest, layout), _stripes(forest, layout)]
    body += [_panel_lines(panel, layout, i) for i, panel in enumerate(forest.panels)]
    body += [_row(forest, row, layout, i) for i, row in enumerate(forest.rows)]
    if not forest.rows:
        body.append(label(0, _middle(0), forest.empty, cls="muted"))
    body.append(_pooled_rows(forest, layout))
    body += [_axis(forest, layout, i) for i in range(len(forest.panels))]
    return document(
        figure_id, forest.title, forest.description, layout.width, layout.height, *body,
        standalone=standalone,
    )  # fmt: skip


def _middle(row: int) -> float:
    """Baseline of the text of a row."""
    return _HEAD + row * ROW + 14.5


def _effects(forest: Forest) -> Iterator[ForestEffect]:
    for row in forest.rows:
        for effect in row.effects:
            if isinstance(effect, ForestEffect):
                yield effect


def _range(forest: Forest) -> tuple[float, float]:
    core = [e.estimate for e in _effects(forest)]
    limits = [v for e in _effects(forest) for v in (e.ci_lb, e.ci_ub)]
    for panel in forest.panels:
        if isinstance(panel.pooled, ForestPooled):
            core.append(panel.pooled.estimate)
            if not forest.rows:
                core += [panel.pooled.ci_lb, panel.pooled.ci_ub]
                core += [panel.pooled.pi_lb, panel.pooled.pi_ub]
            limits += [panel.pooled.ci_lb, panel.pooled.ci_ub]
            limits += [panel.pooled.pi_lb, panel.pooled.pi_ub]
    return covering_range(core, limits)


def _make_layout(forest: Forest) -> _Layout:
    labels = [row.label for row in forest.rows] + [f"{forest.level:.0%} prediction interval"]
    label_width = min(_LABEL_LIMIT, max(text_width(text) for text in labels)) + 14.0
    texts = [_numbers(e.estimate, e.ci_lb, e.ci_ub) for e in _effects(forest)]
    texts += [_numbers(p.pooled.estimate, p.pooled.ci_lb, p.pooled.ci_ub)
              for p in forest.panels if isinstance(p.pooled, ForestPooled)]  # fmt: skip
    texts.append(f"g [{forest.level:.0%} CI]")
    column = max(text_width(text) for text in texts) + 4.0
    step = _PLOT + _GUTTER + column + _WEIGHT + _BETWEEN
    panel_x = tuple(label_width + i * step for i in range(len(forest.panels)))
    right = label_width + len(forest.panels) * step - _BETWEEN
    extras = [forest.extra_header, forest.extra_pooled, *(row.extra for row in forest.rows)]
    extra = max(text_width(text) for text in extras)
    extra_x = right + (extra + 30.0 if extra else 0.0)
    lower, upper = _range(forest)
    axes = tuple(Axis(lower, upper, x, x + _PLOT) for x in panel_x)
    largest = tuple(_largest_weight(forest, i) for i in range(len(axes)))
    return _Layout(
        label_width, panel_x, column, extra_x, extra_x + 4.0, len(forest.rows), axes, largest
    )


def _largest_weight(forest: Forest, panel: int) -> float:
    effects = (row.effects[panel] for row in forest.rows)
    weights = [e.weight for e in effects if isinstance(e, ForestEffect)]
    return max((w for w in weights if math.isfinite(w)), default=0.0)


def _numbers(estimate: float, lower: float, upper: float) -> str:
    return f"{number(estimate)} {interval(lower, upper)}"


def _header(forest: Forest, layout: _Layout) -> str:
    baseline = _HEAD - 8.0
    out = [label(0, baseline, "Trial", cls="bold")]
    for i, panel in enumerate(forest.panels):
        x = layout.panel_x[i]
        out.append(group(
            mark(panel.tone, x + 6.0, 11.5, 11.0), label(x + 18.0, 16, panel.name, cls="bold tone"),
            cls=f"tone-{panel.tone}",
        ))  # fmt: skip
        out.append(label(layout.text_x(i), baseline, f"g [{forest.level:.0%} CI]", anchor="end",
                         cls="bold"))  # fmt: skip
        out.append(label(layout.weight_x(i), baseline, "Weight", anchor="end", cls="bold"))
    if forest.extra_header:
        out.append(label(layout.extra_x, baseline, forest.extra_header, anchor="end", cls="bold"))
    return "".join(out) + line(0, _HEAD - 1.0, layout.width, _HEAD - 1.0, cls="rule")


def _stripes(forest: Forest, layout: _Layout) -> str:
    return "".join(
        box(0, _HEAD + i * ROW, layout.width, ROW, cls="stripe")
        for i in range(1, len(forest.rows), 2)
    )


def _panel_lines(panel: ForestPanel, layout: _Layout, i: int) -> str:
    """Line of no effect, and a dashed line at the pooled mean."""
    axis = layout.axes[i]
    out = line(axis.at(0.0), _HEAD, axis.at(0.0), layout.axis_y, cls="zero")
    if isinstance(panel.pooled, ForestPooled) and not axis.beyond(panel.pooled.estimate):
        x = axis.at(panel.pooled.estimate)
        mean = line(x, _HEAD, x, layout.bottom, cls="mean")
        out += group(mean, cls=f"tone-{panel.tone}")
    return out


def _spoken(forest: Forest, row: ForestRow) -> str:
    """`Rossi 2016; intention g 0.63, 95% CI 0.33 to 0.94; behavior not reported`."""
    parts = [row.label]
    for panel, effect in zip(forest.panels, row.effects, strict=True):
        if isinstance(effect, str):
            parts.append(f"{panel.name} {effect}")
            continue
        limits = interval_words(effect.ci_lb, effect.ci_ub)
        parts.append(f"{panel.name} g {number(effect.estimate)}, {forest.level:.0%} CI {limits}")
    return "; ".join(parts)


def _row(forest: Forest, row: ForestRow, layout: _Layout, position: int) -> str:
    baseline = _middle(position)
    out = [label(0, baseline, truncate(row.label, layout.label_width - 12.0))]
    for i, effect in enumerate(row.effects):
        if isinstance(effect, str):
            out.append(label(layout.text_x(i), baseline, effect, anchor="end", cls="muted"))
        else:
            out.append(_effect(forest, effect, layout, i, baseline))
    if row.extra:
        out.append(label(layout.extra_x, baseline, row.extra, anchor="end"))
    return group(*out, cls="row", name=_spoken(forest, row))


def _effect(forest: Forest, effect: ForestEffect, layout: _Layout, i: int, baseline: float) -> str:
    axis, y = layout.axes[i], baseline - 4.5
    tone = forest.panels[i].tone
    share = effect.weight if math.isfinite(effect.weight) else 0.0
    largest = layout.largest[i]
    size = 4.5 + 9.0 * math.sqrt(share / largest) if largest > 0 else 8.0
    side = axis.beyond(effect.estimate)
    end = axis.stop if side > 0 else axis.start
    point = arrow(end, y, (side, 0), 9.0) if side else mark(tone, axis.at(effect.estimate), y, size)
    drawn = group(span(axis, effect.ci_lb, effect.ci_ub, y), point, cls=f"tone-{tone}")
    text = _numbers(effect.estimate, effect.ci_lb, effect.ci_ub)
    numbers = label(layout.text_x(i), baseline, text, anchor="end")
    weight = label(layout.weight_x(i), baseline, _weight(effect.weight), anchor="end", cls="muted")
    return drawn + numbers + weight


def _weight(value: float) -> str:
    return f"{value:.1f}%" if math.isfinite(value) else ""


def _pooled_rows(forest: Forest, layout: _Layout) -> str:
    top = layout.bottom + 3.0
    mean, spread = top + 14.5, top + ROW + 14.5
    out = [line(0, top, layout.width, top, cls="rule"),
           label(0, mean, forest.pooled_label, cls="bold"),
           label(0, spread, f"{forest.level:.0%} prediction interval")]  # fmt: skip
    for i, panel in enumerate(forest.panels):
        pooled = panel.pooled
        if isinstance(pooled, str):
            out.append(label(layout.text_x(i), mean, "not pooled", anchor="end", cls="muted",
                             name=pooled))  # fmt: skip
            continue
        out.append(_pooled_marks(panel, pooled, layout.axes[i], mean - 4.5, spread - 4.5))
        out.append(label(layout.text_x(i), mean,
                         _numbers(pooled.estimate, pooled.ci_lb, pooled.ci_ub), anchor="end",
                         cls="bold"))  # fmt: skip
        out.append(label(layout.text_x(i), spread, interval(pooled.pi_lb, pooled.pi_ub),
                         anchor="end"))  # fmt: skip
    if forest.extra_pooled:
        out.append(label(layout.extra_x, mean, forest.extra_pooled, anchor="end", cls="bold"))
    return group(*out, cls="pooled")


def _pooled_marks(
    panel: ForestPanel, pooled: ForestPooled, axis: Axis, mean: float, spread: float
) -> str:
    shape = diamond(axis.at(pooled.ci_lb), axis.at(pooled.estimate), axis.at(pooled.ci_ub), mean)
    for value, side in ((pooled.ci_lb, -1), (pooled.ci_ub, 1)):
        if axis.beyond(value):
            shape += arrow(axis.stop if side > 0 else axis.start, mean, (side, 0), 9.0)
    bar = span(axis, pooled.pi_lb, pooled.pi_ub, spread, cls="bar")
    words = (f"{panel.name}, pooled: g {number(pooled.estimate)}, CI "
             f"{interval_words(pooled.ci_lb, pooled.ci_ub)}")  # fmt: skip
    return group(shape, bar, cls=f"tone-{panel.tone}", name=words)


def _axis(forest: Forest, layout: _Layout, i: int) -> str:
    axis, y = layout.axes[i], layout.axis_y
    out = [line(axis.start, y, axis.stop, y, cls="axis")]
    for tick in axis.ticks:
        x = axis.at(tick)
        out.append(line(x, y, x, y + 5.0, cls="axis"))
        out.append(label(x, y + 18.0, tick_label(tick, axis.ticks), anchor="middle"))
    left, right = forest.ends
    zero = min(max(axis.at(0.0), axis.start + 70.0), axis.stop - 70.0)
    if left:
        out.append(label(zero - 8.0, y + 35.0, f"\u2190 {left}", anchor="end", cls="muted small"))
    if right:
        out.append(label(zero + 8.0, y + 35.0, f"{right} \u2192", cls="muted small"))
    out.append(label((axis.start + axis.stop) / 2.0, y + 53.0, forest.axis_label, anchor="middle"))
    pooled = forest.panels[i].pooled
    below = pooled if isinstance(pooled, str) else pooled.heterogeneity
    room = layout.weight_x(i) - axis.start
    out.append(label(axis.start, y + 76.0, truncate(below, room), cls="muted", name=below))
    return "".join(out)
