"""Trials and stacks of effects for tests, without files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np

from analysis.synthesis import (
    AnalysisSettings,
    Stack,
    TrialEffects,
    of_synthesis,
    syntheses,
    upstream_of,
)
from analysis.synthesis.gap_tables import gap_rows, surrogacy_rows
from analysis.synthesis.group import Group
from analysis.synthesis.inputs import GroupInputs
from analysis.synthesis.moderators import Moderator
from analysis.synthesis.stack import Record

Effect = tuple[str, float, float]
Row = tuple[str, float, float, dict[str, Any]]


def trial_of(
    name: str, effects: Sequence[Effect | Row], *, rho: float = 0.5, **properties: Any
) -> TrialEffects:
    """A trial of (construct, effect, variance) and perhaps more columns of that effect; effects of
    one trial correlate at rho."""
    shared = {
        "trial_id": name, "synthesis": "main", "upstream_construct": "intention"
    } | properties  # fmt: skip
    records = tuple(
        shared
        | {"effect_id": f"{name}e{j}", "construct": construct, "yi": yi, "vi": vi}
        | (dict(more[0]) if more else {})
        for j, (construct, yi, vi, *more) in enumerate(effects)
    )
    sei = np.sqrt([one[2] for one in effects])
    matrix = rho * np.outer(sei, sei)
    np.fill_diagonal(matrix, sei**2)
    return TrialEffects(records, matrix, np.full(matrix.shape, "", dtype=object))


def stack_of(
    trials: Sequence[Sequence[Effect | Row]], randomized: Sequence[bool] | None = None
) -> Callable[[float], Stack]:
    """The stack for an assumed correlation between all effects of a trial."""

    def at(rho: float) -> Stack:
        return Stack(tuple(
            trial_of(
                f"t{i}", rows, rho=rho, measured_by="record",
                randomized=True if randomized is None else randomized[i],
            )
            for i, rows in enumerate(trials)
        ))  # fmt: skip

    return at


def group_of(
    given: Stack | Callable[[float], Stack],
    settings: AnalysisSettings | None = None,
    *,
    pairs: Iterable[Record] = (),
    moderators: Iterable[Moderator] = (),
    natural_effects: Iterable[Record] = (),
    selection: bool = False,
) -> Group:
    """A stack of one synthesis, the same or another one at each assumed correlation, as the tables
    take it."""
    chosen = settings or AnalysisSettings()
    stack_at = (lambda r: given) if isinstance(given, Stack) else cache(given)
    stack = stack_at(chosen.assumed_correlation)
    (name,) = syntheses(stack) if stack.trials else ["main"]
    inputs = GroupInputs(
        name, upstream_of(stack) if stack.trials else "intention", stack_at, chosen,
        tuple(natural_effects), tuple(pairs), tuple(moderators),
    )  # fmt: skip
    return Group(inputs, selection=selection)


def groups_of(given: Stack, settings: AnalysisSettings, **more: Any) -> list[Group]:
    """Each synthesis of a stack, as `group_of`."""
    return [group_of(of_synthesis(given, name), settings, **more) for name in syntheses(given)]


def gap_and_surrogacy(
    given: Stack | Callable[[float], Stack],
    pairs: Iterable[Record] = (),
    settings: AnalysisSettings | None = None,
) -> tuple[list[Record], list[Record]]:
    """Rows of both tables, from one group."""
    group = group_of(given, settings, pairs=pairs)
    return gap_rows(group), surrogacy_rows(group)
