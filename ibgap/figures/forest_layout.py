"""Where everything of a forest stands: columns and rows in px, axes, what is interactive."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ibgap.figures.axis import Axis, covering_range
from ibgap.figures.model import (
    Forest,
    ForestEffect,
    ForestHeading,
    ForestPanel,
    ForestPooled,
    ForestRow,
    ForestSubtotal,
)
from ibgap.figures.text import interval, number, text_width

ROW, TARGET = 20.0, 24.0
"""Height of a row in px, and of one that holds controls."""
HEAD = 46.0
_PLOT = 172.0
_GUTTER = 14.0
_BETWEEN = 22.0
_WEIGHT = 62.0
_LABEL_LIMIT = 232.0
_COMPACT_PLOT, _COMPACT_LABEL = 92.0, 108.0


@dataclass(frozen=True)
class Layout:
    """Columns and rows in px. panel_x: left end of every plot; text_x, weight_x: right ends of
    its text columns. tail: rows below the trials (mean, prediction, primary result)."""

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
        return HEAD + max(self.rows, 1) * self.row

    @property
    def axis_y(self) -> float:
        return self.bottom + self.tail * ROW + 10.0

    def middle(self, row: int) -> float:
        """Baseline of the text of a row."""
        return HEAD + row * self.row + self.row / 2.0 + 4.5

    @property
    def height(self) -> float:
        return self.axis_y + (88.0 if self.has_notes else 66.0)

    def text_x(self, panel: int) -> float:
        return self.panel_x[panel] + self.plot + _GUTTER + self.text_width

    def weight_x(self, panel: int) -> float:
        return self.text_x(panel) + self.weight_width


def is_interactive(forest: Forest) -> bool:
    return any(isinstance(r, ForestRow) and (r.href or r.toggle) for r in forest.rows)


def trial_rows(forest: Forest) -> Iterator[ForestRow]:
    return (row for row in forest.rows if isinstance(row, ForestRow))


def _effects(forest: Forest) -> Iterator[ForestEffect]:
    for row in trial_rows(forest):
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


def make_layout(forest: Forest) -> Layout:
    interactive = is_interactive(forest)
    label_x = TARGET + 4.0 if any(r.toggle for r in trial_rows(forest)) else 0.0
    subtotals = [row for row in forest.rows if isinstance(row, ForestSubtotal)]
    labels = [row.label for row in trial_rows(forest)] + [row.label for row in subtotals]
    if forest.prediction:
        labels.append(f"{forest.level:.0%} prediction interval")
    labels += [forest.pooled_label, forest.row_header]
    plot = _COMPACT_PLOT if forest.compact else _PLOT
    limit = _COMPACT_LABEL if forest.compact else _LABEL_LIMIT
    label_width = min(limit, max(text_width(text) for text in labels)) + 14.0
    texts = [numbers(e.estimate, e.ci_lb, e.ci_ub) for e in _effects(forest)]
    texts += [numbers(p.estimate, p.ci_lb, p.ci_ub) for p in _means(forest)]
    if not forest.compact:
        texts += [one for row in subtotals for one in row.pooled if isinstance(one, str)]
    texts.append(column_name(forest))
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
    pooled = any(panel.pooled != "" for panel in forest.panels)
    tail = pooled * (1 + forest.prediction) + any(p.ghost is not None for p in forest.panels)
    return Layout(
        label_x, label_width, plot, panel_x, column, weight, extra_x, judgment_x, judgment_x + 4.0,
        TARGET if interactive else ROW, len(forest.rows), axes, largest, tail,
        any(_note(panel) for panel in forest.panels),
    )  # fmt: skip


def _note(panel: ForestPanel) -> str:
    """The line below a panel: its heterogeneity, or why nothing is pooled."""
    return panel.pooled if isinstance(panel.pooled, str) else panel.pooled.heterogeneity


def column_name(forest: Forest) -> str:
    return f"{forest.measure} [{forest.level:.0%} CI]"


def _largest_weight(forest: Forest, panel: int) -> float:
    effects = (row.effects[panel] for row in trial_rows(forest))
    weights = [e.weight for e in effects if isinstance(e, ForestEffect)]
    return max((w for w in weights if math.isfinite(w)), default=0.0)


def numbers(estimate: float, lower: float, upper: float) -> str:
    return f"{number(estimate)} {interval(lower, upper)}"
