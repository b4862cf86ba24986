"""The answers of a server's connection: whole, in pieces, none at all after a switch of protocols."""

from __future__ import annotations

import _socket
import struct
from typing import Any, Final

import h11
from h11._headers import Headers

from lasa._stream import Connection
from lasa.errors import SocketError
from lasa.http._server.answer import (
    BAD_PIECE,
    Answer,
    answer_bytes,
    checked_status,
    close_body,
    date_item,
    head_of,
    pieces_of,
    reason_of,
)
from lasa.http._server.incoming import Incoming
from lasa.http._server.refusal import BadRequest
from lasa.http._server.request import Request, ResponseWriter, Successor
from lasa.http._server.service import Service
from lasa.http._wire.exchange import Exchange, Limits
from lasa.http._wire.fields import HeaderSource, Prepared, prepare
from lasa.socket import TcpSocket

__all__ = ["Outgoing"]

JOINED_BODY: Final = 65_536  # smaller bodies leave with their head in one piece

# For all who have switched: HTTP's state of a connection is a kilobyte, and such connections may stay for days.
_SPENT: Final = Exchange(h11.SERVER, Limits())

_END: Final = h11.EndOfMessage()
_UPGRADE: Final = (b"Connection", b"connection", b"Upgrade")
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_END_ON_CLOSE: Final = struct.pack("ii", 0, 0)


class Outgoing(Incoming):
    """A connection as its answers see it, on top of the request side."""

    __slots__ = (
        "_answered",
        "_closes",
        "_count",
        "_has_head",
        "_has_let_go",
        "_hides_body",
        "_is_broken",
        "_is_sending",
        "_response",
        "_send_error",
        "_sent",
        "_status",
        "_switched",
        "_upgraded",
        "successor",
    )

    def __init__(self, service: Service, connection: Connection) -> None:
        super().__init__(service, connection)
        self._count = 1  # the request that is answered, or awaited
        self._switched = self._is_sending = False
        self._upgraded: TcpSocket | None = None
        self._has_let_go = False
        self.successor: Successor | None = None
        self._begin()

    def _begin(self) -> None:
        # The state of one request and its answer, of the request side too.
        self._body_read = self._closes = self._has_head = self._answered = self._hides_body = self._is_broken = False
        self._announced = 0
        self._received = self._sent = self._status = 0
        self._read_error = None
        self._send_error: SocketError | None = None
        self._response: h11.Response | None = None  # for an access log that tells more than ours

    def _answer(self, answer: Answer) -> None:
        body = answer.body
        if type(body) is not bytes:
            try:
                self._begin_response(answer.status, answer.headers, answer.length, answer.reason)
                if not self._hides_body:
                    for piece in pieces_of(body):
                        self._send_data(piece)
                self._end(None)
            finally:
                close_body(body)  # also a generator that waits in the middle, since its client is gone
            return
        exchange = self._exchange
        data = self._head(answer.status, answer.headers, len(body), answer.reason)
        self._answered = True
        exchange.note_sent(_END)  # the body has the length that the head says
        if body and not self._hides_body:
            self._sent = len(body)
            if len(body) > JOINED_BODY:
                self._send(data)
                data = body
            else:
                data += body
        self._send(data)

    def _head(self, status: int, headers: Prepared, length: int | None, reason: bytes) -> bytes:
        request = self.request
        method, version = (b"GET", b"1.1") if request is None else request.line_of_head
        if method == b"CONNECT" and status < 300:
            raise BadRequest("CONNECT not supported", 501)  # a tunnel is upgrade()'s to open
        must_close = self._must_close()
        event, data, self._closes = head_of(headers, status, length, method, version, must_close, date_item(), reason)
        self._exchange.note_sent(event)
        self._hides_body = method == b"HEAD" or status in (204, 304)
        self._has_head = True
        self._response = event
        self._status = status
        return data

    def _must_close(self) -> bool:
        # A connection with bytes of a body that nobody reads any more cannot be used again.
        return (
            not self._exchange.keeps_alive
            or (not self._body_read and self._leaves_too_much())
            or self._count >= self._limits.max_requests
            or self._service.is_stopping
        )

    def _begin_response(self, status: int, headers: Prepared, length: int | None, reason: bytes) -> None:
        data = self._head(status, headers, length, reason)
        if self._exchange.their_http_version != b"1.1":
            self._set_close(_RESET_ON_CLOSE)  # its body ends where the connection does, so until then all else resets
        self._send(data)

    def _send(self, data: bytes) -> None:
        self._refuse_second_sender()
        self._is_sending = True
        try:
            self._conduit.send(data)
        except SocketError as error:
            self._send_error = error
            raise
        finally:
            self._is_sending = False

    def _refuse_second_sender(self) -> None:
        if self._is_sending:
            self._is_broken = True
            raise RuntimeError("another light thread is sending")

    def _send_data(self, piece: bytes) -> None:
        if self._send_error is not None:
            raise self._send_error
        try:
            data = self._exchange.send_with_data_passthrough(h11.Data(data=piece))
        except h11.LocalProtocolError as error:
            raise ValueError("the body is longer than its Content-Length") from error
        self._sent += len(piece)
        self._send(b"".join(data))

    def _end(self, trailers: HeaderSource) -> None:
        if self._send_error is not None:
            raise self._send_error
        self._refuse_second_sender()  # before the answer counts as whole
        end = _END
        if trailers is not None:
            fields = Headers(prepare(trailers).items)
            if not self._hides_body and self._exchange.their_http_version == b"1.1":
                end = h11.EndOfMessage(headers=fields, _parsed=True)
        try:
            data = self._exchange.send(end)
        except h11.LocalProtocolError as error:
            self._is_broken = True
            if "trailers" in str(error):
                raise ValueError("a body with a Content-Length has no trailers") from error
            raise ValueError("the body is shorter than its Content-Length") from error
        self._answered = True
        if data:
            self._send(data)
        if self._exchange.their_http_version != b"1.1":
            self._set_close(_END_ON_CLOSE)

    def _set_close(self, linger: bytes) -> None:
        link = self._conduit.connection.link
        if link.is_open:
            link.sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, linger)

    def _cut(self) -> None:
        # An answer that ended in its middle must not look whole.
        self._closes = self._body_read = True
        self._conduit.close()

    # -- what Request and ResponseWriter call

    def respond_whole(
        self, request: Request, status: int, headers: HeaderSource, body: bytes, reason: bytes = b""
    ) -> None:
        """Answer at once from within a handler that has more to do, as if it had returned the three.

        Status and reason are checked already.
        """
        self._refuse_late(request)
        self._refuse_second()
        self._answer(Answer(status, prepare(headers), body, reason))

    def respond(self, request: Request, status: int, headers: HeaderSource, reason: bytes = b"") -> ResponseWriter:
        """As Request.respond(); status and reason are checked already."""
        self._refuse_late(request)
        self._refuse_second()
        self._begin_response(status, prepare(headers), None, reason)
        return ResponseWriter(self, request)

    def inform(self, request: Request, status: int, headers: HeaderSource) -> None:
        """As Request.inform()."""
        self._refuse_late(request)
        self._refuse_second()
        if isinstance(status, bool) or not isinstance(status, int):
            raise TypeError(f"bad status: number expected, got {type(status).__name__}")
        if not 102 <= status <= 199:
            raise ValueError(f"bad status: {status}")
        fields = Headers(prepare(headers).items)
        exchange = self._exchange
        if exchange.their_http_version != b"1.1":
            return  # RFC 9110 section 15.2: an HTTP/1.0 client does not know them
        is_waiting = exchange.client_is_waiting_for_100_continue
        event = h11.InformationalResponse(status_code=status, headers=fields, reason=reason_of(status), _parsed=True)
        data = exchange.send(event)
        exchange.client_is_waiting_for_100_continue = is_waiting  # h11 takes any 1xx for the 100
        self._send(data)

    def send_piece(self, request: Request, data: Any) -> None:
        """As ResponseWriter.send()."""
        self._refuse_late(request)
        if self._answered or self._is_broken:
            raise RuntimeError("the answer has ended")
        piece = answer_bytes(data, BAD_PIECE)
        if piece and not self._hides_body:
            self._send_data(piece)

    def end_response(self, request: Request, trailers: HeaderSource) -> None:
        """As ResponseWriter.end()."""
        self._refuse_late(request)
        if not self._answered:
            self._end(trailers)

    def break_off(self, request: Request) -> None:
        """Have an answer that an exception interrupted end with the connection, whatever the handler does."""
        if request is self.request and not self._answered:
            self._is_broken = True

    def upgrade(self, request: Request, status: int, headers: HeaderSource | Prepared) -> TcpSocket:
        """As Request.upgrade()."""
        self._refuse_late(request)
        self._refuse_second()
        exchange = self._exchange
        if status != 101:
            checked_status(status)
        fields = Headers((headers if isinstance(headers, Prepared) else prepare(headers)).items)
        if not exchange.would_switch(status):
            raise BadRequest("no switch of protocols asked for")
        if self._next_piece(self._limits.body_timeout_s):
            raise BadRequest("body before a switch of protocols")
        event: Any
        if status == 101:
            fields = Headers([*(item for item in fields._full_items if item[1] != b"connection"), _UPGRADE])
            event = h11.InformationalResponse(
                status_code=101, headers=fields, reason=b"Switching Protocols", _parsed=True
            )
        else:
            event = h11.Response(status_code=status, headers=fields, reason=reason_of(status), _parsed=True)
        data = exchange.send(event)
        self._switched = True
        self._status = status
        self._send(data)
        self._upgraded = self._conduit.to_socket()
        self._exchange = self._conduit.exchange = _SPENT
        request.forget_view()
        return self._upgraded

    def let_go(self, request: Request) -> None:
        """As Request.let_go()."""
        self._refuse_late(request)
        self._has_let_go = True

    def follow(self, request: Request, successor: Successor) -> None:
        """As Request.follow()."""
        self._refuse_late(request)
        self.successor = successor
        if self._service.is_stopping:
            successor.go_away()

    def _refuse_second(self) -> None:
        if self._has_head or self._switched:
            raise RuntimeError("the request has been answered already")
