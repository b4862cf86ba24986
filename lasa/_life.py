"""The life of one hub: a main light thread, those that it leaves behind, its timers, and the end of all of them.

It is over when the main function, all light threads and all timers are done. An exception that leaves the main
function ends it at once, and so does whoever asks: light threads are killed, so their finally clauses run, pending
timers fire with ``premature=True``, and what they do then has GRACE_S seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from lasa import _hub
from lasa.thread import Handler, Thread, make_root, throw
from lasa.timer import calendar

__all__ = ["BUSY_S", "GRACE_S", "Life"]

GRACE_S: Final = 5.0
BUSY_S: Final = 0.5  # whoever never yields is interrupted so long after the end was asked for


class Life:
    """What runs in the calling OS thread's hub until live() returns.

    Attributes:
        failure: the exception that ended it; None if it ended by itself, or by end_soon().
        main: the main light thread, once it has begun.
        result: what the main function returned; None while it has not.
        is_done: whether the main function has ended.
        is_killed: whether it ended because it was killed.
        is_ending: whether the others are being ended.
    """

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self.main: Thread | None = None
        self._main_greenlet = _hub.getcurrent()
        self._is_waiting = False
        self._handler = Handler(self.look_again)
        self._is_asked = False
        self.failure: BaseException | None = None
        self.result: Any = None
        self.is_done = False
        self.is_killed = False
        self.is_ending = False

    def live(self) -> None:
        """Run the main function as a light thread until everything is over. To be called in the main greenlet."""
        timers = calendar()
        timers.on_quiet = self.look_again
        try:
            self.main = make_root(self._main, (), self._handler)
            _hub.run_job(self.main)
            self._wait_for(self.is_over)
        except (SystemExit, KeyboardInterrupt) as error:  # out of another light thread, or a handler of the script
            self.failure = error
        except _hub.LoopExit:
            self.failure = RuntimeError("deadlock: every light thread waits for another, and nothing can happen")
        self._end()

    def end_soon(self) -> None:
        """End it at once. Never switches."""
        self._is_asked = True
        self.look_again()

    def look_again(self) -> None:
        """Have the main greenlet see what has changed. Never switches."""
        if self._is_waiting:
            self._is_waiting = False
            _hub.wake(self._main_greenlet)

    def is_over(self) -> bool:
        """Whether the end begins, now or before."""
        return self._is_asked or self.failure is not None or self.is_quiet()

    def is_quiet(self) -> bool:
        """Whether all light threads and timers are done."""
        timers = calendar()
        return not self._handler.live and not timers.pending and not timers.running

    def is_enough(self) -> bool:
        """Whether nobody is waited for at the end, not even for the rest of GRACE_S."""
        return False

    def leftovers(self) -> list[_hub.Job]:
        """Return the light threads to end. Children of gevent's greenlets, which count for nobody, end with the hub."""
        return [] if self.is_quiet() else _hub.live_jobs()

    def _main(self) -> None:
        try:
            self.result = self._function()
        except _hub.ThreadKilled:
            self.is_killed = True
            raise
        except BaseException as error:
            self.failure = error
        finally:
            self.is_done = True
            self.look_again()

    def _end(self) -> None:
        # Light threads first, so that what their finally clauses do to a timer still counts.
        self.is_ending = True
        threads = [job for job in self.leftovers() if isinstance(job, Thread)]
        for thread in sorted(threads, key=_ancestors):  # a parent must not go on because its child has ended
            if not thread.is_over:
                throw(thread)
        calendar().expire_all()
        alarm = _hub.Alarm(self.look_again, ref=True)
        alarm.set_after(GRACE_S)
        try:
            self._wait_for(lambda: self.is_quiet() or self.is_enough() or not alarm.is_set)
        except (_hub.LoopExit, SystemExit, KeyboardInterrupt):
            return  # whoever is left waits for nothing
        finally:
            alarm.clear()

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._is_waiting = True
            try:
                _hub.pause()
            finally:
                self._is_waiting = False


def _ancestors(thread: Thread) -> int:
    count = 0
    while isinstance(thread.parent, Thread):
        thread = thread.parent
        count += 1
    return count
