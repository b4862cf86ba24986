# mypy: disable-error-code="func-returns-value"
# Lambdas here are often several calls in a row, some of which return nothing.
"""Killing light threads: who may, what it cuts off, and what it leaves as it was."""

from collections.abc import Callable
from typing import Any

import gevent
import pytest

import lasa
from lasa import coroutine, semaphore, thread
from lasa.thread import Thread, ThreadKilled, kill, spawn, status, wait
from tests.helpers import no_switch, settle

yield_ = coroutine.yield_


def in_coroutine(function: Callable[[], Any]) -> Any:
    """Run ``function`` two coroutines deep."""
    return coroutine.wrap(lambda: coroutine.wrap(function)())()


WAITS: dict[str, Callable[[], Any]] = {
    "sleep": lambda: lasa.sleep(1000),
    "sleep(0)": lambda: lasa.sleep(0),
    "semaphore": lambda: semaphore.new(0)[0].wait(1000),
    "wait": lambda: wait(spawn(lasa.sleep, 0.001)),
    "yield": lambda: yield_(),
    "spawn": lambda: spawn(lambda: [yield_() for _ in range(3)]),
    "gevent.sleep": lambda: gevent.sleep(1000),
    "coroutine, sleep": lambda: in_coroutine(lambda: lasa.sleep(1000)),
    "coroutine, yield to the queue": lambda: in_coroutine(lambda: lasa.sleep(0)),
    "coroutine, wait": lambda: in_coroutine(lambda: wait(spawn(lasa.sleep, 0.001))),
}


@pytest.mark.parametrize("name", WAITS)
def test_kill_raises_where_the_thread_waits_and_runs_its_finally_clauses_at_once(name: str) -> None:
    seen: list[Any] = []

    def victim() -> None:
        try:
            WAITS[name]()
        except BaseException as error:
            seen.append(type(error))
            raise
        finally:
            seen.append("finally")

    child = spawn(victim)
    assert seen == []
    assert kill(child) == (1, None)
    assert seen == [ThreadKilled, "finally"]
    assert status(child) == "dead"
    assert kill(child) == (None, "already waited or killed")
    assert wait(child) == (None, "already waited or killed")
    settle()
    lasa.sleep(0.003)  # what it waited for comes, and finds nobody
    assert seen == [ThreadKilled, "finally"]


def test_nobody_else_runs_while_a_thread_is_killed() -> None:
    seen: list[str] = []

    def others() -> None:
        while True:
            seen.append("other")
            yield_()

    def victim() -> None:
        me: Any = gevent.getcurrent()
        me.mark = 1  # its greenlet ends for good
        lasa.sleep(1000)

    other = spawn(others)
    for keep_greenlet in (lambda: lasa.sleep(1000), victim):
        child = spawn(keep_greenlet)
        gevent.spawn(seen.append, "gevent's")
        del seen[:]
        assert kill(child) == (1, None)
        assert seen == []
        yield_()
    kill(other)


def test_killing_writes_nothing_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    kill(spawn(lasa.sleep, 1000))
    assert caplog.records == []


def test_a_killed_thread_may_wait_again_in_its_finally_clause() -> None:
    seen: list[str] = []

    def victim() -> None:
        try:
            lasa.sleep(1000)
        finally:
            lasa.sleep(0.001)
            seen.append("cleaned up")

    child = spawn(victim)
    assert kill(child) == (1, None)
    assert (seen, status(child)) == ([], "dead")
    assert kill(child) == (None, "already waited or killed")
    assert wait(child) == (None, "already waited or killed")
    lasa.sleep(0.003)
    assert seen == ["cleaned up"]


@pytest.mark.parametrize("helper", [lambda: "flushed", lambda: yield_() or "flushed"])
def test_a_killed_thread_may_spawn_and_wait_in_its_finally_clause(helper: Callable[[], str]) -> None:
    seen: list[Any] = []

    def victim() -> None:
        try:
            lasa.sleep(1000)
        finally:
            child = spawn(helper)
            seen.append(status(child))
            seen.append(wait(child))

    kill(spawn(victim))
    settle()
    assert seen[0] in ("zombie", "running")
    assert seen[1] == (True, "flushed")


def test_a_coroutine_of_a_killed_thread_may_spawn_and_wait_in_its_finally_clause() -> None:
    seen: list[Any] = []

    def body() -> None:
        try:
            lasa.sleep(1000)
        finally:
            seen.append(wait(spawn(lambda: yield_() or 1)))
            seen.append(wait(spawn(lambda: 2)))

    kill(spawn(lambda: in_coroutine(body)))
    settle()
    assert seen == [(True, 1), (True, 2)]


def test_a_thread_that_catches_its_kill_runs_on_to_its_end_and_counts_as_dead() -> None:
    seen: list[str] = []

    def stubborn() -> str:
        try:
            lasa.sleep(1000)
        except ThreadKilled:
            seen.append("caught")
            yield_()
        seen.append("ended")
        return "ignored"

    child = spawn(stubborn)
    assert kill(child) == (1, None)
    assert status(child) == "dead"
    settle()
    assert seen == ["caught", "ended"]
    assert wait(child) == (None, "already waited or killed")


def test_the_children_of_a_killed_thread_go_on_as_orphans() -> None:
    seen: list[str] = []
    grandchildren: list[Thread] = []

    def grandchild() -> None:
        lasa.sleep(0.001)
        seen.append("grandchild ended")

    child = spawn(lambda: (grandchildren.append(spawn(grandchild)), lasa.sleep(1000)))
    settle()
    kill(child)
    assert status(grandchildren[0]) == "running"
    lasa.sleep(0.003)
    assert seen == ["grandchild ended"]
    assert status(grandchildren[0]) == "dead"


# Who may


def test_killing_oneself_is_refused() -> None:
    def child() -> Any:
        me = coroutine.running()
        assert isinstance(me, Thread)
        return kill(me)

    assert wait(spawn(child)) == (True, None, "killer not parent")


def test_a_sibling_is_not_the_parent() -> None:
    victim = spawn(lasa.sleep, 1000)
    with no_switch():
        assert thread.status(victim) == "running"
    assert wait(spawn(kill, victim)) == (True, None, "killer not parent")
    assert kill(victim) == (1, None)
    assert wait(spawn(kill, victim)) == (True, None, "killer not parent")


def test_a_grandparent_is_not_the_parent() -> None:
    handles: list[Thread] = []
    child = spawn(lambda: (handles.append(spawn(lasa.sleep, 1000)), lasa.sleep(1000)))
    settle()
    assert kill(handles[0]) == (None, "killer not parent")
    assert status(handles[0]) == "running"
    kill(child)
    assert kill(handles[0]) == (None, "killer not parent")
    assert isinstance(handles[0].greenlet, gevent.Greenlet)
    handles[0].greenlet.kill()  # nobody but gevent can


def test_a_coroutine_kills_what_it_spawned_and_nothing_else() -> None:
    ours = spawn(lasa.sleep, 1000)

    def body() -> list[Any]:
        return [kill(spawn(lasa.sleep, 1000)), kill(ours)]

    assert coroutine.resume(coroutine.create(body)) == (True, [(1, None), (None, "killer not parent")])
    kill(ours)


def test_the_main_program_and_coroutines_are_not_user_threads() -> None:
    co: Any = coroutine.create(yield_)
    main: Any = gevent.getcurrent()
    for target in (main, co):
        assert kill(target) == (None, "not user thread")
    coroutine.resume(co)
    assert kill(co) == (None, "not user thread")


def test_killing_a_zombie_collects_it() -> None:
    child = spawn(lambda: 1)
    assert kill(child) == (None, "already terminated")  # trap T33
    assert status(child) == "dead"
    assert kill(child) == (None, "already waited or killed")
    assert wait(child) == (None, "already waited or killed")


@pytest.mark.parametrize("wrong", [None, 1, "t", [], lasa.sleep])
def test_killing_anything_else_raises(wrong: Any) -> None:
    with pytest.raises(
        TypeError, match=r"^lasa\.thread\.kill\(\) takes a light thread, as spawn\(\) returns it, got \w+$"
    ):
        kill(wrong)


# What it leaves as it was


def test_a_killed_waiter_takes_no_resource() -> None:
    sema, _ = semaphore.new(0)
    child = spawn(sema.wait, 1000)
    assert sema.count() == -1
    kill(child)
    assert sema.count() == 0
    sema.post()
    assert sema.wait(0) == (True, None)


def test_a_waiter_killed_after_the_post_leaves_the_resource() -> None:
    sema, _ = semaphore.new(0)
    child = spawn(sema.wait, 1000)
    sema.post()
    kill(child)
    assert sema.count() == 1


def test_a_thread_killed_while_it_waits_for_another_leaves_that_one_alone() -> None:
    inner: list[Thread] = []

    def parent() -> None:
        inner.append(spawn(lambda: (lasa.sleep(0.001), "done")))
        wait(inner[0])

    child = spawn(parent)
    settle()
    kill(child)
    assert status(inner[0]) == "running"
    lasa.sleep(0.003)
    assert status(inner[0]) == "dead"


def test_a_thread_killed_in_the_run_queue_gives_up_its_place() -> None:
    hub = lasa._hub.scheduler()
    child = spawn(yield_)
    assert len(hub.gave_way) == 1
    kill(child)
    assert not hub.gave_way


def test_a_resumer_that_is_killed_ends_the_coroutines_it_waits_for() -> None:
    seen: list[str] = []
    inner = coroutine.create(lambda: deep("inner"))
    outer = coroutine.create(lambda: (coroutine.resume(inner), seen.append("not reached")))

    def deep(name: str) -> None:
        try:
            lasa.sleep(1000)
        finally:
            seen.append(name)

    child = spawn(coroutine.resume, outer)
    assert [status(each) for each in (child, outer, inner)] == ["normal", "normal", "running"]
    kill(child)
    assert seen == ["inner"]
    assert [status(each) for each in (child, outer, inner)] == ["dead"] * 3
    assert coroutine.resume(inner) == (False, "cannot resume dead coroutine")


def test_gevent_kill_of_a_thread_ends_the_coroutines_it_waits_for() -> None:
    seen: list[str] = []

    def deep() -> None:
        try:
            lasa.sleep(1000)
        finally:
            lasa.sleep(0.001)  # after the coroutine's thread is gone
            seen.append("cleaned up")

    co = coroutine.create(deep)
    child = spawn(coroutine.resume, co)
    assert isinstance(child.greenlet, gevent.Greenlet)
    child.greenlet.kill()
    ok, error = wait(child)
    assert (ok, type(error)) == (False, gevent.GreenletExit)
    assert status(co) == "dead"
    lasa.sleep(0.003)
    assert seen == ["cleaned up"]


def test_gevent_kill_is_an_end_that_wait_returns(caplog: pytest.LogCaptureFixture) -> None:
    child = spawn(lasa.sleep, 1000)
    assert isinstance(child.greenlet, gevent.Greenlet)
    gevent.kill(child.greenlet)
    ok, error = wait(child)
    assert (ok, type(error)) == (False, gevent.GreenletExit)
    assert caplog.records == []


def test_a_killed_thread_that_spawned_and_waits_for_its_turn_leaves_a_child_that_runs_on() -> None:
    seen: list[str] = []

    def grandchild() -> None:
        yield_()
        yield_()
        seen.append("end")

    parents = [spawn(lambda: spawn(grandchild)) for _ in range(3)]
    for parent in parents:
        assert kill(parent)[1] in (None, "already terminated")
    settle()
    assert seen == ["end"] * 3
