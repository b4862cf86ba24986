from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lasa.errors import SocketError
from lasa.http._client.sse import MAX_EVENT_BYTES, RETRY_MS_MAX, Event, EventParser

BOM = b"\xef\xbb\xbf"

lines = st.sampled_from(
    [b"", b"data: a", b"data:b", b"data", b": note", b"id: 1", b"id", b"event: tick", b"retry: 20", "data: é€".encode()]
)
streams = st.one_of(
    st.lists(st.tuples(lines, st.sampled_from([b"\n", b"\r", b"\r\n"])).map(b"".join)).map(b"".join),
    st.lists(st.sampled_from(b"data: \r\n\xef\xbb\xbf\0")).map(bytes),
    st.binary(),
)


def message(data: str, *, event: str = "message", id: str = "", retry_ms: int | None = None) -> Event:
    return Event(event, data, id, retry_ms)


def fed(parser: EventParser, *pieces: bytes) -> list[Event]:
    return [event for piece in pieces for event in parser.feed(piece)]


def outcome(pieces: list[bytes], max_event_bytes: int = MAX_EVENT_BYTES) -> tuple[object, ...]:
    """What a client sees: the events, the parser's state, and whether an error ended it."""
    parser, events = EventParser(max_event_bytes=max_event_bytes), []
    try:
        for piece in (*pieces, b""):
            events += parser.feed(piece)
    except SocketError as error:
        return events, error.reason
    return events, parser.last_event_id, parser.retry_ms


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


def reference(data: bytes) -> list[Event]:
    """The standard's own steps, one after the other, on the whole stream as text."""
    events, text = [], data.decode("utf-8", "replace").removeprefix("\ufeff")
    data_buffer = event_type = last_id = ""
    retry_ms = None
    *complete, _ = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for line in complete:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data_buffer:
                events.append(Event(event_type or "message", data_buffer.removesuffix("\n"), last_id, retry_ms))
            data_buffer, event_type, retry_ms = "", "", None
        elif name == "data":
            data_buffer += value + "\n"
        elif name == "event":
            event_type = value
        elif name == "id" and "\0" not in value:
            last_id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            retry_ms = int(value)
    return events


@given(streams, st.lists(st.integers(0, 200), max_size=6))
@example(BOM + b"data: a\r\n\r\n", [1, 2, 12])
def test_events_do_not_depend_on_where_the_stream_is_cut(data: bytes, places: list[int]) -> None:
    assert outcome(cut(data, places)) == outcome([data])
    assert outcome([data[at : at + 1] for at in range(len(data))]) == outcome([data])


@given(streams, st.lists(st.integers(0, 200), max_size=6), st.integers(0, 40))
@example(BOM + b"data: abc\n\n", [10], 10)
def test_the_limit_does_not_depend_on_where_the_stream_is_cut(data: bytes, places: list[int], limit: int) -> None:
    assert outcome(cut(data, places), limit) == outcome([data], limit)


@given(streams)
def test_events_are_those_of_the_standards_own_steps(data: bytes) -> None:
    assert EventParser().feed(data) == reference(data)


@pytest.mark.parametrize(
    ("data", "events"),
    [
        # The examples of the standard.
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [message("YHOO\n+2\n10")]),
        (
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
            [message("first event", id="1"), message("second event"), message(" third event")],
        ),
        (b"data\n\ndata\ndata\n\ndata:", [message(""), message("\n")]),
        (b"data:test\n\ndata: test\n\n", [message("test"), message("test")]),
        # What they leave out.
        (b"event: add\ndata: 73\n\ndata: 74\n\n", [message("73", event="add"), message("74")]),
        (b"event: add\n\ndata: x\n\n", [message("x")]),
        (b"event:\ndata: x\n\n", [message("x")]),
        (b"data: a\rdata: b\r\r", [message("a\nb")]),
        (b"data: a: b\n\n", [message("a: b")]),
        (b"DATA: a\n data: b\nother: c\n\n", []),
        (BOM + b"data: a\n\n" + BOM + b"data: b\n\n", [message("a")]),
        (b"data: \xff\xc3\n\n", [message("\ufffd\ufffd")]),
        (b"data: a\x0bb\x85\xe2\x80\xa8\n\n", [message("a\x0bb\ufffd\u2028")]),
    ],
)
def test_streams_give_the_events_of_the_standard(data: bytes, events: list[Event]) -> None:
    assert EventParser().feed(data) == events


def test_an_lf_in_the_next_piece_belongs_to_the_cr() -> None:
    parser = EventParser()
    assert fed(parser, b"data: a\r", b"\ndata: b\r", b"\n\r") == [message("a\nb")]
    assert fed(parser, b"\n", b"data: c\n", b"\n") == [message("c")]


def test_an_event_is_there_with_the_cr_that_ends_it() -> None:
    assert EventParser().feed(b"data: now\r\r") == [message("now")]


def test_an_id_stays_until_the_next_and_one_with_nul_is_ignored() -> None:
    parser = EventParser()
    assert fed(parser, b"id: 7\ndata: a\n\n", b"data: b\n\n") == [message("a", id="7"), message("b", id="7")]
    assert fed(parser, b"id: 8\0\ndata: c\n\n") == [message("c", id="7")]
    assert parser.last_event_id == "7"


def test_an_id_without_data_counts_once_its_blank_line_is_there() -> None:
    parser = EventParser(last_event_id="before")
    assert parser.feed(b"data: a\n\nid: 9\n") == [message("a", id="before")]
    assert parser.last_event_id == "before"
    assert parser.feed(b"\n") == []
    assert parser.last_event_id == "9"


def test_an_event_that_the_end_of_the_stream_cuts_off_does_not_move_the_id() -> None:
    parser = EventParser()
    assert parser.feed(b"id: 1\ndata: a\n\nid: 2\ndata: b\n") == [message("a", id="1")]
    assert parser.last_event_id == "1"


@pytest.mark.parametrize(
    ("value", "retry_ms"),
    [
        (b"0", 0),
        (b"3000", 3000),
        (b"007", 7),
        (b"9" * 10_000, RETRY_MS_MAX),
        (b"0" * 10_000 + b"5", 5),
        (b"", None),
        (b"-1", None),
        (b"1.5", None),
        (b"3 ", None),
        (b" 3", None),
        ("٣".encode(), None),
    ],
)
def test_retry_is_digits_only(value: bytes, retry_ms: int | None) -> None:
    parser = EventParser()
    assert parser.feed(b"retry: " + value + b"\ndata: x\n\n") == [message("x", retry_ms=retry_ms)]
    assert parser.retry_ms == retry_ms


def test_retry_counts_at_once_and_stays_but_only_its_own_event_carries_it() -> None:
    parser = EventParser()
    assert parser.feed(b"retry: 5\n") == []
    assert parser.retry_ms == 5
    assert parser.feed(b"\ndata: x\n\n") == [message("x")]
    assert parser.retry_ms == 5


def test_an_event_beyond_the_limit_is_an_error_from_then_on() -> None:
    parser = EventParser(max_event_bytes=20)
    assert parser.feed(b"data: 1234\n" * 2 + b"\n") == [message("1234\n1234")]
    for piece in (b"data: 1234\n" * 2 + b":", b"\n\ndata: x\n\n", b""):
        with pytest.raises(SocketError, match=r"^event too large$"):
            parser.feed(piece)


def test_what_was_complete_before_an_event_too_large_is_still_returned() -> None:
    parser = EventParser(max_event_bytes=20)
    assert parser.feed(b"data: a\n\ndata: " + b"x" * 100 + b"\n\n") == [message("a")]
    with pytest.raises(SocketError, match=r"^event too large$"):
        parser.feed(b"")


def test_a_line_without_end_is_an_error_even_if_it_is_a_comment() -> None:
    parser = EventParser()
    piece = b":" + b"x" * 65_535
    assert fed(parser, *[piece] * 16) == []
    with pytest.raises(SocketError, match=r"^event too large$"):
        parser.feed(b"x")


def test_comments_that_keep_a_connection_open_never_add_up() -> None:
    parser = EventParser(max_event_bytes=20)
    assert fed(parser, b"data: a\n", *[b": 15 seconds\n"] * 1000, b"\n") == [message("a")]


def test_a_long_line_that_drips_in_byte_by_byte_comes_out_whole() -> None:
    data = b"0123456789" * 30_000  # a parser that copied the line for every byte would take minutes
    assert fed(EventParser(), *(bytes((byte,)) for byte in b"data:" + data + b"\n\n")) == [message(data.decode())]
