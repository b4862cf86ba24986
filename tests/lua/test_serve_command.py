"""``lasa serve FILE.lua``: what it says, what it answers, how it ends."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.processes import ask, begin, program

SERVING = r"^lasa serving http://127\.0\.0\.1:(\d+) \(Ctrl-C to stop\)$"
HERE = ("--listen", "127.0.0.1:0")


def write(folder: Path, name: str, code: str) -> str:
    """Write a file of Lua's, and return its name."""
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(code)
    return name


def test_a_lua_file_is_served_until_sigterm(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "web.lua",
        '#!/usr/bin/lua\nngx.say(tostring(arg), " ", ngx.var.uri)\nif ngx.var.arg_bad then error("x") end',
    )
    with program(tmp_path, "serve", file, *HERE) as served:
        port = int(served.line_with(SERVING)[1])
        assert ask(port, "/a") == (200, "nil /a\n")
        with pytest.raises(OSError, match=r"."):
            ask(port, "/a?bad=1")
        assert ask(port, "/b") == (200, "nil /b\n")
        served.signal(signal.SIGTERM)
        assert served.end() == 0
    assert "lua entry thread aborted: runtime error: web.lua:3: x\nstack traceback:\n" in served.output
    assert '"GET /b HTTP/1.1" 200 7 ' in served.output


def test_modules_and_settings_come_from_the_command_line(tmp_path: Path) -> None:
    write(tmp_path, "lib/mine.lua", "count = (count or 0) + 1 return { count = count }")
    file = write(tmp_path, "web.lua", 'ngx.say(require("mine").count, " ", ngx.shared.dogs:capacity())')
    with program(tmp_path, "serve", "-I", "lib", "--set", "shared_dict.dogs=64k", file, *HERE) as served:
        port = int(served.line_with(SERVING)[1])
        assert [ask(port), ask(port)] == [(200, "1 65536\n")] * 2


def test_a_running_request_is_finished_at_sigterm(tmp_path: Path) -> None:
    file = write(tmp_path, "web.lua", 'ngx.say("begin") ngx.flush(true) ngx.sleep(0.2) ngx.say("end")')
    with program(tmp_path, "serve", file, *HERE) as served:
        asked = begin(int(served.line_with(SERVING)[1]))
        assert asked.response().status == 200
        served.signal(signal.SIGTERM)
        assert asked.answer() == (200, "begin\nend\n")
        assert served.end() == 0


@pytest.mark.parametrize("workers", [(), ("--workers", "1")], ids=["here", "workers"])
@pytest.mark.parametrize(
    ("file", "said", "status"),
    [
        ("bad.lua", "lasa: bad.lua:2: unexpected symbol near '<eof>'", 1),
        ("none.lua", "lasa: cannot read none.lua: No such file or directory", 2),
    ],
)
def test_a_file_that_cannot_be_served_is_told_of(
    tmp_path: Path, file: str, said: str, status: int, workers: tuple[str, ...]
) -> None:
    write(tmp_path, "bad.lua", "local x =\n")
    with program(tmp_path, "serve", file, *HERE, *workers) as served:
        assert served.end() == status
    assert served.output.strip() == said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--set", "nosuch=1", "web.lua"), "lasa: --set: unknown setting 'nosuch'"),
        (("-I", "lib", "web:handler"), "-I, --set, --init and --init-worker are for Lua: lasa serve FILE.lua"),
    ],
)
def test_a_command_line_that_is_wrong_is_told_of(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    write(tmp_path, "web.lua", "")
    with program(tmp_path, "serve", *arguments, *HERE) as served:
        assert served.end() == 2
    assert said in served.output


def test_a_handler_that_holds_the_hub_is_named(tmp_path: Path) -> None:
    file = write(tmp_path, "web.lua", "local stop = os.clock() + 0.3\nwhile os.clock() < stop do end\nngx.say('done')")
    with program(tmp_path, "serve", "--set", "warn_hold_ms=50", file, *HERE) as served:
        asked = begin(int(served.line_with(SERVING)[1]))
        served.line_with(r"web\.lua:2")
        assert asked.answer() == (200, "done\n")


@pytest.mark.parametrize("workers", [(), ("--workers", "1")], ids=["here", "workers"])
def test_a_request_may_have_as_many_fields_as_its_head_has_room_for(tmp_path: Path, workers: tuple[str, ...]) -> None:
    if workers:
        pytest.importorskip("gunicorn")
    file = write(tmp_path, "web.lua", "local found = ngx.req.get_headers(0) ngx.say(found.x_0, ' ', found.x_2999)")
    with program(tmp_path, "serve", file, *workers, *HERE) as served:
        port = int(served.line_with(r"^lasa serving http://127\.0\.0\.1:(\d+) ")[1])
        assert ask(port, headers={f"X-{number}": str(number) for number in range(3000)}) == (200, "0 2999\n")
        assert ask(port, headers={f"X-{number}": "a" * 60 for number in range(1000)})[0] == 431


def test_workers_have_a_runtime_each(tmp_path: Path) -> None:
    pytest.importorskip("gunicorn")
    file = write(tmp_path, "web.lua", "ngx.say(ngx.worker.pid())")
    with program(tmp_path, "serve", file, "--workers", "1", *HERE) as served:
        port = int(served.line_with(r"^lasa serving http://127\.0\.0\.1:(\d+) ")[1])
        status, text = ask(port)
        assert (status, int(text) != served.pid) == (200, True)
        served.signal(signal.SIGTERM)
        assert served.end() == 0
