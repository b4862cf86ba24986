"""``lasa serve FILE.lua``: a Lua file as the content handler of lasa's HTTP server (OpenResty: content_by_lua_file).

The file is compiled once and runs for each request as a Lua coroutine of its own, in the light thread of the
connection. What it says is gathered in Lua and handed over once, if it is not much.

Before that there are two phases. The file of the setting ``init`` runs once, as init_by_lua_file in nginx's master:
with several processes it runs before they are forked, and each goes on with a copy of that Lua. The file of
``init_worker`` runs in each process that serves, and may set up timers. Neither can wait.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import lupa.luajit21 as lupa

from lasa import _hub, semaphore, thread, timer
from lasa._stdio import write_now
from lasa.errors import SocketError, SocketTimeout, check
from lasa.http._server.request import Request, ResponseWriter
from lasa.http._server.service import Handler
from lasa.lua import _client
from lasa.lua._context import Context, HandlerExit
from lasa.lua._driver import INSIDE, drive
from lasa.lua._levels import NUMBER_OF
from lasa.lua._script import read_script
from lasa.lua.errors import LuaError, text_of
from lasa.lua.runtime import ALONE, LuaFunction, Runtime, Worker
from lasa.lua.settings import Settings
from lasa.socket import TcpSocket

__all__ = ["Application", "check_file", "handler_of", "load_handler"]

logger = logging.getLogger("lasa.lua")

BODY_IN_MEMORY: Final = 1024 * 1024  # bytes; a larger one goes to a file, and the script asks for its name

Pairs = tuple[tuple[str, bytes], ...]

# What is left to do for a request, as response.lua returns it.
_WHOLE: Final = 1
_REST: Final = 2
_CUT: Final = 3
_PENDING: Final = 4
_SHORT: Final = 5

_DEFAULT_HEAD: Final = (("Content-Type", b"text/plain"),)
_FAILED: Final = 500
_CLIENT_GONE: Final = 499


class Application:
    """A Lua file that is to serve, in a runtime of its own, which a fork copies.

    Attributes:
        handler: what lasa.http.server calls, once begin() has been called in this process.
    """

    def __init__(self, file: str, *, path: Sequence[str] = (), settings: Settings | None = None) -> None:
        """Compile the files, and run the one of the phase "init".

        Args:
            path: folders that ``require`` looks for modules in, before LUA_PATH's.
            settings: of the runtime.
        Raises:
            OSError: a file cannot be read. LuaError: a syntax error, with its line, or an error in "init".
            SystemExit: "init" called os.exit().
        Switches: never. It makes no hub; it belongs to the calling OS thread, or to that of a fork of it.
        """
        source = read_script(file)
        self._runtime = runtime = Runtime(path=path, settings=settings)
        runtime.core.own_io(lambda data: write_now(sys.stdout, data), lambda data: write_now(sys.stderr, data))
        self.handler = handler_of(runtime, runtime.load(source, f"@{file}"))
        settings = runtime.settings
        if settings.log_level is not None:
            logger.setLevel(NUMBER_OF[settings.log_level])
        self._init_worker = None
        if settings.init_worker is not None:
            self._init_worker = runtime.load(read_script(settings.init_worker), f"@{settings.init_worker}")
        if settings.init is not None:
            init = runtime.load(read_script(settings.init), f"@{settings.init}")
            try:
                runtime.run_phase(init, "init")
            except LuaError as error:
                raise LuaError(f"init_by_lua error: {error.message}", error.value, error.traceback) from None

    def begin(self, worker: Worker = ALONE) -> None:
        """Begin to serve in this process: set its limits, and run the file of the phase "init_worker".

        An error there is logged and no more, as in nginx.

        Args:
            worker: what ngx.worker says of the process.
        Switches: never. Timers that the file sets up fire once the caller switches.
        """
        runtime = self._runtime
        settings = runtime.settings
        runtime.worker = worker
        runtime.watch()
        timer.set_limits(max_pending=settings.max_pending_timers, max_running=settings.max_running_timers)
        if self._init_worker is not None:
            try:
                runtime.run_phase(self._init_worker, "init_worker")
            except LuaError as error:
                logger.error("init_worker_by_lua error: %s", error)


def load_handler(file: str, *, path: Sequence[str] = (), settings: Settings | None = None) -> Handler:
    """Return a handler for lasa.http.server that runs a Lua file, in a runtime of its own, and its phases before.

    Args, Raises: as Application.
    Switches: never. It belongs to the calling OS thread, and must be made after a fork.
    """
    application = Application(file, path=path, settings=settings)
    application.begin()
    return application.handler


def check_file(file: str) -> None:
    """Tell what is wrong with a file without a runtime: before a fork there is no hub, and none must be made.

    Raises:
        OSError: it cannot be read. LuaError: a syntax error.
    """
    source = read_script(file)
    bare = lupa.LuaRuntime(encoding=None, register_eval=False, register_builtins=False)
    try:
        bare.compile(source, name=f"@{file}".encode("utf-8", "surrogateescape"))
    except lupa.LuaError as error:
        raise LuaError(text_of(error.args[0])) from None


def handler_of(runtime: Runtime, function: LuaFunction) -> Handler:
    """Return a handler that calls a Lua function for each request; it takes no arguments, and answers by ngx.say."""
    return _LuaHandler(runtime, function)


class _LuaHandler:
    """A Lua function as the server calls it."""

    def __init__(self, runtime: Runtime, function: LuaFunction) -> None:
        self._runtime = runtime
        self._main = function.raw
        self._serve = runtime.core.serve
        self._finish = runtime.core.finish_request
        self._arrivals: Any = runtime.core.python_of[runtime.core.native.requests.arrivals]
        self._arrivals.make = _RequestContext

    def __call__(self, request: Request) -> None:
        """Answer one request."""
        runtime = self._runtime
        if runtime.entries & 1:
            raise RuntimeError(INSIDE)
        arrivals = self._arrivals
        arrivals.request = request
        try:
            runtime.entries += 1
            is_old = request.line_of_head[1] != b"1.1"
            result = self._serve(self._main, request.method == "HEAD", is_old, _client.is_conditional(request))
        finally:
            runtime.entries += 1
            context: _RequestContext | None = arrivals.made
            arrivals.request = arrivals.made = None
        if result[0] == _PENDING:
            _, number, first = result
            if context is None:
                context = _RequestContext(runtime, number, request)
            result = self._go_on(context, first)
        elif context is not None:
            context.end()
        what = result[0]
        if what == _WHOLE:
            _, status, body, headers = result
            try:
                _answer(request, status, body, headers)
            except (ValueError, TypeError) as error:  # a status or a head that cannot be sent
                _log(request, f"failed to send the response: {error}")
                request.answer(_FAILED, _DEFAULT_HEAD, b"500 Internal Server Error\n")
        elif what == _REST and context is not None:
            context.send_last(result[2])
        elif what == _SHORT:
            _, status, body, headers = result
            if context is not None:
                context.send(status, body, headers)
            else:
                _client.respond(request, status, _pairs(headers)).send(body)
            raise _client.drop(request)
        elif what == _CUT:
            raise _client.drop(request)

    def _go_on(self, context: _RequestContext, first: int) -> tuple[Any, ...]:
        # With a request that waits; returns what is left to do.
        has_failed = False
        if context.runtime.settings.check_client_abort:
            context.watch_client()
        try:
            context.run(first)
        except LuaError as error:
            has_failed = True
            _log(context.request, f"lua entry thread aborted: runtime error: {_told(error)}", error.__cause__)
        except BaseException:  # it was killed: the connection ends
            self._finish(context.number, None, True)
            raise
        result: tuple[Any, ...] = self._finish(context.number, context.exit_status, has_failed)
        if context.failure is not None:
            raise context.failure
        return result


def _told(error: LuaError) -> str:
    # Below the script's own main chunk there is the function that runs one after the other; it has no name and no line.
    return str(error).removeprefix("?:0: ").removesuffix("\n\t?: in function <?:0>")


def _log(request: Request, text: str, cause: BaseException | None = None) -> None:
    logger.error(
        '%s, client: %s, server: , request: "%s %s HTTP/%s", host: "%s"',
        text,
        request.peer[0],
        request.method,
        request.target,
        request.http_version,
        request.host,
        exc_info=cause,
    )


class _RequestContext(Context):
    """What a request's light threads run for.

    Attributes:
        request: the request.
        failure: what its body broke off with; the connection answers what fits.
    """

    failure: SocketError | None = None
    _writer: ResponseWriter | None = None
    _raw: TcpSocket | None = None
    _turn: semaphore.Semaphore | None = None
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
            turn = self._turn = semaphore.new(1)[0]
        turn.wait(semaphore.FOREVER_S)  # two light threads may flush
        try:
            if status < 200:
                self._send_raw(status, data, headers)
                return (1,)
            writer = self._writer
            if writer is None:
                writer = self._writer = _client.respond(self.request, status, _pairs(headers))
            if data:
                writer.send(data)
        except SocketTimeout:
            return None, "timeout"
        except SocketError:
            return None, "client aborted"
        finally:
            turn.post()
        return (1,)

    def _send_raw(self, status: int, data: bytes, headers: bytes | None) -> None:
        # Behind a status below 200 comes what is no body of HTTP's.
        if self._raw is None:
            if self._watch is not None:
                self._watch.stop()
            self._raw = _client.switch(self.request, status, _pairs(headers))
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
        _answer(self.request, status, data, headers)
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
            self.exit(_FAILED)
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
        return time.monotonic() - _client.started_s(self.request)

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


def _answer(request: Request, status: int, body: bytes, headers: bytes | None) -> None:
    if status < 200:
        sock = _client.switch(request, status, _pairs(headers))
        if body and sock.send(body)[0] is None:
            raise _client.drop(request)
    elif body or request.method != "HEAD":
        _client.answer(request, status, _pairs(headers), body)
    else:  # nothing was gathered, and so nobody knows how long the answer of a GET is
        _client.respond(request, status, _pairs(headers)).end()


def _pairs(headers: bytes | None) -> Pairs:
    if headers is None:
        return _DEFAULT_HEAD
    return _cut_up(headers) if len(headers) < 1024 else _cut_up.__wrapped__(headers)


def _remove(name: str) -> None:
    try:
        os.unlink(name)
    except FileNotFoundError:
        return  # the script has taken it
