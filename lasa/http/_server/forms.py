"""The forms that a server is sent: urlencoded, and multipart/form-data parsed while it arrives.

Who sends a form decides how large it is, so everything here has a bound: fields stay in memory up to one limit in all,
files go to disk up to another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, Final, TypeAlias
from urllib.parse import unquote_to_bytes

import python_multipart
from multidict import MultiDict
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from lasa.http._wire.pieces import Pieces

__all__ = [
    "FormError",
    "FormTooLarge",
    "MultipartParser",
    "PartBegin",
    "PartData",
    "PartEnd",
    "UploadedFile",
    "parse_multipart",
    "parse_urlencoded",
]

BAD_MULTIPART: Final = "bad multipart body"
TOO_MANY_FIELDS: Final = "too many fields"

# Of one part; python_multipart has bounds of its own only in its later versions.
_HEAD_BYTES_MAX = 16 * 1024
_HEADERS_MAX = 8
_BOUNDARY_BYTES_MAX = 256

# What changes nothing; RFC 7578 has done away with the others, and nobody sends them.
_PLAIN_TRANSFER_ENCODINGS = (b"7bit", b"8bit", b"binary")


class FormError(ValueError):
    """A form that cannot be taken: malformed, cut, or beyond a limit."""


class FormTooLarge(FormError):
    """A form beyond a limit; a server answers 413."""


# application/x-www-form-urlencoded


def parse_urlencoded(data: bytes, max_fields: int = 1000) -> MultiDict[str]:
    """Parse a body of application/x-www-form-urlencoded, or a query.

    Returns:
        the fields in their order; bytes that are no UTF-8 are U+FFFD, as in a browser.
    Raises:
        FormTooLarge: "too many fields".
    Switches: never.
    """
    fields: MultiDict[str] = MultiDict()
    if data.count(b"&") >= max_fields:
        raise FormTooLarge(TOO_MANY_FIELDS)
    for field in data.split(b"&"):
        if field:
            name, _, value = field.partition(b"=")
            fields.add(_unquoted(name), _unquoted(value))
    return fields


def _unquoted(data: bytes) -> str:
    return unquote_to_bytes(data.replace(b"+", b" ")).decode("utf-8", "replace")


# multipart/form-data


@dataclass(frozen=True, slots=True)
class PartBegin:
    """A part begins.

    Attributes:
        filename: as it was sent, so never to be used as a path; None for a plain field.
        content_type: as it was sent; None if it was not.
    """

    name: str
    filename: str | None
    content_type: str | None


@dataclass(frozen=True, slots=True)
class PartData:
    """Some bytes of the part that has begun; at least one."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part is complete."""


Event: TypeAlias = PartBegin | PartData | PartEnd

_END = PartEnd()


class MultipartParser:
    """Takes a multipart/form-data body in pieces, and tells what is in them.

    Args:
        content_type: the request's Content-Type header.
        max_parts: how many fields and files there may be.
    Raises:
        FormError: "bad content type": it is not multipart/form-data, or names no boundary.
    Source: RFC 7578.
    """

    def __init__(self, content_type: str, max_parts: int = 1000) -> None:
        self._events: list[Event] = []
        self._max_parts = max_parts
        self._parts = 0
        self._head_bytes = 0
        self._headers: dict[bytes, bytes] = {}
        self._field: list[bytes] = []
        self._value: list[bytes] = []
        self._is_complete = False
        try:
            self._parser = python_multipart.MultipartParser(
                _boundary_of(content_type),
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as exc:
            raise FormError("bad content type") from exc

    def feed(self, data: bytes) -> list[Event]:
        """Return what ``data`` tells; after an error nothing more can be fed.

        Raises:
            FormError: "bad multipart body"; as FormTooLarge "too many fields".
        """
        try:
            self._parser.write(data)
        except FormParserError as exc:
            raise FormError(BAD_MULTIPART) from exc
        events, self._events = self._events, []
        return events

    def finish(self) -> None:
        """Check that the last boundary has come.

        Raises:
            FormError: "truncated multipart body".
        """
        if not self._is_complete:
            raise FormError("truncated multipart body")

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > self._max_parts:
            raise FormTooLarge(TOO_MANY_FIELDS)
        self._head_bytes = 0
        self._headers.clear()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._count_head(end - start)
        self._field.append(data[start:end])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count_head(end - start)
        self._value.append(data[start:end])

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > _HEAD_BYTES_MAX:
            raise FormError(BAD_MULTIPART)

    def _on_header_end(self) -> None:
        field = b"".join(self._field).lower()
        # Twice the same is an error too: two names for one part, and who looks at it first must not choose.
        if field in self._headers or len(self._headers) == _HEADERS_MAX:
            raise FormError(BAD_MULTIPART)
        self._headers[field] = b"".join(self._value)
        self._field.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition"))
        if kind != b"form-data" or b"name" not in options:
            raise FormError(BAD_MULTIPART)
        encoding = self._headers.get(b"content-transfer-encoding", b"binary").strip().lower()
        if encoding not in _PLAIN_TRANSFER_ENCODINGS:
            raise FormError(BAD_MULTIPART)
        filename, content_type = options.get(b"filename"), self._headers.get(b"content-type")
        self._events.append(
            PartBegin(
                _unescaped(options[b"name"]),
                None if filename is None else _unescaped(filename),
                None if content_type is None else content_type.decode("utf-8", "replace"),
            )
        )

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(PartData(data[start:end]))

    def _on_part_end(self) -> None:
        self._events.append(_END)

    def _on_end(self) -> None:
        self._is_complete = True


def _boundary_of(content_type: str) -> bytes:
    try:
        kind, options = parse_options_header(content_type.encode("latin-1"))
    except UnicodeEncodeError as exc:
        raise FormError("bad content type") from exc
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 1 <= len(boundary) <= _BOUNDARY_BYTES_MAX:
        raise FormError("bad content type")
    return boundary


def _unescaped(name: bytes) -> str:
    """Decode a name, and undo browsers' escape of the quote; line breaks stay escaped, nobody expects them in names."""
    return name.decode("utf-8", "replace").replace("%22", '"')


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file that came with a form.

    Attributes:
        name: the field's.
        filename: as the peer sent it: never to be used as a path. Empty if the user chose no file.
        content_type: as the peer sent it; None if it did not.
        file: in memory or on disk without a name, at its beginning; gone once it is closed.
        size: in bytes.
    """

    name: str
    filename: str
    content_type: str | None
    file: IO[bytes]
    size: int

    def close(self) -> None:
        """Give its memory or its place on disk back."""
        self.file.close()


def parse_multipart(
    pieces: Iterable[bytes],
    content_type: str,
    max_fields: int = 1000,
    max_field_bytes: int = 1 << 20,
    max_file_bytes: int = 100 << 20,
    max_files: int = 100,
    spool_bytes: int = 1 << 20,
) -> MultiDict[str | UploadedFile]:
    """Take a whole body of multipart/form-data.

    Args:
        pieces: the body as it arrives.
        content_type: the request's Content-Type header.
        max_fields: how many fields and files there may be.
        max_field_bytes: how many bytes all plain fields together may have; they are kept in memory.
        max_file_bytes: how many bytes all files together may have.
        max_files: how many of the fields may be files: each may cost a descriptor.
        spool_bytes: how much of the files is kept in memory, in all; what is beyond goes to disk.
    Returns:
        the fields in their order: str for plain ones (bytes that are no UTF-8 are U+FFFD), UploadedFile for files.
        Who takes it closes the files.
    Raises:
        FormError: "bad content type", "bad multipart body", "truncated multipart body"; as FormTooLarge "too many
            fields", "too many files", "fields too large", "files too large". No file is left open then.
    Switches: as ``pieces`` does; writing to disk does not switch.
    """
    form = _Form(max_field_bytes, max_file_bytes, max_files, spool_bytes)
    parser = MultipartParser(content_type, max_fields)
    try:
        for piece in pieces:
            for event in parser.feed(piece):
                form.take(event)
        parser.finish()
    except BaseException:
        form.close()
        raise
    return form.fields


class _Form:
    """A form that is being taken: the fields so far, and the one that has begun."""

    def __init__(self, max_field_bytes: int, max_file_bytes: int, max_files: int, spool_bytes: int) -> None:
        self.fields: MultiDict[str | UploadedFile] = MultiDict()
        self._field_bytes_left = max_field_bytes
        self._file_bytes_left = max_file_bytes
        self._files_left = max_files
        self._spool_bytes_left = spool_bytes
        self._part = PartBegin("", None, None)
        self._value = Pieces()
        self._file: SpooledTemporaryFile[bytes] | None = None
        self._size = 0

    def take(self, event: Event) -> None:
        match event:
            case PartBegin():
                self._begin(event)
            case PartData(data):
                self._add(data)
            case PartEnd():
                self._end()

    def close(self) -> None:
        """Close every file."""
        if self._file is not None:
            self._file.close()
        for value in self.fields.values():
            if isinstance(value, UploadedFile):
                value.close()

    def _begin(self, part: PartBegin) -> None:
        self._part = part
        self._size = 0
        if part.filename is None:
            self._take_field_bytes(len(part.name))
            return
        self._files_left -= 1
        if self._files_left < 0:
            raise FormTooLarge("too many files")
        # Not less than 1: 0 would mean that it never goes to disk.
        self._file = SpooledTemporaryFile(max_size=max(1, self._spool_bytes_left))  # noqa: SIM115 (the caller's to close)

    def _add(self, data: bytes) -> None:
        self._size += len(data)
        if self._file is None:
            self._take_field_bytes(len(data))
            self._value.add(data)
            return
        self._file_bytes_left -= len(data)
        if self._file_bytes_left < 0:
            raise FormTooLarge("files too large")
        self._file.write(data)

    def _end(self) -> None:
        part, file = self._part, self._file
        if file is None or part.filename is None:
            self.fields.add(part.name, self._value.joined().decode("utf-8", "replace"))
            self._value = Pieces()
            return
        if self._size <= self._spool_bytes_left:
            self._spool_bytes_left -= self._size  # it has stayed in memory
        file.seek(0)
        self.fields.add(part.name, UploadedFile(part.name, part.filename, part.content_type, file, self._size))
        self._file = None

    def _take_field_bytes(self, size: int) -> None:
        self._field_bytes_left -= size
        if self._field_bytes_left < 0:
            raise FormTooLarge("fields too large")
