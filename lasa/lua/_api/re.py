"""Regular expressions for Lua: where PCRE2 is; Lua calls it by itself, through LuaJIT's ffi."""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from lasa.lua.runtime import Runtime

__all__ = ["natives"]

# find_library() runs other programs, so the names that the library has on Linux, macOS and Windows are tried first.
KNOWN_NAMES: Final = ("libpcre2-8.so.0", "libpcre2-8.so", "libpcre2-8.0.dylib", "libpcre2-8.dylib", "pcre2-8.dll")


def library() -> bytes | None:
    """Return the name or path by which libpcre2-8 can be loaded, None where there is none.

    Switches: never. Source: beyond the seed.
    """
    for name in KNOWN_NAMES:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return name.encode()
    found = ctypes.util.find_library("pcre2-8")
    return found.encode() if found else None


def natives(runtime: Runtime) -> dict[str, Callable[..., Any]]:
    """Return library."""
    return {"library": library}
