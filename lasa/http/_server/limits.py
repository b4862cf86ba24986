"""What a client may ask of a server, and how long it may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Self

from lasa._values import number
from lasa.http._wire.exchange import Limits
from lasa.socket._options import did_you_mean

__all__ = ["ServerLimits"]


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """The limits of one server; times are seconds.

    Attributes:
        max_body: bytes of a request's body (else 413).
        max_connections: at once; further ones wait in the system's queue.
        max_requests: over one connection.
        head_timeout_s: for a whole head, from its first byte (else 408), and for a connection's first byte.
        body_timeout_s: of each wait for more of a body (else 408).
        send_timeout_s: of each wait for a client that takes no data.
        idle_timeout_s: between two requests.
        tls_timeout_s: of the TLS handshake.
        heads: bytes of a request line (8 kB, else 414), of a head (64 kB), of one field in it (no limit of its own),
            and fields in it (100, else 431).
    """

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
        """Check options by name; those of heads are max_request_line, max_head, max_field and max_headers.

        Raises:
            ValueError: ``unknown option "NAME", did you mean "OTHER"?``, ``bad "NAME" option value: V``, not a number
                above 0.
        """
        own, heads = {}, {}
        for name, value in options.items():
            checked = number(value)
            if name not in _NAMES and name not in _OF_HEADS:
                raise ValueError(f'unknown option "{name}"{_hint(name)}')
            if checked is None or not 0 < checked < 2**53:
                raise ValueError(f'bad "{name}" option value: {value!r}')
            if name in _OF_HEADS:
                heads[name] = int(checked)
            else:
                own[name] = float(checked) if name.endswith("_s") else int(checked)
        return cls(**own, heads=Limits(**heads))  # type: ignore[arg-type]


_NAMES: Final = {one.name for one in fields(ServerLimits)} - {"heads"}
_OF_HEADS: Final = frozenset(Limits.__slots__)
_OF_NEW: Final = frozenset(("access_log", "backlog", "host", "port", "sock", "ssl"))  # of lasa.http.server.new()


def _hint(name: str) -> str:
    if name in ("ssl_cert", "ssl_key", "ssl_ca"):
        return f', did you mean ssl={{"{name}": ...}}?'
    return did_you_mean(name, _NAMES | _OF_HEADS | _OF_NEW)
