"""Write one line to the log (seed: lasa.log), with Android's levels on top of Python's logging.

Each tag is the logger ``lasa.<tag>``, so an application chooses what it sees and where with logging's own
means. Tags should be a fixed set of names: logging keeps a logger forever.
"""

import logging
from enum import IntEnum
from typing import Final

__all__ = ["LogLevel", "log"]


class LogLevel(IntEnum):
    """Android's log priorities: larger is more severe."""

    UNKNOWN = 0
    DEFAULT = 1
    VERBOSE = 2
    DEBUG = 3
    INFO = 4
    WARN = 5
    ERROR = 6
    FATAL = 7
    SILENT = 8


# logging has no level below DEBUG; 5 is where most libraries put one.
_VERBOSE: Final = 5

# None is never printed.
_LOGGING_LEVEL: Final[dict[int, int | None]] = {
    LogLevel.UNKNOWN: logging.INFO,
    LogLevel.DEFAULT: logging.INFO,
    LogLevel.VERBOSE: _VERBOSE,
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARN: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
    LogLevel.FATAL: logging.CRITICAL,
    LogLevel.SILENT: None,
}

if logging.getLevelName(_VERBOSE) == f"Level {_VERBOSE}":  # an application may have named it already
    logging.addLevelName(_VERBOSE, "VERBOSE")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    return str(value)


def log(level: int, tag: str | bytes, msg: object) -> None:
    """Log ``msg`` under ``tag``; the record names the caller's line.

    Args:
        level: a LogLevel or its number. UNKNOWN and DEFAULT count as INFO, FATAL as logging's CRITICAL,
            VERBOSE as 5; SILENT is never printed.
        tag: the part after ``lasa.`` in the logger's name (a dot makes a child); empty means ``lasa``.
        msg: a str as it is, bytes-like as UTF-8 with replacement characters, anything else through str().
            It is the text itself, never a format: ``%`` and line breaks stay.
    Raises:
        ValueError: "bad log level: N": outside 0 to 8, a boolean, or not whole.
        TypeError: "bad log level: V" when level is no number; "bad log tag: V" when tag is no string.
    Source: seed, "lasa.log".
    """
    if not isinstance(level, int | float):
        raise TypeError(f"bad log level: {level!r}")
    if isinstance(level, bool) or level not in _LOGGING_LEVEL:
        raise ValueError(f"bad log level: {level}")
    if not isinstance(tag, str | bytes | bytearray | memoryview):
        raise TypeError(f"bad log tag: {tag!r}")
    priority = _LOGGING_LEVEL[level]
    if priority is None:
        return
    name = _text(tag)
    logger = logging.getLogger("lasa." + name if name else "lasa")
    if logger.isEnabledFor(priority):
        # Without further arguments logging does not %-format; stacklevel 2 is whoever called log().
        logger.log(priority, _text(msg), stacklevel=2)
