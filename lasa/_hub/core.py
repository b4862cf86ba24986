"""The run queue of one hub, and the ways to stop running.

Every OS thread has its own gevent hub and, beside it, one ``Scheduler``. Light threads that
could go on at once stand in one of two queues, each first in, first out: ``gave_way`` has those
that gave way of their own accord, to a light thread that they spawned or by ``coroutine.yield_``;
``ready`` has those that somebody woke. The first queue is served before the second. Those that
wait for an event are held by that event's watcher alone.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, cast

import gevent
from gevent import monkey
from gevent._hub_local import get_hub_if_exists
from gevent.exceptions import BlockingSwitchOutError
from gevent.hub import Hub
from greenlet import getcurrent, greenlet

from lasa import _process
from lasa._hub.asyncio_loop import ASYNCIO, MODULES, asyncio_runs_here, refuse_in_asyncio
from lasa._hub.halfway import is_halfway
from lasa._hub.turns import CALL_COST, TURN_PRIORITY, Turns
from lasa.errors import system_error

__all__ = [
    "CALL_COST",
    "READY",
    "TIMEOUT",
    "TIMER_PRIORITY",
    "TURN_PRIORITY",
    "BlockingSwitchOutError",
    "Scheduler",
    "getcurrent",
    "greenlet",
    "is_current",
    "leave_behind",
    "require_descriptors",
    "scheduler",
]

# How a wait ended; whoever ends it switches to the sleeper with one of these.
READY: Final = "ready"
TIMEOUT: Final = "timeout"

# The loop runs what one poll has found in the order of these, the highest first, and 0 is that of descriptors: what
# came in time is looked at before the timer of its wait, also if the hub was busy until both were due. All timers have
# the same, so that they run in the order in which they fall due.
TIMER_PRIORITY: Final = -1

DESCRIPTORS_OF_HUB: Final = 3  # an epoll, an eventfd, and one for a moment only


class Scheduler(Turns):
    """Who runs next in one OS thread.

    Attributes:
        gave_way: light threads that gave way and can go on, in the order in which they did.
        ready: light threads that were woken and can go on, in the order in which they were.
        switch: goes to the hub, which polls for events; returns when somebody switches back.
        dispatch: lets whoever can go on do so, by way of the dispatcher; goes to the hub if nobody can.
        is_dispatching: whether the dispatcher waits for one that it let go on, to which it holds a reference.
        inner: the greenlets of the hub itself, in which nobody can wait.
        parked, nursery: see worker.py. doorbell: see doorbell.py. kills: see kills.py.
        extras: what the layers above keep once per hub, each with close(): pools, timers.
    """

    __slots__ = (
        "__weakref__",
        "_drain_callback",
        "_run_next",
        "dispatch",
        "dispatcher",
        "doorbell",
        "extras",
        "gave_way",
        "gevent_hub",
        "inner",
        "is_dispatching",
        "kills",
        "nursery",
        "parked",
        "ready",
        "switch",
    )

    def __init__(self, gevent_hub: Hub) -> None:
        super().__init__(gevent_hub.loop)
        self.gevent_hub = gevent_hub
        self.switch = cast("Callable[[], Any]", greenlet.switch.__get__(gevent_hub))
        self.gave_way: deque[greenlet] = deque()
        self.ready: deque[greenlet] = deque()
        self.nursery: greenlet | None = None
        self._start_dispatcher()
        self._drain_callback: Any = None
        self.parked: list[Any] = []
        self.doorbell: Any = None
        self.kills: Any = None
        self.extras: dict[str, Any] = {}
        self.is_dispatching = False
        _process.use()
        gevents: Any = gevent_hub
        gevents.handle_error = self._handle_error

    def _start_dispatcher(self) -> None:
        self.dispatcher = greenlet(self._dispatch, self.gevent_hub)
        self.dispatch: Callable[[], Any] = self.dispatcher.switch
        # One call of C's takes out the next and switches to it: between two, a signal handler might raise, and nobody
        # would know of a light thread that stands in no queue.
        queues = self.gave_way, self.ready
        self._run_next = [map(greenlet.switch, iter(queue.popleft, None)).__next__ for queue in queues]
        self.note_inner()

    def note_inner(self) -> None:
        """Note which greenlets are the hub's own, where one of them is another one now."""
        self.inner = frozenset({self.gevent_hub, self.dispatcher, self.nursery})

    # -- to wake

    def wake(self, sleeper: greenlet) -> None:
        """Let ``sleeper`` go on after everybody who is ready already. Never switches."""
        self.drain_soon()  # first: should a signal handler raise behind it, the drain finds nothing, and that is all
        self.ready.append(sleeper)

    def drain_soon(self) -> None:
        """Have the hub run, soon, whoever can go on. Never switches."""
        # The loop's own callback tells whether it is due; a flag would be wrong after an exception of a signal handler.
        callback = self._drain_callback
        if callback is None or not callback.pending:
            self._drain_callback = self.loop.run_callback(self.drain)

    def forget(self, sleeper: greenlet) -> None:
        """Take ``sleeper`` out of the queues, if it stands there."""
        for queue in (self.gave_way, self.ready):
            if sleeper in queue:
                queue.remove(sleeper)

    # -- to stop running

    def refuse_wait(self) -> None:
        """Tell code that the hub itself runs, a finalizer or a callback of gevent's, that it cannot wait there.

        For every way to stop running, before anything is changed: ``if getcurrent() in hub.inner: hub.refuse_wait()``.
        """
        raise BlockingSwitchOutError(
            "this call would have to wait, and the hub itself runs it: a finalizer, a callback of gevent's or a signal "
            "handler may spawn a light thread that waits, but cannot wait itself"
        )

    def pause(self) -> Any:
        """Stop running until wake() or a watcher brings the caller back.

        Whoever can go on does, before events are polled. A foreign exception (kill, gevent.Timeout) may arrive between
        wake() and its effect: the place in the queue is given up then, or a later wait would end for no reason.

        Raises:
            BlockingSwitchOutError: the caller is the hub. RuntimeError: it runs asyncio's loop.
        """
        if getcurrent() in self.inner:
            self.refuse_wait()
        if ASYNCIO in MODULES:
            refuse_in_asyncio()
        try:
            return self.dispatch()
        except BaseException:
            self.forget(getcurrent())
            raise

    def give_way(self) -> None:
        """Let those go on who gave way before; for one turn of the loop if the slice is spent.

        Raises:
            BlockingSwitchOutError: the caller is the hub. RuntimeError: it runs asyncio's loop.
        """
        if self.is_turning or (monotonic() >= self.slice_ends and self.is_order_over()):
            self.step_aside()
            return
        self._queue_up(self.gave_way, self.drain_soon)
        if self.is_turning:  # somebody has spent the slice meanwhile
            self.step_aside()

    def step_aside(self) -> None:
        """Go to the end of the run queue for one turn of the loop.

        Every light thread whose descriptor has become ready, whose timer has fallen due or that was woken goes first.

        Raises:
            BlockingSwitchOutError: the caller is the hub. RuntimeError: it runs asyncio's loop.
        """
        self._queue_up(self.ready, self.begin_turn)

    def _queue_up(self, queue: deque[greenlet], begin: Callable[[], None]) -> None:
        me = getcurrent()
        if me in self.inner:
            self.refuse_wait()
        if ASYNCIO in MODULES:
            refuse_in_asyncio()
        try:
            queue.append(me)
            begin()
            self.dispatch()
        except BaseException:
            self.forget(me)
            raise

    def breathe(self, cost: int = CALL_COST) -> None:
        """Step aside if the slice is spent: before a call that could go on for ever without a wait, as under a flood.

        Args:
            cost: what the call does, in bytes. What turns out only later may be taken from ``credit`` then.
        """
        self.credit -= cost
        if self.credit < 0 and self.owes_turn():
            self.step_aside()

    def may_step_aside(self) -> bool:
        """Whether the caller can wait here without having asked for it."""
        return not (getcurrent() in self.inner or (ASYNCIO in MODULES and asyncio_runs_here()) or is_halfway())

    # -- who goes on

    def drain(self) -> None:
        """Let those run who can go on; called by the loop."""
        try:
            while self.gave_way or (self.ready and not self.is_turning):
                self.dispatch()
        finally:
            if self.gave_way or (self.ready and not self.is_turning):
                self.drain_soon()

    def _dispatch(self, _: Any = None) -> None:
        """Let one after the other go on; a greenlet of its own.

        Whoever switches holds a reference to where it switched until it goes on itself. If light threads that
        wait switched to each other, such references would stay about, and no worker would look unused.
        """
        gave_way, ready, switch = self.gave_way, self.ready, self.switch
        run_next_of_gave_way, run_next_of_ready = self._run_next
        try:
            while True:
                if gave_way:
                    self.is_dispatching = True
                    run_next_of_gave_way()
                elif ready and not self.is_turning:
                    if monotonic() >= self.slice_ends and self.is_slice_spent():
                        self.begin_turn()
                        continue
                    self.is_dispatching = True
                    run_next_of_ready()
                else:
                    self.is_dispatching = False
                    switch()
        except BaseException:  # of a signal handler, which runs wherever the signal finds us
            self.is_dispatching = False
            self._start_dispatcher()
            self.drain_soon()
            raise

    # -- what a signal handler, which runs wherever the signal finds us, has left half done

    def _handle_error(self, context: Any, kind: Any, value: Any, traceback: Any) -> None:
        """Called by gevent in place of its hub's own for what left a callback: go on with what that was to do."""
        self.renew_turn()
        restart = getattr(getattr(getattr(context, "callback", None), "__self__", None), "start_again", None)
        if restart is not None:  # gevent is about to stop the watcher
            self.loop.run_callback(restart)
        if self.dispatcher.dead:
            self._start_dispatcher()
        if self.doorbell is not None:
            self.doorbell.ring()
        self.drain_soon()
        type(self.gevent_hub).handle_error(self.gevent_hub, context, kind, value, traceback)


# What an OS thread has of its own, of the system's also after patching; ending.py says what is kept there.
_here: Any = monkey.get_original("_thread", "_local")()
keep_hub: Callable[[Any], object] | None = None


def scheduler() -> Scheduler:
    """Return the scheduler of the calling OS thread, made on first use.

    Raises:
        SocketError: "too many open files", where there is no hub yet.
    """
    gevent_hub: Any = get_hub_if_exists()
    if gevent_hub is None:
        require_descriptors()
        gevent_hub = gevent.get_hub()
    try:
        return gevent_hub.lasa_scheduler  # type: ignore[no-any-return]
    except AttributeError:
        made = gevent_hub.lasa_scheduler = Scheduler(gevent_hub)
        if keep_hub is not None and not gevent_hub.main_hub:
            _here.keeper = keep_hub(gevent_hub)
        return made


def require_descriptors() -> None:
    """Find out whether there are enough descriptors for another hub: libev ends the process where there are not.

    Raises:
        SocketError: "too many open files".
    """
    opened: list[int] = []
    try:
        for _ in range(DESCRIPTORS_OF_HUB):
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise system_error(error) from None
    finally:
        for descriptor in opened:
            os.close(descriptor)


def is_current(owner: Scheduler) -> bool:
    """Whether ``owner`` is the calling OS thread's scheduler; makes none where there is none."""
    gevent_hub = get_hub_if_exists()
    return gevent_hub is not None and gevent_hub is owner.gevent_hub


_left_behind: list[Any] = []


def leave_behind(waiting: Any) -> None:
    """Keep greenlets of the parent process in a child, where they never run again: freed, they would be unwound."""
    _left_behind.append(waiting)
