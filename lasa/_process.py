"""What belongs to one process, and is forgotten by a child that was forked from it. Knows no hub.

Whatever must not be used by parent and child at once says so here: a module by ``at_fork()``, a kind of object by
``inherited()``. The table in docs/architecture.md lists them all, and a test compares.

A child of ``os.fork()`` forgets at once, by a hook of Python's. Where a hook did not run, since C code has forked,
``look()`` finds out that the process is another one; the pools ask it before they hand out a connection, unless a
page that the kernel wipes in a child says that it is the same one, which costs no system call.
"""

from __future__ import annotations

import gc
import mmap
import os
from collections.abc import Callable
from typing import Any, Final, TypeVar

__all__ = ["IS_SAME", "KINDS", "OWNED", "at_fork", "inherited", "look", "use"]

KindT = TypeVar("KindT", bound=type)

# What a child does: by name, where there is one in a process, and for each object of a type.
OWNED: Final[dict[str, Callable[[], object]]] = {}
KINDS: Final[dict[type, Callable[[Any], object]]] = {}

# The first byte is 1 in the process that has written it, and 0 in a child.
IS_SAME: Final = mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

_MADV_WIPEONFORK: Final = 18

_is_used = False
_pid = os.getpid()


def at_fork(name: str, forget: Callable[[], object]) -> None:
    """Have ``forget`` called in a child; ``name`` is what the child forgets. In the order in which they were added."""
    OWNED[name] = forget


def inherited(kind: KindT, forget: Callable[[Any], object]) -> KindT:
    """Have ``forget(each)`` called in a child, for each object of exactly this type that the parent had.

    Those of one type after another, in the order in which the types were added. Objects are found by way of the
    garbage collector, so that nobody pays who never forks.
    """
    KINDS[kind] = forget
    return kind


def use() -> None:
    """Note that there is something to forget: a hub, or a channel between OS threads."""
    global _is_used
    _is_used = True


def look() -> None:
    """Forget what is the parent's, if this is a child in which no hook has run. Switches: never."""
    if os.getpid() != _pid:
        _become_child()


def _become_child() -> None:
    global _pid
    _pid = os.getpid()
    _mark()
    for forget_all in OWNED.values():
        forget_all()
    if _is_used:
        found = _inherited_objects()
        for kind, forget in KINDS.items():
            for each in found[kind]:
                forget(each)


def _mark() -> None:
    try:
        IS_SAME.madvise(_MADV_WIPEONFORK)
        IS_SAME[0] = 1
    except OSError:
        pass  # a kernel without it: look() is called each time


def _inherited_objects() -> dict[type, list[Any]]:
    found: dict[type, list[Any]] = {kind: [] for kind in KINDS}
    is_frozen = gc.get_freeze_count() > 0
    if is_frozen:
        gc.unfreeze()  # else what was there before gc.freeze(), as servers call it before they fork, is not found
    for each in gc.get_objects():
        objects = found.get(type(each))
        if objects is not None:
            objects.append(each)
    if is_frozen:
        gc.freeze()
    return found


_mark()
os.register_at_fork(after_in_child=_become_child)
