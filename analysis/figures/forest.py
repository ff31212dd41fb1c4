"""Side-by-side forest: trials share rows, every outcome has a panel on one common axis."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.figures.axis import Axis, covering_range, tick_label
from analysis.figures.marks import arrow, diamond, mark, span
from analysis.figures.model import (
    Forest,
    ForestEffect,
    ForestHeading,
    ForestLine,
    ForestPanel,
    ForestPooled,
    ForestRow,
    ForestSubtotal,
)
from analysis.figures.svg import box, document, element, group, label, line, link
from analysis.figures.text import (
    interval,
    interval_words,
    number,
    text_width,
    truncate,
)

ROW, TARGET = 20.0, 24.0
"""Height of a row in px, and of one that holds controls."""
_HEAD = 46.0
_PLOT = 172.0
_GUTTER = 14.0
_BETWEEN = 22.0
_WEIGHT = 62.0
_LABEL_LIMIT = 232.0
_COMPACT_PLOT, _COMPACT_LABEL = 92.0, 108.0
_SIGNS = {"low": "+", "some_concerns": "?", "high": "\u2212", "no_information": "0"}


@dataclass(frozen=True)
class _Layout:
    """Columns and rows in px. panel_x: left end of every plot; text_x, weight_x: right ends of
    its text columns. tail: rows below the trials (mean, prediction, registered result)."""

    label_x: float
    label_width: float
    plot: float
    panel_x: tuple[float, ...]
    text_width: float
    weight_width: float
    extra_x: float
    judgment_x: float
    width: float
    row: float
    rows: int
    axes: tuple[Axis, ...]
    largest: tuple[float, ...]
    tail: int
    has_notes: bool

    @property
    def bottom(self) -> float:
        """Lower end of the trial rows."""
        return _HEAD + max(self.rows, 1) * self.row

    @property
    def axis_y(self) -> float:
        return self.bottom + self.tail * ROW + 10.0

    def middle(self, row: int) -> float:
        """Baseline of the text of a row."""
        return _HEAD + row * self.row + self.row / 2.0 + 4.5

    @property
    def height(self) -> float:
        return self.axis_y + (88.0 if self.has_notes else 66.0)

    def text_x(self, panel: int) -> float:
        return self.panel_x[panel] + self.plot + _GUTTER + self.text_width

    def weight_x(self, panel: int) -> float:
        return self.text_x(panel) + self.weight_width


def draw_forest(forest: Forest, figure_id: str = "forest", *, standalone: bool = False) -> str:
    """SVG of the forest.

    Per trial and panel a mark sized by its weight on its confidence interval, with the numbers
    beside it; below, the pooled mean as a diamond and the prediction interval as a bar. An
    interval that leaves the axis ends in an arrow and keeps its numbers.
    """
    layout = _make_layout(forest)
    body = [_header(forest, layout), _stripes(forest, layout)]
    body += [_panel_lines(panel, layout, i) for i, panel in enumerate(forest.panels)]
    body += [_line(forest, row, layout, i) for i, row in enumerate(forest.rows)]
    if not forest.rows:
        body.append(label(0, layout.middle(0), forest.empty, cls="muted"))
    body.append(_pooled_rows(forest, layout))
    body += [_axis(forest, layout, i) for i in range(len(forest.panels))]
    return document(
        figure_id, forest.title, forest.description, layout.width, layout.height, *body,
        standalone=standalone, interactive=_is_interactive(forest) and not standalone,
    )  # fmt: skip


def _is_interactive(forest: Forest) -> bool:
    return any(isinstance(r, ForestRow) and (r.href or r.toggle) for r in forest.rows)


def _trial_rows(forest: Forest) -> Iterator[ForestRow]:
    return (row for row in forest.rows if isinstance(row, ForestRow))


def _effects(forest: Forest) -> Iterator[ForestEffect]:
    for row in _trial_rows(forest):
        for effect in row.effects:
            if isinstance(effect, ForestEffect):
                yield effect


def _means(forest: Forest) -> Iterator[ForestPooled]:
    """Every pooled mean that is drawn."""
    for panel in forest.panels:
        for one in (panel.pooled, panel.ghost):
            if isinstance(one, ForestPooled):
                yield one
    for row in forest.rows:
        if isinstance(row, ForestSubtotal):
            yield from (one for one in row.pooled if isinstance(one, ForestPooled))


def _range(forest: Forest) -> tuple[float, float]:
    core = [e.estimate for e in _effects(forest)]
    limits = [v for e in _effects(forest) for v in (e.ci_lb, e.ci_ub)]
    for pooled in _means(forest):
        core.append(pooled.estimate)
        reach = [pooled.ci_lb, pooled.ci_ub, pooled.pi_lb, pooled.pi_ub]
        limits += reach
        if not forest.rows:
            core += reach
    return covering_range(core, limits)


def _make_layout(forest: Forest) -> _Layout:
    interactive = _is_interactive(forest)
    label_x = TARGET + 4.0 if any(r.toggle for r in _trial_rows(forest)) else 0.0
    labels = [row.label for row in _trial_rows(forest)]
    if forest.prediction:
        labels.append(f"{forest.level:.0%} prediction interval")
    labels += [forest.pooled_label, forest.row_header]
    plot = _COMPACT_PLOT if forest.compact else _PLOT
    limit = _COMPACT_LABEL if forest.compact else _LABEL_LIMIT
    label_width = min(limit, max(text_width(text) for text in labels)) + 14.0
    texts = [_numbers(e.estimate, e.ci_lb, e.ci_ub) for e in _effects(forest)]
    texts += [_numbers(p.estimate, p.ci_lb, p.ci_ub) for p in _means(forest)]
    texts.append(_column_name(forest))
    column = max(text_width(text) for text in texts) + 4.0
    weight = _WEIGHT if forest.weights else 0.0
    step = plot + _GUTTER + column + weight + _BETWEEN
    left = label_x + label_width
    panel_x = tuple(left + i * step for i in range(len(forest.panels)))
    right = left + len(forest.panels) * step - _BETWEEN
    extras = [forest.extra_header, forest.extra_pooled]
    extras += [row.extra for row in forest.rows if not isinstance(row, ForestHeading)]
    extra = max(text_width(text) for text in extras)
    extra_x = right + (extra + 30.0 if extra else 0.0)
    lower, upper = _range(forest)
    axes = tuple(Axis(lower, upper, x, x + plot) for x in panel_x)
    largest = tuple(_largest_weight(forest, i) for i in range(len(axes)))
    judgment_x = extra_x + (46.0 if forest.judgments else 0.0)
    tail = 1 + forest.prediction + any(p.ghost is not None for p in forest.panels)
    return _Layout(
        label_x, label_width, plot, panel_x, column, weight, extra_x, judgment_x, judgment_x + 4.0,
        TARGET if interactive else ROW, len(forest.rows), axes, largest, tail,
        any(isinstance(p.pooled, str) or p.pooled.heterogeneity for p in forest.panels),
    )  # fmt: skip


def _column_name(forest: Forest) -> str:
    return f"{forest.measure} [{forest.level:.0%} CI]"


def _largest_weight(forest: Forest, panel: int) -> float:
    effects = (row.effects[panel] for row in _trial_rows(forest))
    weights = [e.weight for e in effects if isinstance(e, ForestEffect)]
    return max((w for w in weights if math.isfinite(w)), default=0.0)


def _numbers(estimate: float, lower: float, upper: float) -> str:
    return f"{number(estimate)} {interval(lower, upper)}"


def _header(forest: Forest, layout: _Layout) -> str:
    baseline = _HEAD - 8.0
    out = [label(layout.label_x, baseline, forest.row_header, cls="bold")]
    for i, panel in enumerate(forest.panels):
        x = layout.panel_x[i]
        out.append(group(
            mark(panel.tone, x + 6.0, 11.5, 11.0), label(x + 18.0, 16, panel.name, cls="bold tone"),
            cls=f"tone-{panel.tone}",
        ))  # fmt: skip
        out.append(label(layout.text_x(i), baseline, _column_name(forest), anchor="end",
                         cls="bold"))  # fmt: skip
        if forest.weights:
            out.append(label(layout.weight_x(i), baseline, "Weight", anchor="end", cls="bold"))
    if forest.extra_header:
        out.append(label(layout.extra_x, baseline, forest.extra_header, anchor="end", cls="bold"))
    if forest.judgments:
        out.append(label(layout.judgment_x, baseline, "RoB", anchor="end", cls="bold"))
    return "".join(out) + line(0, _HEAD - 1.0, layout.width, _HEAD - 1.0, cls="rule")


def _stripes(forest: Forest, layout: _Layout) -> str:
    return "".join(
        box(0, _HEAD + i * layout.row, layout.width, layout.row, cls="stripe")
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
        crosses = "crosses" if effect.ci_lb <= 0 <= effect.ci_ub else "does not cross"
        name = f"{panel.name} {forest.measure} {number(effect.estimate)}"
        parts.append(f"{name}, {forest.level:.0%} CI {limits}, {crosses} zero")
    if row.judgment:
        parts.append(f"risk of bias {row.judgment.replace('_', ' ')}")
    if row.left_out:
        parts.append("left out of the pools")
    return "; ".join(parts)


def _line(forest: Forest, row: ForestLine, layout: _Layout, position: int) -> str:
    if isinstance(row, ForestRow):
        return _row(forest, row, layout, position)
    if isinstance(row, ForestSubtotal):
        return _subtotal(forest, row, layout, position)
    return label(layout.label_x, layout.middle(position), row.label, cls="bold")


def _subtotal(forest: Forest, row: ForestSubtotal, layout: _Layout, position: int) -> str:
    baseline = layout.middle(position)
    out = [label(layout.label_x, baseline, truncate(row.label, layout.label_width - 12.0),
                 name=row.label)]  # fmt: skip
    for i, pooled in enumerate(row.pooled):
        if isinstance(pooled, str):
            out.append(label(layout.text_x(i), baseline, pooled, anchor="end", cls="muted"))
            continue
        out.append(_diamond(forest.panels[i], pooled, layout.axes[i], baseline - 4.5, 5.5))
        text = _numbers(pooled.estimate, pooled.ci_lb, pooled.ci_ub)
        out.append(label(layout.text_x(i), baseline, text, anchor="end"))
    if row.extra:
        out.append(label(layout.extra_x, baseline, row.extra, anchor="end"))
    return group(*out, cls="subtotal")


def _controls(row: ForestRow, layout: _Layout, position: int, spoken: str) -> str:
    """Where trials can be left out: the control and the name as links."""
    top, baseline = _HEAD + position * layout.row, layout.middle(position)
    shown = truncate(row.label, layout.label_width - 12.0)
    name, out = label(layout.label_x, baseline, shown), ""
    if row.toggle:
        sign, verb = ("\u21ba", "Take back") if row.left_out else ("\u00d7", "Leave out")
        out += link(
            row.toggle, box(0, top, TARGET, TARGET, cls="target"),
            label(TARGET / 2.0, baseline, sign, anchor="middle"), cls="toggle",
            name=f"{verb}: {row.label}",
        )  # fmt: skip
    if not row.href:
        return out + name
    area = box(layout.label_x - 2.0, top, layout.label_width - 12.0, TARGET, cls="target")
    return out + link(row.href, area, name, cls="open", name=spoken)


def _judgment(row: ForestRow, layout: _Layout, baseline: float) -> str:
    if row.judgment not in _SIGNS:
        return ""
    x, y = layout.judgment_x - 9.0, baseline - 4.5
    shape = element("circle", cls="open", cx=x, cy=y, r=8.0)
    if row.judgment == "high":
        shape = box(x - 7.5, y - 7.5, 15.0, 15.0, cls="fill")
    text = label(x, baseline, _SIGNS[row.judgment], anchor="middle",
                 cls="bold on-fill" if row.judgment == "high" else "bold")  # fmt: skip
    words = f"risk of bias {row.judgment.replace('_', ' ')}"
    return group(shape, text, cls="tone-ink", name=words)


def _row(forest: Forest, row: ForestRow, layout: _Layout, position: int) -> str:
    baseline, spoken = layout.middle(position), _spoken(forest, row)
    if row.href or row.toggle:
        out = [_controls(row, layout, position, spoken)]
    else:
        out = [label(layout.label_x, baseline, truncate(row.label, layout.label_width - 12.0))]
    for i, effect in enumerate(row.effects):
        if isinstance(effect, str):
            out.append(label(layout.text_x(i), baseline, effect, anchor="end", cls="muted"))
        else:
            out.append(_effect(forest, effect, layout, i, baseline, hollow=row.left_out))
    if row.extra:
        out.append(label(layout.extra_x, baseline, row.extra, anchor="end"))
    if forest.judgments:
        out.append(_judgment(row, layout, baseline))
    cls = "row left-out" if row.left_out else "row"
    return group(*out, cls=cls, name=spoken, data_key=row.key or None)


def _effect(
    forest: Forest, effect: ForestEffect, layout: _Layout, i: int, baseline: float, *, hollow: bool
) -> str:
    axis, y = layout.axes[i], baseline - 4.5
    tone = forest.panels[i].tone
    share = effect.weight if math.isfinite(effect.weight) else 0.0
    largest = layout.largest[i]
    size = 4.5 + 9.0 * math.sqrt(share / largest) if largest > 0 else 8.0
    side = axis.beyond(effect.estimate)
    end = axis.stop if side > 0 else axis.start
    if side:
        point = arrow(end, y, (side, 0), 9.0)
    elif hollow:
        point = element("circle", cls="open", cx=axis.at(effect.estimate), cy=y, r=4.0)
    else:
        point = mark(tone, axis.at(effect.estimate), y, size)
    drawn = group(span(axis, effect.ci_lb, effect.ci_ub, y), point, cls=f"tone-{tone}")
    text = _numbers(effect.estimate, effect.ci_lb, effect.ci_ub)
    numbers = label(layout.text_x(i), baseline, text, anchor="end")
    if not forest.weights:
        return drawn + numbers
    weight = label(layout.weight_x(i), baseline, _weight(effect.weight), anchor="end", cls="muted")
    return drawn + numbers + weight


def _weight(value: float) -> str:
    return f"{value:.1f}%" if math.isfinite(value) else ""


def _pooled_rows(forest: Forest, layout: _Layout) -> str:
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
        out.append(_diamond(panel, pooled, axis, mean - 4.5))
        out.append(label(layout.text_x(i), mean,
                         _numbers(pooled.estimate, pooled.ci_lb, pooled.ci_ub), anchor="end",
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


def _ghost(
    panel: ForestPanel, ghost: ForestPooled, layout: _Layout, i: int, baseline: float
) -> str:
    drawn = _diamond(panel, ghost, layout.axes[i], baseline - 4.5, cls="open")
    text = _numbers(ghost.estimate, ghost.ci_lb, ghost.ci_ub)
    return drawn + label(layout.text_x(i), baseline, text, anchor="end", cls="muted")


def _diamond(
    panel: ForestPanel, pooled: ForestPooled, axis: Axis, y: float, half: float = 7.0,
    *, cls: str = "fill",
) -> str:  # fmt: skip
    shape = diamond(
        axis.at(pooled.ci_lb), axis.at(pooled.estimate), axis.at(pooled.ci_ub), y, half, cls
    )
    for value, side in ((pooled.ci_lb, -1), (pooled.ci_ub, 1)):
        if axis.beyond(value):
            shape += arrow(axis.stop if side > 0 else axis.start, y, (side, 0), 9.0)
    words = (f"{panel.name}, pooled: {number(pooled.estimate)}, CI "
             f"{interval_words(pooled.ci_lb, pooled.ci_ub)}")  # fmt: skip
    return group(shape, cls=f"tone-{panel.tone}", name=words)


def _axis(forest: Forest, layout: _Layout, i: int) -> str:
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
    room = layout.weight_x(i) - axis.start
    out.append(label(axis.start, y + 76.0, truncate(below, room), cls="muted", name=below))
    return "".join(out)
