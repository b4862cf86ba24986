"""Wake whoever waits from another OS thread.

Nobody but its own OS thread may touch a loop, with one exception: the async watcher. Each hub that is waited in for
other OS threads has one, its doorbell; however many calls come before it is answered, it is rung once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from gevent._hub_local import get_hub_if_exists

from lasa._hub.asyncio_loop import ASYNCIO, MODULES, refuse_in_asyncio
from lasa._hub.clock import pause_at_most
from lasa._hub.core import CALL_COST, Scheduler, getcurrent, greenlet, is_current, scheduler
from lasa._hub.os_thread import OsLock

__all__ = ["Doorbell", "WakeUpCall", "WakeUpCalls", "breathe", "doorbell"]

FOREVER: Final = -1  # of a lock of the system's


class Doorbell:
    """Has a hub call functions, whichever OS thread asks for it; ``doorbell()`` returns it."""

    __slots__ = ("_calls", "_is_rung", "_waits", "_watcher")

    def __init__(self, hub: Scheduler) -> None:
        self._calls: deque[Callable[[], object]] = deque()
        self._is_rung = False
        self._waits = 0
        self._watcher: Any = hub.loop.async_(ref=False)
        self._watcher.start(self._answer)

    def call(self, function: Callable[[], object]) -> None:
        """Have the hub call ``function``, which must not block; nothing happens if the hub has ended. Never switches.

        For any OS thread.
        """
        try:
            self._calls.append(function)
        finally:
            if not self._is_rung:
                self.ring()

    def ring(self) -> None:
        """Have the hub answer, also if it was rung already and a signal handler has raised in the answer's place."""
        self._is_rung = True
        try:
            self._watcher.send()
        except ValueError:  # the loop was destroyed, and no light thread waits there
            self._calls.clear()

    def hold(self) -> None:
        """Keep the hub alive, which waits for a call, until release(). In the hub's OS thread only."""
        self._waits += 1
        if self._waits == 1:
            self._watcher.ref = True

    def release(self) -> None:
        """Undo one hold()."""
        self._waits -= 1
        if not self._waits:
            self._watcher.ref = False

    def close(self) -> None:
        """Give the watcher back, before its loop is destroyed."""
        self._watcher.stop()
        self._watcher.close()

    def forget(self) -> None:
        """Drop what the parent process's other OS threads have asked for, in a child."""
        self._calls.clear()
        self._is_rung = False
        self._waits = 0
        self._watcher.ref = False

    def _answer(self) -> None:
        # In this order: what comes after the first line rings again, and what came before it is counted.
        self._is_rung = False
        for _ in range(len(self._calls)):
            call = self._calls[0]
            del self._calls[0]  # not popleft(), behind which a signal handler might raise
            try:
                call()
            except BaseException:
                self._calls.append(call)  # the hub rings again; whatever is called may be called twice
                raise


def doorbell() -> Doorbell:
    """Return the doorbell of the calling OS thread's hub, made on first use."""
    hub = scheduler()
    found: Doorbell | None = hub.doorbell
    if found is None:
        found = hub.doorbell = Doorbell(hub)
    return found


class WakeUpCall:
    """One wait of the caller's that ``ring()`` ends, from whichever OS thread.

    Where the caller's OS thread has a hub, the others of that hub go on meanwhile. Where it has none there are no
    others, and it waits as a plain thread does, without making a hub that nobody would give back.

    Attributes:
        is_rung: whether ring() was called.
    """

    __slots__ = ("_bell", "_hub", "_lock", "_sleeper", "is_rung")

    def __init__(self, *, blocks: bool = False) -> None:
        """Prepare the wait; ``blocks`` has it hold up the whole OS thread also where there is a hub."""
        if ASYNCIO in MODULES and not blocks:  # here, before anybody has given anything for this wait
            refuse_in_asyncio()
        self.is_rung = False
        self._sleeper: greenlet | None = None
        if blocks or get_hub_if_exists() is None:
            self._lock = OsLock()
            self._lock.acquire()
            self._hub: Scheduler | None = None
        else:
            self._hub = scheduler()
            self._bell = doorbell()

    def wait(self, timeout_s: float | None) -> bool:
        """Stop running until ring() (True), but ``timeout_s`` at most (False); None is for ever. Called once.

        It may have been rung before. A foreign exception (kill, gevent.Timeout) ends the wait, too.
        """
        if self.is_rung:
            return True
        if self._hub is None:
            self._lock.acquire(timeout=FOREVER if timeout_s is None else timeout_s)
            return self.is_rung
        self._sleeper = getcurrent()
        self._bell.hold()
        try:
            if timeout_s is None:
                while not self.is_rung:
                    self._hub.pause()
            else:
                pause_at_most(timeout_s)
        finally:
            self._sleeper = None
            self._bell.release()
        return self.is_rung

    def ring(self) -> None:
        """End the wait, or the one to come. By any OS thread; more than once it does no more. Never switches."""
        self.is_rung = True
        if self._hub is None:
            try:
                self._lock.release()
            except RuntimeError:  # it is open
                pass
        elif is_current(self._hub):
            self._wake()
        else:
            self._bell.call(self._wake)

    def ring_surely(self) -> None:
        """As ring(), also if a signal handler raises meanwhile."""
        try:
            self.ring()
        except BaseException:
            self.ring()
            raise

    def _wake(self) -> None:
        hub = self._hub
        assert hub is not None
        hub.drain_soon()
        sleeper = self._sleeper
        if sleeper is not None:  # it has not gone on for another reason meanwhile
            self._sleeper = None
            hub.ready.append(sleeper)


class WakeUpCalls:
    """Who waits for one thing to come about, in whichever OS threads; ``ring()`` ends all the waits of now.

    It has no lock, which a signal handler or a finalizer could meet.
    """

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls: deque[WakeUpCall] = deque()

    def wait(self, is_over: Callable[[], bool], timeout_s: float | None, *, blocks: bool = False) -> None:
        """Wait until ring(), but ``timeout_s`` at most, unless ``is_over()``; None is for ever. See WakeUpCall."""
        call = WakeUpCall(blocks=blocks)
        self._calls.append(call)
        try:
            if not is_over():  # now that whoever changes it finds us
                call.wait(timeout_s)
        finally:
            with suppress(ValueError, IndexError):  # it was rung; or another OS thread has changed the queue
                self._calls.remove(call)

    def ring(self) -> None:
        """Have all of them look again. By any OS thread. Never switches."""
        while self._calls:
            try:
                call = self._calls.popleft()
            except IndexError:  # another has taken it
                return
            call.ring_surely()

    def forget(self) -> None:
        """Know of nobody who waits, in a child."""
        self._calls.clear()


def breathe(cost: int = CALL_COST) -> None:
    """Let the others of this hub have their turn if it is theirs, and if there is one; see Scheduler.breathe()."""
    if get_hub_if_exists() is not None:
        hub = scheduler()
        if getcurrent() not in hub.inner:
            hub.breathe(cost)
