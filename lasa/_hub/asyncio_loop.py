"""asyncio's loop in a light thread: a call of ours that waits in that very light thread would stop the loop for good.

asyncio notes that a loop runs, but for the whole OS thread, whose light threads take turns: beside one that has called
``asyncio.run()``, after ``patch_all()``, all others may wait as ever. In whose stack the loop runs, its frames tell.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType, FunctionType
from typing import Any, Final

from gevent._hub_local import get_hub_if_exists
from greenlet import getcurrent, greenlet

__all__ = ["ASYNCIO", "MODULES", "asyncio_runs_here", "refuse_in_asyncio"]

# For every way to stop running: ``if ASYNCIO in MODULES: refuse_in_asyncio()``, at the price of a look into a dict for
# those who do not import asyncio.
MODULES: Final = sys.modules
ASYNCIO: Final = "asyncio.events"

_RUNS_A_LOOP: Final = frozenset({"run_forever", "run_until_complete"})
_IS_COROUTINE: Final = 0x80  # of a code object


def _find_running_loop() -> Any:
    global _running_loop
    found = getattr(MODULES.get(ASYNCIO), "_get_running_loop", None)  # not yet there while it is imported
    if found is None:
        return None
    _running_loop = found
    return found()


_running_loop: Callable[[], Any] = _find_running_loop  # asyncio's own, as soon as there is one


def refuse_in_asyncio() -> None:
    """Do nothing, unless the caller runs asyncio's loop.

    Raises:
        RuntimeError: the caller does; nothing has been changed.
    Switches: never.
    """
    if _running_loop() is not None and asyncio_runs_here():
        raise RuntimeError(
            "this call would wait, and stop the asyncio loop that runs in this very light thread: call it in an OS "
            "thread of its own, as in await asyncio.to_thread(function), or use a call of asyncio's"
        )


def asyncio_runs_here() -> bool:
    """Whether the caller runs asyncio's loop, or a user coroutine that such a one has resumed. Switches: never."""
    loop = _running_loop()
    if loop is None:
        return False
    hub = get_hub_if_exists()
    frame: FrameType | None = sys._getframe(1)
    me: greenlet | None = getcurrent()
    while me is not None and me is not hub:
        if _runs(loop, frame):
            return True
        me = me.parent
        frame = None if me is None else me.gr_frame
    return False


def _runs(loop: Any, frame: FrameType | None) -> bool:
    is_written_in_python = isinstance(type(loop).run_forever, FunctionType)
    while frame is not None:
        code = frame.f_code
        if is_written_in_python:
            if code.co_name in _RUNS_A_LOOP and frame.f_locals.get("self") is loop:
                return True
        elif code.co_flags & _IS_COROUTINE or frame.f_globals.get("__name__") == "asyncio.runners":
            return True  # a loop in C, such as uvloop's, has no frames of its own
        frame = frame.f_back
    return False
