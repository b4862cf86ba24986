"""multipart/form-data as browsers write it (WHATWG, RFC 7578), without ever holding a file whole.

What a part's content may be is not known here: it has a length or none, and gives its bytes in pieces.
"""

from __future__ import annotations

import mimetypes
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from lasa.http._wire.grammar import TOKEN

__all__ = ["PIECE_BYTES", "Content", "Multipart", "Part", "encode_multipart", "guess_content_type"]

# Short pieces are joined up to this size: a form of many small fields is one send, not hundreds.
PIECE_BYTES: Final = 64 * 1024

# RFC 2046, without the blank.
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=?-]{1,70}")
_TOKEN = re.compile(TOKEN)
_LINE_BREAKS = re.compile(r"[\r\n\0]")

# What mimetypes calls an encoding: the file is that, not what is inside it.
_TYPE_OF_ENCODING = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
_UNKNOWN_TYPE = "application/octet-stream"


class Content(Protocol):
    """The bytes of a part.

    Attributes:
        length: how many; None if nobody knows before the end.
        is_replayable: whether pieces() may be called again.
    """

    @property
    def length(self) -> int | None: ...
    @property
    def is_replayable(self) -> bool: ...
    def pieces(self) -> Iterator[bytes]:
        """Return the bytes from the first on."""


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a form.

    Attributes:
        filename: None for a plain field.
        headers: further ones, besides the Content-Disposition and Content-Type that are written from the others.
    """

    name: str
    content: Content
    filename: str | None = None
    content_type: str | None = None
    headers: Sequence[tuple[str, str]] = ()

    def head(self) -> bytes:
        """Return the part's headers with the empty line that ends them.

        Raises:
            ValueError: CR, LF or NUL in the content type or a header; a header that is written here already.
        """
        disposition = f'form-data; name="{_quoted(self.name)}"'
        if self.filename is not None:
            disposition += f'; filename="{_quoted(self.filename)}"'
        lines = [f"Content-Disposition: {disposition}"]
        if self.content_type is not None:
            lines.append(_header("Content-Type", self.content_type))
        for name, value in self.headers:
            if name.lower() in ("content-disposition", "content-type"):
                raise ValueError(f"header of a part that is written from its other arguments: {name}")
            lines.append(_header(name, value))
        return "\r\n".join([*lines, "", ""]).encode()


@dataclass(frozen=True, slots=True)
class Multipart:
    """A form on its way.

    Attributes:
        length: None if one of its parts has none.
        is_replayable: whether each of its parts is.
    """

    content_type: str
    length: int | None
    is_replayable: bool
    _open: Callable[[], Iterator[bytes]]

    def pieces(self) -> Iterator[bytes]:
        """Return the bytes from the first on, in pieces of some 64 KiB."""
        return self._open()


def encode_multipart(parts: Sequence[Part], boundary: str | None = None) -> Multipart:
    """Put the parts of a form together.

    Args:
        boundary: what separates the parts; random if absent.
    Raises:
        ValueError: a bad boundary, or a bad header of a part.
    """
    if boundary is None:
        boundary = secrets.token_hex(16)
    elif not _BOUNDARY.fullmatch(boundary):
        raise ValueError(f"bad boundary: {boundary!r}")
    delimiter = f"--{boundary}\r\n".encode()
    heads = [delimiter + part.head() for part in parts]
    tail = f"--{boundary}--\r\n".encode()

    def written() -> Iterator[bytes]:
        for head, part in zip(heads, parts, strict=True):
            yield head
            yield from part.content.pieces()
            yield b"\r\n"
        yield tail

    length: int | None = sum(len(head) + 2 for head in heads) + len(tail)
    for part in parts:
        length = None if length is None or part.content.length is None else length + part.content.length
    # RFC 2046: a boundary with one of "'()+_,./:=?" stands in quotes; a random one has none of them.
    quoted = boundary if _TOKEN.fullmatch(boundary) else f'"{boundary}"'
    return Multipart(
        content_type=f"multipart/form-data; boundary={quoted}",
        length=length,
        is_replayable=all(part.content.is_replayable for part in parts),
        _open=lambda: _joined(written()),
    )


def guess_content_type(filename: str) -> str:
    """Return the content type that goes with a file's name, "application/octet-stream" if none is known."""
    kind, encoding = mimetypes.guess_type(filename)
    if encoding is not None:
        return _TYPE_OF_ENCODING.get(encoding, _UNKNOWN_TYPE)
    return kind or _UNKNOWN_TYPE


def _quoted(name: str) -> str:
    """Escape what would end a quoted name, the way browsers do; a backslash is a character like any other."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _header(name: str, value: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"bad header name of a part: {name!r}")
    if _LINE_BREAKS.search(value):
        raise ValueError(f"bad header value of a part: {value!r}")
    return f"{name}: {value}"


def _joined(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join short pieces; a long one goes through as it is."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        if waiting and size + len(piece) > PIECE_BYTES:
            yield b"".join(waiting)
            waiting.clear()
            size = 0
        waiting.append(piece)
        size += len(piece)
    yield b"".join(waiting)
