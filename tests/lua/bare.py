"""A LuaJIT with those chunks of lasa's Lua side that need no light threads, and ways to ask it."""

from __future__ import annotations

from typing import Any

from lasa.lua.runtime import ALONE
from tests.lua.pieces import SHARE, Pieces

__all__ = ["Bare"]

FAMILIES = ("codec", "dictionary", "process")
BEFORE_ALL = ("arguments", "scratch")

PCALL = b"local code = ... return pcall(assert(loadstring(code, '=x.lua')), select(2, ...))"


class Bare(Pieces):
    """A state in which some ``_core`` chunks have run.

    Args:
        chunks: their names, in their order; what every chunk needs comes before.
    """

    def __init__(self, *chunks: str) -> None:
        super().__init__(families=FAMILIES, chunks=BEFORE_ALL + chunks)
        self.worker = ALONE
        self.lua.globals().lasa = self.core.lasa

    def __call__(self, code: str, *arguments: Any) -> Any:
        """Run Lua code, whose ``...`` are the arguments; return what it returns."""
        return self.lua.execute(code.encode(), *arguments)

    def add_native(self, family: str, name: str, function: Any) -> None:
        """Give the chunks one more Python function."""
        if self.core.native[family.encode()] is None:
            self.core.native[family.encode()] = self.lua.table()
        self.core.native[family.encode()][name.encode()] = function

    def run_chunk(self, name: str) -> None:
        """Run one more chunk."""
        self.lua.compile(SHARE.joinpath(f"_core/{name}.lua").read_bytes())(self.core)

    def error_of(self, code: str, *arguments: Any) -> bytes:
        """Return the message of the error that Lua code raises; the code is the second line of x.lua."""
        is_fine, message = self.lua.execute(PCALL, b"\n" + code.encode(), *arguments)
        assert not is_fine, f"no error in {code}"
        assert type(message) is bytes
        return message
