"""Moderators: properties of trials that effects and the gap may go with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from analysis.arrays import as_names
from analysis.labels import texts_or_none
from analysis.synthesis.stack import Record, Stack, having

OF_EFFECTS = ("topic", "measured_by")
"""Moderators that every effect carries; the others are declared in manifests."""


@dataclass(frozen=True)
class Moderator:
    """A property of trials: values by trial (text, also of numbers), and its place in the
    codebook of barriers. A value that is missing in whatever way is the empty text: the trial is
    not compared. Trials without a label raise `RowError`."""

    name: str
    kind: str
    values: dict[str, str] = field(repr=False)
    barrier_dimension: str = ""
    framework_layer: str = ""

    def __post_init__(self) -> None:
        trials = as_names(list(self.values), f"trials of {self.name}", "value")
        values = texts_or_none(self.values.values(), f"values of {self.name}")
        known = {trial: one or "" for trial, one in zip(trials, values, strict=True)}
        object.__setattr__(self, "values", known)


def declared_moderators(rows: Iterable[Record]) -> list[Moderator]:
    """The moderators of rows of the table `moderators`, by name and kind.

    A barrier dimension or layer that trials of one moderator name differently is left out.
    Missing names, kinds and trials raise `RowError` with the places of the rows.
    """
    known = list(rows)
    columns = ("moderator", "kind", "trial_id")
    labels = [as_names([row[name] for row in known], name, "row") for name in columns]
    groups: dict[tuple[str, str], list[Record]] = {}
    for row, name, kind, trial in zip(known, *labels, strict=True):
        groups.setdefault((name, kind), []).append(row | {"trial_id": trial})
    return [
        Moderator(
            name, kind,
            {r["trial_id"]: r["value"] for r in own},
            _common(own, "barrier_dimension"), _common(own, "framework_layer"),
        )
        for (name, kind), own in sorted(groups.items())
    ]  # fmt: skip


def _common(rows: list[Record], column: str) -> str:
    named = set(texts_or_none([row[column] for row in rows], column)) - {None}
    return (named.pop() or "") if len(named) == 1 else ""


def moderators_of(stack: Stack, declared: Iterable[Moderator]) -> list[Moderator]:
    """Moderators of a stack: what its effects carry, then the declared ones."""
    carried = [Moderator(name, "category", first_values(stack, name)) for name in OF_EFFECTS]
    return carried + list(declared)


def gap_moderators(group: Stack, declared: Iterable[Moderator]) -> list[Moderator]:
    """The moderators of the gap: who measured a trial's outcome is asked of its behavior effects,
    whichever row comes first."""
    topic, measured_by, *rest = moderators_of(group, declared)
    asked = first_values(group.select(having("construct", "behavior")), measured_by.name)
    return [topic, replace(measured_by, values=asked), *rest]


def moderators_of_trials(
    moderators: Iterable[Moderator], trials: set[str]
) -> tuple[Moderator, ...]:
    """The moderators that some of the trials have a value of, with the values of these trials."""
    out = []
    for one in moderators:
        own = {trial: value for trial, value in one.values.items() if trial in trials and value}
        if own:
            out.append(replace(one, values=own))
    return tuple(out)


def first_values(stack: Stack, column: str) -> dict[str, str]:
    """By trial the value of its first effect."""
    return {str(t["trial_id"]): t[column] for t in stack.trials}
