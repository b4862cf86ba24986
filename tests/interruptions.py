"""Have something happen in the middle of lasa's own code, wherever the interpreter could run a signal handler there."""

from __future__ import annotations

import dis
import os
import sys
import threading
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from types import CodeType, FrameType
from typing import Any

import lasa
from lasa._hub import end_hub, start_os_thread

ROOT = os.path.join(os.path.dirname(lasa.__file__), "")
HANG_S = 5.0

__all__ = ["Interrupted", "interrupt"]


class Interrupted(Exception):
    """What a signal handler raises."""


@cache
def points_of(code: CodeType) -> frozenset[int]:
    """Return the offsets before which signal handlers may run: behind calls, at the start, and at ends of loops."""
    found = set()
    instructions = list(dis.get_instructions(code))
    for before, after in pairwise(instructions):
        if before.opname in ("RESUME", "CALL", "CALL_KW", "CALL_FUNCTION_EX"):
            found.add(after.offset)
        if "JUMP_BACKWARD" in before.opname:
            found.add(before.argval)
    return frozenset(found)


class _Tracer:
    def __init__(self, at: int, action: Callable[[], Any]) -> None:
        self.count = 0
        self.is_counting = False
        self.place = ""
        self._at = at
        self._action = action

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if not code.co_filename.startswith(ROOT):
            return None
        frame.f_trace_opcodes = True
        return self._step

    def _step(self, frame: FrameType, event: str, argument: Any) -> Any:
        if self.is_counting and event == "opcode" and frame.f_lasti in points_of(frame.f_code):
            self.count += 1
            if self.count == self._at:
                self.place = f"{frame.f_code.co_filename.removeprefix(ROOT)}:{frame.f_lineno}"
                sys.settrace(None)
                self._action()
        return self._step


def interrupt(scenario: Callable[[], Any], at: int, action: Callable[[], Any]) -> tuple[int, str, Any]:
    """Run ``scenario`` in an OS thread of its own, and ``action`` at the ``at``-th place in its course.

    Returns:
        how many places there were, which one it was, and what the scenario returned or raised; None if it hangs.
    """
    tracer = _Tracer(at, action)
    outcome: list[Any] = []
    is_over = threading.Event()

    def run() -> None:
        sys.settrace(tracer)
        try:
            lasa.sleep(0)  # what happens once in the life of a hub is over before a program can do anything
            lasa.thread.wait(lasa.thread.spawn(lasa.sleep, 0))
            tracer.is_counting = True
            outcome.append(scenario())
        except BaseException as error:
            outcome.append(error)
        finally:
            sys.settrace(None)
        try:
            outcome.append(_works())
            end_hub()
        except BaseException as error:
            outcome.append(error)
        is_over.set()

    start_os_thread(run, "interrupted")
    is_over.wait(HANG_S)
    if len(outcome) < 2 or outcome[1] is not True:
        return tracer.count, tracer.place, outcome[1:]
    return tracer.count, tracer.place, outcome[0]


def _works() -> bool:
    """Whether light threads, semaphores and timers work afterwards."""
    sema, _ = lasa.semaphore.new()
    waiter = lasa.thread.spawn(sema.wait, 2)
    lasa.timer.at(0, lambda _: sema.post())
    lasa.sleep(0.001)
    return lasa.thread.wait(waiter) == (True, True, None)
