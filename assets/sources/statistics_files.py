"""SPSS, Stata, SAS and Parquet files, whose columns have names of their own."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from assets.sources.cell_texts import as_text
from assets.sources.headers import Columns
from assets.sources.unreadable import UnreadableError, opening

_NAMES = {
    ".sav": "read_sav",
    ".zsav": "read_sav",
    ".dta": "read_dta",
    ".sas7bdat": "read_sas7bdat",
    ".xpt": "read_xport",
}


MOST_CELLS = 50_000_000
_BEST_COMPRESSION = 1032
"""Bytes that one byte of a deflated stream can stand for."""


def read_statistics_file(path: Path, size: int) -> Columns:
    """SPSS, Stata and SAS files: codes as text, value labels beside them, user-missing dropped.

    size: bytes of the file, which bound what it can hold.
    """
    import pyreadstat

    suffix = path.suffix.lower()
    options = {"user_missing": True} if suffix in (".sav", ".zsav", ".dta") else {}
    with opening("the file", "export it again from its source"):
        reader: Callable[..., tuple[pd.DataFrame, Any]] = getattr(pyreadstat, _NAMES[suffix])
        said = reader(str(path), metadataonly=True)[1]
        held = size * (_BEST_COMPRESSION if suffix == ".zsav" else 1)
        _refuse_extent(said.number_rows, said.number_columns, held)
        frame, meta = reader(str(path), **options)
        _drop_user_missing(frame, getattr(meta, "missing_ranges", None) or {})
        labels = {
            column: {as_text(code): str(label) for code, label in values.items()}
            for column, values in (getattr(meta, "variable_value_labels", None) or {}).items()
        }
        return _columns(frame, labels)


def _drop_user_missing(frame: pd.DataFrame, ranges: dict[str, list[dict[str, Any]]]) -> None:
    for column, spans in ranges.items():
        numbers = pd.to_numeric(frame[column], errors="coerce")
        for span in spans:
            low, high = span["lo"], span["hi"]
            if isinstance(low, str):
                frame[column] = frame[column].where(frame[column] != low)
            else:
                frame[column] = frame[column].where(~numbers.between(low, high))


def read_parquet(data: bytes) -> Columns:
    """A Parquet file as text."""
    import pyarrow.parquet as pq

    with opening("the Parquet file", "write it again"):
        said = pq.read_metadata(io.BytesIO(data))
        _refuse_extent(said.num_rows, said.num_columns, None)
        return _columns(pd.read_parquet(io.BytesIO(data)), {})


def _refuse_extent(rows: int | None, columns: int | None, held: int | None) -> None:
    """Raise when a file says it is larger than its bytes (held) can hold, or than is read."""
    rows, columns = rows or 0, columns or 0
    if held is not None and max(rows, columns) > held:
        raise UnreadableError(
            "file_truncated",
            f"the file says it has {rows:,} rows, more than its bytes can hold; it is damaged or "
            "truncated",
            "export it again from its source",
        )
    if rows * columns > MOST_CELLS:
        raise UnreadableError(
            "file_too_large",
            f"the file has {rows:,} rows of {columns:,} columns; at most {MOST_CELLS:,} cells are "
            "read",
            "keep the columns that the manifest names",
        )


def _columns(frame: pd.DataFrame, labels: dict[str, dict[str, str]]) -> Columns:
    """Text by column, blank rows left out; rows are counted from 1, as there is no header row."""
    names = [str(name).strip() for name in frame.columns]
    texts = [[as_text(value) for value in frame.iloc[:, i]] for i in range(len(names))]
    rows = [list(row) for row in zip(*texts, strict=True)]
    kept = [i for i, row in enumerate(rows) if any(row)]
    text = pd.DataFrame([rows[i] for i in kept], columns=names, dtype=object)
    return Columns(text, [i + 1 for i in kept], labels)
