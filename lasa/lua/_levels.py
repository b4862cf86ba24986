"""The levels of nginx's error log, which ngx.log and the setting log_level name, as those of logging."""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["NAMES", "NOTICE", "NUMBERS", "NUMBER_OF", "name_of"]

NOTICE: Final = 25

# By nginx's numbers, from ngx.STDERR to ngx.DEBUG.
NAMES: Final = ("", "emerg", "alert", "crit", "error", "warn", "notice", "info", "debug")
NUMBERS: Final = (*[logging.CRITICAL] * 4, logging.ERROR, logging.WARNING, NOTICE, logging.INFO, logging.DEBUG)

# Those that a setting may name, the least severe first.
NUMBER_OF: Final = dict(reversed(list(zip(NAMES[2:], NUMBERS[2:], strict=True))))
_NAME_OF: Final = {number: name for name, number in NUMBER_OF.items()}

if logging.getLevelName(NOTICE) == f"Level {NOTICE}":  # an application may have named it already
    logging.addLevelName(NOTICE, "NOTICE")


def name_of(record: logging.LogRecord) -> str:
    """Return nginx's name for the level of a record; one of ngx.log has its own as ``nginx_level``."""
    own: str | None = getattr(record, "nginx_level", None)
    return _NAME_OF.get(record.levelno, record.levelname.lower()) if own is None else own
