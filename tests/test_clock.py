# mypy: disable-error-code="func-returns-value"
# Lambdas here are often several calls in a row, some of which return nothing.
import time
from typing import Any

import gevent
import pytest

import lasa
from lasa.coroutine import yield_
from lasa.thread import kill, spawn, wait
from tests.helpers import no_switch, nothing_left_open, settle


def test_sleep_lasts_as_long_as_asked_and_returns_true() -> None:
    before = time.monotonic()
    assert lasa.sleep(0.005) is True
    assert 0.0045 <= time.monotonic() - before < 5


def test_sleepers_wake_in_the_order_of_their_time() -> None:
    seen: list[float] = []
    children = [spawn(lambda delay=delay: (lasa.sleep(delay), seen.append(delay))) for delay in (0.006, 0.002, 0.004)]
    for child in children:
        wait(child)
    assert seen == [0.002, 0.004, 0.006]


@pytest.mark.parametrize("seconds", [0, 0.0, 0.0009, "0", -0.0])
def test_less_than_a_millisecond_lets_every_runnable_thread_go_first(seconds: Any) -> None:
    seen: list[str] = []

    def other(name: str) -> None:
        yield_()
        seen.append(name)

    children = [spawn(other, name) for name in "abc"]
    assert lasa.sleep(seconds) is True
    assert seen == ["a", "b", "c"]
    for child in children:
        wait(child)


def test_sleeping_0_polls_events() -> None:
    seen: list[str] = []
    gevent.spawn(seen.append, "gevent ran")
    for _ in range(3):
        lasa.sleep(0)
    assert seen == ["gevent ran"]


def test_those_who_sleep_0_in_a_loop_take_turns() -> None:
    turns = {"a": 0, "b": 0}

    def sleeper(name: str) -> None:
        for _ in range(100):
            lasa.sleep(0)
            turns[name] += 1
            assert abs(turns["a"] - turns["b"]) <= 1

    children = [spawn(sleeper, name) for name in turns]
    for child in children:
        assert wait(child) == (True, None)


@pytest.mark.parametrize("seconds", [-1, -0.5, "-2", -0.001])
def test_a_negative_time_raises(seconds: Any) -> None:
    with no_switch(), pytest.raises(ValueError) as caught:
        lasa.sleep(seconds)
    assert str(caught.value) == f"lasa.sleep(): no negative number of seconds, got {seconds}"


@pytest.mark.parametrize("seconds", [-0.0009, "-0.0001", -0.0])
def test_a_time_that_is_nothing_in_whole_milliseconds_is_no_negative_one(seconds: Any) -> None:
    assert lasa.sleep(seconds)


@pytest.mark.parametrize("wrong", [None, True, False, "soon", "1_0", [], float("nan")])
def test_what_is_no_number_raises(wrong: Any) -> None:
    with no_switch(), pytest.raises(TypeError, match=r"^lasa\.sleep\(\) takes a number of seconds, got \w+$"):
        lasa.sleep(wrong)


def test_a_number_like_string_is_a_time() -> None:
    assert lasa.sleep(" 0.001 ") is True  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", [1e300, float("inf"), 10**400])
def test_a_sleep_for_ever_can_be_killed(seconds: Any) -> None:
    with nothing_left_open():
        child = spawn(lasa.sleep, seconds)
        assert kill(child) == (1, None)


def test_an_interrupted_sleep_leaves_no_timer() -> None:
    with nothing_left_open(), pytest.raises(gevent.Timeout), gevent.Timeout(0.001):
        lasa.sleep(1000)


def test_ten_thousand_sleepers_at_once() -> None:
    with nothing_left_open():
        children = [spawn(lasa.sleep, 0.01) for _ in range(10_000)]
        for child in children:
            assert wait(child) == (True, True)


def test_now_is_the_systems_time_with_fractions() -> None:
    with no_switch():
        found = lasa.now()
    assert isinstance(found, float)
    assert abs(found - time.time()) < 5
    assert any(lasa.now() % 1 for _ in range(5))


def test_now_is_not_cached() -> None:
    first = lasa.now()
    ends = time.monotonic() + 0.002
    while time.monotonic() < ends:
        pass
    with no_switch():
        assert lasa.now() > first


def test_update_time_does_nothing() -> None:
    update: Any = lasa.update_time
    with no_switch():
        assert update() is None


def test_monotonictime_counts_microseconds_and_never_goes_back() -> None:
    found = [lasa.monotonictime() for _ in range(1000)]
    assert all(isinstance(each, float) for each in found)
    assert found == sorted(found)
    before = time.monotonic()
    start = lasa.monotonictime()
    lasa.sleep(0.003)
    assert lasa.monotonictime() - start <= (time.monotonic() - before) * 1e6
    assert lasa.monotonictime() - start >= 2500
    settle()


def test_infinite_times_are_cut_to_what_a_timer_holds() -> None:
    with pytest.raises(ValueError, match="no negative number"):
        lasa.sleep(float("-inf"))
    tmr, err = lasa.timer.at(float("inf"), print)
    assert tmr is not None, err
    lasa.timer.kill(tmr)
    fired: list[bool] = []
    lasa.timer.at(float("-inf"), fired.append)
    lasa.sleep(0.001)
    assert fired == [False]
