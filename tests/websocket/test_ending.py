"""How a WebSocket ends: from either side, from both, in the middle of anything, and by a peer that breaks the rules."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lasa
from lasa import thread, websocket
from lasa.websocket import Closing, WebSocket
from tests.conftest import Certificates
from tests.helpers import no_switch, settle
from tests.http.client_tools import tls_context
from tests.socket.tools import failure_of, result_of, spawn_blocked
from tests.websocket.tools import (
    BINARY,
    CLOSE,
    CONTINUATION,
    LARGE,
    PING,
    PONG,
    TEXT,
    Far,
    narrow,
    serving,
    talking,
    talking_client,
    talking_pair,
)

ROLES = ["client", "server"]
NORMAL = b"\x03\xe8"
SHORT_S = 0.05


def told(code: int, reason: str = "") -> bytes:
    return code.to_bytes(2, "big") + reason.encode()


def end_tcp(far: Far) -> None:
    far.wire.sock.shutdown(1)


def answer_close(far: Far, payload: bytes = NORMAL) -> None:
    """Be the peer's part of a close that lasa has begun."""
    far.next_is(CLOSE, payload)
    far.send(CLOSE, payload)
    end_tcp(far)


def rest_is_nothing(far: Far) -> None:
    assert far.next() is None


# -- we close


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("arguments", "payload", "closing"),
    [
        ((), NORMAL, (1000, "", "us")),
        ((1001,), told(1001), (1001, "", "us")),
        ((4999, "é" * 61), told(4999, "é" * 61), (4999, "é" * 61, "us")),
        ((3000, "why"), told(3000, "why"), (3000, "why", "us")),
    ],
)
def test_a_close_of_ours_leaves_is_answered_and_tcp_ends(
    role: str, arguments: tuple[Any, ...], payload: bytes, closing: tuple[Any, ...]
) -> None:
    with talking(role) as (wb, far):
        assert wb.closing is None
        ending = spawn_blocked(wb.close, *arguments)
        assert wb.send("late") == (None, "closed")
        answer_close(far, payload)
        rest_is_nothing(far)
        assert result_of(ending) == (closing, None)
        assert wb.closing == closing
        assert not wb.is_open
        assert wb.receive() == (None, "closed")
        assert wb.send("late") == (None, "closed")
        assert wb.send(["la", "te"]) == (None, "closed")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((999,), ValueError),
        ((1004,), ValueError),
        ((1005,), ValueError),
        ((1006,), ValueError),
        ((1015,), ValueError),
        ((2999,), ValueError),
        ((5000,), ValueError),
        (("1000",), TypeError),
        ((True,), TypeError),
        ((1000.0,), TypeError),
        ((1000, b"why"), TypeError),
        ((1000, "x" * 124), ValueError),
        ((1000, "é" * 62), ValueError),
        ((1000, "\ud800"), ValueError),
    ],
)
def test_what_cannot_be_said_raises_and_the_connection_goes_on(
    arguments: tuple[Any, ...], error: type[Exception]
) -> None:
    with talking("server") as (wb, far):
        with pytest.raises(error):
            wb.close(*arguments)
        with pytest.raises(ValueError, match="bad timeout_s"):
            wb.close(timeout_s=-1)
        assert wb.is_open
        assert wb.closing is None
        wb.send("on")
        far.next_is(TEXT, b"on")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("by_option", [True, False])
def test_a_close_that_nobody_answers_ends_in_time(role: str, by_option: bool) -> None:
    with talking(role, **({"close_timeout_s": SHORT_S} if by_option else {})) as (wb, far):
        begun_s = time.monotonic()
        assert wb.close(timeout_s=None if by_option else SHORT_S) == (None, "timeout")
        assert SHORT_S * 0.9 < time.monotonic() - begun_s < 1
        assert not wb.is_open
        assert wb.closing == (1000, "", "us")
        far.next_is(CLOSE, NORMAL)
        rest_is_nothing(far)


@pytest.mark.parametrize("role", ROLES)
def test_the_timeout_of_a_close_holds_for_a_peer_that_answers_and_does_not_end_tcp(role: str) -> None:
    with talking(role) as (wb, far):
        far.send(CLOSE, NORMAL)
        begun_s = time.monotonic()
        closing, err = wb.close(timeout_s=SHORT_S)
        assert time.monotonic() - begun_s < 0.5
        assert err is None
        assert closing in ((1000, "", "us"), (1000, "", "peer"))


@pytest.mark.parametrize("role", ROLES)
def test_the_timeout_of_a_close_holds_for_a_peer_that_takes_nothing(role: str) -> None:
    with talking(role) as (wb, far):
        narrow(wb)
        sender = spawn_blocked(wb.send, bytes(LARGE))
        begun_s = time.monotonic()
        assert wb.close(timeout_s=SHORT_S) == (None, "timeout")
        assert time.monotonic() - begun_s < 1
        assert result_of(sender) == (None, "closed")
        assert wb.closing == (1000, "", "us")
        far.wire.close()


@pytest.mark.parametrize("role", ROLES)
def test_what_is_in_flight_when_we_close_is_dropped_and_no_ping_is_answered_any_more(role: str) -> None:
    with talking(role, max_message=1000) as (wb, far):
        far.send(TEXT, b"nobody receives this")
        ending = spawn_blocked(wb.close)
        far.send(BINARY, bytes(200_000))  # more than a message may have
        far.send(TEXT, b"frag", fin=False)
        far.send(PING, b"?")
        far.send(CONTINUATION, b"ments")
        far.send(TEXT, b"an end that never", fin=False)
        answer_close(far)
        rest_is_nothing(far)
        assert result_of(ending) == ((1000, "", "us"), None)


@pytest.mark.parametrize("role", ROLES)
def test_what_breaks_the_rules_while_we_close_is_the_word_of_the_close(role: str) -> None:
    with talking(role) as (wb, far):
        ending = spawn_blocked(wb.close)
        far.send(TEXT, b"\xff")
        end_tcp(far)
        assert result_of(ending) == (None, "invalid utf-8")
        far.next_is(CLOSE, NORMAL)
        rest_is_nothing(far)
        assert wb.closing == (1000, "", "us")


@pytest.mark.parametrize("role", ROLES)
def test_a_close_whose_peer_ends_tcp_without_an_answer_says_closed(role: str) -> None:
    with talking(role) as (wb, far):
        ending = spawn_blocked(wb.close)
        far.next_is(CLOSE, NORMAL)
        far.wire.close()
        assert result_of(ending) == (None, "closed")
        assert wb.closing == (1000, "", "us")


# -- we close, and others do something else


def iterate(wb: WebSocket) -> tuple[list[Any], None]:
    return list(wb), None


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("read", "outcome"),
    [
        (lambda wb: wb.receive(), (None, "closed")),
        (lambda wb: wb.receive(timeout_s=5), (None, "closed")),
        (lambda wb: wb.receive_pieces(), (None, "closed")),
        (iterate, ([], None)),
    ],
)
def test_a_close_wakes_whoever_receives(role: str, read: Callable[[WebSocket], Any], outcome: Any) -> None:
    with talking(role) as (wb, far):
        reading = spawn_blocked(read, wb)
        ending = spawn_blocked(wb.close)
        answer_close(far)
        assert result_of(reading) == outcome
        assert result_of(ending) == ((1000, "", "us"), None)


def test_whoever_receives_gets_what_the_peer_still_sends_before_it_answers_a_close() -> None:
    with talking("server") as (wb, far):
        reading = spawn_blocked(iterate, wb)
        ending = spawn_blocked(wb.close)
        far.send(TEXT, b"one")
        far.send(TEXT, b"two")
        answer_close(far)
        assert result_of(reading) == (["one", "two"], None)
        assert result_of(ending) == ((1000, "", "us"), None)


def test_a_close_wakes_whoever_iterates_over_pieces() -> None:
    with talking("client") as (wb, far):
        far.send(BINARY, b"one", fin=False)
        pieces, _ = wb.receive_pieces()
        assert pieces is not None
        assert next(pieces) == b"one"
        reading = spawn_blocked(next, pieces)
        ending = spawn_blocked(wb.close)
        answer_close(far)
        assert isinstance(failure_of(reading), lasa.Error)
        assert result_of(ending) == ((1000, "", "us"), None)


@pytest.mark.parametrize("role", ROLES)
def test_a_close_goes_on_by_itself_where_whoever_received_has_stopped(role: str) -> None:
    with talking(role) as (wb, far):
        reading = thread.spawn(wb.receive, 0.01)
        ending = spawn_blocked(wb.close)
        assert result_of(reading) == (None, "timeout")
        far.send(TEXT, b"nobody receives this")
        answer_close(far)
        assert result_of(ending) == ((1000, "", "us"), None)


@pytest.mark.parametrize("role", ROLES)
def test_a_close_waits_for_a_message_that_is_on_its_way_and_nothing_follows_it(role: str) -> None:
    with talking(role) as (wb, far):
        narrow(wb)
        first = spawn_blocked(wb.send, bytes(LARGE))
        second = spawn_blocked(wb.send, "waits for its turn")
        third = spawn_blocked(wb.send, ["waits", "too"])
        ending = spawn_blocked(wb.close)
        far.next_is(BINARY, bytes(LARGE))
        answer_close(far)
        rest_is_nothing(far)
        assert result_of(first)[1] is None
        assert result_of(second) == (None, "closed")
        assert result_of(third) == (None, "closed")
        assert result_of(ending) == ((1000, "", "us"), None)


def test_a_close_ends_a_message_that_is_sent_in_fragments() -> None:
    with talking("server") as (wb, far):
        ready, _ = lasa.semaphore.new(0)

        def pieces() -> Any:
            yield "one"
            ready.wait(5)
            yield "two"

        sender = spawn_blocked(wb.send, pieces())
        far.next_is(TEXT, b"one", fin=False)
        ending = spawn_blocked(wb.close)
        ready.post()
        assert result_of(sender) == (None, "closed")
        answer_close(far)
        rest_is_nothing(far)
        assert result_of(ending) == ((1000, "", "us"), None)


def test_several_may_close_at_once_and_again() -> None:
    with talking("server") as (wb, far):
        endings = [spawn_blocked(wb.close, code) for code in (1000, 4000, 4001)]
        answer_close(far)
        rest_is_nothing(far)
        for ending in endings:
            assert result_of(ending) == ((1000, "", "us"), None)
        assert wb.close(4002) == ((1000, "", "us"), None)
        assert wb.closing == (1000, "", "us")


def test_several_who_close_a_silent_peer_all_come_back() -> None:
    with talking("server") as (wb, far):
        endings = [thread.spawn(lambda timeout_s: wb.close(timeout_s=timeout_s), SHORT_S + at / 100) for at in range(3)]
        for ending in endings:
            closing, err = result_of(ending)
            assert (closing, err) in ((None, "timeout"), ((1000, "", "us"), None))
        assert not wb.is_open
        far.wire.close()


# -- the peer closes


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("payload", "closing"),
    [
        (b"", (1005, "", "peer")),
        (NORMAL, (1000, "", "peer")),
        (told(1001, "bye"), (1001, "bye", "peer")),
        (told(4000, "é" * 61), (4000, "é" * 61, "peer")),
    ],
)
@pytest.mark.parametrize("receives", [True, False])
def test_a_close_of_the_peer_is_answered_whether_anybody_receives_or_not(
    role: str, payload: bytes, closing: tuple[Any, ...], receives: bool
) -> None:
    with talking(role) as (wb, far):
        reading = spawn_blocked(wb.receive) if receives else None
        far.send(CLOSE, payload)
        far.next_is(CLOSE, payload)  # with the reason, which browsers show
        assert wb.closing == closing
        assert wb.send("late") == (None, "closed")
        assert wb.send(["la", "te"]) == (None, "closed")
        if role == "server":
            rest_is_nothing(far)
        end_tcp(far)
        if reading is not None:
            assert result_of(reading) == (None, "closed")
        assert wb.receive() == (None, "closed")
        closed, err = wb.close()
        assert (closed, err) == (closing, None)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("what", ["receive", "receive_pieces", "__next__"])
def test_who_begins_to_receive_while_a_close_of_the_peer_is_answered_hears_of_it(role: str, what: str) -> None:
    with talking(role) as (wb, far):
        far.send(CLOSE, told(1011))
        far.next_is(CLOSE, told(1011))  # the hub has read it, and a light thread of its own waits for the end of TCP
        reading = thread.spawn(getattr(wb, what))
        settle()
        end_tcp(far)
        if what == "__next__":
            assert isinstance(failure_of(reading), lasa.Error)
        else:
            assert result_of(reading) == (None, "closed")
        while wb.is_open:
            settle()
        assert wb.closing == (1011, "", "peer")


@pytest.mark.parametrize("role", ROLES)
def test_a_peer_that_closes_and_keeps_tcp_open_is_not_waited_for_long(role: str) -> None:
    with talking(role) as (wb, far), gevent.Timeout(3):
        far.send(CLOSE, NORMAL)
        far.next_is(CLOSE, NORMAL)
        assert wb.receive() == (None, "closed")
        assert not wb.is_open


@pytest.mark.parametrize("role", ROLES)
def test_the_peer_may_close_while_we_send(role: str) -> None:
    with talking(role) as (wb, far):
        narrow(wb)
        first = spawn_blocked(wb.send, bytes(LARGE))
        second = spawn_blocked(wb.send, "waits for its turn")
        far.send(CLOSE, told(1001))
        settle()
        assert wb.closing == (1001, "", "peer")
        assert wb.send("late") == (None, "closed")
        far.next_is(BINARY, bytes(LARGE))
        far.next_is(CLOSE, told(1001))
        end_tcp(far)
        rest_is_nothing(far)
        assert result_of(first)[1] is None
        assert result_of(second) == (None, "closed")


@pytest.mark.parametrize("role", ROLES)
def test_a_close_that_crosses_ours_is_an_answer(role: str) -> None:
    with talking(role) as (wb, far):
        far.send(CLOSE, told(4000, "theirs"))
        end_tcp(far)
        closing, err = wb.close()
        assert err is None
        found = far.next()
        assert found is not None
        assert found.opcode == CLOSE
        rest_is_nothing(far)
        assert closing == ((1000, "", "us") if found.payload == NORMAL else (4000, "theirs", "peer"))


def test_both_sides_may_close_at_once() -> None:
    with talking_pair() as (client, server):
        endings = [thread.spawn(client.close, 4001, "client"), thread.spawn(server.close, 4002, "server")]
        outcomes = [result_of(ending) for ending in endings]
        assert outcomes == [((4001, "client", "us"), None), ((4002, "server", "us"), None)]


@pytest.mark.parametrize("role", ROLES)
def test_what_a_peer_sends_behind_its_close_frame_is_nobodys(role: str) -> None:
    with talking(role) as (wb, far):
        reading = spawn_blocked(wb.receive)
        far.wire.send(far.frame(CLOSE, NORMAL) + far.frame(TEXT, b"more") + far.frame(PING, b"?") + b"\xff" * 1000)
        far.next_is(CLOSE, NORMAL)
        end_tcp(far)
        rest_is_nothing(far)
        assert result_of(reading) == (None, "closed")


def test_a_peer_that_sends_without_end_behind_its_close_frame_is_cut_off() -> None:
    with talking("server") as (wb, far):
        reading = spawn_blocked(wb.receive)
        far.send(CLOSE, NORMAL)
        with suppress(OSError):
            for _ in range(1000):
                far.wire.send(bytes(100_000))
        assert result_of(reading) == (None, "closed")
        assert not wb.is_open


# -- TCP ends


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("breaks", [True, False])
def test_a_peer_may_drop_tcp_at_every_byte(role: str, breaks: bool) -> None:
    stream: list[bytes] = []
    at = 0
    while not stream or at < len(stream[0]):
        with talking(role) as (wb, far):
            if not stream:
                stream.append(far.frame(TEXT, b"m") + far.frame(CLOSE, told(1000, "b")))
                first = len(far.frame(TEXT, b"m"))
            far.wire.send(stream[0][:at])
            if breaks:
                reading = spawn_blocked(iterate, wb) if at < first else None
                far.wire.reset()
                if reading is not None:
                    assert isinstance(failure_of(reading), lasa.Error)
                    assert wb.closing is not None
                    assert wb.closing.code == 1006
            else:
                far.wire.close()
                assert read_all(wb) == (["m"] if at >= first else [], "closed")
                assert wb.closing == (1006, "closed", "nobody")
            with suppress(lasa.Error):
                list(wb)
            assert not wb.is_open
        at += 1


@pytest.mark.parametrize("role", ROLES)
def test_a_peer_that_is_gone_is_noticed_while_nobody_receives(role: str) -> None:
    with talking(role) as (wb, far):
        far.wire.close()
        while wb.is_open:
            settle()
        assert wb.closing == (1006, "closed", "nobody")
        assert wb.send("late") == (None, "closed")
        assert wb.close() == (None, "closed")


@pytest.mark.parametrize("role", ROLES)
def test_abort_says_nothing_to_anybody_and_wakes_everyone(role: str) -> None:
    with talking(role) as (wb, far):
        reading = spawn_blocked(wb.receive)
        narrow(wb)
        sending = spawn_blocked(wb.send, bytes(LARGE))
        with no_switch():
            wb.abort()
            wb.abort()
        assert result_of(reading) == (None, "closed")
        assert result_of(sending) == (None, "closed")
        assert wb.closing == (1006, "aborted", "us")
        assert wb.close() == (None, "closed")
        far.wire.close()


# -- a peer that breaks the rules


def continued(far: Far) -> bytes:
    return far.frame(TEXT, b"one", fin=False)


BROKEN: list[tuple[str, Callable[[Far], bytes], int, str]] = [
    ("rsv1", lambda far: far.frame(TEXT, b"x", rsv=4), 1002, "bad RSV1, RSV2, or RSV3 bits"),
    ("rsv2", lambda far: far.frame(TEXT, b"x", rsv=2), 1002, "bad RSV1, RSV2, or RSV3 bits"),
    ("rsv3 of a ping", lambda far: far.frame(PING, b"x", rsv=1), 1002, "bad RSV1, RSV2, or RSV3 bits"),
    ("opcode 3", lambda far: far.frame(3, b"x"), 1002, "reserved non-control frames"),
    ("opcode 7", lambda far: far.frame(7), 1002, "reserved non-control frames"),
    ("opcode 11", lambda far: far.frame(11, b"x"), 1002, "reserved control frames"),
    ("opcode 15", lambda far: far.frame(15), 1002, "reserved control frames"),
    ("long ping", lambda far: far.frame(PING, bytes(126)), 1002, "too long payload for control frame"),
    ("fragmented ping", lambda far: far.frame(PING, b"x", fin=False), 1002, "fragmented control frame"),
    ("no begin", lambda far: far.frame(CONTINUATION, b"x"), 1002, "continuation of no message"),
    ("new message", lambda far: continued(far) + far.frame(TEXT, b"x"), 1002, "a new message within a fragmented one"),
    ("length", lambda far: far.frame(TEXT, b"x", width=2), 1002, "payload length not in its shortest form"),
    ("length 8", lambda far: far.frame(TEXT, bytes(126), width=8), 1002, "payload length not in its shortest form"),
    ("huge", lambda far: far.frame(TEXT, length=2**31, width=8)[:14], 1009, "payload len too large"),
    ("negative", lambda far: far.frame(TEXT, length=2**63, width=8)[:14], 1002, "payload len too large"),
    (
        "half a code",
        lambda far: far.frame(CLOSE, b"\x03"),
        1002,
        "close frame with a body must carry a 2-byte status code",
    ),
    ("code 1005", lambda far: far.frame(CLOSE, told(1005)), 1002, "bad close code: 1005"),
    ("code 1006", lambda far: far.frame(CLOSE, told(1006)), 1002, "bad close code: 1006"),
    ("code 2999", lambda far: far.frame(CLOSE, told(2999)), 1002, "bad close code: 2999"),
    ("code 0", lambda far: far.frame(CLOSE, told(0)), 1002, "bad close code: 0"),
    ("reason", lambda far: far.frame(CLOSE, NORMAL + b"\xff"), 1007, "invalid utf-8"),
    ("text", lambda far: far.frame(TEXT, b"\xc3\x28"), 1007, "invalid utf-8"),
    ("cut text", lambda far: far.frame(TEXT, b"\xc3"), 1007, "invalid utf-8"),
    ("surrogate", lambda far: far.frame(TEXT, b"\xed\xa0\x80"), 1007, "invalid utf-8"),
    ("fragment", lambda far: continued(far) + far.frame(CONTINUATION, b"\xff", fin=False), 1007, "invalid utf-8"),
]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("data", "code", "word"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_peer_that_breaks_a_rule_is_told_the_reader_hears_it_and_tcp_ends(
    role: str, data: Callable[[Far], bytes], code: int, word: str
) -> None:
    with talking(role) as (wb, far):
        reading = spawn_blocked(wb.receive)
        far.wire.send(data(far))
        far.next_is(CLOSE, told(code, word))
        rest_is_nothing(far)
        end_tcp(far)
        assert result_of(reading) == (None, word)
        assert wb.closing == (code, word, "us")
        assert not wb.is_open
        assert wb.send("late") == (None, "closed")
        assert wb.receive() == (None, "closed")


@pytest.mark.parametrize(
    ("role", "word"), [("client", "frame masked"), ("server", "frame unmasked")], ids=["client", "server"]
)
def test_a_frame_with_the_wrong_mask_is_refused(role: str, word: str) -> None:
    with talking(role) as (wb, far):
        reading = spawn_blocked(wb.receive)
        far.send(TEXT, b"x", masked=not far.masks)
        far.next_is(CLOSE, told(1002, word))
        rest_is_nothing(far)
        end_tcp(far)
        assert result_of(reading) == (None, word)


@pytest.mark.parametrize("role", ROLES)
def test_a_peer_that_breaks_a_rule_while_nobody_receives_is_told_at_once(role: str) -> None:
    with talking(role) as (wb, far):
        far.send(PING, bytes(126))
        far.next_is(CLOSE, told(1002, "too long payload for control frame"))
        rest_is_nothing(far)
        far.wire.close()
        assert wb.receive() == (None, "too long payload for control frame")
        assert wb.receive() == (None, "closed")
        assert wb.closing == (1002, "too long payload for control frame", "us")


def test_a_peer_that_breaks_a_rule_and_goes_on_sending_still_learns_why() -> None:
    with talking("server") as (wb, far):
        reading = spawn_blocked(wb.receive)
        far.wire.send(far.frame(3) + bytes(3_000_000))
        far.next_is(CLOSE, told(1002, "reserved non-control frames"))
        rest_is_nothing(far)
        far.wire.close()
        assert result_of(reading) == (None, "reserved non-control frames")


@pytest.mark.parametrize("role", ROLES)
def test_any_bytes_at_all_give_messages_or_an_error_word_and_never_anything_else(role: str) -> None:
    frames = st.builds(
        lambda first, second, rest: bytes((first, second)) + rest,
        st.integers(0, 255),
        st.sampled_from([0, 1, 5, 125, 126, 127, 128, 129, 133, 254, 255]),
        st.binary(max_size=20),
    )

    @settings(deadline=None, max_examples=40)
    @given(st.lists(frames | st.binary(max_size=30), max_size=8).map(b"".join), st.integers(1, 9))
    def check(data: bytes, step: int) -> None:
        with talking(role) as (wb, far):
            reading = thread.spawn(read_all, wb)
            with suppress(OSError):
                for at in range(0, len(data), step):
                    far.wire.send(data[at : at + step])
                    settle()
                end_tcp(far)
            found, err = result_of(reading)
            assert all(isinstance(message, str | bytes) for message in found)
            assert isinstance(err, str)
            assert isinstance(wb.closing, Closing)
            assert not wb.is_open

    check()


def read_all(wb: WebSocket) -> tuple[list[Any], str]:
    found: list[Any] = []
    while True:
        message, err = wb.receive()
        if message is None:
            assert err is not None
            return found, err
        found.append(message)


# -- servers, with, TLS


def test_a_handler_that_returns_closes_with_1000_and_one_that_raises_with_1011(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def handler(wb: WebSocket) -> None:
        message, _ = wb.receive()
        if message == "raise":
            raise ValueError("boom")

    with serving(handler) as server, caplog.at_level(logging.CRITICAL):
        for message, closing in (("return", (1000, "", "peer")), ("raise", (1011, "", "peer"))):
            wb = lasa.check(websocket.client.connect(server.url, proxy=False))
            wb.send(message)
            assert wb.receive() == (None, "closed")
            assert wb.closing == closing


def test_a_server_that_stops_closes_with_1001_which_ends_loops_on_both_sides() -> None:
    ends: list[Any] = []

    def handler(wb: WebSocket) -> None:
        ends.append(list(wb))
        ends.append(wb.closing)

    with serving(handler) as server:
        wb = lasa.check(websocket.client.connect(server.url, proxy=False))
        reading = spawn_blocked(list, wb)
        with gevent.Timeout(5):
            assert server.stop(grace_s=5) == (True, [])
        assert result_of(reading) == ([],)
        assert wb.closing == (1001, "", "peer")
    assert ends == [[], (1001, "", "us")]


def test_a_server_that_stops_does_not_wait_for_a_client_that_does_not_answer() -> None:
    with serving(lambda wb: list(wb), close_timeout_s=SHORT_S) as server:
        wb = lasa.check(websocket.client.connect(server.url, proxy=False))
        wb.abort()
        with gevent.Timeout(5):
            assert server.stop(grace_s=3)[0] is True


@pytest.mark.parametrize("role", ROLES)
def test_leaving_a_with_closes_and_says_whether_something_went_wrong(role: str) -> None:
    with talking(role) as (wb, far):
        answering = thread.spawn(answer_close, far)
        with wb as same:
            assert same is wb
        result_of(answering)
        assert wb.closing == (1000, "", "us")
    with talking(role) as (wb, far):
        answering = thread.spawn(answer_close, far, told(1011))
        with pytest.raises(KeyError), wb:
            raise KeyError
        result_of(answering)
        assert wb.closing == (1011, "", "us")


@pytest.mark.parametrize("by", ROLES)
def test_a_close_over_tls_is_clean_on_both_sides(by: str, certificates: Certificates) -> None:
    certificate = certificates.issue("localhost")
    ssl = {"ssl_cert": certificate, "ssl_key": certificate}
    with talking_pair(ssl=ssl) as (client, server):
        near, other = (client, server) if by == "client" else (server, client)
        reading = spawn_blocked(other.receive)
        assert near.close(4000, "bye") == ((4000, "bye", "us"), None)
        assert result_of(reading) == (None, "closed")
        assert other.closing == (4000, "bye", "peer")
    with talking_client(tls=tls_context(certificate)) as (wb, far):
        reading = spawn_blocked(wb.receive)
        far.send(PONG)
        far.send(3)
        far.next_is(CLOSE, told(1002, "reserved non-control frames"))
        rest_is_nothing(far)
        far.wire.close()
        assert result_of(reading) == (None, "reserved non-control frames")


# Who it was


def end_with(far: Far, data: bytes) -> None:
    far.wire.send(data)
    end_tcp(far)


ENDS: dict[str, Callable[[Far], Any]] = {
    "a close of the peer's": lambda far: end_with(far, far.frame(CLOSE, NORMAL)),
    "the end of TCP": end_tcp,
    "a reset": lambda far: far.wire.reset(),
    "a frame against the rules": lambda far: end_with(far, b"\xff\xff"),
    "abort": lambda far: None,
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("role", ROLES)
def test_who_was_at_the_other_end_is_known_also_afterwards(role: str, end: str) -> None:
    with talking(role) as (wb, far):
        names = wb.peer, wb.local
        assert names == (far.wire.sock.getsockname()[:2], far.wire.sock.getpeername()[:2])
        with no_switch():
            assert (wb.peer, wb.local) == names
        ENDS[end](far)
        if end == "abort":
            wb.abort()
        else:
            assert wb.receive()[0] is None
        assert not wb.is_open
        assert (wb.peer, wb.local) == names


def test_a_client_that_has_not_connected_yet_names_nobody() -> None:
    wb, _ = websocket.client.new()
    assert wb.peer == wb.local == ("", None)
    assert wb.connect("ws://127.0.0.1:1/", {"proxy": False})[0] is None
    assert wb.peer == wb.local == ("", None)


@pytest.mark.parametrize("role", ROLES)
def test_a_with_that_is_cut_in_the_middle_of_its_close_leaves_nothing_open(role: str) -> None:
    with talking(role) as (wb, far):
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.01), wb:
            pass  # and the peer does not answer the close
        assert wb.open_session is None
        far.next_is(CLOSE, NORMAL)
        rest_is_nothing(far)
