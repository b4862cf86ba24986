"""to_thread: a function in another OS thread, while the light threads of this one go on."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import gevent
import pytest

import lasa
from lasa import _hub, _to_thread, channel, set_thread_limit, to_thread
from lasa._hub import os_pool
from lasa.thread import kill, spawn, wait
from tests.helpers import nothing_left_open

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[_hub.OsPool[None]]:
    """Each test has a pool of its own, whose OS threads end soon."""
    monkeypatch.setattr(os_pool, "IDLE_S", 0.05)
    made: _hub.OsPool[None] = _hub.OsPool("lasa.to_thread", 4, nullcontext)
    monkeypatch.setattr(_to_thread, "_pool", made)
    yield made
    until(lambda: made._threads == 0)


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s
        lasa.sleep(0.001)


class Gate:
    """A function that blocks its OS thread until it is let through."""

    def __init__(self) -> None:
        self.entered: list[Any] = []
        self._lock = _hub.OsLock()
        self._lock.acquire()

    def __call__(self, name: Any = None) -> Any:
        self.entered.append(name)
        assert self._lock.acquire(timeout=20)
        self._lock.release()
        return name

    def open(self) -> None:
        self._lock.release()


def test_it_returns_what_the_function_returns() -> None:
    assert to_thread(divmod, 7, 2) == (3, 1)
    assert to_thread(sorted, [2, 1], reverse=True) == [2, 1]


def test_it_raises_what_the_function_raises() -> None:
    error = KeyError("no")

    def fail() -> None:
        raise error

    with pytest.raises(KeyError) as caught:
        to_thread(fail)
    assert caught.value is error
    assert caught.traceback[-1].name == "fail"
    with pytest.raises(SystemExit):
        to_thread(sys.exit, 3)


def test_it_runs_in_another_os_thread_with_the_callers_context() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="")
    variable.set("here")
    assert to_thread(lambda: (_hub.os_thread_id(), variable.get(), variable.set("there"))[:2]) == (
        to_thread(_hub.os_thread_id),
        "here",
    )
    assert to_thread(_hub.os_thread_id) != _hub.os_thread_id()
    assert variable.get() == "here"


def test_light_threads_go_on_meanwhile() -> None:
    gate = Gate()
    child = spawn(to_thread, gate, "through")
    ticks = [lasa.sleep(0.001) for _ in range(3)]
    assert (ticks, child.is_over) == ([True] * 3, False)
    gate.open()
    assert wait(child) == (True, "through")


def test_so_many_run_at_a_time_and_the_others_wait_for_their_turn() -> None:
    gate = Gate()
    set_thread_limit(2)
    children = [spawn(to_thread, gate, name) for name in "abcde"]
    until(lambda: len(gate.entered) == 2)
    lasa.sleep(0.005)
    assert sorted(gate.entered) == ["a", "b"]
    set_thread_limit(3)
    until(lambda: len(gate.entered) == 3)
    gate.open()
    assert [wait(each) for each in children] == [(True, name) for name in "abcde"]


def test_a_lower_limit_counts_once_those_that_run_are_done(pool: _hub.OsPool[None]) -> None:
    gate = Gate()
    children = [spawn(to_thread, gate) for _ in range(4)]
    until(lambda: len(gate.entered) == 4)
    set_thread_limit(1)
    gate.open()
    for each in children:
        wait(each)
    assert to_thread(int) == 0
    until(lambda: pool._threads <= 1)
    busy = Gate()
    children = [spawn(to_thread, busy) for _ in range(3)]
    until(lambda: len(busy.entered) == 1)
    lasa.sleep(0.005)
    assert len(busy.entered) == 1
    busy.open()
    assert [wait(each) for each in children] == [(True, None)] * 3


def test_a_killed_waiter_leaves_the_function_running() -> None:
    gate, ended = Gate(), channel(1)
    child = spawn(to_thread, lambda: ended.send(gate("through")))
    until(lambda: bool(gate.entered))
    kill(child)
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.002):
        to_thread(gate)
    gate.open()
    assert ended.receive(10) == ("through", None)


def test_a_function_whose_waiter_is_gone_before_its_turn_is_not_called() -> None:
    gate = Gate()
    set_thread_limit(1)
    first = spawn(to_thread, gate, "first")
    second = spawn(to_thread, gate, "second")
    third = spawn(to_thread, gate, "third")
    until(lambda: bool(gate.entered))
    kill(second)
    gate.open()
    assert (wait(first), wait(third)) == ((True, "first"), (True, "third"))
    assert gate.entered == ["first", "third"]


def test_busy_functions_keep_no_name_from_being_looked_up() -> None:
    gate = Gate()
    children = [spawn(to_thread, gate) for _ in range(8)]
    assert _hub.resolve("localhost", 10)
    gate.open()
    assert [wait(each)[0] for each in children] == [True] * 8


def test_os_threads_without_work_end_and_give_back_what_their_functions_left(pool: _hub.OsPool[None]) -> None:
    def leave_something() -> bool:
        spawn(lasa.sleep, 1000)
        return lasa.sleep(0.001)

    with nothing_left_open():
        children = [spawn(to_thread, leave_something) for _ in range(4)]
        assert [wait(each) for each in children] == [(True, True)] * 4
        until(lambda: pool._threads == 0)
        assert pool._spare == 0
    assert to_thread(int) == 0


def test_a_plain_os_thread_may_call_it() -> None:
    results = channel(1)
    _hub.start_os_thread(lambda: results.send((to_thread(sum, [1, 2]), _hub.has_hub())), "plain")
    assert results.receive(10) == ((3, False), None)


def test_the_function_may_call_it_too() -> None:
    assert to_thread(lambda: to_thread(lambda: to_thread(int))) == 0


def test_wrong_arguments_raise() -> None:
    with pytest.raises(TypeError, match=r"^lasa\.to_thread\(\) takes a function, got int$"):
        to_thread(5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="positive number required"):
        set_thread_limit(0)
    with pytest.raises(TypeError, match=r"^lasa\.set_thread_limit\(\) takes a number, got None$"):
        set_thread_limit(None)  # type: ignore[arg-type]


def said_by(script: str) -> tuple[str, str]:
    """What a script that forks writes to its two outputs, by the time it has ended."""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=ROOT,
        check=True,
    )
    return ended.stdout, ended.stderr


def test_it_works_in_a_forked_process_and_no_exit_waits_for_it() -> None:
    script = """
        import os, time
        import lasa
        assert lasa.to_thread(int) == 0
        pid = os.fork()
        if pid == 0:
            print(lasa.to_thread(lambda: "child"), flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
        lasa.thread.spawn(lasa.to_thread, time.sleep, 1000)
        print("parent")
    """
    assert said_by(script) == ("child\nparent\n", "")


def test_a_function_that_forks_goes_on_in_the_child_whose_pool_has_no_os_threads() -> None:
    script = """
        import os
        import lasa

        def fork():
            pid = os.fork()
            if pid == 0:
                print([lasa.to_thread(lambda: "child") for _ in range(3)], flush=True)
                os._exit(0)
            os.waitpid(pid, 0)

        lasa.to_thread(fork)
        print(lasa.to_thread(lambda: "parent"))
    """
    assert said_by(script) == ("['child', 'child', 'child']\nparent\n", "")


def test_a_call_whose_os_thread_cannot_make_its_tool_raises_the_error_and_the_next_has_another() -> None:
    fails = [True, True]

    @contextmanager
    def make_tool() -> Iterator[int]:
        if fails:
            fails.pop()
            raise OSError("no tool")
        yield 5

    made: _hub.OsPool[int] = _hub.OsPool("tools", 1, make_tool)
    calls = [spawn(made.run, lambda tool: tool + 1) for _ in range(4)]
    with gevent.Timeout(20):
        outcomes = [wait(call) for call in calls]
    assert [str(value) for _, value in outcomes] == ["no tool", "no tool", "6", "6"]
    until(lambda: made._threads == 0)
    assert made._spare == 0
