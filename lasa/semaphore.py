"""Semaphores: resources that light threads post and wait for (seed: lasa.semaphore).

Strictly first in, first out: whoever waits is served before a newcomer, also when resources are there.

A semaphore belongs to the OS thread that made it, but ``post()`` is for all, and for signal handlers. It relies on
this: the interpreter changes OS threads, and calls signal handlers, behind calls and at the ends of loops alone, so
lines without a call are one step. Who waits counts as waiting before it looks at the resources again; who posts has
added them before it looks who waits. So one of the two sees the other.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from lasa import _hub, _process
from lasa._hub import os_thread_id
from lasa._values import at_least, number, wait_s, whole_ms

__all__ = ["Semaphore", "new"]

FOREVER_S: Final = 1e8  # three years: for waits that only a post() is to end


class _Waiter:
    __slots__ = ("is_woken", "sleeper")

    def __init__(self, sleeper: _hub.greenlet) -> None:
        self.sleeper = sleeper
        self.is_woken = False


class Semaphore:
    """Resources to wait for; ``lasa.semaphore.new()`` makes it."""

    __slots__ = ("__weakref__", "_bell", "_home", "_queue", "_resources", "_waiting", "_woken")

    def __init__(self, resources: int) -> None:
        self._resources = resources
        self._home = _hub.home_id()
        self._bell: _hub.Doorbell | None = None  # of the hub in which the first one waited
        self._queue: deque[_Waiter] = deque()
        self._waiting = 0  # how many are in the queue
        self._woken = 0  # the first so many of the queue go on soon and take their resource then

    def wait(self, timeout: float) -> tuple[bool | None, str | None]:
        """Take one resource, waiting for it if there is none.

        Args:
            timeout: seconds, cut to whole milliseconds; 0 does not wait, and fails while others do.
        Returns:
            ``(True, None)``, or ``(None, "timeout")``.
        Raises:
            ValueError: "no negative number". TypeError: not a number. RuntimeError: another OS thread made it.
        Switches: only when it has to wait. Source: seed, "sema:wait".
        """
        seconds = number(timeout)
        if seconds is None or seconds < 0:
            seconds = wait_s(timeout, "Semaphore.wait()")  # which raises
        if os_thread_id() != self._home:
            raise _hub.wrong_os_thread("a semaphore")
        if not self._waiting and self._resources > 0:
            self._resources -= 1
            return True, None
        timeout_s = whole_ms(seconds)
        if not timeout_s:
            return None, "timeout"
        if self._bell is None:
            self._bell = _hub.doorbell()
        waiter = _Waiter(_hub.getcurrent())
        is_served = False
        self._waiting += 1
        try:
            self._queue.append(waiter)
            if self._resources > self._woken:
                self._wake_served()  # there is one for the newcomer, once those before it have taken theirs
            # Woken and timed out in the same turn: the resource is there, so take it.
            is_served = _hub.pause_at_most(timeout_s) or waiter.is_woken
        finally:
            self._waiting -= 1
            if waiter.is_woken:
                self._woken -= 1
            if is_served:
                self._resources -= 1
            try:
                self._queue.remove(waiter)
            finally:
                if not is_served and self._waiting:
                    self._wake_served()  # one that was killed after it was woken leaves its resource to the next
        return (True, None) if is_served else (None, "timeout")

    def post(self, n: int = 1) -> bool:
        """Release ``n`` resources; as many waiters go on once the caller yields. Returns True.

        Any OS thread may call it, and signal handlers.

        Raises:
            ValueError: "positive number required". TypeError: not a number.
        Switches: never. Source: seed, "sema:post".
        """
        if type(n) is not int or n < 1:
            n = at_least(1, n, "Semaphore.post()")
        self._resources += n
        if self._waiting:
            if os_thread_id() == self._home:
                try:
                    self._wake_served()
                except BaseException:  # of a signal handler: the waiter is woken all the same
                    self._wake_served()
                    raise
            elif self._bell is not None:
                self._bell.call(self._wake_served)
        return True

    def count(self) -> int:
        """Return resources minus waiters: a negative number is how many wait without one.

        Switches: never. Source: seed, "sema:count".
        """
        return self._resources - self._waiting

    def _wake_served(self) -> None:
        hub = _hub.scheduler()
        hub.drain_soon()
        while True:
            index = self._woken
            if index >= self._resources or index >= self._waiting:
                return
            self._woken = index + 1  # no call, and no end of a loop, stands before it; see above
            waiter = self._queue[index]
            waiter.is_woken = True
            hub.ready.append(waiter.sleeper)

    def _forget_waiters(self) -> None:
        # In a child, whose parent they belong to.
        self._home = _hub.home_id()
        self._bell = None
        _hub.leave_behind(self._queue)
        self._queue = deque()
        self._waiting = self._woken = 0


_process.inherited(Semaphore, Semaphore._forget_waiters)


def new(n: int = 0) -> tuple[Semaphore, None]:
    """Return ``(semaphore, None)`` with ``n`` resources.

    Raises:
        ValueError: "no negative number". TypeError: not a number.
    Switches: never. Source: seed, "lasa.semaphore.new".
    """
    return Semaphore(at_least(0, n, "lasa.semaphore.new()")), None
