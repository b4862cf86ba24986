"""The process, for Lua: who it is, where it was started, and whether it is about to end."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lasa.timer import calendar

if TYPE_CHECKING:
    from lasa.lua.runtime import Runtime

__all__ = ["natives"]


def natives(runtime: Runtime) -> dict[str, Callable[..., Any]]:
    """Return pid, is_exiting, prefix, and what tells the workers apart; each takes nothing.

    They return one value, worker_pids one for each worker.
    """
    folder = _folder()  # of the start: what a script calls "prefix" does not move with chdir()
    return {
        "pid": os.getpid,
        "is_exiting": _is_exiting,
        "prefix": lambda: os.fsencode(folder),
        "worker_pids": lambda: _pids_of_workers() if runtime.worker.is_forked else (os.getpid(),),
        "worker_number": lambda: runtime.worker.number,
        "worker_count": lambda: runtime.worker.count,
        "is_worker": lambda: runtime.worker.is_forked,
        "master_pid": lambda: os.getppid() if runtime.worker.is_forked else os.getpid(),
    }


def _pids_of_workers() -> tuple[int, ...]:
    """The master's children; this process alone where the system does not tell."""
    master = os.getppid()
    try:
        with open(f"/proc/{master}/task/{master}/children") as children:
            return tuple(map(int, children.read().split())) or (os.getpid(),)
    except OSError:
        return (os.getpid(),)


def _folder() -> str:
    try:
        return os.path.join(os.getcwd(), "")
    except FileNotFoundError:  # somebody has removed it, which is no reason not to start
        return os.sep


def _is_exiting() -> bool:
    """Whether this OS thread's program ends: its timers have fired prematurely."""
    return calendar().is_ending
