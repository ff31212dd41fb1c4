"""Numbers and labels as text for figures and pages: true minus sign, fixed decimals."""

from __future__ import annotations

import math
import re
import unicodedata

MINUS = "\u2212"
MISSING = "\u2013"
INFINITY = "\u221e"

_NARROW = frozenset("iIjl.,;:|!'()[]ft ")
_BROAD = frozenset("mwMW@%")
# Direction overrides would let a label reorder the text beside it.
_UNSAFE = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufffe\uffff")
_ODD = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff{''.join(sorted(_UNSAFE))}]|  |[^\\S ]")
"""What `clean` has to look at character by character."""


def as_float(value: object) -> float:
    """The value as a float, nan for anything that is not a number."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan


def number(value: object, digits: int = 2) -> str:
    """Fixed decimals with a true minus; an en dash for a missing number; never minus zero."""
    found = as_float(value)
    if math.isnan(found):
        return MISSING
    if math.isinf(found):
        return INFINITY if found > 0 else MINUS + INFINITY
    text = f"{found:.{digits}f}"
    if float(text) == 0:
        return text.removeprefix("-")
    return text.replace("-", MINUS)


def whole(value: object) -> str:
    """A count with thin thousands: `14,522`."""
    found = as_float(value)
    return MISSING if not math.isfinite(found) else f"{found:,.0f}".replace("-", MINUS)


def percent(share: object) -> str:
    """A share of 1 as whole percent: `54%`; shares that round to 0 or 100 without being so
    say `<1%` and `>99%`."""
    found = as_float(share)
    if math.isnan(found):
        return MISSING
    if 0 < found < 0.005:
        return "<1%"
    if 0.995 < found < 1:
        return ">99%"
    return f"{100 * found:.0f}%".replace("-", MINUS)


def interval(lower: object, upper: object, digits: int = 2) -> str:
    """`[0.15, 0.23]` as columns show it."""
    if math.isnan(as_float(lower)) or math.isnan(as_float(upper)):
        return MISSING
    return f"[{number(lower, digits)}, {number(upper, digits)}]"


def interval_words(lower: object, upper: object, digits: int = 2) -> str:
    """`0.15 to 0.23` as prose shows it."""
    return f"{number(lower, digits)} to {number(upper, digits)}"


def p_value(value: object) -> str:
    """Three decimals, `<0.001` below."""
    found = as_float(value)
    if math.isnan(found):
        return MISSING
    return "<0.001" if found < 0.001 else f"{found:.3f}"


def clean(text: object) -> str:
    """The text without control characters and direction overrides, white space collapsed."""
    given = str(text)
    if _ODD.search(given) is None:
        return given.strip()
    kept = (
        " " if c.isspace() else c
        for c in given
        if c.isspace() or not (unicodedata.category(c) in ("Cc", "Cs") or c in _UNSAFE)
    )
    return " ".join("".join(kept).split())


def text_width(text: str, size: float = 13.0) -> float:
    """Estimated width in px in a common sans-serif font, on the generous side."""
    width = 0.0
    for c in text:
        if unicodedata.east_asian_width(c) in ("W", "F"):
            width += 1.05
        elif unicodedata.combining(c):
            continue
        elif c in _NARROW:
            width += 0.33
        elif c in _BROAD:
            width += 0.92
        else:
            width += 0.7 if c.isupper() else 0.575
    return width * size


def truncate(text: str, width: float, size: float = 13.0) -> str:
    """The text cut to fit `width` px, ending in an ellipsis when something is missing."""
    if text_width(text, size) <= width:
        return text
    room = width - text_width("\u2026", size)
    kept = ""
    used = 0.0
    for c in text:
        used += text_width(c, size)
        if used > room:
            break
        kept += c
    return kept.rstrip() + "\u2026"
