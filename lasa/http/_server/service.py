"""What all connections of one server share."""

from __future__ import annotations

import inspect
import ssl
from collections.abc import Callable
from typing import Any, Final

from lasa._functions import is_async
from lasa.http._server.access_log import AccessLog
from lasa.http._server.limits import ServerLimits
from lasa.http._server.request import Request

__all__ = ["Handler", "Service", "check_handler", "no_handler"]

Handler = Callable[[Request], Any]

OF_A_REQUEST: Final = (
    "a function of one argument, the request, expected; a WSGI application becomes one by lasa.http.wsgi.handler_of()"
)


class Service:
    """A server as its connections see it.

    Attributes:
        handler: answers one request.
        limits: what clients may ask of it.
        tls: None for http.
        access_log: the form of the log, or what writes it.
        is_stopping: whether no request is to follow the one that is answered.
    """

    def __init__(
        self, limits: ServerLimits, tls: ssl.SSLContext | None, access_log: str | bool | AccessLog | None
    ) -> None:
        self.limits = limits
        self.tls = tls
        self.access_log = access_log
        self.handler: Handler = no_handler
        self.is_stopping = False

    def leave(self, connection: Any) -> None:
        """A connection has ended."""
        raise NotImplementedError


def no_handler(request: Request) -> Any:
    """Stand for a handler until there is one."""
    raise RuntimeError(f"no handler yet for {request!r}")


def check_handler(handler: Any, expected: str = OF_A_REQUEST) -> None:
    """Refuse what cannot answer any request.

    Args:
        expected: what it should be, for the error's text.
    Raises:
        TypeError: it cannot be called, or not with one argument, or is asynchronous.
    """
    if not callable(handler):
        raise TypeError(f"bad handler: function expected, got {type(handler).__name__}")
    if is_async(handler):
        raise TypeError("bad handler: it is async; a plain function may wait, and others run meanwhile")
    try:
        inspect.signature(handler).bind(None)
    except ValueError:  # written in C, and silent about its arguments
        return
    except TypeError as error:
        raise TypeError(f"bad handler: {error}; {expected}") from None
