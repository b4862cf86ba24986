"""A kill that was swallowed comes again, at each later wait, until the light thread has ended.

Swallowed means that nobody handles the exception any more: it has been freed, although the light thread has not ended.
While a ``finally``, an ``except`` or an ``__exit__`` runs because of it, it lives, and their waits are left alone.

Nobody pays for this who does not kill: before each poll the hub looks at those who were killed and have not ended,
and there is nothing to look at once they have.
"""

from __future__ import annotations

from typing import Any
from weakref import ref

from lasa._hub.core import TURN_PRIORITY, Scheduler, greenlet, scheduler
from lasa._hub.worker import Job, ThreadKilled, kill_greenlet

__all__ = ["Kills", "forget_kill", "kill_job"]


class Kills:
    """Those of one hub who were killed and have not ended, each with the exception that was thrown last."""

    __slots__ = ("_again", "_before_poll", "_thrown")

    def __init__(self, hub: Scheduler) -> None:
        self._thrown: dict[Job, ref[ThreadKilled]] = {}
        # Behind gevent's own, which runs the callbacks: those may let a killed one go on.
        self._before_poll: Any = hub.loop.prepare(ref=False, priority=TURN_PRIORITY)
        self._again: Any = hub.loop.timer(0.0)

    def note(self, job: Job, error: ThreadKilled) -> None:
        """Look after ``job``, at whom ``error`` is thrown. Never switches."""
        if not self._thrown:
            self._before_poll.start(self._look)
            self._again.start(_nothing)  # in a callback, it comes too late to be asked before this poll
        self._thrown[job] = ref(error)

    def forget(self, job: Job) -> None:
        """Look after ``job`` no longer. Never switches."""
        self._thrown.pop(job, None)
        if not self._thrown:
            self._before_poll.stop()

    def close(self) -> None:
        """Give the watchers back, before the loop is destroyed."""
        for watcher in (self._before_poll, self._again):
            watcher.stop()
            watcher.close()

    def _look(self) -> None:
        for job, error in list(self._thrown.items()):
            if error() is None and job in self._thrown:
                victim = job.innermost()
                if victim is None:  # a child has it of its parent
                    self.forget(job)
                    continue
                self._again.start(_nothing)  # it may swallow this one too, and must not do so in this same turn
                self._throw(job, victim)

    def _throw(self, job: Job, victim: greenlet) -> None:
        error = ThreadKilled()
        self.note(job, error)
        throw = greenlet.throw.__get__(victim)
        del victim  # one reference, as whoever switches has, and the worker can be used again
        throw(error)


def _nothing() -> None:
    """Be called: what counts is that the loop does not wait."""


def kill_job(job: Job) -> None:
    """Raise ThreadKilled where ``job`` waits, as kill_greenlet(), and again where it waits once that is swallowed."""
    hub = scheduler()
    if hub.kills is None:
        hub.kills = Kills(hub)
    error = ThreadKilled()
    hub.kills.note(job, error)
    kill_greenlet(job.innermost(), error, job)  # not by way of a variable, see there
    if job.greenlet is None:  # a finalizer or a signal handler may have let it end before it was noted
        hub.kills.forget(job)


def forget_kill(job: Job) -> None:
    """A killed one has ended."""
    hub = scheduler()
    if hub.kills is not None:
        hub.kills.forget(job)
