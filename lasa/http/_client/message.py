"""What a request says: method, headers and body, all checked before a connection is opened (RFC 9110)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import h11
from h11._headers import Headers

from lasa.http._client.body import RequestBody, request_body
from lasa.http._client.coding import ACCEPT_ENCODING
from lasa.http._client.policy import Policy
from lasa.http._client.redirects import Redirect
from lasa.http._client.route import Route
from lasa.http._wire.auth import authorization_of
from lasa.http._wire.fields import USER_AGENT, HeaderSource, Prepared, field, kept, lines_of, pairs_of, prepare
from lasa.http._wire.grammar import TOKEN
from lasa.http._wire.heads import RawHeaders
from lasa.http._wire.target import Target

__all__ = ["Message", "expects_continue", "message_of", "request_event"]

KNOWN_PATH: Final = 256  # heads of longer paths are not kept

_METHOD: Final = re.compile(TOKEN)
_WITH_LENGTH: Final = frozenset(("POST", "PUT", "PATCH"))  # they say "0" where they have no body
_STANDARD: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"))
_CONTINUE: Final = b"100-continue"
_NO_NAMES: Final[frozenset[bytes]] = frozenset()


@dataclass(frozen=True, slots=True)
class Message:
    """A request, as yet without its way.

    Attributes:
        method: as given.
        headers: the user's own, those of the client included.
        removed: names of automatic headers that are not wanted, in lower case.
        content: the body, where it is in memory.
        stream: the body, where it comes piece by piece.
        may_authorize: whether the client's credentials are for this target.
        may_expect: whether the server may be asked for "100 Continue".
    """

    method: str
    headers: Prepared
    removed: frozenset[bytes]
    content: bytes | None
    stream: RequestBody | None
    content_type: str | None = None
    may_authorize: bool = True
    may_expect: bool = True

    @property
    def may_resend(self) -> bool:
        """Whether the body can be had once more, or has not been begun."""
        return self.stream is None or self.stream.is_replayable or not self.stream.has_begun

    def redirected(self, redirect: Redirect) -> Message:
        """Return the message for the next hop."""
        drops = {name.encode() for name in redirect.drops}
        headers = Prepared([item for item in self.headers.items if item[1] not in drops])
        keeps = redirect.keeps_body
        return Message(
            redirect.method,
            headers,
            self.removed,
            self.content if keeps else None,
            self.stream if keeps else None,
            self.content_type if keeps else None,
            self.may_authorize and b"authorization" not in drops,
            self.may_expect,
        )


def message_of(
    policy: Policy,
    method: str | None,
    headers: HeaderSource,
    body: Any,
    json: Any,
    form: Any,
    files: Any,
) -> Message:
    """Check what request() was given.

    Raises:
        ValueError, TypeError: a bad method, header or body.
    """
    own, removed = _own_headers(policy.headers, headers)
    content: bytes | None = None
    stream: RequestBody | None = None
    content_type = None
    if type(body) is bytes and json is None and form is None and files is None:
        content = body
    elif not (body is None and json is None and form is None and files is None):
        stream = request_body(body, json, form, files)
        if stream is not None:
            content_type = stream.content_type
            content = stream.content
            if content is not None:
                stream = None
    has_body = content is not None or stream is not None
    if method is None:
        method = "POST" if has_body else "GET"
    elif not isinstance(method, str):
        raise TypeError(f"bad method: string expected, got {type(method).__name__}")
    elif not _METHOD.fullmatch(method):
        raise ValueError(f"bad method: {method!r}")
    elif method.upper() in _STANDARD:  # methods are case-sensitive, and nobody means "put"
        method = method.upper()
    if method == "CONNECT":
        raise ValueError("CONNECT is for proxies: use the option proxy")
    if method == "TRACE" and has_body:
        raise ValueError("TRACE has no body")
    return Message(method, own, removed, content, stream, content_type)


def _own_headers(base: Prepared, headers: HeaderSource) -> tuple[Prepared, frozenset[bytes]]:
    if headers is None:
        return base, _NO_NAMES
    pairs = pairs_of(headers)
    removed = _NO_NAMES
    if any(value is None for _, value in pairs):  # an automatic header that is not wanted
        removed = frozenset(field(name, "")[1] for name, value in pairs if value is None)
        pairs = [pair for pair in pairs if pair[1] is not None]
        base = Prepared([item for item in base.items if item[1] not in removed])
    own = prepare(pairs)
    return (_merged(own, base) if base.items else own), removed


@kept(512)
def _merged(own: Prepared, base: Prepared) -> Prepared:
    return Prepared([item for item in base.items if item[1] not in own.values] + own.items)


def expects_continue(message: Message, policy: Policy) -> bool:
    """Whether the body waits until the server wants it.

    A header that says so counts for any body, the option for those that come piece by piece; without a body nobody may
    ask (RFC 9110, section 10.1.1).
    """
    stream = message.stream
    if not message.may_expect or not (message.content or (stream is not None and stream.length != 0)):
        return False
    given = message.headers.values.get(b"expect")
    return policy.expect and stream is not None if given is None else given.lower() == _CONTINUE


def request_event(
    message: Message, target: Target, route: Route, policy: Policy, cookie: str | None
) -> tuple[h11.Request, bytes]:
    """Return the head of the request as h11's event, and as bytes.

    Raises:
        ValueError: Transfer-Encoding among the headers, or a Content-Length that is not the body's.
    """
    authorization = None
    if message.may_authorize:
        authorization = policy.authorization
        if target.userinfo is not None and authorization is None:
            authorization = authorization_of(target.userinfo)
    if route.is_absolute and route.proxy is not None and route.proxy.authorization is not None:
        proxy_authorization: str | None = route.proxy.authorization
    else:
        proxy_authorization = None
    own = message.headers
    given = own.values
    content, stream = message.content, message.stream
    expects = (content is not None or stream is not None) and expects_continue(message, policy)
    if b"expect" in given and not expects and given[b"expect"].lower() == _CONTINUE:
        own = Prepared([item for item in own.items if item[1] != b"expect"])
        given = own.values
    headers = _plain_headers(own, message.removed, target.authority, authorization, proxy_authorization, policy.decode)
    if (
        content is not None
        or stream is not None
        or cookie is not None
        or message.method in _WITH_LENGTH
        or b"content-length" in given
    ):
        items = list(headers._full_items)
        if cookie is not None and b"cookie" not in given:
            items.append(field("Cookie", cookie))
        if message.content_type is not None and b"content-type" not in given:
            items.append(field("Content-Type", message.content_type))
        items += _framing(message, given)
        if expects and b"expect" not in given:
            items.append((b"Expect", b"expect", b"100-continue"))
        return _head(message.method, _request_target(target, route), Headers(items))
    path = _request_target(target, route)
    if len(path) > KNOWN_PATH or not own.is_small:
        return _head(message.method, path, headers)
    return _known_head(message.method, path, headers)


def _request_target(target: Target, route: Route) -> str:
    return f"{target.scheme}://{target.authority}{target.path}" if route.is_absolute else target.path


class _HeadersByIdentity(Headers):
    """Header fields that are kept, and known again by being the same object."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def _head(method: str, path: str, headers: Headers) -> tuple[h11.Request, bytes]:
    event = h11.Request(
        method=method.encode("ascii"), target=path.encode("ascii"), headers=headers, http_version=b"1.1", _parsed=True
    )
    return event, b"%s %s HTTP/1.1\r\n%s\r\n" % (event.method, event.target, lines_of(headers._full_items))


_known_head = lru_cache(maxsize=1024)(_head)


def _framing(message: Message, given: dict[bytes, bytes]) -> RawHeaders:
    content, stream = message.content, message.stream
    length = len(content) if content is not None else 0 if stream is None else stream.length
    said = given.get(b"content-length")
    if said is not None:
        if sum(name == b"content-length" for _, name, _ in message.headers.items) > 1:
            raise ValueError("more than one Content-Length header")
        if not said.isdigit() or (length is not None and int(said) != length):
            raise ValueError(f"Content-Length says {said.decode('latin-1')}, the body has {length} bytes")
        return []
    if length is None:
        return [(b"Transfer-Encoding", b"transfer-encoding", b"chunked")]
    if content is None and stream is None and message.method not in _WITH_LENGTH:
        return []
    return [(b"Content-Length", b"content-length", b"%d" % length)]


@kept(1024)
def _plain_headers(
    own: Prepared,
    removed: frozenset[bytes],
    authority: str,
    authorization: str | None,
    proxy_authorization: str | None,
    decode: bool,
) -> Headers:
    if b"transfer-encoding" in own.values:
        raise ValueError("Transfer-Encoding is the client's to choose")
    automatic = [
        ("Host", authority),
        ("User-Agent", USER_AGENT),
        ("Accept", "*/*"),
        # A part of a compressed body cannot be read, and not every server compresses parts apart.
        ("Accept-Encoding", ACCEPT_ENCODING if decode and b"range" not in own.values else "identity"),
    ]
    if authorization is not None:
        automatic.append(("Authorization", authorization))
    if proxy_authorization is not None:
        automatic.append(("Proxy-Authorization", proxy_authorization))
    items = [field(name, value) for name, value in automatic]
    items = [item for item in items if item[1] == b"host" or item[1] not in removed]
    items = [item for item in items if item[1] not in own.values]
    hosts = [item for item in own.items if item[1] == b"host"]
    if len(hosts) > 1:
        raise ValueError("more than one Host header")
    return _HeadersByIdentity([*hosts, *items, *(item for item in own.items if item[1] != b"host")])
