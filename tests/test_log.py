import inspect
import logging
import subprocess
import sys
from typing import Any

import pytest

from lasa.log import LogLevel, log


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(1, logger="lasa")
    return caplog


def test_the_levels_are_androids() -> None:
    assert [(level.name, level.value) for level in LogLevel] == [
        ("UNKNOWN", 0),
        ("DEFAULT", 1),
        ("VERBOSE", 2),
        ("DEBUG", 3),
        ("INFO", 4),
        ("WARN", 5),
        ("ERROR", 6),
        ("FATAL", 7),
        ("SILENT", 8),
    ]


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (LogLevel.UNKNOWN, logging.INFO),
        (LogLevel.DEFAULT, logging.INFO),
        (LogLevel.VERBOSE, 5),
        (LogLevel.DEBUG, logging.DEBUG),
        (LogLevel.INFO, logging.INFO),
        (LogLevel.WARN, logging.WARNING),
        (LogLevel.ERROR, logging.ERROR),
        (LogLevel.FATAL, logging.CRITICAL),
    ],
)
def test_each_level_has_its_counterpart_in_logging(
    records: pytest.LogCaptureFixture, level: LogLevel, priority: int
) -> None:
    as_float: Any = float(level)
    log(level, "net", "hello")
    log(int(level), "net", "hello")
    log(as_float, "net", "hello")
    assert records.record_tuples == [("lasa.net", priority, "hello")] * 3


def test_silent_never_prints(records: pytest.LogCaptureFixture) -> None:
    log(LogLevel.SILENT, "net", "hello")
    log(8, "net", "hello")
    assert records.records == []


def test_a_level_that_is_switched_off_costs_no_conversion(caplog: pytest.LogCaptureFixture) -> None:
    class Loud:
        def __str__(self) -> str:
            raise AssertionError("converted although nobody looks")

    caplog.set_level(logging.WARNING, logger="lasa")
    log(LogLevel.INFO, "net", Loud())
    assert caplog.records == []


@pytest.mark.parametrize("level", [-1, 9, 100, 10**30, 4.5, float("nan"), float("inf"), True, False])
def test_a_level_outside_0_to_8_or_a_boolean_raises(records: pytest.LogCaptureFixture, level: Any) -> None:
    with pytest.raises(ValueError, match="bad log level") as caught:
        log(level, "net", "hello")
    assert str(caught.value) == f"bad log level: {level}"
    assert records.records == []


@pytest.mark.parametrize("level", [None, "4", b"4", "INFO", [], {}])
def test_a_level_that_is_no_number_raises(level: Any) -> None:
    with pytest.raises(TypeError, match="bad log level: "):
        log(level, "net", "hello")


@pytest.mark.parametrize("tag", [None, 4, True, [], object()])
def test_a_tag_that_is_no_string_raises_even_for_silent(tag: Any) -> None:
    with pytest.raises(TypeError, match="bad log tag: "):
        log(LogLevel.SILENT, tag, "hello")


@pytest.mark.parametrize("msg", ["100%", "%s %d", "%(name)s", "{} {0}", "%"])
def test_the_message_is_never_a_format(records: pytest.LogCaptureFixture, msg: str) -> None:
    log(LogLevel.INFO, "net", msg)
    log(LogLevel.INFO, "net", msg.encode())
    assert records.messages == [msg, msg]


@pytest.mark.parametrize(
    ("msg", "text"),
    [
        ("zażółć", "zażółć"),
        ("zażółć".encode(), "zażółć"),
        (b"a\xffb", "a\ufffdb"),
        (bytearray(b"abc"), "abc"),
        (memoryview(b"abc"), "abc"),
        (12, "12"),
        (None, "None"),
        ([1, "a"], "[1, 'a']"),
        (("a", 1), "('a', 1)"),
        ({"a": 1}, "{'a': 1}"),
        ("two\r\nlines\n", "two\r\nlines\n"),
        ("", ""),
    ],
)
def test_the_message_is_its_text(records: pytest.LogCaptureFixture, msg: object, text: str) -> None:
    log(LogLevel.INFO, "net", msg)
    assert records.messages == [text]


@pytest.mark.parametrize(
    ("tag", "name"),
    [("net", "lasa.net"), (b"net", "lasa.net"), ("net.dns", "lasa.net.dns"), ("é", "lasa.é"), ("", "lasa")],
)
def test_the_tag_names_the_logger(records: pytest.LogCaptureFixture, tag: str | bytes, name: str) -> None:
    log(LogLevel.INFO, tag, "hello")
    assert [record.name for record in records.records] == [name]


def test_a_tag_can_be_switched_off_on_its_own(records: pytest.LogCaptureFixture) -> None:
    chatty = logging.getLogger("lasa.chatty")
    chatty.setLevel(logging.ERROR)
    try:
        log(LogLevel.WARN, "chatty", "no")
        log(LogLevel.WARN, "other", "yes")
    finally:
        chatty.setLevel(logging.NOTSET)
    assert records.messages == ["yes"]


def test_the_record_names_the_callers_line(records: pytest.LogCaptureFixture) -> None:
    frame = inspect.currentframe()
    assert frame is not None
    line = frame.f_lineno + 1
    log(LogLevel.INFO, "net", "hello")
    record = records.records[0]
    assert (record.pathname, record.lineno) == (__file__, line)
    assert record.funcName == "test_the_record_names_the_callers_line"


@pytest.mark.parametrize(("before", "expected"), [("", "VERBOSE"), ("logging.addLevelName(5, 'TRACE')", "TRACE")])
def test_verbose_is_named_only_if_the_application_has_not_named_it(before: str, expected: str) -> None:
    # A fresh interpreter: level names belong to the process and are set on import.
    code = f"import logging\n{before}\nimport lasa.log\nprint(logging.getLevelName(5))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected
