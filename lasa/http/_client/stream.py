"""The body of an answer as it comes: decoded, bounded, and with its connection, until that can be used again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import h11

from lasa import _hub
from lasa._stream import BUSY_READING, end_unclosed
from lasa.errors import SocketBusy, SocketClosed, SocketError, StreamEnded, copy_of
from lasa.http._client.coding import Decoder, decoder_of
from lasa.http._client.policy import MAX_BODY, Policy
from lasa.http._wire.conduit import Conduit
from lasa.http._wire.errors import BodyTooLarge
from lasa.http._wire.heads import RawHeaders, has_body
from lasa.http._wire.pieces import Pieces
from lasa.socket import TcpSocket

__all__ = ["Progress", "ResponseBody"]

Progress = Callable[[int, int | None], Any]

INFLATED_BYTES: Final = 262_144  # of a piece that is inflated, at the most


class ResponseBody:
    """The body of an answer, and its connection until it has been read.

    Attributes:
        trailers: fields behind a chunked body.
        socket: the connection, where the protocol has been switched.
        has_begun: whether somebody has begun to take pieces.
        is_whole: whether they are all taken together.
        is_chunked: whether the server does not say how much will come.
    """

    __slots__ = (
        "_alarm",
        "_conduit",
        "_decoder",
        "_failure",
        "_has_ended",
        "_inflating",
        "_is_reading",
        "_left",
        "_policy",
        "_progress",
        "_received",
        "_total",
        "has_begun",
        "is_chunked",
        "is_whole",
        "socket",
        "trailers",
    )

    def __init__(
        self,
        conduit: Conduit,
        policy: Policy,
        event: Any,
        alarm: _hub.Alarm | None,
        progress: Progress | None,
        method: str,
        *,
        is_stream: bool,
    ) -> None:
        self._conduit = conduit
        self._policy = policy
        self._alarm = alarm
        self._progress = progress
        self._decoder: Decoder | None = None
        self._inflating: Iterator[bytes] | None = None
        self._failure: SocketError | None = None
        self._has_ended = self._is_reading = False
        self._received = 0
        self._total: int | None = None
        self.is_chunked = self.has_begun = self.is_whole = False
        self.socket: TcpSocket | None = None
        self.trailers: RawHeaders = []
        limit = policy.max_body
        if limit is None and not is_stream:
            limit = MAX_BODY
        self._left = limit
        if event.status_code == 101:
            self._hand_over()
            return
        encoding: str | None = None
        with_body = has_body(event.status_code, method.encode())
        for _, name, value in event.headers._full_items:
            if name == b"content-length" and with_body:
                self._total = int(value)
            elif name == b"transfer-encoding":
                self.is_chunked = True
            elif name == b"content-encoding":
                text = value.decode("latin-1")
                encoding = text if encoding is None else f"{encoding}, {text}"
        if not with_body:
            self.is_chunked, self._total = False, 0
        elif limit is not None and self._total is not None and self._total > limit:
            self._fail(BodyTooLarge("response body too large"))
        elif encoding is not None and policy.decode:
            if limit is None:
                self._decoder = decoder_of(encoding, 1 << 62)
            else:
                self._decoder = decoder_of(encoding, limit, policy.max_ratio)

    def next_piece(self) -> bytes:
        """Return the next piece of the body, b"" at its end.

        Raises:
            SocketTimeout, SocketClosed, SocketError, BodyTooLarge: the same again at each further call.
        Switches: when nothing has come yet.
        """
        if self._failure is not None:
            raise copy_of(self._failure)
        if self._has_ended:
            return b""
        self._conduit.connection.link.refuse_others("a response")
        if self._is_reading:
            raise SocketBusy(BUSY_READING)
        self._is_reading = self.has_begun = True
        try:
            return self._next_piece()
        except SocketError as error:
            self._fail(error)
            raise
        except _hub.GreenletExit:
            self.give_up()
            raise
        finally:
            self._is_reading = False

    def _next_piece(self) -> bytes:
        hub = self._conduit.hub
        while True:
            if self._inflating is not None:
                self._conduit.breathe(INFLATED_BYTES)
                piece = next(self._inflating, None)
                if piece:
                    return piece
                if piece is None:
                    self._inflating = None
                continue
            if self._received:  # the pieces behind the first may need no wait
                hub.credit -= _hub.CALL_COST
                if hub.credit < 0:
                    self._conduit.breathe(0)
            event = self._conduit.next_event()
            if type(event) is h11.Data:
                data: bytes = event.data
                self._received += len(data)
                if self._left is not None and self._received > self._left:
                    raise BodyTooLarge("response body too large")
                if self._progress is not None:
                    self._tell(self._progress)
                if self._decoder is None:
                    return data
                self._inflating = self._decoder.feed(data)
                continue
            if type(event) is not h11.EndOfMessage:
                raise StreamEnded
            has_frame = self._total is not None or self.is_chunked
            if not has_frame and self._conduit.exchange.has_ended and self._conduit.was_cut:
                raise StreamEnded  # TLS without a goodbye: somebody else may have cut the body off
            if self._decoder is not None and self._received:
                self._decoder.finish()
            self.trailers = event.headers._full_items
            self._finish()
            return b""

    def _tell(self, progress: Progress) -> None:
        try:
            progress(self._received, self._total)
        except BaseException:  # the piece is in nobody's hands: what follows would hide that it is missing
            self.give_up()
            raise

    def limit_reads(self, wait_s: float) -> None:
        """Wait no longer than that for each read of this body."""
        self._conduit.read_s = min(wait_s, self._conduit.read_s)

    def read_all(self) -> bytes:
        """Return all that is left.

        Raises:
            SocketError: as next_piece(), with what did come as its partial.
        """
        self.is_whole = True
        pieces: Pieces | None = None
        first = b""
        try:
            first = self.next_piece()
            piece = first and self.next_piece()
            if not piece:
                return first  # most bodies come in one piece
            pieces = Pieces()
            pieces.add(first)
            while piece:
                pieces.add(piece)
                piece = self.next_piece()
        except SocketError as error:
            if error.partial is None:
                error.partial = first if pieces is None else pieces.joined()
                if self._failure is not None:  # which is raised again at each further call
                    self._failure.partial = error.partial
            raise
        except BaseException:
            self.give_up()
            raise
        return pieces.joined()

    @property
    def has_failed(self) -> bool:
        """Whether nothing more will come, since the stream broke."""
        return self._failure is not None

    def give_up(self) -> None:
        """Close the connection, unless the body has been read to its end. Any OS thread may. Never switches."""
        self._conduit.connection.link.call_at_home(self._give_up)

    def _give_up(self) -> None:
        if not self._has_ended and self._failure is None:
            self._fail(SocketClosed())

    def _fail(self, error: SocketError) -> None:
        self._failure = copy_of(error)  # which holds no frame
        if self._alarm is not None:
            self._alarm.clear()
        self._conduit.close()

    def _finish(self) -> None:
        self._has_ended = True
        if self._alarm is not None:
            self._alarm.clear()
        conduit = self._conduit
        exchange = conduit.exchange
        keepalive = self._policy.keepalive
        if (
            keepalive
            and conduit.connection.link.is_open  # else its time was over before its last bytes were taken
            and exchange.our_state is h11.DONE
            and exchange.their_state is h11.DONE
            and not exchange.has_unread  # it would be read as the next answer
            and not exchange.has_ended
        ):
            conduit.park(keepalive)
            return
        if exchange.our_state is not h11.SEND_BODY:  # else a record may have been cut off
            conduit.say_goodbye()  # RFC 9112, section 9.8
        conduit.close()

    def _hand_over(self) -> None:
        self._has_ended = True
        if self._alarm is not None:
            self._alarm.clear()
        self.socket = self._conduit.to_socket()

    def __del__(self, _end_unclosed: Callable[..., None] = end_unclosed) -> None:
        try:
            if self._has_ended or self._failure is not None:
                return
            link = self._conduit.connection.link
        except AttributeError:  # __init__ did not get that far
            return
        _end_unclosed(self, link, self._give_up, warns=False)
