"""Cosockets, TLS, datagrams, channels, light threads: nobody waits longer for his turn than a few slices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import lasa
from lasa.socket import TcpSocket
from lasa.thread import spawn, wait
from tests.conftest import Certificates
from tests.fairness.lateness import most_held_up_s
from tests.fairness.peer import Plan, running

BOUND_S = 0.05
LINE = b"x" * 20 + b"\n"


def forever(call: Callable[[], tuple[Any, ...]]) -> Callable[[], None]:
    """Call again and again until it fails, but by a limit."""

    def loop() -> None:
        while call()[1] in (None, "section too long"):
            pass

    return loop


def connected(port: int) -> TcpSocket:
    sock, err = lasa.socket.connect("127.0.0.1", port)
    assert sock is not None, err
    return sock


READS: dict[str, Callable[[TcpSocket], Callable[[], tuple[Any, ...]]]] = {
    "lines": lambda sock: sock.receive,
    "lines, one by one": lambda sock: lambda: sock.receive("*l", max_line=1000),
    "sizes": lambda sock: lambda: sock.receive(10),
    "single bytes": lambda sock: lambda: sock.receive(1),
    "large sizes": lambda sock: lambda: sock.receive(100_000),
    "receiveany": lambda sock: lambda: sock.receiveany(4096),
    "receiveany of a byte": lambda sock: lambda: sock.receiveany(1),
    "sections": lambda sock: sock.receiveuntil(b"\n"),
    "long sections": lambda sock: sock.receiveuntil(b"xx\nxx"),
    "pieces of sections": lambda sock: (lambda reader: lambda: (reader(5), None))(sock.receiveuntil(b"\n")),
}


@pytest.mark.parametrize("kind", READS)
@pytest.mark.parametrize("line", [LINE, b"\n"], ids=["lines", "empty lines"])
def test_reads_from_a_peer_that_is_faster(kind: str, line: bytes) -> None:
    with running(Plan("server", block=line)) as port, connected(port) as sock:
        assert most_held_up_s(forever(READS[kind](sock))) < BOUND_S


def test_reads_until_the_end_of_the_stream() -> None:
    with running(Plan("server", block=LINE)) as port, connected(port) as sock:
        assert most_held_up_s(lambda: sock.receive("*a", max_all=1 << 40), naps=10) < BOUND_S


@pytest.mark.parametrize("pause_s", [0.0002, 0.002, 0.02])
def test_lines_between_which_the_caller_computes(pause_s: float) -> None:
    def loop() -> None:
        while sock.receive()[1] is None:
            compute(pause_s)

    with running(Plan("server", block=LINE)) as port, connected(port) as sock:
        assert most_held_up_s(loop) < BOUND_S + pause_s


def compute(seconds: float) -> None:
    ends_s = lasa.monotonictime() + seconds * 1e6
    while lasa.monotonictime() < ends_s:
        pass


@pytest.mark.parametrize("size", [10, 4096, 100_000])
def test_sends_to_a_peer_that_is_as_fast(size: int) -> None:
    with running(Plan("server")) as port, connected(port) as sock:
        data = b"x" * size
        assert most_held_up_s(forever(lambda: sock.send(data))) < BOUND_S


@pytest.mark.parametrize("kind", ["send", "sendto"])
def test_datagrams_to_a_peer_that_is_as_fast(kind: str) -> None:
    with running(Plan("sink")) as port, lasa.socket.udp() as sock:
        assert sock.setpeername("127.0.0.1", port) == (1, None)
        call = sock.send if kind == "send" else lambda data: sock.sendto(data, "127.0.0.1", port)
        assert most_held_up_s(forever(lambda: call(b"hello"))) < BOUND_S


@pytest.mark.parametrize("kind", ["receive", "receivefrom"])
def test_datagrams_from_a_peer_that_is_faster(kind: str) -> None:
    with lasa.socket.udp() as sock:
        assert sock.setsockname("127.0.0.1", 0) == (1, None)
        with running(Plan("datagrams", sock.getsockname()[1], block=b"hello")):
            call = sock.receive if kind == "receive" else lambda: sock.receivefrom()[:2]
            assert most_held_up_s(forever(call)) < BOUND_S


def test_connections_from_a_peer_that_opens_one_after_another() -> None:
    with lasa.socket.tcp() as server:
        assert server.bind("127.0.0.1", 0) == (True, None)
        assert server.listen() == (1, None)

        def loop() -> None:
            while True:
                sock, _ = server.accept()
                assert sock is not None
                sock.close()

        with running(Plan("connects", server.getsockname()[1])):
            assert most_held_up_s(loop) < BOUND_S


@pytest.mark.parametrize("kind", ["lines", "sizes", "sends"])
def test_tls_with_a_peer_that_is_as_fast(kind: str, certificates: Certificates) -> None:
    block = b"" if kind == "sends" else LINE
    plan = Plan("server", block=block, certificate=certificates.issue("localhost"))
    with running(plan) as port, connected(port) as sock:
        assert sock.sslhandshake(None, "localhost", False)[0]
        call = (lambda: sock.send(LINE * 100)) if kind == "sends" else READS[kind](sock)
        assert most_held_up_s(forever(call)) < BOUND_S


@pytest.mark.parametrize("size", [1, 1000])
def test_channels_that_never_run_dry(size: int) -> None:
    channel = lasa.channel(size)
    sender = spawn(forever(lambda: channel.send(1)))
    assert most_held_up_s(forever(channel.receive)) < BOUND_S
    channel.close()
    wait(sender)


def test_one_end_of_a_channel_that_never_has_to_wait() -> None:
    channel = lasa.channel(10_000_000)
    assert most_held_up_s(forever(lambda: channel.send(1))) < BOUND_S
    assert most_held_up_s(forever(lambda: channel.receive(0)), naps=3) < BOUND_S


@pytest.mark.parametrize("kind", ["spawn", "spawn and wait", "nested"])
def test_loops_that_spawn(kind: str) -> None:
    def nested(depth: int) -> None:
        if depth:
            spawn(nested, depth - 1)

    def loop() -> None:
        while True:
            if kind == "nested":
                spawn(nested, 1000)
            else:
                child = spawn(int)
                if kind == "spawn and wait":
                    wait(child)

    assert most_held_up_s(loop) < BOUND_S


def test_timers_that_are_due_at_once() -> None:
    is_over: list[bool] = []

    def callback(_: bool) -> None:
        compute(0.001)
        if not is_over:
            lasa.timer.at(0, callback)

    timers = [lasa.timer.at(0, callback)[0] for _ in range(100)]
    assert all(timers)
    assert most_held_up_s(lambda: lasa.sleep(100)) < BOUND_S
    is_over.append(True)
    while lasa.timer.pending_count():
        lasa.sleep(0.001)
