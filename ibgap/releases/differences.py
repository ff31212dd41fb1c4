"""What changed between two releases, and what of the change of a result comes from what.

The results of the older trials, of the newer numbers of the same trials and of the newer set of
trials are pooled step by step by the pipeline's functions, so that every step has its share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from analysis.errors import EstimationError
from analysis.synthesis.gap_estimates import joint_model
from analysis.synthesis.pooled_effects import pool_construct
from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import Stack, having
from ibgap.releases.view import ReleaseView, Row, words

_FIELDS = (
    "label", "year", "country", "topic", "synthesis", "design", "randomized", "n_analyzed", "use",
    "risk_of_bias", "k_effects", "k_in_pool",
)  # fmt: skip
_SAME = 1e-12
_STEPS = ("trials removed", "values corrected", "trials added", "settings and software")


@dataclass(frozen=True)
class FieldChange:
    """One value of a trial or of one of its effects that differs. kind: `trial` or `effect`."""

    trial_id: str
    label: str
    kind: str
    subject: str
    field: str
    old: str
    new: str


@dataclass(frozen=True)
class Step:
    """A result after one kind of change. shift: against the step before."""

    name: str
    estimate: float
    shift: float


@dataclass(frozen=True)
class ResultChange:
    """One result in both releases, and the steps from the old to the new one.

    steps end at the published new result; empty when one of the releases has none.
    """

    synthesis: str
    result: str
    old: Row | None
    new: Row | None
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Changes:
    """Everything that differs between an older and a newer release."""

    old_id: str
    new_id: str
    added: tuple[Row, ...]
    removed: tuple[Row, ...]
    fields: tuple[FieldChange, ...]
    settings: tuple[tuple[str, str, str], ...]
    packages: tuple[tuple[str, str, str], ...]
    results: tuple[ResultChange, ...]

    @property
    def is_empty(self) -> bool:
        moved = any(_moved(r) for r in self.results)
        return not (self.added or self.removed or self.fields or self.settings or moved)


def compare_releases(old: ReleaseView, new: ReleaseView) -> Changes:
    """Trials, values, settings, packages and results that differ."""
    before = {str(r["trial_id"]): r for r in old.rows("trials")}
    after = {str(r["trial_id"]): r for r in new.rows("trials")}
    common = [i for i in after if i in before]
    return Changes(
        old.release_id,
        new.release_id,
        tuple(after[i] for i in after if i not in before),
        tuple(before[i] for i in before if i not in after),
        (*_trial_fields(before, after, common), *_effect_fields(old, new, after)),
        _differing(old.settings, new.settings),
        _differing(dict(old.record.get("packages") or {}), dict(new.record.get("packages") or {})),
        tuple(_results(old, new)),
    )


def _text(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return str(value)


def _differing(old: dict[str, Any], new: dict[str, Any]) -> tuple[tuple[str, str, str], ...]:
    names = sorted(set(old) | set(new))
    return tuple(
        (name, _text(old.get(name, "")), _text(new.get(name, "")))
        for name in names
        if old.get(name) != new.get(name)
    )


def _trial_fields(
    before: dict[str, Row], after: dict[str, Row], common: list[str]
) -> list[FieldChange]:
    out = []
    for i in common:
        for name in _FIELDS:
            was, now = _text(before[i][name]), _text(after[i][name])
            if was != now:
                out.append(FieldChange(i, str(after[i]["label"]), "trial", "", name, was, now))
    return out


def _effect_fields(old: ReleaseView, new: ReleaseView, after: dict[str, Row]) -> list[FieldChange]:
    """Effects on the common scale of trials in both releases: new, gone, other numbers."""
    was = {str(r["effect_id"]): r for r in old.rows("effects", measure="SMD")}
    now = {str(r["effect_id"]): r for r in new.rows("effects", measure="SMD")}
    in_both = {str(r["trial_id"]) for r in old.rows("trials")} & set(after)
    out = []
    for key in sorted(set(was) | set(now)):
        row = now.get(key) or was[key]
        trial = str(row["trial_id"])
        if trial not in in_both:
            continue
        about = (
            trial,
            str(after[trial]["label"]),
            "effect",
            f"{row['outcome_label'] or words(row['outcome_id'])}, {row['comparison_id']}",
        )
        if key not in was:
            out.append(FieldChange(*about, "effect", "", "new"))
        elif key not in now:
            out.append(FieldChange(*about, "effect", "there", "gone"))
        else:
            for name in ("yi", "vi", "in_pool"):
                if not _equal(was[key][name], now[key][name]):
                    out.append(FieldChange(*about, name, _text(was[key][name]),
                                           _text(now[key][name])))  # fmt: skip
    return out


def _equal(a: object, b: object) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or abs(a - b) <= _SAME * max(1.0, abs(a))
    return a == b


def _results(old: ReleaseView, new: ReleaseView) -> list[ResultChange]:
    out = []
    for name in ("main", *[s for s in new.syntheses if s != "main"]):
        out += [_pooled_change(old, new, name, c) for c in (new.upstream(name), "behavior")]
        out.append(_gap_change(old, new, name))
    return [r for r in out if r.old is not None or r.new is not None]


def _primary(view: ReleaseView, table: str, **where: object) -> Row | None:
    rows = view.primary(table, subset="all", **where)
    return rows[0] if rows else None


def _pooled_change(
    old: ReleaseView, new: ReleaseView, synthesis: str, construct: str
) -> ResultChange:
    where = {"synthesis": synthesis, "construct": construct, "measure": "SMD"}
    was, now = (_primary(v, "pooled_effects", **where) for v in (old, new))

    def estimate(stack: Stack, settings: AnalysisSettings) -> float:
        part = stack.select(having("construct", construct))
        rows = pool_construct(part, construct, settings, {}, hierarchical=False)
        return float(rows[0]["mu"]) if rows else math.nan

    return ResultChange(synthesis, f"effect on {words(construct)}", was, now,
                        _steps(old, new, synthesis, estimate, was, now, "mu"))  # fmt: skip


def _gap_change(old: ReleaseView, new: ReleaseView, synthesis: str) -> ResultChange:
    where = {"synthesis": synthesis, "estimand": "difference"}
    was, now = (_primary(v, "gap_estimates", **where) for v in (old, new))
    upstream = new.upstream(synthesis)

    def estimate(stack: Stack, settings: AnalysisSettings) -> float:
        try:
            means = joint_model(stack, upstream, settings).means
        except EstimationError:
            return math.nan
        return float(means[0] - means[1])

    return ResultChange(synthesis, f"{words(upstream)} minus behavior", was, now,
                        _steps(old, new, synthesis, estimate, was, now, "estimate"))  # fmt: skip


def _moved(result: ResultChange) -> bool:
    return any(abs(step.shift) > _SAME for step in result.steps)


def _steps(
    old: ReleaseView, new: ReleaseView, synthesis: str, estimate: Any, was: Row | None,
    now: Row | None, column: str,
) -> tuple[Step, ...]:  # fmt: skip
    """From the old to the new result: trials removed, values corrected, trials added, and what is
    left (settings, software, correlations, unpublished decimals)."""
    if was is None or now is None:
        return ()
    # Both at the older assumed correlation: a changed one belongs to the settings.
    first = old.stack(synthesis)
    last = new.stack(synthesis, old.analysis.assumed_correlation)
    if not first.trials or not last.trials:
        return ()
    ids = {str(t["trial_id"]) for t in last.trials}
    kept = Stack(tuple(t for t in first.trials if str(t["trial_id"]) in ids))
    there = {str(t["trial_id"]) for t in first.trials}
    corrected = Stack(tuple(t for t in last.trials if str(t["trial_id"]) in there))
    known: dict[tuple[object, ...], float] = {}

    def pooled(stack: Stack) -> float:
        if not stack.trials:
            return math.nan
        key = _fingerprint(stack)
        if key not in known:
            known[key] = estimate(stack, old.analysis)
        return known[key]

    if _fingerprint(first) == _fingerprint(last):
        # Nothing of the trials changed, so nothing has to be pooled to know their share: none.
        shift = float(now[column]) - float(was[column])
        return tuple(
            Step(name, float(now[column]) if i == 3 else float(was[column]), shift * (i == 3))
            for i, name in enumerate(_STEPS)
        )
    before, after = float(was[column]), float(now[column])
    start, less, mended, more = (pooled(s) for s in (first, kept, corrected, last))
    # What published decimals cannot reproduce is of no trial: it goes with the settings.
    shifts = (less - start, mended - less, more - mended, after - more + start - before)
    return tuple(
        Step(name, before + sum(shifts[: i + 1]), shifts[i]) for i, name in enumerate(_STEPS)
    )


def _fingerprint(stack: Stack) -> tuple[object, ...]:
    """Equal for stacks of the same effects with the same numbers."""
    ids = tuple(stack.values("effect_id"))
    return (ids, tuple(stack.values("yi")), *(t.covariance.tobytes() for t in stack.trials))
