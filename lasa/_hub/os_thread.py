"""OS threads and their locks: those of the system, also after gevent.monkey.patch_all()."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from gevent import monkey

__all__ = [
    "OsLock",
    "OsRLock",
    "home_id",
    "interrupt_os_thread",
    "os_poll",
    "os_thread_id",
    "start_os_thread",
    "wrong_os_thread",
]

# After patching, those of the module are greenlets and their locks.
OsLock: Any = monkey.get_original("_thread", "allocate_lock")
OsRLock: Any = monkey.get_original("_thread", "RLock")
os_thread_id: Callable[[], int] = monkey.get_original("_thread", "get_ident")
os_poll: Any = monkey.get_original("select", "poll")  # an object that looks at descriptors at once
_homes: dict[int, int] = {}
_start: Any = monkey.get_original("_thread", "start_new_thread")


def home_id() -> int:
    """As os_thread_id(), for many objects to keep: the same int each time, since its 32 bytes would be in each."""
    ident = os_thread_id()
    return _homes.setdefault(ident, ident)


def wrong_os_thread(what: str) -> RuntimeError:
    """Return the error for the use of what belongs to another OS thread, and may be in use there right now."""
    return RuntimeError(f"{what} belongs to the OS thread that made it; hand values over to it by a lasa.channel()")


def start_os_thread(function: Callable[[], object], name: str) -> None:
    """Call ``function`` in an OS thread of its own, for whose end Python does not wait at exit.

    Raises:
        RuntimeError: the system has no more threads, or the interpreter is shutting down.
    """
    _start(_begin, (function, name))


def _begin(function: Callable[[], object], name: str) -> None:
    thread = threading.current_thread()
    thread.name = name  # what log records and debuggers say
    try:
        function()
    finally:
        # Python, or gevent in its place, may never forget a thread that threading has not started.
        getattr(threading, "_active", {}).pop(thread.ident, None)


def interrupt_os_thread(ident: int, kind: type[BaseException]) -> None:
    """Raise ``kind`` in whatever Python code an OS thread runs, or runs next. For one that never yields."""
    from ctypes import c_ulong, py_object, pythonapi  # seldom needed

    pythonapi.PyThreadState_SetAsyncExc(c_ulong(ident), py_object(kind))
