"""Effects of several trials with one covariance matrix per trial, and the groups they form.

A synthesis is a group of trials that are pooled together (the manifest names it). Its upstream
construct is set against behavior; every other construct is pooled under its own name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analysis.arrays import Floats, as_names
from analysis.dependent.blocks import EffectBlocks, arrange_effects, make_blocks
from analysis.labels import texts_or_none
from ibgap.base.labels import clean_label

MAIN = "main"
PAIRED = "paired trials"
"""Name of the subset of trials with both outcomes."""
Record = dict[str, Any]
_SMALLEST_EIGENVALUE = 1e-8
"""Of the correlations of a trial's effects, for their covariances to count as consistent."""
_REQUIRED = ("trial_id", "effect_id", "synthesis", "construct")
_OPTIONAL = ("upstream_construct", "topic", "collection_id", "measured_by")
_OF_COVARIANCES = ("trial_id", "effect_id_1", "effect_id_2")


@dataclass(frozen=True)
class TrialEffects:
    """The pooled effects of one trial: rows of the effects table with their covariance.

    origins: matrix of where each correlation comes from; `moved` when assumed correlations
    contradicted each other and were moved to the nearest consistent ones.
    """

    records: tuple[Record, ...]
    covariance: Floats
    origins: np.ndarray
    moved: bool = False

    def __getitem__(self, column: str) -> Any:
        """A property of the trial (its first effect's value of the column)."""
        return self.records[0][column]

    def values(self, column: str) -> list[Any]:
        """Values of a column over the effects."""
        return [record[column] for record in self.records]


@dataclass(frozen=True)
class Stack:
    """Effects of several trials with one covariance matrix per trial."""

    trials: tuple[TrialEffects, ...]

    @classmethod
    def from_records(cls, effects: Iterable[Record], covariances: Iterable[Record]) -> Stack:
        """The stack of effects (rows of the effects table) and their covariances (rows of the
        covariance table; effects that are not in the stack are passed over).

        Missing labels of the trial, effect, synthesis and construct raise `RowError` with the
        places of the records; a topic, collection, upstream construct or person who measured that
        is missing in whatever way is the empty text: not stated, and no group.
        """
        by_trial: dict[str, list[Record]] = {}
        for record in labeled(effects, _REQUIRED, _OPTIONAL):
            by_trial.setdefault(record["trial_id"], []).append(record)
        known: dict[str, list[Record]] = {}
        for row in labeled(covariances, _OF_COVARIANCES):
            known.setdefault(row["trial_id"], []).append(row)
        return cls(tuple(_trial(rows, known.get(trial, ())) for trial, rows in by_trial.items()))

    def select(self, keep: Callable[[Record], bool]) -> Stack:
        """Keep the effects for which `keep` is true; trials without any leave."""
        out, whole = [], True
        for trial in self.trials:
            rows = [i for i, record in enumerate(trial.records) if keep(record)]
            if len(rows) == len(trial.records):
                out.append(trial)
                continue
            whole = False
            if rows:
                square = np.ix_(rows, rows)
                out.append(
                    TrialEffects(
                        tuple(trial.records[i] for i in rows),
                        trial.covariance[square],
                        trial.origins[square],
                        trial.moved,
                    )
                )
        return self if whole else Stack(tuple(out))

    def values(self, column: str) -> list[Any]:
        """Values of a column over all effects, trial by trial."""
        return [record[column] for trial in self.trials for record in trial.records]

    @property
    def constructs(self) -> set[str]:
        return set(self.values("construct"))

    @property
    def covariances(self) -> list[Floats]:
        return [trial.covariance for trial in self.trials]

    @property
    def key(self) -> bytes:
        """The effects and their covariances as bytes; stacks with equal keys have equal fits."""
        ids = "\x1f".join(
            f"{r['trial_id']}\x1e{r['effect_id']}\x1e{r['construct']}"
            for trial in self.trials for r in trial.records
        )  # fmt: skip
        yi = np.array(self.values("yi"), dtype=float)
        return ids.encode() + yi.tobytes() + b"".join(c.tobytes() for c in self.covariances)

    def blocks(self, outcome_names: Sequence[str]) -> EffectBlocks:
        """The effects arranged for a fit, one indicator column per construct."""
        effects = np.array(self.values("yi"), dtype=np.float64)
        constructs = self.values("construct")
        place = {name: i for i, name in enumerate(outcome_names)}
        if (
            not effects.size
            or not np.isfinite(effects).all()
            or not place.keys() >= set(constructs)
        ):
            return make_blocks(
                effects, self.covariances, self.values("trial_id"), constructs,
                outcome_names=outcome_names,
            )  # fmt: skip
        kinds = np.array([place[one] for one in constructs], dtype=np.int64)
        sizes = [len(trial.records) for trial in self.trials]
        codes = np.repeat(np.arange(len(sizes)), sizes)
        design = (kinds[:, None] == np.arange(len(place))).astype(np.float64)
        names = [str(trial["trial_id"]) for trial in self.trials]
        return arrange_effects(
            effects, self.covariances, codes, names, kinds, tuple(outcome_names), design
        )


def with_usable_covariances(stack: Stack) -> Stack:
    """The stack with the variances alone of trials whose covariances, rounded for disclosure, are
    no covariance matrix; the variances alone always are."""
    return Stack(tuple(map(_usable, stack.trials)))


def _usable(trial: TrialEffects) -> TrialEffects:
    if len(trial.records) == 1:
        return trial
    variances = np.diag(trial.covariance)
    scale = np.sqrt(variances)
    correlations = trial.covariance / np.outer(scale, scale)
    if len(trial.records) == 2:
        smallest = 1.0 - abs(float(correlations[0, 1]))
    else:
        smallest = float(np.linalg.eigvalsh(correlations)[0])
    return (
        trial if smallest >= _SMALLEST_EIGENVALUE else replace(trial, covariance=np.diag(variances))
    )


def labeled(
    records: Iterable[Record], required: Sequence[str], optional: Sequence[str] = ()
) -> list[Record]:
    """The records with clean labels in those of the columns that they have.

    A missing label of a required column raises `RowError` with the places of the records; of an
    optional one it is the empty text.
    """
    rows = list(records)
    changed: dict[str, list[str]] = {}
    for column in (*required, *optional) if rows else ():
        if column not in rows[0]:
            continue
        found = [row[column] for row in rows]
        clean = (
            as_names(found, column, "record") if column in required
            else [one or "" for one in texts_or_none(found, column)]
        )  # fmt: skip
        if any(type(b) is not str or a != b for a, b in zip(clean, found, strict=True)):
            changed[column] = clean
    if not changed:
        return rows
    return [row | {name: texts[i] for name, texts in changed.items()} for i, row in enumerate(rows)]


def _trial(records: list[Record], covariances: Iterable[Record]) -> TrialEffects:
    position = {record["effect_id"]: i for i, record in enumerate(records)}
    matrix = np.diag([float(record["vi"]) for record in records])
    origins = np.full(matrix.shape, "", dtype=object)
    for row in covariances:
        i, j = position.get(row["effect_id_1"]), position.get(row["effect_id_2"])
        if i is not None and j is not None and np.isfinite(row["covariance"]):
            matrix[i, j] = matrix[j, i] = row["covariance"]
            origins[i, j] = origins[j, i] = row["origin"]
    return TrialEffects(tuple(records), matrix, origins)


def syntheses(stack: Stack) -> list[str]:
    """Names of the syntheses, `main` first."""
    names = sorted({str(trial["synthesis"]) for trial in stack.trials})
    return sorted(names, key=lambda name: (name != MAIN, name))


def of_synthesis(stack: Stack, name: str) -> Stack:
    return Stack(tuple(t for t in stack.trials if t["synthesis"] == name))


def upstream_of(stack: Stack) -> str:
    """The construct set against behavior, as its manifests say (the commonest, should they
    differ; main is always intention)."""
    names = [str(t["upstream_construct"]) for t in stack.trials]
    if stack.trials[0]["synthesis"] == MAIN:
        return "intention"
    return max(sorted(set(names)), key=names.count)


def having(column: str, *values: str) -> Callable[[Record], bool]:
    """A filter for `Stack.select`: the column has one of the values, as clean labels."""
    wanted = {clean_label(one) for one in values}

    def keep(record: Record) -> bool:
        return record[column] in wanted

    return keep


def with_both(stack: Stack, upstream: str) -> Stack:
    """The trials that have effects on the upstream construct and on behavior."""
    both = {upstream, "behavior"}
    return Stack(tuple(t for t in stack.trials if both <= set(t.values("construct"))))


def subsets(stack: Stack, upstream: str) -> Iterator[tuple[str, Stack]]:
    """All trials; trials with both outcomes; each topic; each review-level collection."""
    seen = {_trial_ids(stack)}
    yield "all", stack
    for name, part in _candidates(stack, upstream):
        ids = _trial_ids(part)
        if ids not in seen:
            seen.add(ids)
            yield name, part


def _trial_ids(stack: Stack) -> frozenset[str]:
    return frozenset(str(t["trial_id"]) for t in stack.trials)


def _candidates(stack: Stack, upstream: str) -> Iterator[tuple[str, Stack]]:
    both = with_both(stack, upstream)
    if both.trials:
        yield PAIRED, both
    for column, what in (("topic", "topic"), ("collection_id", "collection")):
        found = set(texts_or_none([t[column] for t in stack.trials], column))
        values = sorted(one for one in found if one)
        for value in values if len(values) > 1 else []:
            part = stack.select(having(column, value))
            if len(part.trials) > 1:
                yield f"{what}: {value}", part
    if not all(t["randomized"] for t in stack.trials):
        part = stack.select(lambda record: bool(record["randomized"]))
        if part.trials:
            yield "randomized only", part
