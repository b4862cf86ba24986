"""Every example in Lua, run as a reader runs it: in a process of its own, against real servers and clients."""

from __future__ import annotations

import errno
import os
import re
import subprocess
from pathlib import Path

import pytest

from lasa import websocket
from tests.helpers import raw_listener
from tests.lua.servers import lua_server
from tests.servers import Server, find_binary, free_port
from tests.test_examples import EXAMPLES, TERMINATED, Finished, connected, run, running

REDIS = """\
PING -> "PONG"
SET -> "OK"
GET -> "two lines,\\r\\nsent as they are"
INCRBY -> 41
INCR -> 42
RPUSH -> 3
LRANGE -> { "apple", "banana", "cherry" }
INCR -> error: WRONGTYPE Operation against a key holding the wrong kind of value
DEL -> 3
GET -> null
the connection was used again: true
"""


def test_redis_client_pipelines_and_keeps_its_connection(redis: Server) -> None:
    assert run("redis_client.lua", f"{redis.host}:{redis.port}") == Finished(REDIS, "", 0)


def test_redis_client_tells_what_went_wrong() -> None:
    address = f"127.0.0.1:{free_port()}"
    ended = run("redis_client.lua", address)
    assert (ended.output, ended.status) == ("", 1)
    assert ended.errors.splitlines()[-1] == f"redis at {address}: connection refused"


def test_echo_server_serves_pythons_client() -> None:
    with running("echo_server.lua", "127.0.0.1:0") as server:
        host, port = server.address()
        with connected(host, port) as silent:
            lines = ["hello, world", "", "blåbærgrød"]
            assert run("echo_client.py", f"{host}:{port}", *lines) == Finished("\n".join(lines) + "\n", "", 0)
            silent.sendall(b"x")
            assert silent.recv_exactly(1) == b"x"
            assert server.terminate() == Finished("", "", TERMINATED)


def test_echo_server_tells_why_it_cannot_bind() -> None:
    with raw_listener() as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run("echo_server.lua", address)
    assert ended == Finished("", f"cannot bind to {address}: {os.strerror(errno.EADDRINUSE).lower()}\n", 1)


def curl(*arguments: str) -> str:
    binary = find_binary("curl", package="curl")
    command = [binary, "--silent", "--show-error", "--max-time", "20", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


def test_hello_handler_answers_queries_forms_and_json() -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with lua_server(EXAMPLES / "hello_handler.lua", port, "--set", "shared_dict.visits=1m"):
        assert curl(f"{url}/?name=Ann") == "hello, Ann\nvisits of Ann: 1\n"
        assert curl("-d", "name=Ann", f"{url}/") == "hello, Ann\nvisits of Ann: 2\n"
        assert re.fullmatch(r'\{"(now|client)":[^,]+,"(now|client)":[^,]+\}\n', curl(f"{url}/api/time"))
        assert curl("--output", "/dev/null", "--write-out", "%{http_code}", f"{url}/nothing") == "404"
        assert curl("--location", f"{url}/old").startswith("hello, world\n")


def test_websocket_echo_handler_echoes_text_and_binary(tmp_path: Path) -> None:
    library = Path("/usr/share/lua/5.1/nginx/websocket")  # where Debian has it
    if not library.is_dir():
        pytest.skip("lua-resty-websocket is not installed: apt-get install lua-nginx-websocket")
    (tmp_path / "resty").mkdir()
    (tmp_path / "resty" / "websocket").symlink_to(library)
    port = free_port()
    with (
        lua_server(EXAMPLES / "websocket_echo_handler.lua", port, "-I", str(tmp_path)),
        websocket.client.connect(f"ws://127.0.0.1:{port}/")[0] as wb,  # type: ignore[union-attr]
    ):
        for message in ("hello", b"\x00\xff", "blåbærgrød"):
            assert wb.send(message)[1] is None
            assert wb.receive() == (message, None)
        wb.close(1000)
        assert wb.closing is not None
        assert wb.closing.code == 1000


TIMERS = """\
1. Light threads start at once and wait side by side
   the coffee begins
   the tea begins
   the tea is ready
   the coffee is ready
2. A semaphore lets two of five in at a time
   never more than 2 at a time
3. Timers run in light threads of their own; the program waits for them
The end of the main code
   tick 1
   tick 2
   tick 3
"""


def test_timer_and_threads_tells_what_happens_in_a_fixed_order() -> None:
    assert run("timer_and_threads.lua") == Finished(TIMERS, "", 0)


def test_http_fetch_fetches_at_the_same_time_and_tells_what_came(nginx: Server) -> None:
    port = free_port()
    code = "ngx.header.content_type = 'text/x-lua' ngx.print('one, ') ngx.flush(true) ngx.print('two')"
    with lua_server(code, port):
        chunked, plain, nobody = f"http://127.0.0.1:{port}/", f"{nginx.url}/", f"http://127.0.0.1:{free_port()}/"
        ended = run("http_fetch.lua", chunked, plain, nobody)
    lines = ended.output.splitlines()
    assert lines[0] == f"{chunked}: 200 OK, 8 bytes of text/x-lua"
    assert re.fullmatch(re.escape(plain) + r": 200 OK, \d+ bytes of text/plain", lines[1])
    assert lines[2] == f"{nobody}: connection refused"
    assert ended.status == 0


PRIMES = """\
the primes up to 10 add up to 17
the primes up to 100 add up to 1060
the primes up to 1000 add up to 76127
the primes up to 10000 add up to 5736396
the primes up to 100000 add up to 454396537
3 workers did 5 jobs
"""


def test_detach_workers_share_the_jobs() -> None:
    assert run("detach_workers.lua", "3") == Finished(PRIMES, "", 0)


@pytest.mark.parametrize("name", ["echo_server.lua", "http_fetch.lua"])
def test_example_that_needs_arguments_says_which(name: str) -> None:
    ended = run(name)
    assert ended.status == 1
    assert ended.output == ""
    assert f"lasa run examples/{name}" in ended.errors


def test_every_example_is_run_by_a_test_and_says_how_to_run_it() -> None:
    tests = Path(__file__).read_text()
    for path in EXAMPLES.glob("*.lua"):
        assert path.name in tests
        assert re.match(rf"-- [^\n]+\n(-- [^\n]+\n)*--\n--     lasa (run|serve) examples/{path.name}", path.read_text())
