"""lasa.websocket in Lua: connections, frames and their errors; what the seed shows of it is in test_seed.py."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from lasa import thread, websocket
from lasa.lua import LuaError, Runtime, Settings
from tests.conftest import Certificates
from tests.helpers import nothing_left_open, settle


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    with Runtime(settings=Settings()) as made:
        yield made


SERVER = """
local where, serve = ...
local server = assert(lasa.websocket.server.new(where or "127.0.0.1:0"))
local function with_client(serve, client)
    local t = lasa.thread.spawn(function() return serve(assert(server:accept())) end)
    local wb = assert(lasa.websocket.client:new { timeout = 5000 })
    local function ended(...)
        lasa.thread.wait(t)
        server:close()
        return ...
    end
    return ended(client(wb, server.url))
end
"""


def outcome_of(runtime: Runtime, code: str, *arguments: Any) -> Any:
    return runtime.load(SERVER + code, "@websocket.lua")(*arguments)


def test_a_client_tells_the_server_what_the_options_say(runtime: Runtime) -> None:
    server, err = websocket.server.new("127.0.0.1:0", timeout=5000, protocols=["b"])
    assert server is not None, err
    running = thread.spawn(server.accept)
    outcome = runtime.load("""
        local wb = lasa.websocket.client.new()
        local options = { protocols = { "a", "b" }, origin = "http://here", headers = { ["X-A"] = "1" } }
        local ok, err = wb:connect(..., options)
        return ok, err, wb:get_protocol(), wb:send_text("hello")
    """)(f"{server.url}/path?q=1")
    ok, wb, _ = thread.wait(running)
    assert (ok, outcome) == (True, (1, None, b"b", 11))
    assert (wb.request.path, wb.request.query_string) == ("/path", "q=1")
    assert (wb.request.headers["origin"], wb.request.headers["x-a"]) == ("http://here", "1")
    assert wb.recv_frame() == (b"hello", "text", None)
    wb.close()
    server.close()


def test_every_kind_of_frame_comes_as_it_was_sent(runtime: Runtime) -> None:
    seen = outcome_of(
        runtime,
        """
        local seen = {}
        with_client(function(wbc)
            repeat
                local data, typ, err = wbc:recv_frame()
                seen[#seen + 1] = { data, typ, tostring(err) }
            until typ == "close"
            wbc:close()
        end, function(wb, url)
            wb:connect(url .. "/")
            wb:send_text("text")
            wb:send_text(12)
            wb:send_text(true)
            wb:send_text()
            wb:send_binary("\\0\\255")
            wb:send_frame(false, 0x1, "be")
            wb:send_continue("gin")
            wb:send_ping("ping")
            wb:send_pong("pong")
            wb:send_close()
            wb:recv_frame()
        end)
        return seen
    """,
    )
    assert seen == [
        [b"text", b"text", b"nil"],
        [b"12", b"text", b"nil"],
        [b"true", b"text", b"nil"],
        [b"", b"text", b"nil"],
        [b"\0\xff", b"binary", b"nil"],
        [b"be", b"text", b"again"],
        [b"gin", b"continuation", b"nil"],
        [b"ping", b"ping", b"nil"],
        [b"pong", b"pong", b"nil"],
        [b"", b"close", b"nil"],
    ]


def test_a_receive_that_times_out_goes_on_later(runtime: Runtime) -> None:
    outcome = outcome_of(
        runtime,
        """
        local go = lasa.semaphore.new()
        return with_client(function(wbc)
            go:wait(5)
            wbc:send_text("late")
            wbc:recv_frame()
        end, function(wb, url)
            wb:connect(url)
            wb:set_timeout(10)
            local data, typ, err = wb:recv_frame()
            wb:set_timeout(5000)
            go:post()
            local late = wb:recv_frame()
            wb:close()
            return data, typ, err, late
        end)
    """,
    )
    assert outcome == (None, None, b"failed to receive the first 2 bytes: timeout", b"late")


def test_after_a_close_frame_nothing_can_be_sent(runtime: Runtime) -> None:
    outcome = outcome_of(
        runtime,
        """
        return with_client(function(wbc)
            local reason, typ, code = wbc:recv_frame()
            wbc:send_close(code, reason)
            wbc:close()
        end, function(wb, url)
            wb:connect(url)
            wb:send_close(3000, "enough")
            local _, again = wb:send_text("more")
            local reason, typ, code = wb:recv_frame()
            return again, reason, typ, code, wb:close(), select(2, wb:close())
        end)
    """,
    )
    assert outcome == (b"already closed", b"enough", b"close", 3000, 1, b"closed")


def test_a_payload_that_is_too_big_is_fatal(runtime: Runtime) -> None:
    outcome = outcome_of(
        runtime,
        """
        local t = lasa.thread.spawn(function() return assert(server:accept()):recv_frame() end)
        local wb = lasa.websocket.client:new { max_payload_len = 10 }
        wb:connect(server.url)
        local _, big = wb:send_text(("x"):rep(11))
        local _, fatal = wb:send_text("x")
        local _, word = wb:close()
        local ok, _, _, err = lasa.thread.wait(t)
        server:close()
        return big, fatal, word, err
    """,
    )
    fatal = b"fatal error already happened"
    assert outcome == (b"payload too big", fatal, fatal, b"failed to receive the first 2 bytes: closed")


def test_an_idle_connection_is_kept_and_taken_again(runtime: Runtime) -> None:
    outcome = outcome_of(
        runtime,
        """
        local accepted = 0
        local t = lasa.thread.spawn(function()
            local wbc = assert(server:accept())
            accepted = accepted + 1
            for i = 1, 2 do wbc:send_text("echo " .. wbc:recv_frame()) end
            wbc:recv_frame()
        end)
        local words = {}
        for i = 1, 2 do
            local wb = lasa.websocket.client:new()
            assert(wb:connect(server.url .. "/kept"))
            wb:send_text(i)
            words[i] = wb:recv_frame()
            words[i + 2] = wb:set_keepalive(1000, 5)
        end
        local wb = lasa.websocket.client:new()
        wb:connect(server.url .. "/kept")
        wb:close()
        lasa.thread.wait(t)
        server:close()
        return words, accepted
    """,
    )
    assert outcome == ([b"echo 1", b"echo 2", 1, 1], 1)


def test_wss_needs_a_certificate_that_is_trusted(runtime: Runtime, certificates: Certificates) -> None:
    pem = certificates.issue("localhost", "127.0.0.1")
    code = """
        local pem, ca = ...
        local ssl = { ssl_cert = pem, ssl_key = pem }
        local server = assert(lasa.websocket.server.new { host = "127.0.0.1:0", ssl = ssl })
        local t = lasa.thread.spawn(function()
            local wbc, err
            repeat wbc, err = server:accept() until wbc or err == "closed"
            return wbc:recv_frame()
        end)
        local wb = lasa.websocket.client.new()
        local ok, err = wb:connect(server.url)
        assert(wb:connect(server.url, { ssl_ca = ca }))
        wb:send_text("safe")
        local _, data = lasa.thread.wait(t)
        wb:close()
        server:close()
        return server.url:match("^%w+"), ok, err:match("^ssl handshake failed"), data
    """
    outcome = runtime.load(code)(pem, certificates.ca)
    assert outcome == (b"wss", None, b"ssl handshake failed", b"safe")


def test_a_server_that_refuses_or_is_not_there_has_a_word(runtime: Runtime) -> None:
    outcome = outcome_of(
        runtime,
        """
        local wb = lasa.websocket.client.new()
        local _, bad = wb:connect("http://127.0.0.1/")
        local url = server.url
        local taken, err = lasa.websocket.server.new("127.0.0.1:" .. server.port)
        server:close()
        local _, refused = wb:connect(url)
        return bad, refused, taken, err, select(2, server:close())
    """,
    )
    refused = b"failed to connect: connection refused"
    assert outcome == (b"bad websocket uri", refused, None, b"address already in use", b"closed")


def test_error_words_are_lua_s_own_strings(runtime: Runtime) -> None:
    outcome = outcome_of(
        runtime,
        """
        server:set_timeout(1)
        local words = { (select(2, server:accept())) }
        local wb = lasa.websocket.client.new()
        words[#words + 1] = select(2, wb:connect("http://127.0.0.1/"))
        words[#words + 1] = select(2, wb:send_close("none"))
        words[#words + 1] = select(2, wb:send_text("early"))
        words[#words + 1] = select(3, wb:recv_frame())
        words[#words + 1] = select(2, wb:set_keepalive())
        words[#words + 1] = select(2, wb:close())
        server:close()
        local kinds = {}
        for at, word in ipairs(words) do kinds[at] = type(word) .. #word end
        return table.concat(kinds, " "), table.concat(words, "; ")
    """,
    )
    words = ["timeout", "bad websocket uri", "bad status code", "failed to send frame: closed"]
    words += ["fatal error already happened"] * 3
    assert outcome == (" ".join(f"string{len(word)}" for word in words).encode(), "; ".join(words).encode())


def test_accept_times_out_and_ends_with_the_server(runtime: Runtime) -> None:
    outcome = outcome_of(
        runtime,
        """
        server:set_timeout(10)
        local _, timeout = server:accept()
        server:set_timeout(5000)
        local t = lasa.thread.spawn(function() return server:accept() end)
        server:close()
        return timeout, select(3, lasa.thread.wait(t))
    """,
    )
    assert outcome == (b"timeout", b"closed")


def test_a_client_of_another_kind_is_refused_and_the_server_goes_on(runtime: Runtime) -> None:
    outcome = outcome_of(
        runtime,
        """
        local t = lasa.thread.spawn(function()
            local wbc, err = server:accept()
            return err, server:accept()
        end)
        local _, resp = lasa.http.client.new():request("http://127.0.0.1:" .. server.port .. "/")
        local wb = lasa.websocket.client.new()
        local ok = wb:connect(server.url)
        local _, err, wbc = lasa.thread.wait(t)
        wbc:close()
        wb:close()
        server:close()
        return resp.code, ok, err:match("upgrade"), wbc.path
    """,
    )
    assert outcome == (426, 1, b"upgrade", b"/")


@pytest.mark.parametrize("code", ["'1000'", "'x'", "true", "{}", "32768", "0/0"])
def test_a_close_code_is_a_number_and_no_text_of_one(runtime: Runtime, code: str) -> None:
    outcome = runtime.load(f"return lasa.websocket.client.new():send_close({code}, 'bye')")()
    assert outcome == (None, b"bad status code")


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        ("wb:connect()", "bad argument #1 to 'connect' (string expected, got no value)"),
        ("wb:connect('ws://a/', 5)", "bad argument #2 to 'connect' (table expected, got number)"),
        ("wb:connect('ws://a/', { bogus = 1 })", 'unknown option "bogus"'),
        ("wb:connect('ws://a/', { headers = 5 })", "custom headers must be a table"),
        ("wb:connect('ws://a/', { pool = {} })", 'bad "pool" option type: table'),
        ("wb:connect('ws://a/', { pool_size = 'x' })", 'bad "pool_size" option type: string'),
        ("wb:send_text({})", "bad argument #1 to 'send_text' (string expected, got table)"),
        ("wb:send_close(1000, {})", "bad argument #2 to 'send_close' (string expected, got table)"),
        ("wb:send_frame(true, {})", "bad argument #2 to 'send_frame' (number expected, got table)"),
        ("wb:send_frame(true, 16)", "bad opcode: 16"),
        ("wb:set_timeout({})", "bad argument #1 to 'set_timeout' (number expected, got table)"),
        ("wb:set_timeout(2 ^ 31)", "bad argument #1 to 'set_timeout' (bad timeout value)"),
        ("wb:set_keepalive({})", "bad argument #1 to 'set_keepalive' (number expected, got table)"),
        ("wb.recv_frame()", "calling 'recv_frame' on bad self (a WebSocket expected)"),
        ("lasa.websocket.client.new { bogus = 1 }", 'unknown option "bogus"'),
        ("lasa.websocket.client:new(5)", "bad argument #1 to 'new' (table expected, got number)"),
        ("lasa.websocket.server.new()", "bad argument #1 to 'new' (string or table expected, got no value)"),
        ("lasa.websocket.server.new { host = '127.0.0.1:0', bogus = 1 }", 'unknown option "bogus"'),
    ],
)
def test_a_wrong_argument_is_an_error_at_the_callers_line(runtime: Runtime, call: str, complaint: str) -> None:
    with pytest.raises(LuaError) as caught:
        runtime.load(f"local wb = lasa.websocket.client.new()\n{call}", "@wrong.lua")()
    assert caught.value.message.startswith(f"wrong.lua:2: {complaint}")


def test_what_a_script_leaves_open_is_closed_by_luas_collector() -> None:
    with nothing_left_open():
        with Runtime(settings=Settings()) as runtime:
            outcome_of(
                runtime,
                """
                local t = lasa.thread.spawn(function() return (server:accept()) end)
                local wb = lasa.websocket.client.new()
                wb:connect(server.url)
                lasa.thread.wait(t)
                server:close()
                wb, t = nil, nil
                collectgarbage()
                collectgarbage()
                """,
            )
        gc.collect()
        settle()


def test_a_light_thread_that_receives_can_be_killed(runtime: Runtime) -> None:
    outcome = outcome_of(
        runtime,
        """
        local t = lasa.thread.spawn(function() return assert(server:accept()):recv_frame() end)
        local wb = lasa.websocket.client.new()
        wb:connect(server.url)
        local killed = lasa.thread.kill(t)
        local _, _, err = wb:recv_frame()
        server:close()
        return killed, err
    """,
    )
    assert outcome == (1, b"failed to receive the first 2 bytes: closed")
