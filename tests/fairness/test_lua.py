"""The same through Lua: reads, sends, datagrams, light threads, pieces of computation, requests and their bodies."""

from __future__ import annotations

import pytest

import lasa
from lasa.lua import Runtime, Settings
from tests.fairness.lateness import most_held_up_s
from tests.fairness.peer import Plan, running
from tests.lua.handlers import running as lua_running

BOUND_S = 0.05
LINE = b"x" * 20 + b"\n"

LOOPS = {
    "lines": "while sock:receive() do end",
    "sizes": "while sock:receive(10) do end",
    "single bytes": "while sock:receive(1) do end",
    "receiveany": "while sock:receiveany(100) do end",
    "sections": "local reader = sock:receiveuntil('\\n') while reader() do end",
    "pieces of sections": "local reader = sock:receiveuntil('\\n') while true do reader(5) end",
    "sends": "while sock:send('hello') do end",
    "yields": "while true do coroutine.yield() end",
    "naps": "while true do ngx.sleep(0) end",
    "spawns": "while true do ngx.thread.spawn(function() end) end",
    "waits": "while true do ngx.thread.wait(ngx.thread.spawn(function() end)) end",
    "posts": """
        local semaphore = require "ngx.semaphore"
        local one, other = semaphore.new(), semaphore.new()
        ngx.thread.spawn(function() while true do one:wait(1) other:post() end end)
        while true do one:post() other:wait(1) end
    """,
}


@pytest.mark.parametrize("kind", LOOPS)
def test_loops_of_calls_that_need_not_wait(kind: str) -> None:
    code = f"local host, port = ... local sock = ngx.socket.tcp() assert(sock:connect(host, port)) {LOOPS[kind]}"
    block = b"" if kind == "sends" else LINE
    with running(Plan("server", block=block)) as port, Runtime(settings=Settings()) as runtime:
        function = runtime.load(code, "@loop.lua")
        assert most_held_up_s(lambda: function("127.0.0.1", port)) < BOUND_S


@pytest.mark.parametrize("give_way", ["coroutine.yield()", "ngx.sleep(0)"])
@pytest.mark.parametrize("players", [1, 10])
def test_pieces_of_computation_by_turns(give_way: str, players: int) -> None:
    code = f"""
        local function play()
            while true do
                local ends = lasa.monotonictime() + 30000
                while lasa.monotonictime() < ends do end
                {give_way}
            end
        end
        for _ = 2, ... do ngx.thread.spawn(play) end
        play()
    """
    with Runtime(settings=Settings()) as runtime:
        function = runtime.load(code, "@pieces.lua")
        assert most_held_up_s(lambda: function(players), 10) < 0.03 + BOUND_S


HANDLERS = {
    "read_body": ("ngx.req.read_body() ngx.say('read')", b""),
    "req.socket": ("local s = ngx.req.socket() while s:receive(10) do end", b""),
    "say": ("while true do ngx.say('hello') end", b""),
}


@pytest.mark.parametrize("kind", HANDLERS)
def test_handlers_with_a_client_as_fast_as_it_can_be(kind: str) -> None:
    code, _ = HANDLERS[kind]
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n"
    if kind == "say":
        head, block = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b""
    else:
        block = LINE
    with (
        lua_running(code, max_body=1 << 50) as (_, server),
        running(Plan("client", server.address[1] or 0, head, block)),
    ):
        assert most_held_up_s(lambda: lasa.sleep(100), 10) < BOUND_S
