"""lasa.log for Lua, which has checked the arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lasa.log import log

if TYPE_CHECKING:
    from lasa.lua.runtime import Runtime

__all__ = ["natives"]


def natives(runtime: Runtime) -> dict[str, Callable[..., Any]]:
    """Return write, which takes a level, a tag and a message."""
    return {"write": log}
