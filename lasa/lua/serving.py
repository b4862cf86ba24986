"""``lasa serve FILE.lua``: a Lua file as the content handler of lasa's HTTP server (OpenResty: content_by_lua_file).

The file is compiled once and runs for each request as a Lua coroutine of its own, in the light thread of the
connection. What it says is gathered in Lua and handed over once, if it is not much.

Before that there are two phases. The file of the setting ``init`` runs once, as init_by_lua_file in nginx's master:
with several processes it runs before they are forked, and each goes on with a copy of that Lua. The file of
``init_worker`` runs in each process that serves, and may set up timers. Neither can wait.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any, Final

import lupa.luajit21 as lupa

from lasa import timer
from lasa._stdio import write_now
from lasa.http._server.request import Request
from lasa.http._server.service import Handler
from lasa.lua import _client
from lasa.lua._driver import INSIDE
from lasa.lua._levels import NUMBER_OF
from lasa.lua._request import DEFAULT_HEAD, FAILED, RequestContext, answer, pairs
from lasa.lua._script import read_script
from lasa.lua.errors import LuaError, text_of
from lasa.lua.runtime import ALONE, LuaFunction, Runtime, Worker
from lasa.lua.settings import Settings

__all__ = ["Application", "check_file", "handler_of", "load_handler"]

logger = logging.getLogger("lasa.lua")

# What is left to do for a request, as response.lua returns it.
_WHOLE: Final = 1
_REST: Final = 2
_CUT: Final = 3
_PENDING: Final = 4
_SHORT: Final = 5


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
        self._arrivals.make = RequestContext

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
            context: RequestContext | None = arrivals.made
            arrivals.request = arrivals.made = None
        if result[0] == _PENDING:
            _, number, first = result
            if context is None:
                context = RequestContext(runtime, number, request)
            result = self._go_on(context, first)
        elif context is not None:
            context.end()
        what = result[0]
        if what == _WHOLE:
            _, status, body, headers = result
            try:
                answer(request, status, body, headers)
            except (ValueError, TypeError) as error:  # a status or a head that cannot be sent
                _log(request, f"failed to send the response: {error}")
                request.answer(FAILED, DEFAULT_HEAD, b"500 Internal Server Error\n")
        elif what == _REST and context is not None:
            context.send_last(result[2])
        elif what == _SHORT:
            _, status, body, headers = result
            if context is not None:
                context.send(status, body, headers)
            else:
                _client.respond(request, status, pairs(headers)).send(body)
            raise _client.drop(request)
        elif what == _CUT:
            raise _client.drop(request)

    def _go_on(self, context: RequestContext, first: int) -> tuple[Any, ...]:
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
