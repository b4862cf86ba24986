"""TCP and unix stream cosockets: how a connection begins, is kept, and ends (seed: lasa.socket.tcp)."""

from __future__ import annotations

import _socket
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from lasa._hub import Deadline
from lasa._stream.address import host_text, is_unix, parse_host, parse_port, unix_path
from lasa._stream.connection import Connection, pool_name_of, pools
from lasa._stream.dial import addresses_of, dial, dial_unix
from lasa._stream.halves import DUBIOUS
from lasa._stream.identity import Certificate, certificate_key, may_be_set
from lasa._stream.limits import DEFAULT_LIMITS, Limits
from lasa._stream.link import address_text
from lasa._stream.pool import DEFAULT_SIZE, Pool
from lasa._stream.tls import TlsStream
from lasa._values import integer, kind_of
from lasa.errors import SocketError, system_error
from lasa.socket._options import NO_OPTIONS, SOCKET_OPTIONS, ConnectOptions, keepalive_of
from lasa.socket._secure import NEVER_CONNECTED
from lasa.socket._serving import Outcome, Serving

__all__ = ["TcpSocket"]


class TcpSocket(Serving):
    """A cosocket; ``lasa.socket.tcp()`` makes it. Below it are Reading, Writing, Secure and Serving."""

    __slots__ = ("_is_resolving",)

    keeps_dubious: ClassVar = False  # whether a connection is kept while its last read has failed
    warns_unclosed: ClassVar = True  # where a collector is expected to close, as in Lua, nobody is to be warned

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(limits)
        self._is_resolving = False

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

    def __del__(self, _is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        try:
            holder = self._connection or self._listener
        except AttributeError:  # __init__ did not get that far
            return
        if holder is None:
            return
        if _is_finalizing():  # modules may be gone, ours too; the kernel's socket closes, and warns, by itself
            if not self.warns_unclosed:
                holder.link.sock.close()
            return
        try:
            if self.warns_unclosed:
                warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)
        finally:  # where warnings are errors, the connection and its place in a pool are given back all the same
            give_back = holder.give_back if isinstance(holder, Connection) else holder.close
            if holder.link.belongs_here():
                give_back()
            else:
                holder.link.call_at_home(give_back)

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
        host = host_text(host)
        if type(port) is not int and isinstance(port, Mapping) and options is None:
            port, options = None, port
        chosen = NO_OPTIONS
        if options is not None or pool is not None or pool_size is not None or backlog is not None:
            chosen = ConnectOptions.parse(options, pool=pool, pool_size=pool_size, backlog=backlog)
        try:
            if is_unix(host):
                port = None if integer(port) is None else str(port)  # of no use but in the pool's name
            else:
                port = parse_port(port)
            self._refuse_if_busy()
            self._release()
            self._is_connecting = True
            try:
                self._take(self._connect(host, port, chosen))
            finally:
                self._is_connecting = self._is_resolving = False
        except SocketError as error:
            return None, error.reason
        return 1, None

    def _connect(self, host: str, port: int | str | None, chosen: ConnectOptions) -> Connection:
        pool: Pool[Connection] | None = None
        here = pools()
        if chosen.makes_pool:
            pool = here.find_or_make(
                pool_name_of(host, port, chosen.pool), chosen.pool_size or DEFAULT_SIZE, chosen.backlog
            )
        elif here:
            pool = here.find(pool_name_of(host, port, chosen.pool))
        deadline = Deadline(self._connect_s)
        if pool is not None:
            certificate = self.client_certificate if chosen.pool is None else None
            accepts: Callable[[Connection], bool] | None = None if chosen.pool is not None else _is_anonymous
            at_least = accepts
            if certificate is not None:
                accepts, at_least = _accepts(certificate)
            idle = pool.take_idle(accepts)
            if idle is None and pool.is_full:
                accepts = at_least
                idle = pool.take_idle(accepts)
                if idle is None and (useless := pool.take_idle(_is_for_nobody)) is not None:
                    useless.give_back()
            if idle is None:
                queue_s = self._dial_limits[0]
                if queue_s is None:
                    idle = pool.enter(self._connect_s, accepts)
                else:
                    idle = pool.enter(queue_s, accepts)
                    deadline = Deadline(self._connect_s)
            if idle is not None:
                idle.reused += 1
                return idle
        return self._open_connection(host, port, chosen.pool, pool, deadline)

    def _open_connection(
        self,
        host: str,
        port: int | str | None,
        pool_name: str | None,
        pool: Pool[Connection] | None,
        deadline: Deadline,
    ) -> Connection:
        # The place in the pool is taken already, and given back if no connection comes about.
        deadline.at_s = min(deadline.at_s, self._dial_limits[1])
        try:
            if isinstance(port, int):
                bare = parse_host(host)
                self._is_resolving = True
                addresses = self.addresses_of(bare, deadline.left_s)
                self._is_resolving = False
                link = dial(addresses, port, deadline, self._local)
            else:
                link = dial_unix(unix_path(host) or b"", deadline)
        except BaseException:
            if pool is not None:
                pool.leave()
            raise
        return Connection(link, host, port, pool_name, pool)

    def _connect_anew(self, deadline: Deadline) -> Connection:
        old = self._connection
        assert old is not None
        pool, stream = old.pool, old.stream
        is_sound = isinstance(stream, TlsStream) and stream.is_untouched and not self._buffer.size
        self._connection = None
        self._detach()
        self._is_connecting = True
        try:
            old.reused -= 1
            if pool is None:  # a child's, of its parent
                old.close()
            else:
                pool.exchange(old, is_sound)
            new = self._open_connection(old.host, old.port, old.pool_name, pool, deadline)
            self._take(new)
        finally:
            self._is_connecting = self._is_resolving = False
        return new

    def addresses_of(self, host: str, timeout_s: float) -> list[tuple[int, str]]:
        """Look a host up, the system's way unless a subclass has another. Switches: for names."""
        return addresses_of(host, timeout_s)

    # -- for the drivers of protocols, which work on the connection itself

    def give_away(self) -> Connection:
        """Return the connection, which is no longer this socket's; nothing of it may be unread: see take_unread().

        Raises:
            SocketError: "closed", "unread data in buffer", or a busy word.
        Switches: never.
        """
        self._refuse_if_busy()
        connection = self._connection
        if connection is None:
            raise SocketError("closed")
        if self._buffer.size:
            raise SocketError("unread data in buffer")
        self._connection = None
        self._detach()
        return connection

    def take_unread(self) -> bytes:
        """Return what was read and is not used, for whoever gets the connection next. Switches: never."""
        return self._buffer.take_all()

    def adopt(self, connection: Connection, unread: bytes) -> None:
        """Take an open connection over, with bytes that were read too many. Switches: never."""
        self._release()
        self._take(connection)
        self.push_back(unread)

    def _take(self, connection: Connection) -> None:
        self._connection = connection
        self._was_connected = True
        self._open(connection.stream)

    # -- names and options

    def fileno(self) -> int:
        """Return the descriptor, -1 if nothing is open; it stays the socket's.

        Switches: never. Source: OpenResty, "tcpsock:getfd".
        """
        sock = self._kernel_socket()
        return -1 if sock is None else sock.fileno()

    def getsockname(self) -> tuple[Any, ...]:
        """Return ``(ip, port)`` of this end, ``("unix:/path", None)``, or ``(None, "closed")``. Switches: never."""
        return self._name("getsockname")

    def getpeername(self) -> tuple[Any, ...]:
        """Return ``(ip, port)`` of the peer, ``("unix:/path", None)``, or ``(None, err)``.

        That of an accepted socket stays for as long as this is open, also when the peer has broken the connection.
        Switches: never.
        """
        link = None if self._connection is None else self._connection.link
        if link is not None and link.peer is not None:
            return address_text(link.peer, link.sock.family)
        return self._name("getpeername")

    def _name(self, method: str) -> tuple[Any, ...]:
        sock = self._kernel_socket()
        if sock is None:
            return None, "closed"
        try:
            return address_text(getattr(sock, method)(), sock.family)
        except OSError as error:
            return None, system_error(error).reason

    def _kernel_socket(self) -> _socket.socket | None:
        if self._connection is not None:
            return self._connection.link.sock
        return None if self._listener is None else self._listener.link.sock

    def setoption(self, option: str | None = None, value: bool | int | None = None) -> tuple[bool | None, str | None]:
        """Set a socket option: keepalive, reuseaddr, tcp-nodelay, sndbuf, rcvbuf, keepintvl, keepcnt.

        Returns:
            ``(True, None)``; or ``(None, err)``: ``missing the "option" argument``, ``missing the "value" argument``,
            "unsupported option NAME", "closed", or the system's own word.
        Raises:
            RuntimeError: never connected nor bound. TypeError: the value is neither a bool nor a number.
        Switches: never. Source: OpenResty, "tcpsock:setoption".
        """
        found = self._option(option)
        if isinstance(found, str):
            return None, found
        if value is None:
            return None, 'missing the "value" argument'
        setting = integer(int(value) if isinstance(value, bool) else value)
        if setting is None:
            raise TypeError(f"bad option value: number or bool expected, got {kind_of(value)}")
        sock, level, name = found
        try:
            sock.setsockopt(level, name, setting)
        except (OverflowError, TypeError):  # an int that is none in C; which of the two depends on the system
            return None, "invalid argument"
        except OSError as error:
            return None, system_error(error).reason
        return True, None

    def getoption(self, option: str | None = None) -> Outcome:
        """Return ``(value, None)`` of a socket option, an int; or ``(None, err)`` as setoption().

        Raises:
            RuntimeError: never connected nor bound.
        Switches: never. Source: OpenResty, "tcpsock:getoption".
        """
        found = self._option(option)
        if isinstance(found, str):
            return None, found
        sock, level, name = found
        try:
            return sock.getsockopt(level, name), None
        except OSError as error:
            return None, system_error(error).reason

    def _option(self, option: str | None) -> tuple[_socket.socket, int, int] | str:
        sock = self._kernel_socket()
        if sock is None and not self._was_connected:
            raise RuntimeError(NEVER_CONNECTED)
        if option is None:
            return 'missing the "option" argument'
        if sock is None:
            return "closed"
        number_of = SOCKET_OPTIONS.get(option) if isinstance(option, str) else None
        return f"unsupported option {option}" if number_of is None else (sock, *number_of)

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
            return None, error.reason
        return 1, None

    def needs_pool(self) -> bool:
        """Whether setkeepalive() would have to make the pool of the connection.

        Raises:
            SocketError: it could not be kept, and why.
        Switches: never.
        """
        connection = self._keepable()
        if connection.link.has_ended():
            raise SocketError("closed")
        return connection.pool is None and pools().find(connection.name) is None

    def _keepable(self) -> Connection:
        connection = self._connection
        self._refuse_if_busy()
        if connection is None or not self._read_open or not self._write_open:
            raise SocketError("closed")
        if self._buffer.size:
            raise SocketError("closed" if connection.link.has_ended() else "unread data in buffer")
        if not connection.host or not connection.may_be_kept or connection.link.is_inherited:
            raise SocketError("invalid connection")
        return connection

    def _keep(self, timeout_s: float, pool_size: int) -> None:
        connection = self._keepable()
        pool = connection.pool
        if pool is None and pool_size <= 0 and pools().find(connection.name) is None:
            raise ValueError(f'bad "pool_size" option value: {pool_size}')
        try:
            if connection.stream.has_input():
                # Unread bytes hide the end that follows them.
                raise SocketError("closed" if connection.link.has_ended() else DUBIOUS)
            if self._is_dubious and not self.keeps_dubious:
                raise SocketError(DUBIOUS)
        except SocketError:
            self._release()
            raise
        if pool is None:
            pool = connection.pool = pools().find_or_make(connection.name, pool_size)
            pool.counted += 1
        self._connection = None
        self._detach()
        pool.park(connection, timeout_s if timeout_s > 0 else float("inf"))

    def getreusedtimes(self) -> Outcome:
        """Return how often the connection came out of the pool, as ``(count, None)``; or ``(None, "closed")``.

        It is 0 again when sslhandshake() has taken a new connection, since the one of the pool would not do.

        Switches: never. Source: OpenResty, "tcpsock:getreusedtimes".
        """
        if self._connection is not None:
            return self._connection.reused, None
        return (0, None) if self._is_connecting and not self._is_resolving else (None, "closed")

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
            return None, error.reason
        if self._kernel_socket() is None:
            return None, "closed"
        self._release()
        return 1, None

    def abort(self) -> None:
        """Close the connection, or stop listening, for everyone: a light thread that waits in it gets "closed".

        For whoever cannot wait until the reader is done, such as a server that stops. Nothing happens if it is closed.

        Switches: never. Source: beyond the seed, whose close() answers "socket busy reading" then.
        """
        self._refuse_others()
        self._release()

    def _release(self) -> None:
        if self._listener is not None:
            self._drop_listener()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.give_back()
            self._detach()


def _accepts(certificate: Certificate) -> tuple[Callable[[Connection], bool], Callable[[Connection], bool]]:
    # Which idle connections connect() takes of a pool without a name of the user, for a socket with a certificate, and
    # which ones where there is no place for a new one. The peer of one that was made under a certificate takes its user
    # for the owner.
    try:
        mine = certificate_key(certificate)
    except OSError:  # its files are gone, and nothing was made under what is there now
        return _is_anonymous, _is_anonymous
    return lambda idle: idle.shows(mine), lambda idle: idle.shows(mine) or _is_anonymous(idle)


def _is_anonymous(connection: Connection) -> bool:
    return not connection.stream.certificates


def _is_for_nobody(connection: Connection) -> bool:
    return not all(may_be_set(certificate) for certificate in connection.stream.certificates)
