"""``lasa serve`` with a script and with a handler in Python that answers the same, and OpenResty, under wrk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from tests.bench.harness import Comparison, Contestant, Row
from tests.bench.http_apps import Serving, free_port, running
from tests.bench.http_server import CONNECTIONS, SECONDS, small_answers
from tests.bench.lua_scripts import LASA, SCRIPTS
from tests.bench.openresty import openresty

__all__ = ["ROWS", "handler"]

SCRIPT: Final = "lua_serve.lua"
HELLO: Final = b"hello world\n"


def handler(request: Any) -> Any:
    """Answer any request as the script does."""
    return 200, {"content-type": "text/plain"}, HELLO


@contextmanager
def lasa_serve(what: str) -> Iterator[Serving]:
    port = free_port()
    listen = f"127.0.0.1:{port}"
    with running([*LASA, "serve", what, "--listen", listen, "--access-log", "off"], port) as pid:
        yield Serving(port, pid)


ROWS: Final = (
    Row(
        name="lua-serve",
        title=f"answers of {len(HELLO)} bytes, one process, wrk -t1 -c{CONNECTIONS} -d{SECONDS}",
        figures={"per_s": "requests/s", "cpu_us": "CPU µs"},
        # An operation is a second here.
        contestants=(
            Contestant(
                "lasa serve, Lua", small_answers(partial(lasa_serve, str(SCRIPTS / SCRIPT)), body=HELLO), SECONDS
            ),
            Contestant(
                "lasa serve, Python",
                small_answers(partial(lasa_serve, "tests.bench.lua_serve:handler"), body=HELLO),
                SECONDS,
            ),
            Contestant("OpenResty", small_answers(partial(openresty, SCRIPT), body=HELLO), SECONDS),
        ),
        comparisons=(
            Comparison("lasa serve, Lua", "lasa serve, Python", "≥ 0.7"),
            Comparison("lasa serve, Lua", "lasa serve, Python", "", "cpu_us"),
            Comparison("lasa serve, Lua", "OpenResty"),
        ),
        quick_divisor=SECONDS,
    ),
)
