"""jit.v, jit.dump, jit.p, jit.bcsave and thread.exdata: what LuaJIT's own modules of these names are for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.lua.tools import value_of

LOOP = "local sum = 0 for i = 1, 1000 do sum = sum + i end"
# A closure that is made again and again is what LuaJIT does not compile.
GIVEN_UP = "for i = 1, 300 do local f = function() return i end sum = sum + f() end"


def test_v_writes_a_line_for_each_trace(tmp_path: Path) -> None:
    file = tmp_path / "traces"
    value_of(f"local v = require 'jit.v' v.on(...)\n{LOOP}\n{GIVEN_UP}\nv.off()\nfor i = 1, 1000 do end", str(file))
    lines = file.read_text().splitlines()
    assert re.fullmatch(r"\[TRACE +\d+ test\.lua:2 loop\]", lines[0])
    assert any(re.fullmatch(r"\[TRACE --- test\.lua:3 -- abort \d+.*\]", line) for line in lines[1:])
    assert not [line for line in lines if "test.lua:5" in line]  # it is off


def test_dump_tells_how_large_a_trace_is(tmp_path: Path) -> None:
    file = tmp_path / "traces"
    value_of(f"local dump = require 'jit.dump' dump.on('b', ...)\n{LOOP}\ndump.off()", str(file))
    start, stop = file.read_text().splitlines()
    assert re.fullmatch(r"---- TRACE \d+ start test\.lua:2", start)
    assert re.fullmatch(r"---- TRACE \d+ stop -> loop, \d+ instructions, .* machine code at [0-9a-f]+", stop)


@pytest.mark.parametrize(("mode", "expected"), [("l", r"test\.lua:\d"), ("vl", r"[A-Z][ a-zA-Z]+  test\.lua:\d")])
def test_p_tells_where_the_time_goes(tmp_path: Path, mode: str, expected: str) -> None:
    file = tmp_path / "samples"
    code = """
        local p, math, sum = require "jit.p", math, 0
        local mode, file = ...
        p.start(mode .. "i1", file)
        local began = os.clock()
        while os.clock() - began < 0.1 do for i = 1, 1000 do sum = sum + math.sin(i) end end
        p.stop()
    """
    value_of(code, mode, str(file))
    first = file.read_text().splitlines()[0]
    assert re.match(rf" *\d+%  {expected}", first), first


def test_bcsave_writes_bytecode_that_can_be_loaded(tmp_path: Path) -> None:
    source, out = tmp_path / "in.lua", tmp_path / "out.raw"
    source.write_text("return 5")
    code = """
        local bcsave = require "jit.bcsave"
        bcsave.start(...)
        local first = loadfile((select(2, ...)))()
        bcsave.start("-e", "return 6", (select(2, ...)))
        return first, loadfile((select(2, ...)))(), select(2, pcall(bcsave.start, "-l", ...))
    """
    first, second, message = value_of(code, str(source), str(out))
    assert (first, second) == (5, 6)
    assert b"no option -l but" in message


def test_exdata_is_a_pointer_for_each_coroutine() -> None:
    code = """
        local ffi, exdata, exdata2 = require "ffi", require "thread.exdata", require "thread.exdata2"
        local function number(get) return tonumber(ffi.cast("intptr_t", get())) end
        exdata(7LL)
        local inside = coroutine.wrap(function()
            local before = number(exdata)
            exdata(ffi.cast("void *", 8))
            ngx.sleep(0)
            return before, number(exdata)
        end)
        local before, after = inside()
        return before, after, number(exdata), number(exdata2), select(2, pcall(function() exdata("x") end))
    """
    *numbers, message = value_of(code)
    assert numbers == [0, 8, 7, 0]
    assert message.endswith(b"bad argument #1 to 'exdata' (cdata expected, got string)")
