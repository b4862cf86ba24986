"""The constants in ngx, the process, and the module ngx.errlog."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from lasa.lua._api import process
from tests.lua.bare import Bare

lua = Bare("constants", "process", "errlog")

# What nginx 1.22.1 with lua-nginx-module 0.10.23 has.
CONSTANTS = """
AGAIN=-2 ALERT=2 CRIT=3 DEBUG=8 DECLINED=-5 DONE=-4 EMERG=1 ERR=4 ERROR=-1 HTTP_ACCEPTED=202 HTTP_BAD_GATEWAY=502
HTTP_BAD_REQUEST=400 HTTP_CLOSE=444 HTTP_CONFLICT=409 HTTP_CONTINUE=100 HTTP_COPY=128 HTTP_CREATED=201 HTTP_DELETE=32
HTTP_FORBIDDEN=403 HTTP_GATEWAY_TIMEOUT=504 HTTP_GET=2 HTTP_GONE=410 HTTP_HEAD=4 HTTP_ILLEGAL=451
HTTP_INSUFFICIENT_STORAGE=507 HTTP_INTERNAL_SERVER_ERROR=500 HTTP_LOCK=4096 HTTP_METHOD_NOT_IMPLEMENTED=501
HTTP_MKCOL=64 HTTP_MOVE=256 HTTP_MOVED_PERMANENTLY=301 HTTP_MOVED_TEMPORARILY=302 HTTP_NOT_ACCEPTABLE=406
HTTP_NOT_ALLOWED=405 HTTP_NOT_FOUND=404 HTTP_NOT_IMPLEMENTED=501 HTTP_NOT_MODIFIED=304 HTTP_NO_CONTENT=204 HTTP_OK=200
HTTP_OPTIONS=512 HTTP_PARTIAL_CONTENT=206 HTTP_PATCH=16384 HTTP_PAYMENT_REQUIRED=402 HTTP_PERMANENT_REDIRECT=308
HTTP_POST=8 HTTP_PROPFIND=1024 HTTP_PROPPATCH=2048 HTTP_PUT=16 HTTP_REQUEST_TIMEOUT=408 HTTP_SEE_OTHER=303
HTTP_SERVICE_UNAVAILABLE=503 HTTP_SPECIAL_RESPONSE=300 HTTP_SWITCHING_PROTOCOLS=101 HTTP_TEMPORARY_REDIRECT=307
HTTP_TOO_MANY_REQUESTS=429 HTTP_TRACE=32768 HTTP_UNAUTHORIZED=401 HTTP_UNLOCK=8192 HTTP_UPGRADE_REQUIRED=426
HTTP_VERSION_NOT_SUPPORTED=505 INFO=7 NOTICE=6 OK=0 STDERR=0 WARN=5
"""


def with_log(levels: set[int], written: list[tuple[int, bytes]]) -> Bare:
    """Return a state with ngx.errlog that logs these levels."""
    state = Bare("constants")
    state.add_native("output", "is_logged", levels.__contains__)
    state.add_native("output", "log", lambda level, message: written.append((level, message)))
    state.run_chunk("errlog")
    return state


def test_the_constants_are_those_of_nginx() -> None:
    code = "local t = {} for k, v in pairs(ngx) do if type(v) == 'number' then t[k] = v end end return t"
    expected = dict(word.split("=") for word in CONSTANTS.split())
    assert {key.decode(): str(value) for key, value in Bare("constants")(code).items() if key != b"null"} == expected


def test_config_tells_the_versions_that_lasa_follows_and_the_folder_of_the_start() -> None:
    assert lua("return ngx.config.subsystem, ngx.config.debug") == (b"http", False)
    assert lua("return ngx.config.nginx_version, ngx.config.ngx_lua_version") == (1022001, 10023)
    assert lua("return ngx.config.nginx_configure()") == b""
    assert Path(os.fsdecode(lua("return ngx.config.prefix()"))) == Path.cwd()
    assert lua("return ngx.config.prefix()").endswith(b"/")


def test_a_folder_that_was_removed_is_no_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert Bare("process")("return ngx.config.prefix()") == b"/"


def test_a_process_is_its_own_master_and_only_worker() -> None:
    assert lua("return ngx.worker.pid(), ngx.worker.pids()[1], #ngx.worker.pids()") == (os.getpid(), os.getpid(), 1)
    assert lua("return ngx.worker.id(), ngx.worker.count()") == (0, 1)
    lua("process = require 'ngx.process'")
    assert lua("return process.type(), process.get_master_pid()") == (b"single", os.getpid())
    assert lua("return process.enable_privileged_agent()") == (None, b"API disabled in the current context")
    message = b"x.lua:2: signal_graceful_exit is not supported: return from the main code, or call os.exit"
    assert lua.error_of("process.signal_graceful_exit()") == message


def test_a_worker_is_exiting_once_its_timers_fire_prematurely(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lua("return ngx.worker.exiting()") is False
    monkeypatch.setattr(process, "calendar", lambda: SimpleNamespace(is_ending=True))
    assert lua("return ngx.worker.exiting()") is True


def test_raw_log_writes_one_message_of_any_level() -> None:
    written: list[tuple[int, bytes]] = []
    with_log({4}, written)("errlog = require 'ngx.errlog' errlog.raw_log(ngx.WARN, 'careful') errlog.raw_log(0, '')")
    assert written == [(5, b"careful"), (0, b"")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'x'", b"bad argument #1 to 'raw_log' (must be a number)"),
        ("1", b"bad argument #2 to 'raw_log' (must be a string)"),
        ("99, 'x'", b"bad log level"),
        ("-1, 'x'", b"bad log level"),
    ],
)
def test_raw_log_refuses_what_is_no_level_and_no_message(arguments: str, message: bytes) -> None:
    assert lua.error_of(f"require('ngx.errlog').raw_log({arguments})") == b"x.lua:2: " + message


def test_messages_are_not_kept_to_be_read_again() -> None:
    reason = b"missing the capture error log patch for nginx"
    lua("errlog = require 'ngx.errlog'")
    assert lua("return errlog.set_filter_level(ngx.WARN)") == (None, reason)
    assert lua("return errlog.set_filter_level()") == (None, b'missing "level" argument')
    assert lua("return errlog.get_logs()") == (None, reason)


@pytest.mark.parametrize(("levels", "highest"), [({0, 1, 4, 5}, 5), (set(range(9)), 8), (set(), 0)])
def test_the_system_s_filter_level_is_the_highest_that_is_logged(levels: set[int], highest: int) -> None:
    assert with_log(levels, [])("return require('ngx.errlog').get_sys_filter_level()") == highest
