"""The phases before the first request, ngx.worker, and what calls say where there is no request, as in nginx."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket as stdlib_socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lasa import timer
from lasa.lua import LuaError, Settings
from lasa.lua.serving import Application
from tests.helpers import settle
from tests.http.tools import serving, talk
from tests.lua.handlers import head
from tests.lua.parity.oracle import MODULES
from tests.lua.test_serve_command import HERE, SERVING, write
from tests.processes import ROOT, ask, program
from tests.servers import find_binary

CALLS = Path(__file__).parent / "phases" / "calls.lua"
PHASES = ("init", "init_worker", "timer")
DEADLINE_S = 10.0

NGINX_CONF = """
load_module {modules}/ndk_http_module.so; load_module {modules}/ngx_http_lua_module.so;
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ }}
http {{
    access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e; lua_package_path "/usr/share/lua/5.1/?.lua;;";
    init_by_lua_file {calls}; init_worker_by_lua_file {calls};
}}
"""

# Where resty.core raises itself, the place is one of its own lines.
PLACE = re.compile(r"[^ ]*\.lua:[0-9]+: |ngx\.socket\.connect:1: ")

# call -> why lasa says something else
DIFFERENCES = {
    "sema:wait": "a failed wait returns nil, whether it had to wait or not",
    "coroutine.yield": "lasa's message says more",
    "ngx.arg[1]=": "in init_by_lua nginx lets it pass, to no effect",
}


@contextmanager
def begun(command: list[str], folder: Path) -> Iterator[None]:
    """Run a server until the last of the phases has been written down, and the body has ended."""
    process: Any = subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    deadline_s = time.monotonic() + DEADLINE_S
    last = folder / f"{PHASES[-1]}.txt"
    try:
        while not (last.exists() and "the phase" in last.read_text()):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.communicate()


def said_in(folder: Path) -> dict[tuple[str, str], str]:
    """What each call said, by phase and name."""
    found = {}
    for phase in PHASES:
        for line in (folder / f"{phase}.txt").read_text().splitlines():
            name, _, said = line.partition(": ")
            found[phase, name] = PLACE.sub("", said)
    return found


@pytest.fixture(scope="module")
def by_nginx(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], str]:
    binary = find_binary("nginx", package="nginx")
    if not (MODULES / "ngx_http_lua_module.so").exists():
        pytest.skip("nginx has no Lua module: apt-get install libnginx-mod-http-lua lua-resty-core")
    folder = tmp_path_factory.mktemp("nginx")
    folder.chmod(0o777)
    (folder / "nginx.conf").write_text(NGINX_CONF.format(modules=MODULES, folder=folder, calls=CALLS))
    with begun([binary, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "start.log")], folder):
        return said_in(folder)


@pytest.fixture(scope="module")
def by_lasa(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], str]:
    folder = tmp_path_factory.mktemp("lasa")
    write(folder, "web.lua", "")
    command = [
        sys.executable,
        "-m",
        "lasa",
        "serve",
        "web.lua",
        *HERE,
        "--init",
        str(CALLS),
        "--init-worker",
        str(CALLS),
    ]
    with begun(command, folder):
        return said_in(folder)


def test_calls_without_a_request_say_what_nginx_says(
    by_nginx: dict[tuple[str, str], str], by_lasa: dict[tuple[str, str], str]
) -> None:
    wrong = {
        key: (said, by_lasa[key])
        for key, said in by_nginx.items()
        if said != by_lasa[key] and key[1] not in DIFFERENCES
    }
    assert wrong == {}
    assert by_nginx.keys() <= by_lasa.keys()


@pytest.mark.parametrize(
    ("phase", "name", "said"),
    [
        ("timer", "ngx.req.get_headers()", "raises API disabled in the current context nil"),
        ("timer", "ngx.var.uri", "raises API disabled in the current context nil"),
        ("timer", "ngx.say", "raises API disabled in the context of ngx.timer nil"),
        ("timer", "ngx.req.start_time()", "returns 0 nil"),
        ("timer", "ngx.socket.tcp", "returns table nil"),
        ("init_worker", "ngx.socket.tcp", "raises API disabled in the context of init_worker_by_lua* nil"),
        ("init_worker", "ngx.sleep", "raises API disabled in the context of init_worker_by_lua* nil"),
        ("init_worker", "ngx.timer.at", "returns 1 nil"),
        ("init_worker", "sema:wait ready", "returns nil API disabled in the context of init_worker_by_lua*"),
        ("init", "ngx.timer.at", "raises no request nil"),
        ("init", "ngx.say", "raises no request object found nil"),
        ("init", "ngx.req.read_body()", "raises request object not found nil"),
        ("init", "ngx.flush", "raises no request object found nil"),
        ("init", "ngx.sleep", "raises no request found nil"),
        ("init", "coroutine.wrap", "returns 5 nil"),
        ("init", "the phase", "init"),
        ("init_worker", "the phase", "init_worker"),
        ("timer", "the phase", "timer"),
    ],
)
def test_what_calls_say_before_the_first_request(
    by_lasa: dict[tuple[str, str], str], phase: str, name: str, said: str
) -> None:
    assert by_lasa[phase, name] == said


# -- the two files


def ask_with_many_headers(port: int) -> bytes:
    """The answer to a request with more header fields than handlers in Python get."""
    fields = b"".join(b"X-%d: %d\r\n" % (number, number) for number in range(2000))
    with stdlib_socket.create_connection(("127.0.0.1", port), DEADLINE_S) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n" + fields + b"\r\n")
        return b"".join(iter(lambda: sock.recv(65536), b""))


def test_init_and_init_worker_run_once_each_before_the_first_request(tmp_path: Path) -> None:
    write(tmp_path, "init.lua", "steps = { ngx.get_phase() } ngx.shared.dogs:set('Jim', 8) print('said by init')")
    write(
        tmp_path,
        "worker.lua",
        """
        steps[#steps + 1] = ngx.get_phase()
        ngx.timer.at(0, function() steps[#steps + 1] = ngx.get_phase() end)
        """,
    )
    write(tmp_path, "web.lua", 'ngx.say(table.concat(steps, " "), " ", ngx.shared.dogs:get("Jim"))')
    files = ("--init", "init.lua", "--init-worker", "worker.lua", "--set", "shared_dict.dogs=64k")
    with program(tmp_path, "serve", "web.lua", *HERE, *files) as served:
        port = int(served.line_with(SERVING)[1])
        assert [ask(port), ask(port)] == [(200, "init init_worker timer 8\n")] * 2
        assert b"timer 8\n" in ask_with_many_headers(port)
        assert "lasa.lua NOTICE: [lua] init.lua:1: said by init\n" in served.output


def loaded(folder: Path, **files: str) -> Application:
    """An application of a file that says nothing, with these files before it."""
    settings = Settings(**{name: str(folder / write(folder, f"{name}.lua", code)) for name, code in files.items()})  # type: ignore[arg-type]
    return Application(str(folder / write(folder, "web.lua", "")), settings=settings)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("error('no way')", "init.lua:1: no way"),
        ("local function f() error({ code = 1 }) end f()", "unknown reason"),
        ("ngx.sleep(0)", "init.lua:1: no request found"),
        ("pcall(ngx.sleep, 0) coroutine.wrap(function() ngx.sleep(0) end)()", "no request found"),
        ("require('socket.nosuch')", "init.lua:1: module 'socket.nosuch' not found:"),
    ],
)
def test_an_error_in_init_is_told_of(tmp_path: Path, code: str, said: str) -> None:
    with pytest.raises(LuaError) as raised:
        loaded(tmp_path, init=code)
    assert raised.value.message.startswith("init_by_lua error: ")
    assert said in raised.value.message
    assert "in main chunk" in raised.value.traceback


@pytest.mark.parametrize("name", ["init", "init_worker"])
def test_a_file_that_does_not_compile_is_told_of(tmp_path: Path, name: str) -> None:
    with pytest.raises(LuaError, match=rf"{name}\.lua:1: unexpected symbol near '<eof>'"):
        loaded(tmp_path, **{name: "x ="})


def test_os_exit_in_init_is_heard(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ending:
        loaded(tmp_path, init="pcall(os.exit, 6) os.exit(7)")
    assert ending.value.code == 7


def test_an_error_in_init_worker_is_logged_and_no_more(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    loaded(tmp_path, init_worker="local function f() error('no way') end f()").begin()
    assert re.search(r"init_worker_by_lua error: .*init_worker\.lua:1: no way\nstack traceback:\n", caplog.text)


def test_settings_of_timers_and_of_the_log_hold_for_what_serves(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    code = """
        local function later() end
        for _ = 1, 3 do ngx.say(select(2, ngx.timer.at(0.01, later))) end
        ngx.log(ngx.WARN, "not this") ngx.log(ngx.ERR, "but this")
    """
    file = str(tmp_path / write(tmp_path, "web.lua", code))
    level = logging.getLogger("lasa.lua").level
    try:
        app = Application(file, settings=Settings(max_pending_timers=2, max_running_timers=1, log_level="error"))
        app.begin()
        with serving(app.handler) as server:
            assert b"\r\n\r\n\n\ntoo many pending timers\n" in talk(server, head())
            settle()
    finally:
        timer.set_limits(max_pending=1024, max_running=256)
        logging.getLogger("lasa.lua").setLevel(level)
    assert "not this" not in caplog.text
    assert "but this" in caplog.text


def test_what_init_has_made_makes_no_hub(tmp_path: Path) -> None:
    code = f"""
        import os, sys
        from gevent._hub_local import get_hub_if_exists
        from lasa.lua.serving import Application
        from lasa.lua.settings import Settings
        app = Application({str(tmp_path / "web.lua")!r}, settings=Settings(init={str(tmp_path / "init.lua")!r}))
        sys.exit(get_hub_if_exists() is not None)
    """
    write(tmp_path, "web.lua", "")
    write(tmp_path, "init.lua", "require 'cjson' require 'resty.lock' ngx.re.match('a', 'a') ngx.md5('x') ngx.now()")
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (("--init", "bad.lua", "--workers", "1"), 1, "lasa: init_by_lua error: bad.lua:1: no way"),
        (("--set", "init_worker=nosuch.lua"), 2, "lasa: cannot read nosuch.lua: No such file or directory"),
    ],
)
def test_a_file_that_fails_ends_it(tmp_path: Path, arguments: tuple[str, ...], status: int, line: str) -> None:
    write(tmp_path, "bad.lua", "error('no way')")
    write(tmp_path, "web.lua", "")
    with program(tmp_path, "serve", "web.lua", *HERE, *arguments) as served:
        assert served.end() == status
    assert line in served.output.splitlines()


# -- the workers

WHO = """
    ngx.say(ngx.worker.id(), " ", ngx.worker.count(), " ", ngx.worker.pid(), " ", born, " ", master, " ",
        require("ngx.process").type(), " ", require("ngx.process").get_master_pid(), " ",
        table.concat(ngx.worker.pids(), ","))
"""


def workers_of(port: int, count: int) -> dict[int, list[str]]:
    """Ask until so many workers have answered; what each says, by its number."""
    found: dict[int, list[str]] = {}
    deadline_s = time.monotonic() + DEADLINE_S
    while len(found) < count and time.monotonic() < deadline_s:
        try:
            number, *rest = ask(port)[1].split()
        except OSError:
            continue
        found[int(number)] = rest
    return found


def test_workers_have_numbers_which_their_successors_inherit(tmp_path: Path) -> None:
    write(tmp_path, "init.lua", "master = ngx.worker.pid() local f = io.open('inits', 'a') f:write('x') f:close()")
    write(tmp_path, "worker.lua", "born = ngx.worker.id() .. '/' .. ngx.worker.count()")
    write(tmp_path, "web.lua", WHO)
    files = ("--init", "init.lua", "--init-worker", "worker.lua")
    with program(tmp_path, "serve", "web.lua", *HERE, *files, "--workers", "3") as served:
        port = int(served.line_with(SERVING)[1])
        first = workers_of(port, 3)
        assert sorted(first) == [0, 1, 2]
        assert ask_with_many_headers(port).startswith(b"HTTP/1.1 200")
        masters = {said[3] for said in first.values()}
        assert len(masters) == 1
        for number, (count, _pid, born, master, kind, its_master, pids) in first.items():
            assert (count, born, kind) == ("3", f"{number}/3", "worker")
            assert its_master == master
            assert sorted(pids.split(",")) == sorted(said[1] for said in first.values())
        os.kill(int(first[1][1]), signal.SIGKILL)
        deadline_s = time.monotonic() + DEADLINE_S
        while (second := workers_of(port, 3))[1][1] == first[1][1]:
            assert time.monotonic() < deadline_s
        assert sorted(second) == [0, 1, 2]
        assert {said[3] for said in second.values()} == masters
        assert (second[0][1], second[2][1]) == (first[0][1], first[2][1])
    assert (tmp_path / "inits").read_text() == "x"
