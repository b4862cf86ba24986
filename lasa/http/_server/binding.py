"""Where a server listens and as whom: addresses and certificates, checked before anything is bound."""

from __future__ import annotations

import _socket
import os
import ssl
import stat
from collections.abc import Mapping
from typing import Any, Final

from lasa._address import ip_of, is_unix, parse_host, parse_port, unix_path
from lasa._hub import Deadline
from lasa._stream import Listener, addresses_of, dial_unix, server_context
from lasa.errors import SocketError, SocketRefused

__all__ = ["Address", "bind", "parse_address", "tls_context", "unlink_quietly"]

RESOLVE_S: Final = 10.0

Address = tuple[str, int | None]  # a name or literal and a port, or "unix:/path" and None


def parse_address(where: Any, port: Any = None) -> Address:
    """Return what a text such as "127.0.0.1:8080" stands for; no name is looked up.

    Args:
        where: "host:port", "unix:/path"; "host" alone, or "", with ``port``.
        port: 0 to 65535, where the text has none.
    Raises:
        TypeError: no text. ValueError: nothing could listen there.
    """
    if not isinstance(where, str):
        raise TypeError(f'bad address: "host:port" or "unix:/path" expected, got {type(where).__name__}')
    try:
        if is_unix(where):
            unix_path(where)
            if port is not None:
                raise ValueError(f"bad address: {where!r} has no port")
            return where, None
        if "://" in where:
            raise ValueError(
                f'bad address: "host:port" expected, without {where.partition("://")[0]}://, got {where!r}'
            )
        if port is None:
            where, colon, digits = where.rpartition(":")
            if not colon or not (digits.isascii() and digits.isdecimal()):
                hint = "" if colon else ": the port is missing"
                raise ValueError(f'bad address: "host:port" expected, got {where + colon + digits!r}{hint}')
            port = digits
        elif isinstance(port, bool):
            raise ValueError(f"bad port number: {port}")
        return parse_host(where) if where else "0.0.0.0", parse_port(port)
    except SocketError as error:
        raise ValueError(error.reason) from None


def bind(address: Address, backlog: int) -> Listener:
    """Return a listener that is bound and listens.

    Raises:
        SocketError: the system's word, or that of a name which is not found.
    Switches: to look up a name.
    """
    host, port = address
    if port is None:
        _drop_stale_path(host)
        listener = Listener(_socket.AF_UNIX, unix_path(host), backlog)
    else:
        family, ip = ip_of(addresses_of(host, RESOLVE_S)[0][1])
        listener = Listener(family, (ip, port), backlog)
    try:
        listener.listen()
    except SocketError:
        listener.close()
        raise
    return listener


def _drop_stale_path(address: str) -> None:
    # A server that was killed leaves its path behind; nobody listens there, and nobody could bind it.
    name = unix_path(address) or b""
    path = name.decode("utf-8", "surrogateescape")
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except OSError:
        return
    try:
        dial_unix(name, Deadline(RESOLVE_S)).close()
    except SocketRefused:
        unlink_quietly(path)
    except SocketError:
        return


def unlink_quietly(path: str) -> None:
    """Remove a file that may be gone already."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def tls_context(options: Mapping[str, Any] | ssl.SSLContext | None) -> ssl.SSLContext | None:
    """Return the context of server.new()'s option ``ssl``; None for http.

    Raises:
        ValueError: other options than files of certificate, key and authorities; files that are none.
    """
    if options is None or isinstance(options, ssl.SSLContext):
        return options
    known = {"ssl_cert", "ssl_key", "ssl_ca"}
    if not isinstance(options, Mapping) or not set(options) <= known or "ssl_cert" not in options:
        raise ValueError('bad ssl: a mapping with "ssl_cert", "ssl_key" and "ssl_ca" expected')
    certificate, key = options["ssl_cert"], options.get("ssl_key")
    try:
        return server_context((certificate, key), options.get("ssl_ca"))
    except ssl.SSLError as error:
        if key is None and not _has_key(certificate):
            raise ValueError(f"{certificate} has no private key in it: ssl_key is missing") from error
        why = (error.reason or str(error)).lower().replace("_", " ")
        raise ValueError(f"bad certificate, key or authorities: {why}") from error
    except OSError as error:
        raise ValueError(f"bad certificate, key or authorities: {error}") from error


def _has_key(path: Any) -> bool:
    with open(path, "rb") as file:
        return b" PRIVATE KEY-----" in file.read()
