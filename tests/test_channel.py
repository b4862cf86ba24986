"""Channels: values between light threads and between OS threads; nothing is lost, whoever is killed meanwhile."""

from __future__ import annotations

import ast
import inspect
import time
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent import monkey

import lasa
from lasa import Channel, _channel, _hub, channel
from lasa.thread import kill, spawn, wait
from tests.helpers import no_switch, settle

sleep_as_the_system_does: Callable[[float], None] = monkey.get_original("time", "sleep")


def in_os_thread(function: Callable[[], Any]) -> Channel:
    """Call a function in a plain OS thread, which gives what it returns to a channel."""
    results = channel(1)
    _hub.start_os_thread(lambda: results.send(function()), "plain")
    return results


# In one hub


def test_values_come_out_in_the_order_in_which_they_went_in() -> None:
    found = channel(3)
    with no_switch():
        assert [found.send(value) for value in ("a", None, ["c"])] == [(1, None)] * 3
        assert len(found) == 3
        assert [found.receive() for _ in range(3)] == [("a", None), (None, None), (["c"], None)]
    assert len(found) == 0
    assert found  # an empty channel is no missing one


def test_without_a_timeout_to_wait_a_call_returns_at_once() -> None:
    found = channel(1)
    with no_switch():
        assert found.receive(0) == (None, "timeout")
        assert found.send(1, 0) == (1, None)
        assert found.send(2, 0) == (None, "timeout")
        assert found.receive(0.0009) == (1, None)


def test_both_ends_time_out() -> None:
    found = channel(1)
    before = lasa.monotonictime()
    assert found.receive(0.003) == (None, "timeout")
    found.send("a")
    assert found.send("b", 0.003) == (None, "timeout")
    assert lasa.monotonictime() - before >= 5000
    assert (found.receive(0), found.receive(0)) == (("a", None), (None, "timeout"))


def test_a_receiver_waits_for_a_value_and_a_sender_for_a_place() -> None:
    found = channel(1)
    receiver = spawn(found.receive)
    assert found.send("a") == (1, None)
    assert wait(receiver) == (True, "a", None)
    found.send("b")
    sender = spawn(found.send, "c")
    assert len(found) == 1
    assert found.receive() == ("b", None)
    assert len(found) == 1
    assert wait(sender) == (True, 1, None)
    assert found.receive() == ("c", None)


def test_receivers_are_served_first_in_first_out() -> None:
    found = channel(9)
    receivers = [spawn(found.receive) for _ in range(5)]
    for value in range(5):
        found.send(value)
    assert found.receive(0) == (None, "timeout")  # a newcomer does not overtake those who have not gone on yet
    assert [wait(each) for each in receivers] == [(True, value, None) for value in range(5)]


def test_senders_are_served_first_in_first_out() -> None:
    found = channel(1)
    found.send(0)
    senders = [spawn(found.send, value) for value in range(1, 5)]
    assert found.send(5, 0) == (None, "timeout")
    assert [found.receive(0) for _ in range(5)] == [(value, None) for value in range(5)]
    assert [wait(each) for each in senders] == [(True, 1, None)] * 4


def test_a_receiver_killed_before_it_goes_on_leaves_its_value_to_the_next() -> None:
    found = channel(3)
    first, second = spawn(found.receive), spawn(found.receive)
    found.send("a")
    kill(first)
    assert wait(second) == (True, "a", None)
    third = spawn(found.receive)
    found.send("b")
    found.send("c")
    kill(third)
    assert [found.receive(0) for _ in range(3)] == [("b", None), ("c", None), (None, "timeout")]


def test_a_killed_sender_takes_its_value_back() -> None:
    found = channel(1)
    found.send("a")
    first, second = spawn(found.send, "b"), spawn(found.send, "c")
    kill(first)
    assert [found.receive(0) for _ in range(3)] == [("a", None), ("c", None), (None, "timeout")]
    assert wait(second) == (True, 1, None)


def test_a_timeout_of_gevent_ends_a_wait_and_loses_nothing() -> None:
    found = channel(1)
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.002):
        found.receive()
    found.send("a")
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.002):
        found.send("b")
    assert (found.receive(0), found.receive(0)) == (("a", None), (None, "timeout"))


def test_what_was_sent_before_close_can_be_received() -> None:
    found = channel(2)
    found.send("a")
    assert found.close() == (1, None)
    assert found.close() == (None, "closed")
    assert found.send("b") == (None, "closed")
    assert [found.receive(), found.receive()] == [("a", None), (None, "closed")]


def test_close_wakes_whoever_waits() -> None:
    empty, full = channel(1), channel(1)
    full.send("a")
    children = [spawn(empty.receive), spawn(empty.receive, 10), spawn(full.send, "b")]
    empty.close()
    full.close()
    assert [wait(each) for each in children] == [(True, None, "closed")] * 3
    assert list(full) == ["a"]


def test_iteration_ends_once_the_channel_is_closed_and_empty() -> None:
    found = channel(2)

    def produce() -> None:
        for value in range(5):
            found.send(value)
        found.close()

    child = spawn(produce)
    assert list(found) == [0, 1, 2, 3, 4]
    assert wait(child) == (True, None)


def test_check_raises_what_the_word_says() -> None:
    found = channel(1)
    with pytest.raises(lasa.SocketTimeout):
        lasa.check(found.receive(0))
    found.send("a")
    assert lasa.check(found.receive()) == "a"


def test_calls_that_need_not_wait_let_others_have_their_turn() -> None:
    found = channel(1000)
    for value in range(1000):
        found.send(value)
    seen: list[int] = []
    other = spawn(lambda: (_hub.step_aside(), seen.append(len(found))))  # type: ignore[func-returns-value]
    for _ in range(1000):
        found.receive()
    assert seen
    assert seen[0] > 0
    wait(other)


@pytest.mark.parametrize("size", [0, -1, 0.5])
def test_a_channel_without_a_place_is_an_error(size: Any) -> None:
    with pytest.raises(ValueError, match="positive number required"):
        channel(size)


def test_wrong_arguments_raise_before_anything_is_sent() -> None:
    found = channel(1)
    with pytest.raises(TypeError, match=r"^lasa\.channel\(\) takes a number, got None$"):
        channel(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^Channel\.send\(\) takes a number of seconds, got list$"):
        found.send(1, [])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no negative number"):
        found.receive(-1)
    assert len(found) == 0


# Between OS threads


def test_a_value_from_another_os_thread_wakes_a_light_thread_while_others_go_on() -> None:
    requests, answers = channel(1), channel(1)

    def answer() -> None:
        for value in requests:
            answers.send(value * 2)

    ended = in_os_thread(answer)
    ticks: list[int] = []
    ticker = spawn(lambda: [(lasa.sleep(0), ticks.append(1)) for _ in range(5)])  # type: ignore[func-returns-value]
    for value in range(20):
        assert requests.send(value) == (1, None)
        assert answers.receive() == (value * 2, None)
    wait(ticker)
    assert len(ticks) == 5
    requests.close()
    assert ended.receive(10) == (None, None)


def test_a_wait_for_another_os_thread_keeps_the_hub_alive() -> None:
    found = channel(1)

    def send_late() -> Any:
        sleep_as_the_system_does(0.02)
        return found.send("late")

    ended = in_os_thread(send_late)
    assert found.receive() == ("late", None)  # nothing else can happen in this hub, and that is no deadlock
    assert ended.receive(10) == ((1, None), None)


def test_a_plain_os_thread_waits_without_a_hub() -> None:
    found = channel(1)

    def body() -> list[Any]:
        seen = [found.receive(0.005), found.receive(), found.send("a"), found.send("b", 0.005), found.send("c")]
        return [*seen, found.receive(), _hub.has_hub()]

    results = in_os_thread(body)
    lasa.sleep(0.02)
    found.send("hello")
    while len(found) == 0:
        lasa.sleep(0.001)
    lasa.sleep(0.02)
    assert found.receive(10) == ("a", None)
    timed_out, hello, first, full, last, own, has_hub = results.receive(10)[0]
    assert (timed_out, hello, first, full, last) == (
        (None, "timeout"),
        ("hello", None),
        (1, None),
        (None, "timeout"),
        (1, None),
    )
    assert own == ("c", None)
    assert has_hub is False


@pytest.mark.parametrize("size", [1, 3, 100])
def test_many_senders_and_receivers_lose_nothing_and_double_nothing(size: int) -> None:
    found = channel(size)
    count = 400

    def produce(name: str) -> None:
        for number in range(count):
            assert found.send((name, number)) == (1, None)

    def consume() -> list[Any]:
        return list(found)

    def two_each() -> list[Any]:
        senders = [spawn(produce, f"{_hub.os_thread_id()} {which}") for which in range(2)]
        receivers = [spawn(consume) for _ in range(2)]
        for each in senders:
            assert wait(each) == (True, None)
        done.send(None)
        return [wait(each)[1] for each in receivers]

    done = channel(3)
    programs = [lasa.detach(content=two_each) for _ in range(3)]
    for _ in programs:
        assert done.receive(30) == (None, None)
    found.close()
    lists = [each for program in programs for each in lasa.check(program.join(30))]
    values = [value for each in lists for value in each]
    assert len(values) == len(set(values)) == 3 * 2 * count
    for each in lists:  # what one receiver gets of one sender is in order
        for name in {name for name, _ in each}:
            numbers = [number for other, number in each if other == name]
            assert numbers == sorted(numbers)


def test_receivers_that_are_killed_or_give_up_lose_nothing_that_another_os_thread_sends() -> None:
    found = channel(2)
    count = 1000

    def produce() -> None:
        for number in range(count):
            found.send(number)
        found.close()

    program = lasa.detach(content=produce)
    seen: list[int] = []

    def consume() -> None:
        for value in found:
            seen.append(value)

    deadline_s = time.monotonic() + 30
    while program.is_alive and time.monotonic() < deadline_s:
        children = [spawn(consume) for _ in range(3)]
        value, err = found.receive(0.001)
        if err is None:
            seen.append(value)
        for each in children:
            kill(each)
        settle()
    seen += list(found)
    assert program.join(10) == (True, None)
    assert sorted(seen) == list(range(count))


def test_a_channel_outlives_the_os_thread_that_waited_in_it() -> None:
    found = channel(1)

    def body() -> Any:
        spawn(found.receive)
        return found.receive(0.002)

    program = lasa.detach(content=body)
    assert program.join(0.02) == (None, "timeout")
    program.stop()
    assert program.join(10) == (True, None, "timeout")
    assert found.send("a") == (1, None)
    assert found.receive(0) == ("a", None)


def test_no_object_is_made_under_the_lock() -> None:
    # There the collector could run a finalizer that sends. Swaps of two make no tuple, nor do constants.
    tree = ast.parse(inspect.getsource(_channel))
    locked = [each for each in ast.walk(tree) if isinstance(each, ast.With) and "_lock" in ast.unparse(each.items[0])]
    assert len(locked) == 5
    swapped = {
        id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Assign) and type(each.targets[0]) is ast.Tuple
    }
    makers = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.GeneratorExp, ast.Lambda, ast.JoinedStr)
    for block in locked:
        for each in (found for line in block.body for found in ast.walk(line)):
            assert not isinstance(each, makers), ast.unparse(each)
            if isinstance(each, ast.Tuple) and type(each.ctx) is ast.Load and id(each) not in swapped:
                assert all(isinstance(one, ast.Constant) for one in each.elts), ast.unparse(each)
