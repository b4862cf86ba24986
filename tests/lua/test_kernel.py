"""Light threads and coroutines of Lua, as the scheduler's two halves run them together."""

from __future__ import annotations

import gevent
import pytest

import lasa
from lasa.lua import LuaError, Runtime, Settings
from tests.helpers import settle
from tests.lua.tools import value_of


def test_many_light_threads_in_one_runtime_do_not_mix_up_their_sums() -> None:
    # With waits inside Python functions that Lua called directly, LuaJIT gives wrong sums here without an error.
    code = """
        local function work(seed)
            local sum = 0
            for i = 1, 50 do
                sum = sum + seed * i
                if i % 7 == 0 then ngx.sleep(0) elseif i % 11 == 0 then coroutine.yield() end
                local co = coroutine.wrap(function(x) ngx.sleep(0) coroutine.yield(x + 1) end)
                sum = sum + co(seed)
            end
            return sum
        end
        local threads, wrong = {}, 0
        for seed = 1, 20 do threads[seed] = ngx.thread.spawn(work, seed) end
        for seed = 1, 20 do
            local ok, sum = ngx.thread.wait(threads[seed])
            if sum ~= seed * 1275 + 50 * (seed + 1) then wrong = wrong + 1 end
        end
        return wrong
    """
    assert value_of(code) == 0


def test_python_light_threads_call_one_runtime_at_the_same_time() -> None:
    runtime = Runtime(settings=Settings())
    work = runtime.load("local n = ... local sum = 0 for i = 1, 20 do sum = sum + n ngx.sleep(0) end return sum")
    threads = [lasa.thread.spawn(work, n) for n in range(20)]
    assert [lasa.check(lasa.thread.wait(thread)) for thread in threads] == [20 * n for n in range(20)]


def test_light_threads_run_in_openrestys_order() -> None:
    code = """
        local said = {}
        local function say(word) said[#said + 1] = word end
        local yield = coroutine.yield
        say "0" yield() say "1"
        ngx.thread.spawn(function() say "f1" yield() say "f2" yield() say "f3" end)
        say "2" yield() say "3" yield() say "4"
        return table.concat(said, " ")
    """
    assert value_of(code) == b"0 1 f1 2 f2 3 f3 4"


def test_the_status_of_coroutines_that_wait_inside_the_runtime_is_running_or_normal() -> None:
    code = """
        local seen = {}
        local inner = coroutine.create(function() ngx.sleep(0.02) end)
        local outer = coroutine.create(function() coroutine.resume(inner) end)
        local thread = ngx.thread.spawn(function() coroutine.resume(outer) end)
        for _, co in ipairs { inner, outer, thread } do seen[#seen + 1] = coroutine.status(co) end
        seen[#seen + 1] = select(2, coroutine.resume(inner))
        ngx.thread.wait(thread)
        for _, co in ipairs { inner, outer, thread } do seen[#seen + 1] = coroutine.status(co) end
        return seen
    """
    words = [b"running", b"normal", b"normal", b"cannot resume running coroutine", b"dead", b"dead", b"dead"]
    assert value_of(code) == words


def test_a_light_thread_that_ended_is_a_zombie_until_it_is_waited_for() -> None:
    code = """
        local t = ngx.thread.spawn(function(...) return ... end, 1, nil, 3)
        local first = coroutine.status(t)
        local n = select("#", ngx.thread.wait(t))
        return first, n, coroutine.status(t), (select(2, ngx.thread.wait(t)))
    """
    assert value_of(code) == (b"zombie", 4, b"dead", b"already waited or killed")


def test_only_the_parent_waits_for_a_light_thread() -> None:
    code = """
        local t = ngx.thread.spawn(ngx.sleep, 0.01)
        local ok, err = coroutine.resume(coroutine.create(function() ngx.thread.wait(t) end))
        return ok, err
    """
    assert value_of(code) == (False, b"test.lua:3: only the parent coroutine can wait on the thread")


def test_a_killed_light_thread_closes_the_socket_that_it_waits_in() -> None:
    code = """
        local listener = lasa.socket.tcp() listener:bind("127.0.0.1", 0) listener:listen()
        local sock = ngx.socket.tcp() sock:connect("127.0.0.1", (select(2, listener:getsockname())))
        local t = ngx.thread.spawn(function() return sock:receive() end)
        local killed = ngx.thread.kill(t)
        return killed, sock:send("x")
    """
    assert value_of(code) == (1, None, b"closed")


def test_pcall_xpcall_metamethods_iterators_and_require_may_wait() -> None:
    code = """
        local said = {}
        local function wait(word) ngx.sleep(0.001) said[#said + 1] = word return word end
        pcall(wait, "pcall")
        xpcall(function() wait "xpcall" error "x" end, function() end)
        local t = setmetatable({}, { __index = function(_, k) return wait(k) end, __call = function() wait "call" end })
        local _ = t.index
        t()
        for word in function(_, last) if last == nil then return wait "iterator" end end do local _ = word end
        package.preload.waits = function() return wait "require" end
        require "waits"
        return table.concat(said, " ")
    """
    assert value_of(code) == b"pcall xpcall index call iterator require"


@pytest.mark.parametrize(
    "call",
    [
        "table.sort({ 2, 1 }, function(a, b) ngx.sleep(0) return a < b end)",
        "string.gsub('x', 'x', function() ngx.sleep(0) end)",
        "assert(load(function() lasa.socket.tcp():connect('127.0.0.1', 1) end))",
    ],
)
def test_a_wait_inside_a_c_function_is_an_error_that_says_so(call: str) -> None:
    with pytest.raises(LuaError, match=r"a call that waits cannot be made inside a function that table\.sort"):
        value_of(call)


def test_gevent_kill_and_timeout_end_a_wait_in_lua_and_pcall_cannot_catch_them() -> None:
    runtime = Runtime(settings=Settings())
    sleeps = runtime.load("pcall(ngx.sleep, 20) return 'went on'")
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
        sleeps()
    greenlet = gevent.spawn(sleeps)
    settle()
    greenlet.kill(timeout=5)
    assert isinstance(greenlet.value, gevent.GreenletExit)
    assert runtime.load("return 'as before'")() == b"as before"


def test_records_of_light_threads_that_ended_are_gone() -> None:
    runtime = Runtime(settings=Settings())
    work = runtime.load("for i = 1, 200 do ngx.thread.wait(ngx.thread.spawn(ngx.sleep, 0)) end collectgarbage()")
    work()
    measure = runtime.load("collectgarbage() return collectgarbage('count')")
    before_kb = measure()
    for _ in range(5):
        work()
    assert measure() < before_kb + 50
    assert runtime.threads == {}


def test_ngx_exit_in_a_timer_ends_its_light_threads() -> None:
    code = """
        local said = ...
        ngx.timer.at(0, function()
            ngx.thread.spawn(function() ngx.sleep(0.01) said("not said") end)
            said("timer")
            pcall(ngx.exit, 0)
            said("not said")
        end)
        ngx.sleep(0.03)
    """
    said: list[bytes] = []
    value_of(code, said.append)
    assert said == [b"timer"]


def test_sockets_of_a_timer_are_closed_at_its_end() -> None:
    code = """
        local listener = lasa.socket.tcp() listener:bind("127.0.0.1", 0) listener:listen()
        local port = select(2, listener:getsockname())
        ngx.timer.at(0, function()
            KEPT = ngx.socket.tcp() -- not garbage
            KEPT:connect("127.0.0.1", port)
        end)
        local accepted = listener:accept()
        accepted:settimeout(5000)
        return accepted:receive()
    """
    assert value_of(code) == (None, b"closed", b"")
