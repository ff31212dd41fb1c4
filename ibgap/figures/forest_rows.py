"""The lines of a forest: trials, headings and subtotals of groups."""

from __future__ import annotations

import math

from analysis.synthesis.verdicts import holds
from ibgap.figures.axis import Axis
from ibgap.figures.forest_layout import HEAD, TARGET, Layout, numbers
from ibgap.figures.marks import arrow, diamond, mark, span
from ibgap.figures.model import (
    Forest,
    ForestEffect,
    ForestLine,
    ForestPanel,
    ForestPooled,
    ForestRow,
    ForestSubtotal,
)
from ibgap.figures.svg import box, element, group, label, link
from ibgap.figures.text import interval_words, number, truncate

_SIGNS = {"low": "+", "some_concerns": "?", "high": "\u2212", "no_information": "0"}


def forest_line(forest: Forest, row: ForestLine, layout: Layout, position: int) -> str:
    if isinstance(row, ForestRow):
        return _row(forest, row, layout, position)
    if isinstance(row, ForestSubtotal):
        return _subtotal(forest, row, layout, position)
    return label(layout.label_x, layout.middle(position), row.label, cls="bold")


def _row(forest: Forest, row: ForestRow, layout: Layout, position: int) -> str:
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
    # A link carries the name itself; a second copy would only weigh.
    return group(*out, cls=cls, name="" if row.href else spoken, data_key=row.key or None)


def _spoken(forest: Forest, row: ForestRow) -> str:
    """`Rossi 2016; intention g 0.63, 95% CI 0.33 to 0.94; behavior not reported`."""
    parts = [row.label]
    for panel, effect in zip(forest.panels, row.effects, strict=True):
        if isinstance(effect, str):
            parts.append(f"{panel.name} {effect}")
            continue
        limits = interval_words(effect.ci_lb, effect.ci_ub)
        name = f"{panel.name} {forest.measure} {number(effect.estimate)}"
        where = "crosses zero" if holds(effect.ci_lb, effect.ci_ub) else "does not cross zero"
        said = "narrow interval" if effect.narrow else where
        parts.append(f"{name}, {100 * forest.level:.4g}% CI {limits}, {said}")
    if row.judgment:
        parts.append(f"risk of bias {row.judgment.replace('_', ' ')}")
    if row.left_out:
        parts.append("left out of the pools")
    return "; ".join(parts)


def _controls(row: ForestRow, layout: Layout, position: int, spoken: str) -> str:
    """Where trials can be left out: the control and the name as links."""
    top, baseline = HEAD + position * layout.row, layout.middle(position)
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


def _effect(
    forest: Forest, effect: ForestEffect, layout: Layout, i: int, baseline: float, *, hollow: bool
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
    text = numbers(effect.estimate, effect.ci_lb, effect.ci_ub)
    shown = label(layout.text_x(i), baseline, text, anchor="end")
    if not forest.weights:
        return drawn + shown
    weight = label(layout.weight_x(i), baseline, _weight(effect.weight), anchor="end", cls="muted")
    return drawn + shown + weight


def _weight(value: float) -> str:
    return f"{value:.1f}%" if math.isfinite(value) else ""


def _judgment(row: ForestRow, layout: Layout, baseline: float) -> str:
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


def _subtotal(forest: Forest, row: ForestSubtotal, layout: Layout, position: int) -> str:
    baseline = layout.middle(position)
    out = [label(layout.label_x, baseline, truncate(row.label, layout.label_width - 12.0),
                 name=row.label)]  # fmt: skip
    for i, pooled in enumerate(row.pooled):
        if isinstance(pooled, str):
            out.append(label(layout.text_x(i), baseline, pooled, anchor="end", cls="muted"))
            continue
        out.append(pooled_diamond(forest.panels[i], pooled, layout.axes[i], baseline - 4.5, 5.5))
        text = numbers(pooled.estimate, pooled.ci_lb, pooled.ci_ub)
        out.append(label(layout.text_x(i), baseline, text, anchor="end"))
    if row.extra:
        out.append(label(layout.extra_x, baseline, row.extra, anchor="end"))
    return group(*out, cls="subtotal")


def pooled_diamond(
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
