"""Texts of published tables hold no character that hides or reorders others."""

from __future__ import annotations

import pandas as pd

from ibgap.base.printable import printable


def visible(frame: pd.DataFrame) -> pd.DataFrame:
    """The texts with control and bidirectional characters made visible, here for all that reads
    a release: pages, figures, exports and terminals."""
    texts = [c for c in frame.columns if pd.api.types.is_string_dtype(frame[c])]
    made = {c: [printable(str(text).replace("\r\n", "\n")) for text in frame[c]] for c in texts}
    return frame.assign(**{c: pd.Series(v, frame.index, dtype="string") for c, v in made.items()})
