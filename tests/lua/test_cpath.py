"""Modules written in C: LuaJIT inside Python loads them, and the other flavours of lupa stay what they are."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CJSON = Path("/usr/lib/x86_64-linux-gnu/lua/5.1/cjson.so")

# The Lua API as a C module sees it, declared here because its headers need not be installed.
MODULE = r"""
#include <stddef.h>
typedef struct lua_State lua_State;
typedef int (*lua_CFunction)(lua_State *);
extern const char *lua_tolstring(lua_State *, int, size_t *);
extern void lua_pushlstring(lua_State *, const char *, size_t);
extern void lua_createtable(lua_State *, int, int);
extern void lua_pushcclosure(lua_State *, lua_CFunction, int);
extern void lua_setfield(lua_State *, int, const char *);
extern void lua_call(lua_State *, int, int);
extern void lua_pushvalue(lua_State *, int);
extern int luaL_error(lua_State *, const char *, ...);

static int same(lua_State *L) {
    size_t size;
    const char *text = lua_tolstring(L, 1, &size);
    lua_createtable(L, 0, 1);
    lua_pushlstring(L, text, size);
    lua_setfield(L, -2, "text");
    return 1;
}
static int fail(lua_State *L) { return luaL_error(L, "failed in C with %s", lua_tolstring(L, 1, NULL)); }
static int call(lua_State *L) { lua_pushvalue(L, 1); lua_call(L, 0, 1); return 1; }

int luaopen_in_c(lua_State *L) {
    lua_createtable(L, 0, 3);
    lua_pushcclosure(L, same, 0); lua_setfield(L, -2, "same");
    lua_pushcclosure(L, fail, 0); lua_setfield(L, -2, "fail");
    lua_pushcclosure(L, call, 0); lua_setfield(L, -2, "call");
    return 1;
}
"""

START = """
import gc, importlib, sys
from lupa import luajit21
from lasa.lua._cpath import make_lua_symbols_global

def new(folder, promote=True):
    if promote:
        make_lua_symbols_global()
    lua = luajit21.LuaRuntime(encoding=None, unpack_returned_tuples=True)
    lua.globals().package.cpath = folder.encode() + b"/?.so"
    return lua
"""


def run_python(code: str, *arguments: str) -> str:
    """Run code in a Python of its own: what it makes global stays so for the whole process."""
    result = subprocess.run(
        [sys.executable, "-c", START + code, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a folder with the C module in_c.so."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    made = tmp_path_factory.mktemp("cpath")
    (made / "in_c.c").write_text(MODULE)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", made / "in_c.so", made / "in_c.c"], check=True, timeout=60)
    return str(made)


def test_a_c_module_loads_only_once_the_symbols_are_global(folder: str) -> None:
    code = """
try:
    new(sys.argv[1], promote=False).execute(b'require "in_c"')
except luajit21.LuaError as error:
    assert "undefined symbol: lua" in str(error), error
else:
    print("loaded without")
print(new(sys.argv[1]).execute(b'return require("in_c").same("text").text'))
"""
    assert run_python(code, folder) == "b'text'\n"


def test_errors_cross_c_and_python_and_nothing_is_lost_in_many_calls(folder: str) -> None:
    code = """
lua = new(sys.argv[1])
def boom():
    raise KeyError("in Python")
lua.globals().boom = boom
print(lua.execute(b'''
    local c = require "in_c"
    local failed, message = 0
    for i = 1, 1e5 do
        local ok, err = pcall(c.fail, "number " .. i)
        if not ok then failed, message = failed + 1, err end
        assert(c.same("text " .. i).text == "text " .. i)
    end
    local ok, err = pcall(c.call, boom)
    local in_coroutine = coroutine.wrap(function() return select(2, pcall(c.fail, "a coroutine")) end)()
    collectgarbage() collectgarbage()
    return failed, message, ok, tostring(err):match("in Python"), in_coroutine
'''))
"""
    expected = (100000, b"failed in C with number 100000", False, b"in Python", b"failed in C with a coroutine")
    assert run_python(code, folder) == f"{expected}\n"


def test_states_with_c_modules_come_and_go(folder: str) -> None:
    code = """
for _ in range(100):
    lua = new(sys.argv[1])
    assert lua.execute(b'return require("in_c").same("x").text') == b"x"
    del lua
    gc.collect()
print("done")
"""
    assert run_python(code, folder) == "done\n"


def test_the_other_flavours_of_lupa_keep_their_own_lua(folder: str) -> None:
    code = """
import lupa, pkgutil
new(sys.argv[1]).execute(b'require "in_c"')
for name in sorted(module.name for module in pkgutil.iter_modules(lupa.__path__) if module.name.startswith("lua")):
    flavour = importlib.import_module(f"lupa.{name}")
    for _ in range(5):
        lua = flavour.LuaRuntime()
        lua.execute("local t = {} for i = 1, 1000 do t[i] = {i} end")
        assert lua.eval("coroutine.wrap(function() return pcall(error, 'x') end)()") == (False, "x")
        found = lua.eval("_VERSION .. (jit and ' ' .. jit.version or '')")
    expected = "Lua {}.{}".format(*flavour.LUA_VERSION)
    assert found.startswith(expected), (name, found)
    assert ("LuaJIT" in found) == ("jit" in name), (name, found)
print("done")
"""
    assert run_python(code, folder) == "done\n"


def test_the_symbols_are_made_global_once(folder: str) -> None:
    code = """
import ctypes
opened = []
original = ctypes.CDLL
ctypes.CDLL = lambda *arguments, **options: opened.append(arguments) or original(*arguments, **options)
for _ in range(3):
    make_lua_symbols_global()
print(len(opened))
"""
    assert run_python(code) == "1\n"


@pytest.mark.skipif(not CJSON.exists(), reason="Debian's lua-cjson is not installed")
def test_debians_cjson_loads_and_fails_properly() -> None:
    code = """
print(new(sys.argv[1]).execute(b'''
    local cjson = require "cjson"
    local failed = 0
    for i = 1, 1e5 do
        if not pcall(cjson.decode, "{bad") then failed = failed + 1 end
        assert(cjson.decode(cjson.encode({a = {i, "x"}})).a[1] == i)
    end
    return failed, cjson.encode({1, cjson.null, {a = "b"}})
'''))
"""
    expected = (100000, b'[1,null,{"a":"b"}]')
    assert run_python(code, str(CJSON.parent)) == f"{expected}\n"
