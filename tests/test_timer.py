# mypy: disable-error-code="func-returns-value"
# Lambdas here are often several calls in a row, some of which return nothing.
import contextvars
from typing import Any

import gevent
import pytest

import lasa
from lasa import coroutine, semaphore, thread
from lasa.timer import Calendar, Timer, at, every, kill, pending_count, running_count
from tests._hub.test_core import in_os_thread
from tests.calendars import make
from tests.helpers import no_switch, settle

COLOUR: contextvars.ContextVar[str] = contextvars.ContextVar("COLOUR", default="none")

pytestmark = pytest.mark.usefixtures("fresh_calendar")


# When it fires


def test_the_callback_gets_premature_and_the_arguments_in_a_light_thread_of_its_own() -> None:
    seen: list[Any] = []
    make(at(0.001, lambda *arguments: seen.append((arguments, coroutine.running())), "a", None))
    with no_switch():
        assert (seen, pending_count()) == ([], 1)
    lasa.sleep(0.003)
    ((arguments, job),) = seen
    assert arguments == (False, "a", None)
    assert type(arguments[0]) is bool
    assert isinstance(job, thread.Thread)
    assert (thread.status(job), thread.kill(job)) == ("dead", (None, "not user thread"))


@pytest.mark.parametrize("delay", [0, 0.0009, -1, -1e300, "0"])
def test_no_delay_fires_once_the_creator_yields_and_never_before(delay: Any) -> None:
    seen: list[bool] = []
    with no_switch():
        make(at(delay, seen.append))
        assert seen == []
    lasa.sleep(0)
    settle()
    assert seen == [False]


def test_a_number_like_string_is_a_delay() -> None:
    seen: list[bool] = []
    make(at(" 1e-3 ", seen.append))  # type: ignore[arg-type]
    lasa.sleep(0.003)
    assert seen == [False]


def test_a_delay_beyond_all_clocks_is_no_error() -> None:
    kill(make(at(1e300, print)))
    kill(make(at(float("inf"), print)))


def test_equal_delays_fire_in_the_order_in_which_they_were_made() -> None:
    seen: list[int] = []
    for number in range(100):
        make(at(0.002, lambda premature, number: seen.append(number), number))
    lasa.sleep(0.006)
    assert seen == list(range(100))


def test_shorter_delays_fire_first() -> None:
    seen: list[float] = []
    for delay in (0.004, 0.001, 0, 0.003, 0.002):
        make(at(delay, lambda premature, delay: seen.append(delay), delay))
    lasa.sleep(0.008)
    assert seen == [0, 0.001, 0.002, 0.003, 0.004]


def test_zero_delay_timers_that_make_each_other_do_not_starve_the_rest() -> None:
    seen: list[bool] = []

    def again(premature: bool) -> None:
        seen.append(premature)
        if not stop:
            make(at(0, again))

    stop: list[int] = []
    make(at(0, again))
    with gevent.Timeout(5):
        lasa.sleep(0.003)
    stop.append(1)
    lasa.sleep(0.001)
    settle()
    assert len(seen) > 2
    assert not any(seen)


def test_a_slow_callback_does_not_hold_up_the_others() -> None:
    seen: list[str] = []
    is_quick_done, _ = semaphore.new(0)
    make(at(0.001, lambda premature: (is_quick_done.wait(10), seen.append("slow"))))
    make(at(0.002, lambda premature: (seen.append("quick"), is_quick_done.post())))
    lasa.sleep(0.004)
    settle()
    assert seen == ["quick", "slow"]


# every()


def test_every_ticks_until_it_is_killed_with_the_same_arguments() -> None:
    seen: list[Any] = []
    ticking = make(every(0.001, lambda *arguments: seen.append(arguments), "x"))
    while len(seen) < 3:
        lasa.sleep(0.001)
    with no_switch():
        kill(ticking)
        assert pending_count() == 0
    many = len(seen)
    lasa.sleep(0.005)
    assert seen == [(False, "x")] * many


def test_every_does_not_drift_by_what_the_callbacks_take() -> None:
    ticks: list[float] = []

    def slow(premature: bool) -> None:
        ticks.append(lasa.monotonictime() / 1000)
        lasa.sleep(0.005)

    start = lasa.monotonictime() / 1000
    ticking = make(every(0.010, slow))
    while len(ticks) < 5:
        lasa.sleep(0.001)
    kill(ticking)
    lasa.sleep(0.010)
    late = [tick - start - 10 * number for number, tick in enumerate(ticks, start=1)]
    assert min(late) >= -0.5
    assert min(late) < 5  # with drift, each tick would be 5 ms later than the one before


def test_slow_callbacks_overlap() -> None:
    sema, _ = semaphore.new(0)
    ticking = make(every(0.001, lambda premature: sema.wait(10)))
    while running_count() < 3:
        lasa.sleep(0.001)
    kill(ticking)
    sema.post(running_count())


def test_ticks_missed_while_the_cpu_was_busy_are_not_made_up_for() -> None:
    seen: list[float] = []
    ticking = make(every(0.001, lambda premature: seen.append(lasa.monotonictime())))
    ends = lasa.monotonictime() + 20_000
    while lasa.monotonictime() < ends:
        pass
    lasa.sleep(0)
    settle()
    kill(ticking)
    assert len(seen) <= 3


# kill()


def test_a_killed_timer_never_fires() -> None:
    seen: list[bool] = []
    handle = make(at(0.001, seen.append))
    with no_switch():
        kill(handle)
    assert pending_count() == 0
    lasa.sleep(0.003)
    assert seen == []


def test_killing_twice_or_after_it_fired_has_no_effect() -> None:
    seen: list[bool] = []
    handle = make(at(0, seen.append))
    other = make(at(0.001, seen.append))
    lasa.sleep(0.003)
    kill(handle)
    kill(handle)
    kill(other)
    assert seen == [False, False]
    assert pending_count() == 0


def test_an_every_timer_killed_from_inside_its_callback_ticks_no_more() -> None:
    seen: list[bool] = []

    def once(premature: bool) -> None:
        seen.append(premature)
        kill(ticking)
        assert pending_count() == 0

    ticking = make(every(0.001, once))
    lasa.sleep(0.005)
    assert seen == [False]


def test_killing_a_timer_does_not_interrupt_its_running_callback() -> None:
    seen: list[str] = []
    handle = make(at(0, lambda premature: (lasa.sleep(0.002), seen.append("ended"))))
    lasa.sleep(0)
    settle()
    kill(handle)
    lasa.sleep(0.005)
    assert seen == ["ended"]


def test_a_callback_may_kill_a_timer_that_is_due_in_the_same_turn() -> None:
    seen: list[str] = []
    later: list[Timer] = []
    make(at(0, lambda premature: (seen.append("first"), kill(later[0]))))
    later.append(make(at(0, lambda premature: seen.append("second"))))
    lasa.sleep(0.001)
    assert seen == ["first"]


def test_many_killed_timers_leave_nothing_behind(fresh_calendar: Calendar) -> None:
    keep = make(at(10, print))
    for _ in range(5000):
        kill(make(at(1, print)))
    assert len(fresh_calendar._heap) < 100
    kill(keep)
    assert fresh_calendar._heap == []


@pytest.mark.parametrize("wrong", [None, 1, (None, "x"), print])
def test_killing_what_is_no_timer_raises(wrong: Any) -> None:
    with pytest.raises(
        TypeError, match=r"^lasa\.timer\.kill\(\) takes a timer, as at\(\) and every\(\) return it, got \w+$"
    ):
        kill(wrong)


# Failures


def test_a_callback_that_fails_is_logged_and_every_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[int] = []

    def failing(premature: bool) -> None:
        seen.append(1)
        raise ValueError("boom")

    ticking = make(every(0.001, failing))
    while len(seen) < 2:
        lasa.sleep(0.001)
    kill(ticking)
    assert running_count() == 0
    assert all("ValueError('boom')" in message for message in caplog.messages)
    assert len(caplog.messages) == len(seen)


@pytest.mark.parametrize("error", [gevent.GreenletExit(), gevent.Timeout(1)])
def test_a_callback_that_is_cut_off_counts_as_ended(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    def leaving(premature: bool) -> None:
        raise error

    make(at(0, leaving))
    lasa.sleep(0.001)
    assert running_count() == 0


def test_a_callback_killed_by_gevent_counts_as_ended() -> None:
    running: list[Any] = []
    make(at(0, lambda premature: (running.append(gevent.getcurrent()), lasa.sleep(1000))))
    lasa.sleep(0.001)
    assert running_count() == 1
    running[0].kill()
    assert running_count() == 0


# What else it keeps


def test_each_callback_has_its_own_copy_of_the_creators_contextvars() -> None:
    seen: list[str] = []

    def note(premature: bool) -> None:
        seen.append(COLOUR.get())
        COLOUR.set("changed")

    token = COLOUR.set("red")
    ticking = make(every(0.001, note))
    COLOUR.set("green")
    while len(seen) < 2:
        lasa.sleep(0.001)
    kill(ticking)
    assert set(seen) == {"red"}
    assert COLOUR.get() == "green"
    COLOUR.reset(token)


def test_a_pending_timer_keeps_the_hub_alive_and_a_killed_one_does_not() -> None:
    seen: list[Any] = []

    def program() -> None:
        kill(make(at(1000, print)))
        seen.append(gevent.get_hub().join(timeout=5))
        make(at(0.001, seen.append))
        seen.append(gevent.get_hub().join(timeout=5))
        gevent.get_hub().destroy()

    in_os_thread(program)  # whose hub has nothing else to wait for
    assert seen == [True, False, True]
