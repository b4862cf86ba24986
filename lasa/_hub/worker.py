"""Greenlets that run one light thread after another, since a parked greenlet costs a tenth of a new one.

A worker is a gevent greenlet, so gevent's own tools see it, and for as long as a light thread runs,
the worker is its greenlet and nobody else's. Afterwards it is used again only if nobody can tell:
a reference, a link, a weak reference or an attribute that somebody left on it (gevent.local, a
pending gevent.Timeout or kill, a stored getcurrent()) makes the worker end like any greenlet, which
is what those owners expect of it.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from contextvars import Context, copy_context
from sys import getrefcount
from time import monotonic
from typing import Any, Protocol
from weakref import getweakrefcount

import gevent
from gevent._hub_local import get_hub_if_exists
from greenlet import GreenletExit

from lasa._hub.core import Scheduler, getcurrent, greenlet, scheduler
from lasa._hub.halfway import calls_users

__all__ = [
    "CoroutineGreenlet",
    "Job",
    "ThreadKilled",
    "Worker",
    "current_job",
    "note_coroutine",
    "hand_to_main",
    "interrupt",
    "kill_greenlet",
    "leave_coroutine",
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

    def innermost(self) -> Any:
        """Return the greenlet that waits or runs for it: that of the innermost user coroutine, or its own."""

    def break_off(self, error: BaseException) -> None:
        """End it where run() has raised all the same, and wake whoever waits."""

    def leave_behind(self) -> None:
        """It goes on in the parent process alone; called in a child."""


class Worker(gevent.Greenlet):  # type: ignore[type-arg]
    """A greenlet for one job at a time; ``lasa_job`` is that of now, None while parked."""

    __slots__ = ("hub", "lasa_job", "ran_coroutine")

    spawning_stack_limit = 0  # it would be the nursery's stack
    clean_references = 0  # how many references a worker has that nobody but lasa knows; measured below

    def __init__(self, hub: Scheduler) -> None:
        gevent.Greenlet.__init__(self)
        self.hub = hub
        self.lasa_job: Job | None = None
        self.ran_coroutine = False

    def _run(self) -> None:
        hub = self.hub
        gave_way, parked = hub.gave_way, hub.parked
        while True:
            self.spawn_tree_locals = None
            self.gr_context = None
            try:
                parked.append(self)
                hub.dispatch()
            except BaseException as error:
                if self.lasa_job is not None:
                    self._break_off(error)
                raise
            finally:
                if self.lasa_job is None and self in parked:  # a tool killed every greenlet that it found
                    parked.remove(self)
            job = self.lasa_job
            if job is None:
                return
            try:
                successor = job.run()
            except BaseException as error:  # of a signal handler, or a kill while the failure was logged
                self._break_off(error)
                raise
            job.greenlet = self.lasa_job = None
            del job
            # Held by the queue alone: a successor in a variable of ours would look as if somebody knew it.
            if successor is not None:
                gave_way.appendleft(successor)
                successor = None
            if not self._is_clean() or len(parked) >= PARKED_AT_MOST:
                break
        # A greenlet ends into its hub, which may have other things to do: let those go first whose turn it is.
        hub.wake(self)
        hub.dispatch()
        if not hub.gevent_hub:  # nor can it end into a hub that was never started
            hub.step_aside()

    def _break_off(self, error: BaseException) -> None:
        job, self.lasa_job = self.lasa_job, None
        assert job is not None
        job.greenlet = None
        job.break_off(error)

    def _is_clean(self) -> bool:
        references = getrefcount(self)
        if not Worker.clean_references:
            Worker.clean_references = references  # the first job of all is _Nothing
        return not (
            references > Worker.clean_references
            or self.ran_coroutine
            or self.has_links()
            or getweakrefcount(self)
            or self.__dict__
        )

    def _maybe_kill_before_start(self, exception: Any) -> bool:
        """Called by gevent's kill() and killall(), before the exception comes: a parked one gets no more jobs."""
        if self.lasa_job is None and self in self.hub.parked:
            self.hub.parked.remove(self)
        killed: bool = super()._maybe_kill_before_start(exception)  # type: ignore[misc]
        return killed


calls_users(Worker._run.__code__)


class _Nothing:
    """A job that does nothing, so that the worker's references at its end are those of lasa alone."""

    greenlet: Greenlet | None = None

    def run(self) -> None:
        """Do nothing."""

    def innermost(self) -> None:
        """Return nobody: it never waits."""

    def break_off(self, error: BaseException) -> None:
        """Do nothing."""

    def leave_behind(self) -> None:
        """Do nothing."""


def start_job(hub: Scheduler, job: Job, context: Context) -> greenlet:
    """Return a parked worker that will run ``job`` in ``context``; the caller switches to it.

    The caller must not keep the result in a variable while it switches (see the module's text).
    """
    while True:  # a signal handler or a finalizer that spawns may take the one that was just made
        try:
            worker: Worker = hub.parked.pop()
            break
        except IndexError:
            _make_worker(hub)
    worker.lasa_job = job
    worker.gr_context = context
    job.greenlet = worker
    return worker


def _make_worker(hub: Scheduler) -> None:
    """Have the nursery park a new worker."""
    if hub.nursery is None or hub.nursery.dead:  # of what a signal handler has raised in it
        _open_nursery(hub)
        return
    me = getcurrent()
    try:
        hub.gave_way.appendleft(me)  # where the new worker goes as soon as it is parked
        hub.nursery.switch(hub)
    except BaseException:
        hub.forget(me)
        raise


def _open_nursery(hub: Scheduler) -> None:
    """Start the nursery from the hub, whose stack is shallow: all workers ever will start at that depth."""
    hub.nursery = greenlet(_nurse, hub.gevent_hub)
    hub.note_inner()
    if getcurrent() is hub.gevent_hub:
        _make_worker(hub)
    else:
        hub.loop.run_callback(_start_nursery, hub, getcurrent())
        hub.switch()  # to come back by way of the queue


def _start_nursery(hub: Scheduler, spawner: greenlet) -> None:
    hub.gave_way.appendleft(spawner)
    hub.nursery.switch(hub)  # type: ignore[union-attr]


def _nurse(hub: Scheduler) -> None:
    """Start every worker of a hub.

    A greenlet starts on top of the stack, and at the recursion depth, of whoever switches to it first: light
    threads that spawn each other without end would exhaust both if each started the next one's worker.
    """
    while True:
        hub.gave_way.appendleft(getcurrent())  # comes back once the worker is parked, and holds no reference then
        Worker(hub).switch()
        hub.dispatch()


def run_job(job: Job, context: Context | None = None) -> None:
    """Run ``job`` at once, in a copy of the caller's contextvars; come back after those who gave way before.

    A loop that spawns must not keep all others from their events: it steps aside before the next child, and never
    between a child's first wait and its parent.
    """
    hub = scheduler()
    me = getcurrent()
    if me in hub.inner and me is not hub.gevent_hub:  # a finalizer or a signal handler that found us at work
        hub.loop.run_callback(run_job, job, copy_context() if context is None else context)
        return
    if hub.nursery is None:
        _open_nursery(hub)
    if not Worker.clean_references:
        _measure(hub)
    try:
        if me is not hub.gevent_hub:
            is_due = hub.is_turning or (monotonic() >= hub.slice_ends and hub.is_order_over())
            if is_due and hub.may_step_aside():
                hub.step_aside()
            hub.gave_way.append(me)
            hub.drain_soon()
        start_job(hub, job, copy_context() if context is None else context).switch()
    except BaseException:
        hub.forget(me)
        raise


def note_coroutine(resumer: greenlet) -> None:
    """Note that a user coroutine has ended into ``resumer``: its worker is not used again.

    A greenlet that ends holds no reference to where it goes, as whoever switches does, so the count says
    nothing about that worker any more.
    """
    if type(resumer) is Worker:
        resumer.ran_coroutine = True


def kill_greenlet(
    victim: greenlet | None, error: ThreadKilled | type[ThreadKilled] = ThreadKilled, job: Job | None = None
) -> None:
    """Raise ``error`` in ``victim``; come back, before anybody else, when it ends or waits again.

    Not if it has run ``job`` and that has ended: a finalizer or a signal handler may let others run in between.
    """
    if victim is None:
        return
    hub = scheduler()
    me = getcurrent()
    throw = greenlet.throw.__get__(victim)
    del victim  # one reference, as whoever switches has, and the worker can be used again
    try:
        hub.gave_way.appendleft(me)
        hub.drain_soon()
        if job is None or job.greenlet is not None:  # no call stands between this and the next line
            throw(error)
    finally:  # a user coroutine that ends comes straight back to whoever resumed it
        hub.forget(me)


def interrupt(victim: greenlet, kind: type[BaseException]) -> None:
    """Raise ``kind`` in ``victim``, which waits; to be called by the hub."""
    throw = greenlet.throw.__get__(victim)
    del victim  # as kill_greenlet()
    throw(kind)


def make_orphan(survivor: greenlet) -> None:
    """Let a killed user coroutine that waits once more, in a finally clause, end into the hub."""
    if not survivor.dead:
        survivor.parent = scheduler().gevent_hub


def _measure(hub: Scheduler) -> None:
    tracer, profiler = sys.gettrace(), sys.getprofile()
    sys.settrace(None)  # a debugger or profiler holds references of its own
    sys.setprofile(None)
    try:
        hub.gave_way.appendleft(getcurrent())
        start_job(hub, _Nothing(), copy_context()).switch()
    finally:
        sys.settrace(tracer)
        sys.setprofile(profiler)


class CoroutineGreenlet(greenlet):
    """The greenlet of one user coroutine; ``lasa_job`` is that coroutine while it is resumed.

    Not longer: a greenlet that has started is no matter for the cycle collector, so a coroutine that somebody
    drops in the middle must not be held by its own greenlet. Nor may a greenlet hold itself from its own frames.
    """

    __slots__ = ("home", "lasa_job")

    def __init__(self, run: Callable[..., Any]) -> None:
        greenlet.__init__(self, run)
        self.gr_context = copy_context()
        self.home = scheduler().gevent_hub
        self.lasa_job: Any = None

    def is_at_home(self) -> bool:
        """Whether this is the OS thread that has made it."""
        return get_hub_if_exists() is self.home


def leave_coroutine(values: tuple[Any, ...]) -> Any:
    """Switch from a user coroutine to whoever resumed it, with ``values``; return what the next resume passes.

    Until then its parent is the hub: an exception that comes meanwhile (a gevent.Timeout that the coroutine
    started) must not hit a light thread that waits for something else by now.
    """
    me = getcurrent()
    assert isinstance(me, CoroutineGreenlet)
    resumer = [me.parent]
    me.parent = me.home
    del me
    return resumer.pop().switch(values)  # type: ignore[union-attr]


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
    found = [each for each in gc.get_objects() if type(each) is Worker]
    workers = [each for each in found if getattr(each, "hub", None) is hub]  # another OS thread's may be half made
    return [worker.lasa_job for worker in workers if worker.lasa_job is not None and not worker.dead]
