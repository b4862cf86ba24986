"""What the socket tests share: connected pairs, listeners that never answer, light threads and their results."""

from __future__ import annotations

import socket as stdlib_socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import gevent

from lasa import socket, thread
from lasa.socket import TcpSocket
from lasa.thread import Thread
from tests.conftest import Certificates
from tests.helpers import original_socket_class, settle
from tests.servers import free_port

SHORT_MS = 30  # a timeout that a test waits for
PATIENCE_MS = 5_000  # a timeout that no test waits for
FLOOD = b"0123456789abcdef" * 65_536  # 1 MiB: more than the small buffers of a loopback connection hold


class Pair(NamedTuple):
    """Two cosockets, connected to each other."""

    near: TcpSocket
    far: TcpSocket


def result_of(worker: Thread) -> tuple[Any, ...]:
    """Wait for a light thread and return the tuple that its function returned."""
    ok, *values = thread.wait(worker)
    assert ok is True, values
    return tuple(values)


def failure_of(worker: Thread) -> BaseException:
    """Wait for a light thread that ends with an exception, and return that."""
    ok, error = thread.wait(worker)
    assert ok is False
    assert isinstance(error, BaseException)
    return error


def spawn_blocked(function: Callable[..., Any], *arguments: Any) -> Thread:
    """Start a light thread and see that it waits."""
    worker = thread.spawn(function, *arguments)
    settle()
    assert thread.status(worker) == "running"
    return worker


def connected(*address: Any, **keywords: Any) -> TcpSocket:
    """A new cosocket, connected."""
    sock, err = socket.connect(*address, **keywords)
    assert sock is not None, err
    return sock


def accept_while(listener: TcpSocket, connect: Callable[[], TcpSocket]) -> Pair:
    """Run ``connect`` while ``listener`` accepts."""
    accepting = thread.spawn(listener.accept)
    near = connect()
    far, err = result_of(accepting)
    assert far is not None, err
    return Pair(near, far)


@contextmanager
def listening(ip: str = "127.0.0.1", port: int | None = 0, **keywords: Any) -> Iterator[TcpSocket]:
    """A bound cosocket; its first accept() listens."""
    listener = socket.tcp(**keywords)
    ok, err = listener.bind(ip, port)
    assert ok, err
    try:
        yield listener
    finally:
        listener.close()


@contextmanager
def open_pair(kind: str, folder: Path, certificates: Certificates) -> Iterator[Pair]:
    """A connected pair over "tcp", "tcp6", "unix" or "tls"."""
    with ExitStack() as stack:
        if kind == "unix":
            address: tuple[Any, ...] = (f"unix:{folder}/pair.sock",)
            listener = stack.enter_context(listening(address[0], None))
        else:
            listener = stack.enter_context(listening("::1" if kind == "tcp6" else "127.0.0.1"))
            address = listener.getsockname()
        pair = accept_while(listener, lambda: connected(*address))
        stack.callback(pair.near.close)
        stack.callback(pair.far.close)
        for sock in pair:
            sock.settimeout(PATIENCE_MS)
        if kind == "tls":
            begin_tls(pair, certificates)
        yield pair


@contextmanager
def tcp_pair() -> Iterator[Pair]:
    """A connected pair over TCP."""
    with listening() as listener:
        pair = accept_while(listener, lambda: connected(*listener.getsockname()))
    for sock in pair:
        sock.settimeout(PATIENCE_MS)
    try:
        yield pair
    finally:
        pair.near.close()
        pair.far.close()


def begin_tls(pair: Pair, certificates: Certificates) -> Any:
    """Shake hands on both ends; returns the client's session."""
    accepting = thread.spawn(pair.far.sslaccept, certificates.issue("localhost"))
    session, err = pair.near.sslhandshake(None, "localhost", ca=certificates.ca)
    assert err is None
    assert result_of(accepting) == (True, None)
    return session


def shrink_buffers(pair: Pair) -> None:
    """Make the kernel's buffers small, so that a flood fills them."""
    for sock in pair:
        # Not "rcvbuf" too: what the window of an open connection had promised would be dropped and sent again.
        assert sock.setoption("sndbuf", 16384) == (True, None)


@contextmanager
def silent_listener(ip: str = "127.0.0.1", port: int = 0) -> Iterator[tuple[str, int]]:
    """The address of a black hole: a listener whose queue is full answers no SYN."""
    family = stdlib_socket.AF_INET6 if ":" in ip else stdlib_socket.AF_INET
    make = original_socket_class()
    listener = make(family, stdlib_socket.SOCK_STREAM)
    fillers = []
    try:
        listener.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_REUSEADDR, 1)
        listener.bind((ip, port))
        listener.listen(0)
        for _ in range(3):
            filler = make(family, stdlib_socket.SOCK_STREAM)
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        yield listener.getsockname()[:2]
    finally:
        for sock in (*fillers, listener):
            sock.close()


@contextmanager
def time_limit(limit_s: float) -> Iterator[None]:
    """Raise gevent.Timeout out of the body, unless it ends in time."""
    with gevent.Timeout(limit_s):
        yield


def port_free_at(*ips: str) -> int:
    """A port that can be bound at each of the addresses."""
    while True:
        with ExitStack() as stack:
            port = 0
            try:
                for ip in ips:
                    family = stdlib_socket.AF_INET6 if ":" in ip else stdlib_socket.AF_INET
                    probe = stack.enter_context(original_socket_class()(family, stdlib_socket.SOCK_STREAM))
                    probe.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_REUSEADDR, 1)
                    probe.bind((ip, port))
                    port = probe.getsockname()[1]
            except OSError:
                continue
            return port


def free_address() -> tuple[str, int]:
    """An address at which nobody listens."""
    return "127.0.0.1", free_port()


__all__ = [
    "FLOOD",
    "PATIENCE_MS",
    "SHORT_MS",
    "Pair",
    "accept_while",
    "begin_tls",
    "connected",
    "failure_of",
    "free_address",
    "listening",
    "open_pair",
    "port_free_at",
    "result_of",
    "shrink_buffers",
    "silent_listener",
    "spawn_blocked",
    "tcp_pair",
    "time_limit",
]
