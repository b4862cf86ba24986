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

from lasa import _process

__all__ = ["READY", "TIMEOUT", "Scheduler", "getcurrent", "greenlet", "is_current", "leave_behind", "scheduler"]

# How a wait ended; whoever ends it switches to the sleeper with one of these.
READY: Final = "ready"
TIMEOUT: Final = "timeout"

# How often light threads may wake each other in a row before events are polled again.
HANDOVERS_AT_MOST: Final = 100


class Scheduler:
    """Who runs next in one OS thread.

    Attributes:
        ready: light threads that can go on, in the order in which they asked.
        switch: goes to the hub, which polls for events; returns when somebody switches back.
        loop: gevent's loop, for the watchers in this folder.
        dispatch: lets whoever is ready go on, by way of the dispatcher; goes to the hub if nobody is, or with True.
        is_dispatching: whether the dispatcher waits for one that it let go on, to which it holds a reference.
        parked, nursery: see worker.py. doorbell: see doorbell.py.
        extras: what the layers above keep once per hub: pools, timers.
    """

    __slots__ = (
        "__weakref__",
        "_drain_callback",
        "_handovers_left",
        "dispatch",
        "dispatcher",
        "doorbell",
        "extras",
        "gevent_hub",
        "is_dispatching",
        "loop",
        "nursery",
        "parked",
        "ready",
        "switch",
    )

    def __init__(self, gevent_hub: Hub) -> None:
        self.gevent_hub = gevent_hub
        self.loop: Any = gevent_hub.loop
        self.switch = cast("Callable[[], Any]", greenlet.switch.__get__(gevent_hub))
        self.ready: deque[greenlet] = deque()
        self._start_dispatcher()
        self._drain_callback: Any = None
        self.parked: list[Any] = []
        self.nursery: greenlet | None = None
        self.doorbell: Any = None
        self.extras: dict[str, Any] = {}
        self.is_dispatching = False
        self._handovers_left = HANDOVERS_AT_MOST
        _process.use()

    def _start_dispatcher(self) -> None:
        self.dispatcher = greenlet(self._dispatch, self.gevent_hub)
        self.dispatch: Callable[..., Any] = self.dispatcher.switch

    def wake(self, sleeper: greenlet) -> None:
        """Let ``sleeper`` go on after everybody who is ready already. Never switches."""
        self.ready.append(sleeper)
        self.drain_soon()

    def wake_first(self, sleeper: greenlet) -> None:
        """Let ``sleeper`` go on before everybody who is ready already. Never switches."""
        self.ready.appendleft(sleeper)
        self.drain_soon()

    def drain_soon(self) -> None:
        """Have the hub run, soon, whoever is ready. Never switches."""
        # The loop's own callback tells whether it is due; a flag would be wrong after an exception of a signal handler.
        callback = self._drain_callback
        if callback is None or not callback.pending:
            self._drain_callback = self.loop.run_callback(self._drain)

    def block(self) -> Any:
        """Stop running until somebody switches back; whoever is ready goes on before events are polled.

        For waits that are ended by a watcher, which switches straight in.
        """
        return self.dispatch()

    def pause(self) -> Any:
        """Stop running until wake() or a watcher brings the caller back.

        A foreign exception (kill, gevent.Timeout) may arrive between wake() and its effect: the place in
        the queue is given up then, or a later wait would end for no reason.
        """
        try:
            if self._handovers_left > 0:
                self._handovers_left -= 1
                return self.dispatch()
            self.drain_soon()  # two that wake each other for ever must not keep all others from their events
            return self.dispatch(True)
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
            self.dispatch(True)
        except BaseException:
            self.forget(me)
            raise

    def breathe(self, cost: int = 1) -> None:
        """Poll for events now and then: for calls that could go on for ever without a wait, such as under a flood.

        Switches once in HANDOVERS_AT_MOST calls of cost 1.
        """
        self._handovers_left -= cost
        if self._handovers_left <= 0:
            self.step_aside()

    def _drain(self) -> None:
        self._handovers_left = HANDOVERS_AT_MOST
        ready = self.ready
        budget = len(ready)  # whoever steps aside meanwhile waits for the next round, after the events
        try:
            while budget and ready:
                budget -= 1
                self.dispatch()
        finally:
            if ready:
                self.drain_soon()

    def _dispatch(self, to_hub: Any = None) -> None:
        """Let one after the other go on; a greenlet of its own.

        Whoever switches holds a reference to where it switched until it goes on itself. If light threads that
        wait switched to each other, such references would stay about, and no worker would look unused.
        """
        ready, switch = self.ready, self.switch
        try:
            while True:
                if ready and not to_hub:
                    self.is_dispatching = True
                    to_hub = ready.popleft().switch()
                else:
                    self.is_dispatching = False
                    to_hub = switch()
        except BaseException:  # of a signal handler, which runs wherever the signal finds us
            self.is_dispatching = False
            self._start_dispatcher()
            raise


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


_left_behind: list[Any] = []


def leave_behind(waiting: Any) -> None:
    """Keep greenlets of the parent process in a child, where they never run again: freed, they would be unwound."""
    _left_behind.append(waiting)
