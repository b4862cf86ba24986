# mypy: disable-error-code="func-returns-value"
# Lambdas here are often several calls in a row, some of which return nothing.
"""Who waits, first come, first served: nothing is lost, nothing is given twice, whoever is killed or gives up."""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent import monkey
from hypothesis import given, settings
from hypothesis import strategies as st

import lasa
from lasa import _hub
from lasa._hub import Event, Turn, WaitQueue, WakeUpCalls
from lasa.thread import Thread, kill, spawn, wait
from tests.helpers import no_switch, settle
from tests.interruptions import Interrupted, interrupt

STEPS = 16

sleep_as_the_system_does: Callable[[float], None] = monkey.get_original("time", "sleep")


def odd(gift: int) -> bool:
    return gift % 2 == 1


def even(gift: int) -> bool:
    return gift % 2 == 0


# Units and gifts


def test_units_go_to_those_who_wait_in_order_and_then_to_newcomers() -> None:
    queue: WaitQueue[Any] = WaitQueue()
    seen: list[str] = []
    children = [spawn(lambda name=name: queue.wait(10) and seen.append(name)) for name in "abc"]
    with no_switch():
        queue.post(2)
        assert (queue.free, len(queue.waiting), queue.granted) == (0, 1, 2)
    settle()
    assert seen == ["a", "b"]
    queue.post(2)
    assert queue.wait(10) is True
    assert seen == ["a", "b", "c"]
    for child in children:
        wait(child)
    assert (queue.free, len(queue.waiting), queue.granted) == (0, 0, 0)


def test_a_gift_goes_to_the_first_who_accepts_it() -> None:
    queue: WaitQueue[int] = WaitQueue()
    children = [spawn(lambda accepts=accepts: queue.wait(10, accepts=accepts)) for accepts in (even, odd, None)]
    with no_switch():
        assert queue.offer(3)
        assert queue.offer(5)
        assert not queue.offer(7)
        assert queue.offer(8)
        assert not queue.offer(8)
    assert [wait(child) for child in children] == [(True, 8), (True, 3), (True, 5)]


def test_the_time_is_over_only_for_who_was_given_nothing() -> None:
    queue: WaitQueue[int] = WaitQueue()
    assert queue.wait(0.002) is None
    late = spawn(queue.wait, 0.002)
    queue.offer(1)
    sleep_as_the_system_does(0.004)
    assert wait(late) == (True, 1)
    assert not queue.waiting


def test_what_a_killed_one_was_given_is_given_back_once() -> None:
    queue: WaitQueue[int] = WaitQueue()
    back: list[Any] = []
    first, second = [spawn(lambda: queue.wait(10, give_back=back.append)) for _ in range(2)]
    queue.offer(1)
    queue.post()
    kill(first)
    kill(second)
    assert back == [1, True]
    assert (queue.free, len(queue.waiting), queue.granted) == (0, 0, 0)


def test_where_nobody_can_wait_nothing_is_taken() -> None:
    queue: WaitQueue[int] = WaitQueue(1)
    errors: list[BaseException] = []

    def in_hub() -> None:
        try:
            queue.wait(10)
        except BaseException as error:
            errors.append(error)

    _hub.call_soon(in_hub)
    settle()
    assert [type(error).__name__ for error in errors] == ["BlockingSwitchOutError"]
    assert (queue.free, len(queue.waiting), queue.granted) == (1, 0, 0)


def test_a_post_from_another_os_thread_is_seen_at_once() -> None:
    queue: WaitQueue[int] = WaitQueue()
    began_s = time.monotonic()
    _hub.start_os_thread(lambda: (sleep_as_the_system_does(0.01), queue.post(2)), "posts")
    assert [queue.wait(20), queue.wait(20)] == [True, True]
    assert time.monotonic() - began_s < 10


# Against a model


class Model:
    """Units, and a queue of who is to be given what; whoever was given something has it at the next turn."""

    def __init__(self, units: int) -> None:
        self.units = units
        self.waiting: deque[tuple[int, Callable[[int], bool] | None]] = deque()
        self.given: deque[tuple[int, Any]] = deque()
        self.has: list[tuple[int, Any]] = []
        self.back: list[int] = []

    def serve(self) -> None:
        while self.units and self.waiting:
            self.units -= 1
            self.given.append((self.waiting.popleft()[0], True))

    def offer(self, gift: int) -> bool:
        for entry in self.waiting:
            if entry[1] is None or entry[1](gift):
                self.waiting.remove(entry)
                self.given.append((entry[0], gift))
                return True
        return False

    def leave(self, name: int) -> None:
        for entry in [entry for entry in self.waiting if entry[0] == name]:
            self.waiting.remove(entry)
        for taken in [entry for entry in self.given if entry[0] == name]:
            self.given.remove(taken)
            if taken[1] is True:
                self.units += 1
                self.serve()
            else:
                self.back.append(taken[1])

    def turn(self) -> None:
        self.has += self.given
        self.given.clear()


ACTIONS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([None, odd, even])),
    st.tuples(st.just("post"), st.integers(1, 3)),
    st.tuples(st.just("offer"), st.integers(0, 9)),
    st.tuples(st.sampled_from(["kill", "throw"]), st.integers(0, 99)),
    st.tuples(st.just("turn"), st.none()),
)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2), st.lists(ACTIONS, max_size=40))
def test_any_sequence_of_calls_behaves_as_the_model(units: int, actions: list[Any]) -> None:
    queue: WaitQueue[int] = WaitQueue(units)
    model = Model(units)
    has: list[tuple[int, Any]] = []
    back: list[int] = []
    waiters: dict[int, Thread] = {}

    def give_back(gift: Any) -> None:
        if gift is True:
            queue.post()
        else:
            back.append(gift)

    def waiter(name: int, accepts: Any) -> None:
        try:
            has.append((name, queue.wait(60, accepts=accepts, give_back=give_back)))
        except gevent.Timeout:
            pass

    for number, (action, detail) in enumerate(actions):
        if action == "wait":
            waiters[number] = spawn(waiter, number, detail)
            model.waiting.append((number, detail))
            model.serve()
        elif action == "post":
            queue.post(detail)
            model.units += detail
            model.serve()
        elif action == "offer":
            assert queue.offer(detail) is model.offer(detail)
        elif action == "turn":
            settle()
            model.turn()
        else:
            alive = [name for name, child in waiters.items() if not child.is_over]
            if not alive:
                continue
            name = alive[detail % len(alive)]
            model.leave(name)
            child = waiters.pop(name)
            if action == "kill":
                assert kill(child) == (1, None)
            else:  # into the same wait, where the one that was given something has not gone on yet
                _hub.kill_greenlet(child.greenlet, gevent.Timeout())  # type: ignore[arg-type]
        assert (queue.free, len(queue.waiting)) == (model.units, len(model.waiting))
        assert queue.granted == sum(gift is True for _, gift in model.given)
        assert back == model.back
    settle()
    model.turn()
    assert has == model.has
    for child in waiters.values():
        kill(child)
    assert (len(queue.waiting), queue.granted) == (0, 0)


@pytest.mark.parametrize("seed", range(8))
def test_with_timeouts_kills_and_other_os_threads_each_unit_is_used_once(seed: int) -> None:
    dice = random.Random(seed)
    queue: WaitQueue[int] = WaitQueue()
    posts, used = 300, []
    posters = 3

    def post_all() -> None:
        for _ in range(posts):
            queue.post()

    def take(timeout_s: float) -> None:
        if queue.wait(timeout_s) is not None:
            used.append(1)

    for _ in range(posters):
        _hub.start_os_thread(post_all, "posts")
    children: list[Thread] = []
    deadline_s = time.monotonic() + 30
    while len(used) < posts * posters and time.monotonic() < deadline_s:
        children = [child for child in children if not child.is_over]
        if len(children) < 20:
            children.append(spawn(take, dice.choice([0.0005, 0.002, 1.0])))
        if dice.random() < 0.2 and children:
            kill(children.pop(dice.randrange(len(children))))
        if dice.random() < 0.3:
            lasa.sleep(0)
    for child in children:
        kill(child)
    assert len(used) == posts * posters
    assert (queue.free, len(queue.waiting), queue.granted) == (0, 0, 0)


# In the middle of it


def fail() -> None:
    raise Interrupted


@pytest.fixture
def quiet(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Show nothing of what gevent tells of exceptions that left its callbacks."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
    capfd.readouterr()


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("kills", [False, True], ids=["waits", "kill"])
@pytest.mark.parametrize("raises", [True, False], ids=["raises", "posts"])
def test_a_signal_handler_that_posts_or_raises_anywhere_loses_no_unit(kills: bool, raises: bool) -> None:
    here: list[WaitQueue[Any]] = []
    posted: list[int] = []
    used: list[Any] = []

    def take(queue: WaitQueue[Any]) -> None:
        if queue.wait(0.01) is not None:
            used.append(1)

    def scenario() -> int:
        queue: WaitQueue[Any] = WaitQueue()
        here[:] = [queue]
        children = [spawn(take, queue) for _ in range(3)]
        for _ in range(2):
            queue.free += 1  # as post(), at whose very beginning nothing is posted yet
            posted.append(1)
            queue.serve()
        if kills:
            kill(children[0])  # which was given one
        for child in children:
            wait(child)
        return len(used)

    def post() -> None:
        for queue in here:  # which is not there at the very start
            queue.post()
            posted.append(1)

    action = fail if raises else post
    count, _, outcome = interrupt(scenario, -1, action)
    assert outcome == 2
    places = set(range(1, count + 1, max(1, count // STEPS)))
    if kills and raises:
        places.update(range(count // 2, count * 3 // 5))  # the kill itself, in which the unit is given back
    for at in sorted(places):
        for each in (here, posted, used):
            each.clear()
        _, place, outcome = interrupt(scenario, at, action)
        queue = here[0] if here else WaitQueue()
        assert isinstance(outcome, int | Interrupted), (at, place, outcome)
        assert len(posted) == len(used) + queue.free, (at, place, outcome)
        assert (len(queue.waiting), queue.granted) == (0, 0), (at, place)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("action", ["post", "raise"])
def test_a_wait_that_a_signal_handler_meets_leaves_nothing_in_the_run_queue(action: str) -> None:
    here: list[WaitQueue[Any]] = []
    begins_with = 0 if action == "post" else 1

    def scenario() -> bool:
        queue: WaitQueue[Any] = WaitQueue(begins_with)
        here[:] = [queue]
        try:
            queue.wait(0.002)
        except Interrupted:
            pass
        return _hub.getcurrent() in _hub.scheduler().ready

    def act() -> None:
        if action == "raise":
            raise Interrupted
        for queue in here:
            queue.post()

    count, _, outcome = interrupt(scenario, -1, act)
    assert outcome is False
    for at in range(1, count + 1):
        here.clear()
        _, place, outcome = interrupt(scenario, at, act)
        assert outcome is False or isinstance(outcome, Interrupted), (at, place, outcome)


@pytest.mark.usefixtures("quiet")
def test_a_turn_that_a_killed_one_was_handed_is_another_s_or_free_wherever_a_signal_handler_raises() -> None:
    here: list[Turn] = []

    def scenario() -> bool:
        turn = Turn()
        here[:] = [turn]
        turn.take()
        child = spawn(turn.take)
        turn.give_back()
        kill(child)
        return turn.is_taken

    count, _, outcome = interrupt(scenario, -1, fail)
    assert outcome is False
    for at in range(1, count + 1):
        here.clear()
        _, place, outcome = interrupt(scenario, at, fail)
        for turn in here:
            queue = turn._queue
            if not isinstance(outcome, Interrupted):
                assert outcome is False, (at, place)
                assert queue is None or (queue.free, queue.granted, len(queue.waiting)) == (0, 0, 0), (at, place)


def test_a_gift_goes_to_one_alone_where_a_signal_handler_posts_meanwhile() -> None:
    queue: WaitQueue[int] = WaitQueue()

    def accepts(gift: int) -> bool:
        queue.post()  # as a signal handler might
        return gift == 7

    children = [spawn(queue.wait, 10), spawn(lambda: queue.wait(10, accepts=accepts)), spawn(queue.wait, 10)]
    queue.waiting.rotate(-1)  # the one that accepts it stands first
    assert queue.offer(7)
    queue.post()
    assert [wait(child) for child in children] == [(True, True), (True, True), (True, 7)]
    assert (queue.free, len(queue.waiting), queue.granted) == (0, 0, 0)


def test_what_waits_is_refused_in_another_os_thread() -> None:
    queue: WaitQueue[Any] = WaitQueue()
    event = Event()
    turn = Turn()
    turn.take()
    assert wait(spawn(turn.take, 0.001)) == (True, False)  # it has a queue now
    for use in (lambda: queue.wait(1), lambda: event.wait(1), lambda: turn.take(1)):
        with pytest.raises(RuntimeError, match="belongs to the OS thread that made it"):
            lasa.to_thread(use)
    assert not queue.waiting
    event.set()
    assert lasa.to_thread(event.wait, 1) is True  # which waits for nothing


# Events


def test_an_event_lets_all_go_on_who_wait_and_all_who_come_later() -> None:
    event = Event()
    seen: list[str] = []
    children = [spawn(lambda name=name: (event.wait(10), seen.append(name))) for name in "abc"]
    assert (event.is_set, event.is_awaited) == (False, True)
    with no_switch():
        event.set()
        event.set()
        assert event.wait(0.001)
    assert (event.is_set, event.is_awaited, seen) == (True, False, [])
    for child in children:
        wait(child)
    assert seen == ["a", "b", "c"]


def test_an_event_can_happen_again_and_those_who_were_told_go_on_all_the_same() -> None:
    event = Event()
    child = spawn(event.wait, 10)
    event.set()
    event.clear()
    assert wait(child) == (True, True)
    assert not event.is_set
    assert event.wait(0.002) is False
    killed = spawn(event.wait, 10)
    event.set()
    event.clear()
    kill(killed)
    assert not event.is_set


def test_an_event_may_be_set_by_another_os_thread_and_by_nobody() -> None:
    event = Event()
    _hub.start_os_thread(lambda: (sleep_as_the_system_does(0.01), event.set()), "sets")
    assert event.wait(20)

    def wait_for_nobody() -> str:
        try:
            Event().wait(None)
        except _hub.LoopExit:  # nothing can ever happen in this hub
            return "for ever"
        finally:
            _hub.end_hub()
        return "not at all"

    outcomes = lasa.channel(1)
    _hub.start_os_thread(lambda: outcomes.send(wait_for_nobody()), "waits")
    assert outcomes.receive(20) == ("for ever", None)


def test_whoever_waited_when_another_os_thread_set_it_goes_on_though_it_is_cleared_at_once() -> None:
    event = Event()
    children = [spawn(event.wait, 10) for _ in range(2)]
    is_set: list[bool] = []
    _hub.start_os_thread(lambda: (event.set(), is_set.append(True)), "sets")
    while not is_set:
        sleep_as_the_system_does(0.001)  # this hub does not answer its bell meanwhile
    event.clear()
    assert (event.is_set, event.is_awaited) == (False, False)
    assert [wait(child) for child in children] == [(True, True)] * 2


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "another OS thread"])
def test_no_wait_for_a_condition_misses_its_change(elsewhere: bool) -> None:
    event = Event()
    values: list[int] = []
    seen: list[int] = []
    waits: list[bool] = []

    def follow() -> None:
        while True:
            event.clear()
            seen.append(len(values))
            if seen[-1] == 50:
                return
            waits.append(event.wait(10))

    def change(pause: Callable[[], object]) -> None:
        for number in range(50):
            values.append(number)
            event.set()
            if number % 3:
                pause()

    def all_have_seen_it() -> None:
        settle()
        assert seen[-3:] == [len(values)] * 3

    followers = [spawn(follow) for _ in range(3)]
    if elsewhere:
        _hub.start_os_thread(lambda: change(lambda: sleep_as_the_system_does(0.0005)), "changes")
    else:
        change(all_have_seen_it)
    for each in followers:
        assert wait(each) == (True, None)
    assert all(waits)
    assert len(waits) >= 3
    assert seen == sorted(seen)


# Turns


def test_one_has_the_turn_at_a_time_in_order() -> None:
    turn = Turn()
    course: list[str] = []

    def work(name: str) -> None:
        turn.take()
        course.append(f"{name} begins")
        lasa.sleep(0)
        course.append(f"{name} ends")
        turn.give_back()

    for child in [spawn(work, name) for name in "abc"]:
        wait(child)
    assert course == [f"{name} {what}" for name in "abc" for what in ("begins", "ends")]
    assert not turn.is_taken


def test_a_turn_that_does_not_come_in_time_and_one_that_the_caller_has() -> None:
    turn = Turn()
    assert turn.take()
    with pytest.raises(RuntimeError, match="has its turn already"):
        turn.take()
    assert wait(spawn(turn.take, 0.002)) == (True, False)
    turn.give_back()
    assert not turn.is_taken


# Of any OS thread


def test_all_look_again_whatever_os_threads_they_wait_in() -> None:
    calls = WakeUpCalls()
    is_over: list[bool] = []
    results = lasa.channel(3)

    def follow(*, blocks: bool) -> None:
        while not is_over:
            calls.wait(lambda: bool(is_over), None, blocks=blocks)
        results.send(_hub.has_hub())

    _hub.start_os_thread(lambda: follow(blocks=False), "plain")
    program = lasa.detach(content=lambda: follow(blocks=True))
    child = spawn(follow, blocks=False)
    lasa.sleep(0.01)
    is_over.append(True)
    calls.ring()
    assert wait(child) == (True, None)
    assert program.join(10) == (True, None)
    assert sorted(results.receive(10)[0] for _ in range(3)) == [False, True, True]


def test_a_wait_for_what_is_over_does_not_wait_and_one_that_ends_leaves_nothing() -> None:
    calls = WakeUpCalls()
    with no_switch():
        calls.wait(lambda: True, None)
    calls.wait(lambda: False, 0.001)
    calls.wait(lambda: False, 0.001, blocks=True)
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.001):
        calls.wait(lambda: False, 10)
    assert not calls._calls
