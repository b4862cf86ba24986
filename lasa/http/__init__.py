"""HTTP/1.1: a client and a server, h11 driven over cosockets (seed: lasa.http)."""

from lasa.http import client, events, server
from lasa.http._client.retries import Retries
from lasa.http._server.refusal import BadRequest
from lasa.http._wire.errors import BodyTooLarge, DecodeError, ProtocolError, RedirectError, TooManyRedirects

__all__ = [
    "BadRequest",
    "BodyTooLarge",
    "DecodeError",
    "ProtocolError",
    "RedirectError",
    "Retries",
    "TooManyRedirects",
    "client",
    "events",
    "server",
]
