"""Time: what the clock says, and waiting for it (seed: lasa.sleep, lasa.now, lasa.monotonictime)."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf
from time import monotonic  # the machine's, for slices
from typing import Any, Final

from lasa._hub.asyncio_loop import ASYNCIO, MODULES, refuse_in_asyncio
from lasa._hub.core import TIMEOUT, TIMER_PRIORITY, TURN_PRIORITY, getcurrent, scheduler
from lasa._values import seconds_of, whole_ms
from lasa.errors import SocketTimeout

__all__ = [
    "Alarm",
    "Deadline",
    "is_replaced",
    "monotonic_s",
    "monotonictime",
    "now",
    "pause_at_most",
    "sleep",
    "sleep_s",
    "system_s",
    "update_time",
]


AGAIN_S: Final = 0.05


LONG_S: Final = 1e9


# What time it is for the calling OS thread's hub: in seconds that never go back, and in seconds since the epoch. Other
# functions stand here where a hub's clock is replaced, so all call them as clock.monotonic_s() and clock.system_s().
monotonic_s: Callable[[], float] = time.monotonic
system_s: Callable[[], float] = time.time


def is_replaced() -> bool:
    """Whether they may tell another time than the machine's."""
    return monotonic_s is not time.monotonic


def now() -> float:
    """Return the seconds since the epoch, with fractions, as the system clock has them.

    Switches: never. Source: seed, "lasa.now".
    """
    return system_s()


def monotonictime() -> float:
    """Return the microseconds of a clock that never goes back, as a float.

    Switches: never. Source: seed, "lasa.monotonictime".
    """
    return monotonic_s() * 1e6


def update_time() -> None:
    """Do nothing: lasa's clocks are never cached. For scripts that call ``ngx.update_time``."""


def sleep(seconds: float) -> bool:
    """Let others run for ``seconds``, cut to whole milliseconds, and return True.

    Less than a millisecond is one trip through the event loop: everybody who is ready goes first.

    Raises:
        ValueError: "lasa.sleep(): no negative number of seconds, got N", a millisecond below 0 or more. TypeError:
            "lasa.sleep() takes a number of seconds, got T".
    Switches: always. Source: seed, "lasa.sleep".
    """
    kind = type(seconds)
    if (kind is float or kind is int) and 0 <= seconds < LONG_S:
        delay_s = int(seconds * 1000) / 1000  # as whole_ms(), for what nearly all ask for
    else:
        delay_s = whole_ms(seconds_of(seconds, "lasa.sleep()"))
    if delay_s < 0:
        raise ValueError(f"lasa.sleep(): no negative number of seconds, got {seconds}")
    sleep_s(delay_s)
    return True


def sleep_s(delay_s: float) -> None:
    """Switch for ``delay_s`` seconds; 0 is one trip through the event loop."""
    hub = scheduler()
    if ASYNCIO in MODULES:
        refuse_in_asyncio()
    if delay_s:
        timer = hub.loop.timer(delay_s, priority=TIMER_PRIORITY)
        is_updated = True
    else:
        timer = hub.loop.timer(0.0, priority=TURN_PRIORITY)
        is_updated = False  # the loop's time says since when it has not polled
    try:  # from here on a signal handler may raise: a timer that was left would end a later wait
        timer.start(getcurrent().switch, TIMEOUT, update=is_updated)
        outcome = hub.dispatch()
    finally:
        timer.stop()
        timer.close()
    if outcome is not TIMEOUT and getcurrent() in hub.inner:  # where a switch comes straight back
        hub.refuse_wait()
    # Another one that the same poll has let go on may have spent the slice.
    if not delay_s and monotonic() >= hub.slice_ends and hub.is_slice_spent():
        hub.step_aside()


class Alarm:
    """Call one function from the hub at a time that can be moved; it must not block.

    An alarm does not keep a program alive unless ``ref`` is true.
    """

    __slots__ = ("_hub", "_on_time", "_ref", "_timer")

    def __init__(self, on_time: Callable[[], None], *, ref: bool = False) -> None:
        self._hub = scheduler()
        self._on_time = on_time
        self._ref = ref
        self._timer: Any = None

    @property
    def is_set(self) -> bool:
        """Whether it will fire."""
        return self._timer is not None

    def set_after(self, delay_s: float) -> None:
        """Fire once in ``delay_s`` seconds, in place of an earlier setting. Never switches."""
        # Repeating, until the function has run, and in this order: a signal handler may raise anywhere.
        timer = self._hub.loop.timer(max(0.0, delay_s), AGAIN_S, ref=self._ref, priority=TIMER_PRIORITY)
        earlier, self._timer = self._timer, timer
        try:
            timer.start(self._fire, update=True)
        finally:
            if earlier is not None:
                earlier.stop()
                earlier.close()

    def clear(self) -> None:
        """Do not fire. Never switches."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.stop()
            timer.close()

    def _fire(self) -> None:
        timer = self._timer
        self._on_time()
        if self._timer is timer:
            self.clear()


class Deadline:
    """When something has to be over, whatever it waits for until then.

    Attributes:
        at_s: as clock.monotonic_s() has it; inf if it may take any time.
    """

    __slots__ = ("at_s",)

    def __init__(self, timeout_s: float | None) -> None:
        self.at_s = inf if timeout_s is None else monotonic_s() + timeout_s

    @property
    def left_s(self) -> float:
        """How long it may still take; 0.0 when it is over, for a wait that then looks once."""
        return max(0.0, self.at_s - monotonic_s())

    def left_of(self, wait_s: float) -> float:
        """Return how long a wait may last: ``wait_s``, or less if that is all there is.

        Raises:
            SocketTimeout: nothing is left.
        """
        left_s = self.at_s - monotonic_s()
        if left_s <= 0:
            raise SocketTimeout
        return min(wait_s, left_s)

    def alarm(self, on_time: Callable[[], None]) -> Alarm | None:
        """Have ``on_time`` called from the hub when the time is over; None where it never is."""
        if self.at_s == inf:
            return None
        alarm = Alarm(on_time)
        alarm.set_after(self.at_s - monotonic_s())
        return alarm


def pause_at_most(timeout_s: float | None) -> bool:
    """Stop running until ``wake()`` (True), but ``timeout_s`` seconds at most (False); None is for ever."""
    hub = scheduler()
    if timeout_s is None:
        hub.pause()
        return True
    timer = hub.loop.timer(timeout_s, priority=TIMER_PRIORITY)
    try:
        timer.start(getcurrent().switch, TIMEOUT, update=True)
        if hub.pause() is TIMEOUT:
            hub.forget(getcurrent())  # woken and timed out in the same turn
            return False
        return True
    finally:
        timer.stop()
        timer.close()
