"""How a connection comes about: out of its pool, or dialled within its place there; and how it is put under TLS."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final, TypeVar

from lasa._address import parse_host, unix_path
from lasa._hub import Deadline
from lasa._stream.connection import Connection, place_text, pool_name_of, pools
from lasa._stream.dial import addresses_of, dial, dial_unix
from lasa._stream.identity import Asked, Certificate, Identity, certificate_key, may_be_set, server_name_of
from lasa._stream.pool import DEFAULT_SIZE, Pool
from lasa._stream.tls import TlsStream
from lasa.errors import ConnectError, ConnectTimeout, SocketError, SocketNotFound, SocketTimeout, SystemTimeout

__all__ = [
    "ANY_POOL",
    "LookUp",
    "Opening",
    "PoolTerms",
    "asked_of",
    "begin_tls",
    "checked_files",
    "of_a_connect",
    "pool_of",
    "take_idle",
]

ValueT = TypeVar("ValueT")

Accepts = Callable[[Connection], bool]
LookUp = Callable[[str, float], list[tuple[int, str]]]


@dataclass(frozen=True, slots=True)
class PoolTerms:
    """Which pool a connection belongs to.

    Attributes:
        pool: the name that its user gave it; None for host and port.
        pool_size, backlog: of the pool, if there is none of that name: how many connections may be idle; how many more
            connects than open connections may wait. None and None make none.
    """

    pool: str | None = None
    pool_size: int | None = None
    backlog: int | None = None

    @property
    def makes_pool(self) -> bool:
        """Whether the pool is made at connect time."""
        return self.pool_size is not None or self.backlog is not None


ANY_POOL: Final = PoolTerms()


@dataclass(slots=True)
class Opening:
    """One connect, and the terms for it.

    Attributes:
        host: a name, a literal, or "unix:/path".
        port: an int; a str or None for a unix path, where it is of no use but in the pool's name.
        terms: the pool.
        connect_s: seconds until there is a connection.
        queue_s: seconds for a place in a pool with a backlog, None if they are those of ``connect_s``.
        until_s: when it has to be over on the monotonic clock, however long it had to wait for its place.
        certificate: of the client; an idle connection that was made under another will not do.
        look_up: finds the addresses of a name.
        local: ``(family, ip, port)`` to bind to.
    """

    host: str
    port: int | str | None
    terms: PoolTerms
    connect_s: float
    queue_s: float | None = None
    until_s: float = inf
    certificate: Certificate | None = None
    look_up: LookUp = addresses_of
    local: tuple[int, str, int] | None = None

    def run(self) -> Connection:
        """Return an idle connection that will do, or a new one.

        Raises:
            NameNotFound, PoolFull, ConnectTimeout, ConnectError, SocketError: the last address's own.
        Switches: whenever it has to wait. What ends it from outside leaves nothing open, nor a place taken.
        """
        terms = self.terms
        pool = pool_of(self.host, self.port, terms)
        if pool is None:
            return self.dial(None, Deadline(self.connect_s))
        idle = take_idle(pool, terms, self.certificate)
        if idle is None:
            deadline = Deadline(self.connect_s)
            idle = self._enter(pool, *_accepted(terms, self.certificate))
            if idle is None:
                return self.dial(pool, deadline if self.queue_s is None else Deadline(self.connect_s))
            idle.reused += 1
        return idle

    def _enter(self, pool: Pool[Connection], accepts: Accepts | None, at_least: Accepts | None) -> Connection | None:
        # Takes a place for a new connection, unless an idle one comes first.
        if pool.is_full:
            accepts = at_least
            idle = pool.take_idle(accepts)
            if idle is not None:
                return idle
            if (useless := pool.take_idle(_is_for_nobody)) is not None:
                useless.give_back()
        wait_s = self.connect_s if self.queue_s is None else self.queue_s
        try:
            return pool.enter(wait_s, accepts)
        except SocketError as error:
            raise of_a_connect(error).during("pool", self.peer, wait_s) from None

    def dial(self, pool: Pool[Connection] | None, deadline: Deadline) -> Connection:
        """Return a new connection; its place in the pool is taken already, and given back if none comes about.

        Raises, Switches: as run().
        """
        deadline.at_s = min(deadline.at_s, self.until_s)
        operation, peer = "connect", self.peer
        try:
            if isinstance(self.port, int):
                bare = parse_host(self.host)
                operation, peer = "resolve", bare
                addresses = self.look_up(bare, deadline.left_s)
                operation, peer = "connect", self.peer
                link = dial(addresses, self.port, deadline, self.local)
            else:
                link = dial_unix(unix_path(self.host) or b"", deadline)
        except BaseException as error:
            if pool is not None:
                pool.leave()
            if not isinstance(error, SocketError):
                raise
            raise of_a_connect(error).during(operation, peer, self.connect_s) from error.__cause__
        return Connection(link, self.host, self.port, self.terms.pool, pool)

    @property
    def peer(self) -> str:
        """Who is connected to, for errors."""
        return place_text(self.host, self.port)


def pool_of(host: str, port: int | str | None, terms: PoolTerms) -> Pool[Connection] | None:
    """Return the pool of a connect, None if there is none, nor is one asked for. Never switches."""
    here = pools()
    if terms is not ANY_POOL and terms.makes_pool:
        return here.find_or_make(pool_name_of(host, port, terms.pool), terms.pool_size or DEFAULT_SIZE, terms.backlog)
    return here.find(pool_name_of(host, port, terms.pool)) if here else None


def take_idle(pool: Pool[Connection], terms: PoolTerms, certificate: Certificate | None) -> Connection | None:
    """Return an idle connection that will do for a connect, counted as reused, or None. Never switches."""
    idle = pool.take_idle(_accepted(terms, certificate)[0]) if pool.idle else None
    if idle is not None:
        idle.reused += 1
    return idle


def begin_tls(
    connection: Connection,
    stream: TlsStream,
    deadline: Deadline,
    limit_s: float,
    asked: Identity | None = None,
    *,
    unread: bytes = b"",
) -> None:
    """Put a connection under TLS, or under one more: as the client where something is asked for, else as the server.

    Args:
        stream: the TLS, made over the connection's stream.
        limit_s: what the deadline was made with, for errors.
        asked: what is asked for: see asked_of().
        unread: what was read of it before; it belongs to TLS, and nothing of it is taken for decrypted data.
    Raises:
        TlsHandshakeError, CertificateError, ConnectTimeout, SocketError: it is to be closed then.
    Switches: whenever it has to wait.
    """
    try:
        stream.feed(unread)
        stream.handshake(deadline.left_s)
    except SocketError as error:
        raise of_a_connect(error).during("handshake", connection.peer, limit_s) from error.__cause__
    connection.secure(stream, asked)


def asked_of(
    connection: Connection, context: ssl.SSLContext, asked: Asked, server_name: str | None
) -> tuple[str | None, Identity]:
    """Return the name that a client sends and verifies, and what it asks for; without a name it is the connection's.

    Raises:
        SocketError: "bad server name". ValueError: "bad certificate or authorities", files that are gone.
    """
    name = server_name
    if name is not None or context.check_hostname:
        name = server_name_of(connection.bare_host if name is None else name)
    return name, checked_files(lambda: asked(name))


def checked_files(make: Callable[[], ValueT]) -> ValueT:
    """Return what is made of files of certificates.

    Raises:
        ValueError: "bad certificate or authorities: …".
    """
    try:
        return make()
    except OSError as error:  # ssl.SSLError is one
        raise ValueError(f"bad certificate or authorities: {error}") from error


def of_a_connect(error: SocketError) -> SocketError:
    """Return the error of a connect that ``error`` has ended before there was a connection."""
    if isinstance(error, SocketTimeout | SystemTimeout) and not isinstance(error, ConnectTimeout):
        failure: SocketError = ConnectTimeout(error.reason)
    elif type(error) is SocketError:
        failure = (SocketNotFound if error.errno == errno.ENOENT else ConnectError)(error.reason)
    else:
        return error
    failure.errno, failure.attempts = error.errno, error.attempts
    return failure


def _accepted(terms: PoolTerms, certificate: Certificate | None) -> tuple[Accepts | None, Accepts | None]:
    # Which idle connections a connect takes (None: all), and which ones where there is no place for a new one. The peer
    # of one that was made under a certificate takes its user for the owner, unless the user has chosen the pool.
    if terms.pool is not None:
        return None, None
    if certificate is None:
        return _is_anonymous, _is_anonymous
    try:
        mine = certificate_key(certificate)
    except OSError:  # its files are gone, and nothing was made under what is there now
        return _is_anonymous, _is_anonymous
    return lambda idle: idle.shows(mine), lambda idle: idle.shows(mine) or _is_anonymous(idle)


def _is_anonymous(connection: Connection) -> bool:
    return not connection.stream.certificates


def _is_for_nobody(connection: Connection) -> bool:
    return not all(may_be_set(certificate) for certificate in connection.stream.certificates)
