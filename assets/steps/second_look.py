"""Great Expectations looks at what screening accepted, before anything of it is kept.

The rows of all new journeys are stacked by kind and judged by suites made from the same
declarations. Where the two judges disagree, the trial is set aside: one of them is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from assets.fence import Broken, doing, fenced
from assets.journey import Journey, broken_journey
from validations.findings import Finding, Severity
from validations.judge import with_keys
from validations.records import RECORD_SCHEMAS

MOST_ROWS = 200_000
"""Rows that are judged at once."""


class JudgeError(Exception):
    """An expectation could not be asked; its text names the class of the error only."""


def second_look(journeys: list[Journey]) -> list[Journey]:
    """The journeys, those of trials on which the judges disagree without their numbers."""
    broken: dict[str, Broken] = {}
    for kind in RECORD_SCHEMAS:
        own = [j for j in journeys if kind in j.screened and len(j.screened[kind].accepted)]
        for batch in _batches(own, kind):
            broken |= _look(batch, kind)
    return [
        broken_journey(j.collection_id, broken[j.collection_id], j)
        if j.collection_id in broken
        else j
        for j in journeys
    ]


def _batches(journeys: list[Journey], kind: str) -> Iterator[list[Journey]]:
    batch: list[Journey] = []
    rows = 0
    for journey in journeys:
        batch.append(journey)
        rows += len(journey.screened[kind].accepted)
        if rows >= MOST_ROWS:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch


def _look(batch: list[Journey], kind: str) -> dict[str, Broken]:
    """Trials of a batch on which the judges disagree; each by itself where the batch fails."""
    trial = batch[0].collection_id
    found = fenced(trial, lambda: _disagreements(batch, kind))
    if not isinstance(found, Broken):
        return {trial: Broken(_disagree(trial, kind, rule)) for trial, rule in found.items()}
    if len(batch) == 1:
        return {trial: found}
    out: dict[str, Broken] = {}
    for journey in batch:
        out |= _look([journey], kind)
    return out


def _disagreements(batch: list[Journey], kind: str) -> dict[str, str]:
    """Trial -> the rule that an accepted row breaks."""
    from validations.expectations import validate

    schema = RECORD_SCHEMAS[kind]
    with doing(f"looking at the accepted {kind.replace('_', ' ')} a second time"):
        frame = pd.concat([j.screened[kind].accepted for j in batch], ignore_index=True)
        failures, outcomes = validate(with_keys(frame, schema), replace(schema, rules=()))
        if raised := [o for o in outcomes if o.raised]:
            if raised[0].raised == "MemoryError":
                raise MemoryError
            raise JudgeError(f"{raised[0].rule_id} raised {raised[0].raised}")
    return {
        str(frame["collection_id"].iloc[position]): failure.rule_id
        for failure in failures
        for position in failure.positions
    }


def _disagree(trial: str, kind: str, rule: str) -> Finding:
    return Finding(
        trial,
        "judges_disagree",
        Severity.ERROR,
        f"rows of {kind.replace('_', ' ')} were accepted, and a second look finds that they break "
        f"the rule {rule}; nothing of the trial is used",
        "report this with the manifest: one of the two checks is wrong",
    )
