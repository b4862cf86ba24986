"""Connections that raise: links, TLS, dialling, listening, pools, buffers, patterns, datagrams.

The one floor under both faces of a socket and under every protocol. This page is its door: nobody outside imports past
it.
"""

from __future__ import annotations

from lasa._stream.buffer import LINES_IN_A_ROW, find_text
from lasa._stream.connection import Connection, place_text, pools
from lasa._stream.datagram import Datagram
from lasa._stream.dial import addresses_of, dial_unix
from lasa._stream.duplex import NEVER_CONNECTED, Duplex
from lasa._stream.halves import BUSY_CONNECTING, BUSY_READING, BUSY_WRITING, DEFAULT_TIMEOUT_MS
from lasa._stream.identity import (
    Asked,
    Certificate,
    Identity,
    authorities_of,
    certificate_key,
    client_context,
    client_identity,
    context_identity,
    new_client_context,
    server_context,
    trust_key,
    versions_of,
)
from lasa._stream.inlet import LINGER_S, Inlet
from lasa._stream.limits import DEFAULT_LIMITS, Limits
from lasa._stream.link import Link, Stream, address_text
from lasa._stream.listener import LISTEN_BACKLOG, Listener
from lasa._stream.opening import ANY_POOL, Opening, PoolTerms, asked_of, begin_tls, checked_files, of_a_connect
from lasa._stream.patterns import Anything, Boundary, Section, Size, parse_pattern
from lasa._stream.pool_options import POOL, PoolOptions, keepalive_of
from lasa._stream.reading import Reading
from lasa._stream.tls import HANDSHAKE_FAILED, TlsStream, was_cut
from lasa._stream.unclosed import end_unclosed
from lasa._stream.writing import Writing

__all__ = [
    "ANY_POOL",
    "Anything",
    "Asked",
    "BUSY_CONNECTING",
    "BUSY_READING",
    "BUSY_WRITING",
    "Boundary",
    "Certificate",
    "Connection",
    "DEFAULT_LIMITS",
    "DEFAULT_TIMEOUT_MS",
    "Datagram",
    "Duplex",
    "HANDSHAKE_FAILED",
    "Identity",
    "Inlet",
    "LINES_IN_A_ROW",
    "LINGER_S",
    "LISTEN_BACKLOG",
    "Limits",
    "Link",
    "Listener",
    "NEVER_CONNECTED",
    "Opening",
    "POOL",
    "PoolOptions",
    "PoolTerms",
    "Reading",
    "Section",
    "Size",
    "Stream",
    "TlsStream",
    "Writing",
    "address_text",
    "addresses_of",
    "asked_of",
    "authorities_of",
    "begin_tls",
    "certificate_key",
    "checked_files",
    "client_context",
    "client_identity",
    "context_identity",
    "dial_unix",
    "end_unclosed",
    "find_text",
    "keepalive_of",
    "new_client_context",
    "of_a_connect",
    "parse_pattern",
    "place_text",
    "pools",
    "server_context",
    "trust_key",
    "versions_of",
    "was_cut",
]
