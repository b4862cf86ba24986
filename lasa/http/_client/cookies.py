"""Cookies between requests: http.cookiejar keeps them, this module decides what may go in and hands out the header.

The standard library's jar is older than RFC 6265 and trusts more: it deletes cookies of any domain that a peer names,
sends a host's own cookie to its subdomains, and grows without end. So each Set-Cookie is read here first, and the jar
gets only what RFC 6265 would keep. What it cannot know is the list of public suffixes, such as "github.io": a host
below one can set a cookie for all of its neighbours. Use one jar for each party that you trust.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from typing import Any, Final

from lasa.http._wire.grammar import CONTROL, TOKEN
from lasa.http._wire.target import Target

__all__ = ["cookie_header", "jar_of", "take_cookies"]

PER_RESPONSE_MAX: Final = 64
PER_DOMAIN_MAX: Final = 300
PER_JAR_MAX: Final = 3000
LENGTH_MAX: Final = 4096  # of one Set-Cookie with its attributes
_EXPIRES_LENGTH_MAX: Final = 64  # the jar's search for a date takes longer than linear time

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
            self.set_cookie(_own_cookie(name, value, host, is_secure=target.scheme == "https"))
        self.unbound = {}


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
    is_secure = target.scheme == "https"
    shielded = set() if is_secure else {cookie.name for cookie in jar if cookie.secure and _is_for(host, cookie)}
    kept: list[str] = []
    for value in set_cookie_values[:PER_RESPONSE_MAX]:
        line = _checked_line(value, host, is_secure)
        if line is not None and line.partition("=")[0] not in shielded:
            kept.append(line)
    if kept:
        jar.extract_cookies(_Response(kept), _Request(target))  # type: ignore[arg-type]
        _trim(jar)


def _checked_line(value: str, host: str, is_secure: bool) -> str | None:
    """Return a Set-Cookie as the jar may have it, with the attributes of RFC 6265 and no others, or None."""
    if len(value) > LENGTH_MAX or _CONTROL.search(value):
        return None
    pair, *attributes = value.split(";")
    name, equals, text = pair.partition("=")
    name, text = name.strip(" \t"), text.strip(" \t")
    if not equals or not name:
        return None
    parts = [f"{name}={text}"]
    domain = path = ""
    wants_secure = False
    for attribute in attributes:
        key, _, content = attribute.partition("=")
        key, content = key.strip(" \t").lower(), content.strip(" \t")
        if key == "domain":
            domain = content.removeprefix(".").lower()  # the last one counts
        elif key == "path":
            path = content
        elif key == "secure":
            wants_secure = True
        elif key == "expires" and len(content) <= _EXPIRES_LENGTH_MAX:
            parts.append(f"expires={content}")
        elif key == "max-age" and _SECONDS.fullmatch(content):  # otherwise the jar would refuse the cookie
            parts.append(f"max-age={max(-1, min(int(content[:_SECONDS_LENGTH_MAX]), _AGE_MAX_S))}")
    if domain and domain != host and (_is_address(host) or not host.endswith(f".{domain}")):
        return None
    if wants_secure and not is_secure:
        return None
    lower = name.lower()
    if lower.startswith("__secure-") and not wants_secure:
        return None
    if lower.startswith("__host-") and (not wants_secure or domain or path != "/"):
        return None
    if domain and not _is_address(host) and "." in host:  # otherwise it says no more than that it is the host's own
        parts.append(f"domain={domain}")
    if path[:1] == "/":
        parts.append(f"path={path}")
    if wants_secure:
        parts.append("secure")
    return "; ".join(parts)


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


def _own_cookie(name: str, value: str, host: str, *, is_secure: bool) -> Cookie:
    return Cookie(
        version=0,
        name=name,
        value=value,
        port=None,
        port_specified=False,
        domain=host if "." in host else f"{host}.local",  # the jar's form of a name without dots
        domain_specified=False,
        domain_initial_dot=False,
        path="/",
        path_specified=True,
        secure=is_secure,
        expires=None,
        discard=True,
        comment=None,
        comment_url=None,
        rest={},
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


class _Response:
    """What the jar wants to know of urllib's response."""

    def __init__(self, set_cookie_values: list[str]) -> None:
        self._values = set_cookie_values

    def info(self) -> _Response:
        return self

    def get_all(self, name: str, default: Any = None) -> Any:
        return self._values if name == "Set-Cookie" else default
