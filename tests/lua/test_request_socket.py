"""ngx.req.socket and ngx.on_abort: the client's connection in a script's hands, and resty.websocket.server on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lasa import websocket
from lasa.lua import Settings
from tests.conftest import Certificates
from tests.helpers import settle
from tests.http.tools import answers, connect, talk
from tests.lua.handlers import body_of, head, running, talk_lua

WEBSOCKET = Path("/usr/share/lua/5.1/nginx/websocket/server.lua")


# -- the body


def test_a_body_is_read_as_by_any_cosocket() -> None:
    code = """
        local sock = assert(ngx.req.socket())
        ngx.say(sock:receive(3), " ", sock:receive(), " ", sock:receiveuntil("--")())
        ngx.say(sock:receiveany(100))
        ngx.say(sock:receive(1))
    """
    assert body_of(code, method="POST", body=b"abcline\r\nxx--rest") == "abc line xx\nrest\nnilclosed\n"


def test_a_chunked_body_is_read_without_its_chunks() -> None:
    code = 'local sock = ngx.req.socket() ngx.say(sock:receive("*a"))'
    chunks = b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
    assert body_of(code, method="POST", headers=("Transfer-Encoding: chunked",), body=chunks) == "abcdefg\n"


def test_a_body_that_is_slow_times_out_and_is_read_on() -> None:
    code = """
        local sock = ngx.req.socket()
        sock:settimeout(20)
        local data, err, partial = sock:receive(10)
        waited = err .. partial
        sock:settimeout(10000)
        ngx.say(waited, " ", sock:receive(10 - #partial))
    """
    with running(code) as (runtime, server), connect(server) as sock:
        sock.send(head(method="POST", headers=("Content-Length: 10",), body=b"hello"))
        while runtime.load("return waited")() is None:
            settle()
        sock.send(b"world")
        answer = sock.receive("*a")[0]
    assert answer is not None
    assert answer.endswith(b"timeouthello world\n")


@pytest.mark.parametrize(
    ("before", "body", "word"),
    [
        ("", b"", "no body"),
        ("ngx.req.read_body()", b"x", "request body already exists"),
        ("ngx.req.discard_body()", b"x", "request body discarded"),
        ("ngx.req.socket()", b"x", "request body already exists"),
    ],
)
def test_a_body_is_there_once(before: str, body: bytes, word: str) -> None:
    assert body_of(f"{before} ngx.say(ngx.req.socket())", method="POST", body=body) == f"nil{word}\n"


def test_a_body_that_a_light_thread_waits_for_is_nobody_elses() -> None:
    code = """
        local reader = ngx.thread.spawn(function() ngx.req.read_body() return ngx.req.get_body_data() end)
        local said = { select(2, ngx.req.socket()), select(2, ngx.req.socket(true)),
            select(2, pcall(ngx.req.read_body)) }
        told = true
        local _, body = ngx.thread.wait(reader)
        ngx.say(table.concat(said, ", "), ", ", body)
    """
    with running(code) as (runtime, server), connect(server) as sock:
        sock.send(head(method="POST", headers=("Content-Length: 10",), body=b"hello"))
        while runtime.load("return told")() is None:
            settle()
        sock.send(b"world")
        answer = sock.receive("*a")[0]
    pending = b"pending request body reading in some other thread"
    assert answer is not None
    assert answer.endswith(b", ".join([b"request body already exists", pending, pending, b"helloworld\n"]))


def test_a_body_reader_reads_and_nothing_else() -> None:
    code = """
        local sock = ngx.req.socket()
        for _, name in ipairs { "receive", "receiveuntil", "settimeouts", "send", "close", "setkeepalive" } do
            ngx.print(name, "=", type(sock[name]), " ")
        end
    """
    expected = "receive=function receiveuntil=function settimeouts=function send=nil close=nil setkeepalive=nil "
    assert body_of(code, method="POST", body=b"x") == expected


# -- the connection


def test_the_raw_connection_is_the_scripts() -> None:
    code = """
        local sock = assert(ngx.req.socket(true))
        sock:send({ "ANY", " ", "BYTES\\n" })
        for _, call in ipairs { ngx.say, ngx.flush, ngx.eof, function() return ngx.req.socket(true) end } do
            sock:send({ select(2, call()), "\\n" })
        end
        sock:send("you said " .. sock:receive() .. "\\n")
    """
    acquired = "raw request socket acquired"
    assert talk_lua(code, head() + b"hello\r\n").decode().splitlines() == [
        "ANY BYTES",
        *[acquired] * 3,
        "duplicate call",
        "you said hello",
    ]


def test_a_body_is_read_from_the_raw_connection() -> None:
    code = "local sock = ngx.req.socket(true) sock:send('got ' .. sock:receive(5))"
    assert talk_lua(code, head(method="POST", body=b"12345")) == b"got 12345"


def test_a_head_may_be_sent_before_the_raw_connection_is_taken() -> None:
    code = """
        ngx.header.x = 1
        ngx.say("by ngx.say")
        ngx.flush(true)
        local sock = ngx.req.socket(true)
        sock:send("4\\r\\nraw\\n\\r\\n0\\r\\n\\r\\n")
    """
    [answer] = answers(talk_lua(code, head()))
    assert (answer.headers["x"], answer.body) == ("1", b"by ngx.say\nraw\n")


def test_an_error_with_the_raw_connection_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    assert talk_lua("ngx.req.socket(true):send('x') error('boom')", head()) == b"x"
    assert "lua entry thread aborted: runtime error: handler.lua:1: boom" in caplog.text


# -- WebSocket

ECHO = """
    local server = require "nginx.websocket.server"
    local wb, err = server:new { timeout = 10000, max_payload_len = 1048576 }
    if not wb then
        ngx.say(err)
        return
    end
    while true do
        local data, kind, err = wb:recv_frame()
        if not data then
            failed = err
            return
        elseif kind == "close" then
            wb:send_close(1000, "bye")
            return
        elseif kind == "ping" then
            wb:send_pong(data)
        elseif kind == "text" then
            wb:send_text(data)
        else
            wb:send_binary(data)
        end
    end
"""


@pytest.fixture
def library() -> None:
    """Debian's copy of lua-resty-websocket."""
    if not WEBSOCKET.exists():
        pytest.skip("apt-get install lua-nginx-websocket")


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.usefixtures("library")
def test_resty_websocket_server_talks_to_our_client(scheme: str, certificates: Certificates) -> None:
    options: dict[str, Any] = {"ssl": {"ssl_cert": certificates.issue("a.test")}} if scheme == "wss" else {}
    with running(ECHO, **options) as (_, server):
        wb, _ = websocket.client.new()
        assert wb is not None
        port = server.address[1]
        connected = wb.connect(f"{scheme}://127.0.0.1:{port}/", {"ssl_verify": False} if scheme == "wss" else None)
        assert connected == (1, None)
        wb.send_text("hello")
        assert wb.recv_frame() == (b"hello", "text", None)
        large = bytes(range(256)) * 200
        wb.send_binary(large)
        assert wb.recv_frame() == (large, "binary", None)
        wb.send_ping("p")
        assert wb.recv_frame() == (b"p", "pong", None)
        wb.send_close(1000, "done")
        assert wb.recv_frame() == (b"bye", "close", 1000)
        wb.close()


@pytest.mark.usefixtures("library")
def test_resty_websocket_server_tells_a_request_that_asks_for_none() -> None:
    assert body_of(ECHO) == 'bad "upgrade" request header: nil\n'


# -- the client's end


def test_on_abort_is_called_when_the_client_goes() -> None:
    code = """
        assert(ngx.on_abort(function()
            told = ngx.get_phase()
            ngx.exit(499)
        end))
        ready = true
        ngx.sleep(60)
        overslept = true
    """
    with running(code) as (runtime, server):
        with connect(server) as sock:
            sock.send(head())
            while runtime.load("return ready")() is None:
                settle()
        while server.connections:
            settle()
        assert (runtime.load("return told")(), runtime.load("return overslept")()) == (b"content", None)


def test_on_abort_waits_for_the_body_to_be_read() -> None:
    code = "ngx.on_abort(function() ended = 499 ngx.exit(499) end) ngx.req.read_body() ready = true ngx.sleep(60)"
    with running(code) as (runtime, server):
        with connect(server) as sock:
            sock.send(head(method="POST", body=b"x"))
            while runtime.load("return ready")() is None:
                settle()
        while server.connections:
            settle()
        assert runtime.load("return ended")() == 499


def test_without_on_abort_a_handler_goes_on() -> None:
    with running("ready = true while not go do ngx.sleep(0.001) end finished = true") as (runtime, server):
        with connect(server) as sock:
            sock.send(head())
            while runtime.load("return ready")() is None:
                settle()
        runtime.load("go = true")()
        while server.connections:
            settle()
        assert runtime.load("return finished")() is True


@pytest.mark.parametrize(
    ("wait", "code"),
    [
        ("ngx.sleep(60)", ""),
        ("ngx.thread.wait(ngx.thread.spawn(function() ngx.sleep(60) end))", ""),
        ("require('ngx.semaphore').new():wait(60)", ""),
        ("pcall(ngx.sleep, 60)", "said = true"),
        ("ngx.req.read_body() ngx.sleep(60)", ""),
    ],
)
def test_a_handler_is_ended_with_its_client_if_the_setting_says_so(wait: str, code: str) -> None:
    code = f"ready = true local t = ngx.thread.spawn(function() ngx.sleep(60) lived = true end) {wait} lived = true"
    with running(code, settings=Settings(check_client_abort=True)) as (runtime, server):
        with connect(server) as sock:
            sock.send(head(method="POST", body=b"x") if "body" in wait else head())
            while runtime.load("return ready")() is None:
                settle()
        while server.connections:
            settle()
        assert runtime.load("return lived")() is None


def test_a_client_that_stays_is_answered_with_the_setting_too() -> None:
    code = "ngx.sleep(0.001) ngx.print(tostring(ngx.on_abort(function() end)))"
    first = head().replace(b"Connection: close\r\n", b"")
    received = talk_lua(code, first + first + head(), settings=Settings(check_client_abort=True))
    assert [answer.body for answer in answers(received)] == [b"1"] * 3


@pytest.mark.parametrize(
    "read", ["receive(10)", "receive()", "receive('*a')", "receiveuntil('zz')()", "receiveuntil('zz')(20)"]
)
def test_a_body_that_is_cut_is_the_clients_fault(read: str) -> None:
    code = f"local sock = ngx.req.socket() local _, err, part = sock:{read} local _, after = sock:receive() " + (
        "said = err .. ', ' .. part .. ', ' .. after"
    )
    with running(code) as (runtime, server):
        with connect(server) as sock:
            sock.send(head(method="POST", headers=("Content-Length: 20",), body=b"hello"))
        while (said := runtime.load("return said")()) is None:
            settle()
        assert said == b"client aborted, hello, closed"


def test_a_client_that_stays_is_no_abort_and_its_next_request_is_answered() -> None:
    code = "local ok = ngx.on_abort(function() told = true end) ngx.sleep(0.01) ngx.say(ok, tostring(told))"
    first = head().replace(b"Connection: close\r\n", b"")
    assert [answer.body for answer in answers(talk_lua(code, first + first + head()))] == [b"1nil\n"] * 3


def test_on_abort_is_set_once() -> None:
    code = "ngx.on_abort(function() end) ngx.say(ngx.on_abort(function() end))"
    assert body_of(code) == "nilduplicate call\n"
    assert "(Lua function expected)" in body_of("ngx.say(select(2, pcall(ngx.on_abort, 1)))")


def test_a_handler_that_answers_leaves_no_watcher_behind() -> None:
    with running("ngx.on_abort(function() told = true end) ngx.say('x')") as (runtime, server):
        talk(server, head())
        settle()
        assert runtime.load("return told")() is None
        assert list(runtime.contexts.values()) == [runtime.default]
