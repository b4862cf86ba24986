"""The options of connect(), checked before anything happens, and the names of the socket options."""

import _socket
from typing import Annotated, Any, Final, TypedDict

from lasa._options import Checker, Opt
from lasa._stream import DEFAULT_SIZE
from lasa._values import integer, kind_of, number, text_of

__all__ = ["POOL", "READER", "SOCKET_OPTIONS", "PoolOptions", "keepalive_of"]

DEFAULT_KEEPALIVE_MS: Final = 60_000

SOCKET_OPTIONS: Final[dict[str, tuple[int, int]]] = {
    "keepalive": (_socket.SOL_SOCKET, _socket.SO_KEEPALIVE),
    "reuseaddr": (_socket.SOL_SOCKET, _socket.SO_REUSEADDR),
    "tcp-nodelay": (_socket.IPPROTO_TCP, _socket.TCP_NODELAY),
    "sndbuf": (_socket.SOL_SOCKET, _socket.SO_SNDBUF),
    "rcvbuf": (_socket.SOL_SOCKET, _socket.SO_RCVBUF),
    "keepintvl": (_socket.IPPROTO_TCP, _socket.TCP_KEEPINTVL),
    "keepcnt": (_socket.IPPROTO_TCP, _socket.TCP_KEEPCNT),
}


def _pool_name(pool: Any) -> str | None:
    if isinstance(pool, bytes):
        return pool.decode("utf-8", "surrogateescape")
    if isinstance(pool, int | float) and not isinstance(pool, bool):
        return text_of(pool).decode()
    return pool if isinstance(pool, str) else None


class PoolOptions(TypedDict, total=False):
    """From which pool a connection comes, and how large that is."""

    pool: Annotated[str | bytes | float | None, Opt(kind=_pool_name, types=True, unset="`host:port` as typed")]
    """The pool's name."""
    pool_size: Annotated[int | None, Opt(least=1, types=True, default=DEFAULT_SIZE)]
    """Idle connections that the pool holds; makes the pool, if there is none of that name."""
    backlog: Annotated[int | None, Opt(least=0, types=True, unset="none, any number of connections")]
    """Likewise makes the pool, caps its open connections at its size, and lets so many further connects wait."""


class ReaderOptions(TypedDict, total=False):
    """What a reader of receiveuntil() does."""

    inclusive: Annotated[bool | None, Opt(types=True, default=False)]
    """Whether the pattern stays in the data."""
    max_pattern: Annotated[int | None, Opt("bytes", least=1, unset="the socket's")]
    """Bytes that may come before the pattern."""


POOL: Final = Checker(PoolOptions)
READER: Final = Checker(ReaderOptions)


def keepalive_of(timeout: Any, size: Any) -> tuple[float, int]:
    """Return seconds and size that the arguments of setkeepalive() ask for; None is the default.

    Raises:
        TypeError: "bad timeout: …", "bad size: …".
    """
    timeout_ms = DEFAULT_KEEPALIVE_MS if timeout is None else number(timeout)
    pool_size = DEFAULT_SIZE if size is None else integer(size)
    if timeout_ms is None:
        raise TypeError(f"bad timeout: number of milliseconds expected, got {kind_of(timeout)}")
    if pool_size is None:
        raise TypeError(f"bad size: number of connections expected, got {kind_of(size)}")
    return min(timeout_ms, 1e12) / 1000, pool_size
