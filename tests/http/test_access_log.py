from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lasa.http._server.access_log import Served, access_logger, combined_line, json_line

SERVED = Served(
    peer="192.0.2.7",
    time_s=971211336.25,
    method="GET",
    target="/apache_pb.gif?a=%20",
    http_version="1.0",
    status=200,
    sent_bytes=2326,
    referer="http://www.example.com/start.html",
    user_agent="Mozilla/4.08 [en] (Win98; I ;Nav)",
    duration_s=0.0012345678,
)
NAME = "lasa.http.access"
# What a log analyser takes a combined line for.
COMBINED = re.compile(
    r'(?P<peer>\S+) - - \[(?P<time>[^]]+)\] "(?P<request>[^"]*)" (?P<status>\d{3}) (?P<sent>\d+|-) '
    r'"(?P<referer>[^"]*)" "(?P<agent>[^"]*)"'
)
NASTY = 'a"b\\c\r\nd\te\x00\x1b[2J\x7f\x85é€\u2028\ud800\udce9'

served_requests = st.builds(
    Served,
    peer=st.text(),
    time_s=st.floats(0, 4e9),
    method=st.text(),
    target=st.text(),
    http_version=st.text(),
    status=st.integers(100, 999),
    sent_bytes=st.integers(0),
    referer=st.none() | st.text(),
    user_agent=st.none() | st.text(),
    duration_s=st.floats(0, 1e6),
)


class Keeper(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record)


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """What reaches the handlers of the access log, enabled for INFO."""
    handler = Keeper()
    logger = logging.getLogger(NAME)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler.seen
    logger.setLevel(logging.NOTSET)
    logger.removeHandler(handler)


def test_the_combined_line_is_apaches() -> None:
    assert combined_line(SERVED) == (
        '192.0.2.7 - - [10/Oct/2000:20:55:36 +0000] "GET /apache_pb.gif?a=%20 HTTP/1.0" 200 2326 '
        '"http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"'
    )


def test_what_is_not_there_is_a_dash() -> None:
    bare = replace(SERVED, peer="", method="", target="", status=400, sent_bytes=0, referer=None, user_agent="")
    assert combined_line(bare) == '- - - [10/Oct/2000:20:55:36 +0000] "-" 400 - "-" "-"'


def test_the_json_line_has_everything() -> None:
    members = json.loads(json_line(replace(SERVED, referer=None)))
    assert members.pop("time") == "2000-10-10T20:55:36.250Z"
    assert members.pop("duration_s") == 0.001235
    assert members.pop("referer") is None
    for field in fields(SERVED):
        if field.name not in ("time_s", "duration_s", "referer", "request", "response"):
            assert members.pop(field.name) == getattr(SERVED, field.name)
    assert members == {}


@pytest.mark.parametrize("field", ["target", "method", "http_version", "referer", "user_agent"])
def test_what_a_peer_sends_is_escaped_byte_by_byte(field: str) -> None:
    escaped = (
        r"a\x22b\x5Cc\x0D\x0Ad\x09e\x00\x1B[2J\x7F\x85\xE9\xE2\x82\xAC\xE2\x80\xA8\xED\xA0\x80\xE9"  # € is no Latin-1
    )
    changed: dict[str, Any] = {field: NASTY}
    line = combined_line(replace(SERVED, **changed))
    assert escaped in line
    assert COMBINED.fullmatch(line)


def test_a_peer_with_blanks_stays_one_word() -> None:
    assert combined_line(replace(SERVED, peer="unix:/a b")).startswith(r"unix:/a\x20b - - [")


@given(served_requests)
def test_any_request_is_one_line_of_printable_ascii(served: Served) -> None:
    for line in (combined_line(served), json_line(served)):
        assert line.isascii()
        assert line.isprintable()
    assert COMBINED.fullmatch(combined_line(served))
    members = json.loads(json_line(served))
    assert members["target"] == served.target
    assert members["user_agent"] == served.user_agent


def test_the_time_follows_the_request_and_is_not_the_locales(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda *_: pytest.fail("strftime speaks the locale's language"))
    times = [combined_line(replace(SERVED, time_s=time_s)) for time_s in (0.0, 0.9, 86400.0 * 59, 0.5)]
    assert ["01/Jan/1970:00:00:00 +0000" in line for line in times] == [True, True, False, True]
    assert "[01/Mar/1970:00:00:00 +0000]" in times[2]


@pytest.mark.parametrize("form", [True, "combined"])
def test_a_combined_log_writes_one_record_per_request(form: bool | str, records: list[logging.LogRecord]) -> None:
    log = access_logger(form)
    assert log is not None
    log(SERVED)
    (record,) = records
    assert (record.name, record.levelname, record.getMessage()) == (NAME, "INFO", combined_line(SERVED))


def test_a_json_log_writes_one_record_per_request(records: list[logging.LogRecord]) -> None:
    log = access_logger("json")
    assert log is not None
    log(replace(SERVED, target="/%s?%d"))
    (record,) = records
    assert json.loads(record.getMessage())["target"] == "/%s?%d"


def test_a_percent_sign_in_a_target_is_no_format(records: list[logging.LogRecord]) -> None:
    log = access_logger("combined")
    assert log is not None
    log(replace(SERVED, target="/%s"))
    assert '"GET /%s HTTP/1.0"' in records[0].getMessage()


@pytest.mark.parametrize("form", [None, False])
def test_no_form_is_no_log(form: bool | None, records: list[logging.LogRecord]) -> None:
    assert access_logger(form) is None
    assert records == []


@pytest.mark.parametrize("form", ["combined", "json"])
def test_a_logger_that_is_not_enabled_for_info_is_no_log(form: str, records: list[logging.LogRecord]) -> None:
    log = access_logger(form)
    assert log is not None
    logging.getLogger(NAME).setLevel(logging.WARNING)
    log(SERVED)
    assert access_logger(form) is None
    assert records == []


def test_an_own_function_gets_each_request_whatever_the_logger_says() -> None:
    seen: list[Served] = []
    log = access_logger(seen.append)
    assert log is not None
    log(SERVED)
    assert seen == [SERVED]


def test_another_word_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="bad access log form: 'common'"):
        access_logger("common")
    with pytest.raises(TypeError, match="bad access log form: 1"):
        access_logger(1)  # type: ignore[arg-type]
