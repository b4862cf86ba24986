"""How much a read may gather before its end is seen. No peer can take more memory than these allow."""

from dataclasses import dataclass
from math import inf
from typing import Annotated, Any, Final

from lasa._options import Checker, Opt

__all__ = ["DEFAULT_LIMITS", "Limits"]

MIB: Final = 1 << 20
_BYTES: Final = Opt("bytes", least=1, below=inf)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes that may come before the end of a read is found; each has its own error word."""

    max_line: Annotated[int, _BYTES] = MIB
    """Bytes of a line that `receive("*l")` reads, the LF not counted; beyond it "line too long"."""
    max_pattern: Annotated[int, _BYTES] = 16 * MIB
    """Bytes before the pattern, of a reader of `receiveuntil()` without a size; "section too long"."""
    max_all: Annotated[int, _BYTES] = 256 * MIB
    """Bytes that `receive("*a")` reads; "stream too long"."""

    def of(self, name: str, value: Any) -> int:
        """Return a limit of one read: ``value``, or the one here for None.

        Raises:
            ValueError: not a number of at least 1.
        """
        limit: int = getattr(self, name) if value is None else _CHECKER.check({name: value})[name]
        return limit


_CHECKER: Final = Checker(Limits)
DEFAULT_LIMITS: Final = Limits()
