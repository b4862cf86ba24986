"""A socket as a server: an address of its own, and the connections that come to it (seed: tcpsock:bind, accept)."""

from __future__ import annotations

import _socket
from typing import Any, Self

from lasa import _hub
from lasa._address import ip_of, parse_port, unix_path
from lasa._stream import DEFAULT_LIMITS, LISTEN_BACKLOG, Connection, Limits, Listener
from lasa._values import integer, number, type_name
from lasa.errors import BadAddress, SocketClosed, SocketError, Word, failed
from lasa.socket._secure import Secure
from lasa.socket._writing import Outcome

__all__ = ["Serving"]


class Serving(Secure):
    """A socket that may be bound and accept connections."""

    __slots__ = ("_listener",)

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(limits)
        self._listener: Listener | None = None

    def bind(self, ip: str, port: Any = None, *, backlog: int = LISTEN_BACKLOG) -> tuple[bool | None, Word | None]:
        """Set the local address: of a server, or of the next connect().

        With a port (0 lets the system choose, see getsockname()), or for "unix:/path", it is bound at once, for
        accept(); an earlier one is given back. Without a port it is remembered for connect(), which reports what the
        system says to it.

        Args:
            ip: an IPv4 or IPv6 literal, or "unix:/path", whose file stays when the socket is closed.
            backlog: how many connections the system keeps until accept() takes them.
        Returns:
            ``(True, None)``; or ``(None, err)``: "bad address", "bad port number: N", "expecting port to be a number
            but got type: T", ``failed to parse host name "X": R`` (a unix path), "already connected", "address already
            in use" and other words of the system, or a busy word.
        Raises:
            TypeError: the address is no string. ValueError: a bad backlog.
        Switches: never. Source: seed, "tcpsock:bind".
        """
        pending = integer(backlog)
        if pending is None or pending < 0:
            raise ValueError(f"bad backlog: {backlog!r}")
        backlog = pending
        try:
            self._refuse_if_busy()
            path = unix_path(ip) if isinstance(ip, str) else None
            if self._stream is not None and (path is not None or port is not None):
                raise SocketError("already connected")
            if path is not None:
                self._bind_now(_socket.AF_UNIX, path, backlog)
                return True, None
            family, text = ip_of(ip)
            if port is None:
                self._local = (family, text, 0)
                return True, None
            if number(port) is None:
                raise BadAddress(f"expecting port to be a number but got type: {type_name(port)}")
            self._bind_now(family, (text, parse_port(port)), backlog)
        except SocketError as error:
            return failed(error)
        return True, None

    def _bind_now(self, family: int, address: Any, backlog: int) -> None:
        listener = Listener(family, address, backlog)
        self._drop_listener()
        self._listener = listener
        if family != _socket.AF_UNIX:
            self._local = (family, *listener.link.sock.getsockname()[:2])

    def listen(self) -> Outcome:
        """Have the system take connections to the address of bind(); otherwise the first accept() does.

        Returns:
            ``(1, None)``; or ``(None, err)``: "closed" (not bound), or the system's own word.
        Switches: never. Source: beyond the seed, for a server that tells others its address before it accepts.
        """
        if self._listener is None:
            return failed(SocketClosed())
        try:
            self._listener.listen()
        except SocketError as error:
            return failed(error)
        return 1, None

    def listen_on(self, descriptor: int) -> tuple[bool | None, Word | None]:
        """Take over a descriptor that listens already, such as one of a process above or of systemd, for accept().

        Returns:
            ``(True, None)``; or ``(None, err)``: "bad file descriptor" and other words of the system, "invalid
            argument" (it does not listen), "already connected", or a busy word.
        Switches: never. Source: beyond the seed.
        """
        try:
            self._refuse_if_busy()
            if self._stream is not None:
                raise SocketError("already connected")
            listener = Listener.on(descriptor)
            self._drop_listener()
            self._listener = listener
        except SocketError as error:
            return failed(error)
        return True, None

    def accept(self) -> tuple[Self | None, Word | None]:
        """Wait for a connection to the address of bind(); the first call begins to listen.

        The read timeout bounds the wait. When the process is out of descriptors, accept() waits for one within that
        time rather than failing at once, so that a serving loop does not spin.

        Returns:
            ``(socket, None)``; or ``(None, err)``: "timeout" (it still listens), "closed" (not bound), "socket busy
            reading" (another light thread accepts), "too many open files", or the system's own word. The new
            socket has the limits of this one, and the default timeouts.
        Switches: when no connection waits. Source: seed, "tcpsock:accept".
        """
        try:
            self._refuse_if_busy()
            if self._listener is None:
                raise SocketClosed
            self._is_reading = True
            try:
                link = self._listener.accept(self._read_s)
            finally:
                self._is_reading = False
        except SocketError as error:
            return failed(error.during("accept", timeout_s=self._read_s))
        except _hub.GreenletExit:
            self._drop_listener()
            raise
        client = type(self)(self._limits)
        client._take(Connection(link))
        return client, None

    def _drop_listener(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()

    def _kernel_socket(self) -> _socket.socket | None:
        return super()._kernel_socket() if self._listener is None else self._listener.link.sock

    def _release(self) -> None:
        if self._listener is not None:
            self._drop_listener()
        super()._release()
