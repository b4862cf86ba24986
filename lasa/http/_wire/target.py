"""What a URL means: where to connect, what to ask for there, and what the Host header says.

The user's path and query go out byte for byte as they were given: dot segments, ``%2F``, ``%7e`` and ``+`` stay, since
signatures, proxies and tests of servers depend on them (curl calls that ``--path-as-is``). Only what no request line
can hold is percent-encoded: characters outside ASCII, as UTF-8, spaces, and ``" < > ^ ` { | }``. No ready parser does
just that: yarl decodes what need not be encoded, and urllib lets through what no host can be.

Hosts are read strictly, so that nobody who checks a URL first can be told another host than the one connected to:
letters, digits, "-", "_" and "." only, no short or octal forms of IPv4, no backslash before the query. An address of
IPv6 gets the one form that the system writes. A zone is ours alone (RFC 6874): no Host and no proxy is told of it.
"""

from __future__ import annotations

import _socket
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final
from urllib.parse import quote, quote_from_bytes, unquote

from lasa.errors import BadAddress

__all__ = ["BadUri", "Query", "Scalar", "Target", "join_target", "mask_userinfo", "parse_target", "split_host_port"]

Scalar = str | bytes | int | float | None
Query = str | Mapping[str, Scalar | Sequence[Scalar]] | Iterable[tuple[str, Scalar | Sequence[Scalar]]]

# Longer ones are parsed each time, or the cache could hold any amount of memory.
_CACHED_LENGTH_MAX: Final = 2048
_NAME_LENGTH_MAX: Final = 253

_MASK_KEEPS: Final = re.compile(r"[A-Za-z]{3,6}:/{1,2}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
# Not IGNORECASE, to which the long s, U+017F, is an "s".
_ABSOLUTE: Final = re.compile(r"([Hh][Tt][Tt][Pp][Ss]?)://([^/?#]*)([^#]*)")
_REFERENCE: Final = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(//[^/?#]*)?([^?#]*)(\?[^#]*)?")  # RFC 3986, appendix B
_JOINERS: Final = "\u200c\u200d"
_NAME: Final = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?")
_ENDS_IN_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")
_ZONE: Final = re.compile(r"(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+")
_INTERFACE: Final = re.compile(r"[!-$&-.0-~]+")  # no "%" and no "/", which no system allows

_KEPT: Final = "!$%&'()*+,/:;=?@[]"  # besides letters, digits and "_.-~", which quote() always keeps
_TO_ENCODE: Final = re.compile(rf"[^A-Za-z0-9_.~{re.escape(_KEPT)}-]")
_ASCII: Final = "".join(map(chr, range(0x21, 0x7F)))

_DEFAULT_PORT: Final = {"http": 80, "https": 443}


class BadUri(BadAddress):
    """A URL, or a reference that a server sent, that cannot be understood; "bad uri: URL" without its password."""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to ask for, and from whom.

    Attributes:
        scheme: "http" or "https".
        host: what to connect to and to verify: a name in lower-case ASCII, an IPv4 address, or an IPv6 address without
            brackets, with its zone ("fe80::1%eth0"). "localhost" where unix_path is given.
        port: 1 to 65535.
        authority: what the Host header says: the port only if it is not the scheme's own, IPv6 in brackets, no zone.
        path: the request line's target in origin form: path and query, percent-encoded, at least "/".
        userinfo: ``(user, password)``, decoded; bytes that are no UTF-8 as surrogateescape. None where none was given.
        url: the whole without userinfo and fragment.
        unix_path: the socket's path in the file system, or None.
    """

    scheme: str
    host: str
    port: int
    authority: str
    path: str
    userinfo: tuple[str, str] | None = field(repr=False)
    url: str
    unix_path: str | None = None

    @property
    def origin(self) -> tuple[str, str, int]:
        """What credentials and connections belong to: scheme, host (or "unix:/path") and port."""
        host = self.host if self.unix_path is None else f"unix:{self.unix_path}"
        return self.scheme, host, self.port


def parse_target(url: str | bytes, query: Query | None = None) -> Target:
    """Return what ``url`` means; one that was seen before costs a look into a table.

    Args:
        url: http or https. Also ``http://unix:/path/to.sock:/uri``, nginx's form for a unix socket, whose path is
            taken as it is, with nothing percent-decoded, up to the next colon.
        query: put behind the query that the URL has: text that is a query already; or a mapping or pairs, whose keys
            and values are percent-encoded (a space as %20), True and False as true and false, a list once for each of
            its items, and nothing for None.
    Raises:
        BadUri: "bad uri: URL": no http:// or https://, no host or one that is none, a port that is not 1 to 65535,
            a space before the path or at the end, a backslash before the query.
        ValueError: control characters, in either; or a lone surrogate. TypeError: not a string (ASCII bytes count
            as one); a query of other types.
    """
    try:
        target = _parse_known(url) if len(url) <= _CACHED_LENGTH_MAX else _parse(url)
    except TypeError:  # no length, or no hash
        raise TypeError(f"bad url: string expected, got {type(url).__name__}") from None
    if query is None:
        return target
    added = _query_text(query)
    if not added:
        return target
    glue = "?" if "?" not in target.path else "" if target.path[-1] in "?&" else "&"
    return _with_path(target, f"{target.path}{glue}{added}")


def join_target(base: Target, location: str) -> Target:
    """Return what a server means by ``location``, seen from ``base`` (RFC 3986, section 5.2).

    Unlike the user's own URL, the path comes without dot segments, and spaces and bytes outside ASCII, which servers do
    send, are percent-encoded. What is relative, or names scheme and authority of ``base``, stays on the unix socket of
    ``base``; no server can lead to another socket of this machine. Userinfo of ``base`` stays with relative references.

    Args:
        location: the header's value as Latin-1, one character for each byte.
    Raises:
        BadUri: as parse_target(), and for control characters and other schemes.
    """
    text = _location_text(location)
    found = _REFERENCE.match(text)
    assert found is not None  # every part may be empty
    scheme, authority, path, query = found[1], found[2], found[3], found[4] or ""
    if "\\" in path:
        raise _bad_uri(location)
    if scheme is None and authority is None:
        base_path, _, base_query = base.path.partition("?")
        if path:
            whole = path if path[0] == "/" else base_path[: base_path.rindex("/") + 1] + path
            return _with_path(base, _encoded(_without_dot_segments(whole) + query))
        return _with_path(base, base_path + _encoded(query or (base_query and f"?{base_query}")))
    try:
        target = _parse(f"{scheme or base.scheme}:{authority or ''}{path}{query}")
    except BadUri:
        raise _bad_uri(location) from None
    if target.unix_path is not None and target.unix_path != base.unix_path:
        raise _bad_uri(location)
    # A server knows neither its socket's path nor our name of the network that it is on.
    is_the_same = (target.scheme, target.authority) == (base.scheme, base.authority)
    if is_the_same and (target.unix_path != base.unix_path or "%" not in target.host):
        return _with_path(replace(base, userinfo=target.userinfo), _resolved(target.path))
    return _with_path(target, _resolved(target.path))


def mask_userinfo(url: str) -> str:
    """Return the URL as it may stand in an error's text, without user and password."""
    # A bad URL is often bad because of its password, so everything before the last "@" counts as one.
    before, at, rest = url.rpartition("@")
    if not at:
        return url
    scheme = _MASK_KEEPS.match(before)
    return f"{scheme[0] if scheme else ''}***@{rest}"


def _bad_uri(url: str) -> BadUri:
    return BadUri(f"bad uri: {mask_userinfo(url)}")


def _parse(url: str | bytes) -> Target:
    if isinstance(url, bytes):
        if not url.isascii():
            raise TypeError
        url = url.decode("ascii")
    elif not isinstance(url, str):
        raise TypeError
    if _CONTROL.search(url):
        raise ValueError("bad url: control character")
    found = _ABSOLUTE.match(url)
    if found is None or url[-1] == " ":
        raise _bad_uri(url)
    scheme, netloc, rest = found[1].lower(), found[2], found[3]
    if " " in netloc:
        raise _bad_uri(url)
    if "\\" in netloc or ("\\" in rest and "\\" in rest.partition("?")[0]):
        raise _bad_uri(url)
    user_text, at, host_port = netloc.rpartition("@")
    userinfo = _userinfo_of(user_text) if at else None
    if host_port.lower() == "unix:" and rest[:1] == "/":
        unix_path, colon, rest = rest.partition(":")
        # nginx takes what follows the socket's name without a colon for a part of that name; rather nobody does.
        if (
            "?" in unix_path
            or " " in unix_path
            or rest[:1] not in ("", "/", "?")
            or (not colon and found.end() < len(url))
        ):
            raise _bad_uri(url)
        path = _origin_form(rest)
        whole = f"{scheme}://unix:{unix_path}:{path}"
        return Target(scheme, "localhost", _DEFAULT_PORT[scheme], "localhost", path, userinfo, whole, unix_path)
    default_port = _DEFAULT_PORT[scheme]
    try:
        host, port = split_host_port(host_port, default_port)
    except ValueError:
        raise _bad_uri(url) from None
    port_text = "" if port == default_port else f":{port}"
    bare, percent, zone = host.partition("%")
    authority = f"[{bare}]{port_text}" if ":" in bare else f"{bare}{port_text}"
    path = _origin_form(rest)
    where = f"[{bare}%25{quote(zone, safe='')}]{port_text}" if percent else authority
    return Target(scheme, host, port, authority, path, userinfo, f"{scheme}://{where}{path}")


_parse_known = lru_cache(maxsize=1024)(_parse)


def split_host_port(text: str, default_port: int) -> tuple[str, int]:
    """Return host and port of ``host[:port]``, checked and normalised as in a Target.

    Raises:
        ValueError: no host, or none that could be one; a port that is not 1 to 65535.
    """
    if text[:1] == "[":
        literal, bracket, tail = text[1:].partition("]")
        if not bracket or tail[:1] not in ("", ":"):
            raise ValueError("bad host")
        host, port_text = _ipv6(literal), tail[1:]
    else:
        name, _, port_text = text.partition(":")
        host = _name_or_ipv4(name)
    if not port_text:  # "host:" too (RFC 3986, section 3.2.3)
        return host, default_port
    if len(port_text) > 5 or not (port_text.isascii() and port_text.isdigit()) or not 0 < int(port_text) <= 65535:
        raise ValueError("bad port")
    return host, int(port_text)


def _ipv6(literal: str) -> str:
    # RFC 6874 writes the percent sign before a zone as %25; most people do not.
    address, percent, zone = literal.partition("%")
    if percent:
        zone = zone.removeprefix("25")
        if not _ZONE.fullmatch(zone) or not _INTERFACE.fullmatch(zone := unquote(zone, "latin-1")):
            raise ValueError("bad zone")
    try:
        packed = _socket.inet_pton(_socket.AF_INET6, address)
    except OSError:
        raise ValueError("bad IPv6 address") from None
    return f"{_socket.inet_ntop(_socket.AF_INET6, packed)}{percent}{zone}"


def _name_or_ipv4(name: str) -> str:
    host = name.lower() if name.isascii() else _ascii_name(name)
    if len(host.removesuffix(".")) > _NAME_LENGTH_MAX or not _NAME.fullmatch(host):
        raise ValueError("bad host")
    if _ENDS_IN_NUMBER.fullmatch(host):
        # The system would take 0x7f.1, 127.1 and 2130706433 for addresses that no check of a URL recognises.
        try:
            _socket.inet_pton(_socket.AF_INET, host)
        except OSError:
            raise ValueError("bad IPv4 address") from None
    return host


def _ascii_name(name: str) -> str:
    # Imported here: its tables are large, and hardly any program meets such a name.
    import idna

    if len(name) > _NAME_LENGTH_MAX:  # before any work that grows with it
        raise ValueError("bad host")
    # Compatibility forms first: a full-width slash becomes a slash, which the check behind this refuses. What is left
    # is checked as UTS 46 says and not by the stricter IDNA 2008, which has no emoji: browsers and curl take them.
    ascii_labels: list[str] = []
    for label in idna.uts46_remap(name, std3_rules=False, transitional=False).split("."):
        if not label.isascii():
            idna.check_nfc(label)  # IDNAError is a UnicodeError, and so a ValueError
            idna.check_initial_combiner(label)
            idna.check_bidi(label)
            if any(one in _JOINERS and not idna.valid_contextj(label, at) for at, one in enumerate(label)):
                raise ValueError("bad host")
            label = "xn--" + label.encode("punycode").decode("ascii")
        ascii_labels.append(label)
    return ".".join(ascii_labels)


def _userinfo_of(text: str) -> tuple[str, str] | None:
    if not text:
        return None
    user, _, password = text.partition(":")
    return unquote(user, errors="surrogateescape"), unquote(password, errors="surrogateescape")


def _origin_form(rest: str) -> str:
    return _encoded(rest if rest[:1] == "/" else f"/{rest}")


def _encoded(text: str) -> str:
    return quote(text, safe=_KEPT) if _TO_ENCODE.search(text) else text


def _with_path(target: Target, path: str) -> Target:
    return replace(target, path=path, url=target.url[: len(target.url) - len(target.path)] + path)


def _location_text(location: str) -> str:
    # What is UTF-8 can be read, which a host name must be; of other bytes it is only known that they are to be encoded.
    text = location.strip(" \t")
    if _CONTROL.search(text):
        raise _bad_uri(location)
    if not text.isascii():
        try:
            raw = text.encode("latin-1")
        except UnicodeEncodeError:
            raw = text.encode("utf-8", "surrogatepass")
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            text = quote_from_bytes(raw, safe=_ASCII)
    return text.replace(" ", "%20")


def _resolved(path_and_query: str) -> str:
    path, mark, query = path_and_query.partition("?")
    return _without_dot_segments(path) + mark + query


def _without_dot_segments(path: str) -> str:
    """Return an absolute path without "." and ".." (RFC 3986, section 5.2.4); ".." stops at the root."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            if kept:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _query_text(query: Query) -> str:
    if isinstance(query, str):
        if _CONTROL.search(query):
            raise ValueError("bad query: control character")
        return _encoded(query)
    if isinstance(query, bytes) or not isinstance(query, Iterable):
        raise TypeError(f"bad query: mapping, pairs or string expected, got {type(query).__name__}")
    parts: list[str] = []
    for pair in query.items() if isinstance(query, Mapping) else query:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"bad query: pair expected, got {type(pair).__name__}")
        key, value = pair
        name = _component(key)
        for one in value if isinstance(value, list | tuple) else (value,):
            if one is not None:
                parts.append(f"{name}={_component(one)}")
    return "&".join(parts)


def _component(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | bytes):
        return quote(value, safe="")
    if isinstance(value, int | float):
        return quote(str(value), safe="")
    raise TypeError(f"bad query: string or number expected, got {type(value).__name__}")
