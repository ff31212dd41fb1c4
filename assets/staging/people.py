"""Persons of a trial, numbered: ids stay in the memory of the run that reads them.

A person has the same number in all sources of the trial. Nothing that is kept or published holds
an id or anything made from it.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.staging.columns import NOTHING, Column


class People:
    """The persons of one trial in order of appearance, over all its sources.

    several: whether more than one source is asked for numbers; else no id need be remembered.

    >>> from assets.staging.columns import column_of_texts
    >>> people = People()
    >>> people.numbers(column_of_texts(["P7", "P2", ""])).tolist()
    [0, 1, -1]
    >>> people.numbers(column_of_texts(["P2", "P9"])).tolist()
    [1, 2]
    """

    def __init__(self, *, several: bool = True) -> None:
        self._several = several
        self._ids: pa.StringArray = pa.array([], pa.string())

    def numbers(self, ids: Column) -> np.ndarray:
        """The number (int32) of the person in each row, -1 where no id stands. ids: labels."""
        known = len(self._ids)
        ids = ids.as_text()
        if not known:
            self._ids = ids.texts if self._several else self._ids
            return ids.codes
        found = pc.index_in(ids.texts, self._ids)
        new = ids.texts.filter(pc.is_null(found))
        added = pc.add(pc.index_in(ids.texts, new), pa.scalar(known, pa.int32()))
        self._ids = pa.concat_arrays([self._ids, new])
        of_level = np.append(pc.coalesce(found, added).to_numpy(), NOTHING).astype(np.int32)
        return np.asarray(of_level[ids.codes])

    @staticmethod
    def different(numbers: np.ndarray) -> np.ndarray:
        """The numbers that stand in some rows, sorted, each once and without -1.

        >>> People.different(np.array([2, -1, 0, 2])).tolist()
        [0, 2]
        """
        return np.flatnonzero(np.bincount(numbers[numbers >= 0]))

    def ids(self, numbers: np.ndarray) -> list[str]:
        """The ids of some persons."""
        return list(self._ids.take(pa.array(numbers)).to_pylist())
