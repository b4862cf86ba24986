"""The client of a request, as a script wants it: answers of any status, the body as a cosocket, the bare connection.

This is the one place in lasa.lua that knows a connection of lasa's HTTP server from inside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from lasa import _hub, semaphore, thread
from lasa._stream import LINGER_S
from lasa.errors import SocketClosed, SocketError, SocketTimeout
from lasa.http._server.answer import Answer, reason_of
from lasa.http._server.outgoing import _SPENT
from lasa.http._server.request import Request, ResponseWriter
from lasa.http._wire.fields import HeaderSource, lines_of, prepare
from lasa.socket import TcpSocket
from lasa.socket._reading import Receiving

__all__ = [
    "BodySocket",
    "Counts",
    "Watch",
    "answer",
    "counts",
    "drop",
    "has_body",
    "is_conditional",
    "raw_head",
    "respond",
    "started_s",
    "switch",
    "take_over",
]

TAKEN_OVER: Final = 200  # in the access log: what the script sends is its own business


def started_s(request: Request) -> float:
    """Return when the request came, as clock.monotonic_s() has it."""
    return float(request._connection._started_s)  # type: ignore[attr-defined]


def is_conditional(request: Request) -> bool:
    """Return whether the request has a header whose name begins with "If-"."""
    for _, name, _ in request._event.headers._full_items:  # noqa: SIM110 (it is twice as fast as any())
        if name[:3] == b"if-":
            return True
    return False


def has_body(request: Request) -> bool:
    """Return whether there is a body that is not read yet."""
    return not request._connection._body_read  # type: ignore[attr-defined]


class Counts(NamedTuple):
    """What is counted of a request.

    Attributes:
        received: bytes of the body that have come.
        sent: bytes of the answer's body.
        connection: tells its connection from the others that are open.
        request: which one of the connection it is, from 1.
        keeps_alive: whether another may follow.
    """

    received: int
    sent: int
    connection: int
    request: int
    keeps_alive: bool


def counts(request: Request) -> Counts:
    """Return the counts of a request so far."""
    connection: Any = request._connection
    number = connection._conduit.connection.link.sock.fileno()
    return Counts(connection._received, connection._sent, number, connection._count, connection._exchange.keeps_alive)


def raw_head(request: Request, *, without_line: bool = False) -> bytes:
    """Return the head of a request; blanks around its values, which mean nothing, are gone."""
    event = request._event
    lines = [b"%s: %s\r\n" % (name, value) for name, _, value in event.headers._full_items]
    if not without_line:
        lines.insert(0, b"%s %s HTTP/%s\r\n" % (event.method, event.target, event.http_version))
    return b"".join(lines) + b"\r\n"


def answer(request: Request, status: int, headers: HeaderSource, body: bytes) -> None:
    """Answer as Request.answer(), but by any status from 200 on. Raises, Switches: as that."""
    connection: Any = request._connection
    connection._refuse_second()
    connection._answer(Answer(status, prepare(headers), body))


def respond(request: Request, status: int, headers: HeaderSource) -> ResponseWriter:
    """Begin an answer as Request.respond(), but by any status from 200 on. Raises, Switches: as that."""
    connection: Any = request._connection
    connection._refuse_second()
    connection._begin_response(status, prepare(headers), None, b"")
    return ResponseWriter(connection, request)


def switch(request: Request, status: int, headers: HeaderSource) -> TcpSocket:
    """Answer by a status below 200, whether the client has asked for a switch of protocols or not.

    Returns:
        The connection, as take_over(): what follows has no framing.
    Raises, Switches: as Request.upgrade().
    """
    connection: Any = request._connection
    connection._refuse_second()
    items = [item for item in prepare(headers).items if item[1] != b"connection"]
    items.append((b"Connection", b"connection", b"upgrade" if status == 101 else b"close"))
    connection._switched = True
    connection._status = status
    connection._send(b"HTTP/1.1 %d %s\r\n%s\r\n" % (status, reason_of(status), lines_of(items)))
    return take_over(request)


def drop(request: Request) -> SocketError:
    """Return the error that ends the connection without a word to the client, once the handler raises it."""
    connection: Any = request._connection
    if connection._send_error is None:
        connection._send_error = SocketClosed()
    return connection._send_error  # type: ignore[no-any-return]


class BodySocket(Receiving):
    """A cosocket that reads a request's body, as the server frames it: chunks and what lies between are not seen."""

    __slots__ = ()

    def __init__(self, request: Request) -> None:
        super().__init__()
        self._open(_Body(request))  # type: ignore[arg-type]

    def _release(self) -> None:
        self._detach()


class _Body:
    """A body as a stream for Reading, which only reads."""

    __slots__ = ("_connection", "hub")

    def __init__(self, request: Request) -> None:
        connection: Any = request._connection
        self._connection = connection
        self.hub = connection._conduit.hub

    def recv(self, size: int, timeout_s: float, try_first: bool) -> bytes:
        """Return what has come of the body, b"" at its end."""
        connection = self._connection
        try:
            if try_first:
                connection._conduit.breathe()  # a flood must not keep others from their turn
            piece: bytes = connection._next_piece(timeout_s)
        except SocketTimeout:
            connection._read_error = None  # of this wait only: a script may go on reading
            raise
        except SocketClosed:
            raise SocketClosed("client aborted") from None
        return piece

    def has_input(self) -> bool:
        """Whether something has come."""
        return bool(self._connection._conduit.has_input)


def take_over(request: Request) -> TcpSocket:
    """Return the connection as a cosocket of the script's; what the client has sent ahead is read from it first.

    Switches: never.
    """
    connection: Any = request._connection
    sock: TcpSocket | None = connection._upgraded
    if sock is None:
        sock = connection._conduit.to_socket()
        connection._switched = True
        connection._status = connection._status or TAKEN_OVER
        connection._upgraded = sock
        connection._exchange = connection._conduit.exchange = _SPENT
    request.follow(_Goodbye(sock))
    return sock


class _Goodbye:
    """The end of a connection that a script has taken over: its last bytes are to arrive."""

    __slots__ = ("_sock",)

    def __init__(self, sock: TcpSocket) -> None:
        self._sock = sock

    def end(self, *, has_failed: bool) -> None:
        """Say that no data follow, and wait a while for the client to say so, too."""
        sock = self._sock
        if sock.shutdown("send")[0] is None:
            return
        deadline = _hub.Deadline(LINGER_S)
        while left_s := deadline.left_s:
            sock.limit_waits(read_s=left_s)
            if sock.receiveany(65_536)[0] is None:
                return

    def go_away(self) -> None:
        """The server stops: the script has its grace."""

    def abort(self) -> None:
        self._sock.abort()

    def is_end(self, error: BaseException) -> bool:
        return False


class Watch:
    """Looks whether the client ends its connection while its request is answered.

    What comes meanwhile is kept for the next request; it ends the watch, since nothing behind it can be seen.
    """

    def __init__(self, request: Request, tell: Callable[[], None]) -> None:
        self._connection: Any = request._connection
        self._tell = tell
        self.thread: Any = None

    def start(self) -> None:
        """Begin, unless the body is not read yet; who reads it calls again. Never switches."""
        if self.thread is None and self._connection._body_read:
            self.thread = False
            _hub.call_soon(self._spawn)

    def stop(self) -> None:
        """End it, whatever it does. Switches: into it."""
        watcher, self.thread = self.thread, False
        if watcher and not watcher.is_over:
            thread.throw(watcher)
        self._connection = None

    def _spawn(self) -> None:
        if self._connection is not None:
            self.thread = thread.spawn(self._run)

    def _run(self) -> None:
        self.thread = _hub.current_job()
        connection = self._connection
        conduit = connection._conduit
        exchange = connection._exchange
        try:
            while True:
                if exchange.has_unread:
                    return
                conduit.connection.link.readable.wait(semaphore.FOREVER_S)
                chunk = conduit._inlet.read_now()
                if chunk is not None:
                    exchange.receive_data(chunk)
                    if not chunk:
                        break
        except SocketError:
            if self._connection is None:  # stopped
                return
        self._tell()
