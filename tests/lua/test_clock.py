"""The clocks of Lua, and the dates of HTTP; the values are those that nginx gave."""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lasa._hub import clock
from lasa._hub.virtual import virtual_clock
from lasa.lua import Runtime
from tests.lua.bare import Bare

lua = Bare("clock")

LAST_S = 253_402_300_799  # of the year 9999


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The local time is nine hours before UTC's."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "JST-9")
        time.tzset()
        yield
    time.tzset()


def test_now_and_time_are_the_system_clock_in_milliseconds_and_seconds() -> None:
    before = time.time()
    now, seconds, exact = lua("return ngx.now(), ngx.time(), lasa.now()")
    after = time.time()
    assert before - 0.001 <= now <= after
    assert int(before) <= seconds <= after
    assert before <= exact <= after
    assert now == round(now, 3)
    assert seconds == int(seconds)


def test_monotonictime_is_python_s_in_microseconds() -> None:
    before = time.monotonic_ns() / 1000
    assert before <= lua("return lasa.monotonictime()") <= time.monotonic_ns() / 1000


def test_where_the_hubs_clock_is_replaced_lua_goes_by_it_too() -> None:
    with virtual_clock(grace_s=0), Runtime() as runtime:
        began_s = clock.monotonic_s(), clock.system_s()
        assert runtime.load("return lasa.monotonictime() / 1e6, lasa.now()")() == pytest.approx(began_s, abs=1e-5)
        code = """
        local cache = require("resty.lrucache").new(10)
        cache:set("key", "value", 60)
        local began_s, ticks = ngx.now(), 0
        ngx.timer.every(600, function(premature) ticks = ticks + 1 end)
        ngx.sleep(59)
        local before = cache:get("key")
        ngx.sleep(2)
        local after = cache:get("key")
        ngx.sleep(3600)
        return ngx.now() - began_s, ngx.time(), before, after, ticks
        """
        passed_s, seconds, before, after, ticks = runtime.load(code)()
        assert passed_s == pytest.approx(3661, abs=0.0011)
        assert seconds == int(clock.system_s())
        assert (before, after, ticks) == (b"value", None, 6)
        assert clock.monotonic_s() - began_s[0] == 3661
    with Runtime() as runtime:
        assert abs(runtime.load("return lasa.now()")() - time.time()) < 5


def test_update_time_returns_nothing() -> None:
    assert lua("return select('#', ngx.update_time()), select('#', lasa.update_time())") == (0, 0)


def test_today_localtime_and_utctime_are_the_date_in_their_zone(far_east: None) -> None:
    before = int(time.time())
    today, local, utc = lua("return ngx.today(), ngx.localtime(), ngx.utctime()")
    after = int(time.time())
    assert before <= calendar.timegm(time.strptime(utc.decode(), "%Y-%m-%d %H:%M:%S")) <= after
    assert before <= calendar.timegm(time.strptime(local.decode(), "%Y-%m-%d %H:%M:%S")) - 9 * 3600 <= after
    assert today.decode() in {time.strftime("%Y-%m-%d", time.gmtime(at + 9 * 3600)) for at in (before, after)}


def test_a_script_may_declare_clock_gettime_as_it_likes() -> None:
    code = """
        local ffi = require "ffi"
        ffi.cdef "struct timespec { long tv_sec; long tv_nsec; }; int clock_gettime(int clock, struct timespec *at);"
        local at = ffi.new("struct timespec")
        return ffi.C.clock_gettime(0, at), math.abs(tonumber(at.tv_sec) - ngx.time())
    """
    status, difference_s = Bare("clock")(code)
    assert status == 0
    assert difference_s <= 1


@given(st.integers(0, LAST_S))
def test_http_time_is_python_s_and_parse_http_time_undoes_it(at: int) -> None:
    text = formatdate(at, usegmt=True).encode()
    assert lua("return ngx.http_time(...)", at) == text
    assert lua("return ngx.parse_http_time(...)", text) == at


@pytest.mark.parametrize(
    ("at", "date", "cookie_date"),
    [
        (-100, b"Thu, 01 Jan 1970 00:00:00 GMT", b"Thu, 01-Jan-70 00:00:00 GMT"),
        (1.9, b"Thu, 01 Jan 1970 00:00:01 GMT", b"Thu, 01-Jan-70 00:00:01 GMT"),
        (1290079655, b"Thu, 18 Nov 2010 11:27:35 GMT", b"Thu, 18-Nov-10 11:27:35 GMT"),
        (2145916799, b"Thu, 31 Dec 2037 23:59:59 GMT", b"Thu, 31-Dec-37 23:59:59 GMT"),
        (4102444800, b"Fri, 01 Jan 2100 00:00:00 GMT", b"Fri, 01-Jan-2100 00:00:00 GMT"),
        (1e12, b"Fri, 31 Dec 9999 23:59:59 GMT", b"Fri, 31-Dec-9999 23:59:59 GMT"),
        (float("nan"), b"Thu, 01 Jan 1970 00:00:00 GMT", b"Thu, 01-Jan-70 00:00:00 GMT"),
    ],
)
def test_dates_are_written_as_nginx_does(at: float, date: bytes, cookie_date: bytes) -> None:
    assert lua("return ngx.http_time(...), ngx.cookie_time(...)", at) == (date, cookie_date)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (b"Thu, 18 Nov 2010 11:27:35 GMT", 1290079655),
        (b"Thursday, 18-Nov-10 11:27:35 GMT", 1290079655),
        (b"Thu Nov 18 11:27:35 2010", 1290079655),
        (b"Thu Nov  8 11:27:35 2010", 1289215655),
        (b"Wed, 31 Dec 1969 23:59:58 GMT", -2),
        (b"Thu, 29 Feb 2000 00:00:00", 951782400),
        (b"Thu, 18 Jxx 2010 11:27:35", 1279452455),  # nginx tells months by a few letters
        (b"Thu, 18-Nov-69 11:27:35", 3151999655),
        (b"Thu, 18-Nov-70 11:27:35", 27775655),
        (b"Thu, 18 Nov 0000 11:27:35", -62139357145),
        (b"Thu, 29 Feb 2001 00:00:00", None),
        (b"Thu, 29 Feb 2100 00:00:00", None),
        (b"Thu, 31 Jun 2010 00:00:00", None),
        (b"Thu, 18 nov 2010 11:27:35 GMT", None),
        (b"Thu, 18 Nov 2010 24:27:35", None),
        (b"Thu, 18 Nov 2010 11:27:60", None),
        (b"Thu Nov 18 11:27:35 20", None),
        (b"Thu Nov 181 11:27:35 2010", None),
        (b"2010-11-18", None),
        (b"", None),
    ],
)
def test_parse_http_time_reads_what_nginx_reads(text: bytes, at: int | None) -> None:
    assert lua("return ngx.parse_http_time(...)", text) == at


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("ngx.http_time('1')", b"number argument only"),
        ("ngx.cookie_time()", b"number argument only"),
        ("ngx.parse_http_time(1)", b"string argument only"),
    ],
)
def test_dates_refuse_arguments_of_another_type(call: str, message: bytes) -> None:
    assert lua.error_of(call) == b"x.lua:2: " + message
