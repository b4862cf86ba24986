"""What a case is made of: what is sent, what has to come back, and how the connection has to end.

A case reads as what happens on the wire. Frames (as they should be, or not), raw octets and messages are sent;
`Message` and `Pong` are awaited, each kind in its order. It is the same for both roles: what only a client does, such
as masking, the peer does where it plays the client.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "FRAMES",
    "NOT_UTF8",
    "PING",
    "PONG",
    "PROTOCOL_ERROR",
    "TEXT",
    "TOO_BIG",
    "WHOLE",
    "Case",
    "Closed",
    "Deflate",
    "Ending",
    "Failed",
    "Fragments",
    "Frame",
    "Lost",
    "Message",
    "Pong",
    "Role",
    "Step",
    "Verdict",
    "binary",
    "case",
    "close",
    "message",
    "more",
    "ping",
    "pong",
    "text",
]

CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

# How what is sent is cut into writes: all at once, a write for each frame, or (a positive number) so many octets each.
WHOLE: Final = 0
FRAMES: Final = -1


class Role(Enum):
    """The side under test."""

    SERVER = "server"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame to send.

    Attributes:
        rsv: the three reserved bits as a number: 4 is RSV1.
        announced: the length in the header where it is not the payload's: the rest is never sent.
        width: octets of the extended length: 0, 2 or 8; None: as few as the length needs.
        wrong_mask: masked by the server, or not masked by the client.
    """

    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv: int = 0
    announced: int | None = None
    width: int | None = None
    wrong_mask: bool = False


@dataclass(frozen=True, slots=True)
class Fragments:
    """One message to send, in frames of up to ``size`` octets (0: in one); deflated in the connection's own context."""

    opcode: int
    payload: bytes
    size: int = 0
    deflated: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A message has to come back, in whatever frames, compressed or not."""

    opcode: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """A pong has to come back."""

    payload: bytes


Sent = Frame | Fragments | bytes
Awaited = Message | Pong
Step = Sent | Awaited


@dataclass(frozen=True, slots=True)
class Closed:
    """The closing handshake: a close frame comes back with this code (None: without one), then TCP ends."""

    code: int | None = 1000


@dataclass(frozen=True, slots=True)
class Failed:
    """The connection is failed: a close frame comes with one of these codes, then TCP ends, whatever the peer does."""

    codes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """The peer ends TCP without a close frame; the other side ends it too."""


Ending = Closed | Failed | Lost

PROTOCOL_ERROR: Final = Failed((1002,))
NOT_UTF8: Final = Failed((1007,))
TOO_BIG: Final = Failed((1009,))


class Verdict(Enum):
    """What has to become of an offer or answer of compression."""

    AGREED = "the server accepts the offer, the client accepts the answer"
    REFUSED = "the server goes on without compression, the client fails the handshake"
    EITHER = "both are right"
    MALFORMED = "it is no list of extensions at all: both fail the handshake"


@dataclass(frozen=True, slots=True)
class Deflate:
    """The negotiation of permessage-deflate.

    Attributes:
        offers: what the peer sends as a client, a field line each.
        answer: what the peer sends as a server; with what the client's offer demands where it does not fit as it is.
    """

    offers: tuple[str, ...] = ("permessage-deflate; client_max_window_bits",)
    answer: str = "permessage-deflate"
    verdict: Verdict = Verdict.AGREED


@dataclass(frozen=True, slots=True)
class Case:
    """One case of the table.

    Attributes:
        number: as in the Autobahn test-suite where it has such a case.
        cut: how what is sent is cut into writes.
        deflate: None: no compression is offered, and none is accepted.
        roles: the sides to which the rule applies.
        eager: a server sends its first frames in one write with the answer to the handshake.
    """

    number: str
    title: str
    steps: tuple[Step, ...]
    ending: Ending
    cut: int = WHOLE
    deflate: Deflate | None = None
    roles: tuple[Role, ...] = (Role.SERVER, Role.CLIENT)
    eager: bool = False


def case(
    number: str,
    title: str,
    *steps: Step,
    ending: Ending | None = None,
    cut: int = WHOLE,
    deflate: Deflate | None = None,
    roles: tuple[Role, ...] = (Role.SERVER, Role.CLIENT),
    eager: bool = False,
) -> Case:
    """Return a case; without an ending, the peer says goodbye at last, and all has to be well."""
    if ending is None:
        steps = (*steps, close())
        ending = Closed()
    return Case(number, title, steps, ending, cut, deflate, roles, eager)


def text(payload: str | bytes = b"", fin: bool = True, rsv: int = 0) -> Frame:
    """Return a text frame to send."""
    return Frame(TEXT, _octets(payload), fin, rsv)


def binary(payload: bytes = b"", fin: bool = True, rsv: int = 0) -> Frame:
    """Return a binary frame to send."""
    return Frame(BINARY, payload, fin, rsv)


def more(payload: str | bytes = b"", fin: bool = True, rsv: int = 0) -> Frame:
    """Return a continuation frame to send."""
    return Frame(CONTINUATION, _octets(payload), fin, rsv)


def ping(payload: bytes = b"", fin: bool = True, rsv: int = 0) -> Frame:
    """Return a ping to send."""
    return Frame(PING, payload, fin, rsv)


def pong(payload: bytes = b"", fin: bool = True, rsv: int = 0) -> Frame:
    """Return a pong to send."""
    return Frame(PONG, payload, fin, rsv)


def close(code: int | None = 1000, reason: str | bytes = b"", rsv: int = 0) -> Frame:
    """Return a close frame to send; without a code it has no payload."""
    payload = b"" if code is None else code.to_bytes(2, "big") + _octets(reason)
    return Frame(CLOSE, payload, rsv=rsv)


def message(payload: str | bytes) -> Message:
    """Return what has to come back: a text as str, or binary data."""
    return Message(TEXT if isinstance(payload, str) else BINARY, _octets(payload))


def _octets(payload: str | bytes) -> bytes:
    return payload.encode() if isinstance(payload, str) else payload
