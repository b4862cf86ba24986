"""Thousands of connections, at once and one after another, leave descriptors and memory where they were."""

from __future__ import annotations

import gc
import os
import resource
import time
from collections.abc import Iterator

import psutil
import pytest

import lasa
from lasa import thread
from lasa.socket import TcpSocket
from tests.helpers import nothing_left_open, settle
from tests.socket.tools import connected, listening, result_of

CONNECTIONS = 2_000
CYCLES = 50_000 if os.environ.get("LASA_TEST_LONG") else 5_000
BYTES_PER_CYCLE = 400  # far less than any object of a connection that stays behind
SLACK = 8 << 20
CYCLE_AT_MOST_S = 0.004


def private_bytes() -> int:
    gc.collect()
    found: int = psutil.Process().memory_full_info().uss
    return found


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * CONNECTIONS + 500
    if limits[1] != resource.RLIM_INFINITY and limits[1] < wanted:
        pytest.skip(f"the system allows {limits[1]} descriptors only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, limits[0]), limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def serve(listener: TcpSocket) -> None:
    """Echo one line to each who connects, until the listener's time is over."""

    def echo(sock: TcpSocket) -> None:
        while (line := sock.receive()[0]) is not None:
            sock.send([line, "\n"])
        sock.close()

    while (accepted := listener.accept()[0]) is not None:
        thread.spawn(echo, accepted)


@pytest.mark.usefixtures("many_descriptors")
def test_two_thousand_connections_at_once_talk_and_leave_nothing() -> None:
    started_s = time.monotonic()
    with nothing_left_open(), listening() as listener:
        serving = thread.spawn(serve, listener)
        socks = []

        def talk(number: int) -> bytes | None:
            sock = connected(*listener.getsockname())
            socks.append(sock)
            while len(socks) < CONNECTIONS:
                lasa.sleep(0.01)  # until everybody is connected
            sock.send(f"{number}\n")
            return sock.receive()[0]

        talkers = [thread.spawn(talk, number) for number in range(CONNECTIONS)]
        for number, talker in enumerate(talkers):
            assert result_of(talker) == (b"%d" % number,)
        for sock in socks:
            assert sock.close() == (1, None)
        assert thread.kill(serving) == (1, None)
        settle()
        socks.clear()
    assert time.monotonic() - started_s < 30


def test_connecting_and_closing_over_and_over_leaves_memory_and_descriptors_where_they_were() -> None:
    with nothing_left_open(), listening() as listener:
        serving = thread.spawn(serve, listener)

        def cycle(times: int) -> None:
            for _ in range(times):
                sock = connected(*listener.getsockname())
                sock.send(b"hello\n")
                assert sock.receive() == (b"hello", None, None)
                sock.close()
            settle()

        cycle(500)  # caches, workers and allocator arenas are filled
        gc.collect()  # of what other tests have left
        before = private_bytes()
        started_s = time.monotonic()
        cycle(CYCLES)
        assert time.monotonic() - started_s < CYCLES * CYCLE_AT_MOST_S
        gc.collect()
        assert private_bytes() - before < SLACK + CYCLES * BYTES_PER_CYCLE
        assert thread.kill(serving) == (1, None)
