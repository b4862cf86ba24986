"""What goes wrong with a WebSocket, beside what goes wrong with any connection; the tree is in lasa/errors.py."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lasa.errors import ConnectError, LimitExceeded, SocketClosed, SocketError, SocketTimeout

if TYPE_CHECKING:
    from lasa.websocket._wire.closing import Closing

__all__ = [
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "HandshakeError",
    "HandshakeRefused",
    "MessageTooBig",
    "PingTimeout",
    "ProtocolError",
    "UpgradeRefused",
    "closed_by",
]


class HandshakeError(ConnectError):
    """One side of the opening handshake has it wrong, or does not agree; ``response`` is the server's answer."""


class UpgradeRefused(HandshakeError):
    """The server has answered with another status than 101; ``response`` is its answer."""


class HandshakeRefused(HandshakeError):
    """A request for a WebSocket that is wrong, or not allowed.

    Attributes:
        status: what the server answers to it: 400, 403, 405 or 426.
        headers: what the answer says besides.
    """

    def __init__(self, reason: str, status: int = 400, headers: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = tuple(headers)


class ProtocolError(SocketError):
    """The peer breaks the protocol, or a limit; the connection ends.

    Attributes:
        code: of the close frame that tells it: 1002, 1007 or 1009.
    """

    def __init__(self, reason: str, code: int = 1002) -> None:
        super().__init__(reason)
        self.code = code


class MessageTooBig(LimitExceeded, ProtocolError):
    """A message, or a frame of it, is larger than it may be; also a LimitExceeded."""

    def __init__(self, reason: str = "message too big", code: int = 1009) -> None:
        ProtocolError.__init__(self, reason, code)


class PingTimeout(SocketTimeout):
    """The peer has sent nothing since it was sent a ping, for too long; the connection has ended."""

    def __init__(self, reason: str = "ping timeout") -> None:
        super().__init__(reason)


class ConnectionClosed(SocketClosed):
    """The WebSocket is not open, or not any more.

    Attributes:
        closing: how it was closed; None before that, and at the level of frames.
    """

    closing: Closing | None = None

    @property
    def why(self) -> str:
        """The error word, and how the connection was closed."""
        closing = self.closing
        if closing is None:
            return self.reason
        told = f": {closing.reason}" if closing.reason not in ("", self.reason) else ""
        if closing.code == 1006:
            return self.reason + told
        return f"{self.reason} by {'us' if closing.by == 'us' else 'the peer'} with {closing.code}{told}"


class ConnectionClosedOK(ConnectionClosed):
    """It was closed with 1000, with 1001, or without a code."""


class ConnectionClosedError(ConnectionClosed):
    """It was closed with another code, or nobody has closed it, or it was never open."""


def closed_by(closing: Closing | None, reason: str = "closed") -> ConnectionClosed:
    """Return the error of a connection that was closed so."""
    kind = ConnectionClosedError if closing is None or not closing.is_normal else ConnectionClosedOK
    error = kind(reason)
    error.closing = closing
    return error
