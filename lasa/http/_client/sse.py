"""Server-sent events out of a stream of bytes (WHATWG HTML, "Interpreting an event stream"). No socket, no clock.

A server may end lines in three ways and a network may cut them anywhere, so the parser keeps the line that is not
complete and one bit: whether the last byte was a CR, whose LF may be the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lasa.errors import LimitExceeded

__all__ = ["MAX_EVENT_BYTES", "Event", "EventParser"]

MAX_EVENT_BYTES: Final = 1 << 20
RETRY_MS_MAX: Final = 2**31 - 1  # 25 days; what a server asks beyond it is no plan to come back

_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        event: its type, "message" where the server named none.
        data: its data lines, joined by LF.
        id: the last id that the stream has given up to here, "" before the first.
        retry_ms: the reconnection time that came with this event; None where none did.
    """

    event: str
    data: str
    id: str
    retry_ms: int | None


class EventParser:
    """Bytes in, events out; one parser per connection.

    Attributes:
        last_event_id: what to send as Last-Event-ID when connecting again: the id in force at the last blank line,
            since an event that the stream's end cut off is to be sent again. It has no CR, LF or NUL, but may have any
            other character.
        retry_ms: the reconnection time that the server asked for last, None before that.
    """

    __slots__ = (
        "_after_cr",
        "_data",
        "_event",
        "_event_size",
        "_id",
        "_is_first_line",
        "_is_too_large",
        "_line",
        "_max_event_bytes",
        "_retry_ms",
        "last_event_id",
        "retry_ms",
    )

    def __init__(self, last_event_id: str = "", max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        """Begin a stream.

        Args:
            last_event_id: of the connection before this one.
            max_event_bytes: how long an event's lines may be together, and any line together with them. Comments
                count only while they are read: a server may send them for days to keep the connection open.
        """
        self.last_event_id = last_event_id
        self.retry_ms: int | None = None
        self._max_event_bytes = max_event_bytes
        self._line = bytearray()  # the line that is not complete; appending is linear however small the pieces
        self._after_cr = False
        self._is_first_line = True
        self._is_too_large = False
        self._id = last_event_id
        self._data: list[bytes] = []
        self._event = b""
        self._retry_ms: int | None = None
        self._event_size = 0

    def feed(self, data: bytes) -> list[Event]:
        """Take what has arrived and return the events that it completes.

        An event that no blank line ends is not one: at the end of the stream there is nothing to ask for.

        Raises:
            LimitExceeded: "event too large", now and from then on. Events that were complete before are returned
                first, and the error comes with the next call, for which b"" will do.
        """
        events: list[Event] = []
        if self._is_too_large:
            raise LimitExceeded("event too large")
        if not data:
            return events
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
            self._after_cr = False
            if not data:
                return events
        self._after_cr = data.endswith(b"\r")
        lines = data.splitlines()  # of bytes: at CR, LF and CRLF, and nowhere else
        rest = b"" if data.endswith((b"\r", b"\n")) else lines.pop()
        if lines:
            if self._line:
                lines[0] = bytes(self._line) + lines[0]
                self._line.clear()
            if self._is_first_line:
                self._is_first_line = False
                if lines[0].startswith(_BOM):
                    lines[0] = lines[0].removeprefix(_BOM)
                    self._event_size = len(_BOM)  # counted like the rest of a line, so that no cut makes a difference
        for line in lines:
            if line:
                self._take_line(line)
            else:
                self._end_event(events)
            if self._is_too_large:
                break
        self._line += rest
        if self._is_too_large or self._event_size + len(self._line) > self._max_event_bytes:
            self._is_too_large = True
            self._line.clear()
            self._data.clear()
            if not events:
                raise LimitExceeded("event too large")
        return events

    def _take_line(self, line: bytes) -> None:
        size = self._event_size + len(line)
        if size > self._max_event_bytes:
            self._is_too_large = True
            return
        name, _, value = line.partition(b":")
        if not name:
            return  # a comment
        self._event_size = size
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value
        elif name == b"id":
            if b"\0" not in value:
                self._id = _text(value)
        elif name == b"retry" and value.isdigit():
            # Eleven digits are beyond the maximum already; int() refuses thousands of them.
            self.retry_ms = self._retry_ms = min(int(value.lstrip(b"0")[:11] or b"0"), RETRY_MS_MAX)

    def _end_event(self, events: list[Event]) -> None:
        self.last_event_id = self._id
        if self._data:  # one empty data line is an event with empty data
            data = _text(b"\n".join(self._data))
            events.append(Event(_text(self._event) or "message", data, self._id, self._retry_ms))
            self._data.clear()
        self._event = b""
        self._retry_ms = None
        self._event_size = 0


def _text(value: bytes) -> str:
    # Line by line is as good as all at once: neither CR nor LF is ever part of a longer character.
    return value.decode("utf-8", "replace")
