"""Modules that wait while they are loaded, and those who want them meanwhile."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from lasa.lua import Runtime, Settings
from tests.lua.tools import value_of

PRELUDE = """
local said = {}
function say(...)
    local words = { ... }
    for i = 1, select("#", ...) do words[i] = tostring(words[i]) end
    said[#said + 1] = table.concat(words, " ")
end
local spawn, wait, kill = ngx.thread.spawn, ngx.thread.wait, ngx.thread.kill
local times = 0
local function get(name)
    local ok, found = pcall(require, name)
    say(name, ok, type(found) == "table" and found.number or (found:gsub("^.-:%d+: ", "")))
end
"""


def said(code: str) -> list[str]:
    with gevent.Timeout(5):
        lines: Any = value_of(f"{PRELUDE}\n{code}\nreturn said")
    return [line.decode() for line in lines]


def test_others_wait_for_the_first_and_the_code_runs_once() -> None:
    assert (
        said("""
        package.preload.m = function()
            times = times + 1
            ngx.sleep(0.01)
            return { number = times }
        end
        local threads = {}
        for i = 1, 4 do threads[i] = spawn(get, "m") end
        for i = 1, 4 do wait(threads[i]) end
        get("m")
    """)
        == ["m true 1"] * 5
    )


def test_who_is_killed_in_a_module_leaves_it_to_the_next() -> None:
    assert (
        said("""
        package.preload.m = function()
            times = times + 1
            ngx.sleep(times == 1 and 10 or 0.001)
            return { number = times }
        end
        local first = spawn(get, "m")
        local second, third = spawn(get, "m"), spawn(get, "m")
        kill(first)
        wait(second)
        wait(third)
        get("m")
    """)
        == ["m true 2"] * 3
    )


def test_who_is_killed_while_it_waits_for_a_module_is_forgotten() -> None:
    assert (
        said("""
        package.preload.m = function()
            ngx.sleep(0.01)
            return { number = 1 }
        end
        local first, second, third = spawn(get, "m"), spawn(get, "m"), spawn(get, "m")
        kill(second)
        wait(first)
        wait(third)
    """)
        == ["m true 1"] * 2
    )


def test_a_module_that_fails_fails_for_those_who_wait_as_for_those_who_come_later() -> None:
    again = "m false loop or previous error loading module 'm'"
    assert said("""
        package.preload.m = function()
            ngx.sleep(0.01)
            error("no database")
        end
        local first, second = spawn(get, "m"), spawn(get, "m")
        wait(first)
        wait(second)
        get("m")
        package.loaded.m = nil
        package.preload.m = function() return { number = 7 } end
        get("m")
    """) == ["m false no database", again, again, "m true 7"]


def test_a_circle_over_two_light_threads_is_told_to_the_last_to_wait() -> None:
    assert said("""
        package.preload.a = function()
            ngx.sleep(0.01)
            get("b")
            return { number = "A" }
        end
        package.preload.b = function()
            ngx.sleep(0.02)
            get("a")
            return { number = "B" }
        end
        local first, second = spawn(get, "a"), spawn(get, "b")
        wait(first)
        wait(second)
    """) == ["a false loop or previous error loading module 'a'", "b true B", "b true B", "a true A"]


@pytest.mark.parametrize("order", ["get('m') wait(child)", "wait(child)"])
def test_a_module_that_waits_for_a_light_thread_that_wants_it_goes_on(order: str) -> None:
    found = said("""
        package.preload.m = function()
            local child = spawn(function()
                ngx.sleep(0)
                get("m")
            end)
            local ok = wait(child)
            say("child", ok)
            return { number = 1 }
        end
        get("m")
    """)
    assert found == ["m false loop or previous error loading module 'm'", "child true", "m true 1"]


def test_a_child_that_waits_already_when_its_parent_begins_to_is_told_so() -> None:
    assert said("""
        package.preload.m = function()
            local child = spawn(get, "m") -- waits at once
            say("child", (wait(child)))
            return { number = 1 }
        end
        get("m")
    """) == ["m false loop or previous error loading module 'm'", "child true", "m true 1"]


def test_a_parent_that_waits_for_any_of_two_is_no_circle() -> None:
    assert said("""
        package.preload.m = function()
            local child, other = spawn(get, "m"), spawn(ngx.sleep, 0.01)
            say("one of them", (wait(child, other)))
            return { number = 1 }
        end
        get("m")
        ngx.sleep(0.01)
    """) == ["one of them true", "m true 1", "m true 1"]


def test_a_module_that_wants_itself_is_a_loop() -> None:
    assert said("""
        package.preload.m = function()
            get("m")
            return { number = 1 }
        end
        get("m")
    """) == ["m false loop or previous error loading module 'm'", "m true 1"]


def test_a_loader_of_the_script_may_wait_and_its_module_is_loaded_once() -> None:
    assert (
        said("""
        table.insert(package.loaders, 1, function(name)
            if name ~= "m" then return "no" end
            ngx.sleep(0.01)
            return function()
                times = times + 1
                return { number = times }
            end
        end)
        local first, second = spawn(get, "m"), spawn(get, "m")
        wait(first)
        wait(second)
    """)
        == ["m true 1"] * 2
    )


def test_calls_from_python_wait_for_each_other_too() -> None:
    with Runtime(settings=Settings()) as runtime:
        runtime.load("""
            package.preload.m = function()
                ngx.sleep(0.01)
                return { number = 5 }
            end
        """)()
        call = runtime.load("return require('m').number")
        calls = [gevent.spawn(call) for _ in range(4)]
        gevent.joinall(calls, timeout=5)
        assert [each.value for each in calls] == [5] * 4


def test_a_call_from_python_that_is_killed_in_a_module_leaves_it_to_the_next() -> None:
    with Runtime(settings=Settings()) as runtime:
        runtime.load("""
            local times = 0
            package.preload.m = function()
                times = times + 1
                ngx.sleep(times == 1 and 10 or 0)
                return { number = times }
            end
        """)()
        call = runtime.load("return require('m').number")
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.02):
            call()
        with gevent.Timeout(5):
            assert call() == 2
