"""What both sides of HTTP stand on: h11, heads and buffers."""

__all__ = ()
