"""What Lua code runs for while lasa serves: one request, and what a script may ask of it and of its answer."""

from __future__ import annotations

import logging
import os
import tempfile
from functools import lru_cache
from typing import Any, Final

from lasa import _hub, thread
from lasa.errors import SocketError, SocketTimeout, check
from lasa.http._server.request import Request, ResponseWriter
from lasa.lua import _client
from lasa.lua._context import Context, HandlerExit
from lasa.lua._driver import drive
from lasa.lua.errors import LuaError
from lasa.lua.runtime import Runtime
from lasa.socket import TcpSocket

__all__ = ["DEFAULT_HEAD", "FAILED", "RequestContext", "answer", "pairs"]

logger = logging.getLogger("lasa.lua")

BODY_IN_MEMORY: Final = 1024 * 1024  # bytes; a larger one goes to a file, and the script asks for its name

Pairs = tuple[tuple[str, bytes], ...]

DEFAULT_HEAD: Final = (("Content-Type", b"text/plain"),)
FAILED: Final = 500
_CLIENT_GONE: Final = 499


class RequestContext(Context):
    """What a request's light threads run for.

    Attributes:
        request: the request.
        failure: what its body broke off with; the connection answers what fits.
    """

    failure: SocketError | None = None
    _writer: ResponseWriter | None = None
    _raw: TcpSocket | None = None
    _turn: _hub.Turn | None = None
    _watch: _client.Watch | None = None
    _random_id: bytes | None = None
    _files: list[str] | None = None

    def __init__(self, runtime: Runtime, number: int, request: Request) -> None:
        # Not by super(), which would ask Lua for what is known: this is done for each request.
        self.runtime = runtime
        self.handler = None
        self.number = number
        self.exit_status = None
        self._main = None
        self._live = set()
        self._waiter = None
        self.request = request
        runtime.contexts[number] = self

    # -- its end

    def end(self) -> None:
        """End the light threads that are left; finish_request() does the rest in Lua."""
        if self._watch is not None:
            self._watch.stop()
        for other in list(self._live):
            if not other.is_over:
                thread.throw(other)
        del self.runtime.contexts[self.number]
        if self._files:
            for name in self._files:
                _remove(name)

    # -- the answer

    def send(self, status: int, data: bytes, headers: bytes | None) -> tuple[Any, ...]:
        """Send a piece of the body, the first one with the head."""
        turn = self._turn
        if turn is None:
            turn = self._turn = _hub.Turn()
        turn.take()  # two light threads may flush
        try:
            if status < 200:
                self._send_raw(status, data, headers)
                return (1,)
            writer = self._writer
            if writer is None:
                writer = self._writer = _client.respond(self.request, status, pairs(headers))
            if data:
                writer.send(data)
        except SocketTimeout:
            return None, "timeout"
        except SocketError:
            return None, "client aborted"
        finally:
            turn.give_back()
        return (1,)

    def _send_raw(self, status: int, data: bytes, headers: bytes | None) -> None:
        # Behind a status below 200 comes what is no body of HTTP's.
        if self._raw is None:
            if self._watch is not None:
                self._watch.stop()
            self._raw = _client.switch(self.request, status, pairs(headers))
        if data:
            check(self._raw.send(data))

    def send_last(self, data: bytes) -> tuple[Any, ...]:
        """Send the last piece of the body."""
        if self._raw is not None:
            if data and self._raw.send(data)[0] is None:
                raise _client.drop(self.request)
            return (1,)
        writer = self._writer
        assert writer is not None
        if data:
            writer.send(data)
        writer.end()
        return (1,)

    def send_whole(self, status: int, data: bytes, headers: bytes | None) -> tuple[Any, ...]:
        """Answer while the handler goes on: ngx.eof()."""
        answer(self.request, status, data, headers)
        return (1,)

    def take_over(self) -> TcpSocket:
        """Return the connection as a socket with the timeouts that scripts have: ngx.req.socket(true)."""
        if self._watch is not None:
            self._watch.stop()
        sock = _client.take_over(self.request)
        sock.limit_waits(**self.runtime.settings.timeouts_s)
        return sock

    # -- the client

    def watch_client(self) -> None:
        """Look out for its end, for ngx.on_abort() or the setting. Never switches."""
        if self._watch is None:
            self._watch = _client.Watch(self.request, self._on_abort)
            self._watch.start()

    def _on_abort(self) -> None:
        watcher = _hub.current_job()
        number = self.runtime.core.abort_fires(self.number)
        self.joined(watcher)
        try:
            if number is None:
                self.exit(_CLIENT_GONE)
            drive(self.runtime, number)
        except LuaError as error:
            logger.error("lua user thread aborted: runtime error: %s", error, exc_info=error.__cause__)
        except HandlerExit:
            pass  # the request ends
        finally:
            self.left(watcher)

    # -- the body

    def read_body(self) -> tuple[Any, ...]:
        """Return all of the body, or None and the name of the file that it is in."""
        pieces: list[bytes] = []
        size = 0
        file: Any = None
        next_piece = self.request.body.next_piece
        try:
            while piece := next_piece():
                size += len(piece)
                if file is None and size > BODY_IN_MEMORY:
                    file = self._new_file()
                    file.writelines(pieces)
                if file is None:
                    pieces.append(piece)
                else:
                    file.write(piece)
        except SocketError as error:
            self.failure = error
            self.exit(FAILED)
        finally:
            if file is not None:
                file.close()
        if self._watch is not None:
            self._watch.start()
        return (b"".join(pieces),) if file is None else (None, os.fsencode(file.name))

    def put_in_file(self, data: bytes, in_memory: int | None = None) -> bytes | None:
        """Return the name of a file with a body that is set, None if it has room in memory. Never switches."""
        if len(data) <= (BODY_IN_MEMORY if in_memory is None else in_memory):
            return None
        with self._new_file() as file:
            file.write(data)
        return os.fsencode(file.name)

    def _new_file(self) -> Any:
        file = tempfile.NamedTemporaryFile(prefix="lasa-body-", delete=False)  # noqa: SIM115
        self.remove_later(os.fsencode(file.name))
        return file

    def has_body(self) -> bool:
        """Whether there is a body that is not read yet. Never switches."""
        return _client.has_body(self.request)

    def body_socket(self) -> Any:
        """Return a socket that reads the body, None if there is none. Never switches."""
        if not _client.has_body(self.request):
            return None
        sock = _client.BodySocket(self.request)
        sock.limit_waits(**self.runtime.settings.timeouts_s)
        return sock

    def remove_later(self, name: bytes) -> None:
        """Remove a file once the request is over. Never switches."""
        if self._files is None:
            self._files = []
        self._files.append(os.fsdecode(name))

    # -- what ngx.var tells of it

    @property
    def age_s(self) -> float:
        """How long ago the request came."""
        return _hub.clock.monotonic_s() - _client.started_s(self.request)

    def raw_head(self, without_line: bool) -> bytes:
        """Its head, without the first line if asked so."""
        return _client.raw_head(self.request, without_line=without_line)

    @property
    def random_id(self) -> bytes:
        """A name for it: 32 hexadecimal digits."""
        if self._random_id is None:
            self._random_id = os.urandom(16).hex().encode()
        return self._random_id

    @property
    def received(self) -> int:
        """Bytes of it that have come."""
        return len(self.raw_head(False)) + _client.counts(self.request).received

    @property
    def sent(self) -> int:
        """Bytes of the answer's body that were handed over."""
        return _client.counts(self.request).sent

    @property
    def connection_number(self) -> int:
        """What its connection is told apart by."""
        return _client.counts(self.request).connection

    @property
    def request_number(self) -> int:
        """Which request of its connection it is, from 1."""
        return _client.counts(self.request).request

    @property
    def keeps_alive(self) -> bool:
        """Whether its connection can have another."""
        return _client.counts(self.request).keeps_alive


@lru_cache(maxsize=512)
def _cut_up(headers: bytes) -> Pairs:
    lines = headers.split(b"\n")
    return tuple([(name.decode("latin-1"), value) for name, value in zip(lines[:-1:2], lines[1::2], strict=True)])


def answer(request: Request, status: int, body: bytes, headers: bytes | None) -> None:
    """Answer with what has been gathered, which is all of the body."""
    if status < 200:
        sock = _client.switch(request, status, pairs(headers))
        if body and sock.send(body)[0] is None:
            raise _client.drop(request)
    elif body or request.method != "HEAD":
        _client.answer(request, status, pairs(headers), body)
    else:  # nothing was gathered, and so nobody knows how long the answer of a GET is
        _client.respond(request, status, pairs(headers)).end()


def pairs(headers: bytes | None) -> Pairs:
    """Return header fields out of what Lua hands over: names and values in turn, each with a line end behind it."""
    if headers is None:
        return DEFAULT_HEAD
    return _cut_up(headers) if len(headers) < 1024 else _cut_up.__wrapped__(headers)


def _remove(name: str) -> None:
    try:
        os.unlink(name)
    except FileNotFoundError:
        return  # the script has taken it
