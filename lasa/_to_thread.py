"""Run a function that blocks or computes in another OS thread (beyond the seed; as asyncio.to_thread).

The OS threads are a pool of their own, one for the whole process, so that calls which take long keep no look-up of a
name waiting: those run in gevent's pool. An OS thread without work ends after a while.
"""

from __future__ import annotations

import os
from _queue import Empty, SimpleQueue
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Final, ParamSpec, TypeVar

from lasa import _hub, _process
from lasa._functions import check_function, checked_result
from lasa._values import at_least

__all__ = ["set_thread_limit", "to_thread"]

IDLE_S: Final = 10.0

P = ParamSpec("P")
ValueT = TypeVar("ValueT")


class _Call:
    """A function on its way through the pool."""

    __slots__ = ("error", "function", "is_dropped", "value", "wake_up")

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function: Callable[[], Any] | None = function
        self.value: Any = None
        self.error: BaseException | None = None
        self.is_dropped = False  # nobody waits for it any more
        self.wake_up = _hub.WakeUpCall()

    def run(self) -> None:
        """Call the function, unless nobody wants its result; raise nothing."""
        function, self.function = self.function, None
        if not self.is_dropped:
            try:
                self.value = function()  # type: ignore[misc]
            except BaseException as error:
                self.error = error
            del function  # before the waiter goes on, who may be the last to know what it holds
        self.wake_up.ring()


class _Pool:
    """OS threads that run calls; made when they are needed, up to ``limit``."""

    def __init__(self, limit: int) -> None:
        self._lock = _hub.OsLock()
        self._calls: SimpleQueue[_Call] = SimpleQueue()
        self._threads = 0
        self._spare = 0  # OS threads without work, minus the calls that they are about to take
        self._limit = limit

    def set_limit(self, limit: int) -> None:
        """Have more OS threads from now on, or fewer once they have run what they run."""
        with self._lock:
            self._limit = limit
            self._start_missing()

    def submit(self, call: _Call) -> None:
        """Have ``call`` run soon.

        Raises:
            RuntimeError: there is no OS thread to run it, and the system gives none.
        """
        with self._lock:
            self._spare -= 1
            try:
                self._start_missing()
            except RuntimeError:
                if not self._threads:
                    self._spare += 1
                    raise
            self._calls.put(call)

    def _start_missing(self) -> None:
        while self._spare < 0 and self._threads < self._limit:
            _hub.start_os_thread(self._work, "lasa.to_thread")
            self._threads += 1
            self._spare += 1

    def _work(self) -> None:
        try:
            while self._take_one() and self is _pool:
                pass
            _hub.end_hub()  # of functions that waited as light threads do
        finally:
            with self._lock:
                self._threads -= 1
                if self is _pool:
                    self._start_missing()  # for those that came meanwhile

    def _take_one(self) -> bool:
        """Run the next call; return whether there may be another for this OS thread."""
        try:
            self._calls.get(timeout=IDLE_S).run()
        except Empty:
            with self._lock:
                if self._spare <= 0:
                    return True  # a call is about to come
                self._spare -= 1
                return False
        with self._lock:
            if self._threads > self._limit:
                return False
            self._spare += 1
            return True


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_pool = _Pool(min(32, _processors() + 4))


def _start_anew() -> None:
    global _pool
    _pool._lock = _hub.OsLock()  # if one of its own functions has forked, that OS thread ends with it
    _pool = _Pool(_pool._limit)


_process.at_fork("the OS threads of to_thread()", _start_anew)


def to_thread(function: Callable[P, ValueT], /, *arguments: P.args, **keywords: P.kwargs) -> ValueT:
    """Return ``function(*arguments, **keywords)``, which runs in an OS thread of its own while others go on here.

    It runs in a copy of the caller's contextvars. At most 32 run at a time, or four more than there are processors if
    that is less; the others wait for their turn.

    Returns:
        What the function returns.
    Raises:
        TypeError: "lasa.to_thread() takes a function, got T". What the function raises.
    Switches: always. A kill meanwhile leaves the function running, and drops what it returns or raises; one whose turn
    has not come is not called at all. A program that ends does not wait for it.
    """
    check_function(function, "lasa.to_thread()")
    context = copy_context()
    call = _Call(lambda: context.run(function, *arguments, **keywords))
    _pool.submit(call)
    try:
        call.wake_up.wait(None)
    except BaseException:
        call.is_dropped = True
        raise
    error, call.error = call.error, None
    if error is None:
        value: ValueT = checked_result(call.value, function, "lasa.to_thread()")
        return value
    try:
        raise error
    finally:
        del error  # its traceback holds this frame, which must not hold it


def set_thread_limit(count: int) -> None:
    """Change how many functions of to_thread() may run at a time in this process.

    Raises:
        ValueError: "positive number required". TypeError: not a number.
    Switches: never.
    """
    _pool.set_limit(at_least(1, count, "lasa.set_thread_limit()"))
