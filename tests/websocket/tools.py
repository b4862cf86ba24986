"""What tests of WebSockets share: raw peers of either role, and servers that run beside a test.

The peers are gevent's own sockets, with an encoder and a decoder of frames of their own: what they see and send owes
nothing to the code under test, nor to wsproto.
"""

from __future__ import annotations

import base64
import gc
import hashlib
import os
import socket as stdlib_socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import gevent
import gevent.socket
from gevent.event import Event
from gevent.queue import Queue

from lasa import _hub, thread, websocket
from lasa._stream.connection import pools
from lasa.websocket import WebSocket
from lasa.websocket.client import ClientWebSocket
from lasa.websocket.server import Server, ServerWebSocket
from tests.helpers import settle
from tests.http.client_tools import PEER_TIMEOUT_S, Script, Wire, close_idle, in_use, peer
from tests.socket.tools import result_of
from tests.websocket.conformance.case import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "KEY",
    "LARGE",
    "PING",
    "PONG",
    "TEXT",
    "Far",
    "RawFrame",
    "accept_of",
    "accepted",
    "accepting",
    "answer_of",
    "chunks_of",
    "client_and_far",
    "connected",
    "frame",
    "header_values",
    "narrow",
    "no_light_thread_left",
    "nothing_left",
    "raw_client",
    "raw_connection",
    "request",
    "server_and_far",
    "serving",
    "shake_hands",
    "shrink_buffer",
    "staying",
    "talking",
    "talking_client",
    "talking_pair",
    "talking_server",
]

KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="  # the RFC's own
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


# Frames


def xored(data: bytes, key: bytes) -> bytes:
    return bytes(byte ^ key[at % 4] for at, byte in enumerate(data)) if len(data) < 1024 else _xored_fast(data, key)


def _xored_fast(data: bytes, key: bytes) -> bytes:
    keys = (key * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(keys, "big")).to_bytes(len(data), "big")


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    masked: bool = False,
    length: int | None = None,
    width: int | None = None,
) -> bytes:
    """One frame, be it allowed or not.

    Args:
        rsv: 0 to 7.
        length: to announce, whatever the payload is.
        width: bytes of the extended length, 0, 2 or 8; by default the shortest form.
    """
    size = len(payload) if length is None else length
    if width is None:
        width = 0 if size < 126 else 2 if size < 65536 else 8
    short = {0: size, 2: 126, 8: 127}[width]
    head = bytes((fin << 7 | rsv << 4 | opcode, masked << 7 | short)) + (size.to_bytes(width, "big") if width else b"")
    if not masked:
        return head + payload
    key = os.urandom(4)
    return head + key + xored(payload, key)


def chunks_of(stream: bytes, places: Sequence[int]) -> list[bytes]:
    """The stream cut at these places, each taken modulo what there is; chunks may be empty."""
    ends = [*sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@dataclass(frozen=True)
class RawFrame:
    """A frame as it came; key is None if it was not masked, size counts all its bytes."""

    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0
    key: bytes | None = None
    size: int = 0


class Far:
    """The raw other side of an open WebSocket.

    Attributes:
        wire: its connection.
        masks: whether it is the client.
    """

    def __init__(self, wire: Wire, *, masks: bool) -> None:
        self.wire = wire
        self.masks = masks
        with suppress(OSError):  # a unix socket
            wire.sock.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY, 1)

    def frame(self, opcode: int, payload: bytes = b"", **options: Any) -> bytes:
        """A frame, masked as this side has to."""
        return frame(opcode, payload, **{"masked": self.masks, **options})

    def send(self, opcode: int, payload: bytes = b"", **options: Any) -> None:
        """Send one frame()."""
        self.wire.send(self.frame(opcode, payload, **options))

    def next(self) -> RawFrame | None:
        """Read one frame; None at the end of the connection."""
        head = self.wire.exactly(2)
        if not head:
            return None
        assert len(head) == 2
        length, size = head[1] & 127, 2
        if length > 125:
            width = 2 if length == 126 else 8
            length = int.from_bytes(self.wire.exactly(width), "big")
            size += width
        key = None
        if head[1] & 128:
            key = self.wire.exactly(4)
            size += 4
        payload = self.wire.exactly(length)
        assert len(payload) == length
        if key is not None:
            payload = xored(payload, key)
        return RawFrame(head[0] & 15, payload, bool(head[0] & 128), head[0] >> 4 & 7, key, size + length)

    def next_is(self, opcode: int, payload: bytes, *, fin: bool = True) -> None:
        """Read one frame and check it."""
        found = self.next()
        assert found is not None, "the connection has ended"
        assert (found.opcode, found.payload, found.fin, found.rsv) == (opcode, payload, fin, 0)


# Handshakes


def accept_of(key: bytes) -> bytes:
    return base64.b64encode(hashlib.sha1(key + _GUID).digest())


def header_values(head: bytes, name: bytes) -> list[bytes]:
    """The values of one field of a raw head."""
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return [value.strip() for field, _, value in lines if field.lower() == name.lower()]


def answer_of(head: bytes, *fields: bytes) -> bytes:
    """The answer 101 to a request's head, with more fields."""
    (key,) = header_values(head, b"Sec-WebSocket-Key")
    lines = (
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept_of(key),
        *fields,
    )
    return b"\r\n".join(lines) + b"\r\n\r\n"


def shake_hands(wire: Wire, *fields: bytes, behind: bytes = b"") -> bytes:
    """Be the server: read a request, agree, and return its head, b"" if the client has gone.

    Args:
        behind: to send in the same segment.
    """
    head = wire.head()
    if head:
        wire.send(answer_of(head, *fields) + behind)
    return head


def request(path: str = "/", *fields: str, without: str = "", host: str = "h") -> bytes:
    """A client's request; ``fields`` replace those of the same name, and ``without`` leaves one out."""
    lines = [
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
    ]
    given = {field.partition(":")[0].lower() for field in fields} | {without.lower()}
    lines = [line for line in lines if line.partition(":")[0].lower() not in given]
    return "\r\n".join((f"GET {path} HTTP/1.1", *lines, *fields, "", "")).encode("latin-1")


def staying(converse: Callable[[Wire], Any]) -> Script:
    """A script: ``converse``, and then keep the connection open until the test ends."""

    def script(wire: Wire) -> None:
        converse(wire)
        Event().wait()

    return script


# Clients of lasa, and their raw server


@contextmanager
def client_and_far(
    connect_options: dict[str, Any] | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    answer_fields: tuple[bytes, ...] = (),
    behind: bytes = b"",
    **new_options: Any,
) -> Iterator[tuple[ClientWebSocket, Far]]:
    """A lasa client for frames and the raw server that it is connected to."""
    wires: Queue[Wire] = Queue()

    def script(wire: Wire) -> None:
        shake_hands(wire, *answer_fields, behind=behind)
        wires.put(wire)

    with peer(staying(script), tls=tls) as server:
        wb, _ = websocket.client.new(**new_options)
        scheme = "ws" if tls is None else "wss"
        ok, err = wb.connect(f"{scheme}://{host}:{server.port}/", {"proxy": False, **(connect_options or {})})
        assert ok == 1, err
        try:
            yield wb, Far(wires.get(), masks=False)
        finally:
            wb.abort()


# Servers of lasa, and their raw clients


@contextmanager
def accepting(where: Any = "127.0.0.1:0", **options: Any) -> Iterator[Server]:
    """A server whose accept() is the test's; fails if it does not end."""
    server, err = websocket.server.new(where, **options)
    assert server is not None, err
    try:
        yield server
    finally:
        server.stop(0)
        settle()
        assert server.connections == 0


@contextmanager
def raw_connection(server: Server, *, tls: ssl.SSLContext | None = None) -> Iterator[Wire]:
    """A raw connection to a server, over which nothing has been said."""
    with ExitStack() as stack:
        host, port = server.address
        if port is None:
            sock = gevent.socket.socket(gevent.socket.AF_UNIX)
            stack.callback(sock.close)
            sock.connect(host.removeprefix("unix:"))
        else:
            sock = gevent.socket.socket(gevent.socket.AF_INET6 if ":" in host else gevent.socket.AF_INET)
            stack.callback(sock.close)
            sock.connect((host, port))
        sock.settimeout(PEER_TIMEOUT_S)
        if tls is not None:
            sock = tls.wrap_socket(sock, server_hostname="localhost", do_handshake_on_connect=False)
            stack.callback(sock.close)
            sock.do_handshake()
        yield Wire(sock, 0)


def accepted(server: Server) -> ServerWebSocket:
    """The next connection of a server, which must not fail."""
    wbc, err = server.accept()
    assert wbc is not None, err
    return wbc


@contextmanager
def raw_client(
    server: Server, *fields: str, path: str = "/", tls: ssl.SSLContext | None = None, behind: bytes = b""
) -> Iterator[tuple[ServerWebSocket, Far]]:
    """A raw client whose handshake a server has accepted."""
    with raw_connection(server, tls=tls) as wire:
        accepting_it = thread.spawn(server.accept)
        wire.send(request(path, *fields) + behind)
        wbc, err = result_of(accepting_it)
        assert wbc is not None, err
        try:
            head = wire.head()
            assert head.startswith(b"HTTP/1.1 101 "), head
            assert header_values(head, b"Sec-WebSocket-Accept") == [accept_of(KEY.encode())]
            yield wbc, Far(wire, masks=True)
        finally:
            wbc.abort()
            with suppress(OSError):
                wire.close()


@contextmanager
def server_and_far(*, behind: bytes = b"", **options: Any) -> Iterator[tuple[ServerWebSocket, Far]]:
    """A connection that a lasa server has accepted for frames, and its raw client."""
    with accepting(**options) as server, raw_client(server, behind=behind) as pair:
        yield pair


def shrink_buffer(wb: WebSocket) -> None:
    """Let the kernel take little, so that senders have to wait soon."""
    assert wb._session is not None
    wb._session.connection.link.sock.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_SNDBUF, 16_384)


# What is left


def _open_numbers() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@contextmanager
def nothing_left() -> Iterator[None]:
    """As client_tools.clean(), but garbage is collected only where something seems to be left."""
    close_idle()
    settle()
    loop = gevent.get_hub().loop
    before, watchers = _open_numbers(), loop.activecnt
    yield
    settle()
    assert in_use() == {}
    close_idle()
    assert pools()._by_name == {}
    if _open_numbers() - before or loop.activecnt > watchers:  # what an earlier test has left may be gone
        gc.collect()
        settle()
        assert _open_numbers() <= before
        assert loop.activecnt <= watchers


@contextmanager
def no_light_thread_left() -> Iterator[None]:
    """Fail if the body starts light threads that outlive it; it takes its time."""
    before = len(_hub.live_jobs())
    yield
    settle()
    assert len(_hub.live_jobs()) == before


# Both of lasa


@contextmanager
def connected(server: Server, path: str = "/", **options: Any) -> Iterator[tuple[ClientWebSocket, ServerWebSocket]]:
    """A lasa client for frames and the lasa server's side of the connection."""
    accepting_it = thread.spawn(server.accept)
    wb, _ = websocket.client.new()
    ok, err = wb.connect(f"{server.url}{path}", {"proxy": False, **options})
    assert ok == 1, err
    wbc, err = result_of(accepting_it)
    assert wbc is not None, err
    try:
        yield wb, wbc
    finally:
        wb.abort()
        wbc.abort()


# The level of messages


HANG_S: Final = 5.0


@contextmanager
def serving(handler: Callable[[ServerWebSocket], Any], where: Any = "127.0.0.1:0", **options: Any) -> Iterator[Server]:
    """A server that runs beside the test until the body ends; fails if it does not stop then."""
    server, err = websocket.server.new(where, **options)
    assert server is not None, err
    runner = thread.spawn(server.run, handler)
    try:
        yield server
    finally:
        server.stop(0)
        with gevent.Timeout(HANG_S):
            outcome = result_of(runner)
    assert outcome == (True, None)
    assert server.connections == 0


def _prompt(far: Far) -> Far:
    # What it sends is there at once, also where lasa has not acknowledged what came before.
    if far.wire.sock.family != gevent.socket.AF_UNIX:
        far.wire.sock.setsockopt(gevent.socket.IPPROTO_TCP, gevent.socket.TCP_NODELAY, 1)
    far.wire.sock.settimeout(HANG_S)
    return far


class _Arrivals:
    """A handler that hands every connection to the test, and stays until that is over."""

    def __init__(self) -> None:
        self.arrived: Queue[ServerWebSocket] = Queue()
        self.over = Event()

    def __call__(self, wb: ServerWebSocket) -> None:
        self.arrived.put(wb)
        self.over.wait()


LARGE: Final = 600_000  # bytes; more than what leaves a narrow() WebSocket for a peer that reads nothing


def narrow(wb: WebSocket) -> None:
    """Make the kernel's buffer small, so that a send has to wait for the peer soon."""
    session = wb.open_session
    assert session is not None
    session.connection.link.sock.setsockopt(gevent.socket.SOL_SOCKET, gevent.socket.SO_SNDBUF, 16384)


@contextmanager
def talking_client(
    *, answer_fields: tuple[bytes, ...] = (), tls: ssl.SSLContext | None = None, **options: Any
) -> Iterator[tuple[ClientWebSocket, Far]]:
    """A lasa client for messages and the raw server that it is connected to."""
    wires: Queue[Wire] = Queue()

    def script(wire: Wire) -> None:
        shake_hands(wire, *answer_fields)
        wires.put(wire)

    with peer(staying(script), tls=tls) as server:
        url = f"{'ws' if tls is None else 'wss'}://127.0.0.1:{server.port}/"
        wb, err = websocket.client.connect(url, **{"proxy": False, "ssl_verify": False, **options})
        assert wb is not None, err
        try:
            yield wb, _prompt(Far(wires.get(), masks=False))
        finally:
            wb.abort()


@contextmanager
def talking_server(
    *, fields: tuple[str, ...] = (), tls: ssl.SSLContext | None = None, **options: Any
) -> Iterator[tuple[ServerWebSocket, Far]]:
    """A connection that a lasa server has accepted for messages, and its raw client."""
    guests = _Arrivals()
    with serving(guests, **options) as server, raw_connection(server, tls=tls) as wire:
        wire.send(request("/", *fields))
        head = wire.head()
        assert head.startswith(b"HTTP/1.1 101 "), head
        wb = guests.arrived.get()
        try:
            yield wb, _prompt(Far(wire, masks=True))
        finally:
            wb.abort()
            guests.over.set()


@contextmanager
def talking(role: str, **options: Any) -> Iterator[tuple[WebSocket, Far]]:
    """lasa as "client" or as "server", at the level of messages, and its raw peer."""
    with talking_client(**options) if role == "client" else talking_server(**options) as pair:
        yield pair


@contextmanager
def talking_pair(
    client_options: dict[str, Any] | None = None, **options: Any
) -> Iterator[tuple[ClientWebSocket, ServerWebSocket]]:
    """lasa on both sides, at the level of messages."""
    guests = _Arrivals()
    with serving(guests, **options) as server:
        wb, err = websocket.client.connect(
            server.url, **{"proxy": False, "ssl_verify": False, **(client_options or {})}
        )
        assert wb is not None, err
        far = guests.arrived.get()
        try:
            yield wb, far
        finally:
            wb.abort()
            far.abort()
            guests.over.set()
