"""Sends as the seed has them, and the timeouts of both halves (seed: tcpsock:send, settimeout)."""

from __future__ import annotations

import _socket
from typing import Any, Final

from lasa._stream import DEFAULT_TIMEOUT_MS, Writing
from lasa._values import flatten, timeout_ms
from lasa.errors import SocketError, Word, failed

__all__ = ["Outcome", "Sending"]

Outcome = tuple[int | None, Word | None]

_DIRECTIONS: Final = {"receive": _socket.SHUT_RD, "send": _socket.SHUT_WR, "both": _socket.SHUT_RDWR}


class Sending(Writing):
    """Sends that answer in tuples."""

    __slots__ = ()

    def send(self, data: Any) -> Outcome:
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
        if self._write_over is not None or self._is_writing:
            return failed(self._why_not_writing())
        payload = data if type(data) is bytes else flatten(data)
        if not payload:
            return 0, None
        try:
            self._write(payload)
        except SocketError as error:
            return failed(error)
        return len(payload), None

    def shutdown(self, direction: str = "send") -> Outcome:
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
        try:
            self._shut_down(how)
        except SocketError as error:
            return failed(error)
        return 1, None

    def settimeout(self, timeout: float | None) -> None:
        """Bound every later wait, of connect, send and read, to ``timeout`` milliseconds.

        It bounds the time without progress, not the whole call. Zero, negative, None or no number: the default, 30,000.

        Raises:
            ValueError: "bad timeout value", 2**31 or more.
        Switches: never. Source: seed, "tcpsock:settimeout".
        """
        self._connect_s = self._send_s = self._read_s = timeout_ms(timeout, DEFAULT_TIMEOUT_MS) / 1000

    def settimeouts(self, connect: float | None, send: float | None, read: float | None) -> None:
        """As settimeout(), for each kind of wait; the TLS handshake counts as connecting, accept() as reading.

        Switches: never. Source: OpenResty, "tcpsock:settimeouts".
        """
        in_s = [timeout_ms(timeout, DEFAULT_TIMEOUT_MS) / 1000 for timeout in (connect, send, read)]
        self._connect_s, self._send_s, self._read_s = in_s
