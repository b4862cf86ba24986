"""``lasa serve``: a handler in Python or Lua, or a WSGI application, behind a server, in this process or, by gunicorn,
in several.
"""

from __future__ import annotations

import math
import os
import socket as stdlib_socket
import stat
import sys
from typing import Any

from lasa import _hub, thread
from lasa._program import run_service
from lasa._served import (
    FAILED,
    USAGE_ERROR,
    LuaWorkers,
    Place,
    ServeOptions,
    Unusable,
    find_module,
    load,
    set_up_logging,
)
from lasa._stdio import StandardStreams
from lasa.errors import SocketError
from lasa.http import server, wsgi
from lasa.http._server.binding import Address, parse_address, tls_context
from lasa.http._server.service import Handler

__all__ = ["ServeOptions", "serve"]


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
        self._news = _hub.Event()
        self._failure: str | None = None

    def stop(self) -> None:
        """Have run() return; called from the hub."""
        self._news.set()

    def run(self) -> None:
        """Serve; the body of the main light thread."""
        options = self._options
        try:
            app = load(options)
        except Unusable as error:
            sys.exit(_complain(str(error), error.status))
        set_up_logging(options)
        handler = wsgi.handler_of(app) if options.wsgi else app
        if options.lua_file:
            app.begin()
            handler = app.handler
        try:
            serving = server.Server.open(
                options.listen, None, {"ssl": options.tls, "access_log": options.access_log_form, **options.limits}
            )
        except SocketError as error:
            sys.exit(_complain(f"cannot listen on {options.listen}: {error.reason}", FAILED))
        except ValueError as error:
            sys.exit(_complain(_for_command_line(error), USAGE_ERROR))
        thread.spawn(self._run, serving, handler)
        _announce(serving.url)
        self._news.wait(_hub.FOREVER_S)
        if self._failure is not None:
            sys.exit(_complain(f"{serving.url} cannot go on: {self._failure}", FAILED))
        if serving.connections:
            print("lasa: stopping; a second signal stops at once", file=sys.stderr, flush=True)
        for description in serving.stop(options.grace_s)[1]:
            print(f"lasa: cut off: {description}", file=sys.stderr, flush=True)

    def _run(self, serving: server.Server, handler: Handler) -> None:
        try:
            serving.keep_serving(handler)
        except SocketError as error:
            self._failure = error.reason
        finally:
            self._news.set()


def _serve_by_gunicorn(options: ServeOptions) -> int:
    try:
        from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
        from gunicorn.errors import AppImportError  # type: ignore[import-untyped]
    except ImportError:
        return _complain("--workers needs gunicorn: pip install 'lasa-cosocket[workers]'", FAILED)
    # What is wrong is told here once, and not by each worker, or again and again by its arbiter.
    try:
        lua = LuaWorkers(options) if options.lua_file else None
        if lua is None:
            find_module((options.wsgi or options.handler or "").partition(":")[0])
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
            set_up_logging(options)
            return app

    Application(prog="lasa serve").run()
    return 0


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


def _announce(*urls: str) -> None:
    print(f"lasa serving {' '.join(urls)} (Ctrl-C to stop)", file=sys.stderr, flush=True)


def _for_command_line(error: Exception) -> str:
    return str(error).replace(": ssl_key is missing", ": --ssl-key is missing")


def _complain(text: str, status: int) -> int:
    print(f"lasa: {text}", file=sys.stderr, flush=True)
    return status
