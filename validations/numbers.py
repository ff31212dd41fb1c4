"""What a number read from a file may be: how large, how small, whole, a percent of whole persons.

Texts are judged as found: their digits say more than the number they are cast to.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from decimal import Decimal
from enum import IntEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NUMBER_PATTERN = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_COMMA_PATTERN = r"^[+-]?[0-9]+,[0-9]+$"
LARGEST_MEASUREMENT = 1e30
SMALLEST_MEASUREMENT = 1e-30
LARGEST_COUNT = 1e10
"""More than there are people."""

_OTHER_THAN_ZERO = re.compile(r"[1-9]")
_SLACK = 1e-9
"""Percents of spreadsheets carry all digits of a double: this much of one percent is rounding."""


class Reading(IntEnum):
    """What the text of a number turned out to be.

    BEYOND: a number, larger or nearer to 0 than a double holds. COMMA: one if the comma were the
    decimal sign. WORD: anything else.
    """

    EMPTY = 0
    NUMBER = 1
    BEYOND = 2
    COMMA = 3
    WORD = 4


def read_numbers(texts: Sequence[str | None] | pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The one parser of numbers: float64 (nan where no number stands) and `Reading`, per text.

    A number has ASCII digits, a decimal point if any sign, and an exponent at most; nothing else
    is one, and what a double cannot hold is not read.

    >>> values, readings = read_numbers(["1.50", "", "1e400", "2,5", "nan", "\u0665"])
    >>> values.tolist(), readings.tolist()
    ([1.5, nan, nan, nan, nan, nan], [1, 0, 2, 3, 4, 4])
    """
    array = texts if isinstance(texts, pa.Array) else pa.array(list(texts), pa.string())
    array = pc.fill_null(array.cast(pa.string()), "")
    is_number = pc.match_substring_regex(array, NUMBER_PATTERN)
    numbers = pc.cast(pc.if_else(is_number, array, None), pa.float64())
    values = numbers.to_numpy(zero_copy_only=False).astype(float, copy=True)
    readings = np.full(len(array), int(Reading.WORD), dtype=np.uint8)
    readings[_mask(pc.equal(array, ""))] = Reading.EMPTY
    readings[_mask(is_number)] = Reading.NUMBER
    words = np.flatnonzero(readings == Reading.WORD)
    if len(words):
        with_comma = _mask(pc.match_substring_regex(array.take(words), _COMMA_PATTERN))
        readings[words[with_comma]] = Reading.COMMA
    zeros = np.flatnonzero(values == 0.0)
    beyond = np.flatnonzero(np.isinf(values))
    if len(zeros):
        not_zero = _mask(pc.match_substring_regex(array.take(zeros), "^[^eE]*[1-9]"))
        beyond = np.append(beyond, zeros[not_zero])
    readings[beyond] = Reading.BEYOND
    values[beyond] = np.nan
    return values, readings


def _mask(flags: pa.Array) -> np.ndarray:
    return np.asarray(flags.to_numpy(zero_copy_only=False), dtype=bool)


def is_plausible(text: str, *, count: bool = False, tiny: bool = False) -> bool:
    """Whether the text of a number can be something measured or counted: finite, not above 1e30
    (counts: 1e10) and, unless it is 0 or may be `tiny` (p-values), not nearer to 0 than 1e-30.

    >>> [is_plausible(one) for one in ("4.5", "1e400", "1e-400", "0.00")]
    [True, False, False, True]
    """
    size = abs(float(text))
    if not size <= (LARGEST_COUNT if count else LARGEST_MEASUREMENT):
        return False
    return tiny or size >= SMALLEST_MEASUREMENT or not _OTHER_THAN_ZERO.search(_mantissa(text))


def _mantissa(text: str) -> str:
    return re.split("[eE]", text)[0]


def decimals_of(text: str) -> int:
    """Decimals that a number is printed with.

    >>> [decimals_of(one) for one in ("33.30", "45", "3.33e1", "4e1")]
    [2, 0, 1, 0]
    """
    exponent = Decimal(text).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def whole_events(percent: float, decimals: float, n: float) -> float:
    """The whole number of n persons that a percent printed with so many decimals stands for: the
    nearest that rounds to it, else the one that gives it when its further digits are cut off;
    nan when there is none or something is missing.

    >>> [whole_events(33.3, 1, 60), whole_events(66.6, 1, 60), whole_events(45.5, 1, 100)]
    [20.0, 40.0, nan]
    """
    if not (math.isfinite(percent) and math.isfinite(n) and n > 0 and 0 <= percent <= 100):
        return math.nan
    unit = 10.0 ** -(decimals if math.isfinite(decimals) else 0.0)
    nearest = float(np.rint(percent / 100.0 * n))
    if abs(100.0 * nearest / n - percent) <= 0.5 * unit + _SLACK:
        return nearest
    above = float(math.ceil((percent - _SLACK) / 100.0 * n))
    return above if above <= n and 100.0 * above / n < percent + unit - _SLACK else math.nan
