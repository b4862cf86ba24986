# mypy: disable-error-code="func-returns-value"
# Lambdas here are often several calls in a row, some of which return nothing.
"""A kill that is swallowed comes again; one that is still being handled does not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import gevent
import pytest

import lasa
from lasa import _hub, coroutine, semaphore, thread
from lasa.thread import ThreadKilled, kill, spawn, status, wait
from tests.helpers import nothing_left_open, settle

WAITS: dict[str, Callable[[], Any]] = {
    "sleep": lambda: lasa.sleep(1000),
    "sleep(0)": lambda: lasa.sleep(0),
    "yield_": coroutine.yield_,
    "semaphore": lambda: semaphore.new()[0].wait(1000),
    "channel": lambda: lasa.channel(1).receive(),
    "accept": lambda: listening().accept(),
    "wait": lambda: wait(spawn(lasa.sleep, 0.001)),
    "gevent": lambda: gevent.sleep(1000),
    "coroutine": lambda: coroutine.wrap(lambda: lasa.sleep(1000))(),
    "swallowed in a coroutine": lambda: coroutine.wrap(lambda: swallow(lambda: lasa.sleep(1000)))(),
}


def listening() -> Any:
    server = lasa.socket.tcp()
    server.bind("127.0.0.1", 0)
    return server


def swallow(call: Callable[[], Any]) -> None:
    try:
        call()
    except BaseException:  # as nobody should
        pass


def run_the_loop(turns: int = 30) -> None:
    for _ in range(turns):
        _hub.step_aside()


@pytest.mark.parametrize("name", WAITS)
def test_who_swallows_three_kills_ends_at_the_fourth(name: str) -> None:
    seen: list[str] = []

    def stubborn() -> None:
        for _ in range(3):
            try:
                while True:
                    WAITS[name]()
            except ThreadKilled:
                seen.append("swallowed")
        while True:
            WAITS[name]()

    if name == "swallowed in a coroutine":
        seen = ["swallowed"] * 3  # in there
    child = spawn(stubborn)
    assert kill(child) == (1, None)
    assert status(child) == "dead"
    assert kill(child) == (None, "already waited or killed")
    run_the_loop()
    if name == "swallowed in a coroutine":  # for ever: but it lives on no longer than it likes to be thrown at
        assert not child.dead
        WAITS[name] = lambda: lasa.sleep(1000)
        run_the_loop()
        WAITS[name] = lambda: coroutine.wrap(lambda: swallow(lambda: lasa.sleep(1000)))()
    assert child.dead
    assert wait(child) == (None, "already waited or killed")
    assert seen[:3] == ["swallowed"] * 3


@pytest.mark.parametrize("is_late", [False, True])
def test_a_kill_made_or_swallowed_in_a_callback_of_the_hub_comes_again_though_nothing_else_happens(
    is_late: bool,
) -> None:
    throws = [0]
    go_on, _ = semaphore.new()

    def stubborn() -> None:
        while throws[0] < 3:
            try:
                lasa.sleep(1000)
            except ThreadKilled:
                if is_late and not throws[0]:
                    lasa.sleep(0.001)
                    _hub.call_soon(go_on.post)
                    go_on.wait(1000)
                throws[0] += 1

    def kill_child() -> None:
        kill(spawn(stubborn))

    gevent.spawn(kill_child)
    lasa.sleep(0.02)
    assert throws == [3]


def test_one_that_swallows_for_ever_spins_alone() -> None:
    throws = [0]
    is_over: list[bool] = []

    def stubborn() -> None:
        while not is_over:
            try:
                lasa.sleep(1000)
            except BaseException:
                throws[0] += 1

    child = spawn(stubborn)
    kill(child)
    most_s = 0.0
    for _ in range(10):
        before_s = time.thread_time()
        lasa.sleep(0.003)
        most_s = max(most_s, time.thread_time() - before_s)
    is_over.append(True)
    settle()
    assert child.dead
    assert throws[0] > 20
    assert most_s < 0.05


@contextmanager
def cleaning_up(seen: list[str]) -> Iterator[None]:
    try:
        yield
    finally:
        lasa.sleep(0.01)
        seen.append("clean")


class CleaningUp:
    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        lasa.sleep(0.01)
        self.seen.append("clean")


def by_finally(seen: list[str]) -> None:
    try:
        lasa.sleep(1000)
    finally:
        lasa.sleep(0.01)
        seen.append("clean")


def by_except(seen: list[str]) -> None:
    try:
        lasa.sleep(1000)
    except ThreadKilled:
        lasa.sleep(0.01)
        seen.append("clean")
        raise


def by_exit(seen: list[str]) -> None:
    with CleaningUp(seen):
        lasa.sleep(1000)


def by_generator(seen: list[str]) -> None:
    with cleaning_up(seen):
        lasa.sleep(1000)


def by_stack(seen: list[str]) -> None:
    with ExitStack() as stack:
        stack.callback(lambda: (lasa.sleep(0.01), seen.append("clean")))
        lasa.sleep(1000)


def by_finally_that_handles_something_else(seen: list[str]) -> None:
    try:
        lasa.sleep(1000)
    finally:
        try:
            raise OSError
        except OSError:
            lasa.sleep(0.01)
        lasa.sleep(0.001)
        seen.append("clean")


def by_finally_with_a_child(seen: list[str]) -> None:
    try:
        lasa.sleep(1000)
    finally:
        wait(spawn(lasa.sleep, 0.01))
        seen.append("clean")


def by_finally_with_a_coroutine(seen: list[str]) -> None:
    try:
        lasa.sleep(1000)
    finally:
        coroutine.wrap(lambda: lasa.sleep(0.01))()
        seen.append("clean")


def by_coroutine(seen: list[str]) -> None:
    coroutine.wrap(by_finally)(seen)


CLEAN_UPS = [
    by_finally,
    by_except,
    by_exit,
    by_generator,
    by_stack,
    by_finally_that_handles_something_else,
    by_finally_with_a_child,
    by_finally_with_a_coroutine,
    by_coroutine,
]


@pytest.mark.parametrize("clean_up", CLEAN_UPS)
def test_a_clean_up_may_wait(clean_up: Callable[[list[str]], None]) -> None:
    seen: list[str] = []
    with nothing_left_open():
        child = spawn(clean_up, seen)
        kill(child)
        assert status(child) == "dead"
        assert seen == []
        run_the_loop()
        lasa.sleep(0.03)
        assert seen == ["clean"]
        assert child.dead


def test_a_clean_up_that_swallows_and_goes_on_is_thrown_at_again() -> None:
    seen: list[str] = []

    def stubborn() -> None:
        try:
            lasa.sleep(1000)
        except ThreadKilled:
            lasa.sleep(0.002)
            seen.append("clean")
        lasa.sleep(1000)
        seen.append("not reached")

    child = spawn(stubborn)
    kill(child)
    lasa.sleep(0.01)
    run_the_loop(3)
    assert seen == ["clean"]
    assert child.dead


def test_who_keeps_the_exception_is_left_alone_while_he_does() -> None:
    kept: list[BaseException] = []

    def keeper() -> None:
        try:
            lasa.sleep(1000)
        except BaseException as error:
            kept.append(error)
        lasa.sleep(1000)

    child = spawn(keeper)
    kill(child)
    run_the_loop(3)
    assert not child.dead
    kept.clear()
    run_the_loop(3)
    assert child.dead


def test_a_killed_one_that_has_ended_leaves_nothing_behind() -> None:
    child = spawn(lasa.sleep, 1000)
    kill(child)
    hub = _hub.scheduler()
    assert hub.kills._thrown == {}
    assert not hub.kills._before_poll.active


def test_a_swallowed_kill_of_gevents_own_comes_once() -> None:
    seen: list[str] = []

    def stubborn() -> None:
        try:
            lasa.sleep(1000)
        except gevent.GreenletExit:
            seen.append("swallowed")
        lasa.sleep(0.002)
        seen.append("went on")

    child = spawn(stubborn)
    assert child.greenlet is not None
    gevent.kill(child.greenlet)
    wait(child)
    assert seen == ["swallowed", "went on"]


def test_the_worker_of_a_killed_one_is_used_again() -> None:
    settle()
    child = spawn(lasa.sleep, 1000)
    worker = id(child.greenlet)
    kill(child)
    settle()
    other = spawn(lasa.sleep, 1000)
    assert id(other.greenlet) == worker
    kill(other)
    assert isinstance(thread.ThreadKilled(), gevent.GreenletExit)
