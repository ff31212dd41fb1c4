"""Texts of published tables hold no character that hides or reorders others."""

from __future__ import annotations

import pandas as pd

from ibgap.base.printable import printable


def visible(frame: pd.DataFrame) -> pd.DataFrame:
    """The texts with control and bidirectional characters made visible, here for all that reads
    a release: pages, figures, exports and terminals."""
    texts = [c for c in frame.columns if pd.api.types.is_string_dtype(frame[c])]
    return frame.assign(**{c: _visible(frame[c]) for c in texts})


def _visible(column: pd.Series) -> pd.Series:
    """Each text once: most columns repeat theirs."""
    shown: dict[str, str] = {}
    for text in set(map(str, column)):
        shown[text] = printable(text.replace("\r\n", "\n"))
    return pd.Series([shown[str(text)] for text in column], column.index, dtype="string")
