"""What a synthesis can be filtered by, and how many trials each choice leaves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from analysis.synthesis.moderators import Moderator
from analysis.synthesis.stack import Stack
from dashboard.query import MAIN, ROB_LEVELS, State
from ibgap.releases.view import Row, words

_Mask = np.ndarray
MOST_LEVELS = 40
"""A moderator with more levels than this cannot be filtered by (it would fill the page)."""


@dataclass(frozen=True)
class Option:
    """One choice of a facet. count: trials that it leaves, given every other facet."""

    value: str
    label: str
    count: int
    chosen: bool


@dataclass(frozen=True)
class Facet:
    """Choices under one heading. parameter: of the address. note: where they come from."""

    parameter: str
    title: str
    options: tuple[Option, ...]
    note: str = ""


@dataclass(frozen=True)
class Range:
    """A facet of numbers: lowest and highest value found, and the chosen limits."""

    parameter: str
    title: str
    lowest: float
    highest: float
    lower: float | None
    upper: float | None


class Facets:
    """Properties of the trials of one synthesis as arrays, and the masks that a state asks for."""

    def __init__(
        self, stack: Stack, trials: Iterable[Row], upstream: str, moderators: list[Moderator]
    ) -> None:
        about = {str(row["trial_id"]): row for row in trials}
        self.ids = [str(t["trial_id"]) for t in stack.trials]
        self.stack, self.upstream, self.moderators = stack, upstream, moderators
        self._about = [about.get(i, {}) for i in self.ids]

    @cached_property
    def counted(self) -> _Mask:
        """Trials with an effect on one of the two outcomes; others have other constructs only."""
        pair = {self.upstream, "behavior"}
        return np.array([bool(pair & set(t.values("construct"))) for t in self.stack.trials],
                        dtype=bool)  # fmt: skip

    @cached_property
    def topics(self) -> list[str]:
        return [str(t["topic"]) for t in self.stack.trials]

    @cached_property
    def countries(self) -> list[str]:
        return [str(row.get("country") or "") for row in self._about]

    @cached_property
    def judgments(self) -> list[str]:
        return [str(row.get("risk_of_bias") or "not_judged") for row in self._about]

    @cached_property
    def years(self) -> np.ndarray:
        return np.array([_number(row.get("year")) for row in self._about])

    @cached_property
    def persons(self) -> np.ndarray:
        return np.array([_number(row.get("n_analyzed")) for row in self._about])

    @cached_property
    def randomized(self) -> _Mask:
        return np.array([t["randomized"] is True for t in self.stack.trials], dtype=bool)

    @cached_property
    def both(self) -> _Mask:
        pair = {self.upstream, "behavior"}
        return np.array([pair <= set(t.values("construct")) for t in self.stack.trials], dtype=bool)

    @cached_property
    def measured_by(self) -> list[set[str]]:
        """How the behavior of each trial was measured."""
        return [
            {str(r["measured_by"]) for r in t.records if r["construct"] == "behavior"}
            for t in self.stack.trials
        ]

    @cached_property
    def weeks(self) -> list[set[float]]:
        """Weeks of the behavior effects of each trial."""
        return [
            {w for r in t.records
             if r["construct"] == "behavior" and math.isfinite(w := _number(r["weeks"]))}
            for t in self.stack.trials
        ]  # fmt: skip

    def levels(self, moderator: Moderator) -> list[str]:
        return [moderator.values.get(i, "") for i in self.ids]

    @cached_property
    def categories(self) -> list[Moderator]:
        """Declared categorical moderators with something to choose between in this synthesis."""
        out = []
        for one in self.moderators:
            found = set(self.levels(one)) - {""}
            if one.kind == "category" and 2 <= len(found) <= MOST_LEVELS:
                out.append(one)
        return out

    def masks(self, state: State) -> dict[str, _Mask]:
        """One mask over trials per facet in use; a trial is in scope where all are true."""
        out: dict[str, _Mask] = {}
        if state.topic:
            out["topic"] = _isin(self.topics, state.topic)
        if state.country:
            out["country"] = _isin(self.countries, state.country)
        if state.risk_of_bias:
            out["rob"] = _isin(self.judgments, state.risk_of_bias)
        if state.randomized:
            out["randomized"] = self.randomized
        if state.both:
            out["both"] = self.both
        for name, values, lower, upper in (
            ("year", self.years, state.year_min, state.year_max),
            ("n", self.persons, state.n_min, state.n_max),
        ):
            if lower is not None or upper is not None:
                out[name] = _within(values, lower, upper)
        for one in self.categories:
            chosen = state.moderator_levels(one.name)
            if chosen:
                out[f"m.{one.name}"] = _isin(self.levels(one), chosen)
        if state.excluded:
            out["excl"] = ~_isin(self.ids, state.excluded)
        return out

    def keep_effect(self, state: State) -> Callable[[Row], bool]:
        """Filter of single effects: how and when behavior was measured."""
        chosen = set(state.measured_by)
        low, high = state.weeks_min, state.weeks_max

        def keep(record: Row) -> bool:
            if record["construct"] != "behavior":
                return True
            if chosen and str(record["measured_by"]) not in chosen:
                return False
            if low is None and high is None:
                return True
            return bool(_within(np.array([_number(record["weeks"])]), low, high)[0])

        return keep

    def select(self, state: State) -> Stack:
        """The effects that a state leaves."""
        inside = self._scope(self.masks(state))
        trials = tuple(t for t, keep in zip(self.stack.trials, inside, strict=True) if keep)
        part = Stack(trials)
        if state.measured_by or state.weeks_min is not None or state.weeks_max is not None:
            part = part.select(self.keep_effect(state))
        return part

    def _scope(self, masks: dict[str, _Mask], without: str = "") -> _Mask:
        inside = np.ones(len(self.ids), dtype=bool)
        for name, mask in masks.items():
            if name != without:
                inside &= mask
        return inside

    def facets(self, state: State) -> list[Facet]:
        """Every facet with live counts; a facet with a single choice is left out."""
        masks = self.masks(state)
        out = [
            self._facet("topic", "Topic", self.topics, state.topic, masks),
            self._facet("country", "Country", self.countries, state.country, masks),
            self._sets("by", "Behavior measured by", self.measured_by, state.measured_by, masks),
            self._facet("rob", "Risk of bias", self.judgments, state.risk_of_bias, masks,
                        order=ROB_LEVELS),
        ]  # fmt: skip
        for one in self.categories:
            place = ", ".join(words(p) for p in (one.barrier_dimension, one.framework_layer) if p)
            out.append(
                self._facet(f"m.{one.name}", words(one.name).capitalize(), self.levels(one),
                            state.moderator_levels(one.name), masks, note=place)
            )  # fmt: skip
        return [facet for facet in out if len(facet.options) > 1]

    def _facet(
        self, parameter: str, title: str, values: list[str], chosen: tuple[str, ...],
        masks: dict[str, _Mask], *, order: tuple[str, ...] = (), note: str = "",
    ) -> Facet:  # fmt: skip
        return self._sets(parameter, title, [{v} for v in values], chosen, masks, order=order,
                          note=note)  # fmt: skip

    def _sets(
        self, parameter: str, title: str, values: list[set[str]], chosen: tuple[str, ...],
        masks: dict[str, _Mask], *, order: tuple[str, ...] = (), note: str = "",
    ) -> Facet:  # fmt: skip
        inside = self._scope(masks, parameter) & self.counted
        counts: dict[str, int] = {}
        for own, keep in zip(values, inside, strict=True):
            for value in own - {""}:
                counts[value] = counts.get(value, 0) + int(keep)
        names = sorted(counts, key=lambda v: (order.index(v) if v in order else -1, v.casefold()))
        options = (Option(v, words(v), counts[v], v in chosen) for v in names)
        return Facet(parameter, title, tuple(options), note)

    def flags(self, state: State) -> Facet:
        """The two yes-or-no filters."""
        masks = self.masks(state)
        options = []
        for name, label, mask in (
            ("both", "reports both outcomes", self.both),
            ("randomized", "randomized", self.randomized),
        ):
            count = int((mask & self._scope(masks, name) & self.counted).sum())
            options.append(Option(name, label, count, bool(getattr(state, name))))
        return Facet("", "Design", tuple(options))

    def ranges(self, state: State) -> list[Range]:
        weeks = np.array([w for own in self.weeks for w in own])
        out = []
        for parameter, title, values, lower, upper in (
            ("year", "Year", self.years, state.year_min, state.year_max),
            ("weeks", "Weeks to behavior", weeks, state.weeks_min, state.weeks_max),
            ("n", "Persons", self.persons, state.n_min, state.n_max),
        ):
            known = values[np.isfinite(values)] if values.size else values
            if known.size and known.min() < known.max():
                out.append(Range(parameter, title, float(known.min()), float(known.max()),
                                 lower, upper))  # fmt: skip
        return out


def settle(
    state: State, facets: Facets, syntheses: list[str], grid: Iterable[float]
) -> tuple[State, list[str]]:
    """The state with what this release does not have left out, and a sentence for each."""
    notes: list[str] = []

    def known(name: str, values: tuple[str, ...], there: Iterable[str]) -> tuple[str, ...]:
        have = set(there)
        gone = [v for v in values if v not in have]
        if gone:
            notes.append(f"{name} {', '.join(gone)}: not in this release, left out of the filter.")
        return tuple(v for v in values if v in have)

    if state.synthesis not in (MAIN, *syntheses):
        notes.append(f"There is no synthesis {state.synthesis} in this release; main is shown.")
        state = replace(state, synthesis=MAIN)
    names = {one.name: one for one in facets.categories}
    moderators = []
    for name, levels in state.moderators:
        if name not in names:
            notes.append(f"The moderator {name} cannot be filtered by here; it is left out.")
            continue
        kept = known(words(name).capitalize(), levels, facets.levels(names[name]))
        if kept:
            moderators.append((name, kept))
    assumed = state.assumed_correlation
    values = sorted(grid)
    if assumed is not None and not any(abs(assumed - v) < 1e-9 for v in values):
        listed = ", ".join(f"{v:g}" for v in values)
        notes.append(f"The assumed correlation {assumed:g} is not one of {listed}.")
        assumed = None
    measured: set[str] = set().union(*facets.measured_by) if facets.measured_by else set()
    return replace(
        state,
        topic=known("Topic", state.topic, facets.topics),
        country=known("Country", state.country, facets.countries),
        measured_by=known("Measure", state.measured_by, measured),
        excluded=known("Trial", state.excluded, facets.ids),
        moderators=tuple(moderators),
        assumed_correlation=assumed,
    ), notes


def _isin(values: list[str], chosen: tuple[str, ...]) -> _Mask:
    kept = set(chosen)
    return np.array([value in kept for value in values], dtype=bool)


def _within(values: np.ndarray, lower: float | None, upper: float | None) -> _Mask:
    """True where a value is known and lies within the limits (both included)."""
    low = -math.inf if lower is None else lower
    high = math.inf if upper is None else upper
    return np.isfinite(values) & (values >= low) & (values <= high)


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan
