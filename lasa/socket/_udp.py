"""UDP and unix datagram cosockets (seed: lasa.socket.udp)."""

from __future__ import annotations

import _socket
import sys
import warnings
from collections.abc import Callable
from typing import Any, ClassVar, Final, Self

from lasa import _hub
from lasa._hub import CALL_COST, os_thread_id, wrong_os_thread
from lasa._stream.address import host_text, ip_family, ip_of, parse_host, parse_port, unix_path
from lasa._stream.dial import addresses_of, open_socket
from lasa._stream.halves import DEFAULT_TIMEOUT_MS
from lasa._stream.link import Link, address_text
from lasa._values import flatten, integer, kind_of, timeout_ms
from lasa.errors import SocketError, system_error

__all__ = ["UdpSocket"]

BUSY: Final = "socket busy"
LARGEST_RECEIVE: Final = 8192  # the seed's cap for receive()
LARGEST_DATAGRAM: Final = 65536

Outcome = tuple[int | None, str | None]


class UdpSocket:
    """A datagram cosocket; ``lasa.socket.udp()`` makes it.

    While one light thread waits in ``receive()``, other calls answer "socket busy"; only ``sendto()`` may run beside a
    waiting ``receivefrom()``, so that a server can answer, and ``settimeout()`` and ``getsockname()`` always may. No
    error of a datagram closes the socket.
    """

    __slots__ = ("__weakref__", "_has_peer", "_home", "_is_busy", "_is_sending", "_link", "_local", "_timeout_s")

    warns_unclosed: ClassVar = True  # see TcpSocket
    largest_receive: ClassVar = LARGEST_RECEIVE

    def __init__(self) -> None:
        self._home = _hub.home_id()
        self._link: Link | None = None
        self._has_peer = False
        self._is_busy = False
        self._is_sending = False
        self._local: tuple[int, Any] | None = None  # family and address to bind to before setpeername()
        self._timeout_s = DEFAULT_TIMEOUT_MS / 1000

    def __repr__(self) -> str:
        state = "closed" if self._link is None else "with a peer" if self._has_peer else "open"
        return f"<lasa udp socket {state} at {id(self):#x}>"

    def __enter__(self) -> Self:
        """Return the socket; leaving the ``with`` closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        self._refuse_others()
        self._drop()
        self._local = None

    def __del__(self, _is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        link = getattr(self, "_link", None)
        if link is None:
            return
        if _is_finalizing():  # modules may be gone, ours too; the kernel's socket closes, and warns, by itself
            if not self.warns_unclosed:
                link.sock.close()
            return
        try:
            if self.warns_unclosed:
                warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)
        finally:
            if link.belongs_here():
                link.close()
            else:
                link.call_at_home(link.close)

    # -- addresses

    def addresses_of(self, host: str, timeout_s: float) -> list[tuple[int, str]]:
        """Look a host up, the system's way unless a subclass has another. Switches: for names."""
        return addresses_of(host, timeout_s)

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
            path = unix_path(host)
            number = 0 if path is not None else _port(port)
            self._refuse_if_busy()
            self._is_busy = True
            try:
                if path is not None:
                    self._set_peer([(_socket.AF_UNIX, path)])
                else:
                    addresses = self.addresses_of(parse_host(host), self._timeout_s)
                    self._set_peer([(family, (ip, number)) for family, ip in addresses])
            finally:
                self._is_busy = False
        except SocketError as error:
            return None, error.reason
        return 1, None

    def _set_peer(self, addresses: list[tuple[int, Any]]) -> None:
        if self._has_peer:
            self._drop()
        last_error = SocketError("cannot assign requested address")
        for family, address in addresses:
            if self._local is not None and self._local[0] != family:
                continue
            try:
                link = self._link or self._open(family, self._local)
                link.sock.connect(address)
            except OSError as error:
                last_error = error if isinstance(error, SocketError) else system_error(error)
                if self._local is None:
                    self._drop()
            else:
                self._has_peer = True
                return
        raise last_error

    def bind(self, ip: str) -> Outcome:
        """Remember an IP literal as the local address of the next ``setpeername()``.

        Returns:
            ``(1, None)``; or ``(None, err)``: "bad address", "socket busy".
        Raises:
            TypeError: the address is no string.
        Switches: never. Source: OpenResty, "udpsock:bind".
        """
        try:
            self._refuse_if_busy()
            family, text = ip_of(ip)
        except SocketError as error:
            return None, error.reason
        self._local = family, (text, 0)
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
                local: tuple[int, Any] = (_socket.AF_UNIX, path)
            else:
                family, text = ip_of(ip)
                local = family, (text, _port(port))
            self._drop()
            self._local = None
            link = self._open(local[0], local)
            self._local = local if path is not None else (local[0], link.sock.getsockname()[:2])
        except SocketError as error:
            return None, error.reason
        return 1, None

    def getsockname(self) -> tuple[Any, ...]:
        """Return ``(ip, port)`` of this end, ``("unix:/path", None)``, or ``(None, "closed")``. Switches: never."""
        if self._link is None:
            return None, "closed"
        return address_text(self._link.sock.getsockname(), self._link.sock.family)

    def _open(self, family: int, local: tuple[int, Any] | None) -> Link:
        sock = open_socket(family, _socket.SOCK_DGRAM)
        try:
            if local is not None:
                sock.bind(local[1])
            elif family == _socket.AF_UNIX:
                sock.bind(b"")  # Linux chooses a name, without which no answer could reach us
        except OSError as error:
            sock.close()
            raise system_error(error) from None
        self._link = Link(sock)
        return self._link

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
        self._refuse_others()
        if self._link is None or not self._has_peer:
            return None, "closed"
        if self._is_busy or self._is_sending:
            return None, BUSY
        return self._transmit(self._link, flatten(data), None)

    def sendto(self, data: Any, host: Any, port: Any = None) -> Outcome:
        """Send one datagram to a host and port, or to "unix:/path"; no peer has to be set.

        It may run while another light thread waits in ``receivefrom()``. A socket that is not open yet is opened.

        Returns, Raises: as send() and setpeername(), without "closed"; "address family not supported by protocol" if
        the socket is of another family than the address.
        Switches: for names, and when the kernel's buffer is full. Source: beyond the seed.
        """
        host = host_text(host)
        payload = flatten(data)
        self._refuse_others()
        if self._is_sending:
            return None, BUSY
        try:
            path = unix_path(host)
            if path is not None:
                family, address = _socket.AF_UNIX, path
            else:
                family, address = self._address_for(host, _port(port))
            link = self._link or self._open(family, self._local)
        except SocketError as error:
            return None, error.reason
        if link.sock.family != family:
            return None, "address family not supported by protocol"
        return self._transmit(link, payload, address)

    def _address_for(self, host: str, port: int) -> tuple[int, Any]:
        literal = ip_family(host)
        if literal is not None:
            return literal, (host, port)
        self._is_sending = True
        try:
            found = self.addresses_of(parse_host(host), self._timeout_s)
        finally:
            self._is_sending = False
        ours = self._link.sock.family if self._link is not None else found[0][0]
        for family, ip in found:
            if family == ours:
                return family, (ip, port)
        raise SocketError("address family not supported by protocol")

    def _transmit(self, link: Link, payload: bytes, address: Any) -> Outcome:
        self._is_sending = True
        try:
            link.breathe(CALL_COST + len(payload))
            while True:
                try:
                    if address is None:
                        link.sock.send(payload)
                    else:
                        link.sock.sendto(payload, address)
                except BlockingIOError:
                    link.writable.wait(self._timeout_s)
                else:
                    return 1, None
        except SocketError as error:
            return None, error.reason
        except OSError as error:
            return None, system_error(error).reason
        except _hub.GreenletExit:
            self._drop()
            raise
        finally:
            self._is_sending = False

    def receive(self, size: Any = None) -> tuple[bytes | None, str | None]:
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
        data, err, _ = self._receive(_size(size, self.largest_receive))
        return data, err

    def receivefrom(self, size: Any = None) -> tuple[bytes | None, str | None, tuple[Any, ...] | None]:
        """Receive one datagram and the address that it came from.

        Args:
            size: cuts the datagram; by default none is cut.
        Returns:
            ``(data, None, (ip, port))``, so that ``sendto(answer, *address)`` answers; of a unix socket
            ``("unix:/path", None)``; or ``(None, err, None)`` as receive().
        Raises, Switches: as receive(). Source: beyond the seed.
        """
        return self._receive(_size(size, LARGEST_DATAGRAM))

    def _receive(self, size: int) -> tuple[bytes | None, str | None, tuple[Any, ...] | None]:
        self._refuse_others()
        link = self._link
        if link is None:
            return None, "closed", None
        if self._is_busy:
            return None, BUSY, None
        self._is_busy = True
        try:
            link.breathe()
            while True:
                try:
                    data, address = link.sock.recvfrom(size)
                except BlockingIOError:
                    link.readable.wait(self._timeout_s)
                else:
                    return data, None, address_text(address, link.sock.family)
        except SocketError as error:
            return None, error.reason, None
        except OSError as error:
            return None, system_error(error).reason, None
        except _hub.GreenletExit:
            self._drop()
            raise
        finally:
            self._is_busy = False

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
        self._refuse_others()
        if self._link is None:
            return None, "closed"
        if self._is_busy or self._is_sending:
            return None, BUSY
        self._drop()
        self._local = None
        return 1, None

    def _refuse_others(self) -> None:
        if os_thread_id() != self._home:
            raise wrong_os_thread("a socket")

    def _refuse_if_busy(self) -> None:
        self._refuse_others()
        if self._is_busy or self._is_sending:
            raise SocketError(BUSY)

    def _drop(self) -> None:
        link, self._link = self._link, None
        self._has_peer = False
        if link is not None:
            link.close()


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
