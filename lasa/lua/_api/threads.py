"""Light threads for Lua: a Lua light thread is one of lasa's, which drives its coroutine."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lasa import _hub, thread
from lasa.lua._context import Context, HandlerExit
from lasa.lua._driver import drive
from lasa.lua.errors import LuaError

if TYPE_CHECKING:
    from lasa.lua.runtime import Runtime

__all__ = ["natives"]

logger = logging.getLogger("lasa.lua")


def natives(runtime: Runtime) -> dict[str, Callable[..., Any]]:
    """Return spawn, wait, kill, give_way and sleep; all but the first take what Lua has checked."""
    threads = runtime.threads

    def run(number: int, context: Context) -> None:
        try:
            drive(context.runtime, number)
        except LuaError as error:
            logger.error("lua user thread aborted: runtime error: %s", error, exc_info=error.__cause__)
        except HandlerExit:
            pass  # the context ends
        finally:
            handle = threads.pop(number, None)
            if handle is not None:
                context.left(handle)

    def spawn(number: int, context_number: int) -> tuple[()]:
        context = runtime.contexts[context_number]
        handle = thread.spawn(run, number, context)
        if not handle.is_over:
            threads[number] = handle
            context.joined(handle)
        elif context.exit_status is not None:
            raise HandlerExit(context.exit_status)
        return ()

    def wait(*numbers: int) -> tuple[()]:
        thread.wait(*[threads[number] for number in numbers])
        return ()

    def kill(number: int) -> tuple[()]:
        thread.kill(threads[number])
        return ()

    def give_way() -> tuple[()]:
        _hub.give_way()
        return ()

    def sleep(delay_s: float) -> tuple[()]:
        _hub.sleep(delay_s)
        return ()

    return {"spawn": spawn, "wait": wait, "kill": kill, "give_way": give_way, "sleep": sleep}
