"""Heads of requests and responses: parsed once, strictly, into h11's own events (RFC 9112).

h11 checks a head with a regular expression per line and copies each of its parts; here one expression walks over the
whole head, and what RFC 9112 calls ambiguous is refused, where h11 is lenient: two lengths, a length beside chunks,
folded lines, bare CR or LF, a Host that is none.
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

from h11 import InformationalResponse, Request, Response
from h11._headers import Headers

from lasa.http._wire.errors import BadMessage, BadStatusLine
from lasa.http._wire.grammar import TOKEN

__all__ = ["RawHeaders", "request_of", "response_of"]

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


def request_of(head: bytes, *, max_line: int, max_headers: int) -> Request:
    """Return the request whose head this is.

    Raises:
        BadMessage: with 400, 414 (a long request line), 431 (too many fields), 501 or 505.
    """
    line = _REQUEST_LINE.match(head)
    if line is None:
        if b"\n" not in head[:max_line]:
            raise BadMessage("request line too long", 414)
        raise BadMessage("bad request line")
    if line.end() > max_line:
        raise BadMessage("request line too long", 414)
    method, target, version = line.groups()
    if version not in _VERSIONS:
        raise BadMessage("HTTP version not supported", 505)
    if method == b"CONNECT" or not target.startswith(b"/"):
        _check_target(method, target)
    items, framing = _fields(_REQUEST_FIELDS, head, line.end(), max_headers)
    hosts = lengths = codings = 0
    for name, value in framing:
        if name == b"host":
            hosts += 1
            if not _HOST.fullmatch(value):
                raise BadMessage("bad Host")
        elif name == b"content-length":
            lengths += 1
            if not _LENGTH.fullmatch(value):
                raise BadMessage("bad Content-Length")
        else:
            codings += 1
            if value.lower() != b"chunked":
                raise BadMessage("transfer coding not supported", 501)
    if lengths > 1 or codings > 1 or (lengths and codings) or (codings and version == b"1.0"):
        raise BadMessage("ambiguous length")
    if hosts != 1 and (hosts or version == b"1.1"):
        raise BadMessage("bad Host")
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
        raise BadMessage("bad request target")


def response_of(head: bytes, *, max_headers: int) -> Response | InformationalResponse:
    """Return the response whose head this is.

    Raises:
        BadMessage: it is none, or has too many fields.
    """
    line = _STATUS_LINE.match(head)
    if line is None:
        raise BadStatusLine(head)
    version, code, reason = line.groups()
    if version not in _VERSIONS:
        raise BadMessage("HTTP version not supported")
    items, framing = _fields(_RESPONSE_FIELDS, head, line.end(), max_headers)
    lengths: set[bytes] = set()
    codings = 0
    for name, value in framing:
        if name == b"content-length":
            lengths.update(part.strip(b" \t") for part in value.split(b","))
        elif name == b"transfer-encoding":
            codings += 1
            if value.lower() != b"chunked":
                raise BadMessage("transfer coding not supported")
    if len(lengths) > 1 or codings > 1 or (lengths and codings):
        raise BadMessage("ambiguous length")
    if lengths and not _LENGTH.fullmatch(next(iter(lengths))):
        raise BadMessage("bad Content-Length")
    status = int(code)
    if status < 100:
        raise BadStatusLine(head)
    kind: Any = InformationalResponse if status < 200 else Response
    made: Response | InformationalResponse = _event(
        kind, status_code=status, headers=Headers(items), http_version=version, reason=reason or b""
    )
    return made


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
        raise BadMessage("too many headers", 431)
    if head.count(b"\n") != len(found) + 2:
        raise BadMessage("bad header line")
    items = [(name, name.lower(), value.strip(b" \t")) for name, value in found]
    return items, [item[1:] for item in items if item[1] in _OF_FRAMING]
