"""``lasa run``: a program's life, as its user and its shell see it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

DEADLINE_S = 30


class Program:
    """A script under ``lasa run``, with unbuffered output."""

    def __init__(self, folder: Path, script: str, *arguments: str) -> None:
        self.path = folder / "script.py"
        self.path.write_text(textwrap.dedent(script))
        self.command = [sys.executable, "-u", "-m", "lasa", "run", str(self.path), *arguments]

    def run(self) -> tuple[int, str, str]:
        with self.running() as process:
            out, err = process.communicate(timeout=DEADLINE_S)
            return process.returncode, out, err

    @contextmanager
    def running(self) -> Iterator[Any]:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        process = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd="/"
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def test_the_script_is_main_and_has_its_own_arguments(tmp_path: Path) -> None:
    program = Program(tmp_path, "import sys\nprint(__name__, sys.argv[1:], __file__ == sys.argv[0])", "a", "--b")
    assert program.run() == (0, "__main__ ['a', '--b'] True\n", "")


def test_modules_beside_the_script_can_be_imported(tmp_path: Path) -> None:
    (tmp_path / "neighbour.py").write_text("word = 'hello'\n")
    assert Program(tmp_path, "import neighbour\nprint(neighbour.word)").run() == (0, "hello\n", "")


def test_the_program_lasts_until_its_light_threads_and_timers_are_done(tmp_path: Path) -> None:
    script = """
        import lasa
        lasa.thread.spawn(lambda: (lasa.sleep(0.05), print("thread done")))
        lasa.timer.at(0.1, lambda premature: (lasa.sleep(0.05), print("timer done", premature)))
        print("main done")
    """
    assert Program(tmp_path, script).run() == (0, "main done\nthread done\ntimer done False\n", "")


def test_the_main_program_is_a_light_thread_that_nobody_can_kill(tmp_path: Path) -> None:
    script = """
        import lasa
        me = lasa.coroutine.running()
        print(lasa.thread.status(me), lasa.thread.kill(me))
    """
    assert Program(tmp_path, script).run() == (0, "running (None, 'not user thread')\n", "")


@pytest.mark.parametrize(("value", "status"), [("3", 3), ("", 0), ("None", 0)])
def test_sys_exit_ends_the_program_with_its_status(tmp_path: Path, value: str, status: int) -> None:
    script = f"import lasa, sys\nlasa.thread.spawn(lasa.sleep, 60)\nsys.exit({value})"
    assert Program(tmp_path, script).run() == (status, "", "")


def test_what_print_could_not_write_is_told_by_the_status_that_python_has(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    environment["PYTHONPATH"] = str(Path(__file__).parent.parent)
    script = tmp_path / "script.py"
    script.write_text("print('hello')")
    statuses = []
    for command in ([sys.executable], [sys.executable, "-m", "lasa", "run"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [*command, str(script)],
                stdout=full,
                stderr=subprocess.PIPE,
                env=environment,
                timeout=DEADLINE_S,
                check=False,
            )
        assert b"No space left on device" in done.stderr
        statuses.append(done.returncode)
    assert statuses == [120, 120]


def test_sys_exit_in_a_light_thread_ends_the_program_too(tmp_path: Path) -> None:
    script = "import lasa, sys\nlasa.thread.spawn(lambda: sys.exit(4))\nlasa.sleep(60)"
    assert Program(tmp_path, script).run() == (4, "", "")


def test_an_error_of_the_main_program_aborts_its_light_threads_and_is_printed(tmp_path: Path) -> None:
    script = """
        import lasa
        def other():
            try:
                lasa.sleep(60)
            finally:
                print("cleaned up")
        lasa.thread.spawn(other)
        raise ValueError("no")
    """
    status, out, err = Program(tmp_path, script).run()
    assert (status, out) == (1, "cleaned up\n")
    assert err.startswith("Traceback")
    assert err.endswith("ValueError: no\n")
    assert "_program.py" not in err


def test_an_error_of_a_light_thread_is_logged_and_ends_nothing_else(tmp_path: Path) -> None:
    status, out, err = Program(tmp_path, "import lasa\nlasa.thread.spawn(lambda: 1 / 0)\nprint('on')").run()
    assert (status, out) == (0, "on\n")
    assert re.match(r"[0-9-]+ [0-9:,]+ lasa.thread ERROR: light thread [a-z_<>.]+ failed: ZeroDivisionError", err)
    assert err.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_ends_the_program_at_once_and_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    script = """
        import lasa
        server = lasa.socket.tcp()
        server.bind("127.0.0.1", 0)
        def serve():
            try:
                server.accept()
            finally:
                print("server closed", server.close())
        lasa.thread.spawn(serve)
        lasa.timer.at(60, lambda premature: print("timer", premature))
        print("ready")
        lasa.sleep(60)
    """
    with Program(tmp_path, script).running() as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=5)
    assert (process.returncode, err) == (128 + number, "")
    assert out == "server closed (None, 'closed')\ntimer True\n"


def test_a_script_that_never_yields_is_ended_by_a_signal(tmp_path: Path) -> None:
    with Program(tmp_path, "print('ready')\nwhile True: pass").running() as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=5)
    assert process.returncode == 130


def test_a_second_signal_does_not_wait_for_those_who_will_not_end(tmp_path: Path) -> None:
    script = """
        import lasa
        def stubborn():
            try:
                lasa.sleep(60)
            finally:
                print("not yet")
                lasa.sleep(60)
        lasa.thread.spawn(stubborn)
        print("ready")
        lasa.sleep(60)
    """
    with Program(tmp_path, script).running() as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "not yet\n"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=4)
    assert process.returncode == 143


def test_a_deadlock_is_an_error_and_not_a_hang(tmp_path: Path) -> None:
    status, _, err = Program(tmp_path, "import gevent.event\ngevent.event.Event().wait()").run()
    assert status == 1
    assert "deadlock" in err


def test_a_missing_file_and_missing_words_are_usage_errors(tmp_path: Path) -> None:
    program = Program(tmp_path, "")
    program.path.unlink()
    status, _, err = program.run()
    assert (status, err) == (2, f"lasa: cannot read {program.path}: No such file or directory\n")
    program.command = [sys.executable, "-m", "lasa"]
    assert program.run()[0] == 2


def test_a_syntax_error_is_shown_as_python_shows_it(tmp_path: Path) -> None:
    status, _, err = Program(tmp_path, "def (").run()
    assert status == 1
    assert "SyntaxError" in err


@pytest.mark.parametrize(
    "body",
    [
        """
        def f():
            try:
                lasa.sleep(60)
            finally:
                while True: pass
        lasa.thread.spawn(f)
        print("ready")
        lasa.sleep(60)
        """,
        """
        def f():
            print("ready")
            while True: pass
        lasa.coroutine.resume(lasa.coroutine.create(f))
        """,
        """
        print("ready")
        while True: lasa.thread.spawn(lambda: None)
        """,
    ],
    ids=["a finally clause that never ends", "a busy coroutine", "a loop that spawns"],
)
def test_two_signals_end_whatever_the_program_does(tmp_path: Path, body: str) -> None:
    with Program(tmp_path, "import lasa\n" + textwrap.dedent(body)).running() as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=1.5)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=8)
    assert process.returncode == 143


def test_a_signal_that_comes_in_another_os_thread_ends_the_program_at_once(tmp_path: Path) -> None:
    script = """
        import signal, threading, time
        import lasa
        def other():
            time.sleep(0.1)  # until the hub waits
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        threading.Thread(target=other, daemon=True).start()
        lasa.sleep(60)
    """
    with Program(tmp_path, textwrap.dedent(script)).running() as process:
        process.communicate(timeout=10)
    assert process.returncode == 143


def test_the_script_is_compiled_without_lasas_own_future_imports(tmp_path: Path) -> None:
    script = "def f(x: int): ...\nprint(f.__annotations__['x'])"
    assert Program(tmp_path, script).run() == (0, "<class 'int'>\n", "")


def test_a_keyboard_interrupt_in_a_light_thread_ends_the_program_with_its_finally_clauses(tmp_path: Path) -> None:
    script = """
        import lasa
        def other():
            try:
                lasa.sleep(60)
            finally:
                print("cleaned up")
        def interrupted():
            raise KeyboardInterrupt
        lasa.thread.spawn(other)
        lasa.thread.spawn(interrupted)
        lasa.sleep(60)
    """
    assert Program(tmp_path, script).run() == (130, "cleaned up\n", "")


@pytest.mark.parametrize(
    "waits",
    [
        "lasa.sleep(10)",
        "listener.accept()",
        "lasa.thread.wait(lasa.thread.spawn(lasa.sleep, 0.3))",
        "lasa.coroutine.resume(lasa.coroutine.create(lambda: lasa.sleep(10)))",
        "lasa.to_thread(time.sleep, 10)",
        "all(lasa.now() for _ in iter(int, 1))",
        "time.sleep(10)",
        "[lasa.coroutine.yield_() for _ in iter(int, 1)]",
    ],
)
def test_a_keyboard_interrupt_is_caught_where_the_script_waits_or_computes(tmp_path: Path, waits: str) -> None:
    script = f"""
        import time
        import lasa
        listener = lasa.socket.tcp()
        listener.bind("127.0.0.1", 0)
        listener.listen()
        for _ in range(2):
            try:
                print("ready")
                {waits}
            except KeyboardInterrupt:
                print("interrupted")
        lasa.sleep(0.001)
        print("done")
    """
    with Program(tmp_path, script).running() as process:
        for _ in range(2):
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "interrupted\n"
        # Not communicate(), which loses what readline() has read ahead.
        out, err = process.stdout.read(), process.stderr.read()
        process.wait(5)
    assert (process.returncode, out, err) == (0, "done\n", "")


def test_a_keyboard_interrupt_that_nobody_catches_runs_all_finally_clauses(tmp_path: Path) -> None:
    script = """
        import lasa
        def other():
            try:
                lasa.sleep(10)
            finally:
                print("other")
        lasa.thread.spawn(other)
        try:
            print("ready")
            lasa.sleep(10)
        finally:
            print("main")
    """
    with Program(tmp_path, script).running() as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=5)
    assert (process.returncode, out, err) == (130, "main\nother\n", "")


@pytest.mark.parametrize("sets", ["signal.signal(15, lambda *_: stop())", "gevent.signal_handler(15, stop)"])
@pytest.mark.parametrize("main_ends_first", [False, True])
def test_a_program_with_a_handler_of_its_own_is_ended_by_the_second_signal_once_its_main_part_is_over(
    tmp_path: Path, sets: str, main_ends_first: bool
) -> None:
    script = f"""
        import signal
        import gevent
        import lasa
        sema, _ = lasa.semaphore.new()
        def stop():
            print("stop")
            sema.post()
        def main():
            sema.wait(10)
            print("over")
        {sets}
        lasa.timer.every(0.005, lambda premature: print("premature") if premature else None)
        print("ready")
        {"lasa.thread.spawn(main)" if main_ends_first else "main()"}
    """
    with Program(tmp_path, script).running() as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "stop\n"
        assert process.stdout.readline() == "over\n"
        time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=5)
    assert (process.returncode, out, err) == (143, "premature\n", "")


def test_the_handlers_that_a_program_sets_are_those_that_it_gets_back(tmp_path: Path) -> None:
    script = """
        import os
        import signal
        import lasa
        def mine(*_):
            print("mine")
        python_s = signal.signal(signal.SIGINT, mine)
        os.kill(os.getpid(), signal.SIGINT)
        print(signal.signal(signal.SIGINT, python_s) is mine)
        try:
            os.kill(os.getpid(), signal.SIGINT)
            lasa.sleep(1)
        except KeyboardInterrupt:
            print("interrupted")
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            os.kill(os.getpid(), signal.SIGINT)
            lasa.sleep(1)
        except KeyboardInterrupt:
            print("interrupted")
    """
    assert Program(tmp_path, script).run() == (0, "mine\nTrue\ninterrupted\ninterrupted\n", "")


# What is left at the end. logging outlives lasa's modules in the interpreter's teardown.


@pytest.mark.parametrize(
    "kept",
    [
        "sockets = [server, lasa.socket.connect(*server.getsockname())]",
        "logging.kept = [server, lasa.socket.connect(*server.getsockname())]",
        "logging.kept = lasa.socket.udp()\nlogging.kept.setpeername('127.0.0.1', 9)",
    ],
    ids=["in the script", "in a module that lives longer", "of UDP"],
)
def test_sockets_that_are_open_at_the_end_print_nothing(tmp_path: Path, kept: str) -> None:
    script = "import logging\nimport lasa\nserver = lasa.socket.tcp()\nserver.bind('127.0.0.1', 0)\nserver.listen()\n"
    assert Program(tmp_path, f"{script}{kept}\nprint('end')").run() == (0, "end\n", "")


def test_an_answer_that_is_unread_at_the_end_prints_nothing(tmp_path: Path) -> None:
    script = """
        import lasa
        server, _ = lasa.http.server.new("127.0.0.1:0", access_log=False)
        lasa.thread.spawn(server.run, lambda request: (str(number) for number in range(10)))
        client, _ = lasa.http.client.new(proxy=False)
        answers = [client.get(server.url) for _ in range(2)]
        print([response.body for _, response, _ in answers])
        server.stop(0)
    """
    assert Program(tmp_path, script).run() == (0, "[None, None]\n", "")


# Logging


def test_a_script_sets_up_logging_as_under_python(tmp_path: Path) -> None:
    script = """
        import logging, sys
        import lasa
        logging.basicConfig(level=logging.INFO, format="MINE %(name)s %(message)s", stream=sys.stdout)
        logging.getLogger("shop").info("open")
        lasa.thread.spawn(lambda: 1 / 0)
    """
    status, out, err = Program(tmp_path, script).run()
    assert (status, err) == (0, "")
    assert out.startswith("MINE shop open\nMINE lasa.thread light thread <lambda> failed: ZeroDivisionError")


def test_without_logging_of_its_own_a_script_shows_warnings_with_time_and_name(tmp_path: Path) -> None:
    script = """
        import logging
        logging.getLogger("shop").info("open")
        logging.getLogger("shop").warning("low on %s", "milk")
        print(logging.getLogger().handlers)
    """
    status, out, err = Program(tmp_path, script).run()
    assert (status, out) == (0, "[]\n")
    assert re.fullmatch(r"[0-9-]+ [0-9:,]+ shop WARNING: low on milk\n", err)


def test_a_signal_ends_parents_before_their_children(tmp_path: Path) -> None:
    script = """
        import lasa
        def child(): lasa.sleep(60)
        def parent():
            lasa.thread.wait(lasa.thread.spawn(child))
            print("parent goes on")
        for _ in range(20): lasa.thread.spawn(parent)
        print("ready")
        lasa.sleep(60)
    """
    with Program(tmp_path, script).running() as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out) == (128 + signal.SIGTERM, "")


def test_a_program_that_patches_the_standard_library_ends(tmp_path: Path) -> None:
    script = """
        from gevent import monkey
        monkey.patch_all()
        import threading, time
        thread = threading.Thread(target=lambda: (time.sleep(0.01), print("thread")))
        thread.start()
        print("main")
    """
    assert Program(tmp_path, script).run() == (0, "main\nthread\n", "")
