"""WebSocket over a connection: what is sent, what is received, and how it ends."""

__all__: list[str] = []
