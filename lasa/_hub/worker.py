"""Greenlets that run one light thread after another, since a parked greenlet costs a tenth of a new one.

A worker is a gevent greenlet, so gevent's own tools see it, and for as long as a light thread runs,
the worker is its greenlet and nobody else's. Afterwards it is used again only if nobody can tell:
a reference, a link, a weak reference or an attribute that somebody left on it (gevent.local, a
pending gevent.Timeout or kill, a stored getcurrent()) makes the worker end like any greenlet, which
is what those owners expect of it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextvars import Context, copy_context
from sys import getrefcount
from typing import Any, Protocol
from weakref import getweakrefcount

import gevent
from greenlet import GreenletExit

from lasa._hub.core import Scheduler, getcurrent, greenlet, scheduler

__all__ = [
    "CoroutineGreenlet",
    "Job",
    "ThreadKilled",
    "Worker",
    "current_job",
    "hand_to_main",
    "kill_greenlet",
    "live_jobs",
    "make_orphan",
    "run_job",
]

PARKED_AT_MOST = 256  # about 4 kB each


Greenlet = greenlet  # for annotations in classes that have an attribute of that name


class ThreadKilled(GreenletExit):
    """Raised where a killed light thread waits; also a GreenletExit, as after gevent.kill."""


class Job(Protocol):
    """What a worker runs: a light thread's handle."""

    greenlet: Greenlet | None

    def run(self) -> Greenlet | None:
        """Run to the end, raise nothing, and name the greenlet that goes on at once, if there is one."""


class Worker(gevent.Greenlet):  # type: ignore[type-arg]
    """A greenlet for one job at a time; ``lasa_job`` is that of now, None while parked."""

    __slots__ = ("hub", "lasa_job")

    clean_references = 0  # how many references a worker has that nobody but lasa knows; measured below

    def __init__(self, hub: Scheduler, job: Job) -> None:
        gevent.Greenlet.__init__(self)
        self.hub = hub
        self.lasa_job: Job | None = job

    def _run(self) -> None:
        hub = self.hub
        ready, parked = hub.ready, hub.parked
        while (job := self.lasa_job) is not None:
            successor = job.run()
            job.greenlet = self.lasa_job = None
            del job
            # Held by the queue alone: a successor in a variable of ours would look as if somebody knew it.
            if successor is not None:
                ready.appendleft(successor)
                successor = None
            if not self._is_clean() or len(parked) >= PARKED_AT_MOST:
                hub.drain_soon()
                if not hub.gevent_hub:  # a greenlet ends into its hub, which must have been started
                    hub.step_aside()
                return
            self.spawn_tree_locals = None
            self.gr_context = None
            parked.append(self)
            try:
                hub.block()
            except BaseException:  # a tool killed every greenlet that it found
                if self in parked:
                    parked.remove(self)
                raise

    def _is_clean(self) -> bool:
        references = getrefcount(self)
        if not Worker.clean_references:
            Worker.clean_references = references  # the first job of all is _Nothing
        return not (references > Worker.clean_references or self.has_links() or getweakrefcount(self) or self.__dict__)


class _Nothing:
    """A job that does nothing, so that the worker's references at its end are those of lasa alone."""

    greenlet: Greenlet | None = None

    def run(self) -> None:
        """Do nothing."""


def start_job(hub: Scheduler, job: Job, context: Context) -> greenlet:
    """Give ``job`` a greenlet that runs in ``context``; the caller switches to it.

    The caller must not keep the result in a variable while it switches (see the module's text).
    """
    if hub.parked:
        worker: Worker = hub.parked.pop()
        worker.lasa_job = job
    else:
        worker = Worker(hub, job)
    worker.gr_context = context
    job.greenlet = worker
    return worker


def run_job(job: Job, context: Context | None = None) -> None:
    """Run ``job`` at once, in a copy of the caller's contextvars; come back after those who were ready before."""
    hub = scheduler()
    if not Worker.clean_references:
        _measure(hub)
    me = getcurrent()
    if me is not hub.gevent_hub:
        hub.wake(me)
    try:
        start_job(hub, job, copy_context() if context is None else context).switch()
    except BaseException:
        hub.forget(me)
        raise


def kill_greenlet(victim: greenlet) -> None:
    """Raise ThreadKilled in ``victim``; come back, before anybody else, when it ends or waits again."""
    hub = scheduler()
    me = getcurrent()
    hub.wake_first(me)
    try:
        victim.throw(ThreadKilled)
    finally:  # a user coroutine that ends comes straight back to whoever resumed it
        hub.forget(me)


def make_orphan(survivor: greenlet) -> None:
    """Let a killed user coroutine that waits once more, in a finally clause, end into the hub."""
    if not survivor.dead:
        survivor.parent = scheduler().gevent_hub


def _measure(hub: Scheduler) -> None:
    hub.wake_first(getcurrent())
    start_job(hub, _Nothing(), copy_context()).switch()


class CoroutineGreenlet(greenlet):
    """The greenlet of one user coroutine; ``lasa_job`` is that coroutine."""

    __slots__ = ("lasa_job",)

    def __init__(self, job: Any, run: Callable[..., Any]) -> None:
        greenlet.__init__(self, run)
        self.gr_context = copy_context()
        self.lasa_job = job


def current_job() -> Any:
    """Return the handle of the light thread or user coroutine that runs, or a foreign greenlet itself."""
    me = getcurrent()
    return getattr(me, "lasa_job", None) or me


def hand_to_main(error: BaseException) -> None:
    """Raise KeyboardInterrupt or SystemExit in the main greenlet soon, as gevent does. Never switches."""
    hub = scheduler()
    hub.loop.run_callback(hub.gevent_hub.handle_system_error, type(error), error)


def live_jobs() -> list[Job]:
    """Return the jobs of this OS thread that have not ended.

    Asks the garbage collector, so that no light thread pays for being found at the end of a program.
    """
    hub = scheduler()
    workers = [found for found in gc.get_objects() if type(found) is Worker and found.hub is hub]
    return [worker.lasa_job for worker in workers if worker.lasa_job is not None and not worker.dead]
