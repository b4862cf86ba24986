"""A LuaJIT with a few pieces of lasa's Lua side in it and fakes around them, for tests of one piece at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.resources import files
from typing import Any

from lupa import luajit21

SHARE = files("lasa.lua").joinpath("share")

# What every piece may count on: the clock of the fakes stands still until their sleep() moves it.
WORLD = """
local core = ...
core.ngx_lua_resty_version = "0.1.25"
core.modules = {}
core.native = {}
local now_s, slept = 1000, {}
core.ngx = {
    ERR = 4,
    config = { subsystem = "http" },
    shared = {},
    now = function() return now_s end,
    sleep = function(seconds)
        slept[#slept + 1] = seconds
        now_s = now_s + seconds
        if core.after_sleep then core.after_sleep() end
    end,
}
core.lasa = { monotonictime = function() return 1234567.8 end }
core.slept = slept
ngx = core.ngx
core_of_tests = core
table.insert(package.loaders, 2, function(name)
    local module = core.modules[name]
    return module and function() return module end
end)
"""


class Pieces:
    """A Lua state with the share folder, chosen chunks of share/_core and chosen families of natives."""

    def __init__(self, *, families: Sequence[str] = (), chunks: Sequence[str] = ()) -> None:
        self.lua: Any = luajit21.LuaRuntime(
            encoding=None, unpack_returned_tuples=True, register_eval=False, register_builtins=False
        )
        self.core: Any = self.lua.table()
        self.lua.execute(WORLD.encode(), self.core)
        self.lua.globals().package.path = f"{SHARE}/?.lua".encode()
        for family in families:
            natives: dict[str, Callable[..., Any]] = import_module(f"lasa.lua._api.{family}").natives(self)
            table = self.lua.table_from({name.encode(): native for name, native in natives.items()})
            self.core.native[family.encode()] = table
        for chunk in chunks:
            source = SHARE.joinpath(f"_core/{chunk}.lua").read_bytes()
            self.lua.compile(source, name=f"@{chunk}.lua".encode())(self.core)

    def run(self, code: str) -> Any:
        """Run Lua code and return what it returns: one value, or a tuple of several."""
        return self.lua.execute(code.encode(), name=b"=test")
