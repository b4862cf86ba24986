"""TCP and unix stream cosockets: how a connection begins, is kept, and ends (seed: lasa.socket.tcp)."""

from __future__ import annotations

import _socket
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from lasa._address import host_text, is_unix, parse_port
from lasa._options import joined
from lasa._stream import ANY_POOL, NEVER_CONNECTED, POOL, PoolTerms, address_text, end_unclosed, keepalive_of
from lasa._values import integer, kind_of
from lasa.errors import SocketClosed, SocketError, Word, failed, system_error
from lasa.socket._options import SOCKET_OPTIONS
from lasa.socket._serving import Serving
from lasa.socket._writing import Outcome

__all__ = ["TcpSocket"]


class TcpSocket(Serving):
    """A cosocket; ``lasa.socket.tcp()`` makes it.

    Below it are Serving and Secure, Receiving and Sending, and the floor's Duplex.
    """

    __slots__ = ()

    warns_unclosed: ClassVar = True  # where a collector is expected to close, as in Lua, nobody is to be warned

    def __repr__(self) -> str:
        if self._listener is not None:
            state = "listening" if self._listener.is_listening else "bound"
        else:
            state = "connecting" if self._is_connecting else "closed" if self._stream is None else "connected"
        return f"<lasa tcp socket {state} at {id(self):#x}>"

    def __enter__(self) -> Self:
        """Return the socket; leaving the ``with`` closes it, whatever state it is in."""
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()

    def __del__(self, _end_unclosed: Callable[..., None] = end_unclosed) -> None:
        try:
            connection, listener = self._connection, self._listener
        except AttributeError:  # __init__ did not get that far
            return
        if connection is not None:
            _end_unclosed(self, connection.link, connection.give_back, warns=self.warns_unclosed)
        elif listener is not None:
            _end_unclosed(self, listener.link, listener.close, warns=self.warns_unclosed)

    # -- connecting

    def connect(
        self,
        host: Any,
        port: Any = None,
        options: Mapping[str, Any] | None = None,
        *,
        pool: str | int | None = None,
        pool_size: int | None = None,
        backlog: int | None = None,
    ) -> Outcome:
        """Connect to a host and port, or to "unix:/path"; an idle connection of the pool is taken first.

        One that was made under a client's certificate is for sockets that have set the same. A name is looked up off
        the hub and all its addresses are tried (RFC 8305), all within the connect timeout. A connection that the socket
        has is closed first.

        Args:
            host: a name, an IPv4 literal, an IPv6 literal with or without brackets, or "unix:/path".
            port: 0 to 65535; for a unix path of no use but in the pool's name.
            options: a mapping with the keys of the keywords; it goes before them, and may stand in the port's place.
            pool: the pool's name; by default ``host:port`` as typed.
            pool_size: makes the pool, if there is none of that name, for so many idle connections (30).
            backlog: likewise makes the pool, caps its open connections at its size, and lets so many further
                connects wait.
        Returns:
            ``(1, None)``; or ``(None, err)``: "timeout", "connection refused" and other words of the system,
            "NAME could not be resolved (3: Host not found)", ``failed to parse host name "X": R``, "missing the port
            number", "bad port number: N", "too many waiting connect operations", or a busy word.
        Raises:
            TypeError: "bad host", ``bad "NAME" option type: T``. ValueError: ``bad "NAME" option value: N``. Nothing
            has happened then.
        Switches: whenever it has to wait. Source: seed, "tcpsock:connect".
        """
        try:
            self.open(host, port, options, pool, pool_size, backlog)
        except SocketError as error:
            return failed(error)
        return 1, None

    def open(
        self, host: Any, port: Any, options: Mapping[str, Any] | None, pool: Any, pool_size: Any, backlog: Any
    ) -> None:
        """As connect(), which turns what this raises into its tuple.

        Raises:
            SocketError: what connect() has a word for. Otherwise as connect().
        Switches: as connect(). Source: beyond the seed.
        """
        host = host_text(host)
        if type(port) is not int and isinstance(port, Mapping) and options is None:
            port, options = None, port
        terms = ANY_POOL
        if options is not None or pool is not None or pool_size is not None or backlog is not None:
            given = joined(options, {"pool": pool, "pool_size": pool_size, "backlog": backlog})
            terms = PoolTerms(**POOL.check(given))
        if is_unix(host):
            port = None if integer(port) is None else str(port)  # of no use but in the pool's name
        else:
            port = parse_port(port)
        self._connect(host, port, terms)

    # -- names and options

    def fileno(self) -> int:
        """Return the descriptor, -1 if nothing is open; it stays the socket's.

        Switches: never. Source: OpenResty, "tcpsock:getfd".
        """
        sock = self._kernel_socket()
        return -1 if sock is None else sock.fileno()

    def getsockname(self) -> tuple[Any, ...]:
        """Return ``(ip, port)`` of this end, ``("unix:/path", None)``, or ``(None, "closed")``. Switches: never."""
        try:
            return self._name("getsockname")
        except SocketError as error:
            return failed(error)

    def getpeername(self) -> tuple[Any, ...]:
        """Return ``(ip, port)`` of the peer, ``("unix:/path", None)``, or ``(None, err)``.

        That of an accepted socket stays for as long as this is open, also when the peer has broken the connection.
        Switches: never.
        """
        link = None if self._connection is None else self._connection.link
        if link is not None and link.peer is not None:
            return address_text(link.peer, link.sock.family)
        try:
            return self._name("getpeername")
        except SocketError as error:
            return failed(error)

    def setoption(self, option: str | None = None, value: bool | int | None = None) -> tuple[bool | None, Word | None]:
        """Set a socket option: keepalive, reuseaddr, tcp-nodelay, sndbuf, rcvbuf, keepintvl, keepcnt.

        Returns:
            ``(True, None)``; or ``(None, err)``: ``missing the "option" argument``, ``missing the "value" argument``,
            "unsupported option NAME", "closed", or the system's own word.
        Raises:
            RuntimeError: never connected nor bound. TypeError: the value is neither a bool nor a number.
        Switches: never. Source: OpenResty, "tcpsock:setoption".
        """
        try:
            sock, level, name = self._option(option)
            if value is None:
                raise SocketError('missing the "value" argument')
            setting = integer(int(value) if isinstance(value, bool) else value)
            if setting is None:
                raise TypeError(f"bad option value: number or bool expected, got {kind_of(value)}")
            if not -(1 << 31) <= setting < 1 << 31:  # none in C
                raise SocketError("invalid argument")
            sock.setsockopt(level, name, setting)
        except OSError as error:
            return failed(error if isinstance(error, SocketError) else system_error(error))
        return True, None

    def getoption(self, option: str | None = None) -> Outcome:
        """Return ``(value, None)`` of a socket option, an int; or ``(None, err)`` as setoption().

        Raises:
            RuntimeError: never connected nor bound.
        Switches: never. Source: OpenResty, "tcpsock:getoption".
        """
        try:
            sock, level, name = self._option(option)
            return sock.getsockopt(level, name), None
        except OSError as error:
            return failed(error if isinstance(error, SocketError) else system_error(error))

    def _option(self, option: str | None) -> tuple[_socket.socket, int, int]:
        sock = self._kernel_socket()
        if sock is None and not self._was_connected:
            raise RuntimeError(NEVER_CONNECTED)
        if option is None:
            raise SocketError('missing the "option" argument')
        if sock is None:
            raise SocketClosed
        number_of = SOCKET_OPTIONS.get(option) if isinstance(option, str) else None
        if number_of is None:
            raise SocketError(f"unsupported option {option}")
        return sock, *number_of

    # -- the pool

    def setkeepalive(self, timeout: Any = None, size: Any = None) -> Outcome:
        """Put the connection into its pool, for the next connect() of that name; the socket is then closed.

        Args:
            timeout: milliseconds after which it is closed unless used (60,000); 0 or less: when the peer closes.
            size: how many idle connections the pool holds, if this call makes the pool (30).
        Returns:
            ``(1, None)``; or ``(None, err)``: "closed" (half of it or all, by the peer too, whatever is unread of it),
            "unread data in buffer", "invalid connection" (accept() made it, or the process that this one was forked
            from, or HTTP, which has switched protocols) or a busy word, with what is open of it left so; "connection in
            dubious state" (the peer had sent something; or the last read has timed out or was cut off, so that its
            answer may still come) or the system's own word, with the connection closed.
        Raises:
            TypeError: no number. ValueError: ``bad "pool_size" option value: N``, under 1.
        Switches: never. Source: OpenResty, "tcpsock:setkeepalive".
        """
        timeout_s, pool_size = keepalive_of(timeout, size)
        try:
            self._keep(timeout_s, pool_size)
        except SocketError as error:
            return failed(error)
        return 1, None

    def getreusedtimes(self) -> Outcome:
        """Return how often the connection came out of the pool, as ``(count, None)``; or ``(None, "closed")``.

        It is 0 again when sslhandshake() has taken a new connection, since the one of the pool would not do.

        Switches: never. Source: OpenResty, "tcpsock:getreusedtimes".
        """
        if self._connection is not None:
            return self._connection.reused, None
        return (0, None) if self._is_connecting and not self._is_resolving else failed(SocketClosed())

    # -- the end

    def close(self) -> Outcome:
        """Close the connection, or stop listening; unread data is dropped, and TLS ends without a goodbye.

        Returns:
            ``(1, None)``; or ``(None, err)``: "closed" if nothing is open, or a busy word.
        Switches: never. Source: seed, "tcpsock:close".
        """
        try:
            self._refuse_if_busy()
        except SocketError as error:
            return failed(error)
        if self._kernel_socket() is None:
            return failed(SocketClosed())
        self._release()
        return 1, None
