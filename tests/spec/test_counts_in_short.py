"""Counts are participant rows in short: the same aggregates, at any number of persons."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from assets.outcomes.participants import (
    ParticipantFacts,
    facts_from_counts,
    participant_facts,
)
from tests.journey.manifests import manifest, outcome

CELLS = {
    "inclined_actors": (1.0, 1.0),
    "inclined_abstainers": (1.0, 0.0),
    "disinclined_actors": (0.0, 1.0),
    "disinclined_abstainers": (0.0, 0.0),
}
ARMS = {"c": "control", "a": "experimental", "b": "experimental"}


def counts(*rows: tuple[str, int, int, int, int]) -> pd.DataFrame:
    named = [dict(zip(["arm", *CELLS], row, strict=True)) for row in rows]
    return pd.DataFrame([row | {"intention": "i", "behavior": "b"} for row in named])


def persons_of(records: pd.DataFrame) -> pd.DataFrame:
    """One row per person and outcome."""
    rows, person = [], 0
    for record in records.to_dict("records"):
        for cell, values in CELLS.items():
            for _ in range(record[cell]):
                person += 1
                rows += [
                    {"participant": person, "source_id": "", "row": person, "arm": record["arm"],
                     "outcome": record[name], "value": value, "baseline": np.nan, "cluster": None}
                    for name, value in zip(("intention", "behavior"), values, strict=True)
                ]  # fmt: skip
    return pd.DataFrame(rows)


def both(scale: str, *rows: tuple[str, int, int, int, int]) -> list[ParticipantFacts]:
    own = manifest(
        ARMS,
        outcomes=[outcome("i", "intention", scale=scale), outcome("b", "behavior", scale="binary")],
    )
    records = counts(*rows)
    return [
        facts_from_counts(own, records, "R2"),
        participant_facts(own, persons_of(records), "R2"),
    ]


@pytest.mark.parametrize("scale", ["binary", "continuous"])
@pytest.mark.parametrize(
    "rows",
    [
        [("c", 20, 30, 10, 40), ("a", 35, 30, 8, 27), ("b", 9, 1, 1, 9)],
        [("c", 5, 0, 0, 5), ("a", 0, 5, 5, 0)],
        [("c", 0, 9, 0, 9), ("a", 9, 0, 0, 0)],
        [("c", 1, 0, 0, 0), ("a", 9, 3, 2, 1)],
        [("c", 1, 1, 0, 0), ("a", 2, 1, 1, 0), ("b", 0, 0, 0, 0)],
    ],
)
def test_the_aggregates_are_those_of_the_persons(
    scale: str, rows: list[tuple[str, int, int, int, int]]
) -> None:
    short, long = both(scale, *rows)
    assert short.correlations == pytest.approx(long.correlations, abs=1e-12)
    assert set(short.within_arm) == set(long.within_arm)
    for key, found in short.within_arm.items():
        assert found == pytest.approx(long.within_arm[key], rel=1e-9)
    assert short.counts == long.counts


def test_a_billion_persons_need_no_room() -> None:
    own = manifest(ARMS, outcomes=[outcome("i", "intention", scale="binary"),
                                   outcome("b", "behavior", scale="binary")])  # fmt: skip
    facts = facts_from_counts(
        own, counts(("c", 10**9, 10**9, 1, 10**10), ("a", 7, 10**10, 3, 2)), "R2"
    )
    assert facts.counts[0]["disinclined_abstainers"] == 10**10
    assert all(abs(r) <= 1.0 + 1e-12 for r in facts.correlations.values())
