"""Run a function that blocks or computes in another OS thread (beyond the seed; as asyncio.to_thread).

The OS threads are a pool of their own, one for the whole process, so that calls which take long keep no look-up of a
name waiting: those run in gevent's pool.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from contextvars import copy_context
from typing import ParamSpec, TypeVar

from lasa import _hub
from lasa._functions import check_function, checked_result
from lasa._values import at_least

__all__ = ["set_thread_limit", "to_thread"]

P = ParamSpec("P")
ValueT = TypeVar("ValueT")


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_pool: _hub.OsPool[None] = _hub.OsPool("lasa.to_thread", min(32, _processors() + 4), nullcontext)


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
    value = _pool.run(lambda _: context.run(function, *arguments, **keywords))
    checked: ValueT = checked_result(value, function, "lasa.to_thread()")
    return checked


def set_thread_limit(count: int) -> None:
    """Change how many functions of to_thread() may run at a time in this process.

    Raises:
        ValueError: "positive number required". TypeError: not a number.
    Switches: never.
    """
    _pool.set_limit(at_least(1, count, "lasa.set_thread_limit()"))
