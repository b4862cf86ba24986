"""Every way into the hub, on one page. Only this folder imports gevent and greenlet.

===================================  ==================================================================
to wait                              by
===================================  ==================================================================
until a descriptor is ready          ``Gate(hub, descriptor, READ or WRITE).wait(timeout_s)``
for one of several descriptors       ``Chorus`` (happy eyeballs)
for a time                           ``sleep_s(delay_s)``
until another light thread wakes us  ``pause()``, ``pause_at_most(timeout_s)``; the other calls ``wake()``
for our turn                         ``step_aside()``
for a name's addresses               ``resolve(name, timeout_s)``
===================================  ==================================================================

To run something else: ``run_job(job)`` (a light thread), ``CoroutineGreenlet`` (a user coroutine),
``Alarm`` (a function, from the hub), ``kill_greenlet(victim)``.
"""

from __future__ import annotations

from typing import Any

from greenlet import GreenletExit

from lasa._hub.clock import Alarm, monotonictime, now, pause_at_most, sleep, sleep_s, update_time
from lasa._hub.core import Scheduler, getcurrent, greenlet, is_current, scheduler
from lasa._hub.gate import CLOSED, READ, READY, TIMEOUT, WRITE, Chorus, Gate
from lasa._hub.resolve import ResolveError, resolve
from lasa._hub.worker import (
    CoroutineGreenlet,
    Job,
    ThreadKilled,
    Worker,
    current_job,
    hand_to_main,
    kill_greenlet,
    make_orphan,
    run_job,
)

__all__ = [
    "CLOSED",
    "READ",
    "READY",
    "TIMEOUT",
    "WRITE",
    "Alarm",
    "Chorus",
    "CoroutineGreenlet",
    "Gate",
    "GreenletExit",
    "Job",
    "ResolveError",
    "Scheduler",
    "ThreadKilled",
    "Worker",
    "current_job",
    "getcurrent",
    "greenlet",
    "hand_to_main",
    "is_current",
    "kill_greenlet",
    "make_orphan",
    "monotonictime",
    "now",
    "pause",
    "pause_at_most",
    "resolve",
    "run_job",
    "scheduler",
    "sleep",
    "sleep_s",
    "step_aside",
    "update_time",
    "wake",
]


def pause() -> Any:
    """Stop running until ``wake()``; see Scheduler.pause."""
    return scheduler().pause()


def wake(sleeper: greenlet) -> None:
    """Let a paused light thread of this hub go on; see Scheduler.wake."""
    scheduler().wake(sleeper)


def step_aside() -> None:
    """Go to the end of the run queue; see Scheduler.step_aside."""
    scheduler().step_aside()
