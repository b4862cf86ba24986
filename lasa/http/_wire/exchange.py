"""One side of an HTTP/1.1 connection: h11's state machine, with our buffer and our head parser below it.

h11 decides what may happen next and how bodies are framed. The steps that every plain exchange takes are taken here
at a fraction of the cost, since h11 copies its states and scans all headers several times at each; whatever is not
plain (a connection that will close, an upgrade, CONNECT, Expect, HTTP/1.0, an error) is h11's own. This module is the
one place that knows h11 from inside: its version is pinned, and tests/http/test_exchange.py runs both side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import h11
from h11._readers import READERS, ContentLengthReader, expect_nothing
from h11._state import _SWITCH_CONNECT, _SWITCH_UPGRADE, CLIENT, DONE, IDLE, SEND_BODY, SEND_RESPONSE, SERVER
from h11._writers import WRITERS, ContentLengthWriter

from lasa.http._wire.buffer import WireBuffer
from lasa.http._wire.errors import BadStatusLine, ProtocolError
from lasa.http._wire.heads import has_body, request_of, response_of

__all__ = ["MAX_HEAD", "MAX_HEADERS", "MAX_REQUEST_LINE", "Exchange", "Limits"]

MAX_HEAD: Final = 65_536
MAX_HEADERS: Final = 100
MAX_REQUEST_LINE: Final = 8_192

# Whoever asks again and again mostly sends the same bytes, and gets the same head within a second; h11's events never
# change, so they are kept for a while. Both sides measure the others, too: see "varied" among the benchmarks.
KNOWN_HEAD: Final = 1024
_known_request: Final = lru_cache(maxsize=256)(request_of)
_known_response: Final = lru_cache(maxsize=256)(response_of)

_OPEN: Final = (SEND_BODY, DONE)
_GOING_ON: Final = (IDLE, SEND_RESPONSE, SEND_BODY, DONE)
_CONSIDERED: Final = frozenset((b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect"))
_WRITE_REQUEST: Final[Any] = WRITERS[(CLIENT, IDLE)]
_WRITE_RESPONSE: Final[Any] = WRITERS[(SERVER, SEND_RESPONSE)]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a head may hold.

    Attributes:
        max_head: bytes of a head, of a trailer section, and of a chunk's header.
        max_headers: fields in a head.
        max_request_line: bytes of a request's first line.
        max_field: bytes of one line of a request's head; None for no limit but that of the head.
    """

    max_head: int = MAX_HEAD
    max_headers: int = MAX_HEADERS
    max_request_line: int = MAX_REQUEST_LINE
    max_field: int | None = None


_NOTHING_YET: Final = (None, None, None)


class Exchange(h11.Connection):
    """A connection's state; ``role`` is h11.CLIENT or h11.SERVER, ours."""

    def __init__(self, role: Any, limits: Limits) -> None:
        self._limits = limits
        super().__init__(role, limits.max_head)
        self._wire = WireBuffer(limits.max_head, limits.max_headers, is_lenient=role is CLIENT)
        self._receive_buffer: Any = self._wire
        self._last_length: tuple[Any, bytes | None, int | None] = _NOTHING_YET

    @property
    def has_ended(self) -> bool:
        """Whether the peer has closed its side."""
        return self._receive_buffer_closed

    @property
    def unread(self) -> bytes:
        """The bytes behind what has been understood; after a switch of protocols they belong to the next one."""
        return bytes(self._wire)

    @property
    def has_unread(self) -> bool:
        """Whether there are such bytes."""
        return bool(self._wire)

    @property
    def keeps_alive(self) -> bool:
        """Whether neither side has said that the connection closes."""
        return self._cstate.keep_alive

    def set_limits(self, limits: Limits) -> None:
        """Take other limits: of the next request over a kept connection."""
        if limits is not self._limits:
            self._limits = limits
            self._max_incomplete_event_size = limits.max_head
            self._wire.set_limits(limits.max_head, limits.max_headers)

    def would_switch(self, status: int) -> bool:
        """Whether an answer with this status hands the connection over: 101 to an Upgrade, 2xx to a CONNECT."""
        offers = self._cstate.pending_switch_proposals
        if status == 101:
            return _SWITCH_UPGRADE in offers and self.their_http_version != b"1.0"  # RFC 9110 section 7.8
        return 200 <= status < 300 and _SWITCH_CONNECT in offers

    def next_event(self) -> Any:
        """As of h11, but what is wrong with the peer's bytes raises ProtocolError.

        Raises:
            ProtocolError: also where the peer closed in the middle of a message; has_ended tells then.
        """
        role = self.their_role
        state = self._cstate.states[role]
        try:
            if state is SEND_BODY or state is IDLE or state is SEND_RESPONSE:
                event = self._reader(self._wire)  # type: ignore[misc]
                if event is not None:
                    self._process_event(role, event)
                    return event
                if not self._receive_buffer_closed:
                    return h11.NEED_DATA
            return super().next_event()
        except h11.ProtocolError as error:
            self._process_error(role)
            raise ProtocolError(_plain(str(error)), error.error_status_hint) from error
        except BaseException:
            self._process_error(role)
            raise

    def send(self, event: Any) -> bytes:  # type: ignore[override]
        """As of h11, for all events but ConnectionClosed.

        Raises:
            h11.LocalProtocolError: not now, or not so.
        """
        return b"".join(self.send_with_data_passthrough(event))

    def send_with_data_passthrough(self, event: Any) -> list[bytes]:
        """As send(), but as pieces, so that data are not copied."""
        writer = self._writer
        try:
            self._process_event(self.our_role, event)
            pieces: list[bytes] = []
            writer(event, pieces.append)  # type: ignore[misc]
        except BaseException:
            self._process_error(self.our_role)
            raise
        return pieces

    def note_sent(self, event: Any) -> None:
        """As send(), for a head whose bytes the caller has at hand already, or the end of a message without a body."""
        try:
            self._process_event(self.our_role, event)
        except BaseException:
            self._process_error(self.our_role)
            raise

    def start_next_cycle(self) -> None:
        """As of h11: begin with the next request, once both sides are done.

        Raises:
            h11.LocalProtocolError: they are not.
        """
        cstate = self._cstate
        states = cstate.states
        if not (cstate.keep_alive and states[CLIENT] is DONE and states[SERVER] is DONE):
            return super().start_next_cycle()
        states[CLIENT] = states[SERVER] = IDLE
        self._request_method = None
        if self.our_role is CLIENT:
            self._reader, self._writer = self._read_response, _WRITE_REQUEST
        else:
            self._reader, self._writer = self._read_request, _WRITE_RESPONSE
        return None

    def _process_event(self, role: Any, event: Any) -> None:
        cstate = self._cstate
        if not cstate.keep_alive or cstate.pending_switch_proposals:
            return super()._process_event(role, event)
        states = cstate.states
        state = states[role]
        kind = type(event)
        if state is SEND_BODY:
            if kind is h11.Data:
                if role is CLIENT:
                    self.client_is_waiting_for_100_continue = False
                return None
            if kind is h11.EndOfMessage and states[SERVER if role is CLIENT else CLIENT] in _GOING_ON:
                if role is CLIENT:
                    self.client_is_waiting_for_100_continue = False
                states[role] = DONE
                if role is self.our_role:
                    self._writer = None
                else:
                    self._reader = expect_nothing
                return None
        elif kind is h11.Response and state is SEND_RESPONSE and states[CLIENT] in _OPEN:
            length = self._length_of(role, event, self._request_method)
            if length is not None:
                self.client_is_waiting_for_100_continue = False
                self._begin_body(role, event, length)
                return None
        elif kind is h11.Request and state is IDLE and states[SERVER] is IDLE and event.method != b"CONNECT":
            length = self._length_of(role, event, None)
            if length is not None:
                states[SERVER] = SEND_RESPONSE
                self._request_method = event.method
                self._begin_body(role, event, length)
                if role is self.our_role:
                    self._reader = self._read_response
                else:
                    self._writer = _WRITE_RESPONSE
                return None
        return super()._process_event(role, event)

    def _length_of(self, role: Any, event: Any, request_method: bytes | None) -> int | None:
        # A peer says the same head again and again, and known heads are the same object.
        if role is self.our_role:
            return _plain_length(event, request_method)
        last, last_method, length = self._last_length
        if last is not event or last_method != request_method:
            length = _plain_length(event, request_method)
            self._last_length = event, request_method, length
        return length

    def _begin_body(self, role: Any, event: Any, length: int) -> None:
        self._cstate.states[role] = SEND_BODY
        if role is self.our_role:
            self._writer = ContentLengthWriter(length)
        else:
            self._reader = ContentLengthReader(length)
            self.their_http_version = event.http_version

    def _get_io_object(self, role: Any, event: Any, io_dict: Any) -> Callable[..., Any] | None:
        if io_dict is READERS:
            state = self._cstate.states[role]
            if state is IDLE or state is SEND_RESPONSE:
                return self._read_request if role is h11.CLIENT else self._read_response
        return super()._get_io_object(role, event, io_dict)

    def _read_request(self, wire: WireBuffer) -> h11.Request | None:
        wire.skip_empty_lines()
        limits = self._limits
        try:
            head = wire.take_head()
        except ProtocolError:
            self._refuse_long_line(wire)  # however the bytes were cut
            raise
        if head is None:
            self._refuse_long_line(wire)
            return None
        read = _known_request if len(head) <= KNOWN_HEAD else request_of
        return read(
            head,
            max_line=limits.max_request_line,
            max_headers=limits.max_headers,
            max_field=limits.max_field,
        )

    def _refuse_long_line(self, wire: WireBuffer) -> None:
        most = self._limits.max_request_line
        if len(wire) > most and not wire.has_line_end(most):
            raise ProtocolError("request line too long", 414)

    def _read_response(self, wire: WireBuffer) -> h11.Response | h11.InformationalResponse | None:
        if not wire.may_begin(b"HTTP/"):  # SSH, Redis and others say a line, and wait for the answer
            raise BadStatusLine(bytes(wire))
        head = wire.take_head()
        if head is None:
            return None
        read = _known_response if len(head) <= KNOWN_HEAD else response_of
        event = read(head, max_headers=self._limits.max_headers, method=self._request_method)
        if event.status_code == 101 and _SWITCH_UPGRADE not in self._cstate.pending_switch_proposals:
            raise ProtocolError("unexpected switch of protocols")
        return event


def _plain_length(event: Any, request_method: bytes | None) -> int | None:
    """Return the length of the body, or None where h11 has more to consider than a Content-Length."""
    if event.http_version != b"1.1":
        return None
    length = 0 if request_method is None else -1
    for _, name, value in event.headers._full_items:
        if name not in _CONSIDERED:
            continue
        if name == b"content-length" and value.isdigit():
            length = int(value)
        elif name != b"connection" or value != b"keep-alive":
            return None
    if request_method is not None and not has_body(event.status_code, request_method):
        return 0
    return length if length >= 0 else None


def _plain(text: str) -> str:
    # h11 quotes the peer's bytes in some texts; an error word holds none of them.
    return text.split(":")[0].split(" (")[0].lower()
