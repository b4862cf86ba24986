"""An HTTP server: each connection has a light thread of its own, and a handler may block (beyond the seed)."""

from __future__ import annotations

import errno
import logging
import socket as stdlib_socket
import ssl
from collections.abc import Mapping
from typing import Any, Final, Self, Unpack

from lasa import semaphore, thread
from lasa._hub import Deadline, Event, current_job, os_thread_id, sleep_s, wrong_os_thread
from lasa._stream import DEFAULT_TIMEOUT_MS, Connection, Listener, place_text
from lasa.errors import SocketClosed, SocketError, SocketTimeout, Word, failed
from lasa.http._server.access_log import AccessLog, access_logger
from lasa.http._server.binding import bind, parse_address, tls_context, unlink_quietly
from lasa.http._server.connection import ServerConnection
from lasa.http._server.limits import SERVER, LimitOptions, ServerLimits, ServerOptions
from lasa.http._server.refusal import Abort
from lasa.http._server.request import Request, RequestBody, ResponseWriter
from lasa.http._server.service import Handler, Service, check_handler, no_handler

__all__ = ["Abort", "Request", "RequestBody", "ResponseWriter", "Server", "ServerLimits", "ServerOptions", "new"]

logger = logging.getLogger("lasa.http.server")

DEFAULT_BACKLOG: Final = 2048
DEFAULT_GRACE_S: Final = 30.0
ACCEPT_PAUSE_S: Final = 0.05  # after an accept that failed, so that a system in trouble is not asked without end

# What the system says of an address that no connection will come to any more; all else it says may pass.
_LISTENER_IS_BROKEN: Final = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSOCK})


class Server(Service):
    """A bound address and the connections to it; ``lasa.http.server.new()`` makes it."""

    def __init__(
        self,
        listener: Listener,
        limits: ServerLimits,
        tls: ssl.SSLContext | None,
        access_log: str | bool | AccessLog | None,
        owns_path: bool = True,
    ) -> None:
        super().__init__(limits, tls, access_log)
        self._listener = listener
        self._owns_path = owns_path  # of a unix address: it goes when the server stops
        self._connections: set[ServerConnection] = set()
        self._places = semaphore.Semaphore(limits.max_connections)
        self._left = Event()  # a connection has, for run() and each stop()
        self._address = listener.name

    @classmethod
    def open(cls, where: str | Mapping[str, Any] | None, port: int | str | None, options: Mapping[str, Any]) -> Self:
        """Return a server, bound and listening; for the doors, which are called new().

        Raises:
            SocketError: what ``new()`` has a word for; and as that.
        Switches: only to look up a name. Source: beyond the seed.
        """
        given = {**options, **(where if isinstance(where, Mapping) else {"where": where})}
        where, host = given.pop("where", None), given.pop("host", None)
        sock, ssl = given.pop("sock", None), given.pop("ssl", None)
        access_log, backlog = given.pop("access_log", True), given.pop("backlog", DEFAULT_BACKLOG)
        port = given.pop("port", port)
        address = parse_address(where if where is not None else host, port) if sock is None else None
        limits = ServerLimits.parse(given)
        backlog = SERVER.check({"backlog": backlog})["backlog"]
        tls = tls_context(ssl)
        access_logger(access_log)  # each connection asks again; here it tells what is wrong with the form
        if address is not None:
            listener = bind(address, backlog)
        else:
            listener = Listener.on(sock.fileno())
            sock.detach()
        return cls(listener, limits, tls, access_log, owns_path=sock is None)

    def __repr__(self) -> str:
        return f"<lasa http server at {self.url}>"

    @property
    def address(self) -> tuple[str, int | None]:
        """``(ip, port)``, with the port that the system chose; or ``("unix:/path", None)``."""
        return self._address

    @property
    def url(self) -> str:
        """Where the server is, as "http://127.0.0.1:8080"; for a unix path as the client takes it."""
        host, port = self._address
        scheme = "http" if self.tls is None else "https"
        if port is None:
            return f"{scheme}://{host}:"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def run(self, handler: Handler) -> tuple[bool | None, Word | None]:
        """Serve until ``stop()``: each request is answered by ``handler(request)``, each connection in a thread.

        The handler returns ``(status, headers, body)``, ``(status, body)`` or a body: bytes, str, a dict or list
        (JSON), an open binary file or an iterable of pieces; or it raises ``Abort`` with the same; or it calls
        ``request.respond()`` or, for a WebSocket, ``request.websocket()``. If it raises anything else, SystemExit too,
        the client gets a 500 without any detail, and the traceback is logged; only KeyboardInterrupt goes on to the
        program. What is wrong with a request itself is logged as information, and the client is told.

        Returns:
            ``(True, None)`` once stopped and all connections have ended; ``(None, err)`` if the address cannot be
            listened on any more.
        Raises:
            TypeError: the handler cannot be called with one argument, or is async. RuntimeError: it runs
            already, or has run and is stopped, or another OS thread made the server.
        Switches: all the time. Source: beyond the seed.
        """
        try:
            self.keep_serving(handler)
        except SocketError as error:
            return failed(error)
        return True, None

    def keep_serving(self, handler: Handler) -> None:
        """As run(), which turns what this raises into its tuple.

        Raises:
            SocketError: the address cannot be listened on any more. Otherwise as run().
        Switches: all the time. Source: beyond the seed.
        """
        check_handler(handler)
        self._check_os_thread()
        if self.handler is not no_handler:
            raise RuntimeError("the server is stopped" if self.is_stopping else "the server runs already")
        self.handler = handler
        try:
            while True:
                self._places.wait(semaphore.FOREVER_S)
                if self.is_stopping:
                    break
                try:
                    link = self._listener.accept(DEFAULT_TIMEOUT_MS / 1000)
                except SocketError as error:
                    self._places.post()
                    if self.is_stopping or isinstance(error, SocketClosed):
                        break
                    if error.errno in _LISTENER_IS_BROKEN:
                        error.during("accept", place_text(*self._address))
                        raise
                    if not isinstance(error, SocketTimeout):
                        logger.warning("no connection accepted: %s", error.reason)
                        sleep_s(ACCEPT_PAUSE_S)
                else:
                    self._serve(Connection(link))
            while self._connections:
                self._left.clear()
                self._left.wait(semaphore.FOREVER_S)
        finally:
            self._listener.close()
            for connection in list(self._connections):
                connection.kill()

    def _check_os_thread(self) -> None:
        if os_thread_id() != self._left.home:
            raise wrong_os_thread("a server")

    def _serve(self, accepted: Connection) -> None:
        connection = ServerConnection(self, accepted)
        self._connections.add(connection)
        thread.spawn(connection.serve)

    def leave(self, connection: ServerConnection) -> None:
        """A connection has ended."""
        self._connections.discard(connection)
        self._places.post()
        self._left.set()

    def stop(self, grace_s: float = DEFAULT_GRACE_S) -> tuple[bool, list[str]]:
        """Stop: take no more connections, let running requests finish within the grace, and cut off the rest.

        What is cut off is killed, wherever it waits: its finally clauses run. WebSockets are closed with 1001 at once,
        and have the grace, too.

        Connections that wait for a request are closed at once; answers say "Connection: close". A handler that calls
        it does not wait for itself. The last to return is run(), which waits for that handler too.

        Args:
            grace_s: seconds; 0 cuts at once.
        Returns:
            ``(True, cut)``: what was cut off, each as "ip:port METHOD target".
        Raises:
            TypeError, ValueError: no number of at least 0. RuntimeError: another OS thread made the server.
        Switches: while requests are running. Source: beyond the seed.
        """
        if isinstance(grace_s, bool) or not isinstance(grace_s, int | float):
            raise TypeError(f"bad grace_s: number expected, got {type(grace_s).__name__}")
        if not grace_s >= 0:
            raise ValueError(f"bad grace_s: {grace_s}")
        self._check_os_thread()
        self.is_stopping = True
        self._places.post()  # run() may wait for one
        path = self._address[0]
        was_listening = self._listener.link.is_open
        self._listener.close()
        if was_listening and self._owns_path and path.startswith("unix:/"):
            unlink_quietly(path.removeprefix("unix:"))
        for connection in list(self._connections):
            if connection.successor is not None:
                connection.successor.go_away()
            elif connection.is_idle and not connection.has_input():  # a request that is there already is answered
                connection.cut()
        me = current_job()
        deadline = Deadline(min(grace_s, semaphore.FOREVER_S))
        while others := [connection for connection in self._connections if connection.job is not me]:
            self._left.clear()
            if not self._left.wait(deadline.left_s):
                break
        cut = [connection.description for connection in others if connection.request is not None]
        for connection in others:
            connection.kill()
        return True, cut


def new(
    where: str | Mapping[str, Any] | None = None,
    port: int | str | None = None,
    *,
    host: str | None = None,
    sock: stdlib_socket.socket | None = None,
    ssl: Mapping[str, Any] | ssl.SSLContext | None = None,
    access_log: Any = True,
    backlog: int = DEFAULT_BACKLOG,
    **limits: Unpack[LimitOptions],
) -> tuple[Server | None, Word | None]:
    """Return ``(server, None)``, bound and listening.

    Args:
        where: "127.0.0.1:8080", "[::1]:0", "name:80" or "unix:/path" (port 0 lets the system choose); or a mapping
            with ``host`` and the other keywords.
        port: where the address has none, as in ``new("127.0.0.1", 8080)``.
        host: another name of ``where``.
        sock: in place of an address: a socket that listens already, which the server takes over (it is detached).
        ssl: ``{"ssl_cert": file, "ssl_key": file, "ssl_ca": file}`` for https, the last one to demand certificates
            of clients; or an ssl.SSLContext.
        access_log: True or "combined", "json", False, or a function of one Served; by ``logging``, "lasa.http.access".
        backlog: connections that the system keeps until they are accepted.
        limits: docs/http.md has them.
    Returns:
        ``(None, err)``: "address already in use" and other words of ``bind``, or of a name that is not found.
    Raises:
        TypeError, ValueError: an address that is none, a bad option or certificate.
    Switches: only to look up a name. Source: beyond the seed, in the manner of lasa.websocket.server.new.
    """
    options = {"host": host, "sock": sock, "ssl": ssl, "access_log": access_log, "backlog": backlog, **limits}
    try:
        return Server.open(where, port, options), None
    except SocketError as error:
        return failed(error)
