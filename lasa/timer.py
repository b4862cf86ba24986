"""Run a function later, in a light thread of its own (seed: lasa.timer.at, lasa.timer.kill).

A timer outlives the light thread that made it. If the program is ended first, the callback still runs
once, with ``premature=True``, so that it can give back what it holds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import Context, copy_context
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, Final, cast

from lasa import _hub, _process
from lasa._functions import check_function
from lasa._values import at_least, kind_of, seconds_of, whole_ms
from lasa.errors import Error, Word, failed
from lasa.thread import Handler, Thread, make_root

__all__ = ["Timer", "at", "every", "kill", "pending_count", "running_count", "set_limits"]

logger = logging.getLogger("lasa.timer")

MAX_PENDING = 1024
MAX_RUNNING = 256

_MISSING: Final[Any] = object()


class Timer:
    """The handle of a timer; ``at()`` and ``every()`` make it."""

    __slots__ = ("arguments", "calendar", "callback", "context", "due_s", "is_pending", "period_s")

    def __init__(
        self,
        callback: Callable[..., Any],
        arguments: tuple[Any, ...],
        context: Context,
        period_s: float | None,
        calendar: Calendar,
    ) -> None:
        self.calendar = calendar
        self.callback = callback
        self.arguments = arguments
        self.context = context
        self.period_s = period_s  # None for a timer that fires once
        self.due_s = 0.0
        self.is_pending = False


class Calendar:
    """The timers of one hub: what is due when, and how many callbacks run."""

    def __init__(self) -> None:
        self.max_pending = MAX_PENDING
        self.max_running = MAX_RUNNING
        self.pending = 0
        self.running = 0
        self.is_ending = False
        self.on_quiet: Callable[[], None] = lambda: None  # told when nothing is pending or running any more
        self._order = count()  # timers due at the same time fire in the order in which they were made
        self._heap: list[tuple[float, int, Timer]] = []
        self._hub = _hub.scheduler()
        self._alarm = _hub.Alarm(self._fire_due, ref=True)

    def add(self, timer: Timer, due_s: float) -> None:
        """Put a timer in; it becomes pending."""
        timer.due_s = due_s
        timer.is_pending = True
        self.pending += 1
        heappush(self._heap, (due_s, next(self._order), timer))
        first = self._heap[0] if self._heap else None  # none where a signal handler has let others cancel all
        if first is not None and (first[2] is timer or not self._alarm.is_set):  # not set where one has raised before
            self._alarm.set_after(first[0] - _hub.clock.monotonic_s())
        if not self.pending:
            self._alarm.clear()

    def cancel(self, timer: Timer) -> None:
        """Take a timer out; nothing happens if it is not pending."""
        timer.period_s = None
        if not timer.is_pending:
            return
        timer.is_pending = False
        self.pending -= 1
        if len(self._heap) > 2 * self.pending + 16:  # mostly cancelled entries
            self._heap = [entry for entry in self._heap if entry[2].is_pending]
            heapify(self._heap)
        if not self.pending:
            self._heap.clear()
            self._alarm.clear()
            self._tell_if_quiet()

    def expire_all(self) -> None:
        """Fire every pending timer early, with ``premature=True``; from now on only zero delays are taken."""
        self.is_ending = True
        now_s = _hub.clock.monotonic_s()
        early = sorted(entry for entry in self._heap if entry[2].is_pending)
        self._heap.clear()
        self._alarm.clear()
        for due_s, _, timer in early:
            if timer.is_pending:
                self._run(timer, premature=due_s > now_s)
        self._tell_if_quiet()

    def forget(self) -> None:
        """Drop all timers, in a child: they are the parent's, and would fire in both."""
        for _, _, timer in self._heap:
            timer.is_pending = False
            timer.period_s = None
        self._heap.clear()
        self.pending = 0
        self._alarm.clear()

    def _fire_due(self) -> None:
        now_s = _hub.clock.monotonic_s()  # timers that the callbacks make have to wait until events have been polled
        timer: Timer | None = None
        try:
            while self._heap and self._heap[0][0] <= now_s:
                timer = self._heap[0][2]
                heappop(self._heap)
                if not timer.is_pending:
                    continue
                next_s: float | None = None
                if timer.period_s is not None:  # no drift; but ticks that were missed altogether are not made up for
                    next_s = timer.due_s + timer.period_s
                    next_s = next_s if next_s > now_s else now_s + timer.period_s
                self._run(timer, premature=False, next_s=next_s)
                if self._hub.is_slice_spent():  # the others that are due come behind everybody else's events
                    break
        except BaseException:  # of a signal handler: a timer that was taken out has not run
            if timer is not None and timer.is_pending and all(entry[2] is not timer for entry in self._heap):
                heappush(self._heap, (timer.due_s, next(self._order), timer))
            raise
        finally:
            if self._heap:
                self._alarm.set_after(self._heap[0][0] - _hub.clock.monotonic_s())
        self._tell_if_quiet()

    def _run(self, timer: Timer, *, premature: bool, next_s: float | None = None) -> None:
        timer.is_pending = False
        self.pending -= 1
        if self.running >= self.max_running:
            if next_s is not None:
                self.add(timer, next_s)
            logger.critical(
                "lua failed to run timer with function defined at %s: %d lua_max_running_timers are not enough",
                _where(timer.callback, timer.arguments),
                self.max_running,
            )
            return
        callback: Thread | None = None
        self.running += 1
        try:
            if next_s is not None:
                self.add(timer, next_s)
            callback = make_root(timer.callback, (premature, *timer.arguments), Handler(self._one_ended))
            _hub.run_job(callback, timer.context.copy())
        except BaseException:  # of a signal handler
            if callback is None or not callback.has_begun:
                self.running -= 1
                if not timer.is_pending:
                    self.add(timer, timer.due_s)
            raise

    def _one_ended(self) -> None:
        self.running -= 1
        self._tell_if_quiet()

    def _tell_if_quiet(self) -> None:
        if not self.pending and not self.running:
            self.on_quiet()

    def close(self) -> None:
        """Drop all timers, before the hub ends; who ends a program fires them before, by expire_all()."""
        self.forget()


_process.inherited(Calendar, Calendar.forget)


def _where(callback: Callable[..., Any], arguments: tuple[Any, ...]) -> str:
    where = getattr(callback, "defined_at", None)  # a function that is not Python's
    if where is not None:
        return str(where(*arguments))
    code = getattr(getattr(callback, "__func__", callback), "__code__", None)
    return repr(callback) if code is None else f"@{code.co_filename}:{code.co_firstlineno}"


def calendar() -> Calendar:
    """Return the calendar of the calling OS thread's hub."""
    extras = _hub.scheduler().extras
    found = extras.get("calendar")
    if found is None:
        found = extras["calendar"] = Calendar()
    return cast("Calendar", found)


def at(delay: float = _MISSING, *callback_and_arguments: Any) -> tuple[Timer | None, Word | None]:
    """Call ``callback(premature, *arguments)`` once, ``delay`` seconds from now, in a new light thread.

    Args:
        delay: seconds, cut to whole milliseconds; 0 or less fires once the caller yields.
        callback_and_arguments: the callback, then its arguments; it runs in a copy of the caller's contextvars, and
            an exception that leaves it is logged.
    Returns:
        ``(timer, None)``; or ``(None, err)``: "too many pending timers", "process exiting".
    Raises:
        TypeError: fewer than two arguments, a delay that is no number, a callback that is no function.
    Switches: never. Source: seed, "lasa.timer.at".
    """
    return _schedule(delay, callback_and_arguments, repeats=False)


def every(delay: float = _MISSING, *callback_and_arguments: Any) -> tuple[Timer | None, Word | None]:
    """Call ``callback(premature, *arguments)`` each ``delay`` seconds until the timer is killed.

    The next tick is set before the callback runs: slow callbacks overlap, and the period does not drift.

    Returns, Raises: as at(); besides ValueError: "delay cannot be zero", for less than a millisecond.
    Switches: never. Source: OpenResty, "ngx.timer.every".
    """
    return _schedule(delay, callback_and_arguments, repeats=True)


def _schedule(
    delay: float, callback_and_arguments: tuple[Any, ...], *, repeats: bool
) -> tuple[Timer | None, Word | None]:
    call = "lasa.timer.every()" if repeats else "lasa.timer.at()"
    if not callback_and_arguments:
        got = "no arguments" if delay is _MISSING else "the delay alone"
        raise TypeError(f"{call} takes a delay in seconds, a callback and its arguments, got {got}")
    seconds = seconds_of(delay, call)
    callback, *arguments = callback_and_arguments
    check_function(callback, call)
    delay_s = max(0.0, whole_ms(seconds))
    if repeats and not delay_s:
        raise ValueError(f"{call}: delay cannot be zero, got {delay}")
    ours = calendar()
    if ours.is_ending and delay_s:
        return failed(Error("process exiting"))
    if ours.pending >= ours.max_pending:
        return failed(Error("too many pending timers"))
    timer = Timer(callback, tuple(arguments), copy_context(), delay_s if repeats else None, ours)
    ours.add(timer, _hub.clock.monotonic_s() + delay_s)
    return timer, None


def kill(timer: Timer) -> None:
    """Do not call the timer's callback any more; one that runs is not interrupted.

    Raises:
        TypeError: not a timer. RuntimeError: a timer of another OS thread, whose hub alone may touch it.
    Switches: never. Source: seed, "lasa.timer.kill".
    """
    if not isinstance(timer, Timer):
        raise TypeError(f"lasa.timer.kill() takes a timer, as at() and every() return it, got {kind_of(timer)}")
    if not _hub.has_hub() or timer.calendar is not calendar():
        raise _hub.wrong_os_thread("a timer")
    timer.calendar.cancel(timer)


def running_count() -> int:
    """Return how many callbacks have not ended yet, with all light threads that they spawned.

    Switches: never. Source: OpenResty, "ngx.timer.running_count".
    """
    return calendar().running


def pending_count() -> int:
    """Return how many timers have not expired yet; one of every() counts until it is killed.

    Switches: never. Source: OpenResty, "ngx.timer.pending_count".
    """
    return calendar().pending


def set_limits(*, max_pending: int | None = None, max_running: int | None = None) -> None:
    """Change this hub's limits: timers that wait (1024) and callbacks that run (256).

    One more timer is refused; one more callback is dropped, and the log says so.

    Raises:
        ValueError: "positive number required". TypeError: not a number.
    Switches: never. Source: OpenResty, "lua_max_pending_timers" and "lua_max_running_timers".
    """
    pending, running = (
        None if limit is None else at_least(1, limit, "lasa.timer.set_limits()") for limit in (max_pending, max_running)
    )
    ours = calendar()
    ours.max_pending = pending or ours.max_pending
    ours.max_running = running or ours.max_running
