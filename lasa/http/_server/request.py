"""What a handler gets: the request, its body as it comes, and the ways to answer."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, Unpack
from urllib.parse import unquote

import h11
from multidict import CIMultiDictProxy, MultiDict

from lasa.errors import SocketError
from lasa.http._server.answer import checked_status
from lasa.http._server.forms import UploadedFile, parse_multipart, parse_urlencoded
from lasa.http._server.multipart import FormTooLarge
from lasa.http._server.refusal import BadRequest
from lasa.http._wire.fields import HeaderSource, Prepared, header_view
from lasa.http._wire.heads import RawHeaders
from lasa.http._wire.json_text import json_value
from lasa.http._wire.pieces import Pieces
from lasa.socket import TcpSocket

if TYPE_CHECKING:
    from lasa.websocket import AcceptOptions, WebSocket

__all__ = ["Request", "RequestBody", "ResponseWriter", "Successor"]

MAX_READ = 16 * 1024 * 1024
TOO_LARGE = "request body too large"

_IN_PIECES = object()


class Sending(Protocol):
    """What an answer in the making asks of the connection that it goes by."""

    def send_piece(self, request: Request, data: Any) -> None: ...
    def end_response(self, request: Request, trailers: HeaderSource) -> None: ...
    def break_off(self, request: Request) -> None: ...


class Turn(Protocol):
    """What a request asks of the connection that it came by."""

    peer: tuple[str, int | None]
    is_tls: bool

    @property
    def local(self) -> tuple[str, int | None]: ...
    def expect_at_most(self, request: Request, max_bytes: int) -> None: ...
    def next_piece(self, request: Request) -> bytes: ...
    def inform(self, request: Request, status: int, headers: HeaderSource) -> None: ...
    def respond(self, request: Request, status: int, headers: HeaderSource, reason: bytes = b"") -> ResponseWriter: ...
    def respond_whole(
        self, request: Request, status: int, headers: HeaderSource, body: bytes, reason: bytes = b""
    ) -> None: ...
    def upgrade(self, request: Request, status: int, headers: HeaderSource | Prepared) -> TcpSocket: ...
    def let_go(self, request: Request) -> None: ...
    def follow(self, request: Request, successor: Successor) -> None: ...


class Successor(Protocol):
    """What speaks another protocol on a connection that upgrade() has switched, until the handler is over."""

    def end(self, *, has_failed: bool) -> None:
        """Say goodbye: the handler has returned, or raised. May switch."""

    def go_away(self) -> None:
        """Begin to say goodbye: the server stops. Never switches."""

    def abort(self) -> None:
        """End it at once. Never switches."""

    def is_end(self, error: BaseException) -> bool:
        """Whether an error of the handler only says that the connection has ended. Never switches."""


class RequestBody:
    """A request's body; iterate over it, once.

    The first piece asked for is what sends "100 Continue" to a client that waits for it. After ``request.read()`` all
    of it is one piece.
    """

    __slots__ = ("_has_given", "_request")

    def __init__(self, request: Request) -> None:
        self._request = request
        self._has_given = False  # what read() has kept

    def __iter__(self) -> Iterator[bytes]:
        """Yield pieces as they arrive, none empty.

        Raises:
            SocketTimeout, SocketClosed: the client is slow or gone; another SocketError: its framing is wrong, or the
            body is larger than the server's max_body. A handler need not catch them: the server answers what fits.
            RuntimeError: the request has been answered, or another light thread reads.
        Switches: when nothing has come yet, and now and then under a flood of small pieces.
        """
        while piece := self.next_piece():
            yield piece

    def next_piece(self) -> bytes:
        """Return the next piece, b"" at the end; for who cannot iterate. Raises, Switches: as iterating."""
        request = self._request
        if type(request._content) is bytes:
            if self._has_given:
                return b""
            self._has_given = True
            return request._content
        if request._content is None:
            request._content = _IN_PIECES
        return request._connection.next_piece(request)


class Request:
    """One request; what it says is read when it is asked for.

    It is over once the handler has returned and its answer is sent: a light thread that goes on with it gets
    RuntimeError from its body and its answer. While it runs, one light thread may read while another answers.

    Attributes:
        method: "GET".
        target: as it came: "/a%20b?x=1", an absolute URL from a proxy's client, "*", or "host:port" of CONNECT.
    """

    __slots__ = (
        "__weakref__",
        "_connection",
        "_content",
        "_event",
        "_form",
        "_headers",
        "_query",
        "_trailers",
        "method",
        "target",
    )

    def __init__(self, connection: Turn, event: h11.Request) -> None:
        self._connection = connection
        self._event = event
        self._content: Any = None  # the body: as bytes, _IN_PIECES once any were taken, or the error that it ended with
        self._headers: CIMultiDictProxy[str] | None = None
        self._query: MultiDict[str] | None = None
        self._form: MultiDict[str | UploadedFile] | None = None
        self._trailers: RawHeaders | None = None
        self.method = event.method.decode("ascii")
        self.target = event.target.decode("ascii")

    def __repr__(self) -> str:
        return f"<lasa http request {self.method} {self.target}>"

    @property
    def body(self) -> RequestBody:
        """The body: iterate over it for the pieces as they arrive; read() is for all of it."""
        return RequestBody(self)

    @property
    def line_of_head(self) -> tuple[bytes, bytes]:
        """The method and the version, as the answer's framing depends on them."""
        return self._event.method, self._event.http_version

    @property
    def http_version(self) -> str:
        """The client's version, "1.1" or "1.0"."""
        return self._event.http_version.decode("ascii")

    @property
    def peer(self) -> tuple[str, int | None]:
        """The client's address: ``(ip, port)``, or ``("unix:", None)``."""
        return self._connection.peer

    @property
    def local(self) -> tuple[str, int | None]:
        """The address that the client came to: ``(ip, port)``, or ``("unix:/path", None)``."""
        return self._connection.local

    @property
    def scheme(self) -> str:
        """How the client came: "https" or "http"."""
        return "https" if self._connection.is_tls else "http"

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The header fields: case-insensitive, repeated ones in order (``getall``)."""
        if self._headers is None:
            self._headers = header_view(self._event.headers._full_items)
        return self._headers

    @property
    def trailers(self) -> CIMultiDictProxy[str]:
        """The fields behind a chunked body, empty until it has been read; never merged into the headers."""
        return header_view(self._trailers or [])

    @property
    def host(self) -> str:
        """Whom the client wants: the target's authority if it is an absolute URL, else the Host field; or ""."""
        target = self.target
        if not target.startswith("/") and "://" in target:
            return target.partition("://")[2].partition("/")[0].partition("?")[0]
        return self.headers.get("host", "")

    @property
    def path(self) -> str:
        """The path, percent-decoded as UTF-8, without the query; "*" and CONNECT's target as they are."""
        path = self.raw_path
        return unquote(path) if "%" in path else path

    @property
    def raw_path(self) -> str:
        """The path as it came, without the query."""
        target = self.target
        path = target.partition("?")[0]
        if not target.startswith("/") and "://" in path:
            _, _, rest = path.partition("://")[2].partition("/")
            path = "/" + rest
        return path

    @property
    def query_string(self) -> str:
        """What follows the first "?", as it came."""
        return self.target.partition("?")[2]

    @property
    def query(self) -> MultiDict[str]:
        """The query's parameters, decoded, in order."""
        if self._query is None:
            text = self.query_string
            try:
                self._query = parse_urlencoded(text.encode()) if text else MultiDict()
            except ValueError as error:
                raise BadRequest("bad query") from error
        return self._query

    def read(self, max_bytes: int = MAX_READ) -> bytes:
        """Return the whole body; it is kept, so that another call returns the same.

        Raises:
            RuntimeError: pieces of it were taken from ``request.body``, or another light thread reads it.
            SocketError: it is larger than ``max_bytes`` (the server answers 413); otherwise as iterating over it.
        Switches: as iterating over it.
        """
        content = self._content
        if content is None:
            self._connection.expect_at_most(self, max_bytes)
            self._content = _IN_PIECES
            try:
                self._content = content = self._gathered(max_bytes)
            except SocketError as error:
                self._content = error
                raise
        elif content is _IN_PIECES:
            raise RuntimeError("the body was taken in pieces, or another light thread reads it")
        elif isinstance(content, SocketError):
            raise content
        elif len(content) > max_bytes:
            raise BadRequest(TOO_LARGE, 413)
        return content  # type: ignore[no-any-return]

    def _gathered(self, max_bytes: int) -> bytes:
        next_piece = self._connection.next_piece
        pieces = Pieces()
        while piece := next_piece(self):
            pieces.add(piece)
            if pieces.size > max_bytes:
                raise BadRequest(TOO_LARGE, 413)
        return pieces.joined()

    def json(self, max_bytes: int = MAX_READ) -> Any:
        """Return the body, parsed as JSON; what is none answers 400, and so do NaN and Infinity.

        Raises, Switches: as read(), and SocketError for what is no JSON.
        """
        try:
            return json_value(self.read(max_bytes))
        except ValueError as error:
            raise BadRequest("bad JSON") from error

    def form(self, max_bytes: int = MAX_READ) -> MultiDict[str | UploadedFile]:
        """Return the fields of a form, urlencoded or multipart; large files are kept on disk.

        Files are closed when the request is over. A second call returns the same form.

        Raises, Switches: as read(), and SocketError for what is no form; another content type answers 415.
        """
        if self._form is None:
            content_type = self.headers.get("content-type", "")
            kind = content_type.partition(";")[0].strip().lower()
            try:
                if kind == "application/x-www-form-urlencoded":
                    self._form = MultiDict(parse_urlencoded(self.read(max_bytes)))
                elif kind == "multipart/form-data":
                    self._form = parse_multipart(self._bounded(max_bytes), content_type)
                else:
                    raise BadRequest("no form", 415)
            except FormTooLarge as error:
                raise BadRequest("form too large", 413) from error
            except ValueError as error:
                raise BadRequest("bad form") from error
        return self._form

    def _bounded(self, max_bytes: int) -> Iterator[bytes]:
        left = max_bytes
        for piece in self.body:
            left -= len(piece)
            if left < 0:
                raise BadRequest(TOO_LARGE, 413)
            yield piece

    def forget_view(self) -> None:
        """Make the header view again when it is asked for the next time; called by the connection."""
        self._headers = None

    def note_trailers(self, items: RawHeaders) -> None:
        """The body has ended with these; called by the connection."""
        self._trailers = items

    def close_files(self) -> None:
        """Close what form() has opened; called by the connection."""
        if self._form is not None:
            for value in self._form.values():
                if isinstance(value, UploadedFile):
                    value.close()

    def inform(self, status: int = 103, headers: HeaderSource = None) -> None:
        """Send an interim answer ahead of the one to come, such as 103 Early Hints; HTTP/1.0 clients get none.

        Raises:
            ValueError, TypeError: a status beyond 102 to 199, a bad header. RuntimeError: answered already.
        Switches: when the kernel's buffer is full.
        """
        self._connection.inform(self, status, headers)

    def answer(self, status: int, headers: HeaderSource = None, body: bytes = b"") -> None:
        """Answer at once, for a handler that has more to do; what it returns must be None then.

        Raises:
            ValueError, TypeError: a bad status or header; nothing is sent then. RuntimeError: answered already.
            SocketTimeout, SocketClosed: the client is slow or gone.
        Switches: when the kernel's buffer is full.
        """
        self._connection.respond_whole(self, checked_status(status), headers, body)

    def respond(self, status: int = 200, headers: HeaderSource = None) -> ResponseWriter:
        """Begin an answer that is sent piece by piece; use it in a ``with``.

        With a Content-Length among the headers the body must have just that length; without, it is sent in chunks.

        Raises:
            ValueError, TypeError: a bad status or header; nothing is sent then. RuntimeError: answered already.
        Switches: when the kernel's buffer is full.
        """
        return self._connection.respond(self, checked_status(status), headers)

    def upgrade(self, status: int = 101, headers: HeaderSource | Prepared = None) -> TcpSocket:
        """Switch to another protocol, and return the raw socket; what the client sent ahead is read from it first.

        Args:
            status: 101 for a request with Upgrade, 200 for CONNECT.
            headers: of the answer, such as Upgrade.
        Returns:
            The socket, with the default timeouts; it belongs to the handler, and is closed when the handler returns.
        Raises:
            SocketError: the client has asked for no switch, or the body is not read yet; the server answers 400.
            RuntimeError: answered already. ValueError, TypeError: a bad status or header.
        Switches: when the kernel's buffer is full.
        """
        return self._connection.upgrade(self, status, headers)

    def follow(self, successor: Successor) -> None:
        """After upgrade(): have ``successor`` told when the handler is over, and when the server stops.

        Switches: never.
        """
        self._connection.follow(self, successor)

    def let_go(self) -> None:
        """After upgrade(): the connection outlives the handler, and the server knows it no longer. Switches: never."""
        self._connection.let_go(self)

    @property
    def is_websocket(self) -> bool:
        """Whether the client asks for a WebSocket: ``websocket()`` answers it."""
        asked = ",".join(self.headers.getall("upgrade", ()))
        return "websocket" in [word.strip().lower() for word in asked.split(",")]

    def websocket(self, **options: Unpack[AcceptOptions]) -> tuple[WebSocket | None, str | None]:
        """Accept the WebSocket that the client asks for; it is closed with 1000 when the handler returns.

        Args:
            protocols: subprotocols in the order of preference, or a function of those that the client offers.
            origins: who may open it from a browser: a list of origins such as "https://example.com", "same" for this
                very host, None in the list for clients that send no Origin, or a function; None: everybody.
            headers: further ones of the answer.
            options: docs/websocket.md has the others.
        Returns:
            ``(wb, None)``; or ``(None, err)``, and the client has been answered 400, 403, 405 or 426: err is
            'bad "upgrade" request header: V', "origin not allowed: X" and the like, or a word of the wire.
        Raises:
            TypeError, ValueError: a bad option. RuntimeError: answered already.
        Switches: when the kernel's buffer is full. Source: beyond the seed.
        """
        # HTTP knows of WebSocket here only, and not before somebody asks for it.
        from lasa.websocket.server import accept_request

        return accept_request(self, options)


class ResponseWriter:
    """An answer in the making; ``request.respond()`` begins it, leaving its ``with`` ends it."""

    __slots__ = ("_connection", "_request")

    def __init__(self, connection: Sending, request: Request) -> None:
        self._connection = connection
        self._request = request

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.end()
        else:
            self._connection.break_off(self._request)

    def send(self, data: bytes | bytearray | memoryview | str) -> None:
        """Send a piece of the body, and return when the kernel has it: a slow client slows the handler down.

        Raises:
            SocketTimeout, SocketClosed: the client is slow or gone. TypeError: no piece. ValueError: more than the
            Content-Length that was announced. RuntimeError: the answer has ended, or another light thread sends.
        Switches: when the kernel's buffer is full.
        """
        self._connection.send_piece(self._request, data)

    def end(self, trailers: HeaderSource = None) -> None:
        """End the body; the end of a ``with`` does it too.

        Args:
            trailers: fields behind a chunked body; HTTP/1.0 clients get none.
        Raises:
            As send(); ValueError: less than the Content-Length that was announced.
        Switches: as send().
        """
        self._connection.end_response(self._request, trailers)
