"""A light thread that is killed, or hit by gevent.Timeout, inside each call that can wait.

A kill closes the socket for everyone, and a gevent.Timeout loses no byte; neither leaves a descriptor, a watcher, a
timer or a place in a pool behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import gevent
import pytest
from gevent.event import Event

from lasa import _hub, socket, thread
from lasa._stream.connection import pools
from lasa.socket import TcpSocket, UdpSocket
from tests.conftest import Certificates
from tests.helpers import nothing_left_open, settle
from tests.socket.tools import (
    FLOOD,
    SHORT_MS,
    connected,
    failure_of,
    free_address,
    listening,
    open_pair,
    port_free_at,
    shrink_buffers,
    silent_listener,
    spawn_blocked,
    tcp_pair,
)


class Blocked(NamedTuple):
    """A call that waits for ever, and what its socket must do after a gevent.Timeout in it."""

    sock: TcpSocket | UdpSocket
    call: Callable[[], Any]
    check: Callable[[], None]


Scene = Callable[[Path, Certificates], AbstractContextManager[Blocked]]


def is_closed(sock: TcpSocket | UdpSocket) -> None:
    assert sock.close() == (None, "closed")
    if isinstance(sock, TcpSocket):
        assert sock.receive() == (None, "closed", None)
        assert sock.send(b"x") == (None, "closed")
        assert sock.connect(*free_address()) == (None, "connection refused")


@contextmanager
def connect(folder: Path, certificates: Certificates) -> Iterator[Blocked]:
    with silent_listener() as address:
        sock = socket.tcp()
        yield Blocked(sock, lambda: sock.connect(*address), lambda: is_closed(sock))


@contextmanager
def connect_with_pool(folder: Path, certificates: Certificates) -> Iterator[Blocked]:
    with silent_listener() as address:
        sock = socket.tcp()
        yield Blocked(sock, lambda: sock.connect(*address, pool_size=1, backlog=1), lambda: is_closed(sock))


@contextmanager
def race(folder: Path, certificates: Certificates) -> Iterator[Blocked]:
    port = port_free_at("::1", "127.0.0.1")
    with silent_listener("::1", port), silent_listener("127.0.0.1", port), names_resolve_to_both():
        sock = socket.tcp()
        yield Blocked(sock, lambda: sock.connect("both", port), lambda: is_closed(sock))


@contextmanager
def connect_unix(folder: Path, certificates: Certificates) -> Iterator[Blocked]:
    path = f"unix:{folder}/full.sock"
    with socket.tcp() as listener:
        assert listener.bind(path, backlog=0) == (True, None)
        listener.listen()
        with connected(path):
            sock = socket.tcp()
            yield Blocked(sock, lambda: sock.connect(path), lambda: is_closed(sock))


@contextmanager
def look_up(folder: Path, certificates: Certificates) -> Iterator[Blocked]:
    with resolver(SilentResolver()):
        sock = socket.tcp()
        yield Blocked(sock, lambda: sock.connect("a.name", 80), lambda: is_closed(sock))


@contextmanager
def accept(folder: Path, certificates: Certificates) -> Iterator[Blocked]:
    with listening() as listener:
        address = listener.getsockname()

        def check() -> None:
            near = connected(*address)
            far, err = listener.accept()
            assert far is not None, err
            near.close()
            far.close()

        yield Blocked(listener, listener.accept, check)


def reading(kind: str, read: Callable[[TcpSocket], Any]) -> Scene:
    @contextmanager
    def scene(folder: Path, certificates: Certificates) -> Iterator[Blocked]:
        with open_pair(kind, folder, certificates) as (near, far):
            assert far.send(b"kept") == (4, None)

            def check() -> None:
                assert far.send(b"\n") == (1, None)
                assert near.receive() == (b"kept", None, None)
                assert near.send(b"x") == (1, None)

            yield Blocked(near, lambda: read(near), check)

    return scene


def sending(kind: str) -> Scene:
    @contextmanager
    def scene(folder: Path, certificates: Certificates) -> Iterator[Blocked]:
        with open_pair(kind, folder, certificates) as pair:
            shrink_buffers(pair)
            near, far = pair

            def check() -> None:
                assert near.send(b"x") == (None, "closed")
                assert far.send(b"hello\n") == (6, None)
                assert near.receive() == (b"hello", None, None)

            yield Blocked(near, lambda: near.send(FLOOD), check)

    return scene


@contextmanager
def handshake(folder: Path, certificates: Certificates) -> Iterator[Blocked]:
    with tcp_pair() as (near, _):
        yield Blocked(near, lambda: near.sslhandshake(ssl_verify=False), lambda: is_closed(near))


@contextmanager
def handshake_of_a_server(folder: Path, certificates: Certificates) -> Iterator[Blocked]:
    with tcp_pair() as (_, far):
        yield Blocked(far, lambda: far.sslaccept(certificates.issue("localhost")), lambda: is_closed(far))


@contextmanager
def queue(folder: Path, certificates: Certificates) -> Iterator[Blocked]:
    options: dict[str, Any] = {"pool_size": 1, "backlog": 1}
    with listening() as listener:
        listener.listen()
        with connected(*listener.getsockname(), options):
            sock = socket.tcp()
            yield Blocked(sock, lambda: sock.connect(*listener.getsockname(), **options), lambda: is_closed(sock))


@contextmanager
def udp_receive(folder: Path, certificates: Certificates) -> Iterator[Blocked]:
    with socket.udp() as sock:
        assert sock.setsockname("127.0.0.1", 0) == (1, None)

        def check() -> None:
            with socket.udp() as peer:
                assert peer.setpeername(*sock.getsockname()) == (1, None)
                assert peer.send(b"hello") == (1, None)
            assert sock.receive() == (b"hello", None)

        yield Blocked(sock, sock.receive, check)


@contextmanager
def udp_look_up(folder: Path, certificates: Certificates) -> Iterator[Blocked]:
    with resolver(SilentResolver()):
        sock = socket.udp()
        yield Blocked(sock, lambda: sock.setpeername("a.name", 53), lambda: is_closed(sock))


class SilentResolver:
    """Never answers."""

    def getaddrinfo(self, *_: Any) -> Any:
        Event().wait()


class BothFamilies:
    """Answers at once, for any name, with both loopback addresses."""

    def getaddrinfo(self, *_: Any) -> Any:
        return [(10, 1, 6, "", ("::1", 0, 0, 0)), (2, 1, 6, "", ("127.0.0.1", 0))]


@contextmanager
def resolver(stand_in: Any) -> Iterator[None]:
    hub = _hub.scheduler().gevent_hub
    real = hub.resolver
    hub.resolver = stand_in
    try:
        yield
    finally:
        hub.resolver = real


def names_resolve_to_both() -> AbstractContextManager[None]:
    return resolver(BothFamilies())


SCENES: dict[str, Scene] = {
    "connect": connect,
    "connect with a pool": connect_with_pool,
    "race": race,
    "connect unix": connect_unix,
    "look-up": look_up,
    "accept": accept,
    "receive size": reading("tcp", lambda sock: sock.receive(100)),
    "receive line": reading("tcp", lambda sock: sock.receive()),
    "receive all": reading("tcp", lambda sock: sock.receive("*a")),
    "receiveuntil": reading("tcp", lambda sock: sock.receiveuntil("tXX")()),
    "receiveuntil in chunks": reading("tcp", lambda sock: sock.receiveuntil("tXX")(10)),
    "receive over TLS": reading("tls", lambda sock: sock.receive()),
    "receive over unix": reading("unix", lambda sock: sock.receive()),
    "send": sending("tcp"),
    "send over TLS": sending("tls"),
    "send over unix": sending("unix"),
    "handshake": handshake,
    "handshake of a server": handshake_of_a_server,
    "queue": queue,
    "udp receive": udp_receive,
    "udp look-up": udp_look_up,
}


@pytest.fixture(params=list(SCENES))
def blocked(request: pytest.FixtureRequest, tmp_path: Path, certificates: Certificates) -> Iterator[Blocked]:
    certificates.issue("localhost")
    with nothing_left_open():
        with SCENES[request.param](tmp_path, certificates) as scene:
            yield scene
            scene.sock.close()
            del scene
        settle()
    assert pools()._by_name == {}


def test_a_kill_inside_a_call_closes_the_socket_for_everyone(blocked: Blocked) -> None:
    waiting = spawn_blocked(blocked.call)
    assert thread.kill(waiting) == (1, None)
    is_closed(blocked.sock)


def test_a_gevent_kill_inside_a_call_closes_the_socket_for_everyone(blocked: Blocked) -> None:
    waiting = spawn_blocked(blocked.call)
    assert waiting.greenlet is not None
    gevent.kill(waiting.greenlet)
    assert isinstance(failure_of(waiting), gevent.GreenletExit)
    is_closed(blocked.sock)


def test_a_gevent_timeout_inside_a_call_loses_nothing(blocked: Blocked) -> None:
    def call() -> None:
        with gevent.Timeout(SHORT_MS / 1000):
            blocked.call()

    assert isinstance(failure_of(thread.spawn(call)), gevent.Timeout)
    blocked.check()


def test_a_kill_that_meets_the_event_half_way_closes_the_socket_too() -> None:
    with nothing_left_open(), tcp_pair() as (near, far):
        reader = spawn_blocked(near.receive)
        assert far.send(b"line\n") == (5, None)  # the event is in the kernel, and the hub has not run
        assert thread.kill(reader) == (1, None)
        is_closed(near)


def test_the_killer_of_a_reader_does_not_hurt_a_later_connection() -> None:
    with nothing_left_open(), tcp_pair() as (near, far), listening() as listener:
        reader = spawn_blocked(near.receive)
        assert thread.kill(reader) == (1, None)
        listener.listen()
        assert near.connect(*listener.getsockname()) == (1, None)
        settle()
        assert near.send(b"x") == (1, None)
        assert far.receive() == (None, "closed", b"")
