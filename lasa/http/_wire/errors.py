"""What goes wrong in HTTP itself: the peer's message is not one, or is beyond a limit."""

from __future__ import annotations

from typing import Final

from lasa.errors import LimitExceeded, SocketError

__all__ = [
    "BadStatusLine",
    "BodyTooLarge",
    "DecodeError",
    "ProtocolError",
    "RedirectError",
    "TooManyRedirects",
    "shown",
]

SHOWN: Final = 200


def shown(text: str) -> str:
    """Return a peer's text as it may stand in an error word or a log: printable, and not too long."""
    text = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
    if text.isascii() and text.isprintable():
        return text
    return "".join([one if " " <= one <= "~" or one == "…" else f"\\x{ord(one):02x}" for one in text])


class RedirectError(SocketError):
    """A redirect that cannot be followed."""


class TooManyRedirects(RedirectError):
    """One redirect more than are to be followed."""


class BodyTooLarge(LimitExceeded):
    """The body of an answer is larger than it may be, as it comes or inflated."""


class ProtocolError(SocketError):
    """The peer's HTTP cannot be understood, is ambiguous, or is larger than we take.

    Attributes:
        status: what a server answers to it.
    """

    def __init__(self, reason: str, status: int = 400, partial: bytes | None = None) -> None:
        super().__init__(reason, partial)
        self.status = status


class DecodeError(ProtocolError, ValueError):
    """A body that is not in the content coding it says; also a ValueError."""


class BadStatusLine(ProtocolError):
    """What answers is no HTTP server, or a broken one.

    Attributes:
        line: what it has said, up to the end of the line if there is one, as it may be shown.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__("bad status line")
        self.line = shown(data.partition(b"\n")[0].decode("latin-1").removesuffix("\r"))
