"""Finds Lua code that keeps the hub for itself: names its line, lets Python's signal handlers run, and can end it.

While Lua does not yield, nothing else runs in its OS thread: no light thread, and no signal handler of Python either,
so that even Ctrl-C is dead. Another OS thread therefore looks now and then whether a runtime is in the same stay in Lua
as before. All that the runtime has to do is to count its ways in and out.

The way into the running code is LuaJIT's profiler. It takes no samples by itself here; compiled code tests one bit at
the start of each trace, for which no cost could be measured, and a SIGPROF sets it. Lua then calls on_sample() of
share/_core/watchdog.lua, which calls Python. The script is ended by a debug hook, the only thing that may raise an
error at any instruction. LuaJIT allows lua_sethook() to be called asynchronously, and forgets what a sample sets, so
the OS thread calls it while the script goes on; no hook is set otherwise.

A process has one such profiler. It goes to the first runtime of the main OS thread, which runs Python's signal
handlers, unless the host uses SIGPROF. For others all depends on the debug hook, which compiled code does not see: a
compiled loop of theirs is reported, but its line is not known, and it cannot be ended.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec, module_from_spec
from typing import Any, Final, Protocol
from weakref import proxy, ref

from lasa import _process
from lasa.lua._luajit import LuaJit, address_of_mode, is_free

__all__ = ["Watchdog", "Watched"]

LOOK_S: Final = 1.0  # Lua that has not yielded for so long is looked at
ANSWER_S: Final = 0.1  # a line of Lua takes microseconds: whoever takes longer is in a function of C
PRESS_S: Final = 0.005
PRESSES: Final = 40
HALT_S: Final = 0.2
CALLS: Final = 12  # lines of a traceback
COUNT_HOOK: Final = 8  # LUA_MASKCOUNT

logger = logging.getLogger("lasa.lua")


def _unpatched_threads() -> Any:
    # A second copy of the builtin module, since gevent may have made light threads of those that the first one starts.
    spec = find_spec("_thread")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_threads: Final = _unpatched_threads()


class Watched(Protocol):
    """What a watchdog needs of a runtime, which must allow weak references.

    Attributes:
        lua: lupa's LuaRuntime, of a LuaJIT, with ``encoding=None``.
        entries: one more at each way into Lua and at each way out of it, so odd while Lua runs.
    """

    lua: Any
    entries: int


class Watchdog:
    """Watches one runtime for as long as it lives; it holds no reference to it."""

    def __init__(
        self,
        runtime: Watched,
        hold_s: float | None = 1.0,
        max_hold_s: float | None = None,
        describe: Callable[[], str] | None = None,
    ) -> None:
        """Begin to watch.

        Args:
            runtime: what is watched; the calling OS thread must be its own, and outside Lua.
            hold_s: after so long without a yield there is a warning, None for never; more warnings come when
                the time has doubled. It is looked at twice in that time, so it may take half as long again.
            max_hold_s: after so long an error is thrown at the line that runs; None for never.
            describe: names who runs, for the warning ("the timer of a.lua:3"); called in an OS thread of its own while
                Lua runs, so it must not call Lua.
        Raises:
            ValueError: a time that is not positive.
        Switches: never. Source: beyond the seed.
        """
        if not all(limit_s is None or limit_s > 0 for limit_s in (hold_s, max_hold_s)):
            raise ValueError("hold_s and max_hold_s must be positive")
        # Signal handlers run when Lua is looked at, so that is not put off as long as a limit may be.
        self._look_s = min(LOOK_S, hold_s or LOOK_S, max_hold_s or LOOK_S)
        self.tick_s = self._look_s / 2
        self.os_thread: int = _threads.get_ident()
        # Read by way of a proxy, which takes no reference that lasts: the last one must not be the patrol's, since the
        # runtime would then end in its OS thread.
        self._runtime: Watched = proxy(runtime)
        self._is_gone = False
        self._gone = ref(runtime, self._forget)
        self._is_used: Any = _threads.RLock()  # held while LuaJIT is used from outside
        self._hold_s = hold_s or float("inf")
        self._max_hold_s = max_hold_s
        self._describe = describe
        self._stay = 0  # the number of entries when the stay that lasts was first seen
        self._since_s = 0.0
        self._warning_s = self._hold_s  # when the next one is due, counted from then
        self._asked = 0  # the stay whose line was asked for
        self._place: str | None = None  # the answer
        self._has_answer: Any = _threads.allocate_lock()
        self._late_s: float | None = None  # how long the stay was when a warning went out without a line
        self._end: tuple[int, str, BaseException | None] | None = None  # the stay to end, the reason
        self._is_armed = False
        self._luajit = LuaJit(sys.modules[type(runtime.lua).__module__].__file__ or "")
        self._hook = 0
        self.has_profiler = self._make_ways_in(runtime.lua)
        _patrol.add(self)

    def _make_ways_in(self, lua: Any) -> bool:
        natives = {b"asks": self._asks, b"answer": self._answer, b"verdict": self._verdict, b"caught": self._caught}
        core = lua.table_from({b"native": lua.table_from({b"watchdog": lua.table_from(natives)})})
        with open(os.path.join(os.path.dirname(__file__), "share/_core/watchdog.lua"), "rb") as file:
            source = file.read()
        chunk = lua.compile(source, name=b"@lasa/_core/watchdog.lua")
        state, start, stop, test_once_per_trace, keep_hook = chunk(core)
        self._state = int(state.split()[1], 16)  # b"thread: 0x..."
        # The OS thread that has Python's signals.
        if _threads.get_native_id() != os.getpid() or not is_free(signal.SIGPROF):
            keep_hook(self._look_up_hook)
            return False
        mode = address_of_mode(self._state, start, stop)
        # Where LuaJIT's byte is not found, compiled code is left alone: a test at each line makes some of it slower.
        start(b"")
        signal.setitimer(signal.ITIMER_PROF, 0)  # else it would outlive an exec, and end that program
        if mode is not None:
            test_once_per_trace(mode)
        return True

    def _look_up_hook(self) -> None:
        self._hook = self._luajit.lua_gethook(self._state)

    def interrupt(self, reason: str | BaseException) -> bool:
        """Throw an error at the line that Lua runs now, and at each line after it until Lua has been left.

        It takes some milliseconds, and longer while Lua waits in a function of C, or in a finalizer.

        Args:
            reason: the error's text, "FILE:LINE: reason"; or an exception, for ``take_interruption()``.
        Returns:
            False if no Lua runs, and nothing will happen.
        Switches: never; any OS thread and any signal handler may call it. Source: beyond the seed.
        """
        stay = self._entries()
        if not stay & 1:
            return False
        self._end_stay(stay, reason)
        _patrol.ring()
        return True

    def take_interruption(self) -> BaseException | None:
        """Return the exception that ended the stay in Lua just left, once; None if there is none.

        To be asked when Lua was left with an error: what a signal handler raised meanwhile (KeyboardInterrupt,
        ThreadKilled) cannot pass through Lua as it is.
        """
        end = self._end
        if end is None or end[0] + 1 != self._entries():
            return None
        self._end = None
        return end[2]

    # What Lua calls, in the runtime's OS thread. Python's signal handlers run before and between their lines.

    def _asks(self) -> bool:
        return self._place is None and self._asked == self._entries()

    def _answer(self, place: bytes) -> None:
        lines = place.decode("utf-8", "backslashreplace").splitlines()
        self._place = "\n".join(lines[:CALLS] + ["\t..."] * (len(lines) > CALLS))
        _open(self._has_answer)

    def _verdict(self) -> bytes | None:
        end = self._end
        if end is None or end[0] != self._entries():
            self._is_armed = False
            return None
        self._is_armed = True
        return end[1].encode("utf-8", "surrogateescape")

    def _caught(self, error: object) -> None:
        if isinstance(error, BaseException):  # Lua's own would be "not enough memory"
            self._end_stay(self._entries(), error)

    def _entries(self) -> int:
        try:
            return self._runtime.entries
        except ReferenceError:
            return 0

    def _end_stay(self, stay: int, reason: str | BaseException) -> None:
        if isinstance(reason, BaseException):
            self._end = stay, f"interrupted by {type(reason).__name__}", reason
        else:
            self._end = stay, reason, None

    # What the patrol calls, in its OS thread.

    def is_needed(self) -> bool:
        """Whether the runtime is still there."""
        return not self._is_gone

    def _forget(self, _gone: object) -> None:
        with self._is_used:
            self._is_gone = True

    def check(self, now_s: float) -> None:
        """Do what is due at this time."""
        if self._late_s is not None and self._place is not None:
            logger.warning("a Lua light thread came back after more than %.1f s, %s", self._late_s, self._place)
            self._late_s = None
        stay = self._entries()
        if stay != self._stay:
            self._stay, self._since_s, self._warning_s, self._late_s = stay, now_s, self._hold_s, None
            if self._end is not None and self._end[0] + 1 < stay:
                self._end = None  # nobody has taken it
        if not stay & 1:
            return
        held_s = now_s - self._since_s
        if self._max_hold_s is not None and held_s >= self._max_hold_s and not self._is_ending(stay):
            self._end_stay(stay, f"has not yielded for {self._max_hold_s:g} s (max_hold_s)")
        if held_s < self._look_s and not self._is_ending(stay):
            return
        self._ask(stay)
        if held_s >= self._warning_s and self._entries() == stay:
            self._warn(held_s)
        if self._is_ending(stay):
            self._press(stay)

    def _is_ending(self, stay: int) -> bool:
        end = self._end
        return end is not None and end[0] == stay

    def _ask(self, stay: int) -> None:
        self._has_answer.acquire(False)
        self._place = None
        self._asked = stay
        if self.has_profiler:
            self._send_signal(stay)
        else:
            self._set_hook(stay)
        self._has_answer.acquire(True, ANSWER_S)

    def _warn(self, held_s: float) -> None:
        self._warning_s = 2 * held_s
        place = self._place
        if place is None:
            self._late_s = held_s
            place = "in a function of C or Python that it called, or in a finalizer"
            if not self.has_profiler:
                place += "; or in compiled code, which can be looked into in a program's first runtime only"
        who = "a Lua light thread" if self._describe is None else f"a Lua light thread ({self._describe()})"
        logger.warning("%s has not yielded for %.1f s: %s", who, held_s, place)

    def _press(self, stay: int) -> None:
        for _ in range(PRESSES):
            _pause(PRESS_S)  # if it is a sample that has armed it, let that end first
            if self._entries() != stay or not self._is_ending(stay):
                return
            if self._is_armed or not self.has_profiler:
                self._set_hook(stay)

    def _send_signal(self, stay: int) -> None:
        with self._is_used:
            # Without a handler, or with one of the host's, it must not be sent.
            if self._entries() == stay and self._luajit.has_handler(signal.SIGPROF):
                signal.pthread_kill(self.os_thread, signal.SIGPROF)

    def _set_hook(self, stay: int) -> None:
        with self._is_used:
            if self._entries() != stay:
                return
            if not self._hook:
                self._look_up_hook()
            if self._hook and not self._luajit.lua_gethookmask(self._state):
                self._luajit.lua_sethook(self._state, self._hook, COUNT_HOOK, 1)


def _open(lock: Any) -> None:
    try:
        lock.release()
    except RuntimeError:
        pass  # it is open


_never: Final = _threads.allocate_lock()
_never.acquire()


def _pause(delay_s: float) -> None:
    _never.acquire(True, delay_s)  # time.sleep() may be gevent's


class _Patrol:
    """The OS thread that goes round all runtimes of the process; there is none while there are no runtimes."""

    def __init__(self) -> None:
        self._dogs: tuple[Watchdog, ...] = ()
        self.forget_thread()

    def forget_thread(self) -> None:
        """The thread, if there was one, is the parent process's."""
        self._lock: Any = _threads.allocate_lock()
        self._bell: Any = _threads.allocate_lock()
        self._bell.acquire()
        self._is_halted = False
        self._end: Any = None  # a lock that the thread opens when it ends; None while there is no thread
        self._native_id = 0

    def add(self, dog: Watchdog) -> None:
        """Look after one more."""
        with self._lock:
            self._dogs = (*self._dogs, dog)
            self._start()
        self.ring()  # it may have to come round more often

    def ring(self) -> None:
        """Go round at once."""
        _open(self._bell)

    def _start(self) -> None:
        if self._end is None and self._dogs and not self._is_halted:
            self._end = _threads.allocate_lock()
            self._end.acquire()
            _threads.start_new_thread(self._walk, (self._end,))

    def _walk(self, end: Any) -> None:
        self._native_id = _threads.get_native_id()
        while True:
            with self._lock:
                self._dogs = tuple([dog for dog in self._dogs if dog.is_needed()])
                if self._is_halted or not self._dogs:
                    self._end = None
                    break
            self._bell.acquire(True, min([dog.tick_s for dog in self._dogs]))
            for dog in self._dogs:
                try:
                    dog.check(time.monotonic())
                except Exception:
                    sys.excepthook(*sys.exc_info())  # a handler of logging's failed; the others are still looked after
        end.release()

    def halt(self) -> None:
        """End the thread, for a fork or the process's end."""
        with self._lock:
            self._is_halted = True
            end = self._end
        if end is None or _threads.get_native_id() == self._native_id:
            return
        self.ring()
        until_s = time.monotonic() + HALT_S
        if end.acquire(True, HALT_S):
            # Python warns of a fork while there are other OS threads, so wait for the kernel, too.
            while os.path.exists(f"/proc/self/task/{self._native_id}") and time.monotonic() < until_s:
                _pause(0.0001)

    def go_on(self) -> None:
        """Start the thread again, after halt()."""
        with self._lock:
            self._is_halted = False
            self._start()

    def go_on_in_child(self) -> None:
        """Start the thread in a new process, for the runtimes of the OS thread that has forked."""
        self.forget_thread()
        self._dogs = tuple([dog for dog in self._dogs if dog.os_thread == _threads.get_ident()])
        self.go_on()


_patrol: Final = _Patrol()
os.register_at_fork(before=_patrol.halt, after_in_parent=_patrol.go_on)
_process.at_fork("the watchdog's OS thread", _patrol.go_on_in_child)
atexit.register(_patrol.halt)
