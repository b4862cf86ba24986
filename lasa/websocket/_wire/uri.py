"""What a WebSocket URI means (RFC 6455, section 3): where to connect, what to ask for there, what the Host header says.

But for its scheme it is a URL of HTTP, and it is read as one, by the same strict rules; so nobody who checks one first
can be told another host than the one connected to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from lasa.errors import BadAddress
from lasa.http._wire.target import BadUri, mask_userinfo, parse_target

__all__ = ["BAD_URI", "WebSocketUri", "parse_uri", "uri_to_show", "uri_to_tell"]

BAD_URI: Final = "bad websocket uri"

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
# Not IGNORECASE, to which the long s, U+017F, is an "s".
_SCHEME: Final = re.compile(r"[Ww][Ss]([Ss]?)(?=://)")


@dataclass(frozen=True, slots=True)
class WebSocketUri:
    """One thing to talk to.

    Attributes:
        scheme: "ws" or "wss".
        host: what to connect to and to verify: a name in lower-case ASCII, an IPv4 address, or an IPv6 address without
            brackets, with its zone ("fe80::1%eth0"). "localhost" where unix_path is given.
        port: 1 to 65535; 80 or 443 where none is given.
        path: the request line's target: path and query, percent-encoded, at least "/".
        authority: what the Host header says: the port only if it is not the scheme's own, since a server may compare
            or sign the header as browsers send it; IPv6 in brackets, no zone; "localhost" for a unix socket.
        userinfo: ``(user, password)``, decoded; bytes that are no UTF-8 as surrogateescape. None where none was given.
        unix_path: the socket's path in the file system, or None.
    """

    scheme: str
    host: str
    port: int
    path: str
    authority: str
    userinfo: tuple[str, str] | None = field(default=None, repr=False)
    unix_path: str | None = None

    @property
    def is_secure(self) -> bool:
        """Whether the connection is to be TLS."""
        return self.scheme == "wss"

    @property
    def server_name(self) -> str:
        """What TLS sends as SNI and verifies: the host without zone and without a dot at its end."""
        return self.host.partition("%")[0].removesuffix(".")


def parse_uri(text: str | bytes) -> WebSocketUri:
    """Return what ``text`` means.

    Args:
        text: ws or wss, in any case. Also ``ws://unix:/path/to.sock:/uri`` for a unix socket, whose path is taken as
            it is, with nothing percent-decoded, up to the next colon.
    Raises:
        BadAddress: "bad websocket uri": another scheme, no host or one that is none, a port that is not 1 to 65535,
            a fragment, a space before the path or at the end, a backslash before the query.
        ValueError: control characters, or a lone surrogate. TypeError: not a string (ASCII bytes count as one).
    """
    if isinstance(text, bytes) and text.isascii():
        text = text.decode("ascii")
    if not isinstance(text, str):
        raise TypeError(f"{BAD_URI}: string expected, got {type(text).__name__}")
    if _CONTROL.search(text):
        raise ValueError(f"{BAD_URI}: control character")
    scheme = _SCHEME.match(text)
    if scheme is None or "#" in text:
        raise BadAddress(BAD_URI)
    try:
        target = parse_target(f"http{scheme[1]}{text[scheme.end() :]}")
    except BadUri:  # its own text would show a URL that nobody wrote
        raise BadAddress(BAD_URI) from None
    return WebSocketUri(
        "wss" if scheme[1] else "ws",
        target.host,
        target.port,
        target.path,
        target.authority,
        target.userinfo,
        target.unix_path,
    )


def uri_to_tell(uri: str | bytes) -> str:
    """Return a URI as it may stand in an error: without user and password."""
    text = uri.decode("ascii", "replace") if isinstance(uri, bytes) else uri
    scheme, colon, rest = text.partition("://")
    return f"{scheme}{colon}{mask_userinfo(rest)}" if scheme.lower() in ("ws", "wss") else mask_userinfo(text)


def uri_to_show(uri: str | bytes) -> str:
    """Return a URI as it may stand in a log: without its query, too, in which there are secrets."""
    return uri_to_tell(uri).partition("?")[0]
