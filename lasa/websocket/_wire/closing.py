"""How a WebSocket ends: close frames, their codes, and who began (RFC 6455 sections 5.5.1 and 7.4)."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from lasa.websocket._wire.errors import ProtocolError

__all__ = [
    "ABNORMAL",
    "BAD_DATA",
    "GOING_AWAY",
    "INTERNAL_ERROR",
    "NORMAL",
    "NO_STATUS",
    "PROTOCOL_ERROR",
    "TOO_BIG",
    "BadFrame",
    "Closing",
    "close_payload",
    "parse_close",
]

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
NO_STATUS: Final = 1005  # never on the wire: a close frame without a code
ABNORMAL: Final = 1006  # never on the wire: the connection ended without a close frame
BAD_DATA: Final = 1007
TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011

REASON_MAX: Final = 123  # bytes
HALF_A_CODE: Final = "close frame with a body must carry a 2-byte status code"

BadFrame = ProtocolError  # its name where frames are read


class Closing(NamedTuple):
    """How a connection ended.

    Attributes:
        code: of the first close frame; 1005 if it had none, 1006 if there was no close frame.
        reason: its text, "" if it had none; for 1006 the error word.
        by: who closed first: "us", "peer", or "nobody" if there was no close frame.
    """

    code: int
    reason: str
    by: Literal["us", "peer", "nobody"]

    @property
    def is_normal(self) -> bool:
        """Whether nothing went wrong: it was closed with 1000, with 1001, or without a code."""
        return self.code in (NORMAL, GOING_AWAY, NO_STATUS)


def is_sendable(code: int) -> bool:
    """Whether a close frame may have this code (RFC 6455 section 7.4.2, and what IANA has added since)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def parse_close(payload: bytes) -> tuple[int | None, str]:
    """Return code and reason of a close frame.

    Raises:
        ProtocolError: half a code, a code that must not be sent, a reason that is no UTF-8.
    """
    if not payload:
        return None, ""
    if len(payload) == 1:
        raise ProtocolError(HALF_A_CODE)
    code = payload[0] << 8 | payload[1]
    if not is_sendable(code):
        raise ProtocolError(f"bad close code: {code}")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise ProtocolError("invalid utf-8", BAD_DATA) from None


def close_payload(code: int, reason: str) -> bytes:
    """Return the payload of a close frame of ours.

    Raises:
        TypeError, ValueError: a code that must not be sent, a reason of more than 123 bytes.
    """
    if isinstance(code, bool) or not isinstance(code, int):
        raise TypeError(f"bad close code: number expected, got {type(code).__name__}")
    if not isinstance(reason, str):
        raise TypeError(f"bad close reason: string expected, got {type(reason).__name__}")
    if not is_sendable(code):
        raise ValueError(f"bad close code: {code}; 1000 to 1003, 1007 to 1014 and 3000 to 4999 may be sent")
    text = reason.encode()
    if len(text) > REASON_MAX:
        raise ValueError(f"close reason too long: {len(text)} bytes, {REASON_MAX} at most")
    return code.to_bytes(2, "big") + text
