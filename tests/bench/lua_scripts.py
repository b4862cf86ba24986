"""The Lua scripts of the bench, and ``lasa run`` for them.

A script says itself what CPU time its process took, without the start.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.bench.harness import ROOT, Figures, Job

__all__ = ["DEADLINE_S", "LASA", "SCRIPTS", "redis_pings", "said_by", "said_by_lasa"]

SCRIPTS: Final = Path(__file__).parent
LASA: Final = (sys.executable, "-m", "lasa")
DEADLINE_S: Final = 100


def said_by(*command: str) -> str:
    """Run a program to its end and return what it writes to stdout; it must succeed."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S)
    if done.returncode:
        raise ValueError(done.stderr.strip() or f"exit status {done.returncode}")
    return done.stdout


def said_by_lasa(script: str, *arguments: object) -> str:
    """Run a script of this folder by ``lasa run`` and return what it says."""
    return said_by(*LASA, "run", str(SCRIPTS / script), *map(str, arguments))


def redis_pings(run: Callable[..., str], connections: int) -> Callable[[Job], Figures]:
    """Return the contestant of lua_redis.lua: ``run`` takes its name and arguments, and returns what it says."""

    def contestant(job: Job) -> Figures:
        each = max(1, job.count // connections)
        said = run("lua_redis.lua", job.host, job.port, connections, job.warm_up // connections + 1, each)
        cpu_s, wall_s = (float(number) for number in said.split())
        return {"cpu_us": cpu_s / (each * connections) * 1e6, "wall_us": wall_s / (each * connections) * 1e6}

    return contestant
