"""HTTP servers of one process each: small answers under wrk, 1 MB either way, and idle connections.

The servers run as http_apps.py starts them. Their CPU time is read from outside, over all their processes; it also
tells more where two cores are not enough for server and load. pywsgi sends head and body apart and leaves Nagle's
algorithm on, so that each of its answers waits 40 ms for an acknowledgement: only its CPU time compares.
"""

from __future__ import annotations

import http.client
import re
import select
import shutil
import socket as stdlib_socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Final

from tests.bench.harness import MEGABYTE, Comparison, Contestant, Figures, Job, NotInstalled, Row, optional_module
from tests.bench.http_apps import COLLECT, HELLO, Serving, serving
from tests.bench.memory import used_bytes
from tests.bench.peers import raise_descriptor_limit

__all__ = ["CONNECTIONS", "ROWS", "SECONDS", "small_answers"]

CONNECTIONS: Final = 50
SECONDS: Final = 3
WARM_UP_S: Final = 1
TIMEOUT_S: Final = 30.0

CALLERS: Final = 8
TRANSFERS: Final = 2_000
READ_SIZE: Final = 1 << 18

IDLE: Final = 5_000
FIRST: Final = 10  # a tenth as many are opened before the measurement

# A server that kept what it made of the last request, or of its head, would gain nothing here.
VARIED: Final = """
local count = 0
wrk.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
wrk.headers["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
wrk.headers["Accept-Encoding"] = "gzip, deflate, br"
function request()
    count = count + 1
    wrk.headers["X-Request-Id"] = "request-" .. count
    wrk.headers["Cookie"] = "session=" .. count * 7919 .. "; theme=dark"
    return wrk.format("GET", "/items/" .. count .. "?page=" .. count % 97)
end
"""


class ServerMeter:
    """CPU time of a server's processes and wall time, over the body of a ``with``."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.cpu_s = self.wall_s = 0.0

    def __enter__(self) -> ServerMeter:
        self.wall_s, self.cpu_s = -time.perf_counter(), -self._server_cpu_s()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall_s += time.perf_counter()
        self.cpu_s += self._server_cpu_s()

    def _server_cpu_s(self) -> float:
        main = optional_module("psutil").Process(self._pid)
        times = [process.cpu_times() for process in (main, *main.children(recursive=True))]
        return float(sum(one.user + one.system for one in times))


def small_answers(
    serve: Callable[[], AbstractContextManager[Serving]], script: str = "", body: bytes = HELLO
) -> Callable[[Job], Figures]:
    """Return the contestant: a server under wrk for as many seconds as the job counts; ``body`` is what it answers."""

    def contestant(job: Job) -> Figures:
        binary = shutil.which("wrk")
        if binary is None:
            raise NotInstalled("apt-get install wrk")
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as file, serve() as running:
            file.write(script)
            file.flush()
            expect_body(running, body)
            command = [binary, "-t1", f"-c{CONNECTIONS}", "-s", file.name, f"http://127.0.0.1:{running.port}/"]
            wrk([*command, f"-d{WARM_UP_S}"])
            with ServerMeter(running.pid) as meter:
                requests, per_s = wrk([*command, f"-d{job.count}"])
        return {"per_s": per_s, "cpu_us": meter.cpu_s / requests * 1e6}

    return contestant


def expect_body(running: Serving, expected: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=TIMEOUT_S)
    connection.request("GET", "/")
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200 or body != expected:
        raise ValueError(f"{answer.status}, {body!r}")


def wrk(command: list[str]) -> tuple[int, float]:
    """Run wrk and return how many requests it made, and how many per second; all must be answered, with 200."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    found = re.search(r"(\d+) requests in .*?Requests/sec: +([\d.]+)", done.stdout, re.DOTALL)
    failures = re.search(r"(Non-2xx|Socket errors).*", done.stdout)
    if found is None or failures or not int(found[1]):
        raise ValueError(f"wrk: {failures[0] if failures else (done.stderr or done.stdout).strip()}")
    return int(found[1]), float(found[2])


def transfers(server: str, app: str, head: str, body: bytes, answer_size: int) -> Callable[[Job], Figures]:
    """Return the contestant: ``server`` is sent a request and ``body`` over CALLERS connections at once.

    An epoll loop in this process does that with half the CPU time of a server; wrk, which reads 8 kB at a time, and
    blocking sockets in OS threads would be what is measured.
    """
    request = f"{head}\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    def contestant(job: Job) -> Figures:
        buffer = bytearray(READ_SIZE)

        def caller(sock: stdlib_socket.socket, count: int) -> Iterator[int]:
            for _ in range(count):
                unsent = memoryview(request)
                while unsent:
                    try:
                        unsent = unsent[sock.send(unsent) :]
                    except BlockingIOError:
                        yield select.EPOLLOUT
                yield from read_answer(sock, buffer, answer_size)

        def run(count: int) -> None:
            run_all({sock.fileno(): caller(sock, count) for sock in socks})

        with serving(server, app) as running:
            socks = [connected(running) for _ in range(CALLERS)]
            for sock in socks:
                sock.setblocking(False)
            run(job.warm_up // CALLERS + 1)
            each = max(1, job.count // CALLERS)
            with ServerMeter(running.pid) as meter:
                run(each)
        megabytes = each * CALLERS
        return {"mb_s": megabytes / meter.wall_s, "cpu_us": meter.cpu_s / megabytes * 1e6}

    return contestant


def run_all(callers: dict[int, Iterator[int]]) -> None:
    """Run each caller, which says what its descriptor has to be ready for, to its end."""
    waits = {descriptor: next(caller) for descriptor, caller in callers.items()}
    with select.epoll() as epoll:
        for descriptor, events in waits.items():
            epoll.register(descriptor, events)
        while waits:
            ready = epoll.poll(TIMEOUT_S)
            if not ready:
                raise ValueError("timeout")
            for descriptor, _ in ready:
                events = next(callers[descriptor], 0)
                if not events:
                    del waits[descriptor]
                    epoll.unregister(descriptor)
                elif events != waits[descriptor]:
                    waits[descriptor] = events
                    epoll.modify(descriptor, events)


def read_answer(sock: stdlib_socket.socket, buffer: bytearray, size: int) -> Iterator[int]:
    """Read one answer with a body of ``size`` bytes; its status must be 200. Yields before each read."""
    head, end = b"", -1
    while end < 0:
        yield select.EPOLLIN
        head += buffer[: received(sock, buffer)]
        end = head.find(b"\r\n\r\n")
    left = size - (len(head) - end - 4)
    head = head[: end + 2]
    length = re.search(rb"\r\ncontent-length: *(\d+)\r\n", head, re.IGNORECASE)
    if not head.startswith(b"HTTP/1.1 200 ") or length is None or int(length[1]) != size:
        raise ValueError(repr(head))
    while left > 0:
        yield select.EPOLLIN
        left -= received(sock, buffer)
    if left:
        raise ValueError(f"{-left} bytes too many")


def received(sock: stdlib_socket.socket, buffer: bytearray) -> int:
    size = sock.recv_into(buffer)
    if not size:
        raise ValueError("closed")
    return size


def idle_connections(server: str) -> Callable[[Job], Figures]:
    """Return the contestant: what a connection costs ``server`` after its first request."""

    def contestant(job: Job) -> Figures:
        raise_descriptor_limit()  # the server inherits it
        with serving(server, "idle") as running:
            kept = [after_one_request(running, "/") for _ in range(job.count // FIRST)]
            before = collected(running)
            kept.extend(after_one_request(running, "/") for _ in range(job.count))
            after = collected(running)
            for sock in kept:
                sock.setblocking(False)
                try:
                    raise ValueError(f"a connection was not kept: {sock.recv(100)!r}")
                except BlockingIOError:
                    sock.close()
        return {name: (after[name] - before[name]) / job.count for name in before}

    return contestant


def connected(running: Serving) -> stdlib_socket.socket:
    sock = stdlib_socket.create_connection(("127.0.0.1", running.port), TIMEOUT_S)
    # Closed by a reset, it leaves no TIME_WAIT: a run opens more connections than ports exist.
    sock.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_LINGER, struct.pack("ii", 1, 0))
    return sock


def after_one_request(running: Serving, path: str) -> stdlib_socket.socket:
    """Return a connection that has had its first answer."""
    sock = connected(running)
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    for _ in read_answer(sock, bytearray(1024), len(HELLO)):
        pass  # the socket waits by itself
    return sock


def collected(running: Serving) -> Figures:
    after_one_request(running, COLLECT).close()
    return used_bytes(running.pid)


FAST_UVICORN: Final = "uvicorn httptools uvloop"
SERVERS: Final = ("lasa", "uvicorn h11", FAST_UVICORN, "gunicorn gevent", "pywsgi")


def small_answers_row(name: str, title: str, script: str) -> Row:
    return Row(
        name=name,
        title=f"answers of {len(HELLO)} bytes, one process, wrk -t1 -c{CONNECTIONS} -d{SECONDS}, {title}",
        figures={"per_s": "requests/s", "cpu_us": "CPU µs"},
        # An operation is a second here.
        contestants=tuple(
            Contestant(server, small_answers(partial(serving, server, "hello"), script), SECONDS) for server in SERVERS
        ),
        comparisons=(
            Comparison("lasa", "uvicorn h11", "≥ 2"),
            Comparison("lasa", FAST_UVICORN, "≥ 0.6"),
            Comparison("lasa", "gunicorn gevent", "≥ 1"),
            *(Comparison("lasa", server, "", "cpu_us") for server in SERVERS[1:]),
        ),
        quick_divisor=SECONDS,
    )


def transfer_row(name: str, title: str, app: str, head: str, body: bytes, answer_size: int) -> Row:
    return Row(
        name=name,
        title=f"{title}, {CALLERS} connections",
        figures={"mb_s": "MB/s", "cpu_us": "CPU µs/MB"},
        contestants=tuple(
            Contestant(server, transfers(server, app, head, body, answer_size), TRANSFERS)
            for server in ("lasa", FAST_UVICORN)
        ),
        comparisons=(Comparison("lasa", FAST_UVICORN, "≥ 0.8"), Comparison("lasa", FAST_UVICORN, "", "cpu_us")),
    )


ROWS: Final = (
    small_answers_row("http-server", "equal requests", ""),
    small_answers_row("http-server-varied", "each request with a path, a cookie and an id of its own", VARIED),
    transfer_row("http-transfer-answer", "answers of 1 MB", "answer", "GET / HTTP/1.1", b"", MEGABYTE),
    transfer_row(
        "http-transfer-upload",
        "uploads of 1 MB, read whole",
        "upload",
        "POST / HTTP/1.1",
        b"x" * MEGABYTE,
        len(str(MEGABYTE)),
    ),
    Row(
        name="http-idle",
        title=f"server memory of a kept connection after one request, {IDLE:,} of them",
        figures={"uss": "USS bytes", "rss": "RSS bytes"},
        contestants=tuple(Contestant(server, idle_connections(server), IDLE) for server in ("lasa", "pywsgi")),
        comparisons=(Comparison("lasa", "pywsgi", "≤ 1.0"),),
        quick_divisor=5,
    ),
)
