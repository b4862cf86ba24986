"""Run a WSGI application (PEP 3333) as a handler of lasa's server: Flask, Django, Bottle.

Each request runs in a light thread of its own, so the application is called by many at once, all in one OS thread. Only
lasa's waits let others run; an application that was not written for lasa and waits by the standard library's sockets
needs ``gevent.monkey.patch_all()`` before it is imported. ``lasa serve --wsgi`` and ``LasaWorker`` do that.
"""

from __future__ import annotations

import inspect
import io
import logging
import re
import sys
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Final, TextIO
from urllib.parse import unquote_to_bytes
from wsgiref.util import FileWrapper

from lasa._functions import check_function
from lasa.errors import SocketError
from lasa.http._server.request import Request, ResponseWriter
from lasa.http._wire.fields import prepare
from lasa.http._wire.pieces import Pieces

__all__ = ["Application", "Environ", "add_field", "handler_of", "is_wsgi", "mounted"]

logger = logging.getLogger("lasa.http.wsgi")

Environ = dict[str, Any]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
Application = Callable[[Environ, Callable[..., Callable[[bytes], None]]], Iterable[bytes]]

FILE_BLOCK: Final = 65_536

# 1xx are no answers. Those from 600 on are no HTTP either, but applications have them, and other servers send them.
_STATUS: Final = re.compile(r"([2-9][0-9]{2})(?: ([\t \x21-\x7e\x80-\xff]*))?")

# Fields of a connection, which is the server's; "Connection: close" alone is a wish that it can fulfil.
_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"})


def handler_of(
    app: Application,
    *,
    script_name: str = "",
    errors: TextIO | None = None,
    adapt: Callable[[Request, Environ], None] | None = None,
) -> Callable[[Request], None]:
    """Return a handler that answers by a WSGI application.

    Bodies are streamed both ways. Header fields whose names have an underscore are not handed on, since in the
    environ they could not be told from those with a hyphen, by which proxies speak.

    Args:
        app: the application.
        script_name: the path under which it is mounted, as "/shop"; taken off the front of PATH_INFO.
        errors: wsgi.errors, by default sys.stderr.
        adapt: changes the environ before the application gets it, such as by what a trusted proxy says in its headers.
    Raises:
        TypeError: the application cannot be called. ValueError: a bad script_name.
    Switches: never; the handler does where the application does, and for each piece of a body.
    """
    if not callable(app):
        raise TypeError(f"bad WSGI application: function expected, got {type(app).__name__}")
    check_function(app, "WSGI")
    if script_name and (not script_name.startswith("/") or script_name.endswith("/")):
        raise ValueError(f'bad script_name: a path as "/shop" expected, got {script_name!r}')

    def handler(request: Request) -> Any:
        if request.method == "CONNECT":  # which would hand out the connection, for which WSGI has no word
            return 501, "WSGI applications have no CONNECT\n"
        if request.target == "*":  # OPTIONS of the server as a whole; in WSGI each path is the application's
            return 200, None
        body = RequestInput(request.body.next_piece)
        environ = environ_of(request, body, script_name)
        environ["wsgi.errors"] = sys.stderr if errors is None else errors
        if adapt is not None:
            adapt(request, environ)
        _Response(request, body).run(app, environ)
        return None

    return handler


def is_wsgi(app: Any) -> bool:
    """Tell a WSGI application, which takes two positional arguments, from a handler of lasa's, which takes one.

    An attribute ``lasa_handler`` of the callable decides where it is there: True for a handler.

    Raises:
        TypeError: it cannot be called, or only with other arguments.
    Switches: never.
    """
    said = getattr(app, "lasa_handler", None)
    if not callable(app):
        raise TypeError(f"bad application: function expected, got {type(app).__name__}")
    if said is not None:
        return not said
    try:
        signature = inspect.signature(app)
    except ValueError:  # written in C, and silent about it
        return True
    for count in (2, 1):
        try:
            signature.bind(*[None] * count)
        except TypeError:
            continue
        return count == 2
    raise TypeError(f"neither a handler(request) nor a WSGI application(environ, start_response): {app!r}")


def environ_of(request: Request, body: RequestInput, script_name: str = "") -> Environ:
    """Return the environ of a request, all but wsgi.errors."""
    environ: Environ = {
        "REQUEST_METHOD": request.method,
        **mounted(request, script_name),
        "QUERY_STRING": request.query_string,
        "REQUEST_URI": request.target,
        "RAW_URI": request.target,
        "SERVER_PROTOCOL": "HTTP/" + request.http_version,
        "SERVER_SOFTWARE": "lasa",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": _FileWrapper,
    }
    for name, value in request.headers.items():
        if "_" in name:
            continue
        key = name.upper().replace("-", "_")
        add_field(environ, key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key, value)
    if request.host:
        environ["HTTP_HOST"] = request.host  # an absolute target goes before the field (RFC 9112 section 3.2.2)
    host, port = request.peer
    environ["REMOTE_ADDR"] = "" if port is None else host
    if port is not None:
        environ["REMOTE_PORT"] = str(port)
    host, port = request.local
    if port is None:  # a unix path has neither, but WSGI demands both
        host, port = "localhost", 443 if request.scheme == "https" else 80
    environ["SERVER_NAME"] = host
    environ["SERVER_PORT"] = str(port)
    return environ


def mounted(request: Request, script_name: str) -> Environ:
    """Return SCRIPT_NAME and PATH_INFO of an application under that path; elsewhere it has the whole path."""
    path = request.raw_path
    mount = ""
    if script_name and (path == script_name or path.startswith(script_name + "/")):
        mount, path = script_name, path[len(script_name) :]
    return {"SCRIPT_NAME": mount, "PATH_INFO": unquote_to_bytes(path).decode("latin-1") if "%" in path else path}


def add_field(environ: Environ, key: str, value: str) -> None:
    """Put a header field into the environ; what is repeated is joined."""
    known = environ.get(key)
    environ[key] = value if known is None else f"{known}{'; ' if key == 'HTTP_COOKIE' else ','}{value}"


class _FileWrapper(FileWrapper):
    def __init__(self, filelike: Any, blksize: int = FILE_BLOCK) -> None:
        super().__init__(filelike, max(blksize, FILE_BLOCK))  # the 8 kB of most callers is from the time of modems


class RequestInput(io.BufferedIOBase):
    """A request's body as the binary file that WSGI wants; it ends where the body does.

    Attributes:
        failure: why the body could not be read to its end; the server has an answer to it that the application has not.
    """

    def __init__(self, next_piece: Callable[[], bytes]) -> None:
        self._next_piece = next_piece
        self._piece = b""
        self._position = 0  # what of the piece has been read
        self.failure: SocketError | None = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def _take(self, size: int) -> bytes:
        # So much of the piece; no switch.
        start = self._position
        self._position = start + size
        if start == 0 and size >= len(self._piece):
            return self._piece
        return self._piece[start : self._position]

    def _fill(self) -> bool:
        # Have a piece with something unread in it, or say that the body has ended.
        if self._position < len(self._piece):
            return True
        try:
            self._piece = self._next_piece()
        except SocketError as error:
            self.failure = error
            raise
        self._position = 0
        return bool(self._piece)

    def read(self, size: int | None = -1, /) -> bytes:
        """Return ``size`` bytes, fewer only at the body's end; all of it for -1.

        Raises:
            SocketError: the client is slow or gone, or its body is larger than the server takes.
        Switches: when not enough has come yet.
        """
        left = sys.maxsize if size is None or size < 0 else size
        found = Pieces()
        while left and self._fill():
            data = self._take(min(left, len(self._piece) - self._position))
            left -= len(data)
            found.add(data)
        return found.joined()

    def read1(self, size: int = -1, /) -> bytes:
        """Return what is there, at most ``size`` bytes; b"" is the end. Raises, Switches: as read()."""
        if size == 0 or not self._fill():
            return b""
        return self._take(len(self._piece) - self._position if size < 0 else size)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return the next line with its end, at most ``size`` bytes of it. Raises, Switches: as read()."""
        left = sys.maxsize if size is None or size < 0 else size
        found = Pieces()
        while left and self._fill():
            start = self._position
            end = self._piece.find(b"\n", start, min(start + left, len(self._piece)))
            data = self._take(end + 1 - start if end >= 0 else min(left, len(self._piece) - start))
            left -= len(data)
            found.add(data)
            if end >= 0:
                break
        return found.joined()


class _Response:
    """What an application makes of one request."""

    def __init__(self, request: Request, body: RequestInput) -> None:
        self._request = request
        self._input = body
        self._hides_body = request.method == "HEAD"
        self._status = 0  # 0 until start_response()
        self._reason = b""  # the application's own phrase
        self._headers: list[tuple[str, str]] = []
        self._length: int | None = None  # by the application's Content-Length
        self._left = sys.maxsize  # what of it has not been sent
        self._writer: ResponseWriter | None = None
        self._is_answered = False

    def run(self, app: Application, environ: Environ) -> None:
        """Call the application and send what it answers."""
        result: Iterable[bytes] = app(environ, self.start_response)
        try:
            self._send_all(result)
        finally:
            self._close(result)

    def _send_all(self, result: Iterable[bytes]) -> None:
        if type(result) in (list, tuple) and self._status and self._writer is None:
            # PEP 3333: where the server knows all the blocks, it may tell their length.
            self._send_whole(b"".join(map(_checked, result)))
            return
        for data in result:
            if not _checked(data):
                continue  # the head waits for the first byte
            if self._writer is None and len(data) == self._length:
                self._send_whole(data)
                continue
            if self._is_answered or not self._left:
                break  # beyond its Content-Length
            self._send(data[: self._left])
            if self._hides_body:
                break  # a stream without end must not keep a HEAD waiting
        if self._is_answered:
            return
        if self._writer is None:
            self._send_whole(b"")
        else:
            self._writer.end()

    def _send_whole(self, data: bytes) -> None:
        self._check_ready()
        length = self._length
        if length is not None and len(data) > length:
            data = data[:length]
        request = self._request
        if length is not None and len(data) < length and not self._hides_body and self._status != 304:
            raise ValueError(f"Content-Length says {length}, the application gave {len(data)} bytes")
        self._is_answered = True
        if self._hides_body and not data and length is None:
            self._begin().end()  # there is no telling what a GET would have got
            return
        request._connection.respond_whole(request, self._status, self._headers, data, self._reason)

    def _begin(self) -> ResponseWriter:
        return self._request._connection.respond(self._request, self._status, self._headers, self._reason)

    def _send(self, data: bytes) -> None:
        if self._writer is None:
            self._check_ready()
            self._writer = self._begin()
        self._left -= len(data)
        self._writer.send(data)

    def _check_ready(self) -> None:
        if not self._status:
            raise RuntimeError("the WSGI application did not call start_response()")
        if self._input.failure is not None:
            raise self._input.failure  # 408, 413 or nobody there: the server knows better than the application

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None, /
    ) -> Callable[[bytes], None]:
        """As PEP 3333 has it: note the head, which is sent with the first byte of the body."""
        if exc_info is not None:
            try:
                if self._writer is not None or self._is_answered:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # it refers to this frame
        elif self._status:
            raise AssertionError("start_response() was called twice without exc_info")
        said = _STATUS.fullmatch(status) if isinstance(status, str) else None
        if said is None:
            raise ValueError(f'bad status: "200 OK" expected, got {status!r}')
        kept = []
        length = None
        for name, value in headers:
            if not isinstance(name, str) or not isinstance(value, str):
                raise TypeError(f"bad header: strings expected, got {name!r}: {value!r}")
            lower = name.lower()
            if lower in _HOP_BY_HOP and (lower != "connection" or value.strip().lower() != "close"):
                continue
            if lower == "content-length":
                if not value.isascii() or not value.isdecimal():
                    raise ValueError(f"bad Content-Length: {value!r}")
                length = int(value)
            kept.append((name, value))
        prepare(kept)  # what is wrong with them is the application's to know, before anything is sent
        self._status = int(said[1])
        self._reason = (said[2] or "").strip(" \t").encode("latin-1")
        self._headers = kept
        self._length = length
        self._left = sys.maxsize if length is None else length
        return self._write

    def _write(self, data: bytes, /) -> None:
        if not _checked(data):
            return
        if self._is_answered or len(data) > self._left:
            raise ValueError("write() beyond the Content-Length, or after the end of the answer")
        self._send(data)

    def _close(self, result: Iterable[bytes]) -> None:
        close = getattr(result, "close", None)
        if close is None:
            return
        try:
            close()
        except Exception:  # the answer is sent, or another error tells why it is not
            logger.exception("close() of a WSGI application's result failed: %r", self._request)


def _checked(data: bytes) -> bytes:
    if not isinstance(data, bytes):
        raise TypeError(f"bad block of a WSGI application: bytes expected, got {type(data).__name__}")
    return data
