"""multipart/form-data as it arrives (RFC 7578, in the form of RFC 2046): a core, whose events forms.py makes a form of.

It is read as its grammar has it: what stands before the first boundary and behind the last is passed over, so are
blanks behind a boundary, and a line that only begins as a boundary does is data. What could be read in two ways is not:
two names for one part, or a line of a head that is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from lasa.http._wire.grammar import TOKEN
from lasa.http._wire.parameters import Parameters, parameters_of

__all__ = ["Event", "FormError", "FormTooLarge", "MultipartParser", "PartBegin", "PartData", "PartEnd"]

BAD_MULTIPART: Final = "bad multipart body"
TOO_MANY_FIELDS: Final = "too many fields"

_HEAD_BYTES_MAX: Final = 16 * 1024  # of one part; how many fields it has does not matter
_BOUNDARY_BYTES_MAX: Final = 256

_BLANKS: Final = re.compile(rb"[ \t]{0,256}")  # behind a boundary, by some gateway's doing
_FOLD: Final = re.compile(rb"\r\n[ \t]+")
_FIELD: Final = re.compile(rf"({TOKEN}):([^\x00\r\n]*)")
_READ_HERE: Final = frozenset(("content-disposition", "content-type", "content-transfer-encoding"))

# Those that change nothing; RFC 7578 has done away with the others, and they are not sent.
_PLAIN_TRANSFER_ENCODINGS: Final = ("7bit", "8bit", "binary")

_LAST: Final = -1
_NO_BOUNDARY: Final = -2


class FormError(ValueError):
    """A form that cannot be taken: malformed, cut, or beyond a limit."""


class FormTooLarge(FormError):
    """A form beyond a limit; a server answers 413."""


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

_END: Final = PartEnd()


class MultipartParser:
    """Takes a multipart/form-data body in pieces, and tells what is in them.

    Args:
        content_type: the request's Content-Type header.
        max_parts: how many fields and files there may be.
    Raises:
        FormError: "bad content type": it is not multipart/form-data, or names no boundary.
    """

    def __init__(self, content_type: str, max_parts: int = 1000) -> None:
        self._boundary = b"\r\n--" + _boundary_of(content_type)
        self._max_parts = max_parts
        self._parts = 0
        self._rest = b"\r\n"  # what has come and is not taken yet; the first boundary needs no line before it
        self._is_head = False
        self._skips = 2  # bytes of the rest that are no data, although a boundary may begin with them
        self._is_complete = False

    def feed(self, data: bytes) -> list[Event]:
        """Return what ``data`` tells; after an error nothing more can be fed.

        Raises:
            FormError: "bad multipart body"; as FormTooLarge "too many fields".
        """
        events: list[Event] = []
        if self._is_complete:
            return events
        searched = len(self._rest)
        data = self._rest + data
        start = 0
        while not self._is_complete:
            if self._is_head:
                # It stands between two line ends, the first of which is the boundary's, and may be none.
                end = data.find(b"\r\n\r\n", max(start, searched - 3))
                if (len(data) if end < 0 else end) - start > _HEAD_BYTES_MAX:
                    raise FormError(BAD_MULTIPART)
                if end < 0:
                    break
                events.append(_part_of(data[start + 2 : end]))
                self._is_head = False
                self._skips = 2
                start = end + 2
            end, behind = self._find_boundary(data, start)
            if self._parts and end > start + self._skips:
                events.append(PartData(data[start + self._skips : end]))
            self._skips = max(0, self._skips - (end - start))
            if behind is None:
                start = end
                break
            if self._parts:
                events.append(_END)
            if behind == _LAST:
                self._is_complete = True
                start = len(data)
                break
            self._parts += 1
            if self._parts > self._max_parts:
                raise FormTooLarge(TOO_MANY_FIELDS)
            self._is_head = True
            start = behind
        self._rest = data[start:]
        return events

    def _find_boundary(self, data: bytes, start: int) -> tuple[int, int | None]:
        # Return where data end, and where the boundary's line does, or _LAST; None for one that is not whole yet.
        boundary = self._boundary
        at = data.find(boundary, start)
        while at >= 0:
            behind = _behind(data, at + len(boundary))
            if behind != _NO_BOUNDARY:
                return at, behind
            at = data.find(boundary, at + 2)
        at = data.rfind(b"\r", max(start, len(data) - len(boundary) + 1))
        if at >= 0 and boundary.startswith(data[at:]):
            return at, None
        return len(data), None

    def finish(self) -> None:
        """Check that the last boundary has come.

        Raises:
            FormError: "truncated multipart body".
        """
        if not self._is_complete:
            raise FormError("truncated multipart body")


def _behind(data: bytes, position: int) -> int | None:
    # What follows a boundary: the last one's hyphens, a line end, its place being returned, or something else; None
    # where that is not known yet.
    following = data[position : position + 2]
    if following == b"--":
        return _LAST
    blanks = _BLANKS.match(data, position)
    end = position if blanks is None else blanks.end()
    if data.startswith(b"\r\n", end):
        return end
    is_cut = end == len(data) or data[end:] == b"\r" or following == b"-"
    return None if is_cut else _NO_BOUNDARY


def _part_of(head: bytes) -> PartBegin:
    fields: dict[str, str] = {}
    for line in _FOLD.sub(b" ", head).decode("utf-8", "replace").split("\r\n"):
        found = _FIELD.fullmatch(line)
        if found is None:
            raise FormError(BAD_MULTIPART)
        name = found[1].lower()
        if name in _READ_HERE:
            if name in fields:
                raise FormError(BAD_MULTIPART)
            fields[name] = found[2].strip(" \t")
    said = parameters_of(fields.get("content-disposition", ""))
    name_of_part = _text_of(said, "name")
    if said.kind != "form-data" or name_of_part is None or said.has_repeated:
        raise FormError(BAD_MULTIPART)
    if fields.get("content-transfer-encoding", "binary").lower() not in _PLAIN_TRANSFER_ENCODINGS:
        raise FormError(BAD_MULTIPART)
    return PartBegin(name_of_part, _text_of(said, "filename"), fields.get("content-type"))


def _text_of(said: Parameters, name: str) -> str | None:
    # RFC 7578 has no filename*, but senders of files have.
    if name in said.extended:
        return said.extended[name]
    plain = said.plain.get(name)
    # Browsers escape the quote; line breaks stay escaped, nobody expects them in names.
    return None if plain is None else plain.replace("%22", '"')


def _boundary_of(content_type: str) -> bytes:
    said = parameters_of(content_type)
    try:
        boundary = said.plain.get("boundary", "").encode("latin-1")
    except UnicodeEncodeError as exc:
        raise FormError("bad content type") from exc
    if said.kind != "multipart/form-data" or not 1 <= len(boundary) <= _BOUNDARY_BYTES_MAX:
        raise FormError("bad content type")
    return boundary
