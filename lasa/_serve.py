"""``lasa serve``: a handler in Python or Lua, or a WSGI application, behind a server, in this process or, by gunicorn,
in several.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import itertools
import logging
import math
import os
import socket as stdlib_socket
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lasa import _hub, semaphore, thread
from lasa._program import run_service
from lasa._stdio import StandardStreams
from lasa.http import server, wsgi
from lasa.http._server.binding import Address, parse_address, tls_context
from lasa.http._server.service import Handler, check_handler

if TYPE_CHECKING:
    from lasa.lua.serving import Application
    from lasa.lua.settings import Settings

__all__ = ["ServeOptions", "Unusable", "load", "serve"]

FAILED: Final = 1
USAGE_ERROR: Final = 2

# Fields of a request's head for a handler in Lua: as in nginx its bytes are what counts, so that this never does.
LUA_FIELDS: Final = 32_768


class Unusable(Exception):
    """What the command line names is not there, or is nothing to serve by; the text is for the user.

    Attributes:
        status: of the exit.
    """

    def __init__(self, text: str, status: int = USAGE_ERROR) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The command line.

    Attributes:
        handler, wsgi: "module:name" of the one or the other; the handler may be a "FILE.lua".
        listen: "host:port" or "unix:/path".
        workers: processes of gunicorn; None serves in this one.
        ssl_cert, ssl_key: files.
        access_log: "combined", "json" or "off".
        grace_s: for running requests, once it is to stop.
        log_level: in lower case.
        patches: whether a WSGI application gets a standard library that waits in the hub.
        path: folders with modules of Lua's.
        chosen: settings of the Lua runtime, by name.
        init, init_worker: files of Lua's that run before the first request; the settings of these names by default.
    """

    handler: str | None
    wsgi: str | None
    listen: str
    workers: int | None
    ssl_cert: str | None
    ssl_key: str | None
    access_log: str
    grace_s: float
    log_level: str
    patches: bool
    path: Sequence[str] = ()
    chosen: Sequence[tuple[str, str]] = ()
    init: str | None = None
    init_worker: str | None = None

    @property
    def lua_file(self) -> str | None:
        """The handler, if it is a file of Lua's."""
        return self.handler if self.handler and self.handler.endswith(".lua") else None

    @property
    def limits(self) -> dict[str, Any]:
        """As server.new() takes them: its own, but for Lua."""
        return {"max_headers": LUA_FIELDS} if self.lua_file else {}

    @property
    def access_log_form(self) -> str | bool:
        """As server.new() takes it."""
        return False if self.access_log == "off" else self.access_log

    @property
    def tls(self) -> dict[str, str | None] | None:
        """As server.new() takes it."""
        return {"ssl_cert": self.ssl_cert, "ssl_key": self.ssl_key} if self.ssl_cert else None


def serve(options: ServeOptions) -> int:
    """Serve until a signal; return the exit status.

    Returns:
        0 after a graceful stop; 1 where the address cannot be bound, the module raised, or Lua does not compile; 2 for
        what the command line has wrong; 128 plus the first signal's number if a second one cut it short.
    Raises:
        SystemExit: the same, from gunicorn or the application.
    Switches: all the time. It must run in the main greenlet of the main OS thread.
    """
    if not 0 <= options.grace_s < math.inf or (options.workers is not None and options.workers < 1):
        return _complain("--grace takes seconds and --workers a number of processes", USAGE_ERROR)
    if options.ssl_key and not options.ssl_cert:
        return _complain("--ssl-key needs --ssl-cert", USAGE_ERROR)
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    if options.workers is not None:
        return _serve_by_gunicorn(options)
    if options.wsgi and options.patches:
        _hub.patch_all()
    service = _Service(options)
    streams = StandardStreams()  # a slow reader of the log is no client's business
    status = 1
    try:
        status = run_service(service.run, service.stop, options.grace_s)
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else 0 if ending.code is None else 1
        raise
    finally:
        status = streams.finish(status)
    return status


class _Service:
    """One process that serves."""

    def __init__(self, options: ServeOptions) -> None:
        self._options = options
        self._news, _ = semaphore.new(0)
        self._err: str | None = None

    def stop(self) -> None:
        """Have run() return; called from the hub."""
        self._news.post()

    def run(self) -> None:
        """Serve; the body of the main light thread."""
        options = self._options
        try:
            app = load(options)
        except Unusable as error:
            sys.exit(_complain(str(error), error.status))
        _set_up_logging(options)
        handler = wsgi.handler_of(app) if options.wsgi else app
        if options.lua_file:
            app.begin()
            handler = app.handler
        try:
            serving, err = server.new(
                options.listen, ssl=options.tls, access_log=options.access_log_form, **options.limits
            )
        except ValueError as error:
            sys.exit(_complain(_for_command_line(error), USAGE_ERROR))
        if serving is None:
            sys.exit(_complain(f"cannot listen on {options.listen}: {err}", FAILED))
        thread.spawn(self._run, serving, handler)
        _announce(serving.url)
        self._news.wait(semaphore.FOREVER_S)
        if self._err is not None:
            sys.exit(_complain(f"{serving.url} cannot go on: {self._err}", FAILED))
        if serving.connections:
            print("lasa: stopping; a second signal stops at once", file=sys.stderr, flush=True)
        for description in serving.stop(options.grace_s)[1]:
            print(f"lasa: cut off: {description}", file=sys.stderr, flush=True)

    def _run(self, serving: server.Server, handler: Handler) -> None:
        self._err = serving.run(handler)[1]
        self._news.post()


def _serve_by_gunicorn(options: ServeOptions) -> int:
    try:
        from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
        from gunicorn.errors import AppImportError  # type: ignore[import-untyped]
    except ImportError:
        return _complain("--workers needs gunicorn: pip install 'lasa-cosocket[workers]'", FAILED)
    # What is wrong is told here once, and not by each worker, or again and again by its arbiter.
    try:
        lua = _LuaWorkers(options) if options.lua_file else None
        if lua is None:
            _find_module((options.wsgi or options.handler or "").partition(":")[0])
        tls_context(options.tls)
        busy = _try_address(parse_address(options.listen))
    except (Unusable, ValueError) as error:
        return _complain(_for_command_line(error), error.status if isinstance(error, Unusable) else USAGE_ERROR)
    if busy is not None:
        return _complain(f"cannot listen on {options.listen}: {busy}", FAILED)
    from lasa.http.gunicorn import LasaWorker

    class Worker(LasaWorker):
        patches = bool(options.wsgi and options.patches)
        access_log_form = options.access_log_form
        place = Place(0, 0, 1)

        def _serve(self, handler: Handler) -> None:
            if lua is not None:
                lua.begin(self.place)
            super()._serve(handler)

        def limits(self) -> dict[str, Any]:
            return options.limits  # as in one process

    Worker.__name__ = LasaWorker.__name__  # which gunicorn's log tells

    class Application(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            settings: dict[str, Any] = {
                "bind": options.listen,
                "workers": options.workers,
                "worker_class": Worker,
                "certfile": options.ssl_cert,
                "keyfile": options.ssl_key,
                "graceful_timeout": math.ceil(options.grace_s),
                "loglevel": options.log_level,
                "default_proc_name": options.wsgi or options.handler,
                "control_socket_disable": True,  # two of us would contend for it; newer gunicorns have it
                "when_ready": lambda arbiter: _announce(*map(str, arbiter.LISTENERS)),
            }
            if lua is not None:
                settings |= {"pre_fork": lua.place, "on_reload": lua.renew}
            for name, value in settings.items():
                if value is not None and name in self.cfg.settings:
                    self.cfg.set(name, value)

        def load(self) -> Any:
            try:
                app = load(options) if lua is None else lua.load()
            except Unusable as error:
                raise AppImportError(f"lasa: {error}") from error
            _set_up_logging(options)
            return app

    Application(prog="lasa serve").run()
    return 0


def _find_module(name: str) -> None:
    # Without importing it, which is the workers' to do: after the fork and, for WSGI, after the patches.
    if not name:
        return  # load() has the words for it
    found = ""
    inside: Any = None
    for part in name.split("."):
        found = f"{found}.{part}" if found else part
        if not part:
            raise _no_module(found)
        if found == part:
            spec = importlib.util.find_spec(part)
        elif inside is None:
            raise _no_module(found)
        else:
            spec = importlib.machinery.PathFinder.find_spec(found, inside)
        if spec is None:
            raise _no_module(found)
        inside = spec.submodule_search_locations


def _no_module(name: str) -> Unusable:
    return Unusable(f"no module {name!r} in {os.getcwd()} or elsewhere on sys.path")


def _try_address(address: Address) -> str | None:
    # Return why gunicorn could not listen there. By the standard library: there must be no hub before the fork.
    if "GUNICORN_FD" in os.environ or "LISTEN_FDS" in os.environ:
        return None  # gunicorn gets its sockets from its predecessor, or from systemd
    host, port = address
    try:
        if port is None:
            path = host.partition(":")[2]
            if not os.path.exists(path) or not stat.S_ISSOCK(os.stat(path).st_mode):
                return None
            with stdlib_socket.socket(stdlib_socket.AF_UNIX) as probe:
                return "address already in use" if probe.connect_ex(path) == 0 else None
        family, _, _, _, where = stdlib_socket.getaddrinfo(host, port, type=stdlib_socket.SOCK_STREAM)[0]
        with stdlib_socket.socket(family, stdlib_socket.SOCK_STREAM) as probe:
            probe.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None


@dataclass(frozen=True, slots=True)
class Place:
    """What tells a worker from the others.

    Attributes:
        generation: the reloads before it was forked.
        number: from 0, among the workers of its generation.
        count: how many there are to be.
    """

    generation: int
    number: int
    count: int


class _LuaWorkers:
    """A Lua file for several processes.

    With a file for the phase "init" the runtime is made, and the phase run, before the workers are forked, which have
    a copy each, as in nginx. Otherwise each makes a runtime of its own.
    """

    def __init__(self, options: ServeOptions) -> None:
        self._options = options
        self._generation = 0
        self._app: Any = None
        settings = _lua_settings(options)
        if settings.init is not None:
            self._app = _load_lua(options)
        else:
            for file in filter(None, (options.lua_file, settings.init_worker)):
                _check_lua(file)

    def renew(self, arbiter: Any) -> None:
        """Begin anew with the files as they are now, for the workers of a reload; gunicorn's hook."""
        self._generation += 1
        if self._app is not None:
            try:
                self._app = _load_lua(self._options)
            except Unusable as error:
                arbiter.log.error("reload: %s; the workers go on with what was loaded before", error)

    def place(self, arbiter: Any, worker: Any) -> None:
        """Give a worker that is to be forked the least number that is free; gunicorn's hook."""
        others = [other.place for other in arbiter.WORKERS.values()]
        taken = {place.number for place in others if place.generation == self._generation}
        number = next(number for number in itertools.count() if number not in taken)
        worker.place = Place(self._generation, number, arbiter.num_workers)

    def load(self) -> Handler:
        """Return the handler, in the worker."""
        if self._app is None:
            self._app = _load_lua(self._options)
        return self._app.handler  # type: ignore[no-any-return]

    def begin(self, place: Place) -> None:
        """Begin to serve, in the worker's main light thread."""
        from lasa.lua.runtime import Worker

        self._app.begin(Worker(place.number, place.count, is_forked=True))


def _lua_settings(options: ServeOptions) -> Settings:
    with _told_of_lua():
        from lasa.lua.settings import load_settings

        files = {"init": options.init, "init_worker": options.init_worker}
        return load_settings({name: file for name, file in files.items() if file}, dict(options.chosen))


def _check_lua(file: str) -> None:
    # Without a runtime, which is the workers' to make.
    with _told_of_lua():
        from lasa.lua.serving import check_file

        check_file(file)


def _load_lua(options: ServeOptions) -> Application:
    assert options.lua_file is not None
    _set_up_logging(options)  # which Lua does not do for itself, and it may have something to say already
    with _told_of_lua():
        from lasa.lua.serving import Application

        return Application(options.lua_file, path=options.path, settings=_lua_settings(options))


@contextmanager
def _told_of_lua() -> Iterator[None]:
    # What goes wrong with a file, as the user is told of it.
    try:
        from lasa.lua import BadSetting, LuaError  # LuaJIT is of no use to Python's handlers
    except ImportError as error:
        raise Unusable(str(error)) from None
    try:
        yield
    except BadSetting as error:
        raise Unusable(str(error)) from None
    except OSError as error:
        raise Unusable(f"cannot read {error.filename}: {error.strerror}") from None
    except LuaError as error:
        raise Unusable(str(error), FAILED) from None


def load(options: ServeOptions) -> Any:
    """Import the module, or compile the Lua file, and return what it is to be served by.

    Raises:
        Unusable: there is no such module or attribute, or it is the wrong kind of callable; the file does not compile.
            What the module itself raises is handed on.
    """
    if options.lua_file:
        return _load_lua(options)
    text = options.wsgi or options.handler or ""
    module_name, _, path = text.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name == error.name or module_name.startswith(error.name + ".")):
            raise
        raise _no_module(error.name) from None
    except ValueError:
        if module_name:
            raise
        raise Unusable(f'"module:name" expected, got {text!r}') from None
    found: Any = module
    path = path or ("app" if options.wsgi else "handler")
    makes = path.endswith("()")
    for name in path.removesuffix("()").split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise Unusable(f"module {module_name!r} has no {path!r}") from None
    if makes:
        found = found()
    try:
        is_wsgi = wsgi.is_wsgi(found)
        if not is_wsgi:
            check_handler(found)
    except TypeError as error:
        raise Unusable(f"{text}: {error}") from None
    if is_wsgi and not options.wsgi:
        raise Unusable(f"{text} takes two arguments, as WSGI applications do: lasa serve --wsgi {text}")
    if options.wsgi and not is_wsgi:
        raise Unusable(f"{text} takes one argument, as lasa's handlers do: lasa serve {text}")
    return found


def _set_up_logging(options: ServeOptions) -> None:
    # Only what the application has not set up itself.
    level = options.log_level.upper()
    if not logging.getLogger().handlers:
        logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s: %(message)s", level=level)
    logging.getLogger("lasa").setLevel(level)
    access = logging.getLogger("lasa.http.access")
    if not access.handlers:
        to_stdout = logging.StreamHandler(sys.stdout)
        to_stdout.setFormatter(logging.Formatter("%(message)s"))
        access.addHandler(to_stdout)
        access.propagate = False
        access.setLevel(logging.INFO)


def _announce(*urls: str) -> None:
    print(f"lasa serving {' '.join(urls)} (Ctrl-C to stop)", file=sys.stderr, flush=True)


def _for_command_line(error: Exception) -> str:
    return str(error).replace(": ssl_key is missing", ": --ssl-key is missing")


def _complain(text: str, status: int) -> int:
    print(f"lasa: {text}", file=sys.stderr, flush=True)
    return status
