"""Lua inside of a Python program: Runtime, functions in both directions, errors, ends and limits."""

from __future__ import annotations

import gc
import logging
import traceback
import weakref
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

import lasa
from lasa import socket, thread, timer
from lasa.lua import LuaError, LuaFunction, Runtime, Settings
from tests.helpers import nothing_left_open, raw_listener, settle


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    with Runtime(settings=Settings()) as made:
        yield made


def with_modules(**modules: Any) -> Runtime:
    return Runtime(modules=modules, settings=Settings())


# -- load


def test_load_returns_a_function_that_gets_its_arguments(runtime: Runtime) -> None:
    function = runtime.load("local a, b = ... return a + b, a * b")
    assert isinstance(function, LuaFunction)
    assert function(3, 4) == (7, 12)
    assert function(1, 1) == (2, 1)


@pytest.mark.parametrize(("code", "value"), [("", None), ("return", None), ("return nil", None), ("return 5", 5)])
def test_no_value_is_none_and_one_is_itself(runtime: Runtime, code: str, value: Any) -> None:
    assert runtime.load(code)() == value


def test_several_values_are_a_tuple_to_the_last_nil(runtime: Runtime) -> None:
    assert runtime.load("return nil, false, nil")() == (None, False, None)


def test_globals_last_from_one_call_to_the_next(runtime: Runtime) -> None:
    runtime.load("function greet(name) return 'hello ' .. name end")()
    greet = runtime.load("return greet")()
    assert greet("you") == b"hello you"


def test_runtimes_know_nothing_of_each_other(runtime: Runtime) -> None:
    runtime.load("secret = 1")()
    with Runtime(settings=Settings()) as other:
        assert other.load("return secret")() is None


def test_a_syntax_error_has_its_line(runtime: Runtime) -> None:
    with pytest.raises(LuaError) as caught:
        runtime.load("local a = 1\nlocal = 2", "@broken.lua")
    assert caught.value.message == "broken.lua:2: '<name>' expected near '='"


# -- modules


def test_a_module_is_a_mapping_or_a_function_that_returns_one() -> None:
    made: list[str] = []

    def late() -> dict[str, Any]:
        made.append("late")
        return {"answer": 42, "double": lambda value: value * 2}

    with with_modules(early={"name": "early"}, late=late) as runtime:
        assert made == []
        outcome = runtime.load("""
            local late = require "late"
            return require("early").name, late.answer, late.double(21), require "late" == late
        """)()
        assert outcome == (b"early", 42, 42, True)
    assert made == ["late"]


def test_a_module_that_is_not_there_is_told_of(runtime: Runtime) -> None:
    with pytest.raises(LuaError, match="module 'absent' not found"):
        runtime.load("require 'absent'")()


def test_folders_of_path_are_searched(tmp_path: Any) -> None:
    (tmp_path / "mine.lua").write_text("return { from = ... }")
    with Runtime(path=[str(tmp_path)], settings=Settings()) as runtime:
        assert runtime.load("return require('mine').from")() == b"mine"


# -- functions in both directions


def test_a_python_function_gets_copies_and_returns_values_as_they_are() -> None:
    seen: list[Any] = []

    def take(*arguments: Any) -> Any:
        seen.append(arguments)
        return 1, None, "x", None

    with with_modules(host={"take": take, "nothing": lambda: None, "failed": lambda: (None, "word", None)}) as runtime:
        outcome = runtime.load("""
            local host = require "host"
            local function count(...) return select("#", ...), ... end
            return { count(host.take(1, nil, { "a" }, "s")) }, { count(host.nothing()) }, (select("#", host.failed()))
        """)()
    assert seen == [(1, None, [b"a"], b"s")]
    assert outcome == ({1: 4, 2: 1, 4: b"x"}, [1], 3)


def test_a_python_function_may_wait_and_others_go_on() -> None:
    order: list[str] = []

    def slow() -> str:
        lasa.sleep(0.005)
        order.append("slow")
        return "done"

    with with_modules(host={"slow": slow, "note": lambda word: order.append(word.decode())}) as runtime:
        outcome = runtime.load("""
            local host = require "host"
            local t = ngx.thread.spawn(host.slow)
            host.note("beside")
            return ngx.thread.wait(t)
        """)()
    assert outcome == (True, b"done")
    assert order == ["beside", "slow"]


def test_calls_nest_from_lua_to_python_to_lua_and_back() -> None:
    def apply(function: LuaFunction, depth: int) -> Any:
        lasa.sleep(0)
        return function(depth)

    with with_modules(host={"apply": apply}) as runtime:
        outcome = runtime.load("""
            local apply = require("host").apply
            local function down(depth)
                if depth == 0 then return "bottom" end
                ngx.sleep(0)
                return depth .. " " .. apply(down, depth - 1)
            end
            return down(20)
        """)()
    assert outcome == " ".join([*map(str, range(20, 0, -1)), "bottom"]).encode()


def test_many_light_threads_of_both_languages_do_not_disturb_each_other() -> None:
    def add(function: LuaFunction, number: int) -> Any:
        lasa.sleep(number % 3 / 1000)
        return function(number) + 1

    with with_modules(host={"add": add}) as runtime:
        run = runtime.load("""
            local add = require("host").add
            local first, sum = ..., 0
            local threads = {}
            for i = first, first + 9 do
                threads[#threads + 1] = ngx.thread.spawn(add, function(n)
                    ngx.sleep(n % 2 / 1000)
                    return n * 2
                end, i)
            end
            for i = 1, #threads do
                local ok, value = ngx.thread.wait(threads[i])
                sum = sum + value
            end
            return sum
        """)
        threads = [thread.spawn(run, number * 100) for number in range(20)]
        sums = [thread.wait(one) for one in threads]
    assert sums == [(True, sum(2 * n + 1 for n in range(number * 100, number * 100 + 10))) for number in range(20)]


def test_a_lua_function_that_python_keeps_can_be_called_later(runtime: Runtime) -> None:
    kept: list[LuaFunction] = []
    runtime.load("local keep = ... local n = 0 keep(function() n = n + 1 return n end)")(kept.append)
    assert [kept[0](), kept[0]()] == [1, 2]


def test_a_function_of_another_runtime_is_called_there(runtime: Runtime) -> None:
    with Runtime(settings=Settings()) as other:
        theirs = other.load("where = 'there' return function() return where end")()
        assert runtime.load("where = 'here' local f = ... return f(), where")(theirs) == (b"there", b"here")


# -- errors


def test_an_error_of_lua_is_an_exception_with_its_line_and_traceback(runtime: Runtime) -> None:
    with pytest.raises(LuaError) as caught:
        runtime.load("local function deep()\n error('boom')\nend\ndeep()", "@file.lua")()
    error = caught.value
    assert (error.message, error.value) == ("file.lua:2: boom", b"file.lua:2: boom")
    assert "in function 'deep'" in error.traceback
    assert str(error).startswith("file.lua:2: boom\nstack traceback:\n")


@pytest.mark.parametrize("call", ["say('x')", "print('x')", "flush()", "eof()"])
def test_a_call_from_python_has_no_output(runtime: Runtime, call: str) -> None:
    with pytest.raises(LuaError, match="API disabled in the context of a call from Python"):
        runtime.load(f"ngx.{call}")()


def test_an_error_object_is_kept_as_a_value(runtime: Runtime) -> None:
    with pytest.raises(LuaError) as caught:
        runtime.load("error({ code = 7, f = print, co = coroutine.create(print) })")()
    value = caught.value.value
    assert caught.value.message == "unknown reason"
    assert value[b"code"] == 7
    assert isinstance(value[b"f"], LuaFunction)
    assert value[b"co"] is None


def test_an_exception_in_python_is_an_error_that_lua_may_catch() -> None:
    def fail() -> None:
        raise KeyError("missing")

    with with_modules(host={"fail": fail, "bad": lambda: int("x")}) as runtime:
        outcome = runtime.load(
            "local host = require 'host'\n"
            "local ok, err = pcall(function()\nhost.fail()\nend)\n"
            "local _, bad = pcall(function() host.bad() end)\nreturn ok, err, bad",
            "@caught.lua",
        )()
    bad = b"caught.lua:5: invalid literal for int() with base 10: b'x'"
    assert outcome[:2] == (False, b"caught.lua:3: KeyError: 'missing'")
    assert outcome[2] == bad.replace(b"b'x'", b"'x'")


def test_an_exception_that_lua_does_not_catch_is_the_cause() -> None:
    def fail() -> None:
        raise KeyError("missing")

    with with_modules(host={"fail": fail}) as runtime, pytest.raises(LuaError) as caught:
        runtime.load("require('host').fail()", "@lua_side.lua")()
    assert isinstance(caught.value.__cause__, KeyError)
    text = "".join(traceback.format_exception(caught.value))
    assert "in fail\n" in text
    assert "lua_side.lua:1: KeyError: 'missing'" in text


def test_an_exception_that_lua_has_caught_is_no_cause_of_a_later_error() -> None:
    def fail() -> None:
        raise KeyError("missing")

    with with_modules(host={"fail": fail}) as runtime, pytest.raises(LuaError) as caught:
        runtime.load("pcall(require('host').fail) error('another')")()
    assert caught.value.__cause__ is None


def test_an_error_goes_through_python_as_it_is() -> None:
    def call(function: LuaFunction) -> Any:
        return function()

    with with_modules(host={"call": call}) as runtime:
        outcome = runtime.load(
            """local call = require("host").call
            local object = {}
            local a, b = pcall(call, function() error(object) end)
            local c, d = pcall(call, function() error("text") end)
            return a, b == object, c, d""",
            "@through.lua",
        )()
    assert outcome == (False, True, False, b"through.lua:4: text")


def test_the_traceback_shows_every_layer() -> None:
    def call(function: LuaFunction) -> Any:
        return function()

    def fail() -> None:
        raise ZeroDivisionError("inside")

    with with_modules(host={"call": call, "fail": fail}) as runtime, pytest.raises(LuaError) as caught:
        runtime.load(
            "local host = require 'host'\nhost.call(function()\nhost.fail()\nend)",
            "@layers.lua",
        )()
    text = "".join(traceback.format_exception(caught.value))
    inner = caught.value.__cause__
    assert isinstance(inner, LuaError)
    assert isinstance(inner.__cause__, ZeroDivisionError)
    assert ", in fail\n" in text
    assert ", in call\n" in text
    assert text.count("layers.lua:3: ZeroDivisionError: inside") >= 2


def test_an_error_in_a_light_thread_is_logged_with_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise KeyError("missing")

    with with_modules(host={"fail": fail}) as runtime:
        assert runtime.load("ngx.thread.spawn(require('host').fail) return 'after'")() == b"after"
    (record,) = [record for record in caplog.records if record.name == "lasa.lua"]
    assert record.getMessage().startswith("lua user thread aborted: runtime error: ")
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], KeyError)


# -- ends


def test_a_light_thread_that_waits_in_lua_can_be_killed(runtime: Runtime) -> None:
    with nothing_left_open():
        with raw_listener() as listener:
            waiting = thread.spawn(
                runtime.load("local s = lasa.socket.connect('127.0.0.1', ...) pcall(s.receive, s) after = true"),
                listener.getsockname()[1],
            )
            peer = listener.accept()[0]
            settle()
            assert thread.kill(waiting) == (1, None)
            assert runtime.load("collectgarbage() collectgarbage() return after")() is None
            peer.close()
        runtime.close()


def test_a_timeout_goes_through_lua_which_cannot_catch_it(runtime: Runtime) -> None:
    sleepy = runtime.load("local ok = pcall(lasa.sleep, 100) after = ok return ok")
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
        sleepy()
    assert runtime.load("return after")() is None


def test_a_timeout_in_a_python_function_is_its_own_affair() -> None:
    def patient() -> str:
        try:
            with gevent.Timeout(0.005):
                lasa.sleep(100)
        except gevent.Timeout:
            return "patient"
        return "too patient"

    with with_modules(host={"patient": patient}) as runtime:
        assert runtime.load("return require('host').patient()")() == b"patient"


def test_system_exit_leaves_lua_at_once() -> None:
    def leave() -> None:
        raise SystemExit(3)

    with with_modules(host={"leave": leave}) as runtime:
        with pytest.raises(SystemExit) as caught:
            runtime.load("pcall(require('host').leave) after = true")()
        assert caught.value.code == 3
        assert runtime.load("return after")() is None


def test_another_os_thread_is_refused(runtime: Runtime) -> None:
    function = runtime.load("return 1")
    refusals: list[str] = []

    def use() -> None:
        for call in (function, lambda: function({"a": 1}), lambda: runtime.load("return 1"), runtime.close):
            try:
                call()
            except RuntimeError as error:
                refusals.append(str(error))

    lasa.to_thread(use)
    assert refusals == ["the Lua runtime belongs to another OS thread"] * 4
    assert function() == 1


def test_each_os_thread_may_have_runtimes_of_its_own() -> None:
    def use() -> Any:
        with Runtime(settings=Settings()) as runtime:
            return runtime.load("local s = 0 for i = 1, 100000 do s = s + i end lasa.sleep(0.001) return s")()

    others = [thread.spawn(lasa.to_thread, use) for _ in range(3)]
    assert [thread.wait(other) for other in others] == [(True, 5000050000)] * 3


def test_a_wait_below_a_c_function_is_an_error_that_says_so(runtime: Runtime) -> None:
    ok, err = runtime.load("return pcall(table.sort, { 3, 1, 2 }, function() lasa.sleep(0) end)")()
    assert ok is False
    assert b"a call that waits cannot be made inside a function that table.sort" in err


def test_a_closed_runtime_is_refused(runtime: Runtime) -> None:
    function = runtime.load("return 1")
    runtime.close()
    runtime.close()
    for call in (function, lambda: runtime.load("return 1")):
        with pytest.raises(RuntimeError, match="the Lua runtime is closed"):
            call()


def test_closing_ends_light_threads_and_timers(fresh_calendar: Any) -> None:
    with nothing_left_open():
        runtime = Runtime(settings=Settings())
        runtime.load("ngx.timer.at(0.005, function() error('it has fired') end) ngx.thread.spawn(ngx.sleep, 100)")()
        runtime.close()
        lasa.sleep(0.01)
    assert timer.pending_count() == 0


# -- what Lua reaches


def test_there_is_no_way_into_python_by_name(runtime: Runtime) -> None:
    outcome = runtime.load("return python, package.loaded.python, (pcall(require, 'python'))")()
    assert outcome == (None, None, False)


HANDLES = """
local seen = {}
local function probe(name, handle)
    if type(handle) ~= "userdata" then error(name .. " is a " .. type(handle)) end
    for _, key in ipairs { "__class__", "__init__", "close", "_connection", 0, 1 } do
        if pcall(function() return handle[key] end) then seen[#seen + 1] = name .. "." .. key end
        if pcall(function() handle[key] = 1 end) then seen[#seen + 1] = name .. "." .. key .. " = 1" end
    end
    if pcall(function() return handle() end) then seen[#seen + 1] = name .. "()" end
    if pcall(function() return #handle end) then seen[#seen + 1] = "#" .. name end
    for _ in pcall(pairs, handle) and pairs(handle) or next, {} do seen[#seen + 1] = "pairs " .. name end
end
"""


def test_lua_reaches_nothing_inside_what_it_is_handed(runtime: Runtime) -> None:
    seen = runtime.load(
        HANDLES
        + """
        probe("tcp", lasa.socket.tcp()[1])
        probe("udp", lasa.socket.udp()[1])
        probe("semaphore", lasa.semaphore.new()[1])
        local timer = lasa.timer.at(100, function() end)
        probe("timer", timer)
        lasa.timer.kill(timer)
        probe("http", lasa.http.client.new()[1])
        probe("websocket", lasa.websocket.client.new()[1])
        local server = lasa.websocket.server.new("127.0.0.1:0")
        probe("server", server[1])
        server:close()
        local detached = lasa.detach { content_by_lua = "" }
        probe("detached", detached[1])
        detached:join()
        return seen
    """
    )()
    assert seen == {}


def test_a_function_of_the_host_is_a_function_and_no_object(runtime: Runtime) -> None:
    kind, has_name, _ = runtime.load("local f = ... return type(f), pcall(function() return f.__globals__ end)")(len)
    assert (kind, has_name) == (b"function", False)


# -- limits and leaks


def used_bytes(runtime: Runtime) -> float:
    value: float = runtime.load("collectgarbage() collectgarbage() return collectgarbage('count') * 1024")()
    return value


@pytest.mark.parametrize(
    "code",
    [
        "local t = {} for i = 1, 1e8 do t[i] = { i } end",
        "local t = {} for i = 1, 1e8 do t[i] = ('x'):rep(1000) .. i end",
        "local t = {} while true do pcall(function() for i = 1, 1e8 do t[#t + 1] = { i } end end) end",
        "local t = {} for i = 1, 1e8 do t[i] = { i } if i % 100 == 0 then lasa.sleep(0) end end",
        "coroutine.wrap(function() local t = {} for i = 1, 1e8 do t[i] = { i } end end)()",
    ],
    ids=["tables", "strings", "under pcall", "with waits", "in a coroutine"],
)
def test_a_script_that_takes_too_much_memory_is_ended(code: str) -> None:
    with Runtime(settings=Settings(), max_memory_bytes=10_000_000) as runtime:
        with pytest.raises(LuaError) as caught:
            runtime.load(code, "@greedy.lua")()
        assert caught.value.message == "greedy.lua:1: not enough memory: more than 10000000 bytes"
        assert used_bytes(runtime) < 5_000_000
        assert runtime.load("local t = {} for i = 1, 1000 do t[i] = { i } end return #t")() == 1000


def test_garbage_does_not_count_as_memory() -> None:
    with Runtime(settings=Settings(), max_memory_bytes=10_000_000) as runtime:
        assert runtime.load("local n = 0 for i = 1, 3e5 do n = n + #{ i, {}, tostring(i) } end return n")() == 900_000


def test_a_light_thread_that_takes_too_much_leaves_the_others_alone(caplog: pytest.LogCaptureFixture) -> None:
    with Runtime(settings=Settings(), max_memory_bytes=10_000_000) as runtime:
        outcome = runtime.load("""
            local greedy = ngx.thread.spawn(function() local t = {} for i = 1, 1e8 do t[i] = { i } end end)
            local ok, err = ngx.thread.wait(greedy)
            return ok, err
        """)()
    assert outcome == (False, b"(load):2: not enough memory: more than 10000000 bytes")
    assert [record.levelno for record in caplog.records if record.name == "lasa.lua"] == [logging.ERROR]


def test_a_limit_on_memory_is_positive() -> None:
    with pytest.raises(ValueError, match="positive number required"):
        Runtime(max_memory_bytes=0)


BUSY = """
local host = ...
host({ 1, { 2 } })
local t = ngx.thread.spawn(function() ngx.sleep(0) end)
ngx.thread.wait(t)
pcall(host, error)
local sock, udp, sema = lasa.socket.tcp(), lasa.socket.udp(), lasa.semaphore.new()
local hc, wb, channel = lasa.http.client.new(), lasa.websocket.client.new(), lasa.channel(1)
lasa.timer.kill(lasa.timer.at(100, function() end))
return host
"""


def live_luas() -> int:
    gc.collect()
    return sum(type(one).__name__ == "LuaRuntime" for one in gc.get_objects())


def test_a_runtime_that_nobody_has_is_given_back() -> None:
    before = live_luas()
    runtime = Runtime(settings=Settings(), modules={"m": {"f": len}})
    runtime.load(BUSY)(lambda *values: values)
    assert live_luas() == before + 1
    gone = weakref.ref(runtime)
    del runtime
    assert (live_luas(), gone()) == (before, None)


def test_a_runtime_that_python_functions_have_is_given_back_by_close() -> None:
    before = live_luas()
    runtime = Runtime(settings=Settings())

    def mine(*values: Any) -> Any:
        return runtime, values

    runtime.load("keep = ... f = function() end keep(f)")(lambda function: setattr(mine, "kept", function))
    runtime.load("keep = ...")(mine)
    assert live_luas() == before + 1
    runtime.close()
    assert live_luas() == before


def test_a_runtime_lives_as_long_as_its_timers(fresh_calendar: Any) -> None:
    fired: list[Any] = []
    runtime = Runtime(settings=Settings())
    runtime.load("local note = ... ngx.timer.at(0.001, note, 'x')")(lambda *values: fired.append(values))
    gone = weakref.ref(runtime)
    del runtime
    gc.collect()
    lasa.sleep(0.01)
    assert fired == [(False, b"x")]
    gc.collect()
    assert gone() is None


def resident_kb() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4


def test_many_runtimes_and_loads_leave_nothing_behind() -> None:
    def runtimes(count: int) -> None:
        for _ in range(count):
            Runtime(settings=Settings()).load("return 1")()
        gc.collect()

    def loads(runtime: Runtime, count: int) -> None:
        for number in range(count):
            function = runtime.load(f"local n = {number} return function(...) return n, ... end")()
            assert function([1])[0] == number
            with pytest.raises(LuaError):
                runtime.load("error({})")()
        runtime.load("collectgarbage()")()
        gc.collect()

    with Runtime(settings=Settings()) as runtime:
        runtimes(20)
        loads(runtime, 200)
        before = resident_kb()
        runtimes(100)
        loads(runtime, 1000)
        assert resident_kb() - before < 4000  # a runtime has some 700


def test_sockets_of_python_and_lua_live_in_one_hub(runtime: Runtime) -> None:
    server = socket.tcp()
    server.bind("127.0.0.1", 0)
    server.listen()
    client = thread.spawn(
        runtime.load("local s = lasa.socket.connect('127.0.0.1', ...) s:send('hi\\n') return s:receive(), s:close()"),
        server.getsockname()[1],
    )
    accepted, err = server.accept()
    assert accepted is not None, err
    assert accepted.receive() == (b"hi", None, None)
    accepted.send("you\n")
    assert thread.wait(client) == (True, b"you", 1)
    accepted.close()
    server.close()
