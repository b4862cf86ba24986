"""ngx.status, ngx.header and ngx.resp: the head of a response, compared with nginx's ngx_lua."""

from __future__ import annotations

import pytest

from tests.http.tools import connect, read_answer
from tests.lua.handlers import ask, body_of, head, running, talk_lua

SHOW = """
    local function show(value)
        return type(value) == "table" and "{" .. table.concat(value, ",") .. "}" or tostring(value)
    end
"""


def lines_of(code: str) -> list[str]:
    """The head that a handler sends, line by line."""
    return talk_lua(code, head()).decode().partition("\r\n\r\n")[0].split("\r\n")


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("ngx.header.x_one = 1", ["x-one: 1"]),
        ('ngx.header["X-One"] = { "a", 2 }', ["X-One: a", "X-One: 2"]),
        ('ngx.header.x = "a" ngx.header.X = "b"', ["x: b"]),
        ('ngx.header.x = { "a", "b" } ngx.header.x = "c"', ["x: c"]),
        ('ngx.header.x = "a" ngx.header.x = nil', []),
        ('ngx.header.x = "a" ngx.header.x = ""', []),
        ('ngx.header.x = "a" ngx.header.x = {}', []),
        ("ngx.header.x = true", ["x: true"]),
        ('ngx.header["a\\nb: c"] = "d\\r\\ne\\0"', ["a%0Ab%3A%20c: d%0D%0Ae%00"]),
        ('ngx.header["set-cookie"] = { "a=1", "b=2" }', ["set-cookie: a=1", "set-cookie: b=2"]),
        ('ngx.header.location = { "/a", "/b" }', ["location: /b"]),
        ('ngx.header.etag = { "a", "b" }', ["etag: b"]),
        ('ngx.header.x = { "", "a", "" }', ["x: a"]),
        ('ngx.header[""] = "a"', []),
        ('ngx.header[""] = { "a", "b" }', []),
        ('ngx.header.content_length = "0006" ngx.print("abcdef")', []),
        ('pcall(function() ngx.header.content_length = "99999999999999999999" end)', []),
        ('ngx.header.content_type = "a/b; charset=c"', ["Content-Type: a/b; charset=c"]),
        ('ngx.header.content_type = { "a/b", "c/d" }', ["Content-Type: c/d"]),
        ("ngx.header.content_type = nil", []),
        ('ngx.header.transfer_encoding = "chunked"', []),
        ('ngx.header.server = "mine"', ["server: mine"]),
    ],
)
def test_headers_are_sent_as_nginx_sends_them(code: str, lines: list[str]) -> None:
    ours = ("Server: lasa", "Date:", "Connection:", "Content-Length:")
    expected = lines if "content_type" in code else ["Content-Type: text/plain", *lines]
    assert [line for line in lines_of(code)[1:] if not line.startswith(ours)] == expected


def test_headers_read_back() -> None:
    code = (
        SHOW
        + """
        local said = {}
        local function get(name) said[#said + 1] = show(ngx.header[name]) end
        get "content_type" get "x"
        ngx.header.x_y = { "a", "b" } get "X-Y" get "x_y"
        ngx.header.content_type = "a/b" get "Content-Type"
        ngx.header.content_length = 5 get "content_length"
        ngx.header.content_length = nil get "content_length"
        ngx.print(table.concat(said, " "))
    """
    )
    assert body_of(code) == "nil nil {a,b} {a,b} a/b 5 nil"
    assert body_of('ngx.say("") ngx.print(ngx.header.content_type)') == "\ntext/plain"


def test_a_length_that_is_none_is_an_error() -> None:
    code = 'local ok, err = pcall(function() ngx.header.content_length = "abc" end) ngx.say(err)'
    assert body_of(code) == "handler.lua:1: failed to set header\n"


def test_status_reads_0_before_and_200_after_output() -> None:
    code = "ngx.print(ngx.status, ngx.headers_sent, ' ') ngx.print(ngx.status, ngx.headers_sent)"
    assert body_of(code) == "0false 200true"
    answer = ask('ngx.status = "202" ngx.say(ngx.status)')
    assert (answer.status, answer.body) == (202, b"202\n")


def test_what_comes_too_late_is_logged_and_dropped(caplog: pytest.LogCaptureFixture) -> None:
    answer = ask('ngx.say("x") ngx.header.late = 1 ngx.status = 404')
    assert (answer.status, "late" in answer.headers) == (200, False)
    assert [record.getMessage() for record in caplog.records] == [
        "attempt to set ngx.header.HEADER after sending out response headers",
        "attempt to set ngx.status after sending out response headers",
    ]


def test_a_status_that_is_none_is_logged_and_dropped(caplog: pytest.LogCaptureFixture) -> None:
    assert ask("ngx.status = 99").status == 200
    assert "invalid HTTP status code 99" in caplog.text


def test_all_headers_of_a_response_are_in_a_table() -> None:
    code = (
        SHOW
        + """
        ngx.header["X-One"] = { 1, 2 }
        ngx.say("")
        local headers = ngx.resp.get_headers()
        local names = {}
        for name, value in pairs(headers) do names[#names + 1] = name .. "=" .. show(value) end
        table.sort(names)
        ngx.say(table.concat(names, " "))
        ngx.say(show(headers.X_One), show(ngx.resp.get_headers(0, true)["X-One"]), (select(2, ngx.resp.get_headers(1))))
    """
    )
    expected = "connection=close content-type=text/plain transfer-encoding=chunked x-one={1,2}"
    assert body_of(code) == f"\n{expected}\n{{1,2}}{{1,2}}truncated\n"


def test_204_has_no_type_and_no_body() -> None:
    assert lines_of("ngx.status = 204")[0] == "HTTP/1.1 204 No Content"
    assert not any(line.startswith("Content-") for line in lines_of("ngx.status = 204 ngx.say('x')"))


def test_a_handler_may_close_the_connection() -> None:
    with running('ngx.header.connection = "close" ngx.say("bye")') as (_, server), connect(server) as sock:
        sock.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer, _ = read_answer(sock)
        assert answer.headers["connection"] == "close"
        assert sock.receive("*a")[0] == b""
