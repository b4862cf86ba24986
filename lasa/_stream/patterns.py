"""What a read waits for, as cores without I/O: a line, a size, everything, or a boundary.

Each has ``take(buffer, seen)``, which returns the data once it is complete and None while more must come;
``take_new(buffer, chunk)``, the same for bytes that have just arrived and are not in the buffer yet; and
``rest(buffer, reason)``, what a failed read hands over. None keeps anything about the stream between two reads: the
bytes stay in the buffer, and how many of them this read has ``seen`` before is the driver's to know.
"""

from __future__ import annotations

from typing import Final, Protocol

from lasa._stream.buffer import ReceiveBuffer
from lasa._stream.limits import Limits
from lasa._values import kind_of, number
from lasa.errors import LimitExceeded

__all__ = [
    "LINE_TOO_LONG",
    "SECTION_TOO_LONG",
    "STREAM_TOO_LONG",
    "Anything",
    "Boundary",
    "Everything",
    "Line",
    "Pattern",
    "Section",
    "Size",
    "parse_pattern",
]

LINE_TOO_LONG: Final = "line too long"
SECTION_TOO_LONG: Final = "section too long"
STREAM_TOO_LONG: Final = "stream too long"


class Pattern(Protocol):
    """What a read waits for.

    Attributes:
        counts: whether ``wanted()`` knows how many bytes are missing.
    """

    counts: bool

    def take(self, buffer: ReceiveBuffer, seen: int) -> bytes | None:
        """Return the data and take it out, or None while more bytes must come.

        Args:
            seen: how many of the unread bytes an earlier call of the same read has looked at.
        Raises:
            LimitExceeded: its limit is passed.
        """

    def take_new(self, buffer: ReceiveBuffer, chunk: bytes) -> bytes | None:
        """Feed ``chunk``, then as take(); what need not pass through the buffer does not.

        Raises:
            LimitExceeded: its limit is passed.
        """

    def rest(self, buffer: ReceiveBuffer, reason: str) -> bytes:
        """Take out and return what the read hands over as ``partial`` when it fails with ``reason``."""

    def wanted(self, buffer: ReceiveBuffer) -> int:
        """Return how many bytes at least must come; 1 where nobody can know."""

    def at_end(self, buffer: ReceiveBuffer) -> bytes | None:
        """Return the data if the end of the stream completes the read, else None."""


class _Plain:
    """The usual answers: nobody knows how much must come, and the end of the stream completes nothing."""

    __slots__ = ()

    counts = False

    def take(self, buffer: ReceiveBuffer, seen: int) -> bytes | None:
        raise NotImplementedError

    def take_new(self, buffer: ReceiveBuffer, chunk: bytes) -> bytes | None:
        seen = buffer.size
        buffer.feed(chunk)
        return self.take(buffer, seen)

    def rest(self, buffer: ReceiveBuffer, reason: str) -> bytes:
        return buffer.take_all()

    def wanted(self, buffer: ReceiveBuffer) -> int:
        return 1

    def at_end(self, buffer: ReceiveBuffer) -> bytes | None:
        return None


class Line(_Plain):
    """Up to LF; the LF and every CR are dropped."""

    __slots__ = ("limit",)

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def take(self, buffer: ReceiveBuffer, seen: int) -> bytes | None:
        if not seen:
            line = buffer.take_line(self.limit)
            if line is not None:
                return line.replace(b"\r", b"")
        end = buffer.find(b"\n", seen)
        if (buffer.size if end < 0 else end) > self.limit:
            raise LimitExceeded(LINE_TOO_LONG, buffer.take(self.limit).replace(b"\r", b""))
        if end < 0:
            return None
        return buffer.take(end + 1)[:-1].replace(b"\r", b"")

    def take_new(self, buffer: ReceiveBuffer, chunk: bytes) -> bytes | None:
        if not buffer.front:
            end = chunk.find(b"\n")
            if 0 <= end <= self.limit:
                if end + 1 < len(chunk):
                    buffer.feed(chunk, end + 1)
                return chunk[:end].replace(b"\r", b"")
        seen = buffer.size
        buffer.feed(chunk)
        return self.take(buffer, seen)

    def rest(self, buffer: ReceiveBuffer, reason: str) -> bytes:
        return buffer.take_all().replace(b"\r", b"")


class Size(_Plain):
    """Exactly so many bytes."""

    __slots__ = ("_size",)

    counts = True

    def __init__(self, size: int) -> None:
        self._size = size

    def take(self, buffer: ReceiveBuffer, seen: int) -> bytes | None:
        return buffer.take(self._size) if buffer.size >= self._size else None

    def take_new(self, buffer: ReceiveBuffer, chunk: bytes) -> bytes | None:
        if len(chunk) == self._size and not buffer.front:
            return chunk
        buffer.feed(chunk)
        return buffer.take(self._size) if buffer.size >= self._size else None

    def wanted(self, buffer: ReceiveBuffer) -> int:
        return self._size - buffer.size


class Anything(_Plain):
    """Whatever is there, at least one byte and at most ``limit``."""

    __slots__ = ("_limit",)

    counts = True

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def take(self, buffer: ReceiveBuffer, seen: int) -> bytes | None:
        return buffer.take_front(self._limit) if buffer.size else None

    def take_new(self, buffer: ReceiveBuffer, chunk: bytes) -> bytes | None:
        if len(chunk) <= self._limit and not buffer.front:
            return chunk
        buffer.feed(chunk)
        return buffer.take_front(self._limit)

    def wanted(self, buffer: ReceiveBuffer) -> int:
        return self._limit


class Everything(_Plain):
    """All bytes until the peer closes, which is success."""

    __slots__ = ("_limit",)

    counts = True

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def take(self, buffer: ReceiveBuffer, seen: int) -> bytes | None:
        if buffer.size > self._limit:
            raise LimitExceeded(STREAM_TOO_LONG, buffer.take(self._limit))
        return None

    def wanted(self, buffer: ReceiveBuffer) -> int:
        return 65536

    def at_end(self, buffer: ReceiveBuffer) -> bytes | None:
        return buffer.take_all()


class Boundary:
    """The text that ends each section of a stream, for one reader; remembers its own KMP table.

    Nothing about a stream is kept here between reads: the bytes that may be the beginning of the boundary
    stay in the buffer, so any other read may come in between.
    """

    __slots__ = ("_fallback", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self._fallback: list[int] = []

    def alive_after(self, data: bytes, matched: int = 0) -> int:
        """Return how many bytes of the boundary are matched at the end of ``data`` (``matched`` before it)."""
        if not matched:
            first = data.find(self.text[:1])
            if first < 0:
                return 0
            data = data[first:]
        for byte in data:
            matched = self.step(matched, byte)
        return matched

    def step(self, matched: int, byte: int) -> int:
        """Return how many bytes are matched after ``byte``: the longest beginning that is still alive."""
        text = self.text
        if not self._fallback:
            self._fallback = _fallback_table(text)
        while matched and (matched == len(text) or text[matched] != byte):
            matched = self._fallback[matched - 1]
        return matched + 1 if text[matched] == byte else 0


def _fallback_table(text: bytes) -> list[int]:
    # For each beginning of text the longest shorter beginning that is also its end (Knuth, Morris, Pratt).
    table = [0] * len(text)
    matched = 0
    for index in range(1, len(text)):
        while matched and text[index] != text[matched]:
            matched = table[matched - 1]
        if text[index] == text[matched]:
            matched += 1
        table[index] = matched
    return table


class Section(_Plain):
    """The bytes before the next boundary, or, with a ``size``, the next chunk of them.

    Attributes:
        met_boundary: whether the data that was taken ended at the boundary, which was taken with it.
    """

    __slots__ = ("_boundary", "_inclusive", "_limit", "_size", "met_boundary")

    def __init__(self, boundary: Boundary, *, inclusive: bool, size: int, limit: int) -> None:
        self._boundary = boundary
        self._inclusive = inclusive
        self._size = size  # 0: no chunks
        self._limit = limit
        self.met_boundary = False

    def take(self, buffer: ReceiveBuffer, seen: int) -> bytes | None:
        text = self._boundary.text
        size = self._size
        if size and buffer.size >= size + len(text):
            # Only a boundary that begins before size matters; looking further would cost every chunk anew.
            found = buffer.peek(0, size + len(text) - 1).find(text)
        else:
            found = buffer.find(text, max(0, seen - len(text) + 1))
        if size and (found < 0 or found >= size):
            return self._take_chunk(buffer)
        if not size and (buffer.size - len(text) + 1 if found < 0 else found) > self._limit:
            raise LimitExceeded(SECTION_TOO_LONG, buffer.take(self._limit))
        if found < 0:
            return None
        self.met_boundary = True
        if self._inclusive:
            return buffer.take(found + len(text))
        data = buffer.take(found)
        buffer.take(len(text))
        return data

    def _take_chunk(self, buffer: ReceiveBuffer) -> bytes | None:
        # A chunk ends at the first place at or after size where no boundary may have begun before.
        size, boundary = self._size, self._boundary
        if buffer.size < size:
            return None
        text = boundary.text
        matched = boundary.alive_after(buffer.peek(max(0, size - len(text) + 1), size))
        end = size - matched
        if end < size:
            for index, byte in enumerate(buffer.peek(size, size + len(text)), start=size):
                matched = boundary.step(matched, byte)  # never all of it: no boundary begins before size
                end = index + 1 - matched if matched else index
                if end >= size:
                    break
            else:
                return None
        return buffer.take(end)

    def rest(self, buffer: ReceiveBuffer, reason: str) -> bytes:
        """Hand over all but what may be the beginning of the boundary; if no more can come, that too."""
        size = buffer.size
        if reason != "timeout" or not size:
            return buffer.take_all()
        text = self._boundary.text
        pending = self._boundary.alive_after(buffer.peek(max(0, size - len(text) + 1), size))
        return buffer.take(size - pending) if size > pending else b""


def parse_pattern(pattern: object, limits: Limits, max_line: int | None, max_all: int | None) -> Pattern | None:
    """Return what ``receive(pattern)`` waits for; None for a size of nothing, which reads nothing.

    Raises:
        ValueError: "bad pattern argument", "bad number argument", a bad limit. TypeError: "bad argument".
    """
    size = number(pattern)
    if size is not None:
        if size <= -1:
            raise ValueError("bad number argument")
        if size == float("inf"):
            raise ValueError(f"bad number argument: {pattern!r}")
        return Size(int(size)) if int(size) else None  # the fraction is dropped first: -0.5 is nothing
    if not isinstance(pattern, str | bytes):
        raise TypeError(f'bad argument: a size, "*l" or "*a" expected, got {kind_of(pattern)}')
    word = pattern if isinstance(pattern, str) else pattern.decode("latin-1")
    if word == "*l":
        return Line(limits.of("max_line", max_line))
    if word == "*a":
        return Everything(limits.of("max_all", max_all))
    if len(word) == 2 and word[0] == "*":
        raise ValueError("bad pattern argument")
    raise ValueError(f"bad pattern argument: {word}")
