"""The run queue of one hub, and the two ways to stop running: block() and pause().

Every OS thread has its own gevent hub and, beside it, one ``Scheduler``. Light threads that
could go on at once stand in ``ready``, first in, first out; those that wait for an event are
held by that event's watcher alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

import gevent
from gevent._hub_local import get_hub_if_exists
from gevent.hub import Hub
from greenlet import getcurrent, greenlet

__all__ = ["READY", "TIMEOUT", "Scheduler", "getcurrent", "greenlet", "is_current", "scheduler"]

# How a wait ended; whoever ends it switches to the sleeper with one of these.
READY: Final = "ready"
TIMEOUT: Final = "timeout"


class Scheduler:
    """Who runs next in one OS thread.

    Attributes:
        ready: light threads that can go on, in the order in which they asked.
        switch: goes to the hub, which polls for events; returns when somebody switches back.
        loop: gevent's loop, for the watchers in this folder.
    """

    __slots__ = ("__weakref__", "_drain_due", "extras", "gevent_hub", "loop", "parked", "ready", "switch")

    def __init__(self, gevent_hub: Hub) -> None:
        self.gevent_hub = gevent_hub
        self.loop: Any = gevent_hub.loop
        self.switch = cast("Callable[[], Any]", greenlet.switch.__get__(gevent_hub))
        self.ready: deque[greenlet] = deque()
        self.parked: list[Any] = []  # idle workers, see worker.py
        self.extras: dict[str, Any] = {}  # what the layers above keep once per hub: pools, timers
        self._drain_due = False

    def wake(self, sleeper: greenlet) -> None:
        """Let ``sleeper`` go on after everybody who is ready already. Never switches."""
        self.ready.append(sleeper)
        if not self._drain_due:
            self.drain_soon()

    def wake_first(self, sleeper: greenlet) -> None:
        """Let ``sleeper`` go on before everybody who is ready already. Never switches."""
        self.ready.appendleft(sleeper)
        self.drain_soon()

    def drain_soon(self) -> None:
        """Have the hub run whoever is ready. Never switches."""
        if not self._drain_due:
            self._drain_due = True
            self.loop.run_callback(self._drain)

    def block(self) -> Any:
        """Stop running until somebody switches back; whoever is ready goes on before events are polled.

        For waits that are ended by a watcher, which switches straight in.
        """
        ready = self.ready
        return ready.popleft().switch() if ready else self.switch()

    def pause(self) -> Any:
        """Stop running until wake() or a watcher brings the caller back.

        A foreign exception (kill, gevent.Timeout) may arrive between wake() and its effect: the place in
        the queue is given up then, or a later wait would end for no reason.
        """
        try:
            return self.block()
        except BaseException:
            self.forget(getcurrent())
            raise

    def forget(self, sleeper: greenlet) -> None:
        """Take ``sleeper`` out of the queue, if it stands there."""
        if sleeper in self.ready:
            self.ready.remove(sleeper)

    def step_aside(self) -> None:
        """Go to the end of the run queue; events are polled in between."""
        me = getcurrent()
        self.wake(me)
        try:
            self.switch()
        except BaseException:
            self.forget(me)
            raise

    def _drain(self) -> None:
        self._drain_due = False
        ready = self.ready
        budget = len(ready)  # whoever becomes ready meanwhile waits for the next round, after the events
        try:
            while budget and ready:
                budget -= 1
                ready.popleft().switch()
        finally:
            if ready:
                self.drain_soon()


def scheduler() -> Scheduler:
    """Return the scheduler of the calling OS thread, made on first use."""
    gevent_hub: Any = gevent.get_hub()
    try:
        return cast("Scheduler", gevent_hub.lasa_scheduler)
    except AttributeError:
        made = gevent_hub.lasa_scheduler = Scheduler(gevent_hub)
        return made


def is_current(owner: Scheduler) -> bool:
    """Whether ``owner`` is the calling OS thread's scheduler; makes none where there is none."""
    gevent_hub = get_hub_if_exists()
    return gevent_hub is not None and gevent_hub is owner.gevent_hub
