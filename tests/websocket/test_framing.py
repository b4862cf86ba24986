"""The level of frames over real sockets: every tuple and word of sending and receiving, in both roles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import pairwise
from typing import Any

import gevent
import pytest
from gevent.event import Event
from hypothesis import given, settings
from hypothesis import strategies as st

import lasa
from lasa import thread, websocket
from lasa.websocket import WebSocket
from tests.helpers import settle
from tests.socket.tools import failure_of, result_of, spawn_blocked
from tests.websocket.tools import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Far,
    client_and_far,
    frame,
    no_light_thread_left,
    nothing_left,
    server_and_far,
    shrink_buffer,
    xored,
)

FIRST = "failed to receive the first 2 bytes"
LENGTH_2 = "failed to receive the 2 byte payload length"
LENGTH_8 = "failed to receive the 8 byte payload length"
PAYLOAD = "failed to read masking-len and payload"
FATAL = "fatal error already happened"
NOTHING_SENT = b""

Pair = tuple[WebSocket, Far]
Opens = Callable[..., AbstractContextManager[tuple[Any, Far]]]

OPENS: dict[str, Opens] = {"client": client_and_far, "server": server_and_far}


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    with nothing_left():
        yield


@pytest.fixture(params=["client", "server"])
def role(request: pytest.FixtureRequest) -> str:
    """Which side lasa is."""
    return str(request.param)


@pytest.fixture
def pair(role: str) -> Iterator[Pair]:
    with OPENS[role]() as (wb, far):
        yield wb, far


def nothing_came(wb: WebSocket, far: Far) -> bool:
    """Whether the raw side has received nothing so far; ends the connection."""
    wb.abort()
    return far.wire.rest() == NOTHING_SENT


# Sending


def test_a_client_sends_11_bytes_for_hello_and_a_server_7(role: str, pair: Pair) -> None:
    wb, far = pair
    assert wb.send_text("hello") == ({"client": 11, "server": 7}[role], None)
    found = far.next()
    assert found is not None
    assert (found.opcode, found.payload, found.fin, found.rsv) == (TEXT, b"hello", True, 0)
    assert (found.key is None) == (role == "server")


@pytest.mark.parametrize(
    ("length", "head"), [(0, 2), (1, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10), (200_000, 10)]
)
def test_what_is_returned_counts_head_key_and_payload(role: str, length: int, head: int) -> None:
    data = bytes(range(256)) * (length // 256 + 1)
    with OPENS[role](max_payload_len=200_000) as (wb, far):
        sending = thread.spawn(wb.send_binary, data[:length])
        found = far.next()
        assert found is not None
        assert found.payload == data[:length]
        assert found.size == head + length + (4 if role == "client" else 0)
        assert result_of(sending) == (found.size, None)


@pytest.mark.parametrize(
    ("name", "opcode"),
    [
        ("send_text", TEXT),
        ("send_binary", BINARY),
        ("send_continue", CONTINUATION),
        ("send_ping", PING),
        ("send_pong", PONG),
    ],
)
def test_each_call_sends_one_frame_of_its_kind(pair: Pair, name: str, opcode: int) -> None:
    wb, far = pair
    send = getattr(wb, name)
    for data, payload in ((b"data", b"data"), ("\u00fc", b"\xc3\xbc"), (None, b"")):
        sent, err = send(data)
        assert err is None
        found = far.next()
        assert found is not None
        assert (found.opcode, found.payload, found.fin, found.rsv, found.size) == (opcode, payload, True, 0, sent)
    sent, err = send()
    assert err is None
    far.next_is(opcode, b"")


@pytest.mark.parametrize(
    ("data", "payload"),
    [
        (bytearray(b"\x00\xff"), b"\x00\xff"),
        (memoryview(b"abcdef")[::2], b"ace"),
        (12, b"12"),
        (1.5, b"1.5"),
    ],
    ids=repr,
)
def test_what_is_no_string_is_sent_as_its_text(pair: Pair, data: Any, payload: bytes) -> None:
    wb, far = pair
    assert wb.send_binary(data)[1] is None
    far.next_is(BINARY, payload)


@pytest.mark.parametrize("data", [True, False, [b"a"], {"a": 1}, object(), {1}])
@pytest.mark.parametrize("name", ["send_text", "send_binary", "send_continue", "send_ping", "send_pong"])
def test_a_payload_of_another_type_raises_and_nothing_is_sent(pair: Pair, name: str, data: Any) -> None:
    wb, far = pair
    with pytest.raises(TypeError, match="bad payload: bytes, str or a number expected, got"):
        getattr(wb, name)(data)
    assert wb.send_text("next")[1] is None
    far.next_is(TEXT, b"next")


def test_a_text_that_is_no_utf8_raises_and_nothing_is_sent(pair: Pair) -> None:
    wb, far = pair
    with pytest.raises(ValueError):
        wb.send_text("\ud800")
    assert wb.send_text("next")[1] is None
    far.next_is(TEXT, b"next")


@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize("opcode", [0, 1, 2, 3, 7])
def test_send_frame_sends_any_data_frame(pair: Pair, opcode: int, fin: bool) -> None:
    wb, far = pair
    assert wb.send_frame(fin, opcode, "abc")[1] is None
    far.next_is(opcode, b"abc", fin=fin)


@pytest.mark.parametrize("opcode", [9, 10, 11, 15])
def test_send_frame_sends_any_control_frame(pair: Pair, opcode: int) -> None:
    wb, far = pair
    assert wb.send_frame(True, opcode)[1] is None
    far.next_is(opcode, b"")


@pytest.mark.parametrize(
    ("opcode", "error"), [(16, ValueError), (-1, ValueError), (None, TypeError), (True, TypeError)]
)
def test_an_opcode_that_is_none_raises_and_nothing_is_sent(pair: Pair, opcode: Any, error: type[Exception]) -> None:
    wb, far = pair
    with pytest.raises(error, match="bad opcode"):
        wb.send_frame(True, opcode, b"abc")
    assert wb.send_text("next")[1] is None
    far.next_is(TEXT, b"next")


def test_keys_are_fresh_and_payloads_masked_with_them() -> None:
    with client_and_far() as (wb, far):
        keys = set()
        for _ in range(300):
            wb.send_text("same")
            head = far.wire.exactly(10)
            assert xored(head[6:], head[2:6]) == b"same"
            keys.add(head[2:6])
        assert len(keys) == 300


def test_send_unmasked_makes_a_client_send_without_masks() -> None:
    with client_and_far(send_unmasked=True) as (wb, far):
        assert wb.send_text("hello") == (7, None)
        assert far.wire.exactly(7) == b"\x81\x05hello"
        assert wb.close() == (1, None)
        assert far.wire.rest() == b"\x88\x00"


def test_send_masked_makes_a_server_mask() -> None:
    with server_and_far(send_masked=True) as (wb, far):
        assert wb.send_text("hello") == (11, None)
        found = far.next()
        assert found is not None
        assert found.payload == b"hello"
        assert found.key is not None


# What is refused on our side


@pytest.mark.parametrize(
    ("send", "word"),
    [
        (lambda wb: wb.send_text(b"x" * 201), "payload too big"),
        (lambda wb: wb.send_binary("\u00fc" * 101), "payload too big"),
        (lambda wb: wb.send_frame(False, 0, b"x" * 201), "payload too big"),
        (lambda wb: wb.send_ping(b"x" * 126), "too much payload for control frame"),
        (lambda wb: wb.send_pong(b"x" * 126), "too much payload for control frame"),
        (lambda wb: wb.send_close(1000, b"x" * 124), "too much payload for control frame"),
        (lambda wb: wb.send_frame(False, 9, b""), "fragmented control frame"),
        (lambda wb: wb.send_frame(False, 8, b""), "fragmented control frame"),
    ],
    ids=["text", "binary", "fragment", "ping", "pong", "close", "fragmented ping", "fragmented close"],
)
def test_a_frame_that_must_not_be_is_not_sent_and_is_fatal(role: str, send: Callable[[Any], Any], word: str) -> None:
    with OPENS[role](max_send_len=200) as (wb, far):
        far.send(TEXT, b"unread")
        assert send(wb) == (None, word)
        assert send(wb) == (None, FATAL)
        assert wb.send_text("hello") == (None, FATAL)
        assert wb.send_close() == (None, FATAL)
        assert wb.recv_frame() == (None, None, FATAL)
        assert wb.is_open
        assert wb.close() == (None, FATAL)
        assert not wb.is_open
        assert far.wire.rest() == NOTHING_SENT


@pytest.mark.parametrize(
    ("options", "limit"),
    [({}, 65_535), ({"max_payload_len": 10}, 10), ({"max_send_len": 10}, 10), ({"max_recv_len": 10}, 65_535)],
    ids=str,
)
def test_a_payload_of_the_very_limit_is_sent(role: str, options: dict[str, int], limit: int) -> None:
    with OPENS[role](**options) as (wb, far):
        sending = thread.spawn(wb.send_binary, b"x" * limit)
        far.next_is(BINARY, b"x" * limit)
        assert result_of(sending)[1] is None
        assert wb.send_binary(b"x" * (limit + 1)) == (None, "payload too big")


# Close frames


@pytest.mark.parametrize(
    ("arguments", "payload"),
    [
        ((), b""),
        ((None, "ignored"), b""),
        ((1000,), b"\x03\xe8"),
        ((1000, None), b"\x03\xe8"),
        ((1001, "bye"), b"\x03\xe9bye"),
        ((0, b"\xff"), b"\x00\x00\xff"),
        ((0x7FFF, "x" * 123), b"\x7f\xff" + b"x" * 123),
    ],
    ids=repr,
)
def test_a_close_frame_has_the_code_and_the_message_behind_it(
    pair: Pair, arguments: tuple[Any, ...], payload: bytes
) -> None:
    wb, far = pair
    sent, err = wb.send_close(*arguments)
    assert err is None
    found = far.next()
    assert found is not None
    assert (found.opcode, found.payload, found.size) == (CLOSE, payload, sent)


@pytest.mark.parametrize("code", [0x8000, -1, "abc", "1000", b"1000", True, [], 1e300])
def test_a_bad_status_code_is_no_disaster(pair: Pair, code: Any) -> None:
    wb, far = pair
    assert wb.send_close(code, "bye") == (None, "bad status code")
    assert wb.send_text("next")[1] is None
    far.next_is(TEXT, b"next")


def test_behind_a_close_frame_nothing_is_sent_but_still_received(pair: Pair) -> None:
    wb, far = pair
    assert wb.send_close(1000, "bye")[1] is None
    for send in (wb.send_text, wb.send_binary, wb.send_ping, wb.send_pong, wb.send_close, wb.send_continue):
        assert send() == (None, "already closed")
    far.send(TEXT, b"late")
    far.send(CLOSE, b"\x03\xe8")
    assert wb.recv_frame() == (b"late", "text", None)
    assert wb.recv_frame() == (b"", "close", 1000)
    assert wb.close() == (1, None)
    far.next_is(CLOSE, b"\x03\xe8bye")
    assert far.next() is None


def test_nothing_is_answered_by_itself(pair: Pair) -> None:
    wb, far = pair
    far.send(PING, b"are you there?")
    far.send(CLOSE, b"\x03\xe8bye")
    assert wb.recv_frame() == (b"are you there?", "ping", None)
    assert wb.recv_frame() == (b"bye", "close", 1000)
    assert wb.is_open
    assert nothing_came(wb, far)


# Closing


def test_close_sends_an_empty_close_frame_and_does_not_wait(pair: Pair) -> None:
    wb, far = pair
    assert wb.close() == (1, None)
    assert not wb.is_open
    far.next_is(CLOSE, b"")
    assert far.next() is None
    assert wb.close() == (None, "closed")


def test_close_may_say_why(pair: Pair) -> None:
    wb, far = pair
    assert wb.close(4000, "enough") == (1, None)
    far.next_is(CLOSE, b"\x0f\xa0enough")
    assert far.next() is None


@pytest.mark.parametrize(
    ("arguments", "error"), [((1005,), ValueError), (("1000",), TypeError), ((1000, "x" * 124), ValueError)]
)
def test_a_close_that_cannot_be_said_raises_and_closes_nothing(
    pair: Pair, arguments: tuple[Any, ...], error: type[Exception]
) -> None:
    wb, far = pair
    with pytest.raises(error):
        wb.close(*arguments)
    assert wb.send_text("next")[1] is None
    far.next_is(TEXT, b"next")


def test_close_sends_no_second_close_frame(pair: Pair) -> None:
    wb, far = pair
    wb.send_close(1001)
    assert wb.close() == (1, None)
    far.next_is(CLOSE, b"\x03\xe9")
    assert far.next() is None


def test_close_to_a_peer_that_has_broken_the_connection_says_so_and_gives_it_back(pair: Pair) -> None:
    wb, far = pair
    far.wire.reset()
    settle()
    closed, err = wb.close()
    assert closed is None
    assert err in (
        "failed to send close frame: failed to send frame: broken pipe",
        "failed to send close frame: failed to send frame: connection reset by peer",
    )
    assert not wb.is_open


def test_whoever_reads_while_it_is_closed_gets_closed(pair: Pair) -> None:
    wb, far = pair
    reader = spawn_blocked(wb.recv_frame)
    assert wb.close() == (1, None)
    assert result_of(reader) == (None, None, f"{FIRST}: closed")
    far.next_is(CLOSE, b"")
    assert far.next() is None


def test_a_websocket_that_was_never_connected_says_closed() -> None:
    wb, err = websocket.client.new()
    assert err is None
    assert not wb.is_open
    assert wb.protocol is None
    assert wb.close() == (None, "closed")
    assert wb.set_keepalive() == (None, "closed")
    assert wb.recv_frame() == (None, None, f"{FIRST}: closed")
    wb, _ = websocket.client.new()
    assert wb.send_text("hello") == (None, "failed to send frame: closed")


def test_a_websocket_that_is_forgotten_warns_and_closes(role: str) -> None:
    with OPENS[role]() as (wb, far):
        session, wb._session = wb._session, None
        other, _ = websocket.client.new()
        other._session = session
        del session
        with pytest.warns(ResourceWarning, match="unclosed <lasa websocket open"):
            del other
        assert far.next() is None


# Receiving


@pytest.mark.parametrize(
    ("opcode", "fin", "payload", "result"),
    [
        (TEXT, True, b"abc", (b"abc", "text", None)),
        (TEXT, True, b"", (b"", "text", None)),
        (BINARY, True, b"\x00\xff", (b"\x00\xff", "binary", None)),
        (TEXT, False, b"foo", (b"foo", "text", "again")),
        (BINARY, False, b"", (b"", "binary", "again")),
        (CONTINUATION, False, b"bar", (b"bar", "continuation", "again")),
        (CONTINUATION, True, b"baz", (b"baz", "continuation", None)),
        (PING, True, b"", (b"", "ping", None)),
        (PING, True, b"x" * 125, (b"x" * 125, "ping", None)),
        (PONG, True, b"p", (b"p", "pong", None)),
        (CLOSE, True, b"", (b"", "close", None)),
        (CLOSE, True, b"\x03\xe8", (b"", "close", 1000)),
        (CLOSE, True, b"\x03\xe9bye", (b"bye", "close", 1001)),
        (CLOSE, True, b"\x00\x00\xff", (b"\xff", "close", 0)),
        (CLOSE, True, b"\xff\xff" + b"x" * 123, (b"x" * 123, "close", 65_535)),
        (TEXT, True, b"\xff\xc3", (b"\xff\xc3", "text", None)),
    ],
    ids=repr,
)
def test_one_call_returns_one_frame(pair: Pair, opcode: int, fin: bool, payload: bytes, result: Any) -> None:
    wb, far = pair
    far.send(opcode, payload, fin=fin)
    assert wb.recv_frame() == result
    far.send(BINARY, b"next")
    assert wb.recv_frame() == (b"next", "binary", None)


def test_fragments_are_not_put_together(pair: Pair) -> None:
    wb, far = pair
    frames = far.frame(TEXT, b"foo", fin=False), far.frame(CONTINUATION, b"bar", fin=False)
    far.wire.send(b"".join(frames) + far.frame(CONTINUATION, b"baz"))
    assert wb.recv_frame() == (b"foo", "text", "again")
    assert wb.recv_frame() == (b"bar", "continuation", "again")
    assert wb.recv_frame() == (b"baz", "continuation", None)


def test_the_order_of_frames_is_nobodys_business(pair: Pair) -> None:
    wb, far = pair
    for opcode, fin in (
        (CONTINUATION, True),
        (TEXT, False),
        (BINARY, True),
        (PING, True),
        (TEXT, False),
        (CLOSE, True),
    ):
        far.send(opcode, b"", fin=fin)
    found = [wb.recv_frame()[1:] for _ in range(6)]
    assert found == [
        ("continuation", None),
        ("text", "again"),
        ("binary", None),
        ("ping", None),
        ("text", "again"),
        ("close", None),
    ]


@pytest.mark.parametrize("length", [125, 126, 65_535, 65_536, 199_999, 200_000])
def test_a_frame_of_any_length_within_the_limit_arrives(role: str, length: int) -> None:
    data = (bytes(range(251)) * (length // 251 + 1))[:length]
    with OPENS[role](max_recv_len=200_000) as (wb, far):
        sending = gevent.spawn(far.send, BINARY, data)
        assert wb.recv_frame() == (data, "binary", None)
        sending.get()


def test_a_client_takes_masked_frames_too() -> None:
    with client_and_far() as (wb, far):
        far.send(TEXT, b"masked", masked=True)
        far.send(TEXT, b"", masked=True)
        far.send(TEXT, b"plain")
        assert wb.recv_frame() == (b"masked", "text", None)
        assert wb.recv_frame() == (b"", "text", None)
        assert wb.recv_frame() == (b"plain", "text", None)


@pytest.mark.parametrize("width", [2, 8])
@pytest.mark.parametrize("length", [0, 5, 125])
def test_a_length_need_not_be_in_its_shortest_form(pair: Pair, length: int, width: int) -> None:
    wb, far = pair
    far.send(TEXT, b"x" * length, width=width)
    far.send(TEXT, b"next")
    assert wb.recv_frame() == (b"x" * length, "text", None)
    assert wb.recv_frame() == (b"next", "text", None)


def test_what_came_behind_the_handshake_in_the_same_segment_is_not_lost(role: str) -> None:
    masked = role == "server"
    behind = frame(TEXT, b"early", masked=masked) + frame(BINARY, b"later", masked=masked)
    with OPENS[role](behind=behind[:-3]) as (wb, far):
        wb.set_timeout(1)
        assert wb.recv_frame() == (b"early", "text", None)
        expect_timeout(wb, PAYLOAD)
        wb.set_timeout(5_000)
        far.wire.send(behind[-3:])
        assert wb.recv_frame() == (b"later", "binary", None)


# Frames that are none


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"opcode": TEXT, "rsv": 4}, "bad RSV1, RSV2, or RSV3 bits"),
        ({"opcode": TEXT, "rsv": 2}, "bad RSV1, RSV2, or RSV3 bits"),
        ({"opcode": PING, "rsv": 1}, "bad RSV1, RSV2, or RSV3 bits"),
        *(({"opcode": opcode}, "reserved non-control frames") for opcode in range(3, 8)),
        *(({"opcode": opcode}, "reserved control frames") for opcode in range(11, 16)),
        ({"opcode": TEXT, "length": 2**31}, "payload len too large"),
        ({"opcode": TEXT, "length": 2**63}, "payload len too large"),
        ({"opcode": PING, "length": 126}, "too long payload for control frame"),
        ({"opcode": CLOSE, "length": 65_536}, "too long payload for control frame"),
        ({"opcode": PONG, "fin": False}, "fragmented control frame"),
        ({"opcode": CLOSE, "fin": False}, "fragmented control frame"),
        ({"opcode": TEXT, "length": 201}, "exceeding max payload len"),
        ({"opcode": CONTINUATION, "length": 2**31 - 1}, "exceeding max payload len"),
        ({"opcode": CLOSE, "payload": b"\x03"}, "close frame with a body must carry a 2-byte status code"),
        # the order of the checks
        ({"opcode": 3, "rsv": 1, "length": 2**40}, "bad RSV1, RSV2, or RSV3 bits"),
        ({"opcode": 11, "fin": False, "length": 2**40}, "reserved control frames"),
        ({"opcode": 3, "length": 2**40}, "reserved non-control frames"),
        ({"opcode": PING, "fin": False, "length": 2**31}, "payload len too large"),
        ({"opcode": PING, "fin": False, "length": 300}, "too long payload for control frame"),
        ({"opcode": PING, "fin": False, "length": 201, "width": 2}, "too long payload for control frame"),
    ],
    ids=repr,
)
def test_a_frame_that_is_none_is_fatal_before_its_payload_has_come(
    role: str, options: dict[str, Any], word: str
) -> None:
    with OPENS[role](max_recv_len=200, timeout=5_000) as (wb, far):
        far.send(TEXT, b"before")
        far.send(**options)
        assert wb.recv_frame() == (b"before", "text", None)
        assert wb.recv_frame() == (None, None, word)
        assert wb.recv_frame() == (None, None, FATAL)
        assert wb.send_text("hello") == (None, FATAL)
        assert wb.is_open
        assert wb.close() == (None, FATAL)
        assert not wb.is_open
        assert far.wire.rest() == NOTHING_SENT


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"opcode": TEXT, "payload": b"abc"}, "frame unmasked"),
        ({"opcode": PING}, "frame unmasked"),
        ({"opcode": PING, "length": 300}, "frame unmasked"),
        ({"opcode": TEXT, "length": 2**40}, "frame unmasked"),
        ({"opcode": 3}, "reserved non-control frames"),
        ({"opcode": TEXT, "rsv": 1}, "bad RSV1, RSV2, or RSV3 bits"),
    ],
    ids=repr,
)
def test_a_server_takes_no_unmasked_frame(options: dict[str, Any], word: str) -> None:
    with server_and_far() as (wb, far):
        far.send(masked=False, **options)
        assert wb.recv_frame() == (None, None, word)
        assert wb.recv_frame() == (None, None, FATAL)


def test_the_limit_counts_what_is_announced(role: str) -> None:
    with OPENS[role](max_recv_len=200) as (wb, far):
        far.send(TEXT, b"x" * 200)
        assert wb.recv_frame() == (b"x" * 200, "text", None)
        far.send(TEXT, b"x" * 201)
        assert wb.recv_frame() == (None, None, "exceeding max payload len")
        assert wb.recv_frame() == (None, None, FATAL)


@pytest.mark.parametrize(
    ("options", "limit"),
    [({}, 65_535), ({"max_payload_len": 300}, 300), ({"max_payload_len": 300, "max_recv_len": 9}, 9)],
    ids=str,
)
def test_the_limit_of_what_is_received_is_an_option(role: str, options: dict[str, int], limit: int) -> None:
    with OPENS[role](**{**options, "max_send_len": 1}) as (wb, far):
        far.send(TEXT, b"", length=limit + 1)
        assert wb.recv_frame() == (None, None, "exceeding max payload len")


# Timeouts, and going on after them


def word_at(sent: int, whole: bytes) -> str:
    """What is missing when so many bytes of a frame have come."""
    if sent < 2:
        return FIRST
    length = whole[1] & 127
    if length == 126 and sent < 4:
        return LENGTH_2
    if length == 127 and sent < 10:
        return LENGTH_8
    return PAYLOAD


def expect_timeout(wb: WebSocket, word: str) -> None:
    """Receive until what has been sent has been read, and see that it is not enough."""
    err = ""
    for _ in range(100):  # on a busy machine the millisecond may be over before anything is read
        data, kind, err = wb.recv_frame()
        assert (data, kind) == (None, None)
        if err == f"{word}: timeout":
            return
        assert err.endswith(": timeout")
    assert err == f"{word}: timeout"


def cuts_of(whole: bytes) -> list[int]:
    """Where to cut a frame: everywhere, but in a long payload."""
    return [*range(min(len(whole), 20)), *range(max(20, len(whole) - 2), len(whole))]


@pytest.mark.parametrize("length", [0, 3, 126, 65_536])
@pytest.mark.parametrize("opcode", [TEXT, CONTINUATION])
def test_a_timeout_in_any_part_of_a_frame_says_which_and_loses_nothing(role: str, opcode: int, length: int) -> None:
    data = (b"0123456789abcdef" * (length // 16 + 1))[:length]
    with OPENS[role](max_payload_len=70_000) as (wb, far):
        wb.set_timeout(1)
        whole = far.frame(opcode, data)
        sent = 0
        for cut in cuts_of(whole):
            far.wire.send(whole[sent:cut])
            sent = cut
            expect_timeout(wb, word_at(cut, whole))
        far.wire.send(whole[sent:])
        wb.set_timeout(5_000)
        assert wb.recv_frame() == (data, "text" if opcode == TEXT else "continuation", None)
        far.send(TEXT, b"next")
        assert wb.recv_frame() == (b"next", "text", None)


def test_a_timeout_within_a_control_frame_loses_nothing(pair: Pair) -> None:
    wb, far = pair
    far.send(TEXT, b"begun", fin=False)
    assert wb.recv_frame() == (b"begun", "text", "again")
    wb.set_timeout(1)
    whole = far.frame(PING, b"ping")
    for cut in range(len(whole)):
        expect_timeout(wb, word_at(cut, whole))
        far.wire.send(whole[cut : cut + 1])
    wb.set_timeout(5_000)
    assert wb.recv_frame() == (b"ping", "ping", None)


def test_a_timeout_is_followed_by_the_frame(pair: Pair) -> None:
    wb, far = pair
    wb.set_timeout(1)
    assert wb.recv_frame() == (None, None, f"{FIRST}: timeout")
    far.send(TEXT, b"hello")
    wb.set_timeout(5_000)
    assert wb.recv_frame() == (b"hello", "text", None)


def test_sending_goes_on_after_a_timeout_of_receiving(pair: Pair) -> None:
    wb, far = pair
    wb.set_timeout(1)
    assert wb.recv_frame()[2] == f"{FIRST}: timeout"
    assert wb.send_text("hello")[1] is None
    far.next_is(TEXT, b"hello")


@pytest.mark.parametrize("timeout", [None, 0, -5, "abc"])
def test_no_timeout_is_the_default_of_30_seconds(pair: Pair, timeout: Any) -> None:
    wb, far = pair
    wb.set_timeout(1)
    wb.set_timeout(timeout)
    reader = spawn_blocked(wb.recv_frame)
    lasa.sleep(0.01)  # ten times the first one
    assert thread.status(reader) == "running"
    far.send(TEXT, b"hello")
    assert result_of(reader) == (b"hello", "text", None)
    assert wb._read_s == wb._send_s == 30.0


def test_a_timeout_that_is_too_long_raises(pair: Pair) -> None:
    wb, _ = pair
    with pytest.raises(ValueError, match="bad timeout value"):
        wb.set_timeout(2**31)
    wb.set_timeout(2**31 - 1)
    assert wb.is_open


def test_a_wait_in_progress_keeps_its_timeout_and_the_next_has_the_new_one(pair: Pair) -> None:
    wb, far = pair
    reader = spawn_blocked(wb.recv_frame)
    wb.set_timeout(1)
    far.wire.send(far.frame(TEXT, b"hello")[:1])
    assert result_of(reader) == (None, None, f"{FIRST}: timeout")


# The end in any part of a frame


@pytest.mark.parametrize("length", [3, 126, 65_536])
def test_the_end_in_any_part_of_a_frame_says_which_and_is_fatal(role: str, length: int) -> None:
    data = b"x" * length
    whole = frame(BINARY, data, masked=role == "server")
    for cut in cuts_of(whole)[:: 1 if length == 3 else 5]:
        with OPENS[role](max_payload_len=70_000) as (wb, far):
            far.send(TEXT, b"before")
            far.wire.send(whole[:cut])
            far.wire.close()
            assert wb.recv_frame() == (b"before", "text", None)
            assert wb.recv_frame() == (None, None, f"{word_at(cut, whole)}: closed")
            assert wb.recv_frame() == (None, None, FATAL)
            assert wb.send_text("hello") == (None, FATAL)
            assert wb.close() == (None, FATAL)
            assert not wb.is_open


def test_a_broken_connection_says_so_and_is_fatal(pair: Pair) -> None:
    wb, far = pair
    reader = spawn_blocked(wb.recv_frame)
    far.wire.reset()
    assert result_of(reader) == (None, None, f"{FIRST}: connection reset by peer")
    assert wb.recv_frame() == (None, None, FATAL)


# Failures of sending


def flood(wb: WebSocket, data: bytes) -> tuple[Any, str | None]:
    """Send until that fails."""
    shrink_buffer(wb)
    while True:
        sent, err = wb.send_binary(data)
        if err is not None:
            return sent, err


def test_a_peer_that_takes_nothing_ends_sending_with_a_timeout_which_is_fatal(pair: Pair) -> None:
    wb, far = pair
    far.send(TEXT, b"hello")
    wb.set_timeout(20)
    assert flood(wb, b"x" * 65_535) == (None, "failed to send frame: timeout")
    assert wb.send_text("hello") == (None, FATAL)
    assert wb.recv_frame() == (None, None, FATAL)
    assert wb.is_open
    assert wb.close() == (None, FATAL)
    assert not wb.is_open


def test_a_peer_that_is_gone_ends_sending_with_the_systems_word(pair: Pair) -> None:
    wb, far = pair
    far.wire.reset()
    settle()
    assert wb.send_text("hello") in (
        (None, "failed to send frame: connection reset by peer"),
        (None, "failed to send frame: broken pipe"),
    )
    assert wb.send_text("hello") == (None, FATAL)


def test_whoever_sends_while_it_is_closed_gets_closed(role: str) -> None:
    with OPENS[role](timeout=5_000) as (wb, far):
        sender = spawn_blocked(flood, wb, b"x" * 65_535)
        wb.abort()
        assert result_of(sender) == (None, "failed to send frame: closed")
        assert wb.send_text("hello") == (None, FATAL)
        assert not wb.is_open
        assert far.wire.rest()


# Several light threads


def test_a_second_reader_is_told_that_it_is_busy_and_disturbs_nobody(pair: Pair) -> None:
    wb, far = pair
    reader = spawn_blocked(wb.recv_frame)
    for _ in range(2):
        assert wb.recv_frame() == (None, None, f"{FIRST}: socket busy reading")
    assert wb.receive() == (None, "socket busy reading")
    assert wb.receive_pieces() == (None, "socket busy reading")
    far.send(TEXT, b"hello")
    assert result_of(reader) == (b"hello", "text", None)
    far.send(TEXT, b"again")
    assert wb.recv_frame() == (b"again", "text", None)


def test_one_may_send_while_another_receives(pair: Pair) -> None:
    wb, far = pair
    reader = spawn_blocked(wb.recv_frame)
    assert wb.send_text("ping")[1] is None
    far.next_is(TEXT, b"ping")
    assert thread.status(reader) == "running"
    far.send(TEXT, b"pong")
    assert result_of(reader) == (b"pong", "text", None)


def test_frames_of_several_senders_are_never_mixed(role: str) -> None:
    with OPENS[role](max_payload_len=300_000) as (wb, far):
        shrink_buffer(wb)
        payloads = [bytes((number,)) * 300_000 for number in range(6)]
        senders = [thread.spawn(wb.send_binary, payload) for payload in payloads]
        settle()
        assert [thread.status(sender) for sender in senders].count("running") == 6
        received = [far.next() for _ in payloads]
        assert [found and found.payload for found in received] == payloads
        size = 300_000 + 10 + (4 if role == "client" else 0)
        assert [result_of(sender) for sender in senders] == [(size, None)] * 6


def test_those_who_wait_to_send_behind_one_that_failed_fail_too(role: str) -> None:
    with OPENS[role](max_payload_len=300_000, timeout=20) as (wb, far):
        senders = [thread.spawn(flood, wb, b"x" * 300_000) for _ in range(3)]
        results = [result_of(sender) for sender in senders]
        assert results[0] == (None, "failed to send frame: timeout")
        for result in results[1:]:
            assert result in ((None, "failed to send frame: closed"), (None, FATAL))
        wb.abort()
        assert far.wire.rest()


# Exceptions from outside


def test_a_kill_of_the_reader_closes_the_connection_for_everyone(role: str) -> None:
    with OPENS[role]() as (wb, far), no_light_thread_left():
        assert wb._session is not None
        link = wb._session.connection.link
        reader = spawn_blocked(wb.recv_frame)
        assert thread.kill(reader) == (1, None)
        assert far.next() is None
        assert not wb.is_open
        assert link.sock.fileno() == -1
        assert wb.send_text("hello") == (None, "failed to send frame: closed")


def test_a_kill_of_a_sender_closes_the_connection_for_everyone(role: str) -> None:
    with OPENS[role](timeout=5_000) as (wb, far), no_light_thread_left():
        assert wb._session is not None
        link = wb._session.connection.link
        reader = spawn_blocked(wb.recv_frame)
        sender = spawn_blocked(flood, wb, b"x" * 65_535)
        assert thread.kill(sender) == (1, None)
        assert result_of(reader) == (None, None, f"{FIRST}: closed")
        assert not wb.is_open
        assert link.sock.fileno() == -1
        assert far.wire.rest()


def test_a_gevent_timeout_of_the_reader_loses_nothing(pair: Pair) -> None:
    wb, far = pair
    whole = far.frame(TEXT, b"hello")
    for cut in range(len(whole)):
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.001):
            wb.recv_frame()
        far.wire.send(whole[cut : cut + 1])
    assert wb.recv_frame() == (b"hello", "text", None)


def test_a_gevent_timeout_of_a_sender_is_fatal_since_half_a_frame_may_have_left(role: str) -> None:
    with OPENS[role](timeout=5_000) as (wb, _):
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.02):
            flood(wb, b"x" * 65_535)
        assert wb.send_text("hello") == (None, FATAL)
        assert wb.recv_frame() == (None, None, FATAL)
        assert wb.close() == (None, FATAL)
        assert not wb.is_open


def test_an_error_in_the_readers_own_code_leaves_the_connection(pair: Pair) -> None:
    wb, far = pair

    def read_and_fail() -> None:
        wb.recv_frame()
        raise LookupError("mine")

    reader = spawn_blocked(read_and_fail)
    far.send(TEXT, b"one")
    assert isinstance(failure_of(reader), LookupError)
    far.send(TEXT, b"two")
    assert wb.recv_frame() == (b"two", "text", None)


# Any cut, any bytes


FRAMES = st.lists(
    st.one_of(
        st.tuples(st.sampled_from((CONTINUATION, TEXT, BINARY)), st.binary(max_size=300), st.booleans()),
        st.tuples(st.sampled_from((PING, PONG)), st.binary(max_size=125), st.just(True)),
    ),
    min_size=1,
    max_size=12,
)
KINDS = {CONTINUATION: "continuation", TEXT: "text", BINARY: "binary", PING: "ping", PONG: "pong"}


def test_frames_do_not_depend_on_where_the_stream_is_cut(pair: Pair) -> None:
    wb, far = pair

    @settings(max_examples=60)
    @given(FRAMES, st.lists(st.integers(0, 3000), max_size=6))
    def check(frames: list[tuple[int, bytes, bool]], cuts: list[int]) -> None:
        stream = b"".join(far.frame(opcode, payload, fin=fin) for opcode, payload, fin in frames)
        edges = [0, *sorted(cut for cut in set(cuts) if cut < len(stream)), len(stream)]
        pieces = [stream[start:end] for start, end in pairwise(edges)]

        def send() -> None:
            for piece in pieces:
                far.wire.send(piece)
                settle()

        sending = gevent.spawn(send)
        for opcode, payload, fin in frames:
            expected = "again" if opcode < CLOSE and not fin else None
            assert wb.recv_frame() == (payload, KINDS[opcode], expected)
        sending.get()

    check()


WORDS = {
    "bad RSV1, RSV2, or RSV3 bits",
    "reserved non-control frames",
    "reserved control frames",
    "frame unmasked",
    "payload len too large",
    "too long payload for control frame",
    "fragmented control frame",
    "exceeding max payload len",
    "close frame with a body must carry a 2-byte status code",
    *(f"{part}: closed" for part in (FIRST, LENGTH_2, LENGTH_8, PAYLOAD)),
}


def test_any_bytes_are_frames_or_a_word(role: str) -> None:
    @settings(max_examples=40)
    @given(st.binary(max_size=60))
    def check(data: bytes) -> None:
        with OPENS[role](max_recv_len=200) as (wb, far):
            far.wire.send(data)
            far.wire.close()
            while True:
                payload, kind, err = wb.recv_frame()
                if payload is None:
                    break
                assert kind in (*KINDS.values(), "close")
            assert err in WORDS
            assert wb.recv_frame() == (None, None, FATAL)

    check()


def test_frames_go_both_ways_at_once(role: str) -> None:
    with OPENS[role](max_payload_len=100_000) as (wb, far):
        data = bytes(range(250)) * 400

        def echo() -> None:
            for _ in range(20):
                found = far.next()
                assert found is not None
                far.send(found.opcode, found.payload)
            done.set()

        done = Event()
        gevent.spawn(echo)
        sending = thread.spawn(lambda: [wb.send_binary(data)[1] for _ in range(20)])
        assert [wb.recv_frame() for _ in range(20)] == [(data, "binary", None)] * 20
        assert done.wait(5)
        assert thread.wait(sending) == (True, [None] * 20)
