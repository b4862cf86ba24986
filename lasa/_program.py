"""A program: a life whose end signals can ask for, and its exit status.

The program is over when its main function, all light threads and all timers are done. SIGINT and SIGTERM end
it at once, as `_life.py` says. Of Python code, SIGINT raises KeyboardInterrupt in the main function, as under
``python``, until that has returned. A program may have handlers of its own; once its main function has returned, the
second signal ends it all the same.

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
from lasa._life import BUSY_S, GRACE_S, Life

__all__ = ["GRACE_S", "run_program", "run_service"]

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

IN_CALL_S: Final = 0.02  # what comes while a call of ours runs is raised where that waits, or so much later

_FOLDER: Final = os.path.join(os.path.dirname(__file__), "")


class _Program(Life):
    def __init__(
        self,
        function: Callable[[], object],
        stop: Callable[[], None] | None,
        stop_s: float,
        signals: Collection[int],
        *,
        interrupts: bool = False,
    ) -> None:
        super().__init__(function)
        self._interrupts = interrupts
        self._is_interrupt_due = False
        self._overheard = 0  # signals that handlers of the program's own have got
        self._stop = stop  # what the first signal does for a service
        self._stop_s = stop_s
        self._patience = 0 if stop is None else 1  # signals that do not end it at once
        self._handled = signals
        self._signals: list[int] = []
        self._enough = 1  # signals after which nobody is waited for any longer
        self._forced_at_s = 0.0
        self._previous_alarm: Any = None

    def run(self) -> int:
        """Run to the end and return the exit status; raises SystemExit for sys.exit()."""
        previous = {number: signal.signal(number, self._on_signal) for number in self._handled}
        end_noticing = _hub.notice_signals()
        end_overhearing = _hub.overhear_signals(self._handled if self._stop is None else (), self._on_overheard)
        try:
            self.live()
        finally:
            end_overhearing()
            end_noticing()
            self._stop_alarm()
            for number, handler in previous.items():
                signal.signal(number, handler)
            _hub.claim_main_thread()
        if self._is_cut_short():
            return 128 + self._signals[0]
        if isinstance(self.failure, SystemExit):
            raise self.failure
        if isinstance(self.failure, KeyboardInterrupt):
            return 128 + signal.SIGINT
        if self.failure is not None:
            failure = self.failure.with_traceback(_without_our_frames(self.failure.__traceback__))
            sys.excepthook(type(failure), failure, failure.__traceback__)
            return 1
        return 0

    def is_over(self) -> bool:
        """As Life; a service is over with its main function, and signals count."""
        if self.failure is not None or self._is_cut_short():
            return True
        return self.is_quiet() if self._stop is None else self.is_done

    def is_enough(self) -> bool:
        """Whether a signal has come since the end began."""
        return len(self._signals) >= self._enough

    def leftovers(self) -> list[_hub.Job]:
        """Return all light threads: the hub outlives the program."""
        return _hub.live_jobs()

    def _is_cut_short(self) -> bool:
        return len(self._signals) > self._patience

    def _end(self) -> None:
        if self._interrupts and isinstance(self.failure, KeyboardInterrupt) and not self._signals:
            self._signals.append(signal.SIGINT)
            self._set_alarm(BUSY_S)
        if not self._signals:
            self._stop_alarm()
        self._enough = min(len(self._signals), self._patience + 1) + 1
        self._forced_at_s = time.monotonic() + GRACE_S + BUSY_S
        super()._end()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # Runs between two instructions of whoever runs, or of the hub after its poll.
        if number == signal.SIGINT and self._may_interrupt():
            runs_main = self._runs_main()
            if runs_main and not _is_ours(frame):
                raise KeyboardInterrupt
            self._is_interrupt_due = True
            _hub.call_soon(self._interrupt_main)
            self._set_alarm(IN_CALL_S if runs_main else BUSY_S)
            return
        self._signals.append(number)
        if self._stop is not None and len(self._signals) == 1:
            _hub.call_soon(self._stop)
        _hub.call_soon(self.look_again)
        stop_s = 0.0 if self._is_cut_short() or self.is_ending else self._stop_s
        self._set_alarm(stop_s + BUSY_S)

    def _on_overheard(self, number: int) -> bool:
        self._overheard += 1
        if not self.is_done or self._overheard < 2:
            return False
        self._on_signal(number, None)
        return True

    def _may_interrupt(self) -> bool:
        # The second one before the first has come through ends the program.
        is_ending = self.is_done or self.is_ending or self.failure is not None or bool(self._signals)
        return self._interrupts and not self._is_interrupt_due and not is_ending

    def _runs_main(self) -> bool:
        return self.main is not None and _hub.getcurrent() is self.main.innermost()

    def _interrupt_main(self) -> None:
        if self._is_interrupt_due and self.main is not None and not self.is_done:
            self._is_interrupt_due = False
            self._stop_alarm()
            _hub.interrupt(self.main.innermost(), KeyboardInterrupt)

    def _set_alarm(self, delay_s: float) -> None:
        if self._previous_alarm is None:
            self._previous_alarm = signal.signal(signal.SIGALRM, self._on_alarm)
        signal.setitimer(signal.ITIMER_REAL, delay_s, BUSY_S)

    def _stop_alarm(self) -> None:
        if self._previous_alarm is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._previous_alarm)
            self._previous_alarm = None

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        # Somebody has not let the main greenlet run since the signal.
        if not self.is_ending:
            if self._is_interrupt_due and self._runs_main():
                self._is_interrupt_due = False
                self._stop_alarm()
                raise KeyboardInterrupt
            if _hub.getcurrent() is not self._main_greenlet and not _hub.in_hub():
                raise _hub.ThreadKilled
        elif self.is_enough() or time.monotonic() >= self._forced_at_s:
            os._exit(128 + self._signals[0])


def _without_our_frames(traceback: TracebackType | None) -> TracebackType | None:
    # A user's traceback begins in the user's file.
    first = traceback
    while first is not None and _is_ours(first.tb_frame):
        first = first.tb_next
    return first or traceback


def _is_ours(frame: FrameType | None) -> bool:
    return frame is not None and frame.f_code.co_filename.startswith(_FOLDER)


def run_program(function: Callable[[], Any], *, interrupts: bool = False) -> int:
    """Run ``function`` as the main light thread and wait for the whole program; return its exit status.

    Args:
        interrupts: whether SIGINT raises KeyboardInterrupt in it; it ends the program at once otherwise.
    Returns:
        0; 1 after an exception of ``function``, whose traceback is printed; 128 plus the number of the signal.
    Raises:
        SystemExit: the program called sys.exit().
    Switches: always. It must run in the main greenlet of the main OS thread, which owns the signals.
    """
    return _Program(function, None, 0.0, SIGNALS, interrupts=interrupts).run()


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
