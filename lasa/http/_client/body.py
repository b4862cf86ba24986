"""What a client's ``body=``, ``json=``, ``form=`` and ``files=`` mean.

Whatever was given becomes a RequestBody, which says before anything is sent how the body is framed (its length, or
chunked) and whether it can be sent again after a redirect or on a second connection.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from lasa._functions import check_function
from lasa.errors import SocketError
from lasa.http._client.multipart import Part, encode_multipart, guess_content_type
from lasa.http._wire.files import length_left, read_pieces
from lasa.http._wire.json_text import json_bytes
from lasa.http._wire.pieces import BYTES_LIKE, TEXT_OR_BYTES, piece_bytes

__all__ = ["BodyFailed", "RequestBody", "request_body"]

_TOO_LONG = "body is longer than its length"
_TOO_SHORT = "body is shorter than its length"


class BodyFailed(SocketError):
    """The reader that a body comes from returned an error: "request body failed: E"."""


@dataclass(frozen=True, slots=True)
class RequestBody:
    """A body to be sent.

    Attributes:
        content_type: what the Content-Type header should say; None where only the caller knows.
        length: in bytes; None if nobody knows before the end, so that it is sent chunked.
        is_replayable: whether pieces() may be called again.
        content: all of it, where it is in memory in one piece.
    """

    content_type: str | None
    length: int | None
    is_replayable: bool
    _open: Callable[[], Iterator[bytes]] = field(repr=False)
    content: bytes | None = field(default=None, repr=False)

    @property
    def has_begun(self) -> bool:
        """Whether what is not replayable has been asked for its pieces."""
        return not isinstance(self._open, _Once) or self._open.has_begun

    def pieces(self) -> Iterator[bytes]:
        """Return the bytes from the first on; none of the pieces is empty, which would end a chunked body.

        Raises:
            ValueError: a second call, and the body is not replayable; or, while the pieces are taken, "body is
                shorter than its length" or "body is longer than its length". What exceeds the length is not returned.
            BodyFailed: while the pieces are taken: the reader that gives them returned an error.
        Switches: as what gives the pieces does.
        """
        return self._checked(self._open())

    def _checked(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        left = self.length
        for piece in pieces:
            if not piece:
                continue
            if left is not None:
                left -= len(piece)
                if left < 0:
                    raise ValueError(_TOO_LONG)
            yield piece
        if left:
            raise ValueError(_TOO_SHORT)


def request_body(body: Any = None, json: Any = None, form: Any = None, files: Any = None) -> RequestBody | None:
    """Return the body that a request has, None if it has none.

    Args:
        body: bytes-like or str (as UTF-8); a file opened in binary mode, sent from where it stands; a pathlib.Path; a
            list or tuple of pieces, bytes-like or str; any other iterable of pieces, which is sent once and chunked; or
            a reader, a function without arguments that returns the next piece, and None or b"" at the end. A reader
            of lasa's may be given as it is: of a result tuple ``(data, err, …)``, or of an object with ``.body`` and
            ``.err``, an err that is not None ends the request.
        json: anything that json.dumps() takes, but NaN and Infinity; a lone surrogate is sent as its escape. None is no
            body: for the JSON text ``null`` write ``body="null"``.
        form: a mapping, or a list of pairs. A value is str, bytes, a number, a boolean (``true``, ``false``), or a list
            of these, which repeats the name.
        files: a mapping, or a list of pairs, of names and files; they are sent as multipart/form-data, behind the
            fields of ``form``. A file is what ``body`` may be (a file or Path brings its name along), or a tuple
            ``(filename, content[, content_type[, headers]])``, in which a filename of None makes a plain field.
    Raises:
        ValueError: more than one of body, json and form with files; NaN, Infinity or itself in json; a str
            with a lone surrogate elsewhere; a Path that is no regular file.
        TypeError: anything else than the above.
        OSError: a Path that cannot be opened.
    """
    if (body is not None) + (json is not None) + (form is not None or files is not None) > 1:
        raise ValueError("give only one of body=, json=, and form= with files=")
    if body is not None:
        return _content(body)
    if json is not None:
        return _of_bytes(json_bytes(json, is_compact=True), "application/json")
    if files is not None:
        parts = [Part(_name(name), _of_bytes(value)) for name, value in _fields(form or ())]
        parts += [_file_part(_name(name), file) for name, file in _pairs(files, "files")]
        multipart = encode_multipart(parts)
        start = multipart.pieces if multipart.is_replayable else _Once(multipart.pieces)
        return RequestBody(multipart.content_type, multipart.length, multipart.is_replayable, start)
    if form is not None:
        encoded = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in _fields(form))
        return _of_bytes(encoded.encode(), "application/x-www-form-urlencoded")
    return None


# Contents


def _content(value: Any) -> RequestBody:
    """Return what ``body=`` means, or the content of a file in ``files=``."""
    if isinstance(value, TEXT_OR_BYTES):
        return _of_bytes(_piece(value))
    if isinstance(value, Mapping):
        raise TypeError(f"body is a {type(value).__name__}: use json= or form=")
    if isinstance(value, Path):
        return _of_path(value)
    if callable(getattr(value, "read", None)):
        return _of_file(value)
    if isinstance(value, (list, tuple)):
        pieces = tuple(_piece(piece) for piece in value)  # what the caller could still change is copied
        return RequestBody(None, sum(map(len, pieces)), True, lambda: iter(pieces))
    if isinstance(value, Iterable):
        return RequestBody(None, None, False, _Once(lambda: map(_piece, value)))
    if callable(value):
        check_function(value, "body")
        return RequestBody(None, None, False, _Once(lambda: _read_all(value)))
    raise TypeError(f"body: bytes, str, file, iterable or function expected, got {type(value).__name__}")


def _of_bytes(data: bytes, content_type: str | None = None) -> RequestBody:
    return RequestBody(content_type, len(data), True, lambda: iter((data,)), data)


def _of_path(path: Path) -> RequestBody:
    path.stat()  # that it is not there is worth the system's own error
    if not path.is_file():
        raise ValueError(f"not a regular file: {path}")  # opening a pipe would stop the whole program
    with path.open("rb") as file:
        length = length_left(file)

    def opened() -> Iterator[bytes]:
        with path.open("rb") as file:
            yield from _read_file(file, length)

    return RequestBody(None, length, True, opened)


def _of_file(file: Any) -> RequestBody:
    if isinstance(file, io.TextIOBase):
        raise TypeError("file is not opened in binary mode")
    seekable = getattr(file, "seekable", None)
    if seekable is None or not seekable():
        return RequestBody(None, None, False, _Once(lambda: _read_file(file, None)))
    start = file.tell()
    length = length_left(file)

    def rewound() -> Iterator[bytes]:
        file.seek(start)
        yield from _read_file(file, length)

    return RequestBody(None, length, True, rewound)


def _read_file(file: Any, length: int | None) -> Iterator[bytes]:
    for data in read_pieces(file, length):
        if not isinstance(data, BYTES_LIKE):
            raise TypeError("file is not opened in binary mode")
        yield bytes(data)


def _read_all(read: Callable[[], Any]) -> Iterator[bytes]:
    """Call a reader until the end."""
    while piece := _piece_of_result(read()):
        yield piece


def _piece_of_result(result: Any) -> bytes:
    """Return the piece that a reader returned, b"" for the end, or raise what it says."""
    data, err = result, None
    if isinstance(result, tuple):
        data, err, *_ = (*result, None, None)
    elif hasattr(result, "err"):
        data, err = result.body, result.err
    if err is not None:
        raise BodyFailed(f"request body failed: {err}")
    return b"" if data is None else _piece(data)


def _piece(value: Any) -> bytes:
    return piece_bytes(value, "piece of a body")


class _Once:
    """Calls what starts a body, but once only: what it reads from is then used up."""

    __slots__ = ("_start", "has_begun")

    def __init__(self, start: Callable[[], Iterator[bytes]]) -> None:
        self._start = start
        self.has_begun = False

    def __call__(self) -> Iterator[bytes]:
        if self.has_begun:
            raise ValueError("body cannot be sent a second time")
        self.has_begun = True
        return self._start()


# Forms


def _pairs(value: Any, what: str) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()  # a MultiDict gives every value
        return
    if isinstance(value, TEXT_OR_BYTES) or not isinstance(value, Iterable):
        raise TypeError(f"{what}: mapping or list of pairs expected, got {type(value).__name__}")
    for pair in value:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise TypeError(f"{what}: pair expected, got {pair!r}")
        yield pair[0], pair[1]


def _fields(form: Any) -> Iterator[tuple[Any, bytes]]:
    """Go through the fields of ``form=``; a list repeats its name."""
    for name, value in _pairs(form, "form"):
        for item in value if isinstance(value, (list, tuple)) else (value,):
            yield _name(name), _field_value(name, item)


def _field_value(name: Any, value: Any) -> bytes:
    if isinstance(value, TEXT_OR_BYTES):
        return _piece(value)
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, (int, float)):
        return str(value).encode()
    raise TypeError(f"form: value of {name!r}: str, bytes, number or list expected, got {type(value).__name__}")


def _name(name: Any) -> str:
    if isinstance(name, str):
        return name
    if isinstance(name, bytes):
        return name.decode()
    raise TypeError(f"form: name: str expected, got {type(name).__name__}")


def _file_part(name: str, file: Any) -> Part:
    """Return the part for one of ``files=``."""
    if not isinstance(file, tuple):
        filename = _filename_of(file) or name
        return Part(name, _content(file), filename, guess_content_type(filename))
    if not 2 <= len(file) <= 4:
        raise TypeError(f"files: (filename, content[, content_type[, headers]]) expected, got {len(file)} items")
    filename, content, content_type, headers = (*file, None, None)[:4]
    if filename is not None:
        filename = _name(filename)
        content_type = content_type or guess_content_type(filename)
    return Part(name, _content(content), filename, content_type, list(_pairs(headers or (), "headers of a file")))


def _filename_of(file: Any) -> str | None:
    """Return the last part of the name that a file or Path brings along; "<stdin>" is none."""
    path = file if isinstance(file, Path) else getattr(file, "name", None)
    if isinstance(path, (str, Path)) and not str(path).startswith("<"):
        return os.path.basename(path)
    return None
