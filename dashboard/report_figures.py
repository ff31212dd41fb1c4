"""Figures of a release with their values: from rows and trial effects to blocks."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from analysis.gap.estimands import DIFFERENCE, PRIMARY
from dashboard.blocks import Figure, Table, columns
from dashboard.forest_figure import tone_of
from dashboard.trial_effects import SynthesisEffects, TrialEffect, TrialPair
from dashboard.wording import ci_name, is_gap, is_indirect
from ibgap.figures import draw_action_bars, draw_gap_plot, draw_grid_ribbon
from ibgap.figures.model import (
    ActionBars,
    GapPlot,
    GapPoint,
    GridPoint,
    GridRibbon,
    Region,
    TrialLine,
)
from ibgap.figures.text import interval, number
from ibgap.releases.view import Row, capital, plural, words

_NAMED_POINTS = 4


def gap_figure(
    effects: SynthesisEffects,
    difference: Row | None,
    surrogacy: Row | None,
    figure_id: str,
    href: Callable[[str], str] = lambda trial: "",
) -> Figure:
    """Behavior against upstream effects of the trials with both outcomes."""
    paired = [pair for pair in effects.trials if pair.is_paired]
    up = words(effects.upstream)
    ok = difference is not None and is_gap(difference)
    confidence, prediction = _regions(effects, difference) if ok and difference else (None, None)
    above = sum(_value(p.behavior) > _value(p.upstream) for p in paired)
    summary = (
        f"{plural(len(paired), 'trial')} with both outcomes: {above} with the larger effect on "
        f"behavior, {len(paired) - above} with the larger (or equal) effect on {up}."
    )
    plot = GapPlot(
        f"Effects on behavior against effects on {up}", summary,
        f"Effect on {up} (g)", "Effect on behavior (g)", tone_of(effects.upstream),
        _points(paired, href), _means(difference) if ok and difference else None,
        confidence, prediction, _trial_line(paired, surrogacy), below=f"{up} raised more",
    )  # fmt: skip
    values = Table(
        "Trials with both outcomes",
        columns(
            f"Trial | {capital(up)} g | Behavior g | Difference | {ci_name(effects.view.level)}"
        ),
        tuple(
            (p.label, number(_value(p.upstream)), number(_value(p.behavior)),
             number(p.difference[0]), interval(*p.difference[1:]))
            for p in paired
        ),
        "No trial has both outcomes.",
    )  # fmt: skip
    guide = _gap_guide(plot, up, surrogacy)
    return Figure(draw_gap_plot, plot, figure_id, summary, (values,), guide)


def _gap_guide(plot: GapPlot, up: str, surrogacy: Row | None) -> tuple[str, ...]:
    """How to read the gap plot, and why a part of it is missing."""
    out = [
        "Each trial with both outcomes is a point. On the dashed diagonal an intervention moved "
        f"both outcomes alike; below it {up} moved more, above it behavior did."
    ]
    if plot.confidence is None:
        out.append("There is no pooled point: the gap is not estimable.")
    elif plot.prediction is None:
        out.append(
            "No region of a new setting is drawn: it needs at least 3 trials with both outcomes."
        )
    if plot.line is not None:
        out.append(
            "The solid line is the trial-level line of the joint model, not a regression through "
            "the points; the section on prediction gives its uncertainty."
        )
    elif surrogacy is not None:
        state = str(surrogacy["reason"]).rstrip(".") or words(surrogacy["status"])
        out.append(f"No trial-level line is drawn: {state}.")
    return tuple(out)


def _value(effect: TrialEffect | None) -> float:
    return math.nan if effect is None else effect.estimate


def _points(paired: list[TrialPair], href: Callable[[str], str]) -> tuple[GapPoint, ...]:
    """Points in order; the ones farthest from equal effects carry their names."""
    far = sorted(paired, key=lambda p: -abs(p.difference[0]))[:_NAMED_POINTS]
    out = []
    for p in paired:
        a, b = p.upstream, p.behavior
        if a is not None and b is not None:
            out.append(GapPoint(p.label, a.estimate, a.ci_lb, a.ci_ub, b.estimate, b.ci_lb,
                                b.ci_ub, named=p in far, href=href(p.trial_id)))  # fmt: skip
    return tuple(out)


def _means(row: Row) -> tuple[float, float] | None:
    means = (float(row["mu_upstream"]), float(row["mu_behavior"]))
    return means if all(map(math.isfinite, means)) else None


def _regions(effects: SynthesisEffects, row: Row) -> tuple[Region | None, Region | None]:
    """Confidence region of the means; prediction region when the between-trial covariance is
    estimated (at least 3 trials with both outcomes)."""
    joint, means = effects.joint, _means(row)
    if joint is None or means is None:
        return None, None
    v = joint.covariance(joint.chosen(PRIMARY, DIFFERENCE))
    first = _region(means, v, effects.view.level)
    if joint.fit.structure != "UN":
        return first, None
    return first, _region(means, joint.between + v, effects.view.level)


def _region(means: tuple[float, float], v: np.ndarray, level: float) -> Region | None:
    if not np.isfinite(v).all():
        return None
    return Region(*means, float(v[0, 0]), float(v[0, 1]), float(v[1, 1]), level)


def _trial_line(paired: list[TrialPair], surrogacy: Row | None) -> TrialLine | None:
    """The trial-level line over the range of the trials, only when its status is `ok`."""
    if surrogacy is None or surrogacy["status"] != "ok" or not paired:
        return None
    x = [_value(p.upstream) for p in paired]
    return TrialLine(surrogacy["intercept"], surrogacy["slope"], min(x), max(x))


def grid_figure(
    rows: list[Row], primary: float, level: float, figure_id: str, label: str = "primary value"
) -> Figure:
    """The difference over the assumed correlation. rows: sensitivity rows of the difference; label:
    of the correlation that the primary analysis assumes."""
    rows = [row for row in rows if not is_indirect(row)]
    points = tuple(
        GridPoint(float(r["value"]), r["estimate"], r["ci_lb"], r["ci_ub"],
                  abs(float(r["value"]) - primary) < 1e-9)
        for r in rows
    )  # fmt: skip
    found = [p.estimate for p in points if math.isfinite(p.estimate)]
    summary = "No difference could be estimated."
    if found:
        varied = [p.correlation for p in points]
        summary = (
            f"Over assumed correlations from {number(min(varied), 1)} to {number(max(varied), 1)} "
            f"the difference lies between {number(min(found))} and {number(max(found))} SD."
        )
    ribbon = GridRibbon(
        "Difference over the assumed within-arm correlation", summary, points, label
    )  # fmt: skip
    table = Table(
        "Difference by assumed correlation",
        columns(f"Correlation | Difference | {ci_name(level)}"),
        tuple((number(p.correlation, 1), number(p.estimate), interval(p.ci_lb, p.ci_ub))
              for p in points),
    )  # fmt: skip
    guide = (
        "The line joins the estimates, the ribbon their confidence intervals. Correlations known "
        "from data stay as they are; only assumed ones vary.",
    )
    return Figure(draw_grid_ribbon, ribbon, figure_id, summary, (table,), guide)


def action_figure(bars: ActionBars, values: Table, figure_id: str) -> Figure:
    return Figure(draw_action_bars, bars, figure_id, bars.description, (values,))
