"""How long an empty script takes, from the start of its process to its end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Final

from tests.bench.harness import ROOT, Comparison, Contestant, Figures, Job, NotInstalled, Row
from tests.bench.lua_scripts import LASA

__all__ = ["ROWS"]

TIMES: Final = 10


def started(command: Sequence[str]) -> Figures:
    """Run a program once; it must succeed."""
    began_s = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - began_s
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise ValueError(f"exit status {process.returncode}")
    return {"wall_ms": wall_s * 1e3, "cpu_ms": (usage.ru_utime + usage.ru_stime) * 1e3}


def starts(*command: str) -> Callable[[Job], Figures]:
    """Return the contestant: a program, so many times one after another; a first time, to have its files at hand."""

    def contestant(job: Job) -> Figures:
        binary = shutil.which(command[0])
        if binary is None:
            raise NotInstalled(f"apt-get install {command[0]}")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "empty.py")
            file.touch()
            words = [binary, *(word.format(file=file) for word in command[1:])]
            started(words)
            rounds = [started(words) for _ in range(job.count)]
        return {name: median(figures[name] for figures in rounds) for name in rounds[0]}

    return contestant


ROWS: Final = (
    Row(
        name="lua-start",
        title=f"start and end of an empty script, median of {TIMES}",
        figures={"wall_ms": "wall ms", "cpu_ms": "CPU ms"},
        contestants=(
            Contestant("lasa run -e ''", starts(*LASA, "run", "-e", ""), TIMES),
            Contestant("lasa run empty.py", starts(*LASA, "run", "{file}"), TIMES),
            Contestant("python -c pass", starts(sys.executable, "-c", "pass"), TIMES),
            Contestant("luajit -e ''", starts("luajit", "-e", ""), TIMES),
        ),
        comparisons=(
            Comparison("lasa run -e ''", "", "≤ 150"),
            Comparison("lasa run -e ''", "lasa run empty.py"),
            Comparison("lasa run -e ''", "python -c pass"),
        ),
        quick_divisor=5,
    ),
)
