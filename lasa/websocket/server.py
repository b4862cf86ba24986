"""WebSocket servers: on a port of their own, or on an HTTP server's (seed: lasa.websocket.server; RFC 6455).

The handshake is a request to an HTTP server, whose limits and timeouts hold for it: each client has a light thread of
its own, so that one that is slow, or sends nonsense, keeps nobody from being accepted.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, Self, Unpack

from lasa import _hub, semaphore, thread
from lasa._functions import checked_result
from lasa._hub import os_thread_id, wrong_os_thread
from lasa._options import Checker, Opt, joined
from lasa._stream import DEFAULT_TIMEOUT_MS, place_text
from lasa._values import timeout_ms
from lasa.errors import SocketClosed, SocketError, SocketTimeout, Word, copy_of, failed
from lasa.http import server as http_server
from lasa.http._server.request import Request
from lasa.http._server.service import check_handler, no_handler
from lasa.http._wire.errors import ProtocolError
from lasa.http._wire.fields import Prepared
from lasa.websocket._socket.framing import NO_FRAME_LIMITS, FrameSizes
from lasa.websocket._socket.messaging import WebSocket
from lasa.websocket._socket.options import HEADERS, FrameOptions, MessageOptions, Options, frames_of
from lasa.websocket._socket.session import Session
from lasa.websocket._wire import extension
from lasa.websocket._wire.closing import INTERNAL_ERROR, NORMAL
from lasa.websocket._wire.handshake import (
    HandshakeRefused,
    Headers,
    Offer,
    Wanted,
    answer_headers,
    check_origin,
    check_request,
    choose_protocol,
)
from lasa.websocket._wire.origins import OriginRule, Origins, origin_rule

__all__ = ["AcceptOptions", "Server", "ServerOptions", "ServerWebSocket", "accept_request", "new"]

WAITING_MAX: Final = 128  # connections that accept() has not returned yet

Accepted = tuple["ServerWebSocket | None", Word | None]


class AcceptOptions(MessageOptions, total=False):
    """On what terms a client's WebSocket is accepted."""

    origins: Annotated[Origins, Opt(unset="everybody")]
    """Which pages may open a WebSocket: "same", one or a list of "https://example.com", or a function of the Origin."""
    protocols: Annotated[Wanted, Opt(unset="none", elsewhere=("subprotocols",))]
    """Subprotocols that are spoken here, the best first, or a function that chooses one of those offered."""
    headers: Annotated[Headers, Opt(unset="none", elsewhere=HEADERS)]
    """More headers of the answer 101."""


class ServerFrameOptions(FrameOptions, total=False):
    """How a server sends and receives frames."""

    send_masked: Annotated[bool | None, Opt(default=False, types=True, means="reverses_masking")]
    """Whether frames are sent with masks, which clients refuse."""


class ServerOptions(AcceptOptions, ServerFrameOptions, http_server.ServerOptions, total=False):
    """What lasa.websocket.server.new() takes beside an address; HTTP's limits hold for the handshake."""


_ACCEPT: Final = Checker(AcceptOptions)
_FRAMES: Final = Checker(ServerFrameOptions)
_SERVER: Final = Checker(ServerOptions)


class ServerWebSocket(WebSocket):
    """A WebSocket that a client has opened.

    Attributes:
        request: of the handshake: path, query, headers, cookies, peer.
    """

    __slots__ = ("request",)

    def __init__(self, request: Request, sizes: FrameSizes, options: Options, timeout_s: float) -> None:
        super().__init__(sizes, options, masks=False, timeout_s=timeout_s)
        self.request = request

    def _names(self, session: Session) -> tuple[tuple[str, int | None], tuple[str, int | None]]:
        return self.request.peer, self.request.local


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms clients are accepted."""

    options: Options
    protocols: Any
    may_open: OriginRule
    headers: Any

    @classmethod
    def parse(cls, given: Mapping[str, Any], *, compresses: bool) -> tuple[Self, dict[str, Any]]:
        """Check the options among ``given``, and return them with what is none of them.

        Raises:
            TypeError, ValueError: a bad one.
        """
        options, others = Options.parse(given, compresses=compresses)
        protocols = others.pop("protocols", None)
        choose_protocol((), protocols)  # what is wrong with it is told now
        rule = origin_rule(others.pop("origins", None))
        headers = others.pop("headers", None)
        answer_headers(Offer(""), None, None, headers)  # likewise
        return cls(options, protocols, rule, headers), others


def accept_request(request: Request, given: Mapping[str, Any]) -> Accepted:
    """As Request.websocket()."""
    _ACCEPT.refuse_unknown(given)
    terms, _ = Terms.parse(given, compresses=True)
    try:
        return _accept_messages(request, terms), None
    except SocketError as error:
        return failed(_of_client(error, request))


def _accept_messages(request: Request, terms: Terms) -> ServerWebSocket:
    send_s = DEFAULT_TIMEOUT_MS / 1000
    session = _shake_hands(request, terms, send_s)
    wb = ServerWebSocket(request, NO_FRAME_LIMITS, terms.options, send_s)
    wb._begin(session, for_messages=True)
    request.follow(_Follower(wb))
    return wb


def _shake_hands(request: Request, terms: Terms, send_s: float) -> Session:
    """Answer a request for a WebSocket.

    Raises:
        HandshakeRefused: it is none, or not allowed; the client has been told. SocketError: a word of the wire.
    """
    try:
        offer = check_request(request.method, request.http_version, request.headers)
        check_origin(offer, terms.may_open)
        protocol = choose_protocol(offer.protocols, terms.protocols)
        settings = terms.options.compression
        agreed = extension.answer(settings, [offer.extensions]) if settings is not None and offer.extensions else None
        extensions, agreement = (None, None) if agreed is None else agreed
        pairs = answer_headers(offer, protocol, extensions, terms.headers)
        # Each answer is another one, by its key: not for what HTTP keeps of headers that come again.
        sock = request.upgrade(101, Prepared([(name, name.lower(), value) for name, value in pairs]))
    except HandshakeRefused as error:
        request.answer(error.status, error.headers, f"{error.reason}\n".encode())
        raise
    except ProtocolError as error:  # of HTTP
        request.answer(400, (), f"{error.reason}\n".encode())
        raise HandshakeRefused(error.reason) from None
    unread = sock.take_unread()
    return Session(
        sock.give_away(),
        unread,
        is_client=False,
        subprotocol=protocol,
        agreement=agreement,
        send_s=send_s,
    )


def _of_client(error: SocketError, request: Request) -> SocketError:
    return error.during("upgrade", place_text(*request.peer) or None)


class _Follower:
    """A WebSocket as the HTTP server sees it."""

    __slots__ = ("_websocket",)

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    def end(self, *, has_failed: bool) -> None:
        self._websocket.close(INTERNAL_ERROR if has_failed else NORMAL)

    def go_away(self) -> None:
        self._websocket.go_away()

    def abort(self) -> None:
        self._websocket.abort()

    def is_end(self, error: BaseException) -> bool:
        # As a loop over its messages raises it, or check().
        closing = self._websocket.closing
        return closing is not None and isinstance(error, SocketError) and error.reason in ("closed", closing.reason)


class Server:
    """A bound address; ``lasa.websocket.server.new()`` makes it."""

    def __init__(
        self, server: http_server.Server, terms: Terms, terms_of_frames: Terms, sizes: FrameSizes, timeout_s: float
    ) -> None:
        self._server = server
        self._terms = terms
        self._terms_of_frames = terms_of_frames
        self._sizes = sizes
        self._timeout_s = timeout_s
        self._accepted: deque[ServerWebSocket | SocketError] = deque()  # or why one was refused
        self._accepting: _hub.WaitQueue[ServerWebSocket | SocketError] = _hub.WaitQueue()
        self._places = semaphore.Semaphore(WAITING_MAX)
        self._is_accepting = self._is_over = False

    def __repr__(self) -> str:
        return f"<lasa websocket server at {self.url}>"

    @property
    def address(self) -> tuple[str, int | None]:
        """``(ip, port)``, with the port that the system chose; or ``("unix:/path", None)``."""
        return self._server.address

    @property
    def url(self) -> str:
        """Where the server is, as "ws://127.0.0.1:8080"."""
        return "ws" + self._server.url.removeprefix("http")

    @property
    def connections(self) -> int:
        """How many connections run() serves."""
        return self._server.connections

    def set_timeout(self, timeout: float | None) -> None:
        """Bound accept(), and every wait of what it returns from now on, to ``timeout`` milliseconds.

        Raises, Switches: as set_timeout() of a WebSocket.
        """
        self._timeout_s = timeout_ms(timeout, DEFAULT_TIMEOUT_MS) / 1000

    def accept(self) -> Accepted:
        """Return the next client that has connected and shaken hands, as a WebSocket for frames.

        Returns:
            ``(wbc, None)``; or ``(None, err)``: "timeout", "closed" (the server is), or why a client was refused, with
            400 or another status: 'bad "upgrade" request header: V', "origin not allowed: X" and the like. The server
            goes on in any case.
        Raises:
            RuntimeError: run() serves it, or another OS thread has made it.
        Switches: until one is there. Source: seed, "wb.accept".
        """
        if os_thread_id() != self._accepting.home:
            raise wrong_os_thread("a WebSocket server")
        if not self._is_accepting:
            if self._server.handler is not no_handler:
                raise RuntimeError("the server runs already")
            self._is_accepting = True
            # From the hub, so that a program that has nothing else to do can end.
            _hub.call_soon(partial(thread.spawn, self._serve))
        found: Any = self._accepted.popleft() if self._accepted else None
        if found is None and not self._is_over:
            found = self._accepting.wait(self._timeout_s, give_back=self._put_back)
        if found is not None and not self._is_over:  # what ends the server has taken no place
            self._places.post()
        if isinstance(found, ServerWebSocket):
            return found, None
        error = found or (SocketClosed() if self._is_over else SocketTimeout())
        return failed(error.during("accept", place_text(*self.address), self._timeout_s))

    def _put_back(self, found: ServerWebSocket | SocketError) -> None:
        # It was handed to one that was killed before it went on.
        if not self._accepting.offer(found):
            self._accepted.appendleft(found)

    def _end(self) -> None:
        self._is_over = True
        while self._accepting.offer(SocketClosed()):
            pass

    def _serve(self) -> None:
        try:
            self._server.run(self._hand_over)
        finally:
            self._end()

    def _hand_over(self, request: Request) -> None:
        self._places.wait(semaphore.FOREVER_S)
        try:
            session = _shake_hands(request, self._terms_of_frames, self._timeout_s)
        except SocketError as error:
            found: ServerWebSocket | SocketError = copy_of(_of_client(error, request))
        else:
            request.let_go()
            found = ServerWebSocket(request, self._sizes, self._terms_of_frames.options, self._timeout_s)
            found._begin(session, for_messages=False)
        if not self._accepting.offer(found):
            self._accepted.append(found)

    def run(self, handler: Callable[[ServerWebSocket], Any]) -> tuple[bool | None, Word | None]:
        """Serve until ``stop()``: each client has ``handler(wb)``, a WebSocket for messages, in a light thread.

        When the handler returns, the connection is closed with 1000; when it raises, with 1011, and the traceback is
        logged, unless it only says that the client has ended the connection. ``wb.request`` is what the client has
        asked for.

        Returns:
            ``(True, None)`` once stopped and all connections have ended; ``(None, err)`` if the address cannot be
            listened on any more.
        Raises:
            TypeError: the handler cannot be called with one argument, or is async. RuntimeError: it runs already, or
            has run and is stopped.
        Switches: all the time. Source: beyond the seed.
        """
        check_handler(handler, "a function of one argument, the WebSocket, expected: handler(wb)")
        if self._is_accepting:
            raise RuntimeError("the server is stopped" if self._server.is_stopping else "the server accepts already")

        def serve(request: Request) -> None:
            try:
                wb = _accept_messages(request, self._terms)
            except SocketError:  # the client has been told, or is gone
                return
            checked_result(handler(wb), handler, "the server")

        return self._server.run(serve)

    def stop(self, grace_s: float = http_server.DEFAULT_GRACE_S) -> tuple[bool, list[str]]:
        """Stop: take no more clients, close every connection with 1001, and cut off what is open after the grace.

        Connections that accept() has returned belong to whoever called it, and go on.

        Args, Returns, Raises, Switches: as lasa.http.server.Server.stop().
        """
        stopped = self._server.stop(grace_s)
        for found in self._accepted:
            if isinstance(found, ServerWebSocket):
                found.abort()
        self._accepted.clear()
        self._end()
        return stopped

    def close(self) -> tuple[int | None, Word | None]:
        """As ``stop(0)``; returns ``(1, None)``, or ``(None, "closed")`` if it is stopped already."""
        if self._server.is_stopping:
            return failed(SocketClosed())
        self.stop(0)
        return 1, None


def new(where: str | Mapping[str, Any], **options: Unpack[ServerOptions]) -> tuple[Server | None, Word | None]:
    """Return ``(server, None)``, bound and listening.

    Args:
        where: "127.0.0.1:8080", "[::1]:0" or "unix:/path" (port 0 lets the system choose); or a mapping with ``host``
            and the other options.
        ssl: ``{"ssl_cert": file, "ssl_key": file, "ssl_ca": file}`` for wss, or an ssl.SSLContext.
        origins: which pages may open a WebSocket: None for all, "same", one or a list of "https://example.com", or a
            function of the Origin.
        protocols: subprotocols that are spoken here, the best first, or a function that chooses one of those offered.
        headers: more fields of the answer 101.
        compression: of messages (True); False, or settings, see lasa.websocket.Deflate.
        max_message: bytes of a message that is received whole, inflated (1 MiB); max_frame: of one frame (None).
        ping_interval_s, ping_timeout_s: of the keepalive (20, 20); None: none.
        close_timeout_s: for the client's part of a close (10).
        timeout: milliseconds of accept(), and of each wait of what it returns (30,000); max_payload_len (65,535),
            max_recv_len, max_send_len: bytes of a frame of that; send_masked (False).
        sock, backlog, access_log (False), max_connections, head_timeout_s, tls_timeout_s and the other limits: as
            lasa.http.server.new(). All of it is in docs/websocket.md, too.
    Returns:
        ``(None, err)``: "address already in use" and other words of ``bind``, or of a name that is not found.
    Raises:
        TypeError, ValueError: an address that is none, a bad option or certificate.
    Switches: only to look up a name. Source: seed, "lasa.websocket.server.new".
    """
    given = joined(where if isinstance(where, Mapping) else {"where": where}, options)
    address = given.pop("where", None)
    _SERVER.refuse_unknown(given)
    sizes, timeout_s = frames_of(_FRAMES, given)
    terms, others = Terms.parse(given, compresses=True)
    terms_of_frames, _ = Terms.parse(given, compresses=False)
    try:
        server = http_server.Server.open(address, None, {"access_log": False, **others})
    except SocketError as error:
        return failed(error)
    return Server(server, terms, terms_of_frames, sizes, timeout_s), None
