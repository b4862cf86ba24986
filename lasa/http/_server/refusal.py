"""Answers by exception: what a client's request has got wrong, and a handler's own way out of its helpers."""

from __future__ import annotations

from typing import Any

from lasa.http._server.answer import checked_status
from lasa.http._wire.errors import ProtocolError
from lasa.http._wire.fields import HeaderSource

__all__ = ["Abort", "BadRequest"]


class BadRequest(ProtocolError):
    """The request that is being answered is wrong; the server answers its status, and says why.

    A class of its own, since what a handler's own client says of another server is no fault of our client's.
    """


class Abort(Exception):
    """Raised in a handler, or in whatever it calls, it is the answer: as if the handler had returned it.

    ``raise Abort(404, "no such note")`` is for helpers that are deep inside. It is no failure, and is not logged.
    Once ``request.respond()`` has begun another answer it comes too late, and is one.

    Args:
        status: 200 to 599.
        body: as a handler returns it.
        headers: the same.
    Raises:
        TypeError, ValueError: a bad status.
    """

    def __init__(self, status: int, body: Any = None, headers: HeaderSource = None) -> None:
        super().__init__(status, body, headers)
        self.status = checked_status(status)
        self.body = body
        self.headers = headers

    def __str__(self) -> str:
        return f"answer {self.status}"

    @property
    def returned(self) -> tuple[Any, ...]:
        """What the handler would have returned."""
        return (self.status, self.body) if self.headers is None else (self.status, self.headers, self.body)
