"""Where ``require`` finds modules besides Lua's own paths: those of the host, and those in the share folder."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from lasa.lua.runtime import Runtime

__all__ = ["natives"]

_NAME: Final = re.compile(r"[a-z0-9]+[a-z0-9_]*(\.[a-z0-9][a-z0-9_]*)*")


def natives(runtime: Runtime) -> dict[str, Callable[..., Any]]:
    """Return has_module, module (which may switch), source, core_source, promote and promote_library."""

    def source(name: bytes) -> tuple[bytes, bytes] | None:
        text = name.decode("utf-8", "replace")
        if not _NAME.fullmatch(text):
            return None
        file = f"{text.replace('.', '/')}.lua"
        try:
            return runtime.shared_source(file), f"lasa/{file}".encode()
        except OSError:
            return None

    def core_source(name: bytes) -> bytes:
        return runtime.shared_source(f"_core/{name.decode()}.lua")

    def promote() -> None:
        from lasa.lua._cpath import make_lua_symbols_global

        make_lua_symbols_global()

    def promote_library(number: int) -> bool:
        from lasa.lua._linked import make_next_library_global

        return make_next_library_global(number)

    return {
        "has_module": lambda name: runtime.has_module(name),
        "module": lambda name: runtime.module(name),
        "source": source,
        "core_source": core_source,
        "promote": promote,
        "promote_library": promote_library,
    }
