"""Which pages may open a WebSocket: the rule about a request's Origin (RFC 6455 section 10.2, RFC 6454)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from lasa._functions import check_function, checked_result

__all__ = ["OriginRule", "Origins", "origin_rule"]

Origins = str | Iterable[str | None] | Callable[[str | None], Any] | None
OriginRule = Callable[[str | None, str | None], bool]  # (Origin, Host) of a request

SAME: Final = "same"

_HOST: Final = r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]*)(?::([0-9]{1,5}))?"
_ORIGIN: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://" + _HOST)
_AUTHORITY: Final = re.compile(_HOST)
_DEFAULT_PORT: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def origin_rule(origins: Origins) -> OriginRule:
    """Return what says whether a page of an origin may open a WebSocket here.

    Browsers let any page open one to any server, with the user's cookies, and leave it to the server to look at Origin.

    Args:
        origins: None: anything goes. Else the origins that may, such as "https://example.com", one or several: scheme
            and host in any case, a default port may be left out. Among them None stands for a request without Origin,
            which no browser sends; "same" for that, and for an Origin whose host and port are those of the Host header;
            "null" for what browsers send of sandboxes and files. Or a function that gets the Origin, or None, and
            returns whether it may.
    Returns:
        a function of a request's Origin and Host.
    Raises:
        ValueError: ``bad origin: O``: no scheme, no plain host, or something behind it, be it a slash.
        TypeError: other types.
    """
    if origins is None:
        return lambda origin, host: True
    if callable(origins):
        decide = origins
        check_function(decide, "origins")
        return lambda origin, host: bool(checked_result(decide(origin), decide, "origins"))
    if isinstance(origins, str):
        origins = (origins,)
    if isinstance(origins, bytes) or not isinstance(origins, Iterable):
        raise TypeError(f"bad origins: strings or a function expected, got {type(origins).__name__}")
    allowed: set[tuple[str, str, int | None]] = set()
    takes_same = takes_none = False
    for one in origins:
        if one is None:
            takes_none = True
        elif not isinstance(one, str):
            raise TypeError(f"bad origin: string expected, got {type(one).__name__}")
        elif one == SAME:
            takes_same = takes_none = True
        else:
            known = _normal_origin(one)
            if known is None:
                raise ValueError(f'bad origin: {one!r}; "scheme://host[:port]" expected, no path, no "*"')
            allowed.add(known)

    def may_open(origin: str | None, host: str | None) -> bool:
        if origin is None:
            return takes_none
        found = _normal_origin(origin)
        if found is None:
            return False
        return found in allowed or (takes_same and host is not None and _is_of_host(found, host))

    return may_open


def _normal_origin(text: str) -> tuple[str, str, int | None] | None:
    # Scheme, host and port as they are compared; None for what no origin can be.
    if text == "null":
        return "null", "", None
    found = _ORIGIN.fullmatch(text)
    if found is None:
        return None
    scheme = found[1].lower()
    if scheme in _DEFAULT_PORT and not found[2]:
        return None
    return scheme, found[2].lower(), int(found[3]) if found[3] else _DEFAULT_PORT.get(scheme)


def _is_of_host(origin: tuple[str, str, int | None], host: str) -> bool:
    # The scheme is not compared: behind a proxy that ends TLS, only the proxy knows it.
    scheme, name, port = origin
    found = _AUTHORITY.fullmatch(host)
    if found is None or scheme not in _DEFAULT_PORT:
        return False
    return (name, port) == (found[1].lower(), int(found[2]) if found[2] else _DEFAULT_PORT[scheme])
