# mypy: disable-error-code="func-returns-value"
# Lambdas here are often several calls in a row, some of which return nothing.
import random
import time
from collections import deque
from typing import Any

import gevent
import pytest
from gevent import monkey
from hypothesis import given, settings
from hypothesis import strategies as st

import lasa
from lasa import semaphore
from lasa._hub import start_os_thread
from lasa.coroutine import yield_
from lasa.semaphore import Semaphore
from lasa.thread import Thread, kill, spawn, status, wait
from tests.helpers import no_switch, settle

sleep_as_the_system_does: Any = monkey.get_original("time", "sleep")


def new(resources: int = 0) -> Semaphore:
    sema, err = semaphore.new(resources)
    assert err is None
    return sema


def test_wait_takes_what_is_there_without_a_switch() -> None:
    sema = new(2)
    with no_switch():
        assert sema.wait(0) == (True, None)
        assert sema.wait(10) == (True, None)
        assert sema.wait(0) == (None, "timeout")
        assert sema.post() is True
        assert sema.count() == 1


def test_a_new_semaphore_is_empty() -> None:
    sema, err = semaphore.new()
    assert (sema.count(), err) == (0, None)


def test_a_wait_that_is_not_served_times_out() -> None:
    sema = new()
    before = lasa.monotonictime()
    assert sema.wait(0.003) == (None, "timeout")
    assert lasa.monotonictime() - before >= 2500
    assert sema.count() == 0


def test_a_timeout_under_a_millisecond_does_not_wait() -> None:
    with no_switch():
        assert new().wait(0.0009) == (None, "timeout")


def test_post_wakes_the_waiter_only_after_the_poster_waits() -> None:
    sema, seen = new(), []
    child = spawn(lambda: seen.append(sema.wait(10)))
    with no_switch():
        sema.post()
        assert sema.count() == 0  # one resource, one waiter that has not gone on yet
    yield_()
    spawn(yield_)
    assert seen == []  # those that give way go on before those that are woken
    settle()
    assert seen == [(True, None)]
    assert sema.count() == 0
    wait(child)


def test_waiters_are_served_first_in_first_out() -> None:
    sema, seen = new(), []
    children = [spawn(lambda name=name: (sema.wait(10), seen.append(name))) for name in "abcde"]
    sema.post(2)
    settle()
    assert seen == ["a", "b"]
    assert sema.count() == -3
    sema.post(3)
    for child in children:
        wait(child)
    assert seen == list("abcde")


def test_a_newcomer_does_not_overtake_a_waiter_who_was_posted_to() -> None:
    sema, seen = new(), []
    first = spawn(lambda: (sema.wait(10), seen.append("first")))
    sema.post()
    with no_switch():
        assert sema.wait(0) == (None, "timeout")
    second = spawn(lambda: (sema.wait(10), seen.append("second")))
    settle()
    assert seen == ["first"]
    sema.post()
    wait(first)
    wait(second)
    assert seen == ["first", "second"]


def test_a_newcomer_with_timeout_0_gets_nothing_behind_a_queue_even_if_enough_was_posted() -> None:
    sema = new()
    child = spawn(sema.wait, 10)
    sema.post(2)
    assert sema.count() == 1
    assert sema.wait(0) == (None, "timeout")
    assert wait(child) == (True, True, None)
    assert sema.wait(0) == (True, None)


def test_a_newcomer_behind_a_queue_is_served_from_what_was_posted_before_it_came() -> None:
    sema = new()
    child = spawn(sema.wait, 10)
    sema.post(2)
    assert sema.wait(10) == (True, None)
    assert wait(child) == (True, True, None)
    assert sema.count() == 0


def test_a_waiter_killed_after_the_post_leaves_its_resource_to_the_next() -> None:
    sema, seen = new(), []
    first, second = [spawn(lambda name=name: (sema.wait(10), seen.append(name))) for name in ("first", "second")]
    sema.post()
    kill(first)
    assert sema.count() == 0
    assert wait(second)[0]
    assert seen == ["second"]


def test_a_timeout_thrown_after_the_post_leaves_the_resource_to_the_next() -> None:
    sema = new()

    def interrupted() -> str:
        try:
            sema.wait(10)
        except gevent.Timeout:
            return "interrupted"
        return "served"

    first, second = spawn(interrupted), spawn(sema.wait, 10)
    assert first.greenlet is not None
    settle()
    gevent.get_hub().loop.run_callback(first.greenlet.throw, gevent.Timeout())  # comes before the waiters' turn
    sema.post()
    settle()
    assert wait(first) == (True, "interrupted")
    assert wait(second) == (True, True, None)
    assert sema.count() == 0


def test_a_gevent_timeout_around_wait_leaves_the_queue() -> None:
    sema = new()
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.001):
        sema.wait(10)
    assert sema.count() == 0


def test_a_waiter_that_is_woken_in_the_turn_of_its_timeout_takes_the_resource() -> None:
    sema = new()
    child = spawn(sema.wait, 0.001)
    ends = gevent.get_hub().loop.timer(0.001)
    ends.start(sema.post)
    ok, *result = wait(child)
    settle()
    assert ok
    assert sema.count() == (0 if result[0] else 1)
    ends.close()


def test_many_posts_for_one_waiter_leave_the_rest() -> None:
    sema = new()
    child = spawn(sema.wait, 10)
    for _ in range(5):
        sema.post()
    assert sema.count() == 4
    wait(child)
    assert sema.count() == 4


def test_thousands_of_waiters_are_served_in_order() -> None:
    sema, seen = new(), []
    children = [spawn(lambda number=number: (sema.wait(60), seen.append(number))) for number in range(5000)]
    for _ in range(50):
        sema.post(100)
        yield_()
    for child in children:
        wait(child)
    assert seen == list(range(5000))


def test_two_who_wake_each_other_for_ever_do_not_starve_the_others() -> None:
    ping, pong = new(), new()

    def player(mine: Semaphore, other: Semaphore) -> None:
        while True:
            other.post()
            mine.wait(10)

    players = [spawn(player, ping, pong), spawn(player, pong, ping)]
    with gevent.Timeout(5):
        lasa.sleep(0.001)
    for each in players:
        kill(each)


# Arguments


@pytest.mark.parametrize("wrong", [-1, -0.001, "-1", -1e300])
def test_waiting_a_negative_time_raises(wrong: Any) -> None:
    with pytest.raises(ValueError, match="no negative number"):
        new(1).wait(wrong)


@pytest.mark.parametrize("wrong", [None, True, "soon", [], float("nan")])
def test_waiting_for_what_is_no_number_raises(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"\(\) takes a number( of seconds)?, got \w+$"):
        new(1).wait(wrong)


def test_a_number_like_string_is_a_timeout() -> None:
    assert new(1).wait(" 0x1 ") == (True, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [0, -1, 0.5, "0"])
def test_posting_less_than_one_raises(wrong: Any) -> None:
    sema = new()
    with pytest.raises(ValueError, match="positive number required"):
        sema.post(wrong)
    assert sema.count() == 0


def test_a_negative_start_raises() -> None:
    with pytest.raises(ValueError, match="no negative number"):
        semaphore.new(-1)


def test_a_wait_of_years_is_no_error() -> None:
    sema = new()
    child = spawn(sema.wait, 1e300)
    sema.post()
    assert wait(child) == (True, True, None)


# Against a model


class Model:
    """Resources and a queue; whoever is at the head and has a resource is served at the next turn."""

    def __init__(self, resources: int) -> None:
        self.resources = resources
        self.queue: deque[int] = deque()
        self.served: list[int] = []

    def wait(self, name: int) -> None:
        if self.resources > 0 and not self.queue:
            self.resources -= 1
            self.served.append(name)
        else:
            self.queue.append(name)

    def leave(self, name: int) -> None:
        if name in self.queue:
            self.queue.remove(name)

    def turn(self, at_most: int = 1000) -> None:
        while self.queue and self.resources > 0 and at_most:
            at_most -= 1
            self.resources -= 1
            self.served.append(self.queue.popleft())

    @property
    def count(self) -> int:
        return self.resources - len(self.queue)


STEPS = st.one_of(
    st.just(("wait",)),
    st.just(("try",)),
    st.just(("turn",)),
    st.tuples(st.just("post"), st.integers(1, 4)),
    st.just(("kill",)),
)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 3), st.lists(STEPS, max_size=40))
def test_any_sequence_of_calls_behaves_as_the_model(resources: int, steps: list[Any]) -> None:
    sema, model, served = new(resources), Model(resources), []
    waiters: dict[int, Thread] = {}

    def waiter(name: int) -> None:
        if sema.wait(60) == (True, None):
            served.append(name)

    for number, (step, *details) in enumerate(steps):
        name = random.Random(number).choice(list(waiters)) if waiters else None
        if step == "wait":
            # The newcomer runs at once, then the caller, before those who were woken.
            model.wait(number)
            waiters[number] = spawn(waiter, number)
        elif step == "try":
            is_free = model.resources > 0 and not model.queue
            assert sema.wait(0) == ((True, None) if is_free else (None, "timeout"))
            model.resources -= is_free
        elif step == "turn":
            settle()
            model.turn()
        elif step == "post":
            sema.post(details[0])
            model.resources += details[0]
        elif name is not None and status(waiters[name]) == "running":
            child = waiters.pop(name)
            model.leave(name)
            assert kill(child) == (1, None)
        assert sema.count() == model.count
    settle()
    model.turn()
    assert served == model.served
    assert sema.count() == model.count
    for child in waiters.values():
        kill(child)
    assert sema.count() == max(model.count, model.resources)


def test_a_post_from_another_os_thread_wakes_the_waiter_at_once() -> None:
    sema = new()
    started_s = time.monotonic()
    start_os_thread(lambda: (sleep_as_the_system_does(0.02), sema.post(2)), "posts")
    assert sema.wait(10) == (True, None)
    assert sema.wait(10) == (True, None)
    assert time.monotonic() - started_s < 5
    assert sema.count() == 0


def test_no_post_of_several_os_threads_is_lost_and_none_counts_twice() -> None:
    sema = new()
    posters, posts = 4, 500

    def post_all() -> None:
        for _ in range(posts):
            sema.post()

    takers = [spawn(lambda: sum(sema.wait(0.2)[0] or 0 for _ in range(posts))) for _ in range(3)]
    for _ in range(posters):
        start_os_thread(post_all, "posts")
    taken = [wait(taker)[1] for taker in takers]
    while sema.wait(0.1)[0]:
        taken.append(1)
    assert sum(taken) == posters * posts
    assert sema.count() == 0


def test_a_semaphore_is_waited_for_in_its_own_os_thread_alone() -> None:
    sema = new(1)
    said: list[str] = []

    def other() -> None:
        try:
            sema.wait(1)
        except RuntimeError as error:
            said.append(str(error))

    lasa.to_thread(other)
    assert len(said) == 1
    assert "OS thread" in said[0]
    assert "lasa.channel" in said[0]
    assert sema.count() == 1
