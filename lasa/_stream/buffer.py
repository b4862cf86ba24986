"""The bytes that have arrived and that nobody has read yet. No socket, no clock, no hub.

The front is one bytes object with a position, for short reads; what arrives before the front is
used up is kept as pieces and joined once, when it is taken. Every operation costs O(bytes) over
the life of the stream, however it is cut.

For a reader that takes line after line, the next few kilobytes of the front are cut into lines at
once, which is cheaper than cutting them one by one; any other read puts them together again.
"""

from __future__ import annotations

from typing import Final

__all__ = ["LINES_IN_A_ROW", "ReceiveBuffer", "find_text"]

LINES_IN_A_ROW: Final = 16  # after so many, the next lines are cut ahead
CUT_AHEAD: Final = 4096  # bytes; bounds what another read has to put together again
LINES_AHEAD: Final = 64  # so many at the most: the clock is not looked at between them

_NO_LINES: Final[list[bytes]] = []

FAR: Final = 4096  # bytes to search from which on find_text() looks for the first byte alone
FALSE_STARTS: Final = 8  # after so many, that byte is too frequent


def find_text(data: bytes, text: bytes, start: int) -> int:
    """Return what ``data.find(text, start)`` returns, four times as fast where text's first byte is rare.

    A single byte is found by memchr; boundaries mostly begin with one that their sections hardly have.
    """
    if len(data) - start > FAR:
        first = text[:1]
        for _ in range(FALSE_STARTS):
            start = data.find(first, start)
            if start < 0 or data.startswith(text, start):
                return start
            start += 1
    return data.find(text, start)


class ReceiveBuffer:
    """Bytes in the order of their arrival.

    Attributes:
        lines: lines that were cut ahead, the next one last.
        front: the first piece.
        position: how much of the front has been taken or cut ahead.
        row: how many lines were taken in a row, up to LINES_IN_A_ROW.

    These are public for the two reads of _reading.py that must not cost a call.
    """

    __slots__ = ("_behind", "_pieces", "front", "lines", "position", "row")

    def __init__(self) -> None:
        self.front = b""
        self.position = 0
        self._pieces: list[bytes] | None = None  # what came while the front was not used up
        self._behind = 0  # bytes in the pieces
        self.lines = _NO_LINES
        self.row = 0

    @property
    def size(self) -> int:
        """How many bytes are unread; every read but that of lines in a row begins by asking it."""
        if self.lines:
            self._put_together()
        return len(self.front) - self.position + self._behind

    @property
    def has_pieces(self) -> bool:
        """Whether there is more than the front."""
        return self._pieces is not None

    def feed(self, chunk: bytes, start: int = 0) -> None:
        """Add what has arrived, from ``start`` on, which must be 0 unless nothing is unread."""
        if self._pieces is None:
            if self.position == len(self.front):
                self.front = chunk
                self.position = start
                return
            self._pieces = []
        self._pieces.append(chunk)
        self._behind += len(chunk)
        # A peer that drips must not cost an object per byte; joining this seldom stays linear.
        if len(self._pieces) > 512 + (self._behind >> 12):
            self._join()

    def cut_lines(self, limit: int) -> int:
        """Cut the next lines of the front ahead, and return how many; the row goes on."""
        self.row = LINES_IN_A_ROW - 1
        if limit >= CUT_AHEAD:
            window = self.front[self.position : self.position + CUT_AHEAD]
            end = window.rfind(b"\n")
            if end >= 0:
                lines = window[:end].split(b"\n", LINES_AHEAD)
                if len(lines) > LINES_AHEAD:
                    end -= len(lines.pop()) + 1
                lines.reverse()
                self.lines = lines
                self.position += end + 1
        return len(self.lines)

    def begin_row(self) -> None:
        """Count lines in a row anew; those that were cut ahead are unread bytes again."""
        if self.lines:
            self._put_together()
        self.row = 0

    def _put_together(self) -> None:
        self.position -= sum(map(len, self.lines)) + len(self.lines)
        self.lines = _NO_LINES
        self.row = 0

    def take_line(self, limit: int) -> bytes | None:
        """Return one line without its LF, if it is in the front and within ``limit``; the usual case.

        None means: ask ``find()``, which looks everywhere.
        """
        position = self.position
        end = self.front.find(b"\n", position)
        if end < 0 or end - position > limit:
            return None
        line = self.front[position:end]
        self.position = end + 1
        return line

    def find(self, pattern: bytes, start: int) -> int:
        """Return where ``pattern`` first occurs at or after ``start`` (0 is the first unread byte), or -1."""
        if self._pieces is not None:
            overlap = len(pattern) - 1
            last = self._pieces[-1]
            before_last = self.size - len(last)
            if start >= before_last - overlap >= 0:
                return self._find_in_last(pattern, max(start, before_last - overlap), last)
            self._join()
        found = find_text(self.front, pattern, self.position + start)
        return found - self.position if found >= 0 else -1

    def _find_in_last(self, pattern: bytes, start: int, last: bytes) -> int:
        # All but the last piece has been searched before: look at the seam, then at the piece.
        before_last = self.size - len(last)
        if start < before_last:
            found = (self._tail(before_last - start) + last[: len(pattern) - 1]).find(pattern)
            if found >= 0:
                return start + found
        found = find_text(last, pattern, max(0, start - before_last))
        return before_last + found if found >= 0 else -1

    def _tail(self, count: int) -> bytes:
        # The last ``count`` bytes before the last piece.
        assert self._pieces is not None
        parts: list[bytes] = []
        for piece in (*reversed(self._pieces[:-1]), self.front[self.position :]):
            parts.append(piece[max(0, len(piece) - count) :])
            count -= len(parts[-1])
            if not count:
                break
        return b"".join(reversed(parts))

    def peek(self, start: int, end: int) -> bytes:
        """Return the unread bytes from ``start`` to ``end`` without taking them; fewer if they are not there."""
        if self.position + end > len(self.front):
            self._join()
        return self.front[self.position + start : self.position + end]

    def take(self, count: int) -> bytes:
        """Return the first ``count`` unread bytes, which must be there."""
        front, position, pieces = self.front, self.position, self._pieces
        end = position + count
        if end < len(front) or pieces is None:
            if end == len(front):
                self.front, self.position = b"", 0
                return front[position:]  # the same object when all of it was unread
            self.position = end
            return front[position:end]
        parts = [front[position:]]
        missing = end - len(front)
        used = 0
        while used < len(pieces) and missing >= len(pieces[used]):
            parts.append(pieces[used])
            missing -= len(pieces[used])
            used += 1
        if used < len(pieces):
            last = pieces[used]
            if missing:
                parts.append(last[:missing])
            self._behind -= sum(map(len, pieces[: used + 1]))
            self.front, self.position = last, missing
            del pieces[: used + 1]
        else:
            self._behind = 0
            self.front, self.position = b"", 0
            pieces.clear()
        if not pieces:
            self._pieces = None
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def take_front(self, limit: int) -> bytes:
        """Return at least one and at most ``limit`` unread bytes, as many as come without a copy."""
        if self.position == len(self.front):
            self.take(0)  # on to the first piece
        return self.take(min(limit, len(self.front) - self.position))

    def take_all(self) -> bytes:
        """Return everything unread."""
        return self.take(self.size)

    def clear(self) -> None:
        """Forget everything unread."""
        self.front = b""
        self.position = self._behind = 0
        self._pieces = None
        self.lines = _NO_LINES
        self.row = 0

    def drop_used_front(self) -> None:
        """Let go of a front that is used up, before a wait that may be long."""
        if self.position == len(self.front) and self._pieces is None:
            self.clear()

    def _join(self) -> None:
        if self._pieces is not None:
            self.front = b"".join([self.front[self.position :], *self._pieces])
            self.position = self._behind = 0
            self._pieces = None
