"""Lua on lasa: OpenResty's scripts unchanged, on LuaJIT by lupa (the extra ``lua``)."""

from lasa.lua.errors import LuaError, LuaMissing
from lasa.lua.program import run, run_detached
from lasa.lua.runtime import LuaFunction, Runtime
from lasa.lua.settings import BadSetting, Settings, load_settings

__all__ = [
    "BadSetting",
    "LuaError",
    "LuaFunction",
    "LuaMissing",
    "Runtime",
    "Settings",
    "load_settings",
    "run",
    "run_detached",
]
