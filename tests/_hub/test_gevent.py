# mypy: disable-error-code="func-returns-value"
# Lambdas here are often several calls in a row, some of which return nothing.
"""gevent and lasa in one program: each other's greenlets, waits, tools; several OS threads."""

import io
import threading
from collections.abc import Callable
from typing import Any

import gevent
import gevent.event
import gevent.lock
import gevent.pool
import gevent.queue
import gevent.util
import pytest
from gevent import monkey

import lasa
from lasa import coroutine, semaphore, thread, timer
from lasa.thread import kill, spawn, wait
from tests.helpers import nothing_left_open, settle

# lasa's calls from gevent's greenlets


def test_a_greenlet_of_gevent_may_call_everything() -> None:
    seen: list[Any] = []
    sema, _ = semaphore.new(0)

    def foreign() -> str:
        seen.append(lasa.sleep(0.001))
        child = spawn(lambda: sema.wait(10))
        other = spawn(lasa.sleep, 1000)
        seen.append((thread.status(child), kill(other)))
        sema.post()
        seen.append(wait(child))
        seen.append(sema.wait(0.001))
        coroutine.yield_()
        seen.append(coroutine.wrap(lambda: lasa.sleep(0))())
        seen.append(coroutine.running())
        handle, _ = timer.at(0.001, seen.append)
        assert handle is not None
        lasa.sleep(0.003)
        return "end"

    assert gevent.spawn(foreign).get() == "end"
    assert seen == [True, ("running", (1, None)), (True, True, None), (None, "timeout"), True, None, False]


def test_greenlets_and_light_threads_are_served_in_one_queue() -> None:
    sema, _ = semaphore.new(0)
    seen: list[int] = []

    def waiter(number: int) -> None:
        sema.wait(10)
        seen.append(number)

    greenlets = []
    for number in range(6):
        if number % 2:
            spawn(waiter, number)
        else:
            greenlets.append(gevent.spawn(waiter, number))
            settle()
    sema.post(6)
    gevent.joinall(greenlets, timeout=5)
    settle()
    assert seen == list(range(6))


def test_a_child_of_a_greenlet_that_has_ended_is_an_orphan() -> None:
    child = gevent.spawn(lambda: spawn(lasa.sleep, 0.003)).get()
    assert thread.status(child) == "running"
    lasa.sleep(0.006)
    assert thread.status(child) == "dead"


def test_a_pool_of_greenlets_spawns_light_threads() -> None:
    pool = gevent.pool.Pool(5)
    results = pool.map(lambda number: wait(spawn(lambda: (lasa.sleep(0), number))), range(50))
    assert results == [(True, True, number) for number in range(50)]


@pytest.mark.parametrize(
    "waiting",
    [
        lambda: lasa.sleep(1000),
        lambda: wait(spawn(lasa.sleep, 0.002)),
        lambda: semaphore.new(0)[0].wait(1000),
        lambda: coroutine.wrap(lambda: lasa.sleep(1000))(),
    ],
    ids=["sleep", "wait", "semaphore", "coroutine"],
)
def test_killing_a_greenlet_that_waits_in_lasa_leaves_nothing(waiting: Callable[[], Any]) -> None:
    with nothing_left_open():
        greenlet = gevent.spawn(waiting)
        settle()
        greenlet.kill()
        assert greenlet.successful()
        assert isinstance(greenlet.value, gevent.GreenletExit)
        lasa.sleep(0.004)


# gevent's calls from light threads


def test_a_light_thread_may_wait_for_what_gevent_has() -> None:
    event, lock = gevent.event.Event(), gevent.lock.RLock()
    queue: gevent.queue.Queue[int] = gevent.queue.Queue()
    result: gevent.event.AsyncResult[int] = gevent.event.AsyncResult()

    def consumer() -> list[Any]:
        gevent.sleep(0.001)
        with lock:
            return [event.wait(), queue.get(), result.get(), gevent.spawn(lambda: 4).get()]

    child = spawn(consumer)
    gevent.spawn_later(0.002, event.set)
    spawn(lambda: (lasa.sleep(0.003), queue.put(2), result.set(3)))
    assert wait(child) == (True, [True, 2, 3, 4])


def test_an_event_wakes_light_threads_and_greenlets_alike() -> None:
    event = gevent.event.Event()
    seen: list[str] = []
    children = [spawn(lambda name=name: (event.wait(), seen.append(name))) for name in ("a", "b")]

    def foreign() -> None:
        event.wait()
        seen.append("g")

    greenlet = gevent.spawn(foreign)
    settle()
    event.set()
    gevent.joinall([greenlet])
    for child in children:
        wait(child)
    assert sorted(seen) == ["a", "b", "g"]


@pytest.mark.parametrize(
    "waiting",
    [
        lambda: lasa.sleep(1000),
        lambda: semaphore.new(0)[0].wait(1000),
        lambda: wait(spawn(lasa.sleep, 0.1)),
        lambda: coroutine.wrap(lambda: lasa.sleep(1000))(),
        lambda: gevent.sleep(1000),
    ],
    ids=["sleep", "semaphore", "wait", "coroutine", "gevent.sleep"],
)
def test_a_gevent_timeout_ends_any_wait_of_a_light_thread(waiting: Callable[[], Any]) -> None:
    def child() -> str:
        with gevent.Timeout(0.001, False):  # type: ignore[arg-type]
            waiting()
            return "not interrupted"
        assert lasa.sleep(0.001)
        return "interrupted"

    assert wait(spawn(child)) == (True, "interrupted")
    lasa.sleep(0.110)  # what was waited for ends, too


def test_a_timeout_that_is_not_caught_is_what_wait_returns(caplog: pytest.LogCaptureFixture) -> None:
    def child() -> None:
        with gevent.Timeout(0.001):
            lasa.sleep(1000)

    ok, error = wait(spawn(child))
    assert (ok, type(error)) == (False, gevent.Timeout)
    assert len(caplog.records) == 1


def test_iwait_and_joinall_take_the_greenlets_of_light_threads() -> None:
    children = [spawn(lasa.sleep, 0.001 * number) for number in (1, 2, 3)]
    greenlets: list[Any] = [child.greenlet for child in children]
    assert len(gevent.joinall(greenlets, timeout=5)) == 3
    assert [wait(child) for child in children] == [(True, True)] * 3


def test_gevents_lock_held_by_a_killed_thread_is_given_back() -> None:
    lock = gevent.lock.RLock()

    def holder() -> None:
        with lock:
            lasa.sleep(1000)

    child = spawn(holder)
    kill(child)
    assert lock.acquire(blocking=False)
    lock.release()


def test_a_light_thread_may_ask_the_thread_pool() -> None:
    pool = gevent.get_hub().threadpool
    assert wait(spawn(lambda: pool.apply(lambda: 6 * 7))) == (True, 42)


# gevent's tools


@pytest.mark.filterwarnings("ignore")  # it prints every gevent.local too, also those of the test tools, which may warn
def test_print_run_info_shows_what_light_threads_do() -> None:
    def a_function_of_the_user() -> None:
        lasa.sleep(1000)

    child = spawn(a_function_of_the_user)
    lines: Any = gevent.util.format_run_info()
    text = "\n".join(lines)
    assert "Worker" in text
    assert "a_function_of_the_user" in text
    out = io.StringIO()
    gevent.util.print_run_info(file=out)
    assert "a_function_of_the_user" in out.getvalue()
    kill(child)
    assert wait(spawn(lambda: lasa.sleep(0))) == (True, True)


def test_the_greenlet_of_a_light_thread_answers_as_gevents_do() -> None:
    child = spawn(lasa.sleep, 0.002)
    greenlet = child.greenlet
    assert isinstance(greenlet, gevent.Greenlet)
    assert (bool(greenlet), greenlet.dead, bool(greenlet.ready())) == (True, False, False)
    greenlet.join(timeout=0)
    assert not greenlet.dead
    greenlet.join()
    assert (greenlet.dead, greenlet.successful(), greenlet.get()) == (True, True, None)
    assert wait(child) == (True, True)


def test_a_program_that_waits_for_nothing_gets_gevents_loop_exit() -> None:
    seen: list[Any] = []

    def program() -> None:
        try:
            lasa._hub.pause()
        except gevent.exceptions.LoopExit:
            seen.append("LoopExit")
        seen.append(wait(spawn(lambda: lasa.sleep(0.001))))
        gevent.get_hub().destroy()

    in_os_threads([program])
    assert seen == ["LoopExit", (True, True)]


# Several OS threads, each with a hub of its own


def in_os_threads(functions: list[Callable[[], None]]) -> None:
    """Run each function in a real thread of its own, all at once, also after monkey.patch_all()."""
    allocate, start = (
        monkey.get_original("_thread", "allocate_lock"),
        monkey.get_original("_thread", "start_new_thread"),
    )
    failures: list[Exception] = []

    def run(function: Callable[[], None], done: Any) -> None:
        try:
            function()
        except Exception as error:
            failures.append(error)
        finally:
            done.release()

    locks = []
    for function in functions:
        lock = allocate()
        lock.acquire()
        locks.append(lock)
        start(run, (function, lock))
    for lock in locks:
        assert lock.acquire(True, 60)
    assert failures == []


def test_light_threads_run_in_several_os_threads_at_once() -> None:
    totals: list[int] = []

    def program() -> None:
        sema, _ = semaphore.new(0)
        total = [0]

        def child(number: int) -> None:
            for _ in range(5):
                lasa.sleep(0)
                sema.post()
                sema.wait(10)
            coroutine.yield_()
            total[0] += number

        for _ in range(5):
            for each in [spawn(child, number) for number in range(20)]:
                assert wait(each) == (True, None)
            kill(spawn(lasa.sleep, 1000))
        handle, _ = timer.at(0.001, lambda premature: totals.append(total[0]))
        assert handle is not None
        lasa.sleep(0.003)
        gevent.get_hub().join(timeout=5)
        gevent.get_hub().destroy()

    in_os_threads([program] * 8)
    assert totals == [5 * sum(range(20))] * 8


def test_a_thread_of_the_standard_library_works_patched_or_not() -> None:
    seen: list[Any] = []
    each = threading.Thread(target=lambda: seen.append(wait(spawn(lambda: (lasa.sleep(0.001), 1)))))
    each.start()
    each.join()
    assert seen == [(True, True, 1)]
