"""Reads as the seed has them: what is there at once, what is not by way of the floor (seed: tcpsock:receive)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from lasa._hub import CALL_COST
from lasa._options import joined
from lasa._stream import LINES_IN_A_ROW, Anything, Boundary, Reading, Section, Size, find_text, parse_pattern
from lasa._values import as_bytes, integer, kind_of
from lasa.errors import SocketClosed, SocketError, Word, word_of
from lasa.socket._options import READER

__all__ = ["Received", "Receiving"]

NEAR: Final = 128  # bytes; so far a plain search is the fastest

Received = tuple[bytes | None, Word | None, bytes | None]


class Receiving(Reading):
    """Reads that answer in tuples."""

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
        try:
            if pattern == "*l" and max_line is None and (buffer := self._readable) is not None:
                # The most frequent read of all makes no further call when its line has come.
                if buffer.lines:
                    return buffer.lines.pop().replace(b"\r", b""), None, None
                front = buffer.front
                if not front:
                    return self._read_on(self._line, buffer), None, None
                hub: Any = self._stream.hub  # type: ignore[union-attr]
                hub.credit -= CALL_COST
                if hub.credit < 0 and hub.owes_turn():
                    return self._read_on(self._line, buffer, steps_aside=True), None, None
                position = buffer.position
                end = front.find(b"\n", position)
                if 0 <= end - position <= self._line.limit:
                    buffer.position = end + 1
                    buffer.row += 1
                    if buffer.row == LINES_IN_A_ROW:
                        hub.credit -= CALL_COST * buffer.cut_lines(self._line.limit)
                    return front[position:end].replace(b"\r", b""), None, None
                return self._read(self._line), None, None
            if self._readable is None:
                raise self._why_not_reading()
            if type(pattern) is int and pattern > 0:
                return self._read(Size(pattern)), None, None
            wanted = parse_pattern(pattern, self._limits, max_line, max_all)
            return (b"" if wanted is None else self._read(wanted)), None, None
        except SocketError as error:
            return None, word_of(error), error.partial

    def receiveany(self, max: int) -> Received:
        """Read whatever has come: at least one byte and at most ``max``.

        Returns, Switches: as receive(); a partial is always b"", since what has come is the data.
        Raises:
            ValueError: "bad max argument", not a number of at least 1.
        Source: OpenResty, "tcpsock:receiveany".
        """
        try:
            if self._readable is None:
                raise self._why_not_reading()
            limit = integer(max)
            if limit is None or limit < 1:
                raise ValueError(f"bad max argument: {max!r}")
            return self._read(Anything(limit)), None, None
        except SocketError as error:
            return None, word_of(error), error.partial

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
            ``bad "inclusive" option type: T``; by the reader "bad size argument".
        Switches: never; the reader as receive(). It returns as receive() too, but its limit's word is "section too
        long", and after a timeout bytes that may be the beginning of the pattern stay unread.
        Source: seed, "tcpsock:receiveuntil".
        """
        text = as_bytes(pattern, "bad pattern")
        if not text:
            raise ValueError("pattern is empty")
        limit = self._limits.max_pattern
        if options is not None or max_pattern is not None or (inclusive is not None and type(inclusive) is not bool):
            chosen = READER.check(joined(options, {"inclusive": inclusive, "max_pattern": max_pattern}))
            inclusive, limit = chosen["inclusive"], chosen["max_pattern"] or limit
        boundary = Boundary(text)
        ended_in = -1  # the connection in which the last chunk met the pattern
        is_near = True  # the last one was, and so the next may be

        def reader(size: int | None = None) -> Received:
            nonlocal ended_in, is_near
            if size is not None and (isinstance(size, bool) or not isinstance(size, int)):
                raise TypeError(f"bad size argument: int expected, got {kind_of(size)}")
            try:
                buffer = self._readable
                if buffer is None:
                    raise self._why_not_reading()
                if ended_in == self._generation:
                    ended_in = -1
                    return None, None, None
                hub, front = self._stream.hub, buffer.front  # type: ignore[union-attr]
                credit = hub.credit - CALL_COST
                if not size and front and not buffer.lines and credit > 0:
                    hub.credit = credit
                    position = buffer.position
                    end = front.find(text, position, position + NEAR) if is_near else -1
                    if end < 0:
                        end = find_text(front, text, position)
                    if 0 <= end - position <= limit:
                        is_near = end - position < NEAR
                        buffer.position = end + len(text)
                        return front[position : buffer.position if inclusive else end], None, None
                    if end < 0 and not buffer.has_pieces and len(front) - position <= limit:
                        # Not _read(), which would search the same bytes again.
                        section = Section(boundary, inclusive=bool(inclusive), size=0, limit=limit)
                        return self._read_on(section, buffer), None, None
                chunk = max(size, 0) if size else 0
                section = Section(boundary, inclusive=bool(inclusive), size=chunk, limit=limit)
                try:
                    return self._read(section), None, None
                finally:
                    if chunk and section.met_boundary:
                        ended_in = self._generation
            except SocketError as error:
                return None, word_of(error), error.partial

        return reader

    def peek(self) -> bool:
        """Whether a read would find at least one byte right now; the end of the stream is none.

        Switches: never. Source: seed, "tcpsock:peek".
        """
        self._refuse_others()
        if self._buffer.size:
            return True
        if self._stream is None or self._read_over is not None or self._is_connecting:
            return False
        try:
            return self._stream.has_input()
        except SocketError:
            return False  # the next read tells

    def __iter__(self) -> Iterator[bytes]:
        """Yield lines until the peer closes, the unfinished last one too; other failures raise lasa.Error."""
        while True:
            try:
                if self._readable is None:
                    raise self._why_not_reading()
                line = self._read(self._line)
            except SocketClosed as error:
                if not self._generation:
                    raise
                if error.partial:
                    yield error.partial
                return
            yield line
