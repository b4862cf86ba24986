"""The write half: all of the data or an error, after which nobody knows how much left (seed: tcpsock:send)."""

from __future__ import annotations

import _socket
from typing import Any, Final

from lasa import _hub
from lasa._hub import CALL_COST, os_thread_id, wrong_os_thread
from lasa._stream.halves import BUSY_CONNECTING, BUSY_READING, BUSY_WRITING
from lasa._stream.link import Link
from lasa._values import flatten
from lasa.errors import SocketError
from lasa.socket._reading import Reading

__all__ = ["Writing"]

_DIRECTIONS: Final = {"receive": _socket.SHUT_RD, "send": _socket.SHUT_WR, "both": _socket.SHUT_RDWR}


class Writing(Reading):
    """A connection that can be read and written."""

    __slots__ = ()

    def send(self, data: Any) -> tuple[int | None, str | None]:
        """Send all of ``data``, and return when the kernel has it.

        Args:
            data: bytes-like; str, as UTF-8; a number, as Lua writes it; a list or tuple of these and of further
                lists, which are sent one after another.
        Returns:
            ``(bytes_sent, None)``; or ``(None, err)``: "timeout", "closed", "socket busy writing", "socket busy
            connecting", or the system's own word ("broken pipe"). After an error of the wire nobody knows how much
            left: the write half is closed then, and reading goes on.
        Raises:
            TypeError: ``data`` is or holds something else, such as None or a boolean; nothing is sent then.
        Switches: when the kernel's buffer is full, or the slice of 10 ms is spent. Source: seed, "tcpsock:send".
        """
        if not self._write_open or self._is_writing:
            return None, self._why_not_writing()
        payload = data if type(data) is bytes else flatten(data)
        if not payload:
            return 0, None
        if os_thread_id() != self._home:
            raise wrong_os_thread("a socket")
        stream: Any = self._stream
        self._is_writing = True
        try:
            stream.send(payload, self._send_s)
        except SocketError as error:
            self._end_writing()
            return None, error.reason
        except _hub.GreenletExit:
            self._abort()
            raise
        except BaseException:
            self._end_writing()  # part of the data may have left, and the caller cannot know how much
            raise
        finally:
            self._is_writing = False
        return len(payload), None

    def send_now(self, data: bytes) -> int | None:
        """Send what goes without waiting, and return how much that was; None where send() has to do it, or to tell why.

        Switches: never.
        """
        stream = self._stream
        if not self._write_open or self._is_writing or type(stream) is not Link or os_thread_id() != self._home:
            return None
        hub = stream.hub
        if hub.credit < 0:  # whose slice may be spent
            return None
        hub.credit -= CALL_COST + len(data)
        try:
            return stream.sock.send(data)
        except OSError:
            return None

    def _end_writing(self) -> None:
        self._write_open = False
        if not self._read_open:
            self._release()

    def shutdown(self, direction: str = "send") -> tuple[int | None, str | None]:
        """End one direction, "send" or "receive", or "both"; the peer of "send" reads the end of the stream.

        Returns:
            ``(1, None)``; or ``(None, err)``: "closed", a busy word, or the system's own.
        Raises:
            ValueError: another direction.
        Switches: never. Source: OpenResty, "tcpsock:shutdown".
        """
        how = _DIRECTIONS.get(direction) if isinstance(direction, str) else None
        if how is None:
            raise ValueError(f"bad shutdown argument: {direction}")
        self._refuse_others()
        if self._is_connecting:
            return None, BUSY_CONNECTING
        if self._is_reading and how != _socket.SHUT_WR:
            return None, BUSY_READING
        if self._is_writing and how != _socket.SHUT_RD:
            return None, BUSY_WRITING
        is_open = {
            _socket.SHUT_RD: self._read_open,
            _socket.SHUT_WR: self._write_open,
            _socket.SHUT_RDWR: self._read_open or self._write_open,
        }
        if self._stream is None or not is_open[how]:
            return None, "closed"
        try:
            self._stream.shutdown(how)
        except SocketError as error:
            return None, error.reason
        if how != _socket.SHUT_WR:
            self._read_open = False
            self._readable = None
            self._buffer.clear()
        if how != _socket.SHUT_RD:
            self._write_open = False
        if not self._read_open and not self._write_open:
            self._release()
        return 1, None
