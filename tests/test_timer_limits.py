# mypy: disable-error-code="func-returns-value"
# Lambdas here are often several calls in a row, some of which return nothing.
"""How many timers there may be, how they end with the program, and what their arguments may be."""

import logging
from typing import Any

import pytest

import lasa
from lasa import coroutine, semaphore, thread
from lasa.timer import Calendar, Timer, at, every, kill, pending_count, running_count, set_limits
from tests.calendars import make
from tests.helpers import settle

# Limits and counts


def test_more_than_max_pending_timers_are_refused() -> None:
    set_limits(max_pending=2)
    timers = [make(at(10, print)), make(every(10, print))]
    assert at(10, print) == (None, "too many pending timers")
    assert every(10, print) == (None, "too many pending timers")
    kill(timers.pop())
    timers.append(make(at(10, print)))
    for each in timers:
        kill(each)


def test_the_limits_are_1024_and_256(fresh_calendar: Calendar) -> None:
    assert (fresh_calendar.max_pending, fresh_calendar.max_running) == (1024, 256)
    timers = [make(at(10, print)) for _ in range(1024)]
    assert at(0, print) == (None, "too many pending timers")
    for each in timers:
        kill(each)


def test_a_callback_beyond_max_running_is_dropped_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    set_limits(max_running=2)
    sema, _ = semaphore.new(0)
    seen: list[int] = []

    def callback(premature: bool, number: int) -> None:
        seen.append(number)
        sema.wait(10)

    for number in range(3):
        make(at(0, callback, number))
    lasa.sleep(0.001)
    assert (seen, running_count(), pending_count()) == ([0, 1], 2, 0)
    where = f"@{__file__}:{callback.__code__.co_firstlineno}"
    text = f"lua failed to run timer with function defined at {where}: 2 lua_max_running_timers are not enough"
    assert caplog.record_tuples == [("lasa.timer", logging.CRITICAL, text)]
    sema.post(2)
    settle()


def test_every_survives_ticks_that_were_dropped() -> None:
    set_limits(max_running=1)
    sema, _ = semaphore.new(0)
    seen: list[int] = []
    ticking = make(every(0.001, lambda premature: (seen.append(1), sema.wait(10))))
    lasa.sleep(0.006)
    assert (len(seen), pending_count()) == (1, 1)
    sema.post()
    lasa.sleep(0.004)
    kill(ticking)
    assert len(seen) == 2
    sema.post()


@pytest.mark.parametrize("limits", [{"max_pending": 0}, {"max_running": -1}])
def test_a_limit_below_one_raises(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"^lasa\.timer\.set_limits\(\): positive number required, got "):
        set_limits(**limits)


def test_inside_its_callback_an_at_timer_is_running_and_an_every_timer_is_pending_again() -> None:
    seen: list[Any] = []

    def look(premature: bool, name: str) -> None:
        seen.append((name, running_count(), pending_count()))

    make(at(0, look, "at"))
    lasa.sleep(0.001)
    ticking = make(every(0.001, look, "every"))
    while len(seen) < 2:
        lasa.sleep(0.001)
    kill(ticking)
    assert seen[:2] == [("at", 1, 0), ("every", 1, 1)]


@pytest.mark.parametrize("spawner", ["thread", "coroutine", "thread of a thread", "killed thread"])
def test_light_threads_that_a_callback_spawned_count_as_running(spawner: str) -> None:
    sema, _ = semaphore.new(0)

    def spawn_waiter() -> thread.Thread:
        return thread.spawn(sema.wait, 10)

    def callback(premature: bool) -> None:
        if spawner == "thread":
            spawn_waiter()
        elif spawner == "coroutine":
            coroutine.wrap(spawn_waiter)()
        elif spawner == "thread of a thread":
            thread.spawn(spawn_waiter)
        else:
            thread.kill(thread.spawn(lambda: (spawn_waiter(), lasa.sleep(1000))))

    make(at(0, callback))
    lasa.sleep(0.001)
    assert (running_count(), pending_count()) == (1, 0)
    sema.post()
    settle()
    assert running_count() == 0


def test_timers_made_by_a_callback_are_pending_not_running() -> None:
    made: list[Timer] = []
    make(at(0, lambda premature: made.append(make(at(10, print)))))
    lasa.sleep(0.001)
    assert (running_count(), pending_count()) == (0, 1)
    kill(made[0])


pytestmark = pytest.mark.usefixtures("fresh_calendar")


# The end


def test_expire_all_fires_what_is_pending_early_and_says_so(fresh_calendar: Calendar) -> None:
    seen: list[Any] = []

    def note(premature: bool, name: str) -> None:
        seen.append((name, premature))

    make(at(20, note, "second"))
    make(at(10, note, "first"))
    make(every(30, note, "every"))
    make(at(0, note, "zero"))
    kill(make(at(5, note, "killed")))
    fresh_calendar.expire_all()
    assert seen == [("zero", False), ("first", True), ("second", True), ("every", True)]
    assert pending_count() == 0


def test_once_the_program_ends_only_zero_delays_are_taken(fresh_calendar: Calendar) -> None:
    seen: list[bool] = []
    fresh_calendar.expire_all()
    assert at(0.001, seen.append) == (None, "process exiting")
    assert every(0.001, seen.append) == (None, "process exiting")
    make(at(0, seen.append))
    lasa.sleep(0.001)
    assert seen == [False]


def test_a_premature_callback_may_wait_and_kill_other_timers(fresh_calendar: Calendar) -> None:
    seen: list[Any] = []
    later: list[Timer] = []
    make(at(10, lambda premature: (kill(later[0]), lasa.sleep(0.001), seen.append(premature))))
    later.append(make(at(20, lambda premature: seen.append("other"))))
    fresh_calendar.expire_all()
    assert (seen, pending_count(), running_count()) == ([], 0, 1)
    lasa.sleep(0.003)
    assert seen == [True]


def test_on_quiet_is_called_when_nothing_is_pending_or_running_any_more(fresh_calendar: Calendar) -> None:
    seen: list[tuple[int, int]] = []
    fresh_calendar.on_quiet = lambda: seen.append((pending_count(), running_count()))
    make(at(0, lambda premature: lasa.sleep(0.002)))
    make(at(0, lambda premature: None))
    lasa.sleep(0.001)
    assert seen == []
    lasa.sleep(0.003)
    assert seen[0] == (0, 0)
    del seen[:]
    kill(make(at(10, print)))
    assert seen == [(0, 0)]


# Arguments


@pytest.mark.parametrize("make_timer", [at, every])
def test_too_few_arguments_raise(make_timer: Any) -> None:
    for arguments, got in (((), "no arguments"), ((1,), "the delay alone")):
        with pytest.raises(TypeError, match=f"takes a delay in seconds, a callback and its arguments, got {got}"):
            make_timer(*arguments)


@pytest.mark.parametrize("make_timer", [at, every])
@pytest.mark.parametrize("wrong", [None, True, "soon", [], float("nan")])
def test_a_delay_that_is_no_number_raises(make_timer: Any, wrong: Any) -> None:
    with pytest.raises(TypeError, match="takes a number of seconds, got"):
        make_timer(wrong, print)


@pytest.mark.parametrize("make_timer", [at, every])
def test_a_callback_that_is_not_callable_raises(make_timer: Any) -> None:
    with pytest.raises(TypeError, match="takes a function, got"):
        make_timer(1, "print")


@pytest.mark.parametrize("delay", [0, 0.0009, -1, "0"])
def test_every_needs_a_millisecond_at_least(delay: Any) -> None:
    with pytest.raises(ValueError, match="delay cannot be zero"):
        every(delay, print)
