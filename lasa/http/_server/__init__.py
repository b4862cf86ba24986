"""From a connection to answers; knows nothing of the client."""

__all__ = ()
