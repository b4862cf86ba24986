"""The servers of the HTTP rows: the same few applications for each, and a process to run one in.

``python -m tests.bench.http_apps SERVER APP PORT`` runs lasa or pywsgi; uvicorn and gunicorn come with commands of
their own and import ``asgi_APP`` and ``wsgi_APP`` from here. The applications:

- hello: 13 bytes of text for any request
- answer: 1 MB for any request
- upload: reads the whole body, and answers how many bytes it had
- idle: as hello, and ``/collect`` collects garbage, so that memory can be measured from outside
"""

from __future__ import annotations

import ctypes
import gc
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from tests.bench.harness import MEGABYTE, ROOT, optional_module

__all__ = ["HELLO", "Serving", "free_port", "running", "serving"]

HELLO: Final = b"Hello, world!"
ANSWER: Final = b"x" * MEGABYTE
MAX_UPLOAD: Final = 2_000_000
COLLECT: Final = "/collect"

START_DEADLINE_S: Final = 20.0
END_DEADLINE_S: Final = 10.0
POLL_S: Final = 0.02
PR_SET_PDEATHSIG: Final = 1

UVICORN: Final = "{python} -m uvicorn tests.bench.http_apps:asgi_{app} --host 127.0.0.1 --port {port} --lifespan off"
UVICORN_QUIET: Final = UVICORN + " --log-level warning --no-access-log"
COMMANDS: Final = {
    "lasa": "{python} -m tests.bench.http_apps lasa {app} {port}",
    "uvicorn h11": UVICORN_QUIET + " --http h11 --loop asyncio",
    "uvicorn httptools uvloop": UVICORN_QUIET + " --http httptools --loop uvloop",
    "gunicorn gevent": "{python} -m gunicorn -k gevent -w 1 -b 127.0.0.1:{port} --log-level warning"
    " --no-control-socket tests.bench.http_apps:wsgi_{app}",
    "pywsgi": "{python} -m tests.bench.http_apps pywsgi {app} {port}",
}
NEEDS: Final = {
    "uvicorn h11": ("uvicorn",),
    "uvicorn httptools uvloop": ("uvicorn", "httptools", "uvloop"),
    "gunicorn gevent": ("gunicorn",),
}


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that runs: on which port of 127.0.0.1, and the process that was started for it."""

    port: int
    pid: int


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(server: str, app: str) -> Iterator[Serving]:
    """Run one of COMMANDS for as long as the body takes.

    Raises:
        NotInstalled: one of the packages that it needs is not there.
    """
    for module in NEEDS.get(server, ()):
        optional_module(module)
    port = free_port()
    command = [word.format(python=sys.executable, app=app, port=port) for word in COMMANDS[server].split()]
    with running(command, port) as pid:
        yield Serving(port, pid)


@contextmanager
def running(command: list[str], port: int) -> Iterator[int]:
    """Run ``command`` for as long as the body takes, which begins when ``port`` answers; yields the process id.

    An exception of the body gets a note of what the process wrote last.
    """
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, preexec_fn=_die_with_parent
        )
        try:
            _wait_until_it_answers(process, port)
            yield process.pid
        except Exception as error:
            log.seek(0)
            error.add_note(f"{error}; {_last_line(log.read())}")
            raise
        finally:
            _end(process)


def _die_with_parent() -> None:
    # A contestant past its deadline is killed, and its server must not outlive it.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _last_line(log: bytes) -> str:
    return (log.decode(errors="replace").strip().splitlines() or ["the server wrote nothing"])[-1]


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int) -> None:
    deadline_s = time.monotonic() + START_DEADLINE_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline_s:
            raise RuntimeError("the server did not start")
        time.sleep(POLL_S)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def lasa_hello(request: Any) -> Any:
    return 200, {"content-type": "text/plain"}, HELLO


def lasa_answer(request: Any) -> Any:
    return 200, {"content-type": "text/plain"}, ANSWER


def lasa_upload(request: Any) -> Any:
    data = request.read(MAX_UPLOAD)
    return 200, {"content-type": "text/plain"}, b"%d" % len(data)


def lasa_idle(request: Any) -> Any:
    if request.path == COLLECT:
        gc.collect()
    return lasa_hello(request)


Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]


def _wsgi_answer(start_response: StartResponse, data: bytes) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(data)))])
    return [data]


def wsgi_hello(environ: Environ, start_response: StartResponse) -> list[bytes]:
    return _wsgi_answer(start_response, HELLO)


def wsgi_answer(environ: Environ, start_response: StartResponse) -> list[bytes]:
    return _wsgi_answer(start_response, ANSWER)


def wsgi_upload(environ: Environ, start_response: StartResponse) -> list[bytes]:
    data = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    return _wsgi_answer(start_response, b"%d" % len(data))


def wsgi_idle(environ: Environ, start_response: StartResponse) -> list[bytes]:
    if environ["PATH_INFO"] == COLLECT:
        gc.collect()
    return _wsgi_answer(start_response, HELLO)


Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def _asgi_answer(send: Send, data: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(data))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": data})


async def asgi_hello(scope: Scope, receive: Receive, send: Send) -> None:
    await _asgi_answer(send, HELLO)


async def asgi_answer(scope: Scope, receive: Receive, send: Send) -> None:
    await _asgi_answer(send, ANSWER)


async def asgi_upload(scope: Scope, receive: Receive, send: Send) -> None:
    pieces = []
    while True:
        message = await receive()
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    data = b"".join(pieces)
    await _asgi_answer(send, b"%d" % len(data))


def run_lasa(app: str, port: int) -> None:
    from lasa import check
    from lasa.http import server

    handlers = {"hello": lasa_hello, "answer": lasa_answer, "upload": lasa_upload, "idle": lasa_idle}
    check(server.new(f"127.0.0.1:{port}", access_log=False)).run(handlers[app])


def run_pywsgi(app: str, port: int) -> None:
    from gevent import monkey

    monkey.patch_all()
    from gevent.pywsgi import WSGIServer

    apps = {"hello": wsgi_hello, "answer": wsgi_answer, "upload": wsgi_upload, "idle": wsgi_idle}
    WSGIServer(("127.0.0.1", port), apps[app], log=None).serve_forever()


if __name__ == "__main__":
    {"lasa": run_lasa, "pywsgi": run_pywsgi}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
