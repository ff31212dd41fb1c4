"""What the tables of one synthesis are made from, as one value, and the fingerprint of it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from analysis.synthesis.moderators import Moderator, moderators_of_trials
from analysis.synthesis.settings import AnalysisSettings
from analysis.synthesis.stack import (
    MAIN,
    Record,
    Stack,
    labeled,
    upstream_of,
    with_usable_covariances,
)

EFFECT_COLUMNS = (
    "trial_id", "effect_id", "synthesis", "construct", "upstream_construct", "topic",
    "collection_id", "measured_by", "randomized", "weeks", "formula", "outcome_row_id", "yi", "vi",
)  # fmt: skip
NATURAL_COLUMNS = ("outcome_row_id", "measure", "yi", "vi")
PAIR_COLUMNS = (
    "trial_id", "synthesis", "upstream_label", "behavior_label", "rho_origin", "rho_n",
    "rho_within_arm", "rho_latent", "rho_variance",
)  # fmt: skip
"""Columns that the tables of a synthesis read, and no others."""
_LABELS = ("trial_id", "synthesis")
NATURAL_SCALES = ("OR", "RR", "RD")


@dataclass(frozen=True)
class GroupInputs:
    """All that enters the tables of one synthesis.

    stack_at: its trials, with the covariances of an assumed within-arm correlation (the primary one
    of the settings or one of their grid); the effects are the same at each. natural_effects: rows
    of the effects of the same outcomes on the scales of odds ratios, risk ratios and risk
    differences. pairs: rows of its paired effects. moderators: declared ones, with values of its
    trials.

    >>> inputs = GroupInputs("main", "intention", lambda r: Stack(()), AnalysisSettings())
    >>> len(inputs.fingerprint)
    64
    """

    synthesis: str
    upstream: str
    stack_at: Callable[[float], Stack] = field(repr=False)
    settings: AnalysisSettings
    natural_effects: tuple[Record, ...] = field(default=(), repr=False)
    pairs: tuple[Record, ...] = field(default=(), repr=False)
    moderators: tuple[Moderator, ...] = field(default=(), repr=False)

    @cached_property
    def stack(self) -> Stack:
        """The trials at the assumed correlation of the primary analysis."""
        return self.stack_at(self.settings.assumed_correlation)

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal SHA-256 of everything that the tables are made from.

        Equal inputs have equal fingerprints whatever columns and rows without a part in the
        synthesis stand beside them, on every machine and in every order of the covariances. Texts
        and floats enter exactly; effects and pairs in their order, since the first effect of a
        trial speaks for it. The code and the versions of packages are not in it.
        """
        digest = hashlib.sha256()
        for part in self._parts():
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return digest.hexdigest()

    def _parts(self) -> Iterable[bytes]:
        yield json.dumps([self.synthesis, self.upstream]).encode()
        yield repr(sorted(asdict(self.settings).items())).encode()
        records = [record for trial in self.stack.trials for record in trial.records]
        yield from _columns(records, EFFECT_COLUMNS)
        yield json.dumps([len(trial.records) for trial in self.stack.trials]).encode()
        for r in sorted({*self.settings.correlation_grid, self.settings.assumed_correlation}):
            trials = self.stack_at(r).trials
            yield np.concatenate(
                [[r], *(trial.covariance.ravel() for trial in trials)]
            ).astype(np.float64).tobytes()  # fmt: skip
        yield from _columns(self.natural_effects, NATURAL_COLUMNS)
        yield from _columns(self.pairs, PAIR_COLUMNS)
        for one in sorted(self.moderators, key=lambda m: (m.name, m.kind)):
            about = (one.name, one.kind, one.barrier_dimension, one.framework_layer)
            yield json.dumps([about, sorted(one.values.items())]).encode()


def _columns(rows: Sequence[Record], names: Iterable[str]) -> Iterable[bytes]:
    """Every column of the rows as bytes; a column that no row has differs from an empty one."""
    for name in names:
        cells = [_cell(row.get(name)) for row in rows]
        yield json.dumps([name, cells]).encode()


def _cell(value: Any) -> Any:
    """A cell as text that keeps every bit of a number and the kind of the value."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, float | int | np.number):
        number = float(value)
        return [number.hex()] if number == number else None
    return None  # missing, in whatever way


def group_inputs(
    effects: Iterable[Record],
    covariances: Iterable[Record],
    assumed_covariances: Iterable[Record],
    pairs: Iterable[Record],
    moderators: Iterable[Moderator],
    settings: AnalysisSettings,
) -> list[GroupInputs]:
    """The inputs of every synthesis, `main` first and the others by name.

    effects: rows of the effects table on every scale; those with `in_pool` are pooled, and their
    order is the order of trials. covariances, assumed_covariances: rows of the tables
    `effect_covariances` (at the assumed correlation of the settings) and `assumed_covariances` (at
    those of the grid, which replace the former). pairs: rows of `paired_effects`. Missing labels
    raise `RowError`.
    """
    rows = list(effects)
    pooled = _grouped(labeled((r for r in rows if _is_true(r["in_pool"])), _LABELS))
    natural = _grouped(labeled((r for r in rows if r["measure"] in NATURAL_SCALES), _LABELS))
    paired = _grouped(labeled(pairs, ("synthesis",)))
    of_trial = {row["trial_id"]: name for name, own in pooled.items() for row in own}
    known, varied = (
        _grouped(
            row | {"synthesis": of_trial[row["trial_id"]]}
            for row in labeled(table, ("trial_id",))
            if row["trial_id"] in of_trial
        )
        for table in (covariances, assumed_covariances)
    )
    declared = tuple(moderators)
    return [
        _inputs_of(
            name, pooled[name], known.get(name, []), varied.get(name, []),
            natural.get(name, []), paired.get(name, []), declared, settings,
        )
        for name in sorted(pooled, key=lambda name: (name != MAIN, name))
    ]  # fmt: skip


def _inputs_of(
    name: str, pooled: list[Record], covariances: list[Record], assumed: list[Record],
    natural: list[Record], pairs: list[Record], declared: Iterable[Moderator],
    settings: AnalysisSettings,
) -> GroupInputs:  # fmt: skip
    stack_at = _stacks_of(_only(pooled, EFFECT_COLUMNS), covariances, assumed, settings)
    stack = stack_at(settings.assumed_correlation)
    trials = {str(trial["trial_id"]) for trial in stack.trials}
    return GroupInputs(
        name, upstream_of(stack), stack_at, settings, _only(natural, NATURAL_COLUMNS),
        _only(pairs, PAIR_COLUMNS), moderators_of_trials(declared, trials),
    )  # fmt: skip


def _stacks_of(
    effects: Sequence[Record], covariances: Iterable[Record], assumed: Iterable[Record],
    settings: AnalysisSettings,
) -> Callable[[float], Stack]:  # fmt: skip
    """The stack of the effects at an assumed correlation; each is made once, when asked for.

    covariances: at the assumed correlation of the settings. assumed: at those of their grid.
    """
    base, varied = list(covariances), list(assumed)
    made: dict[float, Stack] = {}

    def stack_at(assumed_correlation: float) -> Stack:
        if assumed_correlation not in made:
            rows = base
            if assumed_correlation != settings.assumed_correlation:
                rows = base + [
                    row | {"origin": "assumed"} for row in varied
                    if math.isclose(row["assumed_correlation"], assumed_correlation, abs_tol=1e-8)
                ]  # fmt: skip
            stack = Stack.from_records(effects, rows)
            made[assumed_correlation] = with_usable_covariances(stack)
        return made[assumed_correlation]

    return stack_at


def _grouped(rows: Iterable[Record]) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = {}
    for row in rows:
        groups.setdefault(row["synthesis"], []).append(row)
    return groups


def _only(rows: Iterable[Record], columns: tuple[str, ...]) -> tuple[Record, ...]:
    return tuple({name: row[name] for name in columns if name in row} for row in rows)


def _is_true(value: Any) -> bool:
    """Whether a cell of a flag is true; a missing one is not."""
    return isinstance(value, bool | np.bool_) and bool(value)
