"""How numbers are written in files, settled once: as ASCII digits with a decimal point.

Digits of any script, typographic minus signs, no-break blanks, the declared decimal sign and what
groups thousands. Whatever is no such text stays as found, so that it is told as no number.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.staging.columns import Column, Kind

MISSING_TEXTS = ("NA", "<NA>", "NaN", "nan", ".")
"""What R, Python, SAS and Stata write into text files where a number is missing."""
_MINUS = dict.fromkeys(map(ord, "\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d"), "-")
_SIGNS = _MINUS | {0xFF0B: "+", 0xFF0E: ".", 0xFF0C: ",", 0x066B: ".", 0xFF05: "%", 0x066A: "%"}
_GROUPS = "\u00a0\u202f\u2009\u2007\u066c"
"""Blanks and marks that stand between thousands and nowhere else in a number."""
_BLANK_GROUPS = rf"^([+-]?\d{{1,3}})(?:[{_GROUPS}]\d{{3}})+([.,]\d+)?%?$"
_POINT_GROUPS = r"^[+-]?[1-9][0-9]{0,2}(\.[0-9]{3})+(,[0-9]+)?\s*%?$"
"""Points between thousands: 1.234, and never 0.125."""


def number_texts_of(column: Column, decimal: str = ".") -> pa.StringArray:
    """Each different cell of a column as the text of a number, if it is one.

    Numbers that the file stores as such have a decimal point already: the declared decimal sign
    is that of text. Where it is a comma, points that group thousands go, and any other point
    becomes `·`, so that the cell is no number.

    >>> from assets.staging.columns import column_of_texts
    >>> column = column_of_texts(["\\uff11\\uff12", "\\u22125,5", "1.234,5", "0.125"])
    >>> number_texts_of(column, ",").to_pylist()
    ['12', '-5.5', '1234.5', '0·125']
    """
    texts = _in_ascii(column.texts)
    typed = column.kinds != Kind.TEXT
    if decimal != "," or typed.all():
        return texts
    grouped = pc.match_substring_regex(texts, _POINT_GROUPS)
    plain = pc.if_else(grouped, pc.replace_substring(texts, ".", ""), texts)
    commas = pc.replace_substring(pc.replace_substring(plain, ".", "·"), ",", ".")
    return pc.if_else(pa.array(typed), texts, commas)


def percent_texts_of(column: Column, decimal: str = ".") -> pa.StringArray:
    """As `number_texts_of`, of a column whose numbers are percents: a stored share that the file
    shows as a percent is that percent, and a sign behind the number goes.

    >>> from assets.staging.columns import column_of_cells
    >>> percent_texts_of(column_of_cells(["0.45"], [Kind.NUMBER], ["45%"], [True])).to_pylist()
    ['45']
    """
    texts = number_texts_of(column, decimal)
    texts = pc.replace_substring_regex(texts, r"([0-9.])\s*%$", r"\1")
    if not column.percents:
        return texts
    levels = texts.to_pylist()
    for i in column.percents:
        levels[i] = _hundredfold(levels[i])
    return pa.array(levels, pa.string())


def stands_for_missing(texts: Sequence[str] | pa.StringArray) -> np.ndarray:
    """Cells that software writes where a number is missing."""
    array = texts if isinstance(texts, pa.Array) else pa.array(list(texts), pa.string())
    found = pc.is_in(array, pa.array(MISSING_TEXTS, pa.string()))
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)


def _hundredfold(text: str) -> str:
    try:
        product = Decimal(text).scaleb(2)
    except InvalidOperation:
        return text
    return format(product.normalize() if product == product.to_integral() else product, "f")


def _in_ascii(texts: pa.StringArray) -> pa.StringArray:
    """Texts with other signs than ASCII ones, written in ASCII where they are numbers."""
    plain = pc.string_is_ascii(texts)
    if pc.all(plain).as_py() is not False:
        return texts
    levels = texts.to_pylist()
    for i in np.flatnonzero(~np.asarray(plain.to_numpy(zero_copy_only=False), dtype=bool)):
        levels[i] = _number_in_ascii(levels[i])
    return pa.array(levels, pa.string())


def _number_in_ascii(text: str) -> str:
    """The text in ASCII digits and signs; as found when it holds anything else.

    >>> texts = ("\\u0661\\u066b\\u0665", "1\\u202f234", "45\\xa0%", "1\\u20132")
    >>> [_number_in_ascii(one) for one in texts]
    ['1.5', '1234', '45%', '1–2']
    """
    digits = "".join(str(unicodedata.decimal(c, c)) for c in text.strip())
    signs = re.sub(rf"[\s{_GROUPS}]+%$", "%", digits.translate(_SIGNS))
    if re.match(_BLANK_GROUPS, signs):
        signs = re.sub(f"[{_GROUPS}]", "", signs)
    if signs.isascii() and re.fullmatch(r"[+-]?[0-9.,]+(?:[eE][+-]?[0-9]+)?\s*%?", signs):
        return signs
    return text
