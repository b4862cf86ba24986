"""One message to many connections, none of which can hold up the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lasa.http._wire.pieces import BYTES_LIKE
from lasa.websocket._socket.messaging import WebSocket
from lasa.websocket._wire.frames import BINARY, FIN, TEXT, frame_head

__all__ = ["broadcast"]


def broadcast(connections: Iterable[WebSocket], message: str | bytes) -> tuple[int, list[WebSocket]]:
    """Send one message to all of ``connections``, without waiting for any.

    It is framed once and not compressed, since a compressed message is another one on each connection. What a peer
    does not take at once leaves as soon as it does, in order. A peer that is a megabyte behind, or in the middle of a
    message that is sent in fragments, is skipped; connections that are closed are, silently.

    Args:
        message: str for text, bytes-like for binary.
    Returns:
        ``(sent, skipped)``: to how many it goes, and the open connections that it was not sent to.
    Raises:
        TypeError: no message, or no collection.
    Switches: never. Source: beyond the seed.
    """
    if isinstance(connections, WebSocket):  # it is an iterator itself, of its messages
        raise TypeError("bad connections: a collection of WebSockets expected, got one WebSocket")
    if isinstance(message, str):
        first, payload = FIN | TEXT, message.encode()
    elif isinstance(message, BYTES_LIKE):
        first, payload = FIN | BINARY, bytes(message)
    else:
        raise TypeError(f"bad message: str or bytes expected, got {type(message).__name__}")
    plain = frame_head(first, len(payload), 0) + payload
    sent = 0
    skipped: list[Any] = []
    for wb in connections:
        session = wb.open_session
        if session is None:
            continue
        if session.outlet.post_message(session.frame(first, payload) if session.is_client else plain):
            sent += 1
        elif wb.is_open:
            skipped.append(wb)
    return sent, skipped
