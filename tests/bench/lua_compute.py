"""Computation without a wait, in a script of ``lasa run`` as it comes, watchdog and all, beside a LuaJIT with nothing.

The plain one is lupa's, the very LuaJIT that lasa runs; the command ``luajit`` is another build of another version.
"""

from __future__ import annotations

import shutil
from typing import Final

from tests.bench.harness import Comparison, Contestant, Figures, Job, NotInstalled, Row, optional_module
from tests.bench.lua_scripts import LASA, SCRIPTS, said_by

__all__ = ["ROWS"]

KERNELS: Final = ("loop", "tables", "strings", "calls", "mandelbrot", "bodies")
TIMES: Final = 5


def call_of(job: Job) -> str:
    return f'assert(loadfile("{SCRIPTS / "lua_compute.lua"}"))({job.count})'


def figures_of(said: str) -> Figures:
    times_ms = {name: float(time_ms) for name, time_ms in (line.split() for line in said.splitlines())}
    return {"all": sum(times_ms.values()), **times_ms}


def by_lasa(job: Job) -> Figures:
    return figures_of(said_by(*LASA, "run", "-e", f"ngx.say({call_of(job)})"))


def by_lupa(job: Job) -> Figures:
    lua = optional_module("lupa.luajit21").LuaRuntime()
    return figures_of(lua.execute(f"return {call_of(job)}"))


def by_command(job: Job) -> Figures:
    binary = shutil.which("luajit")
    if binary is None:
        raise NotInstalled("apt-get install luajit")
    return figures_of(said_by(binary, "-e", f"print({call_of(job)})"))


ROWS: Final = (
    Row(
        name="lua-compute",
        title=f"kernels in Lua, the least CPU time of {TIMES}",
        figures={"all": "all, ms", **{name: f"{name}, ms" for name in KERNELS}},
        contestants=(
            Contestant("lasa run", by_lasa, TIMES),
            Contestant("plain LuaJIT", by_lupa, TIMES),
            Contestant("luajit", by_command, TIMES),
        ),
        comparisons=(
            Comparison("lasa run", "plain LuaJIT", "≤ 1.05"),
            *(Comparison("lasa run", "plain LuaJIT", "", name) for name in KERNELS),
            Comparison("lasa run", "luajit"),
        ),
        quick_divisor=TIMES,
    ),
)
