"""What both sides of WebSocket stand on: frames, messages, compression, the handshake; no sockets, no hub, no clock."""

__all__: list[str] = []
