"""A name's addresses, looked up off the hub by whatever resolver gevent is set to use."""

from __future__ import annotations

import _socket

from lasa._hub.core import scheduler
from lasa._hub.errand import Errands
from lasa.errors import SocketTimeout

__all__ = ["ResolveError", "resolve"]

# nginx's resolver has a number and a text for each way a look-up fails; scripts match them.
_HOST_NOT_FOUND = "3: Host not found"
_SERVER_FAILURE = "2: Server failure"
_TIMED_OUT = "110: Operation timed out"


class ResolveError(Exception):
    """The look-up failed; ``reason`` is the parenthesis of nginx's error text."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def resolve(name: str, timeout_s: float) -> list[tuple[int, str]]:
    """Return the ``(family, ip)`` of ``name``, IPv4 and IPv6, in the resolver's order.

    A call for a name that is being looked up waits for the same answer, for no longer than it would alone.

    Raises:
        ResolveError: no such name, the resolver failed, or ``timeout_s`` is over.
    Switches: always, while a thread of gevent's pool asks the system.
    """
    try:
        name.encode("idna")  # here, since gevent's pool prints what its threads raise
    except UnicodeError:  # not a name at all: a label too long, or one that has no IDNA form
        raise ResolveError(_HOST_NOT_FOUND) from None
    extras = scheduler().extras
    errands: Errands[list[tuple[int, str]] | str] | None = extras.get("lookups")
    if errands is None:
        errands = extras["lookups"] = Errands(_look_up)
    try:
        found = errands.ask(name, timeout_s)
    except SocketTimeout:
        raise ResolveError(_TIMED_OUT) from None
    if isinstance(found, list):
        return found.copy()
    raise ResolveError(found or _SERVER_FAILURE)


def _look_up(name: str) -> list[tuple[int, str]] | str:
    # Returns the reason of a failure: each call that has asked makes an exception of its own.
    try:
        found = scheduler().gevent_hub.resolver.getaddrinfo(name, 0, 0, _socket.SOCK_STREAM)
    except OSError as error:
        not_found = error.errno in (_socket.EAI_NONAME, getattr(_socket, "EAI_NODATA", _socket.EAI_NONAME))
        return _HOST_NOT_FOUND if not_found else _SERVER_FAILURE
    except UnicodeError:
        return _HOST_NOT_FOUND
    addresses: dict[tuple[int, str], None] = {}
    for family, _, _, _, address in found:
        if family in (_socket.AF_INET, _socket.AF_INET6):
            addresses[int(family), address[0]] = None
    return list(addresses) or _HOST_NOT_FOUND
