"""Figures of a release with their values: from rows and trial effects to blocks."""

from __future__ import annotations

import math

import numpy as np
from markupsafe import Markup

from analysis.figures import (
    draw_action_bars,
    draw_forest,
    draw_gap_plot,
    draw_grid_ribbon,
)
from analysis.figures.model import (
    ActionBars,
    Forest,
    ForestEffect,
    ForestPanel,
    ForestPooled,
    ForestRow,
    GapPlot,
    GapPoint,
    GridPoint,
    GridRibbon,
    Region,
    Tone,
    TrialLine,
)
from analysis.figures.text import interval, interval_words, number
from dashboard.blocks import Figure, Table, columns
from dashboard.trial_effects import SynthesisEffects, TrialEffect, TrialPair
from dashboard.view import Row, capital, plural, words
from dashboard.wording import ci_name, heterogeneity_line, is_ok

_NAMED_POINTS = 4


def tone_of(construct: str) -> Tone:
    if construct == "intention":
        return "intention"
    return "behavior" if construct == "behavior" else "upstream"


def _panel(construct: str, pooled: Row | None) -> ForestPanel:
    name, tone = capital(words(construct)), tone_of(construct)
    if pooled is None:
        return ForestPanel(name, tone, "no trial has a usable effect")
    if pooled["status"] == "single_study":
        return ForestPanel(name, tone, "1 trial: not pooled")
    return ForestPanel(name, tone, ForestPooled(
        pooled["mu"], pooled["ci_lb"], pooled["ci_ub"], pooled["pi_lb"], pooled["pi_ub"],
        heterogeneity_line(pooled),
    ))  # fmt: skip


def _weights(effects: list[TrialEffect | None], pooled: Row | None) -> list[float]:
    """Shares in percent of the random-effects mean; nan when nothing is pooled."""
    if pooled is None or pooled["status"] == "single_study" or math.isnan(pooled["tau2"]):
        return [math.nan] * len(effects)
    raw = [1.0 / (e.variance + pooled["tau2"]) if e and e.variance > 0 else 0.0 for e in effects]
    total = sum(raw)
    return [100.0 * w / total if w else math.nan for w in raw]


def _forest_effect(effect: TrialEffect | None, weight: float) -> ForestEffect | str:
    if effect is None:
        return "not reported"
    if math.isnan(effect.estimate):
        return "withheld"
    return ForestEffect(effect.estimate, effect.ci_lb, effect.ci_ub, weight)


def forest_figure(
    effects: SynthesisEffects, pooled: dict[str, Row], difference: Row | None, name: str,
    figure_id: str, *, pooled_only: bool = False,
) -> Figure:  # fmt: skip
    """Side-by-side forest of the upstream construct and behavior of one synthesis.

    pooled: primary pooled rows by construct. pooled_only: leaves the trials out (too many).
    """
    constructs = (effects.upstream, "behavior")
    weights = [
        _weights([e.upstream for e in effects.trials], pooled.get(effects.upstream)),
        _weights([e.behavior for e in effects.trials], pooled.get("behavior")),
    ]
    rows = tuple(
        ForestRow(
            pair.label,
            (_forest_effect(pair.upstream, weights[0][i]),
             _forest_effect(pair.behavior, weights[1][i])),
            _numbers(pair.difference),
        )
        for i, pair in enumerate(effects.trials)
    )  # fmt: skip
    count = plural(len(rows), "trial")
    summary = _forest_summary(constructs, pooled, count)
    joint = difference is not None and is_ok(difference)
    forest = Forest(
        title=f"{name}: effects on {words(constructs[0])} and behavior of {count}",
        description=summary,
        panels=tuple(_panel(c, pooled.get(c)) for c in constructs),
        rows=() if pooled_only else rows,
        extra_header=f"Difference [{ci_name(effects.view.level)}]" if joint or rows else "",
        extra_pooled=_gap_numbers(difference) if joint and difference else "",
        level=effects.view.level,
        empty=f"{count}, grouped: pooled rows only" if pooled_only else "No trial has an effect",
    )
    values = () if pooled_only else (_forest_table(effects, weights),)
    return Figure(Markup(draw_forest(forest, figure_id)), summary, values, forest.title)


def _numbers(triple: tuple[float, float, float]) -> str:
    value, lower, upper = triple
    return "" if math.isnan(value) else f"{number(value)} {interval(lower, upper)}"


def _gap_numbers(row: Row) -> str:
    return f"{number(row['estimate'])} {interval(row['ci_lb'], row['ci_ub'])}"


def _forest_summary(constructs: tuple[str, str], pooled: dict[str, Row], count: str) -> str:
    parts = []
    for construct in constructs:
        row = pooled.get(construct)
        if row is None:
            parts.append(f"no effect on {words(construct)} to pool")
            continue
        state = "one trial, not pooled" if row["status"] == "single_study" else "pooled"
        parts.append(f"{words(construct)} {state} {number(row['mu'])} "
                     f"({interval_words(row['ci_lb'], row['ci_ub'])})")  # fmt: skip
    return f"{count}: {'; '.join(parts)}."


def _forest_table(effects: SynthesisEffects, weights: list[list[float]]) -> Table:
    ci = ci_name(effects.view.level)
    up = capital(words(effects.upstream))
    head = columns(f"Trial | {up} g | {ci} | Weight % | Behavior g | {ci} | Weight % | "
                   f"Difference | {ci}")  # fmt: skip
    rows = []
    for i, pair in enumerate(effects.trials):
        cells = [pair.label]
        for effect, weight in ((pair.upstream, weights[0][i]), (pair.behavior, weights[1][i])):
            cells += _effect_cells(effect, weight)
        value, lower, upper = pair.difference
        rows.append((*cells, number(value), interval(lower, upper)))
    return Table("Effects of the trials in the forest", head, tuple(rows), "No trial.")


def _effect_cells(effect: TrialEffect | None, weight: float) -> list[str]:
    shown = _forest_effect(effect, weight)
    if isinstance(shown, str):
        return [shown, number(math.nan), number(math.nan)]
    return [number(shown.estimate), interval(shown.ci_lb, shown.ci_ub), number(weight, 1)]


def gap_figure(
    effects: SynthesisEffects, difference: Row | None, surrogacy: Row | None, figure_id: str
) -> Figure:
    """Behavior against upstream effects of the trials with both outcomes."""
    paired = [pair for pair in effects.trials if pair.is_paired]
    up = words(effects.upstream)
    ok = difference is not None and is_ok(difference)
    confidence, prediction = _regions(effects, difference) if ok and difference else (None, None)
    above = sum(_value(p.behavior) > _value(p.upstream) for p in paired)
    summary = (
        f"{plural(len(paired), 'trial')} with both outcomes: {above} with the larger effect on "
        f"behavior, {len(paired) - above} with the larger (or equal) effect on {up}."
    )
    plot = GapPlot(
        f"Effects on behavior against effects on {up}", summary,
        f"Effect on {up} (g)", "Effect on behavior (g)", tone_of(effects.upstream),
        _points(paired), _means(difference) if ok and difference else None, confidence, prediction,
        _trial_line(paired, surrogacy), below=f"{up} raised more",
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
    svg = Markup(draw_gap_plot(plot, figure_id))
    return Figure(svg, summary, (values,), plot.title, _gap_guide(plot, up, surrogacy))


def _gap_guide(plot: GapPlot, up: str, surrogacy: Row | None) -> tuple[str, ...]:
    """How to read the gap plot, and why a part of it is missing."""
    out = [
        "Each trial with both outcomes is a point. On the dashed diagonal an intervention moved "
        f"both outcomes alike; below it {up} moved more, above it behavior did."
    ]
    if plot.confidence is None:
        out.append("There is no pooled point: the joint model is not estimable.")
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


def _points(paired: list[TrialPair]) -> tuple[GapPoint, ...]:
    """Points in order; the ones farthest from equal effects carry their names."""
    far = sorted(paired, key=lambda p: -abs(p.difference[0]))[:_NAMED_POINTS]
    out = []
    for p in paired:
        a, b = p.upstream, p.behavior
        if a is not None and b is not None:
            out.append(GapPoint(p.label, a.estimate, a.ci_lb, a.ci_ub, b.estimate, b.ci_lb,
                                b.ci_ub, named=p in far))  # fmt: skip
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
    v = joint.covariance("CR2" if joint.robust is not None else "model")
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


def grid_figure(rows: list[Row], primary: float, level: float, figure_id: str) -> Figure:
    """The difference over the assumed correlation. rows: sensitivity rows of the difference."""
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
    ribbon = GridRibbon("Difference over the assumed within-arm correlation", summary, points)
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
    svg = Markup(draw_grid_ribbon(ribbon, figure_id))
    return Figure(svg, summary, (table,), ribbon.title, guide)


def action_figure(bars: ActionBars, values: Table, figure_id: str) -> Figure:
    return Figure(
        Markup(draw_action_bars(bars, figure_id)), bars.description, (values,), bars.title
    )
