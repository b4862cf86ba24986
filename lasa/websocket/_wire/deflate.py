"""Messages deflated and inflated, the latter within a limit (RFC 7692 section 7.2).

Control frames never come here, and which message is compressed (RSV1) is known to whoever reads the frames. What both
sides agree on is in extension.py.
"""

from __future__ import annotations

import sys
import zlib
from typing import Final

from lasa.websocket._wire.closing import BAD_DATA
from lasa.websocket._wire.errors import MessageTooBig, ProtocolError

__all__ = ["NO_LIMIT", "BadCompressedData", "Deflater", "Inflater", "MessageTooBig"]

NO_LIMIT: Final = sys.maxsize - 1  # as a limit: zlib is asked for one byte more, which still fits its counter
# An empty stored block, less its first bits: what every message ends with, and what is not sent (section 7.2.1).
_TAIL: Final = b"\x00\x00\xff\xff"
_EMPTY: Final = b"\x00"
# zlib copies the input that it did not come to: given in slices, a long one costs no more than it has bytes.
_SLICE_BYTES: Final = 16 * 1024
_PIECE_BYTES: Final = 256 * 1024
# So many in one part of a message: each may be two bytes and costs a fresh inflater. Whoever writes them at all writes
# one for a fragment.
_FINAL_BLOCKS_MAX: Final = 10_000


class BadCompressedData(ProtocolError):
    """What the peer compressed cannot be inflated."""

    def __init__(self, reason: str = "bad compressed data", code: int = BAD_DATA) -> None:
        super().__init__(reason, code)


class Inflater:
    """Inflates the messages of one direction; takes no memory to speak of until the first one.

    A message that comes in whole frames goes through inflate(), frame by frame. One that is wanted in pieces goes
    through feed(), and then take() until nothing is left. After an error nothing more can be inflated.

    A message without a single byte counts as empty: the byte that should be there is forgotten by some peers.

    Args:
        window_bits: at least what the peer deflates with.
        resets: whether the peer begins every message with an empty window.

    Attributes:
        has_more: whether take() may have more of what was fed.
    """

    __slots__ = ("_at", "_bits", "_final_blocks", "_input", "_is_inside", "_is_last", "_resets", "_stream", "has_more")

    def __init__(self, window_bits: int, resets: bool) -> None:
        self._bits = window_bits
        self._resets = resets
        self._stream: zlib._Decompress | None = None
        self._is_inside = False  # something of this message has come, since its begin or since a final block
        self._is_last = False
        self._input = b""
        self._at = 0
        self._final_blocks = 0
        self.has_more = False

    def inflate(self, data: bytes, is_last: bool, limit: int) -> bytes:
        """Return what a frame, or any part of a message, stands for.

        Args:
            data: of the message, as it came.
            is_last: whether the message ends with it.
            limit: how many bytes may be returned, 0 or more: what is left of the limit on the message, or NO_LIMIT.
                Nothing is inflated beyond.
        Raises:
            BadCompressedData: it cannot be inflated.
            MessageTooBig: it is more than ``limit``.
        """
        stream = self._stream
        if stream is None or self.has_more:
            stream = self._begin()
        if is_last:
            if not data and not self._is_inside:
                return b""
            data = data + _TAIL
            self._is_inside = False
        elif data:
            self._is_inside = True
        try:
            output = stream.decompress(data, limit + 1)
        except zlib.error as error:
            self._give_up()
            raise BadCompressedData() from error
        if len(output) > limit:
            self._give_up()
            raise MessageTooBig()
        if stream.eof:
            output = self._inflate_behind_final_block(output, stream.unused_data, is_last, limit)
        elif is_last and self._resets:
            self._stream = None
        return output

    def feed(self, data: bytes, is_last: bool) -> None:
        """Take in the next part of a message, which take() gives inflated.

        Args:
            data: of the message, as it came; everything fed before must have been taken.
            is_last: whether the message ends with it.
        """
        if self.has_more:
            raise RuntimeError("what was fed before is not taken yet")
        if is_last and (data or self._is_inside):
            data = data + _TAIL
        self._begin_input(data, is_last)
        self._is_inside = self._is_inside or bool(data)
        if not data:
            self._end_input()

    def take(self, max_bytes: int) -> bytes:
        """Return the next inflated bytes, ``max_bytes`` (at least 1) at most; b"": no more of what was fed.

        Raises:
            BadCompressedData: it cannot be inflated.
        """
        if max_bytes < 1:  # zlib takes 0 for no limit
            raise ValueError("max_bytes must be at least 1")
        if not self.has_more:
            return b""
        try:
            return self._take(max_bytes)
        except zlib.error as error:
            self._give_up()
            raise BadCompressedData() from error

    def _begin(self) -> zlib._Decompress:
        if self.has_more:
            raise RuntimeError("what was fed before is not taken yet")
        self._stream = stream = zlib.decompressobj(-self._bits)
        return stream

    def _begin_input(self, data: bytes, is_last: bool) -> None:
        self._input = data
        self._at = 0
        self._is_last = is_last
        self._final_blocks = 0
        self.has_more = True

    def _end_input(self) -> None:
        self._input = b""
        self.has_more = False
        if self._is_last:
            self._is_inside = False
            if self._resets:
                self._stream = None

    def _give_up(self) -> None:
        self._stream = None
        self._input = b""
        self.has_more = False

    def _take(self, max_bytes: int) -> bytes:
        data = self._input
        while True:
            stream = self._stream or zlib.decompressobj(-self._bits)
            self._stream = stream
            piece = data[self._at : self._at + _SLICE_BYTES]
            output = stream.decompress(piece, max_bytes)
            if stream.eof:
                self._at += len(piece) - len(stream.unused_data)  # unconsumed_tail may hold the same bytes again
                self._note_final_block(len(data) - self._at)
                is_done = self._at == len(data)
            else:
                self._at += len(piece) - len(stream.unconsumed_tail)
                # A full piece may have left bytes inside zlib that need no more input.
                is_done = self._at == len(data) and len(output) < max_bytes
            if is_done:
                self._end_input()
            if output or is_done:
                return output

    def _note_final_block(self, rest_bytes: int) -> None:
        """Begin anew behind a final block (section 7.2.3.4): with it a deflate stream, and its window, is at its end.

        Where nothing but our own tail is left, it has no block to belong to: the peer did not write the one that
        should follow, and all is said.
        """
        self._stream = None
        self._final_blocks += 1
        if self._final_blocks > _FINAL_BLOCKS_MAX:
            raise zlib.error("too many final blocks")
        if self._is_last and rest_bytes == len(_TAIL):
            self._at += rest_bytes
        self._is_inside = rest_bytes > 0

    def _inflate_behind_final_block(self, output: bytes, rest: bytes, is_last: bool, limit: int) -> bytes:
        """Go on with the ``rest`` of a frame, its tail included, and return the whole."""
        pieces = [output]
        left = limit - len(output)
        self._begin_input(rest, is_last)
        self._note_final_block(len(rest))
        if self._at == len(rest):
            self._end_input()
        try:
            while self.has_more:
                piece = self._take(min(left + 1, _PIECE_BYTES))
                left -= len(piece)
                if left < 0:
                    self._give_up()
                    raise MessageTooBig()
                pieces.append(piece)
        except zlib.error as error:
            self._give_up()
            raise BadCompressedData() from error
        return b"".join(pieces)


class Deflater:
    """Deflates the messages of one direction; takes no memory to speak of until the first one.

    Args:
        window_bits: 9 to 15.
        resets: whether every message begins with an empty window.
        level: of zlib.
        mem_level: of zlib.
    """

    __slots__ = ("_bits", "_level", "_mem_level", "_resets", "_stream")

    def __init__(self, window_bits: int, resets: bool, level: int, mem_level: int) -> None:
        self._bits = window_bits
        self._resets = resets
        self._level = level
        self._mem_level = mem_level
        self._stream: zlib._Compress | None = None

    def forget(self) -> None:
        """Begin the next message with an empty window: what was deflated last will not leave."""
        self._stream = None

    def deflate(self, data: bytes | bytearray | memoryview, is_last: bool = True) -> bytes:
        """Return what stands for ``data``: the payload of a message or of a fragment.

        All of it is in there, so that the peer can inflate a fragment when it comes.

        Args:
            data: of the message.
            is_last: whether the message ends with it.
        """
        stream = self._stream
        if stream is None:
            stream = self._stream = zlib.compressobj(self._level, zlib.DEFLATED, -self._bits, self._mem_level)
        output = stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)
        if is_last:
            if self._resets:
                self._stream = None
            # Where there was nothing to flush, zlib may write nothing (section 7.2.3.6).
            return output[:-4] or _EMPTY
        return output
