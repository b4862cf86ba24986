"""The write half: all of the data or an error, after which nobody knows how much left."""

from __future__ import annotations

import _socket
from typing import Any

from lasa import _hub
from lasa._hub import CALL_COST, os_thread_id, wrong_os_thread
from lasa._stream.halves import BUSY_CONNECTING, BUSY_READING, BUSY_WRITING, CLOSED_HERE
from lasa._stream.link import Link
from lasa._stream.reading import Reading
from lasa.errors import SocketBusy, SocketClosed, SocketError, copy_of

__all__ = ["Writing"]


class Writing(Reading):
    """A connection that can be read and written."""

    __slots__ = ()

    def _write(self, payload: bytes) -> None:
        """Send all of ``payload``, and return when the kernel has it; the write half is open.

        Raises:
            SocketError: the half is over then.
        Switches: when the kernel's buffer is full, or the slice is spent.
        """
        if os_thread_id() != self._home:
            raise wrong_os_thread("a socket")
        stream: Any = self._stream
        self._is_writing = True
        try:
            stream.send(payload, self._send_s)
        except SocketError as error:
            error.during("write", self._peer, self._send_s)
            self._end_writing(copy_of(error))
            raise
        except _hub.GreenletExit:
            self._abort()
            raise
        except BaseException:
            self._end_writing(CLOSED_HERE)  # part of the data may have left, and the caller cannot know how much
            raise
        finally:
            self._is_writing = False

    def send_now(self, data: bytes) -> int | None:
        """Send what goes without waiting, and return how much that was; None where send() has to do it, or to tell why.

        Switches: never.
        """
        stream = self._stream
        if self._write_over is not None or self._is_writing or type(stream) is not Link or os_thread_id() != self._home:
            return None
        hub = stream.hub
        if hub.credit < 0:  # whose slice may be spent
            return None
        hub.credit -= CALL_COST + len(data)
        try:
            return stream.sock.send(data)
        except OSError:
            return None

    def _end_writing(self, why: SocketError) -> None:
        self._write_over = why
        if self._read_over is not None:
            self._release()

    def _shut_down(self, how: int) -> None:
        """End one direction or both, as the system does.

        Raises:
            SocketBusy, SocketClosed, SocketError.
        Switches: never.
        """
        self._refuse_others()
        ends_reading, ends_writing = how != _socket.SHUT_WR, how != _socket.SHUT_RD
        if self._is_connecting:
            raise SocketBusy(BUSY_CONNECTING)
        if self._is_reading and ends_reading:
            raise SocketBusy(BUSY_READING)
        if self._is_writing and ends_writing:
            raise SocketBusy(BUSY_WRITING)
        is_open = (ends_reading and self._read_over is None) or (ends_writing and self._write_over is None)
        if self._stream is None or not is_open:
            raise SocketClosed
        self._stream.shutdown(how)
        if ends_reading:
            self._read_over = self._read_over or CLOSED_HERE
            self._readable = None
            self._buffer.clear()
        if ends_writing:
            self._write_over = self._write_over or CLOSED_HERE
        if self._read_over is not None and self._write_over is not None:
            self._release()
