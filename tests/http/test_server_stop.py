"""A server that stops: idle connections at once, running requests within the grace, the rest cut and reported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import lasa
from lasa import semaphore, thread
from lasa.http import server as http_server
from lasa.http.server import Request, Server
from tests.conftest import Certificates
from tests.helpers import nothing_left_open
from tests.http.tools import answers, connect, read_answer, serving, talk

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


class Gated:
    """A handler that answers /slow only once it may."""

    def __init__(self) -> None:
        self.gate, _ = semaphore.new(0)
        self.arrived, _ = semaphore.new(0)

    def __call__(self, request: Request) -> str:
        if request.path == "/slow":
            self.arrived.post()
            self.gate.wait(20)
        return "done"


def test_idle_connections_end_at_once_and_the_address_is_free() -> None:
    with nothing_left_open(), serving(Gated()) as server, connect(server) as fresh, connect(server) as used:
        used.send(GET)
        read_answer(used)
        while server.connections < 2:
            lasa.sleep(0.001)
        assert server.stop(10) == (True, [])
        assert fresh.receive("*a") == (b"", None, None)
        assert used.receive("*a") == (b"", None, None)
        again, err = http_server.new(f"127.0.0.1:{server.address[1]}", access_log=False)
        assert again is not None, err
        again.stop()


def test_a_running_request_finishes_and_its_connection_closes() -> None:
    handler = Gated()
    with serving(handler) as server, connect(server) as sock:
        sock.send(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        handler.arrived.wait(5)
        stopper = thread.spawn(server.stop, 10)
        assert thread.status(stopper) == "running"
        handler.gate.post()
        answer, rest = read_answer(sock)
        assert (answer.body, answer.headers["connection"], rest) == (b"done", "close", b"")
        assert sock.receive("*a") == (b"", None, None)
        assert thread.wait(stopper) == (True, True, [])


def test_what_does_not_finish_within_the_grace_is_cut_and_reported() -> None:
    cleaned = []
    arrived, _ = semaphore.new(0)

    def handler(request: Request) -> str:
        arrived.post()
        try:
            lasa.sleep(60)
        finally:
            cleaned.append(request.path)
        return "never"

    with nothing_left_open(), serving(handler) as server, connect(server) as sock, connect(server):
        sock.send(b"GET /slow?a HTTP/1.1\r\nHost: h\r\n\r\n")
        arrived.wait(5)
        ip, port = sock.getsockname()
        assert server.stop(0.01) == (True, [f"{ip}:{port} GET /slow?a"])
        assert cleaned == ["/slow"]
        assert sock.receive("*a") == (b"", None, None)


def test_a_stream_that_is_cut_does_not_look_whole() -> None:
    closed = []

    def pieces() -> Iterator[str]:
        try:
            while True:
                yield "tick"
                lasa.sleep(0.001)
        finally:
            closed.append(True)

    with serving(lambda request: (200, {}, pieces())) as server, connect(server) as old, connect(server) as new:
        old.send(b"GET / HTTP/1.0\r\n\r\n")
        new.send(GET)
        for sock in (old, new):
            assert b"tick" in (sock.receiveuntil("tick", inclusive=True)()[0] or b"")
        assert len(server.stop(0)[1]) == 2
        assert old.receive("*a")[1] == "connection reset by peer"
        assert not (new.receive("*a")[0] or b"").endswith(b"0\r\n\r\n")
    assert closed == [True, True]


def test_a_request_that_has_come_already_is_answered() -> None:
    with serving(Gated()) as server, connect(server) as sock:
        sock.send(GET)
        read_answer(sock)
        sock.send(GET)
        assert server.stop(10) == (True, [])
        answer, _ = read_answer(sock)
        assert (answer.body, answer.headers["connection"]) == (b"done", "close")


def test_a_handler_may_stop_its_server_and_still_answers() -> None:
    servers: list[Server] = []

    def handler(request: Request) -> Any:
        return repr(servers[0].stop(10))

    with serving(handler) as server:
        servers.append(server)
        [answer] = answers(talk(server, GET + GET))
    assert (answer.body, answer.headers["connection"]) == (b"(True, [])", "close")


def test_stopping_twice_the_second_may_be_less_patient() -> None:
    handler = Gated()
    with serving(handler) as server, connect(server) as sock:
        sock.send(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        handler.arrived.wait(5)
        patient = thread.spawn(server.stop, 20)
        assert len(server.stop(0)[1]) == 1
        assert thread.wait(patient) == (True, True, [])
        assert server.stop() == (True, [])


def test_a_server_that_was_stopped_before_it_ran_serves_nobody() -> None:
    with nothing_left_open():
        server, err = http_server.new("127.0.0.1:0")
        assert server is not None, err
        assert server.stop() == (True, [])
        assert server.run(lambda request: "x") == (True, None)


def test_a_server_runs_once_and_needs_a_handler() -> None:
    with serving(Gated()) as server:
        with pytest.raises(RuntimeError, match="runs already"):
            server.run(lambda request: "x")
        with pytest.raises(TypeError, match="bad handler"):
            server.run("handler")  # type: ignore[arg-type]


@pytest.mark.parametrize(("grace_s", "kind"), [(-1, ValueError), ("1", TypeError), (True, TypeError)])
def test_a_bad_grace_is_a_mistake(grace_s: Any, kind: type[Exception]) -> None:
    with serving(Gated()) as server, pytest.raises(kind, match="bad grace_s"):
        server.stop(grace_s)


def test_a_server_that_waits_for_a_place_stops_too() -> None:
    handler = Gated()
    with serving(handler, max_connections=1) as server, connect(server) as first, connect(server):
        first.send(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        handler.arrived.wait(5)
        assert len(server.stop(0)[1]) == 1


def test_a_head_that_is_half_there_is_cut_but_not_reported() -> None:
    with serving(Gated()) as server, connect(server) as sock:
        sock.send(b"GET / HT")
        while not server.connections:
            lasa.sleep(0.001)
        lasa.sleep(0)
        assert server.stop(0) == (True, [])
        assert sock.receive("*a")[1] in (None, "connection reset by peer")


WAITS = {
    "for a first byte": b"",
    "for the rest of a head": b"GET / HT",
    "for a body": b"POST /read HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe",
    "for a chunk": b"POST /read HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
    "for a client that takes no data": b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n",
    "for a client that takes no pieces": b"GET /pieces HTTP/1.1\r\nHost: h\r\n\r\n",
    "for something else": b"GET /sleep HTTP/1.1\r\nHost: h\r\n\r\n",
    "within a stream": b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n",
    "for a body that nobody wants": b"POST /no HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe",
    "for a refused client to end": b"GARBAGE\r\n\r\n",
    "for another protocol": b"GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
}


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("end", ["stop", "kill"])
@pytest.mark.parametrize("is_tls", [False, True])
def test_wherever_a_connection_waits_it_ends_and_leaves_nothing_open(
    wait: str, end: str, is_tls: bool, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    begun: list[str] = []
    ended: list[str] = []

    def pieces() -> Iterator[bytes]:
        try:
            while True:
                yield bytes(100_000)
        finally:
            ended.append("pieces")

    def handler(request: Request) -> Any:
        begun.append(request.path)
        try:
            match request.path:
                case "/read":
                    return request.read()
                case "/large":
                    return bytes(30_000_000)
                case "/pieces":
                    return 200, {}, pieces()
                case "/upgrade":
                    return request.upgrade().receiveany(5)
                case "/sleep":
                    return lasa.sleep(60)
                case "/stream":
                    with request.respond() as response:
                        response.send("x")
                        lasa.sleep(60)
            return "no"
        finally:
            ended.append(request.path)

    tls: dict[str, Any] = {"ssl": {"ssl_cert": certificates.issue("localhost")}} if is_tls else {}
    with nothing_left_open():
        server, err = http_server.new("127.0.0.1:0", access_log=False, **tls)
        assert server is not None, err
        runner = thread.spawn(server.run, handler)
        with connect(server) as sock:
            if is_tls:
                sock.sslhandshake(False, server_name="localhost", ca=certificates.ca)
            sock.send(WAITS[wait])
            while not server.connections:
                lasa.sleep(0.001)
            for _ in range(20):
                lasa.sleep(0)
            if end == "stop":
                server.stop(0)
                assert thread.wait(runner) == (True, True, None)
            else:
                thread.kill(runner)
            assert server.connections == 0
            sock.receive("*a")
    assert begun == [path for path in ended if path != "pieces"]
    assert ("pieces" in ended) == ("/pieces" in begun)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
