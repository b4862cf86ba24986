"""LasaWorker under gunicorn's own arbiter, started as its users start it: what a worker owes it, and its settings."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket as stdlib_socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from gunicorn.config import Config  # type: ignore[import-untyped]

from lasa.http import wsgi
from lasa.http._gunicorn import MOST_OF_A_HEAD, Adapter, limits_of
from lasa.http.gunicorn import LasaWorker
from lasa.http.server import ServerLimits
from tests.conftest import Certificates
from tests.http.tools import answers, serving, talk
from tests.processes import DEADLINE_S, Program, ask, ask_over, begin, program, write_module

WORKER = "lasa.http.gunicorn.LasaWorker"
UNPATCHED = "lasa.http.gunicorn.UnpatchedLasaWorker"

HANDLER = """
    import os
    import sys
    import lasa

    def app(request):
        if request.path == "/slow":
            print("slow begins", flush=True)
            lasa.sleep(1)
            return "slow done"
        if request.path == "/endless":
            print("endless begins", flush=True)
            try:
                lasa.sleep(3600)
            finally:
                print("endless cleaned up", flush=True)
        if request.path == "/busy":
            print("busy begins", flush=True)
            while True:
                pass
        if request.path == "/fail":
            raise ZeroDivisionError("secret")
        return f"version 1 by {os.getpid()}"
"""

FLASK = """
    import os
    import time
    import flask

    app = flask.Flask("web")

    @app.get("/")
    def index():
        return f"version 1 by {os.getpid()}"

    @app.get("/slow")
    def slow():
        print("slow begins", flush=True)
        time.sleep(1)
        return "slow done"

    @app.post("/echo")
    def echo():
        return flask.request.get_data()

    @app.get("/environ")
    def environ():
        names = ["wsgi.multiprocess", "wsgi.url_scheme", "SCRIPT_NAME", "PATH_INFO"]
        return "|".join(str(flask.request.environ[name]) for name in names)

    @app.get("/error")
    def error():
        flask.request.environ["wsgi.errors"].write("to wsgi.errors\\n")
        return ""
"""


# A signal that comes while gunicorn's worker starts is lost, and the arbiter waits for its end in vain.
READY = """
control_socket_disable = True

def post_worker_init(worker):
    import os
    os.write(1, f"ready {worker.pid}\\n".encode())  # at once, or two workers would share a line
"""


@contextmanager
def gunicorn(folder: Path, *arguments: str, worker: str = WORKER) -> Iterator[Program]:
    (folder / "gunicorn.conf.py").write_text(READY)
    settings = ["-k", worker, "--graceful-timeout", "10", *arguments]
    if not any(argument in ("-b", "--bind") for argument in arguments):
        settings += ["-b", "127.0.0.1:0"]
    with program(folder, *settings, "web:app", module="gunicorn") as running:
        yield running


def port_of(running: Program) -> int:
    return int(running.line_with(r"Listening at: https?://127\.0\.0\.1:(\d+)")[1])


def worker_of(running: Program) -> int:
    return int(running.line_with(r"^ready (\d+)")[1])


def stop(running: Program, number: int = signal.SIGTERM) -> None:
    running.signal(number)
    assert running.end() == 0
    assert "SIGKILL" not in running.output  # nobody had to be killed


# -- processes


@pytest.mark.parametrize("source", [HANDLER, FLASK], ids=["handler", "flask"])
def test_a_worker_that_is_killed_is_replaced_and_service_goes_on(tmp_path: Path, source: str) -> None:
    write_module(tmp_path, source)
    with gunicorn(tmp_path, "-w", "2") as running:
        port = port_of(running)
        first, second = worker_of(running), worker_of(running)
        assert ask(port)[1] in (f"version 1 by {first}", f"version 1 by {second}")
        os.kill(first, signal.SIGKILL)
        third = worker_of(running)
        answers = {ask(port) for _ in range(20)}
        assert answers <= {(200, f"version 1 by {pid}") for pid in (second, third)}
        running.signal(signal.SIGTERM)
        assert running.end() == 0


@pytest.mark.parametrize("source", [HANDLER, FLASK], ids=["handler", "flask"])
def test_hup_brings_workers_with_new_code_while_running_requests_finish(tmp_path: Path, source: str) -> None:
    write_module(tmp_path, source)
    with gunicorn(tmp_path) as running:
        port = port_of(running)
        old = worker_of(running)
        slow = begin(port, "/slow")
        running.line_with("slow begins")
        write_module(tmp_path, source.replace("version 1", "version two"))
        running.signal(signal.SIGHUP)
        new = worker_of(running)
        assert slow.answer() == (200, "slow done")
        running.line_with(rf"Worker exiting \(pid: {old}\)")
        assert ask(port) == (200, f"version two by {new}")
        stop(running)


@pytest.mark.parametrize("source", [HANDLER, FLASK], ids=["handler", "flask"])
def test_term_lets_a_running_request_finish(tmp_path: Path, source: str) -> None:
    write_module(tmp_path, source)
    with gunicorn(tmp_path, "-w", "2") as running:
        slow = begin(port_of(running), "/slow")
        running.line_with("slow begins")
        running.signal(signal.SIGTERM)
        assert slow.answer() == (200, "slow done")
        assert running.end() == 0
    assert "cut off" not in running.output


def test_what_does_not_finish_within_the_graceful_timeout_is_cut_off_and_cleans_up(tmp_path: Path) -> None:
    write_module(tmp_path, HANDLER)
    with gunicorn(tmp_path, "--graceful-timeout", "1") as running:
        endless = begin(port_of(running), "/endless")
        running.line_with("endless begins")
        stop(running)
        with pytest.raises(ConnectionError):
            endless.answer()
    assert "GET /endless" in running.output.partition("cut off after graceful_timeout: ")[2]
    assert "endless cleaned up" in running.output


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGINT])
def test_quit_and_int_do_not_wait_for_requests(tmp_path: Path, number: int) -> None:
    write_module(tmp_path, HANDLER)
    with gunicorn(tmp_path) as running:
        endless = begin(port_of(running), "/endless")
        running.line_with("endless begins")
        stop(running, number)
        with pytest.raises(ConnectionError):
            endless.answer()
    assert "endless cleaned up" in running.output


def test_quit_ends_a_worker_whose_handler_never_yields(tmp_path: Path) -> None:
    write_module(tmp_path, HANDLER)
    with gunicorn(tmp_path) as running:
        busy = begin(port_of(running), "/busy")
        running.line_with("busy begins")
        stop(running, signal.SIGQUIT)
        with pytest.raises(ConnectionError):
            busy.answer()


def test_a_worker_that_waits_is_alive_and_one_that_never_yields_is_replaced(tmp_path: Path) -> None:
    write_module(tmp_path, HANDLER.replace("lasa.sleep(1)", "lasa.sleep(3)"))
    with gunicorn(tmp_path, "--timeout", "1") as running:
        port = port_of(running)
        hung = worker_of(running)
        assert ask(port, "/slow") == (200, "slow done")
        busy = begin(port, "/busy")
        running.line_with("busy begins")
        running.line_with(rf"WORKER TIMEOUT \(pid:{hung}\)")
        worker = worker_of(running)
        assert ask(port) == (200, f"version 1 by {worker}")
        assert busy.answer()[0] == 500
    assert running.output.count("WORKER TIMEOUT") == 1


def test_max_requests_replaces_a_worker_after_its_answer(tmp_path: Path) -> None:
    write_module(tmp_path, HANDLER)
    with gunicorn(tmp_path, "--max-requests", "3") as running:
        port = port_of(running)
        first = worker_of(running)
        assert [ask(port)[1] for _ in range(3)] == [f"version 1 by {first}"] * 3
        worker = worker_of(running)
        assert ask(port) == (200, f"version 1 by {worker}")
        stop(running)
    assert "Autorestarting worker after current request." in running.output


def test_workers_end_when_their_arbiter_is_gone(tmp_path: Path) -> None:
    write_module(tmp_path, HANDLER)
    with gunicorn(tmp_path, "-w", "2") as running:
        port_of(running)
        workers = [psutil.Process(worker_of(running)) for _ in range(2)]
        running.signal(signal.SIGKILL)
        gone, left = psutil.wait_procs(workers, DEADLINE_S)
    assert (len(gone), left) == (2, [])


def test_an_application_that_was_preloaded_with_its_hub_running_works_in_each_worker(tmp_path: Path) -> None:
    write_module(tmp_path, "import lasa\nlasa.sleep(0.01)\nlasa.socket.connect('localhost', 1)\n" + _dedented(HANDLER))
    with gunicorn(tmp_path, "-w", "2", "--preload", worker=UNPATCHED) as running:
        port = port_of(running)
        workers = {worker_of(running), worker_of(running)}
        for _ in range(10):
            status, body = ask(port)
            assert (status, int(body.split()[-1]) in workers) == (200, True)
        assert ask(port, "/slow") == (200, "slow done")
        stop(running)


def _dedented(source: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in source.splitlines())


def test_the_reloader_brings_workers_with_new_code(tmp_path: Path) -> None:
    write_module(tmp_path, HANDLER)
    with gunicorn(tmp_path, "--reload", "--reload-engine", "poll") as running:
        port = port_of(running)
        worker_of(running)
        assert ask(port)[1].startswith("version 1")
        write_module(tmp_path, HANDLER.replace("version 1", "version two"))
        worker = worker_of(running)
        assert ask(port) == (200, f"version two by {worker}")
        stop(running)


# -- the settings


def test_the_standard_library_waits_in_the_hub_unless_the_worker_is_the_unpatched_one(tmp_path: Path) -> None:
    source = """
        from gevent import monkey

        def app(request):
            return str(monkey.is_module_patched("socket"))
    """
    write_module(tmp_path, source)
    for worker, expected in ((WORKER, "True"), (UNPATCHED, "False")):
        with gunicorn(tmp_path, worker=worker) as running:
            assert ask(port_of(running)) == (200, expected)
            stop(running)


def test_two_waits_of_the_standard_library_pass_at_the_same_time(tmp_path: Path) -> None:
    write_module(tmp_path, FLASK)
    with gunicorn(tmp_path) as running:
        port = port_of(running)
        asked = [begin(port, "/slow"), begin(port, "/slow")]
        running.line_with("slow begins")
        running.line_with("slow begins")  # before the first one is answered
        assert [one.answer() for one in asked] == [(200, "slow done")] * 2
        stop(running)


def test_flask_takes_a_megabyte_and_writes_to_gunicorns_error_log(tmp_path: Path) -> None:
    write_module(tmp_path, FLASK)
    with gunicorn(tmp_path, "--error-logfile", "errors.log") as running:
        worker_of(running)
        told = (tmp_path / "errors.log").read_text()  # the port too is told only there
        port = int(told.partition("Listening at: http://127.0.0.1:")[2].partition(" ")[0])
        data = b"0123456789abcdef" * 65_536
        assert ask(port, "/echo", "POST", data) == (200, data.decode())
        assert ask(port, "/error")[0] == 200
        running.signal(signal.SIGTERM)
        assert running.end() == 0
    assert "to wsgi.errors" in (tmp_path / "errors.log").read_text()


def test_several_sockets_are_served_also_unix_paths(tmp_path: Path) -> None:
    write_module(tmp_path, HANDLER)
    path = tmp_path / "web.sock"
    with gunicorn(tmp_path, "-b", "127.0.0.1:0", "-b", f"unix:{path}", "-w", "2") as running:
        port = port_of(running)
        worker_of(running)
        assert ask(port)[0] == 200
        sock = stdlib_socket.socket(stdlib_socket.AF_UNIX)
        sock.connect(str(path))
        assert "version 1 by" in ask_over(sock)
        os.kill(worker_of(running), signal.SIGTERM)  # one worker's end leaves the path to the others
        worker_of(running)
        assert path.exists()
        stop(running)
    assert not path.exists()


def test_tls_is_as_gunicorns_settings_have_it(tmp_path: Path, certificates: Certificates) -> None:
    write_module(tmp_path, FLASK)
    pem = certificates.issue("localhost")
    (tmp_path / "settings.py").write_text(
        READY + "\nimport ssl\n"
        "def ssl_context(config, default):\n"
        "    context = default()\n"
        "    context.minimum_version = ssl.TLSVersion.TLSv1_3\n"
        "    return context\n"
    )
    with gunicorn(tmp_path, "--certfile", pem, "--keyfile", pem, "-c", "settings.py") as running:
        port = port_of(running)
        context = ssl.create_default_context(cafile=certificates.ca)
        context.set_alpn_protocols(["h2", "http/1.1"])
        sock = stdlib_socket.create_connection(("127.0.0.1", port), DEADLINE_S)
        secured = context.wrap_socket(sock, server_hostname="localhost")
        assert (secured.version(), secured.selected_alpn_protocol()) == ("TLSv1.3", "http/1.1")
        assert ask_over(secured, "/environ").endswith("False|https||/environ")
        stop(running)


def test_reuse_port_gives_each_worker_a_socket_of_its_own(tmp_path: Path) -> None:
    write_module(tmp_path, HANDLER)
    with stdlib_socket.socket() as probe:  # holds the port without listening, so that nobody else gets it
        probe.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_REUSEPORT, 1)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        with gunicorn(tmp_path, "--reuse-port", "-w", "2", "-b", f"127.0.0.1:{port}") as running:
            workers = {worker_of(running), worker_of(running)}
            assert {ask(port)[1] for _ in range(100)} == {f"version 1 by {pid}" for pid in workers}
            stop(running)


def test_gunicorns_access_log_has_what_its_format_asks_for(tmp_path: Path) -> None:
    source = """
        def app(request):
            return 201, {"X-Answer": "yes"}, "four"
    """
    write_module(tmp_path, source)
    form = '%(h)s "%(r)s" %(s)s %(B)s %({x-asked}i)s %({x-answer}o)s "%(a)s" %(U)s %(q)s %(m)s %({raw_uri}e)s %(u)s'
    with gunicorn(tmp_path, "--access-logfile", "-", "--access-logformat", form) as running:
        port = port_of(running)
        headers = {"X-Asked": "this", "User-Agent": "test", "Authorization": "Basic bWU6c2VjcmV0"}
        assert ask(port, "/a?b=c", headers=headers) == (201, "four")
        running.line_with(r'^127\.0\.0\.1 "GET /a\?b=c HTTP/1\.1" 201 4 this yes "test" /a b=c GET /a\?b=c me$')
        with stdlib_socket.create_connection(("127.0.0.1", port), DEADLINE_S) as sock:
            sock.sendall(b"nonsense\r\n\r\n")
            assert b" 400 " in sock.recv(1000)
        running.line_with(r"^127\.0\.0\.1 .* 400 ")
        stop(running)


def test_errors_of_handlers_go_to_gunicorns_error_log(tmp_path: Path) -> None:
    write_module(tmp_path, HANDLER)
    with gunicorn(tmp_path) as running:
        assert ask(port_of(running), "/fail")[0] == 500
        running.line_with(r"\[ERROR\] handler failed: GET '/fail'")
        running.line_with("ZeroDivisionError: secret")
        stop(running)


def test_usr1_reopens_the_log_files(tmp_path: Path) -> None:
    write_module(tmp_path, HANDLER)
    with gunicorn(tmp_path, "--access-logfile", "access.log") as running:
        port = port_of(running)
        worker_of(running)
        assert ask(port, "/first")[0] == 200
        (tmp_path / "access.log").rename(tmp_path / "access.log.1")
        running.signal(signal.SIGUSR1)
        _ask_until_logged(port, tmp_path / "access.log")
        stop(running)
    assert "/first" in (tmp_path / "access.log.1").read_text()


def _ask_until_logged(port: int, path: Path) -> None:
    for _ in range(1000):
        assert ask(port, "/second")[0] == 200
        if path.exists() and "/second" in path.read_text():
            return
    raise AssertionError("the log file was not reopened")


@pytest.mark.parametrize(
    ("allowed", "scheme"), [("127.0.0.1", "https"), ("127.0.0.0/8", "https"), ("10.0.0.1", "http")]
)
def test_a_trusted_proxy_may_say_which_scheme_its_client_used(tmp_path: Path, allowed: str, scheme: str) -> None:
    write_module(tmp_path, FLASK)
    with gunicorn(tmp_path, "--forwarded-allow-ips", allowed, "-w", "2") as running:
        port = port_of(running)
        assert ask(port, "/environ", headers={"X-Forwarded-Proto": "https"}) == (200, f"True|{scheme}||/environ")
        assert ask(port, "/environ") == (200, "True|http||/environ")
        contradictory = ask(port, "/environ", headers={"X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "off"})[0]
        assert contradictory == (400 if scheme == "https" else 200)
        stop(running)


def test_the_mount_comes_from_the_environment(tmp_path: Path) -> None:
    write_module(tmp_path, FLASK)
    with gunicorn(tmp_path, "-e", "SCRIPT_NAME=/shop") as running:
        assert ask(port_of(running), "/shop/environ") == (200, "False|http|/shop|/environ")
        stop(running)


@pytest.mark.parametrize(("seconds", "connection"), [("0", "close"), ("5", None)])
def test_keepalive_says_whether_a_connection_is_kept(tmp_path: Path, seconds: str, connection: str | None) -> None:
    write_module(tmp_path, HANDLER)
    with gunicorn(tmp_path, "--keep-alive", seconds) as running:
        asked = begin(port_of(running))
        response = asked.response()
        assert (response.status, response.headers["Connection"]) == (200, connection)
        asked.answer()
        stop(running)


def test_a_request_has_gunicorns_limits(tmp_path: Path) -> None:
    write_module(tmp_path, HANDLER)
    limits = ["--limit-request-line", "100", "--limit-request-fields", "10", "--limit-request-field_size", "200"]
    with gunicorn(tmp_path, *limits) as running:
        port = port_of(running)
        assert ask(port, "/" + "a" * 86)[0] == 200  # with "GET " and " HTTP/1.1" 100 bytes, the line end not counted
        assert ask(port, "/" + "a" * 87)[0] == 414
        assert ask(port, headers={f"X-{number}": "1" for number in range(10)})[0] == 431
        assert ask(port, headers={"X": "a" * 195})[0] == 200  # with "X: " and the line end 200 bytes
        assert ask(port, headers={"X": "a" * 196})[0] == 431
        stop(running)


def test_a_limit_of_zero_is_none(tmp_path: Path) -> None:
    write_module(tmp_path, HANDLER)
    limits = ["--limit-request-line", "0", "--limit-request-fields", "0", "--limit-request-field_size", "0"]
    with gunicorn(tmp_path, *limits, "--timeout", "0", "--keep-alive", "0") as running:
        port = port_of(running)
        headers = {f"X-{number}": "a" * 1000 for number in range(500)} | {"X": "a" * 500_000}
        assert ask(port, "/" + "a" * 1_000_000, headers=headers)[0] == 200
        stop(running)
    assert f"takes request heads of up to {16 * 1024 * 1024} bytes" in running.output


def settings(**chosen: Any) -> Config:
    made = Config()
    for name, value in chosen.items():
        made.set(name, value)
    return made


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, {"max_request_line": 4096, "max_headers": 100, "max_field": 8190, "max_head": 4096 + 819_000 + 2}),
        ({"limit_request_line": 8190}, {"max_request_line": 8192}),
        ({"limit_request_line": 100_000}, {"max_request_line": 8192}),
        ({"limit_request_line": 0}, {"max_request_line": MOST_OF_A_HEAD, "max_head": MOST_OF_A_HEAD}),
        ({"limit_request_fields": 0}, {"max_headers": 32_768, "max_head": MOST_OF_A_HEAD}),
        ({"limit_request_fields": 32_768}, {"max_headers": 32_768}),
        ({"limit_request_fields": 40_000}, {"max_headers": 32_768}),
        ({"limit_request_field_size": 0}, {"max_field": None, "max_head": MOST_OF_A_HEAD}),
        ({"limit_request_field_size": 70_000}, {"max_field": 70_000, "max_head": 4096 + 7_000_000 + 2}),
        ({"keepalive": 0}, {"max_requests": 1, "idle_timeout_s": None}),
        ({"keepalive": 5}, {"max_requests": None, "idle_timeout_s": 5}),
        ({"worker_connections": 7}, {"max_connections": 7}),
    ],
)
def test_each_value_of_a_limit_means_what_gunicorns_manual_says(
    chosen: dict[str, int], expected: dict[str, int | None]
) -> None:
    limits = limits_of(settings(**chosen))
    assert {name: limits.get(name) for name in expected} == expected
    ServerLimits.parse(limits)


@pytest.mark.parametrize(
    "chosen",
    [
        {"permit_obsolete_folding": True},
        {"strip_header_spaces": True},
        {"permit_unconventional_http_version": True},
        {"casefold_http_method": True},
        {"http_protocols": "h2,h1"},
        {"http2_cleartext": "both"},
        {"http_parser": "fast"},
        {"tmp_upload_dir": "/tmp"},
        {"suppress_ragged_eofs": False},
        {"threads": 8},
        {"limit_request_field_size": 0},
    ],
)
def test_a_setting_without_effect_is_told_before_anything_is_served(
    chosen: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    if not set(chosen) <= set(Config().settings):
        return  # an older gunicorn, which knows no such setting
    LasaWorker.check_config(settings(), logging.getLogger("test"))
    assert caplog.messages == []
    LasaWorker.check_config(settings(**chosen), logging.getLogger("test"))
    [message] = caplog.messages
    assert "LasaWorker" in message
    assert "field_size" in next(iter(chosen)) or next(iter(chosen)) in message


@pytest.mark.parametrize(
    ("chosen", "text"),
    [
        ({"proxy_protocol": True}, "does not speak the PROXY protocol"),
        ({"protocol": "uwsgi"}, "speaks HTTP and no uwsgi"),
        ({"worker_connections": 0}, "worker_connections of at least 1"),
    ],
)
def test_what_cannot_be_served_is_refused_before_anything_is(chosen: dict[str, Any], text: str) -> None:
    if not set(chosen) <= set(Config().settings):
        return
    with pytest.raises(RuntimeError, match=text):
        LasaWorker.check_config(settings(**chosen), None)


def test_the_proxy_protocol_is_refused_before_anything_is_served(tmp_path: Path) -> None:
    write_module(tmp_path, HANDLER)
    with gunicorn(tmp_path, "--proxy-protocol") as running:
        assert running.end() == 1
    assert "LasaWorker does not speak the PROXY protocol" in running.output
    LasaWorker.check_config(SimpleNamespace(proxy_protocol=False), None)  # as older gunicorns have it


# -- what a proxy in front says


SEEN = ["SCRIPT_NAME", "PATH_INFO", "HTTP_SCRIPT_NAME", "HTTP_PATH_INFO", "HTTP_REMOTE_USER", "HTTP_X_A"]


@contextmanager
def adapted(where: str = "127.0.0.1:0", **chosen: Any) -> Iterator[Callable[..., Any]]:
    """Ask a WSGI application behind gunicorn's settings; what is answered is the status, and SEEN of the environ."""

    def app(environ: Any, start: Any) -> list[bytes]:
        start("200 OK", [("Content-Type", "application/json")])
        return [json.dumps([environ.get(name) for name in SEEN]).encode()]

    handler = wsgi.handler_of(app, script_name="/env", adapt=Adapter(settings(**chosen)))
    with serving(handler, where) as server:

        def asked(target: str, *headers: str) -> Any:
            lines = [f"GET {target} HTTP/1.1", "Host: h", "Connection: close", *headers, "", ""]
            [answer] = answers(talk(server, "\r\n".join(lines).encode()))
            return json.loads(answer.body) if answer.status == 200 else answer.status

        yield asked


NOTHING = [None] * 4


@pytest.mark.parametrize(
    ("target", "headers", "expected"),
    [
        ("/shop/a%20b", ["SCRIPT_NAME: /shop"], ["/shop", "/a b", "/shop", None, None, None]),
        ("/shop", ["Script_Name: /shop/"], ["/shop", "", "/shop/", None, None, None]),
        ("/a/b/c", ["SCRIPT_NAME: /a/b"], ["/a/b", "/c", "/a/b", None, None, None]),
        ("/env/x", ["SCRIPT_NAME: "], ["", "/env/x", "", None, None, None]),
        ("/other", ["SCRIPT_NAME: /shop"], ["", "/other", "/shop", None, None, None]),
        ("/shopping", ["SCRIPT_NAME: /shop"], ["", "/shopping", "/shop", None, None, None]),
        ("/env/x", [], ["/env", "/x", *NOTHING]),
        ("/x", ["PATH_INFO: /y"], ["", "/x", None, "/y", None, None]),
        ("/x", ["REMOTE_USER: joe", "X_A: 1", "Script-Name: /x"], ["", "/x", "/x", None, None, None]),
    ],
)
def test_a_trusted_proxy_may_say_where_the_application_is_mounted(
    target: str, headers: list[str], expected: list[str | None]
) -> None:
    with adapted() as asked:
        assert asked(target, *headers) == expected


def test_only_a_trusted_proxy_is_believed_by_its_address_or_because_it_has_none(tmp_path: Path) -> None:
    mounted, plain = ["/shop", "/", "/shop", None, None, None], ["", "/shop/", *NOTHING]
    for allowed, expected in {
        "": plain,
        "10.0.0.1": plain,
        "127.0.0.1": mounted,
        "10.0.0.1,127.0.0.1": mounted,
        "*": mounted,
    }.items():
        with adapted(forwarded_allow_ips=allowed) as asked:
            assert asked("/shop/", "SCRIPT_NAME: /shop") == expected
    with adapted(f"unix:{tmp_path}/web.sock", forwarded_allow_ips="10.0.0.1") as asked:
        assert asked("/shop/", "SCRIPT_NAME: /shop") == mounted


@pytest.mark.parametrize(
    ("peer", "allowed", "is_trusted"),
    [
        ("127.0.0.1", "127.0.0.1,::1", True),
        ("::1", "127.0.0.1,::1", True),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
        ("fe80::1%eth0", "fe80::1", True),
        ("::ffff:10.0.0.1", "127.0.0.1", False),
        ("10.0.0.2", "10.0.0.1", False),
    ],
)
def test_an_address_is_the_same_in_each_of_its_forms(peer: str, allowed: str, is_trusted: bool) -> None:
    request: Any = SimpleNamespace(peer=(peer, 1))
    assert Adapter(settings(forwarded_allow_ips=allowed))._trusts(request) is is_trusted


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"forwarder_headers": "REMOTE_USER,X_A"}, ["", "/x", None, None, "joe", "1"]),
        ({"forwarder_headers": "remote_user"}, ["", "/x", None, None, "joe", None]),
        ({"forwarder_headers": "*"}, ["/x", "", "/x", None, "joe", "1"]),
        ({"forwarder_headers": ""}, ["", "/x", *NOTHING]),
        ({"header_map": "drop"}, ["/x", "", "/x", None, None, None]),
        ({"header_map": "refuse"}, 400),
        ({"header_map": "refuse", "forwarder_headers": "*"}, ["/x", "", "/x", None, "joe", "1"]),
        ({"header_map": "dangerous", "forwarded_allow_ips": "10.0.0.1"}, ["", "/x", "/x", None, "joe", "1"]),
    ],
)
def test_which_headers_with_an_underscore_an_application_gets_is_said_by_the_settings(
    chosen: dict[str, str], expected: Any
) -> None:
    with adapted(**chosen) as asked:
        assert asked("/x", "SCRIPT_NAME: /x", "REMOTE_USER: joe", "X_A: 1") == expected


def test_the_hooks_of_a_request_are_called_with_what_they_expect(tmp_path: Path) -> None:
    (tmp_path / "hooks.py").write_text(
        READY
        + """
def pre_request(worker, req):
    req.note = "noted"
    print("PRE", worker.pid > 0, req.method, req.path, req.query, dict(req.headers)["X-A"], flush=True)
    if req.path == "/refuse":
        raise ValueError("by the hook")

def post_request(worker, req, environ, resp):
    print("POST", req.note, req.uri, environ["PATH_INFO"], environ.get("left"), resp.status, resp.sent, flush=True)
    if req.path == "/late":
        raise ZeroDivisionError
"""
    )
    source = """
        def app(environ, start_response):
            environ["left"] = "by the application"
            if environ["PATH_INFO"] == "/fail":
                raise ZeroDivisionError
            start_response("200 Fine", [])
            return [b"four"]
    """
    write_module(tmp_path, source)
    with gunicorn(tmp_path, "-c", "hooks.py", "--access-logfile", "-", "--access-logformat", "%(m)s %(s)s") as running:
        port = port_of(running)
        assert ask(port, "/a?b=c", headers={"X-A": "1"})[1] == "four"
        running.line_with(r"^PRE True GET /a b=c 1$")
        running.line_with(r"^GET 200$")
        running.line_with(r"^POST noted /a\?b=c /a by the application 200 Fine 4$")
        assert ask(port, "/refuse", headers={"X-A": "1"})[0] == 500
        running.line_with("ValueError: by the hook")
        running.line_with(r"^POST noted /refuse /refuse None 500 Internal Server Error")
        assert ask(port, "/fail", headers={"X-A": "1"})[0] == 500
        running.line_with(r"^POST noted /fail /fail by the application 500 Internal Server Error")
        assert ask(port, "/late", headers={"X-A": "1"})[0] == 200
        running.line_with("Exception in post_request hook")
        stop(running)


def test_what_is_neither_a_handler_nor_wsgi_does_not_boot(tmp_path: Path) -> None:
    write_module(tmp_path, "def app(one, two, three): ...")
    with gunicorn(tmp_path) as running:
        assert running.end() == 3
    assert "neither a handler(request) nor a WSGI application" in running.output
