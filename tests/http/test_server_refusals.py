"""What a request has got wrong, what a handler has, and how either is told: to the client, or to the log."""

from __future__ import annotations

import functools
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

import lasa
from lasa import thread
from lasa.http import client as http_client
from lasa.http import server as http_server
from lasa.http import wsgi
from lasa.http._wire.errors import ProtocolError
from lasa.http.server import Abort, Request
from lasa.socket import tcp
from tests.http.tools import answers, connect, read_answer, serving, talk

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


def posted(body: bytes, path: bytes = b"/", kind: bytes = b"text/plain") -> bytes:
    head = b"POST %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
    return head % (path, kind, len(body)) + body


def failing(error: Exception) -> Any:
    def handler(request: Request) -> Any:
        if request.path == "/last":
            return "last"
        raise error

    return handler


# -- a body is kept once it has been read


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        (b"application/json", b'{"a": 1}', {"a": 1}),
        (b"application/x-www-form-urlencoded", b"a=1&b=2", {"a": "1", "b": "2"}),
        (
            b"multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
            {"a": "1"},
        ),
    ],
)
def test_a_body_that_was_read_may_be_read_and_parsed_again(kind: bytes, body: bytes, expected: Any) -> None:
    def handler(request: Request) -> Any:
        assert request.read() == request.read() == body
        parsed = request.json() if b"json" in kind else dict(request.form())
        assert list(request.body) == list(request.body) == [body]
        source = wsgi.RequestInput(request.body.next_piece)  # behind a handler that has looked at the body
        assert source.read() == request.read() == body
        return parsed

    with serving(handler) as server:
        [answer] = answers(talk(server, posted(body, kind=kind)), "POST")
    assert (answer.status, json.loads(answer.body)) == (200, expected)


def test_a_request_without_a_body_reads_as_empty_again_and_again() -> None:
    with serving(lambda request: request.read() + request.read() + b"".join(request.body)) as server:
        [answer] = answers(talk(server, LAST))
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("method", ["read", "json", "form"])
def test_a_body_of_which_pieces_were_taken_cannot_be_read_as_a_whole(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    def handler(request: Request) -> Any:
        next(iter(request.body))
        return getattr(request, method)()

    with serving(handler) as server:
        [answer] = answers(talk(server, posted(b"a=1", kind=b"application/x-www-form-urlencoded")), "POST")
    assert answer.status == 500
    assert "the body was taken in pieces" in caplog.text


def test_a_second_read_fails_as_the_first_did_and_may_ask_for_more() -> None:
    said: list[str] = []

    def handler(request: Request) -> Any:
        for most in (2, 9, 2):
            try:
                said.append(request.read(most).decode())
            except OSError as error:
                said.append(str(error))
        return "ok"

    chunked = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    with serving(handler) as server:
        talk(server, posted(b"12345"))
        talk(server, chunked + b"5\r\n12345\r\n0\r\n\r\n")
        talk(server, chunked + b"1\r\n1\r\nzz\r\n")
    large = "request body too large"
    assert said == [large, "12345", large, *[large] * 3, *["illegal chunk header"] * 3]


# -- whose fault it is


def test_what_another_server_has_got_wrong_is_no_fault_of_the_client(caplog: pytest.LogCaptureFixture) -> None:
    upstream = tcp()
    assert upstream.bind("127.0.0.1", 0)[0]
    assert upstream.listen()[0]

    def speak() -> None:
        sock, _ = upstream.accept()
        assert sock is not None
        sock.receiveany(1000)
        sock.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n")
        sock.close()

    def handler(request: Request) -> Any:
        if request.path == "/own":
            raise ProtocolError("bad chunk", 431)
        client, _ = http_client.new()
        return client.get(f"http://127.0.0.1:{upstream.getsockname()[1]}/")[1].text()

    speaker = thread.spawn(speak)
    with serving(handler) as server:
        for path in (b"/", b"/own"):
            [answer] = answers(talk(server, LAST.replace(b"/last", path)))
            assert (answer.status, answer.body) == (500, b"500 Internal Server Error\n")
    assert thread.wait(speaker)[0]
    upstream.abort()
    assert caplog.text.count("handler failed") == 2


@pytest.mark.parametrize(
    ("data", "status", "said", "line"),
    [
        (posted(b"{", b"/json"), 400, "bad JSON", " POST /json: bad JSON"),
        (posted(b"{", b"/form"), 415, "no form", " POST /form: no form"),
        (posted(b"x" * 101, b"/read"), 413, "request body too large", " POST /read: request body too large"),
        (posted(b"1234", b"/four"), 413, "request body too large", " POST /four: request body too large"),
        (GET.replace(b"GET", b"GET "), 400, "bad request line", ": bad request line"),
        (GET.replace(b"/", b"/a#b", 1), 400, "bad request line", ": bad request line"),
        (GET.replace(b"Host", b"Expect: cake\r\nHost"), 417, "expectation not known", " GET /: expectation not known"),
        (GET.replace(b"/1.1", b"/2.0"), 505, "HTTP version not supported", ": HTTP version not supported"),
    ],
)
def test_a_request_that_is_wrong_is_told_to_the_client_and_to_who_looks(
    data: bytes, status: int, said: str, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "lasa.http.server")

    def handler(request: Request) -> Any:
        return request.read(3) if request.path == "/four" else getattr(request, request.path[1:])()

    with serving(handler, max_body=100) as server, connect(server) as sock:
        sock.send(data)
        answer, _ = read_answer(sock)
    assert answer.status == status
    assert re.fullmatch(rf"{status} [A-Za-z -]+: {said}\n", answer.body.decode())
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert re.fullmatch(r"127\.0\.0\.1:\d+" + re.escape(line), caplog.messages[0])


# -- Abort


def helper() -> None:
    raise Abort(404, "no such note")


@pytest.mark.parametrize(
    ("abort", "status", "kind", "body"),
    [
        (Abort(404, "no such note"), 404, "text/plain; charset=utf-8", b"no such note"),
        (Abort(409, {"a": 1}), 409, "application/json", b'{"a": 1}'),
        (Abort(429, [1], {"retry-after": "3"}), 429, "application/json", b"[1]"),
        (Abort(403), 403, None, b""),
        (Abort(302, headers={"location": "/"}), 302, None, b""),
        (Abort(200, iter(["a", "b"])), 200, None, b"ab"),
    ],
)
def test_an_abort_answers_what_the_handler_could_have_returned(
    abort: Abort, status: int, kind: str | None, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "lasa.http.server")
    with serving(failing(abort)) as server:
        first, second = answers(talk(server, GET + LAST))
    assert (first.status, first.headers.get("content-type"), first.body) == (status, kind, body)
    assert all(first.headers[name] == value for name, value in (abort.headers or {}).items())  # type: ignore[union-attr]
    assert second.body == b"last"
    assert not caplog.records


@pytest.mark.parametrize("way", ["with", "whole", "pieces", "bad"])
def test_an_abort_that_cannot_be_answered_is_a_failure(way: str, caplog: pytest.LogCaptureFixture) -> None:
    def pieces() -> Iterator[str]:
        yield "first"
        helper()

    def handler(request: Request) -> Any:
        if way == "pieces":
            return 200, {}, pieces()
        if way == "bad":
            raise Abort(404, object())
        with request.respond() as response:
            response.send("first")
            if way == "whole":
                response.end()
            helper()
        return None

    with serving(handler) as server:
        [answer] = answers(talk(server, LAST))
    assert (answer.status, answer.is_whole) == {
        "with": (200, False),
        "whole": (200, True),
        "pieces": (200, False),
        "bad": (500, True),
    }[way]
    assert "handler failed" in caplog.text


def test_an_abort_without_a_status_is_a_mistake_where_it_is_made() -> None:
    for bad in (99, 600, True, "404"):
        with pytest.raises((TypeError, ValueError), match="bad status"):
            Abort(bad)  # type: ignore[arg-type]
    assert str(Abort(404, "no such note")) == "answer 404"


# -- a handler's mistakes


@pytest.mark.parametrize(
    ("returned", "text"),
    [
        (({"a": 1}, 201), "(status, body) expected, got (dict, 201): (body, status)?"),
        (("text", 201, {"x": "1"}), "(status, headers, body) expected, got (body, status, headers)?"),
        (404, "bad body: 404; an answer without a body is: return 404, None"),
        (("200", "a"), "bad status: number expected, got str"),
        (True, "bad body: bytes, str or an iterable of them expected, got bool"),
    ],
)
def test_what_is_returned_in_another_order_is_told(returned: Any, text: str, caplog: pytest.LogCaptureFixture) -> None:
    with serving(lambda request: returned) as server:
        [answer] = answers(talk(server, LAST))
    assert answer.status == 500
    assert text in caplog.text


@pytest.mark.parametrize("way", ["respond()", "upgrade()"])
def test_a_value_returned_beside_another_answer_is_told_and_not_sent(
    way: str, caplog: pytest.LogCaptureFixture
) -> None:
    def handler(request: Request) -> Any:
        if way == "upgrade()":
            request.upgrade(101, {"upgrade": "any"}).send("sent")
        else:
            with request.respond() as response:
                response.send("sent")
        return "also"

    data = LAST.replace(b"close", b"upgrade\r\nUpgrade: any") if way == "upgrade()" else LAST
    with serving(handler) as server:
        received = talk(server, data)
    assert b"sent" in received
    assert b"also" not in received
    assert f" GET /last: the handler returned an answer beside {way}" in caplog.text
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def asynchronous(request: Request) -> str:
    return "never"


async def generating(request: Request) -> Any:
    yield "never"


class AsyncCallable:
    async def __call__(self, request: Request) -> str:
        return "never"


@pytest.mark.parametrize(
    ("handler", "text"),
    [
        (asynchronous, "it is async"),
        (generating, "it is async"),
        (AsyncCallable(), "it is async"),
        (functools.partial(asynchronous), "it is async"),
        (lambda: "x", "a function of one argument"),
        (lambda environ, start_response: [], "lasa.http.wsgi.handler_of"),
        (lambda request, *, database: "x", "a function of one argument"),
        ("handler", "function expected, got str"),
    ],
)
def test_what_cannot_answer_is_refused_before_it_is_asked(handler: Any, text: str) -> None:
    server, err = http_server.new("127.0.0.1:0", access_log=False)
    assert server is not None, err
    with pytest.raises(TypeError, match="bad handler") as caught:
        server.run(handler)
    assert text in str(caught.value)
    assert server.stop() == (True, [])


class Methods:
    def handle(self, request: Request, database: Any = None) -> str:
        return "ok"

    def __call__(self, *arguments: Any) -> str:
        return "ok"


@pytest.mark.parametrize("handler", [Methods().handle, Methods(), functools.partial(Methods.handle, Methods()), str])
def test_anything_that_takes_one_argument_is_a_handler(handler: Any) -> None:
    with serving(handler) as server:
        assert answers(talk(server, LAST))[0].status == 200


def test_sys_exit_in_a_wsgi_application_ends_no_server(caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/last":
            start_response("200 OK", [])
            return [b"last"]
        raise SystemExit(3)

    with serving(wsgi.handler_of(app)) as server:
        first, second = answers(talk(server, GET + LAST))
    assert (first.status, second.body) == (500, b"last")
    assert "SystemExit: 3" in caplog.text


def test_the_exception_of_an_answer_is_offered_where_users_look() -> None:
    assert lasa.http.server.Abort is Abort
    assert "Abort" in http_server.__all__


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary",
        b"--x\nbare",
        b"--x\r\n\r\nno head\r\n--x--",
        b"--x\r\nno colon\r\n\r\n\r\n--x--",
        b"--x\r\nBad Name: 1\r\n\r\n\r\n--x--",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\rX: \r\n\r\n\r\n--x--',
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\ncut',
        bytes(range(256)),
    ],
)
def test_a_malformed_form_is_told_once_and_by_no_other_logger_than_ours(
    body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), serving(lambda request: request.form()) as server:
        [answer] = answers(talk(server, posted(body, kind=b"multipart/form-data; boundary=x")))
    assert (answer.status, answer.body) == (400, b"400 Bad Request: bad form\n")
    told = [(record.name, record.levelname) for record in caplog.records if record.levelno > logging.DEBUG]
    assert told == [("lasa.http.server", "INFO")]
