"""Lets LuaJIT load modules written in C: cjson.so, lfs.so, lpeg.so and what else LuaRocks and Debian have."""

from __future__ import annotations

import ctypes
import os
import pkgutil
import re
from functools import cache
from importlib import import_module
from typing import Final

__all__ = ["make_lua_symbols_global"]

_FLAVOUR: Final = re.compile(r"lua(jit)?\d+")


@cache
def make_lua_symbols_global() -> None:
    """Put the lua_* functions of lupa's LuaJIT among the process's global symbols, for good; later calls do nothing.

    A C module is not linked to any Lua: the loader is to find lua_* in the program that loads it. Python loads lupa's
    extension so that only the extension itself sees its symbols, and every C module fails with "undefined symbol".
    Opening the same file once more as a global one changes that, and it holds for everything loaded afterwards: the
    loader asks the global symbols first, so another flavour of lupa imported later would run half on LuaJIT and crash.
    They are therefore imported here before, which binds them to their own functions (some 30 ms, no Lua state made).
    Other programs' libraries that bring a Lua of their own and are loaded later have no such protection, hence: to be
    called only when a script first loads a C module.

    Switches: never. Source: Lua 5.1, package.cpath.
    """
    import lupa
    from lupa import luajit21

    for module in pkgutil.iter_modules(lupa.__path__):
        if _FLAVOUR.fullmatch(module.name):
            import_module(f"lupa.{module.name}")
    ctypes.CDLL(luajit21.__file__, mode=os.RTLD_NOW | os.RTLD_GLOBAL)
