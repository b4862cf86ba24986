"""Cosockets: sockets that read like blocking ones and switch while they wait (seed: lasa.socket)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lasa._stream import DEFAULT_LIMITS, Limits
from lasa._values import kind_of, number
from lasa.errors import SocketError, Word, failed
from lasa.socket._tcp import TcpSocket
from lasa.socket._udp import UdpSocket

__all__ = ["TcpSocket", "UdpSocket", "connect", "stream", "tcp", "udp"]


def tcp(
    *arguments: object,
    max_line: int | None = None,
    max_pattern: int | None = None,
    max_all: int | None = None,
) -> TcpSocket:
    """Return a new TCP or unix stream cosocket, not connected.

    Args:
        max_line, max_pattern, max_all: bytes that ``receive("*l")`` (1 MiB), a reader of ``receiveuntil()`` (16 MiB)
            and ``receive("*a")`` (256 MiB) may gather before their end is seen; accepted sockets inherit them.
    Raises:
        TypeError: "expecting zero arguments, but got N". ValueError: ``bad "max_line" option value: V``.
    Switches: never. Source: seed, "lasa.socket.tcp".
    """
    _expect_none(arguments)
    if max_line is None and max_pattern is None and max_all is None:
        return TcpSocket()
    limits = Limits(
        max_line=DEFAULT_LIMITS.of("max_line", max_line),
        max_pattern=DEFAULT_LIMITS.of("max_pattern", max_pattern),
        max_all=DEFAULT_LIMITS.of("max_all", max_all),
    )
    return TcpSocket(limits)


stream = tcp


def udp(*arguments: object) -> UdpSocket:
    """Return a new UDP or unix datagram cosocket, without a peer.

    Raises:
        TypeError: "expecting zero arguments, but got N".
    Switches: never. Source: seed, "lasa.socket.udp".
    """
    _expect_none(arguments)
    return UdpSocket()


def connect(
    host: Any,
    port: Any = None,
    options: Mapping[str, Any] | None = None,
    *,
    pool: str | int | None = None,
    pool_size: int | None = None,
    backlog: int | None = None,
    timeout_ms: float | None = None,
    max_line: int | None = None,
    max_pattern: int | None = None,
    max_all: int | None = None,
) -> tuple[TcpSocket | None, Word | None]:
    """Return ``(socket, None)``, connected as by ``tcp().connect(…)``, or its ``(None, err)``.

    Args:
        host, port, options, pool, pool_size, backlog: as of TcpSocket.connect().
        timeout_ms: as by settimeout(), for connecting and for all that follows; by default 30,000.
        max_line, max_pattern, max_all: as of tcp().
    Raises, Switches: as TcpSocket.connect(). Source: seed, "lasa.socket.connect".
    """
    sock = tcp(max_line=max_line, max_pattern=max_pattern, max_all=max_all)
    if timeout_ms is not None:
        if number(timeout_ms) is None:
            raise TypeError(f"bad timeout_ms: number expected, got {kind_of(timeout_ms)}")
        sock.settimeout(timeout_ms)
    try:
        sock.open(host, port, options, pool, pool_size, backlog)
    except SocketError as error:
        return failed(error)
    return sock, None


def _expect_none(arguments: tuple[object, ...]) -> None:
    if arguments:
        raise TypeError(f"expecting zero arguments, but got {len(arguments)}; a host and a port belong to connect()")
