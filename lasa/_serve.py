"""``lasa serve``: a handler or a WSGI application behind a server, in this process or, by gunicorn, in several."""

from __future__ import annotations

import importlib
import logging
import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from lasa import _hub, semaphore, thread
from lasa._program import run_service
from lasa.http import server, wsgi
from lasa.http._server.request import Request

__all__ = ["ServeOptions", "Unusable", "load", "serve"]

FAILED: Final = 1
USAGE_ERROR: Final = 2
FOREVER_S: Final = 1e8

Handler = Callable[[Request], Any]


class Unusable(Exception):
    """What the command line names is not there, or is nothing to serve by; the text is for the user."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The command line.

    Attributes:
        handler, wsgi: "module:name" of the one or the other.
        listen: "host:port" or "unix:/path".
        workers: processes of gunicorn; None serves in this one.
        ssl_cert, ssl_key: files.
        access_log: "combined", "json" or "off".
        grace_s: for running requests, once it is to stop.
        log_level: in lower case.
        patches: whether a WSGI application gets a standard library that waits in the hub.
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

    @property
    def access_log_form(self) -> str | bool:
        """As server.new() takes it."""
        return False if self.access_log == "off" else self.access_log


def serve(options: ServeOptions) -> int:
    """Serve until a signal; return the exit status.

    Returns:
        0 after a graceful stop; 1 where the address cannot be bound, or the module raised; 2 for what the command line
        has wrong; 128 plus the first signal's number if a second one cut it short.
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
    return run_service(service.run, service.stop, options.grace_s)


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
            sys.exit(_complain(str(error), USAGE_ERROR))
        _set_up_logging(options)
        handler = wsgi.handler_of(app) if options.wsgi else app
        tls = {"ssl_cert": options.ssl_cert, "ssl_key": options.ssl_key} if options.ssl_cert else None
        try:
            serving, err = server.new(options.listen, ssl=tls, access_log=options.access_log_form)
        except ValueError as error:
            sys.exit(_complain(str(error), USAGE_ERROR))
        if serving is None:
            sys.exit(_complain(f"cannot listen on {options.listen}: {err}", FAILED))
        thread.spawn(self._run, serving, handler)
        _announce(serving.url)
        self._news.wait(FOREVER_S)
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
    from lasa.http.gunicorn import LasaWorker

    class Worker(LasaWorker):
        patches = bool(options.wsgi and options.patches)
        access_log_form = options.access_log_form

    Worker.__name__ = LasaWorker.__name__  # which gunicorn's log tells

    class Application(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            settings = {
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
            for name, value in settings.items():
                if value is not None and name in self.cfg.settings:
                    self.cfg.set(name, value)

        def load(self) -> Any:
            try:
                app = load(options)
            except Unusable as error:
                raise AppImportError(f"lasa: {error}") from error
            _set_up_logging(options)
            return app

    Application(prog="lasa serve").run()
    return 0


def load(options: ServeOptions) -> Any:
    """Import the module and return what it is to be served by.

    Raises:
        Unusable: there is no such module or attribute, or it is the wrong kind of callable. What the module itself
            raises is handed on.
    """
    text = options.wsgi or options.handler or ""
    module_name, _, path = text.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name == error.name or module_name.startswith(error.name + ".")):
            raise
        raise Unusable(f"no module {error.name!r} in {os.getcwd()} or elsewhere on sys.path") from None
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


def _complain(text: str, status: int) -> int:
    print(f"lasa: {text}", file=sys.stderr, flush=True)
    return status
