"""What a program says into slow, full, non-blocking and closed descriptors arrives, or the status is not 0."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gevent
import pytest

import lasa
from lasa._stdio import Outlet
from tests.helpers import original_socket_class
from tests.lua.tools import DEADLINE_S, run_lua
from tests.processes import ROOT
from tests.servers import free_port

LINES = 1_500  # of each way; all of them are some nine times what a pipe holds
LINE = "x" * 99

TO_STDOUT = (
    "ngx.say(line)",
    "ngx.print(line, '\\n')",
    "io.write(line, '\\n')",
    "io.stdout:write(line, '\\n')",
    "('x'):gsub('x', function() ngx.say(line) end)",  # where nobody may wait
)
TO_STDERR = ("ngx.log(ngx.ERR, line)", "print(line)", "io.stderr:write(line, '\\n')")

# The turns of another light thread are counted while the lines leave.
PROGRAM = f"""
local line, turns = ("x"):rep(99), 0
local other = ngx.thread.spawn(function()
    while true do
        ngx.sleep(0.005)
        turns = turns + 1
    end
end)
for i = 1, {LINES} do SAY end
ngx.sleep(0.1)
local file = io.open(arg[1], "w")
file:write(turns)
file:close()
os.exit(0)
"""


def start(code: str, *arguments: str, **options: Any) -> Any:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("environment", {})}
    return subprocess.Popen(
        [sys.executable, "-m", "lasa", "run", "-e", code, *arguments], env=environment, cwd="/", **options
    )


@pytest.mark.parametrize("kind", ["slow", "non-blocking", "unbuffered"])
@pytest.mark.parametrize(("stream", "ways"), [("stdout", TO_STDOUT), ("stderr", TO_STDERR)])
def test_everything_arrives_and_others_run_meanwhile(
    tmp_path: Path, stream: str, ways: tuple[str, ...], kind: str
) -> None:
    turns = tmp_path / "turns"
    reading, writing = os.pipe()
    if kind == "non-blocking":
        fcntl.fcntl(writing, fcntl.F_SETFL, os.O_NONBLOCK | os.O_WRONLY)
    environment = {"PYTHONUNBUFFERED": "1"} if kind == "unbuffered" else {}
    code = PROGRAM.replace("SAY", "; ".join(ways))
    with start(code, str(turns), environment=environment, **{stream: writing}) as process:
        os.close(writing)
        size, pauses = 0, 10  # the pipe is full meanwhile
        while data := os.read(reading, 65536):
            size += data.count(b"x")
            if pauses:
                pauses -= 1
                time.sleep(0.01)
        assert process.wait(DEADLINE_S) == 0
    os.close(reading)
    assert size == LINES * len(ways) * len(LINE)
    assert int(turns.read_text()) > 3


def test_a_service_answers_though_nobody_reads_its_log(tmp_path: Path) -> None:
    handler = tmp_path / "handler.lua"
    handler.write_text("io.write(('x'):rep(200)) ngx.log(ngx.ERR, ('y'):rep(200)) ngx.print('hello')")
    port, requests = free_port(), 600
    command = [sys.executable, "-m", "lasa", "serve", str(handler), "--listen", f"127.0.0.1:{port}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd="/") as process:
        assert process.stderr is not None
        assert b"serving" in process.stderr.readline()
        with original_socket_class()() as sock:
            sock.settimeout(DEADLINE_S)
            sock.connect(("127.0.0.1", port))
            answers = b""
            for _ in range(requests):
                sock.sendall(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
                while not answers.endswith(b"hello"):
                    answers = answers[-5:] + sock.recv(65536)
                answers = b""
        process.terminate()
        out, err = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0
    assert (out.count(b"x"), err.count(b"y")) == (requests * 200, requests * 200)


@pytest.mark.parametrize("way", ["ngx.say", "io.write"])
def test_a_device_that_is_full_is_told_and_the_status_says_so(way: str) -> None:
    with open("/dev/full", "wb") as full:
        process = start(f"{way}('x')", stdout=full, stderr=subprocess.PIPE)
        _, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, err) == (1, b"lasa: cannot write to stdout: No space left on device\n")


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("return", 0, b""),
        ("ngx.say('x')", 1, b"lasa: cannot write to stdout: Bad file descriptor\n"),
        ("io.write('x')", 1, b"lasa: cannot write to stdout: Bad file descriptor\n"),
        ("print('x')", 0, b"x\n"),
    ],
)
def test_a_program_that_is_started_without_stdout_needs_it_only_to_say_something(
    code: str, status: int, said: bytes
) -> None:
    command = f'exec "{sys.executable}" -m lasa run -e "$0" >&-'
    done = subprocess.run(
        ["sh", "-c", command, code],
        stderr=subprocess.PIPE,
        timeout=DEADLINE_S,
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == status
    assert done.stderr.endswith(said)
    assert b"Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_told_to_the_script_and_by_the_status() -> None:
    code = """
        for i = 1, 1e9 do
            local ok, err = ngx.say(("x"):rep(9999))
            if not ok then
                io.stderr:write(err, " ", tostring(select(2, ngx.flush(true))), " ", tostring(select(2, io.write("x"))))
                return
            end
        end
    """
    with start(code, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(DEADLINE_S) == 128 + signal.SIGPIPE
        assert process.stderr.read() == b"broken pipe broken pipe broken pipe"


def test_a_signal_ends_a_program_whose_reader_reads_nothing() -> None:
    code = "io.stderr:write('ready\\n') for i = 1, 100 do ngx.say(('x'):rep(9999)) end ngx.sleep(60)"
    with start(code, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 128 + signal.SIGTERM


def test_what_is_said_in_all_ways_keeps_its_order() -> None:
    code = """
        for i = 1, 3 do
            ngx.say("say")
            io.write("write", i, "\\n")
            io.stdout:write(1.5, "\\n")
            ngx.print("print\\n")
        end
    """
    assert run_lua("-e", code) == (0, "".join(f"say\nwrite{i}\n1.5\nprint\n" for i in (1, 2, 3)), "")


def test_io_answers_and_complains_as_luas_own() -> None:
    code = """
        local file = io.tmpfile()
        local own, ours = file:write("x"), io.stdout:write("")
        ngx.say(type(own) == type(ours), " ", type(own) == type(io.write()), " ", io.flush() == file:flush())
        for _, f in ipairs { function() io.write({}) end, function() io.stdout:write("a", nil) end } do
            ngx.say((select(2, pcall(f)):gsub("^.-:%d+: ", "")))
        end
        io.output(file)
        io.write("y")
        file:seek("set")
        ngx.say(file:read("*a"))
    """
    status, out, err = run_lua("-e", code)
    assert (status, err) == (0, "")
    assert out == (
        "true true true\n"
        "bad argument #1 to 'write' (string expected, got table)\n"
        "bad argument #2 to 'write' (string expected, got nil)\n"
        "xy\n"
    )


def test_an_outlet_takes_all_at_once_and_its_error_is_told_to_later_writers() -> None:
    reading, writing = os.pipe()
    outlet = Outlet(writing)
    data = os.urandom(1 << 20)
    assert outlet.write(data) == len(data)
    assert not outlet.is_empty
    received = b""
    while len(received) < len(data):
        received += os.read(reading, 65536)
    outlet.wait_blocking(5)
    assert received == data
    assert outlet.is_empty
    assert outlet.size == 0
    os.close(reading)
    for data in (b"x", b"y"):
        with pytest.raises(OSError, match="pipe") as caught:
            outlet.write(data)
        assert caught.value.errno == errno.EPIPE
    os.close(writing)


@pytest.mark.parametrize("blocks", [False, True])
def test_a_wait_for_a_reader_that_never_comes_gathers_nothing(blocks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lasa._stdio.LOOK_S", 0.001)
    reading, writing = os.pipe()
    outlet = Outlet(writing)
    outlet.write(bytes(1 << 20))
    waiters: list[int] = []
    watcher = lasa.check(lasa.timer.every(0.005, lambda _: waiters.append(len(outlet._waiters._calls))))
    if blocks:
        outlet.wait_blocking(0.03)
        waiters.append(len(outlet._waiters._calls))
    else:
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.03):
            outlet.wait()
        assert len(waiters) > 1
    lasa.timer.kill(watcher)
    assert max(waiters) <= 1
    assert not outlet._waiters._calls
    os.close(reading)
    outlet.wait_blocking(5)
    os.close(writing)


CHILD = """
import os
import lasa
import lasa
from lasa._stdio import Outlet

lasa.sleep(0)
reading, writing = os.pipe()
outlet = Outlet(writing)
outlet.write(b"p" * 500_000)
pid = os.fork()
if not pid:
    is_empty = outlet.is_empty
    outlet.write(b"c" * 500_000)
    outlet.wait_blocking(10)
    os._exit(0 if is_empty and outlet.is_empty else 1)
found = {"p": 0, "c": 0}
while sum(found.values()) < 1_000_000:
    data = os.read(reading, 65536)
    for each in found:
        found[each] += data.count(each.encode())
print(found, os.waitpid(pid, 0)[1])
"""


def test_a_child_writes_what_it_says_itself_and_nothing_of_its_parents() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        cwd=ROOT,
        check=False,
    )
    assert done.stdout == "{'p': 500000, 'c': 500000} 0\n", done.stderr


def test_unbuffered_streams_stay_so() -> None:
    code = "print 'x' io.write('ready') io.stdin:read()"
    options: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with start(code, environment={"PYTHONUNBUFFERED": "1"}, **options) as process:
        assert process.stdout.read(5) == b"ready"
        process.stdin.close()
        assert process.wait(DEADLINE_S) == 0


def test_what_a_detached_program_says_at_its_end_arrives_too(tmp_path: Path) -> None:
    has_begun = tmp_path / "has begun"
    code = """
        lasa.detach { name = "w", content_by_lua = [[
            ngx.timer.at(60, function(premature)
                io.write("late ", tostring(premature), "\\n")
                ngx.log(ngx.ERR, "late")
            end)
            io.open("HAS_BEGUN", "w"):close()
            ngx.sleep(60)
        ]] }
        while not io.open("HAS_BEGUN") do ngx.sleep(0.001) end
        ngx.say("end")
    """
    status, out, err = run_lua("-e", code.replace("HAS_BEGUN", str(has_begun)))
    assert (status, out) == (0, "end\nlate true\n"), err
    assert err.endswith(": late\n")
