"""WebSocket: clients and servers, for messages and for frames; wsproto driven over cosockets (seed: lasa.websocket).

The pictures are in docs/architecture.md, all options in docs/websocket.md.
"""

from lasa.websocket import client, server
from lasa.websocket._socket.broadcast import broadcast
from lasa.websocket._socket.messaging import MessagePieces, WebSocket
from lasa.websocket._wire.closing import Closing
from lasa.websocket._wire.errors import (
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    HandshakeError,
    MessageTooBig,
    PingTimeout,
    ProtocolError,
    UpgradeRefused,
)
from lasa.websocket._wire.extension import Deflate
from lasa.websocket.server import AcceptOptions

__all__ = [
    "AcceptOptions",
    "Closing",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "Deflate",
    "HandshakeError",
    "MessagePieces",
    "MessageTooBig",
    "PingTimeout",
    "ProtocolError",
    "UpgradeRefused",
    "WebSocket",
    "broadcast",
    "client",
    "server",
]
