"""One message to many: none can hold up the others, and who was skipped is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

import lasa
from lasa import thread, websocket
from lasa.websocket import WebSocket
from lasa.websocket.client import ClientWebSocket
from tests.conftest import Certificates
from tests.helpers import no_switch, settle
from tests.socket.tools import result_of, spawn_blocked
from tests.websocket.tools import (
    BINARY,
    CLOSE,
    CONTINUATION,
    LARGE,
    PONG,
    TEXT,
    Far,
    narrow,
    serving,
    talking,
    talking_client,
    talking_server,
)

POSTED_MAX = 1_048_576


@contextmanager
def room(count: int, **options: Any) -> Iterator[tuple[list[ClientWebSocket], list[WebSocket]]]:
    """So many clients of a server, and the server's side of them."""
    members: list[WebSocket] = []
    over, _ = lasa.semaphore.new(0)

    def handler(wb: WebSocket) -> None:
        members.append(wb)
        over.wait(60)

    with serving(handler, **options) as server:
        clients = [
            lasa.check(websocket.client.connect(server.url, proxy=False, ssl_verify=False)) for _ in range(count)
        ]
        while len(members) < count:
            settle()
        try:
            yield clients, members
        finally:
            for client in clients:
                client.abort()
            for member in members:
                member.abort()
            over.post(count)


@contextmanager
def fars(count: int, role: str = "server") -> Iterator[tuple[list[WebSocket], list[Far]]]:
    """Connections of lasa, and their raw peers."""
    with ExitStack() as stack:
        pairs = [stack.enter_context(talking(role)) for _ in range(count)]
        yield [wb for wb, _ in pairs], [far for _, far in pairs]


@pytest.mark.parametrize("message", ["text é", b"bytes", bytearray(b"array"), memoryview(b"view"), "", "x" * 70_000])
def test_everyone_gets_the_message_and_nobody_else_runs_meanwhile(message: Any) -> None:
    with room(20) as (clients, members):
        with no_switch():
            assert websocket.broadcast(members, message) == (20, [])
        expected = message if isinstance(message, str) else bytes(message)
        for client in clients:
            assert client.receive() == (expected, None)


@pytest.mark.parametrize("message", [None, 1, ["a"], {"a": 1}, iter(["a"])])
def test_what_is_no_message_raises(message: Any) -> None:
    with fars(1) as (members, (far,)):
        with pytest.raises(TypeError, match="bad message"):
            websocket.broadcast(members, message)
        with pytest.raises(UnicodeEncodeError):
            websocket.broadcast(members, "\ud800")
        websocket.broadcast(iter(members), "on")
        far.next_is(TEXT, b"on")


def test_nobody_at_all_is_no_error() -> None:
    assert websocket.broadcast([], "hello") == (0, [])


def test_the_client_side_masks_for_each_connection_anew() -> None:
    with fars(3, "client") as (members, peers):
        assert websocket.broadcast(members, "hello") == (3, [])
        keys = set()
        for far in peers:
            found = far.next()
            assert found is not None
            assert (found.opcode, found.payload, found.fin) == (TEXT, b"hello", True)
            keys.add(found.key)
        assert None not in keys
        assert len(keys) == 3


def test_it_is_not_compressed_and_leaves_the_compression_of_other_messages_whole() -> None:
    deflate = "Sec-WebSocket-Extensions: permessage-deflate"
    with talking_server(fields=(deflate,)) as (wb, far):
        assert websocket.broadcast([wb], "x" * 1000) == (1, [])
        far.next_is(TEXT, b"x" * 1000)
    with room(2) as (clients, members):
        for at in range(3):
            members[0].send("the same " * 50)
            assert websocket.broadcast(members, f"broadcast {at} " * 50) == (2, [])
            assert clients[0].receive() == ("the same " * 50, None)
            for client in clients:
                assert client.receive() == (f"broadcast {at} " * 50, None)


def test_connections_that_are_closed_or_closing_are_left_out_silently() -> None:
    with fars(5) as (members, peers):
        members[0].abort()
        peers[1].send(CLOSE, b"\x03\xe8")
        peers[2].wire.close()
        closing = spawn_blocked(members[3].close)
        while members[2].is_open:
            settle()
        assert websocket.broadcast(members, "hello") == (1, [])
        peers[4].next_is(TEXT, b"hello")
        peers[1].next_is(CLOSE, b"\x03\xe8")
        peers[3].next_is(CLOSE, b"\x03\xe8")
        members[3].abort()
        result_of(closing)


def test_a_slow_receiver_is_skipped_reported_and_holds_up_nobody() -> None:
    with fars(3) as (members, peers):
        slow = members[1]
        narrow(slow)
        message = b"x" * 100_000
        taken = 0
        while True:
            with no_switch():
                sent, skipped = websocket.broadcast(members, message)
            for far in (peers[0], peers[2]):
                far.next_is(BINARY, message)
            if skipped:
                break
            assert sent == 3
            taken += 1
            assert taken < 40
        assert (sent, skipped) == (2, [slow])
        assert taken * len(message) > POSTED_MAX * 0.9
        assert slow.is_open
        for _ in range(taken):
            peers[1].next_is(BINARY, message)
        settle()
        assert websocket.broadcast(members, "again") == (3, [])
        for far in peers:
            far.next_is(TEXT, b"again")


def test_what_is_broadcast_leaves_in_order_with_what_is_sent_and_with_pongs() -> None:
    with fars(1) as ([wb], [far]):
        narrow(wb)
        first = spawn_blocked(wb.send, bytes(LARGE))
        for at in range(5):
            assert websocket.broadcast([wb], f"{at}") == (1, [])
        far.send(9, b"ping")
        settle()
        second = spawn_blocked(wb.send, "second")
        far.next_is(BINARY, bytes(LARGE))
        for at in range(5):
            far.next_is(TEXT, b"%d" % at)
        far.next_is(PONG, b"ping")
        far.next_is(TEXT, b"second")
        for sender in (first, second):
            assert result_of(sender)[1] is None


def test_nothing_is_broadcast_into_a_message_that_is_sent_in_fragments() -> None:
    with fars(2) as (members, peers):
        turns, _ = lasa.semaphore.new(0)

        def pieces() -> Iterator[str]:
            yield "one"
            turns.wait(5)
            yield "two"

        sending = spawn_blocked(members[0].send, pieces())
        assert websocket.broadcast(members, "hello") == (1, [members[0]])
        peers[1].next_is(TEXT, b"hello")
        turns.post()
        assert result_of(sending)[1] is None
        assert websocket.broadcast(members, "hello") == (2, [])
        peers[0].next_is(TEXT, b"one", fin=False)
        peers[0].next_is(CONTINUATION, b"two", fin=False)
        peers[0].next_is(CONTINUATION, b"")
        peers[0].next_is(TEXT, b"hello")


def test_a_receiver_that_takes_nothing_for_too_long_ends_alone() -> None:
    with fars(2) as (members, peers):
        narrow(members[0])
        members[0].set_timeout(20)
        assert websocket.broadcast(members, bytes(LARGE)) == (2, [])
        peers[1].next_is(BINARY, bytes(LARGE))
        while members[0].is_open:
            settle()
        assert members[0].closing is not None
        assert websocket.broadcast(members, "on") == (1, [])
        peers[1].next_is(TEXT, b"on")


def test_a_broadcast_over_tls_waits_for_nobody(certificates: Certificates) -> None:
    certificate = certificates.issue("localhost")
    with room(3, ssl={"ssl_cert": certificate, "ssl_key": certificate}) as (clients, members):
        for member in members:
            narrow(member)
        message = "x" * LARGE
        with no_switch():
            assert websocket.broadcast(members, message) == (3, [])
        assert websocket.broadcast(members, "behind it") == (3, [])
        for client in clients:
            assert client.receive() == (message, None)
            assert client.receive() == ("behind it", None)


def test_a_member_may_leave_while_the_connections_are_gone_through() -> None:
    with fars(3) as (members, peers):

        def leaving() -> Iterator[WebSocket]:
            for wb in members:
                members[2].abort()
                yield wb

        assert websocket.broadcast(leaving(), "hello") == (2, [])
        for far in peers[:2]:
            far.next_is(TEXT, b"hello")


def test_many_light_threads_may_broadcast_at_once() -> None:
    with talking_client() as (wb, far), fars(2) as (members, peers):
        everyone = [wb, *members]

        def say(who: int) -> None:
            for at in range(20):
                assert websocket.broadcast(everyone, f"{who} {at}") == (3, [])
                lasa.sleep(0)

        for speaker in [thread.spawn(say, who) for who in range(4)]:
            assert result_of(speaker) == (None,)
        heard = []
        for peer in (far, *peers):
            texts = []
            for _ in range(80):
                found = peer.next()
                assert found is not None
                texts.append(found.payload)
            heard.append(texts)
        assert heard[0] == heard[1] == heard[2]
        for who in range(4):
            assert [text for text in heard[0] if text.startswith(b"%d " % who)] == [
                b"%d %d" % (who, at) for at in range(20)
            ]
