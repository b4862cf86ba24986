"""HTTP/1.1: a client and a server, h11 driven over cosockets (seed: lasa.http)."""

from lasa.http import client, events, server
from lasa.http._client.retries import Retries

__all__ = ["Retries", "client", "events", "server"]
