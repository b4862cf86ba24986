"""Timers for Lua: what fires is a number, for which Lua has the callback and its arguments."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from lasa import timer
from lasa.lua.errors import LuaError, text_of

if TYPE_CHECKING:
    from lasa.lua.runtime import Runtime

__all__ = ["natives"]

logger = logging.getLogger("lasa.lua")


def natives(runtime: Runtime) -> dict[str, Callable[..., Any]]:
    """Return at, every, kill, running_count and pending_count; none of them switches."""
    # A runtime whose timers are pending lives on, though nobody may have it any more.
    pending: dict[int, Runtime] = {}

    def defined_at(number: int, _repeats: bool) -> str:
        where: bytes = runtime.core.timer_defined_at(number)
        return text_of(where)

    def fire(premature: bool, number: int, repeats: bool) -> None:
        ours = pending[number]
        if premature or not repeats:
            del pending[number]
        if ours.is_closed:
            return
        try:
            context = ours.new_context("timer")
            context.run(ours.core.timer_fires(number, context.handler, premature))
        except LuaError as error:
            logger.error("failed to run timer: runtime error: %s", error, exc_info=error.__cause__)

    fire.defined_at = defined_at  # type: ignore[attr-defined]

    def schedule(make: Callable[..., Any], delay_s: float, number: int) -> Any:
        handle, err = make(delay_s, fire, number, make is timer.every)
        if handle is None:
            return None, err.encode()
        pending[number] = runtime.itself
        return handle

    def kill(handle: object) -> int:
        if not isinstance(handle, timer.Timer):
            raise TypeError("bad argument #1 to 'kill' (timer expected)")
        number: int = handle.arguments[0]
        timer.kill(handle)
        pending.pop(number, None)
        return number

    return {
        "at": partial(schedule, timer.at),
        "every": partial(schedule, timer.every),
        "kill": kill,
        "running_count": timer.running_count,
        "pending_count": timer.pending_count,
    }
