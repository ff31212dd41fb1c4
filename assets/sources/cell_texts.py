"""Cells of files that hold typed values, as the text a person would type."""

from __future__ import annotations

import numpy as np
import pandas as pd


def as_text(value: object) -> str:
    """A cell as a person would type it: no trailing .0, no nan, ISO dates.

    >>> [as_text(one) for one in (3.0, None, float("nan"), True, " a ")]
    ['3', '', '', '1', 'a']
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NaT or value is pd.NA:
        return ""
    if isinstance(value, float) and value != value:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value).strip()
