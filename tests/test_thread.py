# mypy: disable-error-code="func-returns-value"
# Lambdas here are often several calls in a row, some of which return nothing.
"""Light threads: when they run, what wait() returns, whose children they are. Killing: test_thread_kill.py."""

import contextvars
from collections.abc import Callable
from typing import Any

import gevent
import pytest

import lasa
from lasa import coroutine, semaphore, thread
from lasa.thread import Thread, spawn, status, wait
from tests.helpers import no_switch, settle

yield_ = coroutine.yield_
COLOUR: contextvars.ContextVar[str] = contextvars.ContextVar("COLOUR", default="none")


def forever() -> None:
    sema, _ = semaphore.new(0)
    sema.wait(1e6)


def end(child: Thread) -> None:
    """Kill and forget a light thread that a test left waiting."""
    assert thread.kill(child) == (1, None)


# When it runs


def test_spawn_runs_the_function_at_once_with_its_arguments() -> None:
    seen: list[Any] = []
    child = spawn(lambda *arguments: seen.append(arguments), 1, "two", None)
    assert seen == [(1, "two", None)]
    assert wait(child) == (True, None)


def test_spawn_hands_keywords_on() -> None:
    def called(*arguments: Any, **keywords: Any) -> Any:
        return arguments, keywords

    assert wait(spawn(called, 1, url="u", query={"a": 1})) == (True, (1,), {"url": "u", "query": {"a": 1}})
    assert wait(spawn(called, function=1, arguments=2, keywords=3)) == (
        True,
        (),
        {"function": 1, "arguments": 2, "keywords": 3},
    )
    assert wait(spawn(called)) == (True, (), {})


def test_keywords_of_each_light_thread_are_its_own() -> None:
    def late(*, number: int) -> int:
        yield_()
        return number

    children = [spawn(late, number=number) for number in range(3)]
    assert [wait(child) for child in children] == [(True, 0), (True, 1), (True, 2)]


def test_a_keyword_that_the_function_does_not_take_is_its_own_error() -> None:
    ok, error = wait(spawn(forever, colour="red"))
    assert ok is False
    assert isinstance(error, TypeError)
    assert "colour" in str(error)


def test_the_caller_goes_on_as_soon_as_the_child_waits() -> None:
    seen: list[str] = []

    def child() -> None:
        seen.append("child starts")
        lasa.sleep(0.001)
        seen.append("child ends")

    handle = spawn(child)
    seen.append("parent")
    assert wait(handle) == (True, None)
    assert seen == ["child starts", "parent", "child ends"]


def test_yields_alternate_between_parent_and_child() -> None:
    seen: list[Any] = [0]

    def child() -> None:
        seen.append("f1")
        yield_()
        seen.append("f2")
        yield_()
        seen.append("f3")

    yield_()
    seen.append(1)
    handle = spawn(child)
    for number in (2, 3, 4):
        seen.append(number)
        if number < 4:
            yield_()
    assert seen == [0, 1, "f1", 2, "f2", 3, "f3", 4]  # trap T32
    wait(handle)


def test_in_a_nested_spawn_main_goes_on_before_the_child_gets_its_handle() -> None:
    seen: list[str] = []

    def grandchild() -> None:
        seen.append("g")
        lasa.sleep(0)
        seen.append("g again")

    def child() -> None:
        seen.append("f")
        handle = spawn(grandchild)
        seen.append("f has g")
        wait(handle)

    handle = spawn(child)
    seen.append("main has f")
    wait(handle)
    assert seen == ["f", "g", "main has f", "f has g", "g again"]


def test_spawn_lets_those_go_first_who_were_ready_before() -> None:
    seen: list[str] = []

    def early() -> None:
        yield_()
        seen.append("early")

    first = spawn(early)
    second = spawn(lambda: seen.append("late"))
    seen.append("main")
    assert seen == ["late", "early", "main"]
    wait(first)
    wait(second)


def test_yielding_threads_take_turns_first_in_first_out() -> None:
    seen: list[tuple[str, int]] = []

    def worker(name: str) -> None:
        while len(handles) < 3:
            yield_()
        for turn in range(3):
            seen.append((name, turn))
            yield_()

    handles: list[thread.Thread] = []
    for name in "abc":
        handles.append(spawn(worker, name))
    for handle in handles:
        wait(handle)
    names = [name for name, _ in seen[:3]]
    assert sorted(names) == ["a", "b", "c"]
    assert seen == [(name, turn) for turn in range(3) for name in names]


def test_a_call_that_need_not_wait_does_not_switch() -> None:
    child = spawn(lambda: 1)
    with no_switch():
        assert status(child) == "zombie"
        assert wait(child) == (True, 1)
        assert thread.kill(child) == (None, "already waited or killed")


@pytest.mark.parametrize("wrong", [None, 1, "f", [], object()])
def test_spawning_what_is_not_callable_raises(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"^lasa\.thread\.spawn\(\) takes a function, got \w+$"):
        spawn(wrong)


def test_the_child_has_a_copy_of_the_callers_contextvars() -> None:
    seen: list[str] = []

    def child() -> None:
        seen.append(COLOUR.get())
        COLOUR.set("blue")
        yield_()
        seen.append(COLOUR.get())

    token = COLOUR.set("red")
    handle = spawn(child)
    assert COLOUR.get() == "red"
    COLOUR.set("green")
    wait(handle)
    assert (seen, COLOUR.get()) == (["red", "blue"], "green")
    COLOUR.reset(token)


# What wait() returns


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (None, (True, None)),
        (1, (True, 1)),
        ((), (True,)),
        ((1, 2), (True, 1, 2)),
        ((None,), (True, None)),
        ([1, 2], (True, [1, 2])),
        (False, (True, False)),
    ],
)
@pytest.mark.parametrize("ends", ["before wait", "during wait"])
def test_a_returned_tuple_spreads_and_anything_else_is_one_value(value: Any, result: Any, ends: str) -> None:
    def child() -> Any:
        if ends == "during wait":
            yield_()
        return value

    assert wait(spawn(child)) == result


def test_wait_returns_the_exception_itself() -> None:
    error = ValueError("mine")

    def child() -> None:
        raise error

    ok, found = wait(spawn(child))
    assert (ok, found) == (False, error)
    assert found is error


def test_wait_returns_the_first_to_end() -> None:
    sema, _ = semaphore.new(0)
    slow, quick = spawn(lambda: ("slow", sema.wait(10))), spawn(lambda: ("quick", yield_()))
    assert wait(slow, quick) == (True, "quick", None)
    assert (status(slow), status(quick)) == ("running", "dead")
    sema.post()
    assert wait(slow) == (True, "slow", (True, None))


def test_wait_collects_the_leftmost_zombie_and_leaves_the_others() -> None:
    running = spawn(forever)
    first, second = spawn(lambda: 1), spawn(lambda: 2)
    with no_switch():
        assert wait(running, second, first) == (True, 2)
    assert [status(child) for child in (running, first, second)] == ["running", "zombie", "dead"]
    assert wait(second, first) == (True, 1)
    end(running)


def test_a_dead_thread_is_skipped_unless_it_is_the_last() -> None:
    dead, running = spawn(lambda: 1), spawn(lambda: yield_() or "end")
    wait(dead)
    assert wait(running, dead) == (None, "already waited or killed")
    assert status(running) == "running"
    assert wait(dead, running) == (True, "end")


def test_waiting_twice_says_already_waited() -> None:
    child = spawn(lambda: 1)
    assert status(child) == "zombie"
    assert wait(child) == (True, 1)
    assert wait(child) == (None, "already waited or killed")  # trap T31
    assert status(child) == "dead"


def test_a_zombie_is_collected_even_if_the_last_one_is_dead() -> None:
    dead, zombie = spawn(lambda: 1), spawn(lambda: 2)
    wait(dead)
    assert wait(zombie, dead) == (True, 2)


def test_the_same_thread_may_be_named_twice() -> None:
    child = spawn(lambda: yield_() or 7)
    assert wait(child, child) == (True, 7)
    assert wait(child, child) == (None, "already waited or killed")


def test_the_waiting_parent_goes_on_before_those_who_are_ready() -> None:
    seen: list[str] = []

    def child() -> None:
        yield_()
        yield_()
        other = spawn(lambda: (yield_(), seen.append("grandchild")))
        seen.append(f"child ends, grandchild {status(other)}")

    wait(spawn(child))
    seen.append("parent")
    settle()
    assert seen == ["child ends, grandchild running", "parent", "grandchild"]


def test_a_killed_waiter_leaves_the_children_to_be_waited_for_again() -> None:
    sema, _ = semaphore.new(0)
    child = spawn(lambda: (sema.wait(10), "late")[1])
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.001):
        wait(child)
    sema.post()
    assert wait(child) == (True, "late")


# Whose children they are


@pytest.mark.parametrize("arguments", [(), (None,), (1,), ("t",)])
def test_waiting_for_what_is_not_a_thread_raises(arguments: Any) -> None:
    text = "takes light threads, as spawn\\(\\) returns them, got" if arguments else "takes one light thread at least"
    with pytest.raises(TypeError, match=text):
        wait(*arguments)


def test_waiting_for_a_list_of_threads_says_how_to_write_it() -> None:
    child = spawn(lambda: 1)
    with pytest.raises(TypeError, match=r"got list: write wait\(\*threads\)$"):
        wait([child])  # type: ignore[arg-type]
    assert wait(child) == (True, 1)


def test_waiting_for_a_plain_coroutine_raises() -> None:
    with pytest.raises(TypeError, match=r"takes light threads, as spawn\(\) returns them, got Coroutine"):
        wait(coroutine.create(forever))  # type: ignore[arg-type]


def in_thread(function: Callable[[], Any]) -> Any:
    """Run ``function`` in a light thread of its own and return what it returned, or raise what it raised."""
    ok, value = wait(spawn(lambda: [function()]))
    if not ok:
        raise value
    return value[0]


def test_a_sibling_cannot_wait() -> None:
    sibling = spawn(forever)
    with pytest.raises(RuntimeError, match="only the light thread that spawned another can wait for it"):
        in_thread(lambda: wait(sibling))
    end(sibling)


def test_a_grandparent_cannot_wait() -> None:
    handles: list[Thread] = []
    child = spawn(lambda: (handles.append(spawn(lambda: 1)), forever()))
    settle()  # the child gets the handle after main has gone on
    with pytest.raises(RuntimeError, match="only the light thread that spawned another"):
        wait(handles[0])
    assert status(handles[0]) == "zombie"
    end(child)


def test_a_thread_cannot_wait_for_itself() -> None:
    def child() -> None:
        me = coroutine.running()
        assert isinstance(me, Thread)
        with pytest.raises(RuntimeError, match="only the light thread that spawned another"):
            wait(me)

    assert wait(spawn(child)) == (True, None)


def test_one_wrong_argument_spoils_the_call_and_collects_nothing() -> None:
    zombie, stranger = spawn(lambda: 1), in_thread(lambda: spawn(lambda: 2))
    with pytest.raises(RuntimeError):
        wait(zombie, stranger)
    assert wait(zombie) == (True, 1)


def test_a_coroutine_is_the_parent_of_what_it_spawns() -> None:
    handles: list[Thread] = []

    def body() -> tuple[Any, ...]:
        handles.append(spawn(lambda: "mine"))
        yield_()
        return wait(handles[0])

    co = coroutine.create(body)
    assert coroutine.resume(co) == (True,)
    with pytest.raises(RuntimeError, match="only the light thread that spawned another"):
        wait(handles[0])
    assert coroutine.resume(co) == (True, True, "mine")


def test_a_thread_in_a_coroutine_is_not_the_child_of_the_thread_that_resumed_it() -> None:
    def outer() -> str:
        _, handle = coroutine.resume(coroutine.create(lambda: [spawn(forever)]))
        with pytest.raises(RuntimeError):
            wait(handle[0])
        assert thread.kill(handle[0]) == (None, "killer not parent")
        return "checked"

    assert wait(spawn(outer)) == (True, "checked")


def test_a_thread_whose_parent_has_ended_goes_on_and_is_dead_at_its_end() -> None:
    seen: list[str] = []

    def orphan() -> None:
        yield_()
        yield_()
        seen.append("ran to the end")

    handle = in_thread(lambda: spawn(orphan))
    assert status(handle) == "running"
    with pytest.raises(RuntimeError, match="only the light thread that spawned another"):
        wait(handle)
    settle()
    assert (seen, status(handle)) == (["ran to the end"], "dead")
    assert thread.kill(handle) == (None, "killer not parent")


def test_a_zombie_is_dead_once_its_parent_has_ended() -> None:
    handle = in_thread(lambda: spawn(lambda: 1))
    assert status(handle) == "dead"


def test_a_gevent_greenlet_is_the_parent_of_what_it_spawns() -> None:
    def foreign() -> tuple[Any, ...]:
        child = spawn(lambda: yield_() or "x")
        assert status(child) == "running"
        return wait(child)

    handler: Any = gevent.spawn(foreign)
    handler.handler = object()  # an attribute of the user's own, by chance with a name that lasa uses
    assert handler.get() == (True, "x")


# Status


def test_status_names_what_a_thread_does() -> None:
    seen: list[Any] = []
    sema, _ = semaphore.new(0)

    def child() -> None:
        me = coroutine.running()
        seen.append(status(me))
        co = coroutine.create(lambda: (seen.append(status(me)), sema.wait(10)))
        coroutine.resume(co)
        seen.append(status(me))

    handle = spawn(child)
    assert status(handle) == "normal"  # the coroutine that it resumed waits
    sema.post()
    settle()
    assert seen == ["running", "normal", "running"]
    assert (status(handle), handle.status) == ("zombie", "zombie")
    assert "light thread zombie" in repr(handle)
    wait(handle)
    assert status(handle) == "dead"


@pytest.mark.parametrize("waiting", [lambda: lasa.sleep(0.001), yield_, lambda: wait(spawn(yield_))])
def test_a_thread_that_waits_is_running(waiting: Callable[[], Any]) -> None:
    handle = spawn(waiting)
    assert status(handle) == "running"
    wait(handle)


@pytest.mark.parametrize("wrong", [None, 1, "zombie", forever])
def test_the_status_of_anything_else_raises(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"^lasa\.thread\.status\(\) takes a light thread or a user coroutine, got "):
        status(wrong)


# Many


def test_ten_thousand_threads_are_alive_at_once() -> None:
    sema, _ = semaphore.new(0)
    children = [spawn(lambda number=number: (sema.wait(60), number)) for number in range(10_000)]
    assert sema.count() == -10_000
    sema.post(10_000)
    assert [wait(child)[2] for child in children] == list(range(10_000))
    assert sema.count() == 0
