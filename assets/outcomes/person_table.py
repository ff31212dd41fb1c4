"""The persons of one trial, once: who has which value of which outcome in which arm.

Participant rows come as one table with a row per person and outcome. What is computed of them
goes through arms: the persons of one arm who have a value of one outcome, as arrays in the order
of the file. Sums in that order do not depend on how persons are numbered or named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from analysis.gap.contributions import ArmSums, Members, arm_sums

PERSONS = "persons"
"""Column of participant rows that says how many persons a row stands for; without it, one."""
_LABELS = ("trial_id", "collection_id", "study_label", "source_id", "file", "outcome", "arm",
           "cluster")  # fmt: skip
_LAST = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Arm:
    """The n persons of one arm who have a value of one outcome, in the order of the file.

    person: positions in the trial's list of persons, ascending. value: their values. baseline:
    values before the intervention (nan for none), or None where nobody has one. cluster: number of
    the person's cluster, -1 for none. persons: how many persons each stands for, None for 1.
    """

    person: np.ndarray
    value: np.ndarray
    baseline: np.ndarray | None = None
    cluster: np.ndarray | None = None
    persons: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.value)

    @cached_property
    def sums(self) -> ArmSums:
        """Number of persons, mean, squares, smallest and largest value."""
        return arm_sums(self.value, self.persons)

    @property
    def members(self) -> Members:
        """All persons, for contributions to an effect."""
        return Members(self.person, self.value)

    @cached_property
    def with_baseline(self) -> Members:
        """Persons with a baseline, which is their covariate."""
        if self.baseline is None:
            none = np.empty(0)
            return Members(self.person[:0], none, none)
        known = np.isfinite(self.baseline)
        if known.all():
            return Members(self.person, self.value, self.baseline)
        return Members(self.person[known], self.value[known], self.baseline[known])


@dataclass(frozen=True)
class PersonTable:
    """Persons of one trial.

    count: number of persons. outcomes: outcome -> arm -> persons of that arm with
    the outcome, arms in the order of their texts; only those with persons. sources: outcome -> the
    source it comes from. persons: how many persons each of the list stands for, None for 1.
    """

    count: int
    outcomes: dict[str, dict[str, Arm]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    persons: np.ndarray | None = None

    def joined(
        self, first: str, second: str
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray | None]]:
        """Arms of the persons with two outcomes: arm, values of both, and how many persons each
        stands for. The arm is the one that the second outcome's row names."""
        values = np.full(self.count, np.nan)
        for arm in self.outcomes[first].values():
            values[arm.person] = arm.value
        for name, arm in self.outcomes[second].items():
            own = values[arm.person]
            both = np.isfinite(own) & np.isfinite(arm.value)
            if both.all():
                yield name, own, arm.value, arm.persons
            elif both.any():
                many = None if arm.persons is None else arm.persons[both]
                yield name, own[both], arm.value[both], many

    def arms_in_file(self, first: str, second: str) -> list[str]:
        """Arms of a pair of outcomes in the order of their first persons in the file."""
        has = np.zeros(self.count, dtype=bool)
        for arm in self.outcomes[second].values():
            has[arm.person] = True
        start = {name: int(arm.person[0]) for name, arm in self.outcomes[second].items()}
        for name, arm in self.outcomes[first].items():
            alone = ~has[arm.person]
            if name in start and alone.any():
                start[name] = min(start[name], int(arm.person[np.argmax(alone)]))
        return sorted(start, key=lambda name: start[name])


def typed_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Participant rows with labels as categories and persons as whole numbers, whatever columns
    they come with; the same table where they have them already."""
    new: dict[str, Any] = {}
    for name in _LABELS:
        if name in rows and not isinstance(rows[name].dtype, pd.CategoricalDtype):
            new[name] = rows[name].astype("category")
    numbers = rows["participant"]
    whole = pd.api.types.is_integer_dtype(numbers.dtype)
    if not whole or numbers.min() < 0 or numbers.max() > 4 * len(rows):
        new["participant"] = pd.factorize(numbers)[0].astype(np.int32)
    return rows.assign(**new) if new else rows


def person_table(rows: pd.DataFrame) -> PersonTable:
    """The persons of one trial's accepted participant rows (labels as text or as categories).

    Raises `ValueError` where a person stands more than once for an outcome.

    >>> rows = pd.DataFrame({"trial_id": "t", "source_id": "s", "row": [2, 3], "arm": ["a", "c"],
    ...     "participant": ["x", "y"], "outcome": "i", "value": [4.0, 5.0]})
    >>> arms = person_table(rows).outcomes["i"]
    >>> {name: (arm.person.tolist(), arm.value.tolist()) for name, arm in arms.items()}
    {'a': ([0], [4.0]), 'c': ([1], [5.0])}
    """
    if rows.empty:
        return PersonTable(0)
    rows = typed_rows(rows)
    outcomes = rows["outcome"].cat
    places: dict[str, np.ndarray | slice] = {}
    for code, name in enumerate(outcomes.categories):
        place = _places(outcomes.codes.to_numpy(), code)
        if place is not None:
            places[str(name)] = place
    count, position = _order(rows, list(places.values()))
    persons = None
    if PERSONS in rows:
        persons = np.zeros(count)
        persons[position[rows["participant"].to_numpy()]] = rows[PERSONS].to_numpy(dtype=float)
    return PersonTable(
        count,
        {name: _arms(rows, place, position, persons) for name, place in places.items()},
        _sources(rows, places),
        persons,
    )


def _places(codes: np.ndarray, code: int) -> np.ndarray | slice | None:
    """Rows that have a code: a slice where they stand together, None where there is none."""
    member = codes == code
    count = int(np.count_nonzero(member))
    if not count:
        return None
    first = int(np.argmax(member))
    if member[first : first + count].all():
        return slice(first, first + count)
    return np.flatnonzero(member)


def _order(rows: pd.DataFrame, places: list[np.ndarray | slice]) -> tuple[int, np.ndarray]:
    """Number of persons, and for each person's number the position in the order of the file: by
    first row, and of several files with one row number by the order of the table."""
    numbers = rows["participant"].to_numpy()
    row = rows["row"].to_numpy()
    first = np.full(int(numbers.max()) + 1, _LAST, dtype=np.int32)
    for place in places:
        person = numbers[place]
        first[person] = np.minimum(first[person], row[place])
    present = first != _LAST
    count = int(np.count_nonzero(present))
    known = first if count == len(first) else first[present]
    if (known[1:] > known[:-1]).all():
        position = np.cumsum(present, dtype=np.int32)
        position -= 1
        return count, position
    order = np.lexsort((np.arange(len(row)), row))
    in_file = pd.unique(numbers[order])
    position = np.full(len(first), -1, dtype=np.int32)
    position[in_file] = np.arange(len(in_file), dtype=np.int32)
    return count, position


def _arms(
    rows: pd.DataFrame,
    place: np.ndarray | slice,
    position: np.ndarray,
    persons: np.ndarray | None,
) -> dict[str, Arm]:
    """The arms of one outcome, whose rows stand at `place`."""
    arms = rows["arm"].cat
    codes = arms.codes.to_numpy()[place]
    person = rows["participant"].to_numpy()[place]
    value, baseline, cluster = (_column(rows, name, place) for name in _OF_A_ROW)
    names = [str(name) for name in arms.categories]
    out = {}
    for code in sorted(range(len(names)), key=names.__getitem__):
        own = np.flatnonzero(codes == code)
        if not len(own):
            continue
        where = position[person[own]]
        if not (where[1:] > where[:-1]).all():
            order = np.argsort(where, kind="stable")
            own, where = own[order], where[order]
            if (where[1:] == where[:-1]).any():
                raise ValueError("a person stands more than once for an outcome")
        assert value is not None, "participant rows have values"
        out[names[code]] = Arm(
            where,
            value[own],
            None if baseline is None else baseline[own],
            None if cluster is None else cluster[own],
            None if persons is None else persons[where],
        )
    return out


_OF_A_ROW = ("value", "baseline", "cluster")


def _column(rows: pd.DataFrame, name: str, place: np.ndarray | slice) -> np.ndarray | None:
    """Numbers of a column, codes of clusters (-1 also for an empty one); None for nothing."""
    if name not in rows:
        return None
    if name != "cluster":
        numbers = rows[name].to_numpy(dtype=float)[place]
        return numbers if name == "value" or np.isfinite(numbers).any() else None
    labels = rows[name].cat
    named = [i for i, text in enumerate(labels.categories) if text != ""]
    if not named:
        return None
    codes: np.ndarray = labels.codes.to_numpy()[place]
    return (
        np.where(np.isin(codes, named), codes, -1) if len(named) < len(labels.categories) else codes
    )


def _sources(rows: pd.DataFrame, places: dict[str, np.ndarray | slice]) -> dict[str, str]:
    """The source of each outcome (of its last row)."""
    if "source_id" not in rows:
        return {}
    sources = rows["source_id"].cat
    codes = sources.codes.to_numpy()
    return {name: str(sources.categories[codes[place][-1]]) for name, place in places.items()}
