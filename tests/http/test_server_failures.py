"""Handlers that fail, clients that go, light threads that stay; and what is logged of it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

import lasa
from lasa import semaphore, thread
from lasa.errors import SocketClosed, SocketError
from lasa.http import server as http_server
from lasa.http._server.access_log import Served
from lasa.http.server import Request
from tests.helpers import nothing_left_open, settle
from tests.http.tools import answers, connect, read_answer, serving, talk

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


def returning(value: Any) -> Any:
    return lambda request: value


# -- handlers that fail


def test_an_exception_is_a_500_without_detail_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def handler(request: Request) -> Any:
        if request.path == "/":
            raise KeyError("secret")
        return "ok"

    with serving(handler) as server:
        data = talk(server, GET + LAST)
    first, second = answers(data)
    assert (first.status, first.body, second.status) == (500, b"500 Internal Server Error\n", 200)
    assert b"secret" not in data
    assert "KeyError: 'secret'" in caplog.text


@pytest.mark.parametrize("way", ["generator", "respond", "swallowed"])
def test_an_answer_that_fails_in_its_middle_never_looks_whole(way: str, caplog: pytest.LogCaptureFixture) -> None:
    def pieces() -> Iterator[str]:
        yield "first"
        raise KeyError("secret")

    def handler(request: Request) -> Any:
        if way == "generator":
            return 200, {}, pieces()
        try:
            with request.respond() as response:
                response.send("first")
                raise KeyError("secret")
        except KeyError:
            if way != "swallowed":
                raise
        return None

    with serving(handler) as server:
        data = talk(server, GET + GET)
        assert b"first" in data
        assert not data.endswith(b"\r\n0\r\n\r\n")
        [answer] = answers(data)
        assert not answer.is_whole
        with connect(server) as sock:  # HTTP/1.0 has no end but the connection's
            sock.send(OLD)
            received, err, _ = sock.receive("*a")
        assert (received, err) == (None, "connection reset by peer")
    assert ("handler failed" in caplog.text) == (way != "swallowed")


def test_an_exception_behind_a_whole_answer_is_logged_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def handler(request: Request) -> None:
        with request.respond() as response:
            response.send("whole")
        raise KeyError("late")

    with serving(handler) as server:
        found = answers(talk(server, GET + LAST))
    assert [(answer.body, answer.is_whole) for answer in found] == [(b"whole", True)] * 2
    assert "late" in caplog.text


def test_a_client_that_goes_while_it_is_sent_to_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[Any] = []

    def pieces() -> Iterator[bytes]:
        try:
            while True:
                yield b"x" * 65_536
        finally:
            ended.append("generator")

    def handler(request: Request) -> Any:
        if request.path == "/generator":
            return 200, {}, pieces()
        with request.respond() as response:
            try:
                while True:
                    response.send(b"x" * 65_536)
            except SocketError as error:
                ended.append(error)
                raise
        return None

    with nothing_left_open(), serving(handler) as server:
        for path in (b"/generator", b"/respond"):
            with connect(server) as sock:
                sock.send(b"GET %s HTTP/1.1\r\nHost: h\r\n\r\n" % path)
                sock.receive(100_000)
            while server.connections:
                lasa.sleep(0.001)
    assert ended[0] == "generator"
    assert isinstance(ended[1], ConnectionError)
    assert not caplog.records


def test_a_client_that_goes_while_it_is_read_from_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Any] = []

    def handler(request: Request) -> Any:
        try:
            return request.read()
        except SocketClosed as error:
            seen.append(error)
            raise

    with nothing_left_open(), serving(handler) as server:
        for head in (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n1234", CHUNKED + b"5\r\nhel"):
            with connect(server) as sock:
                sock.send(head)
                sock.shutdown("send")
                assert sock.receive("*a")[0] == b""
    assert len(seen) == 2
    assert not caplog.records


# -- light threads of a handler


def test_one_light_thread_may_read_while_another_answers() -> None:
    def handler(request: Request) -> None:
        received: list[bytes] = []
        reader = thread.spawn(lambda: received.extend(request.body))
        with request.respond() as response:
            response.send("listening")
            thread.wait(reader)
            response.send(b"".join(received))

    with serving(handler) as server, connect(server) as sock:
        sock.send(CHUNKED)
        data = b""
        while b"listening" not in data:
            data += sock.receiveany(100)[0] or b""
        sock.send(b"5\r\nhello\r\n0\r\n\r\n")
        answer, _ = read_answer(sock, already=data)
    assert answer.body == b"listeninghello"


def test_a_light_thread_that_outlives_its_handler_cannot_touch_the_next_request() -> None:
    gate, _ = semaphore.new(0)
    late: list[Any] = []

    def linger(request: Request, response: Any) -> None:
        gate.wait(5)
        for call in (
            request.read,
            lambda: list(request.body),
            request.respond,
            request.inform,
            request.upgrade,
            lambda: response.send("stolen"),
            response.end,
        ):
            try:
                call()
            except RuntimeError as error:
                late.append(str(error))

    def handler(request: Request) -> Any:
        if request.path == "/last":
            gate.post()
            settle()
            return request.read()
        with request.respond() as response:
            response.send("first")
        thread.spawn(linger, request, response)
        return None

    last = b"POST /last HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
    with serving(handler) as server:
        found = answers(talk(server, GET + last))
    assert [answer.body for answer in found] == [b"first", b"hello"]
    assert late == ["the request is over"] * 7


def test_a_light_thread_that_still_reads_when_the_answer_is_sent_ends_the_connection() -> None:
    ended: list[Any] = []

    def read(request: Request) -> None:
        try:
            request.read()
        except SocketError as error:
            ended.append(error.reason)

    def handler(request: Request) -> str:
        thread.spawn(read, request)
        return "early"

    with serving(handler) as server:
        [answer] = answers(talk(server, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n123"), "POST")
    assert answer.body == b"early"
    assert ended == ["closed"]


def test_two_readers_of_a_body_are_a_mistake_that_breaks_nothing() -> None:
    mistakes = []

    def read(request: Request) -> None:
        try:
            request.read()
        except RuntimeError as error:
            mistakes.append(str(error))

    def read_later(request: Request) -> None:
        lasa.sleep(0)
        read(request)

    def handler(request: Request) -> bytes:
        thread.spawn(read_later, request)
        return request.read()

    with serving(handler) as server, connect(server) as sock:
        sock.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n")
        while not mistakes:
            lasa.sleep(0.001)
        sock.send(b"hello")
        answer, _ = read_answer(sock)
    assert answer.body == b"hello"
    assert mistakes == ["the body was taken in pieces, or another light thread reads it"]


def test_a_server_whose_light_thread_is_killed_cuts_its_connections() -> None:
    waiting = []

    def handler(request: Request) -> str:
        waiting.append(request)
        lasa.sleep(30)
        return "never"

    with nothing_left_open():
        server, err = http_server.new("127.0.0.1:0", access_log=False)
        assert server is not None, err
        runner = thread.spawn(server.run, handler)
        with connect(server) as idle, connect(server) as sock:
            sock.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n")
            while not waiting:
                lasa.sleep(0.001)
            assert thread.kill(runner) == (1, None)
            assert idle.receive("*a") == (b"", None, None)
            assert sock.receive("*a") == (b"", None, None)
            for connection in list(server._connections):
                assert connection.job is not None


@pytest.mark.parametrize("way", ["chunked", "sized", "raises", "interim"])
def test_a_light_thread_that_still_sends_when_its_handler_is_done_ends_the_connection(
    way: str, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[Any] = []

    def send(request: Request, response: Any) -> None:
        try:
            if response is not None:
                response.send(bytes(20_000_000))
            while True:
                request.inform(103, {"x": "y" * 60_000})
        except SocketError as error:
            ended.append(error.reason)

    def handler(request: Request) -> Any:
        if request.path == "/last":
            return "SECOND"
        response = None
        if way != "interim":
            response = request.respond(200, {"content-length": 20_000_000} if way == "sized" else None)
        thread.spawn(send, request, response)
        if way == "raises":
            raise KeyError("done")
        return "first" if way == "interim" else None

    with nothing_left_open(), serving(handler) as server, connect(server) as sock:
        sock.send(GET + LAST)
        received, _, partial = sock.receive("*a")
    data = received or partial or b""
    assert data.startswith(b"HTTP/1.1 103" if way == "interim" else b"HTTP/1.1 200")
    assert len(data) < 20_000_000
    assert b"SECOND" not in data
    assert not data.endswith(b"\r\n0\r\n\r\n")
    assert ended == ["closed"]
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_light_thread_that_is_still_sending_breaks_the_end_of_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    def send(response: Any) -> None:
        with pytest.raises(SocketClosed):
            response.send(bytes(20_000_000))

    def handler(request: Request) -> None:
        with request.respond() as response:
            thread.spawn(send, response)

    with serving(handler) as server, connect(server) as sock:
        sock.send(GET + LAST)
        received, _, partial = sock.receive("*a")
    assert (received or partial or b"").count(b"HTTP/1.1") == 1
    assert "another light thread is sending" in caplog.text


@pytest.mark.parametrize("size", [4, 20_000_000])
def test_an_answer_to_http_1_0_whose_light_thread_is_killed_does_not_look_whole(size: int) -> None:
    begun: list[Any] = []

    def handler(request: Request) -> None:
        with request.respond() as response:
            begun.append(gevent.getcurrent())
            response.send(bytes(size))
            lasa.sleep(30)

    with nothing_left_open(), serving(handler) as server, connect(server) as sock:
        sock.send(OLD)
        assert sock.receive(4)[0] == b"HTTP"
        gevent.kill(begun[0])
        assert sock.receive("*a")[1] == "connection reset by peer"


@pytest.mark.parametrize("way", ["handler", "generator", "respond"])
def test_sys_exit_in_a_handler_is_a_failure_like_others(way: str, caplog: pytest.LogCaptureFixture) -> None:
    def pieces() -> Iterator[str]:
        yield "first"
        sys.exit(3)

    def handler(request: Request) -> Any:
        if request.path == "/last":
            return "goes on"
        if way == "generator":
            return 200, {}, pieces()
        if way == "respond":
            with request.respond():
                sys.exit(3)
        sys.exit(3)

    with serving(handler) as server:
        [answer] = answers(talk(server, GET.replace(b"Host", b"Connection: close\r\nHost")))
        assert (answer.status, answer.is_whole) == ((500, True) if way == "handler" else (200, False))
        assert talk(server, LAST).endswith(b"goes on")
    assert "SystemExit: 3" in caplog.text


def test_a_keyboard_interrupt_in_a_handler_ends_the_program(caplog: pytest.LogCaptureFixture) -> None:
    def handler(request: Request) -> str:
        raise KeyboardInterrupt

    with serving(handler) as server, connect(server) as sock:
        sock.send(LAST)
        with pytest.raises(KeyboardInterrupt):
            lasa.sleep(5)
        assert read_answer(sock)[0].status == 500
    assert "handler failed" in caplog.text


# -- the access log


def test_every_answer_is_logged_once_also_a_refusal_and_a_lost_client() -> None:
    lines: list[Served] = []

    def handler(request: Request) -> Any:
        return request.read()

    with serving(handler, access_log=lines.append) as server:
        head = b"POST /a HTTP/1.1\r\nHost: h\r\nUser-Agent: u\r\nReferer: r\r\nContent-Length: 5\r\n\r\n"
        talk(server, head + b"hello" + b"bad\r\n\r\n")
        with connect(server) as sock:
            sock.send(head)
            sock.shutdown("send")
            sock.receive("*a")
    assert [(line.method, line.target, line.http_version, line.status, line.sent_bytes) for line in lines] == [
        ("POST", "/a", "1.1", 200, 5),
        ("", "", "", 400, len("400 Bad Request: bad request line\n")),
        ("POST", "/a", "1.1", 499, 0),
    ]
    assert (lines[0].peer, lines[0].referer, lines[0].user_agent) == ("127.0.0.1", "r", "u")
    assert 0 <= lines[0].duration_s < 5


def test_the_access_log_goes_through_logging_even_if_that_is_set_up_later(caplog: pytest.LogCaptureFixture) -> None:
    with (
        serving(returning("x"), access_log=True) as server,
        caplog.at_level(logging.INFO, logger="lasa.http.access"),
    ):
        talk(server, LAST)
    assert '"GET /last HTTP/1.1" 200 1 ' in caplog.text


def test_an_access_log_that_fails_costs_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    def fail(served: Served) -> None:
        raise KeyError("log")

    with serving(returning("x"), access_log=fail) as server:
        found = answers(talk(server, GET + LAST))
    assert len(found) == 2
    assert caplog.text.count("access log failed") == 2


def test_a_timeout_of_gevent_in_a_handler_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    def handler(request: Request) -> str:
        with gevent.Timeout(0.001):
            lasa.sleep(10)
        return "never"

    with serving(handler) as server:
        [answer] = answers(talk(server, LAST))
    assert answer.status == 500
    assert "handler failed" in caplog.text
