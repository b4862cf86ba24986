"""``lasa serve``: what it says, what it answers, and how it ends, as its user and systemd see it."""

from __future__ import annotations

import signal
import socket as stdlib_socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

import lasa
from lasa import websocket
from tests.conftest import Certificates
from tests.processes import DEADLINE_S, ask, ask_over, begin, program, write_module
from tests.servers import free_port

SERVING = r"^lasa serving http://127\.0\.0\.1:(\d+) \(Ctrl-C to stop\)$"
HERE = ("--listen", "127.0.0.1:0")

HANDLERS = """
    import lasa

    def handler(request):
        if request.path == "/slow":
            print("slow begins")
            lasa.sleep(0.5)
        if request.path == "/endless":
            print("endless begins")
            try:
                lasa.sleep(3600)
            finally:
                print("endless cleaned up")
        if request.path == "/busy":
            print("busy begins")
            while True:
                pass
        if request.path == "/fail":
            raise ZeroDivisionError("secret")
        if request.path == "/exit":
            raise SystemExit(3)
        return f"hello {request.path}"

    def two(environ, start_response): ...

    async def later(request): ...
"""

FLASK = """
    import sys
    import time
    import flask

    app = flask.Flask("web")

    @app.get("/")
    def index():
        return "hello by flask"

    @app.get("/patched")
    def patched():
        from gevent import monkey
        return str(monkey.is_module_patched("socket"))

    def make():
        return app
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_a_handler_until_a_signal_and_lets_running_requests_finish(tmp_path: Path, number: int) -> None:
    write_module(tmp_path, HANDLERS)
    with program(tmp_path, "serve", "web:handler", *HERE) as running:
        port = int(running.line_with(SERVING)[1])
        assert ask(port, "/a") == (200, "hello /a")
        slow = begin(port, "/slow")
        running.line_with("slow begins")
        running.signal(number)
        running.line_with("lasa: stopping")
        assert slow.answer() == (200, "hello /slow")
        assert running.end() == 0
    assert '"GET /a HTTP/1.1" 200 8' in running.output
    assert '"GET /slow HTTP/1.1" 200 11' in running.output
    assert "Traceback" not in running.output


def test_what_does_not_finish_within_the_grace_is_cut_off_and_cleans_up(tmp_path: Path) -> None:
    write_module(tmp_path, HANDLERS)
    with program(tmp_path, "serve", "web", *HERE, "--grace", "0.1") as running:
        endless = begin(int(running.line_with(SERVING)[1]), "/endless")
        running.line_with("endless begins")
        running.signal(signal.SIGTERM)
        assert running.end() == 0
        with pytest.raises(ConnectionError):
            endless.answer()
    assert "GET /endless" in running.output.partition("lasa: cut off: ")[2]
    assert "endless cleaned up" in running.output


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    write_module(tmp_path, HANDLERS)
    with program(tmp_path, "serve", "web", *HERE) as running:
        asked = begin(int(running.line_with(SERVING)[1]), "/endless")
        running.line_with("endless begins")
        running.signal(signal.SIGTERM)
        running.line_with("lasa: stopping")
        running.signal(signal.SIGTERM)
        assert running.end() == 143
        with pytest.raises(ConnectionError):
            asked.answer()
    assert "endless cleaned up" in running.output


def test_a_handler_that_never_yields_is_interrupted_when_the_grace_is_over(tmp_path: Path) -> None:
    write_module(tmp_path, HANDLERS)
    with program(tmp_path, "serve", "web", *HERE, "--grace", "0.1") as running:
        asked = begin(int(running.line_with(SERVING)[1]), "/busy")
        running.line_with("busy begins")
        running.signal(signal.SIGTERM)
        assert running.end() == 0
        with pytest.raises(ConnectionError):
            asked.answer()


def test_light_threads_and_timers_of_the_module_end_with_the_service(tmp_path: Path) -> None:
    source = """
        import lasa

        def background():
            try:
                while True:
                    lasa.sleep(0.01)
            finally:
                print("background cleaned up")

        lasa.thread.spawn(background)
        lasa.timer.at(3600, lambda premature: print("timer", premature))

        def handler(request):
            return "hello"
    """
    write_module(tmp_path, source)
    with program(tmp_path, "serve", "web", *HERE) as running:
        port = int(running.line_with(SERVING)[1])
        assert ask(port) == (200, "hello")
        running.signal(signal.SIGTERM)
        assert running.end() == 0
    assert "background cleaned up\ntimer True\n" in running.output


@pytest.mark.parametrize("workers", [(), ("--workers", "1")], ids=["in one process", "by gunicorn"])
def test_websockets_are_served_and_closed_with_1001_by_a_signal(tmp_path: Path, workers: tuple[str, ...]) -> None:
    source = """
        def handler(request):
            wb, err = request.websocket()
            for message in wb or ():
                wb.send(message)
            print("handler ended:", wb and wb.closing)
    """
    write_module(tmp_path, source)
    with program(tmp_path, "serve", "web", *HERE, *workers) as running:
        listening = r"Listening at: http://127\.0\.0\.1:(\d+)" if workers else SERVING
        port = int(running.line_with(listening)[1])
        assert ask(port, "/plain") == (426, 'bad "upgrade" request header: nil\n')
        wb = lasa.check(websocket.client.connect(f"ws://127.0.0.1:{port}/chat", proxy=False))
        for message in ("hello", b"x" * 100_000):
            assert wb.send(message)[1] is None
            assert wb.receive(DEADLINE_S) == (message, None)
        running.signal(signal.SIGTERM)
        assert wb.receive(DEADLINE_S) == (None, "closed")
        assert wb.closing == websocket.Closing(1001, "", "peer")
        assert running.end() == 0
    assert "handler ended: Closing(code=1001, reason='', by='us')" in running.output
    assert '"GET /chat HTTP/1.1" 101 ' in running.output
    assert "cut off" not in running.output
    assert "Traceback" not in running.output


def test_an_error_of_a_handler_is_told_to_the_log_and_not_to_the_client(tmp_path: Path) -> None:
    write_module(tmp_path, HANDLERS)
    with program(tmp_path, "serve", "web", *HERE, "--access-log", "json") as running:
        status, body = ask(int(running.line_with(SERVING)[1]), "/fail")
        running.line_with("ZeroDivisionError: secret")
        running.line_with('"target":"/fail"')
        running.signal(signal.SIGINT)
        assert running.end() == 0
    assert status == 500
    assert "secret" not in body


def test_the_access_log_can_be_off(tmp_path: Path) -> None:
    write_module(tmp_path, HANDLERS)
    with program(tmp_path, "serve", "web", *HERE, "--access-log", "off") as running:
        assert ask(int(running.line_with(SERVING)[1]), "/quiet")[0] == 200
        running.signal(signal.SIGINT)
        assert running.end() == 0
    assert "quiet" not in running.output


@pytest.mark.parametrize("name", ["web:app", "web", "web:make()"])
@pytest.mark.parametrize("patches", [True, False])
def test_it_serves_a_wsgi_application_with_a_patched_library_or_without(
    tmp_path: Path, name: str, patches: bool
) -> None:
    write_module(tmp_path, FLASK)
    options = () if patches else ("--no-patch",)
    with program(tmp_path, "serve", "--wsgi", name, *HERE, *options) as running:
        port = int(running.line_with(SERVING)[1])
        assert ask(port) == (200, "hello by flask")
        assert ask(port, "/patched") == (200, str(patches))
        running.signal(signal.SIGTERM)
        assert running.end() == 0
    assert "Warning" not in running.output


def test_it_serves_https(tmp_path: Path, certificates: Certificates) -> None:
    write_module(tmp_path, HANDLERS)
    with program(tmp_path, "serve", "web", *HERE, "--ssl-cert", certificates.issue("localhost")) as running:
        port = int(running.line_with(SERVING.replace("http:", "https:"))[1])
        context = ssl.create_default_context(cafile=certificates.ca)
        sock = stdlib_socket.create_connection(("127.0.0.1", port), DEADLINE_S)
        assert ask_over(context.wrap_socket(sock, server_hostname="localhost"), "/tls").endswith("hello /tls")


def test_it_serves_a_unix_path_and_takes_it_away_again(tmp_path: Path) -> None:
    write_module(tmp_path, HANDLERS)
    path = tmp_path / "web.sock"
    with program(tmp_path, "serve", "web", "--listen", f"unix:{path}") as running:
        running.line_with(f"^lasa serving http://unix:{path}: ")
        sock = stdlib_socket.socket(stdlib_socket.AF_UNIX)
        sock.connect(str(path))
        assert ask_over(sock, "/unix").endswith("hello /unix")
        running.signal(signal.SIGTERM)
        assert running.end() == 0
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["nothing_here"], 2, "lasa: no module 'nothing_here' in "),
        (["web.sub:handler"], 2, "lasa: no module 'web.sub' in "),
        (["web:missing"], 2, "lasa: module 'web' has no 'missing'"),
        ([":handler"], 2, "lasa: \"module:name\" expected, got ':handler'"),
        (["web:two"], 2, "lasa: web:two takes two arguments, as WSGI applications do: lasa serve --wsgi web:two"),
        (["--wsgi", "web:handler"], 2, "takes one argument, as lasa's handlers do: lasa serve web:handler"),
        (["web:lasa"], 2, "lasa: web:lasa: bad application: function expected, got module"),
        (["web", "--listen", "nowhere"], 2, "lasa: bad address"),
        (["web", "--listen", "127.0.0.1:{busy}"], 1, "lasa: cannot listen on 127.0.0.1:{busy}: address already in use"),
        (["web", "--ssl-cert", "no.pem", *HERE], 2, "lasa: bad certificate, key or authorities"),
        (["web", "--ssl-cert", "chain.pem", *HERE], 2, "chain.pem has no private key in it: --ssl-key is missing"),
        (["web", "--listen", "http://127.0.0.1:0"], 2, "lasa: bad address"),
        (["web:later", *HERE], 2, "lasa: web:later: bad handler: it is async"),
        (["nothing_here", "--workers", "2", *HERE], 2, "lasa: no module 'nothing_here' in "),
        (["web.sub", "--workers", "2", *HERE], 2, "lasa: no module 'web.sub' in "),
        (["email.nothing:x", "--workers", "2", *HERE], 2, "lasa: no module 'email.nothing' in "),
        (["web", "--workers", "2", "--listen", "nowhere"], 2, "lasa: bad address"),
        (["web", "--workers", "2", "--listen", "127.0.0.1:{busy}"], 1, "address already in use"),
        (["web", "--workers", "2", "--listen", "unix:{folder}/busy.sock"], 1, "address already in use"),
        (["web", "--workers", "2", "--ssl-cert", "no.pem", *HERE], 2, "lasa: bad certificate, key or authorities"),
        (["web", "--workers", "2", "--ssl-cert", "chain.pem", *HERE], 2, "--ssl-key is missing"),
        (["web", "--ssl-key", "no.pem"], 2, "lasa: --ssl-key needs --ssl-cert"),
        (["web", "--grace", "-1"], 2, "lasa: --grace takes seconds"),
        (["web", "--workers", "0"], 2, "lasa: --grace takes seconds and --workers a number"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    tmp_path: Path, certificates: Certificates, arguments: list[str], status: int, text: str
) -> None:
    write_module(tmp_path, HANDLERS)
    chain = Path(certificates.issue("localhost")).read_text()
    (tmp_path / "chain.pem").write_text(chain[chain.index("-----BEGIN CERTIFICATE") :])
    with (
        stdlib_socket.create_server(("127.0.0.1", 0)) as taken,
        stdlib_socket.socket(stdlib_socket.AF_UNIX) as taken_path,
    ):
        taken_path.bind(str(tmp_path / "busy.sock"))
        taken_path.listen()
        busy = taken.getsockname()[1]
        given = [argument.format(busy=busy, folder=tmp_path) for argument in arguments]
        with program(tmp_path, "serve", *given) as running:
            assert running.end() == status
    assert text.format(busy=busy) in running.output
    assert running.output.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["web", "--wsgi", "web"], ["web", "--access-log", "yes"]])
def test_words_that_are_none_get_the_usage(tmp_path: Path, arguments: list[str]) -> None:
    with program(tmp_path, "serve", *arguments) as running:
        assert running.end() == 2
    assert running.output.startswith("usage: lasa serve")


@pytest.mark.parametrize("source", ["import nothing_at_all", "raise ValueError('no')", "import lasa.nothing"])
def test_an_error_within_the_module_is_shown_where_it_is(tmp_path: Path, source: str) -> None:
    write_module(tmp_path, source)
    with program(tmp_path, "serve", "web", *HERE) as running:
        assert running.end() == 1
    assert running.output.startswith("Traceback")
    assert f"{tmp_path}/web.py" in running.output


def test_several_processes_are_gunicorns(tmp_path: Path) -> None:
    source = """
        import os

        def handler(request):
            return f"by {os.getpid()}"
    """
    write_module(tmp_path, source)
    port = free_port()
    with program(tmp_path, "serve", "web", "--listen", f"127.0.0.1:{port}", "--workers", "2") as running:
        running.line_with(SERVING)
        workers = {running.line_with(r"Booting worker with pid: (\d+)")[1] for _ in range(2)}
        status, body = ask(port, "/which")
        assert status == 200
        assert body.removeprefix("by ") in workers
        assert ask(port, "/" + "a" * 8000)[0] == 200  # the limits are lasa's, as in one process
        running.line_with('"GET /which HTTP/1.1" 200')  # lasa's own access log
        running.signal(signal.SIGTERM)
        assert running.end() == 0


def test_a_module_without_its_handler_ends_several_processes_too(tmp_path: Path) -> None:
    write_module(tmp_path, HANDLERS)
    with program(tmp_path, "serve", "web:missing", *HERE, "--workers", "1") as running:
        assert running.end() not in (0, None)
    assert "lasa: module 'web' has no 'missing'" in running.output
    assert "Traceback" not in running.output


def test_several_processes_serve_a_module_within_a_package(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    write_module(tmp_path / "shop", HANDLERS)
    with program(tmp_path, "serve", "shop.web", *HERE, "--workers", "1") as running:
        port = int(running.line_with(r"Listening at: http://127\.0\.0\.1:(\d+)")[1])
        assert ask(port, "/") == (200, "hello /")
        running.signal(signal.SIGTERM)
        assert running.end() == 0


def test_sys_exit_in_a_handler_does_not_end_the_service(tmp_path: Path) -> None:
    write_module(tmp_path, HANDLERS)
    with program(tmp_path, "serve", "web", *HERE) as running:
        port = int(running.line_with(SERVING)[1])
        assert ask(port, "/exit") == (500, "500 Internal Server Error\n")
        assert ask(port, "/") == (200, "hello /")
        running.signal(signal.SIGTERM)
        assert running.end() == 0
    assert "SystemExit: 3" in running.output


def test_several_processes_without_gunicorn_say_what_to_install(tmp_path: Path) -> None:
    script = "import sys; sys.modules['gunicorn'] = None; from lasa.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", script, "serve", "web", "--workers", "2"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "lasa: --workers needs gunicorn: pip install 'lasa-cosocket[workers]'\n"
