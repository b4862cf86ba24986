"""The request side of a server's connection: a body as it comes, and what it may hold (RFC 9112 sections 6 and 7)."""

from __future__ import annotations

from typing import Any, Final

import h11
from h11._headers import Headers

from lasa import _hub
from lasa._stream import Connection
from lasa.errors import SocketClosed, SocketError
from lasa.http._server.refusal import BadRequest
from lasa.http._server.request import TOO_LARGE, Request
from lasa.http._server.service import Service
from lasa.http._wire.conduit import Conduit
from lasa.http._wire.exchange import Exchange

__all__ = ["Incoming"]

DRAINED_BODY: Final = 65_536  # what a handler leaves unread is read for the sake of the connection, up to so much
DRAIN_S: Final = 1.0  # and for so long

_NO_HEADERS: Final = Headers([])
_CONTINUE: Final = h11.InformationalResponse(status_code=100, headers=_NO_HEADERS, reason=b"Continue")


class Incoming:
    """A connection as its requests see it; what answers is in outgoing.py, what begins and ends it in connection.py.

    Attributes:
        request: the one that is answered; None between two.
    """

    __slots__ = (
        "_announced",
        "_body_read",
        "_conduit",
        "_exchange",
        "_is_reading",
        "_limits",
        "_read_error",
        "_received",
        "_service",
        "request",
    )

    def __init__(self, service: Service, connection: Connection) -> None:
        self._service = service
        limits = self._limits = service.limits
        self._exchange = Exchange(h11.SERVER, limits.heads)
        self._conduit = Conduit(connection, self._exchange, limits.send_timeout_s, limits.head_timeout_s)
        self._is_reading = False
        self.request: Request | None = None
        self._announced: int | None = 0
        self._body_read = False
        self._received = 0
        self._read_error: SocketError | None = None

    def expect_at_most(self, request: Request, max_bytes: int) -> None:
        """Refuse a body that says itself that it is larger, before anything of it is read.

        Raises:
            BadRequest: with 413.
        """
        self._refuse_late(request)
        if self._announced is not None and self._announced > max_bytes:
            raise BadRequest(TOO_LARGE, 413)

    def next_piece(self, request: Request) -> bytes:
        """Return the next piece of the request's body, b"" at its end; see RequestBody."""
        self._refuse_late(request)
        if self._received and not self._body_read and self._read_error is None:
            # One of several: tiny chunks need no wait, and a flood of them must not keep others from their turn.
            try:
                self._conduit.breathe()
            except SocketError as error:
                self._read_error = error
                raise
            self._refuse_late(request)
        return self._next_piece(self._limits.body_timeout_s)

    def _refuse_late(self, request: Request) -> None:
        # What comes behind an answer is the next request's: a light thread that outlives its handler must not take it.
        if request is not self.request:
            raise RuntimeError("the request is over")
        self._conduit.connection.link.refuse_others("a request")

    def _check(self, event: h11.Request) -> None:
        # What is wrong with a request before its body is read.
        length: int | None = 0
        for _, name, value in event.headers._full_items:
            if name == b"content-length":
                length = int(value)
            elif name == b"transfer-encoding":
                length = None
            elif name == b"expect" and value.lower() != b"100-continue":
                raise BadRequest("expectation not known", 417)
        self._announced = length
        if length:
            if length > self._limits.max_body:
                raise BadRequest(TOO_LARGE, 413)
        elif length == 0:
            self._exchange.next_event()  # the end of a body that is none
            self._body_read = True

    def _next_piece(self, wait_s: float) -> bytes:
        if self._read_error is not None:
            raise self._read_error
        if self._body_read:
            return b""
        exchange = self._exchange
        try:
            event: Any = exchange.next_event()
            if event is h11.NEED_DATA:
                if exchange.they_are_waiting_for_100_continue:
                    self._conduit.send(exchange.send(_CONTINUE))
                event = self._wait_for_piece(wait_s)
            if type(event) is h11.Data:
                self._received += len(event.data)
                if self._received > self._limits.max_body:
                    raise BadRequest(TOO_LARGE, 413)
                return bytes(event.data)
        except SocketError as error:
            self._read_error = SocketClosed() if exchange.has_ended else error
            raise self._read_error from None
        self._body_read = True
        if self.request is not None and event.headers:
            self.request.note_trailers(event.headers._full_items)
        return b""

    def _wait_for_piece(self, wait_s: float) -> Any:
        if self._is_reading:
            raise RuntimeError("another light thread reads this body")
        self._is_reading = True
        self._conduit.read_s = wait_s
        try:
            return self._conduit.next_event()
        finally:
            self._is_reading = False

    def _leaves_too_much(self) -> bool:
        # Whether more of the body is to come than is worth reading: a large rest is cheaper to cut off.
        if self._body_read:
            return False
        if self._read_error is not None or self._exchange.they_are_waiting_for_100_continue:
            return True
        return self._announced is not None and self._announced - self._received > DRAINED_BODY

    def _drain(self) -> bool:
        # Read the rest of a small body that the handler did not want; returns whether the next request can follow.
        if self._body_read:
            return True
        if self._leaves_too_much():
            return False
        most = self._received + DRAINED_BODY
        deadline = _hub.Deadline(DRAIN_S)
        try:
            while self._received <= most and (left_s := deadline.left_s):
                if not self._next_piece(left_s):
                    return True
                self._conduit.breathe()
        except (SocketError, RuntimeError):  # or a light thread of the handler is still reading
            return False
        return False
