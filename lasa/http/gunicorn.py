"""A worker class for gunicorn, whose arbiter starts, watches, reloads and ends processes: its business, not ours.

``gunicorn -k lasa.http.gunicorn.LasaWorker module:app`` serves a handler of lasa's or a WSGI application, told apart by
the arguments that it takes (see ``lasa.http.wsgi.is_wsgi``). It needs the extra ``workers``.

Nothing of lasa's hub may be there before the fork: two processes would poll one epoll descriptor. So all begins in
``init_process``. Signal handlers run between two instructions of whoever runs, so all that ours do is to note
what is asked for and wake the main light thread, which does it.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Final
from weakref import WeakKeyDictionary

from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.http.wsgi import WSGIErrorsWrapper  # type: ignore[import-untyped]
from gunicorn.sock import ssl_context  # type: ignore[import-untyped]
from gunicorn.workers.base import Worker  # type: ignore[import-untyped]

from lasa import _hub, thread
from lasa._program import run_service
from lasa.errors import SocketError
from lasa.http import server, wsgi
from lasa.http._gunicorn import (
    Adapter,
    answer_for_hooks,
    check_settings,
    environ_for_logs,
    limits_of,
    request_for_hooks,
)
from lasa.http._server.access_log import AccessLog, Served, access_logger
from lasa.http._server.request import Request
from lasa.http._server.service import Handler, check_handler

__all__ = ["LasaWorker", "UnpatchedLasaWorker"]

logger = logging.getLogger("lasa.http.gunicorn")

BEAT_S: Final = 1.0
QUIT_S: Final = 1.5  # the arbiter kills two seconds after SIGQUIT; by then finally clauses have had their time


class LasaWorker(Worker):  # type: ignore[misc]
    """A worker process that serves all of gunicorn's sockets by lasa's server.

    Of gunicorn's settings these count as its manual says: bind (also unix paths and descriptors), reuse_port, backlog,
    certfile and all that ssl_context() reads, worker_connections, keepalive, limit_request_line, limit_request_fields,
    limit_request_field_size, max_requests and its jitter, timeout, graceful_timeout, accesslog and its format,
    errorlog, preload_app, reload, the hooks of a worker, SCRIPT_NAME in the environment, and for WSGI
    forwarded_allow_ips, secure_scheme_headers, forwarder_headers and header_map. What has no effect is told at the
    start; the PROXY and uwsgi protocols are refused, HTTP/2 is not offered.

    Attributes:
        patches: whether the standard library's blocking calls are made to wait in the hub, before the application is
            loaded. Handlers written for lasa do not need it; UnpatchedLasaWorker leaves it.
        access_log_form: of lasa's own access log, by ``logging``, where gunicorn's is not set up.
    """

    patches = True
    access_log_form: str | bool = True

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Refuse what could not be honoured; called by the arbiter, before it forks."""
        check_settings(cfg, log, cls.__name__)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._is_quitting = False
        self._reopens_logs = False
        self._news: _hub.Event | None = None
        self._handler: Handler = _no_handler
        self._running = 0
        self._status = 0
        self._environs: dict[Request, wsgi.Environ] = {}  # of requests that post_request is to hear of
        self._of_hooks: WeakKeyDictionary[Request, Any] = WeakKeyDictionary()

    # -- in the new process

    def init_process(self) -> None:
        """Begin the process's life; it ends here too."""
        signal.signal(signal.SIGTERM, self.handle_exit)  # until now the arbiter's handlers were there, and lost signals
        signal.signal(signal.SIGQUIT, self.handle_quit)
        if self.patches:
            _hub.patch_all()
        super().init_process()

    def init_signals(self) -> None:
        """As gunicorn's, but for the pipe that wakes a select(): the hub's own wait ends by the signal itself."""
        super().init_signals()
        signal.set_wakeup_fd(-1)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """SIGTERM: end gracefully."""
        self.alive = False
        self._wake()

    def handle_quit(self, sig: int, frame: Any) -> None:
        """SIGQUIT and SIGINT: end at once, whoever does not yield."""
        self.alive = False
        self._is_quitting = True
        signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
        signal.setitimer(signal.ITIMER_REAL, QUIT_S)
        self._wake()

    def handle_abort(self, sig: int, frame: Any) -> None:
        """SIGABRT: the arbiter has waited too long for a sign of life; end, whatever runs."""
        self.alive = False
        self.cfg.worker_abort(self)
        raise KeyboardInterrupt  # not gunicorn's SystemExit, which in a handler is a 500 and no more

    def handle_usr1(self, sig: int, frame: Any) -> None:
        """SIGUSR1: reopen the log files."""
        self._reopens_logs = True
        self._wake()

    def _wake(self) -> None:
        if self._news is not None:  # before there is a main light thread, there need be no hub
            _hub.call_soon(self._look_again)

    def _look_again(self) -> None:
        if self._news is not None:
            self._news.set()

    def load_wsgi(self) -> None:
        """Load the application, and make a handler of it; what fails here ends the arbiter too, as it should."""
        super().load_wsgi()
        app = self.wsgi
        if wsgi.is_wsgi(app):
            self._handler = self._wsgi_handler(app)
        else:
            check_handler(app)
            self._handler = app

    def run(self) -> None:
        """Serve until the arbiter, max_requests or the reloader ends it."""
        self._lend_log()
        handler = self._handler
        if self._has_hook("pre_request") or self.cfg.loglevel.lower() == "debug":
            handler = self._announced(handler)
        if self.cfg.max_requests > 0:
            handler = self._counted(handler)
        status = run_service(lambda: self._serve(handler), self._look_again, 0.0, signals=())
        if status or self._status:
            sys.exit(status or self._status)

    def _serve(self, handler: Handler) -> None:
        self._news = _hub.Event()
        servers = [self._server(one) for one in self.sockets]
        thread.spawn(self._beat)
        for one in servers:
            thread.spawn(self._run, one, handler)
        while self.alive:
            self._wait_for_news()
            if self.ppid != os.getppid():
                self.log.info("Parent changed, shutting down: %s", self)
                self.alive = False
        # What is left of the time is for the finally clauses of those that are cut off, before the arbiter kills us.
        grace_s = self.cfg.graceful_timeout - min(1.0, self.cfg.graceful_timeout / 10)
        if not self._is_quitting:
            for one in servers:
                self._running += 1
                thread.spawn(self._stop, one, grace_s)
            while self._running and not self._is_quitting:
                self._wait_for_news()
        if self._is_quitting:
            for one in servers:
                one.stop(0)
            self.cfg.worker_int(self)

    def _wait_for_news(self) -> None:
        # The reloader's OS thread only sets a flag, so look at it now and then.
        if self._news is not None:
            self._news.wait(BEAT_S)
            self._news.clear()
        if self._reopens_logs:
            self._reopens_logs = False
            self.log.reopen_files()

    def _beat(self) -> None:
        pause_s = min(BEAT_S, self.timeout) if self.timeout else BEAT_S  # self.timeout is half of the setting
        while True:
            self.notify()
            _hub.sleep_s(pause_s)

    def _run(self, one: server.Server, handler: Handler) -> None:
        try:
            one.keep_serving(handler)
        except SocketError as error:
            self.log.error("%r cannot go on: %s", one, error.reason)
            self._status = 1
            self.alive = False
            self._look_again()

    def _stop(self, one: server.Server, grace_s: float) -> None:
        try:
            for description in one.stop(grace_s)[1]:
                self.log.warning("cut off after graceful_timeout: %s", description)
        finally:
            self._running -= 1
            self._look_again()

    # -- the settings

    def limits(self) -> dict[str, Any]:
        """Return the limits for ``lasa.http.server.new()``."""
        return limits_of(self.cfg)

    def _server(self, one: Any) -> server.Server:
        tls = self._tls() if self.cfg.is_ssl else None
        options = {"sock": one.sock, "ssl": tls, "access_log": self._access_log(), **self.limits()}
        try:
            return server.Server.open(None, None, options)
        except SocketError as error:
            raise RuntimeError(f"cannot serve {one}: {error.reason}") from error

    def _tls(self) -> Any:
        context = ssl_context(self.cfg)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _wsgi_handler(self, app: Any) -> Handler:
        adapter = Adapter(self.cfg)
        keeps_environ = self._has_hook("post_request")

        def adapt(request: Request, environ: wsgi.Environ) -> None:
            adapter(request, environ)
            if keeps_environ:
                self._environs[request] = environ

        handler = wsgi.handler_of(
            app,
            script_name=os.environ.get("SCRIPT_NAME", "").rstrip("/"),
            errors=WSGIErrorsWrapper(self.cfg),
            adapt=adapt,
        )
        if not keeps_environ:
            return handler

        def forgetful(request: Request) -> Any:
            try:
                return handler(request)
            except _hub.GreenletExit:  # the hook is not told of it
                self._environs.pop(request, None)
                raise

        return forgetful

    def _counted(self, handler: Handler) -> Handler:
        def counted(request: Request) -> Any:
            self.nr += 1
            if self.nr >= self.max_requests and self.alive:
                self.log.info("Autorestarting worker after current request.")
                self.alive = False
                self._look_again()
            return handler(request)

        return counted

    # -- the hooks of a request

    def _has_hook(self, name: str) -> bool:
        # Whether it is not gunicorn's own, which does nothing but for a line at level DEBUG.
        setting = self.cfg.settings[name]
        return bool(setting.get() is not setting.default)

    def _announced(self, handler: Handler) -> Handler:
        def announced(request: Request) -> Any:
            self.cfg.pre_request(self, self._hook_request(request))
            return handler(request)

        return announced

    def _hook_request(self, request: Request) -> Any:
        # The same for both hooks: one may leave something on it for the other.
        known = self._of_hooks.get(request)
        if known is None:
            known = self._of_hooks[request] = request_for_hooks(request)
        return known

    def _tell_hook(self, served: Served) -> None:
        request = served.request
        if request is None:
            return
        environ = self._environs.pop(request, None)
        if environ is None:
            environ = environ_for_logs(served)
        try:
            self.cfg.post_request(self, self._hook_request(request), environ, answer_for_hooks(served))
        except Exception:
            self.log.exception("Exception in post_request hook")

    # -- the logs

    def _lend_log(self) -> None:
        # What goes wrong in handlers belongs into gunicorn's error log, unless the application has set up logging.
        ours = logging.getLogger("lasa")
        if not ours.hasHandlers():
            for handler in getattr(getattr(self.log, "error_log", None), "handlers", ()):
                ours.addHandler(handler)

    def _access_log(self) -> str | bool | AccessLog | None:
        cfg = self.cfg
        is_set_up = (
            cfg.accesslog
            or cfg.logconfig
            or cfg.logconfig_dict
            or cfg.logconfig_json
            or (cfg.syslog and not cfg.disable_redirect_access_to_syslog)
            or type(self.log).access is not Logger.access  # such as statsd's, which counts
        )
        log = self._log_access if is_set_up else self.access_log_form
        if not self._has_hook("post_request"):
            return log

        def log_and_tell(served: Served) -> None:
            write = access_logger(log)
            if write is not None:
                write(served)
            self._tell_hook(served)

        return log_and_tell

    def _log_access(self, served: Served) -> None:
        headers = [] if served.request is None else list(served.request.headers.items())
        self.log.access(
            answer_for_hooks(served),
            SimpleNamespace(headers=headers),
            environ_for_logs(served),
            timedelta(seconds=served.duration_s),
        )


class UnpatchedLasaWorker(LasaWorker):
    """As LasaWorker, for applications that are written for lasa: the standard library stays as it is."""

    patches = False


def _no_handler(request: Request) -> Any:
    raise RuntimeError("the application is not loaded yet")
