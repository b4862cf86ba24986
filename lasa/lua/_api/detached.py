"""lasa.detach for Lua, whose Lua code runs with the same settings and module folders as the caller's."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from lasa._detached import Detached, detach
from lasa.lua._driver import Values, message_of

if TYPE_CHECKING:
    from lasa.lua.runtime import Runtime

__all__ = ["natives"]


def natives(runtime: Runtime) -> dict[str, Callable[..., Any]]:
    """Return detach and join (which switches) for the driver, is_alive, error and stop for Lua itself."""

    def lua(name: bytes, **source: Any) -> dict[str, Any]:
        from lasa.lua.program import run_detached

        program = partial(run_detached, name=os.fsdecode(name), path=runtime.path, settings=runtime.settings, **source)
        return {"content": lambda *args: program(args=args)}

    def begin(kind: bytes, content: bytes, name: bytes | None, args: Any, count: int) -> Values:
        given = [] if args is None else [runtime.converter.to_python(args[index]) for index in range(1, count + 1)]
        try:
            if kind == b"content_by_lua":
                chosen: Any = lua(name or b"detached", code=content, file=None)
            elif kind == b"content_by_file" and content.endswith(b".lua"):
                os.stat(content)  # here is the better place to learn that it is not there
                chosen = lua(name or content, code=None, file=os.fsdecode(content))
            else:
                chosen = {kind.decode(): content.decode("utf-8", "surrogateescape")}
            handle = detach(chosen, name=name, args=tuple(given))
        except OSError as error:
            return Values(None, f"{os.fsdecode(content)}: {(error.strerror or str(error)).lower()}".encode())
        except (SyntaxError, ValueError) as error:
            return Values(None, str(error).encode("utf-8", "surrogateescape"))
        return Values(handle, handle.name.encode())

    def join(handle: Detached, timeout_s: float | None = None) -> Values:
        ok, *values = handle.join(timeout_s)
        if ok:
            return Values(True, *[runtime.converter.to_lua(value) for value in values])
        return Values(ok, message_of(values[0]) if isinstance(values[0], BaseException) else values[0].encode())

    return {
        "detach": begin,
        "join": join,
        "is_alive": lambda handle: handle.is_alive,
        "error": lambda handle: None if handle.error is None else message_of(handle.error),
        "stop": Detached.stop,
    }
