"""WSGI applications under lasa's server: what PEP 3333 promises them, and what they promise their clients."""

from __future__ import annotations

import http.client
import io
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import flask
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lasa import check, socket
from lasa.errors import SocketClosed
from lasa.http import server, wsgi
from lasa.http.wsgi import RequestInput
from tests.helpers import settle
from tests.http import tools

Start = Callable[..., Callable[[bytes], None]]
Environ = dict[str, Any]

TEXT = [("Content-Type", "text/plain")]


@contextmanager
def serving(
    app: Any, where: str = "127.0.0.1:0", limits: dict[str, Any] | None = None, **options: Any
) -> Iterator[server.Server]:
    with tools.serving(wsgi.handler_of(app, **options), where, **(limits or {})) as made:
        yield made


class Reply:
    """An answer as http.client understands it; ``body`` raises IncompleteRead if it was cut."""

    def __init__(self, data: bytes, method: str) -> None:
        self.data = data
        self._response = http.client.HTTPResponse(_Stored(data), method=method)  # type: ignore[arg-type]
        self._response.begin()
        self.status = self._response.status
        self.headers = self._response.headers

    @property
    def body(self) -> bytes:
        return self._response.read()


class _Stored:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def connected(made: server.Server) -> socket.TcpSocket:
    return check(socket.connect(*made.address))


def ask(
    made: server.Server, target: str = "/", method: str = "GET", headers: Iterable[str] = (), body: bytes = b""
) -> Reply:
    """Ask once over a connection of its own; raw, so that the request may be as odd as it likes."""
    lines = [f"{method} {target} HTTP/1.1", "Host: a.test", "Connection: close", *headers]
    if body and not any(line.startswith(("Content-Length", "Transfer-Encoding")) for line in lines):
        lines.append(f"Content-Length: {len(body)}")
    with connected(made) as sock:
        sock.send(["\r\n".join(lines), "\r\n\r\n", body])
        data, err, partial = sock.receive("*a")
    assert err is None or partial is not None
    return Reply(data if data is not None else partial or b"", method)


def plain(*blocks: bytes, headers: list[tuple[str, str]] = TEXT) -> Any:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", headers)
        return list(blocks)

    return app


def seen_by(made_environ: list[Environ]) -> Any:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        made_environ.append({**environ, "body": environ["wsgi.input"].read()})
        start("200 OK", TEXT)
        return [b""]

    return app


# -- the environ


def test_the_validator_of_the_standard_library_finds_nothing_to_complain_about() -> None:
    def app(environ: Environ, start: Any) -> Iterable[bytes]:
        data = environ["wsgi.input"].read(5) + environ["wsgi.input"].readline()
        environ["wsgi.errors"].flush()
        write = start("200 OK", TEXT)
        write(b"written ")
        return [data, b" " + environ["REQUEST_METHOD"].encode()]

    with serving(validator(app)) as made:
        assert ask(made, "/a?b=c").body == b"written  GET"
        assert ask(made, "/a", "POST", body=b"12345678\nmore").body == b"written 12345678\n POST"
        assert ask(made, "/a", "HEAD").status == 200


def test_the_environ_says_what_the_request_said() -> None:
    seen: list[Environ] = []
    with serving(seen_by(seen)) as made:
        target = "/a%20b/%C3%A9%2Fx?q=%20&r"
        headers = ["Content-Type: text/x", "X-One: 1", "X-One: 2", "Cookie: a=1", "Cookie: b=2"]
        assert ask(made, target, "POST", headers, b"12345").status == 200
        port = str(made.address[1])
    environ = seen[0]
    expected = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a b/\xc3\xa9/x",
        "QUERY_STRING": "q=%20&r",
        "RAW_URI": target,
        "REQUEST_URI": target,
        "CONTENT_TYPE": "text/x",
        "CONTENT_LENGTH": "5",
        "HTTP_HOST": "a.test",
        "HTTP_X_ONE": "1,2",
        "HTTP_COOKIE": "a=1; b=2",
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "body": b"12345",
    }
    assert {name: environ.get(name) for name in expected} == expected
    assert environ["REMOTE_PORT"].isdigit()
    assert "HTTP_CONTENT_TYPE" not in environ


def test_a_header_whose_name_has_an_underscore_cannot_pass_for_the_proxys() -> None:
    seen: list[Environ] = []
    with serving(seen_by(seen)) as made:
        ask(made, headers=["X_Forwarded_For: evil", "X-Forwarded-For: proxy", "Content_Length: 7"])
    assert seen[0]["HTTP_X_FORWARDED_FOR"] == "proxy"
    assert "CONTENT_LENGTH" not in seen[0]


@pytest.mark.parametrize(
    ("target", "script_name", "path_info"),
    [("/shop/cart", "/shop", "/cart"), ("/shop", "/shop", ""), ("/shopping", "", "/shopping"), ("/", "", "/")],
)
def test_the_mount_is_taken_off_the_path(target: str, script_name: str, path_info: str) -> None:
    seen: list[Environ] = []
    with serving(seen_by(seen), script_name="/shop") as made:
        ask(made, target)
    assert (seen[0]["SCRIPT_NAME"], seen[0]["PATH_INFO"]) == (script_name, path_info)


def test_a_unix_path_has_names_that_frameworks_can_live_with(tmp_path: Path) -> None:
    seen: list[Environ] = []
    with serving(seen_by(seen), f"unix:{tmp_path}/web.sock") as made:
        assert ask(made).status == 200
    assert (seen[0]["SERVER_NAME"], seen[0]["SERVER_PORT"], seen[0]["REMOTE_ADDR"]) == ("localhost", "80", "")


def test_a_chunked_body_is_read_to_its_end_and_has_no_length() -> None:
    seen: list[Environ] = []
    with serving(seen_by(seen)) as made:
        ask(made, "/", "POST", ["Transfer-Encoding: chunked"], b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert seen[0]["body"] == b"abcde"
    assert "CONTENT_LENGTH" not in seen[0]


@pytest.mark.parametrize("name", ["", "shop", "/shop/"])
def test_a_bad_mount_and_a_bad_application_are_the_callers_mistakes(name: str) -> None:
    if name:
        with pytest.raises(ValueError, match="bad script_name"):
            wsgi.handler_of(plain(), script_name=name)
    with pytest.raises(TypeError, match="bad WSGI application"):
        wsgi.handler_of("app")  # type: ignore[arg-type]


# -- wsgi.input


@given(st.lists(st.binary(min_size=1, max_size=20)), st.lists(st.tuples(st.sampled_from("rlu"), st.integers(-1, 30))))
def test_the_input_reads_like_a_file_wherever_the_body_is_cut(
    pieces: list[bytes], reads: list[tuple[str, int]]
) -> None:
    rest = iter(pieces)
    body = RequestInput(lambda: next(rest, b""))
    like = io.BytesIO(b"".join(pieces))
    for kind, size in reads:
        if kind == "u":
            found = body.read1(size)
            assert found == like.read(len(found))
            assert found or size == 0 or like.read(1) == b""
        else:
            assert (body.read(size) if kind == "r" else body.readline(size)) == (
                like.read(size) if kind == "r" else like.readline(size)
            )
    assert list(body) == list(like)
    assert body.read() == b""


def test_a_body_that_breaks_off_is_remembered_as_the_servers_to_answer() -> None:
    def broken() -> bytes:
        raise SocketClosed

    body = RequestInput(broken)
    with pytest.raises(SocketClosed):
        body.readlines()
    assert isinstance(body.failure, SocketClosed)


def test_a_body_beyond_the_servers_limit_is_a_413_whatever_the_application_makes_of_it() -> None:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        try:
            environ["wsgi.input"].read()
        except OSError:
            pass
        start("400 Bad Request", TEXT)
        return [b"no idea"]

    with serving(app, limits={"max_body": 10}) as made:
        assert ask(made, "/", "POST", ["Transfer-Encoding: chunked"], b"b\r\n01234567890\r\n0\r\n\r\n").status == 413


# -- the answer


def test_blocks_in_a_list_are_sent_with_their_length() -> None:
    with serving(plain(b"one", b"", b"two")) as made:
        reply = ask(made)
    assert (reply.headers["Content-Length"], reply.body) == ("6", b"onetwo")


def test_an_iterable_is_sent_in_chunks_as_it_comes() -> None:
    def app(environ: Environ, start: Start) -> Iterator[bytes]:
        start("201 Created", TEXT)
        yield b""
        yield b"one"
        yield b"two"

    with serving(app) as made:
        reply = ask(made)
    assert (reply.status, reply.headers["Transfer-Encoding"], reply.body) == (201, "chunked", b"onetwo")


@pytest.mark.parametrize("as_list", [True, False])
def test_what_goes_beyond_the_content_length_is_not_sent(as_list: bool) -> None:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", [("Content-Length", "4")])
        blocks = [b"one", b"two", b"three"]
        return blocks if as_list else iter(blocks)

    with serving(app) as made:
        reply = ask(made)
    assert (reply.headers["Content-Length"], reply.body) == ("4", b"onet")
    assert reply.data.endswith(b"onet")


def test_a_body_shorter_than_its_content_length_is_cut_and_not_completed(caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: Environ, start: Start) -> Iterator[bytes]:
        start("200 OK", [("Content-Length", "4")])
        yield b"one"

    with serving(app) as made, pytest.raises(http.client.IncompleteRead):
        _ = ask(made).body
    assert "shorter than its Content-Length" in caplog.text


def test_a_whole_body_of_another_length_than_announced_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    with serving(plain(b"one", headers=[("Content-Length", "4")])) as made:
        assert ask(made).status == 500
    assert "Content-Length says 4" in caplog.text


def test_the_write_callable_sends_before_the_iterable() -> None:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        write = start("200 OK", TEXT)
        write(b"one ")
        write(b"")
        return [b"two"]

    with serving(app) as made:
        assert ask(made).body == b"one two"


def test_a_head_gets_the_head_alone_even_of_an_endless_body() -> None:
    closed = []

    def app(environ: Environ, start: Start) -> Iterator[bytes]:
        start("200 OK", TEXT)
        try:
            while True:
                yield b"more"
        finally:
            closed.append(True)

    with serving(app) as made:
        reply = ask(made, method="HEAD")
    assert reply.data.endswith(b"\r\n\r\n")
    assert closed == [True]


def test_a_head_keeps_the_applications_length_and_gets_none_that_is_made_up() -> None:
    with serving(plain(headers=[("Content-Length", "12")])) as made:
        assert ask(made, method="HEAD").headers["Content-Length"] == "12"
    with serving(plain()) as made:
        assert ask(made, method="HEAD").headers["Content-Length"] is None


@pytest.mark.parametrize(
    ("status", "line"),
    [
        ("200 Everything Fine", b"200 Everything Fine"),
        ("404 Nope", b"404 Nope"),
        ("304 Same", b"304 Same"),
        ("200 Gr\xfc\xdfe\tan alle", b"200 Gr\xfc\xdfe\tan alle"),
        ("418", b"418 I'm a Teapot"),
        ("418 ", b"418 I'm a Teapot"),
        ("299", b"299 "),
        ("600 Own", b"600 Own"),
        ("999 Request denied", b"999 Request denied"),
    ],
)
@pytest.mark.parametrize("way", ["list", "iterator", "write", "HEAD"])
def test_a_status_is_sent_with_the_applications_own_phrase(status: str, line: bytes, way: str) -> None:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        write = start(status, TEXT)
        if way == "write":
            write(b"x")
        return [b""] if way in ("list", "HEAD") else iter([b"x"])

    with serving(app) as made:
        reply = ask(made, method="HEAD" if way == "HEAD" else "GET")
    assert reply.data.startswith(b"HTTP/1.1 " + line + b"\r\n")
    assert reply.status == int(line[:3])


def test_phrases_are_not_mixed_up_where_the_rest_of_the_head_is_the_same() -> None:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 " + environ["PATH_INFO"], TEXT)
        return [b"x"]

    with serving(app) as made:
        lines = [ask(made, target).data.partition(b"\r\n")[0] for target in ("/a", "/b", "/a")]
    assert lines == [b"HTTP/1.1 200 /a", b"HTTP/1.1 200 /b", b"HTTP/1.1 200 /a"]


def test_options_of_the_server_as_a_whole_are_answered_by_the_server() -> None:
    called = []

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        called.append(environ["PATH_INFO"])
        start("204 No Content", [])
        return []

    with serving(app) as made:
        reply = ask(made, "*", "OPTIONS")
        assert (reply.status, reply.headers["Content-Length"], called) == (200, "0", [])
        assert ask(made, "/*", "OPTIONS").status == 204
    assert called == ["/*"]


def test_fields_of_the_connection_are_the_servers_but_for_the_wish_to_close() -> None:
    fields = [("Connection", "keep-alive"), ("Transfer-Encoding", "chunked"), ("Keep-Alive", "5"), ("X-A", "b")]
    with serving(plain(b"x", headers=fields)) as made:
        reply = ask(made)
        assert (reply.headers.get_all("Connection"), reply.headers["X-A"], reply.body) == (["close"], "b", b"x")
        assert "Transfer-Encoding" not in reply.headers
    with serving(plain(b"x", headers=[("Connection", "close")])) as made, connected(made) as sock:
        sock.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        data, _, _ = sock.receive("*a")
        assert data is not None
        assert b"\r\nConnection: close\r\n" in data


def test_a_file_is_sent_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(bytes(range(256)) * 1000)
    files = []

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", TEXT)
        files.append(path.open("rb"))
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](files[0], 8192)
        return wrapped

    with serving(app) as made:
        assert ask(made).body == path.read_bytes()
    assert files[0].closed


def test_a_client_that_does_not_read_slows_the_application_down() -> None:
    made_blocks = []

    def app(environ: Environ, start: Start) -> Iterator[bytes]:
        start("200 OK", TEXT)
        for number in range(1000):
            made_blocks.append(number)
            yield b"x" * 100_000

    with serving(app) as made, connected(made) as sock:
        sock.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert sock.receive(1)[0] == b"H"
        settle()
        assert 1 <= len(made_blocks) < 500


def test_two_requests_run_at_once() -> None:
    waiting: list[str] = []

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        waiting.append(environ["PATH_INFO"])
        if environ["PATH_INFO"] == "/first":
            environ["wsgi.input"].read()  # which is complete only once the second one has been answered
        start("200 OK", TEXT)
        return [b"ok"]

    with serving(app) as made, connected(made) as sock:
        sock.send("POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: close\r\n\r\n")
        assert ask(made, "/second").body == b"ok"
        sock.send("x")
        data, _, _ = sock.receive("*a")
        assert data is not None
        assert data.endswith(b"ok")
    assert waiting == ["/first", "/second"]


# -- start_response(), errors, close()


def test_an_error_of_the_application_is_a_500_that_says_nothing_about_it(caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", TEXT)
        raise ZeroDivisionError("secret")

    with serving(app) as made:
        reply = ask(made)
    assert reply.status == 500
    assert b"secret" not in reply.data
    assert "ZeroDivisionError: secret" in caplog.text


def test_an_error_behind_the_head_cuts_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: Environ, start: Start) -> Iterator[bytes]:
        start("200 OK", TEXT)
        yield b"one"
        raise ZeroDivisionError

    with serving(app) as made, pytest.raises(http.client.IncompleteRead):
        _ = ask(made).body
    assert "ZeroDivisionError" in caplog.text


def test_an_application_that_fails_in_time_may_answer_something_else() -> None:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", TEXT)
        try:
            raise ZeroDivisionError
        except ZeroDivisionError as error:
            start("503 Later", TEXT, (type(error), error, error.__traceback__))
        return [b"later"]

    with serving(app) as made:
        reply = ask(made)
    assert (reply.status, reply.body) == (503, b"later")


def test_an_application_that_fails_too_late_gets_its_own_error_back() -> None:
    raised = []

    def app(environ: Environ, start: Start) -> Iterator[bytes]:
        start("200 OK", TEXT)
        yield b"one"
        try:
            raise ZeroDivisionError
        except ZeroDivisionError as error:
            try:
                start("500 Oh", TEXT, (type(error), error, error.__traceback__))
            except ZeroDivisionError as again:
                raised.append(again is error)
                raise

    with serving(app) as made, pytest.raises(http.client.IncompleteRead):
        _ = ask(made).body
    assert raised == [True]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("OK", TEXT), "bad status"),
        (("20 OK", TEXT), "bad status"),
        (("200-OK", TEXT), "bad status"),
        (("100 Continue", TEXT), "bad status"),
        (("²00 OK", TEXT), "bad status"),
        (("1000 OK", TEXT), "bad status"),
        (("099 OK", TEXT), "bad status"),
        (("103 Early Hints", TEXT), "bad status"),
        (("200\tOK", TEXT), "bad status"),
        (("200 OK\r\nX: evil", TEXT), "bad status"),
        (("200 a\x00b", TEXT), "bad status"),
        (("200 a\x7f", TEXT), "bad status"),
        (("200 ĳ", TEXT), "bad status"),
        ((200, TEXT), "bad status"),
        ((b"200 OK", TEXT), "bad status"),
        (("200 OK", [("X", "a\r\nSet-Cookie: b")]), "bad header value"),
        (("200 OK", [("X Y", "a")]), "bad header name"),
        (("200 OK", [("X", 5)]), "strings expected"),
        (("200 OK", [("Content-Length", "+5")]), "bad Content-Length"),
    ],
)
def test_a_head_that_is_none_is_refused_at_once(
    caplog: pytest.LogCaptureFixture, arguments: tuple[Any, ...], text: str
) -> None:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start(*arguments)
        raise AssertionError("start_response() took it")

    with serving(app) as made:
        assert ask(made).status == 500
    assert text in caplog.text


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (lambda start: [b"x"], "did not call start_response"),
        (lambda start: start("200 OK", TEXT) and start("200 OK", TEXT), "called twice"),
        (lambda start: start("200 OK", TEXT) and ["text"], "bytes expected, got str"),
        (lambda start: start("200 OK", TEXT) and None, "NoneType"),
    ],
)
def test_what_is_no_wsgi_answer_is_a_500(caplog: pytest.LogCaptureFixture, answer: Any, text: str) -> None:
    with serving(lambda environ, start: answer(start)) as made:
        assert ask(made).status == 500
    assert text in caplog.text


class Closing:
    """An iterable that counts how often it is closed."""

    def __init__(self, blocks: Iterable[bytes], error: Exception | None = None) -> None:
        self.closed = 0
        self._blocks = blocks
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._blocks)

    def close(self) -> None:
        self.closed += 1
        if self._error is not None:
            raise self._error


def failing() -> Iterator[bytes]:
    yield b"one"
    raise ZeroDivisionError


def test_the_result_is_closed_once_whatever_happens() -> None:
    results = [Closing([b"one"]), Closing([]), Closing(failing()), Closing(["text"])]  # type: ignore[list-item]
    for result in results:

        def app(environ: Environ, start: Start, result: Closing = result) -> Iterable[bytes]:
            start("200 OK", TEXT)
            return result

        with serving(app) as made:
            ask(made)
    assert [result.closed for result in results] == [1, 1, 1, 1]


def test_the_result_is_closed_when_its_client_is_gone() -> None:
    result = Closing(b"x" * 100_000 for _ in range(1000))

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", TEXT)
        return result

    with serving(app) as made:
        with connected(made) as sock:
            sock.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert sock.receive(1)[0] == b"H"
        settle()
        assert result.closed == 1


def test_a_close_that_fails_does_not_spoil_an_answer_that_is_whole(caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", TEXT)
        return Closing([b"one", b"two"], ZeroDivisionError("late"))

    with serving(app) as made:
        assert ask(made).body == b"onetwo"
    assert "ZeroDivisionError: late" in caplog.text


# -- which kind it is


def one(request: Any) -> None: ...
def two(environ: Any, start_response: Any) -> None: ...
def any_number(*arguments: Any) -> None: ...
def optional(request: Any, limit: int = 5) -> None: ...
def three(a: Any, b: Any, c: Any) -> None: ...
def keyword(request: Any, *, limit: int = 5) -> None: ...


class Callable2:
    lasa_handler = True

    def __call__(self, *arguments: Any) -> None: ...


@pytest.mark.parametrize(
    ("app", "expected"),
    [
        (one, False),
        (keyword, False),
        (two, True),
        (any_number, True),
        (optional, True),
        (flask.Flask("x"), True),
        (Callable2(), False),
    ],
)
def test_an_application_is_told_from_a_handler_by_its_arguments_or_by_what_it_says(app: Any, expected: bool) -> None:
    assert wsgi.is_wsgi(app) is expected


@pytest.mark.parametrize(("app", "text"), [(three, "neither"), ("app", "function expected")])
def test_what_is_neither_is_refused(app: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        wsgi.is_wsgi(app)


# -- Flask


def flask_app() -> flask.Flask:
    app = flask.Flask("shop")

    @app.get("/item/<name>")
    def item(name: str) -> Any:
        return {"name": name, "url": flask.request.url}

    @app.post("/json")
    def as_json() -> Any:
        return flask.jsonify(sum(flask.request.get_json()))

    @app.post("/form")
    def form() -> Any:
        file = flask.request.files.get("file")
        return {"a": flask.request.form["a"], "file": None if file is None else len(file.read())}

    @app.post("/echo")
    def echo() -> Any:
        stream = flask.request.stream
        return flask.Response(iter(lambda: stream.read(10_000), b""), mimetype="application/x")

    @app.get("/stream")
    def stream() -> Any:
        return flask.Response((f"line {number}\n" for number in range(3)), mimetype="text/plain")

    @app.get("/fail")
    def fail() -> Any:
        raise ZeroDivisionError("secret")

    return app


@pytest.fixture
def shop() -> Iterator[server.Server]:
    with serving(flask_app()) as made:
        yield made


def test_flask_routes_and_sees_its_own_url(shop: server.Server) -> None:
    reply = ask(shop, "/item/caf%C3%A9%20au%20lait?x=1")
    assert json.loads(reply.body) == {"name": "café au lait", "url": "http://a.test/item/café%20au%20lait?x=1"}
    assert ask(shop, "/nothing").status == 404
    assert ask(shop, "/json").status == 405


def test_flask_reads_json_and_forms(shop: server.Server) -> None:
    assert ask(shop, "/json", "POST", ["Content-Type: application/json"], b"[1, 2, 3]").body == b"6\n"
    urlencoded = ["Content-Type: application/x-www-form-urlencoded"]
    assert json.loads(ask(shop, "/form", "POST", urlencoded, b"a=%C3%A9+1").body) == {"a": "é 1", "file": None}
    body = (
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; '
        b'name="file"; filename="f"\r\n\r\n' + b"x" * 100_000 + b"\r\n--b--\r\n"
    )
    reply = ask(shop, "/form", "POST", ["Content-Type: multipart/form-data; boundary=b"], body)
    assert json.loads(reply.body) == {"a": "1", "file": 100_000}


def test_flask_streams_and_takes_a_megabyte(shop: server.Server) -> None:
    assert ask(shop, "/stream").body == b"line 0\nline 1\nline 2\n"
    data = bytes(range(256)) * 4096
    assert ask(shop, "/echo", "POST", body=data).body == data


def test_an_exception_in_flask_is_its_500(shop: server.Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    reply = ask(shop, "/fail")
    assert reply.status == 500
    assert b"secret" not in reply.data
    assert "ZeroDivisionError: secret" in caplog.text


def test_the_host_of_an_absolute_target_goes_before_the_host_field() -> None:
    seen: list[str] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(environ["HTTP_HOST"])
        start_response("200 OK", [])
        return []

    with tools.serving(wsgi.handler_of(app)) as server:
        tools.talk(server, b"GET http://right:81/ HTTP/1.1\r\nHost: wrong\r\nConnection: close\r\n\r\n")
    assert seen == ["right:81"]
