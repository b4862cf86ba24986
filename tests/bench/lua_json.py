"""Documents of 1 MiB through cjson, lasa's and the C module that OpenResty has, on the same LuaJIT."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.bench.harness import Comparison, Contestant, Figures, Job, NotInstalled, Row
from tests.bench.lua_scripts import LASA, SCRIPTS, said_by

__all__ = ["ROWS"]

DOCUMENTS: Final = ("escapes", "characters", "text", "records")
TIMES: Final = 5
NOT_FOUND: Final = "not found"

OURS: Final = 'local open = function() return require "cjson" end'
# The runtime's own loader of C modules, past lasa's module of the same name; a text if there is none.
IN_C: Final = 'local open = package.loaders[7]("cjson")'


def through(opens: str) -> Callable[[Job], Figures]:
    """Return the contestant of a module, by Lua code that makes `open`, which returns it."""

    def contestant(job: Job) -> Figures:
        call = f'assert(loadfile("{SCRIPTS / "lua_json.lua"}"))(open(), {job.count})'
        said = said_by(*LASA, "run", "-e", f'{opens} ngx.say(type(open) == "string" and "{NOT_FOUND}" or {call})')
        if said.startswith(NOT_FOUND):
            raise NotInstalled("apt-get install lua-cjson")
        return {name: float(time_ms) for name, time_ms in (line.split() for line in said.splitlines())}

    return contestant


FIGURES: Final = tuple(f"{way}_{document}" for document in DOCUMENTS for way in ("decode", "encode"))

ROWS: Final = (
    Row(
        name="lua-json",
        title=f"cjson, documents of 1 MiB, the least CPU time of {TIMES}",
        figures={name: f"{name.replace('_', ' ')}, ms" for name in FIGURES},
        contestants=(
            Contestant("lasa", through(OURS), TIMES),
            Contestant("lua-cjson", through(IN_C), TIMES),
        ),
        comparisons=tuple(Comparison("lasa", "lua-cjson", "", name) for name in FIGURES),
        quick_divisor=TIMES,
    ),
)
