"""LuaJIT from outside: its C functions for hooks, by ctypes, and what its own handlers and state tell.

For the watchdog, which looks at a LuaJIT that is running in another OS thread.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from functools import cached_property
from typing import Any, Final

__all__ = ["LuaJit", "address_of_mode", "is_free"]

MODES: Final = (b"l", b"f", b"l")  # of the profiler: a test at each line, at each function
GLOBAL_STATE_AT: Final = 16  # bytes into a lua_State: where it points to what all coroutines share
GLOBAL_STATE_SIZE: Final = 5000  # most of it; the mode is at 3868 today


class LuaJit:
    """The C functions of LuaJIT in lupa's library, without lupa, which would wait until Lua is left.

    They are called with the GIL held.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    @cached_property
    def _library(self) -> Any:
        import ctypes  # a few milliseconds, which a program without long loops need not spend

        library = ctypes.PyDLL(self._path)
        pointer, number = ctypes.c_void_p, ctypes.c_int
        for name, result, *arguments in (
            ("lua_gethook", pointer, pointer),
            ("lua_gethookmask", number, pointer),
            ("lua_sethook", number, pointer, pointer, number, number),
        ):
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        return library

    def lua_gethook(self, state: int) -> int:
        """Return the address of the C function that is the hook, 0 for none."""
        return self._library.lua_gethook(state) or 0

    def lua_gethookmask(self, state: int) -> int:
        """Return for what the hook is called, 0 for nothing."""
        mask: int = self._library.lua_gethookmask(state)
        return mask

    def lua_sethook(self, state: int, hook: int, mask: int, count: int) -> None:
        """Set the hook."""
        self._library.lua_sethook(state, hook, mask, count)

    def has_handler(self, number: int) -> bool:
        """Whether a signal's handler is one of LuaJIT's."""
        import ctypes

        class Place(ctypes.Structure):  # Dl_info
            _fields_ = (
                ("file", ctypes.c_char_p),
                ("base", ctypes.c_void_p),
                ("symbol", ctypes.c_char_p),
                ("address", ctypes.c_void_p),
            )

        handler = (ctypes.c_void_p * 64)()  # a struct sigaction, which begins with it and is smaller
        here, there = Place(), Place()
        process = ctypes.CDLL(None)
        return bool(
            process.sigaction(number, None, handler) == 0
            and process.dladdr(ctypes.c_void_p(handler[0]), ctypes.byref(there)) != 0
            and process.dladdr(self._library.lua_sethook, ctypes.byref(here)) != 0
            and here.base == there.base
        )


def address_of_mode(state: int, start: Callable[[bytes], None], stop: Callable[[], None]) -> int | None:
    """Find the byte in LuaJIT's global state that holds the profiler's mode: it is the one that follows start and stop.

    Read as a file, since an address that has nothing behind it is an OSError then.
    """
    looks = []
    try:
        with open("/proc/self/mem", "rb", buffering=0) as memory:
            (address,) = struct.unpack("P", os.pread(memory.fileno(), struct.calcsize("P"), state + GLOBAL_STATE_AT))
            for mode in MODES:
                start(mode)
                looks.append(os.pread(memory.fileno(), GLOBAL_STATE_SIZE, address))
                stop()
                looks.append(os.pread(memory.fileno(), GLOBAL_STATE_SIZE, address))
    except (OSError, OverflowError):
        return None
    expected = b"\0".join(MODES) + b"\0"
    size = min(map(len, looks))
    places = [place for place in range(size) if looks[0][place] == expected[0]]
    found = [place for place in places if bytes([look[place] for look in looks]) == expected]
    return address + found[0] if len(found) == 1 else None


def is_free(number: int) -> bool:
    """Whether nobody handles or ignores a signal; Python's own record misses the handlers that C code has set."""
    try:
        with open("/proc/self/status") as file:
            masks = dict(line.split(":\t", 1) for line in file if line.startswith(("SigIgn:", "SigCgt:")))
    except OSError:
        return False
    return not any(int(mask, 16) >> (number - 1) & 1 for mask in masks.values())
