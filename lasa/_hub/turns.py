"""Slices and turns: nobody may keep the loop from its events for long.

A light thread may go on for one *slice* without a poll. Whoever has spent it steps aside for one *turn*: events are
polled, and all light threads whose descriptor had become ready or whose timer had fallen due run, before anybody else
goes on.

Work is charged in bytes, a call that moves few or none as CALL_COST. The clock is looked at when a credit is used up;
the first credit of a slice is one call, and each is twice as large as the one before, since nobody knows beforehand
what the caller does between two calls.
"""

from __future__ import annotations

import time
from time import monotonic, thread_time
from typing import Any, Final

__all__ = ["CALL_COST", "SLICE_S", "TURN_PRIORITY", "Turns"]

TURN_PRIORITY: Final = -2  # behind all descriptors and timers of a poll

SLICE_S: Final = 0.010  # after so long without a poll it is the others' turn
SLICE_OF_CPU_S: Final = 0.009  # somewhat less, since its mark may be a little younger
LONGEST_ORDER_S: Final = 0.100  # those who spawn and give way go on so long at most if the process could not run

CALL_COST: Final = 1024
LARGEST_CREDIT: Final = 256 * CALL_COST


class Turns:
    """Those of one hub, whose Scheduler this is.

    Attributes:
        loop: gevent's loop, for the watchers in this folder.
        is_turning: whether a turn is due or under way; whoever was woken does not go on meanwhile.
        slice_ends: until when the clock need not be looked at, on the monotonic clock; see is_slice_spent().
        credit: how many bytes of work may be done before the clock is looked at; see owes_turn().
    """

    __slots__ = (
        "_cpu_mark",
        "_next_credit",
        "_slice_iteration",
        "_turn_timer",
        "credit",
        "is_turning",
        "loop",
        "slice_ends",
    )

    def __init__(self, loop: Any) -> None:
        self.loop = loop
        self.is_turning = False
        self._turn_timer: Any = loop.timer(0.0, priority=TURN_PRIORITY)
        self.slice_ends = 0.0
        self._slice_iteration = -1
        self._cpu_mark = thread_time()
        self.credit = self._next_credit = CALL_COST

    def may_step_aside(self) -> bool:
        """Whether the caller can wait here without having asked for it; the Scheduler knows."""
        raise NotImplementedError

    def drain(self) -> None:
        """Called by the loop when a turn is over; the Scheduler knows who goes on."""
        raise NotImplementedError

    def owes_turn(self) -> bool:
        """Whether the caller, whose credit is used up, has to step aside; it has new credit if not. Never switches.

        For those who take from ``credit`` themselves. Where nobody can wait, in the hub itself, in a light thread
        that runs asyncio's loop, or in the middle of another wait, it is false.
        """
        if self.is_turning or self.is_slice_spent():
            return self.may_step_aside()
        self.credit = self._next_credit = min(2 * self._next_credit, LARGEST_CREDIT)
        return False

    def is_slice_spent(self) -> bool:
        """Whether events have not been polled for a whole slice."""
        now_s = monotonic()
        if now_s < self.slice_ends:
            return False
        iteration: int = self.loop.iteration
        if iteration == self._slice_iteration:
            return True
        # A slice begins with a poll, and the loop keeps the time of the last one. Nothing costs a call at each poll.
        self._slice_iteration = iteration
        since_poll_s: float = max(0.0, time.time() - self.loop.now())
        self._begin_slice(now_s - since_poll_s)
        if since_poll_s >= SLICE_S:
            return True
        self._cpu_mark = thread_time()
        return False

    def is_order_over(self) -> bool:
        """Whether the slice is spent by work: for those who spawn or give way.

        What stands around such a call must stay one step on a busy machine, too: the time for which this process was
        kept from running counts only once it is long. The mark of the processor's time is that of the slice's first
        look at the clock, or, if that came late, of a look before.
        """
        if not self.is_slice_spent():
            return False
        return (
            thread_time() - self._cpu_mark >= SLICE_OF_CPU_S
            or monotonic() - self.slice_ends >= LONGEST_ORDER_S - SLICE_S
        )

    def _begin_slice(self, start_s: float) -> None:
        self.slice_ends = start_s + SLICE_S
        self._next_credit = CALL_COST

    def begin_turn(self) -> None:
        """Have nobody go on who was woken before events have been polled. Never switches."""
        if not self.is_turning:
            self._turn_timer.start(self._end_turn)
            self.is_turning = True

    def renew_turn(self) -> None:
        """Go on with a turn in whose end a signal handler may have raised."""
        if self.is_turning:
            self._turn_timer.start(self._end_turn)

    def _end_turn(self) -> None:
        # The timer comes behind all others of its poll, and behind all descriptors.
        if not self.is_turning:
            return
        self.is_turning = False
        self._slice_iteration = self.loop.iteration
        self._begin_slice(monotonic())
        self._cpu_mark = thread_time()
        self.credit = 0
        self.drain()

    def close(self) -> None:
        """Give the watcher back, before the loop is destroyed."""
        self._turn_timer.stop()
        self._turn_timer.close()
