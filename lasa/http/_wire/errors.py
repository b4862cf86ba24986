"""What goes wrong in HTTP itself: the peer's message is not one, or is beyond a limit."""

from __future__ import annotations

from lasa.errors import SocketError

__all__ = ["BadMessage"]


class BadMessage(SocketError):
    """The peer's HTTP cannot be understood, is ambiguous, or is larger than we take.

    Attributes:
        status: what a server answers to it.
    """

    def __init__(self, reason: str, status: int = 400, partial: bytes | None = None) -> None:
        super().__init__(reason, partial)
        self.status = status
