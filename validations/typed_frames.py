"""Frames whose texts are categories, joined without making a text of each cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals


def as_category(values: pd.Series) -> pd.Series:
    """Texts as categories that are in use, in the order of the alphabet."""
    if not isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype("category")
    used = values.cat.remove_unused_categories()
    return used.cat.reorder_categories(sorted(used.cat.categories))


def constant(value: object, count: int) -> pd.Categorical:
    """One value in every row, as a category (None: nothing in any).

    >>> list(constant("a", 2)), list(constant(None, 1))
    (['a', 'a'], [nan])
    """
    codes: Any = np.full(count, -1 if value is None else 0, np.int8)
    return pd.Categorical.from_codes(codes, pd.Index([] if value is None else [value]))


Cells = dict[str, Any]
"""Column -> its cells: a numpy array, or categories."""


def cells_of(frame: pd.DataFrame) -> Cells:
    """The cells of each column, not copied."""
    return {str(name): _cells(column) for name, column in frame.items()}


def _cells(column: pd.Series) -> Any:
    return column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array


def frame_of(cells: Mapping[str, Any], names: Iterable[str], count: int) -> pd.DataFrame:
    """Some columns as a frame of so many rows that shares their cells: nothing is copied."""
    return pd.DataFrame({n: cells[n] for n in names}, index=pd.RangeIndex(count), copy=False)


def some_columns(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Columns of a frame that share its cells: nothing is copied."""
    cells = {name: _cells(frame[name]) for name in names}
    return pd.DataFrame(cells, index=frame.index, copy=False)


def numbered(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with rows numbered from 0, sharing its cells."""
    out = frame.copy(deep=False)
    out.index = pd.RangeIndex(len(frame))
    return out


def joined_frames(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Frames as one, with the columns of the first of them that has any rows.

    Categories of all frames become those of the whole, in the order of the alphabet. A flag that
    only some of them have holds (True) in the others.

    >>> one = pd.DataFrame({"arm": pd.Categorical(["b"])})
    >>> two = pd.DataFrame({"arm": pd.Categorical(["a", None]), "fine": [True, False]})
    >>> whole = joined_frames([one, two])
    >>> whole["arm"].tolist(), list(whole["arm"].cat.categories), whole["fine"].tolist()
    (['b', 'a', nan], ['a', 'b'], [True, True, False])
    """
    filled = [frame for frame in frames if len(frame)] or list(frames[:1])
    if len(filled) == 1:
        return numbered(filled[0])
    cells, counts = [cells_of(frame) for frame in filled], [len(frame) for frame in filled]
    names = list(dict.fromkeys(name for one in cells for name in one))
    whole = {name: _joined([one.get(name) for one in cells], counts) for name in names}
    return frame_of(whole, names, sum(counts))


def _joined(parts: Sequence[Any], counts: Sequence[int]) -> Any:
    """Cells of frames with so many rows as those of one; None: a frame without the column."""
    known = [part for part in parts if part is not None]
    everywhere = len(known) == len(parts)
    if everywhere and all(isinstance(part.dtype, pd.CategoricalDtype) for part in known):
        return _joined_categories(known)
    kind = known[0].dtype
    alike = isinstance(kind, np.dtype) and all(part.dtype == kind for part in known)
    if alike and (everywhere or kind in _ABSENT):
        given = zip(parts, counts, strict=True)
        return np.concatenate(
            [np.full(n, _ABSENT[kind]) if part is None else part for part, n in given]
        )
    made = [
        pd.Series([None] * count if part is None else part)
        for part, count in zip(parts, counts, strict=True)
    ]
    return pd.concat(made, ignore_index=True)


_ABSENT = {np.dtype(bool): True, np.dtype(np.float64): np.nan}
"""What stands in the rows of a frame without the column."""


def _joined_categories(parts: Sequence[pd.Categorical]) -> pd.Categorical:
    first = parts[0]
    same = all(part.categories.equals(first.categories) for part in parts)
    if same and first.categories.is_monotonic_increasing and not first.ordered:
        codes = np.concatenate([part.codes for part in parts])
        return pd.Categorical.from_codes(codes, dtype=first.dtype)  # type: ignore[arg-type]
    whole: pd.Categorical = union_categoricals(list(parts), sort_categories=True)
    return whole
