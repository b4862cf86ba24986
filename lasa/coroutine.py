"""User coroutines (OpenResty: coroutine.*): generators whose body may call anything, deeply.

A call that waits inside a coroutine suspends the whole chain up to the light thread: ``resume()`` comes
back only at a ``yield_()``, a return or an error, never because of a socket.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lasa import _hub
from lasa._functions import check_function
from lasa._values import kind_of
from lasa.errors import Error, Word
from lasa.thread import Handler, Status, Thread, status, throw

__all__ = ["Coroutine", "create", "resume", "running", "status", "wrap", "yield_"]


class Coroutine:
    """The handle of a user coroutine; ``create()`` makes it."""

    __slots__ = ("__weakref__", "greenlet", "handler", "is_killed", "is_resumed", "resumed")

    lasa_coroutine = True

    def __init__(self, function: Callable[..., Any]) -> None:
        creator = _hub.current_job()
        self.greenlet = _hub.CoroutineGreenlet(function)
        self.handler: Handler | None = None if isinstance(creator, _hub.greenlet) else creator.handler
        self.is_killed = False
        self.is_resumed = False
        self.resumed: Coroutine | None = None

    def __repr__(self) -> str:
        return f"<user coroutine {self.status} at {id(self):#x}>"

    def innermost(self) -> _hub.greenlet:
        """Return the greenlet of the innermost coroutine that this one waits for, or its own."""
        return self.greenlet if self.resumed is None else self.resumed.innermost()

    @property
    def status(self) -> Status:
        """As ``lasa.coroutine.status(self)``."""
        if self.is_killed or self.greenlet.dead:
            return "dead"
        if not self.is_resumed:
            return "suspended"
        return "running" if self.resumed is None else "normal"

    @property
    def dead(self) -> bool:
        """Whether the function has ended; a killed one may still wait in a finally clause."""
        return bool(self.greenlet.dead)


def create(function: Callable[..., Any]) -> Coroutine:
    """Return a suspended coroutine that will run ``function``; it has a copy of the caller's contextvars.

    Raises:
        TypeError: "function expected".
    Switches: never. Source: OpenResty, "coroutine.create".
    """
    check_function(function, "lasa.coroutine.create()")
    return Coroutine(function)


def resume(coroutine: Coroutine, *arguments: Any) -> tuple[Any, ...]:
    """Run ``coroutine`` until it yields, returns or raises.

    The first resume passes ``arguments`` to the function, a later one returns them from ``yield_()``.

    Returns:
        ``(True, *values)`` yielded or returned (a returned tuple spreads), or ``(False, error)``: the exception that
        left it, or the text "cannot resume S coroutine" with S its status (also for a light thread).
    Raises:
        TypeError: neither a coroutine nor a light thread. RuntimeError: another OS thread made it.
            What is no Exception (a kill, gevent.Timeout, SystemExit) passes through; if it came from outside, the
            coroutine is killed.
    Switches: into the coroutine, which may wait. Source: OpenResty, "coroutine.resume".
    """
    if not isinstance(coroutine, Coroutine):
        if isinstance(coroutine, Thread):
            return False, Word.of(Error(f"cannot resume {status(coroutine)} coroutine"))
        raise TypeError(
            f"lasa.coroutine.resume() takes a user coroutine, as create() returns it, got {kind_of(coroutine)}"
        )
    if coroutine.is_resumed or coroutine.is_killed or coroutine.greenlet.dead:
        return False, Word.of(Error(f"cannot resume {coroutine.status} coroutine"))
    return _switch_into(coroutine, arguments)


def _switch_into(coroutine: Coroutine, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    me = _hub.current_job()
    target = coroutine.greenlet
    resumer = _hub.getcurrent()
    try:
        if not target and not target.is_at_home():  # not started yet
            raise ValueError
        target.parent = resumer
    except ValueError:
        raise _hub.wrong_os_thread("a coroutine") from None
    target.lasa_job = coroutine
    coroutine.is_resumed = True
    if isinstance(me, Thread | Coroutine):
        me.resumed = coroutine
    try:
        values = target.switch(*arguments)
    except BaseException as error:
        if not target.dead:  # thrown at us, not out of the coroutine, which waits for something: end it too
            coroutine.is_killed = True
            throw(coroutine)
            _hub.make_orphan(target)
        if isinstance(error, Exception):
            return False, error
        raise
    finally:
        coroutine.is_resumed = False
        if isinstance(me, Thread | Coroutine):
            me.resumed = None
        if not coroutine.is_killed:
            target.lasa_job = None
        if target.dead:
            _hub.note_coroutine(resumer)
    if isinstance(values, _hub.GreenletExit) and target.dead:  # greenlet hands it on as a value
        try:
            raise values
        finally:
            del values  # else its traceback would hold it, and nobody could tell when it is handled
    return (True, *values) if type(values) is tuple else (True, values)


def yield_(*values: Any) -> Any:
    """Hand ``values`` to whoever resumed the coroutine, and wait for the next resume.

    In a light thread or the main program there is nobody to hand them to: it lets those go on who
    gave way before, and once its slice of some 10 ms is spent everybody who could run, and returns None.

    Returns:
        The arguments of the next ``resume()``: none give None, one gives itself, more give a tuple.
    Switches: always. Source: OpenResty, "coroutine.yield".
    """
    if not isinstance(_hub.getcurrent(), _hub.CoroutineGreenlet):
        _hub.give_way()
        return None
    arguments = _hub.leave_coroutine(values)
    return None if arguments == () else arguments


def running() -> Thread | Coroutine | None:
    """Return the handle of the light thread or user coroutine that runs; None outside of both.

    Switches: never. Source: OpenResty, "coroutine.running".
    """
    me = _hub.current_job()
    return me if isinstance(me, Thread | Coroutine) else None


def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that resumes a new coroutine at each call.

    The function returns what was yielded or returned: nothing gives None, one value itself, more a tuple.
    It raises what the coroutine raised; RuntimeError "cannot resume dead coroutine" once it is over.

    Raises:
        TypeError: "function expected".
    Switches: as resume(). Source: OpenResty, "coroutine.wrap".
    """
    coroutine = create(function)

    def resume_or_raise(*arguments: Any) -> Any:
        ok, *values = resume(coroutine, *arguments)
        if ok:
            return values[0] if len(values) == 1 else (tuple(values) or None)
        if isinstance(values[0], BaseException):
            raise values[0]
        raise RuntimeError(values[0])

    return resume_or_raise
