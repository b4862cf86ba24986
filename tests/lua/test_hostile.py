"""Scripts that would break the runtime, not only themselves."""

from __future__ import annotations

from tests.lua.tools import run_lua, value_of


def test_coroutines_that_resume_coroutines_without_end_fail_with_an_error() -> None:
    # LuaJIT itself ends the process there.
    code = """
        local depth = 0
        local function deeper()
            depth = depth + 1
            return coroutine.wrap(deeper)()
        end
        local ok, err = pcall(deeper)
        local after = coroutine.wrap(function() ngx.sleep(0) return "still works" end)()
        return ok, err, depth, after
    """
    ok, message, depth, after = value_of(code)
    assert (ok, message, after) == (False, b"C stack overflow", b"still works")
    assert depth > 1000


def test_a_wait_below_a_thousand_coroutines_comes_back_through_all_of_them() -> None:
    code = """
        local function deeper(n)
            if n == 0 then ngx.sleep(0) return 0 end
            return 1 + coroutine.wrap(deeper)(n - 1)
        end
        return deeper(1000)
    """
    assert value_of(code) == 1000


def test_a_coroutine_that_waits_inside_a_c_function_fails_at_its_own_line_and_ends() -> None:
    code = """
        local co = coroutine.create(function()
            ngx.sleep(0)
        end)
        local resumed, err
        table.sort({ 2, 1 }, function(a, b)
            resumed, err = coroutine.resume(co)
            return a < b
        end)
        return resumed, err, coroutine.status(co)
    """
    resumed, message, status = value_of(code)
    assert (resumed, status) == (False, b"dead")
    assert message.startswith(b"test.lua:3: attempt to yield across C-call boundary: a call that waits")


def test_a_userdata_error_whose_tostring_fails_has_an_unknown_reason() -> None:
    code = """
        local value = newproxy(true)
        getmetatable(value).__tostring = function() error("no text") end
        error(value)
    """
    status, out, err = run_lua("-e", code)
    assert (status, out) == (1, "")
    assert "lua entry thread aborted: runtime error: unknown reason" in err
    assert "Traceback" not in err


def test_the_runtime_lives_on_its_own_functions_when_a_script_has_replaced_luas() -> None:
    code = """
        local stderr, write = io.stderr, io.stderr.write
        local function replaced() write(stderr, "REPLACED CALLED\\n") end
        for _, library in ipairs({ coroutine, debug, math, os, string, table }) do
            for name in next, library do library[name] = replaced end
        end
        local ngx = ngx
        for name, value in next, _G do
            if type(value) == "table" and name ~= "_G" then _G[name] = nil end
        end
        for _, name in next, { "error", "pcall", "select", "setmetatable", "tostring", "type" } do
            _G[name] = replaced
        end
        ngx.timer.at(0, function() ngx.log(ngx.ERR, "timer ran") end)
        ngx.thread.wait(ngx.thread.spawn(function() local none; none() end))
        ngx.sleep(0.01)
        ngx.log(ngx.ERR, "logged")
        ngx.say("said")
        local none; none.x = 1
    """
    status, out, err = run_lua("-e", code)
    assert "REPLACED CALLED" not in err
    assert "Traceback" not in err
    assert (status, out) == (1, "said\n")
    assert "attempt to index local 'none' (a nil value)" in err
    assert "logged" in err
    assert "timer ran" in err
