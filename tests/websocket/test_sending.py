"""Messages out: in fragments as they come, from many light threads at once, to peers that are slow or gone."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

import lasa
from lasa import semaphore, thread
from lasa._hub import Turn
from lasa.errors import SocketClosed
from lasa.websocket import WebSocket
from tests.conftest import Certificates
from tests.helpers import no_switch, settle
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
    server_and_far,
    talking,
    talking_pair,
    talking_server,
)

ROLES = ["client", "server"]
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"


class Steps:
    """An iterable that gives its next piece when it is told to."""

    def __init__(self, *pieces: Any) -> None:
        self._pieces = pieces
        self._turns, _ = semaphore.new(0)

    def go(self) -> None:
        self._turns.post()

    def __iter__(self) -> Iterator[Any]:
        for piece in self._pieces:
            self._turns.wait(5)
            if isinstance(piece, BaseException):
                raise piece
            yield piece
        self._turns.wait(5)


def is_idle(far: Far) -> bool:
    """Whether nothing has come."""
    settle()
    far.wire.sock.settimeout(0.001)
    try:
        data = far.wire.sock.recv(1)
    except TimeoutError:
        return True
    finally:
        far.wire.sock.settimeout(5)
    assert not data
    return False


# -- whole messages


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_send_returns_how_many_bytes_are_on_the_wire(role: str, size: int) -> None:
    with talking(role) as (wb, far):
        for message, opcode in (("x" * size, TEXT), (b"x" * size, BINARY)):
            with no_switch():
                sent, err = wb.send(message)
            found = far.next()
            assert found is not None
            assert (found.opcode, found.payload, found.fin, found.rsv) == (opcode, b"x" * size, True, 0)
            assert (sent, err) == (found.size, None)


def test_a_client_masks_every_frame_with_a_key_of_its_own() -> None:
    with talking("client") as (wb, far):
        for _ in range(50):
            wb.send("the same")
        wb.send(["a", "b"])
        frames = [far.next() for _ in range(53)]
        keys = {found.key for found in frames if found is not None}
        assert None not in keys
        assert len(keys) == 53


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (None, TypeError),
        (1, TypeError),
        (1.5, TypeError),
        ({"a": 1}, TypeError),
        ([1], TypeError),
        ([None], TypeError),
        ([["a"]], TypeError),
        (range(3), TypeError),
        (object(), TypeError),
        ("\ud800", UnicodeEncodeError),
    ],
)
def test_what_is_no_message_raises_before_anything_is_sent(message: Any, error: type[Exception]) -> None:
    with talking("server") as (wb, far):
        with pytest.raises(error):
            wb.send(message)
        wb.send("on")
        far.next_is(TEXT, b"on")


def test_a_websocket_is_no_message_although_it_can_be_iterated_over() -> None:
    with talking("server") as (wb, far):
        with pytest.raises(TypeError):
            wb.send(wb)
        wb.send("on")
        far.next_is(TEXT, b"on")


# -- fragments


@pytest.mark.parametrize("role", ROLES)
def test_each_piece_of_an_iterable_goes_out_at_once(role: str) -> None:
    with talking(role) as (wb, far):
        steps = Steps("one", "", "two")
        sending = spawn_blocked(wb.send, steps)
        assert is_idle(far)
        steps.go()
        far.next_is(TEXT, b"one", fin=False)
        steps.go()
        assert is_idle(far)
        steps.go()
        far.next_is(CONTINUATION, b"two", fin=False)
        far.send(PING, b"between")
        far.next_is(PONG, b"between")
        steps.go()
        far.next_is(CONTINUATION, b"")
        masks = 4 * (role == "client")
        assert result_of(sending) == (len("onetwo") + 3 * (2 + masks), None)


def test_each_piece_goes_out_at_once_also_where_it_is_compressed() -> None:
    with talking_server(fields=(DEFLATE,)) as (wb, far):
        steps = Steps(b"one" * 10, b"two" * 10)
        sending = spawn_blocked(wb.send, steps)
        inflater = zlib.decompressobj(-15)
        for expected, opcode, rsv in ((b"one" * 10, BINARY, 4), (b"two" * 10, CONTINUATION, 0)):
            steps.go()
            found = far.next()
            assert found is not None
            assert (found.opcode, found.rsv, found.fin) == (opcode, rsv, False)
            assert inflater.decompress(found.payload) == expected
        steps.go()
        found = far.next()
        assert found is not None
        assert found.fin
        assert inflater.decompress(found.payload + b"\0\0\xff\xff") == b""
        assert result_of(sending)[1] is None


@pytest.mark.parametrize(
    ("pieces", "opcode", "payload"),
    [
        ([], BINARY, b""),
        ([""], TEXT, b""),
        ([b""], BINARY, b""),
        (["", "", "a"], TEXT, b"a"),
        ([bytearray(b"a"), memoryview(b"b"), b"c"], BINARY, b"abc"),
        (("é", "€"), TEXT, "é€".encode()),
        ({"one": 1}.keys(), TEXT, b"one"),
    ],
)
@pytest.mark.parametrize("compression", [True, False])
def test_an_iterable_is_one_message_of_the_kind_of_its_pieces(
    pieces: Any, opcode: int, payload: bytes, compression: bool
) -> None:
    with talking_pair(compression=compression) as (client, server):
        for one, other in ((client, server), (server, client)):
            assert one.send(pieces)[1] is None
            assert other.receive() == (payload.decode() if opcode == TEXT else payload, None)


def test_the_pieces_of_a_message_can_be_sent_on_as_they_come() -> None:
    with talking("server") as (inner, far), talking("client") as (outer, user):
        user.send(TEXT, b"one", fin=False)
        pieces, _ = outer.receive_pieces()
        passing = spawn_blocked(inner.send, pieces)
        far.next_is(TEXT, b"one", fin=False)
        user.send(CONTINUATION, b"two", fin=False)
        far.next_is(CONTINUATION, b"two", fin=False)
        user.send(CONTINUATION, b"three")
        far.next_is(CONTINUATION, b"three", fin=False)
        far.next_is(CONTINUATION, b"")
        assert result_of(passing)[1] is None


def test_an_error_of_the_iterable_before_its_first_piece_leaves_the_connection_as_it_was() -> None:
    with talking("server") as (wb, far):
        for error in (KeyError("own"), SocketClosed()):
            steps = Steps(error)
            steps.go()
            with pytest.raises(type(error)) as caught:
                wb.send(steps)
            assert caught.value is error
        wb.send("on")
        far.next_is(TEXT, b"on")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "error",
    [KeyError("own"), SocketClosed(), lasa.Error("timeout"), TimeoutError(), gevent.Timeout(), KeyboardInterrupt()],
    ids=repr,
)
def test_an_error_of_the_iterable_in_the_middle_is_raised_as_it_is_and_closes_with_1011(
    role: str, error: BaseException
) -> None:
    cause = ValueError("the cause")
    error.__cause__ = cause
    with talking(role) as (wb, far):
        steps = Steps("one", error)
        steps.go()
        steps.go()
        with pytest.raises(type(error)) as caught:
            wb.send(steps)
        assert caught.value is error
        assert error.__cause__ is cause
        far.next_is(TEXT, b"one", fin=False)
        far.next_is(CLOSE, b"\x03\xf3")
        assert wb.closing == (1011, "", "us")
        assert wb.send("late") == (None, "closed")
        far.send(CLOSE, b"\x03\xf3")
        far.wire.sock.shutdown(1)
        assert wb.receive() == (None, "closed")
        assert far.next() is None


@pytest.mark.parametrize("wrong", [b"bytes", 1, None, ["nested"], "\ud800"], ids=repr)
def test_a_piece_that_does_not_belong_there_raises_and_closes_with_1011(wrong: Any) -> None:
    with talking("server") as (wb, far):
        with pytest.raises((TypeError, UnicodeEncodeError)):
            wb.send(iter(["one", wrong, "two"]))
        far.next_is(TEXT, b"one", fin=False)
        far.next_is(CLOSE, b"\x03\xf3")


@pytest.mark.parametrize("wrong", [b"bytes", 1, None, ["nested"]], ids=repr)
def test_a_list_is_looked_at_as_a_whole_before_anything_of_it_is_sent(wrong: Any) -> None:
    with talking("server") as (wb, far):
        with pytest.raises(TypeError):
            wb.send(["one", wrong, "two"])
        assert wb.send(["one", "two"])[1] is None
        far.next_is(TEXT, b"one", fin=False)


def test_a_message_within_a_message_of_the_same_light_thread_is_refused() -> None:
    with talking("server") as (wb, far):

        def pieces() -> Iterator[str]:
            yield "one"
            wb.send("inside")

        with pytest.raises(RuntimeError, match="already"):
            wb.send(pieces())
        far.next_is(TEXT, b"one", fin=False)
        far.next_is(CLOSE, b"\x03\xf3")


def test_nothing_follows_a_close_frame_that_has_to_wait_for_the_wire() -> None:
    with server_and_far(max_payload_len=2 * LARGE) as (wb, far):
        narrow(wb)
        large = spawn_blocked(wb.send_binary, bytes(LARGE))
        closing = spawn_blocked(wb.send_close, 1000)
        late = spawn_blocked(wb.send_text, "late")
        far.next_is(BINARY, bytes(LARGE))
        far.next_is(CLOSE, b"\x03\xe8")
        assert result_of(large)[1] is None
        assert result_of(closing) == (4, None)
        assert result_of(late) == (None, "failed to send frame: closed")


def test_a_close_frame_sent_by_hand_is_a_close_like_any_other() -> None:
    with talking("client") as (wb, far):
        assert wb.send_close(1000, "bye")[1] is None
        assert not wb.is_open
        far.next_is(CLOSE, b"\x03\xe8bye")
        far.send(CLOSE, b"\x03\xe8bye")
        far.wire.close()
        assert wb.receive(5) == (None, "closed")
        assert wb.closing == (1000, "bye", "us")


def test_a_send_that_took_too_long_leaves_a_connection_that_is_not_open_and_did_not_end_well() -> None:
    with talking("server") as (wb, _):
        narrow(wb)
        wb.set_timeout(20)
        assert result_of(thread.spawn(wb.send, bytes(LARGE))) == (None, "timeout")
        assert not wb.is_open
        assert wb.close() == (None, "closed")
        assert wb.closing == (1006, "timeout", "nobody")


def test_a_kill_in_the_wait_of_an_iterable_ends_the_message_and_says_so() -> None:
    with talking("server") as (wb, far):
        steps = Steps("one", "two")
        sending = spawn_blocked(wb.send, steps)
        steps.go()
        far.next_is(TEXT, b"one", fin=False)
        assert thread.kill(sending) == (1, None)
        far.next_is(CLOSE, b"\x03\xf3")
        assert wb.closing == (1011, "", "us")


def test_a_connection_that_ends_in_the_middle_of_an_iterable_says_so_at_the_next_piece() -> None:
    with talking("server") as (wb, far):
        steps = Steps("one", "two", "three")
        sending = spawn_blocked(wb.send, steps)
        steps.go()
        far.next_is(TEXT, b"one", fin=False)
        far.wire.close()
        while wb.is_open:
            settle()
        steps.go()
        assert result_of(sending) == (None, "closed")


# -- several at once


def senders(wb: WebSocket, count: int, each: int, size: int, order: list[Any]) -> list[Any]:
    """Light threads that send messages which say who sent them, whole ones and ones in fragments."""

    def send(who: int) -> None:
        for at in range(each):
            order.append((who, at))
            head = f"{who} {at} "
            if (who + at) % 3 == 0:
                pieces = [head, *(chr(97 + who) * (size // 4) for _ in range(4))]
                lasa.check(wb.send(pieces))
            else:
                lasa.check(wb.send(head + chr(97 + who) * size))

    return [thread.spawn(send, who) for who in range(count)]


@pytest.mark.parametrize("compression", [True, False])
@pytest.mark.parametrize("by", ROLES)
def test_messages_of_many_senders_arrive_unmixed_and_in_their_order(by: str, compression: bool) -> None:
    with talking_pair({"compression": compression}, compression=compression) as (client, server):
        one, other = (client, server) if by == "client" else (server, client)
        narrow(one)
        order: list[Any] = []
        threads = senders(one, 5, 6, 40_000, order)
        arrived = []
        for _ in range(30):
            message, err = other.receive()
            assert isinstance(message, str), err
            who, at, text = message.split(" ", 2)
            assert text == chr(97 + int(who)) * 40_000
            arrived.append((int(who), int(at)))
        for sender in threads:
            assert result_of(sender) == (None,)
        assert arrived == order  # whoever asked first was first


@pytest.mark.parametrize("role", ROLES)
def test_whole_messages_wait_until_a_fragmented_one_is_over_and_pings_do_not(role: str) -> None:
    with talking(role) as (wb, far):
        steps = Steps("one", "two")
        first = spawn_blocked(wb.send, steps)
        steps.go()
        far.next_is(TEXT, b"one", fin=False)
        second = spawn_blocked(wb.send, "second")
        third = spawn_blocked(wb.send, ["third"])
        fourth = spawn_blocked(wb.send, b"fourth")
        far.send(PING, b"!")
        far.next_is(PONG, b"!")
        steps.go()
        far.next_is(CONTINUATION, b"two", fin=False)
        assert is_idle(far)
        steps.go()
        far.next_is(CONTINUATION, b"")
        far.next_is(TEXT, b"second")
        far.next_is(TEXT, b"third", fin=False)
        far.next_is(CONTINUATION, b"")
        far.next_is(BINARY, b"fourth")
        for sender in (first, second, third, fourth):
            assert result_of(sender)[1] is None


@pytest.mark.parametrize("role", ROLES)
def test_pings_are_answered_behind_the_frame_that_is_on_its_way(role: str) -> None:
    with talking(role) as (wb, far):
        narrow(wb)
        sending = spawn_blocked(wb.send, bytes(LARGE))
        waiting = spawn_blocked(wb.send, "second")
        far.send(PING, b"1")
        far.send(PING, b"2")
        settle()
        far.next_is(BINARY, bytes(LARGE))
        far.next_is(PONG, b"1")
        far.next_is(PONG, b"2")
        far.next_is(TEXT, b"second")
        assert result_of(sending)[1] is None
        assert result_of(waiting)[1] is None


@pytest.mark.parametrize("compression", [True, False])
def test_both_sides_may_send_without_end_as_long_as_both_receive(compression: bool) -> None:
    with talking_pair({"compression": compression}, compression=compression) as (client, server):
        narrow(client)
        narrow(server)
        total = 0
        order: list[Any] = []
        threads = senders(client, 3, 4, 200_000, order) + senders(server, 3, 4, 200_000, order)
        readers = [thread.spawn(lambda wb: sum(len(wb.receive()[0]) for _ in range(12)), wb) for wb in (client, server)]
        for reader in readers:
            total += result_of(reader)[0]
        for sender in threads:
            assert result_of(sender) == (None,)
        assert total == 24 * 200_004


def test_pings_are_answered_while_both_sides_only_send() -> None:
    options = {"ping_interval_s": 0.02, "ping_timeout_s": 0.5}
    with talking_pair(options, **options) as (client, server):

        def send(wb: WebSocket) -> None:
            for at in range(8):
                lasa.check(wb.send(f"{at}"))
                lasa.sleep(0.01)

        for sender in [thread.spawn(send, client), thread.spawn(send, server)]:
            assert result_of(sender) == (None,)
        assert client.is_open
        assert server.is_open
        assert [client.receive()[0] for _ in range(8)] == [f"{at}" for at in range(8)]
        assert [server.receive()[0] for _ in range(8)] == [f"{at}" for at in range(8)]


# -- who gives up


@pytest.mark.parametrize("role", ROLES)
def test_a_peer_that_takes_nothing_is_a_timeout_after_which_nothing_can_be_sent(role: str) -> None:
    with talking(role) as (wb, far):
        narrow(wb)
        wb.set_timeout(20)
        waiting = thread.spawn(lambda: [wb.send(bytes(LARGE)), wb.send("next")])
        assert result_of(waiting) == ([(None, "timeout"), (None, "closed")],)
        far.send(TEXT, b"still read")
        assert wb.receive(timeout_s=5) == ("still read", None)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("message", ["gives up", ["gives", "up"]])
@pytest.mark.parametrize("waits_for", ["wire", "message"])
@pytest.mark.parametrize("ends", ["kill", "timeout"])
def test_a_sender_that_gives_up_while_it_waits_for_its_turn_harms_nobody(
    role: str, message: Any, waits_for: str, ends: str
) -> None:
    with talking(role) as (wb, far):
        narrow(wb)
        others = [spawn_blocked(wb.send, bytes(LARGE))]
        if waits_for == "message":
            others.append(spawn_blocked(wb.send, "second"))

        def hurried() -> None:
            with gevent.Timeout(0.001 if ends == "timeout" else None):
                wb.send(message)

        hurrying = thread.spawn(hurried)
        others.append(spawn_blocked(wb.send, "third"))
        if ends == "kill":
            assert thread.kill(hurrying) == (1, None)
        else:
            assert isinstance(failure_of(hurrying), gevent.Timeout)
        others.append(spawn_blocked(wb.send, ["fourth"]))
        far.next_is(BINARY, bytes(LARGE))
        if waits_for == "message":
            far.next_is(TEXT, b"second")
        far.next_is(TEXT, b"third")
        far.next_is(TEXT, b"fourth", fin=False)
        far.next_is(CONTINUATION, b"")
        for sender in others:
            assert result_of(sender)[1] is None
        with no_switch():
            wb.send("last")
        far.next_is(TEXT, b"last")


def test_a_gevent_timeout_of_a_sender_that_waits_for_the_wire_leaves_compression_whole() -> None:
    with talking_pair({"max_message": None}) as (client, server):
        narrow(server)
        noise = "".join(chr(33 + at * at * 7919 % 8191) for at in range(LARGE))
        first = spawn_blocked(server.send, noise)

        def hurried() -> None:
            with gevent.Timeout(0.001):
                server.send("what the peer never sees, " * 50)

        assert isinstance(failure_of(thread.spawn(hurried)), gevent.Timeout)
        second = spawn_blocked(server.send, "what the peer never sees, " * 40)
        assert client.receive() == (noise, None)
        assert client.receive() == ("what the peer never sees, " * 40, None)
        assert result_of(first)[1] is None
        assert result_of(second)[1] is None


def test_a_turn_that_comes_together_with_a_kill_is_the_next_ones_or_nobodys() -> None:
    turn = Turn()
    turn.take()
    first, second = spawn_blocked(turn.take), spawn_blocked(turn.take)
    turn.give_back()
    thread.kill(first)
    assert result_of(second) == (True,)
    third = spawn_blocked(turn.take)
    turn.give_back()
    thread.kill(third)
    assert not turn.is_taken
    with no_switch():
        assert turn.take()


def test_what_was_posted_leaves_also_where_the_next_sender_is_killed_at_its_turn() -> None:
    with talking("server") as (wb, far):
        session = wb.open_session
        assert session is not None
        outlet = session.outlet
        outlet._wire.take()
        waiting = spawn_blocked(wb.send, "never leaves")
        outlet._wire.give_back()
        assert outlet.post(b"\x89\x00")
        thread.kill(waiting)
        far.next_is(PING, b"")
        wb.send("leaves")
        far.next_is(TEXT, b"leaves")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("message", [bytes(LARGE), ["text", "x" * LARGE]], ids=["whole", "fragments"])
def test_a_kill_in_the_middle_of_a_frame_ends_the_connection_for_everyone(role: str, message: Any) -> None:
    with talking(role) as (wb, far):
        narrow(wb)
        first = spawn_blocked(wb.send, message)
        others = [spawn_blocked(wb.send, other) for other in ("second", ["third"], "fourth")]
        assert thread.kill(first) == (1, None)
        for sender in others:
            assert result_of(sender) == (None, "closed")
        assert not wb.is_open
        far.wire.close()


def test_large_messages_pass_over_tls_from_both_sides_at_once(certificates: Certificates) -> None:
    certificate = certificates.issue("localhost")
    with talking_pair(ssl={"ssl_cert": certificate, "ssl_key": certificate}) as (client, server):
        narrow(client)
        narrow(server)
        threads = senders(client, 3, 3, 100_000, []) + senders(server, 3, 3, 100_000, [])
        readers = [thread.spawn(lambda wb: sum(len(wb.receive()[0]) for _ in range(9)), wb) for wb in (client, server)]
        for reader in readers:
            assert result_of(reader) == (9 * 100_004,)
        for sender in threads:
            assert result_of(sender) == (None,)
