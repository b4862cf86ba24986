"""The forms that a server is sent: urlencoded, and multipart/form-data, taken while it arrives.

Who sends a form decides how large it is, so everything here has a bound: fields stay in memory up to one limit in all,
files go to disk up to another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO
from urllib.parse import unquote_to_bytes

from multidict import MultiDict

from lasa.http._server.multipart import (
    TOO_MANY_FIELDS,
    Event,
    FormTooLarge,
    MultipartParser,
    PartBegin,
    PartData,
    PartEnd,
)
from lasa.http._wire.parameters import known_charset, parameters_of
from lasa.http._wire.pieces import Pieces

__all__ = ["UploadedFile", "parse_multipart", "parse_urlencoded"]


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
        the fields in their order: UploadedFile for files, which whoever takes it closes; str for plain ones, read by
        the charset of their own Content-Type, else that of a field "_charset_" before them, else as UTF-8; wrong bytes
        are U+FFFD.
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
        self._charset = "utf-8"  # of fields that do not say theirs
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
            text = self._value.joined().decode(self._charset_of(part), "replace")
            self.fields.add(part.name, text)
            self._value = Pieces()
            if part.name == "_charset_":  # RFC 7578 section 4.6
                self._charset = known_charset(text) or self._charset
            return
        if self._size <= self._spool_bytes_left:
            self._spool_bytes_left -= self._size  # it has stayed in memory
        file.seek(0)
        self.fields.add(part.name, UploadedFile(part.name, part.filename, part.content_type, file, self._size))
        self._file = None

    def _charset_of(self, part: PartBegin) -> str:
        said = parameters_of(part.content_type).plain.get("charset", "") if part.content_type else ""
        return known_charset(said) or self._charset

    def _take_field_bytes(self, size: int) -> None:
        self._field_bytes_left -= size
        if self._field_bytes_left < 0:
            raise FormTooLarge("fields too large")
