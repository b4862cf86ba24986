"""Dates in the many forms that servers write, read by the one rule that covers them all (RFC 6265, section 5.1.1).

It looks for a time, a day, a month and a year and takes no notice of the rest, so it reads the three forms of
RFC 9110, section 5.6.7, what JavaScript's ``String(date)`` says, and weekdays in any language.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

__all__ = ["unix_time_of"]

_TOKEN: Final = re.compile(r"[^\t\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_TIME: Final = re.compile(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?![0-9])")
_DAY: Final = re.compile(r"([0-9]{1,2})(?![0-9])")
_YEAR: Final = re.compile(r"([0-9]{2,4})(?![0-9])")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_YEAR_MIN: Final = 1601


def unix_time_of(text: str, now_s: float | None = None) -> int | None:
    """Return the seconds of Unix time that a date means, always read as UTC; None where it is no date.

    Args:
        now_s: seconds of Unix time; a year of two digits is then at most 50 years ahead (RFC 9110, section 5.6.7). In a
            cookie, where None is given, it lies between 1970 and 2069.
    """
    time = day = month = year = None
    for token in _TOKEN.findall(text):
        if time is None and (found := _TIME.match(token)):
            time = [int(part) for part in found.groups()]
        elif day is None and (found := _DAY.match(token)):
            day = int(found[1])
        elif month is None and token[:3].lower() in _MONTHS:
            month = _MONTHS.index(token[:3].lower()) + 1
        elif year is None and (found := _YEAR.match(token)):
            year = int(found[1])
    if time is None or day is None or month is None or year is None:
        return None
    if year < 100:
        first = 1970 if now_s is None else datetime.fromtimestamp(now_s, UTC).year - 49
        year += first - first % 100
        year += 100 if year < first else 0
    if year < _YEAR_MIN:
        return None
    hour, minute, second = time
    try:
        return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
    except ValueError:  # there is no such day, or no such time
        return None
