"""The bytes that have arrived and that nobody has read yet. No socket, no clock, no hub.

The front is one bytes object with a position, for short reads; what arrives before the front is
used up is kept as pieces and joined once, when it is taken. Every operation costs O(bytes) over
the life of the stream, however it is cut.
"""

from __future__ import annotations

__all__ = ["ReceiveBuffer"]


class ReceiveBuffer:
    """Bytes in the order of their arrival.

    Attributes:
        size: how many bytes are unread.
    """

    __slots__ = ("_front", "_pieces", "_position", "size")

    def __init__(self) -> None:
        self._front = b""
        self._position = 0  # how much of the front has been taken
        self._pieces: list[bytes] = []
        self.size = 0

    def feed(self, chunk: bytes, start: int = 0) -> None:
        """Add what has arrived, from ``start`` on, which must be 0 unless nothing is unread."""
        if not self.size:
            self._front = chunk
            self._position = start
        else:
            self._pieces.append(chunk)
            # A peer that drips must not cost an object per byte; joining this seldom stays linear.
            if len(self._pieces) > 512 + (self.size >> 12):
                self._join()
        self.size += len(chunk) - start

    def take_line(self, limit: int) -> bytes | None:
        """Return one line without its LF, if it is in the front and within ``limit``; the usual case.

        None means: ask ``find()``, which looks everywhere.
        """
        position = self._position
        end = self._front.find(b"\n", position)
        if end < 0 or end - position > limit:
            return None
        line = self._front[position:end]
        self._position = end + 1
        self.size -= end + 1 - position
        return line

    def find(self, pattern: bytes, start: int) -> int:
        """Return where ``pattern`` first occurs at or after ``start`` (0 is the first unread byte), or -1."""
        if self._pieces:
            overlap = len(pattern) - 1
            before_last = self.size - len(self._pieces[-1])
            if start >= before_last - overlap >= 0:
                return self._find_in_last(pattern, max(start, before_last - overlap), before_last)
            self._join()
        found = self._front.find(pattern, self._position + start)
        return found - self._position if found >= 0 else -1

    def _find_in_last(self, pattern: bytes, start: int, before_last: int) -> int:
        # All but the last piece has been searched before: look at the seam, then at the piece.
        last = self._pieces[-1]
        if start < before_last:
            seam = self._slice(start, before_last) + last[: len(pattern) - 1]
            found = seam.find(pattern)
            if found >= 0:
                return start + found
        found = last.find(pattern, max(0, start - before_last))
        return before_last + found if found >= 0 else -1

    def peek(self, start: int, end: int) -> bytes:
        """Return the unread bytes from ``start`` to ``end`` without taking them; fewer if they are not there."""
        if self._position + end > len(self._front) and self._pieces:
            self._join()
        return self._front[self._position + start : self._position + end]

    def take(self, count: int) -> bytes:
        """Return the first ``count`` unread bytes, which must be there."""
        position = self._position
        end = position + count
        front = self._front
        if end <= len(front):
            self.size -= count
            if end == len(front):
                self._next_front()
                return front[position:]  # the same object when all of it was unread
            self._position = end
            return front[position:end]
        parts = [front[position:]]
        missing = end - len(front)
        pieces = self._pieces
        used = 0
        while missing > len(pieces[used]):
            parts.append(pieces[used])
            missing -= len(pieces[used])
            used += 1
        last = pieces[used]
        parts.append(last[:missing])
        del pieces[: used + 1]
        self._front = last
        self._position = missing
        self.size -= count
        if missing == len(last):
            self._next_front()
        return b"".join(parts)

    def take_front(self, limit: int) -> bytes:
        """Return at least one and at most ``limit`` unread bytes, as many as come without a copy."""
        if self._position == len(self._front):
            self._next_front()
        return self.take(min(limit, len(self._front) - self._position))

    def take_all(self) -> bytes:
        """Return everything unread."""
        return self.take(self.size) if self.size else b""

    def clear(self) -> None:
        """Forget everything unread."""
        self._front = b""
        self._position = self.size = 0
        self._pieces.clear()

    def _next_front(self) -> None:
        self._front = self._pieces.pop(0) if self._pieces else b""
        self._position = 0

    def _join(self) -> None:
        self._front = b"".join([self._front[self._position :], *self._pieces])
        self._position = 0
        self._pieces.clear()

    def _slice(self, start: int, end: int) -> bytes:
        # The bytes from start to end, near the end of the stream: gathered from behind.
        parts: list[bytes] = []
        stop = self.size - len(self._pieces[-1])
        for piece in (*reversed(self._pieces[:-1]), self._front[self._position :]):
            parts.append(piece[max(0, start - (stop - len(piece))) : max(0, end - (stop - len(piece)))])
            stop -= len(piece)
            if stop <= start:
                break
        return b"".join(reversed(parts))
