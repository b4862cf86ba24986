"""Semaphores: resources that light threads post and wait for (seed: lasa.semaphore).

Strictly first in, first out: whoever waits is served before a newcomer, also when resources are there.

A semaphore belongs to the OS thread that made it, but ``post()`` is for all, and for signal handlers.
"""

from __future__ import annotations

from typing import Any, Final

from lasa import _hub
from lasa._hub import FOREVER_S, os_thread_id
from lasa._values import at_least, number, wait_s, whole_ms
from lasa.errors import FixedWord, SocketTimeout, Word, failed

__all__ = ["FOREVER_S", "Semaphore", "new"]

_PLAIN: Final = frozenset((float, int))

_NOT_NOW: Final = (None, FixedWord(lambda: SocketTimeout().during("wait", timeout_s=0.0)))


class Semaphore:
    """Resources to wait for; ``lasa.semaphore.new()`` makes it."""

    __slots__ = ("__weakref__", "_queue")

    def __init__(self, resources: int) -> None:
        self._queue: _hub.WaitQueue[Any] = _hub.WaitQueue(resources)

    def wait(self, timeout: float) -> tuple[bool | None, Word | None]:
        """Take one resource, waiting for it if there is none.

        Args:
            timeout: seconds, cut to whole milliseconds; 0 does not wait, and fails while others do.
        Returns:
            ``(True, None)``, or ``(None, "timeout")``.
        Raises:
            ValueError: "no negative number". TypeError: not a number. RuntimeError: another OS thread made it.
        Switches: only when it has to wait. Source: seed, "sema:wait".
        """
        seconds = timeout if type(timeout) in _PLAIN else number(timeout)
        if seconds is None or not seconds >= 0:  # not a number is neither
            seconds = wait_s(timeout, "Semaphore.wait()")  # which raises
        queue = self._queue
        if os_thread_id() != queue.home:
            raise _hub.wrong_os_thread("a semaphore")
        if queue.free > 0 and not queue.waiting and not queue.granted:
            queue.free -= 1
            return True, None
        timeout_s = whole_ms(seconds)
        if not timeout_s:
            return _NOT_NOW
        if queue.wait(timeout_s) is None:
            return failed(SocketTimeout().during("wait", timeout_s=timeout_s))
        return True, None

    def post(self, n: int = 1) -> bool:
        """Release ``n`` resources; as many waiters go on once the caller yields. Returns True.

        Any OS thread may call it, and signal handlers.

        Raises:
            ValueError: "positive number required". TypeError: not a number.
        Switches: never. Source: seed, "sema:post".
        """
        if type(n) is not int or n < 1:
            n = at_least(1, n, "Semaphore.post()")
        queue = self._queue
        queue.free += n
        if queue.waiting:
            queue.serve()
        return True

    def count(self) -> int:
        """Return resources minus waiters: a negative number is how many wait without one.

        Switches: never. Source: seed, "sema:count".
        """
        return self._queue.free - len(self._queue.waiting)


def new(n: int = 0) -> tuple[Semaphore, None]:
    """Return ``(semaphore, None)`` with ``n`` resources.

    Raises:
        ValueError: "no negative number". TypeError: not a number.
    Switches: never. Source: seed, "lasa.semaphore.new".
    """
    return Semaphore(at_least(0, n, "lasa.semaphore.new()")), None
