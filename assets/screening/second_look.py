"""Great Expectations judges the same frames as the arrays, before anything of them is kept.

The rows of all new journeys, as they were before they were split, are stacked by kind and judged
by suites made from the same declarations. Where the two judges do not name the same rows, the
trial is set aside: one of them is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from assets.fence import Broken, doing, fenced
from assets.journey.trial_journey import Journey, broken_journey
from validations.findings import Finding, Severity
from validations.judge import Failure, Judged
from validations.records import RECORD_SCHEMAS
from validations.schema import TableSchema
from validations.typed_frames import joined_frames, numbered

MOST_ROWS = 500_000
"""Rows that are judged at once."""

_Place = tuple[str, str]
"""Rule and column."""


class JudgeError(Exception):
    """An expectation could not be asked; its text names the class of the error only."""


@dataclass(frozen=True)
class _Piece:
    """One judged frame of a trial."""

    trial: str
    judged: Judged


def judged_rows(journey: Journey) -> int:
    """Rows of a journey that wait for the second look."""
    return sum(len(one.frame) for kind in journey.screened.values() for one in kind.judged)


def second_look(journeys: list[Journey]) -> list[Journey]:
    """The journeys without the frames that were looked at, those of trials on which the judges
    disagree without their numbers."""
    broken: dict[str, Broken] = {}
    for kind in RECORD_SCHEMAS:
        pieces = [
            _Piece(journey.collection_id, judged)
            for journey in journeys
            if kind in journey.screened
            for judged in journey.screened[kind].judged
            if len(judged.frame)
        ]
        for batch in _batches(pieces):
            broken |= _look(batch, kind)
    return [
        broken_journey(j.collection_id, broken[j.collection_id], j)
        if j.collection_id in broken
        else _looked_at(j)
        for j in journeys
    ]


def _looked_at(journey: Journey) -> Journey:
    screened = {kind: replace(one, judged=()) for kind, one in journey.screened.items()}
    return replace(journey, screened=screened)


def _batches(pieces: Sequence[_Piece]) -> Iterator[list[_Piece]]:
    """Small frames together; one that is large by itself is looked at alone."""
    batch: list[_Piece] = []
    rows = 0
    for piece in pieces:
        count = len(piece.judged.frame)
        if batch and rows + count > MOST_ROWS:
            yield batch
            batch, rows = [], 0
        batch.append(piece)
        rows += count
    if batch:
        yield batch


def _look(batch: list[_Piece], kind: str) -> dict[str, Broken]:
    """Trials of a batch on which the judges disagree; each by itself where the batch fails."""
    trial = batch[0].trial
    found = fenced(trial, lambda: _disagreements(batch, kind))
    if not isinstance(found, Broken):
        return {trial: Broken(_disagree(trial, kind, *place)) for trial, place in found.items()}
    if len(batch) == 1:
        return {trial: found}
    out: dict[str, Broken] = {}
    for piece in batch:
        out |= _look([piece], kind)
    return out


def _disagreements(batch: list[_Piece], kind: str) -> dict[str, tuple[_Place, int]]:
    """Trial -> a rule and column about which the judges do not name the same rows, and of how
    many rows of the trial they say different things."""
    sizes = np.array([len(piece.judged.frame) for piece in batch])
    ends = np.cumsum(sizes)
    with doing(f"looking at the {kind.replace('_', ' ')} a second time"):
        second = _positions(_second(_stacked(batch, kind), kind))
    first = _positions(
        (failure, failure.positions + start)
        for start, piece in zip(ends - sizes, batch, strict=True)
        for failure in piece.judged.failures
    )
    out: dict[str, tuple[_Place, int]] = {}
    for place in sorted({*first, *second}):
        named = first.get(place, _NONE), second.get(place, _NONE)
        differ = np.setxor1d(*named, assume_unique=True)
        of_piece = np.bincount(np.searchsorted(ends, differ, "right"), minlength=len(batch))
        for piece, count in zip(batch, of_piece, strict=True):
            if count:
                out.setdefault(piece.trial, (place, int(count)))
    return out


_NONE = np.empty(0, dtype=np.int64)


def _positions(found: Iterable[tuple[Failure, np.ndarray]]) -> dict[_Place, np.ndarray]:
    """Rule and column -> positions in the stack of the rows that break it."""
    parts: dict[_Place, list[np.ndarray]] = {}
    for failure, positions in found:
        parts.setdefault((failure.rule_id, failure.column), []).append(positions)
    return {place: np.concatenate(own) for place, own in parts.items()}


def _stacked(batch: list[_Piece], kind: str) -> pd.DataFrame:
    """The frames of a batch as one. Rows of different frames never share a key: codes of keys
    count within a frame, and are moved apart here."""
    first = f"key:{RECORD_SCHEMAS[kind].key[0]}"
    frames, start = [], 0
    for piece in batch:
        frame = numbered(piece.judged.frame)
        codes = frame[first].to_numpy(dtype=np.int64)
        frame[first] = codes - codes.min() + start
        start += int(np.ptp(codes)) + 1
        frames.append(frame)
    return joined_frames(frames)


def _second(frame: pd.DataFrame, kind: str) -> Iterator[tuple[Failure, np.ndarray]]:
    """What Great Expectations finds, with positions in the whole frame."""
    from validations.expectations import validate

    schema = RECORD_SCHEMAS[kind]
    for rows in _chunks(frame, schema):
        part = frame if len(rows) == len(frame) else frame.iloc[rows]
        failures, outcomes = validate(part, schema)
        if raised := [o for o in outcomes if o.raised]:
            if raised[0].raised == "MemoryError":
                raise MemoryError
            raise JudgeError(f"{raised[0].rule_id} raised {raised[0].raised}")
        yield from ((failure, rows[failure.positions]) for failure in failures)


def _chunks(frame: pd.DataFrame, schema: TableSchema) -> Iterator[np.ndarray]:
    """Rows that are looked at together; those of one key always are."""
    count = math.ceil(len(frame) / MOST_ROWS)
    mixed = np.zeros(len(frame), dtype=np.int64)
    for name in schema.key if count > 1 else ():
        if f"key:{name}" in frame:
            mixed = mixed * 31 + frame[f"key:{name}"].to_numpy(dtype=np.int64)
    for number in range(count):
        yield np.flatnonzero(mixed % count == number)


def _disagree(trial: str, kind: str, place: _Place, count: int) -> Finding:
    rule, column = place
    return Finding(
        trial,
        "judges_disagree",
        Severity.ERROR,
        f"two checks of the {kind.replace('_', ' ')} by the same declaration do not agree on "
        f"{count} {'row' if count == 1 else 'rows'} about the rule {rule} of {column}; nothing of "
        "the trial is used",
        "report this with the manifest: one of the two checks is wrong",
    )
