"""Which proxy a request goes through: what the caller says, else what the environment says.

The client asks for every request, so what is computed from text is kept, and the few variables are taken out of the
environment once: ``os.environ`` encodes a name anew at each look-up, which costs more than the rest together.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from lasa.http._wire.auth import authorization_of
from lasa.http._wire.target import BadUri, Target, mask_userinfo, parse_target, split_host_port

__all__ = ["ExplicitProxy", "Proxy", "ProxyVariables", "choose_proxy", "parse_proxy", "proxy_variables"]

_VARIABLES: Final = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_KEYS: Final = frozenset({"http", "https", "all", "no"})
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_NO_PORT: Final = 0
_MAPPED_BITS: Final = 96  # of ::ffff:0:0/96

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy to connect to.

    Attributes:
        scheme: how to talk to the proxy itself, "http" or "https".
        host: as in a Target.
        authorization: the value of Proxy-Authorization, or None.
    """

    scheme: str
    host: str
    port: int
    authorization: str | None = field(repr=False)


ExplicitProxy = str | Proxy | Mapping[str, Any] | bool | None


@lru_cache(maxsize=64)
def parse_proxy(url: str) -> Proxy:
    """Return what the text of a proxy means: ``http://user:password@host:3128``, or just ``host:3128``.

    The port is the scheme's own where none is given; a path means nothing.

    Raises:
        ValueError: "unsupported proxy scheme: S" (socks too), "bad proxy: URL", without its password.
    """
    found = _SCHEME.match(url)
    if found is None:
        url = f"http://{url}"
    elif found[1].lower() not in ("http", "https"):
        raise ValueError(f"unsupported proxy scheme: {found[1].lower()}")
    try:
        target = parse_target(url)
        authorization = authorization_of(target.userinfo)
    except (BadUri, ValueError):
        raise ValueError(f"bad proxy: {mask_userinfo(url)}") from None
    if target.unix_path is not None:
        raise ValueError(f"bad proxy: {mask_userinfo(url)}")
    return Proxy(target.scheme, target.host, target.port, authorization)


class ProxyVariables(dict[str, str]):
    """What proxy_variables() took out of an environment."""


def proxy_variables(environment: Mapping[str, str]) -> ProxyVariables:
    """Return the variables that choose_proxy() looks at, in lower case, for whoever asks it often.

    The lower-case name goes before the upper-case one, be it empty. ``HTTP_PROXY`` counts for nothing in a CGI program
    (where REQUEST_METHOD is set): there it is what the peer sent as a header named Proxy (httpoxy, CVE-2016-5385).
    """
    found = ProxyVariables()
    for name in _VARIABLES:
        value = environment.get(name)
        if value is None and not (name == "http_proxy" and "REQUEST_METHOD" in environment):
            value = environment.get(name.upper())
        if value:
            found[name] = value
    return found


def choose_proxy(target: Target, explicit: ExplicitProxy, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy to reach ``target`` through, or None for none; a unix socket never has one.

    Args:
        explicit: None asks the environment. False, or "", means none. A text or a Proxy is for all targets, whatever
            no_proxy says. A mapping has one for "http", "https" and, where those are missing, "all", and in "no" those
            that need none, as text like no_proxy or as a list; the environment counts for nothing beside it.
        environment: os.environ, or better what proxy_variables() made of it.
    Raises:
        ValueError: as parse_proxy(); an unknown key. TypeError: none of these.
    """
    if target.unix_path is not None or explicit is False:
        return None
    if explicit is None:
        if not environment:
            return None
        if type(environment) is not ProxyVariables:
            environment = proxy_variables(environment)
        chosen: Any = environment.get(f"{target.scheme}_proxy") or environment.get("all_proxy")
        exceptions: Any = environment.get("no_proxy")
    elif isinstance(explicit, str | Proxy):
        chosen, exceptions = explicit, None
    elif isinstance(explicit, Mapping):
        if not _KEYS.issuperset(explicit):
            raise ValueError(f"bad proxy: keys are http, https, all and no, got {', '.join(map(repr, explicit))}")
        chosen = explicit[target.scheme] if target.scheme in explicit else explicit.get("all")
        exceptions = explicit.get("no")
        if exceptions is not None and not isinstance(exceptions, str):
            exceptions = ",".join(exceptions)
    else:
        raise TypeError(f"bad proxy: string, mapping or False expected, got {type(explicit).__name__}")
    if not chosen or (exceptions and _needs_none(exceptions, target.host, target.port)):
        return None
    if isinstance(chosen, Proxy):
        return chosen
    if not isinstance(chosen, str):
        raise TypeError(f"bad proxy: string expected, got {type(chosen).__name__}")
    return parse_proxy(chosen)


class _Exceptions:
    """A no_proxy text, read once; each question then costs as much as the host has labels."""

    __slots__ = ("_hosts", "_is_all", "_networks")

    def __init__(self, text: str) -> None:
        self._is_all = False
        self._hosts: set[tuple[str, int]] = set()
        self._networks: list[_Network] = []
        for entry in re.split(r"[,\s]+", text):
            if entry == "*":
                self._is_all = True
            elif entry:
                self._add(entry)

    def _add(self, entry: str) -> None:
        # What cannot be read matches nothing: the variable is written for many programs, each with its own forms.
        try:
            self._networks.append(_network_of(entry))
            return
        except ValueError:
            pass
        try:
            host, port = split_host_port(entry.removeprefix("*").removeprefix("."), _NO_PORT)
        except ValueError:
            return
        self._hosts.add((host.partition("%")[0].removesuffix("."), port))

    def holds(self, host: str, port: int) -> bool:
        """Whether the host is among them."""
        if self._is_all:
            return True
        addresses = _addresses_of(host)
        if addresses:
            # Addresses have no subdomains: 0.0.1 must not stand for 127.0.0.1.
            return any(
                (str(one), port) in self._hosts or any(one in network for network in self._networks)
                for one in addresses
            )
        name = host.removesuffix(".")
        while name:
            if (name, _NO_PORT) in self._hosts or (name, port) in self._hosts:
                return True
            name = name.partition(".")[2]
        return False


def _network_of(text: str) -> _Network:
    # One address is a network, too. Zones count for nothing, as in the hosts that are looked for.
    network = ipaddress.ip_network(re.sub(r"%[^]/]*", "", text.strip("[]")), strict=False)
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= _MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.ip_network((mapped, network.prefixlen - _MAPPED_BITS))
    return network


def _addresses_of(host: str) -> list[_Address]:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return []
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return [address] if mapped is None else [address, mapped]  # ::ffff:10.0.0.1 reaches 10.0.0.1


_exceptions_in = lru_cache(maxsize=16)(_Exceptions)


@lru_cache(maxsize=1024)
def _needs_none(text: str, host: str, port: int) -> bool:
    return _exceptions_in(text).holds(host, port)
