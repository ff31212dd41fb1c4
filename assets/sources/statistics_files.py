"""SPSS, Stata, SAS and Parquet files, whose columns have names of their own."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from assets.sources.cell_texts import as_text
from assets.sources.headers import Columns
from assets.sources.unreadable import opening

_NAMES = {
    ".sav": "read_sav",
    ".zsav": "read_sav",
    ".dta": "read_dta",
    ".sas7bdat": "read_sas7bdat",
    ".xpt": "read_xport",
}


def read_statistics_file(path: Path) -> Columns:
    """SPSS, Stata and SAS files: codes as text, value labels beside them, user-missing dropped."""
    import pyreadstat

    suffix = path.suffix.lower()
    options = {"user_missing": True} if suffix in (".sav", ".zsav", ".dta") else {}
    with opening("the file", "export it again from its source"):
        reader: Callable[..., tuple[pd.DataFrame, Any]] = getattr(pyreadstat, _NAMES[suffix])
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
    with opening("the Parquet file", "write it again"):
        return _columns(pd.read_parquet(io.BytesIO(data)), {})


def _columns(frame: pd.DataFrame, labels: dict[str, dict[str, str]]) -> Columns:
    """Text by column, blank rows left out; rows are counted from 1, as there is no header row."""
    names = [str(name).strip() for name in frame.columns]
    texts = [[as_text(value) for value in frame.iloc[:, i]] for i in range(len(names))]
    rows = [list(row) for row in zip(*texts, strict=True)]
    kept = [i for i, row in enumerate(rows) if any(row)]
    text = pd.DataFrame([rows[i] for i in kept], columns=names, dtype=object)
    return Columns(text, [i + 1 for i in kept], labels)
