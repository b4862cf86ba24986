"""Host text, ports and addresses: what they mean and in which order to try them. No sockets.

The error texts are nginx's, since scripts match them.
"""

from __future__ import annotations

import _socket

from lasa._values import as_bytes, integer, kind_of
from lasa.errors import BadAddress

__all__ = [
    "host_text",
    "ip_family",
    "ip_of",
    "is_unix",
    "parse_address",
    "parse_host",
    "parse_port",
    "race_order",
    "unix_path",
]


UNIX_PATH_MAX = 107
MAX_PORT_DIGITS = 20  # with zeros in front
_ZONE = "%"


def is_unix(host: str) -> bool:
    """Whether the host text names a unix socket."""
    return host[:5].lower() == "unix:"


def unix_path(host: str) -> bytes | None:
    """Return the path of a "unix:/path" text, or None where it is not one.

    Raises:
        BadAddress: no path, or one that no socket address can hold.
    """
    if not is_unix(host):
        return None
    try:
        path = host[5:].encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise BadAddress(f'failed to parse host name "{host}": invalid host') from None
    if not path:
        raise BadAddress(f'failed to parse host name "{host}": no path in the unix domain socket')
    if len(path) > UNIX_PATH_MAX:
        raise BadAddress(f'failed to parse host name "{host}": too long path in the unix domain socket')
    if b"\0" in path[1:]:  # at the beginning it makes an abstract name, such as Linux chooses for a socket without one
        raise BadAddress(f'failed to parse host name "{host}": invalid host')
    return path


def host_text(host: object) -> str:
    """Return the host argument as text; numbers are stringified.

    Raises:
        TypeError: neither a string nor a number.
    """
    if type(host) is str:
        return host
    _refuse_pair(host)
    return as_bytes(host, "bad host").decode("utf-8", "surrogateescape")


def _refuse_pair(address: object) -> None:
    # As the standard library's sockets take it.
    if isinstance(address, tuple):
        raise TypeError(f"bad address: host and port are two arguments, got one tuple: write *{address}")


def parse_port(port: object) -> int:
    """Return the port, 0 to 65535.

    Raises:
        BadAddress: "missing the port number", "bad port number: N".
    """
    number = port if type(port) is int else integer(port)
    if number is None:
        raise BadAddress("missing the port number" if port != float("inf") else "bad port number: inf")
    if not 0 <= number <= 65535:
        raise BadAddress(f"bad port number: {number}")
    return number


def parse_host(host: str) -> str:
    """Return the name or literal that a host text stands for, without brackets; it is not looked up.

    Raises:
        BadAddress: "failed to parse host name "X": R".
    """
    reason = _why_no_host(host)
    if reason is not None:
        raise BadAddress(f'failed to parse host name "{host}": {reason}')
    return host[1:-1] if host[0] == "[" else host


def _why_no_host(host: str) -> str | None:
    if not host:
        return "no host"
    if host[0] == "[":
        if host[-1] != "]":
            return "invalid host"
        return None if ip_family(host[1:-1]) == _socket.AF_INET6 else "invalid IPv6 address"
    if ":" in host:
        # nginx calls a bare "::1" an invalid port; it can mean one thing only, so it is taken.
        return None if ip_family(host) == _socket.AF_INET6 else "invalid port"
    is_wrong = any(char in "/?#@[]\\" or char <= " " or char == "\x7f" for char in host)
    return "invalid host" if is_wrong else None


def parse_address(address: str, default_port: object) -> tuple[str, int]:
    """Return host and port of a text that may name a port, "host:port" or "[ip]:port", as nginx reads it.

    The host is without a port, and with the brackets that it has. Lua scripts have such texts from nginx's
    configuration; in Python a port stands in one place.

    Args:
        default_port: for a text without one; it has to be a port all the same.
    Raises:
        BadAddress: "missing the port number", "bad port number: N", ``failed to parse host name "X": R``.
    """
    port = parse_port(default_port)
    host, behind = address, ""
    if address[:1] == "[":
        inside, bracket, behind = address.partition("]")
        host = inside + bracket
        if not bracket or behind[:1] not in ("", ":"):
            raise BadAddress(f'failed to parse host name "{address}": invalid host')
    elif ":" in address and ip_family(address) is None:
        host, colon, behind = address.partition(":")
        behind = colon + behind
    reason = None
    if any(char in "/?" for char in address):
        reason = "invalid host"
    elif behind:
        digits = behind[1:]
        # The length first: a long row of digits would be slow to read.
        named = int(digits) if len(digits) <= MAX_PORT_DIGITS and digits.isascii() and digits.isdecimal() else 0
        port = named
        if not 1 <= named <= 65535:
            reason = "invalid port"
    if reason is None:
        reason = "no host" if host in ("", "[]") else _why_no_host(host)
    if reason is not None:
        raise BadAddress(f'failed to parse host name "{address}": {reason}')
    return host, port


def ip_family(host: str) -> int | None:
    """Return the address family of an IP literal, or None for a name."""
    for family in (_socket.AF_INET, _socket.AF_INET6):
        try:
            _socket.inet_pton(family, host.partition(_ZONE)[0] if family == _socket.AF_INET6 else host)
        except (OSError, ValueError):
            continue
        return family
    return None


def ip_of(ip: object) -> tuple[int, str]:
    """Return ``(family, ip)`` of a literal to bind to.

    Raises:
        BadAddress: "bad address", for names and short forms.
        TypeError: not a string.
    """
    if not isinstance(ip, str | bytes):
        _refuse_pair(ip)
        raise TypeError(f"bad address: str or bytes expected, got {kind_of(ip)}")
    text = ip if isinstance(ip, str) else ip.decode("latin-1")
    bare = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text
    family = ip_family(bare)
    if family is None:
        raise BadAddress("bad address")
    return family, bare


def race_order(addresses: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Return the addresses in the order in which to try them: families take turns (RFC 8305, section 4).

    The resolver's order is kept within a family, and its first address comes first.
    """
    if not addresses:
        return []
    first_family = addresses[0][0]
    first = [address for address in addresses if address[0] == first_family]
    other = [address for address in addresses if address[0] != first_family]
    mixed: list[tuple[int, str]] = []
    for index in range(max(len(first), len(other))):
        mixed += first[index : index + 1] + other[index : index + 1]
    return mixed
