"""A clock whose time jumps, in the place of the machine's: for tests, in which an hour of waits takes no time.

While anything can happen, the time of its hub stands still. When no light thread is ready, and the kernel has nothing
to tell, it goes on to the next timer that is due, at once. All timers of the hub go by it, those of gevent too, since
``hub.loop`` is another object meanwhile, which makes timers of ours. They are fed into libev when they are due, so
that priorities, and a stop before their turn, are libev's own.

A peer needs real time to answer. So where the loop watches a descriptor, or another OS thread runs that may ring, time
jumps only if nothing has come for ``grace_s`` of real time. While a thread of gevent's pool looks a name up, it does
not jump at all. The limits:

- A peer, or another OS thread, that takes longer than ``grace_s`` is late: time has gone on to the next timer.
- A loop that never waits for a time (``while not done: sleep(0)``) keeps the time from going on.
- Code that asks the machine itself is told the machine's time: a user's ``time.monotonic()``, logging, OpenSSL.
- What waited before goes on by the machine's clock, but not ``lasa.timer``'s timers and the expiry of idle connections:
  they have noted a time, and are late or early by what the two clocks differ.
- Each OS thread has a clock of its own.
"""

from __future__ import annotations

import gc
import math
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from heapq import heapify, heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any, Final, Self

from lasa._hub import clock
from lasa._hub.core import TURN_PRIORITY, Scheduler, scheduler
from lasa._hub.gate import Gate
from lasa._hub.os_thread import os_thread_id

__all__ = ["VirtualClock", "virtual_clock"]

GRACE_S: Final = 0.005
FAR_S: Final = 1e8  # whoever waits so long waits for something else: no time is gone to for its sake

_TIMER_EVENT: Final = 0x100  # libev's EV_TIMER
_DESCRIPTORS: Final = re.compile(r"^tfd:\s*(\d+)", re.MULTILINE)
_NLINK_OF_ONE: Final = 3  # links of the folder of a process's OS threads, where there is one
_OF_THE_LOOP: Final = "anon_inode:[eventfd]"


class VirtualClock:
    """The clock of one hub; ``virtual_clock()`` makes it.

    Attributes:
        monotonic_s, system_s: what time it is.
        loop: gevent's own.
        is_over: whether the machine's clock is in its place again.
    """

    def __init__(self, hub: Scheduler, grace_s: float) -> None:
        self.loop: Any = hub.loop
        self.monotonic_s = float(math.ceil(time.monotonic()))  # a round number, so that times can be told exactly
        self._ahead_s = time.time() - self.monotonic_s
        self.is_over = False
        self._hub = hub
        self._grace_s = grace_s
        self._order = count()  # timers that are due at the same time fire in the order in which they were set
        self._heap: list[tuple[float, int, _Timer]] = []
        self._active = self._lively = 0  # timers that are set; those that keep the hub alive
        self._idle: Any = self.loop.idle(ref=False, priority=TURN_PRIORITY)
        real_s = grace_s or GRACE_S
        self._grace: Any = self.loop.timer(real_s, real_s, ref=False, priority=self.loop.MAXPRI)
        self._quiet = -1  # the last turn of the loop that has found nothing

    @property
    def system_s(self) -> float:
        """Seconds since the epoch."""
        return self.monotonic_s + self._ahead_s

    def add(self, timer: _Timer, delay_s: float) -> None:
        """Fire ``timer`` in ``delay_s`` seconds."""
        timer.order = next(self._order)
        if len(self._heap) > 2 * self._active + 64:  # mostly those that were stopped
            self._heap = [entry for entry in self._heap if entry[2].order == entry[1]]
            heapify(self._heap)
        heappush(self._heap, (self.monotonic_s + delay_s, timer.order, timer))
        self.count(1, timer)

    def remove(self, timer: _Timer) -> None:
        """Do not fire ``timer``, which is set."""
        timer.order = None
        self.count(-1, timer)

    def count(self, change: int, timer: _Timer) -> None:
        """Have one more timer that is set, or one less."""
        self._active += change
        self._lively += change * timer.ref
        self._idle.ref = self._grace.ref = self._lively > 0
        if not self._active:
            self._idle.stop()
            self._grace.stop()
        elif not self._grace.active:
            self._idle.start(self._look)

    def _look(self) -> None:
        # Called by the loop where a poll has found nothing, and nobody is ready. The second such turn in a row counts,
        # which may be a long one.
        turn = self.loop.iteration
        if not self.loop.activecnt:  # nothing keeps the hub alive
            return
        if turn == self._quiet + 1:
            self._jump()
            return
        gevents: Any = self._hub.gevent_hub
        looks_names_up = gevents._threadpool is not None and len(gevents._threadpool) > 0
        self._quiet = -1 if looks_names_up else turn
        if looks_names_up or (self._grace_s and self._may_be_told()):
            self._idle.stop()
            self._grace.again(self._after_grace, update=True)

    def _after_grace(self) -> None:
        # The first one of its turn that is called, so that what else has come is still pending.
        is_quiet = self.loop.iteration == self._quiet + 1 and not self.loop.pendingcnt
        self._grace.stop()
        self._idle.start(self._look)
        if is_quiet:
            self._jump()

    def _may_be_told(self) -> bool:
        # Whether something may come from outside: from the kernel, or from another OS thread.
        if self._hub.doorbell is not None and os.stat("/proc/self/task").st_nlink > _NLINK_OF_ONE:
            return True
        watched = Path(f"/proc/self/fdinfo/{self.loop.fileno()}").read_text()  # what epoll has been told
        return any(os.readlink(f"/proc/self/fd/{each}") != _OF_THE_LOOP for each in _DESCRIPTORS.findall(watched))

    def _jump(self) -> None:
        heap = self._heap
        due: list[_Timer] = []
        while heap and (heap[0][2].order != heap[0][1] or not due or heap[0][0] <= self.monotonic_s):
            due_s, order, timer = heappop(heap)
            if timer.order == order:
                self.monotonic_s = due_s
                self.remove(timer)
                due.append(timer)
        for timer in reversed(due):  # libev takes the last one first
            timer.fire()

    def begin(self) -> None:
        """Take the place of the machine's clock."""
        self._exchange(_Loop(self))

    def end(self) -> None:
        """Put the machine's clock back; who still waits goes on by that one, for what was left of its time."""
        self.is_over = True
        self._exchange(self.loop)
        for due_s, order, timer in sorted(self._heap):
            if timer.order == order:
                self.remove(timer)
                timer.go_on(due_s - self.monotonic_s)
        self._idle.close()
        self._grace.close()

    def _exchange(self, loop: Any) -> None:
        self._hub.loop = loop
        gevents: Any = self._hub.gevent_hub
        if gevents.loop is not None:
            gevents.loop = loop
        for gate in [each for each in gc.get_objects() if type(each) is Gate]:
            gate.renew_timer(self._hub)


class _Loop:
    """gevent's loop, but for its timers."""

    def __init__(self, of: VirtualClock) -> None:
        self.__dict__["_clock"] = of

    def timer(self, after: float, repeat: float = 0.0, ref: bool = True, priority: int | None = None) -> Any:
        """As gevent's; those that are due at the next poll, or never, are the loop's own."""
        if 0 < after < FAR_S:
            return _Timer(self._clock, after, repeat, ref, priority)
        return self._clock.loop.timer(after, repeat, ref, priority)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clock.loop, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._clock.loop, name, value)


class _Timer:
    """What gevent's hub calls a timer.

    Attributes:
        order: which one it is of all that were ever set; None where it is not set.
    """

    def __init__(self, of: VirtualClock, after_s: float, repeat_s: float, ref: bool, priority: int | None) -> None:
        self._clock = of
        self._after_s = after_s
        self._repeat_s = repeat_s
        self._priority = priority
        self._ref = bool(ref)
        self.order: int | None = None
        self.callback: Callable[..., object] | None = None
        self.args: tuple[Any, ...] = ()
        self._watcher = of.loop.timer(0.0, priority=priority)  # not started: it is fed

    @property
    def ref(self) -> bool:
        """Whether it keeps the hub alive."""
        return self._ref

    @ref.setter
    def ref(self, ref: bool) -> None:
        if self.order is not None:
            self._clock.count(-1, self)
        self._ref = bool(ref)
        if self.order is not None:
            self._clock.count(1, self)
        elif self._clock.is_over:
            self._watcher.ref = self._ref

    @property
    def active(self) -> bool:
        """Whether it will fire."""
        return self.order is not None or bool(self._watcher.active)

    @property
    def pending(self) -> bool:
        """Whether it has fired, and its callback has not run."""
        return bool(self._watcher.pending)

    def start(self, callback: Callable[..., object], *args: Any, update: bool | None = None) -> None:
        """Call ``callback(*args)`` when the time is over."""
        self._set(self._after_s, callback, args)

    def again(self, callback: Callable[..., object], *args: Any, update: bool | None = None) -> None:
        """As start(), from now on, after the time between two firings."""
        self._set(self._repeat_s, callback, args)

    def _set(self, delay_s: float, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.stop()
        self.callback, self.args = callback, args
        if self._clock.is_over:
            self.go_on(delay_s)
        else:
            self._clock.add(self, delay_s)

    def fire(self) -> None:
        """Have libev call the callback, before it polls again."""
        self._watcher.feed(_TIMER_EVENT, self.callback, *self.args)
        if self._repeat_s:
            self._clock.add(self, self._repeat_s)
        else:
            self.callback, self.args = None, ()

    def go_on(self, delay_s: float) -> None:
        """Fire by the machine's clock."""
        self._watcher.close()
        self._watcher = self._clock.loop.timer(delay_s, self._repeat_s, self.ref, self._priority)
        self._watcher.start(self.callback, *self.args, update=True)

    def stop(self) -> None:
        """Do not fire."""
        self._watcher.stop()
        if self.order is not None:
            self._clock.remove(self)
        self.callback, self.args = None, ()

    close = stop

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_clocks: dict[int, VirtualClock] = {}  # by OS thread; those that are not in it go by the machine's


def _monotonic_s() -> float:
    mine = _clocks.get(os_thread_id())
    return time.monotonic() if mine is None else mine.monotonic_s


def _system_s() -> float:
    mine = _clocks.get(os_thread_id())
    return time.time() if mine is None else mine.system_s


def _tell() -> None:
    # Each line is one step: no call stands in it, at which another OS thread might go on.
    clock.monotonic_s = _monotonic_s if _clocks else time.monotonic
    clock.system_s = _system_s if _clocks else time.time


@contextmanager
def virtual_clock(*, grace_s: float = GRACE_S) -> Iterator[VirtualClock]:
    """Have the calling OS thread's hub go by a clock that jumps; see this module's text for what it cannot know.

    What was made inside is to be ended inside: a time that it has noted, such as that of a timer or of an idle
    connection, is one of this clock.

    Args:
        grace_s: how much real time a peer may take to answer; 0 where all of them are in this hub.
    Raises:
        RuntimeError: the hub goes by such a clock already.
    """
    home = os_thread_id()
    if home in _clocks:
        raise RuntimeError("the clock of this hub is replaced already")
    made = _clocks[home] = VirtualClock(scheduler(), grace_s)
    try:
        _tell()
        made.begin()
        yield made
    finally:
        try:
            made.end()
        finally:
            del _clocks[home]
            _tell()
