"""Where a script's words go: stdout for the main program, the log for ngx.log and print, and its end by ngx.exit."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lasa.lua._levels import NAMES, NUMBERS
from lasa.lua.errors import text_of

if TYPE_CHECKING:
    from lasa.lua.runtime import Runtime

__all__ = ["natives"]

logger = logging.getLogger("lasa.lua")


def natives(runtime: Runtime) -> dict[str, Callable[..., Any]]:
    """Return is_logged, log; exit and exit_program, which do not return."""

    def is_logged(level: float) -> bool:
        return logger.isEnabledFor(NUMBERS[int(level)])

    def log(level: float, message: bytes) -> None:
        number = int(level)
        logger.log(NUMBERS[number], "%s", text_of(message), extra={"nginx_level": NAMES[number]})

    def leave(number: int, status: float) -> None:
        runtime.contexts[number].exit(int(status))

    def exit_program(code: float) -> None:
        raise SystemExit(int(code))

    return {"is_logged": is_logged, "log": log, "exit": leave, "exit_program": exit_program}
