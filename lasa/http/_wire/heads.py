"""Heads of requests and responses: parsed once, strictly, into h11's own events (RFC 9112).

h11 checks a head with a regular expression per line and copies each of its parts; here one expression walks over the
whole head, and what RFC 9112 calls ambiguous is refused, where h11 is lenient: two lengths, a length beside chunks,
bare CR, a Host that is none. Folded lines and bare LF are refused in requests; in responses, which nobody takes from us
any further, they are read as the RFC says.
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

from h11 import InformationalResponse, Request, Response
from h11._headers import Headers

from lasa.http._wire.errors import BadStatusLine, ProtocolError
from lasa.http._wire.grammar import TOKEN, tidied

__all__ = ["RawHeaders", "has_body", "request_of", "response_of"]

EventT = TypeVar("EventT")

RawHeaders = list[tuple[bytes, bytes, bytes]]  # name as it came, name in lower case, value

_TOKEN: Final = TOKEN.encode()
# No "#" in a target, which has no fragment: who takes the rest for one would see another path than the handler.
_REQUEST_LINE: Final = re.compile(rb"(" + _TOKEN + rb") ([\x21\x22\x24-\x7e]+) HTTP/([0-9]\.[0-9])\r\n")
_STATUS_LINE: Final = re.compile(rb"HTTP/([0-9]\.[0-9]) ([0-9]{3})(?: ([\t \x21-\x7e\x80-\xff]*))?\r\n")

# A field line stands behind a line end; that every line is one is seen by counting. Values are stripped afterwards,
# since an expression for the blanks at both ends would cost the square of their number.
_REQUEST_FIELDS: Final = re.compile(rb"(?<=\n)(" + _TOKEN + rb"):([^\x00-\x08\n-\x1f\x7f]*)\r\n")
_RESPONSE_FIELDS: Final = re.compile(rb"(?<=\n)(" + _TOKEN + rb"):([^\x00\r\n]*)\r\n")  # cookies with \x01 are about

_HOST: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~!$&'()*+,;=%-]*)(?::[0-9]{0,5})?")
_AUTHORITY: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~!$&'()*+,;=%-]+):[0-9]{1,5}")
_ABSOLUTE: Final = re.compile(  # no user and password in it, which RFC 9110 section 4.2.4 wants refused
    rb"[A-Za-z][A-Za-z0-9+.-]*://(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~!$&'()*+,;=%-]+)(?::[0-9]{0,5})?(?=[/?]|\Z)"
)
_LENGTH: Final = re.compile(rb"[0-9]{1,19}")
_OF_FRAMING: Final = frozenset((b"content-length", b"transfer-encoding", b"host"))
_VERSIONS: Final = (b"1.1", b"1.0")


def request_of(head: bytes, *, max_line: int, max_headers: int, max_field: int | None = None) -> Request:
    """Return the request whose head this is.

    Args:
        max_line, max_field: bytes of the first line, and of each other, with their ends.
    Raises:
        ProtocolError: with 400, 414 (a long request line), 431 (too many fields, or a long one), 501 or 505.
    """
    line = _REQUEST_LINE.match(head)
    if line is None:
        if b"\n" not in head[:max_line]:
            raise ProtocolError("request line too long", 414)
        raise ProtocolError("bad request line")
    if line.end() > max_line:
        raise ProtocolError("request line too long", 414)
    method, target, version = line.groups()
    if version not in _VERSIONS:
        raise ProtocolError("HTTP version not supported", 505)
    if method == b"CONNECT" or not target.startswith(b"/"):
        _check_target(method, target)
    if max_field and len(head) > max_field and max(map(len, head[line.end() :].split(b"\n"))) >= max_field:
        raise ProtocolError("header field too large", 431)
    items, framing = _fields(_REQUEST_FIELDS, head, line.end(), max_headers)
    hosts = lengths = codings = 0
    for name, value in framing:
        if name == b"host":
            hosts += 1
            if not _HOST.fullmatch(value):
                raise ProtocolError("bad Host")
        elif name == b"content-length":
            lengths += 1
            if not _LENGTH.fullmatch(value):
                raise ProtocolError("bad Content-Length")
        else:
            codings += 1
            if value.lower() != b"chunked":
                raise ProtocolError("transfer coding not supported", 501)
    if lengths > 1 or codings > 1 or (lengths and codings) or (codings and version == b"1.0"):
        raise ProtocolError("ambiguous length")
    if hosts != 1 and (hosts or version == b"1.1"):
        raise ProtocolError("bad Host")
    return _event(Request, method=method, headers=Headers(items), target=target, http_version=version)


def _check_target(method: bytes, target: bytes) -> None:
    # The forms of RFC 9112 section 3.2 that do not begin with a slash.
    if method == b"CONNECT":
        is_good = _AUTHORITY.fullmatch(target) is not None
    elif target == b"*":
        is_good = method == b"OPTIONS"
    else:
        is_good = _ABSOLUTE.match(target) is not None
    if not is_good:
        raise ProtocolError("bad request target")


def response_of(head: bytes, *, max_headers: int, method: bytes | None = None) -> Response | InformationalResponse:
    """Return the response whose head this is.

    Args:
        method: of the request. What an answer without a body says of its length counts for nothing.
    Raises:
        ProtocolError: it is none, or has too many fields.
    """
    line = _STATUS_LINE.match(head)
    found = _RESPONSE_FIELDS.findall(head, line.end() - 1) if line is not None else []
    if line is None or head.count(b"\n") != len(found) + 2:
        return _untidy_response(head, line is not None, max_headers, method)
    if len(found) > max_headers:
        raise ProtocolError("too many headers", 431)
    version, code, reason = line.groups()
    if version[:1] != b"1":  # a later 1.x is for us what 1.1 is (RFC 9110, section 2.5)
        raise ProtocolError("HTTP version not supported")
    status = int(code)
    if status < 100:
        raise BadStatusLine(head)
    items, framing = _items(found)
    if framing and has_body(status, method):
        length = _length_of(framing)
        if length is not None and framing != [(b"content-length", length)]:
            items = _with_length(items, length)
    kind: Any = InformationalResponse if status < 200 else Response
    made: Response | InformationalResponse = _event(
        kind, status_code=status, headers=Headers(items), http_version=version, reason=reason or b""
    )
    return made


def has_body(status: int, method: bytes | None) -> bool:
    """Whether a response to such a request has a body, be it an empty one (RFC 9112, section 6.3)."""
    if status < 200 or status in (204, 304) or method == b"HEAD":
        return False
    return method != b"CONNECT" or status >= 300


def _untidy_response(
    head: bytes, has_status: bool, max_headers: int, method: bytes | None
) -> Response | InformationalResponse:
    tidy = tidied(head)
    first = head.find(b"\n") + 1
    if tidy == head or head[first : first + 1] in (b" ", b"\t"):  # what folds the status line is nothing
        raise ProtocolError("bad header line") if has_status else BadStatusLine(head)
    return response_of(tidy, max_headers=max_headers, method=method)


def _length_of(framing: list[tuple[bytes, bytes]]) -> bytes | None:
    """Return what Content-Length says, be it more than once or in a list; None where the body comes in chunks.

    Raises:
        ProtocolError: they are none, or contradict each other.
    """
    lengths: list[bytes] = []
    codings: list[bytes] = []
    for name, value in framing:
        if name == b"host":
            continue
        parts = [part.strip(b" \t") for part in value.split(b",")]
        # Empty members of a list are ignored (RFC 9110, section 5.6.1).
        (lengths if name == b"content-length" else codings).extend([part for part in parts if part] or [b""])
    if any(coding.lower() != b"chunked" for coding in codings):
        raise ProtocolError("transfer coding not supported")
    if not all(_LENGTH.fullmatch(length) for length in lengths):
        raise ProtocolError("bad Content-Length")
    if len(codings) > 1 or (lengths and (codings or len(set(map(int, lengths))) > 1)):
        raise ProtocolError("ambiguous length")
    return lengths[0] if lengths else None


def _with_length(items: RawHeaders, length: bytes) -> RawHeaders:
    at = next(at for at, item in enumerate(items) if item[1] == b"content-length")
    others = [item for item in items[at + 1 :] if item[1] != b"content-length"]
    return [*items[:at], (items[at][0], b"content-length", length), *others]


def _event(kind: type[EventT], **values: Any) -> EventT:
    # Not by its own __init__, which would check once more what has just been checked.
    made = kind.__new__(kind)
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made


def _fields(
    pattern: re.Pattern[bytes], head: bytes, start: int, max_headers: int
) -> tuple[RawHeaders, list[tuple[bytes, bytes]]]:
    # Returns all fields, and those that decide about framing.
    found = pattern.findall(head, start - 1)
    if len(found) > max_headers:
        raise ProtocolError("too many headers", 431)
    if head.count(b"\n") != len(found) + 2:
        raise ProtocolError("bad header line")
    return _items(found)


def _items(found: list[tuple[bytes, bytes]]) -> tuple[RawHeaders, list[tuple[bytes, bytes]]]:
    items = [(name, name.lower(), value.strip(b" \t")) for name, value in found]
    return items, [item[1:] for item in items if item[1] in _OF_FRAMING]
