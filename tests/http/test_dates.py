from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lasa.http._client.dates import unix_time_of

NOON = int(datetime(2030, 10, 9, 12, 5, 7, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    "text",
    [
        "Wed, 09 Oct 2030 12:05:07 GMT",
        "Wednesday, 09-Oct-30 12:05:07 GMT",
        "Wed Oct  9 12:05:07 2030",
        "Wed Oct 09 2030 12:05:07 GMT+0000 (Coordinated Universal Time)",
        "Wed Oct 09 2030 12:05:07 GMT-0500 (EST)",  # a zone is not looked at
        "Mi, 09 Okt 2030 12:05:07 GMT October",
        "09.Oct.2030 12:05:07",
        "9-october-2030 12:5:7",
        "2030 Oct 9 12:05:07",
        "12:05:07 2030 oct 9",
        "09 2030 oCT 12:05:07 23:59:59 10 Nov 1999",
        "9th Oct 2030AD 12:05:07PM",
        "Wed; 09/Oct/2030, [12:05:07] {GMT} 31",
        "\t09\tOctopus\t2030\t12:05:07.999\t",
        "09 Oct 30 12:05:07",
    ],
)
def test_a_date_is_found_however_it_is_written(text: str) -> None:
    assert unix_time_of(text) == NOON


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("1 Jan 1601 0:0:0", 1601),
        ("1 Jan 1969 00:00:00", 1969),
        ("Thu Jan 01 1970 00:00:00 GMT+0000", 1970),
        ("1 Jan 70 00:00:00", 1970),
        ("1 Jan 99 00:00:00", 1999),
        ("1 Jan 00 00:00:00", 2000),
        ("1 Jan 69 00:00:00", 2069),
        ("1 Jan 9999 00:00:00", 9999),
    ],
)
def test_a_year_has_two_or_four_digits_and_begins_in_1601(text: str, year: int) -> None:
    assert unix_time_of(text) == datetime(year, 1, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2030-10-09T12:05:07Z",
        "Mi, 09 Okt 2030 12:05:07 GMT",
        "09 Oct 12:05:07",
        "Oct 2030 12:05:07",
        "09 Oct 2030",
        "09 Oct 2030 12:05",
        "09 Oct 2030 12: 05:07",
        "09 Oct 2030 12:05:007",
        "09 Oct 2030 24:00:00",
        "09 Oct 2030 12:60:00",
        "09 Oct 2030 12:05:60",
        "00 Oct 2030 12:05:07",
        "32 Oct 2030 12:05:07",
        "31 Feb 2030 12:05:07",
        "29 Feb 2031 12:05:07",
        "009 Oct 2030 12:05:07",
        "09 Oct 20300 12:05:07",
        "09 Oct 123 12:05:07",
        "09 Oct 1600 12:05:07",
        "\u0660\u0669 Oct 2030 12:05:07",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert unix_time_of(text) is None


@pytest.mark.parametrize(
    ("year", "now", "means"),
    [(94, 1994, 1994), (94, 2026, 1994), (76, 2026, 2076), (77, 2026, 1977), (30, 2099, 2130), (10, 2060, 2110)],
)
def test_a_year_of_two_digits_is_at_most_fifty_years_ahead_where_the_clock_is_known(
    year: int, now: int, means: int
) -> None:
    now_s = datetime(now, 6, 1, tzinfo=UTC).timestamp()
    at_s = unix_time_of(f"Sunday, 06-Nov-{year:02} 08:49:37 GMT", now_s)
    assert at_s == datetime(means, 11, 6, 8, 49, 37, tzinfo=UTC).timestamp()


@given(st.datetimes(datetime(1601, 1, 1), datetime(9999, 12, 31)))
def test_every_date_of_http_is_read(moment: datetime) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    for text in (format_datetime(moment, usegmt=True), moment.strftime("%a %b %e %H:%M:%S ") + f"{moment.year:04}"):
        assert unix_time_of(text) == moment.timestamp()


@given(st.text(st.sampled_from("0123456789: \t-,;jJanFebOct\xff")))
def test_any_text_is_a_date_or_none(text: str) -> None:
    assert unix_time_of(text) is None or isinstance(unix_time_of(text), int)
