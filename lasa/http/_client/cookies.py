"""Cookies between requests: http.cookiejar keeps them, this module decides what may go in and hands out the header.

The standard library's jar is older than RFC 6265 and trusts more: it deletes cookies of any domain that a peer names,
sends a host's own cookie to its subdomains, and grows without end. It also knows few dates, and one that it cannot read
loses all cookies of the answer. So each Set-Cookie is read here, and the jar gets only what RFC 6265 would keep; its
policy may still refuse. What it cannot know is the list of public suffixes, such as "github.io": a host below one can
set a cookie for all of its neighbours. Use one jar for each party that you trust.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from http.cookiejar import (  # type: ignore[attr-defined]
    Cookie,
    CookieJar,
    DefaultCookiePolicy,
    LWPCookieJar,
    MozillaCookieJar,
    escape_path,
)
from typing import Any, Final

from lasa import _process
from lasa._hub import clock
from lasa.http._client.dates import unix_time_of
from lasa.http._wire.grammar import CONTROL, TOKEN
from lasa.http._wire.target import Target

__all__ = ["cookie_header", "jar_of", "take_cookies"]

PER_RESPONSE_MAX: Final = 64
PER_DOMAIN_MAX: Final = 300
PER_JAR_MAX: Final = 3000
LENGTH_MAX: Final = 4096  # of one Set-Cookie with its attributes

_NAME: Final = re.compile(TOKEN)
_VALUE: Final = re.compile(r"[\t\x20-\x3a\x3c-\x7e]*")  # all of ASCII but ";" and what ends lines
_CONTROL: Final = re.compile(CONTROL)
_SECONDS: Final = re.compile(r"-?[0-9]+")
_SECONDS_LENGTH_MAX: Final = 12  # int() refuses very long texts, and any number so long is beyond the next limit
_AGE_MAX_S: Final = 400 * 86400  # as in RFC 6265bis
_IPV4: Final = re.compile(r"[0-9.]+")


class _Jar(CookieJar):
    """A jar with our policy, and the cookies of a mapping that do not have their host yet."""

    def __init__(self, unbound: Mapping[str, str]) -> None:
        super().__init__(
            DefaultCookiePolicy(
                strict_domain=True,  # no cookies for all of co.uk
                strict_ns_domain=DefaultCookiePolicy.DomainStrictNonDomain,  # a host's own are not its subdomains'
            )
        )
        self.unbound = dict(unbound)

    def bind(self, target: Target) -> None:
        """Give the mapping's cookies to the host of ``target``; over TLS they are never sent without it."""
        host = _jar_host(target)
        for name, value in self.unbound.items():
            self.set_cookie(_cookie(name, value, host, is_secure=target.scheme == "https"))
        self.unbound = {}


def _renew_lock(jar: Any) -> None:
    # In a child: an OS thread of the parent may hold it at this moment.
    jar._cookies_lock = threading.RLock()


for kind in (_Jar, CookieJar, LWPCookieJar, MozillaCookieJar):
    _process.inherited(kind, _renew_lock)


def jar_of(value: CookieJar | Mapping[str, str | int] | None) -> CookieJar | None:
    """Return the jar that a ``cookies=`` argument means.

    Args:
        value: a CookieJar is used as it is, with its own policy. The cookies of a mapping go to the host of the first
            request that uses the jar and to no other host, after a redirect neither; an empty one is an empty jar.
    Raises:
        ValueError: a name that is no token, a value with ";", control characters or characters outside ASCII.
        TypeError: none of these.
    """
    if value is None or isinstance(value, CookieJar):
        return value
    if not isinstance(value, Mapping):
        raise TypeError(f"bad cookies: mapping or CookieJar expected, got {type(value).__name__}")
    checked: dict[str, str] = {}
    for name, text in value.items():
        if isinstance(text, int) and not isinstance(text, bool):
            text = str(text)
        if not isinstance(name, str) or not isinstance(text, str):
            raise TypeError(f"bad cookies: strings expected, got {type(name).__name__} and {type(text).__name__}")
        if not _NAME.fullmatch(name):
            raise ValueError(f"bad cookie name: {name!r}")
        if not _VALUE.fullmatch(text):
            raise ValueError(f"bad value of cookie {name!r}")
        checked[name] = text
    return _Jar(checked)


def cookie_header(jar: CookieJar, target: Target) -> str | None:
    """Return the Cookie header of a request, or None where no cookie is for it.

    Raises:
        ValueError: a cookie that somebody else put into the jar has control characters.
    """
    if isinstance(jar, _Jar) and jar.unbound:
        jar.bind(target)
    if clock.is_replaced():  # the jar asks the machine
        for cookie in [each for each in jar if each.is_expired(int(clock.system_s()))]:
            _drop(jar, cookie)
    if next(iter(jar), None) is None:
        return None
    request = _Request(target)
    jar.add_cookie_header(request)  # type: ignore[arg-type]
    if request.cookie is not None and _CONTROL.search(request.cookie):
        raise ValueError("bad cookie: control character")
    return request.cookie


def take_cookies(jar: CookieJar, target: Target, set_cookie_values: list[str]) -> None:
    """Put into the jar what a response sets, as far as it may.

    Ignored are cookies for other domains than the host's own and those above it, secure ones over http or in place of
    which http would put another, those with control characters, over 4096 bytes long, or beyond the 64th of a response.
    Of more than 300 cookies for one domain, or 3000 in all, those known longest go.

    Args:
        set_cookie_values: the response's Set-Cookie headers as Latin-1.
    """
    if not set_cookie_values:
        return
    host = _jar_host(target)
    now_s = int(clock.system_s())
    request = _Request(target)
    shielded = set()
    if target.scheme != "https":
        shielded = {cookie.name for cookie in jar if cookie.secure and _is_for(host, cookie)}
    for value in set_cookie_values[:PER_RESPONSE_MAX]:
        cookie = _cookie_of(value, target, host, now_s)
        if cookie is None or cookie.name in shielded:
            continue
        if cookie.is_expired(now_s):
            with suppress(KeyError):
                _drop(jar, cookie)
        else:
            jar.set_cookie_if_ok(cookie, request)  # type: ignore[arg-type]
    _trim(jar)


def _cookie_of(value: str, target: Target, host: str, now_s: int) -> Cookie | None:
    """Return what a Set-Cookie sets, None where that is nothing (RFC 6265, sections 5.2 and 5.3)."""
    if len(value) > LENGTH_MAX or _CONTROL.search(value):
        return None
    pair, *attributes = value.split(";")
    name, equals, text = pair.partition("=")
    name, text = name.strip(" \t"), text.strip(" \t")
    if not equals or not name:
        return None
    domain = path = ""
    wants_secure = False
    expires_s: int | None = None
    end_s: int | None = None  # as Max-Age says, which counts more than Expires
    rest: dict[str, str] = {}
    for attribute in attributes:  # of those that say the same the last one counts
        key, _, content = attribute.partition("=")
        key, content = key.strip(" \t").lower(), content.strip(" \t")
        if key == "domain" and content:
            domain = content.removeprefix(".").lower()
        elif key == "path":
            path = content
        elif key == "secure":
            wants_secure = True
        elif key == "expires":
            at_s = unix_time_of(content)
            expires_s = expires_s if at_s is None else at_s
        elif key == "max-age" and _SECONDS.fullmatch(content):
            age_s = int(content[:_SECONDS_LENGTH_MAX])
            end_s = now_s + max(-1, min(age_s, _AGE_MAX_S))
        elif key == "httponly":
            rest["HttpOnly"] = ""
    if domain and domain != host and (_is_address(host) or not host.endswith(f".{domain}")):
        return None
    if wants_secure and target.scheme != "https":
        return None
    lower = name.lower()
    if lower.startswith("__secure-") and not wants_secure:
        return None
    if lower.startswith("__host-") and (not wants_secure or domain or path != "/"):
        return None
    has_path = path[:1] == "/"
    if not has_path:
        path = target.path.partition("?")[0].rpartition("/")[0] or "/"
    return _cookie(
        name,
        text,
        host,
        domain=domain if not _is_address(host) and "." in host else "",  # else it says only that it is the host's own
        path=escape_path(path),
        has_path=has_path,
        is_secure=wants_secure,
        expires_s=expires_s if end_s is None else end_s,
        rest=rest,
    )


def _trim(jar: CookieJar) -> None:
    by_domain: dict[str, list[Cookie]] = {}
    total = 0
    for cookie in jar:
        by_domain.setdefault(cookie.domain, []).append(cookie)
        total += 1
    for cookies in by_domain.values():
        while len(cookies) > PER_DOMAIN_MAX:
            total -= 1
            _drop(jar, cookies.pop(0))
    while total > PER_JAR_MAX:  # at the cost of whoever has most, so that nobody can push out all others
        total -= 1
        _drop(jar, max(by_domain.values(), key=len).pop(0))


def _drop(jar: CookieJar, cookie: Cookie) -> None:
    jar.clear(cookie.domain, cookie.path, cookie.name)


def _is_for(host: str, cookie: Cookie) -> bool:
    domain = cookie.domain.removeprefix(".").removesuffix(".local")
    return host == domain or host.endswith(f".{domain}")


def _is_address(host: str) -> bool:
    return host[:1] == "[" or _IPV4.fullmatch(host) is not None


def _jar_host(target: Target) -> str:
    # As the jar itself reads it from the URL. A server on a unix socket counts as localhost, whichever socket it is,
    # just as ports do not tell cookies apart either.
    host = target.host.partition("%")[0]
    return f"[{host}]" if ":" in host else host


def _cookie(
    name: str,
    value: str,
    host: str,
    *,
    domain: str = "",
    path: str = "/",
    has_path: bool = True,
    is_secure: bool,
    expires_s: int | None = None,
    rest: dict[str, str] | None = None,
) -> Cookie:
    # A name without dots has a form of its own in the jar.
    own_domain = host if "." in host else f"{host}.local"
    return Cookie(
        version=0,
        name=name,
        value=value,
        port=None,
        port_specified=False,
        domain=f".{domain}" if domain else own_domain,
        domain_specified=bool(domain),
        domain_initial_dot=False,
        path=path,
        path_specified=has_path,
        secure=is_secure,
        expires=expires_s,
        discard=expires_s is None,
        comment=None,
        comment_url=None,
        rest=rest or {},
    )


class _Request:
    """What the jar wants to know of urllib's Request."""

    unverifiable = False

    def __init__(self, target: Target) -> None:
        self._url = f"{target.scheme}://{target.authority}{target.path}"
        self.type = target.scheme
        self.host = target.authority
        self.origin_req_host = target.host
        self.cookie: str | None = None

    def get_full_url(self) -> str:
        return self._url

    def has_header(self, name: str) -> bool:
        return False

    def get_header(self, name: str, default: str | None = None) -> str | None:
        return default

    def add_unredirected_header(self, name: str, value: str) -> None:
        if name == "Cookie":  # not Cookie2, which a foreign policy may ask for
            self.cookie = value
