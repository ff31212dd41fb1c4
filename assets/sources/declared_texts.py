"""Texts a manifest declares, found in the cells: recoding, missing codes, words for yes and no.

A whole number may stand in a file with empty decimals ("-99.0", or "-99,0"), because software
that keeps numbers as floats writes it so. It means the same as the number without them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd


def translated(text: pd.Series, mapping: Mapping[str, str], decimal: str = ".") -> pd.Series:
    """Cells whose text is declared, by the text it is declared to mean; others as they are.

    Text as found comes first; the same whole number without empty decimals comes second.
    """
    if not mapping:
        return text
    empty_decimals = rf"^([+-]?\d+){re.escape(decimal)}0+$"
    without = {re.sub(r"^([+-]?\d+)\.0+$", r"\1", key): to for key, to in mapping.items()}
    whole = text.str.replace(empty_decimals, r"\1", regex=True)
    found = {**without, **mapping}
    meant = [found.get(a, without.get(b, a)) for a, b in zip(text, whole, strict=True)]
    return pd.Series(meant, index=text.index, dtype=object)
