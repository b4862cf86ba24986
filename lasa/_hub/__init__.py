"""Every way into the hub, on one page. Only this folder imports gevent and greenlet.

===================================  ==================================================================
to wait                              by
===================================  ==================================================================
until a descriptor is ready          ``Gate(hub, descriptor, READ or WRITE).wait(timeout_s)``
for one of several descriptors       ``Chorus`` (happy eyeballs)
for a time                           ``sleep_s(delay_s)``
until another light thread wakes us  ``pause()``, ``pause_at_most(timeout_s)``; the other calls ``wake()``
until something has happened         ``Event().wait(timeout_s)``; another calls its ``set()``
behind those who wait for the same   ``WaitQueue().wait(timeout_s)``, ``post()``, ``offer(gift)``; ``Turn().take()``
until another OS thread wakes us     ``WakeUpCall().wait(timeout_s)``; the other calls its ``ring()``; ``WakeUpCalls``
for our turn                         ``give_way()``, ``step_aside()``; ``breathe()`` when the slice is spent
for a name's addresses               ``resolve(name, timeout_s)``
for what others may have asked for   ``Errands(run).ask(what, timeout_s)``
===================================  ==================================================================

What time it is: ``clock.monotonic_s()``, ``clock.system_s()``; what is left of a time: ``Deadline(timeout_s)``.
For tests, ``virtual.virtual_clock()`` replaces the clock of a hub.

To run something else: ``run_job(job)`` (a light thread), ``CoroutineGreenlet`` (a user coroutine), ``call_soon(f)``
and ``Alarm`` (a function, from the hub), ``doorbell().call(f)`` (the same for another OS thread's hub),
``kill_job(job)``, ``kill_greenlet(victim)``, ``hand_to_main(error)``. OS threads: ``start_os_thread(f, name)``,
``OsPool(name, limit, make_tool).run(f)``, ``interrupt_os_thread(id, error)``, ``OsLock``, ``os_poll()``,
``wrong_os_thread(what)``, ``require_descriptors()`` before one starts with a hub, and ``end_hub()`` before one ends.
Once per process: ``patch_all()``, ``claim_main_thread()``, ``overhear_signals(numbers, heard)``, ``notice_signals()``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gevent._hub_local import get_hub_if_exists
from gevent.exceptions import LoopExit
from greenlet import GreenletExit

from lasa._hub import clock
from lasa._hub.clock import Alarm, Deadline, monotonictime, now, pause_at_most, sleep, sleep_s, update_time
from lasa._hub.core import (
    CALL_COST,
    Scheduler,
    getcurrent,
    greenlet,
    is_current,
    leave_behind,
    require_descriptors,
    scheduler,
)
from lasa._hub.doorbell import Doorbell, WakeUpCall, WakeUpCalls, breathe, doorbell
from lasa._hub.ending import end_hub
from lasa._hub.errand import Errands
from lasa._hub.gate import READ, WRITE, Chorus, Gate
from lasa._hub.halfway import calls_users
from lasa._hub.kills import forget_kill, kill_job
from lasa._hub.os_pool import NoOsThread, OsPool
from lasa._hub.os_thread import (
    OsLock,
    OsRLock,
    home_id,
    interrupt_os_thread,
    os_poll,
    os_thread_id,
    start_os_thread,
    wrong_os_thread,
)
from lasa._hub.process import claim_main_thread, notice_signals, overhear_signals, patch_all
from lasa._hub.queue import FOREVER_S, Event, Turn, WaitQueue
from lasa._hub.resolve import ResolveError, resolve
from lasa._hub.worker import (
    CoroutineGreenlet,
    Job,
    ThreadKilled,
    Worker,
    current_job,
    hand_to_main,
    interrupt,
    kill_greenlet,
    leave_coroutine,
    live_jobs,
    make_orphan,
    note_coroutine,
    run_job,
)

__all__ = [
    "CALL_COST",
    "FOREVER_S",
    "READ",
    "WRITE",
    "Alarm",
    "Chorus",
    "CoroutineGreenlet",
    "Deadline",
    "Doorbell",
    "Errands",
    "Event",
    "Gate",
    "GreenletExit",
    "Job",
    "LoopExit",
    "NoOsThread",
    "OsLock",
    "OsPool",
    "OsRLock",
    "ResolveError",
    "Scheduler",
    "ThreadKilled",
    "Turn",
    "WaitQueue",
    "WakeUpCall",
    "WakeUpCalls",
    "Worker",
    "breathe",
    "call_soon",
    "calls_users",
    "claim_main_thread",
    "clock",
    "current_job",
    "doorbell",
    "end_hub",
    "forget",
    "forget_kill",
    "get_hub_if_exists",
    "getcurrent",
    "give_way",
    "greenlet",
    "hand_to_main",
    "has_hub",
    "in_hub",
    "interrupt",
    "interrupt_os_thread",
    "is_current",
    "kill_greenlet",
    "kill_job",
    "leave_behind",
    "leave_coroutine",
    "live_jobs",
    "make_orphan",
    "note_coroutine",
    "monotonictime",
    "now",
    "os_poll",
    "os_thread_id",
    "home_id",
    "notice_signals",
    "overhear_signals",
    "patch_all",
    "pause",
    "pause_at_most",
    "require_descriptors",
    "resolve",
    "run_job",
    "scheduler",
    "sleep",
    "sleep_s",
    "start_os_thread",
    "step_aside",
    "update_time",
    "wake",
    "wrong_os_thread",
]


def pause() -> Any:
    """Stop running until ``wake()``; see Scheduler.pause."""
    return scheduler().pause()


def wake(sleeper: greenlet) -> None:
    """Let a paused light thread of this hub go on; see Scheduler.wake."""
    scheduler().wake(sleeper)


def forget(sleeper: greenlet) -> None:
    """Take a light thread of this hub out of the run queue; see Scheduler.forget."""
    scheduler().forget(sleeper)


def has_hub() -> bool:
    """Whether the calling OS thread has a hub, be it gevent's own doing; makes none."""
    return get_hub_if_exists() is not None


def in_hub() -> bool:
    """Whether the hub itself runs, or what runs light threads for it, and no code of a user."""
    return getcurrent() in scheduler().inner


def call_soon(function: Callable[[], object]) -> None:
    """Call ``function`` from the hub after whoever is ready; it must not block. Safe in signal handlers."""
    scheduler().loop.run_callback(function)


def give_way() -> None:
    """Let those go on who gave way before; see Scheduler.give_way."""
    scheduler().give_way()


def step_aside() -> None:
    """Go to the end of the run queue for one turn of the loop; see Scheduler.step_aside."""
    scheduler().step_aside()
