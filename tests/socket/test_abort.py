"""Closing for everyone: abort(), the end of a ``with``, and collection where warnings are errors."""

from __future__ import annotations

import contextlib
import gc
import threading
import warnings
from collections.abc import Callable, Iterator

import gevent
import pytest

import lasa
from lasa import socket
from tests.helpers import cosocket_pair, nothing_left_open, settle, spend_slice
from tests.socket.tools import Pair, listening, result_of, spawn_blocked, tcp_pair


@pytest.fixture
def pair() -> Iterator[Pair]:
    with tcp_pair() as connection:
        yield connection


def test_abort_wakes_whoever_reads_and_writes_with_closed(pair: Pair) -> None:
    reader = spawn_blocked(pair.near.receive, 5)
    writer = spawn_blocked(pair.near.send, b"x" * 20_000_000)
    pair.near.abort()
    settle()
    assert result_of(reader) == (None, "closed", b"")
    assert result_of(writer) == (None, "closed")
    assert pair.near.close() == (None, "closed")


def test_abort_ends_an_accept_and_is_nothing_on_a_closed_socket() -> None:
    with nothing_left_open():
        server = socket.tcp()
        server.abort()
        assert server.bind("127.0.0.1", 0) == (True, None)
        acceptor = spawn_blocked(server.accept)
        server.abort()
        assert result_of(acceptor) == (None, "closed")


def test_the_end_of_a_with_closes_also_while_another_light_thread_reads() -> None:
    with listening() as listener:
        listener.listen()
        with nothing_left_open():
            with lasa.check(socket.connect(*listener.getsockname())) as sock:
                reader = spawn_blocked(sock.receive)
            assert result_of(reader) == (None, "closed", b"")


def test_a_place_in_a_pool_is_given_back_where_warnings_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.unraisablehook", lambda unraisable: None)
    with listening() as listener:
        listener.listen()
        address = listener.getsockname()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            sock, _ = socket.connect(*address, pool_size=1, backlog=0)
            del sock
            gc.collect()
        again, err = socket.connect(*address, pool_size=1, backlog=0)
        assert again is not None, err
        again.close()


def test_lines_of_a_socket_that_was_never_connected_are_an_error_and_no_empty_list() -> None:
    with pytest.raises(lasa.SocketClosed):
        list(socket.tcp())
    with cosocket_pair() as (sock, peer):
        peer.sendall(b"one\ntwo")
        peer.finish()
        assert list(sock) == [b"one", b"two"]
        assert list(sock) == []


def test_misspelt_options_raise_before_anything_happens() -> None:
    sock = socket.tcp()
    with pytest.raises(ValueError, match='unknown option "pol"'):
        sock.connect("127.0.0.1", 1, {"pol": "x"})
    with pytest.raises(ValueError, match='unknown option "inclusiv"'):
        sock.receiveuntil("x", {"inclusiv": True})
    with pytest.raises(TypeError, match="bad timeout_ms"):
        socket.connect("127.0.0.1", 1, timeout_ms="1s")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="bad backlog"):
        sock.bind("127.0.0.1", 0, backlog=-1)
    assert sock.connect("127.0.0.1", float("inf")) == (None, "bad port number: inf")


def test_a_connected_socket_cannot_be_bound_to_a_port(pair: Pair) -> None:
    assert pair.near.bind("127.0.0.1", 0) == (None, "already connected")
    assert pair.near.send(b"x") == (1, None)


def test_a_bad_port_leaves_a_udp_socket_as_it_was() -> None:
    with socket.udp() as sock:
        assert sock.setsockname("127.0.0.1", 0) == (1, None)
        before = sock.getsockname()
        assert sock.setsockname("127.0.0.1", 70000) == (None, "bad port number: 70000")
        assert sock.getsockname() == before
        assert sock.setpeername("127.0.0.1", 9) == (1, None)
        assert sock.getsockname() == before


def test_a_socket_collected_in_another_os_thread_gives_back_its_place_in_the_pool() -> None:
    with listening() as listener:
        listener.listen()
        address = listener.getsockname()
        gc.collect()
        gc.disable()
        try:
            sock: socket.TcpSocket | None = socket.connect(*address, pool_size=1, backlog=0)[0]
            cycle: list[object] = [sock]
            cycle.append(cycle)
            del sock, cycle
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                collector = threading.Thread(target=gc.collect)
                collector.start()
                collector.join()
        finally:
            gc.enable()
        lasa.sleep(0.01)
        again, err = socket.connect(*address, pool_size=1, backlog=0)
        assert again is not None, err
        again.close()


def test_a_flood_of_lines_or_connects_or_datagrams_does_not_keep_others_from_their_turn(pair: Pair) -> None:
    ticks: list[int] = []

    def tick() -> None:
        while True:
            lasa.sleep(0.001)
            ticks.append(1)

    def flood() -> None:
        while pair.far.send(b"x" * 63 + b"\n" * 4096)[0]:
            continue

    ticker, flooder = lasa.thread.spawn(tick), lasa.thread.spawn(flood)
    lines = 0
    while len(ticks) < 5:
        assert pair.near.receive("*l")[0] is not None
        lines += 1
        assert lines < 20_000_000
    for worker in (flooder, ticker):
        lasa.thread.kill(worker)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        ".x",
        "..",
        "a..b",
        "x" * 64,
        f"{'x' * 64}.example",
        "a\0b",
        "a b",
        "a/b",
        "a\n",
        "\udc80",
        "x." * 127 + "xx",
    ],
)
def test_a_bad_server_name_is_told_and_leaves_the_connection_open(pair: Pair, name: str) -> None:
    for verifies in (True, False):
        assert pair.near.sslhandshake(None, name, verifies) == (None, "bad server name")
    assert pair.near.send(b"x") == (1, None)


def test_a_keepalive_time_beyond_all_bounds_is_for_ever() -> None:
    with listening() as listener:
        listener.listen()
        sock = lasa.check(socket.connect(*listener.getsockname()))
        assert sock.setkeepalive(10**400) == (1, None)
        assert sock.connect(*listener.getsockname()) == (1, None)
        assert sock.getreusedtimes() == (1, None)
        sock.close()


@pytest.mark.parametrize("kind", ["accept", "receivefrom"])
def test_a_socket_closed_while_a_flooded_call_gives_others_their_turn_is_closed(kind: str) -> None:
    sock: socket.TcpSocket | socket.UdpSocket
    if kind == "accept":
        sock = server = socket.tcp()
        assert server.bind("127.0.0.1", 0) == (True, None)
        call: Callable[[], object] = server.accept
    else:
        sock = datagrams = socket.udp()
        assert datagrams.setsockname("127.0.0.1", 0) == (1, None)
        call = datagrams.receivefrom

    def flooded() -> object:
        spend_slice()  # as after many answers in a row
        return call()

    worker = lasa.thread.spawn(flooded)
    sock.__exit__()
    assert result_of(worker)[:2] == (None, "closed")


@pytest.mark.parametrize("pattern", ["*l", 3])
@pytest.mark.parametrize("end", ["closed", "timed out", "killed", "asked by two"])
def test_a_read_that_steps_aside_holds_its_half_and_loses_nothing(pair: Pair, pattern: str | int, end: str) -> None:
    pair.far.send(b"ab\n" * 4)
    settle()
    assert pair.near.receive(pattern)[0]

    def reader() -> object:
        spend_slice()
        if end != "timed out":
            return pair.near.receive(pattern)
        with contextlib.suppress(gevent.Timeout), gevent.Timeout(0):
            return pair.near.receive(pattern)
        return pair.near.receive("*l"), pair.near.receive("*l")

    worker = lasa.thread.spawn(reader)
    assert pair.near.receive(pattern) == (None, "socket busy reading", None)
    if end == "closed":
        pair.near.__exit__()
        assert result_of(worker)[:2] == (None, "closed")
    elif end == "killed":
        lasa.thread.kill(worker)
        assert pair.near.receive(pattern) == (None, "closed", None)
    elif end == "timed out":
        assert result_of(worker) == ((b"ab", None, None), (b"ab", None, None))
    else:
        assert result_of(worker)[0] in (b"ab", b"ab\n")
        assert pair.near.receive("*l") == (b"ab", None, None)
