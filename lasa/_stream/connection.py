"""A connection as the pool sees it: the stream, whose it is, and how often it was used."""

from __future__ import annotations

from typing import Any, Final

from lasa import _hub, _process
from lasa._stream.identity import Identity
from lasa._stream.link import Link, Stream, address_text
from lasa._stream.pool import Pool, Pools
from lasa._stream.tls import TlsStream
from lasa.errors import SocketClosed, SocketError

__all__ = ["Connection", "place_text", "pool_name_of", "pools"]

DUBIOUS: Final = "connection in dubious state"


class Connection:
    """One open connection.

    Attributes:
        link: the kernel socket.
        stream: the link, or TLS over it.
        host: as given to connect(), the name that TLS verifies; "" for one that accept() made.
        port: likewise; None for a unix path without one.
        pool_name: the name that the user gave its pool, or None.
        pool: the pool it counts in, None before the first setkeepalive() if connect() made no pool.
        reused: how often it came out of the pool.
        expires_at_s: until when its last user wanted it to be kept, as clock.monotonic_s() has it; its pool sets it.
        may_be_kept: whether it can go into its pool: not where it has switched to a protocol that the pool is not for.
        companion: what a protocol keeps beside it, also while it is idle.
    """

    __slots__ = (
        "companion",
        "expires_at_s",
        "host",
        "link",
        "may_be_kept",
        "pool",
        "pool_name",
        "port",
        "reused",
        "stream",
    )

    def __init__(
        self,
        link: Link,
        host: str = "",
        port: int | str | None = None,
        pool_name: str | None = None,
        pool: Pool[Connection] | None = None,
    ) -> None:
        self.link = link
        self.stream: Stream = link
        self.host = host
        self.port = port
        self.pool_name = pool_name
        self.pool = pool
        self.reused = 0
        self.expires_at_s = 0.0
        self.may_be_kept = True
        self.companion: Any = None

    @property
    def name(self) -> str:
        """The name of its pool."""
        return pool_name_of(self.host, self.port, self.pool_name)

    @property
    def peer(self) -> str:
        """Who is at the other end, for errors: the host as typed, with its port; else the address."""
        if self.host:
            return place_text(self.host, self.port)
        link = self.link
        return place_text(*address_text(link.peer, link.sock.family)) if link.peer is not None else "the peer"

    @property
    def bare_host(self) -> str:
        """The host without what only addresses have: brackets, and a zone."""
        bare = self.host.strip("[]")
        return bare.partition("%")[0] if ":" in bare else bare

    def secure(self, stream: TlsStream, asked: Identity | None) -> None:
        """Go on with ``stream``, which has shaken hands; as a client, it was made with what was ``asked``."""
        below, self.stream = self.stream, stream
        stream.identities, stream.certificates = below.identities, below.certificates
        if asked is not None:
            stream.identities += (asked.made(stream.object.version()),)
            is_known = isinstance(asked.certificate, tuple)  # and no context, which may have one loaded or not
            if is_known or stream.showed_certificate:
                stream.certificates += (asked.certificate,)

    def covers(self, asked: Identity) -> bool:
        """Whether its peer, and what it is to that peer, are what is asked for now."""
        identities = self.stream.identities
        return bool(identities) and identities[-1].covers(asked)

    def shows(self, certificate: object) -> bool:
        """Whether it was made under this certificate of a client and no other; None: under none."""
        certificates = self.stream.certificates
        if certificate is None:
            return not certificates
        return bool(certificates) and all(shown == certificate for shown in certificates)

    def rest(self) -> None:
        """Watch the idle connection: what the peer does ends it, but for TLS's own messages."""
        self.link.readable.watch(self._on_event)

    def revive(self) -> bool:
        """Watch no longer, and say whether the connection can be used."""
        self.link.readable.on_idle_event = None
        if isinstance(self.stream, TlsStream):
            self.stream.is_untouched = True
        return self.link.is_open and not self._is_spoilt()

    def give_back(self) -> None:
        """Close it, and give back its place in the pool."""
        self.close()
        if self.pool is not None:
            self.pool.leave()

    def close(self) -> None:
        """Close it."""
        self.stream.close()

    def end(self) -> None:
        """As give_back(), unless it is closed already."""
        if self.link.is_open:
            self.give_back()

    def keep(self, timeout_s: float, pool_size: int, *, is_dubious: bool = False) -> None:
        """Put it into its pool, which is made if there is none; it is to be closed if that fails on the wire.

        Args:
            is_dubious: whether an answer may still come that its user has not waited for.
        Raises:
            ValueError: ``bad "pool_size" option value: N``, under 1, where the pool has to be made. SocketClosed,
            SocketError: "connection in dubious state".
        """
        if self.link.is_inherited:
            raise SocketError("invalid connection")
        pool = self.pool
        if pool is None and pool_size <= 0 and pools().find(self.name) is None:
            raise ValueError(f'bad "pool_size" option value: {pool_size}')
        if self.stream.has_input():
            # Unread bytes hide the end that follows them.
            raise SocketClosed if self.link.has_ended() else SocketError(DUBIOUS)
        if is_dubious:
            raise SocketError(DUBIOUS)
        if pool is None:
            pool = self.pool = pools().find_or_make(self.name, pool_size)
            pool.counted += 1
        pool.park(self, timeout_s if timeout_s > 0 else float("inf"))

    def forget_pool(self) -> None:
        """Belong to no pool any more, in a child: the parent's connection is not handed out here."""
        self.pool = None

    def _is_spoilt(self) -> bool:
        try:
            return self.stream.has_input()
        except SocketError:
            return True

    def _on_event(self) -> None:
        if not self._is_spoilt():
            self.rest()
        elif self.pool is not None:
            self.pool.drop(self)


_process.inherited(Connection, Connection.forget_pool)


def place_text(host: str, port: int | str | None) -> str:
    """Return host and port as one text; a unix path alone."""
    return f"{host}:{port}" if isinstance(port, int) else host


def pool_name_of(host: str, port: int | str | None, chosen: str | None) -> str:
    """Return the name of a pool: the user's choice, or host and port as typed."""
    if chosen is not None:
        return chosen
    return host if port is None else f"{host}:{port}"


def pools() -> Pools[Connection]:
    """Return the pools of the calling OS thread's hub."""
    if not _process.IS_SAME[0]:
        _process.look()
    extras = _hub.scheduler().extras
    found: Pools[Connection] | None = extras.get("pools")
    if found is None:
        found = extras["pools"] = Pools[Connection]()
    return found
