"""What a request returns: the head at once, the body whole, or piece by piece as it arrives."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

import h11
from multidict import CIMultiDictProxy

from lasa import _hub
from lasa.errors import Error, LimitExceeded, SocketError, word_of
from lasa.http._client.stream import ResponseBody
from lasa.http._wire.errors import shown
from lasa.http._wire.fields import header_view
from lasa.http._wire.json_text import json_value
from lasa.http._wire.parameters import known_charset, parameters_of
from lasa.socket import TcpSocket

__all__ = ["Piece", "Response", "StatusError"]

MAX_LINE: Final = 1_048_576
LINES_IN_A_ROW: Final = 16  # between two looks at the clock
MANY: Final = 4096  # pieces of a line, which are joined then: each takes more memory than the byte it may hold


class Piece:
    """What a chunked reader returns.

    Attributes:
        body: bytes, never empty; None where the stream broke.
        err: the word for that, otherwise None.
    """

    __slots__ = ("body", "err")

    def __init__(self, body: bytes | None, err: str | None = None) -> None:
        self.body = body
        self.err = err

    def __repr__(self) -> str:
        return f"<piece of {len(self.body)} bytes>" if self.body is not None else f"<no piece: {self.err}>"

    def __getitem__(self, name: str) -> Any:
        return _subscript(self, name, ("body", "err"))


class StatusError(Error):
    """An answer of 400 or more, for raise_for_status(): "404 Not Found".

    Attributes:
        response: that answer.
    """

    def __init__(self, response: Response) -> None:
        super().__init__(f"{response.code} {shown(response.status)}".rstrip())
        self.response = response

    def __reduce__(self) -> tuple[Any, ...]:
        return Error, (self.reason, self.partial)


class _Pieces:
    """Not a generator, which an exception from outside would end."""

    __slots__ = ("_stream",)

    def __init__(self, stream: ResponseBody) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = self._stream.next_piece()
        if not piece:
            raise StopIteration
        return piece


class Response:
    """An answer; its parts are also there by subscript, as ``resp["code"]``.

    Attributes:
        code: the status as a number.
        body: all bytes, decoded; None while they are still to be streamed or read.
        url: where the answer comes from, after redirects.
        history: the redirects that led here, oldest first.
        method: of the request that it answers.
    """

    __slots__ = ("__weakref__", "_event", "_headers", "_stream", "body", "code", "history", "method", "url")

    def __init__(
        self, event: h11.Response | h11.InformationalResponse, url: str, method: str, stream: ResponseBody
    ) -> None:
        self._event = event
        self._headers: CIMultiDictProxy[str] | None = None
        self._stream = stream
        self.code: int = event.status_code
        self.body: bytes | None = None
        self.url = url
        self.method = method
        self.history: tuple[Response, ...] = ()

    def __repr__(self) -> str:
        return f"<lasa http response {self.code} {shown(self.status)}>"

    def __getitem__(self, name: str) -> Any:
        return _subscript(self, name, _PARTS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.code < 400

    def raise_for_status(self) -> Self:
        """Return the response if its status is below 400.

        Raises:
            StatusError: otherwise.
        """
        if not self.ok:
            raise StatusError(self)
        return self

    def __iter__(self) -> Iterator[bytes]:
        """As pieces()."""
        return self.pieces()

    @property
    def status(self) -> str:
        """The reason phrase, which may be empty."""
        return self._event.reason.decode("latin-1")

    @property
    def http_version(self) -> str:
        """The server's version, "1.1" or "1.0"."""
        return self._event.http_version.decode("ascii")

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The header fields: case-insensitive, repeated ones in order (``getall``)."""
        if self._headers is None:
            self._headers = header_view(self._event.headers._full_items)
        return self._headers

    @property
    def trailers(self) -> CIMultiDictProxy[str]:
        """Fields behind a chunked body, once that has been read to its end."""
        return header_view(self._stream.trailers)

    @property
    def socket(self) -> TcpSocket | None:
        """After a 101: the connection, which is the caller's to use and to close; None otherwise."""
        return self._stream.socket

    # -- the body

    def read(self) -> bytes:
        """Return the whole body, reading what is left of it; it is kept in ``body``.

        Raises:
            SocketError: the stream broke, with ``.partial``; or it is larger than max_body. RuntimeError: pieces of it
            have been taken already, so that the rest would pass for the whole.
        Switches: when it has not come yet.
        """
        if self.body is None:
            if self._stream.has_begun and not self._stream.is_whole:
                raise RuntimeError("the body is being streamed")
            self.body = self._stream.read_all()
        return self.body

    def text(self, encoding: str | None = None) -> str:
        """Return the body as text: in ``encoding``, else that of Content-Type, else UTF-8; wrong bytes become U+FFFD.

        Raises:
            LookupError: no such encoding was asked for. Otherwise as read(), which it calls.
        """
        if encoding is not None:
            codecs.lookup(encoding)
        return self.read().decode(encoding or self.charset or "utf-8", "replace")

    @property
    def charset(self) -> str | None:
        """The encoding that Content-Type names, if Python knows it."""
        said = parameters_of(self.headers.get("content-type", ""))
        return known_charset(said.plain.get("charset", "").strip("'"))

    def json(self) -> Any:
        """Return the body, parsed as JSON.

        Raises:
            ValueError: it is none, as NaN and Infinity are none. Otherwise as read(), which it calls.
        """
        return json_value(self.read())

    def pieces(self) -> Iterator[bytes]:
        """Return an iterator over the body as it arrives, decoded, no piece empty; once.

        A gevent.Timeout that interrupts it does not end it: the next step goes on.

        Raises:
            SocketTimeout, SocketClosed, SocketError: the stream broke.
        Switches: when nothing has come yet.
        """
        if self.body is not None:
            return iter([self.body] if self.body else [])
        return _Pieces(self._stream)

    def lines(self, max_line: int = MAX_LINE) -> Iterator[bytes]:
        r"""Yield the body's lines as they arrive, without their ends (LF or CRLF); the last one may lack its end.

        Raises:
            SocketError: as pieces(). LimitExceeded: "line too long".
        Switches: as pieces().
        """
        begun: list[bytes] = []  # of a line whose end has not come
        size = 0
        hub = _hub.scheduler()
        for piece in self.pieces():
            *lines, rest = piece.split(b"\n")
            for start in range(0, len(lines), LINES_IN_A_ROW):
                hub.breathe(LINES_IN_A_ROW * _hub.CALL_COST)
                for line in lines[start : start + LINES_IN_A_ROW]:
                    if begun:
                        line = b"".join([*begun, line])
                        begun, size = [], 0
                    if len(line) > max_line:
                        raise LimitExceeded("line too long", line)
                    yield line.removesuffix(b"\r")
            if rest:
                begun.append(rest)
                size += len(rest)
                if size > max_line:
                    raise LimitExceeded("line too long", b"".join(begun))
                if len(begun) >= MANY:
                    begun = [b"".join(begun)]
        if begun:
            yield b"".join(begun)

    def save(self, where: str | os.PathLike[str] | BinaryIO) -> int:
        """Write the body into a file as it arrives, and return its size in bytes.

        Args:
            where: a path, which is written anew, or a binary file. After an error the file holds what did come.
        Raises:
            OSError: of the file. Otherwise as pieces().
        Switches: as pieces().
        """
        if isinstance(where, str | os.PathLike):
            with open(where, "wb") as file:
                return self.save(file)
        size = 0
        for piece in self.pieces():
            where.write(piece)
            size += len(piece)
        return size

    def reader(self) -> Callable[[], Piece | None]:
        """Return the seed's reader: each call gives a Piece, None behind the last one.

        A stream that breaks gives one Piece with ``body`` None and ``err``, then None. Switches: as pieces().
        """
        has_ended = False

        def read_piece() -> Piece | None:
            nonlocal has_ended
            if has_ended:
                return None
            try:
                piece = self._stream.next_piece()
            except SocketError as error:
                has_ended = self._stream.has_failed  # not if another light thread is reading just now
                return Piece(None, word_of(error))
            if not piece:
                has_ended = True
                return None
            return Piece(piece)

        return read_piece

    def close(self) -> None:
        """Give up what has not been read of the body; its connection is closed. Switches: never."""
        self._stream.give_up()


_PARTS: Final = ("code", "status", "headers", "body", "url", "http_version", "trailers", "history", "method")


def _subscript(thing: Any, name: str, parts: tuple[str, ...]) -> Any:
    if name not in parts:
        raise KeyError(name)
    return getattr(thing, name)
