"""How a client behaves: timeouts, TLS, pools, limits, what it follows and tries again. Checked once, then shared."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Self

from lasa._stream.identity import (
    Identity,
    certificate_key,
    client_context,
    client_identity,
    context_identity,
    trust_key,
)
from lasa._values import number
from lasa.http._client.proxies import ProxyVariables, choose_proxy, proxy_variables
from lasa.http._client.retries import Retries, retries_of
from lasa.http._wire.auth import authorization_of
from lasa.http._wire.exchange import Limits
from lasa.http._wire.fields import Prepared, prepare
from lasa.http._wire.target import parse_target, split_host_port
from lasa.socket._options import did_you_mean

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

__all__ = ["Policy", "Tls"]

WAIT_S: Final = 30.0
DERIVED_MAX: Final = 64
REDIRECTS: Final = 10  # of follow_redirects=True
MAX_BODY: Final = 256 * 1024 * 1024
ANY_PORT: Final = 0

_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


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
        """Return this policy, changed by options of request() or new().

        Raises:
            ValueError, TypeError: ``unknown option "NAME"``, ``bad "NAME" option value: V``, a bad certificate.
        """
        key = tuple([(name, value, type(value)) for name, value in options.items()])
        try:
            known = self.derived.get(key)
        except TypeError:  # a value that has no hash
            return self._changed(options)
        if known is None:
            if len(self.derived) >= DERIVED_MAX:
                self.derived.clear()
            known = self.derived[key] = self._changed(options)
        return known

    def _changed(self, options: Mapping[str, Any]) -> Self:
        changed: dict[str, Any] = {}
        tls: dict[str, Any] = {}
        limits: dict[str, int] = {}
        for name, value in options.items():
            if name in _MAY_BE_NONE and value is None:
                changed[name] = None
            elif name == "follow_redirects" and isinstance(value, bool):
                changed[name] = REDIRECTS if value else 0
            elif name in _SECONDS:
                changed[name] = _number(name, value)
            elif name in _COUNTS:
                changed[name] = int(_number(name, value))
            elif name in _FLAGS:
                changed[name] = _flag(name, value)
            elif name in _OF_HEADS:
                limits[name] = int(_number(name, value))
            elif name in _OF_TLS:
                tls[name] = value
            else:
                changed.update(_special(name, value))
        if tls:
            changed["identity"] = _identity(self.identity, tls)
        if limits:
            changed["limits"] = replace(self.limits, **limits)
        routes = {} if _OF_ROUTES.intersection(changed) else self.routes
        return replace(self, routes=routes, derived={}, **changed)


_SECONDS: Final = frozenset(("timeout", "connect", "tls", "send", "read", "pool", "keepalive"))
_COUNTS: Final = frozenset(("pool_size", "backlog", "follow_redirects", "max_body", "max_ratio"))
_MAY_BE_ZERO: Final = frozenset(("backlog", "follow_redirects", "keepalive", "max_body"))
_MAY_BE_NONE: Final = frozenset(("timeout", "max_body", "max_ratio"))
_ANY_TARGETS: Final = (parse_target("http://localhost"), parse_target("https://localhost"))
_OF_ROUTES: Final = frozenset(("identity", "proxy", "addresses", "pool_size", "backlog"))
_FLAGS: Final = frozenset(("allow_downgrade", "decode", "expect"))
_OF_HEADS: Final = frozenset(("max_head", "max_headers"))
_OF_TLS: Final = frozenset(
    ("ssl_verify", "ssl_ca", "ssl_cert", "ssl_key", "ssl_server_name", "ssl_minimum_version", "ssl_context")
)


# What other clients call it.
_ELSEWHERE: Final = {
    "params": "query",
    "data": "form",
    "verify": "ssl_verify",
    "cert": "ssl_cert",
    "allow_redirects": "follow_redirects",
    "proxies": "proxy",
    "content": "body",
}


_ALL: Final = [
    *_SECONDS, *_COUNTS, *_FLAGS, *_OF_HEADS, *_OF_TLS,
    *("proxy", "cookies", "auth", "retries", "addresses", "url", "method", "headers", "query", "body", "json"),
    *("form", "files", "stream", "progress"),
]  # fmt: skip


def _number(name: str, value: Any) -> float:
    checked = number(value)
    least = 0 if name in _MAY_BE_ZERO else 1e-9
    if checked is None or not least <= checked < 2**53:
        hint = ", for single waits there are connect= and read=" if isinstance(value, tuple) else ""
        raise ValueError(f'bad "{name}" option value: {value!r}{hint}')
    return checked


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        hint = "; the trusted authorities are ssl_ca" if name == "ssl_verify" else ""
        raise ValueError(f'bad "{name}" option value: {value!r}, True or False expected{hint}')
    return value


def _special(name: str, value: Any) -> dict[str, Any]:
    if name == "proxy":
        for target in _ANY_TARGETS:
            choose_proxy(target, value, {})  # what is wrong with it is told now and not at a request
        return {"proxy": value}
    if name == "cookies":
        from lasa.http._client.cookies import jar_of  # http.cookiejar takes longer to import than all of lasa

        return {"cookies": jar_of(value)}
    if name == "auth":
        return {"authorization": authorization_of(value)}
    if name == "retries":
        return {"retries": retries_of(value)}
    if name == "addresses":
        if not isinstance(value, Mapping):
            raise TypeError('bad "addresses" option: a mapping of names to addresses expected')
        return {"addresses": {_pinned(str(name)): _bare(str(address)) for name, address in value.items()}}
    raise ValueError(f'unknown option "{name}"{_hint(name)}')


def _pinned(name: str) -> tuple[str, int]:
    try:
        return split_host_port(f"[{name}]" if name.count(":") > 1 and name[0] != "[" else name, ANY_PORT)
    except ValueError:
        raise ValueError(f'bad "addresses" option: no name of a host: {name!r}') from None


def _bare(address: str) -> str:
    return address[1:-1] if address[:1] == "[" and address[-1:] == "]" else address


def _hint(name: str) -> str:
    return did_you_mean(_ELSEWHERE.get(name, name), _ALL)


def _identity(old: Tls, options: Mapping[str, Any]) -> Tls:
    changed: dict[str, Any] = {}
    for option, name in (("ssl_verify", "verify"), ("ssl_ca", "ca"), ("ssl_server_name", "server_name")):
        if option in options:
            changed[name] = options[option]
    if "verify" in changed:
        _flag("ssl_verify", changed["verify"])
    if changed.get("server_name") is not None:
        changed["server_name"] = _server_name(changed["server_name"])
    if isinstance(changed.get("ca"), os.PathLike):
        changed["ca"] = os.fspath(changed["ca"])
    elif not isinstance(changed.get("ca"), str | bytes | None):
        raise TypeError('bad "ssl_ca" option: path or PEM text expected')
    if "ssl_key" in options and options.get("ssl_cert") is None:
        raise ValueError("ssl_key is given without ssl_cert")
    if "ssl_cert" in options:
        certificate = options["ssl_cert"]
        if not isinstance(certificate, str | os.PathLike | None):
            hint = ", its key is ssl_key" if isinstance(certificate, tuple | list) else ""
            raise TypeError(f'bad "ssl_cert" option: path expected, got {type(certificate).__name__}{hint}')
        changed["certificate"] = None if certificate is None else (str(certificate), _path(options.get("ssl_key")))
    if "ssl_minimum_version" in options:
        version = options["ssl_minimum_version"]
        if not isinstance(version, ssl.TLSVersion) and version not in _VERSIONS:
            raise ValueError(f'bad "ssl_minimum_version" option value: {version!r}')
        changed["minimum"] = _VERSIONS.get(version, version)
    if "ssl_context" in options:
        context = options["ssl_context"]
        if context is not None and not isinstance(context, ssl.SSLContext):
            raise TypeError('bad "ssl_context" option: ssl.SSLContext expected')
        changed["own_context"] = context
    identity = replace(old, **changed)
    identity.context()  # files that cannot be read are the caller's mistake: before anything is sent
    return identity


def _server_name(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f'bad "ssl_server_name" option: string expected, got {type(value).__name__}')
    try:
        host, _ = split_host_port(f"[{_bare(value)}]" if ":" in value else value, 443)
    except ValueError:
        raise ValueError(f'bad "ssl_server_name" option value: {value!r}') from None
    return host


def _path(value: Any) -> str | None:
    return None if value is None else os.fspath(value)
