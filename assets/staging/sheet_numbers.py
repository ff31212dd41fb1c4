"""Numbers of spreadsheets as their formats make them: plain numbers, percents, dates and times."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

from assets.staging.columns import Kind

Cell = tuple[str, Kind, str, bool]
"""Text, kind, what the sheet shows where it differs, and whether as a percent."""

_LITERAL = re.compile(r'"[^"]*"?|\\.|[_*].|\[[^\]]*\]')
_PLACES = re.compile(r"[0#?,]*(?:\.([0#?]*))?")
_LAST_DAY = {False: 2_958_466, True: 2_957_004}
"""Days from which years have five digits, for dates that count from 1900 and from 1904."""


@dataclass(frozen=True)
class Look:
    """How a format shows numbers.

    what: `number`, `percent`, `date` (without a time of day), `time` (with or without a date) or
    `duration`. least, most: decimals of a percent. grouped: its thousands apart.
    """

    what: str
    least: int = 0
    most: int = 0
    grouped: bool = False


PLAIN = Look("number")


def look_of(code: str) -> Look:
    """How a format shows numbers.

    >>> [look_of(code).what for code in ("0.00", "0.0%", "yyyy-mm-dd", "h:mm", "[h]:mm", '0"%"')]
    ['number', 'percent', 'date', 'time', 'duration', 'number']
    """
    from openpyxl.styles.numbers import is_date_format, is_timedelta_format

    section = _LITERAL.sub("", code).split(";")[0]
    if "%" in section:
        found = next((m for m in _PLACES.finditer(section) if m[0]), None)
        decimals = (found[1] or "") if found else ""
        grouped = found is not None and "," in found[0].rstrip(",")
        return Look("percent", decimals.count("0") + decimals.count("?"), len(decimals), grouped)
    if is_timedelta_format(code):
        return Look("duration")
    if is_date_format(code):
        return Look("time" if set("hs") & set(section.lower()) else "date")
    return PLAIN


def percent_shown(number: float, look: Look) -> str:
    """A number as a sheet shows it as a percent.

    >>> percent_shown(0.285, Look("percent")), percent_shown(0.5, Look("percent", 1, 1))
    ('29%', '50.0%')
    """
    exact = Decimal(f"{number:.15g}") * 100
    places = max(look.most, look.least)
    if exact.adjusted() + places > 20:
        return f"{exact:f}%"
    rounded = exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    text = f"{abs(rounded):{',' if look.grouped else ''}f}"
    whole, _, decimals = text.partition(".")
    kept = decimals[: look.least] + decimals[look.least :].rstrip("0")
    return f"{'-' if rounded < 0 else ''}{whole}{'.' if kept else ''}{kept}%"


def date_text(number: float, look: Look, from_1904: bool) -> str:
    """A number of days as ISO 8601: a date, a time of day, or both; hours of a duration.

    Empty for a number that is no date (before the first day, or beyond the year 9999).

    >>> [date_text(days, Look("time"), False) for days in (45306.0, 45306.5, 0.25)]
    ['2024-01-15', '2024-01-15T12:00:00', '06:00:00']
    >>> date_text(1.5, Look("duration"), False), date_text(0.0, Look("date"), False)
    ('36:00:00', '')
    """
    from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH, from_excel

    if look.what == "duration":
        return _duration(number)
    if not 0 <= number < _LAST_DAY[from_1904]:
        return ""
    if number < 1 and look.what == "date":
        return _iso(MAC_EPOCH) if from_1904 else ""
    try:
        return _iso(from_excel(number, MAC_EPOCH if from_1904 else WINDOWS_EPOCH))
    except OverflowError:
        return ""


def iso_date(text: str) -> str:
    """A stored date as ISO 8601, without an empty time of day; empty for what is no date.

    >>> iso_date("2024-01-15T00:00:00"), iso_date("2024-01-15T10:30:00Z"), iso_date("May")
    ('2024-01-15', '2024-01-15T10:30:00', '')
    """
    for kind in (datetime, time):
        try:
            return _iso(kind.fromisoformat(text.strip().removesuffix("Z")))
        except ValueError:
            continue
    return ""


def number_cell(number: float, plain: str, look: Look, from_1904: bool) -> Cell:
    """A stored number as its format makes it. plain: its text as a number."""
    if look.what == "percent":
        return plain, Kind.NUMBER, percent_shown(number, look), True
    if look.what != "number" and (day := date_text(number, look, from_1904)):
        return day, Kind.DATE, "", False
    return plain, Kind.NUMBER, "", False


def _iso(moment: date | datetime | time) -> str:
    if isinstance(moment, datetime) and moment.time() == time():
        return moment.date().isoformat()
    if isinstance(moment, datetime | time):
        return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
    return moment.isoformat()


def _duration(days: float) -> str:
    if not abs(days) < _LAST_DAY[False]:
        return ""
    whole = round(timedelta(days=abs(days)) / timedelta(milliseconds=1))
    seconds, rest = divmod(whole, 1000)
    minutes, hours = seconds // 60, seconds // 3600
    text = f"{'-' if days < 0 and whole else ''}{hours:02d}:{minutes % 60:02d}:{seconds % 60:02d}"
    return f"{text}.{rest:03d}" if rest else text
