"""Pools of OS threads: what blocks or computes runs there, and its caller waits as a light thread does."""

from __future__ import annotations

from _queue import Empty, SimpleQueue
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Final, Generic, TypeVar

from lasa import _process
from lasa._hub.doorbell import WakeUpCall
from lasa._hub.ending import end_hub
from lasa._hub.os_thread import OsLock, start_os_thread

__all__ = ["NoOsThread", "OsPool"]

IDLE_S: Final = 10.0

ToolT = TypeVar("ToolT")
ValueT = TypeVar("ValueT")


class NoOsThread(RuntimeError):
    """The system gives no OS thread, and the pool has none."""


class _Call(Generic[ToolT]):
    """A function on its way through a pool."""

    __slots__ = ("error", "function", "is_dropped", "value", "wake_up")

    def __init__(self, function: Callable[[ToolT], Any]) -> None:
        self.function: Callable[[ToolT], Any] | None = function
        self.value: Any = None
        self.error: BaseException | None = None
        self.is_dropped = False  # nobody waits for it any more
        self.wake_up = WakeUpCall()

    def run(self, tool: ToolT) -> None:
        """Call the function, unless nobody wants its result; raise nothing."""
        function, self.function = self.function, None
        if not self.is_dropped:
            try:
                self.value = function(tool)  # type: ignore[misc]
            except BaseException as error:
                self.error = error


class OsPool(Generic[ToolT]):
    """OS threads that run functions, each with a tool of its own; made when they are needed, up to a limit.

    One without work ends after a while. Its tool is closed then, and its hub ended, if a function has made one.
    """

    def __init__(self, name: str, limit: int, make_tool: Callable[[], AbstractContextManager[ToolT]]) -> None:
        self._name = name
        self._limit = limit
        self._make_tool = make_tool
        self._forget()

    def run(self, function: Callable[[ToolT], ValueT]) -> ValueT:
        """Return ``function(tool)``, which runs in one of the OS threads as soon as one is free.

        Raises:
            NoOsThread: there is no OS thread to run it, and the system gives none. What the function raises, or the
                making of the tool.
        Switches: always. A kill meanwhile leaves the function running, and drops what it returns or raises; one whose
        turn has not come is not called at all.
        """
        call = _Call(function)
        with self._lock:
            self._spare -= 1
            try:
                self._start_missing()
            except RuntimeError as refusal:
                if not self._threads:
                    self._spare += 1
                    raise NoOsThread(*refusal.args) from None
            self._calls.put(call)
        try:
            call.wake_up.wait(None)
        except BaseException:
            call.is_dropped = True
            raise
        error, call.error = call.error, None
        if error is None:
            value: ValueT = call.value
            return value
        try:
            raise error
        finally:
            del error  # its traceback holds this frame, which must not hold it

    def set_limit(self, limit: int) -> None:
        """Have more OS threads from now on, or fewer once they have run what they run."""
        with self._lock:
            self._limit = limit
            self._start_missing()

    def _start_missing(self) -> None:
        while self._spare < 0 and self._threads < self._limit:
            _process.use()
            start_os_thread(self._work, self._name)
            self._threads += 1
            self._spare += 1

    def _work(self) -> None:
        calls = self._calls  # others in a child: an OS thread whose own function has forked ends with it there
        try:
            with ExitStack() as stack:
                try:
                    tool = stack.enter_context(self._make_tool())
                except BaseException as error:
                    if self._refuse_one(calls, error):
                        return
                    raise
                while self._take_one(calls, tool):
                    pass
            end_hub()  # of functions that waited as light threads do
        finally:
            with self._lock:
                if calls is self._calls:
                    self._threads -= 1
                    self._start_missing()  # for those that came meanwhile

    def _refuse_one(self, calls: SimpleQueue[_Call[ToolT]], error: BaseException) -> bool:
        """Have the call for which the OS thread was started raise ``error``, unless another has run it meanwhile."""
        with self._lock:
            try:
                call = calls.get_nowait()
            except Empty:
                self._spare -= calls is self._calls
                return False
        call.error = error
        call.wake_up.ring()
        return True

    def _take_one(self, calls: SimpleQueue[_Call[ToolT]], tool: ToolT) -> bool:
        """Run the next call; return whether there may be another for this OS thread."""
        try:
            call = calls.get(timeout=IDLE_S)
        except Empty:
            with self._lock:
                if self._spare <= 0:
                    return True  # a call is about to come
                self._spare -= 1
                return False
        call.run(tool)
        with self._lock:  # before the waiter goes on, whose next call is to find it without work
            is_spare = calls is self._calls and self._threads <= self._limit
            self._spare += is_spare
        call.wake_up.ring()
        return is_spare

    def _forget(self) -> None:
        # In a child, which has none of them.
        self._lock = OsLock()
        self._calls: SimpleQueue[_Call[ToolT]] = SimpleQueue()
        self._threads = 0
        self._spare = 0  # OS threads without work, minus the calls that they are about to take


_process.inherited(OsPool, OsPool._forget)
