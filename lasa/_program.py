"""A program's life: the main light thread, those that it leaves behind, its timers, and the signals that end it.

The program is over when its main function, all light threads and all timers are done. SIGINT and SIGTERM end
it at once: light threads are killed, so their finally clauses run, pending timers fire with
``premature=True``, and what they do then has GRACE_S seconds.

A service is over when its main function is: the others are ended then. The first signal asks it to stop, the second
ends it at once.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Collection
from types import FrameType, TracebackType
from typing import Any, Final

from lasa import _hub
from lasa.thread import Handler, Thread, make_root, throw
from lasa.timer import calendar

__all__ = ["GRACE_S", "run_program", "run_service"]

GRACE_S: Final = 5.0
BUSY_S: Final = 0.5  # a light thread that never yields is interrupted so long after the signal
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class _Program:
    def __init__(
        self, function: Callable[[], object], stop: Callable[[], None] | None, stop_s: float, signals: Collection[int]
    ) -> None:
        self._function = function
        self._stop = stop  # what the first signal does for a service
        self._stop_s = stop_s
        self._patience = 0 if stop is None else 1  # signals that do not end it at once
        self._handled = signals
        self._is_done = False
        self._main_greenlet = _hub.getcurrent()
        self._is_waiting = False
        self._handler = Handler(self._look_again)
        self._failure: BaseException | None = None
        self._signals: list[int] = []
        self._is_ending = False
        self._enough = 1  # signals after which nobody is waited for any longer
        self._forced_at_s = 0.0
        self._previous_alarm: Any = None

    def run(self) -> int:
        """Run to the end and return the exit status; raises SystemExit for sys.exit()."""
        previous = {number: signal.signal(number, self._on_signal) for number in self._handled}
        try:
            timers = calendar()
            timers.on_quiet = self._look_again
            try:
                _hub.run_job(make_root(self._main, (), self._handler))
                self._wait_for(self._is_over)
            except (SystemExit, KeyboardInterrupt) as error:  # out of another light thread, or a handler of the script
                self._failure = error
            except _hub.LoopExit:
                self._failure = RuntimeError("deadlock: every light thread waits for another, and nothing can happen")
            self._end()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            if self._previous_alarm is not None:
                previous[signal.SIGALRM] = self._previous_alarm
            for number, handler in previous.items():
                signal.signal(number, handler)
        if self._is_cut_short():
            return 128 + self._signals[0]
        if isinstance(self._failure, SystemExit):
            raise self._failure
        if isinstance(self._failure, KeyboardInterrupt):
            return 128 + signal.SIGINT
        if self._failure is not None:
            failure = self._failure.with_traceback(_without_our_frames(self._failure.__traceback__))
            sys.excepthook(type(failure), failure, failure.__traceback__)
            return 1
        return 0

    def _main(self) -> None:
        try:
            self._function()
        except _hub.ThreadKilled:
            raise
        except BaseException as error:
            self._failure = error
        finally:
            self._is_done = True
            self._look_again()

    def _is_over(self) -> bool:
        if self._failure is not None or self._is_cut_short():
            return True
        return self._is_quiet() if self._stop is None else self._is_done

    def _is_cut_short(self) -> bool:
        return len(self._signals) > self._patience

    def _is_quiet(self) -> bool:
        timers = calendar()
        return not self._handler.live and not timers.pending and not timers.running

    def _end(self) -> None:
        # Light threads first, so that what their finally clauses do to a timer still counts.
        self._enough = min(len(self._signals), self._patience + 1) + 1
        self._forced_at_s = time.monotonic() + GRACE_S + BUSY_S
        self._is_ending = True
        for job in _hub.live_jobs():
            if isinstance(job, Thread) and not job.is_over:
                throw(job)
        calendar().expire_all()
        alarm = _hub.Alarm(self._look_again, ref=True)
        alarm.set_after(GRACE_S)
        deadline_s = time.monotonic() + GRACE_S
        try:
            self._wait_for(lambda: self._is_quiet() or self._is_enough() or time.monotonic() >= deadline_s)
        except (_hub.LoopExit, SystemExit, KeyboardInterrupt):
            return  # whoever is left waits for nothing
        finally:
            alarm.clear()

    def _is_enough(self) -> bool:
        return len(self._signals) >= self._enough

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._is_waiting = True
            try:
                _hub.pause()
            finally:
                self._is_waiting = False

    def _look_again(self) -> None:
        if self._is_waiting:
            self._is_waiting = False
            _hub.wake(self._main_greenlet)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # Runs between two instructions of whoever runs, or of the hub after its poll.
        self._signals.append(number)
        if self._stop is not None and len(self._signals) == 1:
            _hub.call_soon(self._stop)
        _hub.call_soon(self._look_again)
        if self._previous_alarm is None:
            self._previous_alarm = signal.signal(signal.SIGALRM, self._on_alarm)
        stop_s = 0.0 if self._is_cut_short() or self._is_ending else self._stop_s
        signal.setitimer(signal.ITIMER_REAL, stop_s + BUSY_S, BUSY_S)

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        # Somebody has not let the main greenlet run since the signal.
        if not self._is_ending:
            if _hub.getcurrent() is not self._main_greenlet and not _hub.in_hub():
                raise _hub.ThreadKilled
        elif self._is_enough() or time.monotonic() >= self._forced_at_s:
            os._exit(128 + self._signals[0])


def _without_our_frames(traceback: TracebackType | None) -> TracebackType | None:
    # A user's traceback begins in the user's file.
    folder = __file__.removesuffix("_program.py")
    first = traceback
    while first is not None and first.tb_frame.f_code.co_filename.startswith(folder):
        first = first.tb_next
    return first or traceback


def run_program(function: Callable[[], Any]) -> int:
    """Run ``function`` as the main light thread and wait for the whole program; return its exit status.

    Returns:
        0; 1 after an exception of ``function``, whose traceback is printed; 128 plus the number of the signal.
    Raises:
        SystemExit: the program called sys.exit().
    Switches: always. It must run in the main greenlet of the main OS thread, which owns the signals.
    """
    return _Program(function, None, 0.0, SIGNALS).run()


def run_service(
    function: Callable[[], Any], stop: Callable[[], None], stop_s: float, signals: Collection[int] = SIGNALS
) -> int:
    """Run ``function`` as the main light thread until it returns, then end the others; return the exit status.

    Args:
        function: what serves.
        stop: has ``function`` return; called from the hub at the first signal, it must not block.
        stop_s: how long that may take; whoever never yields is interrupted then.
        signals: those that end the service; none where somebody else handles signals.
    Returns:
        0, also after a signal; 1 after an exception of ``function``; 128 plus the first signal's number if a second
        one cut it short.
    Raises, Switches: as run_program().
    """
    return _Program(function, stop, stop_s, signals).run()
