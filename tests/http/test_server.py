"""What handlers are told and may answer: raw conversations that h11 reads, and curl."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lasa import semaphore
from lasa.http.server import Request
from tests.helpers import settle
from tests.http.tools import answers, connect, curl, read_answer, serving, talk

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


def returning(value: Any) -> Any:
    return lambda request: value


# -- what a handler may return


@pytest.mark.parametrize(
    ("returned", "status", "kind", "body"),
    [
        ((201, {"content-type": "text/x"}, b"abc"), 201, "text/x", b"abc"),
        ((404, "gone"), 404, "text/plain; charset=utf-8", b"gone"),
        ("grün", 200, "text/plain; charset=utf-8", "grün".encode()),
        (b"\0", 200, "application/octet-stream", b"\0"),
        (bytearray(b"ab"), 200, "application/octet-stream", b"ab"),
        ({"a": [1, None]}, 200, "application/json", b'{"a": [1, null]}'),
        ([1, 2], 200, "application/json", b"[1, 2]"),
        ((204, None), 204, None, b""),
        ((200, {}, ["a", b"b", "", memoryview(b"c")]), 200, None, b"abc"),
        ((200, {"content-length": 3}, iter(["a", "bc"])), 200, None, b"abc"),
        ((200, [("x", "1"), ("x", "2")], b"s"), 200, None, b"s"),
        ((200, {"x": "1"}, "s"), 200, "text/plain; charset=utf-8", b"s"),
        ((200, {"content-type": "text/x"}, "s"), 200, "text/x", b"s"),
        ((201, {"location": "/1"}, {"a": 1}), 201, "application/json", b'{"a": 1}'),
        ((201, {"location": "/1"}, [{"a": 1}]), 201, "application/json", b'[{"a": 1}]'),
        ((200, {"content-type": "text/x+json"}, [1]), 200, "text/x+json", b"[1]"),
        ((200, {}, []), 200, None, b""),
    ],
)
def test_a_returned_value_becomes_an_answer(returned: Any, status: int, kind: str | None, body: bytes) -> None:
    with serving(returning(returned)) as server, connect(server) as sock:
        sock.send(GET)
        answer, rest = read_answer(sock)
    assert (answer.status, answer.headers.get("content-type"), answer.body, rest) == (status, kind, body, b"")
    assert answer.headers["server"] == "lasa"
    assert answer.headers["date"].endswith(" GMT")


@pytest.mark.parametrize(
    "returned",
    [
        None,
        5,
        (200,),
        (200, {}, "a", "b"),
        (99, "a"),
        (600, "a"),
        ("200", "a"),
        (True, "a"),
        (200, {}, {"a": {1}}),
        (200, {}, 5),
        (200, {"bad name": "x"}, "a"),
        (200, {"x": "a\r\nSet-Cookie: b"}, "a"),
        (200, {"content-length": 2}, "abc"),
        (200, {"content-length": "+3"}, "abc"),
        (200, {"transfer-encoding": "chunked"}, "abc"),
    ],
)
def test_a_return_value_without_meaning_is_a_500_and_the_connection_goes_on(
    returned: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(returning(returned)) as server:
        found = answers(talk(server, GET + LAST))
    assert [answer.status for answer in found] == [500, 500]
    assert found[0].body == b"500 Internal Server Error\n"
    assert [record.name for record in caplog.records] == ["lasa.http.server"] * 2


def test_a_file_is_sent_with_its_length_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(bytes(range(256)) * 1000)
    files: list[Any] = [path.open("rb"), io.BytesIO(b"skipped, sent")]
    files[1].seek(9)
    kept = list(files)
    with serving(lambda request: (200, {}, files.pop(0))) as server:
        first, second = answers(talk(server, GET + LAST))
    assert first.body == path.read_bytes()
    assert first.headers["content-length"] == "256000"
    assert (second.body, second.headers["content-length"]) == (b"sent", "4")
    assert all(file.closed for file in kept)


def test_a_text_file_is_sent_in_chunks_as_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("äöü", encoding="utf-8")
    with serving(lambda request: (200, {}, path.open(encoding="utf-8"))) as server:
        [answer] = answers(talk(server, LAST))
    assert answer.body == "äöü".encode()


@pytest.mark.parametrize(
    "condition",
    [
        b'If-None-Match: "a"',
        b"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
        b'If-Match: "b"',
        b"If-Unmodified-Since: Sun, 06 Nov 1984 08:49:37 GMT",
    ],
)
def test_conditions_are_the_handlers_to_look_at(condition: bytes) -> None:
    headers = {"etag": '"a"', "last-modified": "Sun, 06 Nov 1994 08:49:37 GMT"}

    def handler(request: Request) -> Any:
        return (304, headers, None) if request.path == "/same" else (200, headers, "whole")

    with serving(handler) as server:
        asked = b"GET / HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n" % condition
        whole, same = answers(talk(server, asked + LAST.replace(b"/last", b"/same")))
    assert (whole.status, whole.body, whole.headers["etag"]) == (200, b"whole", '"a"')
    assert (same.status, same.body, same.headers["etag"]) == (304, b"", '"a"')


def test_a_file_that_is_not_sent_is_closed_too() -> None:
    files = [io.BytesIO(b"x") for _ in range(3)]
    left = list(files)
    statuses: list[Any] = [204, 304, "bad"]
    with serving(lambda request: (statuses.pop(0), {}, left.pop(0))) as server:
        found = answers(talk(server, GET + GET + LAST))
    assert [answer.status for answer in found] == [204, 304, 500]
    assert all(file.closed for file in files)


def test_a_large_answer_is_whole() -> None:
    body = bytes(range(256)) * 20_000
    with serving(returning(body)) as server:
        [answer] = answers(talk(server, LAST))
    assert answer.body == body


# -- requests


def test_a_request_tells_what_the_client_said() -> None:
    seen: list[Any] = []

    def handler(request: Request) -> str:
        seen.append(request)
        return "ok"

    head = b"PUT /a%20b/%C3%A4?x=1&x=2&y=%26+z HTTP/1.1\r\nHost: h:80\r\nX-A: 1\r\nx-a: 2\r\nConnection: close\r\n\r\n"
    with serving(handler) as server:
        talk(server, head)
    [request] = seen
    assert (request.method, request.http_version, request.scheme) == ("PUT", "1.1", "http")
    assert request.target == "/a%20b/%C3%A4?x=1&x=2&y=%26+z"
    assert (request.path, request.raw_path) == ("/a b/ä", "/a%20b/%C3%A4")
    assert request.query_string == "x=1&x=2&y=%26+z"
    assert list(request.query.items()) == [("x", "1"), ("x", "2"), ("y", "& z")]
    assert request.headers.getall("X-a") == ["1", "2"]
    assert (request.host, request.peer[0]) == ("h:80", "127.0.0.1")
    assert "PUT" in repr(request)


@pytest.mark.parametrize(
    ("target", "path", "host"),
    [
        ("http://other:8/a/b?c", "/a/b", "other:8"),
        ("http://other", "/", "other"),
        ("http://other?x=/y", "/", "other"),
        ("/x?u=http://a/b", "/x", "h"),
        ("//x/y", "//x/y", "h"),
    ],
)
def test_an_absolute_target_goes_before_the_host(target: str, path: str, host: str) -> None:
    with serving(lambda request: [request.path, request.host]) as server:
        [answer] = answers(talk(server, f"GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode()))
    assert json.loads(answer.body) == [path, host]


def test_a_body_is_read_at_once_in_pieces_and_as_json() -> None:
    def handler(request: Request) -> Any:
        if request.path == "/read":
            return request.read()
        if request.path == "/json":
            return request.json()
        return b"".join(request.body) + b"".join(request.body)

    sized = b"POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n" + b'{"a": 10}'
    chunked = CHUNKED.replace(b"/", b"%s", 1) + b'4\r\n{"a"\r\n5;x\r\n: 10}\r\n0\r\n\r\n'
    data = b"".join(kind % path for path in (b"/read", b"/json", b"/pieces") for kind in (sized, chunked))
    with serving(handler) as server:
        found = answers(talk(server, data + LAST))
    assert [answer.body for answer in found] == [b'{"a": 10}'] * 6 + [b""]


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000, b'"\\ud800', b"1" * 10_000])
def test_bad_json_is_a_400_and_the_connection_goes_on(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    def handler(request: Request) -> Any:
        return "last" if request.path == "/last" else request.json()

    data = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with serving(handler) as server:
        found = answers(talk(server, data + LAST))
    assert [answer.status for answer in found] == [400, 200]
    assert not caplog.records


def test_forms_are_read_and_their_files_are_closed_behind_the_answer() -> None:
    kept: list[Any] = []

    def handler(request: Request) -> Any:
        form = request.form()
        assert request.form() is form
        kept.extend(value for value in form.values() if not isinstance(value, str))
        return [value if isinstance(value, str) else value.file.read().decode() for value in form.values()]

    with serving(handler) as server:
        output = curl(server.url, "-F", "name=Ann", "-F", "file=@-;filename=x.txt", data=b"content")
        assert json.loads(output) == ["Ann", "content"]
        assert json.loads(curl(server.url, "-d", "a=1", "-d", "a=%26")) == ["1", "&"]
    settle()
    assert [file.file.closed for file in kept] == [True]


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("text/plain", b"a=b", 415),
        ("multipart/form-data; boundary=x", b"--x\r\n", 400),
        ("multipart/form-data", b"--x\r\n", 400),
        ("application/x-www-form-urlencoded", b"a&" * 2000, 413),
    ],
)
def test_what_is_no_form_has_its_status(kind: str, body: bytes, status: int) -> None:
    head = f"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    with serving(lambda request: list(request.form())) as server, connect(server) as sock:
        sock.send(head.encode() + body)
        answer, _ = read_answer(sock)
    assert answer.status == status


# -- answers in pieces


def test_an_answer_in_pieces_is_on_its_way_before_the_next_is_made() -> None:
    gate, _ = semaphore.new(0)

    def handler(request: Request) -> None:
        with request.respond(200, {"content-type": "text/plain"}) as response:
            response.send("first")
            gate.wait(5)
            response.send(b"")
            response.send(bytearray(b"second"))
            response.end({"x-sum": "1"})

    with serving(handler) as server, connect(server) as sock:
        sock.send(GET)
        data = b""
        while b"first" not in data:
            data += sock.receiveany(65536)[0] or b""
        gate.post()
        answer, _ = read_answer(sock, already=data)
    assert (answer.body, answer.trailers) == (b"firstsecond", {"x-sum": "1"})
    assert answer.headers["transfer-encoding"] == "chunked"


def test_http_1_0_gets_a_stream_that_ends_with_the_connection() -> None:
    def handler(request: Request) -> None:
        with request.respond() as response:
            response.send("a")
            response.send("b")
            response.end({"x": "no trailers in HTTP/1.0"})

    with serving(handler) as server:
        data = talk(server, OLD)
    head, _, body = data.partition(b"\r\n\r\n")
    assert body == b"ab"
    assert b"transfer-encoding" not in head.lower()
    assert b"Connection: close" in head


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize("status", [200, 204, 304])
@pytest.mark.parametrize("way", ["bytes", "generator", "file", "respond"])
def test_an_answer_without_a_body_has_none_however_it_is_given(method: str, status: int, way: str) -> None:
    closed = []

    def pieces() -> Iterator[str]:
        try:
            yield "bo"
            yield "dy"
        finally:
            closed.append(True)

    def handler(request: Request) -> Any:
        if way == "respond":
            with request.respond(status) as response:
                response.send("body")
                response.end({"x": "trailer"} if method == "HEAD" else None)
            return None
        return status, {}, {"bytes": b"body", "generator": pieces(), "file": io.BytesIO(b"body")}[way]

    data = f"{method} / HTTP/1.1\r\nHost: h\r\n\r\n".encode() * 2 + LAST
    with serving(handler) as server:
        found = answers(talk(server, data), method, method, "GET")
    assert [answer.status for answer in found] == [status] * 3
    assert [answer.body for answer in found[:2]] == [b"body" if (method, status) == ("GET", 200) else b""] * 2
    assert "content-length" not in found[0].headers or status == 200
    if (method, status, way) in (("HEAD", 200, "bytes"), ("HEAD", 200, "file")):
        assert found[0].headers["content-length"] == "4"


def test_a_head_answer_may_say_a_length_that_it_does_not_have() -> None:
    with serving(returning((200, {"content-length": 1000}, b""))) as server:
        found = answers(talk(server, b"HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), "HEAD")
    assert [answer.headers["content-length"] for answer in found] == ["1000"]


def test_interim_answers_come_first_and_not_to_http_1_0() -> None:
    def handler(request: Request) -> str:
        request.inform(103, {"link": "</a.css>; rel=preload"})
        with pytest.raises(ValueError):
            request.inform(101)
        with pytest.raises(ValueError):
            request.inform(200)
        return "ok"

    with serving(handler) as server:
        [answer] = answers(talk(server, LAST))
        assert answer.informed == [103]
        assert b"103" not in talk(server, OLD)


@pytest.mark.parametrize(("length", "pieces"), [(3, ["ab", "cd"]), (5, ["ab", "cd"])])
def test_a_body_unlike_its_content_length_is_cut_and_logged(
    length: int, pieces: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with serving(returning((200, {"content-length": length}, pieces))) as server:
        [answer] = answers(talk(server, GET))
    assert not answer.is_whole
    assert "handler failed" in caplog.text


def test_trailers_behind_a_content_length_are_a_mistake(caplog: pytest.LogCaptureFixture) -> None:
    def handler(request: Request) -> None:
        with request.respond(200, {"content-length": 1}) as response:
            response.send("a")
            response.end({"x": "y"})

    with serving(handler) as server:
        talk(server, GET)
    assert "has no trailers" in caplog.text


def test_two_answers_to_a_request_are_a_mistake() -> None:
    def handler(request: Request) -> None:
        with request.respond() as response:
            for again in (request.respond, request.inform, request.upgrade):
                with pytest.raises(RuntimeError, match="answered already"):
                    again()
            response.end()
            with pytest.raises(RuntimeError, match="has ended"):
                response.send("x")

    with serving(handler) as server:
        [answer] = answers(talk(server, LAST))
    assert answer.is_whole


# -- curl as the client


def test_curl_gets_posts_streams_and_keeps_its_connection(tmp_path: Path) -> None:
    connections = []

    def handler(request: Request) -> Any:
        connections.append(request.peer)
        if request.path == "/sum":
            return str(sum(len(piece) for piece in request.body))
        if request.path == "/stream":
            return 200, {}, (f"{number}\n" for number in range(1000))
        return "hello"

    path = tmp_path / "large"
    path.write_bytes(b"x" * 3_000_000)
    with serving(handler) as server:
        url = server.url
        assert curl(url, url) == b"hellohello"
        assert connections[0] == connections[1]
        assert curl("-T", str(path), f"{url}/sum") == b"3000000"
        assert curl("-T", str(path), "-H", "Transfer-Encoding: chunked", f"{url}/sum") == b"3000000"
        assert curl("-T", str(path), "-H", "Expect: 100-continue", f"{url}/sum") == b"3000000"
        assert curl(f"{url}/stream") == b"".join(b"%d\n" % number for number in range(1000))
        assert curl("--http1.0", f"{url}/stream").endswith(b"999\n")
        assert b"200 OK" in curl("--head", url)
        assert curl("--http2", url) == b"hello"


def test_a_file_has_the_length_of_what_is_read_from_it(tmp_path: Path) -> None:
    packed = tmp_path / "packed.gz"
    with gzip.open(packed, "wb") as file:
        file.write(b"hello " * 2000)

    def handler(request: Request) -> Any:
        return gzip.open(packed, "rb") if request.path == "/gzip" else open("/proc/version", "rb")

    with serving(handler) as server:
        data = talk(
            server, b"GET /gzip HTTP/1.1\r\nHost: h\r\n\r\nGET /proc HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        )
    first, second = answers(data)
    assert first.body == b"hello " * 2000
    assert second.body == Path("/proc/version").read_bytes() != b""
