"""One HTTP connection: what a cosocket's connection carries, and the Exchange that understands it.

It works on the connection itself and not on a TcpSocket: a request owns its connection alone, so it needs neither the
socket's busy words nor its buffer, and on the client's side both objects stay together while they are idle in a pool.
"""

from __future__ import annotations

import _socket
import ssl
from collections import deque
from typing import Any, Final
from weakref import WeakSet, ref

import h11

from lasa import _process
from lasa._hub import CALL_COST
from lasa._stream import Connection, Inlet, TlsStream, was_cut
from lasa.errors import SocketClosed, SocketError, SocketTimeout, StreamEnded, copy_of
from lasa.http._wire.errors import BodyTooLarge, ProtocolError
from lasa.http._wire.exchange import Exchange
from lasa.http._wire.pieces import TINY
from lasa.socket import TcpSocket

__all__ = ["Conduit"]

INFORMATIONAL_MAX: Final = 32  # responses of 1xx before a final one
JOINED_AHEAD: Final = 65_536  # tiny pieces that are heard ahead are kept together, up to this


class Conduit:
    """A connection and the state of what it carries.

    Attributes:
        exchange: that state.
        hub: the scheduler of the OS thread that it belongs to.
        send_s, read_s: how long a single wait may last.
        has_received: whether a byte has come since the request began.
        has_expired: whether expire() was called.
        last_owner: a weak reference to the one that has used it last, None if that one has disowned it.
    """

    __slots__ = (
        "__weakref__",
        "_ahead",
        "_ahead_size",
        "_broken",
        "_informational",
        "_inlet",
        "_is_disowned",
        "_owners",
        "_send_failure",
        "_stream",
        "connection",
        "exchange",
        "has_expired",
        "has_received",
        "hub",
        "last_owner",
        "read_s",
        "send_s",
    )

    def __init__(self, connection: Connection, exchange: Exchange, send_s: float, read_s: float) -> None:
        self.connection = connection
        self._stream = connection.stream
        self.exchange = exchange
        self.send_s = send_s
        self.read_s = read_s
        self.hub = connection.link.hub
        self._inlet = Inlet(connection.stream)
        self.has_received = self.has_expired = False
        self._informational = 0
        self._ahead: deque[Any] | None = None  # events that hear() has taken in, pieces of a body as bytes
        self._ahead_size = 0
        self._broken: SocketError | None = None  # what ended the hearing
        self._send_failure: SocketError | None = None
        self._owners: WeakSet[Any] | None = None  # on the client's side
        self.last_owner: ref[Any] | None = None
        self._is_disowned = False

    def next_event(self) -> Any:
        """Return h11's next event, which is never NEED_DATA; PAUSED if h11 reads no further.

        Raises:
            ProtocolError; SocketClosed: the peer closed within a message; SocketTimeout, SocketError.
        Switches: when nothing has come yet.
        """
        if self._ahead:
            event = self._ahead.popleft()
            return h11.Data(data=bytes(event)) if isinstance(event, bytes | bytearray) else event
        if self._broken is not None:
            raise copy_of(self._broken)
        exchange = self.exchange
        try:
            while (event := exchange.next_event()) is h11.NEED_DATA:
                self.read_more()
        except ProtocolError as error:
            if exchange.has_ended:
                raise StreamEnded from error
            raise
        return event

    def next_answer(self) -> Any:
        """Return the head of a final response, or of a 101, past all others of 1xx.

        Raises:
            As next_event(); ProtocolError: "too many informational responses".
        Switches: when nothing has come yet.
        """
        while True:
            event = self.next_event()
            if self._is_final(event):
                return event

    def hear(self, most: int) -> bool:
        """Take in what has come of an answer while its request is still being sent; next_event() gives it later.

        Args:
            most: bytes of a body that are kept.
        Returns:
            whether the server wants nothing more: an answer that refuses or redirects has begun, any other one is
            whole, or it has failed, as next_event() will tell.
        Switches: never.
        """
        exchange = self.exchange
        try:
            chunk = self._inlet.read_now()
            if chunk is None:
                return False
            self.has_received = self.has_received or bool(chunk)
            exchange.receive_data(chunk)
            while (event := exchange.next_event()) is not h11.NEED_DATA:
                kind = type(event)
                if kind is h11.Data:
                    self._keep_ahead(event.data, most)
                elif kind is h11.EndOfMessage:
                    self._heard.append(event)
                    return True
                elif self._is_final(event):
                    self._heard.append(event)
                    if not 200 <= event.status_code < 300:
                        return True
        except SocketError as error:
            self._broken = StreamEnded() if exchange.has_ended and isinstance(error, ProtocolError) else copy_of(error)
            return True
        return False

    @property
    def _heard(self) -> deque[Any]:
        if self._ahead is None:  # most connections hear nothing ahead, and an empty one takes as much as all else
            self._ahead = deque()
        return self._ahead

    def _keep_ahead(self, data: bytes, most: int) -> None:
        ahead = self._heard
        self._ahead_size += len(data)
        if self._ahead_size > most:
            raise BodyTooLarge("response body too large")
        if ahead and type(ahead[-1]) is bytearray and len(ahead[-1]) < JOINED_AHEAD:
            ahead[-1] += data
        else:
            ahead.append(data if len(data) >= TINY else bytearray(data))

    def put_back(self, event: Any) -> None:
        """Have next_event() return this event once more."""
        self._heard.appendleft(event)

    def note_send_failure(self, error: SocketError) -> None:
        """Read on for an answer that came before the sending broke; if it is not whole, ``error`` is why."""
        self._send_failure = error

    def _is_final(self, event: Any) -> bool:
        kind = type(event)
        if kind is h11.Response or (kind is h11.InformationalResponse and event.status_code == 101):
            return True
        if kind is not h11.InformationalResponse:
            raise SocketClosed
        self._informational += 1
        if self._informational > INFORMATIONAL_MAX:
            raise ProtocolError("too many informational responses")
        return False

    def read_more(self) -> None:
        """Read what has come, or that the peer has closed.

        Raises:
            SocketTimeout, SocketError.
        Switches: when nothing has come yet.
        """
        if not self.connection.link.is_open:
            raise self._word(SocketClosed())
        try:
            chunk = self._inlet.read(self.read_s)
        except SocketError as error:
            raise self._word(error) from None
        if chunk:
            self.has_received = True
        elif self._send_failure is not None:  # which the end of the stream follows, so it is no end of a body
            raise self._send_failure
        self.exchange.receive_data(chunk)

    def read_away(self) -> None:
        """As Inlet.read_away()."""
        self._inlet.read_away()

    def breathe(self, cost: int = CALL_COST) -> None:
        """Step aside if the slice is spent, before a call whose answer may need no wait, again and again.

        Raises:
            SocketTimeout, SocketClosed: the connection was closed meanwhile.
        Switches: seldom.
        """
        try:
            self.connection.link.breathe(cost)
        except SocketClosed as error:
            raise self._word(error) from None

    def send(self, data: bytes) -> None:
        """Send bytes that the exchange has made. Whatever ends it before they are out ends the connection's sending.

        Raises:
            SocketTimeout, SocketClosed, SocketError.
        Switches: when the kernel's buffer is full.
        """
        if not self.connection.link.is_open:
            raise self._word(SocketClosed())
        try:
            self._stream.send(data, self.send_s)
        except SocketError as error:
            raise self._word(error) from None
        except BaseException:  # nobody knows how much has left, and something else would follow
            self.close()
            raise

    def _word(self, error: SocketError) -> SocketError:
        return SocketTimeout() if self.has_expired else error

    @property
    def has_input(self) -> bool:
        """Whether something is there to read. Never switches."""
        if self.exchange.has_unread:
            return True
        try:
            return self._stream.has_input()
        except SocketError:
            return False

    @property
    def was_cut(self) -> bool:
        """Whether the peer's data ended without TLS's goodbye, so that somebody else may have ended it."""
        return was_cut(self._stream)

    def accept_tls(self, context: ssl.SSLContext, wait_s: float) -> None:
        """Shake hands as the server, before anything else.

        Raises:
            SocketTimeout; SocketError: "handshake failed: E" and such.
        Switches: whenever it has to wait.
        """
        stream = TlsStream(self._stream, context, server_side=True)
        stream.handshake(wait_s)
        self.connection.stream = self._stream = stream
        self._inlet = Inlet(stream)

    def finish(self) -> None:
        """Say that no data follow, over TLS as far as it goes at once; reading goes on. Never switches.

        Raises:
            SocketError: the peer is gone.
        """
        self.say_goodbye()
        self._stream.shutdown(_socket.SHUT_WR)

    def say_goodbye(self) -> None:
        """TLS's goodbye; without TLS there is none. Never switches."""
        if isinstance(self._stream, TlsStream) and self.connection.link.is_open:
            self._stream.say_goodbye()

    def expire(self) -> None:
        """End the connection for everyone since its time is over. Never switches."""
        self.has_expired = True
        self.close()

    def close(self) -> None:
        """End the connection for everyone, and give its place in the pool back. Never switches."""
        self.connection.end()

    def park(self, keepalive_s: float) -> None:
        """Put the connection into its pool; its state goes along. Never switches."""
        connection = self.connection
        self.exchange.start_next_cycle()
        self.has_received = False
        self._inlet.begin()
        self._informational = 0
        connection.companion = self
        if connection.pool is None or self._is_disowned:
            self.close()
        else:
            connection.pool.park(connection, keepalive_s)

    def own(self, owner: Any) -> bool:
        """Be kept for ``owner``, too, when a request is over; returns whether that is new. Never switches."""
        self._is_disowned = False
        owners = self._owners
        if owners is None:
            owners = self._owners = WeakSet()
        if owner in owners:
            return False
        owners.add(owner)
        return True

    def disown(self, owner: Any) -> None:
        """Be kept for ``owner`` no longer; without owners it closes, after its request. Never switches."""
        owners = self._owners
        if owners is None:
            return
        owners.discard(owner)
        self.last_owner = None
        if not owners:
            self._is_disowned = True
            if self.connection.pool is not None:
                self.connection.pool.drop(self.connection)  # if it is idle

    def to_socket(self) -> TcpSocket:
        """Return a cosocket that takes the connection over, with what has been read too many. Never switches."""
        self.connection.may_be_kept = False  # no user of HTTP's pool could go on with it
        sock = TcpSocket()
        sock.adopt(self.connection, self.exchange.unread)
        return sock


_process.inherited(Conduit, Conduit.close)  # what is half said of a request or an answer is the parent's to end
