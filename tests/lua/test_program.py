"""``lasa run`` of Lua: what goes in, what comes out, how it ends."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

import lasa.lua
from tests.lua.tools import DEADLINE_S, lua_program, run_lua


def script(folder: Path, code: str, name: str = "script.lua") -> str:
    path = folder / name
    path.write_text(code)
    return str(path)


def test_a_file_runs_with_its_arguments(tmp_path: Path) -> None:
    path = script(tmp_path, "ngx.say(arg[0] == ..., #arg, arg[1], select('#', ...), (select(2, ...)))")
    assert run_lua(path, "a", "-b") == (0, "false2a2-b\n", "")


def test_code_of_the_command_line_runs_with_its_arguments() -> None:
    assert run_lua("-e", "ngx.say(arg[1], arg[2], ...)", "x", "y") == (0, "xyxy\n", "")


def test_code_from_stdin_runs() -> None:
    assert run_lua("-", stdin=b"ngx.say('from stdin')") == (0, "from stdin\n", "")


def test_a_first_line_for_the_shell_is_skipped_and_lines_keep_their_numbers(tmp_path: Path) -> None:
    status, _, err = run_lua(script(tmp_path, "#!/usr/bin/env -S lasa run\nerror('here')"))
    assert status == 1
    assert "script.lua:2: here" in err


def test_stdout_carries_what_the_script_says_and_nothing_else() -> None:
    code = "ngx.print('a') print('to stderr') ngx.log(ngx.ERR, 'too') ngx.say({1, {2.5, 'b'}}, nil, true)"
    status, out, err = run_lua("-e", code)
    assert (status, out) == (0, "a12.5bniltrue\n")
    assert "[notice]" in err
    assert "[error]" in err


def test_output_of_io_write_and_ngx_say_is_all_there() -> None:
    status, out, _ = run_lua("-e", "io.write('one\\n') io.flush() ngx.say('two') ngx.flush(true) io.write('three\\n')")
    assert (status, out) == (0, "one\ntwo\nthree\n")


def test_modules_of_a_folder_and_of_lua_path_are_found(tmp_path: Path) -> None:
    script(tmp_path, "ngx.sleep(0.001) return { word = ... }", "slow.lua")
    folder = tmp_path / "other"
    folder.mkdir()
    script(folder, "return 'by path'", "near.lua")
    status, out, err = run_lua(
        "-I", str(tmp_path), "-l", "slow", "-e", "ngx.say(package.loaded.slow.word, ' ', require 'near')",
        environment={"LUA_PATH": f"{folder}/?.lua;;"},
    )  # fmt: skip
    assert (status, out, err) == (0, "slow by path\n", "")


def test_a_module_that_is_not_there_names_all_places_that_were_tried() -> None:
    status, _, err = run_lua("-e", "require 'no.such.module'")
    assert status == 1
    assert "module 'no.such.module' not found:" in err
    assert "no file './no/such/module.lua'" in err


def test_the_program_lasts_until_its_light_threads_and_timers_are_done() -> None:
    code = """
        ngx.thread.spawn(function() ngx.sleep(0.02) ngx.say("thread") end)
        ngx.timer.at(0.04, function(premature) io.write("timer ", tostring(premature), "\\n") end)
        ngx.say("main")
    """
    assert run_lua("-e", code) == (0, "main\nthread\ntimer false\n", "")


@pytest.mark.parametrize(
    ("call", "status"),
    [
        ("ngx.exit(0)", 0),
        ("ngx.exit(200)", 0),
        ("ngx.exit(3)", 3),
        ("ngx.exit(ngx.ERROR)", 1),
        ("ngx.exit(404)", 1),
        ("os.exit(5)", 5),
        ("os.exit(false)", 1),
        ("ngx.thread.spawn(function() ngx.sleep(0.001) ngx.exit(4) end) ngx.sleep(20)", 4),
        ("pcall(ngx.exit, 6)", 6),
    ],
)
def test_the_exit_status_is_what_the_script_says(call: str, status: int) -> None:
    assert run_lua("-e", f"ngx.say('said') {call} ngx.say('not said')")[:2] == (status, "said\n")


def test_an_uncaught_error_has_its_line_and_traceback() -> None:
    status, out, err = run_lua("-e", "local function f() error('boom') end\nf() ngx.say('not said')")
    assert (status, out) == (1, "")
    assert "lua entry thread aborted: runtime error: (command line):1: boom\nstack traceback:" in err
    assert "(command line):2: in main chunk" in err


def test_a_syntax_error_has_its_line(tmp_path: Path) -> None:
    status, _, err = run_lua(script(tmp_path, "local x = 1\nlocal = 2"))
    assert status == 1
    assert "script.lua:2: '<name>' expected near '='" in err


def test_an_error_in_a_light_thread_or_timer_is_logged_and_everything_else_goes_on() -> None:
    code = """
        ngx.thread.spawn(function() error("in thread") end)
        ngx.timer.at(0, function() error("in timer") end)
        ngx.sleep(0.01)
        ngx.say("main goes on")
    """
    status, out, err = run_lua("-e", code)
    assert (status, out) == (0, "main goes on\n")
    assert "lua user thread aborted: runtime error: (command line):2: in thread" in err
    assert "failed to run timer: runtime error: (command line):3: in timer" in err


def test_a_call_that_waits_where_lua_cannot_yield_says_so() -> None:
    code = "table.sort({3, 1, 2}, function(a, b) ngx.sleep(0.001) return a < b end)"
    status, _, err = run_lua("-e", code)
    assert status == 1
    assert "(command line):1: attempt to yield across C-call boundary: a call that waits cannot be made inside" in err
    assert "table.sort" in err


def test_sigterm_makes_timers_premature_and_kills_light_threads() -> None:
    code = """
        ngx.timer.at(60, function(premature) io.stdout:write("premature ", tostring(premature), "\\n") end)
        ngx.say("ready") ngx.flush(true)
        ngx.sleep(60)
        ngx.say("not said")
    """
    with lua_program("-e", code) as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out, err) == (128 + signal.SIGTERM, b"premature true\n", b"")


def test_a_reader_that_goes_away_is_told_by_the_status_alone() -> None:
    with lua_program("-e", "for i = 1, 20 do ngx.say(('x'):rep(9999)) ngx.flush(true) ngx.sleep(0.001) end") as process:
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(DEADLINE_S) == 128 + signal.SIGPIPE
        assert process.stderr.read() == b""


def test_settings_come_from_the_command_line_the_environment_and_the_file_in_this_order(tmp_path: Path) -> None:
    (tmp_path / "lasa.toml").write_text("socket_read_timeout = 30\nsocket_log_errors = false\n")
    code = """
        local listener = lasa.socket.tcp() listener:bind("127.0.0.1", 0) listener:listen()
        local sock = ngx.socket.tcp() sock:connect("127.0.0.1", (select(2, listener:getsockname())))
        local began = ngx.now() sock:receive() ngx.update_time()
        ngx.say(("%.1f"):format(ngx.now() - began))
    """
    assert run_lua("-e", code, folder=tmp_path) == (0, "0.0\n", "")
    in_environment = {"LASA_SOCKET_READ_TIMEOUT": "300"}
    assert run_lua("-e", code, folder=tmp_path, environment=in_environment) == (0, "0.3\n", "")
    chosen = "--set", "socket_read_timeout=500"
    assert run_lua(*chosen, "-e", code, folder=tmp_path, environment=in_environment) == (0, "0.5\n", "")


@pytest.mark.parametrize(
    ("chosen", "complaint"),
    [
        ("socket_read_timout=1", "unknown setting 'socket_read_timout', did you mean \"socket_read_timeout\"?"),
        ("socket_read_timeout=soon", "socket_read_timeout: milliseconds, at least 1 expected, got 'soon'"),
        ("socket_pool_size=0", "socket_pool_size: a number, at least 1 expected, got '0'"),
        ("shared_dict.dogs=big", "shared_dict: names with sizes, as in 4096, 4k or 1m expected"),
    ],
)
def test_a_bad_setting_ends_before_the_script_begins(chosen: str, complaint: str) -> None:
    status, out, err = run_lua("--set", chosen, "-e", "ngx.say('not said')")
    assert (status, out) == (2, "")
    assert complaint in err


def test_a_file_that_cannot_be_read_says_why() -> None:
    assert run_lua("/no/such/file.lua") == (2, "", "lasa: cannot read /no/such/file.lua: No such file or directory\n")


def test_no_file_and_no_code_is_a_usage_error() -> None:
    status, _, err = run_lua()
    assert status == 2
    assert "a FILE, or -e CODE, is needed" in err


def test_run_from_python_takes_either_a_file_or_code() -> None:
    with pytest.raises(ValueError, match=r"run\(\) takes a file or code"):
        lasa.lua.run()


def test_a_signal_while_the_main_code_waits_for_a_light_thread_is_no_error() -> None:
    code = "local t = ngx.thread.spawn(ngx.sleep, 60) ngx.say('ready') ngx.flush(true) ngx.thread.wait(t)"
    with lua_program("-e", code) as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out, err) == (128 + signal.SIGTERM, b"", b"")
