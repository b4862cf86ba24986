"""Semaphores for Lua: lasa's own, whose arguments Lua has checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lasa.semaphore import Semaphore

if TYPE_CHECKING:
    from lasa.lua.runtime import Runtime

__all__ = ["natives"]


def natives(runtime: Runtime) -> dict[str, Callable[..., Any]]:
    """Return new, wait (which switches), post and count."""
    return {"new": Semaphore, "wait": Semaphore.wait, "post": Semaphore.post, "count": Semaphore.count}
