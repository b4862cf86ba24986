"""Messages in: whole, one after another, piece by piece, cut anywhere; nothing lost, mixed or unbounded."""

from __future__ import annotations

import gc
import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lasa
from lasa import _hub, thread, websocket
from lasa.websocket import MessagePieces, WebSocket
from lasa.websocket._socket.session import Session
from lasa.websocket.server import Server
from tests.conftest import Certificates
from tests.helpers import nothing_left_open, select_original, settle
from tests.http.client_tools import Wire, peer, tls_context
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
    answer_of,
    chunks_of,
    frame,
    narrow,
    serving,
    staying,
    talking,
    talking_client,
    talking_pair,
    talking_server,
)

ROLES = ["client", "server"]
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover"

# Texts whose characters take one to four bytes, so that cuts fall within them.
TEXTS = st.text(st.sampled_from("aé€𐍈"), max_size=12)
MESSAGES = st.lists(TEXTS | st.binary(max_size=200), max_size=5)
CUTS = st.lists(st.integers(0, 2000), max_size=6)


def pieces_from(wb: WebSocket, **options: Any) -> MessagePieces:
    pieces, err = wb.receive_pieces(**options)
    assert pieces is not None, err
    return pieces


def in_fragments(far: Far, message: str | bytes, cuts: list[int], pings: int = 0) -> bytes:
    """A message in fragments, with so many pings behind each."""
    data = message.encode() if isinstance(message, str) else message
    parts = chunks_of(data, cuts)
    stream = b""
    for at, part in enumerate(parts):
        opcode = CONTINUATION if at else TEXT if isinstance(message, str) else BINARY
        stream += far.frame(opcode, part, fin=at == len(parts) - 1)
        stream += far.frame(PING, b"%d" % at) * pings
    return stream


def deflated(data: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -12)
    return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]


# -- whole messages


@pytest.mark.parametrize("compression", [True, False])
def test_each_kind_of_message_arrives_as_it_was_sent_in_both_directions(compression: bool) -> None:
    class Word(str):
        pass

    sent: list[tuple[Any, str | bytes]] = [
        ("text: aé€𐍈", "text: aé€𐍈"),
        ("", ""),
        (b"bytes\x00\xff", b"bytes\x00\xff"),
        (b"", b""),
        (bytearray(b"array"), b"array"),
        (memoryview(b"-view-")[1:-1], b"view"),
        (memoryview(b"a-b-c-")[::2], b"abc"),
        (Word("word"), "word"),
        ("long " * 60_000, "long " * 60_000),
        (bytes(range(256)) * 1200, bytes(range(256)) * 1200),
        (["text", " in ", "pieces"], "text in pieces"),
        (tuple(bytes([n]) for n in range(50)), bytes(range(50))),
        ([], b""),
        ("x" * 125, "x" * 125),
        ("x" * 126, "x" * 126),
        (b"x" * 65_535, b"x" * 65_535),
        (b"x" * 65_536, b"x" * 65_536),
    ]
    with talking_pair(compression=compression) as (client, server):
        for one, other in ((client, server), (server, client)):
            for given_message, expected in sent:
                if isinstance(given_message, tuple):
                    given_message = iter(given_message)
                sending = thread.spawn(one.send, given_message)
                assert other.receive() == (expected, None)
                size, err = result_of(sending)
                assert err is None
                assert size > 0


@pytest.mark.parametrize("role", ROLES)
def test_messages_arrive_whole_however_they_are_fragmented_and_cut(role: str) -> None:
    with talking(role, ping_interval_s=None) as (wb, far):

        @settings(deadline=None, max_examples=60)
        @given(MESSAGES, CUTS, CUTS, st.integers(0, 1))
        def check(messages: list[str | bytes], fragments: list[int], cuts: list[int], pings: int) -> None:
            stream = b"".join(in_fragments(far, message, fragments, pings) for message in messages)
            received: list[Any] = []

            def receive() -> None:
                while len(received) < len(messages):
                    received.append(wb.receive())

            reading = thread.spawn(receive)
            for chunk in chunks_of(stream, cuts):
                far.wire.send(chunk)
                settle()
            result_of(reading)
            assert received == [(message, None) for message in messages]
            for _ in messages:
                for at in range((len(fragments) + 1) * pings):
                    far.next_is(PONG, b"%d" % at)

        check()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("hub_reads", [True, False])
def test_a_receive_that_times_out_at_every_byte_of_a_message_loses_none(role: str, hub_reads: bool) -> None:
    with talking(role) as (wb, far):
        stream = in_fragments(far, "aé€𐍈" * 40, [3, 4, 150], 1) + far.frame(BINARY, b"\xff" * 130)
        first_end = len(stream) - len(far.frame(BINARY, b"\xff" * 130))
        received = []
        for at in range(len(stream)):
            far.wire.send(stream[at : at + 1])
            if hub_reads:
                settle()
            message, err = wb.receive(timeout_s=0)
            if message is None:
                assert err == "timeout"
            else:
                received.append((at + 1, message))
        # The last ping of the first message's fragments follows it.
        assert received == [(first_end - len(far.frame(PING, b"3")), "aé€𐍈" * 40), (len(stream), b"\xff" * 130)]
        for at in range(4):
            far.next_is(PONG, b"%d" % at)


@pytest.mark.parametrize("role", ROLES)
def test_set_timeout_bounds_a_wait_and_the_next_receive_goes_on(role: str) -> None:
    with talking(role) as (wb, far):
        wb.set_timeout(5)
        assert wb.receive() == (None, "timeout")
        message = far.frame(TEXT, b"in two parts")
        far.wire.send(message[:7])
        assert wb.receive() == (None, "timeout")
        assert wb.receive(timeout_s=60) == (None, "timeout")
        with pytest.raises(lasa.Error, match="timeout"):
            next(wb)
        far.wire.send(message[7:])
        assert wb.receive() == ("in two parts", None)
        assert wb.is_open


def test_a_timeout_that_is_none_is_told_before_anything_is_read() -> None:
    with talking("client") as (wb, far):
        far.send(TEXT, b"still here")
        for bad in (-1, "soon", float("nan")):
            with pytest.raises(ValueError, match="bad timeout_s"):
                wb.receive(timeout_s=bad)  # type: ignore[arg-type]
            with pytest.raises(ValueError, match="bad timeout_s"):
                wb.receive_pieces(timeout_s=bad)  # type: ignore[arg-type]
        assert wb.receive() == ("still here", None)


def test_only_one_light_thread_receives_at_a_time() -> None:
    with talking("server") as (wb, far):
        reader = spawn_blocked(wb.receive)
        assert wb.receive() == (None, "socket busy reading")
        assert wb.receive_pieces() == (None, "socket busy reading")
        with pytest.raises(lasa.Error, match="socket busy reading"):
            next(wb)
        far.send(TEXT, b"for the first")
        assert result_of(reader) == ("for the first", None)


def test_messages_that_came_before_the_close_are_received_before_its_word() -> None:
    with talking("client") as (wb, far):
        stream = b"".join(far.frame(TEXT, b"%d" % n) for n in range(5)) + far.frame(CLOSE, b"\x03\xe8")
        far.wire.send(stream)
        far.wire.sock.shutdown(1)
        settle()
        settle()
        assert [message for message in wb] == ["0", "1", "2", "3", "4"]  # noqa: C416
        assert wb.closing == (1000, "", "peer")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("payload", "closing"),
    [
        (b"", (1005, "", "peer")),
        (b"\x03\xe8", (1000, "", "peer")),
        (b"\x03\xe9going away", (1001, "going away", "peer")),
    ],
)
def test_a_loop_over_messages_ends_at_a_normal_close(role: str, payload: bytes, closing: tuple[Any, ...]) -> None:
    with talking(role) as (wb, far):
        far.send(TEXT, b"one")
        far.send(BINARY, b"two")
        far.send(CLOSE, payload)
        far.wire.sock.shutdown(1)
        assert list(wb) == ["one", b"two"]
        assert list(wb) == []
        assert wb.closing == closing
        assert wb.receive() == (None, "closed")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("data", "word", "closing"),
    [
        (lambda far: far.frame(CLOSE, b"\x03\xf3"), "closed", (1011, "", "peer")),
        (lambda far: far.frame(CLOSE, b"\x0f\xa0own"), "closed", (4000, "own", "peer")),
        (lambda far: b"", "closed", (1006, "closed", "nobody")),
        (lambda far: far.frame(TEXT, b"half")[:-1], "closed", (1006, "closed", "nobody")),
        (lambda far: far.frame(TEXT, b"half", fin=False), "closed", (1006, "closed", "nobody")),
        (lambda far: far.frame(TEXT, b"\xff"), "invalid utf-8", (1007, "invalid utf-8", "us")),
    ],
)
def test_a_loop_over_messages_raises_at_any_other_end(
    role: str, data: Callable[[Far], bytes], word: str, closing: tuple[Any, ...]
) -> None:
    with talking(role) as (wb, far):
        far.wire.send(far.frame(TEXT, b"one") + data(far))
        far.wire.sock.shutdown(1)
        assert next(wb) == "one"
        with pytest.raises(lasa.Error) as caught:
            next(wb)
        assert caught.value.reason == word
        assert isinstance(caught.value, OSError)
        assert wb.closing == closing


# -- limits


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("is_fragmented", [True, False])
def test_a_message_above_the_limit_is_refused_with_1009_and_one_at_the_limit_is_not(
    role: str, is_fragmented: bool
) -> None:
    with talking(role, max_message=1000) as (wb, far):
        cuts = [400, 800] if is_fragmented else []
        far.wire.send(in_fragments(far, b"x" * 1000, cuts))
        assert wb.receive() == (b"x" * 1000, None)
        reader = spawn_blocked(wb.receive)
        far.wire.send(in_fragments(far, b"x" * 1001, cuts))
        far.next_is(CLOSE, b"\x03\xf1message too big")
        assert far.next() is None
        far.wire.close()
        assert result_of(reader) == (None, "message too big")
        assert wb.closing == (1009, "message too big", "us")


def test_the_limit_is_applied_from_the_head_before_a_byte_of_the_payload_has_come() -> None:
    with talking("server", max_message=1000) as (wb, far):
        reader = spawn_blocked(wb.receive)
        far.wire.send(far.frame(BINARY, length=2**30, width=8)[:14])
        far.next_is(CLOSE, b"\x03\xf1message too big")
        far.wire.close()
        assert result_of(reader) == (None, "message too big")


def test_the_limit_counts_inflated_bytes() -> None:
    with talking_server(fields=(DEFLATE,), max_message=100_000) as (wb, far):
        far.send(BINARY, deflated(bytes(100_000)), rsv=4)
        assert wb.receive() == (bytes(100_000), None)
        reader = spawn_blocked(wb.receive)
        far.send(BINARY, deflated(bytes(100_001)), rsv=4)
        far.next_is(CLOSE, b"\x03\xf1message too big")
        far.wire.close()
        assert result_of(reader) == (None, "message too big")


def test_the_limit_on_frames_is_one_of_the_wire() -> None:
    with talking_server(max_frame=100) as (wb, far):
        far.wire.send(in_fragments(far, b"x" * 250, [100, 200]))
        assert wb.receive() == (b"x" * 250, None)
        reader = spawn_blocked(wb.receive)
        far.send(BINARY, b"x" * 101)
        far.next_is(CLOSE, b"\x03\xf1exceeding max payload len")
        far.wire.close()
        assert result_of(reader) == (None, "exceeding max payload len")


@pytest.mark.parametrize("is_fragmented", [True, False])
def test_the_limit_holds_again_after_a_receive_of_pieces_that_timed_out(is_fragmented: bool) -> None:
    with talking("server", max_message=1000) as (wb, far):
        assert wb.receive_pieces(timeout_s=0) == (None, "timeout")
        reader = spawn_blocked(wb.receive)
        far.wire.send(in_fragments(far, b"x" * 5000, [900] if is_fragmented else []))
        far.next_is(CLOSE, b"\x03\xf1message too big")
        far.wire.close()
        assert result_of(reader) == (None, "message too big")


# -- pieces


@pytest.mark.parametrize("role", ROLES)
def test_pieces_make_the_message_however_it_is_fragmented_and_cut(role: str) -> None:
    with talking(role, ping_interval_s=None) as (wb, far):

        @settings(deadline=None, max_examples=60)
        @given(TEXTS | st.binary(max_size=200), CUTS, CUTS, st.integers(0, 1))
        def check(message: str | bytes, fragments: list[int], cuts: list[int], pings: int) -> None:
            found: list[Any] = []

            def receive() -> None:
                pieces = pieces_from(wb)
                assert pieces.is_text is isinstance(message, str)
                found.extend(pieces)
                assert list(pieces) == []

            reading = thread.spawn(receive)
            for chunk in chunks_of(in_fragments(far, message, fragments, pings), cuts):
                far.wire.send(chunk)
                settle()
            result_of(reading)
            assert all(found)
            assert message[:0].join(found) == message
            for at in range((len(fragments) + 1) * pings):
                far.next_is(PONG, b"%d" % at)

        check()


def test_a_piece_is_there_before_the_rest_of_its_frame_has_come() -> None:
    with talking("client") as (wb, far):
        message = far.frame(TEXT, "aé".encode() * 20)
        far.wire.send(message[:7])  # its head of two bytes, "aéa", and half of the next character
        pieces = pieces_from(wb)
        assert next(pieces) == "aéa"
        far.wire.send(message[7:])
        assert "".join(str(piece) for piece in pieces) == ("aé" * 20)[3:]


def test_pieces_have_no_limit_and_the_next_message_has_its_own_again() -> None:
    with talking("server", max_message=1000) as (wb, far):
        reading = spawn_blocked(lambda: sum(map(len, pieces_from(wb))))
        for at in range(20):
            far.send(BINARY if not at else CONTINUATION, bytes(50_000), fin=at == 19)
        assert result_of(reading) == (1_000_000,)
        far.send(TEXT, b"x" * 1000)
        assert wb.receive() == ("x" * 1000, None)
        reader = spawn_blocked(wb.receive)
        far.send(TEXT, b"x" * 1001)
        far.next_is(CLOSE, b"\x03\xf1message too big")
        far.wire.close()
        assert result_of(reader) == (None, "message too big")


def test_compressed_pieces_are_inflated_a_part_at_a_time() -> None:
    with talking_server(fields=(DEFLATE,)) as (wb, far):
        far.send(BINARY, deflated(bytes(5_000_000)), rsv=4)
        sizes = [len(piece) for piece in pieces_from(wb)]
        assert sum(sizes) == 5_000_000
        assert max(sizes) <= 262_144


@pytest.mark.parametrize("role", ROLES)
def test_what_is_left_of_a_message_is_dropped_when_the_next_is_received(role: str) -> None:
    with talking(role) as (wb, far):
        far.send(TEXT, b"first", fin=False)
        dropped = pieces_from(wb)
        assert next(dropped) == "first"
        far.send(CONTINUATION, b" rest", fin=False)
        far.send(PING, b"in between")
        far.send(CONTINUATION, b" end")
        far.send(BINARY, b"second", fin=False)
        other = pieces_from(wb)
        far.next_is(PONG, b"in between")
        with pytest.raises(lasa.Error, match="closed"):
            next(dropped)
        assert list(dropped) == []
        assert next(other) == b"second"
        far.send(CONTINUATION, b"", fin=True)
        far.send(TEXT, b"third")
        assert wb.receive() == ("third", None)
        with pytest.raises(lasa.Error, match="closed"):
            next(other)


def test_pieces_and_timeouts_may_change_in_the_middle_of_a_message() -> None:
    with talking("client") as (wb, far):
        stream = far.frame(TEXT, "aé€".encode() * 2, fin=False) + far.frame(CONTINUATION, "𐍈!".encode())
        for cut in range(1, len(stream)):
            far.wire.send(stream[:cut])
            assert wb.receive(timeout_s=0) == (None, "timeout")  # has gathered what there is
            far.wire.send(stream[cut:])
            pieces = pieces_from(wb)
            assert pieces.is_text
            assert "".join(str(piece) for piece in pieces) == "aé€aé€𐍈!"


def test_an_iteration_over_pieces_that_times_out_goes_on() -> None:
    with talking("server") as (wb, far):
        far.send(TEXT, b"one", fin=False)
        pieces = pieces_from(wb)
        wb.set_timeout(5)
        assert next(pieces) == "one"
        with pytest.raises(TimeoutError):
            next(pieces)
        far.send(CONTINUATION, b"two")
        assert list(pieces) == ["two"]


def test_dropping_the_rest_of_a_message_is_bounded_in_time_and_goes_on_later() -> None:
    with talking("server") as (wb, far):
        far.send(TEXT, b"one", fin=False)
        pieces_from(wb)
        assert wb.receive(timeout_s=0) == (None, "timeout")
        assert wb.receive_pieces(timeout_s=0) == (None, "timeout")
        far.send(CONTINUATION, b"rest")
        far.send(TEXT, b"two")
        assert wb.receive() == ("two", None)


@pytest.mark.parametrize("role", ROLES)
def test_what_is_wrong_in_the_middle_of_pieces_is_raised_there_and_told_to_the_peer(role: str) -> None:
    with talking(role) as (wb, far):
        far.send(TEXT, "é".encode()[:1], fin=False)
        pieces = pieces_from(wb)
        far.send(CONTINUATION, b"x")
        reading = spawn_blocked(list, pieces)
        far.next_is(CLOSE, b"\x03\xefinvalid utf-8")
        far.wire.close()
        error = failure_of(reading)
        assert isinstance(error, lasa.Error)
        assert error.reason == "invalid utf-8"
        assert wb.closing == (1007, "invalid utf-8", "us")
        assert list(pieces) == []


def test_bad_compressed_data_in_the_middle_of_pieces_has_its_word() -> None:
    with talking_server(fields=(DEFLATE,)) as (wb, far):
        far.send(BINARY, deflated(b"abc" * 100) + b"\0\0\xff\xff", fin=False, rsv=4)
        far.send(CONTINUATION, b"\x07", fin=False)  # a kind of block that there is not
        pieces = pieces_from(wb)
        assert next(pieces) == b"abc" * 100
        reading = spawn_blocked(next, pieces)
        far.next_is(CLOSE, b"\x03\xefbad compressed data")
        far.wire.close()
        error = failure_of(reading)
        assert isinstance(error, lasa.Error), error
        assert error.reason == "bad compressed data"


def test_a_connection_that_ends_in_the_middle_of_pieces_raises_there() -> None:
    with talking("client") as (wb, far):
        far.send(BINARY, b"one", fin=False)
        pieces = pieces_from(wb)
        assert next(pieces) == b"one"
        far.wire.close()
        with pytest.raises(lasa.Error, match="closed"):
            next(pieces)
        assert wb.closing == (1006, "closed", "nobody")


# -- control frames


@pytest.mark.parametrize("role", ROLES)
def test_pings_are_answered_while_nobody_receives(role: str) -> None:
    with talking(role) as (wb, far):
        for at in range(3):
            far.send(PING, b"%d" % at)
            far.next_is(PONG, b"%d" % at)
        ping = far.frame(PING, b"cut")
        for at in range(len(ping)):
            far.wire.send(ping[at : at + 1])
            settle()
        far.next_is(PONG, b"cut")
        assert wb.is_open


@pytest.mark.parametrize("role", ROLES)
def test_pings_are_answered_while_nobody_iterates_over_the_pieces_of_a_message(role: str) -> None:
    with talking(role) as (wb, far):
        far.send(TEXT, b"one", fin=False)
        pieces = pieces_from(wb)
        far.send(PING, b"!")
        far.next_is(PONG, b"!")
        far.send(CONTINUATION, b"two")
        assert list(pieces) == ["one", "two"]


def test_a_ping_behind_a_message_that_nobody_receives_waits_with_it() -> None:
    with talking("server") as (wb, far):
        far.send(TEXT, b"one", fin=False)
        far.send(PING, b"!")
        far.send(CONTINUATION, b"two")
        settle()
        assert not select_original([far.wire.sock.fileno()], 0)[0]
        assert wb.receive() == ("onetwo", None)
        far.next_is(PONG, b"!")


def test_a_ping_that_came_together_with_the_handshake_is_answered() -> None:
    def script(wire: Wire) -> None:
        wire.send(answer_of(wire.head()) + frame(PING, b"early"))
        far = Far(wire, masks=False)
        far.next_is(PONG, b"early")
        far.send(TEXT, b"thanks")

    with peer(staying(script)) as server:
        wb, err = websocket.client.connect(f"ws://127.0.0.1:{server.port}/", proxy=False)
        assert wb is not None, err
        assert wb.receive() == ("thanks", None)
        wb.abort()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("hub_reads", [True, False])
def test_a_ping_in_one_packet_with_a_message_is_answered_once_that_is_received(role: str, hub_reads: bool) -> None:
    with talking(role) as (wb, far):
        far.wire.send(far.frame(TEXT, b"message") + far.frame(PING, b"behind it"))
        if hub_reads:
            settle()
        assert wb.receive() == ("message", None)
        far.next_is(PONG, b"behind it")


@pytest.mark.parametrize("role", ROLES)
def test_a_close_in_one_packet_with_a_message_is_answered_once_that_is_received(role: str) -> None:
    with talking(role) as (wb, far):
        far.wire.send(far.frame(TEXT, b"message") + far.frame(CLOSE, b"\x03\xe8"))
        assert wb.receive() == ("message", None)
        far.next_is(CLOSE, b"\x03\xe8")
        far.wire.close()
        assert wb.receive() == (None, "closed")
        assert wb.closing == (1000, "", "peer")


def test_pings_are_answered_after_the_last_piece_while_nobody_receives() -> None:
    with talking("server") as (wb, far):
        far.send(TEXT, b"one", fin=False)
        pieces = pieces_from(wb)
        assert next(pieces) == "one"
        far.send(CONTINUATION, b"two")
        settle()  # comes while nobody waits
        assert list(pieces) == ["two"]
        far.send(PING, b"!")
        far.next_is(PONG, b"!")


def test_a_ping_behind_a_message_is_answered_over_tls_though_no_event_tells_of_it(certificates: Certificates) -> None:
    with talking_client(tls=tls_context(certificates.issue("localhost"))) as (wb, far):
        for _ in range(3):
            far.send(TEXT, b"message")  # a record each; what the kernel has is read at once
            far.send(PING, b"behind it")
            assert wb.receive() == ("message", None)
            far.next_is(PONG, b"behind it")


@pytest.mark.parametrize("role", ROLES)
def test_pongs_that_nobody_asked_for_are_ignored(role: str) -> None:
    with talking(role) as (wb, far):
        far.send(PONG, b"?")
        far.send(PONG, b"")
        far.send(TEXT, b"on")
        assert wb.receive() == ("on", None)
        assert wb.latency_s is None


def test_a_flood_of_pings_lets_others_run_and_a_timeout_end() -> None:
    with talking("server") as (wb, far):
        turns = []

        def count() -> None:
            while True:
                turns.append(1)
                lasa.sleep(0)

        def flood() -> None:
            with suppress(OSError):
                while True:
                    far.wire.send(far.frame(PING, b"x" * 125) * 1000)

        def drain() -> None:
            with suppress(OSError):
                while far.wire.sock.recv(1 << 20):
                    pass

        others = [thread.spawn(count), thread.spawn(flood), thread.spawn(drain)]
        try:
            assert wb.receive(timeout_s=0.1) == (None, "timeout")
            assert len(turns) > 1
        finally:
            for other in others:
                thread.kill(other)


def test_a_flood_of_pings_from_a_peer_that_reads_nothing_is_bounded() -> None:
    with talking("server") as (wb, far):
        narrow(wb)
        reader = spawn_blocked(wb.receive)
        far.wire.sock.settimeout(0)
        flood = far.frame(PING, b"x" * 125) * 2000
        sent = 0
        while sent < 8_000_000:
            try:
                sent += far.wire.sock.send(flood[sent % len(flood) :])
            except BlockingIOError:
                break
            settle()
        outlet = wb.open_session.outlet if wb.open_session else None
        assert outlet is not None
        assert sum(map(len, outlet._posted or ())) <= 1_048_576
        assert thread.status(reader) == "running"
        assert wb.is_open
        far.wire.reset()
        message, err = result_of(reader)
        assert message is None
        assert err in ("connection reset by peer", "closed", "broken pipe")


# -- backpressure


def unread_by(wb: WebSocket, far: Far, frames: bytes) -> int:
    """Send frames without end until TCP takes no more, and return how many bytes it has taken."""
    far.wire.sock.settimeout(0)
    sent = refused = 0
    while refused < 3:
        try:
            sent += far.wire.sock.send(frames[sent % len(frames) :])
            refused = 0
        except BlockingIOError:
            refused += 1
            settle()
        assert sent < 100_000_000
    return sent


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_peer_that_sends_without_end_is_held_up_by_tcp_while_nobody_receives(size: int) -> None:
    with talking("server") as (wb, far):
        unread_by(wb, far, far.frame(BINARY, bytes(size)) * (1 + 500_000 // size))
        session = wb.open_session
        assert session is not None
        assert len(session.protocol.reader.buffer) < 2_000_000
        assert wb.receive() == (bytes(size), None)


def test_a_message_without_end_that_nobody_receives_is_held_up_by_tcp_too() -> None:
    with talking("server", max_message=None) as (wb, far):
        far.send(BINARY, b"", fin=False)
        sent = unread_by(wb, far, far.frame(CONTINUATION, bytes(100_000), fin=False))
        assert sent < 30_000_000
        assert next(pieces_from(wb))


def test_what_is_to_be_read_in_pieces_is_not_refused_before_anybody_reads_it() -> None:
    with talking("server", max_message=1000) as (wb, far):
        far.send(BINARY, bytes(5000), fin=False)
        far.send(CONTINUATION, bytes(5000))
        settle()
        settle()
        assert sum(map(len, pieces_from(wb))) == 10_000
        far.send(PING, b"on")
        far.next_is(PONG, b"on")


@pytest.mark.parametrize("hub_reads", [True, False])
def test_whoever_receives_hears_what_is_wrong_whether_the_hub_has_read_it_or_not(hub_reads: bool) -> None:
    with talking("server") as (wb, far):
        far.send(TEXT, b"\xff")
        far.wire.sock.shutdown(1)
        if hub_reads:
            settle()
        assert wb.receive() == (None, "invalid utf-8")
        far.next_is(CLOSE, b"\x03\xefinvalid utf-8")


# -- interruptions


def waits() -> dict[str, Callable[[WebSocket, Far], Any]]:
    def send(wb: WebSocket, message: Any) -> Any:
        narrow(wb)
        return wb.send(message)

    def pieces(wb: WebSocket, far: Far) -> Any:
        far.send(TEXT, b"one", fin=False)
        return list(pieces_from(wb))

    return {
        "receive": lambda wb, far: wb.receive(),
        "iterate": lambda wb, far: next(wb),
        "receive_pieces": lambda wb, far: wb.receive_pieces(),
        "pieces": pieces,
        "send": lambda wb, far: send(wb, bytes(LARGE)),
        "send fragments": lambda wb, far: send(wb, (bytes(LARGE) for _ in range(3))),
        "close": lambda wb, far: wb.close(),
        "with": lambda wb, far: wb.__exit__(None, None, None),
    }


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("what", waits())
def test_a_kill_at_any_wait_ends_the_connection_for_everyone(role: str, what: str) -> None:
    with talking(role) as (wb, far), nothing_left_open():
        blocked = spawn_blocked(waits()[what], wb, far)
        assert thread.kill(blocked) == (1, None)
        settle()
        assert not wb.is_open
        assert wb.receive() == (None, "closed")
        assert wb.send("late") == (None, "closed")
        assert wb.closing is not None
        far.wire.close()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("what", ["receive", "iterate", "receive_pieces", "pieces"])
def test_a_gevent_timeout_while_receiving_leaves_the_connection_as_it_was(role: str, what: str) -> None:
    with talking(role) as (wb, far):
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.005):
            waits()[what](wb, far)
        far.send(PING, b"!")
        far.next_is(PONG, b"!")
        far.send(CONTINUATION if what == "pieces" else TEXT, b"two")
        far.send(TEXT, b"three")
        assert wb.receive() == ("three" if what == "pieces" else "two", None)


@pytest.mark.parametrize("cut", range(1, 20, 3))
def test_gevent_timeouts_between_the_bytes_of_a_message_lose_none(cut: int) -> None:
    with talking("server") as (wb, far):
        message = far.frame(TEXT, b"a long message")
        far.wire.send(message[:cut])
        for _ in range(2):
            with pytest.raises(gevent.Timeout), gevent.Timeout(0.002):
                wb.receive()
        far.wire.send(message[cut:])
        assert wb.receive() == ("a long message", None)


@pytest.mark.parametrize("role", ROLES)
def test_a_gevent_timeout_in_the_middle_of_a_send_ends_what_can_be_sent_but_not_what_comes(role: str) -> None:
    with talking(role) as (wb, far):
        narrow(wb)
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
            wb.send(bytes(LARGE))
        assert wb.send("half a frame is out") == (None, "closed")
        far.send(TEXT, b"still read")
        assert wb.receive() == ("still read", None)


def test_a_gevent_timeout_in_a_close_leaves_a_connection_that_can_be_closed_again() -> None:
    with talking("server") as (wb, far):
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
            wb.close()
        far.next_is(CLOSE, b"\x03\xe8")
        far.send(CLOSE, b"\x03\xe8")
        far.wire.sock.shutdown(1)
        assert wb.close() == ((1000, "", "us"), None)


# -- what is left


def echo(wb: WebSocket) -> None:
    with suppress(lasa.Error):
        for message in wb:
            wb.send(message)


def test_five_hundred_connections_leave_nothing_behind() -> None:
    def converse(at: int) -> None:
        wb = lasa.check(websocket.client.connect(server.url, proxy=False))
        lasa.check(wb.send(["hel", "lo"]))
        assert wb.receive() == ("hello", None)
        if at % 3 == 0:
            reading = thread.spawn(wb.receive)
            assert wb.close() == ((1000, "", "us"), None)
            assert result_of(reading) == (None, "closed")
        elif at % 3 == 1:
            wb.close(4000, "enough")
        else:
            wb.abort()

    with serving(echo) as server:
        for at in range(300):  # until what is kept of HTTP's heads has reached its limits
            converse(at)
        until_quiet(server)
        gc.collect()
        objects, jobs = len(gc.get_objects()), len(_hub.live_jobs())
        with nothing_left_open():
            for at in range(500):
                converse(at)
            until_quiet(server)
        gc.collect()
        assert len(_hub.live_jobs()) == jobs
        assert len(gc.get_objects()) - objects < 200


def test_a_connection_that_is_over_does_not_wait_for_the_cycle_collector() -> None:
    with serving(echo) as server:
        gc.collect()
        before = sessions()
        gc.disable()
        try:
            for _ in range(5):
                wb = lasa.check(websocket.client.connect(server.url, proxy=False))
                wb.send("hello")
                assert wb.receive() == ("hello", None)
                wb.close()
                del wb
                until_quiet(server)
            assert sessions() == before
        finally:
            gc.enable()


def sessions() -> int:
    return sum(type(one) is Session for one in gc.get_objects())


def until_quiet(server: Server) -> None:
    while server.connections:
        settle()


def test_a_connection_that_nobody_holds_any_more_warns_and_ends() -> None:
    gc.collect()
    before = sessions()
    with serving(echo) as server:
        wb, _ = websocket.client.connect(server.url, proxy=False, ping_interval_s=0.01, ping_timeout_s=None)
        assert wb is not None
        held = [wb]
        del wb
        with pytest.warns(ResourceWarning, match="unclosed <lasa websocket open at"):
            held.clear()
        until_quiet(server)
        while sessions() > before:
            lasa.sleep(0.01)  # until the timer of its pings has come once more


def test_a_connection_that_was_closed_is_dropped_without_a_word() -> None:
    with serving(echo) as server:
        for end in (WebSocket.close, WebSocket.abort):
            wb, _ = websocket.client.connect(server.url, proxy=False)
            assert wb is not None
            end(wb)
            assert not wb.is_open
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                del wb
                gc.collect()
