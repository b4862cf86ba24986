"""What ``lasa serve`` serves by, as its command line names it: a handler in Python or Lua, or a WSGI application."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import itertools
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lasa.http import wsgi
from lasa.http._server.service import Handler, check_handler

if TYPE_CHECKING:
    from lasa.lua.serving import Application
    from lasa.lua.settings import Settings

__all__ = [
    "FAILED",
    "USAGE_ERROR",
    "LuaWorkers",
    "Place",
    "ServeOptions",
    "Unusable",
    "find_module",
    "load",
    "set_up_logging",
]

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


def find_module(name: str) -> None:
    """Look for a module without importing it, which is the workers' to do: after the fork and, for WSGI, the patches.

    Raises:
        Unusable: there is none.
    """
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


class LuaWorkers:
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
    set_up_logging(options)  # which Lua does not do for itself, and it may have something to say already
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


def set_up_logging(options: ServeOptions) -> None:
    """Set up logging, but for what the application has set up itself."""
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
