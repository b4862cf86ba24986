# mypy: disable-error-code="func-returns-value"
# Lambdas here are often several calls in a row, some of which return nothing.
"""Turns of the loop: who has spent the slice lets everybody run whose descriptor is ready or whose timer is due."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest
from gevent import monkey
from gevent.exceptions import BlockingSwitchOutError

import lasa
from lasa import _hub, coroutine, semaphore
from lasa._hub.turns import SLICE_S
from lasa.thread import kill, spawn, wait
from tests.helpers import settle, spend_credit

os_sleep = monkey.get_original("time", "sleep")


def compute(seconds: float) -> None:
    """Keep the CPU."""
    ends = time.thread_time() + seconds
    while time.thread_time() < ends:
        pass


@contextmanager
def two_who_wait(seen: list[str]) -> Iterator[None]:
    """Two light threads: one waits for a descriptor that is ready now, one for a timer of 2 ms."""
    reading, writing = os.pipe()
    gate = _hub.Gate(_hub.scheduler(), reading, _hub.READ)
    children = [
        spawn(lambda: (gate.wait(10), seen.append("descriptor"))),
        spawn(lambda: (_hub.sleep_s(0.002), seen.append("timer"))),
    ]
    os.write(writing, b"x")
    yield
    for child in children:
        wait(child)
    gate.close()
    os.close(reading)
    os.close(writing)


def breathe_now() -> None:
    spend_credit()
    _hub.breathe()


@pytest.mark.parametrize(
    "call", [coroutine.yield_, _hub.step_aside, breathe_now, lambda: spawn(int), lambda: lasa.sleep(0)]
)
def test_whoever_has_spent_the_slice_lets_all_run_whose_event_has_come(call: Callable[[], Any]) -> None:
    seen: list[str] = []
    with two_who_wait(seen):
        compute(SLICE_S + 0.005)
        call()
        assert sorted(seen) == ["descriptor", "timer"]


def test_a_descriptor_and_a_timer_go_before_everybody_who_stepped_aside() -> None:
    seen: list[str] = []
    with two_who_wait(seen):

        def stepper(name: str) -> None:
            compute(SLICE_S + 0.005)
            coroutine.yield_()
            seen.append(name)

        children = [spawn(stepper, name) for name in ("first", "second", "third")]
        for child in children:
            wait(child)
    assert sorted(seen[:2]) == ["descriptor", "timer"]
    assert seen[2:] == ["first", "second", "third"]


@pytest.mark.parametrize("call", [coroutine.yield_, breathe_now, lambda: spawn(int)])
def test_no_turn_is_taken_before_the_slice_is_spent(call: Callable[[], Any]) -> None:
    _hub.step_aside()
    before = gevent.get_hub().loop.iteration
    call()
    assert gevent.get_hub().loop.iteration == before


@pytest.mark.parametrize("give_way", [coroutine.yield_, lambda: spawn(int)])
def test_a_process_that_was_kept_from_running_keeps_the_order(give_way: Callable[[], Any]) -> None:
    bell, _ = semaphore.new()
    seen: list[str] = []

    def kept_from_running(seconds: float) -> None:
        give_way()
        bell.post()
        os_sleep(seconds)  # nobody runs meanwhile
        give_way()
        seen.append("caller")

    for seconds, order in ((0.03, ["caller", "woken"]), (0.12, ["woken", "caller"])):
        woken = spawn(lambda: (bell.wait(10), seen.append("woken")))
        lasa.sleep(0.001)  # a poll
        kept_from_running(seconds)
        wait(woken)
        assert seen == order
        seen.clear()


@pytest.mark.parametrize("give_way", [coroutine.yield_, lambda: lasa.sleep(0)])
@pytest.mark.parametrize("players", [1, 10])
def test_pieces_of_computation_hold_others_up_by_one_piece(give_way: Callable[[], Any], players: int) -> None:
    is_over: list[bool] = []
    late: list[float] = []

    def play() -> None:
        while not is_over:
            compute(0.03)
            give_way()

    children = [spawn(play) for _ in range(players)]
    for _ in range(5):
        due = time.thread_time() + 0.01
        lasa.sleep(0.01)
        late.append(time.thread_time() - due)
    is_over.append(True)
    for child in children:
        wait(child)
    assert max(late) < 0.03 + 0.05


def test_pieces_between_posts_hold_others_up_by_one_piece() -> None:
    bats = [semaphore.new()[0] for _ in range(4)]
    is_over: list[bool] = []

    def play(number: int) -> None:
        while not is_over:
            bats[number].wait(1)
            compute(0.03)
            bats[number - 1].post()

    children = [spawn(play, number) for number in range(4)]
    bats[0].post(2)
    bats[2].post(2)
    late = []
    for _ in range(3):
        due = time.thread_time() + 0.01
        lasa.sleep(0.01)
        late.append(time.thread_time() - due)
    is_over.append(True)
    for child in children:
        wait(child)
    assert max(late) < 0.03 + 0.05


def test_no_turn_comes_between_a_childs_first_wait_and_its_parent() -> None:
    seen: list[str] = []

    def child() -> None:
        compute(SLICE_S + 0.005)
        coroutine.yield_()  # its slice is spent
        seen.append("child")

    with two_who_wait(seen):
        one = spawn(child)
        seen.append("parent")
        settle()
    assert seen[0] == "parent"
    assert seen[-1] == "child"
    wait(one)


def test_those_who_are_woken_have_their_turn_beside_one_who_gives_way_for_ever() -> None:
    bell, _ = semaphore.new()
    is_over: list[bool] = []

    def polite() -> None:
        while not is_over:
            coroutine.yield_()

    other = spawn(polite)
    woken = spawn(lambda: (bell.wait(10), is_over.append(True)))
    bell.post()
    wait(other)
    wait(woken)
    assert is_over == [True]


def test_a_killed_one_who_stepped_aside_leaves_no_place_in_the_queue() -> None:
    seen: list[Any] = []

    def stepper() -> None:
        try:
            _hub.step_aside()
        finally:
            seen.append(_hub.pause_at_most(0.003))

    settle()
    child = spawn(stepper)
    kill(child)
    assert not _hub.scheduler().ready
    settle()
    lasa.sleep(0.006)
    assert seen == [False]


# What the hub itself must not do

WAITS: dict[str, Callable[[], Any]] = {
    "sleep": lambda: lasa.sleep(0.001),
    "sleep(0)": lambda: lasa.sleep(0),
    "yield_": coroutine.yield_,
    "step_aside": _hub.step_aside,
    "pause": _hub.pause,
    "pause_at_most": lambda: _hub.pause_at_most(1),
    "semaphore": lambda: semaphore.new()[0].wait(1),
    "connect": lambda: lasa.socket.connect("127.0.0.1", 1),
    "channel": lambda: lasa.channel(1).receive(),
    "wait": lambda: wait(spawn(lasa.sleep, 0.001)),
}


@pytest.mark.parametrize("name", WAITS)
def test_a_wait_in_the_hub_itself_raises_and_changes_nothing(name: str) -> None:
    raised: list[BaseException] = []

    def callback() -> None:
        try:
            WAITS[name]()
        except BaseException as error:
            raised.append(error)

    gevent.get_hub().loop.run_callback(callback)
    settle()
    assert [type(error) for error in raised] == [BlockingSwitchOutError]
    hub = _hub.scheduler()
    assert not hub.ready
    assert not hub.gave_way


def test_a_lock_that_a_finalizer_asks_for_in_the_hub_keeps_its_one_owner() -> None:
    lock, _ = semaphore.new(0)
    raised: list[type[BaseException]] = []

    def finalizer() -> None:
        try:
            lock.wait(1)
        except BlockingSwitchOutError as error:
            raised.append(type(error))

    gevent.get_hub().loop.run_callback(finalizer)
    settle()
    assert raised == [BlockingSwitchOutError]
    assert lock.count() == 0
    lock.post()
    assert lock.wait(0) == (True, None)


def test_a_read_in_the_hub_leaves_the_connection_as_it_is() -> None:
    server = lasa.socket.tcp()
    assert server.bind("127.0.0.1", 0) == (1, None)
    assert server.listen() == (1, None)
    client, _ = lasa.socket.connect("127.0.0.1", server.getsockname()[1])
    peer, _ = server.accept()
    assert client is not None
    assert peer is not None
    raised: list[Any] = []

    def callback() -> None:
        for call in (lambda: client.receive(5), lambda: peer.receiveany(5), server.accept):
            try:
                call()
            except BlockingSwitchOutError:
                raised.append(call)

    gevent.get_hub().loop.run_callback(callback)
    settle()
    assert len(raised) == 3
    assert peer.send(b"hello") == (5, None)
    assert client.receive(5) == (b"hello", None, None)
    for each in (client, peer, server):
        each.close()


# In time is in time


def test_what_came_in_time_is_no_timeout_though_the_hub_was_busy_until_both_were_due() -> None:
    reading, writing = os.pipe()
    gate = _hub.Gate(_hub.scheduler(), reading, _hub.READ)
    child = spawn(lambda: gate.wait(0.005))
    os.write(writing, b"x")
    compute(0.02)
    assert wait(child) == (True, None)
    gate.close()
    os.close(reading)
    os.close(writing)


def test_a_post_by_somebody_whose_data_came_in_time_is_no_timeout() -> None:
    reading, writing = os.pipe()
    gate = _hub.Gate(_hub.scheduler(), reading, _hub.READ)
    sema, _ = semaphore.new()
    child = spawn(sema.wait, 0.005)
    poster = spawn(lambda: (gate.wait(1), sema.post()))
    os.write(writing, b"x")
    compute(0.02)
    assert wait(child) == (True, True, None)
    wait(poster)
    gate.close()
    os.close(reading)
    os.close(writing)
