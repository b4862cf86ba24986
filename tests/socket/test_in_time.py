"""What came in time is no timeout, though the hub was busy until both were due."""

from __future__ import annotations

import socket as stdlib_socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import lasa
from lasa import http, socket
from lasa.thread import spawn, wait
from tests.conftest import Certificates
from tests.helpers import settle

TIMEOUT_MS = 20
BUSY_S = 0.05


def in_time(call: Callable[[], Any], happens: Callable[[], Any]) -> tuple[Any, ...]:
    """Begin ``call``, which waits; then let its event happen, and keep the hub until its time is over."""
    child = spawn(call)
    settle()
    happens()
    ends_s = time.monotonic() + BUSY_S
    while time.monotonic() < ends_s:
        pass
    return wait(child)[1:]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def raw_server(stack: ExitStack) -> tuple[stdlib_socket.socket, int]:
    listener = stack.enter_context(stdlib_socket.create_server(("127.0.0.1", 0)))
    return listener, listener.getsockname()[1]


def tcp_and_raw(stack: ExitStack) -> tuple[socket.TcpSocket, stdlib_socket.socket]:
    listener, port = raw_server(stack)
    sock, err = socket.connect("127.0.0.1", port)
    assert sock is not None, err
    raw = stack.enter_context(listener.accept()[0])
    stack.enter_context(sock)
    sock.settimeout(TIMEOUT_MS)
    return sock, raw


@pytest.mark.parametrize("pattern", ["*l", 5, "until", "any"])
def test_a_read(pattern: Any, stack: ExitStack) -> None:
    sock, raw = tcp_and_raw(stack)
    calls: dict[Any, Callable[[], Any]] = {
        "until": sock.receiveuntil(b"\n"),
        "any": lambda: sock.receiveany(5),
    }
    call = calls.get(pattern, lambda: sock.receive(pattern))
    assert in_time(call, lambda: raw.sendall(b"hello\n")) == (b"hello", None, None)


def test_a_send(stack: ExitStack) -> None:
    sock, raw = tcp_and_raw(stack)
    size = 30_000_000
    raw.setblocking(False)

    def read_all() -> None:
        # As much as the kernel has; the rest is read while it is sent.
        while True:
            try:
                raw.recv(1 << 20)
            except BlockingIOError:
                return

    child = spawn(sock.send, b"x" * size)
    settle()
    ends_s = time.monotonic() + BUSY_S
    while time.monotonic() < ends_s:
        read_all()
    sock.settimeout(1000)  # for the waits to come; the one that runs keeps its own
    reader = spawn(keep_reading, read_all, child)
    assert wait(child) == (True, size, None)
    wait(reader)


def keep_reading(read_all: Callable[[], None], sender: Any) -> None:
    while not sender.is_over:
        read_all()
        lasa.sleep(0.001)


def test_an_accept(stack: ExitStack) -> None:
    server = stack.enter_context(socket.tcp())
    assert server.bind("127.0.0.1", 0) == (True, None)
    assert server.listen() == (1, None)
    server.settimeout(TIMEOUT_MS)
    address = server.getsockname()
    client = stack.enter_context(stdlib_socket.socket())
    [accepted, err] = in_time(server.accept, lambda: client.connect(address))
    assert (type(accepted), err) == (socket.TcpSocket, None)
    accepted.close()


@pytest.mark.parametrize("kind", ["receive", "receivefrom"])
def test_a_datagram(kind: str, stack: ExitStack) -> None:
    sock = stack.enter_context(socket.udp())
    assert sock.setsockname("127.0.0.1", 0) == (1, None)
    sock.settimeout(TIMEOUT_MS)
    address = sock.getsockname()
    peer = stack.enter_context(stdlib_socket.socket(stdlib_socket.AF_INET, stdlib_socket.SOCK_DGRAM))
    outcome = in_time(getattr(sock, kind), lambda: peer.sendto(b"hello", address))
    assert outcome[:2] == (b"hello", None)


def test_a_connect(stack: ExitStack) -> None:
    _, port = raw_server(stack)
    sock = stack.enter_context(socket.tcp())
    sock.settimeout(TIMEOUT_MS)
    assert in_time(lambda: sock.connect("127.0.0.1", port), lambda: None) == (1, None)


def test_a_handshake(certificates: Certificates, stack: ExitStack) -> None:
    sock, raw = tcp_and_raw(stack)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.issue("localhost"))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(incoming, outgoing, server_side=True)

    def answer() -> None:
        incoming.write(raw.recv(65536))
        with pytest.raises(ssl.SSLWantReadError):
            server.do_handshake()
        raw.sendall(outgoing.read())

    session, err = in_time(lambda: sock.sslhandshake(None, "localhost", False), answer)
    assert session, err


def test_an_answer_of_http(stack: ExitStack) -> None:
    listener, port = raw_server(stack)
    client = stack.enter_context(http.client.new()[0])

    def answer() -> None:
        raw = stack.enter_context(listener.accept()[0])
        raw.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    url = f"http://127.0.0.1:{port}/"
    ok, response, _ = in_time(lambda: client.request(url=url, read=TIMEOUT_MS / 1000), answer)
    assert ok, response
    assert response.body == b"hello"


def test_a_place_in_a_pool(stack: ExitStack) -> None:
    _, port = raw_server(stack)
    options = {"pool_size": 1, "backlog": 1, "pool": "in time"}
    first = stack.enter_context(socket.tcp())
    assert first.connect("127.0.0.1", port, options) == (1, None)
    second = stack.enter_context(socket.tcp())
    second.settimeout(TIMEOUT_MS)
    giver = spawn(lambda: (lasa.sleep(0.001), first.close()))
    assert in_time(lambda: second.connect("127.0.0.1", port, options), lambda: None) == (1, None)
    wait(giver)


def test_a_value_in_a_channel() -> None:
    channel = lasa.channel(1)
    giver = spawn(lambda: (lasa.sleep(0.001), channel.send("a")))
    assert in_time(lambda: channel.receive(TIMEOUT_MS / 1000), lambda: None) == ("a", None)
    wait(giver)
