# mypy: disable-error-code="func-returns-value"
# Lambdas here are often several calls in a row, some of which return nothing.
"""Recycled workers: one light thread must not find anything that an earlier one left behind."""

import contextvars
import gc
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import gevent.local
import pytest

import lasa
from lasa import _hub, coroutine, semaphore
from lasa._hub.worker import PARKED_AT_MOST, Worker
from lasa.thread import ThreadKilled, kill, spawn, status, wait
from tests._hub.test_core import in_os_thread
from tests.helpers import cosocket_pair, settle

COLOUR: contextvars.ContextVar[str] = contextvars.ContextVar("COLOUR", default="none")


def current() -> Any:
    return gevent.getcurrent()


def leave() -> None:
    raise gevent.GreenletExit


def greenlet_id() -> int:
    return id(gevent.getcurrent())


def run(function: Callable[[], Any]) -> Any:
    """Run ``function`` in a light thread to its end; return what it returned."""
    ok, value = wait(spawn(lambda: [function()]))
    assert ok, value
    return value[0]


@pytest.fixture(autouse=True)
def one_parked_worker() -> Iterator[None]:
    """Whatever an earlier test parked, the next light thread is run by a worker that can be used again."""
    settle()
    for _ in range(PARKED_AT_MOST):  # those that are known by now, such as to gevent's list of names, end one by one
        if run(greenlet_id) == run(greenlet_id):
            break
    assert run(greenlet_id) == run(greenlet_id)
    yield
    settle()
    assert run(greenlet_id) == run(greenlet_id)


# It is used again


@pytest.mark.parametrize(
    "waiting",
    [
        lambda: None,
        lambda: lasa.sleep(0.001),
        coroutine.yield_,
        lambda: semaphore.new(1)[0].wait(1),
        lambda: semaphore.new(0)[0].wait(0.001),
        lambda: wait(spawn(coroutine.yield_)),
        lambda: leave(),
    ],
    ids=["nothing", "sleep", "yield", "semaphore", "semaphore timeout", "wait", "exit"],
)
def test_the_worker_of_an_ordinary_thread_runs_the_next_one(waiting: Callable[[], Any]) -> None:
    seen: list[int] = []
    for _ in range(3):
        wait(spawn(lambda: (seen.append(greenlet_id()), waiting())))
        gc.collect()  # an exception's traceback holds frames, none of them the worker
    settle()
    assert set(seen) <= {id(worker) for worker in _hub.scheduler().parked}


def test_the_worker_of_a_killed_thread_runs_the_next_one() -> None:
    seen: list[int] = []
    kill(spawn(lambda: (seen.append(greenlet_id()), lasa.sleep(1000))))
    assert run(greenlet_id) == seen[0]


def test_the_worker_of_a_thread_that_spawned_others_runs_the_next_one() -> None:
    seen: list[int] = []
    sema, _ = semaphore.new(0)

    def parent() -> None:
        seen.append(greenlet_id())
        children.append(spawn(sema.wait, 10))  # outlives its parent

    children: list[Any] = []
    run(parent)
    assert seen[0] in {id(worker) for worker in _hub.scheduler().parked}
    sema.post()
    settle()


def test_threads_that_wait_for_each_other_share_few_workers() -> None:
    sema, _ = semaphore.new(2)
    seen: set[int] = set()

    def child() -> None:
        seen.add(greenlet_id())
        sema.wait(10)
        lasa.sleep(0)
        sema.post()

    def parent() -> None:
        seen.add(greenlet_id())
        for each in [spawn(child) for _ in range(3)]:
            wait(each)

    for _ in range(20):
        for each in [spawn(parent) for _ in range(5)]:
            wait(each)
    assert len(seen) < 60  # 20 are alive at once, and 400 had their turn


def test_a_thousand_threads_one_after_the_other_need_one_worker() -> None:
    assert len({run(greenlet_id) for _ in range(1000)}) == 1


def test_no_more_than_a_bounded_number_of_workers_is_parked() -> None:
    sema, _ = semaphore.new(0)
    children = [spawn(sema.wait, 60) for _ in range(PARKED_AT_MOST + 50)]
    sema.post(len(children))
    for child in children:
        wait(child)
    settle()
    assert len(_hub.scheduler().parked) == PARKED_AT_MOST


# It is not used again


def keep(holder: list[Any]) -> None:
    holder.append(gevent.getcurrent())


LEAVINGS: dict[str, Callable[[list[Any]], Any]] = {
    "a reference": keep,
    "a reference, after a sleep": lambda kept: (keep(kept), lasa.sleep(0)),
    "a bound method": lambda kept: kept.append(current().switch),
    "a weak reference": lambda kept: kept.append(weakref.ref(gevent.getcurrent())),
    "an attribute": lambda kept: setattr(gevent.getcurrent(), "user", "alice"),
    "a name": lambda kept: setattr(gevent.getcurrent(), "name", "mine"),
    "a link": lambda kept: current().link(kept.append),
    "a raw link": lambda kept: current().rawlink(kept.append),
    "a timeout": lambda kept: kept.append(gevent.Timeout.start_new(1000)),
    "a kill": lambda kept: current().kill(block=False),
    "a kill by function": lambda kept: gevent.kill(gevent.getcurrent()),
    "a gevent greenlet": lambda kept: kept.append(gevent.spawn(gevent.sleep, 0)),
    "an exception's frames": lambda kept: kept.append(frame_with_reference()),
}


def frame_with_reference() -> BaseException:
    me = gevent.getcurrent()
    try:
        raise ValueError(me)
    except ValueError as error:
        return error


@pytest.mark.parametrize("leaving", LEAVINGS)
def test_a_worker_that_somebody_still_knows_ends(leaving: str) -> None:
    kept: list[Any] = []
    seen: list[int] = []
    wait(spawn(lambda: (seen.append(greenlet_id()), LEAVINGS[leaving](kept))))
    parked = {id(worker) for worker in _hub.scheduler().parked}
    assert seen[0] not in parked
    settle()
    assert run(lambda: lasa.sleep(0.001))  # and what was left hits nobody
    for each in kept:
        if isinstance(each, gevent.Greenlet):
            assert each.dead or each.ready()
        elif isinstance(each, gevent.Timeout):
            each.close()


def test_a_reference_kept_by_a_thread_that_goes_on_as_its_coroutine_ends_is_seen() -> None:
    kept: list[Any] = []

    def body() -> None:
        keep(kept)
        coroutine.resume(coroutine.create(lambda: lasa.sleep(0.001)))

    wait(spawn(body))
    settle()
    assert kept[0].dead
    assert kept[0] not in _hub.scheduler().parked


@pytest.mark.parametrize(
    "wait_for_an_event",
    [lambda: lasa.coroutine.yield_(), lambda: lasa.semaphore.new(1)[0].wait(1), lambda: lasa.sleep(0)],
    ids=["yield_", "semaphore", "sleep"],
)
def test_a_thread_that_waits_for_others_and_then_for_an_event_leaves_its_worker_for_the_next(
    wait_for_an_event: Callable[[], object],
) -> None:
    def body() -> None:
        wait_for_an_event()
        with cosocket_pair() as (sock, peer):
            peer.sendall(b"x")
            assert sock.receive(1) == (b"x", None, None)

    used = {wait(spawn(lambda: (body(), greenlet_id())[1]))[1] for _ in range(20)}
    assert len(used) <= 2


# Nothing leaks


def test_gevent_locals_do_not_leak_into_the_next_thread() -> None:
    local = gevent.local.local()

    def first() -> None:
        local.user = "alice"

    run(first)
    assert run(lambda: getattr(local, "user", None)) is None


def test_contextvars_do_not_leak_into_the_next_thread_or_back() -> None:
    run(lambda: COLOUR.set("red") and None)
    assert run(COLOUR.get) == "none"
    assert COLOUR.get() == "none"
    kill(spawn(lambda: (COLOUR.set("blue"), lasa.sleep(1000))))
    assert run(COLOUR.get) == "none"


def test_what_a_thread_put_in_its_context_is_freed_with_it() -> None:
    class Thing:
        pass

    holder: contextvars.ContextVar[Thing] = contextvars.ContextVar("holder")

    def first() -> weakref.ref[Thing]:
        thing = Thing()
        holder.set(thing)
        return weakref.ref(thing)

    assert run(first)() is None


def test_arguments_and_results_are_freed_with_the_thread() -> None:
    class Thing:
        pass

    thing = Thing()
    gone = weakref.ref(thing)
    child = spawn(lambda given: [given], thing)
    del thing
    wait(child)
    assert gone() is None


def test_a_timeout_that_was_never_cancelled_does_not_hit_the_next_thread() -> None:
    run(lambda: gevent.Timeout.start_new(0.001) and None)
    for _ in range(3):
        assert run(lambda: lasa.sleep(0.002)) is True


def test_a_kill_scheduled_right_before_the_end_does_not_hit_the_next_thread() -> None:
    run(lambda: current().kill(block=False))
    assert run(lambda: lasa.sleep(0.002)) is True
    run(lambda: gevent.kill(gevent.getcurrent()))
    assert run(lambda: lasa.sleep(0.002)) is True


def test_a_kept_greenlet_can_be_killed_linked_and_joined_after_the_end() -> None:
    kept: list[Any] = []
    seen: list[Any] = []
    run(lambda: keep(kept))
    bystander = spawn(lasa.sleep, 0.005)
    (known,) = kept
    known.link(seen.append)
    known.kill()
    known.join()
    settle()
    assert known.dead
    assert seen == [known]
    assert known.get() is None
    assert wait(bystander) == (True, True)


def test_links_are_called_at_the_end_of_the_thread_that_was_linked() -> None:
    seen: list[Any] = []
    child = spawn(lambda: lasa.sleep(0.002))
    assert isinstance(child.greenlet, gevent.Greenlet)
    child.greenlet.link(lambda greenlet: seen.append(greenlet.successful()))
    settle()
    assert seen == []
    wait(child)
    settle()
    assert seen == [True]


def test_the_exception_being_handled_is_not_that_of_another_thread() -> None:
    seen: list[Any] = []
    try:
        raise ValueError("of the parent")
    except ValueError:
        child = spawn(lambda: (seen.append(sys.exc_info()), coroutine.yield_(), seen.append(sys.exc_info())))
        wait(child)
    wait(spawn(lambda: 1 / 0))
    run(lambda: seen.append(sys.exc_info()))
    assert seen == [(None, None, None)] * 3


def test_the_names_of_threads_are_not_handed_on() -> None:
    run(lambda: setattr(gevent.getcurrent(), "name", "mine"))
    assert run(lambda: current().name) != "mine"


def test_spawn_tree_locals_are_not_handed_on() -> None:
    def first() -> None:
        me = current()
        me.spawn_tree_locals = {"user": "alice"}

    run(first)
    assert not run(lambda: current().spawn_tree_locals)


# Threads that spawn the next and end


@pytest.mark.parametrize("leaves", ["nothing", "an attribute"])
def test_a_relay_of_twenty_thousand_needs_neither_memory_nor_stack(leaves: str) -> None:
    done: list[int] = []
    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    most = [0]

    def runner(left: int) -> None:
        if leaves == "an attribute":
            current().mark = left
        if left % 1000 == 0:
            gc.collect()
            most[0] = max(most[0], len(alive))
        coroutine.yield_()
        if left:
            alive.add(spawn(runner, left - 1))
        else:
            done.append(depth())

    def depth() -> int:
        frame, count = sys._getframe(), 0
        while frame.f_back is not None:
            frame, count = frame.f_back, count + 1
        return count

    spawn(runner, 20_000)
    while not done:
        lasa.sleep(0)
    assert done[0] < 10
    assert most[0] < 10


def test_twenty_thousand_threads_nested_in_each_other() -> None:
    seen: list[int] = []

    def nested(left: int) -> None:
        if left:
            spawn(nested, left - 1)
        seen.append(left)

    spawn(nested, 20_000)
    settle()
    assert sorted(seen) == list(range(20_001))


def test_a_worker_can_end_before_the_hub_has_ever_run() -> None:
    seen: list[Any] = []

    def other() -> None:
        child = spawn(lambda: (keep(seen), 1)[1])  # its greenlet is known and must end, into a hub that never ran
        seen.append(wait(child))
        seen.append(kill(spawn(lambda: (keep(seen), lasa.sleep(1000)))))
        gevent.sleep(0)
        seen.append([each.dead for each in seen if isinstance(each, gevent.Greenlet)])
        gevent.get_hub().destroy()

    in_os_thread(other)
    assert [each for each in seen if not isinstance(each, gevent.Greenlet)] == [(True, 1), (1, None), [True, True]]


# Tools that touch every greenlet


def workers() -> list[Any]:
    hub = _hub.scheduler()
    return [each for each in gc.get_objects() if type(each) is Worker and each.hub is hub and not each.dead]


def test_killing_every_greenlet_ends_the_threads_and_spares_later_ones() -> None:
    seen: list[str] = []

    def victim() -> None:
        try:
            lasa.sleep(1000)
        except gevent.GreenletExit:
            seen.append("killed")

    children = [spawn(victim) for _ in range(3)]
    run(lambda: None)  # and one that is parked
    assert len(_hub.scheduler().parked) >= 1
    gevent.killall(workers())
    assert seen == ["killed"] * 3
    assert _hub.scheduler().parked == []
    assert [wait(child)[0] for child in children] == [True] * 3
    assert run(lambda: lasa.sleep(0.001)) is True


@pytest.mark.parametrize("how", ["killall", "kill"])
def test_a_kill_of_parked_workers_that_comes_later_spares_threads_spawned_meanwhile(how: str) -> None:
    found = workers()
    if how == "killall":
        gevent.killall(found, block=False)
    else:
        for each in found:
            each.kill(block=False)
    del found
    child = spawn(lasa.sleep, 0.002)
    assert wait(child) == (True, True)


def test_a_switch_into_a_parked_worker_ends_it_and_no_more() -> None:
    (*_, parked) = _hub.scheduler().parked
    gevent.get_hub().loop.run_callback(parked.switch)
    settle()
    assert parked.dead
    assert parked not in _hub.scheduler().parked
    del parked


def test_a_gevent_timeout_around_spawn_leaves_the_child_running() -> None:
    sema, _ = semaphore.new(0)
    children: list[Any] = []

    def child() -> None:
        children.append(coroutine.running())
        gevent.sleep(0.003)  # to the hub, past the queue in which the spawner waits
        sema.wait(10)

    spawn(child)
    assert status(children[0]) == "running"
    lasa.sleep(0.005)
    sema.post()
    assert wait(children[0]) == (True, None)


def test_thread_killed_is_a_greenlet_exit() -> None:
    assert issubclass(ThreadKilled, gevent.GreenletExit)
