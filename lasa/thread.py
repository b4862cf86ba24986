"""Light threads: spawn, wait, kill (seed: lasa.thread).

A light thread runs at once when it is spawned, keeps the CPU until it has to wait, and belongs to
the light thread, user coroutine or main program that spawned it: its parent for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from types import AsyncGeneratorType, CoroutineType
from typing import Any, Final, Literal

from lasa import _hub
from lasa._functions import check_function, is_left_over, name_of, refusal
from lasa._values import kind_of
from lasa.errors import Error, FixedWord, Word

__all__ = ["Thread", "ThreadKilled", "kill", "spawn", "status", "wait"]

logger = logging.getLogger("lasa.thread")

Status = Literal["running", "suspended", "normal", "zombie", "dead"]

_RUNNING: Final = 0
_KILLED: Final = 1  # and not over yet: it waits again in a finally clause
_FINISHED: Final = 2  # over, result not collected: a zombie while the parent lives
_COLLECTED: Final = 3

ThreadKilled = _hub.ThreadKilled

_ALREADY_WAITED_OR_KILLED: Final = FixedWord(partial(Error, "already waited or killed"))
_NOT_USER_THREAD: Final = FixedWord(partial(Error, "not user thread"))
_KILLER_NOT_PARENT: Final = FixedWord(partial(Error, "killer not parent"))
_ALREADY_TERMINATED: Final = FixedWord(partial(Error, "already terminated"))


class Thread:
    """The handle of a light thread; ``spawn()`` makes it."""

    __slots__ = (
        "__weakref__",
        "_arguments",
        "_begun",
        "_function",
        "_outcome",
        "_parent",
        "_state",
        "_waiter",
        "greenlet",
        "handler",
        "resumed",
    )

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...], parent: Any) -> None:
        self._function: Callable[..., Any] | None = function
        self._arguments = arguments
        self._parent = parent
        self._state = _RUNNING
        self._outcome: tuple[Any, ...] = ()
        self._begun: bool | TypeError = False  # whether spawn() has returned; or what it is to raise
        self._waiter: _hub.greenlet | None = None
        self.greenlet: _hub.greenlet | None = None
        self.resumed: Any = None  # the user coroutine it waits for, see coroutine.py
        self.handler: Handler | None = None if isinstance(parent, _hub.greenlet) else parent.handler

    def __repr__(self) -> str:
        return f"<light thread {self.status} at {id(self):#x}>"

    @property
    def status(self) -> Status:
        """As ``lasa.thread.status(self)``."""
        if self._state == _RUNNING:
            return "running" if self.resumed is None else "normal"
        return "zombie" if self._state == _FINISHED and not self._parent.dead else "dead"

    @property
    def parent(self) -> Any:
        """Who spawned it: a light thread, a user coroutine, a greenlet; something else once that has ended."""
        return self._parent

    @property
    def has_begun(self) -> bool:
        """Whether the function was called."""
        return self._function is None

    @property
    def is_over(self) -> bool:
        """Whether the function has returned, raised or been killed."""
        return self._state != _RUNNING

    @property
    def dead(self) -> bool:
        """Whether the function has ended; a killed one may still wait in a finally clause."""
        return self._state >= _FINISHED

    def run(self) -> _hub.greenlet | None:
        """Run the function to its end; called once, by the worker. Returns the parent if it waits."""
        function, arguments = self._function, self._arguments
        self._function, self._arguments = None, ()
        if self.handler is not None:
            self.handler.live += 1
        try:
            values = function(*arguments)  # type: ignore[misc]
            kind = type(values)
            if (kind is CoroutineType or kind is AsyncGeneratorType) and is_left_over(values):
                refused = refusal("a light thread" if self._begun else "lasa.thread.spawn()", function, values)
                self._outcome = (False, refused)
                if self._begun:
                    self._report(refused, function)
                else:
                    self._begun = refused
            else:
                self._outcome = (True, *values) if kind is tuple else (True, values)
        except _hub.GreenletExit as error:  # lasa.thread.kill or gevent.kill
            self._outcome = (False, error)
        except BaseException as error:  # gevent.Timeout is no Exception
            self._outcome = (False, error)
            self._report(error, function)
        return self._end()

    def _report(self, error: BaseException, function: Callable[..., Any] | None) -> None:
        try:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                _hub.hand_to_main(error)
            else:
                logger.error("light thread %s failed: %r", name_of(function), error, exc_info=error)
        except BaseException:  # both may switch, and a kill or gevent.Timeout may come meanwhile
            self.greenlet = None
            raise

    def break_off(self, error: BaseException) -> None:
        """See Job."""
        if self._function is not None:  # it has not begun
            self._function, self._arguments = None, ()
            if self.handler is not None:
                self.handler.live += 1
        if not self._outcome:
            self._outcome = (False, error)
        waiter = self._end()
        if waiter is not None:
            _hub.wake(waiter)

    def _end(self) -> _hub.greenlet | None:
        is_last = was_killed = False
        if self._state < _FINISHED:  # without a call, behind which a signal handler might raise
            if self._state == _RUNNING:
                self._state = _FINISHED
            else:
                self._state, self._outcome = _COLLECTED, ()
                was_killed = True
            if self.handler is not None:
                self.handler.live -= 1
                is_last = not self.handler.live
        try:
            if was_killed:
                _hub.forget_kill(self)
            if self._parent.dead and self._parent is not _NO_PARENT:
                self._parent = _GONE
        finally:
            if is_last:
                self.handler.on_end()  # type: ignore[union-attr]
        return self._waiter

    def innermost(self) -> Any:
        """See Job."""
        return self.greenlet if self.resumed is None else self.resumed.innermost()

    def leave_behind(self) -> None:
        """See Job: to the child, it looks killed. Its greenlet never runs again."""
        self.greenlet = self.resumed = None
        if self._state == _RUNNING:
            self._state = _FINISHED
            self._outcome = (False, ThreadKilled())
        else:
            self._state = _COLLECTED
        if self.handler is not None:
            self.handler.leave()

    def collect(self) -> tuple[Any, ...]:
        """Hand the outcome over, once."""
        self._state = _COLLECTED
        outcome, self._outcome = self._outcome, ()
        return outcome


_hub.calls_users(Thread.run.__code__)


class Handler:
    """What counts as running until all its light threads have ended: the main program, a timer callback.

    Attributes:
        live: how many of its light threads have not ended.
        on_end: called when the last one has.
    """

    __slots__ = ("live", "on_end")

    def __init__(self, on_end: Callable[[], None]) -> None:
        self.live = 0
        self.on_end = on_end

    def leave(self) -> None:
        """One of its light threads has ended."""
        self.live -= 1
        if not self.live:
            self.on_end()


class _Nobody:
    """Stands for a parent that cannot collect results."""

    dead = True
    handler: Handler | None = None


_NO_PARENT: Final = _Nobody()
_GONE: Final = _Nobody()  # holding the real one would make a chain of all ancestors


def spawn(function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Thread:
    """Run ``function(*arguments, **keywords)`` in a light thread of its own, at once.

    The function runs until it returns, raises or first waits; then the caller goes on, after those who were
    ready before it. The light thread starts with a copy of the caller's contextvars. An exception that
    leaves the function ends this light thread only; it is logged, and ``wait()`` returns it.

    Returns:
        The handle for ``wait()``, ``kill()`` and ``status()``.
    Raises:
        TypeError: "lasa.thread.spawn() takes a function, got T"; an async function, or one that hands back what such a
            one returns: nothing of it has run. Where a function does so after it has waited, wait() returns the error.
    Switches: always, into the new light thread. Source: seed, "lasa.thread.spawn".
    """
    if not callable(function):
        check_function(function, "lasa.thread.spawn()")  # which says what is wrong
    if keywords:  # most have none, and need no place for them
        function = partial(function, **keywords)
    thread = Thread(function, arguments, _hub.current_job())
    _hub.run_job(thread)
    if thread._begun:
        raise thread.collect()[1]
    thread._begun = True
    return thread


def make_root(function: Callable[..., Any], arguments: tuple[Any, ...], handler: Handler) -> Thread:
    """Return a light thread without a parent, the first of ``handler``, not yet running.

    For timer callbacks and the main program, which hand it to the hub themselves.
    """
    thread = Thread(function, arguments, _NO_PARENT)
    thread._begun = True
    thread.handler = handler
    return thread


def wait(*threads: Thread) -> tuple[Any, ...]:
    """Wait until the first of ``threads`` ends, and collect its result.

    Returns:
        ``(True, *values)``: a returned tuple spreads into values, anything else is one value; ``(False, error)``: the
        exception that ended it; ``(None, "already waited or killed")``: none has ended uncollected, and the last
        argument has been collected or killed before.
    Raises:
        RuntimeError: the caller is not the parent of each.
        TypeError: no arguments, or one that is not a light thread.
    Switches: unless one of them has ended already. Source: seed, "lasa.thread.wait".
    """
    if not threads:
        raise TypeError("lasa.thread.wait() takes one light thread at least, got none")
    me = _hub.current_job()
    for thread in threads:
        if not isinstance(thread, Thread):
            hint = ": write wait(*threads)" if isinstance(thread, list | tuple) else ""
            raise TypeError(
                f"lasa.thread.wait() takes light threads, as spawn() returns them, got {kind_of(thread)}{hint}"
            )
        if thread._parent is _NO_PARENT:
            raise TypeError(
                "lasa.thread.wait() takes light threads, as spawn() returns them, got one that began by itself"
            )
        if thread._parent is not me:
            raise RuntimeError("lasa.thread.wait(): only the light thread that spawned another can wait for it")
    for thread in threads:
        if thread._state == _FINISHED:
            return thread.collect()
    if threads[-1]._state not in (_RUNNING, _FINISHED):
        return None, _ALREADY_WAITED_OR_KILLED
    sleeper = _hub.getcurrent()
    running = [thread for thread in threads if thread._state in (_RUNNING, _FINISHED)]
    try:
        for thread in running:
            thread._waiter = sleeper
        has_paused = False
        while True:
            for thread in running:  # first: a finalizer or a signal handler may have let others run
                if thread._state != _RUNNING:
                    if not has_paused:
                        _hub.forget(sleeper)  # the end of one has put us into the queue
                    return thread.collect()
            _hub.pause()
            has_paused = True
    finally:
        for thread in running:
            thread._waiter = None


def kill(thread: Thread) -> tuple[int | None, Word | None]:
    """End a light thread: the call it waits in raises ThreadKilled there.

    A socket operation that is cut off closes its socket, a queued one leaves its queue, a semaphore keeps its
    resource. The killed light thread's own children go on as orphans.

    Returns:
        ``(1, None)``; or ``(None, err)``: "killer not parent" (also for killing oneself), "not user thread"
        (the main program, a user coroutine), "already terminated" (it is collected now), "already waited or killed".
    Raises:
        TypeError: not a light thread.
    Switches: into the killed light thread, until it has ended or waits again in a finally clause; nobody else
    runs in between. Source: seed, "lasa.thread.kill".
    """
    if not isinstance(thread, Thread):
        if hasattr(thread, "lasa_coroutine") or isinstance(thread, _hub.greenlet):
            return None, _NOT_USER_THREAD
        raise TypeError(f"lasa.thread.kill() takes a light thread, as spawn() returns it, got {kind_of(thread)}")
    if thread._parent is _NO_PARENT:
        return None, _NOT_USER_THREAD
    if thread._parent is not _hub.current_job():
        return None, _KILLER_NOT_PARENT
    if thread._state == _FINISHED:
        thread.collect()
        return None, _ALREADY_TERMINATED
    if thread._state != _RUNNING:
        return None, _ALREADY_WAITED_OR_KILLED
    thread._state = _KILLED
    _hub.kill_job(thread)
    return 1, None


def throw(thread: Any) -> None:
    """Raise ThreadKilled in a light thread or user coroutine: in the innermost coroutine that it waits for."""
    _hub.kill_greenlet(thread.innermost())


def status(thread: Any) -> Status:
    """Return the status of a light thread or user coroutine.

    Returns:
        "running": it runs, or waits for an event or its turn; "suspended": a user coroutine not yet
        resumed or in yield_(); "normal": it has resumed another that has not come back; "zombie": a light
        thread that ended and whose parent has not collected it; "dead".
    Raises:
        TypeError: neither a light thread nor a user coroutine.
    Switches: never. Source: seed, "lasa.thread".
    """
    word = getattr(thread, "status", None)
    if not isinstance(word, str):
        raise TypeError(f"lasa.thread.status() takes a light thread or a user coroutine, got {kind_of(thread)}")
    return word  # type: ignore[return-value]
