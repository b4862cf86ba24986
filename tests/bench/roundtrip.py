"""Row 1: 6-byte requests to redis-server and their answers, over 50 connections at once.

The asyncio contestants write without ``drain()``, the fastest way that is right for 6 bytes; their timeout is one
``asyncio.timeout`` around each read. The others have their 30 s in force for sending and reading.
"""

from __future__ import annotations

import select
import shutil
import socket as stdlib_socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from tests.bench.harness import (
    Comparison,
    Contestant,
    Figures,
    Job,
    NotInstalled,
    Row,
    by_callers,
    optional_module,
)
from tests.bench.lua_scripts import redis_pings
from tests.bench.openresty import in_openresty

__all__ = ["CONNECTIONS", "COUNT", "ROWS", "lasa_threads", "redis"]

CONNECTIONS: Final = 50
REQUEST: Final = b"PING\r\n"
ANSWER: Final = b"+PONG\r\n"
TIMEOUT_S: Final = 30.0


@contextmanager
def redis() -> Iterator[tuple[str, int]]:
    from tests.servers import redis_server

    binary = shutil.which("redis-server")
    if binary is None:
        raise NotInstalled("apt-get install redis-server")
    with redis_server(binary) as server:
        yield server.host, server.port


def lasa_threads(job: Job) -> Figures:
    from lasa import check, socket, thread

    socks = [check(socket.connect(job.host, job.port)) for _ in range(CONNECTIONS)]

    def client(sock: socket.TcpSocket, count: int) -> None:
        for _ in range(count):
            sock.send(REQUEST)
            line, err, _ = sock.receive("*l")
            if line != b"+PONG":
                raise ValueError(f"{line!r}, {err}")

    def run(count: int) -> None:
        for running in [thread.spawn(client, sock, count) for sock in socks]:
            check(thread.wait(running))

    return by_callers(job, CONNECTIONS, run)


def gevent_makefile(job: Job) -> Figures:
    import gevent
    from gevent import socket

    socks = [socket.create_connection((job.host, job.port), timeout=TIMEOUT_S) for _ in range(CONNECTIONS)]
    for sock in socks:
        sock.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY, 1)
    clients = [(sock, sock.makefile("rb")) for sock in socks]

    def client(sock: Any, reader: Any, count: int) -> None:
        for _ in range(count):
            sock.sendall(REQUEST)
            line = reader.readline()
            if line != ANSWER:
                raise ValueError(repr(line))

    def run(count: int) -> None:
        gevent.joinall([gevent.spawn(client, *pair, count) for pair in clients], raise_error=True)

    return by_callers(job, CONNECTIONS, run)


def epoll_loop(job: Job) -> Figures:
    socks = {}
    epoll = select.epoll()
    for _ in range(CONNECTIONS):
        sock = stdlib_socket.create_connection((job.host, job.port))
        sock.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        socks[sock.fileno()] = sock
        epoll.register(sock.fileno(), select.EPOLLIN)

    def run(count: int) -> None:
        left = dict.fromkeys(socks, count)
        partial: dict[int, bytes] = {}
        for sock in socks.values():
            sock.send(REQUEST)
        busy = len(socks)
        while busy:
            for descriptor, _ in epoll.poll():
                sock = socks[descriptor]
                data = sock.recv(8192)
                if data != ANSWER:
                    data = partial.pop(descriptor, b"") + data
                    if not data or not ANSWER.startswith(data):
                        raise ValueError(repr(data))
                    if data != ANSWER:
                        partial[descriptor] = data
                        continue
                left[descriptor] -= 1
                if left[descriptor]:
                    sock.send(REQUEST)
                else:
                    busy -= 1

    return by_callers(job, CONNECTIONS, run)


def asyncio_streams(loop_module: str = "", timeout_s: float | None = None) -> Callable[[Job], Figures]:
    """Return the contestant: streams on asyncio's own loop or on that of ``loop_module``."""

    def contestant(job: Job) -> Figures:
        import asyncio

        async def client(reader: Any, writer: Any, count: int) -> None:
            for _ in range(count):
                writer.write(REQUEST)
                line = await reader.readline()
                if line != ANSWER:
                    raise ValueError(repr(line))

        async def client_with_timeout(reader: Any, writer: Any, count: int) -> None:
            for _ in range(count):
                writer.write(REQUEST)
                async with asyncio.timeout(timeout_s):
                    line = await reader.readline()
                if line != ANSWER:
                    raise ValueError(repr(line))

        async def connect() -> list[Any]:
            return [await asyncio.open_connection(job.host, job.port) for _ in range(CONNECTIONS)]

        chosen = client if timeout_s is None else client_with_timeout

        async def run_clients(streams: list[Any], count: int) -> None:
            await asyncio.gather(*(chosen(reader, writer, count) for reader, writer in streams))

        factory = optional_module(loop_module).new_event_loop if loop_module else None
        with asyncio.Runner(loop_factory=factory) as runner:
            streams = runner.run(connect())
            return by_callers(job, CONNECTIONS, lambda count: runner.run(run_clients(streams, count)))

    return contestant


COUNT: Final = 100_000

ROWS: Final = (
    Row(
        name="roundtrip",
        title=f"request and answer of 6 bytes, redis-server, {CONNECTIONS} connections",
        figures={"cpu_us": "CPU µs", "wall_us": "wall µs"},
        contestants=(
            Contestant("lasa", lasa_threads, COUNT),
            Contestant("gevent makefile, 30 s", gevent_makefile, COUNT),
            Contestant("uvloop streams", asyncio_streams("uvloop"), COUNT),
            Contestant("uvloop streams, 30 s", asyncio_streams("uvloop", TIMEOUT_S), COUNT),
            Contestant("asyncio streams", asyncio_streams(), COUNT),
            Contestant("bare epoll loop", epoll_loop, COUNT),
            Contestant("OpenResty", redis_pings(in_openresty, CONNECTIONS), COUNT),
        ),
        comparisons=(
            Comparison("lasa", "gevent makefile, 30 s", "≤ 0.5"),
            Comparison("lasa", "uvloop streams", "≤ 1.0"),
            Comparison("lasa", "uvloop streams, 30 s", "≤ 0.65"),
            Comparison("lasa", "asyncio streams"),
            Comparison("lasa", "bare epoll loop", "≤ 1.5"),
            Comparison("lasa", "OpenResty", "≤ 1.6"),
        ),
        service=redis,
    ),
)
