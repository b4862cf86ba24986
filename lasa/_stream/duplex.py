"""A connection with one owner at each of its halves: how it begins, goes under TLS, is kept for others, and ends."""

from __future__ import annotations

import _socket
import ssl
from typing import Any, ClassVar, Final

from lasa._hub import Deadline
from lasa._stream.connection import Connection, pools
from lasa._stream.dial import addresses_of
from lasa._stream.identity import Asked, Certificate, Identity
from lasa._stream.limits import DEFAULT_LIMITS, Limits
from lasa._stream.link import address_text
from lasa._stream.opening import ANY_POOL, Opening, PoolTerms, asked_of, begin_tls, pool_of, take_idle
from lasa._stream.tls import TlsStream, was_cut
from lasa._stream.writing import Writing
from lasa.errors import SocketClosed, SocketError, system_error

__all__ = ["NEVER_CONNECTED", "Duplex"]

NEVER_CONNECTED: Final = "socket is never created nor connected"


class Duplex(Writing):
    """A connection that raises; a face of it gives its calls names and forms."""

    __slots__ = ("_connection", "_is_resolving", "_local", "_was_connected")

    keeps_dubious: ClassVar = False  # whether a connection is kept while its last read has failed

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(limits)
        self._connection: Connection | None = None
        self._was_connected = self._is_resolving = False
        self._local: tuple[int, str, int] | None = None  # the address that a connect binds to

    # -- the beginning

    @property
    def client_certificate(self) -> Certificate | None:
        """What is shown to servers that ask for one."""
        return None

    def addresses_of(self, host: str, timeout_s: float) -> list[tuple[int, str]]:
        """Look a host up, the system's way unless a subclass has another. Switches: for names."""
        return addresses_of(host, timeout_s)

    def _look_up(self, host: str, timeout_s: float) -> list[tuple[int, str]]:
        self._is_resolving = True
        addresses = self.addresses_of(host, timeout_s)
        self._is_resolving = False
        return addresses

    def _connect(self, host: str, port: int | str | None, terms: PoolTerms = ANY_POOL) -> None:
        """Connect anew; a connection that is there is closed first.

        Raises:
            SocketBusy; as Opening.run().
        Switches: whenever it has to wait.
        """
        self._refuse_if_busy()
        self._release()
        pool = pool_of(host, port, terms)
        if pool is not None and (idle := take_idle(pool, terms, self.client_certificate)) is not None:
            self._take(idle)
            return
        self._is_connecting = True
        try:
            self._take(self._opening(host, port, terms).run())
        finally:
            self._is_connecting = self._is_resolving = False

    def _opening(self, host: str, port: int | str | None, terms: PoolTerms) -> Opening:
        return Opening(
            host,
            port,
            terms,
            self._connect_s,
            self._queue_s,
            certificate=self.client_certificate,
            look_up=self._look_up,
            local=self._local,
        )

    def _connect_anew(self, deadline: Deadline) -> Connection:
        # Takes a new connection to the same peer in place of the one that is there.
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
            new = self._opening(old.host, old.port, PoolTerms(old.pool_name)).dial(pool, deadline)
            self._take(new)
        finally:
            self._is_connecting = self._is_resolving = False
        return new

    # -- TLS

    @property
    def tls(self) -> ssl.SSLObject | None:
        """What knows the peer's certificate, the cipher and the version; None on a plain connection."""
        stream = self._stream
        return stream.object if isinstance(stream, TlsStream) else None

    @property
    def was_cut(self) -> bool:
        """Whether the peer's data ended without TLS's goodbye, so that somebody else may have ended it."""
        return self._stream is not None and was_cut(self._stream)

    def shake_hands(
        self,
        context: ssl.SSLContext,
        asked: Asked,
        server_name: str | None = None,
        reused_session: Any = False,
        *,
        nested: bool = False,
        takes_common_name: bool = False,
    ) -> Any:
        """Begin TLS as the client, as sslhandshake() does, whose session it returns.

        Args:
            asked: what is asked for, which a connection out of the pool has to cover.
            takes_common_name: whether that counts where a certificate has no other name, if it does in the context.
        Raises:
            SocketError: its words. RuntimeError: never connected. ValueError: files that are gone.
        Switches: as sslhandshake().
        """
        connection = self._ready_for_tls()
        name, identity = asked_of(connection, context, asked, server_name)
        session = reused_session if isinstance(reused_session, ssl.SSLSession) else None
        deadline = Deadline(self._connect_s)
        has_it = self.tls is not None and not nested
        if has_it and connection.reused and not connection.covers(identity):
            connection = self._connect_anew(deadline)
            has_it = False
        if not has_it:
            self._begin_tls(connection, context, deadline, identity, name, session, takes_common_name=takes_common_name)
            session = None
        if reused_session is False:
            return True
        assert self.tls is not None
        return session or self.tls.session

    def _shake_hands_as_server(self, context: ssl.SSLContext) -> None:
        # Nothing happens if there is TLS already.
        connection = self._ready_for_tls()
        if self.tls is None:
            self._begin_tls(connection, context, Deadline(self._connect_s))

    def _ready_for_tls(self) -> Connection:
        if not self._was_connected:
            raise RuntimeError(NEVER_CONNECTED)
        self._refuse_if_busy()
        if self._connection is None or self._read_over is not None or self._write_over is not None:
            raise SocketClosed
        return self._connection

    def _begin_tls(
        self,
        connection: Connection,
        context: ssl.SSLContext,
        deadline: Deadline,
        asked: Identity | None = None,
        server_name: str | None = None,
        session: ssl.SSLSession | None = None,
        *,
        takes_common_name: bool = False,
    ) -> None:
        stream = TlsStream(  # which may refuse the context, and nothing has happened then
            connection.stream,
            context,
            server_side=asked is None,
            server_name=server_name,
            session=session,
            takes_common_name=takes_common_name,
        )
        self._is_connecting = True
        self._readable = None
        self._end_both()
        try:
            begin_tls(connection, stream, deadline, self._connect_s, asked, unread=self._buffer.take_all())
        except BaseException:
            self._release()
            raise
        finally:
            self._is_connecting = False
        self._open(stream)

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
            raise SocketClosed
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

    # -- names

    @property
    def _peer(self) -> str | None:
        return None if self._connection is None else self._connection.peer

    def _kernel_socket(self) -> _socket.socket | None:
        return None if self._connection is None else self._connection.link.sock

    def _name(self, method: str) -> tuple[str, int | None]:
        """Return ``(ip, port)`` of one end, or ``("unix:/path", None)``.

        Raises:
            SocketClosed; SocketError: the system's word.
        """
        sock = self._kernel_socket()
        if sock is None:
            raise SocketClosed
        try:
            return address_text(getattr(sock, method)(), sock.family)
        except OSError as error:
            raise system_error(error) from None

    # -- the pool

    def needs_pool(self) -> bool:
        """Whether keeping the connection would have to make its pool.

        Raises:
            SocketError: it could not be kept, and why.
        Switches: never.
        """
        connection = self._keepable()
        if connection.link.has_ended():
            raise SocketClosed
        return connection.pool is None and pools().find(connection.name) is None

    def _keepable(self) -> Connection:
        connection = self._connection
        self._refuse_if_busy()
        if connection is None or self._read_over is not None or self._write_over is not None:
            raise SocketClosed
        if self._buffer.size:
            raise SocketClosed if connection.link.has_ended() else SocketError("unread data in buffer")
        if not connection.host or not connection.may_be_kept or connection.link.is_inherited:
            raise SocketError("invalid connection")
        return connection

    def _keep(self, timeout_s: float, pool_size: int) -> None:
        """Put the connection into its pool.

        Raises:
            SocketError: why it could not be kept. ValueError: ``bad "pool_size" option value: N``, under 1, where the
            pool has to be made.
        """
        connection = self._keepable()
        try:
            connection.keep(timeout_s, pool_size, is_dubious=self._is_dubious and not self.keeps_dubious)
        except SocketError:
            self._release()
            raise
        self._connection = None
        self._detach()

    # -- the end

    def abort(self) -> None:
        """Close the connection for everyone: a light thread that waits in it gets "closed".

        For whoever cannot wait until the reader is done, such as a server that stops. Nothing happens if it is closed.

        Switches: never. Source: beyond the seed, whose close() answers "socket busy reading" then.
        """
        self._refuse_others()
        self._release()

    def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.give_back()
            self._detach()
