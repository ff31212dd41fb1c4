"""Trials and stacks of effects for tests, without files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from analysis.synthesis import Stack, TrialEffects

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
