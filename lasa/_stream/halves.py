"""The two halves of a connection, read and write: their state, what may run at once, how long a wait may last.

One light thread may read while another writes. A second reader or writer is told that the half is busy and disturbs
nobody; an error ends its own half only; a read timeout ends nothing.
"""

from __future__ import annotations

from typing import Final

from lasa._hub import home_id, os_thread_id, wrong_os_thread
from lasa._stream.buffer import ReceiveBuffer
from lasa._stream.limits import DEFAULT_LIMITS, Limits
from lasa._stream.link import Stream
from lasa._stream.patterns import Line
from lasa.errors import SocketBusy, SocketClosed, SocketError, copy_of

__all__ = [
    "BUSY_CONNECTING",
    "BUSY_READING",
    "BUSY_WRITING",
    "CLOSED_HERE",
    "DEFAULT_TIMEOUT_MS",
    "ENDED_BY_PEER",
    "NO_BUFFER",
    "Halves",
]

DEFAULT_TIMEOUT_MS: Final = 30_000
BUSY_CONNECTING: Final = "socket busy connecting"
BUSY_READING: Final = "socket busy reading"
BUSY_WRITING: Final = "socket busy writing"

SMALLEST_RECV: Final = 8192

# Why a half is over, besides the error that it has failed with.
CLOSED_HERE: Final = SocketClosed()  # or it was never open
ENDED_BY_PEER: Final = SocketClosed()

_DEFAULT_LINE: Final = Line(DEFAULT_LIMITS.max_line)
_DEFAULT_TIMEOUT_S: Final = DEFAULT_TIMEOUT_MS / 1000
NO_BUFFER: Final = ReceiveBuffer()  # for all who have not read yet; nothing is ever fed into it


class Halves:
    """The state; reads are in reading.py, sends in writing.py, what makes and ends the connection in duplex.py."""

    __slots__ = (
        "__weakref__",
        "_buffer",
        "_connect_s",
        "_generation",
        "_home",
        "_is_connecting",
        "_is_dubious",
        "_is_reading",
        "_is_writing",
        "_limits",
        "_line",
        "_more_expected",
        "_queue_s",
        "_read_over",
        "_read_s",
        "_readable",
        "_recv_size",
        "_send_s",
        "_stream",
        "_write_over",
    )

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._stream: Stream | None = None
        self._buffer = NO_BUFFER
        # The buffer again, while a read may begin: connected, read half open, nobody reading.
        self._readable: ReceiveBuffer | None = None
        # Why the half is over; None while it is open.
        self._read_over: SocketError | None = CLOSED_HERE
        self._write_over: SocketError | None = CLOSED_HERE
        self._is_connecting = self._is_reading = self._is_writing = False
        self._connect_s = self._send_s = self._read_s = _DEFAULT_TIMEOUT_S
        self._queue_s: float | None = None
        self._limits = limits
        self._line = _DEFAULT_LINE if limits is DEFAULT_LIMITS else Line(limits.max_line)
        self._recv_size = SMALLEST_RECV
        self._more_expected = False
        self._home = home_id()
        # Whether the last read that needed more than was there has failed, so that what it waited for may still come.
        self._is_dubious = False
        self._generation = 0  # counts connections; a reader's end marker belongs to one of them

    def _refuse_others(self) -> None:
        if os_thread_id() != self._home:
            raise wrong_os_thread("a socket")

    def _why_not_reading(self) -> SocketError:
        self._refuse_others()
        if self._is_connecting:
            return SocketBusy(BUSY_CONNECTING)
        error = SocketBusy(BUSY_READING) if self._is_reading else _closed(self._read_over)
        return error.during("read", self._peer)

    def _why_not_writing(self) -> SocketError:
        self._refuse_others()
        if self._is_connecting:
            return SocketBusy(BUSY_CONNECTING)
        error = SocketBusy(BUSY_WRITING) if self._is_writing else _closed(self._write_over)
        return error.during("write", self._peer)

    @property
    def _peer(self) -> str | None:
        """Who is at the other end, for errors."""
        return None

    # -- for the drivers of protocols, and of the connection

    def limit_waits(
        self,
        *,
        queue_s: float | None = None,
        connect_s: float | None = None,
        send_s: float | None = None,
        read_s: float | None = None,
    ) -> None:
        """Set some of the timeouts, in seconds with fractions; a wait that runs keeps its own.

        Args:
            queue_s: for a place in a pool with a backlog; otherwise the connect timeout bounds that too.
        Switches: never.
        """
        if queue_s is not None:
            self._queue_s = queue_s
        if connect_s is not None:
            self._connect_s = connect_s
        if send_s is not None:
            self._send_s = send_s
        if read_s is not None:
            self._read_s = read_s

    def push_back(self, data: bytes) -> None:
        """Give bytes back that were read too many; the next read begins with them. Nobody may be reading.

        Switches: never.
        """
        if data:
            rest = self._buffer.take_all()
            if self._buffer is NO_BUFFER:
                self._buffer = ReceiveBuffer()
            self._buffer.feed(data + rest)
            if self._readable is not None:
                self._readable = self._buffer

    def _refuse_if_busy(self) -> None:
        if os_thread_id() != self._home:
            raise wrong_os_thread("a socket")
        if self._is_connecting:
            raise SocketBusy(BUSY_CONNECTING)
        if self._is_reading:
            raise SocketBusy(BUSY_READING)
        if self._is_writing:
            raise SocketBusy(BUSY_WRITING)

    def _open(self, stream: Stream) -> None:
        """Begin with a new connection, or with TLS over the old one; nothing of it is read yet."""
        self._stream = stream
        self._buffer.clear()
        self._readable = self._buffer
        self._read_over = self._write_over = None
        self._recv_size = SMALLEST_RECV
        self._more_expected = False
        self._is_dubious = False
        self._generation += 1

    def _detach(self) -> None:
        """Forget the connection, which goes on elsewhere or is closed."""
        self._stream = self._readable = None
        self._read_over = self._read_over or CLOSED_HERE  # as _end_both()
        self._write_over = self._write_over or CLOSED_HERE
        if self._is_reading:
            self._buffer = NO_BUFFER  # the other one is the reader's, who hands over what it has gathered
        else:
            self._buffer.clear()

    def _release(self) -> None:
        """Close the connection and give back what it holds."""
        raise NotImplementedError

    def _end_both(self) -> None:
        # What has ended a half before stays the reason.
        self._read_over = self._read_over or CLOSED_HERE
        self._write_over = self._write_over or CLOSED_HERE

    def _abort(self) -> None:
        """Close everything for everyone, since a light thread was killed inside."""
        self._end_both()
        self._release()


def _closed(why: SocketError | None) -> SocketClosed:
    # The word for a half that is over is "closed", whatever has ended it.
    error = SocketClosed()
    if why is not None and why is not CLOSED_HERE and why is not ENDED_BY_PEER:
        error.__cause__ = copy_of(why)
    return error
