"""What readers of files that name their columns do last: the table and the rest of its account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc

from assets.staging.account import Account
from assets.staging.columns import Column, Kind, standing_rows
from assets.staging.headers import Notes, Table
from assets.staging.limits import Watch, too_large


def table_of(
    columns: Sequence[tuple[str, Column]], count: int, account: Account, notes: Notes, watch: Watch
) -> Table:
    """The table of columns with so many rows, numbered from 1, without the rows in which nothing
    stands; these and the reasons for missing cells are counted in its account.

    Raises `UnreadableError` (`file_too_large`) when a cell is longer than is read.
    """
    longest = max((_longest(column) for _, column in columns), default=0)
    if longest > watch.limits.cell_length:
        raise too_large(
            f"a cell of {longest:,} characters", f"{watch.limits.cell_length:,} characters of one"
        )
    stands = standing_rows((column for _, column in columns), count)
    rows = np.flatnonzero(stands) + 1
    if len(rows) < count:
        columns = [(name, column.take(stands)) for name, column in columns]
    reasons = missing_reasons([column for _, column in columns])
    account = replace(account, blank_rows=count - len(rows), missing_reasons=reasons)
    return Table(columns, rows, account, notes)


def missing_reasons(columns: Sequence[Column]) -> tuple[tuple[str, int], ...]:
    """What the file shows in cells that are missing for a reason, with counts, most frequent
    first.

    >>> from assets.staging.columns import column_of_cells
    >>> missing_reasons([column_of_cells(["", "1"], [4, 1], [".a", ""])])
    (('.a', 1),)
    """
    found: Counter[str] = Counter()
    for column in columns:
        missing = [i for i in column.shown if column.kinds[i] == Kind.MISSING]
        if missing:
            counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.texts))
            found.update({column.shown[i]: int(counts[i]) for i in missing})
    return tuple(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _longest(column: Column) -> int:
    return int(pc.max(pc.utf8_length(column.texts)).as_py() or 0)
