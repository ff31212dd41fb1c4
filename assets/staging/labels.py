"""What the labels of a trial's files say about each other: alike ones, ids that never meet."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from assets.staging.columns import Column
from assets.staging.people import People
from ibgap.base.labels import alike
from validations.findings import Finding, Severity

_COMPARED = (
    ("study_label", "studies"),
    ("comparison", "comparisons"),
    ("instrument", "instruments"),
    ("timepoint", "times"),
    ("control_group", "control groups"),
    ("source", "publications"),
    ("coder", "coders"),
)
MOST_SHOWN = 3


def labels_alike(
    trial: str, records: Mapping[str, pd.DataFrame], persons: Sequence[pd.DataFrame] = ()
) -> list[Finding]:
    """Labels of records that differ only in case, accents or punctuation: told, never merged.

    records: kind -> records, as they are staged. persons: participant rows by outcome. They carry
    no label of their own that may be named; their clusters are counted.
    """
    out = []
    for column, what in _COMPARED:
        parts = [frame[column] for frame in records.values() if column in frame]
        groups = alike({str(one) for part in parts for one in part if one})
        if groups:
            shown = "; ".join(" and ".join(map(repr, group)) for group in groups[:MOST_SHOWN])
            more = f" and {len(groups) - MOST_SHOWN} more" if len(groups) > MOST_SHOWN else ""
            out.append(_told(trial, f"{what} are called {shown}{more}"))
    clusters = {str(one) for frame in persons for one in frame["cluster"].cat.categories}
    if groups := alike(clusters):
        out.append(_told(trial, f"{len(groups)} clusters have names"))
    return out


def _told(trial: str, what: str) -> Finding:
    return Finding(
        trial,
        "labels_alike",
        Severity.WARNING,
        f"{what} that differ only in case, accents or punctuation; they are taken as different",
        "write them alike where they mean the same (`recode:` translates cells)",
    )


@dataclass(frozen=True)
class Persons:
    """Numbers of the persons in the rows of one participant source (-1: no id), and the arm of
    each row (None where arms change by design)."""

    numbers: np.ndarray
    arms: Column | None = None


_SUFFIX = re.compile(r"[\s_.\-/:]*(?:t|w|wk|week|wave|v|visit|time|tp|fu|pre|post|base(?:line)?)"
                     r"[\s_.\-]*\d*$|[\s_.\-/:]+[a-z]?\d{1,2}$", re.IGNORECASE)  # fmt: skip


def _without_zeros(one: str) -> str:
    plain = re.sub(r"\.0+$", "", one)
    return re.sub(r"(?<!\d)0+(?=\d)", "", plain)


def _without_suffix(one: str) -> str:
    return _SUFFIX.sub("", one) or one


_WAYS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("when zeros in front (or empty decimals) are dropped", _without_zeros),
    ("when upper and lower case count as one", str.casefold),
    ("when the end that seems to name a visit is dropped", _without_suffix),
    (
        "when zeros, case and the end that seems to name a visit are dropped",
        lambda one: _without_zeros(_without_suffix(one.casefold())),
    ),
)
ENOUGH = 0.5
"""Share of the smaller source whose ids must stand in the other one too."""
NEARLY_ALL = 0.9
"""Share of the persons that could meet who must meet as the ids are written."""


def compare_persons(
    trial: str, sources: Mapping[str, Persons], ids_of: Callable[[np.ndarray], list[str]]
) -> tuple[frozenset[frozenset[str]], list[Finding]]:
    """Pairs of participant sources whose ids do not tell the same persons, and what is told of
    each: counts only, never an id.

    ids_of: the ids of persons by their numbers.
    Ids tell the same persons when at least half of the smaller source's stand in the other one,
    hardly more of them would if they were written alike, and the persons that meet are in the
    same arm. A few ids that are written otherwise are told, and the others count.
    """
    unlinked, out = set(), []
    for (first, one), (second, two) in combinations(sorted(sources.items()), 2):
        why, linked = _compared(one, two, ids_of)
        if not why:
            continue
        result = "those that meet count" if linked else (
            "the correlation between their outcomes is the assumed one"
        )  # fmt: skip
        if not linked:
            unlinked.add(frozenset((first, second)))
        out.append(
            Finding(
                trial,
                "participants_do_not_meet",
                Severity.WARNING,
                f"the participant ids of the sources {first!r} and {second!r} do not tell the same "
                f"persons: {why}; {result}",
                "write the ids alike in both files (as text, with their zeros), or declare the "
                "correlation under `pairs:`",
                "trial.yaml",
            )
        )
    return frozenset(unlinked), out


def _compared(
    one: Persons, two: Persons, ids_of: Callable[[np.ndarray], list[str]]
) -> tuple[str, bool]:
    """What is wrong with the ids of two sources (empty: nothing), and whether they still tell
    persons."""
    first, second = (People.different(persons.numbers) for persons in (one, two))
    fewer = min(len(first), len(second))
    both = np.intersect1d(first, second, assume_unique=True)
    met = len(both)
    if met < fewer:
        texts = set(ids_of(first)), set(ids_of(second))
        for way, change in _WAYS:
            meeting = _meeting(*texts, change)
            if meeting > met and meeting >= ENOUGH * fewer:
                return f"{met} of {fewer} meet, and {meeting} {way}", met >= NEARLY_ALL * meeting
    if met < ENOUGH * fewer:
        return f"only {met} of {fewer} meet", False
    if one.arms is None or two.arms is None:
        return "", True
    apart = _apart(_arms(one, both), _arms(two, both))
    if apart:
        linked = apart < (1.0 - NEARLY_ALL) * met
        return f"{met} of {fewer} meet, and {apart} of these are in another arm", linked
    return "", True


def _arms(persons: Persons, numbers: np.ndarray) -> list[str]:
    """The arm of some persons (sorted numbers): that of their last row."""
    assert persons.arms is not None
    last = np.full(int(persons.numbers.max(initial=-1)) + 2, -1, dtype=np.int64)
    last[persons.numbers] = np.arange(len(persons.numbers))
    return persons.arms.take(last[numbers]).rows()


def _apart(arms: Sequence[str], others: Sequence[str]) -> int:
    return sum(bool(a and b and a != b) for a, b in zip(arms, others, strict=True))


def _meeting(first: set[str], second: set[str], change: Callable[[str], str]) -> int:
    """Ids that meet once they are changed; none where the change makes two persons of a source
    one."""
    changed = [{change(one) for one in ids} for ids in (first, second)]
    if any(len(made) < len(ids) for made, ids in zip(changed, (first, second), strict=True)):
        return 0
    return len(changed[0] & changed[1])
