"""Every code sample of the seed's manual runs as it is written there, and every name of it is there.

What is changed: its one missing comma, and the hosts of the internet, for which there are local ones.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import lasa
from lasa import thread
from lasa.http.server import Request
from lasa.lua import LuaFunction, Runtime, Settings
from tests.helpers import Peer, raw_listener
from tests.http.tools import serving

PRINTED = re.compile(r"\[lua\] \S+: (?:\S+\(\): )?(.*)", re.DOTALL)


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    with Runtime(settings=Settings()) as made:
        yield made


@pytest.fixture
def printed(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What the samples have printed so far."""
    caplog.set_level(logging.INFO, "lasa.lua")

    def lines() -> list[str]:
        found = [PRINTED.fullmatch(record.getMessage()) for record in caplog.records if record.name == "lasa.lua"]
        return [match[1] for match in found if match]

    return lines


CONNECT = """
local port = ...
local sock = lasa.socket.tcp()
assert(sock:connect("127.0.0.1", port))
local tcpsock = sock
"""


@contextmanager
def beside(code: LuaFunction, *arguments: Any) -> Iterator[tuple[Peer, Any]]:
    """Run code that connects to the port which is its first argument; the peer, and its light thread."""
    with raw_listener() as listener:
        running = thread.spawn(code, listener.getsockname()[1], *arguments)
        peer = Peer(listener.accept()[0])
        try:
            yield peer, running
        finally:
            peer.close()


def over_a_socket(runtime: Runtime, sample: str, data: bytes) -> Any:
    """Run a sample that has a connected socket, whose peer sends ``data`` and no more; return what it returns."""
    with beside(runtime.load(CONNECT + sample, "@sample.lua")) as (peer, running):
        peer.sendall(data)
        peer.finish()
        ok, *values = thread.wait(running)
        assert ok is True, values
        return values[0]


# -- lasa.socket.tcp


RECEIVE = """
 sock:settimeout(1000)  -- one second timeout
 local line, err, partial = sock:receive()
 if not line then
     print("failed to read a line: ", err)
     return
 end
 print("successfully read a line: ", line)
"""


def test_the_sample_of_receive_reads_a_line(runtime: Runtime, printed: Callable[[], list[str]]) -> None:
    over_a_socket(runtime, RECEIVE, b"hello\r\nmore")
    assert printed() == ["successfully read a line: hello"]


def test_the_sample_of_receive_tells_of_a_peer_that_is_gone(runtime: Runtime, printed: Callable[[], list[str]]) -> None:
    over_a_socket(runtime, RECEIVE, b"hel")
    assert printed() == ["failed to read a line: closed"]


BOUNDARY = """
 local reader = sock:receiveuntil("\\r\\n--abcedhb")
 local data, err, partial = reader()
 if not data then
     print("failed to read the data stream: ", err)
 end
 print("read the data stream: ", data)
"""


def test_the_sample_of_receiveuntil_reads_up_to_the_boundary(
    runtime: Runtime, printed: Callable[[], list[str]]
) -> None:
    over_a_socket(runtime, BOUNDARY, b"hello, world! -agentzh\r\n--abcedhb blah blah")
    assert printed() == ["read the data stream: hello, world! -agentzh"]


ITERATOR = """
 local reader = sock:receiveuntil("\\r\\n--abcedhb")
  while true do
     local data, err, partial = reader(4)
     if not data then
         if err then
             print("failed to read the data stream: ", err)
             break
         end
         print("read done")
         break
     end
     print("read chunk: [", data, "]")
 end
"""


def test_the_sample_of_the_iterator_prints_what_the_seed_says(
    runtime: Runtime, printed: Callable[[], list[str]]
) -> None:
    over_a_socket(runtime, ITERATOR, b"hello, world! -agentzh\r\n--abcedhb blah blah")
    chunks = ["hell", "o, w", "orld", "! -a", "gent", "zh"]
    assert printed() == [*[f"read chunk: [{chunk}]" for chunk in chunks], "read done"]


READLINE = """
 local readline = sock:receiveuntil("\\r\\n")
 sock:settimeout(1000)  -- one second timeout
 line, err, partial = readline()
 if not line then
     print("failed to read a line: ", err)
     return
 end
 print("successfully read a line: ", line)
"""


def test_the_sample_of_the_iterators_timeout_reads_a_line(runtime: Runtime, printed: Callable[[], list[str]]) -> None:
    over_a_socket(runtime, READLINE, b"a line\r\n")
    assert printed() == ["successfully read a line: a line"]


INCLUSIVE = """
 local reader = tcpsock:receiveuntil("_END_", { inclusive = true })
 local data = reader()
 print(data)
"""


def test_the_sample_of_inclusive_has_the_pattern_in_it(runtime: Runtime, printed: Callable[[], list[str]]) -> None:
    over_a_socket(runtime, INCLUSIVE, b"hello world _END_ blah blah blah")
    assert printed() == ["hello world _END_"]


SHORTCUT = """
 local connect = function(...)
 local sock = ngx.socket.tcp()
 local ok, err = sock:connect(...)
 if not ok then
     return nil, err
 end
 return sock
 end
"""


def test_the_sample_of_connect_is_what_connect_does(runtime: Runtime) -> None:
    with raw_listener() as listener:
        port = listener.getsockname()[1]
    outcomes = runtime.load(
        SHORTCUT + "local port = ... local _, a = connect('127.0.0.1', port)"
        "local _, b = lasa.socket.connect('127.0.0.1', port) return a, b"
    )(port)
    assert outcomes == (b"connection refused", b"connection refused")


def test_bind_accept_send_peek_and_close_are_there(runtime: Runtime) -> None:
    outcome = runtime.load("""
        local server = lasa.socket.tcp()
        assert(server:bind("127.0.0.1", 0))
        assert(server:listen())
        local _, port = server:getsockname()
        local t = lasa.thread.spawn(function()
            local client = assert(server:accept())
            local line = client:receive("*l")
            client:send("you said " .. line .. "\\n")
            return client:close()
        end)
        local sock = lasa.socket.connect("127.0.0.1", port)
        local before = sock:peek()
        local sent = sock:send("hello\\n")
        local line = sock:receive("*l")
        local ok, closed = lasa.thread.wait(t)
        return before, sent, line, ok, closed, sock:close(), server:close()
    """)()
    assert outcome == (False, 6, b"you said hello", True, 1, 1, 1)


# -- lasa.socket.udp


def test_udp_sockets_send_and_receive(runtime: Runtime) -> None:
    outcome = runtime.load("""
        local peer = lasa.socket.udp()
        assert(peer:setsockname("127.0.0.1", 0))
        local host, port = peer:getsockname()
        local udpsock = lasa.socket.udp()
        udpsock:settimeout(1000)
        assert(udpsock:setpeername(host, port))
        local ok = udpsock:send("ping")
        return ok, peer:receive(), udpsock:close(), peer:close()
    """)()
    assert outcome == (1, b"ping", 1, 1)


# -- lasa.http


def answer(request: Request) -> Any:
    if request.path == "/chunked":
        with request.respond(200, [("Content-Type", "text/plain")]) as response:
            for piece in ("one", "three", "eleven"):
                response.send(piece)
        return None
    return f"{request.method} {request.headers.get('content-type')} {request.read().decode()}"


POST = """
local httpc = lasa.http.client
local hc = httpc:new()
local ok, resp, chunked = hc:request({
        url     = "http://github.com",
        headers = {['Content-Type']='application/x-www-form-urlencoded'},
        body    = "hello world.",
        timeout = 30,
    })
"""

CHUNKED = """
local httpc = lasa.http.client
local hc = httpc:new()
local ok, resp, chunked = hc:request({
        url = 'http://www.163.com'
        })
    if chunked then
        while true do
            local resp = chunked()
            if not resp or not resp.body then break end
            print(#resp.body)
        end
    end
"""


def test_the_sample_of_a_post_is_answered(runtime: Runtime) -> None:
    with serving(answer) as server:
        sample = POST.replace("http://github.com", server.url)
        code = (
            sample + "return ok, resp.code, resp.status, resp.body, resp.headers['Content-Length'], chunked, hc:close()"
        )
        outcome = runtime.load(code)()
    body = b"POST application/x-www-form-urlencoded hello world."
    assert outcome == (True, 200, b"OK", body, b"51", None, 1)


def test_the_sample_of_a_chunked_body_prints_the_sizes_of_its_pieces(
    runtime: Runtime, printed: Callable[[], list[str]]
) -> None:
    with serving(answer) as server:
        runtime.load(CHUNKED.replace("http://www.163.com", f"{server.url}/chunked"))()
    assert printed() == ["3", "5", "6"]


def test_the_sample_of_a_chunked_body_reads_a_plain_one_without_a_reader(
    runtime: Runtime, printed: Callable[[], list[str]]
) -> None:
    with serving(answer) as server:
        body = runtime.load(CHUNKED.replace("http://www.163.com", server.url) + "return resp.body")()
    assert (body, printed()) == (b"GET None ", [])


def test_a_client_is_made_with_a_dot_and_with_a_colon(runtime: Runtime) -> None:
    kinds = runtime.load("return type(lasa.http.client.new()), type(lasa.http.client:new())")()
    assert kinds == (b"table", b"table")


# -- lasa.websocket


def test_websockets_talk_as_the_seed_says(runtime: Runtime) -> None:
    outcome = runtime.load("""
        local wb = assert(lasa.websocket.server.new("127.0.0.1:0"))
        local t = lasa.thread.spawn(function()
            local wbc, err = wb:accept()
            local seen = {}
            while true do
                local data, typ, err = wbc:recv_frame()
                seen[#seen + 1] = typ .. ":" .. data .. ":" .. tostring(err)
                if typ == "close" then
                    wbc:send_close(err, data)
                    wbc:close()
                    return seen
                elseif typ == "ping" then
                    wbc:send_pong(data)
                end
            end
        end)
        local client = lasa.websocket.client
        local wb_client, err = client:new({ timeout = 5000 })
        local ok, err = wb_client:connect(wb.url .. "/path", { protocols = { "a", "b" }, origin = "http://here" })
        assert(ok, err)
        wb_client:set_timeout(5000)
        local bytes = wb_client:send_text("text")
        wb_client:send_binary("binary")
        wb_client:send_ping()
        local data, typ = wb_client:recv_frame()
        wb_client:send_pong()
        wb_client:send_frame(false, 1, "part")
        wb_client:send_close(1000, "bye")
        local reason, kind, code = wb_client:recv_frame()
        local ok, seen = lasa.thread.wait(t)
        return bytes, data, typ, reason, kind, code, seen, wb_client:close()
    """)()
    seen = [b"text:text:nil", b"binary:binary:nil", b"ping::nil", b"pong::nil", b"text:part:again", b"close:bye:1000"]
    assert outcome == (10, b"", b"pong", b"bye", b"close", 1000, seen, 1)


# -- light threads, timers, semaphores


def test_light_threads_run_at_once_are_waited_for_and_killed(runtime: Runtime) -> None:
    outcome = runtime.load("""
        local order = {}
        local co = lasa.thread.spawn(function(a, b)
            order[#order + 1] = "spawned"
            lasa.sleep(0.001)
            return a + b
        end, 1, 2)
        order[#order + 1] = "after spawn"
        local ok, sum = lasa.thread.wait(co)
        local failing = lasa.thread.spawn(function() error("boom") end)
        local bad, err = lasa.thread.wait(failing)
        local sleeper = lasa.thread.spawn(lasa.sleep, 100)
        local killed = lasa.thread.kill(sleeper)
        return order, type(co), ok, sum, bad, killed, lasa.thread.kill(sleeper)
    """)()
    dead = (None, b"already waited or killed")
    assert outcome == ([b"spawned", b"after spawn"], b"thread", True, 3, False, 1, *dead)


def test_timers_call_back_with_premature_and_the_arguments(runtime: Runtime) -> None:
    outcome = runtime.load("""
        local sema = lasa.semaphore.new()
        local seen
        local tmr, err = lasa.timer.at(0.001, function(premature, a, b)
            seen = { premature, a, b }
            sema:post()
        end, "a", 2)
        local dead = lasa.timer.at(0.001, function() seen = "it was killed" end)
        lasa.timer.kill(dead)
        assert(sema:wait(5))
        return seen
    """)()
    assert outcome == [False, b"a", 2]


def test_semaphores_count_wait_and_post(runtime: Runtime) -> None:
    outcome = runtime.load("""
        local sema, err = lasa.semaphore.new(1)
        local taken = sema:wait(0)
        local ok, word = sema:wait(0)
        local waiter = lasa.thread.spawn(function() return sema:wait(5) end)
        local waiting = sema:count()
        sema:post(2)
        lasa.thread.wait(waiter)
        return taken, ok, word, waiting, sema:count()
    """)()
    assert outcome == (True, None, b"timeout", -1, 1)


# -- lasa.detach


def test_detach_runs_lua_code_and_a_lua_file_in_os_threads(runtime: Runtime, tmp_path: Path) -> None:
    channel = lasa.channel(2)
    file = tmp_path / "detached.lua"
    file.write_text("local channel = ... channel:send('file')")
    code = """
        local channel, file = ...
        local code = "local channel = ... channel:send('code') return 5"
        local conf = { name = "mine", content_by_lua = code, args = { channel } }
        local handle = lasa.detach(conf)
        local ok, value = handle:join(10)
        local second = lasa.detach({ content_by_file = file, args = { channel } })
        return handle.name, ok, value, second:join(10), handle:is_alive(), handle:error()
    """
    assert runtime.load(code)(channel, str(file)) == (b"mine", True, 5, True, False, None)
    assert [channel.receive(0), channel.receive(0)] == [(b"code", None), (b"file", None)]


# -- digests, texts, clocks, the log


def test_digests_and_texts_are_those_of_the_standards(runtime: Runtime) -> None:
    outcome = runtime.load("""
        return lasa.md5("a"), lasa.md5_bin("a"), lasa.sha1("a"), lasa.hmac_sha1("key", "a"), lasa.encode_base64("a?>"),
            lasa.encode_base64("a", true), lasa.decode_base64("YQ=="), lasa.decode_base64("*"),
            lasa.escape_uri("a b/ä"), lasa.unescape_uri("a%20b+c")
    """)()
    assert outcome == (
        hashlib.md5(b"a").hexdigest().encode(),
        hashlib.md5(b"a").digest(),
        hashlib.sha1(b"a").hexdigest().encode(),
        hmac.digest(b"key", b"a", "sha1"),
        base64.b64encode(b"a?>"),
        b"YQ",
        b"a",
        None,
        b"a%20b%2F%C3%A4",
        b"a b c",
    )


def test_uuids_and_clocks_have_the_seeds_units(runtime: Runtime) -> None:
    uuid, now_s, monotonic_us = runtime.load("return lasa.uuid(), lasa.now(), lasa.monotonictime()")()
    assert re.fullmatch(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", uuid)
    assert abs(now_s - lasa.now()) < 60
    assert abs(monotonic_us - lasa.monotonictime()) < 60e6


def test_log_takes_androids_levels(runtime: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "lasa")
    runtime.load("for level = 2, 8 do lasa.log(level, 'tag', level .. ' %s') end")()
    records = [(record.name, record.levelname, record.getMessage()) for record in caplog.records]
    levels = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
    assert records == [("lasa.tag", name, f"{level} %s") for level, name in enumerate(levels, 3)]


def test_log_complains_of_a_bad_level_at_the_callers_line(runtime: Runtime) -> None:
    code = "local ok, a = pcall(function() lasa.log(9, 't', 'm') end) local _, b = pcall(lasa.log, 4, nil) return a, b"
    a, b = runtime.load(code, "@log.lua")()
    assert a == b"log.lua:1: bad argument #1 to 'log' (bad log level: 9)"
    assert b == b"bad argument #2 to 'log' (string expected, got no value)"
