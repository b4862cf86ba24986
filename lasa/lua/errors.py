"""What goes wrong in Lua, as a Python exception."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

if TYPE_CHECKING:
    from lasa.lua.runtime import Runtime

__all__ = ["LuaError", "LuaMissing", "text_of"]


class LuaError(Exception):
    """An error that left a Lua function.

    Attributes:
        message: its text; "unknown reason" for an error object that has none.
        value: the error value: bytes for a Lua string, otherwise as Runtime.load() returns values.
        traceback: where it happened, one line for each Lua function, the innermost first.
        raw: for the runtime that it comes from: a weak reference to it, and the value as lupa has it.
    """

    def __init__(self, message: str, value: Any = None, traceback: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.value = value
        self.traceback = traceback
        self.raw: tuple[ref[Runtime], Any] | None = None

    def __str__(self) -> str:
        return f"{self.message}\nstack traceback:\n{self.traceback}" if self.traceback else self.message


class LuaMissing(ImportError):
    """lupa is not installed."""

    def __init__(self) -> None:
        super().__init__("Lua needs lupa, which the extra 'lua' installs: pip install '.[lua]' in lasa's checkout")


def text_of(data: bytes) -> str:
    """Return a Lua string as text: UTF-8, with backslashes for what is none."""
    return data.decode("utf-8", "backslashreplace")
