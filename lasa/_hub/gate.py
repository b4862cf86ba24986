"""Wait until one direction of one descriptor is ready, at the price of one switch.

A ``Gate`` keeps its watcher started between waits, so that a wait on a busy connection costs no epoll_ctl. The
watcher is level-triggered: an event that nobody waits for stops it, and the next wait starts it again. Only a gate
with a waiter keeps the hub alive, by its timer: the watcher does not count.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from lasa._hub.asyncio_loop import ASYNCIO, MODULES, refuse_in_asyncio
from lasa._hub.core import (
    READY,
    TIMEOUT,
    TIMER_PRIORITY,
    Scheduler,
    getcurrent,
    greenlet,
    leave_behind,
    scheduler,
)
from lasa.errors import SocketClosed, SocketTimeout

__all__ = ["READ", "WRITE", "Chorus", "Gate"]

READ: Final = 1
WRITE: Final = 2


class Gate:
    """One direction (``READ`` or ``WRITE``) of ``descriptor``; at most one light thread waits at a time.

    Attributes:
        on_idle_event: called once in the hub when an event comes while nobody waits; must not switch.
    """

    __slots__ = (
        "_gave_way",
        "_hub",
        "_on_event",
        "_on_timeout",
        "_ready",
        "_started",
        "_switch",
        "_timeout_s",
        "_timer",
        "_waiter",
        "_watcher",
        "on_idle_event",
    )

    def __init__(self, hub: Scheduler, descriptor: int, direction: int) -> None:
        self._hub = hub
        self._switch = hub.switch
        self._ready = hub.ready
        self._gave_way = hub.gave_way
        self._watcher = hub.loop.io(descriptor, direction)
        self._watcher.ref = False
        self._started = False
        self._timer: Any = None
        self._timeout_s = -1.0
        self._waiter: greenlet | None = None
        self._on_event = self._wake_ready
        self._on_timeout = self._wake_timeout
        self.on_idle_event: Callable[[], None] | None = None

    def wait(self, timeout_s: float) -> None:
        """Switch until the descriptor is ready.

        Whatever a foreign exception interrupts, the gate is as it was before the wait.

        Raises:
            SocketTimeout: ``timeout_s`` is over, and the descriptor is not ready. SocketClosed: close() was called
            meanwhile. BlockingSwitchOutError: the caller is the hub. RuntimeError: it runs asyncio's loop.
        Switches: always.
        """
        if ASYNCIO in MODULES:
            refuse_in_asyncio()
        hub = self._hub
        if timeout_s != self._timeout_s:
            if self._timer is not None:
                self._timer.close()
            # Repeating, for again(): start() after stop() would go on with what was left of the time.
            self._timer = hub.loop.timer(timeout_s, max(timeout_s, 1e-6), priority=TIMER_PRIORITY)
            self._timeout_s = timeout_s
        timer = self._timer
        try:  # from here on a signal handler may raise: a waiter that stayed noted would be woken from a later wait
            self._waiter = getcurrent()
            if not self._started:
                self._watcher.start(self._on_event)
                self._started = True
            timer.again(self._on_timeout, update=True)
            if self._ready or self._gave_way or hub.is_dispatching:
                outcome = hub.dispatch()
            else:
                outcome = self._switch()
        except BaseException:
            hub.forget(getcurrent())
            raise
        finally:
            self._waiter = None
            timer.stop()
        if outcome is not READY:
            if outcome is TIMEOUT:
                raise SocketTimeout
            if getcurrent() in hub.inner:  # where a switch comes straight back; asked here, it costs a wait nothing
                hub.refuse_wait()
            raise SocketClosed  # a switch without a value comes from close(), by way of the run queue

    def watch(self, on_idle_event: Callable[[], None]) -> None:
        """Call ``on_idle_event`` at the next event, from the hub; wait() must not run meanwhile."""
        self.on_idle_event = on_idle_event
        if not self._started:
            self._watcher.start(self._on_event)
            self._started = True

    def close(self) -> None:
        """Give the watcher back, before the descriptor is closed; a waiter gets SocketClosed. Never switches."""
        self._watcher.stop()
        self._watcher.close()
        if self._timer is not None:
            self._timer.close()
        self.on_idle_event = None
        if self._waiter is not None:
            self._hub.wake(self._waiter)
            self._waiter = None
        # The callbacks are bound to this gate; without this only the cycle collector could free it.
        del self._on_event, self._on_timeout

    def forget(self) -> None:
        """Watch and wait no longer, in a child of the process."""
        self._watcher.stop()
        self._started = False
        if self._timer is not None:
            self._timer.stop()
        leave_behind(self._waiter)
        self._waiter = self.on_idle_event = None

    def renew_timer(self, hub: Scheduler) -> None:
        """Make another timer for the next wait, where the loop of its hub is another."""
        if self._hub is hub:
            self._timeout_s = -1.0

    def start_again(self) -> None:
        """Watch on, where gevent has stopped the watcher since a signal handler has raised in its callback."""
        if self._started and hasattr(self, "_on_event"):
            self._watcher.start(self._on_event)

    def _wake_ready(self) -> None:
        if self._waiter is not None:
            self._waiter.switch(READY)  # not by way of a variable: see worker.py on references
            return
        self._started = False
        self._watcher.stop()
        if self.on_idle_event is not None:
            on_idle_event, self.on_idle_event = self.on_idle_event, None
            try:
                on_idle_event()
            except BaseException:  # of a signal handler
                if self.on_idle_event is None:
                    self.watch(on_idle_event)
                raise

    def _wake_timeout(self) -> None:
        if self._waiter is not None:
            self._waiter.switch(TIMEOUT)


class Chorus:
    """Several descriptors, any of which may become writable: connects in flight."""

    def __init__(self) -> None:
        self._hub = scheduler()
        self._watchers: dict[int, Any] = {}
        self._sleeper: greenlet | None = None
        self._writable: list[int] = []

    def add(self, descriptor: int) -> None:
        """Watch ``descriptor`` from now on."""
        watcher = self._watchers[descriptor] = self._hub.loop.io(descriptor, WRITE)
        watcher.start(self._on_event, descriptor)

    def remove(self, descriptor: int) -> None:
        """Watch ``descriptor`` no longer; before it is closed."""
        watcher = self._watchers.pop(descriptor)
        watcher.stop()
        watcher.close()

    def wait(self, timeout_s: float) -> int | None:
        """Switch until one of the descriptors is writable and return it; None when the time is over."""
        timer = self._hub.loop.timer(timeout_s, priority=TIMER_PRIORITY)
        try:
            self._sleeper = getcurrent()
            timer.start(self._sleeper.switch, TIMEOUT, update=True)
            if not self._writable:
                self._hub.pause()
            return self._writable.pop(0) if self._writable else None
        finally:
            self._sleeper = None
            timer.stop()
            timer.close()

    def forget(self) -> None:
        """Watch and wait no longer, in a child of the process."""
        for watcher in self._watchers.values():
            watcher.stop()
        leave_behind(self._sleeper)
        self._sleeper = None

    def start_again(self) -> None:
        """As Gate.start_again()."""
        for descriptor, watcher in self._watchers.items():
            if descriptor not in self._writable:
                watcher.start(self._on_event, descriptor)

    def _on_event(self, descriptor: int) -> None:
        self._watchers[descriptor].stop()
        self._writable.append(descriptor)
        if self._sleeper is not None:
            self._sleeper.switch(READY)
