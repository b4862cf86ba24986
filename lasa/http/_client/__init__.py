"""From a URL and options to an answer; knows nothing of the server."""

__all__ = ()
