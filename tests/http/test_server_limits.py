"""Each limit of a server, with what the client gets who is beyond it; slow clients, and many."""

from __future__ import annotations

import gc
import os
import tracemalloc
from typing import Any, NoReturn

import psutil
import pytest

import lasa
from lasa import _hub
from lasa._stream.listener import Listener
from lasa.errors import SocketTimeout, error_of
from lasa.http import server as http_server
from lasa.http import wsgi
from lasa.http._client.policy import Policy
from lasa.http._server.limits import ServerLimits
from lasa.http.server import Request
from lasa.socket import tcp
from tests.conftest import Certificates
from tests.helpers import nothing_left_open, settle
from tests.http.tools import answers, connect, read_answer, serving, talk

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
SHORT_S = 0.03


def echo(request: Request) -> bytes:
    return request.read()


def status_of(data: bytes) -> int:
    return answers(data, "POST")[0].status


@pytest.mark.parametrize(
    ("limit", "within", "beyond", "status"),
    [
        (
            {"max_request_line": 30},
            b"GET /" + b"a" * 14 + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
            b"GET /" + b"a" * 15 + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
            414,
        ),
        ({"max_head": len(LAST)}, LAST, LAST.replace(b"Host: h", b"Host: hh"), 431),
        ({"max_headers": 2}, LAST, LAST.replace(b"Host", b"X: y\r\nHost"), 431),
        ({"max_field": 19}, LAST, LAST.replace(b"Host", b"X:  " + b"y" * 14 + b"\r\nHost"), 431),
        (
            {"max_body": 5},
            LAST.replace(b"GET", b"POST").replace(b"Host", b"Content-Length: 5\r\nHost") + b"hello",
            LAST.replace(b"GET", b"POST").replace(b"Host", b"Content-Length: 6\r\nHost") + b"hello!",
            413,
        ),
        (
            {"max_body": 5},
            LAST.replace(b"Host", b"Transfer-Encoding: chunked\r\nHost") + b"5\r\nhello\r\n0\r\n\r\n",
            LAST.replace(b"Host", b"Transfer-Encoding: chunked\r\nHost") + b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n",
            413,
        ),
    ],
)
def test_a_size_beyond_its_limit_has_its_status(
    limit: dict[str, Any], within: bytes, beyond: bytes, status: int
) -> None:
    with serving(echo, **limit) as server:
        assert status_of(talk(server, within)) == 200
        assert status_of(talk(server, beyond)) == status


def test_a_read_has_a_limit_of_its_own() -> None:
    def handler(request: Request) -> bytes:
        return request.read(5)

    with serving(handler) as server:
        for body in (b"Content-Length: 6\r\n\r\nhello!", b"Transfer-Encoding: chunked\r\n\r\n6\r\nhello!\r\n0\r\n\r\n"):
            data = b"POST / HTTP/1.1\r\nHost: h\r\n" + body
            assert [answer.status for answer in answers(talk(server, data + LAST))] == [413, 200]


def test_a_head_that_does_not_end_is_a_408_however_often_something_comes() -> None:
    with serving(echo, head_timeout_s=SHORT_S) as server, connect(server) as sock:
        for byte in b"GET / HTTP/1.1\r\nX: " + b"x" * 1000:
            if sock.send(bytes([byte]))[0] is None:
                break
            if sock.peek():
                break
            lasa.sleep(0.002)
        answer, _ = read_answer(sock)
        assert (answer.status, answer.headers["connection"]) == (408, "close")


def test_a_second_head_that_does_not_end_is_a_408_too() -> None:
    with serving(echo, head_timeout_s=SHORT_S) as server:
        found = answers(talk(server, GET + b"GET / HT"))
    assert [answer.status for answer in found] == [200, 408]


def test_a_connection_without_a_request_is_closed_without_a_word() -> None:
    with serving(echo, head_timeout_s=SHORT_S, idle_timeout_s=60) as server:
        assert talk(server, b"") == b""


@pytest.mark.parametrize("first", [GET, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"])
def test_an_idle_connection_is_closed_without_a_word(first: bytes) -> None:
    with serving(echo, idle_timeout_s=SHORT_S) as server, connect(server) as sock:
        sock.send(first[:-1])
        settle()
        sock.send(first[-1:])
        [answer] = answers(sock.receive("*a")[0] or b"")  # within 30 s, which the other timeouts are
        assert answer.status == 200


def test_a_server_keeps_an_idle_connection_for_longer_than_a_client_so_that_no_request_meets_its_end() -> None:
    assert ServerLimits().idle_timeout_s == 75 > Policy().keepalive


@pytest.mark.parametrize("length", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
def test_a_body_that_stalls_is_a_408(length: bytes, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Any] = []

    def handler(request: Request) -> bytes:
        try:
            return request.read()
        except SocketTimeout as error:
            seen.append(error)
            raise

    with nothing_left_open(), serving(handler, body_timeout_s=SHORT_S) as server:
        [answer] = answers(talk(server, b"POST / HTTP/1.1\r\nHost: h\r\n" + length + b"\r\n\r\n2"), "POST")
    assert (answer.status, answer.headers["connection"]) == (408, "close")
    assert len(seen) == 1
    assert not caplog.records


def test_a_handler_may_go_on_answering_when_a_body_stalls() -> None:
    def handler(request: Request) -> None:
        with request.respond() as response:
            try:
                request.read()
            except SocketTimeout:
                response.send("too slow")

    with serving(handler, body_timeout_s=SHORT_S) as server:
        [answer] = answers(talk(server, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"), "POST")
    assert (answer.body, answer.is_whole) == (b"too slow", True)


def test_a_client_that_takes_no_data_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    with nothing_left_open(), serving(lambda request: bytes(20_000_000), send_timeout_s=SHORT_S) as server:
        with connect(server) as sock:
            sock.send(GET)
            while not server.connections:
                lasa.sleep(0.001)
            while server.connections:
                lasa.sleep(0.005)
            received, _, partial = sock.receive("*a")
        assert len(received or partial or b"") < 20_000_000
    assert not caplog.records


def test_so_many_connections_are_served_and_others_wait_their_turn() -> None:
    with serving(echo, max_connections=2) as server:
        first, second, third = connect(server), connect(server), connect(server)
        third.send(LAST)
        first.send(GET)
        read_answer(first)
        second.send(GET)
        read_answer(second)
        assert server.connections == 2
        assert not third.peek()
        first.close()
        answer, _ = read_answer(third)
        assert answer.status == 200
        second.close()
        third.close()


def test_so_many_requests_are_answered_on_a_connection() -> None:
    with serving(echo, max_requests=3) as server:
        found = answers(talk(server, GET * 5))
    assert [answer.headers.get("connection") for answer in found] == [None, None, "close"]


def test_a_tls_handshake_that_stalls_is_given_up(certificates: Certificates) -> None:
    with serving(echo, ssl={"ssl_cert": certificates.issue("localhost")}, tls_timeout_s=SHORT_S) as server:
        assert talk(server, b"\x16\x03\x01") == b""


def fail(word: str) -> NoReturn:
    raise error_of(word)


def test_accepting_goes_on_after_errors(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    words = ["too many open files", "protocol error", "no buffer space available", "timeout"]
    with serving(echo) as server:
        accept = Listener.accept
        monkeypatch.setattr(
            Listener, "accept", lambda self, wait_s: fail(words.pop()) if words else accept(self, wait_s)
        )
        assert status_of(talk(server, LAST)) == 200  # the accept() that was waiting
        assert status_of(talk(server, LAST)) == 200
    assert words == []
    assert caplog.text.count("no connection accepted") == 3


def test_a_listener_that_is_broken_ends_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    server, err = http_server.new("127.0.0.1:0", access_log=False)
    assert server is not None, err
    monkeypatch.setattr(Listener, "accept", lambda self, wait_s: fail("bad file descriptor"))
    assert server.run(echo) == (None, "bad file descriptor")


def test_two_thousand_connections_leave_nothing_behind() -> None:
    process = psutil.Process(os.getpid())
    count = 1000  # in each of two rounds, since both ends are descriptors of this process

    def round_of_connections() -> None:
        socks = [tcp() for _ in range(count)]
        for sock in socks:
            assert sock.connect(*server.address) == (1, None)
            sock.send(GET)
        for sock in socks:
            read_answer(sock)
            sock.close()
        while server.connections:
            lasa.sleep(0.001)
        gc.collect()

    with serving(echo) as server:
        round_of_connections()
        jobs, memory = len(_hub.live_jobs()), process.memory_info().rss
        round_of_connections()
        assert len(_hub.live_jobs()) == jobs
        assert process.memory_info().rss - memory < 4_000_000


def test_limits_have_safe_defaults_and_are_checked() -> None:
    limits = ServerLimits.parse({})
    assert all(getattr(limits, name) > 0 for name in ServerLimits.__slots__ if name != "heads")
    assert ServerLimits.parse({"max_body": "5", "max_head": 9}).heads.max_head == 9
    for bad in ({"max_body": 0}, {"max_body": -1}, {"max_body": "x"}, {"max_body": True}, {"idle_timeout_s": None}):
        with pytest.raises(ValueError, match='bad "'):
            ServerLimits.parse(bad)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("max_bodies", ', did you mean "max_body"?'),
        ("head_timeout", ', did you mean "head_timeout_s"?'),
        ("max_header", ', did you mean "max_headers"?'),
        ("acces_log", ', did you mean "access_log"?'),
        ("ssl_cert", ', did you mean ssl={"ssl_cert": ...}?'),
        ("zzz", ""),
    ],
)
def test_an_option_that_is_none_has_a_hint_where_one_is_near(name: str, hint: str) -> None:
    with pytest.raises(ValueError) as caught:
        ServerLimits.parse({name: 1})
    assert str(caught.value) == f'unknown option "{name}"{hint}'


CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("reads", ["request", "wsgi", "wsgi lines", "field"])
def test_a_body_in_tiny_chunks_takes_no_more_memory_than_twice_its_size(reads: str) -> None:
    chunks = 20_000
    first, last = b"", b""
    head = CHUNKED
    if reads == "field":
        first = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
        last = b"\r\n--b--\r\n"
        head = CHUNKED.replace(b"Host", b"Content-Type: multipart/form-data; boundary=b\r\nHost", 1)
        first, last = (b"%x\r\n%s\r\n" % (len(one), one) for one in (first, last))
    data = head + first + b"1\r\nx\r\n" * chunks + last + b"0\r\n\r\n"
    peaks = []

    def handler(request: Request) -> str:
        tracemalloc.start()
        try:
            if reads == "request":
                body: Any = request.read()
            elif reads == "field":
                body = request.form()["a"]
            else:
                source = wsgi.RequestInput(request.body.next_piece)
                body = source.read() if reads == "wsgi" else source.readline()
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        return str(len(body))

    with serving(handler) as server:
        [answer] = answers(talk(server, data), "POST")
    assert answer.body == b"%d" % chunks
    assert peaks[0] < 2 * chunks + 400_000  # what was read ahead comes to it; an object for each would be 1.2 MB


def test_chunk_extensions_are_bounded_and_those_in_use_are_taken() -> None:
    def chunked(size: int, extension: int, count: int) -> bytes:
        return CHUNKED + b"%x;%s\r\n%s\r\n" % (size, b"e" * extension, b"x" * size) * count + b"0\r\n\r\n"

    with serving(echo) as server:
        assert status_of(talk(server, chunked(1, 1000, 16))) == 200
        assert status_of(talk(server, chunked(4096, 200, 500))) == 200
        assert status_of(talk(server, chunked(1, 0, 20_000))) == 200
        [answer] = answers(talk(server, chunked(1, 1000, 18)), "POST")
    assert (answer.status, answer.body) == (400, b"400 Bad Request: chunk extensions too large\n")
