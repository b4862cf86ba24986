"""What a client may ask of a server, and how long it may take; and the other options of a server."""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Self, TypedDict

from lasa._options import LEAST_S, Checker, Opt
from lasa.http._wire.exchange import Limits

__all__ = ["SERVER", "LimitOptions", "ServerLimits", "ServerOptions"]


class LimitOptions(TypedDict, total=False):
    """What a client may ask of a server; times are seconds."""

    max_request_line: Annotated[int, Opt("bytes", least=1)]
    """Bytes of a request line; beyond it the client gets 414."""
    max_head: Annotated[int, Opt("bytes", least=1)]
    """Bytes of a whole head; else 431."""
    max_headers: Annotated[int, Opt(least=1)]
    """Fields in a head; else 431."""
    max_field: Annotated[int, Opt("bytes", least=1, unset="no limit of its own")]
    """Bytes of one field, as `name: value` with its line end; else 431."""
    max_body: Annotated[int, Opt("bytes", least=1)]
    """Bytes of a request's body; else 413, before it is read where its length is announced."""
    max_connections: Annotated[int, Opt(least=1)]
    """Connections at once; the next ones wait in the system's queue, see `backlog`."""
    max_requests: Annotated[int, Opt(least=1)]
    """Requests over one connection, which is closed then."""
    head_timeout_s: Annotated[float, Opt("s", least=LEAST_S, elsewhere=("open_timeout", "open_timeout_s"))]
    """For a whole head, from its first byte, else 408; a connection that sends nothing at all is closed."""
    body_timeout_s: Annotated[float, Opt("s", least=LEAST_S)]
    """For each wait for more of a body; else 408."""
    send_timeout_s: Annotated[float, Opt("s", least=LEAST_S)]
    """For each wait for a client that takes no data; the connection is cut then."""
    idle_timeout_s: Annotated[float, Opt("s", least=LEAST_S)]
    """Between two requests; the connection is closed then."""
    tls_timeout_s: Annotated[float, Opt("s", least=LEAST_S)]
    """For the TLS handshake; likewise."""


class ServerOptions(LimitOptions, total=False):
    """What lasa.http.server.new() takes beside an address."""

    host: Annotated[str, Opt(unset=" ")]
    """The address, in a mapping."""
    port: Annotated[int | str, Opt(unset=" ")]
    """The port, where the address has none."""
    sock: Annotated[socket.socket, Opt()]
    """A socket that listens already, in place of an address; the server takes it over (it is detached)."""
    ssl: Annotated[Mapping[str, Any] | ssl.SSLContext | None, Opt(parts=("ssl_cert", "ssl_key", "ssl_ca"))]
    """`{"ssl_cert": file, "ssl_key": file}` for https, with `ssl_ca` to demand certificates of clients; or an \
ssl.SSLContext."""
    access_log: Annotated[Any, Opt(default=True)]
    """True or "combined", "json", False, or a function of one Served; by `logging`, "lasa.http.access"."""
    backlog: Annotated[int, Opt(default=2048, least=0, below=2**31)]
    """Connections that the system keeps until they are accepted."""


SERVER: Final = Checker(ServerOptions)
_LIMITS: Final = Checker(LimitOptions, known=ServerOptions)


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """The limits of one server, as LimitOptions has them; those of heads are in ``heads``."""

    max_body: int = 256 * 1024 * 1024
    max_connections: int = 10_000
    max_requests: int = 1_000_000
    head_timeout_s: float = 30.0
    body_timeout_s: float = 30.0
    send_timeout_s: float = 30.0
    idle_timeout_s: float = 75.0
    tls_timeout_s: float = 30.0
    heads: Limits = field(default_factory=Limits)

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Self:
        """Check options by name.

        Raises:
            ValueError: ``unknown option "NAME", did you mean "OTHER"?``, ``bad "NAME" option value: V``, not a number
                above 0.
        """
        checked = _LIMITS.check(options)
        heads = {name: checked.pop(name) for name in Limits.__slots__ if name in checked}
        return cls(**checked, heads=Limits(**heads))
