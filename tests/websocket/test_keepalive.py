"""Pings and what counts as life: a silent peer is given up, one that is only slow is not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import monkey

import lasa
from lasa import thread, websocket
from lasa.websocket import WebSocket
from tests.conftest import Certificates
from tests.helpers import nothing_left_open, settle
from tests.http.client_tools import tls_context
from tests.socket.tools import result_of, spawn_blocked
from tests.websocket.tools import (
    CONTINUATION,
    LARGE,
    PING,
    PONG,
    TEXT,
    Far,
    narrow,
    talking,
    talking_client,
    talking_pair,
    talking_server,
)

ROLES = ["client", "server"]
QUICK: dict[str, Any] = {"ping_interval_s": 0.02, "ping_timeout_s": 0.1}
ROUNDS = 8  # of pings that a connection has to outlive


def next_ping(far: Far) -> bytes:
    found = far.next()
    assert found is not None, "the connection has ended"
    assert found.opcode == PING
    return found.payload


def answer_pings(far: Far, count: int) -> None:
    for _ in range(count):
        far.send(PONG, next_ping(far))


def hold_up_everything(duration_s: float) -> None:
    """Block the whole process, as a computation does."""
    monkey.get_original("time", "sleep")(duration_s)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("interval_s", "timeout_s"), [(0.03, 0.01), (0.01, 0.03), (0.02, 0.02)])
def test_a_silent_peer_is_given_up_and_whoever_waits_hears_why(role: str, interval_s: float, timeout_s: float) -> None:
    begun_s = time.monotonic()
    with talking(role, ping_interval_s=interval_s, ping_timeout_s=timeout_s) as (wb, far):
        assert wb.receive() == (None, "ping timeout")
        assert (interval_s + timeout_s) * 0.8 < time.monotonic() - begun_s < interval_s + timeout_s + 1
        assert wb.closing == (1006, "ping timeout", "nobody")
        assert not wb.is_open
        assert wb.send("late") == (None, "closed")
        pings = iter(far.next, None)
        assert {(found.opcode, len(found.payload)) for found in pings if found is not None} == {(PING, 4)}


@pytest.mark.parametrize("role", ROLES)
def test_a_silent_peer_is_given_up_while_nobody_receives(role: str) -> None:
    with talking(role, **QUICK) as (wb, far):
        assert {found.opcode for found in iter(far.next, None) if found is not None} == {PING}
        assert not wb.is_open
        assert wb.closing == (1006, "ping timeout", "nobody")
        with pytest.raises(lasa.Error):
            next(wb)


def test_a_loop_and_a_sender_hear_of_a_silent_peer() -> None:
    with talking("server", **QUICK) as (wb, far):
        looping = thread.spawn(list, wb)
        ok, error = thread.wait(looping)
        assert ok is False
        assert isinstance(error, lasa.Error)
        assert error.reason == "ping timeout"
        far.wire.close()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("receives", [True, False])
def test_a_peer_that_answers_lives_and_its_latency_is_measured(role: str, receives: bool) -> None:
    with talking(role, ping_interval_s=0.1, ping_timeout_s=5) as (wb, far):
        assert wb.latency_s is None
        reading = spawn_blocked(wb.receive) if receives else None
        answer_pings(far, 1)
        far.send(PONG, b"no answer to anything")
        settle()
        first = wb.latency_s
        assert first is not None
        assert first > 0
        ping = next_ping(far)
        gevent.sleep(0.02)
        far.send(PONG, ping)
        settle()
        assert wb.latency_s is not None
        assert wb.latency_s >= 0.02
        assert wb.is_open
        if reading is not None:
            far.send(TEXT, b"alive")
            assert result_of(reading) == ("alive", None)


def test_pings_are_sent_at_every_interval_also_where_the_timeout_is_longer() -> None:
    with talking("server", ping_interval_s=0.01, ping_timeout_s=1) as (wb, far):
        begun_s = time.monotonic()
        for _ in range(ROUNDS):
            next_ping(far)  # answered by nothing yet
        assert time.monotonic() - begun_s < 0.5
        assert wb.is_open


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("what", ["messages", "pings", "fragments", "bytes"])
def test_anything_that_comes_is_a_sign_of_life(role: str, what: str) -> None:
    with talking(role, **QUICK) as (wb, far):
        reading = spawn_blocked(lambda: [wb.receive() for _ in range(ROUNDS)])
        begin = far.frame(TEXT, b"x" * ROUNDS, fin=True)
        if what == "bytes":
            far.wire.send(begin[:-ROUNDS])
        for at in range(ROUNDS):
            while (found := far.next()) is not None and found.opcode != PING:
                pass
            assert found is not None
            if what == "messages":
                far.send(TEXT, b"not a pong")
            elif what == "pings":
                far.send(PING, b"not a pong")
            elif what == "fragments":
                far.send(CONTINUATION if at else TEXT, b"x", fin=False)
            else:
                far.wire.send(begin[at - ROUNDS :][:1])
        assert wb.is_open
        assert thread.status(reading) == "running" or what == "messages"
        wb.abort()
        result_of(reading)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("pieces", [True, False])
def test_messages_that_nobody_receives_are_no_death(role: str, pieces: bool) -> None:
    with talking(role, **QUICK) as (wb, far):
        if pieces:
            far.send(TEXT, b"first", fin=False)
            found, _ = wb.receive_pieces()
            assert found is not None
            far.send(CONTINUATION, b"second", fin=False)
        else:
            far.send(TEXT, b"message")
        for _ in range(ROUNDS):
            next_ping(far)  # and no answer: it would wait behind the message
        assert wb.is_open
        if pieces:
            assert found is not None
            assert [next(found), next(found)] == ["first", "second"]
        else:
            assert wb.receive() == ("message", None)
        assert wb.receive() == (None, "ping timeout")


def test_a_peer_that_is_held_up_by_tcp_is_not_given_up() -> None:
    with talking("server", **QUICK) as (wb, far):
        flooding = gevent.spawn(far.wire.sock.sendall, far.frame(TEXT, b"x" * 500_000) * 40)
        for _ in range(ROUNDS):
            next_ping(far)
        assert wb.is_open
        for _ in range(40):
            assert wb.receive() == ("x" * 500_000, None)
        flooding.join()


@pytest.mark.parametrize("role", ROLES)
def test_a_ping_that_waits_behind_a_large_message_to_a_slow_peer_is_not_missed(role: str) -> None:
    with talking(role, **QUICK) as (wb, far):
        narrow(wb)
        sending = spawn_blocked(wb.send, bytes(LARGE))
        rest = LARGE + 10
        while rest > 200_000:
            data = far.wire.sock.recv(16_384)
            assert data, "the connection has ended"
            rest -= len(data)
            gevent.sleep(0.01)
        assert wb.is_open
        while far.wire.sock.recv(65_536):  # from here on without any answer
            pass
        assert result_of(sending)[1] is None
        assert wb.closing == (1006, "ping timeout", "nobody")


@contextmanager
def backed_up(kind: str, folder: Path) -> Iterator[tuple[WebSocket, Far, int]]:
    """A connection whose kernel holds a large message that the peer has not read, and the message's size."""
    options: dict[str, Any] = {"ping_interval_s": 0.05, "ping_timeout_s": 0.2, "compression": False}
    size = 100_000 if kind == "unix" else 1_000_000
    if kind == "unix":
        options["where"] = f"unix:{folder}/ws.sock"
    with talking_client(**options) if kind == "client" else talking_server(**options) as (wb, far):
        assert result_of(thread.spawn(wb.send, bytes(size)))[1] is None
        yield wb, far, size


@pytest.mark.parametrize("kind", [*ROLES, "unix"])
def test_a_peer_that_is_still_taking_what_the_kernel_holds_is_not_given_up(kind: str, tmp_path: Path) -> None:
    with backed_up(kind, tmp_path) as (wb, far, size):
        rest = size
        while rest > 0:  # for some 0.4 s, in which no ping can be seen
            rest -= len(far.wire.sock.recv(size // 40))
            gevent.sleep(0.01)
        assert wb.is_open
        assert wb.receive() == (None, "ping timeout")  # for now it has seen them


@pytest.mark.parametrize("kind", [*ROLES, "unix"])
def test_a_peer_that_takes_no_more_of_what_the_kernel_holds_is_given_up(kind: str, tmp_path: Path) -> None:
    with backed_up(kind, tmp_path) as (wb, far, size):
        far.wire.sock.recv(size // 2)
        begun_s = time.monotonic()
        assert wb.receive() == (None, "ping timeout")
        assert time.monotonic() - begun_s < 1


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("receives", [True, False])
def test_a_pong_that_came_in_time_counts_though_everything_was_held_up(role: str, receives: bool) -> None:
    with talking(role, ping_interval_s=0.01, ping_timeout_s=0.05) as (wb, far):
        reading = spawn_blocked(wb.receive) if receives else None
        for _ in range(2):
            ping = next_ping(far)
            far.send(PONG, ping)
            hold_up_everything(0.1)
        assert wb.is_open
        next_ping(far)
        assert wb.is_open
        wb.abort()
        if reading is not None:
            assert result_of(reading) == (None, "closed")


def test_without_a_timeout_pings_go_on_and_nobody_is_given_up() -> None:
    with talking("server", ping_interval_s=0.01, ping_timeout_s=None) as (wb, far):
        payloads = {next_ping(far) for _ in range(ROUNDS)}
        assert len(payloads) == ROUNDS
        assert wb.is_open


def test_without_an_interval_there_are_no_pings() -> None:
    with talking("client", ping_interval_s=None, ping_timeout_s=0.001) as (wb, far):
        assert wb.receive(timeout_s=0.05) == (None, "timeout")
        wb.send("first")
        far.next_is(TEXT, b"first")
        assert wb.latency_s is None


def test_both_sides_keep_each_other_alive_while_nobody_receives() -> None:
    with talking_pair({"ping_interval_s": 0.01, "ping_timeout_s": 0.2}, **QUICK) as (client, server):
        lasa.sleep(0.2)
        assert client.is_open
        assert server.is_open
        assert client.latency_s is not None
        assert server.latency_s is not None


def test_pings_over_tls(certificates: Certificates) -> None:
    with talking_client(tls=tls_context(certificates.issue("localhost")), **QUICK) as (wb, far):
        answer_pings(far, ROUNDS)
        assert wb.is_open
        assert wb.latency_s is not None
        next_ping(far)
        assert wb.receive() == (None, "ping timeout")


@pytest.mark.parametrize("end", ["close", "abort", "peer"])
def test_the_timer_of_the_pings_ends_with_the_connection(end: str) -> None:
    with talking("server", **QUICK) as (wb, far), nothing_left_open():
        if end == "close":
            closing = spawn_blocked(wb.close)
            while (found := far.next()) is not None and found.opcode == PING:
                pass
            far.wire.sock.shutdown(1)
            result_of(closing)
        elif end == "abort":
            wb.abort()
        else:
            far.wire.sock.shutdown(1)
            assert wb.receive() == (None, "closed")
        far.wire.close()


def test_no_ping_follows_our_close_frame() -> None:
    with talking("server", **QUICK) as (wb, far):
        closing = thread.spawn(lambda: wb.close(timeout_s=0.1))
        far.next_is(8, b"\x03\xe8")
        assert far.next() is None
        assert result_of(closing) == (None, "timeout")


@pytest.mark.parametrize("name", ["ping_interval_s", "ping_timeout_s", "close_timeout_s"])
@pytest.mark.parametrize("value", [0, -1, "soon", float("nan"), float("inf"), True, "x"])
def test_times_that_are_none_are_refused_before_anything_is_opened(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f'bad "{name}" option value'):
        websocket.client.connect("ws://127.0.0.1:1/", **{name: value})
    with pytest.raises(ValueError, match=f'bad "{name}" option value'):
        websocket.server.new("127.0.0.1:0", **{name: value})


def test_a_websocket_for_frames_is_pinged_by_nobody_until_it_is_one_for_messages() -> None:
    guests: list[WebSocket] = []
    server = lasa.check(websocket.server.new("127.0.0.1:0", **QUICK))
    accepting = thread.spawn(server.accept)
    wb, _ = websocket.client.new()
    assert wb.connect(server.url, {"proxy": False}) == (1, None)
    guest, err = result_of(accepting)
    assert err is None
    guests.append(guest)
    wb.set_timeout(50)
    assert wb.recv_frame()[2] == "failed to receive the first 2 bytes: timeout"
    assert guest.receive(timeout_s=0.03) == (None, "timeout")
    assert wb.recv_frame()[1] == "ping"
    wb.abort()
    guest.abort()
    server.stop(0)
    settle()
