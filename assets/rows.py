"""Rows of a small table as records, and empty tables, without a pass per column.

What is computed of one trial are tables of a few rows and many columns, where every operation on a
column costs more than all of its numbers. They are walked row by row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.synthesis.stack import Record


def records_of(table: pd.DataFrame) -> list[Record]:
    """The rows of a table by column, with numbers and truths as Python has them.

    >>> records_of(pd.DataFrame({"a": [1.5, 2.0], "b": ["x", None]}))
    [{'a': 1.5, 'b': 'x'}, {'a': 2.0, 'b': None}]
    """
    names = list(table.columns)
    cells = table.to_numpy(dtype=object).tolist()
    return [dict(zip(names, row, strict=True)) for row in cells]


def empty_table(columns: Sequence[str]) -> pd.DataFrame:
    """A table without rows.

    >>> list(empty_table(["a", "b"]).columns)
    ['a', 'b']
    """
    return pd.DataFrame(np.empty((0, len(columns)), dtype=object), columns=list(columns))
