"""A lock between OS threads that never switches, whatever gevent has patched.

gevent's patches turn every lock of the standard library into one that lets other light threads run while it is waited
for, which a call out of Lua must not. The queue that is written in C stays what it is: whoever has its only item has
the lock.
"""

from __future__ import annotations

from _queue import SimpleQueue
from types import TracebackType

__all__ = ["Mutex"]


class Mutex:
    """A lock to be held for a few instructions: whoever waits for it stops the whole hub of its OS thread."""

    __slots__ = ("_item",)

    def __init__(self) -> None:
        self._item: SimpleQueue[None] = SimpleQueue()
        self._item.put(None)

    def __enter__(self) -> None:
        self._item.get()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._item.put(None)
