"""The read half: every read takes what is there, and waits in one place for what is not."""

from __future__ import annotations

from typing import Any, Final

from lasa import _hub
from lasa._hub import CALL_COST, os_thread_id, wrong_os_thread
from lasa._stream.buffer import ReceiveBuffer
from lasa._stream.halves import ENDED_BY_PEER, NO_BUFFER, Halves
from lasa._stream.patterns import Pattern
from lasa.errors import LimitExceeded, SocketClosed, SocketError, SocketTimeout, StreamEnded, copy_of

__all__ = ["Reading"]

EXACT_RECV: Final = 16384  # reads of at least this size ask the kernel for just what is missing
LARGEST_RECV: Final = 262144


class Reading(Halves):
    """A connection that can be read."""

    __slots__ = ()

    def _read(self, pattern: Pattern) -> bytes:
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
                error.during("read", self._peer)
                raise
            if data is not None:
                return data
        return self._read_on(pattern, buffer)

    def _read_on(self, pattern: Pattern, buffer: ReceiveBuffer, *, steps_aside: bool = False) -> bytes:
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
                if self._read_over is not None:
                    raise SocketClosed
                data = pattern.take(buffer, 0) if buffer.size else None
                if data is not None:
                    self._is_dubious = False
                    return data
            while True:
                size = self._recv_size
                if pattern.counts and (wanted := pattern.wanted(buffer)) >= EXACT_RECV:
                    size = min(wanted, LARGEST_RECV)
                chunk = stream.recv(size, self._read_s, self._more_expected)
                if not chunk:
                    data = pattern.at_end(buffer)
                    if data is not None:
                        self._is_dubious = False
                        return data
                    raise StreamEnded
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
                    return data
        except SocketError as error:
            if isinstance(error, LimitExceeded):
                self._is_dubious = False  # there is more, which has to be read before anything else
            error.during("read", self._peer, self._read_s)
            if not isinstance(error, LimitExceeded | SocketTimeout) and self._read_over is None:
                self._read_over = ENDED_BY_PEER if isinstance(error, StreamEnded) else _kept(error)
            if error.partial is None:
                error.partial = pattern.rest(buffer, error.reason)
            raise
        except _hub.GreenletExit:
            self._abort()
            raise
        finally:
            self._is_reading = False
            if self._read_over is None:
                self._readable = buffer
            elif self._write_over is not None:
                self._release()


def _kept(error: SocketError) -> SocketError:
    kept = copy_of(error)
    kept.partial = None
    return kept
