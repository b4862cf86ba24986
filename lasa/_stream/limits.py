"""How much a read may gather before its end is seen. No peer can take more memory than these allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lasa._values import integer

__all__ = ["DEFAULT_LIMITS", "Limits", "checked_limit"]

MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes that may come before the end of a read is found; each has its own error word.

    Attributes:
        max_line: for ``receive("*l")``, the LF not counted: "line too long".
        max_pattern: for a reader of ``receiveuntil()`` without a size: "section too long".
        max_all: for ``receive("*a")``: "stream too long".
    """

    max_line: int = MIB
    max_pattern: int = 16 * MIB
    max_all: int = 256 * MIB


DEFAULT_LIMITS: Final = Limits()


def checked_limit(name: str, value: object, default: int) -> int:
    """Return a limit as an int, ``default`` for None.

    Raises:
        ValueError: not a number of at least 1.
    """
    if value is None:
        return default
    limit = integer(value)
    if limit is None or limit < 1:
        raise ValueError(f'bad "{name}" value: {value!r}')
    return limit
