"""The options of connect(), checked before anything happens, and the names of the socket options."""

from __future__ import annotations

import _socket
from collections.abc import Iterable, Mapping
from typing import Any, Final

from lasa._stream.opening import PoolTerms
from lasa._stream.pool import DEFAULT_SIZE
from lasa._values import integer, kind_of, number, text_of, type_name

__all__ = ["SOCKET_OPTIONS", "did_you_mean", "keepalive_of", "pool_terms", "refuse_unknown"]

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


def pool_terms(options: Mapping[str, Any] | None, *, pool: Any, pool_size: Any, backlog: Any) -> PoolTerms:
    """Check the options of connect(); a key of the mapping goes before the keyword.

    Raises:
        TypeError, ValueError: ``bad "NAME" option type: T``, ``bad "NAME" option value: N``.
    """
    if options is not None:
        if not isinstance(options, Mapping):
            raise TypeError(f"bad options: mapping expected, got {kind_of(options)}")
        refuse_unknown(options, "pool", "pool_size", "backlog")
        pool = options.get("pool", pool)
        pool_size = options.get("pool_size", pool_size)
        backlog = options.get("backlog", backlog)
    return PoolTerms(_pool_name(pool), _count("pool_size", pool_size, 1), _count("backlog", backlog, 0))


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


def refuse_unknown(options: Mapping[str, Any], *known: str) -> None:
    """Check that an options mapping has no other keys: a misspelt option must not pass for none.

    Raises:
        ValueError: ``unknown option "NAME"``.
    """
    for name in options:
        if name not in known:
            raise ValueError(f'unknown option "{name}"')


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint for the error about an unknown option, "" if nothing is near."""
    from difflib import get_close_matches  # for those who mistype only

    near = get_close_matches(name, known, 1)
    return f', did you mean "{near[0]}"?' if near else ""


def _pool_name(pool: Any) -> str | None:
    if pool is None or isinstance(pool, str):
        return pool
    if isinstance(pool, bytes):
        return pool.decode("utf-8", "surrogateescape")
    if isinstance(pool, int | float) and not isinstance(pool, bool):
        return text_of(pool).decode()
    raise TypeError(f'bad "pool" option type: {type_name(pool)}')


def _count(name: str, value: Any, least: int) -> int | None:
    if value is None:
        return None
    count = integer(value)
    if count is None:
        raise TypeError(f'bad "{name}" option type: {type_name(value)}')
    if count < least:
        raise ValueError(f'bad "{name}" option value: {count}')
    return count
