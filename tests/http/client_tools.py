"""What the client's tests share: scripted raw peers, a server for a handler, the pools left behind.

The peers are gevent's own sockets, not lasa's: what they see and send owes nothing to the code under test.
"""

from __future__ import annotations

import socket as stdlib_socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import gevent
import gevent.socket
import gevent.ssl
from gevent.event import Event

from lasa._stream.connection import pools
from lasa.http import client
from lasa.http.client import Response
from tests.helpers import nothing_left_open, settle

PEER_TIMEOUT_S = 10.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Wire:
    """One connection as its peer sees it; ``index`` counts the connections of a peer."""

    def __init__(self, sock: Any, index: int) -> None:
        self.sock = sock
        self.index = index
        self._data = b""

    def head(self) -> bytes:
        """Read a request's head, with the empty line; b"" at the end of the connection."""
        return self.until(b"\r\n\r\n")

    def until(self, mark: bytes) -> bytes:
        """Read up to and with ``mark``; b"" if the connection ends before it."""
        while mark not in self._data:
            if not self._more():
                return b""
        found, _, self._data = self._data.partition(mark)
        return found + mark

    def exactly(self, size: int) -> bytes:
        """Read ``size`` bytes, fewer at the end."""
        while len(self._data) < size and self._more():
            pass
        found, self._data = self._data[:size], self._data[size:]
        return found

    def request(self) -> tuple[bytes, bytes]:
        """Read a request: its head, and its body as it is framed (chunked: with the sizes)."""
        head = self.head()
        lower = head.lower()
        if b"\r\ncontent-length: " in lower:
            size = int(lower.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0])
            return head, self.exactly(size)
        if b"\r\ntransfer-encoding: chunked" in lower:
            return head, self.until(b"0\r\n\r\n")
        return head, b""

    def rest(self) -> bytes:
        """Read until the client closes or breaks the connection."""
        while self._more():
            pass
        found, self._data = self._data, b""
        return found

    def send(self, data: bytes) -> Wire:
        self.sock.sendall(data)
        return self

    def close(self) -> None:
        """End the connection, TLS without a goodbye."""
        self.sock.close()

    def reset(self) -> Wire:
        """End the connection so that the client sees ECONNRESET."""
        self.sock.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()
        return self

    def start_tls(self, context: ssl.SSLContext) -> None:
        # The handshake apart: a socket that wrap_socket() gives up on would be left open.
        self.sock = context.wrap_socket(self.sock, server_side=True, do_handshake_on_connect=False)
        self.sock.do_handshake()

    def _more(self) -> bool:
        try:
            data = self.sock.recv(65536)
        except ConnectionError:
            return False
        self._data += data
        return bool(data)


Script = Callable[[Wire], Any]


class Peer:
    """A listener whose connections are scripted.

    Attributes:
        url: where it is, without a path.
        connections: how many came.
        requests: the heads and bodies that answering() saw, in order.
    """

    def __init__(self, listener: Any, scheme: str) -> None:
        self.listener = listener
        self.scheme = scheme
        address = listener.getsockname()
        self.port: int = 0 if isinstance(address, str) else address[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.connections = 0
        self.requests: list[tuple[bytes, bytes]] = []
        self.failures: list[BaseException] = []
        self.wires: list[Wire] = []


@contextmanager
def peer(*scripts: Script, tls: ssl.SSLContext | None = None, address: Any = ("127.0.0.1", 0)) -> Iterator[Peer]:
    """A raw server: connection number n runs ``scripts[n]``, further ones the last, and is closed behind it.

    A client that goes away in the middle of a script is no failure of the script; anything else is one of the test.
    """
    family = stdlib_socket.AF_UNIX if isinstance(address, str) else stdlib_socket.AF_INET
    if not isinstance(address, str) and ":" in address[0]:
        family = stdlib_socket.AF_INET6
    with ExitStack() as stack:
        listener = gevent.socket.socket(family, stdlib_socket.SOCK_STREAM)
        stack.callback(listener.close)
        listener.bind(address)
        listener.listen(128)
        made = Peer(listener, "http" if tls is None else "https")

        def converse(sock: Any, script: Script, index: int) -> None:
            wire = Wire(sock, index)
            made.wires.append(wire)
            try:
                sock.settimeout(PEER_TIMEOUT_S)
                if tls is not None:
                    wire.start_tls(tls)
                script(wire)
            except (ConnectionError, ssl.SSLError):
                pass
            except Exception as error:
                made.failures.append(error)
            finally:
                wire.sock.close()

        def accept() -> None:
            while True:
                sock, _ = listener.accept()
                index = made.connections
                made.connections += 1
                running.append(gevent.spawn(converse, sock, scripts[min(index, len(scripts) - 1)], index))

        running: list[Any] = []
        accepting = gevent.spawn(accept)
        try:
            yield made
        finally:
            accepting.kill()
            settle()
            gevent.killall(running)
            made.wires.clear()
    if made.failures:
        raise made.failures[0]


def answering(*answers: bytes) -> Script:
    """A script: read a request and send the next answer, then the last one again and again, until the client goes."""

    def script(wire: Wire) -> None:
        count = 0
        while wire.request()[0]:
            wire.send(answers[min(count, len(answers) - 1)])
            count += 1

    return script


def answer_and_close(answer: bytes) -> Script:
    """A script: read one request, send bytes, and end the connection."""

    def script(wire: Wire) -> None:
        wire.request()
        wire.send(answer)

    return script


def silent(wire: Wire) -> None:
    """A script: read and never answer."""
    wire.rest()


def asleep(wire: Wire) -> None:
    """A script: neither read nor answer."""
    Event().wait()


@contextmanager
def recording(answer: bytes = OK) -> Iterator[Peer]:
    """A peer that notes requests and gives each the same answer."""

    def script(wire: Wire) -> None:
        while True:
            request = wire.request()
            if not request[0]:
                return
            made.requests.append(request)
            wire.send(answer)

    with peer(script) as made:
        yield made


def sized(body: bytes, *fields: bytes, status: bytes = b"200 OK") -> bytes:
    """An answer with a Content-Length."""
    head = b"\r\n".join((b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *fields))
    return head + b"\r\n\r\n" + body


def chunked(*chunks: bytes, fields: tuple[bytes, ...] = (), trailers: bytes = b"") -> bytes:
    """A chunked answer."""
    head = b"\r\n".join((b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", *fields))
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + b"\r\n\r\n" + body + b"0\r\n" + trailers + b"\r\n"


def redirect(location: str, code: int = 302) -> bytes:
    """A redirect without a body."""
    return b"HTTP/1.1 %d Elsewhere\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % (code, location.encode("latin-1"))


def tls_context(certificate: str, *, client_ca: str | None = None, maximum: ssl.TLSVersion | None = None) -> Any:
    """A server's TLS for peer(): gevent's own."""
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    if maximum is not None:
        context.maximum_version = maximum
    return context


def new_client(**options: Any) -> Any:
    """A client that takes nothing from the environment, and whose waits end before the test's; its type is left open,
    or each test would first have to prove which of its outcomes it got.
    """
    hc, err = client.new(**{"proxy": False, "read": 5, "send": 5, "connect": 5, "tls": 5, "pool": 5, **options})
    assert err is None
    return hc


def get(url: str, *, hc: Any = None, **keywords: Any) -> Response:
    """Send a request that must succeed."""
    ok, response, _ = (hc or new_client()).request(url=url, **keywords)
    assert ok is True, response
    assert isinstance(response, Response)
    return response


def error_of(url: str, *, hc: Any = None, **keywords: Any) -> client.Failure:
    """Send a request that must fail, and return its error word."""
    ok, err, reader = (hc or new_client()).request(url=url, **keywords)
    assert ok is None, err
    assert reader is None
    assert isinstance(err, client.Failure)
    return err


def header_of(request: tuple[bytes, bytes], name: bytes) -> list[bytes]:
    """The values of one field of a request that a peer has seen."""
    lines = request[0].split(b"\r\n")[1:]
    found = (line.partition(b":") for line in lines)
    return [value.strip() for field, _, value in found if field.lower() == name.lower()]


def close_idle() -> None:
    """Close every idle connection of the pools."""
    for pool in list(pools()._by_name.values()):
        for connection in list(pool.idle):
            pool.drop(connection)


def in_use() -> dict[str, int]:
    """The connections, by pool, that are counted and not idle: none, once all requests are over."""
    found = {name: pool.counted - len(pool.idle) for name, pool in pools()._by_name.items()}
    return {name: count for name, count in found.items() if count}


def idle_connections() -> int:
    """How many connections wait to be used again."""
    return sum(len(pool.idle) for pool in pools()._by_name.values())


@contextmanager
def clean() -> Iterator[None]:
    """Fail if the body leaves a descriptor, a watcher or a count in a pool behind; idle connections are closed."""
    close_idle()
    with nothing_left_open():
        yield
        settle()
        assert in_use() == {}
        close_idle()
        assert pools()._by_name == {}


def read_pieces(reader: Any) -> tuple[bytes, str | None]:
    """Drain a seed's reader: what came, and the word where it broke."""
    got: list[bytes] = []
    while (piece := reader()) is not None:
        if piece.body is None:
            assert reader() is None
            return b"".join(got), piece.err
        assert piece.body
        assert piece.err is None
        got.append(piece.body)
    return b"".join(got), None


def write(path: Path, data: bytes) -> Path:
    with suppress(FileExistsError):
        path.parent.mkdir(parents=True)
    path.write_bytes(data)
    return path


__all__ = [
    "OK",
    "Peer",
    "Script",
    "Wire",
    "answer_and_close",
    "answering",
    "asleep",
    "chunked",
    "clean",
    "close_idle",
    "error_of",
    "get",
    "header_of",
    "idle_connections",
    "in_use",
    "new_client",
    "peer",
    "read_pieces",
    "recording",
    "redirect",
    "silent",
    "sized",
    "tls_context",
    "write",
]
