"""Effects by level of moderators, as rows of `moderator_effects`."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analysis.arrays import Floats
from analysis.dependent.composites import OUTSIDE_ITS_EFFECTS, Composites
from analysis.distributions import critical_value
from analysis.errors import EstimationError
from analysis.gap.estimands import INDIRECT
from analysis.gap.moderation import ModeratedEffect, ModeratedGap, fit_moderated_gap
from analysis.synthesis.group import Group
from analysis.synthesis.moderators import Moderator, gap_moderators, moderators_of
from analysis.synthesis.outcome import Outcome
from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import Record, Stack, having, with_both
from analysis.synthesis.verdicts import gap_verdict, narrow_note, pooled_verdict
from analysis.univariate.designs import make_design
from analysis.univariate.meta_regression import fit_meta_regression
from analysis.univariate.pooling import PooledEffect
from analysis.univariate.subgroups import fit_subgroups


def moderator_effects(group: Group) -> list[Record]:
    """Effects by level of each categorical moderator and slopes on each numeric one, per construct.

    Besides the declared ones, the topic and who measured the outcome are compared. Constructs
    with fewer than 3 trials are left out. Rows of the construct `difference` are about the gap.
    """
    rows: list[Record] = []
    declared = group.inputs.moderators
    for outcome in map(group.outcome, group.pair):
        if outcome and len(outcome.stack.trials) >= 3:
            for one in moderators_of(outcome.stack, declared):
                rows += compare_levels(outcome, group.synthesis, one, group.settings)
    for one in gap_moderators(group.stack, declared):
        rows += compare_gap(group, one)
    return rows


GAP = "difference"
"""Construct of the rows about the gap itself: upstream less behavior effect."""


def compare_gap(group: Group, moderator: Moderator) -> list[Record]:
    """The gap by level of one moderator, or its slope on it, from the joint meta-regression of both
    outcomes with CR2; none when there are too few trials. Levels with fewer than 2 trials on one of
    the outcomes are left out, since a robust variance cannot rest on one trial, and trials whose
    value of a numeric moderator is no number; `left_out` counts them."""
    upstream, numeric = group.upstream, moderator.kind == "number"
    part = group.stack.select(having("construct", *group.pair))
    kept = _usable_values(part, upstream, moderator, numeric)
    given = [moderator.values.get(str(t["trial_id"]), "") for t in part.trials]
    left_out = _left_out(given, numeric, kept)
    part = part.select(lambda r: moderator.values.get(str(r["trial_id"]), "") in kept)
    values = [moderator.values[str(i)] for i in part.values("trial_id")]
    if len(set(values)) < 2:
        return []
    column = [as_number(v) for v in values] if numeric else values
    design = make_design({moderator.name: column}, [moderator.name])
    levels = {v: design.matrix[values.index(v)] for v in sorted(kept)}
    try:
        fit = fit_moderated_gap(
            np.array(part.values("yi"), dtype=float), part.covariances, part.values("trial_id"),
            part.values("construct"), design, upstream=upstream, level=group.settings.level,
            at={SLOPE: SLOPE_ROW} if numeric else levels,
        )  # fmt: skip
    except EstimationError:
        return []
    trials = [str(t) for t in part.values("trial_id")]
    own = {
        one.name: [i for i, v in enumerate(values) if numeric or v == one.name]
        for one in fit.effects
    }
    pairs = {name: _pairs(part, upstream, {trials[i] for i in rows}) for name, rows in own.items()}
    # A level without a trial that has both outcomes compares different trials, and so does the
    # test that takes it in.
    test = fit.gap_test if all(pairs.values()) else None
    return [
        _identity(moderator, group.synthesis, GAP) | {
            "level_value": one.name,
            "k_trials": len({trials[i] for i in own[one.name]}),
            "tau2": math.nan,
            "f": test.statistic if test else math.nan,
            "df_num": test.df_num if test else math.nan,
            "df_denom": test.df_denom if test else math.nan,
            "pvalue": test.pvalue if test else math.nan,
        }
        | left_out
        | _moderated(one, fit, SLOPE_ROW if numeric else levels[one.name], pairs[one.name])
        for one in fit.effects
    ]  # fmt: skip


SLOPE_ROW = np.array([0.0, 1.0])


def _pairs(part: Stack, upstream: str, trials: set[str]) -> int:
    """How many of the trials have both outcomes."""
    return sum(str(one["trial_id"]) in trials for one in with_both(part, upstream).trials)


def _moderated(one: ModeratedEffect, fit: ModeratedGap, row: Floats, pairs: int) -> Record:
    """The gap at one level or its slope: the primary interval, never narrower than the one of the
    model at the fitted variances. row: of the design; pairs: trials with both outcomes."""
    contrast, df, level = np.concatenate([row, -row]), float(one.df[2]), fit.level
    model = float(contrast @ fit.fit.vb @ contrast)
    value, se = float(one.estimate[2]), math.sqrt(max(model, float(one.se[2]) ** 2))
    half = critical_value(level, df) * se
    found: Record = {
        "mu": value, "se": se, "ci_lb": value - half, "ci_ub": value + half, "notes": "",
        "status": "ok" if pairs else INDIRECT,
        "reason": "" if pairs else "none of these trials has both outcomes",
    }  # fmt: skip
    about: Record = {"estimand": "difference", "k_paired": pairs, "df": df}
    return found | gap_verdict(found | about).columns()


def _identity(moderator: Moderator, synthesis: str, construct: str) -> Record:
    return {
        "synthesis": synthesis,
        "construct": construct,
        "moderator": moderator.name,
        "barrier_dimension": moderator.barrier_dimension,
        "framework_layer": moderator.framework_layer,
    }


def _left_out(given: list[str], numeric: bool, kept: set[str] | None = None) -> Record:
    """How many trials a comparison leaves out, and why, in words.

    given: value of each trial, empty where it has none. kept: values that are compared (all that
    can be, when None).
    """
    silent = sum(not value for value in given)
    spelled = [value for value in given if value]
    text = sum(not math.isfinite(as_number(value)) for value in spelled) if numeric else 0
    alone = 0 if numeric or kept is None else sum(value not in kept for value in spelled)
    counts = (
        (text, "with text in place of a number"),
        (silent, "without a value"),
        (alone, "at a level with fewer than 2 trials on one of the outcomes"),
    )
    words = "; ".join(f"{n} {'trial' if n == 1 else 'trials'} {why}" for n, why in counts if n)
    return {"k_left_out": text + silent + alone, "left_out": words}


def _noted(row: Record, outside: NDArray[np.bool_]) -> Record:
    """The row, with its note where a composite lies outside its effects."""
    notes = (row.get("notes", ""), OUTSIDE_ITS_EFFECTS if outside.any() else "")
    return row | {"notes": "; ".join(note for note in notes if note)}


def _usable_values(part: Stack, upstream: str, moderator: Moderator, numeric: bool) -> set[str]:
    """Values of a moderator that can be compared between outcomes."""
    trials: dict[tuple[str, str], set[str]] = {}
    for trial in part.trials:
        value = moderator.values.get(str(trial["trial_id"]), "")
        for construct in set(trial.values("construct")):
            trials.setdefault((value, construct), set()).add(str(trial["trial_id"]))
    values = {value for value, _ in trials} - {""}
    if numeric:
        return {v for v in values if math.isfinite(as_number(v))}
    return {
        v for v in values
        if all(len(trials.get((v, c), ())) > 1 for c in (upstream, "behavior"))
    }  # fmt: skip


def compare_levels(
    outcome: Outcome, synthesis: str, moderator: Moderator, settings: AnalysisSettings
) -> list[Record]:
    """Rows of one moderator for the effects on one construct; none when there is nothing to
    compare."""
    levels = [moderator.values.get(str(t["trial_id"]), "") for t in outcome.stack.trials]
    identity = _identity(moderator, synthesis, outcome.construct)
    compare = _slope if moderator.kind == "number" else _levels
    return compare(outcome.composites, levels, identity, settings)


def _levels(
    composites: Composites,
    levels: list[str],
    identity: Record,
    settings: AnalysisSettings,
) -> list[Record]:
    known = [i for i, level in enumerate(levels) if level]
    named = [levels[i] for i in known]
    if len(set(named)) < 2 or len(named) < 3:
        return []
    left_out = _left_out(levels, numeric=False)
    try:
        test = fit_subgroups(
            composites.yi[known],
            composites.vi[known],
            named,
            method=settings.tau2_method,
            ci_method=settings.ci_method,
            level=settings.level,
        )
    except EstimationError as error:
        about: Record = {"level_value": "", "k_trials": len(known)} | left_out
        return [_none(identity | about, str(error))]
    own = {level: [i for i in known if levels[i] == level] for level in test.levels}
    return [
        identity
        | _noted(_judged(fit, composites.vi[own[level]]), composites.outside[own[level]])
        | {
            "level_value": level,
            "k_trials": fit.k,
            "mu": fit.mu,
            "se": fit.se,
            "ci_lb": fit.ci_lb,
            "ci_ub": fit.ci_ub,
            "tau2": fit.tau2,
            "f": test.f,
            "df_num": test.df_num,
            "df_denom": test.df_denom,
            "pvalue": test.pvalue,
            "status": fit.status,
            "reason": test.reason,
        }
        | left_out
        for level, fit in zip(test.levels, test.pooled, strict=True)
    ]


def _judged(fit: PooledEffect, vi: Floats) -> Record:
    """Notes of the pooled effect of one level and what may be said of it."""
    notes = (*fit.notes, *narrow_note(fit.ci_lb, fit.ci_ub, vi, fit.level))
    row: Record = {
        "status": fit.status, "df": fit.df, "ci_method": fit.ci_method, "ci_lb": fit.ci_lb,
        "ci_ub": fit.ci_ub, "notes": "; ".join(notes),
    }  # fmt: skip
    return {"notes": row["notes"]} | pooled_verdict(row).columns()


SLOPE = "slope per unit"


def as_number(text: str) -> float:
    """The number a text spells, nan when it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _slope(
    composites: Composites,
    levels: list[str],
    identity: Record,
    settings: AnalysisSettings,
) -> list[Record]:
    """One row with the slope of the effect on a numeric moderator (meta-regression). Where texts in
    place of numbers leave too few trials, the row says so."""
    numbers = np.array([as_number(text) for text in levels])
    known = np.isfinite(numbers)
    left_out = _left_out(levels, numeric=True)
    identity = identity | {"level_value": SLOPE, "k_trials": int(known.sum())} | left_out
    if known.sum() < 3 or np.ptp(numbers[known]) == 0:
        texts = sum(1 for text in levels if text) - int(known.sum())
        return [_none(identity, _TOO_FEW)] if texts else []
    try:
        fit = fit_meta_regression(
            composites.yi[known],
            composites.vi[known],
            np.column_stack([np.ones(int(known.sum())), numbers[known]]),
            method=settings.tau2_method,
            ci_method=settings.ci_method,
            level=settings.level,
        )
    except EstimationError as error:
        return [_none(identity, str(error))]
    found = fit.coefficients
    row: Record = {
        "status": "ok", "df": float(found.df[1]), "ci_method": settings.ci_method,
        "ci_lb": float(found.ci_lb[1]), "ci_ub": float(found.ci_ub[1]),
    }  # fmt: skip
    return [
        _noted(identity | {"notes": "; ".join(fit.notes)}, composites.outside[known])
        | pooled_verdict(row).columns()
        | {
            "mu": float(found.estimate[1]),
            "se": float(found.se[1]),
            "ci_lb": float(found.ci_lb[1]),
            "ci_ub": float(found.ci_ub[1]),
            "tau2": fit.tau2,
            "f": fit.qm,
            "df_num": 1,
            "df_denom": fit.qm_df_denom,
            "pvalue": fit.qm_pvalue,
            "status": "ok",
            "reason": "",
        }
    ]


_NUMBERS_OF_A_ROW = ("mu", "se", "ci_lb", "ci_ub", "tau2", "f", "df_num", "df_denom", "pvalue")


_TOO_FEW = "fewer than 3 trials with different numbers of this moderator"


def _none(identity: Record, reason: str) -> Record:
    """The row of a comparison that cannot be made."""
    return identity | dict.fromkeys(_NUMBERS_OF_A_ROW, math.nan) | {
        "status": "not_estimable", "reason": reason, "notes": "", "verdict": "none",
        "verdict_reason": reason,
    }  # fmt: skip
