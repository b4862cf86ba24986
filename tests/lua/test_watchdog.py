"""Endless loops in Lua, each in a process of its own, since one that is not found would not end."""

from __future__ import annotations

import gc
import re
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any
from weakref import ref

import pytest

luajit21: Any = pytest.importorskip("lupa.luajit21")

from lasa.lua.watchdog import Watchdog  # noqa: E402  (it works without lupa, but its tests do not)
from tests.lua.tools import lua_program  # noqa: E402

ROOT = Path(__file__).parents[2]
DEADLINE_S = 30.0

# What a runtime is to a watchdog, and a report of how the Lua code ended.
PRELUDE = """
import logging, os, signal, sys, threading, time
from lupa import luajit21
from lasa.lua.watchdog import Watchdog

logging.basicConfig(stream=sys.stdout, format="%(name)s: %(message)s")

def print(*parts):  # in one piece: the watchdog writes, too
    sys.stdout.write(" ".join(map(str, parts)) + "\\n")

class Runtime:
    entries = 0

    def __init__(self):
        self.lua = luajit21.LuaRuntime(
            encoding=None, unpack_returned_tuples=True, register_eval=False, register_builtins=False
        )

    def run(self, code, *arguments, name="@a.lua"):
        function = self.lua.compile(code.encode(), name=name.encode())
        self.entries += 1
        try:
            return function(*arguments)
        finally:
            self.entries += 1

def report(runtime, dog, code, *arguments):
    try:
        print("returned", runtime.run(code, *arguments))
    except luajit21.LuaError as error:
        print("failed:", str(error).splitlines()[0])
    except BaseException as error:
        print("raised", repr(error))
    print("taken:", repr(dog.take_interruption()))

def later(delay_s, function, *arguments):
    timer = threading.Timer(delay_s, function, arguments)
    timer.daemon = True
    timer.start()
"""

ENDLESS = {
    "compiled": ("local n = 0\nwhile true do\n  n = n + 1\nend", r"a\.lua:[23] \(in main chunk\)", r"a\.lua:[23]"),
    "compiled without a body": ("while true do end", r"a\.lua:1 \(in main chunk\)", r"a\.lua:1"),
    "interpreted": (
        "jit.off()\nlocal function f()\n  while true do end\nend\nf()",
        r"a\.lua:3 \(in .*<a\.lua:2>\)",
        r"a\.lua:3",
    ),
    "caught": (
        "local function f()\n  while true do end\nend\nwhile true do\n  pcall(f)\nend",
        r"a\.lua:2 \(in function <a\.lua:1>\)",
        r"a\.lua:[456]",
    ),
    "caught with a traceback": (
        "local function f() while true do end end\nwhile true do\n  xpcall(f, debug.traceback)\nend",
        r"a\.lua:1 \(in function <a\.lua:1>\)",
        r"a\.lua:[234]",
    ),
    "two coroutines deep": (
        "local function f()\n  coroutine.wrap(function()\n    while true do end\n  end)()\nend\n"
        "while true do\n  coroutine.resume(coroutine.create(f))\nend",
        r"a\.lua:3 \(in function <a\.lua:2>\)",
        r"a\.lua:[678]",
    ),
    "in a callback of a C function": (
        "local s = ('x'):gsub('x', function()\n  while true do end\nend)",
        r"a\.lua:2 \(in function <a\.lua:1>\)",
        r"a\.lua:2",
    ),
    "allocating": (
        "local t = {}\nwhile true do\n  t = { newproxy(true), t[1] }\n  getmetatable(t[1]).__gc = function() end\nend",
        r"a\.lua:[2-4] \(in main chunk\)",
        r"a\.lua:[2-4]",
    ),
}


def run(program: str, *options: str) -> tuple[int, str]:
    """Run a Python program after the prelude; return its exit status and what it printed."""
    done: Any = subprocess.run(
        [sys.executable, *options, "-c", PRELUDE + program],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        timeout=DEADLINE_S,
        check=False,
    )
    return done.returncode, done.stdout


def printed(program: str, *options: str) -> str:
    status, output = run(program, *options)
    assert status == 0, output
    return output


@pytest.fixture(scope="module")
def endings() -> dict[str, str]:
    """What is printed for each of ENDLESS, one after the other in one runtime."""
    codes = {kind: code for kind, (code, _, _) in ENDLESS.items()}
    output = printed(f"""
runtime = Runtime()
dog = Watchdog(runtime, hold_s=0.06, max_hold_s=0.1)
for kind, code in {codes!r}.items():
    print("==", kind)
    report(runtime, dog, code)
    print("next", runtime.run("jit.on() return debug.gethook() == nil"))
""")
    found = output.split("== ")[1:]
    return {text.splitlines()[0]: text for text in found}


@pytest.mark.parametrize("kind", ENDLESS)
def test_an_endless_loop_is_named_and_ended_at_its_line(kind: str, endings: dict[str, str]) -> None:
    _, place, end = ENDLESS[kind]
    output = endings[kind]
    warning = rf"lasa\.lua: a Lua light thread has not yielded for 0\.\d s: at {place}\nstack traceback:\n"
    assert re.search(warning, output)
    assert re.search(rf"^failed: {end}: has not yielded for 0\.1 s \(max_hold_s\)", output, re.MULTILINE)
    assert "taken: None" in output
    assert "next True" in output


def test_the_same_with_the_standard_library_patched() -> None:
    program = """
runtime = Runtime()
dog = Watchdog(runtime, hold_s=0.1, max_hold_s=0.25)
report(runtime, dog, "while true do end")
"""
    output = printed("from gevent import monkey\nmonkey.patch_all()\n" + program)
    assert "at a.lua:1 (in main chunk)" in output
    assert "failed: a.lua:1: has not yielded for 0.25 s (max_hold_s)" in output


def test_warnings_come_back_with_growing_pauses() -> None:
    output = printed("""
runtime = Runtime()
dog = Watchdog(runtime, hold_s=0.06, max_hold_s=0.6, describe=lambda: "the timer of b.lua:7")
report(runtime, dog, "while true do end")
""")
    held_s = [
        float(found) for found in re.findall(r"thread \(the timer of b\.lua:7\) has not yielded for (\S+) s", output)
    ]
    assert 2 <= len(held_s) <= 4
    for earlier, later in pairwise(held_s):
        assert later >= 2 * earlier - 0.16  # both are rounded


def test_a_short_stay_gets_no_warning() -> None:
    output = printed("""
runtime = Runtime()
dog = Watchdog(runtime, hold_s=0.1)
began_s = time.monotonic()
while time.monotonic() - began_s < 0.3:
    runtime.run("for i = 1, 1e5 do end")
""")
    assert output == ""


def test_a_long_call_has_no_line_until_lua_goes_on() -> None:
    output = printed("""
runtime = Runtime()
dog = Watchdog(runtime, hold_s=0.1, max_hold_s=1.0)
report(runtime, dog, "local sleep = ...\\nsleep(0.6)\\nwhile true do end", time.sleep)
""")
    no_line = output.splitlines()[0]
    assert no_line.endswith("has not yielded for 0.1 s: in a function of C or Python that it called, or in a finalizer")
    assert re.search(r"came back after more than 0\.\d s, at a\.lua:[23] \(in main chunk\)", output)
    assert "failed: a.lua:3: has not yielded for 1 s (max_hold_s)" in output


def test_ctrl_c_ends_a_loop() -> None:
    output = printed("""
runtime = Runtime()
dog = Watchdog(runtime, hold_s=0.1)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has jobs in its background ignore it
later(0.3, os.kill, os.getpid(), signal.SIGINT)
report(runtime, dog, "while true do pcall(function() while true do end end) end")
print("again", dog.take_interruption())
print("next", runtime.run("return jit.status()")[0])
""")
    assert "failed: a.lua:1: interrupted by KeyboardInterrupt" in output
    assert "taken: KeyboardInterrupt()" in output
    assert "again None" in output
    assert "next True" in output


def test_a_signal_handler_that_raises_nothing_lets_the_loop_go_on() -> None:
    output = printed("""
runtime = Runtime()
dog = Watchdog(runtime, hold_s=0.1)
seen = []
signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(runtime.entries))
later(0.2, os.kill, os.getpid(), signal.SIGUSR1)
report(runtime, dog, "local is_seen = ...\\nwhile not is_seen() do for i = 1, 1e6 do end end", lambda: bool(seen))
print("seen at", seen)
""")
    assert "returned None" in output
    assert "seen at [1]" in output


@pytest.mark.parametrize("number", [2, 15])
def test_a_signal_ends_a_program_whose_main_light_thread_loops(number: int) -> None:
    status, output = run(f"""
from lasa._program import run_program

def main():
    try:
        runtime.run("while true do end")
    except luajit21.LuaError:
        error = dog.take_interruption()
        print("taken:", type(error).__name__)
        raise error or RuntimeError

runtime = Runtime()
dog = Watchdog(runtime, hold_s=0.1)
later(0.2, os.kill, os.getpid(), {number})
sys.exit(run_program(main))
""")
    assert "taken: ThreadKilled" in output
    assert status == 128 + number


@pytest.mark.parametrize(
    "limits", ["hold_s=None", "hold_s=60", "hold_s=60, max_hold_s=60", "hold_s=None, max_hold_s=60"]
)
def test_a_signal_is_heard_however_late_a_warning_would_come(limits: str) -> None:
    status, output = run(f"""
from lasa._program import run_program
from lasa.lua import watchdog

def main():
    try:
        runtime.run("while true do end")
    except luajit21.LuaError:
        raise dog.take_interruption() or RuntimeError

watchdog.LOOK_S = 0.1
runtime = Runtime()
dog = Watchdog(runtime, {limits})
later(0.05, os.kill, os.getpid(), 15)
sys.exit(run_program(main))
""")
    assert status == 143
    assert "has not yielded" not in output


def test_a_program_without_warnings_ends_by_a_signal() -> None:
    code = "io.stderr:write('ready\\n') while true do end"
    with lua_program("--set", "warn_hold_ms=0", "-e", code) as process:
        assert process.stderr.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stderr.read() == b""


def test_any_os_thread_can_interrupt_what_runs_now() -> None:
    output = printed("""
runtime = Runtime()
dog = Watchdog(runtime, hold_s=60)
print("outside", dog.interrupt("too early"))
later(0.1, dog.interrupt, "out of budget")
report(runtime, dog, "\\n\\nwhile true do end")
error = ValueError("mine")
later(0.1, dog.interrupt, error)
report(runtime, dog, "while true do end")
""")
    assert output.splitlines() == [
        "outside False",
        "failed: a.lua:3: out of budget",
        "taken: None",
        "failed: a.lua:1: interrupted by ValueError",
        "taken: ValueError('mine')",
    ]


def test_the_runtimes_own_code_is_not_interrupted() -> None:
    output = printed("""
runtime = Runtime()
dog = Watchdog(runtime, hold_s=0.1, max_hold_s=0.2)
user = runtime.run("return function() while true do end end")
books = "local user = ... local n = 0 local ok, err = pcall(user) for i = 1, 1000 do n = n + 1 end return err, n"
print(runtime.run(books, user, name="@lasa/_core/books.lua"))
""")
    assert "(b'a.lua:1: has not yielded for 0.2 s (max_hold_s)', 1000" in output


def test_compiled_code_is_as_fast_as_without() -> None:
    # The second needs no objects at all if the compiler is free to leave code only where it must.
    output = printed("""
SUM = "local x = 0\\nfor i = 1, 2e7 do\\n  x = x + i % 7\\nend"
OBJECTS = '''
local P = {} P.__index = P
function P.new(x, y)
  return setmetatable({x = x, y = y}, P)
end
function P:add(o)
  return P.new(self.x + o.x,
    self.y + o.y)
end
local a, b = P.new(0, 0), P.new(1, 2)
for i = 1, 1e6 do
  a = a:add(b)
  a.x = a.x - 1
  a.y = 0
end'''

def fastest_s(code, is_watched):
    found = []
    for _ in range(5):
        runtime = Runtime()
        dog = Watchdog(runtime) if is_watched else None
        began_s = time.perf_counter()
        runtime.run(code)
        found.append(time.perf_counter() - began_s)
        assert dog is None or dog.has_profiler
    return min(found)

for code in SUM, OBJECTS:
    print(fastest_s(code, True) / fastest_s(code, False))
""")
    ratios = [float(line) for line in output.splitlines()]
    assert len(ratios) == 2
    assert max(ratios) < 3, ratios


def test_a_host_that_handles_sigprof_keeps_it() -> None:
    output = printed("""
seen = []
handler = lambda number, frame: seen.append(number)
signal.signal(signal.SIGPROF, handler)
runtime = Runtime()
dog = Watchdog(runtime, hold_s=0.1, max_hold_s=0.25)
report(runtime, dog, "jit.off()\\nwhile true do end")
assert signal.getsignal(signal.SIGPROF) is handler
os.kill(os.getpid(), signal.SIGPROF)
print("seen", len(seen), dog.has_profiler)
""")
    assert "at a.lua:2 (in main chunk)" in output
    assert "failed: a.lua:2: has not yielded" in output
    assert "seen 1 False" in output


def test_a_host_that_handles_sigprof_later_gets_none_of_ours() -> None:
    output = printed("""
runtime = Runtime()
dog = Watchdog(runtime, hold_s=0.1)
seen = []
signal.signal(signal.SIGPROF, lambda number, frame: seen.append(number))
report(runtime, dog, "local t = os.clock() while os.clock() - t < 0.5 do end return 1")
print("seen", seen)
""")
    assert "has not yielded for 0.1 s: in a function of C" in output
    assert "returned 1" in output
    assert "seen []" in output


def test_a_script_that_has_used_the_profiler_itself_is_only_reported() -> None:
    output = printed("""
runtime = Runtime()
dog = Watchdog(runtime, hold_s=0.1)
report(runtime, dog, '''
local profile = require("jit.profile")
profile.start("li10", function() end)
for i = 1, 1e8 do end
profile.stop()
local t = os.clock()
while os.clock() - t < 0.3 do end
return 1''')
""")
    assert "has not yielded for 0.1 s: in a function of C" in output
    assert "returned 1" in output


def test_a_compiled_loop_of_a_second_runtime_is_reported_without_a_line() -> None:
    output = printed("""
first, second = Runtime(), Runtime()
dogs = [Watchdog(first), Watchdog(second, hold_s=0.1)]
print([dog.has_profiler for dog in dogs])
report(second, dogs[1], "local t = os.clock() repeat for i = 1, 1e9 do end until os.clock() - t > 0.5")
del first, dogs[0]
third = Runtime()
print("third", Watchdog(third).has_profiler)
""")
    assert "[True, False]" in output
    assert "or in compiled code, which can be looked into in a program's first runtime only" in output
    assert "third True" in output


def test_a_fork_finds_no_other_thread_and_its_child_is_watched_too() -> None:
    output = printed(
        """
runtime = Runtime()
dog = Watchdog(runtime, hold_s=0.1, max_hold_s=0.25)
runtime.run("for i = 1, 1e5 do end")
child = os.fork()
report(runtime, dog, "while true do end")
if child:
    print("child", os.waitpid(child, 0)[1])
""",
        "-W",
        "error",
    )
    assert output.count("failed: a.lua:1: has not yielded for 0.25 s (max_hold_s)") == 2
    assert "child 0" in output


def test_programs_started_meanwhile_and_sleeps_are_left_alone() -> None:
    output = printed("""
import subprocess
runtime = Runtime()
dog = Watchdog(runtime, hold_s=0.1)
timer = signal.getitimer(signal.ITIMER_PROF)
began_s = time.monotonic()
start = lambda: print(subprocess.run(["true"]).returncode)
runtime.run("local sleep, start = ... sleep(0.3) start()", time.sleep, start)
print(timer, time.monotonic() - began_s >= 0.3)
""")
    assert "0\n(0.0, 0.0) True" in output


class Runtime:
    def __init__(self) -> None:
        self.lua: Any = luajit21.LuaRuntime(encoding=None, unpack_returned_tuples=True)
        self.entries = 0


def test_a_watchdog_does_not_keep_its_runtime() -> None:
    runtime = Runtime()
    dog = Watchdog(runtime)
    seen = ref(runtime), ref(dog)
    del runtime
    gc.collect()
    assert seen[0]() is None
    assert not dog.is_needed()


@pytest.mark.parametrize(("hold_s", "max_hold_s"), [(0.0, None), (-1.0, None), (1.0, 0.0), (float("nan"), None)])
def test_a_time_must_be_positive(hold_s: float, max_hold_s: float | None) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        Watchdog(Runtime(), hold_s, max_hold_s)


def test_a_runtime_of_another_os_thread_is_watched_without_the_profiler() -> None:
    output = printed("""
def work():
    runtime = Runtime()
    dog = Watchdog(runtime, hold_s=0.1, max_hold_s=0.25)
    report(runtime, dog, "jit.off()\\nwhile true do end")
    print("has the profiler:", dog.has_profiler)

thread = threading.Thread(target=work)
thread.start()
thread.join()
""")
    assert "at a.lua:2 (in main chunk)" in output
    assert "failed: a.lua:2: has not yielded for 0.25 s (max_hold_s)" in output
    assert "has the profiler: False" in output
