"""The opening handshake, both roles: what a request and its answer must say (RFC 6455, section 4).

HTTP reads and writes the heads; here they are judged and made. wsproto's own handshake raises whatever a hostile
header makes its parser raise, so from it come only the key and its answer. Each header is read as its grammar says:
lists may be spread over several fields, everything else stands once.

Received headers are Latin-1, in which only ASCII letters have an ASCII letter as lower case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from multidict import MultiMapping
from wsproto.utilities import generate_accept_token, generate_nonce

from lasa._functions import check_function, checked_result
from lasa._values import kind_of
from lasa.http._wire.auth import Auth, authorization_of
from lasa.http._wire.errors import shown
from lasa.http._wire.fields import USER_AGENT, field, pairs_of, prepare
from lasa.http._wire.grammar import TOKEN
from lasa.http._wire.heads import RawHeaders
from lasa.websocket._wire.errors import HandshakeError, HandshakeRefused, UpgradeRefused
from lasa.websocket._wire.origins import OriginRule
from lasa.websocket._wire.uri import WebSocketUri

__all__ = [
    "BAD_STATUS_LINE",
    "HandshakeRefused",
    "Headers",
    "Offer",
    "Wanted",
    "answer_headers",
    "check_answer",
    "check_origin",
    "check_request",
    "choose_protocol",
    "protocols_of",
    "request_headers",
]

Pairs = list[tuple[bytes, bytes]]
Headers = Mapping[str, Any] | Sequence[str | bytes | tuple[str, Any]] | None
Protocols = str | Sequence[str] | None
Wanted = str | Sequence[str] | Callable[[tuple[str, ...]], str | None] | None

BAD_STATUS_LINE: Final = "bad HTTP response status line"
VERSION: Final = "13"

_TOKEN: Final = re.compile(TOKEN)
_HTTP_VERSION: Final = re.compile(r"(?:1\.[1-9]|[2-9](?:\.[0-9])?)")
_KEY: Final = re.compile(r"[A-Za-z0-9+/]{22}==")  # base64 of 16 bytes

# A request with a body would have that body read before the first frame, or as the first frame.
_NOT_OURS_TO_TAKE: Final = frozenset((b"upgrade", b"connection", b"content-length", b"transfer-encoding", b"expect"))
_ONCE: Final = frozenset((b"host", b"origin", b"authorization", b"user-agent"))

# RFC 9110, sections 7.8 and 15.5.22: a 426 says to what, and whoever sends Upgrade says so in Connection.
_TO_WEBSOCKET: Final = (("Upgrade", "websocket"), ("Connection", "Upgrade"))
_OUR_VERSION: Final = (("Sec-WebSocket-Version", VERSION),)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a client asks for.

    Attributes:
        key: of the Sec-WebSocket-Key header.
        protocols: the subprotocols it speaks, in its order of preference.
        extensions: the Sec-WebSocket-Extensions headers, joined by commas, "" where there is none; not yet checked.
        origin: the Origin header, None where there is none.
        host: the Host header, None where there is none.
    """

    key: str
    protocols: tuple[str, ...] = ()
    extensions: str = ""
    origin: str | None = None
    host: str | None = None


def check_request(method: str, http_version: str, headers: MultiMapping[str]) -> Offer:
    """Return what a request for a WebSocket offers.

    Args:
        http_version: such as "1.1".
        headers: as they came, names in any case.
    Raises:
        HandshakeRefused: 400 with "bad http version", 'bad "upgrade" request header: V', 'bad "connection" request
            header', 'bad "sec-websocket-key" request header', 'bad "sec-websocket-version" request header', 'bad
            "sec-websocket-protocol" request header: V', 'bad "origin" request header'; 405 with "bad request method:
            M"; 426 where there is no Upgrade header, and for another version of WebSocket.
    """
    if not _HTTP_VERSION.fullmatch(http_version):
        raise HandshakeRefused("bad http version")
    if method != "GET":
        raise HandshakeRefused(f"bad request method: {shown(method)}", 405, [("Allow", "GET")])
    upgrades = headers.getall("Upgrade", [])
    if not upgrades:
        raise HandshakeRefused('bad "upgrade" request header: nil', 426, _TO_WEBSOCKET)
    if len(upgrades) > 1 or not _has_word(upgrades, "websocket"):
        raise HandshakeRefused(f'bad "upgrade" request header: {_joined_to_show(upgrades)}')
    if not _has_word(headers.getall("Connection", ()), "upgrade"):
        raise HandshakeRefused('bad "connection" request header')
    keys = headers.getall("Sec-WebSocket-Key", [])
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        raise HandshakeRefused('bad "sec-websocket-key" request header')
    versions = headers.getall("Sec-WebSocket-Version", [])
    if versions != [VERSION]:
        word = 'bad "sec-websocket-version" request header'
        if len(versions) == 1:
            raise HandshakeRefused(word, 426, _TO_WEBSOCKET + _OUR_VERSION)
        raise HandshakeRefused(word, 400, _OUR_VERSION)
    offered = headers.getall("Sec-WebSocket-Protocol", [])
    protocols = _listed(offered)
    if not _are_distinct_tokens(protocols):
        raise HandshakeRefused(f'bad "sec-websocket-protocol" request header: {_joined_to_show(offered)}')
    origins = headers.getall("Origin", [])
    if len(origins) > 1:
        raise HandshakeRefused('bad "origin" request header')
    hosts = headers.getall("Host", [])
    return Offer(
        keys[0],
        tuple(protocols),
        ", ".join(headers.getall("Sec-WebSocket-Extensions", [])),
        origins[0] if origins else None,
        hosts[0] if len(hosts) == 1 else None,
    )


def check_origin(offer: Offer, rule: OriginRule) -> None:
    """Let an offer pass that a rule of origin_rule() allows.

    Raises:
        HandshakeRefused: 403 with "origin not allowed: O", "nil" where there is none.
    """
    if not rule(offer.origin, offer.host):
        raise HandshakeRefused(f"origin not allowed: {'nil' if offer.origin is None else shown(offer.origin)}", 403)


def protocols_of(protocols: Protocols) -> tuple[str, ...]:
    """Return subprotocols as a user gives them: a list, or one string with commas between them.

    Raises:
        ValueError: ``bad protocol: P``: one that is no token (RFC 9110, section 5.6.2), or stands there twice.
        TypeError: other types.
    """
    if protocols is None:
        return ()
    if isinstance(protocols, bytes | bytearray) or not isinstance(protocols, Sequence):  # a set has no order
        raise TypeError(f"bad protocols: string or list expected, got {type(protocols).__name__}")
    names = _listed([protocols]) if isinstance(protocols, str) else list(protocols)
    for at, name in enumerate(names):
        if not isinstance(name, str):
            raise TypeError(f"bad protocol: string expected, got {type(name).__name__}")
        if not _TOKEN.fullmatch(name) or name in names[:at]:
            raise ValueError(f"bad protocol: {name!r}")
    return tuple(names)


def choose_protocol(offered: tuple[str, ...], wanted: Wanted) -> str | None:
    """Return the subprotocol to speak; None where there is none in common, and then neither side names one.

    Args:
        wanted: ours, the best one first; or a function that gets what is offered and returns one of it, or None.
    Raises:
        ValueError: the function's answer is not among what is offered; and as protocols_of().
    """
    if wanted is None:
        return None
    if callable(wanted):
        check_function(wanted, "protocols")
        chosen: str | None = checked_result(wanted(offered), wanted, "protocols")
        if chosen is not None and chosen not in offered:
            raise ValueError(f"bad protocol: {chosen!r} is not offered")
        return chosen
    return next((name for name in protocols_of(wanted) if name in offered), None)


def answer_headers(offer: Offer, protocol: str | None, extensions: str | None, extra: Headers = None) -> Pairs:
    """Return the header fields of the answer 101.

    Args:
        protocol: of choose_protocol().
        extensions: the Sec-WebSocket-Extensions header; None for no extension.
        extra: more fields, as request_headers() takes them.
    Raises:
        ValueError: a field that the handshake sets itself, or that no answer 101 has; a bad name or value; a protocol
            that is not offered. TypeError: other types.
    """
    if protocol is not None and protocol not in offer.protocols:
        raise ValueError(f"bad protocol: {protocol!r} is not offered")
    own, _ = _own_headers(extra)
    items = [
        field("Upgrade", "websocket"),
        field("Connection", "Upgrade"),
        field("Sec-WebSocket-Accept", _accept_of(offer.key)),
    ]
    if protocol is not None:
        items.append(field("Sec-WebSocket-Protocol", protocol))
    if extensions:
        items.append(field("Sec-WebSocket-Extensions", extensions))
    return _as_pairs(items + own)


def request_headers(
    uri: WebSocketUri,
    *,
    protocols: Protocols = None,
    origin: str | None = None,
    extensions: str | None = None,
    headers: Headers = None,
    host: str | None = None,
    key: str | None = None,
    auth: Auth = None,
    nonce: bytes | None = None,
) -> tuple[Pairs, str]:
    """Return the header fields of a request for a WebSocket, and its key for check_answer().

    Args:
        protocols: as protocols_of() takes them.
        extensions: the Sec-WebSocket-Extensions header.
        headers: the user's own: a list of "Name: value" or of pairs, or a mapping; a list as value stands for a
            repeated field. They come instead of our Host, Origin, Authorization and User-Agent; with None as value
            the last three are not sent at all.
        host: the Host header; else it is the URI's host and port.
        key: the Sec-WebSocket-Key header; else it is ``nonce``, in base64, and random where that is None.
        auth: ``(user, password)`` or a token; else what the URI says.
    Raises:
        ValueError: a field that the handshake sets itself, or that would announce a body; a bad name or value; a key
            that is not base64 of 16 bytes; bad protocols or auth. TypeError: "custom headers must be a mapping or
            a list, got T", "custom host header must be a string", and others.
    """
    if host is not None and not isinstance(host, str):
        raise TypeError("custom host header must be a string")
    if key is not None and not isinstance(key, str):
        raise TypeError("custom Sec-WebSocket-Key must be a string")
    if origin is not None and not isinstance(origin, str):
        raise TypeError(f"bad origin: string expected, got {type(origin).__name__}")
    if key is None:
        key = (generate_nonce() if nonce is None else nonce).decode("ascii")
    if not _KEY.fullmatch(key):
        raise ValueError("bad Sec-WebSocket-Key: base64 of 16 bytes expected")
    names = protocols_of(protocols)
    own, removed = _own_headers(headers)
    given = removed | {item[1] for item in own}
    if b"host" in removed:
        raise ValueError("bad header: no request goes without Host")
    automatic = [
        ("Host", uri.authority if host is None else host),
        ("User-Agent", USER_AGENT),
        ("Origin", origin),
        ("Authorization", authorization_of(uri.userinfo if auth is None else auth)),
    ]
    items = [field(name, value) for name, value in automatic if value is not None]
    items = [item for item in items if item[1] not in given]
    items += [
        field("Upgrade", "websocket"),
        field("Connection", "Upgrade"),
        field("Sec-WebSocket-Key", key),
        field("Sec-WebSocket-Version", VERSION),
    ]
    if names:
        items.append(field("Sec-WebSocket-Protocol", ", ".join(names)))
    if extensions:
        items.append(field("Sec-WebSocket-Extensions", extensions))
    return _as_pairs(items + own), key


def check_answer(
    status_code: int, status_line: str, headers: MultiMapping[str], key: str, protocols_offered: Sequence[str]
) -> str | None:
    """Check a server's answer, but for its extensions.

    Args:
        status_line: such as "HTTP/1.1 403 Forbidden", for the error's text.
        key: of request_headers().
    Returns:
        the agreed subprotocol, or None.
    Raises:
        UpgradeRefused: "bad HTTP response status line: L". HandshakeError: 'bad "upgrade" response header: V', 'bad
            "connection" response header', 'bad "sec-websocket-accept" response header', 'bad "sec-websocket-protocol"
            response header: V'.
    """
    if status_code != 101 or status_line.startswith("HTTP/1.0 "):
        raise UpgradeRefused(f"{BAD_STATUS_LINE}: {shown(status_line)}")
    upgrades = headers.getall("Upgrade", [])
    if len(upgrades) != 1 or upgrades[0].lower() != "websocket":
        raise HandshakeError(f'bad "upgrade" response header: {_joined_to_show(upgrades)}')
    if not _has_word(headers.getall("Connection", ()), "upgrade"):
        raise HandshakeError('bad "connection" response header')
    if headers.getall("Sec-WebSocket-Accept", []) != [_accept_of(key)]:
        raise HandshakeError('bad "sec-websocket-accept" response header')
    chosen = headers.getall("Sec-WebSocket-Protocol", [])
    if not chosen:
        return None
    if len(chosen) > 1 or chosen[0] not in protocols_offered:
        raise HandshakeError(f'bad "sec-websocket-protocol" response header: {_joined_to_show(chosen)}')
    return chosen[0]


def _accept_of(key: str) -> str:
    return generate_accept_token(key.encode("ascii")).decode("ascii")


def _listed(values: Iterable[str]) -> list[str]:
    # The elements of a list header; empty ones count for nothing (RFC 9110, section 5.6.1.2).
    return [name for value in values for part in value.split(",") if (name := part.strip(" \t"))]


def _has_word(values: Iterable[str], word: str) -> bool:
    return any(name.lower() == word for name in _listed(values))


def _are_distinct_tokens(names: list[str]) -> bool:
    return len(set(names)) == len(names) and all(map(_TOKEN.fullmatch, names))


def _joined_to_show(values: list[str]) -> str:
    return shown(", ".join(values)) if values else "nil"


def _own_headers(headers: Headers) -> tuple[RawHeaders, set[bytes]]:
    # Returns the user's fields, checked, and the names of those that are not wanted.
    if headers is None:
        return [], set()
    if not isinstance(headers, Mapping | list | tuple):
        raise TypeError(f"custom headers must be a mapping or a list, got {kind_of(headers)}")
    lines = pairs_of(headers) if isinstance(headers, Mapping) else [_pair_of(item) for item in headers]
    removed = {field(name, "")[1] for name, value in lines if value is None}
    items = prepare([pair for pair in lines if pair[1] is not None]).items
    seen: set[bytes] = set()
    for name in [*removed, *(item[1] for item in items)]:
        if name in _NOT_OURS_TO_TAKE or name.startswith(b"sec-websocket-"):
            raise ValueError(f"bad header: {name.decode()} is the handshake's own")
        if name in _ONCE and name in seen:
            raise ValueError(f"bad header: {name.decode()} stands there twice")
        seen.add(name)
    return items, removed


def _pair_of(item: Any) -> tuple[Any, Any]:
    if isinstance(item, str | bytes):
        name, colon, value = item.partition(":") if isinstance(item, str) else item.partition(b":")
        if not colon:  # without its text, which may be a secret
            raise ValueError('bad header: "Name: value" expected')
        return name, value
    ((name, value),) = pairs_of([item])
    return name, value


def _as_pairs(items: RawHeaders) -> Pairs:
    return [(name, value) for name, _, value in items]
