import contextvars
import gc
import weakref
from typing import Any

import gevent
import pytest

import lasa
from lasa import coroutine, semaphore
from lasa.coroutine import create, resume, running, status, wrap, yield_
from lasa.thread import Thread, ThreadKilled, kill, spawn, wait
from tests.helpers import no_switch, settle

COLOUR: contextvars.ContextVar[str] = contextvars.ContextVar("COLOUR", default="none")


def test_values_go_in_and_out_through_resume_and_yield() -> None:
    seen: list[Any] = []

    def body(*arguments: Any) -> tuple[str, str]:
        seen.append(arguments)
        seen.append(yield_(1, 2))
        seen.append(yield_())
        seen.append(yield_(None))
        return "end", "of it"

    co = create(body)
    assert resume(co, "a", "b") == (True, 1, 2)
    assert resume(co) == (True,)
    assert resume(co, "one") == (True, None)
    assert resume(co, "x", "y") == (True, "end", "of it")
    assert seen == [("a", "b"), None, "one", ("x", "y")]
    assert resume(co) == (False, "cannot resume dead coroutine")


@pytest.mark.parametrize(("value", "result"), [(None, (True, None)), ((), (True,)), (3, (True, 3)), ([1], (True, [1]))])
def test_a_returned_tuple_spreads_and_anything_else_is_one_value(value: Any, result: Any) -> None:
    assert resume(create(lambda: value)) == result


def test_an_error_is_returned_by_resume_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    error = ValueError("mine")

    def body() -> None:
        raise error

    co = create(body)
    assert resume(co) == (False, error)
    assert status(co) == "dead"
    assert caplog.records == []


@pytest.mark.parametrize("error", [gevent.Timeout(1), KeyboardInterrupt(), gevent.GreenletExit("x"), ThreadKilled()])
def test_what_is_no_exception_ends_the_resumer_too(error: BaseException) -> None:
    def body() -> None:
        raise error

    co = create(body)
    with pytest.raises(type(error)) as caught:
        resume(co)
    assert caught.value is error
    assert status(co) == "dead"


def test_status_follows_the_coroutine_through_its_life() -> None:
    seen: list[str] = []
    inner = create(lambda: seen.append(f"outer {status(outer)}"))

    def body() -> None:
        seen.append(f"outer {status(outer)}")
        resume(inner)
        yield_()

    outer = create(body)
    seen.append(f"outer {status(outer)}")
    resume(outer)
    seen.append(f"outer {outer.status}")
    resume(outer)
    seen.append(f"outer {status(outer)}")
    assert seen == [f"outer {word}" for word in ("suspended", "running", "normal", "suspended", "dead")]
    assert "user coroutine dead" in repr(outer)


def test_only_a_suspended_coroutine_can_be_resumed() -> None:
    seen: list[Any] = []

    def body() -> None:
        seen.append(resume(co))
        resume(create(lambda: seen.append(resume(co))))

    co = create(body)
    resume(co)
    assert seen == [(False, "cannot resume running coroutine"), (False, "cannot resume normal coroutine")]
    assert resume(co) == (False, "cannot resume dead coroutine")


def test_a_coroutine_that_waits_cannot_be_resumed_by_another_thread() -> None:
    sema, _ = semaphore.new(0)
    co = create(lambda: sema.wait(10))
    owner = spawn(resume, co)
    assert resume(co) == (False, "cannot resume running coroutine")
    sema.post()
    assert wait(owner) == (True, True, True, None)


def test_a_light_thread_cannot_be_resumed() -> None:
    child = spawn(yield_)
    assert resume(child) == (False, "cannot resume running coroutine")  # type: ignore[arg-type]
    settle()
    assert resume(child) == (False, "cannot resume zombie coroutine")  # type: ignore[arg-type]
    wait(child)
    assert resume(child) == (False, "cannot resume dead coroutine")  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [None, 1, lambda: 1])
def test_resuming_anything_else_raises(wrong: Any) -> None:
    with pytest.raises(
        TypeError, match=r"^lasa\.coroutine\.resume\(\) takes a user coroutine, as create\(\) returns it, got "
    ):
        resume(wrong)


@pytest.mark.parametrize("make", [create, wrap])
def test_what_is_not_callable_raises(make: Any) -> None:
    with pytest.raises(TypeError, match=r"^lasa\.coroutine\.create\(\) takes a function, got int$"):
        make(1)


def test_creating_a_coroutine_does_not_run_it() -> None:
    with no_switch():
        assert status(create(lambda: pytest.fail("it ran"))) == "suspended"


# Waiting inside


def test_a_wait_suspends_the_whole_chain_and_resume_returns_only_at_the_next_yield() -> None:
    seen: list[str] = []

    def body() -> str:
        seen.append("before")
        lasa.sleep(0.002)
        seen.append("after")
        yield_("yielded")
        return "returned"

    def others() -> None:
        lasa.sleep(0)
        seen.append("others run")

    co = create(body)
    other = spawn(others)
    assert resume(co) == (True, "yielded")  # trap T34
    assert seen == ["before", "others run", "after"]
    assert resume(co) == (True, "returned")
    wait(other)


def test_a_coroutine_may_be_resumed_by_one_thread_after_the_other() -> None:
    def body() -> str:
        for turn in range(3):
            lasa.sleep(0)
            yield_(turn)
        return "end"

    co = create(body)
    children = [spawn(lambda: (lasa.sleep(0.001), resume(co))[1]) for _ in range(4)]
    results = []
    for child in children:
        _ok, *result = wait(child)
        while result[1] == "cannot resume running coroutine":
            lasa.sleep(0)
            result = list(resume(co))
        results.append(result)
    assert sorted(result[1] for result in results if result[1] != "end") == [0, 1, 2]
    assert status(co) == "dead"


def test_yield_in_a_light_thread_or_main_goes_to_the_end_of_the_queue_and_returns_none() -> None:
    seen: list[Any] = []
    child = spawn(lambda: seen.append(yield_(1, 2)))
    seen.append("main")
    assert yield_("discarded") is None
    assert seen == ["main", None]
    wait(child)


def test_running_names_the_thread_or_coroutine_that_runs() -> None:
    assert running() is None
    co = create(running)
    child = spawn(running)
    assert wait(child) == (True, child)
    assert resume(co) == (True, co)
    assert wait(spawn(lambda: resume(create(lambda: isinstance(running(), Thread))))) == (True, True, False)


def test_a_thousand_coroutines_deep() -> None:
    def body(depth: int) -> int:
        if depth == 0:
            lasa.sleep(0)
            return 0
        ok, value = resume(create(body), depth - 1)
        assert ok
        return int(value) + 1

    assert body(100) == 100


# wrap()


def test_wrap_gives_the_values_without_the_boolean() -> None:
    def body() -> tuple[int, int]:
        yield_()
        yield_(1)
        yield_(1, 2)
        return 3, 4

    call = wrap(body)
    assert [call() for _ in range(4)] == [None, 1, (1, 2), (3, 4)]
    with pytest.raises(RuntimeError, match="cannot resume dead coroutine"):
        call()


def test_wrap_raises_in_the_caller_what_the_coroutine_raised() -> None:
    error = ValueError("mine")

    def body() -> None:
        yield_()
        raise error

    call = wrap(body)
    call()
    with pytest.raises(ValueError, match="mine") as caught:
        call()
    assert caught.value is error


# What it must not disturb


def test_a_coroutine_has_a_copy_of_its_creators_contextvars() -> None:
    seen: list[str] = []

    def body() -> None:
        seen.append(COLOUR.get())
        COLOUR.set("blue")
        yield_()
        seen.append(COLOUR.get())

    token = COLOUR.set("red")
    co = create(body)
    COLOUR.set("green")
    resume(co)
    assert COLOUR.get() == "green"
    resume(co)
    assert seen == ["red", "blue"]
    COLOUR.reset(token)


def test_a_coroutine_that_is_dropped_in_the_middle_is_freed_and_runs_its_finally_clause() -> None:
    seen: list[str] = []

    def body() -> None:
        try:
            yield_()
        finally:
            seen.append("finally")

    co = create(body)
    resume(co)
    gone = weakref.ref(co)
    greenlet_gone = weakref.ref(co.greenlet)
    del co
    gc.collect()
    assert (gone(), greenlet_gone()) == (None, None)
    assert seen == ["finally"]


def test_abandoned_coroutines_do_not_pile_up() -> None:
    def generate() -> None:
        for number in range(3):
            yield_(number)

    def abandon(many: int) -> int:
        for _ in range(many):
            resume(create(generate))
        gc.collect()
        return sum(isinstance(each, coroutine.Coroutine) for each in gc.get_objects())

    assert abandon(10) == abandon(200)


def test_a_timeout_of_a_suspended_coroutine_does_not_hit_whoever_resumed_it(capfd: pytest.CaptureFixture[str]) -> None:
    def body() -> None:
        with gevent.Timeout(0.001):
            yield_("inside")
            pytest.fail("resumed after its timeout")

    co = create(body)
    assert resume(co) == (True, "inside")
    assert lasa.sleep(0.005)  # the timeout fires now, and must not be ours
    assert status(co) == "dead"
    assert "Timeout" in capfd.readouterr().err  # gevent's hub reports it


def test_a_timeout_around_resume_ends_the_coroutine_that_waits() -> None:
    seen: list[str] = []

    def body() -> None:
        try:
            lasa.sleep(1000)
        finally:
            seen.append("finally")

    co = create(body)
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.001):
        resume(co)
    assert (seen, status(co)) == (["finally"], "dead")


def test_an_exception_in_the_finally_clause_of_an_ended_coroutine_stays_with_the_interrupted_caller() -> None:
    def body() -> None:
        try:
            lasa.sleep(1000)
        finally:
            raise ValueError("while cleaning up")

    co = create(body)
    with pytest.raises((gevent.Timeout, ValueError)), gevent.Timeout(0.001):
        resume(co)
    assert status(co) == "dead"
    assert lasa.sleep(0)


def test_a_killed_thread_leaves_a_suspended_coroutine_to_others() -> None:
    co = create(lambda: yield_(1) or "end")
    child = spawn(lambda: (resume(co), lasa.sleep(1000)))
    kill(child)
    assert status(co) == "suspended"
    assert resume(co) == (True, "end")
