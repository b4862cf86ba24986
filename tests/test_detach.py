"""detach: a program in an OS thread of its own, its end, and what it leaves behind: nothing."""

from __future__ import annotations

import gc
import importlib.util
import logging
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import greenlet
import psutil
import pytest

import lasa
from lasa import _detached, _hub, channel, coroutine, detach, socket
from lasa.thread import ThreadKilled, kill, spawn, wait
from tests.helpers import PEER_TIMEOUT_S, Peer, nothing_left_open, raw_listener

ROOT = Path(__file__).parents[1]


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s
        lasa.sleep(0.001)


# What runs


def test_a_function_runs_in_an_os_thread_with_a_hub_of_its_own() -> None:
    def body(a: int, b: int) -> Any:
        lasa.sleep(0.001)
        return a + b, _hub.os_thread_id(), _hub.scheduler() is not home

    home = _hub.scheduler()
    program = detach(name="adder", content=body, args=(1, 2))
    assert program.name == "adder"
    is_done, total, os_thread_id, has_hub = program.join(10)
    assert (is_done, total, has_hub) == (True, 3, True)
    assert os_thread_id != _hub.os_thread_id()
    assert not program.is_alive


def test_its_name_is_that_of_its_os_thread_for_as_long_as_that_lives() -> None:
    names, go_on = channel(1), channel(1)

    def body() -> None:
        names.send(threading.current_thread().name)
        go_on.receive()

    _hub.start_os_thread(body, "collector")
    assert names.receive(10) == ("collector", None)
    assert "collector" in {thread.name for thread in threading.enumerate()}
    go_on.send(None)
    until(lambda: "collector" not in {thread.name for thread in threading.enumerate()})
    assert detach(name="adder", content=int).join(10) == (True, 0)
    until(lambda: "adder" not in {thread.name for thread in threading.enumerate()})


def test_the_options_may_be_a_mapping_as_in_the_seed() -> None:
    program = detach({"name": "mapped", "content": lambda: "done"})
    assert (program.name, program.join(10)) == ("mapped", (True, "done"))
    assert detach({"content": divmod}, args=(7, 2)).join(10) == (True, 3, 1)


def test_programs_without_a_name_are_numbered() -> None:
    first, second = detach(content=int), detach(content=int)
    assert first.name.startswith("detached-")
    assert first.name != second.name
    assert (first.join(10), second.join(10)) == ((True, 0), (True, 0))


def test_a_code_string_finds_its_arguments() -> None:
    results = channel(1)
    code = "import lasa\nlasa.sleep(0.001)\nresults, value = args\nresults.send((value, __name__))"
    assert detach(content=code, args=(results, 5)).join(10) == (True, None)
    assert results.receive(0) == ((5, "__main__"), None)


def test_a_python_file_runs_by_its_suffix(tmp_path: Path) -> None:
    path = tmp_path / "job.py"
    path.write_text("args[0].send(__file__)\n")
    results = channel(1)
    assert detach(content_by_file=path, args=(results,)).join(10) == (True, None)
    assert results.receive(0) == (str(path), None)


def test_a_detached_program_may_detach_another() -> None:
    def body(depth: int) -> Any:
        return depth if not depth else detach(content=body, args=(depth - 1,)).join(10)

    assert detach(content=body, args=(2,)).join(10) == (True, True, True, 0)


# Lua


def test_lua_goes_to_the_lua_runtime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def run_detached(**program: Any) -> Any:
        return program, _hub.os_thread_id()

    monkeypatch.setattr(_detached, "find_spec", lambda name: name == "lupa" or None)
    monkeypatch.setitem(sys.modules, "lasa.lua", SimpleNamespace(run_detached=run_detached))
    path = tmp_path / "job.lua"
    path.write_text("return 1")
    _, program, os_thread_id = detach(content_by_lua="return 1", name="l", args=[1]).join(10)
    assert program == {"code": b"return 1", "file": None, "name": "l", "args": (1,)}
    assert os_thread_id != _hub.os_thread_id()
    _, program, _ = detach({"content_by_file": str(path).encode(), "name": b"f"}).join(10)
    assert program == {"code": None, "file": str(path), "name": "f", "args": ()}


@pytest.mark.skipif(importlib.util.find_spec("lupa") is None, reason="needs lupa")
def test_lua_code_runs_with_its_arguments() -> None:
    program = detach(content_by_lua="local a, b = ...; lasa.sleep(0.001); return a + b", args=(1, 2))
    assert program.join(10) == (True, 3)


def test_without_lupa_the_caller_learns_at_once_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_detached, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'lasa-cosocket\[lua\]'"):
        detach(content_by_lua="return 1")


# What is wrong is told in the caller


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "expected, got none"),
        ({"content": int, "content_by_lua": "return"}, "expected, got content and content_by_lua"),
        ({"content": int, "colour": "red"}, 'unknown option "colour"'),
        ({"content_by_file": "job.rb"}, "a .py or .lua file expected, got job.rb"),
    ],
)
def test_wrong_options_raise(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        detach(options)


def test_what_cannot_run_raises_before_an_os_thread_is_made(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="content: string expected, got int"):
        detach(content=5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="content_by_lua: string expected, got type"):
        detach(content_by_lua=int)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^lasa\.detach\(\) takes a mapping, or keywords such as content=…, got type$"):
        detach(int)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="takes a mapping, or keywords such as name=…, got str"):
        detach("job")  # type: ignore[arg-type]
    for args in (5, "ab", None):
        with pytest.raises(TypeError, match="args: tuple expected, got "):
            detach(content=int, args=args)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="name: str expected, got int"):
        detach(content=int, name=5)  # type: ignore[arg-type]
    with pytest.raises(SyntaxError):
        detach(content="1 +")
    with pytest.raises(FileNotFoundError):
        detach(content_by_file=tmp_path / "missing.py")
    assert not _detached._alive


# Joining


def test_join_lets_others_go_on_and_times_out() -> None:
    program = detach(content=lasa.sleep, args=(1000,))
    assert program.join(0) == (None, "timeout")
    other = spawn(lasa.sleep, 0.001)
    assert program.join(0.005) == (None, "timeout")
    assert other.is_over
    assert (program.is_alive, program.error) == (True, None)
    program.stop()
    assert program.join(10)[0] is False


def test_many_may_join_from_any_os_thread_and_as_often_as_they_like() -> None:
    program = detach(content=lambda: lasa.sleep(0.01) and ("a", "b"))
    children = [spawn(program.join, 10) for _ in range(3)]
    killed = spawn(program.join)
    kill(killed)
    other = detach(content=program.join)
    assert [wait(each) for each in children] == [(True, True, "a", "b")] * 3
    assert other.join(10) == (True, True, "a", "b")
    assert program.join() == program.join(0) == (True, "a", "b")
    results = channel(1)
    _hub.start_os_thread(lambda: results.send(detach(content=int).join()), "plain")
    assert results.receive(10) == ((True, 0), None)


def test_a_program_cannot_join_itself() -> None:
    handles = channel(1)
    program = detach(content=lambda: handles.receive()[0].join())
    handles.send(program)
    is_done, error = program.join(10)
    assert is_done is False
    assert isinstance(error, RuntimeError)
    with pytest.raises(ValueError, match="no negative number"):
        detach(content=int).join(-1)


# Its end


def test_it_is_over_when_its_light_threads_and_timers_are_done() -> None:
    seen: list[str] = []

    def body() -> str:
        spawn(lambda: (lasa.sleep(0.005), seen.append("light thread")))  # type: ignore[func-returns-value]
        lasa.timer.at(0.01, lambda premature: seen.append(f"timer {premature}"))
        return "main"

    assert detach(content=body).join(10) == (True, "main")
    assert seen == ["light thread", "timer False"]


def test_an_error_ends_it_is_logged_and_kept(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def child() -> None:
        try:
            lasa.sleep(1000)
        finally:
            seen.append("finally")

    def body() -> None:
        spawn(child)
        raise KeyError("no")

    program = detach(name="broken", content=body)
    is_done, error = program.join(10)
    assert (is_done, repr(error), program.error) == (False, "KeyError('no')", error)
    assert seen == ["finally"]
    assert [record.getMessage() for record in caplog.records] == ["detached program broken aborted: KeyError('no')"]
    assert caplog.records[0].name == "lasa.thread"
    assert caplog.records[0].exc_info is not None


def test_an_error_of_a_light_thread_ends_that_one_only(caplog: pytest.LogCaptureFixture) -> None:
    program = detach(content=lambda: wait(spawn(lambda: 1 / 0))[0])
    assert (program.join(10), program.error) == ((True, False), None)
    assert len(caplog.records) == 1


def test_sys_exit_ends_it_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    program = detach(content=sys.exit, args=(3,))
    is_done, error = program.join(10)
    assert is_done is False
    assert isinstance(error, SystemExit)
    in_a_light_thread = detach(content=lambda: (spawn(sys.exit), lasa.sleep(1000)))
    assert isinstance(in_a_light_thread.join(10)[1], SystemExit)
    assert caplog.records == []


def test_a_program_that_waits_for_nothing_is_told_so(caplog: pytest.LogCaptureFixture) -> None:
    program = detach(content=lambda: gevent.event.AsyncResult().get())
    assert "deadlock" in str(program.join(10)[1])
    assert len(caplog.records) == 1


def test_stop_kills_light_threads_and_makes_timers_premature(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []
    started = channel(1)

    def body() -> None:
        lasa.timer.at(1000, lambda premature: seen.append(f"timer {premature}"))
        try:
            started.send(None)
            lasa.sleep(1000)
        finally:
            lasa.sleep(0.001)
            seen.append("finally")

    program = detach(content=body)
    started.receive(10)
    program.stop()
    assert isinstance(program.join(10)[1], ThreadKilled)
    assert sorted(seen) == ["finally", "timer True"]
    program.stop()
    assert isinstance(program.error, ThreadKilled)
    assert caplog.records == []


def test_stop_may_come_before_it_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    program = _detached.Detached(lambda: lasa.sleep(1000), "early")
    program.stop()
    program._start()
    assert isinstance(program.join(10)[1], ThreadKilled)


def test_stop_waits_for_nobody_longer_than_the_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lasa._life, "GRACE_S", 0.02)

    def stubborn() -> None:
        while True:
            try:
                lasa.sleep(1000)
            except ThreadKilled:
                continue

    program = detach(content=stubborn)
    assert program.join(0.01) == (None, "timeout")
    program.stop()
    assert program.join(10) == (True, None)


# What it leaves behind


def busy_program() -> None:
    for each in [spawn(lasa.sleep, 0.001) for _ in range(10)]:
        wait(each)
    suspended = coroutine.create(coroutine.yield_)
    coroutine.resume(suspended)
    gevent.spawn(gevent.sleep, 1000)
    logging.getLogger("lasa.test").debug("a record knows its thread")
    lasa.timer.at(0.001, lambda premature: None)


def test_a_hundred_programs_leave_no_descriptor_greenlet_os_thread_or_memory() -> None:
    def run_fifty() -> tuple[int, int, int, int]:
        for _ in range(5):
            programs = [detach(content=busy_program) for _ in range(10)]
            assert [each.join(30) for each in programs] == [(True, None)] * 10
        programs.clear()
        until(lambda: process.num_threads() <= os_threads)
        gc.collect()
        greenlets = sum(
            issubclass(type(each), greenlet.greenlet) for each in gc.get_objects()
        )  # a dead proxy has no class
        return process.num_fds(), greenlets, len(gc.get_objects()), process.memory_info().rss

    process = psutil.Process()
    os_threads = process.num_threads()
    detach(content=busy_program).join(10)
    until(lambda: process.num_threads() <= os_threads)
    first = run_fifty()
    second = run_fifty()
    assert second[0] <= first[0] + 2
    assert second[1] <= first[1] + 5  # fifty programs would leave fifty; a few are other tests' garbage
    assert second[2] - first[2] < 200
    assert second[3] - first[3] < 10 * 2**20
    assert not _detached._alive


def test_it_closes_its_idle_connections_and_ends_what_still_waits() -> None:
    seen: list[str] = []

    def waiter() -> None:
        try:
            gevent.sleep(1000)
        finally:
            seen.append("finally")

    def body(address: tuple[str, int]) -> Any:
        gevent.spawn(waiter)
        sock = socket.tcp()
        assert sock.connect(*address) == (1, None)
        assert sock.setkeepalive(1_000_000) == (1, None)
        lasa.sleep(0)
        return _hub.resolve("localhost", 10) != []

    with nothing_left_open(), raw_listener() as listener:
        program = detach(content=body, args=(listener.getsockname(),))
        peer = Peer(listener.accept()[0])
        assert program.join(10) == (True, True)
        peer.sock.settimeout(PEER_TIMEOUT_S)
        assert peer.recv_until_closed() == b""
        peer.close()
    assert seen == ["finally"]


def test_a_program_that_never_waits_leaves_nothing_either() -> None:
    with nothing_left_open():
        assert detach(content=lambda: 5).join(10) == (True, 5)


# The end of the process


def exit_of(script: str, folder: Path, *, command: list[str]) -> tuple[int, str, float]:
    path = folder / "main.py"
    path.write_text(textwrap.dedent(script))
    before_s = time.monotonic()
    ended = subprocess.run(
        [sys.executable, *command, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    return ended.returncode, ended.stdout, time.monotonic() - before_s


@pytest.mark.parametrize("command", [[], ["-m", "lasa", "run"]], ids=["python", "lasa run"])
def test_the_exit_of_the_process_ends_it_cleanly(tmp_path: Path, command: list[str]) -> None:
    script = """
        import sys, lasa

        started = lasa.channel(1)

        def forever():
            lasa.timer.at(1000, lambda premature: print("timer", premature, flush=True))
            try:
                started.send(None)
                lasa.sleep(1000)
            finally:
                print("finally", flush=True)

        lasa.detach(content=forever)
        started.receive()
        sys.exit(3)
    """
    status, output, _ = exit_of(script, tmp_path, command=command)
    assert (status, output) == (3, "finally\ntimer True\n")


def test_the_exit_of_the_process_interrupts_what_never_yields(tmp_path: Path) -> None:
    script = """
        import lasa
        started = lasa.channel(1)

        def forever():
            try:
                started.send(None)
                while True:
                    pass
            finally:
                print("finally", flush=True)

        lasa.detach(content=forever)
        started.receive()
    """
    status, output, _ = exit_of(script, tmp_path, command=[])
    assert (status, output) == (0, "finally\n")


def test_the_exit_of_the_process_abandons_what_blocks(tmp_path: Path) -> None:
    script = """
        import lasa, time, lasa._detached
        lasa._detached.GRACE_S = lasa._detached.GIVING_BACK_S = 0.05
        started = lasa.channel(1)
        lasa.detach(content=lambda: (started.send(None), time.sleep(1000)))
        started.receive()
    """
    status, output, duration_s = exit_of(script, tmp_path, command=[])
    assert (status, output) == (0, "")
    assert duration_s < 20


def test_a_forked_process_does_not_wait_for_the_programs_of_its_parent(tmp_path: Path) -> None:
    script = """
        import lasa, os, sys
        started = lasa.channel(1)
        lasa.detach(content=lambda: (started.send(None), lasa.sleep(1000)))
        started.receive()
        pid = os.fork()
        if not pid:
            sys.exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """
    status, output, duration_s = exit_of(script, tmp_path, command=["-W", "ignore::DeprecationWarning"])
    assert (status, output) == (0, "7\n")
    assert duration_s < 5
