"""Which trials are broken, for the person who keeps the server running."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TypedDict

import pandas as pd

from ibgap.base.printable import printable
from validations.findings import blocking_rows

MOST_TOLD = 200
"""Findings in one table: metadata of a check stay in the log of events for ever."""

Told = TypedDict(
    "Told",
    {"trial": str, "gives": str, "rule": str, "file": str, "row": str, "found": str,
     "what to do": str},
)  # fmt: skip
"""One finding as the operator reads it."""


@dataclass(frozen=True)
class BrokenTrial:
    """A trial folder of which something is set aside.

    gives: `nothing` or `a part`. findings: its open errors and holds.
    """

    gives: str
    findings: tuple[Told, ...]

    @property
    def rules(self) -> dict[str, int]:
        """How many of the findings each rule has."""
        return dict(sorted(Counter(one["rule"] for one in self.findings).items()))


def broken_trials(findings: pd.DataFrame, effects: pd.DataFrame) -> dict[str, BrokenTrial]:
    """Trial folders with open errors or holds, those that give nothing first.

    findings, effects: of all journeys. What is told is the rule, file and row, what was found and
    what to do; no value of a participant.
    """
    whole = set(effects.loc[effects["in_pool"].astype(bool), "collection_id"])
    open_ones = findings[blocking_rows(findings)]
    told: dict[str, list[Told]] = {}
    for one in open_ones.itertuples():
        folder = one.trial_id.split("/")[0]
        told.setdefault(folder, []).append(
            {
                "trial": printable(one.trial_id),
                "gives": "a part" if folder in whole else "nothing",
                "rule": one.rule_id,
                "file": printable(one.file or ""),
                "row": "" if pd.isna(one.row) else str(int(one.row)),
                "found": printable(one.message),
                "what to do": printable(one.fix or ""),
            }
        )
    order = sorted(told, key=lambda folder: (folder in whole, folder))
    return {folder: BrokenTrial(told[folder][0]["gives"], tuple(told[folder])) for folder in order}


def told_of_broken(broken: Iterable[BrokenTrial]) -> list[Told]:
    """At most `MOST_TOLD` findings: first one of every trial, then the others, in this order of
    trials."""
    trials = list(broken)
    first = [trial.findings[0] for trial in trials]
    others = (one for trial in trials for one in trial.findings[1:])
    chosen = [*first, *islice(others, max(0, MOST_TOLD - len(first)))][:MOST_TOLD]
    place = {trial.findings[0]["trial"].split("/")[0]: i for i, trial in enumerate(trials)}
    return sorted(chosen, key=lambda one: place[one["trial"].split("/")[0]])
