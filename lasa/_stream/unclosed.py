"""What becomes of a connection whose owner is dropped while it is open."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable

from lasa._stream.link import Link

__all__ = ["end_unclosed"]


def end_unclosed(
    owner: object,
    link: Link,
    end: Callable[[], None],
    *,
    warns: bool = True,
    is_finalizing: Callable[[], bool] = sys.is_finalizing,
) -> None:
    """Warn of it as Python warns of a file, and end the connection in the OS thread that it belongs to.

    For ``__del__``, which has this function as the default of an argument: at the end of the process modules may be
    gone, this one too.

    Args:
        end: closes the connection, and gives its place in a pool back.
        warns: False where a collector is expected to close.
    Switches: never.
    """
    if is_finalizing():  # the kernel's socket closes, and warns, by itself
        if not warns:
            link.sock.close()
        return
    try:
        if warns:
            warnings.warn(f"unclosed {owner!r}", ResourceWarning, stacklevel=3, source=owner)
    finally:  # where warnings are errors, the connection is ended all the same
        link.call_at_home(end)
