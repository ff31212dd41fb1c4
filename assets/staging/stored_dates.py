"""Dates and times that files store as counts, as ISO 8601 text."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.staging.columns import Column, Kind

_LAST = np.datetime64("9999-12-31T23:59:59.999999", "us")
_STATA = _SAS = np.datetime64("1960-01-01", "D")
_SPSS = np.datetime64("1582-10-14", "D")
_LEAP_SECONDS = np.array(
    [
        "1972-07", "1973-01", "1974-01", "1975-01", "1976-01", "1977-01", "1978-01", "1979-01",
        "1980-01", "1981-07", "1982-07", "1983-07", "1985-07", "1988-01", "1990-01", "1991-01",
        "1992-07", "1993-07", "1994-07", "1996-01", "1997-07", "1999-01", "2006-01", "2009-01",
        "2012-07", "2015-07", "2017-01",
    ],
    dtype="datetime64[M]",
)  # fmt: skip
"""Months that a leap second comes before: Stata counts them in %tC."""

_SPSS_DATES = {"DATE", "ADATE", "EDATE", "SDATE", "JDATE", "QYR", "MOYR", "WKYR"}
_SPSS_MOMENTS = {"DATETIME", "YMDHMS"}
_SAS_DATE = re.compile(
    r"(DATE|JULIAN|MONYY|YYMON|WEEKDAT[EX]|WORDDAT[EX]|(DDMM|MMDD)YY[BCDNPS]?|YYMMDD[BCDNPS]?"
    r"|(MMYY|YYMM|YYQ|YYQR)[CDNPS]?|(IS|E|B)8601DA|NLDATE\w*)"
)
_SAS_DATE_OF_MOMENT = re.compile(r"(DTDATE|DTMONYY|DTWKDATX|(IS|E|B)8601DN)")
_SAS_MOMENT = re.compile(r"(DATETIME|DATEAMPM|MDYAMPM|(IS|E|B)8601(DT|DX|DZ|LX)|NLDATM\w*)")
_SAS_TIME = re.compile(r"(TIME|HHMM|TIMEAMPM|MMSS|(IS|E|B)8601(TM|TX|TZ)|NLTIM\w*)")
_STATA_FORMAT = re.compile(r"%-?(?:t([cCdwmqh])|d)(.*)")
_STATA_CLOCK = re.compile(r"([Hh][Hh]|MM|mm|SS|ss|\.s{1,3}|[aA]\.?[mM]\.?|[:_.,/+ -])+")
_PERIODS_A_YEAR = {"m": 12, "q": 4, "h": 2, "w": 52}


@dataclass(frozen=True)
class Calendar:
    """How a format counts.

    what: `date`, `moment`, `time`, `clock` (moments of which the times are shown) or a period of
    Stata (`w`, `m`, `q`, `h`). origin: the day that counts begin at. a_day: counts in a day.
    digits: of a second that a double still holds. leap_seconds: whether they are counted.
    """

    what: str
    origin: np.datetime64
    a_day: float = 1.0
    digits: int = 6
    leap_seconds: bool = False


def calendar_of(container: str, shown_as: str) -> Calendar | None:
    """The calendar of a format of a program, None for a format of numbers.

    Formats that show a part of a date alone (a weekday, a month of any year), durations and years
    are formats of numbers.

    >>> calendar_of("dta", "%tdDD/NN/CCYY").what, calendar_of("sav", "F8.2")
    ('date', None)
    """
    if container == "dta":
        return _of_stata(shown_as)
    name = re.sub(r"\d*\.?\d*$", "", shown_as.upper())
    if container in ("sav", "zsav"):
        seconds = Calendar("date", _SPSS, 86400.0, 5)
        if name in _SPSS_DATES:
            return seconds
        if name in _SPSS_MOMENTS:
            return replace(seconds, what="moment")
        return replace(seconds, what="time") if name == "TIME" else None
    seconds = Calendar("moment", _SAS, 86400.0)
    if _SAS_DATE.fullmatch(name):
        return Calendar("date", _SAS)
    if _SAS_DATE_OF_MOMENT.fullmatch(name):
        return replace(seconds, what="date")
    if _SAS_MOMENT.fullmatch(name):
        return seconds
    if name == "TOD":
        return replace(seconds, what="clock")
    return replace(seconds, what="time") if _SAS_TIME.fullmatch(name) else None


def _of_stata(shown_as: str) -> Calendar | None:
    found = _STATA_FORMAT.fullmatch(shown_as)
    if not found:
        return None
    kind, parts = found[1] or "d", re.sub("!.", "", found[2])
    if kind == "d":
        return Calendar("date", _STATA)
    if kind in _PERIODS_A_YEAR:
        return Calendar(kind, _STATA)
    what = "clock" if _STATA_CLOCK.fullmatch(parts) else "moment"
    return Calendar(what, _STATA, 86400e3, leap_seconds=kind == "C")


def dated(column: Column, calendar: Calendar, counts: np.ndarray) -> Column:
    """The column with its numbers as dates; counts: the number of each different cell.

    A number that is no date of the program (before its first day, after the year 9999) stays one.
    Times of which one is not within a day are durations and stay numbers, all of them.
    """
    numbers = (column.kinds == Kind.NUMBER) & np.isfinite(counts)
    safe = np.where(numbers, counts, 0.0)
    shown = dict(column.shown)
    if calendar.what in _PERIODS_A_YEAR:
        days = _first_days(calendar.what, safe)
        good = numbers & (np.floor(safe) == safe) & _within(days, calendar)
        texts = day_texts(days[good])
        for i in np.flatnonzero(good).tolist():
            shown[i] = _period_shown(calendar.what, int(safe[i]))
    elif calendar.what == "date":
        days = calendar.origin + _whole(np.floor(safe / calendar.a_day)).astype("timedelta64[D]")
        good = numbers & _within(days, calendar)
        texts = day_texts(days[good])
    else:
        good, texts = _moments_and_times(safe, numbers, calendar)
    kinds = np.where(good, np.uint8(Kind.DATE), column.kinds)
    changed = pc.replace_with_mask(column.texts, pa.array(good), texts)
    return replace(column, kinds=kinds, shown=shown).retexted(changed)


def _moments_and_times(
    counts: np.ndarray, numbers: np.ndarray, calendar: Calendar
) -> tuple[np.ndarray, pa.StringArray]:
    """Which of the numbers are moments or times, and their texts."""
    moments = calendar.origin.astype("datetime64[us]") + _micros(counts, calendar)
    if calendar.leap_seconds:
        moments -= _leaps(moments)
    if calendar.what in ("time", "clock"):
        since = moments - calendar.origin
        in_a_day = (since >= np.timedelta64(0, "us")) & (since < np.timedelta64(1, "D"))
        if in_a_day[numbers].all():
            return numbers, time_texts(moments[numbers])
        if calendar.what == "time":
            return np.zeros_like(numbers), pa.array([], pa.string())
    good = numbers & _within(moments, calendar)
    return good, moment_texts(moments[good])


def day_texts(days: np.ndarray) -> pa.StringArray:
    """Days (datetime64) as `2020-03-01`.

    >>> day_texts(np.array(["2020-03-01"], "datetime64[s]")).to_pylist()
    ['2020-03-01']
    """
    return pa.array(np.datetime_as_string(days.astype("datetime64[D]")).astype(object), pa.string())


def moment_texts(moments: np.ndarray) -> pa.StringArray:
    """Moments (datetime64) as `2020-03-01T08:30:00`, with decimals where there are any; as days
    when all are midnights.

    >>> moment_texts(np.array(["2020-03-01T08:30", "2020-03-01"], "datetime64[ms]")).to_pylist()
    ['2020-03-01T08:30:00', '2020-03-01T00:00:00']
    """
    if (moments == moments.astype("datetime64[D]")).all():
        return day_texts(moments)
    return clock_texts(moments)


def clock_texts(moments: np.ndarray) -> pa.StringArray:
    """Moments (datetime64) with their times, midnights too."""
    if np.datetime_data(moments.dtype)[0] in ("D", "h", "m"):
        moments = moments.astype("datetime64[s]")
    texts = pa.array(np.datetime_as_string(moments).astype(object), pa.string())
    texts = pc.replace_substring_regex(texts, r"\.0+$", "")
    return pc.replace_substring_regex(texts, r"(\.\d*[1-9])0+$", r"\1")


def time_texts(moments: np.ndarray) -> pa.StringArray:
    """The times of moments (datetime64) as `08:30:00`."""
    return pc.utf8_slice_codeunits(clock_texts(moments), 11)


def datable(moments: np.ndarray) -> np.ndarray:
    """Which moments (datetime64) lie in the years 1 to 9999, which ISO 8601 can write."""
    years = moments.astype("datetime64[Y]").astype(np.int64) + 1970
    return np.asarray((years >= 1) & (years <= 9999))


def _within(moments: np.ndarray, calendar: Calendar) -> np.ndarray:
    first = "1582-10-15" if calendar.origin == _SPSS else "1582-01-01"
    return np.asarray((moments >= np.datetime64(first)) & (moments <= _LAST))


def _whole(counts: np.ndarray) -> np.ndarray:
    """As integers; what is far beyond all years stays far beyond them."""
    return np.asarray(np.clip(counts, -1e12, 1e12), dtype=np.int64)


def _micros(counts: np.ndarray, calendar: Calendar) -> np.ndarray:
    a_second = calendar.a_day / 86400.0
    seconds = np.floor(counts / a_second)
    parts = np.round((counts - seconds * a_second) / a_second, calendar.digits)
    micros = _whole(seconds) * 1_000_000 + np.round(parts * 1e6).astype(np.int64)
    return micros.astype("timedelta64[us]")


def _leaps(moments: np.ndarray) -> np.ndarray:
    """Leap seconds up to moments that count them."""
    after = _LEAP_SECONDS.astype("datetime64[us]")
    after = after + (np.arange(len(after)) + 1).astype("timedelta64[s]")
    return np.searchsorted(after, moments, side="right").astype("timedelta64[s]")


def _first_days(kind: str, counts: np.ndarray) -> np.ndarray:
    """First days of Stata's weeks (52 a year), months, quarters and half-years."""
    a_year = _PERIODS_A_YEAR[kind]
    years, rest = np.divmod(_whole(counts), a_year)
    if kind == "w":
        first = (years - 10).astype("datetime64[Y]").astype("datetime64[D]")
        return np.asarray(first + (7 * rest).astype("timedelta64[D]"))
    months = (years - 10) * 12 + rest * (12 // a_year)
    return np.asarray(months.astype("datetime64[M]").astype("datetime64[D]"))


def _period_shown(kind: str, count: int) -> str:
    a_year = _PERIODS_A_YEAR[kind]
    return f"{1960 + count // a_year}{kind}{count % a_year + 1}"
