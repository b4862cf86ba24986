"""How a client behaves: timeouts, TLS, pools, limits, what it follows and tries again. Checked once, then shared."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Self

from lasa._stream import Identity, certificate_key, client_context, client_identity, context_identity, trust_key
from lasa.http._client.options import REQUEST
from lasa.http._client.proxies import ProxyVariables, proxy_variables
from lasa.http._client.retries import Retries
from lasa.http._wire.exchange import Limits
from lasa.http._wire.fields import Prepared, prepare

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

__all__ = ["Policy", "Tls"]

WAIT_S: Final = 30.0
DERIVED_MAX: Final = 64
MAX_BODY: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Tls:
    """Who we trust, and who we say we are; connections are shared only among those that agree in all of it."""

    verify: bool = True
    ca: str | bytes | None = None
    certificate: tuple[str, str | None] | None = None
    server_name: str | None = None
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    own_context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """Return the context for a handshake; files are read again when they have changed.

        Raises:
            ValueError: "bad certificate or authorities".
        """
        if self.own_context is not None:
            return self.own_context
        try:
            return client_context(self.verify, self.ca, self.certificate, self.minimum)
        except OSError as error:  # ssl.SSLError is one
            raise ValueError(f"bad certificate or authorities: {error}") from error

    def asked(self, name: str | None) -> Identity:
        """Return what a connection to ``name`` is to be made with.

        Raises:
            OSError: a file is gone.
        """
        if self.own_context is not None:
            return context_identity(self.own_context, name)
        return client_identity(self.verify, self.ca, self.certificate, self.minimum, name)

    def made(self, identity: Identity) -> bool:
        """Whether ``identity``, which was made by one that equals this, would be made now."""
        if self.own_context is not None:
            return identity.covers(context_identity(self.own_context, identity.name))
        try:  # without building another, which would take longer than all else that an idle connection is asked
            trust = trust_key(self.ca) if self.verify else None
            return identity.trust == trust and identity.certificate == certificate_key(self.certificate)
        except OSError:  # a file is gone
            return False


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """What lasa.http.client.new() or one request() asks for; times are seconds.

    Attributes:
        timeout: of a whole request, from the name look-up to the last byte of the body; None: only waits are bounded.
        connect, tls, send, read, pool: of single waits: for the connection, for the handshake, for a peer that takes
            nothing, for one that sends nothing, for a place among the connections.
        pool_size: connections to one server, open at once; ``backlog`` requests may wait for one.
        keepalive: how long an idle connection is kept; 0 closes it after its response.
        addresses: where to connect to, by host and port, or ANY_PORT.
        tunnels: whether a proxy is asked for a tunnel also where nothing is encrypted.
        max_body: bytes of a body that is returned whole, also inflated; None: no limit. Streams have none unless given.
        max_ratio: where a body has a limit: beyond 16 MiB it inflates to so many times what came; None: to any number.
    """

    headers: Prepared = field(default_factory=lambda: prepare(None))
    timeout: float | None = None
    connect: float = WAIT_S
    tls: float = WAIT_S
    send: float = WAIT_S
    read: float = WAIT_S
    pool: float = WAIT_S
    pool_size: int = 100
    backlog: int = 100_000
    keepalive: float = 60.0
    identity: Tls = field(default_factory=Tls)
    proxy: Any = None
    addresses: Mapping[tuple[str, int], str] = field(default_factory=dict)
    follow_redirects: int = 0
    allow_downgrade: bool = False
    cookies: CookieJar | None = None
    authorization: str | None = None
    retries: Retries | None = None
    decode: bool = True
    expect: bool = False
    tunnels: bool = False
    max_body: int | None = None
    max_ratio: float | None = 200
    limits: Limits = field(default_factory=Limits)
    environment: ProxyVariables = field(default_factory=lambda: proxy_variables(os.environ))
    routes: dict[Any, Any] = field(default_factory=dict)  # where targets lead, kept for all requests of this policy
    derived: dict[Any, Any] = field(default_factory=dict)  # what options of single requests have made of it

    def with_options(self, options: Mapping[str, Any]) -> Self:
        """Return this policy, changed by options of request().

        Raises:
            ValueError, TypeError: ``unknown option "NAME"``, ``bad "NAME" option value: V``, a bad certificate.
        """
        key = tuple([(name, value, type(value)) for name, value in options.items()])
        try:
            known = self.derived.get(key)
        except TypeError:  # a value that has no hash
            return self.changed(REQUEST.check(options))
        if known is None:
            if len(self.derived) >= DERIVED_MAX:
                self.derived.clear()
            known = self.derived[key] = self.changed(REQUEST.check(options))
        return known

    def changed(self, checked: dict[str, Any]) -> Self:
        """Return this policy, changed by options that have been checked.

        Raises:
            ValueError: a certificate that cannot be read, or a key without one.
        """
        tls: dict[str, Any] = {name: checked.pop(name) for name in _OF_TLS if name in checked}
        limits = {name: checked.pop(name) for name in ("max_head", "max_headers") if name in checked}
        if tls:
            checked["identity"] = _identity(self.identity, tls)
        if limits:
            checked["limits"] = replace(self.limits, **limits)
        routes = {} if _OF_ROUTES.intersection(checked) else self.routes
        return replace(self, routes=routes, derived={}, **checked)


_OF_ROUTES: Final = frozenset(("identity", "proxy", "addresses", "pool_size", "backlog"))
_OF_TLS: Final = ("verify", "ca", "ssl_cert", "ssl_key", "server_name", "minimum", "own_context")


def _identity(old: Tls, tls: dict[str, Any]) -> Tls:
    certificate, key = tls.pop("ssl_cert", old), tls.pop("ssl_key", None)
    if key is not None and certificate in (old, None):
        raise ValueError("ssl_key is given without ssl_cert")
    if certificate is not old:
        tls["certificate"] = None if certificate is None else (certificate, key)
    identity = replace(old, **tls)
    identity.context()  # files that cannot be read are the caller's mistake: before anything is sent
    return identity
