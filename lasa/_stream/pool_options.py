"""The options of a pool: those of a connect, and what setkeepalive() is told; checked before anything happens."""

from math import inf
from typing import Annotated, Any, Final, TypedDict

from lasa._options import Checker, Opt
from lasa._stream.pool import DEFAULT_SIZE
from lasa._values import integer, kind_of, number, text_of

__all__ = ["POOL", "PoolOptions", "keepalive_of"]

DEFAULT_KEEPALIVE_MS: Final = 60_000


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
    pool_size: Annotated[int | None, Opt(least=1, below=inf, types=True, default=DEFAULT_SIZE)]
    """Idle connections that the pool holds; makes the pool, if there is none of that name."""
    backlog: Annotated[int | None, Opt(least=0, below=inf, types=True, unset="none, any number of connections")]
    """Likewise makes the pool, caps its open connections at its size, and lets so many further connects wait."""


POOL: Final = Checker(PoolOptions)


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
