"""One request over one connection: its bytes out, its answer's head in, and the body as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import h11

from lasa import _hub
from lasa.errors import SocketClosed, SocketError, SocketTimeout
from lasa.http._client.body import BodyFailed
from lasa.http._client.coding import Decoder, decoder_of
from lasa.http._client.message import Message
from lasa.http._client.policy import MAX_BODY, Policy
from lasa.http._client.response import Response
from lasa.http._client.route import Deadline
from lasa.http._wire.conduit import Conduit
from lasa.http._wire.errors import BadMessage
from lasa.http._wire.heads import RawHeaders
from lasa.socket import TcpSocket

__all__ = ["ResponseBody", "SourceFailed", "Transfer"]

JOINED_BODY: Final = 65_536  # smaller bodies leave with their head in one piece
CONTINUE_S: Final = 1.0  # how long "Expect: 100-continue" waits for a server that knows nothing of it

_END: Final = h11.EndOfMessage()

Progress = Callable[[int, int | None], Any]


class Transfer:
    """A request and its answer on one connection.

    Attributes:
        has_answered: whether a byte of an answer has come.
    """

    __slots__ = ("_alarm", "_conduit", "_early", "_policy")

    def __init__(self, conduit: Conduit, policy: Policy, deadline: Deadline) -> None:
        self._conduit = conduit
        self._policy = policy
        self._early: Any = None  # an answer's head that came while the request was still being sent
        self._alarm: _hub.Alarm | None = None
        if deadline.at_s is not None:
            self._alarm = _hub.Alarm(conduit.expire)
            self._alarm.set_after(max(0.0, deadline.at_s - time.monotonic()))

    @property
    def has_answered(self) -> bool:
        """Whether a byte of an answer has come."""
        return self._conduit.has_received

    def run(
        self,
        request: h11.Request,
        head: bytes,
        message: Message,
        url: str,
        progress: Progress | None,
        *,
        is_stream: bool,
    ) -> Response:
        """Send the request, read the answer's head, and return the response, whose body is still to be read.

        Raises:
            SocketTimeout, SocketClosed, SocketError, BadMessage; what the body's iterator raises. The connection is
            closed then.
        Switches: whenever it has to wait.
        """
        conduit = self._conduit
        try:
            event = self._send(request, head, message)
            if event is None:
                event = self._read_head()
            response = Response(event, url, message.method)
            response._stream = ResponseBody(
                conduit, self._policy, event, self._alarm, progress, message.method, is_stream=is_stream
            )
            return response
        except BaseException:
            if self._alarm is not None:
                self._alarm.clear()
            conduit.close()
            raise

    # -- the request

    def _send(self, request: h11.Request, data: bytes, message: Message) -> Any:
        # Returns the answer's head where it has come before all was sent.
        conduit = self._conduit
        exchange = conduit.exchange
        exchange.note_sent(request)
        content = message.content
        stream = message.stream
        if stream is not None:
            return self._send_stream(data, stream.pieces(), expects=self._policy.expect)
        if content:
            if len(content) > JOINED_BODY:
                exchange.send_with_data_passthrough(h11.Data(data=content))
                exchange.send(_END)
                return self._send_large(data, content)
            data += exchange.send(h11.Data(data=content))
        exchange.send(_END)
        conduit.send(data)
        return None

    def _send_large(self, head: bytes, content: bytes) -> Any:
        try:
            self._conduit.send(head)
            self._conduit.send(content)
        except SocketError as error:
            return self._early_answer(error)
        return None

    def _send_stream(self, head: bytes, pieces: Iterator[bytes], *, expects: bool) -> Any:
        conduit = self._conduit
        exchange = conduit.exchange
        try:
            if expects:
                conduit.send(head)
                early = self._wait_for_continue()
                if early is not None:
                    return early
                head = b""
            for piece in _told_apart(pieces):
                data = exchange.send_with_data_passthrough(h11.Data(data=piece))
                conduit.send(b"".join((head, *data)))
                head = b""
                if (
                    self._early is None and conduit.has_input
                ):  # the server answers before it has all: it may not want the rest
                    early = self._read_head()
                    if early.status_code >= 300:
                        return early
                    # Some answer as they read, such as an echo; the caller reads after all is sent.
                    self._early = early
            conduit.send(head + exchange.send(_END))
        except h11.LocalProtocolError as error:
            raise ValueError("the body is not as long as its Content-Length") from error
        except BodyFailed:
            raise
        except SocketError as error:
            return self._early_answer(error)
        early, self._early = self._early, None
        return early

    def _wait_for_continue(self) -> Any:
        conduit = self._conduit
        conduit.read_s = min(CONTINUE_S, self._policy.read)
        try:
            event = conduit.next_event()
        except SocketTimeout:
            if conduit.has_expired:
                raise
            return None  # the server knows nothing of it, and waits for the body
        finally:
            conduit.read_s = self._policy.read
        if type(event) is h11.InformationalResponse and event.status_code == 100:
            return None
        return event if type(event) is h11.Response else self._read_head()

    def _early_answer(self, error: SocketError) -> Any:
        # A server that answers and closes while we send breaks the sending; what it said is what counts.
        if isinstance(error, SocketTimeout) or self._conduit.has_expired or not self._conduit.has_input:
            raise error
        try:
            return self._read_head()
        except SocketError:
            raise error from None

    # -- the answer

    def _read_head(self) -> Any:
        conduit = self._conduit
        if not conduit.has_received:
            conduit.read_more()
        return conduit.next_answer()


class SourceFailed(Exception):
    """What a request's body comes from raised an error of a socket of its own, the cause."""

    def __init__(self, cause: SocketError) -> None:
        super().__init__(cause.reason)
        self.cause = cause


def _told_apart(pieces: Iterator[bytes]) -> Iterator[bytes]:
    # The caller's own sockets may fail, too: that must not pass for a failure of our connection.
    try:
        yield from pieces
    except BodyFailed:
        raise
    except SocketError as error:
        raise SourceFailed(error) from error


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
        for _, name, value in event.headers._full_items:
            if name == b"content-length":
                self._total = int(value.partition(b",")[0])
            elif name == b"transfer-encoding":
                self.is_chunked = True
            elif name == b"content-encoding":
                text = value.decode("latin-1")
                encoding = text if encoding is None else f"{encoding}, {text}"
        has_body = method != "HEAD" and event.status_code not in (204, 304)
        if not has_body:
            self.is_chunked = False
        elif limit is not None and self._total is not None and self._total > limit:
            self._fail(BadMessage("response body too large"))
        elif encoding is not None and policy.decode:
            self._decoder = decoder_of(encoding, limit if limit is not None else 1 << 62)

    def next_piece(self) -> bytes:
        """Return the next piece of the body, b"" at its end.

        Raises:
            SocketTimeout, SocketClosed, SocketError, BadMessage: the same again at each further call.
        Switches: when nothing has come yet.
        """
        if self._failure is not None:
            raise self._failure
        if self._has_ended:
            return b""
        if self._is_reading:
            raise SocketError("socket busy reading")
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
        while True:
            if self._inflating is not None:
                piece = next(self._inflating, None)
                if piece is not None:
                    return piece
                self._inflating = None
            event = self._conduit.next_event()
            if type(event) is h11.Data:
                data: bytes = event.data
                self._received += len(data)
                if self._left is not None and self._received > self._left:
                    raise BadMessage("response body too large")
                if self._progress is not None:
                    self._progress(self._received, self._total)
                if self._decoder is None:
                    return data
                self._inflating = self._decoder.feed(data)
                continue
            if type(event) is not h11.EndOfMessage:
                raise SocketClosed
            if self._conduit.exchange.has_ended and self._conduit.was_cut and self._total is None:
                raise SocketClosed  # TLS without a goodbye: somebody else may have cut the body off
            if self._decoder is not None and self._received:
                self._decoder.finish()
            self.trailers = event.headers._full_items
            self._finish()
            return b""

    def read_all(self) -> bytes:
        """Return all that is left.

        Raises:
            SocketError: as next_piece(), with what did come as its partial.
        """
        self.is_whole = True
        pieces = []
        try:
            while piece := self.next_piece():
                pieces.append(piece)
        except SocketError as error:
            if error.partial is None:  # the same error is raised again at each further call
                error.partial = b"".join(pieces)
            raise
        except BaseException:
            self.give_up()
            raise
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def give_up(self) -> None:
        """Close the connection, unless the body has been read to its end. Never switches."""
        if not self._has_ended and self._failure is None:
            self._fail(SocketClosed())

    def _fail(self, error: SocketError) -> None:
        self._failure = error
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
            and exchange.our_state is h11.DONE
            and exchange.their_state is h11.DONE
            and not exchange.has_unread  # it would be read as the next answer
        ):
            conduit.park(keepalive)
            return
        conduit.close()

    def _hand_over(self) -> None:
        self._has_ended = True
        if self._alarm is not None:
            self._alarm.clear()
        self.socket = self._conduit.to_socket()

    def __del__(self) -> None:
        try:
            if self._has_ended or self._failure is not None:
                return
            link = self._conduit.connection.link
        except AttributeError:  # __init__ did not get that far
            return
        if link.belongs_here():
            self.give_up()
        else:
            link.call_at_home(self.give_up)
