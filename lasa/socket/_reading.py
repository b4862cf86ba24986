"""The read half: every read takes what is there, and waits in one place for what is not (seed: tcpsock:receive)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from lasa import _hub
from lasa._hub import CALL_COST, os_thread_id, wrong_os_thread
from lasa._stream.buffer import LINES_IN_A_ROW, ReceiveBuffer, find_text
from lasa._stream.halves import NO_BUFFER, Halves
from lasa._stream.limits import checked_limit
from lasa._stream.patterns import (
    LINE_TOO_LONG,
    SECTION_TOO_LONG,
    STREAM_TOO_LONG,
    Anything,
    Boundary,
    Pattern,
    Section,
    Size,
    parse_pattern,
)
from lasa._values import as_bytes, integer, kind_of, type_name
from lasa.errors import SocketClosed, SocketError, check
from lasa.socket._options import refuse_unknown

__all__ = ["Reading", "Received"]

EXACT_RECV: Final = 16384  # reads of at least this size ask the kernel for just what is missing
LARGEST_RECV: Final = 262144

# Errors after which the connection can be read on.
_HARMLESS: Final = frozenset({"timeout", LINE_TOO_LONG, SECTION_TOO_LONG, STREAM_TOO_LONG})

Received = tuple[bytes | None, str | None, bytes | None]


class Reading(Halves):
    """A connection that can be read."""

    __slots__ = ()

    def receive(
        self,
        pattern: int | float | str | bytes = "*l",
        *,
        max_line: int | None = None,
        max_all: int | None = None,
    ) -> Received:
        """Read until ``pattern`` is satisfied.

        Args:
            pattern: a size in bytes, also as a number-like string; "*l" for one line, LF and every CR
                removed; "*a" for all until the peer closes.
            max_line, max_all: limits for this read, in place of the socket's (1 MiB, 256 MiB).
        Returns:
            ``(data, None, None)``; or ``(None, err, partial)``, partial being the bytes that did come, or None where
            the read could not begin. err is "timeout" (nothing new within settimeout() milliseconds; the socket
            stays usable), "closed" (by the peer, or not connected), "line too long", "stream too long" (a limit;
            the socket stays usable), "socket busy reading", "socket busy connecting", or the system's own word.
        Raises:
            ValueError: "bad pattern argument", "bad number argument" (a negative size), a limit under 1.
            TypeError: "bad argument", neither a number nor a string.
        Switches: when the buffer cannot answer, or the slice of 10 ms is spent. Source: seed, "tcpsock:receive".
        """
        if pattern == "*l" and max_line is None and (buffer := self._readable) is not None:
            # The most frequent read of all makes no further call when its line has come.
            if buffer.lines:
                return buffer.lines.pop().replace(b"\r", b""), None, None
            front = buffer.front
            if not front:
                return self._read_on(self._line, buffer)
            hub: Any = self._stream.hub  # type: ignore[union-attr]
            hub.credit -= CALL_COST
            if hub.credit < 0 and hub.owes_turn():
                return self._read_on(self._line, buffer, steps_aside=True)
            position = buffer.position
            end = front.find(b"\n", position)
            if 0 <= end - position <= self._line.limit:
                buffer.position = end + 1
                buffer.row += 1
                if buffer.row == LINES_IN_A_ROW:
                    hub.credit -= CALL_COST * buffer.cut_lines(self._line.limit)
                return front[position:end].replace(b"\r", b""), None, None
            return self._read(self._line)
        if self._readable is None:
            return None, self._why_not_reading(), None
        if type(pattern) is int and pattern > 0:
            return self._read(Size(pattern))
        wanted = parse_pattern(pattern, self._limits, max_line, max_all)
        if wanted is None:
            return b"", None, None
        return self._read(wanted)

    def receiveany(self, max: int) -> Received:
        """Read whatever has come: at least one byte and at most ``max``.

        Returns, Switches: as receive(); a partial is always b"", since what has come is the data.
        Raises:
            ValueError: "bad max argument", not a number of at least 1.
        Source: OpenResty, "tcpsock:receiveany".
        """
        if self._readable is None:
            return None, self._why_not_reading(), None
        limit = integer(max)
        if limit is None or limit < 1:
            raise ValueError(f"bad max argument: {max!r}")
        return self._read(Anything(limit))

    def receiveuntil(
        self,
        pattern: str | bytes,
        options: Mapping[str, Any] | None = None,
        *,
        inclusive: bool | None = None,
        max_pattern: int | None = None,
    ) -> Callable[..., Received]:
        """Return a reader: a function that reads up to the next occurrence of ``pattern``.

        ``reader()`` returns the bytes before the pattern, which is dropped. ``reader(size)`` returns them in chunks of
        about ``size`` bytes, then ``(None, None, None)`` once; test ``data is None``, since a chunk may be empty.
        Readers and other reads may be mixed freely; no byte is lost or read twice.

        Args:
            pattern: literal bytes.
            options: ``{"inclusive": True}`` keeps the pattern in the data; the keywords say the same.
            max_pattern: bytes that may come before the pattern, in place of the socket's limit (16 MiB).
        Raises:
            ValueError: "pattern is empty", a limit under 1. TypeError: "bad pattern", "bad options",
            ``bad "inclusive" option value type: T``; by the reader "bad size argument".
        Switches: never; the reader as receive(). It returns as receive() too, but its limit's word is "section too
        long", and after a timeout bytes that may be the beginning of the pattern stay unread.
        Source: seed, "tcpsock:receiveuntil".
        """
        text = as_bytes(pattern, "bad pattern")
        if not text:
            raise ValueError("pattern is empty")
        if options is not None:
            if not isinstance(options, Mapping):
                raise TypeError(f"bad options: mapping expected, got {kind_of(options)}")
            refuse_unknown(options, "inclusive", "max_pattern")
            inclusive = options.get("inclusive", inclusive)
            max_pattern = options.get("max_pattern", max_pattern)
        if inclusive is not None and not isinstance(inclusive, bool):
            raise TypeError(f'bad "inclusive" option value type: {type_name(inclusive)}')
        limit = checked_limit("max_pattern", max_pattern, self._limits.max_pattern)
        boundary = Boundary(text)
        ended_in = -1  # the connection in which the last chunk met the pattern

        def reader(size: int | None = None) -> Received:
            nonlocal ended_in
            if size is not None and (isinstance(size, bool) or not isinstance(size, int)):
                raise TypeError(f"bad size argument: int expected, got {kind_of(size)}")
            buffer = self._readable
            if buffer is None:
                return None, self._why_not_reading(), None
            if ended_in == self._generation:
                ended_in = -1
                return None, None, None
            hub, front = self._stream.hub, buffer.front  # type: ignore[union-attr]
            credit = hub.credit - CALL_COST
            if not size and front and not buffer.lines and credit > 0:
                hub.credit = credit
                position = buffer.position
                end = find_text(front, text, position)
                if 0 <= end - position <= limit:
                    buffer.position = end + len(text)
                    return front[position : buffer.position if inclusive else end], None, None
                if end < 0 and not buffer.has_pieces and len(front) - position <= limit:
                    # Not _read(), which would search the same bytes again.
                    return self._read_on(Section(boundary, inclusive=bool(inclusive), size=0, limit=limit), buffer)
            chunk = max(size, 0) if size else 0
            section = Section(boundary, inclusive=bool(inclusive), size=chunk, limit=limit)
            received = self._read(section)
            if chunk and section.met_boundary:
                ended_in = self._generation
            return received

        return reader

    def peek(self) -> bool:
        """Whether a read would find at least one byte right now; the end of the stream is none.

        Switches: never. Source: seed, "tcpsock:peek".
        """
        self._refuse_others()
        if self._buffer.size:
            return True
        if self._stream is None or not self._read_open or self._is_connecting:
            return False
        try:
            return self._stream.has_input()
        except SocketError:
            return False  # the next read tells

    def __iter__(self) -> Iterator[bytes]:
        """Yield lines until the peer closes, the unfinished last one too; other failures raise lasa.Error."""
        while True:
            line, err, partial = self.receive("*l")
            if line is not None:
                yield line
            elif err == "closed" and self._generation:
                if partial:
                    yield partial
                return
            else:
                check((None, err, partial))

    def _read(self, pattern: Pattern) -> Received:
        # For patterns that the buffer may satisfy; a read may begin.
        buffer = self._readable
        assert buffer is not None
        hub: Any = self._stream.hub  # type: ignore[union-attr]
        hub.credit -= CALL_COST
        if hub.credit < 0 and hub.owes_turn():
            return self._read_on(pattern, buffer, steps_aside=True)
        if buffer.size:
            try:
                data = pattern.take(buffer, 0)
            except SocketError as error:
                return None, error.reason, error.partial
            if data is not None:
                return data, None, None
        return self._read_on(pattern, buffer)

    def _read_on(self, pattern: Pattern, buffer: ReceiveBuffer, *, steps_aside: bool = False) -> Received:
        # The door of all reads that need more than the buffer has, or whose slice is spent.
        if os_thread_id() != self._home:  # what is read already costs no such look
            raise wrong_os_thread("a socket")
        stream: Any = self._stream
        if buffer.front:
            if steps_aside:
                buffer.begin_row()
            buffer.drop_used_front()
        elif buffer is NO_BUFFER:
            buffer = self._buffer = ReceiveBuffer()
        self._readable = None
        self._is_reading = self._is_dubious = True
        try:
            if steps_aside:
                stream.hub.step_aside()
                if not self._read_open:
                    raise SocketClosed
                data = pattern.take(buffer, 0) if buffer.size else None
                if data is not None:
                    self._is_dubious = False
                    return data, None, None
            while True:
                size = self._recv_size
                if pattern.counts and (wanted := pattern.wanted(buffer)) >= EXACT_RECV:
                    size = min(wanted, LARGEST_RECV)
                chunk = stream.recv(size, self._read_s, self._more_expected)
                if not chunk:
                    data = pattern.at_end(buffer)
                    if data is not None:
                        self._is_dubious = False
                        return data, None, None
                    raise SocketClosed
                if len(chunk) == size:
                    # A full answer means that the peer streams: look for more before waiting, and look further.
                    self._more_expected = True
                    if size == self._recv_size < LARGEST_RECV:
                        self._recv_size *= 2
                else:
                    self._more_expected = False
                data = pattern.take_new(buffer, chunk)
                if data is not None:
                    self._is_dubious = False
                    return data, None, None
        except SocketError as error:
            if error.reason not in _HARMLESS:
                self._read_open = False
            elif error.reason != "timeout":
                self._is_dubious = False  # a limit: there is more, which has to be read before anything else
            partial = error.partial
            return None, error.reason, pattern.rest(buffer, error.reason) if partial is None else partial
        except _hub.GreenletExit:
            self._abort()
            raise
        finally:
            self._is_reading = False
            if self._read_open:
                self._readable = buffer
            elif not self._write_open:
                self._release()
