"""lasa.detach, lasa.channel and ngx.run_worker_thread in Lua: more than one OS thread."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lasa
from lasa import thread
from lasa.lua import LuaError, Runtime, Settings
from tests.helpers import settle
from tests.lua.tools import run_lua


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    with Runtime(settings=Settings(), path=[str(tmp_path)]) as made:
        yield made


# -- lasa.detach


def test_a_detached_program_returns_what_its_code_returns(runtime: Runtime) -> None:
    outcome = runtime.load("""
        local handle = lasa.detach { content_by_lua = "return ..., { 'x' }, nil, 5", args = { { a = 1 } } }
        return handle:join(10)
    """)()
    assert outcome == (True, {b"a": 1}, [b"x"], None, 5)


def test_the_caller_goes_on_while_it_joins(runtime: Runtime) -> None:
    order = runtime.load("""
        local order = {}
        local go = lasa.channel(1)
        local handle = lasa.detach { content_by_lua = "return (...):receive()", args = { go } }
        local t = lasa.thread.spawn(function()
            local _, word = handle:join()
            order[#order + 1] = word
        end)
        order[#order + 1] = handle:is_alive()
        order[#order + 1] = tostring(handle:join(0))
        go:send("joined")
        lasa.thread.wait(t)
        order[#order + 1] = handle:is_alive()
        return order
    """)()
    assert order == [True, b"nil", b"joined", False]


def test_it_is_over_when_its_light_threads_and_timers_are(runtime: Runtime) -> None:
    outcome = runtime.load("""
        local words = lasa.channel(5)
        local handle = lasa.detach { args = { words }, content_by_lua = [[
            local words = ...
            ngx.thread.spawn(function() lasa.sleep(0.005) words:send("thread") end)
            lasa.timer.at(0.01, function() words:send("timer") end)
            words:send("main")
        ]] }
        handle:join(10)
        return words:receive(0), words:receive(0), words:receive(0)
    """)()
    assert outcome == (b"main", b"thread", b"timer")


def test_an_error_ends_it_and_is_told_of(runtime: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    outcome = runtime.load("""
        local handle = lasa.detach { name = "failing", content_by_lua = "error('boom')" }
        local ok, err = handle:join(10)
        return ok, err, handle:error()
    """)()
    assert outcome == (False, b"failing:1: boom", b"failing:1: boom")
    assert [record.levelno for record in caplog.records if record.name == "lasa.thread"] == [logging.ERROR]


def test_it_can_be_asked_to_stop(runtime: Runtime) -> None:
    outcome = runtime.load("""
        local begun = lasa.channel(1)
        local handle = lasa.detach { content_by_lua = "(...):send(1) lasa.sleep(100)", args = { begun } }
        begun:receive()
        handle:stop()
        return handle:join(10)
    """)()
    assert outcome == (False, b"ThreadKilled")


def test_its_modules_are_those_of_the_callers_folders(runtime: Runtime, tmp_path: Path) -> None:
    (tmp_path / "shared.lua").write_text("return { name = 'shared' }")
    outcome = runtime.load("return lasa.detach { content_by_lua = [[return require('shared').name]] }:join(10)")()
    assert outcome == (True, b"shared")


def test_files_of_both_languages_and_python_code_run(runtime: Runtime, tmp_path: Path) -> None:
    (tmp_path / "a.lua").write_text("local channel = ... channel:send(arg[0]) return 1")
    (tmp_path / "a.py").write_text("args[0].send('python')")
    words = lasa.channel(5)
    outcome = runtime.load("""
        local words, folder = ...
        local lua = lasa.detach { content_by_file = folder .. "/a.lua", args = { words } }
        local first, second = lua:join(10)
        local file = lasa.detach { content_by_file = folder .. "/a.py", args = { words } }:join(10)
        return first, second, file, lasa.detach { content = "args[0].send(args[1])", args = { words, 5 } }:join(10)
    """)(words, str(tmp_path))
    assert outcome == (True, 1, True, True, None)
    found = [words.receive(0)[0] for _ in range(3)]
    assert found == [f"{tmp_path}/a.lua".encode(), "python", 5]


def test_a_file_that_is_not_there_is_told_of_at_once(runtime: Runtime) -> None:
    outcome = runtime.load("return lasa.detach { content_by_file = '/absent.lua' }")()
    assert outcome == (None, b"/absent.lua: no such file or directory")


def test_python_code_that_is_none_is_told_of_at_once(runtime: Runtime) -> None:
    ok, err = runtime.load("return lasa.detach { content = '1 +' }")()
    assert ok is None
    assert err.startswith(b"invalid syntax")


@pytest.mark.parametrize(
    ("conf", "complaint"),
    [
        ("", "table expected, got no value"),
        ("{}", "content_by_lua or content_by_file is missing"),
        ("{ content_by_lua = '', content_by_file = '' }", "content_by_lua and content_by_file are too much"),
        ("{ content_by_lua = 5 }", "content_by_lua: string expected, got number"),
        ("{ content_by_lua = '', name = {} }", "name: string expected, got table"),
        ("{ content_by_lua = '', args = 5 }", "args: table expected, got number"),
        ("{ content_by_lua = '', args = { print } }", "args: unsupported Lua type: LUA_TFUNCTION"),
        ("{ content_by_luaa = '' }", 'unknown option "content_by_luaa"'),
    ],
)
def test_a_wrong_conf_is_an_error_at_the_callers_line(runtime: Runtime, conf: str, complaint: str) -> None:
    with pytest.raises(LuaError) as caught:
        runtime.load(f"lasa.detach({conf})", "@wrong.lua")()
    assert caught.value.message == f"wrong.lua:1: bad argument #1 to 'detach' ({complaint})"


def test_a_program_may_detach_others_and_ends_without_them() -> None:
    status, out, err = run_lua(
        "-e",
        """
        local handles = {}
        for i = 1, 3 do
            handles[i] = lasa.detach { content_by_lua = "ngx.say('detached') ngx.flush() return ...", args = { i } }
        end
        local sum = 0
        for i = 1, 3 do sum = sum + select(2, handles[i]:join()) end
        lasa.detach { content_by_lua = "ngx.sleep(100)" }
        ngx.say(sum)
        """,
    )
    assert (status, sorted(out.split()), err) == (0, ["6", "detached", "detached", "detached"], "")


def test_detached_programs_leave_nothing_behind(runtime: Runtime) -> None:
    def luas() -> int:
        gc.collect()
        return sum(type(one).__name__ == "LuaRuntime" for one in gc.get_objects())

    before, threads = luas(), threading.active_count()
    code = "lasa.websocket.client.new() ngx.thread.spawn(ngx.sleep, 0) return {}"
    outcomes = runtime.load(
        "local words = {} for i = 1, 5 do words[i] = lasa.detach { content_by_lua = ... }:join(10) end return words"
    )(code)
    assert outcomes == [True] * 5
    assert luas() == before
    assert threading.active_count() <= threads + 5  # of OS threads that are just ending


# -- lasa.channel


@pytest.mark.parametrize("value", ["'text'", "5", "1.5", "true", "false", "nil", "{ 1, { a = 'b' } }", "{}"])
def test_a_value_goes_through_a_channel(runtime: Runtime, value: str) -> None:
    same = runtime.load(f"local c = lasa.channel(1) c:send({value}) local v, err = c:receive() return {{ v }}, err")()
    assert same == runtime.load(f"return {{ {value} }}, nil")()


def test_a_channel_is_full_empty_and_closed(runtime: Runtime) -> None:
    outcome = runtime.load("""
        local c = lasa.channel(2)
        local empty = select(2, c:receive(0))
        local sent = { c:send("a"), c:send("b") }
        local full = select(2, c:send("c", 0.001))
        local count = c:count()
        local closed = c:close()
        return empty, sent, full, count, closed, select(2, c:close()), select(2, c:send("d")), c:receive(), c:receive(),
            select(2, c:receive())
    """)()
    closed = b"closed"
    assert outcome == (b"timeout", [1, 1], b"timeout", 2, 1, closed, closed, b"a", b"b", closed)


def test_a_receiver_waits_for_a_light_thread_that_sends(runtime: Runtime) -> None:
    outcome = runtime.load("""
        local c = lasa.channel(1)
        local receiver = ngx.thread.spawn(function() return c:receive(5) end)
        c:send({ "hello" })
        local ok, value = ngx.thread.wait(receiver)
        return ok, value[1]
    """)()
    assert outcome == (True, b"hello")


def test_python_and_lua_talk_through_a_channel(runtime: Runtime) -> None:
    there, back = lasa.channel(1), lasa.channel(1)
    running = thread.spawn(
        runtime.load("local there, back = ... for i = 1, 3 do back:send({ i, there:receive() }) end"), there, back
    )
    seen = []
    for value in ("text", {"a": [None, 1]}, None):
        there.send(value)
        seen.append(back.receive(5)[0])
    assert thread.wait(running)[0] is True
    assert seen == [[1, b"text"], [2, {b"a": {2: 1}}], [3]]


def test_a_receiver_can_be_killed_and_leaves_the_value_to_the_next(runtime: Runtime) -> None:
    channel = lasa.channel(1)
    receive = runtime.load("return (...):receive(5)")
    first = thread.spawn(receive, channel)
    second = thread.spawn(receive, channel)
    settle()
    thread.kill(first)
    channel.send("x")
    assert thread.wait(second) == (True, b"x")


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        ("lasa.channel()", "bad argument #1 to 'channel' (number expected, got no value)"),
        ("lasa.channel(0)", "bad argument #1 to 'channel' (positive number required)"),
        ("lasa.channel(0 / 0)", "bad argument #1 to 'channel' (positive number required)"),
        ("c:send(print)", "bad argument #1 to 'send' (unsupported Lua type: LUA_TFUNCTION)"),
        ("c:send({ { f = print } })", "bad argument #1 to 'send' (unsupported Lua type: LUA_TFUNCTION)"),
        ("c:send(1LL)", "bad argument #1 to 'send' (unsupported Lua type)"),
        ("c:send(1, -1)", "bad argument #2 to 'send' (no negative number)"),
        ("c:receive('x')", "bad argument #1 to 'receive' (number expected, got string)"),
        ("c.receive()", "calling 'receive' on bad self (a channel expected)"),
    ],
)
def test_a_channels_wrong_argument_is_an_error_at_the_callers_line(runtime: Runtime, call: str, complaint: str) -> None:
    with pytest.raises(LuaError) as caught:
        runtime.load(f"local c = lasa.channel(1)\n{call}", "@wrong.lua")()
    assert caught.value.message == f"wrong.lua:2: {complaint}"


# -- ngx.run_worker_thread


WORK = """
local count = 0
return {
    add = function(a, b) return a + b end,
    count = function() count = count + 1 return count end,
    same = function(...) return ... end,
    is_null = function(value) return value == ngx.null end,
    fail = function() error("failed") end,
    fail_with_a_table = function() error(setmetatable({}, { __tostring = function() return "an object" end })) end,
    func = function() return print end,
    md5 = function() return ngx.md5("hello"), ngx.get_phase() end,
    wait = function() ngx.sleep(0.001) return ngx.thread.wait(ngx.thread.spawn(function() return "waited" end)) end,
    meet = function(there, back) there:send(1) return back:receive(10) end,
    exit = function() os.exit(1) end,
}
"""


@pytest.fixture
def run(runtime: Runtime, tmp_path: Path) -> Any:
    """A call of ngx.run_worker_thread in the pool ``pool`` with the module ``work``."""
    (tmp_path / "work.lua").write_text(WORK)
    (tmp_path / "no_table.lua").write_text("return 5")
    (tmp_path / "broken.lua").write_text("error('while loading')")
    call = runtime.load("return ngx.run_worker_thread(...)")
    return lambda name, *arguments: call("pool", "work", name, *arguments)


def test_a_function_runs_in_a_worker_thread(run: Any) -> None:
    assert run("add", 1, 2) == (True, 3)
    assert run("md5") == (True, b"5d41402abc4b2a76b9719d911017c592", b"worker_thread")


def test_arguments_and_results_are_copied_with_their_nils(run: Any, runtime: Runtime) -> None:
    assert run("same", None, {"a": {"b": [1, 2.5, True]}}, b"\0", None) == (
        True,
        None,
        {b"a": {b"b": [1, 2.5, True]}},
        b"\0",
        None,
    )
    assert run("same") is True
    assert runtime.load("return select('#', ngx.run_worker_thread('pool', 'work', 'same', nil, nil))")() == 3
    assert runtime.load("return ngx.run_worker_thread('pool', 'work', 'is_null', ngx.null)")() == (True, True)


def test_an_os_thread_keeps_its_modules_between_calls(run: Any) -> None:
    assert run("count")[1] + 1 == run("count")[1]


def test_a_worker_may_wait(run: Any) -> None:
    assert run("wait") == (True, True, b"waited")


@pytest.mark.parametrize(
    ("call", "err"),
    [
        ("'pool', 'work', 'fail'", "work.lua:8: failed"),
        ("'pool', 'work', 'fail_with_a_table'", "an object"),
        ("'pool', 'work', 'func'", "unsupported Lua type: LUA_TFUNCTION in the return value"),
        ("'pool', 'work', 'exit'", "SystemExit: 1"),
        ("'pool', 'work', 'absent'", "invalid function"),
        ("'pool', 'no_table', 'f'", "invalid lua module"),
        ("'pool', 'broken', 'f'", "broken.lua:1: while loading"),
        ("'pool', 'absent', 'f'", "module 'absent' not found:"),
        ("'pool', 'work'", "expecting at least 3 arguments"),
        ("{}, 'work', 'f'", "threadpool should be a string"),
        ("'pool', {}, 'f'", "module name should be a string"),
        ("'pool', 'work', {}", "function name should be a string"),
        ("'pool', 'work', 'same', print", "unsupported Lua type: LUA_TFUNCTION in the argument"),
        ("'pool', 'work', 'same', io.stdout", "unsupported Lua type: LUA_TUSERDATA in the argument"),
        ("'pool', 'work', 'same', coroutine.create(print)", "unsupported Lua type: LUA_TTHREAD in the argument"),
        ("'pool', 'work', 'same', 1LL", "unsupported Lua type in the argument"),
        ("'pool', 'work', 'same', package.loaded", "suspicious circular references, table depth exceed max depth: 100"),
    ],
)
def test_what_goes_wrong_is_false_and_a_word(run: Any, runtime: Runtime, call: str, err: str) -> None:
    if "package.loaded" in call:
        call = call.replace("package.loaded", "(function() local t = {} t.t = t return t end)()")
    ok, found = runtime.load(f"return ngx.run_worker_thread({call})")()
    assert ok is False
    assert err in found.decode()


def test_the_caller_goes_on_while_the_worker_computes(run: Any, runtime: Runtime, tmp_path: Path) -> None:
    # Two calls that wait for each other: each has an OS thread of its own, and the hub is free meanwhile.
    (tmp_path / "spin.lua").write_text(
        "return { f = function(path) local file repeat file = io.open(path) until file file:close() return 'seen' end }"
    )
    outcome = runtime.load("""
        local path = ...
        local t = ngx.thread.spawn(ngx.run_worker_thread, "pool", "spin", "f", path)
        ngx.sleep(0.001)
        io.open(path, "w"):close()
        return ngx.thread.wait(t)
    """)(str(tmp_path / "flag"))
    assert outcome == (True, True, b"seen")


def test_a_caller_that_is_killed_drops_the_result(run: Any, runtime: Runtime, tmp_path: Path) -> None:
    (tmp_path / "slow.lua").write_text(
        "return { f = function(path) local file repeat file = io.open(path) until file file:close() return 'seen' end }"
    )
    outcome = runtime.load("""
        local path = ...
        local t = ngx.thread.spawn(ngx.run_worker_thread, "pool", "slow", "f", path)
        ngx.sleep(0.001)
        local killed = ngx.thread.kill(t)
        io.open(path, "w"):close()
        return killed, ngx.run_worker_thread("pool", "work", "add", 2, 2)
    """)(str(tmp_path / "flag"))
    assert outcome == (1, True, 4)
