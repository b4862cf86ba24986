"""UDP and unix datagram cosockets (seed: lasa.socket.udp)."""

from __future__ import annotations

import _socket
from collections.abc import Callable
from typing import Any, ClassVar, Final, Self

from lasa._address import host_text, ip_of, is_unix, parse_port, unix_path
from lasa._stream import DEFAULT_TIMEOUT_MS, Datagram, end_unclosed
from lasa._values import flatten, integer, kind_of, timeout_ms
from lasa.errors import SocketError, Word, failed, word_of
from lasa.socket._writing import Outcome

__all__ = ["UdpSocket"]

LARGEST_RECEIVE: Final = 8192  # the seed's cap for receive()
LARGEST_DATAGRAM: Final = 65536


class UdpSocket(Datagram):
    """A datagram cosocket; ``lasa.socket.udp()`` makes it.

    While one light thread waits in ``receive()``, other calls answer "socket busy"; only ``sendto()`` may run beside a
    waiting ``receivefrom()``, so that a server can answer, and ``settimeout()`` and ``getsockname()`` always may. No
    error of a datagram closes the socket.
    """

    __slots__ = ()

    warns_unclosed: ClassVar = True  # see TcpSocket
    largest_receive: ClassVar = LARGEST_RECEIVE

    def __repr__(self) -> str:
        state = "closed" if self._link is None else "with a peer" if self._has_peer else "open"
        return f"<lasa udp socket {state} at {id(self):#x}>"

    def __enter__(self) -> Self:
        """Return the socket; leaving the ``with`` closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        self._refuse_others()
        self.drop()
        self._local = None

    def __del__(self, _end_unclosed: Callable[..., None] = end_unclosed) -> None:
        link = getattr(self, "_link", None)
        if link is not None:
            _end_unclosed(self, link, link.close, warns=self.warns_unclosed)

    # -- addresses

    def setpeername(self, host: Any, port: Any = None) -> Outcome:
        """Set the peer of ``send()`` and ``receive()``: a host and port, or "unix:/path". No peer is asked.

        An earlier peer's socket is closed first; a local address set before is kept.

        Returns:
            ``(1, None)``; or ``(None, err)``: "bad port number: N", "NAME could not be resolved (…)",
            ``failed to parse host name "X": R``, "socket busy", or the system's own word.
        Raises:
            TypeError: the port is no number, or the host neither a string nor a number.
        Switches: for names only. Source: seed, "udpsock:setpeername".
        """
        host = host_text(host)
        try:
            self.set_peer(host, 0 if is_unix(host) else _port(port))
        except SocketError as error:
            return failed(error)
        return 1, None

    def bind(self, ip: str) -> Outcome:
        """Remember an IP literal as the local address of the next ``setpeername()``.

        Returns:
            ``(1, None)``; or ``(None, err)``: "bad address", "socket busy".
        Raises:
            TypeError: the address is no string.
        Switches: never. Source: OpenResty, "udpsock:bind".
        """
        try:
            self._bind_later(ip)
        except SocketError as error:
            return failed(error)
        return 1, None

    def setsockname(self, ip: str, port: Any = None) -> Outcome:
        """Bind to an IP literal and port now (0 lets the system choose, see getsockname()), or to "unix:/path".

        ``receive()`` and ``receivefrom()`` then take datagrams from anybody.

        Returns:
            ``(1, None)``; or ``(None, err)``: "bad address", "bad port number: N", ``failed to parse host name "X": R``
            (a unix path), "socket busy", or the system's own word.
        Raises:
            TypeError: the address is no string, or the port no number.
        Switches: never. Source: seed, "udpsock:setsockname".
        """
        try:
            self._refuse_if_busy()
            path = unix_path(ip) if isinstance(ip, str) else None
            if path is not None:
                self._bind((_socket.AF_UNIX, path))
            else:
                family, text = ip_of(ip)
                self._bind((family, (text, _port(port))))
        except SocketError as error:
            return failed(error)
        return 1, None

    def getsockname(self) -> tuple[Any, ...]:
        """Return ``(ip, port)`` of this end, ``("unix:/path", None)``, or ``(None, "closed")``. Switches: never."""
        try:
            return self.name("getsockname")
        except SocketError as error:
            return failed(error)

    # -- datagrams

    def send(self, data: Any) -> Outcome:
        """Send one datagram to the peer.

        Args:
            data: as of TcpSocket.send(); a list is one datagram, b"" an empty one.
        Returns:
            ``(1, None)``: 1, not a length; or ``(None, err)``: "closed" (no peer is set), "socket busy", "timeout",
            or the system's own word ("message too long", "connection refused" for an earlier datagram).
        Raises:
            TypeError: data of another kind.
        Switches: when the kernel's buffer is full, or the slice of 10 ms is spent. Source: seed, "udpsock:send".
        """
        try:
            self.ready_to_send()
            self.transmit(flatten(data))
        except SocketError as error:
            return failed(error)
        return 1, None

    def sendto(self, data: Any, host: Any, port: Any = None) -> Outcome:
        """Send one datagram to a host and port, or to "unix:/path"; no peer has to be set.

        It may run while another light thread waits in ``receivefrom()``. A socket that is not open yet is opened.

        Returns, Raises: as send() and setpeername(), without "closed"; "address family not supported by protocol" if
        the socket is of another family than the address.
        Switches: for names, and when the kernel's buffer is full. Source: beyond the seed.
        """
        host = host_text(host)
        payload = flatten(data)
        try:
            self.transmit_to(payload, host, None if is_unix(host) else _port(port))
        except SocketError as error:
            return failed(error)
        return 1, None

    def receive(self, size: Any = None) -> tuple[bytes | None, Word | None]:
        """Receive one datagram, cut to ``size`` bytes; the rest of it is lost.

        Args:
            size: at most 8192, which is also the default.
        Returns:
            ``(data, None)``, b"" for an empty datagram; or ``(None, err)``: "closed" (neither a peer nor a local
            address is set), "socket busy", "timeout", or the system's own word ("connection refused"; the socket
            stays usable).
        Raises:
            TypeError: the size is no number. ValueError: it is negative.
        Switches: when no datagram has come. Source: seed, "udpsock:receive".
        """
        try:
            return self.take(_size(size, self.largest_receive))[0], None
        except SocketError as error:
            return failed(error)

    def receivefrom(self, size: Any = None) -> tuple[bytes | None, Word | None, tuple[Any, ...] | None]:
        """Receive one datagram and the address that it came from.

        Args:
            size: cuts the datagram; by default none is cut.
        Returns:
            ``(data, None, (ip, port))``, so that ``sendto(answer, *address)`` answers; of a unix socket
            ``("unix:/path", None)``; or ``(None, err, None)`` as receive().
        Raises, Switches: as receive(). Source: beyond the seed.
        """
        try:
            data, address = self.take(_size(size, LARGEST_DATAGRAM))
        except SocketError as error:
            return None, word_of(error), None
        return data, None, address

    # -- the rest

    def settimeout(self, timeout: float | None) -> None:
        """Bound every later wait to ``timeout`` milliseconds; zero, negative, None or no number: 30,000.

        Switches: never. Source: seed, "udpsock:settimeout".
        """
        try:
            self._timeout_s = timeout_ms(timeout, DEFAULT_TIMEOUT_MS) / 1000
        except ValueError:  # OpenResty's UDP takes any number
            self._timeout_s = (2**31 - 1) / 1000

    def close(self) -> Outcome:
        """Close the socket and forget its local address.

        Returns:
            ``(1, None)``; or ``(None, err)``: "closed", "socket busy".
        Switches: never. Source: seed, "udpsock:close".
        """
        try:
            self.end()
        except SocketError as error:
            return failed(error)
        return 1, None


def _port(port: Any) -> int:
    # What TCP reports as a missing port is a wrong argument here.
    if integer(port) is None:
        raise TypeError(f"bad port: number expected, got {kind_of(port)}")
    return parse_port(port)


def _size(size: Any, largest: int) -> int:
    if size is None:
        return largest
    number = integer(size)
    if number is None:
        raise TypeError(f"bad size: number expected, got {kind_of(size)}")
    if number < 0:
        raise ValueError(f"bad size: {number}")
    return min(number, largest)
