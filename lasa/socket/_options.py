"""The options of a reader, checked before anything happens, and the names of the socket options."""

import _socket
from math import inf
from typing import Annotated, Final, TypedDict

from lasa._options import Checker, Opt

__all__ = ["READER", "SOCKET_OPTIONS"]

SOCKET_OPTIONS: Final[dict[str, tuple[int, int]]] = {
    "keepalive": (_socket.SOL_SOCKET, _socket.SO_KEEPALIVE),
    "reuseaddr": (_socket.SOL_SOCKET, _socket.SO_REUSEADDR),
    "tcp-nodelay": (_socket.IPPROTO_TCP, _socket.TCP_NODELAY),
    "sndbuf": (_socket.SOL_SOCKET, _socket.SO_SNDBUF),
    "rcvbuf": (_socket.SOL_SOCKET, _socket.SO_RCVBUF),
    "keepintvl": (_socket.IPPROTO_TCP, _socket.TCP_KEEPINTVL),
    "keepcnt": (_socket.IPPROTO_TCP, _socket.TCP_KEEPCNT),
}


class ReaderOptions(TypedDict, total=False):
    """What a reader of receiveuntil() does."""

    inclusive: Annotated[bool | None, Opt(types=True, default=False)]
    """Whether the pattern stays in the data."""
    max_pattern: Annotated[int | None, Opt("bytes", least=1, below=inf, unset="the socket's")]
    """Bytes that may come before the pattern."""


READER: Final = Checker(ReaderOptions)
