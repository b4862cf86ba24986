"""TCP and unix stream cosockets: how a connection begins, is kept, and ends (seed: lasa.socket.tcp)."""

from __future__ import annotations

import _socket
import errno
import os
import ssl
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

from lasa import _hub
from lasa._values import integer, number, type_name
from lasa.errors import SocketError
from lasa.socket._address import host_text, ip_of, parse_port, parse_target, unix_path
from lasa.socket._connection import Connection, pools
from lasa.socket._dial import addresses_of, dial, dial_unix, open_socket
from lasa.socket._halves import BUSY_CONNECTING, BUSY_READING, BUSY_WRITING, Halves
from lasa.socket._limits import DEFAULT_LIMITS, Limits
from lasa.socket._link import Link, address_text, system_error
from lasa.socket._options import SOCKET_OPTIONS, ConnectOptions
from lasa.socket._pool import DEFAULT_SIZE, Pool
from lasa.socket._tls import HANDSHAKE_FAILED, TlsStream, client_context, server_context

__all__ = ["TcpSocket"]

DEFAULT_KEEPALIVE_MS: Final = 60_000
LISTEN_BACKLOG: Final = 511
NEVER_CONNECTED: Final = "socket is never created nor connected"

# What accept() meets when the process or the system is short of something; trying again at once would spin.
_SHORTAGE: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_SHORTAGE_PAUSE_S: Final = 0.05

Outcome = tuple[int | None, str | None]


class TcpSocket(Halves):
    """A cosocket; ``lasa.socket.tcp()`` makes it. Reading and writing are in the base class."""

    __slots__ = (
        "_backlog",
        "_bound",
        "_certificate",
        "_connection",
        "_is_resolving",
        "_listener",
        "_local",
        "_was_connected",
    )

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(limits)
        self._connection: Connection | None = None
        self._was_connected = False
        self._is_resolving = False
        self._certificate: tuple[str, str | None] | None = None
        self._local: tuple[int, str, int] | None = None  # the address that connect() binds to
        self._bound: _socket.socket | None = None  # bound, and not yet listening
        self._listener: Link | None = None
        self._backlog = LISTEN_BACKLOG

    def __repr__(self) -> str:
        if self._listener is not None or self._bound is not None:
            state = "listening" if self._listener is not None else "bound"
        else:
            state = "connecting" if self._is_connecting else "closed" if self._stream is None else "connected"
        return f"<lasa tcp socket {state} at {id(self):#x}>"

    def __enter__(self) -> Self:
        """Return the socket; leaving the ``with`` closes it, whatever state it is in."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        try:
            link = self._connection.link if self._connection is not None else self._listener
        except AttributeError:  # __init__ did not get that far
            return
        if link is None and self._bound is None:
            return
        warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)
        if link is None or link.belongs_here():
            self._release()
        else:
            link.close_later()

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

        A name is looked up off the hub and all its addresses are tried (RFC 8305), all within the connect timeout. A
        connection that the socket has is closed first.

        Args:
            host: a name, an IPv4 literal, an IPv6 literal with or without brackets, or "unix:/path".
            port: 0 to 65535; ignored for a unix path.
            options: a mapping with the keys of the keywords.
            pool: the pool's name; by default ``host:port`` as typed.
            pool_size: makes the pool, for so many idle connections (30).
            backlog: caps the pool's open connections at its size, and lets so many further connects wait.
        Returns:
            ``(1, None)``; or ``(None, err)``: "timeout", "connection refused" and other words of the system, "NAME
            could not be resolved (3: Host not found)", ``failed to parse host name "X": R``, "missing the port
            number", "bad port
            number: N", "too many waiting connect operations", or a busy word.
        Raises:
            TypeError, ValueError: a bad option; nothing has happened then.
        Switches: whenever it has to wait. Source: seed, "tcpsock:connect".
        """
        host = host_text(host)
        if isinstance(port, Mapping) and options is None:
            port, options = None, port
        chosen = ConnectOptions.parse(options, pool=pool, pool_size=pool_size, backlog=backlog)
        is_unix = host[:5].lower() == "unix:"
        try:
            if is_unix:
                name = host if integer(port) is None else f"{host}:{port}"
            else:
                name = f"{host}:{parse_port(port)}"
            self._refuse_if_busy()
            self._release()
            self._is_connecting = True
            try:
                self._take(self._connect(host, 0 if is_unix else parse_port(port), chosen, chosen.pool or name))
            finally:
                self._is_connecting = self._is_resolving = False
        except SocketError as error:
            return None, error.reason
        return 1, None

    def _connect(self, host: str, port: int, chosen: ConnectOptions, name: str) -> Connection:
        here = pools()
        if chosen.makes_pool:
            pool: Pool[Connection] | None = here.find_or_make(name, chosen.pool_size or DEFAULT_SIZE)
        else:
            pool = here.find(name)
        deadline_s = time.monotonic() + self._connect_s
        if pool is not None:
            idle = pool.take_idle() or pool.enter(chosen.backlog, self._connect_s)
            if idle is not None:
                idle.reused += 1
                return idle
        try:
            path = unix_path(host)
            if path is not None:
                link = dial_unix(path, deadline_s)
            else:
                target = parse_target(host, port)
                self._is_resolving = True
                addresses = addresses_of(target.host, max(0.0, deadline_s - time.monotonic()))
                self._is_resolving = False
                link = dial(addresses, port, deadline_s, self._local)
        except BaseException:
            if pool is not None:
                pool.leave()
            raise
        return Connection(link, host, name, pool)

    def _take(self, connection: Connection) -> None:
        self._connection = connection
        self._was_connected = True
        self._open(connection.stream)

    def _refuse_if_busy(self) -> None:
        if self._is_connecting:
            raise SocketError(BUSY_CONNECTING)
        if self._is_reading:
            raise SocketError(BUSY_READING)
        if self._is_writing:
            raise SocketError(BUSY_WRITING)

    # -- serving

    def bind(self, ip: str, port: Any = None, *, backlog: int = LISTEN_BACKLOG) -> tuple[bool | None, str | None]:
        """Set the local address: of a server, or of the next connect().

        With a port (0 lets the system choose, see getsockname()), or for "unix:/path", it is bound at once, for
        accept(). Without a port it is remembered for connect(), which reports what the system says to it.

        Args:
            ip: an IPv4 or IPv6 literal, or "unix:/path".
            backlog: how many connections the system keeps until accept() takes them.
        Returns:
            ``(True, None)``; or ``(None, err)``: "bad address", "bad port number: N", "expecting port to be a number
            but got
            type: T", "address already in use" and other words of the system, or a busy word.
        Raises:
            TypeError: the address is no string.
        Switches: never. Source: seed, "tcpsock:bind".
        """
        try:
            self._refuse_if_busy()
            path = unix_path(ip) if isinstance(ip, str) else None
            if path is not None:
                self._bind_now(_socket.AF_UNIX, path, backlog)
                return True, None
            family, text = ip_of(ip)
            if port is None:
                self._local = (family, text, 0)
                return True, None
            if number(port) is None:
                return None, f"expecting port to be a number but got type: {type_name(port)}"
            self._bind_now(family, (text, parse_port(port)), backlog)
        except SocketError as error:
            return None, error.reason
        return True, None

    def _bind_now(self, family: int, address: Any, backlog: int) -> None:
        sock = open_socket(family)
        try:
            if family != _socket.AF_UNIX:
                sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
            sock.bind(address)
        except OSError as error:
            sock.close()
            raise system_error(error) from None
        self._drop_server()
        self._bound = sock
        self._backlog = backlog
        if family != _socket.AF_UNIX:
            self._local = (family, *sock.getsockname()[:2])

    def accept(self) -> tuple[TcpSocket | None, str | None]:
        """Wait for a connection to the address of bind(); the first call begins to listen.

        The read timeout bounds the wait. When the process is out of descriptors, accept() waits for one within that
        time rather than failing at once, so that a serving loop does not spin.

        Returns:
            ``(socket, None)``; or ``(None, err)``: "timeout" (it still listens), "closed" (not bound), "socket busy
            reading" (another light thread accepts), "too many open files", or the system's own word.
        Switches: when no connection waits. Source: seed, "tcpsock:accept".
        """
        try:
            self._refuse_if_busy()
            return self._accept(), None
        except SocketError as error:
            return None, error.reason

    def _accept(self) -> TcpSocket:
        listener = self._listen()
        deadline_s = time.monotonic() + self._read_s
        self._is_reading = True
        try:
            while True:
                try:
                    descriptor, _ = listener.sock._accept()  # type: ignore[attr-defined]
                except BlockingIOError:
                    listener.readable.wait(max(0.0, deadline_s - time.monotonic()))
                except ConnectionAbortedError:
                    continue  # the peer gave up while it stood in the queue
                except OSError as error:
                    if error.errno not in _SHORTAGE or time.monotonic() >= deadline_s:
                        raise system_error(error) from None
                    _hub.sleep_s(_SHORTAGE_PAUSE_S)
                else:
                    break
        except _hub.GreenletExit:
            self._drop_server()
            raise
        finally:
            self._is_reading = False
        sock = _socket.socket(listener.sock.family, _socket.SOCK_STREAM, 0, descriptor)
        if listener.sock.family != _socket.AF_UNIX:
            sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        client = TcpSocket(self._limits)
        client._take(Connection(Link(sock), "", "", None))
        return client

    def _listen(self) -> Link:
        if self._listener is None:
            if self._bound is None:
                raise SocketError("closed")
            try:
                self._bound.listen(self._backlog)
            except OSError as error:
                raise system_error(error) from None
            self._listener, self._bound = Link(self._bound), None
        return self._listener

    def _drop_server(self) -> None:
        if self._bound is not None:
            self._bound.close()
            self._bound = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    # -- names and options

    def getsockname(self) -> tuple[Any, ...]:
        """Return ``(ip, port)`` of this end, ``("unix:/path", None)``, or ``(None, "closed")``. Switches: never."""
        return self._name("getsockname")

    def getpeername(self) -> tuple[Any, ...]:
        """Return ``(ip, port)`` of the peer, ``("unix:/path", None)``, or ``(None, err)``. Switches: never."""
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
        return self._bound if self._listener is None else self._listener.sock

    def setoption(self, option: str | None = None, value: bool | int | None = None) -> tuple[bool | None, str | None]:
        """Set a socket option: keepalive, reuseaddr, tcp-nodelay, sndbuf, rcvbuf, keepintvl, keepcnt.

        Returns:
            ``(True, None)``; or ``(None, err)``: ``missing the "option" argument``, ``missing the "value" argument``,
            "unsupported option NAME", "closed", or the system's own word.
        Raises:
            RuntimeError: never connected nor bound. TypeError: the value is no bool or int.
        Switches: never. Source: OpenResty, "tcpsock:setoption".
        """
        found = self._option(option)
        if isinstance(found, str):
            return None, found
        if value is None:
            return None, 'missing the "value" argument'
        setting = integer(int(value) if isinstance(value, bool) else value)
        if setting is None:
            raise TypeError(f"bad option value: number expected, got {type_name(value)}")
        sock, level, name = found
        try:
            sock.setsockopt(level, name, setting)
        except OverflowError:
            return None, "invalid argument"
        except OSError as error:
            return None, system_error(error).reason
        return True, None

    def getoption(self, option: str | None = None) -> Outcome:
        """Return ``(value, None)`` of a socket option, or ``(None, err)`` as setoption().

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
        number_of = SOCKET_OPTIONS.get(option)
        return f"unsupported option {option}" if number_of is None else (sock, *number_of)

    # -- the pool

    def setkeepalive(self, timeout: Any = None, size: Any = None) -> Outcome:
        """Put the connection into its pool, for the next connect() of that name; the socket is then closed.

        Args:
            timeout: milliseconds after which it is closed unless used (60,000); 0 keeps it until the peer closes.
            size: how many idle connections the pool holds, if this call makes the pool (30).
        Returns:
            ``(1, None)``; or ``(None, err)``: "unread data in buffer", "invalid connection" (half of it is closed) or
            a busy word, with the connection left open; "connection in dubious state" (the peer sent something),
            "closed".
        Raises:
            TypeError: "number expected, got T". ValueError: ``bad "pool_size" option value: N``.
        Switches: never. Source: OpenResty, "tcpsock:setkeepalive".
        """
        timeout_ms = DEFAULT_KEEPALIVE_MS if timeout is None else number(timeout)
        pool_size = DEFAULT_SIZE if size is None else integer(size)
        for value, parsed in ((timeout, timeout_ms), (size, pool_size)):
            if parsed is None:
                raise TypeError(f"number expected, got {type_name(value)}")
        assert timeout_ms is not None
        assert pool_size is not None
        try:
            self._keep(timeout_ms, pool_size)
        except SocketError as error:
            return None, error.reason
        return 1, None

    def _keep(self, timeout_ms: float, pool_size: int) -> None:
        connection = self._connection
        self._refuse_if_busy()
        if connection is None:
            raise SocketError("closed")
        if self._buffer.size:
            raise SocketError("unread data in buffer")
        if not self._read_open or not self._write_open or not connection.name:
            raise SocketError("invalid connection")
        pool = connection.pool
        if pool is None and pool_size <= 0 and pools().find(connection.name) is None:
            raise ValueError(f'bad "pool_size" option value: {pool_size}')
        try:
            if connection.stream.has_input():
                raise SocketError("connection in dubious state")
        except SocketError:
            self._release()
            raise
        if pool is None:
            pool = connection.pool = pools().find_or_make(connection.name, pool_size)
            pool.counted += 1
        self._connection = None
        self._detach()
        pool.park(connection, timeout_ms / 1000 if timeout_ms > 0 else float("inf"))

    def getreusedtimes(self) -> Outcome:
        """Return how often the connection came out of the pool, as ``(count, None)``; or ``(None, "closed")``.

        Switches: never. Source: OpenResty, "tcpsock:getreusedtimes".
        """
        if self._connection is not None:
            return self._connection.reused, None
        return (0, None) if self._is_connecting and not self._is_resolving else (None, "closed")

    # -- TLS

    @property
    def tls(self) -> ssl.SSLObject | None:
        """What knows the peer's certificate, the cipher and the version; None on a plain connection."""
        stream = self._stream
        return stream.object if isinstance(stream, TlsStream) else None

    def setclientcert(self, certificate: str | None, key: str | None) -> tuple[bool | None, str | None]:
        """Show this certificate in later handshakes: the files of the certificate and its key; both None: none.

        Returns:
            ``(True, None)``; or ``(None, "client certificate must be supplied with corresponding private key")``.
        Raises:
            ValueError: files that cannot be read or do not belong together.
        Switches: never. Source: OpenResty, "tcpsock:setclientcert".
        """
        if (certificate is None) != (key is None):
            return None, "client certificate must be supplied with corresponding private key"
        if certificate is None:
            self._certificate = None
            return True, None
        try:
            client_context(False, None, (certificate, key))
        except OSError as error:  # ssl.SSLError is one
            raise ValueError(f"bad client certificate: {error}") from error
        self._certificate = (certificate, key)
        return True, None

    def sslhandshake(
        self,
        reused_session: Any = None,
        server_name: str | None = None,
        ssl_verify: bool = True,
        send_status_req: bool = False,
        *,
        ca: str | bytes | None = None,
        context: ssl.SSLContext | None = None,
    ) -> tuple[Any, str | None]:
        """Begin TLS as the client, within the connect timeout; at once if the connection has TLS already.

        The peer is verified: its chain against certifi's authorities (or ``ca``), its name against ``server_name``,
        else against the host given to connect(), which is sent as SNI then.

        Args:
            reused_session: what an earlier handshake returned, to resume it; False for a plain True as the result.
            server_name: the name to send (SNI) and to verify.
            ssl_verify: False accepts any certificate; SNI is then sent only if ``server_name`` is given.
            send_status_req: accepted; Python's TLS offers no OCSP stapling.
            ca: a file or folder of trusted authorities, or PEM text, in place of certifi's list.
            context: an ssl.SSLContext of your own, in place of all settings but ``server_name``.
        Returns:
            ``(session, None)``, or ``(True, None)`` if ``reused_session`` is False; or ``(None, err)``: "timeout",
            "handshake failed", "certificate host mismatch", "CODE: text" as "18: self-signed certificate", a busy
            word, "closed". After an error of the handshake the connection is closed.
        Raises:
            RuntimeError: never connected. TypeError, ValueError: bad arguments.
        Switches: whenever it has to wait. Source: seed, "tcpsock:sslhandshake".
        """
        if reused_session not in (None, True, False) and not isinstance(reused_session, ssl.SSLSession):
            raise TypeError(f"bad session: got {type_name(reused_session)}")
        if server_name is not None and not isinstance(server_name, str):
            raise TypeError(f"bad server_name: string expected, got {type_name(server_name)}")
        if not self._was_connected:
            raise RuntimeError(NEVER_CONNECTED)
        if context is None:
            context = _context_of(lambda: client_context(bool(ssl_verify), ca, self._certificate))
        session = reused_session if isinstance(reused_session, ssl.SSLSession) else None
        try:
            connection = self._ready_for_tls()
            if self.tls is None:
                name = server_name
                if name is None and context.check_hostname:
                    name = connection.host.strip("[]")
                self._shake_hands(connection, context, server_name=name, session=session)
                session = None
        except SocketError as error:
            return None, error.reason
        if reused_session is False:
            return True, None
        assert self.tls is not None
        return session or self.tls.session, None

    def tlshandshake(self, options: Mapping[str, Any] | None = None, **keywords: Any) -> tuple[Any, str | None]:
        """As sslhandshake(), with its arguments as a mapping or as keywords."""
        return self.sslhandshake(**{**(options or {}), **keywords})

    def sslaccept(
        self,
        certificate: str | None = None,
        key: str | None = None,
        *,
        ca: str | bytes | None = None,
        context: ssl.SSLContext | None = None,
    ) -> tuple[bool | None, str | None]:
        """Begin TLS as the server, on a socket that accept() returned, within the connect timeout.

        Args:
            certificate, key: PEM files; the key may stand in the certificate's file.
            ca: if given, clients must show a certificate signed by it (a file or folder, or PEM text).
            context: an ssl.SSLContext of your own instead.
        Returns:
            ``(True, None)``; or ``(None, err)`` as sslhandshake().
        Raises:
            RuntimeError: never connected. TypeError: neither certificate nor context. ValueError: files that cannot
            be read.
        Switches: whenever it has to wait. Source: issue of the foundation, the server side of sslhandshake.
        """
        if context is None:
            if certificate is None:
                raise TypeError("sslaccept needs a certificate or a context")
            cert = certificate
            context = _context_of(lambda: server_context(cert, key, ca, _stamp(cert, key)))
        if not self._was_connected:
            raise RuntimeError(NEVER_CONNECTED)
        try:
            connection = self._ready_for_tls()
            if self.tls is None:
                self._shake_hands(connection, context, server_side=True)
        except SocketError as error:
            return None, error.reason
        return True, None

    def _ready_for_tls(self) -> Connection:
        self._refuse_if_busy()
        if self._connection is None or not (self._read_open and self._write_open):
            raise SocketError("closed")
        return self._connection

    def _shake_hands(
        self,
        connection: Connection,
        context: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_name: str | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        self._is_connecting = True
        self._readable = None
        self._write_open = False
        try:
            stream = TlsStream(
                connection.stream, context, server_side=server_side, server_name=server_name, session=session
            )
            # What was read ahead belongs to TLS; nothing that came in plain text may be taken for decrypted data.
            stream.feed(self._buffer.take_all())
            stream.handshake(self._connect_s)
        except ssl.SSLError as error:
            self._release()
            raise SocketError(HANDSHAKE_FAILED) from error
        except BaseException:
            self._release()
            raise
        finally:
            self._is_connecting = False
        connection.stream = stream
        self._open(stream)

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

    def _release(self) -> None:
        self._drop_server()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
            if connection.pool is not None:
                connection.pool.leave()
        self._detach()


def _context_of(make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    try:
        return make()
    except OSError as error:  # ssl.SSLError is one
        raise ValueError(f"bad certificate or authorities: {error}") from error


def _stamp(*paths: str | None) -> tuple[float, ...]:
    return tuple(os.stat(path).st_mtime for path in paths if path is not None)
