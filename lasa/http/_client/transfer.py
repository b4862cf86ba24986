"""One request over one connection: its bytes out, its answer's head in, and the body as it comes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

import h11

from lasa.errors import SocketError, SocketTimeout
from lasa.http._client.body import BodyFailed
from lasa.http._client.message import Message
from lasa.http._client.policy import Policy
from lasa.http._client.response import Response
from lasa.http._client.route import Deadline
from lasa.http._client.stream import Progress, ResponseBody
from lasa.http._wire.conduit import Conduit

__all__ = ["SourceFailed", "Transfer"]

SLICE: Final = 262_144  # of a large body, between which we look whether the server answers already
JOINED_BODY: Final = 65_536  # smaller bodies leave with their head in one piece
CONTINUE_S: Final = 1.0  # how long "Expect: 100-continue" waits for a server that knows nothing of it

_END: Final = h11.EndOfMessage()


class Transfer:
    """A request and its answer on one connection.

    Attributes:
        has_answered: whether a byte of an answer has come.
    """

    __slots__ = ("_alarm", "_conduit", "_deadline", "_early", "_policy")

    def __init__(self, conduit: Conduit, policy: Policy, deadline: Deadline) -> None:
        self._conduit = conduit
        self._policy = policy
        self._early: Any = None  # an answer's head that came while the request was still being sent
        self._deadline = deadline
        self._alarm = deadline.alarm(conduit.expire)

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
            self._deadline.stage = "send"
            event = self._send(request, head, message)
            if event is None:
                event = self._read_head()
            self._deadline.stage = "body"
            stream = ResponseBody(
                conduit, self._policy, event, self._alarm, progress, message.method, is_stream=is_stream
            )
            return Response(event, url, message.method, stream)
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
                return self._send_stream(data, iter((content,)), expects=False)
            data += exchange.send(h11.Data(data=content))
        exchange.send(_END)
        conduit.send(data)
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
            for piece in _sliced(_told_apart(pieces)):
                data = exchange.send_with_data_passthrough(h11.Data(data=piece))
                conduit.send(b"".join((head, *data)))
                head = b""
                if self._early is None:
                    early = conduit.poll_answer()
                    if early is not None and early.status_code >= 300:
                        return early  # the server answers before it has all: it does not want the rest
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
        # Returns a final answer, if there is one already; None is "go on".
        conduit = self._conduit
        deadline_s = time.monotonic() + min(CONTINUE_S, self._policy.read)
        try:
            while (left_s := deadline_s - time.monotonic()) > 0:
                conduit.read_s = left_s
                event = conduit.next_event()
                if type(event) is not h11.InformationalResponse:
                    return event
                if event.status_code == 100:
                    return None
        except SocketTimeout:
            if conduit.has_expired:
                raise
        finally:
            conduit.read_s = self._policy.read
        return None  # the server knows nothing of it, and waits for the body

    def _early_answer(self, error: SocketError) -> Any:
        # A server that answers and closes while we send breaks the sending; what it said is what counts.
        if self._conduit.has_expired or not self._conduit.has_input:
            raise error
        try:
            return self._read_head()
        except SocketError:
            raise error from None

    # -- the answer

    def _read_head(self) -> Any:
        conduit = self._conduit
        self._deadline.stage = "read"
        if not conduit.has_received:
            conduit.read_more()
        return conduit.next_answer()


def _sliced(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        if len(piece) <= SLICE:
            yield piece
        else:
            for start in range(0, len(piece), SLICE):
                yield piece[start : start + SLICE]


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
