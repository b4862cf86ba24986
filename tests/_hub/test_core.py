# mypy: disable-error-code="func-returns-value"
# Lambdas here are often several calls in a row, some of which return nothing.
"""The run queue: who goes on when, and what an exception that comes in between leaves behind."""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent import monkey

import lasa
from lasa import _hub, thread
from lasa.thread import kill, spawn, wait
from tests.helpers import no_switch, nothing_left_open, settle


def paused(seen: list[Any], name: str) -> None:
    _hub.pause()
    seen.append(name)


def greenlet_of(child: thread.Thread) -> _hub.greenlet:
    assert child.greenlet is not None
    return child.greenlet


def test_those_who_are_woken_go_on_in_the_order_of_their_waking() -> None:
    seen: list[str] = []
    children = {name: spawn(paused, seen, name) for name in "abc"}
    with no_switch():
        for name in "cab":
            _hub.wake(greenlet_of(children[name]))
    assert seen == []
    _hub.step_aside()
    assert seen == ["c", "a", "b"]
    for child in children.values():
        wait(child)


def test_those_who_gave_way_go_on_before_those_who_were_woken() -> None:
    seen: list[str] = []
    children = {name: spawn(paused, seen, name) for name in "ab"}
    for child in children.values():
        _hub.wake(greenlet_of(child))

    def polite(name: str) -> None:
        lasa.coroutine.yield_()
        seen.append(name)

    others = [spawn(polite, "c"), spawn(polite, "d")]
    seen.append("spawner")
    lasa.coroutine.yield_()
    seen.append("spawner")
    _hub.step_aside()
    assert seen == ["c", "spawner", "d", "spawner", "a", "b"]
    wait_for(*children.values(), *others)


def wait_for(*threads: thread.Thread) -> None:
    for each in threads:
        wait(each)


def test_the_hub_runs_those_who_are_ready_even_if_nobody_of_lasa_blocks() -> None:
    seen: list[str] = []
    child = spawn(paused, seen, "woken")
    _hub.wake(greenlet_of(child))
    gevent.sleep(0)
    assert seen == ["woken"]
    wait(child)


def test_whoever_is_woken_from_a_callback_of_the_hub_goes_on() -> None:
    seen: list[str] = []
    child = spawn(paused, seen, "woken")
    gevent.get_hub().loop.run_callback(_hub.wake, greenlet_of(child))
    settle()
    assert seen == ["woken"]
    wait(child)


def test_forget_takes_a_sleeper_out_of_the_queue() -> None:
    seen: list[str] = []
    child = spawn(paused, seen, "woken")
    hub = _hub.scheduler()
    hub.wake(greenlet_of(child))
    hub.forget(greenlet_of(child))
    hub.forget(greenlet_of(child))  # not in it: nothing happens
    settle()
    assert seen == []
    kill(child)


@pytest.mark.parametrize("waiting", [_hub.pause, _hub.step_aside, lambda: _hub.pause_at_most(10)])
def test_a_kill_between_waking_and_its_effect_leaves_no_place_in_the_queue(waiting: Callable[[], Any]) -> None:
    seen: list[Any] = []

    def sleeper() -> None:
        try:
            waiting()
        except thread.ThreadKilled:
            seen.append("killed")
            seen.append(_hub.pause_at_most(0.003))  # a left-over place would end this wait at once
            raise

    child = spawn(sleeper)
    if waiting is not _hub.step_aside:
        _hub.wake(greenlet_of(child))
    kill(child)
    settle()
    _hub.sleep_s(0.006)
    assert seen == ["killed", False]


@pytest.mark.parametrize("waiting", [_hub.pause, lambda: _hub.pause_at_most(10)])
def test_a_timeout_between_waking_and_its_effect_leaves_no_place_in_the_queue(waiting: Callable[[], Any]) -> None:
    seen: list[Any] = []

    def sleeper() -> None:
        try:
            waiting()
        except gevent.Timeout:
            seen.append("timeout")
        seen.append(_hub.pause_at_most(0.003))

    child = spawn(sleeper)
    settle()
    gevent.get_hub().loop.run_callback(greenlet_of(child).throw, gevent.Timeout())
    _hub.wake(greenlet_of(child))
    settle()
    _hub.sleep_s(0.006)
    assert seen == ["timeout", False]
    wait(child)


def test_a_spawner_that_is_interrupted_before_its_turn_leaves_the_queue_and_the_child() -> None:
    seen: list[Any] = []

    def child() -> None:
        gevent.sleep(0)  # to the hub, past the run queue
        seen.append("child runs on")

    def spawner() -> None:
        _hub.sleep_s(0.001)  # nobody is ready now, so the exception comes before the queue's turn
        gevent.get_hub().loop.run_callback(_hub.getcurrent().throw, gevent.Timeout())
        try:
            spawn(child)
        except gevent.Timeout:
            seen.append("interrupted")
        seen.append(_hub.pause_at_most(0.003))

    assert wait(spawn(spawner)) == (True, None)
    assert seen == ["interrupted", "child runs on", False]


def test_pause_at_most_says_whether_it_was_woken() -> None:
    with nothing_left_open():
        child = spawn(lambda: _hub.pause_at_most(10))
        _hub.wake(greenlet_of(child))
        assert wait(child) == (True, True)
        assert wait(spawn(lambda: _hub.pause_at_most(0.001))) == (True, False)


def test_a_sleeper_woken_in_the_turn_of_its_timeout_has_no_place_left_in_the_queue() -> None:
    seen: list[bool] = []

    def sleeper() -> None:
        seen.append(_hub.pause_at_most(0.001))
        seen.append(_hub.pause_at_most(0.003))

    waker = gevent.get_hub().loop.timer(0.0005)
    child = spawn(sleeper)
    waker.start(_hub.wake, greenlet_of(child))
    ends = _hub.monotonictime() + 3000
    while _hub.monotonictime() < ends:  # both are due when the hub looks
        pass
    wait(child)
    waker.close()
    assert seen == [False, False]
    assert not _hub.scheduler().ready


def test_step_aside_polls_events_in_between() -> None:
    seen: list[str] = []
    gevent.spawn(seen.append, "gevent ran")
    _hub.step_aside()
    _hub.step_aside()
    assert seen == ["gevent ran"]


def test_threads_that_wake_each_other_for_ever_let_events_in_after_a_bounded_time() -> None:
    turns = [0]

    def player() -> None:
        while True:
            _hub.wake(greenlet_of(players[1 - me()]))
            turns[0] += 1
            _hub.pause()

    def me() -> int:
        return int(_hub.getcurrent() is greenlet_of(players[1]))

    def first() -> None:
        _hub.pause()
        player()

    players = [spawn(first), spawn(first)]
    _hub.wake(greenlet_of(players[0]))
    began_s = time.thread_time()
    _hub.sleep_s(0.001)
    assert time.thread_time() - began_s < 0.05
    assert turns[0] > 100
    for each in players:
        kill(each)


def test_the_hub_itself_may_spawn() -> None:
    seen: list[str] = []
    children: list[thread.Thread] = []

    def callback() -> None:
        children.append(spawn(lambda: (seen.append("runs"), _hub.step_aside(), seen.append("ends"))))
        seen.append("hub goes on")
        assert kill(spawn(_hub.sleep_s, 1000)) == (1, None)

    gevent.get_hub().loop.run_callback(callback)
    settle()
    assert seen == ["runs", "hub goes on", "ends"]


def test_each_os_thread_has_a_scheduler_of_its_own() -> None:
    found: list[Any] = []
    mine = _hub.scheduler()
    assert mine is _hub.scheduler()
    assert _hub.is_current(mine)

    def other() -> None:
        found.append(_hub.is_current(mine))
        found.append(_hub.scheduler())
        found.append(_hub.is_current(found[1]))
        gevent.get_hub().destroy()

    in_os_thread(other)
    assert found[0] is False
    assert found[1] is not mine
    assert found[2] is True


def in_os_thread(function: Callable[[], None]) -> None:
    """Run ``function`` in a real thread, also after monkey.patch_all()."""
    start, lock = monkey.get_original("_thread", "start_new_thread"), monkey.get_original("_thread", "allocate_lock")()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except Exception as error:
            failures.append(error)
        finally:
            lock.release()

    lock.acquire()
    start(run, ())
    assert lock.acquire(True, 60)
    assert failures == []


def test_the_dispatcher_survives_an_exception_of_a_signal_handler() -> None:
    hub = _hub.scheduler()
    before = hub.dispatcher

    def interrupt_the_dispatcher() -> None:
        with contextlib.suppress(ZeroDivisionError):
            before.throw(ZeroDivisionError)

    hub.loop.run_callback(interrupt_the_dispatcher)
    lasa.sleep(0.001)
    assert hub.dispatcher is not before
    order: list[int] = []
    for number in range(3):
        spawn(lambda number=number: (lasa.coroutine.yield_(), order.append(number)))
    lasa.sleep(0.001)
    assert order == [0, 1, 2]


@pytest.mark.parametrize("kind", ["spawn", "spawn and wait", "spawn and kill"])
def test_a_loop_that_spawns_lets_others_have_their_events(kind: str) -> None:
    ticks: list[int] = []
    is_over: list[bool] = []

    def tick() -> None:
        while not is_over:
            lasa.sleep(0.001)
            ticks.append(1)

    ticker = spawn(tick)
    deadline_s = time.monotonic() + 10
    while len(ticks) < 5 and time.monotonic() < deadline_s:
        child = spawn(lasa.sleep, 60) if kind == "spawn and kill" else spawn(lambda: None)
        if kind == "spawn and wait":
            wait(child)
        elif kind == "spawn and kill":
            kill(child)
    is_over.append(True)
    assert len(ticks) >= 5
    wait(ticker)
