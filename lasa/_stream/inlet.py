"""What the driver of a protocol reads of a stream: the more comes at once, the more is asked for."""

from __future__ import annotations

from typing import Final

from lasa._hub import Deadline
from lasa._stream.link import Stream

__all__ = ["LINGER_S", "Inlet"]

SMALLEST_READ: Final = 16_384
LARGEST_READ: Final = 262_144
LINGER_S: Final = 1.0  # how long a peer may still send what nobody reads, so that it gets our last bytes
LINGER_BYTES: Final = 8 * 1024 * 1024


class Inlet:
    """The reads of one stream."""

    __slots__ = ("_more_expected", "_size", "stream")

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.begin()

    def begin(self) -> None:
        """Expect little, as at the start."""
        self._size = SMALLEST_READ
        self._more_expected = False

    def read(self, wait_s: float) -> bytes:
        """Return what has come, b"" at the end of the stream.

        Raises:
            SocketTimeout, SocketClosed, SocketError.
        Switches: when nothing has come yet.
        """
        size = self._size
        chunk = self.stream.recv(size, wait_s, self._more_expected)
        if len(chunk) == size:  # a full answer means that the peer streams
            self._more_expected = True
            if size < LARGEST_READ:
                self._size = size * 2
        else:
            self._more_expected = False
        return chunk

    def read_now(self) -> bytes | None:
        """As read(), but None if nothing has come. Never switches."""
        return self.stream.recv_now(self._size)

    def read_away(self, wait_s: float = LINGER_S) -> None:
        """Read and drop what still comes, for a while: a connection closed with bytes unread is reset by the system.

        Raises:
            SocketTimeout: it has not ended; SocketError.
        Switches: until the peer has ended the stream.
        """
        deadline = Deadline(wait_s)
        left = LINGER_BYTES
        while left > 0 and (left_s := deadline.left_s):
            size = len(self.stream.recv(LARGEST_READ, left_s, False))
            if not size:
                return
            left -= size
