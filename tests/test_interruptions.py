"""A signal handler or a finalizer that comes in the middle of a call of ours, and calls us or raises."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

import lasa
from lasa import coroutine, semaphore, thread, timer
from lasa._hub.core import scheduler
from lasa._hub.gate import READ, Gate
from tests.helpers import spend_slice
from tests.interruptions import Interrupted, interrupt

STEPS = 16

_here: dict[str, Any] = {}  # what the action finds


def light_threads() -> Any:
    for waiting in [thread.spawn(lasa.sleep, 0.001) for _ in range(2)]:
        thread.wait(waiting)
    coroutine.yield_()
    return "done"


def semaphores() -> Any:
    sema = _here["post"] = semaphore.new()[0]
    waiters = [thread.spawn(sema.wait, 0.1) for _ in range(2)]
    sema.post(2)
    outcomes = [thread.wait(waiter)[1] for waiter in waiters]
    if None in outcomes and sema.count() > 0:
        return "a waiter was not served, though there was something for it"
    return "done"


def timers() -> Any:
    fired: list[int] = []
    for number in range(3):
        timer.at(number / 1000, lambda _, number=number: fired.append(number))
    for _ in range(20):
        if len(fired) >= 2:  # of one the callback itself may have been interrupted
            return "done"
        lasa.sleep(0.01)
    return fired


def channels() -> Any:
    channel = _here["put"] = lasa.channel(1)

    def receive() -> list[Any]:
        return [channel.receive(0.1)[0] for _ in range(3)]

    receiver = thread.spawn(receive)
    for number in range(3):
        channel.send(number, 0.1)
    thread.wait(receiver)
    return "done"


def interfere() -> None:
    lasa.log(lasa.LogLevel.DEBUG, "test", "in the middle")
    thread.spawn(lambda: None)
    if "post" in _here:
        _here["post"].post()
    if "put" in _here:
        _here["put"].send("extra", 0)


def interfere_late() -> None:
    spend_slice()  # whoever calls now would have to step aside
    interfere()


def fail() -> None:
    raise Interrupted


@pytest.mark.parametrize("action", [interfere, interfere_late, fail])
@pytest.mark.parametrize("scenario", [light_threads, semaphores, timers, channels])
def test_nothing_is_lost_and_nothing_stands_still(
    scenario: Callable[[], Any], action: Callable[[], None], capfd: pytest.CaptureFixture[str]
) -> None:
    logging.disable(logging.CRITICAL)
    try:
        count, _, outcome = interrupt(scenario, -1, fail)
        assert outcome == "done"
        for at in range(1, count, max(1, count // STEPS)):
            _here.clear()
            _, place, outcome = interrupt(scenario, at, action)
            assert outcome == "done" or isinstance(outcome, Interrupted), (at, place, outcome)
    finally:
        logging.disable(logging.NOTSET)
        _here.clear()
        capfd.readouterr()  # gevent tells of what left its callbacks


def test_a_call_in_the_middle_of_a_wait_wakes_nobody_from_that_or_a_later_one() -> None:
    readable, writable = os.pipe()
    os.write(writable, b"it has come")

    def wait() -> Any:
        outcome = thread.wait(thread.spawn(coroutine.yield_))
        gate = Gate(scheduler(), readable, READ)
        gate.wait(1)
        gate.close()  # where a wait was ended by nobody, it says that this was
        began_s = time.monotonic()
        lasa.sleep(0.002)
        return outcome, time.monotonic() - began_s > 0.0015

    _here["put"] = lasa.channel(1)
    try:
        count, _, outcome = interrupt(wait, -1, fail)
        assert outcome == ((True, None), True)
        for at in range(1, count + 1, 2):
            _, place, outcome = interrupt(wait, at, interfere_late)
            assert outcome == ((True, None), True), (at, place)
    finally:
        _here.clear()
        os.close(readable)
        os.close(writable)


def test_a_timer_may_be_cancelled_in_the_middle_of_being_set() -> None:
    def set_timer() -> Any:
        timer.at(60, lambda _: None)
        cancel_all()
        return timer.pending_count(), "alarm" if timer.calendar()._alarm.is_set else None

    def cancel_all() -> None:
        for _, _, each in list(timer.calendar()._heap):
            timer.kill(each)

    count, _, outcome = interrupt(set_timer, -1, fail)
    assert outcome == (0, None)
    for at in range(count // 3, count + 1):  # before, its arguments are checked
        _, place, outcome = interrupt(set_timer, at, cancel_all)
        assert outcome == (0, None), (at, place)


def test_a_light_thread_may_end_in_the_middle_of_its_being_killed() -> None:
    def kill_one() -> Any:
        child = thread.spawn(coroutine.yield_)
        outcome = thread.kill(child)
        lasa.sleep(0)  # where it spawns while it ends, the killer goes on at once
        noted = scheduler().kills._thrown if scheduler().kills else ()
        return outcome, child.dead, len(noted)

    ways = [((1, None), True, 0), ((None, "already terminated"), True, 0)]
    count, _, outcome = interrupt(kill_one, -1, fail)
    assert outcome == ways[0]
    for at in range(count // 3, count + 1, 2):
        _, place, outcome = interrupt(kill_one, at, interfere)
        assert outcome in ways, (at, place)


def test_a_channel_may_be_closed_between_a_receivers_entry_and_its_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lasa._channel._tell_closed", lambda waiting: None)  # the other OS thread is slow to tell

    def receive() -> Any:
        _here["closing"] = lasa.channel(1)
        return _here["closing"].receive(0.001)

    count, _, outcome = interrupt(receive, -1, fail)
    assert outcome == (None, "timeout")
    for at in range(count // 3, count):
        _, place, outcome = interrupt(receive, at, lambda: _here["closing"].close())
        assert outcome in [(None, "timeout"), (None, "closed")], (at, place)
