"""WebSocket clients (seed: lasa.websocket.client; RFC 6455)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final, Unpack

from lasa._functions import check_function
from lasa._options import Checker, joined
from lasa._stream import BUSY_CONNECTING, BUSY_READING, BUSY_WRITING, DEFAULT_TIMEOUT_MS, keepalive_of
from lasa.errors import SocketBusy, SocketClosed, SocketError, Word, failed
from lasa.http._client.response import Response
from lasa.websocket._socket.framing import ALREADY_CLOSED, FATAL, NO_FRAME_LIMITS, FrameSizes
from lasa.websocket._socket.messaging import WebSocket
from lasa.websocket._socket.opening import ConnectOptions, OpeningHandshake
from lasa.websocket._socket.options import ClientFrameOptions, Options, frames_of
from lasa.websocket._socket.reconnecting import Backoff, Reconnecting
from lasa.websocket._wire.uri import uri_to_tell

__all__ = ["ClientFrameOptions", "ClientWebSocket", "ConnectOptions", "Reconnecting", "connect", "new", "reconnecting"]

_FRAMES: Final = Checker(ClientFrameOptions)


class ClientWebSocket(WebSocket):
    """A WebSocket that connects by itself; ``new()`` makes it for frames, ``connect()`` for messages.

    Attributes:
        response: the server's answer to the handshake (``code``, ``headers``, ``body``), also where it refuses; None
            before, and for a connection out of the pool.
    """

    __slots__ = ("_is_connecting", "response")

    def __init__(self, sizes: FrameSizes, timeout_s: float) -> None:
        super().__init__(sizes, Options(), masks=True, timeout_s=timeout_s)
        self.response: Response | None = None
        self._is_connecting = False

    def connect(
        self, uri: str, options: Mapping[str, Any] | None = None, **keywords: Unpack[ConnectOptions]
    ) -> tuple[int | None, Word | None]:
        """Connect for frames; an idle connection of the pool that was told the same is taken first.

        A connection that the WebSocket has is ended first.

        Args:
            uri: "ws://host:port/path", "wss://host:port/path", "ws://unix:/path.sock:/uri".
            options: as the keywords of lasa.websocket.client.connect(), and before them.
        Returns:
            ``(1, None)``; or ``(None, err)``: "bad websocket uri", "failed to connect: E", "ssl handshake failed: E",
            "failed to send the handshake request: E", "failed to receive response header: E", "bad HTTP response
            status line: L" (``response`` has the rest), another word of an answer that does not agree, or "socket busy
            connecting", "socket busy reading", "socket busy writing": another light thread does.
        Raises:
            TypeError, ValueError: a bad option; nothing has happened then.
        Switches: whenever it has to wait. Source: seed, "wb:connect".
        """
        try:
            self._connect(uri, joined(options, keywords), compresses=False, for_messages=False)
        except SocketError as error:
            return failed(error)
        return 1, None

    def _connect(self, uri: str, given: Mapping[str, Any], *, compresses: bool, for_messages: bool) -> None:
        asked, others = Options.parse(given, compresses=compresses)
        try:
            opening = OpeningHandshake(uri, asked, others)
            self._refuse_if_busy()
            self.abort()
            self._options = asked
            self.response = None
            self._is_connecting = True
            try:
                session = opening.run(self._send_s, min(self._send_s, self._read_s))
            finally:
                self._is_connecting = False
                self.response = opening.response
        except SocketError as error:
            error.url = uri_to_tell(uri)
            raise
        self._begin(session, for_messages=for_messages)

    def _refuse_if_busy(self) -> None:
        # What another light thread meets on the old connection would count for the new one.
        if self._is_connecting:
            raise SocketBusy(BUSY_CONNECTING)
        if self._is_reading:
            raise SocketBusy(BUSY_READING)
        if self._session is not None and self._session.is_open and not self._session.outlet.is_free:
            raise SocketBusy(BUSY_WRITING)

    def set_keepalive(self, timeout: Any = None, size: Any = None) -> tuple[int | None, Word | None]:
        """Put the connection into its pool, for the next connect() that tells the server the same.

        Args:
            timeout, size: as setkeepalive() of a cosocket: milliseconds (60,000), connections (30).
        Returns:
            ``(1, None)``; or ``(None, err)``: "fatal error already happened", "closed", "already closed" (a close frame
            was sent), a busy word, "unread data in buffer"; or "connection in dubious state" (the peer has sent
            something or is gone), and the connection is closed.
        Raises:
            TypeError: no number. ValueError: a size below 1. Nothing has happened then.
        Switches: never. Source: lua-resty-websocket, "set_keepalive".
        """
        timeout_s, pool_size = keepalive_of(timeout, size)
        if pool_size < 1:
            raise ValueError(f'bad "pool_size" option value: {pool_size}')
        try:
            self._keep(timeout_s, pool_size)
        except SocketError as error:
            return failed(self._known(error, None))
        return 1, None

    def _keep(self, timeout_s: float, pool_size: int) -> None:
        session = self._session
        if self._is_fatal:
            raise SocketError(FATAL)
        if session is None:
            raise SocketClosed
        if self._close_sent:
            raise SocketClosed(ALREADY_CLOSED)
        self._refuse_if_busy()
        if self._pieces is not None or not session.protocol.is_between_messages:
            raise SocketError("unread data in buffer")
        self._rest()
        connection = session.connection
        connection.companion = session
        connection.may_be_kept = True  # in a pool of WebSockets
        try:
            connection.keep(timeout_s, pool_size)
        except SocketError:
            connection.end()
            raise


def new(opts: Mapping[str, Any] | None = None, **keywords: Unpack[ClientFrameOptions]) -> tuple[ClientWebSocket, None]:
    """Return ``(wb, None)``, a WebSocket for frames, not yet connected.

    Args:
        opts: the same as the keywords.
        timeout: milliseconds of a single wait (30,000).
        max_payload_len: bytes of a frame's payload either way (65,535); max_recv_len, max_send_len: one way.
        send_unmasked: send without masks, which servers refuse (False).
    Raises:
        TypeError, ValueError: a bad option.
    Switches: never. Source: seed, "client:new"; the sizes are lua-resty-websocket's.
    """
    given = joined(opts, keywords)
    _FRAMES.refuse_unknown(given)
    return ClientWebSocket(*frames_of(_FRAMES, given)), None


def connect(uri: str, **options: Unpack[ConnectOptions]) -> tuple[ClientWebSocket | None, Word | None]:
    """Connect for messages.

    Args:
        uri: "ws://host:port/path", "wss://host:port/path", "ws://unix:/path.sock:/uri".
        protocols: subprotocols to offer, a list or "a, b", the best first.
        headers: more fields of the request: a mapping, or a list of pairs or of "Name: value". Host, Origin,
            Authorization and User-Agent among them go before those of the options.
        origin, host, key: the headers Origin, Host and Sec-WebSocket-Key; host is also TLS's name.
        auth: ``(user, password)`` for Basic, a str for Bearer; else what the URI says.
        open_timeout_s: for name look-up, connect, proxy, TLS and handshake together (30); None: no limit.
        proxy: a URL, False for none; else the environment's.
        ssl_verify (True), ssl_ca, ssl_cert, ssl_key, ssl_minimum_version, ssl_context: as of lasa.http.client;
            client_cert and client_priv_key are other names of ssl_cert and ssl_key; server_name: for SNI.
        compression: of messages (True); False, or settings, see lasa.websocket.Deflate.
        max_message: bytes of a message that is received whole, inflated (1 MiB); max_frame: of one frame (None).
        ping_interval_s, ping_timeout_s: of the keepalive (20, 20); None: none.
        close_timeout_s: for the server's part of a close (10).
        pool, pool_size, backlog: as of connect() of a cosocket. All of it is in docs/websocket.md, too.
    Returns:
        ``(wb, None)``; or ``(None, err)`` as ClientWebSocket.connect(). Where a server has refused, ``err.response``
        is its answer; so it is of the exception of lasa.check(). ``err.url`` is what was asked for.
    Raises:
        TypeError, ValueError: a bad option; nothing has happened then.
    Switches: whenever it has to wait. Source: beyond the seed.
    """
    try:
        return _opened(uri, options), None
    except SocketError as error:
        return failed(error)


def _opened(uri: str, options: Mapping[str, Any]) -> ClientWebSocket:
    wb = ClientWebSocket(NO_FRAME_LIMITS, DEFAULT_TIMEOUT_MS / 1000)
    wb._connect(uri, options, compresses=True, for_messages=True)
    return wb


def reconnecting(
    uri: str,
    *,
    min_delay_s: float = 0.5,
    max_delay_s: float = 60.0,
    max_attempts: int | None = None,
    should_retry: Callable[[str], bool] | None = None,
    renew: Callable[[], Mapping[str, Any]] | None = None,
    **options: Unpack[ConnectOptions],
) -> Reconnecting[ClientWebSocket]:
    """Return an iterator of live connections: when one has ended, the next step of the loop opens another.

    ``for wb in reconnecting(uri): for message in wb: …`` goes on until somebody breaks, or calls stop(). Within it,
    the inner loop ends however its connection does, ``wb.closing`` tells how, and a connection that is still open at
    the next step is closed. A failed attempt, or a connection that did not last ten seconds, is followed by a delay,
    which is doubled each time, up to its maximum, and shortened by a random part of up to a half. Each is logged,
    "lasa.websocket.client", INFO. ``with reconnecting(uri) as connections:`` stops it and closes the last connection.

    Args:
        uri, options: as connect().
        min_delay_s, max_delay_s: seconds.
        max_attempts: that may fail in a row, connections that did not last among them; None: no limit.
        should_retry: decides by the error word (with ``response``) whether another attempt makes sense; without it,
            it does unless the URI is bad or the server has answered with 4xx, other than 408, 425 and 429.
        renew: called before each attempt; it returns options that do not last, such as headers with a token, and
            that go before the others. What it raises goes through the loop.
    Raises:
        TypeError, ValueError: a bad option; with ``renew``, by the loop. By the loop Error, when no other attempt is
            made: the last word of an attempt, or "closed" or another word of a connection that did not last.
    Switches: never; the loop whenever it has to wait. Source: beyond the seed.
    """
    if renew is not None:
        check_function(renew, "renew")
    else:
        asked, others = Options.parse(options, compresses=True)
        with suppress(SocketError):  # a URI that is none is told by the loop, as any other failure
            OpeningHandshake(uri, asked, others)
    return Reconnecting(
        uri,
        partial(_opened, uri),
        (lambda: options) if renew is None else (lambda: {**options, **renew()}),
        Backoff(min_delay_s, max_delay_s, max_attempts),
        should_retry,
    )
