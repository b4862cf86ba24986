"""Who waits, first come, first served, and what is given back if one is killed before it can use what it was given.

A queue belongs to the OS thread that made it, but ``post()`` and ``set()`` are for all, and for signal handlers. They
rely on this: the interpreter changes OS threads, and calls signal handlers, behind calls, where a function begins and
at the ends of loops alone, so lines without a call are one step. A newcomer stands in the queue before it looks at the
units again; whoever posts has added them before it looks who stands there. So one of the two sees the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, Generic, Literal, TypeVar

from lasa import _process
from lasa._hub.clock import pause_at_most
from lasa._hub.core import getcurrent, greenlet, leave_behind, scheduler
from lasa._hub.doorbell import Doorbell, doorbell
from lasa._hub.os_thread import home_id, os_thread_id, wrong_os_thread

__all__ = ["FOREVER_S", "Event", "Turn", "WaitQueue"]

FOREVER_S: Final = 1e8  # three years: for waits that only another call is to end, and that keep the hub alive
ENDLESS: Final[Any] = float("inf")

GiftT = TypeVar("GiftT")


class _Waiter(Generic[GiftT]):
    __slots__ = ("accepts", "gift", "sleeper")

    def __init__(self, accepts: Callable[[GiftT], bool] | None) -> None:
        self.accepts = accepts
        self.gift: GiftT | Literal[True] | None = None  # what it was given: True is a unit
        self.sleeper = getcurrent()


class WaitQueue(Generic[GiftT]):
    """Units to wait for, all alike, and gifts, which go to the first who accepts them.

    Attributes:
        free: how many units are there for whoever comes; only if nobody stands before it, see ``is_open``.
        waiting: those who have been given nothing yet, the first one first. To be looked at, not to be changed.
        granted: how many were given a unit and have not gone on yet.
        home: the OS thread that made it.
    """

    __slots__ = ("_bell", "free", "granted", "home", "waiting")

    def __init__(self, units: int = 0) -> None:
        self.free = units
        self.waiting: deque[_Waiter[GiftT]] = deque()
        self.granted = 0
        self.home = home_id()
        self._bell: Doorbell | None = None  # of the hub in which the first one waited

    def wait(
        self,
        timeout_s: float | None,
        *,
        accepts: Callable[[GiftT], bool] | None = None,
        give_back: Callable[[Any], object] | None = None,
    ) -> GiftT | Literal[True] | None:
        """Stand in the queue until there is a unit, or a gift, but ``timeout_s`` at most.

        Args:
            timeout_s: None is for ever, 0 does not wait.
            accepts: tells which gifts will do; without it all of them.
            give_back: called with the gift, or True for a unit, if an exception comes behind it (a kill,
                gevent.Timeout, a signal handler's), and once more if a signal handler raises in it; without it a unit
                goes to the next, or is free.
        Returns:
            The gift; True for a unit; None when the time is over.
        Raises:
            RuntimeError: another OS thread made the queue.
        Switches: always, if there is time.
        """
        if timeout_s is not None and timeout_s <= 0:
            return None
        if os_thread_id() != self.home:
            raise wrong_os_thread("what this call waits for")
        if self._bell is None:
            self._bell = doorbell()
        me = _Waiter(accepts)
        is_woken: bool | None = None
        try:
            self.waiting.append(me)
            if self.free > 0:
                self.serve()  # there is one for the newcomer, once those before it have theirs
            is_woken = pause_at_most(timeout_s)
        finally:
            gift = me.gift  # also if the time was over in the turn in which it came
            if gift is None:
                if me in self.waiting:  # it is not where a child has forgotten who waits
                    self.waiting.remove(me)
            elif gift is True:
                self.granted -= 1
                if is_woken is None and give_back is None:
                    self.free += 1
            if gift is not None and not is_woken:
                back = give_back or self.serve
                try:
                    if is_woken is None:
                        back(gift)
                except BaseException:  # of a signal handler
                    back(gift)
                    raise
                finally:
                    scheduler().forget(me.sleeper)  # it may stand there still, and a later wait would end
        return gift

    def post(self, units: int = 1) -> None:
        """Add units; as many waiters go on, once the caller yields. For any OS thread. Never switches."""
        self.free += units
        if self.waiting:
            self.serve()

    def serve(self, _: object = None) -> None:
        """Give what is free to those who wait, which post() does. For any OS thread. Never switches."""
        try:
            if os_thread_id() != self.home:
                if self._bell is not None:
                    self._bell.call(self.serve)
                return
            hub = scheduler()
            hub.drain_soon()
            while True:
                if self.free <= 0 or not self.waiting:  # from here on no call stands before the last line's
                    return
                waiter = self.waiting[0]
                del self.waiting[0]
                self.free -= 1
                self.granted += 1
                waiter.gift = True
                hub.ready.append(waiter.sleeper)
        except BaseException:  # of a signal handler: those who wait are woken all the same
            self.serve()
            raise

    def offer(self, gift: GiftT) -> bool:
        """Give ``gift`` to the first who accepts it, and say whether there is one. Never switches."""
        hub = scheduler()
        hub.drain_soon()
        waiting = tuple(self.waiting)
        for place, waiter in enumerate(waiting, -len(waiting)):  # from the end: who posts meanwhile serves the first
            if (waiter.accepts is None or waiter.accepts(gift)) and waiter in self.waiting:
                del self.waiting[place]  # from here on as in serve()
                waiter.gift = gift
                hub.ready.append(waiter.sleeper)
                return True
        return False

    def _forget(self) -> None:
        # In a child, whose parent they belong to: what they were given is there for others.
        self.home = home_id()
        self._bell = None
        leave_behind(self.waiting)
        self.waiting = deque()
        self.free += self.granted
        self.granted = 0


class Event:
    """Something that happens, for all who wait for it; ``clear()`` makes it one that has not happened yet.

    Whoever waits for a condition clears it, looks at the condition, and waits, again and again.
    """

    __slots__ = ("_queue",)

    def __init__(self) -> None:
        self._queue: WaitQueue[Any] = WaitQueue()  # once it has happened, there are units without end

    @property
    def home(self) -> int:
        """The OS thread that made it, in which it can be waited for."""
        return self._queue.home

    @property
    def is_set(self) -> bool:
        """Whether it has happened."""
        return self._queue.free > 0

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits who has not been told yet."""
        return bool(self._queue.waiting)

    def wait(self, timeout_s: float | None) -> bool:
        """Wait until it happens (True), but ``timeout_s`` at most (False); None is for ever.

        Switches: unless it has happened.
        """
        return self.is_set or self._queue.wait(timeout_s, give_back=_drop) is not None

    def set(self) -> None:
        """Let it happen: those who wait go on, once the caller yields. For any OS thread. Never switches."""
        self._queue.post(ENDLESS)

    def clear(self) -> None:
        """Let it be as if it had not happened; those who wait since before it did go on. Never switches."""
        queue = self._queue
        if queue.waiting and queue.free > 0:  # another OS thread has set it, and the bell is not answered yet
            queue.serve()
        queue.free = 0

    def _forget(self) -> None:
        # In a child, before the queue does: that somebody was told is no unit for another.
        self._queue.granted = 0


def _drop(_: object) -> None:
    """Do nothing: an event has no units that another could use."""


class Turn:
    """One at a time, first come, first served; not much of an object until somebody has to wait.

    Attributes:
        is_taken: whether it is somebody's turn.
    """

    __slots__ = ("_holder", "_queue", "is_taken")

    refusal = "this light thread has its turn already, and would wait for itself"

    def __init__(self) -> None:
        self.is_taken = False
        self._holder: greenlet | None = None
        self._queue: WaitQueue[Any] | None = None

    def take(self, timeout_s: float = FOREVER_S) -> bool:
        """Wait for the turn, and say whether it has come in time.

        Raises:
            RuntimeError: the caller has it already.
        Switches: if it is another's.
        """
        if self.is_taken:
            if self._holder is getcurrent():
                raise RuntimeError(self.refusal)
            if self._queue is None:
                self._queue = WaitQueue()
            queue = self._queue
            try:
                if queue.wait(timeout_s) is None:
                    return False
            except BaseException:
                if queue.free and not queue.waiting:  # it was handed over, and there is no other to have it
                    queue.free = 0
                    self.is_taken = False
                raise
        self.is_taken = True  # and it was, if it was handed over
        self._holder = getcurrent()
        return True

    def give_back(self) -> None:
        """Let the next one have it. Never switches."""
        self._holder = None
        if self._queue is not None and self._queue.waiting:
            self._queue.free += 1
            self._queue.serve()
        else:
            self.is_taken = False

    def forget(self) -> None:
        """Be free, in a child, unless the caller has it: another that has it runs in the parent."""
        self._queue = None
        if self._holder is not getcurrent():
            leave_behind(self._holder)
            self._holder = None
            self.is_taken = False


# In this order: what stands on a queue forgets before the queue.
_process.inherited(Event, Event._forget)
_process.inherited(Turn, Turn.forget)
_process.inherited(WaitQueue, WaitQueue._forget)
