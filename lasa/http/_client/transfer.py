"""One request over one connection: its bytes out, its answer's head in, and the body as it comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import h11

from lasa import _hub
from lasa.errors import SocketError, SocketTimeout
from lasa.http._client.body import BodyFailed
from lasa.http._client.message import Message, expects_continue
from lasa.http._client.policy import MAX_BODY, Policy
from lasa.http._client.response import Response
from lasa.http._client.route import RequestDeadline
from lasa.http._client.stream import Progress, ResponseBody
from lasa.http._wire.conduit import Conduit

__all__ = ["BodyNotWanted", "SourceFailed", "Transfer"]

SLICE: Final = 262_144  # of a large body, behind which we look whether the server answers already
JOINED_BODY: Final = 65_536  # smaller bodies leave with their head in one piece
CONTINUE_S: Final = 1.0  # how long "Expect: 100-continue" waits for a server that knows nothing of it

_END: Final = h11.EndOfMessage()


class Transfer:
    """A request and its answer on one connection.

    Attributes:
        has_answered: whether a byte of an answer has come.
    """

    __slots__ = ("_conduit", "_deadline", "_has_ended", "_policy", "_taker")

    def __init__(self, conduit: Conduit, policy: Policy, deadline: RequestDeadline) -> None:
        self._conduit = conduit
        self._policy = policy
        self._has_ended = False  # nothing more is sent: the server has answered early, or does not listen any more
        self._taker: _hub.greenlet | None = None  # what waits for the caller's next piece
        self._deadline = deadline

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
            SocketTimeout, SocketClosed, SocketError, ProtocolError; what the body's iterator raises. The connection is
            closed then.
        Switches: whenever it has to wait.
        """
        conduit = self._conduit
        alarm = self._deadline.alarm(self._expire)  # it holds this object, so that must not hold it
        try:
            self._deadline.stage = "send"
            self._send(request, head, message)
            event = self._read_head()
            self._deadline.stage = "body"
            stream = ResponseBody(conduit, self._policy, event, alarm, progress, message.method, is_stream=is_stream)
            return Response(event, url, message.method, stream)
        except BaseException:
            if alarm is not None:
                alarm.clear()
            conduit.close()
            raise

    # -- the request

    def _send(self, request: h11.Request, head: bytes, message: Message) -> None:
        exchange = self._conduit.exchange
        exchange.note_sent(request)
        content, stream = message.content, message.stream
        if not content and stream is None:
            exchange.note_sent(_END)
            self._send_part(head)
            return
        if expects_continue(message, self._policy):
            if not self._send_part(head) or self._is_answered_at_once():
                return
            head = b""
        parts: Iterable[bytes]
        if stream is not None:
            parts = self._parts(head, stream.pieces())
        elif content and len(content) <= JOINED_BODY:
            parts = (b"".join((head, *self._data(content), exchange.send(_END))),)
        else:
            parts = self._parts(head, iter((content or b"",)))
        link = self._conduit.connection.link
        gate = link.readable
        gate.watch(self._on_event)
        try:
            for part in parts:
                if self._has_ended or not self._send_part(part):
                    return
        except h11.LocalProtocolError as error:
            raise ValueError("the body is not as long as its Content-Length") from error
        except BodyNotWanted:
            if self._conduit.has_expired:
                raise SocketTimeout from None
        finally:
            gate.on_idle_event = None
            link.allow_waits_to_send()

    def _parts(self, head: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in _sliced(_told_apart(self._taken(pieces))):
            yield b"".join((head, *self._data(piece)))
            head = b""
            if not self._has_ended:  # a peer that takes all at once gives the hub no chance to tell
                self._has_ended = self._conduit.hear(self._most)
            if self._has_ended:
                return
        yield head + self._conduit.exchange.send(_END)

    def _taken(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        while True:
            self._taker = _hub.getcurrent()
            try:
                piece = next(pieces, None)
            finally:
                self._taker = None
            if piece is None:
                return
            yield piece

    def _data(self, piece: bytes) -> list[bytes]:
        return self._conduit.exchange.send_with_data_passthrough(h11.Data(data=piece))

    def _send_part(self, data: bytes) -> bool:
        # Returns whether to go on; if not, what the server has said counts, or the failure.
        conduit = self._conduit
        try:
            conduit.send(data)
        except SocketError as error:
            if not self._has_ended:
                if conduit.has_expired or isinstance(error, SocketTimeout):
                    raise
                conduit.note_send_failure(error)
                self._has_ended = True
            return False
        return True

    @property
    def _most(self) -> int:
        return MAX_BODY if self._policy.max_body is None else self._policy.max_body

    def _on_event(self) -> None:
        # In the hub: something has come while we send, or wait for the next piece of the body.
        link = self._conduit.connection.link
        if self._conduit.hear(self._most):
            self._has_ended = True
            link.end_waits_to_send()
            self._interrupt()
        else:
            link.readable.watch(self._on_event)

    def _expire(self) -> None:
        self._conduit.expire()
        self._interrupt()

    def _interrupt(self) -> None:
        # In the hub: what the caller's iterator waits for may never come.
        taker, self._taker = self._taker, None
        if taker is not None:
            _hub.interrupt(taker, BodyNotWanted)

    def _is_answered_at_once(self) -> bool:
        # Whether there is a final answer already, instead of "go on".
        conduit = self._conduit
        deadline = _hub.Deadline(min(CONTINUE_S, self._policy.read))
        try:
            while left_s := deadline.left_s:
                conduit.read_s = left_s
                event = conduit.next_event()
                if type(event) is not h11.InformationalResponse or event.status_code == 101:
                    conduit.put_back(event)
                    return True
                if event.status_code == 100:
                    return False
        except SocketTimeout:
            if conduit.has_expired:
                raise
        finally:
            conduit.read_s = self._policy.read
        return False  # the server knows nothing of it, and waits for the body

    # -- the answer

    def _read_head(self) -> Any:
        conduit = self._conduit
        if not self._has_ended:
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


class BodyNotWanted(BaseException):
    """Ends the wait of what a request's body comes from: the server has answered, or the time is over.

    As gevent.Timeout it is no Exception, so that an `except Exception` there lets it pass.
    """


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
