"""What a server sends: heads with their framing, bodies of known and of unknown length (RFC 9112 section 6)."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

import h11
from h11._headers import Headers

from lasa._functions import is_left_over
from lasa._hub import clock
from lasa.http._wire.fields import HeaderSource, Prepared, kept, lines_of, prepare
from lasa.http._wire.files import length_left, read_pieces
from lasa.http._wire.json_text import json_bytes
from lasa.http._wire.pieces import TEXT_OR_BYTES, piece_bytes

__all__ = [
    "BAD_PIECE",
    "Answer",
    "FileBody",
    "answer_bytes",
    "answer_of",
    "checked_status",
    "close_body",
    "date_item",
    "head_of",
    "pieces_of",
    "plain_answer",
    "reason_of",
]

BAD_PIECE: Final = "bad body piece"

_REASONS: Final = {status.value: status.phrase.encode() for status in HTTPStatus}
_NAME = (b"Server", b"server", b"lasa")
_CHUNKED = (b"Transfer-Encoding", b"transfer-encoding", b"chunked")
_CLOSE = (b"Connection", b"connection", b"close")
_TEXT: Final = prepare({"Content-Type": "text/plain; charset=utf-8"})
_BYTES: Final = prepare({"Content-Type": "application/octet-stream"})
_JSON: Final = prepare({"Content-Type": "application/json"})


class Answer:
    """What a handler returned.

    Attributes:
        status: 200 to 599, of a WSGI application up to 999.
        headers: checked fields.
        body: bytes, or an iterable of pieces.
        length: of the body, None where only its end will tell.
        reason: the phrase behind the status; empty for the standard one.
    """

    __slots__ = ("body", "headers", "length", "reason", "status")

    def __init__(self, status: int, headers: Prepared, body: bytes | Iterable[Any], reason: bytes = b"") -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = body
        self.length: int | None = body.length if type(body) is FileBody else None


class FileBody:
    """An open binary file as a body: what follows its position, in pieces; it is closed afterwards.

    Attributes:
        length: how much that is; None for what has no end to seek, such as a pipe.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self.length = _length_of(file)

    def __iter__(self) -> Iterator[Any]:
        """Yield the pieces, no more than the length, even if the file grows meanwhile."""
        return read_pieces(self._file, self.length)

    def close(self) -> None:
        """Close the file."""
        close_body(self._file)


def _length_of(file: Any) -> int | None:
    if isinstance(file, io.TextIOBase):
        return None  # its positions are no sizes
    with suppress(OSError, AttributeError, ValueError):
        return length_left(file)
    return None


def close_body(body: Any) -> None:
    """Close a body that wants to be closed: a generator, a file, what a WSGI application returned."""
    close = getattr(body, "close", None)
    if close is not None:
        close()


def answer_of(returned: Any) -> Answer:
    """Return what a handler's return value means.

    ``(status, headers, body)`` or ``(status, body)``; a body alone is a 200: str is text, bytes are themselves, a dict
    or list is JSON, with the Content-Type to match unless the headers have one; but beside headers a list of str and
    bytes is sent as it is. A body may also be any other iterable of str and bytes, sent as it comes, or an open binary
    file; either is closed in the end, if it can be. None is an empty body.

    Raises:
        TypeError, ValueError: it means nothing; the server answers 500.
    """
    headers: HeaderSource = None
    has_headers = False
    if type(returned) is tuple:
        if len(returned) == 3:
            status, headers, body = returned
            has_headers = True
            if isinstance(headers, int) and not isinstance(status, int):
                raise TypeError("(status, headers, body) expected, got (body, status, headers)?")
        elif len(returned) == 2:
            status, body = returned
        else:
            raise TypeError(f"a handler returns (status, headers, body), got {len(returned)} values")
        if isinstance(body, int) and not isinstance(status, int):
            raise TypeError(f"(status, body) expected, got ({type(status).__name__}, {body}): (body, status)?")
    elif returned is None:
        raise TypeError("the handler returned None and has not called request.respond()")
    elif isinstance(returned, int) and not isinstance(returned, bool):
        raise TypeError(f"bad body: {int(returned)}; an answer without a body is: return {int(returned)}, None")
    else:
        status, body = 200, returned
    try:
        prepared = prepare(headers)
        kind: Prepared | None = None
        if isinstance(body, str):
            kind = _TEXT
        elif isinstance(body, dict) or (isinstance(body, list) and not (has_headers and _is_of_pieces(body))):
            body, kind = json_bytes(body), _JSON
        elif headers is None and isinstance(body, TEXT_OR_BYTES):
            kind = _BYTES
        if kind is not None and b"content-type" not in prepared.values:
            prepared = _joined(prepared, kind)
        return Answer(checked_status(status), prepared, _body(body))
    except BaseException:
        close_body(body)
        raise


def _is_of_pieces(body: list[Any]) -> bool:
    return all(isinstance(piece, TEXT_OR_BYTES) for piece in body)


@kept(256)
def _joined(one: Prepared, other: Prepared) -> Prepared:
    return Prepared(one.items + other.items)


def plain_answer(status: int, why: str = "") -> Answer:
    """Return a short answer of the server's own; ``why`` is for the client to know."""
    text = f"{status} {reason_of(status).decode()}"
    return Answer(status, _TEXT, f"{text}: {why}\n".encode() if why else f"{text}\n".encode())


def checked_status(status: Any) -> int:
    """Return a final status that a handler gave.

    Raises:
        TypeError, ValueError: none of 200 to 599.
    """
    if isinstance(status, bool) or not isinstance(status, int):
        raise TypeError(f"bad status: number expected, got {type(status).__name__}")
    if not 200 <= status <= 599:
        raise ValueError(f"bad status: {status}")
    return int(status)


def _body(body: Any) -> bytes | Iterable[Any]:
    if type(body) is bytes:
        return body
    if body is None:
        return b""
    if isinstance(body, TEXT_OR_BYTES):
        return answer_bytes(body, "bad body")
    if hasattr(body, "read") and hasattr(body, "seek"):
        return FileBody(body)
    # Mappings but for a dict, such as request.query, would be sent as their keys, a set in any order.
    if isinstance(body, Mapping | set | frozenset) or not isinstance(body, Iterable):
        if is_left_over(body):
            raise TypeError("bad body: what an async function returned; a plain one may wait, and others run meanwhile")
        raise TypeError(f"bad body: bytes, str or an iterable of them expected, got {type(body).__name__}")
    return body


def answer_bytes(piece: Any, what: str) -> bytes:
    """Return a piece of an answer as bytes; a lone surrogate, which text has no form for, is U+FFFD, as in browsers.

    It may have come by a client's JSON, and must not fail every page that it is shown on.

    Raises:
        TypeError: neither str nor bytes-like.
    """
    try:
        return piece_bytes(piece, what)
    except UnicodeEncodeError:
        return str(piece).encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def pieces_of(body: Iterable[Any]) -> Iterator[bytes]:
    """Yield a streamed body's pieces as bytes, without empty ones, which would end a chunked body."""
    for piece in body:
        data = answer_bytes(piece, BAD_PIECE)
        if data:
            yield data


def reason_of(status: int) -> bytes:
    """Return the standard phrase of a status; empty if there is none."""
    return _REASONS.get(status, b"")


class _Clock:
    """The Date field of the current second."""

    __slots__ = ("item", "second")

    def __init__(self) -> None:
        self.second = 0
        self.item = (b"Date", b"date", b"")


_clock = _Clock()


def date_item() -> tuple[bytes, bytes, bytes]:
    """Return the Date field of now."""
    second = int(clock.system_s())
    if second != _clock.second:
        _clock.item = (b"Date", b"date", formatdate(second, usegmt=True).encode())
        _clock.second = second
    return _clock.item


@lru_cache(maxsize=1024)
def _length_item(length: int) -> tuple[bytes, bytes, bytes]:
    return (b"Content-Length", b"content-length", b"%d" % length)


@kept(512)
def head_of(
    headers: Prepared,
    status: int,
    length: int | None,
    method: bytes,
    http_version: bytes,
    must_close: bool,
    date: tuple[bytes, bytes, bytes],
    reason: bytes = b"",
) -> tuple[h11.Response, bytes, bool]:
    """Return a response's head as h11's event and as bytes, and whether the connection closes behind it.

    Heads are kept for a while: within a second, most servers send few that differ.

    Args:
        length: of the body, None if unknown: it is sent in chunks, to HTTP/1.0 until the connection closes.
        method, http_version: of the request.
        must_close: the connection has to close for other reasons.
        date: the Date field, of date_item().
        reason: the phrase; empty for the standard one.
    Raises:
        ValueError: the headers contradict the body, or say Transfer-Encoding, which is the server's.
    """
    items = [*headers.items, _NAME, date]
    if headers.values:
        values = headers.values
        if b"transfer-encoding" in values:
            raise ValueError("Transfer-Encoding is the server's to choose")
        if b"date" in values:
            del items[-1]
        if b"server" in values:
            items.remove(_NAME)
        given = values.get(b"content-length")
        if given is not None:
            length = _given_length(given, length, method=method, status=status)
            items = [item for item in items if item[1] != b"content-length"]
        if b"connection" in values:
            # Which of "close" and "keep-alive" it is, is said below, once.
            said = [word for item in items if item[1] == b"connection" for word in _words(item[2])]
            must_close = must_close or b"close" in said
            items = [item for item in items if item[1] != b"connection"]
            rest = [word for word in said if word not in (b"close", b"keep-alive")]
            if rest:
                items.append((b"Connection", b"connection", b", ".join(rest)))
    if status not in (204, 304) and not (method == b"CONNECT" and status < 300):
        if length is not None:
            items.append(_length_item(length))
        elif http_version == b"1.1":
            items.append(_CHUNKED)
        else:
            must_close = True
    must_close = must_close or http_version != b"1.1"
    if must_close:
        items.append(_CLOSE)
    reason = reason or reason_of(status)
    event = h11.Response(status_code=status, headers=Headers(items), reason=reason, http_version=b"1.1", _parsed=True)
    return event, b"HTTP/1.1 %d %s\r\n%s\r\n" % (status, reason, lines_of(items)), must_close


def _words(value: bytes) -> list[bytes]:
    return [word for word in (part.strip().lower() for part in value.split(b",")) if word]


def _given_length(given: bytes, length: int | None, *, method: bytes, status: int) -> int:
    if not given.isdigit() or len(given) > 19:
        raise ValueError(f"bad Content-Length: {given!r}")
    said = int(given)
    if length is not None and length != said and not (method == b"HEAD" or status == 304):
        raise ValueError(f"Content-Length says {said}, the body has {length} bytes")
    return said
