"""The bytes that have come and that h11 has not taken yet: its receive buffer, with bounds and without copies.

h11's own buffer copies every body byte twice and bounds only heads that arrive in pieces. This one hands a body's
bytes on as they came, and counts however they were cut.
"""

from __future__ import annotations

import re
from typing import Final

from lasa.http._wire.errors import ProtocolError
from lasa.http._wire.grammar import CONTROL, tidied

__all__ = ["WireBuffer"]

MOST_EMPTY_LINES = 8
MOST_FRAMING = 16_384  # bytes of chunk headers beyond what chunks need, and beyond twice their data
CHUNK_HEADER = 14  # what one may have in any case
MOST_OF_A_LINE = 65_536  # bytes of a chunk's header, however large heads may be
GROWING = 8192  # bytes of a head that is not whole yet; copied with each piece, they would cost the square of the size
LOWEST_FIRST_BYTE = 0x21  # of a head; TLS begins with 0x16, a folded line with a blank

_CONTROL: Final = re.compile(CONTROL.encode())  # others may end a line at one of them, or a text


class WireBuffer:
    """What h11's readers read from: the methods are those of ``h11._receivebuffer.ReceiveBuffer``.

    With ``is_lenient`` lines of heads and trailers may end with LF alone, and trailers may be folded.
    """

    __slots__ = ("_data", "_framing", "_is_lenient", "_max_head", "_max_lines", "_searched", "_skipped", "_start")

    def __init__(self, max_head: int, max_lines: int, *, is_lenient: bool = False) -> None:
        self._data: bytes | bytearray = b""  # bytearray for what is large and not whole yet, so that it can grow
        self._start = 0
        self._searched = 0  # no end of a head or line begins before it
        self._skipped = 0  # empty lines before this head
        self._framing = 0  # bytes of chunk headers that nobody needs, in this body
        self._max_head = max_head
        self._max_lines = max_lines
        self._is_lenient = is_lenient

    def set_limits(self, max_head: int, max_lines: int) -> None:
        """Take other limits, for the next head."""
        self._max_head = max_head
        self._max_lines = max_lines

    def __iadd__(self, chunk: bytes) -> WireBuffer:
        if self._start == len(self._data):
            self._data = chunk
            self._searched = 0
        elif type(self._data) is bytearray:
            self._data += chunk
            return self
        else:
            # What is left is less than a head or a line, or it would have been taken.
            rest = self._data[self._start :]
            self._data = rest + chunk if len(rest) < GROWING else bytearray(rest + chunk)
            self._searched = max(0, self._searched - self._start)
        self._start = 0
        return self

    def __len__(self) -> int:
        return len(self._data) - self._start

    def __bool__(self) -> bool:
        return len(self._data) > self._start

    def __bytes__(self) -> bytes:
        return bytes(self._data[self._start :])

    def has_line_end(self, most: int) -> bool:
        """Whether there is the end of a line among the first ``most`` bytes."""
        return self._data.find(b"\n", self._start, self._start + most) >= 0

    def _whole(self) -> bytes:
        # The data, now that what was large is whole.
        data = self._data
        if type(data) is not bytes:
            data = self._data = bytes(data)
        return data

    def skip_empty_lines(self) -> None:
        """Drop a few line ends before a request line, as RFC 9112 section 2.2 advises.

        Raises:
            ProtocolError: they do not end.
        """
        while self._data.startswith(b"\r\n", self._start):
            self._start += 2
            self._skipped += 1
            if self._skipped > MOST_EMPTY_LINES:
                raise ProtocolError("bad request line")

    def may_begin(self, beginning: bytes) -> bool:
        """Whether what has come, but for bytes that begin no head at all, can be or become that beginning."""
        data, start = self._data, self._start
        return (
            data.startswith(beginning, start)
            or len(data) == start
            or data[start] < LOWEST_FIRST_BYTE
            or beginning.startswith(data[start : start + len(beginning)])
        )

    def take_head(self) -> bytes | None:
        """Return everything up to and with the first empty line; None means: feed me more.

        Raises:
            ProtocolError: it is too large, or is none already.
        """
        data, start = self._data, self._start
        position = max(start, self._searched - 3)
        if self._is_lenient:  # whichever comes first: an empty line that ends with CRLF, or one that ends with LF
            end = data.find(b"\n\r\n", position) + 3
            bare = data.find(b"\n\n", position, end if end > 2 else len(data)) + 2
            end = bare if bare > 1 else end
        else:
            end = data.find(b"\r\n\r\n", position) + 4
        is_whole = end > 3
        size = (end if is_whole else len(data)) - start
        if size > self._max_head:
            raise ProtocolError("head too large", 431)
        if not is_whole:
            self._refuse_early(data, start)
            self._searched = len(data)
            return None
        self._start = end
        self._skipped = 0
        if type(data) is not bytes:
            data = self._whole()
        return data[start:end] if start or len(data) > end else data

    def _refuse_early(self, data: bytes | bytearray, start: int) -> None:
        # Without this, whoever ends lines with a bare LF, or speaks TLS, would wait for an answer until the timeout.
        if len(data) > start and data[start] < LOWEST_FIRST_BYTE and not data.startswith((b"\r", b"\r\n"), start):
            raise ProtocolError("bad first line")
        if self._is_lenient:
            return
        position = max(start, self._searched)
        while (position := data.find(b"\n", position)) >= 0:
            if position == start or data[position - 1] != 0x0D:
                raise ProtocolError("bare LF in head")
            position += 1

    # -- what h11's body readers call

    def maybe_extract_at_most(self, count: int) -> bytes | None:
        """Return up to ``count`` bytes, the very chunk that came where that is all of it; None if there is none."""
        data, start = self._data, self._start
        if type(data) is not bytes:
            data = self._whole()
        if not start and 0 < len(data) <= count:
            self._data = b""
            return data
        piece = data[start : start + count]
        self._start = start + len(piece)
        return piece or None

    def maybe_extract_next_line(self) -> bytes | None:
        """Return a line with its CRLF, of a chunk's size; None means: feed me more."""
        data, start = self._data, self._start
        end = data.find(b"\r\n", start)
        size = (len(data) if end < 0 else end + 2) - start
        if size > min(self._max_head, MOST_OF_A_LINE):
            raise ProtocolError("chunk header too large")
        if end < 0:
            if data.find(b"\n", start) >= 0:
                raise ProtocolError("bare LF in chunk header")
            return None
        self._start = end + 2
        line = self._whole()[start : end + 2]
        if b"\r" in line[:-2]:
            raise ProtocolError("bare CR in chunk header")
        if size > CHUNK_HEADER:
            self._count_framing(line)
        if b";" in line:
            if _CONTROL.search(line, 0, len(line) - 2):
                raise ProtocolError("bad chunk extension")
            line = line.partition(b";")[0].rstrip(b" \t") + b"\r\n"  # h11 knows no blanks before it
        return line

    def _count_framing(self, line: bytes) -> None:
        # Extensions are dropped, so nothing else would end a body of tiny chunks with long ones.
        try:
            data = int(line.partition(b";")[0], 16)
        except ValueError:
            data = 0  # h11 refuses it
        self._framing = max(0, self._framing + len(line) - CHUNK_HEADER - 2 * data)
        if self._framing > MOST_FRAMING:
            raise ProtocolError("chunk extensions too large")

    def maybe_extract_lines(self) -> list[bytes] | None:
        """Return the lines of a trailer section, without their ends; None means: feed me more."""
        self._framing = 0
        if self._data.startswith(b"\r\n", self._start):
            self._start += 2
            return []
        if self._is_lenient and self._data.startswith(b"\n", self._start):
            self._start += 1
            return []
        head = self.take_head()
        if head is None:
            return None
        if self._is_lenient:
            head = tidied(head)
        lines = head[:-4].split(b"\r\n")
        if len(lines) > self._max_lines:
            raise ProtocolError("too many trailers", 431)
        for line in lines:
            if line[:1] in (b" ", b"\t") or _CONTROL.search(line):
                raise ProtocolError("bad trailer")
        return lines

    def is_next_line_obviously_invalid_request_line(self) -> bool:
        """Never: take_head() has looked."""
        return False
