"""Datagrams: a socket for them, its peer, its address, and one light thread that waits in it."""

from __future__ import annotations

import _socket
from typing import Any, Final

from lasa import _hub
from lasa._address import ip_family, ip_of, parse_host, unix_path
from lasa._hub import CALL_COST, os_thread_id, wrong_os_thread
from lasa._stream.connection import place_text
from lasa._stream.dial import addresses_of, open_socket
from lasa._stream.halves import DEFAULT_TIMEOUT_MS
from lasa._stream.link import Link, address_text
from lasa.errors import SocketBusy, SocketClosed, SocketError, system_error

__all__ = ["Datagram"]

BUSY: Final = "socket busy"
NO_SUCH_FAMILY: Final = "address family not supported by protocol"


class Datagram:
    """A datagram socket that raises; a face of it gives its calls names and forms.

    While one light thread waits for a datagram, the others are told that it is busy; only one that sends to an address
    may run beside it. No error of a datagram closes the socket. Its calls are beyond the seed: a face turns what they
    raise into what it answers.
    """

    __slots__ = ("__weakref__", "_has_peer", "_home", "_is_busy", "_is_sending", "_link", "_local", "_timeout_s")

    def __init__(self) -> None:
        self._home = _hub.home_id()
        self._link: Link | None = None
        self._has_peer = False
        self._is_busy = False
        self._is_sending = False
        self._local: tuple[int, Any] | None = None  # family and address to bind to before setpeername()
        self._timeout_s = DEFAULT_TIMEOUT_MS / 1000

    def addresses_of(self, host: str, timeout_s: float) -> list[tuple[int, str]]:
        """Look a host up, the system's way unless a subclass has another. Switches: for names."""
        return addresses_of(host, timeout_s)

    def set_peer(self, host: str, port: int) -> None:
        """Set the peer: a host and port, or "unix:/path"; an earlier peer's socket is closed first.

        Raises:
            SocketBusy, BadAddress, NameNotFound, SocketError.
        Switches: for names only.
        """
        path = unix_path(host)
        self._refuse_if_busy()
        self._is_busy = True
        operation = "connect"
        try:
            if path is not None:
                self._set_peer([(_socket.AF_UNIX, path)])
            else:
                operation = "resolve"
                addresses = self.addresses_of(parse_host(host), self._timeout_s)
                operation = "connect"
                self._set_peer([(family, (ip, port)) for family, ip in addresses])
        except SocketError as error:
            error.during(operation, place_text(host, None if path is not None or operation == "resolve" else port))
            raise
        finally:
            self._is_busy = False

    def _set_peer(self, addresses: list[tuple[int, Any]]) -> None:
        if self._has_peer:
            self.drop()
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
                    self.drop()
            else:
                self._has_peer = True
                return
        raise last_error

    def _bind_later(self, ip: str) -> None:
        # As the local address of the next set_peer().
        self._refuse_if_busy()
        family, text = ip_of(ip)
        self._local = family, (text, 0)

    def _bind(self, local: tuple[int, Any]) -> None:
        """Bind to a family's address now. Raises: SocketError. Switches: never."""
        self.drop()
        self._local = None
        link = self._open(local[0], local)
        is_path = local[0] == _socket.AF_UNIX
        self._local = local if is_path else (local[0], link.sock.getsockname()[:2])

    def name(self, which: str) -> tuple[str, int | None]:
        """Return ``(ip, port)`` or ``("unix:/path", None)``, by "getsockname" or "getpeername". Switches: never.

        Raises:
            SocketClosed; SocketError: the system's word.
        """
        if self._link is None:
            raise SocketClosed
        try:
            return address_text(getattr(self._link.sock, which)(), self._link.sock.family)
        except OSError as error:
            raise system_error(error) from None

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

    def transmit(self, payload: bytes) -> None:
        """Send one datagram to the peer.

        Raises:
            SocketClosed: there is none. SocketBusy, SocketTimeout, SocketError.
        Switches: when the kernel's buffer is full, or the slice is spent.
        """
        self._send_out(self.ready_to_send(), payload, None)

    def ready_to_send(self) -> Link:
        """Return what transmit() sends by. Raises: as that. Switches: never."""
        self._refuse_others()
        if self._link is None or not self._has_peer:
            raise SocketClosed
        self._refuse_if_busy()
        return self._link

    def transmit_to(self, payload: bytes, host: str, port: int | None) -> None:
        """As transmit(), to an address; a socket that is not open yet is opened. Switches: as transmit()."""
        self._refuse_others()
        if self._is_sending:
            raise SocketBusy(BUSY)
        path = unix_path(host)
        if port is None and path is not None:
            family, address = _socket.AF_UNIX, path
        else:
            family, address = self._address_for(host, port or 0)
        link = self._link or self._open(family, self._local)
        if link.sock.family != family:
            raise SocketError(NO_SUCH_FAMILY)
        self._send_out(link, payload, address)

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
        raise SocketError(NO_SUCH_FAMILY)

    def _send_out(self, link: Link, payload: bytes, address: Any) -> None:
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
                    return
        except OSError as error:
            raise self._told(error, "write") from None
        except _hub.GreenletExit:
            self.drop()
            raise
        finally:
            self._is_sending = False

    def take(self, size: int) -> tuple[bytes, tuple[str, int | None]]:
        """Return one datagram, cut to ``size`` bytes, and the address it came from.

        Raises:
            SocketClosed: neither a peer nor a local address is set. SocketBusy, SocketTimeout, SocketError.
        Switches: when no datagram has come.
        """
        self._refuse_others()
        link = self._link
        if link is None:
            raise SocketClosed
        if self._is_busy:
            raise SocketBusy(BUSY)
        self._is_busy = True
        try:
            link.breathe()
            while True:
                try:
                    data, address = link.sock.recvfrom(size)
                except BlockingIOError:
                    link.readable.wait(self._timeout_s)
                else:
                    return data, address_text(address, link.sock.family)
        except OSError as error:
            raise self._told(error, "read") from None
        except _hub.GreenletExit:
            self.drop()
            raise
        finally:
            self._is_busy = False

    def _told(self, error: OSError, operation: str) -> SocketError:
        failure = error if isinstance(error, SocketError) else system_error(error)
        try:
            peer = place_text(*self.name("getpeername")) if self._has_peer else None
        except SocketError:
            peer = None
        return failure.during(operation, peer, self._timeout_s)

    def end(self) -> None:
        """Close the socket and forget its local address. Raises: SocketClosed, SocketBusy. Switches: never."""
        self._refuse_others()
        if self._link is None:
            raise SocketClosed
        self._refuse_if_busy()
        self.drop()
        self._local = None

    def _refuse_others(self) -> None:
        if os_thread_id() != self._home:
            raise wrong_os_thread("a socket")

    def _refuse_if_busy(self) -> None:
        self._refuse_others()
        if self._is_busy or self._is_sending:
            raise SocketBusy(BUSY)

    def limit_waits(self, timeout_s: float) -> None:
        """Bound every later wait. Switches: never."""
        self._timeout_s = timeout_s

    def drop(self) -> None:
        """Close the socket for everyone; nothing happens if it is closed. Switches: never."""
        link, self._link = self._link, None
        self._has_peer = False
        if link is not None:
            link.close()
