"""The forest of a release: trials side by side on both outcomes, sorted, grouped, left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from dashboard.blocks import Figure, Table, columns
from dashboard.trial_effects import SynthesisEffects, TrialEffect, TrialPair
from dashboard.wording import ci_name, heterogeneity_line, is_gap, is_narrow
from ibgap.figures import draw_forest
from ibgap.figures.model import (
    Forest,
    ForestEffect,
    ForestHeading,
    ForestLine,
    ForestPanel,
    ForestPooled,
    ForestRow,
    ForestSubtotal,
    Tone,
)
from ibgap.figures.text import interval, interval_words, number
from ibgap.releases.view import Row, capital, plural, words

_MOST_VALUES = 60
"""Above it the values are in the tables of the release only: they would outweigh the figure."""
_JUDGMENTS = ("low", "some_concerns", "high", "no_information")


def tone_of(construct: str) -> Tone:
    if construct == "intention":
        return "intention"
    return "behavior" if construct == "behavior" else "upstream"


def panel_of(construct: str, pooled: Row | None, ghost: Row | None = None) -> ForestPanel:
    name, tone = capital(words(construct)), tone_of(construct)
    hollow = None if ghost is None else _forest_pooled(ghost)
    if pooled is None:
        return ForestPanel(name, tone, "no trial has a usable effect", hollow)
    if pooled["status"] == "single_study":
        return ForestPanel(name, tone, "1 trial: not pooled", hollow)
    return ForestPanel(name, tone, _forest_pooled(pooled), hollow)


def _forest_pooled(row: Row) -> ForestPooled:
    return ForestPooled(
        row["mu"], row["ci_lb"], row["ci_ub"], row["pi_lb"], row["pi_ub"], heterogeneity_line(row)
    )


def _weights(effects: list[TrialEffect | None], pooled: Row | None) -> list[float]:
    """Shares in percent of the random-effects mean; nan when nothing is pooled."""
    if pooled is None or pooled["status"] == "single_study" or math.isnan(pooled["tau2"]):
        return [math.nan] * len(effects)
    raw = [1.0 / (e.variance + pooled["tau2"]) if e and e.variance > 0 else 0.0 for e in effects]
    total = sum(raw)
    return [100.0 * w / total if w else math.nan for w in raw]


def _forest_effect(
    effect: TrialEffect | None, weight: float, absent: str = "not reported"
) -> ForestEffect | str:
    """absent: what is said where the trial has no effect."""
    if effect is None:
        return absent
    if math.isnan(effect.estimate):
        return "withheld"
    return ForestEffect(effect.estimate, effect.ci_lb, effect.ci_ub, weight)


@dataclass(frozen=True)
class ForestOptions:
    """How a forest is laid out, and what its rows lead to.

    pooled_only: leaves the trials out (too many). sort: one of `query.SORTS`. groups: label of
    the group of each trial; subtotals: pooled rows by group and construct. ghost: primary pooled
    rows by construct, under ghost_label. left_out: trials drawn hollow below the others. href,
    toggle: addresses of a trial's page and of the state with it left out or taken back. narrow: the
    one construct to show on a narrow screen.
    """

    pooled_only: bool = False
    sort: str = "upstream"
    columns: tuple[str, ...] = ("weight", "difference", "prediction")
    groups: Mapping[str, str] = field(default_factory=dict)
    subtotals: Mapping[str, Mapping[str, Row]] = field(default_factory=dict)
    ghost: Mapping[str, Row] = field(default_factory=dict)
    left_out: tuple[TrialPair, ...] = ()
    judgments: Mapping[str, str] = field(default_factory=dict)
    years: Mapping[str, float] = field(default_factory=dict)
    narrow: str = ""
    ghost_label: str = "Primary analysis"
    href: Callable[[str], str] = lambda trial: ""
    toggle: Callable[[str], str] = lambda trial: ""


def forest_figure(
    effects: SynthesisEffects, pooled: dict[str, Row], difference: Row | None, name: str,
    figure_id: str, options: ForestOptions | None = None,
) -> Figure:  # fmt: skip
    """Side-by-side forest of the upstream construct and behavior of one synthesis.

    pooled: primary pooled rows by construct.
    """
    chosen = options or ForestOptions()
    constructs = (effects.upstream, "behavior")
    trials = tuple(sorted(effects.trials, key=lambda p: _sort_key(p, chosen)))
    weights = [
        _weights([e.upstream for e in trials], pooled.get(effects.upstream)),
        _weights([e.behavior for e in trials], pooled.get("behavior")),
    ]
    shown = {p.trial_id: (w1, w2) for p, w1, w2 in zip(trials, *weights, strict=True)}
    count = plural(len(trials), "trial")
    summary = _forest_summary(constructs, pooled, count)
    joint = difference is not None and is_gap(difference)
    with_difference = "difference" in chosen.columns and (joint or bool(trials))
    forest = Forest(
        title=f"{name}: effects on {words(constructs[0])} and behavior of {count}",
        description=summary,
        panels=tuple(panel_of(c, pooled.get(c), chosen.ghost.get(c)) for c in constructs),
        rows=() if chosen.pooled_only else _forest_rows(effects, trials, shown, chosen),
        extra_header=f"Difference [{ci_name(effects.view.level)}]" if with_difference else "",
        extra_pooled=_gap_numbers(difference) if joint and difference and with_difference else "",
        level=effects.view.level,
        ghost_label=chosen.ghost_label,
        empty=f"{count}, grouped: pooled rows only" if chosen.pooled_only
        else "No trial has an effect",
        weights="weight" in chosen.columns,
        prediction="prediction" in chosen.columns,
        judgments="rob" in chosen.columns
        and any(j in _JUDGMENTS for j in chosen.judgments.values()),
    )  # fmt: skip
    shown = not chosen.pooled_only and len(trials) <= _MOST_VALUES
    values = (_forest_table(effects, trials, weights),) if shown else ()
    if chosen.narrow in constructs:
        forest, values = _narrowed(forest, constructs.index(chosen.narrow)), ()
    return Figure(draw_forest, forest, figure_id, summary, values)


def _narrowed(forest: Forest, panel: int) -> Forest:
    """The forest with one of its panels, for a narrow screen."""
    rows: list[ForestLine] = []
    for row in forest.rows:
        if isinstance(row, ForestRow):
            row = replace(row, effects=(row.effects[panel],), extra="", judgment="", toggle="")
        elif isinstance(row, ForestSubtotal):
            row = replace(row, pooled=(row.pooled[panel],), extra="")
        rows.append(row)
    return replace(
        forest, panels=(forest.panels[panel],), rows=tuple(rows), extra_header="", extra_pooled="",
        weights=False, judgments=False, prediction=False, compact=True,
    )  # fmt: skip


def _sort_key(pair: TrialPair, options: ForestOptions) -> tuple[object, ...]:
    """Trials without what is sorted by come last."""
    label = pair.label.casefold()
    if options.sort == "label":
        return (0, label)
    if options.sort == "year":
        year = options.years.get(pair.trial_id, math.nan)
        return (math.isnan(year), 0.0 if math.isnan(year) else year, label)
    if options.sort == "difference":
        value = pair.difference[0]
    elif options.sort == "weight":
        known = [e.variance for e in (pair.upstream, pair.behavior) if e is not None]
        value = -min((v for v in known if math.isfinite(v)), default=math.nan)
    else:
        first = (pair.upstream, pair.behavior)
        for rank, effect in enumerate(first if options.sort == "upstream" else first[::-1]):
            if effect is not None and math.isfinite(effect.estimate):
                return (rank, -effect.estimate, label)
        value = math.nan
    return (9 if math.isnan(value) else 0, 0.0 if math.isnan(value) else -value, label)


def _forest_rows(
    effects: SynthesisEffects, trials: tuple[TrialPair, ...],
    weights: Mapping[str, tuple[float, float]], options: ForestOptions,
) -> tuple[ForestLine, ...]:  # fmt: skip
    rows: list[ForestLine] = []
    constructs = (effects.upstream, "behavior")
    if not options.groups:
        rows += [_forest_row(effects, p, weights[p.trial_id], options) for p in trials]
    else:
        names = sorted(set(options.groups.values()), key=lambda n: (n == "", n.casefold()))
        for name in names:
            own = [p for p in trials if options.groups.get(p.trial_id, "") == name]
            if not own:
                continue
            rows.append(ForestHeading(words(name) or "not given"))
            rows += [_forest_row(effects, p, weights[p.trial_id], options) for p in own]
            known = options.subtotals.get(name, {})
            pooled = tuple(subtotal_of(known.get(c)) for c in constructs)
            said = with_narrow(f"  {plural(len(own), 'trial')}", [known.get(c) for c in constructs])
            rows.append(ForestSubtotal(said, pooled))
    if options.left_out:
        rows.append(ForestHeading("Left out by hand"))
        nothing = (math.nan, math.nan)
        rows += [_forest_row(effects, p, nothing, options, left_out=True) for p in options.left_out]
    return tuple(rows)


def with_narrow(name: str, rows: list[Row | None]) -> str:
    """The name of a pooled line, with the outcomes whose pooled interval is narrow."""
    found = [words(row["construct"]) for row in rows if row is not None and is_narrow(row)]
    return f"{name} (narrow interval: {', '.join(found)})" if found else name


def _forest_row(
    effects: SynthesisEffects, pair: TrialPair, weights: tuple[float, float],
    options: ForestOptions, left_out: bool = False,
) -> ForestRow:  # fmt: skip
    absent = effects.absent(pair.trial_id)
    judgment = options.judgments.get(pair.trial_id, "")
    return ForestRow(
        pair.label,
        (_forest_effect(pair.upstream, weights[0], absent[0]),
         _forest_effect(pair.behavior, weights[1], absent[1])),
        _numbers(pair.difference) if "difference" in options.columns else "",
        judgment if judgment in _JUDGMENTS else "",  # type: ignore[arg-type]
        pair.trial_id, options.href(pair.trial_id), options.toggle(pair.trial_id), left_out,
    )  # fmt: skip


def subtotal_of(row: Row | None) -> ForestPooled | str:
    if row is None:
        return "no effect"
    if row["k_trials"] < 3:
        return f"{plural(row['k_trials'], 'trial')}, not pooled"
    return _forest_pooled(row)


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
                     f"({interval_words(row['ci_lb'], row['ci_ub'])}"
                     f"{', narrow' if is_narrow(row) else ''})")  # fmt: skip
    return f"{count}: {'; '.join(parts)}."


def _forest_table(
    effects: SynthesisEffects, trials: tuple[TrialPair, ...], weights: list[list[float]]
) -> Table:
    ci = ci_name(effects.view.level)
    up = capital(words(effects.upstream))
    head = columns(f"Trial | {up} g | {ci} | Weight % | Behavior g | {ci} | Weight % | "
                   f"Difference | {ci}")  # fmt: skip
    rows = []
    for i, pair in enumerate(trials):
        cells = [pair.label]
        own = (pair.upstream, pair.behavior)
        for side, absent in enumerate(effects.absent(pair.trial_id)):
            cells += _effect_cells(own[side], weights[side][i], absent)
        value, lower, upper = pair.difference
        rows.append((*cells, number(value), interval(lower, upper)))
    return Table("Effects of the trials in the forest", head, tuple(rows), "No trial.")


def _effect_cells(effect: TrialEffect | None, weight: float, absent: str) -> list[str]:
    shown = _forest_effect(effect, weight, absent)
    if isinstance(shown, str):
        return [shown, number(math.nan), number(math.nan)]
    return [number(shown.estimate), interval(shown.ci_lb, shown.ci_ub), number(weight, 1)]
